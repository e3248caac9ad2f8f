"""`git custody doctor` finds what leaves the gate open, proves that it holds, and touches nothing."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commands import POLICY, PROGRAM, Commands, hide
from conftest import PICKLE, Repo
from git_custody.catalog import load_all
from git_custody.core.runner_config import GATES
from git_custody.scaffold.runner_here import caller

CONFIG = ".pre-commit-config.yaml"
WELL = f"""\
default_install_hook_types: [{", ".join(GATES)}]
repos:
- repo: https://github.com/git-custody/git-custody
  rev: v1.0.0
  hooks:
  - id: custody
"""


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    """A repository in which all is well."""
    repo.commit({POLICY: "version: 1\nlevel: 1\n", CONFIG: WELL}, "Set up")
    install(repo)
    return Commands(repo, monkeypatch, capfd)


def install(repo: Repo, runner: str = "pre_commit") -> None:
    command = (sys.executable, "-m", runner, "install")
    subprocess.run(command, cwd=repo.path, check=True, capture_output=True)


def checks(custody: Commands, *words: str, code: int, cwd: str = ".") -> dict[str, str]:
    """What is not well: check → what was found."""
    verdict = custody("doctor", "--format", "json", *words, cwd=cwd)
    assert verdict.code == code, verdict.out + verdict.err
    report: dict[str, Any] = json.loads(verdict.out)
    assert report["ok"] is (code == 0)
    for check in report["checks"]:
        assert check["ok"] or check["fix"]
    return {check["check"]: check["found"] for check in report["checks"] if not check["ok"]}


def every_file(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file below a folder: its time of change and digest."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            found[str(path)] = path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_all_is_well_and_nothing_is_touched(custody: Commands, repo: Repo) -> None:
    repo.stage({"half.csv": "1\n"})
    repo.write("loose.bin", PICKLE)
    before = every_file(repo.path)
    verdict = custody("doctor")
    assert verdict.code == 0, verdict.out
    assert every_file(repo.path) == before
    assert "ok       bad file: a planted pickle is blocked\n" in verdict.out
    assert "ok       good file: a plain text passes\n" in verdict.out
    assert verdict.out.endswith("The gate stands.\n")


def test_all_is_well_with_prek_from_a_folder_below(custody: Commands, repo: Repo) -> None:
    for gate in GATES:
        (repo.path / ".git" / "hooks" / gate).unlink()
    install(repo, "prek")
    (repo.path / "below").mkdir()
    assert checks(custody, code=0, cwd="below") == {}


def test_a_bare_beginning_has_everything_to_mend(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    found = checks(Commands(repo, monkeypatch, capfd), code=1)
    assert set(found) == {"policy", "config", *GATES}


def test_it_works_before_the_first_commit(
    empty_repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    empty_repo.stage({POLICY: "version: 1\n", CONFIG: WELL})
    install(empty_repo)
    assert checks(Commands(empty_repo, monkeypatch, capfd), code=0) == {}


@pytest.mark.parametrize("gate", GATES)
def test_a_hook_that_is_not_installed(gate: str, custody: Commands, repo: Repo) -> None:
    (repo.path / ".git" / "hooks" / gate).unlink()
    assert checks(custody, code=1) == {gate: "this git hook is not installed"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no executable bit")
def test_a_hook_that_git_passes_over(custody: Commands, repo: Repo) -> None:
    (repo.path / ".git" / "hooks" / "pre-push").chmod(0o644)
    assert "not executable" in checks(custody, code=1)["pre-push"]


@pytest.mark.parametrize(
    "script",
    [
        "#!/bin/sh\nexit 0\n",
        "#!/bin/sh\n# pre-commit run\nmake lint\n",
        "#!/bin/sh\necho pre-commit is off\n",
        "#!/bin/sh\nmake run --hook-type=pre-commit\n",
        "",
    ],
)
def test_a_hook_that_calls_somebody_else(script: str, custody: Commands, repo: Repo) -> None:
    (repo.path / ".git" / "hooks" / "pre-commit").write_text(script)
    assert "calls neither" in checks(custody, code=1)["pre-commit"]


def test_hooks_elsewhere_are_looked_for_where_git_does(custody: Commands, repo: Repo, tmp_path: Path) -> None:
    repo.git("config", "core.hooksPath", str(tmp_path / "none"))
    found = checks(custody, code=1)
    assert set(found) == set(GATES)
    assert str(tmp_path / "none") in found["pre-push"]
    (repo.path / ".git" / "hooks").rename(tmp_path / "none")
    assert checks(custody, code=0) == {}


def test_hooks_that_call_us_need_no_runner(custody: Commands, repo: Repo) -> None:
    repo.git("rm", "-q", CONFIG)
    for gate in GATES:
        hook = repo.path / ".git" / "hooks" / gate
        hook.write_text("#!/bin/sh\nexec git custody check\n")
        hook.chmod(0o755)
    assert checks(custody, code=0) == {}


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("SKIP", "flake8, custody", "SKIP skips custody"),
        ("PREK_SKIP", "check-dataset-card", "PREK_SKIP skips check-dataset-card"),
        ("PRE_COMMIT_ALLOW_NO_CONFIG", "1", "PRE_COMMIT_ALLOW_NO_CONFIG is set"),
        ("HUSKY", "0", "HUSKY=0"),
    ],
)
def test_an_environment_that_skips_hooks(
    name: str, value: str, found: str, custody: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert found in checks(custody, code=1)["environment"]


def test_an_environment_that_skips_other_hooks_is_well(custody: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKIP", "flake8")
    assert checks(custody, code=0) == {}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("- id: custody", "- id: custody\n    stages: [manual]", "no longer runs at"),
        ("- id: custody", "- id: custody\n    entry: \"true\"", "its entry is overridden"),
        ("- id: custody", "- id: custody\n    always_run: false", "always_run is off"),
        ("- id: custody", "- id: other", "does not list our hooks"),
        ("- id: custody", "- id: check-policy", "forbid-pickle-weights is no longer run"),
        (", pre-push]", "]", "no longer names pre-push"),
        ("repos:", "ci: {skip: [custody]}\nrepos:", "told to skip custody"),
        ("repos:", "repos: [", "not valid YAML"),
    ],
)  # fmt: skip
def test_a_configuration_that_leaves_gaps(old: str, new: str, found: str, custody: Commands, repo: Repo) -> None:
    repo.stage({CONFIG: WELL.replace(old, new)})
    assert found in checks(custody, code=1)["config"]


def test_hooks_of_a_revision_that_is_not_there(custody: Commands, repo: Repo, tmp_path: Path) -> None:
    said = custody("doctor").out
    assert 'ok       source: whether https://github.com/git-custody/git-custody has "v1.0.0" was not checked' in said
    hooks = Repo(tmp_path / "hooks")
    manifest = Path(__file__).parent.parent / ".pre-commit-hooks.yaml"
    hooks.commit({manifest.name: manifest.read_bytes()})
    hooks.git("tag", "v1.0.1")
    repo.stage({CONFIG: WELL.replace("https://github.com/git-custody/git-custody", "../hooks")})
    assert checks(custody, code=1) == {"source": '../hooks has no revision "v1.0.0" (its newest tags: v1.0.1)'}
    mend = fixes(custody)["source"].split()
    assert mend == ["pre-commit", "autoupdate", "--repo", "../hooks"]
    subprocess.run((sys.executable, "-m", "pre_commit", *mend[1:]), cwd=repo.path, check=True, capture_output=True)
    repo.git("add", CONFIG)
    assert checks(custody, code=0) == {}


def test_single_hooks_are_enough_when_they_are_all_that_is_asked(custody: Commands, repo: Repo) -> None:
    names = [hook.id for hook in load_all() if hook.level == 1]
    ids = "".join(f"  - id: {name}\n" for name in names)
    repo.stage({CONFIG: WELL.replace("  - id: custody\n", ids)})
    assert checks(custody, code=0) == {}
    repo.stage({POLICY: "version: 1\nlevel: 3\n"})
    assert "check-dataset-integrity is no longer run" in checks(custody, code=1)["config"]


def fixes(custody: Commands, cwd: str = ".") -> dict[str, str]:
    """What is not well: check → what mends it."""
    report = json.loads(custody("doctor", "--format", "json", cwd=cwd).out)
    return {check["check"]: check["fix"] for check in report["checks"] if not check["ok"]}


def test_what_is_there_and_not_staged_is_added_from_where_the_user_stands(custody: Commands, repo: Repo) -> None:
    repo.git("rm", "-q", "--cached", CONFIG, POLICY)
    repo.write(".gitignore", ".custody\n")
    repo.write("src/a.py", "")
    assert fixes(custody, "src") == {"policy": "git add -f ../.custody/policy.yaml", "config": f"git add ../{CONFIG}"}
    for command in fixes(custody, "src").values():
        repo.git(*command.split()[1:], cwd="src")
    assert fixes(custody) == {}


def test_programs_are_named_so_that_the_shell_finds_them(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    custody = Commands(repo, monkeypatch, capfd)
    hide(monkeypatch, "git-custody", "prek")
    mended = fixes(custody)
    assert mended["policy"] == f"{PROGRAM} init"
    assert mended["pre-push"] == "pre-commit install --hook-type pre-push"
    repo.write("prek.toml", "")
    assert fixes(custody)["pre-push"] == "prek install --hook-type pre-push"


def test_the_runner_that_git_calls_already_is_the_one_to_install(custody: Commands, repo: Repo) -> None:
    (repo.path / ".git" / "hooks" / "pre-push").unlink()
    assert fixes(custody) == {"pre-push": "pre-commit install --hook-type pre-push"}
    for gate in GATES[:2]:
        (repo.path / ".git" / "hooks" / gate).unlink()
    install(repo, "prek")
    (repo.path / ".git" / "hooks" / "pre-push").unlink()
    assert fixes(custody) == {"pre-push": "prek install --hook-type pre-push"}


def test_a_configuration_that_is_not_staged(custody: Commands, repo: Repo) -> None:
    repo.git("rm", "-q", "--cached", CONFIG)
    assert "not staged" in checks(custody, code=1)["config"]


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        ("version: 1\nlevel: 9\n", "line 2"),
        ("version: 1\n\tx", "line 2"),
        ("version: 1\nlevle: 1\n", "levle"),
    ],
)
def test_a_policy_that_is_not_valid(policy: str, found: str, custody: Commands, repo: Repo) -> None:
    repo.stage({POLICY: policy})
    said = checks(custody, code=1)
    assert found in said["policy"]
    assert "invalid-policy" in said["good file"]


def test_a_policy_that_is_a_link_cannot_be_trusted(custody: Commands, repo: Repo) -> None:
    (repo.path / POLICY).unlink()
    (repo.path / POLICY).symlink_to("../README.md")
    repo.git("add", POLICY)
    assert "symlink" in checks(custody, code=1)["policy"]


def test_a_policy_that_only_warns_fails_the_proof(custody: Commands, repo: Repo) -> None:
    repo.stage({POLICY: "version: 1\nmode: warn\n"})
    found = checks(custody, code=1)
    assert set(found) == {"mode", "bad file"}
    assert found["bad file"].startswith("a planted pickle is not blocked")


def test_a_package_in_the_repository_is_not_what_is_proved(custody: Commands, repo: Repo) -> None:
    for name in ("git_custody", "yaml", "json"):
        repo.write(f"{name}/__init__.py", "raise SystemExit(0)\n")
    assert checks(custody, code=0) == {}


def test_a_waiver_that_is_only_staged_is_no_trouble(custody: Commands, repo: Repo) -> None:
    from datetime import date, timedelta

    soon = date.today() + timedelta(days=30)
    waiver = "version: 1\nrule: missing-data-card\npath: data/a.csv\n"
    waiver += f"reason: Old.\nowner: Ada\nexpires: '{soon}'\n"
    repo.stage({".custody/waivers/a.yaml": waiver, "data/a.csv": "a\n"})
    assert checks(custody, code=0) == {}
    assert "level 1; 1 waiver\n" in custody("doctor").out


def test_a_folder_of_the_same_name_is_no_trouble(custody: Commands, repo: Repo) -> None:
    repo.commit({"custody-doctor/planted.txt": "x\n", "custody-doctor/planted.bin": "y\n"})
    assert checks(custody, code=0) == {}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_linked_worktree_and_a_path_with_a_colon(custody: Commands, repo: Repo, tmp_path: Path) -> None:
    place = tmp_path / "a:b"
    repo.git("worktree", "add", "-q", "-b", "side", str(place))
    before = every_file(repo.path / ".git")
    verdict = Repo.custody(repo, "doctor", cwd=str(place))
    assert verdict.code == 0, verdict.out + verdict.err
    assert every_file(repo.path / ".git") == before
    odd = Repo(tmp_path / 'c:"d')
    odd.commit({POLICY: "version: 1\nlevel: 1\n", CONFIG: WELL})
    install(odd)
    assert odd.custody("doctor").code == 0


# ---------------------------------------------------------------------- CI

WORKFLOW = ".github/workflows/custody.yml"
JOB = "jobs:\n  a:\n    steps:\n    - run: git custody check --all\n"


@pytest.fixture
def pipeline(custody: Commands, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """A checkout of a pull request, as GitHub makes it; hooks are not installed there."""
    repo.commit({WORKFLOW: JOB}, "CI")
    for gate in GATES:
        (repo.path / ".git" / "hooks" / gate).unlink()
    repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    return custody


def test_ci_can_judge(pipeline: Commands) -> None:
    assert checks(pipeline, "--ci", code=0) == {}


def test_ci_without_the_base(pipeline: Commands, repo: Repo) -> None:
    repo.git("update-ref", "-d", "refs/remotes/origin/main")
    assert checks(pipeline, "--ci", code=1) == {"base": "origin/main is not a commit here"}


@pytest.mark.parametrize("job", ["jobs: {}\n", "jobs:\n  # git custody check --all\n", "run: git custody checkout\n"])
def test_ci_whose_job_does_not_judge(job: str, pipeline: Commands, repo: Repo) -> None:
    repo.commit({WORKFLOW: job})
    assert "no CI file runs" in checks(pipeline, "--ci", code=1)["job"]


def test_ci_with_a_shallow_clone(
    pipeline: Commands, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.git("clone", "-q", "--depth=1", f"file://{repo.path}", str(tmp_path / "shallow"))
    monkeypatch.delenv("GITHUB_BASE_REF")
    verdict = Repo.custody(repo, "doctor", "--ci", cwd=str(tmp_path / "shallow"))
    assert verdict.code == 1
    assert "problem  history: shallow\n" in verdict.out


def test_ci_that_is_none(pipeline: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert set(checks(pipeline, "--ci", code=1)) == {"service"}


def test_gitlab_is_recognised(pipeline: Commands, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.git("mv", WORKFLOW, ".gitlab-ci.yml")
    monkeypatch.delenv("GITHUB_ACTIONS")
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")
    assert checks(pipeline, "--ci", code=0) == {}
    monkeypatch.setenv("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "release")
    assert set(checks(pipeline, "--ci", code=1)) == {"base"}


def test_a_folder_that_is_named_like_us_calls_nobody(tmp_path: Path) -> None:
    hook = tmp_path / "pre-commit"
    hook.write_text(
        "#!/usr/bin/env bash\nINSTALL_PYTHON=/tmp/git-custody-ci-1/custody-check-x/bin/python\n"
        'ARGS=(hook-impl --hook-type=pre-commit)\nexec "$INSTALL_PYTHON" -mpre_commit "${ARGS[@]}"\n'
        'exec pre-commit "${ARGS[@]}"\n'
    )
    hook.chmod(0o755)
    assert caller(str(hook)) == ("pre-commit", "")
