"""Torch7's files (.t7, .th, .net), written by Lua: tables, tensors, and possibly functions, which are Lua bytecode.

The layout is that of `File:writeObject` in torch7's ``File.lua``, of ``generic/Tensor.c`` and ``generic/Storage.c``,
binary and ASCII. There is no mark at the beginning, so that nothing is claimed before a class of Torch, a function of
compiled Lua, or all of the first object has been seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from git_custody.core.content import Content
from git_custody.formats.verdicts import CODE, MALFORMED, OPAQUE, SAFE, Budget, Member, Said, Scene

ID = "torch7"
NIL, NUMBER, STRING, TABLE, OBJECT, BOOLEAN, FUNCTION, OLD_FUNCTION, NEW_FUNCTION = range(9)
OBJECTS_AT_MOST = 300_000
STEPS_PER_OBJECT = 3
DIMENSIONS_AT_MOST = 64
EXTENT_AT_MOST = 1 << 40
NAME_AT_MOST = 256
UNORDERED_AT_MOST = 10_000
WINDOW = 65_536
NAMES = (".t7", ".th", ".net")
LUA_BYTECODE = (b"\x1bLua", b"\x1bLJ")
VERSION = re.compile(rb"V \d{1,9}")
CLASS_NAME = re.compile(rb"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
STORAGE = re.compile(r"torch\.(Cuda|Cl)?(Byte|Char|Short|Int|Long|Half|Float|Double|)Storage")
TENSOR = re.compile(r"torch\.(Cuda|Cl)?\w*Tensor")
WIDTHS = {"Byte": 1, "Char": 1, "Short": 2, "Int": 4, "Long": 8, "Half": 2, "Float": 4, "Double": 8, "": 4}
ASCII_START = re.compile(rb"[0-8]\n")
SCRIPT = re.compile(rb"[\t\n\r -~]+")  # Lua as text, which loads as well
WORD = re.compile(rb"\s*(\S{1,400})")
KNOWN_PACKAGES = ("torch.", "nn.", "cudnn.", "cunn.", "nngraph.", "rnn.")


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Read the first object of a file, in each way that Torch may have written it."""
    content, head = scene.content, scene.head
    named = scene.name.lower().endswith(NAMES)
    readers: tuple[_Reader, ...]
    if head[1:4] == b"\0\0\0" and head[0] <= NEW_FUNCTION:
        readers = (_Reader(content, 8), _Reader(content, 4))
    elif ASCII_START.match(head):
        readers = (_AsciiReader(content, 8),)
    else:
        return
    walkers = [_Walker(reader, scene.budget) for reader in readers]
    # In the wrong width it soon makes no sense.
    whole, best = max(((walker.run(), walker) for walker in walkers), key=lambda read: (read[1].classes, read[0]))
    at_end = whole and best.reader.is_at_end()
    if best.function is not None and (best.compiled or best.classes or (at_end and (best.script or named))):
        yield Said(CODE, ID, "a Torch7 file with a function, which is Lua code", evidence=best.function)
    elif whole:
        if best.classes or (named and at_end):
            yield Said(SAFE, ID, "a Torch7 file without functions")
    elif best.classes and best.too_much:
        yield Said(OPAQUE, ID, "a Torch7 file with more objects than are looked at")
    elif best.classes and not best.last.startswith(KNOWN_PACKAGES):
        yield Said(OPAQUE, ID, f"a Torch7 file with an object of the class {best.last}, which cannot be looked into")
    elif best.classes:
        yield Said(MALFORMED, ID, f"a Torch7 file that is not valid from byte {best.reader.position} on")


class _Broken(Exception):
    """Not what Torch writes."""


class _Reader:
    """Reads the binary encoding, in order; `long` is the width of a C long."""

    cost = 1

    def __init__(self, content: Content, long: int) -> None:
        self.long = long
        self.position = 0
        self._content = content
        self._window = content.read_at(0, 4096)
        self._base = 0

    def integer(self) -> int:
        """Read a C int."""
        return int.from_bytes(self.chars(4), "little", signed=True)

    def longs(self, count: int) -> list[int]:
        """Read C longs."""
        data = self.chars(self.long * count)
        return [
            int.from_bytes(data[at : at + self.long], "little", signed=True) for at in range(0, len(data), self.long)
        ]

    def number(self) -> None:
        """Pass a double over."""
        self.skip(8, 1)

    def chars(self, length: int) -> bytes:
        """Read characters; not for more than a window."""
        at = self.position - self._base
        if not 0 <= at <= at + length <= len(self._window):
            self._base, at = self.position, 0
            self._window = self._content.read_at(self._base, WINDOW)
            if length > len(self._window):
                raise _Broken
        self.position += length
        return self._window[at : at + length]

    def ahead(self, length: int) -> bytes:
        """What comes next, at most that many bytes of it."""
        at = self.position - self._base
        if not 0 <= at <= at + length <= len(self._window):
            self._base, at = self.position, 0
            self._window = self._content.read_at(self._base, WINDOW)
        return self._window[at : at + length]

    def skip(self, width: int, count: int) -> None:
        """Pass numbers of that many bytes each over."""
        length = width * count
        if length and not self._content.read_at(self.position + length - 1, 1):
            raise _Broken
        self.position += length

    def is_at_end(self) -> bool:
        """Whether nothing follows."""
        return not self.ahead(1)


