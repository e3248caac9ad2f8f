"""The members of a zip, found as the most lenient loaders find them.

PyTorch's reader goes by the central directory and ignores checksums, the version needed and local names; `zipfile`
copes with bytes before and after; Java's `ZipInputStream` (TorchServe) and bsdtar go from one local header to the
next. What any of them would hand out is a member here. Layout: APPNOTE.TXT 6.3.10, sections 4.3 to 4.5;
readers: miniz.c, `Lib/zipfile`, unzip 6.0, OpenJDK's `ZipInputStream.java`.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Generator, Iterator
from typing import NamedTuple

from git_custody.core.content import Content, PartContent
from git_custody.formats import streams
from git_custody.formats.archives import Kinds
from git_custody.formats.compressed import lzma1_filters
from git_custody.formats.streams import Codec, Run, Single
from git_custody.formats.unpacked import UNUSUAL_AT_MOST, USUAL_RATIO, Unpacked
from git_custody.formats.verdicts import MEMBERS_AT_MOST, OPAQUE, Member, Said, Scene

END = b"PK\x05\x06"
END64 = b"PK\x06\x06"
LOCATOR64 = b"PK\x06\x07"
CENTRAL = b"PK\x01\x02"
LOCAL = b"PK\x03\x04"
TAIL = 65_535 + 22 + 4096  # the longest comment, the end record, and the block in which miniz comes upon it
DIRECTORIES_AT_MOST = 16
SEARCHED_FOR_NEXT = 8 * 1024 * 1024
WINDOW = 512 * 1024
LONGEST_RECORD = 46 + 3 * 65_535
NAME_SHOWN = 1024
UNKNOWN = 0xFFFFFFFF
ENCRYPTED, DESCRIBED = 1, 8  # flags: a descriptor with the sizes follows the data
DESCRIPTOR_LENGTHS = (12, 16, 20, 24)  # with or without its mark, with sizes of 4 or 8 bytes
STORED, LZMA, AES = 0, 14, 99
CODECS = {8: streams.DEFLATE, 12: streams.BZIP2, 20: streams.ZSTD, 93: streams.ZSTD, 95: streams.XZ}


class Entry(NamedTuple):
    """What a central directory record or a local header says of a member. `offset` is that of the local header."""

    name: str
    flags: int
    method: int
    packed: int
    unpacked: int
    offset: int


class _TooMuch(Exception):
    """More than any ordinary zip has; the words complete "this file is ..."."""


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Find the members of a zip, told by its first bytes or by the end record in its tail."""
    content, head = scene.content, scene.head
    size = content.size
    tail_at = max(0, size - TAIL)
    tail = head if size <= len(head) else content.read_at(tail_at, TAIL)
    if head[:4] == LOCAL or END in tail:
        yield from _Zip(scene, tail_at, tail).looked_into()


