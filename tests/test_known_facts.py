"""`git custody add` and `card new` take from metadata files what they say already."""

from __future__ import annotations

import json
from typing import Any

import pytest

from commands import Commands
from conftest import ROWS, Repo

DATA = "data/rows.csv"
CARD = f"{DATA}.datacard.yaml"
CROISSANT: dict[str, Any] = {
    "@context": {"@vocab": "https://schema.org/"}, "@type": "sc:Dataset", "name": "penguins",
    "conformsTo": "http://mlcommons.org/croissant/1.1", "description": {"en": "Sizes of three species of penguins."},
    "license": "https://creativecommons.org/publicdomain/zero/1.0/", "url": "https://doi.org/10.24432/C5W881",
    "creator": [{"@type": "Person", "name": "Kristen Gorman"}, {"@type": "Organization", "name": "Palmer Station LTER"}],
    "datePublished": "2020-06-11", "version": "1.0.0", "inLanguage": ["en"],
    "distribution": [{"@type": "cr:FileObject", "@id": "rows", "contentUrl": "rows.csv"}],
}  # fmt: skip


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    return Commands(repo, monkeypatch, capfd)


def test_a_croissant_file_answers_every_question(repo: Repo, custody: Commands) -> None:
    repo.stage({"data/croissant.json": json.dumps(CROISSANT, indent=1), DATA: ROWS})
    said = custody.ok("card", "new", DATA)
    card = custody.card(CARD)
    today = card["source"].pop("retrieved")
    assert len(today) == 10
    assert card["source"] == {
        "kind": "public-download", "url": "https://doi.org/10.24432/C5W881", "version": "1.0.0",
        "publisher": "Kristen Gorman, Palmer Station LTER", "published": "2020-06-11",
    }  # fmt: skip
    assert (card["title"], card["license"], card["language"]) == ("penguins", "CC0-1.0", ["en"])
    assert card["description"] == "Sizes of three species of penguins."
    (note,) = (line for line in said.splitlines() if line.startswith("note: taken"))
    assert "title (line" in note
    assert "data/croissant.json" in note
    assert "licence" in note
    assert custody("check", "--staged").code == 0


@pytest.mark.parametrize(
    ("name", "inner", "title"),
    [
        ("rows.csv", [{"type": "dataset", "name": "Penguins of the south"}], "Penguins of the south"),
        (DATA, [{"type": "dataset", "name": "Penguins of the south"}], "Penguins of the south"),
        ("Penguins of the north", [{"type": "dataset", "name": "Penguins of the south"}], "Penguins of the north"),
        ("rows.csv", [{"name": "Adelie only"}, {"name": "Gentoo only"}], "asked"),
        ("rows.csv", [{"type": "dataset", "name": "rows.csv"}], "asked"),
        ("rows.csv", [{"name": ["Adelie"]}], "asked"),
        ("rows.csv", "Adelie", "asked"),
        ("rows.csv", None, "asked"),
    ],
)
def test_the_name_of_a_file_is_no_title_in_a_bill_of_materials(
    repo: Repo, custody: Commands, name: str, inner: object, title: str
) -> None:
    component = {"type": "data", "name": name, "data": inner}
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component": component}}
    repo.stage({f"{DATA}.cdx.json": json.dumps(bom, indent=1), DATA: ROWS})
    words = ("--source-kind", "original", "--publisher", "Example Lab", "--license", "MIT", DATA)
    if title == "asked":
        assert "--title" in custody("add", *words).err
    else:
        assert "title (line" in custody.ok("add", *words)
        assert custody.card(CARD)["title"] == title


def test_an_option_wins(repo: Repo, custody: Commands) -> None:
    repo.stage({"data/croissant.json": json.dumps(CROISSANT), DATA: ROWS})
    said = custody.ok("add", "--title", "Birds of the south", "--license", "MIT", DATA)
    card = custody.card(CARD)
    assert (card["title"], card["license"]) == ("Birds of the south", "MIT")
    assert "licence (" not in said
    assert "title (" not in said


def test_original_data_take_no_address(repo: Repo, custody: Commands) -> None:
    repo.stage({"data/croissant.json": json.dumps(CROISSANT), DATA: ROWS})
    custody.ok("add", "--source-kind", "original", DATA)
    assert custody.card(CARD)["source"] == {
        "kind": "original", "publisher": "Kristen Gorman, Palmer Station LTER",
    }  # fmt: skip


def test_hugging_face_front_matter_of_a_folder(repo: Repo, custody: Commands) -> None:
    readme = (
        "---\nlanguage:\n- de\n- en\nlicense: cc-by-sa-4.0\npretty_name: Wikipedia's short articles\n"
        "size_categories:\n- 1K<n<10K\ndataset_info:\n  features: &x\n  - {name: id, dtype: int64}\n---\n# Card\n"
    )
    repo.stage({"data/wiki/README.md": readme, "data/wiki/a.jsonl": "{}\n", "data/wiki/b.jsonl": "{}\n"})
    said = custody.ok("card", "new", "--source-kind", "original", "--publisher", "Wikimedia", "data/wiki")
    card = custody.card("data/wiki/datacard.yaml")
    assert (card["title"], card["license"], card["language"]) == (
        "Wikipedia's short articles",
        "CC-BY-SA-4.0",
        ["de", "en"],
    )
    assert "licence (line 5)" in said
    assert "title (line 6)" in said


