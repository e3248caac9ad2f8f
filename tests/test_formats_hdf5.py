from __future__ import annotations

import json
import pickle
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clock import keeping_below, within
from corpus import Payload
from git_custody.check_model_format import findings_for
from git_custody.core.content import BytesContent, Content
from git_custody.formats import hdf5, hdf5_blocks, hdf5_objects
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import Budget, Verdict
from git_custody.models.examine import examine

UNDEFINED = b"\xff" * 8
SCALAR = bytes([1, 0, 0, 0, 0, 0, 0, 0])
QUICK = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 1}}
LAMBDA = {"class_name": "Lambda", "config": {"name": "f", "function": ["4wEA", None, None], "function_type": "lambda"}}

Body = tuple[int, bytes]  # type of a message, and what it holds


def config(*layers: dict[str, Any]) -> bytes:
    return json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": [DENSE, *layers]}}).encode()


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def fixed(size: int) -> bytes:
    """The datatype of strings of `size` bytes."""
    return struct.pack("<BBBBI", 0x13, 0, 0, 0, size)


def unsigned(size: int) -> bytes:
    return struct.pack("<BBBBIHH", 0x10, 0, 0, 0, size, 0, 8 * size)


def variable(base: bytes, *, text: bool) -> bytes:
    return struct.pack("<BBBBI", 0x19, int(text), 0, 0, 16) + base


def attribute(name: str, value: bytes, kind: bytes | None = None, space: bytes = SCALAR, version: int = 1) -> Body:
    """The message of an attribute; by default a string of fixed length."""
    parts = [name.encode() + b"\0", fixed(len(value)) if kind is None else kind, space]
    head = struct.pack("<BBHHH", version, 0, *map(len, parts)) + (b"\0" if version == 3 else b"")
    return 0x0C, head + b"".join(padded(part) if version == 1 else part for part in parts) + value


