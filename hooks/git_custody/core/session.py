"""The index and commits as cases, for commands that write: what is unmerged does not stop them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from .case import Case
from .changes import ChangeSet
from .runner import read_all_settings
from .trees import Change, Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .cache import Cache
    from .case import Hook
    from .git import Git


class IndexCase(Case):
    """The index against HEAD, where unmerged paths count as absent."""

    @cached_property
    def after(self) -> Tree:
        """Everything that the index holds, but what is unmerged."""
        changes = self._git.merged(self._git.empty_tree)
        return Tree.of({change.path: change.after for change in changes if change.after is not None})


def open_index(git: Git, cache: Cache, hooks: Sequence[Hook]) -> IndexCase:
    """The index as it is now.

    Raises `CannotJudge` when the policy in it cannot be read or trusted.
    """
    head = git.head()
    tree = head or git.empty_tree
    change_set = ChangeSet(
        "staged", "the index", head, None, (tree,), tuple(git.merged(tree)),
        parents=git.merge_heads() if head else (),
    )  # fmt: skip
    return IndexCase(git, cache, change_set, read_all_settings(git, cache, None, hooks), hooks)


def open_head(git: Git, cache: Cache, like: Case) -> Case:
    """HEAD as a state of its own, or the empty tree before the first commit; settings are those of `like`."""
    tree = git.head() or git.empty_tree
    changes: tuple[Change, ...] = ()
    change_set = ChangeSet("index", "HEAD", tree, tree, (tree,), changes, tree)
    return Case(git, cache, change_set, like.settings, ())
