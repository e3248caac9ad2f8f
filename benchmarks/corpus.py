"""Writes the corpus into a folder: files that carry a pickle or other code, and files that only look like it.

    python benchmarks/corpus.py FOLDER

`manifest.tsv` there has a line for each file: its path, its label (carrier: it is or holds a pickle; code: its
usual loader runs code of its own; opaque: what is inside cannot be told; negative: ordinary), its kind, and how
it was made. Most kinds are written byte by byte (tests/corpus.py, tests/negatives.py) and come out the same
everywhere; the rest are what the libraries write that are installed here, and what is left out is said. The
payload would call `os.system("true")`. Nothing is ever loaded.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import pickle
import random
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))

import corpus as written
import negatives as ordinary
from builders import Payload
from corpus import CARRIER, CODE, OPAQUE, PROTOCOLS, SSTI

NEGATIVE = "negative"
SEED = 20261126
Named = Iterator[tuple[str, bytes]]


class LibraryKind(NamedTuple):
    """Files that libraries write: `make` is given the modules that `needs` names."""

    label: str
    how: str
    needs: tuple[str, ...]
    make: Callable[..., Named]


LIBRARY_KINDS: dict[str, LibraryKind] = {}


def kind(name: str, label: str, how: str, *needs: str) -> Callable[[Callable[..., Named]], Callable[..., Named]]:
    """Make the files of a kind with the function below, where the modules that it needs are installed."""

    def register(make: Callable[..., Named]) -> Callable[..., Named]:
        LIBRARY_KINDS[name] = LibraryKind(label, how, needs, make)
        return make

    return register


def saved(save: Callable[..., Any], name: str) -> bytes:
    """The bytes that `save` writes to the path it is given."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        save(path)
        return Path(path).read_bytes()


def saved_all(save: Callable[..., Any], name: str) -> Named:
    """Every file of the folder that `save` writes to."""
    with tempfile.TemporaryDirectory() as folder:
        save(os.path.join(folder, name))
        for place, folders, names in os.walk(folder):
            folders.sort()
            for found in sorted(names):
                path = os.path.join(place, found)
                yield os.path.relpath(path, folder), Path(path).read_bytes()


