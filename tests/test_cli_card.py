"""`git custody card new|update|show|mv`."""

from __future__ import annotations

import hashlib
import shlex

import pytest

from commands import TOLD, Commands, logged
from conftest import HOOKS, ROWS, Repo

DATA = "data/tickets.csv"
CARD = f"{DATA}.datacard.yaml"


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    return Commands(repo, monkeypatch, capfd)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def started(repo: Repo, custody: Commands, log: bool = True) -> None:
    if log:
        logged(repo)
    repo.write(DATA, ROWS)
    custody.ok("add", *TOLD, DATA)
    repo.commit(message="Data")


# ---------------------------------------------------------------------- new


def test_new_describes_and_stages(repo: Repo, custody: Commands) -> None:
    repo.write("notes/words.txt", ROWS)
    custody.ok("card", "new", *TOLD, "--", "notes/words.txt")
    assert custody.card("notes/words.txt.datacard.yaml")["id"] == "words"


def test_new_describes_a_folder_as_one(repo: Repo, custody: Commands) -> None:
    for number in range(3):
        repo.write(f"data/pictures/{number}.png", f"png {number}")
    custody.ok("card", "new", *TOLD, "data/pictures")
    content = custody.card("data/pictures/datacard.yaml")["content"]
    assert ("dirHash" in content["digest"], content["bytes"], content["files"]) == (True, 15, 3)


def test_the_number_of_files_follows_the_folder(repo: Repo, custody: Commands) -> None:
    for number in range(3):
        repo.write(f"data/pictures/{number}.png", f"png {number}")
    custody.ok("card", "new", *TOLD, "data/pictures")
    repo.stage({"data/pictures/3.png": "png 3"})
    custody.ok("card", "update", "data/pictures")
    assert custody.card("data/pictures/datacard.yaml")["content"]["files"] == 4
    # Cards of earlier releases do not have it, and need not.
    card = (repo.path / "data/pictures/datacard.yaml").read_text()
    repo.stage({"data/pictures/datacard.yaml": card.replace("  files: 4\n", ""), "data/pictures/3.png": "other"})
    custody.ok("card", "update", "data/pictures")
    assert "files" not in custody.card("data/pictures/datacard.yaml")["content"]
    assert repo.check().passes


