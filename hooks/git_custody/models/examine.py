"""What every file is that a change brings: looked at once, for all hooks that judge formats."""

from __future__ import annotations

import re
from posixpath import join, normpath
from typing import TYPE_CHECKING, NamedTuple

from ..core.assets import cards_over
from ..core.case import as_pointer, may_be_pointer
from ..core.content import BytesContent
from ..core.digests import POINTER_SIZE, extended_pointer, sha256_of
from ..core.findings import CannotJudge, RepoPath
from ..core.trees import GITLINK, IN_MEMORY, SYMLINK
from ..formats.catalog import is_named, promised
from ..formats.pickle_opcodes import FIRST_BYTES
from ..formats.pickles import walk
from ..formats.pointers import is_pointer
from ..formats.recognise import HEAD, PICKLES_AT_MOST, recognise
from ..formats.verdicts import CODE, PICKLE, SAFE

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence, Set

    from ..core.case import Case
    from ..core.content import Content
    from ..core.findings import Command, Finding
    from ..core.stores import Kept
    from ..core.trees import Entry
    from ..formats.verdicts import Verdict

_CACHE = "formats"
# A text larger than this is not converted to look at it.
_TEXT_AT_MOST = 4 * 1024 * 1024
_OF_DVC = (".dvc", "dvc.lock")
# One pickle is enough to block, and to look for more in a large file would mean to read all of it.
_PICKLES = 1


class Examined(NamedTuple):
    """What one file is. `sha256` is that of its content (for a pointer, of what it stands for), or empty. `changed_by`
    says what a checkout does to the bytes before they are what the verdicts speak of: "encoding", "line ends" or "".
    `excerpt` is the beginning of a pickle that does not say itself what it would call. `thorough`: all names that
    its pickles look up were asked for, because a waiver is at stake. `kept`: the content is not the file's own, but
    kept for it by DVC or git-annex.
    """

    path: str
    oid: str
    sha256: str
    verdicts: tuple[Verdict, ...]
    changed_by: str = ""
    excerpt: bytes = b""
    thorough: bool = False
    kept: Kept | None = None

    @property
    def name(self) -> str:
        """The path by which a loader would find the content."""
        return (self.kept and self.kept.name) or self.path

    def is_fine(self, allowed: Container[str]) -> bool:
        """Whether all of it is safe, of formats that are `allowed`, and what its name promises."""
        wanted = {known.id for known in promised(self.name)}
        found = [verdict.format for verdict in self.verdicts if verdict.kind == SAFE and verdict.format in allowed]
        return bool(found) and len(found) == len(self.verdicts) and (not wanted or not wanted.isdisjoint(found))

    def place(self, member: str | None) -> str | None:
        """The path of a member, from the file that is in git: what is kept for it comes first."""
        return "!".join(filter(None, (self.kept and self.kept.name, member))) or None


class Unread(NamedTuple):
    """A file whose content is not here, or cannot be told. `sha256` is that of the content, where it is known;
    `fix` what brings it here.
    """

    path: str
    reason: str
    sha256: str | None
    fix: tuple[Command, ...]


Seen = Examined | Unread | CannotJudge


def examined(case: Case) -> Sequence[Seen]:
    """What there is to say of the files that the change brings (of all, when the whole index is judged).

    Files that are ordinary, and whose name promises nothing else, are left out.
    """
    return case.once("examined", lambda its: tuple(_examined(its)))


def _examined(case: Case) -> Iterator[Seen]:
    # A symlink's blob, too: where there are no symlinks (core.symlinks=false) it is checked out as a file.
    pairs = [(path, entry) for path, entry in case.introduced if entry.mode != GITLINK]

    named = {waiver.path for waiver in case.settings.waivers}
    globs = [waiver for waiver in case.settings.waivers if waiver.is_glob]

    def waived(path: str) -> set[str]:
        """The rules of the waivers that name a path."""
        if path not in named and not any(glob.matches(path) for glob in globs):
            return set()
        return {waiver.rule for waiver in case.settings.waivers if waiver.matches(path)}

    owned = _Owned(case)
    yield from _converted(case, pairs, owned, waived)
    allowed = frozenset(case.policy.formats_allow)
    fine: set[str] = set()
    if case.is_whole:
        known = case.verdicts(_CACHE, {_key(path, entry) for path, entry in pairs})
        fine = {key for key, formats in known.items() if allowed.issuperset(formats.split())}
        pairs = [(path, entry) for path, entry in pairs if _key(path, entry) not in fine]
    for path, entry, content, sha256 in case.contents(pairs):
        key = _key(path, entry)
        if key in fine:
            continue
        owned.asked = False
        try:
            look = _Look(case, path, entry, owned, waived(path))
            seen = list(look.at(content, sha256))
        except (CannotJudge, OSError) as error:
            yield CannotJudge(getattr(error, "message", None) or f"it cannot be read: {error}", path)
            continue
        yield from seen
        if all(isinstance(one, Examined) and one.is_fine(allowed) for one in seen):
            fine.add(key)
            if case.is_whole and not owned.asked:
                case.remember(_CACHE, key, " ".join(_formats(seen)))


