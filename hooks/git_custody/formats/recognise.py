"""What a file is, from its bytes: one question asked of every file, whatever its name.

The walker looks at the very first byte of everything, then containers are opened and their members
asked the same, so that a file which is two things at once is the dangerous one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from git_custody.core.content import Content
from git_custody.formats.container import DEPTH_AT_MOST, MEMBERS_AT_MOST, Budget, Member
from git_custody.formats.pickles import FIRST_BYTES, Walk, walk

HEAD = 4096
PICKLE_BYTES_AT_MOST = 1024 * 1024
PICKLES_AT_MOST = 20
OPAQUE_AT_MOST = 20
# A stream that unpacks to more than this many times its size, and to more than can be looked at, hides something.
USUAL_RATIO = 100
UNPACKED_FOR_A_TAIL = 4 * 1024 * 1024
ZIP_END = b"PK\x05\x06"
ZIP_TAIL = 65_535 + 22  # the longest comment, and the end record
TAR_CHECKSUM_BEGINS = b" 01234567+\t\n\r\v\f\x80"
LEGACY_TORCH_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


class Verdict(NamedTuple):
    """What was found at one place of a file.

    `kind` is "pickle", "opaque" for what cannot be looked into, or "unfinished" where only a limit of ours ended
    the look, as happens with files that are made for it. `member` is the path inside containers
    (``archive/data.pkl``), `what` says in plain words what it is. `calls` is the dotted name that loading
    calls, `imports` one that it looks up, `evidence` the opcode and byte where the file says so. `source`
    holds the pickle from byte `offset`, as long as the recognised content can be read; `to_the_end`: it was
    walked whole, so that there is no more to find in it.
    """

    kind: str
    member: str | None
    what: str
    calls: str | None = None
    imports: str | None = None
    evidence: str | None = None
    source: Content | None = None
    offset: int = 0
    to_the_end: bool = False

    def pickle_bytes(self) -> bytes:
        """Read the pickle, or its first MiB."""
        return b"" if self.source is None else self.source.read_at(self.offset, PICKLE_BYTES_AT_MOST)


def recognise(content: Content, *, name: str = "") -> tuple[Verdict, ...]:
    """Judge `content`; `name` never changes a verdict, only its words. Empty means: ordinary.

    Reads little of most files, keeps at most a few MiB, and unpacks at most 256 MiB on the way. Raises
    nothing but the `OSError` of content that cannot be read.
    """
    examination = _Examination()
    examination.look(content, (), 0)
    return tuple(examination.verdicts)


class _Examination:
    def __init__(self) -> None:
        self.budget = Budget()
        self.verdicts: list[Verdict] = []
        self.pickles = 0
        self.opaque = 0

    def look(self, content: Content, place: tuple[str, ...], depth: int, wrapping: str = "") -> bool:
        """Judge one stretch of content; whether something was said about it."""
        before = len(self.verdicts)
        if self.pickles >= PICKLES_AT_MOST:
            return True
        head = content.read_at(0, HEAD)
        if not head:
            return False
        if head[0] in FIRST_BYTES:
            walked = walk(content)
            if walked is not None:
                if head[:4] == b"PK\x03\x04":
                    # P takes a line, so that the first pickle in a zip may look like one of the zip itself.
                    self._containers(content, head, place, depth, wrapping)
                if not any(verdict.kind == "pickle" for verdict in self.verdicts[before:]):
                    self._pickle(content, place, walked, _name_of(walked, head, wrapping))
                return True
        if head[:6] == b"\x93NUMPY":
            self._arrays(content, place, wrapping)
        else:
            self._containers(content, head, place, depth, wrapping)
        return len(self.verdicts) > before

    def _pickle(self, content: Content, place: tuple[str, ...], walked: Walk | None, what: str, at: int = 0) -> None:
        calls = walked.call if walked else None
        imports = walked.imported if walked else None
        told = calls or imports
        self.pickles += 1
        self.verdicts.append(
            Verdict(
                "pickle",
                "!".join(place) or None,
                what,
                calls.dotted if calls else None,
                imports.dotted if imports else None,
                f"{told.opcode} '{told.module} {told.name}' at byte {told.offset}" if told else None,
                content,
                at,
                walked.to_the_end if walked else False,
            )
        )

    def _opaque(self, place: tuple[str, ...], what: str) -> None:
        self.opaque += 1
        if self.opaque <= OPAQUE_AT_MOST:
            self.verdicts.append(Verdict("opaque", "!".join(place) or None, what))

    def _unfinished(self, place: tuple[str, ...], what: str) -> None:
        if not any(verdict.kind == "unfinished" for verdict in self.verdicts):
            self.verdicts.append(Verdict("unfinished", "!".join(place) or None, what))

    def _arrays(self, content: Content, place: tuple[str, ...], wrapping: str) -> None:
        from git_custody.formats.arrays import arrays

        end: int | None = None
        for array in arrays(content):
            if array.holds_objects:
                what = "a NumPy array of Python objects, which is a pickle" + wrapping
                self._pickle(content, place, walk(content, array.data_at), what, array.data_at)
                return
            end = array.end
        if end is not None:
            walked = walk(content, end)
            if walked is not None:
                self._pickle(content, place, walked, f"a pickle behind a NumPy array{wrapping}", end)

    def _containers(self, content: Content, head: bytes, place: tuple[str, ...], depth: int, wrapping: str) -> None:
        from git_custody.formats import compressed

        if head[0] in compressed.FIRST_BYTES or compressed.may_be_lzma(head):
            unpacked = compressed.unpack(content, head, self.budget)
            if unpacked is not None:
                if depth >= DEPTH_AT_MOST:
                    self._unfinished(place, f"{unpacked.how} data, packed more than {DEPTH_AT_MOST} times over")
                    return
                said = self.look(unpacked, place, depth + 1, f", compressed with {unpacked.how}")
                if unpacked.cut_short and not said:
                    what = f"{unpacked.how} data, more than can be unpacked here"
                    if unpacked.size > USUAL_RATIO * content.size:
                        self._unfinished(place, what)
                    else:
                        self._opaque(place, what)
                return
            if unreadable := compressed.opaque(head):
                self._opaque(place, f"{unreadable} data, which cannot be unpacked here")
        if len(head) >= 512 and head[148] in TAR_CHECKSUM_BEGINS:
            from git_custody.formats import tars

            if tars.is_header(head[:512]):
                self._members(tars.members(content), place, depth, "tar")
        begins_as_zip = head[:4] == b"PK\x03\x04"
        if begins_as_zip or self._may_end_as_zip(content):
            size = content.size
            tail_at = max(0, size - ZIP_TAIL)
            tail = head if size <= len(head) else content.read_at(tail_at, ZIP_TAIL)
            if begins_as_zip or ZIP_END in tail:
                from git_custody.formats import zips

                self._members(zips.members(content, tail_at, tail, self.budget), place, depth, "zip")

    def _may_end_as_zip(self, content: Content) -> bool:
        """Whether it is affordable to look for the end record; unpacking is not, without limit."""
        from git_custody.formats.compressed import Unpacked

        if not isinstance(content, Unpacked):
            return True
        if self.budget.tails <= 0:
            return False
        if content.ends_within(UNPACKED_FOR_A_TAIL):
            self.budget.tails -= content.size
            return True
        self.budget.tails -= UNPACKED_FOR_A_TAIL
        return False

    def _members(self, members: Iterable[Member], place: tuple[str, ...], depth: int, how: str) -> None:
        if depth >= DEPTH_AT_MOST:
            self._unfinished(place, f"a {how} archive inside {DEPTH_AT_MOST} others")
            return
        for member in members:
            self.budget.members -= 1
            if self.pickles >= PICKLES_AT_MOST:
                return
            if self.budget.members < 0:
                self._unfinished(place, f"a {how} archive with more than {MEMBERS_AT_MOST} members")
                return
            inside = (*place, member.name)
            said = self.look(member.content, inside, depth + 1)
            if said and how == "zip":
                self._name_torch(member.name, inside)
            if not said and member.obstacle:
                self._opaque(inside, f"a member of a {how} archive that is {member.obstacle}")

    def _name_torch(self, name: str, inside: tuple[str, ...]) -> None:
        """PyTorch's zip keeps its pickle in `data.pkl`, one folder down."""
        last = self.verdicts[-1]
        if last.kind == "pickle" and last.member == "!".join(inside) and name.rpartition("/")[2] == "data.pkl":
            self.verdicts[-1] = last._replace(what="a PyTorch checkpoint, whose index of tensors is a pickle")


def _name_of(walked: Walk, head: bytes, wrapping: str) -> str:
    if LEGACY_TORCH_MAGIC in head[:16]:
        return f"a PyTorch checkpoint in the legacy format, which is a series of pickles{wrapping}"
    if walked.imported and walked.imported.module.startswith("joblib."):
        return f"a joblib file, which is a pickle{wrapping}"
    version = f"protocol {walked.protocol}" if walked.protocol else "protocol 0 or 1"
    return f"a pickle ({version}){wrapping}"
