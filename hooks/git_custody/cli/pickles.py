"""What `git custody add` does with pickles: convert what holds nothing but tensors, and explain the rest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from ..core import worktree
from ..core.findings import CUSTODY, CannotJudge, Finding, RepoPath
from ..core.report import command_line, plain, quote, sentence, standpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ..convert.conversion import Result
    from .desk import Desk

_IGNORED = ".gitignore"


class Converted(NamedTuple):
    """What came of the pickles: the files that took their places, and why the others have none."""

    staged: tuple[str, ...]
    refused: Mapping[str, tuple[str, ...]]


def found(desk: Desk, paths: Sequence[str], below: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The files to be staged that are pickles and have no waiver: path and what was found."""
    from ..core import waivers
    from ..core.content import FileContent
    from ..forbid_pickle_weights import findings_for
    from ..models.examine import examine

    git = desk.git
    settings = desk.case.settings
    names = {path or "." for path in paths}
    files = {*git.would_add(sorted(names)), *(p for p in paths if worktree.is_file(git.root, p)), *below}
    for path in sorted(files):
        if not worktree.is_file(git.root, path):
            continue
        with open(worktree.full_path(git.root, path), "rb") as file:
            content = FileContent(file, os.fstat(file.fileno()).st_size)
            waived = any(waiver.matches(path) for waiver in settings.waivers)
            said = [
                finding
                for seen in examine(path, "", content, thorough=waived)
                for finding in findings_for(seen, settings.policy.pickles_globals)
                if isinstance(finding, Finding)
            ]
        judged, _ = waivers.apply(said, settings.waivers, desk.case.today, settings.policy.grace_days)
        for finding in judged:
            if finding.waived_by is None:
                yield path, f"{finding.message} ({finding.found})" if finding.found else finding.message
                break


def convert(desk: Desk, paths: Iterable[str]) -> Converted:
    """Convert pickles in the work tree, stage what comes of them, and take the pickles out of git.

    A pickle that cannot be converted whole is left as it is.
    """
    from ..convert.conversion import convert as convert_file
    from ..convert.refused import Refused
    from ..core.runner import show

    git = desk.git
    staged: list[str] = []
    refused: dict[str, tuple[str, ...]] = {}
    for path in paths:
        source = os.fsdecode(worktree.full_path(git.root, path))
        try:
            result = convert_file(source)
        except Refused as error:
            refused[path] = (error.message, *error.resaving(path)[0])
            continue
        except CannotJudge as error:
            refused[path] = (error.message,)
            continue
        made = [os.path.relpath(file, git.root).replace(os.sep, "/") for file in (result.output, result.record)]
        git.add(made)
        if path in desk.case.after:
            git.drop([path])
        show(_told(path, made, result, _ignore(desk, path)))
        staged += made
    return Converted(tuple(staged), refused)


def _told(path: str, made: Sequence[str], result: Result, ignored: str) -> str:
    tensors = f"{result.tensors} tensor" + ("" if result.tensors == 1 else "s")
    lines = [
        f"converted {plain(path)} to {plain(made[0])}: {tensors}, {result.bytes} bytes",
        f"staged   {plain(made[0])}",
        f"staged   {plain(made[1])} (where it is from, and all that is not a tensor)",
    ]
    if result.left_out:
        again = "git custody convert --optimizer keeps it"
        lines.append(f"left out the state of the optimiser; {again}")
    lines.append(f"kept     {plain(path)} in the work tree, out of git{ignored}")
    lines.append("This takes code away, not what a model may have been taught: see git custody explain pickle-weights.")
    return "".join(line + "\n" for line in lines)


def _ignore(desk: Desk, path: str) -> str:
    """Keep a pickle out of git; what was done, for the message."""
    git = desk.git
    if path in git.ignored([path]):
        return ""
    text = worktree.read_file(git.root, _IGNORED) or b""
    untouched = desk.case.after.get(_IGNORED)
    is_staged = (git.read(untouched.oid) if untouched is not None else b"") == text
    line = f"/{_glob(path)}\n".encode("utf-8", "surrogateescape")
    worktree.write_file(git.root, _IGNORED, text + (b"" if text.endswith(b"\n") or not text else b"\n") + line)
    if not is_staged:
        return f", and in {_IGNORED}, which has other changes that are not staged"
    git.add([_IGNORED], ignored=True)
    desk.reopen()
    return f", and in {_IGNORED}"


def _glob(path: str) -> str:
    """A path as a .gitignore pattern that means just that."""
    return "".join(f"\\{c}" if c in "*?[]\\" or (c == " " and path.endswith(c)) else c for c in path)


def explain(desk: Desk, refused: Mapping[str, str], why: Mapping[str, tuple[str, ...]]) -> None:
    """Say of each pickle that was not converted what can be done with it."""
    from ..core.runner import show

    git = desk.git
    stand = standpoint(git.prefix, os.environ, git.root)
    lines = []
    for path, said in refused.items():
        lines.append(f"{plain(path)}: not added: {sentence(said)}")
        reason, *resave = why[path]
        lines.append(f"    it is not converted: {sentence(reason)}")
        if path in desk.real:
            lines.append("    unstage it, which keeps the file:")
            lines.append(f"      {command_line(('git', 'rm', '--cached', '-f', RepoPath(path)), stand)}")
        lines.append("    keep it out of git:")
        lines.append(f"      echo {quote('/' + _glob(path))} >> {command_line((RepoPath(_IGNORED),), stand)}")
        if resave:
            lines.append("    or save what is in it again, where you trust the file, and add that:")
            lines += [f"      {plain(line)}" for line in resave]
    lines.append(f"    more: {command_line((CUSTODY, 'explain', 'pickle-weights'), stand)}")
    show("".join(line + "\n" for line in lines))
