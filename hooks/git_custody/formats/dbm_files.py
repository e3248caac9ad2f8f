"""The files behind Python's dbm and shelve, whose values shelve unpickles: gdbm, Berkeley DB, ndbm, dbm.dumb.

Layouts: gdbm's ``gdbmdefs.h``; Berkeley DB's ``dbinc/db_page.h`` (hash and B-tree, versions 7 to 10); the hash of
Berkeley DB 1.85 (``hash/page.h``), which is the ndbm of macOS; CPython's ``Lib/dbm/dumb.py``, whose values begin at
multiples of 512 bytes in a file without any mark. Python 3.13's default is SQLite.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Literal, NamedTuple

from git_custody.core.content import BytesContent, Content, PartContent
from git_custody.formats.pickle_opcodes import FIRST_BYTES
from git_custody.formats.pickles import walk
from git_custody.formats.stored_values import OPCODES_OF_PLAIN_DATA, STEPS_PER_WALK, Sieve, calls, shown
from git_custody.formats.verdicts import MALFORMED, Budget, Member, Said, Scene

Order = Literal["little", "big"]

PAGES_AT_MOST = 10_000
READ_AT_MOST = 256 * 1024 * 1024
LARGEST_PAGE = 65_536
BUCKETS_AT_MOST = 20_000
WINDOW = 256 * 1024
STEPS_PER_PAGE = 4
ELEMENTS_PER_STEP = 8
LINES_PER_STEP = 2
DUMB_BLOCK = 512
DUMB_AT_MOST = 64 * 1024 * 1024
INDEX_AT_MOST = 16 * 1024 * 1024
INDEX_LINE = re.compile(rb"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"), \((\d{1,18}), \d{1,18}\)[ \r]*""")
LONGEST_ODD_LINE = 4096
NAME_SHOWN = 100
DUMB_PACKED_AT_MOST = 1024 * 1024  # inside of archives, where reading on unpacks

