"""`git custody doctor`: whether the gate is there, and whether it holds."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from ..core import assets, worktree
from ..core.findings import CUSTODY, CannotJudge, RepoPath
from ..core.runner_config import GATES, RUNNERS, Provided, RunnerConfig, read_runner_config, stopped
from ..scaffold.runner_here import caller, runner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..core.case import Hook, Settings
    from ..core.findings import Command
    from ..core.git import Git
    from ..core.report import Standpoint

OLDEST_GIT = (2, 34)
UMBRELLA = "custody"
# A pickle that imports and calls something, and is never loaded by anybody.
_BAD = b"cbuiltins\nprint\n(S'planted by git custody doctor'\ntR."
_GOOD = b"Planted by git custody doctor. Nothing is wrong with this file.\n"
_ABOUT = """\
Check that the gate stands: git, the policy, the hooks, their configuration and where they come from (which is
asked for the revision, if it can be reached), and what would skip them.
Then prove it: plant a pickle in an index and an object store of its own, and demand that it is blocked.
"""
_CI_FILES = re.compile(
    r"\.github/workflows/[^/]+\.ya?ml|(?:.*\.)?\.?gitlab-ci\.ya?ml|azure-pipelines\.ya?ml|bitbucket-pipelines\.yml"
    r"|\.circleci/config\.yml|\.woodpecker(?:/[^/]+)?\.ya?ml|\.forgejo/workflows/[^/]+\.ya?ml|Jenkinsfile"
)
_RUNS_CHECK = re.compile(rb"^[^#\n]*\bgit[ -]custody check\b", re.MULTILINE)


class Said(NamedTuple):
    """One check: its name, whether it is well, what was found, and the command, or words, that mend it."""

    check: str
    ok: bool
    found: str
    mend: Command | str = ""


def main(argv: Sequence[str]) -> int:
    """Print a line for each check: 0 when all are well, 1 when one is not, 2 when it cannot be told."""
    from ..catalog import load_all
    from ..core.git import Git
    from ..core.output import show
    from ..core.report import standpoint
    from . import parser

    arguments = parser("doctor", _ABOUT)
    arguments.add_argument(
        "--ci", action="store_true", help="check what CI needs, instead of the hooks on this machine"
    )
    arguments.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    given = arguments.parse_args(argv)
    with Git() as git:
        said = list(examine(git, load_all(), os.environ, ci=given.ci))
        stand = standpoint(git.prefix, os.environ, git.root)
    show(_json(said, stand) if given.format == "json" else _text(said, stand))
    return 0 if all(item.ok for item in said) else 1


def examine(git: Git, hooks: Sequence[Hook], environment: Mapping[str, str], *, ci: bool) -> Iterator[Said]:
    """All checks, the proof last."""
    yield _git_version(git)
    policy, settings = _policy(git, hooks)
    yield policy
    if settings is not None:
        yield from _mode(settings)
    if ci:
        yield from _ci(git, environment)
    elif git.is_bare:
        yield Said("hooks", False, "this is a bare repository, so no hook runs here", (CUSTODY, "doctor", "--ci"))
    else:
        yield from _config(git, hooks, settings)
        yield from _installed(git)
        yield from _skips(environment, hooks)
    yield from prove(git, environment)


def _git_version(git: Git) -> Said:
    version = git.version()
    shown = ".".join(str(number) for number in version) or "unknown"
    oldest = ".".join(str(number) for number in OLDEST_GIT)
    return Said("git", version >= OLDEST_GIT, f"version {shown}", f"install git {oldest} or newer")


# ---------------------------------------------------------------------- settings


def _policy(git: Git, hooks: Sequence[Hook]) -> tuple[Said, Settings | None]:
    from ..core.cache import Cache
    from ..core.runner import read_all_settings

    tree = git.commit("HEAD") if git.is_bare else None
    try:
        settings = read_all_settings(git, Cache(None), tree, hooks)
    except CannotJudge as error:
        return Said("policy", False, error.message, ("mend", RepoPath(error.path or assets.POLICY))), None
    if settings.document is None:
        if not git.is_bare and worktree.exists(git.root, assets.POLICY):
            return Said("policy", False, f"{assets.POLICY} is not staged", _add(git, assets.POLICY)), settings
        found = f"there is no {assets.POLICY}, staged or committed"
        return Said("policy", False, found, (CUSTODY, "init")), settings
    edit: Command = ("edit", RepoPath(assets.POLICY))
    for problem in settings.document.problems:
        return Said("policy", False, f"line {problem.line}: {problem.message}", edit), settings
    for invalid in settings.invalid_waivers:
        found = f"{invalid.file} is not valid: {invalid.message}"
        return Said("policy", False, found, ("edit", RepoPath(invalid.file))), settings
    policy = settings.policy
    also = f", and {', '.join(policy.also)}" if policy.also else ""
    waivers = f"{len(settings.waivers)} waiver" + ("" if len(settings.waivers) == 1 else "s")
    return Said("policy", True, f"level {policy.level}{also}; {waivers}"), settings


def _add(git: Git, path: str) -> Command:
    return ("git", "add", *(("-f",) if git.ignored([path]) else ()), RepoPath(path))


def _mode(settings: Settings) -> Iterator[Said]:
    if settings.policy.mode == "warn":
        yield Said(
            "mode",
            False,
            "the policy only warns, so nothing is blocked",
            f"set mode: block in {assets.POLICY}",
        )


# ---------------------------------------------------------------------- hooks on this machine


def _config(git: Git, hooks: Sequence[Hook], settings: Settings | None) -> Iterator[Said]:
    """Whether the runner's configuration, as staged, calls our hooks as their manifest says."""
    names = tuple(dict.fromkeys(name for found in RUNNERS.values() for name in found))
    entries = git.entries(None, names)
    configs = {}
    for name in names:
        if name in entries and (data := git.read(entries[name].oid)) is not None:
            configs[name] = read_runner_config(name, data)
    if not configs:
        if _calls_us_directly(git):
            return
        beside = [name for name in names if os.path.lexists(os.path.join(git.root, name))]
        if beside:
            yield Said(
                "config",
                False,
                f"{beside[0]} is not staged, so that runners refuse to work",
                _add(git, beside[0]),
            )
        else:
            yield Said("config", False, "there is no .pre-commit-config.yaml", (CUSTODY, "init"))
        return
    ids = {*(hook.id for hook in hooks), UMBRELLA}
    for config in configs.values():
        if config.problem is not None:
            yield Said("config", False, f"{config.path}: {config.problem}", ("mend", RepoPath(config.path)))
            return
    wanted = _wanted(configs, hooks, settings)
    if not wanted:
        name = next(iter(configs))
        yield Said("config", False, f"{name} does not list our hooks", (CUSTODY, "init"))
        return
    # Held against what the manifest says, as if that had been there before.
    ideal = {
        name: config._replace(
            provided=tuple(Provided(hook, _repo(config, hook), None, {}) for hook in wanted), installed=GATES,
            skipped=frozenset(),
        )
        for name, config in configs.items()
    }  # fmt: skip
    problems = [item for item in stopped(ideal, configs, ids, lambda hook, others: False) if not item.remark]
    for item in problems:
        place = item.path + (f":{item.line}" if item.line else "")
        yield Said("config", False, f"{place}: {item.message}", ("edit", RepoPath(item.path)))
    if not problems:
        yield Said("config", True, f"{', '.join(configs)} runs {', '.join(wanted)}")
    for repo, rev in dict.fromkeys(
        (hook.repo, hook.rev) for config in configs.values() for hook in config.provided
        if hook.id in ids and not hook.is_local
    ):  # fmt: skip
        yield _source(git, repo, rev)


