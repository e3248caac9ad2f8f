"""What regimes ask of a data card: every row of their tables, and that nobody else is ever asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clock import within
from conftest import ROWS, Repo, documented
from git_custody.core.case import Case
from git_custody.core.documents import Document
from git_custody.core.findings import Finding
from git_custody.core.metadata import load, read_schema
from git_custody.core.policy import OwnRegime, Policy, read_policy
from git_custody.core.policy_change import weakenings
from git_custody.core.trees import Entry
from git_custody.datasets import regulation
from git_custody.datasets import survey as surveys
from git_custody.datasets.answer_lines import line_for
from git_custody.datasets.regime_names import faults
from git_custody.datasets.regimes import BY_ID, REGIMES, Anything, Ask, Clash, Past, Regime
from git_custody.datasets.survey import Dataset
from regulation_cases import CASES, OTHER, PERSONAL, REVIEW, SHA256, Row, without

TODAY = date(2026, 11, 26)
PLAIN: dict[str, Any] = {
    "kind": "data-card",
    "version": 1,
    "id": "rows",
    "title": "Rows for tests",
    "source": {"kind": "original", "publisher": "Example Ltd"},
    "license": "CC-BY-4.0",
    "content": {"digest": {"sha256": SHA256}},
}
ROW_IDS = [(regime, name) for regime, rows in CASES.items() for name in rows]


def card(changes: dict[str, Any]) -> Document:
    """A card as it is read; JSON is YAML."""
    return load(json.dumps({**PLAIN, **changes}, indent=1).encode(), "data-card")


def said(document: Document, *regimes: str | OwnRegime, level: int = 1, today: date = TODAY) -> list[Finding]:
    entry = Entry(0o100644, "0" * 40)
    dataset = Dataset("data/a.csv.datacard.yaml", "data/a.csv", False, document, {"data/a.csv": entry})
    case = SimpleNamespace(policy=Policy(level=level, regimes=regimes), today=today)
    case.once = lambda _, make: make(case)
    # Tests with real repositories are further down; this one is quick.
    with patch.object(surveys, "digest", lambda *_: {"sha256": SHA256}):
        return list(regulation.check(cast(Case, case), dataset))


def ours(repo: Repo) -> dict[str, str]:
    """What the hook of data cards says about level and regimes: rule → message."""
    report = repo.check().report
    assert report["errors"] == []
    names = {*(rule.name for rule in regulation.RULES), "incomplete-data-card", "invalid-data-card", "hollow-data-card"}
    return {f["rule"]: f["message"] for f in report["findings"] if f["rule"] in names and f["blocks"]}


def asked_for(finding: Finding) -> list[str]:
    """The fields for which a finding shows lines to add."""
    lines = re.split(r": add the lines? ", finding.message)[1]
    return [field for field in read_schema("data-card")["properties"] if re.search(rf"(?:^|, | and ){field}: ", lines)]


def row(regime: Regime, name: str) -> Ask | Clash:
    return next(each for each in regime.rows if each.name == name)


# ---------------------------------------------------------------------- every row


def test_every_row_has_a_bad_and_a_good_card() -> None:
    rows = {regime.id: [each.name for each in regime.rows] for regime in REGIMES}
    assert {regime: sorted(cases) for regime, cases in CASES.items()} == {r: sorted(names) for r, names in rows.items()}
    assert all(len(set(names)) == len(names) for names in rows.values())


@pytest.mark.parametrize(("regime", "name"), ROW_IDS)
def test_a_bad_card_raises_its_row_alone(regime: str, name: str) -> None:
    document = card(CASES[regime][name].bad)
    assert document.problems == ()
    (finding,) = said(document, regime)
    wanted = row(BY_ID[regime], name)
    assert finding.path == "data/a.csv.datacard.yaml"
    assert wanted.source in finding.message
    assert finding.line is not None
    if isinstance(wanted, Ask):
        assert finding.rule.name == "missing-regulatory-answer"
        assert finding.message.startswith(f"under {BY_ID[regime].short}, the card has to say ")
        assert asked_for(finding) == [wanted.needs[0].partition(".")[0]]
    else:
        assert finding.rule.name == "regulatory-contradiction"
        assert finding.message.startswith(wanted.says)


@pytest.mark.parametrize(("regime", "name"), ROW_IDS)
def test_a_good_card_raises_nothing(regime: str, name: str) -> None:
    document = card(CASES[regime][name].good)
    assert document.problems == ()
    assert said(document, regime) == []


@pytest.mark.parametrize(("regime", "name"), ROW_IDS)
def test_nothing_is_asked_by_a_regime_that_the_policy_does_not_name(regime: str, name: str) -> None:
    assert said(card(CASES[regime][name].bad)) == []


def test_facts_and_needs_are_fields_of_the_data_card() -> None:
    for regime in REGIMES:
        for each in regime.rows:
            needs = each.needs if isinstance(each, Ask) else ()
            when: dict[str, list[str]] = {}
            for field, wanted in each.when:
                plain = wanted if isinstance(wanted, tuple) else ()
                when[field] = [value for value in plain if isinstance(value, str)]
            assert list(faults([{"id": "own", "needs": list(needs), "when": when}])) == []


def test_every_regime_says_what_it_is_and_where_it_stands() -> None:
    assert len(BY_ID) == len(REGIMES)
    for regime in REGIMES:
        assert regime.url.startswith(("https://", "http://en.npc.gov.cn"))
        assert all((regime.short, regime.title, regime.jurisdiction))
        assert all(each.source and each.when for each in regime.rows)


# ---------------------------------------------------------------------- nobody else is asked

_SCHEMA = read_schema("data-card")
_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.lists(st.text(max_size=5), max_size=2),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
)  # fmt: skip


def _schema_values(field: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a field may have, and some that it may not."""
    if "$ref" in field:
        return st.just({"sha256": OTHER}) if field["$ref"].endswith("digest") else st.just("docs/a.md")
    if "enum" in field:
        return st.sampled_from(field["enum"])
    if "const" in field:
        return st.just(field["const"])
    kind = field["type"]
    if kind == "array":
        return st.lists(_schema_values(field["items"]), min_size=1, max_size=2)
    if kind == "object":
        return st.fixed_dictionaries({}, optional={k: _schema_values(v) for k, v in field["properties"].items()})
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        return st.integers(0, 9)
    return st.sampled_from(["2026-11-01", "2027-11-01"]) if field.get("format") == "date" else st.text(max_size=5)


