"""GGUF, safetensors and NumPy headers that took long to read where they are many, or long; and what is read still."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clock import within
from git_custody.core.content import BytesContent
from git_custody.formats import arrays, safetensors_header
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import Verdict
from test_formats_limits import many, npy

Made = tuple[str, bytes]


def judged(name: str, data: bytes) -> tuple[Verdict, ...]:
    return recognise(BytesContent(data), name=name)


def gguf(pairs: int, body: bytes) -> bytes:
    return b"GGUF" + struct.pack("<LQQ", 3, 0, pairs) + body


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def array_of(kind: int, count: int, items: bytes) -> bytes:
    return gguf(1, text(b"a") + struct.pack("<LLQ", 9, kind, count) + items)


def safetensors(header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header


USUAL = b"{'descr': '<f4', 'fortran_order': False, 'shape': (20,), }".ljust(117) + b"\n"
ENTRY = b'":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
PAIRS = gguf(90_000, b"".join(text(b"%d" % number) + struct.pack("<LB", 0, 1) for number in range(90_000)))
TOO_MUCH: dict[str, Callable[[], Made]] = {
    "pairs": lambda: ("a.zip", many(PAIRS, 6)),
    "arrays of arrays": lambda: ("a.zip", many(array_of(9, 190_000, struct.pack("<LQ", 0, 0) * 190_000), 5)),
    "texts in arrays": lambda: ("a.zip", many(array_of(8, 1_900_000, bytes(15_200_000)), 4)),
    "tensors": lambda: (
        "a.zip",
        many(safetensors(b"{" + b",".join(b'"%d' % n + ENTRY for n in range(60_000)) + b"}"), 7),
    ),
    "long names of tensors": lambda: (
        "a.zip",
        many(safetensors(b"{" + b",".join(b'"%0100000d' % n + ENTRY for n in range(100)) + b"}"), 4),
    ),
    "escapes in metadata": lambda: (
        "a.zip",
        many(safetensors(b'{"__metadata__":{"a":"' + b"\\n" * 7_000_000 + b'"}}'), 4),
    ),
    "keys of metadata": lambda: (
        "a.zip",
        many(safetensors(b'{"__metadata__":{' + b",".join(b'"%d":""' % n for n in range(90_000)) + b"}}"), 5),
    ),
    "tensors of an index": lambda: (
        "a.zip",
        many(b'{"weight_map":{' + b",".join([b'"":"b.safetensors"'] * 490_000) + b"}}", 2, "{}.safetensors.index.json"),
    ),
    "headers of arrays": lambda: ("a.npy", npy(b"[]," * 21_000) * 30),
    "short headers of arrays": lambda: ("a.zip", many(npy(b"x".ljust(158, b"~")) * 990, 40, "{}.npy")),
    "arrays of unknown lengths": lambda: ("a.zip", many((npy(b"[]") * 990).ljust(1_100_000, b"\x93"), 90, "{}.npy")),
}


@pytest.mark.parametrize("kind", TOO_MUCH)
def test_what_takes_too_long_is_said_to(kind: str) -> None:
    with within(2):
        found = judged(*TOO_MUCH[kind]())
    assert (found[-1].kind, found[-1].forced) == ("opaque", True)


FINE: dict[str, Callable[[], Made]] = {
    "many tensors": lambda: (
        "a.safetensors",
        safetensors(b"{" + b",".join(b'"%d' % number + ENTRY for number in range(280_000)) + b"}"),
    ),
    "an index of many tensors": lambda: (
        "a.safetensors.index.json",
        b'{"weight_map":{' + b",".join(b'"%d":"b.safetensors"' % number for number in range(299_000)) + b"}}",
    ),
    "a long vocabulary": lambda: ("a.gguf", array_of(8, 1_900_000, bytes(15_200_000))),
    "many pairs": lambda: ("a.gguf", PAIRS),
    "a long header of an array": lambda: (
        "a.npy",
        npy(repr({"descr": [(f"f{n}", "<f4") for n in range(3_000)], "fortran_order": False, "shape": (0,)}).encode()),
    ),
    "an archive of many arrays": lambda: ("a.npz", many(npy(USUAL) + bytes(80), 30_000, "arr_{}.npy")),
}


@pytest.mark.parametrize("kind", FINE)
def test_what_is_only_long_is_not_refused(kind: str) -> None:
    assert [verdict.kind for verdict in judged(*FINE[kind]())] == ["safe"]


@pytest.mark.parametrize("header", [b"1if 1else 2", b"{'descr': '\\d'}", b"1 is 1", b"1L,"])
def test_headers_of_arrays_warn_of_nothing(header: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = judged("a.npy", npy(header))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert judged("a.npy", npy(header)) == first
    assert not caught


EXTENTS = st.sampled_from(["", "(", ")", ",", ", ", "0", "00", "7", "12", "-1", "1" * 18, "1" * 19, "1L", " "])


@given(
    st.sampled_from(["<f4", "|O", "|b1", "U5", "<M8[ns]", "é", "'", "\\x4f"]),
    st.lists(EXTENTS, max_size=6),
    st.booleans(),
)
@example("|O", ["7", ","], False)
@example("<i8", ["7", ", ", "12"], True)
@settings(max_examples=1000)
def test_usual_headers_of_arrays_are_read_as_python_reads_them(kind: str, extents: list[str], order: bool) -> None:
    text = f"{{'descr': '{kind}', 'fortran_order': {order}, 'shape': ({''.join(extents)}), }}   \n"
    usual = arrays._usual(text.encode("latin-1"))
    if usual is not None:
        assert {**usual, "fortran_order": order} == arrays._parsed(text.encode("latin-1"))
    for shape in ((), (3,), (0, 12), (4, 5, 6)):
        assert (
            arrays._usual(f"{{'descr': '<f4', 'fortran_order': {order}, 'shape': {shape}, }} \n".encode()) is not None
        )


def test_a_sign_of_objects_is_found_at_the_end_of_a_long_header() -> None:
    header = b"(" * 70_000 + b"'O'"
    assert [verdict.kind for verdict in judged("a.npy", npy(header + b" "))] == ["pickle"]
    assert [verdict.kind for verdict in judged("a.npy", npy(b"(" * 70_000))] == ["safe"]


@given(st.text("a/.\\:\0\x1f\x7f é", max_size=6))
@settings(max_examples=1000)
def test_names_of_files_are_refused_as_before(name: str) -> None:
    name += ".safetensors"
    parts = name.split("/")
    leaves = any(part in ("", ".", "..") for part in parts) or any(c in "\\:" or c < " " or c == "\x7f" for c in name)
    try:
        safetensors_header._check_file_name(name)
    except safetensors_header._Malformed:
        assert leaves
    else:
        assert not leaves


@given(st.binary(max_size=6))
@settings(max_examples=1000)
def test_names_with_control_characters_are_refused_as_before(name: bytes) -> None:
    has_controls = any(character < 32 or character == 127 for character in name)
    assert (len(name.translate(None, safetensors_header.CONTROLS)) < len(name)) == has_controls
