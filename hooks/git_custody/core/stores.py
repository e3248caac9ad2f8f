"""Content that DVC and git-annex keep beside git: what names it, and the local store that may have it.

A store is not trusted: a file in it only counts after its digest has been worked out. Names in pointers are
never followed as paths: only a digest or a key is taken from them, and looked up below the store's own folder.
Layouts: https://dvc.org/doc/user-guide/project-structure/internal-files, and
https://git-annex.branchable.com/internals/ (hashing, key format, pointer file).
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from . import annex
from .content import FileContent
from .findings import RepoPath

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from .content import Content
    from .findings import Command

# What only names other content is small; a `dvc.lock` lists many outputs, a listing of a folder many files.
NAMES_AT_MOST = 1024 * 1024
LOCK_AT_MOST = 8 * 1024 * 1024
OUTS_AT_MOST = 100_000
_PIECE = 1024 * 1024
_ANNEX = b"/annex/objects/"
# git-annex takes any line for a pointer that has that in it, and a key at its end (Annex/Link.hs).
_ANNEX_KEY = rb"[^-\s]+(?:-[a-zA-Z][0-9]+)*--."
_ANNEX_LETTERS = "0123456789zqjxkmvwgpfZQJXKMVWGPF"
# Space is taken within one line alone: across lines, each of many empty ones would be tried with all that follow.
_SAYS_SOMETHING = re.compile(rb"(?m)^[^\S\n]*[^\s#]")
_FETCH = {"DVC": ("dvc", "pull"), "git-annex": ("git", "annex", "get")}


class Kept(NamedTuple):
    """Content that is kept elsewhere. `keeper` is "DVC" or "git-annex", `key` the md5 (hex, with ``.dir`` for a
    folder) or the annex key, `name` the path that it has beside the pointer ("" for the file itself), and `folder`
    the pointer's own folder. `size` is that of the content in bytes, -1 where it is not stated.
    """

    keeper: str
    key: str
    name: str = ""
    folder: str = ""
    size: int = -1

    def is_absent(self, name: str = "") -> str:
        """What to say where the content, or that of the file `name` in it, is not here."""
        return f"{self.keeper} keeps its content{f' ({name})' if name else ''}, and it is not here"

    def fetching(self, path: str) -> Command:
        """The command that brings the content here; `path` is that of the file that names it."""
        # DVC takes the file that people write, not the one that it writes itself.
        written = f"{path.removesuffix('lock')}yaml" if path.rpartition("/")[2] == "dvc.lock" else path
        return (*_FETCH[self.keeper], RepoPath(written))


def kept_in(path: str, content: Content) -> tuple[Kept, ...] | None:
    """What a small file or a link stands for: None where it stands for nothing, empty where that cannot be told."""
    folder, _, name = path.rpartition("/")
    if name.endswith(".dvc") or name == "dvc.lock":
        kept = () if content.size > LOCK_AT_MOST else _dvc(content.read_at(0, content.size))
        if kept is not None:
            return tuple(one._replace(folder=folder) for one in kept)
    if content.size < 32 * 1024:
        line = content.read_at(0, content.size).partition(b"\n")[0].removesuffix(b"\r")
        key = line.rpartition(b"/")[2]
        if line.startswith(_ANNEX) or (_ANNEX in line and (b".git" + _ANNEX in line or re.match(_ANNEX_KEY, key))):
            return (Kept("git-annex", key.decode("utf-8", "surrogateescape")),)
    return None


def _dvc(text: bytes) -> tuple[Kept, ...] | None:
    from .documents import MAX_BYTES
    from .strict_yaml import parse_yaml

    if len(text) > MAX_BYTES:
        return _large_dvc(text)
    document = parse_yaml(text)
    data = document.data
    if not isinstance(data, dict):
        is_blank = _SAYS_SOMETHING.search(text) is None
        return () if document.problems and not is_blank else None
    return _of_stages(data)


def _large_dvc(text: bytes) -> tuple[Kept, ...] | None:
    """What a `dvc.lock` of many stages names, read without what makes metadata strict, and slow."""
    import yaml

    try:
        data = _plain_values(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, TypeError):
        return ()
    return _of_stages(data) if isinstance(data, dict) else ()


def _plain_values(text: bytes) -> Any:
    """One YAML document of texts, lists and mappings alone. PyYAML's own loaders build a tree of nodes before, and take
    ten times as long. Raises ValueError or TypeError for what DVC does not write.
    """
    import yaml

    open_items: list[list[Any]] = [[]]
    for event in yaml.parse(text, getattr(yaml, "CBaseLoader", yaml.BaseLoader)):
        if isinstance(event, yaml.ScalarEvent):
            open_items[-1].append(event.value)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            open_items.append([])
        elif isinstance(event, yaml.SequenceEndEvent):
            items = open_items.pop()
            open_items[-1].append(items)
        elif isinstance(event, yaml.MappingEndEvent):
            items = open_items.pop()
            fields = dict(zip(items[::2], items[1::2], strict=True))
            if len(fields) * 2 != len(items):
                raise ValueError("a key stands here twice")
            open_items[-1].append(fields)
        elif isinstance(event, yaml.AliasEvent):
            raise ValueError("an alias stands here")
    (document,) = open_items[0]
    return document


def _of_stages(data: dict[Any, Any]) -> tuple[Kept, ...] | None:
    stages = data.get("stages")
    holders = [data, *(stages.values() if isinstance(stages, dict) else ())]
    found = (kept for holder in holders if isinstance(holder, dict) for kept in _outs(holder))
    outs = tuple(islice(found, OUTS_AT_MOST + 1))
    return () if len(outs) > OUTS_AT_MOST else outs or None


def _outs(holder: dict[Any, Any]) -> Iterator[Kept]:
    outs, wdir = holder.get("outs"), holder.get("wdir")
    for out in outs if isinstance(outs, list) else ():
        if isinstance(out, dict):
            digest, name = out.get("md5"), str(out.get("path", ""))
            name = posixpath.join(wdir, name) if isinstance(wdir, str) and name else name
            size = str(out.get("size"))  # a text where a large lock was read
            stated = int(size) if re.fullmatch("[0-9]{1,19}", size) else -1
            yield Kept("DVC", digest if isinstance(digest, str) else "", name, size=stated)


def is_that(kept: Kept, content: Content) -> bool:
    """Whether a content is what DVC says that it keeps."""
    import hashlib

    found = hashlib.md5(usedforsecurity=False)
    for offset in range(0, content.size, _PIECE):
        found.update(content.read_at(offset, _PIECE))
    return found.hexdigest() == kept.key


class Stores:
    """The local stores of a repository: `root` is its work tree, `git_directory` the shared one of all work trees."""

    def __init__(self, root: str, git_directory: str) -> None:
        self._root = root
        self._git = git_directory
        self._known: dict[str, tuple[str, ...]] = {}

    def contents(self, kept: Kept) -> Iterator[tuple[str, Content | None]]:
        """The content, or for a folder that of each file in it: pairs of name and content, None where it is absent.

        A content is valid until the next one is taken.
        """
        if kept.keeper == "git-annex":
            yield kept.name, self._annex(kept.key)
        elif not kept.key.endswith(".dir"):
            yield kept.name, self._dvc(kept.key, kept.folder, kept.name)
        else:
            listing = self._dvc(kept.key, kept.folder)
            files = None if listing is None else _listed(listing)
            if files is None:
                yield kept.name, None
                return
            for name, digest in files:
                yield f"{kept.name}/{name}", self._dvc(digest, kept.folder, f"{kept.name}/{name}")

    def listing(self, kept: Kept) -> list[tuple[str, str]] | None:
        """The files of a folder that DVC keeps: pairs of name and md5; None where its list is not here, or is none."""
        listing = self._dvc(kept.key, kept.folder) if kept.key.endswith(".dir") else None
        return None if listing is None else _listed(listing)

    def marks(self, kept: Kept) -> str | None:
        """What tells without reading that the files with a content are the same as before: a digest of their places,
        sizes and times. None where one of them is not here.
        """
        import hashlib

        wanted: list[tuple[str, str]] | None = [(kept.name, kept.key)]
        if kept.keeper == "DVC" and kept.key.endswith(".dir"):
            wanted = self.listing(kept)
        whole = hashlib.sha256()
        for name, digest in wanted or ():
            mark = self._mark(kept, digest, name)
            if mark is None:
                return None
            whole.update(f"{name}\0{digest}\0{mark}\n".encode("utf-8", "surrogatepass"))
        return None if wanted is None else whole.hexdigest()

    def _mark(self, kept: Kept, digest: str, name: str) -> str | None:
        for place in (
            self._annex_places(digest) if kept.keeper == "git-annex" else self._dvc_places(digest, kept.folder)
        ):
            try:
                status = os.lstat(place)
            except (OSError, ValueError):
                continue
            return f"{place} {status.st_size} {status.st_mtime_ns} {status.st_ino}"
        return None

    def in_work_tree(self, path: str, algorithm: str, digest: str) -> Content | None:
        """The file at a path from the root, when it is a plain one, behind no link, and has this digest (hex)."""
        if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
            return None
        from . import worktree

        if not worktree.is_file(self._root, path):
            return None
        return _verified(os.fsdecode(worktree.full_path(self._root, path)), algorithm, digest)

    def _dvc(self, digest: str, folder: str, name: str = "") -> Content | None:
        for place in self._dvc_places(digest, folder):
            found = _verified(place, "md5", digest.removesuffix(".dir"))
            if found is not None:
                return found
        if not name or not re.fullmatch("[0-9a-f]{32}", digest):
            return None
        # What was added without being taken into the cache.
        return self.in_work_tree(posixpath.normpath(posixpath.join(folder, name)), "md5", digest)

    def _dvc_places(self, digest: str, folder: str) -> Iterator[str]:
        if re.fullmatch(r"[0-9a-f]{32}(\.dir)?", digest):
            for store in self._dvc_stores(folder):
                yield os.path.join(store, "files", "md5", digest[:2], digest[2:])
                yield os.path.join(store, digest[:2], digest[2:])

    def _dvc_stores(self, folder: str) -> tuple[str, ...]:
        """The caches of the DVC project that a folder belongs to, which may be a part of the repository."""
        if folder not in self._known:
            project = folder
            while project and not os.path.isdir(os.path.join(self._root, project, ".dvc")):
                project = project.rpartition("/")[0]
            own = os.path.join(self._root, project, ".dvc")
            self._known[folder] = (os.path.join(own, "cache"), *_configured(own))
        return self._known[folder]

    def _annex_places(self, key: str) -> Iterator[str]:
        if "/" not in key and "\0" not in key:
            for folders in _annex_folders(key):
                yield os.path.join(self._git, "annex", "objects", *folders, key, key)

    def _annex(self, key: str) -> Content | None:
        known = annex.parsed(key)
        for place in self._annex_places(key) if known.algorithm else ():
            found = _verified(place, known.algorithm, known.hash)
            if found is not None:
                return found
        return None


def _configured(settings_folder: str) -> Iterator[str]:
    """The cache folders that the settings of a DVC project name."""
    from configparser import ConfigParser, Error

    for name in ("config.local", "config"):
        settings = ConfigParser(interpolation=None)
        try:
            with open(os.path.join(settings_folder, name), "rb", opener=_plainly) as file:
                if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    settings.read_string(file.read(NAMES_AT_MOST).decode("utf-8"))
        except (OSError, UnicodeDecodeError, Error):
            continue
        folder = settings.get("cache", "dir", fallback="").strip("'\"")
        # A repository must not be able to make us ask another machine, as such a path does on Windows.
        if folder and folder[:2] not in ("//", "\\\\"):
            yield os.path.join(settings_folder, folder)


def _annex_folders(key: str) -> Iterator[tuple[str, str]]:
    import hashlib

    digest = hashlib.md5(key.encode("utf-8", "surrogateescape"), usedforsecurity=False)
    word = int.from_bytes(digest.digest()[:4], "little")
    first, second, third, fourth = (_ANNEX_LETTERS[word >> 6 * place & 31] for place in range(4))
    yield second + first, fourth + third
    yield digest.hexdigest()[:3], digest.hexdigest()[3:6]


def _listed(listing: Content) -> list[tuple[str, str]] | None:
    """The files of a folder as DVC lists them: pairs of name and md5."""
    import json

    try:
        rows = json.loads(listing.read_at(0, 64 * NAMES_AT_MOST))
        return [(str(row["relpath"]), str(row["md5"])) for row in rows]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _verified(path: str, algorithm: str, digest: str) -> Content | None:
    """The file, when it is a plain one and has this digest."""
    try:
        # Not through a link, and without waiting for the other end of a pipe.
        file = open(path, "rb", buffering=0, opener=_plainly)  # noqa: SIM115 (the content keeps it)
    except OSError:
        return None
    status = os.fstat(file.fileno())
    if stat.S_ISREG(status.st_mode):
        for prepare in (bytes, _unix_lines):
            found = annex.hasher(algorithm)
            for piece in _pieces(file):
                found.update(prepare(piece))
            if found.hexdigest() == digest:
                return FileContent(file, status.st_size)
            if algorithm != "md5" or status.st_size > _PIECE:
                break
    file.close()
    return None


def _unix_lines(data: bytes) -> bytes:
    """As DVC before 3.0 hashed texts."""
    return data.replace(b"\r\n", b"\n")


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE):
        yield piece


def _plainly(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
