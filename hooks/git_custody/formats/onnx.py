"""ONNX: graphs of operators, whose definitions are not in the file, and whose weights may lie in other files.

The layout is onnx.proto (IR version 14). Operators of the standard's own domains, and functions that the model
itself defines, are all that every runtime has; others need native code or Python. External data has to stay in the
model's folder: CVE-2022-25882, CVE-2024-27318, CVE-2025-51480; `onnx/checker.cc` (resolve_external_data_location).
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.formats.paths import leaves_folder
from git_custody.formats.pointers import is_pointer
from git_custody.formats.protobuf import BYTES, DEPTH_AT_MOST, VARINT, Reader
from git_custody.formats.reading import BrokenError, TooMuchError, gave_up
from git_custody.formats.verdicts import CODE, MALFORMED, SAFE, Member, Said, Scene

TITLE = "an ONNX model"
STANDARD_DOMAINS = frozenset(
    ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview", "ai.onnx.preview.training")
)
# ONNX Runtime's language interop (PyOp) and training (PythonOp) look up Python classes by name.
PYTHON_OPERATORS = ("PyOp", "PythonOp", "PythonOpGrad")
PARTS_OF_CLASS = ("module", "class_name", "func_name")
OPERATORS_AT_MOST = 20_000
NAME_AT_MOST = 200
NAMES_AT_MOST = 1_500_000  # characters, which may take four bytes each
MODEL_FIELDS_AT_MOST = 50_000

# Field numbers of each message, as far as they are looked at, and the wire types of all of them in ModelProto.
MODEL = {1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, 7: BYTES, 8: BYTES, 14: BYTES, 20: BYTES}
MODEL |= {25: BYTES, 26: BYTES}
REPEATED = (8, 14, 20, 25, 26)
IR_VERSION, GRAPH, TRAINING, FUNCTIONS = 1, 7, 20, 25
GRAPH_FIELDS = frozenset((1, 2, 5, 10, 11, 12, 13, 14, 15, 16))
GRAPH_NODE, GRAPH_NAME, GRAPH_INITIALIZER, GRAPH_SPARSE = 1, 2, 5, 15
NODE_TYPE, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
FUNCTION_NAME, FUNCTION_NODE, FUNCTION_DOMAIN, FUNCTION_ATTRIBUTE = 1, 7, 10, 11
ATTRIBUTE_NAME, ATTRIBUTE_STRING = 1, 4
ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS, ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
TENSOR_NAME, TENSOR_EXTERNAL = 8, 13


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look for operators that are not ONNX's own, and for weights outside of the model's folder."""
    named = scene.name.lower().endswith(".onnx")
    if named and is_pointer(scene.head):
        return
    reader = Reader(scene.content, scene.budget)
    try:
        if not _is_model(reader, named):
            if named:
                yield gave_up(BrokenError(), "onnx", TITLE)
            return
        model = _Model(reader)
        model.read()
    except (BrokenError, TooMuchError) as error:
        yield gave_up(error, "onnx", TITLE)
        return
    yield from model.said()


def _is_model(reader: Reader, named: bool) -> bool:
    """Whether the top level is that of a ModelProto: strictly, unless the name says so already."""
    seen: set[int] = set()
    graph = None
    try:
        for count, (number, kind, begin, end) in enumerate(reader.fields()):
            if number == GRAPH and kind == BYTES:
                graph = begin, end
            if named:
                continue
            if MODEL.get(number) != kind or (number in seen and number not in REPEATED) or count > MODEL_FIELDS_AT_MOST:
                return False
            if number == IR_VERSION and not 0 < begin < 256:
                return False
            seen.add(number)
        if graph is None or not (named or IR_VERSION in seen):
            return False
        parts = {number for number, _, _, _ in reader.fields(*graph)}
        return named or ({GRAPH_NODE, GRAPH_NAME} <= parts <= GRAPH_FIELDS)
    except BrokenError:
        return False


