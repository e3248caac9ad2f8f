"""Language tags and codes of places: real ones pass, whatever their case; others are told apart from them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_custody.datasets.codes import language_fault, place_fault, subtags


@pytest.mark.parametrize(
    "tag",
    [
        "en", "de", "pt-BR", "PT-br", "zh-Hans", "zh-Hant-TW", "sr-Latn-RS", "es-419", "en-001", "NO", "nb", "nn",
        "sl-rozaj-biske-1994", "de-1996", "de-CH-1901", "ca-valencia", "zh-yue", "zh-cmn-Hans-CN", "yue", "fil",
        "und", "mul", "zxx", "mis", "i-klingon", "art-lojban", "en-GB-oed", "x-whatever", "de-x-private", "qaa",
        "qtz-Qabx-XA", "en-u-ca-buddhist", "de-DE-u-co-phonebk-x-ours", "en-a-bbb-x-a-ccc", "iw", "sh", "egy-Egyp",
        "ru-SU", "sgn-ase", "ase", "nds", "gsw", "mn-Cyrl-MN", "hy-arevela", "eu", "sq-XK",
    ],
)  # fmt: skip
def test_tags_that_are_real(tag: str) -> None:
    assert language_fault(tag) is None


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("", "is not a language tag"),
        ("english", 'did you mean "en"?'),
        ("German", 'did you mean "de"?'),
        ("Chinese", 'did you mean "zh"?'),
        ("jp", 'did you mean "ja"?'),
        ("multilingual", 'did you mean "mul"?'),
        ("pt_BR", 'did you mean "pt-BR"?'),
        ("zz", 'has "zz", which is no language in the IANA registry'),
        ("eng", "a language with a code of two letters has no other"),
        ("deu-DE", 'has "deu", which is no language'),
        ("en-UK", 'has "UK", which is no region'),
        ("en-Latin", 'has "latin", which is no variant'),
        ("zh-Hanx", 'has "Hanx", which is no script'),
        ("de-yue", 'has "yue", which is no variety of "de"'),
        ("de-DE-DE", 'has "de" in a place'),
        ("de-1996-1996", 'has "1996" twice'),
        ("en-u", 'ends after "u"'),
        ("en-u-ca-u-co", 'has "u" twice'),
        ("en-x", 'ends after "x"'),
        ("x", "private language tag without a name"),
        ("a-DE", 'has "a", which is no language'),
        ("de--DE", "is not a language tag"),
        ("-de", "is not a language tag"),
        ("de ", "is not a language tag"),
        ("d\u0435", "is not a language tag"),  # a Cyrillic letter
        ("verylongsubtag", "is not a language tag"),
        ("de\n", "is not a language tag"),
    ],
)
def test_tags_that_are_not(tag: str, words: str) -> None:
    assert words in (language_fault(tag) or "")


@pytest.mark.parametrize(
    "code", ["DE", "US-CA", "GB-ENG", "FR-75", "FR-20R", "JP-13", "EU", "XK", "YU", "SU", "NO", "TW", "AQ", "BQ-BO"]
)
def test_places_that_are_real(code: str) -> None:
    assert place_fault(code) is None


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("UK", 'is no country in ISO 3166-1; did you mean "GB"?'),
        ("UK-ENG", 'did you mean "GB-ENG"?'),
        ("Germany", 'did you mean "DE"?'),
        ("germany", 'did you mean "DE"?'),
        ("USA", 'did you mean "US"?'),
        ("de", 'did you mean "DE"?'),
        ("us-ca", 'did you mean "US-CA"?'),
        ("US_CA", 'did you mean "US-CA"?'),
        ("ZZ", 'has "ZZ", which is no country'),
        ("XX", 'has "XX", which is no country'),
        ("QQ-1", 'has "QQ", which is no country'),
        ("DEU", "is not a code of ISO 3166"),
        ("276", "is not a code of ISO 3166"),
        ("001", "is not a code of ISO 3166"),
        ("US-", "is not a code of ISO 3166"),
        ("US-CALI", "is not a code of ISO 3166"),
        ("US-CA-1", "is not a code of ISO 3166"),
        ("world", "is not a code of ISO 3166"),
        ("", "is not a code of ISO 3166"),
        ("DE\n", "is not a code of ISO 3166"),
    ],
)
def test_places_that_are_not(code: str, words: str) -> None:
    assert words in (place_fault(code) or "")


def test_the_table_says_where_it_is_from_and_is_whole() -> None:
    known = subtags()
    assert len(known.languages) > 8000
    assert len(known.scripts) > 200
    assert len([region for region in known.regions if re.fullmatch("[a-z]{2}", region)]) > 249
    assert {"en", "zh", "fil"} <= known.languages
    assert not known.languages & {"eng", "deu", "zho"}


@given(st.text(max_size=40))
def test_nothing_breaks_them(text: str) -> None:
    for fault in (language_fault(text), place_fault(text)):
        assert fault is None or fault.startswith(("is ", "has ", "ends "))


@given(st.data())
def test_case_is_nothing_to_a_tag(data: st.DataObject) -> None:
    known = subtags()
    tag = "-".join(
        (data.draw(st.sampled_from(sorted(known.languages))), data.draw(st.sampled_from(sorted(known.regions))))
    )
    assert language_fault(tag) is None
    assert language_fault(tag.upper()) is None
    assert language_fault(tag.replace("-", "_")) is not None
