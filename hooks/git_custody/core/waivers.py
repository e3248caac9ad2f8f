"""Dated, reasoned, owned exceptions: `.custody/waivers/<name>.yaml`, one file each so that they never conflict."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from .assets import WAIVERS, is_glob

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from pathspec import GitIgnoreSpec

    from .findings import Finding, Rule
    from .metadata import Document

_WILD = "*?["
# An exception is for a time: nobody remembers in two years why something was let through.
HORIZON = 366


class Waiver(NamedTuple):
    """One waiver. `file` is its own path, `path` a path or gitignore-style glob, `digest` hex or None."""

    file: str
    rule: str
    path: str
    digest: str | None
    reason: str
    owner: str
    expires: date

    def covers(self, finding: Finding) -> bool:
        """Whether this waiver speaks of a finding; a rule about content is matched by digest."""
        if self.rule != finding.rule.name:
            return False
        if (finding.rule.about_content or self.digest) and self.digest != finding.digest:
            return False
        return self.matches(finding.path)

    @property
    def is_glob(self) -> bool:
        """Whether the path stands for more than one."""
        return any(sign in self.path for sign in _WILD)

    @property
    def only(self) -> str | None:
        """The one path that this waiver names, None where its glob may stand for others."""
        if not self.is_glob:
            return self.path
        # What `git custody waive` writes for a name with such signs in it: anchored, each sign escaped.
        literal = re.fullmatch(r"/((?:[^\\*?\[]|\\.)+)", self.path, re.DOTALL)
        return re.sub(r"\\(.)", r"\1", literal[1]) if literal else None

    def is_too_long(self, today: date) -> bool:
        """Whether it expires more than `HORIZON` days ahead; such a waiver waives nothing."""
        return (self.expires - today).days > HORIZON

    def matches(self, path: str) -> bool:
        """Whether the path is one that this waiver names."""
        if not self.is_glob:
            return path == self.path
        return bool(_spec(self.path).match_file(path))

    def speaks_of(self, path: str) -> bool:
        """Whether the path is one that this waiver names, or lies in a folder that it names."""
        return self.matches(path) or (not self.is_glob and path.startswith(self.path.rstrip("/") + "/"))


@cache
def _spec(glob: str) -> GitIgnoreSpec:
    # Asked for every file, and slow to make.
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines([glob])


class InvalidWaiver(NamedTuple):
    """What is wrong with a waiver's file, and where."""

    file: str
    line: int | None
    message: str


def read_waivers(
    documents: Mapping[str, Document], rules: Mapping[str, Rule]
) -> tuple[tuple[Waiver, ...], tuple[InvalidWaiver, ...]]:
    """The waivers in parsed files (path → document), and what is wrong with the others.

    One that is not valid in every respect waives nothing.
    """
    from datetime import date

    waivers: list[Waiver] = []
    invalid: list[InvalidWaiver] = []
    for file, document in sorted(documents.items()):
        if not file.endswith(".yaml") or "/" in file.removeprefix(WAIVERS):
            invalid.append(InvalidWaiver(file, None, f"a waiver is a file named {WAIVERS}<name>.yaml"))
            continue
        problems = [InvalidWaiver(file, p.line, p.message) for p in document.problems]
        if not problems:
            data, lines = document.data, document.lines
            problems = [InvalidWaiver(file, lines.get(pointer), message) for pointer, message in _misuse(data, rules)]
            if not problems:
                digest = next(iter(data["digest"].values())) if data.get("digest") else None
                waivers.append(
                    Waiver(
                        file, data["rule"], data["path"], digest, data["reason"], data["owner"],
                        date.fromisoformat(data["expires"]),
                    )
                )  # fmt: skip
        invalid += problems
    return tuple(waivers), tuple(invalid)


def _misuse(data: Mapping[str, str], rules: Mapping[str, Rule]) -> Iterable[tuple[str, str]]:
    rule = rules.get(data["rule"])
    if rule is None:
        from .metadata import nearest

        near = nearest(data["rule"], rules)
        yield "/rule", f'there is no rule "{data["rule"]}"' + (f'; did you mean "{near}"?' if near else "")
        return
    if not rule.waivable:
        yield "/rule", f"{rule.name} cannot be waived: mend what it found instead"
    if rule.about_content and not data.get("digest"):
        yield "/path", f"{rule.name} is about content, so its waiver has to name the digest that it admits"
    if not is_glob(data["path"]):
        yield "/path", f'"{data["path"]}" is neither a path nor a gitignore-style glob'
    # What is between brackets names nothing either: [!x]* is everything that does not begin with x.
    elif not re.sub(r"\[[!^]?\]?[^\]]*\]", "", data["path"]).strip("*?/.[]! "):
        yield "/path", f'"{data["path"]}" would waive the rule everywhere; name the path that is excepted'


def apply(
    findings: Iterable[Finding], waivers: Sequence[Waiver], today: date, grace_days: int
) -> tuple[list[Finding], set[str]]:
    """The findings with those marked that a waiver covers, and the files of the waivers that were used.

    An expired waiver still counts for `grace_days` days; one that is too long does not count.
    """
    used: set[str] = set()
    judged: list[Finding] = []
    # A baseline has hundreds of waivers, and as many findings: each is only held against those of its path.
    named: dict[tuple[str, str], list[Waiver]] = {}
    for waiver in waivers:
        named.setdefault((waiver.rule, "" if waiver.is_glob else waiver.path), []).append(waiver)
    for finding in findings:
        name = finding.rule.name
        near = (*named.get((name, finding.path), ()), *named.get((name, ""), ()))
        for waiver in near if finding.rule.waivable else ():
            if waiver.covers(finding):
                used.add(waiver.file)
                holds = (today - waiver.expires).days <= grace_days and not waiver.is_too_long(today)
                if holds and not finding.beyond_waiver:
                    finding = finding._replace(waived_by=waiver.file, blocks=False)
                    break
        judged.append(finding)
    return judged, used
