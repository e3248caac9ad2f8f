"""Audit logs on the bench: what a log lacks to lead to what is staged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import __version__
from ..core import assets
from ..core.findings import CannotJudge
from ..core.report import plain
from ..datasets import survey as surveys
from ..datasets.audit_entries import Actor, EntryError, Tool, digest_from, entry_id, entry_path, parse, render
from ..datasets.audit_log import Log, State, bytes_of_log, heads, read_log
from ..datasets.audit_plan import complete, entries_of, plan_recording, repair_plan
from ..datasets.wrong_answers import wrong_text
from .bench import Bench, Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..core.case import Case
    from ..core.digests import Digest
    from ..datasets.audit_entries import Entry
    from ..datasets.survey import Dataset

AUDIT_HOOK = "check-dataset-audit-log"
_TOOL = Tool("git-custody", __version__)


class Ledger(Bench):
    """The logs of datasets: as they are staged, as they were published, and what has to be written."""

    _history: Mapping[str, set[str]] | None = None
    _actor: Actor | None = None

    def wants_log(self, dataset_id: str) -> bool:
        """Whether the policy asks for a log, or the dataset has one."""
        policy = self.case.policy
        return (
            policy.level == 3
            or AUDIT_HOOK in policy.also
            or any(True for case in (self.case, self.head) for _ in self._log_paths(case, dataset_id))
        )

    def _log_paths(self, case: Case, dataset_id: str) -> Iterator[str]:
        folder = f"{assets.AUDIT}{dataset_id}/"
        return (path for path in case.after if path.startswith(folder))

    def files_in(self, case: Case, dataset_id: str) -> dict[str, bytes | None]:
        """The files of a log in a state: name → bytes, None for what is not a plain file.

        Raises `CannotJudge` where git does not have one here.
        """
        paths = list(self._log_paths(case, dataset_id))
        start = len(f"{assets.AUDIT}{dataset_id}/")
        return bytes_of_log(case, dataset_id, {path[start:]: case.after[path] for path in paths})

    def published(self, dataset_id: str, *, history: bool) -> dict[str, bytes]:
        """The entries that must stay, by file name: those of HEAD and of commits that are being merged.

        With `history` all that ever were in theirs. Files that are not what their names say are left out.
        """
        folder = f"{assets.AUDIT}{dataset_id}"
        versions: dict[str, dict[str, None]] = {}
        for commit in self._commits():
            for path, entry in self.git.entries(commit, [folder]).items():
                if entry.is_file:
                    versions.setdefault(path, {})[entry.oid] = None
        for path, oids in self._all_history().items() if history else ():
            if path.startswith(folder + "/"):
                versions.setdefault(path, {}).update(dict.fromkeys(sorted(oids)))
        found = {}
        for path, known in versions.items():
            name = path.rpartition("/")[2]
            for oid in known:
                data = self.git.read(oid)
                if data is not None and _is_sound(dataset_id, name, data):
                    found[name] = data
                    break
        return found

    def _commits(self) -> list[str]:
        return [commit for commit in (self.git.head(), *self.case.change_set.parents) if commit]

    def _all_history(self) -> Mapping[str, set[str]]:
        if self._history is None:
            commits = self._commits()
            self._history = self.git.history(commits, assets.AUDIT.rstrip("/")) if commits else {}
        return self._history

    def known_logs(self) -> set[str]:
        """The ids of all logs that there are, or were in the history."""
        paths = [*self._all_history(), *(path for path in self.case.after if path.startswith(assets.AUDIT))]
        ids = {path.removeprefix(assets.AUDIT).partition("/")[0] for path in paths}
        return {dataset_id for dataset_id in ids if surveys.is_id(dataset_id)}

    def record(
        self, dataset_id: str, path: str, digest: Digest | None, reason: str | None, *,
        at_head: Callable[[], State | None], op: str | None = None, whole_history: bool = False,
    ) -> None:  # fmt: skip
        """Write what a log lacks to lead to `digest` at `path`; nothing where no log is wanted.

        Raises `CannotJudge` when no entry can say it.
        """
        if not (reason or op or whole_history or self.wants_log(dataset_id)):
            return
        files = self.files_in(self.case, dataset_id)
        here = read_log(dataset_id, files)
        whole_history = whole_history or bool(here.problems)
        published = self.published(dataset_id, history=whole_history)
        lost = {name: data for name, data in published.items() if files.get(name) != data}
        self.concerned.append(f"{assets.AUDIT}{dataset_id}")
        try:
            if here.problems or lost:
                self._repair(here, lost, None if digest is None else path, digest, reason)
                return
            waiting = here.entries.keys() - {name[:64] for name in published}
            if waiting and not whole_history:
                published = self.published(dataset_id, history=True)
            late = not here.entries.keys() - waiting
            plan = plan_recording(
                read_log(dataset_id, dict(published)), here, path=path, digest=digest,
                at_head=at_head() if late else None, strict=late and self.id_in_head(dataset_id) is not None,
                op=op, reason=reason,
            )  # fmt: skip
            if reason and not plan.steps and not plan.superseded and here.entries:
                self.untouched.append(path)
            for name in plan.superseded:
                file = entry_path(dataset_id, name)
                self.changes[file] = Change(file, None, "entry that was not committed yet, replaced")
            if any(step.reason is None for step in plan.steps):
                reason = reason or self._reason(path)
            if plan.steps:
                made = entries_of(plan, here, reason=reason, actor=self.actor(), time=_now(), tool=_TOOL)
                for entry in made:
                    self._entry(entry)
        except EntryError as error:
            raise CannotJudge(error.message, path if path != "." else None) from None

    def _repair(
        self,
        here: Log,
        lost: Mapping[str, bytes],
        path: str | None,
        digest: Digest | None,
        reason: str | None,
    ) -> None:
        for step in repair_plan(here, None, lost, path=path, digest=digest):
            if step.action == "remove" and step.path is not None:
                self.changes[step.path] = Change(step.path, None, "entry removed, because it cannot be part of the log")
            elif step.action == "restore" and step.path is not None:
                self.changes[step.path] = Change(step.path, step.data, "entry restored")
            elif step.draft is not None:
                said = reason or self._reason(step.draft.path, step.draft.op)
                self._entry(complete(step.draft, reason=said, actor=self.actor(), time=_now(), tool=_TOOL))

    def _reason(self, path: str, op: str | None = None) -> str:
        what = f"reason for the {op} of" if op else "reason for the change of"
        return self.asker.answer("reason", f"{what} {plain(path)}", None, wrong_text)

    def _entry(self, entry: Entry) -> None:
        file = entry_path(entry.dataset, entry_id(entry))
        self.changes[file] = Change(file, render(entry), f"audit entry, {entry.op}: {entry.reason}")

    def actor(self) -> Actor:
        """Who makes the change, by git's own account."""
        if self._actor is None:
            self._actor = Actor(*self.git.author())
        return self._actor

    # ------------------------------------------------------------------ where datasets were

    def last_path(self, dataset_id: str) -> str | None:
        """Where the log that is staged last has the dataset, None when there is none."""
        log = read_log(dataset_id, self.files_in(self.case, dataset_id))
        return next((log.entries[head].path for head in heads(log)), None)

    def id_in_head(self, dataset_id: str) -> State | None:
        """Where the dataset with this id is in HEAD, None when it is not there."""
        from ..datasets.survey import ids_of_all_cards

        for card, found in ids_of_all_cards(self.head).items():
            if found == dataset_id:
                return self.state_of(surveys.dataset(self.head, card))
        return None

    def state_in_head(self, found: Dataset, dataset_id: str | None = None) -> State | None:
        """Where a dataset is in HEAD, by its id, else by its path."""
        state = self.id_in_head(dataset_id) if dataset_id else None
        if state is not None:
            return state
        before = self.head.after
        if found.is_folder:
            files = assets.files_under(found.path, before)
        else:
            files = {path: before[path] for path in found.files if path in before}
        return self.state_of(found._replace(files=files))

    def state_of(self, found: Dataset) -> State | None:
        """The state of a dataset in HEAD, None when it has no plain files there."""
        if not found.files or not all(self.head.holds_content(path) for path in found.files):
            return None
        digest = surveys.digest(self.head, found)
        return None if digest is None else State(found.path or ".", digest_from(digest))


def _is_sound(dataset_id: str, name: str, data: bytes) -> bool:
    """Whether a published file is an entry at all: what never was one need not come back."""
    try:
        entry = parse(data)
    except EntryError:
        return False
    return entry.dataset == dataset_id and name == f"{entry_id(entry)}.json"


def _now() -> str:
    from datetime import datetime, timezone

    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
