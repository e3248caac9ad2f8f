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

from .findings import CannotJudge
from .owner_patterns import github_pattern, gitlab_pattern, is_github_pattern, plain_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .owner_patterns import PathPattern

GITHUB = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
GITLAB = ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
PLACES = tuple(dict.fromkeys((*GITHUB, *GITLAB)))
# GitHub does not load a file of this size or above.
GITHUB_AT_MOST = 3 * 1000 * 1000
_ROWS = 100_000
# Patterns and paths up to this length cost nothing that counts; all others together get some seconds of work.
_SHORT = 500
_WORK = 1_000_000_000

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
    pattern: str
    fault: str | None


class Owners(Protocol):
    """What a CODEOWNERS file says."""

    def fault(self, path: str) -> str | None:
        """Why nobody has to be asked before a path is changed; None where somebody has to be.

        Raises `CannotJudge` where patterns and paths are made so that matching them would take minutes.
        """


class GitHubOwners:
    """A file as GitHub reads it: the last line that fits a path decides, and one without owners frees it."""

    def __init__(self, text: str) -> None:
        lines = (_github_line(number, row) for number, row in _rows(text))
        self._lines = _Lines((line for line in lines if line), github_pattern)

    def fault(self, path: str) -> str | None:
        """See `Owners.fault`."""
        line = self._lines.deciding(path)
        return "no line fits it" if line is None else line.fault


def _rows(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, by number. Raises `CannotJudge` for more than anybody would write."""
    if text.count("\n") > _ROWS:
        raise CannotJudge(f"it has more than {_ROWS} lines; join them with patterns")
    for number, row in enumerate(text.split("\n"), 1):
        stripped = row.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


class _Lines:
    """Lines of which the last one that fits a path decides, with what reads their patterns."""

    def __init__(self, lines: Iterable[Line], read: Callable[[str], PathPattern | None]) -> None:
        self._lines = [(plain_part(line.pattern), line) for line in lines]
        self._lines.reverse()
        self._read = read
        self._left = _WORK

    def deciding(self, path: str) -> Line | None:
        """The line that decides for a path.

        Raises `CannotJudge` where patterns and paths are made so that matching them would take minutes.
        """
        for plain, line in self._lines:
            if plain in path and (pattern := self._read(line.pattern)) is not None:
                if len(path) > _SHORT or pattern.size > _SHORT:
                    self._left -= pattern.cost(path)
                    if self._left < 0:
                        said = f"its pattern in line {line.number} is too long to be matched with so long paths"
                        raise CannotJudge(said)
                if pattern.fits(path):
                    return line
        return None


def _github_line(number: int, row: str) -> Line | None:
    words = re.split(r"(?<!\\)[ \t]+", row, maxsplit=1)
    if not is_github_pattern(words[0]):
        return None  # GitHub passes over a line that it cannot read
    owners = re.split(r"(?:^|\s)#", words[1], maxsplit=1)[0].split() if len(words) > 1 else []
    fault = None if owners else f"line {number} fits it, and names nobody"
    if wrong := [owner for owner in owners if not _GITHUB_OWNER.fullmatch(owner)]:
        fault = f'line {number} fits it, and "{wrong[0]}" is no @user, @organisation/team or e-mail address'
    return Line(number, words[0], fault)


class _Section:
    """Lines that are judged by themselves: normal form of the pattern → line, in the order of first mention.

    As in GitLab, a pattern that is written twice keeps its place and gets the later owners.
    """

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.excluded: list[Line] = []
        self.is_optional = True

    def fault(self, path: str) -> str | None:
        if self._exclusions.deciding(path) is not None:
            return "a line with ! takes it out"
        line = self._ordered.deciding(path)
        if line is None:
            return "no line fits it"
        if line.fault is None and self.is_optional:
            return f"line {line.number} fits it, and its section is optional"
        return line.fault

    @cached_property
    def _exclusions(self) -> _Lines:
        return _Lines(self.excluded, gitlab_pattern)

    @cached_property
    def _ordered(self) -> _Lines:
        return _Lines(self.lines.values(), gitlab_pattern)


class GitLabOwners:
    """A file as GitLab reads it: in each section the last line that fits decides, and any section may name somebody."""

    def __init__(self, text: str) -> None:
        self._sections = {"codeowners": _Section()}
        section, optional, default = self._sections["codeowners"], False, ""
        for number, row in _rows("" if "\0" in text else text):
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
    section.is_optional = section.is_optional and optional
    if is_exclusion:
        section.lines.pop(normal, None)
        section.excluded.append(Line(number, normal, None))
        return
    named = rest[0] if rest else default
    fault = None if _GITLAB_OWNER.search(named) else f"line {number} fits it, and names nobody"
    section.lines[normal] = Line(number, normal, fault)


def _normal(text: str) -> str:
    if text == "*":
        return "/**/*"
    text = re.sub(r"\\\s+", " ", text[1:] if text.startswith("\\#") else text)
    if not text.startswith("/"):
        text = f"/**/{text}"
    return f"{text}**/*" if text.endswith("/") else text
