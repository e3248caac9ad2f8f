"""check-dataset-card against real repositories: what it must say, and what it must leave alone."""

from __future__ import annotations

import hashlib
import shlex
from datetime import datetime, timedelta, timezone

import pytest

from conftest import CARD, ROWS, Repo, documented

BIG = "id,text\n" + "x" * 70_000 + "\n"


def today(days: int = 0) -> str:
    return (datetime.now(timezone.utc) + timedelta(days=days)).date().isoformat()


def card(**changes: str) -> dict[str, str | bytes]:
    """A documented dataset whose card has some lines replaced: field → whole line."""
    files = documented("data/rows.csv")
    text = str(files["data/rows.csv.datacard.yaml"])
    lines = [changes.pop(line.partition(":")[0], line) for line in text.splitlines()]
    return {
        "data/rows.csv": files["data/rows.csv"],
        "data/rows.csv.datacard.yaml": "\n".join([*lines, *changes.values()]) + "\n",
    }


# ---------------------------------------------------------------------- which files


@pytest.mark.parametrize(
    "path",
    [
        "data/train.csv", "data/a/b/c.bin", "datasets/x.txt", "data/noext", "data/image.png", "data/x.json",
        "data/x.csv.gz", "data/weird name.csv", "data/-x.csv", "data/x.CSV", "data/x.csv.dvc",
        "data/license_plates.csv", "data/authors.parquet", "data/notices.jsonl.gz",
    ],
)  # fmt: skip
def test_dataset_without_card(repo: Repo, path: str) -> None:
    repo.stage({path: ROWS})
    assert repo.check().rules == ["missing-data-card"]


@pytest.mark.parametrize(
    "path",
    ["big.csv", "src/big.jsonl", "x/y/big.tsv.gz", "big.parquet", "deep/er/big.ndjson.zst", "Data/big.csv"],
)
def test_large_table_outside_of_the_data_folders(repo: Repo, path: str) -> None:
    repo.stage({path: BIG})
    assert repo.check().rules == ["missing-data-card"]


@pytest.mark.parametrize(
    "path",
    [
        "data/README.md", "data/.gitkeep", "data/load.py", "data/notes.rst", "data/explore.ipynb", "data/LICENSE",
        "data/LICENSE.txt", "data/config.yaml", "data/Makefile", "data/.hidden", "data/schema.sql", "data/R/clean.R",
        "small.csv", "src/x.json", "notes.txt", "docs/page.xml", "logo.png", "src/data/x.csv", "lib/datasets/y.csv",
    ],
)  # fmt: skip
def test_ordinary_files_are_left_alone(repo: Repo, path: str) -> None:
    repo.stage({path: ROWS})
    assert repo.check().code == 0


@pytest.mark.parametrize(
    "path",
    [
        "tests/big.csv",
        "a/test/big.csv",
        "doc/big.csv",
        "docs/b.csv",
        "examples/b.csv",
        "fixtures/b.csv",
        ".x/b.csv",
    ],
)
def test_large_tables_of_tests_and_docs_are_left_alone(repo: Repo, path: str) -> None:
    repo.stage({path: BIG})
    assert repo.check().code == 0


def test_policy_globs_add_and_take_away(repo: Repo) -> None:
    policy = "version: 1\ndatasets: {include: ['corpus/**'], exclude: ['data/tmp/**']}\n"
    repo.commit({".custody/policy.yaml": policy})
    repo.stage({"data/tmp/x.csv": ROWS})
    assert repo.check().code == 0
    repo.stage({"corpus/x.txt": "words\n"})
    assert [f["path"] for f in repo.check().report["findings"]] == ["corpus/x.txt"]


def test_large_lfs_pointer_counts_by_the_size_it_states(repo: Repo) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 70000\n"
    repo.commit({".custody/policy.yaml": "version: 1\nabsent_content: {changed: allow}\n"})
    repo.stage({"table.csv": pointer})
    assert repo.check().rules == ["missing-data-card"]
    repo.stage({"table.csv": pointer.replace("70000", "700")})
    assert repo.check().rules == []


