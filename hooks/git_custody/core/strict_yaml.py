"""YAML cut down to what JSON can say, read in one way only.

`NO`, `1.10`, `2026-01-02` and `010` stay the text that was written, a key stands once, and there are no
aliases, merge keys or tags. Events are built into values by a loop, so that depth costs no stack.
"""

from __future__ import annotations

import re
from typing import Any

from .documents import (
    CONFLICT,
    CONTROL,
    LINE_BREAK,
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_KEY,
    MAX_PROBLEMS,
    MAX_VALUES,
    Document,
    Problem,
    Refused,
    line_at,
    pointer_to,
    shown,
    utf8,
)

INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,15})\Z")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,16})\.[0-9]{1,17}\Z")
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}


def parse_yaml(data: bytes) -> Document:
    """Read one strict YAML document: see this module's docstring. Never raises for any bytes."""
    builder = _Builder()
    try:
        text = utf8(data).removeprefix("\ufeff")
        _refuse_odd_text(text)
        _build(text, builder)
    except Refused as refused:
        builder.problems.append(refused.problem)
    if builder.problems:
        return Document(None, builder.lines, tuple(builder.problems[:MAX_PROBLEMS]))
    return Document(builder.root, builder.lines, ())


def _refuse_odd_text(text: str) -> None:
    if conflict := re.search(CONFLICT, text):
        raise Refused(
            "a merge conflict stands here unresolved; in a card, git custody card update resolves the part"
            " that the tool wrote",
            line_at(text, conflict.start()),
        )
    if control := re.search(CONTROL, text):
        line = line_at(text, control.start())
        raise Refused(f"the control character U+{ord(control[0]):04X} stands here; remove it", line)
    tab = text.find("\t")
    if tab >= 0:
        # libyaml and the Python scanner disagree about where a tab may stand.
        raise Refused("a tab stands here; use spaces", line_at(text, tab))


def _build(text: str, builder: _Builder) -> None:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.feed(event)
    except Refused:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise Refused(_yaml_message(error, text, line), line) from None
    except Exception:
        # Fed by strangers, the scanner also fails in ways of its own: a ValueError from chr(), for one.
        raise Refused("this is not valid YAML") from None
    if not builder.filled:
        raise Refused("there is nothing in this file", 1)


def _yaml_message(error: Any, text: str, line: int | None) -> str:
    problem = str(error.problem or "")
    context = str(error.context or "")
    here = ""
    if line is not None:
        rows = re.split(LINE_BREAK, text)
        here = rows[line - 1].strip() if line <= len(rows) else ""
    if "nesting depth" in problem:  # libyaml's own limit (PyYAML 6.0.4), which it reaches before any event
        return f"values are nested more than {MAX_DEPTH} deep here"
    if "mapping values are not allowed" in problem:
        return 'a ": " stands inside a value here; put quotes around the value, or mend the indentation'
    if "quoted scalar" in context and "end of stream" in problem:
        return "a quote is opened and never closed"
    if "cannot start any token" in problem:
        return "a value cannot start with this character; put quotes around it"
    if "flow" in context:
        return "a list or group opened with a bracket is not closed, or a comma is missing"
    if "could not find expected ':'" in problem:
        return 'this line is neither "key: value" nor part of the value above it'
    if "block scalar" in context:
        return "a value cannot start with | or > like this; put quotes around it"
    if "block mapping" in context or "block collection" in context:
        return "the indentation or the quotes do not fit the lines above" if here else "the last value does not end"
    return f"this is not valid YAML: {problem or context or 'it cannot be read'}"


class _Frame:
    """A mapping or list that is being filled. `key` is where the next value of a mapping goes."""

    __slots__ = ("container", "key", "key_line", "pointer")

    def __init__(self, container: dict[str, Any] | list[Any], pointer: str) -> None:
        self.container = container
        self.pointer = pointer
        self.key: str | None = None
        self.key_line = 0


