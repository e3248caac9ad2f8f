"""Databases, tables and arrays that took far too long to look at, or too much memory; and what is found in them still."""

from __future__ import annotations

import base64
import json
import re
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import varint, zip_of
from clock import keeping_below, within
from corpus import sqlite as written
from git_custody.core.content import BytesContent
from git_custody.formats import msgpack_arrays
from git_custody.formats.recognise import recognise
from test_formats_databases import EVIL, Put, message, table, text

Made = tuple[str, bytes]


def said(name: str, data: bytes) -> list[tuple[str, bool]]:
    return [(verdict.kind, verdict.forced) for verdict in recognise(BytesContent(data), name=name)]


def many(inside: bytes, count: int, name: str = "{}") -> bytes:
    return zip_of([(name.format(number), inside) for number in range(count)], zipfile.ZIP_DEFLATED)


def parquet(footer: bytes) -> bytes:
    return b"PAR1" + footer + struct.pack("<L", len(footer)) + b"PAR1"


def pairs(*of: tuple[bytes, bytes]) -> bytes:
    """The list of key-value pairs, which is field 5."""
    written = (b"\x18" + varint(len(k)) + k + b"\x18" + varint(len(v)) + v + b"\0" for k, v in of)
    return b"\x59\xfc" + varint(len(of)) + b"".join(written)


MANY_VALUES = b"\x16\0" * 200_100
OVERLAPPING = b"".join(b"ARROW:schema\x18" + varint(2_000_000 - 17 * number) for number in range(110_000))


def again(item: Put, count: int) -> Put:
    """A vector that has one table again and again."""

    def put(buffer: bytearray) -> int:
        at = len(buffer)
        buffer += struct.pack("<I", count) + bytes(4 * count)
        where = item(buffer)
        for place in range(at + 4, at + 4 + 4 * count, 4):
            struct.pack_into("<I", buffer, place, where - place)
        return at

    return put


def arrow(value: bytes, count: int) -> bytes:
    return message(table({0: 0, 2: again(table({0: text(b"k"), 1: text(value)}), count)}))


# Each took far longer than a second, or more memory than is there, while nothing counted what was done.
TOO_LONG: dict[str, Callable[[], Made]] = {
    "values in Parquet that are no pickles": lambda: ("a", parquet(pairs(*[(b"k", b"N." * 39_000)] * 40))),
    "schemas in Parquet that lie over each other": lambda: ("a", parquet(MANY_VALUES + OVERLAPPING)),
    "schemas in Parquet without an end": lambda: (
        "a",
        parquet(MANY_VALUES + b"ARROW:schema\x18\xff\xff\xff\7" * 90_000),
    ),
    "empty pairs in Parquet": lambda: ("a.zip", many(parquet(b"\x59\xfc" + varint(399_000) + bytes(399_900)), 20)),
    "values of Parquet in members": lambda: (
        "a.zip",
        many(parquet(b"\x19\xfc" + varint(399_000) + bytes(399_900)), 20),
    ),
    "one value of Arrow that is no pickle": lambda: ("a.arrow", arrow(b"N." * 39_000, 1_000)),
    "one long line in Arrow": lambda: ("a.arrow", arrow(b"\x80\x02V" + b"a" * 4_000_000, 30_000)),
    "arrays of MessagePack in members": lambda: ("a.zip", many((b"\x91" * 500 + b"\xc0") * 600, 20, "{}.msgpack")),
    "values of MessagePack in members": lambda: ("a.zip", many(b"\xc0" * 300_000, 20, "{}.msgpack")),
}


@pytest.mark.parametrize("kind", TOO_LONG)
def test_what_takes_too_long_is_said_to(kind: str) -> None:
    name, data = TOO_LONG[kind]()
    with within(1.5):
        assert said(name, data)[-1] == ("opaque", True)


def test_a_list_in_parquet_that_goes_on_behind_its_end_is_broken() -> None:
    for kind in (1, 2, 3, 7):
        with within(0.5):
            assert said("a", parquet(b"\x19" + bytes((0xF0 | kind,)) + varint(1 << 40))) == []


