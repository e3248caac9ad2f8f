"""The report for a person: what is said once, and how long it takes to say much."""

from __future__ import annotations

from clock import within
from git_custody.core.findings import Finding, NotJudged, RepoPath
from git_custody.core.report import Report, Standpoint, as_clean, as_text
from git_custody.datasets.elsewhere import OUTSIDE

STAND = Standpoint("", "git-custody")


def _said(findings: tuple[Finding, ...], not_judged: tuple[NotJudged, ...]) -> str:
    return as_text(Report("range", None, None, "a test", findings, not_judged), STAND)


def test_what_a_finding_says_already_is_not_said_again() -> None:
    findings = tuple(Finding(OUTSIDE, "dvc.lock", said) for said in ("it is gone, so that", "a", "z"))
    left = (NotJudged("dvc.lock", "it is gone"), NotJudged("dvc.lock", "it is"), NotJudged("dvc.lock", "it was"))
    assert _said(findings, left).count("not judged: ") == 1
    assert _said(findings, (NotJudged("other", "it is gone"),)).count("not judged: ") == 1


def test_what_is_not_judged_for_one_reason_is_told_once() -> None:
    def pulling(*paths: str) -> tuple[NotJudged, ...]:
        return tuple(NotJudged(p, "it is a pointer", (("git", "lfs", "pull", f"--include={p}"),)) for p in paths)

    assert _said((), pulling("a")).splitlines()[:-1] == [
        "a: not judged: it is a pointer",
        "    fix    git lfs pull --include=a",
    ]
    assert _said((), (*pulling("a", "b"), NotJudged("c", "other"))).splitlines() == [
        "2 files not judged: it is a pointer",
        "    files  a, b",
        "    fix    git lfs pull --include=a",
        "           git lfs pull --include=b",
        "c: not judged: other",
        "0 problems in 0 files, 3 not judged (judged: a test). Nothing was changed.",
    ]
    assert _said((), pulling(*(f"w{number}" for number in range(5)))).splitlines()[:-1] == [
        "5 files not judged: it is a pointer",
        "    files  w0, w1, w2 and 2 more",
        "    fix    git lfs pull",
    ]
    kept = tuple(NotJudged(name, "kept", (("dvc", "pull", RepoPath(name)),)) for name in "abcd")
    assert "    fix    dvc pull\n" in _said((), kept)
    written = tuple(NotJudged(name, "odd", (("git", "add", "--renormalize", RepoPath(name)),)) for name in "abcd")
    assert _said((), written).count("git add --renormalize ") == 3


def test_what_is_waived_is_counted_in_findings() -> None:
    waived = tuple(Finding(OUTSIDE, path, "out", waived_by="w", blocks=False) for path in ("a.dvc", "b.dvc"))
    report = Report("index", None, None, "a test", waived)
    assert as_text(report, STAND) == ""
    assert as_clean(report) == "no problems, 2 findings waived (judged: a test)\n"
    report = report._replace(findings=(*waived[1:], Finding(OUTSIDE, "c.dvc", "out")))
    assert as_clean(report) == ""
    assert as_text(report, STAND).endswith(
        "1 problem in 1 file, 1 finding waived (judged: a test). Nothing was changed.\n"
    )


def test_many_of_one_file_cost_no_more_each() -> None:
    findings = tuple(Finding(OUTSIDE, "dvc.lock", f"output {number} leads outside") for number in range(20_000))
    left = tuple(NotJudged("dvc.lock", f"its content (o{number}) is not here") for number in range(20_000))
    with within(20):
        assert _said(findings, left).count("\n") > 40_000
