"""What to write next in an audit log: the entry for a change, for a merge, for the repair of a torn log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from git_custody.datasets.audit_entries import (
    CONTENT_OPS,
    FIRST_OPS,
    Actor,
    Digest,
    Entry,
    EntryError,
    Tool,
    checked,
    digest_from,
    entry_id,
    entry_path,
    link_error,
    parse,
    render,
    state,
)
from git_custody.datasets.audit_log import ALTERED, Log, State, current, heads, sound_entries

if TYPE_CHECKING:
    from collections.abc import Mapping


class Draft(NamedTuple):
    """An entry to which only the reason, the actor, the time and the tool are missing."""

    dataset: str
    op: str
    path: str
    parents: tuple[str, ...]
    before: tuple[Digest, ...]
    after: Digest | None
    origin: str | None


class RepairStep(NamedTuple):
    """One step of a repair: ``remove`` the file at `path`, ``restore`` it with `data`, or ``write`` `draft`.

    Removals come first, the one write last: its reason still has to be asked for.
    """

    action: Literal["remove", "restore", "write"]
    path: str | None = None
    data: bytes | None = None
    draft: Draft | None = None


def next_entry(
    log: Log,
    *,
    op: str | None,
    path: str | None,
    digest: Mapping[str, str] | None,
    reason: str,
    actor: Actor,
    time: str,
    tool: Tool,
    origin: str | None = None,
) -> Entry:
    """Make the entry that leads from the heads to `digest` at `path`; `digest` None: the dataset is deleted.

    Without `op` it is inferred: create, restore, rename, modify, delete, or merge when the heads differ.
    Raises EntryError when the log has problems, when there is nothing to record, or when the op does not fit.
    """
    _refuse_torn(log)
    after = None if digest is None else digest_from(dict(digest))
    draft = _draft(log, op or _infer(log, path, after), path, after, origin)
    return _fitting(log, complete(draft, reason=reason, actor=actor, time=time, tool=tool))


def merge_entry(
    log: Log,
    *,
    path: str | None,
    digest: Mapping[str, str] | None,
    reason: str,
    actor: Actor,
    time: str,
    tool: Tool,
) -> Entry:
    """Make the entry that joins all heads into `digest` at `path`; raises EntryError as `next_entry` does."""
    if len(heads(log)) < 2:
        raise EntryError(f"there is nothing to merge: the log of {log.dataset} has {len(heads(log))} head")
    return next_entry(log, op="merge", path=path, digest=digest, reason=reason, actor=actor, time=time, tool=tool)


def complete(draft: Draft, *, reason: str, actor: Actor, time: str, tool: Tool) -> Entry:
    """Make the entry of a draft, its texts in normal form C. Raises EntryError when it is not valid."""
    return checked(
        Entry(
            dataset=draft.dataset,
            op=draft.op,
            path=draft.path,
            parents=draft.parents,
            before=draft.before,
            after=draft.after,
            reason=_normal(reason),
            actor=Actor(_normal(actor.name), _normal(actor.email)),
            time=time,
            tool=tool,
            origin=draft.origin,
        )
    )


def repair_plan(
    log_here: Log,
    base_log: Log | None,
    lost: Mapping[str, bytes],
    *,
    path: str | None,
    digest: Mapping[str, str] | None,
) -> list[RepairStep]:
    """Propose what a revert, cherry-pick or rebase has left out: steps after which all problems are gone.

    `lost` are published files, by name, that are not in the tree any more; entries of `base_log` count as
    published too. They come back byte for byte. What is not sound and was not published is removed; if that
    was an entry whose parent is missing, a cherry-pick entry stands in for it. Raises EntryError when no
    entry can name the path.
    """
    after = None if path is None or digest is None else digest_from(dict(digest))
    returned = dict(base_log.entries) if base_log is not None else {}
    returned.update(_published(log_here.dataset, lost))
    sound = sound_entries({**returned, **log_here.reformatted, **log_here.entries})

    # What nobody published, and what was lost from a log that is itself torn, does not come back.
    restored = [name for name in sound if name not in log_here.entries]
    orphans = [name for name in log_here.entries if name not in sound]
    files = {entry_path(log_here.dataset, name) for name in orphans}
    files.update(p.entry_path for p in log_here.problems if p.rule == ALTERED and p.entry_path is not None)
    files.difference_update(entry_path(log_here.dataset, name) for name in sound)
    steps = [RepairStep("remove", path=file) for file in sorted(files)]
    steps.extend(
        RepairStep("restore", path=entry_path(log_here.dataset, name), data=render(sound[name])) for name in restored
    )

    log = Log(log_here.dataset, sound, {}, ())
    now = {state(sound[head]) for head in heads(log)}
    wanted = ("", None) if path is None or after is None else (path, after)
    if now == {wanted} or (not now and after is None):
        return steps
    op, origin = _infer(log, path, after), None
    if orphans:
        op, origin = "cherry-pick" if sound else "create", _latest(log_here.entries, orphans)
    elif op != "merge" and any(name not in log_here.reformatted for name in restored):
        op, origin = "revert", [name for name in restored if name not in log_here.reformatted][-1]
    return [*steps, RepairStep("write", draft=_draft(log, op, path, after, origin))]


def _published(dataset: str, lost: Mapping[str, bytes]) -> dict[str, Entry]:
    entries = {}
    for name, data in lost.items():
        try:
            entry = parse(data)
        except EntryError:
            continue
        if entry.dataset == dataset and name == f"{entry_id(entry)}.json":
            entries[name[:64]] = entry
    return entries


def _latest(entries: Mapping[str, Entry], names: list[str]) -> str:
    # One that another orphan builds on is not the last, whatever the clocks said.
    built_on = {parent for name in names for parent in entries[name].parents}
    return max((name for name in names if name not in built_on), key=lambda name: (entries[name].time, name))


def _draft(log: Log, op: str, path: str | None, after: Digest | None, origin: str | None) -> Draft:
    parents = heads(log)
    tips = [log.entries[parent] for parent in parents]
    if not tips and op not in FIRST_OPS and op != "delete":
        raise EntryError(f"this will be the first entry of {log.dataset}, and {op} needs one before it: leave out --op")
    if path is None or (after is None and path not in {tip.path for tip in tips}):
        if after is not None or not tips:
            raise EntryError(f"no path is given for {log.dataset}")
        path = next((tip.path for tip in tips if tip.after is not None), tips[0].path)
    before = tuple(sorted({tip.after for tip in tips if tip.after is not None}))
    return Draft(log.dataset, op, path, parents, before, after, origin)


def _infer(log: Log, path: str | None, after: Digest | None) -> str:
    states = {state(log.entries[head]) for head in heads(log)}
    now = current(log)
    if len(states) > 1:
        return "delete" if after is None else "merge"
    if now is None or now.digest is None:
        if after is None:
            raise EntryError(f"there is nothing to record: {log.dataset} is not there, and the log agrees")
        return "restore" if any(entry.after == after for entry in log.entries.values()) else "create"
    if after is None:
        return "delete"
    if now.digest != after:
        return "modify"
    if now.path == path:
        raise EntryError(f"there is nothing to record: the log of {log.dataset} already leads to this content")
    return "rename"


def _refuse_torn(log: Log) -> None:
    if log.problems:
        raise EntryError(f"the log of {log.dataset} has to be repaired first: {log.problems[0].message}")


def _fitting(log: Log, entry: Entry) -> Entry:
    error = link_error(entry, log.entries)
    if error is not None:
        raise EntryError(f"this entry would not fit the log: {error}")
    return entry


def _normal(text: str) -> str:
    text = text.strip()
    if text.isascii():
        return text
    from unicodedata import normalize

    return normalize("NFC", text)


# ---------------------------------------------------------------------- a dataset as it is staged


class Step(NamedTuple):
    """An entry to come, which leads to `digest` at `path`. `reason` None: it has to be asked for."""

    op: str | None
    path: str
    digest: Mapping[str, str] | None
    reason: str | None


class Recording(NamedTuple):
    """How a log comes to lead to a state: without the `superseded` entries (ids), with one entry per step.

    Superseded entries were never published: they are about an earlier state of the same edit.
    """

    superseded: tuple[str, ...]
    steps: tuple[Step, ...]


FIRST_REASON = "first recorded"


def plan_recording(
    published: Log,
    here: Log,
    *,
    path: str,
    digest: Mapping[str, str] | None,
    at_head: State | None,
    strict: bool = True,
    op: str | None = None,
    reason: str | None = None,
) -> Recording:
    """Plan the entries that lead a sound log to `digest` at `path`; nothing when it does already.

    `published` has the entries that must stay, `here` those and the ones that are only staged. `at_head` is
    the state of the dataset in HEAD, None when it is new: a log that starts late adopts it; unless `strict`,
    it adopts what is staged when nobody gave a reason for the difference. With `op` or `reason`, an entry
    that is only staged is written again.

    Raises EntryError when the log has to be repaired first.
    """
    _refuse_torn(here)
    after = None if digest is None else digest_from(dict(digest))
    wanted = ("", None) if after is None else (path, after)
    waiting = [name for name in sound_entries(here.entries) if name not in published.entries]
    states = {state(here.entries[head]) for head in heads(here)}
    if states == {wanted} and not (waiting and (op or reason)):
        return Recording((), ())
    base = Log(here.dataset, {n: e for n, e in here.entries.items() if n not in waiting}, {}, ())
    last = here.entries[waiting[-1]] if waiting else None
    if {state(base.entries[head]) for head in heads(base)} == {wanted} or (
        not base.entries and not at_head and after is None
    ):
        return Recording(tuple(waiting), ())
    steps: list[Step] = []
    if not base.entries and at_head is not None and at_head.digest is not None:
        differs = (at_head.path, at_head.digest) != wanted
        edited = strict or reason or after is None or (last is not None and last.op not in FIRST_OPS)
        if not (differs and edited):
            usual = last.reason if last is not None and last.op == "adopt" else FIRST_REASON
            return Recording(tuple(waiting), (Step("adopt", path, digest, reason or usual),))
        steps.append(Step("adopt", at_head.path, at_head.digest.mapping(), FIRST_REASON))
        inferred = "delete" if after is None else "modify" if after != at_head.digest else "rename"
    else:
        inferred = op or _infer(base, path, after)
    # The same edit again keeps what was said of it.
    same = last is not None and (last.op == inferred or (last.op in CONTENT_OPS and inferred == "modify"))
    kept = last if same else None
    default = {"create": FIRST_REASON, "rename": _renamed(base, steps, path)}.get(inferred)
    said = reason or (kept.reason if kept else default)
    steps.append(Step(op or (kept.op if kept else inferred), path, digest, said))
    return Recording(tuple(waiting), tuple(steps))


def entries_of(
    recording: Recording, here: Log, *, reason: str | None, actor: Actor, time: str, tool: Tool
) -> list[Entry]:
    """Make the entries of a plan, each on top of the one before. Raises EntryError as `next_entry` does."""
    kept = {name: entry for name, entry in here.entries.items() if name not in recording.superseded}
    made: list[Entry] = []
    for step in recording.steps:
        entry = next_entry(
            Log(here.dataset, kept, {}, ()), op=step.op, path=step.path, digest=step.digest,
            reason=step.reason or reason or "", actor=actor, time=time, tool=tool,
        )  # fmt: skip
        kept = {**kept, entry_id(entry): entry}
        made.append(entry)
    return made


def _renamed(log: Log, steps: list[Step], path: str) -> str | None:
    old = steps[0].path if steps else next((log.entries[head].path for head in heads(log)), None)
    return None if old is None or old == path else f"renamed from {old}"
