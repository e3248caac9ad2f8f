"""Hydra configurations that have Python's standard library called: ``_target_: os.system`` and its kin.

`hydra.utils.instantiate` calls whatever a configuration names (``hydra/_internal/instantiate/_instantiate2.py``).
Configurations are full of such names, of the classes of the program that reads them; so only what the standard
library itself would run counts, as with the tags of YAML. A name that is only put together while it is read
(``${…}``), or that goes to a function of Hydra's own such as `hydra.utils.get_method`, is not told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from git_custody.formats.verdicts import CODE, OPAQUE, Budget, Member, Said, Scene
from git_custody.formats.yaml_events import BreaksOffError, events
from git_custody.formats.yaml_tags import runs

PARSED_AT_MOST = 1024 * 1024
SEARCHED_AT_MOST = 64 * 1024 * 1024
KEY = "_target_"
# Beside what is harmless as a tag, and ordinary in a configuration: pools, contexts, and places in memory.
HARMLESS = ("concurrent.futures.", "contextlib.", "io.BytesIO", "io.StringIO", "multiprocessing.cpu_count", "platform.",
            "tempfile.", "time.")  # fmt: skip
# What a repository's own packages are called, more often than those of Python: `commands` was Python 2's, and of
# Python's own tests these run what they are given.
OWN = re.compile(r"commands\.|test\.(?!(?:support|libregrtest|regrtest|script_helper)\b)")
# How the key may be written where a text is in double quotes.
HINTS = (KEY.encode(), b"\\x", b"\\u", b"\\U", b"\\\n", b"\\\r")


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look for names of the standard library behind the key, in a file of its own: Hydra reads no archives."""
    if scene.is_member:
        return
    data = scene.content.read_at(0, PARSED_AT_MOST)
    if any(hint in data.replace(b"\0", b"") for hint in HINTS):  # UTF-16
        for key, target in targets(data, scene.budget):
            if key == KEY and runs(target) and not target.startswith(HARMLESS) and not OWN.match(target):
                what = f"a Hydra configuration that calls {target}"
                yield Said(CODE, "hydra", what, target, f"{KEY}: {target[:200]}")
                return
    for at in range(PARSED_AT_MOST, SEARCHED_AT_MOST, PARSED_AT_MOST):
        window = scene.content.read_at(at - len(KEY), PARSED_AT_MOST + len(KEY))
        if HINTS[0] in window.replace(b"\0", b""):
            yield Said(OPAQUE, "hydra", "a Hydra configuration that is too long to be looked into", forced=True)
            return
        if len(window) < PARSED_AT_MOST:
            return


def targets(config: bytes, budget: Budget) -> Iterator[tuple[str, str]]:
    """What a configuration would have called: the value of every `_target_`, and of `target` at the top."""
    import yaml

    anchors: dict[str, str] = {}
    keys: list[str | None] = []  # per open mapping or list: the key whose value comes next, "" where a key is next
    try:
        for event in events(config, budget):
            if isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                keys.pop()
                continue
            if isinstance(event, yaml.ScalarEvent):
                text = event.value
                if event.anchor:
                    anchors[event.anchor] = text
            elif isinstance(event, yaml.AliasEvent):
                text = anchors.get(event.anchor or "", "")
            else:
                text = None
            opens = isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent))
            if not (opens or text is not None):
                continue
            key = keys[-1] if keys else None
            if key == "" and text is not None:
                keys[-1] = text or " "
            elif key:
                if text is not None and (key == "_target_" or (key == "target" and len(keys) == 1)):
                    yield key, text
                keys[-1] = ""
            if opens:
                keys.append("" if isinstance(event, yaml.MappingStartEvent) else None)
    except BreaksOffError:
        return
