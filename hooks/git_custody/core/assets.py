"""Which tracked paths are assets, and which cards speak of them.

Everything here is decided from paths, sizes and the policy alone. The lists are contract: docs/assets.md
shows them, and a test keeps the two in step.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .trees import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence

    from .trees import Entry

CUSTODY = ".custody/"
AUDIT = ".custody/audit/"
WAIVERS = ".custody/waivers/"
POLICY = ".custody/policy.yaml"

DATA_FOLDERS = ("data/", "datasets/")
# Outside of the data folders, these count from this size on.
SIZE_FLOOR = 64 * 1024
DATA_SUFFIXES = (
    ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".arrow", ".feather", ".avro", ".orc", ".tfrecord",
)  # fmt: skip
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".br", ".Z")
PASSED_FOLDERS = ("test", "tests", "doc", "docs", "example", "examples", "fixtures")
MODEL_SUFFIXES = (
    ".safetensors", ".gguf", ".ggml", ".onnx", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".keras",
    ".h5", ".hdf5", ".tflite", ".mlmodel", ".pb", ".pte", ".pt2", ".nemo", ".mar", ".skops", ".ubj", ".cbm",
    ".engine", ".llamafile", ".pdparams", ".t7",
)  # fmt: skip
# What lies in a data folder without being data.
CODE_SUFFIXES = (
    ".py", ".pyi", ".pyx", ".r", ".rmd", ".jl", ".sh", ".bash", ".ps1", ".bat", ".sql", ".js", ".mjs", ".ts", ".c",
    ".cc", ".cpp", ".h", ".hpp", ".java", ".go", ".rs", ".rb", ".pl", ".scala", ".kt", ".lua", ".cs", ".swift",
)  # fmt: skip
PROSE_SUFFIXES = (".md", ".rst", ".adoc", ".tex", ".org")
CONFIG_SUFFIXES = (".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".lock", ".mk", ".cmake")
NOTEBOOK_SUFFIXES = (".ipynb",)
CONFIG_NAMES = ("makefile", "dockerfile", "snakefile", "codeowners", "cmakelists.txt", "requirements.txt")
# What other standards say about data (docs/metadata.md).
METADATA_NAMES = ("croissant.json", "datapackage.json")
METADATA_SUFFIXES = (".croissant.json", ".license")
DOCUMENT_PREFIXES = ("readme", "license", "licence", "copying", "notice", "changelog", "authors", "citation")

_NOT_DATA = CODE_SUFFIXES + PROSE_SUFFIXES + CONFIG_SUFFIXES + NOTEBOOK_SUFFIXES + METADATA_SUFFIXES
_ORDINARY_NAMES = CONFIG_NAMES + METADATA_NAMES
_CARD = r"(?:^|[./])(data|model)card\.ya?ml$"


class CardName(NamedTuple):
    """What a card's path says: its kind ("data" or "model"), the file or folder that it speaks of, and
    whether it is spelled as it must be. `folder` is "" for the root, else without trailing slash.
    """

    kind: str
    subject: str
    is_folder: bool
    well_named: bool
    proper: str


def card_name(path: str) -> CardName | None:
    """What kind of card this path is, None for everything else. `.yml` and other cases count, badly named."""
    if not path.endswith(("l", "L")):
        return None
    match = re.search(_CARD, path, re.IGNORECASE)
    if match is None:
        return None
    folder, _, name = path.rpartition("/")
    stem = name[: match.start(1) - len(path) + len(name)]
    kind = match[1].lower()
    proper = f"{folder}/{stem}{kind}card.yaml" if folder else f"{stem}{kind}card.yaml"
    if not stem:
        return CardName(kind, folder, True, path == proper, proper)
    subject = f"{folder}/{stem[:-1]}" if folder else stem[:-1]
    return CardName(kind, subject, False, path == proper, proper)


def is_paperwork(path: str) -> bool:
    """Whether a path holds metadata of an asset rather than an asset: cards, BOMs, signatures, `.custody/`."""
    return path.startswith(CUSTODY) or card_name(path) is not None or _companion_of(path) is not None


def _companion_of(path: str) -> str | None:
    """The file that a BOM, a signature or the record of a conversion belongs to, by its name: `x.csv` for `x.csv.sig`,
    `x.safetensors` for `x.safetensors.json`, "" for a `model.cdx.json`.

    A name that holds no other name with a suffix, such as `b.cdx.json`, is a file of its own.
    """
    name = path.rpartition("/")[2]
    if name in ("model.cdx.json", "model.sig"):
        return ""
    if name.endswith(".safetensors.json"):
        return path.removesuffix(".json")
    for suffix in (".cdx.json", ".sig", ".sigstore.json"):
        if name.endswith(suffix) and "." in name.removesuffix(suffix).lstrip("."):
            return path.removesuffix(suffix)
    return None


def sidecar(path: str, kind: str = "data") -> str:
    """Where the card of a file lies beside it; a `.dvc` file stands for the file that it names."""
    return f"{path.removesuffix('.dvc')}.{kind}card.yaml"


def folder_cards(path: str, kind: str = "data") -> Iterator[str]:
    """Where the cards of the folders above a path may lie, the nearest first."""
    folder = path
    while folder:
        folder = folder.rpartition("/")[0]
        yield f"{folder}/{kind}card.yaml" if folder else f"{kind}card.yaml"


def cards_over(path: str, entries: Container[str], kind: str = "data") -> tuple[str, ...]:
    """The cards that cover a path, the nearest first: its own, and those of all folders above it."""
    own = (sidecar(path, kind),) if sidecar(path, kind) in entries else ()
    return own + tuple(card for card in folder_cards(path, kind) if card in entries)


def possible_cards(paths: Iterable[str]) -> list[str]:
    """Wherever a card that covers one of the paths could lie, sorted."""
    cards = {card for path in paths for kind in ("data", "model") for card in folder_cards(path, kind)}
    return sorted(cards | {sidecar(path, kind) for path in paths for kind in ("data", "model")})


def attribute_files(paths: Iterable[str]) -> list[str]:
    """Wherever a `.gitattributes` that concerns one of the paths could lie, sorted."""
    folders = {path.rpartition("/")[0] for path in paths}
    cards = {card for folder in folders for card in folder_cards(f"{folder}/x" if folder else "x")}
    return sorted(card.removesuffix("datacard.yaml") + ".gitattributes" for card in cards)


class Coverage:
    """The dataset and model globs of a policy: gitignore-style, case-sensitive; `include` adds to what
    counts without a policy, `exclude` takes away.
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self.include = tuple(include)
        self.exclude = tuple(exclude)
        self._included = _matcher(self.include)
        self._excluded = _matcher(self.exclude)

    def included(self, path: str) -> bool:
        """Whether a glob of the policy includes the path."""
        return self._included(path)

    def excluded(self, path: str) -> bool:
        """Whether a glob of the policy excludes the path."""
        return self._excluded(path)


