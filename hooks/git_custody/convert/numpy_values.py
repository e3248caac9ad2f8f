"""NumPy's dtypes, arrays and scalars, as pickles describe them.

Sources: ``array_reduce_ex`` and ``arraydescr_reduce`` in ``numpy/_core/src/multiarray``, ``_frombuffer`` in
``numpy/_core/numeric.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from git_custody.convert.blobs import as_content
from git_custody.convert.dtypes import ML_DTYPES, NUMPY, Dtype, dated
from git_custody.convert.tensors import Storage, Tensor
from git_custody.convert.values import Blob, Dict, Global, Items, OldString, Record, Unsupported

if TYPE_CHECKING:
    from git_custody.convert.constructors import Constructors

OBJECTS = "an array of Python objects, each of which is pickled on its own"
RESAVE_OBJECTS = ("import numpy", "numpy.savez({saved}, NAME=ARRAY.astype(DTYPE))  # each array in it, as numbers")
_SWAPPED = "an array whose numbers are stored with the most significant byte first"
_RESAVE_SWAPPED = ('array = array.astype(array.dtype.newbyteorder("<"))',)

_ARRAYS = ("numpy.ndarray", "numpy.memmap", "numpy._core.memmap.memmap", "numpy.core.memmap.memmap")
NAMES = frozenset(_ARRAYS)
PARTS_WITHIN_PARTS = 8


class NumpyDtype:
    """A dtype: its code (``f8``) and byte order, or what is special about it."""

    def __init__(self, code: str, known: Dtype | None = None) -> None:
        self.code = code
        self.order = "|"
        self.is_structured = False
        self.unit: str | None = None
        self._known = known
        self._state: tuple[Any, ...] | None = None

    @property
    def text(self) -> str:
        """As NumPy writes it (``<f8``)."""
        return f"{self.order}{self.code}" + (f"[{self.unit}]" if self.unit else "")

    @property
    def item_size(self) -> int | None:
        """Bytes per element, None for Python objects."""
        if self._known is not None:
            return self._known.size
        kind, digits = self.code[:1], self.code[1:]
        if kind == "O" or not digits.isdecimal() or len(digits) > 10:
            return None
        return int(digits) * (4 if kind == "U" else 1)

    def build(self, state: object) -> bool:
        """Set what pickles keep beside the code."""
        if not isinstance(state, tuple) or len(state) not in (8, 9) or state[0] not in (3, 4):
            return False
        self._state = state
        self.is_structured = any(part is not None for part in state[2:5])
        if not all(type(number) is int for number in state[5:8]) or not self._has_usual_flags(state[7]):
            return False
        order = _text(state[1])
        if order is None or order not in ("<", ">", "|", "="):
            return False
        self.order = order
        if len(state) == 9 and self.code in ("M8", "m8"):
            self.unit = _unit(state[8])
        elif len(state) == 9 and not _is_nothing(state[8]):
            return False
        return True

    def layout(self, depth: int = 0) -> tuple[int, bool] | None:
        """Bytes per element and whether they are Python objects, if all that describes it agrees on that."""
        size, state = self.item_size, self._state
        if self.code in ("O", "O8"):
            return (8, True) if state is None or state[7] == 63 else None
        if self.is_structured and state is not None:
            parts = _parts(state)
            inner = [part.layout(depth + 1) for part in parts] if parts and depth < PARTS_WITHIN_PARTS else [None]
            holds_objects = any(part is not None and part[1] for part in inner)
            agrees = None not in inner and self.code == f"V{state[5]}" and bool(state[7] & 1) == holds_objects
            return (state[5], holds_objects) if agrees else None
        is_usual = self._known is not None or self.code in NUMPY or self.code in ("M8", "m8")
        if size is None or not (is_usual or self.code in (f"S{size}", f"V{size}", f"U{size // 4}")):
            return None
        return (size, False) if state is None or state[5] in (-1, size) else None

    def _has_usual_flags(self, flags: object) -> bool:
        """Whether a dtype has the flags that NumPy gives it: with those of objects, any is read as one of objects."""
        if self._known is not None:
            return flags in (0, 64)
        if self.code[:1] == "O" or self.is_structured:
            return True  # of no matter: nothing is read by it
        return flags == 0 or (flags == 8 and self.code[:1] in "SUV")

    def number(self, at: int) -> Dtype | Unsupported | None:
        """The type of its numbers, None where they are text or raw bytes, or why it cannot be stored."""
        if self.is_structured:
            how: tuple[str, ...] = (
                "import numpy",
                "numpy.savez({saved}, **{name: ARRAY[name] for name in ARRAY.dtype.names})",
            )
            return Unsupported("an array of records, for which safetensors has no type", how, at)
        if self.code.startswith("O"):
            return Unsupported(OBJECTS, RESAVE_OBJECTS, at)
        if self.code[:1] in "SUV":
            return None
        dtype = self._known or NUMPY.get(self.code)
        if dtype is None and self.code in ("M8", "m8") and self.unit:
            dtype = dated(self.code, self.unit)
        if dtype is None:
            how = ("array = array.astype(numpy.float64)",)
            return Unsupported(f"an array of type {self.text}, which safetensors has no type for", how, at)
        if dtype.size > 1 and self.order != "<" and not (self._known and self.order == "|"):
            return Unsupported(_SWAPPED, _RESAVE_SWAPPED, at)
        return dtype


def _parts(state: tuple[Any, ...]) -> list[NumpyDtype] | None:
    """The types of the fields of a record, or of the elements of a subarray; None where they are not to be told."""
    subarray, names, fields = state[2:5]
    if isinstance(fields, Dict) and isinstance(names, tuple) and subarray is None:
        held = [value for _, value in fields.pairs]
    else:
        held = [subarray] if names is None and fields is None else []
    parts = [value[0] for value in held if isinstance(value, tuple) and value and isinstance(value[0], NumpyDtype)]
    return parts if len(parts) == len(held) else None


class NumpyArray:
    """An array: a tensor, or text and raw bytes as a record, or what it is that cannot be stored."""

    def __init__(self) -> None:
        self.tensor: Tensor | None = None
        self.record: Record | None = None
        self.unsupported: Unsupported | None = None

    def build(self, state: object, at: int = 0) -> bool:
        """Set shape, dtype, order and bytes, which pickles keep as its state."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            return False
        shape, dtype, is_fortran, data = state[-4:]
        if len(state) == 5 and state[0] != 1:
            return False
        if type(is_fortran) not in (bool, int) or not isinstance(dtype, NumpyDtype):
            return False
        return self.fill(dtype, shape, "F" if is_fortran else "C", data, at)

    def fill(self, dtype: NumpyDtype, shape: object, order: str, data: object, at: int) -> bool:
        """Make it of bytes (`data`) in row-major ("C") or column-major ("F") order; False where they do not fit."""
        if not isinstance(shape, tuple) or not all(type(extent) is int and extent >= 0 for extent in shape):
            return False
        number = dtype.number(at)
        if isinstance(number, Unsupported):
            self.unsupported = number
            return True
        content = as_content(data)
        if content is None:
            return False
        if number is None:
            size = dtype.item_size
            if size is None or size * math.prod(shape) != content.size:
                return False
            self.record = Record("numpy.ndarray", (dtype.text, shape, order, data))
            return True
        if math.prod(shape) * number.size != content.size:
            return False
        self.tensor = _tensor(Storage(number, content.size, content), number, shape, order)
        return True


