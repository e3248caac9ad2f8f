"""Where content that git only names was moved to.

DVC writes the new path into a file that it moves, and a link of git-annex leads elsewhere from another depth: to git
these are other files, though they name the same content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.digests import named
from . import weak_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from ..core.case import Case
    from .survey import Dataset


def moved_by_name(case: Case, gone: Iterable[Dataset], new: Collection[str]) -> dict[str, str]:
    """The cards that lost their data, and where a file without a card now names the content that they record."""
    keys: dict[object, str] = {}
    pointers = case.pointers(case.after[path] for path in new)
    for path in sorted(new):
        entry = case.after[path]
        raw = pointers.get(entry.oid)
        if raw is None and not path.endswith(".dvc"):
            continue
        name = weak_names.name_of(case, path, entry, path.removesuffix(".dvc"))
        stands = named(raw) if raw is not None and name is None else None
        if name is not None:
            keys[weak_names.md5_of(name)] = path
        elif stands is not None:
            keys[stands.sha256] = path
    there: dict[str, str] = {}
    for dataset in gone:
        data = dataset.document.data if dataset.document else None
        content = data.get("content") if isinstance(data, dict) else None
        digest = content.get("digest") if isinstance(content, dict) else None
        stated = (weak_names.recorded_md5(dataset.document), digest.get("sha256") if isinstance(digest, dict) else None)
        there.update((dataset.card, keys[key]) for key in stated if isinstance(key, str) and key in keys)
    return there
