"""What a data card says that cannot be true: days out of order, places that do not exist, answers at odds.

Only what nobody can explain away is told: data may speak of a future that is forecast, and a feed may be fetched
again and again. What the schema refuses, such as a day that does not exist, is not spoken of again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

from .codes import language_fault, place_fault

# Kinds of sensitive data, of the Data Provenance Standards, that there cannot be without people.
OF_PEOPLE = ("pi", "pii", "pci", "pfi", "phi", "spi", "children")

_Path = tuple[str | int, ...]
_PERIODS: tuple[_Path, ...] = (("collection", "period"), ("coverage", "temporal"), ("scrape", "period"))
# What has happened already, or the card could not speak of it.
_PAST: tuple[_Path, ...] = (
    ("source", "published"), ("source", "retrieved"), ("license_evidence", "captured"), ("source_review", "date"),
    ("ip_review", "date"), ("collection", "period", "start"), ("scrape", "period", "start"),
)  # fmt: skip
_REVIEWS: tuple[_Path, ...] = (("source_review",), ("ip_review",))


class Fault(NamedTuple):
    """What is wrong, as a sentence, and the JSON pointer (RFC 6901) of the value that is spoken of."""

    pointer: str
    message: str


def faults(card: Mapping[str, Any], today: date) -> Iterator[Fault]:
    """Tell what contradicts itself, or the world, in a card that was read: its fields need not be valid.

    A card in which there is nothing today has nothing on any later day.
    """
    yield from _future(card, today)
    yield from _order(card)
    yield from _codes(card)
    yield from _answers(card)


def overdue(card: Mapping[str, Any], today: date) -> Iterator[Fault]:
    """Tell that data which should be gone are still being updated: of all faults the one that comes with time."""
    gone = _day(card, ("retention", "delete_by"))
    if _at(card, ("maintenance", "live")) is True and gone is not None and (today - gone).days > 1:
        said = f"retention.delete_by was {gone}, and maintenance.live says that a feed still updates the data"
        yield Fault("/retention/delete_by", said)


def _future(card: Mapping[str, Any], today: date) -> Iterator[Fault]:
    for path in (*_PAST, *(("regulatory_reviews", index, "date") for index in range(_length(card)))):
        day = _day(card, path)
        # One day of grace: it is already tomorrow in another time zone.
        if day is not None and (day - today).days > 1:
            yield Fault(_pointer(path), f"{_name(path)} is {day}, which lies in the future")


def _order(card: Mapping[str, Any]) -> Iterator[Fault]:
    for path in _PERIODS:
        start, end = _day(card, (*path, "start")), _day(card, (*path, "end"))
        if start is not None and end is not None and end < start:
            yield Fault(_pointer((*path, "end")), f"{_name(path)} ends on {end}, before it starts on {start}")
    for path in (*_REVIEWS, *(("regulatory_reviews", index) for index in range(_length(card)))):
        given, expires = _day(card, (*path, "date")), _day(card, (*path, "expires"))
        if given is not None and expires is not None and expires < given:
            said = f"{_name(path)} expires on {expires}, before it was given on {given}"
            yield Fault(_pointer((*path, "expires")), said)
    retrieved, published = _day(card, ("source", "retrieved")), _day(card, ("source", "published"))
    if retrieved is not None and published is not None and (published - retrieved).days > 1:
        yield Fault("/source/retrieved", f"source.retrieved is {retrieved}, and source.published is only {published}")
    for path in _PAST[-2:]:
        start = _day(card, path)
        if retrieved is not None and start is not None and (start - retrieved).days > 1:
            said = f"source.retrieved is {retrieved}, and {_name(path[:-1])} only starts on {start}"
            yield Fault("/source/retrieved", said)
            return


def _codes(card: Mapping[str, Any]) -> Iterator[Fault]:
    for path, fault_of in ((("language",), language_fault), (("coverage", "spatial"), place_fault)):
        listed = _at(card, path)
        for index, text in enumerate(listed if isinstance(listed, list) else ()):
            # An empty or endless one is the schema's matter.
            fault = fault_of(text) if isinstance(text, str) and 1 <= len(text) <= 100 else None
            if fault is not None:
                place = (*path, index)
                yield Fault(_pointer(place), f'{_name(place)}, "{text[:40]}", {fault}')


def _answers(card: Mapping[str, Any]) -> Iterator[Fault]:
    kinds = [kind for kind in OF_PEOPLE if kind in _words(card, ("data_categories",))]
    if card.get("personal_data") == "none" and kinds:
        said = (
            f"personal_data is none, and data_categories has {', '.join(kinds)}, which there cannot be without people"
        )
        yield Fault("/personal_data", said)
    for path, nothing in ((("scrape", "opt_out"), "none"), (("annotation", "creators"), "no-annotation")):
        words = _words(card, path)
        if nothing in words and len(words) > 1:
            others = ", ".join(str(word) for word in words if word != nothing)
            yield Fault(_pointer(path), f"{_name(path)} has {nothing}, and {others} as well")
    forbidden = [text.strip().lower() for text in _words(card, ("prohibited_use",)) if isinstance(text, str)]
    both = [use for use in _words(card, ("permitted_use",)) if use in forbidden]
    if both:
        yield Fault("/prohibited_use", f"{', '.join(both)} is in permitted_use and in prohibited_use")


def _length(card: Mapping[str, Any]) -> int:
    listed = card.get("regulatory_reviews")
    return len(listed) if isinstance(listed, list) else 0


def _words(card: Mapping[str, Any], path: _Path) -> list[Any]:
    found = _at(card, path)
    return found if isinstance(found, list) else []


def _at(value: Any, path: _Path) -> Any:
    for key in path:
        if isinstance(key, int):
            value = value[key] if isinstance(value, list) and key < len(value) else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value


def _day(card: Mapping[str, Any], path: _Path) -> date | None:
    from ..core.value_formats import is_date

    text = _at(card, path)
    return date.fromisoformat(text) if isinstance(text, str) and is_date(text) else None


def _pointer(path: _Path) -> str:
    return "".join(f"/{key}" for key in path)


def _name(path: _Path) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)[1:]
