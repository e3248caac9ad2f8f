"""Pickled checkpoints to safetensors, without executing anything in them."""

from __future__ import annotations

from git_custody.convert.conversion import Result, convert
from git_custody.convert.refused import Refused

__all__ = ["Refused", "Result", "convert"]
