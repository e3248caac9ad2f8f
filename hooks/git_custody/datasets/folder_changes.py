"""What a change does to the files of a folder that is a dataset, in words."""

from __future__ import annotations

from posixpath import join
from typing import TYPE_CHECKING

from ..core import assets

if TYPE_CHECKING:
    from ..core.case import Case
    from .survey import Dataset

_SHOWN = 3


def told_changes(case: Case, found: Dataset) -> str:
    """Which files of a folder the change touches, to end a message with; "" for a file, or where none is touched."""
    touched = {path: change.after or change.before for path, change in case.changed.items()} if found.is_folder else {}
    start = len(found.path) + 1 if found.path else 0
    was = _folder_before(case, found)
    names = [
        path[start:]
        for path in assets.files_under(found.path, {p: e for p, e in touched.items() if e})
        if was is None or not _came_along(case, path, was + path[start:])
    ]
    if was is not None:
        gone = (path[len(was) :] for path, change in case.changed.items() if _is_below(was, path) and not change.after)
        names += [name for name in gone if join(found.path, name) not in case.after]
    if not names:
        return ""
    said = f"; what changed in it: {_listed(names)}"
    # Alone, none of these would be a dataset, so that nobody expects them to count.
    ordinary = [name for name in names if assets.is_ordinary(name.rpartition("/")[2])]
    verb = "is" if len(ordinary) == 1 else "are"
    return said + (f"; {_listed(ordinary)} {verb} part of this dataset's folder" if ordinary else "")


def _is_below(folder: str, path: str) -> bool:
    return path.startswith(folder) and not assets.is_paperwork(path)


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _folder_before(case: Case, found: Dataset) -> str | None:
    """Where a folder lay before the change moved it with its card, with the slash; None where that is not clear."""
    new = case.changed.get(found.card)
    if not found.is_folder or new is None or new.before is not None:
        return None
    gone = {
        name.subject: change.before
        for path, change in case.changed.items()
        if change.after is None and (name := assets.card_name(path)) and name.kind == "data" and name.is_folder
    }
    same = [folder for folder, card in gone.items() if card == new.after] or list(gone)
    return (f"{same[0]}/" if same[0] else "") if len(same) == 1 else None


def _came_along(case: Case, path: str, old: str) -> bool:
    """Whether the change has moved a file from `old` as it was."""
    left = case.changed.get(old)
    return left is not None and left.after is None and left.before == case.after.get(path)