def test_what_contradicts_itself_is_asked(repo: Repo, custody: Commands) -> None:
    repo.stage({
        "data/croissant.json": json.dumps(CROISSANT), DATA: ROWS,
        f"{DATA}.license": "SPDX-FileCopyrightText: 2020 LTER\nSPDX-License-Identifier: MIT\n",
    })  # fmt: skip
    assert "--license SPDX_ID" in custody.fails(2, "add", DATA)


def test_a_placeholder_is_no_answer(repo: Repo, custody: Commands) -> None:
    repo.stage({"data/croissant.json": json.dumps({**CROISSANT, "name": "TODO", "url": "tbd"}), DATA: ROWS})
    said = custody.fails(2, "add", DATA)
    assert "--title TITLE" in said
    assert "--source-url URL" in said
    assert "--license" not in said


def test_reuse_answers_licence_and_publisher(repo: Repo, custody: Commands) -> None:
    text = "SPDX-FileCopyrightText: © 2019-2024 Example Lab <lab@example.org>\n\nSPDX-License-Identifier: CC-BY-4.0\n"
    repo.stage({f"{DATA}.license": text, DATA: ROWS})
    custody.ok("add", "--title", "Numbered rows", "--source-kind", "original", DATA)
    assert custody.card(CARD)["license"] == "CC-BY-4.0"
    assert custody.card(CARD)["source"]["publisher"] == "Example Lab"


def test_a_licence_that_the_policy_denies_is_not_taken(repo: Repo, custody: Commands) -> None:
    repo.stage({".custody/policy.yaml": "version: 1\nlevel: 1\nlicenses: {deny: [CC0-1.0]}\n"})
    repo.stage({"data/croissant.json": json.dumps(CROISSANT), DATA: ROWS})
    assert "--license SPDX_ID" in custody.fails(2, "add", DATA)


def test_what_is_not_staged_says_nothing(repo: Repo, custody: Commands) -> None:
    repo.write("data/croissant.json", json.dumps(CROISSANT))
    repo.write(DATA, ROWS)
    assert "--title TITLE" in custody.fails(2, "add", DATA)


def test_dvc_says_where_it_imported_from(repo: Repo, custody: Commands) -> None:
    text = (
        f"md5: {'0' * 32}\nfrozen: true\ndeps:\n- path: https://example.org/data/rows.csv\n  etag: '1'\n"
        f"outs:\n- md5: {'1' * 32}\n  size: 3\n  hash: md5\n  path: rows.csv\n  desc: Rows that were numbered by hand\n"
        "meta:\n  license: ODbL-1.0\n  title: Numbered rows\n  publisher: Example Lab\n"
    )
    repo.stage({f"{DATA}.dvc": text})
    custody("add", f"{DATA}.dvc")
    card = custody.card(CARD)
    assert card["source"]["url"] == "https://example.org/data/rows.csv"
    assert (card["title"], card["license"]) == ("Numbered rows", "ODbL-1.0")
    assert card["description"] == "Rows that were numbered by hand"


def test_croissant_as_the_hub_writes_it(repo: Repo, custody: Commands) -> None:
    found = {
        "@context": {"@language": "en", "@vocab": "https://schema.org/"}, "@type": "sc:Dataset",
        "distribution": [
            {"@type": "cr:FileObject", "@id": "repo", "name": "repo", "encodingFormat": "git+https", "sha256": "https://github.com/mlcommons/croissant/issues/80",
             "contentUrl": "https://huggingface.co/datasets/lab/squares/tree/refs%2Fconvert%2Fparquet"},
            {"@type": "cr:FileSet", "@id": "parquet", "containedIn": {"@id": "repo"}, "includes": "default/*/*.parquet"},
        ],
        "conformsTo": "http://mlcommons.org/croissant/1.1", "name": "squares", "description": "\n\t\n\t\tSquares\n",
        "alternateName": ["lab/squares", "Squares of numbers"], "creator": {"@type": "Organization", "name": "Lab of squares"},
        "license": "https://choosealicense.com/licenses/cc-by-sa-4.0/", "url": "https://huggingface.co/datasets/lab/squares",
    }  # fmt: skip
    repo.stage(
        {
            "data/squares/croissant.json": json.dumps(found),
            "data/squares/a.parquet": "PAR1",
            "data/squares/b.parquet": "PAR1",
        }
    )
    custody("card", "new", "data/squares")
    card = custody.card("data/squares/datacard.yaml")
    assert (card["title"], card["license"]) == ("Squares of numbers", "CC-BY-SA-4.0")
    assert card["source"]["publisher"] == "Lab of squares"
    assert card["source"]["url"] == "https://huggingface.co/datasets/lab/squares"


