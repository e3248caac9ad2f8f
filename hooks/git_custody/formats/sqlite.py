"""SQLite databases whose values programs unpickle: sqlitedict, diskcache, shelve since Python 3.13, job stores.

Blobs of all tables are looked at, without SQLite: pages, cells and records as https://www.sqlite.org/fileformat2.html
describes them. What an index holds is a copy; what is on free pages nobody reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from git_custody.core.content import BytesContent, Content, PartContent
from git_custody.formats.stored_values import Sieve, evenly
from git_custody.formats.verdicts import Member, Said, Scene

MAGIC = b"SQLite format 3\0"
INDEX_INSIDE, TABLE_INSIDE, INDEX_LEAF, TABLE_LEAF = 0x02, 0x05, 0x0A, 0x0D
PAGES_AT_MOST = 20_000
READ_AT_MOST = 256 * 1024 * 1024
ROWS_AT_MOST = 50_000
ROWS_OF_A_MEMBER = 3_000  # of an archive, which may hold dozens of databases
ROWS_PER_TABLE = 128
ROWS_PER_LEAF = 32  # a guess
VALUES_READ_AT_MOST = 400_000
TABLES_AT_MOST = 2_000
COLUMNS_AT_MOST = 2_000
DEPTH_AT_MOST = 32
SQL_AT_MOST = 65_536
SQL_AT_MOST_IN_ALL = 2 * 1024 * 1024
SIGNS_AT_MOST = 500_000  # between the columns of all tables; behind those, columns only have numbers
HEADER_AT_MOST = 8_192
NAME_SHOWN = 100
KIND_READ, NUMBER_READ = 16, 24  # in any encoding
STEPS_PER_PAGE, STEPS_PER_ROW, VALUES_PER_STEP = 4, 3, 2
COLUMN = re.compile(r"\s*(\"[^\"]*\"|`[^`]*`|\[[^]]*\]|'[^']*'|[^\s,()]+)")
SIGN = re.compile(r"[(),]")
FIXED_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)


class Table(NamedTuple):
    """A table of the schema: its name, its root page and its statement in SQL."""

    name: str
    root: int
    sql: str


class Value(NamedTuple):
    """One value of a record: its column, counted from 0, its type in the record, and its bytes."""

    column: int
    type: int
    at: int
    length: int


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look at the blobs of all tables."""
    if not scene.head.startswith(MAGIC):
        return
    database = _Database(scene)
    if not database.is_readable:
        return
    tables = list(database.tables())
    most = ROWS_OF_A_MEMBER if scene.is_member else ROWS_AT_MOST
    for table in tables:
        yield from database.blobs(table, max(ROWS_PER_TABLE, most // len(tables)))


class _Database:
    def __init__(self, scene: Scene) -> None:
        head = scene.head
        self.content = scene.content
        self.page_size = int.from_bytes(head[16:18], "big")
        if self.page_size == 1:
            self.page_size = 65_536
        self.usable = self.page_size - int.from_bytes(head[20:21], "big")
        # SQLite looks at two bits of it (`sqlite3InitOne`).
        self.encoding = ("utf-8", "utf-8", "utf-16-le", "utf-16-be")[int.from_bytes(head[56:60], "big") & 3]
        self.sieve, self.texts = Sieve(scene), Sieve(scene)
        self.pages = min(PAGES_AT_MOST, READ_AT_MOST // max(1, self.page_size))
        self.rows = 2 * ROWS_AT_MOST
        self.values = VALUES_READ_AT_MOST
        self.sql = SQL_AT_MOST_IN_ALL
        self.signs = SIGNS_AT_MOST
        self.is_readable = self.page_size >= 512 and not self.page_size & (self.page_size - 1) and self.usable >= 480

    def tables(self) -> Iterator[Table]:
        """The tables of the schema, at most so many."""
        for record, _ in islice(self._rows(1, TABLES_AT_MOST), TABLES_AT_MOST):
            values = list(islice(_values(record), 5))
            if len(values) < 5:
                continue
            kind, name, _, root, sql = values
            number = self._page_number(record, root)
            if self._text(record, kind, KIND_READ) == "table" and number > 0:
                statement = self._text(record, sql, SQL_AT_MOST) if self.sql > 0 else ""
                self.sql -= len(statement)
                yield Table(self._text(record, name, NAME_SHOWN), number, statement)

    def blobs(self, table: Table, most: int) -> Iterator[Member]:
        """The blobs, and the texts that Python 2 wrote, of about `most` rows of a table that may be pickles."""
        columns: list[str] | None = None
        for record, row in self._rows(table.root, most):
            if self.values < 0 or self.sieve.left <= 0:
                return
            for number, value in enumerate(_values(record)):
                self.values -= 1
                self.sieve.spend(not number % VALUES_PER_STEP)
                if value.type < 12:
                    continue
                is_text = bool(value.type & 1)
                if not is_text or (self.texts.is_first(record.read_at(value.at, 1)) and self.encoding == "utf-8"):
                    if columns is None:
                        columns = self._columns(table.sql)
                    known = row is not None and value.column < len(columns)
                    column = columns[value.column] if known else f"column {value.column + 1}"
                    where = "" if row is None else f" row {row}"
                    blob = PartContent(record, value.at, value.length)
                    sieve = self.texts if is_text else self.sieve
                    yield from sieve.look(blob, f"{table.name}.{column}{where}")

    def _columns(self, sql: str) -> list[str]:
        """The names of the columns in a CREATE TABLE statement, as far as it is an ordinary one."""
        start = sql.find("(") + 1
        names: list[str] = []
        depth = 0
        for sign in SIGN.finditer(sql, start):
            self.signs -= 1
            depth += (sign[0] == "(") - (sign[0] == ")")
            if depth < 0 or (sign[0] == "," and not depth):
                found = COLUMN.match(sql, start, sign.start())
                if found:
                    names.append(found[1].strip("\"'`[]")[:NAME_SHOWN])
                start = sign.end()
            if depth < 0 or len(names) >= COLUMNS_AT_MOST or self.signs < 0:
                break
        return names

    def _text(self, record: Content, value: Value, most: int) -> str:
        return record.read_at(value.at, min(value.length, most)).decode(self.encoding, "replace")

    def _page_number(self, record: Content, value: Value) -> int:
        """SQLite reads it as text, whatever it is (`sqlite3InitCallback`)."""
        if value.type < 12:
            return int.from_bytes(record.read_at(value.at, value.length), "big")
        text = self._text(record, value, NUMBER_READ)
        return int(text) if text.isascii() and text.isdigit() else 0

    def _rows(self, root: int, most: int, depth: int = 0) -> Iterator[tuple[Content, int | None]]:
        """Records below a page, and their row numbers: about `most` of them, evenly spread."""
        self.pages -= 1
        self.sieve.spend(STEPS_PER_PAGE, copied=self.page_size)
        if depth > DEPTH_AT_MOST or self.pages < 0 or root <= 0:
            return
        page = self.content.read_at((root - 1) * self.page_size, self.page_size)
        begin = 100 if root == 1 else 0
        kind = page[begin] if len(page) > begin else 0
        if kind not in (INDEX_INSIDE, TABLE_INSIDE, INDEX_LEAF, TABLE_LEAF):
            return
        is_inside = kind in (INDEX_INSIDE, TABLE_INSIDE)
        first = begin + (12 if is_inside else 8)
        count = min(int.from_bytes(page[begin + 3 : begin + 5], "big"), (len(page) - first) // 2)
        if kind != TABLE_INSIDE:
            for number in evenly(range(count), max(most, ROWS_PER_LEAF)):
                self.rows -= 1
                self.sieve.spend(STEPS_PER_ROW)
                if self.rows < 0 or self.sieve.left <= 0:
                    return
                at = _cell(page, first, number)
                yield self._record(page, (root - 1) * self.page_size, at + 4 * is_inside, has_row=kind == TABLE_LEAF)
        if is_inside:
            children = evenly(range(count + 1), most // ROWS_PER_LEAF)
            for number in children:
                at = _cell(page, first, number) if number < count else begin + 8
                child = int.from_bytes(page[at : at + 4], "big")
                yield from self._rows(child, most // len(children), depth + 1)

    def _record(self, page: bytes, page_at: int, at: int, has_row: bool) -> tuple[Content, int | None]:
        size, at = _varint(page, at)
        row = None
        if has_row:
            row, at = _varint(page, at)
        usable = self.usable
        most = usable - 35 if has_row else (usable - 12) * 64 // 255 - 23
        if size <= most:
            return BytesContent(page[at : at + size]), row
        least = (usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (usable - 4)
        if local > most:
            local = least
        following = int.from_bytes(page[at + local : at + local + 4], "big")
        pieces = self._pieces(page_at + at, local, following)
        return self.sieve.pieces(self.content, pieces, size), row

    def _pieces(self, at: int, length: int, following: int) -> Iterator[tuple[int, int]]:
        """Where a record lies: its beginning, and the overflow pages behind each other."""
        yield at, length
        while following:
            at = (following - 1) * self.page_size
            yield at + 4, self.usable - 4
            following = int.from_bytes(self.content.read_at(at, 4), "big")


def _cell(page: bytes, first: int, number: int) -> int:
    return int.from_bytes(page[first + 2 * number : first + 2 * number + 2], "big")


def _values(record: Content) -> Iterator[Value]:
    """The values of a record, by the types in its header."""
    header = record.read_at(0, HEADER_AT_MOST)
    length, at = _varint(header, 0)
    value_at = length
    for column in range(COLUMNS_AT_MOST):
        if at >= min(length, len(header)):
            return
        if (kind := header[at]) < 0x80:
            at += 1
        else:
            kind, at = _varint(header, at)
        size = FIXED_SIZES[kind] if kind < 12 else (kind - 12) // 2
        yield Value(column, kind, value_at, size)
        value_at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of up to 64 bits, seven of them in each byte, and where it ends."""
    value = 0
    for number, byte in enumerate(data[at : at + 9]):
        if number == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + number + 1
    return value, len(data)
