"""In a merge, what it adds of its own blocks; what a parent brings as it is was judged there."""

from __future__ import annotations

import pytest

from conftest import PICKLE, ROWS, Payload, Repo, documented

OTHER_PICKLE = PICKLE.replace(b"loaded", b"merged")
LINES = "".join(f"{number}\n" for number in range(20))


@pytest.fixture
def forked(repo: Repo) -> Repo:
    """`side` brings a pickle and edits `a.txt`; `main`, checked out, has gone on, too."""
    repo.commit({"a.txt": LINES, "b.txt": LINES})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit({"side.bin": PICKLE, "a.txt": "side\n" + LINES})
    repo.git("checkout", "-q", "main")
    repo.commit({"b.txt": "main\n" + LINES})
    repo.hook()
    return repo


def merged(repo: Repo) -> bool:
    return len(repo.git("rev-list", "--parents", "-1", "HEAD").split()) > 2


def test_payloads_differ() -> None:
    assert OTHER_PICKLE != PICKLE
    assert Payload().__reduce__()[0] is print


def test_a_clean_merge_warns_of_what_the_other_side_brings(forked: Repo) -> None:
    forked.git("merge", "-q", "side")
    assert merged(forked)
    seen = forked.seen
    assert (seen.code, seen.judged, seen.warned) == (0, "staged", ["pickle-weights"])
    assert [f["path"] for f in seen.report["findings"]] == ["side.bin"]


def test_a_clean_merge_of_ordinary_work_passes(repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "side")
    repo.commit({"a.txt": LINES, **documented("data/a.csv", id="one")})
    repo.git("checkout", "-q", "main")
    repo.commit({"b.txt": LINES, **documented("data/b.csv", id="two")})
    repo.hook()
    repo.git("merge", "-q", "side")
    assert merged(repo)
    assert repo.seen.passes


def test_a_clean_merge_can_be_wrong_by_itself(repo: Repo) -> None:
    rows = ROWS.splitlines(keepends=True)
    repo.commit(documented("data/a.csv"))
    repo.git("checkout", "-q", "-b", "side")
    repo.commit({"data/a.csv": "".join(["id,words\n", *rows[1:]])})
    repo.git("checkout", "-q", "main")
    repo.commit({"data/a.csv": "".join([*rows, "99,the last\n"])})
    repo.hook()
    repo.git("merge", "-q", "side", check=False)
    assert not merged(repo)
    assert repo.seen.caught("digest-mismatch") == ["data/a.csv"]


def test_what_is_slipped_into_a_clean_merge(forked: Repo) -> None:
    forked.git("merge", "-q", "--no-commit", "side")
    forked.stage({"evil.bin": OTHER_PICKLE})
    assert not forked.commits()
    assert forked.seen.caught() == ["evil.bin"]
    assert forked.seen.warned == ["pickle-weights"]
    forked.git("rm", "-q", "--cached", "evil.bin")
    assert forked.commits()
    assert merged(forked)


def test_a_parent_s_pickle_at_another_place_is_the_merge_s_own(forked: Repo) -> None:
    forked.git("merge", "-q", "--no-commit", "side")
    forked.git("mv", "side.bin", "moved.bin")
    assert not forked.commits()
    assert forked.seen.caught() == ["moved.bin"]


def test_a_conflict_that_is_not_resolved_yet(forked: Repo) -> None:
    forked.commit({"a.txt": "main\n" + LINES})
    forked.git("merge", "-q", "side", check=False)
    for words in ((), ("--staged",), ("--all",)):
        verdict = forked.check(*words)
        assert verdict.refusal == "it has an unresolved merge conflict: mend it, then run git add on it"
        assert verdict.report["errors"][0]["path"] == "a.txt"
    assert "a.txt: cannot judge: it has an unresolved merge conflict" in forked.check(text=True).out
    assert not forked.commits()


def test_a_conflict_resolved_with_something_bad(forked: Repo) -> None:
    forked.commit({"a.txt": "main\n" + LINES})
    forked.git("merge", "-q", "side", check=False)
    forked.stage({"a.txt": OTHER_PICKLE})
    assert not forked.commits()
    assert forked.seen.caught() == ["a.txt"]
    assert [f["path"] for f in forked.seen.report["findings"] if not f["blocks"]] == ["side.bin"]
    forked.stage({"a.txt": "both\n" + LINES})
    assert forked.commits()
    assert merged(forked)


