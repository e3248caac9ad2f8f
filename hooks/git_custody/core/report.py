"""What the user reads: text for people, JSON for programs.

Names and contents come from strangers. Nothing of theirs reaches a terminal or a CI log as it is:
control characters, line breaks, bidi marks and undecodable bytes are escaped.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from .findings import CUSTODY, CannotJudge, RepoPath, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from .findings import Command, Finding, NotJudged

DOCS = "docs/rules.md"


class Report(NamedTuple):
    """Everything that a run has to say. `mode`, `base`, `head` and `said` tell what was judged."""

    mode: str
    base: str | None
    head: str | None
    said: str
    findings: tuple[Finding, ...]
    not_judged: tuple[NotJudged, ...] = ()
    errors: tuple[CannotJudge, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: nothing blocks; 1: findings; 2: something needed could not be read. 2 beats 1."""
        if self.errors:
            return 2
        return 1 if any(finding.blocks for finding in self.findings) else 0

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to find fault with, and nothing to note."""
        return not any((self.findings, self.not_judged, self.errors, self.notes))

    @property
    def waived(self) -> int:
        """The number of findings that waivers admit."""
        return sum(finding.waived_by is not None for finding in self.findings)


class Standpoint(NamedTuple):
    """Where the user stands: `prefix` from the root, with a trailing slash or ""; `program` is what to
    type for `git custody`.
    """

    prefix: str
    program: str


def standpoint(prefix: str, environment: Mapping[str, str], root: str) -> Standpoint:
    """Where commands are going to be pasted.

    Runners change to the root before they call a hook. git then tells the folder in GIT_PREFIX; without
    git, the shell's own PWD still names it.
    """
    from .programs import find_program

    if not prefix:
        stood = environment.get("PWD", "")
        prefix = environment.get("GIT_PREFIX", "")
        if not prefix and stood.startswith(root + os.sep) and os.path.isdir(stood):
            prefix = os.path.relpath(stood, root).replace(os.sep, "/") + "/"
    # A runner puts its own environment first on the PATH; the user's shell does not have that.
    own = os.path.dirname(sys.executable)
    passing = own if environment.get("PRE_COMMIT") == "1" else None
    if find_program("git-custody", passing) is not None:
        return Standpoint(prefix, CUSTODY)
    suffix = ".exe" if os.name == "nt" else ""
    return Standpoint(prefix, os.path.join(own, "git-custody" + suffix))


# ---------------------------------------------------------------------- escaping


def plain(text: str) -> str:
    """Text with everything escaped that could forge or hide output; the result is always printable.

    Printable characters stay, whatever the script. A CI log command is broken: ``::`` and ``##`` where a line
    starts, ``##[`` and ``##vso[`` anywhere, since runners look for those in the whole line.
    """
    if text.isascii() and text.isprintable() and "\\" not in text:
        escaped = text
    else:
        escaped = "".join(_escape(c) for c in text)
    return _defuse(escaped)


_LOG_COMMANDS = ("##[", "##vso[")


def _defuse(line: str) -> str:
    for command in _LOG_COMMANDS:
        line = line.replace(command, "\\x23" + command[1:])
    start = line.lstrip(" ")
    if start.startswith(("::", "##")):
        return line[: len(line) - len(start)] + f"\\x{ord(start[0]):02x}" + start[1:]
    return line


def _escape(character: str) -> str:
    code = ord(character)
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return named.get(character) or (f"\\x{code:02x}" if code < 0x80 else f"\\u{{{code:x}}}")


def sentence(text: str) -> str:
    """Like `plain`, for our own sentences: their backslashes stay single."""
    return plain(text).replace("\\\\", "\\")


def quote(word: str) -> str:
    """A word for a POSIX shell; characters that cannot be shown are written as ``$'\\n'``."""
    if all(c.isprintable() for c in word) and not any(command in word for command in _LOG_COMMANDS):
        if word and all((c.isalnum() and c.isascii()) or c in "@%+=:,./-_" for c in word):
            return word
        return "'" + word.replace("'", "'\"'\"'") + "'"
    raw = word.encode("utf-8", "surrogateescape")
    escapes = {0x23: "\\x23", 0x27: "\\'", 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}
    shown = (escapes.get(b) or (chr(b) if 0x20 <= b < 0x7F else f"\\x{b:02x}") for b in raw)
    return "$'" + "".join(shown) + "'"


def command_line(command: Command, stand: Standpoint) -> str:
    """A command that can be pasted where the user stands."""
    words: list[str] = []
    paths = [_from(stand.prefix, word.path) for word in command if isinstance(word, RepoPath)]
    guarded = any(path.startswith("-") for path in paths)
    for word in command:
        if len(words) == 1 and command[0] == "git" and any(set(path) & set("*?[\\:") for path in paths):
            words.append("--literal-pathspecs")
        if isinstance(word, RepoPath):
            if guarded:
                words.append("--")
                guarded = False
            words.append(quote(_from(stand.prefix, word.path)))
        elif isinstance(word, Slot):
            words.append(word.name)
        elif word == CUSTODY:
            words.append(CUSTODY if stand.program == CUSTODY else quote(stand.program))
        else:
            words.append(quote(word))
    return " ".join(words)


def _from(prefix: str, path: str) -> str:
    if not prefix:
        return path
    above, below = prefix.rstrip("/").split("/"), path.split("/")
    while above and below[1:] and above[0] == below[0]:
        above, below = above[1:], below[1:]
    return "../" * len(above) + "/".join(below)


# ---------------------------------------------------------------------- text

_SHOWN = 3
# Without a path they fetch everything.
_FETCHING: tuple[Command, ...] = (("git", "lfs", "pull"), ("git", "annex", "get"), ("dvc", "pull"))
# What it takes out of git stays in the work tree.
_UNTRACK = ("git", "rm", "--cached")


def as_text(
    report: Report,
    stand: Standpoint,
    also: Callable[[Finding], Iterable[str]] | None = None,
    *,
    changed: bool = False,
) -> str:
    """The report for a person: a first line that can be found with grep, then fix, found, why, more.

    `also` gives lines, escaped already, that a command has to say below a finding. `changed`: the command that
    reports has written something before.
    """
    shown = [finding for finding in report.findings if finding.waived_by is None]
    lines: list[str] = []
    explained: set[str] = set()
    told: set[str] = set()
    for finding in shown:
        place = plain(finding.path) + (f":{finding.line}" if finding.line else "")
        warning = "" if finding.blocks else " (warning)"
        lines.append(f"{place}: {finding.rule.name}{warning}: {sentence(finding.message)}")
        for number, command in enumerate(finding.fix):
            lines.append(f"    {'' if number else 'fix':<7}{command_line(command, stand)}")
        rule = finding.rule
        if rule.untracked and rule.name not in told and any(words[:3] == _UNTRACK for words in finding.fix):
            told.add(rule.name)
            lines.append(f"    then   {rule.untracked}")
        if finding.member:
            lines.append(f"    in     {plain(finding.member)}")
        if finding.found:
            lines.append(f"    found  {sentence(finding.found)}")
        if also is not None:
            lines += also(finding)
        if finding.rule.name not in explained:
            explained.add(finding.rule.name)
            lines.append(f"    why    {finding.rule.why}")
            lines.append(f"    more   {command_line((CUSTODY, 'explain', finding.rule.name), stand)}")
    # Where a finding says already that content is absent, once is enough for people.
    said: dict[str, list[str]] = {}
    for finding in shown:
        said.setdefault(finding.path, []).append(finding.message)
    for texts in said.values():
        texts.sort()
    left = [item for item in report.not_judged if not _one_begins(said.get(item.path, []), item.reason)]
    lines += _left(left, stand)
    for error in report.errors:
        lines.append(f"{_place(error)}{sentence(error.message)}")
        lines += [f"    fix    {command_line(command, stand)}" for command in error.fix]
    lines += [sentence(note) for note in report.notes]
    if shown or left or report.errors:
        lines.append(_summary(report, shown, len(left)) + ("" if changed else " Nothing was changed."))
    return "".join(line + "\n" for line in lines)


def as_clean(report: Report) -> str:
    """The line that says that there is nothing to mend; "" where there is, and `as_text` says so."""
    if report.not_judged or report.errors or report.waived < len(report.findings):
        return ""
    waived = f", {_waived(report)}" if report.waived else ""
    return f"no problems{waived} (judged: {plain(report.said)})\n"


def _left(left: Sequence[NotJudged], stand: Standpoint) -> Iterator[str]:
    """What was not judged, reason by reason: a repository may keep most of its files elsewhere."""
    reasons: dict[str, list[NotJudged]] = {}
    for item in left:
        reasons.setdefault(item.reason, []).append(item)
    told: set[Command] = set()
    for reason, items in reasons.items():
        names = list(dict.fromkeys(plain(item.path) for item in items))
        if len(names) == 1:
            yield f"{names[0]}: not judged: {sentence(reason)}"
        else:
            more = len(names) - _SHOWN
            yield f"{len(names)} files not judged: {sentence(reason)}"
            yield f"    files  {', '.join(names[:_SHOWN])}" + (f" and {more} more" if more > 0 else "")
        fixes = dict.fromkeys(command for item in items for command in item.fix)
        if len(fixes) > _SHOWN:
            fixes = dict.fromkeys(map(_for_all, fixes))
        new = [command for command in fixes if command not in told][:_SHOWN]
        yield from (f"    {'' if at else 'fix':<7}{command_line(command, stand)}" for at, command in enumerate(new))
        told.update(new)


def _for_all(command: Command) -> Command:
    """A command that fetches one file, as the one that fetches all of them."""
    return next((head for head in _FETCHING if command[: len(head)] == head), command)


def _one_begins(texts: Sequence[str], start: str) -> bool:
    """Whether one of sorted texts begins with another."""
    from bisect import bisect_left

    at = bisect_left(texts, start)
    return at < len(texts) and texts[at].startswith(start)


def _place(error: CannotJudge) -> str:
    if error.path is None:
        return "cannot judge: "
    return plain(error.path) + (f":{error.line}" if error.line else "") + ": cannot judge: "


def _summary(report: Report, shown: Sequence[Finding], not_judged: int) -> str:
    blocking = [finding for finding in shown if finding.blocks]
    parts = [f"{_count(len(blocking), 'problem')} in {_count(len({f.path for f in blocking}), 'file')}"]
    if len(shown) > len(blocking):
        parts.append(_count(len(shown) - len(blocking), "warning"))
    if report.waived:
        parts.append(_waived(report))
    if not_judged:
        parts.append(f"{not_judged} not judged")
    if report.errors:
        parts.append(_count(len(report.errors), "error"))
    return f"{', '.join(parts)} (judged: {plain(report.said)})."


def _waived(report: Report) -> str:
    return f"{_count(report.waived, 'finding')} waived"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


# ---------------------------------------------------------------------- JSON


def as_json(report: Report, stand: Standpoint, more: Mapping[str, object] | None = None) -> str:
    """The report for a program, and what a command has to say more: schemas/report.schema.json."""
    import json

    from .. import __version__

    shown = {
        "schema_version": 1,
        "tool": {"name": "git-custody", "version": __version__},
        "judged": {"mode": report.mode, "base": report.base, "head": report.head},
        "exit_code": report.exit_code,
        "findings": [_finding(finding, stand) for finding in report.findings],
        "not_judged": [_not_judged(item, stand) for item in report.not_judged],
        "errors": [_error(error, stand) for error in report.errors],
        "notes": [sentence(note) for note in report.notes],
        "summary": {
            "blocking": sum(finding.blocks for finding in report.findings),
            "warnings": sum(not f.blocks and f.waived_by is None for f in report.findings),
            "waived": report.waived,
            "not_judged": len(report.not_judged),
            "errors": len(report.errors),
        },
    }
    return json.dumps({**shown, **(more or {})}, indent=2) + "\n"


def _finding(finding: Finding, stand: Standpoint) -> dict[str, object]:
    rule = finding.rule
    shown: dict[str, object] = {
        "rule": rule.name,
        "requirements": list(rule.requirements),
        "level": rule.level,
        "blocks": finding.blocks,
        **path_fields(finding.path),
        "message": sentence(finding.message),
        "why": rule.why,
        "docs": f"{DOCS}#{rule.name}",
        "fingerprint": fingerprint(finding),
    }
    optional = {
        "waived_by": finding.waived_by and plain(finding.waived_by),
        "member": finding.member and plain(finding.member),
        "line": finding.line,
        "found": finding.found and sentence(finding.found),
        "fix": [command_line(command, stand) for command in finding.fix],
    }
    return shown | {key: value for key, value in optional.items() if value}


def _not_judged(item: NotJudged, stand: Standpoint) -> dict[str, object]:
    shown: dict[str, object] = {**path_fields(item.path), "reason": sentence(item.reason)}
    fix = [command_line(command, stand) for command in item.fix]
    return {**shown, "fix": fix} if fix else shown


def path_fields(path: str) -> dict[str, str]:
    """A path as JSON shows it: escaped for display, and in base64 where it is not UTF-8."""
    shown = {"path": plain(path)}
    raw = path.encode("utf-8", "surrogateescape")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        import base64

        shown["path_b64"] = base64.b64encode(raw).decode("ascii")
    return shown


def _error(error: CannotJudge, stand: Standpoint) -> dict[str, object]:
    shown: dict[str, object] = {"message": sentence(error.message)}
    if error.path is not None:
        shown.update(path_fields(error.path))
    if error.line is not None:
        shown["line"] = error.line
    if error.fix:
        shown["fix"] = [command_line(command, stand) for command in error.fix]
    return shown


def fingerprint(finding: Finding) -> str:
    """What makes two findings of two runs the same: rule, path, member and subject; no line and no date."""
    import hashlib

    told = "\0".join((finding.rule.name, finding.path, finding.member or "", finding.subject))
    try:
        raw = told.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a name from JSON may hold any half of a letter
        raw = told.encode("utf-8", "surrogatepass")
    return hashlib.sha256(raw).hexdigest()