_CARDS = st.fixed_dictionaries(
    {}, optional={k: st.one_of(_schema_values(v), _VALUES) for k, v in _SCHEMA["properties"].items()}
)


def _stated(data: Any, field: str) -> Iterator[Any]:
    """What a field holds, read in another way than the code does."""
    first, _, rest = field.partition(".")
    holders: list[Any] = data if isinstance(data, list) else [data]
    for holder in holders:
        if isinstance(holder, dict) and first in holder:
            if rest:
                yield from _stated(holder[first], rest)
            else:
                value = holder[first]
                yield from value if isinstance(value, list) else [value]


def _fits(data: dict[str, Any], field: str, wanted: object) -> bool:
    stated = list(_stated(data, field))
    if isinstance(wanted, Anything):
        return bool(stated)
    if isinstance(wanted, Past):
        return "2026-11-01" in stated
    assert isinstance(wanted, tuple)
    return any(json.dumps(value) == json.dumps(fact) for value in stated for fact in wanted)


@given(_CARDS)
@settings(max_examples=300, deadline=None)
def test_no_card_without_the_facts_is_asked_and_every_one_with_them_is(data: dict[str, Any]) -> None:
    document = Document(data, {}, ())
    for regime in REGIMES:
        found = said(document, regime.id)
        asked = {ask.needs for ask in regime.asks if all(_fits(data, *fact) for fact in ask.when)}
        open_ = {
            needs for needs in asked
            if not any(list(_stated(data, need)) for need in needs if need != "regulatory_reviews")
        }  # fmt: skip
        clashes = {clash.says for clash in regime.clashes if all(_fits(data, *fact) for fact in clash.when)}
        missing = [f for f in found if f.rule.name == "missing-regulatory-answer"]
        assert len(missing) == bool(open_)
        assert all(needs[0].partition(".")[0] in asked_for(missing[0]) for needs in open_)
        told = {f.message for f in found if f.rule.name == "regulatory-contradiction"}
        assert len(told) == len(clashes)
        assert all(any(message.startswith(says) for message in told) for says in clashes)


