"""A bot that commits what a feed brings, every night, at level 3: the recipe of docs/sources.md."""

from __future__ import annotations

import hashlib
import json
from datetime import date

import pytest
import yaml

from conftest import Repo

FEED = "data/prices.csv"
CARD = f"{FEED}.datacard.yaml"
POLICY = """\
version: 1
level: 3
sources: {trusted: [{match: "https://feeds.example.org/prices/**", reason: our contract with the exchange}]}
licenses: {allow: [CC0-1.0], review: [CC-BY-NC-4.0]}
"""
NIGHTS = 20


def first_card(rows: str) -> str:
    """A card at level 3, before anybody has reviewed it."""
    today = date.today().isoformat()
    content = {"sha256": hashlib.sha256(rows.encode()).hexdigest()}
    card = {
        "kind": "data-card", "version": 1, "level": 3, "id": "prices", "title": "Prices of the exchange, one row a day",
        "source": {
            "kind": "licensed-third-party", "url": "https://feeds.example.org/prices/daily.csv", "retrieved": today,
            "publisher": "Example Exchange",
        },
        "license": "CC-BY-NC-4.0",
        "license_evidence": {"url": "https://feeds.example.org/terms", "captured": today, "stated_by": "contract"},
        "personal_data": "none",
        "intended_use": "forecasts of prices in a course on time series",
        "stewards": [{"role": "owner", "contact": "feeds@example.org"}],
        "maintenance": {"live": True, "cadence": "every night"},
        "content": {"digest": content, "bytes": len(rows), "media_type": "text/csv"},
    }  # fmt: skip
    return yaml.safe_dump(card, sort_keys=False)


def about(repo: Repo, *words: str) -> list[str]:
    """What blocks: everything but that nobody has signed, which a job does with a key of its own."""
    report = repo.check(*words).report
    assert report["errors"] == []
    return [
        f"{f['rule']}: {f['message']}" for f in report["findings"]
        if f["rule"] != "missing-signature"
    ]  # fmt: skip


def night(repo: Repo, number: int, op: str = "append") -> None:
    """What the job does, in its own words."""
    with open(repo.path / FEED, "a") as feed:
        feed.write(f"2026-01-{number + 1:02},{100 + number}\n")
    (repo.path.parent / "why.txt").write_text(f"prices of night {number}, as the exchange sent them\n")
    said = repo.custody("add", "--op", op, "--reason-from", str(repo.path.parent / "why.txt"), FEED)
    assert "nothing was changed" not in said.out + said.err, said
    repo.commit(message=f"Prices of night {number}")


@pytest.fixture
def feed(repo: Repo) -> Repo:
    """A repository with the feed as it was when somebody reviewed it."""
    rows = "day,price\n2026-01-01,100\n"
    repo.commit({".custody/policy.yaml": POLICY, "CODEOWNERS": "* @owners\n"})
    repo.stage({FEED: rows, CARD: first_card(rows)})
    repo.custody("add", "--reason", "the feed as it was when we took it over", FEED)
    said = repo.custody("review", "--kind", "license", "--scope", "source", "--reviewer", "Counsel of Example", FEED)
    assert said.code != 2, said
    repo.commit()
    assert about(repo, "--all") == []
    return repo


def test_a_feed_of_many_nights_asks_nobody_again(feed: Repo) -> None:
    base = feed.git("rev-parse", "HEAD")
    reviewed = yaml.safe_load((feed.path / CARD).read_text())["ip_review"]
    for number in range(1, NIGHTS + 1):
        night(feed, number)
    assert about(feed, "--range", f"{base}...HEAD") == about(feed, "--all") == []
    card = yaml.safe_load((feed.path / CARD).read_text())
    assert card["ip_review"] == reviewed
    assert card["content"]["bytes"] == (feed.path / FEED).stat().st_size
    entries = [json.loads(path.read_text()) for path in (feed.path / ".custody/audit/prices").iterdir()]
    assert sorted(entry["op"] for entry in entries) == ["append"] * NIGHTS + ["create"]
    assert f"prices of night {NIGHTS}, as the exchange sent them" in {entry["reason"] for entry in entries}


def test_a_feed_that_comes_from_elsewhere_is_asked_about(feed: Repo) -> None:
    card = (feed.path / CARD).read_text()
    night(feed, 1)
    feed.stage({CARD: (feed.path / CARD).read_text().replace("feeds.example.org/prices", "mirror.example/prices")})
    assert card != (feed.path / CARD).read_text()
    assert [said.partition(":")[0] for said in about(feed) if said.startswith("untrusted")] == ["untrusted-source"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("day,price\n2026-01-01,999\n2026-01-02,101\n", "does not begin with what it held"),
        ("day,price\n", "does not begin with what it held"),
    ],
)
def test_what_was_there_and_is_different_is_no_append(feed: Repo, rows: str, said: str) -> None:
    feed.write(FEED, rows)
    refused = feed.custody("add", "--op", "append", "--reason", "prices of another night", FEED)
    assert refused.code == 2
    assert said in refused.err
    assert feed.git("status", "--porcelain") == f"M {FEED}"
    assert feed.custody("add", "--op", "clean", "--reason", "the first price was wrong", FEED).code != 2


def test_a_folder_grows_by_files(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\nalso: [check-dataset-audit-log]\n"})
    repo.write("data/days/1.csv", "a\n1\n")
    words = ("--title", "Days of a course", "--source-kind", "original", "--publisher", "Lab", "--license", "CC0-1.0")
    repo.custody("add", "--as-one", *words, "--reason", "the first day", "data/days")
    repo.commit()
    repo.write("data/days/2.csv", "a\n2\n")
    assert repo.custody("add", "--op", "append", "--reason", "the second day", "data/days").code == 0
    repo.commit()
    (repo.path / "data/days/1.csv").unlink()
    refused = repo.custody("add", "--op", "append", "--reason", "the third day", "data/days")
    assert (refused.code, "is gone" in refused.err) == (2, True)
    assert repo.check("--all").rules == []


def test_branches_that_have_to_be_joined_ask_nobody_before_they_are(feed: Repo) -> None:
    rows = (feed.path / FEED).read_text()
    feed.git("checkout", "-q", "-b", "side")
    night(feed, 1)
    feed.git("checkout", "-q", "main")
    night(feed, 2)
    feed.git("merge", "-q", "side", check=False)
    feed.stage({FEED: f"{rows}2026-01-02,101\n2026-01-03,102\n"})
    feed.custody("card", "update", CARD)
    assert [said.partition(":")[0] for said in about(feed)] == ["audit-heads-diverged"]
    feed.custody("audit", "merge", "--reason", "the nights of both branches", FEED)
    assert about(feed) == []
