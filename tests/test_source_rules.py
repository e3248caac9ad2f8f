"""Rules about sources against real repositories: trust, reviews bound to content, and what publishers state."""

from __future__ import annotations

import hashlib

import pytest

from conftest import ROWS, Repo
from git_custody.core.metadata import parse_yaml
from git_custody.datasets.source_rules import basis
from kept_elsewhere import lfs

POLICY = """\
version: 1
level: {level}
sources:
  trusted:
    - {{match: "https://zenodo.org/records/**", reason: the archive of our field}}
    - {{match: "doi:10.5281/zenodo.*", reason: the same}}
"""
CARD = "data/rows.csv.datacard.yaml"


def dataset(source: str, *more: str, rows: str = ROWS) -> dict[str, str | bytes]:
    sha256 = hashlib.sha256(rows.encode()).hexdigest()
    lines = [
        "kind: data-card", "version: 1", "id: rows", "title: Rows for tests", f"source: {source}", "license: CC-BY-4.0",
        f"content: {{digest: {{sha256: {sha256}}}}}", *more,
    ]  # fmt: skip
    return {"data/rows.csv": rows, CARD: bound("\n".join(lines) + "\n")}


def bound(text: str) -> str:
    """A card whose review says of which source it is."""
    data = parse_yaml(text.encode()).data
    if isinstance(data, dict) and "source_review" in data:
        return text.replace("source_review: {", f"source_review: {{basis: {basis(data)}, ")
    return text


def download(url: str, more: str = "") -> str:
    return f'{{kind: public-download, url: "{url}", retrieved: "2026-01-02", publisher: Example Lab{more}}}'


def review(rows: str = ROWS, status: str = "approved", **more: str) -> str:
    sha256 = hashlib.sha256(rows.encode()).hexdigest()
    fields = {"status": status, "reviewer": "Ada Example", "date": '"2026-01-03"', "reason": "known to us for years"}
    fields |= {name: f'"{value}"' for name, value in more.items()}
    said = ", ".join(f"{name}: {value}" for name, value in fields.items())
    return f"source_review: {{{said}, digest: {{sha256: {sha256}}}}}"


@pytest.fixture
def asking(repo: Repo) -> Repo:
    """A repository whose policy lists trusted sources."""
    repo.commit({".custody/policy.yaml": POLICY.format(level=1)})
    return repo


@pytest.mark.parametrize(
    "source",
    [
        download("https://zenodo.org/records/1/files/rows.csv"),
        download("HTTPS://Zenodo.org:443/records/1"),
        download("doi:10.5281/zenodo.1"),
        download("https://doi.org/10.5281/zenodo.1"),
        "{kind: original, publisher: Example Lab}",
        "{kind: internal, publisher: Example Lab}",
        "{kind: user-data, publisher: Example Lab}",
        "{kind: synthetic, publisher: Example Lab}",
    ],
)
def test_sources_that_need_nothing_more(asking: Repo, source: str) -> None:
    asking.stage(dataset(source))
    assert asking.check().passes


@pytest.mark.parametrize(
    ("source", "said", "line"),
    [
        (download("https://example.org/rows.csv"), "its source is at https://example.org", 5),
        (download("https://zenodo.org@evil.example/records/1"), "names a user before its host", 5),
        (download("http://zenodo.org/records/1"), "by https only", 5),
        (download("https://zеnodo.org/records/1"), "mixes Cyrillic and Latin letters", 5),
        (download("https://zenodo.org/deposit/1"), "does not trust everything", 5),
        ("{kind: licensed-third-party, publisher: Example Lab}", "names no address", 5),
        (
            '{kind: scraped, url: "https://a.example/", retrieved: "2026-01-02", publisher: L}',
            "at https://a.example",
            5,
        ),
        ("{kind: derived, publisher: Example Lab}", "names no parents", 5),
        ('{kind: derived, url: "https://a.example/x", publisher: Example Lab}', "at https://a.example", 5),
    ],
)
def test_an_untrusted_source(asking: Repo, source: str, said: str, line: int) -> None:
    asking.stage(dataset(source))
    found = asking.check()
    assert found.rules == ["untrusted-source"]
    (finding,) = found.report["findings"]
    assert said in finding["message"]
    assert (finding["path"], finding["line"]) == (CARD, line)
    assert finding["fix"][0].startswith("git custody review --kind source ")


