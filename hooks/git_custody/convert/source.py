"""The file that is converted: read at any place, digested beside the work, and watched for changes."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import zlib
from collections.abc import Sequence
from types import TracebackType

from git_custody.convert.loaded import Span
from git_custody.convert.refused import Refused
from git_custody.core.findings import CannotJudge

PIECE = 1024 * 1024


class Source:
    """An open file as content; several threads may read it. Raises `CannotJudge` for what is no readable file."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            raise CannotJudge(f"it cannot be read: {error.strerror}", path) from None
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(self._fd)
            raise CannotJudge("it is not a plain file", path)
        self.size = status.st_size
        self._state = _state(status)
        self._lock = threading.Lock()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._fd)

    def read_at(self, offset: int, length: int) -> bytes:
        """Read at most `length` bytes from `offset`."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        data = self._read(offset, length)
        while 0 < len(data) < length and (more := self._read(offset + len(data), length - len(data))):
            data += more
        return data

    def _read(self, offset: int, length: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._fd, length, offset)
        with self._lock:
            os.lseek(self._fd, offset, os.SEEK_SET)
            return os.read(self._fd, length)

    def refuse_if_changed(self) -> None:
        """Raise `CannotJudge` where somebody has written to it since it was opened."""
        if _state(os.fstat(self._fd)) != self._state:
            raise CannotJudge("it changed while it was read; nothing was written", self.path)


def _state(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


class Digesting:
    """The SHA-256 of a source, computed in a thread of its own, and the checksums that it has of its parts."""

    def __init__(self, source: Source, spans: Sequence[Span] = ()) -> None:
        self._source = source
        self._spans = sorted(spans)
        self._digest = hashlib.sha256()
        self._error: Exception | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Digesting:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped = True
        self._thread.join()

    def result(self) -> str:
        """Wait for the digest, in hex. Raises `Refused` where a part does not have its checksum."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._digest.hexdigest()

    def _run(self) -> None:
        try:
            checks = _Checks(self._spans)
            at = 0
            while not self._stopped and (piece := self._source.read_at(at, PIECE)):
                self._digest.update(piece)
                checks.update(at, piece)
                at += len(piece)
        except Exception as error:
            self._error = error


class _Checks:
    """CRC-32 of stretches that do not overlap, in order, from pieces of the whole."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._next = 0
        self._crc = 0

    def update(self, at: int, piece: bytes) -> None:
        view = memoryview(piece)
        while self._next < len(self._spans):
            span = self._spans[self._next]
            if span.begin >= at + len(piece):
                return
            self._crc = zlib.crc32(view[max(0, span.begin - at) : span.end - at], self._crc)
            if span.end > at + len(piece):
                return
            if self._crc != span.crc:
                raise Refused(f'"{span.name}" in the archive is damaged: its checksum is wrong')
            self._next += 1
            self._crc = 0
