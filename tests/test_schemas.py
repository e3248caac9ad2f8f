"""The schemas: sound themselves, and each fault told in words that help."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from git_custody.core.findings import CannotJudge
from git_custody.core.metadata import _validator, load, parse_yaml, read_schema
from git_custody.core.schema_holds import holds
from git_custody.core.value_formats import is_date, is_email, is_uri, is_utc_time
from skeletons import CARD, DIGEST, ENTRY, POLICY, WAIVER

NAMES = ["policy", "waiver", "data-card", "audit-entry", "report"]
FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "schemas")


FINDING = {
    "rule": "pickle-weights",
    "requirements": ["2.10"],
    "level": 1,
    "blocks": False,
    "path": "a.bin",
    "waived_by": ".custody/waivers/a.yaml",
    "message": "m",
    "why": "w",
    "docs": "d",
    "fingerprint": "f",
    "fix": ["git custody add a.bin"],
    "path_b64": "YQ==",
    "line": 1,
    "member": "x",
    "found": "y",
}
REPORT: dict[str, Any] = {
    "schema_version": 1,
    "tool": {"name": "git-custody", "version": "1.0.0"},
    "judged": {"mode": "staged", "base": None, "head": None},
    "exit_code": 2,
    "findings": [FINDING],
    "not_judged": [{"path": "b", "reason": "r"}],
    "errors": [{"message": "m", "path": "c", "line": 3}],
    "summary": {"blocking": 0},
}


def _subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from _subschemas(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _subschemas(value)


def test_these_are_all_schemas() -> None:
    files = [name for name in os.listdir(FOLDER) if name.endswith(".schema.json")]
    assert set(NAMES) <= {name.removesuffix(".schema.json") for name in files}


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_sound(name: str) -> None:
    schema = read_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"https://git-custody.dev/schemas/{name}/1"
    assert schema["title"]
    assert schema["description"]


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_closed_local_and_anchored(name: str) -> None:
    schema = read_schema(name)
    conditions = [id(part) for whole in _subschemas(schema) if "if" in whole for part in _subschemas(whole["if"])]
    for part in _subschemas(schema):
        if isinstance(part.get("properties"), dict) and "if" not in part and "const" not in part:
            conditional = part.keys() <= {"required", "properties"} and "required" in part
            assert conditional or id(part) in conditions or "additionalProperties" in part, part
        if "$ref" in part:
            assert part["$ref"].startswith("#/$defs/")
        pattern = part.get("pattern")
        if isinstance(pattern, str):
            assert part["x-says"]
            # In Python $ also matches before a last line break.
            assert not re.search(r"(?<!\\)\$(?!&)", pattern)
            if pattern.startswith("^"):
                assert pattern.endswith("(?![\\s\\S])")
        if isinstance(part.get("format"), str):
            assert part["format"] in ("date", "date-time", "uri", "email")


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_explained(name: str) -> None:
    for part in _subschemas(read_schema(name)):
        if "additionalProperties" not in part:
            continue
        for field, value in part.get("properties", {}).items():
            assert value.get("description") or "$ref" in value, field


def _mutations(data: Any, spare: Any) -> Iterator[Any]:
    """Every value of a document replaced, removed or joined by a stranger, one at a time."""
    yield spare
    if isinstance(data, dict):
        yield {**data, "stranger": spare}
        yield {**data, "x-ours": spare}
        for key, value in data.items():
            yield {name: other for name, other in data.items() if name != key}
            for changed in _mutations(value, spare):
                yield {**data, key: changed}
    elif isinstance(data, list):
        yield [*data, *data]
        yield [*data, spare]
        for index, value in enumerate(data):
            for changed in _mutations(value, spare):
                yield [*data[:index], changed, *data[index + 1 :]]


SPARES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    1.0,
    1.5,
    2**53,
    "",
    "x",
    "1",
    DIGEST,
    DIGEST + "\n",
    "2026-11-22",
    "MIT",
    "2026-12",
    "scraped",
    "https://example.org",
    [],
    [1],
    ["MIT", "MIT"],
    [{}, {}],
    {},
    {"sha256": DIGEST},
    "x" * 21_000,
    "check-policy",
    {"sha256": DIGEST, "dirHash": DIGEST},
]


@pytest.mark.parametrize("name", ["policy", "waiver", "data-card", "audit-entry", "report"])
def test_the_quick_reading_and_jsonschema_agree(name: str) -> None:
    schema = read_schema(name)
    validator = _validator(name)
    good: Any = {"audit-entry": ENTRY, "report": REPORT}.get(name)
    if good is None:
        good = parse_yaml({"policy": POLICY, "waiver": WAIVER, "data-card": CARD}[name].encode()).data
    assert holds(schema, good, schema)
    said = set()
    for spare in SPARES:
        for data in _mutations(good, spare):
            quick = holds(schema, data, schema)
            assert quick == validator.is_valid(data), data
            said.add(quick)
    assert said == {True, False}


def test_the_quick_reading_knows_its_limits() -> None:
    assert not holds({"anyOf": [True]}, 1, {})
    assert not holds({"format": "hostname"}, "a", {})
    assert not holds(False, 1, {})
    assert not holds({"if": True, "then": True, "additionalProperties": False}, {"a": 1}, {})


def test_a_missing_schema_is_no_traceback() -> None:
    with pytest.raises(CannotJudge, match="incomplete"):
        load(b"a: 1", "no-such-thing")


@pytest.mark.parametrize(("name", "text"), [("policy", POLICY), ("waiver", WAIVER), ("data-card", CARD)])
def test_the_skeletons_pass(name: str, text: str) -> None:
    assert load(text.encode(), name).problems == ()


def test_only_the_version_of_a_policy_is_required() -> None:
    assert load(b"version: 1\n", "policy").problems == ()
    assert [problem.pointer for problem in load(b"{}", "policy").problems] == ["/version"]


@pytest.mark.parametrize("kind", ["original", "internal", "synthetic", "user-data", "derived"])
def test_own_data_need_no_address(kind: str) -> None:
    text = CARD.replace("kind: public-download", f"kind: {kind}")
    text = text.replace("  url: https://zenodo.org/records/123\n  retrieved: 2026-11-02\n", "")
    assert load(text.encode(), "data-card").problems == ()


@pytest.mark.parametrize("kind", ["public-download", "scraped"])
def test_data_of_others_need_an_address(kind: str) -> None:
    text = CARD.replace("kind: public-download", f"kind: {kind}")
    text = text.replace("  url: https://zenodo.org/records/123\n  retrieved: 2026-11-02\n", "")
    problems = load(text.encode(), "data-card").problems
    assert [problem.pointer for problem in problems] == ["/source/retrieved", "/source/url"]
    assert {problem.line for problem in problems} == {6}
    assert '"source.url" is missing from the data card' in problems[1].message


def test_free_keys() -> None:
    assert load((CARD + "x-team: {a: [NO, {b: 1}]}\nnotes: |\n  words\n").encode(), "data-card").problems == ()
    assert load((POLICY + "x-team: 1\n").encode(), "policy").problems != ()


# In a good document, what is put instead of what, and what must be said in which line.
BAD = [
    (
        "data-card",
        "license:",
        "licence:",
        11,
        '"licence" is not a field of a data card; did you mean "license"?',
    ),
    (
        "data-card",
        "license: CC-BY-4.0\n",
        "",
        2,
        '"license" is missing from the data card: the licence of the data',
    ),
    (
        "data-card",
        "  publisher:",
        "  publishr:",
        10,
        '"publishr" is not a field of "source"; did you mean "publisher"?',
    ),
    (
        "data-card",
        "kind: data-card",
        "kind: model-card",
        2,
        'kind is "model-card", but should be "data-card"',
    ),
    ("data-card", "version: 1", "version: 2", 3, "version is 2, but should be 1, the only version"),
    (
        "data-card",
        "version: 1",
        "version: '1'",
        3,
        'version is "1", but should be a whole number; take the quotes away',
    ),
    ("data-card", "version: 1", "version: 1.0", 3, "version is 1.0, but should be a whole number"),
    ("data-card", "version: 1", "version: true", 3, "version is true, but should be a whole number"),
    (
        "data-card",
        "support-tickets",
        "Support_Tickets",
        4,
        'id is "Support_Tickets", but should be 2 to 40 characters',
    ),
    ("data-card", "support-tickets", '"support-tickets\\n"', 4, "but should be 2 to 40 characters"),
    ("data-card", "support-tickets", "s", 4, "but should be 2 to 40 characters"),
    ("data-card", "support-tickets", "s" * 41, 4, "but should be 2 to 40 characters"),
    (
        "data-card",
        "title: Support tickets 2025",
        "title: 2025",
        5,
        "title is 2025, but should be text; put quotes around",
    ),
    ("data-card", "title: Support tickets 2025", "title:", 5, "title is empty, but should be text"),
    ("data-card", "title: Support tickets 2025", "title: ''", 5, "title is empty"),
    ("data-card", "title: Support tickets 2025", "title: [a]", 5, "title is a list, but should be text"),
    (
        "data-card",
        "title: Support tickets 2025",
        f"title: {'x' * 501}",
        5,
        "title has 501 characters, but may have 500",
    ),
    (
        "data-card",
        "kind: public-download",
        "kind: public",
        7,
        'source.kind is "public", which is not one of original',
    ),
    ("data-card", "kind: public-download", "kind: public", 7, 'did you mean "public-download"?'),
    (
        "data-card",
        "https://zenodo.org/records/123",
        "zenodo.org",
        8,
        'source.url is "zenodo.org", but should be a whole',
    ),
    (
        "data-card",
        "2026-11-02",
        "2026-02-30",
        9,
        'source.retrieved is "2026-02-30", but should be a day that exists',
    ),
    ("data-card", "2026-11-02", "2026-11-2", 9, "but should be a day that exists, written like"),
    ("data-card", DIGEST, DIGEST.upper(), 12, "content.digest.sha256 is"),
    ("data-card", DIGEST, DIGEST[1:], 12, "but should be 64 digits from 0-9 and a-f"),
    (
        "data-card",
        f"sha256: {DIGEST}",
        "md5: abc",
        12,
        '"md5" is not a field of "content.digest", which has sha256',
    ),
    (
        "data-card",
        f"{{sha256: {DIGEST}}}",
        "{}",
        12,
        "content.digest should have exactly one of sha256 (a file)",
    ),
    (
        "data-card",
        f"sha256: {DIGEST}",
        f"sha256: {DIGEST}, dirHash: {DIGEST}",
        12,
        "should have exactly one of sha256",
    ),
    ("data-card", "bytes: 1234", "bytes: -1", 12, "content.bytes is -1, but should be 0 or more"),
    (
        "data-card",
        "bytes: 1234",
        "bytes: '1234'",
        12,
        'content.bytes is "1234", but should be a whole number; take',
    ),
    (
        "data-card",
        "bytes: 1234",
        "bytes: 1234.0",
        12,
        "content.bytes is 1234.0, but should be a whole number",
    ),
    ("data-card", "text/csv", "csv", 12, "but should be a media type such as text/csv"),
    ("policy", "level: 1", "level: 4", 2, "level is 4, which is not one of 1, 2, 3"),
    ("policy", "level: 1", "level: 1.0", 2, "level is 1.0, but should be a whole number"),
    ("policy", "level: 1", "level: true", 2, "level is true, but should be a whole number"),
    (
        "policy",
        "audit-log]",
        "audt-log]",
        3,
        'is not the id of a hook; did you mean "check-dataset-audit-log"?',
    ),
    ("policy", "audit-log]", "audit-log, check-dataset-audit-log]", 3, "which is in the list already"),
    (
        "policy",
        "[check-dataset-audit-log]",
        "check-dataset-audit-log",
        3,
        "but should be a list, even of one",
    ),
    ("policy", "mode: block", "mode: blok", 4, 'which is not one of block, warn; did you mean "block"?'),
    ("policy", '"2026-12"', "2026-13", 5, 'edition is "2026-13", but should be a month written like 2026-12'),
    ("policy", '">=1.0"', '"1.0"', 6, 'requires is "1.0", but should be the oldest version that will do'),
    ("policy", "14", "-1", 7, "grace_days is -1, but should be 0 or more"),
    ("policy", "14", "10000", 7, "grace_days is 10000, but should be 366 or less"),
    (
        "policy",
        'include: ["data',
        'includes: ["data',
        8,
        'is not a field of "datasets"; did you mean "include"?',
    ),
    (
        "policy",
        ', reason: "the archive that we publish in"',
        "",
        10,
        '"sources.trusted[0].reason" is missing from the policy: why this source',
    ),
    (
        "policy",
        "deny: []",
        "deny: [1]",
        11,
        "licenses.deny[0] is 1, but should be text; put quotes around it",
    ),
    ("policy", "deny: []", "deny: [MIT OR ISC]", 11, "but should be one SPDX licence id or a glob"),
    ("policy", "changed: block", "changed: warn", 12, 'is "warn", which is not one of block, allow'),
    ("policy", "10MB", "10 parsecs", 13, "but should be a size written like 10MB"),
    (
        "waiver",
        'expires: "2027-01-31"',
        "expires: never",
        7,
        'expires is "never", but should be a day that exists',
    ),
    ("waiver", "owner: A. Person\n", "", 1, '"owner" is missing from the waiver: the person or team'),
    ("waiver", "models/old/encoder.bin", "'**'", 3, "a waiver for everything is not possible"),
    ("waiver", "models/old/encoder.bin", "'**/*.*'", 3, "a waiver for everything is not possible"),
    ("waiver", "rule: pickle-weights", "rule: Pickle weights", 2, "but should be the name of a rule"),
]


@pytest.mark.parametrize(("name", "good", "bad", "line", "words"), BAD, ids=lambda value: repr(value)[:25])
def test_faults_are_told(name: str, good: str, bad: str, line: int, words: str) -> None:
    text = {"data-card": CARD, "policy": POLICY, "waiver": WAIVER}[name]
    assert good in text
    document = load(text.replace(good, bad).encode(), name)
    assert len(document.problems) == 1, document.problems
    assert document.data is not None
    assert words in document.problems[0].message
    assert document.problems[0].line == line
    assert "(?" not in document.problems[0].message


def test_problems_come_in_the_order_of_lines() -> None:
    text = CARD.replace("license:", "zzz: 1\nlicense:").replace("title:", "aaa: 1\ntitle:").replace("CC-BY-4.0", "''")
    lines = [problem.line for problem in load(text.encode(), "data-card").problems]
    assert lines == [5, 12, 13]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("custody", "audit-entry/2"),
        ("dataset", "A"),
        ("op", "invent"),
        ("path", ""),
        ("parents", ["abc"]),
        ("parents", [DIGEST, DIGEST]),
        ("parents", None),
        ("before", [{"sha256": DIGEST}, {"sha256": DIGEST}]),
        ("before", [None]),
        ("before", [{}]),
        ("after", {}),
        ("after", "x"),
        ("after", {"sha256": DIGEST + "\n"}),
        ("after", {"sha256": DIGEST, "dirHash": DIGEST}),
        ("after", {"md5": DIGEST}),
        ("reason", ""),
        ("reason", 1.5),
        ("actor", {"name": "A"}),
        ("actor", {"name": "A", "email": ""}),
        ("time", "2026-11-22 18:00:00Z"),
        ("time", "2026-11-22T18:00:00+01:00"),
        ("time", "2026-02-30T18:00:00Z"),
        ("tool", {"name": "x", "version": 1}),
        ("extra", 1),
    ],
)
def test_bad_audit_entries(field: str, value: object) -> None:
    problems = load(json.dumps({**ENTRY, field: value}).encode(), "audit-entry").problems
    assert problems
    assert all(problem.pointer.startswith(f"/{field}") for problem in problems)


@pytest.mark.parametrize("field", sorted(ENTRY))
def test_every_field_of_an_entry_is_required(field: str) -> None:
    entry = {key: value for key, value in ENTRY.items() if key != field}
    assert [problem.pointer for problem in load(json.dumps(entry).encode(), "audit-entry").problems] == [f"/{field}"]


@pytest.mark.parametrize("change", [{"parents": [], "before": []}, {"after": None}, {"after": {"dirHash": DIGEST}}])
def test_entries_of_creation_and_deletion(change: dict[str, Any]) -> None:
    assert load(json.dumps({**ENTRY, **change}).encode(), "audit-entry").problems == ()


def test_report() -> None:
    assert load(json.dumps(REPORT).encode(), "report").problems == ()
    for broken in (
        {**REPORT, "exit_code": 3},
        {**REPORT, "findings": [{**FINDING, "requirements": ["2"]}]},
        {**REPORT, "findings": [{**FINDING, "waived_by": None}]},
        {key: value for key, value in REPORT.items() if key != "errors"},
    ):
        assert load(json.dumps(broken).encode(), "report").problems


def test_dates() -> None:
    assert is_date("2028-02-29")
    for text in (
        "2026-02-29",
        "2026-1-2",
        "20260102",
        "2026-01-02\n",
        "0000-01-01",
        "２０２６-01-02",
        "2026-13-01",
        "",
    ):
        assert not is_date(text)
    assert is_utc_time("2026-11-22T18:00:00Z")
    for text in (
        "2026-11-22T18:00:00",
        "2026-11-22t18:00:00z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T18:00:60Z",
        "2026-11-22T18:00:00.5Z",
        "2026-11-22T18:00:00Z\n",
        "2026-11-31T18:00:00Z",
    ):
        assert not is_utc_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org",
        "http://10.0.0.1:8080/a?b=c#d",
        "https://[::1]/x",
        "ftp://host/x",
        "s3://bucket_1/key",
        "gs://b/k",
        "git://host/r.git",
        "ssh://git@host/r.git",
        "git+https://host/r@v1",
        "hf://datasets/a/b",
        "doi:10.5281/zenodo.123",
        "https://doi.org/10.1000/1",
        "urn:isbn:0451450523",
        "https://ja.wikipedia.org/wiki/日本",
        "https://intranet/data",
        "https://user@host/x",
    ],
)
def test_addresses(text: str) -> None:
    assert is_uri(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.org",
        "www.example.org/x",
        "//example.org/x",
        "https://",
        "https:///x",
        "https:example.org",
        "http//x",
        "https://exa mple.org",
        "https://example.org/a b",
        "https://example.org\n",
        "https://ex\u200bample.org",
        "file:///etc/passwd",
        "javascript://x/%0aalert(1)",
        "data:text/csv,a",
        "C:\\data\\x.csv",
        "C://data",
        "/data/x.csv",
        "git@host:org/repo.git",
        "https://host:port/",
        "https://[::1",
        "https://...",
        "<https://example.org>",
        "https://{host}/x",
        "doi:",
        "doi:abc",
        "mailto:a@b.c",
    ],
)
def test_no_addresses(text: str) -> None:
    assert not is_uri(text)


def test_emails() -> None:
    for text in ("a@example.org", "root@localhost", "a+b@x.(none)", "ü@例え.jp"):
        assert is_email(text)
    for text in ("", "a", "@b", "a@", "a b@c.d", "a@b\n", "<a@b>", "a@b,c@d"):
        assert not is_email(text)


def test_other_validators_read_the_schemas_alike() -> None:
    # The stock validator, with Python's own idea of a pattern, agrees on the skeletons.
    for name, text in (("policy", POLICY), ("waiver", WAIVER), ("data-card", CARD)):
        jsonschema.Draft202012Validator(read_schema(name)).validate(parse_yaml(text.encode()).data)