def _tensor(storage: Storage, number: Dtype, shape: tuple[int, ...], order: str) -> Tensor:
    """A whole array as a view of its bytes."""
    extents = shape if order == "C" else shape[::-1]
    strides: list[int] = []
    length = 1
    for extent in reversed(extents):
        strides.append(length)
        length *= extent
    return Tensor(storage, number, 0, shape, tuple(strides[::-1] if order == "C" else strides))


def ml_dtype(found: object) -> Dtype | None:
    """The type of numbers that a class of `ml_dtypes` stands for."""
    if isinstance(found, Global) and found.module in ("ml_dtypes", "ml_dtypes._ml_dtypes_ext", "jax.numpy"):
        return ML_DTYPES.get(found.name)
    return None


def _text(value: object) -> str | None:
    if isinstance(value, OldString) and value.isascii():
        return value.decode("ascii")
    return value if type(value) is str else None


def _is_nothing(metadata: object) -> bool:
    return metadata is None or (isinstance(metadata, Dict) and not metadata.pairs)


def _unit(metadata: object) -> str | None:
    """The unit of dates, in ``(metadata, (unit, count, numerator, events))``."""
    if not isinstance(metadata, tuple) or len(metadata) != 2 or not isinstance(metadata[1], tuple):
        return None
    unit, count = metadata[1][:2] if len(metadata[1]) == 4 else (None, None)
    if isinstance(unit, bytes):
        unit = unit.decode("latin-1")
    if type(unit) is not str or not unit.isalpha() or type(count) is not int:
        return None
    return unit if count == 1 else f"{count}{unit}"


