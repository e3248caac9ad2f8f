"""The objects of an HDF5 file: groups and datasets with their attributes, without what the datasets hold.

Follows the HDF5 File Format Specification 3.0: superblocks of all versions (II), object headers and their messages
(IV), groups and attributes in the old storage, in messages and in dense storage, and shared messages. The time it
takes depends on the number of objects, not on the size of the file, and ends at a limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

from git_custody.core.content import BytesContent, Content, PartContent
from git_custody.formats.hdf5_blocks import (
    BYTES_PER_COST,
    ENTRIES_PER_COST,
    GROUP_NODE,
    Exhausted,
    Filtered,
    FractalHeap,
    Lost,
    Source,
    expect,
    number,
    tree1,
    tree2,
)
from git_custody.formats.verdicts import Budget

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SUPERBLOCKS_AT_MOST = 48  # at 0, 512, 1024, 2048, ... of even the largest file
SUPERBLOCK_READ = 256
HEADER_FIRST_READ = 512
ADDRESS_SIZES, LENGTH_SIZES = (2, 4, 8, 16), (2, 4, 8)  # of which the library can write files
MESSAGES_KEPT = 20_000
MESSAGES_PER_COST = 4
COST_OF_LINK = 2
BYTES_OF_NAME_PER_COST = 16
PATH_SHOWN = 512
NAME_READ = 64
HEADER_AT_MOST = 16 * 1024 * 1024
ATTRIBUTE_HEAD = 65_536
REFERENCE_READ = 4 + max(ADDRESS_SIZES) + 4
SHARED_READ = 64
TYPES_KEPT = 4_096

# Classes of datatypes (IV.A.2.d) and types of messages (IV.A.2)
INTEGER, STRING, OPAQUE, VARIABLE = 0, 3, 5, 9
DATASPACE, LINK_INFO, DATATYPE, LINK, EXTERNAL, LAYOUT, FILTERS = 0x01, 0x02, 0x03, 0x06, 0x07, 0x08, 0x0B
ATTRIBUTE, SHARED_TABLE, CONTINUATION, SYMBOL_TABLE, ATTRIBUTE_INFO = 0x0C, 0x0F, 0x10, 0x11, 0x15
WANTED = frozenset(
    (
        *(DATASPACE, LINK_INFO, DATATYPE, LINK, EXTERNAL, LAYOUT, FILTERS),
        *(ATTRIBUTE, SHARED_TABLE, CONTINUATION, SYMBOL_TABLE, ATTRIBUTE_INFO),
    )
)
IS_SHARED = 0x02


class Message(NamedTuple):
    """A message of an object header."""

    type: int
    flags: int
    body: bytes


class Datatype(NamedTuple):
    """What the elements are: `kind` is the class of the datatype, `size` in bytes as stored here.

    `text`: strings, of fixed or of variable length; `base`: what a sequence of variable length is made of.
    """

    kind: int
    size: int
    text: bool
    base: Datatype | None


class Attribute(NamedTuple):
    """An attribute of one element (`value` is what it holds) or of several or none (`value` is None)."""

    name: str
    type: Datatype
    value: Content | None


class Node(NamedTuple):
    """A group or dataset at `path` (empty for the root), and the messages of its header."""

    path: str
    messages: tuple[Message, ...]

    def message(self, type: int) -> Message | None:
        """The first message of this type."""
        return next((message for message in self.messages if message.type == type), None)


class File:
    """An HDF5 file whose superblock begins at `begin`; `head` is what stands there.

    `lost`: something was damaged or not known here, and left out; `root_lost`: of the root; `filtered`: for the one
    reason that attributes or links are compressed. `exhausted`: the limit was reached. `external`: a link or dataset
    has its data in another file.
    """

    def __init__(self, content: Content, begin: int, head: bytes, budget: Budget) -> None:
        self.lost = self.root_lost = self.filtered = self.exhausted = self.external = False
        version = head[8]
        sizes = 13 if version < 2 else 9
        self.source = source = Source(content, begin, head[sizes], head[sizes + 1], budget)
        width = source.address_size
        if version > 3 or width not in ADDRESS_SIZES or source.length_size not in LENGTH_SIZES:
            raise Lost
        at = (24, 28, 12, 12)[version]
        self.end = begin + source.address(head, at + 2 * width)
        self._root = source.address(head, at + (4 * width + source.length_size if version < 2 else 3 * width))
        self._extension = None if version < 2 else source.address(head, at + width)
        self._shared_heaps: dict[int, FractalHeap] | None = None
        self._types: dict[bytes, Datatype] = {}

    def nodes(self) -> Iterator[Node]:
        """All groups and datasets that can be reached by hard links, each once, the root first."""
        pending, seen = [(self._root, "", b"")], {self._root}
        while pending and not self.exhausted:
            address, parent, link = pending.pop()
            name = link.decode("utf-8", "replace")
            path = f"{parent}/{name}"[-PATH_SHOWN:] if parent else name
            children: list[tuple[int, str, bytes]] = []
            with self._noting(path):
                node = Node(path, tuple(islice(self._messages(address), MESSAGES_KEPT)))
                if len(node.messages) == MESSAGES_KEPT:
                    raise Exhausted
                yield node
                for link, child in self._links(node):
                    self.source.spend(COST_OF_LINK + len(link) // BYTES_OF_NAME_PER_COST)
                    if child not in seen:
                        seen.add(child)
                        children.append((child, path, link))
            pending += reversed(children)

    def attributes(self, node: Node) -> Iterator[Attribute]:
        """The attributes of a node, as far as they can be read."""
        bodies = self._attribute_bodies(node)
        for _ in range(MESSAGES_KEPT):
            with self._noting(node.path):
                body = next(bodies, None)
                if body is None:
                    return
                self.source.spend(1)
                yield self._attribute(body)
            if self.exhausted:
                return
        self.exhausted = True

    def afford(self, cost: int) -> bool:
        """Whether a further look, of this cost, is within the limit."""
        if not self.exhausted:
            try:
                self.source.spend(cost)
            except Exhausted:
                self.exhausted = True
        return not self.exhausted

    def datatype(self, node: Node) -> Datatype | None:
        """What a dataset holds; None for a group, or where that cannot be read."""
        message = node.message(DATATYPE)
        try:
            return None if message is None else self._datatype(message.body, bool(message.flags & IS_SHARED))
        except (Lost, Exhausted):
            self.lost = True
            return None

    @contextmanager
    def _noting(self, path: str) -> Iterator[None]:
        """Note what cannot be read of the node at `path`, and go on."""
        try:
            yield
        except Lost as error:
            self.lost = True
            self.root_lost = self.root_lost or not path
            self.filtered = self.filtered or isinstance(error, Filtered)
        except Exhausted:
            self.exhausted = True

    # Object headers

    def _messages(self, address: int) -> Iterator[Message]:
        source = self.source
        head = source.read(address, HEADER_FIRST_READ, 16)
        second = head[:4] == b"OHDR"
        if second:
            flags = number(head, 5, 1)
            at = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
            width = 1 << (flags & 3)
            size = number(head, at, width)
            begin = at + width
        elif head[0] == 1:
            flags, begin, size = 0, 16, number(head, 8, 4)
        else:
            raise Lost
        data = head[begin : begin + size]
        pending, seen = [data if len(data) == size else source.read(address + begin, size)], {address}
        left = HEADER_AT_MOST - size
        while pending:
            chunk = pending.pop()
            for count, message in enumerate(_in_chunk(chunk, flags if second else None), 1):
                if not count % MESSAGES_PER_COST:
                    source.spend(1)
                if message.type == CONTINUATION:
                    place = source.address(message.body, 0)
                    size = source.length(message.body, source.address_size)
                    left -= size
                    if place in seen or left < 0:
                        raise Lost
                    seen.add(place)
                    more = source.read(place, size)
                    if second:
                        expect(more, b"OCHK")
                        more = more[4:-4]
                    pending.append(more)
                elif message.type in WANTED:
                    yield message

    def _shared(self, type: int, body: bytes) -> Content:
        """The message that one of an object header stands for."""
        source = self.source
        if body[:2] == b"\x03\x01":
            if self._shared_heaps is None:
                self._shared_heaps = dict(self._find_shared_heaps())
            for types, heap in self._shared_heaps.items():
                if types >> type & 1:
                    return heap.object(body[2 : 2 + heap.id_size])
            raise Lost
        address = source.address(body, 8 if body[:1] == b"\x01" else 2)
        for message in self._messages(address):
            if message.type == type and not message.flags & IS_SHARED:
                return BytesContent(message.body)
        raise Lost

    def _find_shared_heaps(self) -> Iterator[tuple[int, FractalHeap]]:
        """The heaps of shared messages, by the types (a bit each) that they hold."""
        source = self.source
        if self._extension is None or not source.defined(self._extension):
            return
        for message in self._messages(self._extension):
            if message.type == SHARED_TABLE:
                count = number(message.body, 1 + source.address_size, 1)
                width = 14 + 2 * source.address_size
                table = source.read(source.address(message.body, 1), 4 + count * width)
                expect(table, b"SMTB")
                for at in range(4, 4 + count * width, width):
                    heap = source.address(table, at + 14 + source.address_size)
                    if source.defined(heap):
                        yield number(table, at + 2, 2), FractalHeap(source, heap)

    # Attributes

    def _attribute_bodies(self, node: Node) -> Iterator[Content]:
        source = self.source
        for message in node.messages:
            if message.type == ATTRIBUTE:
                shared = message.flags & IS_SHARED
                yield self._shared(ATTRIBUTE, message.body) if shared else BytesContent(message.body)
            elif message.type == ATTRIBUTE_INFO:
                at = 4 if number(message.body, 1, 1) & 1 else 2
                heap = source.address(message.body, at)
                if source.defined(heap):
                    dense = FractalHeap(source, heap)
                    for record in tree2(source, source.address(message.body, at + source.address_size)):
                        if number(record, dense.id_size, 1) & IS_SHARED:
                            yield self._shared(ATTRIBUTE, b"\x03\x01" + record)
                        else:
                            yield dense.object(record[: dense.id_size])

    def _attribute(self, body: Content) -> Attribute:
        head = body.read_at(0, ATTRIBUTE_HEAD)
        self.source.spend(len(head) // BYTES_PER_COST)
        version, flags = number(head, 0, 1), number(head, 1, 1)
        sizes = [number(head, at, 2) for at in (2, 4, 6)]
        if not 1 <= version <= 3:
            raise Lost
        at = 9 if version == 3 else 8
        parts = []
        for size in sizes:
            parts.append(head[at : at + size])
            at += (size + 7) // 8 * 8 if version == 1 else size
        name, space = parts[0][:-1].split(b"\0")[0][:PATH_SHOWN], parts[2]
        self.source.spend(len(name) // BYTES_OF_NAME_PER_COST)
        datatype = self._datatype(parts[1], bool(version > 1 and flags & 1))
        if version > 1 and flags & 2:
            space = self._shared(DATASPACE, space).read_at(0, ATTRIBUTE_HEAD)
        value: Content | None = None
        if _elements(space, self.source) == 1:
            value = PartContent(body, at, datatype.size)
            if datatype.kind == VARIABLE:
                value = self.variable(value.read_at(0, REFERENCE_READ))
        return Attribute(name.decode("utf-8", "replace"), datatype, value)

    def variable(self, stored: bytes) -> Content:
        """What one element of variable length holds; raises `Lost` and `Exhausted`."""
        source = self.source
        length = number(stored, 0, 4)
        if length == 0 or not source.address(stored, 4):
            return BytesContent(b"")
        return source.of_global_heap(stored[4:])

    def _datatype(self, body: bytes, shared: bool) -> Datatype:
        if not shared:
            return _datatype(body)
        body = body[:SHARED_READ]
        if body not in self._types:
            if len(self._types) >= TYPES_KEPT:
                self._types.clear()
            self._types[body] = _datatype(self._shared(DATATYPE, body).read_at(0, ATTRIBUTE_HEAD))
        return self._types[body]

    # Links

    def _links(self, node: Node) -> Iterator[tuple[bytes, int]]:
        """The names and addresses of what a group holds."""
        source = self.source
        for message in node.messages:
            if message.type == SYMBOL_TABLE:
                tree = source.address(message.body, 0)
                heap = source.address(message.body, source.address_size)
                yield from self._old_links(tree, heap)
            elif message.type == LINK:
                yield from self._link(message.body)
            elif message.type == LINK_INFO:
                at = 10 if number(message.body, 1, 1) & 1 else 2
                address = source.address(message.body, at)
                if source.defined(address):
                    dense = FractalHeap(source, address)
                    for record in tree2(source, source.address(message.body, at + source.address_size)):
                        link = dense.object(record[4 : 4 + dense.id_size])
                        yield from self._link(link.read_at(0, ATTRIBUTE_HEAD))
            elif message.type == EXTERNAL:
                self.external = True

    def _old_links(self, tree: int, heap: int) -> Iterator[tuple[bytes, int]]:
        source = self.source
        width, length = source.address_size, source.length_size
        step = length + width + 24  # the offset of a name is as wide as a length, unlike what the specification says
        head = source.read(heap, 8 + 2 * length + width)
        expect(head, b"HEAP")
        names_at = source.address(head, 8 + 2 * length)
        names = source.read(names_at, min(source.length(head, 8), ATTRIBUTE_HEAD), 0)
        for _, leaf in tree1(source, tree, GROUP_NODE, length):
            block = source.read(leaf, HEADER_FIRST_READ, 8)
            expect(block, b"SNOD")
            end = 8 + number(block, 6, 2) * step
            source.spend(end // step // ENTRIES_PER_COST)
            if end > len(block):
                block = source.read(leaf, end)
            for at in range(8, end, step):
                if number(block, at + length + width, 4) != 2:  # 2: a soft link, which leads to a name
                    offset = source.length(block, at)
                    name = names[offset : offset + NAME_READ]
                    if b"\0" not in name and offset + NAME_READ > len(names):
                        name = source.read(names_at + offset, NAME_READ, 1)
                    yield name.split(b"\0")[0], source.address(block, at + length)

    def _link(self, body: bytes) -> Iterator[tuple[bytes, int]]:
        flags = number(body, 1, 1)
        at = 2
        kind = number(body, at, 1) if flags & 8 else 0
        at += (1 if flags & 8 else 0) + (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
        width = 1 << (flags & 3)
        length = number(body, at, width)
        at += width
        if kind == 0:
            yield body[at : at + min(length, NAME_READ)], self.source.address(body, at + length)
        elif kind == 64:
            self.external = True


def find(content: Content) -> tuple[int, bytes] | None:
    """Where the superblock begins, and its first bytes: at 0, 512, 1024, 2048 and so on."""
    begin = 0
    for _ in range(SUPERBLOCKS_AT_MOST):
        head = content.read_at(begin, SUPERBLOCK_READ)
        if not head:
            return None
        if head[:8] == SIGNATURE and len(head) >= 48:
            return begin, head
        begin = 2 * begin or 512
    return None


def _in_chunk(chunk: bytes, flags: int | None) -> Iterator[Message]:
    """The messages of a stretch of an object header: of version 2 with these flags, or of version 1."""
    head = 8 if flags is None else 6 if flags & 4 else 4
    at = 0
    while at + head <= len(chunk):
        if flags is None:
            kind, size, mark = number(chunk, at, 2), number(chunk, at + 2, 2), chunk[at + 4]
        else:
            kind, size, mark = chunk[at], number(chunk, at + 1, 2), chunk[at + 3]
        yield Message(kind, mark, chunk[at + head : at + head + size])
        at += head + size


def _datatype(body: bytes, depth: int = 0) -> Datatype:
    kind, bits, size = number(body, 0, 1) & 15, number(body, 1, 2), number(body, 4, 4)
    base = _datatype(body[8:], depth + 1) if kind == VARIABLE and depth < 8 else None
    text = kind == STRING or (kind == VARIABLE and bits & 15 == 1)
    return Datatype(kind, size, text, base)


def _elements(space: bytes, source: Source) -> int:
    version, rank = number(space, 0, 1), number(space, 1, 1)
    if version == 2 and number(space, 3, 1) == 2:
        return 0
    count, at = 1, 4 if version == 2 else 8
    for _ in range(rank):
        count *= source.length(space, at)
        at += source.length_size
    return count
