"""Data that Git LFS, DVC and git-annex keep, staged and changed by the programs themselves.

Needs the dependency group `keepers` (DVC, git-annex) and Git LFS (https://git-lfs.com, or a system's package).
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import repositories

from commands import Commands
from kept_matrix import CHANGES, NEW, OLD, POLICY, TOLD, Kind, content_absent, everywhere, found

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

Repo = repositories.Repo
clean_environment, repo = repositories.clean_environment, repositories.repo

HOW = {
    "git-lfs": "Git LFS is not on the PATH: https://git-lfs.com, or apt-get install git-lfs",
    "dvc": "DVC is not on the PATH: pip install --group keepers",
    "git-annex": "git-annex is not on the PATH: pip install --group keepers",
}
DOCS = Path(__file__).parent.parent.parent / "docs" / "ci.md"


class Program(Kind):
    """A way to keep data that is a program's own; `needs` is what has to be on the PATH."""

    needs = ""

    def __init__(self, repo: Repo, custody: Commands) -> None:
        super().__init__(repo, custody)
        if shutil.which(self.needs) is None:
            pytest.skip(HOW[self.needs])
        self.prepare()
        repo.git("commit", "-q", "--no-verify", "--allow-empty", "-m", "Program")

    def prepare(self) -> None:
        """Set the program up in the repository."""

    def run(self, *words: str) -> str:
        done = subprocess.run(words, cwd=self.repo.path, capture_output=True, text=True, check=False, env=os.environ)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout


class Lfs(Program):
    needs = "git-lfs"

    def prepare(self) -> None:
        self.run("git", "lfs", "install", "--local")
        self.run("git", "lfs", "track", "*.csv")
        self.run("git", "add", ".gitattributes")

    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        self.repo.stage({at or self.path: data})
        if not here:
            self.lose()
            self.repo.write(at or self.path, self.repo.git("show", f":{at or self.path}") + "\n")

    def lose(self) -> None:
        shutil.rmtree(self.repo.path / ".git/lfs/objects", ignore_errors=True)
        for path in self.repo.git("ls-files", "*.csv").split():
            self.repo.write(path, self.repo.git("show", f":{path}") + "\n")

    def move(self, *, card: bool) -> None:
        self.repo.git("mv", self.path, self.moved)
        if card:
            self.repo.git("mv", self.card, self.moved_card)


class Dvc(Program):
    needs = "dvc"
    path, moved = "data/x.csv.dvc", "data/y.csv.dvc"
    is_weak = True

    def prepare(self) -> None:
        self.run("dvc", "init", "-q")

    def data(self, path: str) -> Path:
        return self.repo.path / path.removesuffix(".dvc")

    def fill(self, path: str, data: bytes) -> None:
        self.repo.write(path.removesuffix(".dvc"), data)

    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        path = at or self.path
        self.fill(path, data)
        self.run("dvc", "add", "-q", path.removesuffix(".dvc"))
        self.repo.git("add", path, f"{path.rpartition('/')[0]}/.gitignore")
        if not here:
            self.lose()

    def lose(self) -> None:
        shutil.rmtree(self.repo.path / ".dvc/cache")
        target = self.data(self.path)
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    def move(self, *, card: bool) -> None:
        self.run("dvc", "move", self.path.removesuffix(".dvc"), self.moved.removesuffix(".dvc"))
        self.repo.git("rm", "-q", "--cached", self.path)
        self.repo.git("add", self.moved)
        if card:
            self.repo.git("mv", self.card, self.moved_card)


class DvcFolder(Dvc):
    path, moved = "data/d.dvc", "data/e.dvc"

    def fill(self, path: str, data: bytes) -> None:
        self.repo.write(f"{path.removesuffix('.dvc')}/a.csv", data)
        self.repo.write(f"{path.removesuffix('.dvc')}/s/b.csv", OLD)


class Annexed(Program):
    needs = "git-annex"
    backend = "SHA256E"
    locked = False

    def prepare(self) -> None:
        self.run("git", "annex", "init", "-q")
        self.run("git", "config", "annex.backend", self.backend)

    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        path = at or self.path
        full = self.repo.path / path
        full.unlink(missing_ok=True)
        self.repo.write(path, data)
        self.run("git", "annex", "add", "-q", "--force-large", path)
        if not self.locked:
            self.run("git", "annex", "unlock", "-q", path)
            self.repo.git("add", path)
        if not here:
            self.lose()

    def lose(self) -> None:
        store = self.repo.path / ".git/annex/objects"
        for folder, _, _ in os.walk(store):
            Path(folder).chmod(stat.S_IRWXU)
        shutil.rmtree(store, ignore_errors=True)

    def move(self, *, card: bool) -> None:
        self.repo.git("mv", self.path, self.moved)
        self.run("git", "annex", "fix", "-q", self.moved)
        if card:
            self.repo.git("mv", self.card, self.moved_card)


class Locked(Annexed):
    locked = True


class Md5Annexed(Annexed):
    backend = "MD5E"
    is_weak = True


class Blake2Locked(Locked):
    backend = "BLAKE2B256E"


KINDS = (Lfs, Dvc, DvcFolder, Annexed, Locked, Md5Annexed, Blake2Locked)


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    return Commands(repo, monkeypatch, capfd)


@pytest.mark.parametrize("change", [*CHANGES, content_absent], ids=lambda change: change.__name__)
@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_change(repo: Repo, custody: Commands, make: type[Kind], change: Callable[[Kind], None]) -> None:
    change(make(repo, custody))


