"""What a decompressor gives out, as content that can be read at any place, within what one file may cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from git_custody.formats.streams import Source
from git_custody.formats.verdicts import Budget

FREE_AT_ALL_TIMES = 4096
FREE = 65_536
KEPT_IN_MEMORY = 256 * 1024
ARRAY = b"\x93NUMPY"  # which may well be one number over and over


class Unpacked:
    """The output of a decompressor as content, unpacked as far as it has been read.

    `start` begins to unpack; `how` names the way. What is read counts against `budget`: where that is used up, the
    content ends and `obstacle` says why, in words that go on from "data that ..."; `hides`: no ordinary file comes
    to that. `source` is what it comes from. `announced` is how long its container says that it is. Asking for `size`
    unpacks everything.
    """

    def __init__(self, start: Callable[[], Source], budget: Budget, how: str, *, announced: int | None = None) -> None:
        self.how = how
        self.announced = announced
        self._start = start
        self._begin(budget)

    def _begin(self, budget: Budget) -> None:
        self.obstacle: str | None = None
        self.hides = False
        self._budget = budget
        self.source: Source = self._start()
        self._is_over = self._is_released = False
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._length = 0
        self._held = 0

    def release(self) -> None:
        """Let go of memory and files. What is read afterwards is unpacked again, at its own expense."""
        self._close()
        self._memory, self._file, self._length = bytearray(), None, 0
        self._is_released = True

    def __del__(self) -> None:
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._end()

    def _end(self) -> None:
        self._is_over = True
        self.source.close()
        self._budget.windows += self._held
        self._held = 0

    @property
    def size(self) -> int:
        """All of its length; unpacks everything."""
        self._reach(1 << 62)
        return self._length

    def ends_within(self, length: int) -> bool:
        """Whether it is complete with at most `length` bytes, if it may still be unpacked so far just to know."""
        while not self._is_over and self._length <= length and self._budget.tails > 0 and not self._is_released:
            self._budget.tails -= self._pull() * self.source.cost
        return self._is_over and self._length <= length and self.obstacle is None and not self._is_released

    def read_at(self, offset: int, length: int) -> bytes:
        """Read as every content is read, unpacking up to there."""
        if offset < 0 or length <= 0:
            return b""
        if offset + length > self._length:
            self._reach(offset + length)
        length = min(length, self._length - offset)
        if length <= 0:
            return b""
        if self._file is None:
            return bytes(self._memory[offset : offset + length])
        self._file.seek(offset)
        return self._file.read(length)

    def _reach(self, length: int) -> None:
        if self._is_released:
            self._begin(Budget())
        while not self._is_over and self._length < length:
            if self._length >= FREE_AT_ALL_TIMES and not self._may_go_on():
                self._end()
                return
            pulled = self._pull() * self.source.cost
            if self._length > FREE:
                self._budget.unpacked -= pulled
            elif self._length > FREE_AT_ALL_TIMES:
                self._budget.begun -= pulled

    def _may_go_on(self) -> bool:
        if self._length < FREE:
            if self._budget.begun <= 0:
                self._stop("are one of too many compressed streams", hides=True)
        elif self._budget.unpacked <= 0:
            self._stop("unpack to more than can be looked at")
        elif self._budget.windows < 0:
            self._stop("need more memory to unpack than is taken here")
        elif self.source.is_unusual(self._length) and self.read_at(0, 6) != ARRAY:
            self._stop(f"unpack to more than {self.source.usual} times their size", hides=True)
        return self.obstacle is None

    def _pull(self) -> int:
        """Unpack one more chunk; how long it is."""
        source = self.source
        chunk = next(source, b"")
        if not chunk:
            if source.refused:
                self._stop("need more memory to unpack than their usual tools take", hides=True)
            elif source.endless:
                self._stop("are too many compressed streams in a row", hides=True)
            self._end()
            return 0
        self._keep(chunk)
        held = min(source.window, self._length)
        self._budget.windows -= held - self._held
        self._held = held
        return len(chunk)

    def _stop(self, obstacle: str, hides: bool = False) -> None:
        self.obstacle, self.hides = obstacle, hides

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
