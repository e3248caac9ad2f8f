"""How a path is spelled, where the file system takes several spellings for one: by case, or by Unicode form.

There the user may type any of them, `git add` keeps the one that the index has, and one file stands for every name that
differs in nothing else. So whoever goes from a name to a file, or back, asks here.
"""

from __future__ import annotations

import os
import string
import unicodedata
from typing import TYPE_CHECKING

from . import worktree
from .trees import decode, fold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .trees import Tree

_OTHER_CASE = str.maketrans(
    string.ascii_letters, "".join(letter.swapcase() for letter in string.ascii_letters)
)  # fmt: skip


def is_same(root: str, one: str, other: str) -> bool:
    """Whether two paths from the root that differ only in their spelling are one file or folder."""
    if one == other or fold(one) != fold(other) or not (worktree.exists(root, one) and worktree.exists(root, other)):
        return False
    folder = ""
    for name, twin in zip(one.split("/"), other.split("/"), strict=True):
        # By their listing: what stat says of them can differ, as under FUSE.
        if name != twin and {name, twin} <= {*_names_in(root, folder)}:
            return False
        folder = f"{folder}/{name}" if folder else name
    return True


def as_tracked(root: str, path: str, entries: Tree) -> str:
    """A path that the user typed as git has it, or will: as the index spells it, else as it is spelled on the disk.

    What is not there, or is tracked exactly so, stays as it is.
    """
    if path in entries or not _has_other_spellings(root, path):
        return path
    folders: dict[str, set[str]] = {}
    for tracked in entries:
        at = len(tracked)
        while at > 0:
            folders.setdefault(fold(tracked[:at]), set()).add(tracked[:at])
            at = tracked.rfind("/", 0, at)
    spelled = ""
    for part in path.split("/"):
        here = f"{spelled}/{part}" if spelled else part
        known = folders.get(fold(here), set())
        twins = () if here in known else sorted(twin for twin in known if twin.rpartition("/")[0] == spelled)
        spelled = next((twin for twin in twins if is_same(root, here, twin)), None) or (
            here if here in known else _on_disk(root, spelled, here)
        )
    return spelled


def tracked_twins(root: str, paths: Iterable[str], entries: Tree) -> dict[str, str]:
    """Which of the paths are, on this file system, the file of another name that git tracks: path → that name."""
    wanted = {fold(path): path for path in paths}
    found = ((wanted[fold(name)], name) for name in entries.alike(wanted))
    return {path: name for path, name in found if is_same(root, path, name)}


def _has_other_spellings(root: str, path: str) -> bool:
    """Whether the file system takes another spelling for what is at a path, or, if nothing is, for the folder above."""
    while path and not worktree.exists(root, path):
        path = path.rpartition("/")[0]
    others = {
        path.translate(_OTHER_CASE), path.swapcase(), *(unicodedata.normalize(form, path) for form in ("NFC", "NFD")),
    }  # fmt: skip
    return any(is_same(root, path, other) for other in others)


def _on_disk(root: str, folder: str, path: str) -> str:
    there = [f"{folder}/{name}" if folder else name for name in _names_in(root, folder)]
    return path if path in there else next((other for other in there if is_same(root, path, other)), path)


def _names_in(root: str, folder: str) -> list[str]:
    try:
        return [decode(name) for name in os.listdir(worktree.full_path(root, folder))]
    except OSError:
        return []