def buffered(save: Callable[..., Any]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


# ---------------------------------------------------------------------- NumPy, joblib, pandas, scikit-learn


@kind("numpy-save", CARRIER, "numpy.save and numpy.savez of objects", "numpy")
def _numpy_save(numpy: Any) -> Named:
    for name, value in (("evil", [Payload()]), ("benign", [{}, None]), ("words", ["a", 1])):
        array = numpy.array(value, dtype=object)
        yield f"{name}.npy", buffered(lambda file, array=array: numpy.save(file, array, allow_pickle=True))
        yield f"{name}.npz", buffered(lambda file, array=array: numpy.savez(file, a=numpy.arange(3), b=array))
        yield f"{name}-z.npz", buffered(lambda file, array=array: numpy.savez_compressed(file, b=array))
        fields = numpy.zeros(1, dtype=[("a", "<i4"), ("b", "O")])
        fields["b"][0] = value
        yield f"{name}-fields.npy", buffered(lambda file, fields=fields: numpy.save(file, fields, allow_pickle=True))

    def twice(file: io.BytesIO) -> None:
        numpy.save(file, numpy.arange(5))
        numpy.save(file, numpy.array([Payload()], dtype=object), allow_pickle=True)

    yield "second.npy", buffered(twice)
    for protocol in PROTOCOLS:
        yield f"arange-{protocol}.pkl", pickle.dumps(numpy.arange(10.0), protocol)
        yield f"dumps-{protocol}.pkl", pickle.dumps({"w": numpy.ones((3, 3)), "x": Payload()}, protocol)
    yield "dump.pkl", numpy.arange(9).dumps()


@kind("joblib-dump", CARRIER, "joblib.dump with every compressor and level", "joblib", "numpy")
def _joblib_dump(joblib: Any, numpy: Any) -> Named:
    values = {
        "evil": {"a": numpy.arange(500.0), "x": Payload()},
        "first": [Payload(), numpy.arange(500.0)],
        "benign": {"coef": numpy.arange(3_000.0), "names": ["a", "b"]},
    }
    for name, value in values.items():
        for method in ("zlib", "gzip", "bz2", "xz", "lzma", "lz4"):
            for level in (1, 3, 9):
                data = buffered(lambda file, v=value, m=method, n=level: joblib.dump(v, file, compress=(m, n)))
                yield f"{name}-{method}-{level}.joblib", data
        for protocol in (2, 3, 4, 5):
            yield (
                f"{name}-{protocol}.joblib",
                buffered(lambda file, v=value, p=protocol: joblib.dump(v, file, protocol=p)),
            )


@kind("pandas-to-pickle", CARRIER, "DataFrame.to_pickle with every compression", "pandas")
def _pandas_to_pickle(pandas: Any) -> Named:
    evil = pandas.DataFrame({"a": [1, 2], "b": [Payload(), None]})
    benign = pandas.DataFrame({"a": range(300), "b": ["x"] * 300})
    for name, frame in (("evil", evil), ("benign", benign)):
        for how in (None, "gzip", "bz2", "zip", "xz", "tar", "zstd"):
            for protocol in (2, 4, 5):
                yield (
                    f"{name}-{how}-{protocol}.pkl",
                    saved(
                        lambda path, f=frame, h=how, p=protocol: f.to_pickle(path, compression=h, protocol=p), "f.pkl"
                    ),
                )


@kind("scikit-learn", CARRIER, "pickles and joblib files of scikit-learn estimators", "sklearn", "joblib", "numpy")
def _scikit_learn(sklearn: Any, joblib: Any, numpy: Any) -> Named:
    del sklearn
    source = numpy.random.default_rng(SEED)
    rows, labels = source.random((30, 3)), source.integers(0, 2, 30)
    for module, name in (
        ("linear_model", "LogisticRegression"), ("ensemble", "RandomForestClassifier"), ("svm", "SVC"),
        ("neighbors", "KNeighborsClassifier"), ("tree", "DecisionTreeClassifier"), ("naive_bayes", "GaussianNB"),
        ("neural_network", "MLPClassifier"), ("preprocessing", "StandardScaler"), ("cluster", "KMeans"),
    ):  # fmt: skip
        model = getattr(import_module(f"sklearn.{module}"), name)().fit(rows, labels)
        for protocol in (2, 4, 5):
            yield f"{name}-{protocol}.pkl", pickle.dumps(model, protocol)
        yield f"{name}.joblib", buffered(lambda file, m=model: joblib.dump(m, file))
        yield f"{name}.joblib.gz", buffered(lambda file, m=model: joblib.dump(m, file, compress=("gzip", 3)))


@kind("closures", CARRIER, "functions pickled by dill and cloudpickle", "dill", "cloudpickle")
def _closures(dill: Any, cloudpickle: Any) -> Named:
    number = 3
    for protocol in (2, 3, 4, 5):
        for name, value in (("lambda", lambda x: x + number), ("class", type("C", (), {"f": lambda self: 1}))):
            yield f"dill-{name}-{protocol}.pkl", dill.dumps(value, protocol, byref=False, recurse=True)
            yield f"cloudpickle-{name}-{protocol}.pkl", cloudpickle.dumps(value, protocol)


# ---------------------------------------------------------------------- PyTorch


@kind("torch-save", CARRIER, "torch.save, zip and legacy, of state dicts, modules, optimisers and payloads", "torch")
def _torch_save(torch: Any) -> Named:
    torch.manual_seed(SEED)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 3)).sum().backward()
    optimiser.step()
    values = {
        "state": model.state_dict(),
        "module": model,
        "checkpoint": {"epoch": 3, "model": model.state_dict(), "optimiser": optimiser.state_dict()},
        "evil": {"w": torch.ones(3), "x": Payload()},
        "only-evil": Payload(),
        "half": {str(of): torch.ones(2, dtype=of) for of in (torch.float16, torch.bfloat16, torch.int8, torch.bool)},
        "tensor": torch.arange(6).reshape(2, 3).t(),
        "sparse": torch.eye(3).to_sparse(),
        "empty": {},
    }
    for name, value in values.items():
        for zipped in (True, False):
            for protocol in (2, 4, 5):
                yield (
                    f"{name}-{'zip' if zipped else 'legacy'}-{protocol}.pt",
                    buffered(
                        lambda file, v=value, z=zipped, p=protocol: torch.save(
                            v, file, pickle_protocol=p, _use_new_zipfile_serialization=z
                        )
                    ),
                )
    settings = import_module("torch.utils.serialization.config").save
    settings.compute_crc32 = False
    try:
        yield "no-crc.pt", buffered(lambda file: torch.save(values["evil"], file))
    finally:
        settings.compute_crc32 = True


