"""What is wrong with the licences that a policy names: globs that no SPDX id matches, a default that is no expression.

A list that matches nothing looks like a gate and is none. The ids are those of the SPDX License List.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ..core.documents import nearest
from .licenses import check_license, ids

if TYPE_CHECKING:
    from collections.abc import Iterable

_WILD = "*?["
_OWN = re.compile(r"(?i)LicenseRef(-[A-Za-z0-9.*?\[\]!-]*|[*?\[].*)\Z")
_NEARLY_OWN = re.compile(r"(?i)licen[cs]e[-_ ]?ref[-_ ]?")


def glob_fault(glob: str) -> str | None:
    """Why a glob of `licenses` can never match, as the end of a sentence; None where it can."""
    licenses, exceptions = ids()
    name, pair, exception = glob.partition(" WITH ")
    if (_OWN.match(name) or _hits(name, licenses)) and (not pair or _hits(exception, exceptions, later=False)):
        return None
    said = "which is the id of no SPDX licence" if not set(glob) & set(_WILD) else "which no SPDX licence id matches"
    meant = None if pair else _meant(name, licenses)
    return f'{said}; did you mean "{meant}"?' if meant else f"{said}; a name of your own begins with LicenseRef-"


def default_fault(expression: str) -> str | None:
    """Why a licence cannot be the default of new cards, as a sentence; None where it can."""
    verdict = check_license(expression, (), (), ())
    return verdict.message if verdict.status == "invalid" else None


def _hits(glob: str, names: Iterable[str], *, later: bool = True) -> bool:
    folded = glob.lower()
    return any(
        fnmatchcase(name, folded) or (later and fnmatchcase(f"{name}+", folded)) for name in map(str.lower, names)
    )


def _meant(name: str, licenses: tuple[str, ...]) -> str | None:
    """The id or the glob that a name was most likely meant to be."""
    if own := _NEARLY_OWN.match(name):
        return f"LicenseRef-{name[own.end() :]}"
    stem = re.split(r"[*?\[]", name, maxsplit=1)[0].rstrip("-. ")
    if not stem:
        return None
    exact = stem.lower()
    if len(stem) == len(name):
        if family := _family(exact, licenses):
            return family
        begin = [one for one in licenses if one[:2].lower() == exact[:2]]
        return nearest(name, begin)
    stems = {"-".join(parts[:count]) for one in licenses if (parts := one.split("-")) for count in range(1, len(parts))}
    near = nearest(stem, sorted(one for one in stems if one[:2].lower() == exact[:2]))
    return f"{near}-*" if near else None


def _family(start: str, licenses: tuple[str, ...]) -> str | None:
    """The glob of all versions of a licence that was written without one, and of no other licence; of one, its id."""
    for mark in ("-", "."):
        of_it = [one for one in licenses if one.lower().startswith(start + mark)]
        versions = [one for one in of_it if one[len(start) + 1 :][:1].isdigit()]
        if len(versions) == 1:
            return versions[0]
        if versions:
            written = versions[0][: len(start) + 1]
            return f"{written}*" if len(versions) == len(of_it) else f"{written}[0-9]*"
    return None