# ---------------------------------------------------------------------- words


def test_one_finding_says_all_that_a_regime_misses_with_its_lines() -> None:
    (finding,) = said(card({"personal_data": "special-category"}), "gdpr")
    assert finding.message == (
        "under GDPR, the card has to say on what the processing rests (Article 6(1)), how long the data are kept (Article 5(1)(e)), "
        "whom people ask to be left out (Articles 12(2) and 17(1)) and what allows the processing of special categories "
        "(Article 9(2)): add the lines lawful_basis: consent|contract|legal-obligation|vital-interests|public-task|"
        "legitimate-interests, retention: {delete_by: YYYY-MM-DD}, erasure_contact: TEXT (or stewards) and "
        "article_9_condition: explicit-consent|employment-law|vital-interests|non-profit-body|made-public|legal-claims|"
        "substantial-public-interest|health-care|public-health|research"
    )
    assert finding.found == "personal_data: special-category"


def test_needs_that_share_a_line_are_written_on_one() -> None:
    (finding,) = said(card({"permitted_use": ["train"], "collection": {"method": "sensor"}}), "eu-ai-act-high-risk")
    assert finding.message.endswith(
        ": add the line eu_ai_act: {bias_examination: TEXT, gaps: TEXT, representativeness: TEXT}"
    )


def test_a_line_that_is_there_is_added_to() -> None:
    partly = {**CASES["eu-ai-act-high-risk"]["gaps"].bad}
    (finding,) = said(card(partly), "eu-ai-act-high-risk")
    assert finding.message.endswith(": add the line eu_ai_act: {gaps: TEXT} (beside what is there)")


def test_two_regimes_are_two_findings_and_one_contradiction() -> None:
    changes = {**without(PERSONAL, "erasure_contact"), "retention": {"delete_by": "2026-01-01"}}
    found = said(card(changes), "gdpr", "uk-gdpr", "gdpr")
    assert [f.subject for f in found] == ["gdpr", "uk-gdpr", "kept-too-long"]
    assert found[2].message.endswith("(GDPR Article 5(1)(e); UK GDPR Article 5(1)(e))")


@pytest.mark.parametrize("need", sorted({need for regime in REGIMES for ask in regime.asks for need in ask.needs}))
def test_a_line_that_is_pasted_as_it_is_does_not_pass(need: str) -> None:
    from git_custody.datasets.card_rules import typed
    from git_custody.datasets.hollow import hollow

    line = line_for([need], "gdpr", None)
    text = "\n".join([*(f"{key}: {json.dumps(value)}" for key, value in PLAIN.items()), line]) + "\n"
    document = load(text.encode(), "data-card")
    assert document.problems or any(hollow(value) for _, value in typed(document.data)), line
    assert all(problem.line == len(text.splitlines()) for problem in document.problems), document.problems


