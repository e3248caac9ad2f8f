"""Whether languages and places exist: language tags (BCP 47, that is RFC 5646) and countries (ISO 3166).

The subtags are those of the IANA registry, whose regions of two letters are the codes of ISO 3166-1; where its
copy is from stands in subtags.txt. Codes that were withdrawn stay real: data speak of the past as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

# What is often written, and what was meant.
_LANGUAGES = {
    "jp": "ja", "cn": "zh", "kr": "ko", "cz": "cs", "ua": "uk", "dk": "da", "multilingual": "mul", "multi": "mul",
    "unknown": "und", "none": "zxx", "code": "zxx", "chinese": "zh", "greek": "el", "norwegian": "no",
}  # fmt: skip
_COUNTRIES = {
    "UK": "GB", "USA": "US", "UAE": "AE", "KSA": "SA", "PRC": "CN", "UNITED STATES": "US", "UNITED STATES OF AMERICA":
    "US", "GREAT BRITAIN": "GB", "ENGLAND": "GB-ENG", "SCOTLAND": "GB-SCT", "WALES": "GB-WLS", "RUSSIA": "RU",
    "SOUTH KOREA": "KR", "TAIWAN": "TW", "TURKEY": "TR", "VIETNAM": "VN", "IRAN": "IR", "SYRIA": "SY",
}  # fmt: skip
# Kosovo: the one user-assigned code of ISO 3166-1 that is in general use.
_IN_USE = frozenset(("XK",))
_USER_ASSIGNED = frozenset(("AA", "ZZ"))


class Subtags(NamedTuple):
    """The registry: the subtags of each kind, in lower case, and those of two letters by their names."""

    languages: frozenset[str]
    scripts: frozenset[str]
    regions: frozenset[str]
    variants: frozenset[str]
    extended: frozenset[str]
    grandfathered: frozenset[str]
    named: Mapping[str, str]


@cache
def subtags() -> Subtags:
    """The copy of the registry that is part of this package."""
    kinds: dict[str, frozenset[str]] = {}
    named: dict[str, str] = {}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "subtags.txt"), encoding="utf-8") as file:
        for line in file:
            subtag, tab, name = line.rstrip("\n").partition("\t")
            if tab:
                # Upper case tells regions from languages.
                named.setdefault(_name_key(name, subtag), subtag)
            elif not line.startswith("#"):
                kind, *words = line.lower().split()
                kinds[kind] = frozenset(words)
    return Subtags(
        kinds["language"], kinds["script"], kinds["region"], kinds["variant"], kinds["extlang"],
        kinds["grandfathered"], named,
    )  # fmt: skip


def _name_key(name: str, subtag: str) -> str:
    return f"{'region' if subtag.isupper() else 'language'} {name.casefold()}"


def language_fault(tag: str) -> str | None:
    """Why a text is no language tag, as the rest of a sentence about it; None where it is one."""
    known = subtags()
    lower = tag.lower()
    if lower in known.grandfathered:
        return None
    wanted = _LANGUAGES.get(lower) or known.named.get(f"language {tag.casefold()}")
    if "_" in tag and language_fault(tag.replace("_", "-")) is None:
        wanted = tag.replace("_", "-")
    guess = f'; did you mean "{wanted}"?' if wanted else ""
    if not re.fullmatch("[A-Za-z0-9]{1,8}(?:-[A-Za-z0-9]{1,8})*", tag):
        return f"is not a language tag (BCP 47), such as de or pt-BR{guess}"
    parts = lower.split("-")
    if parts[0] == "x":
        return None if len(parts) > 1 else "is a private language tag without a name"
    fault = _language(parts, known) or _rest(parts, known)
    return f"{fault}{guess}" if fault else None


def _language(parts: list[str], known: Subtags) -> str | None:
    """Take the language and its extension off the parts."""
    first = parts.pop(0)
    if first not in known.languages and not re.fullmatch("q[a-t][a-z]", first):
        said = f'has "{first}", which is no language in the IANA registry'
        # RFC 5646, section 2.2.1: the shortest code of ISO 639 is the only one.
        three = re.fullmatch("[a-z]{3}", first)
        return f"{said}, where a language with a code of two letters has no other" if three else said
    if parts and re.fullmatch("[a-z]{3}", parts[0]):
        extended = parts.pop(0)
        if f"{first}-{extended}" not in known.extended:
            return f'has "{extended}", which is no variety of "{first}" in the IANA registry'
    return None


def _rest(parts: list[str], known: Subtags) -> str | None:
    """What is wrong with the parts after the language: script, region, variants, extensions, private use."""
    if parts and re.fullmatch("[a-z]{4}", parts[0]):
        script = parts.pop(0)
        if script not in known.scripts and not "qaaa" <= script <= "qabx":
            return f'has "{script.title()}", which is no script in the IANA registry'
    if parts and re.fullmatch("[a-z]{2}|[0-9]{3}", parts[0]):
        region = parts.pop(0)
        if region not in known.regions and not re.fullmatch("q[m-z]|x[a-z]", region):
            return f'has "{region.upper()}", which is no region in the IANA registry'
    seen = set()
    while parts and re.fullmatch("[a-z0-9]{5,8}|[0-9][a-z0-9]{3}", parts[0]):
        variant = parts.pop(0)
        if variant not in known.variants:
            return f'has "{variant}", which is no variant in the IANA registry'
        if variant in seen:
            return f'has "{variant}" twice'
        seen.add(variant)
    return _extensions(parts)


def _extensions(parts: list[str]) -> str | None:
    singletons = set()
    while parts:
        singleton = parts.pop(0)
        if len(singleton) != 1:
            return f'has "{singleton}" in a place where no language tag (BCP 47) has it'
        length = 0
        while parts and (singleton == "x" or len(parts[0]) > 1):
            parts.pop(0)
            length += 1
        if not length:
            return f'ends after "{singleton}"'
        if singleton in singletons:
            return f'has "{singleton}" twice'
        singletons.add(singleton)
    return None


def place_fault(code: str) -> str | None:
    """Why a text is no code of ISO 3166 for a country or a part of one, as the rest of a sentence about it; None where
    it is one. Of parts only the form is looked at.
    """
    known = subtags()
    country, dash, part = code.partition("-")
    well_formed = re.fullmatch("[A-Z]{2}", country) and (not dash or re.fullmatch("[A-Z0-9]{1,3}", part))
    is_listed = country.lower() in known.regions and country not in _USER_ASSIGNED
    if well_formed and (is_listed or country in _IN_USE):
        return None
    wanted = _COUNTRIES.get(code.upper()) or known.named.get(f"region {code.casefold()}")
    upper = code.upper().replace("_", "-")
    if wanted is None and upper != code and place_fault(upper) is None:
        wanted = upper
    if wanted is None and country in _COUNTRIES and dash:
        wanted = f"{_COUNTRIES[country]}-{part}"
    guess = f'; did you mean "{wanted}"?' if wanted else ""
    if well_formed:
        return f'has "{country}", which is no country in ISO 3166-1{guess}'
    return f"is not a code of ISO 3166, such as DE or US-CA{guess}"
