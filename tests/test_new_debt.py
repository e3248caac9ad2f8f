"""A stricter policy brings its own debt: dated, of what is unchanged, and only of what was not asked before."""

from __future__ import annotations

import io
import json
import shlex
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from commands import POLICY, Commands
from conftest import PLAIN_PICKLE, Repo, documented
from git_custody.core.new_debt import Untouched

END = (date.today() + timedelta(days=180)).isoformat()
LONGER = (date.today() + timedelta(days=300)).isoformat()
WAIVERS = ".custody/waivers"
FIRST = "version: 1\nlevel: 1\n"
RAISED = "version: 1\nlevel: 2\n"
RULE, CARD = "incomplete-data-card", "data/aa.csv.datacard.yaml"
ELSEWHERE = (
    "source: {kind: public-download, url: 'https://data.cern.ch/cc.csv', publisher: CERN, retrieved: '2026-01-01'}"
)


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    """A repository that is clean at level 1 and on a branch; at level 2 a good deal is asked of its datasets."""
    bought = documented("data/cc.csv", id="cc")
    card = str(bought["data/cc.csv.datacard.yaml"])
    bought["data/cc.csv.datacard.yaml"] = card.replace("source: {kind: original, publisher: Example Lab}", ELSEWHERE)
    repo.commit(
        {
            POLICY: FIRST,
            **bought,
            **documented("data/aa.csv", id="aa"),
            **documented("data/bb[1].csv", id="bb"),
            "src/x.py": "x\n",
        }
    )
    assert repo.check("--all").code == 0
    repo.git("branch", "base")
    return Commands(repo, monkeypatch, capfd)


def waiver(rule: str, path: str, expires: str = END, digest: str | None = None) -> str:
    pinned = f"digest: {{sha256: {digest}}}\n" if digest else ""
    return (
        f'version: 1\nrule: {rule}\npath: {json.dumps(path)}\n{pinned}reason: Owed.\nowner: Ada\nexpires: "{expires}"\n'
    )


def written(repo: Repo) -> dict[str, dict[str, str]]:
    folder = repo.path / WAIVERS
    return {path.name: yaml.safe_load(path.read_text()) for path in folder.iterdir()} if folder.is_dir() else {}


def weakened(repo: Repo) -> list[str]:
    """The files of which the range of the branch says that they ask for less."""
    repo.git("add", "-A")
    repo.commit(message="The branch")
    found = repo.check("--range", "base...HEAD").report["findings"]
    return [f["path"] for f in found if f["rule"] == "policy-weakened" and f["blocks"]]


def asked(repo: Repo, policy: str = RAISED) -> list[tuple[str, str]]:
    """What a policy asks of the repository: pairs of rule and path."""
    repo.stage({POLICY: policy})
    return [(f["rule"], f["path"]) for f in repo.check("--all").report["findings"] if f["blocks"]]


@pytest.mark.parametrize("staged", [True, False])
def test_a_raised_level_is_adopted_with_its_debt(staged: bool, custody: Commands, repo: Repo) -> None:
    owed = asked(repo)
    assert len(owed) > 2
    if not staged:
        repo.git("reset", "-q")
    assert repo.check("--all").code == (1 if staged else 0)
    out = custody.ok("adopt", "--yes")
    assert "asks for more than that of HEAD" in out
    assert f"Owed until {END}:" in out
    assert repo.check("--all").code == 0
    assert {one["expires"] for one in written(repo).values()} == {END}
    repo.commit(message="Raise the level")
    verdict = repo.check("--range", "base...HEAD")
    assert verdict.code == 0, verdict.out
    assert repo.check("--all").code == 0


def test_what_is_adopted_is_judged_in_full_from_then_on(custody: Commands, repo: Repo) -> None:
    repo.stage({POLICY: RAISED})
    custody.ok("adopt", "--yes")
    repo.commit(message="Raise the level")
    repo.git("branch", "-f", "base")
    repo.commit({f"{WAIVERS}/{name}": waiver(one["rule"], one["path"], LONGER) for name, one in written(repo).items()})
    assert len(weakened(repo)) == len(written(repo)), "prolonged"
    repo.stage(documented("data/new.csv", id="new"))
    assert repo.check().code == 1


def test_what_the_change_itself_brings_or_edits_is_not_owed(custody: Commands, repo: Repo) -> None:
    repo.stage({POLICY: RAISED, **documented("data/new.csv", id="new"), "data/aa.csv.datacard.yaml": card_of_a(repo)})
    verdict = custody("adopt", "--yes")
    assert verdict.code == 1
    assert "data/new.csv" in verdict.out.partition("mended by hand")[2]
    paths = {one["path"] for one in written(repo).values()}
    assert paths
    assert not any("new.csv" in path or "aa.csv" in path for path in paths)


