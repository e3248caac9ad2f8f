"""Values in databases that programs unpickle when they read them: which of them to look at, and how many.

A value is handed on where it is a pickle beyond doubt, or a compressed stream, archive or array that may hold one.
A database of millions of rows is sampled, evenly over each table: what its program unpickles in one row it unpickles
in all of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TypeVar

from git_custody.core.content import Content, PartContent
from git_custody.formats.cursor import is_cut_short
from git_custody.formats.pickle_opcodes import FIRST_BYTES
from git_custody.formats.pickles import Walk, walk
from git_custody.formats.verdicts import Budget, Member, Scene

VALUES_AT_MOST = 50_000
PACKED_AT_MOST = 250
WALKED_AT_MOST = 4 * 1024 * 1024  # bytes of values that are a pickle of protocol 0 or 1, or a text
WALKED_OF_ONE = 16_384
WALKED_AT_LEAST = 192  # what short ones count for
STEPS_PER_WALK, STEPS_PER_SHORT_WALK = 16, 6
STEPS_PER_LOOK, STEPS_PER_PIECE = 2, 2
BYTES_PER_STEP = 8192
LONG_ONES = 4  # that are walked further: one text of a pickle may be as long as that
WALKED_OF_A_LONG_ONE = 1024 * 1024
STARTS = tuple(b"\x80" + bytes((protocol,)) for protocol in range(2, 6))
PIECES_AT_MOST = 200_000
# What short numbers and texts do not come to by chance
OPCODES_OF_PLAIN_DATA = 12
LETTERS_OF_AN_IMPORT = 8
NAME_SHOWN = 100

# What may hold pickles inside: gzip, bzip2, xz, zlib, zstd, lz4, zip, NumPy arrays.
PACKED = (
    *(b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0", b"x\x01", b"x^", b"x\x9c", b"x\xda"),
    *(b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"PK\x03\x04", b"\x93NUMPY"),
)
PACKED_AT_LEAST = 11  # what zlib makes of the shortest pickle

Item = TypeVar("Item")


class Sieve:
    """Picks out the values of one database that have to be looked at, of which `left` values more are."""

    def __init__(self, scene: Scene) -> None:
        self._content = scene.content
        self._budget = scene.budget
        self.left = 2 * VALUES_AT_MOST
        self._packed = PACKED_AT_MOST
        self._packed_bytes = 0
        self._pieces = PIECES_AT_MOST
        self._walked = WALKED_AT_MOST
        self._long_ones = LONG_ONES

    def spend(self, steps: int, copied: int = 0) -> None:
        """Take what it costs to come to values, and to copy so many bytes of them."""
        self._budget.steps -= steps + copied // BYTES_PER_STEP
        if self._budget.steps < 0:
            self.left = 0

    def look(self, value: Content, name: str) -> Iterator[Member]:
        """Hand a value on if it may be what programs unpickle."""
        self.left -= 1
        self.spend(STEPS_PER_LOOK)
        head = value.read_at(0, PACKED_AT_LEAST) if self.left >= 0 else b""
        if head.startswith(PACKED) and len(head) == PACKED_AT_LEAST:
            self._packed -= 1
            if self._packed >= 0:
                self._packed_bytes += value.size
                if not self._content.read_at(self._packed_bytes - 1, 1) and not is_cut_short(self._content):
                    self.spend(self._budget.steps + 1)  # they lie over each other, which those of no program do
                    return
                yield Member(name, value)
        elif self.is_pickle(value, head):
            yield Member(name, value)

    def is_first(self, byte: bytes) -> bool:
        """Whether a pickle could begin like that, and there is anything that may still be looked into."""
        return bool(byte) and byte[0] in FIRST_BYTES and self.left > 0 and self._walked > 0

    def is_pickle(self, value: Content, head: bytes) -> bool:
        """Whether a value that begins with `head` is a pickle, of those that may still be looked into."""
        if head.startswith(STARTS):
            self._budget.steps -= STEPS_PER_WALK
            return is_pickle(value, budget=self._budget)
        if not head or head[0] not in FIRST_BYTES or self._walked <= 0:
            return False
        # Texts begin like this too, and may be read far before they are told from a pickle.
        length = min(value.size, WALKED_OF_ONE)
        self._walked -= max(length, WALKED_AT_LEAST)
        self._budget.steps -= STEPS_PER_SHORT_WALK
        if value.size > length and self._long_ones > 0:
            self._long_ones -= 1
            length = min(value.size, WALKED_OF_A_LONG_ONE)
        return is_pickle(PartContent(value, 0, length), budget=self._budget)

    def pieces(self, whole: Content, pieces: Iterator[tuple[int, int]], size: int) -> Pieces:
        """A value in pieces, of which all values together may have so many."""
        return Pieces(whole, self._counted(pieces), size)

    def _counted(self, pieces: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        for piece in pieces:
            self._pieces -= 1
            self.spend(STEPS_PER_PIECE)
            if self._pieces < 0 or self.left <= 0:
                return
            yield piece


def is_pickle(content: Content, at: int = 0, budget: Budget | None = None) -> bool:
    """Whether a pickle begins there, and no few bytes that happen to be one, as numbers and short texts may."""
    walked = walk(content, at, budget=budget)
    if walked is None or walked.protocol >= 2 or calls(walked):
        return walked is not None
    return walked.opcodes >= OPCODES_OF_PLAIN_DATA or (
        walked.imported is not None and len(walked.imported.dotted) >= LETTERS_OF_AN_IMPORT
    )


def calls(walked: Walk) -> bool:
    """Whether a call was found that is none by chance: numbers are easily read as one of an extension.

    Those are names that a program has registered, which picklers only write from protocol 2 on.
    """
    return walked.call is not None and not walked.call.opcode.startswith("EXT")


def evenly(items: Sequence[Item], count: int) -> Sequence[Item]:
    """So many of the items, evenly spaced: two at least, the first and the last."""
    count = max(2, count)
    if len(items) <= count:
        return items
    return [items[number * (len(items) - 1) // (count - 1)] for number in range(count)]


def shown(name: bytes) -> str:
    """A key as text."""
    return name[:NAME_SHOWN].decode("utf-8", "backslashreplace")


class Pieces:
    """Content that lies in several stretches of other content, `size` bytes in all.

    `pieces` (offset and length of each, in order) are asked for no further than is read.
    """

    def __init__(self, whole: Content, pieces: Iterator[tuple[int, int]], size: int) -> None:
        self.size = size
        self._whole = whole
        self._pieces = pieces
        self._known: list[tuple[int, int]] = []
        self._starts: list[int] = []
        self._reached = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """Read at most `length` bytes from `offset`."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        self._reach(offset + length)
        parts = []
        number = max(0, bisect_right(self._starts, offset) - 1)
        while length > 0 and number < len(self._known):
            inside = offset - self._starts[number]
            at, available = self._known[number]
            part = self._whole.read_at(at + inside, min(length, available - inside))
            if not part:
                break
            parts.append(part)
            offset += len(part)
            length -= len(part)
            number += 1
        return b"".join(parts)

    def _reach(self, length: int) -> None:
        while self._reached < length:
            piece = next(self._pieces, None)
            if piece is None or piece[1] <= 0:
                return
            self._known.append(piece)
            self._starts.append(self._reached)
            self._reached += piece[1]