@kind("torch-jit", CARRIER, "TorchScript, torch.package and torch.export archives", "torch")
def _torch_jit(torch: Any) -> Named:
    torch.manual_seed(SEED)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()).eval()
    yield "trace.pt", buffered(lambda file: torch.jit.save(torch.jit.trace(model, torch.ones(1, 3)), file))
    yield "script.ts", buffered(lambda file: torch.jit.save(torch.jit.script(model), file))

    def pack(path: str) -> None:
        with import_module("torch.package").PackageExporter(path) as exporter:
            exporter.extern("**")
            exporter.save_pickle("model", "model.pkl", model)

    yield "package.pt", saved(pack, "package.pt")
    exported = torch.export.export(model, (torch.ones(1, 3),))
    yield "export.pt2", saved(lambda path: torch.export.save(exported, path), "export.pt2")


@kind("paddle-save", CARRIER, "paddle.save, which pickles", "paddle")
def _paddle_save(paddle: Any) -> Named:
    layer = paddle.nn.Linear(3, 2)
    yield "layer.pdparams", saved(lambda path: paddle.save(layer.state_dict(), path), "layer.pdparams")
    optimiser = paddle.optimizer.Adam(parameters=layer.parameters())
    yield "adam.pdopt", saved(lambda path: paddle.save(optimiser.state_dict(), path), "adam.pdopt")


# ---------------------------------------------------------------------- HDF5, LMDB, Arrow


@kind("pytables", CARRIER, "HDF5 whose attributes and object arrays PyTables unpickles", "tables", "numpy")
def _pytables(tables: Any, numpy: Any) -> Named:
    def attribute(value: Any) -> Callable[[str], None]:
        def save(path: str) -> None:
            with tables.open_file(path, "w") as file:
                file.create_array("/", "a", numpy.arange(3.0))
                file.root.a._v_attrs.extra = value

        return save

    def objects(path: str) -> None:
        with tables.open_file(path, "w") as file:
            array = file.create_vlarray("/", "o", tables.ObjectAtom())
            array.append({"x": Payload()})

    for name, value in (("evil", Payload()), ("dict", {"a": 1}), ("list", [1, "b"])):
        yield f"attribute-{name}.h5", saved(attribute(value), "a.h5")
    yield "objects.h5", saved(objects, "o.h5")


@kind("hdf5-attribute", CARRIER, "the same, written by h5py", "h5py", "numpy")
def _hdf5_attribute(h5py: Any, numpy: Any) -> Named:
    for protocol in PROTOCOLS:

        def save(path: str, protocol: int = protocol) -> None:
            with h5py.File(path, "w") as file:
                file.attrs["TITLE"] = numpy.bytes_(b"")
                file.attrs["CLASS"] = numpy.bytes_(b"GROUP")
                file.attrs["VERSION"] = numpy.bytes_(b"1.0")
                file.attrs["PYTABLES_FORMAT_VERSION"] = numpy.bytes_(b"2.1")
                file.attrs["extra"] = numpy.bytes_(written.evil(protocol))

        yield f"{protocol}.h5", saved(save, "a.h5")


@kind("pandas-hdf", CARRIER, "pandas.to_hdf of columns of objects, which are pickled", "pandas", "tables")
def _pandas_hdf(pandas: Any, tables: Any) -> Named:
    del tables
    frame = pandas.DataFrame({"a": [1, 2], "b": [{"x": 1}, None]})
    yield "objects.h5", saved(lambda path: frame.to_hdf(path, key="f"), "f.h5")
    evil = pandas.Series([Payload(), 1])
    yield "evil.h5", saved(lambda path: evil.to_hdf(path, key="f"), "f.h5")


