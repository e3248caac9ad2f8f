"""Rules, and the findings that they raise: plain data, with no opinion on how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Rule(NamedTuple):
    """One thing that can be wrong.

    `title` and `why` are one sentence each; `fix` and `limits` are what `git custody explain` shows.
    `level` is the LLMSVS level (1, 2 or 3) from which the rule is enforced. `since` is the policy
    edition (``YYYY-MM``) that introduced it: under an older edition it only warns. A waiver for a rule
    `about_content` has to name the digest that it admits. `untracked` says what is left to do once
    `git rm --cached` has taken a file out of git.
    """

    name: str
    requirements: tuple[str, ...]
    level: int
    title: str
    why: str
    fix: str
    limits: str
    waivable: bool = True
    about_content: bool = False
    since: str = "2026-12"
    untracked: str = ""


class RepoPath(NamedTuple):
    """A path from the repository's root, inside a command: shown from where the user stands."""

    path: str


class Slot(NamedTuple):
    """What only a person can fill in: an upper-case word inside a command."""

    name: str


class Operator(Slot):
    """What the shell has to read between the words of a command, as it is: ``|`` or ``>``."""


# A command as words. The word CUSTODY becomes `git custody`, or the program's absolute path where the
# user's shell would not find it.
CUSTODY = "git custody"
Command = tuple["str | RepoPath | Slot", ...]


class Finding(NamedTuple):
    """One violation at one place.

    `path` is from the repository's root, bytes that are not UTF-8 as surrogates. `member` names the
    place inside a container (``archive/data.pkl``). `digest` is the sha256 of the content spoken of, for
    waivers. `fix` holds one command per line to paste. `subject` tells apart findings of one rule on one
    path in fingerprints: never a line number or a date. `warns` holds it back from blocking whatever
    the mode. `unless` names rules that say it better: it is not shown where one of them found something on
    the same path, or on the path that is given with the rule. `echoes` names rules that have said
    it already where they found something on the same path, waived or not. `beyond_waiver`: no waiver may admit it
    as it is.
    """

    rule: Rule
    path: str
    message: str
    line: int | None = None
    member: str | None = None
    found: str | None = None
    fix: tuple[Command, ...] = ()
    digest: str | None = None
    subject: str = ""
    warns: bool = False
    unless: tuple[str | tuple[str, str], ...] = ()
    waived_by: str | None = None
    blocks: bool = True
    echoes: tuple[str, ...] = ()
    beyond_waiver: bool = False


class NotJudged(NamedTuple):
    """A path whose content could not be looked at, why, and the commands that bring it here."""

    path: str
    reason: str
    fix: tuple[Command, ...] = ()


class CannotJudge(Exception):
    """Something needed for a verdict cannot be read, parsed or verified: exit code 2.

    The message is one sentence for a person. `path` is from the repository's root, `line` is 1-based. `fix`
    holds commands that help.
    """

    def __init__(
        self, message: str, path: str | None = None, line: int | None = None, fix: tuple[Command, ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.line = line
        self.fix = fix

    def at(self, path: str, line: int | None = None) -> CannotJudge:
        """The same, of another place."""
        return CannotJudge(self.message, path, line, self.fix)


ABSENT = "git does not have its content here; fetch it first"
_ONE_BY_ONE_AT_MOST = 20


def absent(path: str, *oids: str) -> CannotJudge:
    """The error for objects that are not here."""
    return CannotJudge(ABSENT, path, fix=fetching(oids))


def fetching(oids: Sequence[str]) -> tuple[Command, ...]:
    """The commands that bring objects into a partial clone: git fetches what it is asked the type of."""
    if len(oids) > _ONE_BY_ONE_AT_MOST:
        return (("git", "fetch", "--refetch", "--no-filter"),)
    return tuple(("git", "cat-file", "-t", oid) for oid in oids)
