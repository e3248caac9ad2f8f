"""What an inspector is given, and what it can say: the whole interface between a format and the recogniser.

An inspector is a module of this package with one function, `inspect(scene)`, that yields what it finds: `Said` of
the content itself, and `Member` for content inside of it, which the recogniser then looks at in the same way.
It never reads more than it needs, never raises for bad bytes, and yields nothing where the content is none of
its own. `catalog.py` says by which bytes or names it is called; docs/formats.md walks through adding one.
"""

from __future__ import annotations

from typing import NamedTuple

from git_custody.core.content import Content, PartContent

DEPTH_AT_MOST = 8
UNPACKED_AT_MOST = 256 * 1024 * 1024
BEGUN_AT_MOST = 64 * 1024 * 1024
TAILS_AT_MOST = 64 * 1024 * 1024
WINDOWS_AT_MOST = 24 * 1024 * 1024
MEMBERS_AT_MOST = 200_000
STEPS_AT_MOST = 1_300_000  # more than one walk over a pickle may take
STEPS_PER_MEMBER = 8
OVERLAPS_AT_MOST = 256
OVERLAPPED_AT_MOST = 64 * 1024 * 1024

# The kinds of verdict, the most dangerous first.
PICKLE, CODE, MALFORMED, OPAQUE, SAFE = KINDS = ("pickle", "code", "malformed", "opaque", "safe")


class Said(NamedTuple):
    """What an inspector says of the content that it was given.

    `kind` is one of `KINDS`: "code" for what runs code when its usual loader loads it, "malformed" for what is
    plainly meant as `format` and is not valid, "opaque" for what cannot be looked into, "safe" for a valid file of
    a format that runs nothing. `format` is the id of a `catalog.Format`. `what` says in plain words what it is
    ("a GGUF model whose chat template ..."), `calls` which dotted name loading would call, `evidence` what stands
    where (``Lambda layer 'f' in model_config``). `forced`: only a limit of ours ended the look, which
    ordinary files do not reach, so that it is as good as malformed.
    """

    kind: str
    format: str
    what: str
    calls: str | None = None
    evidence: str | None = None
    forced: bool = False


class Member(NamedTuple):
    """Content inside of other content.

    `name` is its path inside (None: it has none, as the one stream of a gzip file). `wrapping` says how it was
    packed ("compressed with gzip"). `obstacle` says, in plain words, why `content` may not be what a loader would
    get ("encrypted"). `unpickled`: its loader unpickles it whatever it looks like; the format's id, and in plain
    words what it is ("a NumPy array of Python objects, which is a pickle").
    """

    name: str | None
    content: Content
    obstacle: str | None = None
    wrapping: str = ""
    unpickled: tuple[str, str] | None = None


class Budget:
    """What one file may cost.

    `begun`: bytes unpacked within the first 64 KiB of each stream; `unpacked`: those behind; `tails`: those that are
    only unpacked to see how a stream ends. A byte of lzma counts three times, one of bzip2 six times, as long as they
    take. `windows`: bytes of memory that decompressors may hold at one time. `members`: members looked at.
    `overlaps`: members of an archive that lie over each other, `overlapped`: their bytes. `steps`: what takes about a
    microsecond each, as to walk one opcode or to read one field; never a time, so that a verdict is the same on every
    machine. Each member brings the few that an ordinary one takes.
    """

    def __init__(self) -> None:
        self.begun = BEGUN_AT_MOST
        self.unpacked = UNPACKED_AT_MOST
        self.tails = TAILS_AT_MOST
        self.windows = WINDOWS_AT_MOST
        self.overlaps = OVERLAPS_AT_MOST
        self.overlapped = OVERLAPPED_AT_MOST
        self.members = MEMBERS_AT_MOST
        self.steps = STEPS_AT_MOST

    def lies_over(self, length: int) -> bool:
        """Take what a member of so many bytes costs that lies over others; whether that was left."""
        self.overlaps -= 1
        self.overlapped -= length
        return self.overlaps >= 0 and self.overlapped >= 0


class Scene(NamedTuple):
    """What an inspector sees: the content, its first 4096 bytes, the path of the file or member, and the budget.

    `is_member`: it lies inside of an archive or database, whose loader would have to load it.

    The path is for formats that loaders tell by name; it may be anything, also empty. Asking a compressed
    content for its `size` unpacks all of it: ask `content.read_at(end, 1)` whether there is more.
    """

    content: Content
    head: bytes
    name: str
    budget: Budget
    is_member: bool = False

    def behind(self, offset: int) -> Content:
        """The content from `offset` to its end."""
        return PartContent(self.content, offset, self.content.size - offset)


class Verdict(NamedTuple):
    """What was found at one place of a file: what was said (see `Said`), and where.

    `member` is the path inside containers (``archive/data.pkl``). For pickles, `calls` is the dotted name that
    loading calls, `imports` one that it looks up, `evidence` the opcode and byte where the file says so. `source`
    holds the pickle, as long as the recognised content can be read; `to_the_end`: it was walked whole, so that
    there is no more to find in it. `names` are all that it looks up, where they were asked for and can be told.
    """

    kind: str
    format: str
    member: str | None
    what: str
    calls: str | None = None
    imports: str | None = None
    evidence: str | None = None
    source: Content | None = None
    to_the_end: bool = False
    forced: bool = False
    names: frozenset[str] | None = None

    def pickle_bytes(self, most: int = 1024 * 1024) -> bytes:
        """Read the pickle, or its first bytes."""
        return b"" if self.source is None else self.source.read_at(0, most)
