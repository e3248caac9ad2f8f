"""The front matter of a Hugging Face dataset card, README.md.

Fields: https://github.com/huggingface/hub-docs/blob/main/datasetcard.md and huggingface_hub's `DatasetCardData`.
"""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

from .facts import Notes, Stated, Subject, beside, first_text, listed, only
from .loading import front_matter, load_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD = "Hugging Face dataset card"
# What only the card of a dataset has, and what only that of a model or of an app has.
OF_DATASETS = (
    "annotations_creators", "language_creators", "language_details", "multilinguality", "size_categories",
    "source_datasets", "task_categories", "task_ids", "pretty_name", "dataset_info", "configs",
    "paperswithcode_id",
)  # fmt: skip
_OF_OTHERS = (
    "base_model", "library_name", "pipeline_tag", "model-index", "model_name", "widget", "inference", "metrics",
    "sdk", "app_file", "datasets",
)  # fmt: skip
_MANY_FILES = 200
_KEYS = frozenset(
    (*OF_DATASETS, *_OF_OTHERS, "license", "licenses", "license_name", "license_link", "language", "languages")
)


def read(file: str, raw: bytes, subject: Subject) -> Stated | None:
    """What a README.md says of a dataset; None when it is not the card of one, or not of this one."""
    matter = front_matter(raw)
    loaded = load_yaml(matter, _KEYS) if matter is not None else None
    if loaded is None or any(key in loaded.data for key in _OF_OTHERS):
        return None
    data: dict[str, Any] = loaded.data
    folder = file.rpartition("/")[0]
    is_certain = any(key in data for key in OF_DATASETS)
    # Beside the code of a project, a licence in the README is that of the project.
    if not is_certain and (not folder or folder != subject.folder):
        return None
    notes = Notes(file, loaded.lines)
    note_license(notes, data)
    patterns = list(_patterns(data))
    is_only = len(patterns) == 1 and subject.files == {beside(file, patterns[0])}
    if is_only or (subject.is_folder and folder == subject.path):
        notes.add("title", data.get("pretty_name"), "/pretty_name")
        _languages(notes, data)
        return notes.stated(STANDARD, "whole")
    if patterns and len(subject.files) > _MANY_FILES:
        return None
    if patterns:
        wanted = [beside(file, pattern) for pattern in patterns]
        is_named = any(fnmatch.fnmatchcase(path, glob) for path in subject.files for glob in wanted[:200] if glob)
        _languages(notes, data)
        return notes.stated(STANDARD, "part") if is_named else None
    return notes.stated(STANDARD, "near")


def note_license(notes: Notes, data: dict[str, Any]) -> None:
    """Note the licence that the front matter of a card on the Hub states, of a dataset or of a model."""
    from ..huggingface_licenses import HUB_LICENSES

    key = _key(data, "license")
    said = only(data.get(key))
    if not isinstance(said, str) or said.lower() in ("other", "unknown"):
        notes.add_license(data.get("license_name"), "/license_name")
        notes.add_license(data.get("license_link"), "/license_link")
    elif (known := HUB_LICENSES.get(said.strip().lower())) is None:
        notes.add_license(said, f"/{key}")
    elif known.kind in ("exact", "text"):
        notes.add("license", known.license, f"/{key}")


def languages(raw: bytes) -> str | None:
    """The languages in the front matter of a README.md, with blanks between."""
    matter = front_matter(raw)
    loaded = load_yaml(matter, _KEYS) if matter is not None else None
    notes = Notes("", {})
    if loaded is not None:
        _languages(notes, loaded.data)
    return notes.facts["language"].value if "language" in notes.facts else None


def _languages(notes: Notes, data: dict[str, Any]) -> None:
    key = _key(data, "language")
    notes.add_languages(listed(data.get(key)), f"/{key}")


def _key(data: dict[str, Any], name: str) -> str:
    """The name of a field: until 2022 these stood in the plural."""
    return name if name in data else f"{name}s"


def _patterns(data: dict[str, Any]) -> Iterator[str]:
    """The files and globs that `configs` name as their data."""
    for config in listed(data.get("configs")):
        for files in listed(config.get("data_files") if isinstance(config, dict) else None):
            for path in listed(files.get("path") if isinstance(files, dict) else files):
                if (text := first_text(path)) is not None:
                    yield text