class _AsciiReader(_Reader):
    """Reads the ASCII encoding: numbers with white space between, characters as they are, and a line's end behind."""

    cost = 3

    def integer(self) -> int:
        """Read a C int."""
        return self.longs(1)[0]

    def longs(self, count: int) -> list[int]:
        """Read C longs."""
        words = [self._word() for _ in range(count)]
        if not all(re.fullmatch(rb"[+-]?\d{1,19}", word) for word in words):
            raise _Broken
        if count:
            self._end_line()
        return [int(word) for word in words]

    def number(self) -> None:
        """Pass a double over."""
        try:
            float(self._word())
        except ValueError:
            raise _Broken from None
        self._end_line()

    def chars(self, length: int) -> bytes:
        """Read characters, and the end of the line."""
        data = super().chars(length)
        if length:
            self._end_line()
        return data

    def skip(self, width: int, count: int) -> None:
        """Pass numbers over, or characters, which are not written as numbers."""
        if width == 1:
            super().skip(1, count)
        else:
            while count:
                most = min(WINDOW, max(512, 32 * count))
                ahead = self.ahead(most)
                if len(ahead) == most:
                    ahead = ahead[: max(ahead.rfind(b" "), ahead.rfind(b"\n")) + 1]
                words = len(ahead.split())
                if not words:
                    raise _Broken
                if words > count:
                    ahead = ahead[: len(ahead) - len(ahead.split(None, count)[-1])]
                    words = count
                count -= words
                self.position += len(ahead)
        if count or width == 1:
            self._end_line()

    def is_at_end(self) -> bool:
        """Whether only white space follows."""
        return not self.ahead(64).strip()

    def _word(self) -> bytes:
        found = WORD.match(self.ahead(512))
        if found is None:
            raise _Broken
        self.position += found.end()
        return found[1]

    def _end_line(self) -> None:
        if self.ahead(1) == b"\n":
            self.position += 1


class _Walker:
    def __init__(self, reader: _Reader, budget: Budget) -> None:
        self.reader = reader
        self.budget = budget
        self.highest = 0
        self.unordered: set[int] = set()
        self.classes = 0
        self.last = ""
        self.function: str | None = None
        self.compiled = self.script = False
        self.too_much = False

    def run(self) -> bool:
        """Read one object; whether it is whole."""
        pending = 1
        try:
            for _ in range(OBJECTS_AT_MOST // self.reader.cost):
                if not pending:
                    return True
                self.budget.steps -= STEPS_PER_OBJECT
                if self.budget.steps < 0:
                    break
                pending += self._object() - 1
        except _Broken:
            return False
        self.too_much = True
        return False

    def _object(self) -> int:
        """Read one object up to those inside of it; how many these are."""
        reader = self.reader
        began = reader.position
        kind = reader.integer()
        if kind == NIL:
            return 0
        if kind == NUMBER:
            reader.number()
            return 0
        if kind == BOOLEAN:
            if reader.integer() not in (0, 1):
                raise _Broken
            return 0
        if kind == STRING:
            reader.skip(1, self._length())
            return 0
        if kind == FUNCTION:
            return self._function(began)
        if kind not in (TABLE, OBJECT, OLD_FUNCTION, NEW_FUNCTION):
            raise _Broken
        if self._is_known(reader.integer()):
            return 0
        if kind == TABLE:
            return 2 * self._length()
        if kind == OBJECT:
            return self._of_class()
        return self._function(began)

    def _is_known(self, index: int) -> bool:
        """Whether an object of that index was read before; they are counted from 1."""
        if index == self.highest + 1:
            self.highest = index
        elif 1 <= index <= self.highest or index in self.unordered:
            return True
        elif len(self.unordered) >= UNORDERED_AT_MOST:
            raise _Broken
        else:
            self.unordered.add(index)
        return False

    def _length(self) -> int:
        length = self.reader.integer()
        if length < 0:
            raise _Broken
        return length

    def _function(self, began: int) -> int:
        length = self._length()
        start = self.reader.ahead(min(length, 8))
        self.compiled = self.compiled or start.startswith(LUA_BYTECODE)
        self.script = self.script or (len(start) == 8 and SCRIPT.fullmatch(start) is not None)
        self.reader.skip(1, length)
        self.function = self.function or f"function at byte {began}"
        return 1  # its upvalues

    def _name(self) -> bytes:
        length = self._length()
        if length > NAME_AT_MOST:
            raise _Broken
        return self.reader.chars(length)

    def _of_class(self) -> int:
        name = self._name()
        if VERSION.fullmatch(name):
            name = self._name()
        if not CLASS_NAME.fullmatch(name):
            raise _Broken
        self.classes += 1
        self.last = name.decode("ascii", "replace")
        if storage := STORAGE.fullmatch(self.last):
            size = self.reader.longs(1)[0]
            if size < 0:
                raise _Broken
            self.reader.skip(self.reader.long if storage[2] == "Long" else WIDTHS[storage[2]], size)
            return 0
        if TENSOR.fullmatch(self.last):
            dimensions = self.reader.integer()
            if not 0 <= dimensions <= DIMENSIONS_AT_MOST:
                raise _Broken
            sizes = self.reader.longs(dimensions)
            if not all(0 < size < EXTENT_AT_MOST for size in sizes):
                raise _Broken  # an empty tensor has no dimensions
            self.reader.longs(dimensions + 1)  # strides, and the offset in the storage
        return 1  # the storage of a tensor, the fields of anything else
