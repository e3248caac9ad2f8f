"""The members of a 7z archive, with the decompressors of the standard library.

Layout: `DOC/7zFormat.txt` and `DOC/Methods.txt` of 7-Zip's sources. Several members usually lie in one compressed
stream (a folder, in the words of the format), which is unpacked once, as far as its members are read. Checksums are
not checked; what is encrypted, or packed with PPMd, Deflate64, BCJ2 or another method unknown here, is opaque.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

from git_custody.core.content import BytesContent, Content, PartContent
from git_custody.formats import streams
from git_custody.formats.archives import Kinds
from git_custody.formats.compressed import lzma1_filters
from git_custody.formats.streams import Codec, Run, Single, Source, Streams, raw_lzma
from git_custody.formats.unpacked import Unpacked
from git_custody.formats.verdicts import MEMBERS_AT_MOST, OPAQUE, Budget, Member, Said, Scene

START = 32  # the length of the signature header, from whose end offsets count
HEADER_AT_MOST = 16 * 1024 * 1024
CODERS_AT_MOST = 32
FOLDERS_AT_MOST = 65_536
NAME_AT_MOST = 1024
STEPS_PER_CODER, STEPS_OF_AN_OBSTACLE, BITS_PER_STEP = 6, 10, 16
STEPS_PER_FOLDER = 24
SMALLEST_DICTIONARY = 4096  # no larger one than the data is ever filled
CHUNK = 65_536  # the longest chunk of LZMA2 that is not compressed

END, HEADER, PROPERTIES, ADDITIONAL, STREAMS, FILES, PACKED, FOLDERS, SUBSTREAMS, SIZES, DIGESTS = range(11)
FOLDER, UNPACKED_SIZES, COUNTS, EMPTY = 0x0B, 0x0C, 0x0D, 0x0E
NAMES, ENCODED_HEADER = 0x11, 0x17

COPY, LZMA1, LZMA2 = b"\x00", b"\x03\x01\x01", b"\x21"
DELTA = b"\x03"
# Which filter of `lzma` turns the jumps of which processor's programs back.
BRANCHES = {
    b"\x04": "X86", b"\x03\x03\x01\x03": "X86", b"\x05": "POWERPC", b"\x03\x03\x02\x05": "POWERPC",
    b"\x06": "IA64", b"\x03\x03\x04\x01": "IA64", b"\x07": "ARM", b"\x03\x03\x05\x01": "ARM",
    b"\x08": "ARMTHUMB", b"\x03\x03\x07\x01": "ARMTHUMB", b"\x09": "SPARC", b"\x03\x03\x08\x05": "SPARC",
}  # fmt: skip
CODECS = {
    b"\x04\x01\x08": streams.DEFLATE, b"\x04\x02\x02": streams.BZIP2,
    b"\x04\xf7\x11\x01": streams.ZSTD, b"\x04\xf7\x11\x04": streams.LZ4,
}  # fmt: skip
ENCRYPTIONS = (b"\x06\xf1", b"\x06\x01")
NAMED = {
    b"\x03\x03\x01\x1b": "BCJ2", b"\x03\x04\x01": "PPMd", b"\x04\x01\x09": "Deflate64", b"\x0a": "ARM64",
    b"\x0b": "RISCV", b"\x04\xf7\x11\x02": "Brotli",
}  # fmt: skip


class Coder(NamedTuple):
    """One step of unpacking. `size` is what it gives out, in bytes."""

    method: bytes
    properties: bytes
    size: int


class Folder(NamedTuple):
    """One compressed stream. Its `coders` stand in the order in which data pass them, if they are a plain chain.

    `has_checksum` only counts for how many checksums of members follow.
    """

    coders: tuple[Coder, ...]
    is_chain: bool
    packed_at: int
    packed: int
    size: int
    members: int = 1
    has_checksum: bool = False


class _Broken(Exception):
    """The header is not as the format has it; the words complete "a 7z archive whose header ..."."""


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Find the members of a 7z archive, told by its signature."""
    kinds = Kinds(scene)
    try:
        yield from _members(scene, kinds)
    except _Broken as error:
        yield Said(OPAQUE, "7z", f"a 7z archive whose header {error}")
        return
    yield from kinds.told()


