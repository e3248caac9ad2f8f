"""Data that git names by an MD5 alone, as DVC and some keys of git-annex do: what binds a card to them.

Two contents with one MD5 can be made (RFC 6151), so that the name is no identity. While the content is here, its
SHA-256 goes into the card beside the MD5 (`content.digest`, `content.md5`). From then on the MD5 in git is held
against the one in the card, and the SHA-256 against the content wherever that is. A card without `content.md5`
speaks of the file that git has, the `.dvc` file or the pointer, and not of what it names.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from ..core import assets
from ..core.content import BytesContent
from ..core.digests import dir_hash, sha256_of
from ..core.stores import LOCK_AT_MOST, Kept

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.case import Case
    from ..core.digests import Digest
    from ..core.metadata import Document
    from ..core.trees import Entry


_MD5 = r"[0-9a-f]{32}(\.dir)?"


class Measured(NamedTuple):
    """A content: its digest, its size in bytes, None where nobody knows, the MD5 by which git names it, None where it
    does not, and the number of files in a folder, None for a file and where nobody knows.
    """

    digest: Digest
    bytes: int | None
    md5: str | None = None
    files: int | None = None


def is_lock(path: str) -> bool:
    """Whether a file is where DVC writes what the stages of its pipelines made."""
    return path.rpartition("/")[2] == "dvc.lock"


def outputs(case: Case, lock: str, entry: Entry) -> Mapping[str, Kept]:
    """What a `dvc.lock` names by an MD5: the path of each output, from the root."""
    return case.once(f"outputs {lock} {entry.oid}", lambda its: _outputs(its, lock, entry))


def _outputs(case: Case, lock: str, entry: Entry) -> dict[str, Kept]:
    data = case.read(entry, LOCK_AT_MOST) if entry.is_file else None
    kept = case.kept_in(lock, entry, BytesContent(data)) or () if data is not None else ()
    folder = posixpath.dirname(lock)
    named = ((posixpath.normpath(posixpath.join(folder, one.name)), one) for one in kept)
    return {path: one for path, one in named if re.fullmatch(_MD5, one.key)}


def locked(case: Case, path: str) -> str | None:
    """The `dvc.lock`, in a folder above, that names a path which git does not have as an output; None without one."""
    if not path or path in case.after:
        return None
    for above in assets.folder_cards(path):
        lock = f"{above.removesuffix('datacard.yaml')}dvc.lock"
        entry = case.after.get(lock)
        if entry is not None and path in outputs(case, lock, entry):
            return lock
    return None


def name_of(case: Case, path: str, entry: Entry, subject: str = "") -> Kept | None:
    """What a `.dvc` file or an annexed file names by an MD5, or a `dvc.lock` for the output `subject`; None for
    everything else.
    """
    from ..core import annex

    if is_lock(path):
        return outputs(case, path, entry).get(subject)
    data = case.read(entry, LOCK_AT_MOST)
    if data is None:
        return None
    if path.endswith(".dvc"):
        kept = case.kept_in(path, entry, BytesContent(data)) or ()
        return kept[0] if len(kept) == 1 and re.fullmatch(_MD5, kept[0].key) else None
    key = annex.key_in(data)
    if key is None or key.backend != "MD5" or not key.hash:
        return None
    return Kept("git-annex", key.text, size=-1 if key.size is None else key.size)


def md5_of(name: Kept) -> str:
    """The MD5 in a name, as a card records it."""
    from ..core import annex

    return name.key if name.keeper == "DVC" else annex.parsed(name.key).hash


def recorded_md5(document: Document | None) -> str | None:
    """The MD5 that a card records, None where it records none."""
    content = _content(document)
    md5 = content.get("md5")
    return md5 if isinstance(md5, str) else None


def bound(document: Document | None, name: Kept) -> Measured | None:
    """What a card records of the content with this name; None where it speaks of another one."""
    content = _content(document)
    digest = content.get("digest")
    if content.get("md5") != md5_of(name) or not isinstance(digest, dict):
        return None
    if list(digest) != ["dirHash" if name.key.endswith(".dir") else "sha256"]:
        return None
    size = content.get("bytes")
    stated = name.size if name.size >= 0 else size if isinstance(size, int) else None
    count = content.get("files")
    files = count if isinstance(count, int) else None
    return Measured({str(key): str(value) for key, value in digest.items()}, stated, md5_of(name), files)


def _content(document: Document | None) -> dict[str, object]:
    data = document.data if document is not None else None
    content = data.get("content") if isinstance(data, dict) else None
    return content if isinstance(content, dict) else {}


def remembered(case: Case, name: Kept) -> Measured | None:
    """As `present`; files that have not changed since they were last read are not read again."""
    import json

    marks = case.kept_marks(name)
    key = f"{name.keeper} {name.key} {marks}"
    if marks is not None and (known := case.verdict("kept-content", key)) is not None:
        algorithm, digest, size = json.loads(known)
        return Measured({algorithm: digest}, size, md5_of(name))
    found = present(case, name)
    if found is not None and marks is not None:
        case.remember("kept-content", key, json.dumps([*next(iter(found.digest.items())), found.bytes]))
    return found


def present(case: Case, name: Kept) -> Measured | None:
    """The content with this name as it is here, every file of it checked against its MD5; None where it is not."""
    if not name.key.endswith(".dir"):
        ((_, content),) = case.kept(name)
        return None if content is None else Measured({"sha256": sha256_of(content)}, content.size, md5_of(name))
    files: dict[str, str] = {}
    size = 0
    start = len(name.name) + 1
    for path, content in case.kept(name):
        inner = path[start:]
        if content is None or inner in files or not is_plain(inner):
            return None
        files[inner] = sha256_of(content)
        size += content.size
    return Measured({"dirHash": dir_hash(files)}, size, md5_of(name), len(files))


def is_plain(path: str) -> bool:
    """Whether a path stays below the folder that it starts from, on every system, and fits a line of a digest."""
    if not path or re.search(r"[\\\0-\x1f]", path) or re.match("[A-Za-z]:", path):
        return False
    return all(part not in ("", ".", "..") for part in path.split("/"))
