"""The only module that talks to git.

Everything is asked of plumbing, by object id, with NUL-separated output, so that no configuration,
replace ref, file name or promised remote can change the answer. A hook writes nothing to the repository:
not an object, not the index, not a ref. What commands write is in a section of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import stat
import subprocess
from collections import deque
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from .content import BytesContent, FileContent, write_all
from .digests import fresh_sha256
from .findings import CUSTODY, CannotJudge, RepoPath
from .programs import find_program
from .trees import IN_MEMORY, Change, Entry, Tree, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .content import Content
    from .digests import Pointer
    from .stores import Stores

# 256 ids of 64 hex digits are 17 KB: they fit any pipe, so asking ahead of reading cannot deadlock.
_ASKED_AHEAD = 256
_CHUNK = 1024 * 1024
# Seconds without an answer after which nothing more is asked of a process, or of another machine.
_PATIENCE = 2.0
_PATIENCE_ELSEWHERE = 15.0

_ENVIRONMENT = {
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    # A promised object must not be fetched in passing. The second one serves git before 2.39.4, which
    # does not know the first.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    # Neither a graft (they still work in git 2.47) nor the machine's own attributes may change the answer.
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "LC_ALL": "C",
}
# git refuses to combine these with literal pathspecs; the last would read attributes from elsewhere.
_DROPPED = (
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_EXTERNAL_DIFF",
    "GIT_ATTR_SOURCE",
)
# What would make git take another repository for the one that it stands in.
_OF_THIS_REPOSITORY = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE", "GIT_NAMESPACE", "GIT_PREFIX",
)  # fmt: skip
_SETTINGS = (
    "-c", "core.bigFileThreshold=1m",
    "-c", "core.attributesFile=" + os.devnull,
    "-c", "core.fsmonitor=false",
)  # fmt: skip
_NOT_SET = ("unspecified", "unset")
_OID = r"(?:[0-9a-f]{40}|[0-9a-f]{64})"
_DIFF = ("--raw", "-z", "--no-renames", "--no-abbrev", "--no-relative", "--ignore-submodules=none", "--no-ext-diff")


class Blob(NamedTuple):
    """An object that was read; `content` is None when git does not have it here. `type` is as git names it."""

    oid: str
    content: Content | None
    sha256: str | None
    type: bytes = b""


class Git:
    """One repository, as seen from one directory.

    `root` is the top of the work tree (the git directory itself in a bare repository), `prefix` the
    path from there to where the user stands, with a trailing slash, or "".

    Raises `CannotJudge` when there is no git, no repository, or git does not answer.
    """

    def __init__(self, directory: str = ".", environment: Mapping[str, str] | None = None) -> None:
        program = find_program("git")
        if program is None:
            raise CannotJudge("git was not found on the PATH; install git 2.34 or newer")
        self._program = program
        self._given = environment or os.environ
        self._environment = {k: v for k, v in self._given.items() if k not in _DROPPED}
        self._environment.update(_ENVIRONMENT)
        self._idle: list[_Reader] = []
        self._head: str | None = None
        self.root = os.path.abspath(directory)
        self.prefix = ""
        # A folder that holds `.git` is the top: true in every hook, and one question less.
        dot_git = os.path.join(self.root, ".git")
        is_top = os.path.isfile(dot_git) or os.path.exists(os.path.join(dot_git, "HEAD"))
        if "GIT_WORK_TREE" in self._environment or not is_top:
            for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"):
                if name in self._environment:
                    self._environment[name] = os.path.join(self.root, self._environment[name])
            up, prefix = decode(self.run("rev-parse", "--show-cdup", "--show-prefix")).split("\n", 1)
            if "GIT_WORK_TREE" in self._environment and not up and not prefix.strip():
                up = decode(self.run("rev-parse", "--show-toplevel")[:-1])  # we may stand outside of it
            self.root = os.path.normpath(os.path.join(self.root, up))
            self.prefix = prefix[:-1]

    @cached_property
    def is_shallow(self) -> bool:
        """Whether the history is cut off."""
        return self.run("rev-parse", "--is-shallow-repository") == b"true\n"

    @cached_property
    def is_partial(self) -> bool:
        """Whether objects may be missing that a remote has: a partial clone."""
        return self.ask("config", "--get-regexp", r"^(remote\..*\.promisor|extensions\.partialclone)$").returncode == 0

    @cached_property
    def is_bare(self) -> bool:
        """Whether there is no work tree here, and so no index to judge."""
        return self.run("rev-parse", "--is-inside-work-tree") != b"true\n"

    @cached_property
    def empty_tree(self) -> str:
        """The id of the tree that holds nothing, in this repository's object format."""
        head = self.head()
        hexsize = len(head) if head else 0
        if not hexsize:
            hexsize = 64 if self.run("rev-parse", "--show-object-format") == b"sha256\n" else 40
        return {
            40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
            64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
        }[hexsize]

    def close(self) -> None:
        """End the child processes that read objects."""
        while self._idle:
            self._idle.pop().close()

    def __enter__(self) -> Git:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ commands

    def run(self, *arguments: str, input: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes:
        """What `git *arguments` prints; raises `CannotJudge` with git's own words when it fails."""
        done = self.ask(*arguments, input=input, environment=environment)
        if done.returncode:
            lines = decode(done.stderr).strip().splitlines()
            words = [line for line in lines if not line.startswith(("hint:", "warning:"))] or lines
            if trust := next((line.strip() for line in words if "--add safe.directory" in line), None):
                raise CannotJudge(f"git does not trust this repository, because another user owns it; run: {trust}")
            if words and "not a git repository" in words[0]:
                raise CannotJudge(f"this is not a git repository: {self.root}")
            raise CannotJudge(f"git {arguments[0]} failed: {words[0] if words else 'no reason given'}")
        return done.stdout

    def ask(
        self, *arguments: str, input: bytes = b"", environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git and give back its answer, whatever its exit code."""
        return subprocess.run(
            # As bytes: the locale's encoding is not that of the repository's paths.
            (self._program, *_SETTINGS, *map(encode, arguments)),
            cwd=self.root,
            env={**self._environment, **(environment or {})},
            input=input,
            capture_output=True,
            check=False,
        )

    # ------------------------------------------------------------------ names of commits

    def commit(self, revision: str) -> str:
        """The id of the commit that `revision` names; raises `CannotJudge` when there is none."""
        found = self.find_commit(revision)
        if found is None:
            raise CannotJudge(f'"{revision}" is not a commit here; fetch it first, or check its spelling')
        return found

    def find_commit(self, revision: str) -> str | None:
        """The id of the commit that `revision` names, or None.

        Raises `CannotJudge` when it names more than one: a tag that somebody pushed must not be taken for
        the branch of the same name.
        """
        done = self.ask(
            "-c", "core.warnAmbiguousRefs=true",
            "rev-parse", "--verify", "--end-of-options", revision + "^{commit}",
        )  # fmt: skip
        if b"is ambiguous" in done.stderr and not re.fullmatch("HEAD|" + _OID, revision):
            raise CannotJudge(
                f'"{revision}" names more than one commit; write it in full, such as refs/heads/{revision}'
            )
        return done.stdout.decode("ascii", "replace").strip() or None if done.returncode == 0 else None

    def head(self) -> str | None:
        """The id of the commit HEAD names; None while the branch is unborn."""
        if self._head is None:
            self._head = self._resolve("HEAD")
            if self._head is None and self.ask("rev-parse", "--verify", "--quiet", "HEAD").returncode == 0:
                raise CannotJudge("the commit that HEAD names is not here; run git fsck, or fetch it")
        return self._head

    def time_of(self, commit: str) -> int | None:
        """When a commit was made, in seconds since 1970; None where git does not say."""
        text = self.ask("show", "-s", "--no-show-signature", "--format=%ct", commit, "--").stdout.strip()
        return int(text) if text.isdigit() else None

    def upstream(self) -> str | None:
        """The id of the commit that the current branch's upstream names, or None."""
        return self.find_commit("@{upstream}")

    def merge_heads(self) -> tuple[str, ...]:
        """The other parents of the merge under way; empty outside of one.

        A clean merge has no MERGE_HEAD while `pre-merge-commit` runs: git exports GITHEAD_<id> then.
        """
        names = tuple(k[8:] for k in self._environment if k[:8] == "GITHEAD_" and re.fullmatch(_OID, k[8:]))
        if self._resolve("MERGE_HEAD") is None:
            return tuple(sorted(names))
        path = decode(self.run("rev-parse", "--git-path", "MERGE_HEAD")[:-1])
        with open(os.path.join(self.root, path), "rb") as file:
            words = decode(file.read()).split()
        if not all(re.fullmatch(_OID, word) for word in words):
            raise CannotJudge("the file MERGE_HEAD is damaged; run: git merge --abort")
        return tuple(words)

    def merge_bases(self, one: str, other: str) -> tuple[str, ...]:
        """Every best common ancestor of two commits; empty for unrelated histories."""
        done = self.ask("merge-base", "--all", one, other)
        if done.returncode > 1:
            raise CannotJudge("the history of these commits cannot be read: run git fsck")
        return tuple(done.stdout.decode("ascii").split())

    def commits(self, exclude: Iterable[str], include: str) -> list[str]:
        """The commits that `include` reaches and none of `exclude` does, newest first."""
        names = "".join(f"^{name}\n" for name in exclude) + include + "\n"
        return self.run("rev-list", "--stdin", input=names.encode("ascii")).decode("ascii").split()

    def shallow_boundary(self) -> set[str]:
        """The commits whose parents a shallow clone has left out."""
        path = decode(self.run("rev-parse", "--git-path", "shallow")[:-1])
        try:
            with open(os.path.join(self.root, path), "rb") as file:
                return set(file.read().decode("ascii").split())
        except FileNotFoundError:
            return set()

    # ------------------------------------------------------------------ trees

    def staged(self, tree: str, paths: Sequence[str] = ()) -> Iterator[Change]:
        """What the index changes against a tree. Intent-to-add entries do not exist yet.

        Raises `CannotJudge` when a path is unmerged: what would be committed is not decided.
        """
        return _changes(self._staged(tree, paths))

    def _staged(self, tree: str, paths: Sequence[str]) -> bytes:
        return self.run("diff-index", "--cached", *_DIFF, "--ita-invisible-in-index", tree, "--", *paths)

    def between(self, before: str, after: str, paths: Sequence[str] = ()) -> Iterator[Change]:
        """What differs between two trees (or the trees of two commits), or at or below `paths` in them."""
        return _changes(self._between(before, after, paths))

    def _between(self, before: str, after: str, paths: Sequence[str]) -> bytes:
        return self.run("diff-tree", "-r", *_DIFF, before, after, "--", *paths)

    def entries(self, tree: str | None, paths: Sequence[str] = ()) -> Tree:
        """Everything that a tree, a commit's tree, or the index (None) holds, or what lies at or below `paths`."""
        if tree is None:
            return _tree(self._staged(self.empty_tree, paths))
        return _tree(self._between(self.empty_tree, tree, paths))

    def introduced(self, commits: Sequence[str]) -> Iterator[Change]:
        """What each of the commits brings that none of its parents has, newest first.

        A merge is held against all its parents at once (`-c`), so that what only it contains, an evil
        merge, is seen too.
        """
        raw = self.run(
            "diff-tree", "--stdin", "-r", "-c", "--root", "--no-commit-id", *_DIFF,
            input="".join(commit + "\n" for commit in commits).encode("ascii"),
        )  # fmt: skip
        return _changes(raw)

    def changing(self, commits: Sequence[str], path: str) -> list[str]:
        """Those of the commits that change a path. A merge only counts when it decides something: when the path
        is not what its two sides make of it by themselves.
        """
        raw = self.run(
            "diff-tree", "--stdin", "-r", "-m", "--root", "--name-only", "--no-renames", "--ignore-submodules=none",
            "--", path, input="".join(commit + "\n" for commit in commits).encode("ascii"),
        )  # fmt: skip
        named = set(raw.decode("ascii", "replace").split("\n"))
        return [commit for commit in commits if commit in named and not self._merges_cleanly(commit, path)]

    def _merges_cleanly(self, commit: str, path: str) -> bool:
        parents = self.run("rev-list", "--parents", "--no-walk", commit).decode("ascii").split()[1:]
        if len(parents) != 2:
            return False
        one, other, result = (self.entries(name, [path]) for name in (*parents, commit))
        starts = [self.entries(name, [path]) for name in self.merge_bases(*parents)]
        return bool(starts) and all(
            result == (other if start == one else one) if start in (one, other) else one == other == result
            for start in starts
        )

    def signed_by(self, commit: str, signers: bytes) -> bool:
        """Whether a commit has a good SSH signature by one of `signers`, the text of an allowed_signers file."""
        import tempfile

        keygen = find_program("ssh-keygen")
        if keygen is None:
            return False
        with tempfile.TemporaryDirectory(prefix="git-custody-") as scratch:
            listed = os.path.join(scratch, "allowed_signers")
            with open(listed, "wb") as file:
                file.write(signers)
            done = self.ask(
                "-c", f"gpg.ssh.allowedSignersFile={listed}", "-c", f"gpg.ssh.program={keygen}",
                # Keys of other kinds are not in the file, and their programs are not ours to start.
                "-c", f"gpg.program={os.devnull}", "-c", f"gpg.openpgp.program={os.devnull}",
                "-c", f"gpg.x509.program={os.devnull}", "-c", "gpg.minTrustLevel=fully",
                "verify-commit", commit,
            )  # fmt: skip
        return done.returncode == 0

    def attributes(
        self, files: Mapping[str, Entry], paths: Sequence[str], names: Sequence[str]
    ) -> dict[str, dict[str, str]]:
        """The attributes of paths, as these `.gitattributes` files set them: path → name → value.

        Values are "unspecified", "set", "unset" or the word that was given.
        """
        import tempfile

        with tempfile.TemporaryDirectory(prefix="git-custody-") as scratch:
            # An index of its own, with nothing else in it: git would read all of a large one for a few words.
            environment = {"GIT_INDEX_FILE": os.path.join(scratch, "index")}
            lines = (b"%06o %s\t%s\0" % (e.mode, e.oid.encode(), encode(path)) for path, e in files.items())
            small = ("-c", "core.splitIndex=false", "-c", "index.sparse=false")
            self.run(*small, "update-index", "-z", "--index-info", input=b"".join(lines), environment=environment)
            raw = self.run(
                # What a machine says of its file system must not change the answer.
                "-c", "core.ignoreCase=false", "check-attr", "--cached", "-z", "--stdin", *names,
                input=b"".join(encode(path) + b"\0" for path in paths), environment=environment,
            )  # fmt: skip
        fields = [decode(field) for field in raw.split(b"\0")]
        found: dict[str, dict[str, str]] = {}
        for path, name, value in zip(fields[0::3], fields[1::3], fields[2::3], strict=False):
            found.setdefault(path, {})[name] = value
        return found

    # ------------------------------------------------------------------ objects

    def sizes(self, oids: Sequence[str]) -> dict[str, int]:
        """The sizes in bytes of the objects that are here."""
        sizes: dict[str, int] = {}
        while oids:
            done = self.ask(
                "cat-file", "--batch-check=%(objectname) %(objectsize)", "--buffer",
                input="".join(oid + "\n" for oid in oids).encode("ascii"),
            )  # fmt: skip
            answers = [line.split() for line in done.stdout.decode("ascii", "replace").splitlines()]
            sizes.update((oid, int(size)) for oid, size in answers if size.isdigit())
            if done.returncode == 0:
                break
            if len(answers) >= len(oids) or not self._is_promised(oids[len(answers)]):
                raise CannotJudge("git cat-file stopped; the repository may be damaged: run git fsck")
            oids = oids[len(answers) + 1 :]
        return sizes

    def read(self, oid: str, limit: int = IN_MEMORY) -> bytes | None:
        """The bytes of a small object, None when git does not have it here.

        Raises `CannotJudge` when it is larger than `limit` bytes.
        """
        for blob in self.blobs([(oid, False)]):
            if blob.content is None:
                return None
            if blob.content.size > limit:
                raise CannotJudge(f"object {oid} has {blob.content.size} bytes; at most {limit} can be read")
            return blob.content.read_at(0, blob.content.size)
        return None

    def start_of(self, oid: str, length: int) -> bytes | None:
        """The first `length` bytes of an object, None when git does not have it here."""
        for blob in self.blobs([(oid, False)]):
            return blob.content.read_at(0, length) if blob.content is not None else None
        return None

    def folders(self, names: Sequence[str]) -> Iterator[bytes | None]:
        """The bytes of tree objects, None for what is not here or no tree."""
        for blob in self.blobs((name, False) for name in names):
            if blob.content is None or blob.type != b"tree":
                yield None
            else:
                yield blob.content.read_at(0, blob.content.size)

    def blobs(self, wanted: Iterable[tuple[str, bool]]) -> Iterator[Blob]:
        """Read objects, one after the other, asking some ahead.

        `wanted` holds pairs of an object id and whether its sha256 is needed. A content is valid until
        the next one is taken.
        """
        reader = self._idle.pop() if self._idle else self._reader()
        asked: deque[tuple[str, bool]] = deque()
        source = iter(wanted)
        stopped = False
        try:
            while True:
                if reader.ended and not asked:
                    reader.close()
                    reader = self._reader()
                while not reader.ended and len(asked) < _ASKED_AHEAD:
                    if (item := next(source, None)) is None:
                        break
                    reader.ask(item[0])
                    asked.append(item)
                if not asked:
                    return
                reader.flush()
                for _ in range(max(1, len(asked) // 2)):
                    oid, hashed = asked.popleft()
                    try:
                        blob = reader.take(oid, hashed)
                    except CannotJudge:
                        stopped = True
                        if not self._is_promised(oid):
                            raise
                        reader.close()
                        reader, stopped, blob = self._reader(), False, Blob(oid, None, None)
                        for name, _ in asked:
                            reader.ask(name)
                        reader.flush()
                    yield blob
        finally:
            if asked or stopped or reader.ended:  # left early: its answers are still on the way
                reader.close()
            else:
                self._idle.append(reader)

    def large_copies(self, staged: Iterable[tuple[str, Entry]]) -> Mapping[str, os.stat_result]:
        """Large staged files, by path, whose bytes lie in the work tree as they are staged: git vouches for it.

        It does so by its stat data, as in `git status`. What would silence it (a flag in the index) or let it store
        other bytes than lie there (an attribute) rules a file out; so does another size, as line ends make it.
        """
        seen: dict[str, os.stat_result] = {}
        entries: dict[str, Entry] = {}
        for path, entry in staged:
            with contextlib.suppress(OSError, ValueError):
                here = os.lstat(os.path.join(self.root, path))
                if here.st_size > IN_MEMORY and stat.S_ISREG(here.st_mode) and entry.is_file:
                    seen[path], entries[path] = here, entry
        # Windows keeps no time of change that only the system can set.
        if not seen or len(seen) > _ASKED_AHEAD or os.name == "nt":
            return {}
        paths = list(seen)
        listed = set(decode(self.run("ls-files", "-s", "-v", "-z", "--", *paths)).split("\0"))
        vouched = {path for path in paths if f"H {entries[path].mode:o} {entries[path].oid} 0\t{path}" in listed}
        strict = ("-c", "core.trustCtime=true", "-c", "core.checkStat=default", "-c", "core.ignoreStat=false")
        vouched -= {change.path for change in _changes(self.run(*strict, "diff-files", *_DIFF, "--", *paths))}
        vouched -= self._converted(paths)
        sizes = self.sizes([entries[path].oid for path in vouched])
        return {path: seen[path] for path in vouched if sizes.get(entries[path].oid) == seen[path].st_size}

    def open_copy(self, path: str, seen: os.stat_result) -> BinaryIO | None:
        """A file of the work tree, for the caller to close; None when it is not the one any more that was `seen`."""
        try:
            descriptor = os.open(os.path.join(self.root, path), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        except OSError:
            return None
        here = os.fstat(descriptor)
        names = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
        if any(getattr(here, name) != getattr(seen, name) for name in names):
            os.close(descriptor)
            return None
        return open(descriptor, "rb", buffering=0)

    def _converted(self, paths: Sequence[str]) -> set[str]:
        """Paths that git may store otherwise than they lie in the work tree, also by the user's own attributes."""
        environment = {k: v for k, v in self._environment.items() if k != "GIT_ATTR_NOSYSTEM"}
        done = subprocess.run(
            (self._program, "check-attr", "-z", "--stdin", "filter", "ident", "working-tree-encoding"),
            cwd=self.root, env=environment, input=b"".join(encode(path) + b"\0" for path in paths), capture_output=True,
        )  # fmt: skip
        fields = [decode(field) for field in done.stdout.split(b"\0")]
        if done.returncode or len(fields) != 9 * len(paths) + 1:
            return set(paths)
        return {path for path, value in zip(fields[0::3], fields[2::3], strict=False) if value not in _NOT_SET}

    def _is_promised(self, oid: str) -> bool:
        """Whether an object is missing because a partial clone left it with its remote.

        git cat-file stops there, instead of saying that it is missing.
        """
        done = self.ask("cat-file", "-e", oid)
        return done.returncode != 0 and b"promisor remote" in done.stderr

    def lfs_object(self, found: Pointer) -> Content | None:
        """The content that a Git LFS pointer names, when the local store has it and it is what it says.

        The store is not trusted: a file in it only counts after its digest has been worked out.
        """
        name = found.sha256
        path = os.path.join(self._common_directory, "lfs", "objects", name[:2], name[2:4], name)
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                return None
            file = open(path, "rb", buffering=0)  # noqa: SIM115 - the content keeps it
        except OSError:
            return None
        digest = fresh_sha256(found.size)
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
        if (digest.hexdigest(), os.fstat(file.fileno()).st_size) != (found.sha256, found.size):
            file.close()
            return None
        return FileContent(file, found.size)

    @cached_property
    def stores(self) -> Stores:
        """What DVC and git-annex keep beside this repository."""
        from .stores import Stores

        return Stores(self.root, self._common_directory)

    @cached_property
    def _common_directory(self) -> str:
        return os.path.join(self.root, decode(self.run("rev-parse", "--git-common-dir")[:-1]))

    # ------------------------------------------------------------------ the user's set-up, for commands only

    def version(self) -> tuple[int, ...]:
        """The version of git itself, as numbers."""
        words = self.run("version").decode("ascii", "replace").split()
        return tuple(int(part) for part in words[2].split(".")[:3] if part.isdigit()) if len(words) > 2 else ()

    def setting(self, name: str) -> str | None:
        """A value of git's configuration, None where it is not set."""
        done = self.ask("config", "--get", name)
        return decode(done.stdout).rstrip("\n") if done.returncode == 0 else None

    def own_path(self, name: str) -> str:
        """The absolute path of something of git's own, such as ``hooks``, wherever settings have put it."""
        return os.path.normpath(os.path.join(self.root, decode(self.run("rev-parse", "--git-path", name)[:-1])))

    def ignored(self, paths: Sequence[str], work_tree: str | None = None) -> dict[str, tuple[str, str, str]]:
        """Which paths would be ignored, tracked or not: path → file, line and pattern that says so.

        With `work_tree`, a folder, as if its `.gitignore` files were those of the repository.
        """
        environment = dict(self._environment)
        if work_tree is not None:
            environment["GIT_DIR"] = os.path.join(self.root, decode(self.run("rev-parse", "--absolute-git-dir")[:-1]))
            environment["GIT_WORK_TREE"] = work_tree
        # check-ignore knows no pathspecs, and refuses to be told that they are literal.
        environment["GIT_LITERAL_PATHSPECS"] = "0"
        done = subprocess.run(
            (self._program, "check-ignore", "--no-index", "-v", "-z", "--stdin"), cwd=work_tree or self.root,
            env=environment, input=b"".join(encode(path) + b"\0" for path in paths), capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode not in (0, 1):
            raise CannotJudge(f"git check-ignore failed: {decode(done.stderr).strip() or 'no reason given'}")
        fields = [decode(field) for field in done.stdout.split(b"\0")]
        rows = zip(fields[0::4], fields[1::4], fields[2::4], fields[3::4], strict=False)
        return {path: (file, line, pattern) for file, line, pattern, path in rows if not pattern.startswith("!")}

    def refs_elsewhere(self, address: str) -> dict[str, str] | None:
        """The refs of another repository: full name → object id; None where it cannot be reached."""
        done = self._ask_elsewhere("ls-remote", "--quiet", "--", self._absolute(address))
        if done is None or done.returncode:
            return None
        rows = (line.split("\t", 1) for line in decode(done.stdout).splitlines())
        return {row[1]: row[0] for row in rows if len(row) == 2}

    def has_commit_elsewhere(self, address: str, oid: str) -> bool | None:
        """Whether another repository gives out an object by its whole id; None where it does not say."""
        # As runners ask; without the files of the commit, where the other side can leave them out.
        words = ("fetch", "--quiet", "--no-tags", "--depth=1", "--filter=tree:0")
        done = self._ask_elsewhere("-c", "protocol.version=2", *words, "--", self._absolute(address), oid)
        if done is not None and done.returncode == 0:
            return True
        return False if done is not None and b"not our ref" in done.stderr else None

    def _absolute(self, address: str) -> str:
        here = os.path.join(self.root, address)
        return here if os.path.isdir(here) else address

    def _ask_elsewhere(self, *arguments: str) -> subprocess.CompletedProcess[bytes] | None:
        """Ask another repository from one that is new and empty, as runners do; None where it does not answer.

        The user's own settings hold, for credentials and proxies. Nobody is asked for a password.
        """
        import tempfile

        environment = {k: v for k, v in self._given.items() if k not in _OF_THIS_REPOSITORY}
        with tempfile.TemporaryDirectory(prefix="git-custody-", ignore_cleanup_errors=True) as folder:
            environment |= {"GIT_DIR": folder, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
            with contextlib.suppress(subprocess.TimeoutExpired):
                for words in (("init", "--quiet", "--bare", "--template="), arguments):
                    done = subprocess.run(
                        (self._program, *map(encode, words)), cwd=folder, env=environment, capture_output=True,
                        stdin=subprocess.DEVNULL, check=False, timeout=_PATIENCE_ELSEWHERE,
                        start_new_session=True,  # without a terminal, ssh asks nothing
                    )  # fmt: skip
                return done
        return None

    @contextlib.contextmanager
    def sandbox(self, *, staged: bool = False) -> Iterator[tuple[Git, dict[str, str]]]:
        """The same repository with an index and an object store of its own, and the environment that makes
        another program see it so. The index starts as that of HEAD, or with `staged` as the real one; nothing
        at all is written to the repository.
        """
        import tempfile

        with tempfile.TemporaryDirectory(prefix="git-custody-") as folder:
            objects = os.path.join(folder, "objects")
            os.mkdir(objects)
            others = [_alternate(self.own_path("objects"))]
            if beside := self._environment.get("GIT_ALTERNATE_OBJECT_DIRECTORIES"):
                others.append(beside)
            environment = {
                **self._environment,
                "GIT_INDEX_FILE": os.path.join(folder, "index"),
                "GIT_OBJECT_DIRECTORY": objects,
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.pathsep.join(others),
            }
            with Git(self.root, environment) as other:
                head = self.head()
                other.run("read-tree", "--empty" if staged or head is None else head)
                if staged:
                    other.enter(self.entries(None))
                yield other, environment

    # ------------------------------------------------------------------ writing, for commands only

    def author(self) -> tuple[str, str]:
        """Name and e-mail of the one who would be the author of a commit made now."""
        try:
            words = self._write("var", "GIT_AUTHOR_IDENT").decode("utf-8", "replace").rstrip("\n")
        except CannotJudge:
            raise CannotJudge(
                "git does not know who you are; tell it with git config user.name and git config user.email"
            ) from None
        name, _, rest = words.rpartition(" <")
        return name.strip() or rest.partition(">")[0], rest.partition(">")[0]

    def add(self, paths: Sequence[str], *, ignored: bool = False) -> None:
        """Stage files, folders and deletions as `git add` does, filters and all.

        Raises `CannotJudge` with git's own reason, for one when a path is ignored, or outside of a sparse
        checkout, and `ignored` does not say to take it all the same.
        """
        if paths:
            self._write(
                "add", *(("--force", "--sparse") if ignored else ()), "--pathspec-from-file=-", "--pathspec-file-nul",
                input=b"".join(encode(path) + b"\0" for path in paths),
            )  # fmt: skip

    def put(self, path: str, data: bytes) -> None:
        """Stage exactly these bytes at a path; no filter touches them, and the work tree stays as it is."""
        oid = self._write("hash-object", "-w", "--stdin", input=data).strip()
        self._write(
            "update-index", "-z", "--add", "--index-info",
            input=b"100644 " + oid + b"\t" + encode(path) + b"\0",
        )  # fmt: skip

    def relocate(self, entries: Mapping[str, tuple[str, Entry]]) -> None:
        """Move index entries, and nothing else: `entries` maps each old path to the new one and its entry."""
        self.drop(list(entries))
        lines = (b"%o %s\t%s\0" % (e.mode, e.oid.encode("ascii"), encode(new)) for new, e in entries.values())
        self._write("update-index", "-z", "--add", "--index-info", input=b"".join(lines))

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Stage exactly these bytes at many paths: see `put`."""
        import tempfile

        if not files:
            return
        with tempfile.TemporaryDirectory(prefix="git-custody-") as folder:
            names = [os.path.join(folder, str(number)) for number in range(len(files))]
            for name, data in zip(names, files.values(), strict=True):
                with open(name, "wb") as file:
                    file.write(data)
            told = "".join(name + "\n" for name in names).encode("utf-8", "surrogateescape")
            oids = self._write("hash-object", "-w", "--no-filters", "--stdin-paths", input=told).split()
        rows = (b"100644 " + oid + b"\t" + encode(path) + b"\0" for path, oid in zip(files, oids, strict=True))
        self._write("update-index", "-z", "--add", "--index-info", input=b"".join(rows))

    def enter(self, entries: Mapping[str, Entry]) -> None:
        """Stage objects that git has already at paths; no object is written, or even touched."""
        rows = (f"{e.mode:o} {e.oid}\t".encode("ascii") + encode(path) + b"\0" for path, e in entries.items())
        self._write("update-index", "-z", "--add", "--index-info", input=b"".join(rows))

    def drop(self, paths: Sequence[str]) -> None:
        """Take paths out of the index; the work tree stays as it is."""
        if paths:
            self._write(
                "update-index", "-z", "--force-remove", "--stdin",
                input=b"".join(encode(path) + b"\0" for path in paths),
            )  # fmt: skip

    def move(self, old: str, new: str) -> None:
        """Move a tracked file or folder, in the work tree and in the index."""
        self._write("mv", "--", old, new)

    def would_add(self, paths: Sequence[str]) -> list[str]:
        """The files at or below `paths` that `git add` would stage: changed, gone or new, and not ignored."""
        raw = self._write("ls-files", "-z", "-m", "-o", "--exclude-standard", "--", *paths) if paths else b""
        return sorted({decode(name) for name in raw.split(b"\0") if name and not name.endswith(b"/")})

    def unmerged(self) -> set[str]:
        """The paths whose merge conflict is not resolved."""
        raw = self.run("ls-files", "-u", "-z")
        return {decode(record.partition(b"\t")[2]) for record in raw.split(b"\0") if record}

    def merged(self, tree: str) -> list[Change]:
        """What the index changes against a tree, unmerged paths left out: see `staged`."""
        raw = self.run("diff-index", "--cached", *_DIFF, "--ita-invisible-in-index", tree, "--")
        fields = raw.split(b"\0")
        pairs = zip(fields[0::2], fields[1::2], strict=False)
        whole = [part for header, name in pairs if not header.endswith(b" U") for part in (header, name)]
        return list(_changes(b"\0".join([*whole, b""])))

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Git]:
        """The same repository with a copy of its index, to try things in: only objects are written."""
        import shutil
        import tempfile

        with tempfile.TemporaryDirectory(prefix="git-custody-") as folder:
            index = os.path.join(self.root, decode(self.run("rev-parse", "--git-path", "index")[:-1]))
            copy = os.path.join(folder, "index")
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(index, copy)
            environment = {**self._environment, "GIT_INDEX_FILE": copy}
            with Git(os.path.join(self.root, self.prefix), environment) as other:
                yield other

    def history(self, commits: Sequence[str], folder: str) -> dict[str, set[str]]:
        """Every version that the files below a folder had in what `commits` reach: path → object ids.

        Raises `CannotJudge` when the history cannot be read.
        """
        # GitPython looks for git when it is imported, in relative entries of the PATH, too.
        os.environ.setdefault("GIT_PYTHON_GIT_EXECUTABLE", self._program)
        import git

        try:
            _, raw, _ = git.Git(self.root).execute(
                [self._program, "rev-list", "--full-history", *commits, "--", folder],
                env={**self._environment},
                with_extended_output=True,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
            )
        except git.GitCommandError:
            raise CannotJudge("the history cannot be read; it may be damaged: run git fsck") from None
        raw = self.run(
            "diff-tree", "--stdin", "-r", "-m", "--root", "--no-commit-id", *_DIFF, "--", folder,
            input=bytes(raw),
        )  # fmt: skip
        versions: dict[str, set[str]] = {}
        for change in _changes(raw):
            for entry in (change.before, change.after):
                if entry is not None and entry.is_file:
                    versions.setdefault(change.path, set()).add(entry.oid)
        return versions

    def _write(self, *arguments: str, input: bytes = b"") -> bytes:
        """Run git with the user's own configuration, which decides how files are stored."""
        done = subprocess.run(
            (self._program, *map(encode, arguments)), cwd=self.root, env=self._environment, input=input,
            capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            lines = [line for line in decode(done.stderr).splitlines() if not line.startswith("hint:")]
            words = " ".join(line.removeprefix("fatal: ").removeprefix("error: ") for line in lines)
            raise CannotJudge(f"git {arguments[0]} refused: {words or 'no reason given'}")
        return done.stdout

    def _reader(self) -> _Reader:
        return _Reader((self._program, *_SETTINGS, "cat-file", "--batch"), self.root, self._environment)

    def _resolve(self, name: str) -> str | None:
        for blob in self.blobs([(name, False)]):
            return blob.oid if blob.content is not None else None
        return None


class _Reader:
    """A `git cat-file --batch` that answers one question after the other.

    Large answers are read past any buffer: on a pipe, copying is what costs.
    """

    def __init__(self, command: Sequence[str], root: str, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._questions = self._process.stdin
        self._answers = self._process.stdout
        self._asked: list[bytes] = []
        self._read = b""
        self._at = 0
        self._hashed = 0

    def close(self) -> None:
        self._answers.close()
        with contextlib.suppress(OSError):
            self._questions.close()
        self._process.wait()

    def ask(self, name: str) -> None:
        self._asked.append(name.encode("ascii") + b"\n")

    def flush(self) -> None:
        if self._asked:
            with contextlib.suppress(BrokenPipeError):  # said by `take`, which finds no answer
                self._questions.write(b"".join(self._asked))
            self._asked.clear()

    @property
    def ended(self) -> bool:
        """Whether nothing more can be asked; what was asked is still answered."""
        return self._questions.closed

    def _wait(self) -> None:
        """Wait for an answer, but not for one that never comes.

        A damaged loose object can have fewer bytes than it states. git then waits for the next question,
        and we for the bytes: once there are no more questions, it ends.
        """
        if os.name != "nt" and not self.ended and not select.select([self._answers], [], [], _PATIENCE)[0]:
            self._questions.close()

    def _header(self) -> list[bytes]:
        while (end := self._read.find(b"\n", self._at)) < 0:
            self._more()
        header = self._read[self._at : end].split()
        self._at = end + 1
        return header

    def take(self, name: str, hashed: bool) -> Blob:
        header = self._header()
        if len(header) != 3 or not header[2].isdigit():
            return Blob(name, None, None)
        oid, size = header[0].decode("ascii"), int(header[2])
        if size > IN_MEMORY:
            return self._take_large(oid, size, hashed)._replace(type=header[1])
        while len(self._read) - self._at <= size:
            self._more()
        data = self._read[self._at : self._at + size]
        self._at += size + 1
        if not hashed:
            return Blob(oid, BytesContent(data), None, header[1])
        self._hashed += size
        digest = fresh_sha256(self._hashed)
        digest.update(data)
        return Blob(oid, BytesContent(data), digest.hexdigest(), header[1])

    def _take_large(self, oid: str, size: int, hashed: bool) -> Blob:
        """Keep an object that is too large for memory in a file: git unpacks it once, wherever it is read then."""
        import tempfile
        import weakref

        digest = fresh_sha256(size) if hashed else None
        spool = tempfile.TemporaryFile(prefix="git-custody-", buffering=0)  # noqa: SIM115 (closed with its content)
        try:
            for piece in self._pieces(size):
                if digest is not None:
                    digest.update(piece)
                write_all(spool, piece)
        except OSError as error:
            spool.close()
            message = f"{tempfile.gettempdir()} has no room for an object of {size} bytes ({error.strerror})"
            raise CannotJudge(f"{message}: set TMPDIR to a folder that has") from error
        content = FileContent(spool, size)
        weakref.finalize(content, spool.close)
        return Blob(oid, content, digest.hexdigest() if digest is not None else None)

    def _pieces(self, size: int) -> Iterator[memoryview]:
        """The bytes of the answer that follows, and its last newline; each piece is valid until the next."""
        start = memoryview(self._read)[self._at : self._at + size]
        self._at += len(start)
        if start:
            yield start
        left = size - len(start)
        if left:
            widen(self._answers.fileno())
        buffer = memoryview(bytearray(min(left, _CHUNK)))
        while left:
            self._wait()
            count = self._answers.readinto(buffer[: min(left, _CHUNK)])  # type: ignore[attr-defined]
            if not count:
                raise CannotJudge("git cat-file stopped; the repository may be damaged: run git fsck")
            yield buffer[:count]
            left -= count
        while len(self._read) <= self._at:
            self._more()
        self._at += 1

    def _more(self) -> None:
        self._wait()
        piece = self._answers.read(_CHUNK)
        if not piece:
            raise CannotJudge("git cat-file stopped; the repository may be damaged: run git fsck")
        self._read = self._read[self._at :] + piece
        self._at = 0


def widen(descriptor: int) -> None:
    """Let a pipe hold 1 MiB where the platform can: fewer switches between git and us."""
    try:
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _CHUNK)  # type: ignore[attr-defined,unused-ignore]
    except (ImportError, AttributeError, OSError):
        pass


def _alternate(path: str) -> str:
    """A path for GIT_ALTERNATE_OBJECT_DIRECTORIES, quoted where it holds what would end it."""
    if os.pathsep not in path and not path.startswith('"'):
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _changes(raw: bytes) -> Iterator[Change]:
    """Read `--raw -z` records, also those of a combined diff (`::`, one mode and id per parent)."""
    fields = raw.split(b"\0")
    for header, name in zip(fields[0::2], fields[1::2], strict=False):
        path = decode(name)
        parents = len(header) - len(header.lstrip(b":"))
        words = header[parents:].decode("ascii").split(" ")
        if "U" in words[-1]:
            from . import assets

            card = assets.card_name(path)
            if card is not None and card.kind == "data":
                fix = (CUSTODY, "card", "update", RepoPath(path))
                raise CannotJudge("this card has an unresolved merge conflict", path, fix=(fix,))
            raise CannotJudge("it has an unresolved merge conflict: mend it, then run git add on it", path)
        before = _entry(words[0], words[parents + 1])
        yield Change(path, before, _entry(words[parents], words[2 * parents + 1]))


def _entry(mode: str, oid: str) -> Entry | None:
    return None if mode == "000000" else Entry(int(mode, 8), oid)


def _tree(raw: bytes) -> Tree:
    """Everything that a diff against the empty tree adds."""
    if b" U\0" in raw:
        for _ in _changes(raw):  # says which path is unmerged
            pass
    fields = raw.split(b"\0")
    return Tree(dict(zip(fields[1::2], fields[0::2], strict=False)))
