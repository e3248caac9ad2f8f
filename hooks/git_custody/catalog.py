"""All hooks there are. A hook is a module that declares `HOOK`; its name is the hook's id with underscores."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.case import Hook

HOOK_IDS = (
    "forbid-pickle-weights",
    "check-model-format",
    "check-dataset-card",
    "check-dataset-license",
    "check-dataset-integrity",
    "check-dataset-audit-log",
    "check-policy",
)


def load(hook_id: str) -> Hook:
    """The declaration of one hook."""
    module = import_module(f"{__package__}.{hook_id.replace('-', '_')}")
    hook: Hook = module.HOOK
    return hook


class _All(Sequence["Hook"]):
    """All declarations, imported when one of them is looked at: a single hook rarely needs the others."""

    def __getitem__(self, index: Any) -> Any:
        return tuple(map(load, HOOK_IDS))[index]

    def __len__(self) -> int:
        return len(HOOK_IDS)


def load_all() -> Sequence[Hook]:
    """The declarations of all hooks, in the order in which they speak."""
    return _All()


def main_of(hook_id: str) -> int:
    """The body of a single hook's program."""
    from .core.output import begin

    begin()
    from .core.runner import hook_main

    return hook_main(lambda: (load_all(), load(hook_id)))
