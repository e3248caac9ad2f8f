"""Serialised objects of .NET: reading them makes the runtime run methods of the classes that they name.

`BinaryFormatter.Deserialize` makes an object of any class that a stream asks for, and runs its constructor for that
and its callbacks; Accord.NET keeps models so. A stream begins with a SerializationHeaderRecord of version 1.0, then
come records: of a class, of the library that has it, of arrays, or a single text ([MS-NRBF], 2.3 to 2.6).
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.formats.verdicts import CODE, Said, Scene

ID = "dotnet-object"
VERSION_AT, VERSION = 9, b"\x01\0\0\0\0\0\0\0"
RECORD_AT, NAME_AT = 17, 22  # a record is its type, an id, and what else it has
CLASSES = {2: "class", 3: "class", 4: "class", 5: "class", 12: "library"}
ARRAY, ARRAY_OF_OBJECTS = 7, 16
OF_SIMPLE_VALUES = (0, 1, 6, 7)  # numbers, texts, and arrays of them
NAME_AT_MOST = 1024


def inspect(scene: Scene) -> Iterator[Said]:
    """Tell what names a class from a text or an array of simple values."""
    head = scene.head
    if head[0] or head[VERSION_AT:RECORD_AT] != VERSION or len(head) <= NAME_AT:
        return
    record = head[RECORD_AT]
    name = _name(head, NAME_AT) if record in CLASSES else None
    has_objects = record == ARRAY_OF_OBJECTS or (record == ARRAY and _may_hold_objects(head))
    if name is not None or (has_objects and head[1:5] == head[RECORD_AT + 1 : NAME_AT]):
        found = f"{CLASSES[record]} {name[:100]}" if name is not None else "an array of objects"
        yield Said(CODE, ID, "serialised objects of .NET", None, f"{found} at byte {RECORD_AT}")


def _name(head: bytes, at: int) -> str | None:
    """A text behind its length, which takes seven bits of each byte; None where there is none that could be a name."""
    length = shift = 0
    for byte in head[at : at + 3]:
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    name = head[at : at + length].decode("utf-8", "replace")
    return name if 0 < length <= NAME_AT_MOST and len(name) > 1 and name.isprintable() else None


def _may_hold_objects(head: bytes) -> bool:
    kind, rank = head[NAME_AT], int.from_bytes(head[NAME_AT + 1 : NAME_AT + 5], "little")
    at = NAME_AT + 5 + 4 * rank * (2 if kind >= 3 else 1)  # lengths, and where it has them, lower bounds
    return head[at : at + 1] != b"" and head[at] not in OF_SIMPLE_VALUES
