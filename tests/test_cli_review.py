"""`git custody review`: what it writes, what it leaves alone, and what it refuses."""

from __future__ import annotations

import hashlib
import shlex
from datetime import date, timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROWS, Repo, documented
from git_custody.datasets.cards import fields_of, with_group

CARD = "data/rows.csv.datacard.yaml"
POLICY = {".custody/policy.yaml": "version: 1\nlicenses: {review: ['CC-BY-*']}\nsources: {trusted: []}\n"}
DIGEST = {"sha256": hashlib.sha256(ROWS.encode()).hexdigest()}


@pytest.fixture
def ready(repo: Repo) -> Repo:
    """A repository whose policy asks for a review of the licence of the one dataset that is staged."""
    repo.commit(POLICY)
    repo.stage(documented("data/rows.csv"))
    return repo


def said(repo: Repo) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(repo.git("show", f":{CARD}"))
    return loaded


def test_the_command_of_the_finding_works(ready: Repo) -> None:
    (finding,) = ready.check().report["findings"]
    assert finding["rule"] == "license-not-reviewed"
    (line,) = finding["fix"]
    words = shlex.split(line)
    words = words[words.index("review") :]
    assert ready.custody(*words).code == 2
    done = ready.custody(*(word.replace("NAME", "A. Counsel") for word in words))
    assert done.code == 0, done.out + done.err
    assert ready.check().passes
    review = said(ready)["ip_review"]
    assert (review["status"], review["reviewer"], review["license"]) == ("approved", "A. Counsel", "CC-BY-4.0")
    assert review["digest"] == DIGEST
    assert str(review["date"]) == date.today().isoformat()
    ready.commit()
    assert ready.check("--all").passes


def test_what_the_licence_asks_for_is_told(ready: Repo) -> None:
    done = ready.custody("review", "--kind", "license", "--reviewer", "A. Counsel", "data/rows.csv")
    assert "CC-BY-4.0: commercial use yes, sharing what is made of the data yes, credit asked for yes" in done.out


def test_comments_and_order_stay(ready: Repo) -> None:
    before = (ready.path / CARD).read_text().replace("license:", "# asked by mail\nlicense:")
    ready.write(CARD, before + "# the end\n")
    command = ("review", "--kind", "license", "--reviewer", "A. Counsel", "data/rows.csv")
    assert ready.custody(*command, "--condition", "Not for resale: ever").code == 0
    text = (ready.path / CARD).read_text()
    assert text.startswith(before + "# the end\n")
    assert said(ready)["ip_review"]["conditions"] == ["Not for resale: ever"]
    assert said(ready)["ip_review"]["status"] == "conditional"
    assert ready.custody(*command, "--scope", "source", "--expires", "2999-01-01", "--ticket", "LEGAL-7").code == 0
    review = said(ready)["ip_review"]
    assert "conditions" not in review
    assert (review["scope"], review["ticket"]) == ("source", "LEGAL-7")
    assert (ready.path / CARD).read_text().startswith(before + "# the end\n")
    again = (ready.path / CARD).read_text()
    assert ready.custody(*command, "--scope", "source", "--expires", "2999-01-01", "--ticket", "LEGAL-7").code == 0
    assert (ready.path / CARD).read_text() == again


def test_a_rejection_blocks(ready: Repo) -> None:
    command = ("review", "--kind", "license", "--reviewer", "A. Counsel", "--status", "rejected", "data/rows.csv")
    done = ready.custody(*command)
    assert (done.code, ready.check().rules) == (1, ["license-denied"])


def test_a_review_of_the_source(ready: Repo) -> None:
    grounds = ("--reviewer", "A. Steward", "--reason", "Our own sensors, read every night")
    assert ready.custody("review", "--kind", "source", *grounds, "data/rows.csv").code == 1  # the licence is owed
    review = said(ready)["source_review"]
    assert (review["status"], review["reviewer"], review["digest"]) == ("approved", "A. Steward", DIGEST)
    assert ready.check().rules == ["license-not-reviewed"]


