"""The law of `plan_recording`: whatever is staged, the log leads to it, and what was published stays."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_custody.datasets.audit_entries import Actor, Digest, Entry, EntryError, Tool, entry_id, render
from git_custody.datasets.audit_log import Log, State, read_log, state_problems
from git_custody.datasets.audit_plan import entries_of, plan_recording

DATASET = "rows"
ADA, TOOL, TIME = Actor("Ada", "ada@example.org"), Tool("git-custody", "1.0.0"), "2026-11-22T18:00:00Z"
PATHS = ("data/a.csv", "data/b.csv")


def content(number: int) -> Digest:
    return Digest("sha256", hashlib.sha256(b"%d" % number).hexdigest())


AT_HEAD = State(PATHS[0], content(1))


def log_of(*entries: Entry) -> Log:
    return read_log(DATASET, {f"{entry_id(entry)}.json": render(entry) for entry in entries})


def recorded(
    published: Log, here: Log, path: str, digest: Digest | None, *, at_head: State | None = None,
    op: str | None = None, reason: str | None = None,
) -> tuple[Log, list[Entry]]:  # fmt: skip
    """The log after a recording, and what was written."""
    mapping = None if digest is None else digest.mapping()
    plan = plan_recording(published, here, path=path, digest=mapping, at_head=at_head, op=op, reason=reason)
    made = entries_of(plan, here, reason=reason or "asked for", actor=ADA, time=TIME, tool=TOOL)
    kept = [entry for name, entry in here.entries.items() if name not in plan.superseded]
    return log_of(*kept, *made), made


Staged = tuple[str, "Digest | None"]
_STATE = st.tuples(st.sampled_from(PATHS), st.one_of(st.none(), st.integers(0, 3).map(content)))


@given(st.lists(st.tuples(_STATE, st.booleans(), st.booleans()), max_size=8), st.booleans())
def test_the_log_always_leads_to_what_is_staged(story: list[tuple[Staged, bool, bool]], late: bool) -> None:
    published = here = log_of()
    at_head = State(PATHS[0], content(9)) if late else None
    for (path, digest), commit, said in story:
        here, _ = recorded(published, here, path, digest, at_head=at_head, reason="said" if said else None)
        assert not here.problems
        assert not state_problems(here, path=None if digest is None else path, digest=digest and digest.mapping())
        assert published.entries.keys() <= here.entries.keys()
        # No more is written for a commit than a late start and one change.
        assert len(here.entries) <= len(published.entries) + 2
        if commit:
            published, at_head = here, None if digest is None else State(path, digest)


def test_what_fits_is_left_alone() -> None:
    first, _ = recorded(log_of(), log_of(), PATHS[0], content(1))
    assert recorded(first, first, PATHS[0], content(1), reason="again") == (first, [])


def test_a_first_entry_needs_no_reason_and_an_edit_does() -> None:
    plan = plan_recording(log_of(), log_of(), path=PATHS[0], digest=content(1).mapping(), at_head=None)
    assert [(step.op, step.reason) for step in plan.steps] == [("create", "first recorded")]
    first, _ = recorded(log_of(), log_of(), PATHS[0], content(1))
    plan = plan_recording(first, first, path=PATHS[0], digest=content(2).mapping(), at_head=None)
    assert [(step.op, step.reason) for step in plan.steps] == [("modify", None)]
    plan = plan_recording(first, first, path=PATHS[1], digest=content(1).mapping(), at_head=None)
    assert [(step.op, step.reason) for step in plan.steps] == [("rename", "renamed from data/a.csv")]
    plan = plan_recording(first, first, path=PATHS[0], digest=None, at_head=None)
    assert [(step.op, step.reason) for step in plan.steps] == [("delete", None)]


def test_a_late_log_adopts_and_then_records() -> None:
    _, made = recorded(log_of(), log_of(), PATHS[0], content(2), at_head=State(PATHS[0], content(1)), reason="why")
    assert [(entry.op, entry.after, entry.reason) for entry in made] == [
        ("adopt", content(1), "first recorded"), ("modify", content(2), "why"),
    ]  # fmt: skip
    _, made = recorded(log_of(), log_of(), PATHS[1], content(1), at_head=State(PATHS[0], content(1)), reason="why")
    assert [entry.op for entry in made] == ["adopt", "rename"]
    _, made = recorded(log_of(), log_of(), PATHS[0], None, at_head=AT_HEAD, reason="why")
    assert [entry.op for entry in made] == ["adopt", "delete"]


def test_an_op_of_ones_own_survives_a_second_edit() -> None:
    first, _ = recorded(log_of(), log_of(), PATHS[0], content(1))
    staged, _ = recorded(first, first, PATHS[0], content(2), op="relabel", reason="labels were wrong")
    _, made = recorded(first, staged, PATHS[0], content(3))
    assert [(entry.op, entry.reason) for entry in made] == [("relabel", "labels were wrong")]


def test_a_torn_log_is_not_written_to() -> None:
    first, _ = recorded(log_of(), log_of(), PATHS[0], content(1))
    _, made = recorded(first, first, PATHS[0], content(2), reason="why")
    with pytest.raises(EntryError, match="repaired first"):
        recorded(first, log_of(*made), PATHS[0], content(3), reason="why")
