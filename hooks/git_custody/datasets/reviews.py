"""Whether a review still counts: its verdict, its dates, and above all the content that it was of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from ..core.digests import Digest

_GOOD = (None, "approved", "conditional")


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
