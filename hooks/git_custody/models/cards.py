"""What a model card says of the model's licence, and of the data that it was trained on.

Two kinds of files say so: `<file>.modelcard.yaml` or `modelcard.yaml`, read strictly, and the front matter of a
README.md, the model card of the Hugging Face Hub, read as loosely as such files are written. No other field is read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ..formats.pointers import is_pointer

if TYPE_CHECKING:
    from collections.abc import Mapping

_POINTER = "a pointer stands here for content that is kept elsewhere, and metadata have to be in git themselves"
_OF_APPS = ("sdk", "app_file")
_ALIAS = re.compile(rb"(?m)(?:^|[\s\[,:-])\*[^\s*]")
_LICENSE = ("license", "license_name", "license_link")
_TEXTS = ("id", "url", "license")


class Statement(NamedTuple):
    """What one file says of a model.

    `license` is an SPDX expression, None where none is stated or SPDX has none for it; `written` is what was written.
    `data` are entries as those of `derived_from` in data cards, `names` are names of the Hugging Face Hub; None where
    the file does not say what the model was trained on. `lines` are those of either.
    """

    license: str | None = None
    written: str | None = None
    data: tuple[Mapping[str, Any], ...] | None = None
    names: tuple[str, ...] | None = None
    lines: tuple[int | None, ...] = ()
    credits: bool = False


class Fault(NamedTuple):
    """Why a file cannot be read, as a sentence. `is_absent`: git does not have it here."""

    message: str
    line: int | None = None
    is_absent: bool = False


def read_card(raw: bytes) -> Statement | Fault:
    """What a model card of ours says. A file without `kind: model-card` is somebody else's if it names no data."""
    from ..core.documents import shown
    from ..core.metadata import parse_yaml

    if is_pointer(raw):
        return Fault(_POINTER)
    document = parse_yaml(raw)
    if document.problems:
        return Fault(document.problems[0].message, document.problems[0].line)
    data, lines = document.data, document.lines
    if not isinstance(data, dict):
        return Fault("a model card is a group of fields", 1)
    training = data.get("training")
    if data.get("kind") != "model-card":
        if not (isinstance(training, dict) and "data" in training):
            return Statement()
        return Fault("it names training data, and does not say kind: model-card", lines.get("/kind"))
    version, stated = data.get("version"), data.get("license")
    if version != 1 or version is True:
        return Fault(f"version has to be 1, and is {shown(version)}", lines.get("/version"))
    if not isinstance(training, dict | None):
        return Fault("training has to be a group of fields", lines.get("/training"))
    entries = training.get("data") if training else None
    if not isinstance(entries, list | None):
        return Fault("training.data has to be a list", lines.get("/training/data"))
    if not isinstance(stated, str | None):
        return Fault(f"license has to be text, and is {shown(stated)}", lines.get("/license"))
    for place, entry in enumerate(entries or ()):
        if (said := _wrong_entry(entry)) is not None:
            return Fault(said, lines.get(f"/training/data/{place}"))
    if stated and (said := _wrong_license(stated)) is not None:
        return Fault(said, lines.get("/license"))
    places = tuple(lines.get(f"/training/data/{place}") for place in range(len(entries or ())))
    credit = isinstance(data.get("attribution"), str) and bool(data["attribution"].strip())
    return Statement(
        stated or None, stated or None, None if entries is None else tuple(entries), None, places, credit
    )  # fmt: skip


def _wrong_entry(entry: object) -> str | None:
    from ..core.documents import shown

    if not isinstance(entry, dict) or not (entry.get("id") or entry.get("url")):
        return "each entry of training.data needs the id of a dataset here, or the url of data elsewhere"
    for key in _TEXTS:
        if entry.get(key) is not None and not isinstance(entry[key], str):
            return f"{key} in training.data has to be text, and is {shown(entry[key])}"
    return _wrong_license(entry["license"]) if entry.get("license") else None


def _wrong_license(expression: str) -> str | None:
    from ..datasets.licenses import check_license

    verdict = check_license(expression, (), (), ())
    return verdict.message if verdict.status == "invalid" else None


def read_readme(file: str, raw: bytes) -> Statement | Fault | None:
    """What the front matter of a README.md says; None where it is no card of a model."""
    from ..datasets.metadata.facts import Notes, listed, only
    from ..datasets.metadata.huggingface import OF_DATASETS, note_license
    from ..datasets.metadata.loading import MAX_BYTES, front_matter, has_fence, load_yaml

    matter = front_matter(raw)
    if matter is None:
        if is_pointer(raw):
            return Fault(_POINTER)
        is_cut = has_fence(raw) and len(raw) >= MAX_BYTES
        return Fault("its front matter is longer than metadata may be", 1) if is_cut else None
    loaded = load_yaml(
        matter, frozenset((*OF_DATASETS, *_OF_APPS, "datasets", "license", "license_name", "license_link"))
    )
    may_name = b"datasets" in matter or b"\\" in matter
    if loaded is None:
        return Fault("its front matter names datasets, and is not valid YAML", 1) if may_name else None
    data: dict[str, Any] = loaded.data
    if any(key in data for key in _OF_APPS):
        return None
    if may_name and ("<<" in data or _has_alias(data, matter)):
        # An alias stands for nothing here, and for the name of a dataset on the Hub.
        return Fault("its front matter has aliases (*): write what they stand for", loaded.lines.get("/datasets"))
    if "datasets" not in data and any(key in data for key in OF_DATASETS):
        return None
    if any(isinstance(name, dict | list) for name in listed(data.get("datasets"))):
        return Fault("datasets has to be a list of names", loaded.lines.get("/datasets"))
    notes = Notes(file, loaded.lines)
    note_license(notes, data)
    fact, written = notes.facts.get("license"), only(data.get("license"))
    text = written if isinstance(written, str) else None
    line, named = loaded.lines.get("/datasets"), dict[str, int | None]()
    for place, name in enumerate(listed(data.get("datasets"))):
        if name is not None:
            named.setdefault(str(name).strip(), loaded.lines.get(f"/datasets/{place}", line))
    stated = fact.value if fact is not None else _whichever(text)
    names = tuple(named) if "datasets" in data else None
    return Statement(stated, text or stated, None, names, tuple(named.values()), credits=True)


def _has_alias(data: Mapping[str, Any], matter: bytes) -> bool:
    from ..datasets.metadata.facts import listed

    empty = any(key in data and None in (data[key], *listed(data[key])) for key in ("datasets", "license"))
    return empty and _ALIAS.search(matter) is not None


def _whichever(name: str | None) -> str | None:
    """One of the licences that a family of the Hub stands for, where they ask for the same."""
    from ..datasets.huggingface_licenses import from_hugging_face
    from ..datasets.license_terms import terms_of

    choices = from_hugging_face(name).choices if name is not None else ()
    return choices[0] if len({terms_of(choice) for choice in choices}) == 1 else None
