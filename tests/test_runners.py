"""Real `git commit` under real pre-commit and real prek.

The hooks come from a clone of this checkout as it is, uncommitted work included, and are installed by the
runner itself, so these tests need what the runner needs: a package index. The shell that commits does not
have git-custody on its PATH. What the hooks print as `fix` is run exactly as printed, slots filled in.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import PICKLE, ROWS, Repo

pytestmark = pytest.mark.runners

ROOT = Path(__file__).parent.parent
ANSWERS = {
    "TITLE": "Numbered rows for tests",
    "URL": "https://example.org/rows.csv",
    "PUBLISHER": "Example Lab",
    "SPDX_ID": "CC0-1.0",
    "REASON": "corrected by hand",
}
POLICY = "version: 1\nlevel: 1\nalso: [check-dataset-audit-log]\n"
ALL_HOOKS = (
    "forbid-pickle-weights",
    "check-dataset-card",
    "check-dataset-audit-log",
    "check-policy",
    "custody",
)


class Runner(NamedTuple):
    """A hook runner, and where it finds the hooks."""

    name: str
    program: str
    home: Path
    source: Path
    rev: str


class Said(NamedTuple):
    """What a command answered: its exit code, and everything that it printed."""

    code: int
    text: str

    @property
    def fixes(self) -> list[str]:
        """The commands that were printed as fix, each once, in order. prek indents all by two spaces."""
        found: list[str] = []
        indent = None
        for line in self.text.splitlines():
            if begun := re.match(r"(?:  )? {4}fix {4}(?=\S)", line):
                indent = len(begun[0])
            elif indent is not None and not re.match(rf" {{{indent}}}\S", line):
                indent = None
            if indent is not None and line[indent:] not in found:
                found.append(line[indent:])
        return found

    @property
    def rules(self) -> set[str]:
        return set(re.findall(r"^(?:  )?\S.*?: ([a-z-]+)(?: \(warning\))?: ", self.text, re.MULTILINE))


def filled(command: str) -> str:
    """A printed command with its upper-case slots filled in; a slot without an answer fails the test."""
    return re.sub(r"(?<= )[A-Z][A-Z_]+(?= |$)", lambda slot: shlex.quote(ANSWERS[slot[0]]), command)


class Scratch(Repo):
    """A work tree whose hooks are run by a runner."""

    runner: Runner

    def sh(self, command: str, cwd: str = ".") -> Said:
        done = subprocess.run(
            ("sh", "-c", command), cwd=self.path / cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        text = done.stdout.decode("utf-8", "backslashreplace")
        assert "Traceback" not in text, text
        return Said(done.returncode, text)

    def use(self, *hooks: str) -> None:
        """Commit a configuration with these hooks, and install the runner's own git hooks."""
        source, rev = self.runner.source, self.runner.rev
        entries = "".join(f"      - id: {hook}\n" for hook in hooks)
        self.commit(
            {
                ".pre-commit-config.yaml": f"default_install_hook_types: [pre-commit, pre-merge-commit]\n"
                f"repos:\n  - repo: {source}\n    rev: {rev}\n    hooks:\n{entries}"
            },
            "Use hooks",
        )
        said = self.run("install")
        assert said.code == 0, said.text

    def run(self, *words: str) -> Said:
        return self.sh(shlex.join((self.runner.program, *words)))

    def blocked(self, command: str, *rules: str, cwd: str = ".") -> Said:
        """Run a command that has to be stopped by these rules."""
        head = self.git("rev-parse", "HEAD")
        said = self.sh(command, cwd)
        assert said.code != 0, f"not blocked: {said.text}"
        assert said.rules >= set(rules), said.text
        assert self.git("rev-parse", "HEAD") == head
        return said

    def mend(self, said: Said, cwd: str = ".") -> None:
        """Do what was printed, exactly as it was printed."""
        assert said.fixes, said.text
        for fix in said.fixes:
            done = self.sh(filled(fix), cwd)
            assert done.code == 0, f"{fix}\n{done.text}"

    def passes(self, command: str, cwd: str = ".") -> Said:
        said = self.sh(command, cwd)
        assert said.code == 0, said.text
        return said


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that holds this checkout's files as they are now."""
    listed = subprocess.run(
        ("git", "ls-files", "-coz", "--exclude-standard"), cwd=ROOT, capture_output=True, check=False
    )
    names = [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    if "pyproject.toml" not in names:
        pytest.skip("this is not a git checkout of git-custody: runners take hooks from git")
    clone = tmp_path_factory.mktemp("source")
    for name in names:
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, clone / name)
    identity = (
        "-c",
        "user.name=A. Author",
        "-c",
        "user.email=author@example.org",
        "-c",
        "commit.gpgsign=false",
    )
    for words in (
        ("init", "-q"),
        ("add", "-A", "-f"),
        (*identity, "commit", "-q", "--no-verify", "-m", "Snapshot"),
    ):
        subprocess.run(("git", *words), cwd=clone, check=True)
    return clone


