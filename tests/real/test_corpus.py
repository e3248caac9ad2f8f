"""The corpus, with what the installed libraries add to it: nothing dangerous accepted, nothing ordinary flagged,
and whatever a real loader runs is refused.
"""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from sandbox import Sandbox

from corpus import CARRIER, CODE, OPAQUE
from git_custody.core.content import FileContent
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import SAFE, Verdict

# What every file is given to, whatever its name.
ANY = (
    "pickle", "pickle-whole", "pickle-python", "pickle-latin1", "joblib", "numpy", "numpy-repeatedly", "torch",
    "torch-mmap", "torch-weights-only", "members", "stream-gzip", "stream-bz2", "stream-lzma", "stream-lz4", "stream-zstd",
    "stream-zlib", "pandas-zip", "pandas-tar", "pandas-zstd",
)  # fmt: skip
# What files of some formats are given to besides: first bytes, and loaders.
SOME = (
    (b"7z\xbc\xaf", ("7z",)),
    (b"\x89HDF", ("tables", "pandas-hdf")),
    (b"SQLite format 3\0", ("shelve",)),
    (b"ARROW1", ("arrow",)),
    (b"PAR1", ("parquet",)),
)
REFUSED = {"pickle", "code", "malformed"}
NAMES = "listed-and-unlisted-names"
SUFFIXES = {
    ".skops": ("skops",), ".mdb": ("lmdb",), ".dat": ("shelve",), ".pt2": ("torch-export",), ".ts": ("torch-jit",),
    ".keras": ("keras", "keras-unsafe"), ".joblib": ("joblib-mmap",),
}  # fmt: skip


def _program() -> ModuleType:
    """benchmarks/corpus.py, which is called like tests/corpus.py."""
    path = Path(__file__).parent.parent.parent / "benchmarks" / "corpus.py"
    spec = importlib.util.spec_from_file_location("written_corpus", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Placed:
    """The corpus on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files, self.left_out = _program().write(str(folder))

    def judged(self, path: str) -> tuple[Verdict, ...]:
        with open(self.folder / path, "rb", buffering=0) as file:
            return recognise(FileContent(file, os.fstat(file.fileno()).st_size), name=path)

    def dangerous(self, path: str) -> set[str]:
        return {verdict.kind for verdict in self.judged(path)} - {SAFE}


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Placed:
    return Placed(tmp_path_factory.mktemp("corpus"))


def test_it_is_large_enough(placed: Placed) -> None:
    counted = Counter(file.label for _, file in placed.files)
    kinds = {file.kind for _, file in placed.files if file.label == CARRIER}
    assert counted[CARRIER] >= 1_500
    assert counted["negative"] >= 1_500
    assert len(kinds) >= 60
    assert placed.left_out == {}


def test_no_carrier_is_accepted(placed: Placed) -> None:
    paths = [path for path, file in placed.files if file.label == CARRIER]
    assert [path for path in paths if "pickle" not in placed.dangerous(path)] == []


def test_no_code_is_accepted(placed: Placed) -> None:
    paths = [path for path, file in placed.files if file.label == CODE]
    assert [path for path in paths if not placed.dangerous(path) & REFUSED] == []


def test_what_cannot_be_told_is_said(placed: Placed) -> None:
    paths = [path for path, file in placed.files if file.label == OPAQUE]
    assert [path for path in paths if not placed.dangerous(path)] == []


def test_no_negative_is_flagged(placed: Placed) -> None:
    paths = [path for path, file in placed.files if file.label == "negative"]
    found = [(path, verdict.what) for path in paths for verdict in placed.judged(path) if verdict.kind != SAFE]
    assert found == []


PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_a_loader_runs_is_refused(placed: Placed, sandbox: Sandbox, part: int) -> None:
    ran: Counter[str] = Counter()
    accepted = []
    for path, file in placed.files[part::PARTS]:
        if file.kind == NAMES:  # what they name is called there and then, and not all of it is ours to stop
            continue
        head = (placed.folder / path).read_bytes()[:16]
        loaders = [*ANY, *(name for mark, names in SOME if head.startswith(mark) for name in names)]
        loaders += SUFFIXES.get(Path(path).suffix, ())
        by = sandbox.ran(placed.folder / path, loaders)
        ran.update(by)
        if by and not placed.dangerous(path) & REFUSED:
            accepted.append((path, by))
    assert accepted == []
    # The loaders did load: a sandbox in which nothing runs would prove nothing.
    assert {*ANY, "7z", "tables", "shelve", "lmdb", "skops"} - set(ran) == {"torch-weights-only"}
