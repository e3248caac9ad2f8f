"""Paths that stand in a model's file and name another file, which has to lie in or below the same folder."""

from __future__ import annotations


def leaves_folder(path: str) -> bool:
    """Whether `path` is absolute, has a drive, or steps upwards, on any system (`..\\x` does on Windows)."""
    parts = path.replace("\\", "/").split("/")
    return parts[0] == "" or ".." in parts or parts[0][1:2] == ":" or "\0" in path
