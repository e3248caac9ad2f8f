"""Every card of the published corpus raises the rule that it is filed under, and no other; good ones raise none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

import pytest

from card_corpus import LEVELS, CorpusCard, cards, repository
from conftest import Repo
from git_custody.catalog import HOOK_IDS, load, load_all
from git_custody.core.cache import Cache
from git_custody.core.changes import Request
from git_custody.core.git import Git
from git_custody.core.metadata import load as load_card
from git_custody.core.runner import judge

# The hooks that read cards.
HOOKS = tuple(hook for hook in HOOK_IDS if hook in ("check-dataset-card", "check-dataset-license"))
CARDS = cards()


class Judged(NamedTuple):
    """What was said of all cards of a level: rule, message and whether it blocks, by path."""

    findings: Mapping[str, list[tuple[str, str, bool]]]
    errors: tuple[str, ...]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Judged]:
    """One real repository for each level, judged as the hooks judge it: twice, for the second run is from the cache."""
    found = {}
    for level in LEVELS:
        repo = Repo(tmp_path_factory.mktemp(f"level-{level}") / "repo")
        repo.stage(repository(level))
        cache = {**os.environ, "XDG_CACHE_HOME": str(repo.path.parent / "cache")}
        first, second = _judge(repo, cache), _judge(repo, cache)
        assert first == second
        found[level] = first
    return found


def _judge(repo: Repo, environment: Mapping[str, str]) -> Judged:
    before = os.getcwd()
    os.chdir(repo.path)
    cache = Cache.of_user(environment)
    try:
        with Git() as git:
            report = judge(git, cache, Request(all=True), load_all(), [load(hook) for hook in HOOKS], environment)
    finally:
        cache.close()
        os.chdir(before)
    said: dict[str, list[tuple[str, str, bool]]] = {}
    for finding in report.findings:
        said.setdefault(finding.path, []).append((finding.rule.name, finding.message, finding.blocks))
    return Judged(said, tuple(error.message for error in report.errors))


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_card_of_the_corpus(judged: Mapping[int, Judged], card: CorpusCard) -> None:
    findings = judged[card.level].findings
    said = [*findings.get(card.card, ()), *findings.get(card.data, ()), *findings.get(card.data.rpartition("/")[0], ())]
    if card.rule is None:
        assert said == []
    else:
        assert {rule for rule, _, blocks in said if blocks} == {card.rule}, said


@pytest.mark.parametrize("level", LEVELS)
def test_no_card_of_the_corpus_makes_a_repository_unreadable(judged: Mapping[int, Judged], level: int) -> None:
    assert judged[level].errors == ()
    known = {path for card in CARDS for path in (card.card, card.data, card.data.rpartition("/")[0])}
    assert set(judged[level].findings) <= known


def test_the_corpus_is_as_large_as_it_says() -> None:
    names = [card.name for card in CARDS]
    assert len(set(names)) == len(names)
    assert len([card for card in CARDS if card.rule]) >= 150
    assert len([card for card in CARDS if card.rule is None]) >= 60
    kinds: dict[int, set[str]] = {}
    for card in CARDS:
        if card.rule is None:
            kinds.setdefault(card.level, set()).add(
                load_card(card.file.read_bytes(), "data-card").data["source"]["kind"]
            )
    assert {level: len(found) for level, found in kinds.items()} == {1: 9, 2: 9, 3: 9}
