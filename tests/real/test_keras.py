"""Keras and skops as they write and load models: what would run is refused, models of their own parts are let pass."""

from __future__ import annotations

import base64
import collections
import importlib
import io
import itertools
import json
import os
import pickle
import pkgutil
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import keras
import numpy
import pytest
import sklearn
import skops.io
import tensorflow
from keras import layers
from sandbox import Sandbox, without_network
from sklearn import (
    cluster,
    compose,
    datasets,
    ensemble,
    feature_extraction,
    gaussian_process,
    linear_model,
    model_selection,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    svm,
    tree,
)

from builders import Payload
from git_custody.core.content import FileContent
from git_custody.formats import keras_names
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import Verdict


def judged(path: Path) -> tuple[Verdict, ...]:
    with path.open("rb", buffering=0) as file:
        return recognise(FileContent(file, path.stat().st_size), name=path.name)


def kinds(path: Path) -> set[str]:
    return {verdict.kind for verdict in judged(path)}


def saved(model: Any, folder: Path) -> Iterator[Path]:
    """A model in every form that Keras can write it in."""
    for name in ("m.keras", "m.h5"):
        try:
            model.save(folder / name)
        except (NotImplementedError, ValueError):
            continue  # HDF5 cannot hold every model
        yield folder / name
    model.save_weights(folder / "m.weights.h5")
    yield folder / "m.weights.h5"
    (folder / "m.json").write_text(model.to_json())
    yield folder / "m.json"


def loaded(paths: Iterable[Path], folder: Path) -> list[dict[str, Any]]:
    """What loading each file did, with and without safe mode, in a child without network."""
    home = folder / "home"
    home.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "OPENBLAS_CORETYPE", "KERAS_BACKEND") if name in os.environ}
    done = subprocess.run(
        (*without_network(), sys.executable, "-I", "-W", "ignore", str(Path(__file__).parent / "keras_child.py")),
        input="\n".join(map(str, paths)),
        capture_output=True,
        text=True,
        check=True,
        cwd=home,
        env={**kept, "HOME": str(home), "TMPDIR": str(home), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


# Ordinary models


@keras.saving.register_keras_serializable("mine")
def distance(actual: Any, predicted: Any) -> Any:
    return keras.ops.mean(keras.ops.abs(actual - predicted))


def scaled(x: Any) -> Any:
    return x * 2


def sequential() -> Any:
    model = keras.Sequential(
        [
            layers.Input((4,)),
            layers.Dense(3, activation="relu", kernel_regularizer="l2", kernel_constraint="max_norm"),
            layers.Dropout(0.1),
            layers.Dense(1, kernel_initializer=keras.initializers.HeNormal(seed=1), activation=keras.activations.gelu),
        ]
    )
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    model.compile(keras.optimizers.AdamW(schedule), "mse", metrics=["mae", keras.metrics.AUC(), distance])
    model.fit(numpy.zeros((2, 4)), numpy.zeros((2, 1)), verbose=0)
    return model


def functional() -> Any:
    image = layers.Input((8, 8, 3))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3)(image))
    x = keras.ops.relu(x) * 2 + 1
    x = layers.Flatten()(x)
    x = keras.ops.concatenate([x, x], -1)[:, :10]
    model = keras.Model(image, {"out": layers.Dense(2)(x)})
    model.compile(
        "adam", {"out": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}, loss_weights={"out": 1}
    )
    return model


def recurrent() -> Any:
    tokens = layers.Input((None,), dtype="int32")
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(layers.Embedding(10, 4)(tokens))
    x = layers.MultiHeadAttention(2, 2)(x, x)
    return keras.Model(tokens, layers.TimeDistributed(layers.Dense(2))(x))


def with_preprocessing() -> Any:
    normalization = layers.Normalization()
    normalization.adapt(numpy.random.default_rng(1).random((10, 3)))
    return keras.Sequential([layers.Input((3,)), normalization, layers.Discretization(bin_boundaries=[0.0, 0.5])])


def of_images() -> Any:
    parts = [layers.RandomFlip(), layers.Rescaling(1 / 255), layers.Resizing(4, 4), layers.RandomRotation(0.1)]
    return keras.Sequential([layers.Input((8, 8, 3)), *parts, layers.GlobalAveragePooling2D()])


def of_words() -> Any:
    vectors = layers.TextVectorization(max_tokens=20, output_sequence_length=4)
    vectors.adapt(["hello world", "foo"])
    text = layers.Input((1,), dtype="string")
    words = layers.StringLookup(vocabulary=["a", "b"])(text)
    return keras.Model(text, [layers.Embedding(20, 2)(vectors(text)), words])


