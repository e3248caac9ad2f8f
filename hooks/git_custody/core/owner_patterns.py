"""The path patterns of CODEOWNERS, as GitHub and GitLab match them, in time that no pattern can blow up.

Neither is gitignore's. GitHub knows ``*``, ``?``, ``**`` and ``\\``, no ``[ ]`` and no ``!``; a pattern also owns what
lies below what it names, except that a last ``*`` goes one level deep
(https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners).
GitLab hands its patterns to Ruby's ``File.fnmatch`` with FNM_PATHNAME and FNM_DOTMATCH
(https://docs.gitlab.com/user/project/codeowners/advanced/#pattern-matching): a name without a slash behind it is that
of a file, ``**`` is only special as a whole folder, ``[a-z]`` is a range.

Between two stars lies text of fixed length, and between two ``**`` folders of a fixed number: the leftmost place at
which each of them fits is as good as any other, so that no choice is ever taken back.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

NAMES_AT_MOST = 32  # of one pattern, by which lines are found


class Piece(NamedTuple):
    """Text of a fixed length: itself, or what an expression of one character after the other stands for."""

    text: str
    width: int
    expression: re.Pattern[str] | None

    def is_at(self, name: str, at: int) -> bool:
        """Whether a name has the piece at a place."""
        return name.startswith(self.text, at) if self.expression is None else bool(self.expression.match(name, at))

    def end_from(self, name: str, at: int) -> int:
        """Where the piece ends that a name has first from a place on; -1 where it has none."""
        if self.expression is not None:
            found = self.expression.search(name, at)
            return found.end() if found else -1
        place = name.find(self.text, at)
        return place + self.width if place >= 0 else -1


class Segment(NamedTuple):
    """A pattern of one name between slashes: pieces, with any text between each two."""

    pieces: tuple[Piece, ...]

    def fits(self, name: str) -> bool:
        """Whether the name is one that the pattern stands for."""
        first, last = self.pieces[0], self.pieces[-1]
        if not first.is_at(name, 0):
            return False
        if len(self.pieces) == 1:
            return len(name) == first.width
        at = first.width
        for piece in self.pieces[1:-1]:
            at = piece.end_from(name, at)
            if at < 0:
                return False
        return len(name) - last.width >= at and last.is_at(name, len(name) - last.width)


class PathPattern(NamedTuple):
    """A pattern of whole paths: groups of segments, with any number of folders between each two.

    `deep`: it also stands for what lies below what it names. `size` is the number of its characters.
    """

    groups: tuple[tuple[Segment, ...], ...]
    deep: bool
    size: int

    def cost(self, path: str) -> int:
        """How much work it can be at most to tell whether the pattern stands for a path: one is about a nanosecond."""
        return self.size * len(path) + 100 * sum(map(len, self.groups)) * (path.count("/") + 1)

    def fits(self, path: str) -> bool:
        """Whether the pattern stands for a path from the root of the repository."""
        names = path.split("/")
        if sum(map(len, self.groups)) > len(names):
            return False
        first, *rest = self.groups
        if not _fit(first, names, 0):
            return False
        at = len(first)
        if not rest:
            return self.deep or at == len(names)
        for group in rest[:-1]:
            place = _find(group, names, at)
            if place is None:
                return False
            at = place + len(group)
        last = rest[-1]
        if self.deep:
            return _find(last, names, at) is not None
        return len(names) - len(last) >= at and _fit(last, names, len(names) - len(last))


def _fit(group: tuple[Segment, ...], names: list[str], at: int) -> bool:
    return all(segment.fits(name) for segment, name in zip(group, names[at : at + len(group)], strict=True))


def _find(group: tuple[Segment, ...], names: list[str], at: int) -> int | None:
    return next((place for place in range(at, len(names) - len(group) + 1) if _fit(group, names, place)), None)


def is_github_pattern(text: str) -> bool:
    """Whether GitHub can read a text as a pattern."""
    return not (text.startswith(("!", "\\#")) or "[" in text or "]" in text or "***" in text or text in ("", "/"))


def plain_part(text: str) -> str:
    """Text that every path has for which a pattern stands: the longest that there is without looking closely."""
    parts = re.finditer(r"[^*?/\\]+", text.partition("[")[0])
    return max((part[0] for part in parts), key=len, default="")


def plain_names(text: str) -> list[str]:
    """The first names between slashes that every path has for which a pattern stands, as far as that is plain."""
    start, bracket, _ = text.partition("[")
    *names, last = start.split("/", NAMES_AT_MOST)
    if not bracket and "/" not in last:
        names.append(last)
    return [name for name in names if name and not re.search(r"[*?\\]", name)]


# Kept for the next path, but not all of a file that was made to fill the memory.
@lru_cache(maxsize=4096)
def github_pattern(text: str) -> PathPattern | None:
    """A pattern as GitHub reads it; None where it is none."""
    if not is_github_pattern(text):
        return None
    names = text.split("/")
    if names[0] == "":
        del names[0]
    elif len(names) == 1 or (len(names) == 2 and names[1] == ""):
        names.insert(0, "**")
    if len(names) > 1 and names[-1] == "":
        names[-1] = "**"
    # At least one name lies below a folder, and a last star stands for one name alone.
    deep = names[-1] not in ("*", "**") or names[:-1] == ["**"]
    if names[-1] == "**":
        names.append("*")
    return _pattern(names, deep, brackets=False)


@lru_cache(maxsize=4096)
def gitlab_pattern(text: str) -> PathPattern | None:
    """A pattern that GitLab has brought into its normal form, with a slash at its start; None where it fits nothing."""
    names = text.split("/")[1:]
    return _pattern(names, False, brackets=True)


def _pattern(names: list[str], deep: bool, *, brackets: bool) -> PathPattern | None:
    groups: list[list[Segment]] = [[]]
    for name in names[:-1]:
        if name != "**":
            segment = _segment(name, brackets=brackets)
            if segment is None:
                return None
            groups[-1].append(segment)
        elif groups[-1] or len(groups) == 1:
            groups.append([])
    segment = _segment(names[-1], brackets=brackets)
    if segment is None:
        return None
    groups[-1].append(segment)
    return PathPattern(tuple(map(tuple, groups)), deep, sum(map(len, names)))


def _segment(text: str, *, brackets: bool) -> Segment | None:
    """A segment; None where a bracket is never closed, so that it fits nothing."""
    pieces: list[Piece] = []
    characters: list[str] = []  # of the piece at hand, as expressions
    plain: list[str] | None = []
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        if character == "*":
            if characters or not pieces:
                pieces.append(_piece(characters, plain))
                characters, plain = [], []
        elif character == "?":
            characters.append(".")
            plain = None
        elif character == "[" and brackets:
            found = _set(text, at)
            if found is None:
                return None
            at = found[0]
            characters.append(found[1])
            plain = None
        else:
            if character == "\\" and at < len(text):
                character = text[at]
                at += 1
            characters.append(re.escape(character))
            if plain is not None:
                plain.append(character)
    pieces.append(_piece(characters, plain))
    return Segment(tuple(pieces))


def _piece(characters: list[str], plain: list[str] | None) -> Piece:
    if plain is not None:
        return Piece("".join(plain), len(plain), None)
    return Piece("", len(characters), re.compile("".join(characters), re.DOTALL))


def _set(text: str, at: int) -> tuple[int, str] | None:
    """What is in a bracket, as Ruby's dir.c reads it: where it ends, and the same as an expression; None where it has
    no end. Here a ``]`` never stands for itself, and both ends of a range count even where it runs backwards.
    """
    negated = text[at : at + 1] in ("!", "^")
    at += negated
    members = ""
    while at < len(text) and text[at] != "]":
        one, at = _member(text, at)
        members += re.escape(one)
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("", "]"):
            other, at = _member(text, at + 1)
            members += f"-{re.escape(other)}" if one <= other else re.escape(other)
    if at >= len(text):
        return None
    if not members:
        return at + 1, "." if negated else "[^\\s\\S]"
    return at + 1, f"[{'^' * negated}{members}]"


def _member(text: str, at: int) -> tuple[str, int]:
    if text[at] == "\\" and at + 1 < len(text):
        at += 1
    return text[at], at + 1
