"""The records of a zip: end of the directory, directory, local headers (APPNOTE.TXT 6.3.10, sections 4.3 to 4.5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from git_custody.core.content import Content
from git_custody.formats import streams
from git_custody.formats.compressed import lzma1_filters
from git_custody.formats.streams import Codec
from git_custody.formats.verdicts import Budget

END = b"PK\x05\x06"
END64 = b"PK\x06\x06"
LOCATOR64 = b"PK\x06\x07"
CENTRAL = b"PK\x01\x02"
LOCAL = b"PK\x03\x04"
LOCAL_LENGTH = 30
WINDOW = 512 * 1024
LONGEST_RECORD = 46 + 3 * 65_535
NAME_SHOWN = 1024
BYTES_OF_EXTRA_PER_STEP = 16
UNKNOWN = 0xFFFFFFFF
ENCRYPTED, DESCRIBED = 1, 8  # flags: a descriptor with the sizes follows the data
DESCRIPTOR_LENGTHS = (12, 16, 20, 24)  # with or without its mark, with sizes of 4 or 8 bytes
STORED, LZMA, AES = 0, 14, 99
UNICODE_PATH = b"up"
CODECS = {8: streams.DEFLATE, 12: streams.BZIP2, 20: streams.ZSTD, 93: streams.ZSTD, 95: streams.XZ}


class Entry(NamedTuple):
    """What a directory record or a local header says of a member. `offset` is that of the local header."""

    name: str
    flags: int
    method: int
    packed: int
    unpacked: int
    offset: int


def directories(content: Content, end_at: int, record: bytes) -> Iterator[tuple[int, int]]:
    """Where the directory of the end record at `end_at` may begin, and what then has to be added to its offsets."""
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


def directory(content: Content, begin: int, budget: Budget) -> Iterator[Entry]:
    """The records of a directory, as long as they follow each other: no count is believed."""
    window, base, at = content.read_at(begin, WINDOW), begin, 0
    at_end = len(window) < WINDOW
    while True:
        if len(window) - at < LONGEST_RECORD and not at_end:
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
        if UNKNOWN in (packed, unpacked, offset):
            budget.steps -= extra_length // BYTES_OF_EXTRA_PER_STEP
            packed, unpacked, offset = _zip64(extra, packed, unpacked, offset)
        if UNICODE_PATH in extra:
            budget.steps -= extra_length // BYTES_OF_EXTRA_PER_STEP
        yield Entry(_name(name), flags, method, packed, unpacked, offset)
        if UNICODE_PATH in extra and (other := _unicode_path(extra)) not in (b"", name):
            yield Entry(_name(other), flags, method, packed, unpacked, offset)
        at += 46 + name_length + extra_length + comment_length


def local_entry(content: Content, local: int, header: bytes, budget: Budget) -> tuple[Entry, int]:
    """What the local header (its 30 bytes) says, and where the data begin. Sizes it does not know are 0."""
    flags, method = struct.unpack_from("<HH", header, 6)
    packed, unpacked, name_length, extra_length = struct.unpack_from("<LLHH", header, 18)
    start = local + LOCAL_LENGTH + name_length + extra_length
    name = content.read_at(local + LOCAL_LENGTH, min(name_length, NAME_SHOWN))
    if UNKNOWN in (packed, unpacked):
        budget.steps -= extra_length // BYTES_OF_EXTRA_PER_STEP
        extra = content.read_at(local + LOCAL_LENGTH + name_length, extra_length)
        packed, unpacked, _ = _zip64(extra, packed, unpacked, 0)
        packed, unpacked = (0 if size == UNKNOWN else size for size in (packed, unpacked))
    return Entry(_name(name), flags, method, packed, unpacked, local), start


def codec_of(content: Content, method: int, start: int) -> tuple[Codec | None, int]:
    """How to unpack a method (4.4.5), and where its data begin; None for one that is not known, or only stored."""
    codec = CODECS.get(method)
    if method == LZMA:
        # Version (2), length of the properties (2), properties, raw stream
        header = content.read_at(start, 9)
        if len(header) == 9 and header[2:4] == b"\x05\0" and header[4] < 225:
            return streams.raw_lzma(lzma1_filters(header[4:]), streams.WINDOWS[-1]), start + 9
    return (codec if codec is not None and streams.is_available(codec) else None), start


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


def _unicode_path(extra: bytes) -> bytes:
    """The name that counts instead (4.6.9) for Info-ZIP and for `zipfile` since Python 3.12."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = extra[at : at + 2], int.from_bytes(extra[at + 2 : at + 4], "little")
        if kind == UNICODE_PATH:
            return extra[at + 9 : at + 4 + length]
        at += 4 + length
    return b""


def _name(raw: bytes) -> str:
    # `zipfile` ends names at a NUL.
    return (raw.partition(b"\0")[0] or raw)[:NAME_SHOWN].decode("utf-8", "surrogateescape")
