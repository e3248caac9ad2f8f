"""Other people's metadata, read loosely but within bounds: what cannot be read says nothing.

Strict loading (core/strict_yaml) is for files whose author we can tell to mend them. These belong to others: tabs,
anchors, repeated keys and unknown fields are usual in them.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.documents import LINE_BREAK, pointer_to
from ...core.metadata import parse_json
from ...core.toml import parse_toml

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 30
MAX_EVENTS = 50_000
# A file above many datasets is asked about each of them: so much of 1 MB each may be kept.
KEPT = 8
_FENCE = re.compile(r"\s*---[ \t]*(?:\r\n|\n|\r)")
_END = re.compile(r"(?m)^(?:---|\.\.\.)[ \t]*\r?$")
_TOP_KEY = re.compile(r"""["']?([A-Za-z_][A-Za-z0-9_-]*)["']?[ \t]*:(?:[ \t]|$)""")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,15})\Z")


class Loaded(NamedTuple):
    """What a file holds, and the lines of its values by JSON pointer, as far as they are known."""

    data: Any
    lines: Mapping[str, int]


@lru_cache(maxsize=KEPT)
def load_json(raw: bytes) -> Loaded | None:
    """Read JSON; None for what is none, or too large to be metadata. Never raises."""
    if len(raw) >= MAX_BYTES or raw.count(b"[") + raw.count(b"{") > MAX_EVENTS:
        return None
    document = parse_json(raw)
    if not document.problems:
        return Loaded(document.data, document.lines)
    try:
        return Loaded(json.loads(raw.decode("utf-8-sig")), {})
    except (ValueError, RecursionError):
        return None


@lru_cache(maxsize=KEPT)
def load_toml(raw: bytes) -> Any:
    """Read TOML; None for what is none, or too large. Never raises."""
    if len(raw) > MAX_BYTES // 4:
        return None
    try:
        return parse_toml(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


@lru_cache(maxsize=KEPT)
def load_yaml(raw: bytes, keys: frozenset[str]) -> Loaded | None:
    """Read the fields `keys` of a YAML mapping; None for what is none. Never raises."""
    if len(raw) >= MAX_BYTES:
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    # Lists of thousands of features stand beside the few fields that matter.
    return _events(_only(text, keys)) or _events(text)


def front_matter(raw: bytes) -> bytes | None:
    """The YAML between the first two fences of a Markdown file, at the lines where it stands; None without it."""
    if not has_fence(raw):
        return None
    text = raw[:MAX_BYTES].decode("utf-8-sig", "replace")
    start = _FENCE.match(text)
    end = _END.search(text, start.end()) if start else None
    if start is None or end is None:
        return None
    above = "\n" * len(re.findall(LINE_BREAK, start[0]))
    return (above + text[start.end() : end.start()]).encode("utf-8")


def has_fence(raw: bytes) -> bool:
    """Whether a Markdown file begins as one with front matter does; the Hub's own reader passes over space before."""
    return raw[:MAX_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"---")


def _only(text: str, keys: Container[str]) -> str:
    """Blank out the lines of fields at the left margin that are not among `keys`."""
    kept: list[str] = []
    keep = True
    for line in re.split(LINE_BREAK, text):
        if (found := _TOP_KEY.match(line)) is not None:
            keep = found[1] in keys
        elif line[:1] not in ("", " ", "\t", "-", "#"):
            keep = True
        kept.append(line if keep else "")
    return "\n".join(kept)


def _events(text: str) -> Loaded | None:
    import yaml

    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if not builder.feed(event):
                return None
    except Exception:
        # Fed by strangers, the scanner fails in ways of its own beside YAMLError: a ValueError from chr(), for one.
        return None
    return Loaded(builder.root, builder.lines) if isinstance(builder.root, dict) else None


class _Builder:
    """Values from events, by a loop: depth costs no stack, and an alias stands for nothing."""

    def __init__(self) -> None:
        self.root: Any = None
        self.lines: dict[str, int] = {}
        self._stack: list[tuple[Any, str, list[str]]] = []
        self._count = 0

    def feed(self, event: Any) -> bool:
        """Take an event; whether there may be more."""
        self._count += 1
        kind = type(event).__name__
        if kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._stack.pop()
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            value: Any = {} if kind == "MappingStartEvent" else []
            self._stack.append((value, self._place(value, event), []))
        elif kind == "ScalarEvent":
            self._place(event.value if event.style else _plain(event.value), event)
        elif kind == "AliasEvent":
            self._place(None, event)
        return self._count <= MAX_EVENTS and len(self._stack) <= MAX_DEPTH

    def _place(self, value: Any, event: Any) -> str:
        line = event.start_mark.line + 1
        if not self._stack:
            self.root = value
            return ""
        container, above, key = self._stack[-1]
        if isinstance(container, list):
            pointer = pointer_to(above, len(container))
            container.append(value)
        elif not key:
            key.append(str(getattr(event, "value", ""))[:200])
            return above
        else:
            pointer = pointer_to(above, key.pop())
            container[pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")] = value
        if len(self._stack) <= 3:  # pointers repeat the keys above them
            self.lines[pointer] = line
        return pointer


def _plain(text: str) -> Any:
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    return int(text) if _INTEGER.match(text) else text
