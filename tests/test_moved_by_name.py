"""Datasets that DVC and git-annex keep, moved by them so that git sees another file: the card follows."""

from __future__ import annotations

import pytest

from commands import Commands
from conftest import Repo
from kept_elsewhere import annex_link, annex_pointer, dvc, key, lfs, stage_link

ROWS, OTHER = b"a,b\n1,2\n", b"a,b\n3,4\n"
# What was read of a store is closed when nobody has it any more.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
TOLD = ("--title", "Opening hours", "--source-kind", "original", "--publisher", "Example Lab", "--license", "CC0-1.0")


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    repo.commit({".custody/policy.yaml": "version: 1\ndatasets: {include: [data/**]}\n"})
    return Commands(repo, monkeypatch, capfd)


def put(repo: Repo, keeper: str, path: str, data: bytes) -> None:
    if keeper == "DVC":
        repo.stage({path: dvc(repo, path.removesuffix(".dvc"), data)})
    elif keeper == "git-annex":
        annex_pointer(repo, key(data), data)
        stage_link(repo, path, annex_link(path, key(data)))
    else:
        repo.stage({path: lfs(repo, data) if keeper == "Git LFS" else data})


def fixes(custody: Commands, *rules: str) -> list[str]:
    return sorted(
        line for f in custody.repo.check().report["findings"] if f["rule"] in rules for line in f.get("fix", ())
    )


@pytest.mark.parametrize(
    ("keeper", "old", "new"),
    [
        ("DVC", "data/x.csv.dvc", "data/y.csv.dvc"),
        ("git-annex", "data/x.csv", "data/sub/x.csv"),
        ("Git LFS", "data/x.csv", "data/y.csv"),
        ("git", "data/x.csv", "data/y.csv"),
    ],
)
def test_the_card_follows_the_content(repo: Repo, custody: Commands, keeper: str, old: str, new: str) -> None:
    put(repo, keeper, old, ROWS)
    custody.ok("add", *TOLD, old)
    card = custody.card("data/x.csv.datacard.yaml")
    repo.commit(message="Data")
    repo.git("rm", "-q", old)
    put(repo, keeper, new, ROWS)
    put(repo, keeper, new.replace("y.csv", "z.csv").replace("sub/", "sub/z"), OTHER)  # new, and of nobody's card
    told = [fix for fix in fixes(custody, "missing-data-card", "orphan-data-card") if "TITLE" not in fix]
    assert set(told) == {f"git custody add {new}"}
    assert custody("add", new).code == 0
    assert custody.card(f"{new.removesuffix('.dvc')}.datacard.yaml") == card
    assert fixes(custody, "orphan-data-card") == []


def test_several_that_were_moved_go_with_their_folder(repo: Repo, custody: Commands) -> None:
    for name, rows in (("a", ROWS), ("b", OTHER)):
        put(repo, "DVC", f"data/{name}.csv.dvc", rows)
        custody.ok("add", *TOLD, f"data/{name}.csv.dvc")
    repo.commit(message="Data")
    for name, rows in (("a", ROWS), ("b", OTHER)):
        repo.git("rm", "-q", f"data/{name}.csv.dvc")
        put(repo, "DVC", f"data/new-{name}.csv.dvc", rows)
    custody.ok("add", "data")
    assert [custody.card(f"data/new-{name}.csv.datacard.yaml")["id"] for name in "ab"] == ["data-a", "data-b"]
    assert fixes(custody, "missing-data-card", "orphan-data-card") == []
