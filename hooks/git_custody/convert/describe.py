"""Everything in a checkpoint that is not a tensor, as JSON without loss, and the tensors in it by their place.

JSON has no tuples, sets, bytes or keys that are numbers: such values are objects with a ``$type``. docs/convert.md
lists them.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import NamedTuple

from git_custody.convert.blobs import as_content, pieces, whole
from git_custody.convert.numpy_values import NumpyArray, NumpyDtype
from git_custody.convert.refused import Refused
from git_custody.convert.tensors import Storage, Tensor
from git_custody.convert.values import Blob, Dict, Global, Items, OldString, Record

Json = object
Path = tuple["str | int", ...]

DEPTH_AT_MOST = 100
VALUES_AT_MOST = 2_000_000
BYTES_AT_MOST = 64 * 1024 * 1024
_EXACT_INTEGER = 2**53
_TYPE = "$type"
_WRITTEN = ("tuple", "dict", "collections.OrderedDict")
_SCALARS = {"f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b", "b1": "?"}
_SCALARS |= {"u8": "Q", "u4": "I", "u2": "H", "u1": "B"}


class Found(NamedTuple):
    """A tensor and the keys that lead to it. `entry` is its JSON; `in_optimizer`: it is the state of an optimiser."""

    path: Path
    tensor: Tensor
    entry: dict[str, Json]
    in_optimizer: bool


class Description(NamedTuple):
    """A value as JSON, the tensors in it, and how many plain values it has besides."""

    content: Json
    tensors: list[Found]
    others: int


def describe(root: object) -> Description:
    """Describe a value in which everything is understood. Raises `Refused` for what JSON cannot hold whole."""
    describer = _Describer()
    content = describer.value(root, (), False, 0)
    return Description(content, describer.tensors, describer.others)


def is_plain(content: Json) -> bool:
    """Whether Python's `json` writes the value that is described: tuples become lists, and all keys text."""
    if isinstance(content, list):
        return all(map(is_plain, content))
    if not isinstance(content, dict):
        return True
    kind = content.get(_TYPE)
    if kind is None or kind == "int":
        return all(map(is_plain, content.values()))
    items = content.get("items")
    has_plain_keys = isinstance(items, dict) or kind == "tuple" or _are_plain_keys(items)
    return kind in _WRITTEN and content.keys() == {_TYPE, "items"} and has_plain_keys and is_plain(items)


def _are_plain_keys(pairs: Json) -> bool:
    return isinstance(pairs, list) and not any(isinstance(pair, list) and isinstance(pair[0], dict) for pair in pairs)


