"""The rule about data that the repository's own code loads: each has a card, or is reported."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any

from ..core import assets
from ..core.findings import CUSTODY, Finding, RepoPath, Rule, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..core.case import Case, Said
    from ..core.findings import Command
    from ..core.trees import Entry
    from .data_loads import Load

UNDOCUMENTED = Rule(
    "undocumented-data-load", ("2.5",), 3,
    "Code loads data that no card speaks of.",
    "Data that are fetched when the code runs train a model as much as those in the repository, and nobody can tell "
    "later what they were.",
    "Fetch the data, or the pointer to them (DVC, Git LFS, a file with the revision that is loaded), into a folder of "
    "the repository, and `git custody add` it with the address as its source. docs/sources.md shows how.",
    "Only literal arguments of known functions of pandas, polars, Hugging Face datasets, NumPy and the like, in Python "
    "files and notebooks that can be parsed; names, f-strings and paths that are not tracked are left alone, as are "
    "folders of tests, docs and examples. A load that was there before the change is reported with --all.",
)  # fmt: skip
RULES = (UNDOCUMENTED,)

_CODE = (".py", ".ipynb")
_NOT_OURS = (
    *assets.PASSED_FOLDERS,
    "vendor",
    "vendored",
    "third_party",
    "third-party",
    "site-packages",
    "node_modules",
)
# Packages of a library's name in the repository itself take its place.
_SHADOWS = ("datasets", "pandas", "polars", "numpy", "kagglehub")
_AT_ONCE = 20
_DATA_SUFFIXES = (*assets.DATA_SUFFIXES, ".json", ".npy", ".npz", ".h5", ".hdf5", ".tfrecords")


def check(case: Case) -> Iterator[Said]:
    """Report the loads of data in code that the change adds, or in all code when everything is judged."""
    if case.policy.level < UNDOCUMENTED.level:
        return  # reading code costs time, and nothing could come of it
    code = {path: entry for path, entry in _code(case) if entry.is_file}
    if not code:
        return
    found = _loads(case, code)
    before = {} if case.is_whole else _known_before(case)
    for path in sorted(found):
        for load in found[path]:
            known = before.get(path if path in before else None, ())
            if (load.kind, load.name) not in known:
                yield from _judge(case, path, load)


def _code(case: Case) -> Iterator[tuple[str, Entry]]:
    if case.is_whole:
        yield from ((path, entry) for path, entry in case.after.items() if _is_code(path))
        return
    for path, change in case.changed.items():
        if change.after is not None and _is_code(path):
            yield path, change.after


def _is_code(path: str) -> bool:
    if not path.endswith(_CODE):
        return False
    *folders, name = path.split("/")
    if any(folder in _NOT_OURS or folder.startswith(".") for folder in folders):
        return False
    return not (name.startswith("test_") or name.endswith("_test.py") or name == "conftest.py")


def _known_before(case: Case) -> dict[str | None, set[tuple[str, str]]]:
    """What the files that the change edits loaded before it, by path; under None, what those did that it takes away:
    code that was moved is not new.
    """
    old = {path: change.before for path, change in case.changed.items() if change.before and _is_code(path)}
    before: dict[str | None, set[tuple[str, str]]] = {None: set()}
    for path, found in _loads(case, {path: entry for path, entry in old.items() if entry.is_file}).items():
        place = path if case.changed[path].after is not None else None
        before.setdefault(place, set()).update((load.kind, load.name) for load in found)
    return before


def _loads(case: Case, code: Mapping[str, Entry]) -> dict[str, tuple[Load, ...]]:
    """The loads in files, by path; those of an object that was seen before are remembered."""
    import json

    from .data_loads import LARGEST, loads

    kinds = {path: "notebook-loads" if path.endswith(".ipynb") else "python-loads" for path in code}
    found: dict[str, tuple[Load, ...]] = {}
    for kind in ("python-loads", "notebook-loads"):
        mine = {path: entry for path, entry in code.items() if kinds[path] == kind}
        known = case.verdicts(kind, [entry.oid for entry in mine.values()])
        for path, entry in mine.items():
            if (one := _from_cache(known.get(entry.oid))) is not None:
                found[path] = one
        rest = {path: entry for path, entry in mine.items() if path not in found}
        for some in _batches(sorted(rest)):
            raw = case.read_many(rest[path] for path in some)
            for path in some:
                text = raw.get(rest[path].oid)
                if text is not None and len(text) < LARGEST:  # what is as long as that was cut
                    found[path] = loads(text, is_notebook=kind == "notebook-loads")
                    case.remember(kind, rest[path].oid, json.dumps(found[path]))
    return found


def _batches(paths: list[str]) -> Iterator[list[str]]:
    """The paths in groups whose files fit into memory together."""
    return (paths[start : start + _AT_ONCE] for start in range(0, len(paths), _AT_ONCE))


def _from_cache(text: str | None) -> tuple[Load, ...] | None:
    import json

    from .data_loads import Load

    return None if text is None else tuple(Load(*one) for one in json.loads(text))


# ---------------------------------------------------------------------- one load


def _judge(case: Case, path: str, load: Load) -> Iterator[Finding]:
    if _is_shadowed(case, path, load):
        return
    own = _tracked(case, path, load.name) if load.kind in ("path", "hub") else None
    unless: tuple[tuple[str, str], ...] = ()
    if own is not None:
        if not _lacks_card(case, own):
            return
        what, unless, fix = f"the file {own}", (("missing-data-card", own),), _add(case, load, RepoPath(own))
    elif _is_unclear(case, load) or _has_card(case, load):
        return
    else:
        what, fix = f'"{load.name}"', _add(case, load, Slot("DATA_OR_POINTER"))
    yield Finding(
        UNDOCUMENTED, path, f"{load.call} loads {what}, and no data card speaks of it",
        None if load.cell else load.line, f"cell {load.cell}, line {load.line}" if load.cell else None,
        fix=(fix,), subject=f"{load.kind} {load.name}", unless=unless,
    )  # fmt: skip


def _add(case: Case, load: Load, path: RepoPath | Slot) -> Command:
    from .catalogues import home_of, is_remote

    home = home_of(load.kind, load.name)
    address: str | Slot = home if isinstance(path, Slot) and is_remote(home) else Slot("URL")
    words: list[str | Slot | RepoPath] = [CUSTODY, "add", "--title", Slot("TITLE"), "--source-url", address]
    if case.policy.default_publisher is None:
        words += ["--publisher", Slot("PUBLISHER")]
    if case.policy.default_license is None:
        words += ["--license", Slot("SPDX_ID")]
    return (*words, path)


def _is_shadowed(case: Case, path: str, load: Load) -> bool:
    """Whether a module of the repository has the name of the library, so that this may be a function of its own."""
    module = load.call.partition(".")[0]
    if module not in _SHADOWS:
        return False
    folders = {"", "src/", posixpath.dirname(path) + "/"}
    return any(f"{folder}{module}{end}" in case.after for folder in folders for end in (".py", "/__init__.py"))


def _tracked(case: Case, path: str, name: str) -> str | None:
    """The file of the repository that a path in code means, from the root or from the code's own folder."""
    if "://" in name or name.startswith(("/", "~")) or "\\" in name or not name:
        return None
    for start in ("", posixpath.dirname(path)):
        place = posixpath.normpath(posixpath.join(start, name))
        if place in case.after:
            return place
    return None


