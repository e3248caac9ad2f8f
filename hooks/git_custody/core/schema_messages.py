"""What a schema finds wrong with a document, in our own words.

The words come from the schemas: `title`, `description`, and `x-says`, which says what a value should be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .documents import nearest, pointer_to, shown
from .strict_yaml import INTEGER

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "object": "a group of fields",
    "array": "a list",
    "boolean": "true or false",
    "null": "null",
}
_FORMATS = {
    "date": "a day that exists, written like 2026-11-22",
    "date-time": "a time in UTC, written like 2026-11-22T18:00:00Z",
    "uri": "a whole address, such as https://example.org/data.csv",
    "email": "an e-mail address",
}


def told(error: ValidationError, title: str, meant: set[str]) -> Iterator[tuple[str, str]]:
    """Put one error of a schema into sentences, each with the JSON pointer of what it speaks of.

    `title` is what the schema calls a document. Pointers of fields that stand under a wrong name are added to
    `meant`.
    """
    path = list(error.absolute_path)
    pointer = ""
    for key in path:
        pointer = pointer_to(pointer, key)
    schema: Mapping[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    value: Any = error.instance
    wanted: Any = error.validator_value
    keyword = error.validator
    if keyword == "required":
        for key in wanted:
            if key not in value:
                yield pointer_to(pointer, key), _missing(path, key, schema, title)
    elif keyword == "additionalProperties":
        known = schema.get("properties", {})
        free = tuple(pattern.lstrip("^") for pattern in schema.get("patternProperties", {}))
        for key in value:
            if key in known or key.startswith(free):
                continue
            # What is there already was not meant by this one.
            guess = nearest(key, [name for name in known if name not in value])
            if guess is not None:
                meant.add(pointer_to(pointer, guess))
            yield pointer_to(pointer, key), _unknown(path, key, guess, known, title)
    else:
        field = _field(path) or f"the {title}"
        yield pointer, f"{field} {_fault(str(keyword), wanted, value, schema)}"


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _missing(path: list[str | int], key: str, schema: Mapping[str, Any], title: str) -> str:
    says = schema.get("properties", {}).get(key, {}).get("description") or schema.get("x-says")
    what = f'"{_field([*path, key])}" is missing from the {title}'
    return f"{what}: {says}" if says else what


def _unknown(path: list[str | int], key: str, guess: str | None, known: Mapping[str, Any], title: str) -> str:
    where = f'"{_field(path)}"' if path else _article(title)
    what = f"{shown(key)} is not a field of {where}"
    if guess is not None:
        return f'{what}; did you mean "{guess}"?'
    return f"{what}, which has {', '.join(known)}"


def _fault(keyword: str, wanted: Any, value: Any, schema: Mapping[str, Any]) -> str:
    said = shown(value)
    says = schema.get("x-says")
    if keyword == "type":
        return _wrong_type(wanted, value)
    if keyword == "const":
        return f"is {said}, but should be {says or shown(wanted)}"
    if keyword == "enum":
        guess = nearest(value, wanted) if isinstance(value, str) and isinstance(wanted[0], str) else None
        allowed = ", ".join(str(choice) for choice in wanted)
        if guess is None:
            return f"is {said}, which is not {f'{says}: {allowed}' if says else f'one of {allowed}'}"
        # A list that has a name of its own is too long to be told without need.
        return f'is {said}, which is not {says or f"one of {allowed}"}; did you mean "{guess}"?'
    if keyword in ("pattern", "minProperties", "maxProperties") and says:
        if keyword != "pattern":
            return f"should have {says}"
        return f"is {said}, but should be {says}" if value else f"is empty, but should be {says}"
    if keyword == "format" and wanted in _FORMATS:
        return f"is {said}, but should be {_FORMATS[wanted]}"
    if keyword == "minLength":
        return "is empty" if not value else f"has {len(value)} characters, but needs {wanted}"
    if keyword == "maxLength":
        return f"has {len(value)} characters, but may have {wanted} at most"
    if keyword == "minItems":
        return "is an empty list" if not value else f"has {len(value)} items, but needs {wanted}"
    if keyword == "maxItems":
        return f"has {len(value)} items, but may have {wanted} at most"
    if keyword == "uniqueItems":
        return f"is {said}, which is in the list already"
    if keyword == "minimum":
        return f"is {said}, but should be {wanted} or more"
    if keyword == "maximum":
        return f"is {said}, but should be {wanted} or less"
    return f"is {said}, which is not allowed here"


def _wrong_type(wanted: str | list[str], value: Any) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    said = f"is {shown(value)}, but should be {' or '.join(_TYPES.get(name, name) for name in names)}"
    if "string" in names and isinstance(value, (bool, int, float)):
        return f"{said}; put quotes around it"
    if "integer" in names and isinstance(value, str) and INTEGER.match(value):
        return f"{said}; take the quotes away"
    if names == ["array"] and isinstance(value, str):
        return f"{said}, even of one"
    return said


def _field(path: Iterable[str | int]) -> str:
    said = ""
    for key in path:
        if isinstance(key, int):
            said += f"[{key}]"
        else:
            said += f".{key}" if said else key
    return said
