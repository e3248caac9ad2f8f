"""Keras configurations: what a model is built of, in JSON (or, from long ago, YAML), wherever it is kept.

That is `config.json` in a `.keras` zip (``keras/src/saving/saving_lib.py``), the attributes `model_config` and
`training_config` of an HDF5 file, and files of `model.to_json()` and `to_yaml()`. Loading builds every object that
the configuration names, so that it runs code where one is a function as bytecode (a Lambda layer; CVE-2024-3660, and
CVE-2025-9905 for HDF5, where Keras's safe mode does nothing), a pickle (TorchModuleWrapper; CVE-2025-49655), a
SavedModel or anything else that does not belong to Keras (see `keras_names`). Classes without a module are those
that whoever loads the model has to define: their code is not the file's. A class with a module that is not
Keras's is imported by tf_keras and earlier versions of Keras, and counts as code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from git_custody.core.content import Content
from git_custody.formats import bounded_json
from git_custody.formats.paths import leaves_folder
from git_custody.formats.verdicts import CODE, MALFORMED, OPAQUE, SAFE, Budget, Member, Said, Scene
from git_custody.formats.yaml_events import BreaksOffError, events

ZIP_START = b"PK\x03\x04"
BOM = b"\xef"
CONFIG = "config.json"
TENSORFLOW_JS = "modelTopology"  # in its model.json, from which `tensorflowjs` builds the Keras model again
KEYS = ("class_name", "config", "module", "registered_name", "function", "function_type")
YAML_AT_MOST = 512 * 1024
EVENTS_AT_MOST = 60_000
FINDINGS_AT_MOST = 20
NESTED_AT_MOST = 4
STEPS_PER_MEMBER_AGAIN = 32  # beside what it takes to look into it
TEXTS_AT_MOST = 10_000  # that hold configurations themselves
MODELS = frozenset(("Model", "Functional", "Sequential"))
OF_KERAS = frozenset(("module", "registered_name", "keras_version", "backend", "build_config", "compile_config"))
SIGNS = (b'"class_name"', b'"config"')
SIGNS_OF_KERAS = tuple(b'"%b"' % word.encode() for word in sorted(MODELS | OF_KERAS))
PROGRAMS = (".py", ".pyc", ".so", ".dll", ".pyd", ".dylib", ".sh")

# Classes that do more than build themselves, whatever module is named with them.
LOADERS = {
    "__lambda__": ("a lambda, kept as Python bytecode", "marshal.loads"),
    "TorchModuleWrapper": ("a TorchModuleWrapper layer, which holds a pickle", "torch.load"),
    "TFSMLayer": ("a TFSMLayer, which loads a SavedModel from a path of its own", "tensorflow.saved_model.load"),
}
CALLED_ON_TENSORS = frozenset(("numpy", "tofile", "dump", "dumps", "eval"))
WITH_FILES = ("StringLookup", "IntegerLookup", "TextVectorization", "IndexLookup", "Tokenizer")

Object = dict[str, Any]
TOO_LONG = Said(OPAQUE, "keras", "a Keras configuration that is too long to be looked into", forced=True)


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Judge a configuration that is a file of its own, or a member of one; and what a `.keras` zip consists of."""
    name = scene.name.lower()
    if scene.head[:4] == ZIP_START:
        if name.endswith(".keras"):
            yield from _archive(scene)
    elif scene.head[:1] in b"bc":
        yield from _yaml(scene)
    else:
        named = name.rpartition("/")[2] == CONFIG
        if named or scene.head.lstrip(b" \t\r\n")[:1] in (b"{", b"", BOM):
            yield from _alone(scene, named)


def judge(content: Content, where: str, budget: Budget) -> Iterator[Said]:
    """What is wrong with a configuration, which is JSON and known to be one; `where` it lies."""
    config = _read(content, budget)
    if isinstance(config, Said):
        yield config._replace(evidence=where)
    else:
        yield from _findings(config, where, budget)


def _alone(scene: Scene, named: bool) -> Iterator[Said]:
    """A JSON file; only where it is `named` like a configuration, it may be in another encoding than UTF-8."""
    if not named and not bounded_json.holds(scene.content, SIGNS, scene.budget):
        return
    config = _read(scene.content, scene.budget)
    if isinstance(config, Said):
        others = SIGNS_OF_KERAS if config.kind == OPAQUE else (b'"module"',)
        if len(bounded_json.lacks(scene.content, others, scene.budget)) < len(others) and (
            not named or bounded_json.holds(scene.content, SIGNS, scene.budget)
        ):
            yield config
    elif isinstance(config, dict) and _is_keras(config):
        findings = list(_findings(config, scene.name.rpartition("/")[2] or "the file", scene.budget))
        yield from findings or [Said(SAFE, "keras", "the configuration of a Keras model")]
    elif isinstance(config, dict) and isinstance(topology := config.get(TENSORFLOW_JS), dict):
        config = topology.get("model_config", topology)
        if isinstance(config, dict) and _is_keras(config):
            yield from _findings(config, TENSORFLOW_JS, scene.budget)


