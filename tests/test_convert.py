"""Checkpoints become safetensors: the same bytes, nothing lost, nothing executed, nothing left behind."""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import itertools
import json
import lzma
import os
import pickle
import signal
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import safetensors
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import LEGACY_MAGIC, lz4_frame, npy, streamed_zip, tarred, torch_tar, zip64, zip_of, zipped
from git_custody.convert import Refused, convert, unpickle
from git_custody.convert.constructors import Constructors
from git_custody.convert.describe import describe
from git_custody.convert.dtypes import TORCH
from git_custody.convert.loading import load
from git_custody.convert.prepared import prepare
from git_custody.convert.tensors import Storage, Tensor
from git_custody.convert.values import Blob, Dict, Items
from git_custody.convert.verify import verify
from git_custody.core.content import BytesContent
from git_custody.core.findings import CannotJudge
from handmade import (
    ORDERED,
    Made,
    Name,
    Persistent,
    array,
    checkpoint,
    dtype,
    dumped,
    floats,
    legacy,
    simple,
    storage,
    tensor,
    wrapped,
)

FOUR = floats(1, 2, 3, 4)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tensors(path: str) -> dict[str, tuple[str, list[int], bytes]]:
    """What the library finds in a safetensors file."""
    found = safetensors.deserialize(Path(path).read_bytes())  # type: ignore[no-untyped-call]
    return {name: (entry["dtype"], entry["shape"], bytes(entry["data"])) for name, entry in found}


def converted(data: bytes, name: str = "model.pt", **options: Any) -> dict[str, tuple[str, list[int], bytes]]:
    """Convert a file of these bytes and verify the result; what the library finds in it."""
    Path(name).write_bytes(data)
    result = convert(name, **options)
    found = verify(name)
    assert (found.problems, found.has_source, found.tensors) == ((), True, result.tensors)
    return tensors(result.output)


def record(name: str = "model.safetensors.json") -> dict[str, Any]:
    made: dict[str, Any] = json.loads(Path(name).read_text("ascii"))
    return made


def refused(data: bytes, name: str = "model.pt", **options: Any) -> Refused:
    """Why a file of these bytes is refused; it has to leave nothing behind."""
    Path(name).write_bytes(data)
    before = sorted(os.listdir())
    with pytest.raises(Refused) as caught:
        convert(name, **options)
    assert sorted(os.listdir()) == before
    return caught.value


# What is written


def test_a_state_dict_becomes_safetensors_with_a_record(folder: Path) -> None:
    assert converted(simple()) == {"w": ("F32", [2, 2], FOUR)}
    raw = Path("model.safetensors").read_bytes()
    assert json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])["__metadata__"] == {"format": "pt"}
    made = record()
    assert made["custody"] == "conversion/1"
    assert made["tool"]["name"] == "git-custody"
    for side, path in (("source", "model.pt"), ("output", "model.safetensors")):
        data = Path(path).read_bytes()
        assert made[side]["bytes"] == len(data)
        assert made[side]["sha256"] == hashlib.sha256(data).hexdigest()
        assert made[side]["name"] == path
    assert made["content"] == {"w": {"$type": "tensor", "name": "w"}}
    assert sorted(os.listdir()) == ["model.pt", "model.safetensors", "model.safetensors.json"]


def test_the_same_source_makes_the_same_bytes(folder: Path) -> None:
    Path("a").mkdir()
    Path("b").mkdir()
    for place in "ab":
        converted(simple(), f"{place}/model.pt")
    for name in ("model.safetensors", "model.safetensors.json"):
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes()
    assert convert("a/model.pt").is_new is False


@pytest.mark.parametrize(
    ("shape", "strides", "offset", "wanted"),
    [
        ((2, 3), (3, 1), 0, (0, 1, 2, 3, 4, 5)),
        ((3, 2), (1, 3), 0, (0, 3, 1, 4, 2, 5)),
        ((2,), (3,), 1, (1, 4)),
        ((), (), 4, (4,)),
        ((0, 5), (5, 1), 0, ()),
        ((2, 3), (0, 1), 1, (1, 2, 3, 1, 2, 3)),
        ((2, 2, 2), (2, 1, 1), 0, (0, 1, 1, 2, 2, 3, 3, 4)),
        ((1, 1), (77, 99), 5, (5,)),
    ],
)
def test_views(
    shape: tuple[int, ...], strides: tuple[int, ...], offset: int, wanted: tuple[float, ...], folder: Path
) -> None:
    view = tensor("0", shape, strides, count=6, offset=offset)
    found = converted(zipped(checkpoint({"w": view}, {"0": floats(*range(6))})))
    assert found["w"] == ("F32", list(shape), floats(*wanted))


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=5),
    st.integers(0, 4),
    st.sampled_from(["int8", "float16", "float32", "float64", "complex128"]),
)
def test_any_view_is_gathered_element_by_element(axes: list[tuple[int, int]], offset: int, name: str) -> None:
    kind = TORCH[name]
    shape, strides = tuple(axis[0] for axis in axes), tuple(axis[1] for axis in axes)
    count = offset + 1 + sum(max(0, extent - 1) * stride for extent, stride in axes)
    data = bytes(index * 7 % 251 for index in range(count * kind.size))
    view = Tensor(Storage(kind, len(data), BytesContent(data)), kind, offset, shape, strides)
    wanted = b""
    for index in itertools.product(*map(range, shape)):
        at = (offset + sum(i * stride for i, stride in zip(index, strides, strict=True))) * kind.size
        wanted += data[at : at + kind.size]
    assert b"".join(view.pieces()) == wanted


def test_a_view_wider_than_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("git_custody.convert.tensors.WINDOW", 64)
    kind = TORCH["float32"]
    data = struct.pack("<240f", *range(240))
    for shape, strides in (((12, 20), (1, 12)), ((20, 3, 4), (12, 1, 3)), ((4, 3, 20), (60, 20, 1)), ((5, 5), (48, 2))):
        view = Tensor(Storage(kind, len(data), BytesContent(data)), kind, 0, shape, strides)
        places = (
            sum(i * s for i, s in zip(index, strides, strict=True)) for index in itertools.product(*map(range, shape))
        )
        assert b"".join(view.pieces()) == floats(*places)


@pytest.mark.parametrize(
    "extra", [(4, (2, 2), (2, 1)), (0, (3, 2), (2, 1)), (0, (2, 2), (2, 2)), (-1, (2,), (1,)), (0, (-2,), (1,))]
)
def test_a_view_beyond_its_storage_is_refused(extra: tuple[int, Any, Any], folder: Path) -> None:
    offset, shape, strides = extra
    found = refused(zipped(checkpoint({"w": tensor("0", shape, strides, count=4, offset=offset)}, {"0": FOUR})))
    assert "tensor" in found.message


def test_tied_and_sliced_tensors_are_written_under_each_name(folder: Path) -> None:
    state = {"a": tensor(), "b": tensor(), "row": tensor("0", (2,), (1,), count=4, offset=2)}
    found = converted(zipped(checkpoint(state, {"0": FOUR})))
    assert found == {"a": ("F32", [2, 2], FOUR), "b": ("F32", [2, 2], FOUR), "row": ("F32", [2], FOUR[8:])}
    assert record()["tied"] == [["a", "b"]]
    assert record()["shared_storage"] == [["a", "b", "row"]]


