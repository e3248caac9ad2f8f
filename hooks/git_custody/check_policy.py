"""The settings are valid, and no change quietly asks less of the repository than before.

What it does
    Reads `.custody/policy.yaml`, the waivers and the configuration of pre-commit and prek, as they are and as
    they were before the change. Says what is not valid, what asks for less, and what stops our hooks. At
    commit time a weakening is a warning, so that it is seen; in a range of commits it blocks.

Why
    All of LLMSVS chapter V2 rests on these few lines. Whoever can loosen them in passing, in the same pull
    request as the model that they would have stopped, has no gate to pass.

Good
    version: 1
    level: 2
    also: [check-dataset-audit-log]

Bad
    version: 1
    level: 0
    also: [check-everything]

How to fix
    Correct what is named at the line that is named. A weakening that is meant needs a signature on every
    commit that changes the file, by a key that `.custody/allowed_signers` at the base lists for `policy`:
        policy,alice@example.org namespaces="git" ssh-ed25519 AAAA…
    Without such a line, merge it past the check, as its owner.

Limits
    `SKIP=`, `--no-verify` and what the server does leave no trace in files. A hook taken from another
    revision of the same repository is not compared. Globs are compared by the tracked files that they lose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core import assets, settings
from .core.case import RUNNER_FILES, Hook
from .core.findings import CannotJudge, Finding, RepoPath, Rule
from .core.policy import FORMATS as _FORMATS_BY_DEFAULT
from .core.signers import SIGNERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from .core.case import Case, Said
    from .core.findings import Command
    from .core.metadata import Document
    from .core.policy import Policy
    from .core.policy_change import Weakening
    from .core.settings import State
    from .core.waivers import Waiver

_ALL = ("2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9", "2.10", "2.11", "2.12", "2.13", "2.14",
        "2.15", "2.16", "2.17", "2.18")  # fmt: skip

INVALID_POLICY = Rule(
    "invalid-policy", _ALL, 1,
    "The policy is not valid.",
    "A setting that is not understood protects nothing, and nobody notices.",
    "Correct `.custody/policy.yaml` at the line that is named.",
    "What is valid may still be unwise.",
    waivable=False,
)  # fmt: skip
WEAKENED = Rule(
    "policy-weakened", _ALL, 1,
    "The change asks for less than before.",
    "Whoever relaxes the gate in the change that has to pass it has no gate.",
    "Where it is meant, have it reviewed in a change of its own, with every commit that touches the file signed by "
    "somebody whom `.custody/allowed_signers` lists for `policy`; without signers, the owner of the repository merges "
    "it past the check. Where it is not meant, take it back.",
    "Compared are parsed values and the tracked files that lose coverage; a first policy weakens nothing, nor does a "
    "waiver of what a stricter policy newly asks of content that is unchanged.",
    waivable=False,
)  # fmt: skip
DISABLED = Rule(
    "hook-disabled", _ALL, 1,
    "A hook of ours no longer runs as before.",
    "A check that does not run finds nothing.",
    "Restore the entry in the runner's configuration; exceptions belong in the policy or a waiver.",
    "Only what files say: SKIP and --no-verify leave no trace, which is why CI checks ranges.",
    waivable=False,
)  # fmt: skip
INVALID_WAIVER = Rule(
    "invalid-waiver", _ALL, 1,
    "A waiver is not valid.",
    "An exception that is not understood excepts nothing, or more than was meant.",
    "Correct the waiver at the line that is named; `git custody waive` writes valid ones.",
    "Whether the reason is a good one is for a reviewer.",
    waivable=False,
)  # fmt: skip
EXPIRED = Rule(
    "waiver-expired", _ALL, 1,
    "A waiver has expired.",
    "An exception was granted for a time, and that time is over.",
    "Mend what it excepts and remove it, or have it prolonged.",
    "For `grace_days` its finding stays waived; after that it is back.",
    waivable=False,
)  # fmt: skip
UNUSED = Rule(
    "waiver-unused", _ALL, 1,
    "A waiver waives nothing.",
    "An exception that lies about waits for something to hide.",
    "Remove it.",
    "Only said where its rule was run on what it names.",
    waivable=False,
)  # fmt: skip
RULES = (INVALID_POLICY, WEAKENED, DISABLED, INVALID_WAIVER, EXPIRED, UNUSED)

_ACCEPTED = "CI takes it once it is signed for policy, or an owner merges it past the check"
_POLICY_NAMES = (
    "policy.yaml",
    "policy.yml",
    "policy.json",
    "policy.toml",
    "policies.yaml",
    "policies.yml",
    "policy",
)
# What else is read in `.custody`.
_READ = tuple(path.removeprefix(assets.CUSTODY).rstrip("/") for path in (assets.AUDIT, assets.WAIVERS, SIGNERS))


def check(case: Case) -> Iterator[Said]:
    """Judge the settings as they are in the judged state, then what the change does to them."""
    try:
        after = settings.judged(case)
    except CannotJudge as error:
        yield error
        return
    for finding in _policy(case, after):
        yield finding._replace(fix=finding.fix or _take_back(case, finding.path))
    for invalid in after.invalid:
        fix = _take_back(case, invalid.file)
        yield Finding(INVALID_WAIVER, invalid.file, invalid.message, invalid.line, fix=fix, subject=invalid.message)
    yield from _expired(case, after)
    yield from _too_long(case, after)
    touched = [path for path in case.changed if _is_setting(path)]
    if touched:
        for finding in (*_weakened(case, after, touched), *_disabled(case, after.policy, touched)):
            # A waiver is made on purpose: what it takes to keep it is said, not how to undo it.
            is_waiver = finding.path.startswith(assets.WAIVERS)
            fix = finding.fix or (() if is_waiver else _take_back(case, finding.path))
            yield _weighed(case, finding._replace(fix=fix))


def _weighed(case: Case, finding: Finding) -> Finding:
    """A weakening blocks in a range, unless it is signed."""
    if finding.warns or not case.in_range:
        return finding._replace(warns=True)
    if _is_signed(case, finding.path):
        return finding._replace(warns=True, found="every commit that changes it is signed for policy")
    if settings.is_outdated(case, finding.path):
        # A merge would keep what the base has tightened, but a change can be laid out so that it does not.
        return finding._replace(found="the base has changed this file since: rebase the branch, then check again")
    both = finding.path.startswith(assets.WAIVERS) and assets.POLICY in case.changed
    if both and settings.is_outdated(case, assets.POLICY):
        return finding._replace(found="the base has changed the policy since: rebase the branch, then check again")
    return finding


def judge_waivers(case: Case, used: frozenset[str], ran: frozenset[str]) -> Iterator[Finding]:
    """Say which waivers nothing needed, where that can be known. In a range they are the base's: not said."""
    if case.in_range:
        return
    owners = {rule.name: hook for hook in case.hooks.values() if hook.id in ran for rule in hook.rules}
    for waiver in case.settings.waivers:
        hook = owners.get(waiver.rule)
        if waiver.file in used or hook is None:
            continue
        named = len(ran) == 1 or hook.id in case.policy.also
        if case.rules[waiver.rule].level > max(case.policy.level, hook.level if named else 0):
            continue
        in_change = waiver.file in case.changed
        if case.is_whole or (in_change and (_is_judged(case, waiver) or not _exists(case, waiver))):
            # A range takes its waivers from the base: one has to be there before what it is for.
            ahead = in_change and not any(waiver.speaks_of(path) for path in case.after)
            said = "nothing here has that name" if ahead else f"{waiver.rule} finds nothing there"
            yield Finding(
                UNUSED, waiver.file, f"this waiver waives nothing: {said}",
                fix=(("git", "rm", "-f", RepoPath(waiver.file)),), warns=ahead or not in_change,
            )  # fmt: skip


