"""Frames of Blosc2: arrays are data, but one that is still to be computed may bring the program that does it.

`blosc2.open` executes the source of such a function (``blosc2/lazyexpr.py``, ``blosc2/b2objects.py``). What a frame
is stands in its header (``c-blosc2/README_CFRAME_FORMAT.rst``), which is msgpack and is not compressed.
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.formats.verdicts import CODE, OPAQUE, Said, Scene

HEADER_AT_MOST = 4 * 1024 * 1024
BYTES_PER_STEP = 512
LENGTH_AT = 11
LAZY = b"\xa9LazyArray\xd2"  # and where in the header its kind stands
OF_AN_EXPRESSION = b"\xc6\0\0\0\x01\0"  # which is checked, and computed by numexpr
NEWER = b"lazyudf"


def inspect(scene: Scene) -> Iterator[Said]:
    """Tell an array that is a program."""
    length = int.from_bytes(scene.head[LENGTH_AT : LENGTH_AT + 4], "big")
    header = scene.content.read_at(0, min(length, HEADER_AT_MOST))
    scene.budget.steps -= len(header) // BYTES_PER_STEP
    lazy = header.find(LAZY)
    if lazy >= 0:
        at = lazy + len(LAZY)
        kind = int.from_bytes(header[at : at + 4], "big")
        is_program = not header.startswith(OF_AN_EXPRESSION, kind)
    else:
        is_program = NEWER in header
    if is_program:
        yield Said(CODE, "blosc2", "an array of Blosc2 with a Python function, whose source its reader executes")
    elif length > HEADER_AT_MOST == len(header):
        yield Said(OPAQUE, "blosc2", "a frame of Blosc2 whose header is too long to be looked into", forced=True)