def _source(git: Git, repo: str, rev: str) -> Said:
    """Whether a runner could install the hooks from there."""
    from ..scaffold.hooks_source import look

    looked = look(git, repo, rev)
    return Said("source", looked.has is not False, looked.said, (runner(git), "autoupdate", "--repo", repo))


def _wanted(configs: Mapping[str, RunnerConfig], hooks: Sequence[Hook], settings: Settings | None) -> list[str]:
    """The hooks that have to run: the umbrella, or all that the policy asks for, or those that there are."""
    listed = {hook.id for config in configs.values() for hook in config.provided}
    if UMBRELLA in listed:
        return [UMBRELLA]
    if not listed & {hook.id for hook in hooks}:
        return []
    level, also = (settings.policy.level, settings.policy.also) if settings is not None else (1, ())
    return [hook.id for hook in hooks if hook.level <= level or hook.id in also]


def _repo(config: RunnerConfig, hook_id: str) -> str:
    return next((hook.repo for hook in config.provided if hook.id == hook_id), "")


def _installed(git: Git) -> Iterator[Said]:
    """Whether git itself calls a runner, or us, at each gate."""
    folder = git.own_path("hooks")
    elsewhere = f" (core.hooksPath is {git.setting('core.hooksPath')})" if git.setting("core.hooksPath") else ""
    for name in GATES:
        called, trouble = caller(os.path.join(folder, name))
        if trouble:
            yield Said(name, False, f"{trouble}{elsewhere}", (runner(git), "install", "--hook-type", name))
        else:
            yield Said(name, True, f"git calls {called}{elsewhere}")


