"""What every file is that a change brings: looked at once, for all hooks that judge formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..core.case import as_pointer, may_be_pointer
from ..core.content import BytesContent
from ..core.digests import sha256_of
from ..core.findings import CannotJudge, RepoPath
from ..core.git import GITLINK
from ..formats.catalog import is_named, promised
from ..formats.pickles import FIRST_BYTES, walk
from ..formats.recognise import PICKLES_AT_MOST, recognise
from ..formats.verdicts import PICKLE, SAFE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..core.case import Case
    from ..core.content import Content
    from ..core.findings import Command
    from ..core.git import Entry
    from ..formats.verdicts import Verdict

_CACHE = "formats"
# A text larger than this is not converted to look at it.
_TEXT_AT_MOST = 4 * 1024 * 1024
_FETCH = {"DVC": ("dvc", "pull"), "git-annex": ("git", "annex", "get")}
# One pickle is enough to block, and to look for more in a large file would mean to read all of it.
_PICKLES = 1


class Examined(NamedTuple):
    """What one file is. `sha256` is that of its content (for a pointer, of what it stands for). `changed_by` says
    what a checkout does to the bytes before they are what the verdicts speak of: "encoding", "line ends" or "".
    `excerpt` is the beginning of a pickle that does not say itself what it would call. `thorough`: all names that
    its pickles look up were asked for, because a waiver is at stake.
    """

    path: str
    oid: str
    sha256: str
    verdicts: tuple[Verdict, ...]
    changed_by: str = ""
    excerpt: bytes = b""
    thorough: bool = False


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
    waivers = [waiver for waiver in case.settings.waivers if waiver.rule == "pickle-weights"]

    def at_stake(path: str) -> bool:
        return any(waiver.matches(path) for waiver in waivers)

    yield from _converted(case, pairs, at_stake)
    ordinary: set[str] = set()
    if case.is_whole:
        ordinary = set(case.verdicts(_CACHE, {_key(path, entry) for path, entry in pairs}))
        pairs = [(path, entry) for path, entry in pairs if _key(path, entry) not in ordinary]
    owned = _Owned(case)
    for path, entry, content, sha256 in case.contents(pairs):
        key = _key(path, entry)
        if key in ordinary:
            continue
        owned.asked = False
        try:
            look = _Look(case, path, entry.oid, owned, at_stake(path))
            seen = list(look.at(content, sha256))
        except (CannotJudge, OSError) as error:
            yield CannotJudge(getattr(error, "message", None) or f"it cannot be read: {error}", path)
            continue
        yield from seen
        if not seen:
            ordinary.add(key)
            if case.is_whole and not owned.asked:
                case.remember(_CACHE, key, "")


def _key(path: str, entry: Entry) -> str:
    """What the verdict on a file hangs on: its content, and its name where that counts."""
    return f"{entry.oid} {path}" if is_named(path) else entry.oid


class _Look(NamedTuple):
    """How one file is looked at."""

    case: Case
    path: str
    oid: str
    owned: Callable[[str], bool]
    thorough: bool

    def at(self, content: Content | None, sha256: str | None) -> Iterator[Seen]:
        path = self.path
        if content is None:
            yield Unread(path, "git does not have its content here", None, (("git", "fetch", "--refetch"),))
            return
        if (pointer := as_pointer(content)) is not None:
            behind = self.case.local_object(pointer)
            if behind is None:
                reason = "it is a Git LFS pointer, and its content is not here"
                yield Unread(path, reason, pointer.sha256, (("git", "lfs", "pull"),))
            else:
                yield from self._examine(behind, pointer.sha256)
            return
        if may_be_pointer(content):
            reason = "git-lfs may take it for a pointer, though it is not written as git-lfs writes them"
            fix = (("git", "add", "--renormalize", RepoPath(path)),)
            yield Unread(path, reason, sha256 or sha256_of(content), fix)
        found = list(self._examine(content, sha256))
        yield from found
        is_judged = any(_is_bad(seen) for seen in found) and not self.thorough
        if not is_judged and (written := _with_other_line_ends(content)) is not None:
            for seen in self._examine(written, sha256 or sha256_of(content)):
                if not any(_is_bad(one) for one in found) or _names(seen) - _names(*found):
                    yield seen._replace(changed_by="line ends")
        if not found:
            yield from self._kept_elsewhere(content)

    def _examine(self, content: Content, sha256: str | None) -> Iterator[Examined]:
        allowed = self.case.policy.formats_allow
        for seen in examine(self.path, self.oid, content, sha256, self.owned, allowed=allowed, thorough=self.thorough):
            # The content is gone when the hooks read this.
            yield seen._replace(verdicts=tuple(verdict._replace(source=None) for verdict in seen.verdicts))

    def _kept_elsewhere(self, content: Content) -> Iterator[Seen]:
        """What DVC or git-annex keep for a file: looked at where the local store has it."""
        path = self.path
        if not (path.endswith((".dvc", "dvc.lock")) or b"annex/objects/" in content.read_at(0, 1024)):
            return  # as nearly everywhere, so that nothing more is read or imported
        from ..core.stores import kept_in

        kept = kept_in(path, content)
        if kept is None:
            return
        if not kept:
            yield Unread(path, "DVC keeps its content, and what this file says of it cannot be read", None, ())
        for one in kept:
            for name, behind in self.case.kept(one):
                if behind is None:
                    what = f"{one.keeper} keeps its content{f' ({name})' if name else ''}, and it is not here"
                    yield Unread(path, what, None, ((*_FETCH[one.keeper], RepoPath(path)),))
                    break
                for seen in self._examine(behind, None):
                    found = (v._replace(member="!".join(filter(None, (name, v.member)))) for v in seen.verdicts)
                    yield seen._replace(verdicts=tuple(found))


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
) -> Iterator[Examined]:
    """What one content is; nothing where it is ordinary and its name promises nothing else.

    `most` pickles are looked for; with `thorough`, all of them, and all names that they look up. The digest is left
    out where there is nothing to say: of a safe file whose format is one of `allowed`.
    """
    most = PICKLES_AT_MOST if thorough else most
    verdicts = recognise(content, name=path, is_own=owned, most=most, thorough=thorough)
    if not verdicts and not (promised(path) and content.read_at(0, 1)):
        return
    silent = (v for v in verdicts if v.kind == PICKLE and not (v.calls or v.imports or v.to_the_end))
    excerpt = next((verdict.pickle_bytes() for verdict in silent), b"")
    fine = bool(verdicts) and all(verdict.kind == SAFE and verdict.format in allowed for verdict in verdicts)
    digest = ("" if fine else sha256_of(content)) if sha256 is None else sha256
    yield Examined(path, oid, digest, verdicts, excerpt=excerpt, thorough=thorough)


def _is_bad(seen: Seen) -> bool:
    return isinstance(seen, Examined) and any(verdict.kind != SAFE for verdict in seen.verdicts)


def _names(*seen: Seen) -> set[str | None]:
    """What the pickles look up, less what other line ends add to names; with None, where that cannot be told."""
    verdicts = (verdict for one in seen if isinstance(one, Examined) for verdict in one.verdicts)
    told = (verdict.names for verdict in verdicts if verdict.kind == PICKLE)
    return {name and name.replace("\r", "") for names in told for name in ((None,) if names is None else names)}


class _Owned:
    """Whether a top-level module is one of the repository's own, which its pickles may well name."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._modules: frozenset[str] | None = None
        self.asked = False

    def __call__(self, module: str) -> bool:
        self.asked = True
        if self._modules is None:
            folders = {"", "src/", "lib/", "python/"}
            found = set()
            for path in self._case.after:
                if path.endswith(".py"):
                    folder = next((f for f in folders if f and path.startswith(f)), "")
                    found.add(path.removeprefix(folder).partition("/")[0].removesuffix(".py"))
            self._modules = frozenset(found)
        return module in self._modules


def _converted(case: Case, pairs: Sequence[tuple[str, Entry]], at_stake: Callable[[str], bool]) -> Iterator[Seen]:
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
            for seen in examine(path, entry.oid, BytesContent(written), digest, thorough=at_stake(path)):
                yield seen._replace(changed_by="encoding")


def _with_other_line_ends(content: Content) -> Content | None:
    """A content as git writes it where an attribute or core.autocrlf asks for CR LF, if it calls something then.

    Each line break grows by a byte, so that what a stored pickle has inside of a string comes after its end.
    """
    if content.size > _TEXT_AT_MOST or (content.read_at(0, 1) or b"#")[0] not in FIRST_BYTES:
        return None
    stored = content.read_at(0, content.size)
    data = stored.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    walked = walk(BytesContent(data)) if data != stored else None
    return BytesContent(data) if walked is not None and walked.call is not None else None
