"""The constructors that a conversion understands: an explicit table, of tensors, arrays and plain data.

Nothing is called: each entry says what the call would have made, from `torch/_utils.py`, `torch/_tensor.py`,
NumPy's ``_core/multiarray`` and the standard library. Whatever is not here is kept as a `Call` and refused, with its
name and its place, by `places.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from git_custody.convert import numpy_values
from git_custody.convert.blobs import as_content, text_as_bytes
from git_custody.convert.dtypes import OTHER_STORAGES, STORAGES, TORCH, UINT8, Dtype
from git_custody.convert.refused import Refused
from git_custody.convert.tensors import Storage, Tensor
from git_custody.convert.values import Blob, Call, Dict, Foreign, Global, Items, OldString, Record, Unsupported
from git_custody.core.content import Content

# Names that are data themselves: types, as factories of a `defaultdict` or recorded settings.
_TYPES = frozenset(
    {f"builtins.{name}" for name in ("int", "float", "str", "bool", "complex", "bytes", "bytearray", "list", "dict")}
    | {"builtins.tuple", "builtins.set", "builtins.frozenset", "builtins.slice", "builtins.range", "builtins.object"}
    | {"collections.OrderedDict", "collections.defaultdict", "collections.Counter", "collections.deque"}
    | {"torch.Tensor", "torch._tensor.Tensor", "torch.Size", "torch.nn.parameter.Parameter", "torch.device"}
    | {"torch.nn.parameter.Buffer"}
)
# Classes that are made by what they are called with, and hold nothing else.
_RECORDS = frozenset(
    {"builtins.complex", "builtins.slice", "builtins.range", "torch.Size", "torch.device"}
    | {f"datetime.{name}" for name in ("datetime", "date", "time", "timedelta", "timezone")}
    | {f"pathlib.{name}" for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path")}
    | {f"pathlib._local.{name}" for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path")}
    | {"decimal.Decimal", "fractions.Fraction", "torch.serialization._get_layout"}
)
# Dicts with a name, and names that stand as keys, in the checkpoints of PyTorch Lightning.
_DICTS = tuple(
    f"{module}.AttributeDict"
    for module in (
        "pytorch_lightning.utilities.parsing",
        "lightning_fabric.utilities.data",
        "lightning.fabric.utilities.data",
    )
)
_CALLBACKS = ("pytorch_lightning.callbacks.", "lightning.pytorch.callbacks.")
_PARAMETERS = {
    "torch.Tensor": "",
    "torch._tensor.Tensor": "",
    "torch.tensor.Tensor": "",
    "torch.nn.parameter.Parameter": "Parameter",
    "torch.nn.parameter.Buffer": "Buffer",
}


class Constructors:
    """A `Builder` that knows tensors, arrays and plain data; it keeps what it does not know in `foreign`."""

    loader = "torch.load({path}, weights_only=False)"

    def __init__(self) -> None:
        self.foreign: list[Foreign] = []

    def knows(self, found: Global) -> bool:
        """Whether a name stands for something that is understood."""
        return (
            found.dotted in _KNOWN
            or found.module.startswith(_CALLBACKS)
            or storage_type(found) is not None
            or (found.module == "torch" and found.name in TORCH)
            or numpy_values.ml_dtype(found) is not None
        )

    def look_up(self, found: Global, at: int) -> object:
        """Stand in for a name; one that is not known is noted."""
        if not self.knows(found):
            self.foreign.append(Foreign(found, at))
        return found

    def call(self, function: object, arguments: tuple[object, ...], at: int) -> object:
        """Stand in for the result of a call."""
        if isinstance(function, Global):
            make = _MAKERS.get(function.dotted)
            if make is not None:
                made = make(self, arguments, at)
                if made is not None:
                    if isinstance(made, Unsupported):
                        self.foreign.append(Foreign(made, at))
                    return made
            if function.dotted in _RECORDS:
                return Record(function.dotted, arguments)
        return self._not_understood(function, arguments, at)

    def new(self, function: object, arguments: tuple[object, ...], at: int) -> object:
        """Stand in for an object whose class was not called, so that most classes ignore the arguments."""
        if isinstance(function, Global) and function.dotted in (_MADE_OF_NOTHING if not arguments else _MADE_OF):
            return self.call(function, arguments, at)
        return self._not_understood(function, arguments, at)

    def _not_understood(self, function: object, arguments: tuple[object, ...], at: int) -> Call:
        if isinstance(function, Global) and self.knows(function):
            what = f"a call of {function.dotted} that no library writes like this"
            self.foreign.append(Foreign(Unsupported(what, (), at, function.dotted), at))
        elif not isinstance(function, (Global, Call)):
            self.foreign.append(Foreign(Unsupported("a call of something that is no function", (), at), at))
        return Call(function, arguments, at)

    def build(self, target: object, state: object, at: int) -> bool:
        """Set the state of a dict, a dtype or an array."""
        if isinstance(target, Dict) and target.kind != "dict" and target.attributes is None:
            target.attributes = state
            return True
        if isinstance(target, Tensor):
            return _set_state(target, state)
        if isinstance(target, numpy_values.NumpyDtype):
            return target.build(state)
        if isinstance(target, numpy_values.NumpyArray):
            if not target.build(state):
                return False
            if target.unsupported is not None:
                self.foreign.append(Foreign(target.unsupported, at))
            return True
        return False

    def behind(self, target: object, end: int) -> tuple[object, int] | None:
        """Nothing follows a state inside of a pickle; joblib's reader knows better."""
        return None

    def persistent(self, id: object, at: int) -> object:
        """Refuse: a plain pickle defines nothing outside of itself."""
        raise Refused(f"it needs something that is kept outside of the file (byte {at})")

    def storage_in_bytes(self, content: Content) -> Storage | None:
        """Stand in for a storage that was pickled as a PyTorch file of its own."""
        from git_custody.convert.pytorch_legacy import embedded_storage

        return embedded_storage(content, self.foreign)


