"""Loads files with the real loaders: a program for a sandboxed child, never imported by a test.

Reads lines of JSON, `{"path": …, "loaders": […]}`, and writes one for each loader: whether the payload ran, and
what the loader said. `os.system`, which every payload calls, only takes note here, so that nothing is run.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import resource
import signal
import sqlite3
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

SECONDS_PER_LOAD = 2  # of CPU, so that other work on the machine does not matter

ran: list[str] = []


def note(command: str) -> int:
    ran.append(command)
    return 0


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def unpickled(path: str) -> None:
    with open(path, "rb") as file:
        pickle.load(file)


def unpickled_whole(path: str) -> None:
    with open(path, "rb") as file:
        for _ in range(500):
            pickle.load(file)


def unpickled_in_python(path: str) -> None:
    with open(path, "rb") as file:
        pickle._Unpickler(file).load()  # type: ignore[attr-defined]


def unpickled_latin(path: str) -> None:
    with open(path, "rb") as file:
        pickle.load(file, encoding="latin1")


def by_dill(path: str) -> None:
    import dill

    with open(path, "rb") as file:
        dill.load(file)


def by_cloudpickle(path: str) -> None:
    import cloudpickle

    with open(path, "rb") as file:
        cloudpickle.load(file)


def by_joblib(path: str) -> None:
    import joblib

    joblib.load(path)


def by_joblib_mapped(path: str) -> None:
    import joblib

    joblib.load(path, mmap_mode="r")


def by_numpy(path: str) -> None:
    import numpy

    found = numpy.load(path, allow_pickle=True)
    if isinstance(found, numpy.lib.npyio.NpzFile):
        for name in found.files:
            with suppress(Exception):
                found[name]


def by_numpy_repeatedly(path: str) -> None:
    import numpy

    with open(path, "rb") as file:
        for _ in range(5):
            if file.read(6) != b"\x93NUMPY":
                return
            file.seek(-6, os.SEEK_CUR)
            numpy.load(file, allow_pickle=True)


def by_pandas(compression: str | None) -> Callable[[str], None]:
    def load(path: str) -> None:
        import pandas

        pandas.read_pickle(path, compression=compression)

    return load


def by_torch(path: str) -> None:
    import torch

    torch.load(path, weights_only=False, map_location="cpu")


def by_torch_mapped(path: str) -> None:
    import torch

    torch.load(path, weights_only=False, map_location="cpu", mmap=True)


def by_torch_weights_only(path: str) -> None:
    import torch

    torch.load(path, weights_only=True, map_location="cpu")


def by_torch_jit(path: str) -> None:
    import torch

    torch.jit.load(path, map_location="cpu")


def by_torch_package(path: str) -> None:
    import torch.package

    importer = torch.package.PackageImporter(path)
    for package in ("model", "p", "m"):
        for resource_name in ("model.pkl", "data.pkl"):
            with suppress(Exception):
                importer.load_pickle(package, resource_name)


def by_torch_export(path: str) -> None:
    import torch

    torch.export.load(path)


def by_sqlite(path: str) -> None:
    """As `shelve` does from Python 3.13 on."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    for (value,) in connection.execute("SELECT value FROM Dict"):
        with suppress(Exception):
            pickle.loads(value)


def by_shelve(path: str) -> None:
    """As `shelve` does with `dbm.dumb`, whose index names blocks of 512 bytes."""
    data = read(path)
    for at in range(0, len(data), 512):
        with suppress(Exception):
            pickle.loads(data[at:])


def by_keras(*, safe: bool) -> Callable[[str], None]:
    def load(path: str) -> None:
        import keras

        keras.models.load_model(path, safe_mode=safe)

    return load


def by_skops(path: str) -> None:
    import skops.io

    skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


def by_arrow(path: str) -> None:
    import pyarrow.feather

    pyarrow.feather.read_table(path).to_pandas()


def by_parquet(path: str) -> None:
    import pyarrow.parquet

    pyarrow.parquet.read_table(path).to_pandas()


def by_tables(path: str) -> None:
    import tables

    with tables.open_file(path, "r") as file:
        for node in [file.root, *file.walk_nodes()]:
            for name in node._v_attrs._f_list("all"):
                node._v_attrs[name]
            if hasattr(node, "read") and not isinstance(node, tables.Table):
                node.read()


def by_pandas_hdf(path: str) -> None:
    import pandas

    with pandas.HDFStore(path, mode="r") as store:
        for key in store.keys():  # noqa: SIM118
            store.get(key)


def by_lightgbm(path: str) -> None:
    import lightgbm

    lightgbm.Booster(model_file=path)


def by_xgboost(path: str) -> None:
    import xgboost

    xgboost.Booster().load_model(path)


def by_lmdb(path: str) -> None:
    import lmdb

    with (
        lmdb.open(path, subdir=False, readonly=True, lock=False) as environment,
        environment.begin() as transaction,
    ):
        for _, value in transaction.cursor():
            with suppress(Exception):
                pickle.loads(value)


