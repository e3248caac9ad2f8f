"""The members of a tar, recognised by its header checksum: PyTorch's first tars have no other mark.

Layout: POSIX.1-2017 pax interchange format, with GNU long names, base-256 sizes and sparse files (GNU tar's manual,
"Storing Sparse Files"), as `Lib/tarfile.py` reads it. Where readers disagree how far a member goes, the longest
reading is looked at, and the next header is where there is one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple
from zlib import adler32

from git_custody.core.content import Content, PartContent
from git_custody.formats.archives import NEMO_CONFIG, Kinds
from git_custody.formats.verdicts import MEMBERS_AT_MOST, OPAQUE, Budget, Member, Said, Scene

BLOCK = 512
HEADERS_AT_MOST = 4 * MEMBERS_AT_MOST
STEPS_PER_HEADER = 7
STEPS_WITHOUT_DATA = 2  # of a link or an empty file, beside; other members are counted as such
RECORDS_FREE = 16  # in a pax header; more than that take three steps each
BYTES_PER_STEP = 1024  # of content with holes
SKIPPED_AT_MOST = 16 * 1024 * 1024
CHECKSUM_BEGINS = frozenset(b"\0 01234567+-\t\n\r\v\f\x1c\x1d\x1e\x1f\x80\xff")
STEPS_BACK_AT_MOST = 16
NAME_AT_MOST = 65_536
RECORDS_AT_MOST = 1024 * 1024
PIECES_AT_MOST = 10_000
LARGEST = 1 << 62
LONG_NAME, LONG_LINK, SPARSE = b"L", b"K", b"S"
EXTENDED, EXTENDED_SOLARIS, GLOBAL = b"x", b"X", b"g"
LINKS = (b"1", b"2")
# Links, devices and folders have no data of their own, though some carry a size.
WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")


def is_header(block: bytes) -> bool:
    """Whether 512 bytes are a tar header: their checksum is right, summed signed or unsigned."""
    if len(block) < BLOCK:
        return False
    recorded = _number(block[148:156])
    if recorded is None or (recorded <= 0 and block.isascii()):
        return False
    # Of so few bytes, half of an Adler-32 is their sum, and quicker than Python's own.
    unsigned = (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2 - sum(block[148:156]) + 8 * 0x20
    if recorded == unsigned:
        return True
    rest = block[:148] + block[156:]
    return recorded == unsigned - 256 * (len(rest) - len(rest.translate(None, bytes(range(128, 256)))))


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Find the members of a tar, told by its header's checksum."""
    if not is_header(scene.head[:BLOCK]):
        return
    kinds = Kinds(scene)
    tar = _Tar(scene.content, scene.budget)
    for member in tar.members():
        kinds.see(member.name or "", member.content)
        yield member
    kinds.link = tar.link
    if tar.overlaps:
        what = "a tar archive whose members lie over each other, again and again"
        yield Said(OPAQUE, "tar", what, forced=True)
    if tar.is_endless:
        yield Said(OPAQUE, "tar", f"a tar archive with more than {HEADERS_AT_MOST} headers", forced=True)
    yield from kinds.told()


class _Extended(NamedTuple):
    """What extended headers say of the next member; `sizes` in the order in which they come to count."""

    name: str | None = None
    sizes: tuple[int, ...] = ()
    pieces: tuple[tuple[int, int], ...] = ()
    map_in_data: bool = False
    real_size: int | None = None