def test_parents_of_derived_data_count(asking: Repo) -> None:
    parent = 'derived_from:\n  - {{relation: subset, url: "{}"}}'
    asking.stage(dataset("{kind: derived, publisher: L}", parent.format("https://zenodo.org/records/1")))
    assert asking.check().passes
    asking.stage(dataset("{kind: derived, publisher: L}", parent.format("https://example.org/1")))
    found = asking.check()
    assert found.rules == ["untrusted-source"]
    assert "a parent is at https://example.org" in found.report["findings"][0]["message"]
    assert found.report["findings"][0]["line"] == 9


def test_without_trusted_sources_nothing_is_asked(repo: Repo) -> None:
    repo.stage(dataset(download("https://example.org/rows.csv")))
    assert repo.check().passes
    repo.stage({".custody/policy.yaml": "version: 1\nsources: {trusted: []}\n"})
    assert repo.check().passes


def test_a_review_admits_a_source(asking: Repo) -> None:
    asking.stage(dataset(download("https://example.org/rows.csv"), review()))
    assert asking.check().passes
    asking.commit()
    assert asking.check("--all").passes


def test_the_command_that_is_printed_records_the_review(asking: Repo) -> None:
    asking.stage(dataset(download("https://example.org/rows.csv")))
    (fix,) = asking.check().report["findings"][0]["fix"]
    words = fix.removeprefix("git custody ").split()
    filled = {"REVIEWER": "Ada Example", "REASON": "known to us for years"}
    done = asking.custody(*(filled.get(word, word) for word in words))
    assert (done.code, done.err) == (0, "")
    assert asking.check().passes
    asking.commit()
    asking.stage(dataset(download("https://example.org/rows.csv"), review(), rows=ROWS + "x"))
    (finding,) = asking.check().report["findings"]
    assert finding["rule"] == "stale-source-review"
    assert finding["fix"] == [fix]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"status": "rejected"}, "its source review is rejected"),
        ({"status": "pending"}, "its source review is pending"),
        ({"expires": "2026-02-01"}, "its source review expired on 2026-02-01"),
    ],
)
def test_a_review_that_does_not_count(asking: Repo, more: dict[str, str], said: str) -> None:
    asking.stage(dataset(download("https://example.org/rows.csv"), review(**more)))
    found = asking.check()
    assert found.rules == ["untrusted-source"]
    assert said in found.report["findings"][0]["message"]


def test_one_byte_makes_exactly_that_review_stale(asking: Repo) -> None:
    source = download("https://example.org/rows.csv")
    asking.commit(dataset(source, review()))
    base = asking.git("rev-parse", "HEAD")
    asking.stage(dataset(source, review(), rows=ROWS + "x"))
    old, new = (hashlib.sha256(rows.encode()).hexdigest()[:12] for rows in (ROWS, ROWS + "x"))
    asking.commit()
    for verdict in (asking.check("--range", f"{base}...HEAD"), asking.check("--all")):
        assert verdict.rules == ["stale-source-review"]
        (finding,) = verdict.report["findings"]
        assert f"is of other content (sha256 {old}…) than there is now (sha256 {new}…)" in finding["message"]
        assert finding["line"] == 8
    asking.commit(dataset(source, review(ROWS + "x"), rows=ROWS + "x"))
    assert asking.check("--all").passes


def test_a_stale_review_of_a_folder_names_the_files(asking: Repo) -> None:
    from git_custody.core.digests import dir_hash

    def folder(**rows: str) -> dict[str, str | bytes]:
        hashes = {f"{name}.csv": hashlib.sha256(text.encode()).hexdigest() for name, text in rows.items()}
        files: dict[str, str | bytes] = dataset(download("https://example.org/x"))
        card, both = str(files[CARD]), f"{{dirHash: {dir_hash(hashes)}}}"
        card = card[: card.index("content:")] + f"content: {{digest: {both}}}\n"
        reviewed = folder.reviewed = getattr(folder, "reviewed", both)  # type: ignore[attr-defined]
        card += review().partition("digest:")[0] + f"digest: {reviewed}}}\n"
        return {**{f"data/set/{name}.csv": text for name, text in rows.items()}, "data/set/datacard.yaml": bound(card)}

    asking.commit(folder(a="1\n", b="2\n"))
    assert asking.check("--all").passes
    asking.stage(folder(a="1\n", b="3\n"))
    found = asking.check()
    assert found.rules == ["stale-source-review"]
    assert found.report["findings"][0]["found"] == "changed here: b.csv"


