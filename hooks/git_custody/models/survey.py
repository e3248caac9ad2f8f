"""Which model cards are in question in a case, and what they say.

Found by their names: `<file>.modelcard.yaml`, `modelcard.yaml`, and a README.md with model files in its folder or below
it. Our cards win over a README.md where both speak.
"""

from __future__ import annotations

from posixpath import join, normpath
from typing import TYPE_CHECKING

from ..core import assets
from ..core.findings import ABSENT
from ..core.trees import SYMLINK
from .training_data import changed_cards, hub_names, restated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..core.case import Case
    from ..core.trees import Entry
    from .cards import Fault, Statement

README = "README.md"
_AT_ONCE = 20


def in_question(case: Case) -> list[str]:
    """The model cards that the change concerns, or all of them when everything is judged: cards of ours first."""
    cards, readmes = (_all_cards(case), _all_readmes(case)) if case.is_whole else _concerned(case)
    if (changes := changed_cards(case)) and (relicensed := restated(case, changes)):
        cards |= _naming(case, _all_cards(case), relicensed)
        readmes |= _naming(case, _all_readmes(case), relicensed)
    _take_up(case, cards | readmes)
    return [*sorted(cards), *(path for path in sorted(readmes) if _is_card_of_model(case, path))]


def statement(case: Case, path: str) -> Statement | Fault | None:
    """What a file says of a model; None where it says nothing, or is not there."""
    _take_up(case, [path])
    return _taken_up(case)[path]


def with_license(case: Case, path: str, found: Statement) -> Statement:
    """A statement with the licence of the model: for a card without one that of the README.md beside it, for a
    README.md that of the cards over it.
    """
    from .cards import Statement

    folder = path.rpartition("/")[0]
    others = [join(folder, README)] if _is_card(path) else []
    if not _is_card(path):
        own = _models_in(case, folder)
        others = [assets.sidecar(own[0], "model")] if len(own) == 1 else []
        others += assets.folder_cards(join(folder, README), "model")
    elif found.license is not None:
        return found
    for other in others:
        said = statement(case, other)
        if isinstance(said, Statement) and said.written is not None:
            return found._replace(license=said.license, written=said.written)
    return found


# ---------------------------------------------------------------------- in question


def _concerned(case: Case) -> tuple[set[str], set[str]]:
    """The cards and README.md files of the judged state that the change itself touches, or gives another part."""
    cards: set[str] = set()
    readmes: set[str] = set()
    folders: set[str] = set()
    for path, change in case.changed.items():
        if _is_readme(path):
            if _has_fence(case, [change.before, change.after]):
                readmes.add(path)
                cards.update(_cards_in(case, path.rpartition("/")[0]))
        elif _is_card(path):
            cards.add(path)
            folders.add(path.rpartition("/")[0])
        elif (change.before is None or change.after is None) and _is_model(case, path):
            above = assets.folder_cards(path, "model")
            readmes.update(card.removesuffix("modelcard.yaml") + README for card in above)
    for folder in folders:
        # What a card no longer says, a README.md may.
        readmes.update(filter(_is_readme, case.after.below(f"{folder}/" if folder else "")))
    return {path for path in cards if path in case.after}, {path for path in readmes if path in case.after}


def _has_fence(case: Case, states: Iterable[Entry | None]) -> bool:
    from ..datasets.metadata.loading import has_fence

    return any(
        entry.mode == SYMLINK or has_fence(raw) or raw.startswith(b"version ")
        for entry in states if entry is not None for raw in [case.read_many([entry]).get(entry.oid, b"---")]
    )  # fmt: skip


def _all_cards(case: Case) -> set[str]:
    # Those that are not spelled as they must be are only said when they come.
    return set(filter(_is_card, case.after if case.is_whole else case.after.ending("modelcard.yaml")))


def _all_readmes(case: Case) -> set[str]:
    return set(filter(_is_readme, case.after.ending(README)))


def _cards_in(case: Case, folder: str) -> Iterator[str]:
    paths = case.after.below(f"{folder}/" if folder else "")
    return (path for path in paths if path.rpartition("/")[0] == folder and _is_card(path))


def _naming(case: Case, paths: Iterable[str], names: frozenset[str]) -> set[str]:
    """The cards among `paths` that name one of these datasets."""
    import json

    from .cards import Fault

    entries = {path: case.after[path] for path in paths}
    known = case.verdicts("data-of-model", [entry.oid for entry in entries.values() if entry.is_file])
    named = {path: json.loads(known[entry.oid]) for path, entry in entries.items() if entry.oid in known}
    _take_up(case, entries.keys() - named.keys())
    for path in sorted(entries.keys() - named.keys()):
        said = _taken_up(case)[path]
        named[path] = sorted(_data_in(said))
        # A link says what another file does, and what is absent may come.
        if entries[path].is_file and not (isinstance(said, Fault) and said.is_absent):
            case.remember("data-of-model", entries[path].oid, json.dumps(named[path]))
    return {path for path in named if not names.isdisjoint(named[path])}


