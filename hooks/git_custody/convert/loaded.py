"""What a reader hands on: the described value, and what has to hold for it to be believed."""

from __future__ import annotations

from typing import NamedTuple

from git_custody.convert.values import Foreign


class Span(NamedTuple):
    """A stretch of the source file, from byte `begin` to before `end`, whose CRC-32 is recorded."""

    begin: int
    end: int
    crc: int
    name: str


class Loaded(NamedTuple):
    """A file as read: `format` is the id of `formats/catalog.py`, `title` what it is in plain words.

    `root` is the value that it holds, `foreign` what in it is not understood. `spans` are the checksums that the file
    has of itself; `unpacked` how many bytes there are in it once it is unpacked. `loader` is the line of Python that
    would load it, with ``{path}`` for its name.
    """

    format: str
    title: str
    root: object
    foreign: list[Foreign]
    unpacked: int
    loader: str
    spans: tuple[Span, ...] = ()
