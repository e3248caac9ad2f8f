"""Keys of git-annex, and the pointers by which they stand in git."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_custody.core import annex
from git_custody.core.digests import Pointer, extended_pointer, may_be_pointer, named, pointer

HASH = "4" * 64


@pytest.mark.parametrize(
    ("text", "backend", "size", "said"),
    [
        (f"SHA256E-s8--{HASH}.csv", "SHA256", 8, "identity"),
        (f"SHA256-s8--{HASH}", "SHA256", 8, "identity"),
        (f"SHA256E--{HASH}.tar.gz", "SHA256", None, "identity"),
        (f"SHA512E-s8-m3--{HASH}{HASH}.csv", "SHA512", 8, "identity"),
        (f"SHA3_256E-s1--{HASH}", "SHA3_256", 1, "identity"),
        (f"BLAKE2B256E-s2--{HASH}.csv", "BLAKE2B256", 2, "identity"),
        (f"MD5E-s2--{'a' * 32}.csv", "MD5", 2, "weak"),
        (f"SHA1-s2--{'a' * 40}", "SHA1", 2, "weak"),
        ("WORM-s2-m1795693972--data%w.csv", "WORM", 2, ""),
        ("URL--http&c%%example.org%x", "URL", None, ""),
        ("VURL-s3--http&c%%example.org%x", "VURL", 3, ""),
        ("XXH3E-s1--aa.csv", "XXH3", 1, ""),
        (f"SHA256-s8--{HASH}.csv", "SHA256", 8, ""),
        (f"SHA256E-s8--{HASH[:-1]}.csv", "SHA256", 8, ""),
        (f"SHA256E-s8--{HASH.replace('4', 'A')}.csv", "SHA256", 8, ""),
        ("SHA256E-s8--../../../etc/passwd", "SHA256", 8, ""),
        ("nothing", "", None, ""),
    ],
)
def test_keys(text: str, backend: str, size: int | None, said: str) -> None:
    key = annex.parsed(text)
    assert (key.backend, key.size) == (backend, size)
    assert (key.is_identity, key.is_weak) == (said == "identity", said == "weak")


KEY = f"SHA256E-s8--{HASH}.csv"


def test_locked_and_unlocked_are_one_content() -> None:
    pointer_file = f"/annex/objects/{KEY}\n".encode()
    link = f"../.git/annex/objects/Wx/9k/{KEY}/{KEY}".encode()
    assert named(pointer_file) == named(link) == Pointer(HASH, 8)
    weak = f"MD5E-s8--{'a' * 32}.csv"
    itself = hashlib.sha256(f"/annex/objects/{weak}\n".encode()).hexdigest()
    for target in (f"/annex/objects/{weak}\n", f"../../.git/annex/objects/aaa/bbb/{weak}/{weak}"):
        assert named(target.encode()) == Pointer(itself, 8)
    assert named(f"/annex/objects/SHA256E--{HASH}\n".encode()) == Pointer(HASH, -1)


@pytest.mark.parametrize(
    "text",
    [
        f"/annex/objects/{KEY}\nmore\n", f" /annex/objects/{KEY}\n", f"/annex/objects/{KEY}\r\n", "/annex/objects/\n",
        f"/annex/objects/a/{KEY}\n", f"../.git/annex/objects/Wx/9k/{KEY}/OTHER", f"/etc/.git/annex/objects/a/b/{KEY}",
        f"../.git/annex/objects/../../{KEY}/{KEY}", f"x/.git/annex/objects/Wx/9k/{KEY}/{KEY}",
    ],
)  # fmt: skip
def test_other_spellings_name_nothing(text: str) -> None:
    assert named(text.encode()) is None


def test_links_lead_into_the_annex_of_their_own_repository() -> None:
    inside = f".git/annex/objects/Wx/9k/{KEY}/{KEY}".encode()
    assert annex.leads_to_annex("x.csv", inside)
    assert annex.leads_to_annex("a/b/x.csv", b"../../" + inside)
    for path, target in (("x.csv", b"../" + inside), ("a/x.csv", inside), ("x.csv", b"/" + inside), ("x.csv", b"")):
        assert not annex.leads_to_annex(path, target)


# ---------------------------------------------------------------------- Git LFS

VERSION = "version https://git-lfs.github.com/spec/v1\n"
END = f"oid sha256:{'b' * 64}\nsize 12\n"


def test_extensions_of_git_lfs() -> None:
    text = f"{VERSION}ext-0-foo sha256:{HASH}\next-1-bar sha256:{'c' * 64}\n{END}".encode()
    extended = extended_pointer(text)
    assert extended is not None
    assert (extended.original, extended.stored.size, extended.extensions) == (HASH, 12, ("foo", "bar"))
    assert named(text) == Pointer(HASH, 12)
    assert pointer(text) is None
    assert may_be_pointer(text)


@pytest.mark.parametrize(
    "lines",
    [
        f"ext-1-bar sha256:{HASH}\next-0-foo sha256:{HASH}\n", f"ext-0-foo sha256:{HASH}\next-0-bar sha256:{HASH}\n",
        f"ext-10-foo sha256:{HASH}\n", f"ext-0-foo  sha256:{HASH}\n", f"ext-0-foo md5:{HASH}\n", f"ext-0- sha256:{HASH}\n",
        "".join(f"ext-{n}-foo sha256:{HASH}\n" for n in range(10)) + f"ext-9-x sha256:{HASH}\n",
    ],
)  # fmt: skip
def test_extensions_that_are_none(lines: str) -> None:
    text = (VERSION + lines + END).encode()
    assert extended_pointer(text) is None
    assert named(text) is None


@pytest.mark.parametrize(
    "text",
    [
        VERSION.replace("git-lfs", "hawser") + END, "version http://git-media.io/v/2\n" + END, VERSION + END + "\n",
        VERSION + END.rstrip(), (VERSION + END).replace("\n", "\r\n"), VERSION + END.replace("size", "size "),
        VERSION + "size 12\n" + END.replace("size 12\n", ""), VERSION + END.replace("b" * 64, "B" * 64),
        VERSION + END.replace("12", "012"), VERSION + END.replace("12", "+12"), VERSION + END.replace("12", "1" * 20),
        VERSION + END + "#" * 900, "\ufeff" + VERSION + END,
    ],
)  # fmt: skip
def test_pointers_of_git_lfs_have_one_form(text: str) -> None:
    assert named(text.encode()) is None


@given(
    st.binary(max_size=1100)
    | st.builds(lambda a, b: (VERSION + END).encode()[:a] + b, st.integers(0, 140), st.binary())
)
def test_any_bytes(data: bytes) -> None:
    found = named(data)
    if found is not None:
        assert len(found.sha256) == 64
    may_be_pointer(data)


@given(st.text(max_size=60))
def test_any_key(text: str) -> None:
    key = annex.parsed(text)
    assert not (key.is_identity and key.is_weak)
    named(f"/annex/objects/{text}\n".encode("utf-8", "surrogatepass"))
