"""Real git repositories, built by real git, in an environment that holds nothing of the tester's own."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings

HOOKS = Path(__file__).parent.parent / "hooks"
CARD = """\
kind: data-card
version: 1
id: {id}
title: {title}
source: {{kind: original, publisher: Example Lab}}
license: CC-BY-4.0
content: {{digest: {{sha256: {sha256}}}}}
"""

# Containers set it, and thousands of processes would each compile the whole package.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A slow machine, or coverage, must not fail a law.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


class Verdict(NamedTuple):
    """What `git custody check` said."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def rules(self) -> list[str]:
        """The rules that block, sorted, each once."""
        return sorted({finding["rule"] for finding in self.report["findings"] if finding["blocks"]})

    @property
    def warned(self) -> list[str]:
        """The rules that only warn, sorted, each once."""
        found = self.report["findings"]
        return sorted({f["rule"] for f in found if not f["blocks"] and "waived_by" not in f})

    def caught(self, rule: str = "pickle-weights") -> list[str]:
        """The paths on which a rule blocks; nothing may have gone wrong besides."""
        assert self.report["errors"] == []
        assert self.code == (1 if self.rules else 0)
        return [f["path"] for f in self.report["findings"] if f["rule"] == rule and f["blocks"]]

    @property
    def passes(self) -> bool:
        """Whether there is nothing at all to say."""
        return self.code == 0 and not self.report["findings"] and not self.report["not_judged"]

    @property
    def refusal(self) -> str:
        """The one sentence with which it refuses to judge."""
        assert self.code == 2
        (error,) = self.report["errors"]
        message: str = error["message"]
        return message

    @property
    def judged(self) -> str:
        mode: str = self.report["judged"]["mode"]
        return mode


class Repo:
    """A work tree. Every call is a real process in it."""

    def __init__(self, path: Path, *init: str) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main", *init)

    def git(
        self, *words: str, cwd: str = ".", check: bool = True, env: Mapping[str, str] | None = None,
        input: bytes = b"",
    ) -> str:  # fmt: skip
        done = subprocess.run(
            ("git", *words), cwd=self.path / cwd, env={**os.environ, **(env or {})}, capture_output=True,
            input=input, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"git {' '.join(words)}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, path: str | bytes, content: str | bytes) -> Path:
        full = Path(os.fsdecode(os.path.join(os.fsencode(self.path), os.fsencode(path))))
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(content.encode() if isinstance(content, str) else content)
        return full

    def stage(self, files: Mapping[str, str | bytes]) -> None:
        for path, content in files.items():
            self.write(path, content)
        self.git("--literal-pathspecs", "add", "-f", "--", *files)

    def commit(self, files: Mapping[str, str | bytes] | None = None, message: str = "Change") -> str:
        if files:
            self.stage(files)
        self.git("commit", "-q", "--no-verify", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def check(self, *words: str, cwd: str = ".", env: Mapping[str, str] | None = None, text: bool = False) -> Verdict:
        """`git custody check`, as a process of its own; JSON unless `text`."""
        return self.custody("check", *(() if text else ("--format", "json")), *words, cwd=cwd, env=env)

    def custody(self, *words: str, cwd: str = ".", env: Mapping[str, str] | None = None) -> Verdict:
        done = subprocess.run(
            (sys.executable, "-m", "git_custody", *words), cwd=self.path / cwd, capture_output=True,
            env={**os.environ, "PYTHONPATH": str(HOOKS), **(env or {})}, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        out, err = done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode("utf-8", "replace")
        assert "Traceback" not in err, err
        return Verdict(done.returncode, out, err)

    def hook(self, *words: str) -> None:
        """Make git call `git custody check` itself before a commit and a merge; its report goes to hook.json."""
        command = " ".join((sys.executable, "-m", "git_custody", "check", "--format", "json", *words))
        for name in ("pre-commit", "pre-merge-commit"):
            hook = self.path / self.git("rev-parse", "--git-path", "hooks") / name
            hook.parent.mkdir(parents=True, exist_ok=True)
            seen = self.path.parent / "hook.json"
            hook.write_text(f"#!/bin/sh\nPYTHONPATH='{HOOKS}' {command} > '{seen}' 2>&1\n")
            hook.chmod(0o755)

    def commits(self, *words: str) -> bool:
        """Whether `git commit`, with whatever hook is in place, made a commit."""
        before = self.git("rev-parse", "--verify", "-q", "HEAD", check=False)
        self.git("commit", "-q", "-m", "Change", *words, check=False)
        return self.git("rev-parse", "--verify", "-q", "HEAD", check=False) != before

    @property
    def seen(self) -> Verdict:
        """What the hook said when git last called it."""
        out = (self.path.parent / "hook.json").read_text()
        return Verdict(json.loads(out)["exit_code"], out, "")


@pytest.fixture(autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration, hooks, locale or cache of the tester's."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("GIT_", "PRE_COMMIT", "PREK", "GITHEAD_")) or name in (
            "CI",
            "SKIP",
            "GITHUB_ACTIONS",
        ):
            monkeypatch.delenv(name)
    settings = {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A. Author", "GIT_AUTHOR_EMAIL": "author@example.org",
        "GIT_COMMITTER_NAME": "A. Author", "GIT_COMMITTER_EMAIL": "author@example.org",
        "GIT_ALLOW_PROTOCOL": "file",
        # As where the environment of the tests is active: messages say `git custody`, and pasting that works.
        "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"],
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository with one commit and no policy."""
    made = Repo(tmp_path / "repo")
    made.commit({"README.md": "A project.\n"}, "Start")
    return made


@pytest.fixture
def empty_repo(tmp_path: Path) -> Repo:
    """A repository without a commit."""
    return Repo(tmp_path / "repo")


class Payload:
    """Pickles to a call of `print`: harmless, and never loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("loaded",))


PICKLE = pickle.dumps(Payload(), 2)
# Calls nothing, so that a waiver may admit it.
PLAIN_PICKLE = pickle.dumps({"weights": [1.5] * 5}, 2)
ROWS = "id,text\n" + "".join(f"{number},row {number}\n" for number in range(20))


def documented(
    path: str, rows: str | bytes = ROWS, *, id: str = "rows", title: str = "Rows for tests"
) -> dict[str, str | bytes]:
    """A dataset and a card that fits it: path → content."""
    import hashlib

    raw = rows.encode() if isinstance(rows, str) else rows
    card = CARD.format(id=id, title=title, sha256=hashlib.sha256(raw).hexdigest())
    return {path: raw, f"{path}.datacard.yaml": card}
