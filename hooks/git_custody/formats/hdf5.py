"""HDF5: Keras models, whose configuration may hold code, and the pickles that PyTables and pandas load.

Keras keeps a model's architecture as JSON in the attributes `model_config` and `training_config`
(``keras/src/legacy/saving/legacy_h5_format.py``). PyTables unpickles every attribute of one string that ends in a
full stop, in files of any origin (``tables/attributeset.py``), and the rows of arrays of objects
(``tables/vlarray.py``), which pandas writes for columns of objects. Left alone are the lists and dictionaries of
plain data that describe each table of pandas (``pandas/io/pytables.py``), and the `FILTERS` of PyTables 1.x: they
are pickles in every such file, and these can run nothing. What hickle unpickles (``hickle/lookup.py``) is told by its
attributes; other pickles that were stored as bytes are found where they lie in one piece.

What cannot be followed counts only where the file is one of Keras or PyTables, or where its root cannot be read
although it is called like one: files of instruments and simulations are as large and as odd as they please.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from git_custody.core.content import BytesContent, Content, PartContent
from git_custody.formats import hdf5_datasets, keras_config
from git_custody.formats.hdf5_blocks import BYTES_PER_COST, Lost
from git_custody.formats.hdf5_objects import INTEGER, OPAQUE, STRING, VARIABLE, Attribute, Datatype, File, Node, find
from git_custody.formats.pickle_opcodes import FIRST_BYTES
from git_custody.formats.pickles import walk
from git_custody.formats.verdicts import MALFORMED, SAFE, Member, Said, Scene
from git_custody.formats.verdicts import OPAQUE as CANNOT_BE_SEEN

IN_ATTRIBUTE = ("hdf5-objects", "an HDF5 attribute that PyTables unpickles")
IN_HICKLE = ("hdf5-objects", "an HDF5 dataset that hickle unpickles")
IN_ARRAY = ("hdf5-objects", "an HDF5 array of Python objects, which PyTables unpickles")
CONFIGS = ("model_config", "training_config")
LEGACY_WEIGHTS = frozenset(("layer_names", "backend", "keras_version"))
WEIGHTS_OF_KERAS_3 = (".weights.h5", ".weights")
# Until Keras had a format of its own for that name (tf.keras/src/saving/legacy/saving_utils.py, is_hdf5_filepath).
OF_OLD_KERAS = (
    "HDF5, as earlier versions wrote .keras; Keras 3 loads it once it is called .h5, and writes it anew with "
    'keras.saving.load_model("NAME.h5", compile=False).save("NAME.keras")'
)
CALLED_LIKE_MODELS = (".h5", ".hdf5", ".keras")
ATTRIBUTE_READ = 1024 * 1024
OPCODES_PER_COST = 16
PLAIN_BYTES_PER_COST = 256
COST_OF_A_WALK = 100
BYTES_WALKED = 65_536
OF_HICKLE = "hickle_types_table"  # of hickle 5; earlier, and for other objects, an attribute says it
PLAIN_VLARRAYS = (b"vlstring", b"vlunicode")

# How pandas describes its tables, and what protocol 0 writes of lists, tuples, dictionaries, numbers, texts and None.
OF_PANDAS = re.compile(r"info|levels|metadata|data_columns|index_cols|non_index_axes|values_cols|.*_(kind|meta)")
PLAIN_DATA = re.compile(rb"(?:[()\]}ltdasueN.012]|[pgILFSV][^\n]*\n){1,1000}", re.DOTALL)
OLD_FILTERS = re.compile(
    rb"(?:\(itables\.Leaf\nFilters\n|ccopy_reg\n_reconstructor\n(?:p\d+\n)?"
    rb"\(ctables\.Leaf\nFilters\n(?:p\d+\n)?c__builtin__\nobject\n(?:p\d+\n)?NtR)"
    rb"(?:p\d+\n)?\(d(?:p\d+\n|S'\w*'\n|I\d+\n|s){0,1000}b\."
)


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Judge the configuration of a Keras model, and find what PyTables would unpickle."""
    found = find(scene.content)
    if found is None:
        return
    try:
        file = File(scene.content, *found, scene.budget)
    except Lost:
        return
    signs = _Signs(scene.name.lower())
    harmless = True
    for node in file.nodes():
        attributes = list(file.attributes(node))
        starts = {attribute.name: _start(attribute) for attribute in attributes}
        signs.note(node, starts)
        for attribute in attributes:
            for item in _of_attribute(file, node, attribute, signs):
                harmless = False
                yield item
        for member in _of_dataset(file, node, starts, signs):
            harmless = False
            yield member
    if scene.content.read_at(file.end - 1, 1):  # the library refuses a file that is cut short
        yield from _of_whole(file, signs, harmless)


