"""Commands run in process, where a test stands in a repository."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import Repo, Verdict
from git_custody.cli import main
from git_custody.core.report import quote

POLICY = ".custody/policy.yaml"
LOGGED = 'version: 1\nlevel: 1\nalso: [check-dataset-audit-log]\nedition: "2026-12"\n'
TOLD = (
    "--title",
    "Support tickets of 2025",
    "--source-kind",
    "original",
    "--publisher",
    "CERN",
    "--license",
    "MIT",
)


class Commands:
    """`git custody` in a repository, as a user types it."""

    def __init__(self, repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.repo = repo
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *words: str, cwd: str = ".") -> Verdict:
        stand = self.repo.path / cwd
        self._monkeypatch.chdir(stand)
        self._monkeypatch.setenv("PWD", str(stand))
        self._capfd.readouterr()
        try:
            code = main(words)
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        out, err = self._capfd.readouterr()
        return Verdict(code, out, err)

    def ok(self, *words: str, cwd: str = ".") -> str:
        """A command that has to succeed, and after which nothing that is staged is wrong."""
        verdict = self(*words, cwd=cwd)
        assert verdict.code == 0, verdict.out + verdict.err
        check = self("check", "--staged")
        assert check.code == 0, f"{verdict.out}\nbut then:\n{check.out}{check.err}"
        return verdict.out

    def fails(self, code: int, *words: str, cwd: str = ".") -> str:
        """A command that has to end with this code; what it says on either stream."""
        before = self.state()
        verdict = self(*words, cwd=cwd)
        assert verdict.code == code, verdict.out + verdict.err
        if code == 2:
            assert self.state() == before, "something was written all the same"
            assert len(verdict.err.strip().splitlines()) == 1, verdict.err
        return verdict.out + verdict.err

    def state(self) -> tuple[str, dict[str, bytes]]:
        """The index, and every file of the work tree."""
        files = {}
        for folder, names, found in os.walk(self.repo.path):
            if ".git" in names:
                names.remove(".git")
            for name in found:
                full = os.path.join(folder, name)
                files[full] = (
                    b"->" + os.fsencode(os.readlink(full)) if os.path.islink(full) else Path(full).read_bytes()
                )
        return self.repo.git("ls-files", "-s"), files

    def entries(self, dataset: str) -> list[dict[str, Any]]:
        """The log of a dataset, oldest first."""
        verdict = self("audit", "show", "--format", "json", dataset)
        assert verdict.code in (0, 1), verdict.err
        (log,) = json.loads(verdict.out)["logs"]
        entries: list[dict[str, Any]] = log["entries"]
        return entries

    def ops(self, dataset: str) -> list[str]:
        return [entry["op"] for entry in self.entries(dataset)]

    def card(self, path: str) -> dict[str, Any]:
        """What the staged card says."""
        from git_custody.core.metadata import load

        raw = self.repo.git("cat-file", "blob", f":{path}")
        document = load((raw + "\n").encode(), "data-card")
        assert not document.problems, document.problems
        data: dict[str, Any] = document.data
        return data


def hide(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    """As if these programs were not on the PATH."""
    from git_custody.core import git
    from git_custody.core import programs as home
    from git_custody.scaffold import runner_here

    real = home.find_program

    def find(name: str, passing: str | None = None) -> str | None:
        return None if name in programs else real(name, passing)

    for module in (home, git, runner_here):
        monkeypatch.setattr(module, "find_program", find)


PROGRAM = quote(os.path.join(os.path.dirname(sys.executable), "git-custody" + (".exe" if os.name == "nt" else "")))


def logged(repo: Repo) -> None:
    """A policy that wants the audit log."""
    repo.commit({POLICY: LOGGED}, "Policy")