def storage_type(found: object) -> tuple[Dtype | None, int] | None:
    """The dtype (None: any, or quantised numbers) and bytes per element of a storage class, or None for other names."""
    if not isinstance(found, Global) or found.module not in ("torch", "torch.storage", "torch.cuda"):
        return None
    if found.name in STORAGES:
        dtype = STORAGES[found.name]
        return dtype, dtype.size
    if found.name in OTHER_STORAGES:
        return None, OTHER_STORAGES[found.name]
    if found.name == "UntypedStorage":
        return UINT8, 1
    return None


# Tensors


def _rebuild_tensor(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    if len(arguments) not in (4, 6, 7) or not isinstance(arguments[0], Storage):
        return None
    dtype = arguments[0].dtype
    if dtype is None:
        return None
    return _tensor(arguments[0], dtype, arguments[1:4], arguments[4:6], arguments[6:], at)


def _rebuild_tensor_v3(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    if len(arguments) not in (7, 8) or not isinstance(arguments[0], Storage) or not isinstance(arguments[6], Global):
        return None
    dtype = TORCH.get(arguments[6].name) if arguments[6].module == "torch" else None
    if dtype is None:
        what = f"a tensor of {arguments[6].dotted}, which safetensors has no type for"
        return Unsupported(what, ("tensor.view(torch.uint8)",), at, arguments[6].dotted)
    return _tensor(arguments[0], dtype, arguments[1:4], arguments[4:6], arguments[7:], at)


def _tensor(
    storage: Storage,
    dtype: Dtype,
    place: tuple[object, ...],
    extra: tuple[object, ...],
    metadata: tuple[object, ...],
    at: int,
) -> object:
    offset, shape, strides = place
    if isinstance(shape, Record) and shape.kind == "torch.Size" and len(shape.arguments) == 1:
        shape = shape.arguments[0]
    if type(offset) is not int or not _are_integers(shape) or not _are_integers(strides):
        return None
    tensor = Tensor(storage, dtype, offset, tuple(shape), tuple(strides))  # type: ignore[arg-type]
    if extra:
        requires_grad, hooks = extra
        if type(requires_grad) is not bool or not _is_empty(hooks):
            return None
        if requires_grad:
            tensor.attributes["requires_grad"] = True
    if metadata and metadata[0] is not None:
        flags = metadata[0]
        if not isinstance(flags, Dict):
            return None
        if any(value is not False for _, value in flags.pairs):
            what = "a tensor that is marked as conjugated or negated, and not computed yet"
            return Unsupported(what, ("tensor.resolve_conj().resolve_neg()",), at)
    if dtype.packed and not shape:
        return None
    return tensor


def _are_integers(value: object) -> bool:
    return isinstance(value, (tuple, list)) and all(type(number) is int for number in value)


def _is_empty(hooks: object) -> bool:
    return hooks is None or hooks == () or (isinstance(hooks, Dict) and not hooks.pairs)


def _rebuild_parameter(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    if len(arguments) not in (2, 3, 4) or type(arguments[1]) is not bool or not _is_empty((*arguments, None)[2]):
        return None
    tensor = arguments[0]
    if isinstance(tensor, Unsupported):
        return tensor
    if not isinstance(tensor, Tensor):
        return None
    state = arguments[3] if len(arguments) == 4 else None
    return _typed(tensor, "Parameter", state, requires_grad=arguments[1])


def _typed(tensor: Tensor, kind: str, state: object, *, requires_grad: bool) -> Tensor:
    """The same view, as a parameter or with attributes."""
    typed = Tensor(tensor.storage, tensor.dtype, tensor.offset, tensor.shape, tensor.strides)
    typed.attributes = dict(tensor.attributes)
    if kind:
        typed.attributes["kind"] = kind
    if requires_grad:
        typed.attributes["requires_grad"] = True
    if state is not None and not (isinstance(state, Dict) and not state.pairs):
        typed.attributes["attributes"] = state
    return typed


def _parameter(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    """How PyTorch before 0.4 wrote parameters: made of a tensor, with a state."""
    if len(arguments) not in (1, 2) or not isinstance(arguments[0], Tensor):
        return None
    requires_grad = arguments[1] if len(arguments) == 2 else True
    return _typed(arguments[0], "Parameter", None, requires_grad=bool(requires_grad))


def _set_state(tensor: Tensor, state: object) -> bool:
    """Set what PyTorch before 0.4 kept of a parameter: whether it needs gradients, whether it is volatile, hooks."""
    if tensor.attributes.get("kind") != "Parameter" or not isinstance(state, tuple) or len(state) != 3:
        return False
    if type(state[0]) is not bool or not _is_empty(state[2]):
        return False
    tensor.attributes.pop("requires_grad", None)
    if state[0]:
        tensor.attributes["requires_grad"] = True
    return True


def _rebuild_from_type(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    if len(arguments) != 4 or not isinstance(arguments[1], Global) or not isinstance(arguments[2], tuple):
        return None
    kind = _PARAMETERS.get(arguments[1].dotted)
    if kind is None:
        return None
    tensor = self.call(arguments[0], arguments[2], at)
    if not isinstance(tensor, Tensor):
        return tensor
    return _typed(tensor, kind, arguments[3], requires_grad=bool(tensor.attributes.get("requires_grad")))


def _rebuild_from_device(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    """Tensors of devices that have no storage, saved as arrays or as tensors of the CPU."""
    if len(arguments) != 4 or not isinstance(arguments[1], Global) or type(arguments[3]) is not bool:
        return None
    data = arguments[0].tensor if isinstance(arguments[0], numpy_values.NumpyArray) else arguments[0]
    wanted = TORCH.get(arguments[1].name) if arguments[1].module == "torch" else None
    if not isinstance(data, Tensor) or data.dtype != wanted:
        return None
    return _typed(data, "", None, requires_grad=arguments[3])


def _load_from_bytes(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    content = as_content(arguments[0]) if len(arguments) == 1 else None
    return None if content is None else self.storage_in_bytes(content)


# Plain data


def _ordered(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    made = Dict("collections.OrderedDict")
    return _filled(made, arguments) if len(arguments) < 2 else None


def _counter(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    return _filled(Dict("collections.Counter"), arguments) if len(arguments) < 2 else None


def _default(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    if not 1 <= len(arguments) <= 2 or not (arguments[0] is None or isinstance(arguments[0], Global)):
        return None
    return _filled(Dict("collections.defaultdict", arguments[:1]), arguments[1:])


def _filled(made: Dict, arguments: tuple[object, ...]) -> Dict | None:
    """Fill a dict from what its constructor got: another dict, or a list of pairs (as Python 2 wrote them)."""
    for given in arguments:
        if isinstance(given, Dict):
            made.pairs += given.pairs
        elif isinstance(given, (list, tuple)) and all(isinstance(p, (list, tuple)) and len(p) == 2 for p in given):
            made.pairs += [(pair[0], pair[1]) for pair in given]
        else:
            return None
    return made


def _named_dict(kind: str) -> Callable[[Constructors, tuple[object, ...], int], object]:
    def make(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
        return Dict(kind) if not arguments else None

    return make


def _set(kind: str) -> Callable[[Constructors, tuple[object, ...], int], object]:
    def make(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
        if len(arguments) > 1 or (arguments and not isinstance(arguments[0], (list, tuple))):
            return None
        return Items(kind, list(arguments[0]) if arguments else [])  # type: ignore[call-overload]

    return make


def _deque(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    if len(arguments) > 2 or (arguments and not isinstance(arguments[0], (list, tuple))):
        return None
    return Items("collections.deque", list(arguments[0]) if arguments else [], arguments[1:])  # type: ignore[call-overload]


def _encode(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    """How protocols before 3 write bytes: as Latin-1 text that is encoded again."""
    if len(arguments) != 2 or arguments[1] not in ("latin1", "latin-1", OldString(b"latin1")):
        return None
    text = arguments[0]
    return text_as_bytes(text) if isinstance(text, str) or (isinstance(text, Blob) and text.is_text) else None


def _bytes(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    return b"" if not arguments else None


def _bytearray(self: Constructors, arguments: tuple[object, ...], at: int) -> object:
    if not arguments:
        return Items("bytearray", [b""])
    if len(arguments) == 1 and isinstance(arguments[0], (bytes, Blob)):
        return Items("bytearray", [arguments[0]])
    data = _encode(self, arguments, at)
    return None if data is None else Items("bytearray", [data])


_MAKERS: dict[str, Callable[[Constructors, tuple[object, ...], int], object]] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    "torch.nn.parameter.Parameter": _parameter,
    "torch._tensor._rebuild_from_type": _rebuild_from_type,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
    "torch.tensor._rebuild_from_type": _rebuild_from_type,
    "torch.tensor._rebuild_from_type_v2": _rebuild_from_type,
    "torch._utils._rebuild_xla_tensor": _rebuild_from_device,
    "torch._utils._rebuild_device_tensor_from_numpy": _rebuild_from_device,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _rebuild_from_device,
    "torch.storage._load_from_bytes": _load_from_bytes,
    "collections.OrderedDict": _ordered,
    "collections.Counter": _counter,
    "collections.defaultdict": _default,
    "collections.deque": _deque,
    "builtins.set": _set("set"),
    "builtins.frozenset": _set("frozenset"),
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytearray,
    "_codecs.encode": _encode,
}
_MAKERS |= {name: _named_dict(name) for name in _DICTS}
_MAKERS |= numpy_values.MAKERS
# Classes whose objects may be made without calling them: their `__new__` does all, or there is nothing to do.
_MADE_OF = frozenset({"torch.nn.parameter.Parameter"})
_MADE_OF_NOTHING = frozenset(
    {"collections.OrderedDict", "collections.Counter", "builtins.set", "builtins.frozenset", *_DICTS}
)
_KNOWN = _TYPES | _RECORDS | _MAKERS.keys() | numpy_values.NAMES
