"""Blocks model files that are malformed, are not what their name says, or have a format that the policy does not allow.

What it does
    Recognises model files by their bytes and holds their structure against the format's specification, more
    strictly than the libraries do: every byte of a safetensors file has to belong to one tensor, every key has to
    be known and stand once; GGUF counts, offsets and alignment have to add up; ONNX may only name external files
    below its own folder. What is valid has to be of a format on the policy's list. The list that holds without a
    policy has formats of tensors, graphs of standard operators, and trees: nothing that brings code of its own.

Why
    LLMSVS 2.10 and 2.9. A format that the team has not chosen is one whose loader nobody looked at; bytes that
    belong to nothing are where something can hide; and a file that is not what its name says is read by another
    loader than the one that was checked.

Good
    model.safetensors, written by the safetensors library
    formats: {allow: [safetensors, onnx, lightgbm]}    # in .custody/policy.yaml

Bad
    model.safetensors with a zip archive behind its last tensor
    model.onnx, which is a GGUF file
    model.engine, a TensorRT engine

How to fix
    Write the file again with the format's own library. Rename a file after what it is. Convert pickles with
    `git custody convert`. A format that the team has decided to use is added to `formats.allow` in the policy.

Limits
    What is said of a format is said of its structure: values of tensors are not looked at, and a graph of
    standard operators can still compute the wrong thing. docs/formats.md says for each format what is checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.assets import cards_over
from .core.case import Hook
from .core.findings import CannotJudge, Finding, NotJudged, RepoPath, Rule
from .core.policy import FORMATS
from .formats.catalog import format_of, promised, usual_suffix
from .formats.verdicts import CODE, MALFORMED, OPAQUE, PICKLE, SAFE
from .models.examine import Examined, Unread, examined, placed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .core.case import Case, Said
    from .formats.verdicts import Verdict

MALFORMED_MODEL = Rule(
    name="malformed-model",
    requirements=("2.10", "2.9"),
    level=1,
    title="Model files must be valid files of their format.",
    why="loaders read a malformed file in different ways, and what belongs to nothing can hide anything",
    fix="Write the file again with the format's own library, or fetch it again from its source.",
    limits="Values of tensors are not looked at.",
    about_content=True,
)
FORMAT_NOT_ALLOWED = Rule(
    name="model-format-not-allowed",
    requirements=("2.10", "2.9"),
    level=1,
    title="Model files must have a format that the policy allows.",
    why="a format that nobody decided on is one whose loader nobody looked at",
    fix="Convert the file to a format on the list, or decide on its format: `formats.allow` in .custody/policy.yaml "
    "takes the place of the default list, so that it has to name every format that is wanted.",
    limits="Formats that are not recognised are not judged; docs/formats.md lists those that are.",
    about_content=True,
)
MISLEADING_NAME = Rule(
    name="misleading-model-name",
    requirements=("2.10", "2.9"),
    level=1,
    title="A model file must be what its name says.",
    why="the name chooses the loader, and another format makes it do something else than was checked",
    fix="Rename the file after what it is (`git mv OLD NEW`), or take it out of the commit and write it again in the "
    "format that its name promises.",
    limits="Only suffixes that stand for one format: anything may be called .bin, .pt or .h5.",
    about_content=True,
)
RULES = (MALFORMED_MODEL, FORMAT_NOT_ALLOWED, MISLEADING_NAME)

# Said better by forbid-pickle-weights, where it runs.
_ELSEWHERE = ("pickle-weights", "code-on-load", "uninspected-content")


def check(case: Case) -> Iterator[Said]:
    """Say which of the model files that the change brings are not as they should be."""
    for seen in examined(case):
        if isinstance(seen, CannotJudge):
            yield seen
        elif isinstance(seen, Unread):
            # forbid-pickle-weights decides whether that blocks; alone, this hook must not pass it in silence.
            yield NotJudged(seen.path, seen.reason, seen.fix)
        else:
            for finding in findings_of(case, seen):
                yield placed(case, seen, finding)


def findings_of(case: Case, seen: Examined) -> Iterator[Finding]:
    """What the policy finds wrong with the format of one file, with the way out that there is for it here."""
    if case.policy.models.excluded(seen.path):
        return
    for finding in findings_for(seen, case.policy.formats_allow):
        new = _right_name(case, seen) if finding.rule is MISLEADING_NAME else None
        fix = finding.fix if new is None else (("git", "mv", RepoPath(seen.path), RepoPath(new)),)
        yield finding._replace(fix=fix)


def findings_for(seen: Examined, allowed: Sequence[str]) -> Iterator[Finding]:
    """What is wrong with the format of one file: at most one finding; `allowed` are the ids of formats."""
    wanted = promised(seen.name)
    ids = {known.id for known in wanted}
    verdicts = without_names(seen.verdicts, seen.name)
    whole = [verdict for verdict in verdicts if verdict.member is None]
    # A waiver of what would run must not hide what is malformed.
    for verdict in sorted(verdicts, key=lambda verdict: verdict.kind != MALFORMED):
        if verdict.kind == MALFORMED:
            yield _finding(MALFORMED_MODEL, seen, f"this file is {verdict.what}", verdict)
            return
        if verdict.kind in (PICKLE, CODE):
            said = _finding(FORMAT_NOT_ALLOWED, seen, f"this file is {verdict.what}, and {_list(allowed)}", verdict)
            yield said._replace(echoes=_ELSEWHERE)
            return
    if wanted and not any(verdict.format in ids or verdict.kind == OPAQUE for verdict in whole):
        what = whole[0].what if whole else "something else"
        yield _finding(MISLEADING_NAME, seen, f"this file is named like {wanted[0].title}, and is {what}")
        return
    for verdict in whole:
        if (known := format_of(verdict.format)) and known.is_model and known.id not in allowed:
            message = f"this file is {known.title} (in formats.allow: {known.id}), and {_list(allowed)}"
            if known.id in FORMATS:
                message += f"; that list takes the place of the usual one, which has {known.id}"
            yield _finding(FORMAT_NOT_ALLOWED, seen, message, verdict)
            return


def without_names(verdicts: Sequence[Verdict], name: str) -> Sequence[Verdict]:
    """The verdicts on a file, but for what is only said because of a name that promises another format."""
    ids = {known.id for known in promised(name)}
    # An archive that lies behind something else does not make that sound.
    if not ids or not any(v.kind == SAFE and v.format not in ids and _is_told_by_its_start(v.format) for v in verdicts):
        return verdicts
    return [verdict for verdict in verdicts if verdict.kind != MALFORMED or verdict.format not in ids]


def _is_told_by_its_start(id: str) -> bool:
    known = format_of(id)
    return known is not None and bool(known.marks or known.first)


def _right_name(case: Case, seen: Examined) -> str | None:
    """Where a file may go to be what its name says; None where its format has no name, or that one is taken."""
    path = seen.path
    formats = {verdict.format for verdict in seen.verdicts if verdict.kind == SAFE and verdict.member is None}
    suffix = usual_suffix(formats.pop()) if len(formats) == 1 and seen.kept is None else None
    if suffix is None or cards_over(path, case.after):  # a card would stay behind
        return None
    lowered = path.lower()
    old = max((end for known in promised(path) for end in known.suffixes if lowered.endswith(end)), key=len, default="")
    new = path[: len(path) - len(old)] + suffix
    return new if case.can_move(path, new) else None


def _list(allowed: Sequence[str]) -> str:
    return f"the policy allows {', '.join(allowed)}" if allowed else "the policy allows no format at all"


def _finding(rule: Rule, seen: Examined, message: str, verdict: Verdict | None = None) -> Finding:
    member, found = (verdict.member, verdict.evidence) if verdict is not None else (None, None)
    place = seen.place(member)
    fix = (("git", "rm", "--cached", "-f", RepoPath(seen.path)),)
    return Finding(rule, seen.path, message, None, place, found, fix, seen.sha256 or None, unless=_ELSEWHERE)


HOOK = Hook("check-model-format", "model files are valid, and of a format that the policy allows", 1, RULES, check)


def main() -> int:
    """The hook's program."""
    from .catalog import main_of

    return main_of(HOOK.id)


if __name__ == "__main__":
    raise SystemExit(main())