@pytest.fixture(scope="session", params=["pre-commit", "prek"])
def runner(request: pytest.FixtureRequest, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A runner with the hooks installed: once for all tests, with the tester's own pip settings."""
    name: str = request.param
    beside = os.path.join(os.path.dirname(sys.executable), name)
    program = shutil.which(beside) or shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed: pip install {name}")
    home = tmp_path_factory.mktemp(name)
    rev = subprocess.run(("git", "rev-parse", "HEAD"), cwd=source, capture_output=True, text=True, check=True)
    made = Runner(name, program, home, source, rev.stdout.strip())
    place = tmp_path_factory.mktemp("install")
    subprocess.run(("git", "init", "-q"), cwd=place, check=True)
    hooks = "".join(f"      - id: {hook}\n" for hook in ALL_HOOKS)
    (place / ".pre-commit-config.yaml").write_text(
        f"repos:\n  - repo: {source}\n    rev: {made.rev}\n    hooks:\n{hooks}"
    )
    done = subprocess.run(
        (program, "install-hooks"),
        cwd=place,
        env={**os.environ, **homes(made)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{name} could not install the hooks; it needs a package index:\n{done.stdout}{done.stderr}")
    return made


def homes(runner: Runner) -> dict[str, str]:
    return {"PRE_COMMIT_HOME": str(runner.home), "PREK_HOME": str(runner.home)}


def has_custody(folder: str) -> bool:
    return any(os.path.exists(os.path.join(folder, name)) for name in ("git-custody", "git-custody.exe"))


@pytest.fixture
def scratch(runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scratch:
    """A repository with one commit; git-custody is not on the PATH of who works in it."""
    for name, value in homes(runner).items():
        monkeypatch.setenv(name, value)
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if not has_custody(folder)]
    monkeypatch.setenv("PATH", os.pathsep.join(folders))
    made = Scratch(tmp_path / "repo")
    made.runner = runner
    made.commit({"README.md": "A project.\n"}, "Start")
    return made


def bad_cases(repo: Repo, hook: str) -> set[str]:
    """Stage what this hook is there to stop, with something harmless beside it; the rules to expect."""
    repo.stage({"notes.txt": "Nothing to see here.\n"})
    if hook in ("forbid-pickle-weights", "custody"):
        repo.stage({"models/encoder.bin": PICKLE, "models/it's one.pt": PICKLE})
    if hook in ("check-dataset-card", "custody"):
        repo.stage({"data/rows.csv": ROWS, "data/-odd name.csv": ROWS + "21,more\n"})
    if hook == "check-dataset-audit-log":
        repo.stage({"data/rows.csv": ROWS})
    if hook == "check-policy":
        repo.stage({".custody/waivers/old.yaml": "version: 1\nrule: pickle-weigths\n"})
    return {
        "forbid-pickle-weights": {"pickle-weights"},
        "check-dataset-card": {"missing-data-card"},
        "check-dataset-audit-log": {"missing-audit-entry"},
        "check-policy": {"invalid-waiver"},
        "custody": {"pickle-weights", "missing-data-card"},
    }[hook]


@pytest.mark.parametrize("hook", ["forbid-pickle-weights", "check-dataset-card", "check-dataset-audit-log"])
def test_hook_blocks_its_bad_case_and_its_fix_mends_it(scratch: Scratch, hook: str) -> None:
    scratch.use(hook)
    rules = bad_cases(scratch, hook)
    said = scratch.blocked("git commit -m Bad", *rules)
    scratch.mend(said)
    scratch.passes("git commit -m Bad")


def test_umbrella_blocks_all_of_it_and_the_fixes_mend_it(scratch: Scratch) -> None:
    scratch.commit({".custody/policy.yaml": POLICY}, "Policy")
    scratch.use("custody")
    rules = bad_cases(scratch, "custody")
    said = scratch.blocked("git commit -m Bad", *rules)
    assert "(judged: staged changes against HEAD). Nothing was changed." in said.text
    scratch.mend(said)
    scratch.passes("git commit -m Bad")
    assert scratch.git("ls-files", "models") == ""
    scratch.passes(f"{scratch.runner.program} run --all-files")


@pytest.mark.parametrize("hook", ["check-policy", "custody"])
def test_invalid_policy_and_waivers_are_blocked(scratch: Scratch, hook: str) -> None:
    scratch.commit({".custody/policy.yaml": POLICY}, "Policy")
    scratch.use(hook)
    rules = bad_cases(scratch, "check-policy")
    scratch.blocked("git commit -m Bad", *rules)
    scratch.stage({".custody/policy.yaml": POLICY.replace("level", "levle")})
    said = scratch.blocked("git commit -m Bad", "invalid-policy", *rules)
    assert 'did you mean "level"?' in said.text, said.text
    scratch.git("reset", "-q", ".custody")
    scratch.passes("git commit -m Good")


def test_edit_of_a_dataset_with_commit_all(scratch: Scratch) -> None:
    scratch.commit({".custody/policy.yaml": POLICY}, "Policy")
    scratch.use("custody")
    scratch.stage({"data/rows.csv": ROWS})
    scratch.mend(scratch.blocked("git commit -m New", "missing-data-card"))
    scratch.passes("git commit -m New")
    scratch.write("data/rows.csv", ROWS.replace("row 7", "row seven"))
    said = scratch.blocked("git commit -a -m Edit")
    assert said.rules & {"missing-audit-entry", "digest-mismatch"}, said.text
    scratch.mend(said)
    scratch.passes("git commit -a -m Edit")


def test_commit_all_and_commit_of_a_path_are_judged_by_what_they_commit(scratch: Scratch) -> None:
    scratch.use("custody")
    scratch.commit({"encoder.bin": b"plain", "notes.txt": "first\n"})
    scratch.write("encoder.bin", PICKLE)
    scratch.write("notes.txt", "second\n")
    scratch.passes("git commit -m Notes notes.txt")
    scratch.blocked("git commit -m Weights encoder.bin", "pickle-weights")
    said = scratch.blocked("git commit -a -m Weights", "pickle-weights")
    scratch.mend(said)
    scratch.passes("git commit -a -m Weights")


def test_staged_pickle_is_blocked_whatever_lies_in_the_work_tree(scratch: Scratch) -> None:
    scratch.use("custody")
    scratch.stage({"encoder.bin": PICKLE})
    scratch.write("encoder.bin", b"plain")
    scratch.blocked("git commit -m Weights", "pickle-weights")
    scratch.git("add", "encoder.bin")
    scratch.write("encoder.bin", PICKLE)
    scratch.passes("git commit -m Plain")


def test_fix_is_printed_for_where_the_user_stands(scratch: Scratch) -> None:
    scratch.use("custody")
    scratch.stage({"notes.txt": "x\n", "data/raw/rows.csv": ROWS, "models/encoder.bin": PICKLE})
    said = scratch.blocked("git commit -m Bad", "pickle-weights", "missing-data-card", cwd="data/raw")
    assert any(fix.endswith(" rows.csv") for fix in said.fixes), said.fixes
    assert any(fix.endswith(" ../../models/encoder.bin") for fix in said.fixes), said.fixes
    scratch.mend(said, cwd="data/raw")
    scratch.passes("git commit -m Bad", cwd="data/raw")


def test_fix_names_the_program_that_the_user_has(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch.use("check-dataset-card")
    scratch.stage({"data/rows.csv": ROWS})
    said = scratch.blocked("git commit -m Bad", "missing-data-card")
    program = shlex.split(said.fixes[0])[0]
    assert os.path.isabs(program)
    assert os.access(program, os.X_OK)
    mine = scratch.path.parent / "bin"
    mine.mkdir()
    (mine / "git-custody").symlink_to(program)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}{mine}")
    said = scratch.blocked("git commit -m Bad", "missing-data-card")
    assert said.fixes[0].startswith("git custody add "), said.fixes
    scratch.mend(said)
    scratch.passes("git commit -m Bad")


def test_run_all_files_judges_the_whole_index(scratch: Scratch) -> None:
    scratch.use("custody")
    scratch.commit({"data/rows.csv": ROWS, "models/encoder.bin": PICKLE})
    said = scratch.blocked(f"{scratch.runner.program} run --all-files", "pickle-weights", "missing-data-card")
    assert "judged: the whole index" in said.text
    scratch.mend(said)
    scratch.passes(f"{scratch.runner.program} run --all-files")
    scratch.passes("git commit -m Mended")


def test_range_of_refs_finds_what_was_added_and_removed(scratch: Scratch) -> None:
    scratch.use("custody")
    base = scratch.git("rev-parse", "HEAD")
    scratch.commit({"notes.txt": "x\n"})
    refs = f"{scratch.runner.program} run --from-ref {base} --to-ref HEAD"
    scratch.passes(refs)
    scratch.commit({"data/rows.csv": ROWS})
    said = scratch.blocked(refs, "missing-data-card")
    scratch.mend(said)
    scratch.passes("git commit -m Card")
    scratch.passes(refs)
    scratch.commit({"models/encoder.bin": PICKLE})
    scratch.git("rm", "-q", "models/encoder.bin")
    scratch.commit(message="Remove it again")
    said = scratch.blocked(refs, "pickle-weights")
    assert "a commit in this range brings it" in said.text


def test_clean_merge_is_judged_by_what_it_makes(scratch: Scratch) -> None:
    scratch.use("custody")
    for branch in ("one", "two"):
        scratch.git("checkout", "-q", "-b", branch, "main")
        scratch.stage({f"data/{branch}.csv": ROWS + f"21,{branch}\n"})
        scratch.mend(scratch.blocked(f"git commit -m {branch}", "missing-data-card"))
        scratch.passes(f"git commit -m {branch}")
    scratch.git("checkout", "-q", "-b", "merged", "one")
    scratch.passes("git merge --no-edit two")
    # The same id for two datasets is wrong in the merge alone: neither branch could know.
    for branch in ("one", "two"):
        scratch.git("checkout", "-q", branch)
        card = scratch.path / f"data/{branch}.csv.datacard.yaml"
        text = re.sub(r"^id: .*$", "id: the-same", card.read_text(), count=1, flags=re.MULTILINE)
        scratch.commit({f"data/{branch}.csv.datacard.yaml": text})
    scratch.blocked("git merge --no-edit one", "duplicate-dataset-id")


def test_two_edits_of_one_dataset_end_in_one_finding_and_one_command(scratch: Scratch) -> None:
    scratch.commit({".custody/policy.yaml": POLICY}, "Policy")
    scratch.use("custody")
    scratch.stage({"data/rows.csv": ROWS})
    scratch.mend(scratch.blocked("git commit -m New", "missing-data-card"))
    scratch.passes("git commit -m New")
    for branch, row in (("one", "row 3"), ("two", "row 15")):
        scratch.git("checkout", "-q", "-b", branch, "main")
        scratch.write("data/rows.csv", ROWS.replace(f"{row}\n", f"{row}, {branch}\n"))
        scratch.mend(scratch.blocked(f"git commit -a -m {branch}"))
        scratch.passes(f"git commit -a -m {branch}")
    said = scratch.blocked("git merge --no-edit -X ours one", "audit-heads-diverged")
    assert len(said.fixes) == 1, said.fixes
    scratch.mend(said)
    scratch.passes("git commit --no-edit")
    scratch.passes(f"{scratch.runner.program} run --all-files")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="this file system takes no names that are not UTF-8")
def test_name_that_is_not_utf8(scratch: Scratch) -> None:
    scratch.use("custody")
    scratch.stage({"notes.txt": "x\n"})
    scratch.write(b"mod\xe8le.bin", PICKLE)
    scratch.sh("git add -A")
    if scratch.runner.name == "pre-commit":
        # pre-commit itself cannot decode the name; what matters is that the commit does not pass.
        head = scratch.git("rev-parse", "HEAD")
        done = subprocess.run(("git", "commit", "-q", "-m", "Bad"), cwd=scratch.path, capture_output=True, check=False)
        assert done.returncode != 0
        assert scratch.git("rev-parse", "HEAD") == head
        return
    said = scratch.blocked("git commit -m Bad", "pickle-weights")
    assert "mod\\xe8le.bin: pickle-weights" in said.text
    assert len(said.fixes) == 1
    done = subprocess.run(("bash", "-c", said.fixes[0]), cwd=scratch.path, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0
    scratch.passes("git commit -m Bad")


def test_commit_that_concerns_nobody_passes_in_silence(scratch: Scratch) -> None:
    scratch.use(*ALL_HOOKS)
    scratch.stage({"notes.txt": "x\n", "src/module.py": "print('hello')\n"})
    said = scratch.passes("git commit -m Notes")
    assert "Failed" not in said.text
    assert "judged" not in said.text


def _renamed(repo: Scratch) -> None:
    repo.git("mv", "data/rows.csv", "data/lines.csv")


def _deleted(repo: Scratch) -> None:
    repo.git("rm", "-q", "data/rows.csv")


def _deleted_with_card(repo: Scratch) -> None:
    repo.git("rm", "-q", "data/rows.csv", "data/rows.csv.datacard.yaml")


def _card_deleted(repo: Scratch) -> None:
    repo.git("rm", "-q", "data/rows.csv.datacard.yaml")


def _card_misnamed(repo: Scratch) -> None:
    repo.git("mv", "data/rows.csv.datacard.yaml", "data/rows.csv.datacard.yml")


def _other_id(repo: Scratch) -> None:
    card = repo.path / "data/rows.csv.datacard.yaml"
    repo.stage({"data/rows.csv.datacard.yaml": card.read_text().replace("id: rows\n", "id: lines\n")})


def _wrong_size(repo: Scratch) -> None:
    card = repo.path / "data/rows.csv.datacard.yaml"
    text = re.sub(r"bytes: \d+", "bytes: 7", card.read_text())
    repo.stage({"data/rows.csv.datacard.yaml": text})


def _entry_edited(repo: Scratch) -> None:
    (entry,) = (repo.path / ".custody/audit/rows").iterdir()
    repo.stage({f".custody/audit/rows/{entry.name}": entry.read_text().replace("example.org", "example.com")})


def _entry_removed(repo: Scratch) -> None:
    repo.git("rm", "-q", "-r", ".custody/audit/rows")


def _edited_and_moved(repo: Scratch) -> None:
    repo.git("mv", "data/rows.csv", "data/lines.csv")
    repo.git("mv", "data/rows.csv.datacard.yaml", "data/lines.csv.datacard.yaml")
    repo.stage({"data/lines.csv": ROWS.replace("row 3", "row three")})


@pytest.mark.parametrize("runner", ["prek"], indirect=True)
@pytest.mark.parametrize(
    "act",
    [
        _renamed, _deleted, _deleted_with_card, _card_deleted, _card_misnamed, _other_id, _wrong_size,
        _entry_edited, _entry_removed, _edited_and_moved,
    ],
)  # fmt: skip
def test_what_is_done_to_a_documented_dataset_is_mended_by_the_fixes(
    scratch: Scratch, act: Callable[[Scratch], None]
) -> None:
    scratch.commit({".custody/policy.yaml": POLICY}, "Policy")
    scratch.use("custody")
    scratch.stage({"data/rows.csv": ROWS})
    scratch.mend(scratch.blocked("git commit -m New", "missing-data-card"))
    scratch.passes("git commit -m New")
    act(scratch)
    scratch.stage({"notes.txt": "x\n"})
    said = scratch.blocked("git commit -m Change")
    scratch.mend(said)
    scratch.passes("git commit -m Change")