def _key(path: str, entry: Entry) -> str:
    """What the verdict on a file hangs on: its content, its name where that counts, and whether it is a link."""
    key = f"{entry.oid} {path}" if is_named(path) or path.endswith(_OF_DVC) else entry.oid
    return f"link {key}" if entry.mode == SYMLINK else key


class _Look(NamedTuple):
    """How one file is looked at."""

    case: Case
    path: str
    entry: Entry
    owned: Callable[[str], bool]
    waived: Set[str]

    @property
    def thorough(self) -> bool:
        return "pickle-weights" in self.waived

    def at(self, content: Content | None, sha256: str | None) -> Iterator[Seen]:
        path = self.path
        if content is None:
            fetch = ("git", "fetch", "--refetch", "--no-filter")
            yield Unread(path, "git does not have its content here", None, (fetch,))
            return
        if (pointer := as_pointer(content)) is not None:
            behind = self.case.local_object(pointer, path)
            if behind is None:
                reason = "it is a Git LFS pointer, and its content is not here"
                yield Unread(path, reason, pointer.sha256, (_pulling(path),))
            else:
                from ..core.stores import kept_in

                yield from self.examine(behind, pointer.sha256)
                if path.endswith(_OF_DVC) and (kept := kept_in(path, behind)) is not None:
                    yield from self._kept_elsewhere(kept)
            return
        if (extended := extended_pointer(content.read_at(0, POINTER_SIZE))) is not None:
            # What is kept is not the content, and the programs that would give it back are never run.
            behind = self.case.in_work_tree(path, "sha256", extended.original)
            if behind is None:
                changed = ", ".join(extended.extensions)
                reason = f"Git LFS keeps it as {changed} changed it, and it is not checked out here"
                yield Unread(path, reason, extended.original, (_pulling(path),))
            else:
                yield from self.examine(behind, extended.original)
            return
        stands_in = self.entry.mode == SYMLINK
        if may_be_pointer(content):
            stands_in = True
            reason = "git-lfs may take it for a pointer, though it is not written as git-lfs writes them"
            fix = (("git", "add", "--renormalize", RepoPath(path)),)
            yield Unread(path, reason, sha256 or sha256_of(content), fix)
        kept = self._kept(content)
        found = list(self.examine(content, sha256))
        if stands_in or (kept is not None and is_pointer(content.read_at(0, HEAD))):
            found = list(that_run(found))
        yield from found
        is_judged = any(_is_bad(seen) for seen in found)
        is_judged = is_judged and (not self.thorough or self._keeps_its_line_ends(content))
        if not is_judged and (written := _with_other_line_ends(content, self.owned)) is not None:
            for seen in self.examine(written, sha256 or sha256_of(content)):
                if not any(_is_bad(one) for one in found) or _names(seen) - _names(*found):
                    yield seen._replace(changed_by="line ends")
        if kept is not None and not any(_is_bad(seen) for seen in found):
            yield from self._kept_elsewhere(kept)

    def examine(self, content: Content, sha256: str | None, kept: Kept | None = None) -> Iterator[Examined]:
        if content.size > IN_MEMORY and self.case.change_set.mode == "staged" and not (self.waived or kept):
            sha256 = sha256 or ""  # only waivers ask for it, and before a commit nobody should wait for it
        for seen in examine(
            self.path,
            self.entry.oid,
            content,
            sha256,
            self.owned,
            allowed=self.case.policy.formats_allow,
            thorough=self.thorough,
            kept=kept,
        ):
            # The content is gone when the hooks read this.
            yield seen._replace(verdicts=tuple(verdict._replace(source=None) for verdict in seen.verdicts))

    def _keeps_its_line_ends(self, content: Content) -> bool:
        """Whether git takes a content for binary, and no attribute says that it is text all the same."""
        if b"\0" not in content.read_at(0, min(content.size, _TEXT_AT_MOST)):
            return False
        said = self.case.attributes([self.path], ("text", "eol", "crlf")).get(self.path, {})
        if said.get("text") in ("unset", "auto"):
            return True
        return all(said.get(name, "unspecified") == "unspecified" for name in ("text", "eol", "crlf"))

    def _kept(self, content: Content) -> tuple[Kept, ...] | None:
        if not (self.path.endswith(_OF_DVC) or b"annex/objects/" in content.read_at(0, HEAD)):
            return None  # as nearly everywhere, so that nothing more is read or imported
        return self.case.kept_in(self.path, self.entry, content)

    def _kept_elsewhere(self, kept: tuple[Kept, ...]) -> Iterator[Seen]:
        """What DVC or git-annex keep for a file: looked at where the local store has it."""
        path = self.path
        if not kept:
            yield Unread(path, "DVC keeps its content, and what this file says of it cannot be read", None, ())
        for one in kept:
            is_whole = True
            for name, behind in self.case.kept(one):
                if behind is not None:
                    yield from self.examine(behind, None, one._replace(name=name))
                elif is_whole and not self._is_in_git(one):
                    is_whole = False  # said once, however many files of a folder are not here
                    yield Unread(path, one.is_absent(name), None, (one.fetching(path),))

    def _is_in_git(self, kept: Kept) -> bool:
        """Whether git itself has a file that DVC only lists, as it does outputs that are not to be cached."""
        path = normpath(join(self.path.rpartition("/")[0], kept.name))
        entry = self.case.after.get(path) if kept.keeper == "DVC" and kept.name else None
        if entry is None or not entry.is_file:
            return False
        from ..core.stores import is_that

        return any(
            content is not None and is_that(kept, content) for *_, content, _ in self.case.contents([(path, entry)])
        )


