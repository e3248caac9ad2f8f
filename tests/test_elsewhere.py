"""Data that git only names: every kind of it, changed in every way, judged before the commit, as a whole and in a range.

Made without the programs, from the bytes that they write; tests/real/test_elsewhere.py does the same with them.
"""

from __future__ import annotations

import pytest

from commands import Commands
from conftest import ROWS, Repo
from kept_elsewhere import (
    annex_link,
    annex_pointer,
    dvc,
    dvc_folder,
    key,
    lfs,
    stage_link,
)  # fmt: skip

# What was read of a store is closed when nobody has it any more.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

POLICY = "version: 1\nlevel: 2\n"
OLD = ROWS.encode()
NEW = OLD + b"20,row 20\n"
TOLD = ("--title", "Rows for tests", "--source-kind", "original", "--publisher", "Example Lab", "--license", "MIT")
RULES = frozenset(
    {
        "noncanonical-pointer", "raw-content-on-lfs-path", "no-content-identity", "weak-content-identity",
        "pointer-leads-outside", "digest-mismatch", "missing-data-card", "orphan-data-card", "ambiguous-asset-name",
        "asset-attributes", "content-absent", "invalid-data-card",
    }
)  # fmt: skip


def found(custody: Commands, *words: str) -> list[str]:
    """What is said of where content is, at level 2; what else that level asks for is left out."""
    verdict = custody("check", "--format", "json", *words)
    assert verdict.report["errors"] == []
    return [rule for rule in verdict.rules if rule in RULES]


def everywhere(custody: Commands) -> list[str]:
    """The same, before the commit, in the whole index and in a range, which have to agree."""
    base = custody.repo.git("rev-parse", "HEAD")
    said = [found(custody), found(custody, "--all")]
    custody.repo.git("commit", "-q", "--no-verify", "-m", "Change")
    said.append(found(custody, "--range", f"{base}...HEAD"))
    assert said[0] == said[1] == said[2]
    return said[0]


class Kind:
    """One way to keep a dataset: `path` is the file that git has, `card` its card."""

    path = "data/x.csv"
    moved = "data/y.csv"

    def __init__(self, repo: Repo, custody: Commands) -> None:
        self.repo = repo
        self.custody = custody

    @property
    def card(self) -> str:
        return f"{self.path.removesuffix('.dvc')}.datacard.yaml"

    @property
    def moved_card(self) -> str:
        return f"{self.moved.removesuffix('.dvc')}.datacard.yaml"

    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        self.repo.stage({at or self.path: data})

    def base(self) -> None:
        """A base with the dataset and its card."""
        self.repo.commit({".custody/policy.yaml": POLICY})
        self.put(OLD)
        done = self.custody("add", *TOLD, self.path)
        assert done.code in (0, 1), done.err
        self.repo.git("commit", "-q", "--no-verify", "-m", "Base")

    def move(self, *, card: bool) -> None:
        self.repo.git("rm", "-q", "--cached", "-r", self.path)
        self.put(OLD, at=self.moved)
        if card:
            self.repo.git("mv", self.card, self.moved_card)


class Folder(Kind):
    path, moved = "data/d", "data/e"

    @property
    def card(self) -> str:
        return f"{self.path}/datacard.yaml"

    @property
    def moved_card(self) -> str:
        return f"{self.moved}/datacard.yaml"

    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        self.repo.stage({f"{at or self.path}/a.csv": data, f"{at or self.path}/b.csv": OLD})

    def base(self) -> None:
        self.repo.commit({".custody/policy.yaml": POLICY})
        self.put(OLD)
        self.custody("add", "--as-one", *TOLD, self.path)
        self.repo.git("commit", "-q", "--no-verify", "-m", "Base")

    def move(self, *, card: bool) -> None:
        for name in ("a.csv", "b.csv", *(["datacard.yaml"] if card else [])):
            (self.repo.path / self.moved).mkdir(exist_ok=True)
            self.repo.git("mv", f"{self.path}/{name}", f"{self.moved}/{name}")


class Lfs(Kind):
    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        self.repo.stage({".gitattributes": "*.csv filter=lfs diff=lfs merge=lfs -text\n"})
        self.repo.stage({at or self.path: lfs(self.repo, data, here=here)})


