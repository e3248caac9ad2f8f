"""Streams of opcodes at random, in whatever loaders unpickle: what makes a mark there is refused here.

The loaders run in a child where all that the streams look up is replaced by something harmless.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import random
import struct
import sys
import tarfile
import types
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import dill
import joblib
import lz4.frame
import numpy
import pandas
import pytest
import torch
import zstandard

from builders import LEGACY_MAGIC, npy, tarred, zipped
from git_custody.core.content import BytesContent
from git_custody.formats.recognise import recognise
from opcode_streams import ANSWERS, SETUP, Victim, is_own, program, stream

# By hand, many more than in CI.
STREAMS = int(os.environ.get("GIT_CUSTODY_STREAMS", "250"))

LIBRARIES = r"""
import warnings
warnings.simplefilter("ignore")
import bz2, gzip, io, lzma, zipfile
import cloudpickle, dill, joblib, numpy, pandas, torch, zstandard
"""
LOADERS = r"""
marks.clear()
signal.setitimer(signal.ITIMER_REAL, 0)
SECONDS = 0.5
with open("/proc/self/statm") as file:  # the libraries have reserved much
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 31), used + (1 << 31)))
def at_path(load):
    def loaded(data):
        with open("file", "wb") as file:
            file.write(data)
        load("file")
    return loaded
def numbers(path):
    found = numpy.load(path, allow_pickle=True)
    for name in getattr(found, "files", ()):
        try:
            found[name]
        except Exception:
            pass
def again(path):
    with open(path, "rb") as file:
        for _ in range(5):
            numpy.load(file, allow_pickle=True)
def members(path):
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            try:
                pickle.loads(archive.read(name))
            except Exception:
                pass
LOADERS = [at_path(load) for load in (
    lambda path: torch.load(path, weights_only=False),
    lambda path: torch.load(io.BytesIO(open(path, "rb").read()), weights_only=False),
    lambda path: torch.load(path, weights_only=False, pickle_module=dill),
    lambda path: joblib.load(path),
    lambda path: joblib.load(path, mmap_mode="r"),
    numbers,
    again,
    lambda path: dill.load(open(path, "rb")),
    lambda path: cloudpickle.load(open(path, "rb")),
    members,
    lambda path: pickle.load(gzip.open(path)),
    lambda path: pickle.load(bz2.open(path)),
    lambda path: pickle.load(lzma.open(path)),
    lambda path: pickle.load(io.BytesIO(zstandard.decompress(open(path, "rb").read()))),
    *(lambda path, how=how: pandas.read_pickle(path, compression=how)
      for how in (None, "gzip", "bz2", "zip", "xz", "tar", "zstd")),
)] + [pickle.loads, lambda data: pickle._load(io.BytesIO(data))]
USED_BY_LIBRARIES.update({
    ("numpy", "ndarray"), ("numpy", "dtype"), ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "_reconstruct"), ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2"), ("torch", "FloatStorage"),
    ("_codecs", "encode"), ("numpy._core.numeric", "_frombuffer"),
})
"""


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp("victim")
    unlimited = SETUP.replace("MEMORY = 1 << 31", "MEMORY = -1")
    with Victim(folder, LIBRARIES + unlimited + LOADERS + ANSWERS) as opened:
        yield opened


def is_refused(data: bytes) -> bool:
    found = recognise(BytesContent(data), is_own=is_own)
    return any(verdict.kind in ("pickle", "code", "malformed") or verdict.forced for verdict in found)


def _tar_of(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("x.pkl")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _legacy(data: bytes) -> bytes:
    return LEGACY_MAGIC + b"\x80\x02M\xe9\x03." + b"\x80\x02}q\0X\r\0\0\0little_endianq\1\x88s." + data


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zlib": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstandard.compress,
    "zip": lambda data: zipped({"x": data}),
    "deflated": lambda data: zipped({"x": data}, zipfile.ZIP_DEFLATED),
    "tar": _tar_of,
    "tar.gz": lambda data: gzip.compress(_tar_of(data)),
    "array": lambda data: npy("|O", (1,), data),
    "array of fields": lambda data: npy([("a", "<i4"), ("b", "|O")], (1,), data, 2),
    "second array": lambda data: npy("<i4", (2,), bytes(8)) + npy("|O", (1,), data),
    "pickle behind an array": lambda data: npy("<i4", (2,), bytes(8)) + data,
    "npz": lambda data: zipped({"a.npy": npy("|O", (1,), data)}),
    "torch zip": lambda data: zipped({"archive/data.pkl": data, "archive/byteorder": b"little", "archive/version": b"3\n"}),
    "torch legacy": _legacy,
    "torch legacy, first": lambda data: data + _legacy(b""),
    "torch legacy tar": lambda data: tarred({"sys_info": b"\x80\x02}.", "pickle": data, "storages": b"\x80\x02K\0.].",
                                             "tensors": b"\x80\x02K\0."}),
    "torch legacy tar, storages": lambda data: tarred({"sys_info": b"\x80\x02}.", "pickle": b"\x80\x02}.",
                                                       "storages": data, "tensors": b"\x80\x02K\0."}),
    "old joblib": lambda data: b"ZF" + hex(len(data)).encode().ljust(19) + zlib.compress(data),
}  # fmt: skip


def _missed(victim: Victim, files: Iterator[bytes]) -> tuple[int, list[tuple[str, bytes]]]:
    marks, missed = 0, []
    for data in files:
        loaders = victim.marks(data)
        marks += loaders > 0
        if loaders and not is_refused(data):
            missed.append((bin(loaders), data))
    return marks, missed


def test_streams_that_make_a_mark_are_refused(victim: Victim) -> None:
    r = random.Random(41)
    marks, missed = _missed(victim, (stream(r) if r.random() < 0.9 else program(r) for _ in range(2 * STREAMS)))
    assert missed == []
    assert marks > STREAMS // 2


@pytest.mark.parametrize("how", WRAPPINGS)
def test_wrapped_streams_that_make_a_mark_are_refused(how: str, victim: Victim) -> None:
    r = random.Random(how)
    marks, missed = _missed(victim, (WRAPPINGS[how](stream(r)) for _ in range(STREAMS // 4)))
    assert missed == []
    assert marks > STREAMS // 16


class Thing:
    """Pickled as a call of `own.run`, which is there in the child only."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return sys.modules["own"].run, ("x",)


