"""Names that differ only by case, on a file system that takes no notice of that, with real git and real pre-commit."""

from __future__ import annotations

import os
import pickle
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import case_insensitive
import pytest
import repositories

import test_runners
from commands import LOGGED, TOLD, Commands
from conftest import PICKLE, PLAIN_PICKLE, ROWS, documented
from kept_elsewhere import lfs

clean_environment = repositories.clean_environment
insensitive = case_insensitive.insensitive
source, runner = test_runners.source, test_runners.runner

MORE = ROWS + "20,row 20\n"
REASON = ("--reason", "names as elsewhere")
CARD = "data/rows.csv.datacard.yaml"


class Repo(repositories.Repo):
    """A repository whose file system has forgotten a removed name before the next command."""

    def git(self, *words: str, **options: Any) -> str:
        said = super().git(*words, **options)
        if words[0] in {"mv", "rm"}:
            # Under FUSE, Linux keeps each spelling of a name for a second, whatever becomes of the other spellings:
            # until then the file is there for lstat(2), and cannot be unlinked.
            time.sleep(1.1)
        return said


@pytest.fixture
def place(insensitive: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder of its own there."""
    made = insensitive / tmp_path.name
    yield made
    shutil.rmtree(made)


@pytest.fixture
def repo(place: Path) -> Repo:
    """A repository that wants an audit log, with one documented dataset."""
    made = Repo(place / "repo")
    assert made.git("config", "core.ignorecase") == "true"
    made.commit({".custody/policy.yaml": LOGGED}, "Policy")
    made.stage({"data/rows.csv": ROWS})
    assert made.custody("add", *TOLD, "data/rows.csv").code == 0
    made.commit(message="Rows")
    return made


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    return Commands(repo, monkeypatch, capfd)


def enter(repo: Repo, path: str, content: str | bytes) -> None:
    """Put a file into the index alone: a checkout here cannot hold it beside its twin."""
    data = content.encode() if isinstance(content, str) else content
    oid = repo.git("hash-object", "-w", "--stdin", input=data)
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{oid},{path}")


def everywhere(repo: Repo) -> list[str]:
    """What blocks before the commit, in the whole index and in a range, each rule once."""
    base = repo.git("rev-parse", "HEAD")
    verdicts = [repo.check("--staged"), repo.check("--all")]
    repo.git("commit", "-q", "--no-verify", "--allow-empty", "-m", "Change")
    verdicts.append(repo.check("--range", f"{base}...HEAD"))
    assert all(verdict.report["errors"] == [] for verdict in verdicts)
    return sorted({rule for verdict in verdicts for rule in verdict.rules})


def tracked(repo: Repo) -> list[str]:
    return [path for path in repo.git("ls-files").split("\n") if not path.startswith(".custody/")]


def on_disk(repo: Repo, folder: str = "data") -> list[str]:
    return sorted(os.listdir(repo.path / folder))


# ---------------------------------------------------------------------- the dataset is renamed


def test_the_data_alone_are_renamed(repo: Repo, custody: Commands) -> None:
    repo.git("mv", "data/rows.csv", "data/Rows.csv")
    assert repo.check().rules == ["missing-data-card", "orphan-data-card"]
    custody.ok("add", *REASON, "data/Rows.csv")
    assert tracked(repo) == ["data/Rows.csv", "data/Rows.csv.datacard.yaml"]
    assert on_disk(repo) == ["Rows.csv", "Rows.csv.datacard.yaml"]
    assert custody.ops("rows") == ["create", "rename"]
    assert everywhere(repo) == []


def test_the_data_are_renamed_and_edited(repo: Repo, custody: Commands) -> None:
    repo.git("mv", "data/rows.csv", "data/Rows.csv")
    repo.stage({"data/Rows.csv": MORE})
    (finding, *_) = repo.check().report["findings"]
    assert finding["fix"] == ["git custody card mv --reason REASON data/rows.csv data/Rows.csv"]
    custody.ok("card", "mv", *REASON, "data/rows.csv", "data/Rows.csv")
    assert tracked(repo) == ["data/Rows.csv", "data/Rows.csv.datacard.yaml"]
    assert everywhere(repo) == []


def test_a_rename_that_git_does_not_see_changes_nothing(repo: Repo, custody: Commands) -> None:
    (repo.path / "data/rows.csv").rename(repo.path / "data/Rows.csv")
    repo.git("add", "-A")
    assert tracked(repo) == ["data/rows.csv", CARD]
    assert everywhere(repo) == []
    assert "removed" not in custody.ok("add", "data/Rows.csv")
    assert "removed" not in custody.ok("card", "update", "data/Rows.csv")
    assert on_disk(repo) == ["Rows.csv", "rows.csv.datacard.yaml"]


@pytest.mark.parametrize("old", ["data/rows.csv", "DATA/ROWS.csv"])
def test_data_and_card_are_renamed_together(repo: Repo, custody: Commands, old: str) -> None:
    custody.ok("card", "mv", *REASON, old, "data/Rows.csv")
    assert tracked(repo) == ["data/Rows.csv", "data/Rows.csv.datacard.yaml"]
    assert on_disk(repo) == ["Rows.csv", "Rows.csv.datacard.yaml"]
    assert custody.ops("rows") == ["create", "rename"]
    assert everywhere(repo) == []


def test_a_folder_is_renamed(repo: Repo, custody: Commands) -> None:
    repo.stage({"data/x/a.csv": ROWS, "data/x/b.csv": MORE})
    custody.ok("add", "--as-one", *TOLD, "DATA/x")
    repo.commit()
    custody.ok("card", "mv", *REASON, "data/x", "data/X")
    assert tracked(repo)[:3] == ["data/X/a.csv", "data/X/b.csv", "data/X/datacard.yaml"]
    assert "X" in on_disk(repo)
    assert repo.git("diff", "--name-only") == ""
    assert everywhere(repo) == []


def test_what_moves_into_a_folder_takes_the_spelling_that_git_has_of_it(repo: Repo, custody: Commands) -> None:
    repo.commit({"datasets/x/.gitkeep": ""})
    custody.ok("card", "mv", *REASON, "data/rows.csv", "Datasets/X")
    assert tracked(repo)[1:] == ["datasets/x/rows.csv", "datasets/x/rows.csv.datacard.yaml"]
    assert everywhere(repo) == []


def test_a_target_that_is_there_is_refused_in_any_case(repo: Repo, custody: Commands) -> None:
    repo.commit(documented("data/lines.csv", MORE, id="lines"))
    assert "something is there already" in custody.fails(2, "card", "mv", *REASON, "data/rows.csv", "data/LINES.csv")
    assert "something is there already" in custody.fails(2, "card", "mv", *REASON, "data/rows.csv", "data/rows.csv")


# ---------------------------------------------------------------------- its card is


def test_the_card_alone_is_renamed(repo: Repo, custody: Commands) -> None:
    repo.git("mv", CARD, "data/Rows.csv.datacard.yaml")
    verdict = repo.check()
    assert verdict.rules == ["missing-data-card", "orphan-data-card"]
    for finding in verdict.report["findings"]:
        for fix in finding["fix"]:
            words = fix.replace("REASON", "'names as elsewhere'")
            assert os.system(f"cd '{repo.path}' && {words} > /dev/null") == 0, words
    assert tracked(repo) == ["data/rows.csv", CARD]
    assert on_disk(repo) == ["rows.csv", "rows.csv.datacard.yaml"]
    assert custody.ops("rows") == ["create"]
    assert everywhere(repo) == []


@pytest.mark.parametrize("path", ["data/Rows.csv", "data/rows.csv"])
def test_a_renamed_card_comes_back_and_no_deletion_is_recorded(repo: Repo, custody: Commands, path: str) -> None:
    repo.git("mv", CARD, "data/Rows.csv.datacard.yaml")
    custody.ok("add", *REASON, path)
    assert tracked(repo) == ["data/rows.csv", CARD]
    assert on_disk(repo) == ["rows.csv", "rows.csv.datacard.yaml"]
    assert custody.ops("rows") == ["create"]


def test_a_card_in_capitals_is_renamed_and_not_written_over(repo: Repo, custody: Commands) -> None:
    repo.git("mv", CARD, "data/rows.csv.DataCard.yaml")
    (finding,) = repo.check().report["findings"]
    assert finding["rule"] == "invalid-data-card"
    assert "here this is the same file as" in custody.fails(2, "add", *TOLD, "data/rows.csv")
    repo.git(*finding["fix"][0].split()[1:])
    assert tracked(repo) == ["data/rows.csv", CARD]
    assert everywhere(repo) == []


def test_an_edited_card_is_taken_up_by_another_name(repo: Repo, custody: Commands) -> None:
    card = repo.path / CARD
    card.write_text(card.read_text().replace("CERN", "Another Lab"))
    custody.ok("card", "update", "data/ROWS.csv.datacard.yaml")
    assert custody.card(CARD)["source"]["publisher"] == "Another Lab"
    assert on_disk(repo) == ["rows.csv", "rows.csv.datacard.yaml"]


# ---------------------------------------------------------------------- commands that are told another case


@pytest.mark.parametrize("path", ["data/ROWS.csv", "DATA/rows.csv", "Data", "data/Rows.csv.datacard.yaml"])
def test_an_edit_is_recorded_by_any_name(repo: Repo, custody: Commands, path: str) -> None:
    repo.write("data/rows.csv", MORE)
    repo.git("add", "-A")
    custody.ok("add", *REASON, path)
    assert custody.ops("rows") == ["create", "modify"]
    assert tracked(repo) == ["data/rows.csv", CARD]
    assert everywhere(repo) == []


@pytest.mark.parametrize("path", ["DATA/new.csv", "data/NEW.csv", "Fresh/New.csv", "fresh/new.csv"])
def test_new_data_are_added_as_they_are_spelled_on_the_disk(repo: Repo, custody: Commands, path: str) -> None:
    real = "data/new.csv" if path.lower().startswith("data") else "Fresh/new.csv"
    repo.write(real, MORE)
    custody.ok("add", *TOLD, path)
    assert [name for name in tracked(repo) if "new" in name] == [real, f"{real}.datacard.yaml"]
    assert everywhere(repo) == []


def test_every_verb_finds_the_dataset(repo: Repo, custody: Commands) -> None:
    assert custody("card", "show", "Data/Rows.csv").out.startswith(CARD)
    assert "it has a card" in custody.fails(2, "card", "new", "Data/Rows.csv")
    assert custody("card", "export", "--to", "croissant", "Data/Rows.csv").code == 0
    assert custody("audit", "show", "Data/Rows.csv").out.startswith("rows: 1 entry")
    custody.ok("review", "--kind", "license", "--reviewer", "Ann Lee", "Data/Rows.csv")
    assert custody("scan", "Data/Rows.csv").code == 0
    assert "does not track this path" in custody("check", "--all", "Data/Rows.csv").out
    repo.stage({"data/new.csv": MORE})
    said = custody("waive", "missing-data-card", "data/New.csv", "--reason", "for later", "--expires", "2027-01-15").out
    assert "is waived for data/new.csv" in said


def test_what_is_gone_is_not_guessed_at(repo: Repo, custody: Commands) -> None:
    (repo.path / "data/rows.csv").unlink()
    custody.fails(2, "add", *REASON, "data/ROWS.csv")
    custody.ok("add", *REASON, "data/rows.csv")
    assert tracked(repo) == []


def test_adopt_keeps_the_names_that_git_has(place: Path) -> None:
    made = Repo(place / "old")
    made.commit({"data/rows.csv": ROWS, "data/X/lines.csv": MORE})
    (made.path / "data/rows.csv").rename(made.path / "data/Rows.csv")
    made.stage({".custody/policy.yaml": LOGGED})
    assert made.custody("adopt", "--yes").code == 0
    cards = [path for path in tracked(made) if path.endswith(".datacard.yaml")]
    assert "data/rows.csv.datacard.yaml" in cards
    assert len(cards) == 2


def test_a_model_is_converted_under_its_own_name(repo: Repo, custody: Commands) -> None:
    repo.stage({"models/Encoder.pkl": pickle.dumps({"weights": [1.5]}, 2)})
    verdict = custody("add", "models/encoder.PKL")
    assert verdict.code == 1
    assert "git rm --cached -f models/Encoder.pkl" in verdict.out


# ---------------------------------------------------------------------- two names in the index, one file here


def test_two_datasets(repo: Repo) -> None:
    enter(repo, "data/Rows.csv", MORE)
    assert everywhere(repo) == ["ambiguous-asset-name", "missing-data-card"]
    repo.git("mv", "data/Rows.csv", "data/other.csv")
    assert repo.git("show", ":data/other.csv") == MORE.strip()
    assert repo.git("show", ":data/rows.csv") == ROWS.strip()
    repo.git("checkout", "--", "data")
    assert everywhere(repo) == ["missing-data-card"]


def test_two_cards(repo: Repo) -> None:
    for path, content in documented("data/Rows.csv", MORE, id="other").items():
        enter(repo, path, content)
    assert "ambiguous-asset-name" in everywhere(repo)


def test_one_of_two_is_deleted(repo: Repo, custody: Commands) -> None:
    enter(repo, "data/Rows.csv", MORE)
    repo.commit()
    repo.git("rm", "-q", "-f", "data/Rows.csv")
    assert on_disk(repo) == ["rows.csv.datacard.yaml"]
    assert everywhere(repo) == []
    repo.git("checkout", "--", "data")
    custody.ok("add", "data/rows.csv")


@pytest.mark.parametrize("bad", ["models/encoder.PKL", "models/encoder.pkl"])
def test_two_models(repo: Repo, bad: str) -> None:
    (good,) = {"models/encoder.PKL", "models/encoder.pkl"} - {bad}
    enter(repo, good, b"not a model\n")
    enter(repo, bad, PICKLE)
    repo.git("checkout", "-f", "--", "models")
    verdict = repo.check()
    assert verdict.caught() == [bad]
    (fix,) = verdict.report["findings"][0]["fix"]
    repo.git(*fix.split()[1:])
    assert "pickle-weights" not in everywhere(repo)
    assert good in tracked(repo)


def test_a_large_file_is_not_taken_for_its_twin(repo: Repo) -> None:
    """Large files may be read from the work tree, where git vouches for them."""
    size = 5 * 1024 * 1024
    bad = PICKLE.ljust(size, b"\0")
    enter(repo, "models/Encoder.bin", bad)
    enter(repo, "models/encoder.bin", bytes(size))
    repo.git("checkout", "-f", "--", "models/Encoder.bin")
    repo.git("checkout", "-f", "--", "models/encoder.bin")
    repo.git("update-index", "-q", "--refresh", check=False)
    assert repo.check().caught() == ["models/Encoder.bin"]


def test_a_model_is_renamed(repo: Repo) -> None:
    repo.commit({"models/encoder.pkl": PLAIN_PICKLE})
    repo.git("mv", "models/encoder.pkl", "models/encoder.PKL")
    assert everywhere(repo) == ["pickle-weights"]


def test_a_pointer_is_judged_by_its_own_name(repo: Repo, custody: Commands) -> None:
    repo.commit({".gitattributes": "*.CSV filter=lfs diff=lfs merge=lfs -text\n"})
    enter(repo, "data/lines.csv", lfs(repo, MORE.encode()))
    assert "missing-data-card" in everywhere(repo)


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize("path", [".custody/Policy.yaml", ".Custody/policy.yaml"])
def test_the_policy_is_renamed(repo: Repo, path: str) -> None:
    enter(repo, path, LOGGED)
    repo.git("update-index", "--force-remove", ".custody/policy.yaml")
    verdict = repo.check()
    assert verdict.rules == ["invalid-policy"]
    (fix,) = (finding["fix"][0] for finding in verdict.report["findings"] if finding["rule"] == "invalid-policy")
    repo.git(*fix.split()[1:])
    assert everywhere(repo) == []
    assert os.listdir(repo.path / ".custody").count("policy.yaml") == 1


@pytest.mark.parametrize(
    "path", [".custody/Waivers/old.yaml", ".Custody/waivers/old.yaml", ".custody/AUDIT/rows/a.json"]
)
def test_what_nothing_reads_is_said(repo: Repo, path: str) -> None:
    repo.write(path, "version: 1\n")
    enter(repo, path, "version: 1\n")
    (finding,) = repo.check().report["findings"]
    assert (finding["rule"], finding["path"]) == ("invalid-policy", path)
    for fix in finding["fix"]:
        assert os.system(f"cd '{repo.path}' && {fix}") == 0, fix
    assert path not in repo.git("ls-files").split("\n")
    assert finding["message"].rpartition(" ")[2] in repo.git("ls-files").split("\n")


def test_attributes_in_capitals(repo: Repo) -> None:
    repo.stage({".GITATTRIBUTES": "*.csv working-tree-encoding=UTF-16\n"})
    (finding,) = repo.check().report["findings"]
    assert (finding["rule"], finding["path"]) == ("asset-attributes", ".GITATTRIBUTES")
    repo.git(*finding["fix"][0].split()[1:])
    assert repo.check("--all").caught("asset-attributes") == ["data/rows.csv"]


def test_a_folder_in_capitals(repo: Repo) -> None:
    enter(repo, "DATA/other.csv", MORE)
    repo.git("checkout", "-f", "--", "DATA")
    assert sorted(on_disk(repo)) == ["other.csv", "rows.csv", "rows.csv.datacard.yaml"]
    (finding,) = repo.check("--all").report["findings"]
    assert (finding["rule"], finding["path"]) == ("ambiguous-asset-name", "DATA/other.csv")
    repo.git(*finding["fix"][0].split()[1:])
    assert everywhere(repo) == ["missing-data-card"]


def test_globs_of_the_policy_and_waivers_keep_their_case(repo: Repo) -> None:
    policy = LOGGED + 'datasets: {exclude: ["Data/**"]}\n'
    repo.commit({".custody/policy.yaml": policy})
    repo.stage({"data/other.csv": MORE})
    waiver = (
        "version: 1\nrule: missing-data-card\npath: data/Other.csv\nreason: later\nowner: A\nexpires: '2027-01-15'\n"
    )
    repo.stage({".custody/waivers/other.yaml": waiver})
    assert "missing-data-card" in repo.check().rules


# ---------------------------------------------------------------------- real commits


@pytest.fixture
def scratch(
    runner: test_runners.Runner, place: Path, monkeypatch: pytest.MonkeyPatch
) -> test_runners.Scratch:  # fmt: skip
    """A repository here whose commits a runner judges."""
    for name, value in test_runners.homes(runner).items():
        monkeypatch.setenv(name, value)
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if not test_runners.has_custody(folder)]
    monkeypatch.setenv("PATH", os.pathsep.join(folders))
    made = test_runners.Scratch(place / "repo")
    made.runner = runner
    made.commit({".custody/policy.yaml": test_runners.POLICY}, "Policy")
    made.use("custody")
    made.stage({"data/rows.csv": ROWS})
    made.mend(made.blocked("git commit -m Rows", "missing-data-card"))
    made.passes("git commit -m Rows")
    return made


def _data_renamed(repo: Repo) -> None:
    repo.git("mv", "data/rows.csv", "data/Rows.csv")


def _card_renamed(repo: Repo) -> None:
    repo.git("mv", CARD, "data/Rows.csv.datacard.yaml")


def _card_misnamed(repo: Repo) -> None:
    repo.git("mv", CARD, "data/rows.csv.DataCard.yaml")


def _both_renamed(repo: Repo) -> None:
    _data_renamed(repo)
    _card_renamed(repo)


def _renamed_and_edited(repo: Repo) -> None:
    _data_renamed(repo)
    repo.stage({"data/Rows.csv": MORE})


def _edited_by_another_name(repo: Repo) -> None:
    (repo.path / "data/rows.csv").rename(repo.path / "data/ROWS.csv")
    repo.write("data/ROWS.csv", MORE)
    repo.git("add", "-A")


def _policy_renamed(repo: Repo) -> None:
    repo.git("mv", ".custody/policy.yaml", ".custody/Policy.yaml")


@pytest.mark.runners
@pytest.mark.parametrize("runner", ["pre-commit"], indirect=True)
@pytest.mark.parametrize(
    "act",
    [
        _data_renamed, _card_renamed, _card_misnamed, _both_renamed, _renamed_and_edited, _edited_by_another_name,
        _policy_renamed,
    ],
)  # fmt: skip
def test_a_commit_is_blocked_and_the_printed_fixes_mend_it(
    scratch: test_runners.Scratch, act: Callable[[Repo], None]
) -> None:
    act(scratch)
    scratch.mend(scratch.blocked("git commit -m Change"))
    scratch.passes("git commit --allow-empty -m Change")  # a fix may be to take the change back
    assert scratch.git("status", "--short") == ""
    assert scratch.check("--all").passes
