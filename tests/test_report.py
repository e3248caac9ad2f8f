"""The report for a person: what is said once, and how long it takes to say much."""

from __future__ import annotations

from clock import within
from git_custody.core.findings import Finding, NotJudged
from git_custody.core.report import Report, Standpoint, as_text
from git_custody.datasets.elsewhere import OUTSIDE

STAND = Standpoint("", "git-custody")


def _said(findings: tuple[Finding, ...], not_judged: tuple[NotJudged, ...]) -> str:
    return as_text(Report("range", None, None, "a test", findings, not_judged), STAND)


def test_what_a_finding_says_already_is_not_said_again() -> None:
    findings = tuple(Finding(OUTSIDE, "dvc.lock", said) for said in ("it is gone, so that", "a", "z"))
    left = (NotJudged("dvc.lock", "it is gone"), NotJudged("dvc.lock", "it is"), NotJudged("dvc.lock", "it was"))
    assert _said(findings, left).count("not judged: ") == 1
    assert _said(findings, (NotJudged("other", "it is gone"),)).count("not judged: ") == 1


def test_many_of_one_file_cost_no_more_each() -> None:
    findings = tuple(Finding(OUTSIDE, "dvc.lock", f"output {number} leads outside") for number in range(20_000))
    left = tuple(NotJudged("dvc.lock", f"its content (o{number}) is not here") for number in range(20_000))
    with within(20):
        assert _said(findings, left).count("\n") > 40_000
