"""Which runner calls our hooks in this clone: pre-commit or prek."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ..core import worktree
from ..core.programs import find_program
from ..core.runner_config import GATES

if TYPE_CHECKING:
    from ..core.git import Git


def runner(git: Git) -> str:
    """The program that installs hooks here: the one that git calls already, else the one that is at hand."""
    folder = git.own_path("hooks")
    for gate in GATES:
        called = caller(os.path.join(folder, gate))[0]
        if called in ("pre-commit", "prek"):
            return called
    return "prek" if worktree.exists(git.root, "prek.toml") or find_program("prek") else "pre-commit"


def caller(path: str) -> tuple[str, str]:
    """Who is called by a git hook, or what is wrong with it."""
    try:
        with open(path, "rb") as file:
            script = file.read(64 * 1024)
    except OSError:
        return "", "this git hook is not installed"
    if os.name != "nt" and not os.access(path, os.X_OK):
        return "", "this git hook is not executable, so git passes it over"
    code = b"\n".join(line for line in script.split(b"\n") if not line.lstrip().startswith(b"#"))
    # A hook's program, not a folder whose name begins like one.
    if re.search(rb"\bgit[ -]custody check\b|\bcustody-(?:forbid|check)-[a-z-]+(?![\w/.-])", code):
        return "git-custody", ""
    # Both runners are called with one of these words; their names alone may stand in a message.
    if re.search(rb"\bhook-impl\b|\brun\b", code):
        for words, called in ((rb"\bprek\b", "prek"), (rb"\bpre[-_]commit\b(?!-)", "pre-commit")):
            if re.search(words, re.sub(rb"hook-type[= ]\S+", b"", code)):
                return called, ""
    return "", "this git hook calls neither pre-commit nor prek nor git-custody"