YESTERDAY = (date.today() - timedelta(days=1)).isoformat()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("--kind license --reviewer NAME", "placeholder"),
        ("--kind license --reviewer TODO", "placeholder"),
        ("--kind license --reviewer ''", "is empty"),
        ("--kind license --reviewer A.Counsel --status conditional", "--condition TEXT"),
        ("--kind license --reviewer A.Counsel --condition tbd", "--condition is the placeholder"),
        ("--kind license --reviewer A.Counsel --status approved --condition 'Not for resale'", "goes with"),
        ("--kind license --reviewer A.Counsel --condition x1y --condition x1y", "twice"),
        ("--kind license --reviewer A.Counsel --expires tomorrow", "not a day"),
        (f"--kind license --reviewer A.Counsel --expires {YESTERDAY}", "is over"),
        ("--kind license --reviewer A.Counsel --reason 'It is fine'", "goes with --kind source"),
        ("--kind source --reviewer A.Counsel", "--reason TEXT"),
        ("--kind source --reviewer REVIEWER --reason REASON", "placeholder"),
        ("--kind source --reviewer A.Counsel --reason 'Our own' --scope source", "goes with --kind license"),
        ("--kind source --reviewer A.Counsel --reason 'Our own' --status conditional", "has to be"),
    ],
)
def test_refused(ready: Repo, words: str, fault: str) -> None:
    before = ready.git("show", f":{CARD}")
    done = ready.custody("review", *shlex.split(words), "data/rows.csv")
    assert done.code == 2
    assert fault in done.err
    assert "nothing was changed" in done.err
    assert ready.git("show", f":{CARD}") == before


def test_what_is_not_what_the_card_records_is_not_reviewed(ready: Repo) -> None:
    ready.stage({"data/rows.csv": ROWS + "20,more\n"})
    done = ready.custody("review", "--kind", "license", "--reviewer", "A. Counsel", "data/rows.csv")
    assert done.code == 2
    assert "git custody add data/rows.csv" in done.err


def test_without_a_card_or_a_licence(repo: Repo) -> None:
    repo.stage({"data/rows.csv": ROWS})
    command = ("review", "--kind", "license", "--reviewer", "A. Counsel", "data/rows.csv")
    done = repo.custody(*command)
    assert (done.code, "git custody add data/rows.csv" in done.err) == (2, True)
    files = documented("data/rows.csv")
    repo.stage({**files, CARD: str(files[CARD]).replace("CC-BY-4.0", "gemma")})
    done = repo.custody(*command)
    assert (done.code, "LicenseRef-hf-gemma" in done.err) == (2, True)


def test_a_folder_and_several_paths(repo: Repo) -> None:
    repo.commit(POLICY)
    repo.stage({"data/many/a.csv": ROWS, "data/many/b.csv": ROWS, **documented("data/rows.csv")})
    words = ("--as-one", "--title", "Many rows", "--source-kind", "original", "--license", "CC-BY-4.0")
    repo.custody("add", *words, "--publisher", "Example Lab", "data/many")
    assert repo.check().rules == ["license-not-reviewed"]
    done = repo.custody("review", "--kind", "license", "--reviewer", "A. Counsel", "data/many", "data/rows.csv")
    assert done.code == 0, done.out + done.err
    assert repo.check().passes


TEXT = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable() and "\ufeff" not in text)


@given(st.dictionaries(st.sampled_from(["status", "reviewer", "ticket"]), TEXT, min_size=1),
       st.lists(TEXT, min_size=1, max_size=3), st.sampled_from(["block", "flow", "old", "crlf"]))  # fmt: skip
def test_a_group_reads_back(texts: dict[str, str], conditions: list[str], layout: str) -> None:
    group = {**texts, "conditions": conditions, "digest": DIGEST}
    card = {
        "block": "id: a\n# why\nlicense: MIT # so\n",
        "flow": "{id: a, license: MIT}\n",
        "old": "id: a\nip_review: {status: approved}\nlicense: MIT # so\n",
        "crlf": "id: a\r\nip_review:\r\n  status: approved\r\nlicense: MIT # so\r\n",
    }[layout].encode()
    edited = with_group(card, "ip_review", group)
    assert fields_of(edited) == {"id": "a", "license": "MIT", "ip_review": group}
    assert b"# so" in edited or layout == "flow"


