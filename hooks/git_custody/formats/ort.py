"""ONNX Runtime's own format (.ort): an ONNX model as a flatbuffer.

The layout is onnxruntime/core/flatbuffers/schema/ort.fbs. What is said of operators is what `onnx` says of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.formats.flatbuffers import Reader, Table
from git_custody.formats.onnx import PARTS_OF_CLASS, PYTHON_OPERATORS, STANDARD_DOMAINS
from git_custody.formats.reading import BrokenError, TooMuchError, gave_up
from git_custody.formats.verdicts import CODE, SAFE, Member, Said, Scene

TITLE = "an ONNX Runtime model"
MARK = b"ORTM"
DEPTH_AT_MOST = 50
NAME_AT_MOST = 200

# Fields, by their index in the schema.
SESSION_MODEL, MODEL_GRAPH, GRAPH_NODES = 1, 7, 2
NODE_DOMAIN, NODE_TYPE, NODE_ATTRIBUTES = 2, 5, 10
ATTRIBUTE_NAME, ATTRIBUTE_STRING, ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS = 0, 5, 7, 12


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look for operators that are not ONNX's own."""
    reader = Reader(scene.content, scene.budget)
    if scene.head[4:8] != MARK or not reader.holds(int.from_bytes(scene.head[:4], "little"), 4):
        return
    try:
        yield _said(reader)
    except (BrokenError, TooMuchError) as error:
        yield gave_up(error, "ort", TITLE)


def _said(reader: Reader) -> Said:
    model = reader.root().table(SESSION_MODEL)
    graph = model.table(MODEL_GRAPH) if model else None
    if graph is None:
        raise BrokenError
    foreign: str | None = None
    for node in _nodes(graph, 1):
        domain, operator = node.text(NODE_DOMAIN)[:NAME_AT_MOST], node.text(NODE_TYPE)[:NAME_AT_MOST]
        if domain in STANDARD_DOMAINS:
            continue
        evidence = f"operator {operator!r} of domain {domain!r}"
        if operator in PYTHON_OPERATORS:
            what = f"{TITLE} with an operator that calls Python"
            return Said(CODE, "onnx-custom-ops", what, _class(node) or None, evidence)
        foreign = foreign or evidence
    if foreign is not None:
        return Said(SAFE, "onnx-custom-ops", f"{TITLE} with operators that are not part of ONNX", None, foreign)
    return Said(SAFE, "ort", TITLE)


def _nodes(graph: Table, depth: int) -> Iterator[Table]:
    """The nodes of a graph, and of those in their attributes."""
    if depth > DEPTH_AT_MOST:
        raise BrokenError
    for node in graph.tables(GRAPH_NODES):
        yield node
        for attribute in node.tables(NODE_ATTRIBUTES):
            inner = attribute.table(ATTRIBUTE_GRAPH)
            if inner is not None:
                yield from _nodes(inner, depth + 1)
            for each in attribute.tables(ATTRIBUTE_GRAPHS):
                yield from _nodes(each, depth + 1)


def _class(node: Table) -> str:
    """The dotted name of the Python class that a node asks for."""
    texts: dict[str, str] = {}
    for each in node.tables(NODE_ATTRIBUTES):
        if (name := each.text(ATTRIBUTE_NAME)) in PARTS_OF_CLASS:
            texts[name] = each.text(ATTRIBUTE_STRING)
    parts = (texts.get("module"), texts.get("class_name") or texts.get("func_name"))
    return ".".join(part[:NAME_AT_MOST] for part in parts if part)
