"""What adopting a repository comes to: cards, first audit entries, and waivers for what is owed."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from ..core import assets, worktree
from ..core.findings import CannotJudge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from ..core.case import Case, Hook
    from ..core.findings import Finding
    from ..core.git import Git
    from ..core.report import Report
    from ..datasets.audit_entries import Actor
    from ..datasets.survey import Dataset
    from ..datasets.weak_names import Measured
    from .adoption import Group

DAYS = 180
OWED = "owed since "
_REASON = "Adopted as it was found"
# Waiving one finding can bring out another on the same path, that had been held back for it.
_ROUNDS = 4


class Debt(NamedTuple):
    """Something that is owed: the waiver's file, and the findings that it is for."""

    file: str
    findings: tuple[Finding, ...]


class NewCard(NamedTuple):
    """A card to be written: the id of its dataset, its text, and in words what was taken from where."""

    id: str
    text: bytes
    taken: str | None


class Plan(NamedTuple):
    """What adopting comes to.

    `files` are to be written, `cards` are those among them, `entries` is the number of
    datasets that get their first audit entry, `after` what `git custody check --all` then says; `policy`
    is what there is to say of a policy among the files, and `left` of what blocks all the same.
    """

    files: dict[str, bytes]
    cards: tuple[tuple[Group, NewCard], ...]
    entries: int
    debts: tuple[Debt, ...]
    after: Report
    policy: str = "as it is in the work tree"
    left: str = "that no waiver admits"


def planned(git: Git, hooks: Sequence[Hook], actor: Actor, today: date) -> Plan:
    """Try everything in an index of its own first, so that the plan is what will come of it."""
    from ..core.cache import Cache
    from ..datasets.survey import survey
    from .adoption import group
    from .policy_file import first_policy
    from .whole_index import open_whole

    cache = Cache.of_user(os.environ)
    with git.sandbox(staged=True) as (sandbox, _):
        try:
            files: dict[str, bytes] = {}
            said = "as it is in the work tree"
            if assets.POLICY not in sandbox.entries(None, [assets.POLICY]):
                # One that is not staged yet is the user's, and is what they want to be judged by.
                written = worktree.read_file(git.root, assets.POLICY)
                said = said if written else "level 1, and the audit log of datasets"
                files[assets.POLICY] = written or first_policy(hooks)
                sandbox.put_all(files)
            case = open_whole(sandbox, cache, hooks)
            undocumented = survey(case).undocumented
            groups = group(undocumented, case.after, _described(case, undocumented))
            made = [(found, card) for found, card in _cards(case, groups) if card is not None]
            sandbox.put_all({found.card: card.text for found, card in made})
            entries = dict(entries_of(open_whole(sandbox, cache, hooks), actor))
            sandbox.put_all(entries)
        finally:
            cache.close()
        debts, waivers, report = debts_of(sandbox, hooks, actor, today)
    files.update({found.card: card.text for found, card in made})
    return Plan({**files, **entries, **waivers}, tuple(made), len(entries), debts, report, said)


def _described(case: Case, undocumented: Sequence[str]) -> set[str]:
    """The folders that a dataset card of the Hugging Face Hub, a Data Package or Croissant says to be a dataset."""
    from ..datasets.metadata.huggingface import OF_DATASETS
    from ..datasets.metadata.loading import front_matter, load_json, load_yaml
    from .adoption import metadata_over

    found = metadata_over(undocumented, case.after)
    texts = case.read_many(case.after[path] for paths in found.values() for path in paths)

    def is_one(path: str) -> bool:
        raw = texts.get(case.after[path].oid, b"")
        if not path.endswith(".md"):
            described = load_json(raw)
            return described is not None and isinstance(described.data, dict)
        matter = front_matter(raw)
        loaded = load_yaml(matter, frozenset(OF_DATASETS)) if matter is not None else None
        return loaded is not None and any(key in loaded.data for key in OF_DATASETS)

    return {folder for folder, paths in found.items() if any(map(is_one, paths))}


def debts_of(
    sandbox: Git, hooks: Sequence[Hook], actor: Actor, today: date, may_owe: Callable[[Finding], bool] | None = None
) -> tuple[tuple[Debt, ...], dict[str, bytes], Report]:
    """What is owed of what blocks in the index of a sandbox, the waivers, which are put there, and what is said then.

    `may_owe` says which findings may have a waiver at all; without it, all.
    """
    from .whole_index import judge_index

    debts: list[Debt] = []
    waivers: dict[str, bytes] = {}
    for _ in range(_ROUNDS):
        report = judge_index(sandbox, hooks)
        admitted = [finding for finding in report.findings if may_owe is None or may_owe(finding)]
        new = dict(_waivers(sandbox, hooks, admitted, actor, today, debts))
        if not new:
            break
        sandbox.put_all(new)
        waivers.update(new)
    return tuple(debts), waivers, report