def test_what_the_level_asks_of_every_card_is_said_once(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\nlevel: 2\nregimes: [gdpr]\n"})
    files = documented("data/rows.csv")
    files["data/rows.csv.datacard.yaml"] = str(files["data/rows.csv.datacard.yaml"]) + "personal_data: personal\n"
    repo.stage(files)
    found = ours(repo)
    assert sorted(found) == ["incomplete-data-card", "missing-regulatory-answer"]
    assert found["missing-regulatory-answer"] == (
        "under GDPR, the card has to say whom people ask to be left out (Articles 12(2) and 17(1)): add the line "
        "erasure_contact: TEXT (or stewards)"
    )


def test_what_the_level_of_the_card_asks_is_said_once(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\nlevel: 2\nregimes: [gdpr]\n"})
    files = documented("data/rows.csv")
    added = "level: 2\npersonal_data: personal\n"
    files["data/rows.csv.datacard.yaml"] = str(files["data/rows.csv.datacard.yaml"]) + added
    repo.stage(files)
    found = ours(repo)
    assert sorted(found) == ["invalid-data-card", "missing-regulatory-answer"]
    assert "lawful_basis" not in found["missing-regulatory-answer"]


def test_a_waiver_of_what_the_level_asks_is_none_of_what_the_regime_asks(repo: Repo) -> None:
    waiver = (
        "version: 1\nrule: incomplete-data-card\npath: data/rows.csv.datacard.yaml\nreason: It is being asked for.\n"
        f"owner: Ada\nexpires: '{date.today() + timedelta(days=30)}'\n"
    )
    policy = "version: 1\nlevel: 2\nregimes: [gdpr]\n"
    repo.commit({".custody/policy.yaml": policy, ".custody/waivers/basis.yaml": waiver})
    files = documented("data/rows.csv")
    added = "personal_data: personal\nerasure_contact: privacy@example.org\n"
    files["data/rows.csv.datacard.yaml"] = str(files["data/rows.csv.datacard.yaml"]) + added
    repo.stage(files)
    assert list(ours(repo)) == ["missing-regulatory-answer"]


def test_level_1_asks_for_nothing(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\nregimes: [gdpr]\n"})
    files = documented("data/rows.csv")
    files["data/rows.csv.datacard.yaml"] = str(files["data/rows.csv.datacard.yaml"]) + "personal_data: personal\n"
    repo.stage(files)
    assert repo.check().passes


# ---------------------------------------------------------------------- reviews


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"expires": "2026-11-26"}, None),
        ({"expires": "2026-11-25"}, "expired on 2026-11-25"),
        ({"digest": {"sha256": OTHER}}, "is of other content"),
        ({"digest": None}, None),
        ({"digest": None, "expires": "2026-11-25"}, "expired on 2026-11-25"),
        ({"regime": "ccpa", "expires": "2026-11-25"}, None),
    ],
)
def test_a_review_counts_until_its_date_for_its_content(changes: dict[str, Any], words: str | None) -> None:
    review = {**REVIEW, "regime": "gdpr", **changes}
    found = said(card({"regulatory_reviews": [{k: v for k, v in review.items() if v is not None}]}), "gdpr")
    if words is None:
        assert found == []
    else:
        (finding,) = found
        assert finding.rule.name == "stale-regulatory-review"
        assert finding.message.startswith("the review under GDPR by Dr. Example " + words)
        assert finding.line is not None


def test_one_review_that_counts_is_enough_and_the_newest_is_spoken_of() -> None:
    old = {**REVIEW, "regime": "gdpr", "date": "2024-01-01", "expires": "2025-01-01", "reviewer": "B. Old"}
    new = {**REVIEW, "regime": "gdpr", "expires": "2026-11-01"}
    assert said(card({"regulatory_reviews": [old, {**REVIEW, "regime": "gdpr"}]}), "gdpr") == []
    (finding,) = said(card({"regulatory_reviews": [old, new]}), "gdpr")
    assert "by Dr. Example expired" in finding.message


