"""Archives and objects whose records could be read again and again, or make many of nothing; and what is read still."""

from __future__ import annotations

import lzma
import re
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import gguf, seven_zip, tampered, tarred, zipped
from clock import keeping_below, within
from conftest import PICKLE
from git_custody.core.content import BytesContent
from git_custody.formats import boosters
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import Verdict
from test_formats_limits import many

Made = tuple[str, bytes]


def judged(name: str, data: bytes) -> tuple[Verdict, ...]:
    return recognise(BytesContent(data), name=name)


def number(value: int) -> bytes:
    """A number of 7z."""
    return bytes((value,)) if value < 128 else b"\xf0" + struct.pack("<L", value)


def seven(header: bytes, packed: bytes = b"") -> bytes:
    return b"7z\xbc\xaf\x27\x1c\0\4" + bytes(4) + struct.pack("<QQL", len(packed), len(header), 0) + packed + header


def packed(count: int) -> bytes:
    return b"\6\0" + number(count) + b"\x09" + bytes(count) + b"\0"


def folders(count: int, coders: bytes = b"\1\1\0", sizes: bytes = b"\0") -> bytes:
    return b"\7\x0b" + number(count) + b"\0" + coders * count + b"\x0c" + sizes * count


def streams(sections: bytes) -> bytes:
    return b"\1\4" + sections + b"\0\0"


def chain() -> bytes:
    """A folder of deflated data, behind LZMA2, that are blocks of nothing."""
    data = lzma.compress(
        b"\0\0\0\xff\xff" * 20_000_000, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    )
    coders = b"\2\x03\4\1\x08\x21\x21\1\x10\0\1"
    sizes = number(1 << 30) * 2
    return seven(streams(b"\6\0\1\x09" + number(len(data)) + b"\0" + folders(1, coders, sizes) + b"\0"), data)


EXTRA = b"\2\0\0\0" * 16_000
TOO_LONG: dict[str, Callable[[], Made]] = {
    "properties of 7z": lambda: ("a.7z", seven(b"\1\2" + b"\2\0" * 1_000_000 + b"\0\0")),
    "properties of files in 7z": lambda: ("a.7z", seven(b"\1\5\0" + b"\2\0" * 1_000_000 + b"\0\0")),
    "coders of 7z": lambda: (
        "a.7z",
        seven(
            streams(
                packed(30_000)
                + folders(
                    30_000, b"\x20" + b"\1\0" * 32 + b"".join(bytes((n, n + 1)) for n in range(31)), bytes(32)
                )
                + b"\0"
            )
        ),
    ),
    "folders of 7z that are not unpacked": lambda: ("a.7z", seven(streams(packed(60_000) + folders(60_000, b"\1\1\7") + b"\0"))),
    "folders of 7z": lambda: (
        "a.7z",
        seven(
            streams(
                b"\6\0" + number(50_000) + b"\x09" + b"\4" * 50_000 + b"\0"
                + folders(50_000, b"\1\x23\3\1\1\5\x5d\0\0\0\x08", b"\6") + b"\0"
            ),
            b"none" * 50_000,
        ),
    ),
    "extra fields of a local header": lambda: ("a.zip", extra_fields(20_000)),
    "ends of zips": lambda: ("a.zip", many(b"PK\3\4" + b"PK\5\6" * 16_000, 60)),
    "what begins like lzma": lambda: ("a.zip", many(b"\0" + b"\1\0\0\0" * 3 + bytes(4) + b"a" * 100, 30_000)),
    "contents of Java": lambda: ("a.zip", many(b"\xac\xed\0\5" + b"\x70" * 90_000, 12)),
}  # fmt: skip


def extra_fields(entries: int) -> bytes:
    """A zip whose directory names one member again and again, which has many extra fields."""
    unknown = 0xFFFFFFFF
    local = b"PK\3\4" + struct.pack("<HHHHHLLLHH", 20, 0, 0, 0, 0, 0, unknown, unknown, 1, len(EXTRA)) + b"a" + EXTRA
    entry = b"PK\1\2" + struct.pack("<HHHHHHLLLHHHHHLL", 20, 20, 0, 0, 0, 0, 0, 4, 4, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 1, 1, len(entry) * entries, len(local) + 4, 0)
    return local + b"text" + entry * entries + end


