"""`git custody scan`: say what files are, from their bytes, in or out of a repository."""

from __future__ import annotations

import gc
import os
import stat
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from ..core.content import BytesContent, DescriptorContent
from ..core.digests import POINTER_SIZE
from ..core.findings import CUSTODY, CannotJudge, Finding, NotJudged, RepoPath
from ..formats.recognise import PICKLES_AT_MOST
from ..formats.verdicts import CODE, MALFORMED, OPAQUE, PICKLE, SAFE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..core.content import Content
    from ..formats.verdicts import Verdict
    from ..models.examine import Examined

_ABOUT = """\
Say what files are, from their bytes, and what loading them would run. Nothing is loaded, and no repository is
needed. Folders are searched through, but for .git; links in them to files are read as loaders read them, those to
folders are not followed. - reads standard input.
"""
_STDIN = "-"
_PIECE = 1024 * 1024
_SMALL = 64 * 1024
# A pipe without a writer would hold us up for ever.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_SIGNS_OF_POINTERS = (b"oid sha256:", b"/annex/objects/")
_OF_DVC = (".dvc", "dvc.lock")
_SECONDS_BETWEEN = 0.1
_NAMES_SHOWN = 10
_WORST_FIRST = (PICKLE, CODE, MALFORMED, OPAQUE, SAFE)

_Shown = tuple[str, "Verdict", "Mapping[str, object]"]


class _Scanned(NamedTuple):
    """The number of files that were read, what is wrong with them, every verdict (path, verdict, why), and the files
    that only point to content elsewhere.
    """

    files: int
    findings: list[Finding]
    verdicts: list[_Shown]
    errors: list[CannotJudge]
    pointers: list[NotJudged]


def main(argv: Sequence[str]) -> int:
    """Scan; the exit code is 0 (nothing would run code), 1 (findings) or 2 (something could not be read)."""
    from ..core.output import show
    from ..core.report import Report, as_clean, as_json, as_text, standpoint
    from . import parser

    arguments = parser("scan", _ABOUT)
    arguments.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    arguments.add_argument("--why", action="store_true", help="ask fickling, too, what each pickle would do")
    arguments.add_argument("paths", nargs="+", metavar="PATH", help="a file, a folder, or - for standard input")
    given = arguments.parse_args(argv)
    paths = list(dict.fromkeys(given.paths))
    scanned = _scan(paths, why=given.why)
    said = _count(scanned.files)
    report = Report("scan", None, None, said, tuple(scanned.findings), tuple(scanned.pointers), tuple(scanned.errors))
    # Paths are as they were given: from where the user stands, and not from any root.
    stand = standpoint("", os.environ, os.getcwd())._replace(prefix="")
    if given.format == "json":
        verdicts = [_as_json(*shown) for shown in scanned.verdicts]
        show(as_json(report, stand, {"files": scanned.files, "verdicts": verdicts}))
        return report.exit_code
    named = {path for path in paths if path == _STDIN or not os.path.isdir(path)}
    text = "".join(_lines(scanned, named)) + as_text(report, stand, _fickling(scanned) if given.why else None)
    text += as_clean(report)
    if len(named) < len(paths):
        text += f"{_recognised(scanned)}\n"
    show(text)
    return report.exit_code


def _count(files: int) -> str:
    return f"{files} file" + ("" if files == 1 else "s")


# ---------------------------------------------------------------------- looking


def _scan(paths: Sequence[str], *, why: bool) -> _Scanned:
    from ..formats.pointers import is_pointer
    from ..models.examine import examine, that_run

    # What is imported stays; to look through it again and again for garbage is a tenth of the time of small files.
    gc.freeze()
    scanned = _Scanned(0, [], [], [], [])
    files = 0
    progress = _Progress()
    for path in _files(paths, scanned.errors):
        if progress.is_shown:
            progress.show(files, len(scanned.findings))
        try:
            descriptor, size = _opened(path)
            try:
                # Nearly all of a small file is looked at: one read takes less time than two.
                small = os.read(descriptor, size) if size <= _SMALL else b""
                content = BytesContent(small) if len(small) == size else DescriptorContent(descriptor, size)
                # No waiver is looked for here, so that no digest is needed, which would have all of the file read.
                name = "" if path == _STDIN else path
                seen = next(examine(name, "", content, sha256="", most=PICKLES_AT_MOST), None)
                pointer = _pointer(path, content) if size < POINTER_SIZE or path.endswith(_OF_DVC) else None
                if pointer and seen and is_pointer(content.read_at(0, size)):
                    seen = next(that_run([seen]), None)
                whys = [_why(verdict) if why else {} for verdict in seen.verdicts] if seen else []
                if pointer and not whys:
                    scanned.pointers.append(NotJudged(path, pointer))
            finally:
                os.close(descriptor)
        except OSError as error:
            if pointer := _absent_link(path):
                scanned.pointers.append(NotJudged(path, pointer))
                files += 1
            else:
                scanned.errors.append(CannotJudge(f"it cannot be read: {error.strerror or error}", path))
            continue
        except Exception as error:  # one file that nobody thought of must not hide the others
            from ..core.output import unexpected

            scanned.errors.append(CannotJudge(unexpected(error).message, path))
            continue
        files += 1
        if seen is not None:
            scanned.findings.extend(_findings(seen))
            verdicts = (verdict._replace(source=None) for verdict in seen.verdicts)
            scanned.verdicts.extend((path, verdict, more) for verdict, more in zip(verdicts, whys, strict=True))
    progress.end()
    return scanned._replace(files=files)