@pytest.mark.parametrize(
    ("kind", "stored", "size"),
    [("DoubleStorage", "F64", 8), ("HalfStorage", "F16", 2), ("BFloat16Storage", "BF16", 2), ("LongStorage", "I64", 8),
     ("IntStorage", "I32", 4), ("ShortStorage", "I16", 2), ("CharStorage", "I8", 1), ("ByteStorage", "U8", 1),
     ("BoolStorage", "BOOL", 1), ("ComplexFloatStorage", "C64", 8)],
)  # fmt: skip
def test_dtypes(kind: str, stored: str, size: int, folder: Path) -> None:
    data = bytes(range(2 * size))
    if safetensors.__version__ < "0.6" and stored == "C64":
        return
    assert converted(zipped(checkpoint({"w": tensor("0", (2,), kind=kind)}, {"0": data}))) == {"w": (stored, [2], data)}


@pytest.mark.parametrize(
    ("name", "stored", "shape"),
    [
        ("float8_e4m3fn", "F8_E4M3", [4]),
        ("float8_e5m2", "F8_E5M2", [4]),
        ("uint16", "U16", [2]),
        ("uint32", "U32", [1]),
    ],
)
def test_newer_dtypes_name_their_type_beside_untyped_storages(
    name: str, stored: str, shape: list[int], folder: Path
) -> None:
    made = Made(
        Name("torch._utils", "_rebuild_tensor_v3"), storage("UntypedStorage", "0", 4), 0, tuple(shape), (1,), False,
        Made(ORDERED), Name("torch", name),
    )  # fmt: skip
    assert converted(zipped(checkpoint({"w": made}, {"0": b"abcd"}))) == {"w": (stored, shape, b"abcd")}


def test_complex_numbers_that_safetensors_lacks_get_an_axis_and_say_so(folder: Path) -> None:
    data = bytes(range(32))
    found = converted(zipped(checkpoint({"w": tensor("0", (2,), kind="ComplexDoubleStorage")}, {"0": data})))
    assert found == {"w": ("F64", [2, 2], data)}
    entry = record()["content"]["w"]
    assert entry["dtype"] == "complex128"
    assert "last axis" in entry["stored_as"]
    assert b"stored_as:w" in Path("model.safetensors").read_bytes()


def test_a_parameter_is_a_tensor_that_says_what_it_was(folder: Path) -> None:
    parameter = Made(Name("torch._utils", "_rebuild_parameter"), tensor(), True, Made(ORDERED))
    assert converted(zipped(checkpoint({"w": parameter}, {"0": FOUR}))) == {"w": ("F32", [2, 2], FOUR)}
    assert record()["content"]["w"] == {"$type": "tensor", "kind": "Parameter", "requires_grad": True, "name": "w"}


def test_parameters_and_attributes_of_other_versions(folder: Path) -> None:
    rebuild = Name("torch._utils", "_rebuild_tensor")
    old = Made(rebuild, storage("FloatStorage", "0", 4), 0, (2, 2), (2, 1))
    plain = tensor()
    value = {
        "old": Made(Name("torch.nn.parameter", "Parameter"), old, state=(False, False, Made(ORDERED)), new=True),
        "new": Made(Name("torch._utils", "_rebuild_parameter_with_state"), plain, True, Made(ORDERED), {"note": 1}),
        "typed": Made(
            Name("torch._tensor", "_rebuild_from_type_v2"), plain.function, Name("torch.nn.parameter", "Buffer"), plain.arguments,
            {"persistent": True},
        ),
        "device": Made(
            Name("torch._utils", "_rebuild_device_tensor_from_numpy"), array("f4", (2, 2), FOUR), Name("torch", "float32"),
            "xla:0", False,
        ),
    }  # fmt: skip
    assert converted(zipped(checkpoint(value, {"0": FOUR}))) == dict.fromkeys(value, ("F32", [2, 2], FOUR))
    content = record()["content"]
    assert content["old"] == {"$type": "tensor", "kind": "Parameter", "name": "old"}
    assert content["new"]["attributes"] == {"note": 1}
    assert (content["typed"]["kind"], content["typed"]["attributes"]) == ("Buffer", {"persistent": True})
    own = Made(
        Name("torch._tensor", "_rebuild_from_type_v2"), plain.function, Name("own", "Tensor"), plain.arguments, None
    )
    assert refused(several({"w": own}), "b.pt").global_name == "own.Tensor"


def test_checkpoints_of_lightning(folder: Path) -> None:
    value = {
        "state_dict": {"a.w": tensor()},
        "callbacks": {Name("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"): {"best": 1}},
        "hyper_parameters": Made(Name("pytorch_lightning.utilities.parsing", "AttributeDict"), new=True),
    }
    assert set(converted(several(value))) == {"a.w"}
    content = record()["content"]
    named = {"$type": "type", "name": "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"}
    assert content["callbacks"]["items"] == [[named, {"best": 1}]]
    assert content["hyper_parameters"] == {"$type": "pytorch_lightning.utilities.parsing.AttributeDict", "items": {}}
    called = {"x": Made(Name("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")), "w": tensor()}
    assert "no library writes" in refused(several(called), "b.pt").message


def old_pickle(code: bytes, shape: bytes, raw: bytes) -> bytes:
    """A dict of one array, as Python 2 wrote it in protocol 2: its texts and bytes are one and the same."""
    dtype = b"cnumpy\ndtype\nU\x02" + code + b"K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    start = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    data = b"T" + struct.pack("<L", len(raw)) + raw
    return b"\x80\x02}U\x04data" + start + b"(K\x01" + shape + dtype + b"\x89" + data + b"tbsU\x05labelU\x03\xff\xfeas."


@pytest.mark.parametrize("count", [4, 4000])
def test_arrays_that_python_2_pickled(count: int, folder: Path) -> None:
    raw = floats(*range(count))
    found = converted(old_pickle(b"f4", b"M" + struct.pack("<H", count) + b"\x85", raw), "a.pkl")
    assert found == {"data": ("F32", [count], raw)}
    assert record("a.safetensors.json")["content"]["label"] == {"$type": "bytes", "base64": "//5h"}


@pytest.mark.parametrize("count", [4, 4000])
def test_bytes_that_old_protocols_write_as_text(count: int, folder: Path) -> None:
    raw = floats(*range(1000, 1000 + count))
    data = Made(Name("_codecs", "encode"), raw.decode("latin-1"), "latin1")
    assert converted(dumped({"a": array("f4", (count,), data)}), "a.pkl") == {"a": ("F32", [count], raw)}
    wrong = Made(Name("_codecs", "encode"), "\u20ac" * count, "latin1")
    assert "written as" in refused(dumped({"a": array("f4", (count,), wrong)}), "b.pkl").message


def buffered(order: str, *axes: Any) -> Made:
    made = Made(Name("builtins", "bytearray"), floats(*range(6)))
    return Made(Name("numpy._core.numeric", "_frombuffer"), made, dtype("f4"), (2, 3), order, *axes)


@pytest.mark.parametrize(
    ("value", "shape", "numbers"),
    [
        (buffered("C"), [2, 3], (0, 1, 2, 3, 4, 5)),
        (buffered("F"), [2, 3], (0, 2, 4, 1, 3, 5)),
        (buffered("K", (1, 0)), [3, 2], (0, 3, 1, 4, 2, 5)),
    ],
)
def test_arrays_of_protocol_5(value: Made, shape: list[int], numbers: tuple[int, ...], folder: Path) -> None:
    assert converted(dumped({"a": value}), "a.pkl") == {"a": ("F32", shape, floats(*numbers))}