GDBM = {0x13579ACD: 4, 0x13579ACE: 8, 0x13579ACF: 8, 0x13579AD0: 4, 0x13579AD1: 8}  # width of a file offset
BERKELEY_HASH, BERKELEY_TREE = 0x061561, 0x053162
OLD_HASH_PAGE, TREE_LEAF, NUMBERED_LEAF, HASH_PAGE = 2, 5, 6, 13
HASH_VALUE, HASH_ELSEWHERE = 1, 3
TREE_VALUE, TREE_ELSEWHERE = 1, 3
PAGE_HEADER = 26
OLDEST_MARKERS = 4  # below are marks for keys and values that go on elsewhere


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Look at the values of a database of any of these kinds."""
    head, content = scene.head, scene.content
    orders: tuple[Order, Order] = ("little", "big")
    for order in orders:
        magic = int.from_bytes(head[:4], order)
        if magic in GDBM:
            yield from _gdbm(scene, order, GDBM[magic])
            return
        if int.from_bytes(head[12:16], order) in (BERKELEY_HASH, BERKELEY_TREE):
            yield from _berkeley(scene, order)
            return
        if magic == BERKELEY_HASH:
            yield from _oldest_berkeley(scene, order)
            return
    name = scene.name.lower()
    if name.endswith(".dat"):
        yield from _dumb(scene)
    elif name.endswith(".dir"):
        yield from _index(content, scene.budget)


def _gdbm(scene: Scene, order: Order, width: int) -> Iterator[Member]:
    """Each bucket of the directory holds where its keys and values lie."""
    content, head = scene.content, scene.head
    sign = "<" if order == "little" else ">"
    offset = "q" if width == 8 else "i"
    try:
        _, _, directory, size, _, bucket_size, elements = struct.unpack_from(f"{sign}ii{offset}iiii", head)
    except struct.error:
        return
    element = struct.Struct(f"{sign}i4s{offset}ii")
    first = 112 if width == 8 else 60  # behind the free blocks and the two counts of a bucket
    if not 0 < bucket_size <= LARGEST_PAGE or not 0 < elements <= (bucket_size - first) // element.size + 1:
        return
    sieve = Sieve(scene)
    most = min(BUCKETS_AT_MOST, READ_AT_MOST // bucket_size)
    known = content.read_at(directory, max(0, min(size, most * width)))
    for at in dict.fromkeys(
        struct.unpack(f"{sign}{len(known) // width}{offset}", known[: len(known) // width * width])
    ):
        bucket = content.read_at(at, min(bucket_size, first + element.size * elements)) if at > 0 else b""
        sieve.spend(STEPS_PER_PAGE + len(bucket) // element.size // ELEMENTS_PER_STEP)
        for place in range(first, len(bucket) - element.size + 1, element.size):
            hashed, _, data_at, key_length, length = element.unpack_from(bucket, place)
            if sieve.left <= 0:
                return
            if hashed != -1 and data_at > 0 and key_length >= 0 and length > 0:
                key = content.read_at(data_at, min(key_length, NAME_SHOWN))
                yield from sieve.look(PartContent(content, data_at + key_length, length), shown(key))


class _Page(NamedTuple):
    data: bytes
    at: int
    order: Order

    def number(self, at: int, width: int) -> int:
        return int.from_bytes(self.data[at : at + width], self.order)


def _berkeley(scene: Scene, order: Order) -> Iterator[Member]:
    """All pages one after the other; the trees and buckets that they form do not matter here."""
    content, head = scene.content, scene.head
    size = int.from_bytes(head[20:24], order)
    last = int.from_bytes(head[32:36], order)
    if size < 512 or size > LARGEST_PAGE or size & (size - 1):
        return
    sieve = Sieve(scene)
    most = min(PAGES_AT_MOST, READ_AT_MOST // size)
    for number in range(1, last + 1, max(1, -(-last // most))):
        page = _Page(content.read_at(number * size, size), number * size, order)
        sieve.spend(STEPS_PER_PAGE, copied=size)
        if not page.data or sieve.left <= 0:
            return
        kind = page.number(25, 1)
        if kind in (OLD_HASH_PAGE, HASH_PAGE, TREE_LEAF, NUMBERED_LEAF):
            yield from _berkeley_values(content, page, kind, sieve)


def _berkeley_values(content: Content, page: _Page, kind: int, sieve: Sieve) -> Iterator[Member]:
    in_tree = kind in (TREE_LEAF, NUMBERED_LEAF)
    count = min(page.number(20, 2), (len(page.data) - PAGE_HEADER) // 2)
    before, key = len(page.data), b""
    for number in range(count):
        if sieve.left <= 0:
            return
        sieve.left -= 1
        sieve.spend(1)
        at = page.number(PAGE_HEADER + 2 * number, 2)
        end = before if not in_tree else at + 3 + page.number(at, 2)
        before = at
        begin = at + 3 if in_tree else at + 1
        is_key = kind != NUMBERED_LEAF and not number % 2
        marked = page.number(begin - 1, 1)
        if is_key:
            key = page.data[begin : min(end, begin + NAME_SHOWN)]
        elif marked == (TREE_VALUE if in_tree else HASH_VALUE):
            yield from sieve.look(BytesContent(page.data[begin:end]), shown(key))
        elif marked == (TREE_ELSEWHERE if in_tree else HASH_ELSEWHERE):
            chain = _chain(content, page.number(at + 4, 4), len(page.data), page.order)
            yield from sieve.look(sieve.pieces(content, chain, page.number(at + 8, 4)), shown(key))


def _chain(content: Content, number: int, size: int, order: Order) -> Iterator[tuple[int, int]]:
    """Where the parts of a value lie that has pages of its own."""
    while number:
        header = content.read_at(number * size, PAGE_HEADER)
        yield number * size + PAGE_HEADER, int.from_bytes(header[22:24], order)
        number = int.from_bytes(header[16:20], order)


def _oldest_berkeley(scene: Scene, order: Order) -> Iterator[Member]:
    """Keys and values from the end of each page down; a long one only begins there, which is enough to tell."""
    content, head = scene.content, scene.head
    size = int.from_bytes(head[12:16], order)
    if size < 64 or size > LARGEST_PAGE or size & (size - 1):
        return
    pages_order: Order = "little" if int.from_bytes(head[8:12], order) == 1234 else "big"
    sieve = Sieve(scene)
    for number in range(1, min(PAGES_AT_MOST, READ_AT_MOST // size)):
        page = _Page(content.read_at(number * size, size), number * size, pages_order)
        sieve.spend(STEPS_PER_PAGE, copied=size)
        if not page.data or sieve.left <= 0:
            return
        before, key = len(page.data), b""
        for item in range(min(page.number(0, 2), size // 2 - 1, sieve.left)):
            sieve.left -= 1
            sieve.spend(1)
            begin = page.number(2 + 2 * item, 2)
            if not OLDEST_MARKERS <= begin <= before:
                continue
            if item % 2:
                yield from sieve.look(BytesContent(page.data[begin:before]), shown(key))
            key, before = page.data[begin:before], begin


def _calls(value: Content, budget: Budget) -> bool:
    walked = walk(value, budget=budget)
    return walked is not None and calls(walked)


def _is_told(value: Content, block: Content, budget: Budget) -> bool:
    """Whether a value is a pickle that fills the block before it to the end, as far as the bytes tell."""
    budget.steps -= STEPS_PER_WALK
    is_marked = block.read_at(0, 1) == b"\x80"
    return _is_no_chance(value, block, budget) if is_marked else _calls(block, budget)


def _is_no_chance(value: Content, block: Content, budget: Budget) -> bool:
    """Whether it does something, or is plain data with nothing but NUL bytes behind in its block."""
    walked = walk(value, budget=budget)
    if walked is None or walked.call or walked.imported or walked.opcodes >= OPCODES_OF_PLAIN_DATA:
        return walked is not None
    return block.read_at(0, DUMB_BLOCK).rstrip(b"\0").endswith(b".")


def _index(content: Content, budget: Budget) -> Iterator[Said]:
    """The index of dbm.dumb, on each line a key and where its value lies: at the beginning of a block."""
    first = content.read_at(0, WINDOW).partition(b"\n")[0]
    if INDEX_LINE.fullmatch(first) is None and (len(first) > LONGEST_ODD_LINE or not _is_entry(first)):
        return
    at = 0
    while at < INDEX_AT_MOST and (window := content.read_at(at, WINDOW)):
        end = window.rfind(b"\n") + 1
        whole = window[:end] if end else window
        for number, line in enumerate(whole.splitlines()):
            budget.steps -= not number % LINES_PER_STEP
            found = INDEX_LINE.fullmatch(line)
            if found is None or int(found[1]) % DUMB_BLOCK:
                what = "an index of Python's dbm.dumb with a value where dbm.dumb puts none, which shelve unpickles"
                yield Said(MALFORMED, "dbm", what, evidence=line[:NAME_SHOWN].decode("latin-1"))
                return
        at += len(whole)
        if budget.steps < 0:
            return


def _is_entry(line: bytes) -> bool:
    """Whether `Lib/dbm/dumb.py` takes a line for one of its index, which it reads with `ast.literal_eval`."""
    import ast

    try:
        key, (at, length) = ast.literal_eval(line.decode("latin-1").strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return isinstance(key, str) and isinstance(at, int) and isinstance(length, int)


def _dumb(scene: Scene) -> Iterator[Member]:
    """Values at multiples of the block size, with NUL bytes up to the next; the index is another file."""
    content = scene.content
    is_packed = hasattr(content, "ends_within")
    sieve = Sieve(scene)
    for base in range(0, DUMB_PACKED_AT_MOST if is_packed else DUMB_AT_MOST, WINDOW):
        window = content.read_at(base, WINDOW)
        for at in range(0 if base else DUMB_BLOCK, len(window), DUMB_BLOCK):
            if window[at] in FIRST_BYTES:
                if scene.budget.steps < 0:
                    return
                padded = window[at - 1] == 0 if at else content.read_at(base - 1, 1) == b"\0"
                value = PartContent(content, base + at, WINDOW)
                # A value may fill its blocks to the end. Texts begin with most of these bytes.
                block = PartContent(value, 0, DUMB_BLOCK)
                if padded or _is_told(value, block, scene.budget):
                    if sieve.is_pickle(value, window[at : at + 2]):
                        value = PartContent(content, base + at, content.size - base - at)
                        yield Member(f"byte {base + at}", value)
        if len(window) < WINDOW:
            return
