"""New waivers: their text and their names."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from ..core.assets import WAIVERS
from ..core.findings import CannotJudge
from ..core.metadata import load
from ..core.waivers import read_waivers

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from datetime import date

    from ..core.digests import Digest
    from ..core.findings import Rule

_LONGEST_NAME = 80


def waiver_text(
    rule: str,
    path: str,
    reason: str,
    owner: str,
    expires: date,
    digest: Digest | None,
    rules: Mapping[str, Rule],
) -> bytes:
    """A waiver for one path, as a file. Raises `CannotJudge` when it would not be valid."""
    lines = ["version: 1", f"rule: {rule}", f"path: {_scalar(literal(path))}"]
    if digest is not None:
        ((algorithm, digits),) = digest.items()
        lines.append(f'digest: {{{algorithm}: "{digits}"}}')
    lines += [f"reason: {_scalar(reason)}", f"owner: {_scalar(owner)}", f'expires: "{expires.isoformat()}"']
    text = "".join(line + "\n" for line in lines).encode("utf-8")
    file = WAIVERS + "new.yaml"
    _, invalid = read_waivers({file: load(text, "waiver")}, rules)
    if invalid:
        raise CannotJudge(invalid[0].message)
    return text


def waiver_name(rule: str, path: str, digest: Digest | None, taken: Container[str]) -> str:
    """A path for a new waiver's file, that says what it is for and is not among `taken`."""
    slug = re.sub(r"[^a-z0-9]+", "-", f"{rule} {path}".lower()).strip("-")
    # Names that differ in what the slug leaves out, and other contents of one path, get their own file.
    subject = f"{path}\0{next(iter(digest.values())) if digest else ''}"
    mark = hashlib.sha256(subject.encode("utf-8")).hexdigest()[:8]
    if len(slug) > _LONGEST_NAME:
        slug = f"{slug[:_LONGEST_NAME].rstrip('-')}-{mark}"
    proposals = [slug, f"{slug}-{mark}", *(f"{slug}-{mark}-{number}" for number in range(2, 100))]
    for name in proposals:
        if f"{WAIVERS}{name}.yaml" not in taken:
            return f"{WAIVERS}{name}.yaml"
    raise CannotJudge(f"{slug}.yaml and its like are all taken", WAIVERS + slug + ".yaml")


def literal(path: str) -> str:
    """The path as a pattern that matches itself alone."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise CannotJudge("its name is not UTF-8, so no waiver can name it: rename it", path) from None
    if any(sign in path for sign in "*?["):
        return "/" + "".join("\\" + c if c in "*?[\\" else c for c in path)
    return path


def _scalar(text: str) -> str:
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", text) and text.lower() not in (
        "null",
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
    ):
        return text
    return json.dumps(text, ensure_ascii=False)