def _calls_us_directly(git: Git) -> bool:
    callers = {caller(os.path.join(git.own_path("hooks"), name))[0] for name in GATES}
    return callers == {"git-custody"}


def _skips(environment: Mapping[str, str], hooks: Sequence[Hook]) -> Iterator[Said]:
    """What in the environment makes a runner pass over our hooks without a word."""
    ids = {*(hook.id for hook in hooks), UMBRELLA}
    found = []
    for name in ("SKIP", "PREK_SKIP"):
        skipped = sorted(ids & {word.strip() for word in environment.get(name, "").split(",")})
        if skipped:
            found.append((name, f"{name} skips {', '.join(skipped)}"))
    found += [
        (name, f"{name} is set: without a configuration, runners let everything pass")
        for name in ("PRE_COMMIT_ALLOW_NO_CONFIG", "PREK_ALLOW_NO_CONFIG")
        if environment.get(name)
    ]
    if environment.get("HUSKY") == "0":
        found.append(("HUSKY", "HUSKY=0 turns git hooks off"))
    for name, said in found:
        yield Said("environment", False, said, f"unset {name}")
    if not found:
        yield Said("environment", True, "nothing in it skips hooks")


# ---------------------------------------------------------------------- CI


def _ci(git: Git, environment: Mapping[str, str]) -> Iterator[Said]:
    service, base = _service(environment)
    yield Said(
        "service",
        service is not None,
        service or "no CI is recognised: CI is not set",
        "run this in the CI job",
    )
    yield Said("history", not git.is_shallow, "shallow" if git.is_shallow else "whole", ("git", "fetch", "--unshallow"))
    if base is not None:
        known = git.find_commit(base) is not None
        branch = base.removeprefix("origin/")
        mend = ("git", "fetch", "origin", f"+refs/heads/{branch}:refs/remotes/origin/{branch}")
        yield Said("base", known, f"{base} is {'known' if known else 'not a commit here'}", mend)
    tree = git.head() if git.is_bare else None
    callers = []
    for path, entry in git.entries(tree).items():
        if _CI_FILES.fullmatch(path) and entry.is_file and _RUNS_CHECK.search(git.read(entry.oid) or b""):
            callers.append(path)
    found = f"{', '.join(sorted(callers))} runs git custody check" if callers else "no CI file runs git custody check"
    yield Said("job", bool(callers), found, (CUSTODY, "init"))