class _Signs:
    """What tells whose file it is."""

    def __init__(self, name: str) -> None:
        self.named = name.endswith(CALLED_LIKE_MODELS)
        self.of_old_keras = name.endswith(".keras")
        self.model = False
        self.weights = name.endswith(WEIGHTS_OF_KERAS_3)
        self.pytables = False
        self.old_pytables = False
        self.hickle = False
        self._layers = False
        self._pandas: set[int] = set()  # of hashes: paths may be many, and long

    def note(self, node: Node, attributes: dict[str, bytes]) -> None:
        """Take what `node` says into account."""
        if not node.path:
            self.model = "model_config" in attributes
            self.weights = self.weights or attributes.keys() >= LEGACY_WEIGHTS
            self.hickle = "HICKLE_VERSION" in attributes
            self.pytables = "PYTABLES_FORMAT_VERSION" in attributes
            self.old_pytables = attributes.get("PYTABLES_FORMAT_VERSION", b"").startswith(b"1")
        elif node.path in ("layers", "_layer_checkpoint_dependencies"):
            self._layers = True
        elif self._layers and node.path.endswith("/vars"):
            self.weights = True
        if "pandas_type" in attributes:
            self._pandas.add(hash(node.path))

    def describe_table(self, node: Node, name: str) -> bool:
        """Whether pandas keeps the description of a table in an attribute of this name, at this place."""
        places = hash(node.path), hash(node.path.rpartition("/")[0])
        return OF_PANDAS.fullmatch(name) is not None and not self._pandas.isdisjoint(places)

    @property
    def keras(self) -> bool:
        """Whether Keras wrote it."""
        return self.model or self.weights


def _start(attribute: Attribute) -> bytes:
    return b"" if attribute.value is None else attribute.value.read_at(0, 64)


