"""Graphs of operators: ONNX, TensorFlow, TensorFlow Lite, Core ML, OpenVINO, PaddlePaddle, ExecuTorch, TensorRT."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import field, onnx, saved_model, varint
from clock import within
from git_custody.core.content import BytesContent, Content
from git_custody.formats import protobuf, tensorflow_graph
from git_custody.formats.paths import leaves_folder
from git_custody.formats.protobuf import BYTES, FIXED32, FIXED64, VARINT, Reader
from git_custody.formats.reading import BrokenError, TooMuchError
from git_custody.formats.recognise import recognise
from git_custody.formats.tensorflow_operations import KNOWN
from git_custody.formats.verdicts import Budget, Verdict

QUICK = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
GIGABYTE = 1 << 30


def judged(data: bytes, name: str = "") -> list[Verdict]:
    return list(recognise(BytesContent(data), name=name))


def said(data: bytes, name: str = "") -> list[tuple[str, str]]:
    return [(verdict.kind, verdict.format) for verdict in judged(data, name)]


class Padded:
    """`data`, with a long run of zeros in it at `gap`; counts the bytes read."""

    def __init__(self, data: bytes, gap: int, length: int) -> None:
        self.size = len(data) + length
        self.read = 0
        self._before, self._after, self._resumes = data[:gap], data[gap:], gap + length

    def read_at(self, offset: int, length: int) -> bytes:
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        self.read += length
        end = offset + length
        zeros = bytes(max(0, min(end, self._resumes) - max(offset, len(self._before))))
        start = max(0, offset - self._resumes)
        return (
            self._before[offset:end]
            + zeros
            + (self._after[start : end - self._resumes] if end > self._resumes else b"")
        )


# The wire format


def fields(data: bytes) -> list[tuple[int, int, int, int]]:
    return list(Reader(BytesContent(data), Budget()).fields())


def test_every_wire_type_is_read() -> None:
    data = (
        field(1, 300) + field(2, "text") + b"\x1d1234" + b"\x2112345678" + b"\x2b\x08\x01\x2b\x2c\x2c" + field(900, 1)
    )
    assert fields(data) == [
        (1, VARINT, 300, 3),
        (2, BYTES, 5, 9),
        (3, FIXED32, 10, 14),
        (4, FIXED64, 15, 23),
        (900, VARINT, 1, 32),
    ]


@pytest.mark.parametrize(
    "data",
    [b"\x08", b"\x08\x80", b"\x0a\x05abc", b"\x08" + b"\xff" * 10, b"\x0d123", b"\x09123", b"\x0e", b"\x0f",
     b"\x0b\x08\x01", b"\x0c", b"\x0b\x14", b"\xff\xff\xff\xff\xff\x0f\x00", b"\x0b" * 200 + b"\x0c" * 200],
)  # fmt: skip
def test_what_is_no_message_is_broken(data: bytes) -> None:
    with pytest.raises(BrokenError):
        fields(data)
    with pytest.raises(BrokenError):
        list(Reader(BytesContent(data + b"\x08\x01"), Budget()).fields(0, len(data)))


def test_the_last_of_several_strings_counts() -> None:
    data = field(1, "a") + field(2, "b") + field(1, "c") + field(3, 5)
    assert Reader(BytesContent(data), Budget()).strings(0, len(data), 2, 1, 3, 4) == ["b", "c", "", ""]


def test_the_budget_of_fields_is_kept() -> None:
    with pytest.raises(TooMuchError):
        fields(b"\x08\x01" * (protobuf.FIELDS_AT_MOST + 100))


VALUES = st.one_of(st.integers(0, (1 << 64) - 1), st.binary(max_size=200), st.binary(min_size=5_000, max_size=9_000))


@QUICK
@given(st.lists(st.tuples(st.integers(1, (1 << 29) - 1), VALUES), max_size=60), st.binary(max_size=3))
def test_what_was_written_is_read(written: list[tuple[int, int | bytes]], tail: bytes) -> None:
    data = b"".join(field(number, value) for number, value in written)
    whole = Reader(BytesContent(data), Budget())
    part = Reader(BytesContent(field(1, data) + tail), Budget())
    begin = len(field(1, data)) - len(data)
    for reader, start, end in ((whole, 0, None), (part, begin, begin + len(data))):
        read: list[tuple[int, int | bytes]] = []
        for number, kind, value, stop in reader.fields(start, end):
            read.append((number, value if kind == VARINT else data[value - start : stop - start]))
            assert list(reader.fields(stop, stop)) == []  # another message, read in between
        assert read == written


def test_paths_that_leave_the_folder() -> None:
    for path in ("/a", "\\a", "../a", "a/../b", "..\\a", "a\\..\\b", "C:/a", "c:a", "//host/a", "a\0b", ".."):
        assert leaves_folder(path), path
    for path in ("a", "a/b", "./a", "a\\b", "a..b/c", "...", "a.b"):
        assert not leaves_folder(path), path


# ONNX


def model(graph: bytes, *more: bytes) -> bytes:
    return field(1, 8) + field(7, graph + field(2, "g")) + b"".join(more) + field(8, field(1, "") + field(2, 17))


def node(op: str = "Relu", domain: str = "", *attributes: bytes) -> bytes:
    parts = field(1, "x") + field(2, "y") + field(4, op) + b"".join(field(5, attribute) for attribute in attributes)
    return field(1, parts + (field(7, domain) if domain else b""))


def tensor(location: str = "w.bin", **keys: str) -> bytes:
    entries = {"location": location, **keys}
    external = b"".join(field(13, field(1, key) + field(2, value)) for key, value in entries.items())
    return field(1, 4) + field(2, 1) + field(8, "w") + external + field(14, 1)


@pytest.mark.parametrize("domain", ["", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training"])
def test_operators_of_the_standard_are_fine(domain: str) -> None:
    assert said(onnx("Op", domain), "m.onnx") == said(onnx("Op", domain), "m.bin") == [("safe", "onnx")]


@pytest.mark.parametrize("domain", ["com.microsoft", "my.own.domain", "AI.ONNX", "ai.onnx.contrib", " ", "ai.onnx\0"])
def test_operators_of_other_domains_are_a_format_of_their_own(domain: str) -> None:
    assert said(onnx("Op", domain), "m.onnx") == said(onnx("Op", domain)) == [("safe", "onnx-custom-ops")]
    assert judged(onnx("Op", domain))[0].evidence == f"operator 'Op' of domain {domain!r}"


def test_operators_of_other_domains_are_found_wherever_nodes_are() -> None:
    graph = node("Mine", "my.domain") + field(2, "g")
    function = field(25, field(1, "F") + field(10, "other") + field(7, node("Mine", "my.domain")[2:]))
    for data in (
        model(node("If", "", field(1, "then_branch") + field(6, graph))),
        model(node("If", "", field(11, graph) + field(11, graph))),
        model(node(), function),
        model(node(), field(25, field(1, "F") + field(11, field(1, "a") + field(6, graph)))),
        model(node(), field(20, field(1, graph))),
        model(node(), field(20, field(2, graph))),
        model(node(), field(7, graph)),  # a second graph adds to the first
    ):
        assert said(data, "m.onnx") == [("safe", "onnx-custom-ops")]


def test_functions_of_the_model_itself_are_fine() -> None:
    function = field(25, field(1, "Twice") + field(10, "my.domain") + field(7, node("Add")[2:]))
    assert said(model(node("Twice", "my.domain"), function)) == [("safe", "onnx")]
    assert said(model(node("Other", "my.domain"), function)) == [("safe", "onnx-custom-ops")]


def test_python_operators_are_code() -> None:
    attributes = (field(1, "module") + field(4, "shop.layers"), field(1, "class_name") + field(4, "Discount"))
    verdict = judged(model(node("PyOp", "pyopmulti_1", *attributes)), "m.onnx")[0]
    assert (verdict.kind, verdict.calls) == ("code", "shop.layers.Discount")
    verdict = judged(model(node("PythonOp", "com.microsoft", field(1, "func_name") + field(4, "a.B"))))[0]
    assert (verdict.kind, verdict.calls) == ("code", "a.B")
    assert said(onnx("PyOp", "")) == [("safe", "onnx")]  # no such operator there: it cannot be loaded


@pytest.mark.parametrize(
    "location", ["../w", "/etc/passwd", "a/../../w", "..\\w", "C:\\w", "C:w", "\\\\host\\w", "", "*/_ORT_MEM_ADDR_/*"]
)
def test_weights_outside_of_the_folder_are_refused(location: str) -> None:
    weights = tensor(location)
    sparse = field(1, weights)
    for graph in (
        field(5, weights),
        field(15, sparse),
        field(15, field(2, weights)),
        node("Constant", "", field(5, weights)),
        node("Constant", "", field(10, weights)),
        node("Constant", "", field(22, sparse)),
        node("Constant", "", field(23, sparse)),
        node("If", "", field(6, field(5, weights))),
    ):
        verdicts = judged(model(node() + graph), "m.onnx")
        assert [(verdict.kind, verdict.format) for verdict in verdicts] == [("malformed", "onnx")]
        assert verdicts[0].what == "an ONNX model that refers to a file outside of its folder"
        assert verdicts[0].evidence == f"external data of tensor 'w': location {location!r}"


@pytest.mark.parametrize("keys", [{"offset": "-1"}, {"length": "-4096"}, {"offset": "0x10"}, {"length": ""}])
def test_offsets_that_are_none_are_refused(keys: dict[str, str]) -> None:
    assert said(model(node() + field(5, tensor(**keys))), "m.onnx") == [("malformed", "onnx")]


@pytest.mark.parametrize("location", ["w.bin", "weights/w.bin", "weights\\w.bin", "./w", "w..bin"])
def test_weights_in_the_folder_are_fine(location: str) -> None:
    weights = tensor(location, offset="4096", length="64", checksum="ab", basepath="x")
    assert said(model(node() + field(5, weights)), "m.onnx") == [("safe", "onnx")]


def test_what_is_named_onnx_has_to_be_onnx() -> None:
    whole = onnx()
    for data in (b"<html>404</html>", b"PK", whole[:-1], whole + b"\xff", b"\x08\x01", whole[:40], bytes(100)):
        assert said(data, "a/model.ONNX") == [("malformed", "onnx")]
        assert said(data) == []
    assert said(field(99, 1) + whole, "m.onnx") == [("safe", "onnx")]  # fields that are not known yet
    assert said(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n", "m.onnx") == []


def test_damage_inside_is_seen() -> None:
    assert said(model(field(1, b"\x0a\x20ab"))) == [("malformed", "onnx")]


def test_a_deep_graph_ends() -> None:
    graph = node() + field(2, "g")
    for _ in range(150):
        graph = node("If", "", field(6, graph)) + field(2, "g")
    assert said(model(graph)) == [("malformed", "onnx")]


def test_weights_are_stepped_over() -> None:
    length = GIGABYTE
    weights = field(1, 1 << 28) + field(2, 1) + field(8, "w") + varint(9 << 3 | BYTES) + varint(length)
    initializer = varint(5 << 3 | BYTES) + varint(len(weights) + length) + weights
    graph = node() + field(2, "g")
    start = field(1, 8) + varint(7 << 3 | BYTES) + varint(len(graph) + len(initializer) + length) + graph + initializer
    content = Padded(start + field(8, field(2, 17)) + field(14, b""), len(start), length)
    assert [verdict.format for verdict in recognise(content, name="m.onnx")] == ["onnx"]
    assert content.read < 1024 * 1024


# TensorFlow


def tf_node(name: str, operation: str, *attributes: bytes) -> bytes:
    return field(1, name) + field(2, operation) + field(3, "in:0") + b"".join(field(5, each) for each in attributes)


def graph_def(*operations: str, functions: dict[str, tuple[str, ...]] | None = None) -> bytes:
    nodes = b"".join(field(1, tf_node(f"node_{at}", operation)) for at, operation in enumerate(operations))
    library = b"".join(
        field(1, field(1, field(1, name)) + b"".join(field(3, tf_node("n", operation)) for operation in inside))
        for name, inside in (functions or {}).items()
    )
    return nodes + (field(2, library) if functions else b"") + field(4, field(1, 1087))


def meta_graph(graph: bytes, *more: bytes) -> bytes:
    operations = field(1, field(1, "Const") + field(3, field(1, "output") + field(4, "dtype")))
    return field(1, field(2, operations) + field(5, "2.21.0")) + field(2, graph) + b"".join(more)


FORMS: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "frozen": (lambda graph: graph, "frozen.pb", "tf-graph"),
    "renamed": (lambda graph: graph, "model.bin", "tf-graph"),
    "meta": (meta_graph, "model.ckpt.meta", "tf-graph"),
    "saved": (lambda graph: field(1, 1) + field(2, meta_graph(graph)), "m/saved_model.pb", "tf-savedmodel"),
    "saved and renamed": (lambda graph: field(1, 1) + field(2, meta_graph(graph)), "model", "tf-savedmodel"),
    "saved in another order": (
        lambda graph: field(2, field(2, graph)) + field(1, 1),
        "saved_model.pb",
        "tf-savedmodel",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_operations_that_reach_out_are_code(form: str) -> None:
    wrap, name, known = FORMS[form]
    assert said(wrap(graph_def("Placeholder", "Const", "MatMul", "SaveV2", "RestoreV2", "Assert")), name) == [
        ("safe", known)
    ]
    for graph in (
        graph_def("Const", "ReadFile"),
        graph_def("ReadFile"),
        graph_def("PartitionedCall", functions={"f": ("Const", "ReadFile")}),
        graph_def("Const", "f", functions={"f": ("MyOwnOp", "ReadFile")}),
        graph_def(*["MatMul"] * 500, "ReadFile"),
        graph_def(*["f"] * 20, functions={"f": ("ReadFile",)}),
    ):
        verdicts = judged(wrap(graph), name)
        assert [(verdict.kind, verdict.format) for verdict in verdicts] == [("code", known)]
        assert verdicts[0].calls == "tensorflow.raw_ops.ReadFile"
        assert verdicts[0].what.endswith("with the operation ReadFile, which reads files")


@pytest.mark.parametrize("operation", sorted(tensorflow_graph.DANGEROUS))
def test_each_operation_that_reaches_out_is_told(operation: str) -> None:
    verdict = judged(saved_model(operation), "saved_model.pb")[0]
    assert (verdict.kind, verdict.calls) == ("code", f"tensorflow.raw_ops.{operation}")
    assert verdict.evidence == "node 'n'"
    assert operation not in KNOWN


def test_operations_that_are_not_tensorflows_are_a_format_of_their_own() -> None:
    assert said(graph_def("Const", "SentencepieceOp"), "a.pb") == [("safe", "tf-custom-ops")]
    assert judged(saved_model("SentencepieceOp"))[0].evidence == "operation 'SentencepieceOp'"
    assert said(graph_def("Const", "f", functions={"f": ("Abs",)}), "a.pb") == [("safe", "tf-graph")]


def test_a_library_before_the_nodes_is_read() -> None:
    function = field(1, field(1, field(1, "f")) + field(3, tf_node("n", "WriteFile")))
    assert said(field(2, function) + graph_def("Const")) == [("code", "tf-graph")]


def test_printing_to_a_file_is_code() -> None:
    for stream, kind in (("stderr", "safe"), ("file:///tmp/x", "code"), ("log(info)", "safe")):
        attribute = field(1, "output_stream") + field(2, field(2, stream))
        graph = field(1, tf_node("a", "Const")) + field(1, tf_node("p", "PrintV2", attribute))
        assert said(graph, "g.pb") == [(kind, "tf-graph")]


def test_a_graph_as_text_is_read() -> None:
    text = 'node {{\n  name: "a"\n  op: "Const"\n}}\nnode {{\n  name: "b"\n  {} }}\n'
    for operation in (
        'op: "ReadFile"', "op:'ReadFile'", 'op : "Read" "File"', 'op: "\\x52eadFile"', 'op: "\\122ead"\n  \'File\'',
        'op # a comment\n : # "another"\n "ReadFile"', 'op:"Read\\File"',
    ):  # fmt: skip
        assert said(text.format(operation).encode(), "graph.pbtxt") == [("code", "tf-graph")], operation
        assert said(text.format(operation).encode(), "m/saved_model.pbtxt") == [("code", "tf-savedmodel")]
    assert said(text.format('op: "MatMul"').encode(), "graph.pbtxt") == [("safe", "tf-graph")]
    assert said(text.format('op: "PrintV2" attr { value { s: "f\\151le:///x" } }').encode(), "a.pbtxt") == [
        ("code", "tf-graph")
    ]
    assert said(text.format('stop: "ReadFile"').encode(), "graph.pbtxt") == [("safe", "tf-graph")]
    assert said(b'item {\n  id: 1\n  name: "cat"\n}\n', "label_map.pbtxt") == []
    assert said(b'name: "resnet"\nplatform: "onnxruntime_onnx"\n', "config.pbtxt") == []


def test_a_saved_model_in_chunks_cannot_be_looked_into() -> None:
    assert said(b"\x83\xaf\x70\xd1\x0d\x88\x4a\x3f" * 4, "m/saved_model.cpb") == [("opaque", "tf-savedmodel")]


def test_a_packed_graph_is_unpacked() -> None:
    weights = field(5, field(1, "value") + field(2, field(8, field(4, bytes(3_000_000)))))
    graph = (
        field(1, tf_node("c", "Const") + weights)
        + field(1, tf_node("n", "ReadFile"))
        + field(1, tf_node("c", "Const") + weights)
    )
    for name in ("m.pb.gz", "m"):
        assert said(gzip.compress(graph, 1), name) == [("code", "tf-graph")]
    assert said(gzip.compress(field(1, 1) + field(2, meta_graph(graph)), 1), "m/saved_model.pb.gz") == [
        ("code", "tf-savedmodel")
    ]


def test_what_is_named_saved_model_has_to_be_one() -> None:
    whole = saved_model("Abs")
    for data in (b"text", whole[:-3], b"\x08\x01", whole + b"\x07"):
        for name in ("m/saved_model.pb", "saved_model.pb", "m\\Saved_Model.pb"):
            assert said(data, name) == [("malformed", "tf-savedmodel")]
    assert said(field(50, 7) + whole + b"\x9b\x06\x9c\x06", "m/saved_model.pb") == [("safe", "tf-savedmodel")]
    assert said(b"version https://git-lfs.github.com/spec/v1\n", "m/saved_model.pb") == []
    assert said(graph_def("Const"), "m/my_saved_model.pb") == [("safe", "tf-graph")]
    assert said(b"text", "m/my_saved_model.pb") == said(b"text", "my_keras_metadata.pb") == []


@pytest.mark.parametrize(
    "data",
    [
        b"".join(
            field(1, field(1, f"a{at}.proto") + field(2, "google.protobuf") + field(4, field(1, "M")))
            for at in range(40)
        ),
        b"".join(field(1, field(1, f"piece{at}") + b"\x15\0\0\0\0" + field(3, 2)) for at in range(40)),
        field(1, field(1, field(1, "feature") + field(2, field(1, field(1, "value"))))),
        field(1, field(1, "node") + field(2, "FlowLimiterCalculator") + field(3, "input_video")),
        b"\n" * 500,
        b"\n\n# A title\n\nAnd a text.\n" * 20,
        b'"id","Const"\n"1","Const"\n' * 20,
        field(1, field(1, "a") + field(2, "const")),
    ],
)
def test_other_messages_are_left_alone(data: bytes) -> None:
    for name in ("a.pb", "a.meta", "a.txt", "a.pdmodel.bak"):
        assert said(data, name) == []


def keras_layer(**config: Any) -> str:
    return json.dumps({"name": "l", "trainable": True, "class_name": "Lambda", "config": {"name": "l", **config}})


LAMBDA = keras_layer(function={"class_name": "__tuple__", "items": ["4wEAAAAA\n", None, None]}, function_type="lambda")
DENSE = json.dumps({"class_name": "Dense", "config": {"name": "d", "units": 1, "activation": "relu"}})


def test_lambda_layers_of_a_saved_model_are_code() -> None:
    for configuration, expected in ((LAMBDA, [("code", "keras")]), (DENSE, [])):
        saved = field(1, field(2, 1) + field(3, "root.layer-0") + field(4, "_tf_keras_layer") + field(5, configuration))
        assert said(saved, "m/keras_metadata.pb") == expected
        objects = field(1, field(4, field(1, "_tf_keras_layer") + field(3, configuration)))
        data = field(1, 1) + field(2, meta_graph(graph_def("Const"), field(7, objects)))
        assert said(data, "m/saved_model.pb") == (expected or [("safe", "tf-savedmodel")])
    assert said(saved[:-1], "m/keras_metadata.pb") == [("malformed", "tf-keras-metadata")]


# TensorFlow Lite and other flatbuffers

Table = list[Any]


def flat(mark: bytes, root: Table) -> bytearray:
    """A flatbuffer. A field is None, a number (4 bytes), a float (8 bytes), text or bytes, a table, or a list of tables.

    A table inside is a tuple of its fields.
    """
    data = bytearray(struct.pack("<I4s", 0, mark))

    def write(fields: Table) -> int:
        sizes = [0 if value is None else 8 if isinstance(value, float) else 4 for value in fields]
        offsets = [4 + sum(sizes[:at]) if size else 0 for at, size in enumerate(sizes)]
        vtable = len(data)
        data.extend(struct.pack(f"<HH{len(fields)}H", 4 + 2 * len(fields), 4 + sum(sizes), *offsets))
        table = len(data)
        data.extend(struct.pack("<i", table - vtable) + bytes(sum(sizes)))
        for value, offset in zip(fields, offsets, strict=True):
            at = table + offset
            if isinstance(value, float):
                struct.pack_into("<Q", data, at, int(value))
            elif isinstance(value, int):
                struct.pack_into("<I", data, at, value & 0xFFFF_FFFF)
            elif isinstance(value, tuple):
                struct.pack_into("<I", data, at, write(list(value)) - at)
            elif value is not None:
                struct.pack_into("<I", data, at, len(data) - at)
                items = value.encode() if isinstance(value, str) else value
                data.extend(struct.pack("<I", len(items)))
                if isinstance(items, bytes):
                    data.extend(items + b"\0")
                    continue
                first = len(data)
                data.extend(bytes(4 * len(items)))
                for number, item in enumerate(items):
                    slot = first + 4 * number
                    struct.pack_into("<I", data, slot, write(item) - slot)
        return table

    struct.pack_into("<I", data, 0, write(root))
    return data


def tflite(
    codes: list[Table], operators: list[Table] | None = None, buffers: list[Table] | None = None, version: int = 3
) -> bytes:
    subgraph: Table = [None, None, None, [[0]] if operators is None else operators, "main"]
    return bytes(flat(b"TFL3", [version, codes, [subgraph], "made by hand", buffers or [[], [bytes(40)]]]))


ADD: Table = [0, None, 1, 0]
OPTIONS = 5


def operator(code: int, options: bytes) -> Table:
    return [code, None, None, None, None, options]


def node_def(operation: str) -> bytes:
    """The options of a Flex operator: a flexbuffer of a name and a NodeDef."""
    message = field(2, operation) + field(3, "")
    return bytes([len(operation)]) + operation.encode() + b"\0" + bytes([len(message)]) + message + b"\0\0\x02\x14\x14"


def test_operators_of_tensorflow_lite_are_fine() -> None:
    for data in (tflite([ADD]), tflite([ADD, [127, "ignored", 1, 150]], [[0], [1]]), tflite([[-56, None, 1, 0]])):
        assert said(data, "m.tflite") == said(data, "model") == [("safe", "tflite")]


@pytest.mark.parametrize(
    "code", [[32, "Mine", 1, 32], [32, "Mine"], [0, "Mine", 1, 32], [-56, "Mine", 1, 32], [32, "Mine", 1, -5]]
)
def test_custom_operators_are_a_format_of_their_own(code: Table) -> None:
    assert said(tflite([ADD, code])) == [("safe", "tflite-custom-ops")]
    assert judged(tflite([ADD, code]))[0].evidence == "operator 'Mine'"


def test_flex_operators_are_told_by_the_operation_that_they_run() -> None:
    code = [32, "FlexErf", 1, 32]
    assert said(tflite([code], [operator(0, node_def("Erf"))])) == [("safe", "tflite-custom-ops")]
    verdict = judged(tflite([ADD, code], [[0], operator(1, node_def("WriteFile"))]), "m.tflite")[0]
    assert (verdict.kind, verdict.format, verdict.calls) == (
        "code",
        "tflite-custom-ops",
        "tensorflow.raw_ops.WriteFile",
    )
    printing = field(2, "PrintV2") + field(5, field(1, "output_stream") + field(2, field(2, "file:///x")))
    assert said(tflite([code], [operator(0, printing)])) == [("code", "tflite-custom-ops")]
    away: Table = [0, *[None] * 8, 0.0, 0.0]
    data = bytearray(tflite([code], [away]))
    behind = len(data)
    data += node_def("ReadFile")
    away[9:11] = [float(behind), float(len(data) - behind)]
    data[:behind] = tflite([code], [away])
    assert said(bytes(data)) == [("code", "tflite-custom-ops")]


def test_a_damaged_model_is_told() -> None:
    whole = tflite([ADD])
    elsewhere: Table = [None, 1e9, 100.0]
    for data in (
        tflite([ADD], version=2),
        tflite([ADD], [[1]]),
        tflite([ADD], buffers=[elsewhere]),
        whole[:-60],
        bytes(flat(b"TFL3", [3, [ADD]])),
        whole.replace(struct.pack("<I", 40), struct.pack("<I", 4_000_000_000)),
    ):
        assert said(data, "m.tflite") == [("malformed", "tflite")]
    assert said(b"See TFL3 for the marks of this format, which are not these.") == []


def test_buffers_behind_the_flatbuffer_are_not_read() -> None:
    start = tflite([ADD], buffers=[[], [None, 4096.0, float(GIGABYTE)]])
    content = Padded(start, len(start), GIGABYTE + 4096)
    assert [verdict.kind for verdict in recognise(content, name="m.tflite")] == ["safe"]
    assert content.read < 1024 * 1024


def ort(*nodes: Table) -> bytes:
    graph = (None, None, list(nodes))
    return bytes(flat(b"ORTM", ["1.32", (*[None] * 7, graph)]))


def test_models_of_onnx_runtime_are_told_by_their_operators() -> None:
    plain: Table = ["n", None, "ai.onnx", 1, 0, "Relu"]
    mine: Table = ["n", None, "my.domain", 1, 0, "Mine"]
    inner = (None, None, [mine])
    branch: Table = ["then_branch", None, 5, None, None, None, None, inner]
    branches: Table = ["branches", None, 10, *[None] * 9, [list(inner)]]
    attributes: Table = [["module", None, None, None, None, "shop"], ["class_name", None, None, None, None, "Discount"]]
    python: Table = ["n", None, "x", 1, 0, "PyOp", None, None, None, None, attributes]
    assert said(ort(plain), "m.ort") == said(ort(plain)) == [("safe", "ort")]
    assert said(ort(plain, mine)) == [("safe", "onnx-custom-ops")]
    for attribute in (branch, branches):
        assert said(ort([*plain, None, None, None, None, [attribute]])) == [("safe", "onnx-custom-ops")]
    verdict = judged(ort(plain, python), "m.ort")[0]
    assert (verdict.kind, verdict.format, verdict.calls) == ("code", "onnx-custom-ops", "shop.Discount")
    assert said(ort(plain)[:-30]) == [("malformed", "ort")]
    assert said(bytes(flat(b"ORTM", ["1.32"]))) == [("malformed", "ort")]


def test_executorch_programs_are_code() -> None:
    delegate: Table = ["XnnpackBackend"]
    plan: Table = ["forward", None, None, None, None, None, None, [delegate]]
    verdict = judged(bytes(flat(b"ET12", [0, [plan]])), "m.bin")[0]
    assert (verdict.kind, verdict.format, verdict.evidence) == ("code", "executorch", "delegates: XnnpackBackend")
    assert said(bytes(flat(b"BP08", [0, None, b"ET12"]))) == [("code", "executorch")]
    assert said(bytes(flat(b"ET12", [0, [plan]]))[:60]) == [("malformed", "executorch")]
    for text in (b"The ET12 is a spectrograph.", b"\0\0\0\0ETXX" + bytes(40), b"\xff\xff\xff\x7fET12" + bytes(40)):
        assert said(text) == []


def test_tensorrt_engines_are_code() -> None:
    engine = b"ftrt" + bytes(4) + b"\x01\0\0\0" * 20
    about = json.dumps({"stride": 32, "names": {"0": "person"}}).encode()
    for data in (engine, b"ptrt\x42\0\0\0" + bytes(40), struct.pack("<I", len(about)) + about + engine):
        for name in ("m.engine", "m.plan", "m.trt", "m.bin"):
            assert said(data, name) == [("code", "tensorrt")]
    for data in (b"ftrt is a tag", b"ftrt", struct.pack("<I", len(about)) + about, b"\xff\xff\xff\xff{" + bytes(40)):
        assert said(data, "m.engine") == []


# Core ML

FEATURE = field(1, field(1, "x") + field(3, field(5, field(1, 4))))


def mlmodel(kind: int, content: bytes, description: bytes = FEATURE) -> bytes:
    return field(1, 7) + field(2, description) + field(kind, content)


def network(*layers: bytes) -> bytes:
    return b"".join(field(1, field(1, "layer") + field(2, "x") + field(3, "y") + layer) for layer in layers)


def program(*operations: bytes) -> bytes:
    block = field(2, "out") + b"".join(field(3, operation) for operation in operations)
    function = field(2, "CoreML6") + field(3, field(1, "CoreML6") + field(2, block))
    return field(1, 1) + field(2, field(1, "main") + field(2, function))


def value_in(file: str) -> bytes:
    return field(2, field(5, field(1, file) + field(2, 64)))


DENSE_LAYER = field(140, field(1, 4))
CUSTOM_LAYER = field(500, field(10, "MyLayer"))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (500, network(DENSE_LAYER)),
        (303, network(field(615, field(3, network(DENSE_LAYER)) + field(4, network(DENSE_LAYER))))),
        (402, field(1, b"")),
        (202, field(1, mlmodel(500, network(DENSE_LAYER))) + field(2, "a")),
        (502, program(field(1, "relu"), field(1, "const") + field(5, field(1, "val") + value_in("@model_path/weights/weight.bin")))),
        (2000, field(1, 1)),
    ],
)  # fmt: skip
def test_core_ml_without_custom_parts_is_fine(kind: int, content: bytes) -> None:
    data = mlmodel(kind, content)
    assert said(data, "Data/com.apple.CoreML/model.mlmodel") == said(data) == [("safe", "coreml")]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (500, network(DENSE_LAYER, CUSTOM_LAYER)),
        (403, network(CUSTOM_LAYER)),
        (303, network(field(605, field(1, network(DENSE_LAYER)) + field(2, network(CUSTOM_LAYER))))),
        (500, network(field(615, field(4, network(CUSTOM_LAYER))))),
        (555, field(10, "MyModel")),
        (202, field(1, mlmodel(555, field(10, "MyModel")))),
        (200, field(1, field(1, mlmodel(500, network(CUSTOM_LAYER))))),
        (201, field(1, field(1, mlmodel(202, field(1, mlmodel(555, field(10, "M"))))))),
        (502, program(field(1, "add"), field(1, "custom_layer"))),
        (502, program(field(1, "while_loop") + field(4, field(3, field(1, "custom_layer"))))),
    ],
)
def test_custom_parts_are_a_format_of_their_own(kind: int, content: bytes) -> None:
    assert said(mlmodel(kind, content), "m.mlmodel") == said(mlmodel(kind, content)) == [("safe", "coreml-custom")]


def linked(name: str, search: str = ".") -> bytes:
    return field(1, 4) + field(556, field(1, field(1, field(1, name)) + field(2, field(1, search))))


@pytest.mark.parametrize("path", ["../w.bin", "/etc/passwd", "@model_path/../../w.bin", "@model_path//etc/passwd"])
def test_files_outside_of_the_model_are_refused(path: str) -> None:
    value = value_in(path)
    inside = field(3, field(3, field(1, value[2:])))  # an item of a list
    for operation in (
        field(5, field(1, "val") + value),
        field(2, field(1, "x") + field(2, field(1, value))),
        field(5, field(1, "val") + field(2, inside)),
    ):
        verdicts = judged(mlmodel(502, program(field(1, "const") + operation)), "m.mlmodel")
        assert [(verdict.kind, verdict.format) for verdict in verdicts] == [("malformed", "coreml")]
    bare = path.removeprefix("@model_path/")
    assert said(linked(bare), "m.mlmodel") == said(linked("a", "b:" + bare)) == [("malformed", "coreml")]
    assert said(linked("a.mlmodelc", "b:c"), "m.mlmodel") == [("safe", "coreml")]


def test_what_is_named_mlmodel_has_to_be_one() -> None:
    for data in (
        b"text",
        mlmodel(500, b"")[:-1],
        field(1, 7),
        mlmodel(500, network()) + field(300, b""),
        b"\x08\x01\x08\x01",
    ):
        assert said(data, "m.mlmodel") == [("malformed", "coreml")]
        assert said(data) == []
    assert said(b"version https://git-lfs.github.com/spec/v1\n", "m.mlmodel") == []


# OpenVINO

LAYER = '<layer id="0" name="x" type="Parameter" version="{}"{}><data shape="1,4"/></layer>'


def ir(*layers: str, start: str = '<?xml version="1.0"?>', version: str = "11") -> str:
    return f'{start}\n<net name="m" version="{version}">\n<layers>\n{"".join(layers)}</layers>\n<edges/></net>\n'


OPSET1 = LAYER.format("opset1", "")


@pytest.mark.parametrize("name", ["m.xml", "m"])
def test_layers_of_openvino_are_fine(name: str) -> None:
    assert said(ir(OPSET1, LAYER.format("opset16", "")).encode(), name) == [("safe", "openvino")]
    assert said(ir(OPSET1, start="<!-- a comment -->").encode(), "m.xml") == [("safe", "openvino")]
    assert said(ir(OPSET1, start="").encode("utf-16"), "m.xml") == [("safe", "openvino")]
    assert said(ir('<layer id="0" name="x" type="Convolution"/>', version="6").encode(), name) == [("safe", "openvino")]


@pytest.mark.parametrize("version", ["extension", "experimental", "", "opset", "opset1x", "custom_opset"])
def test_layers_of_others_are_a_format_of_their_own(version: str) -> None:
    body = f"<body><layers>{LAYER.format(version, '')}</layers></body>"
    for text in (ir(OPSET1, LAYER.format(version, "")), ir(f'<layer id="1" version="opset1">{body}</layer>')):
        assert said(text.encode(), "m.xml") == [("safe", "openvino-custom")]


def test_a_library_is_code() -> None:
    verdict = judged(ir(OPSET1, LAYER.format("extension", ' library="/tmp/x.so"')).encode(), "m.xml")[0]
    assert (verdict.kind, verdict.evidence) == ("code", "layer 'x': library '/tmp/x.so'")


@pytest.mark.parametrize(
    "text",
    [
        ir(OPSET1, start='<!DOCTYPE net [<!ENTITY a SYSTEM "file:///etc/passwd">]>'),
        ir(OPSET1, start='<?xml version="1.0"?><!DOCTYPE net>'),
        ir(OPSET1).replace("<edges/>", "<edges>"),
        ir(OPSET1.replace("name=", 'name="a" name=')),
        ir(OPSET1) + "<more>",
        ir(OPSET1)[:-20],
        ir(OPSET1, "&lol;"),
    ],
)
def test_what_openvino_would_not_write_is_malformed(text: str) -> None:
    assert said(text.encode(), "m.xml") == [("malformed", "openvino")]


@pytest.mark.parametrize(
    "text",
    [
        '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        '<?xml version="1.0"?><!DOCTYPE html><html><net name="a" version="1"></html>',
        '<network name="a" version="1"><layers/></network>',
        '<?xml version="1.0"?><a><net name="b" version="1"><layers><layer library="x"/></layers></net></a>',
        '<net name="x" version="1"><pin/></net>',
        '<net name="x" version="1"><pin></net>',
        "<layers>",
    ],
)
def test_other_xml_is_left_alone(text: str) -> None:
    assert said(text.encode(), "m.xml") == []


# PaddlePaddle


def program_desc(*operators: str) -> bytes:
    block = field(1, 0) + b"\x10" + b"\xff" * 9 + b"\x01" + field(3, field(1, "x"))
    block += b"".join(
        field(4, field(1, field(1, "X")) + field(3, name) + field(4, field(1, "a"))) for name in operators
    )
    return field(1, block) + field(4, field(1, 0))


def test_paddle_programs() -> None:
    for name in ("m.pdmodel", "inference/__model__", "m.bin"):
        assert said(program_desc("feed", "mul", "fetch"), name) == [("safe", "paddle")]
        verdict = judged(program_desc("feed", "py_func"), name)[0]
        assert (verdict.kind, verdict.format, verdict.calls) == ("code", "paddle", "paddle.static.py_func")
        assert said(program_desc("feed", "save_combine", "fetch"), name) == [("code", "paddle")]
    for data in (b"text", program_desc("feed")[:-1], field(1, field(4, field(3, "mul"))), program_desc()):
        assert said(data, "m.pdmodel") == said(data, "m/__model__") == [("malformed", "paddle")]
    assert said(b"text", "m/my__model__") == []


def test_paddle_programs_as_json() -> None:
    text = '{{"base_code":{{"magic":"pir","trainable":true,"version":4}},"program":{{"#":"{}"}}}}'
    assert said(text.format("1.matmul").encode(), "m.json") == [("safe", "paddle")]
    assert said(text.format("1.save_combine").encode(), "m.json") == [("code", "paddle")]
    assert said(text.format("1.s\\u0061ve_combine").encode(), "m.json") == [("malformed", "paddle")]
    assert said(text.format("tab\\u0009 \\\\u0061").encode(), "m.json") == [("safe", "paddle")]
    assert said(b'{"base_code": 1}', "m.json") == []


# All of them

SAMPLES: dict[str, tuple[bytes, str]] = {
    "onnx": (model(node() + node("Mine", "my.domain") + field(5, tensor("../w")), field(25, field(1, "f"))), "m.onnx"),
    "graph": (graph_def("Const", "ReadFile", functions={"f": ("PrintV2", "Abs")}), "m.pb"),
    "saved": (
        field(1, 1) + field(2, meta_graph(graph_def("Const", "Mine"), field(7, field(1, b"")))),
        "saved_model.pb",
    ),
    "text": (b'node { name: "a" op: "Const" } node { op: "PrintV2" s: "file:" }', "g.pbtxt"),
    "keras": (field(1, field(4, "_tf_keras_layer") + field(5, LAMBDA)), "keras_metadata.pb"),
    "tflite": (tflite([ADD, [32, "FlexErf", 1, 32]], [[0], operator(1, node_def("WriteFile"))]), "m.tflite"),
    "ort": (ort(["n", None, "x", 1, 0, "PyOp", *[None] * 4, [["g", *[None] * 6, (None, None, [["m"]])]]]), "m.ort"),
    "executorch": (bytes(flat(b"ET12", [0, [["f", None, None, None, None, None, None, [["X"]]]]])), "m.pte"),
    "coreml": (
        mlmodel(502, program(field(1, "custom_layer") + field(5, field(1, "v") + value_in("../w")))),
        "m.mlmodel",
    ),
    "network": (mlmodel(500, network(field(605, field(1, network(CUSTOM_LAYER))))), "m.mlmodel"),
    "openvino": (ir(OPSET1, LAYER.format("extension", "")).encode(), "m.xml"),
    "paddle": (program_desc("feed", "py_func"), "m.pdmodel"),
    "pir": (b'{"base_code":{"magic":"pir"},"a":"1.save"}', "m.json"),
    "tensorrt": (b"ftrt" + bytes(40), "m.engine"),
}


@settings(QUICK, max_examples=600)
@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), max_size=8),
    st.integers(0, 5_000),
    st.binary(max_size=12),
    st.booleans(),
)
def test_damaged_models_never_raise(
    sample: str, changes: list[tuple[int, int]], cut: int, more: bytes, named: bool
) -> None:
    data, name = SAMPLES[sample]
    damaged = bytearray(data)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    place = cut % len(damaged)
    for attempt in (bytes(damaged), bytes(damaged[:place]), bytes(damaged[:place]) + more + bytes(damaged[place:])):
        with within(2):
            judged(attempt, name if named else "")


@QUICK
@given(
    st.sampled_from(sorted(SAMPLES)),
    st.sampled_from([b"\x08", b"\n", b"\x12", b"\x1a", b'"', b""]),
    st.binary(max_size=300),
)
def test_random_bytes_never_raise_and_are_no_model(sample: str, first: bytes, data: bytes) -> None:
    judged(first + data, SAMPLES[sample][1])
    assert [
        verdict for verdict in judged(first + data) if verdict.format in ("onnx", "tf-graph", "coreml", "paddle")
    ] == []


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "nodes": (lambda: field(1, tf_node("a", "Const")) + b"\x0a\x00" * 3_000_000, "m.pb"),
    "onnx nodes": (lambda: model(b"\x0a\x02\x2a\x00" * 1_500_000), "m.onnx"),
    "domains": (lambda: model(b"".join(node("o", f"d{at}") for at in range(50_000))), "m.onnx"),
    "layers": (lambda: mlmodel(500, b"\x0a\x00" * 3_000_000), "m.mlmodel"),
    "operators": (lambda: tflite([ADD], [[0]] * 300_000), "m.tflite"),
    "elements": (lambda: ir("<a/>" * 1_100_000).encode(), "m.xml"),
    "depth": (lambda: ir("<a>" * 100_000).encode(), "m.xml"),
    "a comment": (lambda: ir("<!--" + "x" * 50_000_000).encode(), "m.xml"),
    "names": (lambda: b'op: "Const" ' + b"".join(b'op:"%d"' % at for at in range(50_000)), "m.pbtxt"),
    "prints": (lambda: b'op: "PrintV2" }\n' * 1_250_000, "m.pbtxt"),
    "pir": (lambda: b'{"base_code":{"magic":"pir"' + b'"1.' * 12_000_000, "m.json"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_made_to_take_long_is_given_up(kind: str) -> None:
    make, name = HOSTILE[kind]
    content: Content = BytesContent(make())
    with within(10):
        verdicts = recognise(content, name=name)
    assert any(verdict.forced for verdict in verdicts)
