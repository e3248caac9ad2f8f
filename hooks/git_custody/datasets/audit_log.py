"""The audit log of one dataset: entries linked by hash into a graph that merges in git without conflicts.

What has to hold: I1 a file is named by its entry's hash; I2 every parent is there; I3 `before` is what the
parents ended in; I4 the dataset in the tree is what the heads end in; I5 a deleted dataset ends in null; I6
published entries stay. I1 to I3 are `read_log`, I4 and I5 `state_problems`, I6 `missing_entries`. What the
tree alone cannot show, only I6 finds: a tip re-written in a field that no link repeats (reason, actor, time,
tool, origin, a related op), a tip removed that had left the state of its parents, and a log truncated
together with the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from git_custody.core.assets import AUDIT
from git_custody.core.findings import ABSENT, CannotJudge
from git_custody.datasets.audit_entries import (
    AUDIT_DIR,
    Digest,
    Entry,
    EntryError,
    digest_from,
    entry_id,
    entry_path,
    is_entry_id,
    link_error,
    parse_any_layout,
    render,
    state,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from git_custody.core.case import Case
    from git_custody.core.trees import Entry as TreeEntry

ALTERED = "audit-entry-altered"
DIVERGED = "audit-heads-diverged"
MISSING = "missing-audit-entry"

_REFORMATTED = "the file was reformatted: its content is intact, but its bytes are not what git-custody wrote"


class LogProblem(NamedTuple):
    """One thing wrong with a log. `entry_path` is from the root; None speaks of the dataset itself."""

    rule: str
    entry_path: str | None
    message: str
    found: str | None


class Log(NamedTuple):
    """A dataset's log. `entries` are the files that are what their names say, by id, linked well or not.

    `reformatted` are those whose content is intact but whose bytes are not the canonical ones. `problems` is
    sorted by path.
    """

    dataset: str
    entries: Mapping[str, Entry]
    reformatted: Mapping[str, Entry]
    problems: tuple[LogProblem, ...]


class State(NamedTuple):
    """A dataset's path and digest; the digest is None when it is deleted, the path where it last lay."""

    path: str
    digest: Digest | None


class LostEntry(NamedTuple):
    """A published file of the log that is no longer what it was: `change` is ``removed`` or ``changed``."""

    path: str
    change: str


def bytes_of_log(case: Case, dataset: str, files: Mapping[str, TreeEntry]) -> dict[str, bytes | None]:
    """The files of a log, None for what is not a regular file, or was lost.

    Raises `CannotJudge` where a partial clone left one out, which can be fetched.
    """
    raw = case.read_many(entry for entry in files.values() if entry.is_file)
    missing = [entry.oid for entry in files.values() if entry.is_file and entry.oid not in raw]
    if missing and (fix := case.fetching(missing)):
        raise CannotJudge(ABSENT, f"{AUDIT}{dataset}", fix=fix)
    return {name: raw.get(entry.oid) if entry.is_file else None for name, entry in files.items()}


def read_log(dataset: str, files: Mapping[str, bytes | None]) -> Log:
    """Read a dataset's log: file names below ``.custody/audit/<dataset>/``, with their bytes.

    None stands for what is not a regular file. No more than MAX_ENTRY_BYTES + 1 bytes of a file are needed.
    """
    entries: dict[str, Entry] = {}
    reformatted: dict[str, Entry] = {}
    problems: list[LogProblem] = []
    for name in sorted(files):
        try:
            entry = _read_file(dataset, name, files[name])
        except EntryError as error:
            problems.append(LogProblem(ALTERED, f"{AUDIT_DIR}/{dataset}/{name}", error.message, None))
            continue
        if render(entry) == files[name]:
            entries[name[:64]] = entry
        else:
            reformatted[name[:64]] = entry
            problems.append(LogProblem(ALTERED, entry_path(dataset, name[:64]), _REFORMATTED, None))
    for name, entry in entries.items():
        problem = _link_problem(name, entry, entries, files)
        if problem is not None:
            problems.append(problem)
    problems.sort(key=lambda problem: problem.entry_path or "")
    return Log(dataset, entries, reformatted, tuple(problems))


def heads(log: Log) -> tuple[str, ...]:
    """Give the ids of the entries that no other builds on, sorted."""
    parents = {parent for entry in log.entries.values() for parent in entry.parents}
    return tuple(sorted(log.entries.keys() - parents))


def current(log: Log) -> State | None:
    """Give the state that all heads agree on; None for an empty log, or when they differ."""
    tips = [log.entries[head] for head in heads(log)]
    if not tips or len({state(tip) for tip in tips}) > 1:
        return None
    return State(tips[0].path, tips[0].after)