class Hdf5:
    """Writes HDF5 piece by piece, as the old library does (`new` false) or the latest one."""

    def __init__(self, *, new: bool = False, user_block: int = 0) -> None:
        self.new = new
        self.user_block = user_block
        self.data = bytearray(96)

    def put(self, block: bytes) -> int:
        self.data += bytes(-len(self.data) % 8)
        self.data += block
        return len(self.data) - len(block)

    def address(self, block: bytes) -> bytes:
        return self.put(block).to_bytes(8, "little")

    def text(self, name: str, value: bytes) -> Body:
        """An attribute of variable length, in a global heap behind another object."""
        objects = b"".join(
            struct.pack("<HHIQ", index, 1, 0, len(data)) + padded(data) for index, data in ((1, b"other"), (2, value))
        )
        heap = self.put(b"GCOL\x01\0\0\0" + struct.pack("<Q", 16 + len(objects)) + objects)
        reference = struct.pack("<IQI", len(value), heap, 2)
        return attribute(name, reference, variable(fixed(1), text=True), version=3 if self.new else 1)

    def header(self, *messages: Body, continued: bool = False) -> int:
        """An object header; `continued`: with its last message in another block."""
        first = list(messages[:-1] if continued else messages)
        if continued:
            block = self._messages(messages[-1:])
            block = b"OCHK" + block + bytes(4) if self.new else block
            first.append((0x10, struct.pack("<QQ", self.put(block), len(block))))
        chunk = self._messages(first)
        if self.new:
            return self.put(b"OHDR\x02\x02" + struct.pack("<I", len(chunk)) + chunk + bytes(4))
        return self.put(struct.pack("<BBHII", 1, 0, len(first), 1, len(chunk)) + bytes(4) + chunk)

    def _messages(self, messages: list[Body] | tuple[Body, ...]) -> bytes:
        if self.new:
            return b"".join(struct.pack("<BHB", kind, len(body), 0) + body for kind, body in messages)
        bodies = [(kind, padded(body)) for kind, body in messages]
        return b"".join(struct.pack("<HHB3x", kind, len(body), 0) + body for kind, body in bodies)

    def links(self, children: dict[str, int]) -> list[Body]:
        """The messages that make an object a group of these children."""
        if self.new:
            return [
                (6, b"\x01\x00" + bytes([len(name)]) + name.encode() + struct.pack("<Q", child))
                for name, child in children.items()
            ]
        names, entries = bytearray(8), b""
        for name, child in children.items():
            entries += struct.pack("<QQII16x", len(names), child, 0, 0)
            names += padded(name.encode() + b"\0")
        leaf = self.put(b"SNOD\x01\0" + struct.pack("<H", len(children)) + entries)
        heap = self.put(b"HEAP" + bytes(4) + struct.pack("<QQQ", len(names), 1, self.put(bytes(names))))
        tree = b"TREE" + struct.pack("<BBH", 0, 0, 1) + UNDEFINED * 2 + struct.pack("<QQQ", 0, leaf, 8)
        return [(0x11, struct.pack("<QQ", self.put(tree), heap))]

    def dense(self, *attributes: Body) -> Body:
        """Attributes in a fractal heap, found by a version 2 B-tree."""
        head, records = 13 + 2, b""
        block = bytearray(head)
        for _, body in attributes:
            records += b"\0" + struct.pack("<I", len(block)) + struct.pack("<H", len(body)) + bytes(1 + 1 + 4 + 4)
            block += body
        heap_at = len(self.data) + -len(self.data) % 8
        block[:head] = b"FHDB\0" + struct.pack("<QH", heap_at, 0)
        self.put(bytes(146))
        root = self.put(bytes(block) + bytes(4096 - len(block)))
        fractal = b"FRHP\0" + struct.pack("<HHBI", 8, 0, 0, 4096) + struct.pack("<QQQQ", 0, 2**64 - 1, 0, 2**64 - 1)
        fractal += struct.pack("<8Q", 4096, 4096, 0, len(attributes), 0, 0, 0, 0)
        fractal += struct.pack("<HQQHHQH", 4, 4096, 65536, 32, 1, root, 0) + bytes(4)
        self.data[heap_at : heap_at + len(fractal)] = fractal
        leaf = self.put(b"BTLF\0\x08" + records + bytes(4))
        tree = b"BTHD\0\x08" + struct.pack("<IHHBBQHQ", 512, 17, 0, 100, 40, leaf, len(attributes), len(attributes))
        return 0x15, b"\0\0" + struct.pack("<QQ", heap_at, self.put(tree + bytes(4)))

    def objects(
        self, rows: list[bytes], filters: tuple[int, ...] = (), pseudo: bytes = b"object", skipped: int = 0
    ) -> int:
        """An array of variable length, in one chunk; what PyTables makes of `ObjectAtom`.

        `skipped`: the filters, a bit each, that were not applied.
        """
        heap = b"".join(struct.pack("<HHIQ", index, 1, 0, len(row)) + padded(row) for index, row in enumerate(rows, 1))
        collection = self.put(b"GCOL\x01\0\0\0" + struct.pack("<Q", 16 + len(heap)) + heap)
        chunk = b"".join(struct.pack("<IQI", len(row), collection, index) for index, row in enumerate(rows, 1))
        for at, known in enumerate(filters):
            if skipped >> at & 1:
                continue
            if known == 2:
                chunk = b"".join(chunk[byte::16] for byte in range(16))
            elif known == 1:
                chunk = zlib.compress(chunk)
            elif known == 3:
                chunk += b"sums"
        entry = struct.pack("<IIQQ", len(chunk), skipped, 0, 0) + self.address(chunk) + struct.pack("<IIQQ", 0, 0, 1, 0)
        tree = self.put(b"TREE" + struct.pack("<BBH", 1, 0, 1) + UNDEFINED * 2 + entry)
        messages = [
            (3, variable(unsigned(1), text=False)),
            (8, struct.pack("<BBBQII", 3, 2, 2, tree, 1, 16)),
            attribute("CLASS", b"VLARRAY"),
            attribute("PSEUDOATOM", pseudo),
        ]
        if filters:
            each = b"".join(struct.pack("<HHHHII", known, 0, 0, 1, 16, 0) for known in filters)
            messages.append((0x0B, struct.pack("<BB6x", 1, len(filters)) + each))
        return self.header(*messages)

    def bytes(self, root: int) -> bytes:
        if self.new:
            block = b"\x89HDF\r\n\x1a\n\x03\x08\x08\0" + struct.pack("<Q", self.user_block) + UNDEFINED
            block += struct.pack("<QQ", len(self.data), root) + bytes(4)
        else:
            block = b"\x89HDF\r\n\x1a\n" + bytes([0, 0, 0, 0, 0, 8, 8, 0]) + struct.pack("<HHI", 4, 16, 0)
            block += struct.pack("<Q", self.user_block) + UNDEFINED + struct.pack("<Q", len(self.data)) + UNDEFINED
            block += struct.pack("<QQII16x", 0, root, 0, 0)
        self.data[: len(block)] = block
        return bytes(self.user_block) + bytes(self.data)


def judged(data: bytes, name: str = "") -> tuple[Verdict, ...]:
    return recognise(BytesContent(data), name=name)


def told(data: bytes, name: str = "") -> list[tuple[str, str, str | None]]:
    return [(verdict.kind, verdict.format, verdict.member) for verdict in judged(data, name)]


def with_root(*messages: Body, new: bool = False) -> bytes:
    file = Hdf5(new=new)
    return file.bytes(file.header(*messages))


