"""Data Package, datapackage.json: versions 1 and 2 (https://datapackage.org/standard/data-package/).

Of the drafts before version 1, which many files still follow, the other names of the same fields are read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .facts import DIGEST_LENGTHS, Notes, Stated, Subject, first_text, index_by_name, listed, named, only
from .loading import KEPT, load_json

STANDARD = "Data Package"
_LICENSES = ("licenses", "license")


def read(file: str, raw: bytes, subject: Subject) -> Stated | None:
    """What a datapackage.json says of a dataset; None when it is none, or names other files."""
    loaded = load_json(raw)
    data = loaded.data if loaded is not None else None
    if loaded is None or not isinstance(data, dict) or not isinstance(data.get("resources"), list):
        return None
    notes = Notes(file, loaded.lines)
    resources = [resource for resource in data["resources"] if isinstance(resource, dict)]
    mine: list[tuple[int, dict[str, Any]]] = []
    matched = 0
    by_name = _index(raw)
    for index in sorted({index for name in subject.by_name for index in by_name.get(name, ())}):
        resource = data["resources"][index]
        if isinstance(resource, dict):
            found = [named(subject, file, path) for path in listed(resource.get("path"))]
            if any(path for path, _ in found):
                mine.append((index, resource))
                matched += len(found)
            if len(found) == 1 and found[0][0] and found[0][1]:
                _digest(notes, found[0][0], resource.get("hash"), f"/resources/{index}/hash")
    is_own = subject.is_folder and file.rpartition("/")[0] == subject.path
    if not is_own and not mine:
        return None
    # What a resource says of itself stands before what its package says of all.
    if len(mine) == 1 and not subject.is_folder:
        _common(notes, mine[0][1], f"/resources/{mine[0][0]}")
    differ = any(key in resource for resource in resources for key in _LICENSES) and subject.is_folder
    _common(notes, {**data, **dict.fromkeys(_LICENSES)} if differ else data, "")
    is_whole = is_own or (len(mine) == len(resources) and len(subject.files) == matched)
    if is_whole:
        notes.add("title", data.get("title"), "/title")
        notes.add("description", data.get("description"), "/description")
    return notes.stated(STANDARD, "whole" if is_whole else "part")


@lru_cache(maxsize=KEPT)
def _index(raw: bytes) -> dict[str, list[int]]:
    """The numbers of a file's resources by the names of the files that they lead to."""
    loaded = load_json(raw)
    found = loaded.data["resources"] if loaded is not None else ()
    held = ((number, one) for number, one in enumerate(found) if isinstance(one, dict))
    return index_by_name((number, path) for number, one in held for path in listed(one.get("path")))


def _common(notes: Notes, holder: dict[str, Any], above: str) -> None:
    if above:
        notes.add("title", holder.get("title"), f"{above}/title")
        notes.add("description", holder.get("description"), f"{above}/description")
    for key in _LICENSES:
        at = f"{above}/{key}/0" if isinstance(holder.get(key), list) else f"{above}/{key}"
        notes.add_license_of(only(holder.get(key)), ("name", "path", "id", "type", "url"), at)
    source = only(holder.get("sources"))
    if isinstance(source, dict):
        for key in ("path", "web"):
            notes.add("url", source.get(key), f"{above}/sources/0/{key}")
        for key in ("title", "name"):
            notes.add("publisher", source.get(key), f"{above}/sources/0/{key}")
    notes.add("version", holder.get("version"), f"{above}/version")
    notes.add("publisher", first_text(only(holder.get("publishers")), ("name",)), f"{above}/publishers/0/name")
    for index, one in enumerate(listed(holder.get("contributors"))):
        if isinstance(one, dict) and "publisher" in (*listed(one.get("roles")), one.get("role")):
            notes.add("publisher", first_text(one, ("title", "organization")), f"{above}/contributors/{index}")


def _digest(notes: Notes, path: str, said: object, pointer: str) -> None:
    """A hash as the standard writes it: MD5 unless another algorithm stands before it."""
    if isinstance(said, str):
        algorithm, colon, digits = said.partition(":")
        algorithm = algorithm.lower().replace("-", "") if colon else "md5"
        if algorithm in DIGEST_LENGTHS:
            notes.add_digest(path, algorithm, digits if colon else said, pointer)
