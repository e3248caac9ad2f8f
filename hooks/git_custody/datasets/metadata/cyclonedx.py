"""Data components of a CycloneDX bill of materials, JSON: versions 1.5 to 1.7 (https://cyclonedx.org/docs/1.6/json/)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .facts import Notes, Stated, Subject, first_text, listed, only
from .loading import load_json

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD = "CycloneDX"
MAX_COMPONENTS = 10_000
_URL_TYPES = ("distribution", "source-distribution", "website")


def read(file: str, raw: bytes, subject: Subject) -> Stated | None:
    """What a bill of materials says of a dataset; None when none of its data components is this one."""
    loaded = load_json(raw)
    data = loaded.data if loaded is not None else None
    if loaded is None or not isinstance(data, dict) or data.get("bomFormat") != "CycloneDX":
        return None
    found = list(_data_components(data))
    is_own = file == f"{subject.path}.cdx.json"
    mine = [one for one in found if one[1].get("name") in (subject.path, subject.name)]
    # The subject of a bill in a folder is the folder, whatever it is called.
    is_inside = subject.is_folder and file.rpartition("/")[0] == subject.path
    if len(found) == 1 and (is_own or (is_inside and found[0][0] == "/metadata/component")):
        mine = found
    if len(mine) != 1:
        return None
    pointer, component = mine[0]
    notes = Notes(file, loaded.lines)
    if component.get("name") in (subject.path, subject.name):  # no title
        inner = only(component.get("data"))
        notes.add("title", inner.get("name") if isinstance(inner, dict) else None, f"{pointer}/data/0/name")
    _facts(notes, component, pointer)
    if not subject.is_folder and len(subject.files) == 1:
        for index, one in enumerate(listed(component.get("hashes"))):
            if isinstance(one, dict):
                algorithm = str(one.get("alg")).lower().replace("-", "")
                notes.add_digest(
                    next(iter(subject.files)), algorithm, one.get("content"), f"{pointer}/hashes/{index}/content"
                )
    return notes.stated(STANDARD, "whole")


def _data_components(data: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    metadata = data.get("metadata")
    subject = metadata.get("component") if isinstance(metadata, dict) else None
    if isinstance(subject, dict) and subject.get("type") == "data":
        yield "/metadata/component", subject
    for index, component in enumerate(listed(data.get("components"))[:MAX_COMPONENTS]):
        if isinstance(component, dict) and component.get("type") == "data":
            yield f"/components/{index}", component


def _facts(notes: Notes, component: dict[str, Any], above: str) -> None:
    notes.add("title", component.get("name"), f"{above}/name")
    notes.add("description", component.get("description"), f"{above}/description")
    notes.add("version", component.get("version"), f"{above}/version")
    said = only(component.get("licenses"))
    if isinstance(said, dict):
        notes.add_license(said.get("expression"), f"{above}/licenses/0/expression")
        notes.add_license_of(said.get("license"), ("id", "name", "url"), f"{above}/licenses/0/license")
    for key in ("publisher", "supplier", "manufacturer"):
        notes.add("publisher", first_text(component.get(key), ("name",)), f"{above}/{key}")
    for index, one in enumerate(listed(component.get("externalReferences"))):
        if isinstance(one, dict) and one.get("type") in _URL_TYPES:
            notes.add("url", one.get("url"), f"{above}/externalReferences/{index}/url")
