"""The strict loader: one way to read a document, a line for every value, no bytes that break it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clock import within
from git_custody.core.metadata import load, nearest, parse_json, parse_yaml
from skeletons import CARD, ENTRY


@pytest.fixture(params=["libyaml", "python"])
def scanner(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both scanners of PyYAML: a machine without libyaml must read the same."""
    if request.param == "python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    elif not yaml.__with_libyaml__:
        pytest.skip("this PyYAML has no libyaml")
    return str(request.param)


def _value(text: str) -> Any:
    document = parse_yaml(f"value: {text}\n".encode())
    assert document.problems == ()
    return document.data["value"]


@pytest.mark.parametrize(
    "text",
    [
        "NO",
        "no",
        "yes",
        "on",
        "off",
        "y",
        "n",
        "True",
        "TRUE",
        "False",
        "Null",
        "NULL",
        "1.10",
        "1.0e3",
        "1e5",
        "2026-01-02",
        "2026-01-02T03:04:05Z",
        "010",
        "0o10",
        "0x1F",
        "0b1",
        "1:30",
        "1_000",
        "+1",
        "-0",
        ".inf",
        "-.inf",
        ".nan",
        ".5",
        "5.",
        "1,5",
        "00",
        "00.5",
        "9007199254740993",
        "99999999999999999999999",
        "=",
        "1.50",
    ],
)
@pytest.mark.usefixtures("scanner")
def test_what_json_does_not_have_stays_text(text: str) -> None:
    assert _value(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("~", None),
        ("", None),
        ("true", True),
        ("false", False),
        ("0", 0),
        ("7", 7),
        ("-12", -12),
        ("9007199254740992", 2**53),
        ("1.5", 1.5),
        ("-0.25", -0.25),
        ("10.0", 10.0),
        ('"1"', "1"),
        ("'null'", "null"),
        ('"true"', "true"),
        ("'<<'", "<<"),
        ("[]", []),
        ("{}", {}),
        ("[1, two, 3.5]", [1, "two", 3.5]),
        ("a b", "a b"),
        ("CC-BY-4.0", "CC-BY-4.0"),
        ("売上", "売上"),
        ("a#b", "a#b"),
    ],
)
@pytest.mark.usefixtures("scanner")
def test_json_values_are_values(text: str, value: object) -> None:
    found = _value(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.usefixtures("scanner")
def test_block_text_and_comments() -> None:
    document = parse_yaml(b"a: |\n  one\n  two\nb: >-\n  three\n  four\nc: 'it''s' # why\n")
    assert document.data == {"a": "one\ntwo\n", "b": "three four", "c": "it's"}
    assert dict(document.lines) == {"": 1, "/a": 1, "/b": 4, "/c": 7}


@pytest.mark.usefixtures("scanner")
def test_keys_are_text() -> None:
    document = parse_yaml(b"1: a\nnull: b\ntrue: c\n2026-01-02: d\n")
    assert document.data == {"1": "a", "null": "b", "true": "c", "2026-01-02": "d"}


@pytest.mark.usefixtures("scanner")
def test_every_value_has_its_line() -> None:
    document = parse_yaml(b"# one\na:\n  b/c:\n    - 1\n    - d~: 2\n  e:\n\n    3\nf: {g: [\n  4]}\n")
    assert dict(document.lines) == {
        "": 2,
        "/a": 2,
        "/a/b~1c": 3,
        "/a/b~1c/0": 4,
        "/a/b~1c/1": 5,
        "/a/b~1c/1/d~0": 5,
        "/a/e": 6,
        "/f": 9,
        "/f/g": 9,
        "/f/g/0": 10,
    }


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r"])
@pytest.mark.usefixtures("scanner")
def test_line_ends_and_byte_order_mark(break_: str) -> None:
    document = parse_yaml(("\ufeff" + break_.join(["a: 1", "b: 2", ""])).encode())
    assert document.data == {"a": 1, "b": 2}
    assert document.lines["/b"] == 2


REFUSED_YAML = [
    (b"", 1, "nothing in this file"),
    (b"# only words\n", 1, "nothing in this file"),
    (b"a: 1\na: 2\n", 2, '"a" stands here and in line 1'),
    (b"a:\n  b: 1\n  'b': 2\n", 3, '"b" stands here and in line 2'),
    (b"{a: 1, 'a': 2}", 1, '"a" stands here and in line 1'),
    (b"1: x\n'1': y\n", 2, '"1" stands here and in line 1'),
    (b"a: &x 1\n", 1, "&x is an anchor"),
    (b"a: &x [1]\n", 1, "&x is an anchor"),
    (b"a: 1\nb: *x\n", 2, "*x is an alias"),
    (b"*x : 1\n", 1, "*x is an alias"),
    (b"a: 1\n<<: {b: 2}\n", 2, "merge key"),
    (b"a: !!str 1\n", 1, "a tag"),
    (b"a: ! 1\n", 1, "a tag"),
    (b"a:\n  - !!python/object/apply:os.system [id]\n", 2, "a tag"),
    (b"a: !!binary aGk=\n", 1, "a tag"),
    (b"!!map {a: 1}\n", 1, "a tag"),
    (b"%YAML 1.1\n---\na: 1\n", 1, "start with %"),
    (b"%TAG ! tag:x,2000:\n---\na: 1\n", 1, "start with %"),
    (b"a: 1\n---\nb: 2\n", 2, "second document"),
    (b"a: 1\n...\n---\nb: 2\n", 3, "second document"),
    (b"[a]: 1\n", 1, "keys have to be words"),
    (b"? {a: 1}\n: 2\n", 1, "keys have to be words"),
    (b"[" * 21, 1, "more than 20 deep"),
    (b"[" * 200_000, 1, "more than 20 deep"),
    (b"- " * 50_000, 1, "more than 20 deep"),
    (b"{a: " * 60_000, 1, "more than 20 deep"),
    (b"a: " + b"x" * 256 * 1024, None, "more than the 262144 bytes"),
    (b"? " + b"k" * 101 + b"\n: 1\n", 1, "longer than 100 characters"),
    (b"[" + b"1," * 10_001 + b"]", 1, "more than 10000 values"),
    (b"a:\n\tb: 1\n", 2, "a tab"),
    (b"a:\tb\n", 1, "a tab"),
    (b"a: 1\nb: \x00\n", 2, "U+0000"),
    (b"a: 1\nb: \x1b[31m\n", 2, "U+001B"),
    ("a: x\u2028y\n".encode(), 1, "U+2028"),
    ("a: x\u0085y\n".encode(), 1, "U+0085"),
    ("a: 1\nb: x\ufeff\n".encode(), 2, "U+FEFF"),
    (b"a: caf\xe9\n", 1, "byte 0xe9 is not UTF-8"),
    (b"a: 1\nb: \xed\xa0\x80\n", 2, "is not UTF-8"),
    ("a: 1\n".encode("utf-16"), 1, "UTF-16"),
    (b'a: "\\ud800"\n', 1, ""),
    (b'a: "\\UFFFFFFFF"\n', None, ""),
    (b"a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> theirs\n", 2, "git custody card update"),
    (b"a: 1\nb: 3\n>>>>>>> theirs\n", 3, "merge conflict"),
    (b"title: Cats: a survey\n", 1, "put quotes around the value"),
    (b"title: @cats\n", 1, "put quotes around it"),
    (b"title: 'cats\n", None, "never closed"),
    (b"a: [1, 2\n", None, "bracket"),
]


@pytest.mark.parametrize(("data", "line", "words"), REFUSED_YAML, ids=lambda value: repr(value)[:30])
@pytest.mark.usefixtures("scanner")
def test_refused_yaml(data: bytes, line: int | None, words: str) -> None:
    with within(5):
        document = parse_yaml(data)
    assert document.data is None
    assert words in document.problems[0].message
    if line is not None:
        assert document.problems[0].line == line


def test_several_problems_are_told_at_once() -> None:
    document = parse_yaml(b"a: &x 1\nb: !t 2\na: 3\n")
    assert [problem.line for problem in document.problems] == [1, 2, 3]


@pytest.mark.usefixtures("scanner")
def test_at_most_twenty_problems() -> None:
    assert len(parse_yaml(b"a: 1\n" * 500).problems) == 20
    assert len(load(b"".join(b"k%d: 1\n" % n for n in range(500)), "data-card").problems) == 20


REFUSED_JSON = [
    (b"", "nothing in this file"),
    (b" \n", "nothing in this file"),
    (b'{"a": 1,\n "a": 2}', '"a" stands here and in line 1'),
    (b'{"a": {"b": 1, "b": 1}}', '"b" stands here and in line 1'),
    (b'{"a": 1, "\\u0061": 2}', '"a" stands here and in line 1'),
    (b"[NaN]", "NaN is not a number"),
    (b"[Infinity]", "Infinity is not a number"),
    (b"[-Infinity]", "Infinity is not a number"),
    (b"[1e999]", "1e999 is not a number"),
    (b"[9007199254740993]", "9007199254740993 is not a number"),
    (b"[" + b"9" * 100_000 + b"]", "is not a number"),
    (b"[" * 100_000, "more than 20 deep"),
    (b"[" * 21 + b"]" * 21, "more than 20 deep"),
    (b'{"a":' * 30 + b"1" + b"}" * 30, "more than 20 deep"),
    (b"[" + b"1," * 10_001 + b"1]", "more than 10000 values"),
    (b'{"%s": 1}' % (b"k" * 101), "longer than 100 characters"),
    (b'"' + b"x" * 256 * 1024 + b'"', "more than the 262144 bytes"),
    (b'"\\ud800"', "half a character"),
    (b'{"\\udc80": 1}', "half a character"),
    (b"\xef\xbb\xbf{}", "byte order mark"),
    (b'"caf\xe9"', "is not UTF-8"),
    (b'{"a": 1}\n{"b": 2}', "after its end"),
    (b"{'a': 1}", "double quotes"),
    (b'{"a": 1,}', "not valid JSON"),
    (b'"a\nb"', "control character"),
    (b'"' + b'\\"' * 100_000, "never closed"),
    (b"// words\n{}", "not valid JSON"),
    (b'{\n<<<<<<< HEAD\n"a": 1\n', "merge conflict"),
]


@pytest.mark.parametrize(("data", "words"), REFUSED_JSON, ids=lambda value: repr(value)[:30])
def test_refused_json(data: bytes, words: str) -> None:
    with within(5):
        document = parse_json(data)
    assert document.data is None
    assert words in document.problems[0].message


def test_lines_of_json() -> None:
    text = '{\n "a": [1,\n  {"b": "x\\"y, {[", "c": []}],\n "d~/": null\n}\n'
    document = parse_json(text.encode())
    assert document.data == json.loads(text)
    assert dict(document.lines) == {
        "": 1,
        "/a": 2,
        "/a/0": 2,
        "/a/1": 3,
        "/a/1/b": 3,
        "/a/1/c": 3,
        "/d~0~1": 4,
    }


# What a line break or a mark is to YAML 1.1 cannot stand raw in a quoted text.
_TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029\ufeff\ufffe\uffff"),
    max_size=30,
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(_JSON)
@settings(max_examples=150, deadline=None)
@example({"": {"<<": ["*a", "&b", "!c", "- d", "# e", "NO", "1.10"]}})
def test_json_is_yaml(data: Any) -> None:
    for indent in (None, 2):
        text = json.dumps(data, ensure_ascii=False, indent=indent).encode()
        strict = parse_json(text)
        document = parse_yaml(text)
        assert (document.data, document.problems) == (data, ())
        assert (strict.data, strict.problems) == (data, ())
        assert set(strict.lines) == set(document.lines)


@given(_JSON)
@settings(max_examples=75, deadline=None)
def test_the_two_scanners_agree(data: Any) -> None:
    text = yaml.safe_dump(data, allow_unicode=True).encode()
    one = parse_yaml(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(yaml, "CSafeLoader", raising=False)
        other = parse_yaml(text)
    assert (one.data, dict(one.lines)) == (other.data, dict(other.lines))


_SCHEMAS = st.sampled_from(["policy", "waiver", "data-card", "audit-entry"])
_YAMLISH = st.text(st.sampled_from(list("ab1:-?,[]{}#&*!|>'\"%@`\n\t \\~<.=é\u2028\x00")), max_size=80)


@given(st.binary(max_size=200), _SCHEMAS)
@settings(max_examples=150, deadline=None)
@example(b"\xef\xbb\xbf", "policy")
@example(b"? ? ? ?", "policy")
def test_no_bytes_break_it(data: bytes, schema: str) -> None:
    document = load(data, schema)
    assert document.problems
    assert all(problem.message for problem in document.problems)


@given(_YAMLISH, _SCHEMAS)
@settings(max_examples=250, deadline=None)
def test_no_text_breaks_it(text: str, schema: str) -> None:
    assert load(text.encode(), schema).problems


@given(_JSON, _SCHEMAS)
@settings(max_examples=100, deadline=None)
def test_no_data_breaks_the_schemas(data: Any, schema: str) -> None:
    problems = load(json.dumps(data).encode(), schema).problems
    assert problems or (schema == "policy" and data == {"version": 1})
    assert [problem.line or 0 for problem in problems] == sorted(problem.line or 0 for problem in problems)


@given(st.sampled_from(["kind", "id", "title", "source", "license", "content", "version"]), _JSON)
@settings(max_examples=150, deadline=None)
def test_no_field_breaks_the_card(field: str, value: Any) -> None:
    card = parse_yaml(CARD.encode()).data | {field: value}
    document = load(json.dumps(card, ensure_ascii=False).encode(), "data-card")
    assert all(problem.pointer.startswith(f"/{field}") for problem in document.problems)


def test_hostile_lists_take_no_time() -> None:
    groups = ", ".join(f"{{a: {n}}}" for n in range(4_000))
    with within(5):
        assert load(f"version: 1\nalso: [{groups}]\n".encode(), "policy").problems


def test_the_good_documents_are_good() -> None:
    card = load(CARD.encode(), "data-card")
    assert card.problems == ()
    assert card.data["source"]["retrieved"] == "2026-11-02"
    assert card.lines["/source/url"] == 8
    entry = load(json.dumps(ENTRY).encode(), "audit-entry")
    assert (entry.data, entry.problems) == (ENTRY, ())


def test_nearest() -> None:
    assert nearest("licence", ["license", "title"]) == "license"
    assert nearest("LICENSE", ["license", "title"]) == "license"
    assert nearest("public", ["public-download", "scraped"]) == "public-download"
    assert nearest("zebra", ["license", "title"]) is None
    assert nearest("x" * 100_000, ["license"]) is None
    assert nearest("", ["license"]) is None


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys; from git_custody.core import metadata; m = sys.modules; "
        "assert not {'yaml', 'jsonschema', 'difflib'} & m.keys(), m; "
        "metadata.load(b'a: [', 'policy'); assert 'yaml' in m and 'jsonschema' not in m; "
        "assert not metadata.load(b'version: 1', 'policy').problems and 'jsonschema' not in m; "
        "assert metadata.load(b'version: 2', 'policy').problems and 'jsonschema' in m"
    )
    source = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "hooks")
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": source})
