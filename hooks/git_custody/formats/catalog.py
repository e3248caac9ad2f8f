"""The formats that are known, as data: by what they are told, and which module looks into them.

To add one, write a row here and a module with `inspect` (see `verdicts.py`); docs/formats.md has an example.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from git_custody.formats.paths import file_name


class Format(NamedTuple):
    """A format: its id in policies and reports, what a message calls it, and the module that inspects it.

    The module is called where any of `marks` (offset, bytes there) is found, where the content begins with one of
    the bytes of `first` (for formats without a mark: the module looks closer) and, if there are `holds`, has one of
    them in its first 4096 bytes, or where the name, in lower case, ends with one of `names`. `suffixes` are names
    that promise this format to whoever loads the file. `is_model`: it holds a model and need not bring code, so that
    the policy's list of allowed formats speaks of it.
    """

    id: str
    title: str
    module: str
    marks: tuple[tuple[int, bytes], ...] = ()
    first: bytes = b""
    holds: tuple[bytes, ...] = ()
    names: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    is_model: bool = False


# Method 8, any window, and a checksum that fits (RFC 1950, 2.2), without a preset dictionary.
_ZLIB_STARTS = tuple(
    (0, bytes((method, flags)))
    for method in range(0x08, 0x88, 0x10)
    for flags in range(-method * 256 % 31, 256, 31)
    if not flags & 0x20
)

FORMATS = (
    # Containers
    Format("gzip", "a gzip file", "compressed", marks=((0, b"\x1f\x8b\x08"),)),
    Format("bzip2", "a bzip2 file", "compressed", marks=((0, b"BZh"),)),
    Format("xz", "an xz file", "compressed", marks=((0, b"\xfd7zXZ\0"),)),
    Format("zlib", "a zlib stream", "compressed", marks=_ZLIB_STARTS),
    Format("lzma", "an lzma file", "compressed", marks=((0, b"]\0"), (5, b"\xff" * 8), (10, b"\0\0\0"))),
    Format("zfile", "a compressed file of joblib before 0.10", "compressed", marks=((0, b"ZF0x"),)),
    Format("lzip", "an lzip file", "compressed", marks=((0, b"LZIP\x01"),)),
    Format("lz4", "an lz4 file", "compressed", marks=((0, b"\x04\x22\x4d\x18"), (0, b"\x02\x21\x4c\x18"))),
    Format(
        "zstd",
        "a Zstandard file",
        "compressed",
        marks=((0, b"\x28\xb5\x2f\xfd"), *((0, bytes([byte]) + b"\x2a\x4d\x18") for byte in range(0x50, 0x60))),
    ),
    Format("7z", "a 7z archive", "sevenzip", marks=((0, b"7z\xbc\xaf\x27\x1c"),)),
    Format("rar", "a RAR archive", "compressed", marks=((0, b"Rar!\x1a\x07"),)),
    # Told by their checksum or end record in recognise.py, and their kinds by the names of their members.
    Format("tar", "a tar archive", "tars"),
    Format("zip", "a zip archive", "zips"),
    Format("npz", "a NumPy archive of arrays", "zips", suffixes=(".npz",), is_model=True),
    Format("torchscript", "a TorchScript archive", "zips"),
    Format("torch-package", "a torch.package archive", "zips"),
    Format("pt2", "a PyTorch export", "zips", suffixes=(".pt2",), is_model=True),
    Format("mar", "a TorchServe model archive", "zips", suffixes=(".mar",)),
    Format("nemo", "a NeMo model", "tars", suffixes=(".nemo",), is_model=True),
    Format("llamafile", "a llamafile", "archives", names=(".llamafile",), suffixes=(".llamafile",)),
    # Objects of other languages, bytecode, and texts that make a loader call something
    Format(
        "r-object",
        "an R data file",
        "r_data",
        marks=((0, b"RDX"), (0, b"RDA"), (0, b"RDB"), (0, b"X\n"), (0, b"B\n"), (0, b"A\n"), (0, b"\nA\n")),
    ),
    Format("java-object", "serialised Java objects", "java_objects", marks=((0, b"\xac\xed\x00\x05"),)),
    Format("dotnet-object", "serialised objects of .NET", "dotnet_objects", marks=((9, b"\x01\0\0\0\0\0\0\0"),)),
    Format("pyc", "compiled Python code", "python_code", marks=((2, b"\r\n"),)),
    Format(
        "marshal",
        "Python's marshal data",
        "python_code",
        first=b"c([{<>)\xe3\xa8\xdb\xfb\xbc\xbe\xa9",
        holds=(b"\0",),
    ),
    Format(
        "torch7",
        "a Torch7 file",
        "torch7",
        marks=(
            (0, b"\x03\0\0\0"),
            (0, b"\x04\0\0\0"),
            (0, b"\x06\0\0\0"),
            (0, b"\x07\0\0\0"),
            (0, b"\x08\0\0\0"),
            (0, b"3\n"),
            (0, b"4\n"),
            (0, b"6\n"),
            (0, b"7\n"),
            (0, b"8\n"),
        ),
        names=(".t7",),
        suffixes=(".t7",),
        is_model=True,
    ),
    Format(
        "pmml",
        "a PMML model",
        "pmml",
        marks=((0, b"<?xml"), (0, b"<PMML"), (0, b"\xef\xbb\xbf<"), (0, b"\xff\xfe<\0"), (0, b"\xfe\xff\0<")),
        names=(".pmml",),
        suffixes=(".pmml",),
        is_model=True,
    ),
    Format("yaml-python", "YAML with tags for Python", "yaml_tags", names=(".yaml", ".yml")),
    Format("hydra", "a Hydra configuration", "hydra", names=(".yaml", ".yml")),
    Format("yolo", "a YOLO model in YAML", "yolo", names=(".yaml", ".yml")),
    Format("json-python", "JSON that describes Python objects", "json_objects", names=(".json",)),
    # Databases and tables whose readers unpickle
    Format(
        "lmdb",
        "an LMDB environment",
        "lmdb",
        marks=(
            (16, b"\xde\xc0\xef\xbe"),
            (12, b"\xde\xc0\xef\xbe"),
            (16, b"\xbe\xef\xc0\xde"),
            (12, b"\xbe\xef\xc0\xde"),
        ),
    ),
    Format("sqlite", "an SQLite database", "sqlite", marks=((0, b"SQLite format 3\0"),)),
    Format(
        "dbm",
        "a database of Python's dbm",
        "dbm_files",
        marks=(
            (1, b"\x9aW\x13"),
            (0, b"\x13W\x9a"),
            (0, b"a\x15\x06\0"),
            (0, b"\0\x06\x15a"),
            (12, b"a\x15\x06\0"),
            (12, b"\0\x06\x15a"),
            (12, b"b1\x05\0"),
            (12, b"\0\x051b"),
        ),
        names=(".dat", ".dir"),
    ),
    Format("zodb", "a ZODB database", "zodb", marks=((0, b"FS21"), (0, b"FS30"))),
    Format(
        "arrow",
        "an Arrow file",
        "arrow",
        marks=((0, b"ARROW1"), (0, b"\xff\xff\xff\xff")),
        names=(".arrow", ".arrows", ".feather"),
    ),
    Format("parquet", "a Parquet file", "parquet", marks=((0, b"PAR1"),)),
    Format(
        "zarr",
        "a description of Zarr arrays",
        "zarr_metadata",
        first=b"{",
        holds=(b'"refs"', b'.zgroup"'),  # kerchunk's references
        names=(".zarray", "zarr.json", ".zmetadata"),
    ),
    Format("streamed-dataset", "the index of a data set in shards", "streamed_datasets", names=("index.json",)),
    Format("polars-plan", "a query plan of Polars", "polars_plans", marks=((0, b"DSL_VERSION"),)),
    Format("msgpack", "MessagePack", "msgpack_arrays", names=(".msgpack", ".msgpck", ".mpk")),
    Format("blosc2", "a frame of Blosc2", "blosc2_frames", marks=((2, b"b2frame\0"),)),
    # Arrays
    Format("npy", "a NumPy array", "arrays", marks=((0, b"\x93NUMPY"),), suffixes=(".npy",), is_model=True),
    # Tensors
    Format(
        "safetensors",
        "a safetensors file",
        "safetensors_header",
        marks=((8, b"{"),),
        names=(".safetensors",),
        suffixes=(".safetensors",),
        is_model=True,
    ),
    Format(
        "safetensors-index",
        "the index of a safetensors model in several files",
        "safetensors_header",
        names=(".safetensors.index.json",),
        suffixes=(".safetensors.index.json",),
    ),
    Format("gguf", "a GGUF model", "gguf", marks=((0, b"GGUF"),), names=(".gguf",), suffixes=(".gguf",), is_model=True),
    Format(
        "ggml",
        "a model in a GGML format from before GGUF",
        "gguf",
        marks=((0, b"lmgg"), (0, b"fmgg"), (0, b"tjgg"), (0, b"algg")),
        is_model=True,
    ),
    Format(
        "chat-template",
        "a chat template",
        "chat_templates",
        first=b"{ \t\r\n\xef",
        names=(".jinja", ".jinja2", ".j2", ".template", ".yaml", ".yml"),
    ),
    # Gradient boosters
    Format(
        "xgboost-json",
        "an XGBoost model in JSON",
        "boosters",
        first=b"{",
        holds=(b"learner", b'"version"'),  # UBJSON quotes no keys
        is_model=True,
    ),
    Format("xgboost-ubj", "an XGBoost model in UBJSON", "boosters", names=(".ubj",), suffixes=(".ubj",), is_model=True),
    Format(
        "xgboost-binary",
        "an XGBoost model in its old binary format",
        "boosters",
        marks=((0, b"binf"), (0, b"bs64\t")),
        is_model=True,
    ),
    Format(
        "lightgbm",
        "a LightGBM model",
        "boosters",
        marks=((0, b"tree\nversion="), (0, b"tree\r\nversion=")),
        is_model=True,
    ),
    Format(
        "catboost",
        "a CatBoost model",
        "boosters",
        marks=((0, b"CBM1"),),
        first=b"{",
        holds=(b'"ctr_data"', b'"features_info"', b'"model_info"', b'"oblivious_trees"', b'"trees"'),
        names=(".cbm",),
        suffixes=(".cbm",),
        is_model=True,
    ),
    # Keras, HDF5, skops
    Format(
        "keras",
        "a Keras model",
        "keras_config",
        marks=((0, b"backend:"), (0, b"class_name:")),
        first=b"{ \t\r\n",
        names=(".keras", ".json"),
        suffixes=(".keras",),
        is_model=True,
    ),
    Format(
        "hdf5",
        "an HDF5 file",
        "hdf5",
        marks=tuple((offset, b"\x89HDF\r\n\x1a\n") for offset in (0, 512, 1024, 2048)),
        names=(".h5", ".hdf5", ".keras", ".hdf", ".he5", ".h5ad", ".loom", ".mat", ".nc", ".nc4", ".store"),
    ),
    Format("keras-h5", "a Keras model or its weights in HDF5", "hdf5", suffixes=(".keras",), is_model=True),
    Format(
        "skops", "a skops model", "skops_schema", names=(".skops", "schema.json"), suffixes=(".skops",), is_model=True
    ),
    Format("stable-baselines3", "settings of a Stable-Baselines3 model", "stable_baselines", names=("data",)),
    # Graphs of operators
    Format("onnx", "an ONNX model", "onnx", first=b"\x08", names=(".onnx",), suffixes=(".onnx",), is_model=True),
    Format("onnx-custom-ops", "an ONNX model with custom operators", "onnx", suffixes=(".onnx", ".ort"), is_model=True),
    Format("ort", "an ONNX Runtime model", "ort", marks=((4, b"ORTM"),), suffixes=(".ort",), is_model=True),
    Format(
        "tf-savedmodel",
        "a TensorFlow SavedModel",
        "tensorflow_graph",
        first=b"\x08",
        names=("saved_model.pb", "saved_model.cpb", "saved_model.pbtxt"),
        is_model=True,
    ),
    Format(
        "tf-graph",
        "a TensorFlow graph",
        "tensorflow_graph",
        first=b"\n\x12\x18\x1a",
        names=(".pb", ".meta", ".pbtxt"),
        is_model=True,
    ),
    Format(
        "tf-keras-metadata",
        "the Keras metadata of a SavedModel",
        "saved_keras",
        names=("keras_metadata.pb",),
    ),
    Format(
        "tf-custom-ops",
        "a TensorFlow graph with custom operations",
        "tensorflow_graph",
        is_model=True,
    ),
    Format("tflite", "a TensorFlow Lite model", "tflite", marks=((4, b"TFL3"),), suffixes=(".tflite",), is_model=True),
    Format(
        "tflite-custom-ops",
        "a TensorFlow Lite model with custom or Flex operators",
        "tflite",
        suffixes=(".tflite",),
        is_model=True,
    ),
    Format(
        "executorch",
        "a program for ExecuTorch's runtime",
        "executorch",
        marks=((4, b"ET1"), (4, b"ET0"), (4, b"BP0")),
        suffixes=(".pte", ".bpte"),
    ),
    Format(
        "coreml", "a Core ML model", "coreml", first=b"\x08", names=(".mlmodel",), suffixes=(".mlmodel",), is_model=True
    ),
    Format("coreml-custom", "a Core ML model with custom parts", "coreml", suffixes=(".mlmodel",), is_model=True),
    Format(
        "openvino",
        "an OpenVINO model",
        "openvino",
        marks=((0, b"<?xml"), (0, b"<net")),
        names=(".xml",),
        is_model=True,
    ),
    Format("openvino-custom", "an OpenVINO model with custom layers", "openvino", is_model=True),
    Format(
        "paddle",
        "a PaddlePaddle model",
        "paddle",
        marks=((0, b'{"base_code":{"magic":"pir"'),),
        first=b"\n",
        names=(".pdmodel", "__model__"),
        suffixes=(".pdmodel",),
        is_model=True,
    ),
    Format(
        "tensorrt",
        "a TensorRT engine",
        "tensorrt",
        marks=((0, b"ftrt"), (0, b"ptrt"), (4, b"{")),
        names=(".engine", ".plan", ".trt"),
    ),
)

# What pickles are called; they are told by their opcodes.
PICKLES = (
    "pickle", "pytorch-zip", "pytorch-legacy", "joblib", "numpy-objects", "hdf5-objects",
)  # fmt: skip

_LENGTH_OF_HEAD = 4096


def _by_first_byte(formats: Iterable[Format]) -> tuple[tuple[tuple[bytes, tuple[bytes, ...], str], ...], ...]:
    """For each first byte: the marks at the very start that begin with it, what else there has to be, the modules."""
    table: list[list[tuple[bytes, tuple[bytes, ...], str]]] = [[] for _ in range(256)]
    for known in formats:
        for offset, mark in known.marks:
            if offset == 0:
                table[mark[0]].append((mark, (), known.module))
        for byte in known.first:
            table[byte].append((b"", known.holds, known.module))
    return tuple(map(tuple, table))


_AT_START = _by_first_byte(FORMATS)


def _elsewhere(formats: Iterable[Format]) -> tuple[tuple[int, frozenset[int], tuple[tuple[bytes, str], ...]], ...]:
    """For each other offset: the bytes with which marks begin there, the marks, and the modules they call."""
    table: dict[int, list[tuple[bytes, str]]] = {}
    for known in formats:
        for offset, mark in known.marks:
            if offset:
                table.setdefault(offset, []).append((mark, known.module))
    return tuple((at, frozenset(mark[0] for mark, _ in marks), tuple(marks)) for at, marks in sorted(table.items()))


_ELSEWHERE = _elsewhere(FORMATS)
_NAMES = tuple((known.names, known.module) for known in FORMATS if known.names)
_ANY_NAME = tuple(name for names, _ in _NAMES for name in names)
_SUFFIXES = tuple(suffix for known in FORMATS for suffix in known.suffixes)
_TELLING = (*_ANY_NAME, *_SUFFIXES)
# Most names end in none of these; to look that up takes less time than to compare with all.
_LAST_PARTS = frozenset(name[name.rfind(".") :] for name in _TELLING if "." in name)
_WITHOUT_DOT = tuple(name for name in _TELLING if "." not in name)


def _may_tell(lowered: str) -> bool:
    return lowered[lowered.rfind(".") :] in _LAST_PARTS or lowered.endswith(_WITHOUT_DOT)


def modules_for(head: bytes, name: str) -> list[str]:
    """The modules that have to look at content that begins with `head` (not empty) and is called `name`."""
    found = [
        module
        for mark, holds, module in _AT_START[head[0]]
        if head.startswith(mark) and (not holds or any(part in head for part in holds))
    ]
    size = len(head)
    for offset, firsts, marks in _ELSEWHERE:
        if offset >= size:
            break
        if head[offset] in firsts:
            found += [module for mark, module in marks if head.startswith(mark, offset)]
    if _may_tell(lowered := name.lower()) and lowered.endswith(_ANY_NAME):
        found += [module for names, module in _NAMES if lowered.endswith(names)]
    return list(dict.fromkeys(found)) if len(found) > 1 else found


def format_of(id: str) -> Format | None:
    """The format with this id, or None."""
    return next((known for known in FORMATS if known.id == id), None)


def usual_suffix(id: str) -> str | None:
    """The one suffix that files of a format go by, where it stands for that format first; None where there is none."""
    known = format_of(id)
    suffixes = known.suffixes if known is not None else ()
    return suffixes[0] if len(suffixes) == 1 and promised(suffixes[0])[0] is known else None


def is_named(name: str) -> bool:
    """Whether the name counts in what is said of a file: loaders tell some formats by it."""
    return name.lower().endswith(_TELLING) or "__pycache__/" in name


def promised(name: str) -> tuple[Format, ...]:
    """The formats that a file of this name promises to be one of: empty where any will do."""
    lowered = name.lower()
    if not (_may_tell(lowered) and lowered.endswith(_SUFFIXES)):
        return ()
    if file_name(name).startswith("readme."):  # which is about it: README.nemo
        return ()
    return tuple(known for known in FORMATS if known.suffixes and lowered.endswith(known.suffixes))
