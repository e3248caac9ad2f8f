"""Audit entries: one immutable JSON file for each change of a dataset's content.

An entry's id is the sha256 of its RFC 8785 form. The profile (ASCII keys, strings, lists, objects and null;
no numbers) is small enough that sorted, compact ``json.dumps`` gives exactly those bytes. Entries are checked
by hand, because ten thousand of them have to be verified in a second or two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

AUDIT_DIR = ".custody/audit"
FORMAT = "audit-entry/1"
MAX_ENTRY_BYTES = 64 * 1024
MAX_PATH = 4096
MAX_REASON = 4000
MAX_NAME = 500
MAX_TOOL = 200

# The content was changed, and is still there.
CONTENT_OPS = ("append", "clean", "modify", "relabel")
# The first entry of a dataset, or the first after it was deleted.
FIRST_OPS = ("adopt", "create")
# The content stays as it is; only its place changes.
PLACE_OPS = ("move-storage", "rename")
# Ops that may join states which differ; every other op starts from one state.
JOINING_OPS = ("cherry-pick", "delete", "merge", "revert")
OPS = (*FIRST_OPS, *CONTENT_OPS, *PLACE_OPS, *JOINING_OPS, "redact", "restore")
ORIGIN_OPS = ("cherry-pick", "create", "restore", "revert")

_KEYS = frozenset(("actor", "after", "before", "custody", "dataset", "op", "parents", "path", "reason", "time", "tool"))
_DIGEST_KINDS = ("dirHash", "sha256")
_HEX = "0123456789abcdef"
_ID_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"


class EntryError(Exception):
    """An entry that is not valid, or cannot be made; the message is one sentence for a person."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Digest(NamedTuple):
    """A content digest: `kind` is ``sha256`` or ``dirHash``, `hex` 64 lower-case hexadecimal digits."""

    kind: str
    hex: str

    def mapping(self) -> dict[str, str]:
        """Give the digest as it stands in JSON and YAML."""
        return {self.kind: self.hex}

    def __str__(self) -> str:
        return f"{self.kind} {self.hex}"


class Actor(NamedTuple):
    """Who claims to have made the change."""

    name: str
    email: str


class Tool(NamedTuple):
    """The program that wrote the entry."""

    name: str
    version: str


class Entry(NamedTuple):
    """One change of one dataset.

    `parents` are entry ids, `before` the distinct digests in which those parents ended; both are sorted.
    `after` is None when the dataset was deleted. `path` is where the dataset lies after the change, or lay
    before its deletion: from the repository's root, a directory without trailing slash, ``.`` for the root
    itself. `time` is UTC, ``2026-11-22T18:00:00Z``. `origin` is the id of the entry that this one takes back,
    brings over or restores.
    """

    dataset: str
    op: str
    path: str
    parents: tuple[str, ...]
    before: tuple[Digest, ...]
    after: Digest | None
    reason: str
    actor: Actor
    time: str
    tool: Tool
    origin: str | None = None


def entry_path(dataset: str, entry: str) -> str:
    """Give the path, from the repository's root, of the entry with this id."""
    return f"{AUDIT_DIR}/{dataset}/{entry}.json"