def _take_back(case: Case, path: str) -> tuple[Command, ...]:
    """The command that takes a change of a settings file back out; the work tree keeps it before a commit."""
    change = case.changed.get(path)
    if change is None:
        return ()
    if change.before is None:
        return (("git", "rm", "--cached", "-f", RepoPath(path)),)
    if case.in_range:
        return (("git", "checkout", case.change_set.forks[0], RepoPath(path)),)
    return (("git", "restore", "--staged", RepoPath(path)),)


def _is_setting(path: str) -> bool:
    if path.startswith(assets.CUSTODY):
        return not path.startswith(assets.AUDIT)
    return path.lower() in RUNNER_FILES


def _is_judged(case: Case, waiver: Waiver) -> bool:
    return any(waiver.matches(path) for path in case.changed)


def _exists(case: Case, waiver: Waiver) -> bool:
    return any(waiver.speaks_of(path) for tree in (case.after, case.before) for path in tree)


# ---------------------------------------------------------------------- as it is


def _policy(case: Case, after: State) -> Iterator[Finding]:
    if after.document is not None:
        for problem in after.document.problems:
            yield Finding(INVALID_POLICY, assets.POLICY, problem.message, problem.line, subject=problem.message)
        lines = after.document.lines
        for number, hook in enumerate(after.policy.also):
            if hook not in case.hooks and not after.document.problems:
                said = f"also names {hook}, and this version of git-custody has {', '.join(case.hooks)}"
                yield Finding(INVALID_POLICY, assets.POLICY, said, lines.get(f"/also/{number}"), subject=said)
        yield from _formats(after.policy.formats_allow, lines)
        yield from _regimes(after)
        yield from _sources(after.policy.trusted_sources, lines)
        if not after.document.problems:  # of a text that no id can be, the schema speaks
            yield from _licenses(case, after.policy, lines)
        for section, coverage in (("datasets", after.policy.datasets), ("models", after.policy.models)):
            for key, globs in (("include", coverage.include), ("exclude", coverage.exclude)):
                for number, glob in enumerate(globs):
                    if not assets.is_glob(glob):
                        said = f'{section}.{key} holds "{glob}", which is not a gitignore-style glob'
                        line = lines.get(f"/{section}/{key}/{number}")
                        yield Finding(INVALID_POLICY, assets.POLICY, said, line, subject=said)
    # Where there is a policy, one beside it under another name is only looked for when it is new.
    everywhere = case.is_whole or case.in_range or not after.policy.exists
    state = (case.after if case.is_whole else case.settings_after) if everywhere else {}
    fresh = (path for path, change in case.changed.items() if change.after is not None)
    for path in sorted({*state, *fresh}):
        if (proper := _proper(path)) != path:
            what = "the policy" if proper == assets.POLICY else "it"
            said = f"nothing reads this file: {what} has to be named {proper}"
            yield Finding(INVALID_POLICY, path, said, fix=_renamed(case, path, proper), subject="name")


