"""Other validators read the schema of data cards as we do: check-jsonschema, and ajv, that of JavaScript.

Both get what our loader read of each card of the corpus, as JSON: as it is, and as if it were written for each level.
Formats: of the two that the schema has, `date` is asserted by all three; `uri` by us and by ajv-formats. check-jsonschema
leaves it out unless a library for it is installed; what is no address by any measure is refused by a pattern as well.

ajv needs node: npm install --prefix build/ajv ajv@8 ajv-formats@3
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from card_corpus import cards
from git_custody.core.metadata import _validator, parse_yaml, read_schema
from git_custody.core.schema_holds import holds

ROOT = Path(__file__).parent.parent.parent
SCHEMA = ROOT / "schemas" / "data-card.schema.json"
AJV = ROOT / "build" / "ajv"
Verdicts = Callable[[Sequence[Any], bool], list[bool]]


def _corpus() -> list[tuple[str, Any]]:
    """Every card that can be read, and the card of each level that it would be: a name and JSON values."""
    found = []
    for one in cards():
        document = parse_yaml(one.file.read_bytes())
        if document.problems:
            continue
        found.append((one.name, document.data))
        if isinstance(document.data, dict):
            found += [(f"{one.name} at level {level}", {**document.data, "level": level}) for level in (1, 2, 3)]
    return found


CORPUS = _corpus()

# Where the three differ by design, and why. None of these is in the corpus.
GOOD: dict[str, Any] = {
    "kind": "data-card", "version": 1, "id": "rows", "title": "Rows", "source": {"kind": "original", "publisher": "Us"},
    "license": "MIT", "content": {"digest": {"sha256": "a" * 64}},
}  # fmt: skip
DIFFERENT = {
    # JSON Schema calls 1.0 an integer; in metadata it is another text, so it is another value.
    "an integer with a point": ({**GOOD, "version": 1.0}, {"ours": False, "ajv": True, "check-jsonschema": True}),
    # Nobody else can fetch it.
    "a file of one machine": (
        {**GOOD, "source": {**GOOD["source"], "url": "file:///srv/rows.csv"}},
        {"ours": False, "ajv": True, "check-jsonschema": True},
    ),
    # RFC 3987, which `uri` does not allow and people write.
    "an address with an umlaut": (
        {**GOOD, "source": {**GOOD["source"], "url": "https://example.org/Büchereien.csv"}},
        {"ours": True, "ajv": False, "check-jsonschema": True},
    ),
}


def ours(values: Sequence[Any], formats: bool) -> list[bool]:
    """Our verdicts, of both readings of the schema; `formats`: they are asserted in all of them."""
    assert formats
    schema, validator = read_schema("data-card"), _validator("data-card")
    found = [holds(schema, value, schema) for value in values]
    assert found == [validator.is_valid(value) for value in values]
    return found


@pytest.fixture
def check_jsonschema(tmp_path: Path) -> Verdicts:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed: pip install check-jsonschema")

    def verdicts(values: Sequence[Any], formats: bool) -> list[bool]:
        files = [tmp_path / f"{index}.json" for index in range(len(values))]
        for file, value in zip(files, values, strict=True):
            file.write_text(json.dumps(value), "utf-8")
        words = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(SCHEMA), "--no-cache", "-o", "json"]
        words += [] if formats else ["--disable-formats", "*"]
        done = subprocess.run([*words, *map(str, files)], capture_output=True, check=False, timeout=300)
        report = json.loads(done.stdout)
        assert report.get("parse_errors", []) == []
        bad = {error["filename"] for error in report.get("errors", [])}
        return [str(file) not in bad for file in files]

    return verdicts


@pytest.fixture
def ajv() -> Verdicts:
    node = shutil.which("node")
    if node is None or not (AJV / "node_modules" / "ajv-formats").is_dir():
        pytest.skip("ajv is not installed: install node, then npm install --prefix build/ajv ajv@8 ajv-formats@3")

    def verdicts(values: Sequence[Any], formats: bool) -> list[bool]:
        asked = json.dumps({"schema": read_schema("data-card"), "formats": formats, "values": values})
        words = (node, str(Path(__file__).parent / "ajv_verdicts.mjs"), str(AJV))
        done = subprocess.run(words, input=asked.encode(), capture_output=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr.decode()
        found: list[bool] = json.loads(done.stdout)
        return found

    return verdicts


@pytest.fixture(params=["check-jsonschema", "ajv"])
def other(request: pytest.FixtureRequest) -> tuple[str, Verdicts]:
    return request.param, request.getfixturevalue(request.param.replace("-", "_"))


def test_the_same_verdict_on_every_card(other: tuple[str, Verdicts]) -> None:
    _, verdicts = other
    values = [value for _, value in CORPUS]
    mine, theirs = ours(values, True), verdicts(values, True)
    assert [CORPUS[index][0] for index, said in enumerate(mine) if said != theirs[index]] == []
    assert set(mine) == {True, False}
    assert len(values) > 1000


def test_without_formats_only_days_and_addresses_pass_that_did_not(other: tuple[str, Verdicts]) -> None:
    _, verdicts = other
    values = [value for _, value in CORPUS]
    mine, theirs = ours(values, True), verdicts(values, False)
    validator = _validator("data-card")
    for index, (name, value) in enumerate(CORPUS):
        kinds = {error.validator for error in validator.iter_errors(value)}
        assert theirs[index] is (mine[index] or kinds == {"format"}), name


def test_where_they_differ_and_why(other: tuple[str, Verdicts]) -> None:
    name, verdicts = other
    values = [value for value, _ in DIFFERENT.values()]
    assert ours(values, True) == [said["ours"] for _, said in DIFFERENT.values()]
    assert verdicts(values, True) == [said[name] for _, said in DIFFERENT.values()]
