"""What `git custody add` does with pickles, and with models that would be blocked: convert what holds nothing but
tensors, and explain the rest.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from ..core import worktree
from ..core.findings import CUSTODY, CannotJudge, Finding, RepoPath
from ..core.report import command_line, plain, quote, sentence, standpoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

    from ..convert import Result
    from ..core.case import Case
    from ..core.findings import Command
    from .desk import Desk

_IGNORED = ".gitignore"
_ATTRIBUTES = ".gitattributes"


class Converted(NamedTuple):
    """What came of the pickles: the files that took their places, and why the others have none."""

    staged: tuple[str, ...]
    refused: Mapping[str, tuple[str, ...]]


def found(desk: Desk, paths: Sequence[str], below: Iterable[str]) -> Iterator[tuple[str, Finding]]:
    """The files to be staged that run code when they are loaded, or whose format would block the commit, and that
    have no waiver, or are owed and named: path and what was found.
    """
    from ..core import waivers
    from ..core.runner import without_echoes

    git = desk.git
    settings = desk.case.settings
    names = {path or "." for path in paths}
    new = {*git.would_add(sorted(names)), *below}
    for path in sorted({*new, *(p for p in paths if worktree.is_file(git.root, p))}):
        if not worktree.is_file(git.root, path):
            continue
        said = list(_said(desk.case, git.root, path, is_new=path in new))
        judged, _ = waivers.apply(said, settings.waivers, desk.case.today, settings.policy.grace_days)
        for finding in without_echoes(judged):
            if finding.waived_by is None or (path in paths and _is_owed(desk, finding)):
                yield path, finding
                break


def _is_owed(desk: Desk, finding: Finding) -> bool:
    """Whether a waived file can be converted, and there is nothing else to be done with it: it is staged as it is."""
    return is_payable(desk.case, finding) and not desk.git.would_add([finding.path])


def is_payable(case: Case, finding: Finding) -> bool:
    """Whether naming a waived file converts it: it was there before this change, or is owed since the baseline."""
    from ..scaffold.baseline import OWED

    if finding.rule.name != "pickle-weights" or not any(command[:2] == (CUSTODY, "add") for command in finding.fix):
        return False
    waiver = next((waiver for waiver in case.settings.waivers if waiver.file == finding.waived_by), None)
    return waiver is not None and (finding.path not in case.changed or waiver.reason.startswith(OWED))


def _said(case: Case, root: str, path: str, *, is_new: bool) -> Iterator[Finding]:
    """What is wrong with a file of the work tree; its format only counts where it `is_new` and the policy blocks."""
    from ..check_model_format import findings_of as of_format
    from ..core.content import FileContent
    from ..core.runner import weigh
    from ..forbid_pickle_weights import findings_for as of_loading
    from ..models.examine import examine

    policy = case.policy
    waived = any(waiver.matches(path) for waiver in case.settings.waivers)
    with open(worktree.full_path(root, path), "rb") as file:
        content = FileContent(file, os.fstat(file.fileno()).st_size)
        for seen in examine(path, "", content, allowed=policy.formats_allow, thorough=waived):
            yield from (said for said in of_loading(seen, policy.pickles_globals) if isinstance(said, Finding))
            for finding in of_format(case, seen) if is_new else ():
                if weigh(finding, case).blocks:
                    yield finding


def convert(desk: Desk, findings: Mapping[str, Finding]) -> Converted:
    """Convert pickles in the work tree, stage what comes of them, and take the pickles out of git.

    What cannot be converted whole is left as it is. A checkpoint in several files is converted by its index.
    """
    from ..convert import Refused
    from ..core.output import show

    git = desk.git
    staged: list[str] = []
    refused: dict[str, tuple[str, ...]] = {}
    done: set[str] = set()
    untracked: set[str] = set()
    told = ""
    for path, finding in findings.items():
        if path in done:
            continue
        if finding.rule.name != "pickle-weights":
            refused[path] = ()
            continue
        index = _index_of(git.root, path)
        sources = [path] if index is None else [index, *_shards(git.root, index)]
        source = os.fsdecode(worktree.full_path(git.root, index or path))
        try:
            result = _converted(source)
        except Refused as error:
            refused[path] = (error.message, *error.resaving(os.path.relpath(source))[0])
            continue
        except CannotJudge as error:
            refused[path] = (error.message,)
            continue
        full = [result.output, result.record, *result.shards]
        made = [os.path.relpath(file, git.root).replace(os.sep, "/") for file in full]
        git.add(made, ignored=True)  # it was asked for, as a card is
        tracked = [name for name in sources if name in desk.case.after]
        if tracked:
            git.drop(tracked)
            untracked.update(tracked)
        done.update(sources)
        told += _told(desk, index or path, made, result) + _large(desk, made)
        staged += made
    if done:
        show(told + _ignore(desk, sorted(done)) + _without_waivers(desk, untracked) + _LIMIT)
    return Converted(tuple(staged), refused)


def _converted(source: str) -> Result:
    """Convert a file; an earlier result of the same file is replaced, any other is left alone."""
    from ..convert import convert as convert_file
    from ..convert.conversion import target_of
    from ..convert.record import SUFFIX, read_record

    replace = False
    try:
        made = read_record(target_of(source, None) + SUFFIX)
        replace = made.get("source", {}).get("name") == os.path.basename(source)
    except (CannotJudge, AttributeError):
        pass  # there is no earlier result, or it is not ours
    return convert_file(source, replace=replace)


def _index_of(root: str, path: str) -> str | None:
    """The index of the checkpoint that a file is one of several of, if it lies beside it."""
    shard = re.fullmatch(r"(.*)-\d{5}-of-\d{5}(\.\w+)", path)
    index = f"{shard[1]}{shard[2]}.index.json" if shard else path
    return index if shard and worktree.is_file(root, index) else None


def _shards(root: str, index: str) -> list[str]:
    """The files that an index names, in its own folder."""
    import json

    folder = index.rpartition("/")[0]
    try:
        named = set(json.loads(worktree.read_file(root, index) or b"")["weight_map"].values())
    except (ValueError, TypeError, KeyError, AttributeError):
        return []
    return sorted(f"{folder}/{name}".lstrip("/") for name in named if isinstance(name, str) and "/" not in name)


def _without_waivers(desk: Desk, paths: Set[str]) -> str:
    """Remove the waivers of pickles that have left git; what was done, for the message.

    Where the pickle is in commits that have not been pushed, what judges those has to find its waiver.
    """
    git = desk.git
    told = ""
    for waiver in desk.case.settings.waivers:
        path = waiver.path
        if waiver.rule != "pickle-weights" or path not in paths or waiver.digest != _digest(git.root, path):
            continue
        if path in desk.head.after and not _is_pushed(desk, path):
            told += f"kept     {plain(waiver.file)}, for the commits with the pickle that are not pushed yet\n"
            continue
        git.drop([waiver.file])
        if worktree.is_file(git.root, waiver.file):
            worktree.remove_file(git.root, waiver.file)
        told += f"removed  {plain(waiver.file)} (its pickle has left git)\n"
    return told


def _is_pushed(desk: Desk, path: str) -> bool:
    """Whether a base of later ranges has the file as HEAD has it."""
    git = desk.git
    bases = (git.upstream(), git.find_commit("refs/remotes/origin/HEAD"))
    return any(git.entries(base, [path]).get(path) == desk.head.after[path] for base in bases if base is not None)


def _digest(root: str, path: str) -> str:
    from ..core.content import FileContent
    from ..core.digests import sha256_of

    with open(worktree.full_path(root, path), "rb") as file:
        return sha256_of(FileContent(file, os.fstat(file.fileno()).st_size))


def _told(desk: Desk, path: str, made: Sequence[str], result: Result) -> str:
    tensors = f"{result.tensors} tensor" + ("" if result.tensors == 1 else "s")
    lines = [
        f"converted {plain(path)} to {plain(made[0])}: {tensors}, {result.bytes} bytes",
        *(f"staged   {plain(name)}" for name in (made[0], *made[2:])),
        f"staged   {plain(made[1])} (where it is from, and all that is not a tensor)",
    ]
    if result.left_out:
        force = ("-f",) if desk.git.ignored(made) else ()
        lines.append("left out the state of the optimiser; to keep it, too:")
        lines.append(f"           {desk.command(CUSTODY, 'convert', '--optimizer', '--force', RepoPath(path))}")
        lines.append(f"           {desk.command('git', 'add', *force, *map(RepoPath, made))}")
    return "".join(line + "\n" for line in lines)


def _large(desk: Desk, made: Sequence[str]) -> str:
    """What there is to say where git itself now holds a large file: with a filter for it, it holds a pointer."""
    from .convert import size_in_words

    git = desk.git
    entries = git.entries(None, made)
    sizes = git.sizes([entry.oid for entry in entries.values()])
    large = {p: sizes[e.oid] for p, e in entries.items() if sizes.get(e.oid, 0) > desk.case.policy.plain_blob_max}
    if not large:
        return ""
    stand = standpoint(git.prefix, os.environ, git.root)
    # git-lfs writes its patterns where it stands, and knows none that lead upwards.
    there = ("-C", "../" * stand.prefix.count("/")) if stand.prefix else ()
    is_glob = any(set(path) & set("*?[]\\") for path in large)
    as_name, as_path = ("--filename", "--literal-pathspecs") if is_glob else ("", "")
    names = [f"./{path}" if path.startswith("-") else path for path in large]
    track = "git", *there, "lfs", "track", as_name, *names
    add = "git", as_path, *there, "add", _ATTRIBUTES, *names
    held = ", ".join(f"{plain(path)} ({size_in_words(length)})" for path, length in large.items())
    lines = [
        f"large    {held} in git itself, in every clone for good; GitHub takes no file of more than 100 MB.",
        "         To keep it with Git LFS, before the commit:",
        *(f"           {command_line(tuple(filter(None, command)), stand)}" for command in (track, add)),
    ]
    return "".join(line + "\n" for line in lines)


_LIMIT = "This takes code away, not what a model may have been taught (git custody explain pickle-weights).\n"


def _ignore(desk: Desk, paths: Sequence[str]) -> str:
    """Keep pickles out of git; what was done, for the message."""
    git = desk.git
    ignored = git.ignored(paths)
    names = ", ".join(map(plain, paths))
    new = [path for path in paths if path not in ignored and _can_be_ignored(path)]
    if not new:
        return f"kept     {names} in the work tree, out of git\n"
    text = worktree.read_file(git.root, _IGNORED) or b""
    staged = desk.case.after.get(_IGNORED)
    is_staged = (git.read(staged.oid) if staged is not None else b"") == text
    lines = b"".join(f"/{_glob(path)}\n".encode("utf-8", "surrogateescape") for path in new)
    worktree.write_file(git.root, _IGNORED, text + (b"" if text.endswith(b"\n") or not text else b"\n") + lines)
    if is_staged:
        git.add([_IGNORED], ignored=True)
        return f"kept     {names} in the work tree, out of git, and in {_IGNORED}\n"
    return f"kept     {names} in the work tree, and in {_IGNORED}, which has other changes that are not staged\n"


def _can_be_ignored(path: str) -> bool:
    # A pattern is a line: the rest of such a name would be a pattern of its own.
    return "\n" not in path and "\r" not in path


def _glob(path: str) -> str:
    """A path as a .gitignore pattern that means just that."""
    return "".join(f"\\{c}" if c in "*?[]\\" or (c == " " and path.endswith(c)) else c for c in path)


def explain(desk: Desk, refused: Mapping[str, Finding], why: Mapping[str, tuple[str, ...]]) -> None:
    """Say of each file that was not added what can be done with it."""
    from ..core.output import show

    git = desk.git
    stand = standpoint(git.prefix, os.environ, git.root)
    ignored = git.ignored(list(refused))
    lines = []
    for path, finding in refused.items():
        seen = f" ({sentence(finding.found)})" if finding.found else ""
        lines.append(f"{plain(path)}: not added: {sentence(finding.message)}{seen}")
        renaming = next((command for command in finding.fix if command[:2] == ("git", "mv")), None)
        renaming = renaming or _freeing_the_name(desk, path, finding)
        if why[path] and renaming is None:
            lines.append(f"    it is not converted: {sentence(why[path][0])}")
        if renaming is not None:
            is_tracked = path in desk.real
            lines.append("    rename it after what it is, and add that:")
            lines.append(f"      {command_line(renaming if is_tracked else renaming[1:], stand)}")
            lines.append(f"      {command_line((CUSTODY, 'add', renaming[-1]), stand)}")
            continue
        if finding.rule.name != "pickle-weights":
            lines.append(f"    {finding.rule.fix}")
        if path in desk.real:
            lines.append("    to unstage it, which keeps the file:")
            lines.append(f"      {command_line(('git', 'rm', '--cached', '-f', RepoPath(path)), stand)}")
        if path not in ignored and _can_be_ignored(path):
            lines.append("    to keep it out of git:")
            lines.append(f"      echo {quote('/' + _glob(path))} >> {command_line((RepoPath(_IGNORED),), stand)}")
        if why[path][1:]:
            lines.append("    or save what is in it again, where you trust the file, and add that:")
            lines += [f"      {plain(line)}" for line in why[path][1:]]
    for rule in dict.fromkeys(finding.rule.name for finding in refused.values()):
        lines.append(f"    more: {command_line((CUSTODY, 'explain', rule), stand)}")
    show("".join(line + "\n" for line in lines))


def _freeing_the_name(desk: Desk, path: str, finding: Finding) -> Command | None:
    """How to rename a checkpoint that has the name of what it would be converted to; None where that is not so."""
    stem, suffix = os.path.splitext(path)
    if suffix != ".safetensors" or not any(command[:2] == (CUSTODY, "add") for command in finding.fix):
        return None
    usual = ".pt" if "PyTorch" in finding.message else ".joblib" if "joblib" in finding.message else ".pkl"
    new = stem + usual
    return ("git", "mv", RepoPath(path), RepoPath(new)) if desk.case.can_move(path, new) else None