def _pulling(path: str) -> Command:
    """The command that fetches what a pointer names; a name that is a pattern, or several, means everything."""
    included = path if re.fullmatch(r"[^-\\*?\[\],!#\s](?:[^\\*?\[\],\s]| (?=\S))*", path) else None
    return ("git", "lfs", "pull", *((f"--include={included}",) if included else ()))


def that_run(found: Sequence[Examined]) -> Iterator[Examined]:
    """What is wrong with files that stand for others, and owe nothing to the format that their names promise; what
    would run counts, because a checkout without links or filters leaves them as files.
    """
    for seen in found:
        verdicts = tuple(verdict for verdict in seen.verdicts if verdict.kind in (PICKLE, CODE))
        if verdicts:
            yield seen._replace(verdicts=verdicts)


def examine(
    path: str,
    oid: str,
    content: Content,
    sha256: str | None = None,
    owned: Callable[[str], bool] | None = None,
    *,
    allowed: Sequence[str] = (),
    most: int = _PICKLES,
    thorough: bool = False,
    kept: Kept | None = None,
) -> Iterator[Examined]:
    """What one content is; nothing where it is ordinary and its name promises nothing else.

    `most` pickles are looked for; with `thorough`, all of them, and all names that they look up. The digest is left
    out where there is nothing to say: of a safe file whose format is one of `allowed`, and what its name promises.
    `kept` says who keeps the content, and under which name, where it is not that of the file itself.
    """
    most = PICKLES_AT_MOST if thorough else most
    name = (kept and kept.name) or path
    verdicts = recognise(content, name=name, is_own=owned, most=most, thorough=thorough)
    if not verdicts and not (promised(name) and content.read_at(0, 1)):
        return
    silent = (v for v in verdicts if v.kind == PICKLE and not (v.calls or v.imports or v.to_the_end))
    excerpt = next((verdict.pickle_bytes() for verdict in silent), b"")
    seen = Examined(path, oid, "", verdicts, excerpt=excerpt, thorough=thorough, kept=kept)
    digest = ("" if seen.is_fine(allowed) else sha256_of(content)) if sha256 is None else sha256
    yield seen._replace(sha256=digest)


def _formats(seen: Iterable[Seen]) -> list[str]:
    return sorted({verdict.format for one in seen if isinstance(one, Examined) for verdict in one.verdicts})


def _is_bad(seen: Seen) -> bool:
    return isinstance(seen, Examined) and any(verdict.kind != SAFE for verdict in seen.verdicts)


def _names(*seen: Seen) -> set[str | None]:
    """What the pickles look up, less what other line ends add to names; with None, where that cannot be told."""
    verdicts = (verdict for one in seen if isinstance(one, Examined) for verdict in one.verdicts)
    told = (verdict.names for verdict in verdicts if verdict.kind == PICKLE)
    return {name and name.replace("\r", "") for names in told for name in ((None,) if names is None else names)}


