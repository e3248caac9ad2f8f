"""Text that says nothing is found; short text that says something is left alone."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clock import within
from git_custody.datasets.hollow import hollow

HOLLOW = """
TODO|todo|Todo.|TODO!|**TODO**|ＴＯＤＯ|T\u200bODO|to do|TBD|tba|FIXME|XXX|xxx|N/A
n/a|n.a.|NA|none|None|NULL|nan|unknown|Unknown.|(unknown)
undefined|unspecified|untitled|not available|Not specified|to be determined
coming soon|placeholder|changeme|fill me in
?|??|-|--|...|…|_|***|!|[]|. . .
TODO: describe|TODO - later|todo(anna)|FIXME: ask legal|TBD: title|TODO write me
TODO add description
[More Information Needed]|[more information needed]|More Information Needed
See [More Information Needed] below|<title>|<Your title>
{{ title }}|{{title}} data|${TITLE}|{% block title %}|<%= title %>|[title]
{title}|__TITLE__|%title%
your dataset title here|Your Dataset Title|your name here|Your organisation here
title here|Insert title here|insert the description
Insert a description of the dataset|Enter publisher|Please enter a title
fill in your name|Insert ...|Insert…|write something here
Describe your dataset here
TITLE|PUBLISHER|URL|SOURCE_URL|SOURCE-URL|SPDX_ID|SPDX-ID|REASON|TEXT|OWNER
YOUR_NAME|title|publisher|reason|dataset|my dataset|Dataset title
lorem ipsum|Lorem Ipsum.|Lorem ipsum dolor sit amet, consectetur|aaaa|AAAAA|1111
a a a a|a-a-a-a|asdf|asdfasdf|ASDF|asdfgh|qwerty|qwertz|zxcvbnm|sdfsdf
a|1|foo|foobar|foo bar|blah|bla bla
train.csv|Train.CSV|my_data.parquet|data-2025.tar.gz|train.jsonl.gz
"""
REAL = """
MNIST|Iris|Titanic passengers|売上 2025|N/A rates in Ohio|Unknown pleasures survey
TBD-1 assay results|Cats|cats|X|R packages|π|米|水|GPT|AAA|UN|NASA|3M|4chan posts
None of the above: a survey|Null results in psychology
TODO comments in open-source code|Todo lists of students
Insert size distributions|URL classification corpus
Placeholder names in English law|Lorem ipsum corpus|asdfgh typing study
Foo Fighters lyrics|Title IX cases|Reason magazine articles|Text of bills
Title deeds of Kent
The Pile|Common Crawl|data.gov|Yelp|Your Name (film) reviews|My Lai documents
Your rights here and now in 2025. A survey
بيانات التعداد|Données ouvertes|Ελληνικά|русский корпус|हिन्दी समाचार|ข้อมูล
한국어 뉴스|אתרים
[2025] sales|2025|1984|Sales (EU)|C++ snippets|What?|Why?|Wow!|emoji 😀 use
a < b comparisons|{a, b} pairs of sets|50% sample of tweets
Rows <18 years> removed
drop 14 rows with e-mail addresses|fix typo|relabel cats|add description
remove duplicates|new export|merge|Entered by hand|Typed letters
Add here and there some noise. Then sort
Description of trees|Source code of Linux|Name frequencies|Dataset of datasets
No title deeds
"""


def _cases(table: str) -> list[str]:
    return [case for case in table.strip("\n").replace("\n", "|").split("|") if case]


@pytest.mark.parametrize(
    "value",
    ["", " ", "\n\t", "\u200b", "\ufeff\u2060", "\u3164", "\u2800\u115f", "\x00", "\u00ad", *_cases(HOLLOW)],
)
def test_hollow(value: str) -> None:
    reason = hollow(value)
    assert reason is not None
    assert reason.startswith(("is ", "only "))


@pytest.mark.parametrize("value", _cases(REAL))
def test_real(value: str) -> None:
    assert hollow(value) is None
    assert hollow(value, file_names=["data/0001.csv"]) is None


@pytest.mark.parametrize(
    "value",
    [
        "train_set.csv.gz",
        "train_set.csv",
        "train_set",
        "Train_Set",
        "TRAIN-SET",
        "trainset",
        "Train Set",
        "train set csv",
        "data/train_set.csv.gz",
        '"train_set"',
        "train\u200b_set",
        "train.set",
    ],
)
def test_the_file_name_over_again(value: str) -> None:
    assert hollow(value, file_names=["data/train_set.csv.gz"]) is not None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("train", "train.csv"),
        ("TRAIN", "train.csv"),
        ("iris", "iris.csv"),
        ("データ", "データ.csv"),
        ("my data 2", "my_data_2.csv"),
    ],
)
def test_the_bare_file_name(value: str, name: str) -> None:
    assert hollow(value, file_names=["other.csv", name]) is not None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Support tickets", "support_tickets.csv"),
        ("Train set of MNIST", "train_set.csv"),
        ("売上 2025", "売上_2025.csv"),
        ("Cats", "dogs.csv"),
        ("MNIST", "mnist_train.csv"),
        ("Iris", ".csv"),
    ],
)
def test_words_written_as_words(value: str, name: str) -> None:
    assert hollow(value, file_names=[name]) is None


def test_reasons_are_plain() -> None:
    assert hollow("  ") == "is empty"
    assert hollow("TODO") == 'is the placeholder "TODO"'
    assert hollow("{{ title }} x") == 'is template text, "{{ title }} x"'
    assert hollow("train", file_names=["train.csv"]) == 'only repeats a file name, "train"'
    assert len(hollow("lorem ipsum dolor " * 100) or "") < 80


@given(st.text(max_size=80), st.lists(st.text(max_size=20), max_size=3))
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_it(value: str, names: list[str]) -> None:
    reason = hollow(value, file_names=names)
    if not any(character.isalnum() for character in unicodedata.normalize("NFKC", value)):
        assert reason is not None


@given(st.sampled_from(_cases(HOLLOW)), st.sampled_from(["", " ", "\n", "\u200b", "\u00a0"]))
def test_blanks_around_change_nothing(value: str, blank: str) -> None:
    assert hollow(blank + value + blank) is not None


@pytest.mark.parametrize(
    "value",
    [
        "{{" * 20_000,
        "<" * 20_000,
        "your " + "a " * 20_000,
        "insert " + "x " * 20_000,
        "asdfghjkl" * 5_000 + "!x",
        "[" * 20_000,
        "asdfghjkl" * 4 + "x",
        "sdf" * 13 + "x",
        " " * 20_000 + "x",
        "a." * 20_000,
        "todo " * 10_000,
    ],
    ids=lambda value: value[:12],
)
def test_hostile_text_takes_no_time(value: str) -> None:
    with within(1):
        hollow(value, file_names=[value])
