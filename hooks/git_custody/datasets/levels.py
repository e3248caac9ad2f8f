"""What a data card has to say more at level 2 and 3 than at level 1.

The schema says it: the parts of its `allOf` that ask for a `level`. The card is held against them as if it were
written for the level of the policy, by the small reading of schemas, so that jsonschema is not imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.findings import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INCOMPLETE = Rule(
    "incomplete-data-card", ("2.5", "2.7", "2.8", "2.12"), 2,
    "A data card lacks a fact that the policy's level asks for.",
    "Whoever relies on this data at this level has to know it, and only those who brought the data can say.",
    "Write the field that is named into the card; the message has an example, docs/data-card.md has all fields.",
    "Which facts are asked for follows from the level, from where the data are from, and from whether they speak of "
    "people. Whether an answer is true is for a reviewer.",
)  # fmt: skip

# How each of these fields is written; upper-case words stand for what only a person knows, and where there is a choice
# all of it is shown: what is pasted without a thought must not pass for an answer.
EXAMPLES = {
    "personal_data": "personal_data: none|anonymised|pseudonymised|personal|special-category",
    "license_evidence": (
        'license_evidence: {url: "URL", captured: "YYYY-MM-DD", stated_by: upstream|registry|contract|email}'
    ),
    "scrape": "scrape: {opt_out: [robots.txt], respected: true|false}",
    "derived_from": "derived_from: [{id: PARENT_ID, relation: filter}]",
    "synthetic": 'synthetic: {generator: MODEL, terms: "URL"}',
    "lawful_basis": "lawful_basis: consent|contract|legal-obligation|vital-interests|public-task|legitimate-interests",
    "retention": 'retention: {delete_by: "YYYY-MM-DD"}',
    "anonymisation": "anonymisation: [{method: METHOD}]",
    "intended_use": "intended_use: PURPOSE",
    "stewards": "stewards: [{role: owner, contact: CONTACT}]",
    "processing": "processing: [{step: STEP, tool: TOOL}]",
}


class Missing(NamedTuple):
    """A field that the level asks for: its name, and why it is asked for, as a sentence with an example."""

    field: str
    message: str


def missing(card: Mapping[str, Any], level: int) -> Iterator[Missing]:
    """Tell the fields that a card lacks at a level, or at its own where that is higher; none at level 1.

    What it lacks by the level that it states itself is left out: then the card is not valid.
    """
    own = card.get("level")
    own = own if type(own) is int and own in (1, 2, 3) else 1
    if level <= max(own, 1):
        return
    stated = set(_lacks(card))
    for field, why in _lacks({**card, "level": level}):
        if (field, why) not in stated:
            yield Missing(field, f'"{field}" is missing from the data card: {why}; for example: {EXAMPLES[field]}')


def _lacks(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    from ..core.metadata import read_schema
    from ..core.schema_holds import holds

    schema = read_schema("data-card")
    for part in schema["allOf"]:
        if holds(part["if"], card, schema):
            for field in part["then"]["required"]:
                if field not in card:
                    yield field, part["then"]["x-says"]
