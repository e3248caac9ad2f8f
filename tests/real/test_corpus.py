"""The corpus, with what the installed libraries add to it: nothing dangerous accepted, nothing ordinary flagged,
and whatever a real loader runs is refused.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

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
    (b"SQLite format 3\0", ("sqlite",)),
    (b"ARROW1", ("arrow",)),
    (b"PAR1", ("parquet",)),
)
REFUSED = {"pickle", "code", "malformed"}
NAMES = "listed-and-unlisted-names"
SUFFIXES = {
    ".skops": ("skops",), ".mdb": ("lmdb",), ".dat": ("shelve",), ".pt2": ("torch-export",), ".ts": ("torch-jit",),
    ".keras": ("keras", "keras-unsafe"), ".joblib": ("joblib-mmap",),
}  # fmt: skip


class File(NamedTuple):
    """One line of the manifest."""

    path: str
    label: str
    kind: str


class Placed:
    """The corpus on disk, written by a process of its own: not every library can be imported beside every other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = Path(__file__).parent.parent.parent / "benchmarks" / "corpus.py"
        said = subprocess.run((sys.executable, program, folder), check=True, capture_output=True, text=True).stdout
        self.left_out = [line for line in said.splitlines() if line.startswith("left out")]
        lines = (folder / "manifest.tsv").read_text(encoding="utf-8").splitlines()[1:]
        self.files = [File(*line.split("\t")[:3]) for line in lines]

    def paths(self, label: str) -> list[str]:
        return [file.path for file in self.files if file.label == label]

    def judged(self, path: str) -> tuple[Verdict, ...]:
        with open(self.folder / path, "rb", buffering=0) as file:
            return recognise(FileContent(file, os.fstat(file.fileno()).st_size), name=path)

    def dangerous(self, path: str) -> set[str]:
        return {verdict.kind for verdict in self.judged(path)} - {SAFE}


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Placed:
    return Placed(tmp_path_factory.mktemp("corpus"))


def test_it_is_large_enough(placed: Placed) -> None:
    assert placed.left_out == []
    assert len(placed.paths(CARRIER)) >= 1_500
    assert len(placed.paths("negative")) >= 1_500
    assert len({file.kind for file in placed.files if file.label == CARRIER}) >= 60


def test_no_carrier_is_accepted(placed: Placed) -> None:
    assert [path for path in placed.paths(CARRIER) if "pickle" not in placed.dangerous(path)] == []


def test_no_code_is_accepted(placed: Placed) -> None:
    assert [path for path in placed.paths(CODE) if not placed.dangerous(path) & REFUSED] == []


def test_what_cannot_be_told_is_said(placed: Placed) -> None:
    assert [path for path in placed.paths(OPAQUE) if not placed.dangerous(path)] == []


def test_no_negative_is_flagged(placed: Placed) -> None:
    judged = [(path, verdict) for path in placed.paths("negative") for verdict in placed.judged(path)]
    assert [(path, verdict.kind, verdict.what) for path, verdict in judged if verdict.kind != SAFE] == []


PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_a_loader_runs_is_refused(placed: Placed, sandbox: Sandbox, part: int) -> None:
    ran: Counter[str] = Counter()
    accepted = []
    for path, _, kind in placed.files[part::PARTS]:
        if kind == NAMES:  # what they name is called there and then, and not all of it is ours to stop
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
    assert {"pickle", "joblib", "numpy", "torch", "members"} <= set(ran)