def card_of_a(repo: Repo) -> str:
    return (repo.path / "data/aa.csv.datacard.yaml").read_text() + "# edited\n"


def test_what_was_asked_before_is_not_owed(custody: Commands, repo: Repo) -> None:
    repo.commit({"data/bare.csv": "1\n", "models/old.pkl": PLAIN_PICKLE}, "Past the hook")
    repo.git("branch", "-f", "base")
    repo.stage({POLICY: RAISED})
    verdict = custody("adopt", "--yes")
    assert verdict.code == 1
    assert "data/bare.csv: missing-data-card" in verdict.out
    assert not {"missing-data-card", "pickle-weights"} & {one["rule"] for one in written(repo).values()}


ATTACKS = {
    "no change of the policy": {POLICY: FIRST},
    "a policy that is not valid": {POLICY: "version: 1\nlevel: 2\nlevle: 1\n"},
    "a policy that only warns": {POLICY: "version: 1\nlevel: 2\nmode: warn\n"},
    "a rule that was enforced": {f"{WAIVERS}/w.yaml": waiver("missing-data-card", "data/aa.csv")},
    "a rule above the level": {f"{WAIVERS}/w.yaml": waiver("undocumented-data-load", "src/x.py")},
    "a rule that finds nothing there": {f"{WAIVERS}/w.yaml": waiver(RULE, "src/x.py")},
    "a path that is not there": {f"{WAIVERS}/w.yaml": waiver(RULE, "data/new.csv.datacard.yaml")},
    "a glob": {f"{WAIVERS}/w.yaml": waiver(RULE, "data/aa*.yaml")},
    "a folder": {f"{WAIVERS}/w.yaml": waiver(RULE, "data")},
    "new content": {"data/aa.csv": "other\n"},
    "a new card": {"data/aa.csv.datacard.yaml": "kind: data-card\nversion: 1\nid: other\n"},
    "another content by digest": {f"{WAIVERS}/w.yaml": waiver(RULE, CARD, digest="0" * 64)},
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_else_is_accepted_along_with_a_raised_level(attack: str, custody: Commands, repo: Repo) -> None:
    assert (RULE, CARD) in asked(repo)
    repo.stage({POLICY: RAISED, f"{WAIVERS}/w.yaml": waiver(RULE, CARD)})
    repo.stage(ATTACKS[attack])
    assert f"{WAIVERS}/w.yaml" in weakened(repo)


def test_the_waiver_of_the_attacks_is_accepted_without_them(custody: Commands, repo: Repo) -> None:
    repo.stage({POLICY: RAISED, f"{WAIVERS}/w.yaml": waiver(RULE, CARD)})
    assert "policy-weakened" not in repo.check().rules
    assert weakened(repo) == []


UNTOUCHED = [
    ("data/a.csv", "src/x.py", True), ("data/a.csv", "data/a.csv", False), ("data/a.csv", "data/a.csv.datacard.yaml", False),
    ("data/a.csv", "data/datacard.yaml", False), ("data/a.csv.datacard.yaml", "data/a.csv", False),
    ("data/a.csv.datacard.yaml", "data/a.csv.dvc", False), ("data/datacard.yaml", "data/s/1.csv", False),
    ("data", "data/s/1.csv", False), ("data/s", "data/s2/1.csv", True), ("datacard.yaml", "src/x.py", False),
    ("datacard.yaml", ".custody/waivers/a.yaml", True), (POLICY, POLICY, True),
]  # fmt: skip


@pytest.mark.parametrize(("path", "changed", "is_untouched"), UNTOUCHED)
def test_what_a_change_leaves_alone(path: str, changed: str, is_untouched: bool) -> None:
    assert (path in Untouched([POLICY, changed])) is is_untouched


def test_a_server_without_a_work_tree_says_the_same(custody: Commands, repo: Repo, tmp_path: Path) -> None:
    repo.stage({POLICY: RAISED})
    custody.ok("adopt", "--yes")
    repo.commit(message="Raise the level")
    assert weakened(repo) == []
    bare = Repo(tmp_path / "bare", "--bare")
    repo.git("push", "-q", str(bare.path), "main", "base")
    verdict = bare.check("--range", "base...main")
    assert verdict.code == 0, verdict.out


def test_an_older_branch_cannot_take_back_what_the_base_asks_by_now(custody: Commands, repo: Repo) -> None:
    repo.git("checkout", "-q", "base")
    repo.commit({POLICY: RAISED + "# on the base\n"}, "Raised on the base")
    repo.git("checkout", "-q", "main")
    repo.stage({POLICY: RAISED, f"{WAIVERS}/w.yaml": waiver(RULE, CARD)})
    assert weakened(repo) == [f"{WAIVERS}/w.yaml"]


def test_a_policy_that_the_base_has_changed_since_has_to_be_merged_first(custody: Commands, repo: Repo) -> None:
    repo.git("checkout", "-q", "base")
    repo.commit({POLICY: FIRST + "grace_days: 3\n"}, "On the base")
    repo.git("checkout", "-q", "main")
    repo.stage({POLICY: RAISED, f"{WAIVERS}/w.yaml": waiver(RULE, CARD)})
    assert f"{WAIVERS}/w.yaml" in weakened(repo)
    assert "the base has changed the policy since: rebase" in repo.check("--range", "base...HEAD", text=True).out
    repo.git("reset", "-q", "--soft", "base")
    repo.stage({POLICY: RAISED + "grace_days: 3\n"})
    assert weakened(repo) == []


@pytest.mark.parametrize(
    ("before", "after", "fits"),
    [
        (FIRST, FIRST + "also: [check-dataset-integrity]\n", True),
        (FIRST + "mode: warn\n", FIRST, True),
        (FIRST, FIRST + "sources: {trusted: [{match: 'https://example.org/**', reason: r}]}\n", True),
        (RAISED, RAISED + "regimes: [{id: own, title: Own, when: {}, needs: [contact]}]\n", True),
        (RAISED + "regimes: [gdpr]\n", RAISED + "regimes: [gdpr, {id: own, title: O, when: {}, needs: [contact]}]\n",
         False),
        (FIRST, FIRST + "licenses: {deny: [CC-BY-4.0]}\n", False),
    ],
)  # fmt: skip
def test_what_counts_as_newly_asked(before: str, after: str, fits: bool, custody: Commands, repo: Repo) -> None:
    repo.commit({POLICY: before, "data/bare.csv": "1\n"} if "warn" in before else {POLICY: before}, "The base")
    repo.git("branch", "-f", "base")
    old, new = set(asked(repo, before)) if "warn" not in before else set(), set(asked(repo, after))
    assert new > old, "a case that asks for nothing new shows nothing"
    custody("adopt", "--yes")
    assert bool(written(repo)) is fits
    assert weakened(repo) == []


def test_what_a_list_finds_is_told_with_the_waivers_that_it_needs_before(custody: Commands, repo: Repo) -> None:
    repo.stage({POLICY: FIRST + "licenses: {deny: [CC-BY-4.0]}\n"})
    said = custody("adopt", "--yes").out
    (line,) = (line for line in said.partition("merged before this policy")[2].splitlines() if " waive " in line)
    words = shlex.split(line)[shlex.split(line).index("waive") :]
    assert words[1] == "license-denied"
    words[words.index("REASON")], words[words.index("YYYY-MM-DD")] = "agreed", END
    assert custody(*words).code == 0
    assert len(written(repo)) == 3
    assert repo.check("--all").code == 0
    assert len(weakened(repo)) == 3, "in the change itself they count for nothing"


def test_the_audit_log_begins_where_it_is_newly_asked_for(custody: Commands, repo: Repo) -> None:
    repo.stage({POLICY: FIRST + "also: [check-dataset-audit-log]\n"})
    assert "3 audit entries" in custody.ok("adopt", "--yes")
    assert written(repo) == {}
    assert custody.ops("aa") == ["adopt"]
    assert weakened(repo) == []


def test_a_level_that_was_committed_without_its_debt(custody: Commands, repo: Repo) -> None:
    repo.commit({POLICY: RAISED}, "Too early")
    verdict = custody("adopt", "--yes")
    assert verdict.code == 1
    assert "    git reset --soft HEAD~1" in verdict.out.splitlines()
    repo.git("reset", "--soft", "HEAD~1")
    custody.ok("adopt", "--yes")
    assert weakened(repo) == []


def test_the_default_branch_is_what_counts(custody: Commands, repo: Repo) -> None:
    repo.git("update-ref", "refs/remotes/origin/main", "base")
    repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    repo.commit({POLICY: RAISED}, "Raised on a branch")
    assert "more than that of the default branch" in custody.ok("adopt", "--yes")
    assert weakened(repo) == []


def test_nobody_is_asked_for_nothing(custody: Commands, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.stage({POLICY: RAISED})
    before = custody.state()
    assert "waivers: what is owed" in custody("adopt", "--dry-run").out
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert custody("adopt").code == 2
    assert custody.state() == before
