"""Which tensors of a checkpoint are written, and what they are called.

Loaders expect a model's tensors under the keys of its state dict. Where a checkpoint holds one model, its tensors
keep those keys; whatever else has tensors has the path to them in front.
"""

from __future__ import annotations

from typing import NamedTuple

from git_custody.convert.describe import Found, Path
from git_custody.convert.refused import Refused

# Keys that say that a state dict follows, and keys that may.
_SURE = ("state_dict", "model_state_dict", "model_state")
_LIKELY = ("model", "module", "net", "network", "params", "weights")
_ROOT = "tensor"
_NESTED_AT_MOST = 8
_NAME_AT_MOST = 4096


class Named(NamedTuple):
    """The tensors to write by name, in the order of the checkpoint, and those of optimisers that are left out."""

    tensors: dict[str, Found]
    left_out: list[Found]


def name_all(found: list[Found], *, optimizer: bool) -> Named:
    """Name the tensors; `optimizer` keeps those of optimisers. Raises `Refused` where two would have one name."""
    kept = [tensor for tensor in found if optimizer or not tensor.in_optimizer]
    model = _model([tensor.path for tensor in kept if not tensor.in_optimizer])
    named: dict[str, Found] = {}
    for tensor in kept:
        path = tensor.path[len(model) :] if tensor.path[: len(model)] == model else tensor.path
        name = ".".join(map(str, path)) or _ROOT
        if name in named or name == "__metadata__":
            raise Refused(f'two tensors in it would be called "{name}" in one file')
        try:
            length = len(name.encode("utf-8"))
        except UnicodeEncodeError:
            raise Refused("a tensor's name is no text that can be written as UTF-8") from None
        if length > _NAME_AT_MOST:
            raise Refused(f"a tensor's name is longer than {_NAME_AT_MOST} bytes")
        named[name] = tensor
    return Named(named, [tensor for tensor in found if tensor.in_optimizer and not optimizer])


def _model(paths: list[Path]) -> Path:
    """The path of the one state dict that is the model, () where there is none, or more than one."""
    model: Path = ()
    for _ in range(_NESTED_AT_MOST):
        here = [path[len(model) :] for path in paths if path[: len(model)] == model]
        dicts = {path[0] for path in here if len(path) > 1 and isinstance(path[0], str) and isinstance(path[1], str)}
        step = _step(dicts) or (None if model else _only_state_dict(dicts, here))
        if step is None:
            return model
        model = (*model, step)
    return model


def _step(dicts: set[str]) -> str | None:
    sure = [key for key in _SURE if key in dicts]
    if len(sure) == 1:
        return sure[0]
    return next((key for key in _LIKELY if dicts == {key}), None)


def _only_state_dict(dicts: set[str], here: list[Path]) -> str | None:
    """The key, whatever it is, of a state dict that is all that a checkpoint holds: its keys have dots."""
    if len(dicts) != 1 or any(len(path) != 2 for path in here):
        return None
    return next(iter(dicts)) if any("." in str(path[1]) for path in here) else None