# ---------------------------------------------------------------------- good cards


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"title": "title: Cats"},
        {"title": "title: 売上 2025"},
        {"title": "title: N/A rates in Ohio"},
        {"license": "license: MIT OR Apache-2.0"},
        {"license": "license: LicenseRef-Our-Contract"},
        {"license": "license: GPL-2.0-or-later WITH Classpath-exception-2.0"},
        {"x-team": "x-team: {anything: [1, 2]}"},
        {"description": "description: Twenty rows, made by hand."},
        {
            "source": "source: {kind: public-download, url: 'https://example.org/x?y=1', retrieved: '2025-01-02', publisher: X Co}"
        },
        {
            "source": f"source: {{kind: public-download, url: 'https://example.org/', retrieved: '{today(1)}', publisher: X Co}}"
        },
        {"source": "source: {kind: scraped, url: 's3://bucket/key', retrieved: 2025-01-02, publisher: NO}"},
    ],
)
def test_good_cards(repo: Repo, changes: dict[str, str]) -> None:
    repo.stage(card(**changes))
    verdict = repo.check()
    assert verdict.report["findings"] == []


def test_folder_card(repo: Repo) -> None:
    files = {"data/set/a.csv": "1\n", "data/set/sub/b.csv": "2\n", "data/set/README.md": "About\n"}
    lines = "".join(
        f"{hashlib.sha256(text.encode()).hexdigest()}  {path[9:]}\n" for path, text in sorted(files.items())
    )
    whole = hashlib.sha256(lines.encode()).hexdigest()
    text = CARD.format(id="set", title="A set", sha256="").replace("{sha256: }", f"{{dirHash: {whole}}}")
    repo.stage({**files, "data/set/datacard.yaml": text})
    assert repo.check().report["findings"] == []
    repo.commit()
    repo.stage({"data/set/sub/c.csv": "3\n"})
    assert repo.check().rules == ["digest-mismatch"]
    repo.git("rm", "-q", "-f", "data/set/sub/c.csv")
    assert repo.check("--staged").rules == []
    repo.git("rm", "-q", "data/set/a.csv")
    assert repo.check().rules == ["digest-mismatch"]


@pytest.mark.parametrize(("said", "message"), [("files: 1", None), ("files: 2", "2 files, and it has 1")])
@pytest.mark.parametrize("is_folder", [False, True])
def test_the_number_of_files(repo: Repo, said: str, message: str | None, is_folder: bool) -> None:
    sha256 = hashlib.sha256(b"1\n").hexdigest()
    digest = f"sha256: {sha256}"
    if is_folder:
        digest = f"dirHash: {hashlib.sha256(f'{sha256}  a.csv'.encode() + bytes([10])).hexdigest()}"
    text = CARD.format(id="set", title="A set", sha256="").replace("{sha256: }", f"{{{digest}}}, {said}")
    repo.stage(
        {"data/set/a.csv": "1\n", "data/set/datacard.yaml" if is_folder else "data/set/a.csv.datacard.yaml": text}
    )
    found = [(f["rule"], f["message"]) for f in repo.check().report["findings"]]
    assert found == ([("digest-mismatch", f"its card records {message}")] if message else [])


def test_a_card_that_is_too_large_is_not_said_to_have_a_size_that_it_has_not(repo: Repo) -> None:
    repo.stage({**card(), "data/rows.csv.datacard.yaml": "notes: " + "x" * 3_000_000})
    said = [f["message"] for f in repo.check().report["findings"] if f["path"] == "data/rows.csv.datacard.yaml"]
    assert said == ["this file has more than the 262144 bytes that metadata may have"]


def test_card_and_data_come_from_the_index(repo: Repo) -> None:
    repo.stage(documented("data/rows.csv"))
    repo.write("data/rows.csv", "dirty\n")
    repo.write("data/rows.csv.datacard.yaml", "broken: [")
    assert repo.check("--staged").code == 0
    repo.git("add", "data/rows.csv.datacard.yaml")
    repo.write("data/rows.csv.datacard.yaml", str(documented("data/rows.csv")["data/rows.csv.datacard.yaml"]))
    assert repo.check("--staged").rules == ["invalid-data-card"]


