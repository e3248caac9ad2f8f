from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import zipfile
import zlib
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clock import keeping_below, within
from corpus import (
    EVIL0,
    TEXTS,
    WRAPPINGS,
    Payload,
    Sample,
    npy,
    tarred,
    torch_zip,
    zipped,
)
from git_custody.core.content import BytesContent, Content, DescriptorContent, FileContent, PartContent
from git_custody.formats.pickle_opcodes import FIRST_BYTES, SPECS
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import Verdict

QUICK = settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))


def judged(data: bytes) -> tuple[Verdict, ...]:
    return recognise(BytesContent(data))


def pickles_in(data: bytes) -> list[Verdict]:
    return [verdict for verdict in judged(data) if verdict.kind == "pickle"]


class Watched:
    """Content that counts the bytes read from it."""

    def __init__(self, content: Content, size: int | None = None) -> None:
        self.size = content.size if size is None else size
        self.read = 0
        self._content = content

    def read_at(self, offset: int, length: int) -> bytes:
        data = self._content.read_at(offset, length)
        if 0 <= offset < self.size:
            data = data.ljust(min(length, self.size - offset), b"\0")
        self.read += len(data)
        return data


def test_content_is_short_at_the_end_and_never_raises(tmp_path: Path) -> None:
    data = bytes(range(100))
    (tmp_path / "file").write_bytes(data)
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    for content in (
        BytesContent(data),
        FileContent(io.BytesIO(data), 100),
        DescriptorContent(descriptor, 100),
        PartContent(BytesContent(b"xx" + data), 2, 100),
    ):
        assert content.size == 100
        assert content.read_at(0, 5) == data[:5]
        assert content.read_at(95, 50) == data[95:]
        assert content.read_at(100, 1) == content.read_at(-1, 5) == content.read_at(5, -1) == b""
    os.close(descriptor)


def test_every_opcode_of_pickletools_is_known() -> None:
    import pickletools

    known = {byte for byte in range(256) if SPECS[byte] is not None}
    assert known == {ord(opcode.code) for opcode in pickletools.opcodes}
    assert known >= FIRST_BYTES


def test_a_truncated_call_still_counts() -> None:
    for protocol in range(6):
        data = pickle.dumps(Payload(), protocol)
        called = data.rindex(b"R") + 1
        for cut in range(called, len(data)):
            assert pickles_in(data[:cut])


