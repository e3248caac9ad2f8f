"""The rule `metadata-disagrees`: a card, and another file that states something else about the same data.

Only what cannot both be true is reported. A missing value is no conflict; neither are titles and publishers, which
people write in many ways, nor the addresses of a page and of a download. Files that merely lie above a dataset do not
count.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...core import assets
from ...core.findings import CUSTODY, Finding, RepoPath, Rule, Slot
from .. import survey as surveys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ...core.case import Case
    from ...core.findings import Command
    from ..survey import Dataset
    from .facts import Fact, Stated

DISAGREES = Rule(
    "metadata-disagrees", ("2.5", "2.7"), 2,
    "Another metadata file states something else about a dataset than its card.",
    "Whoever reads the other file uses the data under the wrong licence, or takes other data for these.",
    "Find out which is right, and change the other one: `git custody card update` changes the card, and `git custody "
    "card export PATH --to FORMAT --output FILE` writes such files anew from it.",
    "Reads Hugging Face front matter, Croissant, Data Package, DVC, REUSE and CycloneDX (docs/metadata.md); compares "
    "licences, versions, sources and digests, where the file is about this dataset or names it.",
)  # fmt: skip
RULES = (DISAGREES,)


def check(case: Case) -> Iterator[Finding]:
    """Hold the cards in question against the metadata files beside them."""
    if case.policy.level < DISAGREES.level:
        return  # before anything is read
    for dataset in _in_question(case):
        if dataset.files and dataset.document is not None and isinstance(dataset.document.data, dict):
            yield from _of_one(case, dataset, dataset.document.data)


def _in_question(case: Case) -> Iterator[Dataset]:
    found = surveys.survey(case)
    seen = set()
    for dataset in found.datasets:
        seen.add(dataset.card)
        yield dataset
    if case.is_whole:
        return
    for card in dict.fromkeys(card for path in case.changed for card in _cards_of(case, path)):
        if card not in seen:
            yield surveys.dataset(case, card)


def _cards_of(case: Case, path: str) -> Iterator[str]:
    """The cards of the datasets that a changed metadata file may speak of."""
    from . import nearby

    if not nearby.is_metadata(path) or path not in case.after or not case.after[path].is_file:
        return
    entry = case.after[path]
    if path.endswith("README.md") and not case.read_many([entry]).get(entry.oid, b"").startswith(b"---"):
        return  # prose
    place, is_folder = nearby.spoken_of_by(path)
    if is_folder:
        yield from (card for card in case.after.below(f"{place}/" if place else "") if _is_card(card))
    else:
        own = (f"{place}/datacard.yaml", assets.sidecar(place), f"{place.rpartition('/')[0]}/datacard.yaml".lstrip("/"))
        prefix = f"{place}."
        yield from (card for card in own if card in case.after)
        yield from (card for card in case.after.below(prefix) if card not in own and _is_card(card))


def _is_card(path: str) -> bool:
    name = assets.card_name(path) if path.endswith("datacard.yaml") else None
    return name is not None and name.kind == "data" and name.well_named


def _of_one(case: Case, dataset: Dataset, card: Mapping[str, object]) -> Iterator[Finding]:
    from . import nearby

    for one in nearby.stated(case, dataset):
        if one.scope == "near":
            continue
        for what, fact, mine, field in _conflicts(one, card):
            said = f"{one.file} states the {what} {fact.value}, and this card states {mine}"
            line = dataset.document.lines.get(field) if dataset.document else None
            yield Finding(
                DISAGREES, dataset.card, said, line, found=f"{one.standard}, {fact.place}",
                fix=(*_fix(what, fact.value, dataset.card), *_export(one, dataset)), subject=f"{what} {one.file}",
            )  # fmt: skip
        yield from _digests(case, dataset, one)


def _fix(what: str, theirs: str, card: str) -> tuple[Command, ...]:
    """How the card comes to say what the other file does."""
    option = {"licence": "--license", "source": "--source-url"}.get(what)
    from ...core.value_formats import is_uri

    is_whole = what == "licence" or is_uri(theirs)
    return ((CUSTODY, "card", "update", option, theirs if is_whole else Slot("URL"), RepoPath(card)),) if option else ()


# By the ends of their names, the files that `git custody card export` writes.
_EXPORTED = {
    "croissant.json": "croissant", "datapackage.json": "datapackage", "README.md": "huggingface",
    "bom.json": "cyclonedx", ".cdx.json": "cyclonedx",
}  # fmt: skip


def _export(one: Stated, dataset: Dataset) -> tuple[Command, ...]:
    """How the other file comes to say what the card does, where it is about nothing else and we write such files."""
    name = next((name for end, name in _EXPORTED.items() if one.file.endswith(end)), None)
    if name is None or one.scope != "whole":
        return ()
    return ((CUSTODY, "card", "export", RepoPath(dataset.shown_path), "--to", name, "--output", RepoPath(one.file)),)


def _conflicts(one: Stated, card: Mapping[str, object]) -> Iterator[tuple[str, Fact, str, str]]:
    """What cannot both be true: what it is, the fact, what the card says, and where it does."""
    from .license_names import ids_of, spdx_of

    source = card.get("source")
    source = source if isinstance(source, dict) else {}
    theirs, mine = one.facts.get("license"), card.get("license")
    if theirs and isinstance(mine, str) and spdx_of(mine):
        named = ids_of(theirs.value), ids_of(mine)
        # A licence that SPDX does not list has whatever name its reader gave it.
        if named[0].isdisjoint(named[1]) and not any(name.startswith("licenseref-") for name in named[0] | named[1]):
            yield "licence", theirs, mine, "/license"
    if (version := one.facts.get("version")) and one.scope == "whole":
        known = [text for text in (card.get("data_version"), source.get("version")) if isinstance(text, str)]
        comparable = [text for text in known if _is_number(text)]
        if comparable and comparable == known and _is_number(version.value):
            if all(_release(version.value) != _release(text) for text in comparable):
                yield "version", version, comparable[0], "/data_version"
    address, url = one.facts.get("url"), source.get("url")
    # Elsewhere the address is that of a page about the data, which may be our own.
    if address and one.standard in ("DVC", "Data Package") and isinstance(url, str):
        ours, others = identity(url), identity(address.value)
        if ours and others and ours[0] == others[0] and ours[1] != others[1]:
            yield "source", address, url, "/source/url"


def _is_number(version: str) -> bool:
    return re.fullmatch(r"v?[0-9]{1,9}(?:\.[0-9]{1,9}){0,3}", version.strip()) is not None


def _release(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in version.strip().removeprefix("v").split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def identity(url: str) -> tuple[str, str] | None:
    """What a well-known address names, however it is written: a DOI, or a dataset on a hub. None for all others.

    Zenodo gives each version a DOI, and all of them one more: two of these may well be the same data.
    """
    doi = re.match(r"(?:https?://(?:dx\.)?doi\.org/|doi:)(10\.[0-9]{4,9}/[^?#\s]+)", url, re.IGNORECASE)
    if doi is not None:
        name = re.sub(r"\.v[0-9]+\Z", "", doi[1].lower().rstrip("/"))
        return None if name.startswith("10.5281/") else ("DOI", name)
    for hub, pattern in (
        ("Hugging Face", r"https?://(?:www\.)?huggingface\.co/datasets/([^/?#\s]+/[^/?#\s]+)"),
        ("Kaggle", r"https?://(?:www\.)?kaggle\.com/datasets/([^/?#\s]+/[^/?#\s]+)"),
        ("OpenML", r"https?://(?:www\.)?openml\.org/d/([0-9]+)"),
    ):
        if found := re.match(pattern, url, re.IGNORECASE):
            return hub, found[1].lower()
    return None


def _digests(case: Case, dataset: Dataset, one: Stated) -> Iterator[Finding]:
    # No file can hold a digest of itself.
    stated = {path: facts["sha256"] for path, facts in one.digests.items() if "sha256" in facts and path != one.file}
    entries = {path: dataset.files[path] for path in stated if path in dataset.files and dataset.files[path].is_file}
    known = case.sha256(entries.values()) if entries else {}
    for path, entry in entries.items():
        actual = known.get(entry.oid)
        if actual is not None and actual != stated[path].value:
            said = f"{one.file} states another sha256 for {path} than it has"
            yield Finding(
                DISAGREES, dataset.card, said, found=f"sha256 {actual}, and in {stated[path].place}: "
                f"{stated[path].value}", fix=_export(one, dataset), subject=f"digest {one.file} {path}",
            )  # fmt: skip
            return  # one file that is out of date has many
