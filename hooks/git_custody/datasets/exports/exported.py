"""What an export starts from, and what it comes to."""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Where the data were fetched from, and not just what they are about.
FETCHED = ("public-download", "scraped")


class File(NamedTuple):
    """A file of a dataset, as people who have the data see it: `path` is from the repository's root."""

    path: str
    size: int | None
    media_type: str | None
    digests: Mapping[str, str]


class Exported(NamedTuple):
    """A valid card and its content. `base` is the folder that the export lies in: paths are told from there. `created`
    is the time of the export (RFC 3339, UTC), `license_texts` the files with the texts of licences that SPDX lacks.
    """

    card: Mapping[str, Any]
    path: str
    is_folder: bool
    files: Sequence[File]
    base: str
    created: str
    license_texts: Sequence[str] = ()

    @property
    def source(self) -> Mapping[str, Any]:
        """The card's `source`."""
        source: Mapping[str, Any] = self.card["source"]
        return source

    @property
    def version(self) -> str | None:
        """The version of the data: our own, else the one under which they were fetched."""
        version: str | None = self.card.get("data_version", self.source.get("version"))
        return version

    def from_base(self, path: str) -> str:
        """A path as it is told from the export; it begins with ``..`` where it lies outside."""
        return posixpath.relpath(path, self.base or ".")


class Rendered(NamedTuple):
    """An export, and what the standard asks for besides, as fields of a card."""

    data: bytes
    lacking: Sequence[str] = ()


def as_json(document: Mapping[str, Any]) -> bytes:
    """JSON for people and tools: the same bytes for the same values, fields in their order."""
    return (json.dumps(without_nothing(document), ensure_ascii=False, indent=2) + "\n").encode("utf-8")


def without_nothing(value: Any) -> Any:
    """A value without the fields that hold nothing."""
    if isinstance(value, dict):
        kept = {key: without_nothing(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner is not None and inner not in ([], {})}
    return [without_nothing(inner) for inner in value] if isinstance(value, list) else value


def steps(card: Mapping[str, Any]) -> list[str]:
    """What was done with the data, a text for each step."""
    return [
        step["step"] + (f" ({step['tool']})" if "tool" in step else "") for step in card.get("processing", ())
    ]  # fmt: skip


def parents(card: Mapping[str, Any]) -> list[str]:
    """The addresses of the data that these were made of."""
    return [parent["url"] for parent in card.get("derived_from", ()) if "url" in parent]


def unique_name(path: str, taken: set[str]) -> str:
    """A name for a file, of small letters, digits and ``-._``, that is not among `taken`; then it is."""
    base = re.sub(r"[^a-z0-9._-]+", "-", path.lower()).strip("-") or "file"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    taken.add(name)
    return name