def test_a_squash_merge_is_a_commit_like_any_other(forked: Repo) -> None:
    forked.git("merge", "-q", "--squash", "side")
    assert not forked.commits()
    assert forked.seen.caught() == ["side.bin"]


def test_an_octopus(forked: Repo) -> None:
    for number in (1, 2):
        forked.git("checkout", "-q", "-b", f"arm{number}", "main")
        forked.commit({f"arm{number}.bin": PICKLE + bytes([number])})
    forked.git("checkout", "-q", "main")
    forked.git("merge", "-q", "--no-commit", "side", "arm1", "arm2")
    forked.stage({"evil.bin": OTHER_PICKLE})
    assert not forked.commits()
    assert forked.seen.caught() == ["evil.bin"]
    brought = [f["path"] for f in forked.seen.report["findings"] if not f["blocks"]]
    assert brought == ["arm1.bin", "arm2.bin", "side.bin"]
    base = forked.git("rev-parse", "HEAD")
    forked.git("commit", "-q", "--no-verify", "-m", "Octopus")
    paths = ["arm1.bin", "arm2.bin", "evil.bin", "side.bin"]
    assert forked.check("--range", f"{base}...HEAD").caught() == paths


def test_a_clean_octopus_warns(forked: Repo) -> None:
    forked.git("checkout", "-q", "-b", "arm", "main")
    forked.commit({"arm.bin": OTHER_PICKLE})
    forked.git("checkout", "-q", "main")
    forked.git("merge", "-q", "side", "arm")
    assert merged(forked)
    assert (forked.seen.code, forked.seen.warned) == (0, ["pickle-weights"])


def test_cherry_pick_without_commit(forked: Repo) -> None:
    forked.git("cherry-pick", "-n", "side")
    assert not forked.commits()
    assert forked.seen.caught() == ["side.bin"]


def test_cherry_pick_with_a_conflict(forked: Repo) -> None:
    forked.commit({"a.txt": "main\n" + LINES})
    forked.git("cherry-pick", "side", check=False)
    assert forked.check().code == 2
    forked.stage({"a.txt": "both\n" + LINES})
    assert not forked.commits()
    assert forked.seen.caught() == ["side.bin"]


def test_revert_without_commit(forked: Repo) -> None:
    forked.git("merge", "-q", "side")
    forked.git("rm", "-q", "side.bin")
    removal = forked.commit()
    forked.git("revert", "-n", removal)
    assert not forked.commits()
    assert forked.seen.caught() == ["side.bin"]


def test_an_unfinished_merge_by_hand_says_what_it_is(forked: Repo) -> None:
    forked.git("merge", "-q", "--no-commit", "side")
    side = forked.git("rev-parse", "side")
    assert f"in a merge with {side[:10]})" in forked.check(text=True).out


def test_a_damaged_merge_head(forked: Repo) -> None:
    forked.git("merge", "-q", "--no-commit", "side")
    head = forked.path / ".git/MERGE_HEAD"
    head.write_bytes(head.read_bytes() + b"--output=x\xff\n")
    assert forked.check().refusal == "the file MERGE_HEAD is damaged; run: git merge --abort"


def test_merge_of_unrelated_histories(forked: Repo) -> None:
    forked.git("checkout", "-q", "--orphan", "elsewhere")
    forked.git("rm", "-qrf", ".")
    forked.commit({"strange.bin": OTHER_PICKLE})
    forked.git("checkout", "-q", "main")
    forked.git("merge", "-q", "--no-commit", "--allow-unrelated-histories", "elsewhere")
    forked.stage({"evil.bin": OTHER_PICKLE})
    assert forked.check().caught() == ["evil.bin"]
    assert forked.check().warned == ["pickle-weights"]


# ---------------------------------------------------------------------- merges inside of a range


