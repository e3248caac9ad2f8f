"""Our entry in somebody's `.pre-commit-config.yaml`: added as text, so that every byte of theirs stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

NAMES = (".pre-commit-config.yaml", ".pre-commit-config.yml")
STAGES = ("pre-commit", "pre-merge-commit", "pre-push")
UMBRELLA = "custody"


class Entry(NamedTuple):
    """Where the hooks come from: an address or a path, and a tag or commit."""

    repo: str
    rev: str

    def lines(self) -> tuple[str, ...]:
        """The entry as it stands in the list of repos."""
        return (
            f"- repo: {_scalar(self.repo)}",
            f"  rev: {_scalar(self.rev)}",
            "  hooks:",
            f"  - id: {UMBRELLA}",
        )

    def data(self) -> dict[str, Any]:
        """The same, as YAML reads it."""
        return {"repo": self.repo, "rev": self.rev, "hooks": [{"id": UMBRELLA}]}


class Extended(NamedTuple):
    """A configuration with our entry; `text` is None when it stays as it is, and `note` says why."""

    text: bytes | None
    note: str
    to_add: tuple[str, ...] = ()


_INSTALL = f"default_install_hook_types: [{', '.join(STAGES)}]"


def new(entry: Entry) -> bytes:
    """A configuration for a repository that has none."""
    lines = (
        "# `pre-commit install` and `prek install` then set up all three.",
        _INSTALL,
        "repos:",
        *entry.lines(),
    )
    return "".join(line + "\n" for line in lines).encode("utf-8")


def extend(raw: bytes, entry: Entry, ours: Container[str]) -> Extended:
    """Add our entry, and the hook types to install, to a configuration.

    `ours` are the ids of our hooks. What comes out is parsed again, and has to say what was there and ours.
    """
    import yaml

    by_hand = Extended(None, "add these lines yourself", (_INSTALL, "repos:", *entry.lines()))
    try:
        text = raw.decode("utf-8")
        data = yaml.safe_load(text)
        root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError):
        return by_hand._replace(note="it is not valid YAML; mend it, then add these lines yourself")
    if not isinstance(data, dict) or not isinstance(data.get("repos"), list):
        return by_hand._replace(note='it has no list of "repos"; add these lines yourself')
    listed = [found for found in hook_ids(data) if found in ours]
    wanted = dict(data)
    inserts: list[tuple[int, list[str]]] = []
    lines = text.splitlines(keepends=True)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"

    present = data.get("default_install_hook_types")
    if present is None:
        wanted["default_install_hook_types"] = list(STAGES)
        inserts.append((root.start_mark.line, [_INSTALL]))
    elif not isinstance(present, list) or not set(STAGES) <= set(present):
        missing = ", ".join(stage for stage in STAGES if not isinstance(present, list) or stage not in present)
        if listed:
            return Extended(None, f"it runs our hooks, but default_install_hook_types lacks {missing}; add it yourself")
        return by_hand._replace(
            note=f"default_install_hook_types lacks {missing}; add it, and these lines, yourself",
            to_add=("repos:", *entry.lines()),
        )
    if listed and not inserts:
        return Extended(None, f"it runs {', '.join(listed)} already")
    if not listed:
        place = _after_repos(root, lines)
        if place is None:
            return by_hand
        line, indent = place
        wanted["repos"] = [*data["repos"], entry.data()]
        inserts.append((line, [" " * indent + said for said in entry.lines()]))
    for line, said in sorted(inserts, reverse=True):
        if line >= len(lines) and lines and not lines[-1].endswith(("\n", "\r")):
            lines[-1] += end
        lines[line:line] = [row + end for row in said]
    extended = "".join(lines)
    try:
        right = yaml.safe_load(extended) == wanted
    except yaml.YAMLError:
        right = False
    return Extended(extended.encode("utf-8"), "") if right else by_hand


def hook_ids(data: Any) -> list[str]:
    """The ids of all hooks that a parsed configuration lists."""
    found = []
    repos = data.get("repos") if isinstance(data, dict) else None
    for repo in repos if isinstance(repos, list) else ():
        hooks = repo.get("hooks") if isinstance(repo, dict) else None
        listed = hooks if isinstance(hooks, list) else []
        found += [hook["id"] for hook in listed if isinstance(hook, dict) and isinstance(hook.get("id"), str)]
    return found


def _after_repos(root: Any, lines: Sequence[str]) -> tuple[int, int] | None:
    """The line (from 0) where one more item of `repos` goes, and its indentation; None: it cannot be told."""
    if root.flow_style:
        return None
    for key, value in root.value:
        if key.value == "repos":
            if value.flow_style or not value.value or value.start_mark.line == key.start_mark.line:
                return None
            # A block ends where the next token starts; what comes before it may be the user's comments.
            last = _last_line(value.value[-1], lines)
            return last + 1, value.start_mark.column
    return None


def _last_line(node: Any, lines: Sequence[str]) -> int:
    if not isinstance(node.value, str) and node.value and not node.flow_style:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last, lines)
    line: int = node.end_mark.line
    if isinstance(node.value, str) and node.style in ("|", ">"):
        line -= 1
        while line > node.start_mark.line and not lines[line].strip():
            line -= 1
    elif node.end_mark.column == 0 and line > node.start_mark.line:
        line -= 1
    return line


def _scalar(text: str) -> str:
    """A string as YAML, plain where nobody can misread it."""
    import re

    if re.fullmatch(r"(?:https://|[A-Za-z./_])[A-Za-z0-9@./_+-]*", text) and text not in (
        "true",
        "false",
        "null",
    ):
        return text
    import json

    return json.dumps(text, ensure_ascii=False)
