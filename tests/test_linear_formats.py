"""Graphs, expressions, models in XML and YAML that took quadratic time to look at; and what is found in them still."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clock import within
from git_custody.core.content import BytesContent
from git_custody.formats import pmml, tensorflow_graph, torch_export, yaml_tags
from git_custody.formats.reading import TooMuchError
from git_custody.formats.recognise import recognise


def said(data: bytes, name: str) -> list[tuple[str, str]]:
    return [(verdict.kind, verdict.format) for verdict in recognise(BytesContent(data), name=name)]


def texts(*pieces: bytes, most: int = 12) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(pieces), max_size=most).map(b"".join)


MOST = tensorflow_graph.REPEATED_AT_MOST
OLD_GAP = rb"\s*(?:#[^\n]*\n\s*){0,%d}" % MOST
OLD_STRING = rb"(?:\"[^\"\\\n]*(?:\\.[^\"\\\n]*){0,%d}\"|'[^'\\\n]*(?:\\.[^'\\\n]*){0,%d}')" % (MOST, MOST)
OLD_OPERATION = re.compile(rb"op" + OLD_GAP + rb":" + OLD_GAP + rb"((?:" + OLD_STRING + OLD_GAP + rb"){1,%d})" % MOST)
OLD_TOO_LONG = re.compile(rb"\bop" + OLD_GAP + rb":?\s*(?:#[^\n]*\n\s*){%d}" % (MOST + 1))
OLD_COMMENT = re.compile(rb"<!--.*?-->", re.DOTALL)
OLD_HINT = re.compile(rb"![^\s#]{0,128}%[0-9A-Fa-f]{2}")


TOO_MUCH = [("opaque", "tf-graph")]
GRAPHS = {
    "spaces": (b"op" + b" " * 60_000, []),
    "blocks of comments": ((b"\nop" + b"#\n" * (MOST - 1) + b"x") * 500, []),
    "operations in a comment": (b"op#" * 100_000, TOO_MUCH),
    "colons in a comment": (b"op:#" * 100_000, TOO_MUCH),
    "strings in a comment": (b'op:"a"#' * 100_000, TOO_MUCH),
    "operations in comments": ((b"#op\n" * (MOST - 10) + b"x\n") * 300, TOO_MUCH),
    "strings that share their end": (b"op:#" * 100_000 + b'\n""' + b'"' + b"a" * 400_000, TOO_MUCH),
    "strings of operations": (b'op:"op:"' * 100_000, []),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_a_graph_in_text_is_read_in_bounded_time(kind: str) -> None:
    data, expected = GRAPHS[kind]
    with within(0.5):
        assert said(data, "a.pbtxt") == expected


CODE = [("code", "tf-graph")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"""attr { value { s: 'op:"Add"#' } } op: "Abort" }\n""", CODE),
        (b"""node { op: "Abort" # it is "x"\n}""", CODE),
        (b"""node { op: "Ab" # it's\n 'ort' }""", CODE),
        (b'op #\n: "Abort"', CODE),
        (b'op: "Add" # op: "x"\n', [("safe", "tf-custom-ops")]),
        (b"op #" + b"a" * 2_000_000 + b'\n: "Abort"', TOO_MUCH),
        (b"op" + b"#\n" * MOST + b':"Abort"', CODE),
        (b"op" + b"#\n" * (MOST + 1) + b':"Abort"', TOO_MUCH),
        (b"op:" + b"#\n" * (MOST + 1) + b'"Abort"', TOO_MUCH),
        (b'op:"Ab"' + b"#\n" * (MOST + 1) + b'"ort"', TOO_MUCH),
    ],
)
def test_comments_hide_no_operation(text: bytes, expected: list[tuple[str, str]]) -> None:
    assert said(text, "a.pbtxt") == expected


@given(texts(b"op", b"op", b":", b":", b'"a"', b'"b"', b"'", b'"', b"\\", b"#", b"\n", b" ", b"x", most=20))
@settings(max_examples=1000)
def test_all_operations_are_found_that_were_found(text: bytes) -> None:
    found = {match.start(): match[2] for match in tensorflow_graph.OPERATION_IN_TEXT.finditer(text)}
    for match in OLD_OPERATION.finditer(text):
        if not text[max(0, match.start() - 1) : match.start()].isalnum():
            assert found[match.start()].startswith(match[1])


