"""The members of a zip that every reader reads in the same way; anything else is refused.

`formats/zips.py` finds whatever the most lenient reader might find. A conversion asks the opposite: one directory,
right behind the members, with names, places and sizes that agree with the local headers, and nothing between or
behind. Layout: APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from git_custody.convert.refused import Refused
from git_custody.convert.spool import Spool
from git_custody.core.content import Content, PartContent

MEMBERS_AT_MOST = 1_000_000
DIRECTORY_AT_MOST = 128 * 1024 * 1024
DESCRIPTOR_AT_MOST = 24
PIECE = 256 * 1024

_END, _END64, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_CENTRAL, _LOCAL = b"PK\x01\x02", b"PK\x03\x04"
_HARMLESS_FLAGS = 0x080E  # effort of deflate, sizes behind the data, names in UTF-8
_HAS_DESCRIPTOR = 0x0008
_VERSION_AT_MOST = 63  # 6.3, of `zipfile`
_IS_FOLDER = 0x10  # of MS-DOS
_MOST = 0xFFFFFFFF


class Entry(NamedTuple):
    """What the central directory says of a member."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    unpacked: int
    offset: int


class Member(NamedTuple):
    """A member: its content, unpacked, and for one that is stored as it is, where it lies and its recorded CRC-32."""

    name: str
    content: Content
    begin: int
    crc: int
    is_stored: bool


def members(content: Content) -> dict[str, Member]:
    """All members by name, in the order of the file. Raises `Refused` where readers could disagree."""
    entries, directory_at = _directory(content)
    found: dict[str, Member] = {}
    seen: set[str] = set()
    spool = Spool()
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.offset):
        name = _name(entry.raw_name)
        if name.casefold() in seen:
            raise Refused(f'the archive holds "{name}" twice, and which of them is read depends on the reader')
        seen.add(name.casefold())
        gap = entry.offset - end
        if gap < 0 or gap > (DESCRIPTOR_AT_MOST if end else 0):
            raise Refused("the archive's members overlap, or something lies between them")
        begin = _data_at(content, entry)
        end = begin + entry.packed
        if end > directory_at:
            raise Refused("the archive's members overlap, or something lies between them")
        if name.endswith("/"):
            if entry.packed:
                raise Refused(f'the folder "{name}" in the archive has content')
            continue
        found[name] = _member(content, entry, name, begin, spool)
    if directory_at - end > DESCRIPTOR_AT_MOST:
        raise Refused("the archive's members overlap, or something lies between them")
    return found


def _directory(content: Content) -> tuple[list[Entry], int]:
    end_at = content.size - 22
    record = content.read_at(end_at, 22)
    if record[:4] != _END or record[20:] != b"\0\0":
        raise Refused("something lies behind the end of the archive, or it is cut off")
    disk, first, here, count, size, offset = struct.unpack_from("<HHHHLL", record, 4)
    locator = content.read_at(end_at - 20, 20)
    if locator[:4] == _LOCATOR64:
        end_at = end_at - 76
        record64 = content.read_at(end_at, 56)
        wide = struct.unpack("<4sQHHLLQQQQ", record64) if len(record64) == 56 else (b"",)
        if wide[0] != _END64 or wide[1] != 44 or struct.unpack_from("<LQL", locator, 4) != (0, end_at, 1):
            raise Refused("the archive's end records do not fit together")
        narrow = ((disk, 0xFFFF), (first, 0xFFFF), (here, 0xFFFF), (count, 0xFFFF), (size, _MOST), (offset, _MOST))
        if any(value not in (own, most) for (value, most), own in zip(narrow, wide[4:], strict=True)):
            raise Refused("the archive's end records do not fit together")
        disk, first, here, count, size, offset = wide[4:]
    if (disk, first) != (0, 0) or here != count or offset + size != end_at:
        raise Refused("the archive's end records do not fit together")
    if count > MEMBERS_AT_MOST or size > DIRECTORY_AT_MOST:
        raise Refused(f"the archive has {count} members, too many to convert")
    entries = list(_entries(content.read_at(offset, size), count))
    return entries, offset


