"""Compressed streams, unpacked no further than they are read: gzip, bzip2, xz, lzma, zlib, joblib's zfiles.

As tolerant as the loaders are: checksums are not checked (a loader has run the pickle by then), members
may follow each other, and what comes before damage counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Any, Protocol

from git_custody.core.content import Content
from git_custody.formats.verdicts import OPAQUE as CANNOT_LOOK
from git_custody.formats.verdicts import Budget, Member, Said, Scene

FREE = 65_536
KEPT_IN_MEMORY = 1024 * 1024
LARGEST_CHUNK = 256 * 1024
LZMA_MEMORY = 192 * 1024 * 1024
STREAMS_AT_MOST = 100_000

# Formats named by their first bytes that cannot be unpacked here.
UNREADABLE = {
    b"\x04\x22\x4d\x18": ("lz4", "lz4"),
    b"\x28\xb5\x2f\xfd": ("zstd", "Zstandard"),
    b"7z\xbc\xaf\x27\x1c": ("7z", "7z"),
    b"Rar!\x1a\x07": ("rar", "RAR"),
}
# A stream that unpacks to more than this many times its size, and to more than can be looked at, hides something.
USUAL_RATIO = 100


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Unpack a compressed stream, as far as it is then read."""
    unpacked = unpack(scene.content, scene.head, scene.budget)
    if unpacked is None:
        for magic, (known, title) in UNREADABLE.items():
            if scene.head.startswith(magic):
                yield Said(CANNOT_LOOK, known, f"{title} data, which cannot be unpacked here")
        return
    yield Member(None, unpacked, wrapping=f"compressed with {unpacked.how}")
    if unpacked.cut_short:
        forced = unpacked.size > USUAL_RATIO * scene.content.size
        yield Said(CANNOT_LOOK, unpacked.how, f"{unpacked.how} data, more than can be unpacked here", forced=forced)


class Engine(Protocol):
    """A decompressor of the standard library (`bz2`, `lzma`), or `_Inflater`, which looks like one."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether all input has been used up."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What followed the end of the stream."""
        ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most `max_length` bytes of output; raises errors of its own for damage."""
        ...


class _Inflater:
    def __init__(self) -> None:
        import zlib

        self._zlib = zlib.decompressobj(-15)
        self._error = zlib.error

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        try:
            return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        except self._error as error:
            raise OSError(str(error)) from None


class Unpacked:
    """The output of a decompressor as content, unpacked as far as it has been read.

    More than `FREE` bytes of output count against `budget`; where that is used up, the content ends and
    `cut_short` is true. Asking for `size` unpacks everything.
    """

    def __init__(self, chunks: Iterator[bytes], budget: Budget, how: str) -> None:
        self.how = how
        self.cut_short = False
        self._chunks = chunks
        self._budget = budget
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._length = 0
        self._complete = False

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def size(self) -> int:
        """All of its length; unpacks everything."""
        self._reach(1 << 62)
        return self._length

    def ends_within(self, length: int) -> bool:
        """Whether there are at most `length` bytes."""
        self._reach(length + 1)
        return self._complete and self._length <= length and not self.cut_short

    def read_at(self, offset: int, length: int) -> bytes:
        """Read as every content is read, unpacking up to there."""
        if offset < 0 or length <= 0:
            return b""
        if offset + length > self._length:
            self._reach(offset + length)
        if self._file is None:
            return bytes(self._memory[offset : offset + length])
        self._file.seek(offset)
        return self._file.read(min(length, max(0, self._length - offset)))

    def _reach(self, length: int) -> None:
        while self._length < length and not self._complete:
            if self._length >= FREE and self._budget.unpacked <= 0:
                self.cut_short = self._complete = True
                return
            chunk = next(self._chunks, None)
            if chunk is None:
                self._complete = True
                return
            if self._length + len(chunk) > FREE:
                self._budget.unpacked -= len(chunk)
            self._keep(chunk)

    def _keep(self, chunk: bytes) -> None:
        self._length += len(chunk)
        if self._file is None:
            self._memory += chunk
            if self._length > KEPT_IN_MEMORY:
                import tempfile

                self._file = tempfile.TemporaryFile()  # noqa: SIM115, lives as long as this
                self._file.write(self._memory)
                self._memory = bytearray()
        else:
            self._file.seek(0, 2)
            self._file.write(chunk)


def unpack(content: Content, head: bytes, budget: Budget) -> Unpacked | None:
    """`content`, unpacked, where its beginning `head` (16 bytes and more) is that of a compressed stream."""
    if head[:3] == b"\x1f\x8b\x08":
        return Unpacked(_gzip(content), budget, "gzip")
    if head[:3] == b"BZh":
        return Unpacked(_run_all(content, _bzip2), budget, "bzip2")
    if head[:6] == b"\xfd7zXZ\x00":
        return Unpacked(_run_all(content, _lzma), budget, "xz")
    if len(head) < 8:
        return None
    if _may_be_zlib(head):
        return _if_any(Unpacked(_Run(_Inflater, content, 2), budget, "zlib"))
    if head[:4] == b"ZF0x":
        # joblib < 0.10: a length in hexadecimal, padded to 19 (or 20) characters, then zlib.
        for start in (21, 22):
            if _may_be_zlib(content.read_at(start, 2)):
                return _if_any(Unpacked(_Run(_Inflater, content, start + 2), budget, "zlib"))
    if may_be_lzma(head):
        return _if_any(Unpacked(_Run(_lzma_alone, content, 0), budget, "lzma"))
    return None


def member_of_zip(content: Content, start: int, method: int, budget: Budget) -> Unpacked | None:
    """Unpack a zip member's data from `start`; `None` for a method that is not known (APPNOTE.TXT 4.4.5)."""
    if method == 8:
        return Unpacked(_Run(_Inflater, content, start), budget, "deflate")
    if method == 12:
        return Unpacked(_Run(_bzip2, content, start), budget, "bzip2")
    if method == 14:
        return _zip_lzma(content, start, budget)
    if method == 95:
        return Unpacked(_Run(_lzma, content, start), budget, "xz")
    return None


