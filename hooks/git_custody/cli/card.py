"""`git custody card`: new, update, show or mv of a data card."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..core import assets, spelling, worktree
from ..core.findings import CUSTODY, CannotJudge, RepoPath
from ..core.report import plain, sentence
from ..datasets import survey as surveys
from . import card_export, parser
from .answers import Answers, add_options, add_reason, checked, from_options, reason_of
from .desk import Desk, opened, report

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Sequence

    from ..core.trees import Entry


def main(argv: Sequence[str]) -> int:
    """Do to a card what the first argument says; the exit code is 0, 1 (something is owed) or 2."""
    arguments = parser("card", "Write a data card, make it fit, print, export or move it.")
    verbs = arguments.add_subparsers(dest="verb", metavar="VERB", required=True)
    new = verbs.add_parser("new", help="describe a file or folder that has no card yet", allow_abbrev=False)
    add_options(new)
    new.add_argument("path", metavar="PATH", help="the file, or the folder that is one dataset")
    update = verbs.add_parser("update", help="make cards fit their content, or change fields", allow_abbrev=False)
    add_options(update, reason=False)
    update.add_argument("paths", nargs="+", metavar="PATH", help="a dataset or its card")
    show = verbs.add_parser("show", help="print what a card says and whether it fits", allow_abbrev=False)
    show.add_argument("--statement", action="store_true", help="print what an SSH signature of a dataset is over")
    show.add_argument("paths", nargs="+", metavar="PATH", help="a dataset or its card")
    move = verbs.add_parser("mv", help="move data and card together", allow_abbrev=False)
    add_reason(move)
    move.add_argument("old", metavar="OLD")
    move.add_argument("new", metavar="NEW")
    card_export.add_parser(verbs)
    given = arguments.parse_args(argv)
    with opened() as (git, scratch, cache, hooks):
        desk = Desk(git, scratch, cache, hooks)
        verbs_of = {"new": _new, "update": _update, "show": _show, "mv": _move, "export": card_export.export}
        return verbs_of[given.verb](desk, given)


def _new(desk: Desk, given: Namespace) -> int:
    from .add import add

    answers = checked(from_options(given), desk.case.policy, desk.case.today)
    folder = os.path.isdir(worktree.full_path(desk.git.root, desk.named(given.path)))
    return add(desk, [given.path], answers, as_one=folder, verb=("card", "new"), only_new=True)


def _update(desk: Desk, given: Namespace) -> int:
    from ..core.runner import rooted

    answers = checked(from_options(given), desk.case.policy, desk.case.today)
    # A conflict over a card that both sides moved, or that the user has removed, leaves no file to be mended.
    gone = [path for path in sorted(desk.git.unmerged()) if desk.is_conflict_over_nothing(path)]
    for path in gone:
        desk.remove_card(path, "conflict settled: it is not in the work tree")
    if gone:
        desk.scratch.drop(gone)
        desk.reopen()
    cards = cards_of(desk, [name for name in given.paths if rooted(name, desk.git) not in gone])
    if answers.describe and len(cards) > 1:
        raise CannotJudge("fields can be set on one card at a time; nothing was changed")
    for card in cards:
        desk.update(card, answers, log=False, keep_id=False)
    return report(desk, desk.finish(), [], nothing="nothing to do: what is staged fits")


def cards_of(desk: Desk, names: Sequence[str]) -> list[str]:
    """The cards that the user's words mean, taken up from the work tree: themselves, or a dataset's nearest.

    Raises `CannotJudge` for a path that has none.
    """
    paths = [desk.named(name) for name in names]
    near = [card for path in paths for card in (path, *desk.cards_near(path))]
    if any(not path or os.path.isdir(worktree.full_path(desk.git.root, path)) for path in paths):
        near += [f"{path}/datacard.yaml" if path else "datacard.yaml" for path in paths]
    desk.take_up(card for card in near if _is_card(card) and worktree.is_file(desk.git.root, card))
    return list(dict.fromkeys(_card_of(desk, path) for path in paths))


def _is_card(path: str) -> bool:
    name = assets.card_name(path)
    return name is not None and name.kind == "data" and name.well_named


def _card_of(desk: Desk, path: str) -> str:
    after = desk.case.after
    if _is_card(path):
        if path not in after:
            raise CannotJudge("there is no such card", path)
        return path
    inner = f"{path}/datacard.yaml" if path else "datacard.yaml"
    over = (inner,) if inner in after else assets.cards_over(path, after)
    if not over:
        make = desk.command(CUSTODY, "add", RepoPath(path or "."))
        raise CannotJudge(f"it has no data card; to make one: {make}", path or ".")
    return over[0]


# ---------------------------------------------------------------------- show


def _show(desk: Desk, given: Namespace) -> int:
    from ..core.output import show

    code = 0
    lines: list[str] = []
    cards = cards_of(desk, given.paths)
    if given.statement:
        show("".join(_statement(desk, card) for card in cards))
        return 0
    for card in cards:
        fits, told = _told(desk, card)
        code = max(code, 0 if fits else 1)
        lines += told
    show("".join(line + "\n" for line in lines))
    return code


def _statement(desk: Desk, card: str) -> str:
    from ..datasets.signatures import statement

    found = surveys.dataset(desk.case, card)
    data = found.document.data if found.document else None
    content = data.get("content") if isinstance(data, dict) else None
    digest = surveys.digest(desk.case, found)
    if found.id is None or digest is None or not isinstance(content, dict) or digest != content.get("digest"):
        fix = desk.command(CUSTODY, "add", RepoPath(found.shown_path))
        raise CannotJudge(f"what is staged does not fit this card, so there is nothing to sign yet: {fix}", card)
    return statement(found.id, digest).decode("ascii")


def _told(desk: Desk, card: str) -> tuple[bool, list[str]]:
    found = surveys.dataset(desk.case, card)
    lines = [plain(card)]
    if found.document is None:
        raise CannotJudge("a data card has to be a plain file that git has here", card)
    lines += [f"    line {p.line or 1}: {sentence(p.message)}" for p in found.document.problems]
    data = found.document.data if isinstance(found.document.data, dict) else {}
    lines += [f"    {name + ' ':<18}{sentence(value)}" for name, value in _flat(data)]
    if not found.files:
        return False, [*lines, f"    it speaks of {plain(found.path or '.')}, which is not tracked"]
    digest = surveys.digest(desk.case, found)
    content = data.get("content")
    recorded = content.get("digest") if isinstance(content, dict) else None
    ((algorithm, digits),) = (digest or {"content": "a link, which has no digest"}).items()
    count = f" ({len(found.files)} files)" if found.is_folder else ""
    if digest is not None and digest == recorded:
        lines.append(f"    what is staged{count} fits this card")
        return not found.document.problems, lines
    return False, [*lines, f"    what is staged does not fit this card: {algorithm} {digits}"]


def _flat(data: dict[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield above + str(key), "" if value is None else str(value)


# ---------------------------------------------------------------------- mv


def _move(desk: Desk, given: Namespace) -> int:
    from ..core.runner import rooted

    git = desk.git
    old, new = rooted(given.old, git), rooted(given.new, git)
    # After git mv, a card can be all that has the old spelling; and the new spelling is what is asked for.
    if assets.sidecar(old) not in desk.case.after:
        old = desk.named(given.old)
    if (above := os.path.dirname(new)) and (folder := desk.named(os.path.join(git.root, above))) != above:
        new = f"{folder}/{os.path.basename(new)}"

    def is_taken(new: str, old: str) -> bool:
        return worktree.exists(git.root, new) and not spelling.is_same(git.root, new, old)

    if os.path.isdir(worktree.full_path(git.root, new)) and is_taken(new, old):
        new = desk.named(given.new)
        new = f"{new}/{old.rpartition('/')[2]}" if new else old.rpartition("/")[2]
    after = desk.case.after
    if old not in after and f"{old}.dvc" in after:
        old, new = f"{old}.dvc", new if new.endswith(".dvc") else f"{new}.dvc"
    if old.endswith(".dvc") and old.rpartition("/")[2] != new.rpartition("/")[2]:
        add = desk.command(CUSTODY, "add", RepoPath(old), RepoPath(new))
        raise CannotJudge(f"a .dvc file names its data: rename both with dvc move, then run: {add}", old)
    # After git mv, the card is what is left to be moved.
    moves = [(old, new)]
    if not any(path == old or path.startswith(old + "/") for path in after):
        if assets.sidecar(old) not in after or new not in after or is_taken(old, new):
            raise CannotJudge("git does not track it, so there is nothing to move", old)
        moves = []
    elif is_taken(new, old):
        raise CannotJudge("something is there already; nothing was changed", new)
    if (old in after or not moves) and assets.sidecar(old) in after:
        moves.append((assets.sidecar(old), assets.sidecar(new)))
        if is_taken(assets.sidecar(new), assets.sidecar(old)):
            raise CannotJudge("something is there already; nothing was changed", assets.sidecar(new))
    answers = checked(Answers(reason=reason_of(given)), desk.case.policy, desk.case.today)
    moves += [(old + end, new + end) for end in (".sig", ".sigstore.json") if old + end in after]
    pairs = {
        path: (there + path[len(here) :], entry)
        for path, entry in after.items() for here, there in moves
        if path == here or path.startswith(here + "/")
    }  # fmt: skip
    _plan(desk, pairs)
    affected = {card for path in pairs for card in assets.cards_over(path, desk.case.after)}
    affected |= {card for path, _ in pairs.values() for card in assets.cards_over(path, desk.case.after)}
    affected |= {path for path, _ in pairs.values() if _is_card(path)}
    for card in sorted(affected):
        desk.update(card, answers)
    desk.demand(("card", "mv"), answers, (), [old, new])
    for here, there in moves:
        worktree.make_folder(git.root, there)
        if here not in after and spelling.is_same(git.root, here, there):
            # To git mv this would be a folder moved into itself.
            worktree.rename(git.root, here, there)
            git.relocate({path: pair for path, pair in pairs.items() if path.startswith(here + "/")})
        else:
            git.move(here, there)
    done = [f"moved    {plain(here)} to {plain(there)}" for here, there in moves]
    try:
        done += desk.finish()
    except CannotJudge as error:
        raise CannotJudge(f"{error.message}; {old} was moved before", error.path, error.line, error.fix) from None
    return report(desk, done, [new, old])


def _plan(desk: Desk, pairs: dict[str, tuple[str, Entry]]) -> None:
    """Move the entries in the scratch index; cards as they are in the work tree."""
    desk.scratch.relocate(pairs)
    for path, (there, _) in pairs.items():
        if _is_card(path) and (text := worktree.read_file(desk.git.root, path)) is not None:
            desk.scratch.put(there, text)
    desk.reopen()