def test_lengths_behind_too_many_values_of_parquet_may_be_broken() -> None:
    data = parquet(MANY_VALUES + (b"ARROW:schema\x18" + b"\xff" * 10) * 41_000 + pairs((b"dataset-toolkit.a.v1", EVIL)))
    assert said("a", data) == [("pickle", False)]


OF_OBJECTS = (b"\xc4\2nd\xc3", b"\xc4\4kind\xc4\1O", b"\xc4\4data\xc4" + bytes((len(EVIL),)) + EVIL)


@pytest.mark.parametrize("before", [b"\x91" * 600, b"\xc0" * (msgpack_arrays.VALUES_AT_MOST + 1)])
def test_objects_in_messagepack_are_not_passed_over_in_silence(before: bytes) -> None:
    evil = b"\x83" + b"".join(OF_OBJECTS)
    assert said("a.msgpack", evil) == [("pickle", False)]
    assert said("a.msgpack", before + evil) == [("opaque", True)]
    assert said("a.msgpack", before + evil.replace(b"kind", b"king")) == []
    for kind in (b"\xa1", b"\xd9\1", b"\xda\0\1", b"\xdb\0\0\0\1", b"\xc5\0\1", b"\xc6\0\0\0\1"):
        assert said("a.msgpack", before + evil.replace(b"kind\xc4\1", b"kind" + kind)) == [("opaque", True)]


# gdbm, Berkeley DB and dbm.dumb


def gdbm(buckets: int, element: tuple[int, int, int, int], value: bytes = b"") -> bytes:
    """Buckets that lie over each other, of one element (hash, where its key lies, lengths of key and value)."""
    bucket_at = 4_096 + 8 * buckets
    head = struct.pack("<iiqiiii", 0x13579ACF, 4_096, 4_096, 8 * buckets, 0, 65_536, 2_700)
    directory = struct.pack(f"<{buckets}q", *range(bucket_at, bucket_at + 24 * buckets, 24))
    hashed, at, key, length = element
    elements = struct.pack("<i4sqii", hashed, b"", at, key, length) * (2_700 + buckets)
    return head.ljust(4_096, b"\0") + directory + bytes(112) + elements + value


def berkeley(pages: int, page: bytes) -> bytes:
    head = bytearray(len(page))
    struct.pack_into("<L4xLL", head, 12, 0x061561, len(page), pages)
    struct.pack_into("<L", head, 32, pages)
    struct.pack_into("<L", head, 20, len(page))
    return bytes(head) + page * pages


def hash_page(value: bytes, size: int = 4_096) -> bytes:
    """A page that has one value at all places."""
    page = bytearray(size)
    count = (size - 26 - len(value)) // 2
    page[25], page[-len(value) :] = 13, value
    struct.pack_into(f"<{count}H", page, 26, *[size - len(value)] * count)
    struct.pack_into("<H", page, 20, count)
    return bytes(page)


def lmdb(*pages: bytes) -> bytes:
    """An environment with pages of 64 KiB, of which the first behind the two meta pages is the root."""
    meta = bytearray(65_536)
    struct.pack_into("<LL", meta, 16, 0xBEEFC0DE, 1)
    struct.pack_into("<L", meta, 40, 65_536)
    struct.pack_into("<q8xq", meta, 128, 2, 5)
    return bytes(meta) * 2 + b"".join(pages)


def leaf(flags: int, key: bytes, data: bytes, length: int | None = None) -> bytes:
    """A page of LMDB that has one node at all places."""
    length = len(data) if length is None else length
    node = struct.pack("<HHHH", length & 0xFFFF, length >> 16, flags, len(key)) + key + data
    page = bytearray(65_536)
    count = (65_536 - 16 - len(node)) // 2
    struct.pack_into("<HH", page, 10, 2, 16 + 2 * count)
    struct.pack_into(f"<{count}H", page, 16, *[65_536 - len(node)] * count)
    page[-len(node) :] = node
    return bytes(page)