@pytest.mark.parametrize(
    "value", [buffered("A"), buffered("K", (0, 0)), buffered("K", ("x", 1)), buffered("C", (0, 1))]
)
def test_arrays_of_protocol_5_that_are_not_as_numpy_writes_them(value: Made, folder: Path) -> None:
    assert "_frombuffer" in str(refused(dumped({"a": value}), "a.pkl").global_name)


def test_dates_and_the_types_of_ml_dtypes(folder: Path) -> None:
    state: tuple[Any, ...] = (4, "<", None, None, None, -1, -1, 0, ({}, (b"ns", 1, 1, 1)))
    dates = Made(Name("numpy", "dtype"), "M8", False, True, state=state)
    start = Name("numpy", "ndarray"), (0,), b"b"
    make = Name("numpy.core.multiarray", "_reconstruct")
    half = Made(
        Name("numpy", "dtype"), Name("ml_dtypes", "bfloat16"), False, True, state=(3, "<", None, None, None, -1, -1, 0)
    )
    value = {
        "d": Made(make, *start, state=(1, (1,), dates, False, bytes(8))),
        "h": Made(make, *start, state=(1, (2,), half, False, b"abcd")),
    }
    assert converted(dumped(value), "a.pkl") == {"d": ("I64", [1], bytes(8)), "h": ("BF16", [2], b"abcd")}
    assert record("a.safetensors.json")["content"]["d"]["dtype"] == "datetime64[ns]"


@pytest.mark.parametrize(
    "state",
    [
        None, (), (1, (1,), dtype("f4"), False), (1, (2,), dtype("f4"), False, bytes(4)), (1, (1,), "f4", False, bytes(4)),
        (1, ("x",), dtype("f4"), False, bytes(4)), (1, (1,), dtype("f4"), False, "text"), (1, (1,), dtype("f4"), "no", bytes(4)),
    ],
)  # fmt: skip
def test_arrays_with_a_state_that_numpy_does_not_write(state: Any, folder: Path) -> None:
    made = Made(Name("numpy.core.multiarray", "_reconstruct"), Name("numpy", "ndarray"), (0,), b"b", state=state)
    refused(dumped({"a": made}), "a.pkl")


# Names


def several(value: Any) -> bytes:
    return zipped(checkpoint(value, {"0": FOUR}))


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"a.w": tensor()}, {"a.w"}),
        ({"state_dict": {"a.w": tensor()}}, {"a.w"}),
        ({"model": {"a.w": tensor()}, "epoch": 3}, {"a.w"}),
        ({"model": {"state_dict": {"w": tensor()}}}, {"w"}),
        ({"student": {"a.w": tensor()}}, {"a.w"}),
        ({"student": {"w": tensor()}}, {"student.w"}),
        ({"state_dict": {"w": tensor()}, "ema": {"w": tensor()}}, {"w", "ema.w"}),
        ({"model": {"w": tensor()}, "ema": {"w": tensor()}}, {"model.w", "ema.w"}),
        ({"model": {"w": tensor()}, "rng": [tensor()], "step": tensor()}, {"w", "rng.0", "step"}),
        ({"params": {"dense": {"kernel": tensor()}}}, {"dense.kernel"}),
        ([tensor(), (tensor(),)], {"0", "1.0"}),
        (tensor(), {"tensor"}),
        ({1: tensor(), "b": {2: tensor()}}, {"1", "b.2"}),
    ],
)
def test_names_are_the_keys_that_loaders_expect(value: Any, names: set[str], folder: Path) -> None:
    assert set(converted(several(value))) == names


@pytest.mark.parametrize("value", [{"a": {"b": tensor()}, "a.b": tensor()}, {1: tensor(), "1": tensor()}])
def test_two_tensors_of_one_name_are_refused(value: Any, folder: Path) -> None:
    assert "would be called" in refused(several(value)).message


def test_a_tensor_cannot_be_called_like_the_metadata(folder: Path) -> None:
    assert "__metadata__" in refused(several({"__metadata__": tensor()})).message


OPTIMIZER = {"state": {0: {"step": 5, "exp_avg": tensor()}}, "param_groups": [{"lr": 0.5, "params": [0]}]}


@pytest.mark.parametrize("key", ["optimizer", "optimizer_states", "optim", "last_optimizer_state", "anything"])
def test_states_of_optimisers_are_kept_by_choice(key: str, folder: Path) -> None:
    data = several({"model": {"w": tensor()}, key: OPTIMIZER})
    Path("model.pt").write_bytes(data)
    result = convert("model.pt")
    assert set(tensors(result.output)) == {"w"}
    assert [(left.place, left.tensors, left.bytes) for left in result.left_out] == [(key, 1, 16)]
    kept = record()["content"][key]
    assert kept["param_groups"] == [{"lr": 0.5, "params": [0]}]
    assert kept["state"]["items"][0][1] == {
        "step": 5,
        "exp_avg": {"$type": "tensor", "left_out": True, "dtype": "float32", "shape": [2, 2]},
    }
    assert record()["optimizer"] == "left out"
    Path("kept.pt").write_bytes(data)
    assert set(converted(data, "kept.pt", optimizer=True)) == {"w", f"{key}.state.0.exp_avg"}
    assert record("kept.safetensors.json")["optimizer"] == "kept"


def test_a_file_of_nothing_but_an_optimiser_says_how_to_keep_it(folder: Path) -> None:
    data = several(OPTIMIZER)
    assert "--optimizer" in refused(data).message
    assert set(converted(data, optimizer=True)) == {"state.0.exp_avg"}


# Everything else


def test_everything_else_goes_whole_to_the_record(folder: Path) -> None:
    value = {
        "w": tensor(), "t": (1, "x"), "n": None, "f": -0.0, "b": b"\0\xff", "big": 2**60, "odd": {1: "one", ("a",): 2},
        "$x": {"$type": 1}, "s": Made(Name("builtins", "set"), [1, 2]), "size": Made(Name("torch", "Size"), (2, 3)),
        "dtype": Name("torch", "bfloat16"), "d": Made(Name("collections", "defaultdict"), Name("builtins", "list"), state=None),
        "path": Made(Name("pathlib", "PosixPath"), "a", "b"), "nan": float("nan"), "half": "\ud800",
        "scalar": Made(Name("numpy.core.multiarray", "scalar"), dtype("f8"), struct.pack("<d", 0.25)),
        "text": array("U2", (2,), "abcd".encode("utf-32-le")),
    }  # fmt: skip
    state = Made(ORDERED, state={"_metadata": {"": {"version": 1}}})
    assert set(converted(several({**value, "o": state}))) == {"w"}
    content = record()["content"]
    assert content["$type"] == "dict"  # one of its keys looks like ours
    found = content["items"]
    assert found["t"] == {"$type": "tuple", "items": [1, "x"]}
    assert found["n"] is None
    assert str(found["f"]) == "-0.0"
    assert found["b"] == {"$type": "bytes", "base64": "AP8="}
    assert found["big"] == {"$type": "int", "value": hex(2**60)}
    assert found["odd"] == {"$type": "dict", "items": [[1, "one"], [{"$type": "tuple", "items": ["a"]}, 2]]}
    assert found["$x"] == {"$type": "dict", "items": {"$type": 1}}
    assert found["s"] == {"$type": "set", "items": [1, 2]}
    assert found["size"] == {"$type": "torch.Size", "arguments": [{"$type": "tuple", "items": [2, 3]}]}
    assert found["dtype"] == {"$type": "torch.dtype", "name": "bfloat16"}
    assert found["d"]["arguments"] == [{"$type": "type", "name": "builtins.list"}]
    assert found["path"] == {"$type": "pathlib.PosixPath", "arguments": ["a", "b"]}
    assert found["nan"] == {"$type": "float", "value": "nan"}
    assert found["half"]["$type"] == "str"
    assert found["scalar"] == {"$type": "numpy.scalar", "dtype": "<f8", "value": 0.25}
    assert found["text"]["dtype"] == "<U2"
    assert found["o"]["attributes"] == {"_metadata": {"": {"version": 1}}}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner)
    | st.sets(st.integers()) | st.frozensets(st.text()) | st.binary().map(bytearray),
    max_leaves=20,
)  # fmt: skip


