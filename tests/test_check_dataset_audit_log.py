"""check-dataset-audit-log against real repositories: edits, entries, branches, and the history behind them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import ROWS, Repo, documented

POLICY = "version: 1\nalso: [check-dataset-audit-log]\n"
ANSWERS = (
    "--title",
    "Rows for tests",
    "--source-kind",
    "original",
    "--publisher",
    "Example Lab",
    "--license",
    "CC0-1.0",
)


@pytest.fixture
def logged(repo: Repo) -> Repo:
    """A repository with one dataset, data/rows.csv, whose log has two entries; tagged `base`."""
    repo.commit({".custody/policy.yaml": POLICY})
    add(repo, "data/rows.csv", ROWS, *ANSWERS)
    repo.commit(message="Rows")
    add(repo, "data/rows.csv", ROWS + "21,more\n", "--reason", "one more row")
    repo.commit(message="One more row")
    repo.git("tag", "base")
    return repo


def add(repo: Repo, path: str, content: str, *words: str) -> None:
    repo.write(path, content)
    done = repo.custody("add", *words, path)
    assert done.code == 0, done


def entries(repo: Repo) -> list[Path]:
    """The files of the log, the oldest first."""
    found = (repo.path / ".custody/audit/rows").glob("*.json")
    return sorted(found, key=lambda path: len(json.loads(path.read_text())["parents"]))


def edit(repo: Repo, extra: str, message: str = "Edit") -> str:
    """A recorded edit, committed."""
    add(
        repo,
        "data/rows.csv",
        (repo.path / "data/rows.csv").read_text() + extra,
        "--reason",
        f"adds {extra.strip()}",
    )
    return repo.commit(message=message)


def test_recorded_edits_pass(logged: Repo) -> None:
    add(logged, "data/rows.csv", ROWS, "--reason", "takes the row away again")
    assert logged.check().report["findings"] == []
    logged.commit()
    assert logged.check("--all").code == 0
    assert logged.check("--range", "base...HEAD").code == 0
    assert logged.custody("audit", "verify").code == 0


def test_edit_without_entry(logged: Repo) -> None:
    logged.stage({"data/rows.csv": "id\n"})
    verdict = logged.check()
    assert verdict.rules == ["missing-audit-entry"]
    assert "add --reason REASON data/rows.csv" in verdict.report["findings"][0]["fix"][0]


def test_an_edit_in_a_folder_names_the_files(logged: Repo) -> None:
    for name in "abcdef":
        logged.write(f"data/images/{name}.txt", f"{name}\n")
    assert logged.custody("add", "--as-one", *ANSWERS, "data/images").code == 0
    logged.commit()
    logged.stage({"data/images/b.txt": "B\n"})
    (finding,) = logged.check().report["findings"]
    assert finding["rule"] == "missing-audit-entry"
    assert finding["message"].endswith("; what changed in it: b.txt")
    logged.git("rm", "-q", "data/images/a.txt")
    logged.stage({f"data/images/{name}.txt": "" for name in "cde"})
    (finding,) = logged.check().report["findings"]
    assert finding["message"].endswith("; what changed in it: a.txt, b.txt, c.txt and 2 more")
    logged.commit({".custody/policy.yaml": "version: 1\n"})
    logged.stage({"data/images/b.txt": "again\n"})
    (finding,) = logged.check().report["findings"]
    assert (finding["rule"], finding["message"].partition("; ")[2]) == ("digest-mismatch", "what changed in it: b.txt")


def test_what_is_no_data_alone_is_part_of_a_folder(logged: Repo) -> None:
    for name in ("a.txt", "README.md", ".gitignore"):
        logged.write(f"data/images/{name}", f"{name}\n")
    assert logged.custody("add", "--as-one", *ANSWERS, "data/images").code == 0
    logged.commit()
    logged.stage({"data/images/README.md": "More.\n"})
    (finding,) = logged.check().report["findings"]
    told = "; what changed in it: README.md; README.md is part of this dataset's folder"
    assert finding["message"].endswith(told)
    logged.stage({"data/images/.gitignore": "*.tmp\n", "data/images/a.txt": "A\n"})
    (finding,) = logged.check().report["findings"]
    assert finding["message"].endswith("; .gitignore, README.md are part of this dataset's folder")
    assert logged.custody("add", "--reason", "Say more.", "data/images").code == 0
    assert logged.check().rules == []


def test_of_a_folder_that_was_moved_only_what_was_edited_changed(logged: Repo) -> None:
    for name in "abc":
        logged.write(f"data/images/{name}.txt", f"{name}\n")
        logged.write(f"data/other/{name}.txt", f"{name}\n")
    assert logged.custody("add", "--as-one", *ANSWERS, "data/images").code == 0
    assert logged.custody("add", "--as-one", *ANSWERS, "data/other").code == 0
    logged.commit()
    logged.git("mv", "data/images", "data/pictures")
    logged.git("mv", "data/other", "data/others")
    said = {finding["path"]: finding["message"] for finding in logged.check().report["findings"]}
    assert said == {
        f"data/{new}": f"the dataset was renamed, and the audit log still has it at data/{old}"
        for old, new in (("images", "pictures"), ("other", "others"))
    }
    logged.stage({"data/pictures/b.txt": "B\n"})
    logged.git("rm", "-qf", "data/pictures/c.txt")
    said = {finding["path"]: finding["message"] for finding in logged.check().report["findings"]}
    assert said["data/pictures"].endswith("; what changed in it: b.txt, c.txt")


def test_card_update_alone_is_no_entry(logged: Repo) -> None:
    logged.stage({"data/rows.csv": "id\n"})
    logged.custody("card", "update", "data/rows.csv")
    logged.git("add", "-A")
    assert logged.check().rules == ["missing-audit-entry"]


def test_typo_in_a_card_needs_no_entry(logged: Repo) -> None:
    card = logged.path / "data/rows.csv.datacard.yaml"
    logged.stage({"data/rows.csv.datacard.yaml": card.read_text().replace("Rows for tests", "Rows for our tests")})
    assert logged.check().code == 0


def test_not_asked_for_at_level_1(logged: Repo) -> None:
    logged.commit({".custody/policy.yaml": "version: 1\n"})
    logged.stage(documented("data/rows.csv", "id\n", id="rows"))
    assert logged.check().rules == []


def test_dataset_without_card_cannot_be_recorded(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": POLICY})
    repo.stage({"data/rows.csv": ROWS})
    assert repo.check().rules == ["missing-data-card"]
    repo.stage(documented("data/rows.csv"))
    assert repo.check().rules == ["missing-audit-entry"]


@pytest.mark.parametrize("harm", ["edit", "reformat", "remove", "rename", "copy", "link", "stray"])
@pytest.mark.parametrize("which", [0, 1])
def test_harmed_entry(logged: Repo, harm: str, which: int) -> None:
    entry = entries(logged)[which]
    if harm == "edit":
        entry.write_text(entry.read_text().replace("A. Author", "B. Author"))
    elif harm == "reformat":
        entry.write_text(json.dumps(json.loads(entry.read_text())))
    elif harm == "remove":
        entry.unlink()
    elif harm == "rename":
        entry.rename(entry.with_name("0" * 64 + ".json"))
    elif harm == "copy":
        entry.with_name("0" * 64 + ".json").write_bytes(entry.read_bytes())
    elif harm == "link":
        content = entry.read_bytes()
        entry.unlink()
        (logged.path / "elsewhere.json").write_bytes(content)
        entry.symlink_to("../../../elsewhere.json")
    else:
        entry.with_name("notes.txt").write_text("hello\n")
    logged.git("add", "-A")
    found = set(logged.check().rules)
    assert found & {"audit-entry-altered", "audit-log-rewritten", "missing-audit-entry"}
    logged.commit()
    assert logged.check("--range", "base...HEAD").code == 1
    if harm == "link":  # what is no plain file is not replaced unasked
        entry.unlink()
        logged.git("rm", "-q", "--cached", str(entry.relative_to(logged.path)))
    repaired = logged.custody("audit", "repair", "--reason", "restores the log")
    assert repaired.code == 0, repaired
    assert logged.check().code == 0
    logged.commit()
    assert logged.check("--range", "base...HEAD").code == 0


def test_log_and_data_rolled_back_together(logged: Repo) -> None:
    logged.git("reset", "-q", "--hard", "base~1")
    tree = logged.git("rev-parse", "HEAD^{tree}")
    logged.git("reset", "-q", "--hard", "base")
    logged.git("read-tree", "-u", "--reset", tree)
    assert logged.check().rules == ["audit-log-rewritten"]
    logged.commit()
    assert logged.check("--all").code == 0  # the tree alone cannot show it
    assert logged.check("--range", "base...HEAD").rules == ["audit-log-rewritten"]


def test_revert_is_mended_by_repair(logged: Repo) -> None:
    logged.git("revert", "--no-edit", "HEAD")
    assert logged.check("--range", "base...HEAD").rules == ["audit-log-rewritten"]
    assert logged.custody("audit", "repair", "--reason", "the row was wrong").code == 0
    assert logged.check().code == 0
    logged.commit()
    assert logged.check("--range", "base...HEAD").code == 0


def test_unpublished_entry_may_be_amended(logged: Repo) -> None:
    remote = logged.path.parent / "remote.git"
    logged.git("clone", "-q", "--bare", str(logged.path), str(remote))
    logged.git("remote", "add", "origin", str(remote))
    logged.git("fetch", "-q", "origin")
    logged.git("branch", "-q", "-u", "origin/main")
    edit(logged, "22,new\n")
    mine = [path for path in entries(logged) if "22,new" in path.read_text()]
    logged.git("rm", "-q", "--cached", str(mine[0].relative_to(logged.path)))
    mine[0].unlink()
    logged.git("checkout", "-q", "HEAD~1", "--", "data")
    assert logged.check().rules == []  # as far as HEAD, it is only known here
    logged.git("reset", "-q", "--hard")
    entries(logged)[0].unlink()
    logged.git("add", "-A")
    assert "audit-log-rewritten" in logged.check().rules


def test_path_keeps_its_id(logged: Repo) -> None:
    card = logged.path / "data/rows.csv.datacard.yaml"
    logged.stage({"data/rows.csv.datacard.yaml": card.read_text().replace("id: rows", "id: fresh-start")})
    found = logged.check().report["findings"]
    assert "audit-log-rewritten" in [f["rule"] for f in found]


def test_path_keeps_its_id_after_a_deletion(logged: Repo) -> None:
    logged.git("rm", "-q", "data/rows.csv", "data/rows.csv.datacard.yaml")
    assert logged.check().rules == ["missing-audit-entry"]
    assert logged.custody("audit", "add", "--reason", "not needed any more", "rows").code == 0
    assert logged.check().code == 0
    logged.commit()
    logged.stage(documented("data/rows.csv", id="fresh-start"))
    assert "audit-log-rewritten" in logged.check().rules


def test_new_dataset_at_a_path_that_was_left(logged: Repo) -> None:
    logged.git("mv", "data/rows.csv", "data/old.csv")
    logged.git("mv", "data/rows.csv.datacard.yaml", "data/old.csv.datacard.yaml")
    assert logged.check().rules == ["missing-audit-entry"]
    done = logged.custody("add", "--reason", "renamed", "data/old.csv")
    assert done.code == 0, done
    logged.commit()
    add(logged, "data/rows.csv", "a,b\n1,2\n", *ANSWERS[:1], "Other rows", *ANSWERS[2:])
    assert logged.check().report["findings"] == []


# ---------------------------------------------------------------------- branches


def test_two_branches_that_edit_different_datasets(logged: Repo) -> None:
    add(logged, "data/other.csv", "x\n1\n", *ANSWERS[:1], "Other rows", *ANSWERS[2:])
    logged.commit()
    logged.git("checkout", "-q", "-b", "side")
    edit(logged, "22,side\n")
    logged.git("checkout", "-q", "main")
    add(logged, "data/other.csv", "x\n1\n2\n", "--reason", "two")
    logged.commit()
    logged.hook()
    logged.git("merge", "-q", "--no-edit", "side")
    assert logged.seen.report["findings"] == []
    assert logged.check("--all").code == 0
    assert logged.check("--range", "base...HEAD").code == 0


def diverge(repo: Repo) -> None:
    """Branches main and side edit the same dataset in different places; main is checked out."""
    rows = (repo.path / "data/rows.csv").read_text()
    repo.git("checkout", "-q", "-b", "side")
    add(repo, "data/rows.csv", rows.replace("1,row 1", "1,first row"), "--reason", "words the first row")
    repo.commit()
    repo.git("checkout", "-q", "main")
    add(repo, "data/rows.csv", rows + "22,end\n", "--reason", "adds a row")
    repo.commit()


@pytest.mark.parametrize("keep", ["both", "ours", "theirs"])
def test_two_branches_that_edit_the_same_dataset(logged: Repo, keep: str) -> None:
    diverge(logged)
    logged.git("merge", "-q", "--no-commit", "side", check=False)
    sides = {"ours": "--ours", "theirs": "--theirs"}
    for path in ("data/rows.csv", "data/rows.csv.datacard.yaml"):
        if keep in sides:
            source = "HEAD" if keep == "ours" else "side"
            logged.git("checkout", source, "--", path)
    if keep == "both":
        logged.git("add", "-A")
    verdict = logged.check()
    found = [f for f in verdict.report["findings"] if f["blocks"]]
    assert "audit-heads-diverged" in [f["rule"] for f in found]
    command = next(f["fix"] for f in found if f["rule"] == "audit-heads-diverged")
    assert len(command) == 1
    done = logged.custody("audit", "merge", "--reason", "takes what is right", "data/rows.csv")
    assert done.code == 0, done
    assert logged.check().rules == []
    logged.commit()
    assert logged.check("--all").code == 0
    assert logged.check("--range", "base...HEAD").code == 0


def test_identical_edits_need_nothing(logged: Repo) -> None:
    rows = (logged.path / "data/rows.csv").read_text()
    logged.git("checkout", "-q", "-b", "side")
    add(logged, "data/rows.csv", rows + "22,same\n", "--reason", "found on the side")
    logged.commit()
    logged.git("checkout", "-q", "main")
    add(logged, "data/rows.csv", rows + "22,same\n", "--reason", "found at home")
    logged.commit()
    logged.git("merge", "-q", "--no-edit", "side")
    assert logged.check("--all").report["findings"] == []
    assert logged.check("--range", "base...HEAD").code == 0


def test_merge_that_drops_an_entry(logged: Repo) -> None:
    logged.git("checkout", "-q", "-b", "side")
    edit(logged, "22,side\n")
    logged.git("checkout", "-q", "main")
    logged.commit({"README.md": "More.\n"})
    logged.git("merge", "-q", "--no-commit", "side")
    logged.git("checkout", "-q", "main", "--", "data")
    for entry in entries(logged):
        if "22,side" in entry.read_text():
            logged.git("rm", "-q", "-f", "--cached", str(entry.relative_to(logged.path)))
    assert "audit-log-rewritten" in logged.check().rules


def test_cards_that_a_partial_clone_leaves_out_are_not_taken_for_deleted_data(logged: Repo) -> None:
    logged.git("config", "uploadpack.allowFilter", "true")
    partial = Repo.__new__(Repo)
    partial.path = logged.path.parent / "partial"
    words = ("--filter=blob:none", "--no-checkout", f"file://{logged.path}", str(partial.path))
    logged.git("clone", "-q", *words)
    partial.git("sparse-checkout", "set", ".custody")
    partial.git("checkout", "-q")
    report = partial.check("--all", env={"XDG_CACHE_HOME": str(partial.path.parent / "empty")}).report
    assert report["exit_code"] == 2
    assert [f for f in report["findings"] if f["rule"] == "missing-audit-entry"] == []
    (fix,) = {fix for one in report["not_judged"] for fix in one["fix"]}
    assert fix.startswith("git fetch ")
    partial.git(*fix.split()[1:])
    assert partial.check("--all").passes


@pytest.mark.parametrize("sparse", [True, False])
def test_what_a_partial_clone_leaves_out_is_fetched_by_the_printed_commands(sparse: bool, logged: Repo) -> None:
    logged.git("config", "uploadpack.allowFilter", "true")
    partial = Repo.__new__(Repo)
    partial.path = logged.path.parent / "partial"
    words = ("--filter=blob:none", "--no-checkout", f"file://{logged.path}", str(partial.path))
    logged.git("clone", "-q", *words)
    if sparse:
        partial.git("sparse-checkout", "set", "data")
        partial.git("checkout", "-q")
    else:
        partial.git("read-tree", "HEAD")
    partial.stage({"data/rows.csv": "22,mended\n"})
    refused = partial.custody("add", "--reason", "mended", "data/rows.csv")
    assert refused.code == 2
    assert "    fix    git cat-file -t " in refused.err
    for _ in range(5):
        report = partial.check(env={"XDG_CACHE_HOME": str(partial.path.parent / "empty")}).report
        assert not {f["rule"] for f in report["findings"]} & {"audit-entry-altered", "audit-log-rewritten"}
        if not report["errors"]:
            break
        for fix in report["errors"][0]["fix"]:
            partial.git(*fix.split()[1:])
    assert partial.check().rules == ["missing-audit-entry"]


def test_an_entry_that_a_disk_has_lost_is_repaired(logged: Repo) -> None:
    lost = next(path for path in entries(logged) if "one more row" in path.read_text())
    oid = logged.git("rev-parse", f"HEAD:{lost.relative_to(logged.path)}").strip()
    (logged.path / ".git/objects" / oid[:2] / oid[2:]).unlink()
    lost.unlink()
    assert "audit-entry-altered" in logged.check("--all").rules
    assert logged.custody("audit", "repair", "--reason", "the disk").code == 0
    assert "audit-entry-altered" not in logged.check("--all").rules


def test_of_cards_with_one_id_the_log_is_that_of_the_one_that_keeps_it(logged: Repo) -> None:
    """Whichever is found first: that hangs on what the cache knows."""
    card = (logged.path / "data/rows.csv.datacard.yaml").read_text()
    copies = {f"{folder}/{name}": card if name.endswith("yaml") else "22,other\n"
              for folder in ("data/a", "datasets/z") for name in ("rows.csv", "rows.csv.datacard.yaml")}  # fmt: skip
    logged.commit(copies, "Past the hook")
    add(logged, "data/rows.csv", ROWS + "22,recorded\n", "--reason", "recorded")
    logged.git("commit", "-q", "--no-verify", "-m", "Only the data", "--", "data")
    assert logged.git("diff", "--cached", "--name-only").startswith(".custody/audit/")
    runs = [logged.check(env={"XDG_CACHE_HOME": str(logged.path.parent / "fresh")}).rules for _ in range(3)]
    assert runs == [[]] * 3


def test_shallow_clone_cannot_verify(logged: Repo) -> None:
    edit(logged, "22,a\n")
    edit(logged, "23,b\n")
    clone = logged.path.parent / "shallow"
    logged.git("clone", "-q", "--depth", "1", f"file://{logged.path}", str(clone))
    shallow = object.__new__(Repo)
    shallow.path = clone
    verdict = shallow.check("--range", "HEAD...HEAD")
    assert verdict.code == 0
    shallow.git("fetch", "-q", "--depth", "1", "origin", "tag", "base")
    verdict = shallow.check("--range", "base...HEAD")
    assert verdict.code == 2
    assert "shallow" in verdict.report["errors"][0]["message"]


def test_dataset_whose_name_is_not_utf8(logged: Repo) -> None:
    name = b"data/caf\xe9.csv".decode("utf-8", "surrogateescape")
    logged.write(b"data/caf\xe9.csv", ROWS)
    logged.write(b"data/caf\xe9.csv.datacard.yaml", str(documented("x", id="other")["x.datacard.yaml"]))
    logged.git("add", "-A")
    verdict = logged.check()
    assert verdict.rules == ["missing-audit-entry"]
    assert verdict.report["findings"][0]["path_b64"]
    assert name not in verdict.out


def test_a_dataset_whose_card_is_waived_can_have_its_entry_waived(logged: Repo) -> None:
    import hashlib
    from datetime import date, timedelta

    soon = date.today() + timedelta(days=30)

    def waiver(rule: str, rest: str = "") -> str:
        head = f"version: 1\nrule: {rule}\npath: data/old.csv\n{rest}"
        return f"{head}reason: From before.\nowner: Ada\nexpires: '{soon}'\n"

    logged.stage({"data/old.csv": ROWS, ".custody/waivers/card.yaml": waiver("missing-data-card")})
    assert logged.check().rules == ["missing-audit-entry"]
    digest = f"digest: {{sha256: {hashlib.sha256(ROWS.encode()).hexdigest()}}}\n"
    logged.stage({".custody/waivers/entry.yaml": waiver("missing-audit-entry", digest)})
    assert logged.check().rules == []
    logged.stage({"data/old.csv": ROWS + "21,new\n"})
    assert "missing-audit-entry" in logged.check().rules


def test_an_entry_of_megabytes_is_said_to_be_too_large(logged: Repo) -> None:
    logged.stage({f".custody/audit/rows/{'0' * 64}.json": "{" + " " * 2_000_000 + "}"})
    found = logged.check().report["findings"]
    assert [f["rule"] for f in found] == ["audit-entry-altered"]
    assert "larger than" in found[0]["message"]


def test_a_card_that_is_deleted_while_its_data_stay_is_brought_back(logged: Repo) -> None:
    card = "data/rows.csv.datacard.yaml"
    logged.git("rm", "-q", card)
    verdict = logged.check()
    fixes = {finding["rule"]: finding["fix"] for finding in verdict.report["findings"]}
    assert fixes == {rule: [f"git restore --staged --worktree -- {card}"] for rule in fixes}
    assert "missing-data-card" in fixes
    assert "its card is gone, and its data are still here: data/rows.csv" in verdict.out
    for verb in ("add", "repair"):
        words = ("rows",) if verb == "add" else ()
        refused = logged.custody("audit", verb, "--reason", "gone", *words)
        assert refused.code == 2
        assert "still here, so they are not recorded as deleted; bring its card back: git restore" in refused.err
    logged.commit()
    verdict = logged.check("--range", "base...HEAD")
    assert "audit add" not in verdict.out
    assert "git restore" not in verdict.out
    logged.git("restore", "--source=base", "--staged", "--worktree", "--", card)
    assert logged.check().passes


def test_what_the_policy_no_longer_counts_can_be_recorded_as_gone(logged: Repo) -> None:
    logged.git("rm", "-q", "data/rows.csv.datacard.yaml")
    logged.stage({".custody/policy.yaml": POLICY + "datasets: {exclude: [data/rows.csv]}\n"})
    assert logged.custody("audit", "add", "--reason", "no training data any more", "rows").code == 0
    assert logged.check().code == 0
