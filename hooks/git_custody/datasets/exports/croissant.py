"""A data card as Croissant 1.1 with the RAI vocabulary 1.0, JSON-LD (https://docs.mlcommons.org/croissant/docs/)."""

from __future__ import annotations

from typing import Any

from ..metadata.license_names import address_of
from .exported import Exported, File, Rendered, as_json, parents, steps, unique_name

# More files than that are said by a glob: nobody reads 100 000 of them, and the card has the digest of all.
MANY_FILES = 1000
_ANY_TYPE = "application/octet-stream"
# The context of the specification, to which it asks writers to keep.
_CONTEXT: dict[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "arrayShape": "cr:arrayShape", "citeAs": "cr:citeAs",
    "column": "cr:column", "conformsTo": "dct:conformsTo", "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/", "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty", "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract", "field": "cr:field", "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject", "fileSet": "cr:fileSet", "format": "cr:format", "includes": "cr:includes",
    "isArray": "cr:isArray", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath", "key": "cr:key",
    "md5": "cr:md5", "name": {"@container": "@language"}, "parentField": "cr:parentField", "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#", "recordSet": "cr:recordSet", "references": "cr:references",
    "regex": "cr:regex", "repeated": "cr:repeated", "replace": "cr:replace", "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/", "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField",
    "transform": "cr:transform",
}  # fmt: skip


def render(exported: Exported) -> Rendered:
    """The card as Croissant. What has no description is described by its title, as the standard wants one."""
    card, source = exported.card, exported.source
    publisher = {"@type": "sc:Organization", "name": source["publisher"]}
    rai = _rai(exported)
    conforms = ["http://mlcommons.org/croissant/1.1", *(["http://mlcommons.org/croissant/RAI/1.0"] if rai else [])]
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": card["title"],
        "description": card.get("description", card["title"]),
        "conformsTo": conforms if rai else conforms[0],
        "license": address_of(card["license"]),
        "url": source.get("url"),
        "creator": publisher,
        "publisher": publisher,
        "datePublished": source.get("published"),
        "version": exported.version,
        "inLanguage": card.get("language"),
        "isLiveDataset": card.get("maintenance", {}).get("live"),
        "creditText": card.get("attribution"),
        "prov:wasDerivedFrom": [{"@id": url} for url in parents(card)],
        **rai,
        "distribution": _distribution(exported),
    }
    lacking = [f"source.{name}" for name in ("url", "published") if name not in source]
    return Rendered(as_json(document), lacking)


def _distribution(exported: Exported) -> list[dict[str, Any]]:
    if len(exported.files) <= MANY_FILES:
        taken: set[str] = set()
        return [_file(exported, file, taken) for file in exported.files]
    inside = exported.from_base(exported.path or ".")
    glob = "**" if inside == "." else f"{inside}/**"
    return [{"@type": "cr:FileSet", "@id": "files", "name": "files", "includes": glob, "encodingFormat": _ANY_TYPE}]


def _file(exported: Exported, file: File, taken: set[str]) -> dict[str, Any]:
    path = exported.from_base(file.path)
    digests = file.digests
    return {
        "@type": "cr:FileObject",
        "@id": unique_name(path, taken),  # mlcroissant takes none with a space
        "name": path,
        "contentUrl": path,
        "contentSize": None if file.size is None else f"{file.size} B",
        "encodingFormat": file.media_type or _ANY_TYPE,
        "sha256": digests.get("sha256"),
        "md5": None if "sha256" in digests else digests.get("md5"),
    }


def _rai(exported: Exported) -> dict[str, Any]:
    card = exported.card
    collection, annotation = card.get("collection", {}), card.get("annotation", {})
    period = collection.get("period", {})
    sensitive = [card["personal_data"]] if card.get("personal_data", "none") != "none" else []
    said = {
        "rai:dataCollection": collection.get("description"),
        "rai:dataCollectionType": collection.get("method"),
        "rai:dataCollectionTimeframe": [period[key] for key in ("start", "end") if key in period],
        "rai:dataPreprocessingProtocol": steps(card),
        "rai:dataAnnotationProtocol": annotation.get("protocol"),
        "rai:dataAnnotationPlatform": annotation.get("platform"),
        "rai:dataBiases": card.get("known_bias"),
        "rai:dataLimitations": card.get("limitations"),
        "rai:dataUseCases": card.get("intended_use"),
        "rai:personalSensitiveInformation": [*sensitive, *card.get("data_categories", [])],
        "rai:dataReleaseMaintenancePlan": card.get("maintenance", {}).get("cadence"),
    }
    return {key: value for key, value in said.items() if value}
