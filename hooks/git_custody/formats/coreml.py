"""Core ML: models for Apple's runtime, which may call classes of the application, or refer to other files.

The layout is Model.proto, NeuralNetwork.proto, MIL.proto and LinkedModel.proto of coremltools' `mlmodel/format`. Custom
layers and custom models name a class that the application has to bring along. An .mlpackage keeps its model in
``Data/com.apple.CoreML/model.mlmodel``.
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.formats.paths import leaves_folder
from git_custody.formats.pointers import is_pointer
from git_custody.formats.protobuf import BYTES, DEPTH_AT_MOST, VARINT, Reader
from git_custody.formats.reading import BrokenError, TooMuchError, gave_up
from git_custody.formats.verdicts import MALFORMED, SAFE, Member, Said, Scene

TITLE = "a Core ML model"
NAME_AT_MOST = 200
COST_OF_PATH = 2
MODEL_PATH = "@model_path/"  # what stands for the folder of the model's package

# Field numbers. Model: the types of models are one of many.
SPECIFICATION, DESCRIPTION, UPDATABLE = 1, 2, 10
FIRST_TYPE, LAST_TYPE = 200, 3000
PIPELINE_WRAPPERS, PIPELINE = (200, 201), 202
NETWORKS = (303, 403, 500)
PROGRAM, CUSTOM_MODEL, LINKED_MODEL = 502, 555, 556
CLASS_NAME = 10
LAYER_CUSTOM, LAYER_BRANCH, LAYER_LOOP = 500, 605, 615
BRANCH_NETWORKS, LOOP_NETWORKS = (1, 2), (3, 4)
LINKED_FILE, LINKED_NAMES = 1, (1, 2)
PROGRAM_FUNCTIONS, PROGRAM_ATTRIBUTES, FUNCTION_BLOCKS, FUNCTION_ATTRIBUTES = 2, 4, 3, 4
BLOCK_OPERATIONS, BLOCK_ATTRIBUTES = 3, 4
OPERATION_TYPE, OPERATION_INPUTS, OPERATION_BLOCKS, OPERATION_ATTRIBUTES = 1, 2, 4, 5
VALUE_IMMEDIATE, VALUE_FILE = 3, 5
CUSTOM_OPERATION = "custom_layer"


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look for custom layers and models, and for files outside of the model's folder."""
    named = scene.name.lower().endswith(".mlmodel")
    if named and is_pointer(scene.head):
        return
    model = _Model(Reader(scene.content, scene.budget))
    try:
        claimed = _is_model(model.reader)
        if claimed:
            model.model(0, None, 1)
        elif named:
            raise BrokenError
    except (BrokenError, TooMuchError) as error:
        yield gave_up(error, "coreml", TITLE)
        return
    if claimed:
        yield model.said()


def _is_model(reader: Reader) -> bool:
    """Whether the top level is that of a Model: a version, a description and one type, and nothing else."""
    seen: set[int] = set()
    try:
        for number, kind, begin, _ in reader.fields():
            if number == SPECIFICATION:
                expected = kind == VARINT and 0 < begin < 256
            elif number == UPDATABLE:
                expected = kind == VARINT
            else:
                expected = kind == BYTES and (number == DESCRIPTION or FIRST_TYPE <= number <= LAST_TYPE)
            if not expected or number in seen:
                return False
            seen.add(number)
    except BrokenError:
        return False
    types = seen - {SPECIFICATION, DESCRIPTION, UPDATABLE}
    return SPECIFICATION in seen and len(types) == 1 and (DESCRIPTION in seen or types == {LINKED_MODEL})


