"""A data card as a dataset package of SPDX 3.0.1, JSON-LD (https://spdx.github.io/spdx-spec/v3.0.1/)."""

from __future__ import annotations

from typing import Any

from .exported import Exported, Rendered, as_json, steps

_CREATION = "_:creation"


def render(exported: Exported) -> Rendered:
    """The card as an SPDX document about one dataset.

    The dataset profile asks for times that few cards know: conformance to it is only claimed where all are there.
    """
    card = exported.card
    ((_, digits),) = card["content"]["digest"].items()
    space = f"https://spdx.org/spdxdocs/git-custody-{card['id']}-{digits[:16]}#"
    package = _package(exported, space)
    wanted = {"builtTime": "collection.period.end", "releaseTime": "source.published",
              "software_downloadLocation": "source.url"}  # fmt: skip
    lacking = [field for name, field in wanted.items() if package[name] is None]
    profiles = ["core", "software", "simpleLicensing", *([] if lacking else ["dataset"])]
    graph: list[dict[str, Any]] = [
        {"type": "CreationInfo", "@id": _CREATION, "specVersion": "3.0.1", "created": exported.created,
         "createdBy": [f"{space}tool"]},
        _element("SoftwareAgent", f"{space}tool", name="git-custody"),
        _element("Agent", f"{space}publisher", name=exported.source["publisher"]),
        package,
        _element("simplelicensing_LicenseExpression", f"{space}license",
                 simplelicensing_licenseExpression=card["license"]),
        _element("Relationship", f"{space}declared", relationshipType="hasDeclaredLicense",
                 **{"from": package["spdxId"], "to": [f"{space}license"]}),
        _element("SpdxDocument", f"{space}document", name=card["title"], profileConformance=profiles,
                 rootElement=[package["spdxId"]],
                 element=[f"{space}{name}" for name in ("declared", "license", "publisher", "tool")]),
    ]  # fmt: skip
    document = {"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": graph}
    return Rendered(as_json(document), lacking)


def _element(kind: str, spdx_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "spdxId": spdx_id, "creationInfo": _CREATION, **fields}


def _package(exported: Exported, space: str) -> dict[str, Any]:
    card, source = exported.card, exported.source
    collection = card.get("collection", {})
    return _element(
        "dataset_DatasetPackage", f"{space}dataset",
        name=card["title"],
        description=card.get("description"),
        verifiedUsing=_hashes(exported),
        originatedBy=[f"{space}publisher"],
        builtTime=_midnight(collection.get("period", {}).get("end")),
        releaseTime=_midnight(source.get("published")),
        software_primaryPurpose="data",
        software_packageVersion=exported.version,
        software_downloadLocation=source.get("url"),
        software_copyrightText="; ".join(card.get("rights_holders", ())) or None,
        software_attributionText=[card["attribution"]] if "attribution" in card else None,
        dataset_datasetType=card.get("modality", ["noAssertion"]),
        dataset_datasetSize=card["content"].get("bytes"),
        dataset_confidentialityLevel=card.get("confidentiality"),
        dataset_hasSensitivePersonalInformation=_sensitive(card.get("personal_data")),
        dataset_anonymizationMethodUsed=[one["method"] for one in card.get("anonymisation", ())],
        dataset_dataCollectionProcess=collection.get("description"),
        dataset_dataPreprocessing=steps(card),
        dataset_intendedUse=card.get("intended_use"),
        dataset_knownBias=[card["known_bias"]] if "known_bias" in card else None,
        dataset_datasetUpdateMechanism=card.get("maintenance", {}).get("cadence"),
    )  # fmt: skip


def _hashes(exported: Exported) -> list[dict[str, Any]]:
    if not exported.is_folder and len(exported.files) == 1:
        digests = exported.files[0].digests
        return [{"type": "Hash", "algorithm": name, "hashValue": digests[name]} for name in ("sha256", "md5")
                if name in digests]  # fmt: skip
    said = "dirHash of in-toto: the SHA-256 of the lines of `sha256sum`, ordered by path"
    digest = exported.card["content"]["digest"]
    return [{"type": "Hash", "algorithm": "other", "hashValue": value, "comment": said} for value in digest.values()]


def _midnight(day: str | None) -> str | None:
    return None if day is None else f"{day}T00:00:00Z"


def _sensitive(personal_data: str | None) -> str:
    if personal_data is None:
        return "noAssertion"
    return "no" if personal_data in ("none", "anonymised") else "yes"
