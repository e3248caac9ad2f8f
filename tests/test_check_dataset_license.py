"""check-dataset-license against real repositories: lists, reviews and what makes them stale, evidence, lineage."""

from __future__ import annotations

import hashlib
import json
import random
from datetime import datetime, timedelta, timezone

import pytest

from conftest import ROWS, Repo, documented
from git_custody.core.metadata import parse_yaml
from git_custody.datasets.license_subject import basis

CARD = "data/rows.csv.datacard.yaml"
REVIEW = "version: 1\nlicenses: {review: ['CC-BY-*', 'LicenseRef-*']}\n"


def day(ahead: int = 0) -> str:
    return (datetime.now(timezone.utc) + timedelta(days=ahead)).date().isoformat()


def policy(text: str) -> dict[str, str | bytes]:
    return {".custody/policy.yaml": f"version: 1\n{text}"}


def card(name: str = "rows", license: str = "CC-BY-4.0", extra: str = "", rows: str = ROWS) -> dict[str, str | bytes]:
    """A documented dataset under a licence, with more lines in its card."""
    files = documented(f"data/{name}.csv", rows, id=name)
    path = f"data/{name}.csv.datacard.yaml"
    files[path] = str(files[path]).replace("license: CC-BY-4.0", f"license: {license}") + extra
    return files


def basis_of(card: str | bytes) -> str:
    """What a review of a card is of: a card without texts of licences, and with parents elsewhere at most."""
    data = parse_yaml(str(card).encode()).data
    evidence = data.get("license_evidence") or {}
    return basis({
        "source": {key: data["source"].get(key) for key in ("kind", "url", "publisher")},
        "license": data["license"],
        "evidence": evidence.get("sha256") or evidence.get("url"),
        "texts": [],
        "parents": [[one["url"], one["relation"], one.get("license")] for one in data.get("derived_from", ())],
    })  # fmt: skip


def reviewed(
    files: dict[str, str | bytes], review: str = "status: approved", rows: str = ROWS
) -> dict[str, str | bytes]:
    """The same, with a review of what its card says."""
    (path,) = (path for path in files if path.endswith(".datacard.yaml"))
    stated = basis_of(files[path])
    digest = hashlib.sha256(rows.encode()).hexdigest()
    given = f"reviewer: A. Counsel, date: '{day(-9)}', digest: {{sha256: '{digest}'}}, basis: '{stated}', {review}"
    return {**files, path: f"{files[path]!s}ip_review: {{{given}}}\n"}


# ---------------------------------------------------------------------- what the policy says


@pytest.mark.parametrize(
    "files",
    [
        card(), card(license="MIT OR CC-BY-NC-4.0"), card(license="LicenseRef-own"),
        card(extra="permitted_use: [train, commercial]\n"), card(license="cc-by-4.0"),
        card(extra="license_evidence: {url: 'https://example.org', captured: '2026-01-02', stated_by: upstream}\n"),
    ],
)  # fmt: skip
def test_silent_without_lists(repo: Repo, files: dict[str, str | bytes]) -> None:
    repo.stage(files)
    assert repo.check().passes


@pytest.mark.parametrize(
    ("lists", "license", "rules"),
    [
        ("{deny: ['CC-BY-*']}", "CC-BY-4.0", ["license-denied"]),
        ("{deny: ['CC-BY-*']}", "CC-BY-4.0 OR MIT", []),
        ("{deny: ['CC-BY-*']}", "CC-BY-4.0 AND MIT", ["license-denied"]),
        ("{allow: [MIT]}", "MIT", []),
        ("{allow: [MIT]}", "CC-BY-4.0", ["license-not-reviewed"]),
        ("{allow: [MIT]}", "CC-BY-4.0 OR MIT", []),
        ("{review: ['CC-BY-NC-*']}", "CC-BY-4.0", []),
        ("{review: ['CC-BY-*']}", "cc-by-4.0", ["license-not-reviewed"]),
        ("{allow: [GPL-2.0-only]}", "GPL-2.0-only WITH Classpath-exception-2.0", []),
        ("{deny: ['GPL-2.0-only WITH Classpath-exception-2.0'], allow: ['GPL-*']}",
         "GPL-2.0-only WITH Classpath-exception-2.0", ["license-denied"]),
        ("{deny: [MIT]}", "LicenseRef-own", []),
        ("{allow: [MIT]}", "LicenseRef-own", ["license-not-reviewed"]),
    ],
)  # fmt: skip
def test_lists(repo: Repo, lists: str, license: str, rules: list[str]) -> None:
    repo.commit(policy(f"licenses: {lists}\n"))
    repo.stage(card(license=license))
    assert repo.check().rules == rules
    assert repo.check("--all").rules == rules


