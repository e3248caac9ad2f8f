"""Verdicts that were reached before, by object id: an object never changes, so neither does its verdict.

The cache belongs to one user on one machine. It is not used in CI or on a server, where the one who
writes it may not be the one who trusts it, and every failure to use it only costs time.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Self

# A file that has grown beyond this is begun anew.
_BYTES_AT_MOST = 32 * 1024 * 1024
_FEW = 1000

# The folders of the package whose code has a part in verdicts.
JUDGING = ("", "core", "datasets", "formats", "models")


class Cache:
    """Texts by kind and object id: one file for each kind, a line for each object, only ever appended to.

    Without a folder it remembers nothing.
    """

    def __init__(self, folder: str | None) -> None:
        self._folder = folder
        self._old: dict[str, bytes] = {}
        self._said: dict[str, dict[bytes, bytes]] = {}
        self._new: dict[str, dict[str, str]] = {}
        self._asked: set[str] = set()

    @classmethod
    def of_user(cls, environment: Mapping[str, str]) -> Self:
        """The user's own cache; one that remembers nothing in CI and inside of a push."""
        if environment.get("CI") or "GIT_QUARANTINE_PATH" in environment or os.name == "nt":
            return cls(None)
        home = environment.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        if not os.path.isabs(home):
            return cls(None)
        return cls(os.path.join(home, "git-custody", _fingerprint()))

    def get(self, kind: str, oid: str) -> str | None:
        """What was said of an object before."""
        if oid in self._new.get(kind, ()):
            return self._new[kind][oid]
        lines = self._lines(kind)
        start = lines.rfind(b"\n" + _key(oid) + b"\t") + 1
        if not start:
            return None
        end = lines.find(b"\n", start)
        return lines[lines.index(b"\t", start) + 1 : end].decode("utf-8", "replace") if end > 0 else None

    def known(self, kind: str, oids: Iterable[str]) -> dict[str, str]:
        """What was said of many objects before."""
        asked = {oid: _key(oid) for oid in oids}
        said, new = self._said.get(kind), self._new.get(kind, {})
        if said is None:
            lines = self._lines(kind).split(b"\n")[:-1]
            if kind not in self._asked and len(asked) < _FEW:
                # As before a commit: of very many only a few are needed, and once.
                self._asked.add(kind)
                wanted = {*asked.values()}
                found = (line.partition(b"\t") for line in lines)
                said = {key: text for key, tab, text in found if key in wanted and tab}
            else:
                said = self._said[kind] = dict(line.split(b"\t", 1) for line in lines if b"\t" in line)
        known = {}
        for oid, key in asked.items():
            if oid in new:
                known[oid] = new[oid]
            elif (text := said.get(key)) is not None:
                known[oid] = text.decode("utf-8", "replace")
        return known

    def put(self, kind: str, oid: str, text: str) -> None:
        """Remember what is said of an object, in one line; written when `close` is called."""
        if self._folder is not None and "\n" not in text:
            self._new.setdefault(kind, {})[oid] = text

    def close(self) -> None:
        """Write what is new."""
        for kind, said in self._new.items():
            lines = b"".join(b"\n%b\t%b" % (_key(oid), text.encode("utf-8", "replace")) for oid, text in said.items())
            full = len(self._old.get(kind, b"")) + len(lines) > _BYTES_AT_MOST
            flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if full else os.O_APPEND)
            try:
                file = os.open(self._path(kind), flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
                try:
                    os.write(file, lines + b"\n")
                finally:
                    os.close(file)
            except OSError:  # no home, no space: work without
                break
        self._new = {}

    def _path(self, kind: str) -> str:
        assert self._folder is not None
        return os.path.join(self._folder, kind)

    def _lines(self, kind: str) -> bytes:
        if kind not in self._old:
            self._old[kind] = b""
            if self._folder is not None and _is_private(self._folder):
                try:
                    with open(self._path(kind), "rb") as file:
                        self._old[kind] = file.read(_BYTES_AT_MOST + 1)
                except OSError:
                    pass
        return self._old[kind]


def _key(oid: str) -> bytes:
    return oid.encode("utf-8", "surrogateescape").replace(b"\t", b" ").replace(b"\n", b" ")


def _is_private(folder: str) -> bool:
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        status = os.stat(folder)
    except OSError:
        return False
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def _fingerprint() -> str:
    """Which code reached the verdicts: the version, and when the package's files were last written."""
    from .. import __version__

    newest, count = 0, 0
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in JUDGING:
        with os.scandir(os.path.join(package, folder)) as listing:
            for item in listing:
                if item.name.endswith(".py"):
                    count += 1
                    newest = max(newest, item.stat().st_mtime_ns)
    return f"{__version__}-{newest:x}-{count}"