class _Builder:
    """Builds values from YAML events, and notes whatever JSON could not say."""

    def __init__(self) -> None:
        self.root: Any = None
        self.filled = False
        self.lines: dict[str, int] = {}
        self.problems: list[Problem] = []
        self._stack: list[_Frame] = []
        self._values = 0
        self._documents = 0

    def feed(self, event: Any) -> None:
        name = type(event).__name__
        line = event.start_mark.line + 1
        if name == "DocumentStartEvent":
            self._document(event, line)
        elif name == "ScalarEvent":
            self._unadorned(event, line)
            self._scalar(event, line)
        elif name == "AliasEvent":
            raise Refused(f"*{event.anchor[:40]} is an alias, and aliases are not read; write the value out", line)
        elif name == "MappingStartEvent":
            self._unadorned(event, line)
            self._open({}, line)
        elif name == "SequenceStartEvent":
            self._unadorned(event, line)
            self._open([], line)
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            self._stack.pop()

    def _document(self, event: Any, line: int) -> None:
        self._documents += 1
        if self._documents > 1:
            raise Refused("a second document starts here, and one file holds one document", line)
        if event.version or event.tags:
            raise Refused("lines that start with % are not read; remove them", line)

    def _unadorned(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            self._problem(line, f"&{event.anchor[:40]} is an anchor, and anchors are not read; remove it")
        if event.tag is not None:
            self._problem(line, "a tag (a word that starts with !) stands here, and tags are not read; remove it")

    def _problem(self, line: int, message: str) -> None:
        pointer = self._stack[-1].pointer if self._stack else ""
        self.problems.append(Problem(pointer, line, message))
        if len(self.problems) >= MAX_PROBLEMS:
            raise Refused("there are more problems after these", line)

    def _scalar(self, event: Any, line: int) -> None:
        text: str = event.value
        plain = not event.style
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise Refused("an escape stands here that is half a character", line)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            self._key(frame, text, plain, line)
        else:
            self._place(_plain_value(text) if plain else text, line)

    def _key(self, frame: _Frame, key: str, plain: bool, line: int) -> None:
        if plain and key == "<<":
            raise Refused("<< is a merge key, and merge keys are not read; write the fields out", line)
        if len(key) > MAX_KEY:
            raise Refused(f"a key here is longer than {MAX_KEY} characters", line)
        if key in frame.container:
            first = self.lines[pointer_to(frame.pointer, key)]
            self._problem(line, f"{shown(key)} stands here and in line {first}; keep one")
        frame.key = key
        frame.key_line = line

    def _place(self, value: Any, line: int) -> str:
        self._values += 1
        if self._values > MAX_VALUES:
            raise Refused(f"there are more than {MAX_VALUES} values in this file", line)
        if not self._stack:
            pointer = ""
            self.root = value
            self.filled = True
        else:
            frame = self._stack[-1]
            if isinstance(frame.container, list):
                pointer = pointer_to(frame.pointer, len(frame.container))
                frame.container.append(value)
            else:
                key = frame.key
                if key is None:
                    raise Refused("a key here is a list or a group of fields, and keys have to be words", line)
                pointer = pointer_to(frame.pointer, key)
                line = frame.key_line
                frame.container[key] = value
                frame.key = None
        self.lines.setdefault(pointer, line)
        return pointer

    def _open(self, container: dict[str, Any] | list[Any], line: int) -> None:
        pointer = self._place(container, line)
        if len(self._stack) >= MAX_DEPTH:
            raise Refused(f"values are nested more than {MAX_DEPTH} deep here", line)
        self._stack.append(_Frame(container, pointer))


def _plain_value(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if INTEGER.match(text):
        number = int(text)
        return number if abs(number) <= MAX_INTEGER and str(number) == text else text
    if _DECIMAL.match(text):
        decimal = float(text)
        return decimal if repr(decimal) == text else text
    return text
