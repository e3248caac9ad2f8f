"""The maintainer's settings: `.custody/policy.yaml`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from .assets import Coverage
from .digests import POINTER_SIZE, pointer
from .findings import CannotJudge, absent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .metadata import Document
    from .trees import Entry, Tree

_UNITS = {
    "": 1,
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


# What check-model-format lets in unless the policy says otherwise: formats that hold nothing but tensors, graphs of
# standard operators, or trees. The ids are those of formats/catalog.py.
FORMATS = (
    "safetensors", "safetensors-index", "gguf", "onnx", "npy", "npz", "tflite", "openvino", "coreml", "xgboost-json",
    "xgboost-ubj",
)  # fmt: skip

# What a waived pickle may look up unless the policy says otherwise: what rebuilds tensors, arrays and plain values.
GLOBALS = (
    "collections.OrderedDict", "collections.defaultdict", "collections.Counter", "collections.deque",
    "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v[23]", "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state", "torch.*Storage", "torch.cuda.*Storage",
    "torch.storage.TypedStorage", "torch.storage.UntypedStorage", "torch.Size", "torch.device", "torch.float[0-9]*",
    "torch.bfloat16", "torch.int[0-9]*", "torch.uint[0-9]*", "torch.bool", "torch.complex[0-9]*",
    "torch.nn.parameter.Parameter",
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar", "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer",
    "numpy.ndarray", "numpy.dtype", "numpy.dtypes.*DType", "joblib.numpy_pickle.NumpyArrayWrapper", "_codecs.encode",
    "builtins.set", "builtins.frozenset", "builtins.bytearray", "builtins.complex", "builtins.slice",
    "builtins.range", "__builtin__.set", "__builtin__.frozenset", "__builtin__.bytearray", "__builtin__.complex",
    "__builtin__.slice", "__builtin__.xrange", "datetime.date", "datetime.datetime", "datetime.time",
    "datetime.timedelta", "datetime.timezone", "decimal.Decimal", "fractions.Fraction", "uuid.UUID",
)  # fmt: skip


class OwnRegime(NamedTuple):
    """A demand of the maintainer's own: where a data card states all facts in `when`, it has to answer `needs`.

    `when` pairs fields of the card with the values that count, `needs` are fields; both in dotted notation.
    """

    id: str
    title: str
    when: tuple[tuple[str, tuple[str, ...]], ...]
    needs: tuple[str, ...]


class Policy(NamedTuple):
    """What a repository asks for. Field by field as in the file (docs/policy.md)."""

    level: int = 1
    also: tuple[str, ...] = ()
    mode: str = "block"
    edition: str = "9999-12"
    requires: str = ""
    grace_days: int = 14
    datasets: Coverage = Coverage()
    models: Coverage = Coverage()
    licenses_allow: tuple[str, ...] = ()
    licenses_deny: tuple[str, ...] = ()
    licenses_review: tuple[str, ...] = ()
    trusted_sources: tuple[str, ...] = ()
    regimes: tuple[str | OwnRegime, ...] = ()
    formats_allow: tuple[str, ...] = FORMATS
    pickles_globals: tuple[str, ...] = GLOBALS
    absent_changed: str = "block"
    absent_unchanged: str = "allow"
    plain_blob_max: int = 10 * 10**6
    content_scan_max: int = 200 * 10**6
    default_publisher: str | None = None
    default_license: str | None = None
    exists: bool = False


def admits(globs: Iterable[str], name: str) -> bool:
    """Whether one of the globs stands for a dotted name: ``*`` for what is between two dots, ``**`` for any end.

    None stands for a name that leads on from an attribute (``sklearn.base:os.system``): it can lead anywhere.
    """
    from fnmatch import fnmatchcase

    if ":" in name:
        return False
    parts = name.split(".")
    for glob in globs:
        wanted = glob.split(".")
        if wanted[-1] == "**" and len(parts) >= len(wanted):
            wanted[-1:] = "*" * (len(parts) - len(wanted) + 1)
        if len(wanted) == len(parts) and all(map(fnmatchcase, parts, wanted)):
            return True
    return False


def read_settings(path: str, entries: Tree, read: Callable[[str], bytes | None]) -> bytes | None:
    """The bytes of a settings file, None when there is none.

    Raises `CannotJudge` for a symlink, a gitlink or a pointer in its place, or in the place of its folder:
    what it stands for is not what was reviewed, and it must never mean "defaults".
    """
    folder = path.rpartition("/")[0]
    entry = entries.get(path)
    if entry is None:
        if folder in entries:
            raise CannotJudge(f"{folder} has to be a folder of plain files, and is {_kind(entries[folder])}", folder)
        if any(True for _ in entries.below(path + "/")):
            raise CannotJudge("it has to be a plain file, and is a folder", path)
        return None
    if not entry.is_file:
        raise CannotJudge(f"it has to be a plain file, and is {_kind(entry)}", path)
    try:
        data = read(entry.oid)
    except CannotJudge as error:
        raise error.at(path) from None
    if data is None:
        raise absent(path, entry.oid)
    if len(data) < POINTER_SIZE and (pointer(data) or data.startswith(b"version https://git-lfs")):
        raise CannotJudge("it has to be a plain file, and is a Git LFS pointer", path)
    return data


def _kind(entry: Entry) -> str:
    return {0o120000: "a symlink", 0o160000: "a submodule"}.get(entry.mode, "a file")


def read_policy(document: Document | None) -> Policy:
    """The policy that a parsed file asks for; what is not valid in it counts as not written.

    The problems of the document are findings of `check-policy`, and they always block: so this reading
    only has to be as strict as the defaults, never stricter.
    """
    if document is None:
        return Policy()
    data = document.data if isinstance(document.data, dict) else {}
    policy = Policy(
        level=_one_of(data, "level", (1, 2, 3), 1),
        also=_words(data.get("also")),
        mode=_one_of(data, "mode", ("block", "warn"), "block"),
        edition=_text(data, "edition", Policy().edition) or Policy().edition,
        requires=_version(data.get("requires")),
        grace_days=_days(data.get("grace_days"), 14),
        datasets=_coverage(data.get("datasets")),
        models=_coverage(data.get("models")),
        licenses_allow=_words(_section(data, "licenses").get("allow")),
        licenses_deny=_words(_section(data, "licenses").get("deny")),
        licenses_review=_words(_section(data, "licenses").get("review")),
        trusted_sources=tuple(
            source["match"]
            for source in _section(data, "sources").get("trusted") or ()
            if isinstance(source, dict) and isinstance(source.get("match"), str)
        ),
        regimes=_regimes(data.get("regimes")),
        formats_allow=_words_or(_section(data, "formats").get("allow"), FORMATS),
        pickles_globals=_words_or(_section(data, "pickles").get("globals"), GLOBALS),
        absent_changed=_one_of(_section(data, "absent_content"), "changed", ("block", "allow"), "block"),
        absent_unchanged=_one_of(_section(data, "absent_content"), "unchanged", ("block", "allow"), "allow"),
        plain_blob_max=_size(_section(data, "sizes").get("plain_blob_max"), Policy().plain_blob_max),
        content_scan_max=_size(_section(data, "sizes").get("content_scan_max"), Policy().content_scan_max),
        default_publisher=_text(_section(data, "defaults"), "publisher", None),
        default_license=_text(_section(data, "defaults"), "license", None),
        exists=True,
    )
    # A policy that could not be read must not soften anything.
    return policy._replace(mode="block") if document.problems else policy


def _one_of(data: Mapping[str, Any], key: str, allowed: tuple[Any, ...], default: Any) -> Any:
    return data.get(key) if data.get(key) in allowed else default


def _text(data: Mapping[str, Any], key: str, default: str | None) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) and value else default


def _version(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch(r">=[0-9]{1,9}(\.[0-9]{1,9}){0,2}", value) else ""


def _days(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 366 else default


def _section(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _words(value: object) -> tuple[str, ...]:
    return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()


def _regimes(value: object) -> tuple[str | OwnRegime, ...]:
    found: list[str | OwnRegime] = []
    for item in value if isinstance(value, list) else ():
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict) and isinstance(item.get("id"), str):
            when = tuple((field, _words(values)) for field, values in _section(item, "when").items())
            title = _text(item, "title", None) or item["id"]
            found.append(OwnRegime(item["id"], title, when, _words(item.get("needs"))))
    return tuple(found)


def _words_or(value: object, default: tuple[str, ...]) -> tuple[str, ...]:
    return _words(value) if isinstance(value, list) else default


def _coverage(value: object) -> Coverage:
    section = value if isinstance(value, dict) else {}
    return Coverage(_words(section.get("include")), _words(section.get("exclude")))


def _size(value: object, default: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        digits = value.strip().rstrip("BKMGikmgb ")
        unit = value.strip()[len(digits) :].strip()
        if digits.isascii() and digits.isdigit() and unit in _UNITS:
            return int(digits) * _UNITS[unit]
    return default