def _formats(allowed: Sequence[str], lines: Mapping[str, int]) -> Iterator[Finding]:
    for number, name in enumerate(allowed):
        if name not in _FORMATS_BY_DEFAULT:
            from .formats.allowed_names import why_not

            if said := why_not(name):
                line = lines.get(f"/formats/allow/{number}")
                yield Finding(INVALID_POLICY, assets.POLICY, said, line, subject=said)


def _sources(patterns: Sequence[str], lines: Mapping[str, int]) -> Iterator[Finding]:
    for number, pattern in enumerate(patterns):
        from .datasets.sources import fault

        if why := fault(pattern):
            said = f'sources.trusted holds "{pattern}", which {why}'
            line = lines.get(f"/sources/trusted/{number}/match")
            yield Finding(INVALID_POLICY, assets.POLICY, said, line, subject=said)


def _licenses(case: Case, policy: Policy, lines: Mapping[str, int]) -> Iterator[Finding]:
    lists = (("allow", policy.licenses_allow), ("deny", policy.licenses_deny), ("review", policy.licenses_review))
    for key, globs in lists:
        for number, glob in enumerate(globs):
            if why := _license_fault(case, "glob", glob):
                said = f'licenses.{key} holds "{glob[:60]}", {why}'
                yield Finding(INVALID_POLICY, assets.POLICY, said, lines.get(f"/licenses/{key}/{number}"), subject=said)
    if policy.default_license is not None and (why := _license_fault(case, "default", policy.default_license)):
        said = f"defaults.license: {why}"
        yield Finding(INVALID_POLICY, assets.POLICY, said, lines.get("/defaults/license"), subject=said)


