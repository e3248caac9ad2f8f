"""Long literals of a pickle, read where they lie."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from git_custody.convert.refused import Refused
from git_custody.convert.spool import Spool
from git_custody.convert.values import Blob
from git_custody.core.content import BytesContent, Content

PIECE = 1024 * 1024


def pieces(content: Content) -> Iterator[bytes]:
    """All bytes, a piece at a time."""
    at = 0
    while piece := content.read_at(at, PIECE):
        yield piece
        at += len(piece)


def whole(blob: Blob, most: int) -> bytes | str:
    """A long literal in memory; raises `Refused` for more than `most` bytes or text that is none."""
    if blob.content.size > most:
        raise Refused(f"a text or byte string in it has {blob.content.size} bytes, too many for a JSON file beside it")
    data = b"".join(pieces(blob.content))
    if not blob.is_text:
        return data
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise Refused("it is not a valid pickle: a text is not UTF-8") from None


def text_as_bytes(text: str | Blob) -> bytes | Blob:
    """The bytes that a text is in Latin-1, which is how old protocols write bytes; raises `Refused` for other text."""
    try:
        if isinstance(text, str):
            return text.encode("latin-1")
        return Blob(_spooled(_as_latin(text)), is_text=False)
    except UnicodeError:
        raise Refused("it is not a valid pickle: a text is not what bytes are written as") from None


def _as_latin(blob: Blob) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for piece in pieces(blob.content):
        yield decoder.decode(piece).encode("latin-1")
    decoder.decode(b"", final=True)


def _spooled(data: Iterator[bytes]) -> Content:
    spool = Spool()
    for piece in data:
        spool.write(piece)
    return spool


def as_content(data: object) -> Content | None:
    """The content of bytes, however a pickle holds them; None for what is no bytes."""
    if isinstance(data, bytes):
        return BytesContent(data)
    if isinstance(data, Blob) and not data.is_text:
        return data.content
    return None
