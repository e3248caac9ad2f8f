"""Content digests, and the pointers that stand for content."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Callable, Mapping

    from .content import Content

Digest = dict[str, str]

_SMALL = 64 * 1024


class Pointer(NamedTuple):
    """A Git LFS pointer: the sha256 (hex) and the size in bytes of the content that it stands for."""

    sha256: str
    size: int


# Canonical pointers only (git-lfs docs/spec.md): keys sorted, one space, one newline, nothing else.
_POINTER = (
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb"oid sha256:([0-9a-f]{64})\n"
    rb"size (0|[1-9][0-9]{0,18})\n"
)
# Extensions (docs/extensions.md of git-lfs) have changed the content before it is kept: `oid` and `size` are then of
# what is kept, and each `ext-N-name` names what went into that program. A checkout has to come out as the first of
# them, or git-lfs refuses it, so that this one is the digest of the content.
_EXTENDED = (
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb"((?:ext-[0-9]-[A-Za-z0-9_.-]+ sha256:[0-9a-f]{64}\n){1,10})"
    rb"oid sha256:([0-9a-f]{64})\n"
    rb"size (0|[1-9][0-9]{0,18})\n"
)
POINTER_SIZE = 1024
# To git-lfs a size is a signed number of 64 bits; a text with another one is no pointer.
_SIZE_AT_MOST = 2**63 - 1


class Extended(NamedTuple):
    """A Git LFS pointer to what extensions made of the content: the sha256 (hex) of the content itself, what is kept
    instead, and the names of the extensions in the order in which they ran.
    """

    original: str
    stored: Pointer
    extensions: tuple[str, ...]


def pointer(data: bytes) -> Pointer | None:
    """The Git LFS pointer that these bytes are, None when they are anything else."""
    match = re.fullmatch(_POINTER, data) if len(data) < POINTER_SIZE and data[:8] == b"version " else None
    return Pointer(match[1].decode("ascii"), int(match[2])) if match and int(match[2]) <= _SIZE_AT_MOST else None


def extended_pointer(data: bytes) -> Extended | None:
    """The Git LFS pointer with extensions that these bytes are, None when they are anything else."""
    match = re.fullmatch(_EXTENDED, data) if len(data) < POINTER_SIZE and b"\next-" in data else None
    if match is None or int(match[3]) > _SIZE_AT_MOST:
        return None
    lines = [line.split(b" sha256:") for line in match[1].splitlines()]
    orders = [key[:5] for key, _ in lines]
    if orders != sorted(set(orders)):
        return None
    names = tuple(key[6:].decode("ascii") for key, _ in lines)
    stored = Pointer(match[2].decode("ascii"), int(match[3]))
    return Extended(lines[0][1].decode("ascii"), stored, names)


def named(data: bytes) -> Pointer | None:
    """The content that a small file or a link stands for, as Git LFS or git-annex write them; else None.

    The digest is the sha256 (hex) of that content. With extensions of Git LFS, the size is that of what is kept. A
    key of git-annex that is no SHA-256 stands for itself: the digest is then that of its pointer file, whether the
    file is locked or not. The size is -1 where a key states none.
    """
    if data.startswith(b"version "):
        if (extended := extended_pointer(data)) is not None:
            return Pointer(extended.original, extended.stored.size)
        return pointer(data)
    if b"annex/objects/" in data:
        from . import annex

        if (key := annex.key_in(data)) is not None:
            import hashlib

            itself = key.backend != "SHA256" or not key.hash
            digest = hashlib.sha256(annex.pointer_text(key)).hexdigest() if itself else key.hash
            return Pointer(digest, -1 if key.size is None else key.size)
    return None


def may_be_pointer(head: bytes) -> bool:
    """Whether git-lfs may take a file that begins like this for a pointer, though it would never write it so.

    Its reader (lfs/pointer.go) looks at 1024 bytes and takes older names of the format, extensions, other line
    ends and any space around it: a checkout then has the content that is named, and we would have judged a
    text.
    """
    head = head[:POINTER_SIZE]
    if b"oid sha256:" not in head:
        return False
    lines = [line for line in head.decode("utf-8", "replace").strip().split("\n") if line.strip()]
    return all(re.match(r"(?:version|oid|size|ext-[0-9]-\w+) ", line) for line in lines)


def sha256_of(content: Content) -> str:
    """The sha256 (hex) of a content, read in pieces of 1 MiB."""
    whole = fresh_sha256(content.size)
    for offset in range(0, content.size, 1024 * 1024):
        whole.update(content.read_at(offset, 1024 * 1024))
    return whole.hexdigest()


def fresh_sha256(size: int) -> hashlib._Hash:
    """A fresh SHA-256, for so many bytes.

    To load OpenSSL takes longer than to hash a small file as Python does where that is missing.
    """
    if size <= _SMALL and (small := _small_sha256()) is not None:
        return small()
    import hashlib

    return hashlib.sha256()


@cache
def _small_sha256() -> Callable[[], hashlib._Hash] | None:
    from importlib import import_module

    for module in ("_sha2", "_sha256"):  # the former from Python 3.12 on
        try:
            made: Callable[[], hashlib._Hash] = import_module(module).sha256
        except ImportError:
            continue
        return made
    return None


def dir_hash(files: Mapping[str, str]) -> str:
    """The in-toto `dirHash` (Go's dirhash Hash1, in hex) of a folder.

    `files` maps each path, from the folder, to the sha256 (hex) of its content. It is the sha256 over the
    lines ``<sha256>  <path>\\n``, ordered by the bytes of the path
    (https://github.com/in-toto/attestation/blob/main/spec/v1/digest_set.md).
    """
    import hashlib

    whole = hashlib.sha256()
    for path in sorted(files, key=lambda p: p.encode("utf-8", "surrogateescape")):
        whole.update(f"{files[path]}  {path}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def short(digest: Mapping[str, str] | None) -> str:
    """A digest for a sentence: its first twelve digits."""
    return next(iter(digest.values()))[:12] if digest else "nothing"
