"""`git custody init` writes what is missing, keeps every byte that is there, and says what it did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from clock import within
from commands import POLICY, PROGRAM, Commands, hide
from conftest import Repo
from git_custody import __version__
from git_custody.catalog import HOOK_IDS, load_all
from git_custody.core import git
from git_custody.core.metadata import load
from git_custody.core.pages import HOME
from git_custody.scaffold import ci_files
from git_custody.scaffold.policy_file import first_policy
from git_custody.scaffold.runner_entry import STAGES, Entry, extend, new

CONFIG = ".pre-commit-config.yaml"
OURS = {"repo": HOME, "rev": f"v{__version__}", "hooks": [{"id": "custody"}]}
IDS = {*HOOK_IDS, "custody"}


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    return Commands(repo, monkeypatch, capfd)


def valid(path: Path) -> None:
    command = (sys.executable, "-m", "pre_commit", "validate-config", str(path))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def told(out: str) -> dict[str, str]:
    """path → outcome"""
    lines = [line for line in out.partition("\nnext:")[0].splitlines() if not line.startswith(" ")]
    return {line[13:].partition(":")[0]: line[:13].strip() for line in lines}


def test_everything_is_written_where_nothing_is(custody: Commands, repo: Repo) -> None:
    out = custody.ok("init")
    assert told(out) == {
        POLICY: "wrote", CONFIG: "wrote", ".github/workflows/custody.yml": "wrote", ".gitlab-ci.yml": "wrote",
    }  # fmt: skip
    document = load((repo.path / POLICY).read_bytes(), "policy")
    assert document.problems == ()
    assert document.data == {
        "version": 1, "level": 1, "also": ["check-dataset-audit-log"], "mode": "block", "edition": "2026-12",
        "requires": ">=" + ".".join(__version__.split(".")[:2]),
    }  # fmt: skip
    config = yaml.safe_load((repo.path / CONFIG).read_text())
    assert config == {"default_install_hook_types": list(STAGES), "repos": [OURS]}
    valid(repo.path / CONFIG)
    for command in ("git add ", " install\n", " doctor\n"):
        assert command in out
    assert "adopt" not in out
    repo.git("add", "-A")
    assert repo.check().code == 0


def test_who_may_sign_is_named_while_that_needs_no_signature(custody: Commands) -> None:
    assert ".custody/allowed_signers: committed with the first policy" in custody.ok("init").partition("next:")[2]
    assert "allowed_signers" not in custody.ok("init")


def test_a_second_run_leaves_everything_alone(custody: Commands) -> None:
    custody.ok("init")
    before = custody.state()
    assert set(told(custody.ok("init")).values()) == {"left alone"}
    assert custody.state() == before


def test_a_dry_run_writes_nothing(custody: Commands, repo: Repo) -> None:
    repo.write(".gitignore", "data/\n")
    before = custody.state()
    assert told(custody.ok("init", "--dry-run")) == {
        POLICY: "would write", CONFIG: "would write", ".github/workflows/custody.yml": "would write",
        ".gitlab-ci.yml": "would write", ".gitignore": "would extend",
    }  # fmt: skip
    assert custody.state() == before


def test_what_is_there_is_never_overwritten(custody: Commands, repo: Repo) -> None:
    mine = {
        POLICY: "version: 1\nlevel: 3\n",
        ".github/workflows/custody.yml": "mine\n",
        ".gitlab-ci.yml": "a: {script: [b]}\n",
    }
    for path, text in mine.items():
        repo.write(path, text)
    out = custody.ok("init")
    for path, text in mine.items():
        assert told(out)[path] == "left alone"
        assert (repo.path / path).read_text() == text


def test_where_the_hooks_come_from_can_be_told(custody: Commands, repo: Repo) -> None:
    custody.ok("init", "--hooks-repo", "/srv/git hooks: ours", "--rev", "0123456789")
    entry = yaml.safe_load((repo.path / CONFIG).read_text())["repos"][0]
    assert (entry["repo"], entry["rev"]) == ("/srv/git hooks: ours", "0123456789")
    valid(repo.path / CONFIG)


@pytest.fixture
def source(tmp_path: Path) -> Repo:
    """A repository of hooks with some tags."""
    made = Repo(tmp_path / "hooks")
    for tag in ("v1.9.0", "v1.10.0", "v0.1", "v0.2"):
        made.commit(message=tag)
        made.git("tag", "-a", "-m", tag, tag)
    made.commit(message="Later")
    made.git("branch", "stable", "HEAD~1")
    return made


@pytest.mark.parametrize(
    "rev", ["v1.9.0", "tags/v1.9.0", "stable", "origin/stable", "HEAD", "v1.9.0^{commit}", "HEAD~1^{commit}"]
)
def test_a_revision_that_the_hooks_have_is_taken(rev: str, custody: Commands, source: Repo) -> None:
    named = source.git("rev-parse", rev) if "{" in rev else rev
    assert "not checked" not in custody.ok("init", "--hooks-repo", "../hooks", "--rev", named)


@pytest.mark.parametrize("rev", ["v9.9.9", "1.9.0", "0123456789" * 4, ""])
def test_a_revision_that_the_hooks_do_not_have_is_refused(rev: str, custody: Commands, source: Repo) -> None:
    for more in ((), ("--dry-run",)):
        said = custody.fails(2, "init", "--hooks-repo", str(source.path), "--rev", rev, *more)
        assert f'no revision "{rev}" (its newest tags: v1.10.0, v1.9.0, v0.2)' in said


@pytest.mark.parametrize("rev", ["HEAD~2", "v1.9.0~1", "v1.9.0-1-g0123456", "0123456"])
def test_a_revision_that_only_a_clone_can_tell_is_taken_and_that_is_said(
    rev: str, custody: Commands, source: Repo
) -> None:
    assert f'"{rev}" was not checked' in custody.ok("init", "--hooks-repo", str(source.path), "--rev", rev)


def test_hooks_that_cannot_be_reached_are_taken_and_that_is_said(custody: Commands, repo: Repo) -> None:
    out = custody.ok("init")
    assert f'whether {HOME} has "v{__version__}" was not checked: git ls-remote cannot reach it' in out
    assert yaml.safe_load((repo.path / CONFIG).read_text())["repos"] == [OURS]
    assert "not checked" not in custody.ok("init")  # which has no use for it


def test_hooks_that_do_not_answer_hold_nothing_up(custody: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "_PATIENCE_ELSEWHERE", 0.5)
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ssh")
    monkeypatch.setenv("GIT_SSH_COMMAND", "sleep 20 #")
    with within(10):
        assert "was not checked" in custody.ok("init", "--dry-run", "--hooks-repo", "git@example.org:hooks")


def test_what_to_do_next_works_where_the_user_stands(custody: Commands, repo: Repo) -> None:
    repo.write("src/deep/a.py", "")
    out = custody.ok("init", cwd="src/deep")
    (add,) = (line.strip() for line in out.splitlines() if line.strip().startswith("git add"))
    repo.git(*add.split()[1:], cwd="src/deep")
    assert set(repo.git("diff", "--cached", "--name-only").splitlines()) == set(told(out))


def test_what_to_do_next_names_programs_that_the_shell_finds(
    custody: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "git-custody", "prek")
    out = custody.ok("init")
    assert f"    {PROGRAM} doctor\n" in out
    assert "    pre-commit install\n" in out


def test_models_and_data_are_adopted_before_the_commit(custody: Commands, repo: Repo) -> None:
    repo.commit({"data/rows.csv": "1\n", "models/old.pkl": "x"}, "Assets")
    out = custody("init").out
    assert out.index("git add ") < out.index(" adopt\n") < out.index(" install\n") < out.index("git commit\n")
    assert "before the policy is committed" in out
    repo.git("add", "-A")
    assert custody("adopt", "--yes").code == 0
    repo.commit(message="Keep the chain of custody")
    assert "adopt" not in custody("init").out


def test_comments_of_the_first_policy_are_in_one_column() -> None:
    rows = [row for row in first_policy(load_all()).decode().splitlines() if ": " in row and row[0] != "#"]
    assert len({row.index("# ") for row in rows if "# " in row}) == 1


def test_nothing_is_written_through_a_link(custody: Commands, repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (repo.path / ".custody").symlink_to(tmp_path / "elsewhere")
    custody.fails(2, "init")
    assert list((tmp_path / "elsewhere").iterdir()) == []


# ---------------------------------------------------------------------- the runner's configuration

BASE = "repos:\n- repo: local\n  hooks:\n  - {id: a, name: a, entry: a, language: system}\n"
HOOK = "repos:\n- repo: local\n  hooks:\n  - id: a\n    name: a\n    language: system\n    entry: "
INDENTED = """\
repos:
  # first
  - repo: local
    hooks:
      - id: a
        name: a
        entry: a
        language: system  # b


