"""Graphs of models in binary formats whose parts cost more than they seemed to: they are read as far as is paid for."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import field
from clock import keeping_below
from git_custody.core.content import BytesContent
from git_custody.formats import paddle
from git_custody.formats.paths import leaves_folder
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import Verdict
from test_formats_limits import many

WIDE = "\U0001f600".encode()  # a letter that makes all of a text take four bytes each
Made = tuple[str, bytes]


def judged(name: str, data: bytes) -> tuple[Verdict, ...]:
    return recognise(BytesContent(data), name=name)


class Flat:
    """A flatbuffer: tables of references, each of which is set later, and may be to the same place."""

    def __init__(self, mark: bytes) -> None:
        self.data = bytearray(struct.pack("<L4s", 0, mark))

    def put(self, data: bytes) -> int:
        at = len(self.data)
        self.data += data
        return at

    def table(self, slots: Sequence[int], *values: int) -> int:
        vtable = self.put(struct.pack(f"<HH{len(slots)}H", 4 + 2 * len(slots), 4 + 4 * len(values), *slots))
        self.put(bytes(-len(self.data) % 4))
        at = self.put(struct.pack(f"<l{len(values)}L", 0, *values))
        struct.pack_into("<l", self.data, at, at - vtable)
        return at

    def refer(self, at: int, to: int) -> None:
        struct.pack_into("<L", self.data, at, to - at)

    def vector(self, count: int) -> int:
        return self.put(struct.pack("<L", count) + bytes(4 * count))

    def text(self, text: bytes) -> int:
        return self.put(struct.pack("<L", len(text)) + text)


def tflite(codes: int, name: bytes, options: bytes | None = None) -> bytes:
    """A model whose operators all have one code, and which has one operator where it has options."""
    flat = Flat(b"TFL3")
    model = flat.table((4, 8, 12), 3, 0, 0)
    flat.refer(0, model)
    vector = flat.vector(codes)
    flat.refer(model + 8, vector)
    code = flat.table((4, 8), 32, 0)
    for index in range(codes):
        flat.refer(vector + 4 + 4 * index, code)
    flat.refer(code + 8, flat.text(name))
    graphs = flat.vector(1)
    flat.refer(model + 12, graphs)
    graph = flat.table((0, 0, 0, 4), 0)
    flat.refer(graphs + 4, graph)
    operators = flat.vector(options is not None)
    flat.refer(graph + 4, operators)
    if options is not None:
        operator = flat.table((0, 0, 0, 0, 0, 4), 0)
        flat.refer(operators + 4, operator)
        flat.refer(operator + 4, flat.text(options))
    return bytes(flat.data)


def ort(attributes: int) -> bytes:
    """A model with one operator that calls Python, and with long attributes."""
    flat = Flat(b"ORTM")
    root = flat.table((0, 4), 0)
    model = flat.table((0,) * 7 + (4,), 0)
    graph = flat.table((0, 0, 4), 0)
    nodes = flat.vector(1)
    node = flat.table((0, 0, 4, 0, 0, 8, 0, 0, 0, 0, 12), 0, 0, 0)
    for at, to in ((0, root), (root + 4, model), (model + 4, graph), (graph + 4, nodes), (nodes + 4, node)):
        flat.refer(at, to)
    flat.refer(node + 4, flat.text(b"x"))
    flat.refer(node + 8, flat.text(b"PyOp"))
    vector = flat.vector(attributes)
    flat.refer(node + 12, vector)
    places = []
    for index in range(attributes):
        attribute = flat.table((4, 0, 0, 0, 0, 8), 0, 0)
        flat.refer(vector + 4 + 4 * index, attribute)
        places.append(attribute)
    texts = [flat.text(WIDE + b"%d" % index + bytes(4_000)) for index in range(500)]
    for index, attribute in enumerate(places):
        flat.refer(attribute + 4, texts[index % 500])
        flat.refer(attribute + 8, texts[index * 7 % 500])
    return bytes(flat.data)


def core_ml(body: bytes) -> bytes:
    return field(1, 4) + field(2, b"") + body


def onnx(graph: bytes, functions: bytes = b"") -> bytes:
    return field(1, 8) + field(7, graph + field(2, b"g")) + functions


def program(names: int) -> bytes:
    operators = (field(4, field(3, b"a" * 4_080 + b"%06d" % number)) for number in range(names))
    return field(1, field(1, 0) + field(2, 0) + b"".join(operators))


PIR = paddle.PIR_MARK
LINKED = field(1, field(1, field(1, b"a:" * 2_048)))
TOO_MUCH: dict[str, Callable[[], Made]] = {
    "paths in linked models": lambda: ("a.zip", many(core_ml(field(556, LINKED * 2_000)), 10, "{}.mlmodel")),
    "texts that are no UTF-8": lambda: (
        "a.zip",
        many(onnx(field(1, field(4, b"\xff" * 4_096) + field(7, b"\xff" * 4_096)) * 1_000), 12),
    ),
    "functions": lambda: ("a.onnx", onnx(b"", b"".join(field(25, field(1, b"%d" % n)) for n in range(20_001)))),
    "long names of functions": lambda: (
        "a.onnx",
        onnx(b"", b"".join(field(25, field(1, b"%d" % n + b"a" * 190)) for n in range(9_000))),
    ),
    "configurations of objects": lambda: (
        "keras_metadata.pb",
        field(1, field(2, 1) + field(4, b"_tf_keras_") + field(5, b"{}")) * 100_000,
    ),
    "letters of Paddle": lambda: ("a.zip", many(PIR + b"a" * 8_000_000, 12)),
    "backslashes of Paddle": lambda: ("a.zip", many(PIR + b"\\\\" * 2_000_000, 6)),
    "codes of operators": lambda: ("a.tflite", tflite(10_001, b"a")),
    "options of operators": lambda: ("a.zip", many(tflite(1, b"FlexAdd", b"e" * 4_000_000), 4)),
    "names of attributes": lambda: ("a.ort", ort(20_000)),
}


@pytest.mark.parametrize("kind", TOO_MUCH)
def test_parts_are_paid_for(kind: str) -> None:
    found = judged(*TOO_MUCH[kind]())
    assert ("opaque", True) in [(verdict.kind, verdict.forced) for verdict in found]
    assert {verdict.kind for verdict in found} <= {"opaque"}


MOST_MEMORY = 24 * 1024 * 1024
LARGE: dict[str, Callable[[], Made]] = {
    "operators of ONNX": lambda: (
        "a.onnx",
        onnx(b"".join(field(1, field(4, b"a" * 100 + b"%d" % n) + field(7, WIDE + b"b" * 80)) for n in range(19_000))),
    ),
    "attributes of an operator": lambda: (
        "a.onnx",
        onnx(field(1, b"".join(field(5, field(1, b"%d" % n)) for n in range(90_000)) + field(4, b"PyOp"))),
    ),
    "operators of Paddle": lambda: ("a.pdmodel", program(9_000)),
    "operators of TensorFlow Lite": lambda: ("a.tflite", tflite(60_000, WIDE + b"a" * 300)),
    "attributes of ONNX Runtime": lambda: ("a.ort", ort(8_000)),
}


@pytest.mark.parametrize("kind", LARGE)
def test_names_take_little_memory(kind: str) -> None:
    name, data = LARGE[kind]()
    judged(name, data[:4096])  # what has to be imported
    with keeping_below(MOST_MEMORY):
        judged(name, data)


def test_what_an_operator_calls_is_found_among_many_attributes() -> None:
    others = b"".join(field(5, field(1, b"%d" % number)) for number in range(1_000))
    called = field(5, field(1, b"module") + field(4, b"evil")) + field(5, field(1, b"class_name") + field(4, b"Gadget"))
    (found,) = judged("a.onnx", onnx(field(1, others + called + field(4, b"PyOp") + field(7, b"x"))))
    assert (found.kind, found.calls) == ("code", "evil.Gadget")


def old_leaves_folder(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return parts[0] == "" or ".." in parts or parts[0][1:2] == ":" or "\0" in path


@given(st.text("./\\:a\0", max_size=8))
@settings(max_examples=2000)
def test_paths_leave_a_folder_as_before(path: str) -> None:
    assert leaves_folder(path) == old_leaves_folder(path)


OLD_ESCAPED_LETTER = re.compile(rb"(?<!\\)(?:\\\\)*\\u00(?:[2-6]|7[0-9A-Ea-e])")


@given(st.lists(st.sampled_from([b"\\", b"\\\\", b"u00", b"\\u00", b"4", b"7", b"e", b"f", b"a"]), max_size=10))
@settings(max_examples=2000)
def test_escaped_letters_are_found_as_before(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    assert bool(paddle.ESCAPED_LETTER.search(text)) == bool(OLD_ESCAPED_LETTER.search(text))
