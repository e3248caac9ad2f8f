"""One record for what eight standards say in eight ways, with the place of every fact."""

from __future__ import annotations

import posixpath
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# What a file may say of a dataset; `language` is BCP 47 tags with spaces between.
Name = Literal["title", "description", "license", "url", "publisher", "version", "language", "published"]
# The digests that a card or the content can be held against, by their length in hex digits.
DIGEST_LENGTHS = {"sha256": 64, "sha512": 128, "sha1": 40, "md5": 32}
# What a card takes; longer texts are left out.
_LONGEST = {"description": 20_000, "url": 4000, "license": 1000, "language": 10_000}
_MANY_LANGUAGES = 1000
_LONG = 500


class Fact(NamedTuple):
    """A value and where it was read: the file, the JSON pointer (RFC 6901) in it, and the line where that is known."""

    value: str
    file: str
    pointer: str = ""
    line: int | None = None

    @property
    def place(self) -> str:
        """The place in words, such as ``data/README.md line 3``."""
        return self.file if self.line is None else f"{self.file} line {self.line}"


class Stated(NamedTuple):
    """What one file says about a dataset.

    `scope` is "whole" for a file about this dataset alone, "part" for one that names it among others, and "near" for
    one that lies above it and names no files at all. `digests` are those of files that are named by a path: path →
    algorithm → fact.
    """

    standard: str
    file: str
    scope: Literal["whole", "part", "near"]
    facts: Mapping[Name, Fact]
    digests: Mapping[str, Mapping[str, Fact]]


class Subject:
    """The dataset that is asked about: its path, and the paths of its files (those that `.dvc` files stand for)."""

    def __init__(self, path: str, is_folder: bool, files: frozenset[str]) -> None:
        self.path = path
        self.is_folder = is_folder
        self.files = files

    @cached_property
    def by_name(self) -> Mapping[str, Sequence[str]]:
        """Its files by the last part of their paths."""
        found: dict[str, list[str]] = {}
        for path in self.files:
            found.setdefault(path.rpartition("/")[2], []).append(path)
        return found

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The folder that it is or lies in; "" for the root."""
        return self.path if self.is_folder else self.path.rpartition("/")[0]


class Notes:
    """Collects what a file says: values that are no text, empty or too long are left out."""

    def __init__(self, file: str, lines: Mapping[str, int]) -> None:
        self.file = file
        self._lines = lines
        self.facts: dict[Name, Fact] = {}
        self.digests: dict[str, dict[str, Fact]] = {}

    def add(self, name: Name, value: object, pointer: str) -> None:
        """Note a value, unless one was noted before."""
        value = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        text = " ".join(value.split()) if isinstance(value, str) and name != "description" else value
        if isinstance(text, str) and text.strip() and name not in self.facts and _is_unicode(text):
            if len(text) <= _LONGEST.get(name, _LONG):
                self.facts[name] = self._fact(text.strip(), pointer)

    def add_license(self, value: object, pointer: str) -> None:
        """Note a licence, where SPDX has exactly that one."""
        from .license_names import spdx_of

        if isinstance(value, str) and (exact := spdx_of(value)) is not None:
            self.add("license", exact, pointer)

    def add_license_of(self, group: object, keys: Iterable[str], pointer: str) -> None:
        """Note the licence that a text is, or that the fields `keys` of a group name; none where they name several."""
        from .license_names import spdx_of

        said = {pointer: group} if isinstance(group, str) else {}
        if isinstance(group, dict):
            said = {f"{pointer}/{key}": group[key] for key in keys if isinstance(group.get(key), str)}
        named = {at: exact for at, text in said.items() if (exact := spdx_of(text)) is not None}
        if len(set(named.values())) == 1:
            self.add("license", *next((exact, at) for at, exact in named.items()))

    def add_languages(self, tags: Iterable[object], pointer: str) -> None:
        """Note the languages among tags: on the Hub, `code` and `multilingual` stand beside them."""
        from ..codes import language_fault

        found = [tag for tag in tags if isinstance(tag, str) and language_fault(tag) is None]
        self.add("language", " ".join(found[:_MANY_LANGUAGES]), pointer)

    def add_digest(self, path: str, algorithm: str, value: object, pointer: str) -> None:
        """Note the digest of a file, where it is one."""
        length = DIGEST_LENGTHS.get(algorithm)
        if isinstance(value, str) and re.fullmatch("[0-9a-fA-F]+", value) and len(value) == length:
            self.digests.setdefault(path, {})[algorithm] = self._fact(value.lower(), pointer)

    def _fact(self, text: str, pointer: str) -> Fact:
        return Fact(text, self.file, pointer, self._lines.get(pointer))

    def stated(self, standard: str, scope: Literal["whole", "part", "near"]) -> Stated | None:
        """The record, None when nothing was noted."""
        return Stated(standard, self.file, scope, self.facts, self.digests) if self.facts or self.digests else None


def _is_unicode(text: str) -> bool:
    """Whether a text has no half characters, which JSON can write."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def beside(file: str, path: object) -> str | None:
    """The path from the root of what a file calls `path`; None where that is an address, or leads out."""
    if not isinstance(path, str) or not path or ":" in path.partition("/")[0] or path.startswith("/"):
        return None
    found = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
    return None if found == "." or found.startswith("..") else found


def named(subject: Subject, file: str, address: object) -> tuple[str | None, bool]:
    """The file of the subject that an address in a metadata file means, and whether it is named by its path: the
    address of a copy elsewhere only counts by its last part. Paths are often written as from the root.
    """
    from urllib.parse import unquote

    if not isinstance(address, str):
        return None, False
    for text in (address, unquote(address)):
        if (path := beside(file, text)) in subject.files:
            return path, True
    if address in subject.files:
        return address, True
    last = last_part(address)
    same = subject.by_name.get(last, ())
    is_remote = re.match("[a-z][a-z0-9+.-]*://", address, re.IGNORECASE) is not None
    return (same[0], False) if is_remote and len(same) == 1 else (None, False)


def last_part(address: str) -> str:
    """The name of the file that an address or a path leads to."""
    from urllib.parse import unquote

    return unquote(re.split("[?#]", address)[0].rpartition("/")[2])


def index_by_name(addresses: Iterable[tuple[int, object]]) -> dict[str, list[int]]:
    """The numbers of addresses by the name of the file that each leads to: without it, each of many datasets would be
    held against each of many addresses.
    """
    found: dict[str, list[int]] = {}
    for number, address in addresses:
        if isinstance(address, str):
            for name in {last_part(address), address.rpartition("/")[2]}:
                found.setdefault(name, []).append(number)
    return found


def first_text(value: object, keys: Iterable[str] = ()) -> str | None:
    """A text, or the one under the first of `keys` that a group has."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return next((value[key] for key in keys if isinstance(value.get(key), str)), None)
    return None


def listed(value: Any) -> list[Any]:
    """A list as it is, nothing as none, and anything else as a list of one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def only(value: Any) -> Any:
    """The one value of a list of one; None for a longer list; anything else as it is."""
    found = listed(value)
    return found[0] if len(found) == 1 else None
