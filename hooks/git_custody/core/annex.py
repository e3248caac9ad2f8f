"""The keys of git-annex: what a link or a pointer file names, and whether that is an identity of the content.

A locked file is a link to ``.git/annex/objects/…/KEY/KEY``, an unlocked one a pointer file that holds
``/annex/objects/KEY``. A key is ``BACKEND-sSIZE--NAME``; backends whose name ends in E put the file's extensions
behind the hash. Formats: https://git-annex.branchable.com/internals/key_format/ and
https://git-annex.branchable.com/internals/pointer_file/; backends: https://git-annex.branchable.com/backends/.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import hashlib

# Backend, without E: the name of its hash, and its length in bits. What has no name here is not computed.
_SHA3 = {f"SHA3_{bits}": (f"sha3_{bits}", bits) for bits in (224, 256, 384, 512)}
_BLAKE2 = {f"BLAKE2B{bits}": (f"blake2b-{bits}", bits) for bits in (160, 224, 256, 384, 512)}
_BLAKE2 |= {f"BLAKE2S{bits}": (f"blake2s-{bits}", bits) for bits in (160, 224, 256)}
_BLAKE2 |= {"BLAKE2BP512": ("", 512), "BLAKE2SP224": ("", 224), "BLAKE2SP256": ("", 256)}
_STRONG = {f"SHA{bits}": (f"sha{bits}", bits) for bits in (224, 256, 384, 512)} | _SHA3 | _BLAKE2
_STRONG |= {"SKEIN256": ("", 256), "SKEIN512": ("", 512), "BLAKE3_256": ("", 256)}
# Two contents with one name can be made: https://sha-mbles.github.io and RFC 6151.
_WEAK = {"MD5": ("md5", 128), "SHA1": ("sha1", 160)}

_KEY = rb"[A-Z][A-Z0-9_]*(?:-[smSC][0-9]{1,19})*--[^/\0\n\r]+"
_POINTER = re.compile(rb"/annex/objects/(" + _KEY + rb")\n?")
_LINK = re.compile(rb"(?:\.\./)*\.git/annex/objects/[0-9A-Za-z]{2,3}/[0-9A-Za-z]{2,3}/(" + _KEY + rb")/\1")
_PARTS = re.compile(r"([A-Z0-9_]+?)(E?)((?:-[smSC][0-9]+)*)--(.+)", re.DOTALL)


class Key(NamedTuple):
    """A key: its text, its backend without the E for extensions, the size in bytes that it states (None: it does
    not), and the hash in it, "" where it holds none.
    """

    text: str
    backend: str
    size: int | None
    hash: str

    @property
    def is_identity(self) -> bool:
        """Whether no two contents can be made that have this key."""
        return bool(self.hash) and self.backend in _STRONG

    @property
    def is_weak(self) -> bool:
        """Whether it is a hash, but one for which two contents can be made."""
        return bool(self.hash) and self.backend in _WEAK

    @property
    def algorithm(self) -> str:
        """The name of the hash, as `hasher` takes it, "" for one that is not computed."""
        return (_STRONG | _WEAK).get(self.backend, ("", 0))[0] if self.hash else ""


def parsed(text: str) -> Key:
    """A key from its text; one that follows no known form is without a hash."""
    match = _PARTS.fullmatch(text)
    if match is None:
        return Key(text, "", None, "")
    backend, fields = match[1], match[3]
    if backend + match[2] in _STRONG | _WEAK:  # none of them ends in E by itself
        backend += match[2]
    stated = re.match(r"-s([0-9]{1,19})(?:-m|\Z)", fields)
    name = match[4].partition(".")[0] if match[2] else match[4]
    bits = (_STRONG | _WEAK).get(backend, ("", 0))[1]
    digits = name if re.fullmatch(f"[0-9a-f]{{{bits // 4}}}", name) and bits else ""
    return Key(text, backend, int(stated[1]) if stated else None, digits)


def hasher(algorithm: str) -> hashlib._Hash | hashlib.blake2b | hashlib.blake2s:
    """A fresh hash: a name of hashlib's, or one of BLAKE2 with its length in bits, such as ``blake2b-256``."""
    import hashlib

    name, _, bits = algorithm.partition("-")
    if bits:
        return (hashlib.blake2b if name == "blake2b" else hashlib.blake2s)(digest_size=int(bits) // 8)
    return hashlib.new(name, usedforsecurity=False)


def key_in(data: bytes) -> Key | None:
    """The key that a link's text or a pointer file names, written as git-annex writes them; else None."""
    match = _POINTER.fullmatch(data) or _LINK.fullmatch(data)
    return parsed(match[1].decode("utf-8", "surrogateescape")) if match else None


def leads_to_annex(path: str, target: bytes) -> bool:
    """Whether a link at a path from the root leads into the annex of its own repository."""
    if _LINK.fullmatch(target) is None:
        return False
    text = target.decode("utf-8", "surrogateescape")
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), text)).startswith(".git/annex/objects/")


def pointer_text(key: Key) -> bytes:
    """The one form by which a key that is not by SHA-256 counts, whether the file is locked or not."""
    return b"/annex/objects/" + key.text.encode("utf-8", "surrogateescape") + b"\n"
