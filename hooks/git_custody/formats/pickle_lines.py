"""The lines that opcodes of protocol 0 take, read as leniently as unpicklers read them, and what looks like some."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from git_custody.formats.pickle_opcodes import PUSH_STEPS, WINDOW

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

DIGITS_AT_MOST = 1000
TEXT_CONTROLS = b"\t\n\r\f\x1b"
CONTROLS = bytes(range(32)) + b"\x7f"
# What takes any line, as the first column of a table may have it on every row; GLOBAL takes two.
LINES = rb"[VPISFL][^\n]*\n|c[^\n]*\n[^\n]*\n|\("
LINE_STARTS = b"VPISFLc("


class Broken(Exception):
    """The unpickler would stop here with an error."""


def length_of_repetition(window: bytes) -> int:
    """How many bytes of `window` only push, over and over: raw data and tables may, at any length."""
    if len(window) < WINDOW:
        return 0
    if window[0] in LINE_STARTS:
        several = _pattern(b"(?:%b){1,4096}" % LINES)  # a larger bound would need too much of a stack
        end = 0
        while lines := several.match(window, end):
            end = lines.end()
        return end if end > WINDOW // 2 else 0
    for period in (1, 2, 3, 4, 5, 8, 9, 16):
        if window[0] == window[period] and window[:-period] == window[period:]:
            at = 0
            while at < period:
                step = PUSH_STEPS[window[at]] or (window[at] == 0x28)
                if not step:
                    return 0
                at += step
            return len(window) // period * period if at == period else 0
    return 0


def imports_in(lines: bytes) -> Iterator[tuple[int, str, str]]:
    """Where GLOBAL stands in lines that opcodes take, with module and name."""
    for line in _pattern(LINES).finditer(lines):
        if lines[line.start()] == 0x63:
            module, name, _ = line[0].split(b"\n")
            yield line.start(), text_of(module[1:]), text_of(name)


@functools.cache
def _pattern(expression: bytes) -> re.Pattern[bytes]:
    import re

    return re.compile(expression)


def text_of(line: bytes) -> str:
    """A text, whatever its bytes."""
    return line.decode("utf-8", "surrogateescape")


def name_in(line: bytes) -> str:
    """The name of a module, or in one. Raises `Broken` where it is none."""
    try:
        name = line.decode("utf-8", "strict" if len(line) < WINDOW else "ignore")
    except UnicodeDecodeError:
        raise Broken from None
    if not name:
        raise Broken
    return name


def reads_as_text(data: bytes) -> bool:
    """Whether a writer might have put down a stretch of a file."""
    if data.translate(None, TEXT_CONTROLS) != data.translate(None, CONTROLS):
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        cut = error.start > len(data) - 4 and len(data) >= 512
        return cut or not any(0x80 <= byte < 0xA0 for byte in data)
    return True


def memo_key(line: bytes) -> int | None:
    """The number in a line; `None` where it is one of more digits than are read. Raises `Broken` where it is none."""
    # The C unpickler hands a C string to the number parser: a NUL ends it.
    digits = line.partition(b"\0")[0].strip()
    if len(digits) > DIGITS_AT_MOST and not digits.strip(b"+-0123456789_"):
        return None
    try:
        return int(digits)
    except ValueError:
        raise Broken from None


def check_number(line: bytes, opcode: int) -> None:
    """Raise `Broken` where a line is no number to INT, LONG or FLOAT."""
    if opcode == 0x49 and line[:1] == b"\0":
        return  # to strtol() the end of the number, which is then 0
    digits = line.partition(b"\0")[0].strip()
    if len(line) >= WINDOW and not digits.strip(b" \t\r\v\f+-.0123456789_"):
        return
    if not digits:
        raise Broken
    if opcode == 0x46:  # FLOAT
        try:
            float(digits)
        except ValueError:
            raise Broken from None
    elif digits[:1] not in b"+-0123456789" or digits.strip(b"0123456789abcdefABCDEFxXoO_+-lL"):
        raise Broken
