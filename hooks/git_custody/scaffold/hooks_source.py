"""Whether the revision that a runner is told to take our hooks from is there to be taken."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.git import Git

_WHOLE_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# A commit's id cut short, also at the end of what `git describe` says, or steps from another revision: only a clone
# can tell, and runners make one.
_FOR_A_CLONE = re.compile(r"(?:^|-g)[0-9a-f]{4,63}$|[~^@:]")
_TAGS_SHOWN = 3


class Looked(NamedTuple):
    """Whether a repository has a revision, None where that cannot be told, and a sentence that says so."""

    has: bool | None
    said: str


def look(git: Git, repo: str, revision: str) -> Looked:
    """Ask a repository for a revision, over the network if need be; nothing is fetched into this one."""
    unknown = f'whether {repo} has "{revision}" was not checked'
    refs = git.refs_elsewhere(repo)
    if refs is None:
        return Looked(None, f"{unknown}: git ls-remote cannot reach it from here")
    if _is_listed(revision, refs):
        return Looked(True, f'{repo} has "{revision}"')
    if _WHOLE_ID.fullmatch(revision):
        has = git.has_commit_elsewhere(repo, revision)
    else:
        has = None if _FOR_A_CLONE.search(revision) else False
    if has is None:
        return Looked(None, f"{unknown}: only a clone can tell")
    said = f'{repo} has "{revision}"' if has else f'{repo} has no revision "{revision}"{_instead(refs)}'
    return Looked(has, said)


def _is_listed(revision: str, refs: dict[str, str]) -> bool:
    # A clone knows the branches of its origin under that name, too.
    starts = ("", "refs/", "refs/tags/", "refs/heads/")
    names = {*(start + revision for start in starts), "refs/heads/" + revision.removeprefix("origin/")}
    cut = len(revision) >= 4 and any(oid.startswith(revision) for oid in refs.values())
    return cut or not names.isdisjoint(refs)


def _instead(refs: Iterable[str]) -> str:
    tags = [name.removeprefix("refs/tags/") for name in refs if name.startswith("refs/tags/") and name[-1] != "}"]
    newest = sorted(tags, key=lambda tag: [int(number) for number in re.findall(r"[0-9]{1,9}", tag)], reverse=True)
    return f" (its newest tags: {', '.join(newest[:_TAGS_SHOWN])})" if newest else " (it has no tags)"