DATABASE = bytes(40) + struct.pack("<q", 3)


def sqlite_number(value: int) -> bytes:
    return bytes((value >> 14 | 128, value >> 7 & 127 | 128, value & 127))


def row(*values: tuple[int, bytes]) -> bytes:
    """A row of SQLite: of each value its type, and its bytes."""
    types = b"".join(sqlite_number(kind) for kind, _ in values)
    record = sqlite_number(len(types) + 3) + types + b"".join(value for _, value in values)
    return sqlite_number(len(record)) + b"\1" + record


def blob(value: bytes) -> tuple[int, bytes]:
    return 12 + 2 * len(value), value


def words(value: bytes) -> tuple[int, bytes]:
    return 13 + 2 * len(value), value


def of_table(name: bytes = b"a", sql: bytes = b"create table a(b)", root: tuple[int, bytes] = (1, b"\2")) -> bytes:
    return row(words(b"table"), words(name), words(b"a"), root, words(sql))


def sqlite(table: bytes, cell: bytes, *, tables: int = 500, kind: int = 13) -> bytes:
    """A database with pages of 64 KiB whose schema and table have one row each at all places."""
    pages = []
    for start, most, what, of in ((100, tables, 13, table), (0, 32_000, kind, cell)):
        page = bytearray(65_536)
        first = start + (12 if what == 5 else 8)
        count = min(most, (65_536 - first - len(of)) // 2)
        page[start], page[start + 3 : start + 5] = what, struct.pack(">H", count)
        page[first : first + 2 * count] = struct.pack(">H", 65_536 - len(of)) * count
        page[-len(of) :] = of
        pages.append(page)
    pages[0][:18], pages[0][56:60] = b"SQLite format 3\0\0\1", b"\0\0\0\1"
    return b"".join(pages)


TOO_LONG_DATABASES: dict[str, Callable[[], Made]] = {
    "elements of gdbm that are empty": lambda: ("a", gdbm(4_090, (-1, 0, 0, 0))),
    "one long value of gdbm": lambda: ("a", gdbm(60, (1, 140_000, 0, 9_000_000), b"\x80\x02V" * 1_500_000)),
    "values of gdbm in members": lambda: ("a.zip", many(gdbm(60, (1, 3_000, 0, 9)), 30)),
    "values of Berkeley DB in members": lambda: ("a.zip", many(berkeley(60, hash_page(b"a")), 60)),
    "lines of indexes": lambda: ("a.zip", many(b"'a', (0, 1)\n" * 400_000, 20, "{}.dir")),
    "values of LMDB in members": lambda: ("a.zip", many(lmdb(leaf(0, b"k", b"xyz")), 40)),
    "databases in LMDB": lambda: ("a", lmdb(leaf(2, b"k" * 400, DATABASE), leaf(1, b"k" * 500, b"\xff" * 8))),
    "values of one key in LMDB": lambda: ("a", lmdb(leaf(2, b"k", DATABASE), leaf(4, b"k", b"", 60_000))),
    "one long value of LMDB": lambda: (
        "a",
        lmdb(leaf(1, b"k", struct.pack("<q", 3), 1 << 31), bytes(16) + b"\x80\x02V" + b"a" * 4_000_000),
    ),
    "values of SQLite in members": lambda: ("a.zip", many(sqlite(of_table(), row(*[(1, b"a")] * 1_000)), 40)),
    "texts of SQLite in members": lambda: ("a.zip", many(sqlite(of_table(), row(*[words(b"N0")] * 1_000)), 40)),
    "blobs of SQLite in members": lambda: ("a.zip", many(sqlite(of_table(), row(*[blob(b"\x80\2N0")] * 1_000)), 40)),
    "pages of SQLite in members": lambda: ("a.zip", many(sqlite(of_table(), b"\0\0\0\2", kind=5), 60)),
    "rows of SQLite that are no pickles": lambda: ("a", sqlite(of_table(), row(blob(b"N0" * 31_000)))),
}


@pytest.mark.parametrize("kind", TOO_LONG_DATABASES)
def test_databases_that_take_too_long_are_said_to(kind: str) -> None:
    name, data = TOO_LONG_DATABASES[kind]()
    with within(1.5):
        assert said(name, data)[-1] == ("opaque", True)


WIDE = "\U0001f600".encode() + b"n" * 58_000
LARGE: dict[str, bytes] = {
    "names of tables": sqlite(of_table(WIDE), row(blob(b"Nx")), tables=500),
    "statements of tables": sqlite(of_table(sql=b"create table a(" + WIDE), row(blob(b"Nx")), tables=500),
    "numbers of pages": sqlite(of_table(root=blob(b"2" * 58_000)), row(blob(b"Nx")), tables=500),
    "levels of pages": sqlite(of_table(), b"\0\0\0\2", kind=5),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_schema_of_sqlite_takes_little_memory_and_time(kind: str) -> None:
    with keeping_below(24 * 1024 * 1024), within(4):
        assert said("a", LARGE[kind]) == []


def test_a_page_of_sqlite_may_be_cut_short() -> None:
    for length in range(101, 130):
        assert said("a", b"SQLite format 3\0\2\0".ljust(100, b"\0") + b"\x0d".ljust(length - 100, b"\0")) == []


def test_the_number_of_a_page_of_sqlite_may_be_a_text() -> None:
    for root in ((1, b"\2"), words(b"2"), words(b"0002"), blob(b"2")):
        assert ("pickle", False) in said("a", sqlite(of_table(root=root), row(blob(EVIL)), tables=1))
    for root in (words(b"3"), words(b"x"), words("\u00b2".encode()), words(b"")):
        assert said("a", sqlite(of_table(root=root), row(blob(EVIL)), tables=1)) == []


# ZODB, Polars


def transactions(count: int) -> bytes:
    return b"FS21" + (bytes(8) + struct.pack(">QcHHHQ", 23, b" ", 0, 0, 0, 23)) * count


def records(size: int) -> bytes:
    """A transaction of records that all refer to an earlier one."""
    return (
        b"FS21"
        + bytes(8)
        + struct.pack(">QcHHH", 23 + size, b" ", 0, 0, 0)
        + bytes(size)
        + struct.pack(">Q", 23 + size)
    )


@pytest.mark.parametrize("inside", [transactions(200_000), records(5_000_000)])
def test_transactions_of_zodb_in_members_are_too_much(inside: bytes) -> None:
    with within(1.5):
        assert said("a.zip", many(inside, 30, "{}.fs"))[-1] == ("opaque", True)


def test_a_plan_of_polars_is_searched_at_the_speed_of_reading() -> None:
    for almost in (b"PLPYUDE", b"\x01\x08\0\xcc\x80\2\xcc", b"\xacOpaquePytho", b"\xaaPythonSca"):
        with within(0.3):
            assert said("a", b"DSL_VERSION" + almost * (8_000_000 // len(almost))) == []


OLD_OF_PYTHON = re.compile(
    rb"PLPYFN|PLPYUDF|\xacOpaquePython|\xaaPythonScan|\x01[\x08-\x40][\0-\x7f]\xcc\x80[\x02-\x08]\xcc\x95"
)
IN_PLANS = (
    b"PLPYFN",
    b"PLPYUDF",
    b"\xacOpaquePython",
    b"\xaaPythonScan",
    b"\x01",
    b"\x08",
    b"\0",
    b"\xcc\x80\2\xcc\x95",
)


@given(st.lists(st.sampled_from(IN_PLANS), max_size=8).map(b"".join), st.integers(0, 12))
@settings(max_examples=500)
def test_functions_in_plans_are_found_as_before(text: bytes, cut: int) -> None:
    text = text[: len(text) - cut]
    found = OLD_OF_PYTHON.search(text)
    told = [verdict.evidence for verdict in recognise(BytesContent(b"DSL_VERSION" + text), name="a")]
    assert told == ([] if found is None else [f"a Python function at byte {found.start() + 11}"])


# Values that are packed, and JSON

PACKED = zip_of((f"{number}", b"x") for number in range(20_000))


@pytest.mark.parametrize(
    "kind",
    [lambda: lmdb(leaf(1, b"k", struct.pack("<q", 3), len(PACKED)), bytes(16) + PACKED), lambda: overlapping_gdbm()],
)
def test_packed_values_that_lie_over_each_other_are_too_much(kind: Callable[[], bytes]) -> None:
    with within(1.5):
        assert said("a", kind())[-1] == ("opaque", True)


def overlapping_gdbm() -> bytes:
    at = len(gdbm(60, (1, 0, 0, 0)))
    return gdbm(60, (1, at, 0, len(PACKED)), PACKED)


def test_packed_values_of_an_ordinary_database_are_fine() -> None:
    values = [zlib.compress(b"%d" % number * 500) for number in range(200)]
    rows = [("insert into a values (?)", (value,)) for value in values]
    assert said("a", written(("create table a(b)", ()), *rows)) == []


def nested(levels: int, text: str) -> bytes:
    """Descriptions in descriptions, as texts whose escapes grow by five letters each time."""
    quotes = ['"', *("\\" + "u005c" * level + "u0022" for level in range(levels))][:levels]
    begin = "".join(f"{{{quote}.zarray{quote}:{quote}" for quote in quotes)
    return (begin + text + "".join(quote + "}" for quote in reversed(quotes))).encode()


def test_descriptions_of_zarr_in_each_other_are_too_much() -> None:
    with within(1.5):
        assert said(".zmetadata", nested(400, "a" * 3_000_000)) == [("opaque", True)]
    assert said(".zmetadata", nested(4, "{}")) == []
    evil = json.dumps({"filters": [{"id": "pickle"}]})
    for _ in range(4):
        evil = json.dumps({".zarray": evil})
    assert said(".zmetadata", evil.encode()) == [("code", False)]


@pytest.mark.parametrize("settings", [b"[1]", b'"a"', b"1", b"null", b"{}"])
def test_settings_of_stable_baselines_may_be_none(settings: bytes) -> None:
    assert said("a.zip", zip_of([("data", b" " * 5_000 + settings)])) == []


def test_few_pickles_of_stable_baselines_are_kept() -> None:
    pickled = base64.b64encode(b"\x80\x02X" + struct.pack("<L", 4 << 20) + bytes(4 << 20) + b"0cos\ngetcwd\n)R.")
    data = b'{"a": {":serialized:": "' + pickled + b'"}}'
    tracemalloc.start()
    try:
        found = said("a.zip", zip_of([("data", data)] * 20, zipfile.ZIP_DEFLATED))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found[0] == ("pickle", False)
    assert peak < 48 * 1024 * 1024


def test_no_number_of_records_hides_an_object_of_zodb() -> None:
    data = bytes(50 * 150_000) + bytes(34) + struct.pack(">Q", len(EVIL)) + EVIL
    head, tail = bytes(8) + struct.pack(">QcHHH", 23 + len(data), b" ", 0, 0, 0), struct.pack(">Q", 23 + len(data))
    assert said("Data.fs", b"FS21" + head + data + tail) == [("pickle", False)]


@pytest.mark.parametrize(("between", "expected"), [(100_000, "code"), (5_000_000, "opaque")])
def test_a_long_header_of_blosc2_hides_no_program(between: int, expected: str) -> None:
    head = b"\x9e\xa8b2frame\0\xd2" + struct.pack(">L", between + 100)
    assert said("a", head + bytes(between) + b"lazyudf" + bytes(100)) == [(expected, expected == "opaque")]
    assert said("a", head.replace(b"\xd2", b"\xd2\0\0\x40\0") + bytes(between) + b"lazyudf") == []
