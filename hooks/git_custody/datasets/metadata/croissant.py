"""Croissant, JSON-LD about a dataset: versions 1.0 and 1.1 (https://docs.mlcommons.org/croissant/docs/)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .facts import Notes, Stated, Subject, first_text, index_by_name, listed, named, only
from .loading import KEPT, load_json

STANDARD = "Croissant"
_PREFIXES = ("", "sc:", "schema:", "https://schema.org/", "http://schema.org/", "cr:")
_MANY_CREATORS = 5


def read(file: str, raw: bytes, subject: Subject) -> Stated | None:
    """What a Croissant file says of a dataset; None when it is none, or names other files."""
    loaded = load_json(raw)
    data = loaded.data if loaded is not None else None
    if loaded is None or not isinstance(data, dict) or not _is_dataset(data):
        return None
    notes = Notes(file, loaded.lines)
    resources, (outer, inner), by_name = _index(raw)
    matched = {}
    for index in sorted({index for name in subject.by_name for index in by_name.get(name, ())}):
        resource = resources[index]
        path, by_path = named(subject, file, get(resource, "contentUrl"))
        if path is not None:
            matched[index] = path
        # Of what lies in an archive, or in a repository that may be another one, ours is a copy.
        if path is not None and by_path and get(resource, "containedIn") is None:
            for algorithm in ("sha256", "md5"):
                notes.add_digest(path, algorithm, get(resource, algorithm), f"/distribution/{index}/{algorithm}")
    is_own = subject.is_folder and file.rpartition("/")[0] == subject.path
    is_own = is_own or file in (f"{subject.path}.croissant.json",)
    if not is_own and not matched:
        return None
    is_all = matched.keys() >= outer or matched.keys() >= inner
    is_whole = is_own or (is_all and len(matched) == len(subject.files))
    _shared(notes, data)
    if is_whole:
        _of_whole(notes, data)
    return notes.stated(STANDARD, "whole" if is_whole else "part")


@lru_cache(maxsize=KEPT)
def _index(raw: bytes) -> tuple[dict[int, dict[str, Any]], tuple[set[int], set[int]], dict[str, list[int]]]:
    """The resources of a file by their numbers; of these, those that lie in no other one, and those that no other one
    lies in; and the numbers by the names of the files that they lead to. A repository of git is none of them: what lies
    in it lies in the folders that we look at.
    """
    loaded = load_json(raw)
    numbered = enumerate(listed(get(loaded.data, "distribution"))) if loaded is not None else ()
    found = {number: one for number, one in numbered if isinstance(one, dict)}
    repositories = {number for number, one in found.items() if (_text(get(one, "encodingFormat")) or "")[:4] == "git+"}
    names = {_name(found[number]) for number in repositories}
    held = {number: one for number, one in found.items() if number not in repositories}
    within = {number: {_name(other) for other in listed(get(one, "containedIn"))} for number, one in held.items()}
    holders = set().union(*within.values())
    outer = {number for number, others in within.items() if others <= names}
    inner = {number for number, one in held.items() if _name(one) not in holders}
    return held, (outer, inner), index_by_name((number, get(one, "contentUrl")) for number, one in held.items())


def _name(resource: object) -> str | None:
    """What a resource is called where another one refers to it, and by such a reference."""
    return first_text(resource, ("@id", "name"))


def _is_dataset(data: dict[str, Any]) -> bool:
    kinds = [str(kind).rpartition(":")[2].rpartition("/")[2] for kind in listed(data.get("@type"))]
    return "Dataset" in kinds


def _shared(notes: Notes, data: dict[str, Any]) -> None:
    """What is true of each file of the dataset."""
    notes.add_license_of(only(get(data, "license")), ("url", "@id", "name"), "/license")
    notes.add("publisher", _names(get(data, "publisher")), "/publisher")
    notes.add("publisher", _names(get(data, "creator")), "/creator")
    notes.add("url", first_text(only(get(data, "url")), ("@id",)), "/url")
    notes.add("version", _text(get(data, "version")), "/version")
    notes.add("published", (_text(get(data, "datePublished")) or "")[:10], "/datePublished")


def _of_whole(notes: Notes, data: dict[str, Any]) -> None:
    others = listed(get(data, "alternateName"))
    # The Hub's name is the last part of an address; its pretty name follows the whole one.
    notes.add("title", others[-1] if len(others) > 1 else None, f"/alternateName/{len(others) - 1}")
    notes.add("title", _text(get(data, "name")), "/name")
    notes.add("description", _text(get(data, "description")), "/description")
    tags = (first_text(tag, ("name", "alternateName")) for tag in listed(get(data, "inLanguage")))
    notes.add_languages(tags, "/inLanguage")


def get(data: dict[str, Any], key: str) -> Any:
    """A field under any of the names that schema.org's context gives it."""
    return next((data[prefix + key] for prefix in _PREFIXES if prefix + key in data), None)


def _text(value: Any) -> str | None:
    """A text, also one that says its language."""
    value = only(value)
    if isinstance(value, dict):
        found = value.get("@value", value.get("en", next(iter(value.values()), None)))
        return found if isinstance(found, str) else None
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None


def _names(value: Any) -> str | None:
    names = [name for one in listed(value) if (name := _text(get(one, "name") if isinstance(one, dict) else one))]
    return ", ".join(names) if 0 < len(names) <= _MANY_CREATORS else None
