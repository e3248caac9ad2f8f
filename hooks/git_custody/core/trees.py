"""What git has at paths: entries, trees of them, and changes between two. Nothing here runs git."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import ItemsView, Iterable, Iterator

REGULAR, EXECUTABLE, SYMLINK, GITLINK = 0o100644, 0o100755, 0o120000, 0o160000

# Objects up to this size are held in memory; larger ones are spooled to a temporary file.
IN_MEMORY = 4 * 1024 * 1024


def decode(raw: bytes) -> str:
    """A path as text, whatever the locale: UTF-8, other bytes as surrogates."""
    return raw.decode("utf-8", "surrogateescape")


def encode(path: str) -> bytes:
    """The inverse of `decode`."""
    return path.encode("utf-8", "surrogateescape")


def fold(path: str) -> str:
    """What two paths have in common that differ only by case or Unicode form; folder by folder it is the same."""
    if path.isascii():
        return path.lower()
    import unicodedata

    return unicodedata.normalize("NFC", path).casefold()


def folders_above(paths: Iterable[str]) -> set[str]:
    """All folders in which paths lie, directly or not, but the root."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


class Entry(NamedTuple):
    """What git has at a path: the file mode (an int, as in `REGULAR`) and the object id in hex."""

    mode: int
    oid: str

    @property
    def is_file(self) -> bool:
        """Whether this is a regular file, executable or not."""
        return self.mode in (REGULAR, EXECUTABLE)


class Tree(Mapping[str, Entry]):
    """Everything at some paths of a tree or the index: path → entry. It is not changed once it was made.

    Most commits ask for a few paths of many, so that names and entries are kept as git wrote them until they are
    asked for. `raw` maps names to headers of `--raw` records.
    """

    def __init__(self, raw: Mapping[bytes, bytes]) -> None:
        self._raw = raw
        self._whole: dict[str, Entry] | None = None

    @classmethod
    def of(cls, entries: Mapping[str, Entry]) -> Tree:
        """A tree of these entries."""
        return cls({encode(path): b": %06o %s A" % (entry.mode, entry.oid.encode()) for path, entry in entries.items()})

    @property
    def _all(self) -> dict[str, Entry]:
        if self._whole is None:
            self._whole = {decode(name): _added(header) for name, header in self._raw.items()}
        return self._whole

    def __getitem__(self, path: str) -> Entry:
        return self._all[path] if self._whole is not None else _added(self._raw[encode(path)])

    def __contains__(self, path: object) -> bool:
        if self._whole is not None:
            return path in self._whole
        return isinstance(path, str) and encode(path) in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._raw)

    def items(self) -> ItemsView[str, Entry]:
        """All pairs of path and entry."""
        return self._all.items()

    @cached_property
    def _names(self) -> list[bytes]:
        return sorted(self._raw)

    def below(self, prefix: str) -> Iterator[str]:
        """The paths that begin with `prefix`, sorted, without a look at the others."""
        from bisect import bisect_left

        start = encode(prefix)
        for place in range(bisect_left(self._names, start), len(self._names)):
            if not self._names[place].startswith(start):
                return
            yield decode(self._names[place])

    def files_below(self, prefix: str) -> dict[str, Entry]:
        """The plain files whose paths begin with `prefix`, by the rest of their paths."""
        found = {path[len(prefix) :]: self[path] for path in self.below(prefix)}
        return {rest: entry for rest, entry in found.items() if entry.is_file}

    def ending(self, suffix: str) -> list[str]:
        """The paths that end with `suffix`."""
        end = encode(suffix)
        return [decode(name) for name in self._raw if name.endswith(end)]

    def alike(self, keys: Iterable[str]) -> list[str]:
        """The paths that `fold` makes one of `keys`."""
        wanted = {*keys}
        plain = {encode(key) for key in wanted}
        named = (name for name in self._raw if not name.isascii() or name.lower() in plain)
        return [path for path in map(decode, named) if fold(path) in wanted]

    def folders_alike(self, keys: Iterable[str]) -> list[str]:
        """The folders whose paths `fold` makes one of `keys`."""
        wanted = {*keys}
        return [folder for folder in folders_above(self) if fold(folder) in wanted]


class Change(NamedTuple):
    """One path whose entry differs between two trees; None where it does not exist."""

    path: str
    before: Entry | None
    after: Entry | None


def _added(header: bytes) -> Entry:
    """The entry in the header of a record that adds something."""
    words = header.split(b" ")
    return Entry(int(words[1], 8), words[-2].decode("ascii"))
