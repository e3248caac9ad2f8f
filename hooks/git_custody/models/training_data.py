"""Which data cards the data of a model mean, by their ids or their names on the Hugging Face Hub, and their terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core import assets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..core.case import Case
    from ..core.trees import Change, Entry


def licenses_of(case: Case, name: str) -> tuple[str | None, ...]:
    """The licences of the data cards that a name of the Hugging Face Hub means: by their id, or by their source."""
    from ..datasets import lineage

    card = lineage.card_of(case, name)
    if card is not None:
        said = lineage.stated(case, [card]).get(card)
        return (said.license if said else None,)
    found = case.once("licences by name on the Hub", _licenses_on_hub)
    known = {terms for form in hub_names(name) for terms in found.get(form, ())}
    return tuple(sorted(known, key=lambda terms: terms or ""))


def changed_cards(case: Case) -> list[Change]:
    """The data cards that the change touches; none where everything is judged anyway."""
    return [] if case.is_whole else [
        change for path, change in case.changed.items()
        if (name := assets.card_name(path)) is not None and name.kind == "data"
    ]  # fmt: skip


def restated(case: Case, changes: Sequence[Change]) -> frozenset[str]:
    """The ids, and names on the Hub, of datasets to which cards give another licence, or their first or last."""
    before = _terms(case, [change.before for change in changes])
    after = _terms(case, [change.after for change in changes])
    return frozenset(name for name in {*before, *after} if before.get(name) != after.get(name))


def _terms(case: Case, entries: Iterable[Entry | None]) -> dict[str, set[str | None]]:
    found: dict[str, set[str | None]] = {}
    for entry in {entry for entry in entries if entry is not None and entry.is_file}:
        document = case.document(entry, "data-card")
        for name, terms in _named(document.data if document is not None else None):
            found.setdefault(name, set()).add(terms)
    return found


def hub_names(name: str) -> Iterator[str]:
    """The keys of a name of the Hub: older ones lack the organisation, and mean any dataset of that name."""
    from ..datasets.catalogues import names_of, names_of_load

    for form in names_of(name) if "://" in name else names_of_load("hub", name):
        if form.startswith("hf:"):
            yield form
            owner, slash, last = form.removeprefix("hf:").rpartition("/")
            yield f"hf:?/{last}" if slash else f"hf:*/{last or owner}"


def _named(data: object) -> Iterator[tuple[str, str | None]]:
    """The names under which a data card may be meant, with its licence: its id, and keys of its source on the Hub."""
    from ..datasets.lineage import stated_in

    fields = data if isinstance(data, dict) else {}
    terms, source = stated_in(fields).license, fields.get("source")
    if isinstance(fields.get("id"), str):
        yield fields["id"], terms
    url = source.get("url") if isinstance(source, dict) else None
    if not isinstance(url, str):
        return
    from ..datasets.catalogues import names_of

    for form in names_of(url):
        if form.startswith("hf:"):
            last = form.removeprefix("hf:").rpartition("/")[2]
            yield form, terms
            yield (f"hf:*/{last}" if "/" in form else f"hf:?/{last}"), terms


def _licenses_on_hub(case: Case) -> dict[str, set[str | None]]:
    from ..datasets.survey import ids_of_all_cards

    entries = {case.after[card] for card in ids_of_all_cards(case) if case.after[card].is_file}
    raw = case.read_many(entries)
    found: dict[str, set[str | None]] = {}
    for entry in entries:
        text = raw.get(entry.oid, b"").lower()
        if b"huggingface" in text or b"hf" in text or b"\\" in text:
            document = case.document(entry, "data-card")
            for name, terms in _named(document.data if document is not None else None):
                if name.startswith("hf:"):
                    found.setdefault(name, set()).add(terms)
    return found
