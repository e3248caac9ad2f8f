"""Whether a document plainly keeps a schema, told without jsonschema.

Importing jsonschema takes longer than everything else that is done for a card. So this small reading of the
few keywords that our schemas use lets good documents pass; all others go to jsonschema, which finds what is
wrong. The two agree on every schema of ours (a test), and a keyword unknown here is left to jsonschema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .value_formats import FORMATS

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "array": (list,),
    "boolean": (bool,),
    "null": (type(None),),
}
_ANNOTATIONS = frozenset(("$schema", "$id", "$defs", "title", "description", "default", "x-says"))
_FIELDS = frozenset(("properties", "patternProperties", "additionalProperties"))


def holds(schema: Any, value: Any, root: Mapping[str, Any]) -> bool:
    """Tell whether `value` plainly keeps `schema`, a part of `root`; if not, jsonschema has the last word."""
    if isinstance(schema, bool):
        return schema
    if not _fields_hold(schema, value, root):
        return False
    for keyword, wanted in schema.items():
        if keyword in _ANNOTATIONS or keyword in _FIELDS or keyword == "then":
            continue
        if keyword == "$ref":
            if not holds(root["$defs"].get(wanted.removeprefix("#/$defs/"), False), value, root):
                return False
        elif keyword == "type":
            names = [wanted] if isinstance(wanted, str) else wanted
            if not any(type(value) in _TYPES[name] for name in names):
                return False
        elif keyword == "if":
            if holds(wanted, value, root) and not holds(schema["then"], value, root):
                return False
        elif keyword == "allOf":
            if not all(holds(part, value, root) for part in wanted):
                return False
        elif keyword == "items":
            if isinstance(value, list) and not all(holds(wanted, item, root) for item in value):
                return False
        elif keyword not in _SIMPLE or not _SIMPLE[keyword](wanted, value):
            return False
    return True


def _fields_hold(schema: Mapping[str, Any], value: Any, root: Mapping[str, Any]) -> bool:
    if not isinstance(value, dict):
        return True
    named = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    for key, inner in value.items():
        matching = [part for pattern, part in schema.get("patternProperties", {}).items() if re.search(pattern, key)]
        if key in named:
            matching.append(named[key])
        if not all(holds(part, inner, root) for part in matching or [others]):
            return False
    return True


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _unique(wanted: bool, value: Any) -> bool:
    if not wanted or not isinstance(value, list):
        return True
    import json

    return len({json.dumps(item, sort_keys=True) for item in value}) == len(value)


def _number(value: Any) -> bool:
    return type(value) in (int, float)


_SIMPLE: Mapping[str, Callable[[Any, Any], bool]] = {
    "const": _same,
    "enum": lambda wanted, value: any(_same(choice, value) for choice in wanted),
    "required": lambda wanted, value: not isinstance(value, dict) or all(key in value for key in wanted),
    "minProperties": lambda wanted, value: not isinstance(value, dict) or len(value) >= wanted,
    "maxProperties": lambda wanted, value: not isinstance(value, dict) or len(value) <= wanted,
    "minItems": lambda wanted, value: not isinstance(value, list) or len(value) >= wanted,
    "maxItems": lambda wanted, value: not isinstance(value, list) or len(value) <= wanted,
    "minLength": lambda wanted, value: not isinstance(value, str) or len(value) >= wanted,
    "maxLength": lambda wanted, value: not isinstance(value, str) or len(value) <= wanted,
    "pattern": lambda wanted, value: not isinstance(value, str) or re.search(wanted, value) is not None,
    "format": lambda wanted, value: wanted in FORMATS and (not isinstance(value, str) or FORMATS[wanted](value)),
    "minimum": lambda wanted, value: not _number(value) or value >= wanted,
    "maximum": lambda wanted, value: not _number(value) or value <= wanted,
    "uniqueItems": _unique,
}