_OF_SOURCES = ("src/", "lib/", "python/")


class _Owned:
    """Whether a top-level module is one of the repository's own, which its pickles may well name."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._known: dict[str, bool] = {}
        self.asked = False

    def __call__(self, module: str) -> bool:
        self.asked = True
        if module not in self._known:
            self._known[module] = any(self._is_in(folder, module) for folder in ("", *_OF_SOURCES))
        return self._known[module]

    def _is_in(self, folder: str, module: str) -> bool:
        after, place = self._case.after, f"{folder}{module}"
        if f"{place}.py" in after:
            return True
        return f"{place}/" not in _OF_SOURCES and any(path.endswith(".py") for path in after.below(f"{place}/"))


def _converted(
    case: Case,
    pairs: Sequence[tuple[str, Entry]],
    owned: Callable[[str], bool],
    waived: Callable[[str], Set[str]],
) -> Iterator[Seen]:
    """Look at files as a checkout writes them, where an attribute says that it converts them: what is stored
    as harmless UTF-8 can be any bytes in the work tree.
    """
    encodings = case.encodings([path for path, _ in pairs])
    if not encodings:
        return
    from ..formats.encodings import as_checked_out

    wanted = {*pairs, *((path, case.after[path]) for path in encodings if path in case.after)}
    chosen = sorted(pair for pair in wanted if pair[0] in encodings and pair[1].is_file)
    for path, entry, content, _ in case.contents(chosen):
        if content is None:
            continue  # said where all files are looked at
        small = content.size <= _TEXT_AT_MOST
        written = as_checked_out(content.read_at(0, content.size), encodings[path]) if small else None
        if written is None:
            reason = f"what its git attribute working-tree-encoding={encodings[path]} makes of it cannot be told"
            yield Unread(path, reason, sha256_of(content), ())
        elif content.read_at(0, content.size) != written:
            digest = sha256_of(content)
            look = _Look(case, path, entry, owned, waived(path))
            for seen in look.examine(BytesContent(written), digest):
                yield seen._replace(changed_by="encoding")


def _with_other_line_ends(content: Content, owned: Callable[[str], bool]) -> Content | None:
    """A content as git writes it where an attribute or core.autocrlf asks for CR LF, if it calls something then.

    Each line break grows by a byte, so that what a stored pickle has inside of a string comes after its end.
    """
    if (content.read_at(0, 1) or b"#")[0] not in FIRST_BYTES:
        return None
    from ..formats.encodings import WithCrLf

    written = WithCrLf(content)
    walked = walk(written, is_own=owned)
    return written if walked is not None and walked.call is not None else None


def placed(case: Case, seen: Examined, finding: Finding) -> Finding:
    """What was found, told of where the file stands, and with the way out that fits there."""
    path, oid = seen.path, seen.oid
    if seen.changed_by:
        finding = finding._replace(message=f"{finding.message}, once a checkout has changed its {seen.changed_by}")
    if seen.kept is not None:
        finding = finding._replace(message=f"{finding.message}, in what {seen.kept.keeper} keeps for it")
    there = case.changed.get(path)
    if case.in_range:
        is_there = there is not None and there.after is not None and there.after.oid == oid
        return _in_range(case, finding, is_there=is_there)._replace(subject=oid)
    if there is not None and there.before is not None and cards_over(path, case.after):
        # Taking it out of the index would stage its deletion, and leave its card behind.
        return finding._replace(fix=(("git", "restore", "--staged", RepoPath(path)),), subject=oid)
    return finding._replace(subject=oid)


def _in_range(case: Case, finding: Finding, *, is_there: bool) -> Finding:
    """The way out of a range that brings a file, whether or not it `is_there` in the end: another commit on top would
    leave it in the history.
    """
    change_set = case.change_set
    if is_there and len(change_set.commits) == 1:
        if len(change_set.changes) > 1:
            return finding._replace(fix=(*finding.fix, ("git", "commit", "--amend", "--no-edit")))
        undo = ("git", "reset", "--soft", change_set.base) if change_set.base else ("git", "update-ref", "-d", "HEAD")
        return finding._replace(fix=(undo, *finding.fix))
    end = "and taking it away in a later one would not help" if is_there else "even if a later one takes it away"
    start = change_set.forks[0] if change_set.base else "--root"
    said = f"{finding.message}; a commit in this range brings it, {end}"
    return finding._replace(message=said, fix=(("git", "rebase", "-i", start),))
