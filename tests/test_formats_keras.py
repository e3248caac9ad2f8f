from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clock import keeping_below, within
from git_custody.core.content import BytesContent
from git_custody.formats import keras_config, keras_names
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import Budget, Verdict

QUICK = settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
BYTECODE = "4wEAAAAAAAAAAAAAAAEAAAACAAAAQwAAAHMEAAAAfABTACkBTqkAqQHaAXhyAgAAAA==\n"
LAMBDA = {"class_name": "__lambda__", "config": {"code": BYTECODE, "defaults": None, "closure": None}}


def layer(name: str, module: str | None = "keras.layers", /, **values: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": {"name": "x", **values}, "registered_name": None}


def function(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def model(*layers: Any) -> dict[str, Any]:
    dense = layer("Dense", units=1, kernel_initializer=layer("GlorotUniform", "keras.initializers", seed=None))
    return layer("Sequential", "keras", layers=[dense, *layers])


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def keras(config: Any, **more: bytes) -> bytes:
    data = config if isinstance(config, bytes) else json.dumps(config).encode()
    return zipped({"metadata.json": b'{"keras_version": "3.15.1"}', "config.json": data, **more})


def judged(data: bytes, name: str = "model.keras") -> tuple[Verdict, ...]:
    return recognise(BytesContent(data), name=name)


def told(data: bytes, name: str = "model.keras") -> list[tuple[str, str, str | None]]:
    return [(verdict.kind, verdict.format, verdict.calls) for verdict in judged(data, name)]


def findings(*layers: Any) -> list[tuple[str, str | None]]:
    """What is said of a model with these layers, wherever its configuration is kept."""
    data = json.dumps(model(*layers)).encode()
    alone = [verdict for verdict in judged(data, "architecture.json") if verdict.kind != "safe"]
    inside = [verdict for verdict in judged(keras(data)) if verdict.kind != "safe"]
    assert [v.what for v in alone] == [v.what for v in inside]
    assert [v.kind for v in keras_config.judge(BytesContent(data), "here", Budget())] == [v.kind for v in alone]
    return [(verdict.kind, verdict.calls) for verdict in inside]


SAFE = [("safe", "keras", None)]


def test_a_model_of_kerass_own_layers_is_safe() -> None:
    assert told(keras(model())) == SAFE
    assert told(json.dumps(model()).encode(), "model.json") == SAFE
    assert told(json.dumps(model()).encode(), "") == SAFE
    # Inside of something else that is no news.
    assert told(keras(model()), "model.zip") == []


@pytest.mark.parametrize(
    "value",
    [
        layer("Functional", "keras.src.models.functional"),
        layer("Functional", "keras.src.engine.functional"),
        layer("Conv2D", "tf_keras.src.layers.convolutional.conv2d"),
        layer("Adam", "keras.optimizers", learning_rate=layer("CosineDecay", "keras.optimizers.schedules")),
        layer("DTypePolicy", "keras"),
        layer("MeanSquaredError", "keras.losses", fn=function("builtins", "mean_squared_error")),
        layer("Add", "keras.src.ops.numpy"),
        layer("l2", "keras.regularizers"),
        layer("FeatureSpace", "keras.utils"),
        layer("MetricsList", "keras.src.trainers.compile_utils"),
        layer("BertBackbone", "keras_hub.src.models.bert.bert_backbone"),
        layer("Activation", activation=function("keras.activations", "gelu")),
        layer("Lambda", function=function("keras.ops", "relu")),
        layer("Dense", activation=function("builtins", "my_activation")),
        layer("Dense", activation=function("tensorflow.python.ops.nn_ops", "leaky_relu")),
        # What whoever loads the model has to define.
        layer("Attention2", None),
        {"class_name": "Custom>Attention2", "config": {}},
        layer("Lambda", function="scaled", function_type="function", output_shape_type="raw"),
        layer("Lambda", function={**function("builtins", "mine>scaled"), "registered_name": "function"}),
        {"class_name": "__tensor__", "config": {"value": [1.0], "dtype": "float32"}},
        {
            "class_name": "__typespec__",
            "spec_name": "TensorSpec",
            "module": "tensorflow.python.framework.tensor",
            "config": [[None], "float32", None],
            "registered_name": None,
        },
        layer("TFOpLambda", None, function="math.add"),
        layer("TFOpLambda", None, function="__operators__.getitem"),
        layer("TFOpLambda", None, function="compat.v1.concat"),
        layer("ClassMethod", None, cls_symbol="RaggedTensor", method_name="from_row_splits"),
        layer("TensorFlowOpLayer", None, node_def={"name": "a", "op": "AddV2"}),
        layer("StringLookup", vocabulary=["a", "b"]),
        layer("StringLookup", vocabulary="assets/vocabulary.txt"),
    ],
)
def test_what_models_are_made_of_is_let_pass(value: Any) -> None:
    assert findings(value) == []


@pytest.mark.parametrize(
    ("value", "calls"),
    [
        (layer("Lambda", function=LAMBDA), "marshal.loads"),
        (layer("Lambda", function=[BYTECODE, None, None], function_type="lambda"), "marshal.loads"),
        (layer("Lambda", None, function=BYTECODE), "marshal.loads"),
        (layer("Lambda", None, function="f", function_type="function", output_shape_type="lambda"), "marshal.loads"),
        (layer("Merge", None, mode=BYTECODE, mode_type="lambda"), "marshal.loads"),
        (layer("TimeDistributed", layer=layer("Lambda", function=LAMBDA)), "marshal.loads"),
        (layer("Dense", activation=LAMBDA), "marshal.loads"),
        (layer("Dense", inner=json.dumps(layer("Lambda", function=LAMBDA))), "marshal.loads"),
        (layer("TorchModuleWrapper", module="gASV"), "torch.load"),
        (layer("TorchModuleWrapper", "keras.src.utils.torch_utils", module="gASV"), "torch.load"),
        (layer("TFSMLayer", filepath="/tmp/m"), "tensorflow.saved_model.load"),
        # CVE-2025-1550 and CVE-2025-9906: any module at all
        (layer("Popen", "subprocess"), "subprocess.Popen"),
        (layer("Attention2", "my_project.layers"), "my_project.layers.Attention2"),
        (layer("Lambda", function=function("os", "system")), "os.system"),
        (layer("Lambda", function=function("builtins", "exec")), "builtins.exec"),
        (layer("Lambda", function=function("keras.config", "enable_unsafe_deserialization")),
         "keras.config.enable_unsafe_deserialization"),
        # CVE-2025-8747: functions of Keras's own that do more
        (layer("Lambda", function=function("keras.utils", "get_file")), "keras.utils.get_file"),
        (layer("Lambda", function=function("keras.src.utils.python_utils", "func_load")),
         "keras.src.utils.python_utils.func_load"),
        (layer("Lambda", function=function("keras.models", "load_model")), "keras.models.load_model"),
        (layer("Lambda", function=function("builtins", "deserialize")), "builtins.deserialize"),
        (layer("model_from_json", "keras.models"), "keras.models.model_from_json"),
        (layer("deserialize", "keras.losses"), "keras.losses.deserialize"),
        (layer("Sequence", "keras.utils"), "keras.utils.Sequence"),
        (layer("func_load.__globals__", "keras.src.layers.core"), "keras.src.layers.core.func_load.__globals__"),
        (layer("Layer", "keras.src.backend.torch.export"), "keras.src.backend.torch.export.Layer"),
        (layer("BertBackbone", "keras_hub.src.utils.transformers"), "keras_hub.src.utils.transformers.BertBackbone"),
        (layer("Dense", "keras_evil.layers"), "keras_evil.layers.Dense"),
        (layer("Dense", "tensorflow.keras.layers"), "tensorflow.keras.layers.Dense"),
        # Keras up to 3.8 looks for the registered name where the other is not found.
        ({**layer("Nothing", "keras.src.layers.core.lambda_layer"), "registered_name": "Lambda"}, "marshal.loads"),
        ({**layer("Nothing", "keras.src.saving"), "registered_name": "os"}, "keras.src.saving.Nothing"),
        (
            {"class_name": "__typespec__", "spec_name": "Popen", "module": "subprocess", "config": []},
            "subprocess.Popen",
        ),
        (layer("TFOpLambda", None, function="io.write_file"), "tensorflow.io.write_file"),
        (layer("TFOpLambda", None, function="load_op_library"), "tensorflow.load_op_library"),
        (layer("TFOpLambda", None, function="py_function"), "tensorflow.py_function"),
        (layer("TFOpLambda", None, function="compat.v1.read_file"), "tensorflow.compat.v1.read_file"),
        (layer("TFOpLambda", None, function="raw_ops.ReadFile"), "tensorflow.raw_ops.ReadFile"),
        (layer("TFOpLambda", None, function="keras.utils.get_file"), "tensorflow.keras.utils.get_file"),
        (layer("TFOpLambda", None, function=7), "tensorflow."),
        (layer("TensorFlowOpLayer", None, node_def='{"name": "a", "op": "ReadFile"}'), "tensorflow.raw_ops.ReadFile"),
        (layer("ClassMethod", None, cls_symbol="io.gfile.GFile", method_name="read"), "tensorflow.io.gfile.GFile"),
        (layer("InstanceProperty", None, attr_name="__class__"), None),
        (layer("InstanceMethod", None, attr_name="tofile"), None),
    ],
)  # fmt: skip
def test_what_runs_code_of_the_files_choice_is_code(value: Any, calls: str | None) -> None:
    found = findings(value)
    assert found
    assert {kind for kind, _ in found} == {"code"}
    assert calls in [called for _, called in found]


def test_what_is_found_says_where() -> None:
    verdict = judged(keras(model(layer("Lambda", function=LAMBDA))))[0]
    assert verdict.member == "config.json"
    assert verdict.what == "a Keras model with a lambda, kept as Python bytecode"
    assert verdict.evidence == "Lambda 'x' in config.json"
    for value, ending in (
        (layer("Popen", "subprocess"), "the class subprocess.Popen, which tf_keras and Keras before 3.9 import"),
        (
            layer("Lambda", function=function("keras.utils", "get_file")),
            "the function keras.utils.get_file, which is not one that only builds a model",
        ),
    ):
        assert judged(keras(model(value)))[0].what == f"a Keras model with {ending}"


def test_compiled_parts_are_judged_as_well() -> None:
    config = model() | {"compile_config": {"loss": function("os", "system")}}
    assert told(keras(config)) == [("code", "keras", "os.system")]
    config = model() | {"compile_config": {"loss": function("builtins", "focal_loss"), "optimizer": "adam"}}
    assert told(keras(config)) == SAFE


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../../secret", "https://example.org/v", "gs://a/b", "C:\\x", "a\\..\\..\\b"]
)
def test_a_vocabulary_outside_of_the_model_is_smuggling(path: str) -> None:
    for name in ("StringLookup", "IntegerLookup", "TextVectorization", "BytePairTokenizer"):
        assert findings(layer(name, vocabulary=path)) == [("malformed", None)]
    assert findings(layer("Dense", vocabulary=path)) == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_other_encodings_hide_nothing(encoding: str) -> None:
    text = json.dumps(model(layer("Lambda", function=LAMBDA)))
    assert told(keras(text.encode(encoding))) == [("code", "keras", "marshal.loads")]
    escaped = text.replace("class_name", "class\\u005fname").replace("Lambda", "L\\u0061mbda")
    assert told(keras(escaped.encode())) == [("code", "keras", "marshal.loads")]
    assert told(escaped.encode(), "config.json") == [("code", "keras", "marshal.loads")]


def test_a_key_that_stands_twice_is_malformed() -> None:
    twice = b'{"class_name": "Sequential", "class_name": "Sequential", "config": {}, "module": "keras"}'
    assert ("malformed", "keras", None) in told(keras(twice))
    assert ("malformed", "keras", None) in told(twice, "model.json")
    named = b'{"class_name": "Sequential", "config": {"seed": 1, "seed": 2}, "module": "keras"}'
    assert told(keras(named)) == SAFE


def test_what_a_keras_zip_must_and_must_not_hold() -> None:
    assert told(zipped({"model.weights.h5": b""})) == [("malformed", "keras", None)]
    assert told(zipped({"model.weights.h5": b""}), "weights.zip") == []
    assert told(keras(b"[]")) == [("malformed", "keras", None)]
    assert ("malformed", "keras", None) in told(keras(b"{"))
    assert told(keras(model(), **{"assets/vocabulary.txt": b"a\nb\n"})) == SAFE
    for name in ("layers.py", "assets/op.so", "assets/x.DLL", "../evil.txt", "/etc/cron.d/x", "assets\\..\\..\\x"):
        assert told(keras(model(), **{name: b"x"})) == [("malformed", "keras", None)], name
    assert told(b"not a zip", "model.keras") == []


def test_json_of_others_is_left_alone() -> None:
    for value in (
        {"class_name": "TextNode", "text": "x"},
        {"class_name": "Popen", "config": {"module": "subprocess"}},
        {"class_name": "Dense"},
        {"architectures": ["BertModel"], "model_type": "bert", "torch_dtype": "float32"},
        {"module": "os", "class": "Path"},
        {"config": {"class_name": "Lambda"}},
        ["class_name"],
    ):
        data = json.dumps(value).encode()
        assert told(data, "config.json") == told(data, "a.json") == told(data, "") == [], value
    assert told(b'{"class_name": "Sequential", "config": ', "a.json") == []
    assert told(b'{"class_name": "Layer" } function () { "config" }', "a.js") == []


@pytest.mark.parametrize("padding", [b" " * 10_000_000 + b"{", b'{"padding": "' + b"x" * 10_000_000 + b'", '])
def test_padding_of_more_than_is_read_hides_nothing_in_a_json_file(padding: bytes) -> None:
    for word in (b"class_name", b"\\u0063lass_name"):
        data = json.dumps({"class_name": "Sequential", "config": [layer("Lambda", None)]}).encode()
        found = told(padding + data[1:].replace(b"class_name", word), "model.json")
        assert [kind for kind, *_ in found] == ["opaque"]


def test_a_long_list_of_classes_is_no_configuration() -> None:
    rows = b", ".join([b'{"class_name": "truck", "config": "large"}'] * 250_000)
    assert told(b"[" + rows + b"]", "labels.json") == []


def test_long_padding_in_front_hides_nothing_in_a_json_file() -> None:
    data = b'{"padding": "' + b"x" * 100_000 + b'", ' + json.dumps(model(layer("Popen", "subprocess"))).encode()[1:]
    assert told(data, "model.json") == [("code", "keras", "subprocess.Popen")]
    for padding in (b'{"padding": "' + b"x" * 1_048_570 + b'", ', b"{" + b" " * 5_000, b"\n " * 5_000 + b"{"):
        long = padding + json.dumps(model(layer("Popen", "subprocess"))).encode()[1:]
        for hidden in (long, long.replace(b'"class_name"', b'"\\u0063lass_n\\u0061me"')):
            for name in ("model.json", "architecture.txt", ""):
                assert told(hidden, name) == [("code", "keras", "subprocess.Popen")]


def test_models_of_tensorflow_js_are_judged_as_keras_builds_them() -> None:
    for topology in (
        {"model_config": model(layer("Lambda", function=LAMBDA))},
        model(layer("Lambda", function=LAMBDA)),
    ):
        data = json.dumps({"format": "layers-model", "modelTopology": topology}).encode()
        assert told(data, "model.json") == [("code", "keras", "marshal.loads")]
    ordinary: tuple[Any, ...] = (
        model(),
        {"model_config": model()},
        {"node": [{"op": "Const"}]},
        {"model_config": "x"},
        [],
        None,
    )
    for value in ordinary:
        assert told(json.dumps({"modelTopology": value, "class_name": 1, "config": 1}).encode(), "model.json") == []


@pytest.mark.parametrize("value", ["null", "1", "1.5", "true", '"x"', "[null, 1]"])
def test_a_configuration_may_be_any_value(value: str) -> None:
    assert list(keras_config.judge(BytesContent(value.encode()), "training_config", Budget())) == []


YAML = """\
backend: tensorflow
class_name: Sequential
config:
  name: sequential
  layers:
  - class_name: Dense
    config: {name: dense, units: 1}
"""


def test_a_configuration_in_yaml_is_judged_too() -> None:
    assert told(YAML.encode(), "model.yaml") == SAFE
    for text in (
        "  - class_name: Lambda\n    config:\n      function: !!python/tuple [4wEA, null, null]\n      name: f\n",
        "  - {class_name: Lambda, config: {function: 4wEA, function_type: lambda}}\n",
        '  - "class\\x5fname": "L\\x61mbda"\n    config: {}\n',
        "  - ? class_name\n    : &l Lambda\n    config: {}\n",
        "  - name: &l Lambda\n  - class_name: *l\n    config: {}\n",
    ):
        assert told((YAML + text).encode(), "model.yml") == [("code", "keras", "marshal.loads")], text
    assert told(b"class_name: Sequential\nconfig: [", "a.yaml") == []
    assert told(b"backend: redis\nconfig: {url: x}\n", "a.yaml") == []
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(f"c{at}: &c{at} [*b, *b]\n" for at in range(50))
    assert told((YAML + bomb).encode(), "model.yaml") == SAFE


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 93_000_000,
        b'{"class_name": "Sequential", "config": {"x": [' + b"[]," * 31_000_000,
        b'{"class_name": "Sequential", "module": "keras", "config": "' + b"x" * 93_000_000 + b'"}',
    ],
    ids=["brackets", "lists", "text"],
)
def test_a_huge_configuration_is_not_parsed(data: bytes) -> None:
    with keeping_below(32 * 1024 * 1024), within(2):
        found = list(keras_config.judge(BytesContent(data), "model_config", Budget()))
    assert [(said.kind, said.forced) for said in found] == [("opaque", True)]


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 140_000,
        b'{"a":' * 140_000,
        b"[" + b"1," * 599_000 + b"1]",
        b"[" + b"[]," * 149_000 + b"[]]",
        b'["' + b'","'.join([b"a"] * 599_000) + b'"]',
        b"[" + b"9" * 8_000_000 + b"]",
        b'{"a":' + b'"' + b"\\u2603" * 1_300_000 + b'"}',
    ],
    ids=["deep", "deep objects", "numbers", "lists", "texts", "one number", "one text"],
)
def test_the_largest_configuration_that_is_parsed_takes_little(data: bytes) -> None:
    with keeping_below(64 * 1024 * 1024), within(2):
        list(keras_config.judge(BytesContent(data), "model_config", Budget()))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["Lambda", "os", "keras.layers", "{}", "é"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["class_name", "config", "module", "registered_name", "function", "vocabulary", "x_type"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@QUICK
@given(JSON, st.binary(max_size=20), st.integers(0, 400))
def test_no_configuration_raises(value: Any, noise: bytes, at: int) -> None:
    text = json.dumps({**model(value), "more": value}).encode()
    for data in (text, text[:at] + noise + text[at + len(noise) :]):
        judged(data, "config.json")
        judged(keras(data))
        list(keras_config.judge(BytesContent(data), "here", Budget()))


@QUICK
@given(st.text(max_size=40), st.text(max_size=40))
def test_names_are_judged_without_raising(module: str, name: str) -> None:
    for judge in (keras_names.is_class, keras_names.is_function, keras_names.is_type_spec):
        assert isinstance(judge(module, name), bool)
    assert not keras_names.is_class(f"os.{module}", name)
    assert not keras_names.is_function(f"posix{module}", name)


# skops


def node(loader: str, module: str, name: str, **values: Any) -> dict[str, Any]:
    return {"__class__": name, "__module__": module, "__loader__": loader, **values}


def skops(content: Any) -> bytes:
    schema = {**content, "protocol": 2, "_skops_version": "0.16.0"}
    return zipped({"1.npy": b"", "schema.json": json.dumps(schema).encode()})


def estimator(*inner: Any) -> dict[str, Any]:
    items = {str(at): value for at, value in enumerate(inner)}
    attributes = node("DictNode", "builtins", "dict", content=items, key_types=node("ListNode", "builtins", "list"))
    return node("ObjectNode", "sklearn.linear_model._logistic", "LogisticRegression", content=attributes)


@pytest.mark.parametrize(
    "value",
    [
        node("NdArrayNode", "numpy", "ndarray", type="numpy", file="1.npy"),
        node("JsonNode", "builtins", "str", content='"l2"', is_json=True),
        node("TypeNode", "builtins", "str"),
        node("TypeNode", "numpy", "float64"),
        node("TreeNode", "sklearn.tree._tree", "Tree"),
        node("ObjectNode", "sklearn.gaussian_process.kernels", "RBF"),
        node("FunctionNode", "numpy", "log1p"),
        node("FunctionNode", "scipy.special._ufuncs", "expit"),
        node("SparseMatrixNode", "scipy.sparse._csr", "csr_matrix"),
        node("RandomStateNode", "numpy.random.mtrand", "RandomState"),
        node("RandomGeneratorNode", "numpy.random._generator", "Generator",
             content={"bit_generator": node("DictNode", "builtins", "dict", content={
                 "bit_generator": node("JsonNode", "builtins", "str", content='"PCG64"')})}),
        node("SetNode", "builtins", "set", content=[]),
        node("ConstructorFromReduceNode", "datetime", "timezone", content=[]),
    ],
)  # fmt: skip
def test_a_skops_model_of_trusted_types_is_safe(value: Any) -> None:
    assert told(skops(estimator(value)), "model.skops") == [("safe", "skops", None)]
    assert told(skops(estimator(value)), "model.zip") == []


@pytest.mark.parametrize(
    ("value", "calls"),
    [
        (node("ObjectNode", "my_project", "Estimator"), "my_project.Estimator"),
        (node("FunctionNode", "os", "system"), "os.system"),
        (node("FunctionNode", "numpy", "load"), "numpy.load"),
        (node("FunctionNode", "builtins", "function", content={"module_path": "os", "function": "system"}), "os.system"),
        (node("TypeNode", "subprocess", "Popen"), "subprocess.Popen"),
        (node("MethodNode", "builtins", "str", content={"obj": {}, "func": "format"}), "builtins.str.format"),
        (node("OperatorFuncNode", "operator", "methodcaller", attrs={}), "operator.methodcaller"),
        (node("PartialNode", "functools", "partial", content={}), "functools.partial"),
        (node("ObjectNode", "sklearn.externals.joblib", "Parallel"), "sklearn.externals.joblib.Parallel"),
        (node("ObjectNode", "sklearn.datasets._base", "Fetch"), "sklearn.datasets._base.Fetch"),
        (node("ReduceNode", "builtins", "eval"), "builtins.eval"),
        (node("DictNode", "builtins", "exec", content={}), "builtins.exec"),
        (node("RandomGeneratorNode", "numpy.random._generator", "Generator", content={"bit_generator": "test"}),
         "numpy.random.test"),
        (node("ObjectNode", "scipy.special", "x", content=[node("JsonNode", "os", "system")]), "os.system"),
    ],
)  # fmt: skip
def test_a_skops_model_that_asks_for_trust_is_code(value: Any, calls: str) -> None:
    for data, name, member in (
        (skops(estimator(value)), "model.skops", "schema.json"),
        (skops(value), "model.bin", "schema.json"),
    ):
        found = [verdict for verdict in judged(data, name) if verdict.format == "skops"]
        assert {(verdict.kind, verdict.member) for verdict in found} == {("code", member)}
        assert calls in [verdict.calls for verdict in found]


def test_other_schemas_and_broken_ones() -> None:
    schema = json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}).encode()
    assert told(schema, "schema.json") == []
    assert told(zipped({"schema.json": schema}), "a.zip") == []
    assert told(zipped({"a": b""}), "model.skops") == [("malformed", "skops", None)]
    assert told(b'{"__loader__": ', "schema.json") == [("malformed", "skops", None)]
    far, long = b'{"a": "%b", ' % (b"b" * (1 << 21)), b'{"a": "%b", ' % (b"b" * (9 << 20))
    for key in (b'"__loader__": ', rb'"\u005f_loader_\u005F": '):
        assert told(far + key, "schema.json") == [("malformed", "skops", None)]
        assert told(long + key + b'"TypeNode"}', "schema.json") == [("opaque", "skops", None)]
    assert told(long + b'"b": 1}', "schema.json") == told(rb'{"a": "\u003c", // b', "schema.json") == []
    wide = (long + b'"__loader__": "TypeNode"}').decode().encode("utf-16")
    assert told(wide, "schema.json") == [("opaque", "skops", None)]
    long = b'{"__loader__": "ListNode", "content": [' + b"[]," * 200_000 + b"[]]}"
    assert [(v.kind, v.forced) for v in judged(long, "schema.json")] == [("opaque", True)]


@QUICK
@given(JSON, st.binary(max_size=12), st.integers(0, 300))
def test_no_schema_raises(value: Any, noise: bytes, at: int) -> None:
    text = json.dumps(estimator(value, node("FunctionNode", "os", "system", content=value))).encode()
    judged(text, "schema.json")
    judged(text[:at] + noise + text[at:], "schema.json")
    judged(skops(estimator(value)), "model.skops")
