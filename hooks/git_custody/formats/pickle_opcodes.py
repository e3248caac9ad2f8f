"""The opcodes of pickles: how many bytes each takes, and what it pushes.

Those of CPython's ``Lib/pickletools.py``, protocols 0 to 5.
"""

from __future__ import annotations

NAME_AT_MOST = 1024
WINDOW = 65_536
LONGEST_FIXED_OPCODE = 16
PADDING = b"\0\t\n\r "

# Kinds of stack item.
ANYTHING, NUMBER, NOTHING, TUPLE, CONTAINER, BYTES, LONG_TEXT = range(7)


PUSH, COUNTED, LINE, FROM_MARK, OTHER = range(5)
Spec = tuple[int, int, int]  # group, bytes of argument or of the length before it, kind pushed


def _specs() -> list[Spec | None]:
    table: list[Spec | None] = [None] * 256
    for opcode, width, kind in (
        (b"N", 0, NOTHING), (b"\x88", 0, NUMBER), (b"\x89", 0, NUMBER), (b")", 0, TUPLE),
        (b"]", 0, CONTAINER), (b"}", 0, CONTAINER), (b"\x8f", 0, CONTAINER), (b"J", 4, NUMBER),
        (b"K", 1, NUMBER), (b"M", 2, NUMBER), (b"G", 8, NUMBER), (b"\x97", 0, ANYTHING),
    ):  # fmt: skip
        table[opcode[0]] = (PUSH, width, kind)
    for opcode, width, kind in (
        (b"T", 4, LONG_TEXT), (b"U", 1, LONG_TEXT), (b"X", 4, LONG_TEXT), (b"\x8c", 1, LONG_TEXT),
        (b"\x8d", 8, LONG_TEXT), (b"B", 4, BYTES), (b"C", 1, BYTES), (b"\x8e", 8, BYTES),
        (b"\x96", 8, CONTAINER), (b"\x8a", 1, NUMBER), (b"\x8b", 4, NUMBER),
    ):  # fmt: skip
        table[opcode[0]] = (COUNTED, width, kind)
    for byte in b"FILSVPcigp":
        table[byte] = (LINE, 0, ANYTHING)
    for byte in b"1tldeuo\x90\x91":
        table[byte] = (FROM_MARK, 0, ANYTHING)
    for byte in b"(.02QRabhjqrs\x80\x81\x82\x83\x84\x85\x86\x87\x92\x93\x94\x95\x98":
        table[byte] = (OTHER, 0, ANYTHING)
    return table


SPECS = _specs()
PUSH_STEPS = bytes(1 + spec[1] if spec and spec[0] == PUSH else 0 for spec in SPECS)
PUSH_KINDS = bytes(spec[2] if spec else 0 for spec in SPECS)
WIDTHS = {0x68: 1, 0x71: 1, 0x6A: 4, 0x72: 4, 0x80: 1, 0x82: 1, 0x83: 2, 0x84: 4, 0x95: 8}
SIGNED_LENGTHS = frozenset(b"T\x8b")
LETTERED_LENGTHS = frozenset(b"UC")  # a capital letter and any other make one of these
UTF8_TEXTS = frozenset(b"X\x8c\x8d")
# The opcodes that an empty stack and memo allow: a file that begins otherwise is no pickle.
FIRST_BYTES = frozenset(b"(NFILSVPcJKMGTUXBC)]}\x80\x82\x83\x84\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x95\x96\x97")
