"""The members of a zip, found as the most lenient loaders find them.

PyTorch's reader goes by the central directory and ignores checksums, the version needed and local names; `zipfile`
copes with bytes before and after; Java's `ZipInputStream` (TorchServe) and bsdtar go from one local header to the
next. What any of them would hand out is a member here. Readers: miniz.c, `Lib/zipfile`, unzip 6.0, OpenJDK's
`ZipInputStream.java`, libarchive's `archive_read_support_format_zip.c`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Generator, Iterator
from zlib import crc32

from git_custody.core.content import Content, PartContent
from git_custody.formats.archives import TELLING, Kinds
from git_custody.formats.catalog import is_named
from git_custody.formats.streams import Codec, Single
from git_custody.formats.unpacked import Unpacked
from git_custody.formats.verdicts import MEMBERS_AT_MOST, OPAQUE, Member, Said, Scene
from git_custody.formats.zip_records import (
    AES,
    CENTRAL,
    DESCRIBED,
    DESCRIPTOR_LENGTHS,
    ENCRYPTED,
    END,
    LOCAL,
    LOCAL_LENGTH,
    STORED,
    WINDOW,
    Entry,
    codec_of,
    directories,
    directory,
    local_entry,
)

TAIL = 65_535 + 22 + 4096  # the longest comment, the end record, and the block in which miniz comes upon it
DIRECTORIES_AT_MOST = 16
ENTRIES_AT_MOST = 4 * MEMBERS_AT_MOST
SEARCHED_FOR_NEXT = 8 * 1024 * 1024
SEARCHED_INSIDE = 64 * 1024 * 1024
STEPS_OF_ANOTHER_READING, STEPS_OF_AN_EMPTY_ENTRY, STEPS_OF_A_SEARCH = 16, 5, 5
STEPS_OF_AN_END = 4
BYTES_PER_STEP = 8 * 1024  # that are searched
# One without a directory is no archive that anybody packed into another.
STEPS_OF_A_ZIP, STEPS_WITHOUT_DIRECTORY = 40, 120
ODD = 1 << 16  # a flag of ours: the directory and the data themselves do not agree where a member ends


class _TooMuch(Exception):
    """More than any ordinary zip has; the words complete "this file is ..."."""


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Find the members of a zip, told by its first bytes or by the end record in its tail."""
    content, head = scene.content, scene.head
    size = content.size
    tail_at = max(0, size - TAIL)
    tail = head if size <= len(head) else content.read_at(tail_at, TAIL)
    if head[:4] == LOCAL or END in tail:
        scene.budget.steps -= STEPS_OF_A_ZIP if END in tail else STEPS_WITHOUT_DIRECTORY
        yield from _Zip(scene, tail_at, tail).looked_into()