def _is_keras(config: Object) -> bool:
    name = config.get("class_name")
    return isinstance(name, str) and "config" in config and (name in MODELS or not OF_KERAS.isdisjoint(config))


def _read(content: Content, budget: Budget) -> Any:
    """The value of a configuration, or what to say of one that has none."""
    try:
        return bounded_json.read(content, budget, KEYS)
    except bounded_json.TooLong:
        return TOO_LONG
    except bounded_json.Broken:
        return Said(MALFORMED, "keras", "a Keras configuration that is not valid JSON, or has a key twice")


# Findings


def _findings(config: Any, where: str, budget: Budget) -> Iterator[Said]:
    told: set[str] = set()
    try:
        for value in _objects(config, budget):
            for said in _of_one(value, where):
                if said.what not in told:
                    told.add(said.what)
                    yield said
            if len(told) >= FINDINGS_AT_MOST:
                return
    except bounded_json.TooLong:
        yield TOO_LONG._replace(evidence=where)


def _of_one(value: Object, where: str) -> Iterator[Said]:
    for what, calls in _of_object(value):
        named = value.get("name") or _config(value).get("name")
        evidence = f"{value.get('class_name')} {named!r} in {where}" if isinstance(named, str) else where
        yield Said(CODE, "keras", f"a Keras model with {what}", calls, evidence[:300])
    path = _file_outside(value)
    if path is not None:
        what = "a Keras model that reads a file outside of itself"
        yield Said(MALFORMED, "keras", what, None, f"vocabulary {path[:200]!r} in {where}")


def _objects(config: Any, budget: Budget) -> Iterator[Object]:
    """Every JSON object in a configuration, also in texts that hold JSON. Raises `TooLong` for too many of these."""
    values: list[Any] = [[config]]
    texts: list[tuple[str, int]] = []
    nested = count = 0
    while values or texts:
        if not values:
            text, nested = texts.pop()
            with suppress(bounded_json.TooLong, bounded_json.Broken):
                values.append([bounded_json.parse(text.encode("utf-8", "replace"), KEYS, budget)])
            continue
        value = values.pop()
        if isinstance(value, dict):
            yield value
            value = value.values()
        for inner in value:
            if isinstance(inner, str):
                if "class_name" in inner and inner.lstrip()[:1] in ("{", "[") and nested < NESTED_AT_MOST:
                    texts.append((inner, nested + 1))
                    count += 1
                    if count > TEXTS_AT_MOST:
                        raise bounded_json.TooLong
            elif inner and isinstance(inner, (dict, list)):
                values.append(inner)


def _config(value: Object) -> Object:
    config = value.get("config")
    return config if isinstance(config, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _of_object(value: Object) -> Iterator[tuple[str, str | None]]:
    """What one object would run: in words, and the name of what is called."""
    from git_custody.formats import keras_names

    name = _text(value.get("class_name"))
    if not name:
        return
    if any(kind == "lambda" and key.endswith("_type") for key, kind in _config(value).items()):
        yield LOADERS["__lambda__"]  # as Keras 1 and 2 say it of a Lambda's function, output shape and mask
    names = {name.rpartition(">")[2], _text(value.get("registered_name")).rpartition(">")[2]}
    for loader in names & LOADERS.keys():
        yield LOADERS[loader]
    module = _text(value.get("module"))
    if "Lambda" in names:
        yield from _of_lambda(_config(value))
    elif name == "TFOpLambda":
        function = _text(_config(value).get("function"))
        if not keras_names.is_arithmetic(function):
            yield f"a layer that calls {function[:100]!r} of TensorFlow", f"tensorflow.{function[:100]}"
    elif name in ("TensorFlowOpLayer", "ClassMethod", "InstanceMethod", "InstanceProperty"):
        yield from _of_tensorflow(name, _config(value))
    if module:
        yield from _of_names(value, module, name)


def _of_names(value: Object, module: str, name: str) -> Iterator[tuple[str, str | None]]:
    """Classes and functions that are none of Keras's own."""
    from git_custody.formats import keras_names

    if name == "function":
        named = _text(value.get("config"))
        known = keras_names.is_function(module, named)
    elif name == "__typespec__":
        named = _text(value.get("spec_name"))
        known = keras_names.is_type_spec(module, named)
    else:
        named = name
        registered = _text(value.get("registered_name"))
        known = keras_names.is_class(module, name) and (
            ">" in registered or not registered or keras_names.is_class(module, registered)
        )
    if not known:
        dotted = f"{module}.{named}"[:200]
        kind = "the function" if name == "function" else "the class"
        if module.partition(".")[0] in keras_names.OWN:
            yield f"{kind} {dotted}, which is not one that only builds a model", dotted
        else:
            yield f"{kind} {dotted}, which tf_keras and Keras before 3.9 import", dotted


def _of_lambda(config: Object) -> Iterator[tuple[str, str | None]]:
    """A Lambda layer; one that only names a function is judged by that function."""
    function = config.get("function")
    if isinstance(function, dict) and function.get("class_name") != "__lambda__":
        return
    if isinstance(function, str) and function.isidentifier() and config.get("function_type") in ("function", None):
        return
    yield LOADERS["__lambda__"]


def _of_tensorflow(name: str, config: Object) -> Iterator[tuple[str, str | None]]:
    """Layers that tf_keras makes of TensorFlow's own functions and methods."""
    from git_custody.formats.tensorflow_graph import DANGEROUS

    if name == "TensorFlowOpLayer":
        node = config.get("node_def")
        text = node if isinstance(node, str) else "\n".join(_texts(node))
        operation = next((known for known in DANGEROUS if known in text), None)
        if operation is not None:
            yield f"the TensorFlow operation {operation}", f"tensorflow.raw_ops.{operation}"
    elif name == "ClassMethod":
        symbol = _text(config.get("cls_symbol"))
        if symbol.rpartition(".")[2] not in ("RaggedTensor", "SparseTensor"):
            yield f"a layer that calls a method of {symbol[:100]!r} of TensorFlow", f"tensorflow.{symbol[:100]}"
    else:
        attribute = _text(config.get("attr_name"))
        if attribute.startswith("_") or attribute in CALLED_ON_TENSORS:
            yield f"a layer that calls {attribute[:100]!r} of a tensor", None


def _texts(node: Any) -> Iterator[str]:
    """All texts in a node, but for those of layers in it, which are judged by themselves."""
    pending = [node]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, dict) and value.get("class_name") != "TensorFlowOpLayer":
            yield from value
            pending += value.values()