def test_new_refuses_what_has_a_card(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    assert "card update" in custody.fails(2, "card", "new", *TOLD, DATA)


def test_new_names_the_whole_command(repo: Repo, custody: Commands) -> None:
    repo.write(DATA, ROWS)
    assert "card new --title TITLE --source-url URL" in custody.fails(2, "card", "new", DATA)


# ---------------------------------------------------------------------- update


@pytest.mark.parametrize("name", [DATA, CARD])
def test_update_makes_the_content_fit(repo: Repo, custody: Commands, name: str) -> None:
    started(repo, custody, log=False)
    repo.stage({DATA: ROWS + "x\n"})
    assert custody("check", "--staged").code == 1
    custody.ok("card", "update", name)
    assert custody.card(CARD)["content"]["digest"] == {"sha256": sha256(ROWS + "x\n")}


def test_update_looks_at_what_is_staged_and_never_at_the_work_tree(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write(DATA, "something else\n")
    assert "nothing to do" in custody.ok("card", "update", DATA)
    assert custody.card(CARD)["content"]["digest"] == {"sha256": sha256(ROWS)}


def test_update_writes_no_entry(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.stage({DATA: ROWS + "x\n"})
    verdict = custody("card", "update", DATA)
    assert verdict.code == 1
    assert "missing-audit-entry" in verdict.out
    assert custody.ops("tickets") == ["create"]


def test_update_sets_an_id_back(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.stage({CARD: (repo.path / CARD).read_text().replace("id: tickets", "id: other  # mine")})
    check = repo.check("--staged")
    assert "audit-log-rewritten" in check.rules
    custody.ok("card", "update", "--id", "tickets", CARD)
    assert "id: tickets  # mine" in (repo.path / CARD).read_text()


def test_update_sets_fields(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    custody.ok("card", "update", "--title", "Tickets: 2025", "--license", "CC0-1.0", DATA)
    card = custody.card(CARD)
    assert (card["title"], card["license"]) == ("Tickets: 2025", "CC0-1.0")
    assert "Apache-2.0" in custody.fails(2, "card", "update", "--license", "Apache 2", DATA)


def test_update_takes_hand_edits_along(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write(CARD, (repo.path / CARD).read_text() + "notes: mine\n")
    custody.ok("card", "update", CARD)
    assert custody.card(CARD)["notes"] == "mine"


def test_update_resolves_a_conflict_that_was_staged(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    line = f"    sha256: {sha256(ROWS)}\n"
    text = (repo.path / CARD).read_text()
    repo.stage({CARD: text.replace(line, f"<<<<<<< HEAD\n{line}=======\n    sha256: {'0' * 64}\n>>>>>>> other\n")})
    check = repo.check("--staged", text=True)
    assert "card update data/tickets.csv.datacard.yaml" in check.out
    custody.ok("card", "update", CARD)
    assert (repo.path / CARD).read_text() == text


def test_update_settles_a_conflict_over_a_card_that_both_sides_moved(repo: Repo, custody: Commands) -> None:
    started(repo, custody, log=False)
    repo.commit()
    repo.git("checkout", "-q", "-b", "side")
    for branch, name in (("side", "data/theirs.csv"), ("main", "data/ours.csv")):
        repo.git("checkout", "-q", branch)
        custody.ok("card", "mv", DATA, name)
        repo.commit()
    repo.git("merge", "-q", "side", check=False)
    for path in (DATA, "data/theirs.csv"):
        repo.git("rm", "-q", "--cached", path)
    repo.git("add", "data/ours.csv")
    # Which of the three is named first is not decided: one command for each at most.
    for _ in range(3):
        for error in repo.check().report["errors"]:
            assert error["message"] == "this card has an unresolved merge conflict"
            assert [shlex.split(fix)[-3:-1] for fix in error["fix"]] == [["card", "update"]]
            custody("card", "update", error["path"])
    assert repo.git("ls-files", "data").split() == ["data/ours.csv", "data/ours.csv.datacard.yaml"]
    assert repo.check().passes


@pytest.mark.parametrize("name", ["README.md", "data", "nowhere"])
def test_update_of_what_has_no_card(repo: Repo, custody: Commands, name: str) -> None:
    started(repo, custody)
    assert "no data card" in custody.fails(2, "card", "update", name)


def test_update_of_an_orphan_removes_it(repo: Repo, custody: Commands) -> None:
    started(repo, custody, log=False)
    repo.git("rm", "-q", "--cached", DATA)
    custody.ok("card", "update", CARD)
    assert CARD not in repo.git("ls-files")


# ---------------------------------------------------------------------- show


def test_show_says_what_was_read_and_that_it_fits(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    for name in (DATA, CARD):
        verdict = custody("card", "show", name)
        assert verdict.code == 0
        assert "source.publisher  CERN" in verdict.out
        assert "fits this card" in verdict.out


def test_show_says_that_it_does_not_fit(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.stage({DATA: ROWS + "x\n"})
    verdict = custody("card", "show", "tickets.csv", cwd="data")
    assert verdict.code == 1
    assert f"does not fit this card: sha256 {sha256(ROWS + 'x' + chr(10))}" in verdict.out


def test_show_names_what_is_not_valid(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write(CARD, (repo.path / CARD).read_text().replace("license: MIT", "licence: MIT"))
    verdict = custody("card", "show", CARD)
    assert verdict.code == 1
    assert 'did you mean "license"' in verdict.out


def test_show_escapes_what_would_forge_output(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write(
        CARD,
        (repo.path / CARD).read_text().replace("title: Support tickets of 2025", 'title: "a\\u001b[31m\\nb"'),
    )
    verdict = custody("card", "show", CARD)
    assert "\x1b" not in verdict.out
    assert "a\\x1b[31m\\nb" in verdict.out


def test_show_changes_nothing(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write(CARD, (repo.path / CARD).read_text() + "# edited\n")
    before = custody.state()
    custody("card", "show", CARD)
    assert custody.state() == before


# ---------------------------------------------------------------------- mv


def test_mv_moves_data_card_and_log(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    custody.ok("card", "mv", DATA, "datasets/renamed.csv")
    assert repo.git("ls-files", "data") == ""
    assert custody.card("datasets/renamed.csv.datacard.yaml")["id"] == "tickets"
    assert custody.ops("tickets") == ["create", "rename"]
    assert (repo.path / "datasets/renamed.csv").read_text() == ROWS
    repo.commit()
    assert custody("check", "--range", "HEAD~2...HEAD").code == 0
    assert repo.git("status", "--porcelain") == ""


def test_mv_into_a_folder_and_from_a_subdirectory(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.commit({"datasets/README.md": "Here.\n"})
    custody.ok("card", "mv", "--reason", "one folder for all", "tickets.csv", "../datasets", cwd="data")
    assert custody.entries("tickets")[-1]["path"] == "datasets/tickets.csv"
    assert custody.entries("tickets")[-1]["reason"] == "one folder for all"


def test_mv_keeps_edits_that_are_not_staged(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write(DATA, ROWS + "not staged\n")
    repo.write(CARD, (repo.path / CARD).read_text() + "notes: mine\n")
    custody.ok("card", "mv", DATA, "data/renamed.csv")
    assert (repo.path / "data/renamed.csv").read_text() == ROWS + "not staged\n"
    assert custody.card("data/renamed.csv.datacard.yaml")["content"]["digest"] == {"sha256": sha256(ROWS)}
    assert "notes: mine" in (repo.path / "data/renamed.csv.datacard.yaml").read_text()


def test_mv_of_a_folder(repo: Repo, custody: Commands) -> None:
    logged(repo)
    for number in range(2):
        repo.write(f"data/pictures/{number}.png", f"png {number}")
    custody.ok("add", "--as-one", *TOLD, "data/pictures")
    repo.commit()
    custody.ok("card", "mv", "data/pictures", "data/photos")
    assert custody.entries("pictures")[-1]["path"] == "data/photos"
    assert custody.ops("pictures") == ["create", "rename"]


def test_mv_out_of_a_folder_that_is_a_dataset(repo: Repo, custody: Commands) -> None:
    logged(repo)
    for number in range(3):
        repo.write(f"data/pictures/{number}.png", f"png {number}")
    custody.ok("add", "--as-one", *TOLD, "data/pictures")
    repo.commit()
    said = custody.fails(2, "card", "mv", "data/pictures/0.png", "notes/0.png")
    assert "--reason" in said
    custody.ok("card", "mv", "--reason", "not a picture", "data/pictures/0.png", "notes/0.png")
    assert custody.ops("pictures") == ["create", "modify"]


def test_mv_of_dvc_data(repo: Repo, custody: Commands) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\nabsent_content: {changed: allow}\n"})
    repo.write("data/x.csv.dvc", "outs:\n- md5: 0123456789abcdef0123456789abcdef\n  path: x.csv\n")
    custody.ok("add", *TOLD, "data/x.csv.dvc")
    repo.commit()
    assert "dvc move" in custody.fails(2, "card", "mv", "data/x.csv.dvc", "data/y.csv.dvc")
    (repo.path / "datasets").mkdir()
    custody.ok("card", "mv", "data/x.csv", "datasets")
    assert repo.git("ls-files", "datasets").split() == ["datasets/x.csv.datacard.yaml", "datasets/x.csv.dvc"]


def test_mv_never_overwrites(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write("data/there.csv", "mine\n")
    assert "something is there" in custody.fails(2, "card", "mv", DATA, "data/there.csv")
    assert "not track" in custody.fails(2, "card", "mv", "data/there.csv", "data/new.csv")


# ---------------------------------------------------------------------- a copy, and what is said of it


@pytest.mark.parametrize("log", [True, False])
def test_a_dataset_copied_with_its_card_only_needs_an_id(repo: Repo, custody: Commands, log: bool) -> None:
    started(repo, custody, log)
    copy = "data/a-copy.csv"
    for path in (DATA, CARD):
        (repo.path / path.replace(DATA, copy)).write_bytes((repo.path / path).read_bytes())
    repo.git("add", "-A")
    verdict = repo.check()
    (finding,) = verdict.report["findings"]
    assert (finding["rule"], finding["path"]) == ("duplicate-dataset-id", f"{copy}.datacard.yaml")
    (fix,) = finding["fix"]
    assert fix.endswith(f"card update --id NEW_ID {copy}.datacard.yaml")
    assert repo.check("--all").rules == ["duplicate-dataset-id"]
    alone = custody_hook(repo)
    assert "renamed" not in alone
    if log:
        assert "--id NEW_ID" in custody.fails(2, "add", copy)
        assert "--id NEW_ID" in alone
        assert "nothing to do" in custody("add", DATA).out
    custody("card", "update", "--id", "copy", copy)
    custody.ok("add", copy)
    assert custody.card(CARD)["id"] == "tickets"
    if log:
        assert (custody.ops("tickets"), custody.ops("copy")) == (["create"], ["create"])


def custody_hook(repo: Repo) -> str:
    """What the hook of the audit log says, run by itself."""
    import os
    import subprocess
    import sys

    done = subprocess.run(
        (sys.executable, "-c", "from git_custody.check_dataset_audit_log import main; main()"), cwd=repo.path, capture_output=True, check=False,
        env={**os.environ, "PYTHONPATH": str(HOOKS)}, text=True,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_two_new_cards_with_one_id_have_one_that_keeps_it(repo: Repo, custody: Commands) -> None:
    logged(repo)
    repo.write("data/one.csv", ROWS)
    custody.ok("add", *TOLD, "data/one.csv")
    for end in ("", ".datacard.yaml"):
        repo.stage({f"data/copy.csv{end}": (repo.path / f"data/one.csv{end}").read_bytes()})
    (finding,) = repo.check().report["findings"]
    assert finding["path"] == "data/copy.csv.datacard.yaml"


def test_data_moved_by_hand_beside_a_copied_card_keep_their_history(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.git("mv", DATA, "data/new.csv")
    repo.stage({"data/new.csv.datacard.yaml": (repo.path / CARD).read_bytes()})
    custody("add", "data/new.csv")
    custody.ok("add", DATA)
    assert custody.ops("tickets") == ["create", "rename"]
    assert not (repo.path / CARD).exists()


def test_mv_says_what_it_did_to_the_card(repo: Repo, custody: Commands) -> None:
    repo.commit()
    started(repo, custody, log=False)
    out = custody.ok("card", "mv", DATA, "data/new.csv")
    assert "card updated" not in out
    assert "wrote    data/new.csv.datacard.yaml (card as it is)" in out


def test_commands_in_sentences_can_be_pasted(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.stage({"notes/a.txt": "a\n"})
    here = custody("card", "show", "a.txt", cwd="notes").err
    assert here.rstrip().endswith(" add a.txt")
    assert here.count("add") == 1
    assert f"card update --id other ../{CARD}" in custody("add", "--id", "other", f"../{DATA}", cwd="notes").err


# ---------------------------------------------------------------------- moved with git before

TABLE = "id,name\n" + "".join(f"{number},row number {number}\n" for number in range(20))


@pytest.mark.parametrize("more", ["", "20,one more\n"])
def test_mv_after_git_mv_takes_the_card_along(repo: Repo, custody: Commands, more: str) -> None:
    logged(repo)
    repo.write("data/rows.csv", TABLE)
    custody.ok("add", *TOLD, "data/rows.csv")
    repo.commit(message="Data")
    repo.git("mv", "data/rows.csv", "data/b.csv")
    repo.stage({"data/b.csv": TABLE + more})
    custody.ok("card", "mv", "--reason", "Renamed, and the last row added", "data/rows.csv", "data/b.csv")
    assert repo.git("ls-files", "data").split() == ["data/b.csv", "data/b.csv.datacard.yaml"]
    assert custody.ops("rows") == ["create", "modify" if more else "rename"]


def test_what_was_moved_and_edited_is_offered_as_a_move(repo: Repo, custody: Commands) -> None:
    logged(repo)
    repo.write("data/rows.csv", TABLE)
    custody.ok("add", *TOLD, "data/rows.csv")
    repo.commit(message="Data")
    repo.git("mv", "data/rows.csv", "data/b.csv")
    repo.stage({"data/b.csv": TABLE + "20,one more\n"})
    report = repo.check().report["findings"]
    fixes = {finding["rule"]: finding["fix"] for finding in report}
    move = ["git custody card mv --reason REASON data/rows.csv data/b.csv"]
    assert [fix[-1].split("custody", 1)[1] for fix in fixes.values()] == [move[0].split("custody", 1)[1]] * 2
    assert set(fixes) == {"missing-data-card", "orphan-data-card"}
    said = custody.fails(2, "add", "--reason", "More", "data/b.csv")
    assert "it seems to be data/rows.csv, moved and edited" in said


@pytest.mark.parametrize("other", ["a,b\n1,2\n", TABLE[:60]])
def test_another_file_is_no_move(repo: Repo, custody: Commands, other: str) -> None:
    logged(repo)
    repo.write("data/rows.csv", TABLE)
    custody.ok("add", *TOLD, "data/rows.csv")
    repo.commit(message="Data")
    repo.git("rm", "-q", "data/rows.csv")
    repo.stage({"data/b.csv": other})
    assert "card mv" not in repo.check(text=True).out
    assert "--title TITLE" in custody.fails(2, "add", "--reason", "More", "data/b.csv")
