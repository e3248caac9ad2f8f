"""The sources that a policy trusts: patterns over addresses, one exact host each.

``https://zenodo.org/records/**``, ``doi:10.5281/zenodo.*``, ``pkg:huggingface/stanfordnlp/**``. `*` stands for anything
within one part of the path, `**` for any number of parts; scheme, host and port, the registrant of a DOI and the type
of a package are always exact. Addresses are read by `addresses`, as browsers do (https://url.spec.whatwg.org/).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from .addresses import REGISTRIES, Address, Unclear, as_registered, decoded, lower, read_address, split_scheme

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NO_WILDCARD = re.compile(r"[?#\[\]{}]")
# Only to read a pattern's own place: it stands for no address.
_STAND_IN = "x"


class Pattern(NamedTuple):
    """What a trusted source has to look like; `segments` as in the text, decoded, wildcards apart: ``*`` is None in
    a part, and ``**`` is an empty part.
    """

    place: str
    segments: tuple[tuple[str | None, ...], ...]


class Verdict(NamedTuple):
    """Whether an address is trusted; if not, `why` is the rest of a sentence about it."""

    trusted: bool
    why: str = ""


@lru_cache(maxsize=1024)
def read_pattern(text: str) -> Pattern:
    """A pattern of `sources.trusted`. Raises `Unclear` for one that does not say exactly what it trusts."""
    scheme, rest = split_scheme(text)
    slashes = "//" if rest.startswith("//") else ""
    head, slash, path = rest.removeprefix("//").partition("/")
    start = f"{scheme}:{slashes}{head}/"
    if "*" in start:
        raise Unclear("has a wildcard before its path: name each host in a pattern of its own")
    place = read_address(start + _STAND_IN).place
    if not slash or path.endswith("/") or not path:
        whole = f"{scheme}:{rest.rstrip('/')}/**"
        raise Unclear(f"trusts a single page: for everything below it, write {whole}")
    if found := _NO_WILDCARD.search(path):
        raise Unclear(f'holds "{found[0]}", and the only wildcards are * and **')
    if scheme == "pkg" and "@" in path:
        raise Unclear("names a version: a pattern is of a package in all its versions")
    return Pattern(place, tuple(_part(lower(part) if scheme in REGISTRIES else part) for part in path.split("/")))


def _part(text: str) -> tuple[str | None, ...]:
    if text == "**":
        return ()
    if "**" in text or text.count("*") > 2:
        raise Unclear("holds more than two * in one part of its path, or ** beside other characters")
    pieces: list[str | None] = []
    for number, piece in enumerate(text.split("*")):
        if number:
            pieces.append(None)
        pieces.append(decoded(piece))
    if pieces in ([""], ["."], [".."]):
        raise Unclear("has an empty part, or dots, in its path")
    return tuple(pieces)


def fault(text: str) -> str | None:
    """Why a pattern cannot be used, as the rest of a sentence about it; None where it can."""
    try:
        read_pattern(text)
    except Unclear as unclear:
        return str(unclear)
    return None


def judge(patterns: Sequence[str], address: str) -> Verdict:
    """Whether a pattern matches an address. What is no pattern matches nothing; check-policy says so."""
    try:
        found = read_address(address)
    except Unclear as unclear:
        return Verdict(False, str(unclear))
    forms = [found] + [form for form in (as_registered(found),) if form is not None]
    readable = [read_pattern(text) for text in patterns if fault(text) is None]
    if any(matches(pattern, form) for pattern in readable for form in forms):
        return Verdict(True)
    return Verdict(False, _near_miss(readable, found))


def _near_miss(patterns: Iterable[Pattern], found: Address) -> str:
    scheme, _, host = found.place.partition("://")
    places = [pattern.place for pattern in patterns]
    if scheme == "http" and f"https://{host}" in places:
        return "is http, and the policy trusts that host by https only"
    if found.place in places:
        return f"is at {found.place}, where the policy does not trust everything"
    return f"is at {found.place}"


def matches(pattern: Pattern, address: Address) -> bool:
    """Whether a pattern takes an address in, in time that grows with the product of their lengths."""
    if pattern.place != address.place:
        return False
    # With a query, one page can be anything at all.
    if address.has_query and pattern.segments[-1:] != ((),):
        return False
    wanted, parts = pattern.segments, address.segments
    # A page that ends in a slash lists what lies below it, and is none of that.
    if len(wanted) > 1 and wanted[-1] == ():
        while parts[-1:] == ("",):
            parts = parts[:-1]
    elif len(wanted) > 1 and parts[-1:] == ("",) and not any(wanted[-1]):
        return False
    # After each part of the address: how much of the pattern it can have used up.
    reached = {0}
    for number, part in enumerate(parts):
        following: set[int] = set()
        for at in _over(wanted, reached):
            if at < len(wanted):
                if wanted[at] == ():
                    following.add(at)
                    if number == len(parts) - 1 and at == len(wanted) - 1:
                        following.add(at + 1)
                elif _fits(wanted[at], part):
                    following.add(at + 1)
        reached = following
        if not reached:
            return False
    return len(wanted) in reached


def _over(wanted: Sequence[tuple[str | None, ...]], reached: Iterable[int]) -> set[int]:
    """The places to go on from: a ``**`` may stand for nothing, unless it is the last part."""
    found = set(reached)
    for at in sorted(found):
        while at < len(wanted) - 1 and wanted[at] == ():
            at += 1
            found.add(at)
    return found


def _fits(pieces: tuple[str | None, ...], part: str) -> bool:
    texts = [piece for piece in pieces if piece is not None]
    if len(texts) == 1:
        return part == texts[0]
    first, *middle, last = texts
    if not part.startswith(first):
        return False
    at = len(first)
    for text in middle:
        at = part.find(text, at)
        if at < 0:
            return False
        at += len(text)
    return part.endswith(last) and len(part) - len(last) >= at
