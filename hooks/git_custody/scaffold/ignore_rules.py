"""Exceptions in `.gitignore`, where it would keep cards, audit entries or the policy out of git."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from ..core import assets, worktree
from ..core.trees import decode
from . import files

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from ..core.git import Git

_HEADER = "# git-custody: its records are tracked, also where their data are not"
_OWN = (
    assets.POLICY,
    assets.WAIVERS + "example.yaml",
    assets.AUDIT + "example/" + "0" * 64 + ".json",
    ".custody/lifecycle.yaml",
)
# So many files of the work tree are compared before and after, to see that nothing else is let in.
_COMPARED = 20_000


def extend(git: Git, folders: Iterable[str], *, dry_run: bool) -> files.Step | None:
    """Append the exceptions that are needed to the `.gitignore` at the root, or say why that cannot help.

    `folders` are those where cards may come to lie. None when nothing is ignored. What was ignored before
    and is no record of ours still has to be afterwards, else nothing is written.
    """
    probes = [*_OWN, *(probe for folder in sorted(set(folders)) for probe in _cards(folder))]
    ignored = git.ignored(probes)
    if not ignored:
        return None
    before = files.read(git.root, ".gitignore")
    if before is None and worktree.exists(git.root, ".gitignore"):
        return _by_hand(ignored, "it is not a plain file")
    watched, rules = _present(git.root)
    watched += [folder + name for folder in folders for name in ("example.csv", "example.txt", "example/example.csv")]
    was = set(git.ignored(watched))
    for attempt in _attempts(sorted(set(folders)), ignored, was):
        text = _appended(before, attempt)
        with tempfile.TemporaryDirectory(prefix="git-custody-") as tree:
            for path in rules:
                _copy(git.root, tree, path)
            with open(os.path.join(tree, ".gitignore"), "wb") as file:
                file.write(text)
            right = not git.ignored(probes, tree) and set(git.ignored(watched, tree)) == was
        if right:
            if dry_run:
                pass
            elif before is None:
                files.create(git.root, ".gitignore", text)
            else:
                worktree.write_file(git.root, ".gitignore", text)
            outcome = "wrote" if before is None else "extended"
            return files.Step(".gitignore", outcome, "so that cards and audit entries can be committed")
    return _by_hand(ignored, "no rule here can change that without letting in other files")


def _cards(folder: str) -> Iterator[str]:
    for kind in ("data", "model"):
        yield f"{folder}{kind}card.yaml"
        yield f"{folder}example.csv.{kind}card.yaml"
        if folder:
            yield f"{folder}example/{kind}card.yaml"
            yield f"{folder}example/example.csv.{kind}card.yaml"


def _attempts(folders: Sequence[str], ignored: Iterable[str], was: Container[str]) -> Iterator[list[str]]:
    """Lists of lines, those that change the least first. `was` holds what has to stay ignored."""
    own = ["!/.custody/", "!/.custody/**"] if any(path in ignored for path in _OWN) else []
    cards = [path for path in ignored if path not in _OWN]
    kinds = [kind for kind in ("data", "model") if any(path.endswith(f"{kind}card.yaml") for path in cards)]
    named = [line for kind in kinds for line in (f"!{kind}card.yaml", f"!*.{kind}card.yaml")]
    yield own + named
    # A file cannot be excepted below a folder that is ignored: the folders have to be let in, and then
    # their files kept out again (gitignore(5)).
    hidden = [f for f in folders if f and (f + "example.csv" in was or f + "example/example.csv" in was)]
    blocks = []
    for folder in hidden:
        if not any(folder != other and folder.startswith(other) for other in hidden):
            name = "".join("\\" + c if c in "*?[\\ " else c for c in folder)
            blocks += [f"!/{name}", f"/{name}**", f"!/{name}**/"]
            blocks += [f"!/{name}**/{file}" for kind in kinds for file in (f"{kind}card.yaml", f"*.{kind}card.yaml")]
    yield own + blocks
    yield own + named + blocks


def _present(root: str) -> tuple[list[str], list[str]]:
    """Files in the work tree that are no records of ours, and all `.gitignore` files."""
    present: list[str] = []
    rules: list[str] = []
    for folder, names, found in os.walk(root):
        names[:] = sorted(name for name in names if name != ".git")
        for name in sorted(found):
            path = decode(os.fsencode(os.path.relpath(os.path.join(folder, name), root))).replace(os.sep, "/")
            if name == ".gitignore":
                rules.append(path)
            if not assets.is_paperwork(path):
                present.append(path)
        if len(present) > _COMPARED:
            break
    return present, rules


def _copy(root: str, tree: str, path: str) -> None:
    data = files.read(root, path)
    if data is not None and path != ".gitignore":
        files.create(tree, path, data)


def _appended(before: bytes | None, lines: Sequence[str]) -> bytes:
    start = before or b""
    end = b"\r\n" if b"\r\n" in start else b"\n"
    if start and not start.endswith(b"\n"):
        start += end
    return start + b"".join(line.encode("utf-8", "surrogateescape") + end for line in (_HEADER, *lines))


def _by_hand(ignored: dict[str, tuple[str, str, str]], why: str) -> files.Step:
    told: dict[str, str] = {}
    for path, (file, line, pattern) in ignored.items():
        told.setdefault(f"{file}:{line}: {pattern}", path)
    to_add = tuple(f"{rule}   ignores {path}" for rule, path in told.items())
    return files.Step(".gitignore", "left alone", f"{why}; change these rules yourself", to_add)
