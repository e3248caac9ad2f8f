"""JSON as RFC 8259 has it, without what readers disagree about: duplicate keys, NaN, huge numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .documents import (
    CONFLICT,
    LINE_BREAK,
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_KEY,
    MAX_VALUES,
    Document,
    Refused,
    line_at,
    pointer_to,
    shown,
    utf8,
)


def parse_json(data: bytes) -> Document:
    """Read one strict JSON text (RFC 8259, no duplicate keys, no NaN). Never raises for any bytes."""
    try:
        text = utf8(data)
        value = _json_value(text)
    except Refused as refused:
        return Document(None, {}, (refused.problem,))
    return Document(value, _JsonLines(text), ())


def _json_value(text: str) -> Any:
    if text.startswith("\ufeff"):
        raise Refused("a byte order mark stands before the JSON; remove it", 1)
    if conflict := re.search(CONFLICT, text):
        raise Refused("a merge conflict stands here unresolved", line_at(text, conflict.start()))
    if not text.strip(" \t\r\n"):
        raise Refused("there is nothing in this file", 1)

    def refuse(literal: str) -> Any:
        line = line_at(text, max(text.find(literal), 0))
        raise Refused(f"{literal[:40]} is not a number that every reader understands", line)

    def integer(literal: str) -> int:
        if len(literal) > 17 or abs(int(literal)) > MAX_INTEGER:
            refuse(literal)
        return int(literal)

    def decimal(literal: str) -> float:
        number = float(literal)
        if number in (float("inf"), float("-inf")):
            refuse(literal)
        return number

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Refused(*_json_duplicate(text))
        return found

    try:
        value = json.loads(
            text, object_pairs_hook=unique, parse_int=integer, parse_float=decimal, parse_constant=refuse
        )
    except json.JSONDecodeError as error:
        raise Refused(f"this is not valid JSON: {_json_message(error.msg)}", error.lineno) from None
    except RecursionError:
        raise Refused(f"values are nested more than {MAX_DEPTH} deep") from None
    _refuse_odd_values(value)
    return value


def _json_message(reason: str) -> str:
    return {
        "Expecting value": "a value is missing here",
        "Extra data": "something follows after its end",
        "Unterminated string starting at": "a quote is opened and never closed",
        "Expecting ',' delimiter": "a comma is missing here",
        "Expecting ':' delimiter": "a colon is missing here",
        "Expecting property name enclosed in double quotes": "a key in double quotes is missing here",
        "Illegal trailing comma before end of object": "a comma stands before the closing brace",
        "Illegal trailing comma before end of array": "a comma stands before the closing bracket",
        "Invalid control character at": "a control character stands inside a string",
    }.get(reason, "it cannot be read from here on")


def _refuse_odd_values(root: Any) -> None:
    level = [root]
    count = depth = 0
    while level:
        count += len(level)
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                for key in value:
                    if len(key) > MAX_KEY:
                        raise Refused(f"a key here is longer than {MAX_KEY} characters")
                    _refuse_half_characters(key)
                below += value.values()
            elif isinstance(value, list):
                below += value
            elif isinstance(value, str):
                _refuse_half_characters(value)
        depth += any(isinstance(value, (dict, list)) for value in level)
        if depth > MAX_DEPTH:
            raise Refused(f"values are nested more than {MAX_DEPTH} deep")
        if count > MAX_VALUES:
            raise Refused(f"there are more than {MAX_VALUES} values in this file")
        level = below


def _refuse_half_characters(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Refused("a string holds an escape that is half a character") from None


# A string that is never closed runs to the end: a search that fails would be tried again at every quote.
_JSON_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


def _json_lines(text: str) -> Iterator[tuple[str, int]]:
    """Yield the pointer and line of each value, duplicates as well, until `text` stops being JSON."""
    stack: list[list[Any]] = []  # [pointer, next index or None for an object, key, the key's line]
    line_break = re.compile(LINE_BREAK)
    line = 1
    done = 0
    for token in _JSON_TOKEN.finditer(text):
        line += len(line_break.findall(text, done, token.start()))
        done = token.start()
        word = token[0]
        if word in ("}", "]"):
            if not stack:
                return
            stack.pop()
        elif word == ",":
            if stack and stack[-1][1] is not None:
                stack[-1][1] += 1
        elif word != ":":
            top = stack[-1] if stack else None
            if top is not None and top[1] is None and top[2] is None:
                try:
                    top[2] = json.loads(word)
                except ValueError:
                    return
                top[3] = line
                continue
            if top is None:
                pointer, at = "", line
            elif top[1] is None:
                pointer, at = pointer_to(top[0], top[2]), top[3]
                top[2] = None
            else:
                pointer, at = pointer_to(top[0], top[1]), line
            yield pointer, at
            if word in ("{", "["):
                stack.append([pointer, None if word == "{" else 0, None, line])
                if len(stack) > MAX_DEPTH:
                    return


def _json_duplicate(text: str) -> tuple[str, int | None]:
    seen: dict[str, int] = {}
    for pointer, line in _json_lines(text):
        if pointer in seen:
            key = pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
            return f"{shown(key)} stands here and in line {seen[pointer]}; keep one", line
        seen[pointer] = line
        if len(seen) > MAX_VALUES or len(pointer) > MAX_KEY * MAX_DEPTH:
            break
    return "a key stands twice in one object", None


class _JsonLines(Mapping[str, int]):
    """Lines of a JSON text, counted when somebody asks: an audit log of thousands has no problem to place."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: dict[str, int] | None = None

    def _known(self) -> dict[str, int]:
        if self._lines is None:
            self._lines = dict(_json_lines(self._text))
        return self._lines

    def __getitem__(self, pointer: str) -> int:
        return self._known()[pointer]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())
