"""A metadata document: its values, the line of each, what is wrong with it, and the limits on all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_VALUES = 10_000
# Pointers repeat the keys above them: without a limit on keys, 256 KiB of text make gigabytes of pointers.
MAX_KEY = 100
MAX_PROBLEMS = 20
# Integers beyond it are not the same number in every reader (RFC 8259, section 6).
MAX_INTEGER = 2**53


class Problem(NamedTuple):
    """One thing that is wrong in a document. `line` is 1-based, `pointer` a JSON pointer (RFC 6901)."""

    pointer: str
    line: int | None
    message: str


class Document(NamedTuple):
    """A document as read: JSON values only.

    `lines` maps JSON pointers to the 1-based line of the key, or of the value in a list. `data` is None when
    the document could not be parsed (`null` is None as well, but then there is no problem of parsing).
    """

    data: Any
    lines: Mapping[str, int]
    problems: tuple[Problem, ...]


class Refused(Exception):
    """A document that is not to be read any further."""

    def __init__(self, message: str, line: int | None = None, pointer: str = "") -> None:
        super().__init__(message)
        self.problem = Problem(pointer, line, message)


# Patterns as text: most commits parse nothing, and need not wait for them to be compiled.
LINE_BREAK = "\r\n|\n|\r"
# YAML 1.1 readers break lines at U+0085, U+2028 and U+2029, YAML 1.2 readers do not.
CONTROL = "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"
CONFLICT = r"(?m)^(?:<{7}|>{7})(?: |$)"


def line_at(text: str, position: int) -> int:
    """Count the line, from 1, that a position in a text is on."""
    return len(re.compile(LINE_BREAK).findall(text, 0, position)) + 1


def utf8(data: bytes) -> str:
    """Decode a document. Raises `Refused` when it is too large or not UTF-8."""
    if len(data) > MAX_BYTES:
        raise Refused(f"this file has more than the {MAX_BYTES} bytes that metadata may have")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Refused("this file is UTF-16, and metadata have to be saved as UTF-8", 1)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise Refused(f"byte 0x{byte:02x} is not UTF-8; metadata have to be saved as UTF-8", line) from None


def pointer_to(parent: str, key: str | int) -> str:
    """Extend a JSON pointer (RFC 6901) by a key or an index."""
    return f"{parent}/{str(key).replace('~', '~0').replace('/', '~1')}"


def shown(value: Any) -> str:
    """Name a value in a sentence: text in quotes and cut, containers by what they are."""
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a group of fields"
    if isinstance(value, list):
        return "a list"
    import json

    said = json.dumps(value[:60] if isinstance(value, str) else value, ensure_ascii=False)
    return f'{said[:-1]}…"' if isinstance(value, str) and len(value) > 60 else said


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Find the choice that `word` was most likely meant to be; None when none is near."""
    import difflib

    if len(word) > MAX_KEY:
        return None
    spelled: dict[str, str] = {}
    for choice in choices:
        spelled.setdefault(choice.lower(), choice)
    folded = word.lower()
    if close := difflib.get_close_matches(folded, spelled, n=1, cutoff=0.7):
        return spelled[close[0]]
    if len(folded) >= 3:
        begun = [choice for choice in spelled if choice.startswith(folded)]
        if len(begun) == 1:
            return spelled[begun[0]]
    return None
