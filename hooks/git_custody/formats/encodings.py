"""What a checkout makes of a file that the git attribute `working-tree-encoding` converts."""

from __future__ import annotations


def as_checked_out(stored: bytes, encoding: str) -> bytes | None:
    """The bytes that git writes to the work tree for a stored text; None where that cannot be told.

    Stored is always UTF-8 (gitattributes(5)), and what is not is written as it is. The names are those of
    iconv, and Python knows the usual ones.
    """
    try:
        text = stored.decode("utf-8")
    except UnicodeDecodeError:
        return stored
    try:
        return text.encode(encoding.lower().removesuffix("-bom"))
    except (LookupError, ValueError):
        return None
