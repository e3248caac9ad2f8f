from __future__ import annotations

import base64
import dbm.dumb
import gzip
import io
import json
import os
import pickle
import random
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clock import within
from git_custody.core.content import BytesContent
from git_custody.formats.recognise import recognise
from git_custody.formats.stored_values import Pieces, evenly, is_pickle
from git_custody.formats.verdicts import PICKLE, Verdict

QUICK = settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))


class Payload:
    def __reduce__(self) -> tuple[object, ...]:
        return os.getcwd, ()


EVIL = pickle.dumps(Payload())
LARGE = pickle.dumps([b"x" * 20_000, Payload()])
CALLS = f"{os.getcwd.__module__}.getcwd"
PLAIN = pickle.dumps({"a": 1})


def judged(data: bytes, name: str = "") -> tuple[Verdict, ...]:
    return recognise(BytesContent(data), name=name)


def places(data: bytes, name: str = "") -> list[str | None]:
    verdicts = judged(data, name)
    assert all(verdict.kind == PICKLE for verdict in verdicts)
    return [verdict.member for verdict in verdicts]


# LMDB, by hand: two meta pages, and trees of pages of 4 KiB

PAGE = 4096


class Lmdb:
    def __init__(self, order: str = "<", width: int = 8) -> None:
        self.order, self.width = order, width
        self.pages: list[bytes] = [b"", b""]

    def number(self, value: int) -> bytes:
        return (value % (1 << 8 * self.width)).to_bytes(self.width, "little" if self.order == "<" else "big")

    def pack(self, form: str, *values: int) -> bytes:
        return struct.pack(self.order + form, *values)

    def page(self, flags: int, nodes: Iterable[bytes]) -> int:
        number = len(self.pages)
        self.pages.append(self.filled(number, flags, list(nodes), PAGE))
        return number

    def filled(self, number: int, flags: int, nodes: list[bytes], size: int) -> bytes:
        header = self.width + 8
        upper, pointers, body = size, [], b""
        for node in nodes:
            node += b"\0" * (len(node) % 2)
            upper -= len(node)
            pointers.append(upper)
            body = node + body
        lower = header + 2 * len(nodes)
        start = self.number(number) + self.pack("HHHH", 0, flags, lower, upper) + self.pack(f"{len(nodes)}H", *pointers)
        return start.ljust(upper, b"\0") + body

    def node(self, key: bytes, data: bytes, flags: int = 0, size: int | None = None) -> bytes:
        size = len(data) if size is None else size
        halves = (size & 0xFFFF, size >> 16) if self.order == "<" else (size >> 16, size & 0xFFFF)
        return self.pack("HHHH", *halves, flags, len(key)) + key + data

    def child(self, key: bytes, page: int) -> bytes:
        halves = (page & 0xFFFF, page >> 16) if self.order == "<" else (page >> 16, page & 0xFFFF)
        return self.pack("HHHH", *halves, 0, len(key)) + key

    def big(self, key: bytes, data: bytes) -> bytes:
        number = len(self.pages)
        content = (self.number(number) + self.pack("HHL", 0, 4, 1) + data).ljust(
            -(-len(data) // PAGE + 1) * PAGE, b"\0"
        )
        content = content.ljust(-(-len(content) // PAGE) * PAGE, b"\0")
        self.pages += [content[at : at + PAGE] for at in range(0, len(content), PAGE)]
        return self.node(key, self.number(number), flags=1, size=len(data))

    def record(self, root: int, pad: int = 0) -> bytes:
        return self.pack("LHH", pad, 0, 1) + self.number(0) * 3 + self.number(1) + self.number(root)

    def file(self, root: int) -> bytes:
        for number, transaction in ((0, 1), (1, 2)):
            meta = self.pack("LL", 0xBEEFC0DE, 1) + self.number(0) + self.number(1 << 20) + self.record(-1, PAGE)
            meta += self.record(root if transaction == 2 else -1) + self.number(9) + self.number(transaction)
            header = self.number(number) + self.pack("HHHH", 0, 8, 0, 0)
            self.pages[number] = (header + meta).ljust(PAGE, b"\0")
        return b"".join(self.pages)


LAYOUTS = [("<", 8), ("<", 4), (">", 8), (">", 4)]


@pytest.mark.parametrize(("order", "width"), LAYOUTS)
def test_values_of_lmdb_are_looked_at(order: str, width: int) -> None:
    env = Lmdb(order, width)
    large = env.big(b"large", LARGE)
    assert places(env.file(env.page(2, [env.node(b"a", b"text"), env.node(b"b", EVIL), large]))) == ["b", "large"]
    env = Lmdb(order, width)
    leaves = [env.page(2, [env.node(b"k%d" % number, b"\xff\xd8image")]) for number in range(3)]
    leaves.append(env.page(2, [env.node(b"__keys__", PLAIN)]))
    assert places(env.file(env.page(1, [env.child(b"k%d" % leaf, leaf) for leaf in leaves]))) == ["__keys__"]


@pytest.mark.parametrize(("order", "width"), LAYOUTS)
def test_named_databases_and_duplicates_of_lmdb_are_looked_into(order: str, width: int) -> None:
    env = Lmdb(order, width)
    inner = env.page(2, [env.node(b"x", EVIL)])
    many = env.page(2, [env.node(PLAIN, b""), env.node(b"zz", b"")])
    few = env.filled(0, 2 | 0x40, [env.node(EVIL, b"")], 200)
    nodes = [
        env.node(b"db", env.record(inner), flags=2),
        env.node(b"few", few, flags=4),
        env.node(b"many", env.record(many), flags=6),
    ]
    assert places(env.file(env.page(2, nodes))) == ["db/x", "few", "many"]


def test_ordinary_lmdb_is_silent() -> None:
    env = Lmdb()
    values = [
        b"text",
        b"\x80\x04.",
        b").",
        b"].",
        b"I1\n.",
        b"x\x01",
        b"c",
        b"(a)",
        bytes(range(0x80, 0x90)),
        b"{}",
        b"N.",
    ]
    nodes = [env.node(b"k%d" % number, value) for number, value in enumerate(values)]
    assert judged(env.file(env.page(2, nodes))) == ()
    assert judged(env.file(-1)) == ()


def test_hostile_lmdb_ends() -> None:
    env = Lmdb()
    loop = len(env.pages)
    env.page(1, [env.child(b"k%d" % number, loop) for number in range(200)])
    with within(2):
        assert judged(env.file(loop)) == ()


# SQLite


def sqlite(path: Path, *statements: str, rows: Iterable[tuple[object, ...]] = (), before: str = "") -> bytes:
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    if before:
        connection.execute(before)
    for statement in statements:
        if "?" in statement:
            connection.executemany(statement, rows)
        else:
            connection.execute(statement)
    connection.commit()
    connection.close()
    return path.read_bytes()


@pytest.mark.parametrize("before", ["", "pragma page_size=512", "pragma page_size=65536", "pragma encoding='UTF-16'"])
def test_blobs_of_sqlite_are_looked_at(tmp_path: Path, before: str) -> None:
    data = sqlite(
        tmp_path / "x.db",
        'create table kv (key TEXT, "the value" BLOB, n REAL DEFAULT 1.5, CHECK (n > 0))',
        "create index i on kv (key, n)",
        "create view v as select * from kv",
        "insert into kv values (?, ?, ?)",
        rows=[(str(number), b"raw" * number, 1) for number in range(300)] + [("a", EVIL, 2), ("b", LARGE, 3)],
        before=before,
    )
    assert places(data) == ["kv.the value row 301", "kv.the value row 302"]
    assert judged(data)[1].calls == CALLS


def test_tables_without_row_numbers_are_looked_at(tmp_path: Path) -> None:
    rows = [(f"k{number}", b"text") for number in range(3000)] + [("k", EVIL), ("l", LARGE)]
    statements = ("create table t (k text primary key, v blob) without rowid", "insert into t values (?, ?)")
    assert (
        sorted(str(place) for place in places(sqlite(tmp_path / "x.db", *statements, rows=rows))) == ["t.column 2"] * 2
    )


def test_compressed_blobs_are_unpacked(tmp_path: Path) -> None:
    rows = [(zlib.compress(EVIL),), (gzip.compress(PLAIN),), (zlib.compress(b"text" * 9),)]
    data = sqlite(tmp_path / "x.db", "create table t (v)", "insert into t values (?)", rows=rows)
    assert places(data) == ["t.v row 1", "t.v row 2"]


def test_texts_of_sqlite_that_are_pickles_are_found(tmp_path: Path) -> None:
    # Python 2 stored what it pickled with protocol 0 as text, and programs encode it again before they unpickle it.
    rows = [(f"Some words, {number} of them",) for number in range(3_000)] + [(pickle.dumps(Payload(), 0).decode(),)]
    data = sqlite(tmp_path / "x.db", "create table t (v text)", "insert into t values (?)", rows=rows)
    assert [str(place) for place in places(data)] == ["t.v row 3001"]


def test_ordinary_sqlite_is_silent(tmp_path: Path) -> None:
    source = random.Random(7)
    rows = [(source.randbytes(source.randint(0, 12)), "cos\nsystem\n(S'x'\nand more") for _ in range(20_000)]
    data = sqlite(tmp_path / "x.db", "create table t (a blob, b text)", "insert into t values (?, ?)", rows=rows)
    with within(3):
        assert judged(data) == ()
    assert judged(b"SQLite format 3\0") == judged(b"SQLite format 3\0" + bytes(200)) == ()


def test_a_large_table_is_sampled_evenly(tmp_path: Path) -> None:
    rows = [(b"raw",)] * 150_000 + [(PLAIN,)] * 1_500
    data = sqlite(tmp_path / "x.db", "create table t (v)", "insert into t values (?)", rows=rows)
    assert len(judged(data)) == 20


def test_texts_that_walk_like_pickles_do_not_take_long(tmp_path: Path) -> None:
    rows = [(b"S'abcdefgh'\n" * 3000,)] * 1000
    data = sqlite(tmp_path / "x.db", "create table t (v blob)", "insert into t values (?)", rows=rows)
    with within(3):
        assert judged(data) == ()


# The files of dbm


def test_values_of_dbm_dumb_are_found_without_their_index(tmp_path: Path) -> None:
    with dbm.dumb.open(str(tmp_path / "x"), "n") as store:
        store[b"a"] = b"only text" * 100
        store[b"b"] = PLAIN
        store[b"c"] = b"cos\nsystem\n(S'x'\ntR."
    data = (tmp_path / "x.dat").read_bytes()
    assert places(data, "x.dat") == ["byte 1024", "byte 1536"]
    assert judged(data, "x.bin") == ()


@pytest.mark.parametrize("value", [PLAIN, pickle.dumps([1], 2), b"cos\nsystem\n(Vx\ntR."])
def test_a_value_that_fills_its_blocks_hides_none_behind_it(tmp_path: Path, value: bytes) -> None:
    with dbm.dumb.open(str(tmp_path / "x"), "n") as store:
        store[b"a"] = b"x" * 512
        store[b"b"] = value
    assert places((tmp_path / "x.dat").read_bytes(), "x.dat") == ["byte 512"]


def test_numbers_in_a_dat_file_are_no_calls_of_extensions() -> None:
    """Models of dlib are called .dat, and have 100 MB of floats: some look like `EXT2`, a tuple and `REDUCE`."""
    for numbers in (b"\x83\x30\xce)R.", b"\x82\x07)R", b"\x84\x01\x02\x03\x04K\x05\x85R.", b"(\x83\x30\xceo."):
        for before in (b"\0", b"\x3e"):
            assert judged(b"\3" + before * 511 + numbers + b"\xbc" * 900, "model.dat") == ()
            assert places(b"\3" + before * 511 + b"\x80\2" + numbers + b"\0" * 900, "model.dat") == ["byte 512"]
    for numbers in (b"\x80\4NN.", b"\x80\2K\5K\6."):
        assert judged(b"\3" + b"\x3e" * 511 + numbers + b"\xbc" * 900, "noise.dat") == ()
        assert places(b"\3" + b"\x3e" * 511 + numbers + b"\0" * 900, "noise.dat") == ["byte 512"]
    data = pickle.dumps(["x" * 30] * 9 + [Payload()])
    assert places(b"\3" + b"\x3e" * 511 + data + b"\xbc" * 900, "noise.dat") == ["byte 512"]


def test_an_index_of_dbm_dumb_points_to_blocks(tmp_path: Path) -> None:
    keys = [b"y" * 9_000, b"a", b"it's", b'"', b"\xff\\\n", b"x" * 70_000, b"z"]
    with dbm.dumb.open(str(tmp_path / "x"), "n") as store:
        for key in keys * 10:
            store[key] = b"only text" * 100
    index = (tmp_path / "x.dir").read_bytes()
    assert judged(index, "x.dir") == ()
    assert judged(b"\n".join([index] * 5), "x.dir")[0].kind == "malformed"  # dbm.dumb refuses an empty line
    for entry in (b"'k', (7, 42)\n", b"'k',(512,42)\n", b"'k', [7, 42]\n", b"('k', (0x7, 42))", b"'\\x6b', (513, 1)"):
        for data in (entry, index + entry):
            (verdict,) = judged(data, "X.DIR")
            assert (verdict.kind, verdict.format) == ("malformed", "dbm")
            assert dict(dbm_index(tmp_path, data))[b"k"][0] % 512 or entry == b"'k',(512,42)\n"
    for other in (b"", b"\n", b"text\n", b"'a', 'b'\n", b'[{"md5": "x", "relpath": "a"}]', bytes(4096), b"1, (2, 3)\n"):
        assert judged(other, "x.dir") == ()


def dbm_index(folder: Path, data: bytes) -> list[tuple[bytes, tuple[int, int]]]:
    """What dbm.dumb itself reads."""
    (folder / "y.dir").write_bytes(data)
    (folder / "y.dat").write_bytes(b"")
    with dbm.dumb.open(str(folder / "y"), "r") as store:
        return list(store._index.items())  # type: ignore[attr-defined]


def test_ordinary_dat_files_are_silent() -> None:
    source = random.Random(5)
    text = b"".join(b"%d,cos,system\nid,name\n" % number for number in range(60_000))
    archive = b"PK\x03\x04".ljust(512, b"\0") * 3
    with within(5):
        for data in (
            text,
            source.randbytes(2_000_000),
            bytes(500_000),
            b"]" * 400_000,
            b"\x80\x04\xff" * 200_000,
            archive,
        ):
            assert judged(b" " + data, "x.dat") == judged(b" ".ljust(512, b"\0") + data, "x.dat") == ()
        lines = (b"S'abc'\n" * 73 + b"\0") * 20_000
        assert judged(b" ".ljust(512, b"\0") + lines, "x.dat") == ()


def gdbm(order: str, width: int, values: dict[bytes, bytes], magic: int) -> bytes:
    offset = "q" if width == 8 else "i"
    head = struct.pack(f"{order}ii{offset}iiii", magic, 4096, 4096, 2 * width, 1, 4096, 100).ljust(4096, b"\0")
    directory = struct.pack(f"{order}2{offset}", 8192, 8192).ljust(4096, b"\0")
    elements, data, at = b"", b"", 12_288
    for key, value in values.items():
        elements += struct.pack(f"{order}i4s{offset}ii", 5, key[:4].ljust(4, b"\0"), at, len(key), len(value))
        data += key + value
        at += len(key) + len(value)
    empty = struct.pack(f"{order}i4s{offset}ii", -1, b"\0\0\0\0", 0, 0, 0)
    bucket = bytes(112 if width == 8 else 60) + empty + elements
    return head + directory + bucket.ljust(4096, b"\0") + data


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("width", "magic"), [(4, 0x13579ACD), (8, 0x13579ACF), (8, 0x13579AD1), (4, 0x13579AD0)])
def test_values_of_gdbm_are_looked_at(order: str, width: int, magic: int) -> None:
    assert places(gdbm(order, width, {b"k": EVIL, b"t": b"text", b"large": LARGE}, magic)) == ["k", "large"]
    assert judged(gdbm(order, width, {b"k": b"text", b"n": b"]."}, magic)) == ()


def berkeley(order: str, kind: int, values: dict[bytes, bytes]) -> bytes:
    """A Berkeley DB of pages of 512 bytes: a meta page, one page of values, and those of long ones."""
    in_tree = kind == 5
    size, last = 512, 1
    items, chains = [], b""
    for key, value in values.items():
        for data in (key, value):
            elsewhere = len(data) > 100
            if elsewhere:
                parts = [data[at : at + size - 26] for at in range(0, len(data), size - 26)]
                first = last + 1
                for part in parts:
                    last += 1
                    following = last + 1 if part is not parts[-1] else 0
                    header = struct.pack(f"{order}QIIIHHBB", 0, last, 0, following, 1, len(part), 0, 7)
                    chains += (header + part).ljust(size, b"\0")
                reference = struct.pack(f"{order}II", first, len(data))
                items.append(b"\0\0\3\0" + reference if in_tree else b"\3\0\0\0" + reference)
            else:
                items.append(struct.pack(f"{order}HB", len(data), 1) + data if in_tree else b"\1" + data)
    at, offsets, body = size, [], b""
    for item in items:
        at -= len(item)
        offsets.append(at)
        body = item + body
    header = struct.pack(f"{order}QIIIHHBB", 0, 1, 0, 0, len(items), at, 1, kind)
    page = (header + struct.pack(f"{order}{len(items)}H", *offsets)).ljust(at, b"\0") + body
    magic = 0x053162 if in_tree else 0x061561
    meta = struct.pack(f"{order}QIIIIBBBBII", 0, 0, magic, 9, size, 0, 8, 0, 0, 0, last).ljust(size, b"\0")
    return meta + page + chains


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [2, 13, 5])
def test_values_of_berkeley_db_are_looked_at(order: str, kind: int) -> None:
    assert places(berkeley(order, kind, {b"k": EVIL, b"t": b"text", b"large": LARGE})) == ["k", "large"]
    assert judged(berkeley(order, kind, {b"k": b"text", b"n": b"].", b"l": b"text" * 400})) == ()


@pytest.mark.parametrize(("order", "lorder"), [("<", 1234), (">", 4321)])
def test_values_of_ndbm_on_macos_are_looked_at(order: str, lorder: int) -> None:
    size = 1024
    head = struct.pack(">IIII", 0x061561, 2, lorder, size).ljust(size, b"\0")
    offsets, at, body = [], size, b""
    for item in (b"key", b"text", b"evil", EVIL):
        at -= len(item)
        offsets.append(at)
        body = item + body
    page = struct.pack(f"{order}5H", 4, *offsets).ljust(at, b"\0") + body
    assert places(head + page) == ["evil"]
    assert judged(head + page.replace(EVIL, bytes(len(EVIL)))) == ()


# Arrow and Parquet: FlatBuffers and Thrift's compact protocol, by hand

Put = Callable[[bytearray], int]  # writes something at the end of a buffer, and says where


def text(value: bytes) -> Put:
    def put(buffer: bytearray) -> int:
        at = len(buffer)
        buffer += struct.pack("<I", len(value)) + value + b"\0"
        return at

    return put


def tables(*items: Put) -> Put:
    def put(buffer: bytearray) -> int:
        at = len(buffer)
        buffer += struct.pack("<I", len(items)) + bytes(4 * len(items))
        for number, item in enumerate(items):
            place = at + 4 + 4 * number
            struct.pack_into("<I", buffer, place, item(buffer) - place)
        return at

    return put


def table(fields: dict[int, int | Put]) -> Put:
    def put(buffer: bytearray) -> int:
        slots = max(fields, default=-1) + 1
        vtable = len(buffer)
        offsets = {field: 4 + 4 * number for number, field in enumerate(fields)}
        buffer += struct.pack("<HH", 4 + 2 * slots, 4 + 4 * len(fields))
        buffer += b"".join(struct.pack("<H", offsets.get(field, 0)) for field in range(slots))
        at = len(buffer)
        buffer += struct.pack("<i", at - vtable) + bytes(4 * len(fields))
        for field, value in fields.items():
            place = at + offsets[field]
            struct.pack_into("<I", buffer, place, value if isinstance(value, int) else value(buffer) - place)
        return at

    return put


def flat(root: Put) -> bytes:
    buffer = bytearray(4)
    struct.pack_into("<I", buffer, 0, root(buffer))
    return bytes(buffer)


def metadata(**pairs: bytes) -> Put:
    keys = {"name": b"ARROW:extension:name", "pickle": b"ARROW:extension:metadata"}
    return tables(*(table({0: text(keys.get(key, key.encode())), 1: text(value)}) for key, value in pairs.items()))


PICKLED = metadata(name=b"arrow.py_extension_type", pickle=EVIL)
OTHER = metadata(name=b"geoarrow.point", pickle=b"{}")


def field(name: bytes, about: Put | None = None, *children: Put) -> Put:
    return table({0: text(name), 5: tables(*children), **({} if about is None else {6: about})})


def schema(*fields: Put, **about: bytes) -> Put:
    return table({0: 0, 1: tables(*fields), 2: metadata(**about)})


def message(schema: Put, marked: bool = True) -> bytes:
    data = flat(table({0: 4, 1: 1, 2: schema}))
    data += bytes(-len(data) % 8)
    return (b"\xff\xff\xff\xff" if marked else b"") + struct.pack("<I", len(data)) + data


def arrow_file(front: Put, footer: Put | None = None) -> bytes:
    end = flat(table({0: 4, 1: footer or front, 4: metadata(x=b"y")}))
    return b"ARROW1\0\0" + message(front) + bytes(8) + end + struct.pack("<I", len(end)) + b"ARROW1"


FIELDS = {
    "evil": schema(field(b"ok", OTHER), field(b"x", PICKLED)),
    "nested": schema(field(b"list", None, field(b"struct", None, field(b"x", PICKLED)))),
}
FINE = schema(field(b"a", OTHER), field(b"b"), pandas=b'{"index_columns": []}')


@pytest.mark.parametrize("kind", FIELDS)
def test_pickled_types_of_arrow_are_found(kind: str) -> None:
    evil = FIELDS[kind]
    place = "x, ARROW:extension:metadata"
    for data in (arrow_file(evil), arrow_file(FINE, evil), arrow_file(evil, FINE), message(evil) + bytes(8)):
        assert places(data) == [place]
        assert judged(data)[0].format == "arrow"
        assert "CVE-2023-47248" in judged(data)[0].what
    assert places(message(evil, marked=False), "x.arrows") == [place]
    assert places(arrow_file(schema(about=EVIL))) == ["about"]


def test_a_pickled_type_behind_more_fields_than_are_read_is_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("git_custody.formats.arrow.FIELDS_AT_MOST", 1)
    for told in (judged(message(FIELDS["nested"])), judged(arrow_file(FINE, FIELDS["nested"]))):
        assert [(verdict.kind, verdict.forced) for verdict in told] == [("opaque", True)]
    assert judged(message(FINE)) == ()


def test_ordinary_arrow_is_silent() -> None:
    for data in (arrow_file(FINE), message(FINE), b"ARROW1", b"ARROW1\0\0" + bytes(100), b"\xff" * 100_000):
        assert judged(data) == judged(data, "x.arrow") == ()


def number(value: int) -> bytes:
    encoded = b""
    while value >= 0x80:
        encoded += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return encoded + bytes((value,))


def binary(value: bytes) -> bytes:
    return number(len(value)) + value


def pair(key: bytes, value: bytes) -> bytes:
    return b"\x18" + binary(key) + b"\x18" + binary(value) + b"\0"


def parquet(*pairs: bytes, columns: int = 1) -> bytes:
    element = b"\x15\x04\x25\x02\x18" + binary(b"column") + b"\x4c\x1c\0\0\0"
    chunk = b"\x26\x08\x1c\x15\x04\x19\x25\x00\x06\x19\x18" + binary(b"column") + b"\x15\x02\x16\x02\x00\0"
    group = b"\x19" + b"\xfc" + number(columns) + chunk * columns + b"\x16\x02\x16\x04\0"
    footer = b"\x15\x04\x19\x1c" + element + b"\x16\x02\x19\x1c" + group
    footer += b"\x19" + bytes((len(pairs) << 4 | 12,)) + b"".join(pairs) + b"\x18" + binary(b"writer") + b"\0"
    return b"PAR1" + bytes(20) + footer + struct.pack("<I", len(footer)) + b"PAR1"


def kept(schema: Put) -> bytes:
    return base64.b64encode(message(schema))


def test_pickles_in_parquet_metadata_are_found() -> None:
    assert places(parquet(pair(b"ARROW:schema", kept(FIELDS["evil"])))) == ["x, ARROW:extension:metadata"]
    assert places(parquet(pair(b"other", b"text"), pair(b"dataset-toolkit.unischema.v1", EVIL))) == [
        "dataset-toolkit.unischema.v1"
    ]
    backwards = b"\x28" + binary(kept(FIELDS["evil"])) + b"\x08\x02" + binary(b"ARROW:schema") + b"\0"
    assert places(parquet(backwards)) == ["x, ARROW:extension:metadata"]


def test_large_footers_of_parquet_are_searched() -> None:
    with within(8):
        wide = parquet(pair(b"ARROW:schema", kept(FIELDS["evil"])), columns=100_000)
        assert places(wide) == ["x, ARROW:extension:metadata"]
        assert judged(parquet(pair(b"ARROW:schema", kept(FINE)), columns=100_000)) == ()
        assert places(parquet(pair(b"ARROW:schema", kept(FIELDS["evil"])), columns=800_000)) != []


def test_ordinary_parquet_is_silent() -> None:
    fine = parquet(pair(b"ARROW:schema", kept(FINE)), pair(b"pandas", b"{}"), pair(b"k", b"]."))
    for data in (
        fine,
        parquet(pair(b"ARROW:schema", b"????")),
        parquet(),
        b"PAR1",
        b"PAR1" * 20,
        fine[:-9] + fine[-8:],
    ):
        assert judged(data) == ()


# What they share


def test_a_pickle_of_few_bytes_may_be_an_accident() -> None:
    for value in (b"].", b"N.", b"I1\n.", b"(lp0\n.", b"K\x05.", b"text", b"\x80\x04"):
        assert not is_pickle(BytesContent(value))
    for value in (PLAIN, EVIL, pickle.dumps({"a": [1, 2]}, 0), pickle.dumps(5), b"cmymodule\nload\n(tR."):
        assert is_pickle(BytesContent(value))


def test_items_are_spread_evenly() -> None:
    assert list(evenly(range(10), 20)) == list(range(10))
    assert list(evenly(range(10), 4)) == [0, 3, 6, 9]
    assert list(evenly(range(10), 0)) == [0, 9]


@given(st.binary(max_size=100), st.lists(st.integers(1, 30), max_size=8), st.integers(-5, 120), st.integers(-5, 120))
def test_content_in_pieces_reads_as_one(data: bytes, lengths: list[int], offset: int, length: int) -> None:
    whole, pieces, joined = b"", [], b""
    for number, size in enumerate(lengths):
        part = data[:size] + bytes((number,))
        pieces.append((len(whole) + 3, len(part)))
        whole += b"..." + part
        joined += part
    content = Pieces(BytesContent(whole), iter(pieces), len(joined))
    assert content.read_at(offset, length) == BytesContent(joined).read_at(offset, length)


def lmdb_sample() -> bytes:
    env = Lmdb()
    large = env.big(b"large", LARGE)
    inner = env.page(2, [env.node(b"x", EVIL)])
    nodes = [env.node(b"a", b"text"), env.node(b"db", env.record(inner), flags=2), large]
    leaf = env.page(2, nodes)
    return env.file(env.page(1, [env.child(b"", leaf), env.child(b"k", leaf)]))


SAMPLES = [
    ("", lmdb_sample()),
    ("", gdbm("<", 8, {b"k": EVIL, b"large": LARGE}, 0x13579ACF)),
    ("", berkeley("<", 13, {b"k": EVIL, b"large": LARGE})),
    ("", berkeley(">", 5, {b"k": EVIL, b"large": LARGE})),
    ("x.arrow", arrow_file(FIELDS["nested"])),
    ("", parquet(pair(b"ARROW:schema", kept(FIELDS["evil"])))),
    ("x.dat", b"text".ljust(512, b"\0") + EVIL),
]


@QUICK
@given(
    sample=st.sampled_from(SAMPLES),
    changes=st.lists(st.tuples(st.integers(0, 30_000), st.binary(min_size=1, max_size=8)), max_size=6),
    cut=st.integers(0, 30_000),
)
def test_no_bytes_raise_or_take_long(sample: tuple[str, bytes], changes: list[tuple[int, bytes]], cut: int) -> None:
    name, data = sample
    for at, new in changes:
        at %= len(data) + 1
        data = data[:at] + new + data[at + len(new) :]
    with within(2):
        judged(data[: cut or None], name)


@pytest.fixture(scope="module")
def small_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return sqlite(
        tmp_path_factory.mktemp("fuzz") / "x.db",
        "create table t (k text, v blob)",
        "create table w (k text primary key, v blob) without rowid",
        "insert into t values (?, ?)",
        rows=[("a", EVIL), *[("b", b"r" * 90)] * 60, ("c", LARGE)],
        before="pragma page_size=512",
    )


@QUICK
@given(changes=st.lists(st.tuples(st.integers(0, 40_000), st.binary(min_size=1, max_size=4)), min_size=1, max_size=8))
def test_no_bytes_of_sqlite_raise_or_take_long(small_database: bytes, changes: list[tuple[int, bytes]]) -> None:
    data = small_database
    for at, new in changes:
        at %= len(data)
        data = data[:at] + new + data[at + len(new) :]
    with within(2):
        judged(data)


# ZODB, Zarr, Stable-Baselines3, Blosc2


def transaction(*records: bytes, extension: bytes = b"", status: bytes = b" ", length: int | None = None) -> bytes:
    body = b"user" + b"why" + extension + b"".join(records)
    size = 23 + len(body)
    start = struct.pack(">8sQ1sHHH", bytes(8), size if length is None else length, status, 4, 3, len(extension))
    return start + body + struct.pack(">Q", size)


def record(number: int, data: bytes, version: bytes = b"") -> bytes:
    start = struct.pack(">QQQQHQ", number, 3, 0, 4, len(version), len(data))
    return start + (bytes(8) + version if version else b"") + (data or bytes(8))


@pytest.mark.parametrize("mark", [b"FS21", b"FS30"])
def test_objects_of_zodb_are_pickles(mark: bytes) -> None:
    plain, evil = record(0, PLAIN + PLAIN), record(7, EVIL + PLAIN)
    for data in (
        transaction(evil), transaction(plain) + transaction(plain, evil), transaction(record(0, b""), evil),
        transaction(record(1, PLAIN, b"v1"), evil, status=b"p"),
    ):  # fmt: skip
        verdicts = judged(mark + data)
        assert {(verdict.kind, verdict.format) for verdict in verdicts} == {(PICKLE, "zodb")}
        assert [verdict.calls for verdict in verdicts if verdict.member == "object 7"] == [CALLS]
    assert [verdict.calls for verdict in judged(mark + transaction(extension=EVIL))] == [CALLS]
    assert places(mark + transaction(evil, status=b"c")) == []  # never finished
    assert places(mark + transaction(evil)[:-1]) == places(mark + transaction(evil, length=9)) == []
    assert places(mark) == places(mark + b"harp, a language, and its sources") == []


@QUICK
@given(st.binary(max_size=200), st.integers(0, 300), st.binary(max_size=9))
def test_no_zodb_raises(noise: bytes, at: int, change: bytes) -> None:
    data = b"FS21" + transaction(record(1, PLAIN), record(2, noise), extension=noise)
    judged(data[:at] + change + data[at + len(change) :])


def test_zarr_says_that_its_chunks_are_pickled() -> None:
    array = {
        "zarr_format": 2,
        "dtype": "|O",
        "shape": [1],
        "compressor": {"id": "blosc"},
        "filters": [{"id": "pickle"}],
    }
    newer = {"zarr_format": 3, "codecs": [{"name": "bytes"}, {"name": "numcodecs.pickle"}]}
    for name, value in (
        ("a/.zarray", array), (".zarray", array | {"filters": None, "compressor": {"id": "pickle"}}),
        ("store/.zmetadata", {"metadata": {"x/.zarray": array}}), ("zarr.json", newer),
    ):  # fmt: skip
        data = json.dumps(value, indent=1).encode()
        for text in (data, data.replace(b"pickle", b"\\u0070ickle"), b"\n " * 3_000 + data):
            assert [(verdict.kind, verdict.calls) for verdict in judged(text, name)] == [("code", "pickle.loads")]
        assert judged(data.replace(b"pickle", b"vlen-utf8"), name) == judged(data, "settings.json") == ()
    assert (
        judged(json.dumps({"metadata": {".zattrs": {"id": "pickle", "name": "pickle"}}}).encode(), ".zmetadata") == ()
    )
    assert judged(b'{"filters": [', ".zarray") == judged(b"[]", "zarr.json") == ()
    long = b'{"x": "' + b"x" * (9 * 1024 * 1024) + b'", "filters": ['
    assert [verdict.kind for verdict in judged(long + b'{"id": "pickle"}]}', ".zmetadata")] == ["opaque"]
    assert judged(long + b"]}", ".zmetadata") == ()


def test_references_of_kerchunk_describe_zarr_arrays() -> None:
    array = {"zarr_format": 2, "dtype": "|O", "filters": [{"id": "pickle"}]}
    for text in (json.dumps(array), json.dumps({"zarr_consolidated_format": 1, "metadata": {"a/.zarray": array}})):
        key = ".zmetadata" if "metadata" in text else "a/.zarray"
        for refs in ({"version": 1, "refs": {key: text, "a/0": "base64:gAQu"}}, {".zgroup": "{}", key: text}):
            verdicts = judged(json.dumps(refs).encode(), "scan.json")
            assert [(verdict.format, verdict.calls) for verdict in verdicts] == [("zarr", "pickle.loads")]
            assert judged(json.dumps(refs).replace("pickle", "zlib").encode(), "scan.json") == ()
    assert judged(json.dumps({"refs": {"a/.zattrs": json.dumps(array), "b/.zarray": "["}}).encode(), "scan.json") == ()


def packed(value: object) -> bytes:
    """MessagePack, in its usual and in its longer forms by turns."""
    if value is True:
        return b"\xc3"
    if isinstance(value, dict):
        items = b"".join(packed(key) + packed(inner) for key, inner in value.items())
        return (bytes([0x80 + len(value)]) if len(value) % 2 else b"\xde" + struct.pack(">H", len(value))) + items
    if isinstance(value, list):
        return b"\xdd" + struct.pack(">L", len(value)) + b"".join(map(packed, value))
    if isinstance(value, str):
        return (
            b"\xd9" + bytes([len(value)]) + value.encode()
            if len(value) > 4
            else b"%c%b" % (0xA0 + len(value), value.encode())
        )
    if isinstance(value, bytes):
        return (
            b"\xc4" + bytes([len(value)]) + value
            if len(value) < 200
            else b"\xc6" + struct.pack(">L", len(value)) + value
        )
    return b"\xcb" + struct.pack(">d", value)


def test_arrays_of_objects_in_messagepack_are_pickles() -> None:
    array = {b"nd": True, b"type": "|O8", b"kind": b"O", b"shape": [1.0], b"data": EVIL}
    as_text = {"data": LARGE, "kind": "O", "nd": True}
    value: object
    for value in (
        array,
        as_text,
        {"state": {"step": 1.5, "w": [2.0, array]}, "rest": []},
        {"x": b"x" * 9_000, "a": array},
    ):
        for name in ("policy_state.msgpck", "model.msgpack"):
            assert [(v.format, v.calls) for v in judged(packed(value), name)] == [("msgpack", CALLS)]
        assert judged(packed(value), "model.bin") == ()
    numbers = {b"nd": True, b"type": "<f4", b"kind": b"", b"shape": [8.0], b"data": EVIL}
    for value in (numbers, {"kind": b"O", "data": EVIL}, {b"nd": True, b"kind": b"O"}, {"a": "kind", "O": "data"}):
        assert judged(packed(value), "model.msgpack") == ()
    for data in (
        b"\x91" * 5_000,
        b"\xc1",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        packed(array)[:-40],
        b"\x01" * 400_000,
    ):
        with within(2):
            judged(data, "model.msgpack")


def test_a_plan_of_polars_may_hold_python() -> None:
    start = b"DSL_VERSION\x18\0\0\0" + b"b2af6020" * 4 + b"\x83\xa4root\x82\xa3idx\x02"
    for function in (b"\xa8function\xc5\x04\x7fPLPYFN\x94\xc0", b"PLPYUDF", b"\x81\xacOpaquePython\x86", b"\x81\xaaPythonScan",
                     b"\xa8callback\xdc\x02\x13\x01\x0b\x07\xcc\x80\x05\xcc\x95\x05"):  # fmt: skip
        for padding in (b"", bytes(1024 * 1024 - len(start) - 3)):
            verdicts = judged(start + padding + function)
            assert [(v.kind, v.format, v.calls) for v in verdicts] == [("code", "polars-plan", "pickle.loads")]
    assert judged(start + b"\xaaDataFrameScan" + bytes(2 * 1024 * 1024)) == ()


@pytest.mark.parametrize(
    "index",
    [
        {"version": 2, "shards": [{"format": "mds", "column_names": ["a", "b"], "column_encodings": ["int", "pkl"]}]},
        {"chunks": [{"chunk_size": 3}], "config": {"data_format": ["int", "pickle"], "compression": None}},
    ],
)
def test_the_index_of_a_streamed_data_set_says_that_it_is_pickled(index: dict[str, object]) -> None:
    text = json.dumps(index)
    assert [(v.kind, v.format) for v in judged(text.encode(), "train/index.json")] == [("code", "streamed-dataset")]
    assert judged(text.encode(), "train/other.json") == ()
    assert judged(text.replace("pkl", "str").replace("pickle", "str").encode(), "index.json") == ()
    other: object
    for other in (
        [],
        {"shards": 1},
        {"shards": [1]},
        {"chunks": [], "config": []},
        {"config": {"data_format": ["pickle"]}},
    ):
        assert judged(json.dumps(other).encode(), "index.json") == ()


def zipped(name: str, data: bytes) -> bytes:
    pipe = io.BytesIO()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return pipe.getvalue()


def test_settings_of_stable_baselines_are_pickles() -> None:
    text = base64.b64encode(EVIL).decode()
    settings = {"n_steps": 5, "policy_class": {":type:": "<class 'abc.ABCMeta'>", ":serialized:": text}}
    for setting in (settings, {"padding": "x" * 9_000} | settings):
        verdicts = judged(zipped("data", b"\n" * 5_000 + json.dumps(setting, indent=4).encode()), "model.zip")
        assert [(v.format, v.member, v.calls) for v in verdicts] == [("stable-baselines3", "data!policy_class", CALLS)]
    for name, value in (
        ("notes", settings), ("data", [settings]), ("data", {"a": {":serialized:": 5}, "b": {":serialized:": "x"}}),
        ("data", {"a": {"text": text}}),
    ):  # fmt: skip
        assert judged(zipped(name, json.dumps(value).encode())) == ()
    assert judged(json.dumps(settings).encode(), "data") == ()
    long = b'{"x": "' + b"x" * (9 * 1024 * 1024) + b'"}'
    assert judged(zipped("data", long)) == ()
    assert [verdict.kind for verdict in judged(zipped("data", b'{"a": {":serialized:": 1}, ' + long[1:]))] == ["opaque"]
    wide = b'{"a": "%b", "b": {":serialized:": 1}}' % (b"ab" * 5_000_000)
    assert [verdict.kind for verdict in judged(zipped("data", wide))] == ["opaque"]


def frame(*layers: tuple[bytes, bytes]) -> bytes:
    """The header of a Blosc2 frame with these metalayers."""
    names, contents = b"", b""
    begin = 80 + sum(len(name) + 6 for name, _ in layers)
    for name, value in layers:
        names += bytes([0xA0 + len(name)]) + name + b"\xd2" + struct.pack(">L", begin + len(contents))
        contents += b"\xc6" + struct.pack(">L", len(value)) + value
    start = b"\x9e\xa8b2frame\0\xd2" + struct.pack(">L", begin + len(contents))
    return start.ljust(80, b"\0") + names + contents + bytes(500)


def test_an_array_of_blosc2_may_be_a_program() -> None:
    array = (b"b2nd", bytes(34))
    for layer in ((b"LazyArray", b"\1"), (b"LazyArray", b"\2"), (b"b2o", b"\x82\xa4kind\xa7lazyudf\xa7version\1")):
        verdicts = judged(frame(array, layer))
        assert [(verdict.kind, verdict.format) for verdict in verdicts] == [("code", "blosc2")]
    for layer in ((b"LazyArray", b"\0"), (b"b2o", b"\x82\xa4kind\xa8lazyexpr\xa7version\1"), (b"other", b"\1")):
        assert judged(frame(array, layer)) == ()
    assert judged(frame(array)) == judged(frame()) == judged(frame()[:20]) == ()
