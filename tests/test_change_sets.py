"""What a commit under way would store is what is judged, however it is made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from conftest import PICKLE, ROWS, Repo, documented

if TYPE_CHECKING:
    from pathlib import Path

WORDS = "Ordinary words.\n"


# ---------------------------------------------------------------------- how a commit is made


def test_the_first_commit(empty_repo: Repo) -> None:
    empty_repo.hook()
    empty_repo.stage({"w.bin": PICKLE, "a.txt": WORDS})
    assert not empty_repo.commits()
    assert empty_repo.seen.caught() == ["w.bin"]
    assert empty_repo.seen.report["judged"] == {"mode": "staged", "base": None, "head": None}
    empty_repo.git("rm", "-q", "--cached", "w.bin")
    assert empty_repo.commits()
    assert empty_repo.seen.passes


def test_a_dataset_in_the_first_commit(empty_repo: Repo) -> None:
    empty_repo.stage({"data/a.csv": ROWS})
    assert empty_repo.check().caught("missing-data-card") == ["data/a.csv"]
    empty_repo.stage(documented("data/a.csv"))
    assert empty_repo.check().passes


def test_bad_when_staged_and_good_in_the_work_tree(repo: Repo) -> None:
    repo.hook()
    repo.stage({"w.bin": PICKLE})
    repo.write("w.bin", WORDS)
    assert not repo.commits()
    assert repo.seen.caught() == ["w.bin"]


def test_good_when_staged_and_bad_in_the_work_tree(repo: Repo) -> None:
    repo.hook()
    repo.stage({"w.bin": WORDS})
    repo.write("w.bin", PICKLE)
    assert repo.commits()
    assert repo.seen.passes


def test_a_card_whose_good_version_is_not_staged(repo: Repo) -> None:
    files = documented("data/a.csv")
    card = "data/a.csv.datacard.yaml"
    repo.stage({**files, card: str(files[card]).replace("Rows for tests", "TODO")})
    repo.write(card, files[card])
    assert repo.check().caught("hollow-data-card") == [card]
    repo.git("add", card)
    assert repo.check().passes


def test_commit_all(repo: Repo) -> None:
    repo.commit({"w.bin": WORDS})
    repo.hook()
    repo.write("w.bin", PICKLE)
    assert not repo.commits("-a")
    assert repo.seen.caught() == ["w.bin"]
    repo.write("w.bin", WORDS + WORDS)
    assert repo.commits("-a")


def test_commit_a_path(repo: Repo) -> None:
    repo.commit({"w.bin": WORDS, "a.txt": WORDS})
    repo.hook()
    repo.write("w.bin", PICKLE)
    assert not repo.commits("w.bin")
    assert repo.seen.caught() == ["w.bin"]


def test_commit_a_path_leaves_what_else_is_staged_alone(repo: Repo) -> None:
    repo.commit({"w.bin": WORDS, "a.txt": WORDS})
    repo.hook()
    repo.stage({"w.bin": PICKLE})
    repo.write("a.txt", WORDS + WORDS)
    assert repo.commits("a.txt")
    assert repo.seen.passes
    assert repo.seen.judged == "staged"


def test_commit_include(repo: Repo) -> None:
    repo.commit({"w.bin": WORDS})
    repo.hook()
    repo.stage({"a.txt": WORDS})
    repo.write("w.bin", PICKLE)
    assert not repo.commits("--include", "w.bin")
    assert repo.seen.caught() == ["w.bin"]


def test_amend_with_content(repo: Repo) -> None:
    repo.commit({"a.txt": WORDS})
    repo.hook()
    repo.stage({"w.bin": PICKLE})
    assert not repo.commits("--amend")
    assert repo.seen.caught() == ["w.bin"]
    repo.stage({"w.bin": WORDS})
    assert repo.commits("--amend")


def test_amend_of_the_message_alone_is_left_to_the_range(repo: Repo) -> None:
    start = repo.git("rev-parse", "HEAD")
    repo.commit({"w.bin": PICKLE})
    repo.hook()
    assert repo.commits("--amend", "-m", "Another message")
    assert repo.seen.judged == "staged"
    assert repo.seen.passes
    assert repo.check("--range", f"{start}...HEAD").caught() == ["w.bin"]


def test_an_empty_commit_is_not_taken_for_the_whole_index(repo: Repo) -> None:
    repo.commit({"w.bin": PICKLE})
    repo.hook()
    assert repo.commits("--allow-empty")
    assert repo.seen.judged == "staged"
    assert repo.seen.passes


# ---------------------------------------------------------------------- what a commit does to a path


def test_rename_of_a_dataset_without_its_card(repo: Repo) -> None:
    repo.commit(documented("data/a.csv"))
    repo.git("mv", "data/a.csv", "data/b.csv")
    verdict = repo.check()
    assert verdict.caught("missing-data-card") == ["data/b.csv"]
    assert verdict.caught("orphan-data-card") == ["data/a.csv.datacard.yaml"]
    repo.git("mv", "data/a.csv.datacard.yaml", "data/b.csv.datacard.yaml")
    assert repo.check().passes


def test_rename_of_a_pickle_brings_it_up(repo: Repo) -> None:
    repo.commit({"w.bin": PICKLE})
    repo.git("mv", "w.bin", "notes.txt")
    assert repo.check().caught() == ["notes.txt"]


def test_configured_renames_change_nothing(repo: Repo) -> None:
    repo.git("config", "diff.renames", "copies")
    repo.commit({"w.bin": PICKLE})
    repo.git("mv", "w.bin", "notes.txt")
    assert repo.check().caught() == ["notes.txt"]


def test_delete(repo: Repo) -> None:
    repo.commit({**documented("data/a.csv"), "w.bin": PICKLE})
    repo.git("rm", "-q", "w.bin")
    assert repo.check("--staged").passes
    repo.git("rm", "-q", "data/a.csv.datacard.yaml")
    assert repo.check().caught("missing-data-card") == ["data/a.csv"]
    repo.git("rm", "-q", "data/a.csv")
    assert repo.check("--staged").passes


def test_delete_of_the_data_leaves_an_orphan(repo: Repo) -> None:
    repo.commit(documented("data/a.csv"))
    repo.git("rm", "-q", "data/a.csv")
    assert repo.check().caught("orphan-data-card") == ["data/a.csv.datacard.yaml"]


def test_copy(repo: Repo) -> None:
    repo.commit({"w.bin": PICKLE, **documented("data/a.csv")})
    repo.stage({"copy.txt": PICKLE, "data/b.csv": ROWS})
    verdict = repo.check()
    assert verdict.caught() == ["copy.txt"]
    assert verdict.caught("missing-data-card") == ["data/b.csv"]


@pytest.mark.parametrize("target", ["../elsewhere.csv", "nowhere", "/dev/zero", "."])
def test_a_symlink_is_no_dataset(repo: Repo, target: str) -> None:
    repo.write("elsewhere.csv", ROWS)
    repo.write("data/.keep", "")
    os.symlink(target, repo.path / "data/a.csv")
    repo.git("add", "data/a.csv")
    verdict = repo.check()
    assert verdict.code == 1
    assert {f["path"] for f in verdict.report["findings"]} == {"data/a.csv"}
    assert "ambiguous-asset-name" in verdict.rules


def test_symlinks_elsewhere_pass(repo: Repo) -> None:
    os.symlink("README.md", repo.path / "link.md")
    os.symlink("w.pkl", repo.path / "dangling.pkl")
    repo.write("w.pkl", PICKLE)
    repo.git("add", "link.md", "dangling.pkl")
    assert repo.check("--staged").passes


def test_a_pickle_in_the_place_of_a_symlink(repo: Repo) -> None:
    os.symlink("README.md", repo.path / "link")
    repo.git("add", "link")
    repo.commit()
    (repo.path / "link").unlink()
    repo.stage({"link": PICKLE})
    assert repo.check().caught() == ["link"]


def test_a_symlink_in_the_place_of_a_dataset(repo: Repo) -> None:
    repo.commit(documented("data/a.csv"))
    (repo.path / "data/a.csv").unlink()
    os.symlink("../README.md", repo.path / "data/a.csv")
    repo.git("add", "data/a.csv")
    assert repo.check().caught("ambiguous-asset-name") == ["data/a.csv"]


@pytest.fixture
def other(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "other")
    made.commit({"rows.csv": ROWS})
    return made


def test_a_submodule_among_data_shows_whatever_is_configured(repo: Repo, other: Repo) -> None:
    repo.git("submodule", "add", "-q", str(other.path), "data/ext")
    repo.git("config", "-f", ".gitmodules", "submodule.data/ext.ignore", "all")
    repo.git("config", "diff.ignoreSubmodules", "all")
    repo.git("config", "submodule.data/ext.ignore", "all")
    repo.git("add", ".gitmodules")
    assert repo.check().caught("missing-data-card") == ["data/ext"]
    assert repo.check("--all").caught("missing-data-card") == ["data/ext"]
    base = repo.git("rev-parse", "HEAD")
    repo.commit()
    assert repo.check("--range", f"{base}...HEAD").caught("missing-data-card") == ["data/ext"]


def test_a_submodule_among_data_has_a_way_out(repo: Repo, other: Repo) -> None:
    repo.git("submodule", "add", "-q", str(other.path), "data/ext")
    (finding,) = repo.check().report["findings"]
    assert finding["fix"] == ["git mv data/ext NEW_NAME"]
    assert "datasets.exclude" in finding["message"]
    repo.git("mv", "data/ext", "ext")
    assert repo.check().passes
    repo.git("mv", "ext", "data/ext")
    repo.stage({".custody/policy.yaml": "version: 1\ndatasets: {exclude: [data/ext]}\n"})
    assert repo.check().passes


def test_a_submodule_inside_a_documented_folder_is_seen_to_move(repo: Repo, other: Repo) -> None:
    first = other.git("rev-parse", "HEAD")
    second = other.commit({"rows.csv": ROWS + ROWS})
    card = str(documented("x")["x.datacard.yaml"])
    repo.stage({"data/set/a.csv": ROWS, "data/set/datacard.yaml": card})
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{first},data/set/ext")
    assert "data/set/ext" in repo.check().caught("ambiguous-asset-name")
    repo.commit()
    repo.write(".gitmodules", '[submodule "x"]\n\tpath = data/set/ext\n\turl = ./x\n\tignore = all\n')
    repo.git("config", "diff.ignoreSubmodules", "all")
    repo.git("update-index", "--cacheinfo", f"160000,{second},data/set/ext")
    verdict = repo.check("--staged")
    assert "data/set/ext" in verdict.caught("ambiguous-asset-name")


def test_a_submodule_elsewhere_passes(repo: Repo, other: Repo) -> None:
    repo.git("submodule", "add", "-q", str(other.path), "third-party")
    assert repo.check().passes


def test_a_submodule_that_becomes_a_pickle(repo: Repo, other: Repo) -> None:
    tip = other.git("rev-parse", "HEAD")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{tip},ext")
    repo.commit()
    repo.git("config", "diff.ignoreSubmodules", "all")
    repo.stage({"ext": PICKLE})
    assert repo.check().caught() == ["ext"]


def test_an_executable_pickle(repo: Repo) -> None:
    repo.stage({"run": PICKLE})
    repo.git("update-index", "--chmod=+x", "run")
    assert repo.check().caught() == ["run"]


def test_intent_to_add_is_not_staged_yet(repo: Repo) -> None:
    repo.hook()
    repo.write("w.bin", PICKLE)
    repo.write("data/a.csv", ROWS)
    repo.git("add", "-N", "w.bin", "data/a.csv")
    for words in (("--staged",), ("--all",), ()):
        assert repo.check(*words).passes
    repo.stage({"a.txt": WORDS})
    assert repo.commits()
    assert not repo.commits("-a")
    assert repo.seen.caught() == ["w.bin"]


def test_untracked_and_ignored_files_are_nobody_s_business(repo: Repo) -> None:
    repo.write("w.bin", PICKLE)
    repo.write("data/a.csv", ROWS)
    repo.stage({"a.txt": WORDS})
    for words in ((), ("--all",), ("--staged",)):
        assert repo.check(*words).passes


def test_what_git_is_told_to_overlook_is_judged(repo: Repo) -> None:
    repo.commit({"one.bin": WORDS, "two.bin": WORDS})
    repo.stage({"one.bin": PICKLE, "two.bin": PICKLE})
    repo.git("update-index", "--assume-unchanged", "one.bin")
    repo.git("update-index", "--skip-worktree", "two.bin")
    assert repo.check().caught() == ["one.bin", "two.bin"]


# ---------------------------------------------------------------------- what is judged, and when


def test_a_dirty_tree_does_not_count_for_the_whole_index(repo: Repo) -> None:
    repo.commit({"good.txt": WORDS, "bad.txt": PICKLE})
    repo.write("good.txt", PICKLE)
    repo.write("bad.txt", WORDS)
    (repo.path / "README.md").unlink()
    for words, env in ((("--all",), {}), ((), {"PRE_COMMIT": "1"})):
        verdict = repo.check(*words, env=env)
        assert (verdict.judged, verdict.caught()) == ("index", ["bad.txt"])


def test_a_runner_s_run_judges_the_whole_index_even_when_something_is_staged(repo: Repo) -> None:
    repo.commit({"old.txt": PICKLE})
    repo.stage({"new.txt": WORDS})
    assert repo.check(env={"PRE_COMMIT": "1"}).caught() == ["old.txt"]
    assert repo.check().caught() == []


def test_by_hand_with_nothing_staged_the_whole_index_is_judged(repo: Repo) -> None:
    repo.commit({"old.txt": PICKLE})
    verdict = repo.check()
    assert (verdict.judged, verdict.caught()) == ("index", ["old.txt"])


def test_paths_by_hand_only_narrow(repo: Repo) -> None:
    repo.stage({"a/w.bin": PICKLE, "b/w.bin": PICKLE})
    assert repo.check("b").caught() == ["b/w.bin"]
    assert repo.check("w.bin", cwd="a").caught() == ["a/w.bin"]
    assert repo.check("../outside").code == 2
    assert repo.check("a/w.bin", "b").caught() == ["a/w.bin", "b/w.bin"]
    assert repo.check("README.md").caught() == []


@pytest.mark.parametrize("words", [("w.bni",), ("b", "c/"), ("--", "--all")])
def test_a_path_by_hand_that_is_not_tracked_is_not_called_fine(repo: Repo, words: tuple[str, ...]) -> None:
    repo.stage({"b/w.bin": PICKLE})
    repo.write("c/new.bin", PICKLE)
    assert "does not track this path" in repo.check(*words).refusal


@pytest.mark.parametrize("stray", ["HEAD", "0" * 40, "nonsense", "--output=x"])
def test_in_a_commit_stray_refs_of_a_runner_do_not_count(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, stray: str
) -> None:
    repo.hook()
    repo.stage({"w.bin": PICKLE})
    monkeypatch.setenv("PRE_COMMIT_FROM_REF", stray)
    monkeypatch.setenv("PRE_COMMIT_TO_REF", stray)
    monkeypatch.setenv("PRE_COMMIT", "1")
    assert not repo.commits()
    assert (repo.seen.judged, repo.seen.caught()) == ("staged", ["w.bin"])


def test_what_was_judged_is_said(repo: Repo) -> None:
    repo.stage({"w.bin": PICKLE})
    assert "(judged: staged changes against HEAD)" in repo.check(text=True).out
    assert "(judged: the whole index)" in repo.check("--all", text=True).out
    start = repo.git("rev-parse", "HEAD")
    repo.commit()
    assert f"(judged: the range {start}...HEAD (" in repo.check("--range", f"{start}...HEAD", text=True).out


def test_five_thousand_files(repo: Repo) -> None:
    for number in range(5_000):
        folder = repo.path / f"src/{number % 50}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_text(f"number {number}\n")
    repo.write("src/7/hidden.txt", PICKLE)
    repo.git("add", "src")
    for words in ((), ("--all",)):
        assert repo.check(*words).caught() == ["src/7/hidden.txt"]
    base = repo.git("rev-parse", "HEAD")
    repo.commit()
    assert repo.check("--range", f"{base}...HEAD").caught() == ["src/7/hidden.txt"]


@pytest.mark.parametrize("words", [("--range", "A...B", "--all"), ("--rnage", "A...B")])
def test_arguments_that_are_not_understood_are_said_in_json_too(repo: Repo, words: tuple[str, ...]) -> None:
    verdict = repo.check(*words)
    assert verdict.code == verdict.report["exit_code"] == 2
    assert verdict.report["errors"][0]["message"]
    assert "usage" in verdict.err