def _license_fault(case: Case, kind: str, text: str) -> str:
    """What is wrong with a licence in the policy, empty where nothing is; the list of ids is slow to load."""
    key = f"{kind} {text}"
    known = case.verdict("license in policy", key)
    if known is None:
        from .datasets.license_lists import default_fault, glob_fault

        known = (glob_fault(text) if kind == "glob" else default_fault(text)) or ""
        case.remember("license in policy", key, known)
    return known


def _regimes(after: State) -> Iterator[Finding]:
    if not after.policy.regimes or after.document is None:
        return
    from .datasets.regime_names import faults

    for pointer, said in faults(after.document.data["regimes"]):
        yield Finding(INVALID_POLICY, assets.POLICY, said, _line(after.document, pointer), subject=said)


def _renamed(case: Case, path: str, proper: str) -> tuple[Command, ...]:
    """The commands that give a file its proper name, none where something has that."""
    if proper in case.after:
        return ()
    folder = proper.rpartition("/")[0]
    is_new = not any(True for _ in case.after.below(folder + "/"))
    make: tuple[Command, ...] = (("mkdir", "-p", RepoPath(folder)),) if is_new else ()
    return (*make, ("git", "mv", RepoPath(path), RepoPath(proper)))


def _proper(path: str) -> str:
    """How a file below `.custody`, in whatever case, has to be spelled so that it is read."""
    folded = path.lower()
    if not folded.startswith(assets.CUSTODY):
        return path
    if folded.removeprefix(assets.CUSTODY) in _POLICY_NAMES:
        return assets.POLICY
    first, slash, rest = path[len(assets.CUSTODY) :].partition("/")
    return assets.CUSTODY + (first.lower() if first.lower() in _READ else first) + slash + rest


def _expired(case: Case, after: State) -> Iterator[Finding]:
    for waiver in after.waivers:
        if waiver.expires < case.today:
            from datetime import timedelta

            end = waiver.expires + timedelta(days=after.policy.grace_days)
            still = f"it still holds until {end}" if case.today <= end else "it waives nothing any more"
            yield Finding(
                EXPIRED, waiver.file, f"this waiver of {waiver.rule} expired on {waiver.expires}: {still}",
                fix=(("git", "rm", "-f", RepoPath(waiver.file)),), warns=waiver.file not in case.changed,
            )  # fmt: skip


def _too_long(case: Case, after: State) -> Iterator[Finding]:
    from .core.waivers import HORIZON

    for waiver in after.waivers:
        if waiver.is_too_long(case.today):
            said = f"it expires on {waiver.expires}, and more than {HORIZON} days ahead it waives nothing"
            yield Finding(INVALID_WAIVER, waiver.file, said, fix=_take_back(case, waiver.file), subject="/expires")


# ---------------------------------------------------------------------- what the change does


