"""Which datasets are in question in a case, and the cards that speak of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ..core import assets
from ..core.digests import dir_hash
from ..core.findings import absent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..core.assets import CardName
    from ..core.case import Case
    from ..core.digests import Digest
    from ..core.metadata import Document
    from ..core.stores import Kept
    from ..core.trees import Entry
    from .weak_names import Measured

_ID = rb"""(?m)^["']?id["']?[ \t]*:[ \t]*["']?([a-z0-9-]{2,40})["']?[ \t]*(?:#.*)?\r?$"""


class Dataset(NamedTuple):
    """A card and what it speaks of.

    `path` is the asset's: the file, or the folder. `files` are the tracked files behind it, by full path;
    none for an orphan. `document` is None when the card is not a plain file that git has here.
    """

    card: str
    path: str
    is_folder: bool
    document: Document | None
    files: Mapping[str, Entry]

    @property
    def id(self) -> str | None:
        """The dataset id that the card states, when it states a valid one."""
        data = self.document.data if self.document else None
        found = data.get("id") if isinstance(data, dict) else None
        return found if isinstance(found, str) and is_id(found) else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its files, or of its folder, bare and as paths: none of them is a title."""
        paths = (self.path,) if self.is_folder else tuple(self.files)
        return (*(path.rpartition("/")[2] for path in paths), *paths)

    @property
    def shown_path(self) -> str:
        """The path for findings: that of the asset, of the card for the root folder."""
        return self.path or self.card


class Survey(NamedTuple):
    """What is in question: cards that have to fit, files without a card, cards that are not spelled as they
    must be. `touched` are the paths of datasets that the change itself adds, edits, moves or re-describes.
    """

    datasets: tuple[Dataset, ...]
    undocumented: tuple[str, ...]
    misnamed: tuple[tuple[str, CardName], ...]


def is_id(text: str) -> bool:
    """Whether a text is a dataset id: 2 to 40 characters from a-z, 0-9 and -."""
    return 2 <= len(text) <= 40 and all(c in "abcdefghijklmnopqrstuvwxyz0123456789-" for c in text)


def survey(case: Case) -> Survey:
    """The datasets that the change concerns, or all of them when the whole index is judged."""
    return case.once("survey", _survey)


def _survey(case: Case) -> Survey:
    if not case.touches_assets:
        return Survey((), (), ())
    cards: dict[str, None] = {}
    files: dict[str, None] = {}
    misnamed: list[tuple[str, CardName]] = []
    for path in case.after if case.is_whole else case.changed:
        name = assets.card_name(path)
        if name is None:
            if path.endswith("dvc.lock"):
                cards.update(dict.fromkeys(_cards_of_outputs(case, path)))
            if not assets.is_paperwork(path) or assets.is_stray(path, case.after):
                cards.update(dict.fromkeys(assets.cards_over(path, case.after)))
                files[path] = None
        elif name.kind == "data":
            if path not in case.after:
                files.update(dict.fromkeys(spoken_of(name, case.after)))
            elif name.well_named:
                cards[path] = None
            else:
                misnamed.append((path, name))
    return Survey(
        tuple(dataset(case, card) for card in sorted(cards)),
        tuple(_undocumented(case, sorted(path for path in files if path in case.after))),
        tuple(sorted(misnamed)),
    )


def _cards_of_outputs(case: Case, lock: str) -> Iterator[str]:
    """The cards of what a pipeline makes, or made before the change."""
    from .weak_names import is_lock, outputs

    change = case.changed.get(lock)
    states = {case.after.get(lock), change.before if change is not None else None} - {None}
    for entry in states if is_lock(lock) else ():
        for path in outputs(case, lock, entry) if entry is not None else ():
            if assets.sidecar(path) in case.after:
                yield assets.sidecar(path)


def is_dataset(case: Case, path: str) -> bool:
    """Whether a card speaks of a path, or should."""
    kind = assets.classify(path, case.policy.datasets, case.policy.models)
    return bool(assets.cards_over(path, case.after)) or kind == "dataset"


def moved(case: Case, found: Survey) -> dict[str, str]:
    """The cards in question whose file is gone, and where a file without a card now has its content."""
    gone = [d for d in found.datasets if not d.files and not d.is_folder]
    if not gone or not found.undocumented:
        return {}
    places = {case.after[path]: path for path in found.undocumented}
    there = {d.card: places[case.before[d.path]] for d in gone if case.before.get(d.path) in places}
    rest = [d for d in gone if d.card not in there]
    if not rest:
        return there
    from .moved_by_name import moved_by_name

    return there | moved_by_name(case, rest, set(found.undocumented) - set(there.values()))


def renamed(case: Case, found: Dataset) -> str | None:
    """Where the change has put the one file of a card; None where that is not clear."""
    before = case.before.get(found.path) if not found.is_folder else None
    new = [change for change in case.changed.values() if change.before is None and change.after is not None]
    places = [change.path for change in new if before is not None and change.after == before]
    fits = len(places) == 1 and assets.sidecar(places[0]) not in case.after
    return places[0] if fits else None


def is_ambiguous(path: str) -> bool:
    """Whether a name cannot be that of a dataset: lines of a directory digest could not tell it from another."""
    return "\n" in path or "\\" in path


def together(case: Case, found: Survey) -> dict[str, str]:
    """The files without a card that could be documented as one dataset: path → the outermost folder that directly
    holds several of them, and no card at or below it.
    """
    if len(found.undocumented) < 2:
        return {}
    held: dict[str, int] = {}
    for path in found.undocumented:
        folder = path.rpartition("/")[0]
        held[folder] = held.get(folder, 0) + 1
    several = {folder for folder, number in held.items() if folder and number > 1}
    unfit = [path for path in found.undocumented if is_ambiguous(path) or not case.holds_content(path)]
    if several:
        unfit += moved(case, found).values()
        below = (path for folder in several for path in case.after.below(f"{folder}/"))
        unfit += (path for path in below if path.endswith("datacard.yaml"))
    for path in unfit:
        several.difference_update(_above(path))
    chosen = {path: next((folder for folder in _above(path) if folder in several), None) for path in found.undocumented}
    return {path: folder for path, folder in chosen.items() if folder is not None}


def _above(path: str) -> list[str]:
    """The folders above a path, the outermost first."""
    return [path[:end] for end, character in enumerate(path) if character == "/"]


def misnamed_card(found: Survey, path: str) -> str | None:
    """The card that would speak of a file, were it spelled as it must be."""
    for card, name in found.misnamed:
        if path == name.subject or (name.is_folder and path.startswith(name.subject + "/")):
            return card
    return None


def spoken_of(name: CardName, entries: Mapping[str, Entry]) -> Iterator[str]:
    """The paths among `entries` that a card of this name speaks of."""
    if name.is_folder:
        yield from assets.files_under(name.subject, entries)
    else:
        yield from (path for path in (name.subject, name.subject + ".dvc") if path in entries)


def is_there(case: Case, name: CardName) -> bool:
    """Whether what a card of this name speaks of is in the judged state."""
    from .weak_names import locked

    there = any(True for _ in spoken_of(name, case.after))
    return there or (not name.is_folder and locked(case, name.subject) is not None)


def _undocumented(case: Case, paths: list[str]) -> Iterator[str]:
    large: list[str] = []
    for path in paths:
        # A model card excuses nothing here: it would be a way to leave the data card out.
        if assets.cards_over(path, case.after):
            continue
        kind = assets.classify(path, case.policy.datasets, case.policy.models)
        if kind == "dataset":
            yield path
        elif kind == "large dataset":
            large.append(path)
    if large:
        sizes = case.sizes(case.after[path] for path in large)
        # An object that is not here has no size that could excuse it.
        yield from (p for p in large if sizes.get(case.after[p].oid, assets.SIZE_FLOOR) >= assets.SIZE_FLOOR)


def removed_card(case: Case, path: str) -> str | None:
    """The card that spoke of a path until the change took it away, where HEAD still has it; None in a range."""
    if case.in_range:
        return None
    cards = (assets.sidecar(path), *assets.folder_cards(path))
    gone = (card for card in cards if card in case.changed and case.changed[card].after is None)
    return next((card for card in gone if card in case.before and case.before[card].is_file), None)


def left_bare(case: Case, path: str) -> str | None:
    """The file that lies where a dataset was, or one below it that counts as data, if no card speaks of it and the
    policy does not exclude it: the dataset is still there.
    """
    policy = case.policy
    if path in case.after:
        here = [] if policy.datasets.excluded(path) else [path]
    else:
        below = assets.files_under("" if path == "." else path, case.after)
        here = [file for file in below if "dataset" in (assets.classify(file, policy.datasets, policy.models) or "")]
    return next((file for file in here if not assets.cards_over(file, case.after)), None)


def dataset(case: Case, card: str) -> Dataset:
    """The dataset that a card in the judged state speaks of."""
    name = assets.card_name(card)
    assert name is not None
    entry = case.after[card]
    document = case.document(entry, "data-card") if entry.is_file else None
    if name.is_folder:
        return Dataset(card, name.subject, True, document, assets.files_under(name.subject, case.after))
    files = {path: case.after[path] for path in spoken_of(name, case.after)}
    if not files:
        from .weak_names import locked

        lock = locked(case, name.subject)
        if lock is not None:
            return Dataset(card, name.subject, False, document, {lock: case.after[lock]})
    return Dataset(card, next(iter(files), name.subject), False, document, files)


def ids_of_all_cards(case: Case) -> dict[str, str]:
    """The dataset id of every data card in the judged state: card → id.

    Read off the text where that is plain, through the parser where it is not: a repository may have
    thousands of cards, and only the ids are of interest.
    """
    return case.once("ids of all cards", _ids_of_all_cards)


def ids_in(raw: bytes) -> list[str]:
    """The dataset ids that a card states: one, unless it is not valid."""
    found = list(re.finditer(_ID, raw))
    # Within quotes or brackets a line at the margin is no field, though it looks like one.
    if len(found) != 1 or re.search(rb"""["'{\[|>]""", raw[: found[0].start()]):
        from ..core.metadata import parse_yaml

        data = parse_yaml(raw).data
        if isinstance(data, dict):
            stated = data.get("id")
            return [stated] if isinstance(stated, str) and is_id(stated) else []
    return [line[1].decode("ascii") for line in found]


def _ids_of_all_cards(case: Case) -> dict[str, str]:
    named = (p for p in case.after.ending("datacard.yaml") if f"/{p}".endswith(("/datacard.yaml", ".datacard.yaml")))
    cards = {path: entry for path in named if (entry := case.after[path]).is_file}
    known = case.verdicts_of_all("dataset-id", [entry.oid for entry in cards.values()])
    raw = case.read_many(entry for entry in cards.values() if entry.oid not in known)
    ids = {}
    for path, entry in cards.items():
        if entry.oid in known:
            ids[path] = known[entry.oid]
        elif len(found := ids_in(raw.get(entry.oid, b""))) == 1:
            ids[path] = found[0]
            case.remember("dataset-id", entry.oid, found[0])
        elif (document := case.document(entry, "data-card")) and isinstance(document.data, dict):
            ids[path] = str(document.data.get("id"))
    return ids


def digest(case: Case, found: Dataset) -> Digest | None:
    """The content digest of a dataset as it is in the judged state; None when it has no files.

    Raises `CannotJudge` when git does not have an object that is needed.
    """
    if not found.files:
        return None
    if (named := _bound(case, found)) is not None:
        return named.digest
    plain = {path: entry for path, entry in found.files.items() if entry.mode != 0o160000}
    known = case.sha256(plain.values())
    missing = {entry.oid: path for path, entry in plain.items() if known[entry.oid] is None}
    if missing:
        raise absent(next(iter(missing.values())), *missing)
    if not found.is_folder:
        entry = next(iter(found.files.values()))
        sha256 = known.get(entry.oid)
        return {"sha256": sha256} if sha256 else None
    start = len(found.path) + 1 if found.path else 0
    return {"dirHash": dir_hash({path[start:]: known[entry.oid] or "" for path, entry in plain.items()})}


def _bound(case: Case, found: Dataset) -> Measured | None:
    """What the card records of a content that git names by the same MD5 as the card."""
    from . import weak_names

    name = _weak_name(case, found) if weak_names.recorded_md5(found.document) is not None else None
    return None if name is None else weak_names.bound(found.document, name)


def _weak_name(case: Case, found: Dataset) -> Kept | None:
    """The MD5 by which git names a dataset that is one file; None for everything else."""
    from . import weak_names

    if found.is_folder or len(found.files) != 1:
        return None
    ((path, entry),) = found.files.items()
    if not (path.endswith(".dvc") or weak_names.is_lock(path) or case.pointers([entry])):
        return None
    return weak_names.name_of(case, path, entry, found.path)


def other_md5(case: Case, found: Dataset) -> tuple[str, str] | None:
    """The MD5 by which git names a content, and the one in its card, where the two differ."""
    from . import weak_names

    recorded = weak_names.recorded_md5(found.document)
    name = _weak_name(case, found) if recorded is not None else None
    if name is None or recorded is None or weak_names.md5_of(name) == recorded:
        return None
    return weak_names.md5_of(name), recorded


def other_content(case: Case, found: Dataset) -> Digest | None:
    """The digest of a content that git names by an MD5, where it is here and is not the one that its card records."""
    from . import weak_names

    recorded = _bound(case, found)
    name = _weak_name(case, found) if recorded is not None else None
    here = weak_names.remembered(case, name) if name is not None else None
    return here.digest if here is not None and recorded is not None and here.digest != recorded.digest else None


def measured(case: Case, found: Dataset) -> Measured | None:
    """What a card should record of a dataset; None when it has no files.

    Of what git only names by an MD5, that is the content where it is here, else what the card has recorded before of
    the same MD5, else the file that names it. Raises `CannotJudge` when git does not have an object that is needed.
    """
    return case.once(f"measured {found.card}", lambda its: _measured(its, found))


def _measured(case: Case, found: Dataset) -> Measured | None:
    from . import weak_names

    if (name := _weak_name(case, found)) is not None:
        here = weak_names.present(case, name) or weak_names.bound(found.document, name)
        if here is not None:
            return here
    plain = digest(case, found._replace(document=None))
    if plain is None:
        return None
    files = count(case, found) if found.is_folder else None
    return weak_names.Measured(plain, size(case, found._replace(document=None)), files=files)


def size(case: Case, found: Dataset) -> int | None:
    """The bytes of a dataset's content; None where nobody says, as a key of git-annex may not."""
    if (named := _bound(case, found)) is not None:
        return named.bytes
    plain = [entry for entry in found.files.values() if entry.mode != 0o160000]
    sizes = case.sizes(plain)
    known = [sizes[entry.oid] for entry in plain if entry.oid in sizes]
    return sum(known) if len(known) == len(plain) else None


def count(case: Case, found: Dataset) -> int | None:
    """The number of files in a dataset; None where git only names the content."""
    if found.is_folder:
        return sum(entry.mode != 0o160000 for entry in found.files.values())
    return 1 if _weak_name(case, found) is None else None