@given(PLAIN, st.integers(0, 5))
def test_the_machine_describes_what_a_pickle_holds(value: Any, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    found, end = unpickle.unpickle(BytesContent(data), 0, Constructors())
    assert end == len(data)
    assert describe(found).content == expected(value)


def expected(value: Any) -> Any:
    """The JSON of a value, written once more."""
    if isinstance(value, (bytes, bytearray)):
        return {"$type": type(value).__name__, "base64": base64.b64encode(value).decode()}
    if isinstance(value, complex):
        return {"$type": "builtins.complex", "arguments": [expected(value.real), expected(value.imag)]}
    if isinstance(value, float) and value - value != 0:
        return {"$type": "float", "value": repr(value)}
    if type(value) is int and abs(value) > 2**53:
        return {"$type": "int", "value": hex(value)}
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            items: Any = {key: expected(part) for key, part in value.items()}
            return {"$type": "dict", "items": items} if any(key.startswith("$") for key in value) else items
        return {"$type": "dict", "items": [[expected(key), expected(part)] for key, part in value.items()]}
    if isinstance(value, list):
        return [expected(part) for part in value]
    if isinstance(value, (tuple, set, frozenset)):
        return {"$type": type(value).__name__, "items": [expected(part) for part in value]}
    return value


def test_long_literals_stay_in_the_file_until_they_are_written() -> None:
    data = pickle.dumps({"text": "é" * 5000, "bytes": bytes(9000), "array": bytearray(9000)}, 5)
    found, _ = unpickle.unpickle(BytesContent(data), 0, Constructors())
    assert isinstance(found, Dict)
    held = dict(found.pairs)
    assert isinstance(held["text"], Blob)
    assert isinstance(held["bytes"], Blob)
    assert isinstance(held["array"], Items)
    assert describe(found).content == expected({"text": "é" * 5000, "bytes": bytes(9000), "array": bytearray(9000)})


# Other formats


def test_the_legacy_format(folder: Path) -> None:
    value = {
        "w": tensor("1", view=None),
        "part": tensor("1", (2,), count=4, kind="FloatStorage", view=("7", 1, 2)),
        "long": tensor("2", (1,), kind="LongStorage", view=None),
    }
    found = converted(legacy(value, {"2": (1, bytes(range(8))), "1": (4, FOUR)}))
    assert found["w"] == ("F32", [2, 2], FOUR)
    assert found["part"] == ("F32", [2], FOUR[4:12])
    assert found["long"] == ("I64", [1], bytes(range(8)))
    assert record()["source"]["format"] == "pytorch-legacy"


def test_damage_in_the_legacy_format_is_refused(folder: Path) -> None:
    value = {"w": tensor("1", view=None)}
    whole = legacy(value, {"1": (4, FOUR)})
    assert "follows its last tensor" in refused(whole + b"x").message
    assert "ends before" in refused(whole[:-1]).message or "size" in refused(whole[:-1]).message
    assert "another size" in refused(legacy(value, {"1": (3, FOUR)})).message
    assert "each storage once" in refused(legacy(value, {"1": (4, FOUR), "2": (4, FOUR)})).message
    assert "least significant" in refused(legacy(value, {"1": (4, FOUR)}, little_endian=False)).message
    assert "does not go on" in refused(LEGACY_MAGIC + dumped(1002) + whole).message
    two = {"w": tensor("1", view=None), "v": tensor("1", (2,), kind="DoubleStorage", view=None)}
    assert "in two ways" in refused(legacy(two, {"1": (4, FOUR)})).message
    beyond = {"w": tensor("1", (2,), count=4, view=("7", 3, 2))}
    assert "too small" in refused(legacy(beyond, {"1": (4, FOUR)})).message


def test_tensors_in_a_plain_pickle_hold_files_of_their_own(folder: Path) -> None:
    inner = legacy(storage("FloatStorage", "1", 4, view=None), {"1": (4, FOUR)})
    held = Made(Name("torch.storage", "_load_from_bytes"), inner)
    made = Made(Name("torch._utils", "_rebuild_tensor_v2"), held, 0, (4,), (1,), False, Made(ORDERED))
    assert converted(dumped({"w": made}), "a.pkl") == {"w": ("F32", [4], FOUR)}
    nested = legacy(Made(Name("torch.storage", "_load_from_bytes"), inner), {})
    held = Made(Name("torch.storage", "_load_from_bytes"), nested)
    assert refused(dumped({"w": held}), "b.pkl").global_name == "torch.storage._load_from_bytes"


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("code", "stored"), [("<f4", "F32"), ("<i2", "I16"), ("|u1", "U8"), ("|b1", "BOOL"), ("<u8", "U64")]
)
def test_npy(code: str, stored: str, version: int, folder: Path) -> None:
    data = bytes(range(6 * int(code[2:])))
    found = converted(npy(code, (2, 3), data, version), "a.npy")
    assert found == {"tensor": (stored, [2, 3], data)}
    fortran = npy(code, (2, 3), data, version).replace(b"'fortran_order': False", b"'fortran_order': True ")
    size = int(code[2:])
    numbers = [data[i * size : (i + 1) * size] for i in (0, 2, 4, 1, 3, 5)]
    assert converted(fortran, "b.npy") == {"tensor": (stored, [2, 3], b"".join(numbers))}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_npz(method: int, folder: Path) -> None:
    members = {
        "a.npy": npy("<f4", (4,), FOUR),
        "b/c.npy": npy("|u1", (), b"x"),
        "names.npy": npy("<U1", (1,), b"a\0\0\0"),
    }
    found = converted(zipped(members, method), "a.npz")
    assert found == {"a": ("F32", [4], FOUR), "b/c": ("U8", [], b"x")}
    assert record("a.safetensors.json")["content"]["names"]["dtype"] == "<U1"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (npy("|O", (1,), b"\x80\x02]."), "an array of Python objects"),
        (npy([("a", "<f4")], (1,), bytes(4)), "an array of records"),
        (npy([("a", "|O")], (1,), bytes(8)), "an array of records"),
        (npy(">f4", (1,), bytes(4)), "most significant byte first"),
        (npy("<f16", (1,), bytes(16)), "no type for"),
        (npy("<V2", (1,), bytes(2)), "no tensor"),
        (npy("<f4", (2,), bytes(4)), "more or fewer"),
        (npy("<f4", (1,), bytes(5)), "more or fewer"),
        (npy("<f4", (-1,), b""), "more or fewer"),
        (npy("<f4", ("1",), bytes(4)), "more or fewer"),  # type: ignore[arg-type]
        (npy("f4", (1,), bytes(4)), "header"),
        (npy("<f4", (1,), bytes(4)).replace(b"\x01\x00", b"\x07\x00", 1), "version"),
        (npy("<f4", (1,), bytes(4)).replace(b"{", b"(", 1), "header"),
        (npy("<f4", (1,), bytes(4)).replace(b"'shape'", b"'shapf'", 1), "header"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f", "header"),
    ],
)
def test_arrays_that_are_refused(data: bytes, words: str, folder: Path) -> None:
    assert words in refused(data, "a.npy").message
    if words != "no tensor":
        refused(zipped({"a.npy": npy("<f4", (), bytes(4)), "b.npy": data}), "a.npz")


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zlib": zlib.compress,
    "lz4": lz4_frame,
    "two": lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]),
}