def inflated_length(content: Content, start: int, budget: Budget) -> int | None:
    """How many bytes a raw deflate stream takes up; `None` where it has no end."""
    run = _Run(_Inflater, content, start)
    for chunk in run:
        budget.unpacked -= len(chunk)
        if budget.unpacked <= 0:
            return None
    return run.end - start if run.ended else None


def _if_any(unpacked: Unpacked) -> Unpacked | None:
    return unpacked if unpacked.read_at(0, 1) else None


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
    if len(head) < 14 or head[0] >= 225:
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


def _bzip2() -> Engine:
    import bz2

    return bz2.BZ2Decompressor()


def _lzma() -> Engine:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=LZMA_MEMORY)


def _lzma_alone() -> Engine:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=LZMA_MEMORY)


def _zip_lzma(content: Content, start: int, budget: Budget) -> Unpacked | None:
    """LZMA in zip: version (2), length of the properties (2), properties, raw stream."""
    import lzma

    header = content.read_at(start, 9)
    if len(header) < 9 or header[2:4] != b"\x05\x00" or header[4] >= 225:
        return None
    settings = header[4]
    dictionary = int.from_bytes(header[5:9], "little")
    filters: list[dict[str, Any]] = [
        {
            "id": lzma.FILTER_LZMA1,
            "dict_size": max(4096, min(dictionary, LZMA_MEMORY // 4)),
            "lc": settings % 9,
            "lp": settings // 9 % 5,
            "pb": settings // 45,
        }
    ]

    def engine() -> Engine:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)

    return Unpacked(_Run(engine, content, start + 9), budget, "lzma")


class _Run:
    """Iterates over the output of one stream from `start`. `end` is where it ended, if it `ended`."""

    def __init__(self, make: Callable[[], Engine], content: Content, start: int) -> None:
        self.ended = False
        self.end = start
        self._output = self._chunks(make, content, start)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._output)

    def _chunks(self, make: Callable[[], Engine], content: Content, start: int) -> Iterator[bytes]:
        given = 0
        for step in (4096, 1):
            # A decompressor keeps what it had before an error to itself; fed byte by byte it has let go.
            seen = 0
            try:
                for chunk in self._decompress(make, content, start, step):
                    seen += len(chunk)
                    if seen > given:
                        yield chunk[-(seen - given) :]
                        given = seen
                return
            except (OSError, EOFError, ValueError, MemoryError):
                pass
            except Exception as error:
                # lzma.LZMAError has no base that is known without importing lzma.
                if type(error).__name__ != "LZMAError":
                    raise
            if given >= FREE:
                return

    def _decompress(self, make: Callable[[], Engine], content: Content, start: int, step: int) -> Iterator[bytes]:
        engine = make()
        position, most = start, 4096
        while not engine.eof:
            data = b""
            if engine.needs_input:
                data = content.read_at(position, step)
                position += len(data)
                if not data:
                    # What the decompressor still holds back
                    rest = engine.decompress(b"", most)
                    if not rest:
                        return
                    yield rest
                    continue
            chunk = engine.decompress(data, most)
            if chunk:
                most = min(2 * most, LARGEST_CHUNK)
                if step > 1:
                    step = min(2 * step, LARGEST_CHUNK)
                yield chunk
        self.ended = True
        self.end = position - len(engine.unused_data)


def _run_all(content: Content, make: Callable[[], Engine]) -> Iterator[bytes]:
    """Streams one after the other, with padding between, until something else follows."""
    position = 0
    for _ in range(STREAMS_AT_MOST):
        run = _Run(make, content, position)
        yield from run
        if not run.ended or run.end <= position:
            return
        position = run.end
        padding = content.read_at(position, 4096)
        position += len(padding) - len(padding.lstrip(b"\0"))
        if not content.read_at(position, 1):
            return


def _gzip(content: Content) -> Iterator[bytes]:
    """RFC 1952, with its own header reader: zlib checks FHCRC, which Python's gzip does not."""
    position = 0
    for _ in range(STREAMS_AT_MOST):
        header = content.read_at(position, 10)
        if header[:3] != b"\x1f\x8b\x08" or len(header) < 10:
            return
        flags = header[3]
        at = position + 10
        if flags & 4:
            at += 2 + int.from_bytes(content.read_at(at, 2), "little")
        for flag in (8, 16):
            if flags & flag:
                text = content.read_at(at, 65_536)
                end = text.find(b"\0")
                if end < 0:
                    return
                at += end + 1
        if flags & 2:
            at += 2
        run = _Run(_Inflater, content, at)
        yield from run
        if not run.ended:
            return
        position = run.end + 8
        padding = content.read_at(position, 4096)
        position += len(padding) - len(padding.lstrip(b"\0"))