class _Describer:
    def __init__(self) -> None:
        self.tensors: list[Found] = []
        self.values = 0
        self.others = 0
        self.bytes = 0

    def value(self, value: object, path: Path, in_optimizer: bool, depth: int) -> Json:
        self.values += 1
        if self.values > VALUES_AT_MOST:
            raise Refused(f"it holds more than {VALUES_AT_MOST} values beside its tensors")
        if depth > DEPTH_AT_MOST:
            raise Refused(f"values in it are nested more than {DEPTH_AT_MOST} deep, or in themselves")
        if isinstance(value, NumpyArray) and (filled := value.tensor or value.record) is not None:
            value = filled
        if not isinstance(value, (Tensor, list, tuple, Dict, Items)):
            self.others += 1
        if value is None or type(value) is bool:
            return value
        if type(value) is int:
            if abs(value) <= _EXACT_INTEGER:
                return value
            return {_TYPE: "int", "value": hex(value)}
        if type(value) is float:
            return value if math.isfinite(value) else {_TYPE: "float", "value": repr(value)}
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, (bytes, Blob)):
            return self._literal(value)
        if isinstance(value, Tensor):
            return self._tensor(value, path, in_optimizer, depth)
        if isinstance(value, list):
            return self._list(value, path, in_optimizer, depth)
        if isinstance(value, tuple):
            return {_TYPE: "tuple", "items": self._list(value, path, in_optimizer, depth)}
        if isinstance(value, Dict):
            return self._dict(value, path, in_optimizer, depth)
        if isinstance(value, Items):
            return self._items(value, path, in_optimizer, depth)
        if isinstance(value, Global):
            if value.module == "torch" and value.name[:1].islower():
                return {_TYPE: "torch.dtype", "name": value.name}
            return {_TYPE: "type", "name": value.dotted}
        if isinstance(value, Record):
            return self._record(value, path, in_optimizer, depth)
        if isinstance(value, NumpyDtype) and not value.is_structured:
            return {_TYPE: "numpy.dtype", "name": value.text}
        if isinstance(value, Storage):
            raise Refused(f"it holds a bare storage, which no tensor tells the shape of{_at(path)}")
        raise Refused(f"it holds a value that was never filled{_at(path)}")

    def _count(self, length: int) -> None:
        self.bytes += length
        if self.bytes > BYTES_AT_MOST:
            raise Refused(f"it holds more than {BYTES_AT_MOST} bytes beside its tensors, too many for a JSON file")

    def _text(self, value: str) -> Json:
        self._count(len(value))
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return {_TYPE: "str", "base64": _base64(value.encode("utf-8", "surrogatepass"))}
        return value

    def _literal(self, value: bytes | Blob) -> Json:
        if isinstance(value, Blob):
            found = whole(value, BYTES_AT_MOST)
            if isinstance(found, str):
                return self._text(found)
            value = found
        self._count(len(value))
        if isinstance(value, OldString) and value.isascii():
            return value.decode("ascii")
        return {_TYPE: "bytes", "base64": _base64(value)}

    def _tensor(self, tensor: Tensor, path: Path, in_optimizer: bool, depth: int) -> Json:
        entry: dict[str, Json] = {_TYPE: "tensor"}
        self.tensors.append(Found(path, tensor, entry, in_optimizer))
        if tensor.storage.device != "cpu":
            entry["device"] = self._text(tensor.storage.device)
        for name, value in tensor.attributes.items():
            entry[name] = self.value(value, (*path, name), in_optimizer, depth + 1)
        return entry

    def _list(self, items: list[object] | tuple[object, ...], path: Path, in_optimizer: bool, depth: int) -> list[Json]:
        return [self.value(item, (*path, index), in_optimizer, depth + 1) for index, item in enumerate(items)]

    def _dict(self, found: Dict, path: Path, in_optimizer: bool, depth: int) -> Json:
        keys = [self._key(key, path, depth) for key, _ in found.pairs]
        if len({canonical for canonical, _, _ in keys}) != len(keys):
            raise Refused(f"a dict in it has a key twice{_at(path)}")
        own = in_optimizer or {"state", "param_groups"} <= {step for _, step, _ in keys}
        values = []
        for (_, step, _), (_, value) in zip(keys, found.pairs, strict=True):
            inside = own or (_is_optimizer(step) and isinstance(value, (Dict, list, tuple)))
            values.append(self.value(value, (*path, step), inside, depth + 1))
        texts = [key for _, _, key in keys if isinstance(key, str)]
        items: Json = dict(zip(texts, values, strict=True)) if len(texts) == len(keys) else None
        if items is None:
            items = [[key, value] for (_, _, key), value in zip(keys, values, strict=True)]
        elif found.kind == "dict" and not any(key.startswith("$") for key in texts):
            return items
        made: dict[str, Json] = {_TYPE: found.kind, "items": items}
        if found.arguments:
            made["arguments"] = [self.value(part, path, in_optimizer, depth + 1) for part in found.arguments]
        if found.attributes is not None:
            made["attributes"] = self.value(found.attributes, path, in_optimizer, depth + 1)
        return made

    def _key(self, key: object, path: Path, depth: int) -> tuple[str, str, Json]:
        """What tells a key from others, as Python compares them; its name in paths; and the key as JSON."""
        others = self.others
        described = self.value(key, path, True, depth + 1)
        self.others = others
        if not _is_hashable(key):
            raise Refused(f"a dict in it has a key that Python would not accept{_at(path)}")
        if isinstance(described, str):
            return f'"{described}', described, described
        if isinstance(key, (bool, int, float)):
            number = int(key) if math.isfinite(key) and key == int(key) else key
            return repr(number), repr(key), described
        canonical = json.dumps(described)
        return canonical, key.dotted if isinstance(key, Global) else canonical, described

    def _items(self, found: Items, path: Path, in_optimizer: bool, depth: int) -> Json:
        if found.kind == "bytearray":
            literal = self._literal(found.items[0])  # type: ignore[arg-type]
            return {**literal, _TYPE: "bytearray"} if isinstance(literal, dict) else literal
        made: dict[str, Json] = {_TYPE: found.kind, "items": self._list(found.items, path, in_optimizer, depth)}
        if found.arguments:
            made["arguments"] = [self.value(part, path, in_optimizer, depth + 1) for part in found.arguments]
        return made

    def _record(self, found: Record, path: Path, in_optimizer: bool, depth: int) -> Json:
        if found.kind == "numpy.scalar":
            return _scalar(*found.arguments)  # type: ignore[arg-type]
        if found.kind == "numpy.ndarray":
            dtype, shape, order, data = found.arguments
            content = as_content(data)
            self._count(content.size if content else 0)
            raw = b"".join(pieces(content)) if content else b""
            extents = list(shape)  # type: ignore[call-overload]
            return {_TYPE: found.kind, "dtype": dtype, "shape": extents, "order": order, "base64": _base64(raw)}
        return {_TYPE: found.kind, "arguments": self._list(found.arguments, path, in_optimizer, depth)}


def _scalar(dtype: str, data: bytes) -> Json:
    """A number with the type that NumPy gave it; others as bytes."""
    made: dict[str, Json] = {_TYPE: "numpy.scalar", "dtype": dtype}
    code = _SCALARS.get(dtype[1:])
    value = struct.unpack(f"<{code}", data)[0] if code else None
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return {**made, "base64": _base64(data)}
    if type(value) is int and abs(value) > _EXACT_INTEGER:
        return {**made, "value": hex(value)}
    return {**made, "value": value}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _is_hashable(key: object) -> bool:
    if isinstance(key, tuple):
        return all(map(_is_hashable, key))
    if isinstance(key, Items):
        return key.kind == "frozenset"
    return not isinstance(key, (list, Dict, Tensor, NumpyArray))


def _is_optimizer(step: str) -> bool:
    """Whether a key says that what lies below it is the state of an optimiser."""
    lowered = step.lower()
    return "optim" in lowered or lowered in ("opt", "opt_state", "opt_states")


def _at(path: Path) -> str:
    return f' (at "{".".join(map(str, path))}")' if path else ""