fail_fast: true
"""
ANCHORED = """\
repos:
- repo: https://example.org/ä
  rev: &r v1
  hooks: [{id: x}, {id: y,
    args: [a]}]
- repo: https://example.org/b
  rev: *r
  hooks:
  - id: z
"""
LAYOUTS = [
    BASE,
    BASE.rstrip("\n"),
    BASE.replace("\n", "\r\n"),
    "# mine\n---\n" + BASE + "\n# about the end\n",
    INDENTED,
    ANCHORED,
    BASE + "    # still about a\n",
    BASE + "default_install_hook_types: [pre-commit, pre-push, commit-msg, pre-merge-commit]\n",
    "default_install_hook_types:\n- pre-push\n- pre-commit\n- pre-merge-commit\n" + BASE,
    HOOK + "|\n      one\n      two\n\n\nci: {}\n",
    HOOK + ">-\n      one\n      two\n",
    HOOK + "a\n    files: |-\n\n      x\n# end",
    HOOK + "'a\n      b'\nfail_fast: true\n",
]


@pytest.mark.parametrize("text", LAYOUTS)
def test_a_configuration_is_extended_and_keeps_every_byte(text: str) -> None:
    before = yaml.safe_load(text)
    extended = extend(text.encode(), Entry(HOME, "v1"), IDS)
    assert extended.text is not None, extended.note
    after = yaml.safe_load(extended.text)
    assert after["repos"] == [*before["repos"], {"repo": HOME, "rev": "v1", "hooks": [{"id": "custody"}]}]
    assert set(STAGES) <= set(after["default_install_hook_types"])
    rest = {key: value for key, value in after.items() if key not in ("repos", "default_install_hook_types")}
    assert rest == {key: value for key, value in before.items() if key not in ("repos", "default_install_hook_types")}
    # What was added is whole lines: without them, the user's text is left.
    rows = iter(extended.text.decode().splitlines(keepends=True))
    for mine in text.splitlines(keepends=True):
        assert any(row.rstrip("\r\n") == mine.rstrip("\r\n") for row in rows), mine
    if "\r\n" in text:
        assert b"\n" not in extended.text.replace(b"\r\n", b"")
    again = extend(extended.text, Entry(HOME, "v1"), IDS)
    assert again.text is None
    assert "already" in again.note


HOPELESS = [
    "repos: []\n",
    "{repos: [{repo: meta, hooks: [{id: identity}]}]}\n",
    "repos: [{repo: meta, hooks: [{id: identity}]}]\n",
    "repos: {}\n",
    "a: b\n",
    "",
    "- a\n",
    "repos:\n- a: [\n",
    BASE + "default_install_hook_types: [pre-commit]\n",
]


@pytest.mark.parametrize("text", HOPELESS)
def test_what_cannot_be_extended_safely_is_left_with_the_lines_to_add(text: str) -> None:
    extended = extend(text.encode(), Entry(HOME, "v1"), IDS)
    assert extended.text is None
    assert "yourself" in extended.note
    added: dict[str, Any] = yaml.safe_load("\n".join(extended.to_add))
    assert added["repos"][0]["hooks"] == [{"id": "custody"}]


def test_bytes_that_are_not_text_are_left_alone() -> None:
    assert extend(b"repos:\n- \xff\n", Entry(HOME, "v1"), IDS).text is None


def test_single_hooks_of_ours_are_enough(custody: Commands, repo: Repo) -> None:
    start = f"default_install_hook_types: [{', '.join(STAGES)}]\nrepos:\n"
    text = f"{start}- repo: {HOME}\n  rev: v1\n  hooks:\n  - id: check-dataset-card\n"
    repo.write(CONFIG, text)
    assert "it runs check-dataset-card already" in custody.ok("init")
    assert (repo.path / CONFIG).read_text() == text


def test_a_real_configuration_is_extended_in_place(custody: Commands, repo: Repo) -> None:
    repo.write(CONFIG, INDENTED)
    assert told(custody.ok("init"))[CONFIG] == "extended"
    valid(repo.path / CONFIG)


def test_the_other_suffix_is_respected(custody: Commands, repo: Repo) -> None:
    repo.write(".pre-commit-config.yml", BASE)
    out = custody.ok("init")
    assert told(out)[".pre-commit-config.yml"] == "extended"
    assert "pre-commit only reads .pre-commit-config.yaml" in out
    assert not (repo.path / CONFIG).exists()


def test_a_configuration_for_prek_alone_is_left_with_the_lines_to_add(custody: Commands, repo: Repo) -> None:
    repo.write("prek.toml", "[[repos]]\nrepo = 'builtin'\nhooks = [{ id = 'check-yaml' }]\n")
    out = custody.ok("init")
    assert told(out)["prek.toml"] == "left alone"
    assert 'hooks = [{ id = "custody" }]' in out
    assert "    prek install\n" in out
    lines = [line.strip() for line in out.splitlines() if line.startswith(" " * 17)]
    before = (repo.path / "prek.toml").read_text()
    repo.write("prek.toml", f"{lines[0]}\n\n{before}" + "".join(line + "\n" for line in lines[1:]))
    assert "it runs custody already" in custody.ok("init")
    subprocess.run((sys.executable, "-m", "prek", "validate-config", "prek.toml"), cwd=repo.path, check=True)
    subprocess.run((sys.executable, "-m", "prek", "install"), cwd=repo.path, check=True, capture_output=True)
    assert {path.name for path in (repo.path / ".git" / "hooks").glob("pre-*[!e]")} >= set(STAGES)


def test_a_new_configuration_is_valid(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_bytes(new(Entry(HOME, "v1")))
    valid(tmp_path / CONFIG)


# ---------------------------------------------------------------------- CI


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://github.com/a/b.git", "github"),
        ("git@github.com:a/b.git", "github"),
        ("ssh://git@gitlab.example.org:2222/a/b", "gitlab"),
        ("https://user@gitlab.com/a/b", "gitlab"),
        ("https://code.gitlab.internal/a", "gitlab"),
        ("https://example.org/github.com/a", None),
        ("https://notgithub.com/a", None),
        ("/srv/git/github.com.git", None),
        (None, None),
    ],
)
def test_the_host_is_read_off_the_remote(url: str | None, host: str | None) -> None:
    assert ci_files.host(url) == host


@pytest.mark.parametrize(("url", "wrote"), [("git@github.com:a/b", "github"), ("https://gitlab.com/a/b", "gitlab")])
def test_only_the_hosts_own_ci_is_set_up(url: str, wrote: str, custody: Commands, repo: Repo) -> None:
    repo.git("remote", "add", "origin", url)
    custody.ok("init")
    assert (repo.path / ".github").exists() is (wrote == "github")
    assert (repo.path / ".gitlab-ci.yml").exists() is (wrote == "gitlab")


@pytest.mark.parametrize(
    ("present", "wrote"), [(".github/workflows/tests.yml", "github"), (".gitlab-ci.yml", "gitlab")]
)
def test_without_a_remote_the_files_there_tell_the_host(
    present: str, wrote: str, custody: Commands, repo: Repo
) -> None:
    repo.write(present, "a: {script: [b]}\n")
    done = told(custody.ok("init"))
    assert (".github/workflows/custody.yml" in done) is (wrote == "github")
    assert ("custody.gitlab-ci.yml" in done) is (wrote == "gitlab")


@pytest.mark.parametrize(
    ("words", "source"),
    [
        ((), f"git-custody=={__version__}"),
        (("--rev", "0123abc"), f'"git-custody @ git+{HOME}@0123abc"'),
        (
            ("--hooks-repo", "https://git.example.org/a/b.git", "--rev", "v2"),
            '"git-custody @ git+https://git.example.org/a/b.git@v2"',
        ),
        (
            ("--hooks-repo", "git@git.example.org:a/b.git", "--rev", "v2"),
            '"git-custody @ git+ssh://git@git.example.org/a/b.git@v2"',
        ),
        (("--hooks-repo", "/srv/git/hooks", "--rev", "v2"), f"git-custody=={__version__}"),
        (("--hooks-repo", "https://a.example/$(id)", "--rev", "v2"), f"git-custody=={__version__}"),
        (("--rev", "v2 ${{ github.token }}"), f"git-custody=={__version__}"),
    ],
)
def test_ci_installs_what_the_hooks_are_taken_from(
    words: tuple[str, ...], source: str, custody: Commands, repo: Repo
) -> None:
    said = custody.ok("init", *words)
    assert said.count(f"it installs git-custody=={__version__}, because pip") == (source[0] != '"' and len(words) > 0)
    assert said.count("required check") == said.count("the same on GitLab; keep the one that you need") == 1
    install = f"python -m pip install {source}"
    steps = yaml.safe_load((repo.path / ".github/workflows/custody.yml").read_text())["jobs"]["custody"]["steps"]
    assert [step["run"] for step in steps if "pip install" in step.get("run", "")] == [install]
    assert yaml.safe_load((repo.path / ".gitlab-ci.yml").read_text())["custody"]["script"][0] == install


def test_no_ci_when_none_is_wanted(custody: Commands, repo: Repo) -> None:
    custody.ok("init", "--ci", "none")
    assert not (repo.path / ".github").exists()
    assert not (repo.path / ".gitlab-ci.yml").exists()


def test_an_existing_gitlab_file_gets_one_to_include(custody: Commands, repo: Repo) -> None:
    repo.write(".gitlab-ci.yml", "a: {script: [b]}\n")
    out = custody.ok("init", "--ci", "gitlab")
    assert "- local: custody.gitlab-ci.yml" in out
    assert "custody" in yaml.safe_load((repo.path / "custody.gitlab-ci.yml").read_text())
    repo.write(".gitlab-ci.yml", "include:\n  - local: custody.gitlab-ci.yml\n")
    assert "yourself" not in custody.ok("init", "--ci", "gitlab")


def test_the_github_workflow_judges_whole_history_with_the_least_rights() -> None:
    workflow = yaml.safe_load(ci_files.github_workflow(ci_files.release("1.2.3")))
    assert set(workflow[True]) == {"pull_request", "push"}  # YAML 1.1 reads `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    steps = workflow["jobs"]["custody"]["steps"]
    assert steps[0]["with"] == {"fetch-depth": 0, "persist-credentials": False}
    for step in steps:
        assert "uses" not in step or len(step["uses"].partition("@")[2]) == 40
        # A branch name in the text of a script would be run by the shell.
        assert "${{" not in step.get("run", "")
    commands = [step["run"] for step in steps if "run" in step]
    assert "python -m pip install git-custody==1.2.3" in commands
    assert 'git custody check --range "origin/$BASE...HEAD"' in commands
    assert "git custody check --all" in commands


def test_the_gitlab_job_judges_whole_history() -> None:
    job = yaml.safe_load(ci_files.gitlab_job(ci_files.release("1.2.3")))["custody"]
    assert job["variables"] == {"GIT_DEPTH": "0"}
    script = "\n".join(job["script"])
    assert "git-custody==1.2.3" in script
    assert 'git custody check --range "origin/$base...HEAD"' in script
    assert "git custody check --all" in script


# ---------------------------------------------------------------------- ignore rules

RECORDS = (POLICY, ".custody/waivers/a.yaml", f".custody/audit/ab/{'0' * 64}.json")
CARDS = (
    "data/datacard.yaml",
    "data/a.csv.datacard.yaml",
    "data/sub/b.csv.datacard.yaml",
    "datasets/modelcard.yaml",
)
RULES = [
    "data/\n", "/data\n", "data/\n*.yaml\n", "*.json", "*.yaml\n*.json\n", ".*\n!.gitignore\n", "*\n",
    "data/**\n", "/data/*\n", "data/\r\n",
]  # fmt: skip


@pytest.mark.parametrize("rules", RULES)
def test_records_can_be_committed_and_nothing_else_is_let_in(rules: str, custody: Commands, repo: Repo) -> None:
    repo.write(".gitignore", rules)
    for path in ("data/a.csv", "data/sub/b.csv", "datasets/c.csv", "data/.hidden/d.csv", "e.json", "f.yaml"):
        repo.write(path, "x")
    listed = ("ls-files", "-o", "--exclude-standard")
    before = set(repo.git(*listed).splitlines())
    assert told(custody.ok("init", "--ci", "none"))[".gitignore"] == "extended"
    assert (repo.path / ".gitignore").read_bytes().startswith(rules.encode())
    after = set(repo.git(*listed).splitlines())
    assert after - before <= {POLICY, CONFIG, ".gitignore"}
    assert before <= after
    for path in (*RECORDS, *CARDS):
        assert repo.git("check-ignore", "--no-index", path, check=False) == "", path
    assert ".gitignore" not in told(custody.ok("init", "--ci", "none"))


def test_no_rule_that_is_in_the_way_means_no_change(custody: Commands, repo: Repo) -> None:
    repo.write(".gitignore", "*.pyc\n")
    assert ".gitignore" not in told(custody.ok("init"))


@pytest.mark.parametrize(("path", "rules"), [("data/.gitignore", "*.yaml\n"), (".gitignore", "data/*\n!data/small/\n")])
def test_what_no_rule_at_the_root_can_mend_is_said(path: str, rules: str, custody: Commands, repo: Repo) -> None:
    repo.write(path, rules)
    repo.write("data/small/a.csv", "x")
    out = custody.ok("init")
    assert told(out)[".gitignore"] == "left alone"
    assert f"{path}:1: {rules.splitlines()[0]}" in out
    assert (repo.path / path).read_text() == rules
