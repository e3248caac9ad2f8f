"""A dataset that was moved and edited in one change: its card lost its file, and a file like it is new.

git records no moves, it finds them by likeness (gitdiffcore(7), "detecting renames"): half of the content has to be the
same. So it is here; content is compared in lines, those of long ones in pieces, as git does it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..core.findings import CUSTODY, RepoPath, Slot
from . import survey as surveys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.case import Case
    from ..core.findings import Command
    from .survey import Survey

_PIECE = 64
_ALIKE = 0.5


def moved_and_edited(case: Case, found: Survey) -> tuple[str, str] | None:
    """The path that a file had and the one that it has now, where the change leaves no choice; else None."""
    return case.once("moved and edited", lambda _: _find(case, found))


def _find(case: Case, found: Survey) -> tuple[str, str] | None:
    elsewhere = surveys.moved(case, found)
    gone = [d.path for d in found.datasets if not d.files and not d.is_folder and d.card not in elsewhere]
    new = [path for path in found.undocumented if path not in elsewhere.values()]
    if len(gone) != 1 or len(new) != 1 or gone[0] not in case.before or new[0] in case.before:
        return None
    (old,), (here,) = gone, new
    if _suffix(old) != _suffix(here):
        return None
    entries = case.before[old], case.after[here]
    if not all(entry.is_file for entry in entries) or case.pointers(entries):
        return None
    raw = case.read_many(entries)
    if any(entry.oid not in raw for entry in entries):
        return None
    return (old, here) if _likeness(*(raw[entry.oid] for entry in entries)) >= _ALIKE else None


def _suffix(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[2].lower()


def _likeness(one: bytes, other: bytes) -> float:
    """How much of the longer content is in both, from 0 to 1."""
    same = Counter(_pieces(one)) & Counter(_pieces(other))
    return sum(len(piece) * number for piece, number in same.items()) / max(len(one), len(other), 1)


def _pieces(content: bytes) -> Iterator[bytes]:
    for line in content.splitlines(keepends=True):
        yield from (line[start : start + _PIECE] for start in range(0, len(line), _PIECE))


def move_command(case: Case, old: str, new: str) -> Command:
    """The command that takes card and history along."""
    audited = case.policy.level == 3 or "check-dataset-audit-log" in case.policy.also
    reason = ("--reason", Slot("REASON")) if audited else ()
    return (CUSTODY, "card", "mv", *reason, RepoPath(old), RepoPath(new))
