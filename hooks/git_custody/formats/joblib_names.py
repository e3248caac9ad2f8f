"""The names in a pickle of joblib, which keeps the numbers of arrays between the opcodes.

Sources: `NumpyArrayWrapper` and `NumpyUnpickler.load_build` in ``joblib/numpy_pickle.py``. joblib steps over the
numbers, and any other unpickler takes them for opcodes. Whoever wrote the file chose the numbers, so that both ways of
reading have to be told. (A joblib before 1.2 would lose its place, but it also runs code from its arguments,
CVE-2022-21797.) Where the arrays lie is told by two readers, which have to agree: one that keeps all values
(`convert/unpickle.py`), and this one, which sees to it that nothing but the state of a wrapper moves the reading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from git_custody.core.content import Content
from git_custody.formats.pickle_names import (
    ARRAYS_BETWEEN,
    NO_TEXT,
    OPCODES_PER_STREAM,
    UNSURE,
    Item,
    Names,
    Reader,
    Untold,
)
from git_custody.formats.pickle_opcodes import FIRST_BYTES

if TYPE_CHECKING:
    from git_custody.convert.pickle_files import Stretch

_WRAPPER = ("joblib.numpy_pickle", "NumpyArrayWrapper")
# The class may only be made an instance of, at once, and the instance may only be given its state.
_CLASS, _INSTANCE = range(4, 6)
_MEMO = rb"(?:\x94|q.|r.{4}|p[0-9]{1,9}\n)?"
_MADE = re.compile(_MEMO + rb"\)\x81", re.DOTALL)
_MADE_AT_MOST = 16
_NEW = b"\x81\x92"
_TEXTS = frozenset({"builtins.str", "__builtin__.str", "__builtin__.unicode"})


def names_between_arrays(content: Content, start: int, most: int) -> Names:
    """Read the pickle of joblib at byte `start` in every way that an unpickler may read it."""
    from git_custody.convert.pickle_files import arrays_of
    from git_custody.convert.refused import Refused

    try:
        arrays = arrays_of(content, start)
    except Refused:
        return Names(frozenset(), ARRAYS_BETWEEN, most)
    opcodes = 0
    names: set[str] = set()
    for reader in (_JoblibReader(content, start, most, arrays), _OtherReader(content, start, most)):
        reader.most = most - opcodes
        told = reader.run()
        opcodes += told.opcodes
        names |= told.names
        if not told.complete and not (isinstance(reader, _OtherReader) and reader.has_broken):
            return told._replace(names=frozenset(names), opcodes=opcodes)
    return Names(frozenset(names), None, opcodes)


class _JoblibReader(Reader):
    """Steps over arrays, as joblib does."""

    def __init__(self, content: Content, start: int, most: int, arrays: Mapping[int, Stretch]) -> None:
        super().__init__(content, start, most)
        self.arrays = dict(arrays)

    def _stopped(self) -> bool:
        if super()._stopped() or self.arrays:
            raise Untold(ARRAYS_BETWEEN)
        return False

    def _array(self, module: str, name: str) -> Item:
        if (module, name) != _WRAPPER:
            raise Untold(ARRAYS_BETWEEN)
        return self._class()

    def _class(self) -> Item:
        if not _MADE.match(self.content.read_at(self.position, _MADE_AT_MOST)):
            raise Untold(ARRAYS_BETWEEN)
        return _CLASS

    def _recall(self, key: int) -> None:
        super()._recall(key)
        if self.stack[-1] == _CLASS:
            self._class()
        elif self.stack[-1] == _INSTANCE:
            raise Untold(ARRAYS_BETWEEN)

    def _call(self, target: Item) -> None:
        super()._call(target)
        if target == _CLASS:
            self.stack[-1] = _INSTANCE

    def _pop(self) -> Item:
        if (item := super()._pop()) == _INSTANCE:
            raise Untold(ARRAYS_BETWEEN)
        return item

    def _pop_mark(self) -> list[Item]:
        if _INSTANCE in (items := super()._pop_mark()):
            raise Untold(ARRAYS_BETWEEN)
        return items

    def _top(self) -> Item:
        item = super()._pop()
        self.stack.append(item)
        return item

    def _build(self) -> None:
        super()._build()
        if self.stack[-1] != _INSTANCE:
            return
        array = self.arrays.pop(self.position, None)
        if array is None or (self.frame_end and self.frame_end != self.position):
            raise Untold(ARRAYS_BETWEEN)
        if array.is_pickle:
            inner = _InnerReader(self.content, array.begin, self.most - self.opcodes)
            inner.stream()
            self.opcodes += inner.opcodes
            self.names |= inner.names
            if inner.position != array.end:
                raise Untold(ARRAYS_BETWEEN)
        self.stack[-1] = NO_TEXT
        self.frame_end = 0
        self.base, self.at = array.end, 0
        self._refill()


class _InnerReader(Reader):
    """Reads the pickle of an array of objects, behind which the one around it goes on."""

    def _stopped(self) -> bool:
        self._pop()
        return False


class _OtherReader(Reader):
    """Takes numbers for opcodes, as the unpicklers do that are not joblib's."""

    def _array(self, module: str, name: str) -> Item:
        return UNSURE

    def _other(self, opcode: int) -> None:
        super()._other(opcode)
        if opcode in _NEW and self.names.isdisjoint(_TEXTS):
            self.stack[-1] = NO_TEXT  # an instance of a class; a name has to be a text itself

    def _stopped(self) -> bool:
        self.opcodes += OPCODES_PER_STREAM
        following = self.content.read_at(self.position, 1)
        return bool(following) and following[0] in FIRST_BYTES