def pytables(*messages: Body) -> bytes:
    return with_root(attribute("PYTABLES_FORMAT_VERSION", b"2.1"), *messages)


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("user_block", [0, 512, 1024, 2048])
@pytest.mark.parametrize("name", ["model.h5", "model.bin", ""])
def test_a_keras_model_is_judged_by_its_configuration(new: bool, user_block: int, name: str) -> None:
    for layers, kind in (((), "safe"), ((LAMBDA,), "code")):
        file = Hdf5(new=new, user_block=user_block)
        data = file.bytes(file.header(file.text("model_config", config(*layers))))
        verdict = judged(data, name)[0]
        assert (verdict.kind, verdict.member) == (kind, None)
        assert verdict.format == ("keras" if layers else "keras-h5")
        if layers:
            assert verdict.calls == "marshal.loads"
            assert verdict.evidence == "Lambda 'f' in model_config"


def test_an_old_file_named_keras_is_told_as_hdf5_with_the_way_to_save_it_anew() -> None:
    file = Hdf5()
    data = file.bytes(file.header(file.text("model_config", config())))
    for name, told_how in (("old.KERAS", True), ("old.h5", False)):
        (verdict,) = judged(data, name)
        assert (verdict.kind, verdict.what) == ("safe", "a Keras model in HDF5")
        assert ("load_model(" in (verdict.evidence or "")) is told_how
        (seen,) = examine(name, "", BytesContent(data))
        (finding,) = findings_for(seen, ("keras",))
        assert finding.rule.name == "model-format-not-allowed"
        assert "a Keras model or its weights in HDF5 (in formats.allow: keras-h5)" in finding.message
        assert finding.found == verdict.evidence


@pytest.mark.parametrize("user_block", [4096, 65_536, 1 << 20])
def test_a_user_block_of_any_size_is_found_under_any_name(user_block: int) -> None:
    file = Hdf5(user_block=user_block)
    data = file.bytes(file.header(file.text("model_config", config(LAMBDA))))
    for name in ("model.h5", "a.HDF", "a.h5ad", "model.dat", ""):
        for behind in (b"", bytes(500_000)):
            assert told(data + behind, name) == [("code", "keras", None)]
    assert told(data[:1] + b"." + data[1:], "model.dat") == []


@pytest.mark.parametrize("new", [False, True])
def test_attributes_are_found_wherever_hdf5_keeps_them(new: bool) -> None:
    def fixed_in_header(file: Hdf5) -> int:
        return file.header(attribute("model_config", config(LAMBDA), version=3 if new else 1))

    def continued(file: Hdf5) -> int:
        return file.header(attribute("a", b"b"), attribute("model_config", config(LAMBDA)), continued=True)

    def dense(file: Hdf5) -> int:
        return file.header(
            file.dense(attribute("a", b"b", version=3), attribute("model_config", config(LAMBDA), version=3))
        )

    def dense_and_variable(file: Hdf5) -> int:
        return file.header(file.dense(file.text("model_config", config(LAMBDA))))

    def not_ended(file: Hdf5) -> int:
        kind, body = attribute("model_config", config(LAMBDA), version=3)
        return file.header((kind, body.replace(b"model_config\0", b"model_config@")))  # the library goes by the length

    def of_a_named_type(file: Hdf5) -> int:
        kind = file.header((3, fixed(len(config(LAMBDA)))))
        reference = b"\x03\x02" + struct.pack("<Q", kind)
        body = attribute("model_config", config(LAMBDA), reference, version=3)[1]
        return file.header((0x0C, body[:1] + b"\x01" + body[2:]))

    for write in (fixed_in_header, continued, dense, dense_and_variable, not_ended, of_a_named_type):
        file = Hdf5(new=new)
        assert told(file.bytes(write(file)), "m.h5") == [("code", "keras", None)], write.__name__


def test_the_training_configuration_is_judged_too() -> None:
    loss = {"loss": {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}}
    file = Hdf5()
    root = file.header(file.text("model_config", config()), file.text("training_config", json.dumps(loss).encode()))
    verdict = judged(file.bytes(root))[0]
    assert (verdict.kind, verdict.calls, verdict.evidence) == ("code", "os.system", "training_config")


def test_weights_are_safe_and_other_files_of_numbers_are_ordinary() -> None:
    names = ("layer_names", "backend", "keras_version")
    assert told(with_root(*(attribute(name, b"x") for name in names))) == [("safe", "keras-h5", None)]
    assert told(with_root(attribute("x", b"y")), "model.weights.h5") == [("safe", "keras-h5", None)]
    file = Hdf5()
    dense = file.header(*file.links({"vars": file.header(attribute("name", b"dense"))}))
    layers = file.header(*file.links({"dense": dense}))
    assert told(file.bytes(file.header(*file.links({"layers": layers})))) == [("safe", "keras-h5", None)]
    for name in ("a.h5", "a.nc", "a.mat", "a.h5ad", "data"):
        assert told(with_root(attribute("title", b"Sea surface temperature.")), name) == []


