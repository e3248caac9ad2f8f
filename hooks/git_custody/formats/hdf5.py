"""HDF5: Keras models, whose configuration may hold code, and the pickles that PyTables and pandas load.

Keras keeps a model's architecture as JSON in the attributes `model_config` and `training_config`
(``keras/src/legacy/saving/legacy_h5_format.py``). PyTables unpickles every attribute of one string that ends in a
full stop, in files of any origin (``tables/attributeset.py``), and the rows of arrays of objects
(``tables/vlarray.py``), which pandas writes for columns of objects. An attribute that PyTables pickled because it is
a list or dictionary of plain data, as in every table of pandas, can run nothing and is left alone, as are the
`FILTERS` of PyTables 1.x.

What cannot be followed counts only where the file is one of Keras or PyTables, or where its root cannot be read
although it is called like one: files of instruments and simulations are as large and as odd as they please.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from git_custody.core.content import BytesContent, Content
from git_custody.formats import keras_config
from git_custody.formats.hdf5_blocks import Lost
from git_custody.formats.hdf5_objects import INTEGER, OPAQUE, VARIABLE, Attribute, File, Node, find
from git_custody.formats.pickles import FIRST_BYTES, walk
from git_custody.formats.verdicts import MALFORMED, SAFE, Member, Said, Scene
from git_custody.formats.verdicts import OPAQUE as CANNOT_BE_SEEN

IN_ATTRIBUTE = ("hdf5-objects", "an HDF5 attribute that PyTables unpickles")
IN_ARRAY = ("hdf5-objects", "an HDF5 array of Python objects, which PyTables unpickles")
CONFIGS = ("model_config", "training_config")
LEGACY_WEIGHTS = frozenset(("layer_names", "backend", "keras_version"))
WEIGHTS_OF_KERAS_3 = (".weights.h5", ".weights")
CALLED_LIKE_MODELS = (".h5", ".hdf5", ".keras")
ATTRIBUTE_READ = 1024 * 1024
PLAIN_VLARRAYS = (b"vlstring", b"vlunicode")

# What protocol 0 writes of lists, tuples, dictionaries, numbers, texts and None: it names nothing to be called.
PLAIN_DATA = re.compile(rb"(?:[()\]}ltdasueN.012]|[pgILFSV][^\n]*\n)*\.", re.DOTALL)
OLD_FILTERS = re.compile(
    rb"(?:\(itables\.Leaf\nFilters\n|ccopy_reg\n_reconstructor\n(?:p\d+\n)?"
    rb"\(ctables\.Leaf\nFilters\n(?:p\d+\n)?c__builtin__\nobject\n(?:p\d+\n)?NtR)"
    rb"(?:p\d+\n)?\(d(?:p\d+\n|S'\w*'\n|I\d+\n|s)*b\."
)


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Judge the configuration of a Keras model, and find what PyTables would unpickle."""
    found = find(scene.content)
    if found is None:
        return
    try:
        file = File(scene.content, *found)
    except Lost:
        return
    signs = _Signs(scene.name.lower())
    harmless = True
    for node in file.nodes():
        attributes = []
        for attribute in file.attributes(node):
            attributes.append((attribute.name, _start(attribute)))
            for item in _of_attribute(node, attribute):
                harmless = False
                yield item
        signs.note(node, dict(attributes))
        for member in _of_dataset(file, node, dict(attributes), signs):
            harmless = False
            yield member
    if scene.content.read_at(file.end - 1, 1):  # the library refuses a file that is cut short
        yield from _of_whole(file, signs, harmless)


class _Signs:
    """What tells whose file it is."""

    def __init__(self, name: str) -> None:
        self.named = name.endswith(CALLED_LIKE_MODELS)
        self.model = False
        self.weights = name.endswith(WEIGHTS_OF_KERAS_3)
        self.pytables = False
        self.old_pytables = False
        self._layers = False

    def note(self, node: Node, attributes: dict[str, bytes]) -> None:
        """Take what `node` says into account."""
        if not node.path:
            self.model = "model_config" in attributes
            self.weights = self.weights or attributes.keys() >= LEGACY_WEIGHTS
            self.pytables = "PYTABLES_FORMAT_VERSION" in attributes
            self.old_pytables = attributes.get("PYTABLES_FORMAT_VERSION", b"").startswith(b"1")
        elif node.path in ("layers", "_layer_checkpoint_dependencies"):
            self._layers = True
        elif self._layers and node.path.endswith("/vars"):
            self.weights = True

    @property
    def keras(self) -> bool:
        """Whether Keras wrote it."""
        return self.model or self.weights


