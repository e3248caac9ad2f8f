"""safetensors and GGUF: every bad case by hand, and safetensors against its own library."""

from __future__ import annotations

import gzip
import json
import pickle
import struct
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import safetensors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clock import keeping_below, within
from corpus import EVIL0, zipped
from git_custody.core.content import BytesContent
from git_custody.formats import gguf, safetensors_header
from git_custody.formats.recognise import recognise
from git_custody.formats.safetensors_header import DTYPES
from git_custody.formats.verdicts import Budget, Member, Said, Scene, Verdict

FUZZ = settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))


def judged(data: bytes, name: str = "") -> list[Verdict]:
    return list(recognise(BytesContent(data), name=name))


def kinds(data: bytes, name: str = "") -> list[str]:
    return [verdict.kind for verdict in judged(data, name)]


def scene(data: bytes, name: str = "") -> Scene:
    return Scene(BytesContent(data), data[:4096], name, Budget())


# safetensors


def file_of(header: bytes | dict[str, Any], data: bytes = b"") -> bytes:
    if isinstance(header, dict):
        header = json.dumps(header, separators=(",", ":")).encode()
    return len(header).to_bytes(8, "little") + header + data


def entry(
    begin: int = 0, end: int = 4, dtype: str = "F32", shape: tuple[int, ...] = (1,), **more: object
) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end], **more}


def library_accepts(data: bytes) -> bool:
    try:
        safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError:
        return False
    return True


def dtypes_of_library() -> list[str]:
    return [
        dtype.decode()
        for dtype, bits in DTYPES.items()
        if library_accepts(file_of({"a": entry(0, bits, dtype.decode(), (8,))}, bytes(bits)))
    ]


