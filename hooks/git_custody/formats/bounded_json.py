"""JSON of unknown origin, read as `json.loads` reads it, but not more of it than fits in some 60 MB of memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from git_custody.core.content import Content
from git_custody.formats.verdicts import Budget

BYTES_AT_MOST = 8 * 1024 * 1024
# A file of 8 MiB that is nothing but short lists, or short texts, would take twenty times as much.
BRACKETS_AT_MOST = 150_000
COMMAS_AT_MOST = 600_000
KEYS_AT_MOST = 100_000  # that differ: Python keeps each only once
MEMORY_AT_MOST = 44 * 1024 * 1024
MEMORY_OF_AN_OBJECT, MEMORY_OF_A_PAIR = 232, 72
MEMORY_OF_A_TEXT = 80  # half as much more where it is not in ASCII
# A letter beyond U+FFFF makes each of a text take four bytes, twice: in the document, and in its value.
WIDE = re.compile(rb"[\xf0-\xf4]|\\u[dD][89abAB]")
ESCAPES_PER_STEP = 2
ESCAPED_AT_MOST = 2  # windows with escaped letters that are looked through
# A text to its end, or that of the data, so that none is begun twice; what stands before a colon is a key.
TEXT = re.compile(rb'"([^"]*)(?:"(\s*:)?|\Z)')
SEARCHED_AT_MOST = 64 * 1024 * 1024
ESCAPED_LETTER = re.compile(rb"\\u00([46][1-9a-fA-F]|[57][0-9aA]|5[fF]|3[aA])")  # and the colon
LETTERS = {digits % byte: bytes((byte,)) for byte in range(128) for digits in (b"%02x", b"%02X")}
WINDOW = 1024 * 1024
STEPS_PER_DOCUMENT, VALUES_PER_STEP, BYTES_PER_STEP, BYTES_SEARCHED_PER_STEP = 20, 2, 32, 256


class TooLong(Exception):
    """More than is looked into."""


class Broken(Exception):
    """Not JSON, or a key twice in one object where readers may differ on which one counts."""


def read(content: Content, budget: Budget, single: Iterable[str] = ()) -> Any:
    """The value of a JSON document in any encoding that `json.loads` knows, at the expense of `budget`.

    Numbers are all 0: they play no part, and cost much. An object must have none of the keys `single` twice.
    Raises `TooLong` and `Broken`.
    """
    return parse(content.read_at(0, BYTES_AT_MOST + 1), single, budget)


def parse(data: bytes, single: Iterable[str] = (), budget: Budget | None = None) -> Any:
    """The same for a document in memory."""
    keys = frozenset(single)
    budget = budget or Budget()
    budget.steps -= STEPS_PER_DOCUMENT + len(data) // BYTES_SEARCHED_PER_STEP
    if (
        len(data) > BYTES_AT_MOST
        or data.count(b",") > COMMAS_AT_MOST
        or (len(data) > BYTES_AT_MOST // 2 and WIDE.search(data))
        or data.count(b"[") + data.count(b"{") > BRACKETS_AT_MOST
        or _memory(data, bool(keys)) > MEMORY_AT_MOST
        or (data.count(b":") > KEYS_AT_MOST and _has_too_many_keys(data))
    ):
        raise TooLong
    values = data.count(b",") + data.count(b":") + data.count(b"[") + data.count(b"{")
    budget.steps -= values // VALUES_PER_STEP + len(data) // BYTES_PER_STEP
    if budget.steps < 0:
        raise TooLong

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs) and len(keys.intersection(value)) != sum(key in keys for key, _ in pairs):
            raise Broken
        return value

    try:
        return json.loads(data, parse_int=_zero, parse_float=_zero, object_pairs_hook=once if keys else None)
    except (ValueError, RecursionError):
        raise Broken from None


def _memory(data: bytes, in_pairs: bool) -> int:
    """About what the objects take, the texts that are no keys, and the pairs of keys and values where they are made."""
    colons = data.count(b":")
    texts = max(0, data.count(b'"') // 2 - colons) * MEMORY_OF_A_TEXT * (2 if data.isascii() else 3) // 2
    return texts + data.count(b"{") * MEMORY_OF_AN_OBJECT + (colons * MEMORY_OF_A_PAIR if in_pairs else 0)


def _has_too_many_keys(data: bytes) -> bool:
    known: set[int] = set()
    # A quote that is escaped ends no text; bytes that no text may hold keep keys apart.
    plain = data.replace(rb"\\", b"\0\1").replace(rb"\"", b"\0\2")
    for text in TEXT.finditer(plain):
        if text[2] is not None:
            known.add(hash(text[1]))
        if len(known) > KEYS_AT_MOST:
            return True
    return False


def may_hold(content: Content, word: bytes, budget: Budget) -> bool:
    """Whether a document, also one that is `TooLong` or `Broken`, may have a word in a text, escaped or not."""
    return holds(content, [word], budget) or content.read_at(SEARCHED_AT_MOST, 1) != b""


def holds(content: Content, words: Iterable[bytes], budget: Budget) -> bool:
    """Whether it has all of these words, in so much of it as is searched."""
    return not lacks(content, words, budget)


def lacks(content: Content, words: Iterable[bytes], budget: Budget) -> list[bytes]:
    """Those of the words that it does not have, in so much of it as is searched; none where too much is escaped."""
    missing = list(words)
    escaped = 0
    longest = 6 * max(map(len, missing))
    for at in range(0, SEARCHED_AT_MOST, WINDOW):
        window = content.read_at(at, WINDOW + longest).replace(b"\0", b"")  # UTF-16 and UTF-32
        missing = [word for word in missing if word not in window]
        if missing and ESCAPED_LETTER.search(window):  # which no writer of JSON makes of letters
            escaped += 1
            budget.steps -= window.count(b"\\u00") // ESCAPES_PER_STEP
            if escaped > ESCAPED_AT_MOST or budget.steps < 0:
                return []
            window = unescaped(window)
            missing = [word for word in missing if word not in window]
        if not missing or not content.read_at(at + WINDOW, 1):
            break
    return missing


def unescaped(text: bytes) -> bytes:
    """A part of a document, with the letters as such that were escaped."""
    return ESCAPED_LETTER.sub(lambda found: LETTERS[found[1]], text)


def _zero(_: str) -> int:
    return 0
