"""Whether a change of a dataset is what `--op append` says: more of it, and nothing of what was there is different."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ..core.case import as_pointer
from ..core.findings import CannotJudge
from ..datasets import survey as surveys

if TYPE_CHECKING:
    from ..core.case import Case
    from ..core.trees import Entry
    from .desk import Desk

_CHUNK = 1024 * 1024


def refuse_edited(desk: Desk, card: str) -> None:
    """Raise `CannotJudge` when a file that HEAD has of a dataset is gone, or does not begin as it was.

    What Git LFS keeps elsewhere cannot be compared, and passes.
    """
    if card not in desk.head.after:
        return
    before, after = surveys.dataset(desk.head, card).files, surveys.dataset(desk.case, card).files
    for path, old in before.items():
        new = after.get(path)
        if new is None or (new.oid != old.oid and not _begins_as(desk, path, old, new)):
            what = "is gone" if new is None else "does not begin with what it held"
            raise CannotJudge(f"this is no append, because it {what}: say --op modify or --op clean", path)


def _begins_as(desk: Desk, path: str, old: Entry, new: Entry) -> bool:
    if not (old.is_file and new.is_file):
        return False
    wanted = _start_of(desk.head, path, old, None)
    return wanted is None or (found := _start_of(desk.case, path, new, wanted[1])) is None or found == wanted


def _start_of(case: Case, path: str, entry: Entry, length: int | None) -> tuple[str, int] | None:
    """The SHA-256 of the first `length` bytes of a file, or of all, and their number; None for a pointer."""
    for _, _, content, _ in case.contents([(path, entry)]):
        if content is None or as_pointer(content):
            return None
        end = content.size if length is None else min(length, content.size)
        digest = hashlib.sha256()
        for at in range(0, end, _CHUNK):
            digest.update(content.read_at(at, min(_CHUNK, end - at)))
        return digest.hexdigest(), end
    return None
