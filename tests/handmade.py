"""Checkpoints built opcode by opcode, so that no PyTorch, NumPy or joblib is needed."""

from __future__ import annotations

import pickle
import struct
from typing import Any, NamedTuple

from builders import LEGACY_MAGIC, zipped


class Name(NamedTuple):
    """A global: module and name."""

    module: str
    name: str


class Made:
    """The result of a call, with a state; `raw` are bytes that joblib writes behind it."""

    def __init__(self, function: Name, *arguments: Any, state: Any = None, raw: bytes | None = None, new: bool = False):
        self.function = function
        self.arguments = arguments
        self.state = state
        self.raw = raw
        self.new = new


class Persistent:
    """An id that stands for something outside of the pickle."""

    def __init__(self, *id: Any):
        self.id = id


ORDERED = Name("collections", "OrderedDict")
SIZES = {
    "FloatStorage": 4,
    "DoubleStorage": 8,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "LongStorage": 8,
    "ByteStorage": 1,
}
SIZES |= {"UntypedStorage": 1, "ComplexDoubleStorage": 16, "BoolStorage": 1}


def dumped(value: Any) -> bytes:
    """A pickle of protocol 2, without memo."""
    out = bytearray(b"\x80\x02")
    _write(value, out)
    return bytes(out + b".")


def _write(value: Any, out: bytearray) -> None:
    if isinstance(value, Name):
        out += f"c{value.module}\n{value.name}\n".encode()
    elif isinstance(value, Made):
        _write(value.function, out)
        _write(value.arguments, out)
        out += b"\x81" if value.new else b"R"
        if value.state is not None:
            _write(value.state, out)
            out += b"b"
        if value.raw is not None:
            padding = 16 - (len(out) + 1) % 16
            out += bytes([padding]) + b"\xff" * padding + value.raw
    elif isinstance(value, Persistent):
        _write(value.id, out)
        out += b"Q"
    elif isinstance(value, dict):
        out += b"}("
        for key, part in value.items():
            _write(key, out)
            _write(part, out)
        out += b"u"
    elif value == ():
        out += b")"
    elif isinstance(value, (list, tuple)):
        out += b"](" if isinstance(value, list) else b"("
        for part in value:
            _write(part, out)
        out += b"e" if isinstance(value, list) else b"t"
    elif isinstance(value, str):
        raw = value.encode("utf-8", "surrogatepass")
        out += b"X" + struct.pack("<L", len(raw)) + raw
    elif isinstance(value, bytes):
        out += b"B" + struct.pack("<L", len(value)) + value
    else:
        out += pickle.dumps(value, 2)[2:-1]


def storage(kind: str, key: str, count: int, *, view: tuple[str, int, int] | str | None = "") -> Persistent:
    extra = () if view == "" else (view,)
    return Persistent("storage", Name("torch", kind), key, "cpu", count, *extra)


def tensor(
    key: str = "0",
    shape: tuple[int, ...] = (2, 2),
    strides: tuple[int, ...] | None = None,
    *,
    kind: str = "FloatStorage",
    count: int | None = None,
    offset: int = 0,
    view: Any = "",
    requires_grad: bool = False,
) -> Made:
    """A call of `_rebuild_tensor_v2`."""
    length = 1
    plain: list[int] = []
    for extent in reversed(shape):
        plain.insert(0, length)
        length *= extent
    held = storage(kind, key, length if count is None else count, view=view)
    steps = tuple(plain) if strides is None else strides
    return Made(Name("torch._utils", "_rebuild_tensor_v2"), held, offset, shape, steps, requires_grad, Made(ORDERED))


def checkpoint(
    value: Any, storages: dict[str, bytes], *, byteorder: bytes = b"little", **others: bytes
) -> dict[str, bytes]:
    """The members of a PyTorch zip."""
    data = {f"archive/data/{key}": raw for key, raw in storages.items()}
    records = {"archive/data.pkl": dumped(value), "archive/byteorder": byteorder, "archive/version": b"3\n"}
    return {**records, **data, **{f"archive/{name}": raw for name, raw in others.items()}}


def floats(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


def simple(value: Any = None) -> bytes:
    """A checkpoint of one tensor, 1 to 4, called "w", in a state dict, unless `value` says otherwise."""
    return zipped(checkpoint({"w": tensor()} if value is None else value, {"0": floats(1, 2, 3, 4)}))


def legacy(value: Any, storages: dict[str, tuple[int, bytes]], *, little_endian: bool = True) -> bytes:
    """A PyTorch file of the legacy format: storages by key, with their number of elements."""
    system = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"int": 4}}
    head = LEGACY_MAGIC + dumped(1001) + dumped(system) + dumped(value) + dumped(list(storages))
    return head + b"".join(struct.pack("<Q", count) + raw for count, raw in storages.values())


def dtype(code: str, order: str = "<") -> Made:
    state = (3, order, None, None, None, -1, -1, 63 if code == "O8" else 0)
    return Made(Name("numpy", "dtype"), code, False, True, state=state)


def array(code: str, shape: tuple[int, ...], raw: Any, *, fortran: bool = False, order: str = "<") -> Made:
    """A NumPy array, as protocol 2 to 4 write it."""
    start = Name("numpy", "ndarray"), (0,), b"b"
    state = (1, shape, dtype(code, order), fortran, raw)
    return Made(Name("numpy._core.multiarray", "_reconstruct"), *start, state=state)


def wrapped(
    code: str, shape: tuple[int, ...], raw: bytes, *, fortran: bool = False, order: str = "<", **others: Any
) -> Made:
    """An array as joblib writes it: the bytes follow."""
    state = {
        "subclass": Name("numpy", "ndarray"), "shape": shape, "order": "F" if fortran else "C", "dtype": dtype(code, order),
        "allow_mmap": True, "numpy_array_alignment_bytes": 16, **others,
    }  # fmt: skip
    return Made(Name("joblib.numpy_pickle", "NumpyArrayWrapper"), state=state, raw=raw, new=True)
