"""CODEOWNERS: who has to be asked before a path is changed, as GitHub and GitLab read the file.

Sources: https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
and https://docs.gitlab.com/user/project/codeowners/reference/, with GitLab's own code (ee/lib/gitlab/code_owners)
where the text leaves something open. Neither says whether an owner exists, may write, or is asked: that is kept in
their settings.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .owner_patterns import github_pattern, gitlab_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .owner_patterns import PathPattern

GITHUB = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
GITLAB = ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
PLACES = tuple(dict.fromkeys((*GITHUB, *GITLAB)))
# GitHub does not load a file of this size or above.
GITHUB_AT_MOST = 3 * 1000 * 1000

_GITHUB_OWNER = re.compile(
    r"@[A-Za-z0-9](?:[A-Za-z0-9_-]*)(?:/[A-Za-z0-9_.-]+)?|[^@\s/]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
)
_GITLAB_OWNER = re.compile(
    r"(?<![\w@])@[\w.][\w.-]{0,254}|[^@\s]{1,100}@[^@\s]{1,255}(?<!\W)"
    r"|(?<!\S)@@(?:developer|maintainer|owner)s?(?!\S)", re.IGNORECASE,
)  # fmt: skip
_GITLAB_HEADING = re.compile(r"(\^)?\[(.*?)\](?:\[(\d*?)\])?(\s+[@\w.\-/\s+]*)?")
_HEADING_LINE = re.compile(r"(?m)^[ \t]*\^?\[[^\]\n]+\](?:\[\d*\])?(?:[ \t]+@|[ \t]*$)")


def has_headings(text: str) -> bool:
    """Whether a file is written in sections, which only GitLab has."""
    return _HEADING_LINE.search(text) is not None


class Line(NamedTuple):
    """A line that decides for the paths that its pattern fits. `fault` says why it names nobody, where it does not."""

    number: int
    pattern: PathPattern
    fault: str | None


class Owners(Protocol):
    """What a CODEOWNERS file says."""

    def fault(self, path: str) -> str | None:
        """Why nobody has to be asked before a path is changed; None where somebody has to be."""


class GitHubOwners:
    """A file as GitHub reads it: the last line that fits a path decides, and one without owners frees it."""

    def __init__(self, text: str) -> None:
        lines = [line for n, row in enumerate(text.split("\n"), 1) if (line := _github_line(n, row))]
        self._lines = _by_core(lines)

    def fault(self, path: str) -> str | None:
        """See `Owners.fault`."""
        line = _deciding(self._lines, path)
        return "no line fits it" if line is None else line.fault


def _by_core(lines: Iterable[Line]) -> list[tuple[str, Line]]:
    """Lines, the last one first, each with a text that rules most paths out at once."""
    return [(line.pattern.core, line) for line in reversed(list(lines))]


def _deciding(lines: list[tuple[str, Line]], path: str) -> Line | None:
    for core, line in lines:
        if core in path and line.pattern.fits(path):
            return line
    return None


def _github_line(number: int, row: str) -> Line | None:
    words = re.split(r"(?<!\\)[ \t]+", row.strip(), maxsplit=1)
    if not words[0] or words[0].startswith("#"):
        return None
    pattern = github_pattern(words[0])
    if pattern is None:
        return None  # GitHub passes over a line that it cannot read
    owners = re.split(r"(?:^|\s)#", words[1], maxsplit=1)[0].split() if len(words) > 1 else []
    fault = None if owners else f"line {number} fits it, and names nobody"
    if wrong := [owner for owner in owners if not _GITHUB_OWNER.fullmatch(owner)]:
        fault = f'line {number} fits it, and "{wrong[0]}" is no @user, @organisation/team or e-mail address'
    return Line(number, pattern, fault)


class _Section:
    """Lines that are judged by themselves: normal form of the pattern → line, in the order of first mention.

    As in GitLab, a pattern that is written twice keeps its place and gets the later owners.
    """

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.excluded: list[PathPattern] = []
        self.is_optional = True

    def fault(self, path: str) -> str | None:
        if any(pattern.fits(path) for pattern in self.excluded):
            return "a line with ! takes it out"
        line = _deciding(self._ordered, path)
        if line is None:
            return "no line fits it"
        if line.fault is None and self.is_optional:
            return f"line {line.number} fits it, and its section is optional"
        return line.fault

    @cached_property
    def _ordered(self) -> list[tuple[str, Line]]:
        return _by_core(self.lines.values())


class GitLabOwners:
    """A file as GitLab reads it: in each section the last line that fits decides, and any section may name somebody."""

    def __init__(self, text: str) -> None:
        self._sections = {"codeowners": _Section()}
        section, optional, default = self._sections["codeowners"], False, ""
        for number, row in enumerate("" if "\0" in text else text.split("\n"), 1):
            row = row.strip()
            if not row or row.startswith("#"):
                continue
            if heading := _GITLAB_HEADING.match(row):
                section = self._sections.setdefault(self._known(heading[2]), _Section())
                optional, default = heading[1] is not None, heading[4] or ""
            else:
                _gitlab_line(section, number, row, optional, default)

    def _known(self, name: str) -> str:
        if len(self._sections) == 1:
            return name
        return next((known for known in self._sections if known.casefold() == name.casefold()), name)

    def fault(self, path: str) -> str | None:
        """See `Owners.fault`."""
        faults = []
        for section in self._sections.values():
            found = section.fault(path)
            if found is None:
                return None
            faults.append(found)
        return max(faults, key=lambda said: said != "no line fits it")


def _gitlab_line(section: _Section, number: int, row: str, optional: bool, default: str) -> None:
    text, *rest = re.split(r"(?<!\\)\s+", row, maxsplit=1)
    is_exclusion = text.startswith("!")
    normal = _normal(text.removeprefix("!"))
    pattern = gitlab_pattern(normal)
    if pattern is None:
        return
    section.is_optional = section.is_optional and optional
    if is_exclusion:
        section.lines.pop(normal, None)
        section.excluded.append(pattern)
        return
    named = rest[0] if rest else default
    fault = None if _GITLAB_OWNER.search(named) else f"line {number} fits it, and names nobody"
    section.lines[normal] = Line(number, pattern, fault)


def _normal(text: str) -> str:
    if text == "*":
        return "/**/*"
    text = re.sub(r"\\\s+", " ", text[1:] if text.startswith("\\#") else text)
    if not text.startswith("/"):
        text = f"/**/{text}"
    return f"{text}**/*" if text.endswith("/") else text
