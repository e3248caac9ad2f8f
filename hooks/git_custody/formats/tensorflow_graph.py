"""TensorFlow's graphs: SavedModels, frozen graphs and meta graphs, which may hold operations that reach out.

A graph is a program. Most operations compute; some read and write files, open connections, or call Python, as soon
as the model runs (its initialisers: as soon as it is loaded). The layouts are saved_model.proto,
meta_graph.proto, graph.proto, node_def.proto and function.proto of `tensorflow/core`; none has a mark, so that a
graph counts as one where a node has an operation of TensorFlow's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from git_custody.formats.paths import file_name
from git_custody.formats.pointers import is_pointer
from git_custody.formats.protobuf import BYTES, VARINT, Reader
from git_custody.formats.reading import BrokenError, TooMuchError, gave_up
from git_custody.formats.verdicts import CODE, OPAQUE, SAFE, Member, Said, Scene

SAVED_MODEL, GRAPH, CUSTOM = "tf-savedmodel", "tf-graph", "tf-custom-ops"
TITLES = {SAVED_MODEL: "a TensorFlow SavedModel", GRAPH: "a TensorFlow graph"}

_READS = """
    ReadFile MatchingFiles MatchingFilesDataset ExperimentalMatchingFilesDataset WholeFileReader WholeFileReaderV2
    TextLineReader TextLineReaderV2 FixedLengthRecordReader FixedLengthRecordReaderV2 TFRecordReader TFRecordReaderV2
    LMDBReader LMDBDataset ExperimentalLMDBDataset TextLineDataset FixedLengthRecordDataset FixedLengthRecordDatasetV2
    TFRecordDataset TFRecordDatasetV2 CSVDataset CSVDatasetV2 ExperimentalCSVDataset SqlDataset ExperimentalSqlDataset
    RecordInput LoadDataset ListSnapshotChunksDataset SnapshotChunkDataset SnapshotDatasetReader
    SnapshotNestedDatasetReader ImmutableConst LoadAndRemapMatrix GenerateVocabRemapping
"""
_WRITES = """
    WriteFile SaveDataset SaveDatasetV2 SnapshotDataset SnapshotDatasetV2 DistributedSave DatasetToTFRecord
    ExperimentalDatasetToTFRecord CacheDataset CacheDatasetV2 CreateSummaryFileWriter CreateSummaryDbWriter ImportEvent
    DumpTensor CalibrationStatisticsSaver StoreMinibatchStatisticsInFdo DebugIdentity DebugIdentityV2 DebugIdentityV3
    DebugNumericSummary DebugNumericSummaryV2 DebugNanCount
"""
_CONNECTS = """
    RpcCall RpcCheckStatus RpcClient RpcGetValue RpcServer RpcServerRegister RpcServerStart DataServiceDataset
    DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4 RegisterDataset RegisterDatasetV2
    FileSystemSetConfiguration
"""
# What each operation does beyond computing. SaveV2 and RestoreV2 are in every SavedModel, as its way to its weights.
DANGEROUS = {
    **dict.fromkeys(_READS.split(), "reads files"),
    **dict.fromkeys(_WRITES.split(), "writes files"),
    **dict.fromkeys(_CONNECTS.split(), "opens connections"),
    **dict.fromkeys(("PyFunc", "PyFuncStateless", "EagerPyFunc"), "calls Python"),
    **dict.fromkeys(("TRTEngineOp", "CreateTRTResourceHandle", "InitializeTRTResource"), "runs native kernels"),
    **dict.fromkeys(("XlaCustomCall", "XlaCustomCallV2"), "calls a native function by name"),
    "DatasetFromGraph": "runs a graph that is hidden in a string",
    "Abort": "ends the process",
}
PRINTS = "PrintV2"  # dangerous only where its output_stream is a file

NODE_NAME, NODE_OPERATION, NODE_ATTRIBUTE = 1, 2, 5
NAME = re.compile(r"[A-Za-z0-9_.>/\\-]+")
OPERATION = re.compile(r"[A-Za-z_][\w.>-]*", re.ASCII)
NODES_TRIED = 16
NAMES_AT_MOST = 20_000
NAME_AT_MOST = 200

TEXT_AT_MOST = 12 * 1024 * 1024
TEXT_WINDOW = 1024 * 1024
TEXT_OVERLAP = 4_096
# What an operation may take to read, all of a window together: comments can hold operations that share what follows.
READ_AT_MOST = 4 * TEXT_WINDOW
# Repetitions have bounds, since the memory that they take has none. More is more than is looked at.
REPEATED_AT_MOST = 2_000
_BOUND = b"{0,%d}" % REPEATED_AT_MOST
_GAP = rb"\s*(?:#[^\n]*(?:\n\s*|\Z))" + _BOUND
_STRING = rb"(?:\"[^\"\\\n]*(?:\\.[^\"\\\n]*)" + _BOUND + rb"\"|'[^'\\\n]*(?:\\.[^'\\\n]*)" + _BOUND + rb"')"
STRINGS_IN_TEXT = re.compile(_STRING)
STRINGS_AND_COMMENTS = re.compile(_STRING + rb"|#[^\n]*")
# Whatever is read for an operation is in the first group, also where it turns out to be none.
OPERATION_IN_TEXT = re.compile(
    rb"(?<![A-Za-z0-9])op(?=(" + _GAP + rb"(?::" + _GAP + rb"((?:" + _STRING + _GAP + rb")" + _BOUND + rb")"
    rb"(?:[\"'][^\n]*)?)?))"
)
ESCAPES = re.compile(rb"\\(?:[xX]([0-9A-Fa-f]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look for operations that reach out of the graph, and for such that TensorFlow does not have."""
    name = file_name(scene.name)
    if name == "saved_model.cpb":
        yield Said(OPAQUE, SAVED_MODEL, "a TensorFlow SavedModel in chunks, which cannot be looked into here")
    elif name.endswith(".pbtxt"):
        yield from _text(scene, SAVED_MODEL if name == "saved_model.pbtxt" else GRAPH)
    elif name == "saved_model.pb":
        if not is_pointer(scene.head):
            yield from _binary(scene, SAVED_MODEL, named=True)
    else:
        yield from _binary(scene, SAVED_MODEL if scene.head[0] == 8 else GRAPH, named=False)