@pytest.mark.parametrize(
    ("name", "license", "said"),
    [
        ("review", "LicenseRef-Acme", "(as LicenseRef-*), which overrules LicenseRef-Acme in allow"),
        ("deny", "LicenseRef-Acme", "(as LicenseRef-*), which overrules LicenseRef-Acme in allow"),
        ("review", "LicenseRef-Other", "LicenseRef-Other (as LicenseRef-*);"),
    ],
)
def test_which_entry_overrules_what_is_allowed_is_said(repo: Repo, name: str, license: str, said: str) -> None:
    repo.commit(policy(f"licenses: {{allow: [MIT, LicenseRef-Acme], {name}: ['LicenseRef-*']}}\n"))
    repo.stage(card(license=license))
    (finding,) = repo.check().report["findings"]
    assert said in finding["message"]


def test_the_chosen_alternative_is_said(repo: Repo) -> None:
    repo.commit(policy("licenses: {allow: [MIT], deny: [GPL-3.0-only]}\n"))
    repo.stage(card(license="GPL-3.0-only OR ISC"))
    (finding,) = repo.check().report["findings"]
    assert "(counts as ISC)" in finding["found"]


def test_what_spdx_does_not_know_is_said_once(repo: Repo) -> None:
    repo.commit(policy("licenses: {allow: [MIT]}\n"))
    repo.stage(card(license="odc-by"))
    verdict = repo.check()
    assert verdict.rules == ["invalid-data-card"]
    assert "ODC-By-1.0" in verdict.out


# ---------------------------------------------------------------------- reviews


@pytest.mark.parametrize(
    ("review", "rules"),
    [
        ("status: approved", []),
        ("status: conditional, conditions: [Not for resale]", []),
        ("status: conditional", ["license-not-reviewed"]),
        ("status: pending", ["license-not-reviewed"]),
        ("status: rejected", ["license-denied"]),
        (f"status: approved, expires: '{day(3)}'", []),
        (f"status: approved, expires: '{day(-3)}'", ["stale-license-review"]),
    ],
)
def test_reviews(repo: Repo, review: str, rules: list[str]) -> None:
    repo.commit({".custody/policy.yaml": REVIEW})
    repo.stage(reviewed(card(), review))
    assert repo.check().rules == rules


def test_a_review_that_nobody_asked_for(repo: Repo) -> None:
    repo.stage(reviewed(card()))
    assert repo.check().passes
    repo.stage(reviewed(card(), f"status: approved, expires: '{day(-3)}'"))
    assert (repo.check().rules, repo.check().warned) == ([], ["stale-license-review"])
    repo.stage(reviewed(card(), "status: rejected"))
    assert repo.check().rules == ["license-denied"]