def test_a_required_review_has_to_name_the_content() -> None:
    bad = {**CASES["hipaa"]["determination"].good, "regulatory_reviews": [{**REVIEW, "digest": {"sha256": OTHER}}]}
    rules = [finding.rule.name for finding in said(card(bad), "hipaa")]
    assert rules == ["stale-regulatory-review"]
    bad["regulatory_reviews"] = [{k: v for k, v in REVIEW.items() if k != "digest"}]
    (finding,) = said(card(bad), "hipaa")
    assert f"digest: {{sha256: {SHA256}}}" in finding.message


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gdrp", 'did you mean "gdpr"?'),
        ("dsgvo", 'did you mean "gdpr"?'),
        ("house-rule", 'did you mean "house-rules"?'),
        ("kvkk", "an own regime is described in the policy, under regimes"),
    ],
)
def test_a_review_under_a_regime_that_nobody_knows_is_a_warning(name: str, hint: str) -> None:
    own = OwnRegime("house-rules", "our rules", (("personal_data", ("personal",)),), ("dpia",))
    document = card({"regulatory_reviews": [REVIEW, {**REVIEW, "regime": "house-rules"}, {**REVIEW, "regime": name}]})
    assert document.problems == ()
    (finding,) = said(document, "gdpr", own)
    assert (finding.rule.name, finding.warns) == ("stale-regulatory-review", True)
    assert finding.message == (
        f'regulatory_reviews[2] is under "{name}", which neither git-custody nor the policy knows, so that the review '
        f"counts for nothing; {hint}"
    )
    assert finding.line == document.lines["/regulatory_reviews/2"]
    assert said(document) == []  # a policy without regimes asks nothing


def test_a_review_under_a_regime_that_the_policy_does_not_name_is_fine() -> None:
    reviews = [{**REVIEW, "regime": regime} for regime in BY_ID]
    assert said(card({"regulatory_reviews": reviews}), "gdpr") == []


def test_unknown_regimes_of_reviews_are_said_once_and_not_without_end() -> None:
    reviews = [{**REVIEW, "regime": f"x{number // 2}", "reviewer": f"Ada {number}"} for number in range(1000)]
    with within(2):
        found = said(card({"regulatory_reviews": reviews}), "gdpr")
    assert len({finding.subject for finding in found}) == len(found) == 20


def test_one_byte_more_makes_a_review_stale(repo: Repo) -> None:
    import hashlib

    repo.commit({".custody/policy.yaml": "version: 1\nlevel: 2\nregimes: [hipaa]\n"})
    digest = hashlib.sha256(ROWS.encode()).hexdigest()
    review = f"[{{regime: hipaa, reviewer: Dr. Example, date: 2026-01-01, digest: {{sha256: {digest}}}}}]"
    added = f"personal_data: none\nregulatory_reviews: {review}\n"
    files = documented("data/rows.csv")
    files["data/rows.csv.datacard.yaml"] = str(files["data/rows.csv.datacard.yaml"]) + added
    repo.stage(files)
    assert ours(repo) == {}
    repo.commit()
    more = documented("data/rows.csv", ROWS + "\n")
    more["data/rows.csv.datacard.yaml"] = str(more["data/rows.csv.datacard.yaml"]) + added
    repo.stage(more)
    found = ours(repo)
    assert list(found) == ["stale-regulatory-review"]
    assert f"is of other content (sha256 {digest[:12]}…)" in found["stale-regulatory-review"]


# ---------------------------------------------------------------------- own regimes

OWN = """\
version: 1
level: 2
regimes:
- gdpr
- {id: house-rule, title: our house rule, when: {source.kind: [scraped, user-data], confidentiality: [red]}, needs: [dpia]}
- {id: house-rule, needs: [eu_ai_act.gaps, x-ticket]}
"""