def _entries(directory: bytes, count: int) -> Iterator[Entry]:
    at = 0
    for _ in range(count):
        if directory[at : at + 4] != _CENTRAL or len(directory) - at < 46:
            raise Refused("the archive's directory is damaged")
        fields = struct.unpack_from("<HHHLLLLHHHHHLL", directory, at + 6)
        version, flags, method, _, crc, packed, unpacked, name, extra, comment, disk, _, attributes, offset = fields
        raw_name = directory[at + 46 : at + 46 + name]
        extra_field = directory[at + 46 + name : at + 46 + name + extra]
        at += 46 + name + extra + comment
        if at > len(directory) or disk:
            raise Refused("the archive's directory is damaged")
        unpacked, packed, offset = _wide(extra_field, unpacked, packed, offset)
        if (
            version & 0xFF > _VERSION_AT_MOST
            or flags & ~_HARMLESS_FLAGS
            or method not in (0, 8)
            or (method == 0 and packed != unpacked)
        ):
            raise Refused("the archive's members are encrypted, or packed in an unusual way")
        if attributes & _IS_FOLDER and not raw_name.endswith(b"/"):
            # PyTorch's reader then hands out whatever its memory held before.
            raise Refused("the archive calls a file a folder")
        yield Entry(raw_name, flags, method, crc, packed, unpacked, offset)
    if at != len(directory):
        raise Refused("the archive's directory is damaged")


def _wide(extra: bytes, *narrow: int) -> tuple[int, ...]:
    """Sizes and offset from the zip64 extra field, where the narrow ones are full."""
    if _MOST not in narrow:
        return narrow
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            data = extra[at + 4 : at + 4 + length]
            values = iter([int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data) - 7, 8)])
            return tuple(next(values, _MOST) if value == _MOST else value for value in narrow)
        at += 4 + length
    raise Refused("the archive's directory is damaged")


def _name(raw: bytes) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("a name in the archive is not UTF-8") from None
    if not name or "\0" in name or "\\" in name:
        raise Refused("a name in the archive is empty, or has a NUL or a backslash")
    return name


def _data_at(content: Content, entry: Entry) -> int:
    """Where the data begin; the local header has to say the same as the directory."""
    header = content.read_at(entry.offset, 30)
    if header[:4] != _LOCAL or len(header) < 30:
        raise Refused("the archive's directory is damaged")
    flags, method, _, crc, packed, unpacked, name, extra = struct.unpack_from("<HHLLLLHH", header, 6)
    local_name = content.read_at(entry.offset + 30, name)
    if local_name != entry.raw_name or method != entry.method or flags & ~_HARMLESS_FLAGS:
        raise Refused("the archive's headers and directory do not say the same")
    extra_field = content.read_at(entry.offset + 30 + name, extra)
    if (crc, packed, unpacked) != (0, 0, 0) or not flags & _HAS_DESCRIPTOR:
        unpacked, packed = _wide(extra_field, unpacked, packed)
        behind = bool(flags & _HAS_DESCRIPTOR)
        same = crc in (entry.crc, 0) if behind else crc == entry.crc
        if (
            not same
            or (packed != entry.packed and not (behind and packed == 0))
            or (unpacked != entry.unpacked and not (behind and unpacked == 0))
        ):
            raise Refused("the archive's headers and directory do not say the same")
    begin: int = entry.offset + 30 + name + extra
    return begin


def _member(content: Content, entry: Entry, name: str, begin: int, spool: Spool) -> Member:
    stored = PartContent(content, begin, entry.packed)
    if entry.method == 0:
        return Member(name, stored, begin, entry.crc, True)
    at, crc = spool.size, 0
    for piece in _inflated(stored, name):
        crc = zlib.crc32(piece, crc)
        spool.write(piece)
        if spool.size - at > entry.unpacked:
            break
    if spool.size - at != entry.unpacked or crc != entry.crc:
        raise Refused(f'"{name}" in the archive is damaged')
    return Member(name, spool.content(at, entry.unpacked), begin, entry.crc, False)


def _inflated(stored: Content, name: str) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-15)
    position = 0
    try:
        while not inflater.eof:
            piece = inflater.unconsumed_tail
            if not piece:
                piece = stored.read_at(position, PIECE)
                position += len(piece)
            output = inflater.decompress(piece, PIECE)
            if not piece and not output:
                break
            yield output
    except zlib.error:
        raise Refused(f'"{name}" in the archive is damaged') from None
    if not inflater.eof or inflater.unused_data or position < stored.size:
        raise Refused(f'"{name}" in the archive is damaged')