def _of_attribute(file: File, node: Node, attribute: Attribute, signs: _Signs) -> Iterator[Said | Member]:
    value, kind, budget = attribute.value, attribute.type, file.source.budget
    first = b"" if value is None else value.read_at(0, 1)
    if value is None or not first:
        return
    if attribute.name in CONFIGS and kind.text and file.afford(1):
        where = f"{node.path}@{attribute.name}" if node.path else attribute.name
        yield from keras_config.judge(value, where, budget)
    if kind.text:
        if first[0] not in FIRST_BYTES or not file.afford(min(value.size, ATTRIBUTE_READ) // BYTES_PER_COST):
            return
        text = value.read_at(0, ATTRIBUTE_READ).rstrip(b"\0")  # as PyTables strips it
        if not text.endswith(b"."):
            return
        if attribute.name.startswith("FILTERS") and OLD_FILTERS.fullmatch(text):
            return
        if signs.describe_table(node, attribute.name) and _is_plain(file, text):
            return
        if file.afford(len(text) // OPCODES_PER_COST) and walk(BytesContent(text), budget=budget) is not None:
            yield Member(f"{node.path}@{attribute.name}", BytesContent(text), unpickled=IN_ATTRIBUTE)
    elif (kind.kind == OPAQUE or _is_bytes(kind.base)) and _is_pickle(file, value):
        yield Member(f"{node.path}@{attribute.name}", value)


def _is_plain(file: File, text: bytes) -> bool:
    """Whether a text that ends in a full stop is a pickle of plain data; taken in parts, for the sake of memory."""
    at = 0
    while file.afford(1) and (found := PLAIN_DATA.match(text, at)):
        file.afford((found.end() - at) // PLAIN_BYTES_PER_COST)
        at = found.end()
    return at == len(text)


def _is_bytes(kind: Datatype | None) -> bool:
    return kind is not None and (kind.kind, kind.size) == (INTEGER, 1)


def _is_pickle(file: File, data: Content) -> bool:
    """Whether bytes that somebody stored are a pickle of protocol 2 or later."""
    start = data.read_at(0, 2)
    if start[:1] != b"\x80" or not file.afford(COST_OF_A_WALK):
        return False
    return walk(PartContent(data, 0, min(data.size, BYTES_WALKED)), budget=file.source.budget) is not None


def _of_dataset(file: File, node: Node, attributes: dict[str, bytes], signs: _Signs) -> Iterator[Member]:
    kind = file.datatype(node)
    if kind is None:
        return
    if _is_of_hickle(node, attributes, kind, signs):
        data = next(hdf5_datasets.rows(file, node), None) if kind.kind == VARIABLE else None
        data = data or hdf5_datasets.stored(file, node) or BytesContent(b"")  # in pieces, it cannot be told what it is
        yield Member(node.path, data, unpickled=IN_HICKLE)
    elif kind.kind == VARIABLE and _holds_objects(attributes, signs):
        rows = list(hdf5_datasets.rows(file, node))
        for row, content in enumerate(rows):
            yield Member(f"{node.path}[{row}]", content, unpickled=IN_ARRAY)
        if not rows:
            yield Member(node.path, BytesContent(b""), unpickled=IN_ARRAY)
    elif kind.kind in (OPAQUE, STRING) or _is_bytes(kind):
        data = hdf5_datasets.stored(file, node)
        if data is not None and _is_pickle(file, data):
            yield Member(node.path, data)


def _is_of_hickle(node: Node, attributes: dict[str, bytes], kind: Datatype, signs: _Signs) -> bool:
    said = (attributes.get("type", b""), attributes.get("base_type", b""))
    if any(name.rstrip(b"\0") == b"pickle" for name in said):
        return True
    if OF_HICKLE in node.path.split("/")[:-1]:
        return "base_type" in attributes  # else it is one of those
    return signs.hickle and "type" not in attributes and (kind.kind in (OPAQUE, STRING) or _is_bytes(kind))


def _holds_objects(attributes: dict[str, bytes], signs: _Signs) -> bool:
    pseudo = attributes.get("PSEUDOATOM")
    if pseudo is not None:
        return pseudo.rstrip(b"\0") not in PLAIN_VLARRAYS
    return signs.old_pytables and attributes.get("FLAVOR", b"").rstrip(b"\0.\n").endswith(b"Object")


def _of_whole(file: File, signs: _Signs, harmless: bool) -> Iterator[Said]:
    whose = "a Keras model" if signs.keras else "a PyTables file"
    known = "keras-h5" if signs.keras else "hdf5"
    if signs.keras or signs.pytables:
        if file.exhausted:
            yield Said(CANNOT_BE_SEEN, known, f"{whose} of more objects than are looked at", forced=True)
        elif file.lost:
            yield Said(CANNOT_BE_SEEN, known, f"{whose} of which a part cannot be read", forced=True)
    elif file.filtered:
        yield Said(CANNOT_BE_SEEN, "hdf5", "an HDF5 file whose attributes or links are compressed", forced=True)
    elif file.root_lost and signs.named:
        yield Said(CANNOT_BE_SEEN, "hdf5", "an HDF5 file whose root group cannot be read")
    if signs.keras and file.external:
        yield Said(MALFORMED, "keras-h5", "a Keras model whose weights lie in another file")
    elif signs.keras and harmless and not (file.lost or file.exhausted):
        what = "a Keras model in HDF5" if signs.model else "weights of a Keras model in HDF5"
        yield Said(SAFE, "keras-h5", what, evidence=OF_OLD_KERAS if signs.model and signs.of_old_keras else None)