class _Zip:
    def __init__(self, scene: Scene, tail_at: int, tail: bytes) -> None:
        self.content = scene.content
        self.size = scene.content.size
        self.budget = scene.budget
        self.tail_at = tail_at
        self.tail = tail
        self.has_end = END in tail
        self.kinds = Kinds(scene)
        self.entries = 0
        self.readings: set[int] = set()
        self.handed_out = 0
        self.cut: tuple[str, bool] | None = None
        # Of every member that was found: its local header, the end of its data, and its flags.
        self.locals, self.ends, self.flags = array("Q"), array("Q"), array("L")
        self.is_sorted = True

    def looked_into(self) -> Iterator[Said | Member]:
        """Every member that a central directory names or local headers announce, and what they make up."""
        try:
            yield from self._by_directory()
            if self.content.read_at(0, 4) == LOCAL:
                yield from self._from_local_to_local()
        except _TooMuch as error:
            yield Said(OPAQUE, "zip", str(error), forced=True)
        if self.cut is not None:
            obstacle, hides = self.cut
            yield Said(OPAQUE, "zip", f"a zip with data that {obstacle}", forced=hides)
        yield from self.kinds.told()

    # The central directory

    def _by_directory(self) -> Iterator[Said | Member]:
        tried: set[tuple[int, int]] = set()
        split = False
        at = len(self.tail)
        while (at := self.tail.rfind(END, 0, at)) >= 0:
            if self._is_inside_a_member(self.tail_at + at):
                continue  # the directory of a zip that is stored in this one
            record = self.tail[at : at + 22]
            for begin, shift in _directories(self.content, self.tail_at + at, record):
                if (begin, shift) in tried or self.content.read_at(begin, 4) != CENTRAL:
                    continue
                if len(tried) >= DIRECTORIES_AT_MOST:
                    raise _TooMuch(f"a zip with more than {DIRECTORIES_AT_MOST} directories")
                tried.add((begin, shift))
                split = split or 0 < int.from_bytes(record[4:6], "little") < 0xFFFF
                for entry in self._central(begin):
                    for local in dict.fromkeys((entry.offset + shift, entry.offset)):
                        header = self.content.read_at(local, 30)
                        if header[:4] == LOCAL and len(header) == 30:
                            yield from self._member(entry, local, header)
        if split and not self.locals:
            yield Said(OPAQUE, "zip", "one part of a zip that was split over several files")

    def _central(self, begin: int) -> Iterator[Entry]:
        window, base, at = self.content.read_at(begin, WINDOW), begin, 0
        at_end = len(window) < WINDOW
        while True:
            if len(window) - at < LONGEST_RECORD and not at_end:
                base += at
                window, at = self.content.read_at(base, WINDOW), 0
                at_end = len(window) < WINDOW
            if window[at : at + 4] != CENTRAL or len(window) - at < 46:
                return
            flags, method = struct.unpack_from("<HH", window, at + 8)
            packed, unpacked, name_length, extra_length, comment_length = struct.unpack_from("<LLHHH", window, at + 20)
            offset = struct.unpack_from("<L", window, at + 42)[0]
            name = window[at + 46 : at + 46 + name_length]
            if UNKNOWN in (packed, unpacked, offset):
                extra = window[at + 46 + name_length : at + 46 + name_length + extra_length]
                packed, unpacked, offset = _zip64(extra, packed, unpacked, offset)
            self._count()
            yield Entry(_name(name), flags, method, packed, unpacked, offset)
            at += 46 + name_length + extra_length + comment_length

    def _count(self) -> None:
        self.entries += 1
        if self.entries > 2 * MEMBERS_AT_MOST:
            raise _TooMuch(f"a zip with more than {2 * MEMBERS_AT_MOST} entries")

    def _is_inside_a_member(self, at: int) -> bool:
        self._sort()
        before = bisect_right(self.locals, at) - 1
        return before >= 0 and at < self.ends[before]

    def _sort(self) -> None:
        if not self.is_sorted:
            order = sorted(range(len(self.locals)), key=self.locals.__getitem__)
            self.locals = array("Q", (self.locals[index] for index in order))
            self.ends = array("Q", (self.ends[index] for index in order))
            self.flags = array("L", (self.flags[index] for index in order))
            self.is_sorted = True

    # From one local header to the next

    def _from_local_to_local(self) -> Iterator[Said | Member]:
        """Members that only a reader finds who goes through the file; all of them, where there is no directory."""
        self._sort()
        has_directory = bool(self.locals)
        at = index = 0
        flags = DESCRIBED
        while True:
            while index < len(self.locals) and self.locals[index] < at:
                index += 1
            if index < len(self.locals) and self._follows(at, self.locals[index], flags):
                at, flags = self.ends[index], self.flags[index]
                index += 1
                continue
            local = self._local_at(at, flags)
            if local is None and not has_directory:
                local = self._next_local(at)
            if local is None:
                return
            self._count()
            entry, start = _local(self.content, local, self.content.read_at(local, 30))
            end = self._end_of(entry, start, has_directory)
            if not entry.packed:
                entry = entry._replace(packed=end - start, unpacked=0)
            yield from self._read(entry, start)
            at, flags = end, entry.flags

    def _follows(self, at: int, local: int, flags: int) -> bool:
        return local == at or bool(flags & DESCRIBED and local - at in DESCRIPTOR_LENGTHS)

    def _local_at(self, at: int, flags: int) -> int | None:
        window = self.content.read_at(at, 54)
        for length in (0, *DESCRIPTOR_LENGTHS) if flags & DESCRIBED else (0,):
            if window[length : length + 4] == LOCAL and len(window) >= length + 30:
                return at + length
        return None

    def _next_local(self, start: int) -> int | None:
        for begin in range(start, start + SEARCHED_FOR_NEXT, WINDOW):
            window = self.content.read_at(begin, WINDOW + 30)
            found = window.find(LOCAL)
            if 0 <= found <= len(window) - 30:
                return begin + found
            if len(window) < WINDOW:
                return None
        return None

    def _end_of(self, entry: Entry, start: int, has_directory: bool) -> int:
        """Where the data of a member end: as it says, or else as it unpacks, or else at the next header."""
        if entry.packed:
            return start + self._length(entry, start)
        codec, data_at = _codec(self.content, entry.method, start)
        if codec is not None:
            run = Run(codec, self.content, data_at)
            length = 0
            for chunk in run:
                length += len(chunk)
                self.budget.unpacked -= len(chunk) * codec.cost
                if self.budget.unpacked <= 0 or length > USUAL_RATIO * (run.end - start) + UNUSUAL_AT_MOST:
                    raise _TooMuch("a zip with data that unpack to more than can be looked at")
            if run.ended:
                return run.end
        following = None if has_directory else self._next_local(start)
        return self.size if following is None else following

    # A member

    def _member(self, entry: Entry, local: int, header: bytes) -> Iterator[Said | Member]:
        """The member as the directory describes it, and as its local header does where that differs."""
        described, start = _local(self.content, local, header)
        end = start + self._length(entry, start)
        yield from self._read(entry, start)
        if described.method != entry.method or (described.method == STORED and described.packed != entry.packed):
            if described.packed or described.method != STORED:
                end = max(end, start + self._length(described, start))
                yield from self._read(described, start)
        if self.locals and local < self.locals[-1]:
            self.is_sorted = False
        self.locals.append(local)
        self.ends.append(end)
        self.flags.append(described.flags)

    def _length(self, entry: Entry, start: int) -> int:
        packed = max(entry.packed, entry.unpacked) if entry.method == STORED else entry.packed
        return max(0, min(packed, self.size - start))

    def _read(self, entry: Entry, start: int) -> Iterator[Said | Member]:
        length = self._length(entry, start)
        # One number is smaller than a tuple; what differs most stands lowest, for the sake of its hash.
        key = (length if entry.method == STORED else 0) << 80 | entry.method << 64 | start
        if key in self.readings or not (length or entry.method):
            return
        self.readings.add(key)
        stored = PartContent(self.content, start, length)
        codec, data_at = _codec(self.content, entry.method, start)
        obstacle = None
        if self.has_end:  # else no more than its first bytes are a zip's, which may be an accident
            if entry.flags & ENCRYPTED or entry.method == AES:
                obstacle = "encrypted"
            elif codec is None and entry.method != STORED:
                obstacle = f"packed with method {entry.method}, which is not known here"
        if codec is None:
            self.kinds.see(entry.name, stored)
            yield Member(entry.name, stored, obstacle)
        else:
            length = max(length, (yield from self._unpack(entry.name, codec, data_at, stored, obstacle)))
        self.handed_out += length
        if self.handed_out > self.size:
            self.budget.overlaps -= 1
            if self.budget.overlaps < 0:
                raise _TooMuch("a zip whose members lie over each other, again and again")

    def _unpack(
        self, name: str, codec: Codec, data_at: int, stored: Content, obstacle: str | None
    ) -> Generator[Member, None, int]:
        """Look at the unpacked data; returns how many bytes they were packed in, as far as that is known."""
        content = self.content
        unpacked = Unpacked(lambda: Single(codec, content, data_at), self.budget, codec.name)
        try:
            looked_at = unpacked if unpacked.read_at(0, 1) else stored
            self.kinds.see(name, looked_at)
            yield Member(name, looked_at, obstacle)
            if unpacked.obstacle and (self.cut is None or unpacked.hides):
                self.cut = (unpacked.obstacle, unpacked.hides)
            return unpacked.source.consumed if unpacked.source.ended else 0
        finally:
            unpacked.release()


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