class _Tar:
    def __init__(self, content: Content, budget: Budget) -> None:
        self.content = content
        self.budget = budget
        self.is_endless = False
        self.link: str | None = None
        self.steps_back = self.skipped = self.reach = 0
        self.overlaps = False
        self.for_all = _Extended()

    def members(self) -> Iterator[Member]:
        """Find every member with data, names as recorded; also beyond the end marker, as some readers go on."""
        at = 0
        extended = _Extended()
        for _ in range(HEADERS_AT_MOST):
            if self.budget.steps < 0:
                return
            self.budget.steps -= STEPS_PER_HEADER
            block = self.content.read_at(at, BLOCK)
            kind = block[156:157]
            size = _number(block[124:136]) if is_header(block) else None
            if size is None:
                found = self._next_header(at + BLOCK) if len(block) == BLOCK else None
                if found is None:
                    return
                at = found
                continue
            if kind in (LONG_NAME, LONG_LINK, EXTENDED, EXTENDED_SOLARIS, GLOBAL):
                record = self.content.read_at(at + BLOCK, min(size, RECORDS_AT_MOST))
                if kind == LONG_NAME:
                    extended = extended._replace(name=_text(record[:NAME_AT_MOST].partition(b"\0")[0]))
                elif kind == GLOBAL:
                    self.for_all = _pax(record, self.for_all, self.budget)
                elif kind != LONG_LINK:
                    extended = _pax(record, extended, self.budget)
                following = at + BLOCK + _padded(size)
            else:
                member, following = self._member(block, at + BLOCK, size, extended)
                if member is not None:
                    if self.overlaps:
                        return
                    yield member
                else:
                    self.budget.steps -= STEPS_WITHOUT_DATA
                extended = _Extended()
            if following <= at:
                # A negative size, which older readers follow
                self.steps_back += 1
                if following < 0 or self.steps_back > STEPS_BACK_AT_MOST:
                    return
            at = following
        self.is_endless = True

    def _next_header(self, at: int) -> int | None:
        """The next header, behind zeros or damage: GNU tar's -i and `tarfile`'s ignore_zeros read on there."""
        while self.skipped < SKIPPED_AT_MOST:
            window = self.content.read_at(at, 128 * BLOCK)
            for begin in range(0, len(window) - BLOCK + 1, BLOCK):
                if window[begin + 148] in CHECKSUM_BEGINS and is_header(window[begin : begin + BLOCK]):
                    return at + begin
            if len(window) < 128 * BLOCK:
                return None
            at += len(window)
            self.skipped += len(window)
        return None

    def _member(self, block: bytes, data_at: int, size: int, extended: _Extended) -> tuple[Member | None, int]:
        """A member, if it has data, and where the next header is."""
        kind = block[156:157]
        name = extended.name or self.for_all.name or _name(block)
        if kind in LINKS and (self.link is None or name.endswith(NEMO_CONFIG)):
            self.link = name
        pieces, real_size = extended.pieces, extended.real_size
        if kind == SPARSE:
            pieces, data_at = self._sparse(block, data_at)
            real_size = _number(block[483:495])
        elif extended.map_in_data:
            pieces, skipped = self._map_at(data_at)
        sizes = (*extended.sizes, size)
        has_data = kind not in WITHOUT_DATA and not (kind == b"\0" and name.endswith("/"))
        following = self._following(data_at, sizes if has_data else (0, *sizes))
        length = max((*sizes, *self.for_all.sizes))
        if length <= 0 or (not has_data and following == data_at):
            return None, following
        content: Content = PartContent(self.content, data_at, length)
        if data_at < self.reach:
            self.overlaps = not self.budget.lies_over(min(length, self.reach - data_at))
        self.reach = max(self.reach, data_at + length)
        if extended.map_in_data:
            content = PartContent(content, skipped, length - skipped)
        if pieces or real_size:
            return _with_holes(name, content, pieces, real_size or 0, self.budget), following
        return Member(name, content), following

    def _following(self, data_at: int, sizes: tuple[int, ...]) -> int:
        """Where the next header is: behind the first of the sizes, unless there is none there and one elsewhere."""
        places = list(dict.fromkeys(data_at + _padded(size) for size in sizes))
        for place in places if len(places) > 1 else ():
            block = self.content.read_at(place, BLOCK)
            if is_header(block) or (len(block) == BLOCK and block.count(0) == BLOCK):
                return place
        return places[0]

    def _sparse(self, block: bytes, data_at: int) -> tuple[tuple[tuple[int, int], ...], int]:
        """The map of GNU tar's old sparse format: 4 entries in the header, 21 in each block that may follow."""
        pieces = _entries(block[386:482], 4)
        goes_on = block[482]
        while goes_on and len(pieces) < PIECES_AT_MOST:
            more = self.content.read_at(data_at, BLOCK)
            if len(more) < BLOCK:
                break
            pieces += _entries(more, 21)
            goes_on = more[504]
            data_at += BLOCK
        return tuple(pieces), data_at

    def _map_at(self, data_at: int) -> tuple[tuple[tuple[int, int], ...], int]:
        """The map of version 1.0, decimal numbers on lines of their own before the data; and how long it is."""
        text = self.content.read_at(data_at, 40 * PIECES_AT_MOST)
        try:
            lines = text.split(b"\n", 2 * PIECES_AT_MOST + 1)
            count = 2 * int(lines[0])
            numbers = [int(line) for line in lines[1 : 1 + count]]
        except ValueError:
            return (), 0
        if not 0 <= count <= 2 * PIECES_AT_MOST:
            return ((-1, -1),), 0
        length = sum(len(line) + 1 for line in lines[: 1 + count])
        return tuple(zip(numbers[::2], numbers[1::2], strict=False)), _padded(length)


