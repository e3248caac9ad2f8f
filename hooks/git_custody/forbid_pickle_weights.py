"""Blocks pickles, by content, under any name or wrapping.

What it does
    Reads the bytes of every file that a change brings and asks what they are, not what they are called:
    pickles of protocol 2 and later; those of protocols 0 and 1 that import or call something, or hold a
    container and fill the file; PyTorch's zip, legacy and tar files; NumPy files with arrays of Python
    objects; joblib files; all of it also inside zip and tar, and compressed with gzip, bzip2, xz, lzma or
    zlib. A broken pickle counts once it calls something, because Python runs a pickle while it reads it.

Why
    LLMSVS 2.10. A pickle is a program: `torch.load`, `joblib.load`, `numpy.load(allow_pickle=True)` and
    `pandas.read_pickle` run it, and whoever made the file chose what it does. Weights and data need no
    program: formats that hold nothing but tensors or values load faster and run nothing.

Good
    models/encoder.safetensors, saved by `safetensors.torch.save_file(model.state_dict(), ...)`

Bad
    models/encoder.bin, saved by `torch.save(model.state_dict(), ...)`, whatever its suffix

How to fix
    Take the file out of the commit (`git rm --cached -f PATH`), keep it out (`.gitignore`), and save the
    weights again as safetensors, arrays with `numpy.save(..., allow_pickle=False)`, other data as JSON, CSV
    or Parquet. `git custody add PATH` shows how.

Limits
    A pickle in the middle of another file (a database's values, a text with a comment before it, an
    encoded string) is not looked for. Encrypted members, lz4, Zstandard, 7z and RAR files, and what lies behind
    the first 256 MiB of a compressed stream, are listed as not judged. Text
    that is also a stream of opcodes of protocol 0 is taken for text where it breaks off before its end and
    calls a module that is not known, or calls without arguments (`(ios\\nabort\\n`), and where it only
    looks a name up and then goes on as text (a `.gitignore` that begins `cache`, `build`, `.venv` does).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.assets import cards_over
from .core.case import Hook, as_pointer, may_be_pointer
from .core.content import BytesContent
from .core.digests import sha256_of
from .core.findings import Finding, NotJudged, RepoPath, Rule
from .core.git import GITLINK
from .formats.encodings import TEXT_AT_MOST
from .formats.pickles import FIRST_BYTES, walk
from .formats.recognise import recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .core.case import Case, Said
    from .core.content import Content
    from .core.findings import Command
    from .core.git import Entry
    from .formats.verdicts import Verdict

PICKLE_WEIGHTS = Rule(
    name="pickle-weights",
    requirements=("2.10",),
    level=1,
    title="Models and data must not be pickles.",
    why="loading a pickle runs code chosen by whoever made the file",
    fix="Save weights as safetensors, arrays with numpy.save(…, allow_pickle=False), other data as JSON, CSV or "
    "Parquet, and commit that file instead. `git custody add PATH` says what can be done with the file.",
    limits="A pickle in the middle of another file is not looked for. Encrypted archives, lz4, Zstandard, 7z, RAR "
    "and what lies behind the first 256 MiB of a compressed stream are listed as not judged.",
    about_content=True,
)
CONTENT_ABSENT = Rule(
    name="content-absent",
    requirements=("2.10", "2.3"),
    level=1,
    title="Content that a rule has to look at is not here.",
    why="a pointer can stand for anything; what is not read cannot be passed",
    fix="Fetch the content (`git lfs pull`), or set `absent_content` in the policy.",
    limits="A Git LFS object counts once its digest has been checked against the pointer.",
    about_content=True,
)
RULES = (PICKLE_WEIGHTS, CONTENT_ABSENT)

_NAMES_AT_MOST = 32 * 1024


def check(case: Case) -> Iterator[Said]:
    """Look at every file that the change brings; at every file when the whole index is judged."""
    # A symlink's blob, too: where there are no symlinks (core.symlinks=false) it is checked out as a file.
    pairs = [(path, entry) for path, entry in case.introduced if entry.mode != GITLINK]
    yield from _converted(case, pairs)
    ordinary: set[str] = set()
    if case.is_whole:
        ordinary = set(case.verdicts(PICKLE_WEIGHTS.name, {entry.oid for _, entry in pairs}))
        pairs = [(path, entry) for path, entry in pairs if entry.oid not in ordinary]
    for path, entry, content, sha256 in case.contents(pairs):
        if entry.oid in ordinary:
            continue
        if content is None:
            yield from _absent(case, path, "git does not have its content here", None)
        elif (found := as_pointer(content)) is not None:
            behind = case.local_object(found)
            if behind is None:
                yield from _absent(case, path, "it is a Git LFS pointer, and its content is not here", found.sha256)
            else:
                yield from _findings(case, path, entry.oid, behind, found.sha256)
        else:
            clean = not may_be_pointer(content)
            if not clean:
                reason = "git-lfs may take it for a pointer, though it is not written as git-lfs writes them"
                fix = (("git", "add", "--renormalize", RepoPath(path)),)
                yield from _absent(case, path, reason, sha256 or sha256_of(content), fix)
            for finding in _findings(case, path, entry.oid, content, sha256):
                clean = False
                yield finding
            if clean and (written := _with_other_line_ends(content)) is not None:
                for finding in _findings(case, path, entry.oid, written, sha256 or sha256_of(content)):
                    clean = False
                    yield _once(finding, "line ends")
            if clean and (keeper := _kept_by(path, content)) is not None:
                clean = False
                yield NotJudged(path, f"its content is kept by {keeper}, and was not looked at")
            if clean:
                ordinary.add(entry.oid)
                if case.is_whole:
                    case.remember(PICKLE_WEIGHTS.name, entry.oid, "")


def _kept_by(path: str, content: Content) -> str | None:
    """Who keeps the content that a small file or a link only names; Git LFS is asked for it elsewhere."""
    if content.size > _NAMES_AT_MOST:
        return None
    text = content.read_at(0, content.size)
    if text.startswith(b"/annex/objects/") or b".git/annex/objects/" in text.partition(b"\n")[0]:
        return "git-annex"
    return "DVC" if path.endswith(".dvc") and b"outs:" in text else None


def _converted(case: Case, pairs: Sequence[tuple[str, Entry]]) -> Iterator[Said]:
    """Look at files as a checkout writes them, where an attribute says that it converts them: what is stored
    as harmless UTF-8 can be any bytes in the work tree.
    """
    encodings = case.encodings([path for path, _ in pairs])
    if not encodings:
        return
    from .formats.encodings import as_checked_out

    wanted = {*pairs, *((path, case.after[path]) for path in encodings if path in case.after)}
    chosen = sorted(pair for pair in wanted if pair[0] in encodings and pair[1].is_file)
    for path, entry, content, _ in case.contents(chosen):
        if content is None:
            continue  # said where all files are looked at
        small = content.size <= TEXT_AT_MOST
        written = as_checked_out(content.read_at(0, content.size), encodings[path]) if small else None
        if written is None:
            reason = f"what its git attribute working-tree-encoding={encodings[path]} makes of it cannot be told"
            yield from _absent(case, path, reason, sha256_of(content), ())
        elif content.read_at(0, content.size) != written:
            for finding in _findings(case, path, entry.oid, BytesContent(written), sha256_of(content)):
                yield _once(finding, "encoding")


def _with_other_line_ends(content: Content) -> Content | None:
    """A content as git writes it where an attribute or core.autocrlf asks for CR LF, if it calls something then.

    Each line break grows by a byte, so that what a stored pickle has inside of a string comes after its end.
    """
    if content.size > TEXT_AT_MOST or (content.read_at(0, 1) or b"#")[0] not in FIRST_BYTES:
        return None
    stored = content.read_at(0, content.size)
    data = stored.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    walked = walk(BytesContent(data)) if data != stored else None
    return BytesContent(data) if walked is not None and walked.call is not None else None


def _once(said: Said, what: str) -> Said:
    if not isinstance(said, Finding):
        return said
    return said._replace(message=f"{said.message}, once a checkout has changed its {what}")


def _absent(
    case: Case, path: str, reason: str, sha256: str | None, fix: tuple[Command, ...] | None = None
) -> Iterator[Said]:
    changed = not case.is_whole or path in case.changed
    if (case.policy.absent_changed if changed else case.policy.absent_unchanged) == "block":
        fetch = ("git", "lfs", "pull") if sha256 else ("git", "fetch", "--refetch")
        said = f"{reason}, so nothing can be said of it"
        yield Finding(CONTENT_ABSENT, path, said, fix=(fetch,) if fix is None else fix, digest=sha256)
    yield NotJudged(path, reason)


def _findings(case: Case, path: str, oid: str, content: Content, sha256: str | None) -> Iterator[Said]:
    from .formats.explain_pickle import call_in

    there = case.changed.get(path)
    for finding in findings_for(path, content, sha256, call_in):
        if isinstance(finding, NotJudged):
            yield finding
        elif finding.rule is CONTENT_ABSENT:
            yield from _absent(case, path, finding.message, finding.digest, ())
        elif case.in_range and (there is None or there.after is None or there.after.oid != oid):
            said = finding.message + "; a commit in this range brings it, even if a later one takes it away"
            base = case.change_set.forks[0]
            yield finding._replace(message=said, fix=(("git", "rebase", "-i", base),), subject=oid)
        elif there is not None and there.before is not None and not case.in_range and cards_over(path, case.after):
            # Taking it out of the index would stage its deletion, and leave its card behind.
            yield finding._replace(fix=(("git", "restore", "--staged", RepoPath(path)),), subject=oid)
        else:
            yield finding._replace(subject=oid)


def findings_for(
    path: str, content: Content, sha256: str | None, explain: Callable[[bytes], str | None] | None = None
) -> Iterator[Finding | NotJudged]:
    """One finding where `content` (the file at `path`, whose digest is `sha256`) is or holds pickles.

    Where there are none, what could not be looked into: not judged; and, where only a limit of ours ended the
    look, a finding, because only what is made to end it reaches one.

    `explain` (such as `formats.explain_pickle.call_in`) is asked for the words of the message where the
    file's own opcodes name no call; it never changes whether there is a finding.
    """
    verdicts = recognise(content, name=path)
    pickles = [verdict for verdict in verdicts if verdict.kind == "pickle"]
    if not pickles:
        for verdict in verdicts:
            what = f"{verdict.member}: {verdict.what}" if verdict.member else verdict.what
            if verdict.kind == "safe":
                continue
            if verdict.forced:
                digest = sha256 or sha256_of(content)
                yield Finding(CONTENT_ABSENT, path, what, member=verdict.member, digest=digest)
            else:
                yield NotJudged(path, what)
        return
    shown = next((verdict for verdict in pickles if verdict.calls), pickles[0])
    yield Finding(
        PICKLE_WEIGHTS,
        path,
        _message(shown, explain),
        member=shown.member,
        found=shown.evidence or shown.what,
        fix=(("git", "rm", "--cached", "-f", RepoPath(path)),),
        digest=sha256 or sha256_of(content),
    )


def _message(verdict: Verdict, explain: Callable[[bytes], str | None] | None) -> str:
    subject = "this file is" if "NumPy" in verdict.what or "joblib" in verdict.what else "these weights are"
    what = verdict.what
    if what.startswith("a pickle (protocol"):
        what = "a pickle" + what[what.index(")") + 1 :]
    calls = verdict.calls
    if calls is None and explain is not None and not verdict.imports and not verdict.to_the_end:
        calls = explain(verdict.pickle_bytes())
    if calls:
        return f"{subject} {what}, and loading it calls {calls}"
    if verdict.imports:
        return f"{subject} {what}, and loading it imports {verdict.imports}"
    return f"{subject} {what}"


HOOK = Hook("forbid-pickle-weights", "no pickles, by content, under any name", 1, RULES, check)


def main() -> int:
    """The hook's program."""
    from .catalog import main_of

    return main_of(HOOK.id)


if __name__ == "__main__":
    raise SystemExit(main())
