"""Whether the licence review of a card (`ip_review`) counts: for this content, this licence, source and evidence.

A review is of one content, named by its digest, and of what `basis` stands for: see license_subject.py. With ``scope:
source`` it also holds over what comes later from the same source: appends and cleanings, as the audit log tells them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..core import assets
from . import lineage
from . import survey as surveys
from .license_subject import basis, lost_parents, subject
from .reviews import fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..core.case import Case
    from ..core.digests import Digest
    from .survey import Dataset

# What may happen to the content under a review of its source. The last three leave it as it is or join two histories,
# each of which is followed.
_COVERED = ("append", "clean", "rename", "move-storage", "merge")

Standing = Literal["open", "rejected", "vague", "stale", "counts"]


class Review(NamedTuple):
    """How a review stands: `vague` is one of which it cannot be told whether it is stale.

    `message` is the rest of a sentence about "the licence review", empty where it counts.
    """

    standing: Standing
    message: str = ""


def standing(case: Case, dataset: Dataset, data: Mapping[str, Any], branch: str) -> Review:
    """How the licence review that a card has stands; `branch` is the alternative of its licence that counts.

    Raises `CannotJudge` when git does not have the content that it has to be of.
    """
    review: Mapping[str, Any] = data["ip_review"]
    status = review.get("status")
    if status == "rejected":
        return Review("rejected", "rejected it")
    if status == "conditional" and not review.get("conditions"):
        return Review("open", "is conditional, and lists no conditions")
    if problem := fault(review, None, case.today):
        return Review("open" if status == "pending" else "stale", problem)
    stated = review.get("basis")
    changes = _content_change(case, dataset, review)
    if isinstance(stated, str) and basis(now := subject(case, data, case.after)) != stated:
        changes = [*_basis_changes(case, dataset, data, now, branch), *changes]
    if changes:
        return Review("stale", f"is of something else: {'; '.join(changes)}")
    if not isinstance(stated, str):
        return Review("vague", "does not say of which licence and source it is (basis)")
    return Review("counts")


def _basis_changes(
    case: Case, dataset: Dataset, data: Mapping[str, Any], now: Mapping[str, Any], branch: str
) -> list[str]:
    review = data["ip_review"]
    was, lost = _before(case, dataset), lost_parents(case, data)
    if was is not None and basis(was) == review["basis"]:
        return [_part(part, was[part], value, lost) for part, value in now.items() if was[part] != value]
    reviewed = review.get("license")
    if isinstance(reviewed, str) and reviewed != branch:
        return [_part("license", reviewed, branch, lost)]
    if lost:
        return [_lost(lost[0], None)]
    for part, then in _without(now):
        if basis({**now, part: then}) == review["basis"]:
            return [_ADDED[part]]
    return [
        "source, licence, evidence, the licence's text or a parent is not what was reviewed (git custody check --range "
        "from the commit of the review says which)"
    ]


_ADDED = {
    "evidence": "evidence of the licence has been added since",
    "texts": "the text of the licence was not in the repository then",
    "parents": "its parents have been added since",
}


def _without(now: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """What may not have been there when it was reviewed: part by part, in the form that the basis then had."""
    yield "texts", []
    yield "texts", [[path, None] for path, _ in now["texts"]]
    yield "evidence", None
    yield "parents", []


_NAMES = {
    "evidence": "the evidence of the licence is another one",
    "texts": "the text of the licence is another one",
}


def _part(part: str, was: object, now: object, lost: Sequence[str]) -> str:
    if part == "license":
        return f"the licence was {was}, and is {now}"
    if part == "source" and isinstance(was, dict) and isinstance(now, dict):
        fields = [key for key, value in now.items() if was.get(key) != value]
        return ", ".join(f"source.{key} was {was.get(key) or 'empty'}, and is {now[key] or 'empty'}" for key in fields)
    if part == "parents" and isinstance(was, list) and isinstance(now, list):
        return _parents(was, now, lost)
    return _NAMES[part]


def _parents(was: list[list[Any]], now: list[list[Any]], lost: Sequence[str]) -> str:
    for (name, relation, terms), (name_now, relation_now, terms_now) in zip(was, now, strict=False):
        if (name, relation) == (name_now, relation_now) and terms != terms_now:
            if name in lost:
                return _lost(name, terms)
            return f'the licence of its parent "{name}" was {terms or "not stated"}, and is {terms_now or "not stated"}'
    return "its parents are others"


def _lost(name: str, terms: str | None) -> str:
    record = f"license: {terms}" if terms else "its license"
    return (
        f'no card here has the id of its parent "{name}" any more; put {record} on record in that entry of derived_from'
    )


def _before(case: Case, dataset: Dataset) -> Mapping[str, Any] | None:
    """What a review of the dataset would have been of before the change."""
    if not case.changed:
        return None
    card = dataset.card if dataset.card in case.before else lineage.card_before(case, dataset.id or "")
    entry = case.before.get(card) if card is not None else None
    document = case.document(entry, "data-card") if entry is not None and entry.is_file else None
    if document is None or not isinstance(document.data, dict):
        return None
    return subject(case, document.data, case.before)


def _content_change(case: Case, dataset: Dataset, review: Mapping[str, Any]) -> list[str]:
    present = surveys.digest(case, dataset)
    reviewed = review.get("digest")
    if present is None or reviewed == present:
        return []
    changed = f"the content was {_shown(reviewed)}, and is {_shown(present)}"
    if review.get("scope") != "source":
        return [changed]
    reason = _beyond_source(case, dataset, reviewed, present)
    return [f"{changed}{reason}"] if reason is not None else []


def _beyond_source(case: Case, dataset: Dataset, reviewed: object, present: Digest) -> str | None:
    """Why a change of content is not covered by a review of the source, as the end of a sentence; None where it is.

    The audit log has to lead from the reviewed content to the present one; where there is none, and the policy does
    not ask for one, the basis alone has to do.
    """
    from .audit_log import heads, read_log

    files = case.after.files_below(f"{assets.AUDIT}{dataset.id}/")
    if not files:
        return ", and no audit log tells how" if case.policy.level >= 3 else None
    raw = case.read_many(files.values())
    log = read_log(dataset.id or "", {name: raw.get(entry.oid) for name, entry in files.items()})
    todo = list(heads(log))
    if any((after := log.entries[head].after) is None or after.mapping() != present for head in todo):
        return ", and the audit log does not lead to it"
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        entry = log.entries.get(name)
        if name in seen or (entry is not None and entry.after is not None and entry.after.mapping() == reviewed):
            continue
        seen.add(name)
        if entry is None or not entry.parents:
            return ", and the audit log does not lead there from what was reviewed"
        if entry.op not in _COVERED:
            return f", and a review of the source covers appends and cleanings, not {entry.op} ({name[:12]})"
        todo += entry.parents
    return None


def _shown(digest: object) -> str:
    if not isinstance(digest, dict) or not digest:
        return "not named"
    algorithm, value = next(iter(digest.items()))
    return f"{algorithm} {str(value)[:12]}…"
