"""Trusted sources: which addresses a pattern takes in, and above all which it does not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from browser import browser_host
from clock import within
from git_custody.datasets.addresses import Unclear, read_address
from git_custody.datasets.sources import fault, judge, matches, read_pattern

ZENODO = "https://zenodo.org/records/**"
HF = "https://huggingface.co/datasets/stanfordnlp/**"


@pytest.mark.parametrize(
    ("pattern", "address"),
    [
        (ZENODO, "https://zenodo.org/records/1234"),
        (ZENODO, "https://zenodo.org/records/1234/files/a%20b.csv?download=1"),
        (ZENODO, "HTTPS://ZENODO.ORG/records/1"),
        (ZENODO, "https://zenodo.org:443/records/1"),
        (ZENODO, "https://zenodo.org:0443/records/1"),
        (ZENODO, "https://zenodo.org:/records/1"),
        (ZENODO, "https://zenodo.org/records/1#files"),
        (ZENODO, "https://zenodo.org/./records/x/../1"),
        (ZENODO, "https://zenodo.org/a/%2e%2E/records/1"),
        (ZENODO, "https://zenodo.org/%72ecords/1"),
        ("https://ZENODO.org:443/records/**", "https://zenodo.org/records/1"),
        (HF, "https://huggingface.co/datasets/stanfordnlp/imdb/resolve/main/plain_text/train.parquet"),
        ("https://zenodo.org/**", "https://zenodo.org"),
        ("https://zenodo.org/**", "https://zenodo.org/"),
        ("https://zenodo.org/**", "https://zenodo.org?x=1"),
        ("https://zenodo.org/*", "https://zenodo.org/"),
        ("https://zenodo.org/**", "https://zenodo.org/records/"),
        (ZENODO, "https://zenodo.org/records/1/"),
        (ZENODO, "https://zenodo.org/records/1//?x=1"),
        ("https://e.org/**/a/**", "https://e.org/a/b/"),
        ("https://e.org/a*", "https://e.org/a"),
        ("https://github.com/*/data/**", "https://github.com/org/data/raw/main/x.csv"),
        ("https://e.org/**/x.csv", "https://e.org/x.csv"),
        ("https://e.org/**/x.csv", "https://e.org/a/b/x.csv"),
        ("https://e.org/a/**/b/**", "https://e.org/a/1/2/b/c"),
        ("https://e.org/data-*.csv", "https://e.org/data-2025.csv"),
        ("https://e.org/a*b*c", "https://e.org/a-b-b-c"),
        ("https://e.org/Übersicht/**", "https://e.org/%C3%9Cbersicht/1"),
        ("http://e.org:8080/**", "http://e.org:8080/x"),
        ("https://192.0.2.1/**", "https://192.0.2.1/x"),
        ("https://[2001:db8::1]/**", "https://[2001:DB8:0:0::1]/x"),
        ("https://xn--bcher-kva.example/**", "https://xn--bcher-kva.example/x"),
        ("s3://our-bucket/raw/**", "s3://our-bucket/raw/2025/x.csv"),
        ("doi:10.5281/zenodo.*", "doi:10.5281/zenodo.1234"),
        ("doi:10.5281/zenodo.*", "DOI:10.5281/ZENODO.1234"),
        ("doi:10.5281/zenodo.*", "https://doi.org/10.5281/zenodo.1234"),
        ("doi:10.5281/Zenodo.*", "https://dx.doi.org/10.5281/zenodo.1234"),
        ("https://doi.org/10.5281/**", "https://doi.org/10.5281/zenodo.1234"),
        ("doi:10.7910/DVN/**", "doi:10.7910/dvn/ABC"),
        ("hdl:11304/**", "https://hdl.handle.net/11304/abc"),
        ("pkg:huggingface/stanfordnlp/**", "pkg:huggingface/stanfordnlp/imdb@0123abcd"),
        ("pkg:huggingface/stanfordnlp/**", "PKG:HuggingFace/stanfordnlp/imdb"),
        ("pkg:npm/%40scope/**", "pkg:npm/%40scope/data@1.0"),
        ("pkg:pypi/data", "pkg:pypi/data@1?checksum=sha256:ab#x"),
    ],
)
def test_a_pattern_takes_in(pattern: str, address: str) -> None:
    assert fault(pattern) is None
    assert judge([pattern], address).trusted


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("https://zenodo.org@evil.example/records/1", "names a user before its host"),
        ("https://zenodo.org:pw@evil.example/records/1", "names a user before its host"),
        ("https://evil@zenodo.org/records/1", "names a user before its host"),
        ("https://evil.example/records/1", "is at https://evil.example"),
        ("https://zenodo.org.evil.example/records/1", "is at https://zenodo.org.evil.example"),
        ("https://evilzenodo.org/records/1", "is at https://evilzenodo.org"),
        ("https://www.zenodo.org/records/1", "is at https://www.zenodo.org"),
        ("https://zenodo.org./records/1", "ends in a dot"),
        ("https://zenodo..org/records/1", "not valid"),
        ("https://.zenodo.org/records/1", "not valid"),
        ("http://zenodo.org/records/1", "trusts that host by https only"),
        ("http://zenodo.org:443/records/1", "is at http://zenodo.org:443"),
        ("https://zenodo.org:8443/records/1", "is at https://zenodo.org:8443"),
        ("https://zenodo.org:99999/records/1", "port"),
        ("https://zenodo.org:4 43/records/1", "U+0020"),
        ("https://zenodo.org:٤٤٣/records/1", "port"),
        ("https://evil.example\\@zenodo.org/records/1", "backslash"),
        ("https://zenodo.org\\.evil.example/records/1", "backslash"),
        ("https:\\\\zenodo.org/records/1", "backslash"),
        ("https:zenodo.org/records/1", "two slashes"),
        ("https:/zenodo.org/records/1", "two slashes"),
        ("https:///zenodo.org/records/1", "names no host"),
        ("//zenodo.org/records/1", "scheme"),
        ("zenodo.org/records/1", "scheme"),
        ("", "scheme"),
        ("https://zen\todo.org/records/1", "U+0009"),
        ("https://zenodo.org/records/\n1", "U+000A"),
        (" https://zenodo.org/records/1", "U+0020"),
        ("https://zenodo.org/records/1\u202e", "U+202E"),
        ("https://zenodo%2eorg/records/1", "percent"),
        ("https://zenodo.org%2f.evil.example/records/1", "percent"),
        ("https://zenodo.org%00.evil.example/records/1", "percent"),
        ("https://zеnodo.org/records/1", "mixes Cyrillic and Latin letters"),
        ("https://zеnodo.org/records/1", "xn--znodo-zwe.org"),
        ("https://ｚｅｎｏｄｏ.org/records/1", "xn--"),
        ("https://zenodo。org/records/1", "beyond ASCII"),
        ("https://bücher.example/records/1", "xn--bcher-kva.example"),
        ("https://zenodo.org/record/1", "does not trust everything"),
        ("https://zenodo.org/records", "does not trust everything"),
        ("https://zenodo.org/Records/1", "does not trust everything"),
        ("https://zenodo.org/records/../deposit/1", "does not trust everything"),
        ("https://zenodo.org/records/%2e%2e/deposit/1", "does not trust everything"),
        ("https://zenodo.org/records/.%2E/deposit/1", "does not trust everything"),
        ("https://zenodo.org/records/..%2fdeposit", "percent sign"),
        ("https://zenodo.org/records/..%5cdeposit", "percent sign"),
        ("https://zenodo.org/records/%252e%252e/deposit", "percent sign"),
        ("https://zenodo.org/records/..;/deposit", "differently"),
        ("https://zenodo.org/records/%00", "percent sign"),
        ("https://zenodo.org/records/%ff", "UTF-8"),
        ("https://2130706433/records/1", "number"),
        ("https://0x7f.1/records/1", "number"),
        ("https://127.1/records/1", "number"),
        ("https://127.0.0.08/records/1", "number"),
        ("https://256.0.0.1/records/1", "number"),
        ("https://1.2.3.4.5/records/1", "number"),
        ("https://[::1%25eth0]/records/1", "host"),
        ("https://[::1/records/1", "host"),
        ("https://[::1]x/records/1", "host"),
        ("https://zenodo.org^/records/1", "not valid"),
        ("https://xn--a.org/records/1", "no valid international name"),
        ("https://xn--zenodo-.org/records/1", "no valid international name"),
        ("https://xn--.org/records/1", "no valid international name"),
        ("https://xn--99999999999.org/records/1", "no valid international name"),
        ("ftp://zenodo.org/records/1", "is at ftp://zenodo.org"),
        ("javascript://zenodo.org/records/1", "is at javascript://zenodo.org"),
        ("data:text/plain,https://zenodo.org/records/1", "two slashes"),
        ("https://zenodo.org" + "/a" * 3000, "too long"),
    ],
)
def test_what_a_pattern_does_not_take_in_is_told(address: str, why: str) -> None:
    verdict = judge([ZENODO], address)
    assert not verdict.trusted
    assert why in verdict.why
    assert verdict.why.isascii()


@pytest.mark.parametrize(
    ("pattern", "address"),
    [
        ("https://e.org/get", "https://e.org/get?file=https://evil.example/x"),
        ("https://e.org/*", "https://e.org/a/b"),
        ("https://e.org/*", "https://e.org/get?x=1"),
        ("https://e.org/a/**", "https://e.org/a"),
        (ZENODO, "https://zenodo.org/records/"),
        (ZENODO, "https://zenodo.org/records//"),
        (ZENODO, "https://zenodo.org/records/?q=x"),
        (ZENODO, "https://zenodo.org/records/1/.."),
        ("https://e.org/a/*", "https://e.org/a/"),
        ("s3://bucket/raw/**", "s3://bucket/raw/"),
        ("https://e.org/a/**/b", "https://e.org/ab"),
        ("https://e.org/a*a", "https://e.org/a"),
        ("https://e.org/a*b*b", "https://e.org/ab"),
        ("https://e.org/a/**/b/**", "https://e.org/a/1/b"),
        ("s3://bucket/**", "s3://Bucket/x"),
        ("s3://bucket/a/**", "s3://bucket/a/../b"),
        ("doi:10.5281/zenodo.*", "doi:10.5281/zenodo"),
        ("doi:10.5281/**", "doi:10.52810/zenodo.1"),
        ("doi:10.5281/**", "doi:10.5281/../10.666/x"),
        ("doi:10.5281/**", "https://doi.org/10.5281/../10.666/x"),
        ("doi:10.5281/**", "https://doi.org.evil.example/10.5281/zenodo.1"),
        ("doi:10.5281/**", "https://doi.org/10.5281/zenodo.1?locatt=id:evil"),
        ("doi:10.5281/**", "https://user@doi.org/10.5281/zenodo.1"),
        ("pkg:huggingface/stanfordnlp/**", "pkg:huggingface/stanfordnlp-evil/imdb"),
        ("pkg:huggingface/stanfordnlp/**", "pkg:huggingface/stanfordnlp/../evil/imdb"),
        ("pkg:huggingface/stanfordnlp/**", "pkg:huggingface/stanfordnlp/%2e%2e/evil"),
        ("pkg:huggingface/stanfordnlp/**", "pkg:huggingface/stanfordnlp%2fimdb"),
        ("pkg:huggingface/stanfordnlp/**", "pkg:huggingface/evil@stanfordnlp/imdb"),
        ("pkg:huggingface/stanfordnlp/**", "pkg:huggingface/stanfordnlp/imdb?repository_url=https://evil.example"),
        ("pkg:huggingface/stanfordnlp/**", "pkg:github/stanfordnlp/imdb"),
        ("pkg:docker/x", "pkg:doc\u212aer/x"),
        ("https://huggingface.co/**", "pkg:huggingface/stanfordnlp/imdb"),
    ],
)
def test_near_misses(pattern: str, address: str) -> None:
    assert fault(pattern) is None
    assert not judge([pattern], address).trusted


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("zenodo.org/**", "scheme"),
        ("*", "scheme"),
        ("**", "scheme"),
        ("https://*.zenodo.org/**", "name each host"),
        ("https://**", "name each host"),
        ("*://zenodo.org/**", "scheme"),
        ("https://zenodo.org:*/**", "name each host"),
        ("doi:10.*/**", "name each host"),
        ("pkg:*/x", "name each host"),
        ("https://zenodo.org", "write https://zenodo.org/**"),
        ("https://zenodo.org/", "write https://zenodo.org/**"),
        ("https://zenodo.org/records/", "write https://zenodo.org/records/**"),
        ("https://zenodo.org/records?x=**", '"?"'),
        ("https://zenodo.org/[a-z]/**", '"["'),
        ("https://zenodo.org/{a,b}/**", '"{"'),
        ("https://zenodo.org/records**", "beside other characters"),
        ("https://zenodo.org/***", "beside other characters"),
        ("https://zenodo.org/a*b*c*d", "more than two"),
        ("https://zenodo.org/../x/**", "dots"),
        ("https://zenodo.org/%2e%2e/**", "dots"),
        ("https://zenodo.org//**", "empty part"),
        ("https://zenodo.org/a\\b", "backslash"),
        ("https://user@zenodo.org/**", "user"),
        ("https://zenodo.org./**", "dot"),
        ("https://zеnodo.org/**", "mixes"),
        ("https://0x7f.1/**", "number"),
        ("https:zenodo.org/**", "two slashes"),
        ("https://zenodo.org/rec\u202eords/**", "U+202E"),
        ("https://zenodo.org/a b/**", "U+0020"),
        ("doi:zenodo/**", "DOI"),
        ("pkg:huggingface", "single page"),
        ("pkg:huggingface/imdb@1", "version"),
        ("urn:isbn:1", "two slashes"),
    ],
)
def test_a_pattern_that_does_not_say_what_it_trusts(pattern: str, why: str) -> None:
    said = fault(pattern)
    assert said is not None
    assert why in said
    assert not judge([pattern], "https://zenodo.org/records/1").trusted


# ---------------------------------------------------------------------- the law

HOSTS = st.sampled_from(
    ["zenodo.org", "ZENODO.ORG", "zenodo.org.", "evil.example", "zenodo.org.evil.example", "zеnodo.org", "ｚenodo.org",
     "127.0.0.1", "127.1", "0x7f.0.0.1", "2130706433", "[::1]", "zenodo%2eorg", "zenodo。org", "zeno\u00addo.org", ""]
)  # fmt: skip
JUNK = st.sampled_from(
    ["", "", "/", "\\", "@", ":", "?", "#", ".", "%2e", "%2f", "%40", "%5c", "\t", "\n", " ", "\x00", "..", ";", "[", "]",
     "443", "80", "/records/", "records", "*"]
)  # fmt: skip
TRICKS = st.tuples(
    st.sampled_from(["https", "http", "HTTPS", "ftp", "s3", "hTtPs"]), st.sampled_from(["://", ":", ":/", ":///", ":\\\\", "://\t"]),
    st.lists(st.one_of(HOSTS, JUNK), min_size=1, max_size=7).map("".join), st.sampled_from(["", "/records/1", "/x"]),
).map("".join)  # fmt: skip
PATTERNS = ["https://zenodo.org/**", "https://zenodo.org/records/**", "https://127.0.0.1/**", "https://[::1]/**",
            "http://zenodo.org:443/**", "https://evil.example/**", "s3://zenodo.org/**"]  # fmt: skip


@settings(max_examples=3000, deadline=None)
@given(TRICKS | st.text(max_size=40).map(lambda text: "https://" + text))
def test_no_address_matches_whose_browser_host_differs(address: str) -> None:
    for text in PATTERNS:
        if judge([text], address).trusted:
            assert browser_host(address) == read_pattern(text).place


@settings(max_examples=1000, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_read_or_refused(pattern: str, address: str) -> None:
    for text in (pattern, f"https://e.org/{pattern}", f"doi:10.1234/{pattern}", f"pkg:{pattern}"):
        fault(text)
    for text in (address, f"https://e.org/{address}", f"pkg:{address}", f"hdl:{address}"):
        judge(["https://e.org/**", pattern], text)


@given(st.lists(st.sampled_from(["a", "b", "..", ".", "", "%2e%2e", "x;y"]), max_size=8))
def test_what_stays_below_a_folder_is_decided_as_a_browser_resolves_dots(parts: list[str]) -> None:
    from urllib.parse import urljoin

    address = "https://e.org/top/" + "/".join(parts)
    plain = urljoin("https://e.org/", "/top/" + "/".join(parts).replace("%2e", "."))
    if "//" not in address[8:]:  # urljoin merges empty parts
        below = plain.startswith("https://e.org/top/") and plain != "https://e.org/top/"
        assert judge(["https://e.org/top/**"], address).trusted == below


def test_hostile_lengths_take_no_time() -> None:
    pattern = read_pattern("https://e.org/" + "/".join(["**", "a*a*a"] * 300))
    with within(5):
        assert not matches(pattern, read_address("https://e.org/" + "/".join(["aaaa"] * 780) + "b"))
        with pytest.raises(Unclear):
            read_address("https://" + "a." * 500_000)
        assert not judge(["https://e.org/a*b*c"], "https://e.org/a" + "b" * 3900).trusted
