"""What is judged: one function decides, and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .findings import CannotJudge
from .lazy_tree import LazyTree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .cache import Cache
    from .git import Git
    from .trees import Change, Entry, Tree


class Request(NamedTuple):
    """What the user asked for by hand; all empty in a hook."""

    range: str | None = None
    all: bool = False
    staged: bool = False
    paths: tuple[str, ...] = ()


class ChangeSet(NamedTuple):
    """A change, and the state that it ends in.

    `mode` is "staged", "index" (the whole index, and the staged change for rules about changes) or
    "range". `base` and `head` are commit ids where there are any; `said` is the sentence for the user.
    `forks` are the trees that `changes` start from (merge bases in a range). `changes` is the net
    change, `tree` what it ends in, `policy_tree` whose settings count; None is the index. `commits` are
    those of a range, newest first. `parents` are the other parents of a merge under way.
    """

    mode: str
    said: str
    base: str | None
    head: str | None
    forks: tuple[str, ...]
    changes: tuple[Change, ...]
    tree: str | None = None
    commits: tuple[str, ...] = ()
    policy_tree: str | None = None
    parents: tuple[str, ...] = ()


# For the many questions about so many paths one listing of everything is quicker than folder by folder.
_MANY = 1000

_NO_INDEX = "there is no work tree here; name a range: git custody check --range BASE...HEAD"


def decide(git: Git, request: Request, environment: Mapping[str, str]) -> ChangeSet:
    """What is judged, in this order.

    1. an explicit `--range`, `--all` or `--staged`;
    2. GIT_INDEX_FILE: git runs us in a commit or a merge, so the staged change counts, even when it is
       empty, and PRE_COMMIT_*_REF that stray in the environment do not;
    3. PRE_COMMIT_TO_REF: the range that the runner was asked for;
    4. PRE_COMMIT: `pre-commit run`, the whole index (a runner does not tell `--all-files` apart);
    5. by hand: the staged change if there is one, else the whole index.

    Raises `CannotJudge` when a revision is unknown, or the history needed is cut off (shallow clone).
    """
    if request.range is not None:
        return _range(git, *_ends(request.range))
    if (request.all or request.staged) and git.is_bare:
        raise CannotJudge(_NO_INDEX)
    if request.all:
        return _index(git)
    if request.staged or "GIT_INDEX_FILE" in environment:
        return _staged(git)
    if environment.get("PRE_COMMIT_TO_REF"):
        base = environment.get("PRE_COMMIT_FROM_REF", "")
        # Runners give no FROM, or git's null id, on the first push of a branch.
        return _range(git, base if base.strip("0") else None, environment["PRE_COMMIT_TO_REF"], "...")
    if environment.get("PRE_COMMIT") == "1":
        return _index(git)
    if git.is_bare:
        raise CannotJudge(_NO_INDEX)
    staged = _staged(git)
    return staged if staged.changes else _index(git)


def _ends(text: str) -> tuple[str | None, str, str]:
    for dots in ("...", ".."):
        base, found, head = text.partition(dots)
        if found:
            if not base:
                raise CannotJudge(f'the range "{text}" names no base; write it as BASE...HEAD')
            return base, head or "HEAD", dots
    raise CannotJudge(f'"{text}" is not a range; write it as BASE...HEAD')


def _staged(git: Git) -> ChangeSet:
    head = git.head()
    tree = head or git.empty_tree
    changes = tuple(git.staged(tree))
    parents = git.merge_heads() if head else ()
    said = "staged changes against HEAD" if head else "staged changes, for a first commit"
    if parents:
        said += ", in a merge with " + ", ".join(parent[:10] for parent in parents)
    return ChangeSet("staged", said, head, None, (tree,), changes, parents=parents)


def _index(git: Git) -> ChangeSet:
    return _staged(git)._replace(mode="index", said="the whole index")


_CUT = "cannot verify {}: this clone is shallow and its history is cut off; run: git fetch --unshallow"


def _range(git: Git, base: str | None, head: str, dots: str) -> ChangeSet:
    tip = git.commit(head)
    if base is None:
        if git.is_shallow and set(git.commits([], tip)) & git.shallow_boundary():
            raise CannotJudge(_CUT.format(f"everything that {head} reaches"))
        said = f"everything that {head} reaches"
        changes = tuple(git.between(git.empty_tree, tip))
        commits = tuple(git.commits([], tip))
        return ChangeSet("range", said, None, tip, (git.empty_tree,), changes, tip, commits, policy_tree=tip)
    start = git.commit(base)
    forks = git.merge_bases(start, tip) if dots == "..." else (start,)
    if git.is_shallow and not _whole(git, start, tip):
        raise CannotJudge(_CUT.format(f"{base}{dots}{head}"))
    said = f"the range {base}{dots}{head} ({start[:10]}{dots}{tip[:10]})"
    forks = forks or (git.empty_tree,)
    # After a criss-cross merge there are several merge bases, and what was taken back to the state of one of
    # them differs from another only.
    changed = {change.path: change for fork in reversed(forks) for change in git.between(fork, tip)}
    changes = tuple(changed[path] for path in sorted(changed))
    commits = tuple(git.commits([start], tip))
    return ChangeSet("range", said, start, tip, forks, changes, tip, commits, policy_tree=start)


def _whole(git: Git, start: str, tip: str) -> bool:
    """Whether a shallow clone still holds everything between two commits and their common ancestor.

    The boundary commits of a shallow clone look like root commits: reaching one between the merge base
    and the tips means that something may be missing.
    """
    bases = git.merge_bases(start, tip)
    between = git.commits(bases, tip) + git.commits(bases, start)
    return bool(bases) and not set(between) & git.shallow_boundary()


def of_parent(git: Git, change_set: ChangeSet, parent: str) -> ChangeSet:
    """What one parent of a merge under way brings to it: what is wrong there already is not the merge's doing."""
    head = change_set.base or git.empty_tree
    others = [other for other in (head, *change_set.parents) if other != parent]
    forks = git.merge_bases(parent, others[0]) if others else ()
    forks = forks or (git.empty_tree,)
    changes = tuple(git.between(forks[0], parent))
    return ChangeSet("staged", f"parent {parent}", forks[0], parent, forks, changes, parent)


