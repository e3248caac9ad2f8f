"""What a file is, from its bytes: one question asked of every file, whatever its name.

The walker looks at the very first byte of everything, then the inspectors of all formats that the bytes could be
are asked, and what they find inside is asked the same, so that a file which is two things at once is the
dangerous one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING

from git_custody.core.content import Content
from git_custody.formats.catalog import modules_for
from git_custody.formats.pickle_opcodes import FIRST_BYTES
from git_custody.formats.verdicts import (
    CODE,
    DEPTH_AT_MOST,
    MEMBERS_AT_MOST,
    OPAQUE,
    PICKLE,
    SAFE,
    STEPS_PER_MEMBER,
    Budget,
    Member,
    Said,
    Scene,
    Verdict,
)

if TYPE_CHECKING:
    from git_custody.formats.pickles import Owns, Walk

HEAD = 4096
PICKLES_AT_MOST = 20
PICKLES_WITH_NAMES = 1000
VERDICTS_AT_MOST = 200
UNPACKED_FOR_A_TAIL = 4 * 1024 * 1024
# The inspectors that hand out everything there is, or say so; others pick out what looks like a pickle, or a sample.
COMPLETE = frozenset({"arrays", "compressed", "tars", "zips"})
ZIP_START = b"PK\x03\x04"
ZIP_END = b"PK\x05\x06"
HDF5_START = b"\x89HDF\r\n\x1a\n"
ZIP_TAIL = 65_535 + 22 + 4096  # the longest comment, the end record, and as much again as zips.TAIL says
TAR_CHECKSUM_BEGINS = b"\0 01234567+-\t\n\r\v\f\x1c\x1d\x1e\x1f\x80\xff"
LEGACY_TORCH_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

Inspect = Callable[[Scene], Iterator[Said | Member]]


def recognise(
    content: Content,
    *,
    name: str = "",
    most: int = PICKLES_AT_MOST,
    is_own: Owns | None = None,
    thorough: bool = False,
) -> tuple[Verdict, ...]:
    """Judge `content`, the file at `name`. Empty means: ordinary. `most` pickles are enough to know.

    `is_own` tells whether a top-level module is one of the repository that the file is from; it is only asked where
    a pickle hangs on that. `thorough` finds every pickle, whatever else the content is, with all `names` that it
    looks up; where some may be missing, no verdict has names.

    What is a pickle, an archive or a binary format is told by bytes alone; the name only counts for texts that
    loaders find by name, such as a `chat_template.jinja`. Reads little of most files, keeps at most a few MiB,
    and unpacks at most 256 MiB on the way. Raises nothing but the `OSError` of content that cannot be read.
    """
    if _is_plain(content, name):
        return ()
    examination = _Examination(PICKLES_WITH_NAMES if thorough else most, is_own, thorough)
    examination.of_file(content, name)
    if examination.has_left_out or examination.pickles >= PICKLES_WITH_NAMES:
        return tuple(verdict._replace(names=None) for verdict in examination.verdicts)
    return tuple(examination.verdicts)


def _is_plain(content: Content, name: str) -> bool:
    """Whether no walk and no inspector would be asked, as for most files of a repository: told here at little cost."""
    head = content.read_at(0, HEAD)
    if not head:
        return True
    if head[0] in FIRST_BYTES or modules_for(head, name) or _is_tar(head):
        return False
    begin, tail = _tail(content, head)
    return ZIP_END not in tail and (begin is None or not _has_user_block(content, begin, tail))


class _Examination:
    def __init__(self, most: int, is_own: Owns | None, thorough: bool) -> None:
        self.budget = Budget()
        self.verdicts: list[Verdict] = []
        self.pickles = 0
        self.most = most
        self.is_own = is_own
        self.thorough = thorough
        self.has_left_out = False
        self.is_full = False  # of verdicts none of which may make room
        self.opcodes: int | None = None  # that may still be read for names

    def of_file(self, content: Content, name: str) -> None:
        """Judge a file."""
        self._look(content, name, (), 0)
        if self.budget.steps < 0:
            self.has_left_out = True
            self._said(Said(OPAQUE, "", "a file that takes too long to look into", forced=True), (), "")

    def _look(self, content: Content, name: str, place: tuple[str, ...], depth: int, wrapping: str = "") -> None:
        """Judge one stretch of content."""
        if self.pickles >= self.most or self.budget.steps < 0:
            return
        head = content.read_at(0, HEAD)
        if not head:
            return
        walked = self._walk(content) if head[0] in FIRST_BYTES else None
        is_zip = head[:4] == ZIP_START
        if walked is not None and not is_zip:
            self._pickle(content, place, walked, *_name_of(walked, head, wrapping))
            if not self.thorough:
                return
        before = len(self.verdicts)
        self._inspect(content, head, name, place, depth, wrapping)
        # P takes a line, so that the first pickle in a zip may look like one of the zip itself, and other bytes of it
        # like a pickle of nothing but data, which no loader reads behind a P.
        is_one = walked is not None and is_zip and (walked.call is not None or walked.imported is not None)
        if walked is not None and is_one and not any(verdict.kind == PICKLE for verdict in self.verdicts[before:]):
            self._pickle(content, place, walked, *_name_of(walked, head, wrapping))

    def _inspect(self, content: Content, head: bytes, name: str, place: tuple[str, ...], depth: int, how: str) -> None:
        scene = Scene(content, head, name, self.budget, bool(place))
        for inspect in _inspectors(scene):
            pickles = self.pickles
            for item in inspect(scene):
                if isinstance(item, Member):
                    if not self._member(item, name, place, depth, how):
                        break
                else:
                    self._said(item, place, how)
            if self.pickles > pickles and inspect.__module__.rpartition(".")[2] not in COMPLETE:
                self.has_left_out = True

    def _member(self, member: Member, name: str, place: tuple[str, ...], depth: int, how: str) -> bool:
        """Look at a member; whether another one may follow."""
        self.budget.members -= 1
        self.budget.steps += STEPS_PER_MEMBER
        inside = place if member.name is None else (*place, member.name)
        wrapping = member.wrapping and f", {member.wrapping}"
        if member.unpickled is not None:
            known, what = member.unpickled
            walked = self._walk(member.content)
            self._pickle(member.content, inside, walked, known, what + how + wrapping)
        elif self.budget.members < 0:
            self._said(Said(OPAQUE, "", f"an archive with more than {MEMBERS_AT_MOST} members", forced=True), place, "")
        elif depth >= DEPTH_AT_MOST:
            what = f"data packed more than {DEPTH_AT_MOST} times over"
            self._said(Said(OPAQUE, "", what, forced=True), inside, "")
        else:
            before = len(self.verdicts)
            self._look(member.content, name if member.name is None else member.name, inside, depth + 1, wrapping)
            if member.obstacle is not None and (self.thorough or len(self.verdicts) == before):
                self._said(Said(OPAQUE, "", f"a member that is {member.obstacle}"), inside, "")
        return self.budget.members >= 0 and self.budget.steps >= 0 and self.pickles < self.most

    def _said(self, said: Said, place: tuple[str, ...], how: str) -> None:
        where = "!".join(place) or None
        if said.kind == SAFE and place:
            return  # what is safe inside of something else is no news
        if said.kind == OPAQUE and not self.thorough:
            worse = (v for v in self.verdicts if v.kind in (PICKLE, CODE) or (said.forced and v.forced))
            if any((v.member or "").startswith(where or "") for v in worse):
                return
        if len(self.verdicts) >= VERDICTS_AT_MOST:
            self.has_left_out = True
            if self.is_full or (said.kind == OPAQUE and not said.forced):
                return
            mild = [at for at, known in enumerate(self.verdicts) if known.kind == OPAQUE and not known.forced]
            self.is_full = not mild
            if not mild:
                return
            del self.verdicts[mild[-1]]  # many of those must not hide what is worse
        self.verdicts.append(
            Verdict(said.kind, said.format, where, said.what + how, said.calls, None, said.evidence, forced=said.forced)
        )

    def _walk(self, content: Content) -> Walk | None:
        from git_custody.formats.pickles import walk  # most files of a repository need none

        return walk(content, is_own=self.is_own, budget=self.budget)

    def _pickle(self, content: Content, place: tuple[str, ...], walked: Walk | None, known: str, what: str) -> None:
        calls = walked.call if walked else None
        imports = walked.imported if walked else None
        told = calls or imports
        if place and place[-1].rpartition("/")[2] == "data.pkl":  # PyTorch's zip keeps it there, one folder down
            known, what = "pytorch-zip", "a PyTorch checkpoint, whose index of tensors is a pickle"
        self.pickles += 1
        self.verdicts.append(
            Verdict(
                PICKLE,
                known,
                "!".join(place) or None,
                what,
                calls.dotted if calls else None,
                imports.dotted if imports else None,
                told.place if told else None,
                content,
                walked.to_the_end if walked else False,
                names=self._names(content) if self.thorough else None,
            )
        )

    def _names(self, content: Content) -> frozenset[str] | None:
        from git_custody.formats.pickle_names import OPCODES_AT_MOST, names_in

        left = OPCODES_AT_MOST if self.opcodes is None else self.opcodes
        told = names_in(content, most=left)
        self.opcodes = max(0, left - told.opcodes)
        return told.names if told.complete else None


def _inspectors(scene: Scene) -> Iterator[Inspect]:
    head = scene.head
    modules = modules_for(head, scene.name)
    for module in modules:
        yield _inspector(module)
    if _is_tar(head):
        yield _inspector("tars")
    begin, tail = _tail(scene.content, head)
    if head[:4] == ZIP_START or ZIP_END in tail:
        yield _inspector("zips")
    if begin is not None and "hdf5" not in modules and _has_user_block(scene.content, begin, tail):
        yield _inspector("hdf5")


_inspectors_known: dict[str, Inspect] = {}


def _inspector(module: str) -> Inspect:
    inspect = _inspectors_known.get(module)
    if inspect is None:
        inspect = _inspectors_known[module] = import_module(f"git_custody.formats.{module}").inspect
    return inspect


def _is_tar(head: bytes) -> bool:
    if len(head) < 512 or head[148] not in TAR_CHECKSUM_BEGINS:
        return False
    from git_custody.formats.tars import is_header

    return is_header(head[:512])


def _tail(content: Content, head: bytes) -> tuple[int | None, bytes]:
    """Where the last bytes of the content begin, and those: none of it (`None`) where it is too long to unpack."""
    if len(head) < HEAD:
        return None, head
    ends_within = getattr(content, "ends_within", None)
    if ends_within is not None and not ends_within(UNPACKED_FOR_A_TAIL):
        return None, b""
    begin = max(0, content.size - ZIP_TAIL)
    return begin, content.read_at(begin, ZIP_TAIL)


def _has_user_block(content: Content, tail_at: int, tail: bytes) -> bool:
    """Whether HDF5 begins behind a block of the user's: `catalog.py` has the marks of the smaller ones."""
    begin, end = HEAD, tail_at + len(tail)
    while begin < end:
        at = begin - tail_at
        if (tail[at : at + 8] if at >= 0 else content.read_at(begin, 8)) == HDF5_START:
            return True
        begin *= 2
    return False


def _name_of(walked: Walk, head: bytes, wrapping: str) -> tuple[str, str]:
    """The format's id and words of a pickle."""
    if LEGACY_TORCH_MAGIC in head[:16]:
        what = "a PyTorch checkpoint in the legacy format, which is a series of pickles"
        return "pytorch-legacy", what + wrapping
    if walked.imported and walked.imported.module.startswith("joblib."):
        return "joblib", f"a joblib file, which is a pickle{wrapping}"
    version = f"protocol {walked.protocol}" if walked.protocol else "protocol 0 or 1"
    return "pickle", f"a pickle ({version}){wrapping}"
