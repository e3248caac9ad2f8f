"""Every edit of a dataset comes with an audit entry, and entries stay as they were written.

What it does
    For each dataset that a change touches, replays its log in `.custody/audit/<dataset-id>/` and demands
    that the log ends in the content that is staged, at the path where it is staged. Entries are immutable:
    one file each, named by the hash of its content, linked to the entries before it. In CI the whole range is
    looked at, so that a log and its data cannot be rolled back together.

Why
    LLMSVS 2.6 asks that cleaning and modification of training data can be tracked and audited, because
    poisoned rows come in as an edit like any other, often by somebody who may commit.

Good
    data/train.csv is staged together with
    .custody/audit/support-tickets/4f…c1.json, which says who changed it from which digest to which, and why.

Bad
    data/train.csv is staged alone; an old entry was edited, removed or renamed.

How to fix
    `git custody add --reason TEXT PATH` records an edit. After a merge of two edits:
    `git custody audit merge`. After a revert, cherry-pick or rebase: `git custody audit repair`.

Limits
    The actor and the time in an entry are claims of its author; sign commits to bind them. Whoever may
    rewrite the whole history of the default branch can rewrite the log: protect that branch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .check_dataset_card import add_again, add_new, is_new_id, keeper_of, new_id, restore
from .core import assets
from .core.case import Hook
from .core.findings import CUSTODY, CannotJudge, Finding, RepoPath, Rule, Slot
from .core.trees import GITLINK
from .datasets import survey as surveys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .core.case import Case, Said
    from .core.findings import Command
    from .core.trees import Entry, Tree
    from .datasets.audit_log import LogProblem
    from .datasets.survey import Dataset

MISSING = Rule(
    "missing-audit-entry", ("2.6",), 3,
    "A dataset's content changed without an audit entry.",
    "An edit that nobody recorded cannot be told from a poisoning.",
    "Run `git custody add --reason TEXT PATH`; after a revert, cherry-pick or rebase `git custody audit repair`.",
    "Compares digests and paths; whether the reason is true is for a reviewer.",
    about_content=True,
)  # fmt: skip
ALTERED = Rule(
    "audit-entry-altered", ("2.6",), 3,
    "An audit entry is not what its name and its links say.",
    "A log whose entries can be edited proves nothing.",
    "Restore the entry: `git custody audit repair`, or `git restore --source=HEAD -- ENTRY`.",
    "Judged from the tree alone; entries that vanish are found by audit-log-rewritten.",
    waivable=False,
)  # fmt: skip
REWRITTEN = Rule(
    "audit-log-rewritten", ("2.6", "2.4"), 3,
    "Published audit entries were removed or changed, or a dataset left its log behind.",
    "Rolling back the log and the data together is how a change is made to have never happened.",
    "Run `git custody audit repair`: it restores the entries and records what was undone.",
    "Published is what the upstream branch has, HEAD where there is none, and the base of a range.",
    waivable=False,
)  # fmt: skip
DIVERGED = Rule(
    "audit-heads-diverged", ("2.6",), 3,
    "The audit log ends in two different contents.",
    "Two branches edited this dataset, and nobody has said yet what the result is.",
    "Run `git custody audit merge --reason TEXT PATH`.",
    "Two identical edits are no divergence.",
)  # fmt: skip
RULES = (MISSING, ALTERED, REWRITTEN, DIVERGED)
_BY_NAME = {rule.name: rule for rule in RULES}


def check(case: Case) -> Iterator[Said]:
    """Replay the logs of all datasets in question, and hold them against those that were published."""
    if not case.touches_assets or not any(map(case.enforces, RULES)):
        return
    found = surveys.survey(case)
    moved = surveys.moved(case, found)
    # Where the missing card is waived, this needs a waiver of its own, which is bound to the content.
    bare = [case.after[path] for path in found.undocumented]
    digests = case.sha256(entry for entry in bare if entry.mode != GITLINK)
    folders = surveys.together(case, found)
    for path in found.undocumented:
        folder = folders.get(path)
        fix = _record(path) if path in moved.values() else add_new(case, path, folder, "--reason", Slot("REASON"))
        misnamed = surveys.misnamed_card(found, path)
        digest = digests.get(case.after[path].oid)
        yield Finding(
            MISSING, path, "this dataset has no card, so no audit entry can speak of it", fix=(fix,), digest=digest,
            unless=(
                "missing-data-card", "pickle-weights",
                *(["ambiguous-asset-name"] if surveys.is_ambiguous(path) or not case.holds_content(path) else []),
                *([("invalid-data-card", misnamed)] if misnamed else []),
            ),
        )  # fmt: skip
    logs = _logs(case.after)
    copies = dict(_copies(case, found.datasets))
    current = {d.id: d for d in found.datasets if d.id and d.files and d.card not in copies}
    for card, keeper in copies.items():
        yield _copy(surveys.dataset(case, card), keeper)
    before = _before(case, found.datasets)
    renewed = tuple(_left_behind(case, found.datasets, before, logs))
    echoes = _echoes(case, found, renewed)
    names = set(current) | set(before.values()) | {_id_in(p) for p in case.changed if p.startswith(assets.AUDIT)}
    names |= {d.id for d in found.datasets if d.id and d.card not in moved and d.card not in copies}
    if case.is_whole:
        names |= set(logs)
    elsewhere: dict[str, list[str]] = {}
    for card, found_id in surveys.ids_of_all_cards(case).items() if names - set(current) else ():
        if card not in copies:
            elsewhere.setdefault(found_id, []).append(card)
    if any(dataset.document is None and case.after[dataset.card].is_file for dataset in found.datasets):
        # One of the cards that are not here, as in a partial clone, may be that of a dataset which seems to be gone.
        names &= current.keys() | elsewhere.keys()
    for dataset_id in sorted(names):
        dataset = current.get(dataset_id)
        if dataset is None and (cards := elsewhere.get(dataset_id)):
            dataset = surveys.dataset(case, keeper_of(case, dataset_id, cards) or cards[0])
        yield from _log(case, dataset_id, dataset, logs.get(dataset_id, {}), echoes.get(dataset_id, ()))
    yield from (_new_id(dataset, old) for dataset, old in renewed)
    yield from _rewritten(case)


def _copies(case: Case, datasets: Iterable[Dataset]) -> Iterator[tuple[str, str]]:
    """The cards with an id that belongs to another one, and which that is."""
    by_id: dict[str, list[str]] = {}
    mine = {
        dataset.card: dataset.id for dataset in datasets if dataset.id and dataset.files and is_new_id(case, dataset)
    }
    for card, found_id in surveys.ids_of_all_cards(case).items() if mine else ():
        by_id.setdefault(found_id, []).append(card)
    for card, found_id in mine.items():
        if len(by_id.get(found_id, ())) > 1:
            keeper = keeper_of(case, found_id, by_id[found_id])
            if keeper not in (None, card):
                yield card, keeper


def _copy(dataset: Dataset, keeper: str) -> Finding:
    said = f'its id "{dataset.id}" is that of {keeper}, so the log cannot tell the two apart'
    return Finding(
        MISSING, dataset.shown_path, said, fix=(new_id(dataset.card),), subject="copy",
        unless=(("duplicate-dataset-id", dataset.card),),
    )  # fmt: skip


def _record(path: str) -> Command:
    return (CUSTODY, "add", "--reason", Slot("REASON"), RepoPath(path))


def _echoes(
    case: Case, found: surveys.Survey, renewed: Iterable[tuple[Dataset, str]]
) -> dict[str, tuple[tuple[str, str], ...]]:
    """Ids whose log cannot fit while something else is wrong: id → that rule, and the path where it says so."""
    echoes: dict[str, tuple[tuple[str, str], ...]] = {}
    for dataset in found.datasets:
        if dataset.id and not dataset.files:
            echoes[dataset.id] = (("orphan-data-card", dataset.card),)
    for card, _ in found.misnamed:
        entry = case.after[card]
        document = case.document(entry, "data-card") if entry.is_file else None
        if document is not None and isinstance(document.data, dict):
            echoes[str(document.data.get("id"))] = (("invalid-data-card", card),)
    for dataset, old in renewed:
        echoes[old] = echoes[dataset.id or ""] = ((REWRITTEN.name, dataset.card),)
    return echoes


def _id_in(path: str) -> str:
    return path.removeprefix(assets.AUDIT).partition("/")[0]


def _logs(entries: Tree) -> dict[str, dict[str, Entry]]:
    logs: dict[str, dict[str, Entry]] = {}
    for path in entries.below(assets.AUDIT):
        dataset_id, _, name = path.removeprefix(assets.AUDIT).partition("/")
        logs.setdefault(dataset_id, {})[name] = entries[path]
    return logs


def _before(case: Case, datasets: tuple[Dataset, ...]) -> dict[str, str]:
    """The ids that cards had before the change, for the cards that it touches or whose data it touches."""
    if case.is_whole and not case.changed:
        return {}
    paths = {path for path in case.changed if (n := assets.card_name(path)) and n.kind == "data"}
    ids = {}
    for path in paths:
        entry = case.changed[path].before
        document = case.document(entry, "data-card") if entry and entry.is_file else None
        if document and isinstance(document.data, dict) and surveys.is_id(str(document.data.get("id"))):
            ids[path] = str(document.data["id"])
    return ids


def _log(
    case: Case,
    dataset_id: str,
    dataset: Dataset | None,
    files: Mapping[str, Entry],
    unless: tuple[tuple[str, str], ...],
) -> Iterator[Said]:
    from .datasets.audit_log import bytes_of_log, read_log, state_problems

    try:
        log = read_log(dataset_id, bytes_of_log(case, dataset_id, files))
    except CannotJudge as error:
        yield error
        return
    for problem in log.problems:
        yield _finding(case, problem, dataset, dataset_id)
    digest = None
    if dataset is not None and dataset.files:
        try:
            digest = surveys.digest(case, dataset)
        except CannotJudge as error:
            yield error
            return
    path = (dataset.path or ".") if dataset is not None and digest is not None else None
    if path is not None and not _is_text(path):
        said = "its name is not UTF-8, so no audit entry can speak of it: rename it"
        yield Finding(MISSING, path, said, fix=(("git", "mv", RepoPath(path), Slot("NEW_NAME")),))
        return
    for problem in state_problems(log, path=path, digest=digest):
        if dataset is not None and problem.rule == MISSING.name and log.entries:
            from .datasets.folder_changes import told_changes

            problem = problem._replace(message=problem.message + told_changes(case, dataset))
        yield _finding(case, problem, dataset, dataset_id, digest)._replace(unless=unless)


def _is_text(path: str) -> bool:
    return not any("\udc80" <= c <= "\udcff" for c in path)


def _finding(
    case: Case,
    problem: LogProblem,
    dataset: Dataset | None,
    dataset_id: str,
    digest: Mapping[str, str] | None = None,
) -> Finding:
    rule = _BY_NAME[problem.rule]
    path = dataset.shown_path if dataset is not None else f"{assets.AUDIT}{dataset_id}"
    actual = next(iter(digest.values())) if digest else None
    if problem.entry_path is not None:
        fix: tuple[str | RepoPath | Slot, ...] = (CUSTODY, "audit", "repair", "--reason", Slot("REASON"))
        return Finding(
            rule,
            problem.entry_path,
            problem.message,
            found=problem.found,
            fix=(fix,),
            subject=problem.message,
        )
    if rule is DIVERGED:
        fix = (CUSTODY, "audit", "merge", "--reason", Slot("REASON"), RepoPath(path))
    elif dataset is None and (bare := _left_bare(case, dataset_id)) is not None:
        problem = problem._replace(message=f"its card is gone, and its data are still here: {bare}")
        card = surveys.removed_card(case, bare)
        fix = restore(card) if card is not None else add_new(
            case, bare, None, "--id", dataset_id, "--reason", Slot("REASON")
        )  # fmt: skip
    elif dataset is None:
        fix = (CUSTODY, "audit", "add", "--reason", Slot("REASON"), dataset_id)
    else:
        fix = (*add_again(case, path)[:2], "--reason", Slot("REASON"), RepoPath(path))
    return Finding(
        rule,
        path,
        problem.message,
        found=problem.found,
        fix=(fix,),
        digest=actual,
        subject=actual or "absent",
        unless=("pickle-weights",),
    )


def _left_bare(case: Case, dataset_id: str) -> str | None:
    """The data of a dataset without a card, where its log ends."""
    from .datasets.audit_log import bytes_of_log, heads, read_log

    log = read_log(dataset_id, bytes_of_log(case, dataset_id, case.after.files_below(f"{assets.AUDIT}{dataset_id}/")))
    found = (surveys.left_bare(case, log.entries[head].path) for head in heads(log))
    return next((path for path in found if path is not None), None)


def _left_behind(
    case: Case,
    datasets: tuple[Dataset, ...],
    before: Mapping[str, str],
    logs: Mapping[str, Mapping[str, Entry]],
) -> Iterator[tuple[Dataset, str]]:
    """A path keeps its dataset id: a new one would leave the history, that of the old id, behind."""
    renewed = []
    for dataset in datasets:
        if dataset.id is None or not dataset.files:
            continue
        old = before.get(dataset.card)
        if old is not None and old != dataset.id:
            yield dataset, old
        elif old is None and dataset.card in case.changed:
            renewed.append(dataset)
    if not renewed:
        return
    ends = _ends(case, logs)
    for dataset in renewed:
        for old in sorted(ends.get(dataset.path or ".", ())):
            if old != dataset.id:
                yield dataset, old


def _new_id(dataset: Dataset, old: str) -> Finding:
    said = f'this path belongs to the dataset "{old}", whose history a card with id "{dataset.id}" would leave behind'
    line = dataset.document.lines.get("/id") if dataset.document else None
    fix = (CUSTODY, "card", "update", "--id", old, RepoPath(dataset.card))
    return Finding(REWRITTEN, dataset.card, said, line, fix=(fix,), subject=old)


def _ends(case: Case, logs: Mapping[str, Mapping[str, Entry]]) -> dict[str, set[str]]:
    """Where the logs end: path → dataset ids whose last entries are about it."""
    from .datasets.audit_log import bytes_of_log, heads, read_log

    ends: dict[str, set[str]] = {}
    for dataset_id, files in logs.items():
        log = read_log(dataset_id, bytes_of_log(case, dataset_id, files))
        for head in heads(log):
            ends.setdefault(log.entries[head].path, set()).add(dataset_id)
    return ends


def _rewritten(case: Case) -> Iterator[Finding]:
    from .datasets.audit_log import missing_entries

    fix = ((CUSTODY, "audit", "repair", "--reason", Slot("REASON")),)
    said: set[str] = set()
    for name, commit in case.published:
        changes = [change for change in case.changed_since(commit, assets.AUDIT) if change.before is not None]
        before = {change.path: change.before.oid for change in changes if change.before}
        after = {change.path: change.after.oid for change in changes if change.after}
        lost = missing_entries(before, after)
        if lost:
            lost = missing_entries(before, after, _broken(case, commit, {_id_in(one.path) for one in lost}))
        for one in lost:
            if one.path not in said:
                said.add(one.path)
                yield Finding(REWRITTEN, one.path, f"this audit entry, which {name} has, was {one.change}", fix=fix)


def _broken(case: Case, commit: str, dataset_ids: set[str]) -> Iterator[LogProblem]:
    """What was wrong in the published logs already: a broken log could never be mended otherwise."""
    from .datasets.audit_log import bytes_of_log, read_log

    for dataset_id in sorted(dataset_ids):
        files = _logs(case.entries_of(commit, assets.AUDIT + dataset_id)).get(dataset_id, {})
        yield from read_log(dataset_id, bytes_of_log(case, dataset_id, files)).problems


HOOK = Hook("check-dataset-audit-log", "dataset edits are recorded in an append-only log", 3, RULES, check)


def main() -> int:
    """The hook's program."""
    from .catalog import main_of

    return main_of(HOOK.id)


if __name__ == "__main__":
    raise SystemExit(main())