def test_an_attribute_that_pytables_unpickles_is_a_pickle() -> None:
    for protocol in range(6):
        data = pickle.dumps(Payload(), protocol)
        verdict = judged(pytables(attribute("extra", data)))[0]
        assert (verdict.kind, verdict.format, verdict.member) == ("pickle", "hdf5-objects", "@extra")
        assert verdict.calls is not None
        assert verdict.calls.endswith(".system")
        # PyTables does so in files of any origin, and takes trailing zeros for padding.
        assert told(with_root(attribute("x", data + bytes(9)))) == [("pickle", "hdf5-objects", "@x")]
    file = Hdf5(new=True)
    inner = file.header(file.text("note", b"cposix\nsystem\n(S'true'\ntR."))
    assert told(file.bytes(file.header(*file.links({"g": inner})))) == [("pickle", "hdf5-objects", "g@note")]


def test_an_attribute_of_plain_data_that_was_pickled_is_a_pickle_all_the_same() -> None:
    assert told(pytables(attribute("parameters", pickle.dumps({"a": [1, 2]}, 0)))) == [
        ("pickle", "hdf5-objects", "@parameters")
    ]


@pytest.mark.parametrize(
    "value",
    [b"A sentence.", b"N.", b"0.", b"I1\n.", b"numbers (see below).", b"cos\nsin\ntan\n", b"1.", b".", b"", b"UTF-8"],
)
def test_texts_and_single_values_are_left_alone(value: bytes) -> None:
    assert told(pytables(attribute("note", value))) == []


def test_what_is_no_string_of_one_element_is_not_unpickled() -> None:
    data = b"cposix\nsystem\n(S'true'\ntR."
    two = struct.pack("<BBBB4xQ", 1, 1, 0, 0, 2)
    assert told(pytables(attribute("x", data * 2, fixed(len(data)), two))) == []
    none = b"\x02\x00\x00\x02"
    assert told(pytables(attribute("x", b"", fixed(len(data)), none, version=3))) == []
    assert told(pytables(attribute("x", struct.pack("<d", 1.5), struct.pack("<BBBBI", 0x11, 0, 0, 0, 8)))) == []


def test_how_pandas_describes_its_tables_is_left_alone_there_only() -> None:
    described = pickle.dumps([(1, ["a", "b"])], 0)
    calling = pickle.dumps({"freq": Payload()}, 0)
    for value, place, expected in (
        (described, "pandas", []),
        (calling, "pandas", [("pickle", "hdf5-objects", "frame@non_index_axes")]),
        (described, "elsewhere", [("pickle", "hdf5-objects", "frame@non_index_axes")]),
    ):
        file = Hdf5()
        marked = [attribute("pandas_type", b"frame_table")] if place == "pandas" else []
        group = file.header(attribute("non_index_axes", value), *marked)
        assert told(file.bytes(file.header(*file.links({"frame": group})))) == expected
    file = Hdf5()
    table = file.header(attribute("values_block_0_kind", described), attribute("other", described))
    frame = file.header(attribute("pandas_type", b"frame_table"), *file.links({"table": table}))
    data = file.bytes(file.header(*file.links({"frame": frame})))
    assert told(data) == [("pickle", "hdf5-objects", "frame/table@other")]


def test_the_filters_of_old_pytables_are_left_alone_and_nothing_that_looks_like_them() -> None:
    old = b"(itables.Leaf\nFilters\np1\n(dp2\nS'shuffle'\np3\nI0\nsS'complib'\np4\nS'lzo'\np5\nsb."
    newer = b"ccopy_reg\n_reconstructor\np1\n(ctables.Leaf\nFilters\np2\nc__builtin__\nobject\np3\nNtRp4\n(dp5\n"
    newer += b"S'complevel'\np7\nI0\nsb."
    for value in (old, newer):
        assert told(pytables(attribute("FILTERS", value))) == []
        assert told(pytables(attribute("filter", value))) == [("pickle", "hdf5-objects", "@filter")]
        evil = value[:-1] + b"0cposix\nsystem\n(S'true'\ntR."
        assert told(pytables(attribute("FILTERS", evil))) == [("pickle", "hdf5-objects", "@FILTERS")]


@pytest.mark.parametrize(
    ("filters", "skipped"), [((), 0), ((1,), 0), ((2, 1), 0), ((2, 1), 1), ((2, 1), 3), ((3,), 0), ((32001,), 0)]
)
def test_an_array_of_objects_is_a_pickle_row_by_row(filters: tuple[int, ...], skipped: int) -> None:
    file = Hdf5()
    rows = [pickle.dumps([1]), pickle.dumps(Payload())]
    array = file.objects(rows, filters, skipped=skipped)
    verdicts = judged(file.bytes(file.header(*file.links({"o": array}))))
    assert {verdict.kind for verdict in verdicts} == {"pickle"}
    if filters != (32001,):
        assert [verdict.member for verdict in verdicts] == ["o[0]", "o[1]"]
        assert verdicts[1].calls is not None
    else:  # what the filter hides, PyTables still unpickles
        assert [verdict.member for verdict in verdicts] == ["o"]


