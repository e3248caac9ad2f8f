"""Is it a pickle? A walk over its opcodes that keeps stack, mark and memo, and builds nothing.

Python runs a pickle's opcodes while it reads them, so what follows a call does not matter; and opcodes
are ordinary bytes, so text and random data begin with some. A walk therefore counts as a pickle only
where the unpickler itself would have got that far: every operand there, every type possible. It leaves
literals unread and ends as soon as the answer is known.

The opcodes are those of CPython's ``Lib/pickletools.py`` (protocols 0 to 5), read as leniently as
``Modules/_pickle.c`` and ``Lib/pickle.py`` read them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from git_custody.core.content import Content
from git_custody.formats.pickle_imports import Import, exists, is_known, is_plain, telling
from git_custody.formats.pickle_lines import (
    LINE_STARTS,
    Broken,
    check_number,
    imports_in,
    length_of_repetition,
    memo_key,
    name_in,
    reads_as_text,
    text_of,
)
from git_custody.formats.pickle_opcodes import (
    ANYTHING,
    CONTAINER,
    COUNTED,
    FIRST_BYTES,
    FROM_MARK,
    LETTERED_LENGTHS,
    LINE,
    LONG_TEXT,
    LONGEST_FIXED_OPCODE,
    NAME_AT_MOST,
    NOTHING,
    NUMBER,
    PADDING,
    PUSH_KINDS,
    PUSH_STEPS,
    SIGNED_LENGTHS,
    SPECS,
    TUPLE,
    UTF8_TEXTS,
    WIDTHS,
    WINDOW,
)

if TYPE_CHECKING:
    from git_custody.formats.verdicts import Budget

OPCODES_TO_BELIEVE_A_PROTOCOL = 12
OPCODES_PER_LOOK = 256
MEMO_OPCODES_PER_LOOK = 8
OPCODES_AT_MOST = 1_000_000
STEPS_AT_MOST = 1_250_000  # as many as opcodes; but a row of plain pushes takes fewer, and a stream or import more
STEPS_OF_A_STREAM = 2
STEPS_OF_AN_IMPORT = 7
EVIDENCE_FOR_AN_IMPORT = 4
BYTES_PER_STEP = 2048  # that are read
WINDOWS_SEARCHED = 64  # for imports among lines that are passed over
LOOKS_AT_PROSE = 1000  # no prose is consistent for that long
IMPORTS_KEPT = 64
LINES_AT_MOST = 250_000
STEPS_WITH_IMPORTS_SEARCHED = 800_000
OPCODES_FOR_THE_REASON = 10_000
STACK_KEPT = 16_384
TEXT_KEPT = 128
FIRST_WINDOW = 4096
REST_READ = 512


class Walk(NamedTuple):
    """What a walk found.

    `protocol` is the highest one declared (0 where none is). `call` is the import that loading calls,
    `imported` one that it looks up; of several, the first that is not usual in checkpoints. `to_the_end`:
    all of it was walked, so that there is no call or import but those.
    """

    protocol: int
    call: Import | None
    imported: Import | None
    opcodes: int
    to_the_end: bool


# A kind of item; texts are kept, for STACK_GLOBAL, and so are imports.
Item = int | str | Import

NUMPY_MAGIC = b"\x93NUMPY"
Owns = Callable[[str], bool]


def walk(content: Content, start: int = 0, *, is_own: Owns | None = None, budget: Budget | None = None) -> Walk | None:
    """Walk `content` from `start`.

    `None` where it is no pickle, or one of protocol 0 or 1 that can neither call nor import and does not
    fill the content with at least one container. `is_own` tells whether a top-level module is one of the
    repository that the content lies in, so that it can be imported there; it is only asked where that decides.
    What is walked counts against `budget`, and the walk ends where that is used up.
    """
    return _Walker(content, start, is_own, budget).run()


class _Walker:
    def __init__(self, content: Content, start: int, is_own: Owns | None, budget: Budget | None) -> None:
        self.content = content
        self.budget = budget
        self.is_own = is_own
        self.owned: dict[str, bool] = {}
        self.window = content.read_at(start, FIRST_WINDOW)
        self.at_end = len(self.window) < FIRST_WINDOW
        self.base = start
        self.at = 0
        self.opcodes = 0
        self.steps = 0  # how many more, or fewer, they take than one each
        self.spent = 0
        self.look_at = OPCODES_PER_LOOK
        self.protocol = 0
        self.containers = 0
        self.imports: list[Import] = []
        self.odd_imports: list[Import] = []  # of names that no program could write, before protocol 2
        self.has_more_imports = False
        self.windows_searched = 0
        self.calls: list[Import] = []
        self.found = False
        self.looks_at_prose = 0
        self.firm = 0  # opcodes other than those that take any line, as a table may have on every row
        self.vague = False  # the memo may hold what is not known here
        self.old_memo: dict[int, Item] = {}
        self.memo: dict[int, Item] = {}
        self._new_stream()

    def _new_stream(self) -> None:
        self.stack: list[Item] = []
        self.marks: list[int] = []
        # An unpickler that is used again keeps its memo; most are not.
        self.old_memo.update(self.memo)
        self.memo = {}
        self.deep = False  # more was pushed than is kept: running out of items proves nothing any more
        self.buried_mark = False  # one of them may be a mark
        self.frame_end = 0  # absolute; 0 outside of frames
        self.stream_began = self.opcodes
        self.memo_opcodes = 0
        self.doubtful: Import | None = None  # an import that only looks like one until more is read
        self.evidence = 0
        self.literals = 0  # numbers and quoted or counted strings, which prose does not get right

    def run(self) -> Walk | None:
        if not self.window or self.window[0] not in FIRST_BYTES:
            return None
        to_the_end = True
        try:
            while self._stream():
                pass
        except Broken:
            to_the_end = False
        self._spend()
        if not self.found:
            return None
        return Walk(
            self.protocol, telling(self.calls), telling(self.imports or self.odd_imports), self.opcodes, to_the_end
        )

    # Reading

    def _trim(self) -> None:
        """Keep no more of the stack than what opcodes are likely to reach."""
        if len(self.stack) > STACK_KEPT:
            dropped = len(self.stack) - STACK_KEPT // 2
            del self.stack[:dropped]
            kept = [mark - dropped for mark in self.marks if mark >= dropped]
            self.buried_mark = self.buried_mark or len(kept) < len(self.marks)
            self.marks = kept
            self.deep = True
        if len(self.marks) > STACK_KEPT:
            del self.marks[: -STACK_KEPT // 2]
            self.deep = self.buried_mark = True

    def _read(self, length: int) -> bytes:
        window = self.content.read_at(self.base, length)
        if self.budget is not None:  # many values of a database may be the same bytes
            self.budget.steps -= len(window) // BYTES_PER_STEP
        return window

    def _refill(self) -> None:
        """Move the window on; leaves it short only at the end of the content."""
        self._trim()
        self.base += self.at
        self.at = 0
        self.window = self._read(WINDOW)
        # Once it is known what it is, a few more opcodes are walked for the words of the message, wherever they lie.
        while not self.found and (skipped := length_of_repetition(self.window)):
            self._note_imports(self.window[:skipped])
            self.deep = True
            self.buried_mark = self.buried_mark or bool(self.marks) or b"(" in self.window[:skipped]
            self.stack.clear()
            self.marks.clear()
            self.base += skipped
            self.window = self._read(WINDOW)
        self.at_end = len(self.window) < WINDOW

    def _note_imports(self, lines: bytes) -> None:
        """Note what is imported in what is passed over: it may be called later."""
        if lines[0] not in LINE_STARTS or not (lines[0] == 0x63 or b"\nc" in lines or b"(c" in lines):
            return
        if self.windows_searched >= WINDOWS_SEARCHED or self.opcodes + self.steps > STEPS_WITH_IMPORTS_SEARCHED:
            self.has_more_imports = True
            return
        self.windows_searched += 1
        for at, module, name in imports_in(lines):
            self._import(module, name, "GLOBAL", self.base + at)

    def _line(self) -> bytes:
        """Read the rest of the line; only its first 64 KiB where it is longer."""
        end = self.window.find(b"\n", self.at)
        if end >= 0:
            line = self.window[self.at : end]
            self.at = end + 1
            return line
        self._trim()
        self.base += self.at
        self.at = 0
        self.at_end = False
        self.window = kept = self._read(WINDOW)
        while (end := self.window.find(b"\n")) < 0:
            self.base += len(self.window)
            self.window = self._read(16 * WINDOW)
            if not self.window:
                if not kept:
                    raise Broken
                # Lib/pickle.py, which joblib and pandas use, takes the last line whole, less its last byte.
                return kept if len(kept) == WINDOW else kept[:-1]
        line = kept[:end] if kept is self.window else kept
        self.at = end + 1
        return line

    # One stream

    def _stream(self) -> bool:
        """Walk to the next STOP; whether another stream may follow. Raises `Broken`."""
        specs, steps, kinds = SPECS, PUSH_STEPS, PUSH_KINDS
        while True:
            if len(self.window) - self.at < LONGEST_FIXED_OPCODE and not self.at_end:
                self._refill()
            window, at, stack = self.window, self.at, self.stack
            end = len(window)
            if at >= end:
                raise Broken
            opcode = window[at]
            if self.frame_end:
                self._check_frame(opcode, at)
            if steps[opcode]:
                # Plain pushes are most of what long pickles hold, and all of what padded ones do.
                safe = end if self.at_end else end - LONGEST_FIXED_OPCODE + 1
                last = min(safe, at + self.look_at - self.opcodes)
                if self.frame_end:
                    last = min(last, self.frame_end - self.base)
                begin = len(stack)
                while at < last and (step := steps[opcode := window[at]]):
                    stack.append(kinds[opcode])
                    at += step
                if at > end:
                    raise Broken
                self.at = at
                count = len(stack) - begin
                self.opcodes += count
                self.firm += count
                self.steps -= (count - 1) * 7 // 8
                if not self.containers:
                    pushed = stack[begin:]
                    self.containers = CONTAINER in pushed or TUPLE in pushed
            elif opcode == 0x30 and stack and not self.marks:  # POP, inline: padding is made of it
                stack.pop()
                self.at = at + 1
                self.opcodes += 1
                self.firm += 1
            else:
                spec = specs[opcode]
                if spec is None:
                    raise Broken
                group, width, kind = spec
                self.at = at + 1
                self.opcodes += 1
                if group == COUNTED:
                    self._counted(opcode, at + 1, width, kind)
                elif group == LINE:
                    self._lined(opcode, self.base + at)
                elif group == FROM_MARK:
                    self._from_mark(opcode)
                elif opcode == 0x28:  # MARK
                    self.marks.append(len(stack))
                elif opcode == 0x2E:  # STOP
                    return self._stopped()
                else:
                    self._other(opcode, at)
            if self.opcodes >= self.look_at:
                self._look()

    def _look(self) -> None:
        """Believe that it is a pickle where that much consistency is no accident."""
        steps = self._spend()
        if self.found or (self.budget is not None and self.budget.steps < 0):
            raise Broken
        count = self.opcodes - self.stream_began
        if (
            (self.protocol >= 2 and count >= OPCODES_TO_BELIEVE_A_PROTOCOL)
            or (count >= OPCODES_PER_LOOK and self.memo_opcodes >= MEMO_OPCODES_PER_LOOK)
            or ((self.opcodes > OPCODES_AT_MOST or steps > STEPS_AT_MOST) and self.firm)
        ):
            self._believe()
        elif self.opcodes > LINES_AT_MOST and not self.firm:
            # Nothing but lines: a table whose rows all begin with `c`, or imports as padding.
            if any(not imported.name.startswith("c") for imported in self.imports) or (
                self.imports and all(map(self._is_importable, self.imports))
            ):
                self._believe()
            raise Broken
        else:
            self.look_at = self.opcodes + OPCODES_PER_LOOK

    def _spend(self) -> int:
        """Take what was walked since the last time from the budget; how many steps there have been in all."""
        steps = self.opcodes + self.steps
        if self.budget is not None:
            self.budget.steps -= steps - self.spent
        self.spent = steps
        return steps

    def _believe(self) -> None:
        if not self.found:
            self.found = True
            self.look_at = self.opcodes + OPCODES_FOR_THE_REASON

    # Frames

    def _enter_frame(self, length: int) -> None:
        begin = self.base + self.at
        if begin >= self.frame_end:
            self.frame_end = begin + length
        elif begin + length > self.frame_end and self._is_there(begin + length):
            self._believe()

    def _is_there(self, end: int) -> bool:
        return self.content.read_at(end - 1, 1) != b""

    def _check_frame(self, opcode: int, at: int) -> None:
        """Believe that it is a pickle where a frame ends inside of an opcode, which no pickler writes.

        Unpicklers differ in what they read then: from a file, `Modules/_pickle.c` passes over the rest of the
        frame, so that what follows may be other opcodes than those seen here.
        """
        room = self.frame_end - self.base - at
        if room <= 0:
            if room:
                self._believe()
            self.frame_end = 0
        elif not self.found and self._is_cut(opcode, at + 1, room - 1) and self._is_there(self.frame_end):
            self._believe()

    def _is_cut(self, opcode: int, at: int, room: int) -> bool:
        """Whether of an argument at `at` some, but not all, lies in the next `room` bytes."""
        spec = SPECS[opcode]
        if spec is None:
            return False
        group, width, _ = spec
        if group == LINE:
            for _ in range(2 if opcode in b"ci" else 1):
                end = self.window.find(b"\n", at, at + room) + 1
                if not end:  # else it lies in the window, as nearly all do
                    line = self.content.read_at(self.base + at, min(room, WINDOW))
                    end = line.find(b"\n") + 1
                    if not end:
                        return 0 < room <= WINDOW
                    end += at
                room -= end - at
                at = end
            return False
        width = width or WIDTHS.get(opcode, 0)
        if group == COUNTED and width < room:
            width += int.from_bytes(self.window[at : at + width], "little")
        return 0 < room < width

    def _stopped(self) -> bool:
        end = self.base + self.at
        self.firm += 1
        self.steps += STEPS_OF_A_STREAM
        if self.frame_end > end and self._is_there(self.frame_end):
            self._believe()
        rest = self.window[self.at : self.at + REST_READ]
        if len(rest) < REST_READ:
            rest = self.content.read_at(end, REST_READ)
        has_value = self._has_items() or self.deep
        if self._counts_when_stopped(rest, has_value):
            self._believe()
        # GET and its kin recall what the stream before them kept.
        if not has_value or not rest or not (rest[0] in FIRST_BYTES or (self.memo and rest[0] in b"ghj")):
            return False
        self._new_stream()
        return True

    def _counts_when_stopped(self, rest: bytes, has_value: bool) -> bool:
        """Whether what reached STOP, and left a value or not, is no accident; `rest` follows it."""
        complete = self.protocol >= 2 and self.opcodes - self.stream_began >= 3
        if (self.calls and self.doubtful is None) or (complete and has_value):
            return True
        if has_value and rest.startswith(NUMPY_MAGIC):
            return True  # what `numpy.load` reads one by one from a handle: a pickle of data, then an array of objects
        imported = self.doubtful or next(iter(self.imports), None)
        if imported is not None:
            # `cache`, `build`, `.venv` on three lines is a list of names, not an import of `ache.build`.
            if not rest.strip() or (is_plain(imported) and not self._may_be_prose()):
                return True
        elif has_value and self.containers and (not rest or (self.memo_opcodes > 1 and not rest.strip(PADDING))):
            return True  # dbm.dumb, for one, fills up with NULs
        return any(map(self._is_of_the_repository, (*self.imports, *self.odd_imports)))

    # Stack, mark and memo

    def _has_items(self) -> bool:
        return len(self.stack) > (self.marks[-1] if self.marks else 0)

    def _pop(self) -> Item:
        if self._has_items():
            return self.stack.pop()
        if self.deep and not self.marks:
            return ANYTHING
        raise Broken

    def _top(self) -> Item:
        item = self._pop()
        self.stack.append(item)
        return item

    def _pop_mark(self) -> list[Item]:
        if self.marks:
            mark = self.marks.pop()
        elif self.buried_mark:
            self.stack.clear()
            return [ANYTHING, ANYTHING]
        else:
            raise Broken
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def _remember(self, key: int | None) -> None:
        item = self._top()
        if key is None:
            self.vague = True
        elif len(self.memo) < STACK_KEPT or key in self.memo:
            self.memo[key] = item
        else:
            self.vague = True
        self._settled()

    def _recall(self, key: int | None) -> None:
        self.vague = self.vague or key is None
        # What MEMOIZE numbers cannot be told any more, either, where one key cannot.
        item = ANYTHING if self.vague or key is None else self.memo.get(key, self.old_memo.get(key))
        if item is None:
            raise Broken
        self.stack.append(item)
        self._settled()

    def _settled(self) -> None:
        """One more opcode that text and random bytes do not get right."""
        self.memo_opcodes += 1
        self._count_evidence()

    def _count_evidence(self) -> None:
        self.firm += 1
        if self.imports or self.calls:
            self.evidence += 1
            # Looked at less and less often: prose stays prose
            often = self.evidence & (self.evidence - 1) == 0
            if often and self.evidence >= EVIDENCE_FOR_AN_IMPORT and not self._may_be_prose():
                self._believe()

    def _may_be_prose(self) -> bool:
        """Whether a writer of words might have put down what is here, before and behind."""
        self.looks_at_prose += 1
        if self.literals or self.looks_at_prose > LOOKS_AT_PROSE:
            return False
        here = self.base + self.at
        return reads_as_text(self.content.read_at(max(0, here - 512), min(here, 512) + 512))

    # Imports and calls

    def _import(self, module: str, name: str, opcode: str, offset: int) -> Import:
        self.steps += STEPS_OF_AN_IMPORT
        found = Import(module[:NAME_AT_MOST], name[:NAME_AT_MOST], opcode, offset)
        # Prose may begin with GLOBAL too; a name that could not be written in a program has to be called.
        if len(self.imports) < IMPORTS_KEPT:
            noted = self.imports if self.protocol >= 2 or is_plain(found) else self.odd_imports
            if len(noted) < IMPORTS_KEPT:
                noted.append(found)
        elif self.protocol < 2 and is_known(module) and is_plain(found):
            self.imports[-1] = found
        if self.protocol >= 2:
            self._believe()
        return found

    def _is_importable(self, found: Import) -> bool:
        """Whether a program that loads this is likely to have the module."""
        return is_known(found.module) or self._is_of_the_repository(found)

    def _is_of_the_repository(self, found: Import) -> bool:
        root = found.module.partition(".")[0]
        if self.is_own is None or found.module == "?" or found.opcode.startswith("EXT"):
            return False
        if root not in self.owned:
            if len(self.owned) >= IMPORTS_KEPT:
                return False  # an unpickler would have ended at the first of so many that are not there
            self.owned[root] = self.is_own(root)
        return self.owned[root]

    def _call(self, target: Item, arguments: Item) -> None:
        """REDUCE and its kin. Only `Lib/pickle.py`, which dill uses, takes other sequences than a tuple."""
        if not _can_be_called(target) or arguments in (NUMBER, NOTHING):
            raise Broken
        self.stack.append(ANYTHING)
        if isinstance(target, Import):
            self._note_call(target)
            if self.literals or target.opcode.startswith("EXT"):
                sure = True
            elif arguments in (TUPLE, CONTAINER):
                sure = is_plain(target) or not self._may_be_prose()
            else:
                is_text = isinstance(arguments, str) or arguments == LONG_TEXT
                sure = is_plain(target) and (is_text or is_known(target.module) or not self._may_be_prose())
            if sure or self._is_of_the_repository(target):
                self._believe()
            else:
                self.doubtful = target
        elif (self.deep or self.vague) and (imports := (*self.imports, *self.odd_imports)):
            # Any of them may be what is called.
            sure = (arguments == TUPLE or self.buried_mark) and any(map(is_plain, imports))
            if sure or not self._may_be_prose() or self.has_more_imports or any(map(self._is_importable, imports)):
                self._believe()
        self._count_evidence()

    def _note_call(self, target: Import) -> None:
        if len(self.calls) < IMPORTS_KEPT:
            self.calls.append(target)

    def _change(self, target: Item, put: Sequence[Item]) -> None:
        """Note that something is put into an object: what was imported, such as `sys.path`, stays changed."""
        if isinstance(target, Import):
            targets: Sequence[Import] = (target,)
        elif target == ANYTHING and (self.deep or self.vague):
            targets = (*self.imports, *self.odd_imports)  # any of them may be what is changed
        else:
            return
        sure = TUPLE in put or CONTAINER in put
        for one in targets:
            if sure or (is_known(one.module) and exists(one) is not False) or not self._may_be_prose():
                if is_plain(one):
                    self._believe()
            if self._is_of_the_repository(one):
                self._believe()

    # Opcodes

    def _counted(self, opcode: int, at: int, width: int, kind: int) -> None:
        window = self.window
        begin = at + width
        if begin > len(window):
            raise Broken
        length = int.from_bytes(window[at:begin], "little", signed=opcode in SIGNED_LENGTHS)
        if length < 0:
            raise Broken
        end = begin + length
        item: Item = kind
        if end <= len(window):
            if kind == LONG_TEXT and length <= TEXT_KEPT:
                try:
                    # BINSTRING's encoding is the loader's choice; the C unpickler wants UTF-8 elsewhere.
                    item = window[begin:end].decode(
                        *(("utf-8", "surrogatepass") if opcode in UTF8_TEXTS else ("latin-1", "strict"))
                    )
                except UnicodeDecodeError:
                    raise Broken from None
            self.at = end
        else:
            if not self.content.read_at(self.base + end - 1, 1):
                raise Broken
            self.base += end
            self.window = b""
            self.at = 0
        self.stack.append(item)
        if opcode not in LETTERED_LENGTHS:
            self.literals += 1
        if kind != NUMBER:
            self._count_evidence()
        else:
            self.firm += 1

    def _lined(self, opcode: int, offset: int) -> None:
        line = self._line()
        stack = self.stack
        if opcode == 0x63 or opcode == 0x69:  # GLOBAL, INST
            module, name = name_in(line), name_in(self._line())
            if opcode == 0x63:
                stack.append(self._import(module, name, "GLOBAL", offset))
            else:
                self._inst(module, name, offset)
        elif opcode == 0x53:  # STRING
            line = line.strip(b" \t\r")
            if len(line) < 65_536 and (len(line) < 2 or line[:1] != line[-1:] or line[:1] not in b"'\""):
                raise Broken
            stack.append(text_of(line[1:-1]) if len(line) <= TEXT_KEPT else LONG_TEXT)
            self.literals += 1
            self._count_evidence()
        elif opcode == 0x56:  # UNICODE
            stack.append(text_of(line) if len(line) <= TEXT_KEPT else LONG_TEXT)
        elif opcode == 0x50:  # PERSID
            stack.append(ANYTHING)
        elif opcode == 0x67:  # GET
            self._recall(memo_key(line))
        elif opcode == 0x70:  # PUT
            self._remember(memo_key(line))
        else:
            check_number(line, opcode)
            stack.append(NUMBER)
            self.literals += 1

    def _inst(self, module: str, name: str, offset: int) -> None:
        """Note a call without tuple."""
        if not (module + name).isascii():
            raise Broken
        arguments = self._pop_mark()
        found = self._import(module, name, "INST", offset)
        self.stack.append(ANYTHING)
        self._note_call(found)
        plain = bool(self.literals) or is_plain(found)
        if self._could_run(found, bool(arguments)) or (plain and not self._may_be_prose()):
            self._believe()
        elif not plain:
            raise Broken
        else:
            self.doubtful = found
        self._count_evidence()

    def _could_run(self, found: Import, has_arguments: bool) -> bool:
        """Whether a call of it may do something, so that no look at the text around it is needed.

        No text gets the lines of a call right by accident: of the 94 000 lines with a parenthesis in front, and the
        830 000 with a `c`, in 460 000 files of a machine, one began such a call: a pickle in a test.
        """
        if found.opcode.startswith("EXT") or (is_plain(found) and (has_arguments or exists(found) is not False)):
            return True
        return self._is_of_the_repository(found)

    def _fill(self, target: Item, put: Sequence[Item]) -> None:
        if not (isinstance(target, Import) or target in (ANYTHING, CONTAINER)):
            raise Broken
        self._change(target, put)

    def _from_mark(self, opcode: int) -> None:
        items = self._pop_mark()
        self.firm += 1
        stack = self.stack
        if opcode == 0x74:  # TUPLE
            stack.append(TUPLE)
            self.containers += 1
            self._count_evidence()
        elif opcode in b"ld\x91":  # LIST, DICT, FROZENSET
            if opcode == 0x64 and len(items) % 2 and not self.deep:
                raise Broken
            stack.append(CONTAINER)
            self.containers += 1
            self._count_evidence()
        elif opcode in b"eu\x90":  # APPENDS, SETITEMS, ADDITEMS
            if opcode == 0x75 and len(items) % 2 and not self.deep:
                if len(items) > 1:  # `Lib/pickle.py` has put in the others before it misses the last one
                    self._fill(self._top(), items[:-1])
                raise Broken
            if items:
                self._fill(self._top(), items)
            else:
                self._top()
            self._settled()
        elif opcode == 0x6F:  # OBJ
            if not items:
                raise Broken
            target = items[0]
            if isinstance(target, Import) and not self._could_run(target, len(items) > 1) and self._may_be_prose():
                self.stack.append(ANYTHING)
                self.doubtful = target
            else:
                self._call(target, TUPLE if isinstance(target, Import) else ANYTHING)

    def _other(self, opcode: int, at: int) -> None:
        self.firm += 1
        width = WIDTHS.get(opcode, 0)
        argument = self.window[at + 1 : at + 1 + width]
        if len(argument) < width:
            raise Broken
        self.at = at + 1 + width
        value = int.from_bytes(argument, "little")
        stack = self.stack
        if opcode == 0x30:  # POP, which takes a mark as well
            if self.marks and self.marks[-1] >= len(stack):
                self.marks.pop()
            else:
                self._pop()
        elif opcode in b"qr":  # BINPUT, LONG_BINPUT
            self._remember(value)
        elif opcode == 0x94:  # MEMOIZE
            self._remember(len(self.memo))
        elif opcode in b"hj":  # BINGET, LONG_BINGET
            self._recall(value)
        elif opcode == 0x61:  # APPEND
            item = self._pop()
            self._fill(self._top(), [item])
            self._settled()
        elif opcode == 0x73:  # SETITEM
            item, key = self._pop(), self._pop()
            self._fill(self._top(), [key, item])
            self._settled()
        elif opcode in b"\x85\x86\x87":  # TUPLE1 to TUPLE3
            for _ in range(opcode - 0x84):
                self._pop()
            stack.append(TUPLE)
            self.containers += 1
            self._count_evidence()
        elif opcode in b"R\x81":  # REDUCE, NEWOBJ
            arguments = self._pop()
            self._call(self._pop(), arguments)
        elif opcode == 0x92:  # NEWOBJ_EX
            self._pop()
            arguments = self._pop()
            self._call(self._pop(), arguments)
        elif opcode == 0x62:  # BUILD
            state = self._pop()
            target = self._top()
            if state != NOTHING:
                self._change(target, [state])
            self._count_evidence()
        elif opcode == 0x93:  # STACK_GLOBAL
            name, module = self._pop(), self._pop()
            # What is imported may be a text, too, as `os.name` is.
            if not all(isinstance(item, (str, Import)) or item in (ANYTHING, LONG_TEXT) for item in (name, module)):
                raise Broken
            known = isinstance(module, str) and isinstance(name, str)
            texts = (str(module), str(name)) if known else ("?", "?")
            stack.append(self._import(*texts, "STACK_GLOBAL", self.base + at))
        elif opcode == 0x80:  # PROTO
            if value > 5:
                raise Broken
            self.protocol = max(self.protocol, value)
            if value >= 2 and not self.found:
                self.look_at = max(self.opcodes, self.stream_began + OPCODES_TO_BELIEVE_A_PROTOCOL)
        elif opcode in b"\x82\x83\x84":  # EXT1, EXT2, EXT4: names from the loader's copyreg registry
            if value == 0:
                raise Broken
            stack.append(Import("copyreg", f"extension {value}", f"EXT{width}", self.base + at))
            if self.protocol >= 2:
                self._believe()
        elif opcode == 0x51:  # BINPERSID
            self._pop()
            stack.append(ANYTHING)
        elif opcode == 0x32:  # DUP
            stack.append(self._top())
        elif opcode == 0x98:  # READONLY_BUFFER
            self._top()
        elif opcode == 0x95:  # FRAME
            self._enter_frame(value)


def _can_be_called(item: Item) -> bool:
    return isinstance(item, Import) or item == ANYTHING
