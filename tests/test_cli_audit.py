"""`git custody audit add|merge|repair|show|verify`: every verb of git that tears a log, and the way back."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from commands import TOLD, Commands, logged
from conftest import HOOKS, ROWS, Repo

DATA = "data/tickets.csv"
CARD = f"{DATA}.datacard.yaml"
LOG = ".custody/audit/tickets"


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    return Commands(repo, monkeypatch, capfd)


def started(repo: Repo, custody: Commands) -> str:
    logged(repo)
    repo.write(DATA, ROWS)
    custody.ok("add", *TOLD, DATA)
    return repo.commit(message="Data")


def edited(repo: Repo, custody: Commands, rows: str, reason: str = "rows were wrong") -> str:
    repo.write(DATA, rows)
    custody.ok("add", "--reason", reason, DATA)
    return repo.commit(message=reason)


def repaired(repo: Repo, custody: Commands, base: str, reason: str = "the edit was wrong") -> None:
    """The range is refused, one command mends it, and then it passes."""
    refused = custody("check", "--range", f"{base}...HEAD")
    assert refused.code == 1, refused.out + refused.err
    assert "audit repair" in refused.out or "audit merge" in refused.out
    custody.ok("audit", "repair", "--reason", reason)
    repo.commit(message="Repair")
    passed = custody("check", "--range", f"{base}...HEAD")
    assert passed.code == 0, passed.out + passed.err
    assert custody("check", "--all").code == 0
    assert custody("audit", "verify").code == 0
    assert repo.git("status", "--porcelain") == ""


# ---------------------------------------------------------------------- repair


def test_after_a_revert(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    base = edited(repo, custody, ROWS + "x\n")
    repo.git("revert", "--no-edit", "HEAD")
    repaired(repo, custody, base)
    assert custody.ops("tickets") == ["create", "modify", "revert"]
    assert "origin" in custody.entries("tickets")[-1]


def test_after_a_revert_of_the_first_entry(repo: Repo, custody: Commands) -> None:
    base = started(repo, custody)
    repo.git("revert", "--no-edit", "HEAD")
    repaired(repo, custody, base)
    assert custody.ops("tickets") == ["create", "revert"]
    assert custody.entries("tickets")[-1]["after"] is None


def test_after_a_revert_of_a_revert(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    base = edited(repo, custody, ROWS + "x\n")
    repo.git("revert", "--no-edit", "HEAD")
    repaired(repo, custody, base)
    repo.git("revert", "--no-edit", "HEAD~1")
    verdict = custody("check", "--all")
    assert verdict.code == 1
    custody.ok("audit", "repair", "--reason", "the edit was right after all")
    assert repo.git("show", f":{DATA}") + "\n" == ROWS + "x\n"
    repo.commit()
    assert custody("check", "--range", f"{base}...HEAD").code == 0


def test_a_revert_that_is_only_staged_is_mended_by_add(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    base = edited(repo, custody, ROWS + "x\n")
    repo.git("revert", "-n", "HEAD")
    assert custody("check", "--staged").code == 1
    custody.ok("add", "--reason", "the edit was wrong", DATA)
    repo.commit()
    assert custody("check", "--range", f"{base}...HEAD").code == 0
    assert custody.ops("tickets") == ["create", "modify", "revert"]


def test_what_was_repaired_is_not_taken_for_a_draft(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    base = edited(repo, custody, ROWS + "x\n")
    repo.git("revert", "--no-edit", "HEAD")
    custody.ok("audit", "repair", "--reason", "the edit was wrong")
    repo.write(DATA, ROWS + "y\n")
    custody.ok("add", "--reason", "now with the right row", DATA)
    assert custody.ops("tickets")[:2] == ["create", "modify"]
    repo.commit()
    assert custody("check", "--range", f"{base}...HEAD").code == 0


def test_after_a_cherry_pick_of_the_second_of_two(repo: Repo, custody: Commands) -> None:
    base = started(repo, custody)
    rows = ROWS.splitlines(keepends=True)
    repo.git("checkout", "-q", "-b", "other")
    edited(repo, custody, "".join(["first\n", *rows]))
    second = edited(repo, custody, "".join(["first\n", *rows, "last\n"]))
    repo.git("checkout", "-q", "main")
    repo.git("cherry-pick", second, check=False)
    # The card's digest conflicts; what the data have become is decided by git.
    custody.ok("add", "--reason", "the last row is needed here, too", DATA)
    repo.git("-c", "core.editor=true", "cherry-pick", "--continue")
    assert custody("check", "--range", f"{base}...HEAD").code == 0
    assert custody("audit", "verify").code == 0
    assert "cherry-pick" in custody.ops("tickets")


def test_after_a_clean_cherry_pick_whose_parent_is_missing(repo: Repo, custody: Commands) -> None:
    base = started(repo, custody)
    repo.git("checkout", "-q", "-b", "other")
    edited(repo, custody, ROWS + "x\n")
    picked = edited(repo, custody, ROWS + "x\ny\n")
    repo.git("checkout", "-q", "main")
    repo.git("cherry-pick", "-X", "theirs", picked)
    refused = custody("check", "--all")
    assert refused.code == 1
    assert "audit repair --reason REASON" in refused.out
    custody.ok("audit", "repair", "--reason", "the rows are needed here, too")
    repo.commit()
    assert custody("check", "--range", f"{base}...HEAD").code == 0
    repo.git("merge", "-q", "-X", "ours", "--no-commit", "other", check=False)
    assert custody("audit", "merge", "--reason", "both have all rows").code == 0
    assert custody("check", "--staged").code == 0


def test_after_a_rebase(repo: Repo, custody: Commands) -> None:
    base = started(repo, custody)
    rows = ROWS.splitlines(keepends=True)
    repo.git("checkout", "-q", "-b", "other")
    edited(repo, custody, "".join(["first\n", *rows]))
    repo.git("checkout", "-q", "main")
    tip = edited(repo, custody, "".join([*rows, "last\n"]))
    repo.git("checkout", "-q", "other")
    repo.git("rebase", "-q", "-X", "theirs", "main")
    refused = custody("check", "--range", f"{tip}...HEAD")
    assert refused.code == 1
    custody.ok("audit", "repair", "--reason", "both rows belong")
    assert custody.ops("tickets")[-1] == "merge"
    repo.commit()
    custody.ok("card", "update", DATA)
    repo.commit()
    for start in (base, tip):
        assert custody("check", "--range", f"{start}...HEAD").code == 0


def test_after_a_reformatter(repo: Repo, custody: Commands) -> None:
    base = started(repo, custody)
    (entry,) = (repo.path / LOG).iterdir()
    entry.write_text(json.dumps(json.loads(entry.read_text())))
    repo.git("commit", "-qam", "Reformat", "--no-verify")
    refused = custody("check", "--range", f"{base}...HEAD")
    assert refused.code == 1
    custody.ok("audit", "repair")
    repo.commit()
    assert custody("check", "--range", f"{base}...HEAD").code == 0


def test_after_an_edit_of_an_entry(repo: Repo, custody: Commands) -> None:
    base = started(repo, custody)
    (entry,) = (repo.path / LOG).iterdir()
    entry.write_text(entry.read_text().replace("first recorded", "nothing to see"))
    repo.git("commit", "-qam", "Tamper", "--no-verify")
    repo.write(f"{LOG}/notes.txt", "x\n")
    repo.commit({f"{LOG}/notes.txt": "x\n"})
    assert custody("check", "--range", f"{base}...HEAD").code == 1
    custody.ok("audit", "repair")
    repo.commit()
    assert custody("check", "--range", f"{base}...HEAD").code == 0
    assert [path.suffix for path in (repo.path / LOG).iterdir()] == [".json"]


def test_a_rollback_of_log_and_data_is_found_and_undone(repo: Repo, custody: Commands) -> None:
    start = started(repo, custody)
    base = edited(repo, custody, ROWS + "x\n")
    repo.git("checkout", "-q", start, "--", ".")
    repo.git("rm", "-qr", "--cached", LOG)
    repo.git("checkout", "-q", start, "--", LOG)
    for path in (repo.path / LOG).iterdir():
        if path.name not in repo.git("ls-files", LOG):
            path.unlink()
    repo.commit(message="Nothing happened")
    repaired(repo, custody, base, "rows were right before")


def test_without_a_reason_repair_shows_its_plan_and_asks(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    edited(repo, custody, ROWS + "x\n")
    repo.git("revert", "--no-edit", "HEAD")
    before = custody.state()
    verdict = custody("audit", "repair")
    assert verdict.code == 2
    assert "entry restored" in verdict.out
    assert "audit entry, revert" in verdict.out
    assert "audit repair --reason REASON" in verdict.err
    assert custody.state() == before


def test_repair_of_what_is_sound_does_nothing(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    before = custody.state()
    assert "nothing to repair" in custody.ok("audit", "repair")
    assert custody.state() == before


# ---------------------------------------------------------------------- add, merge


def test_add_records_with_an_op_of_ones_own(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.stage({DATA: ROWS.replace("row", "Row")})
    custody.ok("audit", "add", "--op", "relabel", "--reason", "labels were lower case", DATA)
    assert custody.ops("tickets") == ["create", "relabel"]
    repo.write(DATA, ROWS.replace("row", "ROW"))
    custody.ok("add", DATA)
    assert custody.ops("tickets") == ["create", "relabel"]


def test_add_by_id_records_a_deletion(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.git("rm", "-q", DATA, CARD)
    verdict = custody("check", "--staged")
    assert "audit add --reason REASON tickets" in verdict.out
    custody.ok("audit", "add", "--reason", "consent was withdrawn", "tickets")
    assert custody.ops("tickets") == ["create", "delete"]


def test_add_refuses_an_op_that_does_not_fit(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.stage({DATA: ROWS + "x\n"})
    custody.fails(2, "audit", "add", "--op", "rename", "--reason", "it was renamed", DATA)
    assert "--reason REASON data/tickets.csv" in custody.fails(2, "audit", "add", DATA)
    assert "neither a dataset" in custody.fails(2, "audit", "add", "--reason", "no such data", "nowhere")


@pytest.mark.parametrize("op", ["append", "clean", "merge", "revert"])
def test_the_first_entry_builds_on_none(repo: Repo, custody: Commands, op: str) -> None:
    logged(repo)
    repo.write(DATA, ROWS)
    custody.ok("add", *TOLD, DATA)
    repo.stage({DATA: ROWS + "x\n"})
    said = custody.fails(2, "audit", "add", "--op", op, "--reason", "rows of the night", DATA)
    assert f"{op} needs one before it: leave out --op" in said


def test_add_starts_a_log_where_no_policy_asks_for_one(repo: Repo, custody: Commands) -> None:
    repo.write(DATA, ROWS)
    custody.ok("add", *TOLD, DATA)
    repo.commit()
    custody.ok("audit", "add", "--reason", "the log starts here", DATA)
    assert custody.ops("tickets") == ["adopt"]
    assert custody.entries("tickets")[0]["reason"] == "the log starts here"


def test_branches_that_edit_different_datasets_merge_with_nothing_to_do(repo: Repo, custody: Commands) -> None:
    base = started(repo, custody)
    repo.write("data/b.csv", ROWS + "b")
    custody.ok("add", *TOLD, "data/b.csv")
    repo.commit()
    repo.git("checkout", "-q", "-b", "other")
    edited(repo, custody, ROWS + "x\n")
    repo.git("checkout", "-q", "main")
    repo.write("data/b.csv", ROWS + "bb")
    custody.ok("add", "--reason", "was cut off", "data/b.csv")
    repo.commit()
    repo.git("merge", "-q", "--no-edit", "other")
    assert custody("check", "--all").code == 0
    assert custody("check", "--range", f"{base}...HEAD").code == 0
    assert "nothing to merge" in custody.ok("audit", "merge")


def test_the_same_edit_on_both_sides_needs_no_merge(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.git("checkout", "-q", "-b", "other")
    edited(repo, custody, ROWS + "x\n", "for one reason")
    repo.git("checkout", "-q", "main")
    edited(repo, custody, ROWS + "x\n", "for another reason")
    repo.git("merge", "-q", "--no-edit", "other")
    assert len(custody.entries("tickets")) == 3
    assert custody("check", "--all").code == 0
    assert "nothing to merge" in custody.ok("audit", "merge", "tickets")


def test_a_merge_by_hand_ends_in_one_finding_and_one_command(repo: Repo, custody: Commands) -> None:
    base = started(repo, custody)
    rows = ROWS.splitlines(keepends=True)
    repo.git("checkout", "-q", "-b", "other")
    edited(repo, custody, "".join(["first\n", *rows]))
    repo.git("checkout", "-q", "main")
    edited(repo, custody, "".join([*rows, "last\n"]))
    repo.git("merge", "-q", "-X", "ours", "--no-commit", "other")
    check = repo.check("--staged")
    assert check.rules == ["audit-heads-diverged"]
    (finding,) = [finding for finding in check.report["findings"] if finding["blocks"]]
    (fix,) = finding["fix"]
    assert fix.endswith(f"audit merge --reason REASON {DATA}")
    custody.ok("audit", "merge", "--reason", "both rows belong", DATA)
    repo.git("commit", "-q", "--no-verify", "-m", "Merge")
    assert custody("check", "--range", f"{base}...HEAD").code == 0


# ---------------------------------------------------------------------- show, verify


@pytest.mark.parametrize("name", [DATA, CARD, "tickets", LOG])
def test_show_prints_the_history(repo: Repo, custody: Commands, name: str) -> None:
    started(repo, custody)
    edited(repo, custody, ROWS + "x\n", "a row: \u202e")
    verdict = custody("audit", "show", "--format", "text", name)
    assert verdict.code == 0
    assert verdict.out.startswith("tickets: 2 entries\n")
    assert "A. Author <author@example.org>: first recorded" in verdict.out
    assert "\u202e" not in verdict.out
    assert "a row: \\u{202e}" in verdict.out


def test_show_as_json(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    verdict = custody("audit", "show", "--format", "json", "tickets")
    (log,) = json.loads(verdict.out)["logs"]
    assert log["dataset"] == "tickets"
    assert log["problems"] == []
    assert log["entries"][0]["custody"] == "audit-entry/1"
    assert log["entries"][0]["id"] in repo.git("ls-files", LOG)


def test_verify_counts_and_finds(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    edited(repo, custody, ROWS + "x\n")
    verdict = custody("audit", "verify")
    assert (verdict.code, verdict.out) == (0, "2 entries in 1 log: all sound\n")
    repo.git("revert", "--no-edit", "HEAD")
    verdict = custody("audit", "verify")
    assert verdict.code == 1
    assert "audit-log-rewritten: the history has this entry" in verdict.out
    assert "1 entry in 1 log: not all sound" in verdict.out


def test_verify_of_nothing(repo: Repo, custody: Commands) -> None:
    assert custody("audit", "verify").out == "0 entries in 0 logs: all sound\n"


def test_verify_before_the_first_commit(
    empty_repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert Commands(empty_repo, monkeypatch, capfd)("audit", "verify").code == 0


def test_verify_says_what_a_shallow_clone_hides(
    repo: Repo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    custody: Commands,
) -> None:
    started(repo, custody)
    edited(repo, custody, ROWS + "x\n")
    repo.git("clone", "-q", "--depth", "1", f"file://{repo.path}", str(tmp_path / "clone"))
    clone = Repo.__new__(Repo)
    clone.path = tmp_path / "clone"
    verdict = Commands(clone, monkeypatch, capfd)("audit", "verify")
    assert verdict.code == 0
    assert "not verified, because this clone is shallow" in verdict.out


# ---------------------------------------------------------------------- what is published


def test_an_entry_that_the_upstream_branch_lacks_is_only_stacked_upon(
    repo: Repo, custody: Commands, tmp_path: Path
) -> None:
    started(repo, custody)
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "origin"))
    repo.git("remote", "add", "origin", str(tmp_path / "origin"))
    repo.git("fetch", "-q", "origin", env={"GIT_ALLOW_PROTOCOL": "file"})
    repo.git("branch", "-q", "--set-upstream-to", "origin/main")
    edited(repo, custody, ROWS + "x\n")
    repo.write(DATA, ROWS + "x\ny\n")
    custody.ok("add", "--reason", "and another", DATA)
    repo.git("commit", "-q", "--amend", "--no-edit", "--no-verify")
    assert custody.ops("tickets") == ["create", "modify", "modify"]
    assert custody("check", "--range", "origin/main...HEAD").code == 0
    assert custody("audit", "verify").code == 0


def test_a_squash_merge_keeps_every_entry(repo: Repo, custody: Commands) -> None:
    base = started(repo, custody)
    repo.git("checkout", "-q", "-b", "other")
    edited(repo, custody, ROWS + "x\n")
    edited(repo, custody, ROWS + "x\ny\n")
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "--squash", "other")
    assert custody("check", "--staged").code == 0
    repo.commit()
    assert custody.ops("tickets") == ["create", "modify", "modify"]
    assert custody("check", "--range", f"{base}...HEAD").code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs a pseudo-terminal")
def test_on_a_terminal_repair_shows_its_plan_before_it_asks(repo: Repo, custody: Commands) -> None:
    import pty

    started(repo, custody)
    base = edited(repo, custody, ROWS + "x\n")
    repo.git("revert", "--no-edit", "HEAD")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        (sys.executable, "-m", "git_custody", "audit", "repair"), cwd=repo.path, stdin=theirs, stdout=theirs,
        stderr=theirs, env={**os.environ, "PYTHONPATH": str(HOOKS)},
    )  # fmt: skip
    os.close(theirs)
    said = b""
    while not said.endswith(b": "):
        said += os.read(ours, 1024)
    os.write(ours, b"the edit was wrong\n")
    with contextlib.suppress(OSError):  # how Linux says that the other side is closed
        while chunk := os.read(ours, 1024):
            said += chunk
    os.close(ours)
    assert process.wait(timeout=30) == 0, said
    assert said.index(b"the plan:") < said.index(b"reason for what was undone")
    assert custody.entries("tickets")[-1]["reason"] == "the edit was wrong"
    repo.commit()
    assert custody("check", "--range", f"{base}...HEAD").code == 0


# ---------------------------------------------------------------------- what repair leaves alone, and what show finds


def test_repair_leaves_what_only_waits_for_its_commit(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    edited(repo, custody, ROWS + "x\n")
    repo.git("revert", "--no-edit", "HEAD")
    repo.write("data/other.csv", ROWS + "other\n")
    assert custody("add", *TOLD, "--reason", "it is new", "data/other.csv").code == 0
    waiting = repo.git("ls-files", "-s", ".custody/audit/other")
    out = custody.ok("audit", "repair", "--reason", "the edit was wrong")
    assert repo.git("ls-files", "-s", ".custody/audit/other") == waiting
    assert "other" not in out
    assert custody.ops("tickets") == ["create", "modify", "revert"]


def test_repair_of_one_dataset_leaves_the_others(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write("data/other.csv", ROWS + "other\n")
    custody.ok("add", *TOLD, "data/other.csv")
    repo.commit()
    repo.stage({DATA: ROWS + "x\n", "data/other.csv": ROWS + "y\n"})
    before = repo.git("ls-files", "-s", ".custody/audit/other")
    assert custody("audit", "repair", "--reason", "brought over", DATA).code in (0, 1)
    assert repo.git("ls-files", "-s", ".custody/audit/other") == before
    assert custody.ops("tickets") == ["create", "modify"]
    assert "nothing to repair" in custody("audit", "repair", "--reason", "brought over", "tickets").out


def test_repair_of_a_deletion_takes_the_card_along(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.git("rm", "-q", DATA)
    custody.ok("audit", "repair", "--reason", "consent was withdrawn")
    assert custody.ops("tickets") == ["create", "delete"]
    assert not (repo.path / CARD).exists()


def test_show_finds_a_deleted_dataset_by_its_path(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    custody.ok("card", "mv", DATA, "data/old.csv")
    repo.commit(message="Move")
    repo.git("rm", "-q", "data/old.csv", "data/old.csv.datacard.yaml")
    custody.ok("audit", "add", "--reason", "consent was withdrawn", "tickets")
    repo.commit(message="Remove")
    for path in ("data/old.csv", DATA):
        verdict = custody("audit", "show", path)
        assert verdict.out.startswith("tickets: 3 entries\n"), verdict.err
    repo.write("data/old.csv", ROWS)
    repo.git("add", "data/old.csv")
    assert "neither a dataset" in custody.fails(2, "audit", "show", "data/old.csv")


def test_of_two_datasets_that_were_deleted_at_a_path_one_has_to_be_named(repo: Repo, custody: Commands) -> None:
    logged(repo)
    for name in ("one", "two"):
        repo.write(DATA, ROWS + name)
        custody.ok("add", "--id", name, *TOLD, DATA)
        repo.commit()
        custody.ok("card", "mv", DATA, f"data/{name}.csv")
        repo.commit()
    for name in ("one", "two"):
        repo.git("rm", "-q", f"data/{name}.csv", f"data/{name}.csv.datacard.yaml")
        custody.ok("audit", "add", "--reason", "consent was withdrawn", name)
        repo.commit()
    assert "name one by its id: one, two" in custody.fails(2, "audit", "show", DATA)


def test_repair_does_not_take_a_move_for_a_deletion(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.git("mv", DATA, "data/new.csv")
    before = custody.state()
    out = custody("audit", "repair", "--reason", "it was moved").out
    assert custody.state() == before
    assert " add data/new.csv" in out
    custody.ok("add", "data/new.csv")
    assert custody.ops("tickets") == ["create", "rename"]