def test_arrays_of_texts_are_left_alone() -> None:
    for pseudo, expected in ((b"vlstring", 0), (b"vlunicode", 0), (b"object", 1), (b"Vobj\\u0065ct\n.", 1)):
        file = Hdf5()
        data = file.bytes(file.header(*file.links({"o": file.objects([b"hello"], pseudo=pseudo)})))
        assert len(told(data)) == expected, pseudo


def test_a_pickle_that_h5py_stored_as_bytes_is_found() -> None:
    data = pickle.dumps({"a": 1})
    opaque = struct.pack("<BBBBI", 0x15, 0, 0, 0, len(data))
    assert told(with_root(attribute("blob", data, opaque))) == [("pickle", "pickle", "@blob")]
    assert told(with_root(attribute("blob", b"\x00\x01" * 40, opaque[:4] + struct.pack("<I", 80)))) == []
    file = Hdf5()
    stored = (8, struct.pack("<BBQQ", 3, 1, file.put(data), len(data)))
    in_header = (8, struct.pack("<BBH", 3, 0, len(data)) + data)
    old = (8, struct.pack("<BBB5xII", 1, 1, 0, len(data), len(data)) + data)
    old_stored = (8, struct.pack("<BBB5xQI", 1, 1, 1, file.put(data), len(data)))
    for kind in (unsigned(1), opaque, fixed(1)):
        for layout in (stored, in_header, old, old_stored):
            dataset = file.header((3, kind), layout)
            assert told(file.bytes(file.header(*file.links({"d": dataset})))) == [("pickle", "pickle", "d")]
    dataset = file.header((3, unsigned(2)), stored)
    assert told(file.bytes(file.header(*file.links({"d": dataset})))) == []


def test_what_hickle_unpickles_is_found_by_what_it_says() -> None:
    """Of any protocol, and also where it is compressed."""
    data = pickle.dumps(Payload(), 0)

    def written(name: str, *messages: Body, root: tuple[Body, ...] = (), packed: bool = False) -> list[str | None]:
        file = Hdf5()
        plain = (8, struct.pack("<BBQQ", 3, 1, file.put(data), len(data)))
        chunked = (8, struct.pack("<BBBQII", 3, 2, 2, 2**64 - 1, 1, 1))
        dataset = file.header((3, unsigned(1)), chunked if packed else plain, *messages)
        top = {name: dataset} if "/" not in name else {name.split("/")[0]: file.header(*file.links({"x": dataset}))}
        verdicts = judged(file.bytes(file.header(*file.links(top), *root)))
        assert all((verdict.kind, verdict.format) == ("pickle", "hdf5-objects") for verdict in verdicts)
        return [verdict.calls for verdict in verdicts]

    call = f"{Payload().__reduce__()[0].__module__}.{Payload().__reduce__()[0].__name__}"
    version = (attribute("HICKLE_VERSION", b"5.0.3"),)
    for packed, expected in ((False, [call]), (True, [None])):
        assert written("d", attribute("type", b"pickle"), packed=packed) == expected
        assert written("d", attribute("base_type", b"pickle\0"), packed=packed) == expected
        assert written("hickle_types_table/x", attribute("base_type", b"list"), packed=packed) == expected
        assert written("d", root=version, packed=packed) == expected
    assert written("d") == written("d", attribute("type", b"ndarray"), root=version) == []
    assert written("hickle_types_table/x") == []


def test_loops_and_shared_objects_are_visited_once() -> None:
    for new in (False, True):
        file = Hdf5(new=new)
        shared = file.header(attribute("x", pickle.dumps(Payload(), 0)))
        at = len(file.data) + -len(file.data) % 8 if new else 0
        if new:
            root = file.header(*file.links({"a": shared, "b": shared, "self": at}))
            assert root == at
        else:
            root = file.header(*file.links({"a": shared, "b": shared}))
        assert told(file.bytes(root)) == [("pickle", "hdf5-objects", "a@x")]


def broken(write: Callable[[Hdf5], tuple[Body, ...]]) -> bytes:
    file = Hdf5()
    return file.bytes(file.header(*write(file)))


def test_what_cannot_be_read_counts_only_for_models_and_pytables() -> None:
    def lost(_: Hdf5) -> Body:
        return 0x11, struct.pack("<QQ", 0, 0)  # a group whose B-tree is none

    keras = broken(lambda file: (file.text("model_config", config()), lost(file)))
    assert [(verdict.kind, verdict.forced) for verdict in judged(keras)] == [("opaque", True)]
    tables = broken(lambda file: (attribute("PYTABLES_FORMAT_VERSION", b"2.1"), lost(file)))
    assert [(verdict.kind, verdict.forced) for verdict in judged(tables)] == [("opaque", True)]
    other = broken(lambda file: (attribute("title", b"x"), lost(file)))
    assert told(other) == told(other, "scan.nc") == []
    assert [(verdict.kind, verdict.forced) for verdict in judged(other, "model.h5")] == [("opaque", False)]


