"""Small files that stand in git for content kept elsewhere: they are not what their names promise."""

from __future__ import annotations

_BEGINNINGS = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
_ANNEX = b"/annex/objects/"


def is_pointer(head: bytes) -> bool:
    """Whether `head`, a file's first bytes, are those of a Git LFS pointer or of a git-annex pointer or link.

    No binary format begins like one: a graph that only holds the words of one somewhere is a graph.
    """
    return head.startswith((*_BEGINNINGS, _ANNEX)) or (_ANNEX in head[:1024] and min(head) >= 0x20)
