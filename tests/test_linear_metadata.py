"""Metadata of others takes time by its size, not by the square of it, and says what it said before."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clock import keeping_below, within
from git_custody.core.code_owners import _GITLAB_OWNER, github_owners, gitlab_owners
from git_custody.core.content import BytesContent
from git_custody.core.findings import CannotJudge
from git_custody.core.owner_patterns import NAMES_AT_MOST, plain_names, plain_part
from git_custody.core.runner_config import read_runner_config
from git_custody.core.stores import _SAYS_SOMETHING, kept_in
from git_custody.core.toml import PARTS_AT_MOST, parse_toml
from git_custody.datasets.data_loads import LARGEST, _end_of_string, _is_shallow, loads
from git_custody.datasets.metadata.facts import Subject
from git_custody.datasets.metadata.loading import load_json, load_toml
from git_custody.datasets.metadata.reuse import HOLDER_AT_MOST, holder, parse_annotations, read_license_file

WHOLE = Subject("data/x.csv", False, frozenset(["data/x.csv"]))


# ---------------------------------------------------------------------- JSON


@pytest.mark.parametrize("item", ["[]", '{"a": 1}', "[" * 20 + "]" * 20, "1", '""'])
def test_lists_of_many_small_values_are_not_kept(item: str) -> None:
    tracemalloc.start()
    try:
        for number in range(10):
            load_json(f'{{"{number:02}": [{",".join([item] * (1_000_000 // (len(item) + 1)))}]}}'.encode())
        assert tracemalloc.get_traced_memory()[0] < 64 * 1024 * 1024
    finally:
        tracemalloc.stop()
        load_json.cache_clear()


# ---------------------------------------------------------------------- stores


def test_empty_lines_of_a_pointer() -> None:
    with within(0.5):
        assert kept_in("a.dvc", BytesContent(b"\n" * 200_000 + b"#")) is None


@given(st.text(" \t\n\r\v\fa#", max_size=30))
def test_what_says_something(text: str) -> None:
    raw = text.encode()
    assert bool(_SAYS_SOMETHING.search(raw)) == bool(re.search(rb"^\s*[^\s#]", raw, re.MULTILINE))


# ---------------------------------------------------------------------- code


def test_many_strings_of_code() -> None:
    with within(0.5):
        assert _is_shallow("# \U0001f600\n" + "''\n" * (LARGEST // 3))


@pytest.mark.parametrize("piece", ["a\n", "a;", "f'{a}{a}{a}'\n", "~a;"])
def test_code_of_many_words_is_not_parsed(piece: str) -> None:
    start = b"open('a')\n"
    assert loads(start + piece.encode() * 10_000, is_notebook=False)
    with within(0.5):
        assert not loads(start + piece.encode() * ((LARGEST - len(start)) // len(piece)), is_notebook=False)


def test_long_code_is_parsed() -> None:
    code = (
        "open('a')\n"
        + "# What people write, they write in words of some length.\nvalue = function(argument)\n" * 11_000
    )
    assert len(code) > LARGEST * 0.8
    assert loads(code.encode(), is_notebook=False)


def old_end_of_string(code: str, at: int, quote: str) -> int:
    while True:
        end = code.find(quote, at)
        if end < 0:
            return len(code)
        line = code.find("\n", at, end) if len(quote) == 1 else -1
        if line >= 0 and code[line - 1] != "\\":
            return line
        slashes = len(code[:end]) - len(code[:end].rstrip("\\"))
        if slashes % 2 == 0:
            return end + len(quote)
        at = end + 1


@given(st.sampled_from(["'", '"', "'''", '"""']), st.text("'\"\\\na", max_size=30), st.text("'\"\\\na", max_size=9))
def test_where_a_string_ends(quote: str, text: str, before: str) -> None:
    code = before + quote + text
    at = len(before + quote)
    assert _end_of_string(code, at, quote) == old_end_of_string(code, at, quote)


# ---------------------------------------------------------------------- CODEOWNERS


def test_default_owners_of_a_section_are_read_once() -> None:
    text = "[a] " + "a" * 100_000 + "\n" + "".join(f"x{number}\n" for number in range(10_000))
    with within(0.5):
        assert gitlab_owners(text).fault("x1") == "line 3 fits it, and names nobody"


def test_owners_without_an_end() -> None:
    with within(0.5):
        assert gitlab_owners("a " + "b" * 3_000_000 + "@").fault("a") is not None