@pytest.mark.parametrize(
    ("data", "calls"),
    [
        (EVIL0, "os.system"),
        (b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x8c\x04true\x85R.", "os.system"),
        (b"(S'true'\nios\nsystem\n.", "os.system"),
        (b"(cos\nsystem\nS'true'\no.", "os.system"),
        (b"Vsystem\np5\n0Vos\ng5\n\x93Vtrue\n\x85R.", "os.system"),
        (b"Vx\np5\nVos\np5\n0g5\nVsystem\n\x93Vtrue\n\x85R.", "os.system"),
        (b"\x80\x02ccollections\nOrderedDict\n)R0cos\nsystem\nU\x04true\x85R.", "os.system"),
        (b"\x80\x02ccollections\nOrderedDict\n)R.", "collections.OrderedDict"),
        (b"cmymodule\nrun\n.", None),
        (b"\x80\x04].", None),
    ],
)
def test_the_first_telling_call_is_named(data: bytes, calls: str | None) -> None:
    assert pickles_in(data)[0].calls == calls


def test_the_evidence_says_where() -> None:
    verdict = pickles_in(b"N0" + EVIL0)[0]
    assert verdict.evidence == "GLOBAL 'os system' at byte 2"
    assert verdict.imports == "os.system"


def test_members_are_named() -> None:
    verdict = pickles_in(zipped({"models/m.pt": torch_zip(evil=True)}))[0]
    assert verdict.member == "models/m.pt!archive/data.pkl"
    assert verdict.what == "a PyTorch checkpoint, whose index of tensors is a pickle"
    assert verdict.calls == "posix.system"
    assert verdict.pickle_bytes().startswith(b"\x80\x02}q\x00")
    assert pickles_in(tarred({"a/b": EVIL0}))[0].member == "a/b"
    assert pickles_in(gzip.compress(EVIL0))[0].what.endswith(", compressed with gzip")


def test_an_object_array_hands_out_its_pickle() -> None:
    data = npy("<i4", (2,), bytes(8)) + npy("|O", (1,), EVIL0)
    verdict = pickles_in(data)[0]
    assert verdict.pickle_bytes() == EVIL0
    assert verdict.calls == "os.system"
    assert verdict.what == "a NumPy array of Python objects, which is a pickle"


@pytest.mark.parametrize(
    "descr",
    [
        "O",
        "|O8",
        "2O",
        "(1, )O",
        "1 O",
        "O,i4",
        "i4, O",
        "object_",
        "i4,(2)O",
        [("a", "2O")],
        "i4," + " " * 20 + "O",
        "i4,(2)" + " " * 20 + "O ",
        ["aO"],
        [("a", "T")],
    ],
)
def test_objects_are_found_behind_a_header_of_any_length(descr: object) -> None:
    for field in ("H2", "CO2", "ORDER"):
        long = npy([(field * 20_000, "<i4"), ("b", descr)], (1,), EVIL0, version=2)
        assert pickles_in(long)[0].calls == "os.system"
        assert pickles_in(npy([(field * 20_000, "<i4"), ("O2", "<U3")], (1,), EVIL0, version=2)) == []


@pytest.mark.parametrize("descr", [[["a", "O"]], ["aO"], {"aO"}, {("a", "O"): 1}, ("V", [("a", "O")])], ids=str)
def test_objects_are_found_in_whatever_numpy_takes_for_fields(descr: object) -> None:
    assert pickles_in(npy(descr, (1,), EVIL0))[0].calls == "os.system"


@pytest.mark.parametrize("first", [b"N.", b"I1\n.", pickle.dumps([1], 0), pickle.dumps("a", 4) + b"N."])
def test_an_array_behind_a_pickle_of_data_is_found(first: bytes) -> None:
    # numpy.load, called again and again on one handle, unpickles the first and then the objects of the second.
    assert [verdict.kind for verdict in judged(first + npy("|O", (1,), EVIL0))] == ["pickle"]


def test_a_header_that_nobody_writes_is_not_searched() -> None:
    with within(2):
        data = b"\x93NUMPY\x02\0" + struct.pack("<L", 17 << 20) + b"'" * (17 << 20) + EVIL0
        assert pickles_in(data)[0].calls == "os.system"


def test_a_pickle_right_behind_a_line_end_in_a_zip_is_placed_in_its_member() -> None:
    """`PK` begins PERSID, which takes everything up to the line end."""
    for data in (zipped({"a.npy": npy("|O", (1,), EVIL0)}), zipped({"a.txt": b"\n" + EVIL0, "b": EVIL0})):
        assert {verdict.member for verdict in pickles_in(data)} <= {"a.npy", "b"}


def test_what_cannot_be_looked_into_is_said_to_be_opaque() -> None:
    encrypted = bytearray(zipped({"a": b"\x17\x94" * 40}))
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    unknown = bytearray(zipped({"a": b"\x17\x94" * 40}))
    unknown[unknown.index(b"PK\x01\x02") + 10] = 97
    deep = b"text"
    for _ in range(12):
        deep = zipped({"in": deep})
    assert [(verdict.kind, verdict.forced) for verdict in judged(deep)] == [("opaque", True)]
    for data in (bytes(encrypted), bytes(unknown), b"\x02\x21\x4c\x18" + bytes(40), b"Rar!\x1a\x07\0" + bytes(40)):
        assert [verdict.kind for verdict in judged(data)] == ["opaque"]


SCALARS = st.one_of(
    (st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.dates(), st.decimals())
)
OBJECTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner) | st.frozensets(st.integers())
    ),
    max_leaves=20,
)


@QUICK
@given(OBJECTS, st.integers(0, 5), st.sampled_from(sorted(WRAPPINGS)), st.booleans())
def test_random_objects_are_found_in_any_wrapping(value: object, protocol: int, wrapping: str, evil: bool) -> None:
    data = pickle.dumps([value, Payload()] if evil else value, protocol)
    plain = protocol < 2 and not evil and not isinstance(value, (list, dict, tuple, frozenset, date, Decimal, complex))
    if not plain:
        assert pickles_in(WRAPPINGS[wrapping](data))


@QUICK
@given(OBJECTS, st.integers(2, 5))
def test_random_streams_agree_with_pickletools_about_their_end(value: object, protocol: int) -> None:
    """What follows a complete stream is read as a stream of its own."""
    assert pickles_in(pickle.dumps(1, 0) + pickle.dumps(value, protocol))


@QUICK
@given(st.sampled_from(sorted(FIRST_BYTES)), st.binary(max_size=400))
def test_random_bytes_never_raise(first: int, data: bytes) -> None:
    judged(bytes([first]) + data)
    judged(data)


@QUICK
@given(
    st.lists(
        st.sampled_from([bytes([byte]) for byte in range(256) if SPECS[byte]] + [b"\0", b"1\n", b"os\n"]),
        max_size=300,
    )
)
def test_random_opcodes_never_raise(parts: list[bytes]) -> None:
    judged(b"".join(parts))


@QUICK
@given(st.text(alphabet="abcdeginopqrstuxNIFVSLPT()[]{}.,'\n 01", max_size=60))
def test_random_text_is_left_alone(text: str) -> None:
    """Only what pickle itself could read to its end, or up to a call, may be flagged."""
    import pickletools

    data = text.encode()
    if pickles_in(data):
        codes = []
        try:
            for opcode, _, _ in pickletools.genops(data):
                codes.append(opcode.name)
        except ValueError:
            pass
        assert "STOP" in codes or {"REDUCE", "OBJ", "INST"} & set(codes)


