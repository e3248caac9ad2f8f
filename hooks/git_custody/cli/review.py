"""`git custody review`: write into a card who looked at licence or source, bound to what is staged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.findings import CUSTODY, CannotJudge, RepoPath
from ..datasets import cards as card_texts
from ..datasets import survey as surveys
from ..datasets.reviews import dropped
from ..datasets.wrong_answers import wrong_text
from . import parser
from .bench import Change, opened, report
from .card import cards_of
from .desk import Desk

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping, Sequence

    from ..core.digests import Digest
    from ..datasets.license_terms import Terms
    from ..datasets.survey import Dataset

# The options that only one kind of review has.
_ONLY = {"license": ("condition", "ticket", "scope"), "source": ("reason",)}
_STATUS = {"license": ("approved", "conditional", "rejected"), "source": ("approved", "rejected")}
_FIELD = {"license": "ip_review", "source": "source_review"}


def main(argv: Sequence[str]) -> int:
    """Record a review of each dataset that is named; the exit code is 0, 1 (something else is owed) or 2."""
    arguments = parser("review", "Record who looked at the licence or the source of a dataset, as it is staged.")
    arguments.add_argument("--kind", choices=sorted(_FIELD), required=True, help="what was looked at")
    arguments.add_argument("--status", choices=_STATUS["license"], help="what came of it; approved if not given")
    arguments.add_argument("--reviewer", metavar="NAME", required=True, help="who looked at it")
    arguments.add_argument(
        "--condition", action="append", metavar="TEXT", help="what has to be kept to; may be repeated"
    )
    arguments.add_argument("--expires", metavar="YYYY-MM-DD", help="the last day on which the review counts")
    arguments.add_argument("--ticket", metavar="TEXT", help="where it was discussed")
    arguments.add_argument(
        "--scope", choices=("content", "source"),
        help="source: the review also holds over appends and cleanings of data from the same source",
    )  # fmt: skip
    arguments.add_argument("--reason", metavar="TEXT", help="why the source can be trusted, or not")
    arguments.add_argument("paths", nargs="+", metavar="PATH", help="a dataset or its card")
    given = arguments.parse_args(argv)
    with opened() as (git, scratch, cache, hooks):
        desk = Desk(git, scratch, cache, hooks)
        answers = _checked(desk, given)
        for card in cards_of(desk, given.paths):
            _review(desk, card, given.kind, answers)
        return report(desk, desk.finish(), [], nothing="nothing to do: the card says so already")


def _checked(desk: Desk, given: Namespace) -> dict[str, Any]:
    """The fields of the review that were given. Raises `CannotJudge` for what cannot be right."""
    if fault := next(_faults(desk, given), None):
        raise CannotJudge(f"{fault}; nothing was changed")
    status = given.status or ("conditional" if given.condition else "approved")
    fields = {
        "status": status, "reviewer": given.reviewer, "date": desk.case.today.isoformat(), "expires": given.expires,
        "reason": given.reason, "conditions": given.condition, "ticket": given.ticket,
        "scope": "source" if given.scope == "source" else None,
    }  # fmt: skip
    return {key: value for key, value in fields.items() if value is not None}


def _faults(desk: Desk, given: Namespace) -> Iterator[str]:
    from ..core.value_formats import is_date

    for other in (kind for kind in _ONLY if kind != given.kind):
        for option in _ONLY[other]:
            if getattr(given, option) is not None:
                yield f"--{option} goes with --kind {other}"
    if given.status and given.status not in _STATUS[given.kind]:
        yield f"--status of a review of the source has to be {' or '.join(_STATUS[given.kind])}"
    if given.status == "conditional" and not given.condition:
        yield "a conditional review needs its conditions: --condition TEXT"
    if given.condition and given.status not in (None, "conditional"):
        yield f"--condition goes with --status conditional, not {given.status}"
    if given.kind == "source" and given.reason is None:
        yield "a review of the source needs its grounds: --reason TEXT"
    texts = [(option, getattr(given, option)) for option in ("reviewer", "ticket", "reason")]
    for option, text in (*texts, *(("condition", text) for text in given.condition or ())):
        if text is not None and (fault := wrong_text(text)) is not None:
            yield f"--{option} {fault}"
    if given.condition and len(set(given.condition)) < len(given.condition):
        yield "the same --condition is given twice"
    if given.expires is not None and not is_date(given.expires):
        yield "--expires is not a day that exists, written like 2026-11-22"
    elif given.expires is not None and given.expires < desk.case.today.isoformat():
        yield f"--expires {given.expires} is over"


def _review(desk: Desk, card: str, kind: str, answers: Mapping[str, Any]) -> None:
    desk.refuse_unmerged(card)
    found = surveys.dataset(desk.case, card)
    data = found.document.data if found.document else None
    entry = desk.case.after[card]
    text = desk.case.read(entry) if entry.is_file else None
    if text is None or not isinstance(data, dict):
        raise CannotJudge("a data card has to be a plain file of fields that git has here", card)
    digest = surveys.digest(desk.case, found)
    if digest is None:
        raise CannotJudge("this card speaks of nothing that could be reviewed", card)
    content = data.get("content")
    if not isinstance(content, dict) or content.get("digest") != digest:
        add = desk.command(CUSTODY, "add", RepoPath(found.path or "."))
        raise CannotJudge(f"it records other content than is staged, so first run: {add}", card)
    if kind == "license" and answers["status"] != "rejected":
        _refuse_unread(desk, found, data)
    bound = _license_review(desk, card, data, digest) if kind == "license" else _source_review(data, digest)
    edited = card_texts.with_group(text, _FIELD[kind], {**answers, **bound})
    if lost := dropped(data.get(_FIELD[kind]), answers):
        desk.notes.append(
            f"the new {kind} review of {found.shown_path} takes the place of the former one; dropped: "
            f"{', '.join(_few(lost))}. To keep any of it, give it again as an option"
        )
    if edited != desk._staged(card):
        desk.changes[card] = Change(card, edited, f"{kind} review by {answers['reviewer']}: {answers['status']}")
    desk.concerned += [card, found.path]


def _refuse_unread(desk: Desk, found: Dataset, data: Mapping[str, Any]) -> None:
    """Raise `CannotJudge` where the text that would be approved is not there to be read, and no waiver does without."""
    from ..core.waivers import apply
    from ..datasets.license_evidence import unknown

    case, settings = desk.case, desk.case.settings
    missing = unknown(case, found, data) if isinstance(data.get("license"), str) else ()
    judged, _ = apply(missing, settings.waivers, case.today, settings.policy.grace_days)
    name = next((finding.subject for finding in judged if finding.waived_by is None), None)
    if name is not None:
        place = f"LICENSES/{name}.txt"
        add = desk.command("git", "add", RepoPath(place))
        raise CannotJudge(
            f"the text of {name} is not in the repository, so that nobody can review it; put it at {place}, run: "
            f"{add}, then review again",
            found.card,
        )


def _few(texts: Sequence[str]) -> list[str]:
    shown = [text if len(text) <= 100 else f"{text[:100]}…" for text in texts[:10]]
    return [*shown, f"and {len(texts) - 10} more"] if len(texts) > 10 else shown


def _source_review(data: Mapping[str, Any], digest: Digest) -> dict[str, Any]:
    from ..datasets.source_rules import basis

    return {"digest": digest, "basis": basis(data)}


def _license_review(desk: Desk, card: str, data: Mapping[str, Any], digest: Digest) -> dict[str, Any]:
    """What a licence review is bound to; what the licence asks for is told."""
    from ..datasets.license_rules import verdict_of
    from ..datasets.license_subject import basis, subject
    from ..datasets.license_terms import terms_of
    from ..datasets.licenses import branches

    stated = data.get("license")
    verdict = verdict_of(desk.case, stated) if isinstance(stated, str) else None
    if verdict is None or verdict.status == "invalid":
        raise CannotJudge(verdict.message if verdict else "it states no licence", card)
    for name in dict.fromkeys(name for branch in branches(verdict.branch) or () for name in branch):
        terms = terms_of(name)
        desk.notes.append(f"{name}: {_told(terms) if terms else 'its terms are not known here, so read its text'}")
    return {"license": verdict.branch, "digest": digest, "basis": basis(subject(desk.case, data, desk.case.after))}


def _told(terms: Terms) -> str:
    answers = {
        "commercial use": terms.commercial, "sharing what is made of the data": terms.derivatives,
        "credit asked for": terms.attribution, "speaks of database rights": terms.database_right,
        "forbids some uses": terms.use_restrictions, "leaves models free": terms.results_free,
    }  # fmt: skip
    told = [f"{what} {'yes' if answer else 'no'}" for what, answer in answers.items()]
    return ", ".join([*told, f"derived data stay under {terms.share_alike}"] if terms.share_alike else told)
