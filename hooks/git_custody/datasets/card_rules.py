"""What is judged of one card beyond its schema: what its level asks for, free text, paths and versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.findings import CUSTODY, Finding, RepoPath, Rule
from . import levels
from . import survey as surveys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..core.case import Case
    from .survey import Dataset

VERSION = Rule(
    "wrong-data-version", ("2.4", "2.5"), 2,
    "The version of the data does not follow their content.",
    "One version that stands for two contents, or two for one, misleads everybody who cites or pins it.",
    "After a change of the content, give `data_version` a new value; without one, leave it. A card need not have it.",
    "Compares the content that a card recorded before the change with the one that it records now.",
)  # fmt: skip
CHANGED_ID = Rule(
    "changed-dataset-id", ("2.5", "2.6"), 2,
    "A dataset has another id than before.",
    "By its id, other cards, the audit log and whoever cites a dataset find it again after it was renamed.",
    "Give it back the id that it had; for other data, make a card with `git custody add`.",
    "Compares cards that record one and the same content. An id that another card keeps may be given up.",
)  # fmt: skip
RULES = (levels.INCOMPLETE, VERSION, CHANGED_ID)

# Where a card names files of the repository: the field, and the key of the path in it or in each item of it.
_PATHS = (
    ("license_files", "path"), ("license_evidence", "file"), ("scrape", "domains"), ("synthetic", "prompts"),
    ("consent", "document"),
)  # fmt: skip
# Free text that a level or a rule asks for: "TODO" must not pass for an answer.
_TYPED = (
    ("intended_use", None), ("stewards", "contact"), ("processing", "step"), ("synthetic", "generator"),
    ("anonymisation", "method"), ("retention", "policy"), ("consent", "withdrawal"), ("source_review", "reviewer"),
    ("source_review", "reason"), ("ip_review", "reviewer"), ("regulatory_reviews", "reviewer"),
    ("collection", "description"), ("erasure_contact", None), ("dpia", None), ("eu_ai_act", "bias_examination"),
    ("eu_ai_act", "gaps"), ("eu_ai_act", "representativeness"), ("known_bias", None), ("limitations", None),
)  # fmt: skip


# Fields in which these are answers, if short ones: nobody found any, or nobody needed one.
_MAY_BE_NONE = ("known_bias", "limitations", "dpia", "eu_ai_act")
_NONE = ("none", "unknown", "not known", "n/a", "not applicable")


def incomplete(case: Case, dataset: Dataset) -> Iterator[Finding]:
    """What the policy's level asks for, and the card does not say."""
    if case.policy.level == 1 or dataset.document is None or not isinstance(dataset.document.data, dict):
        return
    for lacking in levels.missing(dataset.document.data, case.policy.level):
        line = dataset.document.lines.get("")
        yield Finding(levels.INCOMPLETE, dataset.card, lacking.message, line, subject=lacking.field)


