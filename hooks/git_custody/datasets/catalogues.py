"""Under which names one dataset is known: an address, a catalogue's id, and what a function is given to load it.

`https://huggingface.co/datasets/org/name/resolve/main/x.parquet`, `hf://datasets/org/name` and the argument of
`load_dataset("org/name")` all stand for ``hf:org/name``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .addresses import Address, Unclear, as_registered, read_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# From where code can fetch; others (memory:, file:) are of the machine that runs it.
REMOTE = ("http", "https", "ftp", "sftp", "s3", "s3a", "s3n", "gs", "gcs", "az", "abfs", "abfss", "hf")
# Where the first parts of a path name a repository, or a dataset: host, parts before, number of parts, prefix.
_CATALOGUES = (
    ("github.com", (), 2, "github"),
    ("raw.githubusercontent.com", (), 2, "github"),
    ("media.githubusercontent.com", ("media",), 2, "github"),
    ("cdn.jsdelivr.net", ("gh",), 2, "github"),
    ("huggingface.co", ("datasets",), 2, "hf"),
    ("hf.co", ("datasets",), 2, "hf"),
    ("www.kaggle.com", ("datasets",), 2, "kaggle"),
    ("kaggle.com", ("datasets",), 2, "kaggle"),
    ("www.openml.org", ("d",), 1, "openml"),
    ("openml.org", ("d",), 1, "openml"),
    ("www.openml.org", ("data", "download"), 1, "openml-file"),
    ("www.tensorflow.org", ("datasets", "catalog"), 1, "tfds"),
    ("zenodo.org", ("record",), 1, "zenodo"),
    ("zenodo.org", ("records",), 1, "zenodo"),
    ("zenodo.org", ("api", "records"), 1, "zenodo"),
)
_OPENML_SEARCH = re.compile(r"https?://(?:www\.)?openml\.org/search\?(?:.*&)?id=([0-9]+)(?:&|\Z)", re.IGNORECASE)
_HOMES = {
    "hub": "https://huggingface.co/datasets/{}",
    "kaggle": "https://www.kaggle.com/datasets/{}",
    "openml": "https://www.openml.org/d/{}",
    "tfds": "https://www.tensorflow.org/datasets/catalog/{}",
}


def names_of(address: str) -> frozenset[str]:
    """The catalogue ids that an address stands for, and the address itself without its query."""
    try:
        found = read_address(address)
    except Unclear:
        return frozenset()
    names = {"/".join((found.place, *(segment for segment in found.segments if segment)))}
    registered = as_registered(found)
    for form in (found, *((registered,) if registered else ())):
        names.update(_in_catalogue(form))
    if match := _OPENML_SEARCH.match(address):
        names.add(f"openml:{match[1]}")
    return frozenset(names)


def _in_catalogue(address: Address) -> Iterable[str]:
    scheme, _, host = address.place.partition("://")
    parts = address.segments
    if address.place == "doi:10.5281" and parts[0].startswith("zenodo."):
        yield f"zenodo:{parts[0][7:]}"
    elif scheme == "hf" and host == "datasets":
        yield _id("hf", [part.partition("@")[0] for part in parts[:2]])
    elif address.place == "pkg:huggingface":
        yield _id("hf", parts[-2:])
    for site, before, number, prefix in _CATALOGUES if host else ():
        rest = parts[len(before) :]
        if host == site and parts[: len(before)] == before and rest and rest[0]:
            yield _id(prefix, rest[:number])


def _id(prefix: str, parts: Sequence[str]) -> str:
    name = "/".join(part.lower() for part in parts if part)
    return f"{prefix}:{name.removesuffix('.git')}"


def names_of_load(kind: str, name: str) -> frozenset[str]:
    """The same for what a function was given: `kind` as in `data_loads.Load`."""
    if kind == "path":
        return names_of(name)
    if kind == "tfds":
        name = re.split(r"[:/]", name, maxsplit=1)[0]
    return names_of(_HOMES[kind].format("/".join(name.split("/")[:2])))


def home_of(kind: str, name: str) -> str:
    """The address to state on a card for what a function was given."""
    return name if kind == "path" else _HOMES[kind].format(re.split(r":", name, maxsplit=1)[0])


def is_remote(name: str) -> bool:
    """Whether a name is an address from which code can fetch."""
    scheme, colon, _ = name.partition("://")
    return bool(colon) and scheme.lower() in REMOTE


def covers(documented: Iterable[str], loaded: Iterable[str]) -> bool:
    """Whether one of the documented names takes in what is loaded: the same, or an address below it.

    Older names of the Hugging Face Hub lack the organisation, and mean the dataset of that name.
    """
    have = list(documented)
    for name in loaded:
        for known in have:
            if name == known or ("://" in known and name.startswith(known + "/")):
                return True
            if name.startswith("hf:") and known.startswith("hf:") and ("/" not in name or "/" not in known):
                if name.rpartition("/")[2].removeprefix("hf:") == known.rpartition("/")[2].removeprefix("hf:"):
                    return True
    return False