def test_croissant_as_kaggle_writes_it(repo: Repo, custody: Commands) -> None:
    found = {
        **CROISSANT, "license": {"@type": "sc:CreativeWork", "name": "CC0: Public Domain", "url": "https://creativecommons.org/publicdomain/zero/1.0/"},
        "creator": {"@type": "sc:Person", "name": "A. Person", "url": "/person"}, "alternateName": "", "version": 3,
        "distribution": [{"@id": "archive.zip", "@type": "cr:FileObject", "contentUrl": "https://www.kaggle.com/api/v1/datasets/download/a/b?datasetVersionNumber=3"},
                         {"@id": "rows.csv_fileobject", "@type": "cr:FileObject", "contentUrl": "rows.csv", "containedIn": {"@id": "archive.zip"}}],
    }  # fmt: skip
    repo.stage({f"{DATA}.croissant.json": json.dumps(found), DATA: ROWS})
    custody.ok("add", DATA)
    card = custody.card(CARD)
    assert (card["title"], card["license"], card["source"]["publisher"]) == ("penguins", "CC0-1.0", "A. Person")
    assert card["source"]["version"] == "3"


def test_a_data_package_as_datahub_writes_it(repo: Repo, custody: Commands) -> None:
    found = {
        "name": "country-codes", "title": "Codes of countries", "datapackage_version": "1.0-beta.10", "last_updated": "2018-05-01",
        "licenses": [{"name": "ODC-PDDL-1.0", "path": "http://opendatacommons.org/licenses/pddl/", "title": "Open Data Commons Public Domain Dedication and License v1.0"}],
        "sources": [{"name": "x", "path": "https://example.org/codes", "title": "Statistics office"}],
        "resources": [{"name": "codes", "path": "data/rows.csv", "schema": {"fields": []}}],
    }  # fmt: skip
    repo.stage({"datapackage.json": json.dumps(found), DATA: ROWS})
    custody.ok("add", DATA)
    card = custody.card(CARD)
    assert (card["title"], card["license"]) == ("Codes of countries", "PDDL-1.0")
    assert card["source"]["url"] == "https://example.org/codes"
    assert card["source"]["publisher"] == "Statistics office"


# ---------------------------------------------------------------------- cards that lack something

FOLDER = {
    "data/wiki/README.md": "---\nlicense: cc-by-sa-4.0\npretty_name: Short articles of Wikipedia\n---\n",
    "data/wiki/a.jsonl": "{}\n", "data/wiki/b.jsonl": '{"a": 1}\n',
}  # fmt: skip


def test_adopt_takes_what_files_nearby_say(repo: Repo, custody: Commands) -> None:
    repo.commit({**FOLDER, "data/pk/croissant.json": json.dumps(CROISSANT), "data/pk/rows.csv": ROWS})
    said = custody.ok("adopt", "--yes")
    assert "title (line 3) and licence (line 2) from data/wiki/README.md" in said
    assert "add --source-url URL --publisher PUBLISHER data/wiki" in said
    assert "add --retrieved YYYY-MM-DD data/pk" in said, "nobody knows when it was fetched"
    card = (repo.path / "data/wiki/datacard.yaml").read_text()
    assert card.startswith("# Owed: source. ")
    assert "title: Short articles of Wikipedia\nlicense: CC-BY-SA-4.0\n" in card
    assert "# Owed: source. " in (repo.path / "data/pk/datacard.yaml").read_text()
    repo.commit(message="Adopt")
    custody.ok("add", "--retrieved", "2021-02-03", "data/pk")
    assert custody.card("data/pk/datacard.yaml")["source"]["retrieved"] == "2021-02-03"


def test_a_card_that_lacks_something_is_completed_when_it_is_named(repo: Repo, custody: Commands) -> None:
    repo.commit({"data/wiki/a.jsonl": "{}\n", "data/wiki/b.jsonl": '{"a": 1}\n'})
    custody.ok("adopt", "--yes")
    repo.commit(message="Adopt")
    said = custody.ok("add", "data/wiki")
    assert "data/wiki/datacard.yaml still lacks title, source.kind, source.publisher, license; run: " in said
    assert "add --title TITLE --source-url URL --publisher PUBLISHER --license SPDX_ID data/wiki" in said
    repo.stage(FOLDER)
    assert "still lacks" not in custody.ok("add", "--reason", "Say more", "."), "it is not named"
    said = custody.ok("add", "--reason", "Say more", "data/wiki")
    assert "taken for data/wiki/datacard.yaml: title (line 3) and licence (line 2)" in said
    assert "still lacks source.kind, source.publisher" in said
    custody.ok("add", "--source-kind", "original", "--publisher", "Wikimedia", "data/wiki")
    card = custody.card("data/wiki/datacard.yaml")
    assert (card["title"], card["license"]) == ("Short articles of Wikipedia", "CC-BY-SA-4.0")
    assert card["source"] == {"kind": "original", "publisher": "Wikimedia"}
    assert (repo.path / "data/wiki/datacard.yaml").read_text().startswith("kind:")
