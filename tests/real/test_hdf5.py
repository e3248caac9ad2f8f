"""HDF5 as h5py, PyTables and pandas write and read it: our reading of the metadata is theirs, and what they
unpickle is refused.
"""

from __future__ import annotations

import datetime
import pickle
import random
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy
import pandas
import pytest
import tables
from sandbox import Sandbox

from builders import Payload
from clock import within
from git_custody.core.content import BytesContent, FileContent
from git_custody.formats.hdf5_objects import File, find
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import Budget, Verdict

LOADERS = ("tables", "pandas-hdf")
VERSIONS = ("earliest", "v108", "v110", "v112", "v114", "latest")
Attributes = dict[str, dict[str, bytes | None]]


def judged(path: Path) -> tuple[Verdict, ...]:
    with path.open("rb", buffering=0) as file:
        return recognise(FileContent(file, path.stat().st_size), name=path.name)


def kinds(path: Path) -> set[str]:
    return {verdict.kind for verdict in judged(path)}


# The same objects and attributes as the library sees


def ours(path: Path) -> Attributes:
    content = BytesContent(path.read_bytes())
    found = find(content)
    assert found is not None
    file = File(content, *found, Budget())
    seen: Attributes = {}
    for node in file.nodes():
        seen[node.path] = {}
        for attribute in file.attributes(node):
            value = attribute.value
            text = value is not None and attribute.type.text
            seen[node.path][attribute.name] = value.read_at(0, 1 << 24).rstrip(b"\0") if text and value else None
    assert not file.lost
    assert not file.exhausted
    return seen


def theirs(path: Path) -> Attributes:
    seen: Attributes = {}

    def take(name: str, item: Any) -> None:
        seen[name] = {}
        for key in item.attrs:
            value = item.attrs.get_id(key)
            one = value.shape in ((), (1,)) and h5py.check_string_dtype(value.dtype) is not None
            seen[name][key] = bytes_of(item.attrs[key]) if one else None

    with h5py.File(path) as file:
        take("", file)
        file.visititems(take)
    return seen


def bytes_of(value: Any) -> bytes:
    value = value.flat[0] if isinstance(value, numpy.ndarray) else value
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else bytes(value)


def grow(group: h5py.Group, choice: random.Random, depth: int) -> None:
    for at in range(choice.choice((0, 1, 3, 20, 300 if depth == 0 else 5))):
        describe(group.create_group(f"g{at}", track_order=choice.random() < 0.3), choice)
    for at in range(choice.choice((0, 1, 4))):
        shape = choice.choice(((), (3,), (0, 2)))
        describe(
            group.create_dataset(f"d{at}", shape, dtype=choice.choice(("f8", "u1", "S3", h5py.string_dtype()))), choice
        )
    if depth < 3:
        for name in list(group)[:3]:
            if isinstance(group[name], h5py.Group):
                grow(group[name], choice, depth + 1)


