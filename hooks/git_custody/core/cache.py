"""Verdicts that were reached before, by object id: an object never changes, so neither does its verdict.

The cache belongs to one user on one machine. It is not used in CI or on a server, where the one who
writes it may not be the one who trusts it, and every failure to use it only costs time.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Self

# A file that has grown beyond this is begun anew.
_BYTES_AT_MOST = 256 * 1024
_BUNCHES_AT_MOST = 48 * 1024  # of which a commit makes a new one where it changes one object
_LINE_AT_MOST = 32 * 1024
# For this many objects of one file, a dict of all is quicker than a search for each.
_MANY = 20
# More objects than this are kept in bunches of about so many.
_CROWD, _BUNCH = 256, 64
_IN_BUNCHES, _BETWEEN = "-in-bunches", "\x1f"

# The folders of the package whose code has a part in verdicts.
JUDGING = ("", "core", "datasets", "formats", "models")


class Cache:
    """Texts by kind and object id: a folder for each kind, in it files by the start of the id, so that few have to be
    read for a few objects; in these a line for each object, only ever appended to. An object never changes, so what is
    said of it must not, either.

    Without a folder it remembers nothing.
    """

    def __init__(self, folder: str | None) -> None:
        self._folder = folder
        self._old: dict[str, bytes] = {}
        self._said: dict[str, dict[bytes, bytes]] = {}
        self._new: dict[str, dict[str, str]] = {}
        self._to_bunch: dict[str, tuple[str, list[str]]] = {}

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
        return self.known(kind, (oid,)).get(oid)

    def known(self, kind: str, oids: Iterable[str]) -> dict[str, str]:
        """What was said of many objects before."""
        new = self._new.get(kind, {})
        known = {}
        by_file: dict[str, list[str]] = {}
        for oid in oids:
            if oid in new:
                known[oid] = new[oid]
            else:
                by_file.setdefault(_file(kind, oid), []).append(oid)
        for file, asked in by_file.items():
            if len(asked) > _MANY and file not in self._said:
                whole = (line for line in self._lines(file).split(b"\n") if line.endswith(_END) and b"\t" in line)
                self._said[file] = dict(line[:-1].split(b"\t", 1) for line in whole)
            said, lines = self._said.get(file), self._lines(file)
            for oid in asked if lines else ():
                text = _find(lines, _key(oid)) if said is None else said.get(_key(oid))
                if text is not None:
                    known[oid] = text.decode("utf-8", "replace")
        return known

    def known_in_bunches(self, kind: str, oids: Iterable[str]) -> dict[str, str]:
        """The same, for what is asked of a whole repository at every run: of thousands of objects few are others the
        next time, so that they are kept in bunches, too, each known by all that is in it.
        """
        asked = sorted({*oids})
        if len(asked) <= _CROWD or not self._is_usable:
            return self.known(kind, asked)
        from hashlib import sha256
        from zlib import crc32

        one_of = (1 << (len(asked) // _BUNCH).bit_length()) - 1
        bunches: dict[int, list[str]] = {}
        for oid in asked:
            bunches.setdefault(crc32(_key(oid)) & one_of, []).append(oid)
        names = {sha256(_key("\0".join(bunch))).hexdigest(): bunch for bunch in bunches.values()}
        held = self.known(kind + _IN_BUNCHES, names)
        known: dict[str, str] = {}
        others: list[str] = []
        for name, bunch in names.items():
            texts = held[name].split(_BETWEEN) if name in held else []
            if len(texts) == len(bunch):
                known.update(zip(bunch, texts, strict=True))
            else:
                others += bunch
                self._to_bunch[name] = (kind, bunch)
        known.update(self.known(kind, others))
        new = self._new.get(kind, {})
        return known | {oid: new[oid] for oid in new.keys() & known.keys()}

    def put(self, kind: str, oid: str, text: str) -> None:
        """Remember what is said of an object, in one line; written when `close` is called."""
        if self._folder is not None and len(text) <= _LINE_AT_MOST and "\n" not in text and "\0" not in text:
            self._new.setdefault(kind, {})[oid] = text

    def close(self) -> None:
        """Write what is new."""
        for name, (kind, bunch) in self._to_bunch.items():
            said = self.known(kind, bunch)
            if len(said) == len(bunch) and not any(_BETWEEN in text for text in said.values()):
                self.put(kind + _IN_BUNCHES, name, _BETWEEN.join(said[oid] for oid in bunch))
        new: dict[str, list[bytes]] = {}
        for kind, said in self._new.items() if self._is_usable else ():
            for oid, text in said.items():
                line = b"\n%b\t%b%b" % (_key(oid), text.encode("utf-8", "replace"), _END)
                new.setdefault(_file(kind, oid), []).append(line)
        for file, written in new.items():
            lines = b"".join(written)
            full = len(self._old.get(file, b"")) + len(lines) > _most_of(file)
            flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | (os.O_TRUNC if full else os.O_APPEND)
            try:
                descriptor = self._open(file, flags)
                try:
                    os.write(descriptor, lines + b"\n")
                finally:
                    os.close(descriptor)
            except OSError:  # no home, no space: work without
                break
        self._new, self._to_bunch = {}, {}

    def _open(self, file: str, flags: int) -> int:
        path = os.path.join(self._folder or "", file)
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            os.mkdir(os.path.dirname(path), 0o700)
            return os.open(path, flags, 0o600)

    @cached_property
    def _is_usable(self) -> bool:
        return self._folder is not None and _is_private(self._folder)

    def _lines(self, file: str) -> bytes:
        if file not in self._old:
            self._old[file] = b""
            if self._is_usable:
                try:
                    with open(os.path.join(self._folder or "", file), "rb") as held:
                        self._old[file] = held.read(_BYTES_AT_MOST + 1)
                except OSError:
                    pass
        return self._old[file]


# What ends a line, so that one which a full disk or a crash has cut short is none.
_END = b"\0"


def _key(oid: str) -> bytes:
    return oid.encode("utf-8", "surrogateescape").replace(b"\t", b" ").replace(b"\n", b" ")


def _file(kind: str, oid: str) -> str:
    start = oid[:2]
    return f"{kind}/{start if start.isalnum() and start.isascii() else _key(start).hex()}"


def _most_of(file: str) -> int:
    return _BUNCHES_AT_MOST if f"{_IN_BUNCHES}/" in file else _BYTES_AT_MOST


def _find(lines: bytes, key: bytes) -> bytes | None:
    """What the last line of an object says."""
    at = len(lines)
    while (at := lines.rfind(b"\n" + key + b"\t", 0, at)) >= 0:
        start = at + len(key) + 2
        end = lines.find(b"\n", start)
        if start < end and lines[end - 1 : end] == _END:
            return lines[start : end - 1]
    return None


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
