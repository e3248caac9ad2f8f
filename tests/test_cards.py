"""The text of data cards: an edit changes what was meant, and not a byte beside it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from git_custody.core.findings import CannotJudge
from git_custody.core.metadata import load, parse_yaml
from git_custody.datasets.cards import (
    Source,
    media_type,
    propose_id,
    render_card,
    with_content,
    with_fields,
    with_id,
    without_conflicts,
)

OLD, NEW = {"sha256": "ab" * 32}, {"sha256": "cd" * 32}
FOLDER = {"dirHash": "ef" * 32}
BLOCK = f"""\
# Kept by the data team.
kind: data-card
version: 1
id: tickets   # never change this
title: 'Support tickets'
content:      # by the tool
  digest:
    sha256: {OLD["sha256"]}
  # its size
  bytes: 12   # small
  media_type: text/csv

# The licence was checked by Ada.
license: MIT
source: {{kind: original, publisher: "Lab"}}
"""
FLOW = f"""\
kind: data-card
content: {{digest: {{sha256: {OLD["sha256"]}}}, bytes: 12, media_type: text/csv}}   # tool
title: x
"""


def data(card: bytes) -> Any:
    document = parse_yaml(card)
    assert not document.problems, document.problems
    return document.data


def rendered(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "id": "tickets", "title": "Support tickets", "license": "MIT", "digest": OLD, "bytes": 12,
        "media_type": "text/csv",
        "source": Source("public-download", "CERN", "https://example.org/x.csv", "2026-11-02"),
    }  # fmt: skip
    return render_card(**(fields | changes))


# ---------------------------------------------------------------------- new cards


def test_a_new_card_is_valid_and_in_order() -> None:
    card = rendered()
    assert not load(card, "data-card").problems
    assert list(data(card)) == ["kind", "version", "id", "title", "source", "license", "content"]
    assert list(data(card)["source"]) == ["kind", "url", "retrieved", "publisher"]
    assert data(card)["content"] == {"digest": OLD, "bytes": 12, "media_type": "text/csv"}


def test_what_is_not_known_is_left_out() -> None:
    card = data(rendered(source=Source("original", "Lab"), media_type=None))
    assert card["source"] == {"kind": "original", "publisher": "Lab"}
    assert "media_type" not in card["content"]


@given(st.text(min_size=1).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)))
def test_every_text_reads_back_as_it_was(text: str) -> None:
    card = data(rendered(title=text, source=Source("original", text)))
    assert (card["title"], card["source"]["publisher"]) == (text, text)


@pytest.mark.parametrize(
    "text",
    [
        "NO", "yes", "null", "~", "1.10", "010", "2026-01-02", "- x", "a: b", "a #b", "&a", "*a", "!a", "'",
        '"', "", " x ", "|", "<<<<<<< x", "{a}", "1e5", "0x1f", "12:30", "=", "<<",
    ],
)  # fmt: skip
def test_texts_that_yaml_would_take_for_something_else_are_quoted(text: str) -> None:
    import yaml

    card = rendered(title=text)
    assert data(card)["title"] == text
    assert yaml.safe_load(card)["title"] == text


@pytest.mark.parametrize("digits", ["1" * 64, "1" * 30 + "e" + "2" * 33, "0" * 64])
def test_a_digest_that_looks_like_a_number_stays_text(digits: str) -> None:
    import yaml

    for card in (rendered(digest={"sha256": digits}), with_content(rendered(), {"sha256": digits}, 1, None)):
        assert data(card)["content"]["digest"]["sha256"] == digits
        if card == rendered(digest={"sha256": digits}):
            assert yaml.safe_load(card)["content"]["digest"]["sha256"] == digits


def test_half_a_character_is_refused() -> None:
    with pytest.raises(CannotJudge, match="Unicode"):
        rendered(title="x\udc80")


# ---------------------------------------------------------------------- the content


@pytest.mark.parametrize("card", [BLOCK, FLOW, BLOCK.replace("\n", "\r\n"), "\ufeff" + BLOCK, BLOCK.rstrip("\n")])
def test_new_content_changes_nothing_else(card: str) -> None:
    wanted = card.replace(OLD["sha256"], NEW["sha256"]).replace("bytes: 12", "bytes: 3456")
    assert with_content(card.encode(), NEW, 3456, None).decode() == wanted


def test_content_that_fits_is_left_alone() -> None:
    assert with_content(BLOCK.encode(), OLD, 12, "text/csv") == BLOCK.encode()


@pytest.mark.parametrize("card", [BLOCK, FLOW])
def test_another_kind_of_digest_rewrites_the_content_only(card: str) -> None:
    changed = with_content(card.encode(), FOLDER, 99, None)
    assert data(changed) == {
        **data(card.encode()),
        "content": {"digest": FOLDER, "bytes": 99, "media_type": "text/csv"},
    }
    for line in card.splitlines():
        if not re.match(r"content|  ", line):
            assert line in changed.decode().splitlines()
    assert changed.decode().count("# tool") == card.count("# tool")


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("title: x\n", "title: x\ncontent:\n  digest:\n    sha256: {}\n  bytes: 5\n"),
        ("title: x", "title: x\ncontent:\n  digest:\n    sha256: {}\n  bytes: 5\n"),
        ("title: x\r\n", "title: x\r\ncontent:\r\n  digest:\r\n    sha256: {}\r\n  bytes: 5\r\n"),
        ("content:\n# c\nid: y\n", "content:\n  digest:\n    sha256: {}\n  bytes: 5\n# c\nid: y\n"),
        ("content: old # c\nid: y\n", "content:\n  digest:\n    sha256: {}\n  bytes: 5 # c\nid: y\n"),
        ("content: |\n  old\nid: y\n", "content:\n  digest:\n    sha256: {}\n  bytes: 5\nid: y\n"),
        ('"content": []\nid: y\n', "content:\n  digest:\n    sha256: {}\n  bytes: 5\nid: y\n"),
        ('{"title": "x"}\n', '{"title": "x", content: {digest: {sha256: {}}, bytes: 5}}\n'),
    ],
)
def test_content_that_was_not_there(card: str, expected: str) -> None:
    assert with_content(card.encode(), NEW, 5, None).decode() == expected.replace("{}", NEW["sha256"])


def test_a_nested_content_is_not_mistaken_for_it() -> None:
    card = f"x-ours:\n  content: {{digest: mine}}\ncontent: {{digest: {{sha256: {OLD['sha256']}}}, bytes: 1}}\n"
    changed = with_content(card.encode(), NEW, 2, None)
    assert changed.decode() == card.replace(OLD["sha256"], NEW["sha256"]).replace("bytes: 1", "bytes: 2")


@pytest.mark.parametrize("card", ["title: [\n", "- a\n", "", "a: &x 1\nb: *x\n", "a: 1\na: 2\n", "\xff"])
def test_a_card_that_cannot_be_read_is_refused(card: str) -> None:
    with pytest.raises(CannotJudge):
        with_content(card.encode("latin-1"), NEW, 1, None)


_KEY = st.sampled_from(["title", "notes", "x-a", "x-b", "description"])
_LINE = st.one_of(
    st.tuples(_KEY, st.text(alphabet="ab: #'\"{}[],|>&*é", max_size=8)).map(lambda pair: f"{pair[0]}: {pair[1]}"),
    st.sampled_from(["# note", "", "  # indented", "  more: 1", "- item", "x-list: [1, {a: b}]"]),
)


@given(st.lists(_LINE, max_size=6), st.lists(_LINE, max_size=6), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_whatever_stands_around_it_stays(above: list[str], below: list[str], ending: str, flow: bool) -> None:
    middle = (
        [f"content: {{digest: {{sha256: {OLD['sha256']}}}, bytes: 1}}"] if flow
        else ["content:", "  digest:", f"    sha256: {OLD['sha256']}", "  bytes: 1"]
    )  # fmt: skip
    card = ending.join([*above, *middle, *below, ""]).encode()
    before = parse_yaml(card)
    if (
        before.problems
        or not isinstance(before.data, dict)
        or before.data.get("content") != {"digest": OLD, "bytes": 1}
    ):
        return
    try:
        yaml.safe_load(card)
    except yaml.YAMLError:  # libyaml reads `title: >#`, and other parsers do not
        with pytest.raises(CannotJudge):
            with_content(card, NEW, 2, None)
        return
    changed = with_content(card, NEW, 2, None)
    assert changed == card.replace(OLD["sha256"].encode(), NEW["sha256"].encode()).replace(b"bytes: 1", b"bytes: 2")


# ---------------------------------------------------------------------- other fields


def test_an_id_is_set_back() -> None:
    assert with_id(BLOCK.encode(), "other").decode() == BLOCK.replace("id: tickets ", "id: other ")
    assert with_id(b"title: x\n", "other") == b"title: x\nid: other\n"


def test_fields_are_set_where_they_stand() -> None:
    changed = with_fields(BLOCK.encode(), {"title": "No: 1", "license": "CC0-1.0", "source.publisher": "CERN"}).decode()
    wanted = (
        BLOCK.replace("'Support tickets'", '"No: 1"')
        .replace("license: MIT", "license: CC0-1.0")
        .replace('"Lab"', "CERN")
    )
    assert changed == wanted


def test_fields_that_are_missing_are_put_after_their_neighbours() -> None:
    assert (
        'publisher: "Lab", url: "https://a.b/c"}'
        in with_fields(BLOCK.encode(), {"source.url": "https://a.b/c"}).decode()
    )
    card = b"source:\n    kind: original # here\n    publisher: >\n        Lab\n\nlicense: MIT\n"
    changed = with_fields(card, {"source.url": "https://a.b/c", "license": "CC0-1.0"})
    assert data(changed) == {
        "source": {"kind": "original", "publisher": "Lab\n", "url": "https://a.b/c"},
        "license": "CC0-1.0",
    }
    assert b"original # here" in changed


def test_an_empty_field_is_filled() -> None:
    assert with_fields(b"title:\nid: x\n", {"title": "Rows"}) == b"title: Rows\nid: x\n"
    assert with_fields(b"title: >\n  old\n  text\nid: x\n", {"title": "Rows"}) == b"title: Rows\nid: x\n"


def test_a_group_that_is_missing_is_made() -> None:
    changed = with_fields(b"title: x\n", {"source.url": "https://a.b/c", "source.publisher": "Lab"})
    assert data(changed) == {"title": "x", "source": {"url": "https://a.b/c", "publisher": "Lab"}}


def test_a_group_that_is_none_is_refused() -> None:
    with pytest.raises(CannotJudge, match="source"):
        with_fields(b"source: x\n", {"source.url": "https://a.b/c"})


# ---------------------------------------------------------------------- merge conflicts


def conflict(ours: str, theirs: str, base: str | None = None, ending: str = "\n") -> str:
    middle = "" if base is None else f"||||||| 1234567\n{base}"
    return f"<<<<<<< HEAD\n{ours}{middle}=======\n{theirs}>>>>>>> other\n".replace("\n", ending)


@pytest.mark.parametrize("base", [None, f"    sha256: {'0' * 64}\n"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_conflict_in_the_content_is_resolved(base: str | None, ending: str) -> None:
    line = f"    sha256: {OLD['sha256']}\n"
    whole = BLOCK.replace("\n", ending)
    card = whole.replace(line.replace("\n", ending), conflict(line, f"    sha256: {'12' * 32}\n", base, ending))
    wanted = whole.replace(OLD["sha256"], NEW["sha256"]).replace("bytes: 12", "bytes: 5")
    assert with_content(card.encode(), NEW, 5, None).decode() == wanted


def test_a_conflict_over_the_whole_flow_line() -> None:
    line = FLOW.splitlines(keepends=True)[1]
    card = FLOW.replace(line, conflict(line, line.replace("12", "13")))
    assert data(with_content(card.encode(), NEW, 5, None))["content"]["digest"] == NEW


def test_two_conflicts_in_the_content() -> None:
    line = f"    sha256: {OLD['sha256']}\n"
    card = BLOCK.replace(line, conflict(line, f"    sha256: {'12' * 32}\n"))
    card = card.replace("  bytes: 12   # small\n", conflict("  bytes: 12   # small\n", "  bytes: 13   # small\n"))
    assert data(with_content(card.encode(), NEW, 5, None))["content"]["bytes"] == 5


@pytest.mark.parametrize(
    ("line", "other", "at"),
    [
        ("title: 'Support tickets'\n", "title: Tickets\n", 5),
        ("# The licence was checked by Ada.\n", "# The licence was checked by Bob.\n", 13),
        ("license: MIT\n", "", 14),
        ("content:      # by the tool\n", "title: 'x'\ncontent:\n", 6),
    ],
)
def test_a_conflict_elsewhere_is_left_to_a_person(line: str, other: str, at: int) -> None:
    card = BLOCK.replace(line, conflict(line, other))
    with pytest.raises(CannotJudge) as refused:
        with_content(card.encode(), NEW, 5, None)
    assert refused.value.line == at


@pytest.mark.parametrize(
    "card",
    [
        "<<<<<<< HEAD\ntitle: x\n",
        "title: x\n>>>>>>> other\n",
        "<<<<<<< HEAD\na: 1\n<<<<<<< HEAD\n=======\n>>>>>>> o\n",
        "<<<<<<< HEAD\ncontent: 1\n>>>>>>> o\n",
    ],
)
def test_torn_conflicts_are_refused(card: str) -> None:
    with pytest.raises(CannotJudge):
        without_conflicts(card.encode())


def test_a_card_without_conflicts_is_left_alone() -> None:
    assert without_conflicts(BLOCK.encode()) == BLOCK.encode()


# ---------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data/a.csv", "text/csv"), ("data/A.CSV", "text/csv"), ("data/a.csv.gz", "application/gzip"),
        ("data/a.parquet", "application/vnd.apache.parquet"), ("data/a", None), ("data/.csv", None),
        ("data/a.bin", None),
    ],
)  # fmt: skip
def test_media_types(path: str, expected: str | None) -> None:
    assert media_type(path) == expected


@pytest.mark.parametrize(
    ("path", "taken", "expected"),
    [
        ("data/Support Tickets.csv", (), "support-tickets"),
        ("data/support_tickets.v2.csv.gz", (), "support-tickets"),
        ("data/train.csv", ("train",), "data-train"),
        ("data/train.csv", ("train", "data-train"), "train-2"),
        ("data/é.csv", (), "data-e"),
        ("datasets/日本.csv", (), "datasets"),
        ("日本.csv", (), "dataset"),
        ("日本.csv", ("dataset",), "dataset-2"),
        ("data/images/", (), "images"),
        ("data/.hidden.csv", (), "hidden"),
    ],
)
def test_ids_from_names(path: str, taken: tuple[str, ...], expected: str) -> None:
    assert propose_id(path, taken) == expected


@given(st.text(min_size=1), st.sets(st.sampled_from(["a", "aa", "dataset", "dataset-2", "dataset-3"])))
def test_an_id_is_always_valid_and_new(path: str, taken: set[str]) -> None:
    found = propose_id(path, taken)
    assert re.fullmatch("[a-z0-9-]{2,40}", found)
    assert found not in taken
