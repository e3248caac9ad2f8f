"""The licence of every dataset is known, allowed, and reviewed where the policy says so.

What it does
    Looks at the licence that each card states, for each dataset that a change adds, edits or re-describes (in
    CI, at all of them): what the policy's lists say to it, whether the files that prove it are there and are
    the ones that were recorded, whether the review of it is of this content, source and licence, and whether
    it keeps the terms of the data that these were made of. The licence of a model is held against those of the
    data that its card names.

Why
    LLMSVS 2.7 asks that intellectual property and licences be checked in a process that is documented and can
    be audited. A licence in a card is a claim; a review that is bound to what was reviewed makes it a check.

Good
    license: CC-BY-NC-4.0
    license_evidence: {url: "https://example.org/terms", captured: "2026-11-02", stated_by: upstream}
    ip_review: {status: approved, reviewer: A. Counsel, date: "2026-11-03", digest: {sha256: 9f86d0…}, basis: 4355a4…}

Bad
    license: MIT
    derived_from: [{id: lyrics-under-cc-by-nc, relation: clean}]

    license: MIT   # in models/singer/modelcard.yaml
    training: {data: [{id: lyrics-under-cc-by-nc}]}

How to fix
    `git custody review PATH --kind license --reviewer NAME` records a review of what is there now. What is
    denied has to leave, or needs other terms; docs/licences.md says what licences ask of derived data.

Limits
    That the card states an SPDX expression at all is `invalid-data-card`, a rule of check-dataset-card. Nothing
    here proves that the publisher had the rights. This is no legal advice.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .core import assets
from .core.case import Hook
from .core.findings import Finding
from .datasets import license_edges, license_evidence, license_rules, lineage
from .datasets import survey as surveys
from .models import training_licenses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .core.case import Case, Said
    from .datasets.survey import Dataset

RULES = (*license_rules.RULES, *license_evidence.RULES, *license_edges.RULES, *training_licenses.RULES)

# Files that may prove a licence. Before a commit only these are looked up in all cards when they change; a range
# looks up every file that it edits or removes.
_PROOFS = "(?i)licen[cs]e|copying|legal|terms|evidence|contract|agreement|consent|permission"


def check(case: Case) -> Iterator[Said]:
    """Judge the licence of every dataset in question, of what rests on a file that changes, of children and
    of models.
    """
    cards = {dataset.card: dataset for dataset in surveys.survey(case).datasets}
    if not case.is_whole:
        for card in (*lineage.made_of(case, license_edges.relicensed(case)), *_resting_on_changed_files(case)):
            cards.setdefault(card, surveys.dataset(case, card))
    for _, dataset in sorted(cards.items()):
        data = dataset.document.data if dataset.document else None
        if dataset.files and isinstance(data, dict) and isinstance(data.get("license"), str):
            yield from _dataset(case, dataset, data)
    yield from training_licenses.check(case)


def _dataset(case: Case, dataset: Dataset, data: Mapping[str, Any]) -> Iterator[Said]:
    if not (license_rules.asks(case) or any(key in data for key in _TELLING) or "LicenseRef-" in data["license"]):
        return  # nothing to ask of a plain licence, so that nothing need be parsed
    verdict = license_rules.verdict_of(case, data["license"])
    if verdict.status == "invalid":
        return
    open_questions = []
    for said in license_edges.check(case, dataset, data):
        if isinstance(said, Finding):
            yield said
        else:
            open_questions.append(said)
    yield from license_rules.check(case, dataset, data, verdict, next(iter(open_questions), None))
    yield from license_evidence.check(case, dataset, data)


_TELLING = ("ip_review", "license_evidence", "license_files", "derived_from", "permitted_use")


def _resting_on_changed_files(case: Case) -> list[str]:
    """The cards that name a file for their licence which the change edits or takes away."""
    paths = [
        path for path, change in case.changed.items()
        if change.before is not None and not assets.is_paperwork(path) and (case.in_range or re.search(_PROOFS, path))
    ]  # fmt: skip
    if not paths:
        return []
    texts = [name for path in paths if (name := re.match(r"LICENSES/(LicenseRef-[A-Za-z0-9.-]+?)(\.[a-z]+)?\Z", path))]
    wanted = [*paths, *(name[1] for name in texts)]
    words = [word.encode("utf-8", "surrogateescape") for word in wanted]
    cards = [card for card in surveys.ids_of_all_cards(case) if case.after[card].is_file]
    raw = case.read_many(case.after[card] for card in cards)
    # A path can be written with escapes, in double quotes.
    return [
        c for c in cards if (text := raw.get(case.after[c].oid)) and (b"\\" in text or any(w in text for w in words))
    ]


HOOK = Hook("check-dataset-license", "datasets have a licence that is allowed or reviewed", 1, RULES, check)


def main() -> int:
    """The hook's program."""
    from .catalog import main_of

    return main_of(HOOK.id)


if __name__ == "__main__":
    raise SystemExit(main())
