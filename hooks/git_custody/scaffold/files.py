"""What is done about each file of somebody's work tree, and how it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..core import worktree
from ..core.findings import CannotJudge

if TYPE_CHECKING:
    from collections.abc import Sequence


class Step(NamedTuple):
    """What was done about one file: `outcome` is "wrote", "extended" or "left alone", `note` says why.

    `to_add` are lines that the user has to add, where it was not safe to do so.
    """

    path: str
    outcome: str
    note: str = ""
    to_add: tuple[str, ...] = ()


def read(root: str, path: str) -> bytes | None:
    """The bytes of a plain file in the work tree, None when there is no plain file."""
    return worktree.read_file(root, path) if worktree.is_file(root, path) else None


def create(root: str, path: str, data: bytes) -> None:
    """Write a new file; raises `CannotJudge` when the name is taken."""
    if worktree.exists(root, path):
        raise CannotJudge("it is there already, and is not overwritten", path)
    worktree.write_file(root, path, data)


def told(steps: Sequence[Step], *, dry_run: bool) -> str:
    """The steps, a line each, for the user."""
    from ..core.report import plain, sentence

    lines = []
    for step in steps:
        outcome = step.outcome
        if dry_run:
            outcome = {"wrote": "would write", "extended": "would extend"}.get(outcome, outcome)
        note = f": {sentence(step.note)}" if step.note else ""
        lines.append(f"{outcome:<12} {plain(step.path)}{note}")
        lines += [f"                 {plain(line)}" for line in step.to_add]
    return "".join(line + "\n" for line in lines)
