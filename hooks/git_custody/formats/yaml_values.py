"""The texts of a YAML document that stand behind keys of chat templates, as libyaml reads them."""

from __future__ import annotations

import re
from typing import NamedTuple

from git_custody.formats.verdicts import Budget
from git_custody.formats.yaml_events import BreaksOffError, events

KEY = re.compile(r"[\w-]{0,64}(?:chat|instruction)_template[\w-]{0,64}")
SIGNS = ("{{", "{%")


class _Open(NamedTuple):
    """A mapping or sequence: whether it lies behind such a key, and whether a key comes next (None: it has none)."""

    is_wanted: bool
    at_key: bool | None
    value_is_wanted: bool


def yaml_values(data: bytes, budget: Budget) -> list[str]:
    """The texts with signs of a template behind such keys, as far as the document parses; none without libyaml.

    Where an alias stands behind one, all texts count.
    """
    import yaml

    wanted: list[str] = []
    others: list[str] = []
    refers = False
    stack = [_Open(False, None, False)]
    try:
        for event in events(data, budget) if hasattr(yaml, "CSafeLoader") else ():
            if isinstance(event, yaml.CollectionEndEvent):
                stack.pop()
                continue
            if not isinstance(event, yaml.NodeEvent):
                continue
            text = event.value if isinstance(event, yaml.ScalarEvent) else None
            top = stack[-1]
            is_wanted = top.value_is_wanted if top.at_key is False else top.is_wanted
            if top.at_key:
                is_key = text is not None and KEY.fullmatch(text) is not None
                stack[-1] = _Open(top.is_wanted, False, top.is_wanted or is_key)
            elif top.at_key is False:
                stack[-1] = _Open(top.is_wanted, True, False)
            if isinstance(event, yaml.CollectionStartEvent):
                at_key = True if isinstance(event, yaml.MappingStartEvent) else None
                stack.append(_Open(is_wanted, at_key, False))
            elif text is None:
                refers = refers or is_wanted
            elif any(sign in text for sign in SIGNS):
                (wanted if is_wanted else others).append(text)
    except BreaksOffError:
        pass
    return list(dict.fromkeys((*wanted, *(others if refers else ()))))
