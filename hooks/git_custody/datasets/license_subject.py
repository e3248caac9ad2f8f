"""What a licence review is of besides the content: source, licence, evidence, texts, and the terms of parents.

All of it is in the card, but for the bytes of the files that it names and the licences of its parents: a text that is
exchanged under a name that stays must not pass for the one that was read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from . import lineage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.case import Case
    from ..core.trees import Entry
    from .lineage import Parent

_TEXTS = (".txt", ".md", ".pdf", ".html", "")


def subject(case: Case, data: Mapping[str, Any], entries: Mapping[str, Entry]) -> dict[str, Any]:
    """What a review of these fields is of, part by part, with files and parents as they are among `entries`.

    The day of retrieval, and version and digest upstream, are those of one delivery, and left out; so is the content
    of parents.
    """
    source, evidence = _group(data.get("source")), _group(data.get("license_evidence"))
    texts = texts_of(data, entries)
    copy = path if isinstance(path := evidence.get("file"), str) else None
    named = [*texts, copy] if copy is not None else texts
    files = {path: entries[path] for path in named if path in entries and entries[path].is_file}
    digests = case.sha256(files.values()) if files else {}
    bytes_of_copy = digests[files[copy].oid] if copy in files else copy
    return {
        "source": {key: source.get(key) for key in ("kind", "url", "publisher")},
        "license": _usual(case, data.get("license")),
        "evidence": evidence.get("sha256") or evidence.get("url") or bytes_of_copy,
        "texts": sorted([path, digests[files[path].oid] if path in files else None] for path in texts),
        "parents": [
            [parent.id or parent.url, parent.relation, _usual(case, terms_of_parent(case, parent, entries))]
            for parent in lineage.parents_in(case, data)
        ],
    }


def _usual(case: Case, expression: Any) -> Any:
    """A licence as SPDX spells it: ids have no case, so that another spelling is not another licence."""
    if not isinstance(expression, str):
        return expression
    from .license_rules import verdict_of

    verdict = verdict_of(case, expression)
    return expression if verdict.status == "invalid" else " ".join((verdict.suggestion or expression).split())


def basis(parts: Mapping[str, Any]) -> str:
    """The sha256 (hex) over the canonical JSON (RFC 8785) of a subject."""
    import hashlib
    import json

    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def texts_of(data: Mapping[str, Any], entries: Mapping[str, Entry]) -> list[str]:
    """The files with the texts of licences that SPDX does not list: those that the card names, and, of the places that
    REUSE has for them, those that are there.
    """
    files = data.get("license_files")
    paths = [_group(one).get("path") for one in files] if isinstance(files, list) else []
    usual = [path for name in names_without_spdx(data) for path in usual_places(name) if path in entries]
    return list(dict.fromkeys([*(path for path in paths if isinstance(path, str)), *usual]))


def names_without_spdx(data: Mapping[str, Any]) -> list[str]:
    """The names in a card's licence that SPDX does not list."""
    stated = data.get("license")
    return list(dict.fromkeys(re.findall(r"LicenseRef-[A-Za-z0-9.-]+", stated))) if isinstance(stated, str) else []


def usual_places(name: str) -> list[str]:
    """Where the REUSE specification has the text of a licence, or something near."""
    return [f"LICENSES/{name}{suffix}" for suffix in _TEXTS]


def terms_of_parent(case: Case, parent: Parent, entries: Mapping[str, Entry]) -> str | None:
    """The licence of a parent: what its own card says, else what `derived_from` says of data elsewhere."""
    card = parent.card
    if entries is case.before and parent.id is not None:
        card = lineage.card_before(case, parent.id) or card
    if card is None:
        return parent.license
    stated = lineage.stated(case, [card], entries).get(card)
    return stated.license if stated else None


def lost_parents(case: Case, data: Mapping[str, Any]) -> list[str]:
    """The ids of parents that are no longer here, and of whose licence nothing is on record."""
    return [
        parent.id for parent in lineage.parents_in(case, data)
        if parent.id is not None and parent.card is None and parent.url is None and parent.license is None
    ]  # fmt: skip


def _group(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
