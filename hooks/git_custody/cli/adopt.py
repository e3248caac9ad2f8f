"""`git custody adopt`: an existing repository comes under custody, with a dated list of what is owed."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

from ..core import assets, worktree
from ..core.findings import CUSTODY, CannotJudge, RepoPath
from ..core.pages import page
from ..scaffold.baseline import DAYS, OWED, planned
from .way_back import before_it_was_raised, waivable, waiving, way_back

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from ..core.case import Hook
    from ..core.git import Git
    from ..core.report import Standpoint
    from ..scaffold.baseline import Plan

_ABOUT = """\
Bring what is there under custody: a card for each dataset, as few as can be, an audit entry that records its
content, and a waiver with a date for everything that is owed. What comes after that is judged in full.
Once a policy is committed, it takes on no new debt, and removes the waivers whose findings are gone; but for a
policy that asks more than the committed one: what that newly asks of what is unchanged gets its waivers.
"""


def main(argv: Sequence[str]) -> int:
    """Show the plan, and carry it out: 0 when nothing blocks afterwards."""
    from datetime import date

    from ..catalog import load_all
    from ..core.git import Git
    from ..core.output import show
    from ..core.report import standpoint
    from ..datasets.audit_entries import Actor
    from ..scaffold.stricter import bases, planned_on_top
    from . import parser

    arguments = parser("adopt", _ABOUT)
    arguments.add_argument("--dry-run", action="store_true", help="only show the plan")
    arguments.add_argument("--yes", action="store_true", help="do not ask")
    given = arguments.parse_args(argv)
    hooks = load_all()
    with Git() as git:
        if git.is_bare:
            raise CannotJudge("this repository has no work tree: run adopt in a clone of it")
        stand = standpoint(git.prefix, os.environ, git.root)
        actor, today = Actor(*git.author()), date.today()
        based = bases(git)
        plan = planned_on_top(git, hooks, based[0], actor, today) if based else planned(git, hooks, actor, today)
        if plan is None:
            return _shrink(git, hooks, based[-1].said, stand, dry_run=given.dry_run, yes=given.yes)
        if based:
            show(
                f"The policy asks for more than that of {based[0].said}. What it newly asks of what is unchanged can "
                f"be owed for a while ({page('ci')}).\n"
            )
        return _adopt(git, hooks, plan, today, stand, raised=bool(based), dry_run=given.dry_run, yes=given.yes)


def _agreed(stand: Standpoint, *, dry_run: bool, yes: bool) -> bool:
    """Whether to go on; asks on a terminal. Raises `CannotJudge` where nobody can be asked."""
    if dry_run or yes:
        return yes and not dry_run
    if not sys.stdin.isatty():
        from ..core.report import command_line

        again = command_line((CUSTODY, "adopt", "--yes"), stand)
        raise CannotJudge(f"nobody can be asked here: look at the plan, then, before any commit, run {again}")
    sys.stdout.write("Write and stage this? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


# ---------------------------------------------------------------------- for the first time


def _adopt(
    git: Git,
    hooks: Sequence[Hook],
    plan: Plan,
    today: date,
    stand: Standpoint,
    *,
    raised: bool,
    dry_run: bool,
    yes: bool,
) -> int:
    from ..core.output import show
    from ..core.report import as_text
    from ..scaffold.whole_index import judge_index

    changed = False
    show(_told(plan, today, stand))
    if not plan.files:
        show("There is nothing to adopt.\n")
    elif not _agreed(stand, dry_run=dry_run, yes=yes):
        show("Nothing was changed.\n")
        return 0
    else:
        _carry_out(git, plan)
        changed = True
        show(f"{_count(len(plan.files), 'file', 'files')} written and staged.\n")
    report = judge_index(git, hooks) if plan.files else plan.after
    if plan.debts:
        show(_owed(plan, today, stand))
    blocking = tuple(finding for finding in report.findings if finding.blocks)
    if blocking or report.errors:
        left = report._replace(findings=blocking)
        show("This has to be mended by hand:\n" + as_text(left, stand, changed=changed))
        if any(finding.rule.name == "pickle-weights" for finding in blocking):
            show("A pickle can only be owed where pickles.globals in the policy has all that it looks up: "
                 f"{page('waivers')}\n")  # fmt: skip
        if raised and (owing := waivable(blocking)):
            show(f"What cannot be mended now may have a waiver, to be merged before this policy ({page('waivers')}):\n")
            show("".join(f"{line}\n" for line in waiving(owing, stand)))
    return report.exit_code


def _carry_out(git: Git, plan: Plan) -> None:
    """Write and stage everything; refuses before the first file when one is in the way."""
    for path, data in plan.files.items():
        present = worktree.read_file(git.root, path)
        if present is not None and present != data:
            raise CannotJudge(
                "it is in the work tree and not staged: stage it or move it away; nothing was changed", path
            )
    for path, data in plan.files.items():
        worktree.write_file(git.root, path, data)
    git.add(list(plan.files), ignored=True)
    # A filter for *.json or *.yaml must not touch what was planned: an entry's name is the hash of its bytes.
    entries = git.entries(None)
    planned = {entries[path].oid: path for path in plan.files if path in entries}
    staged = {}
    for blob in git.blobs((oid, False) for oid in planned):
        if blob.content is not None:
            staged[planned[blob.oid]] = blob.content.read_at(0, blob.content.size)
    git.put_all(
        {path: data for path, data in plan.files.items() if path.startswith(assets.AUDIT) and staged.get(path) != data}
    )


_SHOWN = 40


def _shape(plan: Plan, stand: Standpoint) -> Iterator[str]:
    """How many cards there will be, where they are many, and how a folder gets one instead."""
    from ..core.report import command_line
    from ..scaffold.adoption import could_be_one

    found = could_be_one([group for group, _ in plan.cards])
    if found:
        yield f"    {len(plan.cards)} cards. A folder that is one dataset gets one card instead: before this, run"
        for folder, count in found[:3]:
            command = command_line((CUSTODY, "add", "--as-one", RepoPath(folder)), stand)
            yield f"        {command}    (instead of {count})"


def _told(plan: Plan, today: date, stand: Standpoint) -> str:
    from ..core.report import plain, sentence

    lines = []
    if assets.POLICY in plan.files:
        lines.append(f"    {assets.POLICY}: {plan.policy}")
    lines += _shape(plan, stand)
    for found, card in plan.cards[:_SHOWN]:
        covers = f"{len(found.files)} files" if found.is_folder else plain(found.path)
        lines.append(f'    {plain(found.card)}: dataset "{card.id}", {covers}')
        if card.taken is not None:
            lines.append(f"        {sentence(card.taken)}")
    if len(plan.cards) > _SHOWN:
        lines.append(f"    ... and {len(plan.cards) - _SHOWN} more cards")
    if plan.entries:
        lines.append(f"    {_count(plan.entries, 'audit entry', 'audit entries')}: what is there today")
    if plan.debts:
        end = today + timedelta(days=DAYS)
        lines.append(f"    {_count(len(plan.debts), 'waiver', 'waivers')}: what is owed, until {end}")
    if plan.files:
        lines += _beyond(plan, stand)
    return "".join(line + "\n" for line in ["Plan:", *lines]) if lines else ""


def _beyond(plan: Plan, stand: Standpoint) -> Iterator[str]:
    """What will block all the same, because no waiver admits it, and what to do with it."""
    from ..core.report import command_line, plain

    left = [finding for finding in plan.after.findings if finding.blocks]
    pickles = [finding for finding in left if finding.rule.name == "pickle-weights"]
    others = [finding for finding in left if finding not in pickles]
    for said, found in (
        (_count(len(pickles), "pickle", "pickles") + f" that no waiver admits ({page('waivers')})", pickles),
        (f"{_count(len(others), 'problem', 'problems')} {plan.left}", others),
    ):
        if found:
            yield f"    {said}, to be mended before the commit:"
        for finding in found[:_SHOWN]:
            yield f"        {plain(finding.path)}: {finding.rule.name}"
            yield from (f"            {command_line(command, stand)}" for command in finding.fix)
        if len(found) > _SHOWN:
            yield f"        ... and {len(found) - _SHOWN} more"
        # As `check` says it: what is only taken out of git comes back with the next `git add -A`.
        then = {finding.rule.untracked for finding in found if any(f[:3] == _UNTRACK for f in finding.fix)} - {""}
        yield from (f"        then   {said}" for said in sorted(then))


_UNTRACK = ("git", "rm", "--cached")


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _owed(plan: Plan, today: date, stand: Standpoint) -> str:
    from ..core.report import command_line, plain, sentence
    from ..datasets.cards import fields_of, owed
    from .answers import slots_of

    lines = [f"Owed until {today + timedelta(days=DAYS)}:"]
    made = {found.card: found.path for found, _ in plan.cards}
    for debt in sorted(plan.debts, key=lambda debt: debt.findings[0].path):
        first = debt.findings[0]
        said = "; ".join(dict.fromkeys(sentence(finding.message) for finding in debt.findings))
        if first.path in made:
            fields = [finding.message.split('"')[1] for finding in debt.findings if '" is missing' in finding.message]
            said = f"{', '.join(fields)} to be written" if len(fields) == len(debt.findings) else said
        lines.append(f"    {plain(first.path)}: {first.rule.name}: {said}")
        fix = first.fix
        if first.rule.name == "invalid-data-card" and first.path in made:
            lacking = owed(fields_of(plan.files[first.path]))
            words = (word for field in lacking for word in slots_of(field))
            fix = ((CUSTODY, "add", *words, RepoPath(made[first.path])),)
        lines += [f"        fix  {command_line(command, stand)}" for command in fix]
    return "".join(line + "\n" for line in lines)


# ---------------------------------------------------------------------- again


def _shrink(git: Git, hooks: Sequence[Hook], based: str, stand: Standpoint, *, dry_run: bool, yes: bool) -> int:
    """Remove the waivers of the baseline whose findings are gone, and say what is left to do."""
    from datetime import date

    from ..core.cache import Cache
    from ..core.output import show
    from ..core.report import as_text, command_line, plain
    from ..core.runner import read_all_settings
    from ..scaffold.whole_index import judge_index
    from .waivers import rows

    report = judge_index(git, hooks)
    settings = read_all_settings(git, Cache(None), None, hooks)
    baseline = [
        row for row in rows(settings.waivers, report.findings, date.today()) if row.waiver.reason.startswith(OWED)
    ]
    gone = [row.waiver.file for row in baseline if not row.used]
    show(f"{_capital(based)} has a policy, so no new debt is taken on.\n")
    for file in gone:
        show(f"    {plain(file)}: paid, to be removed\n")
    changed = bool(gone) and _agreed(stand, dry_run=dry_run, yes=yes)
    if changed:
        for file in gone:
            git.drop([file])
            if worktree.is_file(git.root, file):
                worktree.remove_file(git.root, file)
        show(f"{_count(len(gone), 'waiver', 'waivers')} removed; the removal is staged.\n")
        report = judge_index(git, hooks)
    left = [row for row in baseline if row.used]
    for row in left:
        waiver = row.waiver
        show(f"    {plain(waiver.path)}: {waiver.rule} is owed until {waiver.expires} ({row.days} days)\n")
        if row.pay is not None:
            show(f"        fix  {command_line(row.pay, stand)}\n")
    blocking = tuple(finding for finding in report.findings if finding.blocks)
    if blocking or report.errors:
        show("What blocks now:\n" + as_text(report._replace(findings=blocking), stand, changed=changed))
        raised = list(before_it_was_raised(git, hooks, stand))
        show("".join(f"{line}\n" for line in raised or (() if baseline else way_back(git, blocking, stand))))
    elif not left:
        show("Nothing is owed.\n")
    return report.exit_code


def _capital(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]
