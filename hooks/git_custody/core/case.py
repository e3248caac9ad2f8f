"""What a check gets to see: a change set and the state it ends in, as data.

Everything here is looked up by object id in the judged tree or index, when it is first asked for.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from . import assets, digests
from .changes import introduced, state_after, tree_of
from .content import FileContent
from .digests import POINTER_SIZE, Pointer, pointer
from .findings import CannotJudge, Finding, NotJudged, Rule, fetching
from .trees import GITLINK, SYMLINK, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from .cache import Cache
    from .changes import ChangeSet
    from .content import Content
    from .findings import Command
    from .git import Git
    from .metadata import Document
    from .policy import Policy
    from .stores import Kept
    from .trees import Change, Entry
    from .waivers import InvalidWaiver, Waiver

_T = TypeVar("_T")

# What a check may say. `CannotJudge` is said, not raised, so that the other findings are not lost.
Said = Finding | NotJudged | CannotJudge

# All metadata has smaller limits of its own; what is longer shows by its length.
READ_AT_MOST = 1024 * 1024


class Hook(NamedTuple):
    """One hook: what it is called, what it does in a few words, its own level, its rules and its check.

    `judge_waivers` speaks after all others: it gets the case, the waivers that were used, and the ids of
    the hooks that ran.
    """

    id: str
    title: str
    level: int
    rules: tuple[Rule, ...]
    check: Callable[[Case], Iterator[Said]]
    judge_waivers: Callable[[Case, frozenset[str], frozenset[str]], Iterator[Finding]] | None = None

    @property
    def requirements(self) -> tuple[str, ...]:
        """The LLMSVS requirements that the rules serve, in order."""
        found = {number for rule in self.rules for number in rule.requirements}
        return tuple(sorted(found, key=lambda number: [int(part) for part in number.split(".")]))


class Settings(NamedTuple):
    """The policy and the waivers of a tree, parsed; `tree` None is the index."""

    tree: str | None
    policy: Policy
    document: Document | None
    waivers: tuple[Waiver, ...]
    invalid_waivers: tuple[InvalidWaiver, ...]


class Case:
    """One thing to judge. Checks read its attributes and never keep state in it."""

    def __init__(
        self,
        git: Git,
        cache: Cache,
        change_set: ChangeSet,
        settings: Settings,
        hooks: Sequence[Hook],
        today: date | None = None,
        chosen: Sequence[Hook] = (),
        after: Tree | None = None,
    ) -> None:
        self._git = git
        self._cache = cache
        self._sha256: dict[str, str | None] = {}
        self._sizes: dict[str, int] = {}
        self._pointers: dict[str, bytes] = {}
        self._found: dict[str, Any] = {}
        self.change_set = change_set
        self.settings = settings
        self.policy = settings.policy
        self._hooks = hooks
        self._chosen = chosen
        self._today = today
        self._after = after

    @cached_property
    def hooks(self) -> Mapping[str, Hook]:
        """All hooks there are, by id."""
        return {hook.id: hook for hook in self._hooks}

    @cached_property
    def rules(self) -> Mapping[str, Rule]:
        """All rules there are, by name."""
        return {rule.name: rule for hook in self._hooks for rule in hook.rules}

    def level_of(self, hook: Hook) -> int:
        """The level at which a hook's rules are enforced in this run: the policy's, or the hook's own where it runs
        alone or the policy names it.
        """
        named = len(self._chosen) == 1 or hook.id in self.policy.also
        return max(self.policy.level, hook.level) if named else self.policy.level

    def enforces(self, rule: Rule) -> bool:
        """Whether a finding of this rule counts in this run: what is dear need not be worked out where it does not."""
        return any(rule in hook.rules and rule.level <= self.level_of(hook) for hook in self._chosen)

    @property
    def today(self) -> date:
        """The day on which this is judged."""
        if self._today is None:
            from datetime import date

            self._today = date.today()
        return self._today

    # ------------------------------------------------------------------ states

    @cached_property
    def after(self) -> Tree:
        """Everything in the state that is judged: path → entry."""
        return self._after if self._after is not None else state_after(self._git, self._cache, self.change_set)

    @cached_property
    def before(self) -> Tree:
        """Everything in the state that the change starts from."""
        return tree_of(self._git, self._cache, self.change_set.forks[0])

    @property
    def is_whole(self) -> bool:
        """Whether everything is judged, not only what the change touches."""
        return self.change_set.mode == "index"

    @property
    def in_range(self) -> bool:
        """Whether this is the strict judgement of a range: what weakens the gate blocks."""
        return self.change_set.mode == "range"

    @cached_property
    def changed(self) -> Mapping[str, Change]:
        """The net change, by path."""
        return {change.path: change for change in self.change_set.changes}

    @cached_property
    def touches_assets(self) -> bool:
        """Whether anything that is judged can concern a dataset or a model."""
        if self.is_whole:
            return True
        paths = list(self.changed)
        if any(assets.is_paperwork(p) or p.rpartition("/")[2] in (".gitattributes", "dvc.lock") for p in paths):
            return True
        if any(assets.classify(p, self.policy.datasets, self.policy.models) for p in paths):
            return True
        return any(card in self.after for card in assets.possible_cards(paths))

    def once(self, name: str, make: Callable[[Case], _T]) -> _T:
        """What `make` finds in this case; the hooks that ask for it share one answer."""
        if name not in self._found:
            self._found[name] = make(self)
        found: _T = self._found[name]
        return found

    def can_move(self, old: str, new: str) -> bool:
        """Whether `git mv` would take a file there: it is in the work tree, and nothing has the other name."""
        from . import worktree

        root = self._git.root
        is_here = not self._git.is_bare and worktree.is_file(root, old)
        return is_here and new not in self.after and not worktree.exists(root, new)

    def as_whole(self, policy: Policy) -> Case:
        """The judged state as a whole, under another policy: what `--all` would look at there."""
        change_set = self.change_set._replace(mode="index")
        settings = Settings(change_set.tree, policy, None, (), ())
        return Case(self._git, self._cache, change_set, settings, self._hooks, self._today, self._hooks, self.after)

    # ------------------------------------------------------------------ content

    def read(self, entry: Entry, limit: int = 1024 * 1024) -> bytes | None:
        """The bytes of a small file, None when git does not have it here; `CannotJudge` above `limit`."""
        return self._git.read(entry.oid, limit)

    def read_many(self, entries: Iterable[Entry]) -> dict[str, bytes]:
        """The first `READ_AT_MOST` bytes of many files, by object id; what git does not have here is left out."""
        oids = {entry.oid for entry in entries}
        blobs = self._git.blobs((oid, False) for oid in oids)
        return {blob.oid: blob.content.read_at(0, READ_AT_MOST) for blob in blobs if blob.content is not None}

    def document(self, entry: Entry, schema: str) -> Document | None:
        """A metadata file, parsed and held against its schema; None when git does not have it here."""
        return read_document(self._git, self._cache, entry.oid, schema)

    @cached_property
    def introduced(self) -> Sequence[tuple[str, Entry]]:
        """What is judged by content: pairs of path and entry."""
        return introduced(self._git, self.change_set, self.after if self.is_whole else {})

    def contents(self, pairs: Sequence[tuple[str, Entry]]) -> Iterator[tuple[str, Entry, Content | None, str | None]]:
        """Read files one after the other: path, entry, content (None: absent) and sha256.

        The sha256 is only worked out for what may be a dataset, while the bytes are at hand, and remembered.
        A content is valid until the next one is taken. Large files are read from the work tree where git vouches
        for them; a range and the whole index, whose results are kept, are read from git's objects alone.
        """
        policy = self.policy
        hashed = [
            entry.oid not in self._sha256
            and assets.classify(path, policy.datasets, policy.models) in ("dataset", "large dataset")
            for path, entry in pairs
        ]
        copies = self._git.large_copies(pairs) if self.change_set.mode == "staged" else {}
        wanted = [(entry.oid, wants) for (path, entry), wants in zip(pairs, hashed, strict=True) if path not in copies]
        blobs = self._git.blobs(wanted)
        for (path, entry), wants in zip(pairs, hashed, strict=True):
            file = self._git.open_copy(path, copies[path]) if path in copies else None
            if file is not None:
                with file:
                    copy = FileContent(file, copies[path].st_size)
                    if wants:
                        self._sha256[entry.oid], self._sizes[entry.oid] = digests.sha256_of(copy), copy.size
                    yield path, entry, copy, self._sha256.get(entry.oid)
            else:
                blob = next(blobs if path not in copies else self._git.blobs([(entry.oid, wants)]))
                if blob.sha256 is not None:
                    self._remember(entry.oid, blob.content, blob.sha256)
                yield path, entry, blob.content, self._sha256.get(entry.oid)

    def sha256(self, entries: Iterable[Entry]) -> dict[str, str | None]:
        """The content digest of files, by object id: that of the bytes that git stores, or the one that a
        pointer names. None where git does not have the object here.
        """
        oids = {entry.oid for entry in entries}
        missing = [oid for oid in sorted(oids) if oid not in self._sha256]
        self._recall(missing)
        for blob in self._git.blobs((oid, True) for oid in missing if oid not in self._sha256):
            self._remember(blob.oid, blob.content, blob.sha256)
        return {oid: self._sha256[oid] for oid in oids}

    def _recall(self, oids: Iterable[str]) -> None:
        for oid, text in self._cache.known("sha256", oids).items():
            self._sha256[oid], size = text.split(" ")
            self._sizes[oid] = int(size)

    def _remember(self, oid: str, content: Content | None, sha256: str | None) -> None:
        self._sha256[oid] = sha256
        if content is None or sha256 is None:
            return
        found = named_by(content) or Pointer(sha256, content.size)
        self._sha256[oid] = found.sha256
        if found.size < 0:
            return
        self._sizes[oid] = found.size
        self._cache.put("sha256", oid, f"{found.sha256} {found.size}")

    def sizes(self, entries: Iterable[Entry]) -> dict[str, int]:
        """The size in bytes of files' content, by object id: for a pointer, the size that it states."""
        oids = sorted({entry.oid for entry in entries})
        if self.is_whole:
            self._recall(oid for oid in oids if oid not in self._sizes)
        missing = [oid for oid in oids if oid not in self._sizes]
        if missing:
            sizes = self._git.sizes(missing)
            small = [oid for oid, size in sizes.items() if size < POINTER_SIZE]
            for blob in self._git.blobs((oid, False) for oid in small):
                if blob.content is not None and (found := named_by(blob.content)):
                    sizes[blob.oid] = found.size
            self._sizes.update((oid, size) for oid, size in sizes.items() if size >= 0)
        return {oid: self._sizes[oid] for oid in oids if oid in self._sizes}

    def pointers(self, entries: Iterable[Entry]) -> dict[str, bytes]:
        """The bytes of those files and links that may stand for other content, by object id: short ones with the
        words of Git LFS or git-annex in them, and the start of longer ones of which git-lfs reads no more than a
        pointer. What is none of them is not read again.
        """
        oids = {entry.oid for entry in entries if entry.mode != GITLINK}
        asked = sorted(oids - self._pointers.keys())
        known = self._cache.known("no-pointer", asked)
        asked = [oid for oid in asked if oid not in known]
        sizes = self._git.sizes(asked) if asked else {}
        for blob in self._git.blobs((oid, False) for oid, size in sizes.items() if size <= _PADDED_AT_MOST):
            data = blob.content.read_at(0, POINTER_SIZE) if blob.content is not None else b""
            is_short = len(data) < POINTER_SIZE and (b"annex/objects/" in data or b"oid sha256:" in data)
            if is_short or digests.may_be_pointer(data):
                self._pointers[blob.oid] = data
        for oid in sizes.keys() - self._pointers.keys():
            self._cache.put("no-pointer", oid, "")
        self._pointers.update(dict.fromkeys(oids - self._pointers.keys(), b""))
        return {oid: self._pointers[oid] for oid in oids if self._pointers[oid]}

    def holds_content(self, path: str) -> bool:
        """Whether a path of the judged state is a file, or a link that stands for one in this repository's annex."""
        entry = self.after[path]
        if entry.mode != SYMLINK:
            return entry.is_file
        from .annex import leads_to_annex

        return leads_to_annex(path, self.pointers([entry]).get(entry.oid, b""))

    def verdict(self, kind: str, oid: str) -> str | None:
        """What was said of an object before, where that is remembered."""
        return self._cache.get(kind, oid)

    def verdicts(self, kind: str, oids: Iterable[str]) -> dict[str, str]:
        """What was said of many objects before."""
        return self._cache.known(kind, oids)

    def verdicts_of_all(self, kind: str, oids: Iterable[str]) -> dict[str, str]:
        """The same, for the objects of a kind that the whole repository has."""
        return self._cache.known_in_bunches(kind, oids)

    def remember(self, kind: str, oid: str, text: str) -> None:
        """Keep what was said of an object for the next run."""
        self._cache.put(kind, oid, text)

    def fetching(self, oids: Sequence[str]) -> tuple[Command, ...]:
        """The commands that bring objects of `.custody` here; none where they are lost, as this is no partial clone."""
        if not self._git.is_partial:
            return ()
        if self._git.setting("core.sparseCheckout") == "true":
            return (("git", "sparse-checkout", "add", ".custody"),)
        return fetching(oids)

    def local_object(self, found: Pointer, path: str = "") -> Content | None:
        """The content that a Git LFS pointer names, from the local store or from the work tree at `path`, when it is
        there and its digest is right.
        """
        return self._git.lfs_object(found) or self.in_work_tree(path, "sha256", found.sha256)

    def in_work_tree(self, path: str, algorithm: str, digest: str) -> Content | None:
        """The file at a path of the work tree, when it is a plain one, behind no link, and has this digest (hex)."""
        return self._git.stores.in_work_tree(path, algorithm, digest) if path else None

    def kept_in(self, path: str, entry: Entry, content: Content) -> tuple[Kept, ...] | None:
        """What a file stands for in DVC or git-annex: see `stores.kept_in`; read once, however many hooks ask."""
        from .stores import kept_in

        if self.after.get(path) != entry:  # a range may hold very many older versions
            return kept_in(path, content)
        return self.once(f"kept in {path}", lambda _: kept_in(path, content))

    def kept(self, one: Kept) -> Iterator[tuple[str, Content | None]]:
        """What DVC or git-annex keep, from the local store: pairs of name and content, None where it is absent."""
        return self._git.stores.contents(one)

    def kept_marks(self, one: Kept) -> str | None:
        """What tells without reading that a content is kept as it was before; None where it is not here."""
        return self._git.stores.marks(one)

    # ------------------------------------------------------------------ git's own settings and history

    def attributes(self, paths: Sequence[str], names: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        """The git attributes of paths in the judged state: path → name → value."""
        files = {path: self.after[path] for path in self.attribute_files(paths)}
        return self._git.attributes(files, paths, names)

    def attribute_files(self, paths: Iterable[str]) -> list[str]:
        """The `.gitattributes` of the judged state that can speak of one of the paths."""
        return [path for path in assets.attribute_files(paths) if path in self.after]

    def encodings(self, paths: Sequence[str]) -> Mapping[str, str]:
        """The paths among `paths`, and below any `.gitattributes` that changes, which a checkout converts from
        UTF-8 to another encoding: path → its name.
        """
        changed = (path for path in self.changed if path.rpartition("/")[2] == ".gitattributes" and path in self.after)
        files = {path: self.after[path] for path in (*self.attribute_files(paths), *changed)}
        raw = self.read_many(entry for entry in files.values() if entry.is_file)
        saying = {path for path, entry in files.items() if _may_say(ENCODING, raw.get(entry.oid))}
        if not saying:
            return {}
        if not self.is_whole and not saying.isdisjoint(self.changed):
            paths = [*paths, *(path for path, entry in self.after.items() if entry.is_file)]
        found = self.attributes(sorted(set(paths)), (ENCODING,))
        said = {path: values[ENCODING] for path, values in found.items()}
        # git leaves the file alone for "set" and "unset", too.
        return {p: v for p, v in said.items() if v.lower() not in ("unspecified", "set", "unset", *NO_ENCODINGS)}

    @cached_property
    def published(self) -> tuple[tuple[str, str], ...]:
        """The commits whose audit logs may only grow: pairs of what they are called, and their ids.

        In a range: those of the merge bases. Before a commit: what the upstream branch shares with HEAD,
        or HEAD where there is no upstream, and every other parent of a merge.
        """
        change_set = self.change_set
        if self.in_range:
            names = [(fork, fork[:10]) for fork in change_set.forks]
        elif change_set.base is None:
            names = []
        else:
            upstream = self._git.upstream()
            shared = self._git.merge_bases(change_set.base, upstream) if upstream else ()
            names = [(fork, "the upstream branch") for fork in shared] or [(change_set.base, "HEAD")]
            names += [(parent, f"merged commit {parent[:10]}") for parent in change_set.parents]
        return tuple((said, name) for name, said in names)

    def changed_since(self, commit: str, folder: str) -> Iterator[Change]:
        """What lies differently below a folder in the judged state than in a commit."""
        if self.change_set.tree is None:
            return self._git.staged(commit, [folder])
        return self._git.between(commit, self.change_set.tree, [folder])

    def entries_of(self, commit: str, folder: str) -> Tree:
        """What a commit holds below a folder."""
        return self._git.entries(commit, [folder])

    def is_signed(self, path: str, signers: bytes) -> bool:
        """Whether every commit of the range that changes a path has a good SSH signature by one of `signers`, the
        text of an allowed_signers file, and there is one at all.
        """
        commits = self._git.changing(self.change_set.commits, path)
        return bool(commits) and all(self._git.signed_by(commit, signers) for commit in commits)

    @cached_property
    def settings_at_base(self) -> Tree:
        """The settings files before the change: in a range, those at the tip of the base."""
        return _settings(tree_of(self._git, self._cache, self.change_set.base or self._git.empty_tree))

    @cached_property
    def settings_after(self) -> Tree:
        """The settings files in the judged state."""
        return _settings(self.after)


def _settings(state: Tree) -> Tree:
    folder = assets.CUSTODY.rstrip("/")  # there may be a file, or a link, in its place
    there = (*state.below(assets.CUSTODY), *(name for name in (folder, *RUNNER_FILES) if name in state))
    return Tree.of({path: state[path] for path in there})


ENCODING = "working-tree-encoding"
NO_ENCODINGS = ("utf-8", "utf8")  # with which git leaves a file alone

# Where runners look for the hooks to run (prek reads TOML, too).
RUNNER_FILES = (".pre-commit-config.yaml", ".pre-commit-config.yml", "prek.toml")
# What is looked at for a pointer with more behind it: git-lfs takes no notice of that, whatever its length.
_PADDED_AT_MOST = 64 * 1024


def _may_say(word: str, start: bytes | None) -> bool:
    """Whether a file whose start this is may hold a word: one that is absent, or longer than what was read, may."""
    return start is None or len(start) == READ_AT_MOST or word.encode() in start


def as_pointer(content: Content) -> Pointer | None:
    """The Git LFS pointer that a content is, or None."""
    return pointer(content.read_at(0, POINTER_SIZE)) if content.size < POINTER_SIZE else None


def named_by(content: Content) -> Pointer | None:
    """The content that a small file or a link stands for in Git LFS or git-annex, or None."""
    return digests.named(content.read_at(0, POINTER_SIZE)) if content.size < POINTER_SIZE else None


def may_be_pointer(content: Content) -> bool:
    """Whether git-lfs may take a content for a pointer that is not written as it would write it."""
    return named_by(content) is None and digests.may_be_pointer(content.read_at(0, POINTER_SIZE))


def read_document(git: Git, cache: Cache, oid: str, schema: str) -> Document | None:
    """Parse an object as a metadata file; an object seen before is not parsed again."""
    known = cache.get(schema, oid)
    if known is not None:
        import json

        from .documents import Document, Problem

        data, lines, problems = json.loads(known)
        return Document(data, dict(lines), tuple(Problem(*problem) for problem in problems))
    from .documents import MAX_BYTES
    from .metadata import load

    raw = git.start_of(oid, MAX_BYTES + 1)  # one byte more tells that it is too long
    if raw is None:
        return None
    document = load(raw, schema)
    if not document.problems:
        import json

        cache.put(schema, oid, json.dumps([document.data, dict(document.lines), []]))
    return document
