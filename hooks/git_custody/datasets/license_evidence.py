"""Rules about what proves a licence: a copy of where it was stated, and the texts of licences not listed by SPDX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.findings import Finding, Rule
from .license_rules import is_own

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..core.case import Case, Said
    from .survey import Dataset

UNKNOWN = Rule(
    "license-unknown", ("2.7",), 1,
    "The text of a licence that SPDX does not list is not in the repository.",
    "A name of one's own says nothing unless one can read what it stands for.",
    "Put the text at `LICENSES/<its name>.txt`, as the REUSE specification does, or name the file in the card's "
    "`license_files`.",
    "For data of one's own (`original`, `internal`), asked from level 2 on. Whether the text is the right one is for "
    "a reviewer.",
)  # fmt: skip
MISSING = Rule(
    "license-evidence-missing", ("2.7",), 1,
    "What a card names for its licence is not there to be looked at.",
    "Nobody can tell later whether the licence was ever stated.",
    "Add the file, or mend its path in `license_evidence.file` or `license_files`; from level 2 on, `license_evidence` "
    "needs a `url` or a `file`.",
    "Whether an address still answers is not asked.",
)  # fmt: skip
MISMATCH = Rule(
    "license-evidence-mismatch", ("2.7",), 1,
    "A file that a card names for its licence is not the one that was recorded.",
    "The evidence was exchanged after it was recorded, or the record is wrong.",
    "Restore the file; or, if the new one is right, write its SHA-256 into the card and have the licence reviewed.",
    "Compares the stored bytes, or the digest that a Git LFS pointer names.",
)  # fmt: skip
RULES = (UNKNOWN, MISSING, MISMATCH)


def check(case: Case, dataset: Dataset, data: Mapping[str, Any]) -> Iterator[Said]:
    """Judge the files that a card names for its licence, and look for those that it should."""
    lines = dataset.document.lines if dataset.document else {}
    evidence = data.get("license_evidence")
    if case.policy.level >= 2 and isinstance(evidence, dict) and not (evidence.get("url") or evidence.get("file")):
        said = "license_evidence names neither the address (url) at which the licence was read nor a copy (file)"
        yield Finding(MISSING, dataset.card, said, lines.get("/license_evidence"), subject="license_evidence")
    named = dict(_named(data))
    present = {pointer: path for pointer, (path, _) in named.items() if path in case.after and case.after[path].is_file}
    for pointer, (path, _) in named.items():
        if pointer not in present:
            said = f"{pointer[1:].replace('/', '.')} names {path}, which is not tracked"
            yield Finding(
                MISSING, dataset.card, said, lines.get(pointer), subject=path, unless=("invalid-data-card",)
            )  # fmt: skip
    stated = {pointer: sha256 for pointer, (_, sha256) in named.items() if sha256 and pointer in present}
    digests = case.sha256(case.after[present[pointer]] for pointer in stated) if stated else {}
    for pointer, sha256 in stated.items():
        path = present[pointer]
        found = digests[case.after[path].oid]
        if found is not None and found != sha256:
            said = f"{path} is not the file that was recorded for the licence"
            shown = f"sha256 {found}, and in the card: {sha256}"
            yield Finding(MISMATCH, dataset.card, said, lines.get(pointer), found=shown, subject=path)
    if "LicenseRef-" in data["license"]:
        yield from unknown(case, dataset, data)


def _named(data: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str | None]]]:
    """The files that a card names: JSON pointer → path, and the SHA-256 where one is recorded."""
    evidence = data.get("license_evidence")
    if isinstance(evidence, dict) and isinstance(evidence.get("file"), str):
        yield "/license_evidence/file", (evidence["file"], _text(evidence.get("sha256")))
    texts = data.get("license_files")
    for index, one in enumerate(texts if isinstance(texts, list) else ()):
        if isinstance(one, dict) and isinstance(one.get("path"), str):
            yield f"/license_files/{index}/path", (one["path"], _text(one.get("sha256")))


def unknown(case: Case, dataset: Dataset, data: Mapping[str, Any]) -> Iterator[Finding]:
    """The licences of a card that SPDX does not list and whose text is not here, though it has to be."""
    line = dataset.document.lines.get("/license") if dataset.document else None
    for name in _without_text(case, data):
        said = f"the text of {name} is not in the repository: put it at LICENSES/{name}.txt"
        yield Finding(UNKNOWN, dataset.card, said, line, subject=name)


def _without_text(case: Case, data: Mapping[str, Any]) -> list[str]:
    from .license_subject import names_without_spdx, texts_of, usual_places

    if is_own(data) and case.policy.level < 2:
        return []
    files = {path: entry for path in texts_of(data, case.after) if (entry := case.after.get(path)) and entry.is_file}
    sizes = case.sizes(files.values()) if files else {}
    there = {path for path, entry in files.items() if sizes.get(entry.oid)}
    if any(not path.startswith("LICENSES/") for path in there):
        return []  # the card says that this is the text
    return [name for name in names_without_spdx(data) if there.isdisjoint(usual_places(name))]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