def _with_holes(name: str, content: Content, pieces: tuple[tuple[int, int], ...], size: int, budget: Budget) -> Member:
    end = 0
    for offset, length in pieces:
        if offset < end or length < 0 or len(pieces) > PIECES_AT_MOST:
            return Member(name, content, "stored with a map of holes that is no use")
        end = offset + length
    return Member(name, _WithHoles(content, pieces, max(size, end), budget))


class _WithHoles:
    """Content some stretches of which were left out because they are zeros. `pieces`: where the others lie in it.

    A header makes a terabyte of it, so that what is read takes steps, as it takes time.
    """

    def __init__(self, packed: Content, pieces: tuple[tuple[int, int], ...], size: int, budget: Budget) -> None:
        self.size = size
        self._budget = budget
        self._packed = packed
        self._begins = [offset for offset, _ in pieces]
        self._pieces = []
        at = 0
        for offset, length in pieces:
            self._pieces.append((offset, length, at))
            at += length

    def read_at(self, offset: int, length: int) -> bytes:
        """Read at most `length` bytes from `offset`."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0 or self._budget.steps < 0:
            return b""
        self._budget.steps -= length // BYTES_PER_STEP
        data = bytearray(length)
        index = max(0, bisect_right(self._begins, offset) - 1)
        for begin, size, at in self._pieces[index:]:
            if begin >= offset + length:
                break
            skipped = max(0, offset - begin)
            wanted = min(size - skipped, offset + length - max(begin, offset))
            if wanted > 0:
                piece = self._packed.read_at(at + skipped, wanted)
                place = max(begin, offset) - offset
                data[place : place + len(piece)] = piece
        return bytes(data)


def _entries(data: bytes, count: int) -> list[tuple[int, int]]:
    pieces = []
    for at in range(0, 24 * count, 24):
        offset, length = _number(data[at : at + 12]), _number(data[at + 12 : at + 24])
        if offset is None or length is None:
            break
        if offset or length:
            pieces.append((offset, length))
    return pieces


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _number(field: bytes) -> int | None:
    """Read an octal or base-256 field as `tarfile.nti` does; `None` for what it rejects, and what no file has."""
    if field[0] in (0x80, 0xFF):
        number = int.from_bytes(field[1:], "big")
        if field[0] == 0xFF:
            number -= 256 ** (len(field) - 1)
    else:
        try:
            number = int(field.partition(b"\0")[0].decode("ascii").strip() or "0", 8)
        except ValueError:
            return None
    return number if -LARGEST < number < LARGEST else None


def _name(block: bytes) -> str:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _pax(record: bytes, known: _Extended, budget: Budget) -> _Extended:
    """Read a pax header: records of "<length> <key>=<value>", newline. What was known before comes to count first."""
    import re

    numbers: dict[bytes, list[int]] = {b"GNU.sparse.offset": [], b"GNU.sparse.numbytes": []}
    pieces: list[int] = []
    at = count = 0
    while (found := re.compile(rb"(\d{1,20}) ").match(record, at)) and budget.steps >= 0:
        count += 1
        budget.steps -= 3 * (count > RECORDS_FREE)
        length = int(found[1])
        if not length:
            break
        key, _, value = record[found.end() : at + length - 1].partition(b"=")
        at += length
        if key in (b"path", b"GNU.sparse.name"):
            known = known._replace(name=known.name or _text(value[:NAME_AT_MOST]))
        elif key == b"size":
            known = known._replace(sizes=(*known.sizes[:4], _decimal(value)))
        elif key in (b"GNU.sparse.size", b"GNU.sparse.realsize"):
            known = known._replace(real_size=_decimal(value))
        elif key == b"GNU.sparse.major":
            known = known._replace(map_in_data=value == b"1")
        elif key == b"GNU.sparse.map":
            pieces = [_decimal(number) for number in value.split(b",", 2 * PIECES_AT_MOST)]
        elif key in numbers:
            numbers[key].append(_decimal(value))
    pairs = list(zip(*numbers.values(), strict=False)) or list(zip(pieces[::2], pieces[1::2], strict=False))
    return known._replace(pieces=tuple(pairs) or known.pieces)


def _decimal(value: bytes) -> int:
    """A number of a pax header, 0 where `tarfile` finds none, and what no file has cut."""
    try:
        return max(-LARGEST, min(int(value[:64]), LARGEST))
    except ValueError:
        return 0