def _binary(scene: Scene, format: str, *, named: bool) -> Iterator[Said]:
    graph = _Graph(scene, named=named)
    broken: BrokenError | TooMuchError | None = None
    try:
        if not (graph.saved_model() if format == SAVED_MODEL else graph.graph_or_meta_graph()):
            broken = BrokenError()
    except (BrokenError, TooMuchError) as error:
        broken = error
    if not (named or (graph.plausible and graph.operations.are_tensorflow)):
        return
    if broken is not None:
        yield gave_up(broken, format, TITLES[format])
    yield from graph.keras
    yield from graph.operations.said(format, whole=broken is None and not graph.keras)


class _Operations:
    """The names of the operations of a graph."""

    def __init__(self) -> None:
        from git_custody.formats.tensorflow_operations import KNOWN

        self.known = KNOWN
        self.are_tensorflow = False
        self.dangerous: dict[str, str] = {}  # the operation, and the first node that has it
        self.custom: dict[str, None] = {}
        self.functions: set[str] = set()

    def add(self, operation: str, node: str) -> None:
        """Take note of a node."""
        if operation in self.known:
            self.are_tensorflow = True
        elif operation in DANGEROUS:
            self.are_tensorflow = True
            self.dangerous.setdefault(operation, node[:NAME_AT_MOST])
        elif operation:
            self.custom[operation[:NAME_AT_MOST]] = None
            if len(self.custom) > NAMES_AT_MOST:
                raise TooMuchError

    def said(self, format: str, *, whole: bool) -> Iterator[Said]:
        """What is to be said of them; `whole`: these are all of them."""
        title = TITLES[format]
        for operation, node in self.dangerous.items():
            what = f"{title} with the operation {operation}, which {DANGEROUS.get(operation, 'writes files')}"
            yield Said(CODE, format, what, f"tensorflow.raw_ops.{operation}", node and f"node {node!r}")
        if self.dangerous or not whole:
            return
        for operation in self.custom:
            if operation not in self.functions:
                what = f"{title} with operations that are not part of TensorFlow"
                yield Said(SAFE, CUSTOM, what, None, f"operation {operation!r}")
                return
        yield Said(SAFE, format, title)


