"""Names that differ only by case or Unicode form, on a file system that keeps them apart: what is in the index, and what
git does where it is told that the file system does not. tests/real/test_case_insensitive.py has a real one.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import pytest

from commands import LOGGED, TOLD, Commands
from conftest import ROWS, Repo, documented
from git_custody.core.spelling import as_tracked, is_same, tracked_twins
from git_custody.core.trees import Entry, Tree

MORE = ROWS + "20,row 20\n"
COMPOSED, DECOMPOSED = "data/caf\u00e9", "data/cafe\u0301"


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    return Commands(repo, monkeypatch, capfd)


def tree(*paths: str) -> Tree:
    return Tree.of({path: Entry(0o100644, "0" * 40) for path in paths})


def enter(repo: Repo, files: Mapping[str, str | bytes]) -> None:
    """Put files into the index alone, as a checkout that cannot hold them has them."""
    for path, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        oid = repo.git("hash-object", "-w", "--stdin", input=data)
        repo.git("update-index", "--add", "--cacheinfo", f"100644,{oid},{path}")


# ---------------------------------------------------------------------- folders


@pytest.mark.parametrize(
    ("folder", "twin"), [("data", "DATA"), ("data/x", "data/X"), ("data/x", "Data/x"), (COMPOSED, DECOMPOSED)]
)
def test_a_folder_that_is_one_with_that_of_an_asset(repo: Repo, folder: str, twin: str) -> None:
    base = repo.commit(documented(f"{folder}/rows.csv"))
    assert repo.check("--all").passes
    enter(repo, documented(f"{twin}/other.csv", MORE, id="other"))
    for how in ("--staged", "--all"):
        (finding,) = repo.check(how).report["findings"]
        assert (finding["rule"], finding["path"]) == ("ambiguous-asset-name", f"{twin}/other.csv")
        renamed = ["git", "mv", f"{twin}/other.csv", f"{folder}/other.csv"]
        assert [shlex.split(fix) for fix in finding["fix"]] == [renamed]
    repo.git("commit", "-q", "--no-verify", "-m", "Twin")
    assert repo.check("--range", f"{base}...HEAD").caught("ambiguous-asset-name") == [f"{twin}/other.csv"]


def test_folders_without_an_asset_are_let_be(repo: Repo) -> None:
    enter(repo, {"src/a.py": "", "Src/b.py": "", "docs/x.md": "", "Docs/y.md": ""})
    assert repo.check("--all").passes


def test_an_old_twin_is_not_held_against_a_range(repo: Repo) -> None:
    enter(repo, {**documented("data/rows.csv"), "Data/notes.md": "x\n"})
    base = repo.commit()
    repo.commit({"README.md": "Another text.\n"})
    assert repo.check("--range", f"{base}...HEAD").passes
    assert repo.check("--all").rules == ["ambiguous-asset-name"]


# ---------------------------------------------------------------------- files that are read by their names


@pytest.mark.parametrize("path", [".GITATTRIBUTES", "data/.gitAttributes"])
@pytest.mark.parametrize("beside", [False, True])
def test_attributes_in_another_case(repo: Repo, path: str, beside: bool) -> None:
    repo.commit(documented("data/rows.csv"))
    proper = path.lower()
    if beside:
        repo.commit({proper: "*.md text\n"})
    repo.stage({path: "*.csv working-tree-encoding=UTF-16\n"})
    for words in ((), ("--all",)):
        (finding,) = repo.check(*words).report["findings"]
        assert (finding["rule"], finding["path"]) == ("asset-attributes", path)
        assert finding["fix"] == [f"git rm --cached -f {path}" if beside else f"git mv {path} {proper}"]


def test_attributes_in_another_case_where_no_asset_is(repo: Repo) -> None:
    repo.commit(documented("data/rows.csv"))
    repo.stage({"src/.GITATTRIBUTES": "*.py ident\n"})
    assert repo.check().passes
    assert repo.check("--all").passes


@pytest.mark.parametrize(
    ("path", "proper"),
    [
        (".custody/Waivers/old.yaml", ".custody/waivers/old.yaml"),
        (".Custody/waivers/old.yaml", ".custody/waivers/old.yaml"),
        (".CUSTODY/Allowed_Signers", ".custody/allowed_signers"),
        (".custody/AUDIT/rows/a.json", ".custody/audit/rows/a.json"),
        (".Custody/policy.yaml", ".custody/policy.yaml"),
        (".Custody/notes.txt", ".custody/notes.txt"),
    ],
)
def test_settings_in_another_case(repo: Repo, path: str, proper: str) -> None:
    text = LOGGED if path.endswith("policy.yaml") else "x\n"
    base = repo.git("rev-parse", "HEAD")
    repo.stage({path: text})
    (finding,) = [found for found in repo.check().report["findings"] if found["path"] == path]
    assert finding["rule"] == "invalid-policy"
    assert finding["message"].endswith(f"has to be named {proper}")
    assert path in repo.check("--all").caught("invalid-policy")
    repo.commit()
    assert path in repo.check("--range", f"{base}...HEAD").caught("invalid-policy")
    for fix in finding["fix"]:
        program, *words = fix.split()
        if program == "mkdir":
            (repo.path / words[-1]).mkdir(parents=True)
        else:
            repo.git(*words)
    assert repo.git("ls-files", proper) == proper
    assert path not in repo.git("ls-files").splitlines()


def test_no_rename_is_told_where_the_proper_name_is_taken(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": LOGGED})
    enter(repo, {".Custody/policy.yaml": "version: 1\nlevel: 1\n"})
    (finding,) = repo.check().report["findings"]
    assert finding["fix"] == ["git rm --cached -f .Custody/policy.yaml"]


# ---------------------------------------------------------------------- a file system that keeps them apart


def test_here_no_name_stands_for_another(repo: Repo) -> None:
    root = str(repo.path)
    repo.stage({"data/rows.csv": ROWS, "data/Rows.csv": MORE, f"{COMPOSED}/a.csv": ROWS})
    names = tree("data/rows.csv", f"{COMPOSED}/a.csv")
    if not (repo.path / "DATA").exists():
        for path in ("data/Rows.csv", "DATA/rows.csv", "DATA", "", f"{DECOMPOSED}/a.csv", "no/such.csv"):
            assert as_tracked(root, path, names) == path
        assert not is_same(root, "data/rows.csv", "data/Rows.csv")
        assert tracked_twins(root, ["data/Rows.csv"], names) == {}
    assert as_tracked(root, "data/rows.csv", names) == "data/rows.csv"


@pytest.mark.parametrize("ignore", ["true", "false"])
def test_what_git_is_told_of_the_file_system_changes_no_verdict(repo: Repo, ignore: str) -> None:
    repo.git("config", "core.ignorecase", ignore)
    repo.commit(documented("data/rows.csv"))
    enter(repo, documented("data/Rows.csv", MORE, id="other"))
    assert repo.check("--all").caught("ambiguous-asset-name") == [
        "data/Rows.csv", "data/Rows.csv.datacard.yaml", "data/rows.csv", "data/rows.csv.datacard.yaml",
    ]  # fmt: skip


@pytest.mark.parametrize("ignore", ["true", "false"])
def test_patterns_of_attributes_mean_the_same_everywhere(repo: Repo, ignore: str) -> None:
    repo.commit({".gitattributes": "*.CSV working-tree-encoding=UTF-16\n", **documented("data/rows.csv")})
    repo.git("config", "core.ignorecase", ignore)
    assert "asset-attributes" not in repo.check("--all").rules


def test_two_files_that_git_takes_for_one_pass_by_no_name(repo: Repo, custody: Commands) -> None:
    repo.git("config", "core.ignorecase", "true")
    repo.stage({"data/rows.csv": ROWS})
    custody.ok("add", *TOLD, "data/rows.csv")
    repo.commit()
    repo.write("data/Rows.csv", MORE)
    custody("add", *TOLD, "--reason", "more rows came", "data/Rows.csv")
    repo.git("commit", "-q", "--no-verify", "--allow-empty", "-m", "Change")
    held = repo.git("show", "HEAD:data/rows.csv")
    verdict = repo.check("--all")
    assert verdict.code == (0 if held == ROWS.strip() and verdict.passes else 1)
