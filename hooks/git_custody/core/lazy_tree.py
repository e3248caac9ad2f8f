"""A tree that is read folder by folder, as far as it is asked for.

Git keeps each folder as an object of its own. So a commit that touches a few files of a hundred thousand costs what the
folders around them hold, and not what the repository does.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from .trees import EXECUTABLE, GITLINK, REGULAR, SYMLINK, Entry, Tree, decode, encode, fold, folders_above

if TYPE_CHECKING:
    from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from .cache import Cache
    from .trees import Change

    # Names as git wrote them, with mode (octal digits) and object id (binary).
    Folder = Mapping[bytes, tuple[bytes, bytes]]

_T = TypeVar("_T")

# What a tree object consists of: mode, name, and the id in 20 or 32 bytes (git's Documentation/user-manual.txt).
_RECORD = rb"([0-7]{5,6}) ([^/\0]+)\0(.{%d})"
_FOLDER = (b"40000", b"040000")
# What is looked for wherever it lies.
_METADATA = (b"datacard.yaml", b"modelcard.yaml", b"README.md")
# A longer list of what lies below a folder is put together anew from those of its folders.
_REMEMBERED_AT_MOST = 4096


class LazyTree(Tree):
    """What the tree or commit `root` holds, with `changes` laid over it.

    `read` gives the bytes of tree objects by their names, None for one that is not here. `whole` gives everything
    there is, for questions that no folder answers, and for trees that git would not have written.
    """

    def __init__(
        self,
        root: str,
        changes: Iterable[Change],
        read: Callable[[Sequence[str]], Iterator[bytes | None]],
        whole: Callable[[], Tree],
        cache: Cache,
    ) -> None:
        self._root = root
        self._met = {change.path: change.after for change in changes}
        self._laid = {encode(path) for path in self._met}
        self._added = sorted(encode(path) for path, entry in self._met.items() if entry is not None)
        self._read = read
        self._list = whole
        self._listed: Tree | None = None
        self._cache = cache
        self._folders: dict[bytes, Folder] = {}

    # ------------------------------------------------------------------ paths

    def __getitem__(self, path: str) -> Entry:
        found = self._find(path)
        if found is None:
            raise KeyError(path)
        return found

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self._find(path) is not None

    def below(self, prefix: str) -> Iterator[str]:
        """The paths that begin with `prefix`, sorted."""
        if not prefix:
            return self._everything.below("")
        return self._answer(lambda: map(decode, self._below(encode(prefix))), lambda whole: whole.below(prefix))

    def ending(self, suffix: str) -> list[str]:
        """The paths that end with `suffix`; of metadata, what was seen of a folder is remembered."""
        if not encode(suffix).endswith(_METADATA):
            return self._everything.ending(suffix)
        metadata = self._answer(lambda: self._metadata, lambda whole: whole)
        return sorted((path for path in metadata if path.endswith(suffix)), key=encode)

    def alike(self, keys: Iterable[str]) -> list[str]:
        """The paths that `fold` makes one of `keys`."""
        wanted = {*keys}
        return self._answer(lambda: self._alike(wanted)[0], lambda whole: whole.alike(wanted))

    def folders_alike(self, keys: Iterable[str]) -> list[str]:
        """The folders whose paths `fold` makes one of `keys`; also one of which a change takes all away."""
        wanted = {*keys}
        return self._answer(lambda: self._alike(wanted)[1], lambda whole: whole.folders_alike(wanted))

    # ------------------------------------------------------------------ everything

    def __iter__(self) -> Iterator[str]:
        return iter(self._everything)

    def __len__(self) -> int:
        return len(self._everything)

    def items(self) -> ItemsView[str, Entry]:
        """All pairs of path and entry."""
        return self._everything.items()

    @property
    def _everything(self) -> Tree:
        if self._listed is None:
            self._listed = self._list()
        return self._listed

    # ------------------------------------------------------------------ folders

    def _answer(self, ask: Callable[[], _T], ask_whole: Callable[[Tree], _T]) -> _T:
        if self._listed is None:
            try:
                return ask()
            except _UnreadableError:
                pass
        return ask_whole(self._everything)

    def _find(self, path: str) -> Entry | None:
        # Thousands of times where a commit has many files, hence without `_answer`.
        if self._listed is not None:
            return self._listed.get(path)
        if path in self._met:
            return self._met[path]
        folder, slash, name = encode(path).rpartition(b"/")
        try:
            record = self._folder(folder + slash).get(name)
        except _UnreadableError:
            return self._everything.get(path)
        return None if record is None or record[0] in _FOLDER else _entry(*record)

    def _below(self, start: bytes) -> list[bytes]:
        above, slash, begin = start.rpartition(b"/")
        first = {name: record for name, record in self._folder(above + slash).items() if name.startswith(begin)}
        found: list[bytes] = []
        wave: list[tuple[bytes, Folder]] = [(above + slash, first)]
        while wave:
            deeper = []
            for folder, held in wave:
                for name, (mode, oid) in held.items():
                    if mode in _FOLDER:
                        deeper.append((folder + name + b"/", oid))
                    elif folder + name not in self._laid:
                        found.append(folder + name)
            wave = self._open(deeper)
        for place in range(bisect_left(self._added, start), len(self._added)):
            if not self._added[place].startswith(start):
                break
            found.append(self._added[place])
        return sorted(found)

    def _alike(self, keys: set[str]) -> tuple[list[str], list[str]]:
        """The paths, and the folders."""
        added = [decode(path) for path in self._added]
        found = [path for path in added if fold(path) in keys]
        folders = {folder for folder in folders_above(added) if fold(folder) in keys}
        wave = [(b"", [key.split("/") for key in keys])]
        while wave:
            deeper = []
            for folder, rests in wave:
                wanted: dict[str, list[list[str]]] = {}
                for first, *rest in rests:
                    wanted.setdefault(first, []).append(rest)
                for name, (mode, _) in self._folder(folder).items():
                    if (matching := wanted.get(fold(decode(name)))) is None:
                        continue
                    if mode in _FOLDER:
                        deeper.append((folder + name + b"/", [rest for rest in matching if rest]))
                        if [] in matching:
                            folders.add(decode(folder + name))
                    elif [] in matching and folder + name not in self._laid:
                        found.append(decode(folder + name))
            wave = [(path, rests) for path, rests in deeper if rests]
        return found, sorted(folders)

    @cached_property
    def _metadata(self) -> dict[str, Entry]:
        """Folder by folder, each known by its id: what one held that was looked at before is not read again."""
        import json

        held: dict[bytes, dict[str, Entry]] = {b"": {}}
        new: dict[bytes, str] = {}
        wave = [(b"", self._folder(b""))]
        while wave:
            deeper = []
            for path, folder in wave:
                for name, (mode, oid) in folder.items():
                    if mode in _FOLDER:
                        deeper.append((path, name + b"/", oid.hex()))
                    elif name.endswith(_METADATA):
                        held[path][decode(name)] = _entry(mode, oid)
            known = self._cache.known_in_bunches("metadata-below", [key for _, _, key in deeper])
            try:
                said = dict(zip(known, json.loads(f"[{','.join(known.values())}]"), strict=True))
            except ValueError:  # somebody's disk, or hand: then nothing was seen before
                said = {}
            for above, name, key in deeper:
                if key in said:
                    _add(held[above], name, said[key])
                else:
                    held[above + name], new[above + name] = {}, key
            wave = self._open([(above + name, bytes.fromhex(key)) for above, name, key in deeper if key not in said])
        for path in reversed(held):
            if path in new and len(text := json.dumps(held[path])) <= _REMEMBERED_AT_MOST:
                self._cache.put("metadata-below", new[path], text)
            if path:
                above = path[: path.rfind(b"/", 0, -1) + 1]
                _add(held[above], path[len(above) :], held[path])
        found = held[b""]
        for path in self._laid:
            found.pop(decode(path), None)
        found.update((decode(path), self[decode(path)]) for path in self._added if path.endswith(_METADATA))
        self._met.update(found)
        return found

    def _folder(self, path: bytes) -> Folder:
        """What a folder holds, given by its path with a slash at its end, "" for the root; nothing if it is none."""
        if path in self._folders:
            return self._folders[path]
        if b"" not in self._folders:
            (raw,) = self._read([f"{self._root}^{{tree}}"])
            self._folders[b""] = self._parse(raw)
        at, walked = self._folders[b""], b""
        for part in path.split(b"/")[:-1]:
            walked += part + b"/"
            mode, oid = at.get(part, (b"", b""))
            if mode not in _FOLDER:
                self._folders[path] = {}
                break
            ((_, at),) = self._open([(walked, oid)])
        return self._folders[path]

    def _open(self, folders: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, Folder]]:
        """What folders hold, given by path and id: pairs of path and that."""
        new = {path: oid.hex() for path, oid in folders if path not in self._folders}
        for path, raw in zip(new, self._read([*new.values()]), strict=True):
            self._folders[path] = self._parse(raw)
        return [(path, self._folders[path]) for path, _ in folders]

    def _parse(self, raw: bytes | None) -> Folder:
        if raw is None:
            raise _UnreadableError
        size = len(self._root) // 2
        records = re.findall(_RECORD % size, raw, re.DOTALL)
        folder = {name: (mode, oid) for mode, name, oid in records}
        length = sum(len(mode) + len(name) + size + 2 for mode, name, _ in records)
        if length != len(raw) or len(folder) != len(records):
            raise _UnreadableError
        return folder


class _UnreadableError(Exception):
    """A tree object that is not here, or not as git writes it."""


def _add(held: dict[str, Entry], folder: bytes, below: Mapping[str, Sequence[Any]]) -> None:
    name = decode(folder)
    for rest, (mode, oid) in below.items():
        held[name + rest] = Entry(mode, oid)


def _entry(mode: bytes, oid: bytes) -> Entry:
    """As git's own `canon_mode` reads old and odd modes."""
    kind = int(mode, 8)
    if kind & 0o170000 == 0o100000:
        kind = EXECUTABLE if kind & 0o100 else REGULAR
    elif kind & 0o170000 != SYMLINK:
        kind = GITLINK
    return Entry(kind, oid.hex())
