"""Parquet files, whose key-value metadata may hold pickles: of pyarrow's extension types, and of Petastorm.

pyarrow keeps the Arrow schema under ``ARROW:schema``, in Base64, and restores its extension types (CVE-2023-47248, see
`arrow.py`); Petastorm keeps a pickled schema under ``dataset-toolkit.unischema.v1``. The footer is `FileMetaData` of
``parquet.thrift`` in Thrift's compact protocol (``thrift-compact-protocol.md``).
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator

from git_custody.core.content import PartContent
from git_custody.formats.arrow import distinct, message_in, schema_members
from git_custody.formats.stored_values import STEPS_PER_WALK, is_pickle, shown
from git_custody.formats.verdicts import Budget, Member, Said, Scene

MAGIC = b"PAR1"
SCHEMA_KEY = b"ARROW:schema"
FOOTER_AT_MOST = 8 * 1024 * 1024
VALUES_AT_MOST = 400_000
VALUES_PER_STEP = 2
DECODED_PER_STEP, KEPT_PER_STEP = 256, 16  # bytes
DEPTH_AT_MOST = 64
METADATA_FIELD, KEY_FIELD, VALUE_FIELD = 5, 1, 2
# Types of the compact protocol.
STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)
# The keys whose values are unpickled, each before the header of the value's field, in its short and long form.
KNOWN_PAIR = re.compile(rb"(ARROW:schema|dataset-toolkit\.[a-z_]{1,32}\.v1)(?:\x18|\x08\x04)")


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look at the metadata in the footer."""
    yield from distinct(_of_footer(scene))


def _of_footer(scene: Scene) -> Iterator[Said | Member]:
    if not scene.head.startswith(MAGIC):
        return
    content = scene.content
    end = content.size
    tail = content.read_at(end - 8, 8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or not 0 < length <= end - 8:
        return
    skipped = max(0, length - FOOTER_AT_MOST)
    begin = end - 8 - length + skipped
    footer = content.read_at(begin, length - skipped)
    budget = scene.budget
    for key, at, size in _pairs(footer, budget, whole=not skipped):
        if budget.steps < 0:
            return
        budget.steps -= STEPS_PER_WALK
        if key == SCHEMA_KEY:
            budget.steps -= size // DECODED_PER_STEP
            try:
                message = message_in(b64decode(footer[at : at + size]))
            except (Error, ValueError):
                continue
            for found in schema_members(message, budget):
                budget.steps -= message.size // KEPT_PER_STEP
                yield found
        elif is_pickle(value := PartContent(content, begin + at, size), budget=budget):
            yield Member(shown(key), value)


class _Broken(Exception):
    """Not the compact protocol."""


class _TooMuch(Exception):
    """More values than are looked at."""


def _pairs(footer: bytes, budget: Budget, whole: bool) -> Iterator[tuple[bytes, int, int]]:
    """The keys of the metadata, and where their values lie and how long they are.

    Of a footer too large to be read, only what is known to be unpickled.
    """
    reader = _Compact(footer)
    try:
        if not whole:
            raise _TooMuch
        for field, kind in reader.fields():
            if field == METADATA_FIELD and kind == LIST:
                yield from reader.pairs()
            else:
                reader.skip(kind)
    except _TooMuch:
        for found in KNOWN_PAIR.finditer(footer):
            reader.at, reader.left = found.end(), VALUES_AT_MOST
            budget.steps -= STEPS_PER_WALK
            if budget.steps < 0:
                return
            try:
                yield found[1], *reader.binary()
            except _Broken:
                continue
    except _Broken:
        pass
    finally:
        budget.steps -= (VALUES_AT_MOST - reader.left) // VALUES_PER_STEP


class _Compact:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.left = VALUES_AT_MOST

    def fields(self) -> Iterator[tuple[int, int]]:
        """The fields of a struct, by number and type; the caller reads the value of each."""
        number = 0
        while True:
            byte = self._byte()
            if not byte:
                return
            if byte >> 4:
                number += byte >> 4
            else:
                number = self._zigzag()
            yield number, byte & 0x0F

    def pairs(self) -> Iterator[tuple[bytes, int, int]]:
        """The keys of a list of pairs, and where their values lie and how long they are."""
        count, kind = self._list()
        if kind != STRUCT:
            raise _Broken
        for _ in range(count):
            pair = {KEY_FIELD: (0, 0), VALUE_FIELD: (0, 0)}
            for number, kind in self.fields():
                if number in pair and kind == BINARY:
                    pair[number] = self.binary()
                else:
                    self.skip(kind)
            at, length = pair[KEY_FIELD]
            yield self.data[at : at + length], *pair[VALUE_FIELD]

    def binary(self) -> tuple[int, int]:
        """Where bytes lie behind their length, and how many."""
        length = self._varint()
        self._step_over(length)
        return self.at - length, length

    def skip(self, kind: int) -> None:
        """Pass a value over, with all that is inside."""
        # Of each open struct None; of each open list or map the types to come, and how many.
        todo: list[tuple[int, int, int] | None] = []
        while True:
            if kind == STRUCT:
                todo.append(None)
            elif kind in (LIST, SET):
                count, inside = self._list()
                todo.append((count, inside, inside))
            elif kind == MAP:
                count = self._varint()
                kinds = self._byte() if count else 0
                todo.append((2 * count, kinds >> 4, kinds & 0x0F))
            else:
                self._pass(kind, bool(todo and todo[-1]))
            while todo:
                top = todo[-1]
                if top is None:
                    byte = self._byte()
                    if byte:
                        if not byte >> 4:
                            self._varint()
                        kind = byte & 0x0F
                        break
                elif top[0]:
                    kind = top[1]
                    todo[-1] = (top[0] - 1, top[2], top[1])
                    break
                todo.pop()
            else:
                return
            if len(todo) > DEPTH_AT_MOST:
                raise _Broken

    def _pass(self, kind: int, in_list: bool) -> None:
        if kind in (I16, I32, I64):
            self._varint()
        elif kind == BINARY:
            self.binary()
        elif kind == DOUBLE:
            self._step_over(8)
        elif kind == BYTE or (kind in (TRUE, FALSE) and in_list):
            self._step_over(1)
        elif kind not in (TRUE, FALSE):
            raise _Broken

    def _step_over(self, length: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise _TooMuch
        if self.at + length > len(self.data):
            raise _Broken
        self.at += length

    def _list(self) -> tuple[int, int]:
        byte = self._byte()
        count = byte >> 4
        return self._varint() if count == 15 else count, byte & 0x0F

    def _byte(self) -> int:
        self.left -= 1
        if self.left < 0:
            raise _TooMuch
        if self.at >= len(self.data):
            raise _Broken
        self.at += 1
        return self.data[self.at - 1]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise _Broken

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)