def _data_in(said: Statement | Fault | None) -> set[str]:
    """All names that a model card has for data: ids, and keys of names on the Hub."""
    from .cards import Statement

    if not isinstance(said, Statement):
        return set()
    written = said.names or ()
    ids = {entry["id"] for entry in said.data or () if isinstance(entry.get("id"), str)}
    return {*ids, *written, *(form for name in written for form in hub_names(name))}


# ---------------------------------------------------------------------- what they say


def _taken_up(case: Case) -> dict[str, Statement | Fault | None]:
    return case.once("statements on models", lambda _: {})


def _take_up(case: Case, paths: Iterable[str]) -> None:
    """Read what has not been read before, a few files at a time: a README.md may be long."""
    known = _taken_up(case)
    todo = sorted({path for path in paths if path not in known})
    for start in range(0, len(todo), _AT_ONCE):
        some = todo[start : start + _AT_ONCE]
        there = {path: case.after[path] for path in some if path in case.after}
        raw = case.read_many(there.values())
        for path in some:
            known[path] = _read(case, path, there[path], raw) if path in there else None


def _read(case: Case, path: str, entry: Entry, texts: Mapping[str, bytes]) -> Statement | Fault | None:
    from .cards import Fault, read_card, read_readme

    raw = texts.get(entry.oid)
    if _is_readme(path) and entry.mode == SYMLINK and raw is not None:
        return _read_link(case, path, raw)
    if not entry.is_file:
        kind = "a symlink" if entry.mode == SYMLINK else "a submodule"
        return Fault(f"a model card has to be a plain file, and this is {kind}")
    if raw is None:
        return Fault(ABSENT, is_absent=True)
    return read_readme(path, raw) if _is_readme(path) else read_card(raw)


def _read_link(case: Case, path: str, link: bytes) -> Fault | None:
    """Many a README.md leads elsewhere: a fault where that is the card of a model."""
    from .cards import Fault, Statement, read_readme

    place = normpath(join(path.rpartition("/")[0], link.decode("utf-8", "surrogateescape")))
    entry = case.after.get(place)
    if entry is None or not entry.is_file:
        return None
    raw = case.read_many([entry]).get(entry.oid, b"")
    said = read_readme(place, raw)
    names = said is not None and not (isinstance(said, Statement) and said.names is None)
    return Fault(f"a model card has to be a plain file, and this is a symlink to {place}") if names else None


# ---------------------------------------------------------------------- where they lie


def _is_readme(path: str) -> bool:
    return path.rpartition("/")[2] == README


def _is_card(path: str) -> bool:
    name = assets.card_name(path)
    return name is not None and name.kind == "model"


def _is_model(case: Case, path: str) -> bool:
    return assets.classify(path, case.policy.datasets, case.policy.models) == "model"


def _is_card_of_model(case: Case, path: str) -> bool:
    """Whether a README.md is the card of a model: it says something, lies beside or above model files, and no card of
    ours says what they were trained on.
    """
    from .cards import Statement

    said, folder = statement(case, path), path.rpartition("/")[0]
    if said is None or (isinstance(said, Statement) and said.names is None):
        return False
    if not _models_below(case, folder):
        return False
    own = _models_in(case, folder)
    if own and all(_says_data(case, assets.sidecar(model, "model")) for model in own):
        return False
    return not any(_says_data(case, card) for card in assets.folder_cards(path, "model"))


def _says_data(case: Case, card: str) -> bool:
    from .cards import Statement

    said = statement(case, card)
    return isinstance(said, Statement) and said.data is not None


def _models_in(case: Case, folder: str) -> list[str]:
    """The model files of one folder."""
    return [path for path in _models_below(case, folder) if path.rpartition("/")[0] == folder]


def _models_below(case: Case, folder: str) -> list[str]:
    """The model files in a folder, and in all folders below it."""
    return case.once(f"models below {folder}", lambda case: _find_models(case, f"{folder}/" if folder else ""))


def _find_models(case: Case, prefix: str) -> list[str]:
    # Of the paths of a repository hardly any is a model, and to ask the policy of each takes long.
    ends = (
        ("",)
        if case.policy.models.include
        else tuple(f"{end}{dvc}" for end in assets.MODEL_SUFFIXES for dvc in ("", ".dvc"))
    )
    return [path for path in case.after.below(prefix) if path.lower().endswith(ends) and _is_model(case, path)]
