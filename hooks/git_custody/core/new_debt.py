"""What a stricter policy newly asks of what is there already: it may be owed for a while, in the same change.

Such a waiver takes nothing away: under the base's policy its rule blocked nowhere, and what it names is as it was.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from . import assets
from .findings import CannotJudge, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .case import Case, Hook
    from .findings import Rule
    from .policy import Policy
    from .settings import State
    from .waivers import Waiver

# Rules that never block while a policy has no list of theirs. Those about licences are none of them: a review
# that was rejected, or what a card says of its parents, counts without any list. Nor may a longer list bring debt: its
# waivers would also hold, later, for what the shorter one asked of the same card.
_LISTS = {
    "untrusted-source": "trusted_sources",
    "stale-source-review": "trusted_sources",
    "missing-regulatory-answer": "regimes",
    "regulatory-contradiction": "regimes",
    "stale-regulatory-review": "regimes",
}


def is_enforced(policy: Policy, hook: Hook, rule: Rule) -> bool:
    """Whether what a rule finds can block under a policy."""
    level = max(policy.level, hook.level if hook.id in policy.also else 0)
    if rule.level > level or not getattr(policy, _LISTS.get(rule.name, "exists")):
        return False
    return not rule.waivable or (policy.mode == "block" and rule.since <= policy.edition)


def is_newly_asked(before: Policy, after: Policy, hook: Hook, rule: Rule) -> bool:
    """Whether one policy enforces a rule that the one before did not."""
    return before.exists and not is_enforced(before, hook, rule) and is_enforced(after, hook, rule)


class Untouched:
    """What a change leaves alone: a path, what lies below it, its cards, and what it covers as a card."""

    def __init__(self, changed: Iterable[str]) -> None:
        # What is found of the policy's own file is about a repository that lacks something, not about a content.
        self._changed = set(changed) - {assets.POLICY}
        self._folders = {
            folder for path in self._changed if not path.startswith(assets.CUSTODY) for folder in (*_above(path), "")
        }

    def __contains__(self, path: str) -> bool:
        card = assets.card_name(path)
        subject = card.subject if card is not None else path
        own = {path, subject, f"{subject}.dvc", *assets.possible_cards([subject])}
        return subject not in self._folders and self._changed.isdisjoint(own)


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def acceptable(case: Case, base: State, after: State, waivers: Sequence[Waiver]) -> set[str]:
    """The files of the new waivers that only admit what the change of the policy newly asks of what it finds there.

    Before a commit, where no waiver blocks, nothing is looked for: a range has the last word.
    """
    from . import settings

    broken = any(state.document is None or state.document.problems for state in (base, after))
    if broken or settings.is_outdated(case, assets.POLICY):
        return set()
    owners = {rule.name: hook for hook in case.hooks.values() for rule in hook.rules}
    untouched = Untouched(case.changed)
    asked: dict[str, list[Waiver]] = {}
    for waiver in waivers:
        hook, path = owners[waiver.rule], waiver.only
        if path is not None and is_newly_asked(base.policy, after.policy, hook, case.rules[waiver.rule]):
            if path in untouched:
                asked.setdefault(hook.id, []).append(waiver)
    if not case.in_range:
        return {waiver.file for group in asked.values() for waiver in group}
    whole = case.as_whole(after.policy) if asked else case
    return {file for name, group in asked.items() for file in _needed(whole, case.hooks[name], group)}


def _needed(whole: Case, hook: Hook, waivers: Sequence[Waiver]) -> Iterator[str]:
    named: dict[tuple[str, str], list[Waiver]] = {}
    for waiver in waivers:
        named.setdefault((waiver.rule, waiver.only or ""), []).append(waiver)
    # What was found before it ended is no less there.
    with contextlib.suppress(CannotJudge):
        for said in hook.check(whole):
            if isinstance(said, Finding) and not (said.warns or said.beyond_waiver):
                yield from (w.file for w in named.get((said.rule.name, said.path), ()) if w.covers(said))
