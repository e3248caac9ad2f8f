"""Data that git only names, as each program names it, changed in every way; tests/real/test_elsewhere.py runs the
programs themselves.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from commands import Commands
from conftest import Repo
from kept_elsewhere import annex_link, annex_pointer, dvc, dvc_folder, dvc_lock, key, lfs, stage_link
from kept_matrix import CHANGES, NEW, OLD, TOLD, Kind, content_absent, everywhere, found

# What was read of a store is closed when nobody has it any more.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Folder(Kind):
    path, moved = "data/d", "data/e"
    words = ("--as-one",)

    @property
    def inside(self) -> list[str]:
        return [f"{self.path}/a.csv", f"{self.path}/b.csv"]

    @property
    def card(self) -> str:
        return f"{self.path}/datacard.yaml"

    @property
    def moved_card(self) -> str:
        return f"{self.moved}/datacard.yaml"

    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        self.repo.stage({f"{at or self.path}/a.csv": data, f"{at or self.path}/b.csv": OLD})

    def move(self, *, card: bool) -> None:
        for name in ("a.csv", "b.csv", *(["datacard.yaml"] if card else [])):
            (self.repo.path / self.moved).mkdir(exist_ok=True)
            self.repo.git("mv", f"{self.path}/{name}", f"{self.moved}/{name}")


class Lfs(Kind):
    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        self.repo.stage({".gitattributes": "*.csv filter=lfs diff=lfs merge=lfs -text\n"})
        self.repo.stage({at or self.path: lfs(self.repo, data, here=here)})


class Dvc(Kind):
    is_weak = True
    path, moved = "data/x.csv.dvc", "data/y.csv.dvc"

    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        path = (at or self.path).removesuffix(".dvc")
        self.repo.stage({f"{path}.dvc": dvc(self.repo, path, data, here=here)})


class DvcFolder(Dvc):
    path, moved = "data/d.dvc", "data/e.dvc"

    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        path = (at or self.path).removesuffix(".dvc")
        self.repo.stage({f"{path}.dvc": dvc_folder(self.repo, path, {"a.csv": data, "s/b.csv": OLD}, here=here)})


class Output(Kind):
    """What a pipeline of DVC makes: git has its `dvc.lock` alone."""

    is_weak = True

    @property
    def inside(self) -> list[str]:
        return ["dvc.lock"]

    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        outputs = {"data/other.csv": b"other", at or self.path: data}
        self.repo.stage({"dvc.lock": dvc_lock(self.repo, outputs, here=here)})

    def move(self, *, card: bool) -> None:
        self.put(OLD, at=self.moved)
        if card:
            self.repo.git("mv", self.card, self.moved_card)


class Annexed(Kind):
    backend = "SHA256E"
    locked = False

    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        name = key(data, self.backend)
        pointer = annex_pointer(self.repo, name, data if here else None)
        path = at or self.path
        if self.locked:
            stage_link(self.repo, path, annex_link(path, name))
        else:
            (self.repo.path / path).unlink(missing_ok=True)
            self.repo.stage({path: pointer})


class Locked(Annexed):
    locked = True


class Md5Annexed(Annexed):
    is_weak = True
    backend = "MD5E"


class Sha512Locked(Locked):
    backend = "SHA512E"


KINDS = (Kind, Folder, Lfs, Dvc, DvcFolder, Annexed, Locked, Md5Annexed, Sha512Locked)
KEPT = KINDS[2:]


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    return Commands(repo, monkeypatch, capfd)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_change(repo: Repo, custody: Commands, make: type[Kind], change: Callable[[Kind], None]) -> None:
    change(make(repo, custody))


@pytest.mark.parametrize("make", KEPT, ids=lambda make: make.__name__)
def test_content_absent(repo: Repo, custody: Commands, make: type[Kind]) -> None:
    content_absent(make(repo, custody))


def test_from_one_keeper_to_another(repo: Repo, custody: Commands) -> None:
    kind = Kind(repo, custody)
    kind.base()
    for other in (Lfs, Annexed, Locked, Annexed):
        other(repo, custody).put(OLD)
        assert everywhere(custody) == [], other


def test_outputs_of_a_pipeline(repo: Repo, custody: Commands) -> None:
    kind = Output(repo, custody)
    kind.base()
    assert "md5: " in (repo.path / kind.card).read_text()
    kind.put(NEW)
    assert found(custody) == ["digest-mismatch"]
    custody("add", kind.path)
    assert everywhere(custody) == []
    custody("card", "new", *TOLD, "data/other.csv")
    assert everywhere(custody) == []
    kind.put(NEW, at=kind.moved)
    assert everywhere(custody) == ["orphan-data-card"]  # an output needs no card, and a card needs its output
    repo.git("mv", kind.card, kind.moved_card)
    assert everywhere(custody) == []
    kind.path = kind.moved
    kind.lose()
    assert found(custody, "--all") == []
    kind.put(OLD, here=False, at=kind.path)
    assert found(custody) == ["content-absent", "digest-mismatch"]
