"""A temporary file for what has to be unpacked before it can be read at any place."""

from __future__ import annotations

import tempfile
import threading

from git_custody.convert.refused import Refused
from git_custody.core.content import Content, PartContent

SPOOLED_AT_MOST = 32 * 1024 * 1024 * 1024
KEPT_IN_MEMORY = 1024 * 1024


class Spool:
    """Bytes written once and read at any place; in memory while there are few of them."""

    def __init__(self) -> None:
        self.size = 0
        self._file = tempfile.SpooledTemporaryFile(KEPT_IN_MEMORY)  # noqa: SIM115, lives as long as this
        self._lock = threading.Lock()

    def __del__(self) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        """Add bytes; raises `Refused` for more than can be unpacked."""
        self.size += len(data)
        if self.size > SPOOLED_AT_MOST:
            raise Refused(f"it unpacks to more than {SPOOLED_AT_MOST} bytes")
        self._file.write(data)

    def read_at(self, offset: int, length: int) -> bytes:
        """Read as every content is read."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        with self._lock:
            self._file.seek(offset)
            data = self._file.read(length)
            self._file.seek(0, 2)
        return data

    def content(self, offset: int, size: int) -> Content:
        """A stretch of it."""
        return PartContent(self, offset, size)
