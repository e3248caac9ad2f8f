"""Conversions of files that PyTorch, NumPy and joblib wrote: every tensor byte-equal to what the library loads,
everything else in the side file, and whatever is refused leaves nothing behind.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from git_custody.convert import Refused, convert
from git_custody.convert.outputs import PREFIX
from git_custody.convert.verify import verify
from git_custody.core.findings import CannotJudge

HOOKS = Path(__file__).parent.parent.parent / "hooks"
GENERATOR = torch.Generator().manual_seed(20261126)
NAMED = {
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool, torch.complex64, torch.complex128, torch.uint16, torch.uint32, torch.uint64,
    torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu,
    torch.float4_e2m1fn_x2, torch.complex32,
}  # fmt: skip
DTYPES = sorted(NAMED, key=str)


def filled(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    """A tensor of random bytes; of zeros and ones for booleans."""
    if dtype == torch.bool:
        return torch.randint(0, 2, shape, generator=GENERATOR).bool()
    size = torch.empty(0, dtype=dtype).element_size()
    count = size
    for extent in shape:
        count *= extent
    raw = torch.randint(0, 256, (count,), dtype=torch.uint8, generator=GENERATOR)
    made = torch.empty(shape, dtype=dtype)
    made.untyped_storage().copy_(raw.untyped_storage())
    return made


LAYOUTS: dict[str, Callable[[torch.dtype], torch.Tensor]] = {
    "plain": lambda dtype: filled(dtype, 5, 7),
    "transposed": lambda dtype: filled(dtype, 5, 7).t(),
    "permuted": lambda dtype: filled(dtype, 4, 3, 5, 2).permute(3, 1, 0, 2),
    "channels-last": lambda dtype: filled(dtype, 2, 5, 4, 3).permute(0, 3, 1, 2),
    "sliced-rows": lambda dtype: filled(dtype, 9, 4)[2:5],
    "sliced-columns": lambda dtype: filled(dtype, 6, 8)[:, 3:6],
    "every-other": lambda dtype: filled(dtype, 6, 8)[::2, 1::3],
    "scalar": lambda dtype: filled(dtype),
    "one": lambda dtype: filled(dtype, 1, 1, 1),
    "empty": lambda dtype: filled(dtype, 0, 4),
    "expanded": lambda dtype: filled(dtype, 3, 1).expand(3, 6),
    "windows": lambda dtype: filled(dtype, 11).unfold(0, 4, 2),
    "column": lambda dtype: filled(dtype, 40, 5)[:, 2],
}  # fmt: skip


def raw(tensor: torch.Tensor) -> bytes:
    """A tensor's bytes in row-major order, whatever its strides and dtype."""
    size = tensor.element_size()
    if tensor.numel() == 0:
        return b""
    as_bytes = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())
    strides = (*(stride * size for stride in tensor.stride()), 1)
    view = torch.as_strided(as_bytes, (*tensor.shape, size), strides, tensor.storage_offset() * size)
    return bytes(view.contiguous().flatten().tolist())