OLD_OWNER = re.compile(
    r"(?<![\w@])@[\w.][\w.-]{0,254}|[^@\s]{1,100}@[^@\s]{1,255}(?<!\W)"
    r"|(?<!\S)@@(?:developer|maintainer|owner)s?(?!\S)", re.IGNORECASE,
)  # fmt: skip


@given(
    st.lists(st.sampled_from([*"@ a.-\n\u017f", "@@", "@@owner", "@@Maintainers", "a" * 120, "." * 255]), max_size=9)
)
def test_what_names_an_owner(parts: list[str]) -> None:
    text = "".join(parts)
    assert bool(_GITLAB_OWNER.search(text)) == bool(OLD_OWNER.search(text))


@pytest.mark.parametrize("pattern", ["?" * 600_000, "/*" * 300_000, "?a" * 600_000, "\\a" * 600_000])
def test_patterns_that_nobody_writes(pattern: str) -> None:
    for owners in (github_owners, gitlab_owners):
        with keeping_below(64 * 1024 * 1024), within(0.5), pytest.raises(CannotJudge, match="line 1"):
            owners(f"/{pattern} @a").fault("a/a")


def test_many_names_in_a_pattern() -> None:
    text = "/" + "/".join(map(str, range(400_000))) + " @a"
    with keeping_below(16 * 1024 * 1024):
        assert github_owners(text).fault("a") == "no line fits it"


@given(st.text("ab*?/\\[", max_size=20))
def test_plain_parts_of_a_pattern(text: str) -> None:
    start, bracket, _ = text.partition("[")
    names = start.split("/")[: -1 if bracket else None]
    assert plain_names(text) == [name for name in names if name and not re.search(r"[*?\\]", name)]
    assert plain_part(text) == max(re.split(r"[*?/\\]", start), key=len)


def test_only_the_first_names_of_a_pattern_are_looked_at() -> None:
    names = [f"n{number}" for number in range(NAMES_AT_MOST)]
    assert plain_names("/".join(names)) == plain_names("/".join([*names, "more", "names"])) == names


# ---------------------------------------------------------------------- TOML and REUSE


@pytest.mark.parametrize("key", ["a.", "a . ", '"".', "'x y'\t.", '"\\"".', "a.'#'."])
@pytest.mark.parametrize(
    "before", ["", "x = {", "[", 'x = """"""""\n', "x = '''a''''\n", "# don't\n", "x = {y = '''''''', ", 'x = "\\\\"\n']
)
def test_keys_of_many_parts(key: str, before: str) -> None:
    raw = (before + key * (64_000 // len(key)) + "a = 1").encode()
    with within(0.5):
        assert load_toml(raw) is None
        assert "too many parts" in str(read_runner_config("prek.toml", raw).problem)
    with pytest.raises(ValueError, match=f"more than {PARTS_AT_MOST} parts"):
        parse_toml(raw.decode())


@pytest.mark.parametrize(
    "text",
    ['"' + "\\" * 200_000, '"""' * 70_000, "'''" * 70_000, '"\\"' * 70_000, "a" * 200_000, '""' * 100_000, '"""' + '\\"' * 99_999],
)  # fmt: skip
def test_what_is_no_toml_takes_no_time(text: str) -> None:
    with within(0.5):
        assert load_toml(text.encode()) is None


def test_toml_with_many_dots() -> None:
    files = [f"data/a.b.{number}.csv" for number in range(500)]
    text = f'path = {files}\nx = {[0.5] * 500}\ny = \'\'\'\n{"a." * 500}\n\'\'\'\nz = """\\""{"a." * 500}""" # {"a." * 500}\n'
    text += ".".join("a" * PARTS_AT_MOST) + " = 1\n"
    assert parse_toml(text)["path"] == files


def test_a_holder_without_an_end() -> None:
    with within(0.5):
        assert holder(["<" * 64_000]) == "<" * HOLDER_AT_MOST


def test_lines_of_what_reuse_says() -> None:
    stated = read_license_file("a.license", b"\n\xc2\xa9 A\nSPDX-License-Identifier: MIT\n\xc2\xa9 A\n", WHOLE)
    assert stated is not None
    assert {fact.pointer: fact.line for fact in stated.facts.values()} == {"/license": 3, "/copyright": 2}
    table = "[[annotations]]\npath = 'a'\n\n"
    assert [one.line for one in parse_annotations("REUSE.toml", f"\n{table * 3}".encode())] == [2, 5, 8]
