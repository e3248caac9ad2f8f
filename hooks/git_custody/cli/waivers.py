"""`git custody waivers`: the exceptions there are, and when they expire."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from ..core.findings import CUSTODY
from ..core.waivers import HORIZON

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from ..core.findings import Command, Finding
    from ..core.report import Standpoint
    from ..core.waivers import InvalidWaiver, Waiver


class Row(NamedTuple):
    """One waiver, the days that are left (negative: expired), whether any finding needs it, and the command, if there
    is one, that pays what is owed since the baseline.
    """

    waiver: Waiver
    days: int
    used: bool
    pay: Command | None = None


def main(argv: Sequence[str]) -> int:
    """List the waivers that are staged, the one that expires first on top; 1 when one is not valid."""
    from datetime import date

    from ..catalog import load_all
    from ..core.cache import Cache
    from ..core.git import Git
    from ..core.output import show
    from ..core.report import standpoint
    from ..core.runner import read_all_settings
    from ..scaffold.whole_index import judge_index
    from . import parser

    arguments = parser("waivers", "List the exceptions that are staged, and when they expire.")
    arguments.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    given = arguments.parse_args(argv)
    hooks = load_all()
    with Git() as git:
        settings = read_all_settings(git, Cache(None), None, hooks)
        findings = judge_index(git, hooks).findings if settings.waivers else ()
        grace = settings.policy.grace_days
        stand = standpoint(git.prefix, os.environ, git.root)
    listed = rows(settings.waivers, findings, date.today())
    invalid = settings.invalid_waivers
    show(_json(listed, invalid) if given.format == "json" else _text(listed, invalid, grace, stand))
    return 1 if invalid else 0


def rows(waivers: Sequence[Waiver], findings: Sequence[Finding], today: date) -> list[Row]:
    """The waivers by expiry, held against the findings of the whole index."""
    listed = []
    for waiver in waivers:
        covered = next((finding for finding in findings if waiver.covers(finding)), None)
        pay = _paying(waiver, covered) if covered is not None else None
        listed.append(Row(waiver, (waiver.expires - today).days, covered is not None, pay))
    return sorted(listed, key=lambda row: (row.waiver.expires, row.waiver.file))


def _paying(waiver: Waiver, finding: Finding) -> Command | None:
    from ..scaffold.baseline import OWED

    is_owed = waiver.rule == "pickle-weights" and waiver.reason.startswith(OWED)
    return next((command for command in finding.fix if is_owed and command[:2] == (CUSTODY, "add")), None)


def _text(listed: Sequence[Row], invalid: Sequence[InvalidWaiver], grace: int, stand: Standpoint) -> str:
    from ..core.report import command_line, plain, sentence

    lines = []
    for row in listed:
        waiver = row.waiver
        mark = "" if row.used else "; unused: nothing needs it any more"
        lines.append(f"{waiver.expires}  {waiver.rule}  {plain(waiver.path)}")
        lines.append(f"            {_left(row.days, grace)}{mark}")
        lines.append(f"            {plain(waiver.owner)}: {plain(waiver.reason)}")
        lines.append(f"            {plain(waiver.file)}")
        if row.pay is not None:
            lines.append(f"            fix  {command_line(row.pay, stand)}")
    for item in invalid:
        place = plain(item.file) + (f":{item.line}" if item.line else "")
        lines.append(f"{place}: not valid, waives nothing: {sentence(item.message)}")
    if not lines:
        lines.append("There are no waivers.")
    return "".join(line + "\n" for line in lines)


def _left(days: int, grace: int) -> str:
    if days > HORIZON:
        return f"{days} days left: more than {HORIZON}, so that it waives nothing"
    if days >= 0:
        return f"{days} day{'' if days == 1 else 's'} left"
    if -days <= grace:
        return f"expired {-days} day{'' if days == -1 else 's'} ago; its finding is back in {grace + days + 1}"
    return f"expired {-days} days ago; its finding is back"


def _json(listed: Sequence[Row], invalid: Sequence[InvalidWaiver]) -> str:
    import json

    from ..core.report import plain, sentence

    shown = {
        "schema_version": 1,
        "waivers": [
            {
                "file": plain(row.waiver.file),
                "rule": row.waiver.rule,
                "path": plain(row.waiver.path),
                "digest": row.waiver.digest,
                "reason": plain(row.waiver.reason),
                "owner": plain(row.waiver.owner),
                "expires": row.waiver.expires.isoformat(),
                "days_left": row.days,
                "expired": row.days < 0,
                "used": row.used,
            }
            for row in listed
        ],
        "invalid": [
            {"file": plain(item.file), "line": item.line, "message": sentence(item.message)} for item in invalid
        ],
    }
    return json.dumps(shown, indent=2) + "\n"
