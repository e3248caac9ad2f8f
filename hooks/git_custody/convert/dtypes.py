"""The types of numbers: what PyTorch and NumPy call them, and what safetensors does.

Names of safetensors: ``Dtype`` in ``safetensors/src/tensor.rs`` (0.8). PyTorch: ``torch/storage.py``. NumPy: the
type codes of its array interface; `ml_dtypes` adds more.
"""

from __future__ import annotations

from typing import NamedTuple


class Dtype(NamedTuple):
    """A type of numbers.

    `name` is PyTorch's or NumPy's, `stored` the one in safetensors, `size` its bytes. `last_axis` is how many
    numbers of the stored type one of these is, where safetensors has no type for it: they become a last axis
    (or lengthen the last axis, for `packed` ones). `note` says so in plain words.
    """

    name: str
    stored: str
    size: int
    last_axis: int = 1
    packed: bool = False
    note: str = ""

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a tensor of this type in safetensors."""
        if self.packed:
            return (*shape[:-1], shape[-1] * self.last_axis)
        return shape if self.last_axis == 1 else (*shape, self.last_axis)


_COMPLEX = "complex numbers as a last axis of real and imaginary part"

FLOAT64 = Dtype("float64", "F64", 8)
FLOAT32 = Dtype("float32", "F32", 4)
FLOAT16 = Dtype("float16", "F16", 2)
BFLOAT16 = Dtype("bfloat16", "BF16", 2)
INT64 = Dtype("int64", "I64", 8)
INT32 = Dtype("int32", "I32", 4)
INT16 = Dtype("int16", "I16", 2)
INT8 = Dtype("int8", "I8", 1)
UINT64 = Dtype("uint64", "U64", 8)
UINT32 = Dtype("uint32", "U32", 4)
UINT16 = Dtype("uint16", "U16", 2)
UINT8 = Dtype("uint8", "U8", 1)
BOOL = Dtype("bool", "BOOL", 1)
COMPLEX64 = Dtype("complex64", "C64", 8)
COMPLEX128 = Dtype("complex128", "F64", 16, 2, note=_COMPLEX)
COMPLEX32 = Dtype("complex32", "F16", 4, 2, note=_COMPLEX)

TORCH = {
    dtype.name: dtype
    for dtype in (
        FLOAT64, FLOAT32, FLOAT16, BFLOAT16, INT64, INT32, INT16, INT8, UINT64, UINT32, UINT16, UINT8, BOOL,
        COMPLEX32, COMPLEX64, COMPLEX128,
        Dtype("float8_e4m3fn", "F8_E4M3", 1), Dtype("float8_e5m2", "F8_E5M2", 1),
        Dtype("float8_e4m3fnuz", "F8_E4M3FNUZ", 1), Dtype("float8_e5m2fnuz", "F8_E5M2FNUZ", 1),
        Dtype("float8_e8m0fnu", "F8_E8M0", 1), Dtype("float4_e2m1fn_x2", "F4", 1, 2, packed=True),
    )
}  # fmt: skip
TORCH |= {"double": FLOAT64, "float": FLOAT32, "half": FLOAT16, "long": INT64, "int": INT32, "short": INT16}
TORCH |= {"cfloat": COMPLEX64, "cdouble": COMPLEX128, "chalf": COMPLEX32}

STORAGES = {
    "DoubleStorage": FLOAT64, "FloatStorage": FLOAT32, "HalfStorage": FLOAT16, "BFloat16Storage": BFLOAT16,
    "LongStorage": INT64, "IntStorage": INT32, "ShortStorage": INT16, "CharStorage": INT8, "ByteStorage": UINT8,
    "BoolStorage": BOOL, "ComplexFloatStorage": COMPLEX64, "ComplexDoubleStorage": COMPLEX128,
}  # fmt: skip
# They hold numbers of a quantised tensor, or bytes of any.
OTHER_STORAGES = {"QInt8Storage": 1, "QUInt8Storage": 1, "QInt32Storage": 4, "QUInt4x2Storage": 1, "QUInt2x4Storage": 1}

NUMPY = {
    "f8": FLOAT64, "f4": FLOAT32, "f2": FLOAT16, "i8": INT64, "i4": INT32, "i2": INT16, "i1": INT8,
    "u8": UINT64, "u4": UINT32, "u2": UINT16, "u1": UINT8, "b1": BOOL, "c8": COMPLEX64, "c16": COMPLEX128,
}  # fmt: skip
ML_DTYPES = {
    "bfloat16": BFLOAT16,
    "float8_e4m3fn": TORCH["float8_e4m3fn"],
    "float8_e5m2": TORCH["float8_e5m2"],
    "float8_e4m3fnuz": TORCH["float8_e4m3fnuz"],
    "float8_e5m2fnuz": TORCH["float8_e5m2fnuz"],
    "float8_e8m0fnu": TORCH["float8_e8m0fnu"],
}


def dated(code: str, unit: str) -> Dtype:
    """NumPy's `M8` and `m8`: counts of a unit since 1970, or of its length."""
    name = f"{'datetime64' if code == 'M8' else 'timedelta64'}[{unit}]"
    return Dtype(name, "I64", 8, note=f"{name} as whole numbers of that unit")