def _cards(case: Case, groups: Sequence[Group]) -> Iterator[tuple[Group, NewCard | None]]:
    """For each group its card; None for what cannot have one."""
    from ..datasets import survey as surveys
    from ..datasets.cards import propose_id
    from ..datasets.survey import ids_of_all_cards

    taken = set(ids_of_all_cards(case).values())
    taken |= {path.removeprefix(assets.AUDIT).partition("/")[0] for path in case.after if path.startswith(assets.AUDIT)}
    entries = [case.after[path] for found in groups for path in found.files]
    # git is asked once for all, and what it says is remembered by the case.
    case.sizes(entries)
    case.pointers(entries)
    case.sha256(entry for entry in entries if entry.mode != 0o160000)
    for found in groups:
        covered = (
            assets.files_under(found.path, case.after) if found.is_folder else {found.path: case.after[found.path]}
        )
        dataset = surveys.Dataset(found.card, found.path, found.is_folder, None, covered)
        measured = surveys.measured(case, dataset)
        if measured is None or any("\udc80" <= c <= "\udcff" for c in found.path):
            yield found, None
            continue
        dataset_id = propose_id(found.path, taken)
        taken.add(dataset_id)
        yield found, NewCard(dataset_id, *_card(case, dataset, dataset_id, measured))


def _card(case: Case, dataset: Dataset, dataset_id: str, measured: Measured) -> tuple[bytes, str | None]:
    """The text of a card with what files nearby say of its dataset, and what was taken from where."""
    from ..datasets.cards import Source, media_type, render_card, with_owed_line
    from ..datasets.metadata.known_facts import KnownFacts
    from ..datasets.wrong_answers import wrong_date, wrong_languages, wrong_license, wrong_text, wrong_url

    def hollow(text: str) -> str | None:
        return wrong_text(text, dataset.names)

    known = KnownFacts(case, dataset)
    url = known.take("url", wrong_url)
    # Nobody knows on which day it was fetched.
    source = Source("public-download" if url else None, known.take("publisher", wrong_text), url)
    if url:
        source = source._replace(
            version=known.take("version"), published=known.take("published", lambda text: wrong_date(text, case.today))
        )
    languages = known.take("language", wrong_languages)
    text = render_card(
        id=dataset_id, title=known.take("title", hollow), source=source,
        license=known.take("license", lambda text: wrong_license(text, case.policy)) or case.policy.default_license,
        digest=measured.digest, bytes=measured.bytes, md5=measured.md5, files=measured.files,
        media_type=None if dataset.is_folder else media_type(dataset.path.removesuffix(".dvc")),
        description=known.take("description", hollow),
        language=tuple(dict.fromkeys(languages.split())) if languages else (),
    )  # fmt: skip
    return with_owed_line(text), known.told()


def entries_of(case: Case, actor: Actor) -> Iterator[tuple[str, bytes]]:
    """The first audit entry of every dataset that has a card and no log: path and bytes."""
    from datetime import datetime, timezone

    from .. import __version__
    from ..datasets import survey as surveys
    from ..datasets.audit_entries import EntryError, Tool, entry_id, entry_path, render
    from ..datasets.audit_log import Log
    from ..datasets.audit_plan import next_entry

    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    tool = Tool("git-custody", __version__)
    logged = {path.removeprefix(assets.AUDIT).partition("/")[0] for path in case.after if path.startswith(assets.AUDIT)}
    for dataset in surveys.survey(case).datasets:
        if dataset.id is None or dataset.id in logged:
            continue
        logged.add(dataset.id)
        digest = surveys.digest(case, dataset)
        if digest is None:
            continue
        try:
            entry = next_entry(
                Log(dataset.id, {}, {}, ()),
                op="adopt",
                path=dataset.path or ".",
                digest=digest,
                reason=_REASON,
                actor=actor,
                time=now,
                tool=tool,
            )
        except EntryError:
            continue  # a path that no entry can name: its own finding says so
        yield entry_path(dataset.id, entry_id(entry)), render(entry)


def _waivers(
    git: Git, hooks: Sequence[Hook], found: Sequence[Finding], actor: Actor, today: date, debts: list[Debt]
) -> Iterator[tuple[str, bytes]]:
    """A waiver for everything that blocks and can be waived; adds to `debts` what each is for."""
    from ..core.cache import Cache
    from ..core.runner import read_all_settings
    from ..models.waivable import refusal
    from .waiver_file import waiver_name, waiver_text

    policy = read_all_settings(git, Cache(None), None, hooks).policy
    rules = {rule.name: rule for hook in hooks for rule in hook.rules}
    entries = git.entries(None)
    said = {(f.rule.name, f.path, f.digest) for debt in debts for f in debt.findings}
    owing: dict[tuple[str, str, str | None], list[Finding]] = {}
    for finding in found:
        if finding.blocks and finding.rule.waivable and (finding.digest or not finding.rule.about_content):
            # What is owed about a path stays owed when its content changes; what is wrong in content is not.
            digest = finding.digest if finding.rule.about_content else None
            owing.setdefault((finding.rule.name, finding.path, digest), []).append(finding)
    names = {path for path in entries if path.startswith(assets.WAIVERS)}
    for (rule, path, digest), findings in owing.items():
        if any((f.rule.name, f.path, f.digest) in said for f in findings):
            continue  # a waiver did not help: it is left for the user
        if rule == "pickle-weights" and path in entries and refusal(git, path, entries[path], policy):
            continue  # nor would this one
        kinded = {"sha256" if path in entries else "dirHash": digest} if digest else None
        expires = today + timedelta(days=DAYS)
        try:
            text = waiver_text(rule, path, f"{OWED}{today}", actor.name, expires, kinded, rules)
        except CannotJudge:
            continue  # a name that no waiver can spell
        name = waiver_name(rule, path, kinded, names)
        names.add(name)
        debts.append(Debt(name, tuple(findings)))
        yield name, text
