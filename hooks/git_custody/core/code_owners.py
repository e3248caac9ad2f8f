"""CODEOWNERS: who has to be asked before a path is changed, as GitHub and GitLab read the file.

Sources: https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
and https://docs.gitlab.com/user/project/codeowners/reference/, with GitLab's own code (ee/lib/gitlab/code_owners)
where the text leaves something open. Neither says whether an owner exists, may write, or is asked: that is kept in
their settings.
"""

from __future__ import annotations

import re
from collections import Counter
from heapq import merge
from typing import TYPE_CHECKING, NamedTuple

from .findings import CannotJudge
from .owner_patterns import github_pattern, gitlab_pattern, is_github_pattern, plain_names, plain_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .owner_patterns import PathPattern

GITHUB = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
GITLAB = ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
PLACES = tuple(dict.fromkeys((*GITHUB, *GITLAB)))
# GitHub does not load a file of this size or above.
GITHUB_AT_MOST = 3 * 1000 * 1000
_ROWS = 100_000
# Nanoseconds of work: what all paths may cost together, what each may add to that, and what a line costs that is only
# passed over, or whose pattern is read.
_WORK = 2_000_000_000
_WORK_OF_PATH = 100_000
_PASSED_OVER = 300
_READ = 2_000
# What each character that is not plain costs once, in a pattern that has more of them than anybody would write.
_SPECIAL = 4_000
_SPECIAL_FREE = 12

_GITHUB_OWNER = re.compile(
    r"@[A-Za-z0-9](?:[A-Za-z0-9_-]*)(?:/[A-Za-z0-9_.-]+)?|[^@\s/]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
)
# Only whether there is one matters, so that of what stands before and behind an @ no more is read than that takes.
_GITLAB_OWNER = re.compile(
    r"(?<![\w@])@[\w.]|[^@\s]@[^@\s]{0,254}\w|(?<!\S)@@(?:developer|maintainer|owner)s?(?!\S)", re.IGNORECASE
)
_GITLAB_HEADING = re.compile(r"(\^)?\[(.*?)\](?:\[(\d*?)\])?(\s+[@\w.\-/\s+]*)?")
_HEADING_LINE = re.compile(r"(?m)^[ \t]*\^?\[[^\]\n]+\](?:\[\d*\])?(?:[ \t]+@|[ \t]*$)")


def has_headings(text: str) -> bool:
    """Whether a file is written in sections, which only GitLab has."""
    return _HEADING_LINE.search(text) is not None


class Line(NamedTuple):
    """A line that decides in its section for the paths that its pattern fits. `fault` says why it names nobody."""

    number: int
    pattern: str
    fault: str | None
    section: int = 0


class Owners:
    """What a CODEOWNERS file says: in each section the last line that fits a path decides, and any may name somebody.

    Lines lie by a name that each path has for which their pattern stands, the one that the fewest lines have, so that
    most are never looked at.
    """

    def __init__(self, lines: Sequence[Line], read: Callable[[str], PathPattern | None]) -> None:
        names = [set(plain_names(line.pattern)) for line in lines]
        number_of = Counter(name for found in names for name in found)
        self._by_name: dict[str, list[tuple[int, str, Line]]] = {}
        for place in reversed(range(len(lines))):
            name = min(names[place], key=lambda name: (number_of[name], name), default="")
            self._by_name.setdefault(name, []).append((place, plain_part(lines[place].pattern), lines[place]))
        self._sections = len({line.section for line in lines})
        self._read = read
        self._left = _WORK
        self._weighed: set[int] = set()

    def fault(self, path: str) -> str | None:
        """Why nobody has to be asked before a path is changed; None where somebody has to be.

        Raises `CannotJudge` where patterns and paths are made so that matching them would take minutes.
        """
        said = "no line fits it"
        decided: set[int] = set()
        for line in self._that_may_fit(path):
            if line.section not in decided and self._fits(line, path):
                if line.fault is None:
                    return None
                decided.add(line.section)
                said = line.fault
                if len(decided) == self._sections:
                    break
        return said

    def _that_may_fit(self, path: str) -> Iterator[Line]:
        """The lines that may fit a path, the last one first."""
        self._left += _WORK_OF_PATH
        names = {"", *path.split("/")} & self._by_name.keys()
        for _, plain, line in merge(*(self._by_name[name] for name in names), reverse=True):
            self._left -= _PASSED_OVER
            if self._left < 0:
                raise _too_much(line)
            if plain in path:
                yield line

    def _fits(self, line: Line, path: str) -> bool:
        if line.number not in self._weighed:
            self._weighed.add(line.number)
            self._left -= _SPECIAL * max(0, sum(map(line.pattern.count, "*?[/\\")) - _SPECIAL_FREE)
            if self._left < 0:
                raise _too_much(line)
        pattern = self._read(line.pattern)
        if pattern is None:
            return False
        self._left -= _READ + pattern.cost(path)
        if self._left < 0:
            raise _too_much(line)
        return pattern.fits(path)


