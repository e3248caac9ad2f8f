"""Plain pickles of arrays and tensors, and joblib's, which keep the bytes of arrays between their opcodes.

joblib's layout: `NumpyArrayWrapper` in ``joblib/numpy_pickle.py``, since 0.10.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from git_custody.convert.constructors import Constructors
from git_custody.convert.loaded import Loaded
from git_custody.convert.numpy_values import OBJECTS, RESAVE_OBJECTS, NumpyArray, NumpyDtype
from git_custody.convert.pytorch_zip import text
from git_custody.convert.refused import Refused
from git_custody.convert.tensors import LENGTH_AT_MOST
from git_custody.convert.unpickle import unpickle
from git_custody.convert.values import Blob, Dict, Foreign, Global, Record
from git_custody.core.content import Content, PartContent

_WRAPPERS = frozenset(
    f"{module}.NumpyArrayWrapper" for module in ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")
)
_ARRAYS = ("numpy.ndarray", "numpy.memmap")


def read(content: Content) -> Loaded:
    """Read a file that is one pickle. Raises `Refused`."""
    builder = _JoblibConstructors(content)
    root, end = unpickle(content, 0, builder)
    if end != content.size and not builder.foreign:
        raise Refused(f"something follows the end of the pickle (byte {end})")
    known, title = ("joblib", "a joblib file") if builder.has_wrappers else ("pickle", "a pickle")
    return Loaded(known, title, root, builder.foreign, content.size, builder.loader)


class _Wrapper:
    """Stands in joblib's files where an array is: the bytes of the array follow its state."""

    def __init__(self) -> None:
        self.state: dict[str, object] = {}


class Stretch(NamedTuple):
    """Where the numbers of an array lie: from byte `begin` to byte `end`, behind `padding` bytes that only align them.
    `is_pickle`: they are Python objects, and so another pickle of its own.
    """

    begin: int
    end: int
    padding: int
    is_pickle: bool


class _JoblibConstructors(Constructors):
    loader = 'pickle.load(open({path}, "rb"))'

    def __init__(self, content: Content) -> None:
        super().__init__()
        self.has_wrappers = False
        self.content = content

    def knows(self, found: Global) -> bool:
        """Whether a name stands for something that is understood; joblib's wrapper does here."""
        return found.dotted in _WRAPPERS or super().knows(found)

    def new(self, function: object, arguments: tuple[object, ...], at: int) -> object:
        """Stand in for an object whose class was not called."""
        if isinstance(function, Global) and function.dotted in _WRAPPERS and not arguments:
            self.loader = "joblib.load({path})"
            return _Wrapper()
        return super().new(function, arguments, at)

    def build(self, target: object, state: object, at: int) -> bool:
        """Set the state of an object."""
        if not isinstance(target, _Wrapper):
            return super().build(target, state, at)
        if not isinstance(state, Dict):
            return False
        named = [(text(key), value) for key, value in state.pairs]
        target.state = {name: value for name, value in named if name is not None}
        return len(target.state) == len(named)

    def behind(self, target: object, end: int) -> tuple[object, int] | None:
        """Take the bytes of an array from byte `end` on, behind their padding."""
        if not isinstance(target, _Wrapper):
            return None
        self.has_wrappers = True
        stretch = self.stretch(target.state, end)
        if stretch.is_pickle:
            # Where it ends cannot be told without following it.
            raise Refused(f"it holds {OBJECTS} (byte {end})", how_to_resave=RESAVE_OBJECTS)
        return self.array(target.state, stretch), stretch.end

    def array(self, state: Mapping[str, Any], stretch: Stretch) -> object:
        """Stand in for the array that joblib makes of a wrapper's state and the bytes behind it."""
        begin, end = stretch.begin, stretch.end
        array = NumpyArray()
        data = Blob(PartContent(self.content, begin, end - begin), is_text=False)
        if not array.fill(state["dtype"], state["shape"], str(text(state["order"])), data, begin):
            raise Refused(f"it holds an array that is described in an unusual way (byte {begin})")
        if array.unsupported is not None:
            self.foreign.append(Foreign(array.unsupported, begin))
        return array

    def stretch(self, state: Mapping[str, object], at: int) -> Stretch:
        """Where the numbers lie of a wrapper whose state ends at byte `at`. Raises `Refused`."""
        unusual = Refused(f"it holds an array that is described in an unusual way (byte {at})")
        dtype, shape, order, kind = (state.get(key) for key in ("dtype", "shape", "order", "subclass"))
        if not isinstance(dtype, NumpyDtype) or text(order) not in ("C", "F") or not isinstance(shape, tuple):
            raise unusual
        if not isinstance(kind, Global) or kind.dotted not in _ARRAYS:
            raise Refused(f"it holds an array of a class of its own (byte {at})")
        layout = dtype.layout()
        if layout is None:
            raise unusual
        size, is_pickle = layout
        if is_pickle:
            return Stretch(at, at, 0, is_pickle=True)
        for extent in shape:
            if type(extent) is not int or extent < 0 or size > LENGTH_AT_MOST:
                raise unusual
            size *= extent
        padding = 0
        if state.get("numpy_array_alignment_bytes") is not None:
            padding = 1 + int.from_bytes(self.content.read_at(at, 1), "little")
        begin = at + padding
        if size and len(self.content.read_at(begin + size - 1, 1)) != 1:
            raise Refused("it ends before the numbers of an array")
        return Stretch(begin, begin + size, padding, is_pickle=False)


class _ArrayFinder(_JoblibConstructors):
    def __init__(self, content: Content) -> None:
        super().__init__(content)
        self.found: dict[int, Stretch] = {}

    def behind(self, target: object, end: int) -> tuple[object, int] | None:
        """Note where an array lies."""
        if not isinstance(target, _Wrapper):
            return None
        stretch = self.stretch(target.state, end)
        if stretch.is_pickle:
            stretch = stretch._replace(end=unpickle(self.content, end, Constructors())[1])
        self.found[end] = stretch
        return Record("numpy.ndarray", ()), stretch.end


def arrays_of(content: Content, start: int) -> dict[int, Stretch]:
    """Where the arrays of joblib's pickle at byte `start` lie, by where the state of each ends. Raises `Refused`."""
    finder = _ArrayFinder(content)
    unpickle(content, start, finder)
    return finder.found