def _dtype(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    if not 1 <= len(arguments) <= 3:
        return None
    known = ml_dtype(arguments[0])
    if known is not None:
        return NumpyDtype(known.name, known)
    code = _text(arguments[0])
    if code is None or not code.isascii() or not code.isalnum() or len(code) > 16:
        return None
    return NumpyDtype(code)


def _reconstruct(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    if len(arguments) != 3 or not isinstance(arguments[0], Global) or arguments[0].dotted not in _ARRAYS:
        return None
    if arguments[1] != (0,) or arguments[2] not in (b"b", "b"):
        return None
    return NumpyArray()


def _frombuffer(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    if len(arguments) not in (4, 5) or not isinstance(arguments[1], NumpyDtype):
        return None
    data, shape, order = arguments[0], arguments[2], arguments[3]
    dtype = arguments[1]
    if isinstance(data, Items) and data.kind == "bytearray":
        data = data.items[0]
    axes = arguments[4] if len(arguments) == 5 else None
    array = NumpyArray()
    if order == "K" and _is_order_of_axes(axes, shape):
        filled = array.fill(dtype, shape, "C", data, at)
        if filled and array.tensor is not None:
            whole = array.tensor
            extents = tuple(whole.shape[axis] for axis in axes)  # type: ignore[attr-defined]
            strides = tuple(whole.strides[axis] for axis in axes)  # type: ignore[attr-defined]
            array.tensor = Tensor(whole.storage, whole.dtype, 0, extents, strides)
    else:
        filled = order in ("C", "F") and axes is None and array.fill(dtype, shape, str(order), data, at)
    if not filled:
        return None
    return array.unsupported or array


def _is_order_of_axes(axes: object, shape: object) -> bool:
    if not isinstance(axes, tuple) or not isinstance(shape, tuple) or not all(type(axis) is int for axis in axes):
        return False
    return sorted(axes) == list(range(len(shape)))


def _scalar(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    if len(arguments) != 2 or not isinstance(arguments[0], NumpyDtype):
        return None
    dtype, data = arguments[0], arguments[1]
    number = dtype.number(at)
    if isinstance(number, Unsupported):
        return number
    if isinstance(data, Blob) or not isinstance(data, bytes) or (number is not None and len(data) != number.size):
        return None
    return Record("numpy.scalar", (dtype.text, bytes(data)))


_Maker = Callable[["Constructors", tuple[object, ...], int], object]
MAKERS: dict[str, _Maker] = {"numpy.dtype": _dtype}
for _core in ("numpy.core", "numpy._core"):
    MAKERS[f"{_core}.multiarray._reconstruct"] = _reconstruct
    MAKERS[f"{_core}.multiarray.scalar"] = _scalar
    MAKERS[f"{_core}.numeric._frombuffer"] = _frombuffer
