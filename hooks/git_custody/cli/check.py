"""`git custody check`: judge, and say what was judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Judge what the arguments, or else the situation, ask for; also the entry of the `custody` hook."""
    from ..catalog import load_all
    from ..core.changes import Request
    from ..core.runner import check

    hooks = load_all()
    if not argv:
        return check(Request(), hooks, hooks)
    from . import parser

    arguments = parser("check", "Judge what is staged, the whole index, or a range of commits.")
    scope = arguments.add_mutually_exclusive_group()
    scope.add_argument("--staged", action="store_true", help="the staged change against HEAD")
    scope.add_argument("--all", action="store_true", help="everything that the index holds")
    scope.add_argument("--range", metavar="BASE...HEAD", help="a range of commits, with the policy of BASE")
    arguments.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    arguments.add_argument("paths", nargs="*", metavar="PATH", help="say only what concerns these")
    try:
        given = arguments.parse_args(argv)
    except SystemExit as stop:
        if stop.code and "json" in " ".join(argv).replace("=", " ").split():
            _refuse_in_json()
        raise
    request = Request(given.range, given.all, given.staged, tuple(given.paths))
    return check(request, hooks, hooks, format=given.format)


def _refuse_in_json() -> None:
    """A program that asked for JSON gets it even where its arguments were not understood."""
    from ..core.findings import CannotJudge
    from ..core.output import show
    from ..core.report import Report, Standpoint, as_json

    error = CannotJudge("the arguments were not understood: git custody check -h lists them")
    show(as_json(Report("none", None, None, "nothing", (), errors=(error,)), Standpoint("", "git-custody")))