def test_untracked_card_does_not_count(repo: Repo) -> None:
    files = documented("data/rows.csv")
    repo.stage({"data/rows.csv": files["data/rows.csv"]})
    repo.write("data/rows.csv.datacard.yaml", files["data/rows.csv.datacard.yaml"])
    assert repo.check().rules == ["missing-data-card"]


# ---------------------------------------------------------------------- bad cards


@pytest.mark.parametrize(
    ("changes", "rule", "line", "said"),
    [
        ({"kind": "kind: model-card"}, "invalid-data-card", 1, "data-card"),
        ({"version": "version: 9"}, "invalid-data-card", 2, "1"),
        ({"id": "id: Support Tickets"}, "invalid-data-card", 3, "a-z"),
        ({"title": "title: TODO"}, "hollow-data-card", 4, "TODO"),
        ({"title": "title: rows.csv"}, "hollow-data-card", 4, "title"),
        ({"title": "title: data/rows.csv"}, "hollow-data-card", 4, "title"),
        ({"title": "title: '[More Information Needed]'"}, "hollow-data-card", 4, "title"),
        ({"title": "title: TITLE"}, "hollow-data-card", 4, "title"),
        ({"source": "source: {kind: original, publisher: TBD}"}, "hollow-data-card", 5, "publisher"),
        ({"source": "source: {kind: public-download, publisher: X}"}, "invalid-data-card", 5, "url"),
        ({"source": "source: {kind: scraped, url: nowhere, retrieved: '2025-01-01', publisher: X}"}, "invalid-data-card", 5, "nowhere"),
        ({"source": "source: {kind: original, retrieved: '2999-01-01', publisher: X Co}"}, "invalid-data-card", 5, "future"),
        ({"license": "license: cc-by-4"}, "invalid-data-card", 6, "CC-BY-4.0"),
        ({"license": "license: MIT, Apache-2.0"}, "invalid-data-card", 6, ","),
        ({"license": "license: mit OR"}, "invalid-data-card", 6, "mit OR"),
        ({"license": "licence: CC-BY-4.0"}, "invalid-data-card", 6, "license"),
        ({"license": "license: NO"}, "invalid-data-card", 6, "NO"),
        ({"title": "title: One\ntitle: Two"}, "invalid-data-card", 5, "title"),
        ({"title": "title: &a x"}, "invalid-data-card", 4, ""),
        ({"content": "content: {digest: {sha256: abc}}"}, "invalid-data-card", 7, ""),
        ({"content": "content: {digest: {md5: abc}}"}, "invalid-data-card", 7, ""),
    ],
)  # fmt: skip
def test_bad_cards(repo: Repo, changes: dict[str, str], rule: str, line: int, said: str) -> None:
    repo.stage(card(**changes))
    found = repo.check().report["findings"]
    assert (rule, line) in [(f["rule"], f.get("line")) for f in found]
    assert any(said in f["message"] for f in found)
    assert all(f["path"] == "data/rows.csv.datacard.yaml" for f in found)


@pytest.mark.parametrize(
    "raw",
    [b"\xff\xfe", b"", b"- a\n", b"\x00", b"{" * 500, b"a: !!python/tuple [x]\n", b"x" * 300_000],
)
def test_unreadable_cards(repo: Repo, raw: bytes) -> None:
    repo.stage({"data/rows.csv": ROWS, "data/rows.csv.datacard.yaml": raw})
    assert repo.check().rules == ["invalid-data-card"]


