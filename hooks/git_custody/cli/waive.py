"""`git custody waive`: dated, reasoned, owned exceptions, written and staged."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ..core import assets, spelling, worktree
from ..core.findings import CUSTODY, CannotJudge, RepoPath, absent
from ..core.pages import page
from ..core.waivers import HORIZON

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from ..core.case import Hook
    from ..core.digests import Digest
    from ..core.findings import Finding, Rule
    from ..core.git import Git
    from ..core.policy import Policy
    from ..core.report import Report, Standpoint
    from ..core.trees import Entry
    from ..core.waivers import Waiver

_ABOUT = f"""\
Write an exception from one rule, until a day, for each path: .custody/waivers/<name>.yaml, staged. Where one of them
cannot be waived, nothing is written.
For rules about content it holds for the content that is staged, and for no other. A range of commits takes
its waivers from the base: with --digest, one can be merged before its content is there:
{page("waivers")}
"""
_WHEN = f"{page('waivers')} says when a pickle may have a waiver"


def main(argv: Sequence[str]) -> int:
    """Write the waiver; whatever would not be valid is refused before anything is written."""
    from datetime import date

    from ..catalog import load_all
    from ..core.cache import Cache
    from ..core.git import Git
    from ..core.output import show
    from ..core.report import command_line, plain, standpoint
    from ..core.runner import read_all_settings, rooted
    from ..scaffold import files
    from ..scaffold.waiver_file import waiver_name, waiver_text
    from . import parser

    arguments = parser("waive", _ABOUT)
    arguments.add_argument("rule", metavar="RULE", help="the rule's name, as findings print it")
    arguments.add_argument("paths", nargs="+", metavar="PATH", help="the path that the finding names")
    arguments.add_argument("--reason", required=True, metavar="TEXT", help="why this is accepted for now")
    arguments.add_argument("--expires", required=True, metavar="YYYY-MM-DD", help=f"at most {HORIZON} days ahead")
    arguments.add_argument("--owner", metavar="NAME", help="who answers for it; default: you, as git knows you")
    arguments.add_argument("--digest", metavar="HEX", help="the content that is admitted; default: what is staged")
    given = arguments.parse_args(argv)
    hooks = load_all()
    rules = {rule.name: rule for hook in hooks for rule in hook.rules}
    expires = _expiry(given.expires, date.today())
    if not given.reason.strip():
        raise CannotJudge("the reason is empty: say why this is accepted for now (--reason TEXT)")
    with Git() as git:
        stand = standpoint(git.prefix, os.environ, git.root)
        rule = _rule(given.rule, rules, stand)
        entries = git.entries(None)
        ahead = given.digest is not None
        meant = {path: spelling.as_tracked(git.root, rooted(path, git), entries) for path in given.paths}
        paths = list(dict.fromkeys(_named(path, word, entries, ahead=ahead) for word, path in meant.items()))
        if ahead and len(paths) > 1:
            raise CannotJudge("--digest names one content, and so goes with one path")
        settings = read_all_settings(git, Cache(None), None, hooks)
        judged = _judged(git, hooks, rule, settings.policy)
        owner = given.owner or git.author()[0]
        taken = _Taken(git.root, entries)
        written: dict[str, tuple[str, bytes]] = {}
        useless = False
        for path in paths:
            found = _found(judged, rule, path)
            _refuse_pickle(git, rule, path, entries, settings.policy, stand)
            digest = _digest_for(git, rule, path, entries, found, given.digest)
            useless = found is not None and not any(
                digest is None or f.digest in (None, *digest.values()) for f in found
            )
            if useless and not ahead:
                raise CannotJudge(_nothing(rule, found or ()), path)
            text = waiver_text(rule.name, path, given.reason.strip(), owner, expires, digest, rules)
            _refuse_twin(settings.waivers, rule.name, path, digest)
            name = waiver_name(rule.name, path, digest, taken)
            taken.add(name)
            written[name] = path, text
        for name, (_, text) in written.items():
            files.create(git.root, name, text)
        git.add(list(written), ignored=True)
        for name, (path, _) in written.items():
            show(f"{plain(name)} written and staged: {rule.name} is waived for {plain(path)} until {expires}\n")
        if useless:
            show(f"As it is staged, {rule.name} finds nothing there that this waiver would be for.\n")
        audited = settings.policy.level == 3 or "check-dataset-audit-log" in settings.policy.also
        there = [path for path in paths if path in entries]
        if rule.name == "missing-data-card" and audited and there:
            # That one is bound to the content, so that a file without a card cannot be exchanged unseen.
            words = ("--reason", given.reason.strip(), "--expires", given.expires, *map(RepoPath, there))
            other = command_line((CUSTODY, "waive", "missing-audit-entry", *words), stand)
            show(f"Without a card it has no audit log; for the content that is staged, that is waived by: {other}\n")
        head = git.head()
        if head is not None and assets.POLICY in git.entries(head, [assets.POLICY]):
            show("A range, as CI judges it, takes waivers from its base: merge this one first.\n")
            show(f"More: {page('waivers')}\n")
    return 0


def _refuse_pickle(
    git: Git, rule: Rule, path: str, entries: Mapping[str, Entry], policy: Policy, stand: Standpoint
) -> None:
    if rule.name == "pickle-weights" and path in entries:
        from ..core.report import command_line
        from ..models.waivable import refusal

        if why := refusal(git, path, entries[path], policy):
            unstaged = "the policy has changes that are not staged, and do not count yet: "
            stage = command_line(("git", "add", RepoPath(assets.POLICY)), stand)
            said = unstaged + stage if git.would_add([assets.POLICY]) else _WHEN
            raise CannotJudge(f"{why}; {said}", path)


def _judged(git: Git, hooks: Sequence[Hook], rule: Rule, policy: Policy) -> list[Report]:
    """All that is staged, and the change; fewer where they cannot be judged."""
    from ..core.cache import Cache
    from ..core.changes import Request
    from ..core.runner import judge

    # A hook that runs alone enforces its own level, too.
    owner = next(hook for hook in hooks if rule in hook.rules)
    chosen = hooks if rule.level <= policy.level or owner.id in policy.also else (owner,)
    cache = Cache.of_user(os.environ)
    reports = []
    try:
        for request in (Request(all=True), Request(staged=True)):
            with suppress(CannotJudge):
                reports.append(judge(git, cache, request, hooks, chosen, {}))
    finally:
        cache.close()
    return reports


def _found(judged: Sequence[Report], rule: Rule, path: str) -> list[Finding] | None:
    """What the rule finds there now; None when it cannot be told."""
    for report in judged:
        if found := [f for f in report.findings if f.rule.name == rule.name and f.path == path]:
            return found
    unknown = any(report.errors or any(item.path == path for item in report.not_judged) for report in judged)
    return None if unknown or len(judged) < 2 else []


def _nothing(rule: Rule, found: Sequence[Finding]) -> str:
    """Why a waiver of what is staged would waive nothing, and what to do instead."""
    if found:
        digests = ", ".join(sorted({finding.digest for finding in found if finding.digest}))
        return f"{rule.name} finds more than one content there: name one of them with --digest: {digests}"
    said = f"{rule.name} finds nothing there, as it is staged, so there is nothing to waive"
    return said + "; name a content that is to come with --digest" if rule.about_content else said


def _is_folder(git: Git, path: str, entries: Mapping[str, Entry]) -> bool:
    return path not in entries and (_has_below(path, entries) or os.path.isdir(os.path.join(git.root, path)))


class _Taken:
    """The names that are in use, in the index or in the work tree."""

    def __init__(self, root: str, entries: Mapping[str, Entry]) -> None:
        self._root = root
        self._entries = entries

        self._ours: set[str] = set()

    def __contains__(self, path: object) -> bool:
        there = path in self._ours or path in self._entries
        return isinstance(path, str) and (there or worktree.exists(self._root, path))

    def add(self, path: str) -> None:
        self._ours.add(path)


def _rule(name: str, rules: Mapping[str, Rule], stand: Standpoint) -> Rule:
    if name not in rules:
        from ..core.metadata import nearest

        near = nearest(name, rules)
        raise CannotJudge(f'there is no rule "{name}"' + (f'; did you mean "{near}"?' if near else ""))
    if not rules[name].waivable:
        from ..core.report import command_line

        more = command_line((CUSTODY, "explain", name), stand)
        raise CannotJudge(f"{name} cannot be waived: mend what it found instead ({more})")
    return rules[name]


def _expiry(text: str, today: date) -> date:
    from datetime import date, timedelta

    try:
        expires = date.fromisoformat(text)
    except ValueError:
        expires = None
    # Newer Pythons read weeks and days without hyphens, too.
    if expires is None or expires.isoformat() != text:
        raise CannotJudge(f'"{text}" is not a day; write --expires like {today + timedelta(days=90)}')
    if expires < today:
        raise CannotJudge(f"{expires} is in the past; today is {today}")
    if (expires - today).days > HORIZON:
        raise CannotJudge(
            f"{expires} is more than {HORIZON} days ahead; the latest is {today + timedelta(days=HORIZON)}"
        )
    return expires


def _named(path: str, written: str, entries: Mapping[str, Entry], *, ahead: bool) -> str:
    """The path, if a waiver can be for it: it is tracked, or the waiver comes `ahead` of it."""
    if path in entries or _has_below(path, entries):
        return path
    if not path or any(sign in path for sign in "*?["):
        raise CannotJudge(f'"{written}" is not one tracked path: a waiver is for a single file or dataset')
    if ahead:
        return path
    raise CannotJudge(
        f'"{written}" is not tracked: stage it first, check its spelling, or name the content to come with --digest'
    )


def _has_below(path: str, entries: Mapping[str, Entry]) -> bool:
    return bool(path) and any(other.startswith(path + "/") for other in entries)


def _refuse_twin(waivers: Sequence[Waiver], rule: str, path: str, digest: Digest | None) -> None:
    from ..scaffold.waiver_file import literal

    wanted = next(iter(digest.values())) if digest else None
    for waiver in waivers:
        if (waiver.rule, waiver.path, waiver.digest) == (rule, literal(path), wanted):
            raise CannotJudge(f"it waives this already, until {waiver.expires}: edit it", waiver.file)


def _found_digest(rule: Rule, path: str, entries: Mapping[str, Entry], found: Sequence[Finding] | None) -> str | None:
    """The digest of the content that the rule finds fault with: it may be kept elsewhere, as by DVC."""
    digests = {finding.digest for finding in found or () if finding.digest}
    return digests.pop() if rule.about_content and path in entries and len(digests) == 1 else None


def _digest_for(
    git: Git, rule: Rule, path: str, entries: Mapping[str, Entry], found: Sequence[Finding] | None, given: str | None
) -> Digest | None:
    if rule.about_content and not found and _is_folder(git, path, entries):
        raise CannotJudge(f"{rule.name} finds nothing about the folder as a whole: name the file it finds", path)
    return _digest(git, rule, path, entries, given or _found_digest(rule, path, entries, found))


def _digest(git: Git, rule: Rule, path: str, entries: Mapping[str, Entry], given: str | None) -> Digest | None:
    folder = _is_folder(git, path, entries)
    kind = "dirHash" if folder else "sha256"
    if given is not None:
        if len(given) != 64 or given.strip("0123456789abcdef"):
            raise CannotJudge("--digest has to be 64 digits from 0-9 and a-f, as sha256sum prints them")
        return {kind: given}
    if not rule.about_content:
        return None
    from ..core.case import as_pointer
    from ..core.digests import dir_hash

    wanted = assets.files_under(path, entries) if folder else {path: entries[path]}
    found: dict[str, str] = {}
    plain = [(name, entry) for name, entry in wanted.items() if entry.mode != 0o160000]
    for (name, _), blob in zip(plain, git.blobs((entry.oid, True) for _, entry in plain), strict=True):
        if blob.content is None or blob.sha256 is None:
            raise absent(name, blob.oid)
        pointer = as_pointer(blob.content)
        found[name.removeprefix(path + "/")] = pointer.sha256 if pointer else blob.sha256
    if not found:
        raise CannotJudge("there is no content here that a waiver could name", path)
    return {kind: dir_hash(found) if folder else next(iter(found.values()))}
