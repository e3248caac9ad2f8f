"""LMDB, dbm, Arrow and Parquet against the libraries that write them, and the shelves that unpickle."""

from __future__ import annotations

import dbm.dumb
import importlib
import os
import pickle
import random
import shelve
import subprocess
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

import lmdb
import numpy
import pandas
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest

from git_custody.core.content import FileContent
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import PICKLE, Verdict
from test_formats_databases import EVIL, LARGE, PLAIN

NUMBERS = random.Random(3)


def verdicts(path: Path) -> list[Verdict]:
    with path.open("rb") as file:
        return list(recognise(FileContent(file, path.stat().st_size), name=path.name))


# LMDB


def lmdb_of(
    path: Path, items: Iterable[tuple[bytes, bytes]], name: bytes | None = None, **options: bool
) -> list[str | None]:
    env = lmdb.open(str(path), map_size=1 << 30, subdir=False, lock=False, max_dbs=3)
    with env.begin(write=True) as transaction:
        database = env.open_db(name, txn=transaction, **options)
        for key, value in items:
            transaction.put(key, value, db=database)
    env.close()
    found = verdicts(path)
    assert all(verdict.kind == PICKLE for verdict in found)
    return [verdict.member for verdict in found]


def images(count: int) -> list[tuple[bytes, bytes]]:
    return [
        (b"%08d" % number, b"\xff\xd8\xff" + NUMBERS.randbytes(NUMBERS.randint(10, 9000))) for number in range(count)
    ]


def test_lmdb(tmp_path: Path) -> None:
    path = tmp_path / "data.mdb"
    assert lmdb_of(path, images(3000)) == []
    assert lmdb_of(path, [(b"__keys__", PLAIN), (b"large", LARGE)]) == ["__keys__", "large"]
    assert len(lmdb_of(tmp_path / "b", [(b"%08d" % number, PLAIN) for number in range(200_000)])) == 20
    assert lmdb_of(tmp_path / "c", [*images(50), (b"z", EVIL)], b"train") == ["train/z"]
    duplicates = [(b"k", b"a"), (b"k", EVIL), *((b"many", b"%d" % number) for number in range(3000)), (b"many", PLAIN)]
    assert lmdb_of(tmp_path / "d", duplicates, b"db", dupsort=True) == ["db/k", "db/many"]


def test_ordinary_lmdb_values(tmp_path: Path) -> None:
    values = [NUMBERS.randbytes(NUMBERS.randint(1, 40)) for _ in range(100_000)]
    values += [number.to_bytes(4, "little") for number in range(100_000)]
    values += [bytes(NUMBERS.choices(b"c(i]}).NKt0\n", k=NUMBERS.randint(1, 9))) for _ in range(20_000)]
    assert lmdb_of(tmp_path / "a", [(b"%08d" % number, value) for number, value in enumerate(values)]) == []


# Shelves, with each of the libraries that this Python has

OPENERS = ["dbm.dumb", "dbm.gnu", "dbm.ndbm", "dbm.sqlite3"]


def available() -> list[str]:
    found = []
    for name in OPENERS:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        found.append(name)
    return found


@pytest.mark.parametrize("backend", available())
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_shelves_are_pickles(backend: str, protocol: int, tmp_path: Path) -> None:
    module = importlib.import_module(backend)

    class Mark:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "mark"),)

    store = module.open(str(tmp_path / "x"), "n")
    with shelve.Shelf(store, protocol=protocol) as shelf:
        shelf["text"] = "only text" * 200
        shelf["thing"] = Mark()
        shelf["rest"] = list(range(3000))
    program = f"import shelve, {backend}; shelve.Shelf({backend}.open('x', 'r'))['thing']"
    subprocess.run([sys.executable, "-I", "-c", program], cwd=tmp_path, check=True)
    assert (tmp_path / "mark").exists()
    found = [verdict for path in tmp_path.iterdir() if path.is_file() for verdict in verdicts(path)]
    assert {verdict.kind for verdict in found} == {PICKLE}
    # The file of dbm.dumb begins with the first value, and is a pickle itself.
    assert backend == "dbm.dumb" or "mkdir" in {str(verdict.calls).rpartition(".")[2] for verdict in found}


