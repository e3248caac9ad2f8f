"""Differential tests against the real loaders: what they run is refused, however the file has been tampered with.

Files that the libraries wrote are changed at random, mostly where their formats keep names, sizes, checksums,
flags and offsets, and given to the loaders in a sandbox. Whatever runs there must have been refused here.
"""

from __future__ import annotations

import base64
import bz2
import datetime
import decimal
import gzip
import io
import lzma
import os
import pickle
import pickletools
import random
import struct
import tarfile
import zipfile
import zlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dill
import joblib
import lmdb
import lz4.frame
import numpy
import pandas
import py7zr
import pytest
import tables
import torch
import zstandard
from sandbox import Sandbox

import corpus
from builders import Payload
from git_custody.core.content import BytesContent
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import SAFE

# How many changed files of each kind are tried; by hand, many more than in CI.
MUTANTS = int(os.environ.get("GIT_CUSTODY_MUTANTS", "200"))
REFUSED = {"pickle", "code", "malformed"}


def kinds(data: bytes, name: str = "") -> set[str]:
    return {verdict.kind for verdict in recognise(BytesContent(data), name=name)} - {SAFE}


def buffered(save: Callable[..., Any], *arguments: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    save(*(buffer if argument is Ellipsis else argument for argument in arguments), **options)
    return buffer.getvalue()


def to_pickle(how: str | None, folder: Path) -> bytes:
    path = folder / "frame.pkl"
    pandas.DataFrame({"a": [1, 2], "b": [Payload(), None]}).to_pickle(path, compression=how)
    return path.read_bytes()


# ---------------------------------------------------------------------- tampering

WORDS = (0, 1, 2, 7, 0x14, 0x2D, 0x33, 0x63, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
LONGS = (0, 1, 22, 30, 46, 512, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
SIGNS = (
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"PK\x06\x06",
    b"PK\x06\x07",
    b"\x93NUMPY",
    b"ustar",
    b"\x1f\x8b\x08",
)
PIECES = (
    b"\0", b"\0" * 16, b"\0" * 512, b"\n", b"PK", b"PK\x05\x06" + bytes(18), b"PK\x07\x08", b"\xff" * 4, b"N.", b"\x80\x04N.",
    b"\x1f\x8b\x08", b"junk", b"\x89PNG\r\n\x1a\n", b"#!/bin/sh\n", b"GIF89a",
)  # fmt: skip


def tampered(data: bytes, source: random.Random) -> bytes:
    """The file with one to five changes."""
    out = bytearray(data)
    for _ in range(source.choice((1, 1, 1, 2, 2, 3, 5))):
        if not out:
            break
        source.choice(CHANGES)(out, source)
    return bytes(out)


def place(out: bytearray, source: random.Random) -> int:
    """Anywhere, but mostly at the ends and in the records of containers."""
    chosen = source.random()
    if chosen < 0.15:
        return source.randrange(min(len(out), 64))
    if chosen < 0.3:
        return len(out) - 1 - source.randrange(min(len(out), 64))
    if chosen < 0.85:
        found = [at for sign in SIGNS for at in every(out, sign)]
        if found:
            return min(len(out) - 1, source.choice(found) + source.randrange(80))
    return source.randrange(len(out))


def every(data: bytearray, sign: bytes) -> Iterator[int]:
    at = data.find(sign)
    while at >= 0:
        yield at
        at = data.find(sign, at + 1)


def flip(out: bytearray, source: random.Random) -> None:
    out[place(out, source)] ^= 1 << source.randrange(8)


def overwrite(out: bytearray, source: random.Random) -> None:
    out[place(out, source)] = source.randrange(256)


def overwrite_word(out: bytearray, source: random.Random) -> None:
    at = place(out, source)
    out[at : at + 2] = struct.pack("<H", source.choice(WORDS))


def overwrite_long(out: bytearray, source: random.Random) -> None:
    at = place(out, source)
    value = source.choice((*LONGS, len(out), len(out) - 22, source.randrange(len(out) + 1)))
    out[at : at + 4] = struct.pack("<L", value & 0xFFFFFFFF)


def add(out: bytearray, source: random.Random) -> None:
    at = place(out, source)
    if at + 4 <= len(out):
        value = struct.unpack_from("<L", out, at)[0] + source.choice((-64, -8, -1, 1, 2, 4, 8, 30, 64))
        struct.pack_into("<L", out, at, value & 0xFFFFFFFF)


def insert(out: bytearray, source: random.Random) -> None:
    at = place(out, source)
    out[at:at] = source.choice((*PIECES, source.randbytes(source.randrange(1, 40))))


def before(out: bytearray, source: random.Random) -> None:
    out[:0] = source.choice((*PIECES, source.randbytes(source.randrange(1, 2_000))))


def behind(out: bytearray, source: random.Random) -> None:
    out += source.choice((*PIECES, source.randbytes(source.randrange(1, 2_000)), bytes(70_000)))


def remove(out: bytearray, source: random.Random) -> None:
    at = place(out, source)
    del out[at : at + source.randrange(1, 30)]


def cut(out: bytearray, source: random.Random) -> None:
    del out[len(out) - source.randrange(1, 1 + min(len(out), source.choice((4, 30, 300)))) :]


def repeat(out: bytearray, source: random.Random) -> None:
    at = place(out, source)
    piece = out[at : at + source.randrange(1, 200)]
    to = place(out, source)
    out[to:to] = piece


def in_all_records(out: bytearray, source: random.Random) -> None:
    """The same change in every record of a zip, so that its two directories agree."""
    local, central, size = source.choice(
        ((4, 6, 2), (6, 8, 2), (8, 10, 2), (10, 12, 4), (14, 16, 4), (18, 20, 4), (22, 24, 4), (30, 46, 1))
    )
    value = source.choice(
        (
            source.randbytes(size),
            bytes(size),
            b"\xff" * size,
            bytes([source.choice((1, 8, 12, 14, 99))]) + bytes(size - 1),
        )
    )
    which = source.choice(("local", "central", "both"))
    for sign, offset in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        if which in ("both", "local" if offset == local and sign[2] == 3 else "central"):
            for at in list(every(out, sign)):
                if at + offset + size <= len(out):
                    out[at + offset : at + offset + size] = value


CHANGES = (
    flip, overwrite, overwrite, overwrite_word, overwrite_word, overwrite_long, overwrite_long, add, insert, before, behind,
    remove, cut, repeat, in_all_records, in_all_records,
)  # fmt: skip


def seeds(folder: Path) -> dict[str, tuple[bytes, tuple[str, ...]]]:
    """Files that run the payload, and the loaders that do it."""
    value = {"w": torch.ones(3), "x": Payload()}
    arrays = {"a": numpy.arange(30.0), "x": Payload()}
    objects = numpy.array([Payload(), 1], dtype=object)
    zips = ("torch", "torch-mmap", "numpy", "members", "pandas-zip", "torch-jit")
    made: dict[str, tuple[bytes, tuple[str, ...]]] = {
        "torch-zip": (buffered(torch.save, value, ...), zips),
        "torch-legacy": (
            buffered(torch.save, value, ..., _use_new_zipfile_serialization=False),
            ("torch", "pickle-whole", "joblib"),
        ),
        "npz": (buffered(numpy.savez, ..., a=numpy.arange(3), b=objects), zips),
        "npz-deflated": (buffered(numpy.savez_compressed, ..., a=numpy.arange(3), b=objects), zips),
        "npy": (buffered(numpy.save, ..., objects, allow_pickle=True), ("numpy", "numpy-repeatedly", "joblib")),
        "npy-second": (
            buffered(numpy.save, ..., numpy.arange(4)) + buffered(numpy.save, ..., objects, allow_pickle=True),
            ("numpy", "numpy-repeatedly"),
        ),
        "7z": (seven_zip(pickle.dumps(arrays, 4)), ("7z",)),
    }
    made["hdf5"] = (written(with_attribute, folder / "a.h5"), ("tables",))
    made["lmdb"] = (written(with_value, folder / "data.mdb"), ("lmdb",))
    made["sqlite"] = (dict(corpus.KINDS["sqlite-shelve"][2]())["shelf-4.db"], ("sqlite",))
    made["tar"] = (tar_of(pickle.dumps(arrays, 4), "w"), ("members", "pandas-tar"))
    for how in COMPRESSORS:
        stream = {"xz": "lzma"}.get(how, how)
        made[f"joblib-{how}"] = (buffered(joblib.dump, arrays, ..., compress=(how, 3)), ("joblib", f"stream-{stream}"))
    made["joblib"] = (buffered(joblib.dump, arrays, ...), ("joblib", "joblib-mmap", "pickle", "numpy"))
    for compression in COMPRESSIONS:
        loaders = (f"pandas-{compression}", *(("members",) if compression in ("zip", "tar") else ()))
        made[f"pandas-{compression}"] = (to_pickle(compression, folder), loaders)
    for protocol in range(6):
        data = pickle.dumps(arrays if protocol % 2 else {"n": [1, 2.5, None], "x": Payload()}, protocol)
        made[f"pickle-{protocol}"] = (data, ("pickle", "pickle-python", "pickle-latin1", "torch", "numpy", "joblib"))
    return made


def written(write: Callable[[Path], None], path: Path) -> bytes:
    write(path)
    return path.read_bytes()


def with_attribute(path: Path) -> None:
    with tables.open_file(path, "w") as file:
        file.create_array("/", "a", numpy.arange(3.0))
        file.root.a._v_attrs.extra = Payload()


def with_value(path: Path) -> None:
    with lmdb.open(str(path), subdir=False, lock=False, map_size=1 << 20) as store, store.begin(write=True) as rows:
        rows.put(b"k", pickle.dumps({"n": 1, "x": Payload()}, 4))


def seven_zip(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as archive:
        archive.writestr(data, "model.bin")
    return buffer.getvalue()


COMPRESSORS = ("zlib", "gzip", "bz2", "xz", "lzma", "lz4")
COMPRESSIONS = ("zip", "tar", "gzip", "bz2", "xz", "zstd")
KINDS = (
    "torch-zip", "torch-legacy", "npz", "npz-deflated", "npy", "npy-second", "7z", "joblib", "hdf5", "lmdb", "sqlite", "tar",
    *(f"joblib-{how}" for how in COMPRESSORS),
    *(f"pandas-{how}" for how in COMPRESSIONS),
    *(f"pickle-{protocol}" for protocol in range(6)),
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_still_runs_when_tampered_with_is_refused(kind: str, sandbox: Sandbox, tmp_path: Path) -> None:
    data, loaders = seeds(tmp_path)[kind]
    source = random.Random(kind)
    path = tmp_path / "mutant"
    ran, accepted = Counter[str](), []
    for number in range(MUTANTS):
        changed = tampered(data, source) if number else data
        path.write_bytes(changed)
        by = sandbox.ran(path, loaders)
        ran.update(by)
        if by and not kinds(changed) & REFUSED:
            accepted.append((by, kinds(changed), base64.b85encode(zlib.compress(changed)).decode()))
    assert accepted == [], f"{len(accepted)} of {MUTANTS} run, and are accepted"
    assert sum(ran.values()) > MUTANTS // 50  # enough of them still run for this to mean something


# ---------------------------------------------------------------------- random objects


def random_object(source: random.Random, depth: int = 0) -> Any:
    """Some object that people pickle."""
    scalars: tuple[Callable[[], Any], ...] = (
        lambda: source.randrange(-(10**6), 10**6),
        lambda: source.random() * 10 ** source.randrange(-9, 9),
        lambda: "".join(chr(source.randrange(32, 0x2FF)) for _ in range(source.randrange(20))),
        lambda: source.randbytes(source.randrange(300)),
        lambda: None,
        lambda: source.random() < 0.5,
        lambda: 7 ** source.randrange(200),
        lambda: datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=source.randrange(10**7)),
        lambda: decimal.Decimal(source.randrange(10**9)) / 7,
        lambda: complex(source.random(), 1),
        lambda: Path("models") / str(source.random()),
        lambda: numpy.arange(source.randrange(20), dtype=source.choice("bhilfd")),
        lambda: numpy.float32(source.random()),
        lambda: torch.ones(source.randrange(5)),
        lambda: range(source.randrange(9)),
        lambda: bytearray(source.randbytes(9)),
        lambda: pandas.Timestamp("2026-01-01"),
        lambda: pandas.Series([1, 2, None]),
    )
    chosen = source.random()
    if depth > 3 or chosen < 0.45:
        return source.choice(scalars)()
    inner = [random_object(source, depth + 1) for _ in range(source.randrange(5))]
    if chosen < 0.6:
        return inner
    if chosen < 0.7:
        return tuple(inner)
    if chosen < 0.9:
        return {f"k{number}": item for number, item in enumerate(inner)}
    if chosen < 0.95:
        return OrderedDict((number, item) for number, item in enumerate(inner))
    return {str(item) for item in inner}


def zip_of(data: bytes, method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("readme.txt", "text")
        archive.writestr("w/data", data)
    return buffer.getvalue()


def tar_of(data: bytes, mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload, unused-ignore]
        info = tarfile.TarInfo("w/data")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda data: data,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zlib": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstandard.compress,
    "zip": lambda data: zip_of(data, zipfile.ZIP_STORED),
    "zip-deflated": lambda data: zip_of(data, zipfile.ZIP_DEFLATED),
    "zip-lzma": lambda data: zip_of(data, zipfile.ZIP_LZMA),
    "behind-junk": lambda data: b"\x7fELF junk" + zip_of(data, zipfile.ZIP_STORED),
    "tar": lambda data: tar_of(data, "w"),
    "tar-gz": lambda data: tar_of(data, "w:gz"),
    "tar-xz": lambda data: tar_of(data, "w:xz"),
    "7z": seven_zip,
}


def as_object(value: Any) -> Any:
    """An array of one object, whatever the object is."""
    array = numpy.empty(1, dtype=object)
    array[0] = value
    return array


DUMPS: dict[str, Callable[[Any, int], bytes]] = {
    "pickle": pickle.dumps,
    "dill": dill.dumps,
    "torch": lambda value, protocol: buffered(torch.save, value, ..., pickle_protocol=max(protocol, 2)),
    "torch-legacy": lambda value, _: buffered(torch.save, value, ..., _use_new_zipfile_serialization=False),
    "joblib": lambda value, protocol: buffered(joblib.dump, value, ..., protocol=max(protocol, 2)),
    "joblib-zlib": lambda value, _: buffered(joblib.dump, value, ..., compress=3),
    "object-array": lambda value, _: buffered(numpy.save, ..., as_object(value)),
}
NAMING = {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD", "EXT1", "EXT2", "EXT4"}
NAMES = (
    "model.pkl",
    "model.pt",
    "model",
    "notes.txt",
    "model.safetensors",
    "a.json",
    "image.png",
    "data.csv",
    "m.onnx",
)


@pytest.mark.parametrize("seed", range(4))
def test_random_objects_in_any_wrapping_are_refused(seed: int, sandbox: Sandbox, tmp_path: Path) -> None:
    source = random.Random(f"held out {seed}")
    missed = []
    ran = 0
    for _ in range(MUTANTS):
        value: Any = random_object(source)
        runs = source.random() < 0.5
        if runs:
            value = source.choice(([value, Payload()], {"a": Payload(), "b": value}, (Payload(), value), Payload()))
        protocol = source.randrange(6)
        dump = source.choice(("pickle", "pickle", "pickle", *DUMPS))
        data = DUMPS[dump](value, protocol)
        labels = [source.choice(tuple(WRAPPINGS)) for _ in range(source.choice((1, 1, 2)))]
        wrapped = data
        for label in labels:
            wrapped = WRAPPINGS[label](wrapped)
        # Data alone in protocol 0 or 1 can run nothing, and may be left alone.
        harmless = protocol < 2 and dump in ("pickle", "dill")
        harmless = harmless and not any(opcode.name in NAMING for opcode, _, _ in pickletools.genops(data))
        if not harmless and "pickle" not in kinds(wrapped, source.choice(NAMES)):
            missed.append((dump, protocol, runs, labels, data[:200]))
        if runs and dump == "pickle" and ran < 3:  # the payload does run
            path = tmp_path / "object"
            path.write_bytes(data)
            ran += bool(sandbox.ran(path, ["pickle"]))
    assert missed == []
    assert ran == 3