def with_own_layer() -> Any:
    @keras.saving.register_keras_serializable("mine")
    class Scale(layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x * 2

    Scale.__module__ = "__main__"  # as of a notebook or a script, whose classes have no module to import
    model = keras.Sequential([layers.Input((3,)), Scale()])
    model.compile("sgd", distance)
    return model


def subclassed() -> Any:
    @keras.saving.register_keras_serializable("mine")
    class Model(keras.Model):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.dense = layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    Model.__module__ = "__main__"
    model = Model()
    model(numpy.zeros((1, 3)))
    return model


def with_lora() -> Any:
    model = keras.Sequential([layers.Input((3,)), layers.Dense(8)])
    model.layers[0].enable_lora(2)
    return model


def quantized() -> Any:
    model = keras.Sequential([layers.Input((3,)), layers.Dense(8)])
    model.quantize("int8")
    return model


def mixed() -> Any:
    return keras.Sequential([layers.Input((3,)), layers.Dense(4, dtype=keras.DTypePolicy("mixed_float16"))])


def shared() -> Any:
    first, second, dense = layers.Input((3,), name="a"), layers.Input((3,), name="b"), layers.Dense(2)
    return keras.Model({"a": first, "b": second}, layers.Add()([dense(first), dense(second)]))


def with_named_functions() -> Any:
    keras.saving.register_keras_serializable("mine")(scaled)
    return keras.Sequential([layers.Input((3,)), layers.Lambda(scaled), layers.Lambda(keras.ops.relu)])


def large() -> Any:
    return keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3))


MODELS = [
    sequential, functional, recurrent, with_preprocessing, of_images, of_words, with_own_layer, subclassed, with_lora,
    quantized, mixed, shared, with_named_functions, large,
]  # fmt: skip


@pytest.mark.parametrize("build", MODELS)
def test_ordinary_models_are_safe(build: Callable[[], Any], tmp_path: Path) -> None:
    for path in saved(build(), tmp_path):
        verdicts = judged(path)
        expected = "keras-h5" if path.suffix == ".h5" else "keras"
        assert [(verdict.kind, verdict.format) for verdict in verdicts] == [("safe", expected)], path.name


def test_a_feature_space_is_safe(tmp_path: Path) -> None:
    space = keras.utils.FeatureSpace({"x": "float_normalized", "c": "string_categorical"}, output_mode="concat")
    rows = tensorflow.data.Dataset.from_tensor_slices({"x": [1.0, 2.0], "c": ["u", "v"]})
    space.adapt(rows.batch(2))
    space.save(tmp_path / "m.keras")
    assert kinds(tmp_path / "m.keras") == {"safe"}


# Models that run something


def evil(x: Any) -> Any:
    import os

    os.system("true")
    return x


EVIL = lambda x: (__import__("os").system("true"), x)[1]  # noqa: E731, Keras keeps lambdas only


def lambdas() -> Iterator[tuple[str, Any]]:
    def wrapped(*parts: Any) -> Any:
        return keras.Sequential([layers.Input((3, 3)), layers.Dense(3), *parts])

    yield "plain", wrapped(layers.Lambda(EVIL, name="evil"))
    yield "nested", wrapped(keras.Sequential([layers.Lambda(EVIL)]))
    yield "wrapped", wrapped(layers.TimeDistributed(layers.Lambda(EVIL)))
    value = layers.Input((3,))
    yield "functional", keras.Model(value, layers.Lambda(EVIL)(value))
    yield "shape", wrapped(layers.Lambda(keras.ops.relu, output_shape=lambda shape: shape))
    yield "mask", wrapped(layers.Lambda(keras.ops.relu, mask=lambda x, mask: mask))


def test_models_with_lambdas_are_refused(tmp_path: Path) -> None:
    written = []
    for name, model in lambdas():
        folder = tmp_path / name
        folder.mkdir()
        for path in saved(model, folder):
            weights = path.name.endswith(".weights.h5")
            assert kinds(path) == ({"safe"} if weights else {"code"}), path
            if not weights and path.suffix != ".json":
                written.append(path)
    outcomes = loaded(written, tmp_path)
    assert len([outcome for outcome in outcomes if outcome["ran"]]) >= 3  # safe mode keeps some from running


def configured(path: Path, config: Any) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": keras.__version__}))
        archive.writestr("config.json", json.dumps(config))
        weights = io.BytesIO()
        h5py.File(weights, "w").close()
        archive.writestr("model.weights.h5", weights.getvalue())


NUMBERS = itertools.count()


