"""Reading binary structures one field after the other, a window of bytes at a time."""

from __future__ import annotations

from typing import Literal

from git_custody.core.content import Content

WINDOW = 256 * 1024
SHORT_WINDOW = 4096


class ContentEnds(Exception):
    """The content ends within what was to be read."""


class PastLimit(Exception):
    """More was to be read than the limit allows."""


def is_cut_short(content: Content) -> bool:
    """Whether it is a limit of ours that ended the content of a compressed stream, as far as it has been read."""
    return getattr(content, "obstacle", None) is not None


class Cursor:
    """A place in `content` that moves as fields are read, up to `limit`.

    What is skipped is not read, and that it is there at all is only known when something behind it is read.
    """

    def __init__(self, content: Content, at: int, limit: int) -> None:
        self.order: Literal["little", "big"] = "little"
        self._content, self._limit = content, limit
        self._window, self._start, self._at = b"", at, 0

    @property
    def at(self) -> int:
        """The place, in bytes from the beginning of the content."""
        return self._start + self._at

    def take(self, length: int) -> bytes:
        """Read `length` bytes (few: they are held in memory)."""
        if self._at + length > len(self._window):
            self._refill(length)
        self._at += length
        return self._window[self._at - length : self._at]

    def unsigned(self, length: int) -> int:
        """Read an unsigned integer of `length` bytes."""
        return int.from_bytes(self.take(length), self.order)

    def skip(self, length: int) -> None:
        """Step over `length` bytes, or with -1 back over the one byte just taken."""
        self._at += length

    def skip_strings(self, count: int, width: int) -> None:
        """Step over strings, each behind its length of `width` bytes: a quick loop for long vocabularies."""
        window, at, order = self._window, self._at, self.order
        end = len(window) - width
        for _ in range(count):
            if at > end:
                self._at = at
                self._refill(width)
                window, at = self._window, self._at
                end = len(window) - width
            at += width + int.from_bytes(window[at : at + width], order)
        self._at = at

    def _refill(self, length: int) -> None:
        # What is read after a long step is likely to be followed by another.
        stepped_far = self._at - len(self._window) > SHORT_WINDOW
        self._start += self._at
        self._at = 0
        self._window = self._content.read_at(self._start, max(length, SHORT_WINDOW if stepped_far else WINDOW))
        if len(self._window) < length:
            raise ContentEnds
        if self._start > self._limit:
            raise PastLimit