GOOD = {
    "empty": file_of(b"{}"),
    "padded": file_of(b"{}" + b" " * 6),
    "one": file_of({"a": entry()}, bytes(4)),
    "metadata": file_of({"__metadata__": {"format": "pt", "": ""}, "a": entry()}, bytes(4)),
    "metadata-last": file_of({"a": entry(), "__metadata__": {}}, bytes(4)),
    "two-out-of-order": file_of({"b": entry(4, 8), "a": entry(0, 4)}, bytes(8)),
    "empty-tensors": file_of({"a": entry(0, 0, shape=(0, 3)), "b": entry(), "c": entry(4, 4, shape=(0,))}, bytes(4)),
    "scalar": file_of({"a": entry(shape=())}, bytes(4)),
    "whitespace": file_of(
        b'{ "a" :\n{\t"shape" : [ 1 , 1 ] , "dtype":"F32", "data_offsets" : [ 0 , 4 ] } , "__metadata__" : { } }',
        bytes(4),
    ),
    "escaped": file_of(b'{"\\u0061\\ud83d\\ude00\\"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
    "not-ascii": file_of('{"é😀":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.encode(), bytes(4)),
    "path-like-name": file_of({"../../x": entry(0, 4), "/y": entry(4, 8)}, bytes(8)),
    "bf16": file_of({"a": entry(0, 12, "BF16", (2, 3))}, bytes(12)),
    "long-metadata": file_of({"__metadata__": {"a": 'q"\\\n' * 100_000}}),
    "much-padding": file_of(b"{}" + b" " * 300_000),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_safetensors(name: str) -> None:
    assert library_accepts(GOOD[name])
    for path in ("model.safetensors", "model.bin", ""):
        assert [(v.kind, v.format) for v in judged(GOOD[name], path)] == [("safe", "safetensors")]


BAD = {
    "begins-with-a-space": (file_of(b' {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)), "is not one"),
    "nul-padding": (file_of(b"{}\0\0"), "behind the JSON"),
    "newline-padding": (file_of(b"{}\n"), "behind the JSON"),
    "two-documents": (file_of(b"{}{}"), "behind the JSON"),
    "not-utf-8": (file_of(b'{"__metadata__":{"a":"\xff"}}'), "not UTF-8"),
    "lone-surrogate": (file_of(b'{"__metadata__":{"a":"\\ud800"}}'), "not valid JSON"),
    "control-character-in-json": (file_of(b'{"__metadata__":{"a":"\n"}}'), "not valid JSON"),
    "tensor-twice": (file_of(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)), "name twice"),
    "tensor-twice-escaped": (file_of(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', bytes(8)), "name twice"),
    "metadata-twice": (file_of(b'{"__metadata__":{},"__metadata__":{}}'), "name twice"),
    "metadata-key-twice": (file_of(b'{"__metadata__":{"a":"1","a":"2"}}'), "key twice"),
    "metadata-key-twice-escaped": (file_of(b'{"__metadata__":{"a":"1","\\u0061":"2"}}'), "key twice"),
    "metadata-number": (file_of(b'{"__metadata__":{"a":1}}'), "not strings by name"),
    "metadata-object": (file_of(b'{"__metadata__":{"a":{}}}'), "not strings by name"),
    "metadata-null": (file_of(b'{"__metadata__":null}'), "not strings by name"),
    "field-twice": (file_of(b'{"a":{"dtype":"F32","dtype":"F32","data_offsets":[0,4]}}', bytes(4)), "key twice"),
    "unknown-key": (file_of({"a": entry(code="import os")}, bytes(4)), "not just dtype"),
    "missing-key": (file_of(b'{"a":{"dtype":"F32","shape":[1]}}', bytes(4)), "not just dtype"),
    "entry-as-list": (file_of(b'{"a":["F32",[1],[0,4]]}', bytes(4)), "not just dtype"),
    "entry-as-number": (file_of(b'{"a":1}'), "not just dtype"),
    "three-offsets": (file_of(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}', bytes(4)), "no such numbers"),
    "negative-shape": (file_of(b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', bytes(4)), "not just dtype"),
    "fractional-shape": (file_of(b'{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}', bytes(4)), "not just dtype"),
    "leading-zero": (file_of(b'{"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}', bytes(4)), "no such numbers"),
    "numbers-without-commas": (file_of(b'{"a":{"dtype":"F32","shape":[1 1],"data_offsets":[0,4]}}', bytes(4)), "no such numbers"),
    "shape-overflows": (file_of(b'{"a":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}'), "too large"),
    "many-dimensions": (file_of({"a": entry(shape=(1,) * 100)}, bytes(4)), "no such numbers"),
    "shape-of-other-size": (file_of({"a": entry(shape=(2,))}, bytes(4)), "do not give the size"),
    "half-bytes": (file_of({"a": entry(0, 1, "F4", (1,))}, bytes(1)), "do not give the size"),
    "end-before-begin": (file_of({"a": entry(4, 0)}, bytes(4)), "do not give the size"),
    "unknown-dtype": (file_of({"a": entry(dtype="F99")}, bytes(4)), "dtype"),
    "same-range": (file_of({"a": entry(), "b": entry()}, bytes(4)), "share bytes"),
    "overlap": (file_of({"a": entry(0, 8, shape=(2,)), "b": entry(4, 12, shape=(2,))}, bytes(12)), "share bytes"),
    "gap": (file_of({"a": entry(0, 4), "b": entry(8, 12)}, bytes(12)), "belong to no tensor"),
    "gap-in-front": (file_of({"a": entry(4, 8)}, bytes(8)), "belong to no tensor"),
    "behind": (file_of({"a": entry()}, bytes(5)), "bytes behind"),
    "cut": (file_of({"a": entry()}, bytes(3)), "ends before"),
    "cut-header": (file_of({"a": entry()})[:30], "within its header"),
    "control-character": (file_of(b'{"a\\u0000":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)), "control characters"),
    "trailing-comma": (file_of(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},}', bytes(4)), "not valid JSON"),
    "list": (file_of(b"[]"), "is not one"),
    "long-header": (file_of(b'{"__metadata__":{"a":"' + b"x" * 17_000_000 + b'"}}'), "more than 16 MiB"),
    "text": (b"This is a placeholder.", "is not one"),
    "short": (b"{}", "is not one"),
    "zip": (zipped({"a.txt": b"a"}), "is not one"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_safetensors(name: str) -> None:
    data, words = BAD[name]
    said = [v for v in judged(data, "MODEL.SafeTensors") if v.format == "safetensors"]
    assert [v.kind for v in said] == ["malformed"]
    assert words in said[0].what


def test_what_the_library_lets_pass_and_we_do_not_is_known() -> None:
    lax = {name for name, (data, _) in BAD.items() if library_accepts(data)}
    assert lax <= {
        "begins-with-a-space",
        "newline-padding",
        "tensor-twice",
        "metadata-key-twice",
        "metadata-key-twice-escaped",
        "metadata-null",
        "unknown-key",
        "entry-as-list",
        "many-dimensions",
        "control-character",
        "long-header",
    }


def test_all_dtypes_have_the_library_s_sizes() -> None:
    known = dtypes_of_library()
    assert {"F32", "BF16", "F8_E4M3", "BOOL", "I64"} <= set(known)
    for dtype in known:
        bits = DTYPES[dtype.encode()]
        data = file_of({"a": entry(0, bits, dtype, (2, 4))}, bytes(bits))
        assert kinds(data, "a.safetensors") == ["safe"]
        wrong = file_of({"a": entry(0, bits + 1, dtype, (2, 4))}, bytes(bits + 1))
        assert not library_accepts(wrong)
        assert kinds(wrong, "a.safetensors") == ["malformed"]


@pytest.mark.parametrize("behind", [EVIL0, b"\0" * 3, zipped({"a/data.pkl": EVIL0})])
def test_what_stands_behind_the_tensors_is_looked_at(behind: bytes) -> None:
    found = judged(file_of({"a": entry()}, bytes(4)) + behind, "a.safetensors")
    assert "malformed" in [v.kind for v in found]
    assert ("pickle" in [v.kind for v in found]) == (EVIL0 in behind)


def test_header_lengths_that_read_as_opcodes_are_no_pickles() -> None:
    for opcodes in (0x2E4E, 0x2E93, 0x2E4B):  # NONE STOP, STACK_GLOBAL STOP, BININT1 STOP
        data = file_of(b'{"__metadata__":{"x":"' + b"y" * (opcodes - 25) + b'"}}')
        assert data[:2] == opcodes.to_bytes(2, "little")
        assert library_accepts(data)
        assert kinds(data, "a.safetensors") == ["safe"]


def test_a_valid_safetensors_file_that_is_also_a_pickle_is_a_pickle() -> None:
    # The length begins with BINUNICODE of 32 bytes; the rest of the pickle stands in a JSON string, in which U+0080 to
    # U+00BF are C2 and the byte itself: a "q" in front takes the C2.
    name = "os.path.join.some.where.in.a.package"
    call = ("q\u008c" + chr(len(name)) + name) * 2 + "q\u0093)Rq\u0094."
    begin = ('{"__metadata__":{"' + "a" * (29 - len('{"__metadata__":{"":"')) + '":"' + call).encode()
    data = file_of(begin + b"y" * (0x2058 - len(begin) - 3) + b'"}}')
    assert data[:5] == b"X\x20\0\0\0"
    assert library_accepts(data)
    assert kinds(data, "a.safetensors") == ["pickle"]


@pytest.mark.parametrize(
    "pointer",
    [
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n",
        b"/annex/objects/SHA256E-s5--abc.safetensors\n",
        b"../.git/annex/objects/xx/yy/SHA256E-s5--abc/SHA256E-s5--abc.safetensors",
    ],
)
def test_pointers_are_no_malformed_models(pointer: bytes) -> None:
    for name in ("a.safetensors", "a.safetensors.index.json", "a.gguf", "a.ubj", "a.cbm"):
        assert judged(pointer, name) == []


@pytest.mark.parametrize(
    "data",
    [
        b"\x10\0\0\0\0\0\0\0{not a header}",
        b'\x02\0\0\0\0\0\0\0{"key": 1}',
        b"static {int a;}",
        b"int f() {",
        b"\x09\0\0\0\0\0\0\0{",
        bytes(8) + b"{}",
    ],
)
def test_what_only_looks_like_safetensors_is_ordinary(data: bytes) -> None:
    assert judged(data, "some.file") == []


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12).filter(
    lambda n: n != "__metadata__"
)


@st.composite
def valid_files(draw: st.DrawFn) -> bytes:
    names = draw(st.lists(NAMES, unique=True, max_size=5))
    entries, at = [], 0
    for name in names:
        dtype = draw(st.sampled_from(DTYPES_TO_DRAW))
        bits = DTYPES[dtype.encode()]
        shape = draw(st.lists(st.integers(0, 4), max_size=3)) if bits % 8 == 0 else [draw(st.integers(0, 4)), 8]
        size = bits
        for extent in shape:
            size *= extent
        entries.append((name, entry(at, at + size // 8, dtype, tuple(shape))))
        at += size // 8
    header: dict[str, Any] = dict(draw(st.permutations(entries)))
    if draw(st.booleans()):
        header = {"__metadata__": draw(st.dictionaries(NAMES, st.text(max_size=30), max_size=3))} | header
    text = json.dumps(
        header,
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])),
    )
    raw = text.encode("utf-8", "surrogatepass") + b" " * draw(st.integers(0, 9))
    return file_of(raw, bytes(at))


DTYPES_TO_DRAW = dtypes_of_library()


@FUZZ
@given(valid_files())
def test_valid_files_are_accepted_by_both(data: bytes) -> None:
    assert library_accepts(data)
    assert kinds(data, "a.safetensors") == ["safe"]


def mutated(data: bytes, random: Random, times: int = 1) -> bytes:
    changed = bytearray(data)
    for _ in range(times):
        at = random.randrange(max(1, len(changed)))
        do = random.randrange(6)
        if do == 0:
            changed[at : at + 1] = bytes([random.randrange(256)])
        elif do == 1:
            del changed[at : at + random.randrange(1, 4)]
        elif do == 2:
            changed[at:at] = random.choice(
                [b" ", b",", b'"', b"{", b"}", b"0", b"\\", b"[1]", b"\0", b'"a":1,', b"\\u0061"]
            )
        elif do == 3:
            other = random.randrange(max(1, len(changed)))
            changed[at:at] = changed[other : other + 20]
        elif do == 4:
            digits = [i for i, byte in enumerate(changed[8:], 8) if 48 <= byte <= 57]
            if digits:
                changed[random.choice(digits)] = random.choice(b"0123456789")
        else:
            changed = changed[:at]
    return bytes(changed)


@FUZZ
@given(valid_files(), st.randoms(use_true_random=False), st.integers(1, 3))
def test_what_the_library_rejects_is_never_safe(data: bytes, random: Random, times: int) -> None:
    header_end = 8 + int.from_bytes(data[:8], "little")
    for _ in range(10):
        header = mutated(data[8:header_end], random, times)
        for changed in (file_of(header, data[header_end:]), mutated(data, random, times)):
            if not library_accepts(changed):
                assert "safe" not in kinds(changed, "a.safetensors")


def test_a_large_header_is_quick_and_needs_little_memory() -> None:
    count = 40_000
    header = ",".join(
        f'"model.layers.{i}.weight":{{"dtype":"F32","shape":[1],"data_offsets":[{4 * i},{4 * i + 4}]}}'
        for i in range(count)
    )
    order = header.split("},")
    Random(5).shuffle(order)
    data = file_of(b"{" + header.encode() + b"}", bytes(4 * count))
    assert len(data) > 3_000_000
    with within(2):
        assert list(safetensors_header.inspect(scene(data, "a.safetensors"))) == [
            Said("safe", "safetensors", "a safetensors file")
        ]
    with keeping_below(16_000_000):
        list(safetensors_header.inspect(scene(data, "a.safetensors")))


# Indexes


def index_of(weight_map: object, **more: object) -> bytes:
    return json.dumps(
        {"metadata": {"total_size": 1.5e9, "list": [1, [2, {"a": "]"}]]}, **more, "weight_map": weight_map}, indent=2
    ).encode()


@pytest.mark.parametrize(
    "data",
    [
        index_of({"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}),
        index_of({}),
        index_of({"a": "unet/diffusion.safetensors"}, version=None),
        b'{"weight_map":{"a":"b.safetensors"}}\n',
    ],
)
def test_good_indexes(data: bytes) -> None:
    assert [(v.kind, v.format) for v in judged(data, "model.safetensors.index.json")] == [("safe", "safetensors-index")]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (index_of({"a": "../other/model.safetensors"}), "leads out"),
        (index_of({"a": "/etc/model.safetensors"}), "leads out"),
        (index_of({"a": "x/../../model.safetensors"}), "leads out"),
        (index_of({"a": "C:\\model.safetensors"}), "leads out"),
        (index_of({"a": "c:model.safetensors"}), "leads out"),
        (index_of({"a": "..\\model.safetensors"}), "leads out"),
        (index_of({"a": "x//model.safetensors"}), "leads out"),
        (index_of({"a": "x\n.safetensors"}), "leads out"),
        (index_of({"a": "pytorch_model.bin"}), "not safetensors"),
        (index_of({"a": ""}), "leads out"),
        (index_of({"a": 1}), "file names by tensor"),
        (index_of([]), "file names by tensor"),
        (b'{"weight_m\\u0061p":{"a":"../b.safetensors"},"weight_map":{}}', "leads out"),
        (b'{"metadata":{}}', "does not say"),
        (b'{"weight_map":{"a":"b.safetensors"}', "does not say"),
        (b'{"a":' + b"[" * 20_000, "not valid JSON"),
        (b"[]", "does not say"),
        (b"", ""),
        (b"\xff\xfe{", "not UTF-8"),
    ],
)  # fmt: skip
def test_bad_indexes(data: bytes, words: str) -> None:
    found = judged(data, "model.safetensors.index.json")
    assert [(v.kind, v.format) for v in found] == ([("malformed", "safetensors-index")] if data else [])
    assert all(words in v.what for v in found)


# GGUF

U8, I8, U16, I16, U32, I32, F32, BOOL, STR, ARR, U64, I64, F64 = range(13)
CODES = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}


class Writer:
    """Writes GGUF; `metadata` has (type, value) by key, an array is (ARR, (type, values))."""

    def __init__(self, order: str = "<", version: int = 3) -> None:
        self.order, self.version = order, version
        self.count = "I" if version == 1 else "Q"

    def pack(self, code: str, value: object) -> bytes:
        return struct.pack(self.order + code, value)

    def string(self, text: str | bytes) -> bytes:
        raw = text.encode() if isinstance(text, str) else text
        return self.pack(self.count, len(raw)) + raw

    def value(self, kind: int, value: Any) -> bytes:
        if kind == STR:
            return self.string(value)
        if kind == ARR:
            inner, values = value
            return (
                self.pack("I", inner)
                + self.pack(self.count, len(values))
                + b"".join(self.value(inner, v) for v in values)
            )
        return self.pack(CODES[kind], value)

    def file(
        self,
        metadata: list[tuple[str, int, Any]] | None = None,
        tensors: list[tuple[str, tuple[int, ...], int, int]] | None = None,
        data: bytes = b"",
        alignment: int = 32,
        counts: tuple[int, int] | None = None,
    ) -> bytes:
        metadata, tensors = metadata or [], tensors or []
        out = b"GGUF" + self.pack("I", self.version)
        for count in counts or (len(tensors), len(metadata)):
            out += self.pack(self.count, count)
        for key, kind, value in metadata:
            out += self.string(key) + self.pack("I", kind) + self.value(kind, value)
        for name, shape, kind, offset in tensors:
            out += self.string(name) + self.pack("I", len(shape)) + b"".join(self.pack(self.count, n) for n in shape)
            out += self.pack("I", kind) + self.pack("Q", offset)
        return out + (b"\0" * (-len(out) % alignment) + data if tensors else data)


W = Writer()
ARCHITECTURE = ("general.architecture", STR, "llama")
GOOD_GGUF = {
    "nothing": W.file(),
    "vocabulary": W.file([ARCHITECTURE, ("tokenizer.ggml.tokens", ARR, (STR, ["a", "", "é" * 9000])), ("tokenizer.ggml.scores", ARR, (F32, [0.5] * 3))]),
    "all-types": W.file([(f"k{kind}", kind, 1) for kind in CODES] + [("s", STR, "x"), ("n", ARR, (ARR, [(U8, [1, 2]), (STR, ["a"])]))]),
    "tensors": W.file([ARCHITECTURE], [("a", (4, 2), 0, 0), ("b", (32,), 2, 32)], bytes(64)),
    "unpadded-end": W.file([ARCHITECTURE], [("b", (32,), 2, 0)], bytes(18)),
    "padded-far": W.file([ARCHITECTURE], [("b", (32,), 2, 0)], bytes(4096)),
    "aligned-otherwise": W.file([("general.alignment", U32, 64)], [("a", (1,), 0, 0), ("b", (1,), 0, 64)], bytes(128), alignment=64),
    "unknown-type": W.file([], [("a", (64,), 137, 0), ("b", (64,), 0, 96)], bytes(96 + 256)),
    "scalar-and-empty": W.file([], [("a", (), 0, 0), ("b", (0, 4), 0, 32), ("c", (8,), 0, 32)], bytes(64)),
    "version-1": Writer(version=1).file([ARCHITECTURE], [("a", (4, 2), 0, 0)], bytes(32)),
    "version-2": Writer(version=2).file([ARCHITECTURE], [("a", (4, 2), 0, 0)], bytes(32)),
    "big-endian": Writer(">").file([ARCHITECTURE], [("a", (4, 2), 0, 0)], bytes(32)),
    "template": W.file([("tokenizer.chat_template", STR, "{% for m in messages %}{{ m['content'] }}{% endfor %}")]),
    "unparsable-template": W.file([("tokenizer.chat_template", STR, "{% if %}")]),
    "split": W.file([("split.no", U16, 1), ("split.count", U16, 2)]),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD_GGUF)
def test_good_gguf(name: str) -> None:
    for path in ("model.gguf", "model.bin"):
        assert [(v.kind, v.format, v.what) for v in judged(GOOD_GGUF[name], path)] == [("safe", "gguf", "a GGUF model")]


BAD_GGUF = {
    "magic": (b"GGML" + W.file()[4:], "is not one"),
    "text": (b"placeholder", "is not one"),
    "magic-only": (b"GGUF", "is not one"),
    "version-only": (b"GGUF\3\0\0\0", "ends before"),
    "version": (Writer(version=4).file(), "version"),
    "version-0": (Writer(version=0).file(), "version"),
    "counts": (W.file(counts=(0, 1 << 60)), "ends before"),
    "tensor-count": (W.file(counts=(1 << 60, 0)), "ends before"),
    "key-twice": (W.file([ARCHITECTURE, ARCHITECTURE]), "key twice"),
    "empty-key": (W.file([("", U8, 1)]), "empty metadata key"),
    "long-key": (W.file([("k" * 70_000, U8, 1)]), "metadata key of more"),
    "string-past-the-end": (W.file([ARCHITECTURE])[:-1], "ends before"),
    "string-of-any-length": (W.file(counts=(0, 1)) + W.string("k") + W.pack("I", STR) + W.pack("Q", 1 << 63), "ends before"),
    "template-of-any-length": (W.file(counts=(0, 1)) + W.string("tokenizer.chat_template") + W.pack("I", STR) + W.pack("Q", 1 << 63) + b"{{ a }}", "ends before"),
    "array-of-any-length": (W.file(counts=(0, 1)) + W.string("k") + W.pack("I", ARR) + W.pack("I", U8) + W.pack("Q", 1 << 62), "ends before"),
    "strings-of-any-number": (W.file(counts=(0, 1)) + W.string("k") + W.pack("I", ARR) + W.pack("I", STR) + W.pack("Q", 1 << 62), "ends before"),
    "array-type": (W.file(counts=(0, 1)) + W.string("k") + W.pack("I", ARR) + W.pack("I", 77) + W.pack("Q", 1), "array of a type"),
    "value-type": (W.file(counts=(0, 1)) + W.string("k") + W.pack("I", 77), "value of a type"),
    "deep-arrays": (W.file([("k", ARR, (ARR, [(ARR, [(ARR, [(ARR, [(U8, [])])])])]))]), "array of a type"),
    "alignment": (W.file([("general.alignment", U32, 33)]), "power of two"),
    "alignment-0": (W.file([("general.alignment", U32, 0)]), "power of two"),
    "alignment-type": (W.file([("general.alignment", U64, 32)]), "no 32-bit"),
    "tensor-twice": (W.file([], [("a", (8,), 0, 0), ("a", (8,), 0, 32)], bytes(64)), "tensor twice"),
    "five-dimensions": (W.file([], [("a", (1, 1, 1, 1, 1), 0, 0)], bytes(32)), "dimensions"),
    "too-large": (W.file([], [("a", (1 << 40, 1 << 40), 0, 0)], bytes(32)), "too large"),
    "not-aligned": (W.file([], [("a", (8,), 0, 4)], bytes(64)), "not aligned"),
    "no-whole-blocks": (W.file([], [("a", (33,), 2, 0)], bytes(64)), "whole blocks"),
    "overlap": (W.file([], [("a", (16,), 0, 0), ("b", (16,), 0, 32)], bytes(128)), "share bytes"),
    "same-range": (W.file([], [("a", (8,), 0, 0), ("b", (8,), 0, 0)], bytes(32)), "share bytes"),
    "gap": (W.file([], [("a", (8,), 0, 0), ("b", (8,), 0, 64)], bytes(96)), "no tensor"),
    "cut": (W.file([], [("a", (8,), 0, 0)], bytes(31)), "ends before"),
    "behind": (W.file([], [("a", (8,), 0, 0)], bytes(32) + b"x"), "bytes behind"),
    "behind-metadata": (W.file([ARCHITECTURE]) + b"x", "bytes behind"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_GGUF)
def test_bad_gguf(name: str) -> None:
    data, words = BAD_GGUF[name]
    found = judged(data, "model.GGUF")
    assert [(v.kind, v.format) for v in found] == [("malformed", "gguf")]
    assert words in found[0].what


def test_a_pickle_behind_the_tensors_of_gguf_is_found() -> None:
    found = judged(W.file([], [("a", (8,), 0, 0)], bytes(32) + EVIL0))
    assert [v.kind for v in found] == ["malformed", "pickle"]


ATTACK = "{{ lipsum.__globals__['os'].popen('true').read() }}"


@pytest.mark.parametrize(
    "key", ["tokenizer.chat_template", "tokenizer.chat_template.tool_use", "tokenizer.chat_template_rag"]
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_templates_in_gguf_are_judged(key: str, order: str) -> None:
    found = judged(Writer(order).file([ARCHITECTURE, (key, STR, ATTACK), ("a", ARR, (STR, ["x"]))]), "model.gguf")
    assert [(v.kind, v.format) for v in found] == [("code", "gguf")]
    assert found[0].what == "a GGUF model with a chat template that reaches for internals of Python"
    assert found[0].evidence == f"{key}: line 1: '__globals__'"


def test_a_template_in_a_broken_gguf_is_judged() -> None:
    data = W.file([("tokenizer.chat_template", STR, ATTACK)], counts=(0, 5))
    assert kinds(data) == ["code", "malformed"]


def test_a_template_too_long_to_be_looked_into_is_said_to_be() -> None:
    found = judged(W.file([("tokenizer.chat_template", STR, "x" * 200_000)]))
    assert [(v.kind, v.forced) for v in found] == [("opaque", True)]
    many = [(f"tokenizer.chat_template.{i}", STR, f"{{{{ a{i} }}}}") for i in range(100)]
    assert [(v.kind, v.forced) for v in judged(W.file(many))] == [("opaque", True)]


def test_long_vocabularies_are_quick_and_need_little_memory() -> None:
    words = [f"token{i}" for i in range(256_000)]
    data = W.file(
        [
            ARCHITECTURE,
            ("tokenizer.ggml.tokens", ARR, (STR, words)),
            ("tokenizer.ggml.token_type", ARR, (I32, [1] * 1000)),
        ]
    )
    del words
    with within(1):
        assert next(iter(gguf.inspect(scene(data)))) == Said("safe", "gguf", "a GGUF model")
    with keeping_below(4_000_000):
        list(gguf.inspect(scene(data)))


class Endless:
    """Content that repeats itself."""

    def __init__(self, beginning: bytes, repeated: bytes, size: int = 1 << 45) -> None:
        self.size = size
        self.read = 0
        self._beginning, self._repeated = beginning, repeated

    def read_at(self, offset: int, length: int) -> bytes:
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        self.read += length
        first = self._beginning[offset : offset + length]
        if len(first) == length:
            return first
        skip = max(0, offset - len(self._beginning)) % len(self._repeated)
        need = length - len(first)
        return first + (self._repeated * ((need + skip) // len(self._repeated) + 1))[skip : skip + need]


def hostile() -> Iterator[tuple[str, bytes, bytes]]:
    key = W.string("k")
    array = key + W.pack("I", ARR)
    yield "pairs", W.file(counts=(0, 1 << 50)), W.string("a") + W.pack("I", U8) + b"\0"
    yield "empty-strings", W.file(counts=(0, 1)) + array + W.pack("I", STR) + W.pack("Q", 1_999_999), bytes(8)
    yield "many-strings", W.file(counts=(0, 1)) + array + W.pack("I", STR) + W.pack("Q", 1 << 40), bytes(8)
    yield (
        "strings-far-apart",
        W.file(counts=(0, 1)) + array + W.pack("I", STR) + W.pack("Q", 1_999_999),
        W.pack("Q", 9992) + bytes(9992),
    )
    yield (
        "nested",
        W.file(counts=(0, 1)) + array + W.pack("I", ARR) + W.pack("Q", 199_999),
        W.pack("I", U8) + W.pack("Q", 0),
    )
    yield "long-string", W.file(counts=(0, 1)) + key + W.pack("I", STR) + W.pack("Q", 1 << 44), bytes(8)
    yield "zeros", b"GGUF\x03\0\0\0", bytes(8)
    yield "tensors", W.file(counts=(1 << 50, 0)), W.string("t") + W.pack("I", 0) + W.pack("I", 0) + W.pack("Q", 0)


@pytest.mark.parametrize("case", list(hostile()), ids=lambda case: case[0])
def test_hostile_gguf_is_bounded(case: tuple[str, bytes, bytes]) -> None:
    content = Endless(case[1], case[2])
    with within(2.5):
        found = list(gguf.inspect(Scene(content, content.read_at(0, 4096), "", Budget())))
    assert content.read < 600_000_000
    assert {item.kind for item in found if isinstance(item, Said)} <= {"malformed", "opaque", "safe"}


@pytest.mark.parametrize(
    "data",
    [
        file_of({"a": entry(0, 400_000, shape=(100_000,))}, Random(1).randbytes(400_000)),
        W.file([], [("a", (100_000,), 0, 0)], Random(1).randbytes(400_000)),
    ],
    ids=["safetensors", "gguf"],
)
def test_what_is_only_unpacked_in_part_is_not_malformed(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(data)
    assert kinds(packed) == ["safe"]
    assert kinds(gzip.compress(data[:-4])) == ["malformed"]
    monkeypatch.setattr("git_custody.formats.verdicts.UNPACKED_AT_MOST", 0)
    assert kinds(packed) == ["opaque"]


@pytest.mark.parametrize("magic", [b"lmgg", b"fmgg", b"tjgg", b"algg"])
def test_formats_before_gguf_are_told(magic: bytes) -> None:
    data = magic + struct.pack("<8I", 1, 32000, 4096, 256, 32, 32, 128, 2) + bytes(100)
    assert [(v.kind, v.format) for v in judged(data)] == [("safe", "ggml")]
    assert judged(magic + b" is a word") == []
    assert judged(magic + b" is a longer text of several words, and not a model") == []


@FUZZ
@given(
    st.sampled_from([*GOOD.values(), *GOOD_GGUF.values(), index_of({"a": "b.safetensors"})]),
    st.randoms(use_true_random=False),
    st.integers(1, 8),
)
def test_inspectors_never_raise(data: bytes, random: Random, times: int) -> None:
    if len(data) > 20_000:
        data = data[:20_000]
    changed = mutated(data, random, times)
    for name in ("a.safetensors", "a.safetensors.index.json", "a.gguf", ""):
        with within(2):
            items = [*safetensors_header.inspect(scene(changed, name)), *gguf.inspect(scene(changed, name))]
        assert all(isinstance(item, (Said, Member)) for item in items)


@FUZZ
@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    for prefix in (b"", b"GGUF\x03\0\0\0", b"GGUF\0\0\0\x03", len(data).to_bytes(8, "little") + b"{"):
        content = prefix + data
        for name in ("a.safetensors", "a.safetensors.index.json", "a.gguf", ""):
            list(safetensors_header.inspect(scene(content, name)))
            list(gguf.inspect(scene(content, name)))


def test_a_pickle_named_safetensors_is_a_pickle() -> None:
    assert kinds(pickle.dumps({"a": [1, 2, 3]}), "a.safetensors") == ["pickle"]
