"""Arrow IPC files, streams and Feather files, whose schema may hold pickles that pyarrow loads (CVE-2023-47248).

A field whose metadata name the extension type ``arrow.py_extension_type`` has the pickle of that type beside it;
pyarrow before 14.0.1 unpickles it as soon as the file is opened, later ones where they are asked to. Parquet files
hold the same schema as text; `schema_members` serves both. Layout: Arrow's ``format/File.fbs``, ``Message.fbs`` and
``Schema.fbs``; https://arrow.apache.org/docs/format/Columnar.html (encapsulated messages, IPC file format).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from git_custody.core.content import BytesContent, Content, PartContent
from git_custody.formats.flatbuffers import Reader, Table
from git_custody.formats.reading import BrokenError, TooMuchError
from git_custody.formats.stored_values import STEPS_PER_WALK, is_pickle, shown
from git_custody.formats.verdicts import OPAQUE, Budget, Member, Said, Scene

MAGIC = b"ARROW1"
CONTINUES = b"\xff\xff\xff\xff"
UNPICKLED = ("arrow", "an extension type of Arrow's, which pyarrow unpickles (CVE-2023-47248)")
PICKLING_TYPE = b"arrow.py_extension_type"
TYPE_NAME = b"ARROW:extension:name"
TYPE_METADATA = b"ARROW:extension:metadata"
SCHEMA_MESSAGE = 1
KEY_AT_MOST = 256
DEPTH_AT_MOST = 64
FIELDS_AT_MOST = 100_000
PICKLES_AT_MOST = 200
COMPARED = 16_384
SEARCHED_AT_MOST = 256 * 1024 * 1024
WINDOW = 1024 * 1024
READS_AT_MOST = 600_000
NAMES = (".arrow", ".arrows", ".feather")  # streams before Arrow 0.15 have no mark

# Fields of the tables, by their index in the schemas.
FOOTER_SCHEMA, FOOTER_METADATA = 1, 4
MESSAGE_TYPE, MESSAGE_HEADER = 1, 2
SCHEMA_FIELDS, SCHEMA_METADATA = 1, 2
FIELD_NAME, FIELD_CHILDREN, FIELD_METADATA = 0, 5, 6
KEY, VALUE = 0, 1


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look at the schema in front, and in the footer of a file, which may be another one."""
    yield from distinct(_of_schemas(scene))


def _of_schemas(scene: Scene) -> Iterator[Said | Member]:
    content, head = scene.content, scene.head
    if head.startswith(MAGIC):
        yield from schema_members(_message(content, 8), scene.budget)
        end = content.size
        tail = content.read_at(end - 10, 10)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] == MAGIC and 0 < length < end:
            yield from _members(PartContent(content, end - 10 - length, length), scene.budget, is_footer=True)
    elif head.startswith(CONTINUES) or scene.name.lower().endswith(NAMES):
        yield from schema_members(_message(content, 0), scene.budget)


def distinct(found: Iterator[Said | Member]) -> Iterator[Said | Member]:
    """What was found without repetitions: a file has its schema and metadata in two places."""
    seen: set[object] = set()
    for one in islice(found, PICKLES_AT_MOST):
        known = one if isinstance(one, Said) else (one.content.size, one.content.read_at(0, COMPARED))
        if known not in seen:
            seen.add(known)
            yield one


def schema_members(message: Content, budget: Budget) -> Iterator[Said | Member]:
    """The pickles in an encapsulated message's metadata, if it is a schema."""
    yield from _members(message, budget, is_footer=False)


def message_in(data: bytes) -> Content:
    """The metadata of the message at the beginning of `data`."""
    return _message(BytesContent(data), 0)


def _message(content: Content, at: int) -> Content:
    """The metadata of the message at `at`: behind their length, and since Arrow 0.15 behind a mark."""
    start = content.read_at(at, 8)
    if start[:4] == CONTINUES:
        return PartContent(content, at + 8, int.from_bytes(start[4:8], "little"))
    return PartContent(content, at + 4, int.from_bytes(start[:4], "little"))


def _members(content: Content, budget: Budget, is_footer: bool) -> Iterator[Said | Member]:
    reader = Reader(content, budget, min(READS_AT_MOST, budget.steps // 2))  # there may be another schema
    try:
        root = reader.root()
        if is_footer:
            schema = root.table(FOOTER_SCHEMA)
        else:
            schema = root.table(MESSAGE_HEADER) if root.number(MESSAGE_TYPE, 1) == SCHEMA_MESSAGE else None
        if schema is not None:
            for table, field in ((schema, SCHEMA_METADATA), *([(root, FOOTER_METADATA)] if is_footer else [])):
                for key, at, length in _metadata(reader, table, field):
                    budget.steps -= STEPS_PER_WALK
                    if budget.steps < 0:
                        return
                    value = PartContent(content, at, length)
                    if is_pickle(value, budget=budget):
                        yield Member(shown(key), value)
            for name, at, length in _pickled(reader, schema):
                pickle = PartContent(content, at, length)
                yield Member(f"{name}, {TYPE_METADATA.decode()}", pickle, unpickled=UNPICKLED)
    except BrokenError:
        return
    except TooMuchError:
        if _names_pickles(content):
            yield Said(OPAQUE, "arrow", "an Arrow schema with more fields than are looked at", forced=True)


def _names_pickles(content: Content) -> bool:
    """Whether a schema may have a type that is unpickled: words stand in it as they are."""
    for at in range(0, SEARCHED_AT_MOST, WINDOW):
        window = content.read_at(at, WINDOW + len(PICKLING_TYPE))
        if PICKLING_TYPE in window:
            return True
        if len(window) < WINDOW:
            return False
    return True


def _pickled(reader: Reader, schema: Table) -> Iterator[tuple[str, int, int]]:
    """The names of fields whose type pyarrow unpickles, and where the pickles are. Raises `TooMuchError`."""
    todo = [(schema.tables(SCHEMA_FIELDS), 0)]
    for _ in range(FIELDS_AT_MOST):
        if not todo:
            return
        fields, depth = todo[-1]
        field = next(fields, None)
        if field is None:
            todo.pop()
            continue
        pickles = []
        is_pickled = False
        for key, at, length in _metadata(reader, field, FIELD_METADATA):
            if key == TYPE_METADATA:
                pickles.append((at, length))
            elif key == TYPE_NAME:
                is_pickled = is_pickled or reader.read(at, min(length, KEY_AT_MOST)) == PICKLING_TYPE
        if is_pickled:
            for at, length in pickles:
                yield field.text(FIELD_NAME) or "field", at, length
        if depth < DEPTH_AT_MOST:
            todo.append((field.tables(FIELD_CHILDREN), depth + 1))
    raise TooMuchError


def _metadata(reader: Reader, table: Table, field: int) -> Iterator[tuple[bytes, int, int]]:
    """The keys of a table's metadata, and where their values begin and how long they are."""
    for pair in table.tables(field):
        key_at, key_length = pair.vector(KEY, 1)
        at, length = pair.vector(VALUE, 1)
        yield reader.read(key_at, min(key_length, KEY_AT_MOST)), at, length
