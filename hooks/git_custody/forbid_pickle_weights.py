"""Blocks pickles, and whatever else runs code when it is loaded, by content, under any name or wrapping.

What it does
    Reads the bytes of every file that a change brings and asks what they are, not what they are called, and
    what loading them would run. Pickles: those of protocol 2 and later; those of protocols 0 and 1 that import
    or call something, or hold a container and fill the file; PyTorch's zip, legacy and tar files; NumPy files
    with arrays of Python objects; joblib files. A broken pickle counts once it calls something, because Python
    runs a pickle while it reads it. Other formats, where the file brings code of its own: Keras models with
    Lambda layers, TorchScript, TensorFlow graphs that touch files or run Python, chat templates that reach for
    Python's internals, R promises, serialised Java objects, Python bytecode, and so on (docs/formats.md). All of
    it also inside archives, compressed streams and databases, eight deep.

Why
    LLMSVS 2.10. A pickle is a program: `torch.load`, `joblib.load`, `numpy.load(allow_pickle=True)` and
    `pandas.read_pickle` run it, and whoever made the file chose what it does. Weights and data need no
    program: formats that hold nothing but tensors or values load faster and run nothing.

Good
    models/encoder.safetensors, saved by `safetensors.torch.save_file(model.state_dict(), ...)`

Bad
    models/encoder.bin, saved by `torch.save(model.state_dict(), ...)`, whatever its suffix

How to fix
    `git custody add PATH` converts what holds nothing but tensors to safetensors, without running it, and keeps
    the pickle out of git. For all else, take the file out of the commit (`git rm --cached -f PATH`), name it in
    `.gitignore`, or `git add .` stages it again, and save what it holds in another file: arrays with
    `numpy.save(..., allow_pickle=False)`, other data as JSON, CSV or Parquet.

Limits
    A pickle in the middle of another file (a text with a comment before it, an encoded string) is not looked
    for. Encrypted members, RAR files, and what lies behind the first 256 MiB of a compressed stream, are
    listed as not judged; in a file that is named like a model they block. Text that is also a stream of opcodes
    of protocol 0 counts where it calls something (`(istranger`, `run` on the first two lines do). It is taken for
    text where it breaks off and only looks a name up (a `.gitignore` that begins `cache`, `build`, `.venv` does),
    changes an object of a module that is not known, or calls a name that its module does not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.assets import MODEL_SUFFIXES
from .core.case import Hook
from .core.findings import CUSTODY, CannotJudge, Finding, NotJudged, RepoPath, Rule
from .core.policy import GLOBALS, admits
from .formats.verdicts import CODE, OPAQUE, PICKLE
from .models.examine import Examined, Unread, examined, placed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .core.case import Case, Said
    from .formats.verdicts import Verdict

PICKLE_WEIGHTS = Rule(
    name="pickle-weights",
    requirements=("2.10",),
    level=1,
    title="Models and data must not be pickles.",
    why="loading a pickle runs code chosen by whoever made the file",
    fix="Save weights as safetensors, arrays with numpy.save(…, allow_pickle=False), other data as JSON, CSV or "
    "Parquet, and commit that file instead; name the pickle in `.gitignore`, or `git add .` stages it again. "
    "`git custody add PATH` converts what holds nothing but tensors, and says what can be done with the rest.",
    limits="A pickle in the middle of another file is not looked for. A waiver admits one pickle by its digest, and "
    "only where all names that it looks up are in `pickles.globals` of the policy.",
    about_content=True,
    untracked="name it in .gitignore, so that git add does not stage it again",
)
CODE_ON_LOAD = Rule(
    name="code-on-load",
    requirements=("2.10", "2.9"),
    level=1,
    title="Models and data must not bring code that runs when they are loaded.",
    why="whoever made the file chose what its loader will run",
    fix="Keep weights and data in a format that holds nothing else, and the code in source files that can be reviewed.",
    limits="What a format can run is judged by its usual loader. Source code and programs are not judged here.",
    about_content=True,
)
UNINSPECTED_CONTENT = Rule(
    name="uninspected-content",
    requirements=("2.10",),
    level=1,
    title="What cannot be looked into cannot be passed.",
    why="what is encrypted, or packed beyond all use, could hold anything",
    fix="Commit the file without encryption, or unpacked.",
    limits="Files that are not named like a model only block where a limit was reached that ordinary files do not "
    "reach; otherwise they are listed as not judged.",
    about_content=True,
)
CONTENT_ABSENT = Rule(
    name="content-absent",
    requirements=("2.10", "2.3"),
    level=1,
    title="Content that a rule has to look at is not here.",
    why="a pointer can stand for anything; what is not read cannot be passed",
    fix="Fetch the content (`git lfs pull`, `dvc pull`, `git annex get`), or set `absent_content` in the policy.",
    limits="What Git LFS, DVC or git-annex keep counts once its digest has been checked against the pointer.",
    about_content=True,
)
RULES = (PICKLE_WEIGHTS, CODE_ON_LOAD, UNINSPECTED_CONTENT, CONTENT_ABSENT)

# What `git custody convert` reads, where nothing but these modules is named.
_CONVERTIBLE = ("pytorch-zip", "pytorch-legacy", "joblib", "pickle")
_TENSOR_MODULES = ("torch", "numpy", "joblib")
_NAMES_SHOWN = 5
_EXPLAINED_AT_MOST = 5


def check(case: Case) -> Iterator[Said]:
    """Say which of the files that the change brings would run code when they are loaded."""
    explain = _Explain()
    for seen in examined(case):
        if isinstance(seen, CannotJudge):
            yield seen
        elif isinstance(seen, Unread):
            yield from _absent(case, seen)
        else:
            for said in findings_for(seen, case.policy.pickles_globals, explain):
                yield placed(case, seen, said) if isinstance(said, Finding) else said


class _Explain:
    """fickling's words for the first pickles that do not say what they call: each answer may take seconds."""

    def __init__(self) -> None:
        self._left = _EXPLAINED_AT_MOST

    def __call__(self, pickle: bytes) -> str | None:
        if not self._left:
            return None
        from .formats.explain_pickle import call_in

        self._left -= 1
        return call_in(pickle)