def test_a_stale_review_that_nobody_asked_for_only_warns(repo: Repo) -> None:
    repo.stage(dataset(download("https://example.org/rows.csv"), review("other")))
    found = repo.check()
    assert (found.code, found.warned) == (0, ["stale-source-review"])


def test_a_source_that_is_trusted_needs_no_review(asking: Repo) -> None:
    asking.stage(dataset(download("https://zenodo.org/records/1"), review("other")))
    assert asking.check().passes


def test_trust_is_that_of_the_base_in_a_range(asking: Repo) -> None:
    base = asking.git("rev-parse", "HEAD")
    wider = POLICY.format(level=1) + '    - {match: "https://example.org/**", reason: mine}\n'
    asking.commit({".custody/policy.yaml": wider, **dataset(download("https://example.org/rows.csv"))})
    assert asking.check("--range", f"{base}...HEAD").rules == ["policy-weakened", "untrusted-source"]
    assert asking.check("--all").passes


# ---------------------------------------------------------------------- what was published

SHA256 = hashlib.sha256(ROWS.encode()).hexdigest()


@pytest.fixture
def strict(repo: Repo) -> Repo:
    """A repository at level 2 without trusted sources."""
    repo.commit({".custody/policy.yaml": "version: 1\nlevel: 2\n"})
    return repo


def said(repo: Repo, rule: str) -> list[str]:
    return [finding["message"] for finding in repo.check().report["findings"] if finding["rule"] == rule]


@pytest.mark.parametrize(
    ("url", "publisher"),
    [
        ("https://zenodo.org/records/1/files/rows.csv?download=1", "Zenodo"),
        ("doi:10.5281/zenodo.1", "Zenodo"),
        ("https://figshare.com/articles/dataset/rows/123/1", "Figshare"),
        ("https://ndownloader.figshare.com/files/123", "Figshare"),
        ("https://huggingface.co/datasets/o/n/resolve/main/a/rows.parquet", "Hugging Face"),
        ("https://huggingface.co/datasets/o/n/resolve/main/rows.csv", None),
        ("https://huggingface.co/datasets/o/n", None),
        ("https://zenodo.org.evil.example/records/1", None),
        ("https://zenodo.org/communities/x", None),
        ("https://example.org/rows.csv", None),
        ("https://github.com/o/n/releases/download/v1/rows.csv", None),
    ],
)
def test_publishers_that_state_a_digest(strict: Repo, url: str, publisher: str | None) -> None:
    strict.stage(dataset(download(url)))
    found = said(strict, "missing-upstream-digest")
    assert [text.partition(" states")[0] for text in found] == ([publisher] if publisher else [])
    strict.stage({".custody/policy.yaml": "version: 1\n"})
    assert said(strict, "missing-upstream-digest") == []


def test_a_digest_that_is_recorded_is_enough(strict: Repo) -> None:
    md5 = hashlib.md5(ROWS.encode(), usedforsecurity=False).hexdigest()
    more = f', digest: {{md5: {md5}, published_at: "https://zenodo.org/records/1"}}'
    strict.stage(dataset(download("https://zenodo.org/records/1", more)))
    assert said(strict, "missing-upstream-digest") == said(strict, "upstream-digest-differs") == []


