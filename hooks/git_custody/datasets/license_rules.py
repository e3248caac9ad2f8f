"""Rules about the licence that a data card states: what the policy says to it, and whether a review of it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.findings import CUSTODY, CannotJudge, Finding, RepoPath, Rule, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..core.case import Case, Said
    from ..core.findings import Command
    from .license_review import Review
    from .licenses import LicenseVerdict
    from .survey import Dataset

DENIED = Rule(
    "license-denied", ("2.7",), 1,
    "The policy, or a review, refuses the licence of a dataset.",
    "Data under these terms are not to be used here.",
    "Take the data out, or ask its publisher for other terms and state those.",
    "The licence is the one that the card states. Of alternatives (OR) the best counts, of parts (AND) the worst.",
)  # fmt: skip
NOT_REVIEWED = Rule(
    "license-not-reviewed", ("2.7",), 1,
    "The policy asks for a review of this licence, and there is none.",
    "The terms may forbid what the data are wanted for, and nobody has looked.",
    "Let somebody who may decide it read the terms, then run `git custody review --kind license --reviewer NAME PATH`.",
    "Only where the policy has a list of licences: asked for what `licenses.review` names, for licences that SPDX does "
    "not list, and, where there is `licenses.allow`, for all that no list names. A review is a claim of its author.",
)  # fmt: skip
STALE = Rule(
    "stale-license-review", ("2.7",), 1,
    "The licence review of a dataset no longer holds.",
    "What was approved is not what is there: another content, licence or source, or its time is over.",
    "Let the reviewer look at what changed, then run `git custody review --kind license --reviewer NAME PATH`, with "
    "the conditions, the expiry and the scope that are to stay: the new review takes the place of the old one.",
    "Only warns where the policy asks for no review of this licence. A review with `--scope source` also holds over "
    "appends and cleanings of data from the same source.",
)  # fmt: skip
RULES = (DENIED, NOT_REVIEWED, STALE)

# A review of a licence that nobody can read is stale as soon as its text is there.
_TEXT_FIRST = ("license-unknown",)


def _review_command(case: Case, dataset: Dataset, data: Mapping[str, Any]) -> Command:
    """The command that records a licence review, with what the card's own one asks for."""
    from .reviews import to_keep

    kept = to_keep(data.get("ip_review"), case.today)
    return (CUSTODY, "review", "--kind", "license", "--reviewer", Slot("NAME"), *kept, RepoPath(dataset.shown_path))


def verdict_of(case: Case, expression: str) -> LicenseVerdict:
    """What the policy says to a licence expression; one that was judged before is not parsed again."""
    policy = case.policy
    lists = (policy.licenses_allow, policy.licenses_deny, policy.licenses_review)
    key = "\0".join((expression, *("\0".join((*names, "")) for names in lists)))
    verdict: LicenseVerdict = case.once(f"license {key}", lambda case: _verdict(case, key, expression, lists))
    return verdict


def _verdict(case: Case, key: str, expression: str, lists: tuple[tuple[str, ...], ...]) -> LicenseVerdict:
    import json

    if (known := case.verdict("license", key)) is None:
        from .licenses import check_license

        verdict = check_license(expression, *lists)
        case.remember("license", key, json.dumps(verdict))
        return verdict
    from .licenses import LicenseVerdict

    return LicenseVerdict(*json.loads(known))


def asks(case: Case) -> bool:
    """Whether the policy asks about licences: whether it has a list of them."""
    policy = case.policy
    return bool(policy.licenses_allow or policy.licenses_deny or policy.licenses_review)


def _asks_of(case: Case, data: Mapping[str, Any]) -> bool:
    """Whether a licence that nobody allowed has to be reviewed: not one's own terms, where the policy only denies."""
    policy = case.policy
    return asks(case) and not (is_own(data) and not policy.licenses_allow and not policy.licenses_review)


def is_own(data: Mapping[str, Any]) -> bool:
    """Whether data are one's own, so that nobody else set their terms."""
    source = data.get("source")
    return isinstance(source, dict) and source.get("kind") in ("original", "internal")


def check(
    case: Case, dataset: Dataset, data: Mapping[str, Any], verdict: LicenseVerdict, open_question: str | None
) -> Iterator[Said]:
    """Judge a licence and its review. `open_question` is what else has to be reviewed, as a sentence."""
    line = dataset.document.lines.get("/license") if dataset.document else None
    chosen = f" (counts as {verdict.branch})" if verdict.branch not in ("", data["license"]) else ""
    found = f"license: {data['license']}{chosen}"
    if verdict.status == "denied":
        yield Finding(DENIED, dataset.card, verdict.message, line, found=found, subject="policy")
        return
    wanted = open_question or (verdict.message if verdict.status == "review" and _asks_of(case, data) else None)
    try:
        review = _standing(case, dataset, data, verdict.branch)
    except CannotJudge as error:
        if wanted is not None:
            yield error
        return
    fix: tuple[Command, ...] = (_review_command(case, dataset, data),)
    if review is None:
        if wanted is not None:
            said = f"{wanted}; its card has no ip_review"
            yield Finding(NOT_REVIEWED, dataset.card, said, line, found=found, fix=fix, unless=_TEXT_FIRST)
        return
    by = data["ip_review"].get("reviewer")
    who = f"the licence review{f' by {by[:60]}' if isinstance(by, str) else ''} {review.message}"
    line = dataset.document.lines.get("/ip_review") if dataset.document else None
    if review.standing == "rejected":
        yield Finding(DENIED, dataset.card, who, line, found=found, subject="review")
    elif review.standing == "open" and wanted is not None:
        said = f"{wanted}; {who}"
        yield Finding(NOT_REVIEWED, dataset.card, said, line, found=found, fix=fix, unless=_TEXT_FIRST)
    elif review.standing == "stale" or (review.standing == "vague" and wanted is not None):
        from .license_subject import lost_parents

        # To approve a card that names data which are gone mends nothing.
        fix = () if lost_parents(case, data) else fix
        # A wrong digest and an open log are mended first: the review has to be of what is there then, or still holds.
        where = dataset.shown_path
        first = (
            *_TEXT_FIRST, ("digest-mismatch", where), ("missing-audit-entry", where), ("audit-heads-diverged", where)
        )  # fmt: skip
        unless = first if wanted is not None else ("invalid-data-card", *first)
        yield Finding(STALE, dataset.card, who, line, found=found, fix=fix, warns=wanted is None, unless=unless)


def _standing(case: Case, dataset: Dataset, data: Mapping[str, Any], branch: str) -> Review | None:
    if not isinstance(data.get("ip_review"), dict):
        return None
    from .license_review import standing

    return standing(case, dataset, data, branch)
