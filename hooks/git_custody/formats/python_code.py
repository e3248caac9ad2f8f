"""Python bytecode: .pyc files, and marshal data that hold a code object, which whoever loads them executes.

The layout is that of CPython's ``Python/marshal.c`` (versions 0 to 5) and ``Lib/importlib/_bootstrap_external.py``
(the header of a .pyc). Text begins with the same letters, so that nothing is claimed before every field of the code
object is there and of its type.
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.core.content import Content
from git_custody.formats.verdicts import CODE, Member, Said, Scene

WINDOW = 65_536
OBJECTS_AT_MOST = 300_000
STEPS_PER_OBJECT = 3
DEPTH_AT_MOST = 2_000  # as MAX_MARSHAL_STACK_DEPTH
NAME_AT_MOST = 256
MODULE_HEADERS = (16, 12, 8)  # since Python 3.7, since 3.3, before

REMEMBERED = 0x80  # FLAG_REF
CODE_OBJECT = b"c"
STARTS = frozenset(kind | flag for kind in b"c([{<>)" for flag in (0, REMEMBERED))
ATOMS = frozenset(b"0NFTS.")
FIXED = {ord("i"): 4, ord("I"): 8, ord("g"): 8, ord("y"): 16, ord("r"): 4, ord("R"): 4}
COUNTED = {ord("s"): 4, ord("t"): 4, ord("u"): 4, ord("a"): 4, ord("A"): 4, ord("z"): 1, ord("Z"): 1}
SEQUENCES = {ord("("): 4, ord("["): 4, ord("<"): 4, ord(">"): 4, ord(")"): 1}

# The fields of a code object: i an integer, b bytes, t a tuple, n a name. Each may be a reference.
LAYOUTS = (
    "iiiiibtttbnnnibb",  # 3.11 and later
    "iiiiiibtttttnnib",  # 3.8 to 3.10
    "iiiiibtttttnnib",  # 3.0 to 3.7
    "iiiibtttttnnib",  # 2.3 to 2.7
)
TYPES = {"b": b"strR", "n": b"uaAzZstrR", "t": b"()rR"}
KINDS = bytes(kind | flag for kind in b"0NFTS.iIlfgxystuaAzZrR([{<>)c:" for flag in (0, REMEMBERED))


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Tell a .pyc by its header and the code object behind it, and marshal data by a code object inside."""
    head = scene.head
    # In an archive it is part of a program, as the other files of wheels, eggs and zipped applications are; in the
    # folder where Python itself keeps what it compiled, it is part of the program beside it (PEP 3147).
    if head[2:4] == b"\r\n" and not scene.is_member and "__pycache__/" not in scene.name:
        for length in MODULE_HEADERS:
            if head[length : length + 1] in (CODE_OBJECT, b"\xe3"):
                if (name := _code_object(scene, length)) is not None:
                    yield Said(CODE, "pyc", "compiled Python code", evidence=f"code object{name} at byte {length}")
                    return
    if head[0] in STARTS and _may_be_marshal(head):
        if (name := _code_object(scene, 0)) is not None:
            yield Said(CODE, "marshal", "Python bytecode, as marshal writes it", evidence=f"code object{name}")


def _may_be_marshal(head: bytes) -> bool:
    """Whether what follows the first byte may be a count or an object: a quick no to nearly all texts."""
    kind = head[0] & ~REMEMBERED
    if kind == 0x63:
        return head[4:5] == head[8:9] == head[12:13] == b"\0"  # counts of arguments and variables
    if kind in b"{)":
        return head[1 + (kind == 0x29) : 2 + (kind == 0x29)].translate(None, KINDS) == b""
    return head[4:5] == b"\0"