class _Zip:
    def __init__(self, scene: Scene, tail_at: int, tail: bytes) -> None:
        self.content = scene.content
        self.size = scene.content.size
        self.budget = scene.budget
        self.tail_at = tail_at
        self.tail = tail
        self.has_end = END in tail
        self.kinds = Kinds(scene, may_be_npz=True)
        self.entries = 0
        self.readings: set[int] = set()
        self.handed_out = 0
        self.searched = 0
        self.cut: tuple[str, bool] | None = None
        # Of every member in a directory: its local header, the end of its data, and its flags.
        self.locals, self.ends, self.flags = array("Q"), array("Q"), array("L")
        self.is_sorted = True

    def looked_into(self) -> Iterator[Said | Member]:
        """Every member that a directory names or local headers announce, and what they make up."""
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

    def _count(self) -> None:
        self.entries += 1
        if self.budget.steps < 0:
            raise _TooMuch("a zip that takes too long to look into")
        if self.entries > ENTRIES_AT_MOST:
            raise _TooMuch(f"a zip with more than {ENTRIES_AT_MOST} entries")

    # By the directory

    def _by_directory(self) -> Iterator[Said | Member]:
        tried: set[tuple[int, int]] = set()
        split = False
        at = len(self.tail)
        while (at := self.tail.rfind(END, 0, at)) >= 0:
            if self._is_inside_a_member(self.tail_at + at):
                continue  # the directory of a zip that is stored in this one
            self.budget.steps -= STEPS_OF_AN_END
            if self.budget.steps < 0:
                raise _TooMuch("a zip that takes too long to look into")
            record = self.tail[at : at + 22]
            for begin, shift in directories(self.content, self.tail_at + at, record):
                if (begin, shift) in tried or self.content.read_at(begin, 4) != CENTRAL:
                    continue
                if len(tried) >= DIRECTORIES_AT_MOST:
                    raise _TooMuch(f"a zip with more than {DIRECTORIES_AT_MOST} directories")
                tried.add((begin, shift))
                split = split or 0 < int.from_bytes(record[4:6], "little") < 0xFFFF
                for entry in directory(self.content, begin, self.budget):
                    self._count()
                    for local in dict.fromkeys((entry.offset + shift, entry.offset)):
                        header = self.content.read_at(local, LOCAL_LENGTH)
                        if header[:4] == LOCAL and len(header) == LOCAL_LENGTH:
                            yield from self._listed(entry, local, header)
        if split and not self.locals:
            yield Said(OPAQUE, "zip", "one part of a zip that was split over several files")

    def _listed(self, entry: Entry, local: int, header: bytes) -> Iterator[Said | Member]:
        """A member as the directory describes it, and as its local header does where that differs."""
        described, start = local_entry(self.content, local, header, self.budget)
        end = start + self._length(entry, start)
        unpacked_to = yield from self._read(entry, start)
        if described.name != entry.name:
            yield from self._read(entry._replace(name=described.name), start)
        is_odd = unpacked_to not in (None, end) or self._ends(described, start, end) != [end]
        if described.method != entry.method or (described.method == STORED and described.packed != entry.packed):
            yield from self._read(described, start)
            is_odd = True
        if unpacked_to is None and entry.method != STORED and self._has_local_header(start, end):
            is_odd = True
        if self.locals and local < self.locals[-1]:
            self.is_sorted = False
        self.locals.append(local)
        self.ends.append(end)
        self.flags.append(described.flags | (ODD if is_odd else 0))

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

    def _has_local_header(self, start: int, end: int) -> bool:
        """Whether there may be a header within what the directory says is the packed data of one member."""
        self.searched += end - start
        if self.searched > SEARCHED_INSIDE:
            return False
        return any(
            LOCAL in self.content.read_at(begin, min(WINDOW + 3, end - begin)) for begin in range(start, end, WINDOW)
        )

    # From one local header to the next

    def _from_local_to_local(self) -> Iterator[Said | Member]:
        """Members that only a reader finds who goes through the file; all of them, where there is no directory."""
        self._sort()
        pending = [0]
        begun: set[int] = set()
        while pending:
            at = pending.pop()
            while at not in begun and (local := self._local_at(at)) is not None:
                if at != local or not self.locals:
                    begun.add(at)
                self._count()
                index, listed = self._listed_at(local)
                if listed and not self.flags[index] & ODD:
                    at = self.ends[index]
                    continue
                begun.add(at)
                header = self.content.read_at(local, LOCAL_LENGTH)
                entry, start = local_entry(self.content, local, header, self.budget)
                ends = self._ends(entry, start, self.ends[index] if listed else None)
                codec, data_at = codec_of(self.content, entry.method, start)
                if codec is not None and (end := self._unpacked_to(codec, data_at)) is not None:
                    ends.append(end)
                if not ends:
                    following = None if self.locals else self._next_local(start)
                    ends = [self.size if following is None else following]
                yield from self._read(entry._replace(packed=entry.packed or max(ends) - start), start)
                at, *others = dict.fromkeys(ends)
                pending += others

    def _listed_at(self, local: int) -> tuple[int, bool]:
        index = bisect_left(self.locals, local)
        return index, index < len(self.locals) and self.locals[index] == local

    def _local_at(self, at: int) -> int | None:
        """The local header at `at`, or behind the descriptor there; without a directory, the next at all."""
        if self._listed_at(at)[1]:
            return at
        window = self.content.read_at(at, LOCAL_LENGTH + DESCRIPTOR_LENGTHS[-1])
        for length in (0, *DESCRIPTOR_LENGTHS):
            if window[length : length + 4] == LOCAL and len(window) >= length + LOCAL_LENGTH:
                return at + length
        return None if self.locals else self._next_local(at)

    def _next_local(self, start: int) -> int | None:
        for begin in range(start, start + SEARCHED_FOR_NEXT, WINDOW):
            window = self.content.read_at(begin, WINDOW + LOCAL_LENGTH)
            self.budget.steps -= STEPS_OF_A_SEARCH + len(window) // BYTES_PER_STEP
            found = window.find(LOCAL)
            if 0 <= found <= len(window) - LOCAL_LENGTH:
                return begin + found
            if len(window) < WINDOW:
                return None
        return None

    def _ends(self, entry: Entry, start: int, listed: int | None) -> list[int]:
        """Where readers may take a member to end: by the directory, by its sizes; Java goes by the second of them."""
        ends = [] if listed is None else [listed]
        sizes = [entry.packed, entry.unpacked] if entry.method == STORED else [entry.packed]
        if any(sizes) or not (entry.flags & DESCRIBED or entry.method):
            ends += [min(start + size, self.size) for size in sizes]
        return list(dict.fromkeys(ends))

    def _unpacked_to(self, codec: Codec, data_at: int) -> int | None:
        """Where the packed data end by themselves, if they do."""
        source = Single(codec, self.content, data_at)
        length = 0
        try:
            for chunk in source:
                length += len(chunk)
                self.budget.unpacked -= len(chunk) * codec.cost
                if self.budget.unpacked <= 0 or source.is_unusual(length):
                    raise _TooMuch("a zip with data that unpack to more than can be looked at")
        finally:
            source.close()
        return data_at + source.consumed if source.ended else None

    # One reading of a member

    def _length(self, entry: Entry, start: int) -> int:
        packed = max(entry.packed, entry.unpacked) if entry.method == STORED else entry.packed
        return max(0, min(packed, self.size - start))

    def _read(self, entry: Entry, start: int) -> Generator[Member, None, int | None]:
        """Look at the data; returns where they end by themselves, if that turned out."""
        length = self._length(entry, start)
        # One number is smaller than a tuple; what differs most stands lowest, for the sake of its hash.
        key = (length if entry.method == STORED else 0) << 80 | entry.method << 64 | start
        if key in self.readings and (is_named(entry.name) or entry.name.endswith(TELLING)):
            key |= crc32(entry.name.encode("utf-8", "surrogateescape")) << 144  # by another name it is another thing
        if key in self.readings or not (length or entry.method):
            self.budget.steps -= STEPS_OF_ANOTHER_READING if key in self.readings else STEPS_OF_AN_EMPTY_ENTRY
            return None
        self.readings.add(key)
        stored = PartContent(self.content, start, length)
        codec, data_at = codec_of(self.content, entry.method, start)
        obstacle = None
        if self.has_end:  # else no more than its first bytes are a zip's, which may be an accident
            if entry.flags & ENCRYPTED or entry.method == AES:
                obstacle = "encrypted"
            elif codec is None and entry.method != STORED:
                obstacle = f"packed with method {entry.method}, which is not known here"
        end = None
        if codec is None:
            self.kinds.see(entry.name, stored)
            yield Member(entry.name, stored, obstacle)
        else:
            end = yield from self._unpack(entry, codec, data_at, stored, obstacle)
        self.handed_out += max(length, end - start if end is not None else 0)
        if self.handed_out > self.size and not self.budget.lies_over(length):
            raise _TooMuch("a zip whose members lie over each other, again and again")
        return end

    def _unpack(
        self, entry: Entry, codec: Codec, data_at: int, stored: Content, obstacle: str | None
    ) -> Generator[Member, None, int | None]:
        name, content = entry.name, self.content
        announced = entry.unpacked or None  # which a local header may leave open
        unpacked = Unpacked(lambda: Single(codec, content, data_at), self.budget, codec.name, announced=announced)
        try:
            looked_at = unpacked if unpacked.read_at(0, 1) else stored
            self.kinds.see(name, looked_at)
            yield Member(name, looked_at, obstacle)
            if unpacked.obstacle and (self.cut is None or unpacked.hides):
                self.cut = (unpacked.obstacle, unpacked.hides)
            return data_at + unpacked.source.consumed if unpacked.source.ended else None
        finally:
            unpacked.release()