def _file_outside(value: Object) -> str | None:
    if not _text(value.get("class_name")).endswith(WITH_FILES):
        return None
    path = _config(value).get("vocabulary")
    return path if isinstance(path, str) and ("://" in path or leaves_folder(path)) else None


# Files


def _archive(scene: Scene) -> Iterator[Said]:
    """What a `.keras` zip consists of; its members are looked at as such."""
    from git_custody.formats import zips

    config: Content | None = None
    odd = outside = None
    for member in zips.inspect(scene):
        scene.budget.steps -= STEPS_PER_MEMBER_AGAIN
        if scene.budget.steps < 0:
            return
        if isinstance(member, Member):
            name = member.name or ""
            if odd is None and name.lower().endswith(PROGRAMS):
                odd = name
            if outside is None and leaves_folder(name):
                outside = name
            if name == CONFIG:
                config = member.content
    if config is None:
        yield Said(MALFORMED, "keras", f"a Keras model without its {CONFIG}")
        return
    if odd is not None:
        yield Said(MALFORMED, "keras", "a Keras model that holds a program", None, odd[:200])
    if outside is not None:
        yield Said(MALFORMED, "keras", "a Keras model with a member outside of its folder", None, outside[:200])
    if odd is None and outside is None:
        value = _read(config, scene.budget)
        if isinstance(value, Said):
            yield value
        elif not (isinstance(value, dict) and "class_name" in value):
            yield Said(MALFORMED, "keras", f"a Keras model whose {CONFIG} holds none")
        elif next(_findings(value, CONFIG, scene.budget), None) is None:
            yield Said(SAFE, "keras", "a Keras model")


# YAML


def _yaml(scene: Scene) -> Iterator[Said]:
    """A configuration from `to_yaml()`, of Keras up to 2.5."""
    if b"class_name:" not in scene.head or b"config:" not in scene.head:
        return
    config = _from_yaml(scene.content.read_at(0, YAML_AT_MOST), scene.budget)
    if isinstance(config, dict) and _is_keras(config):
        findings = list(_findings(config, scene.name.rpartition("/")[2] or "the file", scene.budget))
        yield from findings or [Said(SAFE, "keras", "the configuration of a Keras model")]


def _from_yaml(data: bytes, budget: Budget) -> Any:
    """Mappings, sequences and texts of a YAML document, whatever its tags; what is referred to stands only once."""
    import yaml

    texts: dict[str, str] = {}
    stack: list[Any] = [[]]
    keys: list[str | None] = [None]

    def put(value: Any) -> None:
        if isinstance(stack[-1], list):
            stack[-1].append(value)
        elif keys[-1] is None:
            keys[-1] = value if isinstance(value, str) else ""
        else:
            stack[-1][keys[-1]] = value
            keys[-1] = None

    try:
        for event in islice(events(data, budget), EVENTS_AT_MOST):
            if isinstance(event, yaml.ScalarEvent):
                put(event.value)
                if event.anchor:
                    texts[event.anchor] = event.value
            elif isinstance(event, yaml.AliasEvent):
                put(texts.get(event.anchor or ""))
            elif isinstance(event, yaml.CollectionStartEvent):
                stack.append({} if isinstance(event, yaml.MappingStartEvent) else [])
                keys.append(None)
            elif isinstance(event, yaml.CollectionEndEvent):
                value = stack.pop()
                keys.pop()
                put(value)
    except BreaksOffError:
        return None
    return next(iter(stack[0]), None)
