"""`git custody init`: policy, hooks, CI and ignore rules for a repository, without harm to what is there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..core import assets, worktree
from ..core.findings import CUSTODY, RepoPath
from ..core.pages import HOME, page
from ..core.signers import SIGNERS
from ..scaffold import ci_files, files, runner_entry
from ..scaffold.files import Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..core.case import Hook
    from ..core.findings import Command
    from ..core.git import Git
    from ..core.report import Standpoint

_ABOUT = """\
Set up this repository: .custody/policy.yaml, an entry in .pre-commit-config.yaml, CI files, and exceptions
in .gitignore where it would keep cards out. Nothing is overwritten, and nothing is staged. The repository of
the hooks is asked whether it has the revision; where it cannot be reached, that is said and left open.
"""


def main(argv: Sequence[str]) -> int:
    """Write what is missing, and say for each file what was done."""
    from .. import __version__
    from ..catalog import load_all
    from ..core.findings import CannotJudge
    from ..core.git import Git
    from ..core.output import show
    from ..core.report import standpoint
    from . import parser

    arguments = parser("init", _ABOUT)
    arguments.add_argument(
        "--hooks-repo", default=HOME, metavar="URL|PATH", help=f"where the hooks come from; default: {HOME}"
    )
    arguments.add_argument("--rev", default=f"v{__version__}", help=f"their tag or commit; default: v{__version__}")
    arguments.add_argument(
        "--ci",
        choices=("github", "gitlab", "none"),
        help="default: by the remote's host or the CI files there are, both when unknown",
    )
    arguments.add_argument("--dry-run", action="store_true", help="only say what would be done")
    given = arguments.parse_args(argv)
    hooks = load_all()
    with Git() as git:
        if git.is_bare:
            raise CannotJudge("this is a bare repository: run init in a work tree")
        entry = runner_entry.Entry(given.hooks_repo, given.rev)
        source, instead = ci_files.release(__version__), ""
        if (given.hooks_repo, given.rev) != (HOME, f"v{__version__}"):
            named = ci_files.revision(given.hooks_repo, given.rev)
            if named is None:
                instead = f"; it installs {source}, because pip cannot be told {given.hooks_repo} {given.rev} there"
            source = named or source
        found = _assets(git)
        planned = _runner(git, hooks, entry, dry_run=True)
        is_used = planned.outcome != "left alone" or planned.to_add or source != ci_files.release(__version__)
        unchecked = _unchecked(git, entry) if is_used else ""
        steps = [policy(git, hooks, dry_run=given.dry_run)]
        runner = _runner(git, hooks, entry, dry_run=given.dry_run)
        steps.append(runner._replace(note="; ".join(filter(None, (runner.note, unchecked)))))
        steps += _ci(git, given.ci, source, instead, dry_run=given.dry_run)
        ignored = _ignored(git, found, dry_run=given.dry_run)
        steps += [ignored] if ignored else []
        show(files.told(steps, dry_run=given.dry_run))
        if not given.dry_run:
            stand = standpoint(git.prefix, os.environ, git.root)
            show(_next(git, steps, stand, has_assets=bool(found)))
    return 0


def _unchecked(git: Git, entry: runner_entry.Entry) -> str:
    """What to say where it cannot be told whether the hooks can be had; raises `CannotJudge` where they cannot."""
    from ..core.findings import CannotJudge
    from ..scaffold.hooks_source import look

    looked = look(git, entry.repo, entry.rev)
    if looked.has is False:
        raise CannotJudge(f"{looked.said}; name another with --rev")
    return "" if looked.has else looked.said


def policy(git: Git, hooks: Sequence[Hook], *, dry_run: bool) -> Step:
    """Write the first policy, unless there is one."""
    if worktree.exists(git.root, assets.POLICY) or assets.POLICY in git.entries(None, [assets.POLICY]):
        return Step(assets.POLICY, "left alone", "there is a policy")
    if not dry_run:
        from ..scaffold.policy_file import first_policy

        files.create(git.root, assets.POLICY, first_policy(hooks))
    return Step(assets.POLICY, "wrote", "level 1, and the audit log of datasets")


def _runner(git: Git, hooks: Sequence[Hook], entry: runner_entry.Entry, *, dry_run: bool) -> Step:
    from ..core.runner_config import read_runner_config

    ours = {hook.id for hook in hooks} | {runner_entry.UMBRELLA}
    present = [name for name in runner_entry.NAMES if worktree.exists(git.root, name)]
    if not present and worktree.exists(git.root, "prek.toml"):
        listed = read_runner_config("prek.toml", files.read(git.root, "prek.toml") or b"")
        running = [hook.id for hook in listed.provided if hook.id in ours]
        if running:
            return Step("prek.toml", "left alone", f"it runs {', '.join(running)} already")
        said = "prek reads this file first; add these lines yourself, the first of them above every [table]"
        stages = ", ".join(f'"{stage}"' for stage in runner_entry.STAGES)
        lines = (
            f"default_install_hook_types = [{stages}]",
            "",
            "[[repos]]",
            f'repo = "{entry.repo}"',
            f'rev = "{entry.rev}"',
            'hooks = [{ id = "custody" }]',
        )
        return Step("prek.toml", "left alone", said, lines)
    if not present:
        name = runner_entry.NAMES[0]
        if not dry_run:
            files.create(git.root, name, runner_entry.new(entry))
        return Step(name, "wrote", "runs our hooks before commits, merges and pushes")
    name = present[0]
    raw = files.read(git.root, name)
    if raw is None:
        return Step(name, "left alone", "it is not a plain file; add these lines yourself", ("repos:", *entry.lines()))
    extended = runner_entry.extend(raw, entry, ours)
    if extended.text is None:
        return Step(name, "left alone", extended.note, extended.to_add)
    if not dry_run:
        worktree.write_file(git.root, name, extended.text)
    only_prek = name.endswith(".yml")
    return Step(name, "extended", "prek reads it; pre-commit only reads .pre-commit-config.yaml" if only_prek else "")


def _ci(git: Git, choice: str | None, source: str, instead: str, *, dry_run: bool) -> Iterator[Step]:
    """`instead` says what pip installs where that is not what was asked for, to end a sentence with."""
    if choice is None:
        choice = ci_files.host(git.setting("remote.origin.url")) or ci_files.in_use(git.root)
    note = _REQUIRED + instead
    if choice in ("github", None):
        step = _new(git, ci_files.GITHUB, ci_files.github_workflow(source), note, dry_run=dry_run)
        yield step
        if step.note == note:
            note = "the same on GitLab; keep the one that you need"
    if choice in ("gitlab", None):
        job = ci_files.gitlab_job(source)
        raw = files.read(git.root, ci_files.GITLAB)
        if raw == job.encode("utf-8"):
            yield Step(ci_files.GITLAB, "left alone", "it is there already")
        elif not worktree.exists(git.root, ci_files.GITLAB):
            yield _new(git, ci_files.GITLAB, job, note, dry_run=dry_run)
        else:
            yield _new(git, ci_files.GITLAB_INCLUDED, job, note, dry_run=dry_run)
            if raw is not None and ci_files.GITLAB_INCLUDED.encode("ascii") in raw:
                yield Step(ci_files.GITLAB, "left alone", "it names the file above already")
            else:
                yield Step(ci_files.GITLAB, "left alone", "add these lines yourself", ci_files.INCLUDE)


_REQUIRED = "make this job a required check"


def _new(git: Git, path: str, text: str, note: str, *, dry_run: bool) -> Step:
    if worktree.exists(git.root, path):
        return Step(path, "left alone", "it is there already")
    if not dry_run:
        files.create(git.root, path, text.encode("utf-8"))
    return Step(path, "wrote", note)


def _assets(git: Git) -> list[str]:
    """The tracked paths that have the name of an asset."""
    anywhere = assets.Coverage()
    return [path for path in git.entries(None) if assets.classify(path, anywhere, anywhere) is not None]


def _ignored(git: Git, found: Sequence[str], *, dry_run: bool) -> Step | None:
    from ..scaffold.ignore_rules import extend

    folders = {*assets.DATA_FOLDERS, *(path.rpartition("/")[0] + "/" if "/" in path else "" for path in found)}
    return extend(git, sorted(folders)[:500], dry_run=dry_run)


def _next(git: Git, steps: Sequence[Step], stand: Standpoint, *, has_assets: bool) -> str:
    from ..core.report import command_line
    from ..scaffold.runner_here import runner

    written = [step.path for step in steps if step.outcome != "left alone"]
    commands: list[Command] = []
    if written:
        force = ("-f",) if git.ignored(written) else ()
        commands.append(("git", "add", *force, *map(RepoPath, written)))
    head = git.head()
    adopts = has_assets and (head is None or assets.POLICY not in git.entries(head, [assets.POLICY]))
    if adopts:
        commands.append((CUSTODY, "adopt"))
    commands += [(runner(git), "install"), (CUSTODY, "doctor")]
    if written:
        commands.append(("git", "commit"))
    lines = ["", "next:", *("    " + command_line(command, stand) for command in commands)]
    if adopts:
        lines.append("There are models or data already: adopt them before the policy is committed, not after.")
    if assets.POLICY in written:
        lines.append(
            f"Who may sign exceptions later stands in {SIGNERS}: committed with the first policy, it needs no "
            f"signature itself ({page('waivers')})."
        )
    return "\n".join(lines) + "\n"