def _zip64(extra: bytes, packed: int, unpacked: int, offset: int) -> tuple[int, int, int]:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            values = extra[at + 4 : at + 4 + length]
            numbers = [int.from_bytes(values[i : i + 8], "little") for i in range(0, len(values) - 7, 8)]
            if unpacked == UNKNOWN and numbers:
                unpacked = numbers.pop(0)
            if packed == UNKNOWN and numbers:
                packed = numbers.pop(0)
            if offset == UNKNOWN and numbers:
                offset = numbers.pop(0)
            break
        at += 4 + length
    return packed, unpacked, offset


def _local(content: Content, local: int, header: bytes) -> tuple[Entry, int]:
    """A local header, and where its data begin. Where a descriptor follows the data, its sizes do not count."""
    flags, method = struct.unpack_from("<HH", header, 6)
    packed, unpacked, name_length, extra_length = struct.unpack_from("<LLHH", header, 18)
    start = local + 30 + name_length + extra_length
    name = content.read_at(local + 30, min(name_length, NAME_SHOWN))
    if UNKNOWN in (packed, unpacked):
        extra = content.read_at(local + 30 + name_length, extra_length)
        packed, unpacked, _ = _zip64(extra, packed, unpacked, 0)
    if packed == UNKNOWN:
        packed = 0
    return Entry(_name(name), flags, method, packed, packed, local), start


def _name(raw: bytes) -> str:
    return raw[:NAME_SHOWN].decode("utf-8", "surrogateescape")


def _codec(content: Content, method: int, start: int) -> tuple[Codec | None, int]:
    """How to unpack a method (APPNOTE.TXT 4.4.5), and where its data begin; None for one that is not known."""
    codec = CODECS.get(method)
    if method == LZMA:
        # Version (2), length of the properties (2), properties, raw stream
        header = content.read_at(start, 9)
        if len(header) == 9 and header[2:4] == b"\x05\0" and header[4] < 225:
            return streams.raw_lzma(lzma1_filters(header[4:]), streams.WINDOWS[-1]), start + 9
    return (codec if codec is not None and streams.is_available(codec) else None), start
