"""REUSE 3.3: `<file>.license` and the annotations of REUSE.toml (https://reuse.software/spec-3.3/).

The tags in a dataset itself are not read: whoever writes the data must not thereby write its licence. Nor is
`.reuse/dep5`, which REUSE has given up.
"""

from __future__ import annotations

import re
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from .facts import Notes, Stated, Subject, listed
from .loading import MAX_BYTES, load_toml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STANDARD = "REUSE"
MANY_FILES = 200
MAX_GLOBS = 2000
HOLDER_AT_MOST = 1000  # as of a line of `<file>.license`
_LICENSE = re.compile(r"SPDX-License-Identifier:[ \t]*([^\r\n]{1,1000})")
_COPYRIGHT = re.compile(
    r"(?:SPDX-(?:File|Snippet)CopyrightText:|Copyright[ \t]*(?:\([Cc]\)|©)?|©)[ \t]*([^\r\n]{1,1000})"
)
_NO_NAME = re.compile(
    r"spdx-filecopyrighttext:|copyright|\(c\)|©|<[^>]*>|\(https?://[^\s)]*\)|https?://\S+|\ball rights reserved\b\.?",
    re.IGNORECASE,
)
_ANNOTATIONS = re.compile(r"(?m)^[ \t]*\[\[[ \t]*annotations[ \t]*\]\]")


def read_license_file(file: str, raw: bytes, subject: Subject) -> Stated | None:
    """What `<file>.license` says."""
    text = raw[: MAX_BYTES // 4].decode("utf-8", "replace")
    found, holders = list(_LICENSE.finditer(text)), list(_COPYRIGHT.finditer(text))
    first = {"/license": found[:1], "/copyright": holders[:1]}
    notes = Notes(
        file, {at: text.count("\n", 0, match.start()) + 1 for at, matches in first.items() for match in matches}
    )
    notes.add_license(_all_of([match[1] for match in found]), "/license")
    notes.add("publisher", holder([match[1] for match in holders]), "/copyright")
    return notes.stated(STANDARD, "whole")


class Annotation:
    """One `[[annotations]]` of a REUSE.toml: what it says, of which paths, and with which precedence."""

    def __init__(self, file: str, line: int | None, table: Mapping[str, Any]) -> None:
        globs = [glob for glob in listed(table.get("path")) if isinstance(glob, str)][:MAX_GLOBS]
        self.file = file
        self.line = line
        self.overrides = table.get("precedence") == "override"
        self.licenses = _texts(table.get("SPDX-License-Identifier"))
        self.copyrights = _texts(table.get("SPDX-FileCopyrightText"))
        folder = file.rpartition("/")[0]
        self._prefix = f"{folder}/" if folder else ""
        self._globs = [parse_glob(glob) for glob in globs]

    def covers(self, path: str, work: Work) -> bool:
        """Whether the annotation is about a path."""
        inner = path[len(self._prefix) :] if path.startswith(self._prefix) else None
        return inner is not None and any(matches(glob, inner, work) for glob in self._globs)


def parse_annotations(file: str, raw: bytes) -> list[Annotation]:
    """The annotations of a REUSE.toml, in their order; none when it cannot be read."""
    data = load_toml(raw)
    tables = data.get("annotations") if isinstance(data, dict) else None
    if not isinstance(tables, list):
        return []
    text = raw.decode("utf-8", "replace")
    starts = [match.start() for match in _ANNOTATIONS.finditer(text)][: len(tables)]
    breaks = accumulate(text.count("\n", *between) for between in pairwise([0, *starts]))
    lines = [passed + 1 for passed in breaks]
    known: list[int | None] = [*lines, *[None] * (len(tables) - len(lines))]
    pairs = zip(tables, known, strict=True)
    return [Annotation(file, line, table) for table, line in pairs if isinstance(table, dict)]


def annotated(files: Sequence[tuple[str, list[Annotation]]], subject: Subject, work: Work) -> Stated | None:
    """What REUSE.toml files say of a dataset; `files` are those above it, the nearest first.

    In a file the last annotation that covers a path counts; of files the nearest, unless one above it overrides: then
    the topmost. A directory has what all of its files have.
    """
    if not 0 < len(subject.files) <= MANY_FILES:
        return None
    try:
        chosen = {_chosen(files, path, work) for path in subject.files}
    except TooMuch:
        return None
    said = {(tuple(one.licenses), one.file) for one in chosen if one is not None}
    one = next(iter(chosen))
    if None in chosen or len(said) != 1 or one is None:
        return None
    notes = Notes(one.file, {} if one.line is None else {"": one.line})
    notes.add_license(_all_of(one.licenses), "")
    if len({tuple(other.copyrights) for other in chosen if other is not None}) == 1:
        notes.add("publisher", holder(one.copyrights), "")
    return notes.stated(STANDARD, "part")


def _chosen(files: Sequence[tuple[str, list[Annotation]]], path: str, work: Work) -> Annotation | None:
    nearest: Annotation | None = None
    for _, found in files:
        here = next((one for one in reversed(found) if one.covers(path, work)), None)
        if here is not None and (nearest is None or here.overrides):
            nearest = here
    return nearest


def parse_glob(glob: str) -> tuple[str, ...]:
    r"""The parts of one of REUSE's globs: ``*`` within a folder, ``**`` across folders, ``\`` before what is no
    wildcard. Texts have a space before them.
    """
    parts = re.findall(r"\\.|\*\*+|\*|[^\\*]+|\\", glob, re.DOTALL)
    return tuple(
        "**" if part.startswith("**") else part if part == "*" else " " + (part.removeprefix("\\") or part)
        for part in parts
    )


def matches(parts: tuple[str, ...], path: str, work: Work) -> bool:
    """Whether a glob fits a path: all places that it can have come to are followed at once, so no name is slow."""
    places = {0}
    for part in parts:
        work.spend(len(places))
        if part == "**":
            places = set(range(min(places), len(path) + 1))
        elif part == "*":
            reached: set[int] = set()
            for place in places:
                if place not in reached:
                    end = path.find("/", place)
                    reached.update(range(place, (len(path) if end < 0 else end) + 1))
            places = reached
        else:
            places = {place + len(part) - 1 for place in places if path.startswith(part[1:], place)}
        if not places:
            return False
    return len(path) in places


class Work:
    """What may be spent on matching in all; a hostile REUSE.toml then says nothing, rather than taking minutes."""

    def __init__(self, left: int = 20_000_000) -> None:
        self.left = left

    def spend(self, steps: int) -> None:
        """Raise `TooMuch` when nothing is left."""
        self.left -= steps
        if self.left < 0:
            raise TooMuch


class TooMuch(Exception):
    """Matching would take too long."""


def holder(copyrights: Sequence[str]) -> str | None:
    """The one holder of the rights, without years and addresses; None where there are several."""
    names = set()
    for text in copyrights:
        text = text[:HOLDER_AT_MOST]
        text = _NO_NAME.sub(" ", text)
        text = re.sub(r"\b[12][0-9]{3}\b(?:\s*[-–~,]\s*(?:[12][0-9]{3}|present)\b)*,?", " ", text)
        names.add(" ".join(text.split()).strip(" ,;:-").removeprefix("by "))
    return names.pop() if len(names) == 1 else None


def _all_of(licenses: Sequence[str]) -> str | None:
    found = list(dict.fromkeys(text.strip() for text in licenses))
    if len(found) > 1:
        return " AND ".join(f"({text})" if " OR " in text.upper() else text for text in found)
    return found[0] if found else None


def _texts(value: object) -> list[str]:
    return [text for text in listed(value) if isinstance(text, str)]
