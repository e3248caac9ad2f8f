"""What is wrong with the regimes of a policy, and with those that reviews name: ids that nobody knows, own ones that
speak of no field of a data card.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.documents import nearest
from ..core.metadata import read_schema
from .regimes import BY_ID

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

# What a regime is called by people who do not look its id up.
_MEANT = {
    "dsgvo": "gdpr", "rgpd": "gdpr", "avg": "gdpr", "eu-gdpr": "gdpr", "gdpr-uk": "uk-gdpr", "dpa": "uk-gdpr",
    "ai-act": "eu-ai-act", "aia": "eu-ai-act", "euaia": "eu-ai-act", "eu-ai": "eu-ai-act", "gpai": "eu-ai-act",
    "high-risk": "eu-ai-act-high-risk", "cpra": "ccpa", "dsg": "fadp", "revdsg": "fadp", "ndsg": "fadp",
    "hippa": "hipaa",
}  # fmt: skip


def faults(items: object) -> Iterator[tuple[str, str]]:
    """Tell what is wrong in the list `regimes` of a policy that was read: JSON pointer and a sentence."""
    for index, item in enumerate(items if isinstance(items, list) else ()):
        pointer = f"/regimes/{index}"
        if isinstance(item, str) and item not in BY_ID:
            yield pointer, _unknown(item)
        elif isinstance(item, dict) and isinstance(item.get("id"), str):
            yield from ((pointer, said) for said in _own(item))


def _unknown(name: str) -> str:
    meant = _meant(name, BY_ID)
    said = f'regimes names "{name[:40]}", and nothing is known of it'
    return f'{said}; did you mean "{meant}"?' if meant else f"{said}: there are {', '.join(BY_ID)}"


def unknown_reviews(reviews: object, named: Collection[str]) -> Iterator[tuple[int, str, str]]:
    """The reviews under regimes that are neither ours nor `named`, each regime once: place, regime and a sentence."""
    known = {*BY_ID, *named}
    for index, review in enumerate(reviews if isinstance(reviews, list) else ()):
        name = review.get("regime") if isinstance(review, dict) else None
        if isinstance(name, str) and name not in known:
            known.add(name)
            meant = _meant(name, [*BY_ID, *named])
            said = f'regulatory_reviews[{index}] is under "{name[:40]}", which neither git-custody nor the policy knows'
            hint = f'did you mean "{meant}"?' if meant else "an own regime is described in the policy, under regimes"
            yield index, name, f"{said}, so that the review counts for nothing; {hint}"


def _meant(name: str, ids: Iterable[str]) -> str | None:
    return _MEANT.get(name) or _transposed(name) or nearest(name, ids)


def _transposed(name: str) -> str | None:
    """The id of which two neighbouring letters were exchanged: the commonest slip in a short name."""
    folded = name.lower()
    swapped = {folded[:at] + folded[at + 1 : at + 2] + folded[at] + folded[at + 2 :] for at in range(len(folded[:40]))}
    return next((known for known in BY_ID if known in swapped), None)


def _own(item: Mapping[str, Any]) -> Iterator[str]:
    name = item["id"][:40]
    if name in BY_ID:
        yield f'regimes describes "{name}" anew, which is the id of {BY_ID[name].short}: give yours another'
    needs, when = item.get("needs"), item.get("when")
    for field in needs if isinstance(needs, list) else ():
        if isinstance(field, str) and (fault := _no_field(field)):
            yield f'the regime "{name}" needs "{field[:100]}", {fault}'
    for field, values in when.items() if isinstance(when, dict) else ():
        if fault := _no_field(field):
            yield f'the regime "{name}" asks when "{field[:100]}" has a value, {fault}'
            continue
        choices = _choices(field)
        if choices is None:
            yield f'the regime "{name}" asks when "{field[:100]}" has a value, and only a field that holds words has'
            continue
        for value in values if isinstance(values, list) else ():
            if choices and isinstance(value, str) and value not in choices:
                near = nearest(value, choices)
                hint = f'did you mean "{near}"?' if near else f"it has {', '.join(choices)}"
                yield f'the regime "{name}" asks when {field} is "{value[:100]}", which it never is; {hint}'


def _no_field(name: str) -> str | None:
    """What follows the name of a field that a data card does not have; None for one that it has."""
    if name.startswith("x-") or _field(name) is not None:
        return None
    parent, _, last = name.rpartition(".")
    beside = _fields(parent)
    near = nearest(last, beside)
    said = "which is no field of a data card"
    if near is None:
        return said
    return f'{said}; did you mean "{parent}.{near}"?' if parent else f'{said}; did you mean "{near}"?'


def _field(name: str) -> Mapping[str, Any] | None:
    """The schema of a field in dotted notation; of a list, that of its items."""
    schema = read_schema("data-card")
    found: Mapping[str, Any] = schema
    for key in name.split("."):
        found = found.get("properties", {}).get(key)
        if found is None:
            return None
        found = {**schema["$defs"].get(str(found.get("$ref", "")).rpartition("/")[2], {}), **found}
        if found.get("type") == "array":
            found = {**found["items"]}
    return found


def _fields(name: str) -> list[str]:
    found = _field(name) if name else read_schema("data-card")
    return list(found.get("properties", {})) if found else []


def _choices(name: str) -> list[str] | None:
    """The words that a field can have, none where it is free text; None where it does not hold words."""
    field = _field(name)
    if field is None:  # a field of the project's own
        return []
    if "enum" in field:
        return [str(choice) for choice in field["enum"]]
    return {"string": [], "boolean": ["true", "false"]}.get(field.get("type", ""))