def _members(scene: Scene, kinds: Kinds) -> Iterator[Said | Member]:
    reader = _Reader(_header(scene), scene.budget)
    kind = reader.byte()
    if kind == ENCODED_HEADER:
        folders, _ = _streams(reader)
        if len(folders) != 1:
            raise _Broken("cannot be read")
        obstacle = _obstacle(folders[0])
        if obstacle:
            yield Said(OPAQUE, "7z", f"a 7z archive whose list of members is {obstacle}")
            return
        reader = _Reader(_decoded_header(scene, folders[0]), scene.budget)
        kind = reader.byte()
    if kind != HEADER:
        raise _Broken("cannot be read")
    folders, sizes, names = _contents(reader)
    del reader  # and the header with it
    at = 0
    for folder in folders:
        if scene.budget.steps < 0:
            return
        yield from _folder(scene, kinds, folder, sizes[at : at + folder.members], names)
        at += folder.members


def _header(scene: Scene) -> bytes:
    offset, length = (int.from_bytes(scene.head[at : at + 8], "little") for at in (12, 20))
    if length > HEADER_AT_MOST:
        raise _Broken("is longer than any that is looked into")
    header = scene.content.read_at(START + offset, length)
    if len(header) < length or not header:
        raise _Broken("lies behind its end, as in the parts of one that was split" if length else "is empty")
    return header


def _decoded_header(scene: Scene, folder: Folder) -> bytes:
    if folder.size > HEADER_AT_MOST:
        raise _Broken("is longer than any that is looked into")
    unpacked = Unpacked(lambda: _Chain(scene.content, folder, scene.budget), scene.budget, "7z")
    try:
        return unpacked.read_at(0, folder.size)
    finally:
        unpacked.release()


def _contents(reader: _Reader) -> tuple[list[Folder], array[int], Iterator[str]]:
    """The folders, the sizes of the members in them, and the members' names, as far as they are given."""
    folders: list[Folder] = []
    sizes = array("Q")
    names: Iterator[str] = iter(())
    for section in reader.sections():
        if section == PROPERTIES:
            while reader.byte() != END:
                reader.bytes(reader.number())
        elif section == ADDITIONAL:
            _streams(reader)
        elif section == STREAMS:
            folders, sizes = _streams(reader)
        elif section == FILES:
            names = _names(reader)
        else:
            raise _Broken("cannot be read")
    return folders, sizes, names


def _names(reader: _Reader) -> Iterator[str]:
    """The names of the files that have data, in the order of their data."""
    count = reader.count(2 * MEMBERS_AT_MOST)
    empty: Iterator[bool] = iter(())
    names = b""
    while (kind := reader.byte()) != END:
        part = _Reader(reader.bytes(reader.number()), reader.budget)
        if kind == EMPTY:
            empty = part.bits(count)
        elif kind == NAMES and part.byte() == 0:
            names = part.data
    return _with_data(names, empty, reader.budget)


def _with_data(names: bytes, empty: Iterator[bool], budget: Budget) -> Iterator[str]:
    """The names behind the first byte, each up to two zeros."""
    at = 1
    while at < len(names):
        end = names.find(b"\0\0", at)
        while end >= 0 and (end - at) % 2 and budget.steps >= 0:
            budget.steps -= 1
            end = names.find(b"\0\0", end + 1)
        if end < 0:
            return
        if not next(empty, False):
            yield names[at : min(end, at + 2 * NAME_AT_MOST)].decode("utf-16-le", "replace")
        at = end + 2


def _folder(
    scene: Scene, kinds: Kinds, folder: Folder, sizes: array[int], names: Iterator[str]
) -> Iterator[Said | Member]:
    obstacle = _obstacle(folder)
    if obstacle:
        yield Said(OPAQUE, "7z", f"a 7z archive with members that are {obstacle}")
        scene.budget.steps -= STEPS_OF_AN_OBSTACLE + len(sizes)
        for _ in sizes:
            kinds.see(next(names, ""), BytesContent(b""))
        return
    if all(coder.method == COPY for coder in folder.coders):
        yield from _parts(PartContent(scene.content, folder.packed_at, folder.packed), kinds, sizes, names)
        return
    scene.budget.steps -= STEPS_PER_FOLDER
    unpacked = Unpacked(lambda: _Chain(scene.content, folder, scene.budget), scene.budget, "7z")
    try:
        yield from _parts(unpacked, kinds, sizes, names)
        if unpacked.obstacle:
            yield Said(OPAQUE, "7z", f"a 7z archive with data that {unpacked.obstacle}", forced=unpacked.hides)
    finally:
        unpacked.release()


