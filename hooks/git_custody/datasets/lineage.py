"""Lineage: which data a dataset was made of, as `derived_from` in data cards says (W3C PROV-O: `wasDerivedFrom`).

A parent is a dataset of this repository, named by its id, or data elsewhere, named by an address. Cards are read by
object id, each once, and never by recursion: a lineage may be 10 000 deep, or lead back to where it began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core import assets
from .survey import ids_in, ids_of_all_cards, is_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ..core.case import Case
    from ..core.trees import Entry
    from .survey import Dataset


class Parent(NamedTuple):
    """One entry of `derived_from`; what is not the text that the schema asks for counts as not written.

    `place` is its index in the list. `card` is that of the dataset of this repository whose id is named, None when
    there is none. `license` is what the entry itself states of data elsewhere.
    """

    place: int
    relation: str
    id: str | None
    url: str | None
    license: str | None
    digest: Mapping[str, str] | None
    card: str | None


class Stated(NamedTuple):
    """What a card says that concerns the data made of it.

    `digest` is the content that the card records. `derived_from` is as written, an empty group for what is none.
    """

    license: str | None
    digest: Mapping[str, str] | None
    derived_from: tuple[Mapping[str, Any], ...]


def parents(case: Case, dataset: Dataset) -> tuple[Parent, ...]:
    """The data that a dataset was made of, in the order of its card."""
    return parents_in(case, dataset.document.data if dataset.document else None)


def stated_in(data: object) -> Stated:
    """What the fields of a card say of licence and parents."""
    fields = data if isinstance(data, dict) else {}
    listed = fields.get("derived_from")
    # An entry that is no group of fields keeps its place, so that lines can be told.
    entries = tuple(one if isinstance(one, dict) else {} for one in listed) if isinstance(listed, list) else ()
    content = fields.get("content")
    return Stated(_text(fields.get("license")), _digest(content if isinstance(content, dict) else {}), entries)


def parents_in(case: Case, data: object) -> tuple[Parent, ...]:
    """The data that the fields of a card name as what it was made of."""
    return _resolved(case, stated_in(data).derived_from)


def stated(case: Case, cards: Iterable[str], entries: Mapping[str, Entry] | None = None) -> dict[str, Stated]:
    """What cards say, those of the judged state or those among `entries`; nothing for what is no plain file, is absent
    or cannot be read.
    """
    tree = case.after if entries is None else entries
    found = {}
    for card in cards:
        if card in tree and (entry := tree[card]).is_file:
            said = case.once(f"stated {entry.oid}", lambda case, entry=entry: _stated(case, entry))  # type: ignore[misc]
            if said is not None:
                found[card] = said
    return found


def take_up(case: Case, dataset: Dataset) -> None:
    """Keep what a card says that has been parsed for another reason."""
    if dataset.document is not None:
        case.once(
            f"stated {case.after[dataset.card].oid}", lambda _: stated_in(dataset.document and dataset.document.data)
        )


def _stated(case: Case, entry: Entry) -> Stated | None:
    import json

    known = _from_cache(case.verdicts("lineage", [entry.oid]).get(entry.oid))
    raw = case.read_many([entry]).get(entry.oid) if known is None else None
    if known is None and raw is not None:
        known = _read(raw)
        case.remember("lineage", entry.oid, json.dumps(known))
    return known


def _read(raw: bytes) -> Stated:
    from ..core.metadata import parse_yaml

    return stated_in(parse_yaml(raw).data)


def _from_cache(text: str | None) -> Stated | None:
    import json

    if text is None:
        return None
    terms, digest, derived_from = json.loads(text)
    return Stated(terms, digest, tuple(derived_from))


def graph(case: Case, cards: Iterable[str]) -> dict[str, tuple[Parent, ...]]:
    """The parents of cards and of all that they were made of, directly or not: card → parents."""
    found: dict[str, tuple[Parent, ...]] = {}
    wave = sorted(set(cards))
    while wave:
        said = stated(case, wave)
        for card in wave:
            found[card] = _resolved(case, said[card].derived_from) if card in said else ()
        following = {parent.card for card in wave for parent in found[card] if parent.card is not None}
        wave = sorted(following - found.keys())
    return found


def cycles(lineage: Mapping[str, Sequence[Parent]]) -> list[list[str]]:
    """The groups of cards that were made of each other, each sorted (Tarjan's strongly connected components).

    Time and memory grow with the number of cards and parents.
    """
    edges = {card: [p.card for p in made_of if p.card in lineage] for card, made_of in lineage.items()}
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    open_cards: list[str] = []
    is_open: set[str] = set()
    found = []
    for root in edges:
        if root in number:
            continue
        path: list[tuple[str, Iterator[str | None]]] = [(root, iter(edges[root]))]
        number[root] = low[root] = len(number)
        open_cards.append(root)
        is_open.add(root)
        while path:
            card, rest = path[-1]
            parent = next(rest, None)
            if parent is None:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[card])
                if low[card] == number[card]:
                    group = _taken_from(open_cards, card)
                    is_open.difference_update(group)
                    if len(group) > 1 or card in edges[card]:
                        found.append(sorted(group))
            elif parent not in number:
                number[parent] = low[parent] = len(number)
                open_cards.append(parent)
                is_open.add(parent)
                path.append((parent, iter(edges[parent])))
            elif parent in is_open:
                low[card] = min(low[card], number[parent])
    return sorted(found)


def _taken_from(cards: list[str], first: str) -> list[str]:
    taken = [cards.pop()]
    while taken[-1] != first:
        taken.append(cards.pop())
    return taken


def made_of(case: Case, ids: Iterable[str]) -> tuple[str, ...]:
    """The cards of the judged state that name one of these datasets as a parent, sorted.

    This reads every card there is: only for changes that take a dataset away or change what holds for its children.
    """
    wanted = {dataset_id.encode() for dataset_id in ids}
    if not wanted:
        return ()
    cards = [card for card in ids_of_all_cards(case) if case.after[card].is_file]
    raw = case.read_many(case.after[card] for card in cards)
    hits = [card for card in cards if _may_name(raw.get(case.after[card].oid, b""), wanted)]
    said = stated(case, hits)
    names = {card: {str(one.get("id")).encode() for one in said[card].derived_from} for card in hits if card in said}
    return tuple(sorted(card for card, found in names.items() if found & wanted))


def _may_name(raw: bytes, ids: Iterable[bytes]) -> bool:
    # A key or an id can be written with escapes, in double quotes.
    return b"\\" in raw or (b"derived_from" in raw and any(dataset_id in raw for dataset_id in ids))


def card_of(case: Case, dataset_id: str) -> str | None:
    """The card of the dataset with this id; should several claim it, which is a finding of its own, the first."""
    return case.once("cards by id", _cards_by_id).get(dataset_id)


def _cards_by_id(case: Case) -> dict[str, str]:
    found: dict[str, str] = {}
    for card, dataset_id in sorted(ids_of_all_cards(case).items()):
        found.setdefault(dataset_id, card)
    return found


def card_before(case: Case, dataset_id: str) -> str | None:
    """The card that had an id before the change, where that is one that the change touches."""
    return case.once("changed cards by former id", _changed_cards_by_id).get(dataset_id)


def _changed_cards_by_id(case: Case) -> dict[str, str]:
    found: dict[str, str] = {}
    for path, change in sorted(case.changed.items()):
        name = assets.card_name(path) if path.endswith("datacard.yaml") else None
        if name is not None and name.kind == "data" and change.before is not None and change.before.is_file:
            for dataset_id in ids_in(case.read_many([change.before]).get(change.before.oid, b"")):
                found.setdefault(dataset_id, path)
    return found


def logged_contents(case: Case, dataset_id: str) -> tuple[Mapping[str, str], ...]:
    """Every content that the audit log of a dataset speaks of; nothing without a log of entries that can be read."""
    return case.once(f"logged contents {dataset_id}", lambda its: _logged_contents(its, dataset_id))


def _logged_contents(case: Case, dataset_id: str) -> tuple[Mapping[str, str], ...]:
    from .audit_log import read_log

    files = case.after.files_below(f"{assets.AUDIT}{dataset_id}/") if is_id(dataset_id) else {}
    raw = case.read_many(files.values())
    log = read_log(dataset_id, {name: raw.get(entry.oid) for name, entry in files.items()})
    entries = (*log.entries.values(), *log.reformatted.values())
    contents = {digest for entry in entries for digest in (*entry.before, entry.after) if digest}
    return tuple({algorithm: value} for algorithm, value in sorted(contents))


def _resolved(case: Case, entries: Sequence[Mapping[str, Any]]) -> tuple[Parent, ...]:
    return tuple(_parent(case, place, entry) for place, entry in enumerate(entries))


def _parent(case: Case, place: int, entry: Mapping[str, Any]) -> Parent:
    dataset_id = _text(entry.get("id"))
    return Parent(
        place,
        _text(entry.get("relation")) or "",
        dataset_id,
        _text(entry.get("url")),
        _text(entry.get("license")),
        _digest(entry),
        card_of(case, dataset_id) if dataset_id else None,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _digest(fields: Mapping[str, Any]) -> Mapping[str, str] | None:
    found = fields.get("digest")
    return found if isinstance(found, dict) and len(found) == 1 else None