def _absent(case: Case, unread: Unread) -> Iterator[Said]:
    path = unread.path
    changed = not case.is_whole or path in case.changed
    if (case.policy.absent_changed if changed else case.policy.absent_unchanged) == "block":
        said = f"{unread.reason}, so nothing can be said of it"
        better = ("noncanonical-pointer",)  # of which nothing is absent
        yield Finding(CONTENT_ABSENT, path, said, fix=unread.fix, digest=unread.sha256, unless=better)
    yield NotJudged(path, unread.reason, unread.fix)


def findings_for(
    seen: Examined,
    allowed: Sequence[str] = (),
    explain: Callable[[bytes], str | None] | None = None,
    *,
    strict: bool = False,
) -> Iterator[Finding | NotJudged]:
    """What is wrong with one file: at most one finding for each rule.

    `allowed` are the names, or globs of names, that a waived pickle may look up. `explain` (such as
    `formats.explain_pickle.call_in`) is asked for the words of the message where the file's own opcodes name no
    call; it never changes whether there is a finding. `strict`: whatever cannot be looked into is a finding.
    """
    pickles = [verdict for verdict in seen.verdicts if verdict.kind == PICKLE]
    if pickles:
        shown = next((verdict for verdict in pickles if verdict.calls), pickles[0])
        message = _pickle_message(shown, seen.excerpt, explain)
        beyond = _beyond(seen.verdicts, allowed) if seen.thorough else ""
        is_here = seen.kept is None  # `git custody add` reads the work tree, not what others keep
        fix = (CUSTODY, "add") if is_here and _is_convertible(shown) else ("git", "rm", "--cached", "-f")
        finding = _finding(PICKLE_WEIGHTS, seen, shown, message + (f"; {beyond}" if beyond else ""))
        yield finding._replace(fix=((*fix, RepoPath(seen.path)),), beyond_waiver=bool(beyond))
    running = [verdict for verdict in seen.verdicts if verdict.kind == CODE]
    if running:
        shown = next((verdict for verdict in running if verdict.calls), running[0])
        calls = f", and loading it calls {shown.calls}" if shown.calls else ""
        yield _finding(CODE_ON_LOAD, seen, shown, f"this file is {shown.what}{calls}")
    for verdict in () if pickles or running else seen.verdicts:
        if verdict.kind == OPAQUE:
            if strict or verdict.forced or seen.name.lower().endswith((*MODEL_SUFFIXES, ".bin")):
                yield _finding(UNINSPECTED_CONTENT, seen, verdict, f"this file is or holds {verdict.what}")
                return
            place = seen.place(verdict.member)
            yield NotJudged(seen.path, f"{place}: {verdict.what}" if place else verdict.what)


