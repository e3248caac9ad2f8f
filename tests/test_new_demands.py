"""A policy that asks for more than before says where to see what that comes to."""

from __future__ import annotations

import pytest

from conftest import Repo


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("version: 1\nlevel: 2\n", True), ("version: 1\nalso: [check-dataset-audit-log]\n", True),
        ("version: 1\nlicenses: {deny: [MIT]}\n", True), ("version: 1\nregimes: [gdpr]\n", True),
        ("version: 1\nsources: {trusted: [{match: 'https://example.org/**'}]}\n", True),
        ("version: 1\nformats: {allow: [safetensors]}\n", True), ("version: 1\npickles: {globals: [torch.Size]}\n", True),
        ("version: 1\nmode: warn\n", False), ("version: 1\ndefaults: {license: MIT}\n", False),
    ],
)  # fmt: skip
def test_a_policy_that_asks_for_more_says_where_to_look(repo: Repo, text: str, more: bool) -> None:
    repo.stage({".custody/policy.yaml": text})
    assert not repo.check().report["notes"], "the first policy"
    repo.commit({".custody/policy.yaml": "version: 1\n"})
    assert not repo.check().report["notes"]
    repo.stage({".custody/policy.yaml": text})
    assert [note.partition(":")[0] for note in repo.check().report["notes"]] == ["policy-asks-more"] * more
    assert ("check --all" in repo.check(text=True).out) is more


def test_add_passes_the_note_on(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\n"})
    repo.stage({".custody/policy.yaml": "version: 1\nregimes: [gdpr]\n", "data/rows.csv": "id\n1\n"})
    words = ("--title", "Rows for tests", "--source-kind", "original", "--publisher", "CERN", "--license", "MIT")
    lines = repo.custody("add", *words, "data/rows.csv").out.splitlines()
    assert lines[-1].startswith("note: policy-asks-more: ")
    assert "still owed:" not in lines
