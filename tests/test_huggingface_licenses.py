"""The table of the Hub's licence identifiers: whole, and never a guess."""

from __future__ import annotations

import pytest

from git_custody.datasets.huggingface_licenses import HUB_LICENSES, from_hugging_face
from git_custody.datasets.licenses import check_license

# As https://huggingface.co/docs/hub/repositories-licenses lists them, and the Hub's search offers besides.
ON_THE_HUB = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl
lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib
pddl lgpl-lr deepfloyd-if-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma unknown other apple-amlr
apple-ascl fair-noncommercial-research-license grok2-community h-research intel-research openmdw-1.0 openmdw-1.1
"""


def test_every_identifier_of_the_hub_is_in_the_table() -> None:
    assert [name for name in ON_THE_HUB.split() if name not in HUB_LICENSES] == []


@pytest.mark.parametrize("name", HUB_LICENSES)
def test_what_the_table_says_is_spdx(name: str) -> None:
    meant = HUB_LICENSES[name]
    for expression in (meant.license, *meant.choices):
        if expression is not None:
            verdict = check_license(expression, [], [], [])
            assert verdict.status == ("review" if meant.kind == "text" else "ok")
            assert verdict.suggestion is None
    assert bool(meant.license) == (meant.kind in ("exact", "text"))
    assert bool(meant.choices) == (meant.kind == "version")


@pytest.mark.parametrize("name", [name for name, meant in HUB_LICENSES.items() if meant.kind == "exact"])
def test_exact_means_the_same_name(name: str) -> None:
    meant = HUB_LICENSES[name].license or ""
    assert meant.lower() in (name, f"{name}-1.0") or (name, meant) == ("lgpl-lr", "LGPLLR")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ODC-By", "exact"), (" mit ", "exact"), ("gpl-3.0", "version"), ("cc", "version"), ("gemma", "text"),
        ("other", "unknown"), ("", "unknown"), ("no-such-licence", "unknown"),
    ],
)  # fmt: skip
def test_kinds(name: str, kind: str) -> None:
    assert from_hugging_face(name).kind == kind


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("odc-by", "ODC-By-1.0"),
        ("cc", "a family of licences: write CC-BY-4.0, CC-BY-SA-4.0, CC-BY-NC-4.0 or CC0-1.0"),
        ("openrail++", "LICENSES/LicenseRef-hf-openrail-plus-plus.txt"),
        ("unknown", "names no licence"),
    ],
)
def test_a_card_with_such_a_name_is_told_what_to_write(name: str, said: str) -> None:
    verdict = check_license(name, [], [], [])
    assert verdict.status == "invalid"
    assert said in verdict.message
