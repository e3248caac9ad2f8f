"""Addresses as a real browser's parser reads them: Node.js has that of the WHATWG."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from browser import browser_host
from git_custody.datasets.sources import judge, read_pattern

NODE = shutil.which("node")
SCRIPT = """
const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(texts.map(text => {
  try { const u = new URL(text); return u.host ? u.protocol + "//" + u.host : null } catch { return null }
})));
"""
HOSTS = [
    "zenodo.org", "ZENODO.org", "zenodo.org.", "evil.example", "zenodo.org.evil.example", "z\u0435nodo.org",
    "\uff5aenodo.org", "zenodo\u3002org", "zeno\u00addo.org", "xn--znodo-zwe.org", "xn--zenodo-.org", "xn--bcher-kva.example", "XN--Bcher-KVA.example", "XN--A.org",
    "127.0.0.1", "127.1", "0x7f.1", "0177.0.0.1", "2130706433", "1.2.3", "256.1.1.1", "1.2.3.4.5", "09.1.1.1", "[::1]",
    "[::ffff:127.0.0.1]", "[::1%25x]", "[0:0::0:1]", "zenodo%2eorg", "%7aenodo.org", "zenodo.org%00", "_a.example", "a..b", "-a-",
    "fa\u00df.example", "\u2126.example", "\u212aelvin.example", "localhost", "zenodo.org\u200b", "",
]  # fmt: skip
PIECES = [
    "/", "\\", "@", ":", "?", "#", ".", "%2e", "%2f", "%40", "%5c", "\t", "\n", " ", "\x00", "..", ";", "[", "]", ":443",
    ":80", ":0443", ":65536", "/records/", "/../", "user:pw@", "//", "\u202e", "*", "^", "|",
]  # fmt: skip
STARTS = [
    "https://",
    "https:",
    "https:/",
    "https:///",
    "https:\\\\",
    "HTTPS://",
    "http://",
    "ftp://",
    "s3://",
    " https://",
    "ws://",
]
PATTERNS = [
    "https://zenodo.org/**", "http://zenodo.org/**", "http://zenodo.org:443/**", "https://127.0.0.1/**", "https://[::1]/**",
    "https://xn--znodo-zwe.org/**", "https://localhost/**", "s3://zenodo.org/**", "ftp://zenodo.org/**", "https://zenodo.org:80/**",
    "https://evil.example/**", "https://_a.example/**", "https://xn--bcher-kva.example/**", "https://-a-/**",
]  # fmt: skip


@pytest.fixture(scope="module")
def tried() -> list[tuple[str, str | None]]:
    """Addresses, and what Node.js asks for each."""
    if NODE is None:
        pytest.skip("needs Node.js (apt-get install nodejs)")
    chosen = random.Random(20261122)
    texts = [start + host + "/records/1" for start in STARTS for host in HOSTS]
    for _ in range(60_000):
        parts = chosen.choices(HOSTS, k=1) + chosen.choices(PIECES + HOSTS, k=chosen.randrange(5))
        if chosen.random() < 0.5:
            chosen.shuffle(parts)
        texts.append(chosen.choice(STARTS) + "".join(parts) + chosen.choice(["", "/records/1"]))
    table = Path(__file__).parent / "url_cases.json"
    texts += json.loads(table.read_text("utf-8")) if table.exists() else []
    done = subprocess.run((str(NODE), "-e", SCRIPT), input=json.dumps(texts).encode(), capture_output=True, check=True)
    hosts: list[str | None] = json.loads(done.stdout)
    return list(zip(texts, hosts, strict=True))


def test_what_matches_is_what_a_browser_would_ask(tried: list[tuple[str, str | None]]) -> None:
    matched = 0
    for text, host in tried:
        for pattern in PATTERNS:
            if judge([pattern], text).trusted:
                matched += 1
                assert host == read_pattern(pattern).place, text
    assert matched > 500  # it is not that nothing ever matches


def test_plain_addresses_of_a_trusted_host_do_match(tried: list[tuple[str, str | None]]) -> None:
    plain = [
        text
        for text, host in tried
        if host == "https://zenodo.org" and text.startswith("https://zenodo.org/") and text.isascii()
    ]
    tricky = ("\\", "%2f", "%5c", "%00", "\t", "\n", " ", "\x00", "..", ";")
    plain = [text for text in plain if not any(piece in text for piece in tricky)]
    assert len(plain) > 10
    assert [text for text in plain if not judge(["https://zenodo.org/**"], text).trusted] == []


def test_our_own_lenient_reader_is_a_fair_witness(tried: list[tuple[str, str | None]]) -> None:
    """The default suite holds the law against it: for every host that a pattern can name, it has to agree."""
    places = {read_pattern(pattern).place for pattern in PATTERNS}
    for text, host in tried:
        ours = browser_host(text)
        if host in places or ours in places:
            assert ours == host, text
