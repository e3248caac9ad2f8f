"""Which files may say something about a dataset, and what they say: looked up by name in the judged state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import croissant, cyclonedx, data_package, dvc, huggingface, reuse
from .facts import Stated, Subject
from .loading import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ...core.case import Case
    from ...core.trees import Entry
    from ..survey import Dataset

    Reader = Callable[[str, bytes, Subject], Stated | None]

# Files that speak of what lies in their folder, and below it.
_IN_FOLDERS: dict[str, Reader] = {
    "croissant.json": croissant.read,
    "datapackage.json": data_package.read,
    "README.md": huggingface.read,
    "bom.json": cyclonedx.read,
    "bom.cdx.json": cyclonedx.read,
}
_BESIDE: dict[str, Reader] = {
    ".license": reuse.read_license_file,
    ".croissant.json": croissant.read,
    ".cdx.json": cyclonedx.read,
}
REUSE_FILE = "REUSE.toml"
# Deeper folders are not asked: nobody nests a dataset that deep, but a hostile tree may.
MAX_FOLDERS = 30


def is_metadata(path: str) -> bool:
    """Whether a path, by its name, may say something about datasets beside or below it."""
    name = path.rpartition("/")[2]
    return name in _IN_FOLDERS or name == REUSE_FILE or name.endswith((*_BESIDE, ".dvc"))


def spoken_of_by(path: str) -> tuple[str, bool]:
    """Where the datasets lie that a metadata file may speak of: the one that is called so, or whatever lies below a
    folder (then the second is true; "" is the root).
    """
    folder, _, name = path.rpartition("/")
    for suffix in (*_BESIDE, ".dvc"):
        if name.endswith(suffix) and name not in _IN_FOLDERS:
            return path.removesuffix(suffix), False
    return folder, True


def inside(dataset: Dataset) -> set[str]:
    """The files of a folder dataset that only speak of it, or of another file of it. Deeper in, a `README.md` may be
    content like any other.
    """
    return {path for path in dataset.files if is_metadata(path) and _speaks_of(path, dataset)}


def _speaks_of(path: str, dataset: Dataset) -> bool:
    place, is_folder = spoken_of_by(path)
    if is_folder:
        return dataset.is_folder and place == dataset.path
    # A `.dvc` file stands for the data themselves.
    return not path.endswith(".dvc") and place in dataset.files


def subject_of(dataset: Dataset) -> Subject:
    """The dataset in the terms of the readers."""
    files = frozenset(path.removesuffix(".dvc") for path in dataset.files)
    return Subject(dataset.path.removesuffix(".dvc"), dataset.is_folder, files)


def stated(case: Case, dataset: Dataset) -> tuple[Stated, ...]:
    """What the files of the judged state say about a dataset: those about it alone first, then the nearest first."""
    subject = subject_of(dataset)
    readers = {path: read for path, read in _candidates(subject, dataset) if _is_file(case, path)}
    reuse_files = [path for path in _above(subject, REUSE_FILE) if _is_file(case, path)]
    entries = [case.after[path] for path in (*readers, *reuse_files)]
    if not entries:
        return ()
    raw = _texts(case, entries)
    found = [read(path, raw[case.after[path].oid], subject) for path, read in readers.items()
             if case.after[path].oid in raw]  # fmt: skip
    if reuse_files and not any(one is not None and one.standard == reuse.STANDARD for one in found):
        parsed = case.once("REUSE.toml files", lambda _: dict[str, list[reuse.Annotation]]())
        for path in reuse_files:
            oid = case.after[path].oid
            if path not in parsed and oid in raw:
                parsed[path] = reuse.parse_annotations(path, raw[oid])
        work = case.once("work on REUSE.toml files", lambda _: reuse.Work())
        found.append(reuse.annotated([(path, parsed[path]) for path in reuse_files if path in parsed], subject, work))
    order = {"whole": 0, "part": 1, "near": 2}
    return tuple(sorted((one for one in found if one is not None), key=lambda one: order[one.scope]))


def _is_file(case: Case, path: str) -> bool:
    return path in case.after and case.after[path].is_file


def _texts(case: Case, entries: Iterable[Entry]) -> Mapping[str, bytes]:
    """The files by object id, each read once in a run."""
    kept = case.once("texts of other metadata", lambda _: dict[str, bytes]())
    wanted = [entry for entry in entries if entry.oid not in kept]
    if wanted:
        kept.update({oid: text for oid, text in case.read_many(wanted).items() if len(text) < MAX_BYTES})
    return kept


def _candidates(subject: Subject, dataset: Dataset) -> Iterator[tuple[str, Reader]]:
    if subject.path:
        for suffix, read in _BESIDE.items():
            yield subject.path + suffix, read
    if not subject.is_folder:
        stem = subject.path.rpartition(".")[0]
        if stem and not stem.endswith("/"):
            yield f"{stem}.croissant.json", croissant.read
        yield from ((path, dvc.read) for path in dataset.files if path.endswith(".dvc"))
    for name, read in _IN_FOLDERS.items():
        yield from ((path, read) for path in _above(subject, name))


def _above(subject: Subject, name: str) -> Iterator[str]:
    folder = subject.folder
    for _ in range(MAX_FOLDERS):
        yield f"{folder}/{name}" if folder else name
        if not folder:
            return
        folder = folder.rpartition("/")[0]