def test_denied_licence(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\nlicenses: {deny: ['CC-BY-*']}\n"})
    repo.stage(documented("data/rows.csv"))
    verdict = repo.check()
    assert verdict.rules == ["license-denied"]
    assert "CC-BY-4.0" in verdict.report["findings"][0]["message"]


@pytest.mark.parametrize(
    "name",
    ["data/rows.csv.datacard.yml", "data/datacard.yml", "data/rows.csv.DataCard.yaml", "data/DATACARD.YAML"],
)
def test_card_under_a_wrong_name(repo: Repo, name: str) -> None:
    repo.stage({name: str(documented("data/rows.csv")["data/rows.csv.datacard.yaml"])})
    assert repo.check().rules == ["invalid-data-card"]


def test_card_that_is_a_link(repo: Repo) -> None:
    files = documented("data/rows.csv")
    repo.stage({"data/rows.csv": files["data/rows.csv"], "elsewhere.yaml": files["data/rows.csv.datacard.yaml"]})
    (repo.path / "data/rows.csv.datacard.yaml").symlink_to("../elsewhere.yaml")
    repo.git("add", "-A")
    assert repo.check().rules == ["invalid-data-card"]


# ---------------------------------------------------------------------- changes


def test_edit_without_new_digest(repo: Repo) -> None:
    repo.commit(documented("data/rows.csv"))
    repo.stage({"data/rows.csv": ROWS + "21,more\n"})
    verdict = repo.check()
    assert verdict.rules == ["digest-mismatch"]
    assert hashlib.sha256((ROWS + "21,more\n").encode()).hexdigest() in verdict.report["findings"][0]["found"]


def test_removed_card(repo: Repo) -> None:
    repo.commit(documented("data/rows.csv"))
    repo.git("rm", "-q", "data/rows.csv.datacard.yaml")
    assert repo.check().rules == ["missing-data-card"]


def test_removed_data(repo: Repo) -> None:
    repo.commit(documented("data/rows.csv"))
    repo.git("rm", "-q", "data/rows.csv")
    assert repo.check().rules == ["orphan-data-card"]
    repo.git("rm", "-q", "data/rows.csv.datacard.yaml")
    assert repo.check().code == 0


@pytest.mark.parametrize("ignored", [True, False])
def test_data_that_git_no_longer_has_are_not_taken_back_by_the_fix(repo: Repo, ignored: bool) -> None:
    repo.commit(documented("data/rows.csv"))
    repo.git("rm", "-q", "--cached", "data/rows.csv")
    if ignored:
        repo.stage({".gitignore": b"data/rows.csv\n"})
    run_the_fix_of_the_orphan(repo)
    assert repo.check().passes
    assert repo.git("ls-files", "data") == ""
    assert (repo.path / "data/rows.csv").exists()


def test_a_file_that_became_a_folder(repo: Repo) -> None:
    repo.commit(documented("data/rows.csv"))
    repo.git("rm", "-q", "data/rows.csv")
    repo.stage(documented("data/rows.csv/part.csv", "b,1\n"))
    run_the_fix_of_the_orphan(repo)
    assert repo.check().passes


def test_data_that_were_forgotten_beside_a_new_card(repo: Repo) -> None:
    repo.stage(documented("data/rows.csv"))
    repo.git("rm", "-q", "--cached", "data/rows.csv")
    run_the_fix_of_the_orphan(repo)
    assert repo.check().passes
    assert "data/rows.csv" in repo.git("ls-files", "data").splitlines()


def run_the_fix_of_the_orphan(repo: Repo) -> None:
    (finding,) = [one for one in repo.check().report["findings"] if one["rule"] == "orphan-data-card"]
    (line,) = finding["fix"]
    words = shlex.split(line)
    assert repo.custody(*words[words.index("add") :]).code == 0


def test_rename_without_the_card(repo: Repo) -> None:
    repo.commit(documented("data/rows.csv"))
    repo.git("mv", "data/rows.csv", "data/lines.csv")
    assert repo.check().rules == ["missing-data-card", "orphan-data-card"]
    repo.git("mv", "data/rows.csv.datacard.yaml", "data/lines.csv.datacard.yaml")
    assert repo.check().code == 0


@pytest.mark.parametrize("new", ["data/renamed.csv", "notes/renamed.csv"])
def test_a_card_that_was_left_behind_names_the_commands_that_take_it_along(repo: Repo, new: str) -> None:
    repo.commit(documented("data/rows.csv"))
    (repo.path / new).parent.mkdir(exist_ok=True)
    repo.git("mv", "data/rows.csv", new)
    (finding,) = [one for one in repo.check().report["findings"] if one["rule"] == "orphan-data-card"]
    assert finding["message"].endswith(f"it is now {new}")
    for line in finding["fix"]:
        words = shlex.split(line)
        if words[:2] == ["git", "mv"]:
            repo.git(*words[1:])
        else:
            assert repo.custody(*words[words.index("add") :]).code == 0
    assert repo.check().passes
    assert repo.git("ls-files", f"{new}.datacard.yaml", "data/rows.csv.datacard.yaml") == f"{new}.datacard.yaml"


def test_a_card_whose_data_may_be_in_two_places_is_left_to_a_person(repo: Repo) -> None:
    repo.commit(documented("data/rows.csv"))
    text = (repo.path / "data/rows.csv").read_text()
    repo.git("rm", "-q", "data/rows.csv")
    repo.stage({"notes/a.csv": text, "notes/b.csv": text})
    (finding,) = repo.check().report["findings"]
    assert [line.split()[-1] for line in finding["fix"]] == ["data/rows.csv.datacard.yaml"]


def test_copied_card_has_the_same_id(repo: Repo) -> None:
    repo.commit(documented("data/rows.csv"))
    repo.stage(documented("data/copy.csv"))
    found = repo.check().report["findings"]
    assert [(f["rule"], f["path"]) for f in found] == [("duplicate-dataset-id", "data/copy.csv.datacard.yaml")]


def test_hidden_duplicate_id_in_a_flow_card(repo: Repo) -> None:
    repo.commit(documented("data/rows.csv"))
    files = documented("data/copy.csv")
    text = str(files["data/copy.csv.datacard.yaml"]).splitlines()
    flow = "{" + ", ".join(text) + "}\n"
    repo.stage({"data/copy.csv": files["data/copy.csv"], "data/copy.csv.datacard.yaml": flow})
    assert "duplicate-dataset-id" in repo.check().rules


def test_unchanged_debt_does_not_block_an_unrelated_commit(repo: Repo) -> None:
    repo.commit({"data/old.csv": ROWS})
    repo.stage({"src/app.py": "print()\n"})
    assert repo.check().code == 0
    assert repo.check("--all").rules == ["missing-data-card"]


def test_names_that_can_be_taken_for_another(repo: Repo) -> None:
    repo.commit(documented("data/rows.csv"))
    repo.stage(documented("data/Rows.csv", id="other"))
    assert repo.check().rules == ["ambiguous-asset-name"]


def test_names_in_two_normal_forms(repo: Repo) -> None:
    repo.commit(documented("data/caf\u00e9.csv"))
    repo.stage(documented("data/cafe\u0301.csv", id="other"))
    assert repo.check().rules == ["ambiguous-asset-name"]


@pytest.mark.parametrize("name", ["data/a\nb.csv", "data/a\\b.csv"])
def test_names_that_break_lines(repo: Repo, name: str) -> None:
    repo.stage(documented(name))
    assert repo.check().rules == ["ambiguous-asset-name"]


def test_link_in_the_place_of_data(repo: Repo) -> None:
    (repo.path / "data").mkdir()
    (repo.path / "data/x.csv").symlink_to("/etc/passwd")
    repo.git("add", "-A")
    assert "ambiguous-asset-name" in repo.check().rules


@pytest.mark.parametrize(
    ("attribute", "bad"),
    [
        ("*.csv working-tree-encoding=UTF-16", True), ("*.csv ident", True), ("*.csv filter=clean-up", True),
        ("*.csv filter=lfs diff=lfs merge=lfs -text", False), ("*.csv eol=crlf", False), ("*.csv -ident", False),
        ("*.csv linguist-generated", False), ("*.txt ident", False), ("*.csv working-tree-encoding=UTF-8", False),
    ],
)  # fmt: skip
def test_attributes(repo: Repo, attribute: str, bad: bool) -> None:
    repo.commit({".gitattributes": attribute.replace("filter=lfs", "filter=lfs") + "\n"})
    repo.git("config", "filter.lfs.clean", "cat")
    files = documented("data/rows.csv")
    if "UTF-16" in attribute:
        files["data/rows.csv"] = ROWS.encode("utf-16")
    repo.stage(files)
    assert ("asset-attributes" in repo.check().rules) is bad


def test_attributes_that_come_later(repo: Repo) -> None:
    repo.commit(documented("data/rows.csv"))
    first = repo.git("rev-parse", "HEAD")
    repo.stage({"data/.gitattributes": "*.csv ident\n"})
    assert repo.check().rules == ["asset-attributes"]
    repo.commit()
    assert repo.check("--range", f"{first}...HEAD").rules == ["asset-attributes"]


def test_card_that_could_speak_of_two_files(repo: Repo) -> None:
    repo.stage({**documented("data/rows.csv"), "data/rows.csv.dvc": "outs: []\n"})
    assert repo.check().rules == ["ambiguous-asset-name"]


def test_model_card_is_no_way_around_the_data_card(repo: Repo) -> None:
    repo.stage({"data/rows.csv": ROWS, "data/rows.csv.modelcard.yaml": "kind: model-card\nversion: 1\n"})
    assert repo.check().rules == ["missing-data-card"]


def test_what_lies_below_a_folder_is_the_same_however_it_is_looked_up() -> None:
    from git_custody.core.assets import files_under
    from git_custody.core.trees import Entry, Tree

    paths = ("a", "a.b/c", "a/b", "a/b/c", "a/b/datacard.yaml", "a-b/c", "a/é", "a/\udcff", "b", "data", "z/\U0010ffff")
    entries = {path: Entry(0o100644, "0" * 40) for path in paths}
    for folder in ("", "a", "a/b", "a.b", "data", "no", "z"):
        assert files_under(folder, Tree.of(entries)) == files_under(folder, entries)
    assert set(files_under("a", entries)) == {"a/b", "a/b/c", "a/é", "a/\udcff"}


@pytest.mark.parametrize("option", ["title", "publisher"])
def test_the_fix_of_a_hollow_field_writes_it_anew(repo: Repo, option: str) -> None:
    files = documented("data/rows.csv")
    card = "data/rows.csv.datacard.yaml"
    told = "Rows for tests" if option == "title" else "Example Lab"
    repo.stage({**files, card: str(files[card]).replace(told, "TODO")})
    (finding,) = repo.check().report["findings"]
    (line,) = finding["fix"]
    words = shlex.split(line)
    words = words[words.index("card") :]
    assert words == ["card", "update", f"--{option}", option.upper(), "data/rows.csv"]
    assert repo.custody(*words).code == 2
    assert repo.custody(*(word.replace(option.upper(), told) for word in words)).code == 0
    assert repo.check().passes


def test_paperwork_suffixes_hide_no_data(repo: Repo) -> None:
    files: dict[str, str | bytes] = {"data/set/a.csv": "1\n", "data/set/a.csv.sig": "signed\n"}
    digest = hashlib.sha256(b"1\n").hexdigest()
    whole = hashlib.sha256(f"{digest}  a.csv\n".encode()).hexdigest()
    text = CARD.format(id="set", title="A set", sha256="").replace("{sha256: }", f"{{dirHash: {whole}}}")
    repo.stage({**files, "data/set/datacard.yaml": text})
    assert repo.check().rules == []
    repo.commit()
    for path in ("data/set/b.cdx.json", "data/set/b.csv.cdx.json", "data/set/b.sig"):
        repo.stage({path: "rows\n"})
        assert repo.check().rules == ["digest-mismatch"], path
        repo.git("rm", "-q", "-f", path)


def test_attributes_of_a_documented_file_anywhere(repo: Repo) -> None:
    repo.commit(documented("notes/rows.csv"))
    repo.stage({"notes/.gitattributes": "*.csv ident\n"})
    assert repo.check().rules == ["asset-attributes"]


def test_attributes_of_a_model(repo: Repo) -> None:
    repo.commit({".gitattributes": "*.cbm ident\n"})
    repo.stage({"models/net.cbm": b""})
    assert repo.check().rules == ["asset-attributes"]


def test_a_card_of_megabytes_is_a_finding_and_hides_no_other(repo: Repo) -> None:
    huge = "# more\n" * 800_000
    repo.stage({"data/a.csv": ROWS, "data/a.csv.datacard.yaml": huge, **documented("data/rows.csv", title="TODO")})
    found = repo.check().report["findings"]
    assert [(f["rule"], f["path"]) for f in found] == [
        ("invalid-data-card", "data/a.csv.datacard.yaml"),
        ("hollow-data-card", "data/rows.csv.datacard.yaml"),
    ]
