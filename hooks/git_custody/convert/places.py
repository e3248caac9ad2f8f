"""What in a checkpoint is not understood: its name, its place, and how to save the rest without it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from git_custody.convert.numpy_values import NumpyArray
from git_custody.convert.refused import Refused
from git_custody.convert.tensors import Tensor
from git_custody.convert.values import Call, Dict, Foreign, Global, Items, OldString, Record, Unsupported

# Kinds of tensors that safetensors cannot hold, by what rebuilds them.
_KINDS = {
    "torch._utils._rebuild_qtensor": ("a quantised tensor", "tensor.dequantize()"),
    "torch._utils._rebuild_sparse_tensor": ("a sparse tensor", "tensor.to_dense()"),
    "torch._utils._rebuild_sparse_csr_tensor": ("a sparse tensor", "tensor.to_dense()"),
    "torch._utils._rebuild_nested_tensor": ("a nested tensor", "tensor.to_padded_tensor(0)"),
    "torch._utils._rebuild_meta_tensor_no_storage": ("a tensor without data (on the meta device)", ""),
    "torch._utils._rebuild_wrapper_subclass": ("a tensor of a class of its own", ""),
    "torch.nn.parameter.UninitializedParameter": ("a parameter without data", ""),
}
# Of the standard library, what checkpoints really hold. Whoever finds any other part of it in one has better
# not load it, not even to save it again.
_IN_CHECKPOINTS = frozenset(
    {"argparse", "collections", "copyreg", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools"}
    | {"logging", "pathlib", "random", "string", "types", "typing", "uuid"}
)
_OF_OTHER_SYSTEMS = ("nt", "posix", "__builtin__")
_DEPTH_AT_MOST = 200
STATE_DICTS = ("state_dict", "model_state_dict", "model_state", "model", "module", "net", "params", "weights")


def refuse_foreign(root: object, foreign: Sequence[Foreign], loader: str) -> None:
    """Raise `Refused` where anything is not understood; `root` is None where the file could not be followed whole."""
    telling = [(thing, at) for thing, at in foreign if not _is_a_helper(thing)] or foreign
    for thing, at in telling:
        place = _place_of(root, thing)
        where = f' (at "{place}")' if place else f" (byte {at})"
        if isinstance(thing, Unsupported):
            raise Refused(f"it holds {thing.what}{where}", thing.dotted, thing.how, place)
        kind, instead = _KINDS.get(thing.dotted, ("", ""))
        if kind:
            raise Refused(f"it holds {kind}{where}", thing.dotted, (instead,) if instead else (), place)
        message = f"it needs {thing.dotted}, which is neither a tensor nor plain data{where}"
        raise Refused(message, thing.dotted, _how_to_resave(root, foreign, thing, place, loader), place)


def _is_a_helper(thing: object) -> bool:
    """Whether it only makes an object of a class that is named next."""
    return isinstance(thing, Global) and thing.dotted in ("copyreg._reconstructor", "copyreg.__newobj__")


def _how_to_resave(
    root: object, foreign: Sequence[Foreign], thing: Global, place: str | None, loader: str
) -> tuple[str, ...]:
    names = [found for found, _ in foreign if isinstance(found, Global)]
    if any(_is_out_of_place(name) for name in names):
        return ()
    load = f"import {loader.partition('.')[0]}", f"checkpoint = {loader}"
    if not loader.startswith("torch"):
        return ("import numpy", *load, "numpy.savez({saved}, **{NAME: ARRAY})  # the arrays in it, by name")
    if place is None:
        return (*load, "torch.save(checkpoint.state_dict(), {saved})")
    part = _part_of_tensors(root, names)
    if part is not None:
        return (*load, f"torch.save(checkpoint[{part!r}], {{saved}})")
    return (*load, "torch.save({NAME: TENSOR}, {saved})  # the tensors in it, by name")


def _is_out_of_place(found: Global) -> bool:
    top = found.module.partition(".")[0]
    return top in _OF_OTHER_SYSTEMS or (top in sys.stdlib_module_names and top not in _IN_CHECKPOINTS)


def _part_of_tensors(root: object, names: Sequence[Global]) -> str | None:
    """The key of a state dict in a checkpoint that holds nothing foreign itself."""
    if not isinstance(root, Dict):
        return None
    parts = {key: value for key, value in root.pairs if isinstance(key, str)}
    for key in sorted(parts, key=lambda key: STATE_DICTS.index(key) if key in STATE_DICTS else len(STATE_DICTS)):
        values = [value for _, value in _inside(parts[key])]
        if any(isinstance(value, Tensor) for value in values):
            if not any(isinstance(value, (Call, Unsupported)) or value in names for value in values):
                return key
    return None


def _place_of(root: object, thing: object) -> str | None:
    """The keys that lead to the first place where `thing` stands, None where it is the whole, or nowhere."""
    for path, value in _inside(root):
        function = value.function if isinstance(value, Call) else None
        if value is thing or (isinstance(thing, Global) and thing in (value, function)):
            return ".".join(path) or None
    return None


def _inside(root: object) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every value, each once, with the keys that lead there."""
    seen: set[int] = set()
    waiting: list[tuple[tuple[str, ...], object]] = [((), root)]
    while waiting:
        path, value = waiting.pop()
        if id(value) in seen or len(path) > _DEPTH_AT_MOST:
            continue
        seen.add(id(value))
        yield path, value
        waiting += reversed([((*path, *step), part) for step, part in _parts(value)])


def _parts(value: object) -> Iterator[tuple[tuple[str, ...], object]]:
    """What a value holds; parts of one that is not understood have no key of their own."""
    if isinstance(value, Dict):
        for key, part in value.pairs:
            yield (_shown(key),), part
            yield (), key
        for part in (*value.arguments, value.attributes):
            yield (), part
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield (str(index),), part
    elif isinstance(value, Items):
        for index, part in enumerate(value.items):
            yield (str(index),), part
    elif isinstance(value, Call):
        for part in (value.function, value.arguments, *value.parts):
            yield (), part
    elif isinstance(value, Record):
        yield (), value.arguments
    elif isinstance(value, Tensor):
        yield from (((name,), part) for name, part in value.attributes.items())
    elif isinstance(value, NumpyArray):
        yield (), value.unsupported


def _shown(key: object) -> str:
    if isinstance(key, OldString):
        return key.decode("ascii", "replace")
    return key if isinstance(key, str) else repr(key) if isinstance(key, (int, float, bytes)) else "?"
