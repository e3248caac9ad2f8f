"""What tells a hook runner to run our hooks: pre-commit's and prek's own files, read from the judged trees.

These files belong to others and may use all of YAML. Only what decides whether and how a hook runs is read.
What pre-commit 4.7 and prek 0.5 do with each key was tried out; tests/test_check_policy.py tries it again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

# The files that each runner looks for; the first one there counts.
RUNNERS = {
    "pre-commit": (".pre-commit-config.yaml",),
    "prek": ("prek.toml", ".pre-commit-config.yaml", ".pre-commit-config.yml"),
}
# The moments at which our hooks stand in the way of something, as their manifest declares them.
GATES = ("pre-commit", "pre-merge-commit", "pre-push")

_MAX_BYTES = 256 * 1024
_MAX_DEPTH = 40
_MAX_VALUES = 20_000
_LEGACY_STAGES = {"commit": "pre-commit", "merge-commit": "pre-merge-commit", "push": "pre-push"}
_FILTERS = ("files", "exclude", "types", "types_or", "exclude_types")
# What the environment must not redirect: git, the interpreter, where programs and our cache are found.
_REDIRECTS = re.compile(r"(?:GIT_|PRE_COMMIT|LD_|DYLD_|XDG_).*|PATH|HOME|PYTHONPATH|PYTHONHOME")


class Provided(NamedTuple):
    """One entry for a hook: where the hook is taken from, and all keys beside its id that the entry sets."""

    id: str
    repo: str
    line: int | None
    keys: Mapping[str, Any]
    rev: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the file itself defines the hook, instead of a repository's manifest."""
        return self.repo in ("local", "builtin", "meta")

    def value(self, key: str) -> Any:
        """What a key comes to: what is not said is as in our manifest, for local hooks as in the runner."""
        if key == "always_run":
            return self.keys.get(key, not self.is_local)
        if key == "pass_filenames":
            return self.keys.get(key, self.is_local)
        value = self.keys.get(key)
        # The output's format changes nothing that is judged.
        if key == "args" and value in (["--format", "text"], ["--format", "json"], []):
            return None
        return value

    @property
    def gates(self) -> frozenset[str]:
        """Those of `GATES` at which the runner calls the hook."""
        stages = self.keys.get("stages")
        if not stages and (self.is_local or "stages" in self.keys):
            stages = self.keys.get("default_stages")
        named = {_LEGACY_STAGES.get(s, s) for s in stages if isinstance(s, str)} if isinstance(stages, list) else ()
        return frozenset(GATES) & frozenset(named or GATES)


class RunnerConfig(NamedTuple):
    """One configuration file.

    `skipped` are hook ids that pre-commit.ci leaves out, `installed` the git hooks that get installed.
    `problem` says why it cannot be read, None where it can.
    """

    path: str
    provided: tuple[Provided, ...] = ()
    skipped: frozenset[str] = frozenset()
    installed: tuple[str, ...] = ("pre-commit",)
    problem: str | None = None


class Stopped(NamedTuple):
    """One way in which a hook of ours runs no longer as before.

    `key` tells it apart from others on the same path. `remark` is for what changes nothing yet.
    """

    path: str
    line: int | None
    key: str
    message: str
    remark: bool = False


class _Unreadable(Exception):
    """The file says nothing that can be relied on."""


def read_runner_config(path: str, data: bytes) -> RunnerConfig:
    """Read one file; never raises, whatever the bytes."""
    try:
        if len(data) > _MAX_BYTES:
            raise _Unreadable(f"it has {len(data)} bytes")
        if not path.endswith(".toml"):
            return _config(path, _read_yaml(data))
        return _config(path, _read_toml(data))
    except _Unreadable as reason:
        return RunnerConfig(path, problem=str(reason))


