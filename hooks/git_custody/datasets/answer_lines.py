"""The line of a data card by which a field is answered, with slots for what only a person can fill in.

The words come from the schema of the card. What is pasted without filling it in does not pass: a slot is either no
valid value of its field, or text that counts as a placeholder.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..core.digests import Digest

_SLOTS = {"date": "YYYY-MM-DD", "uri": "URL"}
_MORE = {"retention": ("delete_by",), "stewards": ("role", "contact")}


def line_for(needs: Iterable[str], regime: str, digest: Digest | None) -> str:
    """The line that answers fields in dotted notation which share their first part, such as ``eu_ai_act.gaps``."""
    from ..core.metadata import read_schema

    schema = read_schema("data-card")
    first, inner = "", []
    for need in needs:
        first, _, rest = need.partition(".")
        if rest:
            inner.append(rest)
    if first == "regulatory_reviews":
        algorithm, value = next(iter((digest or {"sha256": "SHA256"}).items()))
        return (
            f"regulatory_reviews: [{{regime: {regime}, reviewer: NAME, date: YYYY-MM-DD, "
            f"digest: {{{algorithm}: {value}}}}}]"
        )
    field = schema["properties"].get(first, {})
    return f"{first}: {_value(field, schema, tuple(inner) or _MORE.get(first, ()))}"


def words_for(need: str) -> str:
    """What a field in dotted notation says, as the rest of a sentence about what a card has to say."""
    from ..core.metadata import read_schema

    field: Mapping[str, Any] = read_schema("data-card")
    for key in need.split("."):
        field = field.get("properties", {}).get(key, {})
    # The provision that is cited is that of the regime that asks.
    return re.sub(r", (GDPR )?Article .*", "", field.get("description", need))


def _value(field: Mapping[str, Any], schema: Mapping[str, Any], inner: tuple[str, ...] = ()) -> str:
    field = {**schema["$defs"].get(str(field.get("$ref", "")).rpartition("/")[2], {}), **field}
    if "enum" in field:
        return "|".join(map(str, field["enum"]))
    if field.get("type") == "array":
        return f"[{_value(field['items'], schema, inner)}]"
    if field.get("type") == "object":
        fields = field.get("properties", {})
        names = [name.partition(".")[0] for name in inner] or field.get("required") or list(fields)[:1]
        return "{" + ", ".join(f"{name}: {_value(fields.get(name, {}), schema)}" for name in names) + "}"
    if field.get("type") == "boolean":
        return "true|false"
    return _SLOTS.get(str(field.get("format")), "TEXT")