def joblib_file() -> bytes:
    value = {
        "x": wrapped("f4", (2, 2), FOUR), "y": [wrapped("u1", (3, 2), b"abcdef", fortran=True)], "n": "text",
        "empty": wrapped("f8", (0,), b""), "old": array("f4", (4,), FOUR, fortran=True),
    }  # fmt: skip
    return dumped(value)


def test_joblib(folder: Path) -> None:
    found = converted(joblib_file(), "a.joblib")
    assert found == {
        "x": ("F32", [2, 2], FOUR), "y.0": ("U8", [3, 2], b"adbecf"), "empty": ("F64", [0], b""), "old": ("F32", [4], FOUR),
    }  # fmt: skip
    assert record("a.safetensors.json")["source"]["format"] == "joblib"


@pytest.mark.parametrize("how", PACKED)
def test_compressed_files(how: str, folder: Path) -> None:
    packed = PACKED[how](joblib_file())
    assert converted(packed, "a.joblib")["x"] == ("F32", [2, 2], FOUR)
    assert "damaged" in refused(packed[:-5], "b.joblib").message
    assert converted(PACKED[how](simple()), "c.pt")["w"] == ("F32", [2, 2], FOUR)


def test_joblib_files_that_are_refused(folder: Path) -> None:
    assert "Python objects" in refused(dumped(wrapped("O8", (1,), b"")), "a.joblib").message
    assert "most significant" in refused(dumped([wrapped("f4", (1,), bytes(4), order=">")]), "a.joblib").message
    own = dumped(wrapped("f4", (1,), bytes(4), subclass=Name("own", "Array")))
    assert refused(own, "a.joblib").global_name == "own.Array"
    assert "unusual" in refused(dumped(wrapped("f4", (-1,), b"")), "a.joblib").message
    assert "ends before" in refused(dumped(wrapped("f4", (2**40,), b"")), "a.joblib").message
    assert "ends before" in refused(dumped(wrapped("f4", (2**70,), b"")), "a.joblib").message
    assert "before 0.10" in refused(b"ZF0x12".ljust(30) + zlib.compress(b"x"), "a.joblib").message
    assert "follows the end" in refused(joblib_file() + b"more", "a.joblib").message


# What is refused


def test_a_foreign_name_is_refused_with_its_place_and_what_to_do(folder: Path) -> None:
    value = {
        "epoch": 1,
        "model": {"w": tensor()},
        "args": {"x": [Made(Name("argparse", "Namespace"), state={"lr": 1})]},
    }
    found = refused(several(value))
    assert (found.global_name, found.place) == ("argparse.Namespace", "args.x.0")
    assert found.message == 'it needs argparse.Namespace, which is neither a tensor nor plain data (at "args.x.0")'
    assert found.how_to_resave == (
        "import torch",
        "checkpoint = torch.load({path}, weights_only=False)",
        "torch.save(checkpoint['model'], {saved})",
    )


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"w": tensor(), "x": Made(Name("posix", "system"), "true")}, "posix.system"),
        ({"w": tensor(), "x": Name("builtins", "eval")}, "builtins.eval"),
        ({Made(Name("os", "getcwd")): tensor()}, "os.getcwd"),
        (Made(Name("collections", "OrderedDict"), Made(Name("nt", "system"), "x")), "nt.system"),
        ({"w": Made(Name("torch._utils", "_rebuild_parameter"), Made(Name("os", "system"), "x"), True, None)}, "os.system"),
        ({"w": tensor(), "x": Made(Name("builtins", "getattr"), Name("os", "path"), "x")}, "builtins.getattr"),
        ({"w": tensor(), "x": Made(Name("torch", "load"), "x")}, "torch.load"),
        ({"w": tensor(), "x": Made(Name("torch.storage", "_load_from_bytes"), b"cos\nsystem\n.")}, "torch.storage._load_from_bytes"),
        ({"w": tensor(), "x": Made(Name("builtins", "int"), "1")}, "builtins.int"),
    ],
)  # fmt: skip
def test_whatever_would_run_is_refused_by_name(value: Any, name: str, folder: Path) -> None:
    found = refused(several(value))
    assert found.global_name == name
    assert bool(found.how_to_resave) is name.startswith("torch.load")  # who finds the others had better not load it


def test_a_call_that_is_thrown_away_is_refused_all_the_same(folder: Path) -> None:
    index = dumped({"w": tensor()})
    members = checkpoint({}, {"0": FOUR})
    members["archive/data.pkl"] = b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R0" + index[2:]
    assert refused(zipped(members)).global_name == "posix.system"
    members["archive/data.pkl"] = b"\x80\x02cposix\nsystem\n0" + index[2:]
    assert refused(zipped(members)).global_name == "posix.system"


def test_calls_that_no_library_writes(folder: Path) -> None:
    index = dumped({"w": tensor()})[2:]
    members = checkpoint({}, {"0": FOUR})
    for before, words in (
        (b"})R0", "no function"),
        (b"](K\x01K\x02e\x850", None),
        (b"ccollections\nOrderedDict\n(]tR0", None),
        (b"ccollections\nOrderedDict\n](K\x01K\x02\x86e\x85\x810", "collections.OrderedDict"),  # it would be empty
        (b"cbuiltins\nset\n]K\x01a\x85\x810", "builtins.set"),
        (b"ccollections\nOrderedDict\n)}\x920", None),
        (b"ccollections\nOrderedDict\n)}U\1aK\1s\x920", "collections.OrderedDict"),
        (b"(ctorch\nSize\n(K\1tt0", None),
        (b"((K\1titorch\nSize\n0", None),
        (b"(ccollections\nOrderedDict\no0", None),
    ):
        members["archive/data.pkl"] = b"\x80\x02" + before + index
        if words is None:
            converted(zipped(members), "fine.pt", replace=True)
        else:
            assert words in refused(zipped(members)).message


def test_arrays_that_were_never_filled(folder: Path) -> None:
    empty = Made(Name("numpy.core.multiarray", "_reconstruct"), Name("numpy", "ndarray"), (0,), b"b")
    found = refused(dumped({"x": array("f4", (4,), FOUR), "a": empty}), "a.pkl")
    assert found.message == 'it holds a value that was never filled (at "a")'
    flagged = Made(Name("numpy", "dtype"), "f4", False, True, state=(3, "<", None, None, None, -1, -1, 63))
    start = Name("numpy", "ndarray"), (0,), b"b"
    made = Made(Name("numpy.core.multiarray", "_reconstruct"), *start, state=(1, (1,), flagged, False, bytes(4)))
    refused(dumped({"a": made}), "a.pkl")
    refused(dumped({"a": array("S3", (2,), bytes(5))}), "a.pkl")