def _code_object(scene: Scene, at: int) -> str | None:
    """Words for what a code object in the object at `at` was compiled from; None where there is no such object."""
    for layout in LAYOUTS:
        walker = _Walker(scene.content, at, layout)
        try:
            walker.run(min(OBJECTS_AT_MOST, scene.budget.steps // STEPS_PER_OBJECT + 1))
        except _Broken:
            continue
        finally:
            scene.budget.steps -= (walker.objects + 1) * STEPS_PER_OBJECT
        if walker.name is not None:
            name = walker.name.replace("\\", "/").rpartition("/")[2]
            return f" of '{name}'" if name else ""
        return None
    return None


class _Broken(Exception):
    """Not what marshal writes."""


class _Walker:
    def __init__(self, content: Content, at: int, layout: str) -> None:
        self.content = content
        self.layout = layout
        self.base = at
        self.at = 0
        self.window = content.read_at(at, 4096)
        self.name: str | None = None
        self.remembered = 0
        self.objects = 0

    def run(self, most: int) -> None:
        """Walk one object to its end, or so many inside of it. Raises `_Broken`."""
        # Of each object that is open: the fields or the number of items still to come, and whether it is a code object.
        todo: list[tuple[str | int, int]] = [(1, 0)]
        for self.objects in range(most):
            while todo and not todo[-1][0]:
                todo.pop()
            if not todo:
                return
            if len(todo) > DEPTH_AT_MOST:
                raise _Broken
            left, fields = todo[-1]
            if isinstance(left, str):
                field, left = left[0], left[1:]
                todo[-1] = left, fields + 1
                if field == "i":
                    self._integer()
                    continue
            else:
                field = ""
                if left > 0:
                    todo[-1] = left - 1, 0
            opened = self._object(field, self._is_file_name(left, field))
            if opened is None:
                if left == -1:  # NULL ends a dict
                    todo.pop()
                    continue
                raise _Broken
            if opened:
                todo.append((opened, 0))
        # So much that is valid is no accident

    def _is_file_name(self, left: str | int, field: str) -> bool:
        return field == "n" and isinstance(left, str) and left == self.layout.partition("n")[2]

    def _object(self, field: str, is_file_name: bool) -> str | int | None:
        """Read one object; what it opens: fields, items, -1 for a dict, 0 for nothing. None for NULL."""
        kind = self._raw(1)[0]
        known = kind & ~REMEMBERED
        self.remembered += kind >> 7
        if field and known not in TYPES[field]:
            raise _Broken
        if known in ATOMS:
            return None if known == 0x30 else 0
        if known in FIXED:
            value = self._raw(FIXED[known])
            if known == 0x72 and int.from_bytes(value, "little") >= self.remembered:
                raise _Broken
            return 0
        if known in COUNTED:
            length = int.from_bytes(self._raw(COUNTED[known]), "little")
            self._text(length, is_file_name)
            return 0
        if known in SEQUENCES:
            length = int.from_bytes(self._raw(SEQUENCES[known]), "little")
            if length > 0x7FFFFFFF or (length and not self.content.read_at(self.base + self.at + length - 1, 1)):
                raise _Broken
            return length
        if known == 0x63:
            if self.name is None:
                self.name = ""
            return self.layout
        if known == 0x7B:
            return -1
        if known == 0x3A:  # a slice, since version 5
            return 3
        if known == 0x6C:  # an int of many digits, of 15 bits each
            self._skip(2 * abs(self._integer()))
        elif known in b"fx":
            for _ in range(1 + (known == 0x78)):
                digits = self._raw(self._raw(1)[0])
                try:
                    float(digits)
                except ValueError:
                    raise _Broken from None
        else:
            raise _Broken
        return 0

    def _text(self, length: int, is_file_name: bool) -> None:
        if length > 0x7FFFFFFF:
            raise _Broken
        kept = self._raw(min(length, NAME_AT_MOST))
        self._skip(length - len(kept))
        if is_file_name and not self.name:
            self.name = kept.decode("utf-8", "replace")

    def _integer(self) -> int:
        return int.from_bytes(self._raw(4), "little", signed=True)

    def _raw(self, length: int) -> bytes:
        end = self.at + length
        if end > len(self.window):
            self.base += self.at
            self.at, end = 0, length
            self.window = self.content.read_at(self.base, WINDOW)
            if end > len(self.window):
                raise _Broken
        data = self.window[self.at : end]
        self.at = end
        return data

    def _skip(self, length: int) -> None:
        if self.at + length <= len(self.window):
            self.at += length
            return
        if not self.content.read_at(self.base + self.at + length - 1, 1):
            raise _Broken
        self.base += self.at + length
        self.window, self.at = b"", 0
