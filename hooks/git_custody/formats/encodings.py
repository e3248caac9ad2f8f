"""What a checkout makes of a file whose encoding or line ends it converts."""

from __future__ import annotations

from bisect import bisect_right

from git_custody.core.content import Content

WINDOW = 1024 * 1024


def as_checked_out(stored: bytes, encoding: str) -> bytes | None:
    """The bytes that git writes to the work tree for a stored text; None where that cannot be told.

    Stored is always UTF-8 (gitattributes(5)), and what is not is written as it is. The names are those of
    iconv, and Python knows the usual ones.
    """
    try:
        text = stored.decode("utf-8")
    except UnicodeDecodeError:
        return stored
    try:
        return text.encode(encoding.lower().removesuffix("-bom"))
    except (LookupError, ValueError):
        return None


class WithCrLf:
    """A content with CR LF at the end of each line, converted only as far as it is read."""

    def __init__(self, stored: Content) -> None:
        self._stored = stored
        self._starts = [0]  # of each converted window
        self._last = (-1, b"")

    @property
    def size(self) -> int:
        """Length in bytes; converts everything."""
        self._reach(2 * self._stored.size)
        return self._starts[-1]

    def read_at(self, offset: int, length: int) -> bytes:
        """Read at most `length` bytes from `offset`."""
        if offset < 0 or length <= 0 or offset >= 2 * self._stored.size:
            return b""
        self._reach(offset + length)
        parts = []
        for number in range(max(0, bisect_right(self._starts, offset) - 1), len(self._starts) - 1):
            if self._starts[number] >= offset + length:
                break
            begin = max(0, offset - self._starts[number])
            parts.append(self._window(number)[begin : offset + length - self._starts[number]])
        return b"".join(parts)

    def _reach(self, end: int) -> None:
        while self._starts[-1] < end and (window := self._window(len(self._starts) - 1)):
            self._starts.append(self._starts[-1] + len(window))

    def _window(self, number: int) -> bytes:
        if self._last[0] != number:
            begin = number * WINDOW
            stored = self._stored.read_at(begin, WINDOW)
            kept = stored[:1] if stored[:1] == b"\n" and self._stored.read_at(begin - 1, 1) == b"\r" else b""
            written = kept + stored[len(kept) :].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            self._last = (number, written)
        return self._last[1]
