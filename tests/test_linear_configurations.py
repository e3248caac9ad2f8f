"""Configurations in JSON and YAML, and chat templates, that could be read again and again, or take much memory."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clock import keeping_below, within
from git_custody.core.content import BytesContent
from git_custody.formats import bounded_json, jinja_tree, skops_schema
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import Budget, Verdict
from test_formats_limits import many

Made = tuple[str, bytes]


def judged(name: str, data: bytes) -> tuple[Verdict, ...]:
    return recognise(BytesContent(data), name=name)


def nested(before: bytes, inner: bytes) -> bytes:
    return before * 900 + inner + b"}" * 900


def keras_zip(members: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(members):
            archive.writestr(f"{number:01020}", b"x")
    return buffer.getvalue()


YOLO = b"backbone: [%b]\nhead: []\n"
TO_KERAS = b"backend: tensorflow\nclass_name: Model\nconfig:\n  x: &a " + b"a" * 250_000 + b"\n  y: [%b]\n"
KEYS = b"".join(b" " * number + b"chat_template:\n" for number in range(64))
TOO_MUCH: dict[str, Callable[[], Made]] = {
    "schemas of skops": lambda: (
        "a.zip",
        many(b'{"__class__":"x","a":[' + b"0," * 590_000 + b"0]}", 20, "{}/schema.json"),
    ),
    "objects in JSON": lambda: ("a.zip", many(b'{"a":["pyref",' + b"0," * 590_000 + b"0]}", 20, "{}/a.json")),
    "texts that are configurations": lambda: (
        "a.zip",
        many(b'{"class_name":"Model","config":[' + b'"{class_name",' * 9_000 + b"0]}", 40, "{}/config.json"),
    ),
    "members of a Keras model": lambda: ("a.keras", keras_zip(45_000)),
    "aliases of a class": lambda: ("a.bin", TO_KERAS % (b"{class_name: *a, module: k}, " * 4_000)),
    "aliases of a target": lambda: (
        "a.yaml",
        b"a: &a " + b"a" * 480_000 + b"\nb: {" + b"_target_: *a, " * 4_000 + b"}\n",
    ),
    "aliases of an expression": lambda: (
        "a.yaml",
        b"a: &a '" + b"1+" * 250_000 + b"1'\n" + YOLO % (b"*a ," * 2_000),
    ),
    "expressions": lambda: ("a.yaml", YOLO % b"".join(b"'(%d'," % number for number in range(70_000))),
    "tags with a long prefix": lambda: (
        "a.yaml",
        b"%TAG ! tag:" + b"a" * 400_000 + b"\n--- {_target_: [" + b"!a b," * 1_000 + b"]}\n",
    ),
    "keys in each other": lambda: ("a.zip", many(KEYS + b"\n" * 90_000, 9, "{}.yaml")),
    "backslashes in YAML": lambda: ("a.zip", many(b"_templat\\" * 110_000, 110, "{}.yaml")),
    "spaces around templates": lambda: ("a.zip", many(b"{{ a }}" + b" " * 90_000, 140, "{}/chat_template.jinja")),
}


@pytest.mark.parametrize("kind", TOO_MUCH)
def test_what_takes_too_long_is_said_to(kind: str) -> None:
    with within(2):
        found = judged(*TOO_MUCH[kind]())
    assert (found[-1].kind, found[-1].forced) == ("opaque", True)


FINE: dict[str, Callable[[], tuple[str, bytes, list[str]]]] = {
    "one expression again and again": lambda: ("a.yaml", YOLO % (b"'nn.SiLU()'," * 60_000), []),
    "one attribute of a template": lambda: (
        "chat_template.jinja",
        b"{% set ns = namespace(a=x) %}"
        + b"".join(b"{%%set b%d=c+d%%}" % number for number in range(1_500))
        + b"{% set q = ["
        + b"y.a," * 5_000
        + b"] %}",
        [],
    ),
    "names for one value": lambda: (
        "chat_template.jinja",
        b"{% set " + b",".join(b"a%d" % number for number in range(6_000)) + b" = [" + b"x," * 6_000 + b"x] %}",
        [],
    ),
    "a name of underscores": lambda: ("chat_template.jinja", b'{{ x["_a' + b"_" * 60_000 + b'!"] }}', []),
    "modules in each other": lambda: (
        "schema.json",
        nested(b'{"__loader__":"x","__module__":', b'"' + b"a" * 7_000_000 + b'"'),
        ["code"],
    ),
    "generators in each other": lambda: (
        "schema.json",
        nested(b'{"__loader__":"RandomGeneratorNode","content":', b"[" + b"[]," * 140_000 + b"[]]"),
        ["code"],
    ),
    "a long module of skops": lambda: (
        "schema.json",
        b'{"__loader__":"x","__module__":"sklearn.' + b"A." * 3_900_000 + b'"}',
        ["code"],
    ),
    "a long module of Keras": lambda: (
        "config.json",
        b'{"class_name":"Model","config":{"x":{"class_name":"A","module":"keras' + b"." * 7_900_000 + b'"}}}',
        ["code"],
    ),
    "a long path of Keras": lambda: (
        "config.json",
        b'{"class_name":"Model","config":{"x":{"class_name":"StringLookup","module":"keras.layers","config":'
        b'{"vocabulary":"a' + b"/" * 7_900_000 + b'"}}}}',
        ["safe"],
    ),
    "values by name in an object": lambda: ("index.json", b"{" + b'"a":"bbbbbbb",' * 550_000 + b'"a":0}', []),
}


@pytest.mark.parametrize("kind", FINE)
def test_what_is_only_long_is_read_in_bounded_time_and_memory(kind: str) -> None:
    name, data, expected = FINE[kind]()
    with within(0.6):
        found = judged(name, data)
    assert [verdict.kind for verdict in found[:1]] == expected
    with keeping_below(48 * 1024 * 1024):
        judged(name, data)


def test_pairs_of_keys_and_values_have_a_bound() -> None:
    data = b"{" + b'"a":"bbbbbbb",' * 400_000 + b'"a":0}'
    assert bounded_json.parse(data) == {"a": 0}
    with pytest.raises(bounded_json.TooLong):
        bounded_json.parse(data, ("b",))


def test_a_document_is_read_at_the_expense_of_its_file() -> None:
    budget = Budget()
    budget.steps = 10_000
    data = BytesContent(b"[" + b"0," * 30_000 + b"0]")
    with pytest.raises(bounded_json.TooLong):
        bounded_json.read(data, budget)
    assert budget.steps < 0


def test_escaped_letters_are_looked_through_at_the_expense_of_the_file() -> None:
    content, budget = BytesContent(b"\\u0061" * 100_000), Budget()
    assert bounded_json.lacks(content, [b"word"], budget) == [b"word"]
    budget.steps -= 1_250_000
    assert bounded_json.lacks(content, [b"word"], budget) == []
    assert budget.steps < 0


@pytest.mark.parametrize("value", ["null", "0", "{}", '["dict"]', '{"__loader__": "x"}'])
def test_what_is_no_text_is_no_name_that_skops_trusts(value: str) -> None:
    node = f'{{"__loader__": "TypeNode", "__module__": "builtins", "__class__": {value}}}'
    assert [verdict.kind for verdict in judged("schema.json", node.encode())][:1] == ["code"]


@pytest.mark.parametrize(
    "content",
    [
        '{"bit_generator": "Evil"}',
        '{"bit_generator": {"content": "\\"Evil\\""}}',
        '[{"a": [{"bit_generator": "Evil"}]}]',
        '{"__loader__": "RandomGeneratorNode", "a": {"bit_generator": "Evil"}}',
    ],
)
def test_generators_are_found_wherever_they_lie(content: str) -> None:
    node = (
        '{"__loader__": "RandomGeneratorNode", "__module__": "numpy.random._generator", "__class__": "Generator",'
        f'"content": {content}}}'
    )
    found = list(skops_schema._untrusted(bounded_json.parse(node.encode())))
    assert ("RandomGeneratorNode", "numpy.random.Evil") in found
    elsewhere = node.replace('"content"', '"others"')
    assert ("RandomGeneratorNode", "numpy.random.Evil") not in list(
        skops_schema._untrusted(bounded_json.parse(elsewhere.encode()))
    )


def old_is_internal(name: str) -> bool:
    return name in jinja_tree.INTERNAL or (
        name[:1] == "_" and re.fullmatch(r"__\w+__|_[A-Za-z]\w*__\w+", name) is not None
    )


@given(st.one_of(st.text("_aZ0!", max_size=9), st.sampled_from(sorted(jinja_tree.INTERNAL))))
@settings(max_examples=3000)
def test_internals_are_told_as_before(name: str) -> None:
    assert jinja_tree._is_internal(name) == old_is_internal(name)


def test_a_template_that_assembles_an_attribute_is_found_whoever_has_it() -> None:
    template = (
        b"{% set ns = namespace(a='x') %}{% set ns.a = '__cla' ~ y %}{% set other = ns %}"
        b"{{ z[other.a]() }}{{ (z[other.a])(1) }}"
    )
    assert [verdict.kind for verdict in judged("chat_template.jinja", template)] == ["code"]