def test_an_own_regime_asks_in_the_same_terms() -> None:
    document = load(OWN.encode(), "policy")
    assert document.problems == ()
    assert list(faults(document.data["regimes"])) == []
    regimes = read_policy(document).regimes
    (plain,) = said(card({"confidentiality": "red"}), *regimes)
    assert plain.message == (
        "under our house rule, the card has to say what is missing from the data and x-ticket: add the lines "
        "eu_ai_act: {gaps: TEXT} and x-ticket: TEXT"
    )
    assert plain.found is None
    user_data = {"source": {"kind": "user-data", "publisher": "X Co"}, "confidentiality": "red"}
    (both,) = said(card(user_data), *regimes)
    assert both.message.startswith("under our house rule, the card has to say the data protection impact assessment")
    assert both.found == "source.kind: user-data, confidentiality: red"
    answered = {**user_data, "dpia": "docs/dpia.md", "eu_ai_act": {"gaps": "none found so far"}, "x-ticket": "DATA-1"}
    assert said(card(answered), *regimes) == []


def test_an_own_regime_can_ask_by_what_is_true_or_false_or_free() -> None:
    ignored = {"scrape": {"opt_out": ["none"], "respected": False}}
    asks = OwnRegime("own", "own", (("scrape.respected", ("false",)),), ("dpia",))
    assert list(faults([{"id": "own", "needs": ["dpia"], "when": {"scrape.respected": ["false"]}}])) == []
    assert [f.subject for f in said(card(ignored), asks)] == ["own"]
    assert said(card({"scrape": {"opt_out": ["none"], "respected": True}}), asks) == []
    assert said(card({"x-class": "secret"}), OwnRegime("own", "own", (("x-class", ("secret",)),), ("dpia",)))
    assert list(faults([{"id": "own", "needs": ["dpia"], "when": {"x-class": ["secret"]}}])) == []


def test_a_review_under_an_own_regime_can_be_asked_for() -> None:
    own = OwnRegime("ethics-board", "the ethics board", (), ("regulatory_reviews",))
    assert [f.rule.name for f in said(card({}), own)] == ["missing-regulatory-answer"]
    assert said(card({"regulatory_reviews": [{**REVIEW, "regime": "ethics-board"}]}), own) == []
    assert said(card({"regulatory_reviews": [REVIEW]}), own)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[gpdr]", 'did you mean "gdpr"?'),
        ("[lgdp]", 'did you mean "lgpd"?'),
        ("[gdrp]", 'regimes names "gdrp", and nothing is known of it; did you mean "gdpr"?'),
        ("[dsgvo]", 'did you mean "gdpr"?'),
        ("[ai-act]", 'did you mean "eu-ai-act"?'),
        ("[hippa]", 'did you mean "hipaa"?'),
        ("[soc-2]", "there are gdpr, uk-gdpr, eu-ai-act"),
        ("[GDPR]", "should be the id of a regime, such as gdpr"),
        ("[gdpr, gdpr]", "is in the list already"),
        ("gdpr", "should be a list, even of one"),
        ("[{id: gdpr, needs: [dpia]}]", "give yours another"),
        ("[{id: own}]", '"regimes[0].needs" is missing'),
        ("[{id: own, needs: [dipa]}]", 'did you mean "dpia"?'),
        ("[{id: own, needs: [eu_ai_act.gap]}]", 'did you mean "eu_ai_act.gaps"?'),
        ("[{id: own, needs: [dpia], when: {personal-data: [personal]}}]", 'did you mean "personal_data"?'),
        ("[{id: own, needs: [dpia], when: {personal_data: [persnal]}}]", 'did you mean "personal"?'),
        ("[{id: own, needs: [dpia], when: {derived_from.relation: [sub]}}]", 'did you mean "subset"?'),
        ("[{id: own, needs: [dpia], when: {hipaa: [yes-please]}}]", "it has safe-harbor"),
        ("[{id: own, needs: [dpia], when: {personal_data: personal}}]", "even of one"),
        ("[{id: own, needs: [dpia], when: {source: [scraped]}}]", "only a field that holds words has"),
        ("[{id: own, needs: [dpia], when: {content.bytes: ['0']}}]", "only a field that holds words has"),
        ("[{id: own, needs: [dpia], when: {scrape.respected: ['no']}}]", "it has true, false"),
        ("[{id: own, needs: [dpia], when: {scrape.respected: [false]}}]", "put quotes around it"),
        ("[{id: own, needs: []}]", "empty list"),
        ("[{id: own, need: [dpia]}]", 'did you mean "needs"?'),
    ],
)
def test_what_is_wrong_with_regimes_is_said_with_its_line(repo: Repo, text: str, words: str) -> None:
    repo.stage({".custody/policy.yaml": f"version: 1\nlevel: 1\nregimes: {text}\n"})
    verdict = repo.check()
    assert verdict.rules == ["invalid-policy"]
    found = verdict.report["findings"]
    assert any(words in f["message"] for f in found), found
    assert {f["line"] for f in found} == {3}