def _parts(whole: Content, kinds: Kinds, sizes: array[int], names: Iterator[str]) -> Iterator[Said | Member]:
    at = 0
    for size in sizes:
        name = next(names, "")
        part = PartContent(whole, at, size)
        if size and not part.read_at(0, 1):
            if getattr(whole, "obstacle", None) is None:
                yield Said(OPAQUE, "7z", "a 7z archive with damaged data")
            return
        kinds.see(name, part)
        yield Member(name, part)
        at += size


class _Reader:
    """Reads the numbers and lists of a header, at the expense of `budget`. Raises `_Broken` at the end of either."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        self.data = data
        self.at = 0
        self.budget = budget

    def pay(self, steps: int) -> None:
        self.budget.steps -= steps
        if self.budget.steps < 0:
            raise _Broken("takes too long to look into")

    def sections(self) -> Iterator[int]:
        """What the sections up to the end are, each of which stands there once, in the order of their numbers."""
        last = END
        while (section := self.byte()) != END:
            if section <= last:
                raise _Broken("cannot be read")
            last = section
            yield section

    def bytes(self, length: int) -> bytes:
        self.pay(1)
        piece = self.data[self.at : self.at + length]
        if len(piece) < length:
            raise _Broken("ends too early")
        self.at += length
        return piece

    def byte(self) -> int:
        return self.bytes(1)[0]

    def number(self) -> int:
        """As many bytes follow the first as it has leading ones; its other bits are the highest."""
        first = self.byte()
        mask, more = 0x80, 0
        while mask and first & mask:
            more += 1
            mask >>= 1
        return int.from_bytes(self.bytes(more), "little") | (first & (mask - 1 if mask else 0)) << 8 * more

    def count(self, most: int) -> int:
        number = self.number()
        if number > most:
            raise _Broken("counts more than any that is looked into")
        return number

    def bits(self, count: int) -> Iterator[bool]:
        data = self.bytes((count + 7) // 8)
        return (bool(data[index >> 3] & 0x80 >> (index & 7)) for index in range(count))

    def digests(self, count: int) -> Iterator[bool]:
        """Skip checksums; which are there."""
        if self.byte():
            self.bytes(4 * count)
            return itertools.repeat(True, count)
        self.pay(count // BITS_PER_STEP)
        defined = bytes(self.bits(count))
        self.bytes(4 * sum(defined))
        return map(bool, defined)


def _streams(reader: _Reader) -> tuple[list[Folder], array[int]]:
    """The folders, and the sizes of all members in them."""
    packed_at, packed = 0, array("Q")
    folders: list[Folder] = []
    sizes: array[int] | None = None
    for section in reader.sections():
        if section == PACKED:
            packed_at, packed = _packed(reader)
        elif section == FOLDERS:
            folders = _folders(reader, START + packed_at, packed)
        elif section == SUBSTREAMS:
            folders, sizes = _substreams(reader, folders)
        else:
            raise _Broken("cannot be read")
    return folders, array("Q", (folder.size for folder in folders)) if sizes is None else sizes


def _packed(reader: _Reader) -> tuple[int, array[int]]:
    at = reader.number()
    count = reader.count(2 * FOLDERS_AT_MOST)
    sizes = array("Q")
    for section in reader.sections():
        if section == SIZES:
            sizes.extend(reader.number() for _ in range(count))
        elif section == DIGESTS:
            reader.digests(count)
        else:
            raise _Broken("cannot be read")
    return at, sizes


def _folders(reader: _Reader, packed_at: int, packed: array[int]) -> list[Folder]:
    if reader.byte() != FOLDER:
        raise _Broken("cannot be read")
    count = reader.count(FOLDERS_AT_MOST)
    if reader.byte():
        raise _Broken("keeps its folders elsewhere")
    plans = [_plan(reader) for _ in range(count)]
    if reader.byte() != UNPACKED_SIZES:
        raise _Broken("cannot be read")
    folders, stream = [], 0
    for plan in plans:
        sizes = [reader.number() for _ in plan.coders]
        lengths = packed[stream : stream + plan.inputs]
        if len(lengths) < plan.inputs:
            raise _Broken("names more packed streams than it has")
        coders = tuple(Coder(*plan.coders[index], sizes[index]) for index in plan.order)
        folders.append(Folder(coders, plan.inputs == 1, packed_at, lengths[0], coders[-1].size))
        packed_at += sum(lengths)
        stream += plan.inputs
    for section in reader.sections():
        if section != DIGESTS:
            raise _Broken("cannot be read")
        checked = reader.digests(count)
        folders = [folder._replace(has_checksum=next(checked)) for folder in folders]
    return folders


class _Plan(NamedTuple):
    """A folder's coders (method and properties), the order in which data pass them, and its packed streams' number."""

    coders: list[tuple[bytes, bytes]]
    order: list[int]
    inputs: int


def _plan(reader: _Reader) -> _Plan:
    coders: list[tuple[bytes, bytes]] = []
    inputs = outputs = 0
    for _ in range(reader.count(CODERS_AT_MOST)):
        reader.pay(STEPS_PER_CODER)
        flags = reader.byte()
        method = reader.bytes(flags & 0x0F)
        inputs += reader.count(CODERS_AT_MOST) if flags & 0x10 else 1
        outputs += reader.count(CODERS_AT_MOST) if flags & 0x10 else 1
        coders.append((method, reader.bytes(reader.number()) if flags & 0x20 else b""))
    bound = len(coders) - 1
    if not coders or outputs != len(coders) or inputs <= bound:
        raise _Broken("cannot be read")
    fed_by = {reader.number(): reader.number() for _ in range(bound)}
    packed = inputs - bound
    if packed > 1:
        for _ in range(packed):
            reader.number()
        return _Plan(coders, list(range(len(coders))), packed)
    given_on = set(fed_by.values())
    coder = next((index for index in range(len(coders)) if index not in given_on), None)
    order: list[int] = []
    while coder is not None and coder < len(coders) and coder not in order:
        order.insert(0, coder)
        coder = fed_by.get(coder)
    if len(order) < len(coders):
        raise _Broken("cannot be read")
    return _Plan(coders, order, packed)


def _substreams(reader: _Reader, folders: list[Folder]) -> tuple[list[Folder], array[int]]:
    section = reader.byte()
    if section == COUNTS:
        folders = [folder._replace(members=reader.count(2 * MEMBERS_AT_MOST)) for folder in folders]
        section = reader.byte()
    if sum(folder.members for folder in folders) > 2 * MEMBERS_AT_MOST:
        raise _Broken("counts more than any that is looked into")
    sizes = array("Q")
    for folder in folders:
        rest = folder.size
        for _ in range(folder.members - 1):
            size = reader.number() if section == SIZES else 0
            if size > rest:
                raise _Broken("gives a member more data than there are")
            sizes.append(size)
            rest -= size
        if folder.members:
            sizes.append(rest)
    if section == SIZES:
        section = reader.byte()
    if section == DIGESTS:
        reader.digests(sum(folder.members for folder in folders if folder.members != 1 or not folder.has_checksum))
        section = reader.byte()
    if section != END:
        raise _Broken("cannot be read")
    return folders, sizes


# Unpacking


def _obstacle(folder: Folder) -> str | None:
    """Why a folder cannot be unpacked, in words that go on from "members that are ..."."""
    for coder in folder.coders:
        if coder.method.startswith(ENCRYPTIONS):
            return "encrypted"
    for coder in folder.coders:
        if coder.method != COPY and _codec(coder) is None:
            return f"packed with {NAMED.get(coder.method, f'method {coder.method.hex()}')}, which is not known here"
    return None if folder.is_chain else "packed in several streams at once, which is not known here"


def _codec(coder: Coder) -> Codec | None:
    method, properties, size = coder
    if method == LZMA1 and len(properties) == 5 and properties[0] < 225:
        filters = lzma1_filters(properties)
        filters[0]["dict_size"] = dictionary = max(SMALLEST_DICTIONARY, min(filters[0]["dict_size"], size))
        return raw_lzma(filters, dictionary)
    if method == LZMA2 and len(properties) == 1 and properties[0] <= 40:
        bits = properties[0]
        dictionary = max(SMALLEST_DICTIONARY, min((2 | bits & 1) << bits // 2 + 11, streams.WINDOWS[-1], size))
        return raw_lzma([_lzma2(dictionary)], dictionary)
    filtering = _filter(method, properties)
    if filtering is not None:
        # The filters of liblzma only come before LZMA2, whose chunks may also be plain.
        return raw_lzma([filtering, _lzma2(CHUNK)], CHUNK)._replace(cost=1)
    codec = CODECS.get(method)
    return codec if codec is not None and streams.is_available(codec) else None


def _lzma2(dictionary: int) -> dict[str, Any]:
    import lzma

    return {"id": lzma.FILTER_LZMA2, "dict_size": dictionary}


def _filter(method: bytes, properties: bytes) -> dict[str, Any] | None:
    import lzma

    if method == DELTA and len(properties) == 1:
        return {"id": lzma.FILTER_DELTA, "dist": properties[0] + 1}
    if method in BRANCHES and not properties.strip(b"\0"):
        return {"id": getattr(lzma, f"FILTER_{BRANCHES[method]}")}
    return None


class _Chain(Source):
    """What a folder unpacks to, step by step."""

    def __init__(self, content: Content, folder: Folder, budget: Budget) -> None:
        codecs = [codec for coder in folder.coders if (codec := _codec(coder))] or [streams.DEFLATE]
        cost, usual = max(codec.cost for codec in codecs), max(codec.usual for codec in codecs)
        super().__init__(self._all(content, folder, budget), cost, usual)

    def _paid(self, chunks: Iterator[bytes], budget: Budget) -> Iterator[bytes]:
        """What one step hands to another, which may make nothing of it for ever."""
        for chunk in chunks:
            budget.unpacked -= len(chunk) * self.cost
            if budget.unpacked <= 0:
                self.endless = True
                return
            yield chunk

    def _all(self, content: Content, folder: Folder, budget: Budget) -> Generator[bytes, None, None]:
        packed = PartContent(content, folder.packed_at, folder.packed)
        first: Source | None = None
        chunks: Iterator[bytes] = _copied(packed)
        runs: list[Run] = []
        for coder in folder.coders:
            codec = _codec(coder)
            if codec is None:
                continue  # it only copies
            if _filter(coder.method, coder.properties) is not None:
                runs.append(Run(codec, _Forward(_as_lzma2(chunks)), 0))
                chunks = _cut(runs[-1], coder.size)
            elif coder is folder.coders[0]:
                first = Streams(codec, packed, _more) if codec in CODECS.values() else Single(codec, packed, 0)
                chunks = _cut(first, coder.size)
            else:
                runs.append(Run(codec, _Forward(self._paid(chunks, budget)), 0))
                chunks = _cut(runs[-1], coder.size)
        length = 0
        try:
            for chunk in chunks:
                length += len(chunk)
                self.consumed = first.consumed if first else length
                self.window = (first.window if first else 0) + sum(run.window for run in runs)
                yield chunk
        finally:
            for step in (*runs, *((first,) if first else ())):
                step.close()
        self.refused = first is not None and first.refused


def _more(content: Content, at: int) -> int | None:
    return at if content.read_at(at, 1) else None


def _copied(content: Content) -> Iterator[bytes]:
    at = 0
    while chunk := content.read_at(at, CHUNK):
        yield chunk
        at += len(chunk)


def _cut(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The first `size` bytes: raw LZMA does not know its end."""
    for chunk in chunks:
        yield chunk[:size]
        size -= len(chunk)
        if size <= 0:
            return


def _as_lzma2(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Plain data as LZMA2 chunks that are not compressed, so that a filter gets to see them."""
    control = b"\x01"  # the dictionary begins anew
    for chunk in chunks:
        for at in range(0, len(chunk), CHUNK):
            piece = chunk[at : at + CHUNK]
            yield control + (len(piece) - 1).to_bytes(2, "big") + piece
            control = b"\x02"
    yield b"\0"


class _Forward:
    """Chunks as content that is read from its beginning to its end, once."""

    size = 1 << 62

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._at = 0
        self._kept = b""

    def read_at(self, offset: int, length: int) -> bytes:
        """Read what follows what was read before."""
        if offset != self._at:
            return b""
        kept = bytearray(self._kept)
        while len(kept) < length and (chunk := next(self._chunks, b"")):
            kept += chunk
        self._kept = bytes(kept[length:])
        piece = bytes(kept[:length])
        self._at += len(piece)
        return piece
