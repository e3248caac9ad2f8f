"""Which names does a pickle look up? All of them, or the admission that they cannot be told.

An exception for a pickle rests on this, so that it must never tell too few. The walk in `pickles.py` ends as
soon as it knows that there is a pickle; this one reads every stream to its end, and gives up where loaders
could read the same bytes in two ways: frames that end inside of an opcode, missing operands, anything behind the
end (a loader may take bytes there that are no opcodes, and then unpickle again). Only PyTorch's legacy
checkpoints, whose loader does so in a known way (``torch/serialization.py``), may go on behind their end.

Names are told as they are written, and for protocols before 3 also as Python 3 renames them
(``Lib/_compat_pickle.py``). The opcodes are those of ``Lib/pickletools.py``. Nothing is looked up or imported.
"""

from __future__ import annotations

from typing import NamedTuple

from git_custody.core.content import Content
from git_custody.formats.pickle_opcodes import (
    COUNTED,
    FIRST_BYTES,
    FROM_MARK,
    LINE,
    LONG_TEXT,
    LONGEST_FIXED_OPCODE,
    NAME_AT_MOST,
    PADDING,
    PUSH,
    PUSH_STEPS,
    SIGNED_LENGTHS,
    SPECS,
    UTF8_TEXTS,
    WIDTHS,
    WINDOW,
)

OPCODES_AT_MOST = 2_500_000
PUSHES_PER_OPCODE = 4  # plain pushes are quickly read
OPCODES_PER_STREAM = 3  # that another stream costs
STACK_KEPT = 32_768
NAMES_AT_MOST = 1000
TEXT_KEPT = 128
LONGER_TEXTS_KEPT = 2000
MEMO_KEPT = 65_536
OF_NUMBERS = b"0123456789+-_ \t\r\v\f"  # what some unpickler takes for one
LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
LEGACY_TORCH_STREAMS = 5
ARRAYS_BETWEEN = "joblib keeps the numbers of arrays between its opcodes"

# Kinds of item, beside texts: never a string; perhaps one; made by the loader from a persistent id; not kept.
NO_TEXT, UNSURE, PERSISTENT, LOST = range(4)
Item = int | str


class Names(NamedTuple):
    """The names that a pickle looks up.

    `names` are dotted, as in a program, but for those that lead on from an attribute (``sklearn.base:os.system``).
    `obstacle` says why there may be more, in words that complete "its names cannot be told, because …"; None where
    there are no more. `opcodes` is how many were read.
    """

    names: frozenset[str]
    obstacle: str | None
    opcodes: int

    @property
    def complete(self) -> bool:
        """Whether these are all names."""
        return self.obstacle is None


def names_in(content: Content, start: int = 0, *, most: int = OPCODES_AT_MOST) -> Names:
    """Read all streams of the pickle at `start` of `content`, or as many as `most` opcodes fill."""
    told = Reader(content, start, most).run()
    if told.obstacle == ARRAYS_BETWEEN:
        from git_custody.formats.joblib_names import names_between_arrays

        return names_between_arrays(content, start, most)
    return told


class Untold(Exception):
    """The names cannot be told; the argument says why."""


class Broken(Untold):
    """Every unpickler stops here, with an error."""