def test_one_byte_makes_the_review_stale(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": REVIEW, **reviewed(card())})
    assert repo.check("--all").passes
    edited = ROWS.replace("row 3", "row 4")
    repo.write("data/rows.csv", edited)
    assert repo.custody("add", "data/rows.csv").code == 1
    verdict = repo.check()
    assert verdict.rules == ["stale-license-review"]
    (finding,) = verdict.report["findings"]
    for rows in (ROWS, edited):
        assert f"sha256 {hashlib.sha256(rows.encode()).hexdigest()[:12]}…" in finding["message"]
    assert "git custody review --kind license --reviewer NAME data/rows.csv" in " ".join(finding["fix"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("license: CC-BY-4.0", "license: CC-BY-3.0", "the licence was CC-BY-4.0, and is CC-BY-3.0"),
        ("publisher: Example Lab", "publisher: Another Lab", "source.publisher was Example Lab, and is Another Lab"),
        ("terms-1", "terms-2", "the evidence of the licence is another one"),
    ],
)
def test_what_else_makes_it_stale(repo: Repo, old: str, new: str, said: str) -> None:
    evidence = "license_evidence: {url: 'https://example.org/terms-1', captured: '2026-01-02', stated_by: upstream}\n"
    repo.commit({".custody/policy.yaml": REVIEW, **reviewed(card(extra=evidence))})
    repo.stage({CARD: (repo.path / CARD).read_text().replace(old, new)})
    verdict = repo.check()
    assert verdict.rules == ["stale-license-review"]
    assert said in verdict.report["findings"][0]["message"]
    repo.commit()
    assert repo.check("--all").rules == ["stale-license-review"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title: Rows for tests", "title: Rows of tests"),
        ("license: CC-BY-4.0", "license: cc-by-4.0"),
        ("publisher: Example Lab}", "publisher: Example Lab, retrieved: '2026-03-04', version: '7'}"),
    ],
)
def test_what_leaves_it_alone(repo: Repo, old: str, new: str) -> None:
    repo.commit({".custody/policy.yaml": REVIEW, **reviewed(card())})
    repo.stage({CARD: (repo.path / CARD).read_text().replace(old, new)})
    assert repo.check().passes


