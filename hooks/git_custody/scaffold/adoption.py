"""Which cards an existing repository gets: as few as can be, and none that covers what is not data."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from ..core import assets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ..core.trees import Entry


class Group(NamedTuple):
    """Files that get one card: a single file, or everything in a folder. `path` has no trailing slash."""

    path: str
    is_folder: bool
    files: tuple[str, ...]

    @property
    def card(self) -> str:
        """Where the card goes."""
        return f"{self.path}/datacard.yaml" if self.is_folder else assets.sidecar(self.path)


def group(undocumented: Sequence[str], entries: Mapping[str, Entry], described: Collection[str] = ()) -> list[Group]:
    """Group datasets without a card: a folder with two or more files of a kind becomes one dataset.

    A folder that also tracks code, models, links or cards does not, because its digest would cover them too.
    Folders that only hold such folders of one kind, like one for each label of images, become one as well,
    but for the data folders themselves. So does each of the `described` folders, and is no part of another.
    """
    wanted = set(undocumented)
    mixed = {folder for path, entry in entries.items() if not _fits(path, entry, wanted) for folder in _above(path)}
    files: dict[str, list[str]] = {"": []}
    folders: dict[str, list[str]] = {"": []}
    for path in undocumented:
        below = path
        for folder in (*_above(path), ""):
            known = folder in files
            (files if below == path else folders).setdefault(folder, []).append(below)
            files.setdefault(folder, [])
            folders.setdefault(folder, [])
            if known:
                break
            below = folder
    found: dict[str, list[Group]] = {}
    # The deepest first, so that what lies below a folder has been decided before it.
    for folder in sorted(files, key=lambda name: name.count("/") + bool(name), reverse=True):
        below_it = [found.pop(name) for name in folders[folder]]
        found[folder] = _decide(folder, files[folder], below_it, mixed, described)
    return sorted(found[""])


def _decide(
    folder: str, files: Sequence[str], below: Sequence[list[Group]], mixed: set[str], described: Collection[str]
) -> list[Group]:
    everything = [*(Group(path, False, (path,)) for path in files), *(g for groups in below for g in groups)]
    if not folder or folder in mixed or any(found.path in described for found in everything):
        return everything
    whole = [Group(folder, True, tuple(sorted(path for found in everything for path in found.files)))]
    if folder in described or any(count > 1 for count in Counter(map(kind, files)).values()):
        return whole
    if files or len(below) < 2 or f"{folder}/" in assets.DATA_FOLDERS:
        return everything
    alike = all(len(groups) == 1 and groups[0].is_folder for groups in below)
    return whole if alike and len({_main_kind(groups[0]) for groups in below}) == 1 else everything


def metadata_over(undocumented: Iterable[str], entries: Mapping[str, Entry]) -> dict[str, list[str]]:
    """The files that may say of a folder above the datasets that it is one: folder → paths."""
    found: dict[str, list[str]] = {}
    folders = {folder for path in undocumented for folder in _above(path)}
    for folder in folders:
        names = (f"{folder}/{name}" for name in ("README.md", *assets.METADATA_NAMES))
        if there := [path for path in names if path in entries and entries[path].is_file]:
            found[folder] = there
    return found


def could_be_one(groups: Sequence[Group]) -> list[tuple[str, int]]:
    """Folders below which many cards come: pairs of folder and number. One of them may be a single dataset."""
    folders = Counter(folder for found in groups for folder in _above(found.path))
    many = {folder: count for folder, count in folders.items() if count >= _MANY}
    many = {folder: count for folder, count in many.items() if f"{folder}/" not in assets.DATA_FOLDERS}
    # What lies above a folder and holds no more cards adds nothing.
    above = {parent for folder in many for parent in _above(folder) if many.get(parent) == many[folder]}
    lowest = many.keys() - above
    return sorted((folder, many[folder]) for folder in lowest if lowest.isdisjoint(_above(folder)))


_MANY = 5


def kind(path: str) -> str:
    """What tells kinds of files apart: the last extension, in lower case."""
    name = path.rpartition("/")[2].lower().removesuffix(".dvc")
    return name[name.rfind(".") :] if "." in name.lstrip(".") else ""


def _fits(path: str, entry: Entry, wanted: set[str]) -> bool:
    """Whether a folder's card may cover this path."""
    if assets.card_name(path) is not None:
        return False
    if assets.is_paperwork(path):
        return True
    if not entry.is_file or "\n" in path or "\\" in path or any("\udc80" <= c <= "\udcff" for c in path):
        return False
    name = path.rpartition("/")[2].lower()
    ordinary = name.startswith((".", *assets.DOCUMENT_PREFIXES)) or name.endswith(assets.PROSE_SUFFIXES)
    return path in wanted or ordinary or name in assets.METADATA_NAMES


def _above(path: str) -> Iterable[str]:
    folder = path.rpartition("/")[0]
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]


def _main_kind(found: Group) -> str:
    return Counter(kind(path) for path in found.files).most_common(1)[0][0]
