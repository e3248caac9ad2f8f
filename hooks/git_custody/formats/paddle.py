"""PaddlePaddle: programs of operators, as protobuf (up to Paddle 2) or as JSON (Paddle 3); weights are raw.

The layouts are framework.proto (ProgramDesc) and `paddle/fluid/pir/serialize_deserialize`. What `paddle.save` writes
(.pdparams) is a pickle, and found as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from git_custody.formats.paths import file_name
from git_custody.formats.pointers import is_pointer
from git_custody.formats.protobuf import BYTES, VARINT, Reader
from git_custody.formats.reading import BrokenError, TooMuchError, gave_up
from git_custody.formats.verdicts import CODE, MALFORMED, SAFE, Member, Said, Scene

TITLE = "a PaddlePaddle model"
PIR_MARK = b'{"base_code":{"magic":"pir"'
# What each operator does beyond computing.
DANGEROUS = {
    "py_func": "calls Python",
    "save": "writes files",
    "save_combine": "writes files",
    "load": "reads files",
    "load_combine": "reads files",
    "read_file": "reads files",
    "tensorrt_engine": "runs native kernels",
    "openvino_engine": "runs native kernels",
    "lite_engine": "runs native kernels",
    "listen_and_serv": "opens connections",
    "heter_listen_and_serv": "opens connections",
}
OPERATOR = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PROGRAM = {1: BYTES, 4: BYTES, 5: BYTES}
BLOCK = {1: VARINT, 2: VARINT, 3: BYTES, 4: BYTES, 5: VARINT}
BLOCKS, BLOCK_INDEX, BLOCK_PARENT, BLOCK_OPERATORS, OPERATOR_TYPE = 1, 1, 2, 4, 3

OPERATORS_AT_MOST = 20_000
NAME_AT_MOST = 200
TEXT_AT_MOST = 32 * 1024 * 1024
TEXT_WINDOW = 1024 * 1024
TEXT_OVERLAP = 256
BYTES_PER_STEP, BACKSLASHES_PER_STEP = 64, 16
# Operators are called by the number of their dialect and their name; the writer escapes no letter, digit or sign.
OPERATOR_IN_TEXT = re.compile(rb'"\d+\.(' + "|".join(DANGEROUS).encode() + rb')"')
ESCAPED_LETTER = re.compile(rb"\\(?<!\\\\)(?:\\\\)*u00(?:[2-6]|7[0-9A-Ea-e])")


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look for operators that call Python or reach files."""
    name = file_name(scene.name)
    if scene.head.startswith(PIR_MARK):
        yield from _text(scene)
    elif not is_pointer(scene.head):
        yield from _binary(scene, named=name.endswith(".pdmodel") or name == "__model__")


def _binary(scene: Scene, *, named: bool) -> Iterator[Said]:
    found: dict[str, None] = {}
    broken: BrokenError | TooMuchError | None = None
    try:
        for operator in _program(Reader(scene.content, scene.budget)):
            found[operator[:NAME_AT_MOST]] = None
            if len(found) > OPERATORS_AT_MOST:
                raise TooMuchError
    except (BrokenError, TooMuchError) as error:
        broken = error
    if not (found or named):
        return
    if broken is not None or not found:
        yield gave_up(broken or BrokenError(), "paddle", TITLE)
    yield from _said(found, whole=broken is None and bool(found))


def _program(reader: Reader) -> Iterator[str]:
    """The types of all operators of a ProgramDesc. Raises `BrokenError` where it is none."""
    for number, kind, begin, end in reader.fields():
        if PROGRAM.get(number) != kind:
            raise BrokenError
        if number == BLOCKS:
            yield from _operators(reader, begin, end)


def _operators(reader: Reader, begin: int, end: int) -> Iterator[str]:
    """The types of the operators of a block. Raises `BrokenError` where it is no block."""
    seen = set()
    for number, kind, at, stop in reader.fields(begin, end):
        if BLOCK.get(number) != kind:
            raise BrokenError
        seen.add(number)
        if number != BLOCK_OPERATORS:
            continue
        if not {BLOCK_INDEX, BLOCK_PARENT} <= seen:
            raise BrokenError
        name = reader.strings(at, stop, OPERATOR_TYPE)[0]
        if not OPERATOR.fullmatch(name):
            raise BrokenError
        yield name


def _text(scene: Scene) -> Iterator[Said]:
    content, found, at = scene.content, dict[str, None](), 0
    while window := content.read_at(at, TEXT_WINDOW):
        scene.budget.steps -= len(window) // BYTES_PER_STEP + window.count(b"\\") // BACKSLASHES_PER_STEP
        if scene.budget.steps < 0:
            yield gave_up(TooMuchError(), "paddle", TITLE)
            return
        if ESCAPED_LETTER.search(window):
            yield Said(MALFORMED, "paddle", f"{TITLE} with letters that are written as numbers")
            return
        found |= {name.decode(): None for name in OPERATOR_IN_TEXT.findall(window)}
        if len(window) < TEXT_WINDOW:
            break
        at += TEXT_WINDOW - TEXT_OVERLAP
        if at > TEXT_AT_MOST:
            yield gave_up(TooMuchError(), "paddle", TITLE)
            return
    yield from _said(found, whole=True)


def _said(operators: Iterable[str], *, whole: bool) -> Iterator[Said]:
    dangerous = [name for name in operators if name in DANGEROUS]
    for name in dangerous:
        what = f"{TITLE} with the operator {name}, which {DANGEROUS[name]}"
        yield Said(CODE, "paddle", what, "paddle.static.py_func" if name == "py_func" else None, f"operator {name!r}")
    if whole and not dangerous:
        yield Said(SAFE, "paddle", TITLE)