def state_after(git: Git, cache: Cache, change_set: ChangeSet) -> Tree:
    """Everything in the state that a change ends in: listed where much is judged, else read as it is asked for."""
    if change_set.mode == "index" or len(change_set.changes) > _MANY:
        return git.entries(change_set.tree)
    if change_set.tree is not None:
        return tree_of(git, cache, change_set.tree)
    return LazyTree(change_set.forks[0], change_set.changes, git.folders, lambda: git.entries(None), cache)


def tree_of(git: Git, cache: Cache, name: str) -> Tree:
    """Everything in a commit or a tree, by its id."""
    return LazyTree(name, (), git.folders, lambda: git.entries(name), cache)


def introduced(git: Git, change_set: ChangeSet, entries: Mapping[str, Entry]) -> list[tuple[str, Entry]]:
    """The entries whose content is judged: path and entry, each pair once.

    Staged: what the change adds or modifies. Index: everything. Range: everything that any of its
    commits brought, even when a later one took it away again, and what the tip holds beyond each fork: a
    merge can bring back what the base once had and removed.
    """
    if change_set.mode == "index":
        return list(entries.items())
    sources = [iter(change_set.changes)]
    if change_set.mode == "range":
        sources.append(git.introduced(change_set.commits))
        sources += [git.between(fork, change_set.head or git.empty_tree) for fork in change_set.forks[1:]]
    seen: dict[tuple[str, Entry], None] = {}
    for changes in sources:
        for change in changes:
            if change.after is not None:
                seen[change.path, change.after] = None
    return list(seen)
