"""Writes models with one library: ``python graph_samples.py LIBRARY FOLDER``, in a process of its own.

Each file is named by what is to be said of it: ``KIND+FORMAT+NAME``. What the models do, if anything, is to read or
write a file "marker" in that folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


def onnx(folder: Path) -> None:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def value(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4])

    def model(*nodes: onnx.NodeProto, **more: object) -> onnx.ModelProto:
        weights = numpy_helper.from_array(np.eye(4, dtype="float32"), "W")
        graph = helper.make_graph(list(nodes), "g", [value("X")], [value("Y")], [weights])
        domains = {node.domain for node in nodes} | {""}
        opsets = [helper.make_opsetid(domain, 21 if not domain else 1) for domain in sorted(domains)]
        return helper.make_model(graph, opset_imports=opsets, **more)

    def node(operator: str, domain: str = "", **attributes: object) -> onnx.NodeProto:
        return helper.make_node(operator, ["X", "W"], ["Y"], domain=domain, **attributes)

    plain = model(node("MatMul"))
    onnx.save(plain, folder / "safe+onnx+plain.onnx")
    onnx.save(model(node("Gelu", "com.microsoft")), folder / "safe+onnx-custom-ops+microsoft.onnx")
    python = node("PyOp", "pyopmulti_1", module="shop", class_name="Discount")
    onnx.save(model(python), folder / "code+onnx-custom-ops+python.onnx")
    opset = [helper.make_opsetid("", 21)]
    twice = helper.make_function("mine", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], opset)
    local = model(helper.make_node("Twice", ["X"], ["Y"], domain="mine"), functions=[twice])
    onnx.checker.check_model(local)
    onnx.save(local, folder / "safe+onnx+function.onnx")
    outside = model(node("MatMul"))
    tensor = outside.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for location, name in (("../w.bin", "parent"), ("/etc/hostname", "absolute"), ("a/../../w.bin", "hidden")):
        del tensor.external_data[:]
        tensor.external_data.add(key="location", value=location)
        (folder / f"malformed+onnx+{name}.onnx").write_bytes(outside.SerializeToString())
    onnx.save(plain, folder / "safe+onnx+external.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)


def tensorflow(folder: Path) -> None:
    import tensorflow as tf

    marker = str(folder / "marker")
    signature = [tf.TensorSpec([4, 4])]

    class Plain(tf.Module):
        def __init__(self) -> None:
            self.weights = tf.Variable(tf.ones([4, 4]))
            self.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), 0)

        @tf.function(input_signature=signature)
        def __call__(self, x):
            for _ in tf.range(3):
                x = tf.nn.relu(x @ self.weights)
            tf.print("a line on standard error", x)
            return x, self.table.lookup(tf.constant(["a"]))

    class Writes(tf.Module):
        @tf.function(input_signature=signature)
        def __call__(self, x):
            tf.io.write_file(marker, "x")
            return x

    class Reads(tf.Module):
        @tf.function(input_signature=signature)
        def __call__(self, x):
            return x + tf.strings.to_number(tf.io.read_file(marker))

    class CallsPython(tf.Module):
        @tf.function(input_signature=signature)
        def __call__(self, x):
            return tf.py_function(lambda y: y, [x], tf.float32) + tf.numpy_function(lambda y: y, [x], tf.float32)

    class Prints(tf.Module):
        @tf.function(input_signature=signature)
        def __call__(self, x):
            tf.print("text", output_stream=f"file://{marker}")
            return x

    def save(module: tf.Module, name: str) -> None:
        tf.saved_model.save(module, str(folder / name))
        if isinstance(module, (Writes, Prints)):
            tf.saved_model.load(str(folder / name))(tf.ones([4, 4]))
            os.unlink(marker)  # it was written: these do what is said of them
        known = name.split("+")
        os.rename(folder / name / "saved_model.pb", folder / f"{known[0]}+{known[1]}+{known[2]}.saved_model.pb")

    save(Plain(), "safe+tf-savedmodel+plain")
    for module, name in ((Writes(), "writes"), (Reads(), "reads"), (CallsPython(), "python"), (Prints(), "prints")):
        save(module, f"code+tf-savedmodel+{name}")

    def lite(module: tf.Module, name: str, *, flex: bool = False, custom: bool = False) -> None:
        converter = tf.lite.TFLiteConverter.from_concrete_functions([module.__call__.get_concrete_function()], module)
        if flex:
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
        converter.allow_custom_ops = custom
        (folder / f"{name}.tflite").write_bytes(converter.convert())

    class Dense(tf.Module):
        @tf.function(input_signature=signature)
        def __call__(self, x):
            return tf.nn.softmax(x @ tf.ones([4, 2]))

    class Determinant(tf.Module):
        @tf.function(input_signature=signature)
        def __call__(self, x):
            return tf.linalg.cholesky(x)

    lite(Dense(), "safe+tflite+dense")
    lite(Determinant(), "safe+tflite-custom-ops+flex", flex=True)
    lite(Determinant(), "safe+tflite-custom-ops+custom", custom=True)
    lite(Writes(), "code+tflite-custom-ops+writes", flex=True)
    lite(Reads(), "code+tflite-custom-ops+reads", flex=True)

    v1 = tf.compat.v1
    for operation in (None, "reads", "writes"):
        with tf.Graph().as_default() as graph, v1.Session() as session:
            x = v1.placeholder(tf.float32, [None, 4], name="x")
            weights = v1.get_variable("w", [4, 2])
            y = tf.matmul(x, weights, name="y")
            if operation == "reads":
                y = tf.add(y, tf.strings.to_number(tf.io.read_file(marker)), name="z")
            elif operation == "writes":
                with tf.control_dependencies([tf.io.write_file(marker, "x")]):
                    y = tf.identity(y, name="z")
            session.run(v1.global_variables_initializer())
            start = f"{'code' if operation else 'safe'}+tf-graph+{operation or 'plain'}"
            frozen = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), [y.op.name])
            (folder / f"{start}-frozen.pb").write_bytes(frozen.SerializeToString())
            tf.io.write_graph(frozen, str(folder), f"{start}.pbtxt")
            v1.train.Saver().export_meta_graph(str(folder / f"{start}.meta"))


def tf_keras(folder: Path) -> None:
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tf_keras as keras

    plain = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization()])
    evil = keras.Sequential([keras.layers.Input((4,)), keras.layers.Lambda(lambda x: x * 2)])
    for model, name in ((plain, "none+none+plain"), (evil, "code+keras+lambda")):
        model.save(str(folder / name), save_format="tf")
        os.rename(folder / name / "keras_metadata.pb", folder / f"{name}.keras_metadata.pb")
        os.rename(folder / name / "saved_model.pb", folder / f"safe+tf-savedmodel+{name}.saved_model.pb")


def coremltools(folder: Path) -> None:
    import coremltools as ct
    import numpy as np
    from coremltools.converters.mil import Builder
    from coremltools.models import datatypes
    from coremltools.models.neural_network import NeuralNetworkBuilder
    from coremltools.proto import Model_pb2, NeuralNetwork_pb2

    features = [("x", datatypes.Array(4))], [("y", datatypes.Array(4))]
    builder = NeuralNetworkBuilder(*features)
    builder.add_inner_product("dense", np.ones((4, 4)), np.ones(4), 4, 4, True, "x", "y")
    ct.models.utils.save_spec(builder.spec, str(folder / "safe+coreml+network.mlmodel"))
    builder = NeuralNetworkBuilder(*features)
    builder.add_custom("mine", ["x"], ["y"], NeuralNetwork_pb2.CustomLayerParams(className="Mine"))
    ct.models.utils.save_spec(builder.spec, str(folder / "safe+coreml-custom+layer.mlmodel"))

    @Builder.program(input_specs=[Builder.TensorSpec(shape=(1, 400))])
    def program(x):
        return Builder.relu(x=Builder.matmul(x=x, y=np.random.rand(400, 40).astype("float32")))

    package = folder / "package.mlpackage"
    ct.convert(program, convert_to="mlprogram", minimum_deployment_target=ct.target.iOS16).save(str(package))
    data = (package / "Data" / "com.apple.CoreML" / "model.mlmodel").read_bytes()
    (folder / "safe+coreml+program.mlmodel").write_bytes(data)
    inside = b"@model_path/weights/weight.bin"
    assert inside in data
    (folder / "malformed+coreml+outside.mlmodel").write_bytes(data.replace(inside, b"@model_path/../../../weight.bn"))

    model = Model_pb2.Model(specificationVersion=4)
    model.description.input.add(name="x")
    model.customModel.className = "Mine"
    (folder / "safe+coreml-custom+model.mlmodel").write_bytes(model.SerializeToString())
    model.linkedModel.linkedModelFile.linkedModelFileName.defaultValue = "../../other.mlmodelc"
    (folder / "malformed+coreml+linked.mlmodel").write_bytes(model.SerializeToString())


def openvino(folder: Path) -> None:
    import numpy as np
    import openvino as ov
    from openvino import opset13 as operators

    x = operators.parameter([1, 4], np.float32, name="x")
    product = operators.matmul(x, operators.constant(np.ones((4, 2), "float32")), False, False)
    model = ov.Model([operators.result(operators.relu(product))], [x], "m")
    path = folder / "safe+openvino+m.xml"
    ov.save_model(model, path)
    text = path.read_text()
    weights = (folder / "safe+openvino+m.bin").read_bytes()
    core = ov.Core()
    for name, changed, loads in (
        ("safe+openvino+utf16.xml", text.replace('<?xml version="1.0"?>', "").encode("utf-16"), True),
        ("safe+openvino+comment.xml", text.replace("<net", f"<!--{'x' * 3_000}--><net", 1).encode(), True),
        ("malformed+openvino+doctype.xml", text.replace("<net", "<!DOCTYPE net><net", 1).encode(), True),
        (
            "safe+openvino-custom+layer.xml",
            text.replace('"ReLU" version="opset1"', '"R" version="extension"').encode(),
            False,
        ),
        ("code+openvino-custom+library.xml", text.replace('"ReLU"', '"ReLU" library="/tmp/x.so"').encode(), True),
    ):
        (folder / name).write_bytes(changed)
        (folder / name).with_suffix(".bin").write_bytes(weights)
        try:
            core.read_model(folder / name)
        except RuntimeError:
            assert not loads, name
        else:
            assert loads, name


def paddle(folder: Path) -> None:
    import paddle

    paddle.enable_static()

    def save(make, name: str) -> None:
        program, start = paddle.static.Program(), paddle.static.Program()
        with paddle.static.program_guard(program, start):
            x = paddle.static.data("x", [None, 4], "float32")
            y = make(x)
        executor = paddle.static.Executor(paddle.CPUPlace())
        executor.run(start)
        paddle.static.save_inference_model(str(folder / name), [x], [y], executor, program=program)

    def calls_python(x):
        block = paddle.static.default_main_program().current_block()
        y = block.create_var(name="y", dtype="float32", shape=[-1, 4])
        return paddle.static.py_func(lambda z: z, x, y)

    save(lambda x: paddle.static.nn.fc(x, 2), "safe+paddle+pir")
    with paddle.pir_utils.OldIrGuard():
        save(lambda x: paddle.static.nn.fc(x, 2), "safe+paddle+old")
        save(calls_python, "code+paddle+python")
    paddle.disable_static()
    paddle.save(paddle.nn.Linear(4, 2).state_dict(), str(folder / "pickle+pickle+weights.pdparams"))


def executorch(folder: Path) -> None:
    import torch
    from executorch.exir import to_edge

    exported = torch.export.export(torch.nn.Linear(4, 2).eval(), (torch.ones(1, 4),))
    (folder / "code+executorch+m.pte").write_bytes(to_edge(exported).to_executorch().buffer)


if __name__ == "__main__":
    target = Path(sys.argv[2])
    {
        "onnx": onnx,
        "tensorflow": tensorflow,
        "tf_keras": tf_keras,
        "coremltools": coremltools,
        "openvino": openvino,
        "paddle": paddle,
        "executorch": executorch,
    }[sys.argv[1]](target)