def _files(paths: Sequence[str], errors: list[CannotJudge]) -> Iterator[str]:
    """The files to read: those that are named, and those below a folder, in a stable order."""
    for path in paths:
        if path == _STDIN or not os.path.isdir(path):
            yield path
            continue
        folders = [path]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as listed:
                    entries = sorted(listed, key=lambda entry: entry.name)
                inner = [
                    entry.path for entry in entries if entry.name != ".git" and entry.is_dir(follow_symlinks=False)
                ]
            except OSError as error:
                errors.append(CannotJudge(f"it cannot be read: {error.strerror}", folder))
                continue
            # In a snapshot of a model that a hub keeps, all files are links to what it keeps elsewhere.
            yield from (entry.path for entry in entries if _is_file(entry))
            folders += reversed(inner)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file() or (entry.is_symlink() and _absent_link(entry.path) is not None)
    except OSError:  # a link that leads round in a circle
        return False


def _opened(path: str) -> tuple[int, int]:
    """A descriptor of the file, for the caller to close, and its size in bytes."""
    if path == _STDIN:
        import tempfile

        from ..core.content import write_all

        with tempfile.TemporaryFile(prefix="git-custody-", buffering=0) as spool:
            while piece := sys.stdin.buffer.read(_PIECE):
                write_all(spool, piece)
            descriptor, size = os.dup(spool.fileno()), spool.tell()
            os.lseek(descriptor, 0, os.SEEK_SET)
            return descriptor, size
    descriptor = os.open(path, _FLAGS)
    here = os.fstat(descriptor)
    if not stat.S_ISREG(here.st_mode):
        os.close(descriptor)
        raise OSError("it is not a plain file")
    return descriptor, here.st_size


def _pointer(path: str, content: Content) -> str | None:
    """What a file of a repository only stands for, in words."""
    if not path.endswith(_OF_DVC) and not any(sign in content.read_at(0, _SMALL) for sign in _SIGNS_OF_POINTERS):
        return None
    from ..core.digests import extended_pointer, may_be_pointer, pointer
    from ..core.stores import kept_in

    start = content.read_at(0, POINTER_SIZE) if content.size < POINTER_SIZE else b""
    if pointer(start) or extended_pointer(start) or may_be_pointer(start):
        return "it is a Git LFS pointer, and its content is elsewhere"

    kept = kept_in(path, content)
    return f"its content is kept by {kept[0].keeper}, elsewhere" if kept else None


def _absent_link(path: str) -> str | None:
    """What a link stands for that leads to nothing, as those of git-annex do where it does not have the content."""
    if path == _STDIN or os.path.exists(path) or not os.path.islink(path):
        return None
    return _pointer(path, BytesContent(os.fsencode(os.readlink(path))))


def _findings(seen: Examined) -> Iterator[Finding]:
    from ..check_model_format import FORMAT_NOT_ALLOWED
    from ..check_model_format import findings_for as of_format
    from ..forbid_pickle_weights import findings_for as of_loading

    found = [said for said in of_loading(seen, strict=True) if isinstance(said, Finding)]
    if not found:
        # Which formats are allowed is a question for a repository's policy.
        found = [finding for finding in of_format(seen, ()) if finding.rule is not FORMAT_NOT_ALLOWED]
    for finding in found:
        convert = any(word == CUSTODY for command in finding.fix for word in command)
        fix = ((CUSTODY, "convert", RepoPath(seen.path)),) if convert and seen.path else ()
        yield finding._replace(path=seen.path or _STDIN, fix=fix)


