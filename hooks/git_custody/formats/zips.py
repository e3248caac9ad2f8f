"""The members of a zip, found as the most lenient loaders find them.

PyTorch's reader goes by the central directory and ignores checksums, the version needed and local names;
`zipfile` copes with bytes before and after; others walk the local headers. What any of them would hand
out is a member here. Layout: APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from git_custody.core.content import Content, PartContent
from git_custody.formats.compressed import inflated_length, member_of_zip
from git_custody.formats.verdicts import MEMBERS_AT_MOST, Budget, Member, Said, Scene

END = b"PK\x05\x06"
END64 = b"PK\x06\x06"
LOCATOR64 = b"PK\x06\x07"
CENTRAL = b"PK\x01\x02"
LOCAL = b"PK\x03\x04"
TAIL = 65_535 + 22  # the longest comment, and the end record
ENDS_AT_MOST = 16
SEARCHED_FOR_NEXT = 8 * 1024 * 1024
WINDOW = 1024 * 1024
NAME_SHOWN = 1024


class Entry(NamedTuple):
    """A central directory record. `offset` is that of the local header, as recorded."""

    name: str
    flags: int
    method: int
    packed: int
    unpacked: int
    offset: int


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Find the members of a zip, told by its first bytes or by the end record in its tail."""
    content, head = scene.content, scene.head
    size = content.size
    tail_at = max(0, size - TAIL)
    tail = head if size <= len(head) else content.read_at(tail_at, TAIL)
    if head[:4] == LOCAL or END in tail:
        yield from members(content, tail_at, tail, scene.budget)


def members(content: Content, tail_at: int, tail: bytes, budget: Budget) -> Iterator[Member]:
    """Every member that a central directory names, or, without one, that local headers announce."""
    seen: set[int] = set()
    inner: list[tuple[int, int]] = []
    for entry, local in _entries(content, tail_at, tail, inner):
        if local in seen or len(seen) >= MEMBERS_AT_MOST:
            continue
        seen.add(local)
        member = _member(content, entry, local, budget)
        if member is not None:
            if isinstance(member.content, PartContent):
                inner.append((local, member.content.offset + member.content.size))
            yield member
    if not seen and content.read_at(0, 4) == LOCAL:
        yield from _by_local_headers(content, budget)


def _entries(content: Content, tail_at: int, tail: bytes, inner: list[tuple[int, int]]) -> Iterator[tuple[Entry, int]]:
    """Entries, each with the place of its local header. Directories `inner` to a member are its own."""
    tried: set[tuple[int, int]] = set()
    at = len(tail)
    for _ in range(ENDS_AT_MOST):
        at = tail.rfind(END, 0, at)
        if at < 0:
            return
        if any(begin <= tail_at + at < end for begin, end in inner):
            continue
        for begin, shift in _directories(content, tail_at + at, tail[at : at + 22]):
            if (begin, shift) in tried or content.read_at(begin, 4) != CENTRAL:
                continue
            tried.add((begin, shift))
            for entry in _central(content, begin):
                for local in (entry.offset + shift, entry.offset):
                    if content.read_at(local, 4) == LOCAL:
                        yield entry, local
                        break


def _directories(content: Content, end_at: int, record: bytes) -> Iterator[tuple[int, int]]:
    """Where the central directory may begin, and what then has to be added to its offsets."""
    if len(record) < 20:
        return
    size, offset = struct.unpack_from("<LL", record, 12)
    locator = content.read_at(end_at - 20, 20)
    if locator[:4] == LOCATOR64 and len(locator) == 20:
        for place in (end_at - 76, struct.unpack_from("<Q", locator, 8)[0]):
            end64 = content.read_at(place, 56)
            if end64[:4] == END64 and len(end64) == 56:
                size64, offset64 = struct.unpack_from("<QQ", end64, 40)
                yield place - size64, place - size64 - offset64
                yield offset64, 0
    yield end_at - size, end_at - size - offset
    yield offset, 0