def state_problems(log: Log, *, path: str | None, digest: Mapping[str, str] | None) -> tuple[LogProblem, ...]:
    """Say what keeps the log from leading to `digest` at `path`; None: the dataset is not in the tree.

    Nothing is said while the log itself has altered entries, which no waiver admits: what it leads to cannot
    be told. With a missing parent the heads mean little, so it only has to hold that one of them fits.
    """
    if any(problem.rule == ALTERED for problem in log.problems):
        return ()
    tips = {head: log.entries[head] for head in heads(log)}
    states = {state(tip) for tip in tips.values()}
    here = ("", None) if path is None or digest is None else (path, digest_from(dict(digest)))
    if not states and here[1] is None:
        return ()
    if not states:
        return (LogProblem(MISSING, None, "the dataset has no entry in the audit log", _found(here[1])),)
    if len(states) > 1 and not log.problems:
        return (_diverged(log.dataset, tips),)
    if here in states:
        return ()
    return (LogProblem(MISSING, None, _mismatch(here, states), _found(here[1])),)


def history(log: Log) -> list[Entry]:
    """Give all entries, each after its parents; where the links leave it open, by time, then by id."""
    return [log.entries[entry] for entry in _order(log.entries)]


def sound_entries(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Give the entries whose links hold, all the way back to where they begin; in the order of `history`."""
    sound: dict[str, Entry] = {}
    for name in _order(entries):
        entry = entries[name]
        if all(parent in sound for parent in entry.parents) and link_error(entry, sound) is None:
            sound[name] = entry
    return sound


def missing_entries(
    before_files: Mapping[str, str], after_files: Mapping[str, str], base_problems: Iterable[LogProblem] = ()
) -> tuple[LostEntry, ...]:
    """List published files of the log that were removed or changed; both mappings go from path to blob id.

    Files that `base_problems` (of the base's own logs) speak of may go or change, else a broken log could
    never be mended; so may files that could not be entries by their names.
    """
    excused = {problem.entry_path for problem in base_problems}
    return tuple(
        LostEntry(path, "changed" if path in after_files else "removed")
        for path, blob in sorted(before_files.items())
        if path not in excused and after_files.get(path) != blob and _names_entry(path)
    )


def _read_file(dataset: str, name: str, data: bytes | None) -> Entry:
    if not (is_entry_id(name[:64]) and name[64:] == ".json"):
        raise EntryError("the file is not an audit entry, and nothing else may lie here")
    if data is None:
        raise EntryError("this is not a regular file")
    entry = parse_any_layout(data)
    if entry.dataset != dataset:
        raise EntryError(f"the entry is of dataset {entry.dataset} and does not belong in this folder")
    if entry_id(entry) != name[:64]:
        raise EntryError("the file was edited or renamed: its name is not the hash of its content")
    return entry


def _link_problem(
    name: str, entry: Entry, entries: Mapping[str, Entry], files: Mapping[str, bytes | None]
) -> LogProblem | None:
    place = entry_path(entry.dataset, name)
    absent = [parent for parent in entry.parents if parent not in entries]
    for parent in absent:
        if f"{parent}.json" not in files:
            return LogProblem(MISSING, place, f"the entry builds on {parent[:12]}, which is not in the log", parent)
    error = None if absent else link_error(entry, entries)
    return None if error is None else LogProblem(ALTERED, place, f"the entry does not fit the log: {error}", None)


def _order(entries: Mapping[str, Entry]) -> list[str]:
    from heapq import heapify, heappop, heappush

    waiting = {name: sum(parent in entries for parent in entry.parents) for name, entry in entries.items()}
    children: dict[str, list[str]] = {}
    for name, entry in entries.items():
        for parent in entry.parents:
            children.setdefault(parent, []).append(name)
    ready = [(entries[name].time, name) for name, count in waiting.items() if count == 0]
    heapify(ready)
    order = []
    while ready:
        name = heappop(ready)[1]
        order.append(name)
        for child in children.get(name, ()):
            waiting[child] -= 1
            if waiting[child] == 0:
                heappush(ready, (entries[child].time, child))
    return order


def _diverged(dataset: str, tips: Mapping[str, Entry]) -> LogProblem:
    message = f"the log of {dataset} ends in {len(tips)} entries that do not agree, and no merge entry joins them"
    found = "; ".join(f"{head[:12]} {tip.op} by {tip.actor.name[:40]}" for head, tip in list(tips.items())[:5])
    return LogProblem(DIVERGED, None, message, found if len(tips) <= 5 else f"{found}; …")


def _mismatch(here: tuple[str, Digest | None], states: set[tuple[str, Digest | None]]) -> str:
    path, digest = here
    if digest is None:
        return "the dataset was deleted, and the audit log does not say so"
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "no audit entry can name this path, because it is not valid UTF-8: rename it first"
    if digest in {after for _, after in states}:
        return f"the dataset was renamed, and the audit log still has it at {min(states)[0]}"
    if states == {("", None)}:
        return "the audit log says that this dataset was deleted, but it is there"
    return "the content was changed, and no entry in the audit log leads to it"


def _found(digest: Digest | None) -> str | None:
    return None if digest is None else str(digest)


def _names_entry(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return folder.rpartition("/")[0] == AUDIT_DIR and is_entry_id(name[:64]) and name[64:] == ".json"
