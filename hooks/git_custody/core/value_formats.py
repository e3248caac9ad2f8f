"""The formats that our schemas assert: days, times, addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping


def is_date(text: str) -> bool:
    """Tell whether `text` is a day that exists, written exactly YYYY-MM-DD."""
    import datetime

    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", text):
        return False
    try:
        datetime.date(int(text[:4]), int(text[5:7]), int(text[8:]))
    except ValueError:
        return False
    return True


def is_utc_time(text: str) -> bool:
    """Tell whether `text` is an RFC 3339 time in UTC with whole seconds and a Z, the form that we write."""
    if not re.match(r"[0-9-]{10}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z\Z", text):
        return False
    return is_date(text[:10])


# Local files and scripts are no place that data can be fetched from again.
_NO_SOURCE = ("file", "javascript", "vbscript", "data", "about", "blob", "view-source")
_NAMED = re.compile(
    r"(?:doi:10\.[0-9]{4,9}(?:\.[0-9]+)*/.+|hdl:[^/]+/.+|ark:/?[0-9]{5,}/.+|urn:[a-z0-9][a-z0-9-]+:.+"
    r"|swh:1:[a-z]{3}:[0-9a-f]{40}.*|purl:.+|pkg:[a-z0-9.+-]+/.+)\Z",
    re.IGNORECASE,
)


def is_uri(text: str) -> bool:
    """Tell whether `text` is an absolute address that something can be fetched from.

    That is a scheme and a host, or a DOI, URN and their like. Characters beyond ASCII may stand as they are
    (RFC 3987).
    """
    import unicodedata
    from urllib.parse import urlsplit

    if any(unicodedata.category(character)[0] in "ZC" or character in '<>"`\\{}' for character in text):
        return False
    if _NAMED.match(text):
        return True
    scheme, separator, rest = text.partition("://")
    if not separator or not re.match(r"[a-z][a-z0-9+.-]+\Z", scheme, re.IGNORECASE):
        return False
    if scheme.lower() in _NO_SOURCE:
        return False
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    return bool(host) and any(character.isalnum() for character in host or "") and ".." not in (host or "")


def is_email(text: str) -> bool:
    """Tell whether `text` can be the address of a git identity, which need not have a public domain."""
    local, at, domain = text.rpartition("@")
    return bool(local and at and domain) and not re.search(r"[\s\x00-\x1f\x7f<>,;]", text)


FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date": is_date,
    "date-time": is_utc_time,
    "uri": is_uri,
    "email": is_email,
}