class _Graph:
    """Reads the operations of a graph, and nothing else of it."""

    def __init__(self, scene: Scene, *, named: bool) -> None:
        self.content = scene.content
        self.named = named  # as a SavedModel
        self.reader = Reader(scene.content, scene.budget)
        self.keras: dict[Said, None] = {}  # what is to be said of the configurations of Keras in it
        self.plausible = False  # something in it looks like a node
        self.has_library = False
        self._operations: _Operations | None = None

    @property
    def operations(self) -> _Operations:
        """What was found; the names that are known are only loaded once a node was."""
        if self._operations is None:
            self._operations = _Operations()
        return self._operations

    def saved_model(self) -> bool:
        """Read a SavedModel; whether it can be one."""
        graphs = 0
        for number, kind, begin, end in self.reader.fields():
            if number == 2 and kind == BYTES:
                graphs += 1
                self._meta_graph(begin, end)
                if not (self.named or self.plausible):
                    return False
            elif not self.named and (number, kind) != (1, VARINT):
                return False
        return graphs > 0

    def graph_or_meta_graph(self) -> bool:
        """Read a GraphDef or a MetaGraphDef: of both, field 1 comes first, and field 2 holds more of the graph."""
        try:
            self._graph(0, None)
            if self.plausible and not self.has_library:
                return True
        except BrokenError:
            if self.plausible:
                raise
        self._meta_graph(0, None)
        return self.plausible

    def _meta_graph(self, begin: int, end: int | None) -> None:
        for tried, (number, kind, at, stop) in enumerate(self.reader.fields(begin, end)):
            if number == 2 and kind == BYTES:
                self._graph(at, stop)
            elif number == 7 and kind == BYTES and (self.plausible or self.named):
                from git_custody.formats import saved_keras

                saved_keras.in_objects(self.content, self.reader, at, stop, self.keras)
            elif tried >= NODES_TRIED and not self.plausible:
                return

    def _graph(self, begin: int, end: int | None) -> None:
        for tried, (number, kind, at, stop) in enumerate(self.reader.fields(begin, end)):
            if number == 1 and kind == BYTES:
                self._node(at, stop)
            elif number == 2 and kind == BYTES:
                self.has_library = True
                self._library(at, stop)
            if tried >= NODES_TRIED and not self.plausible:
                return

    def _library(self, begin: int, end: int) -> None:
        for number, kind, at, stop in self.reader.fields(begin, end):
            if number != 1 or kind != BYTES:
                continue
            for part, part_kind, part_at, part_stop in self.reader.fields(at, stop):
                if part == 3 and part_kind == BYTES:
                    self._node(part_at, part_stop)
                elif part == 1 and part_kind == BYTES and self.plausible:
                    self._function(self.reader.strings(part_at, part_stop, 1)[0])

    def _function(self, name: str) -> None:
        functions = self.operations.functions
        functions.add(name[:NAME_AT_MOST])
        if len(functions) > NAMES_AT_MOST:
            raise TooMuchError

    def _node(self, begin: int, end: int) -> None:
        name, operation = self.reader.strings(begin, end, NODE_NAME, NODE_OPERATION)
        if not self.plausible:
            if not OPERATION.fullmatch(operation):
                return
            self.plausible = bool(NAME.fullmatch(name))
        if operation == PRINTS and self._prints_to_file(begin, end):
            self.operations.dangerous.setdefault(operation, name[:NAME_AT_MOST])
        self.operations.add(operation, name)

    def _prints_to_file(self, begin: int, end: int) -> bool:
        for number, kind, at, stop in self.reader.fields(begin, end):
            if number != NODE_ATTRIBUTE or kind != BYTES:
                continue
            for part, part_kind, part_at, part_stop in self.reader.fields(at, stop):
                if part == 2 and part_kind == BYTES:
                    if self.reader.strings(part_at, part_stop, 2)[0].startswith("file:"):
                        return True
        return False


def _text(scene: Scene, format: str) -> Iterator[Said]:
    operations, at, whole = _Operations(), 0, True
    try:
        while window := scene.content.read_at(at, TEXT_WINDOW):
            _read_text(window, operations)
            at += TEXT_WINDOW - TEXT_OVERLAP
            if len(window) < TEXT_WINDOW:
                break
            if at > TEXT_AT_MOST:
                raise TooMuchError
    except TooMuchError as error:
        whole = False
        if operations.are_tensorflow:
            yield gave_up(error, format, TITLES[format])
    if operations.are_tensorflow:
        yield from operations.said(format, whole=whole)


def _read_text(window: bytes, operations: _Operations) -> None:
    prints, seen = False, set[bytes]()
    left = READ_AT_MOST
    for found in OPERATION_IN_TEXT.finditer(window):
        end = found.end(1)
        left -= end - found.start()
        leaves = end == TEXT_WINDOW and end - found.start() > TEXT_OVERLAP
        if left < 0 or leaves or window[end : end + 1] == b"#":
            operations.are_tensorflow = True  # nothing else is written like that
            raise TooMuchError
        if not found[2] or found[2] in seen:
            continue
        seen.add(found[2])
        pieces = [piece for piece in STRINGS_AND_COMMENTS.findall(found[2]) if piece[:1] != b"#"]
        if len(pieces) >= REPEATED_AT_MOST:
            operations.are_tensorflow = True
            raise TooMuchError
        operation = "".join(map(_unescaped, pieces))
        operations.add(operation, "")
        prints = prints or operation == PRINTS
    if prints and any(_unescaped(text[0]).startswith("file:") for text in STRINGS_IN_TEXT.finditer(window)):
        operations.dangerous.setdefault(PRINTS, "")


def _unescaped(literal: bytes) -> str:
    """The value of a quoted string of the text format."""

    def value(found: re.Match[bytes]) -> bytes:
        if found[1] or found[2]:
            return bytes((int(found[1] or found[2], 16 if found[1] else 8) & 255,))
        return found[3]

    return ESCAPES.sub(value, literal[1:-1]).decode("utf-8", "replace")