def _start(attribute: Attribute) -> bytes:
    return b"" if attribute.value is None else attribute.value.read_at(0, 64)


def _of_attribute(node: Node, attribute: Attribute) -> Iterator[Said | Member]:
    value, kind = attribute.value, attribute.type
    first = b"" if value is None else value.read_at(0, 1)
    if value is None or not first:
        return
    if attribute.name in CONFIGS and kind.text:
        where = f"{node.path}@{attribute.name}" if node.path else attribute.name
        yield from keras_config.judge(value, where)
    if first[0] not in FIRST_BYTES:
        return
    if kind.text:
        text = value.read_at(0, ATTRIBUTE_READ).rstrip(b"\0")
        if text.endswith(b".") and not PLAIN_DATA.fullmatch(text):
            if attribute.name.startswith("FILTERS") and OLD_FILTERS.fullmatch(text):
                return
            if walk(BytesContent(text)) is not None:
                yield Member(f"{node.path}@{attribute.name}", BytesContent(text), unpickled=IN_ATTRIBUTE)
    elif (kind.kind == OPAQUE or _is_bytes(kind.base)) and walk(value) is not None:
        yield Member(f"{node.path}@{attribute.name}", value)


def _is_bytes(kind: object) -> bool:
    return getattr(kind, "kind", None) == INTEGER and getattr(kind, "size", 0) == 1


def _of_dataset(file: File, node: Node, attributes: dict[str, bytes], signs: _Signs) -> Iterator[Member]:
    kind = file.datatype(node)
    if kind is None:
        return
    if kind.kind == VARIABLE and _holds_objects(attributes, signs):
        rows = list(file.rows(node))
        for row, content in enumerate(rows):
            yield Member(f"{node.path}[{row}]", content, unpickled=IN_ARRAY)
        if not rows:
            yield Member(node.path, _unread(), unpickled=IN_ARRAY)
    elif kind.kind == OPAQUE or _is_bytes(kind):
        data = file.stored(node)
        if data is not None and (data.read_at(0, 1) or b"\0")[0] in FIRST_BYTES and walk(data) is not None:
            yield Member(node.path, data)


def _holds_objects(attributes: dict[str, bytes], signs: _Signs) -> bool:
    pseudo = attributes.get("PSEUDOATOM")
    if pseudo is not None:
        return pseudo.rstrip(b"\0") not in PLAIN_VLARRAYS
    return signs.old_pytables and attributes.get("FLAVOR", b"").rstrip(b"\0.\n").endswith(b"Object")


def _unread() -> Content:
    return BytesContent(b"")


def _of_whole(file: File, signs: _Signs, harmless: bool) -> Iterator[Said]:
    whose = "a Keras model" if signs.keras else "a PyTables file"
    known = "keras-h5" if signs.keras else "hdf5"
    if signs.keras or signs.pytables:
        if file.exhausted:
            yield Said(CANNOT_BE_SEEN, known, f"{whose} of more objects than are looked at", forced=True)
        elif file.lost:
            yield Said(CANNOT_BE_SEEN, known, f"{whose} of which a part cannot be read", forced=True)
    elif file.root_lost and signs.named:
        yield Said(CANNOT_BE_SEEN, "hdf5", "an HDF5 file whose root group cannot be read")
    if signs.keras and file.external:
        yield Said(MALFORMED, "keras-h5", "a Keras model whose weights lie in another file")
    elif signs.keras and harmless and not (file.lost or file.exhausted):
        yield Said(SAFE, "keras-h5", "a Keras model" if signs.model else "weights of a Keras model")