@pytest.mark.parametrize("backend", available())
def test_plain_dbm_files_are_silent(backend: str, tmp_path: Path) -> None:
    module = importlib.import_module(backend)
    with module.open(str(tmp_path / "x"), "n") as store:
        for number in range(3000):
            store[b"key %d" % number] = NUMBERS.choice([b"text", b"].", NUMBERS.randbytes(30), b"c%d\n" % number])
    assert [verdict for path in tmp_path.iterdir() for verdict in verdicts(path)] == []


def test_dumb_is_there() -> None:
    assert "dbm.dumb" in available()
    assert dbm.dumb.__name__ == "dbm.dumb"


# Arrow, Feather, Parquet

PICKLED = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": EVIL}


def written(folder: Path, table: pyarrow.Table) -> list[Path]:
    paths = [folder / name for name in ("a.arrow", "a.arrows", "old.arrow", "old.arrows", "a.parquet", "a.feather")]
    old = pyarrow.ipc.IpcWriteOptions(metadata_version=pyarrow.ipc.MetadataVersion.V4, use_legacy_format=True)
    for path, make, options in (
        (paths[0], pyarrow.ipc.new_file, None),
        (paths[1], pyarrow.ipc.new_stream, None),
        (paths[2], pyarrow.ipc.new_file, old),
        (paths[3], pyarrow.ipc.new_stream, old),
    ):
        with pyarrow.OSFile(str(path), "wb") as file, make(file, table.schema, options=options) as writer:
            writer.write_table(table)
    pyarrow.parquet.write_table(table, paths[4])
    pyarrow.feather.write_feather(table, str(paths[5]))
    return paths


@pytest.mark.parametrize("nested", [False, True])
def test_extension_types_that_are_pickles(nested: bool, tmp_path: Path) -> None:
    field = pyarrow.field("x", pyarrow.int64(), metadata=PICKLED)
    if nested:
        field = pyarrow.field("outer", pyarrow.list_(pyarrow.struct([field])))
    array = pyarrow.array([[{"x": 1}]] if nested else [1], type=field.type)
    table = pyarrow.Table.from_arrays([array], schema=pyarrow.schema([field]))
    for path in written(tmp_path, table):
        assert [(v.kind, v.format, v.member) for v in verdicts(path)] == [
            (PICKLE, "arrow", "x, ARROW:extension:metadata")
        ]


def test_pickles_in_the_metadata_of_tables(tmp_path: Path) -> None:
    table = pyarrow.table({"a": [1]}).replace_schema_metadata({b"dataset-toolkit.unischema.v1": EVIL})
    for path in written(tmp_path, table):
        assert [verdict.member for verdict in verdicts(path)] == ["dataset-toolkit.unischema.v1"]


def test_ordinary_tables_are_silent(tmp_path: Path) -> None:
    frame = pandas.DataFrame(
        {
            "period": pandas.period_range("2020", periods=50, freq="M"),
            "category": pandas.Categorical(["a", "b"] * 25),
            "interval": pandas.arrays.IntervalArray.from_breaks(range(51)),
            "text": ["cos\nsystem\n(S'x'\ntR."] * 50,
            "pickles": [pickle.dumps(number) for number in range(50)],
            "time": pandas.date_range("2020", periods=50, tz="Europe/Paris"),
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame.to_parquet(tmp_path / "frame.parquet")
        frame.to_feather(tmp_path / "frame.feather")
    wide = pandas.DataFrame(numpy.zeros((50, 400)), columns=[f"column {number}" for number in range(400)])
    wide.to_parquet(tmp_path / "wide.parquet", row_group_size=1)
    written(
        tmp_path,
        pyarrow.table({"a": pyarrow.array([{"b": [1, 2]}, None]), "c": pyarrow.array(["x", "y"]).dictionary_encode()}),
    )
    assert [(path.name, verdict) for path in tmp_path.iterdir() for verdict in verdicts(path)] == []
