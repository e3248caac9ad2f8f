"""Paths: those of files, and those in a model's file that name another, which has to lie in or below its folder."""

from __future__ import annotations


def leaves_folder(path: str) -> bool:
    """Whether `path` is absolute, has a drive, or steps upwards, on any system (`..\\x` does on Windows)."""
    path = path.replace("\\", "/")
    return path[:1] in ("", "/") or path[1:2] == ":" or "\0" in path or "/../" in f"/{path}/"


def file_name(path: str) -> str:
    """The last part of a path, in lower case."""
    return path.replace("\\", "/").rpartition("/")[2].lower()
