"""What stands for content that is kept elsewhere is not what its name promises; what only mentions it, is."""

from __future__ import annotations

import hashlib

import pytest

from builders import field, saved_model
from git_custody.core.content import BytesContent
from git_custody.core.digests import may_be_pointer, named, sha256_of
from git_custody.formats.pointers import is_pointer
from git_custody.formats.recognise import recognise

KEY = b"SHA256E-s5--" + b"a" * 64 + b".pb"


@pytest.mark.parametrize(
    "head",
    [
        b"version https://git-lfs.github.com/spec/v1\noid sha256:",
        b"version https://hawser.github.com/spec/v1\noid sha256:",
        b"/annex/objects/" + KEY + b"\n",
        b"../../.git/annex/objects/aa/bb/" + KEY + b"/" + KEY,
    ],
)
def test_pointers(head: bytes) -> None:
    assert is_pointer(head)
    assert recognise(BytesContent(head), name="saved_model.pb") == ()


def test_a_graph_that_holds_the_words_of_a_pointer_is_a_graph() -> None:
    for words in (b"/annex/objects/" + KEY, b"../.git/annex/objects/", b"version https://git-lfs.github.com/spec/v1\n"):
        data = field(50, words) + saved_model("PyFunc")
        assert [verdict.kind for verdict in recognise(BytesContent(data), name="saved_model.pb")] == ["code"]


@pytest.mark.parametrize(("size", "is_one"), [(0, True), (2**63 - 1, True), (2**63, False), (10**19 - 1, False)])
@pytest.mark.parametrize("extension", ["", f"ext-0-crypt sha256:{'b' * 64}\n"])
def test_a_size_that_git_lfs_cannot_read_is_none_of_a_pointer(size: int, is_one: bool, extension: str) -> None:
    text = f"version https://git-lfs.github.com/spec/v1\n{extension}oid sha256:{'a' * 64}\nsize {size}\n".encode()
    assert (named(text) is not None) is is_one
    assert may_be_pointer(text)


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 1_048_577])
def test_a_digest_is_the_same_by_whatever_it_is_worked_out(size: int) -> None:
    data = bytes(n % 251 for n in range(size))
    assert sha256_of(BytesContent(data)) == hashlib.sha256(data).hexdigest()