def describe(item: Any, choice: random.Random) -> None:
    latest = item.file.libver[0] != "earliest"
    for at in range(choice.choice((0, 1, 2, 9, 40))):
        name = choice.choice((f"a{at}", f"é {at}", "n" * 200 + str(at)))
        kind = choice.randrange(8)
        if kind == 0:
            item.attrs[name] = numpy.bytes_(choice.randbytes(choice.randrange(1, 60)).replace(b"\0", b"z"))
        elif kind == 1:
            item.attrs[name] = "x" * choice.choice((0, 1, 5_000, 100_000))
        elif kind == 2:
            item.attrs[name] = numpy.bytes_(b"y" * choice.choice((1, 4_000, 70_000 if latest else 100)))
        elif kind == 3:
            item.attrs[name] = numpy.arange(choice.randrange(1, 9))
        elif kind == 4:
            item.attrs[name] = ["a", "bc", "d"]
        elif kind == 5:
            item.attrs[name] = h5py.Empty("S1")
        elif kind == 6:
            item.attrs[name] = numpy.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])
        else:
            if "kind" not in item.file:
                item.file["kind"] = numpy.dtype("S12")
            item.attrs.create(name, numpy.bytes_(b"of a type."), dtype=item.file["kind"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("seed", range(6))
def test_objects_and_attributes_are_those_that_h5py_sees(version: str, seed: int, tmp_path: Path) -> None:
    choice = random.Random(f"{version} {seed}")
    path = tmp_path / "a.h5"
    bounds = version if version in ("earliest", "latest") else (version, version)
    with h5py.File(
        path, "w", libver=bounds, userblock_size=choice.choice((0, 512, 4096)), track_order=choice.random() < 0.3
    ) as file:
        describe(file, choice)
        grow(file, choice, 0)
        file["soft"] = h5py.SoftLink("/nowhere")
    assert ours(path) == theirs(path)


@pytest.mark.parametrize("sizes", [(2, 4), (4, 4), (8, 4), (4, 8), (8, 8)])
@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_addresses_and_lengths_of_any_width_are_read(version: str, sizes: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    created, access = h5py.h5p.create(h5py.h5p.FILE_CREATE), h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    created.set_sizes(*sizes)
    if version == "latest":
        access.set_libver_bounds(h5py.h5f.LIBVER_LATEST, h5py.h5f.LIBVER_LATEST)
    with h5py.File(h5py.h5f.create(str(path).encode(), h5py.h5f.ACC_TRUNC, created, access)) as file:
        for at in range(30):
            file.create_group(f"g{at}").attrs["a"] = numpy.bytes_(b"x" * at + b".")
            file["g0"].attrs[f"v{at}"] = "of variable length" * at
    assert ours(path) == theirs(path)


@pytest.mark.parametrize("count", [10, 1_000, 20_000])
def test_trees_of_several_levels_are_followed(count: int, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    for version in ("earliest", "latest"):
        with h5py.File(path, "w", libver=version) as file:
            group = file.create_group("many")
            for at in range(count):
                group[f"{at:06}"] = h5py.SoftLink("/x") if at % 3 else group.create_group(f"g{at}")
            if version == "latest":
                for at in range(count // 4):
                    group.attrs[f"a{at}"] = "value" if at % 2 else numpy.bytes_(b"v" * (at % 300 + 1))
        seen = ours(path)
        assert len(seen) == 2 + (count + 2) // 3
        assert seen["many"] == theirs(path)["many"]


def test_the_files_of_pytables_own_tests_are_read_whole() -> None:
    read = [ours(path) for path in (Path(tables.__file__).parent / "tests").glob("*.h5")]
    assert len(read) > 20


# What PyTables and pandas unpickle


def with_attribute(**options: Any) -> Callable[[Path, bytes], None]:
    def write(path: Path, data: bytes) -> None:
        with h5py.File(path, "w", **options) as file:
            file.create_group("g/h").attrs["x"] = numpy.bytes_(data)

    return write


def among_many(path: Path, data: bytes) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        for at in range(200):
            file.attrs[f"a{at}"] = numpy.bytes_(data if at == 150 else b"value")


def of_variable_length(path: Path, data: bytes) -> None:
    with h5py.File(path, "w") as file:
        file.attrs.create("x", data, dtype=h5py.string_dtype("ascii"))


def of_a_named_type(path: Path, data: bytes) -> None:
    with h5py.File(path, "w") as file:
        file["kind"] = numpy.dtype(f"S{len(data)}")
        file.attrs.create("x", numpy.bytes_(data), dtype=file["kind"])


def padded(path: Path, data: bytes) -> None:
    with h5py.File(path, "w") as file:
        file.attrs.create("x", numpy.bytes_(data), dtype=f"S{len(data) + 50}")


def on_a_table(path: Path, data: bytes) -> None:
    with tables.open_file(path, "w") as file:
        file.create_table("/", "t", {"a": tables.Int32Col()})._v_attrs.x = numpy.bytes_(data)


def as_fill_value(path: Path, data: bytes) -> None:
    with tables.open_file(path, "w") as file:
        file.create_table("/", "t", {"a": tables.Int32Col()})
    with h5py.File(path, "a") as file:
        file.attrs["PYTABLES_FORMAT_VERSION"] = numpy.bytes_(b"1.5")
        file["t"].attrs["FIELD_0_FILL"] = numpy.bytes_(data)


def as_filters(path: Path, data: bytes) -> None:
    with tables.open_file(path, "w") as file:
        file.create_array("/", "a", [1])
    with h5py.File(path, "a") as file:
        file.attrs["PYTABLES_FORMAT_VERSION"] = numpy.bytes_(b"1.6")
        file.attrs["FILTERS"] = numpy.bytes_(data)


def as_info_of_pandas(path: Path, data: bytes) -> None:
    pandas.DataFrame({"a": [1, 2]}).to_hdf(path, key="f", format="table")
    with h5py.File(path, "a") as file:
        file["f"].attrs["info"] = numpy.bytes_(data)


ATTRIBUTES = [
    with_attribute(), with_attribute(libver="latest"), with_attribute(userblock_size=2048), among_many,
    of_variable_length, of_a_named_type, padded, on_a_table, as_fill_value, as_filters, as_info_of_pandas,
]  # fmt: skip


@pytest.mark.parametrize("write", ATTRIBUTES)
@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_attributes_that_run_a_payload_are_refused(
    write: Callable[[Path, bytes], None], protocol: int, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "a.h5"
    data = pickle.dumps(Payload(), protocol)
    if write is of_variable_length and b"\0" in data:
        data = b"cposix\nsystem\n(S'true'\ntR."  # such strings hold no zeros
    write(path, data)
    assert "pickle" in kinds(path)
    assert sandbox.ran(path, LOADERS)


def objects(**options: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with tables.open_file(path, "w", **options) as file:
            array = file.create_vlarray("/", "o", tables.ObjectAtom())
            for value in ({"a": 1}, [1], Payload()):
                array.append(value)

    return write


def objects_by_another_name(path: Path) -> None:
    objects()(path)
    with h5py.File(path, "a") as file:
        file["o"].attrs["PSEUDOATOM"] = numpy.bytes_(b"Vobj\\u0065ct\n.")


def objects_of_old(path: Path) -> None:
    objects()(path)
    with h5py.File(path, "a") as file:
        file.attrs["PYTABLES_FORMAT_VERSION"] = numpy.bytes_(b"1.6")
        del file["o"].attrs["PSEUDOATOM"]
        file["o"].attrs["FLAVOR"] = numpy.bytes_(b"Object")


def column_of_pandas(path: Path) -> None:
    pandas.DataFrame({"a": [1, 2], "b": [Payload(), "x"]}).to_hdf(path, key="f")


def index_of_pandas(path: Path) -> None:
    pandas.Series([1, 2], index=pandas.Index([Payload(), "x"], dtype=object)).to_hdf(path, key="f")


ARRAYS = [
    objects(),
    *(
        objects(filters=tables.Filters(complevel=5, complib=library, shuffle=shuffle))
        for library, shuffle in (
            ("zlib", False), ("zlib", True), ("bzip2", True), ("blosc", False),
        )
    ),
    objects(user_block_size=1024),
    objects_by_another_name,
    objects_of_old,
    column_of_pandas,
    index_of_pandas,
]  # fmt: skip


@pytest.mark.parametrize("write", ARRAYS)
def test_arrays_of_objects_that_run_a_payload_are_refused(
    write: Callable[[Path], None], sandbox: Sandbox, tmp_path: Path
) -> None:
    path = tmp_path / "a.h5"
    write(path)
    assert sandbox.ran(path, LOADERS)
    assert kinds(path) == {"pickle"}


def test_rows_are_read_as_pytables_reads_them(tmp_path: Path) -> None:
    values = [{"a": at} for at in range(15)]
    for filters in (None, tables.Filters(1, "zlib", shuffle=True), tables.Filters(9, "zlib", shuffle=False)):
        path = tmp_path / "a.h5"
        with tables.open_file(path, "w", filters=filters) as file:
            array = file.create_vlarray("/", "o", tables.ObjectAtom(), chunkshape=4)
            for value in values:
                array.append(value)
        found = recognise(BytesContent(path.read_bytes()), name=path.name)
        assert [pickle.loads(verdict.pickle_bytes()) for verdict in found] == values
        assert [verdict.member for verdict in found] == [f"o[{at}]" for at in range(15)]


def test_random_attributes_are_refused_where_they_call_anything(sandbox: Sandbox, tmp_path: Path) -> None:
    """Whatever PyTables makes of a value: what it pickled and calls is refused, what it stores as data is not."""
    choice = random.Random(5)
    for at in range(120):
        path = tmp_path / f"{at}.h5"
        evil = choice.random() < 0.5
        plain = [
            "text.", b"bytes.", 7, 1.5, True, numpy.arange(3), numpy.float32(2), "", "unié.", numpy.array([b"a."]), 3j,
        ]  # fmt: skip
        pickled = [Payload(), [1, Payload()], {"a": (Payload(),)}, OrderedDict(a=Payload())]
        with tables.open_file(path, "w") as file:
            node = choice.choice((file.root, file.create_group("/", "g"), file.create_array("/", "a", [1, 2])))
            for number, value in enumerate(choice.sample(plain, 4)):
                node._v_attrs[f"x{number}"] = value
            if evil:
                node._v_attrs["y"] = choice.choice(pickled)
        assert bool(sandbox.ran(path, LOADERS)) == evil
        assert kinds(path) == ({"pickle"} if evil else set())


# Ordinary files


def frame() -> pandas.DataFrame:
    return pandas.DataFrame(
        {
            "a": range(20),
            "b": [f"word {at}." for at in range(20)],
            "c": pandas.date_range("2026-01-01", periods=20),
            "d": numpy.linspace(0, 1, 20),
            "e": pandas.Categorical(["x", "y"] * 10),
        }
    )


@pytest.mark.parametrize(
    "write",
    [
        lambda path: frame().to_hdf(path, key="f", format="table"),
        lambda path: frame().to_hdf(path, key="a/b", format="table", data_columns=True, complevel=5),
        lambda path: frame().set_index(["a", "b"]).to_hdf(path, key="f", format="table"),
        lambda path: frame()[["a", "d"]].to_hdf(path, key="f"),
        lambda path: frame()["d"].to_hdf(path, key="s", format="table"),
        lambda path: pandas.DataFrame(numpy.eye(3)).to_hdf(path, key="f"),
    ],
)
def test_tables_of_pandas_without_objects_are_ordinary(write: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write(path)
    assert judged(path) == ()


def test_files_of_numbers_and_words_are_ordinary(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    for version in VERSIONS:
        bounds = version if version in ("earliest", "latest") else (version, version)
        with h5py.File(path, "w", libver=bounds) as file:
            file.attrs["Conventions"] = "CF-1.8"
            file.attrs["title"] = numpy.bytes_(b"Sea surface temperature. Version 2.")
            file.attrs["history"] = numpy.bytes_(b"cdo -f nc copy a b\nncks c d\n.")
            file.create_dataset("t", data=numpy.random.default_rng(1).random((50, 50)), compression="gzip")
            file.create_dataset("names", data=["a.", "b."], dtype=h5py.string_dtype())
            file.create_dataset("image", data=numpy.random.default_rng(1).integers(0, 255, (64, 64, 3), "u1"))
            file.create_dataset("raw", data=numpy.void(b"\x80\x01\x02\x03 and no pickle"))
            file["elsewhere"] = h5py.ExternalLink("b.h5", "/t")
        assert judged(path) == ()


def test_dates_and_arrays_in_attributes_are_pickles_and_say_what_they_call(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with tables.open_file(path, "w") as file:
        file.root._v_attrs.when = datetime.date(2026, 1, 1)
    (verdict,) = judged(path)
    assert (verdict.kind, verdict.format, verdict.member) == ("pickle", "hdf5-objects", "@when")
    assert verdict.imports == "datetime.date"


def test_mutated_files_never_raise_and_take_little_time(tmp_path: Path) -> None:
    choice = random.Random(11)
    originals = []
    for at, write in enumerate((objects(), column_of_pandas, lambda path: grow_into(path, choice))):
        path = tmp_path / f"{at}.h5"
        write(path)
        originals.append(path.read_bytes())
    for _ in range(1_500):
        data = bytearray(choice.choice(originals))
        for _ in range(choice.choice((1, 3, 20))):
            at = choice.randrange(len(data)) if choice.random() < 0.5 else choice.randrange(min(4096, len(data)))
            data[at : at + choice.choice((1, 2, 8))] = choice.choice((b"\0", b"\xff" * 8, choice.randbytes(4)))
        with within(2):
            recognise(BytesContent(bytes(data)), name="model.h5")


def grow_into(path: Path, choice: random.Random) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        describe(file, choice)
        grow(file, choice, 0)
