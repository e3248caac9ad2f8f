"""`git custody explain`: what a rule, a hook or a requirement is about."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from ..core.notes import NOTES
from ..core.pages import linked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..core.case import Hook
    from ..core.findings import Rule
    from ..core.notes import Note
    from ..core.requirements import Requirement

_WIDTH = 100


def main(argv: Sequence[str]) -> int:
    """Print the page of a rule, a note, a hook or a requirement; without one, the list of all rules."""
    from ..catalog import load_all
    from ..core.output import show
    from . import parser

    arguments = parser("explain", "Say what a rule, a hook or an LLMSVS requirement is about.")
    arguments.add_argument("name", nargs="?", metavar="RULE|HOOK|V2|2.10", help="without it: all rules")
    name = arguments.parse_args(argv).name
    hooks = load_all()
    show("\n".join(index(hooks) if name is None else page(name, hooks)) + "\n")
    return 0


def index(hooks: Sequence[Hook]) -> Iterator[str]:
    """All rules, hook by hook."""
    width = max(len(rule.name) for hook in hooks for rule in hook.rules)
    for hook in hooks:
        yield f"{hook.id}: {hook.title}"
        for rule in hook.rules:
            yield f"    {rule.name:<{width}}  {numbers(rule.requirements):<13}  {rule.title}"
        yield ""
    yield "Notes, which block nothing:"
    width = max(len(note.name) for note in NOTES)
    yield from (f"    {note.name:<{width}}  {note.says}" for note in NOTES)
    yield ""
    yield "More: git custody explain RULE, git custody explain HOOK, git custody explain V2, git custody explain 2.10"


def page(name: str, hooks: Sequence[Hook]) -> Iterator[str]:
    """The page of one rule, note, hook or requirement; raises `CannotJudge` when there is nothing of that name."""
    from ..core.requirements import REQUIREMENTS, requirement

    number = name.upper().removeprefix("LLMSVS").strip(" -").removeprefix("V")
    if number == "2":
        return _chapter(hooks)
    asked = requirement(number)
    if asked is not None:
        return _requirement(asked, hooks)
    for hook in hooks:
        for rule in hook.rules:
            if rule.name == name:
                return _rule(rule, hook)
    if name in {*(hook.id for hook in hooks), "custody"}:
        return _hook(name, hooks)
    for note in NOTES:
        if note.name == name:
            return _note(note)
    from ..core.findings import CannotJudge
    from ..core.metadata import nearest

    known = [rule.name for hook in hooks for rule in hook.rules] + [hook.id for hook in hooks] + ["custody"]
    known += [note.name for note in NOTES]
    near = nearest(name, known + [found.number for found in REQUIREMENTS])
    hint = f'; did you mean "{near}"?' if near else "; git custody explain lists them all"
    raise CannotJudge(f'there is no rule, hook or requirement called "{name}"{hint}')


def _rule(rule: Rule, hook: Hook) -> Iterator[str]:
    yield f"{rule.name}: {rule.title}"
    yield ""
    yield from _block("asked by", facts(rule, hook))
    yield from _block("why", rule.why)
    yield from _block("fix", rule.fix)
    yield from _block("limits", rule.limits)
    for label, text in zip(("waiver", ""), filter(None, waiver(rule)), strict=False):
        yield from _block(label, text)


def _note(note: Note) -> Iterator[str]:
    yield note.line
    yield ""
    yield from _block("why", note.why)
    yield from _block("fix", note.fix)
    yield from _block("waiver", "A note blocks nothing, so that there is nothing to waive.")


def facts(rule: Rule, hook: Hook) -> str:
    """Requirements, level and hook of a rule, in a line."""
    return f"LLMSVS {numbers(rule.requirements)}; level {rule.level}; hook {hook.id}; since {rule.since}"


def numbers(requirements: Sequence[str]) -> str:
    """Requirements in a few characters."""
    from ..core.requirements import REQUIREMENTS

    return "V2, all of it" if len(requirements) == len(REQUIREMENTS) else ", ".join(requirements)


def waiver(rule: Rule) -> tuple[str, str]:
    """The command that waives a rule ("" when it cannot be waived), and what the waiver is worth."""
    if not rule.waivable:
        return "", "It cannot be waived."
    bound = "It holds for the content that is staged alone." if rule.about_content else "It holds for the path."
    return f"git custody waive {rule.name} PATH --reason TEXT --expires YYYY-MM-DD", bound


def _hook(name: str, hooks: Sequence[Hook]) -> Iterator[str]:
    from importlib import import_module

    module = import_module(f"git_custody.{name.replace('-', '_')}")
    chosen = [hook for hook in hooks if hook.id == name]
    yield f"{name}"
    yield ""
    yield linked((module.__doc__ or "").strip())
    yield ""
    for hook in chosen or hooks:
        yield f"Rules of {hook.id}:" if not chosen else "Rules:"
        width = max(len(rule.name) for rule in hook.rules)
        yield from (f"    {rule.name:<{width}}  {rule.title}" for rule in hook.rules)


def _chapter(hooks: Sequence[Hook]) -> Iterator[str]:
    from ..core.requirements import REQUIREMENTS

    yield 'LLMSVS chapter V2, "Model Lifecycle"; from which level each requirement applies:'
    yield ""
    for found in REQUIREMENTS:
        open_yet = "" if _serving(found, hooks) else " (nothing in this version checks it yet)"
        yield f"    {found.number:<5} level {found.level}  {found.asks}{open_yet}"
    yield ""
    yield "More: git custody explain 2.10"


def _serving(asked: Requirement, hooks: Sequence[Hook]) -> list[tuple[Hook, Rule]]:
    """The rules that serve a requirement, without those that serve all of them."""
    from ..core.requirements import REQUIREMENTS

    every = len(REQUIREMENTS)
    return [(h, r) for h in hooks for r in h.rules if asked.number in r.requirements and len(r.requirements) < every]


def _requirement(asked: Requirement, hooks: Sequence[Hook]) -> Iterator[str]:
    yield f"LLMSVS {asked.number} (from level {asked.level}): {asked.asks}"
    yield ""
    serving = _serving(asked, hooks)
    if not serving:
        yield "Nothing in this version checks it yet."
        return
    yield "Served by:"
    width = max(len(rule.name) for _, rule in serving)
    yield from (f"    {rule.name:<{width}}  {hook.id}: {rule.title}" for hook, rule in serving)


def _block(label: str, text: str) -> Iterable[str]:
    indent = " " * 10
    return textwrap.wrap(
        linked(text),
        _WIDTH,
        initial_indent=f"{label:<10}",
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