@QUICK
@given(
    st.sampled_from(
        [
            torch_zip(True),
            zipped({"a": b"x" * 50}, zipfile.ZIP_DEFLATED),
            tarred({"a": EVIL0}),
            gzip.compress(EVIL0),
        ]
    ),
    st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 255)), min_size=1, max_size=12),
)
def test_damaged_containers_never_raise(data: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    judged(bytes(damaged))


@pytest.mark.parametrize("text", ["import os\n" * 200, "int main()\n" * 200, *TEXTS[:12]])
def test_small_text_costs_little(text: str) -> None:
    content = BytesContent(text.encode())
    recognise(content)
    with within(0.1):
        for _ in range(50):
            recognise(content)


@pytest.mark.parametrize(
    "head",
    [
        b"ordinary text\n",
        torch_zip(True)[:200],
        b"\x80\x02]q\x00(" + b"G?\xf0\0\0\0\0\0\0" * 9_000,
        npy("<f8", (1 << 27,), b""),
        bytes(16),
    ],
)
def test_a_gigabyte_is_not_read(head: bytes) -> None:
    content = Watched(BytesContent(head), 1 << 30)
    recognise(content)
    assert content.read < 16 * 1024 * 1024


ENDLESS = {
    "pushes": b"N" * 5_000_000,
    "numbers": b"I1234\n" * 2_000_000,
    "marks": b"(" * 5_000_000,
    "pops": b"N0" * 2_000_000,
    "lines": b"P1,2\n" * 2_000_000,
    "bytes": b"K\x01" * 2_000_000,
    "strings": b"S'a'\n" * 1_000_000,
    "marked": b"(N" * 1_000_000,
    "imports": b"case\n" * 2_000_000,
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_endless_opcodes_end(kind: str) -> None:
    with within(6):
        judged(ENDLESS[kind])


@pytest.mark.parametrize("kind", ["pushes", "marks", "marked"])
def test_a_deep_stack_is_cut(kind: str) -> None:
    data = ENDLESS[kind][:400_000] + ENDLESS["pops"][:100] + ENDLESS[kind][:400_000]
    judged(data)  # imports what it needs
    with keeping_below(8 * 1024 * 1024):
        judged(data)


def test_bombs_are_bounded() -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    quine = b"text"
    for _ in range(30):
        quine = gzip.compress(quine)
    with within(10):
        for data in (bomb, gzip.compress(bomb), zipped({str(number): bomb for number in range(40)}), quine):
            judged(data)


def test_a_pickle_behind_much_else_in_an_archive_is_found() -> None:
    members = {f"{number}.txt": b"hello\n" * 100_000 for number in range(200)} | {"z": EVIL0}
    assert pickles_in(zipped(members, zipfile.ZIP_DEFLATED))
    assert pickles_in(gzip.compress(tarred({"a.txt": b"hello\n" * 1_000_000, "z": EVIL0}), 1))


def test_the_walker_reads_over_a_literal_that_spans_windows() -> None:
    for size in range(65_500, 65_560):
        data = b"\x8e" + struct.pack("<Q", size) + bytes(size) + b"0" + EVIL0
        assert pickles_in(data)[0].evidence == f"GLOBAL 'os system' at byte {size + 10}"


def test_lines_that_span_windows_keep_their_place() -> None:
    for size in (4_080, 4_090, 4_096, 65_535, 65_536, 65_540, 131_072, 1_048_576 + 65_536):
        data = b"V" + b"x" * size + b"\n0" + EVIL0
        assert pickles_in(data)[0].evidence == f"GLOBAL 'os system' at byte {size + 3}"


def test_zlib_data_of_any_level_is_opened() -> None:
    for level in range(10):
        assert pickles_in(zlib.compress(EVIL0, level))


def test_names_change_no_verdict() -> None:
    for sample in (Sample("a.pkl", b"plain text"), Sample("model.pt", b"int main()\n")):
        assert recognise(BytesContent(sample.data), name=sample.name) == ()


def test_nothing_heavy_is_imported_for_an_ordinary_file() -> None:
    import subprocess
    import sys

    code = (
        "import sys; sys.path.insert(0, 'hooks'); before = set(sys.modules)\n"
        "from git_custody.core.content import BytesContent\n"
        "from git_custody.formats.recognise import recognise\n"
        "recognise(BytesContent(b'int main() {}')); recognise(BytesContent(b'cos\\nsin\\n'))\n"
        "print(sorted({'pickletools', 'pickle', 'zlib', 'bz2', 'lzma', 'zipfile', 'tempfile', 'ast'}"
        " & (set(sys.modules) - before)))"
    )
    assert (
        subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    )