def by_yaml(path: str) -> None:
    import yaml

    yaml.unsafe_load(read(path))


def members_unpickled(path: str) -> None:
    """Unpickle what an archive holds, as loaders of datasets (webdataset, torchdata) do."""
    data = read(path)
    parts: list[bytes] = []
    with suppress(Exception), tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            parts += [file.read()] if file else []
    with suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as packed:
        for name in packed.namelist():
            with suppress(Exception):
                parts.append(packed.read(name))
    for part in parts:
        with suppress(Exception):
            pickle.loads(part)


def by_py7zr(path: str) -> None:
    import py7zr

    with tempfile.TemporaryDirectory() as folder:
        with py7zr.SevenZipFile(path) as archive:
            archive.extractall(folder)
        for place, _, names in os.walk(folder):
            for name in names:
                with suppress(Exception):
                    unpickled(os.path.join(place, name))


def decompressed(how: str) -> Callable[[str], None]:
    """Unpickle what a decompressor hands out, block by block, up to where it breaks."""

    def load(path: str) -> None:
        with opened(how, path) as file:
            pickle.load(file)

    return load


def opened(how: str, path: str) -> Any:
    if how == "gzip":
        return gzip.open(path)
    if how == "bz2":
        return bz2.open(path)
    if how == "lzma":
        return lzma.open(path)
    if how == "lz4":
        import lz4.frame

        return lz4.frame.open(path)
    if how == "zstd":
        import zstandard

        return zstandard.open(path, "rb")
    engine = zlib.decompressobj()
    return io.BytesIO(engine.decompress(read(path)))


LOADERS: dict[str, Callable[[str], None]] = {
    "pickle": unpickled,
    "pickle-whole": unpickled_whole,
    "pickle-python": unpickled_in_python,
    "pickle-latin1": unpickled_latin,
    "dill": by_dill,
    "cloudpickle": by_cloudpickle,
    "joblib": by_joblib,
    "joblib-mmap": by_joblib_mapped,
    "numpy": by_numpy,
    "numpy-repeatedly": by_numpy_repeatedly,
    "pandas": by_pandas("infer"),
    **{f"pandas-{how}": by_pandas(how) for how in ("gzip", "bz2", "xz", "zip", "tar", "zstd")},
    "torch": by_torch,
    "torch-mmap": by_torch_mapped,
    "torch-weights-only": by_torch_weights_only,
    "torch-jit": by_torch_jit,
    "torch-package": by_torch_package,
    "torch-export": by_torch_export,
    "shelve": by_shelve,
    "sqlite": by_sqlite,
    "keras": by_keras(safe=True),
    "keras-unsafe": by_keras(safe=False),
    "skops": by_skops,
    "arrow": by_arrow,
    "parquet": by_parquet,
    "tables": by_tables,
    "pandas-hdf": by_pandas_hdf,
    "lightgbm": by_lightgbm,
    "xgboost": by_xgboost,
    "lmdb": by_lmdb,
    "yaml": by_yaml,
    "members": members_unpickled,
    "7z": by_py7zr,
    **{f"stream-{how}": decompressed(how) for how in ("gzip", "bz2", "lzma", "lz4", "zstd", "zlib")},
}


# What has to be imported before the clock runs: an import that is broken off stays broken.
ALWAYS = ("numpy", "pandas", "torch")  # what a pickle may name
NEEDS = {
    "numpy": ("numpy",), "pandas": ("pandas", "tables", "zstandard"), "joblib": ("joblib", "lz4.frame"), "dill": ("dill",),
    "cloudpickle": ("cloudpickle",), "torch": ("torch", "torch.package", "torch.export"), "stream": ("lz4.frame", "zstandard"),
    "keras": ("keras",), "skops": ("skops.io",), "arrow": ("pyarrow.feather", "pandas"), "parquet": ("pyarrow.parquet", "pandas"),
    "tables": ("tables",), "lightgbm": ("lightgbm",), "xgboost": ("xgboost",), "lmdb": ("lmdb",), "yaml": ("yaml",),
    "7z": ("py7zr",),
}  # fmt: skip


def out_of_time(*_: object) -> None:
    raise TimeoutError(f"more than {SECONDS_PER_LOAD} s")


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
    os.system = note
    sys.modules["posix"].system = note  # type: ignore[attr-defined]
    signal.signal(signal.SIGPROF, out_of_time)
    # Loaders and libraries print; what is said to the parent goes another way.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    for module in ALWAYS:
        import_module(module)
    for line in sys.stdin:
        task = json.loads(line)
        for loader in task["loaders"]:
            for module in NEEDS.get(loader.partition("-")[0], ()):
                import_module(module)
            ran.clear()
            signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_LOAD)
            try:
                LOADERS[loader](task["path"])
                said = ""
            except BaseException as error:  # whatever it raises, it has read the file
                said = f"{type(error).__name__}: {error}"[:300]
            signal.setitimer(signal.ITIMER_PROF, 0)
            answer = {"path": task["path"], "loader": loader, "ran": bool(ran), "said": said}
            answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