@kind("lmdb", CARRIER, "LMDB whose values are pickles", "lmdb")
def _lmdb(lmdb: Any) -> Named:
    for protocol in PROTOCOLS:
        for count in (1, 200):

            def save(path: str, protocol: int = protocol, count: int = count) -> None:
                with (
                    lmdb.open(path, subdir=False, lock=False, map_size=1 << 22) as store,
                    store.begin(write=True) as rows,
                ):
                    for number in range(count):
                        rows.put(b"%08d" % number, pickle.dumps([number, "x"], protocol))
                    rows.put(b"z", written.evil(protocol))

            yield f"{protocol}-{count}/data.mdb", saved(save, "data.mdb")


@kind("arrow-extension", CARRIER, "Arrow files whose extension type is a pickle in the metadata", "pyarrow")
def _arrow_extension(pyarrow: Any) -> Named:
    for protocol in PROTOCOLS:
        metadata = {
            b"ARROW:extension:name": b"arrow.py_extension_type",
            b"ARROW:extension:metadata": written.evil(protocol),
        }
        schema = pyarrow.schema([pyarrow.field("a", pyarrow.int64(), metadata=metadata)])
        table = pyarrow.table({"a": [1, 2]}).cast(schema)
        for name, open_writer in (("arrow", pyarrow.ipc.new_file), ("arrows", pyarrow.ipc.new_stream)):
            buffer = io.BytesIO()
            with open_writer(buffer, schema) as writer:
                writer.write_table(table)
            yield f"{protocol}.{name}", buffer.getvalue()
        yield (
            f"{protocol}.parquet",
            saved(lambda path, t=table: import_module("pyarrow.parquet").write_table(t, path), "t.parquet"),
        )


@kind("7z-py7zr", CARRIER, "pickles in 7z archives of py7zr, with each filter", "py7zr")
def _seven_zip(py7zr: Any) -> Named:
    for name, filters in _filters(py7zr):
        for solid in (1, 3):

            def save(path: str, filters: Any = filters, solid: int = solid) -> None:
                with py7zr.SevenZipFile(path, "w", filters=filters) as archive:
                    for number in range(solid - 1):
                        archive.writestr(b"text\n" * 200, f"{number}.txt")
                    archive.writestr(written.evil(4), "weights.bin")

            yield f"{name}-{solid}.7z", saved(save, "a.7z")


def _filters(py7zr: Any) -> Iterator[tuple[str, Any]]:
    yield "default", None
    for name in ("LZMA2", "LZMA", "BZIP2", "DEFLATE", "COPY", "ZSTD"):
        yield name.lower(), [{"id": getattr(py7zr, f"FILTER_{name}")}]
    for name in ("DELTA", "X86", "ARM"):
        yield f"{name.lower()}-lzma2", [{"id": getattr(py7zr, f"FILTER_{name}")}, {"id": py7zr.FILTER_LZMA2}]


# ---------------------------------------------------------------------- code that is no pickle


@kind("keras-lambda-real", CODE, "Keras models with a Lambda layer, .keras and .h5", "keras", "tensorflow")
def _keras_lambda(keras: Any, tensorflow: Any) -> Named:
    del tensorflow
    layers = keras.layers
    model = keras.Sequential([layers.Input((2,)), layers.Dense(1), layers.Lambda(lambda x: x * 2)])
    for name in ("lambda.keras", "lambda.h5"):
        yield name, saved(model.save, name)
    nested = keras.Sequential([layers.Input((2,)), model, layers.Dense(1)])
    for name in ("nested.keras", "nested.h5"):
        yield name, saved(nested.save, name)