def _too_much(line: Line) -> CannotJudge:
    said = "so many or so long patterns would have to be matched with the paths here that it would take minutes"
    return CannotJudge(f"{said} (line {line.number}); write fewer or shorter ones")


def github_owners(text: str) -> Owners:
    """A file as GitHub reads it: the last line that fits a path decides, and one without owners frees it."""
    lines = (_github_line(number, row) for number, row in _rows(text))
    return Owners([line for line in lines if line], github_pattern)


def _rows(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, by number. Raises `CannotJudge` for more than anybody would write."""
    if text.count("\n") > _ROWS:
        raise CannotJudge(f"it has more than {_ROWS} lines; join them with patterns")
    for number, row in enumerate(text.split("\n"), 1):
        stripped = row.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


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

    def in_order(self) -> Iterator[Line]:
        """The lines, such that the last one that fits decides."""
        for line in self.lines.values():
            asks_nobody = line.fault is None and self.is_optional
            yield (
                line._replace(fault=f"line {line.number} fits it, and its section is optional") if asks_nobody else line
            )
        yield from self.excluded


def gitlab_owners(text: str) -> Owners:
    """A file as GitLab reads it: in each section the last line that fits decides, and any section may name somebody."""
    sections = {"codeowners": _Section()}
    spelled = {name: name for name in sections}
    section, optional, has_default = sections["codeowners"], False, False
    for number, row in _rows("" if "\0" in text else text):
        if heading := _GITLAB_HEADING.match(row):
            name = heading[2] if len(sections) == 1 else spelled.get(heading[2].casefold(), heading[2])
            spelled.setdefault(name.casefold(), name)
            section = sections.setdefault(name, _Section())
            optional, has_default = heading[1] is not None, _names_somebody(heading[4] or "")
        else:
            _gitlab_line(section, number, row, optional, has_default)
    lines = [line._replace(section=at) for at, one in enumerate(sections.values()) for line in one.in_order()]
    return Owners(lines, gitlab_pattern)


def _names_somebody(text: str) -> bool:
    return _GITLAB_OWNER.search(text) is not None


def _gitlab_line(section: _Section, number: int, row: str, optional: bool, has_default: bool) -> None:
    text, *rest = re.split(r"(?<!\\)\s+", row, maxsplit=1)
    is_exclusion = text.startswith("!")
    normal = _normal(text.removeprefix("!"))
    section.is_optional = section.is_optional and optional
    if is_exclusion:
        section.lines.pop(normal, None)
        section.excluded.append(Line(number, normal, "a line with ! takes it out"))
        return
    names_somebody = _names_somebody(rest[0]) if rest else has_default
    fault = None if names_somebody else f"line {number} fits it, and names nobody"
    section.lines[normal] = Line(number, normal, fault)


def _normal(text: str) -> str:
    if text == "*":
        return "/**/*"
    text = re.sub(r"\\\s+", " ", text[1:] if text.startswith("\\#") else text)
    if not text.startswith("/"):
        text = f"/**/{text}"
    return f"{text}**/*" if text.endswith("/") else text
