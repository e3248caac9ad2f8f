"""Rules about what a model was trained on: the licences of its data, held against the licence of the model.

Judged are the cards that a change adds or edits, those that a model file or a README.md comes to or leaves, and those
that name a dataset whose licence changes. Cards are found by their names; a change that touches none costs nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..core import assets
from ..core.documents import MAX_PROBLEMS
from ..core.findings import CUSTODY, Finding, RepoPath, Rule, Slot, absent
from ..datasets.license_edges import ATTRIBUTION
from ..datasets.license_rules import asks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.case import Case, Said
    from ..core.findings import Command
    from ..datasets.lineage import Parent
    from .cards import Statement

CONFLICT = Rule(
    "model-license-conflict", ("2.7",), 1,
    "What a model's licence allows goes beyond the licence of the data that it was trained on.",
    "Whoever gets the model relies on its licence, and nobody can pass on more rights than they were given.",
    "Give the model a licence that keeps the terms of its data (docs/licences.md), or train it without them. Where the "
    "rights holder of the data agreed to other terms, say so in a waiver.",
    "Non-commercial terms and forbidden uses alone: whether a model is derived from its data is disputed, so that "
    "share-alike and no-derivatives are for a review (model-license-not-reviewed). Knows the data that a model card "
    "names, or `datasets` in a README.md beside model files, and the licences of docs/licences.md. No legal advice.",
)  # fmt: skip
NOT_REVIEWED = Rule(
    "model-license-not-reviewed", ("2.7",), 1,
    "Whether the licence of a model's data allows the licence of the model, somebody has to decide.",
    "What nobody has looked at may turn out to be forbidden once the model is in use.",
    "Let somebody who may decide it read the terms; a waiver with the reason is the record of the review. State the "
    "licences that are missing: that of the model in its card, those of data elsewhere with them in `training.data`.",
    "Only where the policy has a list of licences; of data on the Hugging Face Hub that no data card speaks of, only "
    "where it has `licenses.allow`. A waiver is for the card, whatever data that comes to name until it expires.",
)  # fmt: skip
UNRESOLVED = Rule(
    "unresolved-training-data", ("2.7",), 1,
    "A model card names training data that cannot be found.",
    "Under which terms a model was trained can only be told as long as its data can be found.",
    "Write the id of a dataset in this repository, or the `url` and `license` of data elsewhere, into `training.data`.",
    "A dataset that was deleted counts as known while its audit log is here and `training.data` has its licence. Names "
    "of the Hugging Face Hub in a README.md need no card.",
)  # fmt: skip
UNREADABLE = Rule(
    "unreadable-model-card", ("2.7",), 1,
    "What a model was trained on, and its licence, cannot be read from its card.",
    "What cannot be read cannot be held against the licences of the data.",
    "Mend the card at the line that is named.",
    "Reads kind, version, license, attribution and training.data of a model card, and license and datasets in the "
    "front matter of a README.md beside model files; nothing is said of other fields.",
)  # fmt: skip
RULES = (CONFLICT, NOT_REVIEWED, UNRESOLVED, UNREADABLE)


def check(case: Case) -> Iterator[Said]:
    """Judge the models in question."""
    if case.is_whole or any(_may_concern(case, path) for path in case.changed):
        from . import survey

        for path in survey.in_question(case):
            yield from _at_most(_judge(case, path))


def _may_concern(case: Case, path: str) -> bool:
    if assets.card_name(path) is not None or path.rpartition("/")[2] == "README.md":
        return True
    change = case.changed[path]
    is_moved = change.before is None or change.after is None
    return is_moved and assets.classify(path, case.policy.datasets, case.policy.models) == "model"


def _at_most(found: Iterator[Said]) -> Iterator[Said]:
    """The first of each rule: a card may name thousands of datasets, and a waiver of one rule must hide no other."""
    seen: Counter[str] = Counter()
    for said in found:
        rule = said.rule.name if isinstance(said, Finding) else ""
        seen[rule] += 1
        if seen[rule] <= MAX_PROBLEMS:
            yield said


def _judge(case: Case, path: str) -> Iterator[Said]:
    from . import survey
    from .cards import Fault

    name = assets.card_name(path)
    if name is not None and not name.well_named:
        said = f"a model card has to be named {name.proper.rpartition('/')[2]}"
        yield Finding(UNREADABLE, path, said, fix=(("git", "mv", RepoPath(path), RepoPath(name.proper)),))
        return
    found = survey.statement(case, path)
    if isinstance(found, Fault):
        if found.is_absent:
            yield absent(path, case.after[path].oid)
        else:
            yield Finding(UNREADABLE, path, found.message, found.line, subject=found.message)
    elif found is not None and found.data is not None:
        yield from _of_card(case, path, survey.with_license(case, path, found))
    elif found is not None and found.names is not None:
        yield from _of_readme(case, path, survey.with_license(case, path, found))


def _of_card(case: Case, path: str, found: Statement) -> Iterator[Said]:
    from ..datasets import lineage
    from ..datasets.license_lineage import asks_for_credit
    from ..datasets.license_subject import terms_of_parent

    creditors: dict[str, None] = {}
    for parent in lineage.parents_in(case, {"derived_from": list(found.data or ())}):
        name, line = parent.id or parent.url or "", found.lines[parent.place]
        if (said := _unresolved(case, parent)) is not None:
            yield Finding(UNRESOLVED, path, said, line, subject=name)
        # As along `derived_from`: what a change deletes binds in it by its own card.
        state = case.before if parent.id is not None and parent.card is None else case.after
        terms = terms_of_parent(case, parent, state)
        yield from _clash(case, path, found, name, terms, line, is_known=said is None)
        if asks_for_credit(terms, of_model=True):
            creditors[name] = None
    if creditors and not found.credits:
        names = ", ".join(f'"{_cut(name)}"' for name in list(creditors)[:3]) + (", …" if len(creditors) > 3 else "")
        said = f"the licences of its training data ask for credit ({names}), and the card has no attribution"
        yield Finding(ATTRIBUTION, path, said, found.lines[0])


def _unresolved(case: Case, parent: Parent) -> str | None:
    """What is wrong with a dataset that has to be here; None where it is, or is known as one that was."""
    from ..datasets import lineage
    from ..datasets.license_subject import terms_of_parent

    if parent.id is None or parent.card is not None or parent.url is not None:
        return None
    if not lineage.logged_contents(case, parent.id):
        from ..core.documents import nearest
        from ..datasets.survey import ids_of_all_cards

        near = nearest(parent.id, ids_of_all_cards(case).values())
        advice = f'; did you mean "{near}"?' if near else ""
        return f'training.data names "{_cut(parent.id)}", and no data card here has that id{advice}'
    if parent.license is not None:
        return None
    was = terms_of_parent(case, parent, case.before)
    advice = f"; add license: {_cut(was)} to it in training.data" if was else ""
    return f'"{_cut(parent.id)}" was deleted, and nothing states its licence any more{advice}'


def _of_readme(case: Case, path: str, found: Statement) -> Iterator[Said]:
    from .training_data import licenses_of

    unknown = []
    for name, line in zip(found.names or (), found.lines, strict=True):
        licenses = licenses_of(case, name)
        if not licenses:
            unknown.append(name)
        for terms in licenses:
            yield from _clash(case, path, found, name, terms, line)
    if unknown and case.policy.licenses_allow:
        names = ", ".join(_cut(name) for name in unknown[:3]) + (", …" if len(unknown) > 3 else "")
        said = f"no data card here speaks of data that it was trained on ({names}), so that their terms are not known"
        yield Finding(NOT_REVIEWED, path, said, found.lines[0], found=_shown(found), fix=_waive(path), subject="hub")


def _clash(
    case: Case, path: str, found: Statement, name: str, terms: str | None, line: int | None, *, is_known: bool = True
) -> Iterator[Finding]:
    from ..datasets.license_lineage import clash_with_model

    clash = clash_with_model(terms, found.license)
    if clash is None or (clash.grade == "review" and not (asks(case) and is_known)):
        return
    rule = CONFLICT if clash.grade == "conflict" else NOT_REVIEWED
    said = f'"{_cut(name)}", which it was trained on: {clash.message}'
    fix = _waive(path) if rule is NOT_REVIEWED else ()
    yield Finding(rule, path, said, line, found=_shown(found), fix=fix, subject=name)


def _waive(path: str) -> tuple[Command, ...]:
    """The command that records a review of a model's licence."""
    given = ("--reason", Slot("WHAT_WAS_DECIDED"), "--expires", Slot("YYYY-MM-DD"))
    return ((CUSTODY, "waive", NOT_REVIEWED.name, RepoPath(path), *given),)


def _shown(found: Statement) -> str:
    return f"license: {_cut(found.written)}" if found.written else "no license"


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
