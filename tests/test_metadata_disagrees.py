"""The rule `metadata-disagrees`, and what the files of other standards are taken to say."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from clock import within
from conftest import ROWS, Repo, documented

RULE = "metadata-disagrees"
DATA = "data/rows.csv"
CARD = f"{DATA}.datacard.yaml"
POLICY = "version: 1\nlevel: 2\n"
SHA256 = hashlib.sha256(ROWS.encode()).hexdigest()


def card(**fields: Any) -> str:
    """A card that satisfies level 2, as JSON, which is YAML."""
    held: dict[str, Any] = {
        "kind": "data-card", "version": 1, "id": "rows", "title": "Rows for tests",
        "source": {"kind": "original", "publisher": "Example Lab"}, "license": "CC-BY-4.0",
        "personal_data": "none", "content": {"digest": {"sha256": SHA256}},
    }  # fmt: skip
    return json.dumps({**held, **fields})


def croissant(**fields: Any) -> str:
    held: dict[str, Any] = {
        "@context": {"@vocab": "https://schema.org/"}, "@type": "sc:Dataset", "name": "rows",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "distribution": [{"@type": "cr:FileObject", "@id": "rows", "contentUrl": "rows.csv", "sha256": SHA256}],
    }  # fmt: skip
    return json.dumps({**held, **fields})


def package(**fields: Any) -> str:
    return json.dumps({"name": "rows", "resources": [{"name": "rows", "path": "rows.csv"}], **fields})


REUSE = "version = 1\n\n[[annotations]]\npath = {path}\nSPDX-FileCopyrightText = '2024 Lab'\nSPDX-License-Identifier = '{license}'\n"
HUB = "---\nlicense: {license}\nsize_categories:\n- n<1K\nconfigs:\n- config_name: all\n  data_files: '{files}'\n---\n# Rows\n"
BOM = {
    "bomFormat": "CycloneDX", "specVersion": "1.6",
    "components": [{"type": "data", "name": "rows.csv", "licenses": [{"license": {"id": "MIT"}}]}],
}  # fmt: skip

BAD: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "hub, licence": ({"README.md": HUB.format(license="mit", files="data/*.csv")}, {}),
    "hub, beside": ({"data/README.md": HUB.format(license="cc-by-sa-4.0", files="rows.csv")}, {}),
    "croissant, licence": ({"data/croissant.json": croissant(license="https://spdx.org/licenses/MIT.html")}, {}),
    "croissant, deed": (
        {f"{DATA}.croissant.json": croissant(license="http://creativecommons.org/licenses/by-nc/4.0/deed.de")}, {},
    ),
    "croissant, prefixed": ({"data/croissant.json": croissant(**{"sc:license": {"@id": "https://opensource.org/licenses/MIT"}})}, {}),
    "croissant, digest": (
        {"data/croissant.json": croissant(distribution=[{"@type": "FileObject", "contentUrl": "rows.csv", "sha256": "0" * 64}])}, {},
    ),
    "croissant, version": ({"data/croissant.json": croissant(version="1.2.0")}, {"data_version": "1.3.0"}),
    "package, licence": ({"data/datapackage.json": package(licenses=[{"name": "ODbL-1.0"}])}, {}),
    "package, resource": (
        {"data/datapackage.json": package(licenses=[{"name": "CC-BY-4.0"}], resources=[{"path": "rows.csv", "licenses": [{"name": "MIT"}]}])}, {},
    ),
    "package, hash": ({"data/datapackage.json": package(resources=[{"path": "rows.csv", "hash": "sha256:" + "0" * 64}])}, {}),
    "package, from above": ({"datapackage.json": package(resources=[{"path": "data/rows.csv"}], licenses=[{"path": "https://opendatacommons.org/licenses/pddl/1-0/"}])}, {}),
    "reuse, sidecar": ({f"{DATA}.license": "SPDX-FileCopyrightText: 2024 Lab\n\nSPDX-License-Identifier: MIT\n"}, {}),
    "reuse, toml": ({"REUSE.toml": REUSE.format(path="'data/**'", license="MIT")}, {}),
    "reuse, list": ({"data/REUSE.toml": REUSE.format(path="['x', '*.csv']", license="Apache-2.0 OR MIT")}, {}),
    "cyclonedx, beside": ({f"{DATA}.cdx.json": json.dumps(BOM)}, {}),
    "cyclonedx, listed": ({"bom.json": json.dumps({**BOM, "components": [*BOM["components"], {"type": "data", "name": "other"}]})}, {}),
    "package, doi": (
        {"data/datapackage.json": package(sources=[{"title": "x", "path": "https://doi.org/10.7910/DVN/ABC"}])},
        {"source": {"kind": "licensed-third-party", "publisher": "Lab", "url": "https://doi.org/10.7910/DVN/XYZ"},
         "license_evidence": {"captured": "2026-01-02", "stated_by": "contract"}},
    ),
}  # fmt: skip

GOOD: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "hub, same": ({"README.md": HUB.format(license="cc-by-4.0", files="data/*.csv")}, {}),
    "hub, other files": ({"README.md": HUB.format(license="mit", files="other/*.csv")}, {}),
    "hub, a family": ({"README.md": HUB.format(license="cc", files="data/*.csv")}, {}),
    "hub, several": ({"README.md": HUB.format(license="[mit, apache-2.0]", files="data/*.csv")}, {}),
    "hub, a model": ({"README.md": "---\nlicense: mit\npipeline_tag: text-generation\ndatasets: [a/b]\n---\n"}, {}),
    "hub, a project": ({"README.md": "---\nlicense: mit\n---\n"}, {}),
    "hub, only above": ({"README.md": "---\nlicense: mit\ntask_categories: [other]\n---\n"}, {}),
    "hub, prose": ({"README.md": "---\n\nlicense: mit\n"}, {}),
    "hub, broken": ({"README.md": "---\nlicense: [mit\nsize_categories: {\n---\n"}, {}),
    "croissant, same": ({"data/croissant.json": croissant(license="https://creativecommons.org/licenses/by/4.0/")}, {}),
    "croissant, words": ({"data/croissant.json": croissant(license="free for research")}, {}),
    "croissant, other file": ({"data/croissant.json": croissant(license="MIT", distribution=[{"@type": "FileObject", "contentUrl": "other.csv"}])}, {}),
    "croissant, a copy elsewhere": (
        {"data/croissant.json": croissant(distribution=[{"@type": "FileObject", "contentUrl": "https://e.org/rows.csv", "sha256": "0" * 64}])}, {},
    ),
    "croissant, same version": ({"data/croissant.json": croissant(version="1.2")}, {"data_version": "v1.2.0"}),
    "croissant, version in words": ({"data/croissant.json": croissant(version="spring")}, {"data_version": "1.2.0"}),
    "croissant, its own page": (
        {"data/croissant.json": croissant(url="https://huggingface.co/datasets/us/rows")},
        {"source": {"kind": "derived", "publisher": "Lab", "url": "https://huggingface.co/datasets/them/rows"},
         "derived_from": [{"url": "https://huggingface.co/datasets/them/rows", "relation": "subset", "license": "CC-BY-4.0"}]},
    ),
    "package, several": ({"data/datapackage.json": package(licenses=[{"name": "MIT"}, {"name": "CC-BY-4.0"}])}, {}),
    "package, one of": ({"data/datapackage.json": package(licenses=[{"name": "MIT"}])}, {"license": "MIT OR CC-BY-4.0"}),
    "package, renamed id": ({"data/datapackage.json": package(licenses=[{"name": "GPL-2.0"}])}, {"license": "GPL-2.0-only"}),
    "package, md5": ({"data/datapackage.json": package(resources=[{"path": "rows.csv", "hash": "0" * 32}])}, {}),
    "package, no resources": ({"data/datapackage.json": json.dumps({"licenses": [{"name": "MIT"}]})}, {}),
    "reuse, nearest": (
        {"REUSE.toml": REUSE.format(path="'**'", license="MIT"), "data/REUSE.toml": REUSE.format(path="'**'", license="CC-BY-4.0")}, {},
    ),
    "reuse, last": (
        {"REUSE.toml": REUSE.format(path="'**'", license="MIT") + REUSE.format(path="'data/*'", license="CC-BY-4.0").partition("\n\n")[2]}, {},
    ),
    "reuse, sidecar first": (
        {"REUSE.toml": REUSE.format(path="'**'", license="MIT"), f"{DATA}.license": "SPDX-License-Identifier: CC-BY-4.0\n"}, {},
    ),
    "reuse, escaped": ({"REUSE.toml": REUSE.format(path="'data/\\*.csv'", license="MIT")}, {}),
    "reuse, folder only": ({"REUSE.toml": REUSE.format(path="'*.csv'", license="MIT")}, {}),
    "reuse, broken": ({"REUSE.toml": "[[annotations]\n"}, {}),
    "cyclonedx, other": ({"bom.json": json.dumps({**BOM, "components": [{**BOM["components"][0], "name": "x"}]})}, {}),  # type: ignore[dict-item]
    "zenodo's two dois": (
        {"data/datapackage.json": package(sources=[{"title": "x", "path": "https://doi.org/10.5281/zenodo.1"}])},
        {"source": {"kind": "licensed-third-party", "publisher": "Lab", "url": "https://doi.org/10.5281/zenodo.2"},
         "license_evidence": {"captured": "2026-01-02", "stated_by": "contract"}},
    ),
}  # fmt: skip


def staged(repo: Repo, files: dict[str, str], fields: dict[str, Any]) -> None:
    repo.stage({".custody/policy.yaml": POLICY, DATA: ROWS, CARD: card(**fields), **files})


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_states_something_else_is_reported(repo: Repo, name: str) -> None:
    staged(repo, *BAD[name])
    assert repo.check("--all").caught(RULE) == [CARD], repo.check("--all").out


@pytest.mark.parametrize("name", GOOD)
def test_what_can_both_be_true_is_left_alone(repo: Repo, name: str) -> None:
    staged(repo, *GOOD[name])
    assert RULE not in repo.check("--all").rules, repo.check("--all").out


def test_reuse_that_overrides_counts_from_above(repo: Repo) -> None:
    upper = REUSE.format(path="'**'", license="MIT").replace("path", "precedence = 'override'\npath")
    staged(repo, {"REUSE.toml": upper, "data/REUSE.toml": REUSE.format(path="'**'", license="CC-BY-4.0")}, {})
    assert repo.check("--all").caught(RULE) == [CARD]


def test_level_1_is_not_asked(repo: Repo) -> None:
    repo.stage({**documented(DATA), "data/croissant.json": croissant(license="MIT")})
    assert RULE not in repo.check("--all").rules


def test_a_folder_is_compared_with_the_files_inside(repo: Repo) -> None:
    repo.stage({".custody/policy.yaml": POLICY, "data/d/a.txt": "a", "data/d/b.txt": "b",
                "data/d/croissant.json": croissant(license="MIT", distribution=[])})  # fmt: skip
    repo.custody(
        "add",
        "--as-one",
        "--title",
        "Letters",
        "--source-kind",
        "original",
        "--publisher",
        "Lab",
        "--license",
        "CC0-1.0",
        "data/d",
    )
    assert repo.check("--all").report["findings"][-1]["rule"] != "digest-mismatch"
    assert "data/d/datacard.yaml" in repo.check("--all").caught(RULE)


def test_no_file_has_to_know_its_own_digest(repo: Repo) -> None:
    listed = [{"path": name, "hash": f"sha256:{'0' * 64}"} for name in ("datapackage.json", "a.txt")]
    words = ("--title", "Letters", "--source-kind", "original", "--publisher", "Lab", "--license", "CC0-1.0")
    for resources, rules in ((listed[:1], []), (listed, ["data/d/datacard.yaml"])):
        package_file = json.dumps({"name": "d", "resources": resources})
        repo.stage({".custody/policy.yaml": POLICY, "data/d/a.txt": "a", "data/d/datapackage.json": package_file})
        repo.custody("add", "--as-one", *words, "data/d")
        assert repo.check("--all").caught(RULE) == rules


@pytest.mark.parametrize("name", ["data/croissant.json", f"{DATA}.license", "REUSE.toml", "README.md"])
def test_a_change_of_the_other_file_alone_is_judged(repo: Repo, name: str) -> None:
    texts = {
        "data/croissant.json": croissant(license="MIT"),
        f"{DATA}.license": "SPDX-License-Identifier: MIT\n",
        "REUSE.toml": REUSE.format(path="'**'", license="MIT"),
        "README.md": HUB.format(license="mit", files="**/*.csv"),
    }
    staged(repo, {}, {})
    repo.commit()
    assert repo.check("--staged").passes
    repo.stage({name: texts[name]})
    assert repo.check("--staged").caught(RULE) == [CARD]


def test_a_dvc_file_says_where_its_data_are_from(repo: Repo) -> None:
    text = "md5: {}\nfrozen: true\ndeps:\n- path: https://huggingface.co/datasets/a/b/resolve/main/x.csv\nouts:\n- md5: {}\n  size: 3\n  path: x.csv\nmeta:\n  license: MIT\n"
    text = text.format("0" * 32, "1" * 32)
    repo.stage({".custody/policy.yaml": POLICY, "data/x.csv.dvc": text})
    repo.custody("add", "--title", "Letters", "--source-url", "https://huggingface.co/datasets/a/c", "--publisher", "Lab",
                 "--license", "CC0-1.0", "data/x.csv.dvc")  # fmt: skip
    found = [f for f in repo.check("--all").report["findings"] if f["rule"] == RULE]
    assert len(found) == 2
    assert "line 10" in str(found)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000, '{"a":' * 50_000, "{}", "[]", "null", "\udcff", '{"@type": 7, "distribution": {"a": 1}}',
        '{"@type": "Dataset", "distribution": [[[]], null, {"@type": "FileObject", "contentUrl": {"a": 1}}]}',
        '{"resources": [null, {"path": [1, {}]}], "licenses": 3}', '{"resources": [{"path": "rows.csv", "hash": 7}], "licenses": [[]]}',
        "---\n" + "a: &a [*a, *a]\n" * 9 + "license: *a\nconfigs: {a: b}\n---\n", "---\n" + "[" * 60_000 + "\n---\n",
        "---\nconfigs:\n- data_files:\n  - path: {a: [b]}\n  - 7\nlicense: {mit: }\n---\n", "--- \n? [a]\n: b\n---\n",
        '{"bomFormat": "CycloneDX", "metadata": [], "components": [{"type": "data", "name": "rows.csv", "licenses": {}, "hashes": [7]}]}',
        "[[annotations]]\npath = ['" + "*a" * 300 + "b', '" + "**x" * 100 + "']\nSPDX-License-Identifier = 'MIT'\n",
        "a = " + "[" * 90_000, "annotations = 7\n", "[[annotations]]\npath = 7\n[[annotations]]\npath = '**'\n",
    ],
)  # fmt: skip
def test_hostile_files_say_nothing_and_cost_little(repo: Repo, text: str) -> None:
    raw = text.encode("utf-8", "surrogateescape")
    names = ("data/croissant.json", "data/datapackage.json", "README.md", "REUSE.toml", "bom.json", f"{DATA}.license")
    repo.stage({".custody/policy.yaml": POLICY, DATA: ROWS, CARD: card(), **dict.fromkeys(names, raw)})
    with within(20):
        assert RULE not in repo.check("--all").rules


def test_globs_cost_no_time() -> None:
    from git_custody.datasets.metadata.facts import Subject
    from git_custody.datasets.metadata.reuse import Work, annotated, parse_annotations

    glob = "**a*" * 100 + "b"
    toml = f"[[annotations]]\npath = {json.dumps([glob] * 500)}\nSPDX-License-Identifier = 'MIT'\n"
    subject = Subject("d", True, frozenset("d/" + "a" * 900 + str(number) for number in range(150)))
    with within(10):
        assert annotated([("REUSE.toml", parse_annotations("REUSE.toml", toml.encode()))], subject, Work()) is None


def test_the_fixes_take_over_either_side(repo: Repo) -> None:
    repo.stage({".custody/policy.yaml": POLICY, DATA: ROWS, CARD: card()})
    repo.stage({"data/croissant.json": croissant(license="https://spdx.org/licenses/MIT.html")})
    (fixes,) = (f["fix"] for f in repo.check().report["findings"] if f["rule"] == RULE)
    take, write = (fix.split("custody ", 1)[1] for fix in fixes)
    assert take == f"card update --license MIT {CARD}"
    assert write == f"card export {DATA} --to croissant --output data/croissant.json"
    assert repo.custody(*write.split()).code == 0
    repo.git("add", ".")
    assert RULE not in repo.check().rules


def test_a_file_about_other_data_too_is_not_written_anew(repo: Repo) -> None:
    both = package(licenses=[{"name": "MIT"}], resources=[{"name": n, "path": f"{n}.csv"} for n in ("rows", "more")])
    repo.stage({".custody/policy.yaml": POLICY, DATA: ROWS, CARD: card(), "data/datapackage.json": both})
    repo.stage({"data/more.csv": "a\n1\n"})
    fixes = [fix for f in repo.check().report["findings"] if f["rule"] == RULE for fix in f["fix"]]
    assert [fix.split("custody ", 1)[1] for fix in fixes] == [f"card update --license MIT {CARD}"]