@kind("saved-model-real", CODE, "SavedModels of TensorFlow with py_function and file operations", "tensorflow")
def _saved_model(tensorflow: Any) -> Named:
    tf = tensorflow

    class Reading(tf.Module):  # type: ignore[misc, name-defined, unused-ignore]
        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])  # type: ignore[untyped-decorator, unused-ignore]
        def __call__(self, name: Any) -> Any:
            return tf.io.read_file(name)

    class Writing(tf.Module):  # type: ignore[misc, name-defined, unused-ignore]
        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])  # type: ignore[untyped-decorator, unused-ignore]
        def __call__(self, name: Any) -> Any:
            tf.io.write_file(name, "x")
            return name

    for name, module in (("read", Reading()), ("write", Writing())):
        for path, data in saved_all(lambda folder, m=module: tf.saved_model.save(m, folder), name):
            if path.endswith("saved_model.pb"):
                yield path, data


@kind("tflite-flex", CODE, "TFLite models with TensorFlow operators that reach files", "tensorflow")
def _tflite_flex(tensorflow: Any) -> Named:
    tf = tensorflow
    concrete = tf.function(tf.io.read_file).get_concrete_function(tf.TensorSpec([], tf.string))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
    yield "flex.tflite", converter.convert()


@kind("onnx-custom-real", CODE, "ONNX models of the onnx library with operators that are Python", "onnx")
def _onnx_custom(onnx: Any) -> Named:
    for op, domain in (("PyOp", "ai.onnx.contrib"), ("PythonOp", "com.microsoft")):
        yield f"{op}.onnx", _onnx_model(onnx, op, domain)


def _onnx_model(onnx: Any, op: str, domain: str = "") -> bytes:
    helper, proto = onnx.helper, onnx.TensorProto
    node = helper.make_node(op, ["x"], ["y"], domain=domain)
    ends = [helper.make_tensor_value_info(name, proto.FLOAT, [1, 2]) for name in "xy"]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return bytes(helper.make_model(graph, opset_imports=opsets).SerializeToString())


@kind("gguf-template-real", CODE, "GGUF of the gguf library whose chat template reaches for Python", "gguf", "numpy")
def _gguf_template(gguf: Any, numpy: Any) -> Named:
    for number, template in enumerate(SSTI):
        yield f"{number}.gguf", _gguf_model(gguf, numpy, template)


