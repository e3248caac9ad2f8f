"""A data card as a Data Package, datapackage.json (https://datapackage.org/standard/data-package/)."""

from __future__ import annotations

from typing import Any

from ..metadata.license_names import address_of
from .exported import Exported, File, Rendered, as_json, unique_name


def render(exported: Exported) -> Rendered:
    """The card as a Data Package, with a resource for each file."""
    card, source = exported.card, exported.source
    address = address_of(card["license"])
    document = {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": card["id"],
        "title": card["title"],
        "description": card.get("description"),
        "version": exported.version,
        "licenses": [{"name": card["license"], "path": address if address != card["license"] else None}],
        "sources": [{"title": source["publisher"], "path": source["url"]}] if "url" in source else None,
        "contributors": [{"title": source["publisher"], "roles": ["publisher"]}],
        "resources": _resources(exported),
    }
    return Rendered(as_json(document))


def _resources(exported: Exported) -> list[dict[str, Any]]:
    taken: set[str] = set()
    return [_resource(exported, file, taken) for file in exported.files]


def _resource(exported: Exported, file: File, taken: set[str]) -> dict[str, Any]:
    path = exported.from_base(file.path)
    digests = file.digests
    return {
        "name": unique_name(path, taken),
        "path": path,
        "mediatype": file.media_type,
        "bytes": file.size,
        "hash": f"sha256:{digests['sha256']}" if "sha256" in digests else digests.get("md5"),
    }
