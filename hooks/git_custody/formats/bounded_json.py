"""JSON of unknown origin, read as `json.loads` reads it, but not more of it than fits in some 60 MB of memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from git_custody.core.content import Content

BYTES_AT_MOST = 8 * 1024 * 1024
# A file of 8 MiB that is nothing but short lists, or short texts, would take twenty times as much.
BRACKETS_AT_MOST = 150_000
COMMAS_AT_MOST = 600_000
SEARCHED_AT_MOST = 64 * 1024 * 1024
WINDOW = 1024 * 1024


class TooLong(Exception):
    """More than is looked into."""


class Broken(Exception):
    """Not JSON, or a key twice in one object where readers may differ on which one counts."""


def read(content: Content, single: Iterable[str] = ()) -> Any:
    """The value of a JSON document in any encoding that `json.loads` knows.

    Numbers are all 0: they play no part, and cost much. An object must have none of the keys `single` twice.
    Raises `TooLong` and `Broken`.
    """
    return parse(content.read_at(0, BYTES_AT_MOST + 1), single)


def parse(data: bytes, single: Iterable[str] = ()) -> Any:
    """The same for a document in memory."""
    if (
        len(data) > BYTES_AT_MOST
        or data.count(b",") > COMMAS_AT_MOST
        or data.count(b"[") + data.count(b"{") > BRACKETS_AT_MOST
    ):
        raise TooLong
    keys = frozenset(single)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs) and len(keys.intersection(value)) != sum(key in keys for key, _ in pairs):
            raise Broken
        return value

    try:
        return json.loads(data, parse_int=_zero, parse_float=_zero, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise Broken from None


def may_hold(content: Content, word: bytes) -> bool:
    """Whether a document, also one that is `TooLong` or `Broken`, may have a word in a text, escaped or not."""
    sign = re.compile(b"".join(rb"(?:%b|\\u00(?i:%02x))" % (re.escape(b"%c" % byte), byte) for byte in word))
    for at in range(0, SEARCHED_AT_MOST, WINDOW):
        window = content.read_at(at, WINDOW + 6 * len(word))
        if sign.search(window.replace(b"\0", b"")):  # UTF-16 and UTF-32
            return True
        if len(window) < WINDOW:
            return False
    return True


def _zero(_: str) -> int:
    return 0