def _config(path: str, root: Any) -> RunnerConfig:
    if not isinstance(root, dict) or not isinstance(root.get("repos"), list):
        raise _Unreadable("it has no list of repos")
    versions = root.get("default_language_version")
    environment = root.get("default_env")
    inherited: dict[str, Any] = {"default_stages": root.get("default_stages")}
    if isinstance(versions, dict):
        inherited["language_version"] = versions.get("python")
    if isinstance(environment, dict):
        inherited["env"] = {k: v for k, v in environment.items() if _REDIRECTS.fullmatch(k)} or None
    provided = []
    for repo in root["repos"]:
        hooks = repo.get("hooks") if isinstance(repo, dict) else None
        for hook in hooks if isinstance(hooks, list) else ():
            if isinstance(hook, dict) and isinstance(hook.get("id"), str):
                own = {k: v for k, v in hook.items() if v is not None}
                place, rev = str(repo.get("repo")), str(repo.get("rev") or "")
                provided.append(Provided(hook["id"], place, hook.get(_LINE), {**inherited, **own}, rev))
    service = root.get("ci")
    skipped = service.get("skip") if isinstance(service, dict) else None
    installed = root.get("default_install_hook_types")
    return RunnerConfig(
        path,
        tuple(provided),
        frozenset(s for s in skipped if isinstance(s, str)) if isinstance(skipped, list) else frozenset(),
        tuple(str(name) for name in installed) if isinstance(installed, list) else ("pre-commit",),
    )


# ---------------------------------------------------------------------- comparing


def stopped(
    before: Mapping[str, RunnerConfig],
    after: Mapping[str, RunnerConfig],
    ids: Collection[str],
    replaced: Callable[[str, Collection[str]], bool],
) -> Iterator[Stopped]:
    """What no longer runs as it did. Both mappings go from path to file; `ids` are those of our hooks.

    `replaced` says whether the other ids given do all that a hook did.
    """
    said: set[Stopped] = set()
    for runner, names in RUNNERS.items():
        old = next((before[name] for name in names if name in before), None)
        new = next((after[name] for name in names if name in after), None)
        if old is None or not any(hook.id in ids for hook in old.provided):
            continue
        for item in _compare(runner, old, new, after, ids, replaced):
            if item not in said:
                said.add(item)
                yield item


def _compare(
    runner: str,
    old: RunnerConfig,
    new: RunnerConfig | None,
    after: Mapping[str, RunnerConfig],
    ids: Collection[str],
    replaced: Callable[[str, Collection[str]], bool],
) -> Iterator[Stopped]:
    ours = sorted({hook.id for hook in old.provided if hook.id in ids and hook.gates})
    if new is None:
        # Without its file a runner fails, so nothing gets past it; but somebody has to run our hooks.
        if not any(hook.id in ids for config in after.values() for hook in config.provided):
            yield Stopped(old.path, None, "removed", f"this file ran {', '.join(ours)}, and it is removed")
        return
    if new.problem is not None:
        said = f"whether {', '.join(ours)} still runs cannot be told: {new.problem}"
        yield Stopped(new.path, None, "unreadable", said)
        return
    for hook_id in ours:
        yield from _hook(hook_id, old, new, replaced, runner)
    for hook_id in sorted((new.skipped - old.skipped) & set(ids)):
        yield Stopped(new.path, None, f"ci {hook_id}", f"pre-commit.ci is told to skip {hook_id}")
    for name in GATES:
        if name in old.installed and name not in new.installed:
            said = f"default_install_hook_types no longer names {name}, so that new clones do not check there"
            yield Stopped(new.path, None, f"install {name}", said)


def _hook(
    hook_id: str,
    old: RunnerConfig,
    new: RunnerConfig,
    replaced: Callable[[str, Collection[str]], bool],
    runner: str,
) -> Iterator[Stopped]:
    for was in old.provided:
        if was.id != hook_id:
            continue
        now = [hook for hook in new.provided if hook.id == hook_id]
        judged = sorted((list(_reasons(was, hook)) for hook in now), key=len)
        if judged and not judged[0]:
            line = now[0].line
            for key in _FILTERS:
                if all(hook.keys.get(key) not in (None, was.keys.get(key)) for hook in now):
                    said = f"{hook_id} takes no notice of {key}: exceptions belong in .custody/policy.yaml"
                    yield Stopped(new.path, line, f"{hook_id} {key}", said, remark=True)
            continue
        others = [h for h in new.provided if h.id != hook_id and not list(_reasons(was._replace(id=h.id), h))]
        if replaced(hook_id, {hook.id for hook in others}):
            continue
        if not now:
            seen = "" if new.path == old.path else f", and {runner} reads this file instead of {old.path}"
            yield Stopped(new.path, None, f"{hook_id} dropped", f"{hook_id} is no longer run{seen}")
            continue
        for key, reason in judged[0]:
            line = next((hook.line for hook in now if (key, reason) in _reasons(was, hook)), None)
            yield Stopped(new.path, line, f"{hook_id} {key}", f"{hook_id} {reason}")


