"""Large files: read from the work tree only where git vouches that it has what is staged, else unpacked by git once."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from datetime import date, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from conftest import PICKLE, Repo
from git_custody.catalog import load, load_all
from git_custody.core.cache import Cache
from git_custody.core.changes import Request
from git_custody.core.findings import CannotJudge
from git_custody.core.git import Git
from git_custody.core.runner import judge
from git_custody.core.trees import IN_MEMORY

SAFE = bytes(IN_MEMORY + 1000)
ODD = "-odd\n\udcff.bin"
EVIL = PICKLE + SAFE[len(PICKLE) :]


def vouched(repo: Repo) -> set[str]:
    with Git(str(repo.path)) as git:
        staged = git.entries(None)
        copies = git.large_copies(staged.items())
        for path, seen in copies.items():
            file = git.open_copy(path, seen)
            assert file is not None
            with file:
                assert file.read() == git.run("cat-file", "blob", staged[path].oid)
        return set(copies)


def overwrite(path: Path, data: bytes) -> None:
    """Other bytes of the same size and time."""
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def staged(repo: Repo) -> Repo:
    repo.stage({"model.bin": SAFE, "small.bin": b"x", ODD: EVIL})
    return repo


def test_what_is_as_it_was_staged_is_read_from_the_work_tree(staged: Repo) -> None:
    assert vouched(staged) == {"model.bin", ODD}
    assert staged.check().caught("pickle-weights") == ["-odd\\n\\xff.bin"]


def test_a_change_that_keeps_size_and_time_is_seen(staged: Repo) -> None:
    overwrite(staged.path / "model.bin", EVIL)
    assert "model.bin" not in vouched(staged)
    assert "model.bin" not in staged.check().caught("pickle-weights")


@pytest.mark.parametrize("setting", ["core.trustctime=false", "core.checkStat=minimal", "core.ignoreStat=true"])
def test_settings_do_not_silence_git(repo: Repo, setting: str) -> None:
    repo.git("config", *setting.split("="))
    repo.stage({"model.bin": EVIL})
    overwrite(repo.path / "model.bin", SAFE)
    assert vouched(repo) == set()
    assert repo.check().caught("pickle-weights") == ["model.bin"]


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_flags_in_the_index_do_not_silence_git(repo: Repo, flag: str) -> None:
    repo.stage({"model.bin": EVIL})
    repo.git("update-index", flag, "model.bin")
    assert vouched(repo) == set()
    (repo.path / "model.bin").write_bytes(SAFE)
    assert repo.check().caught("pickle-weights") == ["model.bin"]


@pytest.mark.parametrize("where", ["of the tree", "of the repository", "of the user"])
@pytest.mark.parametrize("attribute", ["filter=swap", "ident", "working-tree-encoding=IBM037"])
def test_what_git_converts_is_read_from_its_objects(repo: Repo, where: str, attribute: str) -> None:
    repo.git("config", "filter.swap.clean", "tr a-z b-za")
    files = {
        "of the tree": ".gitattributes",
        "of the repository": ".git/info/attributes",
        "of the user": "../attributes",
    }
    repo.write(files[where], f"*.bin {attribute}\n")
    repo.git("config", "core.attributesFile", str(repo.path.parent / "attributes"))
    repo.stage({"model.bin": b"abc\n" * (IN_MEMORY // 3), "other.txt": b"abc\n" * (IN_MEMORY // 3)})
    assert vouched(repo) == {"other.txt"}


def test_line_ends_are_told_by_the_size(repo: Repo) -> None:
    repo.write(".gitattributes", "*.csv text\n")
    repo.stage({"a.csv": b"a\r\n" * (IN_MEMORY // 2), "b.csv": b"a\n" * (IN_MEMORY // 2 + 1)})
    assert vouched(repo) == {"b.csv"}


def test_links_are_not_followed(repo: Repo) -> None:
    repo.stage({"folder/model.bin": EVIL, "model.bin": EVIL})
    (repo.path / "folder").rename(repo.path / "elsewhere")
    (repo.path / "folder").symlink_to("elsewhere")
    (repo.path / "model.bin").rename(repo.path / "moved")
    (repo.path / "model.bin").symlink_to("moved")
    assert vouched(repo) == set()


def test_a_file_that_is_exchanged_meanwhile_is_not_read(repo: Repo) -> None:
    repo.stage({"model.bin": EVIL})
    with Git(str(repo.path)) as git:
        (seen,) = git.large_copies(git.entries(None).items()).values()
        overwrite(repo.path / "model.bin", SAFE)
        assert git.open_copy("model.bin", seen) is None
        (repo.path / "model.bin").unlink()
        assert git.open_copy("model.bin", seen) is None


def test_ranges_and_the_whole_index_are_read_from_objects(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    base = repo.commit({"README.md": "x"})
    repo.commit({"model.bin": EVIL})
    hook = (load("forbid-pickle-weights"),)
    opened: list[str] = []
    open_copy = Git.open_copy

    def noted(git: Git, path: str, seen: os.stat_result) -> BinaryIO | None:
        opened.append(path)
        return open_copy(git, path, seen)

    monkeypatch.setattr(Git, "open_copy", noted)
    for request in (Request(all=True), Request(range=f"{base}...HEAD")):
        with Git(str(repo.path)) as git:
            report = judge(git, Cache(None), request, load_all(), hook, {})
        assert [(found.rule.name, found.path) for found in report.findings] == [("pickle-weights", "model.bin")]
        assert not opened
    repo.git("reset", "-q", "--soft", base)
    with Git(str(repo.path)) as git:
        report = judge(git, Cache(None), Request(staged=True), load_all(), hook, {})
    assert [(found.rule.name, found.path) for found in report.findings] == [("pickle-weights", "model.bin")]
    assert opened == ["model.bin"]


def test_a_waiver_of_a_large_file_is_held_against_its_digest(repo: Repo) -> None:
    soon = (date.today() + timedelta(days=90)).isoformat()
    big = pickle.dumps({"weights": SAFE})
    repo.stage({"model.pkl": big})
    assert repo.check().rules == ["pickle-weights"]
    words = ("waive", "pickle-weights", "model.pkl", "--reason", "old", "--expires", soon)
    said = repo.custody(*words)
    assert said.code == 0, said
    assert "finds nothing" not in said.out
    assert repo.check().code == 0
    repo.stage({"model.pkl": big[:-9] + b"x" + big[-8:]})
    assert repo.check().caught("pickle-weights") == ["model.pkl"]


def test_a_large_pickle_can_be_adopted(repo: Repo) -> None:
    repo.commit({"model.pkl": pickle.dumps({"weights": SAFE}), ".custody/policy.yaml": "version: 1\n"})
    (repo.path / ".custody/policy.yaml").unlink()
    repo.git("rm", "-q", "--cached", ".custody/policy.yaml")
    repo.git("commit", "-q", "--no-verify", "-m", "No policy")
    assert repo.custody("init").code == 0
    said = repo.custody("adopt", "--yes")
    assert "pickle-weights" in "".join(repo.git("ls-files", "--cached", ".custody/waivers")), said


@pytest.mark.parametrize("changed", [{}, {"a.csv": b"a,b\n" * (IN_MEMORY // 2)}], ids=["a model", "and a dataset"])
def test_git_unpacks_a_large_object_once(repo: Repo, tmp_path: Path, changed: dict[str, bytes]) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        for name in ("first", "second", "third"):
            members.writestr(name, SAFE)
        members.writestr("fourth", PICKLE)
        members.writestr("last", SAFE)
    calls = []
    for size, content in {"small": b"PK", "large": archive.getvalue()}.items():
        repo.commit({"model.bin": content, **changed})
        trace = tmp_path / size
        verdict = repo.check("--all", env={"GIT_TRACE": str(trace), "CI": "1"})
        assert ("pickle-weights" in verdict.rules) == (size == "large")
        calls.append(trace.read_text().count("cat-file --batch\n"))
    assert calls == [calls[0]] * 2


def test_a_full_temporary_folder_is_said(repo: Repo) -> None:
    resource = pytest.importorskip("resource")
    repo.stage({"model.bin": SAFE})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Git(str(repo.path)) as git:
        oid = git.entries(None)["model.bin"].oid
        resource.setrlimit(resource.RLIMIT_FSIZE, (IN_MEMORY, limits[1]))
        try:
            with pytest.raises(CannotJudge, match=f"has no room for an object of {len(SAFE)} bytes .*: set TMPDIR"):
                list(git.blobs([(oid, False)]))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
