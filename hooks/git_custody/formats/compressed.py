"""Compressed streams, unpacked no further than they are read: gzip, bzip2, xz, lzma, zlib, zfiles, lz4, Zstandard.

RFC 1952, 1950 and 8878, lz4_Frame_format.md, xz-file-format.txt, the header of `lzma_alone_decoder.c`, and
`joblib/numpy_pickle_compat.py` for the zfiles of joblib before 0.10.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from git_custody.core.content import Content
from git_custody.formats import streams
from git_custody.formats.streams import Codec, Streams
from git_custody.formats.unpacked import Unpacked
from git_custody.formats.verdicts import OPAQUE, Member, Said, Scene

GZIP_MAGIC = b"\x1f\x8b\x08"
GZIP_TRAILER = 8
ZLIB_TRAILER = 4
ZFILE_MAGIC = b"ZF0x"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
LZ4_MAGIC = b"\x04\x22\x4d\x18"
SKIPPED_AT_MOST = 10_000
WINDOW = 4096
STEPS_OF_A_SLOW_CODEC = 64  # to begin a stream, whatever comes of it
ZSTD_DICTIONARY = 3  # the bits of the frame header's descriptor that say how long the dictionary's id is
# Told by their first bytes, and not unpacked here.
UNREADABLE = {b"\x02\x21\x4c\x18": ("lz4", "lz4 (legacy frame)"), b"Rar!\x1a\x07": ("rar", "RAR")}


class Packed(NamedTuple):
    """How a content is compressed. `certain`: its first bytes can hardly be an accident.

    `begin` and `trailer` are as in `streams.Streams`.
    """

    codec: Codec
    begin: Callable[[Content, int], int | None]
    trailer: int = 0
    certain: bool = True


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Unpack a compressed stream, as far as it is then read."""
    content, head = scene.content, scene.head
    packed = _packed(content, head)
    if packed is None:
        for magic, (known, title) in UNREADABLE.items():
            if head.startswith(magic):
                yield Said(OPAQUE, known, f"{title} data, which cannot be unpacked here")
        return
    codec, begin, trailer, certain = packed
    if not streams.is_available(codec):
        yield Said(OPAQUE, codec.name, f"{codec.name} data, which cannot be unpacked here")
        return
    if head.startswith(ZSTD_MAGIC) and head[4:5] and head[4] & ZSTD_DICTIONARY:
        yield Said(OPAQUE, codec.name, "zstd data that need a dictionary to unpack")
    if codec.cost > 1:
        scene.budget.steps -= STEPS_OF_A_SLOW_CODEC
    unpacked = Unpacked(lambda: Streams(codec, content, begin, trailer), scene.budget, codec.name)
    try:
        if certain or unpacked.read_at(0, 1):
            yield Member(None, unpacked, wrapping=f"compressed with {codec.name}")
            if unpacked.obstacle:
                yield Said(OPAQUE, codec.name, f"{codec.name} data that {unpacked.obstacle}", forced=unpacked.hides)
    finally:
        unpacked.release()


def _packed(content: Content, head: bytes) -> Packed | None:
    if head.startswith(GZIP_MAGIC):
        return Packed(streams.GZIP, _gzip_data, GZIP_TRAILER)
    if head.startswith(b"BZh"):
        return Packed(streams.BZIP2, _anything)
    if head.startswith(b"\xfd7zXZ\0"):
        return Packed(streams.XZ, _anything)
    if head.startswith(b"LZIP\x01"):
        return Packed(streams.LZIP, _anything, certain=False)
    if head.startswith(LZ4_MAGIC) or _is_skippable(head):
        # Skippable frames are the same in both; what is behind them tells.
        behind = content.read_at(_behind_skippable(content, 0), 4)
        return Packed(streams.LZ4 if behind == LZ4_MAGIC else streams.ZSTD, _frames)
    if head.startswith(ZSTD_MAGIC):
        return Packed(streams.ZSTD, _frames)
    if _may_be_zlib(head):
        return Packed(streams.ZLIB, _zlib_data, ZLIB_TRAILER, certain=False)
    if head.startswith(ZFILE_MAGIC):
        return Packed(streams.ZLIB, _zfile_data, certain=False)
    if may_be_lzma(head):
        return _lzma(head)
    return None