class Reader:
    """Reads opcodes, and keeps what a name may be made of."""

    def __init__(self, content: Content, start: int, most: int) -> None:
        self.content = content
        self.most = most
        self.start = start
        self.base = start
        self.at = 0
        self.window = content.read_at(start, WINDOW)
        self.at_end = len(self.window) < WINDOW
        self.opcodes = 0
        self.streams = 0
        self.names: set[str] = set()
        self.looked_up = 0
        self.longer_texts = 0
        self.has_persistent = False
        self.has_broken = False
        self._new_stream()

    def _new_stream(self) -> None:
        self.stack: list[Item] = []
        self.marks: list[int] = []
        self.deep = False  # the lower part of the stack is not known any more
        self.frame_end = 0
        self.protocol = 0
        self.memo: dict[int, Item] = {}
        self.beyond_memo = 0  # keys that are not kept
        self.counts_memo = True  # how many keys there are is known

    def run(self) -> Names:
        """Read to the end, or as far as can be told."""
        obstacle = None
        try:
            while self.stream():
                self._new_stream()
            if self.streams > 1 and not self._is_legacy_torch():
                raise Untold("something else follows its end")
        except Untold as untold:
            obstacle = str(untold)
            self.has_broken = isinstance(untold, Broken)
        return Names(frozenset(self.names), obstacle, self.opcodes)

    @property
    def position(self) -> int:
        """The byte of the content that is read next."""
        return self.base + self.at

    # Reading

    def _refill(self) -> None:
        self.base += self.at
        self.at = 0
        self.window = self.content.read_at(self.base, WINDOW)
        self.at_end = len(self.window) < WINDOW
        if len(self.stack) > STACK_KEPT:
            dropped = len(self.stack) - STACK_KEPT // 2
            del self.stack[:dropped]
            self.marks = [mark - dropped for mark in self.marks if mark >= dropped]
            self.deep = True
        if len(self.marks) > STACK_KEPT:
            raise Untold("it opens more lists than are kept")

    def _line(self) -> bytes:
        """Read the rest of the line; only its first 64 KiB where it is longer."""
        end = self.window.find(b"\n", self.at)
        if end >= 0:
            line = self.window[self.at : end]
            self.at = end + 1
            return line
        self._refill()
        kept = self.window
        while (end := self.window.find(b"\n")) < 0:
            self.base += len(self.window)
            self.window = self.content.read_at(self.base, WINDOW)
            self.at_end = len(self.window) < WINDOW
            if not self.window:
                raise Broken("it ends in the middle of an opcode")
        self.at = end + 1
        return kept[:end] if kept is self.window else kept

    # One stream

    def stream(self) -> bool:
        """Read to the next STOP; whether another stream follows."""
        while True:
            if len(self.window) - self.at < LONGEST_FIXED_OPCODE and not self.at_end:
                self._refill()
            at = self.at
            if at >= len(self.window):
                raise Broken("it has no end")
            opcode = self.window[at]
            spec = SPECS[opcode]
            if spec is None:
                raise Broken("it breaks off")
            group, width, kind = spec
            if group == PUSH:
                self._push(at)
            else:
                self.opcodes += 1
                self.at = at + 1
                if group == COUNTED:
                    self._counted(opcode, width, kind)
                elif group == LINE:
                    self._lined(opcode)
                elif group == FROM_MARK:
                    self._from_mark(opcode)
                elif opcode == 0x2E:  # STOP
                    return self._stopped()
                else:
                    self._other(opcode)
            if self.opcodes > self.most:
                raise Untold("it is too long")
            if self.frame_end and (begin := self.base + self.at) >= self.frame_end:
                if begin > self.frame_end:
                    raise Untold("one of its frames ends inside of an opcode")
                self.frame_end = 0

    def _push(self, at: int) -> None:
        """Take plain pushes, of which there may be many."""
        window, steps = self.window, PUSH_STEPS
        last = len(window) if self.at_end else len(window) - LONGEST_FIXED_OPCODE + 1
        if self.frame_end:
            last = min(last, self.frame_end - self.base)
        count = 0
        while at < last and (step := steps[window[at]]):
            if window[at] == 0x97:  # NEXT_BUFFER
                raise Untold("it takes buffers from elsewhere")
            at += step
            count += 1
        if at > len(window):
            raise Broken("it ends in the middle of an opcode")
        self.stack.extend([NO_TEXT] * count)
        self.opcodes += count // PUSHES_PER_OPCODE + 1
        self.at = at

    def _stopped(self) -> bool:
        self._pop()
        self.streams += 1
        self.opcodes += OPCODES_PER_STREAM
        end = self.base + self.at
        if self.frame_end > end:
            raise Untold("one of its frames goes on behind its end")
        following = self.content.read_at(end, 1)
        if self._is_legacy_torch():
            self._read_tensors(following)
            return False
        if following and following[0] in FIRST_BYTES:
            return True
        rest = self.content.read_at(end, WINDOW)
        if rest.strip(PADDING) or len(rest) == WINDOW:
            raise Untold("something else follows its end")
        return False

    def _is_legacy_torch(self) -> bool:
        return (
            self.streams == LEGACY_TORCH_STREAMS and self.content.read_at(self.start, len(LEGACY_TORCH)) == LEGACY_TORCH
        )

    def _read_tensors(self, following: bytes) -> None:
        """Pass over what `torch.load` reads as numbers, if no other loader would look a name up there."""
        if not following or following[0] not in FIRST_BYTES:
            return
        before = self.looked_up
        self._new_stream()
        try:
            self.stream()
        except Untold:
            if self.looked_up == before:
                return
            raise
        raise Untold("something else follows its end")

    # Stack, mark and memo

    def _pop(self) -> Item:
        stack = self.stack
        if len(stack) > (self.marks[-1] if self.marks else 0):
            return stack.pop()
        if self.deep and not self.marks:
            return LOST
        raise Broken("it takes what is not there")

    def _pop_mark(self) -> list[Item]:
        if self.marks:
            mark = self.marks.pop()
            items = self.stack[mark:]
            del self.stack[mark:]
            return items
        if not self.deep:
            raise Broken("it takes what is not there")
        self.stack.clear()
        return [LOST]

    def _top(self) -> Item:
        item = self._pop()
        self.stack.append(item)
        return item

    def _remember(self, key: int, is_next: bool = False) -> None:
        item = self._top()
        if key in self.memo or len(self.memo) < MEMO_KEPT:
            self.memo[key] = item
        else:
            self.beyond_memo += 1
            self.counts_memo = self.counts_memo and is_next

    def _recall(self, key: int) -> None:
        item = self.memo.get(key)
        if item is None:
            if not self.beyond_memo:
                raise Broken("it takes what is not there")
            item = LOST
        self.stack.append(item)

    # Names

    def _look_up(self, module: str, name: str) -> Item:
        self.looked_up += 1
        if not module or not name or max(len(module), len(name)) > NAME_AT_MOST:
            raise Untold("a name is no name, or too long")
        self.names.add(dotted(module, name))
        if self.protocol < 3:
            self.names.add(renamed(module, name))
        if len(self.names) > NAMES_AT_MOST:
            raise Untold("there are too many names")
        if "ArrayWrapper" in name or "numpy_pickle" in f"{module}.{name}":
            return self._array(module, name)
        return UNSURE

    def _array(self, module: str, name: str) -> Item:
        raise Untold(ARRAYS_BETWEEN)

    def _call(self, target: Item) -> None:
        if target == PERSISTENT or (target == LOST and self.has_persistent):
            raise Untold("it calls what its loader makes of an id")
        self.stack.append(UNSURE)

    def _persistent(self) -> None:
        self.has_persistent = True
        self.stack.append(PERSISTENT)

    # Opcodes

    def _counted(self, opcode: int, width: int, kind: int) -> None:
        begin = self.at + width
        length = int.from_bytes(self.window[self.at : begin], "little", signed=opcode in SIGNED_LENGTHS)
        if begin > len(self.window) or length < 0:
            raise Broken("it ends in the middle of an opcode")
        if begin + length > len(self.window) and not self.at_end:
            self._refill()
            begin = width
        end = begin + length
        if kind != LONG_TEXT:
            self.stack.append(NO_TEXT)
        elif length > NAME_AT_MOST:
            self.stack.append(UNSURE)
        else:
            self.stack.append(self._text(self.window[begin:end], opcode))
        self.at = end
        if end > len(self.window):
            self._refill()

    def _text(self, raw: bytes, opcode: int) -> Item:
        """The text, where it is the same for every loader and short enough to be a name."""
        if len(raw) > TEXT_KEPT:
            self.longer_texts += 1
            if len(raw) > NAME_AT_MOST or self.longer_texts > LONGER_TEXTS_KEPT:
                return UNSURE
        try:
            return raw.decode("utf-8" if opcode in UTF8_TEXTS else "ascii")
        except UnicodeDecodeError:
            return UNSURE

    def _lined(self, opcode: int) -> None:
        line = self._line()
        if opcode in b"ci":  # GLOBAL, INST
            try:
                other = self._line()
            except Broken as broken:
                raise Untold(str(broken)) from None  # some unpicklers take what is left for a line
            try:
                module, name = (part.decode("utf-8" if opcode == 0x63 else "ascii") for part in (line, other))
            except UnicodeDecodeError:
                raise Untold("a name is no name, or too long") from None
            if opcode == 0x69:
                self._pop_mark()
            self.stack.append(self._look_up(module, name))
        elif opcode == 0x56:  # UNICODE
            self.stack.append(UNSURE if b"\\" in line else self._text(line, opcode))
        elif opcode == 0x53:  # STRING
            quoted = len(line) >= 2 and line[:1] == line[-1:] and line[:1] in b"'\"" and b"\\" not in line
            self.stack.append(self._text(line[1:-1], opcode) if quoted else UNSURE)
        elif opcode == 0x50:  # PERSID
            self._persistent()
        elif opcode in b"gp":  # GET, PUT
            if not line.isdigit() or len(line) > 12:
                is_none = line.partition(b"\0")[0].strip(OF_NUMBERS)
                raise (Broken if is_none else Untold)("it counts in an unusual way")
            if opcode == 0x67:
                self._recall(int(line))
            else:
                self._remember(int(line))
        else:
            self.stack.append(NO_TEXT)

    def _from_mark(self, opcode: int) -> None:
        items = self._pop_mark()
        if opcode in b"tld\x91":  # TUPLE, LIST, DICT, FROZENSET
            self.stack.append(NO_TEXT)
        elif opcode in b"eu\x90":  # APPENDS, SETITEMS, ADDITEMS
            self._top()
        elif opcode == 0x6F:  # OBJ
            if not items:
                raise Broken("it takes what is not there")
            self._call(items[0])

    def _other(self, opcode: int) -> None:
        width = WIDTHS.get(opcode, 0)
        argument = self.window[self.at : self.at + width]
        if len(argument) < width:
            raise Broken("it ends in the middle of an opcode")
        self.at += width
        value = int.from_bytes(argument, "little")
        stack = self.stack
        if opcode == 0x94:  # MEMOIZE
            if not self.counts_memo:
                raise Untold("it counts in an unusual way")
            self._remember(len(self.memo) + self.beyond_memo, is_next=True)
        elif opcode in b"qr":  # BINPUT, LONG_BINPUT
            self._remember(value)
        elif opcode in b"hj":  # BINGET, LONG_BINGET
            self._recall(value)
        elif opcode == 0x28:  # MARK
            self.marks.append(len(stack))
        elif opcode in b"\x85\x86\x87":  # TUPLE1 to TUPLE3
            for _ in range(opcode - 0x84):
                self._pop()
            stack.append(NO_TEXT)
        elif opcode in b"R\x81":  # REDUCE, NEWOBJ
            self._pop()
            self._call(self._pop())
        elif opcode == 0x92:  # NEWOBJ_EX
            self._pop()
            self._pop()
            self._call(self._pop())
        elif opcode == 0x61:  # APPEND
            self._pop()
            self._top()
        elif opcode == 0x62:  # BUILD
            self._build()
        elif opcode == 0x73:  # SETITEM
            self._pop()
            self._pop()
            self._top()
        elif opcode == 0x93:  # STACK_GLOBAL
            self._stack_global()
        elif opcode == 0x30:  # POP, which takes a mark as well
            if self.marks and self.marks[-1] >= len(stack):
                self.marks.pop()
            else:
                self._pop()
        elif opcode == 0x32:  # DUP
            stack.append(self._top())
        elif opcode == 0x51:  # BINPERSID
            self._pop()
            self._persistent()
        elif opcode == 0x80:  # PROTO
            if value > 5:
                raise Untold("its protocol is not known")
            self.protocol = value
        elif opcode == 0x95:  # FRAME
            if self.frame_end:
                raise Untold("one of its frames begins inside of another")
            self.frame_end = self.base + self.at + value
        elif opcode in b"\x82\x83\x84":  # EXT1, EXT2, EXT4
            self.looked_up += 1
            raise Untold(f"what extension code {value} stands for is up to its loader")
        else:  # READONLY_BUFFER
            self._top()

    def _build(self) -> None:
        self._pop()
        self._top()

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        self.looked_up += 1
        if not (isinstance(name, str) and isinstance(module, str)):
            untold = Broken if NO_TEXT in (name, module) else Untold
            raise untold("a name is only computed while it is loaded")
        self.stack.append(self._look_up(module, name))


def renamed(module: str, name: str) -> str:
    """What an unpickler of Python 3 makes of a name in a pickle of protocol 0, 1 or 2."""
    from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return dotted(module, name)


def dotted(module: str, name: str) -> str:
    """A name as in a program; behind a colon where it leads on from an attribute, as `sklearn.base:os.system` does."""
    return f"{module}:{name}" if "." in name else f"{module}.{name}"
