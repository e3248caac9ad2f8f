"""The members of a tar, recognised by its header checksum: PyTorch's first tars have no other mark.

Layout: POSIX.1-2017 pax interchange format, with GNU long names and base-256 sizes, as `tarfile` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.core.content import Content, PartContent
from git_custody.formats.verdicts import MEMBERS_AT_MOST, Member, Said, Scene

BLOCK = 512
EMPTY_BLOCKS_AT_MOST = 256
NAME_AT_MOST = 65_536


def is_header(block: bytes) -> bool:
    """Whether 512 bytes are a tar header: their checksum is right, summed signed or unsigned."""
    if len(block) < BLOCK:
        return False
    recorded = _number(block[148:156])
    if not recorded:
        return False
    rest = block[:148] + b" " * 8 + block[156:BLOCK]
    unsigned = sum(rest)
    if recorded == unsigned:
        return True
    return recorded == unsigned - 256 * sum(1 for byte in rest if byte > 127)


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Find the members of a tar, told by its header's checksum."""
    if is_header(scene.head[:BLOCK]):
        yield from members(scene.content)


def members(content: Content) -> Iterator[Member]:
    """Find every member with data, names as recorded; also beyond the end marker, as some readers go on."""
    at, empty = 0, 0
    long_name: str | None = None
    pax_size: int | None = None
    for _ in range(MEMBERS_AT_MOST):
        block = content.read_at(at, BLOCK)
        if len(block) < BLOCK:
            return
        if block.count(0) == BLOCK:
            empty += 1
            at += BLOCK
            if empty > EMPTY_BLOCKS_AT_MOST:
                return
            continue
        if not is_header(block):
            return
        empty = 0
        kind = block[156:157]
        size = _number(block[124:136])
        if size is None:
            return
        data_at = at + BLOCK
        if kind == b"S":
            # GNU sparse: further maps lie between header and data
            extended = block[482]
            while extended:
                more = content.read_at(data_at, BLOCK)
                if len(more) < BLOCK:
                    return
                extended = more[504]
                data_at += BLOCK
        if kind in (b"L", b"K", b"x", b"g", b"X"):
            record = content.read_at(data_at, min(size, NAME_AT_MOST))
            if kind == b"L":
                long_name = record.rstrip(b"\0").decode("utf-8", "surrogateescape")
            elif kind in b"xX":
                name, pax_size = _pax(record)
                long_name = name or long_name
            at = data_at + _padded(size)
            continue
        if pax_size is not None:
            size = pax_size
        name = long_name or _name(block)
        long_name, pax_size = None, None
        # Links, devices and folders have no data of their own, though some carry a size.
        if kind in (b"1", b"2", b"3", b"4", b"5", b"6") or (kind == b"\0" and name.endswith("/")):
            size = 0
        if size:
            yield Member(name, PartContent(content, data_at, size))
        at = data_at + _padded(size)


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _number(field: bytes) -> int | None:
    """Read an octal or base-256 field as `tarfile.nti` does; `None` for what it rejects."""
    if field[0] in (0x80, 0xFF):
        number = int.from_bytes(field[1:], "big")
        return number if field[0] == 0x80 and number < 1 << 62 else None
    try:
        number = int(field.partition(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        return None
    return number if 0 <= number < 1 << 62 else None


def _name(block: bytes) -> str:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "surrogateescape")


def _pax(record: bytes) -> tuple[str | None, int | None]:
    """Read `path` and `size` of a pax header: records of "<length> <key>=<value>", newline."""
    name, size, at = None, None, 0
    while at < len(record):
        digits = record[at : at + 20].partition(b" ")[0]
        if not (digits.isdigit() and int(digits) > len(digits) + 1):
            break
        key, _, value = record[at + len(digits) + 1 : at + int(digits) - 1].partition(b"=")
        at += int(digits)
        if key == b"path":
            name = value.decode("utf-8", "surrogateescape")
        elif key == b"size" and value.isdigit() and len(value) < 19:
            size = int(value)
    return name, size