def test_a_review_without_basis_is_of_no_licence(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": REVIEW})
    files = reviewed(card())
    stated = basis_of(str(files[CARD]).partition("ip_review")[0])
    repo.stage({**files, CARD: str(files[CARD]).replace(f"basis: '{stated}', ", "")})
    assert repo.check().rules == ["stale-license-review"]


def test_a_text_that_is_exchanged_after_the_review(repo: Repo) -> None:
    text = {"LICENSES/LicenseRef-vendor.txt": "You may use the data.\n"}
    base = repo.commit({".custody/policy.yaml": REVIEW, **bought(), **text})
    repo.custody("review", "--kind", "license", "--reviewer", "A. Counsel", "data/rows.csv")
    repo.commit()
    assert repo.check("--all").passes
    repo.stage({"LICENSES/LicenseRef-vendor.txt": "You may not use the data.\n"})
    verdict = repo.check()
    assert verdict.rules == ["stale-license-review"]
    assert "the text of the licence is another one" in verdict.out
    repo.commit()
    assert repo.check("--all").rules == repo.check("--range", f"{base}...HEAD").rules == ["stale-license-review"]


def test_a_parent_that_gets_another_licence_after_the_review(repo: Repo) -> None:
    files = child("LicenseRef-ours", "id: raw, relation: clean")
    repo.commit({".custody/policy.yaml": REVIEW, **card("raw", "Artistic-1.0"), **files})
    repo.custody("review", "--kind", "license", "--reviewer", "A. Counsel", "data/child.csv")
    repo.commit()
    assert repo.check("--all").passes
    repo.stage(card("raw", "Artistic-2.0"))
    verdict = repo.check()
    assert verdict.caught("stale-license-review") == ["data/child.csv.datacard.yaml"]
    assert 'the licence of its parent \\"raw\\" was Artistic-1.0, and is Artistic-2.0' in verdict.out


@pytest.mark.parametrize("how", ["deleted", "renamed"])
@pytest.mark.parametrize("logged", [False, True])
def test_a_reviewed_child_is_judged_with_the_change_that_takes_its_parent(repo: Repo, how: str, logged: bool) -> None:
    log: dict[str, str | bytes] = {".custody/audit/raw/0.json": "{}"} if logged else {}
    files = child("LicenseRef-ours", "id: raw, relation: clean")
    repo.commit({".custody/policy.yaml": REVIEW, **card("raw", "Artistic-1.0"), **files, **log})
    repo.custody("review", "--kind", "license", "--reviewer", "A. Counsel", "data/child.csv")
    base = repo.commit()
    assert repo.check("--all").passes
    raw = "data/raw.csv.datacard.yaml"
    if how == "deleted":
        repo.git("rm", "-q", raw, "data/raw.csv")
    else:
        repo.stage({raw: (repo.path / raw).read_text().replace("id: raw", "id: raw-2")})
    verdict = repo.check()
    assert verdict.caught("stale-license-review") == ["data/child.csv.datacard.yaml"]
    assert 'no card here has the id of its parent \\"raw\\"' in verdict.out
    assert "git custody review" not in verdict.out
    repo.commit()
    assert repo.check("--range", f"{base}...HEAD").caught("stale-license-review") == ["data/child.csv.datacard.yaml"]
    everything = repo.check("--all")
    assert everything.caught("stale-license-review") == ["data/child.csv.datacard.yaml"]
    assert 'parent \\"raw\\"' in everything.out
    text = (repo.path / "data/child.csv.datacard.yaml").read_text()
    recorded = text.replace("{id: raw, ", "{id: raw, license: Artistic-1.0, ")
    repo.stage({"data/child.csv.datacard.yaml": recorded})
    assert "stale-license-review" not in repo.check().rules


# ---------------------------------------------------------------------- a review of the source


def feed(repo: Repo, level: int) -> None:
    """A dataset under a review of its source."""
    repo.commit(policy(f"level: {level}\nlicenses: {{review: ['CC-BY-*']}}\nalso: []\n"))
    files = card(extra="personal_data: none\nintended_use: Testing the rules.\n"
                 "stewards: [{role: owner, contact: data@example.org}]\n")  # fmt: skip
    repo.stage(reviewed(files, "status: approved, scope: source"))
    if level == 3:
        added = repo.custody("audit", "add", "--op", "create", "--reason", "first import", "data/rows.csv")
        assert added.err == ""
    repo.commit()


def stale(repo: Repo) -> bool:
    return "stale-license-review" in repo.check().rules


@pytest.mark.parametrize("level", [1, 3])
def test_a_nightly_feed_needs_no_new_review(repo: Repo, level: int) -> None:
    feed(repo, level)
    rows = ROWS
    for night in range(3):
        rows += f"{20 + night},row {20 + night}\n"
        repo.write("data/rows.csv", rows)
        repo.git("add", "data/rows.csv")
        log = ("audit", "add", "--op", "append", "--reason", "rows of the night", "data/rows.csv")
        repo.custody(*(log if level == 3 else ("add", "data/rows.csv")))
        assert not stale(repo)
        repo.commit()
    assert "stale-license-review" not in repo.check("--all").rules


def test_what_the_log_calls_something_else_needs_one(repo: Repo) -> None:
    feed(repo, 3)
    repo.write("data/rows.csv", ROWS.replace("row 3", "row 4"))
    repo.git("add", "data/rows.csv")
    repo.custody("audit", "add", "--op", "clean", "--reason", "mended a row", "data/rows.csv")
    assert not stale(repo)
    repo.commit()
    repo.write("data/rows.csv", ROWS.replace("row 3", "row 5"))
    repo.git("add", "data/rows.csv")
    repo.custody("audit", "add", "--op", "modify", "--reason", "another source", "data/rows.csv")
    assert stale(repo)
    assert "not modify" in repo.check().out


def test_a_source_review_ends_with_the_source(repo: Repo) -> None:
    feed(repo, 1)
    repo.stage({CARD: (repo.path / CARD).read_text().replace("Example Lab", "Another Lab")})
    assert stale(repo)


# ---------------------------------------------------------------------- evidence and texts


FROM_OTHERS = "source: {kind: licensed-third-party, publisher: Example Lab}\n"


def bought(extra: str = "") -> dict[str, str | bytes]:
    files = card(license="LicenseRef-vendor", extra=extra)
    text = str(files[CARD])
    own = next(line for line in text.splitlines(keepends=True) if line.startswith("source:"))
    return {**files, CARD: text.replace(own, FROM_OTHERS)}


def test_a_licence_of_ones_own_name_needs_a_text(repo: Repo) -> None:
    repo.stage(bought())
    assert repo.check().rules == ["license-unknown"]
    repo.stage({"LICENSES/LicenseRef-vendor.txt": "You may use the data.\n"})
    assert repo.check().passes
    repo.git("rm", "-q", "--cached", "LICENSES/LicenseRef-vendor.txt")
    repo.stage({**bought("license_files: [{path: legal/vendor.txt}]\n"), "legal/vendor.txt": "You may use it.\n"})
    assert repo.check().passes


def test_terms_of_others_are_reviewed_where_the_policy_denies_any(repo: Repo) -> None:
    repo.commit(policy("licenses: {deny: ['CC-BY-NC-*']}\n"))
    repo.stage({**bought(), "LICENSES/LicenseRef-vendor.txt": "You may use the data.\n"})
    assert repo.check().rules == ["license-not-reviewed"]


@pytest.mark.parametrize("reviewed_before", [False, True])
def test_the_text_comes_before_its_review(repo: Repo, reviewed_before: bool) -> None:
    repo.commit({".custody/policy.yaml": REVIEW})
    files = bought()
    repo.stage(reviewed(files) if reviewed_before else files)
    assert repo.check().rules == ["license-unknown"]
    command = ("review", "--kind", "license", "--reviewer", "A. Counsel", "data/rows.csv")
    before = repo.git("show", f":{CARD}")
    done = repo.custody(*command)
    assert (done.code, repo.git("show", f":{CARD}")) == (2, before)
    assert "put it at LICENSES/LicenseRef-vendor.txt, run: git add LICENSES/LicenseRef-vendor.txt" in done.err
    repo.stage({"LICENSES/LicenseRef-vendor.txt": "You may use the data.\n"})
    (finding,) = repo.check().report["findings"]
    if reviewed_before:
        assert finding["rule"] == "stale-license-review"
        assert "the text of the licence was not in the repository then" in finding["message"]
    else:
        assert finding["rule"] == "license-not-reviewed"
    assert repo.custody(*command).code == 0
    assert repo.check().passes


def test_where_a_waiver_does_without_the_text_the_review_is_not_refused(repo: Repo) -> None:
    waiver = f"version: 1\nrule: license-unknown\npath: {CARD}\nreason: It hangs on the wall\nowner: A. Counsel\n"
    repo.commit({".custody/policy.yaml": REVIEW, ".custody/waivers/text.yaml": f"{waiver}expires: '{day(9)}'\n"})
    repo.stage(bought())
    assert repo.check().rules == ["license-not-reviewed"]
    assert repo.custody("review", "--kind", "license", "--reviewer", "A. Counsel", "data/rows.csv").code == 0
    assert repo.check().rules == []


def test_what_has_no_text_can_be_rejected(repo: Repo) -> None:
    repo.stage(bought())
    repo.custody("review", "--kind", "license", "--reviewer", "A. Counsel", "--status", "rejected", "data/rows.csv")
    assert repo.check().rules == ["license-denied", "license-unknown"]


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("license_evidence: {url: 'https://e.org', captured: '2026-01-02', stated_by: upstream}\n", "evidence of the"),
        ("derived_from: [{url: 'https://e.org/x', relation: copy, license: CC-BY-4.0}]\n", "its parents have been"),
        ("license_files: [{path: legal/by.txt}]\n", "the text of the licence was not in the repository then"),
    ],
)
def test_what_was_added_after_the_review_is_said_without_its_card(repo: Repo, extra: str, said: str) -> None:
    files = reviewed(card())
    repo.commit({".custody/policy.yaml": REVIEW, "legal/by.txt": "CC BY", **files, CARD: str(files[CARD]) + extra})
    (finding,) = (f for f in repo.check("--all").report["findings"] if f["rule"] == "stale-license-review")
    assert said in finding["message"]


