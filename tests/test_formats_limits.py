"""What files at the limits of every format cost: a bounded number of steps, whatever the machine, and little memory."""

from __future__ import annotations

import gzip
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clock import keeping_below, within
from conftest import PICKLE
from corpus import sqlite, zipped
from git_custody.core.content import BytesContent
from git_custody.formats import bounded_json
from git_custody.formats.pickles import walk
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import STEPS_AT_MOST, Budget, Verdict

MOST_MEMORY = 48 * 1024 * 1024  # beside that of the interpreter, so that all is less than 64 MB

Made = tuple[str, bytes]


def judged(name: str, data: bytes) -> tuple[Verdict, ...]:
    return recognise(BytesContent(data), name=name)


def field(number: int, data: bytes) -> bytes:
    """One field of a message in Protocol Buffers."""
    length, written = len(data), b""
    while length > 127:
        length, written = length >> 7, written + bytes((length & 127 | 128,))
    return bytes((number << 3 | 2,)) + written + bytes((length,)) + data


def tar_header(kind: bytes, size: int) -> bytes:
    header = bytearray(512)
    header[:1], header[124:135], header[156:157], header[257:263] = b"a", b"%011o" % size, kind, b"ustar\0"
    header[148:156] = b" " * 8
    header[148:155] = b"%06o\0" % sum(header)
    return bytes(header)


def npy(header: bytes) -> bytes:
    return b"\x93NUMPY\x02\0" + struct.pack("<L", len(header)) + header


def ascii_strings(count: int, text: bytes) -> bytes:
    """A vector of strings of R in ASCII."""
    length = len(text.replace(b"\\n", b"n"))
    return b"A\n2\n262144\n131840\n16\n%d\n" % count + b"262153\n%d\n%b\n" % (length, text) * count


def many(inside: bytes, count: int, name: str = "{}") -> bytes:
    return zipped({name.format(number): inside for number in range(count)}, zipfile.ZIP_DEFLATED)