def written(path: Path) -> dict[str, tuple[str, list[int], bytes]]:
    """The tensors of a safetensors file, as its format says."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert header.pop("__metadata__")["format"] == "pt"
    found = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        found[name] = entry["dtype"], entry["shape"], data[8 + length + begin : 8 + length + end]
    return found


def converted(path: Path, **options: Any) -> Path:
    """Convert, let the library load the result, and verify it again; then the result."""
    before = set(os.listdir(path.parent))
    result = convert(str(path), **options)
    made = {os.path.basename(made) for made in (result.output, result.record, *result.shards)}
    assert set(os.listdir(path.parent)) == before | made
    with safe_open(result.output, "pt") as opened:
        for name in opened.keys():  # noqa: SIM118, it is no dict
            opened.get_tensor(name)
    found = verify(str(path))
    assert (found.problems, found.has_source, found.tensors) == ((), True, result.tensors)
    return Path(result.output)


def rest(path: Path) -> Any:
    """What the side file holds besides the tensors."""
    return json.loads(path.with_name(path.name + ".json").read_text("utf-8"))["content"]


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_in_every_layout(dtype: torch.dtype, legacy: bool, tmp_path: Path) -> None:
    names = [name for name in LAYOUTS if not (name == "scalar" and dtype == torch.float4_e2m1fn_x2)]
    state = OrderedDict((name, LAYOUTS[name](dtype)) for name in names)
    path = tmp_path / "model.pt"
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    # PyTorch itself does not load these dtypes from its legacy files.
    loaded = state if legacy and dtype in torch.storage._new_dtypes() else torch.load(path, weights_only=False)
    found = written(converted(path))
    assert found.keys() == loaded.keys()
    for name, tensor in loaded.items():
        stored, shape, data = found[name]
        assert data == raw(tensor), name
        if dtype in (torch.complex128, torch.complex32):
            assert shape == [*tensor.shape, 2]
        elif dtype == torch.float4_e2m1fn_x2:
            assert shape == [*tensor.shape[:-1], 2 * tensor.shape[-1]]
        else:
            assert shape == list(tensor.shape)
            assert load_file(path.with_suffix(".safetensors"))[name].dtype == dtype
        assert stored


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("protocol", range(2, 6))
def test_every_protocol(layout: str, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"w": LAYOUTS[layout](torch.float32), "n": [1, "x"]}, path, pickle_protocol=protocol)
    found = written(converted(path))
    assert found["w"][2] == raw(torch.load(path, weights_only=False)["w"])
    assert rest(path.with_suffix(".safetensors"))["n"] == [1, "x"]


@pytest.mark.parametrize("protocol", range(6))
def test_tensors_in_a_plain_pickle(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    state = {name: make(torch.float32) for name, make in LAYOUTS.items()}
    path.write_bytes(pickle.dumps(state, protocol))
    found = written(converted(path))
    assert {name: data for name, (_, _, data) in found.items()} == {name: raw(t) for name, t in state.items()}


def test_large_tensors_that_are_not_contiguous(tmp_path: Path) -> None:
    big = torch.randn(3000, 1700)
    state = {
        "t": big.t(), "columns": big[:, 100:900], "steps": big[::3, ::7], "deep": big.view(30, 100, 17, 100).permute(2, 0, 3, 1),
        "half": torch.randn(2500, 2100).bfloat16().t(), "complex": torch.randn(900, 800, dtype=torch.complex128).t(),
    }  # fmt: skip
    path = tmp_path / "model.pt"
    torch.save(state, path)
    converted(path)
    loaded = load_file(path.with_suffix(".safetensors"))
    for name, tensor in state.items():
        wanted = torch.view_as_real(tensor) if tensor.is_complex() else tensor
        assert torch.equal(loaded[name], wanted), name


# Models and checkpoints


class Tied(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(11, 6)
        self.head = torch.nn.Linear(6, 11, bias=False)
        self.head.weight = self.embedding.weight
        self.fused = torch.nn.Parameter(torch.randn(9, 6))


MODELS: dict[str, Callable[[], torch.nn.Module]] = {
    "linear": lambda: torch.nn.Linear(3, 4),
    "norm": lambda: torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8)),
    "lstm": lambda: torch.nn.LSTM(5, 7, num_layers=2, bidirectional=True),
    "transformer": lambda: torch.nn.TransformerEncoderLayer(8, 2, 16),
    "tied": Tied,
    "half": lambda: torch.nn.Linear(8, 8).half(),
    "channels-last": lambda: torch.nn.Conv2d(4, 6, 3).to(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("kind", MODELS)
def test_state_dicts(kind: str, legacy: bool, tmp_path: Path) -> None:
    model = MODELS[kind]()
    path = tmp_path / "pytorch_model.bin"
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=not legacy)
    result = converted(path)
    assert result.name == "model.safetensors"
    assert "_metadata" in rest(result)["attributes"]
    model.load_state_dict(load_file(result))


def test_the_bytes_are_those_that_the_library_writes(tmp_path: Path) -> None:
    state = MODELS["transformer"]().state_dict()
    torch.save(state, tmp_path / "model.pt")
    save_file(state, tmp_path / "own.safetensors", {"format": "pt"})
    assert converted(tmp_path / "model.pt").read_bytes() == (tmp_path / "own.safetensors").read_bytes()


def trained() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Linear(6, 2))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(3, 4)).sum().backward()
    optimizer.step()
    return model, optimizer


def test_a_checkpoint_with_everything(tmp_path: Path) -> None:
    model, optimizer = trained()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    others = {
        "epoch": 7, "best": np.float64(0.25), "step": np.int64(2**60), "f16": np.float16(1.5), "nan": float("nan"),
        "inf": [float("inf"), -float("inf")], "minus": -0.0, "big": 2**70, "bytes": b"\0\xff", "tuple": (1, (2, "x")),
        "set": {1, 2}, "frozen": frozenset({"a"}), "complex": 1 + 2j, "none": None, "keys": {1: "a", (2, 3): "b", None: 0},
        "path": Path("a/b"), "dtype": torch.bfloat16, "size": torch.Size([2, 3]), "device": torch.device("cpu"),
        "counter": Counter("aab"), "default": defaultdict(list, a=[1]), "deque": deque([1, 2], 5), "text": "ü\0\u202e",
        "array": np.arange(6, dtype=np.int16).reshape(2, 3), "names": np.array(["cat", "zebra"]), "slice": slice(1, None, 2),
        "when": np.datetime64("2026-11-26T10:00", "s"), "byte_array": bytearray(b"abc"), "long": "x" * 10_000,
        "long_bytes": bytes(9_000),
    }  # fmt: skip
    checkpoint = {
        "state_dict": model.state_dict(), "optimizer_states": [optimizer.state_dict()], "scheduler": scheduler.state_dict(),
        "rng_state": torch.get_rng_state(), **others,
    }  # fmt: skip
    path = tmp_path / "last.ckpt"
    torch.save(checkpoint, path)
    result = convert(str(path))
    assert [(left.place, left.tensors) for left in result.left_out] == [("optimizer_states", 12)]
    found = load_file(result.output)
    assert set(found) == {*model.state_dict(), "rng_state", "array"}
    assert torch.equal(found["rng_state"], torch.get_rng_state())
    content = rest(Path(result.output))
    assert content["best"] == {"$type": "numpy.scalar", "dtype": "<f8", "value": 0.25}
    assert content["step"]["value"] == hex(2**60)
    assert content["nan"] == {"$type": "float", "value": "nan"}
    assert content["big"] == {"$type": "int", "value": hex(2**70)}
    assert content["bytes"] == {"$type": "bytes", "base64": "AP8="}
    assert content["tuple"] == {"$type": "tuple", "items": [1, {"$type": "tuple", "items": [2, "x"]}]}
    assert content["keys"]["items"] == [[1, "a"], [{"$type": "tuple", "items": [2, 3]}, "b"], [None, 0]]
    assert content["text"] == others["text"]
    assert content["long"] == others["long"]
    assert content["dtype"] == {"$type": "torch.dtype", "name": "bfloat16"}
    assert content["optimizer_states"][0]["param_groups"][0]["lr"] == 0.001
    assert content["scheduler"]["step_size"] == 2
    assert content["default"] == {
        "$type": "collections.defaultdict",
        "items": {"a": [1]},
        "arguments": [{"$type": "type", "name": "builtins.list"}],
    }
    assert converted(path).exists()
    kept = convert(str(path), str(tmp_path / "kept.safetensors"), optimizer=True)
    assert kept.left_out == ()
    moments = load_file(kept.output)["optimizer_states.0.state.0.exp_avg"]
    assert torch.equal(moments, optimizer.state_dict()["state"][0]["exp_avg"])


@pytest.mark.parametrize("wrap", ["state_dict", "model", "model_state_dict", "student", "module"])
def test_one_model_keeps_the_keys_of_its_state_dict(wrap: str, tmp_path: Path) -> None:
    state = trained()[0].state_dict()
    torch.save({wrap: state}, tmp_path / "a.pt")
    assert set(load_file(converted(tmp_path / "a.pt"))) == set(state)


def test_two_models_keep_their_places(tmp_path: Path) -> None:
    state = trained()[0].state_dict()
    torch.save({"generator": state, "discriminator": state}, tmp_path / "a.pt")
    names = set(load_file(converted(tmp_path / "a.pt")))
    assert names == {f"{place}.{key}" for place in ("generator", "discriminator") for key in state}


def test_parameters_subclasses_attributes(tmp_path: Path) -> None:
    parameter = torch.nn.Parameter(torch.randn(3), requires_grad=False)
    parameter.note = "kept"  # type: ignore[attr-defined]
    with_note = torch.randn(2)
    with_note.note = [1, 2]  # type: ignore[attr-defined]
    state = {
        "p": torch.nn.Parameter(torch.randn(2)),
        "q": parameter,
        "t": with_note,
        "g": torch.randn(2, requires_grad=True),
    }
    torch.save(state, tmp_path / "a.pt")
    content = rest(converted(tmp_path / "a.pt"))
    assert content["p"] == {"$type": "tensor", "kind": "Parameter", "requires_grad": True, "name": "p"}
    assert content["q"]["attributes"] == {"note": "kept"}
    assert content["t"]["attributes"] == {"note": [1, 2]}
    assert content["g"]["requires_grad"] is True


def test_a_single_tensor_and_nested_lists(tmp_path: Path) -> None:
    torch.save(torch.arange(4), tmp_path / "a.pt")
    assert list(load_file(converted(tmp_path / "a.pt"))) == ["tensor"]
    torch.save([torch.arange(4), {"x": (torch.arange(2),)}], tmp_path / "b.pt")
    assert set(load_file(converted(tmp_path / "b.pt"))) == {"0", "1.x.0"}


# NumPy, joblib


@pytest.mark.parametrize(
    "code", ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?", "c8", "c16", "M8[ns]"]
)
def test_npy_npz_pickle_joblib(code: str, tmp_path: Path) -> None:
    arrays = {
        "c": np.arange(24).reshape(4, 6).astype(code), "f": np.asfortranarray(np.arange(24).reshape(4, 6).astype(code)),
        "scalar": np.array(1).astype(code), "empty": np.zeros((0, 3), code), "sliced": np.arange(30).reshape(5, 6).astype(code)[:, ::2],
    }  # fmt: skip
    wanted = {name: np.ascontiguousarray(array).tobytes() for name, array in arrays.items()}
    np.savez(tmp_path / "a.npz", **arrays)
    np.savez_compressed(tmp_path / "b.npz", **arrays)
    joblib.dump(arrays, tmp_path / "c.joblib")
    for number, compress in enumerate(("zlib", "gzip", "bz2", "lzma", "xz", "lz4")):
        joblib.dump(arrays, tmp_path / f"d{number}.joblib", compress=(compress, 3))
    for protocol in range(6):
        (tmp_path / f"e{protocol}.pkl").write_bytes(pickle.dumps(arrays, protocol))
    for path in sorted(tmp_path.iterdir()):
        found = written(converted(path))
        assert {name: data for name, (_, _, data) in found.items()} == wanted, path
    for name, array in arrays.items():
        np.save(tmp_path / f"of-{name}.npy", array)
        assert written(converted(tmp_path / f"of-{name}.npy"))["tensor"][2] == wanted[name]


def test_joblib_protocols_and_mixed_content(tmp_path: Path) -> None:
    content = {
        "big": np.arange(100_000.0),
        "names": ["a", "b"],
        "two": [np.ones(3), np.zeros((2, 2))],
        "t": (1, np.float32(2)),
    }
    for protocol in range(2, 6):
        path = tmp_path / f"{protocol}.joblib"
        joblib.dump(content, path, protocol=protocol)
        result = converted(path)
        assert torch.equal(load_file(result)["big"], torch.arange(100_000.0, dtype=torch.float64))
        assert rest(result)["names"] == ["a", "b"]


# Sharded


def test_a_checkpoint_in_several_files(tmp_path: Path) -> None:
    state = MODELS["transformer"]().state_dict()
    names = [f"pytorch_model-0000{number}-of-00002.bin" for number in (1, 2)]
    keys = list(state)
    halves = keys[: len(keys) // 2], keys[len(keys) // 2 :]
    weight_map = {key: name for name, half in zip(names, halves, strict=True) for key in half}
    for name, half in zip(names, halves, strict=True):
        torch.save({key: state[key] for key in half}, tmp_path / name)
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    result = convert(str(index))
    assert sorted(os.path.basename(shard) for shard in result.shards) == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]
    new = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert new["weight_map"].keys() == state.keys()
    assert new["metadata"]["total_size"] == sum(tensor.nbytes for tensor in state.values())
    for key, name in new["weight_map"].items():
        assert torch.equal(load_file(tmp_path / name)[key], state[key])
    assert (tmp_path / "model.safetensors.json").exists()
    assert verify(str(index)).problems == verify(str(tmp_path / "model.safetensors.index.json")).problems == ()
    (tmp_path / names[1]).unlink()
    assert verify(str(index)).has_source is False
    with pytest.raises(CannotJudge):
        convert(str(index), str(tmp_path / "other.safetensors.index.json"))


# What is refused


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch /tmp/git-custody-was-here",)


class Own(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.Linear(2, 2)


def scripted() -> torch.jit.ScriptModule:
    made: torch.jit.ScriptModule = torch.jit.script(torch.nn.Linear(2, 2))
    return made


W = torch.arange(6.0).reshape(2, 3)
REFUSED: dict[str, tuple[Callable[[], Any], str | None, str]] = {
    "evil": (lambda: {"w": W, "x": Evil()}, "posix.system", "posix.system"),
    "evil-key": (lambda: {Evil(): W}, "posix.system", "posix.system"),
    "namespace": (lambda: {"state_dict": {"w": W}, "args": argparse.Namespace(lr=1)}, "argparse.Namespace", 'at "args"'),
    "module": (Own, f"{__name__}.Own", "Own"),
    "library-module": (lambda: torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear", "Linear"),
    "sparse": (lambda: {"s": W.to_sparse()}, "torch._utils._rebuild_sparse_tensor", "a sparse tensor"),
    "csr": (lambda: {"s": W.to_sparse_csr()}, "torch._utils._rebuild_sparse_tensor", "a sparse tensor"),
    "quantised": (
        lambda: {"q": torch.quantize_per_tensor(W, 0.1, 0, torch.qint8)}, "torch._utils._rebuild_qtensor", "a quantised tensor",
    ),
    "meta": (lambda: {"m": torch.empty(2, device="meta")}, "torch._utils._rebuild_meta_tensor_no_storage", "without data"),
    "conjugated": (lambda: {"c": torch.randn(3, dtype=torch.complex64).conj()}, None, "conjugated"),
    "function": (lambda: {"w": W, "f": os.path.join}, "posixpath.join", 'at "f"'),
    "no-tensor": (lambda: {"epoch": 1}, None, "no tensor"),
    "storage": (lambda: {"s": W.untyped_storage()}, None, "bare storage"),
    "only-optimiser": (lambda: trained()[1].state_dict(), None, "--optimizer"),
    "same-name": (lambda: {"a": {"b": W}, "a.b": W}, None, '"a.b"'),
    "bits": (lambda: {"b": torch.zeros(4, dtype=torch.uint8).view(torch.bits8)}, "torch.bits8", "torch.bits8"),
}  # fmt: skip


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_leaves_nothing_behind(name: str, legacy: bool, tmp_path: Path) -> None:
    make, wanted, words = REFUSED[name]
    path = tmp_path / "model.pt"
    torch.save(make(), path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(Refused) as caught:
        convert(str(path))
    assert caught.value.global_name == wanted
    assert words in caught.value.message
    assert os.listdir(tmp_path) == ["model.pt"]
    assert not os.path.exists("/tmp/git-custody-was-here")


def test_how_to_save_it_again_works(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"epoch": 1, "weights_of_it": {"w": W}, "args": argparse.Namespace(lr=1)}, path)
    with pytest.raises(Refused) as caught:
        convert(str(path))
    lines = [line.replace("{path}", "path").replace("{saved}", "saved") for line in caught.value.how_to_resave]
    saved = tmp_path / "again.pt"
    exec("\n".join(lines), {"path": path, "saved": saved})
    assert torch.equal(load_file(converted(saved))["w"], W)


def test_torchscript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    scripted().save(str(path))
    with pytest.raises(Refused, match="TorchScript"):
        convert(str(path))
    assert os.listdir(tmp_path) == ["model.pt"]


def test_a_big_endian_file_is_refused(tmp_path: Path) -> None:
    torch.save({"w": W}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as old, zipfile.ZipFile(tmp_path / "b.pt", "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, b"big" if info.filename.endswith("byteorder") else old.read(info))
    with pytest.raises(Refused, match="least significant byte first"):
        convert(str(tmp_path / "b.pt"))


def test_a_file_without_checksums_is_converted(tmp_path: Path) -> None:
    from torch.utils.serialization import config

    path = tmp_path / "a.pt"
    config.save.compute_crc32 = False
    try:
        torch.save({"w": W}, path)
    finally:
        config.save.compute_crc32 = True
    assert torch.equal(load_file(converted(path))["w"], W)


@pytest.mark.parametrize(
    "make", [lambda: np.array([{"a": 1}], dtype=object), lambda: np.zeros(2, ">f4"), lambda: np.zeros(2, "f4,i4")]
)
def test_arrays_that_are_refused(make: Callable[[], Any], tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", make())
    np.savez(tmp_path / "b.npz", fine=np.ones(2), a=make())
    joblib.dump({"fine": np.ones(2), "a": make()}, tmp_path / "c.joblib")
    (tmp_path / "d.pkl").write_bytes(pickle.dumps({"fine": np.ones(2), "a": make()}))
    before = sorted(os.listdir(tmp_path))
    for name in before:
        with pytest.raises(Refused, match="array"):
            convert(str(tmp_path / name))
    assert sorted(os.listdir(tmp_path)) == before


def test_a_scikit_learn_model_is_refused_by_name(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    joblib.dump(fitted, tmp_path / "model.joblib")
    with pytest.raises(Refused) as caught:
        convert(str(tmp_path / "model.joblib"))
    assert caught.value.global_name == "sklearn.linear_model._logistic.LogisticRegression"


# Large files


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.pt"
    torch.save({f"layer.{number}.weight": torch.randn(4096, 4096) for number in range(4)}, path)
    return path


def test_memory_stays_below_the_largest_tensor_and_a_half(large: Path) -> None:
    command = (sys.executable, "-c", _MEASURED, str(large), str(large.with_name("out.safetensors")))
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(HOOKS)}, capture_output=True, check=True)
    assert int(done.stdout) * 1024 < 1.5 * 64 * 1024 * 1024


_MEASURED = """
import sys
from git_custody.convert import convert
convert(sys.argv[1], sys.argv[2])
print(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_leaves_nothing(number: signal.Signals, large: Path, tmp_path: Path) -> None:
    for delay in (0.0, 0.02, 0.1):
        words = ("-m", "git_custody", "convert", str(large), str(tmp_path / "out.safetensors"))
        process = subprocess.Popen(
            (sys.executable, *words), env={**os.environ, "PYTHONPATH": str(HOOKS)}, stderr=subprocess.PIPE
        )
        while not os.listdir(tmp_path):
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(delay)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 2
        assert said == b"git-custody: stopped\n"
        assert os.listdir(tmp_path) == []


def test_what_a_killed_run_leaves_is_told_by_its_name(large: Path, tmp_path: Path) -> None:
    words = ("-m", "git_custody", "convert", str(large), str(tmp_path / "out.safetensors"))
    process = subprocess.Popen((sys.executable, *words), env={**os.environ, "PYTHONPATH": str(HOOKS)})
    while not os.listdir(tmp_path):
        time.sleep(0.001)
    process.kill()
    process.wait()
    (left,) = os.listdir(tmp_path)
    assert left.startswith(PREFIX)
    assert convert(str(large), str(tmp_path / "out.safetensors")).is_new
