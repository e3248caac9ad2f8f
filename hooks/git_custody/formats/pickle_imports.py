"""What a pickle looks up: which of it a message should name, and whether a program is likely to have it."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import NamedTuple

from git_custody.formats.pickle_opcodes import NAME_AT_MOST

UNTOLD = "something whose name is only known while it is loaded"

# What the pickles of data and models name anyway: not what a message should lead with.
USUAL_MODULES = frozenset(
    {
        "torch",
        "numpy",
        "collections",
        "copyreg",
        "copy_reg",
        "_codecs",
        "joblib",
        "sklearn",
        "scipy",
        "pandas",
    }
    | {
        "datetime",
        "decimal",
        "pathlib",
        "tensorflow",
        "keras",
        "jax",
        "flax",
        "xgboost",
        "lightgbm",
        "catboost",
    }
)
USUAL_BUILTINS = frozenset(
    (
        "set",
        "frozenset",
        "list",
        "dict",
        "tuple",
        "bytes",
        "bytearray",
        "object",
        "int",
        "float",
        "complex",
        "slice",
    )
)
# Importable nearly everywhere that pickles are, beside the standard library of this Python.
KNOWN_PACKAGES = frozenset((
    "__main__", "nt", "posix", "numpy", "torch", "joblib", "sklearn", "scipy", "pandas", "tensorflow", "keras",
    "transformers", "cloudpickle", "dill", "lightgbm", "xgboost", "catboost", "pip", "setuptools", "pkg_resources",
    "wheel", "jax", "flax", "numba", "torchvision", "torchaudio", "datasets", "tokenizers", "huggingface_hub",
    "accelerate", "diffusers", "peft", "timm", "nltk", "spacy", "gensim", "networkx", "sympy", "statsmodels", "dask",
    "mlflow", "wandb", "onnx", "onnxruntime", "h5py", "pyarrow", "polars", "fsspec", "psutil", "PIL", "cv2", "yaml",
    "requests", "matplotlib", "IPython", "pytest", "django", "flask", "jinja2", "paramiko", "pexpect",
    # No longer in the standard library; dangerous where they still are.
    "asynchat", "asyncore", "cgi", "cgitb", "crypt", "distutils", "imp", "lib2to3", "msilib", "pipes", "smtpd",
    "telnetlib",
))  # fmt: skip


class Import(NamedTuple):
    """A name that the pickle looks up. `opcode` and `offset` (from the content's start) say where."""

    module: str
    name: str
    opcode: str
    offset: int

    @property
    def dotted(self) -> str:
        """Module and name, as in a program; in words where the pickle only makes them up while it is loaded."""
        return UNTOLD if self.module == "?" else f"{self.module}.{self.name}"

    @property
    def place(self) -> str:
        """The opcode, what it names, and where it stands."""
        named = "" if self.module == "?" else f" '{self.module} {self.name}'"
        return f"{self.opcode}{named} at byte {self.offset}"


def telling(imports: list[Import]) -> Import | None:
    """The one to name: the first that the pickles of data and models do not name anyway, else the first."""
    imports = _before_arrays(imports)
    for found in imports:
        root = found.module.partition(".")[0]
        if root in ("builtins", "__builtin__") and found.name in USUAL_BUILTINS:
            continue
        if root not in USUAL_MODULES:
            return found
    named = [found for found in imports if found.module.partition(".")[0] not in ("collections", "copyreg")]
    return next(iter(named or imports), None)


def _before_arrays(imports: list[Import]) -> list[Import]:
    """Leave out what may only be the numbers of an array that joblib keeps between the opcodes."""
    wrapper = ("joblib.numpy_pickle", "NumpyArrayWrapper")
    first = next((at for at, found in enumerate(imports) if found[:2] == wrapper), len(imports))
    return imports[: first + 1] + [found for found in imports[first + 1 :] if is_known(found.module)]


def is_plain(found: Import) -> bool:
    """Whether both names could stand in an import statement (or name a nested or local function)."""
    if found.module == "?" or found.opcode == "STACK_GLOBAL":
        return True
    module = all(part.isidentifier() for part in found.module.split("."))
    name = found.name.replace("<locals>", "x").replace("<lambda>", "x")
    if len(name) >= NAME_AT_MOST:
        name = name.rpartition(".")[0]
    return module and all(part.isidentifier() for part in name.split("."))


def is_known(module: str) -> bool:
    """Whether nearly every Python that loads pickles has a module."""
    root = module.partition(".")[0]
    if root in KNOWN_PACKAGES or _is_standard(module):
        return True
    from _compat_pickle import IMPORT_MAPPING  # what unpicklers rename, such as `commands` to `subprocess`

    return root in IMPORT_MAPPING


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def exists(found: Import) -> bool | None:
    """Whether a module has that name, as far as what is loaded and the standard library's sources tell.

    Nothing is imported; `None` for extension modules and for those of others.
    """
    if found.module in ("posix", "nt"):
        return hasattr(os, found.name)
    if not _is_standard(found.module):
        return None
    if hasattr(ModuleType, found.name):
        return True  # as all modules have: `__dict__`
    if found.module in sys.modules:
        return found.name in vars(sys.modules[found.module])
    place = os.path.join(os.path.dirname(os.__file__), *found.module.split("."))
    try:
        with open(os.path.join(place, "__init__.py") if os.path.isdir(place) else f"{place}.py", "rb") as file:
            return found.name.encode() in file.read()
    except OSError:
        return None