def test_only_the_review_that_a_change_concerns_becomes_stale(repo: Repo) -> None:
    trusted = "sources: {trusted: [{match: 'https://elsewhere.example.org/**', reason: Ours}]}\n"
    repo.commit({".custody/policy.yaml": f"version: 1\nlicenses: {{review: ['CC-BY-*']}}\n{trusted}"})
    repo.stage(documented("data/rows.csv"))
    fetched = (
        "source: {kind: public-download, url: 'https://example.org/x', retrieved: '2026-01-02', publisher: Example}"
    )
    own = "source: {kind: original, publisher: Example Lab}"
    repo.stage({CARD: (repo.path / CARD).read_text().replace(own, fetched)})
    assert repo.check().rules == ["license-not-reviewed", "untrusted-source"]
    repo.custody("review", "--kind", "license", "--reviewer", "A. Counsel", "--scope", "source", "data/rows.csv")
    repo.custody(
        "review", "--kind", "source", "--reviewer", "A. Steward", "--reason", "Known for years", "data/rows.csv"
    )
    assert repo.check().passes
    repo.commit()
    repo.stage(
        {CARD: (repo.path / CARD).read_text().replace("license: CC-BY-4.0\ncontent", "license: CC-BY-3.0\ncontent")}
    )
    assert repo.check().rules == ["stale-license-review"]
    repo.git("checkout", "-q", "HEAD", "--", CARD)
    repo.write("data/rows.csv", ROWS.replace("row 3", "row 4"))
    repo.custody("add", "data/rows.csv")
    assert repo.check().rules == ["stale-source-review"]


KEPT = ("--condition", "Not for resale", "--condition", "It's ours", "--expires", "2999-11-30", "--scope", "source")


def test_the_fix_of_a_stale_review_keeps_what_it_asks_for(ready: Repo) -> None:
    command = ("review", "--kind", "license", "--reviewer", "A. Counsel", *KEPT, "--ticket", "LEGAL-7", "data/rows.csv")
    assert ready.custody(*command).code == 0
    ready.commit()
    ready.stage({CARD: (ready.path / CARD).read_text().replace("Example Lab", "Another Lab")})
    (finding,) = ready.check().report["findings"]
    assert finding["rule"] == "stale-license-review"
    (line,) = finding["fix"]
    words = shlex.split(line)
    done = ready.custody(*(word.replace("NAME", "A. Counsel") for word in words[words.index("review") :]))
    assert done.code == 0, done.out + done.err
    review = said(ready)["ip_review"]
    assert (review["status"], review["conditions"]) == ("conditional", ["Not for resale", "It's ours"])
    assert (str(review["expires"]), review["scope"]) == ("2999-11-30", "source")
    assert "dropped: ticket LEGAL-7." in done.out
    assert ready.check().passes


def test_what_a_new_review_does_not_keep_is_told(ready: Repo) -> None:
    command = ("review", "--kind", "license", "--reviewer", "A. Counsel")
    assert ready.custody(*command, *KEPT, "data/rows.csv").code == 0
    assert "dropped" not in ready.custody(*command, *KEPT, "data/rows.csv").out
    kept = ("--condition", "It's ours", "--expires", "2999-12-31")
    told = ready.custody(*command, *kept, "data/rows.csv").out
    assert 'dropped: condition "Not for resale", scope source.' in told
    told = ready.custody(*command, "data/rows.csv").out
    assert 'dropped: condition "It\'s ours", expiry 2999-12-31.' in told
    ready.custody(*command, "--status", "rejected", "data/rows.csv")
    assert "dropped: rejection." in ready.custody(*command, "data/rows.csv").out


def test_a_day_that_is_over_is_asked_for_again(ready: Repo) -> None:
    command = ("review", "--kind", "license", "--reviewer", "A. Counsel", "--expires", "2999-11-30", "data/rows.csv")
    assert ready.custody(*command).code == 0
    text = (ready.path / CARD).read_text().replace("2999-11-30", YESTERDAY)
    ready.stage({CARD: text.replace(date.today().isoformat(), YESTERDAY)})
    (finding,) = ready.check().report["findings"]
    assert finding["fix"][0].endswith("review --kind license --reviewer NAME --expires YYYY-MM-DD data/rows.csv")


def test_a_review_of_the_source_keeps_its_last_day(repo: Repo) -> None:
    repo.commit(
        {".custody/policy.yaml": "version: 1\nsources: {trusted: [{match: 'https://e.org/**', reason: Ours}]}\n"}
    )
    files = documented("data/rows.csv")
    fetched = "kind: public-download, url: 'https://example.org/x', retrieved: '2026-01-02'"
    repo.stage({**files, CARD: str(files[CARD]).replace("kind: original", fetched)})
    command = ("review", "--kind", "source", "--reviewer", "A. Steward", "--reason", "Known for years")
    assert repo.custody(*command, "--expires", "2999-11-30", "data/rows.csv").code == 0
    repo.stage({CARD: (repo.path / CARD).read_text().replace("Example Lab", "Another Lab")})
    (finding,) = (f for f in repo.check().report["findings"] if f["rule"] == "stale-source-review")
    assert "--reason REASON --expires 2999-11-30 data/rows.csv" in finding["fix"][0]
    assert "dropped: expiry 2999-11-30." in repo.custody(*command, "data/rows.csv").out
