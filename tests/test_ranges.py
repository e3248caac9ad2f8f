"""A range is the gate: its tip, its change, and every object that a commit in it brings."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from builders import torch_zip
from conftest import HOOKS, PICKLE, ROWS, Repo, documented
from git_custody.core.git import Git

if TYPE_CHECKING:
    from pathlib import Path

WORDS = "Ordinary words.\n"


@pytest.fixture
def topic(repo: Repo) -> Repo:
    """`topic`, checked out, has a pickle in its second of three commits; `main` has gone on."""
    repo.git("checkout", "-q", "-b", "topic")
    repo.commit({"a.txt": WORDS})
    repo.commit({"w.bin": PICKLE})
    repo.commit({"b.txt": WORDS})
    repo.git("checkout", "-q", "main")
    repo.commit({"c.txt": WORDS})
    repo.git("checkout", "-q", "topic")
    return repo


def clone(source: Repo, path: Path, *words: str) -> Repo:
    subprocess.run(("git", "clone", "-q", *words, source.path.as_uri(), str(path)), check=True, capture_output=True)
    return Repo(path)


# ---------------------------------------------------------------------- what is in a range


def test_a_pickle_that_a_later_commit_takes_away(topic: Repo) -> None:
    topic.git("rm", "-q", "w.bin")
    topic.commit()
    assert topic.check("--all").passes
    verdict = topic.check("--range", "main...HEAD")
    assert verdict.caught() == ["w.bin"]
    (finding,) = verdict.report["findings"]
    assert "a commit in this range brings it" in finding["message"]
    assert finding["fix"] == [f"git rebase -i {topic.git('merge-base', 'main', 'HEAD')}"]


def test_the_way_out_of_a_single_commit_works_at_once(topic: Repo) -> None:
    base = topic.git("rev-parse", "HEAD")
    topic.commit({"x.bin": PICKLE, "m.pt": torch_zip(), "d.txt": WORDS})
    found = topic.check("--range", f"{base}...HEAD").report["findings"]
    assert {finding["path"]: finding["fix"][-1] for finding in found} == dict.fromkeys(
        ("m.pt", "x.bin"), "git commit --amend --no-edit"
    )
    paste(topic, *(line for finding in found for line in finding["fix"]))
    assert topic.check("--range", f"{base}...HEAD").passes
    assert topic.git("ls-tree", "-r", "--name-only", "HEAD", "m.pt", "x.bin", "d.txt", "m.safetensors").split() == [
        "d.txt",
        "m.safetensors",
    ]


def test_a_commit_of_nothing_else_is_taken_back(topic: Repo) -> None:
    base = topic.commit({"a.txt": "other words\n"})
    topic.commit({"x.bin": PICKLE})
    (finding,) = topic.check("--range", f"{base}...HEAD").report["findings"]
    paste(topic, *finding["fix"])
    assert topic.git("rev-parse", "HEAD") == base
    assert topic.git("status", "--porcelain") == "?? x.bin"


def test_one_of_several_commits_is_not_mended_by_another_one(topic: Repo) -> None:
    (finding,) = topic.check("--range", "main...HEAD").report["findings"]
    assert finding["message"].endswith("brings it, and taking it away in a later one would not help")
    assert finding["fix"] == [f"git rebase -i {topic.git('merge-base', 'main', 'HEAD')}"]


def test_where_there_is_no_base_the_history_is_rewritten_from_its_root(topic: Repo) -> None:
    verdict = topic.check(env={"PRE_COMMIT": "1", "PRE_COMMIT_TO_REF": "HEAD"})
    (finding,) = verdict.report["findings"]
    assert finding["fix"] == ["git rebase -i --root"]


def paste(repo: Repo, *lines: str) -> None:
    """Run commands as they are printed."""
    for line in lines:
        words = shlex.split(line)
        if words[0] == "git" and words[1] != "custody":
            repo.git(*words[1:])
        else:
            assert repo.custody(*words[words.index("add") :]).code == 0


def test_a_pickle_that_a_later_commit_overwrites(topic: Repo) -> None:
    topic.commit({"w.bin": WORDS})
    assert topic.check("--range", "main...HEAD").caught() == ["w.bin"]


def test_a_pickle_of_the_base_is_not_the_range_s(repo: Repo) -> None:
    base = repo.commit({"old.bin": PICKLE})
    repo.commit({"a.txt": WORDS})
    assert repo.check("--range", f"{base}...HEAD").passes
    repo.git("rm", "-q", "old.bin")
    repo.commit()
    assert repo.check("--range", f"{base}...HEAD").passes


def test_cards_are_judged_at_the_tip(repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    repo.commit({"data/a.csv": ROWS})
    assert repo.check("--range", f"{base}...HEAD").caught("missing-data-card") == ["data/a.csv"]
    repo.commit(documented("data/a.csv"))
    assert repo.check("--range", f"{base}...HEAD").passes


def test_neither_index_nor_work_tree_count(topic: Repo) -> None:
    topic.git("checkout", "-q", "main")
    topic.stage({"x.bin": PICKLE})
    topic.write("y.bin", PICKLE)
    assert topic.check("--range", "main...topic").caught() == ["w.bin"]
    assert topic.check("--range", "topic...main").passes


@pytest.mark.parametrize("range", ["main...topic", "main..topic", "main...", "main..", "refs/heads/main...topic"])
def test_ways_to_write_a_range(topic: Repo, range: str) -> None:
    verdict = topic.check("--range", range)
    assert verdict.caught() == ["w.bin"]
    assert verdict.report["judged"] == {
        "mode": "range", "base": topic.git("rev-parse", "main"), "head": topic.git("rev-parse", "topic"),
    }  # fmt: skip


def test_an_empty_range_passes(topic: Repo) -> None:
    assert topic.check("--range", "topic...topic").passes
    assert topic.check("--range", "topic...main").passes


@pytest.mark.parametrize(
    "range",
    [
        "...HEAD",
        "..",
        "HEAD",
        "",
        "nowhere...HEAD",
        "HEAD...nowhere",
        "main...topic...main",
        "HEAD^{tree}...HEAD",
    ],
)
def test_what_is_not_a_range(topic: Repo, range: str) -> None:
    assert topic.check(f"--range={range}").refusal


@pytest.mark.parametrize(
    "range", ["--output=x...HEAD", "HEAD...--output=x", "--all...HEAD", "-h...HEAD", "--exec=touch x...HEAD"]
)
def test_a_revision_is_never_an_option(topic: Repo, range: str) -> None:
    assert "is not a commit here" in topic.check(f"--range={range}").refusal
    assert topic.custody("check", "--range", range).code == 2
    base, _, head = range.partition("...")
    assert topic.check(env={"PRE_COMMIT_FROM_REF": base, "PRE_COMMIT_TO_REF": head}).code == 2
    assert not (topic.path / "x").exists()


def test_unrelated_histories_have_everything_to_show(repo: Repo) -> None:
    repo.commit({"old.bin": PICKLE})
    repo.git("checkout", "-q", "--orphan", "elsewhere")
    repo.git("rm", "-qrf", ".")
    repo.commit({"a.txt": WORDS})
    assert repo.check("--range", "main...elsewhere").passes
    repo.commit({"w.bin": PICKLE})
    for dots in ("..", "..."):
        assert repo.check("--range", f"main{dots}elsewhere").caught() == ["w.bin"]


def test_a_tag_is_not_taken_for_the_branch_of_the_same_name(topic: Repo) -> None:
    topic.git("tag", "main", "topic")
    assert (
        "names more than one commit; write it in full, such as refs/heads/main"
        in topic.check("--range", "main...HEAD").refusal
    )
    assert topic.check("--range", "refs/heads/main...HEAD").caught() == ["w.bin"]
    topic.git("config", "core.warnAmbiguousRefs", "false")
    assert topic.check("--range", "main...HEAD").code == 2


def test_a_branch_called_head_or_like_a_commit_changes_nothing(topic: Repo) -> None:
    main = topic.git("rev-parse", "main")
    topic.git("update-ref", "refs/heads/HEAD", main)
    topic.git("update-ref", f"refs/tags/{main}", "topic")
    assert topic.check("--range", f"{main}...HEAD").caught() == ["w.bin"]


def test_annotated_tags_name_commits(topic: Repo) -> None:
    topic.git("tag", "-a", "-m", "One", "v1", "main")
    assert topic.check("--range", "v1...HEAD").caught() == ["w.bin"]


# ---------------------------------------------------------------------- a runner's refs


def test_a_runner_s_range(topic: Repo) -> None:
    topic.stage({"staged.bin": PICKLE})
    env = {"PRE_COMMIT": "1", "PRE_COMMIT_FROM_REF": "main", "PRE_COMMIT_TO_REF": "topic"}
    verdict = topic.check(env=env)
    assert (verdict.judged, verdict.caught()) == ("range", ["w.bin"])
    assert topic.check(env={**env, "PRE_COMMIT_FROM_REF": "topic~1"}).passes


@pytest.mark.parametrize("base", [None, "", "0" * 40, "0" * 64])
def test_a_first_push_has_no_base(topic: Repo, base: str | None) -> None:
    env = {"PRE_COMMIT": "1", "PRE_COMMIT_TO_REF": "topic"}
    if base is not None:
        env["PRE_COMMIT_FROM_REF"] = base
    topic.git("rm", "-q", "w.bin")
    topic.commit()
    verdict = topic.check(env=env)
    assert (verdict.judged, verdict.caught()) == ("range", ["w.bin"])
    assert verdict.report["judged"]["base"] is None
    assert topic.check(env={**env, "PRE_COMMIT_TO_REF": "main"}).passes


def test_a_runner_s_base_alone_is_no_range(topic: Repo) -> None:
    assert topic.check(env={"PRE_COMMIT": "1", "PRE_COMMIT_FROM_REF": "main"}).judged == "index"


def test_a_runner_s_ref_that_is_not_here(topic: Repo) -> None:
    env = {"PRE_COMMIT": "1", "PRE_COMMIT_FROM_REF": "1" * 40, "PRE_COMMIT_TO_REF": "topic"}
    assert f'"{"1" * 40}" is not a commit here; fetch it first' in topic.check(env=env).refusal


def test_by_hand_beats_a_runner_s_refs(topic: Repo) -> None:
    env = {"PRE_COMMIT_FROM_REF": "main", "PRE_COMMIT_TO_REF": "topic"}
    assert topic.check("--staged", env=env).judged == "staged"
    assert topic.check("--all", env=env).judged == "index"
    assert topic.check("--range", "topic...main", env=env).passes


# ---------------------------------------------------------------------- history that pretends


def test_a_replaced_blob_is_judged_as_it_is_stored(topic: Repo) -> None:
    bad = topic.git("rev-parse", "HEAD:w.bin")
    good = topic.git("hash-object", "-w", "--stdin", input=WORDS.encode())
    topic.git("replace", bad, good)
    assert topic.git("cat-file", "blob", bad) == WORDS.strip()
    assert topic.check("--range", "main...HEAD").caught() == ["w.bin"]
    assert topic.check("--all").caught() == ["w.bin"]
    topic.stage({"staged.bin": PICKLE})
    assert topic.check().caught() == ["staged.bin"]


def test_a_replaced_commit_hides_nothing(topic: Repo) -> None:
    topic.git("replace", "topic~1", "topic~2")
    assert "w.bin" not in topic.git("ls-tree", "--name-only", "topic~1")
    topic.git("rm", "-q", "--cached", "w.bin")
    topic.commit()
    assert topic.check("--range", "main...HEAD").caught() == ["w.bin"]


def test_a_replaced_tree_hides_nothing(topic: Repo) -> None:
    topic.git("replace", "topic^{tree}", "main^{tree}")
    assert topic.check("--range", "main...HEAD").caught() == ["w.bin"]


def test_a_graft_hides_nothing(topic: Repo) -> None:
    topic.git("rm", "-q", "w.bin")
    tip = topic.commit()
    grafts = topic.path / ".git/info/grafts"
    grafts.write_text(f"{tip} {topic.git('merge-base', 'main', 'topic')}\n")
    assert len(topic.git("rev-list", "main..topic").split()) == 1
    assert topic.check("--range", "main...HEAD").caught() == ["w.bin"]


def test_a_mode_that_git_no_longer_writes(repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    blob = repo.git("hash-object", "-w", "--stdin", input=PICKLE)
    listing = b"100664 w.bin\0" + bytes.fromhex(blob)
    tree = repo.git("hash-object", "--literally", "-t", "tree", "-w", "--stdin", input=listing)
    commit = repo.git("commit-tree", tree, "-p", base, "-m", "Odd")
    assert repo.check("--range", f"{base}...{commit}").caught() == ["w.bin"]


# ---------------------------------------------------------------------- clones that lack something


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_shallow_clone_that_lacks_the_fork_cannot_verify(topic: Repo, tmp_path: Path, depth: int) -> None:
    topic.git("rm", "-q", "w.bin")
    topic.commit()
    made = clone(topic, tmp_path / "clone", "--depth", str(depth), "--no-single-branch")
    said = made.check("--range", "origin/main...origin/topic").refusal
    assert said.startswith("cannot verify origin/main...origin/topic: this clone is shallow")
    assert said.endswith("run: git fetch --unshallow")
    said = made.check(env={"PRE_COMMIT": "1", "PRE_COMMIT_TO_REF": "HEAD"}).refusal
    assert said.startswith("cannot verify everything that HEAD reaches")


def test_a_shallow_clone_that_is_deep_enough(topic: Repo, tmp_path: Path) -> None:
    topic.git("rm", "-q", "w.bin")
    topic.commit()
    made = clone(topic, tmp_path / "clone", "--depth", "5", "--no-single-branch")
    made.git("fetch", "-q", "--depth", "5", "origin", "main:main")
    assert made.check("--range", "origin/main...origin/topic").caught() == ["w.bin"]
    assert made.check("--range", "origin/topic~1...origin/topic").passes


def test_a_shallow_clone_whose_base_is_missing(topic: Repo, tmp_path: Path) -> None:
    made = clone(topic, tmp_path / "clone", "--depth", "1")
    assert '"origin/main" is not a commit here; fetch it first' in made.check("--range", "origin/main...HEAD").refusal


def test_a_commit_in_a_shallow_clone(topic: Repo, tmp_path: Path) -> None:
    made = clone(topic, tmp_path / "clone", "--depth", "1")
    assert made.check("--all").caught() == ["w.bin"]
    made.hook()
    made.stage({"v.bin": PICKLE})
    assert not made.commits()
    assert made.seen.caught() == ["v.bin"]


def test_a_partial_clone_is_not_completed_in_passing(topic: Repo, tmp_path: Path) -> None:
    topic.git("rm", "-q", "w.bin")
    topic.commit()
    absent, present = topic.git("rev-parse", "HEAD~1:w.bin"), topic.git("rev-parse", "HEAD:a.txt")
    topic.git("config", "uploadpack.allowFilter", "true")
    made = clone(topic, tmp_path / "clone", "--filter=blob:none")
    trace = tmp_path / "trace"
    env = {"GIT_TRACE": str(trace)}
    before = made.git("count-objects", "-v")
    verdict = made.check("--range", "origin/main...HEAD", env=env)
    assert verdict.caught("content-absent") == ["w.bin"]
    assert [item["path"] for item in verdict.report["not_judged"]] == ["w.bin"]
    assert "fetch" not in trace.read_text()
    assert "cat-file" in trace.read_text()
    shutil.move(topic.path, tmp_path / "away")
    assert made.check("--range", "origin/main...HEAD").caught("content-absent") == ["w.bin"]
    assert made.check("--all").passes
    with Git(str(made.path)) as git:
        assert git.sizes([absent, present, absent, present]) == {present: len(WORDS)}
        read = [(blob.oid, blob.content is None) for blob in git.blobs([(absent, True), (present, False)] * 30)]
        assert read == [(absent, True), (present, False)] * 30
    made.stage({"v.bin": PICKLE})
    assert made.check().caught() == ["v.bin"]
    made.git("rm", "-q", "--cached", "v.bin")
    assert made.git("count-objects", "-v").splitlines()[2:5] == before.splitlines()[2:5]


def test_a_partial_clone_without_trees_cannot_verify(topic: Repo, tmp_path: Path) -> None:
    topic.git("config", "uploadpack.allowFilter", "true")
    made = clone(topic, tmp_path / "clone", "--filter=tree:0")
    shutil.move(topic.path, tmp_path / "away")
    assert made.check("--range", "origin/main...HEAD").refusal


def test_a_push_is_judged_before_it_is_accepted(topic: Repo, tmp_path: Path) -> None:
    server = tmp_path / "server.git"
    subprocess.run(("git", "clone", "-q", "--bare", "--single-branch", "-b", "main", topic.path, server), check=True)
    script = (
        "#!/bin/sh\nread old new name\n"
        f"exec git-custody-under-test check --format json --range \"main...$new\" > '{tmp_path}/hook.json'\n"
    )
    script = script.replace("git-custody-under-test", f"env PYTHONPATH='{HOOKS}' '{sys.executable}' -m git_custody")
    hook = server / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(script)
    hook.chmod(0o755)
    topic.git("rm", "-q", "w.bin")
    topic.commit()
    topic.git("push", "-q", str(server), "topic", check=False)
    assert topic.seen.caught() == ["w.bin"]
    assert "topic" not in topic.git("ls-remote", str(server))
    topic.git("push", "-q", str(server), "main~0:refs/heads/other")
    assert "other" in topic.git("ls-remote", str(server))
