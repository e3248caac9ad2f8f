"""LMDB environments (data.mdb), whose values programs usually unpickle: image and feature databases for training.

The layout is that of ``mdb.c`` of LMDB 0.9: two meta pages, then B+ trees, one of them inside of another for each
named database. Page numbers are as wide as a pointer of the machine that wrote it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from git_custody.core.content import BytesContent, PartContent
from git_custody.formats.stored_values import VALUES_AT_MOST, Sieve, evenly, shown
from git_custody.formats.verdicts import Member, Said, Scene

MAGIC = 0xBEEFC0DE
BRANCH, LEAF, OVERFLOW = 0x01, 0x02, 0x04
FIXED_KEYS = 0x20
BIG_VALUE, DATABASE, DUPLICATES = 0x01, 0x02, 0x04
NO_PAGE = -1
DATABASES_AT_MOST = 1_000
PAGES_AT_MOST = 20_000
READ_AT_MOST = 256 * 1024 * 1024
DEPTH_AT_MOST = 32
NODES_PER_LEAF = 64  # about what a page of 4 KiB holds
STEPS_PER_PAGE, STEPS_PER_NODE = 4, 2


class Layout(NamedTuple):
    """Byte order (as `struct` writes it) and width of a page number."""

    order: str
    width: int

    @property
    def header(self) -> int:
        """Bytes of a page header."""
        return self.width + 8

    def number(self, data: bytes, at: int) -> int:
        """A page number; -1 where there is no page."""
        return int.from_bytes(data[at : at + self.width], "little" if self.order == "<" else "big", signed=True)


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look at the values of all databases of an environment."""
    layout = _layout(scene.head)
    if layout is None:
        return
    tree = _Tree(scene, layout)
    if tree.page_size:
        yield from tree.values(tree.root, VALUES_AT_MOST, "")


def _layout(head: bytes) -> Layout | None:
    for order in "<>":
        for width in (8, 4):
            layout = Layout(order, width)
            if struct.unpack_from(f"{order}LL", head.ljust(32, b"\0"), layout.header) in ((MAGIC, 1), (MAGIC, 999)):
                return layout
    return None


class _Tree:
    def __init__(self, scene: Scene, layout: Layout) -> None:
        self.content = scene.content
        self.layout = layout
        self.sieve = Sieve(scene)
        self.databases = DATABASES_AT_MOST
        self.page_size, self.root = self._newest()
        self.pages = min(PAGES_AT_MOST, READ_AT_MOST // max(1, self.page_size))

    def _newest(self) -> tuple[int, int]:
        """Page size, and root page of the main database, of the meta page with the newest transaction."""
        layout = self.layout
        at_databases = layout.header + 8 + 2 * layout.width
        of_database = 8 + 5 * layout.width
        best = (NO_PAGE, 0, NO_PAGE)
        first = self.content.read_at(0, 256)
        size = int.from_bytes(first[at_databases : at_databases + 4], "little" if layout.order == "<" else "big")
        if size < 256 or size > 65_536 or size & (size - 1):
            return 0, NO_PAGE
        for start in (0, size):
            page = self.content.read_at(start, 256)
            if len(page) == 256 and struct.unpack_from(f"{layout.order}L", page, layout.header)[0] == MAGIC:
                transaction = layout.number(page, at_databases + 2 * of_database + layout.width)
                root = layout.number(page, at_databases + 2 * of_database - layout.width)
                best = max(best, (transaction, size, root))
        return best[1:]

    def values(self, root: int, most: int, name: str, depth: int = 0, of_key: str | None = None) -> Iterator[Member]:
        """Values below a page: about `most` of them, evenly spread.

        `of_key`: the page belongs to the many values of one key, which are kept as keys themselves.
        """
        page = self._page(root) if depth < DEPTH_AT_MOST else None
        if page is None:
            return
        flags = struct.unpack_from(f"{self.layout.order}H", page, self.layout.width + 2)[0]
        nodes = self._nodes(page)
        if flags & BRANCH:
            children = evenly(nodes, most // NODES_PER_LEAF)
            for place in children:
                child = self._child(page, self._node(page, place))
                yield from self.values(child, most // len(children), name, depth + 1, of_key)
        elif flags & LEAF and not flags & FIXED_KEYS:
            for place in evenly(nodes, max(most, NODES_PER_LEAF)):
                self.sieve.spend(STEPS_PER_NODE)
                if self.sieve.left <= 0:
                    return
                at = self._node(page, place)
                if of_key is not None:
                    yield from self.sieve.look(BytesContent(self._key(page, at)), of_key)
                else:
                    yield from self._value(page, at, most, name, depth)

    def _value(self, page: bytes, at: int, most: int, name: str, depth: int) -> Iterator[Member]:
        layout = self.layout
        if at + 8 > len(page):
            return
        low, high, flags, key_length = struct.unpack_from(f"{layout.order}HHHH", page, at)
        length = low | high << 16 if layout.order == "<" else high | low << 16
        key = f"{name}{shown(page[at + 8 : at + 8 + key_length])}"
        begin = at + 8 + key_length
        data = page[begin : begin + length]
        self.sieve.spend(0, copied=len(data))
        if flags & DATABASE:
            self.databases -= 1
            if self.databases >= 0 and len(data) >= 8 + 5 * layout.width:
                below = layout.number(data, 8 + 4 * layout.width)
                yield from self.values(below, most, f"{key}/", depth + 1, key if flags & DUPLICATES else None)
        elif flags & DUPLICATES:
            for place in self._nodes(data):  # of a page inside of the node
                if self.sieve.left <= 0:
                    return
                yield from self.sieve.look(BytesContent(self._key(data, self._node(data, place))), key)
        elif flags & BIG_VALUE:
            where = layout.number(data, 0) if len(data) >= layout.width else NO_PAGE
            if where > 0:
                value = PartContent(self.content, where * self.page_size + layout.header, length)
                yield from self.sieve.look(value, key)
        else:
            yield from self.sieve.look(BytesContent(data), key)

    def _key(self, page: bytes, at: int) -> bytes:
        length = int.from_bytes(page[at + 6 : at + 8], "little" if self.layout.order == "<" else "big")
        self.sieve.spend(0, copied=length)
        return page[at + 8 : at + 8 + length]

    def _page(self, number: int) -> bytes | None:
        self.pages -= 1
        self.sieve.spend(STEPS_PER_PAGE, copied=self.page_size)
        if number <= 0 or self.pages < 0:
            return None
        page = self.content.read_at(number * self.page_size, self.page_size)
        # LMDB maps the file: what is missing of its last page is zeros.
        return page.ljust(self.page_size, b"\0") if page else None

    def _nodes(self, page: bytes) -> range:
        """Where a page, or a page inside of a node, says where its nodes begin."""
        header = self.layout.header
        if len(page) < header:
            return range(0)
        lower = struct.unpack_from(f"{self.layout.order}H", page, self.layout.width + 4)[0]
        count = max(0, min(lower, len(page)) - header) // 2
        return range(header, header + 2 * count, 2)

    def _node(self, page: bytes, place: int) -> int:
        return int(struct.unpack_from(f"{self.layout.order}H", page, place)[0])

    def _child(self, page: bytes, at: int) -> int:
        if at + 6 > len(page):
            return NO_PAGE
        low, high, upper = struct.unpack_from(f"{self.layout.order}HHH", page, at)
        if self.layout.order == ">":
            low, high = high, low
        return int(low | high << 16 | (upper << 32 if self.layout.width == 8 else 0))