def _reasons(was: Provided, now: Provided) -> Iterator[tuple[str, str]]:
    """Why one entry does less than the one before it, or something else: the key, and what follows its id."""
    if _same_repo(was.repo) != _same_repo(now.repo):
        yield "repo", f"is now taken from {now.repo} instead of {was.repo}"
        return
    if lost := [gate for gate in GATES if gate in was.gates - now.gates]:
        yield "stages", f"no longer runs at {', '.join(lost)}"
    for key in ("entry", "language", "args", "additional_dependencies", "env"):
        value = now.value(key)
        if (value is not None and value != was.value(key)) or (now.is_local and value != was.value(key)):
            yield key, f"runs something else: its {key} is overridden"
    version = now.value("language_version")
    if version != was.value("language_version") and re.search(r"[/\\]", str(version)):
        yield "language_version", "runs something else: its language_version is a program's path"
    if was.value("always_run") is True and now.value("always_run") is not True:
        yield (
            "always_run",
            "is skipped where no file fits, such as when files are only deleted: always_run is off",
        )
    elif now.value("always_run") is not True:
        for key in _FILTERS:
            if now.keys.get(key) not in (None, was.keys.get(key)):
                yield key, f"runs for fewer files: {key} is set, and always_run is off"
    if was.value("pass_filenames") is False and now.value("pass_filenames") is not False:
        yield "pass_filenames", "is given file names, which narrow what it says: pass_filenames is on"


def _same_repo(url: str) -> str:
    return url.rstrip("/").removesuffix(".git")


# ---------------------------------------------------------------------- reading

_LINE = "\0line"


def _read_yaml(data: bytes) -> Any:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = data.decode("utf-8-sig")
        depth = 0
        # Composing recurses in C, so that depth has to be known before.
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent))
            depth -= isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent))
            if depth > _MAX_DEPTH:
                raise _Unreadable(f"its values are nested more than {_MAX_DEPTH} deep")
        root = yaml.compose(text, Loader=loader)
    except _Unreadable:
        raise
    except Exception:
        # Fed by strangers, the scanner also fails in ways of its own: a ValueError from chr(), for one.
        raise _Unreadable("it is not valid YAML") from None
    return _Values().of(root, 0)


class _Values:
    """Plain values from YAML nodes. Aliases are followed; what they multiply is counted."""

    def __init__(self) -> None:
        self._count = 0

    def of(self, node: Any, depth: int) -> Any:
        self._count += 1
        if self._count > _MAX_VALUES or depth > _MAX_DEPTH:
            raise _Unreadable("its aliases stand for too many values")
        kind = getattr(node, "id", None)
        if kind == "sequence":
            return [self.of(item, depth + 1) for item in node.value]
        if kind == "mapping":
            return self._mapping(node, depth)
        if kind != "scalar" or node.tag == "tag:yaml.org,2002:null":
            return None
        if node.tag == "tag:yaml.org,2002:bool":
            return node.value.lower() in ("yes", "true", "on")
        return node.value

    def _mapping(self, node: Any, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {_LINE: node.start_mark.line + 1}
        for key, value in node.value:
            read = self.of(value, depth + 1)
            if key.tag == "tag:yaml.org,2002:merge":
                for source in reversed(read if isinstance(read, list) else [read]):
                    merged.update(source if isinstance(source, dict) else {})
            elif key.id == "scalar":
                own[key.value] = read
        return {**merged, **own}


def _read_toml(data: bytes) -> Any:
    from .toml import parse_toml

    try:
        return parse_toml(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise _Unreadable("it is not valid TOML, or has keys of too many parts") from None