def test_what_changed_while_the_card_moved_is_said(repo: Repo) -> None:
    base = repo.commit({".custody/policy.yaml": REVIEW, **reviewed(card())})
    repo.git("mv", "data/rows.csv", "data/moved.csv")
    repo.git("rm", "-q", "--cached", CARD)
    text = (repo.path / CARD).read_text().replace("Example Lab", "Another Lab")
    (repo.path / CARD).unlink()
    repo.commit({"data/moved.csv.datacard.yaml": text})
    (finding,) = repo.check("--range", f"{base}...HEAD").report["findings"]
    assert "source.publisher was Example Lab, and is Another Lab" in finding["message"]
    (finding,) = repo.check("--all").report["findings"]
    assert "git custody check --range" in finding["message"]


def test_an_empty_text_is_none(repo: Repo) -> None:
    repo.stage({**bought(), "LICENSES/LicenseRef-vendor.txt": ""})
    assert repo.check().rules == ["license-unknown"]


def test_own_data_under_an_own_name(repo: Repo) -> None:
    repo.stage(card(license="LicenseRef-internal"))
    assert repo.check().passes


def evidence(file: str, text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"license_evidence: {{file: {file}, captured: '2026-01-02', sha256: '{digest}', stated_by: contract}}\n"


def test_evidence(repo: Repo) -> None:
    repo.stage(card(extra=evidence("legal/contract.txt", "We agree.\n")))
    assert repo.check().rules == ["invalid-data-card"]
    repo.stage({"legal/contract.txt": "We agree.\n"})
    assert repo.check().passes
    repo.stage({"legal/contract.txt": "We disagree.\n"})
    assert repo.check().rules == ["license-evidence-mismatch"]


def test_evidence_that_is_nowhere(repo: Repo) -> None:
    nowhere = "license_evidence: {captured: '2026-01-02', stated_by: email}\n"
    repo.stage(card(extra=nowhere))
    assert repo.check().passes
    repo.stage({**policy("level: 2\n"), **card(extra=f"{nowhere}personal_data: none\n")})
    assert "license-evidence-missing" in repo.check().rules


@pytest.mark.parametrize("how", ["edit", "remove"])
def test_evidence_that_changes_alone(repo: Repo, how: str) -> None:
    base = repo.commit(
        {**card(extra=evidence("legal/contract.txt", "We agree.\n")), "legal/contract.txt": "We agree.\n"}
    )
    if how == "edit":
        repo.stage({"legal/contract.txt": "We disagree.\n"})
    else:
        repo.git("rm", "-q", "legal/contract.txt")
    rule = {"edit": "license-evidence-mismatch", "remove": "license-evidence-missing"}[how]
    assert repo.check().rules == [rule]
    repo.commit()
    assert repo.check("--range", f"{base}...HEAD").rules == [rule]


def test_the_text_of_a_licence_that_is_taken_away(repo: Repo) -> None:
    repo.commit({**bought(), "LICENSES/LicenseRef-vendor.txt": "You may use the data.\n"})
    repo.git("rm", "-q", "LICENSES/LicenseRef-vendor.txt")
    assert repo.check().rules == ["license-unknown"]


# ---------------------------------------------------------------------- lineage


def child(license: str, *parents: str, extra: str = "") -> dict[str, str | bytes]:
    listed = "".join(f"- {{{parent}}}\n" for parent in parents)
    return card("child", license, f"derived_from:\n{listed}{extra}")


@pytest.mark.parametrize(
    ("parent", "license", "relation", "extra", "rules"),
    [
        ("CC-BY-4.0", "CC-BY-4.0", "clean", "", []),
        ("CC0-1.0", "MIT", "clean", "", []),
        ("CC-BY-NC-4.0", "CC-BY-4.0", "clean", "", ["license-conflict"]),
        ("CC-BY-NC-4.0", "CC-BY-NC-4.0", "clean", "", []),
        ("CC-BY-NC-4.0", "CC-BY-NC-4.0", "clean", "permitted_use: [commercial]\n", ["license-conflict"]),
        ("CC-BY-NC-4.0 OR MIT", "CC-BY-4.0", "clean", "", []),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", "translate", "", ["license-conflict"]),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", "subset", "", []),
        ("CC-BY-SA-4.0", "CC-BY-4.0", "merge", "", ["license-conflict"]),
        ("CC-BY-SA-3.0", "CC-BY-SA-4.0", "merge", "", []),
        ("C-UDA-1.0", "CC-BY-4.0", "clean", "", ["license-conflict"]),
        ("CC-BY-SA-4.0", "ODbL-1.0", "merge", "", []),
        ("CC-BY-NC-4.0", "LicenseRef-internal", "clean", "", []),
    ],
)
def test_edges(repo: Repo, parent: str, license: str, relation: str, extra: str, rules: list[str]) -> None:
    repo.commit(card("raw", parent))
    repo.stage(child(license, f"id: raw, relation: {relation}", extra=extra))
    assert repo.check().rules == rules


