"""Protocol Buffers' wire format, read field by field without a schema, a library, or a look at what is skipped.

A message is a series of fields: a key (field number and wire type) and a value, whose length is known without
looking inside, so that gigabytes of weights are stepped over. The layout is
https://protobuf.dev/programming-guides/encoding/; limits are those of the C++ and upb parsers
(varints of ten bytes, `kMaxFieldNumber`, a depth of 100), as is the patience with fields that are unknown.
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.core.content import Content
from git_custody.formats.reading import BrokenError, TooMuchError
from git_custody.formats.verdicts import Budget

VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = range(6)
FIELDS_AT_MOST = 2_500_000
FIELDS_PER_STEP = 2
COST_OF_MESSAGE = 4
COST_OF_TEXT = 2
BYTES_OF_TEXT_PER_FIELD = 32
DEPTH_AT_MOST = 100
LARGEST_KEY = (1 << 32) - 1
WINDOW = 65_536
FIRST_WINDOW = 4_096
TEXT_AT_MOST = 4_096
LONGEST_KEY_AND_VALUE = 20

Field = tuple[int, int, int, int]


class Reader:
    """Reads the messages of one content, within one budget of fields.

    `left` are left, of which a message takes four more, and a text two and those that its length takes.
    """

    def __init__(self, content: Content, budget: Budget) -> None:
        self.left = min(FIELDS_AT_MOST, FIELDS_PER_STEP * budget.steps)
        self.budget = budget
        self._charged = self.left
        self._content = content
        self._window = b""
        self._base = 0
        self._reach = FIRST_WINDOW

    def fields(self, begin: int = 0, end: int | None = None) -> Iterator[Field]:
        """The fields of the message from `begin` to `end` (None: where the content ends), in their order.

        Each is its number, its wire type, and for `VARINT` the value and where it ends, else where the value begins
        and ends. Groups are stepped over. Raises `BrokenError` where the bytes are no message that ends there,
        `TooMuchError` where the budget is used up.
        """
        at = begin
        groups: list[int] = []
        self.left -= COST_OF_MESSAGE
        window, base, last, bound = self._load(at, end)
        while at != end:
            offset = at - base
            if offset > last:
                window, base, last, bound = self._load(at, end)
                offset = at - base
                if end is None and offset >= len(window):
                    break
            self.left -= 1
            try:
                key = window[offset]
                offset += 1
                if key > 127:
                    key, offset = _varint(window, offset - 1)
                kind = key & 7
                if kind > VARINT and kind != BYTES:
                    begins = base + offset
                    at = begins + _width(kind)
                else:
                    begins = window[offset]
                    offset += 1
                    if begins > 127:
                        begins, offset = _varint(window, offset - 1)
                    at = base + offset
                    if kind:
                        begins, at = at, at + begins
            except IndexError:
                raise BrokenError from None
            if at > bound and (end is not None or not self._content.read_at(at - 1, 1)):
                raise BrokenError
            if key > LARGEST_KEY:
                raise BrokenError
            if kind in (GROUP, END_GROUP):
                if kind == GROUP:
                    groups.append(key >> 3)
                if len(groups) > DEPTH_AT_MOST or (kind == END_GROUP and (not groups or groups.pop() != key >> 3)):
                    raise BrokenError
            elif not groups:
                yield key >> 3, kind, begins, at
        if groups:
            raise BrokenError

    def text(self, begin: int, end: int) -> str:
        """The string from `begin` to `end`, of which at most 4 KiB are read; bytes that are no UTF-8 are replaced."""
        length = min(end - begin, TEXT_AT_MOST)
        self.left -= COST_OF_TEXT + length // BYTES_OF_TEXT_PER_FIELD
        offset = begin - self._base
        if offset < 0 or offset + length > len(self._window):
            return self._content.read_at(begin, length).decode("utf-8", "replace")
        return self._window[offset : offset + length].decode("utf-8", "replace")

    def strings(self, begin: int, end: int, *numbers: int) -> list[str]:
        """What the strings with these field numbers are, in that order; the last one counts, as for every parser."""
        places = self._short_strings(begin, end, numbers)
        if places is None:
            places = {}
            for number, kind, value, stop in self.fields(begin, end):
                if number in numbers and kind == BYTES:
                    places[number] = value, stop
        return [self.text(*places[number]) if number in places else "" for number in numbers]

    def _short_strings(self, begin: int, end: int, numbers: tuple[int, ...]) -> dict[int, tuple[int, int]] | None:
        """Where those strings are in a message of short fields that is held, as most are; else None."""
        base, window = self._base, self._window
        at, stop = begin - base, end - base
        if at < 0 or stop > len(window):
            return None
        places: dict[int, tuple[int, int]] = {}
        count = COST_OF_MESSAGE
        while at < stop - 1:
            key, value = window[at], window[at + 1]
            if key > 127 or value > 127 or key & 5:  # no varint, and no string
                return None
            at += 2
            count += 1
            if key & 2:
                if key >> 3 in numbers:
                    places[key >> 3] = base + at, base + at + value
                at += value
        if at != stop:
            return None
        self.left -= count
        return places

    def _load(self, at: int, end: int | None) -> tuple[bytes, int, int, int]:
        """A window that holds `at` and, if it can, the message up to `end`.

        It comes with its offset in the content, the last place in it where a field can be read without another
        window, and the offset that no field may pass unchecked. This is where the budget is watched: no window
        holds more than a few thousand fields.
        """
        if self._charged - self.left >= FIELDS_PER_STEP:
            steps = (self._charged - self.left) // FIELDS_PER_STEP
            self.budget.steps -= steps
            self._charged -= steps * FIELDS_PER_STEP
        if self.left < 0 or self.budget.steps < 0:
            self.budget.steps -= 1  # so that it is used up, too, where that is why
            raise TooMuchError
        offset = at - self._base
        whole = end is not None and end - at <= WINDOW
        have = len(self._window) - offset
        if offset < 0 or have < (end - at if end is not None and whole else LONGEST_KEY_AND_VALUE):
            # Reading on doubles the window, a jump over a payload makes it small again.
            self._reach = min(2 * self._reach, WINDOW) if 0 <= offset <= len(self._window) else FIRST_WINDOW
            if end is not None and whole:
                self._reach = max(self._reach, end - at)
            self._window, self._base = self._content.read_at(at, self._reach), at
        held = len(self._window)
        last = held if whole else held - LONGEST_KEY_AND_VALUE
        return self._window, self._base, last, self._base + held if end is None else end


def _varint(window: bytes, offset: int) -> tuple[int, int]:
    """The number at `offset`, without its sign, and where it ends."""
    value = shift = 0
    while True:
        byte = window[offset]
        offset += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, offset
        shift += 7
        if shift >= 70:
            raise BrokenError


def _width(kind: int) -> int:
    if kind == FIXED64:
        return 8
    if kind == FIXED32:
        return 4
    if kind in (GROUP, END_GROUP):
        return 0
    raise BrokenError
