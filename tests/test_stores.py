"""Content that DVC and git-annex keep: looked at where the local store has it, and only if it is what it says."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from clock import within
from conftest import PICKLE, Repo
from git_custody.core.content import BytesContent
from git_custody.core.stores import Kept, Stores, kept_in

WORDS = b"id,text\r\n1,words\r\n"


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def dvc(repo: Repo, data: bytes, *, modern: bool = True, folder: str = ".dvc/cache", name: str = "") -> str:
    """Put content in DVC's cache; its digest."""
    digest = name or md5(data)
    place = ("files/md5/" if modern else "") + f"{digest[:2]}/{digest[2:]}"
    repo.write(f"{folder}/{place}", data)
    return digest


def pointer(digest: str, path: str = "w.bin") -> str:
    return f"outs:\n- md5: {digest}\n  size: 5\n  path: {path}\n"


def annex(repo: Repo, data: bytes, folders: str, key: str = "") -> str:
    key = key or f"SHA256E-s{len(data)}--{hashlib.sha256(data).hexdigest()}.bin"
    repo.write(f".git/annex/objects/{folders}/{key}/{key}", data)
    return key


@pytest.mark.parametrize("modern", [True, False])
def test_dvc(repo: Repo, modern: bool) -> None:
    repo.stage({"w.bin.dvc": pointer(dvc(repo, PICKLE, modern=modern))})
    assert repo.check().caught() == ["w.bin.dvc"]
    assert repo.check().rules == ["pickle-weights"]
    repo.stage({"w.bin.dvc": pointer(dvc(repo, WORDS, modern=modern))})
    assert repo.check().rules == []


def test_what_dvc_files_say_counts_however_they_are_written() -> None:
    digest = "d41d8cd98f00b204e9800998ecf8427e"
    for text in (
        f'"outs":\n- "md5": {digest}\n', f'"\\x6futs":\n- md5: {digest}\n', f"{{outs: [{{md5: {digest}}}]}}",
        f"? outs\n: - md5: {digest}\n",
    ):  # fmt: skip
        assert kept_in("a/w.bin.dvc", BytesContent(text.encode())) == (Kept("DVC", digest, folder="a"),)
    for text in (f"outs: &a\n- md5: {digest}\n", "outs: [", "#\n" * 4_200_000 + pointer(digest)):
        assert kept_in("w.bin.dvc", BytesContent(text.encode())) == ()
    for text in ("", "\n", "# nothing\n", "text", "deps: []\n", "md5: x\n"):
        assert kept_in("w.bin.dvc", BytesContent(text.encode())) is None
    assert kept_in("w.bin", BytesContent(pointer(digest).encode())) is None


def test_a_project_of_dvc_in_a_part_of_the_repository(repo: Repo) -> None:
    digest = dvc(repo, PICKLE, folder="part/.dvc/cache")
    repo.stage({"part/deep/er/w.bin.dvc": pointer(digest)})
    assert repo.check().caught() == ["part/deep/er/w.bin.dvc"]
    repo.stage(
        {
            "part/w.bin.dvc": pointer(dvc(repo, WORDS, folder="part/kept")),
            "part/.dvc/config": "[cache]\ndir = ../kept\n",
        }
    )
    repo.git("rm", "-q", "--cached", "part/deep/er/w.bin.dvc")
    assert repo.check().rules == []
    repo.stage({"elsewhere/w.bin.dvc": pointer(digest)})
    assert repo.check().caught("content-absent") == ["elsewhere/w.bin.dvc"]
    found = kept_in("a/b.dvc", BytesContent(f"wdir: ../data\nouts: [{{md5: {digest}, path: w.bin}}]\n".encode()))
    assert found == (Kept("DVC", digest, "../data/w.bin", "a"),)


def lock(stages: int, outs: str = "") -> str:
    deps = "    deps:\n    - path: data.csv\n      md5: d41d8cd98f00b204e9800998ecf8427e\n"
    said = (
        f"  s{n}:\n    cmd: x\n{deps}    outs: {outs or f'[{{md5: {n:032x}, path: m{n}}}]'}\n" for n in range(stages)
    )
    return "schema: '2.0'\nstages:\n" + "".join(said)


def test_a_lock_of_many_stages() -> None:
    for stages in (3, 6_000):
        found = kept_in("dvc.lock", BytesContent(lock(stages).encode()))
        assert found == tuple(Kept("DVC", f"{n:032x}", f"m{n}") for n in range(stages))
    large = lock(6_000)
    assert len(large) > 300_000
    twice, second = large + "schema: '1.0'\n", large + "---\n" + lock(1)
    for broken in (large + "\n[", large + "x: " + "[" * 200_000, large[:-3] + "\x01", "- a\n" * 200_000, twice, second):
        assert kept_in("dvc.lock", BytesContent(broken.encode())) == ()
    shared = "x: &a [" + "{md5: 1}, " * 30_000 + "]\n" + lock(6_000, "*a")
    with within(2):
        assert kept_in("dvc.lock", BytesContent(shared.encode())) == ()


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="opens through links")
def test_a_store_is_not_read_through_links(repo: Repo) -> None:
    digest = md5(PICKLE)
    repo.write("elsewhere", PICKLE)
    place = repo.path / f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}"
    place.parent.mkdir(parents=True)
    place.symlink_to(repo.path / "elsewhere")
    repo.stage({"w.bin.dvc": pointer(digest)})
    assert repo.check().rules == ["content-absent"]