# ---------------------------------------------------------------------- a policy that asks for less


def own(needs: tuple[str, ...] = ("dpia",), **when: tuple[str, ...]) -> OwnRegime:
    return OwnRegime("own", "own", tuple(when.items()), needs)


def less(before: tuple[str | OwnRegime, ...], after: tuple[str | OwnRegime, ...]) -> list[str]:
    return [f"{w.message} {w.item}".strip() for w in weakenings(Policy(regimes=before), Policy(regimes=after), {})]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (("gdpr", "hipaa"), ("hipaa",), ["regimes no longer names gdpr"]),
        (("gdpr", "hipaa"), (), ["regimes no longer names gdpr", "regimes no longer names hipaa"]),
        (("eu-ai-act-high-risk",), ("eu-ai-act",), ["regimes no longer names eu-ai-act-high-risk"]),
        ((own(),), ("gdpr",), ["regimes no longer names own"]),
        ((own(("dpia", "stewards")),), (own(),), ["regimes asks for less than before in own"]),
        ((own(),), (own(hipaa=("safe-harbor",)),), ["regimes asks for less than before in own"]),
        (
            (own(hipaa=("safe-harbor", "not-covered")),),
            (own(hipaa=("safe-harbor",)),),
            ["regimes asks for less than before in own"],
        ),
        (("own",), (own(),), ["regimes asks for less than before in own"]),
        (("gdpr",), ("hipaa", "gdpr"), []),
        (("gdpr", "hipaa"), ("hipaa", "gdpr"), []),
        ((own(),), (own(("stewards", "dpia")),), []),
        ((own(("dpia", "stewards")),), (own(("dpia",)), own(("stewards",))), []),
        ((own(hipaa=("safe-harbor",)),), (own(hipaa=("safe-harbor", "not-covered")),), []),
        ((own(hipaa=("safe-harbor",), confidentiality=("red",)),), (own(confidentiality=("red",)),), []),
    ],
)
def test_a_regime_that_is_dropped_or_asks_for_less_weakens(
    before: tuple[str | OwnRegime, ...], after: tuple[str | OwnRegime, ...], words: list[str]
) -> None:
    assert less(before, after) == words


_FACTS = st.fixed_dictionaries(
    {}, optional={"hipaa": st.sampled_from([("a",), ("a", "b")]), "confidentiality": st.sampled_from([("red",)])}
)
_OWN = st.builds(lambda needs, when: own(needs, **when), st.sampled_from([("a",), ("a", "b"), ("b",)]), _FACTS)
_REGIMES = st.lists(st.one_of(st.sampled_from(["gdpr", "ccpa", "own"]), _OWN), max_size=3).map(tuple)


@given(_REGIMES, _REGIMES, _REGIMES)
@settings(max_examples=300, deadline=None)
def test_asking_for_no_less_of_regimes_is_an_order(one: Any, two: Any, three: Any) -> None:
    assert less(one, one) == []
    if less(one, two) == [] == less(two, three):
        assert less(one, three) == []


