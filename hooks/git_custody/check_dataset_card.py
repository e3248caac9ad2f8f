"""Every dataset has a card that says what it is, where it is from, and under which licence.

What it does
    Looks at each dataset that a change adds, edits, renames or re-describes (in CI, at all of them) and
    holds it against its data card: `<file>.datacard.yaml` beside a file, or `datacard.yaml` in a folder.
    Cards are read from what is staged, never from the work tree.

Why
    LLMSVS 2.3, 2.5 and 2.7 ask that training data come from sources one can trust, that each source is
    documented, and that licences are checked. A card beside the data, bound to it by digest, is the least
    that lets anybody do so.

Good
    kind: data-card
    version: 1
    id: support-tickets
    title: Support tickets of 2025, anonymised
    source: {kind: public-download, url: "https://example.org/t.csv", retrieved: "2026-11-02", publisher: Example}
    license: CC-BY-4.0
    content: {digest: {sha256: 9f86d0…}, bytes: 1234, media_type: text/csv}

Bad
    title: TODO
    license: unknown

How to fix
    `git custody add PATH` writes the card, asks for what only you know, and stages both.
    `git custody card show PATH` prints a card; `git custody card update PATH` mends its digest.

Limits
    A card is a claim: nothing here proves that the licence or the source is true. Which files are datasets
    is decided by folder, name and size (docs/assets.md), and by the policy's `datasets` globs.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from .core import assets
from .core.case import ENCODING, NO_ENCODINGS, Hook
from .core.findings import CUSTODY, CannotJudge, Finding, RepoPath, Rule, Slot, absent
from .core.trees import GITLINK, SYMLINK, fold
from .datasets import card_rules, lineage_rules, load_rules, merged_names, regulation, source_rules
from .datasets import survey as surveys
from .datasets.metadata import disagreement
from .datasets.moved_and_edited import move_command, moved_and_edited

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .core.case import Case, Said
    from .core.findings import Command
    from .core.metadata import Document
    from .core.trees import Entry
    from .datasets.survey import Dataset

MISSING = Rule(
    "missing-data-card", ("2.5", "2.3"), 1,
    "A dataset has no data card.",
    "Nobody can tell later where this data is from and whether it may be used.",
    "Run `git custody add PATH`: it writes the card and asks for title, source, publisher and licence. If the file is "
    "not a dataset, exclude it in `.custody/policy.yaml` under `datasets.exclude`.",
    "Decided by folder, name and size; see docs/assets.md.",
)  # fmt: skip
INVALID = Rule(
    "invalid-data-card", ("2.5", "2.7", "2.3"), 1,
    "A data card is not valid.",
    "A card that does not follow its schema cannot be relied on by people or tools.",
    "Edit the card at the line that is named; `git custody card show PATH` prints what was read.",
    "Only what the schema and the policy can tell; whether it is true is for a reviewer.",
)  # fmt: skip
HOLLOW = Rule(
    "hollow-data-card", ("2.5",), 1,
    "A field of a data card says nothing.",
    "A placeholder passes for documentation while it documents nothing.",
    "Write what the data is, in as few words as you like: title and publisher with `git custody card update --title "
    "TITLE --publisher PUBLISHER PATH`, other fields in the card.",
    "Only fields that people type; short but real words are left alone.",
)  # fmt: skip
ORPHAN = Rule(
    "orphan-data-card", ("2.5",), 1,
    "A data card speaks of a file that is not there.",
    "A card that lost its data hides that the data was moved or removed.",
    "Move the card with its data (`git custody card mv OLD NEW`). `git custody add` of the data's path stages data "
    "that were forgotten; of the card, it removes the card and records that the data are gone, also where git ignores "
    "them.",
    "A card in a folder is an orphan when the folder tracks nothing but paperwork.",
)  # fmt: skip
DUPLICATE = Rule(
    "duplicate-dataset-id", ("2.5", "2.6"), 1,
    "Two data cards share one id.",
    "The id ties a dataset to its audit log; two datasets in one log cannot be told apart.",
    "Give the newer dataset an id of its own.",
    "Ids are compared among the cards that are staged.",
)  # fmt: skip
MISMATCH = Rule(
    "digest-mismatch", ("2.4", "2.5"), 1,
    "The card records another content than the one that is staged.",
    "What was reviewed and licensed is not what would be committed.",
    "Run `git custody add PATH` after an edit that was meant; else restore the data.",
    "The digest is that of the bytes git stores, or the one that a Git LFS pointer names.",
    about_content=True,
)  # fmt: skip
AMBIGUOUS = Rule(
    "ambiguous-asset-name", ("2.4",), 1,
    "The name of an asset can be taken for another, or stands for something else.",
    "On another machine this name can mean other bytes than the ones that were recorded.",
    "Rename it; replace a link by the file that it points at.",
    "Compares names without case and in Unicode normal form C. A folder that is one with that of an asset is told when "
    "something comes into it, and with `--all`.",
)  # fmt: skip
ATTRIBUTES = Rule(
    "asset-attributes", ("2.4",), 1,
    "A git attribute makes a checkout of this asset differ from what was recorded.",
    "The digest is of the stored bytes; with this attribute nobody ever reads those.",
    "Take the attribute off these paths in .gitattributes, e.g. with `data/** -text -ident !filter`.",
    "Looks at working-tree-encoding, ident and filters other than lfs and annex.",
)  # fmt: skip
RULES = (
    MISSING,
    INVALID,
    HOLLOW,
    ORPHAN,
    DUPLICATE,
    MISMATCH,
    AMBIGUOUS,
    ATTRIBUTES,
    *lineage_rules.RULES,
    *card_rules.RULES,
    *source_rules.RULES,
    *load_rules.RULES,
    *regulation.RULES,
    *disagreement.RULES,
)

# What these filters put in the place of pointers is what is recorded.
_OF_POINTERS = (("filter", "lfs"), ("filter", "annex"))
_ATTRIBUTES = (ENCODING, "ident", "filter")


def check(case: Case) -> Iterator[Said]:
    """Hold every dataset in question against its card."""
    found = surveys.survey(case)
    moved = surveys.moved(case, found)
    folders = surveys.together(case, found)
    edited = moved_and_edited(case, found)
    for path in found.undocumented:
        if case.after[path].mode == GITLINK:
            said = (
                "this submodule lies among the data, and no data card can speak of what another repository records: "
                "move it out of them, or name it in datasets.exclude of the policy"
            )
            yield Finding(MISSING, path, said, fix=(("git", "mv", RepoPath(path), Slot("NEW_NAME")),))
            continue
        card = surveys.removed_card(case, path) if path not in moved.values() else None
        fix = add_again(case, path) if path in moved.values() else add_new(case, path, folders.get(path))
        fix = restore(card) if card is not None else fix
        fix = move_command(case, *edited) if edited is not None and edited[1] == path else fix
        misnamed = surveys.misnamed_card(found, path)
        better = ((INVALID.name, misnamed),) if misnamed else ()
        # No card can speak of such a name, so that nothing but a rename helps.
        unfit = surveys.is_ambiguous(path) or not case.holds_content(path)
        # What has to leave the commit needs no paperwork first.
        unless = ("pickle-weights", AMBIGUOUS.name) if unfit else ("pickle-weights", *better)
        yield Finding(MISSING, path, "this dataset has no data card", fix=(fix,), unless=unless)
    for path, name in found.misnamed:
        said = f"a data card has to be named {name.proper.rpartition('/')[2]}"
        yield Finding(INVALID, path, said, fix=(("git", "mv", RepoPath(path), RepoPath(name.proper)),))
    if len(found.datasets) > 1:  # git is asked once, not once for each
        case.sizes(entry for dataset in found.datasets for entry in dataset.files.values() if entry.is_file)
    for dataset in found.datasets:
        yield from _card(case, dataset, moved.get(dataset.card), edited)
        yield from source_rules.check(case, dataset)
        yield from regulation.check(case, dataset)
    yield from _duplicates(case, found.datasets)
    yield from lineage_rules.check(case, found.datasets)
    yield from load_rules.check(case)
    yield from _names(case, found.datasets, found.undocumented)
    yield from merged_names.folders(case, AMBIGUOUS)
    yield from _attributes(case, found.datasets, found.undocumented)
    yield from merged_names.attribute_files(case, ATTRIBUTES)
    yield from disagreement.check(case)


def add_new(case: Case, path: str, folder: str | None = None, *extra: str | Slot) -> Command:
    """The command that documents a new dataset, or the `folder` of which it is one file of several, with a slot
    for each answer that the policy does not give.
    """
    words: list[str | Slot | RepoPath] = [
        CUSTODY,
        "add",
        *(("--as-one",) if folder else ()),
        "--title",
        Slot("TITLE"),
        "--source-url",
        Slot("URL"),
    ]
    if case.policy.default_publisher is None:
        words += ["--publisher", Slot("PUBLISHER")]
    if case.policy.default_license is None:
        words += ["--license", Slot("SPDX_ID")]
    return (*words, *extra, RepoPath(folder or path))


def restore(card: str) -> Command:
    """The command that brings a card back as HEAD has it."""
    return ("git", "restore", "--staged", "--worktree", "--", RepoPath(card))


def add_again(case: Case, path: str) -> Command:
    """The command that records an edit."""
    audited = case.policy.level == 3 or "check-dataset-audit-log" in case.policy.also
    return (CUSTODY, "add", *(("--reason", Slot("REASON")) if audited else ()), RepoPath(path))


# ---------------------------------------------------------------------- one card


def _card(case: Case, dataset: Dataset, moved_to: str | None, edited: tuple[str, str] | None) -> Iterator[Said]:
    entry = case.after[dataset.card]
    if not dataset.files:
        said = f"this card speaks of {dataset.path or 'the root folder'}, which is not tracked"
        if moved_to is not None:
            # Adding the file at its new place takes the card along.
            fix: tuple[Command, ...] = (add_again(case, moved_to),)
            yield Finding(ORPHAN, dataset.card, f"{said}: it is now {moved_to}", fix=fix)
        elif edited is not None and edited[0] == dataset.path and not dataset.is_folder:
            fix = (move_command(case, *edited),)
            yield Finding(ORPHAN, dataset.card, f"{said}: it seems to be {edited[1]} now, and edited", fix=fix)
        elif (there := surveys.renamed(case, dataset)) is not None:
            fix = (("git", "mv", RepoPath(dataset.card), RepoPath(assets.sidecar(there))), add_again(case, there))
            yield Finding(ORPHAN, dataset.card, f"{said}: it is now {there}", fix=fix)
        else:
            # Of a new card the data were forgotten. Data that have gone may still lie in the work tree, and git is not
            # to take them again: the card alone is named.
            change = case.changed.get(dataset.card)
            forgotten = change is not None and change.before is None
            fix = (add_again(case, (dataset.path or ".") if forgotten else dataset.card),)
            yield Finding(ORPHAN, dataset.card, said, fix=fix)
        return
    if not dataset.is_folder and len(dataset.files) > 1:
        said = f"this card could speak of {' or '.join(dataset.files)}; only one of them may be tracked"
        yield Finding(AMBIGUOUS, dataset.card, said, subject="two")
        return
    if not entry.is_file:
        kind = "a symlink" if entry.mode == 0o120000 else "a submodule"
        yield Finding(INVALID, dataset.card, f"a data card has to be a plain file, and this is {kind}")
        return
    if dataset.document is None:
        yield absent(dataset.card, entry.oid)
        return
    for problem in dataset.document.problems:
        fix = ((CUSTODY, "card", "update", RepoPath(dataset.card)),) if "conflict" in problem.message else ()
        yield Finding(
            INVALID,
            dataset.card,
            problem.message,
            problem.line,
            fix=fix,
            subject=f"{problem.pointer} {problem.message}",
        )
    if isinstance(dataset.document.data, dict):
        from .core.documents import MAX_PROBLEMS

        yield from _typed_fields(case, dataset, entry.oid, dataset.document)
        for pointer, said in islice(card_rules.elsewhere(case, dataset), MAX_PROBLEMS):
            yield Finding(INVALID, dataset.card, said, dataset.document.lines.get(pointer), subject=pointer)
        yield from card_rules.incomplete(case, dataset)
        yield from card_rules.version(case, dataset)
        yield from card_rules.changed_id(case, dataset)
    # A card that lacks a title still binds the content that it records.
    if _says_content(dataset.document):
        yield from _content(case, dataset, dataset.document.data)


def _says_content(document: Document) -> bool:
    content = document.data.get("content") if isinstance(document.data, dict) else None
    digest = content.get("digest") if isinstance(content, dict) else None
    return isinstance(digest, dict) and not any(problem.pointer.startswith("/content") for problem in document.problems)


def _typed_fields(case: Case, dataset: Dataset, oid: str, document: Document) -> Iterator[Finding]:
    """What is wrong with what people typed; a card in which nothing was is not asked about again."""
    key = "\0".join((oid, dataset.path, *dataset.files))
    if case.verdict("data-card-fields", key) is not None:
        return
    fine = True
    for finding in _fields(case, dataset, document):
        fine = False
        yield finding
    if fine:
        case.remember("data-card-fields", key, "")


def _fields(case: Case, dataset: Dataset, document: Document) -> Iterator[Finding]:
    from .core.documents import MAX_PROBLEMS
    from .datasets.contradictions import faults
    from .datasets.hollow import hollow
    from .datasets.reordered import reordered

    data, lines = document.data, document.lines
    faulty = {problem.pointer for problem in document.problems}
    source = data.get("source")
    source = source if isinstance(source, dict) else {}
    names = dataset.names
    typed = [
        ("/title", data.get("title"), names),
        ("/description", data.get("description"), names),
        ("/source/publisher", source.get("publisher"), ()),
        *((pointer, text, ()) for pointer, text in card_rules.typed(data)),
    ]
    for pointer, value, file_names in typed:
        reason = hollow(value, file_names=file_names) if isinstance(value, str) else None
        if reason is not None and pointer not in faulty:
            said = f"{pointer[1:].replace('/', '.')} {reason}"
            fix = _retyped(pointer, dataset.shown_path)
            yield Finding(HOLLOW, dataset.card, said, lines.get(pointer), fix=fix, subject=pointer)
    for pointer, said in islice(chain(faults(data, case.today), reordered(data)), MAX_PROBLEMS):
        yield Finding(INVALID, dataset.card, said, lines.get(pointer), subject=pointer)
    expression = data.get("license")
    if isinstance(expression, str) and "/license" not in faulty:
        yield from _license(dataset, expression, lines.get("/license"))


def _retyped(pointer: str, path: str) -> tuple[Command, ...]:
    """The command that writes a field anew, where there is one."""
    option = {"/title": "--title", "/source/publisher": "--publisher"}.get(pointer)
    return ((CUSTODY, "card", "update", option, Slot(option[2:].upper()), RepoPath(path)),) if option else ()


def _license(dataset: Dataset, expression: str, line: int | None) -> Iterator[Finding]:
    from .datasets.licenses import check_license

    verdict = check_license(expression, (), (), ())
    if verdict.status == "invalid":
        yield Finding(INVALID, dataset.card, verdict.message, line, found=f"license: {expression}", subject="/license")


def _content(case: Case, dataset: Dataset, data: Mapping[str, dict[str, object]]) -> Iterator[Said]:
    try:
        digest = surveys.digest(case, dataset)
    except CannotJudge as error:
        yield error
        return
    recorded = data["content"]["digest"]
    path = dataset.shown_path
    if digest is None:
        return  # a link in the place of the file: said by its name
    if digest != recorded:
        from .datasets.folder_changes import told_changes

        (algorithm, actual), other = next(iter(digest.items())), next(iter(recorded.items()))  # type: ignore[attr-defined]
        md5 = surveys.other_md5(case, dataset)
        found = f"{algorithm} {actual}, and in {dataset.card}: {other[0]} {other[1]}"
        yield Finding(
            MISMATCH, path,
            f"its card records another content than the one that is staged{told_changes(case, dataset)}",
            found=f"md5 {md5[0]}, and in {dataset.card}: md5 {md5[1]}" if md5 else found,
            fix=(add_again(case, path),), digest=actual, subject=actual,
            unless=("missing-audit-entry", "audit-heads-diverged", "pickle-weights"),
        )  # fmt: skip
    elif data["content"].get("bytes") not in (None, size := surveys.size(case, dataset)) and size is not None:
        yield Finding(
            MISMATCH, path, f"its card records {data['content']['bytes']} bytes, and it has {size}",
            fix=((CUSTODY, "card", "update", RepoPath(path)),),
            digest=next(iter(digest.values())), subject=str(size),
        )  # fmt: skip
    elif data["content"].get("files") not in (None, count := surveys.count(case, dataset)) and count is not None:
        yield Finding(
            MISMATCH, path, f"its card records {data['content']['files']} files, and it has {count}",
            fix=((CUSTODY, "card", "update", RepoPath(path)),),
            digest=next(iter(digest.values())), subject=f"{count} files",
        )  # fmt: skip
    elif (there := surveys.other_content(case, dataset)) is not None:
        yield Finding(
            MISMATCH, path, "its content has the MD5 that its card records, and another digest",
            found=f"{next(iter(there))} {next(iter(there.values()))}, and in {dataset.card}: "
            f"{next(iter(digest.values()))}",
            fix=(add_again(case, path),), digest=next(iter(there.values())), subject="content",
        )  # fmt: skip


# ---------------------------------------------------------------------- among cards


def _duplicates(case: Case, datasets: Iterable[Dataset]) -> Iterator[Finding]:
    mine = {dataset.id for dataset in datasets if dataset.files and is_new_id(case, dataset)} - {None}
    if not mine:
        return
    by_id: dict[str, list[str]] = {}
    for card, found in surveys.ids_of_all_cards(case).items():
        by_id.setdefault(found, []).append(card)
    for dataset in datasets:
        keeper = keeper_of(case, dataset.id or "", by_id.get(dataset.id or "", ()))
        if keeper not in (None, dataset.card):
            line = dataset.document.lines.get("/id") if dataset.document else None
            said = f'the id "{dataset.id}" is also that of {keeper}'
            fix = new_id(dataset.card)
            yield Finding(DUPLICATE, dataset.card, said, line, fix=(fix,), subject=dataset.id or "")


def is_new_id(case: Case, dataset: Dataset) -> bool:
    """Whether the change brings the id, so that all cards have to be asked for another one with it."""
    change = case.changed.get(dataset.card)
    if case.is_whole:
        return True
    if change is None or change.before is None or not change.before.is_file:
        return change is not None
    raw = case.read_many([change.before]).get(change.before.oid, b"")
    return surveys.ids_in(raw) != [dataset.id]


def new_id(card: str) -> Command:
    """The command that gives a dataset an id of its own."""
    return (CUSTODY, "card", "update", "--id", Slot("NEW_ID"), RepoPath(card))


def keeper_of(case: Case, dataset_id: str, cards: Iterable[str]) -> str | None:
    """Which of several cards with one id keeps it: the one that the change did not touch, else the one that it did
    not bring, else the one whose dataset the log is about. A card that lost its data keeps nothing.
    """
    names = {card: assets.card_name(card) for card in cards}
    there = [c for c, name in names.items() if name and surveys.is_there(case, name)]
    if len(there) < 2:
        return there[0] if there else None
    logged = _logged_at(case, dataset_id)

    def rank(card: str) -> tuple[int, bool, str]:
        change, name = case.changed.get(card), names[card]
        subject = name.subject if name else ""
        return 0 if change is None else 1 if change.before else 2, subject not in logged, card

    return min(there, key=rank)


def _logged_at(case: Case, dataset_id: str) -> set[str]:
    """The files or folders at which the log of a dataset ends."""
    from .datasets.audit_log import heads, read_log

    files = case.after.files_below(f"{assets.AUDIT}{dataset_id}/")
    raw = case.read_many(files.values())
    log = read_log(dataset_id, {name: raw.get(entry.oid) for name, entry in files.items()})
    paths = {log.entries[head].path for head in heads(log)}
    return {"" if path == "." else path.removesuffix(".dvc") for path in paths}


def _names(case: Case, datasets: Iterable[Dataset], undocumented: Iterable[str]) -> Iterator[Finding]:
    mine = {path: entry for dataset in datasets for path, entry in dataset.files.items()}
    mine.update((path, case.after[path]) for path in undocumented)
    cards = {dataset.card: case.after[dataset.card] for dataset in datasets}
    mine.update((card, entry) for card, entry in cards.items() if entry.is_file)
    if not mine:
        return
    folded: dict[str, list[str]] = {}
    for path in case.after.alike(map(fold, mine)):
        folded.setdefault(fold(path), []).append(path)
    for path, entry in sorted(mine.items()):
        twins = [twin for twin in folded[fold(path)] if twin != path]
        rename = ("git", "mv", RepoPath(path), Slot("NEW_NAME"))
        if twins:
            twin = twins[0].encode("ascii", "backslashreplace").decode("ascii")
            said = f"its name differs from {twin} only by case or Unicode form"
            yield Finding(AMBIGUOUS, path, said, fix=(rename,), subject="twin")
        if surveys.is_ambiguous(path):
            said = "the name of an asset must not hold a line break or a backslash"
            yield Finding(AMBIGUOUS, path, said, fix=(rename,), subject="name")
        if (not entry.is_file and path not in undocumented) or entry.mode == 0o120000:
            yield from _link(case, path, entry)


def _link(case: Case, path: str, entry: Entry) -> Iterator[Finding]:
    fix: Command = ("git", "rm", "--cached", "-f", RepoPath(path))
    if entry.mode != SYMLINK:
        said = "a submodule stands for content that is not recorded here"
    elif path not in case.after or case.holds_content(path):
        return  # locked by git-annex: the key that it names is recorded
    elif b"annex/objects/" in case.pointers([entry]).get(entry.oid, b""):
        said = "this link of git-annex does not lead to the annex of this repository"
        fix = ("git", "annex", "fix", RepoPath(path))
    else:
        said = "a symlink stands for content that is not recorded here"
    yield Finding(AMBIGUOUS, path, said, fix=(fix,), subject="link")


def _attributes(case: Case, datasets: Iterable[Dataset], undocumented: Iterable[str]) -> Iterator[Finding]:
    paths = {path for dataset in datasets for path in dataset.files} | set(undocumented)
    rules_change = any(path.rpartition("/")[2] == ".gitattributes" for path in case.changed)
    for path in case.after if rules_change or case.is_whole else (p for p in case.changed if p in case.after):
        kind = assets.classify(path, case.policy.datasets, case.policy.models)
        if kind in ("dataset", "model") or (rules_change and assets.cards_over(path, case.after)):
            paths.add(path)
    if not any(path in case.after for path in assets.attribute_files(paths)):
        return
    for path, values in sorted(case.attributes(sorted(paths), _ATTRIBUTES).items()):
        for name, value in sorted(values.items()):
            if value in ("unspecified", "unset") or (name, value) in _OF_POINTERS:
                continue
            if name == ENCODING and value.lower() in NO_ENCODINGS:
                continue
            shown = name if value == "set" else f"{name}={value}"
            yield Finding(
                ATTRIBUTES,
                path,
                f"the git attribute {shown} makes its checkout differ from what is stored",
                subject=name,
            )


HOOK = Hook("check-dataset-card", "datasets have a valid, honest data card", 1, RULES, check)


def main() -> int:
    """The hook's program."""
    from .catalog import main_of

    return main_of(HOOK.id)


if __name__ == "__main__":
    raise SystemExit(main())