def test_an_evil_merge_in_a_range(forked: Repo) -> None:
    base = forked.git("rev-parse", "HEAD")
    forked.git("merge", "-q", "--no-commit", "side")
    forked.git("rm", "-qf", "side.bin")
    forked.stage({"evil.bin": OTHER_PICKLE, "b.txt": OTHER_PICKLE + b"x"})
    forked.git("commit", "-q", "--no-verify", "-m", "Merge")
    forked.git("rm", "-q", "evil.bin")
    forked.commit({"b.txt": "main\n" + LINES})
    assert forked.check("--range", f"{base}...HEAD").caught() == ["b.txt", "evil.bin", "side.bin"]
    assert forked.check("--all").passes


def test_an_evil_merge_that_only_changes_one_side_s_file(forked: Repo) -> None:
    forked.git("rm", "-q", "--cached", "a.txt")
    base = forked.commit()
    forked.git("merge", "-q", "--no-commit", "-s", "ours", "side")
    forked.stage({"side.bin": OTHER_PICKLE})
    forked.git("commit", "-q", "--no-verify", "-m", "Merge")
    paths = forked.check("--range", f"{base}...HEAD").caught()
    assert paths == ["side.bin", "side.bin"]


def test_a_merge_that_brings_back_what_the_base_had_removed(repo: Repo) -> None:
    old = repo.commit({"w.bin": PICKLE})
    repo.git("rm", "-q", "w.bin")
    base = repo.commit({"a.txt": LINES})
    repo.git("checkout", "-q", "-b", "topic")
    repo.commit({"b.txt": LINES})
    tree = repo.git("rev-parse", f"{old}^{{tree}}")
    merge = repo.git("commit-tree", tree, "-p", "HEAD", "-p", old, "-m", "Merge")
    assert repo.check("--range", f"{base}...{merge}").caught() == ["w.bin"]


def test_a_merge_of_the_base_into_the_branch_brings_nothing_up(repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "topic")
    repo.commit({"b.txt": LINES})
    repo.git("checkout", "-q", "main")
    repo.commit({"legacy.bin": PICKLE})
    repo.git("checkout", "-q", "topic")
    repo.git("merge", "-q", "main")
    assert merged(repo)
    assert repo.check("--range", "main...topic").passes


def test_a_criss_cross(repo: Repo) -> None:
    repo.commit({"a.txt": LINES})
    repo.git("checkout", "-q", "-b", "topic")
    repo.commit({"t.txt": "t\n"})
    repo.git("checkout", "-q", "main")
    repo.commit({"m.txt": "m\n"})
    one, two = repo.git("rev-parse", "main"), repo.git("rev-parse", "topic")
    repo.git("merge", "-q", two)
    repo.git("checkout", "-q", "topic")
    repo.git("merge", "-q", one)
    assert len(repo.git("merge-base", "--all", "main", "topic").split()) == 2
    assert repo.check("--range", "main...topic").passes
    repo.commit({"w.bin": PICKLE})
    repo.git("rm", "-q", "w.bin")
    repo.commit({"v.bin": OTHER_PICKLE})
    assert repo.check("--range", "main...topic").caught() == ["v.bin", "w.bin"]


def test_an_evil_criss_cross_does_not_take_back_what_the_base_has_tightened(repo: Repo) -> None:
    policy = ".custody/policy.yaml"
    repo.commit({policy: "version: 1\n"})
    repo.git("checkout", "-q", "-b", "topic")
    two = repo.commit({policy: "version: 1\nlevel: 2\n"})
    repo.git("checkout", "-q", "main")
    one = repo.commit({"m.txt": "m\n"})
    repo.git("merge", "-q", two)
    repo.git("checkout", "-q", "topic")
    repo.git("merge", "-q", "--no-commit", one)
    repo.commit({policy: "version: 1\n"})
    assert repo.check("--range", "main...topic").caught("policy-weakened") == [policy]
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "topic")
    assert "level" not in repo.git("show", f"HEAD:{policy}")


def test_what_the_merge_itself_changes_is_not_excused_by_its_parent(repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "side")
    repo.commit({"data/x.csv": "a\n"})
    repo.git("checkout", "-q", "main")
    repo.commit({"other.txt": "x\n"})
    repo.git("merge", "-q", "--no-commit", "--no-ff", "side")
    assert repo.check().rules == []
    repo.stage({"data/x.csv": "b\n"})
    assert repo.check().rules == ["missing-data-card"]
