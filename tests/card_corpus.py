"""The published corpus of data cards, tests/cards: what lies where stands in its README."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "cards"
LEVELS = (1, 2, 3)


class CorpusCard(NamedTuple):
    """A card of the corpus. `rule` is the one that it raises, None for a good one; `level` that of the policy."""

    file: Path
    level: int
    rule: str | None

    @property
    def name(self) -> str:
        return self.file.stem

    @property
    def data(self) -> str:
        """Where the file that it speaks of lies in a repository."""
        return f"data/{self.name}/rows.csv" if self.is_folder else f"data/{self.name}.csv"

    @property
    def card(self) -> str:
        """Where the card itself lies in a repository."""
        return f"data/{self.name}/datacard.yaml" if self.is_folder else f"{self.data}.datacard.yaml"

    @property
    def is_folder(self) -> bool:
        return self.name.startswith("folder-")


def cards() -> list[CorpusCard]:
    """All cards of the corpus, in a fixed order."""
    found = []
    for file in sorted(FOLDER.glob("*/level-[123]/**/*.yaml")):
        verdict, level, *rule = file.relative_to(FOLDER).parts[:-1]
        found.append(CorpusCard(file, int(level[-1]), rule[0] if verdict == "bad" else None))
    return found


def repository(level: int) -> dict[str, str | bytes]:
    """Every file of a repository with all cards of a level, its policy included: path → content."""
    rows = (FOLDER / "rows.csv").read_bytes()
    tree = FOLDER / "tree"
    files: dict[str, str | bytes] = {".custody/policy.yaml": f"version: 1\nlevel: {level}\n"}
    files |= {file.relative_to(tree).as_posix(): file.read_bytes() for file in tree.rglob("*") if file.is_file()}
    for one in cards():
        if one.level == level:
            files |= {one.data: rows, one.card: one.file.read_bytes()}
    return files
