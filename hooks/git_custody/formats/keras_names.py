"""Which names in a Keras configuration are Keras's own, and build something without running anything else.

A configuration names classes and functions by module and name, and the loader looks them up: tf_keras (to this
day) and Keras 2.12 to 3.8 import whatever module is named, later versions only those of Keras and of its companions
(``_retrieve_class_or_fn`` of ``keras/src/saving/serialization_lib.py``; CVE-2025-1550, CVE-2025-8747,
CVE-2025-9906). So what is not known to be harmless counts as code, also inside of Keras: `keras.utils.get_file`.
"""

from __future__ import annotations

import builtins
import re

# Packages of functions and classes that only compute, and of further classes.
_FUNCTIONS = "activations backend constraints initializers losses metrics ops quantizers random regularizers"
_CLASSES = """
    layers models optimizers dtype_policies mixed_precision distillation trainers premade premade_models experimental
    dtensor feature_column functional sequential training training_v1 input_spec input_layer base_layer keras_tensor
    compile_utils __internal__
"""
_OTHERS_CLASSES = "layers models tokenizers samplers metrics losses bounding_box"
_INNER = "src api engine legacy _legacy _tf_keras _v1 _v2 keras"
# What `get_symbol_from_name` of TensorFlow finds for the layer TFOpLambda.
_TENSORFLOW = """
    __operators__ audio bitwise dtypes experimental.numpy image keras.activations keras.backend keras.losses
    keras.metrics linalg math nn quantization ragged random sets signal sparse strings
"""
_COMPUTING = frozenset(_FUNCTIONS.split())
_BUILDING = frozenset(_CLASSES.split())
_OF_COMPANIONS = frozenset(_OTHERS_CLASSES.split())
_PATH_INSIDE = frozenset(_INNER.split())
_TENSORFLOW_PACKAGES = frozenset(_TENSORFLOW.split())
_OF_UTILS = frozenset(("FeatureSpace", "Feature", "Cross"))
COMPANIONS = frozenset(("keras_hub", "keras_nlp", "keras_cv"))
PARTS_AT_MOST = 32  # of a module; what goes on behind them is none of Keras's
OWN = COMPANIONS | {"keras", "tf_keras"}
_ARITHMETIC_OF_TENSORFLOW = re.compile(r"tensorflow\.python\.ops\.(gen_)?(array|math|nn)_(ops|impl)")
_SPECS_OF_TENSORFLOW = re.compile(r"tensorflow\.python\.(framework|ops|data)\.[\w.]+")

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_CLASS = re.compile(r"_?[A-Z]\w*", re.ASCII)
_REACHES_OUT = re.compile(r"(de)?serialize|get($|_)|set_|register_|load|save|keras_export|function$|eval$|clone_|from_")

_NOT_ARITHMETIC = re.compile(r"py_func|numpy_function|load|file|print|import|Print|^function$|decode_\w*|get_|eval$")


def is_class(module: str, name: str) -> bool:
    """Whether this is a class of Keras or its companions that only builds itself from its configuration."""
    if not _IDENTIFIER.fullmatch(name):
        return False
    parts = module.split(".", PARTS_AT_MOST)
    package = _package(parts)
    if parts[0] in COMPANIONS:
        return package in _OF_COMPANIONS and _CLASS.fullmatch(name) is not None
    if parts[0] not in ("keras", "tf_keras"):
        return False
    if package == "utils":
        return name in _OF_UTILS
    if package in _COMPUTING:
        return _REACHES_OUT.match(name) is None
    return (package is None or package in _BUILDING) and _CLASS.fullmatch(name) is not None


def is_function(module: str, name: str) -> bool:
    """Whether this is a function of Keras that only computes, or one of the user's own, by name."""
    if module == "builtins":
        # The name is looked up among Keras's functions and the user's, and after those in Python's.
        return not hasattr(builtins, name) and _REACHES_OUT.fullmatch(name) is None
    name = name.rpartition(">")[2]
    if not _IDENTIFIER.fullmatch(name) or _REACHES_OUT.match(name):
        return False
    parts = module.split(".", PARTS_AT_MOST)
    if parts[0] in ("keras", "tf_keras"):
        return _package(parts) in _COMPUTING
    return _ARITHMETIC_OF_TENSORFLOW.fullmatch(module) is not None


def is_type_spec(module: str, name: str) -> bool:
    """Whether this is one of TensorFlow's descriptions of tensors."""
    return (
        name.endswith("Spec")
        and _IDENTIFIER.fullmatch(name) is not None
        and bool(_SPECS_OF_TENSORFLOW.fullmatch(module))
    )


def is_arithmetic(symbol: str) -> bool:
    """Whether this name of TensorFlow's (`math.add`) is a function that only computes."""
    symbol = symbol.removeprefix("compat.v1.")
    package, _, name = symbol.rpartition(".")
    if not _IDENTIFIER.fullmatch(name) or _NOT_ARITHMETIC.search(name):
        return False
    return not package or package in _TENSORFLOW_PACKAGES


def _package(parts: list[str]) -> str | None:
    """The package of Keras that a module lies in: `layers` of `keras.src.layers.core.dense`."""
    inner = [part for part in parts[1:] if part not in _PATH_INSIDE]
    if inner[:1] == ["backend"] and len(inner) > 1:
        return "of a backend"  # which has whatever its library has
    return inner[0] if inner else None