def test_locked_and_unlocked(repo: Repo, custody: Commands) -> None:
    for make in (Annexed, Md5Annexed):
        kind = make(repo, custody)
        kind.path = f"data/{make.__name__}.csv"
        kind.base()
        for verb in ("lock", "unlock"):
            kind.run("git", "annex", verb, "-q", kind.path)
            repo.git("add", kind.path)
            assert everywhere(custody) == [], verb


def test_a_worm_key_is_migrated_by_the_command_that_is_shown(repo: Repo, custody: Commands) -> None:
    kind = Locked(repo, custody)
    repo.commit({".custody/policy.yaml": POLICY})
    kind.run("git", "config", "annex.backend", "WORM")
    kind.put(OLD)
    custody("add", *TOLD, kind.path)
    (finding,) = [
        f for f in custody("check", "--format", "json").report["findings"] if f["rule"] == "no-content-identity"
    ]
    for command in finding["fix"]:
        kind.run("sh", "-c", command)
    custody("add", kind.path)
    assert everywhere(custody) == []


def test_raw_content_on_a_path_of_git_lfs_is_mended_by_the_command_that_is_shown(repo: Repo, custody: Commands) -> None:
    kind = Lfs(repo, custody)
    kind.base()
    raw = repo.git("hash-object", "-w", "--no-filters", "--stdin", input=OLD)
    repo.git("update-index", "--cacheinfo", f"100644,{raw},{kind.path}")
    (finding,) = [
        f for f in custody("check", "--format", "json").report["findings"] if f["rule"] == "raw-content-on-lfs-path"
    ]
    (command,) = finding["fix"]
    kind.run("sh", "-c", command)
    assert found(custody) == []


def test_extensions_of_git_lfs(repo: Repo, custody: Commands) -> None:
    kind = Lfs(repo, custody)
    for key, value in (("clean", "tr a-z A-Z"), ("smudge", "tr A-Z a-z"), ("priority", "0")):
        kind.run("git", "config", f"lfs.extension.caps.{key}", value)
    kind.base()
    assert "ext-0-caps" in repo.git("show", f":{kind.path}")
    repo.git("commit", "-q", "--no-verify", "--allow-empty", "-m", "Base")
    (repo.path / kind.path).unlink()
    repo.git("checkout", "--", kind.path)
    assert (repo.path / kind.path).read_bytes() == OLD
    assert found(custody, "--all") == []


def test_outputs_of_a_pipeline(repo: Repo, custody: Commands) -> None:
    kind = Dvc(repo, custody)
    repo.commit({".custody/policy.yaml": POLICY})
    repo.write("raw/in.csv", OLD)
    stage = "stages:\n  prepare:\n    cmd: mkdir -p data/d && cp raw/in.csv data/x.csv && cp raw/in.csv data/d/a.csv\n"
    repo.write("dvc.yaml", f"{stage}    deps: [raw/in.csv]\n    outs: [data/x.csv, data/d]\n")
    kind.run("dvc", "repro", "-q")
    repo.git("add", "dvc.yaml", "dvc.lock", "data/.gitignore", "raw")
    for path in ("data/x.csv", "data/d"):
        custody("card", "new", *TOLD, path)
    assert "dirHash: " in (repo.path / "data/d.datacard.yaml").read_text()
    assert everywhere(custody) == []
    repo.write("raw/in.csv", NEW)
    kind.run("dvc", "repro", "-q")
    repo.git("add", "dvc.lock")
    assert found(custody) == ["digest-mismatch"]
    custody("add", "data/x.csv")
    custody("add", "data/d")
    assert everywhere(custody) == []


def recipe() -> str:
    """The commands of docs/ci.md that fetch what was not judged."""
    (block,) = re.findall(r"<!-- fetch -->\n```sh\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return str(block)


@pytest.mark.parametrize("make", [Lfs, Dvc, DvcFolder, Annexed, Locked], ids=lambda make: make.__name__)
def test_a_clone_fetches_only_what_changed(
    repo: Repo, custody: Commands, make: type[Program], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = make(repo, custody)
    kind.put(repositories.PICKLE, at=kind.moved)
    kind.base()
    repo.git("branch", "base")
    kind.put(NEW)
    custody("add", kind.path)
    repo.git("commit", "-q", "--no-verify", "-m", "Change")
    clone = tmp_path / "clone"
    monkeypatch.setenv("GIT_LFS_SKIP_SMUDGE", "1")
    if make in (Dvc, DvcFolder):
        kind.run("dvc", "remote", "add", "-q", "-d", "kept", str(tmp_path / "remote"))
        kind.run("dvc", "push", "-q")
        repo.git("commit", "-q", "--no-verify", "-am", "Remote")
    subprocess.run(("git", "clone", "-q", repo.path, clone), check=True)
    for words in {"git-lfs": (("git", "lfs", "install", "--local", "--skip-smudge"),)}.get(kind.needs, ()):
        subprocess.run(words, cwd=clone, check=True, capture_output=True)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    hooks = Path(__file__).parent.parent.parent / "hooks"
    program = bin_folder / "git-custody"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{hooks}" exec "{sys.executable}" -m git_custody "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("RANGE", "origin/base...HEAD")
    done = subprocess.run(("bash", "-euo", "pipefail", "-c", recipe()), cwd=clone, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    there = Commands(Repo(clone), monkeypatch, custody._capfd)
    assert "content-absent" not in found(there, "--range", "origin/base...HEAD")
    left = {item["path"] for item in there("check", "--format", "json", "--all").report["not_judged"]}
    assert kind.path not in left
    assert kind.moved in left