@given(texts(b"op", b":", b"#\n" * 700, b"#a\n" * 650, b" \n", b"x", most=8))
@settings(max_examples=100)
def test_all_gaps_are_too_long_that_were_too_long(text: bytes) -> None:
    try:
        tensorflow_graph._read_text(text, tensorflow_graph._Operations())
    except TooMuchError:
        assert OLD_TOO_LONG.search(text)
    else:
        assert not OLD_TOO_LONG.search(text)


def test_a_long_name_in_an_exported_graph_is_read_once() -> None:
    with within(0.5):
        assert torch_export.odd_expression([BytesContent(b'{"expr_str":"' + b"a" * 65_000 + b'"}')] * 4) is None


@given(texts(b"a", b"A", b"_", b"0", b"1", b")", b"]", b"(", b" ", b"\n", b"Mod", b"Max", b",", most=14))
@settings(max_examples=1000)
def test_calls_in_expressions_are_found_as_before(text: bytes) -> None:
    called = re.findall(rb"([A-Za-z_][A-Za-z0-9_]*|[)\]0])\s*\(", text)
    allowed = all(name in torch_export.FUNCTIONS or name.startswith(torch_export.FAMILIES) for name in called)
    assert torch_export._is_arithmetic(text) == (allowed and b"__" not in text and b"]" not in text)


@pytest.mark.parametrize("end", [b"", b"-->", b"--><!-->"])
def test_comments_of_xml_without_an_end_are_read_once(end: bytes) -> None:
    data = b'<?xml version="1.0"?><!DOCTYPE PMML [ <!ENTITY a "b">]>' + end + b"<!--" * 65_000
    with within(0.3):
        assert said(data, "a.xml") == []


@given(texts(b"<!--", b"-->", b"-", b"a", b">", b"<", b"<b", b"<c:d", b"\0", b"\n"))
@settings(max_examples=1000)
def test_the_first_element_is_found_as_before(text: bytes) -> None:
    found = pmml.ELEMENT.search(OLD_COMMENT.sub(b"", text.replace(b"\0", b"")))
    assert pmml._first_element(text) == (found[1].rpartition(b":")[2] if found else b"")


TOO_MANY = [("opaque", "yaml-python")]


@pytest.mark.parametrize("escaped", [b"", b"%41" * 80])
def test_a_handle_of_many_prefixes_is_too_much(escaped: bytes) -> None:
    directives = b"".join(b"%%TAG ! p%d%s\n" % (number, escaped) for number in range(6_000))
    data = directives + b"--- \n" + b"- !a b\n" * 6_000 + b"# python/\n"
    with within(0.5):
        assert said(data, "a.yaml") == TOO_MANY


def test_no_prefix_is_passed_over() -> None:
    evil = b"%TAG !e! tag:yaml.org,2002:py\n--- \n- !e!thon/object/apply:os.system [id]\n- !e!thon/name:os.system\n"
    text = b"- a: [\n" + b"%TAG ! p\n" * 100  # breaks the parsers off
    assert said(text + evil, "a.yaml") == [("code", "yaml-python")]
    others = b"".join(b"%%TAG !a%d! p\n" % number for number in range(yaml_tags.PREFIXES_AT_MOST))
    assert said(text + others + evil, "a.yaml") == TOO_MANY
    assert said(text + evil + others, "a.yaml") == [("code", "yaml-python")]


def test_hints_of_escapes_are_looked_for_once() -> None:
    with within(0.5):
        assert said(b"!" * 32_000_000, "a.yaml") == []


ESCAPES = (b"!", b"!", b"%", b"%4", b"%41", b"1", b"F", b"g", b" ", b"#", b"a" * 60, b"a" * 63, b"a", b"\xff")


@given(texts(*ESCAPES))
@settings(max_examples=2000)
def test_hints_of_escapes_are_found_as_before(text: bytes) -> None:
    assert bool(yaml_tags.HINTS[2].search(text)) == bool(OLD_HINT.search(text))
