"""`git custody add` with checkpoints that are owed, or are called what they would become."""

from __future__ import annotations

import shlex
from datetime import date, timedelta

import pytest

from builders import torch_zip
from commands import Commands
from conftest import Repo
from handmade import simple, tensor


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    return Commands(repo, monkeypatch, capfd)


def owing(repo: Repo, custody: Commands, path: str, data: bytes, *, pushed: bool = True) -> str:
    """Adopt a repository with a checkpoint; the path of the waiver."""
    repo.commit({path: data})
    adopted = custody.ok("adopt", "--yes")
    assert f" add {path}\n" in adopted
    assert "convert" not in adopted
    repo.commit()
    if pushed:
        repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
        repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    (waiver,) = repo.git("ls-files", ".custody/waivers").splitlines()
    return waiver


def test_a_checkpoint_that_is_owed_is_paid_with_the_command_that_is_offered(repo: Repo, custody: Commands) -> None:
    waiver = owing(repo, custody, "models/m.pt", torch_zip())
    before = custody.state()
    for verb in ("waivers", "adopt"):
        assert any(line.endswith(" add models/m.pt") for line in custody.ok(verb).splitlines())
    said = custody.ok("add", "models")
    assert custody.state() == before
    assert said.splitlines()[-1].endswith(" add models/m.pt")
    said = custody.ok("add", "m.pt", cwd="models")
    assert f"removed  {waiver}" in said
    assert repo.git("diff", "--cached", "--name-status", "--no-renames").splitlines() == [
        f"D\t{waiver}", "A\t.gitignore", "D\tmodels/m.pt", "A\tmodels/m.safetensors", "A\tmodels/m.safetensors.json",
    ]  # fmt: skip
    assert (repo.path / "models/m.pt").read_bytes() == torch_zip()
    repo.commit()
    repo.git("add", "-A")
    assert repo.git("status", "--porcelain") == ""
    assert repo.check("--range", "origin/main...HEAD").passes


def test_the_waiver_stays_for_commits_that_are_not_pushed(repo: Repo, custody: Commands) -> None:
    waiver = owing(repo, custody, "m.pt", torch_zip(), pushed=False)
    assert f"kept     {waiver}" in custody.ok("add", "m.pt")
    repo.commit()
    assert repo.git("ls-files", waiver) == waiver
    root = repo.git("rev-list", "--max-parents=0", "HEAD")
    assert repo.check("--range", f"{root}...HEAD").code == 0


def test_what_is_owed_and_cannot_be_converted_stays_and_why_is_said(repo: Repo, custody: Commands) -> None:
    owing(repo, custody, "m.pt", torch_zip())
    repo.write("m.safetensors", "another\n")
    before = custody.state()
    said = custody.ok("add", "m.pt")
    assert custody.state() == before
    assert "note: m.pt is not converted: " in said
    assert "m.pt: pickle-weights, until" in said


def test_a_waiver_that_was_just_written_is_not_taken_back(repo: Repo, custody: Commands) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\n"})
    repo.stage({"m.pt": torch_zip()})
    end = str(date.today() + timedelta(days=9))
    custody.ok("waive", "pickle-weights", "m.pt", "--reason", "the vendor's own", "--expires", end)
    assert custody.ok("add", "m.pt").startswith("nothing to do\n")


def test_a_checkpoint_with_the_name_of_its_result_is_renamed_first(repo: Repo, custody: Commands) -> None:
    repo.write("models/m.safetensors", torch_zip())
    said = custody.fails(1, "add", "models/m.safetensors")
    assert "another destination" not in said
    assert "      mv models/m.safetensors models/m.pt\n" in said
    (repo.path / "models/m.safetensors").rename(repo.path / "models/m.pt")
    custody.ok("add", "models/m.pt")
    (repo.path / "models/m.safetensors").write_bytes(torch_zip())
    assert " mv " not in custody.fails(1, "add", "models/m.safetensors")  # that name is taken


def test_how_to_keep_the_state_of_an_optimiser_can_be_pasted(repo: Repo, custody: Commands) -> None:
    adam = {"state": {0: {"exp_avg": tensor()}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    repo.write("models/train run.ckpt", simple({"model": {"w": tensor()}, "optimizer": adam}))
    said = custody.ok("add", "train run.ckpt", cwd="models").splitlines()
    at = next(number for number, line in enumerate(said) if "optimiser; to keep it" in line)
    convert, add = (shlex.split(line) for line in said[at + 1 : at + 3])
    custody.ok(*convert[convert.index("convert") :], cwd="models")
    repo.git("-C", "models", *add[1:])
    assert repo.git("status", "--porcelain", "models").splitlines() == [
        'A  "models/train run.safetensors"', 'A  "models/train run.safetensors.json"',
    ]  # fmt: skip
    assert b"exp_avg" in (repo.path / "models/train run.safetensors").read_bytes()
