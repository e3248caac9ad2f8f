"""NumPy's .npy: arrays of Python objects are pickles behind a header. One file may hold several arrays.

The format is NumPy's NEP 1 as `numpy/lib/format.py` reads it (versions 1 to 3), without importing NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_custody.core.content import Content
from git_custody.formats.pickles import walk
from git_custody.formats.verdicts import SAFE, Budget, Member, Said, Scene

OBJECTS = ("numpy-objects", "a NumPy array of Python objects, which is a pickle")
MAGIC = b"\x93NUMPY"
HEADER_PARSED_AT_MOST = 65_536
BYTES_PER_STEP = 8  # of headers that are looked through; an unusual one, to be parsed, takes a step for each
# How NumPy writes the header of an array that has no fields.
EXTENT = rb"(?:0|[1-9][0-9]{0,17})"
USUAL = (
    rb"\{'descr': '([<>|=]?[A-Za-z][0-9]{0,9})', 'fortran_order': (?:True|False), "
    rb"'shape': \((%b(?:,|(?:, %b)+)|)\), \} *\n?" % (EXTENT, EXTENT)
)
STEPS_PER_ARRAY = 20
SEARCHED_FIRST, BYTES_SEARCHED_PER_STEP = 4096, 1024
HEADER_SEARCHED_AT_MOST = 4 * 1024 * 1024  # what describes an array at greater length describes something else
ARRAYS_AT_MOST = 1_000
SEARCHED_FOR_NEXT = 1024 * 1024
WINDOW = 1024 * 1024
READ_THROUGH_AT_MOST = 16 * 1024 * 1024
# The type code of objects, behind a quote, a comma or the extents of an array, or as the second letter of a field that
# is a text; escapes; and the code of NumPy 2's texts of any length, which are pickled too. A field may be called T.
SIGN_OF_OBJECTS = rb"""['",)\s\d<>|=](?:O[48]?|object_?)[\s'",]|['"][^'"\\]O['"]|\\"""
SIGN_OF_OBJECTS += rb"""|[,:\s]['"][|<>=]?T[\s'",]|[,\s)\d|<>=]T[\s'",]|['"][^'"\\]T['"]"""
ITEM_SIZES = {"?": 1, "b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "l": 8, "L": 8, "q": 8, "Q": 8, "e": 2}
ITEM_SIZES |= {"f": 4, "d": 8, "g": 16, "F": 8, "D": 16, "G": 32, "c": 1, "n": 8, "N": 8, "p": 8, "P": 8}
NAMED = (
    {f"{sign}int{bits}": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)}
    | {f"float{bits}": bits // 8 for bits in (16, 32, 64, 128)}
    | {"complex64": 8, "complex128": 16, "complex256": 32, "bool": 1, "bool_": 1, "byte": 1, "ubyte": 1, "half": 2}
    | {"short": 2, "ushort": 2, "intc": 4, "uintc": 4, "single": 4, "csingle": 8, "cdouble": 16, "complex": 16}
    | dict.fromkeys(("int", "uint", "int_", "long", "ulong", "longlong", "ulonglong", "intp", "uintp"), 8)
    | dict.fromkeys(("float", "double", "datetime64", "timedelta64"), 8)
)


class Array(NamedTuple):
    """One array: where its data begin and end, and whether they are Python objects.

    `end` is `None` where only NumPy could tell.
    """

    data_at: int
    end: int | None
    holds_objects: bool


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look for arrays of objects, and for a pickle behind the last array."""
    content = scene.content
    end: int | None = None
    for array in arrays(content, scene.budget):
        if array.holds_objects:
            yield Member(None, scene.behind(array.data_at), unpickled=OBJECTS)
            return
        end = array.end
        if end is not None and _is_all(content, end):
            end = None
            break
    if end is not None and walk(content, end, budget=scene.budget) is not None:
        behind = ("numpy-objects", "a pickle behind a NumPy array")
        yield Member(None, scene.behind(end), unpickled=behind)
        return
    yield Said(SAFE, "npy", "a NumPy array of numbers")


def _is_all(content: Content, end: int) -> bool:
    """Whether a long array in a zip is all that NumPy gets, which reads no further than the directory says.

    To unpack a gigabyte, which a sparse matrix packs into one megabyte, only to see that nothing follows takes long.
    """
    announced = getattr(content, "announced", None)
    return announced is not None and READ_THROUGH_AT_MOST < announced <= end


def arrays(content: Content, budget: Budget) -> Iterator[Array]:
    """Find the arrays of a file: several, where `numpy.save` wrote to one handle repeatedly."""
    at = 0
    for _ in range(ARRAYS_AT_MOST):
        array = _array_at(content, at, budget) if budget.steps >= 0 else None
        if array is None:
            return
        yield array
        if array.end is not None:
            at = array.end
        else:
            found = content.read_at(array.data_at, SEARCHED_FIRST).find(MAGIC)
            if found < 0:
                searched = content.read_at(array.data_at, SEARCHED_FOR_NEXT)
                budget.steps -= len(searched) // BYTES_SEARCHED_PER_STEP
                found = searched.find(MAGIC)
            if found < 0:
                return
            at = array.data_at + found


def _array_at(content: Content, at: int, budget: Budget) -> Array | None:
    start = content.read_at(at, 12)
    if len(start) < 10 or start[:6] != MAGIC:
        return None
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(start[8 : 8 + width], "little")
    data_at = at + 8 + width + length
    budget.steps -= STEPS_PER_ARRAY + min(length, HEADER_SEARCHED_AT_MOST) // BYTES_PER_STEP
    header = content.read_at(at + 8 + width, min(length, HEADER_PARSED_AT_MOST))
    described = _usual(header)
    if described is None and length <= HEADER_PARSED_AT_MOST:
        budget.steps -= length
        described = _parsed(header)
    if described is None:
        # Too long or unusual to parse
        return Array(data_at, None, _has_sign_of_objects(content, at + 8 + width, length))
    kind, shape = described.get("descr"), described.get("shape")
    if _has_objects(kind):
        return Array(data_at, None, True)
    size = _item_size(kind)
    if size is None or not isinstance(shape, tuple):
        return Array(data_at, None, False)
    for extent in shape:
        if not isinstance(extent, int) or extent < 0:
            return Array(data_at, None, False)
        size *= extent
    return Array(data_at, data_at + size, False)


def _has_sign_of_objects(content: Content, at: int, length: int) -> bool:
    """Look through a header of any length; NumPy reads it whole where pickles are allowed."""
    import re

    if length > HEADER_SEARCHED_AT_MOST:
        return True
    sign, end = re.compile(SIGN_OF_OBJECTS), min(at + length, content.size)
    while at < end:
        window = content.read_at(at, min(WINDOW, end - at))
        if not window:
            return False
        if sign.search(window):
            return True
        if at + len(window) >= end:
            return False
        at += max(len(window) - 160, 1)  # a sign may lie across two windows
    return False


def _usual(header: bytes) -> dict[object, object] | None:
    import re

    found = re.fullmatch(USUAL, header)
    if found is None:
        return None
    return {"descr": found[1].decode(), "shape": tuple(int(extent) for extent in found[2].split(b",") if extent)}


def _parsed(header: bytes) -> dict[object, object] | None:
    import ast
    import warnings

    text = header.decode("latin-1")
    # Python 2 wrote long integers with an L, which NumPy still accepts.
    for attempt in dict.fromkeys((text, text.replace("L,", ",").replace("L)", ")"))):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd numbers and escapes
                value = ast.literal_eval(attempt.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    return None


def _has_objects(kind: object, depth: int = 0) -> bool:
    if depth > 64:
        return True
    if isinstance(kind, str):
        return "O" in kind or "T" in kind or "object" in kind.lower()
    if isinstance(kind, bytes):
        return _has_objects(kind.decode("latin-1"))
    if isinstance(kind, tuple):
        return any(_has_objects(part, depth + 1) for part in kind)
    if isinstance(kind, dict):  # {"names": …, "formats": …}, which NumPy took up to 1.13
        formats = kind.get("formats", list(kind.values()))
        if not isinstance(formats, (list, tuple)) or any(_has_objects(value, depth + 1) for value in formats):
            return True
    if isinstance(kind, (list, set, dict)):
        # NumPy unpacks a field from whatever has two or three items, also from the text "aO"
        return any(
            len(field) > 1 and _has_objects(field[1], depth + 1)
            for field in kind
            if isinstance(field, (tuple, list, str))
        )
    return False


def _item_size(kind: object, depth: int = 0) -> int | None:
    """Bytes per item of a dtype description; `None` where NumPy itself would have to be asked."""
    if depth > 64:
        return None
    if isinstance(kind, str):
        if "," in kind:
            return _item_size([("", part.strip()) for part in kind.split(",")], depth + 1)
        if kind in NAMED:
            return NAMED[kind]
        code = kind.lstrip("<>|=")
        letter, digits = code[:1], code[1:].partition("[")[0]
        if not digits:
            return ITEM_SIZES.get(letter, 8 if letter in ("m", "M") else None)
        if not (digits.isascii() and digits.isdigit() and len(digits) < 12) or letter not in "?biufcSaUVmM":
            return None
        return int(digits) * (4 if letter == "U" else 1)
    if isinstance(kind, tuple) and len(kind) == 2:
        return _times(_item_size(kind[0], depth + 1), kind[1])
    if isinstance(kind, list):
        total = 0
        for field in kind:
            if not isinstance(field, tuple) or len(field) not in (2, 3):
                return None
            size = _item_size(field[1], depth + 1)
            if len(field) == 3:
                size = _times(size, field[2])
            if size is None:
                return None
            total += size
        return total
    return None


def _times(size: int | None, shape: object) -> int | None:
    for extent in shape if isinstance(shape, tuple) else (shape,):
        if size is None or not isinstance(extent, int) or extent < 0:
            return None
        size *= extent
    return size
