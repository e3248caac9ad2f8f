"""What is wrong with an answer about a dataset, typed by a person or found in a file, before it goes onto a card."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from ..core.policy import Policy


def wrong_text(text: str, names: Sequence[str] = ()) -> str | None:
    """Why a text says nothing, or None."""
    from .hollow import hollow

    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "is not valid Unicode text"
    return hollow(text, file_names=names)


def wrong_license(text: str, policy: Policy) -> str | None:
    """Why a licence cannot stand on a card, or None."""
    from .licenses import check_license

    verdict = check_license(text, policy.licenses_allow, policy.licenses_deny, policy.licenses_review)
    if verdict.status in ("ok", "review"):
        return None
    near = verdict.suggestion
    return verdict.message + (f'; did you mean "{near}"?' if near and near not in verdict.message else "")


def wrong_url(text: str) -> str | None:
    """Why a text is no address, or None."""
    from ..core.value_formats import is_uri

    return None if is_uri(text) else "is not a whole address, such as https://example.org/data.csv"


def wrong_languages(text: str) -> str | None:
    """Why words are no languages, or None."""
    from .codes import language_fault

    return next((fault for word in text.split() if (fault := language_fault(word)) is not None), None)


def wrong_date(text: str, today: date) -> str | None:
    """Why a text is no day on which something can have been fetched, or None."""
    from datetime import date, timedelta

    from ..core.value_formats import is_date

    if not is_date(text):
        return "is not a day that exists, written like 2026-11-22"
    return "lies in the future" if date.fromisoformat(text) > today + timedelta(days=1) else None