def test_a_file_that_is_cut_short_is_refused_by_hdf5_itself() -> None:
    file = Hdf5()
    data = file.bytes(file.header(file.text("model_config", config())))
    assert told(data[:-1], "model.h5") == []
    root = file.header(file.text("model_config", config(LAMBDA)))
    file.put(bytes(64))
    assert told(file.bytes(root)[:-1], "model.h5") == [("code", "keras", None)]


def test_a_model_whose_weights_lie_in_another_file_is_malformed() -> None:
    file = Hdf5(new=True)
    link = b"\x01\x08\x40\x01w" + struct.pack("<H", 7) + b"\0a.h5\0w"
    root = file.header(file.text("model_config", config()), (6, link))
    assert told(file.bytes(root)) == [("malformed", "keras-h5", None)]
    file = Hdf5(new=True)
    assert told(file.bytes(file.header((6, link))), "detector.h5") == []


def test_a_configuration_that_is_no_json_is_malformed() -> None:
    file = Hdf5()
    assert told(file.bytes(file.header(file.text("model_config", b'{"class_name": ')))) == [
        ("malformed", "keras", None)
    ]


class Counted:
    """Content that counts what is read."""

    def __init__(self, content: Content, size: int) -> None:
        self.size = size
        self.read = 0
        self._content = content

    def read_at(self, offset: int, length: int) -> bytes:
        data = self._content.read_at(offset, length).ljust(max(0, min(length, self.size - offset)), b"\0")
        self.read += len(data)
        return data


def test_the_data_of_a_large_file_are_not_read() -> None:
    file = Hdf5()
    size = 1 << 40
    layout = struct.pack("<BBQQ", 3, 1, 4096, size)
    dataset = file.header((3, struct.pack("<BBBBI", 0x11, 0, 0, 0, 8)), (8, layout), attribute("unit", b"K"))
    data = file.bytes(file.header(*file.links({"d": dataset})))
    content = Counted(BytesContent(data), size)
    assert recognise(content, name="big.h5") == ()
    assert content.read < 400_000  # most of it is the search for the end of a zip


def many_objects(count: int, *messages: Body) -> bytes:
    file = Hdf5(new=True)
    children = [file.header(attribute("n", b"x", version=3)) for _ in range(count)]
    groups = [
        file.header(*file.links({str(at): child for at, child in enumerate(children[begin : begin + 500])}))
        for begin in range(0, count, 500)
    ]
    return file.bytes(file.header(*messages, *file.links({str(at): group for at, group in enumerate(groups)})))


def test_many_objects_end_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5_blocks, "COST_AT_MOST", 5_000)
    assert told(many_objects(6_000), "detector.h5") == []
    verdicts = judged(many_objects(6_000, attribute("PYTABLES_FORMAT_VERSION", b"2.1", version=3)))
    assert [(verdict.kind, verdict.forced) for verdict in verdicts] == [("opaque", True)]


def hostile() -> dict[str, bytes]:
    """Files that would take a careless reader very long, or much memory."""
    files = {}
    file = Hdf5()
    overlapping = file.put(struct.pack("<BBHII", 1, 0, 0xFFFF, 1, 4_000_000) + bytes(4))
    entry = struct.pack("<HHB3x", 0x0C, 0, 0) * 500_000
    file.put(entry)
    files["empty messages"] = file.bytes(overlapping)
    file = Hdf5(new=True)
    target = file.put(b"OCHK" * 1_000_000)
    many = b"".join(
        struct.pack("<BHB", 0x10, 16, 0) + struct.pack("<QQ", target + 4 * at, 3_900_000) for at in range(3_000)
    )
    files["overlapping continuations"] = file.bytes(file.put(b"OHDR\x02\x02" + struct.pack("<I", len(many)) + many))
    file = Hdf5()
    heap = b"".join(struct.pack("<HHIQ", index % 65_535 + 1, 1, 0, 0) for index in range(200_000))
    collection = file.put(b"GCOL\x01\0\0\0" + struct.pack("<Q", 16 + len(heap)) + heap)
    kind = variable(fixed(1), text=True)
    references = [struct.pack("<IQI", 5, collection + 16 * at, 2) for at in range(300)]
    files["heaps within a heap"] = file.bytes(
        file.header(*(attribute(f"a{at}", reference, kind) for at, reference in enumerate(references)))
    )
    files["many objects"] = many_objects(15_000)
    file = Hdf5(new=True)
    deep = file.text("note", b"(" * 1_000_000 + b".")[1]
    files["long texts"] = file.bytes(file.header(*((0x0C, deep) for _ in range(2_000))))
    file = Hdf5()
    node = len(file.data) + 24
    tree = b"TREE" + struct.pack("<BBH", 0, 1, 60_000) + UNDEFINED * 2
    tree += b"".join(struct.pack("<QQ", 0, node + 8 * at) for at in range(60_000))
    files["trees within a tree"] = file.bytes(file.header((0x11, struct.pack("<QQ", file.put(tree), 0))))
    files["links to far away"] = far_links(170_000)
    files["long paths"] = long_paths(22_000)
    long = {
        "names": attribute("\U0001f600" + "n" * 500, b"x", version=3)[1],
        "names and types": attribute("n" * 20_000, b"x", padded(fixed(1) + bytes(20_000)), version=3)[1],
        "values": attribute("n", b"x", variable(fixed(1), text=True).replace(b"\x10", b"\xff"), version=3)[1],
    }
    files |= {f"long {what} of attributes": dense_again(body) for what, body in long.items()}
    old_filters = b"(itables.Leaf\nFilters\n(d" + b"s" * 1_000_000 + b"."
    files["long filters"] = texts_again("FILTERS", old_filters, 30)
    files["long descriptions"] = texts_again("x_kind", b"(" + b"s" * 1_000_000 + b"x.", 30, "pandas_type")
    return files