def _finding(rule: Rule, seen: Examined, verdict: Verdict, message: str) -> Finding:
    return Finding(
        rule,
        seen.path,
        message,
        member=seen.place(verdict.member),
        found=verdict.evidence or (verdict.what if rule is PICKLE_WEIGHTS else None),
        fix=(("git", "rm", "--cached", "-f", RepoPath(seen.path)),),
        digest=seen.sha256 or None,
    )


def _pickle_message(verdict: Verdict, excerpt: bytes, explain: Callable[[bytes], str | None] | None) -> str:
    subject = "this file is" if "NumPy" in verdict.what or "joblib" in verdict.what else "these weights are"
    what = verdict.what
    if what.startswith("a pickle (protocol"):
        what = "a pickle" + what[what.index(")") + 1 :]
    calls = verdict.calls
    if calls is None and excerpt and explain is not None and not verdict.imports and not verdict.to_the_end:
        calls = explain(excerpt)
    if calls:
        return f"{subject} {what}, and loading it calls {calls}"
    if verdict.imports:
        return f"{subject} {what}, and loading it imports {verdict.imports}"
    return f"{subject} {what}"


def _is_convertible(verdict: Verdict) -> bool:
    """Whether `git custody convert` is likely to read it: it rebuilds tensors, and does not lie in another archive."""
    told = verdict.calls or verdict.imports or ""
    is_torch = verdict.format == "pytorch-zip"
    is_plain = "!" not in (verdict.member or "") if is_torch else verdict.member is None
    is_tensors = is_torch or told.partition(".")[0] in _TENSOR_MODULES
    return verdict.format in _CONVERTIBLE and is_plain and is_tensors and admits(GLOBALS, told)


def _beyond(verdicts: Sequence[Verdict], allowed: Sequence[str]) -> str:
    """Why no waiver admits the pickles of a file; "" where one may."""
    for verdict in verdicts:
        if verdict.kind == OPAQUE:
            return "no waiver admits it, because not all of it can be looked into"
        if verdict.kind != PICKLE:
            continue
        if verdict.names is None:
            return "no waiver admits it, because not all names that it looks up can be told"
        foreign = [name for name in sorted(verdict.names) if not admits(allowed, name)]
        if foreign:
            shown = ", ".join(foreign[:_NAMES_SHOWN])
            more = f" and {len(foreign) - _NAMES_SHOWN} more names" if len(foreign) > _NAMES_SHOWN else ""
            said = f"no waiver admits it, because it looks up {shown}{more}, which pickles.globals does not allow"
            usual = next((name for name in foreign if admits(GLOBALS, name)), None)
            return f"{said}; that list takes the place of the usual one, which has {usual}" if usual else said
    return ""


HOOK = Hook(
    "forbid-pickle-weights",
    "no pickles, and nothing else that runs code when loaded, by content, under any name",
    1,
    RULES,
    check,
)


def main() -> int:
    """The hook's program."""
    from .catalog import main_of

    return main_of(HOOK.id)


if __name__ == "__main__":
    raise SystemExit(main())