def layer(module: str | None, name: str, /, **config: Any) -> dict[str, Any]:
    config = {"name": f"n{next(NUMBERS)}", **config}
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def around(*parts: dict[str, Any]) -> dict[str, Any]:
    first = layer("keras.layers", "InputLayer", batch_shape=[None, 3], dtype="float32")
    return layer("keras", "Sequential", layers=[first, *parts])


def test_configurations_by_hand_that_run_anything_are_refused(tmp_path: Path) -> None:
    from keras.src.utils import python_utils

    code, defaults, closure = python_utils.func_dump(EVIL)
    kept = {"class_name": "__lambda__", "config": {"code": code, "defaults": defaults, "closure": closure}}
    value = {"class_name": "__lambda__", "config": {"value": code}}
    attempts = [
        layer("keras.layers", "Lambda", function=kept),
        layer("keras.src.layers.core.lambda_layer", "Lambda", function=kept),
        layer(None, "Lambda", function=kept),
        layer("keras.layers", "Dense", units=3, activation=value),
        layer("keras.layers", "Dense", units=3, kernel_initializer=value),
        layer("keras.layers", "Lambda", function=value),
        layer("keras.layers", "Lambda", function=function("os", "system"), arguments={"command": "true"}),
        layer("keras.layers", "Lambda", function=function("builtins", "exec")),
        layer("subprocess", "Popen", args="true"),
        layer("keras.layers", "TorchModuleWrapper", module=base64.b64encode(pickle.dumps(Payload())).decode()),
        layer("keras.layers", "Lambda", function=function("keras.utils", "get_file")),
        layer("keras.layers", "Lambda", function=function("keras.models", "load_model")),
        layer("keras.layers", "TFSMLayer", filepath="/does/not/exist"),
        {**layer("keras.layers", "Dense", units=3), "build_config": value, "compile_config": {"loss": kept}},
    ]
    written = []
    for at, attempt in enumerate(attempts):
        path = tmp_path / f"{at}.keras"
        configured(path, around(attempt))
        assert kinds(path) == {"code"}, attempt
        written.append(path)
    assert len([outcome for outcome in loaded(written, tmp_path) if outcome["ran"]]) >= 3


def test_random_configurations_are_refused_where_they_run_anything(tmp_path: Path) -> None:
    """Keys, classes and modules put together at random: what Keras runs, safe mode or not, is refused."""
    from keras.src.utils import python_utils

    choice = random.Random(3)
    code, defaults, closure = python_utils.func_dump(EVIL)
    bytecode = {"class_name": "__lambda__", "config": {"code": code, "defaults": defaults, "closure": closure}}
    modules = ["keras.layers", "keras", "keras.src.layers.core.lambda_layer", "os", "builtins", None, "keras.ops"]
    names = [
        "Lambda",
        "Dense",
        "Activation",
        "TimeDistributed",
        "Sequential",
        "function",
        "__lambda__",
        "relu",
        "system",
    ]
    values: list[Any] = [bytecode, "relu", "system", code, [code, defaults, closure], 3, None, {}]

    def anything(depth: int) -> Any:
        if depth == 0 or choice.random() < 0.4:
            return choice.choice(values)
        keys = ("function", "activation", "layer", "output_shape", "units", "config", "value", "mask")
        config = {key: anything(depth - 1) for key in choice.sample(keys, choice.randrange(4))}
        built = layer(choice.choice(modules), choice.choice(names), **config)
        built["registered_name"] = choice.choice([None, None, "Lambda", "Custom>x"])
        return built

    written = []
    for at in range(150):
        parts = [anything(3) for _ in range(choice.randrange(2))]
        parts.append(layer(choice.choice(modules[:3]), "Lambda", function=anything(choice.randrange(2))))
        path = tmp_path / f"{at}.keras"
        configured(path, around(*choice.sample(parts, len(parts))))
        written.append(path)
    outcomes = loaded(written, tmp_path)
    assert len(outcomes) == 2 * len(written)
    ran = {outcome["path"] for outcome in outcomes if outcome["ran"]}
    assert ran
    for path in written:
        if str(path) in ran:
            assert kinds(path) & {"code", "malformed"}


