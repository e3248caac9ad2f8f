"""Decompressors: what they unpack piece by piece, and how much memory they hold for it.

The engines are those of the standard library, of `lz4` and of `backports.zstd` (`compression.zstd` from
Python 3.14 on). As tolerant as the loaders are: checksums are not checked (a loader has run the pickle by then),
streams may follow each other, and what comes before damage counts.

A decompressor keeps a window of what it gave out last, whose size the data choose: 8 MiB for `xz -6`, 64 MiB for
`xz -9` and `zstd --ultra -21`, 128 MiB for the largest that zstd's own tools open unasked. Its pages fill
only as output comes, so a large window is no reason to refuse a stream; to read far into one is.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple, Protocol, TypeVar

from git_custody.core.content import Content

FIRST_STEP = 4096
LARGEST_STEP = 256 * 1024
STREAMS_AT_MOST = 20_000
UNUSUAL_AT_MOST = 16 * 1024 * 1024
PADDING_AT_MOST = 64 * 1024 * 1024
# Bytes that a window may have; the smallest that will do is taken.
WINDOWS = tuple(1 << power for power in (20, 22, 23, 24, 25, 26, 27))
LZMA_OVERHEAD = 512 * 1024
ZLIB_WINDOW = 0  # 32 KiB, which nobody has to count

T = TypeVar("T")


class Engine(Protocol):
    """A decompressor as `bz2`, `lzma`, `compression.zstd` and `lz4.frame` have them."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether all input has been used up."""
        ...

    @property
    def unused_data(self) -> bytes | None:
        """What followed the end of the stream."""
        ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most `max_length` bytes of output; raises errors of its own for damage."""
        ...


class Codec(NamedTuple):
    """A way to compress.

    `make` builds an engine that may hold a window of so many bytes; `windows` are the sizes to try, smallest
    first. `cost`: how many times longer than zlib it takes for a byte of output. `usual`: how many times its size
    ordinary data may unpack to; more are one number over and over, or hide something.
    """

    name: str
    make: Callable[[int], Engine]
    windows: tuple[int, ...]
    cost: int = 1
    usual: int = 1000


class _Inflater:
    def __init__(self) -> None:
        import zlib

        self._zlib = zlib.decompressobj(-15)

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
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


def _bzip2(window: int) -> Engine:
    import bz2

    return bz2.BZ2Decompressor()


def _xz(window: int) -> Engine:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_AUTO, memlimit=window + LZMA_OVERHEAD)


def _lzma_alone(window: int) -> Engine:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=window + LZMA_OVERHEAD)


def _lz4(window: int) -> Engine:
    import lz4.frame  # type: ignore[import-untyped]

    engine: Engine = lz4.frame.LZ4FrameDecompressor()
    return engine


def _zstd(window: int) -> Engine:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        from backports import zstd

    most = {zstd.DecompressionParameter.window_log_max: window.bit_length() - 1}
    engine: Engine = zstd.ZstdDecompressor(options=most)
    return engine


DEFLATE = Codec("deflate", lambda _: _Inflater(), (ZLIB_WINDOW,), usual=200)
ZLIB = DEFLATE._replace(name="zlib")
GZIP = DEFLATE._replace(name="gzip")
BZIP2 = Codec("bzip2", _bzip2, (4 * 1024 * 1024,), cost=6)
XZ = Codec("xz", _xz, WINDOWS, cost=3)
LZIP = XZ._replace(name="lzip")
LZMA = Codec("lzma", _lzma_alone, WINDOWS, cost=3)
LZ4 = Codec("lz4", _lz4, (9 * 1024 * 1024,), usual=150)
ZSTD = Codec("zstd", _zstd, WINDOWS)


def raw_lzma(filters: list[dict[str, Any]], window: int) -> Codec:
    """A codec for data without any header, such as zip and 7z hold: the filters as `lzma` takes them."""

    def make(window: int) -> Engine:
        import lzma

        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)

    return Codec("lzma", make, (window,), cost=3)


_is_available: dict[str, bool] = {}


def is_available(codec: Codec) -> bool:
    """Whether the library is here: lz4 and Zstandard are none of the standard library's before Python 3.14."""
    if codec.name not in _is_available:
        try:
            _tried(codec.make, codec.windows[0])
        except ImportError:
            _is_available[codec.name] = False
        except (_Damaged, _Refused):  # liblzma knows no engine of such properties, but it is here
            _is_available[codec.name] = True
        else:
            _is_available[codec.name] = True
    return _is_available[codec.name]


