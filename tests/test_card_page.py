"""docs/data-card.md: its card is good, every field of the schema has a row, and what it says of exports is so."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from git_custody.core.metadata import load, read_schema

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture
def card_page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    import card_page

    assert sys.modules["card_page"] is card_page
    return card_page


def test_the_card_at_its_top_is_good_and_has_ten_lines(card_page: ModuleType) -> None:
    assert load(card_page.CARD.encode(), "data-card").problems == ()
    assert len(card_page.CARD.splitlines()) == 10
    assert card_page.CARD in (DOCS / "data-card.md").read_text("utf-8")


def test_every_field_has_a_row(card_page: ModuleType) -> None:
    schema = read_schema("data-card")
    named = {name for name, _, _ in card_page.fields(schema, schema, "")}
    rows = set(re.findall(r"^\| `([a-zA-Z0-9_.\[\]]+)` \|", (DOCS / "data-card.md").read_text("utf-8"), re.MULTILINE))
    groups = {name for name in named if any(other.startswith((f"{name}.", f"{name}[].")) for other in named)}
    assert rows == named - groups
    assert set(card_page.STANDARDS) <= named


def test_what_is_exported(card_page: ModuleType) -> None:
    reached = card_page.exported_fields(read_schema("data-card"))
    assert {"title", "license", "source.published", "limitations"} <= reached["Croissant"]
    assert {"title", "license", "language", "annotation.creators"} <= reached["Hugging Face"]
    assert {"id", "title", "license", "source.publisher", "content.bytes"} <= reached["Data Package"]
    assert {"personal_data", "modality", "confidentiality", "data_version"} <= reached["SPDX"]
    assert {"stewards[].role", "data_categories", "rights_holders"} <= reached["CycloneDX"]
    assert not {"notes", "scrape.respected", "lawful_basis"} & set().union(*reached.values())
