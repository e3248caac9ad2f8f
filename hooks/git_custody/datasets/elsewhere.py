"""What git only names: pointers of Git LFS, keys of git-annex, `.dvc` files. Whether each is written in its one
form, names its content in a way that cannot be forged, and leads nowhere else.

Forms: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md,
https://git-annex.branchable.com/internals/key_format/ and
https://dvc.org/doc/user-guide/project-structure/dvc-files. Everything is judged from the index or the commits;
content is only used where it is here, and after its digest has been checked.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from ..core import assets, digests
from ..core.case import READ_AT_MOST
from ..core.content import BytesContent
from ..core.findings import CUSTODY, Finding, NotJudged, RepoPath, Rule
from ..core.trees import GITLINK, SYMLINK
from . import survey as surveys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..core import annex
    from ..core.case import Case, Said
    from ..core.findings import Command
    from ..core.stores import Kept
    from ..core.trees import Entry
    from .survey import Dataset

NONCANONICAL = Rule(
    "noncanonical-pointer", ("2.4",), 2,
    "A pointer is not written as its program writes it.",
    "a checkout would put other content here than the text whose digest was recorded",
    "Check the file out, so that its content is there, and add it again: `git add --renormalize PATH`; for git-annex "
    "`git annex add PATH`.",
    "Git LFS reads older names of the format, other line ends and spaces, and of a longer text the first 1024 bytes; "
    "only what it writes today is recorded. Of texts beyond 64 KiB content-absent tells.",
)  # fmt: skip
RAW = Rule(
    "raw-content-on-lfs-path", ("2.4",), 2,
    "A path that Git LFS keeps holds the content itself.",
    "the next checkout or commit of anybody turns it into something else, and its history stays in git for ever",
    "`git add --renormalize PATH`, or take `filter=lfs` off the path in .gitattributes.",
    "Looks at datasets and models. An empty file is its own pointer.",
)  # fmt: skip
NO_IDENTITY = Rule(
    "no-content-identity", ("2.4",), 2,
    "What git has names no content.",
    "a key by address or time, or a .dvc file without a hash, can stand for other bytes tomorrow",
    "git-annex: `git annex get PATH`, then `git annex migrate --backend=SHA256E PATH`. DVC: `dvc commit PATH`, so that "
    "the file gets an md5.",
    "Backends with a hash are those of git-annex; URL, VURL, WORM, XXH3 and external ones hold none that counts.",
)  # fmt: skip
WEAK = Rule(
    "weak-content-identity", ("2.4",), 2,
    "A content is named by MD5 or SHA-1 alone.",
    "two contents with one MD5 can be made, so that the data can be exchanged behind an unchanged name",
    "With the content here, `git custody add PATH` records its SHA-256 beside the MD5. git-annex can name it by "
    "SHA-256 itself: `git annex migrate --backend=SHA256E PATH`.",
    "Where the content is not here, the SHA-256 in the card is not checked; the output says so.",
)  # fmt: skip
OUTSIDE = Rule(
    "pointer-leads-outside", ("2.4",), 2,
    "A .dvc file names a path outside of the repository, behind a link, or above itself.",
    "DVC writes to the path that is named, wherever that is",
    "Name a path below the folder of the .dvc file, with / and without `..`; `dvc move` does.",
    "Looks at the paths of outputs. Links count as they are tracked.",
)  # fmt: skip
RULES = (NONCANONICAL, RAW, NO_IDENTITY, WEAK, OUTSIDE)

_SHOWN = 3


class _Kind(NamedTuple):
    """What one object stands for: "" (nothing), "lfs", "annex" or a fault, and the key of git-annex."""

    what: str = ""
    key: annex.Key | None = None


def check(case: Case) -> Iterator[Said]:
    """Hold what git names of the datasets in question against the forms, and against what their cards record."""
    if not case.enforces(WEAK):
        return
    for path in _files_of_dvc(case):
        yield from _dvc(case, path, case.after[path])
    if not case.touches_assets:
        return
    found = surveys.survey(case)
    entries = {path: entry for dataset in found.datasets for path, entry in dataset.files.items()}
    entries.update((path, case.after[path]) for path in found.undocumented)
    pointers = case.pointers(entries.values())
    kinds = {path: _kind(pointers[entry.oid]) for path, entry in entries.items() if entry.oid in pointers}
    for path, kind in sorted(kinds.items()):
        yield from _pointer(case, path, kind)
    for dataset in found.datasets:
        if dataset.is_folder:
            yield from _folder(dataset, kinds)
        elif len(dataset.files) == 1:
            yield from _single(case, dataset, kinds.get(next(iter(dataset.files))))
    yield from _raw(case, _of_lfs(case, entries))


def _kind(data: bytes) -> _Kind:
    from ..core import annex
    from ..core.stores import kept_in

    if data.startswith(b"version ") and (digests.pointer(data) or digests.extended_pointer(data)):
        return _Kind("lfs")
    if (key := annex.key_in(data)) is not None:
        return _Kind("annex", key)
    if digests.may_be_pointer(data):
        return _Kind("git-lfs may take it for a pointer, and would not write it like this")
    if kept_in("", BytesContent(data)):
        return _Kind("git-annex may take it for a pointer, and would not write it like this")
    return _Kind()


# ---------------------------------------------------------------------- pointers and keys


def _pointer(case: Case, path: str, kind: _Kind) -> Iterator[Finding]:
    if kind.key is not None and not (kind.key.is_identity or kind.key.is_weak):
        backend = kind.key.text.partition("-")[0]
        said = f"a key of the backend {backend} does not say by a hash what the content is"
        fix: tuple[Command, ...] = (
            ("git", "annex", "get", RepoPath(path)),
            ("git", "annex", "migrate", "--backend=SHA256E", RepoPath(path)),
        )
        yield Finding(NO_IDENTITY, path, said, fix=fix, subject=kind.key.text)
    elif kind.key is None and kind.what not in ("", "lfs") and case.after[path].mode != SYMLINK:
        fix = (("git", "add", "--renormalize", RepoPath(path)),)
        fix = (("git", "annex", "add", RepoPath(path)),) if kind.what.startswith("git-annex") else fix
        yield Finding(NONCANONICAL, path, kind.what, fix=fix)


def _folder(dataset: Dataset, kinds: Mapping[str, _Kind]) -> Iterator[Finding]:
    """A folder's card has no place for the MD5 of every file in it: such keys have to be exchanged."""
    weak = [path for path in dataset.files if (kind := kinds.get(path)) and kind.key and kind.key.is_weak]
    if weak:
        names = ", ".join(weak[:_SHOWN]) + (f" and {len(weak) - _SHOWN} more" if len(weak) > _SHOWN else "")
        fix = ("git", "annex", "migrate", "--backend=SHA256E", RepoPath(dataset.path or "."))
        yield Finding(WEAK, dataset.shown_path, f"git-annex names files by a weak hash: {names}", fix=(fix,))