def _gguf_model(gguf: Any, numpy: Any, template: str) -> bytes:
    def save(path: str) -> None:
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_chat_template(template)
        writer.add_block_count(1)
        writer.add_tensor("blk.0.attn_q.weight", numpy.ones((32, 32), dtype=numpy.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    return saved(save, "m.gguf")


@kind("7z-encrypted", OPAQUE, "7z archives with a password", "py7zr")
def _seven_zip_encrypted(py7zr: Any) -> Named:
    for header in (False, True):

        def save(path: str, header: bool = header) -> None:
            with py7zr.SevenZipFile(path, "w", password="p", header_encryption=header) as archive:
                archive.writestr(written.evil(4), "weights.bin")

        yield f"{header}.7z", saved(save, "a.7z")


# ---------------------------------------------------------------------- ordinary files of libraries


@kind("numpy-numbers", NEGATIVE, "numpy.save and numpy.savez of numbers", "numpy")
def _numpy_numbers(numpy: Any) -> Named:
    source = numpy.random.default_rng(SEED)
    for code in "?bBhHiIlLqQefdgFDG":
        array = source.integers(0, 100, 20).astype(code)
        yield f"{code}.npy".replace("?", "bool"), buffered(lambda file, a=array: numpy.save(file, a))
        yield f"z-{ord(code)}.npz", buffered(lambda file, a=array: numpy.savez_compressed(file, a=a, b=a))
    yield "dates.npy", buffered(lambda file: numpy.save(file, numpy.array(["2026-01-01"], dtype="M8[D]")))
    yield "words.npy", buffered(lambda file: numpy.save(file, numpy.array(["a", "bc"])))
    fields = numpy.zeros(3, dtype=[("a", "<i4"), ("O", "<f8", (2,))])
    yield "fields.npy", buffered(lambda file: numpy.save(file, fields))


@kind("scipy-files", NEGATIVE, "MATLAB, netCDF, WAV and sparse files of SciPy", "scipy", "numpy")
def _scipy_files(scipy: Any, numpy: Any) -> Named:
    del scipy
    io_module, sparse, wavfile = map(import_module, ("scipy.io", "scipy.sparse", "scipy.io.wavfile"))
    values = {"a": numpy.eye(3), "words": numpy.array(["x", "yz"]), "n": 3.0}
    for form in ("4", "5"):
        for packed in (False, True):
            numbers = {"a": values["a"]} if form == "4" else values
            yield (
                f"{form}-{packed}.mat",
                saved(
                    lambda path, v=numbers, f=form, p=packed: io_module.savemat(
                        path, v, format=f, do_compression=p and f == "5"
                    ),
                    "a.mat",
                ),
            )
    yield "eye.npz", saved(lambda path: sparse.save_npz(path, sparse.eye(4).tocsr()), "eye.npz")
    sound = (numpy.sin(numpy.arange(2_000) / 9) * 30_000).astype("int16")
    yield "tone.wav", saved(lambda path: wavfile.write(path, 8_000, sound), "tone.wav")


@kind("tables-of-data", NEGATIVE, "Parquet, Feather, ORC, CSV, JSON, Excel-like and HDF5 tables", "pyarrow", "pandas")
def _tables_of_data(pyarrow: Any, pandas: Any) -> Named:
    del pyarrow
    frame = pandas.DataFrame({"id": range(200), "c": ["cos\nsystem"] * 200, "x": [row / 3 for row in range(200)]})
    for how in ("snappy", "gzip", "zstd", "lz4", "brotli", None):
        yield f"{how}.parquet", saved(lambda path, h=how: frame.to_parquet(path, compression=h), "f.parquet")
    yield "f.feather", saved(frame.to_feather, "f.feather")
    yield "f.orc", saved(frame.to_orc, "f.orc")
    for how in ("gzip", "bz2", "xz", "zip", "tar", "zstd", None):
        yield f"{how}.csv", saved(lambda path, h=how: frame.to_csv(path, compression=h), "f.csv")
        yield (
            f"{how}.jsonl",
            saved(lambda path, h=how: frame.to_json(path, orient="records", lines=True, compression=h), "f.jsonl"),
        )
    yield "f.dta", saved(lambda path: frame.drop(columns="c").to_stata(path), "f.dta")
    yield "f.html", frame.to_html().encode()


@kind(
    "hdf5-data", NEGATIVE, "HDF5 of numbers and words by h5py, PyTables and pandas", "h5py", "tables", "pandas", "numpy"
)
def _hdf5_data(h5py: Any, tables: Any, pandas: Any, numpy: Any) -> Named:
    for chunks in (None, (10,)):
        for how in (None, "gzip", "lzf"):

            def save(path: str, chunks: Any = chunks, how: Any = how) -> None:
                with h5py.File(path, "w") as file:
                    packing = {"chunks": chunks or (20,), "compression": how} if chunks or how else {}
                    file.create_dataset("g/x", data=numpy.arange(100.0), **packing)
                    file["words"] = ["a", "b"]
                    file["g"].attrs["note"] = "c"

            yield f"{chunks and chunks[0]}-{how}.h5", saved(save, "a.h5")

    def pytables(path: str) -> None:
        with tables.open_file(path, "w", title="t") as file:
            file.create_array("/", "a", numpy.arange(3.0), title="numbers")
            file.create_table("/", "t", {"x": tables.Float64Col(), "s": tables.StringCol(8)})
            file.root.a._v_attrs.unit = "m"

    yield "pytables.h5", saved(pytables, "a.h5")
    frame = pandas.DataFrame({"a": [1.0, 2.0]})
    yield "pandas.h5", saved(lambda path: frame.to_hdf(path, key="f", format="table"), "f.h5")


@kind("keras-models", NEGATIVE, "Keras models of built-in layers, .keras, .h5 and weights", "keras", "tensorflow")
def _keras_models(keras: Any, tensorflow: Any) -> Named:
    del tensorflow
    layers = keras.layers
    stacks: dict[str, list[Any]] = {
        "dense": [layers.Input((4,)), layers.Dense(3, "relu"), layers.BatchNormalization(), layers.Dense(1)],
        "dropout": [layers.Input((4,)), layers.Dropout(0.1), layers.Activation("softmax")],
        "convolution": [layers.Input((8, 8, 1)), layers.Conv2D(2, 3), layers.MaxPooling2D(), layers.Flatten()],
        "sequence": [layers.Input((5,)), layers.Embedding(9, 4), layers.LSTM(3), layers.Dense(1, "sigmoid")],
        "both-ways": [layers.Input((5, 2)), layers.Bidirectional(layers.GRU(2)), layers.LayerNormalization()],
    }  # fmt: skip
    for name, stack in stacks.items():
        model = keras.Sequential(stack)
        model.compile("adam", "mse")
        for suffix in (".keras", ".h5"):
            yield name + suffix, saved(model.save, "m" + suffix)
        yield f"{name}.weights.h5", saved(model.save_weights, "m.weights.h5")


@kind("tensorflow-models", NEGATIVE, "SavedModels and TFLite of ordinary operations", "tensorflow", "keras")
def _tensorflow_models(tensorflow: Any, keras: Any) -> Named:
    tf = tensorflow
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2, "relu"), keras.layers.Dense(1)])
    yield from saved_all(lambda folder: tf.saved_model.save(model, folder), "dense")
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    yield "dense.tflite", converter.convert()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    yield "quantised.tflite", converter.convert()