def _why(verdict: Verdict) -> Mapping[str, object]:
    if verdict.kind != PICKLE:
        return {}
    from ..formats.explain_pickle import explain

    told = explain(verdict.pickle_bytes())
    if told is not None:
        return {"severity": told.severity, "would_call": list(told.calls)}
    from ..formats.pickle_names import names_in

    names = names_in(verdict.source).names if verdict.source is not None else ()
    return {"looks_up": sorted(names)} if names else {}


# ---------------------------------------------------------------------- telling


def _lines(scanned: _Scanned, named: set[str]) -> Iterator[str]:
    """What is not wrong with files that were named one by one."""
    from ..core.report import plain

    wrong = {finding.path for finding in scanned.findings} | {error.path for error in scanned.errors}
    wrong |= {pointer.path for pointer in scanned.pointers}
    told = {path: verdict.what for path, verdict, _ in scanned.verdicts}
    for path in sorted(named - wrong):
        yield f"{plain(path)}: {told.get(path, 'an ordinary file')}\n"


def _recognised(scanned: _Scanned) -> str:
    """How many files there are of each format; one that is several things counts as the worst of them."""
    from collections import Counter

    from ..check_model_format import without_names

    found: dict[str, list[Verdict]] = {}
    for path, verdict, _ in scanned.verdicts:
        found.setdefault(path, []).append(verdict)
    told = (without_names(verdicts, path) for path, verdicts in found.items())
    labels = Counter(_label(min(verdicts, key=lambda v: _WORST_FIRST.index(v.kind))) for verdicts in told)
    rest = scanned.files - len(found) - len(scanned.pointers)
    counts = [*labels.most_common(), ("kept elsewhere", len(scanned.pointers)), ("ordinary", rest)]
    parts = ", ".join(f"{count} {label}" for label, count in counts if count)
    return f"{_count(scanned.files)}: {parts}" if parts else _count(scanned.files)


def _label(verdict: Verdict) -> str:
    if verdict.kind == SAFE:
        return verdict.format
    return f"{verdict.format} ({verdict.kind})" if verdict.format not in ("", verdict.kind) else verdict.kind


def _fickling(scanned: _Scanned) -> Callable[[Finding], Iterator[str]]:
    """What fickling says of the pickles of a file, for the finding that speaks of them: lines below it."""
    from ..core.report import plain
    from ..forbid_pickle_weights import PICKLE_WEIGHTS

    pickles: dict[str, list[tuple[Verdict, Mapping[str, object]]]] = {}
    for path, verdict, why in scanned.verdicts:
        if verdict.kind == PICKLE:
            pickles.setdefault(path, []).append((verdict, why))

    def below(finding: Finding) -> Iterator[str]:
        said = pickles.get(finding.path, []) if finding.rule is PICKLE_WEIGHTS else []
        for verdict, why in sorted(said, key=lambda pair: pair[0].member != finding.member):
            place = f" of {plain(verdict.member)}" if verdict.member and verdict.member != finding.member else ""
            calls = why.get("would_call", [])
            assert isinstance(calls, list)
            if "severity" not in why:
                yield f"    also   fickling has no answer{place}: it failed, took too long, or cannot be run here"
            else:
                yield f"    also   fickling says {why['severity']}{place}{'' if calls else ', and sees no call'}"
            yield from (f"    calls  {plain(call)}" for call in calls)
            names = why.get("looks_up", [])
            assert isinstance(names, list)
            if names:
                more = f" and {len(names) - _NAMES_SHOWN} more names" if len(names) > _NAMES_SHOWN else ""
                yield f"    names  it looks up {', '.join(map(plain, names[:_NAMES_SHOWN]))}{more}"

    return below


def _as_json(path: str, verdict: Verdict, why: Mapping[str, object]) -> dict[str, object]:
    from ..core.report import path_fields, plain, sentence

    optional = {
        "member": verdict.member and plain(verdict.member),
        "calls": verdict.calls and plain(verdict.calls),
        "imports": verdict.imports and plain(verdict.imports),
        "evidence": verdict.evidence and sentence(verdict.evidence),
        "why": why,
    }
    shown: dict[str, object] = {**path_fields(path), "kind": verdict.kind, "format": verdict.format}
    return {**shown, "what": sentence(verdict.what), **{key: value for key, value in optional.items() if value}}


class _Progress:
    """A line on the terminal that says how far the scan has come; nothing where nobody would see it."""

    def __init__(self) -> None:
        self.is_shown = sys.stderr.isatty()
        self._next = time.monotonic() + _SECONDS_BETWEEN
        self._began = False

    def show(self, files: int, findings: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _SECONDS_BETWEEN
            self._began = True
            sys.stderr.write(f"\r{_count(files)} read, {findings} with problems")
            sys.stderr.flush()

    def end(self) -> None:
        if self._began:
            sys.stderr.write("\r\033[K")
