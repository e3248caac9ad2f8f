"""Where commands work: planned on a copy of the index, then written all at once."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ..core import assets, spelling, worktree
from ..core.findings import CannotJudge, RepoPath
from ..core.report import plain, sentence
from ..core.trees import fold
from .answers import Asker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..core.cache import Cache
    from ..core.case import Case, Hook
    from ..core.findings import Slot
    from ..core.git import Git
    from ..core.report import Standpoint
    from .answers import Answers

_SHOWN = 20


class Change(NamedTuple):
    """One file to be written (`data` None: removed), and how it is told."""

    path: str
    data: bytes | None
    told: str


@contextmanager
def opened() -> Iterator[tuple[Git, Git, Cache, Sequence[Hook]]]:
    """The repository, its copy with a scratch index, the cache, and all hooks.

    Raises `CannotJudge` where there is no work tree.
    """
    from ..catalog import load_all
    from ..core.cache import Cache
    from ..core.git import Git

    cache = Cache.of_user(os.environ)
    try:
        with Git() as git:
            if git.is_bare:
                raise CannotJudge("this repository has no work tree, so there is nothing to add to")
            with git.scratch() as scratch:
                yield git, scratch, cache, load_all()
    finally:
        cache.close()


class Bench:
    """A repository, what is going to be changed in it, and what that concerns.

    `case` is the scratch index, `head` is HEAD. Nothing but `finish` changes the repository.
    """

    def __init__(self, git: Git, scratch: Git, cache: Cache, hooks: Sequence[Hook], asker: Asker | None = None) -> None:
        from ..core.session import open_head, open_index

        self.git = git
        self.scratch = scratch
        self.cache = cache
        self.hooks = hooks
        self.asker = asker or Asker()
        self.changes: dict[str, Change] = {}
        self.concerned: list[str] = []
        # What the user should know besides, a sentence each.
        self.notes: list[str] = []
        # The datasets for which a reason was given, and nothing had to be recorded.
        self.untouched: list[str] = []
        self.case: Case = open_index(scratch, cache, hooks)
        self.head = open_head(git, cache, self.case)
        self.real = {change.path: change.after for change in git.merged(git.empty_tree)}
        # Cards that moved with their data, and ids that were given away in this run.
        self._moved: set[str] = set()
        self.taken: set[str] = set()

    def reopen(self) -> None:
        """Look at the scratch index again."""
        from ..core.session import open_index

        self.case = open_index(self.scratch, self.cache, self.hooks)

    def named(self, word: str) -> str:
        """The path that the user means by a word, as git has it."""
        from ..core.runner import rooted

        return spelling.as_tracked(self.git.root, rooted(word, self.git), self.case.after)

    def demand(
        self, verb: Sequence[str], answers: Answers, words: Sequence[str], paths: Sequence[str],
        after: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """Raise `CannotJudge` when answers are missing, with the whole command that gives them."""
        command = self.asker.demand(verb, answers, words, paths)
        if command is not None:
            line = self.command(*command, *after)
            raise CannotJudge(
                f"nothing was changed, because these answers are missing: {self.asker.missing}; run: {line}"
            )

    def command(self, *words: str | RepoPath | Slot) -> str:
        """A command for a sentence, as it can be pasted where the user stands."""
        from ..core.report import command_line, standpoint

        return command_line(words, standpoint(self.git.prefix, os.environ, self.git.root))

    def finish(self, staged: Sequence[str] = ()) -> list[str]:
        """Stage `staged` as `git add` does, write and stage all changes; give what was done, a line each.

        Raises `CannotJudge`, saying what was done before, when something cannot be written.
        """
        done: list[str] = []
        try:
            for path in self.changes:
                worktree.read_file(self.git.root, path)  # refuses what could not be written
            self._refuse_twins()
            if staged:
                before = {change.path: change.after for change in self.git.merged(self.git.empty_tree)}
                stage_all(self.git, staged)
                after = {change.path: change.after for change in self.git.merged(self.git.empty_tree)}
                paths = sorted(path for path in {**before, **after} if before.get(path) != after.get(path))
                done += _few([f"staged   {plain(path)}" for path in paths if path not in self.changes])
            self._write(done)
        except CannotJudge as error:
            told = ", ".join(" ".join(line.split()) for line in done)
            so_far = f"; done before that: {told}" if done else "; nothing was changed"
            raise CannotJudge(error.message + so_far, error.path, error.line, error.fix) from None
        return done

    def _refuse_twins(self) -> None:
        """Raise `CannotJudge` where writing a file would overwrite another, which differs from it only in spelling."""
        new = [change.path for change in self.changes.values() if change.data is not None]
        for path, twin in spelling.tracked_twins(self.git.root, new, self.case.after).items():
            if twin not in self.changes:
                move = self.command("git", "mv", RepoPath(twin), RepoPath(path))
                raise CannotJudge(f"here this is the same file as {twin}, which git tracks; rename that: {move}", path)

    def _write(self, done: list[str]) -> None:
        """Write new files, stage them, and only then remove old ones; `done` grows by what was done."""
        root = self.git.root
        new = {change.path: change.data for change in self.changes.values() if change.data is not None}
        gone = [change for change in self.changes.values() if change.data is None]
        # Where the file system takes both for one, git would stage the new name as the old one.
        self.git.drop([change.path for change in gone if any(fold(change.path) == fold(path) for path in new)])
        for path, data in new.items():
            worktree.write_file(root, path, data)
            done.append(f"wrote    {plain(path)} ({sentence(self.changes[path].told)})")
        self.git.add(list(new), ignored=True)
        if new:
            # A filter for *.json must not touch an entry: its bytes are what its name is the hash of. And git silently
            # leaves out what it is asked for in another spelling than the disk's.
            there = self.git.entries(None, list(new))
            entries = [path for path in new if path.startswith(assets.AUDIT)]
            other = [path for path in entries if path not in there or self.git.read(there[path].oid) != new[path]]
            self.git.put_all({path: new[path] for path in {*other, *(new.keys() - there.keys())}})
        self.git.drop([change.path for change in gone])
        kept = spelling.tracked_twins(root, [change.path for change in gone], self.git.entries(None)) if gone else {}
        for change in gone:
            # What a person wrote and did not commit is nowhere else: it stays in the work tree.
            ours = change.path.startswith(assets.AUDIT) or change.path in self._moved
            ours = ours or worktree.read_file(root, change.path) == self._committed(change.path)
            if ours and change.path not in kept:
                worktree.remove_file(root, change.path)
            done.append(f"removed  {plain(change.path)} ({sentence(change.told)})")

    def _staged(self, path: str) -> bytes | None:
        """What the real index has at a path."""
        entry = self.real.get(path)
        return self.git.read(entry.oid) if entry is not None and entry.is_file else None

    def _committed(self, path: str) -> bytes | None:
        entry = self.head.after.get(path)
        return self.git.read(entry.oid) if entry is not None and entry.is_file else None


def stage_all(git: Git, paths: Sequence[str]) -> None:
    """Stage paths as `git add` does, and what is tracked although it is ignored, which `git add` refuses to look at."""
    try:
        git.add(paths)
    except CannotJudge:
        hidden = git.ignored(paths)
        tracked = list(git.entries(None, list(hidden))) if hidden else []
        if not tracked:
            raise
        git.add(tracked, ignored=True)
        git.add([path for path in paths if not any(file == path or file.startswith(f"{path}/") for file in tracked)])


def _few(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _SHOWN else [*lines[: _SHOWN - 1], f"... and {len(lines) - _SHOWN + 1} more"]


def report(
    bench: Bench,
    done: Sequence[str],
    paths: Sequence[str],
    *,
    nothing: str = "nothing to do",
    quiet: bool = False,
) -> int:
    """Print what was done and what is still owed for these paths; give the exit code."""
    from ..core.changes import Request
    from ..core.output import show
    from ..core.report import as_text, command_line, standpoint
    from ..core.runner import judge

    git = bench.git
    lines = list(done) or ([] if quiet else [nothing])
    code = 0
    noted: tuple[str, ...] = ()
    stand = standpoint(git.prefix, os.environ, git.root)
    try:
        about = tuple(dict.fromkeys([*paths, *bench.concerned]))
        lines += _few(_paid(bench, about))
        judged = judge(git, bench.cache, Request(staged=True, paths=about), bench.hooks, bench.hooks, os.environ)
        waived = _waived(bench, about, stand, paths)
    except CannotJudge as error:
        place = f"{plain(error.path)}: " if error.path else ""
        lines.append(f"what is still owed cannot be told yet: {place}{sentence(error.message)}")
        lines += [f"    fix    {command_line(command, stand)}" for command in error.fix]
    else:
        code, noted = judged.exit_code, judged.notes
        if owed := as_text(judged._replace(notes=()), stand).splitlines()[:-1]:
            lines += ["still owed:", *(f"  {line}" for line in owed)]
        if waived:
            lines += ["still owed, but waived:", *(f"  {line}" for line in _few(waived))]
    notes = (*bench.notes, *_untouched(bench.untouched), *noted)
    lines += [f"note: {sentence(note)}" for note in notes]
    show("".join(line + "\n" for line in lines))
    return code


def _untouched(paths: Sequence[str]) -> Iterator[str]:
    if paths:
        them = plain(paths[0]) if len(paths) == 1 else f"{len(paths)} datasets"
        last = "its last audit entry leads" if len(paths) == 1 else "their last audit entries lead"
        yield (
            f"the reason was not used for {them}: {last} to the content that is staged already, and entries that are "
            "committed stay as they are"
        )


def _waived(bench: Bench, about: Sequence[str], stand: Standpoint, named: Sequence[str]) -> list[str]:
    """What waivers let through for now at these paths, a line each; the change need not have touched it. What is
    `named` itself was tried just now.
    """
    from ..core.changes import Request
    from ..core.report import command_line
    from ..core.runner import judge
    from .pickles import is_payable

    if not any(waiver.is_glob or _speaks(waiver.path, about) for waiver in bench.case.settings.waivers):
        return []
    judged = judge(bench.git, bench.cache, Request(all=True, paths=tuple(about)), bench.hooks, bench.hooks, os.environ)
    ends = {waiver.file: waiver.expires for waiver in bench.case.settings.waivers}
    lines = []
    for f in judged.findings:
        if f.waived_by is not None:
            lines.append(f"{plain(f.path)}: {f.rule.name}, until {ends.get(f.waived_by)}: {sentence(f.message)}")
            if f.path not in named and is_payable(bench.case, f):
                lines.append(f"    fix    {command_line(f.fix[0], stand)}")
    return lines


def _paid(bench: Bench, about: Sequence[str]) -> list[str]:
    """Remove the waivers of the baseline at these paths that nothing needs any more; what was done, a line each.

    Those about a content are left: commits with that content may still have to be judged.
    """
    from ..core.changes import Request
    from ..core.runner import judge
    from ..scaffold.baseline import OWED

    owed = [
        waiver for waiver in bench.case.settings.waivers
        if waiver.reason.startswith(OWED) and not bench.case.rules[waiver.rule].about_content
        and waiver.only is not None and _speaks(waiver.only, about)
    ]  # fmt: skip
    if not owed:
        return []
    git = bench.git
    judged = judge(git, bench.cache, Request(all=True, paths=tuple(about)), bench.hooks, bench.hooks, os.environ)
    if judged.errors or judged.not_judged or any(finding.blocks for finding in judged.findings):
        return []  # one finding can hold another back
    used = {finding.waived_by for finding in judged.findings}
    files = [waiver.file for waiver in owed if waiver.file not in used]
    git.drop(files)
    for file in files:
        if worktree.is_file(git.root, file):
            worktree.remove_file(git.root, file)
    return [f"removed  {plain(file)} (what it was for is paid)" for file in files]


def _speaks(path: str, about: Sequence[str]) -> bool:
    return any(not p or path == p or path.startswith(p + "/") for p in about)
