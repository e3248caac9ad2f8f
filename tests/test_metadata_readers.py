"""What the readers make of files as people write them: drafts of the standards, paths from the root, spare fields."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_custody.datasets.codes import subtags
from git_custody.datasets.exports.huggingface import merged
from git_custody.datasets.metadata import croissant, cyclonedx, data_package, dvc, huggingface
from git_custody.datasets.metadata.facts import Notes, Stated, Subject
from git_custody.datasets.metadata.license_names import spdx_of
from git_custody.datasets.metadata.reuse import holder

if TYPE_CHECKING:
    from collections.abc import Sequence

DATA = "data/rows.csv"
ROWS = Subject(DATA, False, frozenset((DATA,)))
FOLDER = Subject("data", True, frozenset((DATA, "data/more.csv")))


def facts(stated: Stated | None) -> dict[str, str]:
    return {} if stated is None else {name: fact.value for name, fact in stated.facts.items()}


# ---------------------------------------------------------------------- Croissant

REPOSITORY = {"@type": "cr:FileObject", "@id": "repo", "contentUrl": "https://example.org/lab/rows",
              "encodingFormat": "git+https", "sha256": "main"}  # fmt: skip
ARCHIVE = {"@type": "cr:FileObject", "@id": "all.zip", "contentUrl": "https://example.org/all.zip"}
MORE = {"@type": "cr:FileObject", "contentUrl": "data/more.csv"}


def of_croissant(file: str, resources: Sequence[object], **fields: object) -> Stated | None:
    held = {"@type": "sc:Dataset", "name": "Numbered rows", "license": "CC-BY-4.0", "distribution": resources, **fields}
    return croissant.read(file, json.dumps(held).encode(), ROWS)


def rows(url: str = DATA, **fields: object) -> dict[str, object]:
    return {"@type": "cr:FileObject", "contentUrl": url, "sha256": "0" * 64, **fields}


@pytest.mark.parametrize(
    ("resources", "scope"),
    [
        ([REPOSITORY, rows(containedIn={"@id": "repo"})], "whole"),
        ([REPOSITORY, rows(containedIn=[{"@id": "repo"}]), {**MORE, "containedIn": {"@id": "repo"}}], "part"),
        ([{**REPOSITORY, "@id": None, "name": "repo"}, rows(containedIn="repo")], "whole"),
        ([ARCHIVE, rows("rows.csv", containedIn={"@id": "all.zip"})], None),
        ([ARCHIVE, rows("https://example.org/rows.csv", containedIn={"@id": "all.zip"})], "whole"),
        ([ARCHIVE, rows(containedIn={"@id": "all.zip"}), {**MORE, "containedIn": {"@id": "all.zip"}}], "part"),
        ([{"@type": "DataDownload", "contentUrl": f"https://example.org/{DATA}"}], "whole"),
        ([rows(), {"@type": "cr:FileSet", "includes": "images/*.png"}], "part"),
        ([REPOSITORY], None),
        ([MORE], None),
    ],
)
def test_croissant_names_files_of_a_repository(resources: Sequence[object], scope: str | None) -> None:
    stated = of_croissant("croissant.json", resources)
    assert (stated and stated.scope) == scope
    assert facts(stated).get("license") == ("CC-BY-4.0" if scope else None)


def test_a_digest_of_what_lies_elsewhere_is_not_that_of_our_file() -> None:
    for resources, known in (
        ([rows()], [DATA]),
        ([REPOSITORY, rows(containedIn={"@id": "repo"})], []),
        ([ARCHIVE, rows(containedIn={"@id": "all.zip"})], []),
    ):
        stated = of_croissant("croissant.json", resources)
        assert stated is not None
        assert list(stated.digests) == known


@pytest.mark.parametrize("url", ["rows.csv", "./rows.csv", DATA, "./../data/rows.csv"])
def test_paths_are_from_the_file_or_from_the_root(url: str) -> None:
    stated = of_croissant("data/croissant.json", [rows(url)])
    assert stated is not None
    assert list(stated.digests) == [DATA]


@pytest.mark.parametrize(
    "license",
    [
        ["https://choosealicense.com/licenses/cc-by-4.0/"],
        {"@type": "CreativeWork", "name": "CC-BY-4.0", "url": "https://example.org/terms"},
        {"@type": "CreativeWork", "name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"},
        {"@id": "https://spdx.org/licenses/CC-BY-4.0", "name": "cc-by-4.0"},
    ],
)
def test_any_field_of_a_licence_may_name_it(license: object) -> None:
    assert facts(of_croissant("croissant.json", [rows()], license=license))["license"] == "CC-BY-4.0"


# ---------------------------------------------------------------------- Data Package


def of_package(subject: Subject = ROWS, **fields: object) -> dict[str, str]:
    held = {"title": "Numbered rows", "resources": [{"path": DATA}], **fields}
    return facts(data_package.read("datapackage.json", json.dumps(held).encode(), subject))


@pytest.mark.parametrize(
    ("fields", "license"),
    [
        ({"licenses": [{"name": "Public Domain", "url": "http://opendatacommons.org/licenses/pddl/"}]}, "PDDL-1.0"),
        ({"licenses": [{"url": "http://www.opendefinition.org/licenses/odc-by", "title": "ODC-BY"}]}, "ODC-By-1.0"),
        ({"licenses": [{"id": "odc-pddl", "name": "Open Data Commons Public Domain", "version": "1.0"}]}, "PDDL-1.0"),
        ({"licenses": [{"type": "odc-by", "url": "http://opendatacommons.org/licenses/by"}]}, "ODC-By-1.0"),
        ({"licenses": [{"name": "ODC-PDDL-1.0"}]}, "PDDL-1.0"),
        ({"licenses": [{"name": "ODbL-1.0", "path": "https://opendatacommons.org/licenses/odbl/1-0/index.html"}]}, "ODbL-1.0"),
        ({"licenses": [{"name": "OGL", "path": "http://www.nationalarchives.gov.uk/doc/open-government-licence/version/2/"}]}, "OGL-UK-2.0"),
        ({"licenses": ["CC-BY-4.0"]}, "CC-BY-4.0"),
        ({"license": "PDDL-1.0"}, "PDDL-1.0"),
        ({"license": {"type": "ODC-BY-1.0", "url": "http://opendatacommons.org/licenses/by/1.0/"}}, "ODC-By-1.0"),
        # Which of the two is meant, nobody knows.
        ({"licenses": [{"id": "odc-pddl", "url": "http://opendatacommons.org/licenses/by/"}]}, None),
        ({"licenses": [{"name": "cc-by", "path": "http://www.opendefinition.org/licenses/cc-by"}]}, None),
        ({"licenses": [{"name": "MIT"}, {"name": "CC0-1.0"}]}, None),
        ({"license": [[]], "licenses": {"name": 7}}, None),
    ],
)  # fmt: skip
def test_licences_of_data_packages(fields: dict[str, Any], license: str | None) -> None:
    assert of_package(**fields).get("license") == license


def test_drafts_of_data_packages_name_sources_in_other_words() -> None:
    found = of_package(sources=[{"name": "World Bank", "web": "https://example.org/indicator"}], version=2)
    assert (found["publisher"], found["url"], found["version"]) == ("World Bank", "https://example.org/indicator", "2")
    assert of_package(publishers=[{"name": "Open Lab", "web": "https://example.org"}])["publisher"] == "Open Lab"
    assert of_package(sources=[{"name": "wb", "title": "World Bank"}])["publisher"] == "World Bank"


def test_a_licence_of_one_resource_is_not_that_of_the_folder() -> None:
    resources = [{"path": DATA, "license": "MIT"}, {"path": "data/more.csv"}]
    assert "license" not in of_package(FOLDER, resources=resources, licenses=[{"name": "CC0-1.0"}])


def test_a_resource_of_two_files_is_more_than_one_of_them() -> None:
    assert "title" not in of_package(resources=[{"path": [DATA, "data/more.csv"]}])
    assert of_package(FOLDER, resources=[{"path": [DATA, "data/more.csv"]}])["title"] == "Numbered rows"


# ---------------------------------------------------------------------- the others


@pytest.mark.parametrize(
    ("said", "license"),
    [
        ("cc-by-4.0", "CC-BY-4.0"), ("CC BY 4.0", "CC-BY-4.0"), ("CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0"), ("CC0", "CC0-1.0"),
        ("GPL-3.0-only", "GPL-3.0-only"), ("CC-BY-3.0-IGO", "CC-BY-3.0-IGO"), ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
        ("https://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA-4.0"), ("llama3", "LicenseRef-hf-llama3"),
        ("gpl-3.0", None), ("cc", None), ("CC BY", None), ("MIT License", None), ("free for research", None), ("[mit, cc0-1.0]", None),
        ("unknown\nlicense_name: odbl", "ODbL-1.0"),
    ],
)  # fmt: skip
def test_licences_of_front_matter(said: str, license: str | None) -> None:
    matter = f"---\npretty_name: Rows\nlicense: {said}\n---\n"
    assert facts(huggingface.read("data/README.md", matter.encode(), FOLDER)).get("license") == license


def test_front_matter_of_before_2022_is_in_the_plural() -> None:
    old = b"---\nannotations_creators:\n- found\nlanguages:\n- pl\nlicenses:\n- cc-by-3.0\ntask_ids:\n- other\n---\n# Sums\n"
    stated = huggingface.read("data/README.md", old, FOLDER)
    assert facts(stated) == {"license": "CC-BY-3.0", "language": "pl"}
    new = merged(b"---\nlicense: mit\nlanguage:\n- de\npretty_name: Sums\n---\n", old)
    assert b"license: mit" in new
    assert not {b"licenses:", b"languages:", b"- cc-by-3.0", b"- pl"} & set(new.splitlines())
    assert {b"annotations_creators:", b"- found", b"task_ids:", b"# Sums"} <= set(new.splitlines())
    assert b"language:\n- pl\n" in merged(b"---\nlicense: mit\nlanguage:\n- pl\npretty_name: Sums\n---\n", old)
    assert b"languages:\n- pl" in merged(b"---\nlicense: mit\npretty_name: Sums\n---\n", old), (
        "the card has no language"
    )


def test_what_is_no_language_does_not_hide_the_languages() -> None:
    matter = "---\nlanguage: {}\nsize_categories: n<1K\n---\n"
    for said, known in (("[code, en, multilingual]", "en"), ("[code]", None), ("English", None), ("no", "no")):
        stated = huggingface.read("data/README.md", matter.format(said).encode(), FOLDER)
        assert facts(stated).get("language") == known
    many = sorted(subtags().languages)[:320]  # as in the card of Wikipedia
    stated = huggingface.read("data/README.md", matter.format(f"[{', '.join(many)}]").encode(), FOLDER)
    assert facts(stated)["language"].split() == many


@pytest.mark.parametrize(
    ("said", "stays"), [("[code, en]", True), ("\n- code\n- en", True), ("en", True), ("[code, de]", False)]
)
def test_tags_beside_the_languages_stay_as_long_as_these_do(said: str, stays: bool) -> None:
    old = f"---\nlanguage: {said}\npretty_name: Sums\n---\n# Sums\n".encode()
    new = merged(b"---\nlicense: mit\nlanguage:\n- en\npretty_name: Sums\n---\n", old)
    assert new.count(b"language:") == 1
    assert (b"code" in new) == (b"code" in old and stays)
    assert facts(huggingface.read("data/README.md", new, FOLDER))["language"] == "en"


def test_the_name_of_a_person_is_no_title() -> None:
    text = "outs:\n- md5: {}\n  path: rows.csv\nmeta:\n  name: {}\n"
    for name, title in (("Numbered rows", "Numbered rows"), ("Jane Doe\n  email: jane@example.org", None)):
        stated = dvc.read(f"{DATA}.dvc", text.format("0" * 32, name).encode(), ROWS)
        assert facts(stated).get("title") == title


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("2019-2024 Example Lab <lab@example.org>", "Example Lab"),
        ("Copyright 2021 The Rows Project Authors (https://example.org/rows)", "The Rows Project Authors"),
        ("2022~2026 Jane Doe <jane@example.org>", "Jane Doe"),
        ("Copyright (c) 2020 by Jane Doe", "Jane Doe"),
        ("2016, 2018 Example Ltd. All rights reserved.", "Example Ltd."),
        ("Copyright: 2020 Example Ltd", "Example Ltd"),
        ("The Authors of Rows (Example Ltd), 2021, https://example.org", "The Authors of Rows (Example Ltd)"),
    ],
)
def test_who_holds_the_copyright(line: str, name: str) -> None:
    assert holder([line]) == name


@pytest.mark.parametrize(
    ("file", "name", "place", "license"),
    [
        ("bom.json", "rows.csv", "components", "CC-BY-4.0"),
        ("data/bom.json", "All of our rows", "metadata", "CC-BY-4.0"),
        ("data/bom.json", "All of our rows", "components", None),
        ("bom.json", "All of our rows", "metadata", None),
    ],
)
def test_bills_of_materials(file: str, name: str, place: str, license: str | None) -> None:
    component = {"type": "data", "name": name, "licenses": [{"license": {"name": "CC-BY-4.0"}}]}
    where = {"components": [component]} if place == "components" else {"metadata": {"component": component}}
    subject = ROWS if name == "rows.csv" else FOLDER
    stated = cyclonedx.read(file, json.dumps({"bomFormat": "CycloneDX", **where}).encode(), subject)
    assert facts(stated).get("license") == license


NAMED = (
    "CC-BY-4.0",
    "cc-by-4.0",
    "https://creativecommons.org/licenses/by/4.0/",
    "MIT",
    "odc-pddl",
    "free",
    "",
    "https://e.org/",
)


@given(st.dictionaries(st.sampled_from(("name", "path", "id", "url")), st.sampled_from(NAMED)))
def test_a_licence_is_what_all_of_its_fields_can_mean(group: dict[str, str]) -> None:
    notes = Notes("x.json", {})
    notes.add_license_of(group, ("name", "path", "id", "url"), "/license")
    meant = {spdx_of(text) for text in group.values()} - {None}
    assert {fact.value for fact in notes.facts.values()} == (meant if len(meant) == 1 else set())
