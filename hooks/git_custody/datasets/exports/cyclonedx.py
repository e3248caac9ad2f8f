"""A data card as the data component of a CycloneDX 1.6 bill of materials (https://cyclonedx.org/docs/1.6/json/)."""

from __future__ import annotations

from typing import Any

from .exported import FETCHED, Exported, Rendered, as_json

_ALGORITHMS = {"sha256": "SHA-256", "md5": "MD5"}


def render(exported: Exported) -> Rendered:
    """The card as a bill of materials whose subject is the dataset."""
    card, source = exported.card, exported.source
    digests = exported.files[0].digests if len(exported.files) == 1 and not exported.is_folder else {}
    sensitive = [card["personal_data"]] if card.get("personal_data", "none") != "none" else []
    component = {
        "type": "data",
        "bom-ref": card["id"],
        "name": card["title"],
        "version": exported.version,
        "description": card.get("description"),
        "publisher": source["publisher"],
        "mime-type": card["content"].get("media_type"),
        "hashes": [{"alg": _ALGORITHMS[name], "content": digests[name]} for name in _ALGORITHMS if name in digests],
        "licenses": [{"expression": card["license"]}],
        "copyright": "; ".join(card.get("rights_holders", ())) or None,
        "externalReferences": _references(exported),
        "properties": [
            {"name": "git-custody:path", "value": exported.path or "."},
            *({"name": f"git-custody:{name}", "value": value} for name, value in card["content"]["digest"].items()
              if name not in digests),
        ],
        "data": [{
            "type": "dataset",
            "name": card["title"],
            "classification": card.get("confidentiality"),
            "sensitiveData": [*sensitive, *card.get("data_categories", [])],
            "description": card.get("intended_use"),
            "governance": _governance(card.get("stewards", ())),
        }],
    }  # fmt: skip
    return Rendered(as_json({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {"component": component},
    }))  # fmt: skip


def _references(exported: Exported) -> list[dict[str, Any]]:
    source, evidence = exported.source, exported.card.get("license_evidence", {})
    found = []
    if "url" in source:
        found.append({"type": "distribution" if source["kind"] in FETCHED else "website", "url": source["url"]})
    if "url" in evidence:
        found.append({"type": "license", "url": evidence["url"]})
    return found


def _governance(stewards: Any) -> dict[str, Any]:
    held: dict[str, list[dict[str, Any]]] = {"custodians": [], "stewards": [], "owners": []}
    for one in stewards:
        held[f"{one['role']}s"].append({"contact": {"name": one["contact"]}})
    return dict(held)