def test_dropping_a_regime_warns_at_commit_and_blocks_in_a_range(repo: Repo) -> None:
    base = repo.commit({".custody/policy.yaml": "version: 1\nregimes: [gdpr, ccpa]\n"})
    repo.stage({".custody/policy.yaml": "version: 1\nregimes: [gdpr]\n"})
    assert repo.check().warned == ["policy-weakened"]
    repo.commit()
    (finding,) = repo.check("--range", f"{base}...HEAD").report["findings"]
    assert (finding["rule"], finding["blocks"], finding["line"]) == ("policy-weakened", True, 2)
    assert finding["message"] == "regimes no longer names ccpa"


def test_a_range_asks_by_the_regimes_of_its_base(repo: Repo) -> None:
    base = repo.commit({".custody/policy.yaml": "version: 1\nlevel: 2\nregimes: [ccpa]\n"})
    files = documented("data/rows.csv")
    files["data/rows.csv.datacard.yaml"] = str(files["data/rows.csv.datacard.yaml"]) + "personal_data: personal\n"
    repo.commit({**files, ".custody/policy.yaml": "version: 1\nlevel: 2\nregimes: []\n"})
    found = repo.check("--range", f"{base}...HEAD").report["findings"]
    (asked,) = [f["message"] for f in found if f["rule"] == "missing-regulatory-answer" and f["blocks"]]
    assert asked.startswith("under CCPA, the card has to say ")


# ---------------------------------------------------------------------- hostile cards


@given(_VALUES, st.sampled_from(sorted(_SCHEMA["properties"])))
@settings(max_examples=200, deadline=None)
def test_whatever_a_field_holds_nothing_breaks(value: Any, field: str) -> None:
    for data in (
        {**PLAIN, field: value},
        {field: [value]},
        {field: {"regime": value}},
        {field: [{"regime": "gdpr", "date": value}]},
    ):
        for finding in said(Document(data, {}, ()), *BY_ID):
            assert finding.message


def test_long_lists_in_a_policy_and_a_card_end_in_time() -> None:
    words = tuple(f"word {number}" for number in range(60))
    regimes = [OwnRegime(f"own-{n}", "own", (("prohibited_use", words),), words[:40]) for n in range(90)]
    document = card({"prohibited_use": [f"use {number}" for number in range(1000)], "permitted_use": ["train"]})
    with within(5):
        assert said(document, *regimes) == []
    document = card({"prohibited_use": [f"use {number}" for number in range(999)] + ["word 59"]})
    with within(10):
        assert len(said(document, *regimes)) == 90


def test_a_card_that_is_no_group_of_fields_is_not_asked() -> None:
    assert said(Document([], {}, ()), *BY_ID) == []
    assert isinstance(CASES["gdpr"]["consent"], Row)


# ---------------------------------------------------------------------- its page

PAGE = (Path(__file__).parent.parent / "docs" / "regulation.md").read_text("utf-8")


def test_the_policies_of_the_page_are_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        document = load((block if "version" in block else f"version: 1\n{block}").encode(), "policy")
        assert document.problems == ()
        assert list(faults(document.data["regimes"])) == []


@pytest.mark.parametrize(
    "field",
    ["personal_data", "data_categories", "lawful_basis", "article_9_condition", "hipaa", "eu_ai_act.summary_category"],
)
def test_the_page_says_where_every_word_comes_from(field: str) -> None:
    schema = _SCHEMA
    for key in field.split("."):
        schema = schema["properties"][key]
    terms = PAGE[PAGE.index("## Where the terms come from") :]
    words = schema.get("enum") or schema["items"]["enum"]
    assert f"`{field}`" in terms
    assert [word for word in words if f"`{word}`" not in terms] == []
    if field in ("lawful_basis", "article_9_condition"):
        assert ", ".join(f"`{word}`" for word in words) in terms
