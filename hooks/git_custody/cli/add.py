"""`git custody add`: `git add` that also does the paperwork."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core import assets, worktree
from ..core.findings import CUSTODY, CannotJudge, RepoPath
from ..core.report import plain
from ..datasets import survey as surveys
from ..datasets.weak_names import locked
from . import parser, pickles
from .answers import Answers, add_options, checked, from_options
from .appending import refuse_edited
from .bench import stage_all
from .desk import Desk, opened, report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..core.case import Case

_DESCRIPTION = """\
Stage files as `git add` does, and do the paperwork of the datasets among them: the card is made or updated,
the audit entry written, everything staged. Ends with a list of what was done and what is still owed.

A folder counts as every dataset below it: those with a card as they are; several without one are one
dataset with --as-one. Missing answers are asked for on a terminal.

A checkpoint that is a pickle is converted to safetensors, which is staged in its place; so is one that is owed, with a
waiver, if it is named itself. Models that would be blocked are not staged."""

_OPS = ("append", "clean", "modify", "redact", "relabel")


def main(argv: Sequence[str]) -> int:
    """Add what the arguments name; the exit code is 0, 1 (something is owed) or 2 (nothing was changed)."""
    arguments = parser("add", _DESCRIPTION)
    add_options(arguments)
    arguments.add_argument("--as-one", action="store_true", help="make one card for the whole folder")
    arguments.add_argument(
        "--op", metavar="OP", choices=_OPS, help=f"what was done with data that have a card: {', '.join(_OPS)}"
    )
    arguments.add_argument("paths", nargs="+", metavar="PATH", help="file or folder, taken literally")
    given = arguments.parse_args(argv)
    with opened() as (git, scratch, cache, hooks):
        desk = Desk(git, scratch, cache, hooks)
        answers = checked(from_options(given), desk.case.policy, desk.case.today)
        words = [*(["--as-one"] if given.as_one else []), *(["--op", given.op] if given.op else [])]
        return add(desk, given.paths, answers, as_one=given.as_one, verb=("add",), words=words, op=given.op)


def add(
    desk: Desk,
    names: Sequence[str],
    answers: Answers,
    *,
    as_one: bool = False,
    verb: Sequence[str],
    words: Sequence[str] = (),
    only_new: bool = False,
    op: str | None = None,
) -> int:
    """Do the paperwork for paths as the user typed them; `only_new` refuses a dataset that has a card. `op` is what was
    done with those that have one, for the audit log.
    """
    from ..core.output import show
    from ..core.runner import rooted

    git = desk.git
    paths = list(dict.fromkeys(desk.named(name) for name in names))
    typed = [path for path in (rooted(name, git) for name in names) if assets.sidecar(path) in desk.case.after]
    changed = {change.path for change in desk.case.change_set.changes if change.after is not None}
    refused = dict(pickles.found(desk, paths, (p for path in paths for p in _below(path, changed))))
    kept = [path for path in paths if path not in refused]
    # The root has no name of its own in a literal pathspec.
    staged = [locked(desk.case, path) or path or "." for path in paths]
    if refused:
        named = [path for path in kept if worktree.is_file(git.root, path)]
        staged = sorted({*named, *git.would_add(staged)} - refused.keys())
    staged = _still_there(desk, staged)
    stage_all(desk.scratch, staged)
    desk.reopen()
    if not desk.case.policy.exists and worktree.is_file(git.root, assets.POLICY):
        stage = desk.command("git", "add", RepoPath(assets.POLICY))
        show(f"note: {assets.POLICY} is not staged, so it does not count yet; first: {stage}\n")
    desk.take_up(_cards(desk, kept))
    # A card without its data may have just the other spelling, as after a rename.
    _papers(desk, [*kept, *(path for path in typed if path not in paths)], answers, as_one, only_new, op)
    desk.demand(verb, answers, words, paths)
    done = desk.finish(staged)
    quiet = bool(refused)
    if refused:
        converted = pickles.convert(desk, refused)
        kept += converted.staged
        refused = {path: said for path, said in refused.items() if path in converted.refused}
        for path in [path for path, said in refused.items() if said.waived_by is not None]:
            del refused[path]
            kept.append(path)
            desk.notes.append(f"{path} is not converted: {converted.refused[path][0]}")
        if refused:
            pickles.explain(desk, refused, converted.refused)
    code = report(desk, done, kept, quiet=quiet) if kept else 0
    return max(code, 1) if refused else code


def _still_there(desk: Desk, staged: Sequence[str]) -> list[str]:
    """The paths for `git add`: those of a deletion that is staged already it would not know any more."""
    known = desk.case.after
    before = desk.head.after
    wanted = []
    for path in staged:
        prefix = "" if path == "." else path + "/"
        gone = not worktree.exists(desk.git.root, path) and path not in known and path not in desk.git.unmerged()
        gone = gone and not any(p.startswith(prefix) for p in known)
        if not (gone and (path in before or any(p.startswith(prefix) for p in before))):
            wanted.append(path)
    return wanted


# ---------------------------------------------------------------------- which datasets are meant


def _below(path: str, entries: Iterable[str]) -> Iterator[str]:
    prefix = path + "/" if path else ""
    return (p for p in entries if p == path or p.startswith(prefix))


def _cards(desk: Desk, paths: Sequence[str]) -> Iterator[str]:
    """The cards in the work tree that are about the paths, or among them."""
    unmerged = desk.git.unmerged()
    likely: dict[str, None] = {}
    for path in paths:
        likely[f"{path}/datacard.yaml" if path else "datacard.yaml"] = None
        for near in (path, *_below(path, desk.case.after), *_below(path, unmerged)):
            name = assets.card_name(near)
            if name is not None:
                if name.kind == "data" and name.well_named:
                    likely[near] = None
            elif not assets.is_paperwork(near):
                likely.update(dict.fromkeys((assets.sidecar(near), *assets.folder_cards(near))))
    return (card for card in likely if worktree.is_file(desk.git.root, card))


def _papers(desk: Desk, paths: Sequence[str], answers: Answers, as_one: bool, only_new: bool, op: str | None) -> None:
    case = desk.case
    cards: dict[str, None] = {}
    described: set[str] = set()
    new: dict[str, bool] = {}
    lost: dict[str, None] = {}
    for path in paths:
        name = assets.card_name(path)
        subject = name.subject if name is not None and name.kind == "data" and path not in case.after else path
        inside = list(_below(subject, case.after))
        undocumented = []
        if locked(case, subject) is not None:
            described |= {path, assets.sidecar(subject)}
            if assets.sidecar(subject) in case.after:
                cards[assets.sidecar(subject)] = None
            else:
                new[subject] = False
            continue
        # What was said is about the path itself, and not about everything that happens to lie below it.
        described |= {path, assets.sidecar(subject), f"{subject}/datacard.yaml".lstrip("/")}
        for file in inside:
            found = assets.card_name(file)
            if found is not None:
                if found.kind == "data" and found.well_named:
                    cards[file] = None
            elif not assets.is_paperwork(file):
                over = assets.cards_over(file, case.after)
                cards.update(dict.fromkeys(over))
                if file == subject and (answers.describe or only_new):
                    if assets.sidecar(file) not in over:
                        undocumented.append(file)
                elif not over and _is_dataset(case, file):
                    undocumented.append(file)
        if name is None:
            cards.update(dict.fromkeys(assets.cards_over(subject, case.after)))
        for file in _below(subject, desk.head.after):
            if file not in case.after and not assets.is_paperwork(file):
                cards.update(dict.fromkeys(assets.cards_over(file, case.after)))
        is_folder = subject not in case.after
        if as_one and is_folder and inside:
            folder_card = f"{subject}/datacard.yaml" if subject else "datacard.yaml"
            if folder_card not in case.after:
                new[subject] = True
        else:
            # What was moved has its card already.
            moved = set(surveys.moved(case, surveys.survey(case)).values()).intersection(undocumented)
            new.update(dict.fromkeys(sorted(moved), False))
            rest = [file for file in undocumented if file not in moved]
            new.update(_together(desk, subject, rest) if len(rest) > 1 and is_folder else dict.fromkeys(rest, False))
        lost.update(dict.fromkeys(_lost(desk, subject)))
    if only_new and cards and not new:
        card = next(iter(cards))
        raise CannotJudge(
            f"it has a card; to mend that: {desk.command(CUSTODY, 'card', 'update', RepoPath(card))}", card
        )
    if len(new) > 1 and (answers.title or answers.id) and not desk.asker.interactive:
        raise CannotJudge(
            f"{len(new)} datasets have no card ({', '.join(plain(p) for p in list(new)[:5])}), and one "
            "--title or --id cannot speak of them all: add them one at a time, or their folder with "
            "--as-one; nothing was changed"
        )
    for subject, as_folder in new.items():
        desk.new_card(subject, as_folder, answers)
    for card in cards:
        if card not in desk.changes:
            if op == "append":
                refuse_edited(desk, card)
            named = card in described
            desk.update(card, answers if named else Answers(reason=answers.reason), op=op, complete=named)
    for dataset_id in lost:
        desk.gone(dataset_id, answers.reason)


def _is_dataset(case: Case, path: str) -> bool:
    if assets.cards_over(path, case.after, "model"):
        return False
    kind = assets.classify(path, case.policy.datasets, case.policy.models)
    if kind == "large dataset":
        entry = case.after[path]
        return case.sizes([entry]).get(entry.oid, assets.SIZE_FLOOR) >= assets.SIZE_FLOOR
    return kind == "dataset"


def _together(desk: Desk, folder: str, files: Sequence[str]) -> dict[str, bool]:
    """Several files of a folder have no card: whether they are one dataset, only a person can say."""
    shown = plain(folder or ".")
    if desk.asker.interactive:
        one = desk.asker.agrees(f"{len(files)} files below {shown} have no card. Are they one dataset?")
        return {folder: True} if one else dict.fromkeys(files, False)
    raise CannotJudge(
        f"{len(files)} files below it have no card: add --as-one if they are one dataset, else add them one "
        "at a time; nothing was changed",
        folder or ".",
    )


def _lost(desk: Desk, path: str) -> Iterator[str]:
    """The ids of the datasets at or below a path that HEAD has, and whose cards are gone from the index."""
    before, after = desk.head.after, desk.case.after
    cards: dict[str, None] = {}
    for file in _below(path, before):
        if file not in after:
            name = assets.card_name(file)
            if name is not None and name.kind == "data":
                cards[file] = None
            elif not assets.is_paperwork(file):
                cards.update(dict.fromkeys(assets.cards_over(file, before)))
    for card in cards:
        if card not in after and before[card].is_file:
            document = desk.head.document(before[card], "data-card")
            data = document.data if document is not None else None
            if isinstance(data, dict) and isinstance(data.get("id"), str):
                yield data["id"]
