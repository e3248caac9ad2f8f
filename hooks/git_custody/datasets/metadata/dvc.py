"""The `desc` and `meta` of a `.dvc` file, and the address that `dvc import-url` or `dvc import` fetched from.

Format: https://dvc.org/doc/user-guide/project-structure/dvc-files. `meta` is free; read are the words that cards use.
"""

from __future__ import annotations

import re
from typing import Any

from .facts import Notes, Stated, Subject, first_text, listed, only
from .loading import load_yaml

STANDARD = "DVC"
_KEYS = frozenset(("outs", "deps", "meta", "desc"))


def read(file: str, raw: bytes, subject: Subject) -> Stated | None:
    """What a `.dvc` file says of the data that it stands for."""
    loaded = load_yaml(raw, _KEYS)
    if loaded is None:
        return None
    data: dict[str, Any] = loaded.data
    notes = Notes(file, loaded.lines)
    out = only(data.get("outs"))
    holders = [("/outs/0", out)] if isinstance(out, dict) else []
    for above, holder in (*holders, ("", data)):
        notes.add("description", holder.get("desc"), f"{above}/desc")
        meta = holder.get("meta")
        if isinstance(meta, dict):
            _meta(notes, meta, f"{above}/meta")
    dep = only(data.get("deps"))
    if isinstance(dep, dict):
        repo = dep.get("repo")
        address = first_text(repo, ("url",)) if repo is not None else first_text(dep, ("path",))
        if address is not None and re.match("https?://", address):
            notes.add("url", address, "/deps/0/repo/url" if repo is not None else "/deps/0/path")
        if isinstance(repo, dict):
            notes.add("version", first_text(repo, ("rev_lock", "rev")), "/deps/0/repo/rev_lock")
    return notes.stated(STANDARD, "whole")


def _meta(notes: Notes, meta: dict[str, Any], above: str) -> None:
    for key in ("license", "licence"):
        notes.add_license(only(meta.get(key)), f"{above}/{key}")
    for name, keys in (("title", ("title", "name")), ("publisher", ("publisher", "author", "creator")),
                       ("url", ("url", "source", "homepage")), ("version", ("version",))):  # fmt: skip
        for key in keys:
            # In DVC's own example the name is that of a person.
            value = None if key == "name" and "email" in meta else meta.get(key)
            if name != "url" or (isinstance(value, str) and re.match("https?://", value)):
                notes.add(name, value, f"{above}/{key}")  # type: ignore[arg-type]
    notes.add_languages(listed(meta.get("language")), f"{above}/language")
