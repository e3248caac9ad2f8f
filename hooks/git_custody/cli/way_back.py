"""What there is to do where a policy came before its debt: commands that lead back, or to waivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core import assets
from ..core.findings import CUSTODY, RepoPath, Slot
from ..core.pages import page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..core.case import Hook
    from ..core.findings import Command, Finding
    from ..core.git import Git
    from ..core.report import Standpoint

_AT_ONCE = 40


def before_it_was_raised(git: Git, hooks: Sequence[Hook], stand: Standpoint) -> Iterator[str]:
    """What there is to do where the last commit, which nobody else has, made the policy ask for more."""
    from ..core.cache import Cache
    from ..core.policy_change import asks_more
    from ..core.report import command_line
    from ..core.runner import read_all_settings

    before = git.find_commit("HEAD~1")
    alone = before is not None and git.find_commit("HEAD^2") is None and not _has_policy(git, *_elsewhere(git))
    if alone and _has_policy(git, before):
        old, new = (read_all_settings(git, Cache(None), tree, hooks).policy for tree in (before, git.head()))
        if asks_more(old, new, hooks):
            yield "The last commit made the policy ask for more. To owe what that newly asks of what was there before:"
            yield "    git reset --soft HEAD~1"
            yield f"    {command_line((CUSTODY, 'adopt'), stand)}"


def _elsewhere(git: Git) -> tuple[str | None, str | None]:
    """What others have: the upstream branch, and the default branch of the remote."""
    return git.upstream(), git.find_commit("refs/remotes/origin/HEAD")


def way_back(git: Git, blocking: Sequence[Finding], stand: Standpoint) -> Iterator[str]:
    """What there is to do where the policy was committed and nothing was adopted before."""
    from ..core.report import command_line

    undo = _undo(git)
    if undo is not None:
        yield "The last commit is what brought the policy. To adopt what is there along with it:"
        yield f"    {undo}"
        yield f"    {command_line((CUSTODY, 'adopt'), stand)}"
    elif not _has_policy(git, *_elsewhere(git)):
        # What was pushed to another branch, or has not been fetched, is not known here.
        yield (
            "The policy is only here, as far as the upstream and the default branch, as last fetched, tell. "
            "To take it back for now, and adopt what is there along with it:"
        )
        yield f"    {command_line(('git', 'rm', '-q', '--cached', RepoPath(assets.POLICY)), stand)}"
        yield '    git commit -m "Take the policy back, to adopt what is there"'
        yield f"    {command_line((CUSTODY, 'adopt'), stand)}"
    elif owing := waivable(blocking):
        yield "Others have the policy already. What cannot be mended now may have a waiver, to be merged first"
        yield f"({page('waivers')}):"
        yield from waiving(owing, stand)


def waivable(blocking: Sequence[Finding]) -> list[Finding]:
    """The findings that a waiver may admit."""
    return [finding for finding in blocking if finding.rule.waivable and not finding.beyond_waiver]


def waiving(owing: Sequence[Finding], stand: Standpoint) -> Iterator[str]:
    """The commands that waive these findings, one for each rule where they are few."""
    from ..core.report import command_line

    named: dict[str, dict[str, None]] = {}
    for finding in owing:
        named.setdefault(finding.rule.name, {})[finding.path] = None
    for rule, there in named.items():
        paths = [RepoPath(path) for path in there]
        for start in range(0, len(paths), _AT_ONCE):
            words: Command = ("--reason", Slot("REASON"), "--expires", Slot("YYYY-MM-DD"))
            named_here = (*words, *paths[start : start + _AT_ONCE])
            yield f"    {command_line((CUSTODY, 'waive', rule, *named_here), stand)}"


def _has_policy(git: Git, *commits: str | None) -> bool:
    return any(commit is not None and assets.POLICY in git.entries(commit, [assets.POLICY]) for commit in commits)


def _undo(git: Git) -> str | None:
    """How to take back HEAD's commit alone, where that leaves no base with a policy; else None."""
    if _has_policy(git, *_elsewhere(git), git.find_commit("HEAD~1")):
        return None
    if git.find_commit("HEAD~1") is None and not git.is_shallow:
        return "git update-ref -d HEAD"
    alone = git.find_commit("HEAD~1") is not None and git.find_commit("HEAD^2") is None
    return "git reset --soft HEAD~1" if alone else None