@kind(
    "model-files", NEGATIVE, "safetensors, GGUF and ONNX of their own libraries", "safetensors", "gguf", "onnx", "numpy"
)
def _model_files(safetensors: Any, gguf: Any, onnx: Any, numpy: Any) -> Named:
    del safetensors
    save = import_module("safetensors.numpy").save
    for count in (0, 1, 20, 300):
        tensors = {f"layers.{number}.weight": numpy.full((3, 2), number, dtype="<f4") for number in range(count)}
        yield f"{count}.safetensors", save(tensors, metadata={"format": "pt"})
    for template in ordinary.CHAT_TEMPLATES:
        yield f"{len(template)}.gguf", _gguf_model(gguf, numpy, template)
    for op in ("Relu", "Identity", "Abs", "Exp", "Tanh"):
        yield f"{op}.onnx", _onnx_model(onnx, op)


@kind(
    "boosters",
    NEGATIVE,
    "models of xgboost, lightgbm and catboost in their own formats",
    "xgboost",
    "lightgbm",
    "catboost",
    "numpy",
)
def _boosters(xgboost: Any, lightgbm: Any, catboost: Any, numpy: Any) -> Named:
    source = numpy.random.default_rng(SEED)
    rows, labels = source.random((60, 3)), source.integers(0, 2, 60)
    booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(rows, labels), 3)
    for suffix in ("json", "ubj"):
        yield f"x.{suffix}", saved(booster.save_model, f"x.{suffix}")
    light = lightgbm.train({"verbosity": -1, "objective": "binary"}, lightgbm.Dataset(rows, labels), 3)
    yield "light.txt", light.model_to_string().encode()
    cat = catboost.CatBoostClassifier(iterations=3, verbose=False, allow_writing_files=False).fit(rows, labels)
    for suffix in ("cbm", "json"):
        yield f"cat.{suffix}", saved(lambda path, s=suffix: cat.save_model(path, format=s), f"cat.{suffix}")


@kind("pictures", NEGATIVE, "images of Pillow", "PIL", "numpy")
def _pictures(pillow: Any, numpy: Any) -> Named:
    del pillow
    image = import_module("PIL.Image")
    source = numpy.random.default_rng(SEED)
    for size in (1, 7, 64):
        picture = image.fromarray(source.integers(0, 255, (size, size, 3), dtype=numpy.uint8))
        for form in ("png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm", "tga", "ico", "pdf", "eps"):
            yield f"{size}.{form}", buffered(lambda file, p=picture, f=form: p.save(file, f))


@kind("7z-ordinary", NEGATIVE, "7z archives of texts by py7zr, with each filter", "py7zr")
def _seven_zip_ordinary(py7zr: Any) -> Named:
    for name, filters in _filters(py7zr):

        def save(path: str, filters: Any = filters) -> None:
            with py7zr.SevenZipFile(path, "w", filters=filters) as archive:
                for number, text in enumerate(ordinary.TEXTS[:20]):
                    archive.writestr(text.encode() or b"-", f"{number}.txt")

        yield f"{name}.7z", saved(save, "a.7z")


