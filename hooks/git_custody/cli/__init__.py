"""`git custody VERB`: one module per verb, imported only when it is called."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Sequence

VERBS = {
    "init": "set up a repository: policy, hooks, CI",
    "adopt": "bring an existing repository under custody, with a dated list of what is owed",
    "add": "git add that also does the paperwork: card, audit entry, everything staged",
    "scan": "say what files are and what loading them would run, in or out of a repository",
    "check": "judge what is staged, the whole index, or a range of commits",
    "convert": "a pickled checkpoint to safetensors, without executing anything in it",
    "card": "new, update, show, mv or export: write a data card, make it fit, print, move or export it",
    "review": "record who looked at the licence or the source of a dataset, and what came of it",
    "audit": "add, merge, repair, show or verify entries of the audit log",
    "waive": "write a dated, reasoned, owned exception",
    "waivers": "list the exceptions, and when they expire",
    "explain": "say what a rule, a hook or a requirement is about",
    "doctor": "prove that the gate stands: hooks installed, nothing skipped, a bad file blocked",
}


def main(argv: Sequence[str] | None = None) -> int:
    """`git custody` and `git-custody`: the exit code is 0, 1 (findings) or 2 (cannot judge)."""
    from ..core.output import begin, leave

    begin()
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        from .. import __version__

        sys.stdout.write(f"git-custody {__version__}\n")
        return 0
    if words[0] not in VERBS:
        from ..core.metadata import nearest
        from ..core.report import plain

        near = nearest(words[0], VERBS)
        sys.stderr.write(
            f'git-custody: there is no command "{plain(words[0])}"'
            + (f'; did you mean "{near}"?' if near else f". There are: {', '.join(VERBS)}")
            + "\n"
        )
        return 2
    verb: Callable[[Sequence[str]], int] = import_module(f"{__name__}.{words[0]}").main
    code = run(lambda: verb(words[1:]))
    return code if argv is not None else leave(code)


def run(verb: Callable[[], int]) -> int:
    """Run a verb; bad input ends in one sentence and exit code 2, never in a traceback."""
    from ..core.findings import CannotJudge, RepoPath
    from ..core.report import command_line, plain, sentence, standpoint

    try:
        return verb()
    except CannotJudge as error:
        place = plain(error.path) + (f":{error.line}" if error.line else "") + ": " if error.path else ""
        sys.stderr.write(f"git-custody: {place}{sentence(error.message)}\n")
        # Where the user stands in the repository, which a path would have to be told from, is not known here.
        for command in [one for one in error.fix if not any(isinstance(word, RepoPath) for word in one)]:
            stand = standpoint("", os.environ, os.curdir)
            sys.stderr.write(f"    fix    {command_line(command, stand)}\n")
    except KeyboardInterrupt:
        sys.stderr.write("git-custody: stopped\n")
    except BrokenPipeError:
        sys.stderr.close()
    except Exception as error:  # a full disk, a closed output, a folder that is gone: none of them is a finding
        from ..core.output import unexpected

        sys.stderr.write(f"git-custody: {sentence(unexpected(error).message)}\n")
    return 2


def usage() -> str:
    """What there is to call, a line each."""
    lines = [f"    {verb:<9} {said}\n" for verb, said in VERBS.items()]
    return (
        "usage: git custody VERB [-h] ...\n\n"
        "Keeps the chain of custody of models and data in git.\n\n"
        + "".join(lines)
        + "\nStart with: git custody init, git custody add PATH, git custody check, git custody explain RULE\n"
    )


def parser(verb: str, description: str) -> ArgumentParser:
    """An argument parser for one verb. Words that begin a longer option are not options."""
    from argparse import ArgumentParser, RawDescriptionHelpFormatter

    return ArgumentParser(
        prog=f"git custody {verb}",
        description=description,
        allow_abbrev=False,
        formatter_class=RawDescriptionHelpFormatter,
    )