def test_what_would_run_is_named_even_where_the_rest_is_damaged(folder: Path) -> None:
    assert refused(b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R\xff", "a.pkl").global_name == "posix.system"


@pytest.mark.parametrize(
    ("function", "words"),
    [("_rebuild_qtensor", "a quantised tensor"), ("_rebuild_sparse_tensor", "a sparse tensor"),
     ("_rebuild_nested_tensor", "a nested tensor"), ("_rebuild_meta_tensor_no_storage", "without data")],
)  # fmt: skip
def test_kinds_of_tensors_that_cannot_be_stored(function: str, words: str, folder: Path) -> None:
    found = refused(several({"q": Made(Name("torch._utils", function), 1), "w": tensor()}))
    assert words in found.message
    assert found.place == "q"


@pytest.mark.parametrize(
    "arguments",
    [(), (1, 2, 3, 4), (storage("FloatStorage", "0", 4), "0", (2, 2), (2, 1), False, Made(ORDERED)),
     (storage("FloatStorage", "0", 4), 0, (2, 2), (2, 1), False, {"hook": 1}),
     (storage("FloatStorage", "0", 4), 0, (2.0, 2), (2, 1), False, Made(ORDERED)),
     (storage("FloatStorage", "0", 4), 0, (2, 2), (2, 1), False, Made(ORDERED), {"conj": True})],
)  # fmt: skip
def test_tensors_that_are_rebuilt_in_another_way_than_ours(arguments: tuple[Any, ...], folder: Path) -> None:
    found = refused(several({"w": Made(Name("torch._utils", "_rebuild_tensor_v2"), *arguments)}))
    assert "tensor" in found.message


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({**checkpoint({"w": tensor()}, {"0": FOUR}), "archive/constants.pkl": b"\x80\x02)."}, "TorchScript"),
        ({**checkpoint({"w": tensor()}, {"0": FOUR}), "archive/code/x.py": b""}, "TorchScript"),
        ({**checkpoint({"w": tensor()}, {"0": FOUR}), "archive/extra": b"x"}, '"extra"'),
        ({**checkpoint({"w": tensor()}, {"0": FOUR}), "archive/data/1": b"x"}, '"data/1"'),
        ({**checkpoint({"w": tensor()}, {"0": FOUR}), "other/x": b"x"}, "in one folder"),
        ({**checkpoint({"w": tensor()}, {"0": FOUR}), "ARCHIVE/data.pkl": b"x"}, "twice"),
        (checkpoint({"w": tensor()}, {"0": FOUR}, byteorder=b"big"), "least significant"),
        (checkpoint({"w": tensor()}, {"0": FOUR}, byteorder=b"little "), "least significant"),
        (checkpoint({"w": tensor()}, {}), "missing"),
        (checkpoint({"w": tensor()}, {"0": FOUR[:-1]}), "another size"),
        (checkpoint({"w": tensor()}, {"0": FOUR + b"x"}), "another size"),
        (checkpoint({"w": tensor(), "v": tensor("0", (2,), kind="DoubleStorage")}, {"0": FOUR}), "in two ways"),
        (checkpoint({"w": Persistent("module", 1)}, {"0": FOUR}), "other than a storage"),
        (checkpoint({"w": Persistent("storage", Name("torch", "FloatStorage"), "0", "cpu", -1)}, {}), "unusual way"),
        (checkpoint({"w": tensor(), "s": storage("FloatStorage", "0", 4)}, {"0": FOUR}), "bare storage"),
        (checkpoint({"epoch": 1}, {}), "no tensor"),
    ],
)
def test_checkpoints_that_loaders_could_read_differently(members: dict[str, bytes], words: str, folder: Path) -> None:
    assert words in refused(zipped(members)).message


def replaced(data: bytes, old: bytes, new: bytes, which: int = 0) -> bytes:
    """Overwrite one occurrence."""
    at = -1
    for _ in range(which + 1):
        at = data.index(old, at + 1)
    return data[:at] + new + data[at + len(old) :]


CENTRAL, END = b"PK\x01\x02", b"PK\x05\x06"


def field(data: bytes, signature: bytes, at: int, value: bytes) -> bytes:
    """Overwrite a field of the last record with this signature."""
    begin = data.rindex(signature) + at
    return data[:begin] + value + data[begin + len(value) :]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"x",
        lambda data: b"x" + data,
        lambda data: data[:-2] + b"\1\0x",
        lambda data: data[:-5],
        lambda data: field(data, CENTRAL, 8, b"\1\0"),
        lambda data: field(data, CENTRAL, 10, b"\x63\0"),
        lambda data: field(data, CENTRAL, 38, b"\x10"),
        lambda data: field(data, CENTRAL, 46, b"X"),
        lambda data: field(data, b"PK\3\4", 30, b"X"),
        lambda data: field(data, b"PK\3\4", 8, b"\x08\0"),
        lambda data: field(data, b"PK\3\4", 18, b"\x09\0\0\0"),
        lambda data: field(data, b"PK\3\4", 14, b"\x09\0\0\0"),
        lambda data: field(data, CENTRAL, 20, b"\xff\xff\0\0" * 2),
        lambda data: field(data, CENTRAL, 42, b"\0\0\0\0"),
        lambda data: field(data, END, 10, b"\1\0"),
        lambda data: field(data, END, 8, b"\1\0\1\0"),
        lambda data: field(data, END, 16, b"\1\0\0\0"),
        lambda data: field(data, END, 4, b"\1\0"),
    ],
)
def test_archives_that_are_not_whole_and_plain(change: Callable[[bytes], bytes], folder: Path) -> None:
    Path("model.pt").write_bytes(change(simple()))
    with pytest.raises((Refused, CannotJudge)):
        convert("model.pt")
    assert os.listdir() == ["model.pt"]


def test_a_member_that_stands_twice(folder: Path) -> None:
    members = checkpoint({"w": tensor()}, {"0": FOUR})
    assert "twice" in refused(zip_of([*members.items(), ("archive/data/0", bytes(16))])).message
    assert "twice" in refused(zip_of([*members.items(), ("archive/Data/0", bytes(16))])).message


def test_archives_of_zip64_and_with_folders(folder: Path) -> None:
    members = checkpoint({"w": tensor()}, {"0": FOUR})
    assert converted(zip64(zipped(members)))["w"] == ("F32", [2, 2], FOUR)
    assert converted(zip_of([("archive/", b""), *members.items()]), "b.pt")["w"] == ("F32", [2, 2], FOUR)
    assert "end records" in refused(field(zip64(zipped(members)), b"PK\6\6", 24, b"\1"), "c.pt").message
    assert "end records" in refused(field(zip64(zipped(members)), b"PK\6\7", 8, b"\1"), "c.pt").message
    assert "folder" in refused(zip_of([*members.items(), ("archive/x/", b"x")]), "c.pt").message
    streamed = streamed_zip(members, zipfile.ZIP_STORED)
    assert converted(streamed, "d.pt")["w"] == ("F32", [2, 2], FOUR)


def test_checksums_of_the_archive_have_to_be_right(folder: Path) -> None:
    damaged = replaced(simple(), FOUR, floats(1, 2, 3, 5))
    assert "checksum" in refused(damaged).message
    crc = struct.pack("<L", zlib.crc32(FOUR))
    without = simple().replace(crc, bytes(4))  # PyTorch can be told not to compute them
    assert converted(without)["w"] == ("F32", [2, 2], FOUR)
    deflated = zipped(checkpoint({"w": tensor()}, {"0": FOUR}), zipfile.ZIP_DEFLATED)
    assert converted(deflated, "b.pt")["w"] == ("F32", [2, 2], FOUR)


