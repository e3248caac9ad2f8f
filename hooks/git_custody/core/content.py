"""The bytes of one file, read by position: what checks of content are given, wherever the bytes lie."""

from __future__ import annotations

import os
from typing import BinaryIO, Protocol


class Content(Protocol):
    """Bytes that can be read at any place.

    `size` is in bytes. `read_at` returns at most `length` bytes from `offset`: fewer at the end, none
    outside; it never raises for a range, only the `OSError` of a file that cannot be read.
    """

    @property
    def size(self) -> int:
        """Length in bytes."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Read at most `length` bytes from `offset`."""
        ...


def write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of `data`: a file without a buffer takes what there is room for, and only then raises `OSError`."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


class BytesContent:
    """Content held in memory."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._data = data

    def read_at(self, offset: int, length: int) -> bytes:
        """Read at most `length` bytes from `offset`."""
        if offset < 0 or length <= 0:
            return b""
        return self._data[offset : offset + length]


class FileContent:
    """Content of an open, seekable binary file, such as a spooled temporary one; it is not closed here."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = size
        self._file = file

    def read_at(self, offset: int, length: int) -> bytes:
        """Read at most `length` bytes from `offset`."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        self._file.seek(offset)
        return self._file.read(length)


class DescriptorContent:
    """Content of an open file, with one system call for each read; its descriptor is not closed here."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.size = size
        self.descriptor = descriptor

    def read_at(self, offset: int, length: int) -> bytes:
        """Read at most `length` bytes from `offset`."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        if not hasattr(os, "pread"):  # on Windows
            os.lseek(self.descriptor, offset, os.SEEK_SET)
            return os.read(self.descriptor, length)
        return os.pread(self.descriptor, length, offset)


class PartContent:
    """A stretch of other content, as far as that content has it."""

    def __init__(self, whole: Content, offset: int, size: int) -> None:
        self.size = max(0, size)
        self._whole = whole
        self.offset = offset

    def read_at(self, offset: int, length: int) -> bytes:
        """Read at most `length` bytes from `offset`."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        return self._whole.read_at(self.offset + offset, length)