class Run:
    """Iterates over the output of one stream, whose compressed data begin at `start`.

    `end` is where it ended, if it `ended`; else how far it has been read. `window` is what its engine may hold, in
    bytes; `refused`: it wants to hold more than any of the codec's windows.
    """

    def __init__(self, codec: Codec, content: Content, start: int) -> None:
        self.ended = False
        self.refused = False
        self.end = start
        self.window = codec.windows[0]
        self._output = self._chunks(codec, content, start)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._output)

    def close(self) -> None:
        """Let go of the engine at once: its memory would else wait for the garbage collector."""
        self._output.close()

    def _chunks(self, codec: Codec, content: Content, start: int) -> Generator[bytes, None, None]:
        given = 0
        careful_from = 1 << 62
        for _ in range(2):
            # A decompressor keeps what it had before an error to itself; fed byte by byte it has let go.
            seen = 0
            try:
                for chunk in self._decompress(codec, content, start, careful_from):
                    seen += len(chunk)
                    if seen > given:
                        yield chunk[given - seen :]
                        given = seen
                return
            except _Refused:
                self.refused = True
                return
            except _Damaged:
                careful_from = self._fed_at

    def _decompress(self, codec: Codec, content: Content, start: int, careful_from: int) -> Iterator[bytes]:
        self._fed_at = start
        data = content.read_at(start, min(FIRST_STEP, max(1, careful_from - start)))
        position = self.end = start + len(data)
        engine, chunk = self._begun(codec, data)
        most, step, idle = 2 * FIRST_STEP, FIRST_STEP, 0
        while True:
            if chunk:
                yield chunk
            if engine.eof:
                break
            data = b""
            if engine.needs_input:
                step = 1 if position >= careful_from else min(2 * step, LARGEST_STEP)
                data = content.read_at(position, step)
                self._fed_at = position
                position = self.end = position + len(data)
            chunk = _tried(engine.decompress, data, most)
            idle = 0 if data or chunk else idle + 1
            if idle > 1 and not engine.eof:
                return  # the input has ended, and nothing is held back
            most = min(2 * most, LARGEST_STEP)
        self.ended = True
        self.end = position - len(engine.unused_data or b"")

    def _begun(self, codec: Codec, data: bytes) -> tuple[Engine, bytes]:
        """An engine with the smallest window that will do, and its first output."""
        for window in codec.windows:
            if window < self.window:
                continue  # found too small before
            self.window = window
            try:
                engine = _tried(codec.make, window)
                return engine, _tried(engine.decompress, data, FIRST_STEP)
            except _Refused:
                pass
        raise _Refused


class _Damaged(Exception):
    """The data are none of the codec's."""


class _Refused(Exception):
    """The engine would have to hold more than it may."""


def _tried(call: Callable[..., T], *arguments: object) -> T:
    """Call an engine, whose errors are its own."""
    try:
        return call(*arguments)
    except (OSError, EOFError, ValueError, RuntimeError):
        raise _Damaged from None
    except Exception as error:
        # The others have no base that is known without importing their modules.
        if type(error).__name__ not in ("error", "LZMAError", "ZstdError", "MemoryError"):
            raise
        # How liblzma and libzstd say that a window is larger than they may make it
        raise (_Refused if "emory" in f"{type(error).__name__} {error}" else _Damaged) from None


class Source:
    """Output, chunk by chunk, and what is known of it so far.

    `cost` and `usual` are as in `Codec`. `window`: bytes of memory held. `consumed`: compressed bytes
    read. `ended`: the stream came to its end. `refused`: it would have to hold more than it may. `endless`: there
    are more streams than are followed.
    """

    def __init__(self, chunks: Generator[bytes, None, None], cost: int, usual: int) -> None:
        self.cost = cost
        self.usual = usual
        self.window = self.consumed = 0
        self.ended = self.refused = self.endless = False
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def is_unusual(self, length: int) -> bool:
        """Whether that many bytes of output are more than ordinary data unpack to."""
        return length > self.usual * self.consumed + UNUSUAL_AT_MOST

    def close(self) -> None:
        """Let go of the decompressor."""
        self._chunks.close()


class Single(Source):
    """The output of one stream, whose compressed data begin at `start`."""

    def __init__(self, codec: Codec, content: Content, start: int) -> None:
        super().__init__(self._all(codec, content, start), codec.cost, codec.usual)

    def _all(self, codec: Codec, content: Content, start: int) -> Generator[bytes, None, None]:
        run = Run(codec, content, start)
        try:
            for chunk in run:
                self.window, self.consumed = run.window, run.end - start
                yield chunk
        finally:
            run.close()
        self.consumed, self.ended, self.refused = run.end - start, run.ended, run.refused


class Streams(Source):
    """The output of streams that follow each other, with zeros between, until something else follows.

    `begin` finds where the compressed data of a stream begin whose header lies at an offset, or None; `trailer` is
    how many bytes follow the data.
    """

    def __init__(
        self, codec: Codec, content: Content, begin: Callable[[Content, int], int | None], trailer: int = 0
    ) -> None:
        super().__init__(self._all(codec, content, begin, trailer), codec.cost, codec.usual)

    def _all(
        self, codec: Codec, content: Content, begin: Callable[[Content, int], int | None], trailer: int
    ) -> Generator[bytes, None, None]:
        at = 0
        for _ in range(STREAMS_AT_MOST):
            start = begin(content, at)
            if start is None:
                return
            run = Run(codec, content, start)
            try:
                for chunk in run:
                    self.window, self.consumed = run.window, run.end
                    yield chunk
            finally:
                run.close()
            if not run.ended:
                self.refused = run.refused
                return
            at = _after_zeros(content, run.end + trailer)
            if content.read_at(at, 1) == b"\0":
                break  # more padding than is passed over
        self.endless = bool(content.read_at(at, 1))


def _after_zeros(content: Content, at: int) -> int:
    step, end = FIRST_STEP, at + PADDING_AT_MOST
    while at < end:
        padding = content.read_at(at, step)
        zeros = len(padding) - len(padding.lstrip(b"\0"))
        at += zeros
        if zeros < step:
            break
        step = min(2 * step, LARGEST_STEP)
    return at
