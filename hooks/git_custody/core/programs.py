"""Where the programs are that ours run."""

from __future__ import annotations

import os


def find_program(name: str, passing: str | None = None) -> str | None:
    """The absolute path of a program on PATH, in another folder than `passing`.

    Entries that are not absolute are passed over, and on Windows the working directory is not
    searched: a repository must not bring the `git` that judges it (CVE-2023-40590).
    """
    suffixes = os.environ.get("PATHEXT", ".EXE").split(os.pathsep) if os.name == "nt" else [""]
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if os.path.isabs(directory) and os.path.normpath(directory) != passing:
            for suffix in suffixes:
                candidate = os.path.join(directory, name + suffix)
                if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
                    return candidate
    return None
