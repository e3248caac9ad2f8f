"""Text that people see in another order than programs read it (Trojan Source, CVE-2021-42574; Unicode UAX #9)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

# Embeddings and overrides have no use in a card; isolates have, where each is closed again.
_FORCED = re.compile("[\u202a-\u202e]")
_OPENS, _CLOSES = "\u2066\u2067\u2068", "\u2069"


def reordered(card: Any) -> Iterator[tuple[str, str]]:
    """Tell the texts of a card, as it was read, that are shown in another order: JSON pointer and a sentence."""
    waiting: list[tuple[str, Any]] = [("", card)]
    while waiting:
        pointer, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{pointer}/{key}", inner) for key, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{pointer}/{index}", inner) for index, inner in enumerate(value)]
        if isinstance(value, str) and not value.isascii() and (character := _culprit(value)):
            name = pointer[1:].replace("/", ".")
            yield pointer, f"{name} has U+{ord(character):04X}, which shows text in another order than it is read"


def _culprit(text: str) -> str | None:
    forced = _FORCED.search(text)
    if forced:
        return forced[0]
    opened: list[str] = []
    for character in text:
        if character in _OPENS:
            opened.append(character)
        elif character == _CLOSES:
            if not opened:
                return character
            opened.pop()
    return opened[-1] if opened else None