def test_a_parent_elsewhere(repo: Repo) -> None:
    parent = "url: 'https://example.org/x', license: CC-BY-NC-4.0, relation: clean"
    repo.stage(child("CC-BY-4.0", parent))
    assert repo.check().rules == ["license-conflict"]


def test_what_is_not_known_is_for_review_where_reviews_are_asked_for(repo: Repo) -> None:
    repo.stage(child("CC-BY-4.0", "url: 'https://example.org/x', relation: clean"))
    assert repo.check().passes
    repo.stage(policy("licenses: {allow: ['CC-BY-4.0']}\n"))
    verdict = repo.check()
    assert verdict.rules == ["license-not-reviewed"]
    assert "is not stated" in verdict.out
    files = child("CC-BY-4.0", "url: 'https://example.org/x', relation: clean")
    repo.stage(reviewed(files))
    assert repo.check().rules == []


def test_a_parent_that_gets_another_licence(repo: Repo) -> None:
    base = repo.commit({**card("raw", "CC0-1.0"), **child("MIT", "id: raw, relation: clean")})
    repo.stage(card("raw", "CC-BY-NC-4.0"))
    assert repo.check().caught("license-conflict") == ["data/child.csv.datacard.yaml"]
    repo.commit()
    assert repo.check("--range", f"{base}...HEAD").rules == ["license-conflict"]


