"""TOML of others, within bounds: the parser of Python takes time and memory by the square of a dotted key's length."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from typing import Any

PARTS_AT_MOST = 32
# Texts and comments, each to its end or to where it would have to end, so that none is begun twice.
_TEXT = re.compile(
    r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*(?:"{3,5}|\\?\Z)'
    r"|'''[^']*(?:'(?!'')[^']*)*(?:'{3,5}|\Z)"
    r'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"?'
    r"|'[^'\n]*'?|#[^\n]*",
    re.DOTALL,
)
_LONG_KEY = re.compile(rf"""(?<![A-Za-z0-9_-])(?:(?:[A-Za-z0-9_-]+|"")[ \t]*\.[ \t]*){{{PARTS_AT_MOST}}}""")


def parse_toml(text: str) -> Any:
    """Read TOML. Raises ValueError or RecursionError for what is none, or has a key of more than 32 parts."""
    if _LONG_KEY.search(_TEXT.sub('""', text)):
        raise ValueError(f"a key of more than {PARTS_AT_MOST} parts")
    return import_module("tomllib" if sys.version_info >= (3, 11) else "tomli").loads(text)