@kind("lmdb-ordinary", NEGATIVE, "LMDB of texts and pictures", "lmdb")
def _lmdb_ordinary(lmdb: Any) -> Named:
    for count in (1, 300):

        def save(path: str, count: int = count) -> None:
            with lmdb.open(path, subdir=False, lock=False, map_size=1 << 22) as store, store.begin(write=True) as rows:
                for number in range(count):
                    rows.put(b"%08d" % number, ordinary.TEXTS[number % len(ordinary.TEXTS)].encode() or b"-")

        yield f"{count}/data.mdb", saved(save, "data.mdb")


@kind("openvino-ir", NEGATIVE, "OpenVINO models of ordinary operations", "openvino", "numpy")
def _openvino_ir(openvino: Any, numpy: Any) -> Named:
    ops = import_module("openvino.opset13")
    parameter = ops.parameter([1, 4], numpy.float32, name="x")
    model = openvino.Model(
        [ops.relu(ops.add(parameter, ops.constant(numpy.ones((1, 4), numpy.float32))))], [parameter], "m"
    )
    yield from saved_all(lambda path: openvino.save_model(model, path), "m.xml")


# ---------------------------------------------------------------------- all of it


class File(NamedTuple):
    """A file of the corpus. `how` says how it was made."""

    label: str
    kind: str
    name: str
    how: str
    data: bytes


def files(left_out: dict[str, str]) -> Iterator[File]:
    """Every file; `left_out` is filled with the kinds that cannot be made here, and why."""
    for name, (label, how, make) in written.KINDS.items():
        for path, data in make():
            yield File(label, name, path, how, data)
    for name, (how, make) in ordinary.KINDS.items():
        for path, data in make():
            yield File(NEGATIVE, name, path, how, data)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name, library_kind in LIBRARY_KINDS.items():
        try:
            modules = [import_module(module) for module in library_kind.needs]
        except ImportError as error:
            left_out[name] = str(error)
            continue
        random.seed(SEED)
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # libraries say much while they save
            warnings.simplefilter("ignore")
            for path, data in library_kind.make(*modules):
                yield File(library_kind.label, name, path, library_kind.how, data)


def safe_name(name: str) -> str:
    """A name that every file system takes, with the same ending."""
    shown = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-/") else "_" for letter in name)
    return "/".join(part[-120:] if part.strip(".") else "_" + part for part in shown.split("/") if part)


def write(folder: str) -> tuple[list[tuple[str, File]], dict[str, str]]:
    """Write everything and the manifest; each file with its path, and the kinds that were left out."""
    left_out: dict[str, str] = {}
    placed: list[tuple[str, File]] = []
    taken: set[str] = set()
    for file in files(left_out):
        path = f"{file.label}/{file.kind}/{safe_name(file.name)}"
        while path.lower() in taken:
            head, _, tail = path.rpartition("/")
            path = f"{head}/{len(placed)}/{tail}"
        taken.add(path.lower())
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as output:
            output.write(file.data)
        placed.append((path, file._replace(data=b"")))
    with open(os.path.join(folder, "manifest.tsv"), "w", encoding="utf-8", newline="\n") as output:
        output.write("path\tlabel\tkind\thow\n")
        for path, file in placed:
            output.write(f"{path}\t{file.label}\t{file.kind}\t{file.how}\n")
    return placed, left_out


def main() -> int:
    """Write the corpus and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", help="where to write; made if it is not there")
    options = parser.parse_args()
    logging.disable()
    placed, left_out = write(options.folder)
    counted = Counter(file.label for _, file in placed)
    for label in (CARRIER, CODE, OPAQUE, NEGATIVE):
        kinds = {file.kind for _, file in placed if file.label == label}
        print(f"{label:8} {counted[label]:5} files in {len(kinds)} kinds")
    for name, why in left_out.items():
        print(f"left out {name}: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
