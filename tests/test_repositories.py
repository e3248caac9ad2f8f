"""Every kind of repository and configuration gives the same answers, and none is ever written to."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from conftest import HOOKS, PICKLE, ROWS, Repo, documented

WORDS = "Ordinary words.\n"


def blocks_and_passes(repo: Repo, folder: str = "") -> None:
    """A pickle and an undocumented dataset block a real commit here, and their mending passes."""
    repo.hook()
    repo.stage({folder + "w.bin": PICKLE, "data/a.csv": ROWS, folder + "note.txt": WORDS})
    assert not repo.commits()
    assert repo.seen.judged == "staged"
    assert repo.seen.caught() == [folder + "w.bin"]
    assert repo.seen.caught("missing-data-card") == ["data/a.csv"]
    repo.stage({folder + "w.bin": WORDS, **documented("data/a.csv")})
    assert repo.commits()
    assert repo.seen.passes
    assert repo.check("--all").passes
    assert repo.check("--range", "HEAD~1...HEAD").passes


# ---------------------------------------------------------------------- where the user stands


def test_an_ordinary_repository(repo: Repo) -> None:
    blocks_and_passes(repo)


def test_a_linked_worktree(repo: Repo, tmp_path: Path) -> None:
    repo.git("worktree", "add", "-q", "-b", "linked", str(tmp_path / "linked"))
    repo.stage({"main.bin": PICKLE})
    linked = Repo(tmp_path / "linked")
    blocks_and_passes(linked)
    assert repo.check().caught() == ["main.bin"]


def test_a_linked_worktree_of_a_bare_repository(repo: Repo, tmp_path: Path) -> None:
    subprocess.run(("git", "clone", "-q", "--bare", repo.path, tmp_path / "bare.git"), check=True)
    subprocess.run(
        ("git", "-C", tmp_path / "bare.git", "worktree", "add", "-q", "-b", "x", tmp_path / "linked"),
        check=True,
    )
    blocks_and_passes(Repo(tmp_path / "linked"))


def test_inside_of_a_submodule(repo: Repo, tmp_path: Path) -> None:
    other = Repo(tmp_path / "other")
    other.commit({"a.txt": WORDS})
    repo.git("submodule", "add", "-q", str(other.path), "sub/module")
    inner = Repo(repo.path / "sub/module")
    blocks_and_passes(inner)
    assert repo.check("--staged").passes


def test_a_separate_git_directory(tmp_path: Path) -> None:
    made = Repo(tmp_path / "repo", "--separate-git-dir", str(tmp_path / "elsewhere"))
    made.commit({"README.md": WORDS})
    blocks_and_passes(made)


@pytest.mark.parametrize("cwd", ["sub/folder", "data"])
def test_a_subdirectory(repo: Repo, cwd: str) -> None:
    repo.hook()
    repo.stage({"sub/folder/w.bin": PICKLE, "data/a.csv": ROWS, "top.bin": PICKLE})
    assert repo.check(cwd=cwd).caught() == ["sub/folder/w.bin", "top.bin"]
    assert repo.check(cwd=cwd).caught("missing-data-card") == ["data/a.csv"]
    repo.git("commit", "-q", "-m", "Change", cwd=cwd, check=False)
    assert repo.seen.caught() == ["sub/folder/w.bin", "top.bin"]
    fixes = [f["fix"][0] for f in repo.seen.report["findings"] if f["rule"] == "pickle-weights"]
    for command in fixes:
        subprocess.run(("sh", "-c", command), cwd=repo.path / cwd, check=True, capture_output=True)
    assert repo.check(cwd=cwd).caught() == []


def test_git_told_to_stand_elsewhere(repo: Repo, tmp_path: Path) -> None:
    repo.hook()
    repo.stage({"w.bin": PICKLE})
    subprocess.run(("git", "-C", str(repo.path), "commit", "-qm", "x"), cwd=tmp_path, capture_output=True, check=False)
    assert repo.seen.caught() == ["w.bin"]


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("stand", ["inside", "below", "outside"])
def test_repository_and_work_tree_named_by_the_environment(
    repo: Repo, tmp_path: Path, stand: str, *, relative: bool
) -> None:
    (tmp_path / "far/away").mkdir(parents=True)
    repo.stage({"w.bin": PICKLE, "sub/x.txt": WORDS, ".custody/policy.yaml": "version: 1\nmode: warn\n"})
    cwd = {"inside": ".", "below": "sub", "outside": "../far/away"}[stand]
    places = {"GIT_DIR": repo.path / ".git", "GIT_WORK_TREE": repo.path}
    env = {name: os.path.relpath(path, repo.path / cwd) if relative else str(path) for name, path in places.items()}
    for words in (("--staged",), ("--all",), ()):
        verdict = repo.check(*words, cwd=cwd, env=env)
        assert (verdict.code, verdict.warned) == (0, ["pickle-weights"])
    done = subprocess.run(("git", "commit", "-qm", "x"), cwd=repo.path / cwd, env={**os.environ, **env}, check=False)
    assert done.returncode == 0


def test_a_work_tree_apart_from_its_repository(repo: Repo, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    repo.hook()
    words = ("--git-dir", str(repo.path / ".git"), "--work-tree", str(tmp_path / "tree"))
    (tmp_path / "tree/w.bin").write_bytes(PICKLE)
    (tmp_path / "tree/README.md").write_text("A project.\n")
    repo.git(*words, "add", "w.bin", cwd="../tree")
    repo.git(*words, "commit", "-qm", "x", cwd="../tree", check=False)
    assert repo.seen.caught() == ["w.bin"]


def test_an_index_of_another_name(repo: Repo, tmp_path: Path) -> None:
    repo.stage({"w.bin": PICKLE})
    shutil.copy(repo.path / ".git/index", tmp_path / "index")
    repo.git("reset", "-q", "--hard")
    assert repo.check("--staged").passes
    assert repo.check(env={"GIT_INDEX_FILE": str(tmp_path / "index")}).caught() == ["w.bin"]


# ---------------------------------------------------------------------- kinds of repositories


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_index_versions(repo: Repo, version: str) -> None:
    repo.git("config", "index.version", version)
    repo.git("update-index", "--index-version", version)
    blocks_and_passes(repo)


def test_a_split_index(repo: Repo) -> None:
    repo.commit({f"src/{number}.txt": WORDS for number in range(20)})
    repo.git("config", "core.splitIndex", "true")
    repo.git("update-index", "--split-index")
    assert list((repo.path / ".git").glob("sharedindex.*"))
    blocks_and_passes(repo, "src/")


def test_a_sparse_index(repo: Repo) -> None:
    repo.commit({"out/old.bin": PICKLE, "in/a.txt": WORDS, "data/old.csv": ROWS, "out/deep/b.txt": WORDS})
    repo.git("sparse-checkout", "set", "--cone", "--sparse-index", "in")
    assert not (repo.path / "out").exists()
    assert "out/\n" in repo.git("ls-files", "--sparse") + "\n"
    assert repo.check("--all").caught() == ["out/old.bin"]
    assert repo.check("--all").caught("missing-data-card") == ["data/old.csv"]
    repo.hook()
    repo.stage({"in/w.bin": PICKLE})
    assert not repo.commits()
    assert repo.seen.caught() == ["in/w.bin"]
    assert "out/\n" in repo.git("ls-files", "--sparse") + "\n"


def test_a_sparse_checkout(repo: Repo) -> None:
    repo.commit({"out/old.bin": PICKLE, "in/a.txt": WORDS})
    repo.git("sparse-checkout", "set", "--no-cone", "/in/")
    assert not (repo.path / "out").exists()
    assert repo.check("--all").caught() == ["out/old.bin"]
    assert repo.check(env={"PRE_COMMIT": "1"}).caught() == ["out/old.bin"]
    blob = repo.git("hash-object", "-w", "--stdin", input=PICKLE + b"x")
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},out/new.bin")
    assert repo.check("--staged").caught() == ["out/new.bin"]


@pytest.mark.parametrize("unborn", [False, True])
def test_a_sha256_repository(tmp_path: Path, *, unborn: bool) -> None:
    made = Repo(tmp_path / "repo", "--object-format=sha256")
    made.stage({"first.bin": PICKLE})
    assert made.check().caught() == ["first.bin"]
    if not unborn:
        made.git("rm", "-q", "--cached", "first.bin")
        made.commit({"README.md": WORDS})
        assert len(made.git("rev-parse", "HEAD")) == 64
        blocks_and_passes(made)
        made.git("checkout", "-q", "-b", "side", "HEAD~1")
        made.commit({"side.bin": PICKLE})
        made.git("checkout", "-q", "main")
        made.git("merge", "-q", "side")
        assert made.seen.warned == ["pickle-weights"]


def test_a_repository_with_alternates(repo: Repo, tmp_path: Path) -> None:
    subprocess.run(("git", "clone", "-q", "--shared", repo.path, tmp_path / "shared"), check=True)
    blocks_and_passes(Repo(tmp_path / "shared"))


def test_packed(repo: Repo) -> None:
    repo.commit({"old.bin": PICKLE, "a.txt": WORDS})
    repo.git("gc", "-q")
    assert repo.check("--all").caught() == ["old.bin"]


# ---------------------------------------------------------------------- configuration and environment


def test_no_configuration_changes_the_answer(repo: Repo, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch '{trap}'\n")
    script.chmod(0o755)
    (tmp_path / "order").write_text("*.txt\n")
    settings = {
        "diff.relative": "true", "diff.orderFile": str(tmp_path / "order"), "diff.noPrefix": "true",
        "diff.renames": "copies", "diff.ignoreSubmodules": "all", "diff.external": str(script),
        "diff.algorithm": "histogram", "diff.submodule": "log", "diff.wsErrorHighlight": "all",
        "core.quotePath": "true", "core.pager": str(script), "core.fsmonitor": str(script),
        "core.hooksPath": ".git/hooks", "core.ignoreCase": "true", "core.fileMode": "false",
        "core.symlinks": "false", "core.attributesFile": str(tmp_path / "attributes"),
        "core.bigFileThreshold": "1", "core.autocrlf": "true", "core.abbrev": "4",
        "core.untrackedCache": "true",
        "color.ui": "always", "color.diff": "always", "pager.diff": "true", "log.showSignature": "true",
        "log.diffMerges": "first-parent", "log.follow": "true", "status.short": "true",
        "alias.diff-index": f"!{script}", "alias.cat-file": f"!{script}", "diff.trustExitCode": "true",
        "submodule.recurse": "true", "feature.manyFiles": "true", "i18n.logOutputEncoding": "latin1",
    }  # fmt: skip
    for name, value in settings.items():
        repo.git("config", name, value)
    for cwd in ("sub", "."):
        repo.stage({"sub/w.bin": PICKLE, "z.bin": PICKLE, "a.txt": WORDS})
        trap.unlink(missing_ok=True)
        assert repo.check(cwd=cwd).caught() == ["sub/w.bin", "z.bin"]
        assert repo.check("--all", cwd=cwd).caught() == ["sub/w.bin", "z.bin"]
        assert not trap.exists()
    repo.commit()
    trap.unlink(missing_ok=True)
    assert repo.check("--range", "HEAD~1...HEAD", cwd="sub").caught() == ["sub/w.bin", "z.bin"]
    assert not trap.exists()


def test_no_environment_changes_the_answer(repo: Repo, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch '{trap}'\n")
    script.chmod(0o755)
    repo.stage({"sub/w*.bin": PICKLE, "sub/w.bin": WORDS, "a.txt": WORDS})
    env = {
        "GIT_EXTERNAL_DIFF": str(script), "GIT_PAGER": str(script), "PAGER": str(script),
        "GIT_ASKPASS": str(script), "GIT_GLOB_PATHSPECS": "1", "GIT_ICASE_PATHSPECS": "1",
        "GIT_DIFF_OPTS": "-u0", "GIT_OPTIONAL_LOCKS": "1",
        "GIT_NO_REPLACE_OBJECTS": "0", "GIT_GRAFT_FILE": str(script), "GIT_ATTR_SOURCE": "HEAD",
        "GIT_TRACE": "1", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": str(script), "GIT_PREFIX": "elsewhere/", "GIT_EDITOR": str(script),
    }  # fmt: skip
    assert repo.check(env=env).caught() == ["sub/w*.bin"]
    assert repo.check("sub/w.bin", "--all", env=env).passes
    assert not trap.exists()


@pytest.mark.parametrize("entry", [".", "", "bin", "./bin"])
@pytest.mark.parametrize("first", [True, False])
def test_a_git_that_the_repository_brings_is_not_run(repo: Repo, tmp_path: Path, entry: str, *, first: bool) -> None:
    trap = tmp_path / "trap"
    for name in ("git", "git.exe", "git-custody", "bin/git", "bin/git.exe"):
        repo.write(name, f"#!/bin/sh\ntouch '{trap}'\n").chmod(0o755)
    repo.stage({"w.bin": PICKLE})
    real = os.path.dirname(shutil.which("git") or "")
    path = os.pathsep.join((entry, real) if first else (real, entry))
    assert repo.check(env={"PATH": path}).caught() == ["w.bin"]
    lone = repo.check(env={"PATH": entry})
    assert lone.refusal == "git was not found on the PATH; install git 2.34 or newer"
    assert not trap.exists()


def test_modules_that_the_repository_brings_are_not_imported(repo: Repo, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    for name in ("json", "subprocess", "yaml", "numpy", "fickling", "pathspec", "sitecustomize"):
        repo.write(f"{name}.py", f"open({str(trap)!r}, 'w').close()\nraise SystemExit(0)\n")
    repo.stage({"w.bin": PICKLE, **documented("data/a.csv")})
    program = tmp_path / "git-custody"
    program.write_text("from git_custody.cli import main\nraise SystemExit(main())\n")
    env = {**os.environ, "PYTHONPATH": str(HOOKS)}
    words = (sys.executable, str(program), "check")
    done = subprocess.run(words, cwd=repo.path, env=env, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"w.bin: pickle-weights" in done.stdout
    assert not trap.exists()


# ---------------------------------------------------------------------- content that a checkout changes


def lfs_pointer(content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n"


def store(repo: Repo, content: bytes, *, instead: bytes | None = None) -> None:
    digest = hashlib.sha256(content).hexdigest()
    repo.write(f".git/lfs/objects/{digest[:2]}/{digest[2:4]}/{digest}", content if instead is None else instead)


def test_a_pointer_whose_content_is_not_here(repo: Repo) -> None:
    repo.stage({"w.bin": lfs_pointer(PICKLE)})
    verdict = repo.check()
    assert verdict.caught("content-absent") == ["w.bin"]
    assert verdict.rules == ["content-absent"]
    assert [item["path"] for item in verdict.report["not_judged"]] == ["w.bin"]
    repo.commit()
    later = repo.check("--all")
    assert (later.code, later.rules) == (0, [])
    assert [item["path"] for item in later.report["not_judged"]] == ["w.bin"]


def test_a_pointer_whose_content_is_here(repo: Repo) -> None:
    repo.stage({"w.bin": lfs_pointer(PICKLE), "v.bin": lfs_pointer(WORDS.encode())})
    store(repo, PICKLE)
    store(repo, WORDS.encode())
    assert repo.check().caught() == ["w.bin"]
    assert repo.check().rules == ["pickle-weights"]


@pytest.mark.parametrize("instead", [b"", WORDS.encode(), PICKLE[:-1] + b"!", PICKLE + b"x"])
def test_a_pointer_whose_content_is_not_what_it_says(repo: Repo, instead: bytes) -> None:
    repo.stage({"w.bin": lfs_pointer(PICKLE)})
    store(repo, PICKLE, instead=instead)
    assert repo.check().caught("content-absent") == ["w.bin"]


def test_a_pointer_whose_size_is_a_lie(repo: Repo) -> None:
    nothing = lfs_pointer(b"")
    repo.stage({"w.bin": nothing.replace("size 0", f"size {len(PICKLE)}")})
    store(repo, b"", instead=PICKLE)
    assert repo.check().caught("content-absent") == ["w.bin"]


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop"])
def test_a_store_that_is_no_store(repo: Repo, kind: str) -> None:
    digest = hashlib.sha256(PICKLE).hexdigest()
    place = repo.path / f".git/lfs/objects/{digest[:2]}/{digest[2:4]}/{digest}"
    place.parent.mkdir(parents=True)
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(place)
    repo.stage({"w.bin": lfs_pointer(PICKLE)})
    assert repo.check().caught("content-absent") == ["w.bin"]


def test_a_pointer_stands_for_the_data_it_names(repo: Repo) -> None:
    files = documented("data/a.csv")
    repo.stage({**files, "data/a.csv": lfs_pointer(ROWS.encode()), ".gitattributes": "*.csv filter=lfs -text\n"})
    assert repo.check().rules == ["content-absent"]
    store(repo, ROWS.encode())
    assert repo.check().passes
    repo.stage({"data/a.csv": lfs_pointer(ROWS.encode() + b"99,more\n")})
    assert "digest-mismatch" in repo.check().rules


@pytest.mark.parametrize("attributes", ["* text eol=crlf\n", "*.csv text=auto\n", "* -text\n"])
def test_line_ends_of_a_checkout_do_not_count(repo: Repo, attributes: str) -> None:
    repo.commit({".gitattributes": attributes})
    repo.stage(documented("data/a.csv"))
    (repo.path / "data/a.csv").unlink()
    repo.git("checkout", "--", "data/a.csv")
    assert (b"\r\n" in (repo.path / "data/a.csv").read_bytes()) == ("crlf" in attributes)
    assert repo.check().passes


@pytest.mark.parametrize(
    "attribute",
    ["working-tree-encoding=UTF-16LE", "ident", "filter=mine", "text working-tree-encoding=latin-1"],
)
def test_attributes_that_make_a_checkout_another_file(repo: Repo, attribute: str) -> None:
    repo.commit(documented("data/a.csv"))
    repo.stage({".gitattributes": f"data/*.csv {attribute}\n"})
    repo.write(".gitattributes", "")
    assert repo.check().caught("asset-attributes") == ["data/a.csv"]
    repo.commit()
    assert repo.check("--all").caught("asset-attributes") == ["data/a.csv"]
    assert repo.check("--range", "HEAD~1...HEAD").caught("asset-attributes") == ["data/a.csv"]
    repo.write(".gitattributes", f"data/*.csv {attribute}\n")
    repo.git("rm", "-q", "--cached", ".gitattributes")
    assert repo.check("--staged").passes


def test_attributes_elsewhere_are_nobody_s_business(repo: Repo) -> None:
    repo.stage({".gitattributes": "src/** working-tree-encoding=UTF-16LE\n*.py ident\n"})
    repo.stage(documented("data/a.csv"))
    assert repo.check().passes


# ---------------------------------------------------------------------- what cannot be judged


def test_not_a_repository(tmp_path: Path) -> None:
    made = Repo(tmp_path / "repo")
    shutil.rmtree(made.path / ".git")
    for words in ((), ("--all",), ("--range", "a...b")):
        assert made.check(*words).refusal == f"this is not a git repository: {made.path}"
    assert made.check(text=True).out.startswith("cannot judge: this is not a git repository")


def test_a_repository_that_lost_its_head(repo: Repo) -> None:
    (repo.path / ".git/HEAD").unlink()
    assert "not a git repository" in repo.check().refusal


def test_a_head_that_names_nothing(repo: Repo) -> None:
    repo.stage({"a.txt": WORDS})
    (repo.path / ".git/HEAD").write_text("1" * 40 + "\n")
    assert "the commit that HEAD names is not here" in repo.check().refusal


def test_a_bare_repository(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"w.bin": PICKLE})
    subprocess.run(("git", "clone", "-q", "--bare", repo.path, tmp_path / "bare.git"), check=True)
    for words in ((), ("--all",), ("--staged",)):
        said = repo.check(*words, cwd="../bare.git").refusal
        assert said == "there is no work tree here; name a range: git custody check --range BASE...HEAD"
    assert repo.check("--range", "HEAD~1...HEAD", cwd="../bare.git").caught() == ["w.bin"]
    assert repo.check("--range", "HEAD...HEAD", cwd="../bare.git").passes
    assert repo.check("--range", "HEAD~1...HEAD", cwd="../bare.git/objects").caught() == ["w.bin"]


def test_inside_of_the_git_directory(repo: Repo) -> None:
    repo.stage({"w.bin": PICKLE})
    for cwd in (".git", ".git/hooks"):
        assert "there is no work tree here" in repo.check(cwd=cwd).refusal


def test_a_repository_of_somebody_else(repo: Repo) -> None:
    said = repo.check(env={"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}).refusal
    assert said.startswith("git does not trust this repository, because another user owns it; run: git ")
    assert said.endswith(f"safe.directory {repo.path}")


def loose(repo: Repo, oid: str) -> Path:
    return repo.path / f".git/objects/{oid[:2]}/{oid[2:]}"


@pytest.mark.parametrize("damage", ["empty", "garbage", "other", "truncated"])
def test_a_damaged_object(repo: Repo, damage: str) -> None:
    repo.stage({"a.txt": WORDS, "w.bin": PICKLE})
    file = loose(repo, repo.git("rev-parse", ":a.txt"))
    raw = file.read_bytes()
    file.chmod(0o644)
    other = zlib.compress(b"blob 99\0short")
    file.write_bytes({"empty": b"", "garbage": b"\0" * 40, "other": other, "truncated": raw[:-6]}[damage])
    for words in ((), ("--all",)):
        verdict = repo.check(*words)
        assert verdict.code == 2 or "content-absent" in verdict.rules
        assert "run git fsck" in verdict.out or "content-absent" in verdict.rules
    assert not repo.check(text=True).out.startswith("0 problems")


def test_an_object_that_is_missing(repo: Repo) -> None:
    repo.stage({"a.txt": WORDS, "w.bin": PICKLE})
    loose(repo, repo.git("rev-parse", ":a.txt")).unlink()
    verdict = repo.check()
    assert verdict.caught("content-absent") == ["a.txt"]
    assert verdict.caught() == ["w.bin"]


def test_a_missing_tree_or_commit(repo: Repo) -> None:
    repo.commit({"sub/a.txt": WORDS})
    repo.commit({"b.txt": WORDS})
    loose(repo, repo.git("rev-parse", "HEAD:sub")).unlink()
    loose(repo, repo.git("rev-parse", "HEAD~1^{tree}")).unlink()
    assert repo.check("--range", "HEAD~2...HEAD").refusal
    loose(repo, repo.git("rev-parse", "HEAD~1")).unlink()
    assert repo.check("--range", f"{'HEAD~1'}...HEAD").refusal


def test_a_damaged_index(repo: Repo) -> None:
    (repo.path / ".git/index").write_bytes(b"not an index, though long enough to be one")
    assert repo.check().refusal


def test_a_damaged_configuration(repo: Repo) -> None:
    (repo.path / ".git/config").write_text("[core\n")
    assert repo.check().refusal


# ---------------------------------------------------------------------- nothing is written


def listing(root: Path, kind: str = "plain") -> dict[str, tuple[int, int, bytes]]:
    """Mode, time and bytes of everything. Two things git itself does whenever it reads an index are passed
    over: it touches the shared half of a split index, and keeps the trees of a sparse one as loose objects.
    """
    found = {}
    for path in sorted(root.rglob("*")):
        if kind == "sparse" and path.is_relative_to(root / ".git/objects"):
            continue
        status = path.lstat()
        content = os.fsencode(os.readlink(path)) if path.is_symlink() else b""
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
        time = 0 if path.name.startswith("sharedindex.") else status.st_mtime_ns
        found[str(path.relative_to(root))] = (status.st_mode, time, content)
    return found


@pytest.mark.parametrize("kind", ["plain", "split", "sparse"])
def test_no_check_writes_to_the_repository(repo: Repo, kind: str) -> None:
    repo.commit({"old.bin": PICKLE, "a.txt": WORDS, "out/b.txt": WORDS, **documented("data/old.csv", id="old")})
    repo.git("tag", "start")
    repo.stage({".gitattributes": "data/** -ident\n", **documented("data/a.csv"), "l.bin": lfs_pointer(b"x")})
    repo.commit()
    if kind == "split":
        repo.git("config", "core.splitIndex", "true")
        repo.git("config", "splitIndex.maxPercentChange", "0")
        repo.git("update-index", "--split-index")
    if kind == "sparse":
        repo.git("sparse-checkout", "set", "--cone", "--sparse-index", "data")
    else:
        repo.write("a.txt", "changed, with the index's stat data stale\n")
        os.utime(repo.path / "README.md", (1, 1))
    repo.stage({"data/b.csv": ROWS, "data/w.bin": PICKLE})
    repo.write("untracked.txt", WORDS)
    before = listing(repo.path, kind)
    for words in ((), ("--all",), ("--staged",), ("--range", "start...HEAD"), ("--range", "nowhere...HEAD")):
        repo.check(*words)
    repo.check(env={"PRE_COMMIT": "1"})
    repo.check(env={"PRE_COMMIT": "1", "PRE_COMMIT_TO_REF": "HEAD"})
    assert listing(repo.path, kind) == before


def test_a_repository_that_cannot_be_written_can_be_judged(repo: Repo) -> None:
    repo.commit(documented("data/a.csv"))
    repo.stage({"w.bin": PICKLE, ".gitattributes": "data/** -ident\n"})
    for folder in (repo.path / ".git", repo.path / ".git/objects", repo.path):
        folder.chmod(0o555)
    try:
        assert repo.check().caught() == ["w.bin"]
        assert repo.check("--range", "HEAD~1...HEAD").passes
    finally:
        for folder in (repo.path / ".git", repo.path / ".git/objects", repo.path):
            folder.chmod(0o755)
