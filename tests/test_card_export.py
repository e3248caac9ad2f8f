"""`git custody card export`, and what our own readers make of it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from commands import LOGGED, TOLD, Commands
from conftest import ROWS, Repo, documented
from git_custody.core.metadata import load
from git_custody.datasets.exports import croissant, cyclonedx, data_package, huggingface, spdx
from git_custody.datasets.exports.exported import Exported
from git_custody.datasets.metadata import croissant as read_croissant
from git_custody.datasets.metadata import cyclonedx as read_cyclonedx
from git_custody.datasets.metadata import data_package as read_data_package
from git_custody.datasets.metadata import huggingface as read_huggingface
from git_custody.datasets.metadata.facts import Stated, Subject
from random_cards import exports

DATA = "data/rows.csv"
CARD = f"{DATA}.datacard.yaml"
FORMATS = ("croissant", "huggingface", "datapackage", "spdx", "cyclonedx")


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    return Commands(repo, monkeypatch, capfd)


def subject(exported: Exported) -> Subject:
    return Subject(exported.path, exported.is_folder, frozenset(file.path for file in exported.files))


def values(stated: Stated | None) -> dict[str, str]:
    assert stated is not None
    return {name: fact.value for name, fact in stated.facts.items()}


def card_values(exported: Exported) -> dict[str, Any]:
    source = exported.source
    said = {
        "title": exported.card["title"], "description": exported.card.get("description"),
        "license": exported.card["license"], "url": source.get("url"), "publisher": source["publisher"],
        "version": exported.version, "language": " ".join(exported.card.get("language", ())) or None,
        "published": source.get("published"),
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


def digests(stated: Stated | None) -> dict[str, str]:
    assert stated is not None
    return {path: found["sha256"].value for path, found in stated.digests.items()}


def recorded(exported: Exported) -> dict[str, str]:
    return {file.path: file.digests["sha256"] for file in exported.files}


@given(exports())
@settings(max_examples=60, deadline=None)
def test_the_cards_are_good(exported: Exported) -> None:
    assert load(json.dumps(exported.card, ensure_ascii=False).encode(), "data-card").problems == ()


@given(exports())
@settings(max_examples=60, deadline=None)
def test_croissant_gives_back_what_the_card_says(exported: Exported) -> None:
    rendered = croissant.render(exported)
    stated = read_croissant.read(f"{exported.base}/croissant.json", rendered.data, subject(exported))
    wanted = card_values(exported)
    wanted.setdefault("description", wanted["title"])
    assert values(stated) == wanted
    assert digests(stated) == recorded(exported)
    assert croissant.render(exported) == rendered


@given(exports())
@settings(max_examples=60, deadline=None)
def test_a_data_package_gives_back_what_the_card_says(exported: Exported) -> None:
    rendered = data_package.render(exported)
    stated = read_data_package.read(f"{exported.base}/datapackage.json", rendered.data, subject(exported))
    wanted = {name: value for name, value in card_values(exported).items() if name not in ("language", "published")}
    assert values(stated) == wanted
    assert digests(stated) == recorded(exported)
    assert len({resource["name"] for resource in json.loads(rendered.data)["resources"]}) == len(exported.files)


@given(exports())
@settings(max_examples=60, deadline=None)
def test_cyclonedx_gives_back_what_the_card_says(exported: Exported) -> None:
    rendered = cyclonedx.render(exported)
    stated = read_cyclonedx.read(f"{exported.path}.cdx.json", rendered.data, subject(exported))
    wanted = {name: value for name, value in card_values(exported).items() if name not in ("language", "published")}
    assert values(stated) == wanted
    assert digests(stated) == ({} if exported.is_folder else recorded(exported))


@given(exports())
@settings(max_examples=60, deadline=None)
def test_front_matter_gives_back_what_the_card_says(exported: Exported) -> None:
    rendered = huggingface.render(exported)
    stated = read_huggingface.read(f"{exported.base}/README.md", rendered.data, subject(exported))
    wanted = {name: value for name, value in card_values(exported).items() if name in ("title", "license", "language")}
    found = values(stated)
    # The Hub has one id for several of SPDX, and says so by having no fact.
    assert found.get("license", wanted["license"]) == wanted["license"]
    assert {name: value for name, value in found.items() if name != "license"} == {
        name: value for name, value in wanted.items() if name != "license"
    }
    assert yaml.safe_load(rendered.data.split(b"---")[1]) if b"---" not in rendered.data[4:-4] else True


@given(exports())
@settings(max_examples=50, deadline=None)
def test_spdx_says_what_the_card_says(exported: Exported) -> None:
    graph = json.loads(spdx.render(exported).data)["@graph"]
    kinds = {one["type"]: one for one in graph}
    package = kinds["dataset_DatasetPackage"]
    assert package["name"] == exported.card["title"]
    assert package.get("software_downloadLocation") == exported.source.get("url")
    assert kinds["simplelicensing_LicenseExpression"]["simplelicensing_licenseExpression"] == exported.card["license"]
    assert package["verifiedUsing"][0]["hashValue"] in exported.card["content"]["digest"].values()
    assert kinds["Agent"]["name"] == exported.source["publisher"]


# ---------------------------------------------------------------------- the command


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_goes_to_the_standard_output_and_changes_nothing(repo: Repo, custody: Commands, name: str) -> None:
    repo.commit(documented(DATA))
    first = custody("card", "export", DATA, "--to", name)
    assert first.code == 0, first.err
    assert "Rows for tests" in first.out
    assert custody("card", "export", CARD, "--to", name).out == first.out
    assert repo.git("status", "--porcelain") == ""


@pytest.mark.parametrize("name", FORMATS)
def test_our_own_exports_do_not_disagree(repo: Repo, custody: Commands, name: str) -> None:
    repo.stage({".custody/policy.yaml": "version: 1\nlevel: 2\n", **documented(DATA)})
    place = {"huggingface": "data/README.md", "croissant": "data/croissant.json", "datapackage": "data/datapackage.json",
             "cyclonedx": f"{DATA}.cdx.json"}.get(name, "rows.spdx.json")  # fmt: skip
    assert custody("card", "export", DATA, "--to", name, "--output", place).code == 0
    repo.git("add", "-f", place)
    rules = custody("check", "--all", "--format", "json").rules
    assert "metadata-disagrees" not in rules
    assert "missing-data-card" not in rules


def test_a_folder_is_exported_file_by_file(repo: Repo, custody: Commands) -> None:
    repo.stage({"data/d/a.txt": "a", "data/d/e/b.txt": "b"})
    custody("add", *TOLD, "--as-one", "data/d")
    found = json.loads(custody("card", "export", "data/d", "--to", "datapackage").out)
    assert [resource["path"] for resource in found["resources"]] == ["a.txt", "e/b.txt"]
    assert custody("card", "export", "data/d", "--to", "datapackage", "--output", "datapackage.json").code == 0
    inside = json.loads((repo.path / "datapackage.json").read_text())
    assert [resource["path"] for resource in inside["resources"]] == ["data/d/a.txt", "data/d/e/b.txt"]


@pytest.mark.parametrize("name", ["croissant.json", "datapackage.json"])
def test_an_export_in_the_folder_lists_the_data_alone(repo: Repo, custody: Commands, name: str) -> None:
    held = {"data/d/a.txt": "a", "data/d/a.txt.license": "SPDX-License-Identifier: MIT\n", "data/d/e/README.md": "b",
            "data/d/datapackage.json": '{"name": "d", "resources": []}', "data/d/croissant.json": "{}"}  # fmt: skip
    repo.stage({".custody/policy.yaml": "version: 1\nlevel: 2\n", **held})
    custody("add", *TOLD, "--as-one", "data/d")
    repo.commit()
    words = ("card", "export", "data/d", "--to", name.removesuffix(".json"), "--output", f"data/d/{name}")
    for title in ("Letters", "More letters", "All letters"):
        assert custody(*words).code == 0
        document = json.loads((repo.path / f"data/d/{name}").read_text())
        listed = [one["contentUrl"] for one in document.get("distribution", ())] or [
            one["path"] for one in document["resources"]
        ]
        assert listed == ["a.txt", "e/README.md"]
        custody("add", "data/d")
        assert "metadata-disagrees" not in custody("check", "--all", "--format", "json").rules
        custody("card", "update", "--title", title, "data/d")
        repo.commit()
    assert "says so already" not in custody(*words).err
    assert "says so already" in custody(*words).err


def test_an_export_of_any_name_leaves_itself_out(repo: Repo, custody: Commands) -> None:
    repo.commit({"data/d/a.txt": "a", "data/d/rows.json": "{}"})
    custody("add", *TOLD, "--as-one", "data/d")
    words = ("card", "export", "data/d", "--to", "datapackage")
    assert custody(*words, "--output", "data/d/rows.json").code == 0
    document = json.loads((repo.path / "data/d/rows.json").read_text())
    assert [one["path"] for one in document["resources"]] == ["a.txt"]


def test_a_file_that_becomes_content_of_its_folder_is_told(repo: Repo, custody: Commands) -> None:
    repo.stage({"data/d/a.txt": "a", "data/d/b.txt": "b", ".custody/policy.yaml": LOGGED})
    custody("add", *TOLD, "--as-one", "--reason", "first import", "data/d")
    repo.commit()
    words = ("card", "export", "data/d", "--to", "huggingface", "--output")
    said = custody(*words, "data/d/README.md").err
    assert "note: every file in data/d is content of that dataset, data/d/README.md too" in said
    assert "git custody add --reason REASON data/d\n" in said
    custody.ok("add", "--reason", "it has a README now", "data/d")
    assert "data/d/README.md" in repo.git("diff", "--cached", "--name-only")
    assert "note:" not in custody(*words, "README.md").err
    assert (
        "is content"
        not in custody("card", "export", "data/d", "--to", "cyclonedx", "--output", "data/d/a.txt.cdx.json").err
    )


def test_paths_cannot_lead_out_of_the_folder(repo: Repo, custody: Commands) -> None:
    repo.commit(documented(DATA))
    said = custody.fails(2, "card", "export", DATA, "--to", "croissant", "--output", "docs/croissant.json")
    assert "write it above data/rows.csv" in said
    assert not (repo.path / "docs").exists()


def test_what_git_does_not_have_is_not_overwritten(repo: Repo, custody: Commands) -> None:
    repo.commit(documented(DATA))
    repo.write("data/croissant.json", "{}")
    words = ("card", "export", DATA, "--to", "croissant", "--output", "data/croissant.json")
    assert "git add data/croissant.json" in custody.fails(2, *words)
    repo.git("add", "data/croissant.json")
    assert "wrote data/croissant.json" in custody(*words).err
    assert "says so already" in custody(*words).err


def test_a_readme_keeps_its_text_and_other_fields(repo: Repo, custody: Commands) -> None:
    readme = (
        "---\nlicense: mit\ntask_categories:\n- other\nlanguage: [de]\n---\n# Rows\n\nText --- and more.\n---\nend\n"
    )
    repo.commit({**documented(DATA), "data/README.md": readme})
    assert custody("card", "export", DATA, "--to", "huggingface", "--output", "data/README.md").code == 0
    text = (repo.path / "data/README.md").read_text()
    assert text.endswith("---\n# Rows\n\nText --- and more.\n---\nend\n")
    matter = yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))
    assert matter["license"] == "cc-by-4.0"
    assert matter["task_categories"] == ["other"]
    assert matter["language"] == ["de"]


def test_a_readme_that_no_reader_could_read_is_not_written(repo: Repo, custody: Commands) -> None:
    words = ("card", "export", DATA, "--to", "huggingface", "--output", "data/README.md")
    for field, code in (("task_categories:\n- text: [a", 2), ("pretty_name: 'Rows", 0)):
        repo.commit({**documented(DATA), "data/README.md": f"---\nlicense: mit\n{field}\n---\n# Rows\n"})
        done = custody(*words)
        assert done.code == code
        assert ("wrote" in done.err) == (code == 0), "a field that the card has is written anew"


def test_a_card_that_does_not_fit_is_not_exported(repo: Repo, custody: Commands) -> None:
    repo.stage({**documented(DATA), DATA: ROWS + "more\n"})
    assert "git custody add" in custody("card", "export", DATA, "--to", "spdx").err
    assert custody("card", "export", DATA, "--to", "spdx").code == 1


def test_a_card_that_is_not_valid_is_not_exported(repo: Repo, custody: Commands) -> None:
    files = documented(DATA)
    repo.stage({**files, CARD: str(files[CARD]).replace("title: ", "titel: ")})
    done = custody("card", "export", DATA, "--to", "spdx")
    assert (done.code, "titel" in done.err) == (1, True)


def test_what_the_standard_asks_for_besides_is_told(repo: Repo, custody: Commands) -> None:
    repo.commit(documented(DATA))
    done = custody("card", "export", DATA, "--to", "croissant")
    assert "source.url, source.published" in done.err
    assert json.loads(done.out)["conformsTo"] == "http://mlcommons.org/croissant/1.1"


def test_the_time_of_an_export_is_that_of_the_state(
    repo: Repo, custody: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit(documented(DATA))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert '"created": "1970-01-02T00:00:00Z"' in custody("card", "export", DATA, "--to", "spdx").out


def test_data_under_dvc_are_named_by_both_digests(repo: Repo) -> None:
    raw = ROWS.encode()
    sha256, md5 = hashlib.sha256(raw).hexdigest(), hashlib.md5(raw).hexdigest()
    repo.write(DATA, ROWS)
    repo.stage(
        {
            f"{DATA}.dvc": f"outs:\n- md5: {md5}\n  size: {len(raw)}\n  path: rows.csv\n",
            "data/.gitignore": "/rows.csv\n",
        }
    )
    repo.custody("add", *TOLD, f"{DATA}.dvc")
    (resource,) = json.loads(repo.custody("card", "export", DATA, "--to", "datapackage").out)["resources"]
    assert (resource["path"], resource["hash"], resource["bytes"]) == ("rows.csv", f"sha256:{sha256}", len(raw))
    component = json.loads(repo.custody("card", "export", DATA, "--to", "cyclonedx").out)["metadata"]["component"]
    assert {one["alg"]: one["content"] for one in component["hashes"]} == {"SHA-256": sha256, "MD5": md5}


@pytest.mark.parametrize("place", ["LICENSES/LicenseRef-Terms.txt", "terms.txt"])
def test_the_hub_is_led_to_the_text_of_a_licence_that_spdx_lacks(repo: Repo, custody: Commands, place: str) -> None:
    more = f"license_files: [{{path: {place}, sha256: {hashlib.sha256(b'Terms').hexdigest()}}}]\n"
    files = documented(DATA)
    text = str(files[CARD]).replace("license: CC-BY-4.0", "license: LicenseRef-Terms")
    repo.stage({**files, DATA: ROWS, CARD: text + ("" if "LICENSES" in place else more), place: "Terms"})
    out = custody.ok("card", "export", "--to", "huggingface", DATA)
    fields = yaml.safe_load(out.split("---\n")[1])
    assert (fields["license"], fields["license_name"]) == ("other", "LicenseRef-Terms")
    assert fields["license_link"] == ("../LICENSES/LicenseRef-Terms.txt" if "LICENSES" in place else "../terms.txt")
