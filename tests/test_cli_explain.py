"""`git custody explain`: every rule, hook and requirement can be asked about."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from git_custody.catalog import HOOK_IDS, load_all
from git_custody.cli import main
from git_custody.core.notes import NOTES, Note
from git_custody.core.pages import linked, page
from git_custody.core.requirements import REQUIREMENTS, requirement

DOCS = Path(__file__).parent.parent / "docs"
RULES = [rule.name for hook in load_all() for rule in hook.rules]


def explain(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["explain", *words]) == code
    out, err = capsys.readouterr()
    return out if code == 0 else err


def test_without_a_name_all_rules_are_listed_under_their_hooks(capsys: pytest.CaptureFixture[str]) -> None:
    lines = explain(capsys).splitlines()
    assert [line.split()[0] for line in lines if line.startswith("    ")] == [*RULES, *(note.name for note in NOTES)]
    assert [line.partition(":")[0] for line in lines if line and line[0] in "cf"] == list(HOOK_IDS)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_why_and_what_to_do(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    rule = next(rule for hook in load_all() for rule in hook.rules if rule.name == name)
    text = " ".join(explain(capsys, name).split())
    for said in (rule.title, rule.why, rule.fix, rule.limits):
        assert " ".join(linked(said).split()) in text
    assert re.search(r"(?<![\w/])docs/[a-z-]+\.md", text) is None
    assert (f"git custody waive {name} PATH" in text) is rule.waivable


@pytest.mark.parametrize("note", NOTES, ids=lambda note: note.name)
def test_a_note_can_be_asked_about_like_a_rule(note: Note, capsys: pytest.CaptureFixture[str]) -> None:
    text = explain(capsys, note.name)
    assert text.startswith(f"{note.name}: {note.says}\n")
    assert " ".join(note.fix.split()) in " ".join(text.split())


def test_pages_are_named_by_addresses_that_exist() -> None:
    assert linked("(docs/waivers.md) mydocs/a.md x/docs/b.md") == f"({page('waivers')}) mydocs/a.md x/docs/b.md"
    said = [text for hook in load_all() for rule in hook.rules for text in (rule.fix, rule.limits)]
    named = set(re.findall(r"/docs/([a-z-]+)\.md", linked(" ".join(said))))
    assert "formats" in named
    assert {name for name in named if not (DOCS / f"{name}.md").is_file()} == set()


@pytest.mark.parametrize("name", [*HOOK_IDS, "custody"])
def test_a_hook_shows_its_page_and_its_rules(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = explain(capsys, name)
    assert text.startswith(f"{name}\n\n")
    rules = [rule.name for hook in load_all() if name in (hook.id, "custody") for rule in hook.rules]
    assert [rule for rule in rules if f"    {rule} " not in text] == []


def test_all_requirements_are_known_in_order() -> None:
    assert [found.number for found in REQUIREMENTS] == [f"2.{number}" for number in range(1, 19)]
    assert [sum(found.level <= level for found in REQUIREMENTS) for level in (1, 2, 3)] == [4, 12, 18]


@pytest.mark.parametrize("typed", ["V2", "v2", "2", "LLMSVS V2", "LLMSVS-V2"])
def test_the_chapter_is_the_list_of_its_requirements(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = explain(capsys, typed).splitlines()
    listed = [line.split() for line in lines if line.startswith("    ")]
    assert [(words[0], words[2]) for words in listed] == [(f.number, str(f.level)) for f in REQUIREMENTS]
    asked = next(line for line in lines if "2.18" in line)
    assert "checks it yet" in asked
    assert "checks it yet" not in next(line for line in lines if "2.10" in line)


def test_a_requirement_names_the_rules_that_serve_it(capsys: pytest.CaptureFixture[str]) -> None:
    text = explain(capsys, "2.10")
    assert text.startswith("LLMSVS 2.10 (from level 1): ")
    assert "    pickle-weights " in text
    assert "forbid-pickle-weights" in text
    assert "missing-audit-entry" not in text
    assert explain(capsys, "V2.10") == explain(capsys, "LLMSVS V2.10") == text


def test_a_requirement_that_nothing_checks_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    served = {n for hook in load_all() for rule in hook.rules if len(rule.requirements) < 18 for n in rule.requirements}
    unserved = [found.number for found in REQUIREMENTS if found.number not in served]
    assert unserved
    for number in unserved:
        text = explain(capsys, number)
        asked = requirement(number)
        assert asked is not None
        assert asked.asks in text
        assert text.endswith("Nothing in this version checks it yet.\n")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("pickle-wieghts", "pickle-weights"),
        ("check-dataset-crad", "check-dataset-card"),
        ("missing-data-cards", "missing-data-card"),
    ],
)
def test_a_typo_ends_with_the_nearest_name(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f'did you mean "{meant}"?' in explain(capsys, typed, code=2)


@pytest.mark.parametrize("typed", ["2.19", "3.1", "zzzzzz", "", "\x1b[31m"])
def test_what_is_unknown_is_refused_in_one_printable_line(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = explain(capsys, typed, code=2)
    assert said.rstrip("\n").isprintable()


def test_an_output_that_cannot_be_written_is_no_finding(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", None)  # as with `>&-`
    for words in (["explain"], ["check", "--range", "nothing"]):
        assert main(words) == 2
        assert capsys.readouterr().err.startswith("git-custody: git-custody itself failed (output.py:")
