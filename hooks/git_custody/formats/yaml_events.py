"""What a YAML document consists of, event by event, as libyaml's parser reads it; nothing is ever constructed.

What several inspectors look for in one file is parsed once for each, so that a file pays for every event.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from git_custody.formats.verdicts import Budget

STEPS_PER_EVENT = 3
LETTERS_PER_STEP = 64  # of a tag, whose prefix stands in the file only once, and of a text


class BreaksOffError(Exception):
    """The document is not valid from there on, or the file may take no more steps."""


def events(data: bytes, budget: Budget) -> Iterator[Any]:
    """The events of a document, in Python where there is no libyaml. Raises `BreaksOffError`."""
    import yaml

    if budget.steps < 0:
        raise BreaksOffError
    lengths: dict[str, int] = {}  # of the texts with anchors, each of which is read again for every alias
    try:
        for event in yaml.parse(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            letters = len(getattr(event, "tag", None) or "")
            if isinstance(event, yaml.ScalarEvent):
                letters += len(event.value)
                if event.anchor:
                    lengths[event.anchor] = len(event.value)
            elif isinstance(event, yaml.AliasEvent):
                letters = lengths.get(event.anchor or "", 0)
            budget.steps -= STEPS_PER_EVENT + letters // LETTERS_PER_STEP
            if budget.steps < 0:
                raise BreaksOffError
            yield event
    except (yaml.YAMLError, ValueError, RecursionError):
        raise BreaksOffError from None
