"""Whether a review still counts: its verdict, its dates, and above all the content that it was of; and what of it a
new one may want to keep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.findings import Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from ..core.digests import Digest
    from ..core.findings import Command

_GOOD = (None, "approved", "conditional")
# A command line with more conditions than these is read by nobody.
_CARRIED = 20


def fault(review: Mapping[str, object], digest: Digest | None, today: date) -> str | None:
    """Why a review of a data card does not count, in words that follow its name; None where it does.

    `digest` is that of the content as it is now; None leaves the content out of account. A review that names no digest
    is of no content at all. Dates that the schema refuses are not spoken of again.
    """
    status = review.get("status")
    if status not in _GOOD:
        return f"is {status}"
    if (day := _day(review.get("date"))) is not None and (day - today).days > 1:
        return f"is dated {day}, which lies in the future"
    if (day := _day(review.get("expires"))) is not None and day < today:
        return f"expired on {day}"
    if digest is not None and (of := review.get("digest")) != digest:
        return f"is of other content ({_shown(of)}) than there is now ({_shown(digest)})"
    return None


def to_keep(review: object, today: date) -> Command:
    """The options of `git custody review` with which a new review keeps what the old one asks for."""
    return tuple(_to_keep(review, today)) if isinstance(review, dict) else ()


def _to_keep(review: Mapping[str, object], today: date) -> Iterator[str | Slot]:
    conditions = _conditions(review)[:_CARRIED]
    if conditions or review.get("status") == "conditional":
        yield from ("--status", "conditional")
        for condition in conditions or (Slot("CONDITION"),):
            yield from ("--condition", condition)
    if (day := _day(review.get("expires"))) is not None:
        yield from ("--expires", day.isoformat() if day >= today else Slot("YYYY-MM-DD"))
    if review.get("scope") == "source":
        yield from ("--scope", "source")


def dropped(old: object, new: Mapping[str, object]) -> list[str]:
    """What an old review says and a new one does not, as words for a person."""
    if not isinstance(old, dict):
        return []
    kept = _conditions(new)
    found = [f'condition "{text}"' for text in _conditions(old) if text not in kept]
    found += [f"{name} {old[key]}" for key, name in _FIELDS.items() if isinstance(old.get(key), str) and key not in new]
    return found if old.get("status") != "rejected" or new.get("status") == "rejected" else ["rejection", *found]


_FIELDS = {"expires": "expiry", "scope": "scope", "ticket": "ticket"}


def _conditions(review: Mapping[str, object]) -> list[str]:
    listed = review.get("conditions")
    return [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []


def _day(text: object) -> date | None:
    from datetime import date

    try:
        return date.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _shown(digest: object) -> str:
    if not isinstance(digest, dict) or not digest:
        return "no digest"
    algorithm, value = next(iter(digest.items()))
    return f"{algorithm} {str(value)[:12]}…"
