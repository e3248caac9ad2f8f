"""Compressed files, as joblib and pandas write them, unpacked to a temporary file; checksums have to be right."""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Iterator
from typing import Any

from git_custody.convert.refused import Refused
from git_custody.convert.spool import Spool
from git_custody.core.content import Content

PIECE = 256 * 1024
_GZIP, _ZLIB = 31, 15  # how zlib tells them apart (its `wbits`)


def unpacked(content: Content, head: bytes) -> tuple[str, Content] | None:
    """How the content is packed, and what is in it; None where it is not. Raises `Refused` for damage."""
    how = _packing(head)
    if how is None:
        return None
    spool = Spool()
    try:
        for piece in _streams(content, how):
            spool.write(piece)
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error) as error:
        raise Refused(f"it is compressed with {how} and damaged") from error
    except Exception as error:
        if type(error).__name__ not in ("LZMAError", "ZstdError"):  # known only once their modules are imported
            raise
        raise Refused(f"it is compressed with {how} and damaged") from error
    return how, spool.content(0, spool.size)


def _packing(head: bytes) -> str | None:
    if head[:4] == b"ZF0x":
        raise Refused("it was written by joblib before 0.10, in a format of its own", how_to_resave=_RESAVE_ZFILE)
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if len(head) > 2 and head[0] == 0x78 and not head[1] & 0x20 and (head[0] << 8 | head[1]) % 31 == 0:
        return "zlib"
    return None


_RESAVE_ZFILE = ("joblib.dump(joblib.load({path}), {saved})",)
_MAGIC = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"]\0\0", "lzma"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


def _engine(how: str) -> Any:
    """A decompressor with `decompress`, `eof` and `unused_data`."""
    if how in ("gzip", "zlib"):
        return zlib.decompressobj(_GZIP if how == "gzip" else _ZLIB)
    if how == "bzip2":
        return importlib.import_module("bz2").BZ2Decompressor()
    if how in ("xz", "lzma"):
        return importlib.import_module("lzma").LZMADecompressor()
    if how == "lz4":
        return importlib.import_module("lz4.frame").LZ4FrameDecompressor()
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return importlib.import_module(name).ZstdDecompressor()


def _streams(content: Content, how: str) -> Iterator[bytes]:
    """The output of every stream of a file, one after the other; raises `EOFError` for one that is cut off."""
    at = 0
    while content.read_at(at, 1):
        engine = _engine(how)
        while not engine.eof:
            piece = content.read_at(at, PIECE)
            if not piece:
                raise EOFError
            at += len(piece)
            yield from _outputs(engine, piece, how)
        at -= len(engine.unused_data or b"")


def _outputs(engine: Any, piece: bytes, how: str) -> Iterator[bytes]:
    """What a piece unpacks to, never much at once: a bomb is stopped by the spool."""
    output = engine.decompress(piece, PIECE)
    yield output
    while not engine.eof:
        if how in ("gzip", "zlib"):
            piece = engine.unconsumed_tail
            if not piece:
                return
        elif engine.needs_input:
            return
        else:
            piece = b""
        yield engine.decompress(piece, PIECE)