def database_in_tar() -> bytes:
    rows = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i, 'row ' || i FROM n"
    )
    data = sqlite(
        ("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT, c BLOB)", ()),
        (f"INSERT INTO t SELECT *, randomblob(60) FROM ({rows})", ()),
    )
    return tar_header(b"0", len(data)) + data.ljust(-(-len(data) // 512) * 512, b"\0")


# Each takes far longer than a second, or more memory than is there, where nothing counts what it does.
TOO_LONG: dict[str, Callable[[], Made]] = {
    "streams in members": lambda: ("a.zip", many(b"N." * 30_000, 100)),
    "lines in members": lambda: ("a.zip", many(b"Vx\n0" * 15_000, 200)),
    "streams in compressed members": lambda: ("a.zip", many(gzip.compress(b"N." * 30_000), 100)),
    "graphs in members": lambda: ("a.zip", many(field(1, field(1, b"n") + field(2, b"Add")) * 20_000, 60, "{}.pb")),
    "messages that are no graph in members": lambda: ("a.zip", many(b"\x0a\x00" * 400_000, 20, "{}.pdmodel")),
    "templates in members": lambda: ("a.zip", many(b"{{" + b"a+" * 20_000 + b"a}}", 20, "{}/chat_template.jinja")),
    "R data in members": lambda: (
        "a.zip",
        many(b"X\n" + struct.pack(">LLL", 2, 0x30500, 0x20300) + struct.pack(">LL", 2, 254) * 200_000, 20),
    ),
    "objects of Torch7 in members": lambda: (
        "a.zip",
        many(struct.pack("<LLL", 3, 1, 2_000_000) + struct.pack("<L", 0) * 400_000, 30, "{}.t7"),
    ),
    "marshalled objects in members": lambda: ("a.zip", many(b"(" + struct.pack("<L", 300_000) + b"N" * 300_000, 30)),
    "configurations in members": lambda: (
        "a.zip",
        many(b'{"class_name":"Model","config":[' + b"[]," * 140_000 + b"0]}", 60, "{}/config.json"),
    ),
    "headers of arrays": lambda: ("a.npy", npy(b"-" * 60_000) * 300),
    "records of pax headers": lambda: (
        "a.tar",
        (tar_header(b"x", 102_400) + (b"11 path=aa\n" * 9_310)[:102_400].ljust(102_400, b"\0")) * 120,
    ),
    "links in a tar": lambda: ("a.tar", tar_header(b"2", 0) * 300_000),
    "values behind keys of templates": lambda: (
        "tokenizer_config.json",
        b"{" + b",".join([b'"chat_template":' + b"[" * 900 + b"]" * 900] * 10_000) + b"}",
    ),
    "tags behind signs of comments": lambda: (
        "a.yaml",
        b"%TAG ! a\nk: !!python/name:a\n\t" + b" # !!python/name:os.system #" * 300_000,
    ),
    "values in YAML": lambda: (
        "a.yaml",
        b"{_target_: python/, backbone: head, chat_template: [" + b"a," * 500_000 + b"]}",
    ),
    "documents in YAML": lambda: ("a.yaml", b"_target_: python/, backbone, head, chat_template\n" + b"---\n" * 250_000),
    "layers of OpenVINO": lambda: (
        "a.xml",
        b"<net version='10'><layers>" + b"<layer name='a' version='opset1'/>" * 500_000,
    ),
    "values of UBJSON in members": lambda: ("a.zip", many(b"{U\x07learner[" + b"U\x01" * 400_000, 4, "{}.ubj")),
    "strings of R in ASCII": lambda: ("a.zip", many(ascii_strings(100_000, b"\\n" * 8), 9)),
    "values of dbm that are none": lambda: ("a.dat", b"\x80\x02N0N0N0".ljust(512, b"\0") * 131_072),
    "entries for one member": lambda: ("a.zip", one_member(120_000)),
}


def one_member(entries: int) -> bytes:
    """A zip whose directory names one member again and again."""
    local = b"PK\3\4" + struct.pack("<HHHHHLLLHH", 20, 0, 0, 0, 0, 0, 4, 4, 1, 0) + b"atext"
    entry = b"PK\1\2" + struct.pack("<HHHHHHLLLHHHHHLL", 20, 20, 0, 0, 0, 0, 0, 4, 4, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 1, 1, len(entry) * entries, len(local), 0)
    return local + entry * entries + end


@pytest.mark.parametrize("kind", TOO_LONG)
def test_what_takes_too_long_is_said_to(kind: str) -> None:
    name, data = TOO_LONG[kind]()
    with within(2):
        first = judged(name, data)
    assert [(verdict.kind, verdict.forced) for verdict in first if verdict.kind != "safe"][-1] == ("opaque", True)
    assert judged(name, data) == first


@pytest.mark.parametrize("padding", [b"N.", b"N0", b"(0", b"Vx\n0", b"N.).K\x01.", b"cx\ny\n0", b"cos\ngetcwd\n0"])
def test_a_walk_takes_no_more_steps_than_a_file_may(padding: bytes) -> None:
    budget = Budget()
    walked = walk(BytesContent(padding * 3_000_000), budget=budget)
    assert walked is not None
    assert 0 <= budget.steps < STEPS_AT_MOST


@pytest.mark.parametrize("lines", [b"cx\ny\n", b"cc\nc\n"])
def test_lines_of_imports_take_no_more_steps_than_a_file_may(lines: bytes) -> None:
    budget = Budget()
    walk(BytesContent(lines * 400_000), budget=budget)
    assert 0 <= budget.steps < STEPS_AT_MOST


def test_a_frame_is_looked_at_in_passing() -> None:
    """Whether each line ends within its frame is told without reading all of it anew."""
    with within(2):
        assert walk(BytesContent(b"\x95" + struct.pack("<Q", 1 << 40) + b"Vx\n0" * 1_500_000)) is not None


FINE: dict[str, Callable[[], Made]] = {
    "a zip of 60 000 texts": lambda: ("a.zip", zipped({f"data/{n}.txt": b"some words\n" for n in range(60_000)})),
    "texts that begin like pickles": lambda: ("a.zip", zipped({f"{n}": b"(N, I)\nVienna\n" for n in range(20_000)})),
    "a tar of 30 000 texts": lambda: ("a.tar", (tar_header(b"0", 12) + b"hello world\n".ljust(512, b"\0")) * 30_000),
    "a tar with pax headers": lambda: (
        "a.tar",
        (tar_header(b"x", 512) + b"11 path=aa\n".ljust(512, b"\0") + tar_header(b"0", 2) + b"ok".ljust(512, b"\0"))
        * 10_000,
    ),
    "numbers in YAML": lambda: ("a.yaml", b"_target_: my.Model\nvalues: [" + b"1, " * 340_000 + b"]"),
    "a tar of databases": lambda: ("a.tar", database_in_tar() * 6),
    "words in ASCII of R": lambda: ("a.rds", ascii_strings(300_000, b"hello")),
    "templates of twenty models": lambda: (
        "a.zip",
        many(b"{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}" * 40, 20, "{}/chat_template.jinja"),
    ),
}


@pytest.mark.parametrize("kind", FINE)
def test_what_is_only_long_is_not_refused(kind: str) -> None:
    assert judged(*FINE[kind]()) == ()


KEYS = ",".join(f'"{number}":0' for number in range(590_000))
TEXTS = ",".join(f'"\u20ac{number:07}"' for number in range(590_000))
LARGE: dict[str, Callable[[], Made]] = {
    "keys": lambda: ("config.json", ('{"class_name":"Model","config":{' + KEYS + "}}").encode()),
    "texts": lambda: ("config.json", ('{"class_name":"Model","config":[' + TEXTS + "]}").encode()),
    "texts in a graph": lambda: ("a.pbtxt", b"op: 'PrintV2'" + b"'a'" * 2_000_000),
    "comments in a graph": lambda: ("a.pbtxt", b"op:" + b"#\n" * 2_000_000),
    "spaces in a graph": lambda: ("a.pbtxt", b"op: 'Add'\nop:" + b" " * 4_000_000),
    "elements of OpenVINO": lambda: (
        "a.xml",
        b"<net version='10'><layers>" + b"".join(b"<a%d/>" % number for number in range(500_000)),
    ),
    "attributes of PMML": lambda: ("a.pmml", b"<PMML " + b"".join(b"a%d='' " % number for number in range(200_000))),
}


def sqlite_of_one_page(statement: bytes, row: bytes) -> bytes:
    """A database whose schema names one table 2 000 times, and whose table has one row 500 times."""
    pages = []
    for start, count, record in ((100, 2_000, statement), (0, 500, row)):
        page = bytearray(65_536)
        at = len(page) - len(record)
        page[at:], page[start], page[start + 3 : start + 5] = record, 13, struct.pack(">H", count)
        page[start + 8 : start + 8 + 2 * count] = struct.pack(">H", at) * count
        pages.append(page)
    pages[0][:18], pages[0][56:60] = b"SQLite format 3\0\0\1", b"\0\0\0\1"
    return b"".join(pages)


@pytest.mark.parametrize("sign", [b"a", b"(", b"a,"])
def test_statements_of_tables_are_read_as_far_as_they_matter(sign: bytes) -> None:
    sql = b"create table a(" + sign * (60_000 // len(sign))
    sizes = (23, 15, 15, 1, 13 + 2 * len(sql))
    header = b"\x08" + bytes(sizes[:4]) + bytes((sizes[4] >> 14 | 128, sizes[4] >> 7 & 127 | 128, sizes[4] & 127))
    record = header + b"table" + b"a" + b"a" + b"\2" + sql
    size = bytes((len(record) >> 14 | 128, len(record) >> 7 & 127 | 128, len(record) & 127))
    data = sqlite_of_one_page(size + b"\1" + record, b"\x0a\1\2\x1c" + b"Vx\n0Vx\n0")
    with within(2):
        assert judged("a.db", data) == ()


@pytest.mark.parametrize("kind", LARGE)
def test_memory_has_a_bound(kind: str) -> None:
    name, data = LARGE[kind]()
    with keeping_below(MOST_MEMORY):
        judged(name, data)


@pytest.mark.parametrize("name", ["x.json", ".zmetadata", "tokenizer_config.json", "tokenizer.json", "schema.json"])
def test_escaped_letters_take_no_time_each(name: str) -> None:
    text = "".join(f"\\u{ord(letter):04x}" for letter in "pickle") * 1_000_000
    with within(2):
        judged(name, f'{{"class_nam": "{text}"}}'.encode())


@pytest.mark.parametrize("end", [b'"', b"", b"\\"])
def test_a_text_of_escaped_quotes_is_read_once(end: bytes) -> None:
    """Whether JSON has too many keys is asked of files with as many colons."""
    data = b'{"class_name":"Model","module":"keras","z":"' + b":" * 100_001 + b'","t":"' + b'\\"' * 1_000_000 + end
    with within(0.5), suppress(bounded_json.Broken, bounded_json.TooLong):
        bounded_json.parse(data)
    with within(0.5):
        judged("config.json", data + b"}")


def in_blocks(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def pax(*fields: bytes, kind: bytes = b"x") -> bytes:
    """A header of these fields, each with its length before it."""
    sized = [
        next(b"%d %b\n" % (n, f) for n in range(len(f), len(f) + 9) if len(b"%d %b\n" % (n, f)) == n) for f in fields
    ]
    return tar_header(kind, len(b"".join(sized))) + in_blocks(b"".join(sized))


def named(name: str, data: bytes) -> bytes:
    header = tarfile.TarInfo(name)
    header.size = len(data)
    return header.tobuf(tarfile.USTAR_FORMAT) + in_blocks(data)


def nested_layers(text: str) -> bytes:
    value: object = text
    for _ in range(200):
        value = {"class_name": "TensorFlowOpLayer", "config": {"node_def": value}}
    return json.dumps({"class_name": "Model", "config": value}).encode()


LOCAL_IN_VOID = "<4sHHHHHIIIHHc"
HOLES = (b"GNU.sparse.major=0", b"GNU.sparse.minor=1", b"GNU.sparse.map=0,1024", b"GNU.sparse.realsize=9999999999")
LINEAR: dict[str, Callable[[], Made]] = {
    "records of pax headers without a value": lambda: (
        "a.tar",
        tar_header(b"x", 1_000_448) + b"2 " * 500_224 + named("a", b"a"),
    ),
    "members of a tar that lie over each other": lambda: (
        "a.tar",
        pax(b"size=8000000", kind=b"g") + b"".join(named(f"a{n}.yaml", b"{") for n in range(2_000)) + bytes(6_000_000),
    ),
    "holes in members of a tar": lambda: ("a.tar", (pax(*HOLES) + named("a.yaml", b"k: " + b"a" * 1_000)) * 400),
    "zips in zips without a directory": lambda: (
        "a.zip",
        b"".join(
            struct.pack(LOCAL_IN_VOID, b"PK\3\4", 20, 0, 0, 0, 0, 0, 1, 31 * (500 - n) + 5, 1, 0, b"a")
            for n in range(500)
        ).ljust(8_000_000, b"\0"),
    ),
    "storages of one number": lambda: (
        "a.t7",
        b"3\n1\n100000\n"
        + b"".join(b"1\n%d\n4\n%d\n3\nV 1\n19\ntorch.DoubleStorage\n1\n5\n" % (n, n + 1) for n in range(1, 100_000)),
    ),
    "layers of TensorFlow in each other": lambda: ("config.json", nested_layers("a" * 7_000_000)),
}


@pytest.mark.parametrize("kind", LINEAR)
def test_what_could_be_read_again_and_again_is_not(kind: str) -> None:
    name, data = LINEAR[kind]()
    with within(1.5):
        judged(name, data)


def test_a_pax_record_without_a_value_hides_none_behind_it() -> None:
    header = b"5 ab\n" + b"19 path=data.pickl\n"
    tar = tar_header(b"x", len(header)) + in_blocks(header) + named("plain", PICKLE)
    (found,) = judged("a.tar", tar)
    assert (found.kind, found.member) == ("pickle", "data.pickl")


def test_letters_of_four_bytes_have_a_smaller_document() -> None:
    text = '["\U0001f600' + "a" * 5_000_000 + '"]'
    for data in (text.encode(), json.dumps(json.loads(text)).encode()):
        with pytest.raises(bounded_json.TooLong):
            bounded_json.parse(data)
    assert bounded_json.parse(text[:100].encode() + b'"]')


KEY_TEXTS = st.text('ab\\":, {[\x00\x01\u00e9', max_size=6)


@given(st.recursive(KEY_TEXTS, lambda inner: st.lists(inner) | st.dictionaries(KEY_TEXTS, inner)))
def test_keys_are_told_from_texts(value: object) -> None:
    def keys(of: object) -> set[str]:
        if isinstance(of, dict):
            return {*of}.union(*map(keys, of.values()))
        return set().union(*map(keys, of)) if isinstance(of, list) else set()

    data = json.dumps(value).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bounded_json, "KEYS_AT_MOST", len(keys(value)))
        assert not bounded_json._has_too_many_keys(data)
        patch.setattr(bounded_json, "KEYS_AT_MOST", len(keys(value)) - 1)
        assert bounded_json._has_too_many_keys(data) or not keys(value)


def test_a_name_in_an_index_is_looked_at_once() -> None:
    files = {str(number): f"model-{number % 5}.safetensors" for number in range(300_000)}
    data = json.dumps({"weight_map": files}).encode()
    assert [verdict.kind for verdict in judged("model.safetensors.index.json", data)] == ["safe"]
    files = {str(number): f"{number}.safetensors" for number in range(30_000)}
    data = json.dumps({"weight_map": files}).encode()
    assert [verdict.kind for verdict in judged("model.safetensors.index.json", data)] == ["malformed"]