def typed(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The free text of a card that has to say something: JSON pointer and text."""
    for field, key in _TYPED:
        for pointer, value in _values(card, field, key):
            if isinstance(value, str) and not (field in _MAY_BE_NONE and value.strip(" .").lower() in _NONE):
                yield pointer, value


def _values(card: Mapping[str, Any], field: str, key: str | None) -> Iterator[tuple[str, Any]]:
    value = card.get(field)
    if key is None:
        yield f"/{field}", value
        return
    is_list = isinstance(value, list)
    for index, item in enumerate(value if isinstance(value, list) else [value]):
        if isinstance(item, dict):
            yield (f"/{field}/{index}/{key}" if is_list else f"/{field}/{key}"), item.get(key)


def elsewhere(case: Case, dataset: Dataset) -> Iterator[tuple[str, str]]:
    """What is wrong with a card in view of the rest of the repository, or of the day: JSON pointer and a sentence."""
    from .contradictions import overdue

    card = dataset.document.data if dataset.document else {}
    yield from not_there(case, dataset)
    yield from two_parents(case, dataset)
    if "retention" in card:
        yield from overdue(card, case.today)


def not_there(case: Case, dataset: Dataset) -> Iterator[tuple[str, str]]:
    """The files that a card names and the judged state does not have: JSON pointer and a sentence."""
    card: Mapping[str, Any] = dataset.document.data if dataset.document else {}
    said = {problem.pointer for problem in dataset.document.problems} if dataset.document else set()
    for field, key in _PATHS:
        for pointer, path in _values(card, field, key):
            if not isinstance(path, str) or not path or pointer in said:
                continue
            entry = case.after.get(path)
            name = pointer[1:].replace("/", ".")
            if entry is None:
                beside = f"{dataset.card.rpartition('/')[0]}/{path}"
                advice = f'; did you mean "{beside}"? Paths are from the root' if beside in case.after else ""
                yield pointer, f'{name} is "{path[:200]}", and git tracks no such file{advice}'
            elif not entry.is_file:
                yield pointer, f'{name} is "{path[:200]}", which is not a plain file'


def two_parents(case: Case, dataset: Dataset) -> Iterator[tuple[str, str]]:
    """The parents that are named by the id of a dataset here and by the address of data elsewhere as well."""
    card: Mapping[str, Any] = dataset.document.data if dataset.document else {}
    listed = card.get("derived_from")
    for index, parent in enumerate(listed if isinstance(listed, list) else ()):
        if not isinstance(parent, dict) or not isinstance(parent.get("url"), str):
            continue
        if parent.get("id") is not None and parent["id"] in surveys.ids_of_all_cards(case).values():
            said = (
                f'derived_from[{index}] names "{parent["id"]}", a dataset of this repository, and a url as well: '
                "which of them counts? Keep one"
            )
            yield f"/derived_from/{index}/url", said


def version(case: Case, dataset: Dataset) -> Iterator[Finding]:
    """Whether the version of the data was changed with the content, and only with it."""
    document = dataset.document
    if document is None or dataset.card not in case.changed or not isinstance(document.data, dict):
        return
    now = _version_and_content(document.data)
    before = _version_and_content(_before(case, dataset)) if now else None
    if now is None or before is None or (now[0] == before[0]) == (now[1] == before[1]):
        return
    if now[0] == before[0]:
        said = f'the content has changed, and data_version is still "{now[0][:40]}"'
    else:
        said = f'data_version has changed from "{before[0][:40]}" to "{now[0][:40]}", and the content has not'
    yield Finding(VERSION, dataset.card, said, document.lines.get("/data_version"), subject=now[0])


def changed_id(case: Case, dataset: Dataset) -> Iterator[Finding]:
    """Whether a dataset whose content stays has lost the id that it had, in its place or on its way to another."""
    document = dataset.document
    if document is None or dataset.id is None or dataset.card not in case.changed:
        return
    content = _content_of(document.data)
    entry = case.changed[dataset.card].before
    if entry is not None:
        before = _fields(case, entry)
        ids = {before.get("id")} if _content_of(before) == content else set()
    else:
        ids = case.once("ids of removed cards", _removed).get(content or "", set())
    if content is None or len(ids) != 1 or dataset.id in ids:
        return
    (old,) = ids
    if isinstance(old, str) and surveys.is_id(old) and old not in surveys.ids_of_all_cards(case).values():
        yield Finding(
            CHANGED_ID, dataset.card, f'the id of this dataset was "{old}", and now it is "{dataset.id}"',
            document.lines.get("/id"), fix=((CUSTODY, "card", "update", "--id", old, RepoPath(dataset.card)),),
            subject=old, unless=("audit-log-rewritten",),
        )  # fmt: skip


def _removed(case: Case) -> dict[str, set[object]]:
    """The ids of the cards that the change takes away, by the content that they recorded."""
    found: dict[str, set[object]] = {}
    for path, change in case.changed.items():
        if path.endswith("datacard.yaml") and change.before is not None and change.after is None:
            fields = _fields(case, change.before)
            if (content := _content_of(fields)) is not None:
                found.setdefault(content, set()).add(fields.get("id"))
    return found


def _content_of(card: Mapping[str, Any]) -> str | None:
    content = card.get("content")
    digest = content.get("digest") if isinstance(content, dict) else None
    return repr(sorted(digest.items())) if isinstance(digest, dict) and digest else None


def _version_and_content(card: Mapping[str, Any]) -> tuple[str, Mapping[str, str]] | None:
    content = card.get("content")
    digest = content.get("digest") if isinstance(content, dict) else None
    stated = card.get("data_version")
    return (stated, digest) if isinstance(stated, str) and isinstance(digest, dict) else None


def _before(case: Case, dataset: Dataset) -> Mapping[str, Any]:
    """What the card said before the change; one that was moved is known by its id."""
    entry = case.changed[dataset.card].before
    if entry is not None:
        return _fields(case, entry)
    for path, change in case.changed.items():
        if path.endswith("datacard.yaml") and change.before is not None and change.after is None:
            fields = _fields(case, change.before)
            if dataset.id is not None and fields.get("id") == dataset.id:
                return fields
    return {}


def _fields(case: Case, entry: Any) -> Mapping[str, Any]:
    document = case.document(entry, "data-card") if entry.is_file else None
    return document.data if document is not None and isinstance(document.data, dict) else {}