def render(entry: Entry) -> bytes:
    """Give the one canonical rendering, as it lies in git. Raises EntryError when a string is not Unicode."""
    import json

    return _encode(json.dumps(_plain(entry), indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def entry_id(entry: Entry) -> str:
    """Give the sha256 of the RFC 8785 form. Raises EntryError when a string is not Unicode."""
    import hashlib

    return hashlib.sha256(canonical_json(_plain(entry))).hexdigest()


def canonical_json(value: Any) -> bytes:
    """Give the RFC 8785 form of objects with ASCII keys, lists, strings and null."""
    import json

    return _encode(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def parse(data: bytes) -> Entry:
    """Read a file's bytes. Raises EntryError unless they are the canonical bytes of a valid entry."""
    entry = parse_any_layout(data)
    if render(entry) != data:
        raise EntryError("the file is not laid out as git-custody writes it (two spaces, sorted keys, final newline)")
    return entry


def parse_any_layout(data: bytes) -> Entry:
    """Read a file's bytes however they are laid out: to tell a reformatted file from an edited one.

    Raises EntryError when the content is not a valid entry.
    """
    import json

    if len(data) > MAX_ENTRY_BYTES:
        raise EntryError(f"the file is larger than {MAX_ENTRY_BYTES // 1024} KiB")
    try:
        value = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise EntryError("the file is not UTF-8 text") from None
    except (ValueError, RecursionError):
        raise EntryError("the file is not valid JSON") from None
    return _entry(value)


def checked(entry: Entry) -> Entry:
    """Give back the entry, if `parse` would take it back from its rendering; else raises EntryError."""
    if len(render(entry)) > MAX_ENTRY_BYTES:
        raise EntryError(f"the entry would be larger than {MAX_ENTRY_BYTES // 1024} KiB")
    return _entry(_plain(entry))


def digest_from(value: object) -> Digest:
    """Read ``{"sha256": …}`` or ``{"dirHash": …}``. Raises EntryError for anything else."""
    if isinstance(value, dict) and len(value) == 1:
        ((kind, digits),) = value.items()
        if kind in _DIGEST_KINDS and is_entry_id(digits):
            return Digest(kind, digits)
    raise EntryError("a digest has to be one of sha256 or dirHash with 64 lower-case hexadecimal digits")


def is_entry_id(value: object) -> bool:
    """Tell whether this is 64 lower-case hexadecimal digits."""
    return isinstance(value, str) and len(value) == 64 and not value.strip(_HEX)


def is_dataset_id(value: object) -> bool:
    """Tell whether this is 2 to 40 of a-z, 0-9 and hyphen."""
    return isinstance(value, str) and 2 <= len(value) <= 40 and not value.strip(_ID_CHARACTERS)


def link_error(entry: Entry, parents: Mapping[str, Entry]) -> str | None:
    """Say in one sentence why the entry does not follow from its parents (all in `parents`), or None."""
    above = [parents[parent] for parent in entry.parents]
    if any(parent.dataset != entry.dataset for parent in above):
        return "it builds on an entry of another dataset"
    if entry.before != tuple(sorted({parent.after for parent in above if parent.after is not None})):
        return "its `before` is not what the entries it builds on ended in"
    if above and entry.op not in (*FIRST_OPS, *JOINING_OPS) and len({state(parent) for parent in above}) > 1:
        return f"it joins states that differ, which {entry.op} cannot do: that takes a merge"
    paths = [parent.path for parent in above]
    if entry.op == "rename" and entry.path in paths:
        return "it says rename, but the path is the one from before"
    if entry.op == "delete" and entry.path not in paths:
        return "it says delete, but the dataset was not at this path"
    return None


def state(entry: Entry) -> tuple[str, Digest | None]:
    """Give path and digest in which an entry leaves its dataset; all deletions are one state."""
    return ("", None) if entry.after is None else (entry.path, entry.after)


def _plain(entry: Entry) -> dict[str, Any]:
    value: dict[str, Any] = {
        "custody": FORMAT,
        "dataset": entry.dataset,
        "op": entry.op,
        "path": entry.path,
        "parents": list(entry.parents),
        "before": [digest.mapping() for digest in entry.before],
        "after": None if entry.after is None else entry.after.mapping(),
        "reason": entry.reason,
        "actor": {"name": entry.actor.name, "email": entry.actor.email},
        "time": entry.time,
        "tool": {"name": entry.tool.name, "version": entry.tool.version},
    }
    if entry.origin is not None:
        value["origin"] = entry.origin
    return value


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise EntryError(
            "an audit entry is UTF-8 text, and a path or name in it is not: rename the file to a UTF-8 name first"
        ) from None


def _entry(value: object) -> Entry:
    if not isinstance(value, dict):
        raise EntryError("the file does not hold a JSON object")
    if value.get("custody") != FORMAT:
        raise EntryError(f"`custody` is not {FORMAT}, the format that this version of git-custody knows")
    missing = sorted(_KEYS - value.keys())
    if missing:
        raise EntryError(f"`{missing[0]}` is missing")
    if len(value) > len(_KEYS) + ("origin" in value):
        unknown = min(value.keys() - _KEYS - {"origin"})
        raise EntryError(f"`{unknown[:40]}` is not a field of an audit entry")
    if not is_dataset_id(value["dataset"]):
        raise EntryError("`dataset` has to be 2 to 40 of a-z, 0-9 and hyphen")
    if not isinstance(value["op"], str) or value["op"] not in OPS:
        raise EntryError(f"`op` has to be one of {', '.join(sorted(OPS))}")
    if "origin" in value and not (is_entry_id(value["origin"]) and value["op"] in ORIGIN_OPS):
        raise EntryError(f"`origin` has to be an entry id, and goes with {', '.join(ORIGIN_OPS)} only")
    entry = Entry(
        dataset=value["dataset"],
        op=value["op"],
        path=_path(value["path"]),
        parents=_parents(value["parents"]),
        before=_digests(value["before"]),
        after=None if value["after"] is None else digest_from(value["after"]),
        reason=_text("reason", value["reason"], MAX_REASON, controls="\n\t"),
        actor=Actor(*_pair("actor", value["actor"], "name", "email")),
        time=_time(value["time"]),
        tool=Tool(*_pair("tool", value["tool"], "name", "version")),
        origin=value.get("origin"),
    )
    error = _shape_error(entry)
    if error is not None:
        raise EntryError(error)
    return entry


def _shape_error(entry: Entry) -> str | None:
    op, before, after = entry.op, entry.before, entry.after
    if op in FIRST_OPS:
        if before:
            return f"{op} starts a dataset, so `before` has to be empty"
    elif not entry.parents:
        return f"{op} has to build on an earlier entry, so `parents` cannot be empty"
    if op == "delete":
        return None if before and after is None else "delete goes from some content to `after`: null"
    if op == "merge":
        return None if len(entry.parents) > 1 else "merge has to name two or more `parents`"
    if op in ("cherry-pick", "revert"):
        return None
    if after is None:
        return None if op == "redact" and before else f"{op} leaves a dataset, so `after` cannot be null"
    if op in PLACE_OPS:
        return None if before == (after,) else f"{op} keeps the content, so `before` and `after` have to be the same"
    if after in before:
        return f"{op} changes the content, but `before` and `after` are the same"
    if op in (*CONTENT_OPS, "redact") and not before:
        return f"{op} changes content, so `before` cannot be empty"
    return None


def _path(value: object) -> str:
    # Not normalised, unlike every other text: it has to name the path that git tracks, byte for byte.
    if not isinstance(value, str) or not value:
        raise EntryError("`path` has to be a path from the repository's root")
    _encode(value)
    if len(value) > MAX_PATH:
        raise EntryError(f"`path` is longer than {MAX_PATH} characters")
    if value != "." and ("\0" in value or any(part in ("", ".", "..") for part in value.split("/"))):
        raise EntryError("`path` has to be a path from the repository's root, without `.`, `..` or empty parts")
    return value


def _parents(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(is_entry_id(parent) for parent in value):
        raise EntryError("`parents` has to be a list of entry ids")
    if len(value) > 1 and value != sorted(set(value)):
        raise EntryError("`parents` has to be sorted and to name no entry twice")
    return tuple(value)


def _digests(value: object) -> tuple[Digest, ...]:
    if not isinstance(value, list):
        raise EntryError("`before` has to be a list of digests")
    digests = [digest_from(digest) for digest in value]
    if len(digests) > 1 and digests != sorted(set(digests)):
        raise EntryError("`before` has to be sorted and to name no digest twice")
    return tuple(digests)


def _pair(name: str, value: object, first: str, second: str) -> tuple[str, str]:
    if not isinstance(value, dict) or value.keys() != {first, second}:
        raise EntryError(f"`{name}` has to hold {first} and {second}, and nothing else")
    limit = MAX_NAME if name == "actor" else MAX_TOOL
    return _text(f"{name}.{first}", value[first], limit), _text(f"{name}.{second}", value[second], limit)


def _text(name: str, value: object, limit: int, controls: str = "") -> str:
    if not isinstance(value, str) or not value.strip():
        raise EntryError(f"`{name}` has to be a text that is not empty")
    if len(value) > limit:
        raise EntryError(f"`{name}` is longer than {limit} characters")
    if not (value.isascii() and value.isprintable()):
        import unicodedata

        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise EntryError(f"`{name}` is not valid Unicode text") from None
        if not unicodedata.is_normalized("NFC", value):
            raise EntryError(f"`{name}` is not in Unicode normal form C")
        if any(character not in controls and (character < " " or character == "\x7f") for character in value):
            raise EntryError(f"`{name}` holds control characters")
    return value


def _time(value: object) -> str:
    # Only this shape, so that one moment has one spelling: `datetime.fromisoformat` takes many, and more with
    # each version of Python.
    if isinstance(value, str) and len(value) == 20 and value.isascii():
        numbers = (value[0:4], value[5:7], value[8:10], value[11:13], value[14:16], value[17:19])
        marks = value[4] + value[7] + value[10] + value[13] + value[16] + value[19]
        if "".join(numbers).isdigit() and marks == "--T::Z":
            from datetime import datetime

            try:
                year, month, day, hour, minute, second = map(int, numbers)
                datetime(year, month, day, hour, minute, second)
                return value
            except ValueError:
                pass
    raise EntryError("`time` has to be a moment in UTC to the second, like 2026-11-22T18:00:00Z")
