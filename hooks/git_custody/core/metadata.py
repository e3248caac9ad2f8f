"""Metadata files, parsed strictly and checked against our schemas, with a line for every value."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from .documents import MAX_PROBLEMS, Document, Problem, nearest
from .findings import CannotJudge

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

__all__ = ["Document", "Problem", "load", "nearest", "parse_json", "parse_yaml", "read_schema"]

_JSON_SCHEMAS = ("audit-entry", "report")
# Of several faults of one value the first of these is told: the others follow from it.
_ORDER = (
    "type", "const", "enum", "required", "additionalProperties", "minProperties", "maxProperties",
    "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minimum", "maximum", "pattern", "format",
)  # fmt: skip
# A hostile list has a fault in every item; nobody reads beyond the first few.
_PLENTY = 1000


def load(data: bytes, schema: str) -> Document:
    """Parse `data` and check it against the schema called `schema`, such as ``data-card``.

    Audit entries and reports are JSON, everything else is YAML. At most 20 problems, in the order of lines.
    Never raises for any bytes; raises `CannotJudge` when this installation lacks the schema.
    """
    document = parse_json(data) if schema in _JSON_SCHEMAS else parse_yaml(data)
    if document.problems:
        return document
    rules = read_schema(schema)
    from .schema_holds import holds

    return document if holds(rules, document.data, rules) else _with_problems(document, schema)


def parse_yaml(data: bytes) -> Document:
    """Read one strict YAML document: see `strict_yaml`. Never raises for any bytes."""
    from . import strict_yaml

    return strict_yaml.parse_yaml(data)


def parse_json(data: bytes) -> Document:
    """Read one strict JSON text: see `strict_json`. Never raises for any bytes."""
    from . import strict_json

    return strict_json.parse_json(data)


@cache
def read_schema(name: str) -> dict[str, Any]:
    """Read the JSON Schema called `name`, from the wheel or from the checkout that this module is part of.

    Raises `CannotJudge` when there is none.
    """
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    checkout = os.path.dirname(os.path.dirname(package))
    for folder in (os.path.join(package, "schemas"), os.path.join(checkout, "schemas")):
        try:
            with open(os.path.join(folder, f"{name}.schema.json"), encoding="utf-8") as file:
                schema: dict[str, Any] = json.load(file)
        except FileNotFoundError:
            continue
        return schema
    raise CannotJudge(f"this installation of git-custody is incomplete: its schema {name!r} is missing")


@cache
def _validator(name: str) -> Validator:
    import jsonschema
    from jsonschema.exceptions import ValidationError
    from jsonschema.validators import extend

    from .value_formats import FORMATS

    def unique_items(_: Any, wanted: bool, instance: Any, __: Any) -> Iterator[ValidationError]:
        # The library compares every pair of items that cannot be sorted: minutes for a hostile list.
        if not wanted or not isinstance(instance, list):
            return
        seen: set[str] = set()
        for index, item in enumerate(instance):
            rendered = json.dumps(item, sort_keys=True)
            if rendered in seen:
                yield ValidationError("repeated", path=[index], instance=item)
            seen.add(rendered)

    formats = jsonschema.FormatChecker(formats=())
    for word, check in FORMATS.items():
        formats.checks(word)(_text_only(check))
    # JSON Schema calls 1.0 an integer; in metadata it is a different text, so it is a different value.
    types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    strict: Any = extend(  # type: ignore[no-untyped-call]
        jsonschema.Draft202012Validator, {"uniqueItems": unique_items}, type_checker=types
    )
    validator: Validator = strict(read_schema(name), format_checker=formats)
    return validator


def _text_only(check: Callable[[str], bool]) -> Callable[[object], bool]:
    return lambda value: check(value) if isinstance(value, str) else True


def _with_problems(document: Document, name: str) -> Document:
    from .schema_messages import told

    validator = _validator(name)
    schema: Any = validator.schema
    title = str(schema["title"])
    found: dict[str, tuple[int, Problem]] = {}
    meant: set[str] = set()
    for count, error in enumerate(validator.iter_errors(document.data)):
        if count >= _PLENTY:
            break
        rank = _ORDER.index(error.validator) if error.validator in _ORDER else len(_ORDER)
        for pointer, message in told(error, title, meant):
            problem = Problem(pointer, _nearest_line(document.lines, pointer), message)
            if pointer not in found or rank < found[pointer][0]:
                found[pointer] = (rank, problem)
    # A field that is there under a wrong name is not missing as well.
    kept = [
        problem
        for pointer, (rank, problem) in found.items()
        if not (pointer in meant and rank == _ORDER.index("required"))
    ]
    kept.sort(key=lambda problem: (problem.line or 0, problem.pointer))
    return document._replace(problems=tuple(kept[:MAX_PROBLEMS]))


def _nearest_line(lines: Mapping[str, int], pointer: str) -> int | None:
    while pointer not in lines:
        if not pointer:
            return None
        pointer = pointer.rpartition("/")[0]
    return lines[pointer]