def _single(case: Case, dataset: Dataset, kind: _Kind | None) -> Iterator[Said]:
    from . import weak_names

    ((path, entry),) = dataset.files.items()
    if kind is not None and kind.key is not None and kind.key.is_weak and kind.key.backend != "MD5":
        fix: Command = ("git", "annex", "migrate", "--backend=SHA256E", RepoPath(path))
        yield Finding(WEAK, path, f"git-annex names this content by {kind.key.backend} alone", fix=(fix,))
        return
    is_weak = (
        path.endswith(".dvc")
        or weak_names.is_lock(path)
        or (kind is not None and kind.key is not None and kind.key.is_weak)
    )
    name = weak_names.name_of(case, path, entry, dataset.path) if is_weak and entry.mode != GITLINK else None
    if name is None or surveys.other_md5(case, dataset) is not None:
        return  # that the card speaks of another content, digest-mismatch says
    if weak_names.bound(dataset.document, name) is None:
        said = f"{name.keeper} names this content by MD5 alone, and its card does not record the SHA-256"
        fixes: tuple[Command, ...] = ((CUSTODY, "add", RepoPath(dataset.path)),)
        if weak_names.remembered(case, name) is None:
            fixes = (name.fetching(path), *fixes)
        yield Finding(WEAK, dataset.path, said, fix=fixes, unless=("digest-mismatch", "invalid-data-card"))
    elif weak_names.remembered(case, name) is None:
        absent = next((inner for inner, content in case.kept(name) if content is None), None)
        if absent is not None:
            yield NotJudged(path, name.is_absent(absent), (name.fetching(path),))


# ---------------------------------------------------------------------- DVC


def _files_of_dvc(case: Case) -> list[str]:
    """The files by which DVC says what it writes where: those that changed, or all of them."""
    if case.is_whole:
        return sorted({*case.after.ending(".dvc"), *case.after.ending("dvc.lock")})
    return sorted(path for path in case.changed if path.endswith((".dvc", "dvc.lock")) and path in case.after)


