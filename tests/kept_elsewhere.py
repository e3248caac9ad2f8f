"""The bytes that git-lfs, DVC and git-annex write, made without them: content in their stores, and what git gets.

Formats: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md, https://dvc.org/doc/user-guide/project-structure and
https://git-annex.branchable.com/internals/; `tests/real/test_elsewhere.py` holds them against the programs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from conftest import Repo


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def lfs(repo: Repo, data: bytes, *, here: bool = True) -> bytes:
    """A pointer of Git LFS; its content goes into the local store."""
    name = sha256(data)
    if here:
        repo.write(f".git/lfs/objects/{name[:2]}/{name[2:4]}/{name}", data)
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{name}\nsize {len(data)}\n".encode()


def extended(data: bytes, kept: bytes, *names: str) -> bytes:
    """A pointer of Git LFS to what extensions made of the content."""
    lines = "".join(f"ext-{n}-{name} sha256:{sha256(data if n == 0 else b'%d' % n)}\n" for n, name in enumerate(names))
    end = f"oid sha256:{sha256(kept)}\nsize {len(kept)}\n"
    return f"version https://git-lfs.github.com/spec/v1\n{lines}{end}".encode()


def dvc(repo: Repo, path: str, data: bytes, *, here: bool = True) -> bytes:
    """A `.dvc` file for one file; its content goes into the cache."""
    if here:
        repo.write(f".dvc/cache/files/md5/{md5(data)[:2]}/{md5(data)[2:]}", data)
    name = path.rpartition("/")[2]
    return f"outs:\n- md5: {md5(data)}\n  size: {len(data)}\n  hash: md5\n  path: {name}\n".encode()


def dvc_folder(repo: Repo, path: str, files: Mapping[str, bytes], *, here: bool = True) -> bytes:
    """A `.dvc` file for a folder; its list and its files go into the cache."""
    rows = [{"md5": md5(data), "relpath": name} for name, data in sorted(files.items())]
    listing = json.dumps(rows).encode()
    key = f"{md5(listing)}.dir"
    if here:
        repo.write(f".dvc/cache/files/md5/{key[:2]}/{key[2:]}", listing)
        for data in files.values():
            dvc(repo, "", data)
    size = sum(map(len, files.values()))
    name = path.rpartition("/")[2]
    return f"outs:\n- md5: {key}\n  size: {size}\n  nfiles: {len(files)}\n  hash: md5\n  path: {name}\n".encode()


def dvc_lock(repo: Repo, outputs: Mapping[str, bytes], *, here: bool = True) -> bytes:
    """A `dvc.lock` of one stage; the content of its outputs goes into the cache."""
    lines = ["schema: '2.0'", "stages:", "  prepare:", "    cmd: make", "    outs:"]
    for path, data in outputs.items():
        if here:
            dvc(repo, path, data)
        lines += [f"    - path: {path}", "      hash: md5", f"      md5: {md5(data)}", f"      size: {len(data)}"]
    return "".join(line + "\n" for line in lines).encode()


def key(data: bytes, backend: str = "SHA256E", suffix: str = ".csv") -> str:
    """A key of git-annex."""
    name = "".join(c for c in backend.removesuffix("E").lower() if c.isalnum())
    digest = hashlib.new(name, data, usedforsecurity=False).hexdigest()
    return f"{backend}-s{len(data)}--{digest}{suffix if backend.endswith('E') else ''}"


def annex_pointer(repo: Repo, name: str, data: bytes | None) -> bytes:
    """The pointer file of an unlocked file; its content goes into the annex."""
    if data is not None:
        folders = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
        repo.write(f".git/annex/objects/{folders[:3]}/{folders[3:6]}/{name}/{name}", data)
    return f"/annex/objects/{name}\n".encode()


def annex_link(path: str, name: str) -> str:
    """The text of a locked file's link."""
    return f"{'../' * path.count('/')}.git/annex/objects/Wx/9k/{name}/{name}"


def stage_link(repo: Repo, path: str, target: str) -> None:
    """Put a link into the work tree and the index, in the place of whatever is there."""
    full: Path = repo.path / path
    full.parent.mkdir(parents=True, exist_ok=True)
    full.unlink(missing_ok=True)
    full.symlink_to(target)
    repo.git("add", "-f", "--", path)
