"""Rules about `derived_from`: every parent can be found, none comes after its child, and its version is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core import assets
from ..core.findings import Finding, Rule
from . import lineage
from . import survey as surveys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..core.case import Case, Said
    from .lineage import Parent
    from .survey import Dataset

UNRESOLVED = Rule(
    "unresolved-parent", ("2.5",), 1,
    "A data card names a parent that cannot be found.",
    "Where derived data come from can only be told as long as each step back can be taken.",
    "Write the id of a dataset in this repository, or the `url` of data elsewhere, into `derived_from`. For a parent "
    "that was here once, say in `url` where it went, or keep its audit log and say in `license` what it was under.",
    "A parent that was deleted counts as known while its audit log is here and `derived_from` has its licence, which "
    "is taken as stated. Addresses are not opened.",
)  # fmt: skip
CIRCULAR = Rule(
    "circular-lineage", ("2.5",), 1,
    "Datasets are said to be made of each other.",
    "A lineage that leads back to where it began says nothing of where the data come from.",
    "Take the entry of `derived_from` away that points the wrong way.",
    "Follows ids within this repository.",
)  # fmt: skip
OTHER_VERSION = Rule(
    "unknown-parent-version", ("2.5",), 2,
    "Data were made of a version of their parent that this repository does not know.",
    "What was reviewed as the parent may not be what the data were made of.",
    "Make the data again from the parent that is here, or write into `derived_from` the digest that was used.",
    "Only warns. A digest counts as known if the parent's card records it, or if its audit log speaks of it.",
)  # fmt: skip
RULES = (UNRESOLVED, CIRCULAR, OTHER_VERSION)


def check(case: Case, datasets: Iterable[Dataset]) -> Iterator[Said]:
    """Judge the parents of datasets, and those of the children that a change leaves without one."""
    found = {dataset.card: dataset for dataset in datasets}
    for card in lineage.made_of(case, _gone(case)):
        found.setdefault(card, surveys.dataset(case, card))
    for dataset in found.values():
        lineage.take_up(case, dataset)
    named = [dataset for dataset in found.values() if lineage.stated_in(_data(dataset)).derived_from]
    for dataset in named:
        for parent in lineage.parents(case, dataset):
            yield from _parent(case, dataset, parent)
    if named:
        yield from _cycles(case, {dataset.card: dataset for dataset in named})


def _data(dataset: Dataset) -> object:
    return dataset.document.data if dataset.document else None


def _gone(case: Case) -> set[str]:
    """The ids of datasets that the change takes away."""
    before, after = {}, {}
    for path, change in case.changed.items():
        name = assets.card_name(path) if path.endswith("datacard.yaml") else None
        if name is not None and name.kind == "data" and change.before is not None and change.before.is_file:
            before[path] = change.before
            if change.after is not None and change.after.is_file:
                after[path] = change.after
    raw = case.read_many([*before.values(), *after.values()])
    ids: set[str] = set()
    for path, entry in before.items():
        now = surveys.ids_in(raw.get(after[path].oid, b"")) if path in after else []
        ids.update(set(surveys.ids_in(raw.get(entry.oid, b""))).difference(now))
    # All cards are asked only when an id has left its card.
    return ids - set(surveys.ids_of_all_cards(case).values()) if ids else set()


def _parent(case: Case, dataset: Dataset, parent: Parent) -> Iterator[Said]:
    lines = dataset.document.lines if dataset.document else {}
    pointer = f"/derived_from/{parent.place}"
    if parent.id is None and parent.url is None:
        said = "this parent has neither the id of a dataset here nor the url of data elsewhere"
        yield Finding(UNRESOLVED, dataset.card, said, lines.get(pointer), subject=pointer)
    elif parent.card is None and parent.url is None and not lineage.logged_contents(case, parent.id or ""):
        from ..core.documents import nearest

        near = nearest(parent.id or "", surveys.ids_of_all_cards(case).values())
        advice = f'; did you mean "{near}"?' if near else ""
        said = f'derived_from names "{_cut(parent.id or "")}", and no card here has that id{advice}'
        line = lines.get(f"{pointer}/id")
        yield Finding(UNRESOLVED, dataset.card, said, line, subject=parent.id or "")
    elif parent.card is None and parent.url is None and parent.license is None:
        from .license_subject import terms_of_parent

        was = terms_of_parent(case, parent, case.before)
        said = f'its parent "{parent.id}" was deleted, and nothing states its licence any more'
        advice = f"; add license: {_cut(was)} to it in derived_from" if was else ""
        yield Finding(UNRESOLVED, dataset.card, said + advice, lines.get(f"{pointer}/id"), subject=parent.id or "")
    elif parent.card is not None and parent.digest is not None:
        yield from _version(case, dataset, parent, lines.get(f"{pointer}/digest"))


def _version(case: Case, dataset: Dataset, parent: Parent, line: int | None) -> Iterator[Said]:
    assert parent.card is not None
    recorded = lineage.stated(case, [parent.card]).get(parent.card)
    present = recorded.digest if recorded else None
    if present is None or parent.digest == present or parent.digest in lineage.logged_contents(case, parent.id or ""):
        return
    said = f'it was made of other content of "{parent.id}" than there is now, and no record here knows that content'
    found = f"derived_from: {_shown(parent.digest or {})}; now: {_shown(present)}"
    yield Finding(OTHER_VERSION, dataset.card, said, line, found=found, subject=parent.id or "", warns=True)


def _cycles(case: Case, datasets: dict[str, Dataset]) -> Iterator[Finding]:
    for group in lineage.cycles(lineage.graph(case, datasets)):
        mine = [card for card in group if card in datasets]
        if not mine:
            continue
        dataset = datasets[mine[0]]
        ids = surveys.ids_of_all_cards(case)
        others = [f'"{_cut(ids.get(card, card))}"' for card in group if card != dataset.card]
        names = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        said = f"this dataset is said to be made of itself{f', by way of {names}' if others else ''}"
        line = dataset.document.lines.get("/derived_from") if dataset.document else None
        yield Finding(CIRCULAR, dataset.card, said, line, subject=ids.get(dataset.card, ""))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


def _shown(digest: object) -> str:
    algorithm, value = next(iter(digest.items())) if isinstance(digest, dict) else ("", "")
    return f"{algorithm} {value}"