def test_a_parent_whose_id_goes_to_other_data(repo: Repo) -> None:
    base = repo.commit({**card("raw", "CC0-1.0"), **child("MIT", "id: raw, relation: clean")})
    raw = "data/raw.csv.datacard.yaml"
    other = {path.replace("raw", "new"): text for path, text in card("raw", "CC-BY-NC-4.0").items()}
    repo.stage({raw: (repo.path / raw).read_text().replace("id: raw", "id: raw-2"), **other})
    assert repo.check().caught("license-conflict") == ["data/child.csv.datacard.yaml"]
    repo.commit()
    assert repo.check("--range", f"{base}...HEAD").rules == ["license-conflict"]


@pytest.mark.parametrize("stated", ["", "license: MIT, "])
@pytest.mark.parametrize("logged", [False, True])
def test_a_parent_that_is_deleted_binds_as_long_as_it_can_be_seen(repo: Repo, stated: str, logged: bool) -> None:
    repo.commit(card("raw", "CC-BY-NC-4.0"))
    if logged:
        repo.custody("audit", "add", "--op", "create", "--reason", "first import", "data/raw.csv")
        assert list((repo.path / ".custody/audit/raw").iterdir())
    base = repo.commit(child("CC-BY-NC-4.0", "id: raw, relation: clean"))
    repo.git("rm", "-q", "data/raw.csv", "data/raw.csv.datacard.yaml")
    repo.stage(child("MIT", f"id: raw, {stated}relation: clean"))
    verdict = repo.check()
    assert verdict.caught("license-conflict") == ["data/child.csv.datacard.yaml"]
    repo.commit()
    assert "license-conflict" in repo.check("--range", f"{base}...HEAD").rules
    assert ("unresolved-parent" in repo.check("--all").rules) is not (logged and bool(stated))


