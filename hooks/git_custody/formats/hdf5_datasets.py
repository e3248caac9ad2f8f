"""What the datasets of an HDF5 file hold, as far as pickles may lie there: in one piece, or row by row.

Follows the HDF5 File Format Specification 3.0: the messages of the data layout (IV.A.2.i) and of the filter pipeline
(IV.A.2.l), and the B-trees of chunks (III.A.1), as PyTables writes them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from git_custody.core.content import BytesContent, Content
from git_custody.formats.hdf5_blocks import BYTES_PER_COST, CHUNK_NODE, Exhausted, Lost, Source, number, tree1
from git_custody.formats.hdf5_objects import FILTERS, LAYOUT, File, Node

ROWS_AT_MOST = 100
EMPTY_ROWS_PER_COST, FILTERS_PER_COST = 16, 32
CHUNK_UNPACKED_AT_MOST = 4 * 1024 * 1024
COMPACT, CONTIGUOUS, CHUNKED = range(3)
DEFLATE, SHUFFLE, FLETCHER32 = 1, 2, 3


class Layout(NamedTuple):
    """How the data of a dataset lie: `data` where in one piece, else the B-tree of its chunks at `chunks`."""

    data: Content | None = None
    chunks: int | None = None
    dimensions: int = 0


def stored(file: File, node: Node) -> Content | None:
    """The data of a dataset that lie in one piece, unfiltered; None for others."""
    try:
        return _layout(file, node).data
    except Lost:
        return None


def rows(file: File, node: Node) -> Iterator[Content]:
    """What the first elements of a dataset of variable length hold, as far as they can be read."""
    width = 8 + file.source.address_size
    left = ROWS_AT_MOST
    try:
        for block in _blocks(file, node, width):
            file.source.spend(len(block) // width // EMPTY_ROWS_PER_COST)
            for at in range(0, len(block) - width + 1, width):
                if number(block, at, 4):
                    yield file.variable(block[at : at + width])
                    left -= 1
                    if not left:
                        return
    except (Lost, Exhausted):
        return


def _layout(file: File, node: Node) -> Layout:
    message, source = node.message(LAYOUT), file.source
    if message is None:
        return Layout()
    body = message.body
    version = number(body, 0, 1)
    dimensions, kind, at = (2, 1, 2) if version >= 3 else (1, 2, 8)
    kind = number(body, kind, 1)
    if kind == COMPACT:
        width = 2 if version >= 3 else 4
        at += 0 if version >= 3 else 4 * number(body, dimensions, 1)
        return Layout(BytesContent(body[at + width :][: number(body, at, width)]))
    if kind == CHUNKED and version <= 3:
        address = source.address(body, at + (1 if version == 3 else 0))
        return Layout(None, address if source.defined(address) else None, number(body, dimensions, 1))
    if kind != CONTIGUOUS or not source.defined(address := source.address(body, at)):
        return Layout()
    length = source.length(body, at + source.address_size) if version >= 3 else source.content.size
    return Layout(source.part(address, length))


def _blocks(file: File, node: Node, width: int) -> Iterator[bytes]:
    """The elements, `width` bytes each, one stretch after the other."""
    layout, filters, source = _layout(file, node), node.message(FILTERS), file.source
    if layout.data is not None:
        yield layout.data.read_at(0, ROWS_AT_MOST * width)
    elif layout.chunks is not None:
        pipeline = [] if filters is None else list(_filters(filters.body))
        for key, address in tree1(source, layout.chunks, CHUNK_NODE, 8 + 8 * layout.dimensions):
            size = min(number(key, 0, 4), CHUNK_UNPACKED_AT_MOST)
            if filters is None:
                yield source.read(address, min(size, ROWS_AT_MOST * width))
            else:
                skipped = number(key, 4, 4)  # has a bit for each filter that was not applied to the chunk
                applied = [known for at, known in enumerate(pipeline) if not skipped >> at & 1]
                source.spend(len(pipeline) // FILTERS_PER_COST)
                yield _unfiltered(source.read(address, size), applied, width, source)


def _unfiltered(data: bytes, filters: list[tuple[int, int]], width: int, source: Source) -> bytes:
    """A chunk before its filters were applied; raises `Exhausted`, and `Lost` for filters that are not known here."""
    for known, size in reversed(filters):
        if known == DEFLATE:
            try:
                data = zlib.decompressobj().decompress(data, CHUNK_UNPACKED_AT_MOST)
            except zlib.error:
                raise Lost from None
        elif known == SHUFFLE:
            size = size or width
            count = len(data) // size
            data = b"".join(data[row : count * size : count] for row in range(min(count, ROWS_AT_MOST)))
        elif known == FLETCHER32:
            data = data[:-4]
        else:
            raise Lost
        source.spend(1 + len(data) // BYTES_PER_COST)
    return data


def _filters(pipeline: bytes) -> Iterator[tuple[int, int]]:
    """The filters of a pipeline message, each with the first of its values."""
    version, count = number(pipeline, 0, 1), number(pipeline, 1, 1)
    at = 8 if version == 1 else 2
    for _ in range(count):
        known = number(pipeline, at, 2)
        named = version == 1 or known >= 256
        length = number(pipeline, at + 2, 2) if named else 0
        at += 4 if named else 2
        values = number(pipeline, at + 2, 2)
        at += 4 + (length + 7) // 8 * 8 if version == 1 else 4 + length
        yield known, number(pipeline, at, 4) if values else 0
        at += 4 * (values + (values % 2 if version == 1 else 0))
