"""What a stricter policy newly asks of what is there already, as dated debt: waivers that its own range accepts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from ..core import assets, worktree
from ..core.new_debt import Untouched, is_newly_asked
from ..core.policy_change import asks_more
from .baseline import Plan, debts_of, entries_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from ..core.case import Hook
    from ..core.findings import Finding
    from ..core.git import Git
    from ..datasets.audit_entries import Actor


class Base(NamedTuple):
    """A commit whose policy counts, and what it is called."""

    said: str
    commit: str


def bases(git: Git) -> list[Base]:
    """Where a policy counts already: the default branch of the remote, the upstream branch, HEAD."""
    found = (
        ("the default branch", git.find_commit("refs/remotes/origin/HEAD")),
        ("the upstream branch", git.upstream()),
        ("HEAD", git.head()),
    )
    return [Base(said, commit) for said, commit in found if commit is not None and has_policy(git, commit)]


def has_policy(git: Git, commit: str) -> bool:
    """Whether a commit has a policy."""
    return assets.POLICY in git.entries(commit, [assets.POLICY])


def planned_on_top(git: Git, hooks: Sequence[Hook], base: Base, actor: Actor, today: date) -> Plan | None:
    """What the policy in the work tree, or else the staged one, newly asks; None where it asks no more than before."""
    from ..core.cache import Cache
    from ..core.runner import read_all_settings
    from .whole_index import open_whole

    owners = {rule.name: hook for hook in hooks for rule in hook.rules}
    with git.sandbox(staged=True) as (sandbox, _):
        files = _policy(git)
        sandbox.put_all(files)
        before, after = (read_all_settings(sandbox, Cache(None), tree, hooks) for tree in (base.commit, None))
        if not (after.policy.exists and asks_more(before.policy, after.policy, hooks)):
            return None
        head = git.head() or base.commit
        forks = git.merge_bases(base.commit, head) or (base.commit,)
        untouched = Untouched(change.path for fork in forks for change in sandbox.staged(fork))

        def may_owe(finding: Finding) -> bool:
            hook = owners[finding.rule.name]
            newly = is_newly_asked(before.policy, after.policy, hook, finding.rule)
            return newly and finding.path in untouched

        cache = Cache.of_user(os.environ)
        try:
            entries = {}
            log = next(hook for hook in hooks if hook.id == "check-dataset-audit-log")
            if any(is_newly_asked(before.policy, after.policy, log, rule) for rule in log.rules):
                entries = dict(entries_of(open_whole(sandbox, cache, hooks), actor))
                sandbox.put_all(entries)
        finally:
            cache.close()
        debts, waivers, report = debts_of(sandbox, hooks, actor, today, may_owe)
    left = "that were asked for before, or are of what the change touches"
    return Plan({**files, **entries, **waivers}, (), len(entries), debts, report, left=left)


def _policy(git: Git) -> dict[str, bytes]:
    """The policy of the work tree, where it is not what is staged."""
    written = worktree.read_file(git.root, assets.POLICY)
    staged = git.entries(None, [assets.POLICY]).get(assets.POLICY)
    if written is None or staged is None or git.read(staged.oid) == written:
        return {}
    return {assets.POLICY: written}