BROKEN = {
    "empty": b"\x80\x02",
    "stop-only": b"\x80\x02.",
    "two-values": b"\x80\x02NN.",
    "mark-left": b"\x80\x02(.",
    "trailing": b"\x80\x02N.N",
    "late-proto": b"N0\x80\x02N.",
    "proto-6": b"\x80\x06N.",
    "bad-opcode": b"\x80\x02\xff.",
    "memo": b"\x80\x02h\x01.",
    "frame-long": b"\x80\x04\x95\xff\0\0\0\0\0\0\0N.",
    "frame-short": b"\x80\x04\x95\x01\0\0\0\0\0\0\0K\x01.",
    "frame-in-frame": b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x95\x01\0\0\0\0\0\0\0N.",
    "out-of-band": b"\x80\x05\x97.",
    "odd-dict": b"\x80\x02(Nd.",
    "append-to-tuple": b"\x80\x02)Na.",
    "set-in-list": b"\x80\x02]NNs.",
    "add-to-list": b"\x80\x02](N\x90.",
    "tuple-short": b"\x80\x02N\x86.",
    "arguments": b"\x80\x02ctorch\nSize\nNR.",
    "state": b"\x80\x02]Nb.",
    "literal-too-long": b"\x80\x02B\xff\xff\xff\x7fabc.",
    "text": b"\x80\x02X\x01\0\0\0\xff.",
    "int": b"I1x\n.",
    "float": b"Fabc\n.",
    "string": b"S'abc\n.",
    "key": b"Np-1\n.",
    "long": b"\x80\x02\x8b\xff\xff\0\0.",
    "persistent": b"\x80\x02K\x01Q.",
    "persistent-line": b"P1\n.",
    "no-name": b"c\n\n.",
    "name-no-text": b"\x80\x04K\x01K\x02\x93.",
    "extension": b"\x80\x02\x82\x01)R.",
    "list-in-itself": b"]p0\ng0\na.",
    "dict-key-list": b"}]Ns.",
    "twice": b"}K\x01NsG?\xf0\0\0\0\0\0\0Ns.",
}


@pytest.mark.parametrize("name", BROKEN)
def test_pickles_that_are_not_valid(name: str, folder: Path) -> None:
    Path("a.pkl").write_bytes(BROKEN[name])
    with pytest.raises((Refused, CannotJudge)):
        convert("a.pkl")
    assert os.listdir() == ["a.pkl"]


def test_what_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = dumped({"w": tensor(), "deep": None})
    nested = b"]" * 300 + b"a" * 299 + b"."
    assert "deep" in refused(b"\x80\x02" + nested, "a.pkl").message
    monkeypatch.setattr("git_custody.convert.unpickle.OPCODES_AT_MOST", 10)
    assert "opcodes" in refused(zipped({**checkpoint({}, {"0": FOUR}), "archive/data.pkl": deep})).message


def test_shared_values_do_not_grow_without_bound(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("git_custody.convert.describe.VALUES_AT_MOST", 10_000)
    data = b"\x80\x02]q\0" + b"".join(b"h%ch%c\x86q%c" % (level, level, level + 1) for level in range(60)) + b"."
    stack = b"\x80\x02](" + data[2:-1] + b"e."
    assert "more than 10000 values" in refused(stack, "a.pkl").message


def test_a_bomb_of_views_is_refused(folder: Path) -> None:
    assert "over and over" in refused(several({"w": tensor("0", (10**6, 10**6), (0, 0), count=4)})).message
    assert "reaches beyond" in refused(several({"w": tensor("0", (2**40, 2**40), (0, 0), count=4)})).message
    many = {str(number): tensor("0", (2**22,), (0,), count=4) for number in range(20)}
    assert "over and over" in refused(several(many)).message


def test_a_result_that_would_be_more_than_safetensors_is_refused(folder: Path) -> None:
    evil = zipped({"x": b"cos\nsystem\n(S'true'\ntR."})
    value = {"w": tensor("0", (len(evil),), kind="ByteStorage")}
    assert "would not pass" in refused(zipped(checkpoint(value, {"0": evil}))).message


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"", "a.pt"), (b"hello, world\n" * 50, "a.pt"), (zipped({"a.txt": b"x"}), "a.zip"), (struct.pack("<Q", 2) + b"{}", "a.safetensors"),
     (b"\x89HDF\r\n\x1a\n" + bytes(99), "a.h5")],
)  # fmt: skip
def test_what_is_no_checkpoint(data: bytes, name: str, folder: Path) -> None:
    Path(name).write_bytes(data)
    with pytest.raises(CannotJudge):
        convert(name)
    assert os.listdir() == [name]


def test_tars_are_refused(folder: Path) -> None:
    for data in (torch_tar(), tarred({"a": b"x"})):
        assert "tar" in refused(data).message


VALID = [
    simple(),
    zipped(checkpoint({"state_dict": {"w": tensor()}, "epoch": 3}, {"0": FOUR}), zipfile.ZIP_DEFLATED),
    legacy({"w": tensor("1", view=None)}, {"1": (4, FOUR)}),
    joblib_file(),
    npy("<f4", (4,), FOUR),
    zipped({"a.npy": npy("<f4", (4,), FOUR)}),
    dumped({"a": array("f4", (4,), FOUR)}),
    gzip.compress(dumped({"a": array("f4", (4,), FOUR)}), mtime=0),
]


@settings(deadline=2000, max_examples=400)
@given(st.sampled_from(VALID), st.data())
def test_mutations_never_end_in_anything_but_a_refusal(valid: bytes, data: st.DataObject) -> None:
    mutated = bytearray(valid)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(mutated) - 1))
        kind = data.draw(st.integers(0, 2))
        if kind == 0:
            mutated[at] = data.draw(st.integers(0, 255))
        elif kind == 1:
            del mutated[at : at + data.draw(st.integers(1, 8))]
        else:
            mutated[at:at] = data.draw(st.binary(max_size=8))
        if not mutated:
            break
    content = BytesContent(bytes(mutated))
    with suppress(Refused, CannotJudge):
        prepared = prepare(content, "x", optimizer=True)
        assert all(prepared.layout.pieces())


@settings(deadline=2000, max_examples=300)
@given(st.binary(max_size=60))
def test_random_opcodes_never_end_in_anything_but_a_refusal(data: bytes) -> None:
    for start in (b"", b"\x80\x02", b"\x80\x04"):
        with suppress(Refused, CannotJudge):
            load(BytesContent(start + data), "x")


# Where it is written


def test_destinations(folder: Path) -> None:
    Path("model.pt").write_bytes(simple())
    Path("out").mkdir()
    assert convert("model.pt", "out").output == os.path.join("out", "model.safetensors")
    assert convert("model.pt", "other.safetensors").output == "other.safetensors"
    Path("pytorch_model.bin").write_bytes(simple())
    assert convert("pytorch_model.bin").output == "model.safetensors"
    for wrong in ("model.bin", "out/.safetensors", "missing/model.safetensors", "missing/"):
        with pytest.raises(CannotJudge):
            convert("model.pt", wrong)
    Path("odd.safetensors").write_bytes(simple())
    with pytest.raises(CannotJudge, match="another destination"):
        convert("odd.safetensors")


