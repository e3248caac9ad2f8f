"""FlatBuffers: tables, vectors and strings behind offsets, each checked before it is followed.

The layout is https://flatbuffers.dev/internals/: a table begins with the distance back to its vtable, which says
where in the table each field is (0: it has its default). All numbers are little-endian.
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.core.content import Content
from git_custody.formats.reading import BrokenError, TooMuchError
from git_custody.formats.verdicts import Budget

READS_AT_MOST = 1_200_000
PAGE = 4_096
PAGES_AT_MOST = 64
TEXT_AT_MOST = 4_096
BYTES_OF_TEXT_PER_READ = 64


class Reader:
    """Reads numbers of one content, `most` of them, of which `left` are left.

    Each takes a step of `budget`, and a text takes as many more as are usual for its length.
    """

    def __init__(self, content: Content, budget: Budget, most: int = READS_AT_MOST) -> None:
        self.left = min(most, budget.steps)
        self._budget = budget
        self._content = content
        self._pages: dict[int, bytes] = {}

    def root(self) -> Table:
        """The root table. Raises `BrokenError` where there is none."""
        return Table(self, self.number(0, 4))

    def number(self, at: int, width: int) -> int:
        """The unsigned number of `width` bytes at `at`. Raises `BrokenError` outside of the content."""
        self.pay(1)
        offset = at % PAGE
        data = self._page(at - offset)[offset : offset + width]
        if len(data) < width:
            data = self._content.read_at(at, width)
            if len(data) < width:
                raise BrokenError
        return int.from_bytes(data, "little")

    def pay(self, cost: int) -> None:
        """Take what something costs that so many numbers would. Raises `TooMuchError`."""
        self.left -= cost
        self._budget.steps -= cost
        if self.left < 0:
            raise TooMuchError

    def holds(self, begin: int, length: int) -> bool:
        """Whether the content has all of these bytes."""
        return length == 0 or (begin >= 0 and bool(self._content.read_at(begin + length - 1, 1)))

    def read(self, begin: int, length: int) -> bytes:
        """These bytes, as far as the content has them."""
        return self._content.read_at(begin, length)

    def _page(self, at: int) -> bytes:
        page = self._pages.get(at)
        if page is None:
            if len(self._pages) >= PAGES_AT_MOST:
                del self._pages[next(iter(self._pages))]
            page = self._pages[at] = self._content.read_at(at, PAGE)
        return page


class Table:
    """A table; its fields are asked for by their index in the schema. All methods raise `BrokenError`."""

    def __init__(self, reader: Reader, at: int) -> None:
        self._reader = reader
        self._at = at
        distance = reader.number(at, 4)
        self._vtable = at - (distance - (1 << 32) if distance >> 31 else distance)
        self._slots = (reader.number(self._vtable, 2) - 4) // 2 if self._vtable >= 0 else -1
        if self._slots < 0:
            raise BrokenError

    def number(self, field: int, width: int, default: int = 0) -> int:
        """A number of `width` bytes, without its sign."""
        at = self._field(field)
        return self._reader.number(at, width) if at else default

    def table(self, field: int) -> Table | None:
        """A table inside."""
        at = self._reference(field)
        return Table(self._reader, at) if at else None

    def vector(self, field: int, width: int) -> tuple[int, int]:
        """Where a vector of items of `width` bytes begins, and how many there are; all lie in the content."""
        at = self._reference(field)
        if not at:
            return 0, 0
        count = self._reader.number(at, 4)
        if not self._reader.holds(at + 4, count * width):
            raise BrokenError
        return at + 4, count

    def tables(self, field: int) -> Iterator[Table]:
        """The tables of a vector."""
        begin, count = self.vector(field, 4)
        for at in range(begin, begin + 4 * count, 4):
            yield Table(self._reader, at + self._reader.number(at, 4))

    def text(self, field: int) -> str:
        """A string, of which at most 4 KiB are read."""
        begin, length = self.vector(field, 1)
        length = min(length, TEXT_AT_MOST)
        self._reader.pay(length // BYTES_OF_TEXT_PER_READ)
        return self._reader.read(begin, length).decode("utf-8", "replace")

    def _field(self, field: int) -> int:
        """Where a field is, or 0."""
        if field >= self._slots:
            return 0
        offset = self._reader.number(self._vtable + 4 + 2 * field, 2)
        return self._at + offset if offset else 0

    def _reference(self, field: int) -> int:
        at = self._field(field)
        return at + self._reader.number(at, 4) if at else 0
