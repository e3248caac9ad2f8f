"""Tensors as views of stretches of bytes, and their bytes in the order of safetensors.

A view is described as PyTorch does: offset, shape and strides in elements. Whole tensors are copied piece by piece;
what is transposed or sliced is gathered by `memoryview` slices, without NumPy, into a buffer of its own size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from git_custody.convert.dtypes import Dtype
from git_custody.convert.refused import Refused
from git_custody.core.content import Content

PIECE = 1024 * 1024
WINDOW = 4 * 1024 * 1024
DIMENSIONS_AT_MOST = 64
LENGTH_AT_MOST = 1 << 62
ENOUGH = 32

_Format = Literal["B", "H", "I", "Q"]
_FORMATS: dict[int, _Format] = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Storage:
    """Bytes that tensors are views of: `size` of them, in `content` from byte `begin` on.

    `content` is None until the place is known (in files whose numbers follow their index). `device` is where
    they were when they were saved.
    """

    __slots__ = ("begin", "content", "device", "dtype", "size")

    def __init__(self, dtype: Dtype | None, size: int, content: Content | None, device: str = "cpu") -> None:
        self.dtype = dtype
        self.size = size
        self.content = content
        self.begin = 0
        self.device = device

    def read(self, offset: int, length: int) -> bytes:
        """Read exactly `length` bytes; raises `Refused` where they are not there."""
        if self.content is None:
            raise Refused("it ends before the numbers of a tensor")
        data = self.content.read_at(self.begin + offset, length)
        if len(data) != length:
            raise Refused("it ends before the numbers of a tensor")
        return data


class Tensor:
    """A view of a storage, in elements of `dtype`; raises `Refused` for one that does not fit into it.

    `attributes` is what else is known of it: whether it is a parameter, needs gradients, and so on.
    """

    __slots__ = ("attributes", "dtype", "offset", "shape", "storage", "strides")

    def __init__(
        self, storage: Storage, dtype: Dtype, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        if len(shape) != len(strides) or len(shape) > DIMENSIONS_AT_MOST:
            raise Refused("a tensor's shape and strides do not fit together")
        if min((offset, *shape, *strides)) < 0:
            raise Refused("a tensor has a negative shape, stride or offset")
        self.storage = storage
        self.dtype = dtype
        self.offset = offset
        self.shape = shape
        self.strides = strides
        self.attributes: dict[str, object] = {}
        last = sum((extent - 1) * stride for extent, stride in zip(shape, strides, strict=True))
        if self.length > LENGTH_AT_MOST or (self.length and (offset + last + 1) * dtype.size > storage.size):
            raise Refused("a tensor reaches beyond its storage")

    @property
    def length(self) -> int:
        """Its bytes, as they are written."""
        length = self.dtype.size
        for extent in self.shape:
            length *= extent
        return length

    @property
    def is_contiguous(self) -> bool:
        """Whether its bytes lie one after the other."""
        expected = 1
        for extent, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if extent != 1 and stride != expected:
                return not self.length
            expected *= extent
        return True

    def pieces(self) -> Iterator[bytes]:
        """Its bytes, in row-major order, in pieces; one tensor's bytes are held at most."""
        begin, length = self.offset * self.dtype.size, self.length
        if self.is_contiguous:
            for at in range(0, length, PIECE):
                yield self.storage.read(begin + at, min(PIECE, length - at))
            return
        gathered = memoryview(self._gathered())
        for at in range(0, length, PIECE):
            yield bytes(gathered[at : at + PIECE])  # a view would keep the whole buffer alive

    def _gathered(self) -> bytearray:
        size = self.dtype.size
        extents, strides = list(self.shape), list(self.strides)
        if size > 8:
            extents, strides = [*extents, size // 8], [*(stride * size // 8 for stride in strides), 1]
            size = 8
        axes = _axes(extents, strides)
        buffer = bytearray(self.length)
        _gather(self.storage, self.offset * self.dtype.size, size, memoryview(buffer).cast(_FORMATS[size]), 0, axes)
        return buffer


_Axis = tuple[int, int, int]  # extent, stride in the storage, stride in the result


def _axes(extents: list[int], strides: list[int]) -> list[_Axis]:
    """The axes in the order in which the storage has them, those that follow each other on both sides as one."""
    axes: list[_Axis] = []
    length = 1
    for extent, stride in zip(reversed(extents), reversed(strides), strict=True):
        if extent != 1:
            axes.append((extent, stride, length))
        length *= extent
    merged: list[_Axis] = []
    for extent, stride, out in sorted(axes, key=lambda axis: (-axis[1], -axis[2])):
        if merged and merged[-1][1] == stride * extent and merged[-1][2] == out * extent:
            extent *= merged.pop()[0]
        merged.append((extent, stride, out))
    return merged


def _span(axes: list[_Axis]) -> int:
    return 1 + sum((extent - 1) * stride for extent, stride, _ in axes)


def _gather(storage: Storage, begin: int, size: int, target: memoryview, at: int, axes: list[_Axis]) -> None:
    """Copy the elements from byte `begin` on to `target`, from element `at` on, reading a window at a time."""
    if _span(axes) * size <= WINDOW:
        source = memoryview(storage.read(begin, _span(axes) * size)).cast(_FORMATS[size])
        _copy(source, target, at, axes)
        return
    extent, stride, out = axes[0]
    inner = axes[1:]
    together = max(1, (WINDOW // size - _span(inner)) // stride)
    for first in range(0, extent, together):
        count = min(together, extent - first)
        block = [(count, stride, out), *inner] if count > 1 else inner
        _gather(storage, begin + first * stride * size, size, target, at + first * out, block)


def _copy(source: memoryview, target: memoryview, at: int, axes: list[_Axis]) -> None:
    """Copy within a window: one long axis as slices, those around it element by element."""
    if not axes:
        target[at] = source[0]
        return
    # Neighbours in the result, where there are enough of them: writing far apart costs more than reading.
    run = min((axis for axis in axes if axis[0] >= ENOUGH), key=lambda axis: axis[2], default=max(axes))
    around = list(axes)
    around.remove(run)
    _copy_runs(source, target, 0, at, around, run)


def _copy_runs(source: memoryview, target: memoryview, begin: int, at: int, around: list[_Axis], run: _Axis) -> None:
    if around:
        extent, stride, out = around[0]
        for index in range(extent):
            _copy_runs(source, target, begin + index * stride, at + index * out, around[1:], run)
        return
    extent, stride, out = run
    into = slice(at, at + (extent - 1) * out + 1, out)
    if stride:
        target[into] = source[begin : begin + (extent - 1) * stride + 1 : stride]
    else:
        target[into] = memoryview(bytes(source[begin : begin + 1]) * extent).cast(_FORMATS[source.itemsize])