class _Model:
    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.foreign: dict[tuple[str, str], None] = {}  # (domain, operator), in the order of the file
        self.functions: set[tuple[str, str]] = set()
        self.python: tuple[str, str] | None = None  # what would be called, and which operator does
        self.outside: str | None = None  # which weights are elsewhere
        self._names = 0

    def read(self) -> None:
        for number, kind, begin, end in self.reader.fields():
            if kind != BYTES:
                continue
            if number == GRAPH:
                self._graph(begin, end, 1)
            elif number == FUNCTIONS:
                self._function(begin, end)
            elif number == TRAINING:
                for part, part_kind, part_begin, part_end in self.reader.fields(begin, end):
                    if part in (1, 2) and part_kind == BYTES:
                        self._graph(part_begin, part_end, 2)

    def said(self) -> Iterator[Said]:
        if self.python is not None:
            calls, evidence = self.python
            yield Said(CODE, "onnx-custom-ops", f"{TITLE} with an operator that calls Python", calls or None, evidence)
        if self.outside is not None:
            what = f"{TITLE} that refers to a file outside of its folder"
            yield Said(MALFORMED, "onnx", what, None, self.outside)
        if self.python is not None or self.outside is not None:
            return
        for domain, operator in self.foreign:
            if (domain, operator) not in self.functions:
                what = f"{TITLE} with operators that are not part of ONNX"
                yield Said(SAFE, "onnx-custom-ops", what, None, _operator(operator, domain))
                return
        yield Said(SAFE, "onnx", TITLE)

    def _graph(self, begin: int, end: int, depth: int) -> None:
        if depth > DEPTH_AT_MOST:
            raise BrokenError
        for number, kind, at, stop in self.reader.fields(begin, end):
            if kind != BYTES:
                continue
            if number == GRAPH_NODE:
                self._node(at, stop, depth)
            elif number == GRAPH_INITIALIZER:
                self._tensor(at, stop)
            elif number == GRAPH_SPARSE:
                self._sparse(at, stop)

    def _function(self, begin: int, end: int) -> None:
        domain = name = ""
        for number, kind, at, stop in self.reader.fields(begin, end):
            if kind != BYTES:
                continue
            if number == FUNCTION_NODE:
                self._node(at, stop, 2)
            elif number == FUNCTION_NAME:
                name = self.reader.text(at, stop)[:NAME_AT_MOST]
            elif number == FUNCTION_DOMAIN:
                domain = self.reader.text(at, stop)[:NAME_AT_MOST]
            elif number == FUNCTION_ATTRIBUTE:
                self._attribute(at, stop, 2)
        self.functions.add((domain, name))
        self._keep(domain, name, len(self.functions))

    def _node(self, begin: int, end: int, depth: int) -> None:
        operator = domain = ""
        for number, kind, at, stop in self.reader.fields(begin, end):
            if kind != BYTES:
                continue
            if number == NODE_TYPE:
                operator = self.reader.text(at, stop)[:NAME_AT_MOST]
            elif number == NODE_DOMAIN:
                domain = self.reader.text(at, stop)[:NAME_AT_MOST]
            elif number == NODE_ATTRIBUTE:
                self._attribute(at, stop, depth + 1)
        if domain in STANDARD_DOMAINS:
            return
        if operator in PYTHON_OPERATORS and self.python is None:
            self.python = self._class(begin, end), _operator(operator, domain)
        if (domain, operator) not in self.foreign:
            self.foreign[domain, operator] = None
            self._keep(domain, operator, len(self.foreign))

    def _keep(self, domain: str, name: str, count: int) -> None:
        self._names += len(domain) + len(name)
        if count > OPERATORS_AT_MOST or self._names > NAMES_AT_MOST:
            raise TooMuchError

    def _class(self, begin: int, end: int) -> str:
        """The dotted name of the Python class that a node asks for."""
        values = {}
        for number, kind, at, stop in self.reader.fields(begin, end):
            if number == NODE_ATTRIBUTE and kind == BYTES:
                name, value = self.reader.strings(at, stop, ATTRIBUTE_NAME, ATTRIBUTE_STRING)
                if name in PARTS_OF_CLASS:
                    values[name] = value[:NAME_AT_MOST]
        parts = [values.get("module", ""), values.get("class_name", "") or values.get("func_name", "")]
        return ".".join(filter(None, parts))

    def _attribute(self, begin: int, end: int, depth: int) -> None:
        for number, kind, at, stop in self.reader.fields(begin, end):
            if kind != BYTES:
                continue
            if number in ATTRIBUTE_GRAPHS:
                self._graph(at, stop, depth + 1)
            elif number in ATTRIBUTE_TENSORS:
                self._tensor(at, stop)
            elif number in ATTRIBUTE_SPARSE:
                self._sparse(at, stop)

    def _sparse(self, begin: int, end: int) -> None:
        for number, kind, at, stop in self.reader.fields(begin, end):
            if number in (1, 2) and kind == BYTES:
                self._tensor(at, stop)

    def _tensor(self, begin: int, end: int) -> None:
        name, outside = "", ""
        for number, kind, at, stop in self.reader.fields(begin, end):
            if kind != BYTES:
                continue
            if number == TENSOR_NAME:
                name = self.reader.text(at, stop)[:NAME_AT_MOST]
            elif number == TENSOR_EXTERNAL:
                key, value = self.reader.strings(at, stop, 1, 2)
                if _is_outside(key, value):
                    outside = f"{key} {value[:NAME_AT_MOST]!r}"
        if outside and self.outside is None:
            self.outside = f"external data of tensor {name!r}: {outside}"


def _operator(operator: str, domain: str) -> str:
    return f"operator {operator!r} of domain {domain!r}"


def _is_outside(key: str, value: str) -> bool:
    """Whether this is a place that no saved model has: in another folder, or in the memory of the process."""
    if key == "location":
        return not value or leaves_folder(value) or "_ORT_MEM_ADDR_" in value
    return key in ("offset", "length") and not (value.isascii() and value.isdigit())