def _saved(folder: Path) -> Iterator[tuple[str, bytes]]:
    def written(save: Callable[[str], Any], suffix: str = "") -> bytes:
        path = folder / f"file{suffix}"
        save(str(path))
        return path.read_bytes()

    value = {"numbers": numpy.arange(300.0), "thing": Thing(), "more": numpy.ones((4, 5), "<f4")}
    for compress in (0, 3, "gzip", "bz2", "xz", "lzma", "lz4"):
        for protocol in (None, 2, 4, 5):
            save = partial(joblib.dump, value, compress=compress, protocol=protocol)
            yield f"joblib {compress} {protocol}", written(save)
    tensors = {"w": torch.ones(3), "thing": Thing()}
    for protocol in (2, 4, 5):
        for zipped_too in (True, False):
            options = {"pickle_protocol": protocol, "_use_new_zipfile_serialization": zipped_too}
            yield f"torch {protocol} {zipped_too}", written(partial(torch.save, tensors, **options))
    objects = numpy.array([Thing(), 1], dtype=object)
    yield "numpy", written(lambda path: numpy.save(path, objects, allow_pickle=True), ".npy")
    yield "npz", written(lambda path: numpy.savez(path, a=numpy.arange(3), b=objects), ".npz")
    yield "npz compressed", written(lambda path: numpy.savez_compressed(path, b=objects), ".npz")
    frame = pandas.DataFrame({"a": [1, 2], "b": [Thing(), None]})
    for how in (None, "gzip", "bz2", "zip", "xz", "tar", "zstd"):
        yield f"pandas {how}", written(partial(pandas.to_pickle, frame, compression=how))
    yield "dill", dill.dumps(value)
    yield "cloudpickle", cloudpickle.dumps(value)


def test_what_the_libraries_save_is_refused(tmp_path: Path) -> None:
    own = sys.modules["own"] = types.ModuleType("own")
    exec("def run(text): pass", own.__dict__)
    try:
        samples = dict(_saved(tmp_path))
    finally:
        del sys.modules["own"]
    assert len(samples) > 45
    assert [name for name, data in samples.items() if not is_refused(data)] == []
    for name, data in samples.items():
        cut = len(data) * 3 // 4
        assert is_refused(data + b"behind"), name
        assert is_refused(data + struct.pack("<Q", 1) * 9_000), name
        recognise(BytesContent(data[:cut]))


def test_what_the_libraries_save_without_objects_tells_its_names(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(3), "b": torch.zeros(2, 2)}, tmp_path / "zip")
    torch.save({"w": torch.ones(3)}, tmp_path / "legacy", _use_new_zipfile_serialization=False)
    pandas.to_pickle(pandas.DataFrame({"a": [1.5, 2], "b": ["x", None]}), tmp_path / "frame")
    numpy.save(tmp_path / "objects.npy", numpy.array([[1], "x"], dtype=object), allow_pickle=True)
    for path in tmp_path.iterdir():
        (verdict,) = recognise(BytesContent(path.read_bytes()), thorough=True)
        asked = set()

        class Watching(dill.Unpickler):  # type: ignore[misc]
            def find_class(self, module: str, name: str) -> Any:
                asked.add(f"{module}.{name}")  # noqa: B023
                return super().find_class(module, name)

            def persistent_load(self, pid: Any) -> Any:
                return torch.FloatStorage(100)

        source = verdict.source
        assert source is not None
        file = io.BytesIO(source.read_at(0, source.size))
        with contextlib.suppress(RuntimeError):  # of a tensor in a storage that is not its own
            for _ in range(5 if path.name == "legacy" else 1):
                Watching(file).load()
        assert verdict.names is not None, path
        assert asked <= verdict.names, path
        assert asked, path