def _central(content: Content, begin: int) -> Iterator[Entry]:
    window, base, at = content.read_at(begin, WINDOW), begin, 0
    at_end = len(window) < WINDOW
    for _ in range(MEMBERS_AT_MOST):
        if len(window) - at < 46 + 3 * 65_535 and not at_end:
            base += at
            window, at = content.read_at(base, WINDOW), 0
            at_end = len(window) < WINDOW
        if window[at : at + 4] != CENTRAL or len(window) - at < 46:
            return
        flags, method = struct.unpack_from("<HH", window, at + 8)
        packed, unpacked, name_length, extra_length, comment_length = struct.unpack_from("<LLHHH", window, at + 20)
        offset = struct.unpack_from("<L", window, at + 42)[0]
        name = window[at + 46 : at + 46 + name_length]
        extra = window[at + 46 + name_length : at + 46 + name_length + extra_length]
        if 0xFFFFFFFF in (packed, unpacked, offset):
            packed, unpacked, offset = _zip64(extra, packed, unpacked, offset)
        yield Entry(_name(name), flags, method, packed, unpacked, offset)
        at += 46 + name_length + extra_length + comment_length


def _zip64(extra: bytes, packed: int, unpacked: int, offset: int) -> tuple[int, int, int]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            values = extra[at + 4 : at + 4 + length]
            numbers = [int.from_bytes(values[i : i + 8], "little") for i in range(0, len(values) - 7, 8)]
            if unpacked == 0xFFFFFFFF and numbers:
                unpacked = numbers.pop(0)
            if packed == 0xFFFFFFFF and numbers:
                packed = numbers.pop(0)
            if offset == 0xFFFFFFFF and numbers:
                offset = numbers.pop(0)
            break
        at += 4 + length
    return packed, unpacked, offset


def _name(raw: bytes) -> str:
    return raw[:NAME_SHOWN].decode("utf-8", "surrogateescape")


def _member(content: Content, entry: Entry, local: int, budget: Budget) -> Member | None:
    header = content.read_at(local, 30)
    if len(header) < 30:
        return None
    name_length, extra_length = struct.unpack_from("<HH", header, 26)
    start = local + 30 + name_length + extra_length
    stored = PartContent(content, start, min(max(entry.packed, entry.unpacked), content.size - start))
    if entry.method == 0:
        obstacle = "encrypted" if entry.flags & 1 else None
        return Member(entry.name, stored, obstacle)
    unpacked = member_of_zip(content, start, entry.method, budget)
    if unpacked is not None and unpacked.read_at(0, 1):
        return Member(entry.name, unpacked)
    if entry.flags & 1:
        return Member(entry.name, stored, "encrypted")
    if unpacked is None:
        return Member(entry.name, stored, f"packed with method {entry.method}, which is not known here")
    return Member(entry.name, stored)


def _by_local_headers(content: Content, budget: Budget) -> Iterator[Member]:
    """Members of a zip whose directory is missing, in the order of their local headers."""
    at = 0
    for _ in range(MEMBERS_AT_MOST):
        header = content.read_at(at, 30)
        if header[:4] != LOCAL or len(header) < 30:
            return
        flags, method = struct.unpack_from("<HH", header, 6)
        packed, unpacked, name_length, extra_length = struct.unpack_from("<LLHH", header, 18)
        name = content.read_at(at + 30, name_length)
        if 0xFFFFFFFF in (packed, unpacked):
            extra = content.read_at(at + 30 + name_length, extra_length)
            packed, unpacked, _ = _zip64(extra, packed, unpacked, 0)
        start = at + 30 + name_length + extra_length
        following = None
        if not packed:
            if method == 8:
                length = inflated_length(content, start, budget)
                packed = length or 0
            if not packed:
                following = _next_header(content, start)
                packed = (following if following is not None else content.size) - start
        member = _member(content, Entry(_name(name), flags, method, packed, packed, at), at, budget)
        if member is not None:
            yield member._replace(obstacle=None)  # no loader opens such a zip; it may well be none
        after = start + packed
        if content.read_at(after, 4) != LOCAL:
            found = _next_header(content, after) if following is None else following
            if found is None:
                return
            after = found
        at = after


def _next_header(content: Content, start: int) -> int | None:
    """Find the next local header from `start`; a data descriptor may lie before it."""
    for begin in range(start, start + SEARCHED_FOR_NEXT, WINDOW):
        window = content.read_at(begin, WINDOW + 3)
        found = window.find(LOCAL)
        if found >= 0:
            return begin + found
        if len(window) < WINDOW:
            return None
    return None