def _anything(content: Content, at: int) -> int | None:
    return at if content.read_at(at, 1) else None


def _frames(content: Content, at: int) -> int | None:
    return _anything(content, _behind_skippable(content, at))


def _is_skippable(frame: bytes) -> bool:
    return len(frame) >= 8 and 0x50 <= frame[0] <= 0x5F and frame[1:4] == b"\x2a\x4d\x18"


def _behind_skippable(content: Content, at: int) -> int:
    """Where the first frame that is not skippable may begin (RFC 8878, 3.1.2; the same in LZ4's frames)."""
    window, base = b"", at
    for _ in range(SKIPPED_AT_MOST):
        if at + 8 > base + len(window):
            window, base = content.read_at(at, WINDOW), at
        frame = window[at - base : at - base + 8]
        if not _is_skippable(frame):
            break
        at += 8 + int.from_bytes(frame[4:], "little")
    return at


def _gzip_data(content: Content, at: int) -> int | None:
    """Where the data of a gzip member begin. The header's checksum does not matter: Python's gzip ignores it."""
    header = content.read_at(at, 10)
    if not header.startswith(GZIP_MAGIC) or len(header) < 10:
        return None
    flags = header[3]
    at += 10
    if flags & 4:
        at += 2 + int.from_bytes(content.read_at(at, 2), "little")
    for flag in (8, 16):
        if flags & flag:
            end = _after_nul(content, at)
            if end is None:
                return None
            at = end
    return at + 2 if flags & 2 else at


def _after_nul(content: Content, at: int) -> int | None:
    """Behind the next NUL: names and comments have any length."""
    step = streams.FIRST_STEP
    while text := content.read_at(at, step):
        if (found := text.find(b"\0")) >= 0:
            return at + found + 1
        at += len(text)
        step = streams.LARGEST_STEP
    return None


def _zlib_data(content: Content, at: int) -> int | None:
    return at + 2 if _may_be_zlib(content.read_at(at, 2)) else None


def _zfile_data(content: Content, at: int) -> int | None:
    """A length in hexadecimal follows the magic, padded to 19 or 20 characters, then comes zlib."""
    for start in (21, 22):
        if at == 0 and _may_be_zlib(content.read_at(start, 2)):
            return start + 2
    return None


def _may_be_zlib(head: bytes) -> bool:
    return (
        len(head) >= 2
        and head[0] & 0x0F == 8
        and head[0] >> 4 <= 7
        and not head[1] & 0x20
        and (head[0] << 8 | head[1]) % 31 == 0
    )


def may_be_lzma(head: bytes) -> bool:
    """Look for the header of FORMAT_ALONE, as strictly as liblzma, except behind joblib's prefix."""
    if len(head) < 14 or head[0] >= 225 or head[13]:
        return False
    if head[:2] == b"\x5d\x00":
        return True
    dictionary = int.from_bytes(head[1:5], "little")
    if dictionary != 0xFFFFFFFF and not _is_power(dictionary) and (dictionary % 3 or not _is_power(dictionary // 3)):
        return False
    size = int.from_bytes(head[5:13], "little")
    return size == (1 << 64) - 1 or size < 1 << 38


def _is_power(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


def _lzma(head: bytes) -> Packed:
    dictionary = int.from_bytes(head[1:5], "little")
    if dictionary <= streams.WINDOWS[-1]:
        return Packed(streams.LZMA, _anything, certain=False)
    # No more than a part of such a dictionary is filled before the look ends.
    return Packed(
        streams.raw_lzma(lzma1_filters(head[:5]), streams.WINDOWS[-1]),
        lambda content, at: 13 if at == 0 else None,
        certain=False,
    )


def lzma1_filters(properties: bytes) -> list[dict[str, Any]]:
    """The filters of `lzma` for five bytes of LZMA properties; no dictionary is larger than is ever filled."""
    import lzma

    settings, dictionary = properties[0], int.from_bytes(properties[1:5], "little")
    return [
        {
            "id": lzma.FILTER_LZMA1,
            "dict_size": max(4096, min(dictionary, streams.WINDOWS[-1])),
            "lc": settings % 9,
            "lp": settings // 9 % 5,
            "pb": settings // 45,
        }
    ]
