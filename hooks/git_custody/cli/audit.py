"""`git custody audit`: write, merge, repair, show or verify the audit log."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..core import assets, worktree
from ..core.digests import short
from ..core.findings import CUSTODY, CannotJudge, RepoPath, Slot
from ..core.report import plain, sentence
from ..datasets import survey as surveys
from ..datasets.audit_entries import OPS, entry_id, render
from ..datasets.audit_entries import state as state_of
from ..datasets.audit_log import Log, heads, history, read_log, state_problems
from . import parser
from .answers import Answers, Asker, add_reason, checked, reason_of
from .desk import AUDIT_HOOK, Desk, opened, report

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence


def main(argv: Sequence[str]) -> int:
    """Do to the log what the first argument says; the exit code is 0, 1 (something is wrong or owed) or 2."""
    arguments = parser("audit", "Write, merge, repair, show or verify the audit log of datasets.")
    verbs = arguments.add_subparsers(dest="verb", metavar="VERB", required=True)
    target = "a dataset, by path or by id"
    write = verbs.add_parser("add", help="record a change, or that a dataset is gone", allow_abbrev=False)
    add_reason(write)
    write.add_argument("--op", choices=sorted(OPS), metavar="OP", help=f"what was done: {', '.join(sorted(OPS))}")
    write.add_argument("targets", nargs="+", metavar="DATASET", help=target)
    merge = verbs.add_parser("merge", help="join the ends of a log that two branches continued", allow_abbrev=False)
    add_reason(merge)
    merge.add_argument("targets", nargs="*", metavar="DATASET", help=f"{target}; default: all that need it")
    repair = verbs.add_parser("repair", help="mend what a revert, cherry-pick or rebase left out", allow_abbrev=False)
    add_reason(repair)
    repair.add_argument("targets", nargs="*", metavar="DATASET", help=f"{target}; default: all that need it")
    show = verbs.add_parser("show", help="print the history of datasets", allow_abbrev=False)
    show.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    show.add_argument("targets", nargs="+", metavar="DATASET", help=target)
    verbs.add_parser("verify", help="check all logs, and that no entry was lost", allow_abbrev=False)
    given = arguments.parse_args(argv)
    with opened() as (git, scratch, cache, hooks):
        desk = Desk(git, scratch, cache, hooks)
        desk.take_up_conflicts()
        does = {"add": _add, "merge": _merge, "repair": _repair, "show": _show, "verify": _verify}
        return does[given.verb](desk, given)


def dataset_of(desk: Desk, word: str) -> str:
    """The id of the dataset that a word means: its id, its path, its card, or its log.

    Raises `CannotJudge` when there is none.
    """
    from ..datasets.survey import ids_of_all_cards

    path = desk.named(word)
    if path.startswith(assets.AUDIT):
        return path.removeprefix(assets.AUDIT).partition("/")[0]
    desk.take_up(desk.cards_near(path) if assets.card_name(path) is None else [path])
    for case in (desk.case, desk.head):
        cards = [path] if assets.card_name(path) is not None else list(assets.cards_over(path, case.after))
        inner = f"{path}/datacard.yaml" if path else "datacard.yaml"
        ids = ids_of_all_cards(case)
        for card in (inner, *cards):
            if card in ids:
                return ids[card]
    if surveys.is_id(word) and (word in ids_of_all_cards(desk.case).values() or word in desk.known_logs()):
        return word
    if path not in desk.case.after:
        held = list(_deleted_at(desk, path or "."))
        if len(held) > 1:
            raise CannotJudge(f"several datasets have lain there, so name one by its id: {', '.join(held)}", path)
        if held:
            return held[0]
    raise CannotJudge(f'"{word}" is neither a dataset that has a card, nor the id of one')


def _deleted_at(desk: Desk, path: str) -> Iterator[str]:
    """The datasets without a card whose logs have them at a path: those that end there, else all that were there."""
    logs = [
        log for dataset_id in _staged_logs(desk) if _card(desk, dataset_id) is None for log in [_log(desk, dataset_id)]
    ]
    ended = [log.dataset for log in logs if path in {log.entries[head].path for head in heads(log)}]
    yield from ended or (log.dataset for log in logs if path in {entry.path for entry in log.entries.values()})


def _record(desk: Desk, dataset_id: str, answers: Answers, *, op: str | None = None) -> None:
    """Make card and log of a dataset lead to what is staged."""
    card = _card(desk, dataset_id)
    if card is None:
        _refuse_present(desk, dataset_id)
        desk.deleted(dataset_id, answers.reason)
    else:
        desk.update(card, answers, op=op)


def _refuse_present(desk: Desk, dataset_id: str) -> None:
    """A dataset is not recorded as deleted while its data are there, and lack only their card."""
    last = desk.last_path(dataset_id)
    bare = surveys.left_bare(desk.case, last) if last is not None else None
    if bare is None:
        return
    from ..check_dataset_card import restore

    card = surveys.removed_card(desk.case, bare)
    way = f"bring its card back: {desk.command(*restore(card))}" if card is not None else "give it a card again"
    raise CannotJudge(f"the data of {dataset_id} are still here, so they are not recorded as deleted; {way}", bare)


def _card(desk: Desk, dataset_id: str) -> str | None:
    from ..datasets.survey import ids_of_all_cards

    return next((card for card, found in ids_of_all_cards(desk.case).items() if found == dataset_id), None)


def _answers(desk: Desk, given: Namespace) -> Answers:
    return checked(Answers(reason=reason_of(given)), desk.case.policy, desk.case.today)


def _demand(desk: Desk, verb: str, given: Namespace) -> None:
    op = getattr(given, "op", None)
    desk.demand(("audit", verb), Answers(), ["--op", op] if op else (), (), after=given.targets)


def _add(desk: Desk, given: Namespace) -> int:
    answers = _answers(desk, given)
    for dataset_id in dict.fromkeys(dataset_of(desk, word) for word in given.targets):
        # Whoever asks for an entry wants a log, whatever the policy says.
        question = f"reason for the change of {dataset_id}"
        reason = answers.reason or desk.asker.answer("reason", question, None, _wrong)
        _record(desk, dataset_id, answers._replace(reason=reason), op=given.op)
    _demand(desk, "add", given)
    return report(desk, desk.finish(), [], nothing="nothing to do: the log leads to what is staged already")


def _wrong(text: str) -> str | None:
    from ..datasets.wrong_answers import wrong_text

    return wrong_text(text)


# ---------------------------------------------------------------------- merge and repair


def _log(desk: Desk, dataset_id: str) -> Log:
    return read_log(dataset_id, desk.files_in(desk.case, dataset_id))


def _staged_logs(desk: Desk) -> list[str]:
    paths = (path for path in desk.case.after if path.startswith(assets.AUDIT))
    ids = {path.removeprefix(assets.AUDIT).partition("/")[0] for path in paths}
    return sorted(dataset_id for dataset_id in ids if surveys.is_id(dataset_id))


def _diverged(log: Log) -> bool:
    return len({state_of(log.entries[head]) for head in heads(log)}) > 1


def _merge(desk: Desk, given: Namespace) -> int:
    answers = _answers(desk, given)
    if given.targets:
        ids = list(dict.fromkeys(dataset_of(desk, word) for word in given.targets))
    else:
        ids = _staged_logs(desk)
    ids = [dataset_id for dataset_id in ids if _diverged(_log(desk, dataset_id))]
    for dataset_id in ids:
        card = _card(desk, dataset_id)
        if card is not None and worktree.is_file(desk.git.root, card):
            desk.take_up([card])
        _record(desk, dataset_id, answers)
    _demand(desk, "merge", given)
    return report(desk, desk.finish(), [], nothing="nothing to merge: no log ends in different contents")


def _repair(desk: Desk, given: Namespace) -> int:
    from ..core.output import show

    answers = _answers(desk, given)
    if given.targets:
        ids = list(dict.fromkeys(dataset_of(desk, word) for word in given.targets))
    else:
        ids = sorted(desk.known_logs() | _unlogged(desk))
    # What is sound and only waits for its commit keeps what was said of it.
    torn = {dataset_id: _card(desk, dataset_id) for dataset_id in ids if _is_torn(desk, dataset_id)}
    moved = surveys.moved(desk.case, surveys.survey(desk.case)) if any(torn.values()) else {}
    for card in torn.values():
        if card in moved:
            add = desk.command(CUSTODY, "add", RepoPath(moved[card]))
            desk.notes.append(f"{card} was left behind, and its data moved; to take it along: {add}")
    ids = [dataset_id for dataset_id, card in torn.items() if card not in moved]
    asker, desk.asker = desk.asker, _Silent()
    _mend(desk, ids, answers.reason)
    if desk.changes and answers.reason is None and desk.asker.missing:
        plan = ["the plan:"]
        for change in desk.changes.values():
            verb = "remove" if change.data is None else "write"
            plan.append(f"  {verb:<7} {plain(change.path)} ({sentence(change.told).removesuffix(': missing')})")
        show("".join(line + "\n" for line in plan))
        if not asker.interactive:
            _demand(desk, "repair", given)
        reason = asker.answer("reason", "reason for what was undone or brought over", None, _wrong)
        desk.changes.clear()
        _mend(desk, ids, reason)
    if desk.git.is_shallow:
        show("this clone is shallow: entries that only its missing history has cannot be restored\n")
    return report(desk, desk.finish(), [], nothing="nothing to repair")


class _Silent(Asker):
    """Notes what would have to be asked, so that the plan can be shown first."""

    def __init__(self) -> None:
        super().__init__()
        self.interactive = False


def _unlogged(desk: Desk) -> set[str]:
    """The datasets without a log, where the policy wants one."""
    from ..datasets.survey import ids_of_all_cards

    policy = desk.case.policy
    if policy.level < 3 and AUDIT_HOOK not in policy.also:
        return set()
    return {found for found in ids_of_all_cards(desk.case).values() if surveys.is_id(found)}


def _is_torn(desk: Desk, dataset_id: str) -> bool:
    """Whether a log is broken, lacks entries that were published, or does not lead to what is staged."""
    files = desk.files_in(desk.case, dataset_id)
    log = read_log(dataset_id, files)
    published = desk.published(dataset_id, history=True)
    if log.problems or any(files.get(name) != data for name, data in published.items()):
        return True
    card = _card(desk, dataset_id)
    if card is None:
        return bool(state_problems(log, path=None, digest=None))
    found = surveys.dataset(desk.case, card)
    path = found.path or "."
    return not found.files or bool(state_problems(log, path=path, digest=surveys.digest(desk.case, found)))


def _mend(desk: Desk, ids: Sequence[str], reason: str | None) -> None:
    for dataset_id in ids:
        card = _card(desk, dataset_id)
        found = surveys.dataset(desk.case, card) if card is not None else None
        if card is not None:
            desk.refuse_unmerged(card)
        if found is not None and found.files:
            digest = surveys.digest(desk.case, found)
            if digest is not None:
                desk.record(
                    dataset_id, found.path or ".", digest, reason, whole_history=True,
                    at_head=lambda dataset_id=dataset_id: desk.id_in_head(dataset_id),  # type: ignore[misc]
                )  # fmt: skip
        else:
            desk.refuse_undecided(dataset_id)
            if card is not None:
                desk.remove_card(card)
            else:
                _refuse_present(desk, dataset_id)
            last = desk.last_path(dataset_id) or "."
            desk.record(
                dataset_id, last, None, reason, whole_history=True,
                at_head=lambda dataset_id=dataset_id: desk.id_in_head(dataset_id),  # type: ignore[misc]
            )  # fmt: skip


# ---------------------------------------------------------------------- show and verify


def _show(desk: Desk, given: Namespace) -> int:
    from ..core.output import show

    ids = dict.fromkeys(dataset_of(desk, word) for word in given.targets)
    logs = [_log(desk, dataset_id) for dataset_id in ids]
    code = 1 if any(log.problems for log in logs) else 0
    if given.format == "json":
        import json

        shown: list[dict[str, Any]] = [
            {
                "dataset": log.dataset,
                "entries": [{"id": entry_id(entry), **json.loads(render(entry))} for entry in history(log)],
                "problems": [
                    {"rule": p.rule, "path": plain(p.entry_path or ""), "message": sentence(p.message)}
                    for p in log.problems
                ],
            }
            for log in logs
        ]
        show(json.dumps({"schema_version": 1, "logs": shown}, indent=2) + "\n")
        return code
    lines = []
    for log in logs:
        lines.append(f"{log.dataset}: {_count(len(log.entries), 'entry', 'entries')}")
        for entry in history(log):
            after = short(entry.after.mapping()) if entry.after is not None else "gone"
            lines.append(f"  {entry.time}  {entry.op:<12} {after:<12}  {plain(entry.path)}")
            lines.append(f"      {plain(entry.actor.name)} <{plain(entry.actor.email)}>: {plain(entry.reason)}")
        lines += [f"  {plain(p.entry_path or log.dataset)}: {p.rule}: {sentence(p.message)}" for p in log.problems]
    show("".join(line + "\n" for line in lines))
    return code


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _verify(desk: Desk, given: Namespace) -> int:
    from ..core.changes import Request
    from ..core.output import show
    from ..core.report import as_text, standpoint
    from ..core.runner import judge

    git = desk.git
    hook = next(hook for hook in desk.hooks if hook.id == AUDIT_HOOK)
    judged = judge(git, desk.cache, Request(all=True), desk.hooks, [hook], os.environ)
    lines = as_text(judged, standpoint(git.prefix, os.environ, git.root)).splitlines()[:-1]
    ids = _staged_logs(desk)
    total = sum(len(_log(desk, dataset_id).entries) for dataset_id in ids)
    lost = []
    for dataset_id in sorted(desk.known_logs()):
        here = desk.files_in(desk.case, dataset_id)
        for name, data in desk.published(dataset_id, history=True).items():
            if here.get(name) != data:
                lost.append(f"{assets.AUDIT}{dataset_id}/{name}")
    said = {finding.path for finding in judged.findings}
    lines += [
        f"{plain(path)}: audit-log-rewritten: the history has this entry, and what is staged has not"
        for path in lost if path not in said
    ]  # fmt: skip
    code = max(judged.exit_code, 1 if lost else 0)
    found = f"{_count(total, 'entry', 'entries')} in {_count(len(ids), 'log', 'logs')}"
    mend = desk.command(CUSTODY, "audit", "repair", "--reason", Slot("REASON"))
    lines.append(f"{found}: {'all sound' if code == 0 else f'not all sound; to mend them: {mend}'}")
    if git.is_shallow:
        lines.append(
            "not verified, because this clone is shallow: that no older entry was removed; run: git fetch --unshallow"
        )
    show("".join(line + "\n" for line in lines))
    return code