@pytest.mark.parametrize("kind", TOO_LONG)
def test_what_takes_too_long_is_said_to(kind: str) -> None:
    with within(2):
        found = judged(*TOO_LONG[kind]())
    assert ("opaque", True) in [(verdict.kind, verdict.forced) for verdict in found]


def test_what_one_step_of_unpacking_hands_to_the_next_is_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("git_custody.formats.verdicts.UNPACKED_AT_MOST", 10_000_000)
    (found,) = judged("a.7z", chain())
    assert (found.kind, found.forced) == ("opaque", True)


SECTION_TWICE = {
    "of streams": streams(packed(1) + folders(1) + b"\0" + b"\x08\0\x08\0"),
    "of sizes": streams(b"\6\0\1" + b"\x09\0" * 2 + b"\0" + folders(1) + b"\0"),
    "of checksums": streams(packed(1) + folders(1) + b"\x0a\0\0" * 2 + b"\0"),
    "of files": b"\1" + b"\5\0\0" * 2 + b"\0",
}


@pytest.mark.parametrize("kind", SECTION_TWICE)
def test_a_section_of_7z_stands_there_once(kind: str) -> None:
    (found,) = judged("a.7z", seven(SECTION_TWICE[kind]))
    assert (found.kind, found.what) == ("opaque", "a 7z archive whose header cannot be read")


@pytest.mark.parametrize("method", ["copy", "lzma", "lzma2"])
def test_members_of_7z_are_found_by_their_names(method: str) -> None:
    members = {"a": b"text", "b" * 300: PICKLE, "\u0100\u0001": b"text"}
    (found,) = judged("a.7z", seven_zip(members, method))
    assert (found.kind, found.member) == ("pickle", "b" * 300)


LARGE: dict[str, Callable[[], Made]] = {
    "sizes of 7z": lambda: ("a.7z", seven(b"\1\4\6\0" + number(131_000) + (b"\x09" + bytes(131_000)) * 40 + b"\0\0\0")),
    "names of 7z": lambda: ("a.7z", seven(b"\1\5\1\x11" + number(9_000_001) + b"\0" + b"\1\1" * 4_500_000 + b"\0\0")),
    "keys of UBJSON": lambda: ("a.ubj", b"{" + b"".join(b"U\x1c%028dZ" % n for n in range(249_000)) + b"}"),
}


@pytest.mark.parametrize("kind", LARGE)
def test_memory_has_a_bound(kind: str) -> None:
    name, data = LARGE[kind]()
    with keeping_below(20 * 1024 * 1024):
        judged(name, data)


def test_the_end_of_a_booster_is_read_once() -> None:
    data = b'{"model_info":' + b'"scale_and_bias":[' * 60
    with within(1.5):
        assert judged("a.zip", many(data, 8_000)) == ()


OLD_END = re.compile(rb'"scale_and_bias"\s*:\s*\[[^{}]*\}\s*$')
PIECES = (b'"scale_and_bias"', b":", b"[", b"]", b"{", b"}", b" ", b"\n", b"1", b"\x0b", b"\x1c")


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
@settings(max_examples=3000)
def test_boosters_end_as_before(end: bytes) -> None:
    data = b'{"trees":' + end
    found = list(boosters._of_json(BytesContent(data), data))
    assert bool(found) == bool(OLD_END.search(data))


def test_many_members_that_cannot_be_unpacked_hide_none_that_runs_code() -> None:
    encrypted = zipped({f"{number}": b"text%d" % number for number in range(250)})
    for signature in (b"PK\3\4", b"PK\1\2"):
        place = 6 if signature == b"PK\3\4" else 8
        encrypted = tampered(encrypted, signature, place, b"\1")
    evil = gguf({"tokenizer.chat_template": "{{ x.__class__.__globals__ }}"})
    found = judged("a.tar", tarred({"a.zip": encrypted, "b.gguf": evil}))
    assert [verdict.member for verdict in found if verdict.kind == "code"] == ["b.gguf"]
    assert len(found) == 200
