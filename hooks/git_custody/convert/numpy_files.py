"""NumPy's .npy and .npz. Layout: NEP 1, as `numpy/lib/format.py` reads versions 1 to 3."""

from __future__ import annotations

import ast

from git_custody.convert.archive import Member
from git_custody.convert.loaded import Loaded, Span
from git_custody.convert.numpy_values import NumpyArray, NumpyDtype
from git_custody.convert.refused import Refused
from git_custody.convert.values import Blob, Dict, Foreign
from git_custody.core.content import Content, PartContent

MAGIC = b"\x93NUMPY"
LOADER = "numpy.load({path})"
_HEADER_AT_MOST = 64 * 1024


def read_array(content: Content) -> Loaded:
    """Read an .npy file. Raises `Refused`."""
    array = _array(content, "it")
    foreign = [] if array.unsupported is None else [Foreign(array.unsupported, 0)]
    return Loaded("npy", "a NumPy array", array, foreign, content.size, LOADER)


def read_archive(content: Content, members: dict[str, Member]) -> Loaded:
    """Read an .npz file from the members of its zip. Raises `Refused`."""
    root = Dict()
    loaded = Loaded(
        "npz", "an archive of NumPy arrays", root, [], sum(m.content.size for m in members.values()), LOADER
    )
    for name, member in members.items():
        array = _array(member.content, f'"{name}" in it')
        root.pairs.append((name.removesuffix(".npy"), array))
        if array.unsupported is not None:
            loaded.foreign.append(Foreign(array.unsupported, member.begin))
    # `zipfile` reads them, which is strict about checksums.
    stored = (member for member in members.values() if member.is_stored)
    spans = tuple(Span(m.begin, m.begin + m.content.size, m.crc, m.name) for m in stored)
    return loaded._replace(spans=spans)


def is_archive(members: dict[str, Member]) -> bool:
    """Whether these are the members of an .npz file."""
    return bool(members) and all(name.endswith(".npy") for name in members)


def _array(content: Content, who: str) -> NumpyArray:
    start = content.read_at(0, 12)
    version = start[6:8]
    if start[:6] != MAGIC or version not in (b"\1\0", b"\2\0", b"\3\0"):
        raise Refused(f"{who} is no NumPy array of a known version")
    width = 2 if version == b"\1\0" else 4
    length = int.from_bytes(start[8 : 8 + width], "little")
    described = _header(content.read_at(8 + width, length), version) if length <= _HEADER_AT_MOST else None
    if described is None:
        raise Refused(f"{who} has a header that NumPy would not write")
    dtype, order, shape = described
    data_at = 8 + width + length
    data = Blob(PartContent(content, data_at, content.size - data_at), is_text=False)
    array = NumpyArray()
    if not array.fill(dtype, shape, order, data, data_at):
        raise Refused(f"{who} holds more or fewer numbers than its header says")
    return array


def _header(header: bytes, version: bytes) -> tuple[NumpyDtype, str, object] | None:
    """The dtype, order and shape in a header, which is a Python literal; None for any other."""
    try:
        described = ast.literal_eval(header.strip(b" \n").decode("utf-8" if version == b"\3\0" else "latin-1"))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    if not isinstance(described, dict) or described.keys() != {"descr", "fortran_order", "shape"}:
        return None
    dtype = _dtype(described["descr"])
    if dtype is None or type(described["fortran_order"]) is not bool:
        return None
    return dtype, "F" if described["fortran_order"] else "C", described["shape"]


def _dtype(descr: object) -> NumpyDtype | None:
    """The dtype that a header describes: a code with its byte order, or a list of fields."""
    if isinstance(descr, list):
        dtype = NumpyDtype("V")
        dtype.is_structured = True
        return dtype
    if not isinstance(descr, str) or descr[:1] not in ("<", ">", "|"):
        return None
    code, _, unit = descr[1:].partition("[")
    if not code.isascii() or not code.isalnum() or (unit and not unit.endswith("]")):
        return None
    dtype = NumpyDtype(code)
    dtype.order = descr[0]
    if unit:
        dtype.unit = unit[:-1]
    return dtype
