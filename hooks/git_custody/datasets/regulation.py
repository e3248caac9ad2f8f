"""What the regimes that a policy names ask of a data card (LLMSVS 2.12): answers, consistency, reviews in force."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ..core.findings import CannotJudge, Finding, Rule
from . import levels, reviews
from . import survey as surveys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from ..core.case import Case
    from ..core.digests import Digest
    from ..core.documents import Document
    from ..core.policy import OwnRegime
    from .regimes import Clash, Regime, When
    from .survey import Dataset

MISSING_ANSWER = Rule(
    "missing-regulatory-answer", ("2.12",), 2,
    "A data card lacks an answer that a regime of the policy calls for.",
    "Who is asked later by what right the data are used has to find the answer beside the data.",
    "Write the lines that are named into the card; docs/regulation.md tells which facts call for which answers, and by "
    "which provision. Where a fact of the card is wrong, correct that instead.",
    "Asks only by the regimes that `.custody/policy.yaml` names under `regimes`, and by what the card states. "
    "Whether an answer is true, or enough, is for somebody who knows the law: this is not legal advice.",
)  # fmt: skip
CONTRADICTION = Rule(
    "regulatory-contradiction", ("2.12",), 2,
    "Under a regime of the policy, what a data card says cannot all be so.",
    "Something in it is wrong, and whoever relies on that can break the law without knowing.",
    "Correct the statement that is wrong; data that were to be deleted are removed with their card.",
    "Only contradictions that the text of the law leaves no doubt about; docs/regulation.md lists them.",
)  # fmt: skip
STALE_REVIEW = Rule(
    "stale-regulatory-review", ("2.12",), 2,
    "A review of what the law asks does not count, or no longer.",
    "It was of other data, has passed its date, or is under a regime that nobody knows.",
    "Have the data reviewed again, and write reviewer, date and digest into `regulatory_reviews`.",
    "Only reviews under regimes that the policy names; one that nobody knows only warns. A review without a digest "
    "counts by its dates alone, unless the regime requires one of the content.",
)  # fmt: skip
RULES = (MISSING_ANSWER, CONTRADICTION, STALE_REVIEW)

_REVIEWS = "regulatory_reviews"
# How a policy writes the values of fields that are true or false.
_TRUTH = {"true": True, "false": False}


class Demand(NamedTuple):
    """An answer that is missing: one of `needs`, called for by the facts in `fields` under `sources`."""

    needs: tuple[str, ...]
    sources: tuple[str, ...]
    fields: tuple[str, ...]


def check(case: Case, dataset: Dataset) -> Iterator[Finding]:
    """Hold a dataset's card against the regimes that the policy names; without any, nothing is said."""
    document = dataset.document
    if not case.policy.regimes or not dataset.files or document is None or not isinstance(document.data, dict):
        return
    found = case.once("regimes", lambda judged: named(judged.policy.regimes))
    card = document.data
    digest = _digest(case, dataset) if card.get(_REVIEWS) or any(_wants_review(regime) for regime in found) else None
    for regime in found:
        stale = list(_stale(dataset, document, regime, digest, case.today))
        # A review that is there and counts no longer is spoken of once, as what it is.
        demands = [d for d in missing(regime, card, digest, case.today) if not (stale and _REVIEWS in d.needs)]
        asked = _asked_anyway(document, case.policy.level) if demands else set()
        plain = [demand for demand in demands if not asked.intersection(demand.needs)]
        yield from _missing(dataset, document, regime, plain, digest)
        # What every card is asked from a level on is said once, by the rule for that.
        also = [demand for demand in demands if demand not in plain]
        for finding in _missing(dataset, document, regime, also, digest):
            yield finding._replace(unless=(levels.INCOMPLETE.name, "invalid-data-card"), subject=f"{regime.id} basics")
        yield from stale
    yield from _contradictions(dataset, document, found, case.today)
    yield from _unknown(dataset, document, [regime.id for regime in found])


def _asked_anyway(document: Document, level: int) -> set[str]:
    """The fields that a card lacks by the policy's level or its own, whatever the regimes."""
    by_policy = {lacking.field for lacking in levels.missing(document.data, level)}
    return by_policy | {problem.pointer[1:] for problem in document.problems}


