"""Java's serialised objects: reading them makes the virtual machine run methods of the classes that they name.

`ObjectInputStream.readObject` runs `readObject`, `readResolve` and the like of any class on the class path that the
stream asks for, before the caller sees a thing. Strings, bytes and arrays of numbers name no class that could do
anything. The layout is that of the "Java Object Serialization Specification", chapter 6.
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.core.content import Content
from git_custody.formats.verdicts import CODE, Budget, Member, Said, Scene

STREAM = b"\xac\xed\x00\x05"
NULL, REFERENCE, CLASS_DESCRIPTION, OBJECT, STRING, ARRAY, CLASS, BLOCK, END_BLOCK, RESET = range(0x70, 0x7A)
LONG_BLOCK, EXCEPTION, LONG_STRING, PROXY, ENUM = range(0x7A, 0x7F)
KINDS = {
    OBJECT: "an object of the class", ARRAY: "an array of the class", CLASS: "the class", PROXY: "a proxy for",
    CLASS_DESCRIPTION: "the class", ENUM: "a constant of the class", EXCEPTION: "an exception",
}  # fmt: skip
WIDTHS = {"[B": 1, "[Z": 1, "[C": 2, "[S": 2, "[I": 4, "[F": 4, "[J": 8, "[D": 8}
FIRST_HANDLE = 0x7E0000
CONTENTS_AT_MOST = 100_000
STEPS_PER_CONTENT = 2


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look for the first class that a stream names."""
    if not scene.head.startswith(STREAM):
        return
    found = _first_class(scene.content, scene.budget)
    if found is None:
        return
    name, kind, at = found
    calls = f"{name}.readObject" if name and kind == OBJECT else None
    shown = f" {name}" if name else ""
    yield Said(CODE, "java-object", "serialised Java objects", calls, f"{KINDS[kind]}{shown} at byte {at}")


def _first_class(content: Content, budget: Budget) -> tuple[str | None, int, int] | None:
    """The first class, what is there of it, and where."""
    at = len(STREAM)
    handles = 0
    widths: dict[int, int] = {}  # of arrays whose class was described before, by its handle
    for _ in range(CONTENTS_AT_MOST):
        start = content.read_at(at, 9)
        budget.steps -= STEPS_PER_CONTENT
        if not start or budget.steps < 0:
            return None
        kind = start[0]
        if kind in (NULL, RESET, END_BLOCK):
            at += 1
            if kind == RESET:
                handles = 0
                widths.clear()
        elif kind == REFERENCE:
            at += 5
        elif kind == BLOCK:
            at += 2 + int.from_bytes(start[1:2], "big")
        elif kind == LONG_BLOCK:
            at += 5 + int.from_bytes(start[1:5], "big")
        elif kind == STRING:
            at += 3 + int.from_bytes(start[1:3], "big")
            handles += 1
        elif kind == LONG_STRING:
            at += 9 + int.from_bytes(start[1:9], "big")
            handles += 1
        elif kind == ARRAY and len(start) > 5 and start[1] == REFERENCE:
            width = widths.get(int.from_bytes(start[2:6], "big") - FIRST_HANDLE)
            if width is None:
                return None, kind, at
            at += 10 + width * int.from_bytes(content.read_at(at + 6, 4), "big")
            handles += 1
        elif kind in KINDS:
            name = _class_name(content, at + (kind not in (CLASS_DESCRIPTION, PROXY)))
            width = WIDTHS.get(name or "") if kind == ARRAY else None
            if name is None or width is None:
                return name, kind, at
            # Description: name, serialVersionUID (8), flags (1), fields (2), annotations, superclass; then the length.
            described = at + 1 + 3 + len(name)
            rest = content.read_at(described + 8, 9)
            if len(rest) < 9 or rest[1:5] != b"\0\0\x78\x70":
                return name, kind, at
            at = described + 17 + width * int.from_bytes(rest[5:9], "big")
            widths[handles] = width
            handles += 2
        else:
            return None
    return None, OBJECT, at


def _class_name(content: Content, at: int) -> str | None:
    """The name in a class description, or the first interface of a proxy."""
    start = content.read_at(at, 7)
    if start[:1] == bytes((CLASS_DESCRIPTION,)):
        length = int.from_bytes(start[1:3], "big")
        at += 3
    elif start[:1] == bytes((PROXY,)) and len(start) == 7:
        length = int.from_bytes(start[5:7], "big")
        at += 7
    else:
        return None
    name = content.read_at(at, min(length, 256)).decode("utf-8", "replace")
    return name if name.isprintable() and name else None