def far_links(count: int) -> bytes:
    """A group of links with long names to what is not there."""
    file = Hdf5()
    name = "\U0001f600".encode() + b"n" * 58 + b"\0"
    names = file.put(b"HEAP" + bytes(4) + struct.pack("<QQQ", len(name), 1, file.put(name)))
    leaves = []
    for first in range(0, count, 60_000):
        entries = (
            struct.pack("<QQQ16x", 0, 10**6 + 8 * number, 0) for number in range(first, min(first + 60_000, count))
        )
        leaves.append(file.put(b"SNOD\x01\0" + struct.pack("<H", min(60_000, count - first)) + b"".join(entries)))
    tree = b"TREE" + struct.pack("<BBH", 0, 0, len(leaves)) + UNDEFINED * 2
    tree += b"".join(struct.pack("<QQ", 0, leaf) for leaf in leaves) + bytes(8)
    return file.bytes(file.header((0x11, struct.pack("<QQ", file.put(tree), names))))


def long_paths(count: int) -> bytes:
    """Groups of tables of pandas, ten folders down."""

    def group(children: list[int]) -> int:
        names = ("\U0001f600".encode() + b"g" * 50 + b"%d" % at for at in range(len(children)))
        links = zip(names, children, strict=True)
        return file.header(
            *((6, b"\x01\0" + bytes([len(name)]) + name + struct.pack("<Q", child)) for name, child in links)
        )

    file = Hdf5(new=True)
    tables = [file.header(attribute("pandas_type", b"x", version=3)) for _ in range(count)]
    top = group([group(tables[at : at + 500]) for at in range(0, count, 500)])
    for _ in range(9):
        top = group([top])
    return file.bytes(top)


def dense_again(body: bytes) -> bytes:
    """Groups that have one attribute again and again in dense storage."""
    file = Hdf5(new=True)
    message = file.dense(attribute("a", b"b", version=3))
    heap = int.from_bytes(message[1][2:10], "little")
    root = file.put(bytes(64) + body.ljust(300_000, b"\0"))
    struct.pack_into("<I", file.data, heap + 10, 1 << 24)
    struct.pack_into("<QQHHQ", file.data, heap + 112, 1 << 20, 1 << 20, 32, 1, root)
    length = (1 << 24) - 1 if b"\xff" in body[:40] else len(body)
    record = b"\0" + struct.pack("<I", 64) + length.to_bytes(3, "little") + bytes(9)
    leaf = file.put(b"BTLF\0\x08" + record * 19_000 + bytes(4))
    tree = b"BTHD\0\x08" + struct.pack("<IHHBBQHQ", 400_000, 17, 0, 100, 40, leaf, 19_000, 19_000)
    message = (0x15, b"\0\0" + struct.pack("<QQ", heap, file.put(tree + bytes(4))))
    groups = {f"{number}": file.header(message) for number in range(15)}
    return file.bytes(file.header(message, *file.links(groups))) + bytes(3_000_000)


def texts_again(name: str, value: bytes, count: int, *others: str) -> bytes:
    """Attributes that all have one value of variable length."""
    file = Hdf5()
    text = file.text(name, value)
    return file.bytes(file.header(*(attribute(other, b"x") for other in others), *([text] * count)))