def _lacks_card(case: Case, path: str) -> bool:
    if assets.cards_over(path, case.after) or not case.after[path].is_file:
        return False
    kind = assets.classify(path, case.policy.datasets, case.policy.models)
    if kind == "large dataset":
        entry = case.after[path]
        return case.sizes([entry]).get(entry.oid, 0) >= assets.SIZE_FLOOR
    return kind == "dataset"


def _is_unclear(case: Case, load: Load) -> bool:
    """Whether nobody can tell what a name means: a path that is not tracked, or a folder that may be one."""
    if load.kind == "hub":
        return _may_be_folder(case, load.name)
    return load.kind == "path" and not _is_data_at(load)


def _is_data_at(load: Load) -> bool:
    """Whether a path is an address, and of data: `urlretrieve` fetches anything."""
    from .catalogues import is_remote

    if not is_remote(load.name) or load.call == "open":
        return False
    bare = load.name.partition("?")[0].lower()
    for suffix in assets.COMPRESSIONS:
        bare = bare.removesuffix(suffix.lower())
    return load.call != "urllib.request.urlretrieve" or bare.endswith(_DATA_SUFFIXES)


def _may_be_folder(case: Case, name: str) -> bool:
    """Whether what could be an id of the Hub may as well be a folder beside the code."""
    first = name.partition("/")[0]
    if "/" in name and f"{first}/" in assets.DATA_FOLDERS:
        return True
    return bool(assets.files_under(name, case.after)) or ("/" in name and bool(assets.files_under(first, case.after)))


def _has_card(case: Case, load: Load) -> bool:
    """Whether a card names what is loaded: by an address of its source or a parent, or as its id."""
    from .catalogues import covers, names_of_load

    names = names_of_load(load.kind, load.name)
    if not names:
        return True  # an address that cannot be read: not ours to guess
    needles = {_needle(name) for name in names}
    bare = load.name.split(":")[0].rpartition("/")[2].lower().encode()
    for entry, raw in case.once("texts of all cards", _texts).items():
        if bare not in raw and not any(needle in raw for needle in needles):
            continue
        document = case.document(entry, "data-card")
        data = document.data if document is not None else None
        if isinstance(data, dict) and (covers(_stated(data), names) or _calls(data, load)):
            return True
    return False


def _needle(name: str) -> bytes:
    """A text that a card must hold to name this: the last part of an id, the host of an address."""
    rest = name.partition("://")[2].partition("/")[0] if "://" in name else re.split(r"[:/]", name)[-1]
    return rest.lower().encode()


def _texts(case: Case) -> dict[Entry, bytes]:
    from .survey import ids_of_all_cards

    entries = [case.after[card] for card in ids_of_all_cards(case) if case.after[card].is_file]
    raw = case.read_many(entries)
    return {entry: raw[entry.oid].lower() for entry in entries if entry.oid in raw}


def _stated(data: Mapping[str, Any]) -> frozenset[str]:
    from .catalogues import names_of

    source, parents = data.get("source"), data.get("derived_from")
    groups = [source, *(parents if isinstance(parents, list) else [])]
    addresses = [group.get("url") for group in groups if isinstance(group, dict)]
    return frozenset(name for address in addresses if isinstance(address, str) for name in names_of(address))


def _calls(data: Mapping[str, Any], load: Load) -> bool:
    """Whether a card has the name of a catalogue's dataset as its id, or in its title beside OpenML's address."""
    if load.kind == "path":
        return False
    name = load.name.partition(":")[0].lower()
    forms = (name, name.rpartition("/")[2], name.partition("/")[0] if load.kind == "tfds" else name)
    slugs = {re.sub(r"[^a-z0-9]+", "-", form).strip("-") for form in forms}
    if data.get("id") in slugs - {"", "data", "dataset"}:
        return True
    source = data.get("source")
    address = source.get("url") if isinstance(source, dict) else None
    is_there = isinstance(address, str) and load.kind == "openml" and "openml.org/" in address.lower()
    return is_there and name in str(data.get("title")).lower()
