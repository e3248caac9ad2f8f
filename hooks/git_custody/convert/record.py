"""The side file of a conversion: what it was made from, what it made, and everything that is not a tensor.

It lies beside the result, is called like it with ``.json`` behind, and depends on nothing but the source and the
version of this program: no dates, no paths but names in its own folder.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from git_custody import __version__
from git_custody.convert.prepared import Prepared
from git_custody.core.findings import CannotJudge

KIND = "conversion/1"
SUFFIX = ".json"
READ_AT_MOST = 512 * 1024 * 1024
LINE = 110


class FileId(NamedTuple):
    """A file by name and content."""

    name: str
    bytes: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """For the record."""
        return {"name": self.name, "bytes": self.bytes, "sha256": self.sha256}


def part(source: FileId, output: FileId, prepared: Prepared) -> dict[str, Any]:
    """What there is to say of one file that became another."""
    return {
        "source": {**source.as_json(), "format": prepared.loaded.format},
        "output": output.as_json(),
        "left_out": [left._asdict() for left in prepared.left_out],
        "tied": prepared.tied,
        "shared_storage": prepared.shared,
        "content": prepared.content,
    }


def record(parts: dict[str, Any], *, optimizer: bool) -> bytes:
    """The side file's bytes."""
    made = {
        "custody": KIND,
        "tool": {"name": "git-custody", "version": __version__},
        "optimizer": "kept" if optimizer else "left out",
        **parts,
    }
    return _pretty(made).encode("ascii") + b"\n"


def _pretty(value: object, indent: str = "") -> str:
    """JSON with what fits on a line on one, so that a tensor takes one line and not five."""
    if not isinstance(value, (dict, list, tuple)) or not value:
        return json.dumps(value, allow_nan=False)
    inside = indent + " "
    between = f",\n{inside}"
    values = value.values() if isinstance(value, dict) else value
    if not any(isinstance(part, (dict, list, tuple)) for part in values):
        # Plain values, of which there may be millions
        line = json.dumps(value, allow_nan=False)
        if len(line) <= LINE:
            return line
        lines = json.dumps(value, allow_nan=False, separators=(between, ": "))
        return f"{lines[0]}\n{inside}{lines[1:-1]}\n{indent}{lines[-1]}"
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_pretty(part, inside)}" for key, part in value.items()]
    else:
        parts = [_pretty(part, inside) for part in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    if sum(map(len, parts)) + 2 * len(parts) <= LINE and not any("\n" in part for part in parts):
        return opening + ", ".join(parts) + closing
    return f"{opening}\n{inside}{between.join(parts)}\n{indent}{closing}"


def read_record(path: str) -> dict[str, Any]:
    """Read a side file. Raises `CannotJudge` for what is none."""
    try:
        with open(path, "rb") as file:
            data = file.read(READ_AT_MOST + 1)
    except OSError as error:
        raise CannotJudge(f"the record of the conversion cannot be read: {error.strerror}", path) from None
    made = strict_json(data) if len(data) <= READ_AT_MOST else None
    if not isinstance(made, dict) or made.get("custody") != KIND:
        raise CannotJudge("it is no record of a conversion", path)
    return made


def strict_json(data: bytes) -> object:
    """A JSON text in which no key stands twice; None for what is none."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise ValueError
        return made

    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError):
        return None
