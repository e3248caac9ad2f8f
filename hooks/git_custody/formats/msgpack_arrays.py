"""MessagePack with NumPy arrays in it, as msgpack-numpy writes them: those of Python objects are pickles.

``msgpack_numpy.decode`` unpickles ``data`` where a map says ``nd`` and its ``kind`` is ``O``; RLlib keeps checkpoints
so. The layout is that of the MessagePack specification (``msgpack/spec.md``). Texts and bytes are stepped over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from git_custody.core.content import Content, PartContent
from git_custody.formats.reading import TooMuchError
from git_custody.formats.verdicts import OPAQUE, Budget, Member, Said, Scene

ID = "msgpack"
UNPICKLED = (ID, "a NumPy array of Python objects in MessagePack, which is a pickle")
VALUES_AT_MOST = 300_000
VALUES_PER_STEP = 2
BYTES_PER_STEP = 160
DEPTH_AT_MOST = 512
WINDOW = 4096
KEY_AT_MOST = 8
# What an array of objects says, in texts and bytes of any length's width
OF_OBJECTS = re.compile(rb"kind(?:\xa1|(?:[\xc4\xd9]|[\xc5\xda]\0|[\xc6\xdb]\0\0\0)\x01)O")
SEARCHED_AT_MOST, SEARCHED_AT_ONCE, OVERLAP = 256 * 1024 * 1024, 1024 * 1024, 16
# Of each type whose length stands behind it: what it is, and in how many bytes.
LENGTHS = {
    **{0xC4 + i: ("bytes", 1 << i) for i in range(3)},
    **{0xC7 + i: ("ext", 1 << i) for i in range(3)},
    **{0xD9 + i: ("bytes", 1 << i) for i in range(3)},
    **{0xDC + i: ("array", 2 << i) for i in range(2)},
    **{0xDE + i: ("map", 2 << i) for i in range(2)},
}
WIDTHS = {
    **dict.fromkeys((0xC0, 0xC2, 0xC3), 0), 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8,
    0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip


class _Broken(Exception):
    """Not MessagePack."""


class _Map:
    """An open map or array: the values to come, and of a map the last key and what is known of it."""

    def __init__(self, left: int, is_map: bool) -> None:
        self.left = left
        self.is_map = is_map
        self.key: bytes | None = None
        self.has_shape = self.is_of_objects = False
        self.data: tuple[int, int] | None = None

    def take(self, value: bytes, at: int, length: int) -> None:
        """Remember a key, or what it says."""
        self.left -= 1
        if not self.is_map:
            return
        if self.left % 2:
            self.key = value
            return
        self.has_shape = self.has_shape or self.key == b"nd"
        if self.key == b"kind":
            self.is_of_objects = value == b"O"
        elif self.key == b"data":
            self.data = at, length


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Hand out the pickles among the arrays."""
    try:
        for at, length in _arrays(scene.content, scene.budget):
            yield Member(f"data at byte {at}", PartContent(scene.content, at, length), unpickled=UNPICKLED)
    except _Broken:
        return
    except TooMuchError:
        if _may_hold_objects(scene.content, scene.budget):
            yield Said(OPAQUE, ID, "MessagePack with more values than are looked at", forced=True)


def _may_hold_objects(content: Content, budget: Budget) -> bool:
    for at in range(0, SEARCHED_AT_MOST, SEARCHED_AT_ONCE):
        window = content.read_at(at, SEARCHED_AT_ONCE + OVERLAP)
        budget.steps -= len(window) // BYTES_PER_STEP
        if OF_OBJECTS.search(window):
            return True
        if len(window) < SEARCHED_AT_ONCE + OVERLAP:
            return False
    return True


def _arrays(content: Content, budget: Budget) -> Iterator[tuple[int, int]]:
    """Where the data of arrays of objects are. Raises `_Broken` and `TooMuchError`."""
    open_ones: list[_Map] = []
    at, window, begin = 0, b"", 0
    for number in range(VALUES_AT_MOST):
        budget.steps -= not number % VALUES_PER_STEP
        if not begin <= at <= begin + len(window) - 32:
            begin, window = at, content.read_at(at, WINDOW)
        head = window[at - begin : at - begin + 32]
        if not head:
            return
        kind, count, header = _value(head)
        at += header
        if kind in ("map", "array"):
            budget.steps -= 1
            if len(open_ones) >= DEPTH_AT_MOST:
                raise TooMuchError
            if open_ones:
                open_ones[-1].take(b"", at, 0)
            open_ones.append(_Map(2 * count if kind == "map" else count, kind == "map"))
        else:
            value = head[header : header + count] if kind == "bytes" and count <= KEY_AT_MOST else b""
            if open_ones:
                open_ones[-1].take(value, at, count)
            at += count
        while open_ones and not open_ones[-1].left:
            closed = open_ones.pop()
            if closed.has_shape and closed.is_of_objects and closed.data:
                yield closed.data
    raise TooMuchError


def _value(head: bytes) -> tuple[str, int, int]:
    """What a value is, how many bytes or values it holds, and the length of its header. Raises `_Broken`."""
    byte = head[0]
    if byte <= 0x7F or byte >= 0xE0:
        return "number", 0, 1
    if byte <= 0x8F:
        return "map", byte & 0x0F, 1
    if byte <= 0x9F:
        return "array", byte & 0x0F, 1
    if byte <= 0xBF:
        return "bytes", byte & 0x1F, 1
    if byte in WIDTHS:
        return "number", WIDTHS[byte], 1
    if byte not in LENGTHS:
        raise _Broken
    kind, width = LENGTHS[byte]
    count = int.from_bytes(head[1 : 1 + width], "big")
    return ("number", count + 1, 1 + width) if kind == "ext" else (kind, count, 1 + width)
