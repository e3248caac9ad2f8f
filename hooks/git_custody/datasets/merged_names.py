"""Names that are several to git, and one to a file system that takes no notice of case or Unicode form.

Files that are assets themselves are looked at with their cards; here it is about what lies around them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core import assets
from ..core.findings import Finding, RepoPath
from ..core.trees import fold, folders_above

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.case import Case
    from ..core.findings import Command, Rule

_ATTRIBUTES = ".gitattributes"


def attribute_files(case: Case, rule: Rule) -> Iterator[Finding]:
    """The files above an asset that are `.gitattributes` only where case makes no difference."""
    for path in case.after if case.is_whole else case.changed:
        folder, _, name = path.rpartition("/")
        if name.lower() != _ATTRIBUTES or name == _ATTRIBUTES or path not in case.after:
            continue
        if _holds_assets(case, folder):
            proper = f"{folder}/{_ATTRIBUTES}" if folder else _ATTRIBUTES
            said = f"where case makes no difference, git reads it as {_ATTRIBUTES}, and elsewhere it does not"
            yield Finding(rule, path, said, fix=(_renamed(case, path, proper),), subject="spelling")


def folders(case: Case, rule: Rule) -> Iterator[Finding]:
    """The folders that are one with the folder of an asset where case makes no difference."""
    new = case.after if case.is_whole else [p for p, change in case.changed.items() if change.before is None]
    there = folders_above(new)
    if not case.is_whole:
        there.update(case.after.folders_alike(map(fold, there)))
    spellings: dict[str, set[str]] = {}
    for folder in there:
        spellings.setdefault(fold(folder), set()).add(folder)
    for group in (sorted(found) for found in spellings.values() if len(found) > 1):
        names = {folder.rpartition("/")[2] for folder in group}
        holding = [folder for folder in group if _holds_assets(case, folder)]
        if len(names) == 1 or not holding:
            continue  # of the folders above, one finding is enough
        known = case.after if case.is_whole else case.before
        right = max(holding, key=lambda folder: (len([*known.below(folder + "/")]), folder))
        for folder in group:
            path = next((path for path in sorted(new) if path.startswith(folder + "/")), None)
            if folder != right and path is not None and path in case.after:
                said = f"some systems make one folder of its folder {folder} and of {right}, where assets lie"
                fix = _renamed(case, path, right + path[len(folder) :])
                yield Finding(rule, path, said, fix=(fix,), subject="folder")


def _holds_assets(case: Case, folder: str) -> bool:
    return any(
        assets.classify(path, case.policy.datasets, case.policy.models) in ("dataset", "model")
        or any(True for kind in ("data", "model") if assets.cards_over(path, case.after, kind))
        for path in case.after.below(f"{folder}/" if folder else "")
    )


def _renamed(case: Case, path: str, proper: str) -> Command:
    """The command that gives a file its proper name, or takes it out of git where that is taken."""
    if proper in case.after:
        return ("git", "rm", "--cached", "-f", RepoPath(path))
    return ("git", "mv", RepoPath(path), RepoPath(proper))
