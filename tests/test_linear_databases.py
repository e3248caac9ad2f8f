"""Databases, tables and arrays that took far too long to look at, or too much memory; and what is found in them still."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Callable

import pytest

from builders import varint, zip_of
from clock import within
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
