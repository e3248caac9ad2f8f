"""What a level asks of a card, what contradicts itself in one, and what changes with its content."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from card_corpus import FOLDER, cards
from clock import within
from conftest import HOOKS, Repo, documented
from git_custody.core.metadata import _validator, parse_yaml, read_schema
from git_custody.core.schema_holds import holds
from git_custody.datasets.contradictions import faults, overdue
from git_custody.datasets.levels import EXAMPLES, missing
from git_custody.datasets.reordered import reordered

TODAY = date(2026, 11, 26)
READ = [(one.name, document.data) for one in cards() if not (document := parse_yaml(one.file.read_bytes())).problems]
GROUPS = [(name, data) for name, data in READ if isinstance(data, dict)]


def lacks(card: dict[str, Any]) -> set[str]:
    """What the schema, by the word of jsonschema, finds missing at the root."""
    found = set()
    for error in _validator("data-card").iter_errors(card):
        if error.validator == "required" and not error.absolute_path:
            wanted: Any = error.validator_value
            found |= {field for field in wanted if field not in card}
    return found


@pytest.mark.parametrize("level", [1, 2, 3])
def test_what_a_level_asks_for_is_what_the_schema_asks_for(level: int) -> None:
    for name, card in GROUPS:
        own = card["level"] if card.get("level") in (1, 2, 3) else 1
        wanted = lacks({**card, "level": level}) - lacks(card) if level > own else set()
        assert {found.field for found in missing(card, level)} == wanted, name


def test_at_level_one_nothing_is_asked_for() -> None:
    assert [found for _, card in GROUPS for found in missing(card, 1)] == []


def test_every_fact_that_a_level_asks_for_has_an_example() -> None:
    asked = {field for part in read_schema("data-card")["allOf"] for field in part["then"]["required"]}
    assert asked == set(EXAMPLES)


FILLED = {
    "URL": "https://example.org/terms", "YYYY-MM-DD": "2026-01-02", "PARENT_ID": "opening-hours", "MODEL": "Faker",
    "METHOD": "aggregation", "PURPOSE": "planning", "CONTACT": "data@example.org", "STEP": "sorted", "TOOL": "sort",
}  # fmt: skip


@pytest.mark.parametrize("field", sorted(EXAMPLES))
def test_examples_are_valid_once_they_are_filled_in_and_not_before(field: str) -> None:
    assert "|" not in EXAMPLES[field] or not _holds(EXAMPLES[field], field)
    text = re.sub(r"([a-z-]+)(\|[a-z-]+)+", r"\1", EXAMPLES[field])
    for word, value in FILLED.items():
        text = text.replace(word, value)
    assert _holds(text, field)


def _holds(text: str, field: str) -> bool:
    schema = read_schema("data-card")
    return holds(schema["properties"][field], parse_yaml(text.encode()).data[field], schema)


def test_good_cards_need_no_jsonschema() -> None:
    code = (
        "import sys; from git_custody.core.metadata import load; from git_custody.datasets.levels import missing\n"
        "for path in sys.argv[1:]:\n"
        "    found = load(open(path, 'rb').read(), 'data-card')\n"
        "    assert not found.problems and not list(missing(found.data, 3)), path\n"
        "assert 'jsonschema' not in sys.modules\n"
    )
    files = [str(file) for file in sorted((FOLDER / "good" / "level-3").iterdir())]
    done = subprocess.run(
        (sys.executable, "-c", code, *files), env={"PYTHONPATH": str(HOOKS)}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def test_a_bought_dataset_needs_twelve_typed_fields_at_level_three() -> None:
    file = FOLDER / "good" / "level-3" / "bought-with-twelve-answers.yaml"
    card = parse_yaml(file.read_bytes()).data
    assert list(missing(card, 3)) == []
    typed = list(_leaves({key: value for key, value in card.items() if key not in BY_THE_TOOL}))
    assert len(typed) == 12, typed
    # None of them could be left out but the address.
    for path in typed:
        without = _without(card, path)
        schema = read_schema("data-card")
        needed = not holds(schema, without, schema) or list(missing(without, 3))
        assert needed or path in (["source", "url"], ["license_evidence", "file"]), path


# By `git custody add`, and by `git custody review`.
BY_THE_TOOL = ("kind", "version", "id", "content", "ip_review")


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Any:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if pairs is None:
        yield list(path)
        return
    for key, inner in pairs:
        yield from _leaves(inner, (*path, key))


def _without(value: Any, path: list[Any]) -> Any:
    key, *rest = path
    if isinstance(value, list):
        return [_without(inner, rest) if rest and index == key else inner for index, inner in enumerate(value)]
    if not rest:
        return {name: inner for name, inner in value.items() if name != key}
    return {name: _without(inner, rest) if name == key else inner for name, inner in value.items()}


def test_the_message_says_why_and_how() -> None:
    (found,) = missing({"source": {"kind": "original"}}, 2)
    assert found.message == (
        '"personal_data" is missing from the data card: from level 2 on, a card says whether the data speak of people; '
        "for example: personal_data: none|anonymised|pseudonymised|personal|special-category"
    )


# ---------------------------------------------------------------------- in repositories


POLICY = ".custody/policy.yaml"


@pytest.mark.parametrize(
    ("level", "fields"), [(1, []), (2, ["personal_data"]), (3, ["intended_use", "personal_data", "stewards"])]
)
def test_a_ten_line_card_at_each_level(repo: Repo, level: int, fields: list[str]) -> None:
    repo.commit({POLICY: f"version: 1\nlevel: {level}\n"})
    repo.stage(documented("data/rows.csv"))
    said = [f["message"] for f in repo.check().report["findings"] if f["rule"] == "incomplete-data-card"]
    assert sorted(message.split('"')[1] for message in said) == fields


def test_the_line_is_that_of_the_card_and_a_waiver_admits_it(repo: Repo) -> None:
    soon = date.today() + timedelta(days=30)
    waiver = (
        "version: 1\nrule: incomplete-data-card\npath: data/rows.csv.datacard.yaml\nreason: the lab is being asked\n"
        f"owner: A. Person\nexpires: '{soon}'\n"
    )
    repo.commit({POLICY: "version: 1\nlevel: 2\n", ".custody/waivers/lab.yaml": waiver})
    repo.stage(documented("data/rows.csv"))
    (found,) = [f for f in repo.check().report["findings"] if f["rule"] == "incomplete-data-card"]
    assert found["line"] == 1
    assert found["waived_by"] == ".custody/waivers/lab.yaml"


def versioned(rows: str, version: str, path: str = "data/rows.csv") -> dict[str, str | bytes]:
    files = documented(path, rows)
    card = f"{path}.datacard.yaml"
    return {**files, card: f"{files[card]!s}data_version: {version}\n"}


LEVEL_2 = {POLICY: "version: 1\nlevel: 2\n"}


@pytest.mark.parametrize(
    ("rows", "version", "is_wrong"),
    [("a\n1\n", "v1", False), ("a\n2\n", "v2", False), ("a\n2\n", "v1", True), ("a\n1\n", "v2", True)],
)
def test_the_version_goes_with_the_content(repo: Repo, rows: str, version: str, is_wrong: bool) -> None:
    repo.commit({**LEVEL_2, **versioned("a\n1\n", "v1")})
    repo.stage({**versioned(rows, version), "notes.txt": "A change.\n"})
    assert ("wrong-data-version" in repo.check().rules) is is_wrong
    repo.commit()
    assert ("wrong-data-version" in repo.check("--range", "HEAD~1...HEAD").rules) is is_wrong
    assert "wrong-data-version" not in repo.check("--all").rules


def test_the_version_of_a_dataset_that_is_moved(repo: Repo) -> None:
    repo.commit({**LEVEL_2, **versioned("a\n1\n", "v1")})
    repo.git("rm", "-q", "data/rows.csv", "data/rows.csv.datacard.yaml")
    repo.stage(versioned("a\n1\n", "v1", "data/moved.csv"))
    assert "wrong-data-version" not in repo.check().rules
    repo.stage(versioned("a\n2\n", "v1", "data/moved.csv"))
    assert "wrong-data-version" in repo.check().rules


def named(id: str, path: str = "data/rows.csv", rows: str = "a\n1\n") -> dict[str, str | bytes]:
    files = documented(path, rows)
    card = f"{path}.datacard.yaml"
    return {**files, card: re.sub(r"(?m)^id: .*$", f"id: {id}", str(files[card]))}


@pytest.mark.parametrize("path", ["data/rows.csv", "data/moved.csv"])
@pytest.mark.parametrize(
    ("id", "rows", "is_wrong"),
    [("rows", "a\n1\n", False), ("others", "a\n1\n", True), ("others", "a\n2\n", False)],
)
def test_an_id_stays_with_its_content(repo: Repo, path: str, id: str, rows: str, is_wrong: bool) -> None:
    repo.commit({**LEVEL_2, **named("rows")})
    repo.git("rm", "-q", "data/rows.csv", "data/rows.csv.datacard.yaml")
    repo.stage(named(id, path, rows))
    assert ("changed-dataset-id" in repo.check().rules) is is_wrong
    repo.commit()
    (found,) = [
        f for f in repo.check("--range", "HEAD~1...HEAD").report["findings"] if f["rule"] == "changed-dataset-id"
    ] or [None]
    assert (found is not None) is is_wrong
    if found is not None:
        assert found["fix"] == [f"git custody card update --id rows {path}.datacard.yaml"]
        repo.commit(named("rows", path))
        assert "changed-dataset-id" not in repo.check("--range", "HEAD~2...HEAD").rules
    assert "changed-dataset-id" not in repo.check("--all").rules


def test_an_id_that_another_dataset_keeps_may_be_given_up(repo: Repo) -> None:
    repo.commit({**LEVEL_2, **named("rows"), **named("rows", "data/copy.csv")})
    repo.stage(named("copy", "data/copy.csv"))
    assert "changed-dataset-id" not in repo.check().rules


def test_where_the_log_is_kept_it_speaks_of_a_changed_id(repo: Repo) -> None:
    repo.commit({POLICY: "version: 1\nlevel: 2\nalso: [check-dataset-audit-log]\n", **named("rows")})
    repo.stage(named("others"))
    rules = repo.check().rules
    assert "audit-log-rewritten" in rules
    assert "changed-dataset-id" not in rules


def test_an_id_at_level_one_may_be_mended(repo: Repo) -> None:
    repo.commit(named("rows"))
    repo.stage(named("others"))
    assert repo.check().passes


def test_a_version_that_comes_or_goes_is_left_alone(repo: Repo) -> None:
    repo.commit({**LEVEL_2, **documented("data/rows.csv", "a\n1\n")})
    repo.stage(versioned("a\n1\n", "v1"))
    assert "wrong-data-version" not in repo.check().rules
    repo.commit()
    repo.stage(documented("data/rows.csv", "a\n2\n"))
    assert "wrong-data-version" not in repo.check().rules


def test_a_version_at_level_one_is_nobodys_business(repo: Repo) -> None:
    repo.commit(versioned("a\n1\n", "v1"))
    repo.stage(versioned("a\n2\n", "v1"))
    assert repo.check().passes


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("license_files: [{path: data/terms.txt}]", None),
        ("license_files: [{path: terms.txt}]", 'did you mean "data/terms.txt"? Paths are from the root'),
        ("license_files: [{path: nowhere.txt}]", "git tracks no such file"),
        ("license_files: [{path: data}]", "git tracks no such file"),
        ("license_files: [{path: data/link.txt}]", "which is not a plain file"),
        ('license_files: [{path: "a\\u202eb"}]', "git tracks no such file"),
        ("license_files: {path: nowhere.txt}", "should be a list"),
    ],
)
def test_paths_of_a_card(repo: Repo, field: str, words: str | None) -> None:
    files = documented("data/rows.csv")
    card = "data/rows.csv.datacard.yaml"
    repo.write("data/link.txt", "").unlink()
    (repo.path / "data/link.txt").symlink_to("terms.txt")
    repo.stage({**files, card: f"{files[card]!s}{field}\n", "data/terms.txt": "Terms.\n"})
    repo.git("add", "data/link.txt")
    said = [f["message"] for f in repo.check().report["findings"] if f["path"] == card]
    assert any(words in message for message in said) if words else said == []


def test_a_hostile_list_is_cut_short(repo: Repo) -> None:
    files = documented("data/rows.csv")
    card = "data/rows.csv.datacard.yaml"
    wrong = "\n".join(f"  - {{path: nowhere/{number}.txt}}" for number in range(900))
    tags = ", ".join(f"zz-{number:04}" for number in range(4000))
    repo.stage({**files, card: f"{files[card]!s}license_files:\n{wrong}\nlanguage: [{tags}]\n"})
    with within(10):
        said = [f for f in repo.check().report["findings"] if f["path"] == card]
    assert 20 <= len(said) <= 60


# ---------------------------------------------------------------------- contradictions


def test_days_have_a_day_of_grace() -> None:
    assert list(faults({"source": {"retrieved": "2026-11-27"}}, TODAY)) == []
    (found,) = faults({"source": {"retrieved": "2026-11-28"}}, TODAY)
    assert found == ("/source/retrieved", "source.retrieved is 2026-11-28, which lies in the future")
    collected = {"collection": {"period": {"start": "2026-05-02"}}}
    assert list(faults({"source": {"retrieved": "2026-05-01"}, **collected}, TODAY)) == []
    (found,) = faults({"source": {"retrieved": "2026-04-30"}, **collected}, TODAY)
    assert found.pointer == "/source/retrieved"


def test_data_that_should_be_gone_and_are_fed() -> None:
    card = {"retention": {"delete_by": "2026-11-24"}, "maintenance": {"live": True}}
    (found,) = overdue(card, TODAY)
    assert found.pointer == "/retention/delete_by"
    assert list(overdue({**card, "maintenance": {"live": False}}, TODAY)) == []
    assert list(overdue({**card, "retention": {"delete_by": "2026-11-25"}}, TODAY)) == []


@pytest.mark.parametrize(
    ("text", "is_fault"),
    [
        ("plain", False), ("שעות", False), ("a\u200fb", False), ("a\u2066b\u2069c", False), ("\u2067a\u2068b\u2069\u2069", False),
        ("a\u202eb", True), ("a\u202ab\u202c", True), ("a\u2067b", True), ("a\u2069b", True), ("\u2067a\u2068b\u2069", True),
    ],
)  # fmt: skip
def test_text_in_another_order(text: str, is_fault: bool) -> None:
    assert bool(list(reordered({"x-a": [{"b": text}]}))) is is_fault


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["none", "2026-01-01", "2026-02-30", "pii", "de", "\u202e", ""])
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["start", "end", "period", "date", "expires", "temporal", "spatial", "live"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
FIELDS = sorted(read_schema("data-card")["properties"])


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), values, max_size=8), st.sampled_from([1, 2, 3]))
def test_no_card_breaks_them(card: dict[str, Any], level: int) -> None:
    for pointer, message in (*faults(card, TODAY), *overdue(card, TODAY), *reordered(card)):
        assert pointer.startswith("/")
        assert message
    assert all(found.field not in card for found in missing(card, level))