def _matcher(globs: Sequence[str]) -> Callable[[str], bool]:
    if not globs:
        return lambda path: False
    from pathspec import GitIgnoreSpec

    # What is no glob matches nothing; check-policy says so.
    spec = GitIgnoreSpec.from_lines(glob for glob in globs if is_glob(glob))
    return lambda path: bool(spec.match_file(path))


def is_glob(text: str) -> bool:
    """Whether a text can be read as a gitignore-style glob, and in bounded time: ``!`` or ``[z-a]`` cannot.

    Matching is by backtracking, so each wildcard more multiplies the time that a hostile file name can cost.
    """
    segments = text.split("/")
    if segments.count("**") > 3 or any(segment.count("*") > 2 for segment in segments):
        return False
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([text])
    except (ValueError, re.error):
        return False
    return True


def classify(path: str, datasets: Coverage, models: Coverage) -> str | None:
    """What a path is by its name: "dataset", "large dataset" (only from `SIZE_FLOOR` bytes on), "model", or None.

    A card decides before any name does: ask `cards_over` first. Sizes are those of the content, for a
    pointer the size that it states.
    """
    if is_paperwork(path):
        return None
    if datasets.included(path) and not datasets.excluded(path):
        return "dataset"
    if models.included(path) and not models.excluded(path):
        return "model"
    name = path.rpartition("/")[2].lower()
    plain = name.removesuffix(".dvc")
    if plain.endswith(MODEL_SUFFIXES):
        return None if models.excluded(path) else "model"
    if datasets.excluded(path):
        return None
    if path.startswith(DATA_FOLDERS):
        return None if is_ordinary(name) else "dataset"
    if not _has_data_suffix(plain):
        return None
    folders = path.split("/")[:-1]
    if any(folder in PASSED_FOLDERS or folder.startswith(".") for folder in folders):
        return None
    return "large dataset"


def is_ordinary(name: str) -> bool:
    """Whether a file of this name is no dataset, also in a data folder: code, prose, configuration and the like. In a
    folder that is a dataset it is a part of that.
    """
    name = name.lower()
    plain = name.removesuffix(".dvc")
    document = name.startswith(DOCUMENT_PREFIXES) and not _has_data_suffix(plain)
    return name.startswith(".") or document or plain.endswith(_NOT_DATA) or plain in _ORDINARY_NAMES


def _has_data_suffix(name: str) -> bool:
    for compression in COMPRESSIONS:
        name = name.removesuffix(compression.lower())
    return name.endswith(DATA_SUFFIXES)


def files_under(folder: str, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """What a folder's digest covers: every tracked path below it but paperwork. Keys are full paths."""
    prefix = folder + "/" if folder else ""
    below = entries.below(prefix) if isinstance(entries, Tree) else (p for p in entries if p.startswith(prefix))
    return {path: entries[path] for path in below if not is_paperwork(path) or is_stray(path, entries)}


def is_stray(path: str, entries: Container[str]) -> bool:
    """Whether a BOM or a signature is of a file that is not there: then it is a file like any other."""
    companion = _companion_of(path)
    return bool(companion) and companion not in entries
