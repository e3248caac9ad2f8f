"""check-dataset-integrity against real repositories: who owns datasets and what guards them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from conftest import ROWS, Repo, documented

POLICY = "version: 1\nlevel: 2\n"
OWNED = "/data/ @example/stewards\n/.custody/ @example/stewards\n/.github/ @example/stewards\n"
RULE = "unprotected-dataset"
SOON = str(date.today() + timedelta(days=30))


@pytest.fixture
def owned(repo: Repo) -> Repo:
    """A repository of level 2 with a dataset, all of it owned on GitHub."""
    files = {**documented("data/rows.csv"), ".custody/policy.yaml": POLICY, ".github/CODEOWNERS": OWNED}
    repo.commit(files)
    return repo


def said(repo: Repo, *words: str) -> dict[str, str]:
    """path → what is said of it"""
    report = repo.check(*words).report
    assert report["errors"] == []
    return {f["path"]: f"{f['message']} {f.get('found')}" for f in report["findings"] if f["rule"] == RULE}


def test_owned_datasets_pass_in_every_mode(owned: Repo) -> None:
    assert said(owned, "--all") == {}
    owned.git("branch", "base")
    owned.commit({"data/more.csv": ROWS})
    assert said(owned, "--range", "base...HEAD") == {}
    owned.stage(documented("data/other.csv", id="others", title="Others"))
    assert said(owned) == {}


def test_level_1_asks_for_no_owner(repo: Repo) -> None:
    repo.commit({**documented("data/rows.csv"), ".custody/policy.yaml": "version: 1\n"})
    assert said(repo, "--all") == {}


def test_without_a_file_one_finding_says_what_to_write(repo: Repo) -> None:
    files = {**documented("data/rows.csv"), **documented("data/more.csv", id="more", title="More rows")}
    repo.commit({**files, ".custody/policy.yaml": POLICY})
    found = said(repo, "--all")
    assert list(found) == [".custody/policy.yaml"]
    assert "/data/ @OWNER; /.custody/ @OWNER; /.github/CODEOWNERS @OWNER" in found[".custody/policy.yaml"]
    repo.commit({".gitlab-ci.yml": "a: {script: b}\n"})
    assert "in .gitlab/CODEOWNERS, with" in said(repo, "--all")[".custody/policy.yaml"]


@pytest.mark.parametrize(
    ("paths", "lines"),
    [
        (["data/a.csv", "sets/b.csv", "more/c.csv", "other/d.csv"], 6),
        (["data/a.csv", *(f"sets/{n}/b.csv" for n in range(9))], 4),
        ([f"top{n}/b.csv" for n in range(9)], 2),
    ],
)
def test_all_lines_that_are_missing_are_proposed(repo: Repo, paths: list[str], lines: int) -> None:
    for number, path in enumerate(paths):
        repo.stage(documented(path, ROWS * 500, id=f"rows-{number}", title=f"Rows, part {number}"))
    repo.stage({".custody/policy.yaml": POLICY})
    for words in ((), ("--all",)):
        found = said(repo, *words)[".custody/policy.yaml"]
        proposed = found.rpartition("with your owner: ")[2].split("; ")
        assert len(proposed) == lines
        repo.stage({".github/CODEOWNERS": "\n".join(proposed).replace("@OWNER", "@example/stewards") + "\n"})
        assert said(repo, "--all") == {}
        repo.git("rm", "-q", "-f", ".github/CODEOWNERS")


def test_lines_that_are_proposed_do(repo: Repo) -> None:
    files = {**documented("data/my rows.csv"), **documented("sets/x[1]/a.csv", ROWS * 500, id="more")}
    repo.commit({**files, ".custody/policy.yaml": POLICY, ".github/CODEOWNERS": "/src/ @a\n"})
    found = said(repo, "--all")
    assert set(found) == {"data/my rows.csv", "sets/x[1]/a.csv", ".custody", ".github/CODEOWNERS"}
    lines = [text.rpartition("owner: ")[2] for text in found.values()]
    assert "/data/my\\ rows.csv* @OWNER" in lines
    repo.commit({".github/CODEOWNERS": "\n".join(lines).replace("@OWNER", "@example/stewards") + "\n"})
    assert said(repo, "--all") == {}


@pytest.mark.parametrize(
    ("lines", "path", "words"),
    [
        ("* @a\n/data/\n", "data/rows.csv", "line 2 fits it, and names nobody"),
        ("* @a\n/data/ somebody\n", "data/rows.csv", 'line 2 fits it, and "somebody" is no @user'),
        ("* @a\n*.yaml\n", ".custody", "line 2"),
        ("* @a\n*.datacard.yaml\n", "data/rows.csv", "data/rows.csv.datacard.yaml"),
        ("* @a\n/.github/\n", ".github/CODEOWNERS", "line 2"),
    ],
)
def test_who_frees_a_path_is_named(owned: Repo, lines: str, path: str, words: str) -> None:
    owned.stage({".github/CODEOWNERS": lines})
    found = said(owned)  # what a commit that only touches CODEOWNERS lays open
    assert words in found[path]


def test_a_commit_is_asked_about_what_it_touches_alone(owned: Repo) -> None:
    owned.commit({**documented("sets/a.csv", ROWS * 500, id="sets-a", title="A")})
    assert list(said(owned, "--all")) == ["sets/a.csv"]
    owned.stage(documented("sets/b.csv", ROWS * 600, id="sets-b", title="B"))
    assert list(said(owned)) == ["sets/b.csv"]
    owned.git("reset", "-q")
    owned.stage({".custody/waivers/new.yaml": "version: 1\n"})
    assert said(owned) == {}


def test_every_file_of_a_folder_has_to_be_owned(owned: Repo) -> None:
    folder = {f"data/big/{n % 3}/{n}.csv": ROWS for n in range(12)}
    owned.stage({**folder, "data/big/x.parquet": "x"})
    owned.stage({".github/CODEOWNERS": OWNED + "/data/big/2/\n"})
    owned.custody("add", "--as-one", "--title", "Big rows", "--source-kind", "original", "--publisher", "Lab",
                  "--license", "CC0-1.0", "data/big")  # fmt: skip
    found = said(owned)
    assert list(found) == ["data/big"]
    assert "data/big/2/11.csv, nor 3 more of 14 paths of it" in found["data/big"]
    assert "/data/big/ @OWNER" in found["data/big"]


def test_both_forges_are_judged_where_both_have_a_file(owned: Repo) -> None:
    owned.commit({".gitlab/CODEOWNERS": "[Data] @stewards\n/data/\n/.custody/\n/.gitlab/\n"})
    assert said(owned, "--all") == {}
    owned.stage({".gitlab/CODEOWNERS": "[Data] @stewards\n/data\n/.custody/\n/.gitlab/\n"})
    found = said(owned)
    assert list(found) == ["data/rows.csv"]
    assert "as GitLab reads it" in found["data/rows.csv"]


def test_a_file_in_the_root_is_read_as_its_forge_does(repo: Repo) -> None:
    sections = "^[Data] @stewards\n*\n"
    repo.commit({**documented("data/rows.csv"), ".custody/policy.yaml": POLICY, "CODEOWNERS": sections})
    assert "its section is optional" in said(repo, "--all")["data/rows.csv"]
    repo.commit({"CODEOWNERS": "* @a\n/data @b\n!/data/rows.csv\n"})
    assert said(repo, "--all") == {}  # GitHub passes over the last line
    repo.commit({".gitlab-ci.yml": "a: {script: b}\n"})
    assert "takes it out" in said(repo, "--all")["data/rows.csv"]


def test_files_that_no_forge_loads_own_nothing(owned: Repo) -> None:
    owned.stage({".github/CODEOWNERS": OWNED + "# padding\n" * 300_000})
    assert "GitHub loads none of" in said(owned)[".github/CODEOWNERS"]
    owned.stage({".github/CODEOWNERS": "*\n" * 100_002})
    assert "more than 100000 lines" in owned.check().refusal
    owned.git("rm", "-q", "-f", ".github/CODEOWNERS")
    assert "there is no CODEOWNERS" in said(owned)[".custody/policy.yaml"]


def test_names_from_strangers(owned: Repo) -> None:
    odd = "data/a\u202eb#!.csv"
    owned.stage(documented(odd, id="odd", title="Odd"))
    assert said(owned) == {}
    owned.stage({".github/CODEOWNERS": OWNED.replace("/data/", "/data/*.md")})
    assert "/data/ @OWNER" in "".join(said(owned).values())


@pytest.mark.parametrize("lines", [None, "/data/ @a\n/.github/ @a\n", "/.custody/ @a\n/.github/ @a\n"])
def test_whoever_has_another_server_can_waive_it(owned: Repo, lines: str | None) -> None:
    if lines is None:
        owned.git("rm", "-q", ".github/CODEOWNERS")
    else:
        owned.stage({".github/CODEOWNERS": lines})
    ((path, _),) = said(owned, "--all").items()
    words = ("--reason", "our server has rules of its own for this", "--owner", "Ada", "--expires", SOON)
    waived = owned.custody("waive", RULE, path, *words)
    assert waived.code == 0, waived
    assert RULE not in owned.check("--all").rules