def test_dvc_cache_that_settings_name(repo: Repo) -> None:
    digest = dvc(repo, PICKLE, folder="kept")
    repo.stage({"w.bin.dvc": pointer(digest)})
    assert repo.check().rules == ["content-absent"]
    repo.write(".dvc/config", "[cache]\n    dir = ../kept\n")
    assert repo.check().rules == ["pickle-weights"]


def test_dvc_folder_and_lock(repo: Repo) -> None:
    rows = [{"md5": dvc(repo, WORDS), "relpath": "a.csv"}, {"md5": dvc(repo, PICKLE), "relpath": "b/c.bin"}]
    listing = json.dumps(rows).encode()
    name = dvc(repo, listing, name=md5(listing) + ".dir")
    lock = f"stages:\n  train:\n    cmd: python train.py\n    outs:\n    - path: out\n      md5: {name}\n"
    repo.stage({"dvc.lock": lock})
    (finding,) = repo.check().report["findings"]
    assert (finding["rule"], finding["member"]) == ("pickle-weights", "out/b/c.bin")


def test_dvc_before_3_hashed_texts_with_unix_line_ends(repo: Repo) -> None:
    digest = dvc(repo, WORDS, modern=False, name=md5(WORDS.replace(b"\r\n", b"\n")))
    repo.stage({"t.csv.dvc": pointer(digest)})
    assert repo.check().rules == []


@pytest.mark.parametrize("digest", ["0" * 32, "../" * 10 + "x", "", "0" * 31, "[1]", "{a: b}"])
def test_dvc_that_names_nothing_here(repo: Repo, digest: str) -> None:
    repo.stage({"w.bin.dvc": pointer(digest)})
    assert repo.check().rules == ["content-absent"]


def test_dvc_content_that_is_not_what_it_says(repo: Repo) -> None:
    repo.stage({"w.bin.dvc": pointer(dvc(repo, WORDS, name="0" * 32))})
    assert repo.check().rules == ["content-absent"]


def test_dvc_file_that_cannot_be_read(repo: Repo) -> None:
    repo.stage({"w.bin.dvc": "outs: [&a {md5: x}, *a]\n"})
    assert repo.check().rules == ["content-absent"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_lies_in_a_store_and_is_no_file(repo: Repo, make: object) -> None:
    digest = "1" * 32
    folder = repo.path / ".dvc/cache/files/md5/11"
    folder.mkdir(parents=True)
    make(folder / digest[2:])  # type: ignore[operator]
    repo.stage({"w.bin.dvc": pointer(digest)})
    assert repo.check().rules == ["content-absent"]


# Folders as git-annex names them: by the MD5 of the key, mixed and lower case.
KEY = "SHA256E-s0--" + "b" * 64 + ".bin"


def test_annex(repo: Repo) -> None:
    key = f"SHA256E-s{len(PICKLE)}--{hashlib.sha256(PICKLE).hexdigest()}.bin"
    word = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    annex(repo, PICKLE, f"{word[:3]}/{word[3:6]}", key)
    repo.stage({"w.bin": f"/annex/objects/{key}\n"})
    assert repo.check().caught() == ["w.bin"]
    assert repo.check().rules == ["pickle-weights"]
    (repo.path / "link.bin").symlink_to(f"../.git/annex/objects/aa/bb/{key}/{key}")
    repo.git("add", "link.bin")
    assert repo.check().caught("pickle-weights") == ["link.bin", "w.bin"]


@pytest.mark.parametrize("key", ["URL--http://example.org/x", "WORM-s3-m1--x", "SHA256E-s3--../../../etc/passwd", ""])
def test_annex_keys_without_an_identity(repo: Repo, key: str) -> None:
    repo.stage({"w.bin": f"/annex/objects/{key}\n"})
    assert repo.check().rules == ["content-absent"]


def test_names_are_never_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(PICKLE)
    stores = Stores(str(tmp_path), str(tmp_path / ".git"))
    for keeper, key in (("DVC", "../secret"), ("DVC", "/" + "0" * 31), ("git-annex", "SHA256--../../../../secret")):
        assert [content for _, content in stores.contents(Kept(keeper, key))] == [None]


def test_ordinary_files_stand_for_nothing_else() -> None:
    assert kept_in("a.dvc", BytesContent(b"text")) is None
    assert kept_in("dvc.lock", BytesContent(b"schema: '2.0'\nstages: {}\n")) is None
    assert kept_in("notes.txt", BytesContent(b"see .git/annex for more\n")) is None
