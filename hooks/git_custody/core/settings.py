"""The settings of the trees that a change stands between, read from the objects themselves.

The engine goes by one policy: in a range, by the base's. To judge a change of it, all have to be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from . import assets
from .case import RUNNER_FILES
from .findings import CannotJudge
from .policy import Policy, read_policy, read_settings
from .signers import SIGNERS, lines

if TYPE_CHECKING:
    from .case import Case
    from .metadata import Document
    from .runner_config import RunnerConfig
    from .trees import Tree
    from .waivers import InvalidWaiver, Waiver


class State(NamedTuple):
    """The settings of one tree. `signers` are the lines that name somebody who may sign."""

    policy: Policy
    document: Document | None
    waivers: tuple[Waiver, ...]
    invalid: tuple[InvalidWaiver, ...]
    signers: tuple[bytes, ...]


def judged(case: Case) -> State:
    """The settings of the judged state.

    Raises `CannotJudge` for links, pointers and submodules in the place of settings.
    """
    settings = case.settings
    if settings.tree == case.change_set.tree:
        signers = _signers(case, case.settings_after) if SIGNERS in case.changed else ()
        return State(settings.policy, settings.document, settings.waivers, settings.invalid_waivers, signers)
    return _read(case, case.settings_after)


def _read(case: Case, entries: Tree) -> State:
    from .waivers import read_waivers

    documents = {}
    for path, entry in entries.items():
        if path.startswith(assets.WAIVERS) or path in (assets.POLICY, assets.WAIVERS.rstrip("/")):
            schema = "policy" if path == assets.POLICY else "waiver"
            if settings_bytes(case, path, entries) is not None and (document := case.document(entry, schema)):
                documents[path] = document
    settings_bytes(case, assets.POLICY, entries)  # a link in the place of the folder
    policy = documents.pop(assets.POLICY, None)
    valid, invalid = read_waivers(documents, case.rules)
    return State(read_policy(policy), policy, valid, invalid, _signers(case, entries))


def settings_bytes(case: Case, path: str, entries: Tree) -> bytes | None:
    """The bytes of a settings file in a tree; raises as `judged` does."""
    return read_settings(path, entries, lambda oid: case.read(entries[path]))


def _signers(case: Case, entries: Tree) -> tuple[bytes, ...]:
    return tuple(lines(settings_bytes(case, SIGNERS, entries) or b""))


def at_base(case: Case) -> State:
    """The settings before the change: in a range those at the tip of the base, not where it forked."""
    try:
        return _read(case, case.settings_at_base)
    except CannotJudge:
        # What cannot be read asks for nothing that could be weakened; in a range the engine stops earlier.
        return State(Policy(), None, (), (), ())


def is_outdated(case: Case, path: str) -> bool:
    """Whether the base has changed a settings file since the branch left it."""
    return case.in_range and case.before.get(path) != case.settings_at_base.get(path)


def runner_configs(case: Case, entries: Tree) -> dict[str, RunnerConfig]:
    """The runner's files of a tree, by path; what cannot be read says so in its `problem`."""
    from .runner_config import RunnerConfig, read_runner_config

    found = {}
    for path in RUNNER_FILES:
        if path in entries:
            try:
                data = case.read(entries[path]) if entries[path].is_file else None
                problem = "it is no plain file that git has here"
            except CannotJudge as error:
                data, problem = None, error.message
            found[path] = RunnerConfig(path, problem=problem) if data is None else read_runner_config(path, data)
    return found
