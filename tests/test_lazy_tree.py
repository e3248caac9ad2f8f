"""A tree that is read folder by folder answers as one that git has listed: `git_custody.core.lazy_tree`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commands import Commands
from conftest import PICKLE, ROWS, Repo, documented
from git_custody.catalog import load_all
from git_custody.core.cache import Cache
from git_custody.core.changes import Request, decide, state_after, tree_of
from git_custody.core.git import Git
from git_custody.core.runner import judge
from git_custody.core.trees import Tree, encode, fold, folders_above

HOOKS = load_all()
_PART = st.sampled_from(
    [
        "a",
        "A",
        "b",
        "data",
        "Data",
        "x.csv",
        "X.csv",
        "datacard.yaml",
        "x.csv.datacard.yaml",
        "README.md",
        "\u00e9",
        "e\u0301",
        "-z",
        "\udcff",
        "c d",
    ]
)
_PATHS = st.sets(st.lists(_PART, min_size=1, max_size=4).map("/".join), max_size=12).map(
    lambda paths: {path for path in paths if not any(other.startswith(path + "/") for other in paths)}
)
_PREFIXES = ("a", "a/", "data/", "data/x", "data/x.csv", "A/b/", "/", "a//", "no/", "-", "\udcff")
_SUFFIXES = (".csv", "README.md", "x.csv.datacard.yaml", "datacard.yaml", "none")


def _git(root: Path, *words: str, data: bytes = b"") -> str:
    return (
        subprocess.run(["git", *words], cwd=root, input=data, capture_output=True, check=True).stdout.decode().strip()
    )


def _index(root: Path, paths: set[str], blobs: list[str]) -> None:
    _git(root, "read-tree", "--empty")
    modes = ("100644", "100755", "120000")
    lines = [
        b"%b %b\t%b\0" % (modes[place % 3].encode(), blobs[place % 2].encode(), encode(path))
        for place, path in enumerate(sorted(paths))
    ]
    _git(root, "update-index", "-z", "--index-info", data=b"".join(lines))


def _same(lazy: Callable[[], Tree], listed: Tree, among: set[str]) -> None:
    """Whether every question has the same answer, each asked of a tree that has read nothing yet."""
    for prefix in _PREFIXES:
        assert list(lazy().below(prefix)) == list(listed.below(prefix))
        assert lazy().files_below(prefix) == listed.files_below(prefix)
    for suffix in _SUFFIXES:
        # In one order, whatever the cache knows: what is judged must not hang on that.
        assert lazy().ending(suffix) == sorted(listed.ending(suffix), key=encode)
    keys = {fold(path) for path in among}
    assert sorted(lazy().alike(keys)) == sorted(listed.alike(keys))
    keys = {fold(folder) for folder in folders_above(among)}
    folders = {folder for folder in lazy().folders_alike(keys) if any(True for _ in listed.below(folder + "/"))}
    assert folders == {*listed.folders_alike(keys)}
    for path in (*among, *(path.rpartition("/")[0] for path in among), *(path + "/y" for path in among), "/a", ""):
        assert lazy().get(path) == listed.get(path)
        assert (path in lazy()) == (path in listed)
    assert dict(lazy()) == dict(listed)
    assert len(lazy()) == len(listed)


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    return Commands(repo, monkeypatch, capfd)


@pytest.fixture
def blobs(repo: Repo) -> list[str]:
    return [_git(repo.path, "hash-object", "-w", "--stdin", data=text) for text in (b"one", b"")]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=_PATHS, after=_PATHS)
def test_it_answers_as_a_listing_does(
    repo: Repo, blobs: list[str], tmp_path_factory: pytest.TempPathFactory, before: set[str], after: set[str]
) -> None:
    _index(repo.path, before, blobs)
    tree = _git(repo.path, "write-tree")
    _git(repo.path, "update-ref", "HEAD", _git(repo.path, "commit-tree", tree, "-m", "Change"))
    _index(repo.path, after, blobs[::-1])
    memory = str(tmp_path_factory.mktemp("cache"))
    for cache in (Cache(memory), Cache(memory)):  # the second with what the first has remembered
        with Git(str(repo.path)) as git:
            change_set = decide(git, Request(staged=True), {})
            _same(partial(state_after, git, cache, change_set), git.entries(None), before | after)
            _same(partial(tree_of, git, cache, tree), git.entries(tree), before | after)
        cache.close()


def _tree_of(repo: Repo, records: bytes) -> str:
    """A tree object, as git would not write it."""
    return _git(repo.path, "hash-object", "-t", "tree", "--literally", "-w", "--stdin", data=records)


@pytest.mark.parametrize(
    "names",
    [[b"data/x.csv"], [b"x", b"x"], [b"x\0" + b"y" * 19]],
    ids=["a slash in a name", "a name twice", "too short"],
)
def test_what_git_would_not_have_written_is_left_to_git(repo: Repo, blobs: list[str], names: list[bytes]) -> None:
    one = bytes.fromhex(blobs[0])
    damaged = b"y" * 19 in names[0]
    records = b"100644 x\0" + one[:19] if damaged else b"".join(b"100644 %b\0%b" % (name, one) for name in names)
    outer = _tree_of(repo, b"40000 in\0" + bytes.fromhex(_tree_of(repo, records)))
    with Git(str(repo.path)) as git:
        asked: list[str] = []

        def whole() -> Tree:
            asked.append("whole")
            return Tree.of({})

        tree = tree_of(git, Cache(None), outer)
        tree._list = whole  # type: ignore[attr-defined]
        assert "in/x" not in tree
        assert asked == ["whole"]


def test_a_blob_in_the_place_of_a_folder_is_left_to_git(repo: Repo, blobs: list[str]) -> None:
    records = b"100644 x\0" + bytes.fromhex(blobs[0])
    blob = _git(repo.path, "hash-object", "-w", "--stdin", data=records)
    outer = _tree_of(repo, b"40000 in\0" + bytes.fromhex(blob))
    with Git(str(repo.path)) as git:
        tree = tree_of(git, Cache(None), outer)
        tree._list = lambda: Tree.of({})  # type: ignore[attr-defined]
        assert "in/x" not in tree


def test_odd_modes_read_as_git_reads_them(repo: Repo, blobs: list[str]) -> None:
    one = bytes.fromhex(blobs[0])
    modes = {"a": b"100664", "b": b"100777", "c": b"120000", "d": b"160000", "e": b"100600"}
    tree = _tree_of(repo, b"".join(b"%b %b\0%b" % (mode, name.encode(), one) for name, mode in modes.items()))
    with Git(str(repo.path)) as git:
        assert {name: tree_of(git, Cache(None), tree)[name] for name in modes} == dict(git.entries(tree))


# ---------------------------------------------------------------------- a commit that touches one dataset


def _edit(custody: Commands) -> None:
    custody.repo.stage({"data/d3.csv": ROWS + "9,new\n"})
    custody.ok("card", "update", "data/d3.csv")


def _edit_without_its_card(custody: Commands) -> None:
    custody.repo.stage({"data/d3.csv": ROWS + "9,new\n"})


def _add(custody: Commands) -> None:
    custody.repo.stage(documented("data/new.csv", ROWS + "9,new\n", id="new"))


def _add_several_without_cards(custody: Commands) -> None:
    custody.repo.stage({"data/new/a.csv": ROWS, "data/new/b.csv": ROWS})


def _rename(custody: Commands) -> None:
    custody.repo.git("mv", "data/d3.csv", "data/D3.csv")
    custody.repo.git("mv", "data/d3.csv.datacard.yaml", "data/D3.csv.datacard.yaml")


def _relicense(custody: Commands) -> None:
    card = (custody.repo.path / "data/d3.csv.datacard.yaml").read_text()
    custody.repo.stage({"data/d3.csv.datacard.yaml": re.sub("(?m)^license: .*$", "license: ODbL-1.0", card)})


def _add_weights(custody: Commands) -> None:
    custody.repo.stage({"m.pt": PICKLE})


def _add_code(custody: Commands) -> None:
    custody.repo.stage({"train.py": "import pandas\npandas.read_csv('data/d3.csv')\n"})


CHANGES = [
    _edit,
    _edit_without_its_card,
    _add,
    _add_several_without_cards,
    _rename,
    _relicense,
    _add_weights,
    _add_code,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_commit_of_one_dataset_never_lists_the_repository(
    custody: Commands, monkeypatch: pytest.MonkeyPatch, change: Callable[[Commands], None]
) -> None:
    repo = custody.repo
    for number in range(5):
        repo.stage(documented(f"data/d{number}.csv", id=f"d{number}"))
    named = "kind: model-card\nversion: 1\ntraining:\n  data:\n  - id: d3\n"
    repo.commit({"README.md": "# Data\n", ".gitattributes": "*.png binary\n", "m.gguf.modelcard.yaml": named})
    change(custody)
    listed: list[str | None] = []
    real = Git.entries

    def entries(git: Git, tree: str | None, paths: Sequence[str] = ()) -> Tree:
        if not paths:
            listed.append(tree)
        return real(git, tree, paths)

    monkeypatch.setattr(Git, "entries", entries)
    for cache in (Cache(None), Cache(str(repo.path.parent / "cache"))):
        with Git(str(repo.path)) as git:
            judge(git, cache, Request(staged=True), HOOKS, HOOKS, {})
    assert listed == []