def _weakened(case: Case, after: State, touched: Collection[str]) -> Iterator[Finding]:
    base = settings.at_base(case)
    if not base.policy.exists:
        return  # a first policy has nothing to weaken
    if assets.POLICY in touched:
        if not after.policy.exists:
            yield Finding(WEAKENED, assets.POLICY, "the policy is removed, so that the defaults are all that is asked")
        elif after.document is not None and isinstance(after.document.data, dict):
            yield from _less(case, base.policy, after.policy, after.document)
    from .core.new_debt import acceptable
    from .core.policy_change import widened

    changed = [waiver for waiver in after.waivers if waiver.file in touched]
    more = list(widened(base.waivers, changed))
    owed = acceptable(case, base, after, [waiver for waiver, _ in more]) if more else set()
    for waiver, said in more:
        if waiver.file not in owed:
            yield Finding(WEAKENED, waiver.file, f"{said}; {_ACCEPTED}")
    added = [line for line in after.signers if line not in base.signers]
    if added and SIGNERS in touched:
        said = "allowed_signers gains a line" if len(added) == 1 else f"allowed_signers gains {len(added)} lines"
        yield Finding(WEAKENED, SIGNERS, said, found=added[0].decode("utf-8", "replace")[:80])


def _less(case: Case, base: Policy, after: Policy, document: Document) -> Iterator[Finding]:
    from .core.policy_change import uncovered, weakenings

    levels = {hook.id: hook.level for hook in case.hooks.values()}
    grouped: dict[str, list[Weakening]] = {}
    for weakening in weakenings(base, after, levels):
        grouped.setdefault(weakening.pointer, []).append(weakening)
    for pointer, group in grouped.items():
        items = [weakening.item for weakening in group if weakening.item]
        said = group[0].message + (f" {_some(items)}" if items else "")
        yield Finding(WEAKENED, assets.POLICY, said, _line(document, pointer), subject=pointer)
    lost = uncovered(case.after, case.before, base, after, case.sizes)
    for kind in ("dataset", "model"):
        paths = [path for path, was in lost if was == kind]
        if paths:
            one = len(paths) == 1
            files = "1 tracked file no longer counts" if one else f"{len(paths)} tracked files no longer count"
            said = f"{files} as a {kind}: {_some(paths)}"
            yield Finding(WEAKENED, assets.POLICY, said, _line(document, f"/{kind}s"), subject=f"{kind} left")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _line(document: Document, pointer: str) -> int | None:
    while pointer and pointer not in document.lines:
        pointer = pointer.rpartition("/")[0]
    return document.lines.get(pointer) if pointer else None


def _disabled(case: Case, policy: Policy, touched: Collection[str]) -> Iterator[Finding]:
    for path in touched:
        if path not in RUNNER_FILES and case.changed[path].after is not None and path.lower() in RUNNER_FILES:
            said = f"its name differs from {path.lower()} only by case, and some systems take one for the other"
            yield Finding(DISABLED, path, said, subject="twin")
    if not any(path in RUNNER_FILES for path in touched):
        return
    from .core.runner_config import stopped

    ids = {*case.hooks, "custody"}

    def replaced(hook_id: str, others: Collection[str]) -> bool:
        if hook_id == "custody":
            return set(case.hooks) <= set(others)
        return "custody" in others and (policy.level >= case.hooks[hook_id].level or hook_id in policy.also)

    before = settings.runner_configs(case, case.settings_at_base)
    for item in stopped(before, settings.runner_configs(case, case.settings_after), ids, replaced):
        yield Finding(DISABLED, item.path, item.message, item.line, subject=item.key, warns=item.remark)


def _is_signed(case: Case, path: str) -> bool:
    """Whether all who changed a file in the range sign for the policy, by the keys that the base lists."""
    from .core.signers import for_role

    try:
        allowed = for_role(settings.settings_bytes(case, SIGNERS, case.settings_at_base) or b"", "policy")
    except CannotJudge:
        return False
    return bool(allowed) and case.is_signed(path, allowed)


HOOK = Hook("check-policy", "settings are valid, and nothing weakens them unseen", 1, RULES, check, judge_waivers)


def main() -> int:
    """The hook's program."""
    from .catalog import main_of

    return main_of(HOOK.id)


if __name__ == "__main__":
    raise SystemExit(main())