@pytest.mark.parametrize(
    ("sha256", "more", "differs"),
    [
        (SHA256, "", False),
        ("0" * 64, "", True),
        ("0" * 64, "processing: [{step: unpacked the archive}]", False),
        ("0" * 64, "processing: []", True),
    ],
)
def test_the_published_digest_is_that_of_the_file(repo: Repo, sha256: str, more: str, differs: bool) -> None:
    stated = f', digest: {{sha256: {sha256}, published_at: "https://example.org/sums"}}'
    repo.stage(dataset(download("https://example.org/rows.csv", stated), *([more] if more else [])))
    assert bool(said(repo, "upstream-digest-differs")) == differs


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha512"])
@pytest.mark.parametrize("where", ["git", "Git LFS", "nowhere"])
def test_other_digests_are_compared_where_the_content_is_here(repo: Repo, algorithm: str, where: str) -> None:
    right = hashlib.new(algorithm, ROWS.encode(), usedforsecurity=False).hexdigest()
    for published, differs in ((right, False), (right[::-1], where != "nowhere")):
        stated = f', digest: {{{algorithm}: {published}, published_at: "https://example.org/sums"}}'
        files = dataset(download("https://example.org/rows.csv", stated))
        if where != "git":
            files["data/rows.csv"] = lfs(repo, ROWS.encode(), here=where == "Git LFS")
        repo.stage(files)
        for _ in range(2):  # the second time from what is remembered
            found = [f for f in repo.check().report["findings"] if f["rule"] == "upstream-digest-differs"]
            assert [f["found"] for f in found] == [
                f"{algorithm} {right}, and published: {algorithm} {published}"
            ] * differs
        (repo.path / "data/rows.csv").unlink()


@pytest.mark.parametrize(
    ("hashed", "published", "differs"),
    [("", "0" * 32, False), ("  hash: md5\n", "0" * 32, True), ("  hash: md5\n", hashlib.md5(b"").hexdigest(), False)],
)
def test_an_md5_by_which_dvc_names_the_content_is_compared(
    repo: Repo, hashed: str, published: str, differs: bool
) -> None:
    stated = f', digest: {{md5: {published}, published_at: "https://example.org/sums"}}'
    files = dataset(download("https://example.org/rows.csv", stated))
    files.pop("data/rows.csv")
    text = f"outs:\n- md5: {hashlib.md5(b'').hexdigest()}\n  size: 0\n{hashed}  path: rows.csv\n"
    repo.stage({**files, "data/rows.csv.dvc": text})
    repo.stage({CARD: str(files[CARD]).replace(SHA256, hashlib.sha256(text.encode()).hexdigest())})
    assert bool(said(repo, "upstream-digest-differs")) == differs


@pytest.mark.parametrize(
    ("name", "text", "published", "differs"),
    [
        (
            "data/rows.csv.dvc",
            "outs:\n- md5: d41d8cd98f00b204e9800998ecf8427e\n  size: 0\n  path: rows.csv\n",
            "1" * 64,
            False,
        ),
        (
            "data/rows.csv",
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{'1' * 64}\nsize 5\n",
            "1" * 64,
            False,
        ),
        (
            "data/rows.csv",
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{'2' * 64}\nsize 5\n",
            "1" * 64,
            True,
        ),
    ],
)
def test_the_published_digest_is_that_of_the_content_elsewhere(
    repo: Repo, name: str, text: str, published: str, differs: bool
) -> None:
    stated = f', digest: {{sha256: {published}, published_at: "https://example.org/sums"}}'
    files = dataset(download("https://example.org/rows.csv", stated))
    files.pop("data/rows.csv")
    repo.stage({**files, name: text})
    assert bool(said(repo, "upstream-digest-differs")) == differs


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("example.org", "elsewhere.example"),
        ("publisher: Example Lab", "publisher: Somebody"),
        ("public-download", "scraped"),
    ],
)
def test_a_review_is_of_one_source(asking: Repo, was: str, becomes: str) -> None:
    files = dataset(download("https://example.org/rows.csv"), review())
    asking.stage(files)
    assert asking.check().passes
    asking.stage({CARD: str(files[CARD]).replace(was, becomes, 1)})
    verdict = asking.check()
    assert verdict.rules == ["stale-source-review"]
    assert "another source than the card states" in verdict.out


def test_a_review_says_of_which_source_it_is(asking: Repo) -> None:
    text = str(dataset(download("https://example.org/rows.csv"), review())[CARD])
    start = text.index("basis: ")
    asking.stage({"data/rows.csv": ROWS, CARD: text[:start] + text[text.index("status:") :]})
    verdict = asking.check()
    assert verdict.rules == ["stale-source-review"]
    assert "which source it is of" in verdict.out
