"""JSON of which a program makes Python objects again, and which may name what that calls or hold a pickle for it.

fiddle's (``fiddle/_src/experimental/serialization.py``; NeMo 2 keeps a model's `context/io.json` so) names functions
in a ``pyref``, GluonTS's (``gluonts/core/serde/_base.py``) in a ``class`` behind ``__kind__``, jsonpickle's
(``jsonpickle/unpickler.py``) behind ``py/function`` and ``py/type``, which ``py/reduce`` calls. Most are classes of the
program's own, so that only what the standard library itself would run counts, as in Hydra's configurations. Ray Tune
(``ray/tune/utils/serialization.py``) keeps pickles in hexadecimal, also in JSON in the texts of other JSON. Nothing
behind the first 16 MiB is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from git_custody.core.content import BytesContent, Content
from git_custody.formats import bounded_json
from git_custody.formats.hydra import HARMLESS
from git_custody.formats.verdicts import CODE, OPAQUE, Budget, Member, Said, Scene
from git_custody.formats.yaml_tags import runs

ID = "json-python"
PICKLED = "CLOUDPICKLE_FALLBACK"
UNPICKLED = (ID, "a setting in a file of Ray Tune, which is a pickle")
SEARCHED_AT_MOST = 16 * 1024 * 1024
WINDOW = 1024 * 1024
OVERLAP = 1024
PICKLES_AT_MOST = 100
TEXTS_AT_MOST = 10_000
# Constants and signatures beside what is harmless in a configuration.
CONSTANTS = ("inspect.", "signal.")
KEYS = frozenset({"type", "_type", "__kind__", "py/function", "py/type", "py/reduce"})
WORDS = (b'"pyref"', b'"__kind__"', b"/reduce", b"CLOUDPICKLE_FALLBACK")
# Letters that need no escape have one where somebody hides them.
HIDEABLE = (b"pyref", b"__kind__", b"reduce", b"CLOUDPICKLE_FALLBACK")  # one of those in every such file
ESCAPED = b"\\u00"
HIDDEN = re.compile(rb"\\u00(?:2[fF]|[46][1-9a-fA-F]|[57][0-9aA]|5[fF])")
# What is looked for in a file that is too long to be parsed.
NAMED = re.compile(
    rb'"(?:py\\?/(?:function|type)|class)"\s{0,64}:\s{0,64}"([\w.]{1,128})"'
    rb'|"module"\s{0,64}:\s{0,64}"([\w.]{1,128})"\s{0,64},\s{0,64}"name"\s{0,64}:\s{0,64}"([\w.]{1,128})"'
)


class Named(NamedTuple):
    """Something of Python's that would be called: whose JSON it is, and its dotted name."""

    whose: str
    target: str


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look for what is named, and hand out what is pickled."""
    head = scene.head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if head[:1] not in (b"{", b"[", b'"', b"") or not _is_hinted(scene.content):
        return
    try:
        value = bounded_json.read(scene.content, scene.budget)
    except bounded_json.Broken:
        return
    except bounded_json.TooLong:
        yield from _searched(scene.content, scene.budget)
        return
    pickles = 0
    has_reduced, named = False, None
    for item in _objects(value):
        if KEYS.isdisjoint(item):
            continue
        text = item.get("value")
        if item.get("_type") == PICKLED and isinstance(text, str) and pickles < PICKLES_AT_MOST:
            try:
                pickled = bytes.fromhex(text)
            except ValueError:
                continue
            pickles += 1
            yield Member(None, BytesContent(pickled), unpickled=UNPICKLED)
        has_reduced = has_reduced or "py/reduce" in item
        named = named or next((known for known in _named(item) if _runs(known.target)), None)
    if named is not None and (has_reduced or named.whose != "jsonpickle"):
        what = f"JSON that has {named.whose} call {named.target}"
        yield Said(CODE, ID, what, named.target, named.target)


def _runs(target: str) -> bool:
    return runs(target) and not target.startswith((*HARMLESS, *CONSTANTS))


def _named(item: dict[str, Any]) -> Iterator[Named]:
    """What an object names; of fiddle's, module and name are apart."""
    if item.get("type") == "pyref":
        yield Named("fiddle", f"{item.get('module')}.{item.get('name')}")
    if "__kind__" in item and isinstance(item.get("class"), str):
        yield Named("GluonTS", item["class"])
    for key in ("py/function", "py/type"):
        if isinstance(item.get(key), str):
            yield Named("jsonpickle", item[key])


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a value, also in texts that are JSON with pickles themselves."""
    pending, texts = [value], 0
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            yield value
            pending += [inner for inner in value.values() if isinstance(inner, (dict, list, str))]
        elif isinstance(value, list):
            pending += [inner for inner in value if isinstance(inner, (dict, list, str))]
        elif isinstance(value, str) and PICKLED in value and value.lstrip()[:1] in ("{", "[") and texts < TEXTS_AT_MOST:
            texts += 1
            try:
                pending.append(bounded_json.parse(value.encode("utf-8", "replace")))
            except (bounded_json.Broken, bounded_json.TooLong):
                continue


def _is_hinted(content: Content) -> bool:
    for at in range(0, SEARCHED_AT_MOST, WINDOW):
        window = content.read_at(at, WINDOW + OVERLAP)
        if any(word in window for word in WORDS) or (ESCAPED in window and HIDDEN.search(window)):
            return True
        if len(window) < WINDOW + OVERLAP:
            break
    return False


def _searched(content: Content, budget: Budget) -> Iterator[Said]:
    """The first name in a long file that something would be called by, and whether one may be hidden."""
    has_hidden = may_hold = False
    for at in range(0, SEARCHED_AT_MOST, WINDOW):
        window = content.read_at(at, WINDOW + OVERLAP)
        for found in NAMED.finditer(window):
            target = (found[1] or b"%b.%b" % (found[2], found[3])).decode()
            if _runs(target):
                yield Said(CODE, ID, f"JSON that may have {target} called", target, target)
                return
        if not has_hidden and HIDDEN.search(window):
            has_hidden = True
            may_hold = len(bounded_json.lacks(content, HIDEABLE, budget)) < len(HIDEABLE)
        if PICKLED.encode() in window or may_hold:
            yield Said(OPAQUE, ID, "JSON of Python objects that is too long to be looked into", forced=True)
            return
        if len(window) < WINDOW + OVERLAP:
            return
