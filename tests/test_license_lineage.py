"""Laws that hold over the whole matrix of licences, and the cases that people ask about."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st
from license_expression import get_license_index  # type: ignore[import-untyped]

from clock import within
from git_custody.datasets.huggingface_licenses import HUB_LICENSES
from git_custody.datasets.license_lineage import (
    Child,
    asks_for_credit,
    clash,
    clash_with_model,
    commercial_against_itself,
)
from git_custody.datasets.license_terms import TABLE, terms_of
from git_custody.datasets.licenses import branches, check_license

SPDX = sorted(
    {
        key
        for record in get_license_index()
        if (key := record.get("spdx_license_key")) and not record.get("is_exception")
        and check_license(key, [], [], []).suggestion is None and terms_of(key)
    }
)  # fmt: skip
HUB = sorted(
    ref for meant in HUB_LICENSES.values() if (ref := meant.license) and meant.kind == "text" and terms_of(ref)
)
KNOWN = SPDX + HUB
FREE = [name for name in SPDX if (t := terms_of(name)) and not t.attribution and not t.share_alike]
RANK = {None: 0, "review": 1, "conflict": 2}

names = st.sampled_from(KNOWN)
any_name = names | st.sampled_from(["LicenseRef-own", "Artistic-1.0", "LicenseRef-other"])
relations = st.sampled_from(["copy", "subset", "merge", "clean", "translate", "generate"])


def grade(parent: str | None, child: str, relation: str = "clean", **more: bool) -> int:
    found = clash(parent, Child(child, **more), relation)
    return RANK[found.grade if found else None]


def test_every_row_stands_for_a_licence() -> None:
    first = {next(glob for glob, _ in TABLE if fnmatchcase(name.lower(), glob.lower())) for name in KNOWN}
    assert [glob for glob, _ in TABLE if glob not in first] == []


def test_nothing_is_called_free_that_its_name_denies() -> None:
    for name in KNOWN:
        terms, parts = terms_of(name), name.split("-")
        assert terms is not None
        if parts[0] == "CC":
            assert terms.commercial == ("NC" not in parts)
            assert terms.derivatives == ("ND" not in parts)
            assert bool(terms.share_alike) == ("SA" in parts)


@given(names, relations)
def test_the_same_licence_is_never_a_conflict_unless_it_forbids_derived_data(name: str, relation: str) -> None:
    terms = terms_of(name)
    assert terms is not None
    allowed = terms.derivatives or relation in ("copy", "subset")
    assert grade(name, name, relation) == (0 if allowed else 2)


@given(st.sampled_from(FREE), any_name, relations)
def test_what_is_free_asks_nothing(parent: str, child: str, relation: str) -> None:
    assert grade(parent, child, relation) == 0


@given(names, names, relations, st.booleans())
def test_who_may_not_sell_cannot_let_others(parent: str, child: str, relation: str, commercial: bool) -> None:
    mine, its = terms_of(child), terms_of(parent)
    assert mine is not None
    assert its is not None
    if not its.commercial and (mine.commercial or commercial):
        assert grade(parent, child, relation, commercial=commercial) == 2


@given(any_name, any_name, any_name, relations)
def test_a_choice_helps_and_a_duty_more_does_not(parent: str, other: str, child: str, relation: str) -> None:
    alone = grade(parent, child, relation)
    assert grade(f"{parent} OR {other}", child, relation) == min(alone, grade(other, child, relation))
    assert grade(f"{parent} AND {other}", child, relation) == max(alone, grade(other, child, relation))


@given(any_name, any_name, any_name, relations)
def test_what_is_offered_besides_counts_and_duties_more_help(
    parent: str, child: str, other: str, relation: str
) -> None:
    alone = grade(parent, child, relation)
    assert grade(parent, f"{child} OR {other}", relation) == max(alone, grade(parent, other, relation))
    # But for data that have to stay under one licence, what is asked beside it may be too much.
    stays = (terms := terms_of(parent)) is not None and terms.share_alike is not None
    assert grade(parent, f"{child} AND {other}", relation) <= max(alone, 1 if stays else 0)


@given(names, names, names)
def test_steps_that_are_fine_make_a_way_that_is_no_conflict(first: str, second: str, third: str) -> None:
    if grade(first, second) == grade(second, third) == 0:
        assert grade(first, third) < 2


@given(st.sampled_from(["LicenseRef-own", "Artistic-1.0"]), names, relations)
def test_what_is_unknown_is_never_permission(parent: str, child: str, relation: str) -> None:
    assert grade(parent, child, relation) == 1
    assert grade(None, child, relation) == 1


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=9))
def test_any_text_can_be_asked(parent: str, child: str, relation: str) -> None:
    clash(parent, Child(child, commercial=True), relation)
    commercial_against_itself(Child(child, commercial=True))
    asks_for_credit(parent)


def test_long_expressions_take_no_time() -> None:
    choices = "(CC-BY-NC-4.0 OR LicenseRef-a) AND (MIT OR ISC) AND (Zlib OR MIT-0) AND (0BSD OR WTFPL)"
    with within(5):
        for number in range(250):
            duties = " AND ".join(f"LicenseRef-{number}-{n}" for n in range(40))
            assert grade(f"{choices} AND {duties}", f"{choices} AND {duties}") == 1
        grade(" AND ".join(f"(LicenseRef-a{n} OR LicenseRef-b{n})" for n in range(20)), "MIT")


@pytest.mark.parametrize(
    ("parent", "child", "relation", "expected"),
    [
        ("CC-BY-SA-4.0", "ODbL-1.0", "merge", 1),
        ("CC-BY-SA-4.0", "CC-BY-4.0", "merge", 2),
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0 AND MIT", "merge", 0),
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0 AND ODbL-1.0", "merge", 1),
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0 AND CC-BY-NC-4.0", "merge", 1),
        ("ODbL-1.0", "ODbL-1.0 AND CC-BY-ND-4.0", "merge", 1),
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0 AND (MIT OR CC-BY-NC-4.0)", "merge", 1),
        ("CC-BY-SA-4.0 AND CC-BY-NC-4.0", "CC-BY-SA-4.0 AND CC-BY-NC-4.0", "clean", 0),
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0 AND GPL-3.0-only", "merge", 0),
        ("CC-BY-SA-4.0", "CC-BY-SA-3.0", "clean", 1),
        ("CC-BY-SA-3.0-DE", "CC-BY-SA-4.0", "clean", 0),
        ("CC-BY-SA-1.0", "CC-BY-SA-4.0", "clean", 1),
        ("CC-BY-SA-4.0", "GPL-3.0-only", "transform", 0),
        ("GPL-3.0-only", "CC-BY-SA-4.0", "transform", 1),
        ("GPL-2.0-only", "GPL-3.0-only", "clean", 1),
        ("GPL-2.0-or-later", "GPL-3.0-or-later", "clean", 0),
        ("GPL-2.0", "GPL-2.0-only", "clean", 0),
        ("CC-BY-NC-SA-4.0", "CC-BY-SA-4.0", "clean", 2),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", "subset", 0),
        ("CC-BY-ND-4.0", "CC-BY-4.0", "copy", 2),
        ("CC-BY-ND-4.0", "LicenseRef-own", "copy", 1),
        ("CC-BY-ND-4.0", "LicenseRef-own", "clean", 2),
        ("CDLA-Sharing-1.0", "CDLA-Permissive-2.0", "clean", 2),
        ("CC-BY-4.0", "CC0-1.0", "clean", 0),
        ("CC-BY-NC-4.0", "CC-BY-NC-4.0 AND MIT", "merge", 0),
        ("CC-BY-NC-4.0 AND CC-BY-SA-4.0", "CC-BY-NC-SA-4.0", "merge", 1),
    ],
)
def test_asked_about(parent: str, child: str, relation: str, expected: int) -> None:
    assert grade(parent, child, relation) == expected


def test_forbidden_uses_can_be_passed_on_in_the_card() -> None:
    assert grade("LicenseRef-hf-openrail", "CC-BY-4.0") == 2
    assert grade("LicenseRef-hf-openrail", "CC-BY-4.0", restricts=True) == 0
    assert grade("C-UDA-1.0", "CC-BY-4.0", restricts=True) == 2


@pytest.mark.parametrize(
    ("parent", "asks"),
    [
        ("CC-BY-4.0", True),
        ("CC0-1.0", False),
        ("CC-BY-4.0 OR CC0-1.0", False),
        ("MIT AND CC0-1.0", True),
        (None, False),
    ],
)
def test_credit(parent: str | None, asks: bool) -> None:
    assert asks_for_credit(parent) is asks


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", {("MIT",)}),
        ("gpl-2.0 OR mit", {("GPL-2.0-only",), ("MIT",)}),
        ("(MIT OR ISC) AND Zlib", {("MIT", "Zlib"), ("ISC", "Zlib")}),
        ("GPL-2.0-only WITH Classpath-exception-2.0", {("GPL-2.0-only",)}),
    ],
)
def test_branches(expression: str, expected: set[tuple[str, ...]]) -> None:
    assert set(branches(expression) or ()) == expected


@pytest.mark.parametrize("expression", ["", "mit OR", "()", "no-such", "MIT, ISC", "NONE"])
def test_no_branches(expression: str) -> None:
    assert branches(expression) is None


# ---------------------------------------------------------------------- models


def model_grade(data: str | None, model: str | None) -> int:
    found = clash_with_model(data, model)
    return RANK[found.grade if found else None]


models = any_name | st.none()


@given(any_name, any_name)
def test_a_model_is_never_held_to_more_than_derived_data(data: str, model: str) -> None:
    assert model_grade(data, model) <= grade(data, model, "generate")


@given(names, models)
def test_what_leaves_results_free_asks_nothing_of_models(data: str, model: str | None) -> None:
    terms = terms_of(data)
    assert terms is not None
    if terms.results_free:
        assert model_grade(data, model) == 0
        assert not asks_for_credit(data, of_model=True)


def test_which_licences_leave_models_free() -> None:
    """Every row that asks nothing, and those whose texts speak of results."""
    free = {glob for glob, terms in TABLE if terms.results_free}
    silent = {glob for glob, terms in TABLE if terms.results_free and not terms.attribution}
    assert free - silent == {"CDLA-Permissive-1.0", "CDLA-Sharing-1.0", "O-UDA-1.0", "C-UDA-1.0"}
    assert {"CC0-1.0", "PDDL-1.0", "CDLA-Permissive-2.0"} <= silent
    assert not any(terms.share_alike or not terms.commercial for glob, terms in TABLE if glob in silent)


@given(names, names)
def test_only_terms_of_use_make_a_conflict_of_a_model(data: str, model: str) -> None:
    its, mine = terms_of(data), terms_of(model)
    assert its is not None
    assert mine is not None
    sold = not its.commercial and mine.commercial
    freed = its.use_restrictions and not mine.use_restrictions
    assert (model_grade(data, model) == 2) == ((sold or freed) and not its.results_free)


@given(any_name, any_name, models)
def test_a_choice_of_data_helps_and_data_more_do_not(data: str, other: str, model: str | None) -> None:
    alone, second = model_grade(data, model), model_grade(other, model)
    assert model_grade(f"{data} OR {other}", model) == min(alone, second)
    assert model_grade(f"{data} AND {other}", model) == max(alone, second)


@given(any_name)
def test_a_model_without_a_licence_that_is_known_is_for_review_at_most(data: str) -> None:
    assert model_grade(data, None) < 2
    assert model_grade(None, "MIT") == 1


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_can_be_asked_of_models(data: str, model: str) -> None:
    clash_with_model(data, model)
    asks_for_credit(data, of_model=True)