class Dvc(Kind):
    path, moved = "data/x.csv.dvc", "data/y.csv.dvc"

    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        path = (at or self.path).removesuffix(".dvc")
        self.repo.stage({f"{path}.dvc": dvc(self.repo, path, data, here=here)})


class DvcFolder(Dvc):
    path, moved = "data/d.dvc", "data/e.dvc"

    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        path = (at or self.path).removesuffix(".dvc")
        self.repo.stage({f"{path}.dvc": dvc_folder(self.repo, path, {"a.csv": data, "s/b.csv": OLD}, here=here)})


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
    backend = "MD5E"


class Sha512Locked(Locked):
    backend = "SHA512E"


KINDS = (Kind, Folder, Lfs, Dvc, DvcFolder, Annexed, Locked, Md5Annexed, Sha512Locked)
KEPT = KINDS[2:]


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    return Commands(repo, monkeypatch, capfd)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest, repo: Repo, custody: Commands) -> Kind:
    made: Kind = request.param(repo, custody)
    return made


def test_added(kind: Kind) -> None:
    kind.repo.commit({".custody/policy.yaml": POLICY})
    kind.put(OLD)
    assert found(kind.custody) == ["missing-data-card"]
    words = ("--as-one",) if isinstance(kind, Folder) else ()
    kind.custody("add", *words, *TOLD, kind.path)
    assert everywhere(kind.custody) == []


def test_edited(kind: Kind) -> None:
    kind.base()
    kind.put(NEW)
    assert found(kind.custody) == ["digest-mismatch"]
    kind.custody("add", kind.path)
    assert everywhere(kind.custody) == []


def test_edited_without_the_card(kind: Kind) -> None:
    kind.base()
    kind.put(NEW)
    assert everywhere(kind.custody) == ["digest-mismatch"]


def test_renamed_without_the_card(kind: Kind) -> None:
    kind.base()
    kind.move(card=False)
    assert everywhere(kind.custody) == ["missing-data-card", "orphan-data-card"]


def test_moved_with_the_card(kind: Kind) -> None:
    kind.base()
    kind.moved = kind.moved.replace("data/", "datasets/deeper/")
    (kind.repo.path / kind.moved).parent.mkdir(parents=True, exist_ok=True)
    kind.move(card=True)
    assert everywhere(kind.custody) == []


def test_deleted(kind: Kind) -> None:
    kind.base()
    inside = [f"{kind.path}/a.csv", f"{kind.path}/b.csv"] if isinstance(kind, Folder) else [kind.path]
    kind.repo.git("rm", "-q", "-r", *inside)
    assert found(kind.custody) == ["orphan-data-card"]
    kind.repo.git("rm", "-q", kind.card)
    assert everywhere(kind.custody) == []


def test_a_link_in_its_place(kind: Kind) -> None:
    kind.base()
    path = f"{kind.path}/a.csv" if isinstance(kind, Folder) else kind.path
    stage_link(kind.repo, path, "../README.md")
    assert "ambiguous-asset-name" in everywhere(kind.custody)


@pytest.mark.parametrize("make", KEPT, ids=lambda made: made.__name__)
def test_content_absent(repo: Repo, custody: Commands, make: type[Kind]) -> None:
    kind = make(repo, custody)
    kind.base()
    for store in (".git/lfs", ".git/annex", ".dvc"):
        if (repo.path / store).exists():
            (repo.path / store).rename(repo.path.parent / store.replace("/", "-"))
    assert found(custody, "--all") == []  # unchanged, and the policy allows that
    left = {item["path"]: item for item in custody("check", "--format", "json", "--all").report["not_judged"]}
    assert "not here" in left[kind.path]["reason"]
    kind.put(NEW, here=False)
    assert found(custody) == ["content-absent", "digest-mismatch"]
    custody("add", kind.path)
    weak = isinstance(kind, Dvc | Md5Annexed)
    assert found(custody) == ["content-absent", *(["weak-content-identity"] if weak else [])]


def test_from_one_keeper_to_another(repo: Repo, custody: Commands) -> None:
    kind = Kind(repo, custody)
    kind.base()
    for other in (Lfs, Annexed, Locked, Annexed):
        other(repo, custody).put(OLD)
        assert everywhere(custody) == [], other