def test_a_line_within_quotes_takes_no_parent_over(repo: Repo) -> None:
    base = repo.commit(card("raw", "CC-BY-NC-4.0"))
    path = "data/another.csv.datacard.yaml"
    other = card("another", "MIT")
    text = str(other[path]).replace("id: another\n", '"\\x69d": another\nnotes: "Rows\nid: raw\nfor tests"\n')
    repo.stage({**other, path: text, **child("MIT", "id: raw, relation: clean")})
    assert repo.check().caught("license-conflict") == ["data/child.csv.datacard.yaml"]
    repo.commit()
    assert repo.check("--range", f"{base}...HEAD").rules == ["license-conflict"]


def test_a_review_moves_with_its_data(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": REVIEW, **reviewed(card())})
    repo.git("mv", "data/rows.csv", "data/moved.csv")
    repo.git("mv", CARD, "data/moved.csv.datacard.yaml")
    assert repo.check().passes


def test_credit(repo: Repo) -> None:
    repo.commit({**policy("level: 2\n"), **card("raw", extra="personal_data: none\n")})
    extra = "personal_data: none\nattribution: Rows by Example Lab\n"
    repo.stage(child("CC-BY-4.0", "id: raw, relation: clean", extra="personal_data: none\n"))
    assert "missing-attribution" in repo.check().rules
    repo.stage(child("CC-BY-4.0", "id: raw, relation: clean", extra=extra))
    assert "missing-attribution" not in repo.check().rules


def test_who_asks_for_credit_is_named_once(repo: Repo) -> None:
    repo.commit({**policy("level: 2\n"), **card("raw", extra="personal_data: none\n")})
    twice = ("id: raw, relation: clean", "id: raw, relation: filter")
    repo.stage(child("CC-BY-4.0", *twice, extra="personal_data: none\n"))
    (finding,) = [f for f in repo.check().report["findings"] if f["rule"] == "missing-attribution"]
    assert '("raw")' in finding["message"]


def test_a_card_that_contradicts_itself(repo: Repo) -> None:
    repo.stage(card(license="CC-BY-NC-4.0", extra="permitted_use: [train, commercial]\n"))
    assert repo.check().rules == ["license-conflict"]


def test_cards_with_anything_in_them(repo: Repo) -> None:
    """Fields of any kind in any place end in findings, never in an error of the tool."""
    chance = random.Random(7)
    leaves = [
        None,
        True,
        7,
        "",
        "MIT",
        "LicenseRef-x",
        "approved",
        "conditional",
        "source",
        "2026-01-01",
        "legal/x.txt",
    ]
    keys = ["id", "url", "relation", "license", "kind", "file", "path", "sha256", "status", "reviewer", "conditions",
            "digest", "basis", "scope", "date", "expires"]  # fmt: skip
    fields = ["source", "derived_from", "ip_review", "license_evidence", "license_files", "permitted_use",
              "prohibited_use", "attribution"]  # fmt: skip

    def value(depth: int) -> object:
        kind = chance.randrange(3) if depth else 0
        if kind == 0:
            return chance.choice(leaves)
        if kind == 1:
            return [value(depth - 1) for _ in range(chance.randrange(3))]
        return {key: value(depth - 1) for key in chance.sample(keys, 5)}

    files: dict[str, str | bytes] = {**policy("level: 3\nlicenses: {allow: [MIT]}\n"), "legal/x.txt": "You may.\n"}
    for number in range(300):
        name = f"d{number}"
        digest = hashlib.sha256(ROWS.encode()).hexdigest()
        data = {"kind": "data-card", "version": 1, "id": name, "license": chance.choice(["MIT", "LicenseRef-x"]),
                "content": {"digest": {"sha256": digest}}}  # fmt: skip
        data.update({field: value(3) for field in chance.sample(fields, 4)})
        files[f"data/{name}.csv"], files[f"data/{name}.csv.datacard.yaml"] = ROWS, json.dumps(data)
    repo.stage(files)
    report = repo.check().report
    assert report["errors"] == []
    assert {finding["rule"] for finding in report["findings"]} >= {"license-not-reviewed", "license-evidence-missing"}
