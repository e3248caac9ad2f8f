"""From arguments to an exit code: change set → settings → checks → findings → waivers → report."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from . import assets
from .cache import Cache
from .case import Case, Settings, read_document
from .changes import Request, decide, of_parent, state_after, tree_of
from .findings import CannotJudge, Finding, NotJudged
from .git import Git
from .output import leave, show, unexpected
from .policy import read_policy, read_settings
from .report import Report, as_clean, as_json, as_text, fingerprint, standpoint
from .trees import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date

    from .case import Hook, Said
    from .trees import Tree
    from .waivers import InvalidWaiver, Waiver


def judge(
    git: Git,
    cache: Cache,
    request: Request,
    hooks: Sequence[Hook],
    chosen: Sequence[Hook],
    environment: Mapping[str, str],
    today: date | None = None,
    by_hand: bool = False,
) -> Report:
    """Judge what was asked for; `by_hand`: somebody typed its paths, so that one which is not known is a slip.

    `hooks` are all there are (waivers and policies name them), `chosen` those to run. One chosen hook is
    enforced at its own level or the policy's, whichever is higher; several at the policy's, plus `also`.

    Raises `CannotJudge` when it cannot even be said what is judged, or settings cannot be trusted.
    """
    change_set = decide(git, request, environment)
    after, tree = state_after(git, cache, change_set), change_set.policy_tree
    entries = after if tree is None or tree == change_set.tree else tree_of(git, cache, tree)
    settings = read_all_settings(git, cache, tree, hooks, entries)
    notes: list[str] = []
    if change_set.mode == "range" and not settings.policy.exists and change_set.policy_tree != change_set.tree:
        settings = read_all_settings(git, cache, change_set.tree, hooks, after)
        if settings.policy.exists:
            from .notes import FIRST_POLICY

            notes.append(FIRST_POLICY.line)
    _require_version(settings)
    case = Case(git, cache, change_set, settings, hooks, today, chosen, after)
    if by_hand:
        _refuse_unknown(case, request.paths)
    if any(hook.id == "check-policy" for hook in chosen) and (more := _new_demands(case)) is not None:
        notes.append(more)
    findings, not_judged, errors = _collect(case, chosen, request)
    if any(finding.blocks for finding in findings) and change_set.parents:
        findings = _settle(findings, git, cache, case, hooks, chosen, request)
    active = settings.waivers
    used: set[str] = set()
    if active:
        from .waivers import apply

        findings, used = apply(findings, active, case.today, settings.policy.grace_days)
    for hook in chosen:
        # What was left out could have needed the waiver.
        if hook.judge_waivers is not None and not request.paths and not errors:
            late = hook.judge_waivers(case, frozenset(used), frozenset(h.id for h in chosen))
            findings += [weigh(f, case) for f in late if _in_scope(f.path, request)]
    findings = without_echoes(findings)
    if any(finding.blocks for finding in findings) and _is_partial(environment):
        notes.append(
            "this commit names paths, so that cards and entries staged beside them are left out: "
            "run git commit without paths"
        )
    findings.sort(key=lambda f: (f.path, f.line or 0, f.rule.name, f.message))
    return Report(
        change_set.mode, change_set.base, change_set.head, change_set.said,
        tuple(findings), tuple(not_judged), tuple(errors), tuple(notes),
    )  # fmt: skip


def read_all_settings(
    git: Git, cache: Cache, tree: str | None, hooks: Sequence[Hook], entries: Tree | None = None
) -> Settings:
    """The policy and waivers of a tree, or of the index (None); `entries` is what it holds, if that is at hand."""
    if entries is None:
        entries = git.entries(tree, [assets.CUSTODY.rstrip("/")])
    document = None
    if read_settings(assets.POLICY, entries, git.read) is not None:
        document = read_document(git, cache, entries[assets.POLICY].oid, "policy")
    documents = {}
    folder = assets.WAIVERS.rstrip("/")
    for path in (*([folder] if folder in entries else ()), *entries.below(assets.WAIVERS)):
        if read_settings(path, entries, git.read) is not None:
            found = read_document(git, cache, entries[path].oid, "waiver")
            if found is not None:
                documents[path] = found
    valid: tuple[Waiver, ...] = ()
    invalid: tuple[InvalidWaiver, ...] = ()
    if documents:
        from .waivers import read_waivers

        rules = {rule.name: rule for hook in hooks for rule in hook.rules}
        valid, invalid = read_waivers(documents, rules)
    return Settings(tree, read_policy(document), document, valid, invalid)


def _new_demands(case: Case) -> str | None:
    """What to say where the change asks for more than the policy did before: nothing else tells it of old files."""
    if case.is_whole or assets.POLICY not in case.changed:
        return None
    from . import settings
    from .policy_change import asks_more

    try:
        after, before = settings.judged(case).policy, settings.at_base(case).policy
    except CannotJudge:
        return None  # what cannot be read says so itself
    if not before.exists or not asks_more(before, after, case.hooks.values()):
        return None
    from .notes import ASKS_MORE

    return ASKS_MORE.line


def _refuse_unknown(case: Case, paths: Sequence[str]) -> None:
    if not any(paths):
        return
    named = {*case.changed, *(name for name, _ in case.introduced)}
    for path in filter(None, paths):
        is_tracked = path in case.after or path in named or any(True for _ in case.after.below(path + "/"))
        if not is_tracked and not any(name.startswith(path + "/") for name in named):
            raise CannotJudge("git does not track this path: stage it first, or check its spelling", path)


def _require_version(settings: Settings) -> None:
    from .. import __version__

    wanted = settings.policy.requires.removeprefix(">=")
    if wanted and _numbers(wanted) > _numbers(__version__):
        raise CannotJudge(
            f"the policy requires git-custody {settings.policy.requires}, and this is {__version__}: "
            "update it (pre-commit autoupdate, or pip install -U git-custody)",
            assets.POLICY,
        )


def _numbers(version: str) -> list[int]:
    numbers = [int(part) for part in version.split(".")[:3] if part.isdigit()]
    return numbers + [0] * (3 - len(numbers))


def _collect(
    case: Case, chosen: Sequence[Hook], request: Request
) -> tuple[list[Finding], list[NotJudged], list[CannotJudge]]:
    findings: list[Finding] = []
    not_judged: list[NotJudged] = []
    errors: list[CannotJudge] = []
    for hook in chosen:
        level = case.level_of(hook)
        for said in _say(hook, case):
            if isinstance(said, CannotJudge):
                errors.append(said)
            elif not _in_scope(said.path, request):
                continue
            elif isinstance(said, NotJudged):
                not_judged.append(said)
            elif said.rule.level <= level:
                findings.append(weigh(said, case))
    unique = {(e.path, e.line, e.message): e for e in errors}
    return list(dict.fromkeys(findings)), list(dict.fromkeys(not_judged)), list(unique.values())


def _say(hook: Hook, case: Case) -> Iterator[Said]:
    try:
        yield from hook.check(case)
    except CannotJudge as error:
        yield error


def weigh(finding: Finding, case: Case) -> Finding:
    """Whether a finding blocks. What is wrong with the policy or the waivers never only warns because the
    policy says so.
    """
    soft = finding.rule.waivable and (case.policy.mode == "warn" or finding.rule.since > case.policy.edition)
    return finding._replace(blocks=not finding.warns and not soft)


def _is_partial(environment: Mapping[str, str]) -> bool:
    """Whether `git commit PATH` runs us: git then builds an index of its own, and names it so."""
    return os.path.basename(environment.get("GIT_INDEX_FILE", "")).startswith("next-index-")


def without_echoes(findings: list[Finding]) -> list[Finding]:
    """The findings without those that others say already, or better."""
    said = {(f.path, f.rule.name): False for f in findings if f.waived_by is None}
    said.update({(f.path, f.rule.name): True for f in findings if f.blocks})
    waived_too = {(f.path, f.rule.name) for f in findings}

    def is_echo(finding: Finding) -> bool:
        if any((finding.path, rule) in waived_too for rule in finding.echoes):
            return True
        better = ((finding.path, u) if isinstance(u, str) else (u[1], u[0]) for u in finding.unless)
        # What only warns must not hide what blocks.
        return any(said[place] or not finding.blocks for place in better if place in said)

    return [finding for finding in findings if not is_echo(finding)]


def _in_scope(path: str, request: Request) -> bool:
    return not request.paths or any(path == p or path.startswith(p + "/") or not p for p in request.paths)


def _settle(
    findings: list[Finding],
    git: Git,
    cache: Cache,
    case: Case,
    hooks: Sequence[Hook],
    chosen: Sequence[Hook],
    request: Request,
) -> list[Finding]:
    """In a merge, only what differs from every parent blocks: what one of them brings as it is was judged there."""
    brought: dict[str, list[Case]] = {}
    parents = (case.change_set.base, *case.change_set.parents)
    for parent in parents:
        if parent is not None:
            its = Case(git, cache, of_parent(git, case.change_set, parent), case.settings, hooks, case.today, chosen)
            for finding in _collect(its, chosen, request)[0]:
                brought.setdefault(fingerprint(finding), []).append(its)
    return [
        f._replace(blocks=False, warns=True)
        if any(_is_same(f.path, case, its) for its in brought.get(fingerprint(f), ()))
        else f
        for f in findings
    ]


def _is_same(path: str, case: Case, its: Case) -> bool:
    """Whether two states hold the same at and below a path, and in its card."""
    card = assets.sidecar(path)
    own, other = (
        {p: state[p] for p in (path, card, *state.below(path + "/")) if p in state} for state in (case.after, its.after)
    )
    return own == other


# ---------------------------------------------------------------------- entry points


def check(
    request: Request,
    hooks: Sequence[Hook],
    chosen: Sequence[Hook],
    *,
    format: str = "text",
    environment: Mapping[str, str] | None = None,
) -> int:
    """Judge, print the report and give the exit code; bad input never ends in a traceback."""
    environment = os.environ if environment is None else environment
    cache = Cache.of_user(environment)
    prefix, root = "", os.getcwd()
    try:
        with Git() as git:
            prefix, root = git.prefix, git.root
            scoped = request._replace(paths=tuple(rooted(path, git) for path in request.paths))
            report = judge(git, cache, scoped, hooks, chosen, environment, by_hand=True)
    except CannotJudge as error:
        report = Report("none", None, None, "nothing", (), errors=(error,))
    except Exception as error:  # fail closed, with a sentence: whoever is blocked can do nothing with a traceback
        report = Report("none", None, None, "nothing", (), errors=(unexpected(error),))
    finally:
        cache.close()
    if format == "text" and report.is_clean:
        # At every commit, one line more would be one too many.
        if report.mode != "staged" or environment.get("PRE_COMMIT") != "1":
            show(as_clean(report))
        return report.exit_code
    stand = standpoint(prefix, environment, root)
    show(as_json(report, stand) if format == "json" else as_text(report, stand) + as_clean(report))
    return report.exit_code


def rooted(path: str, git: Git) -> str:
    """A path given by hand, from the root of the repository."""
    full = os.path.normpath(os.path.join(git.root, git.prefix, decode(os.fsencode(path))))
    inside = os.path.relpath(full, git.root).replace(os.sep, "/")
    if inside == ".." or inside.startswith("../"):
        raise CannotJudge(f'"{path}" lies outside of the repository')
    return "" if inside == "." else inside


def hook_main(load: Callable[[], tuple[Sequence[Hook], Hook]]) -> int:
    """The body of a single hook's program. It takes no options: a file name must never be one."""
    if len(sys.argv) > 1:
        sys.stderr.write("this hook takes no arguments: its settings are in .custody/policy.yaml\n")
        return 2
    hooks, chosen = load()
    return leave(check(Request(), hooks, [chosen]))
