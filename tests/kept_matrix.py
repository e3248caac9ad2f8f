"""Every way to change a dataset, and what has to be said of it: before the commit, of the whole index and of a range.

tests/test_elsewhere.py runs it on what each program writes, tests/real/test_elsewhere.py with the programs themselves.
"""

from __future__ import annotations

from commands import Commands
from conftest import ROWS, Repo
from kept_elsewhere import stage_link

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
    """One way to keep a dataset: `path` is the file that git has, `card` its card. `is_weak`: git names it by MD5."""

    path = "data/x.csv"
    moved = "data/y.csv"
    words: tuple[str, ...] = ()
    is_weak = False

    def __init__(self, repo: Repo, custody: Commands) -> None:
        self.repo = repo
        self.custody = custody

    @property
    def card(self) -> str:
        return f"{self.path.removesuffix('.dvc')}.datacard.yaml"

    @property
    def moved_card(self) -> str:
        return f"{self.moved.removesuffix('.dvc')}.datacard.yaml"

    @property
    def inside(self) -> list[str]:
        """The files of the dataset in git."""
        return [self.path]

    def put(self, data: bytes, *, here: bool = True, at: str = "") -> None:
        """Stage a content at a path; `here`: it stays where the program keeps it."""
        self.repo.stage({at or self.path: data})

    def lose(self) -> None:
        """Take away whatever holds content beside git."""
        for store in (".git/lfs", ".git/annex", ".dvc"):
            if (self.repo.path / store).exists():
                (self.repo.path / store).rename(self.repo.path.parent / store.replace("/", "-"))

    def base(self) -> None:
        """A base with the dataset and its card."""
        self.repo.commit({".custody/policy.yaml": POLICY})
        self.put(OLD)
        done = self.custody("add", *self.words, *TOLD, self.path)
        assert done.code in (0, 1), done.err
        self.repo.git("commit", "-q", "--no-verify", "-m", "Base")

    def move(self, *, card: bool) -> None:
        """Stage the dataset at its other path, with the card or without."""
        self.repo.git("rm", "-q", "--cached", "-r", self.path)
        self.put(OLD, at=self.moved)
        if card:
            self.repo.git("mv", self.card, self.moved_card)


def added(kind: Kind) -> None:
    kind.repo.commit({".custody/policy.yaml": POLICY})
    kind.put(OLD)
    assert found(kind.custody) == ["missing-data-card"]
    kind.custody("add", *kind.words, *TOLD, kind.path)
    assert everywhere(kind.custody) == []


def edited(kind: Kind) -> None:
    kind.base()
    kind.put(NEW)
    assert found(kind.custody) == ["digest-mismatch"]
    kind.custody("add", kind.path)
    assert everywhere(kind.custody) == []


def edited_without_the_card(kind: Kind) -> None:
    kind.base()
    kind.put(NEW)
    assert everywhere(kind.custody) == ["digest-mismatch"]


def renamed_without_the_card(kind: Kind) -> None:
    kind.base()
    kind.move(card=False)
    assert everywhere(kind.custody) == ["missing-data-card", "orphan-data-card"]


def moved_with_the_card(kind: Kind) -> None:
    kind.base()
    kind.moved = kind.moved.replace("data/", "datasets/deeper/")
    (kind.repo.path / kind.moved_card).parent.mkdir(parents=True, exist_ok=True)
    kind.move(card=True)
    assert everywhere(kind.custody) == []


def deleted(kind: Kind) -> None:
    kind.base()
    kind.repo.git("rm", "-q", "--cached", *kind.inside)
    assert found(kind.custody) == ["orphan-data-card"]
    kind.repo.git("rm", "-q", kind.card)
    assert everywhere(kind.custody) == []


def a_link_in_its_place(kind: Kind) -> None:
    kind.base()
    stage_link(kind.repo, kind.inside[0], "../README.md")
    assert "ambiguous-asset-name" in everywhere(kind.custody)


def content_absent(kind: Kind) -> None:
    kind.base()
    kind.lose()
    assert found(kind.custody, "--all") == []  # unchanged, and the policy allows that
    left = {item["path"]: item for item in kind.custody("check", "--format", "json", "--all").report["not_judged"]}
    assert "not here" in left[kind.path]["reason"]
    assert len(left[kind.path]["fix"]) == 1
    kind.put(NEW, here=False)
    assert found(kind.custody) == ["content-absent", "digest-mismatch"]
    kind.custody("add", kind.path)
    assert found(kind.custody) == ["content-absent", *(["weak-content-identity"] if kind.is_weak else [])]


CHANGES = (
    added,
    edited,
    edited_without_the_card,
    renamed_without_the_card,
    moved_with_the_card,
    deleted,
    a_link_in_its_place,
)