def test_names_that_are_let_pass_do_not_lead_out_of_keras() -> None:
    """Every name in every module of the installed Keras: those that are let pass are its own, or harmless."""
    for found in pkgutil.walk_packages(keras.__path__, "keras."):
        if "test" not in found.name:
            try:
                importlib.import_module(found.name)
            except Exception:  # a backend that is not installed
                continue
    strangers = collections.Counter[str]()
    passed = 0
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] != "keras":
            continue
        for name, value in list(vars(module).items()):
            if not callable(value):
                continue
            if keras_names.is_class(module_name, name) or keras_names.is_function(module_name, name):
                passed += 1
                home = getattr(value, "__module__", None) or ""
                if not home.startswith("keras."):
                    strangers[f"{home}.{getattr(value, '__name__', name)}"] += 1
                assert name not in ("get_file", "load_model", "deserialize_keras_object", "func_load")
    assert passed > 1_000
    harmless = ("builtins.", "collections.", "contextlib.", "enum.", "functools.", "typing.")
    assert [name for name in strangers if not name.startswith(harmless)] == []


# skops


def estimators() -> Iterator[Any]:
    x, y = datasets.load_iris(return_X_y=True)
    for model in (
        linear_model.LogisticRegression(), linear_model.SGDClassifier(), svm.SVC(), neighbors.KNeighborsClassifier(),
        tree.DecisionTreeClassifier(), ensemble.RandomForestClassifier(3), ensemble.IsolationForest(n_estimators=3),
        ensemble.GradientBoostingClassifier(n_estimators=3), ensemble.HistGradientBoostingClassifier(max_iter=3),
        ensemble.AdaBoostClassifier(n_estimators=3), ensemble.BaggingClassifier(n_estimators=3),
        gaussian_process.GaussianProcessClassifier(), cluster.KMeans(2), neural_network.MLPClassifier(max_iter=5),
        preprocessing.FunctionTransformer(numpy.log1p), preprocessing.KBinsDiscretizer(), preprocessing.PolynomialFeatures(),
        model_selection.GridSearchCV(linear_model.LogisticRegression(), {"C": [1, 2]}),
        pipeline.make_pipeline(preprocessing.StandardScaler(), svm.LinearSVC()),
        compose.ColumnTransformer([("s", preprocessing.StandardScaler(), [0, 1])]),
    ):  # fmt: skip
        yield model.fit(x, y)
    yield feature_extraction.text.TfidfVectorizer().fit(["a few words", "and more words"])


def test_estimators_of_scikit_learn_are_safe_in_skops(tmp_path: Path) -> None:
    for at, model in enumerate(estimators()):
        path = tmp_path / f"{at}.skops"
        skops.io.dump(model, path)
        assert kinds(path) == {"safe"}, (model, [verdict.calls for verdict in judged(path)])


class Own(sklearn.base.BaseEstimator):  # type: ignore[misc]
    def __init__(self, value: Any = None) -> None:
        self.value = value

    def method(self) -> None:
        return None


@pytest.mark.parametrize(
    "value",
    [Own(), preprocessing.FunctionTransformer(os.system), Own().method, [os.getcwd], {"a": evil}, Payload()],
    ids=["object", "transformer", "method", "builtin", "function", "payload"],
)
def test_what_skops_asks_the_user_to_trust_is_refused(value: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.skops"
    skops.io.dump(value, path)
    assert skops.io.get_untrusted_types(file=path)
    assert kinds(path) == {"code"}


def test_what_skops_does_not_trust_is_refused_or_known(tmp_path: Path) -> None:
    """skops asks for trust for more than we refuse: classes of scikit-learn and NumPy that hold data."""
    for at, model in enumerate(estimators()):
        path = tmp_path / f"{at}.skops"
        skops.io.dump(model, path)
        for name in skops.io.get_untrusted_types(file=path):
            assert name.startswith(("sklearn.", "numpy.dtype", "scipy.sparse.")), name


def test_a_schema_with_a_call_is_refused_whatever_the_loader_does(sandbox: Sandbox, tmp_path: Path) -> None:
    skops.io.dump(linear_model.LogisticRegression(), tmp_path / "m.skops")
    with zipfile.ZipFile(tmp_path / "m.skops") as archive:
        schema = json.loads(archive.read("schema.json"))
    text = {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": '"true"',
        "is_json": True,
    }
    calls = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": [text]}
    for at, attempt in enumerate(
        (
            {"__class__": "system", "__module__": "posix", "__loader__": "ConstructorFromReduceNode", "content": calls},
            {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"},
            {"__class__": "call", "__module__": "operator", "__loader__": "OperatorFuncNode", "attrs": calls},
            {"__class__": "system", "__module__": "os", "__loader__": "ReduceNode", "content": calls,
             "__reduce__": {"args": calls}},
        )
    ):  # fmt: skip
        path = tmp_path / f"{at}.skops"
        changed = json.loads(json.dumps(schema))
        changed["content"]["content"]["C"] = attempt
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("schema.json", json.dumps(changed))
        sandbox.ran(path, ("skops",))
        assert kinds(path) == {"code"}
