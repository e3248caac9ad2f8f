"""TensorFlow Lite: a flatbuffer of operators that the runtime has, or that the application has to bring along.

The layout is schema.fbs of `tensorflow/compiler/mlir/lite`. Flex operators run TensorFlow's own, as named in a NodeDef
in their options, whatever the operator's code says (`flex/kernel.cc`, OpNode::InitializeNodeDef).
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.formats.flatbuffers import Reader, Table
from git_custody.formats.reading import BrokenError, TooMuchError, gave_up
from git_custody.formats.verdicts import CODE, SAFE, Member, Said, Scene

TITLE = "a TensorFlow Lite model"
MARK = b"TFL3"
SCHEMA_VERSION = 3
CUSTOM = 32  # BuiltinOperator
NAME_AT_MOST = 200
CODES_AT_MOST = 10_000  # a file has one for each kind of operator
COST_OF_OPTIONS, BYTES_OF_OPTIONS_PER_READ = 4, 8
OPTIONS_READ_AT_MOST = 4 * 1024 * 1024

# Fields, by their index in the schema.
VERSION, OPERATOR_CODES, SUBGRAPHS, BUFFERS = 0, 1, 2, 4
CODE_BYTE, CODE_CUSTOM, CODE_NUMBER = 0, 1, 3
SUBGRAPH_OPERATORS = 3
OPERATOR_CODE, OPERATOR_OPTIONS, OPTIONS_OFFSET, OPTIONS_SIZE = 0, 5, 9, 10
BUFFER_DATA, BUFFER_OFFSET, BUFFER_SIZE = 0, 1, 2


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look for operators that are not TensorFlow Lite's own, and for weights outside of the file."""
    reader = Reader(scene.content, scene.budget)
    if scene.head[4:8] != MARK or not reader.holds(int.from_bytes(scene.head[:4], "little"), 4):
        return
    try:
        yield _said(reader)
    except (BrokenError, TooMuchError) as error:
        yield gave_up(error, "tflite", TITLE)


def _said(reader: Reader) -> Said:
    model = reader.root()
    if model.number(VERSION, 4) != SCHEMA_VERSION:
        raise BrokenError
    custom: list[str | None] = []
    for code in model.tables(OPERATOR_CODES):
        if len(custom) >= CODES_AT_MOST:
            raise TooMuchError
        custom.append(_custom_code(code))
    reaching = _operations(reader, model, custom)
    for buffer in model.tables(BUFFERS):
        buffer.vector(BUFFER_DATA, 1)
        offset, size = buffer.number(BUFFER_OFFSET, 8), buffer.number(BUFFER_SIZE, 8)
        if offset > 1 and not reader.holds(offset, size):
            raise BrokenError
    for operation, does in reaching.items():
        what = f"{TITLE} with TensorFlow's operation {operation}, which {does}"
        return Said(CODE, "tflite-custom-ops", what, f"tensorflow.raw_ops.{operation}")
    for name in custom:
        if name is not None:
            what = f"{TITLE} with operators that are not part of TensorFlow Lite"
            return Said(SAFE, "tflite-custom-ops", what, None, f"operator {name!r}")
    return Said(SAFE, "tflite", TITLE)


def _custom_code(code: Table) -> str | None:
    """The name of a custom operator; `None` for a builtin one. Old files only have the byte."""
    byte, number = code.number(CODE_BYTE, 1), code.number(CODE_NUMBER, 4)
    builtin = max(byte if byte < 1 << 7 else -1, number if number < 1 << 31 else -1)
    return code.text(CODE_CUSTOM)[:NAME_AT_MOST] if builtin == CUSTOM else None


def _operations(reader: Reader, model: Table, custom: list[str | None]) -> dict[str, str]:
    """What operations of TensorFlow reach out of the model, and what each does."""
    from git_custody.formats.tensorflow_graph import DANGEROUS, PRINTS

    found: dict[str, str] = {}
    graphs = budget = 0
    for graph in model.tables(SUBGRAPHS):
        graphs += 1
        for operator in graph.tables(SUBGRAPH_OPERATORS):
            index = operator.number(OPERATOR_CODE, 4)
            if index >= len(custom):
                raise BrokenError
            if not (custom[index] or "").startswith("Flex"):
                continue
            options = _options(reader, operator)
            budget += len(options)
            if budget > OPTIONS_READ_AT_MOST:
                raise TooMuchError
            reader.pay(COST_OF_OPTIONS + len(options) // BYTES_OF_OPTIONS_PER_READ)
            found |= {name: does for name, does in DANGEROUS.items() if name.encode() in options}
            if PRINTS.encode() in options and b"file:" in options:
                found[PRINTS] = "writes files"
    if not graphs:
        raise BrokenError
    return found


def _options(reader: Reader, operator: Table) -> bytes:
    begin, length = operator.vector(OPERATOR_OPTIONS, 1)
    offset, size = operator.number(OPTIONS_OFFSET, 8), operator.number(OPTIONS_SIZE, 8)
    if offset > 1:
        begin, length = offset, size
    if length > OPTIONS_READ_AT_MOST:
        raise TooMuchError
    return reader.read(begin, length)