def named(items: Iterable[str | OwnRegime]) -> list[Regime]:
    """The regimes that a policy names, each once; an id that nobody knows is the business of check-policy."""
    from .regimes import BY_ID, Ask, Regime

    found: dict[str, Regime] = {}
    for item in items:
        if isinstance(item, str):
            if item in BY_ID:
                found[item] = BY_ID[item]
            continue
        when = _facts(item)
        asks = tuple(Ask(need, when, (need,), "") for need in item.needs)
        before = found.get(item.id, Regime(item.id, item.title, item.title, "", "", ()))
        found[item.id] = before._replace(asks=(*before.asks, *asks))
    return list(found.values())


def _facts(item: OwnRegime) -> When:
    """The facts of an own regime; what is true or false is written as a word in a policy."""
    facts: list[tuple[str, tuple[str | bool, ...]]] = []
    for field, words in item.when:
        facts.append((field, (*words, *(_TRUTH[word] for word in words if word in _TRUTH))))
    return tuple(facts)


# ---------------------------------------------------------------------- facts


def values(card: object, field: str) -> list[object]:
    """What stands in a field of a card, in dotted notation; of lists, what stands in each item."""
    found = [card]
    for key in field.split("."):
        items = [item for value in found for item in (value if isinstance(value, list) else [value])]
        found = [item[key] for item in items if isinstance(item, dict) and key in item]
    return [item for value in found for item in (value if isinstance(value, list) else [value])]


def applies(when: When, card: Mapping[str, object], today: date) -> bool:
    """Whether a card states all of the facts."""
    return all(_states(card, field, wanted, today) for field, wanted in when)


def _states(card: Mapping[str, object], field: str, wanted: object, today: date) -> bool:
    if field.partition(".")[0] not in card:
        return False
    stated = values(card, field)
    if isinstance(wanted, tuple):
        # In Python, False is 0 and True is 1.
        known = {(type(value), value) for value in stated if isinstance(value, (str, bool))}
        return any((type(fact), fact) in known for fact in wanted)
    from .regimes import Anything

    return bool(stated) if isinstance(wanted, Anything) else any(_is_past(value, today) for value in stated)


def _is_past(value: object, today: date) -> bool:
    from datetime import date

    try:
        return isinstance(value, str) and date.fromisoformat(value) < today
    except ValueError:
        return False  # said by the schema


# ---------------------------------------------------------------------- missing answers


def missing(regime: Regime, card: Mapping[str, object], digest: Digest | None, today: date) -> list[Demand]:
    """The answers that a regime calls for and a card lacks, each once."""
    found: dict[tuple[str, ...], Demand] = {}
    # Rows that share their facts share the object, and a list in a card can be long.
    stated = {id(ask.when): ask.when for ask in regime.asks}
    holds = {key for key, when in stated.items() if applies(when, card, today)}
    for ask in regime.asks:
        if id(ask.when) not in holds:
            continue
        if not any(_answers(regime, card, need, digest, today) for need in ask.needs):
            known = found.get(ask.needs, Demand(ask.needs, (), ()))
            sources = dict.fromkeys((*known.sources, ask.source))
            fields = dict.fromkeys((*known.fields, *(field for field, _ in ask.when)))
            found[ask.needs] = Demand(ask.needs, tuple(sources), tuple(fields))
    return list(found.values())


def _answers(regime: Regime, card: Mapping[str, object], need: str, digest: Digest | None, today: date) -> bool:
    if need == _REVIEWS:
        return any(review.get("digest") and _fault(review, digest, today) is None for review in _of(card, regime.id))
    # What says nothing is told by hollow-data-card, what is not valid by invalid-data-card.
    return bool(values(card, need))


def _wants_review(regime: Regime) -> bool:
    return any(_REVIEWS in ask.needs for ask in regime.asks)


def _missing(
    dataset: Dataset, document: Document, regime: Regime, demands: Sequence[Demand], digest: Digest | None
) -> Iterator[Finding]:
    if not demands:
        return
    from .answer_lines import line_for, words_for

    asked = [words_for(demand.needs[0]) + _cited(demand.sources) for demand in demands]
    others = {demand.needs[0]: f" (or {' or '.join(demand.needs[1:])})" for demand in demands if demand.needs[1:]}
    lines = []
    for needs in _together(demand.needs[0] for demand in demands):
        # A second line of one name would not be valid.
        beside = " (beside what is there)" if needs[0].partition(".")[0] in document.data else ""
        lines.append(line_for(needs, regime.id, digest) + others.get(needs[0], "") + beside)
    facts = tuple(dict.fromkeys(field for demand in demands for field in demand.fields))
    word = "line" if len(lines) == 1 else "lines"
    said = f"under {regime.short}, the card has to say {_list(asked)}: add the {word} {_list(lines)}"
    yield Finding(
        MISSING_ANSWER, dataset.card, said, _line(document, facts), found=_shown(document.data, facts),
        subject=regime.id,
    )  # fmt: skip


