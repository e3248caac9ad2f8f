"""What readers of binary formats have in common: how they give up, and what is said of the file then."""

from __future__ import annotations

from git_custody.formats.verdicts import MALFORMED, OPAQUE, Said


class BrokenError(Exception):
    """The bytes are not what the format has in this place."""


class TooMuchError(Exception):
    """More parts than ordinary files have; the file may be whole."""


def gave_up(error: Exception, format: str, title: str) -> Said:
    """What is said of a file that is meant as `format` (`title`: "an ONNX model") and was not read to its end."""
    if isinstance(error, TooMuchError):
        return Said(OPAQUE, format, f"{title} of more parts than are looked at", forced=True)
    return Said(MALFORMED, format, f"a damaged file that is meant as {title}")
