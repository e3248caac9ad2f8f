"""Rules about licences along the lineage: what parents ask, and what the cards of their children say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core import assets
from ..core.findings import Finding, Rule
from . import lineage
from .license_rules import asks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..core.case import Case
    from ..core.trees import Entry
    from .survey import Dataset

CONFLICT = Rule(
    "license-conflict", ("2.7",), 1,
    "What a card allows goes beyond the licence of the data that it was made of.",
    "Nobody can pass on more rights than they were given.",
    "Give the derived data a licence that keeps the terms of their parents (docs/licences.md), or take that parent "
    "out. Where its rights holder agreed to other terms, say so in a waiver.",
    "Knows the licences of docs/licences.md; any other is for a review, where the policy asks for reviews. Compares "
    "each step of the lineage that is in this repository; a deleted parent by its card before the change, later "
    "by `license` in `derived_from`. This is no legal advice.",
)  # fmt: skip
ATTRIBUTION = Rule(
    "missing-attribution", ("2.7",), 2,
    "Derived data, or a model, do not give the credit that the licence of their data asks for.",
    "Without it, whoever passes them on breaks that licence.",
    "Write the credit into the card's `attribution`, in the words that the parent's publisher asks for.",
    "Only that there is a text; whether it names everybody is for a reviewer.",
)  # fmt: skip
RULES = (CONFLICT, ATTRIBUTION)


def check(case: Case, dataset: Dataset, data: Mapping[str, Any]) -> Iterator[Finding | str]:
    """Judge a card against its parents: findings, and as sentences what somebody has to review."""
    permitted, prohibited = data.get("permitted_use"), data.get("prohibited_use")
    commercial = isinstance(permitted, list) and "commercial" in permitted
    parents = lineage.parents(case, dataset)
    if not parents and not commercial:
        return
    from .license_lineage import Child, asks_for_credit, clash, commercial_against_itself
    from .license_subject import terms_of_parent

    lines = dataset.document.lines if dataset.document else {}
    child = Child(data["license"], bool(prohibited), commercial)
    if (found := commercial_against_itself(child)) is not None:
        yield Finding(CONFLICT, dataset.card, found.message, lines.get("/permitted_use"), subject="permitted_use")
    creditors: dict[str, None] = {}  # a card may name a parent twice, for two relations
    for parent in parents:
        # What a change deletes binds in it by its own card, whatever the child's card then says of it.
        state = case.before if parent.id is not None and parent.card is None else case.after
        terms, line = terms_of_parent(case, parent, state), lines.get(f"/derived_from/{parent.place}")
        name = parent.id or parent.url or f"number {parent.place + 1}"
        found = clash(terms, child, parent.relation)
        if found is not None and found.grade == "conflict":
            said = f'its parent "{_cut(name)}": {found.message}'
            yield Finding(CONFLICT, dataset.card, said, line, found=f"license: {child.license}", subject=name)
        elif found is not None and asks(case):
            yield f'its parent "{_cut(name)}": {found.message}'
        if asks_for_credit(terms):
            creditors[name] = None
    if creditors and not data.get("attribution"):
        names = ", ".join(f'"{_cut(name)}"' for name in list(creditors)[:3]) + (", …" if len(creditors) > 3 else "")
        said = f"the licences of its parents ask for credit ({names}), and the card has no attribution"
        yield Finding(ATTRIBUTION, dataset.card, said, lines.get("/derived_from"))


def relicensed(case: Case) -> set[str]:
    """The ids of datasets that the change takes away, or for which it brings another licence: what is made of them is
    looked at again.
    """
    cards = {}
    for path, change in case.changed.items():
        name = assets.card_name(path) if path.endswith("datacard.yaml") else None
        if name is not None and name.kind == "data":
            cards[path] = change
    if all(change.before is None for change in cards.values()):
        return set()
    before = _licences(case, [change.before for change in cards.values()])
    after = _licences(case, [change.after for change in cards.values()])
    return {dataset_id for dataset_id, stated in before.items() if after.get(dataset_id) != stated}


def _licences(case: Case, entries: Iterable[Entry | None]) -> dict[str, set[str | None]]:
    """What cards state: dataset id → licences, several where several cards share the id."""
    from ..core.metadata import parse_yaml

    found: dict[str, set[str | None]] = {}
    for raw in case.read_many(entry for entry in entries if entry is not None and entry.is_file).values():
        data = parse_yaml(raw).data
        dataset_id = data.get("id") if isinstance(data, dict) else None
        if isinstance(dataset_id, str):
            found.setdefault(dataset_id, set()).add(lineage.stated_in(data).license)
    return found


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