class _Model:
    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.custom: str | None = None
        self.outside: str | None = None

    def said(self) -> Said:
        if self.outside is not None:
            what = f"{TITLE} that refers to a file outside of its folder"
            return Said(MALFORMED, "coreml", what, None, self.outside)
        if self.custom is not None:
            what = f"{TITLE} with parts that the application has to bring along"
            return Said(SAFE, "coreml-custom", what, None, self.custom)
        return Said(SAFE, "coreml", TITLE)

    def model(self, begin: int, end: int | None, depth: int) -> None:
        """Read a Model, and those inside of a pipeline."""
        if depth > DEPTH_AT_MOST:
            raise BrokenError
        for number, kind, at, stop in self.reader.fields(begin, end):
            if kind != BYTES:
                continue
            if number in PIPELINE_WRAPPERS:
                for _, part_at, part_stop in self._parts(at, stop, 1):
                    self._pipeline(part_at, part_stop, depth)
            elif number == PIPELINE:
                self._pipeline(at, stop, depth)
            elif number in NETWORKS:
                self._network(at, stop, depth)
            elif number == PROGRAM:
                self._program(at, stop)
            elif number == CUSTOM_MODEL:
                self._calls("custom model of class", at, stop)
            elif number == LINKED_MODEL:
                self._linked(at, stop)

    def _pipeline(self, begin: int, end: int, depth: int) -> None:
        for _, at, stop in self._parts(begin, end, 1):
            self.model(at, stop, depth + 2)

    def _network(self, begin: int, end: int, depth: int) -> None:
        if depth > DEPTH_AT_MOST:
            raise BrokenError
        for _, at, stop in self._parts(begin, end, 1):
            for number, layer_at, layer_stop in self._parts(at, stop, LAYER_CUSTOM, LAYER_BRANCH, LAYER_LOOP):
                if number == LAYER_CUSTOM:
                    self._calls("custom layer of class", layer_at, layer_stop)
                    continue
                networks = BRANCH_NETWORKS if number == LAYER_BRANCH else LOOP_NETWORKS
                for _, inner_at, inner_stop in self._parts(layer_at, layer_stop, *networks):
                    self._network(inner_at, inner_stop, depth + 3)

    def _program(self, begin: int, end: int) -> None:
        for number, at, stop in self._entries(begin, end, PROGRAM_FUNCTIONS, PROGRAM_ATTRIBUTES):
            if number == PROGRAM_ATTRIBUTES:
                self._value(at, stop, 1)
                continue
            for part, part_at, part_stop in self._entries(at, stop, FUNCTION_BLOCKS, FUNCTION_ATTRIBUTES):
                if part == FUNCTION_BLOCKS:
                    self._block(part_at, part_stop, 3)
                else:
                    self._value(part_at, part_stop, 3)

    def _block(self, begin: int, end: int, depth: int) -> None:
        if depth > DEPTH_AT_MOST:
            raise BrokenError
        for number, at, stop in self._parts(begin, end, BLOCK_OPERATIONS, BLOCK_ATTRIBUTES):
            if number == BLOCK_OPERATIONS:
                self._operation(at, stop, depth)
            else:
                for _, value_at, value_stop in self._parts(at, stop, 2):
                    self._value(value_at, value_stop, depth)

    def _operation(self, begin: int, end: int, depth: int) -> None:
        for number, kind, at, stop in self.reader.fields(begin, end):
            if kind != BYTES:
                continue
            if number == OPERATION_TYPE:
                if self.custom is None and self.reader.text(at, stop) == CUSTOM_OPERATION:
                    self.custom = f"operation {CUSTOM_OPERATION!r}"
            elif number == OPERATION_BLOCKS:
                self._block(at, stop, depth + 2)
            elif number == OPERATION_ATTRIBUTES:
                for _, value_at, value_stop in self._parts(at, stop, 2):
                    self._value(value_at, value_stop, depth)
            elif number == OPERATION_INPUTS:
                for _, argument_at, argument_stop in self._parts(at, stop, 2):
                    for _, binding_at, binding_stop in self._parts(argument_at, argument_stop, 1):
                        for _, value_at, value_stop in self._parts(binding_at, binding_stop, 2):
                            self._value(value_at, value_stop, depth)

    def _value(self, begin: int, end: int, depth: int) -> None:
        """Read a Value: only those that lie in a file, also as items of lists, tuples and dictionaries."""
        if depth > DEPTH_AT_MOST:
            raise BrokenError
        for number, at, stop in self._parts(begin, end, VALUE_IMMEDIATE, VALUE_FILE):
            if number == VALUE_FILE:
                self._file("weights", self.reader.strings(at, stop, 1)[0].removeprefix(MODEL_PATH))
                continue
            for kind, items_at, items_stop in self._parts(at, stop, 2, 3, 4):
                for _, item_at, item_stop in self._parts(items_at, items_stop, 1):
                    if kind != 4:
                        self._value(item_at, item_stop, depth + 2)
                        continue
                    for _, pair_at, pair_stop in self._parts(item_at, item_stop, 1, 2):
                        self._value(pair_at, pair_stop, depth + 2)

    def _linked(self, begin: int, end: int) -> None:
        for _, at, stop in self._parts(begin, end, LINKED_FILE):
            for _, name_at, name_stop in self._parts(at, stop, *LINKED_NAMES):
                paths = self.reader.strings(name_at, name_stop, 1)[0].split(":")
                self.reader.left -= COST_OF_PATH * len(paths)
                for path in paths:
                    self._file("linked model", path)

    def _file(self, kind: str, path: str) -> None:
        if path and self.outside is None and leaves_folder(path):
            self.outside = f"{kind} in {path[:NAME_AT_MOST]!r}"

    def _calls(self, kind: str, begin: int, end: int) -> None:
        if self.custom is None:
            self.custom = f"{kind} {self.reader.strings(begin, end, CLASS_NAME)[0][:NAME_AT_MOST]!r}"

    def _parts(self, begin: int, end: int, *numbers: int) -> Iterator[tuple[int, int, int]]:
        """The messages and strings with these field numbers: number, begin, end."""
        for number, kind, at, stop in self.reader.fields(begin, end):
            if number in numbers and kind == BYTES:
                yield number, at, stop

    def _entries(self, begin: int, end: int, *numbers: int) -> Iterator[tuple[int, int, int]]:
        """The values of the maps with these field numbers."""
        for number, at, stop in self._parts(begin, end, *numbers):
            for _, value_at, value_stop in self._parts(at, stop, 2):
                yield number, value_at, value_stop