def chunks_again(filters: tuple[int, ...], chunk: bytes) -> bytes:
    """An array of objects that has one chunk again and again."""
    file = Hdf5()
    entry = struct.pack("<IIQQQ", len(chunk), 0, 0, 0, file.put(chunk))
    tree = file.put(b"TREE" + struct.pack("<BBH", 1, 0, 60_000) + UNDEFINED * 2 + entry * 60_000)
    layout = struct.pack("<BBBQII", 3, 2, 2, tree, 1, 16)
    kinds = (3, variable(unsigned(1), text=False)), (8, layout), attribute("PSEUDOATOM", b"object")
    each = b"".join(struct.pack("<HHHHII", known, 0, 0, 1, 16, 0) for known in filters)
    return file.bytes(file.header(*kinds, (0x0B, struct.pack("<BB6x", 1, len(filters)) + each)))


@pytest.mark.parametrize(
    ("name", "value"), [("model_config", b'{"a":"' + b"s" * 3_000_000 + b'"}'), ("a", b"N0" * 500_000 + b".")]
)
def test_what_takes_too_long_in_attributes_is_said_to(name: str, value: bytes) -> None:
    with within(1.5):
        verdicts = judged(texts_again(name, value, 700), "a.h5")
    assert [(verdict.kind, verdict.forced) for verdict in verdicts] == [("opaque", True)]


EMPTY = zlib.compress(b"")


@pytest.mark.parametrize(
    ("filters", "chunk"),
    [((1,), zlib.compress(bytes(4_000_000))), ((), bytes(2_000)), ((*(2,) * 254, 1), EMPTY)],
)
def test_empty_rows_are_paid_for(filters: tuple[int, ...], chunk: bytes) -> None:
    with within(1.5):
        assert told(chunks_again(filters, chunk)) == [("pickle", "hdf5-objects", None)]


def test_soft_links_are_paid_for() -> None:
    file = Hdf5()
    soft = struct.pack("<QQII16x", 0, 0, 2, 0)
    leaf = file.put(b"SNOD\x01\0" + struct.pack("<H", 60_000) + soft * 60_000)
    names = file.put(b"HEAP" + bytes(4) + struct.pack("<QQQ", 8, 1, file.put(bytes(8))))
    tree = b"TREE" + struct.pack("<BBH", 0, 0, 60_000) + UNDEFINED * 2 + struct.pack("<QQ", 0, leaf) * 60_000 + bytes(8)
    data = file.bytes(file.header((0x11, struct.pack("<QQ", file.put(tree), names))))
    with within(0.4):
        assert told(data) == []


OLD_PLAIN_DATA = re.compile(rb"(?:[()\]}ltdasueN.012]|[pgILFSV][^\n]*\n)*\.", re.DOTALL)
TOKENS = (b"(", b"N", b".", b"x", b"p1\n", b"S'a.'\n", b"I", b"\n", b"s" * 999)


@given(st.lists(st.sampled_from(TOKENS), max_size=8).map(b"".join))
def test_plain_data_are_told_as_before(text: bytes) -> None:
    data = texts_again("x_kind", b"(" + text + b".", 1, "pandas_type")
    (root,) = (file := hdf5_objects.File(BytesContent(data), 0, data[:256], Budget())).nodes()
    assert root
    assert hdf5._is_plain(file, text + b".") == bool(OLD_PLAIN_DATA.fullmatch(text + b"."))


def test_hostile_files_take_little_time_and_memory() -> None:
    for what, data in hostile().items():
        with keeping_below(48 * 1024 * 1024, what), within(4):
            recognise(BytesContent(data), name="model.h5")


def samples() -> list[bytes]:
    file = Hdf5()
    array = file.objects([pickle.dumps([1]), b"x"], (2, 1))
    inner = file.header(attribute("a", b"b"), *file.links({"o": array}))
    old = file.bytes(file.header(file.text("model_config", config(LAMBDA)), *file.links({"g": inner}), continued=True))
    file = Hdf5(new=True)
    inner = file.header(file.dense(attribute("a", b"b", version=3), file.text("model_config", config())))
    new = file.bytes(file.header(*file.links({"g": inner, "h": inner})))
    return [old, new]


SAMPLES = samples()


@QUICK
@given(st.data())
def test_a_mutated_file_never_raises(drawn: st.DataObject) -> None:
    data = bytearray(drawn.draw(st.sampled_from(SAMPLES)))
    for _ in range(drawn.draw(st.integers(1, 8))):
        at = drawn.draw(st.integers(0, len(data) - 1))
        width = drawn.draw(st.sampled_from((1, 1, 2, 4, 8)))
        value = drawn.draw(st.sampled_from((b"\0" * 8, b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\x01" + bytes(7), b"")))
        data[at : at + width] = value[:width] or drawn.draw(st.binary(min_size=width, max_size=width))
    if drawn.draw(st.booleans()):
        del data[drawn.draw(st.integers(0, len(data))) :]
    with within(5):
        recognise(BytesContent(bytes(data)), name="model.h5")