def _service(environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The CI service that runs us, and the base that a range has to start from."""
    if environment.get("GITHUB_ACTIONS") == "true":
        base = environment.get("GITHUB_BASE_REF")
        return "GitHub Actions", f"origin/{base}" if base else None
    if environment.get("GITLAB_CI") == "true":
        base = environment.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")
        return "GitLab CI", f"origin/{base}" if base else None
    return ("CI" if environment.get("CI") not in (None, "", "0", "false") else None), None


# ---------------------------------------------------------------------- the proof


def prove(git: Git, environment: Mapping[str, str]) -> Iterator[Said]:
    """Plant files in an index of its own, and see what `git custody check` says to each.

    The repository is not touched: index and objects lie in a temporary folder.
    """
    folder = "custody-doctor"
    head = git.head()
    taken = git.entries(head) if head else {}
    while any(path.startswith(folder + "/") for path in taken):
        folder += "-"
    with git.sandbox() as (sandbox, seen):
        settings = {} if git.is_bare else git.entries(None, [assets.POLICY, assets.WAIVERS.rstrip("/")])
        # A waiver that is only staged would be told that it waives nothing: what it is for is not here.
        sandbox.enter({p: e for p, e in settings.items() if p in taken or not p.startswith(assets.WAIVERS)})
        child = {k: v for k, v in environment.items() if not k.startswith(("GIT_", "PRE_COMMIT", "GITHEAD_"))}
        child.update({k: v for k, v in seen.items() if k.startswith("GIT_")})
        child["XDG_CACHE_HOME"] = os.path.dirname(seen["GIT_INDEX_FILE"])
        sandbox.put(f"{folder}/planted.txt", _GOOD)
        code, rules = _check(git.root, child)
        said = "a plain text passes" if code == 0 else f"a plain text is blocked ({_why(code, rules)})"
        good = Said("good file", code == 0, said, (CUSTODY, "check", "--staged"))
        sandbox.drop([f"{folder}/planted.txt"])
        sandbox.put(f"{folder}/planted.bin", _BAD)
        code, rules = _check(git.root, child)
        blocked = code == 1 and "pickle-weights" in rules
        found = "a planted pickle is blocked" if blocked else f"a planted pickle is not blocked ({_why(code, rules)})"
        yield Said("bad file", blocked, found, f"look at mode and level in {assets.POLICY}")
        yield good


def _why(code: int, rules: Sequence[str]) -> str:
    return f"exit code {code}" + (f": {', '.join(rules)}" if rules else "")


def _check(root: str, environment: Mapping[str, str]) -> tuple[int, list[str]]:
    """A real `git custody check --staged`: its exit code, and the rules that block or why it cannot judge."""
    import json
    import subprocess

    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    # Isolated, so that nothing in the repository is imported in the place of this package.
    program = f"import sys; sys.path.insert(0, {package!r}); from git_custody.cli import main; sys.exit(main())"
    done = subprocess.run(
        (sys.executable, "-I", "-c", program, "check", "--staged", "--format", "json"),
        cwd=root, env=dict(environment), capture_output=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return done.returncode, []
    rules = sorted({finding["rule"] for finding in report["findings"] if finding["blocks"]})
    return done.returncode, rules or [error["message"] for error in report["errors"]]


# ---------------------------------------------------------------------- what the user reads


def _mend(item: Said, stand: Standpoint) -> str:
    from ..core.report import command_line, sentence

    return sentence(item.mend) if isinstance(item.mend, str) else command_line(item.mend, stand)


def _text(said: Sequence[Said], stand: Standpoint) -> str:
    from ..core.report import sentence

    lines = []
    for item in said:
        lines.append(f"{'ok' if item.ok else 'problem':<8} {item.check}: {sentence(item.found)}")
        if not item.ok:
            lines.append(f"         fix  {_mend(item, stand)}")
    wrong = sum(not item.ok for item in said)
    lines.append(
        "The gate stands." if not wrong else f"{wrong} problem{'' if wrong == 1 else 's'}. Nothing was changed."
    )
    return "".join(line + "\n" for line in lines)


def _json(said: Sequence[Said], stand: Standpoint) -> str:
    import json

    from ..core.report import sentence

    checks = [
        {"check": item.check, "ok": item.ok, "found": sentence(item.found)}
        | ({} if item.ok else {"fix": _mend(item, stand)})
        for item in said
    ]
    return json.dumps({"schema_version": 1, "ok": all(item.ok for item in said), "checks": checks}, indent=2) + "\n"
