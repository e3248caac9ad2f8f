"""The whole index, judged: what `waivers` and `adopt` start from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..core.cache import Cache
from ..core.case import Case
from ..core.changes import Request, decide
from ..core.runner import judge, read_all_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.case import Hook
    from ..core.git import Git
    from ..core.report import Report


def judge_index(git: Git, hooks: Sequence[Hook]) -> Report:
    """What `git custody check --all` would say; raises `CannotJudge` as it does."""
    cache = Cache.of_user(os.environ)
    try:
        return judge(git, cache, Request(all=True), hooks, hooks, {})
    finally:
        cache.close()


def open_whole(git: Git, cache: Cache, hooks: Sequence[Hook]) -> Case:
    """The whole index as a case; raises `CannotJudge` when the policy in it cannot be read or trusted."""
    change_set = decide(git, Request(all=True), {})
    return Case(git, cache, change_set, read_all_settings(git, cache, None, hooks), hooks)