def test_nothing_is_overwritten_unless_told(folder: Path) -> None:
    Path("model.pt").write_bytes(simple())
    Path("model.safetensors").write_bytes(b"mine")
    with pytest.raises(CannotJudge, match="--force"):
        convert("model.pt")
    assert Path("model.safetensors").read_bytes() == b"mine"
    Path("model.safetensors").unlink()
    Path("model.safetensors.json").write_bytes(b"mine")
    with pytest.raises(CannotJudge, match="--force"):
        convert("model.pt")
    assert not Path("model.safetensors").exists()
    assert convert("model.pt", replace=True).is_new
    assert sorted(os.listdir()) == ["model.pt", "model.safetensors", "model.safetensors.json"]


def test_nothing_is_written_through_a_link(folder: Path) -> None:
    outside = folder / "outside"
    outside.mkdir()
    Path("model.pt").write_bytes(simple())
    Path("link").symlink_to(outside)
    Path("dangling.safetensors").symlink_to(outside / "made.safetensors")
    Path("side.safetensors.json").symlink_to(outside / "made.json")
    Path("real").mkdir()
    Path("real", "inner").symlink_to(outside)
    for replace in (False, True):
        for target in (
            "link/a.safetensors",
            "link",
            "dangling.safetensors",
            "side.safetensors",
            "real/inner/a.safetensors",
        ):
            with pytest.raises(CannotJudge):
                convert("model.pt", target, replace=replace)
        with pytest.raises(CannotJudge):
            convert("model.pt", str(folder / "link" / "a.safetensors"), replace=replace)
    assert os.listdir(outside) == []
    Path("source.pt").symlink_to("model.pt")
    assert convert("source.pt").output == "source.safetensors"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, RuntimeError])
def test_a_run_that_breaks_off_leaves_nothing(error: type[BaseException], folder: Path) -> None:
    Path("model.pt").write_bytes(simple())

    def stop(done: int, total: int) -> None:
        assert len(os.listdir()) == 2
        raise error

    with pytest.raises(error):
        convert("model.pt", progress=stop)
    assert os.listdir() == ["model.pt"]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_signal_in_a_step_that_has_to_finish_is_not_lost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("model.pt").write_bytes(simple())

    def token(count: int) -> str:
        os.kill(os.getpid(), signal.SIGTERM)
        return "x" * count

    monkeypatch.setattr("secrets.token_hex", token)
    with pytest.raises(KeyboardInterrupt):
        convert("model.pt")
    assert os.listdir() == ["model.pt"]


def test_a_source_that_changes_meanwhile_is_not_converted(folder: Path) -> None:
    path = Path("model.pt")
    path.write_bytes(simple())

    def change(done: int, total: int) -> None:
        with path.open("r+b") as file:
            file.write(b"PK")
        os.utime(path, ns=(1, 1))

    with pytest.raises(CannotJudge, match="changed"):
        convert("model.pt", progress=change)
    assert os.listdir() == ["model.pt"]


def test_what_cannot_be_read(folder: Path) -> None:
    Path("folder.pt").mkdir()
    for name in ("missing.pt", "folder.pt"):
        with pytest.raises(CannotJudge):
            convert(name)
    if hasattr(os, "mkfifo"):
        os.mkfifo("pipe.pt")
        with pytest.raises(CannotJudge, match="plain file"):
            convert("pipe.pt")


# Verifying


def test_verifying_finds_what_changed(folder: Path) -> None:
    converted(simple())
    output, side, source = Path("model.safetensors"), Path("model.safetensors.json"), Path("model.pt")
    whole = output.read_bytes()
    output.write_bytes(whole[:-1] + b"\x7f")
    found = verify("model.pt")
    assert [problem for _, problem in found.problems] == [
        "its content is not the one that the record of the conversion names",
        'the tensor "w" is not the one in the source',
    ]
    output.write_bytes(whole.replace(b'"w"', b'"v"'))
    assert len(verify("model.pt").problems) == 3
    output.write_bytes(whole)
    text = side.read_text()
    side.write_text(text.replace('"content": {', '"content": {"more": 1,'))
    assert "besides tensors" in verify("model.pt").problems[0][1]
    side.write_text(text)
    source.write_bytes(simple({"w": tensor(), "more": 1}))
    assert verify("model.pt").problems[0][0] == "model.pt"
    source.unlink()
    found = verify("model.safetensors")
    assert (found.problems, found.has_source) == ((), False)
    for wrong in ("{}", "[", '{"custody": "conversion/1"}', '{"custody": "conversion/1", "output": 1}', text + "x"):
        side.write_text(wrong)
        with pytest.raises(CannotJudge):
            verify("model.pt")
    side.unlink()
    with pytest.raises(CannotJudge):
        verify("model.pt")


# Several files


def index_of(weight_map: dict[str, str]) -> bytes:
    return json.dumps({"metadata": {"total_size": 1, "more": "x"}, "weight_map": weight_map}).encode()


def test_a_checkpoint_in_several_files(folder: Path) -> None:
    names = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]
    for name, key in zip(names, "ab", strict=True):
        Path(name).write_bytes(several({key: tensor()}))
    Path("pytorch_model.bin.index.json").write_bytes(index_of(dict(zip("ab", names, strict=True))))
    result = convert("pytorch_model.bin.index.json")
    assert result.output == "model.safetensors.index.json"
    assert result.shards == ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    assert tensors(result.shards[1]) == {"b": ("F32", [2, 2], FOUR)}
    made = json.loads(Path(result.output).read_text())
    assert made == {
        "metadata": {"total_size": 32, "more": "x"},
        "weight_map": {"a": result.shards[0], "b": result.shards[1]},
    }
    for path in ("pytorch_model.bin.index.json", result.output):
        found = verify(path)
        assert (found.problems, found.has_source, found.tensors) == ((), True, 2)
    assert convert("pytorch_model.bin.index.json").is_new is False
    Path("out").mkdir()
    assert convert("pytorch_model.bin.index.json", "out").output == os.path.join("out", "model.safetensors.index.json")
    Path(result.shards[0]).write_bytes(Path(result.shards[1]).read_bytes())
    assert verify("pytorch_model.bin.index.json").problems


@pytest.mark.parametrize(
    "name", ["../shard.bin", "/etc/passwd", "a/b.bin", "..", "", ".hidden", "a\\b.bin", "C:x.bin", "a\0b"]
)
def test_an_index_names_plain_files_only(name: str, folder: Path) -> None:
    assert "plain name" in refused(index_of({"a": name}), "m.bin.index.json").message


def test_an_index_that_does_not_fit_is_refused_whole(folder: Path) -> None:
    Path("m-1.bin").write_bytes(several({"a": tensor()}))
    Path("m-2.bin").write_bytes(several({"b": Made(Name("posix", "system"), "true")}))
    assert "do not agree" in refused(index_of({"a": "m-1.bin", "c": "m-1.bin"}), "m.bin.index.json").message
    assert "do not agree" in refused(index_of({"c": "m-1.bin"}), "m.bin.index.json").message
    found = refused(index_of({"a": "m-1.bin", "b": "m-2.bin"}), "m.bin.index.json")
    assert found.global_name == "posix.system"
    assert found.message.startswith("m-2.bin: ")
    Path("m-1.pt").write_bytes(several({"b": tensor()}))
    assert "same names" in refused(index_of({"a": "m-1.bin", "b": "m-1.pt"}), "m.bin.index.json").message
    for wrong in (
        b"",
        b"[]",
        b"{}",
        b'{"weight_map": {}}',
        b'{"weight_map": {"a": 1}}',
        b'{"weight_map": {"a": "x", "a": "y"}}',
    ):
        Path("x.bin.index.json").write_bytes(wrong)
        with pytest.raises(CannotJudge, match="no index"):
            convert("x.bin.index.json")