def _dvc(case: Case, path: str, entry: Entry) -> Iterator[Finding]:
    from ..core.stores import LOCK_AT_MOST
    from . import weak_names

    data = case.read(entry, LOCK_AT_MOST) if entry.is_file else None
    if data is None:
        return  # a link, or an object that is not here: said elsewhere
    kept = case.kept_in(path, entry, BytesContent(data))
    fix = (("dvc", "commit", RepoPath(path)),)
    is_lock = weak_names.is_lock(path)
    if kept is None:
        if path.endswith(".dvc") and surveys.is_dataset(case, path):
            yield Finding(NO_IDENTITY, path, "this .dvc file names no output", subject="unread")
        return
    if not kept:
        yield Finding(NO_IDENTITY, path, "what DVC wrote here cannot be read", subject="unread")
    if len(kept) > 1 and not is_lock:
        said = f"this .dvc file names {len(kept)} outputs, and one card speaks of one"
        yield Finding(NO_IDENTITY, path, said, subject="several")
    for one in kept:
        if not re.fullmatch(r"[0-9a-f]{32}(\.dir)?", one.key) and not is_lock:
            yield Finding(NO_IDENTITY, path, "this .dvc file has no md5 of its output", fix=fix, subject=one.name)
        if (leads := _leads(case, path, one)) is not None:
            yield Finding(OUTSIDE, path, leads, found=f"path: {one.name}", subject=one.name)


def _leads(case: Case, path: str, name: Kept) -> str | None:
    """What is wrong with the path of an output; None for one that stays in the repository, behind no link."""
    stated = name.name
    if not stated or re.search(r"[\\\0-\x1f]", stated) or re.match("[A-Za-z][A-Za-z0-9+.-]*:", stated):
        return "the path of its output is none that means the same on every system"
    if stated.startswith("/"):
        return "the path of its output is absolute"
    full = posixpath.normpath(posixpath.join(posixpath.dirname(path), stated))
    if full == ".." or full.startswith("../"):
        return "the path of its output leads out of the repository"
    if full == ".git" or full.startswith((".git/", ".dvc/", ".custody/")):
        return "the path of its output leads to where git, DVC or git-custody keep their own files"
    if full == "." or path == full or path.startswith(full + "/"):
        return "the path of its output is the file itself or a folder that holds it, which DVC refuses"
    parts = full.split("/")
    for depth in range(1, len(parts) + 1):
        there = case.after.get("/".join(parts[:depth]))
        if there is not None and there.mode == SYMLINK:
            return "the path of its output leads through a link"
    return None


# ---------------------------------------------------------------------- paths of Git LFS


def _of_lfs(case: Case, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The files that Git LFS keeps, by the attributes in the judged state: the datasets in question, the models that
    the change brings and, where attributes change or everything is judged, all datasets and models.
    """
    paths = {path for path, entry in entries.items() if entry.is_file}
    change = any(path.rpartition("/")[2] == ".gitattributes" for path in case.changed)
    among = case.after if change or case.is_whole else (path for path in case.changed if path in case.after)
    paths.update(path for path in among if case.after[path].is_file and _is_asset(case, path))
    covered = case.attributes(sorted(paths), ("filter",)) if _may_name_lfs(case, paths) else {}
    return {path: case.after[path] for path, values in covered.items() if values.get("filter") == "lfs"}


def _may_name_lfs(case: Case, paths: Iterable[str]) -> bool:
    """Whether any attributes can speak of Git LFS: where none do, git need not be asked about each path."""
    files = [entry for path in case.attribute_files(paths) if (entry := case.after[path]).is_file]
    texts = case.read_many(files) if files else {}
    starts = (texts.get(entry.oid) for entry in files)
    return any(start is None or len(start) == READ_AT_MOST or b"lfs" in start for start in starts)


def _is_asset(case: Case, path: str) -> bool:
    if assets.classify(path, case.policy.datasets, case.policy.models) is not None:
        return True
    if assets.is_paperwork(path):
        return False
    return any(assets.cards_over(path, case.after, kind) for kind in ("data", "model"))


def _raw(case: Case, covered: Mapping[str, Entry]) -> Iterator[Finding]:
    if not covered:
        return
    pointers = case.pointers(covered.values())
    raw = {p: e for p, e in covered.items() if e.oid not in pointers or not _kind(pointers[e.oid]).what}
    sizes = case.sizes(raw.values())
    for path in sorted(raw):
        if sizes.get(raw[path].oid):
            said = "Git LFS keeps this path, and the content itself is staged in the place of a pointer"
            yield Finding(RAW, path, said, fix=(("git", "add", "--renormalize", RepoPath(path)),))