def _cited(sources: Iterable[str]) -> str:
    """The provisions in brackets; an own regime has none."""
    cited = " and ".join(filter(None, sources))
    return f" ({cited})" if cited else ""


def _together(needs: Iterable[str]) -> list[tuple[str, ...]]:
    """Fields grouped by the line of the card that they are written on."""
    groups: dict[str, list[str]] = {}
    for need in needs:
        groups.setdefault(need.partition(".")[0], []).append(need)
    return [tuple(group) for group in groups.values()]


def _list(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _shown(card: Mapping[str, object], facts: Iterable[str]) -> str | None:
    shown = [f"{field}: {_list([_word(value) for value in values(card, field)[:5]])}" for field in facts]
    return ", ".join(shown) or None


def _word(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)[:60]


def _line(document: Document, fields: Iterable[str]) -> int | None:
    for field in fields:
        pointer = "/" + field.replace(".", "/")
        while pointer:
            if pointer in document.lines:
                return document.lines[pointer]
            pointer = pointer.rpartition("/")[0]
    return None


# ---------------------------------------------------------------------- contradictions


def _contradictions(dataset: Dataset, document: Document, regimes: Iterable[Regime], today: date) -> Iterator[Finding]:
    """What cannot be, once for all the regimes under which it cannot."""
    found: dict[str, tuple[Clash, list[str]]] = {}
    for regime in regimes:
        for clash in regime.clashes:
            if applies(clash.when, document.data, today):
                found.setdefault(clash.says, (clash, []))[1].append(f"{regime.short} {clash.source}")
    for says, (clash, sources) in found.items():
        facts = tuple(field for field, _ in clash.when)
        yield Finding(
            CONTRADICTION, dataset.card, f"{says} ({'; '.join(sources)})", _line(document, reversed(facts)),
            found=_shown(document.data, facts), subject=clash.name,
        )  # fmt: skip


# ---------------------------------------------------------------------- reviews


def _stale(
    dataset: Dataset, document: Document, regime: Regime, digest: Digest | None, today: date
) -> Iterator[Finding]:
    """The reviews under a regime, where none of them counts any more: the newest is spoken of."""
    held = _of(document.data, regime.id)
    faults = [_fault(review, digest, today) for review in held]
    if not held or None in faults:
        return
    from .answer_lines import line_for

    newest = max(range(len(held)), key=lambda index: str(held[index].get("date")))
    line_to_add = line_for([_REVIEWS], regime.id, digest)
    said = (
        f"the review under {regime.short} by {_word(held[newest].get('reviewer'))} {faults[newest]}: have the data "
        f"reviewed again, and add {line_to_add} (beside what is there)"
    )
    line = _line(document, [f"{_REVIEWS}.{document.data[_REVIEWS].index(held[newest])}"])
    yield Finding(STALE_REVIEW, dataset.card, said, line, subject=regime.id)


def _unknown(dataset: Dataset, document: Document, named: Sequence[str]) -> Iterator[Finding]:
    if not document.data.get(_REVIEWS):
        return
    from ..core.documents import MAX_PROBLEMS
    from .regime_names import unknown_reviews

    for index, name, said in islice(unknown_reviews(document.data[_REVIEWS], named), MAX_PROBLEMS):
        line = _line(document, [f"{_REVIEWS}.{index}"])
        yield Finding(STALE_REVIEW, dataset.card, said, line, subject=f"unknown {name}", warns=True)


def _of(card: Mapping[str, object], regime: str) -> list[Mapping[str, object]]:
    held = card.get(_REVIEWS)
    return [r for r in held if isinstance(r, dict) and r.get("regime") == regime] if isinstance(held, list) else []


def _fault(review: Mapping[str, object], digest: Digest | None, today: date) -> str | None:
    """A review that names no content is of the dataset as such: its dates alone count."""
    return reviews.fault(review, digest if review.get("digest") else None, today)


def _digest(case: Case, dataset: Dataset) -> Digest | None:
    try:
        return surveys.digest(case, dataset)
    except CannotJudge:
        return None  # said where the card's own digest is checked
