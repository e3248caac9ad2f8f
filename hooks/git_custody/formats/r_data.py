"""R's serialised objects: .rds and .RData files, which can hold code that runs when the object is first used.

Vectors, data frames, calls, functions and environments are data until somebody calls or evaluates them, and saved
model fits are full of those. A promise is different: R evaluates it as soon as the name it was loaded under is
used (CVE-2024-27322; R 4.4.0 refuses only those at the very top). R itself writes promises into the environments
of functions and nowhere else. A workspace can also bring a `.First`, which R runs when it starts, or functions of
its own in the place of R's.

The layout is that of ``src/main/serialize.c`` (`ReadItem`, `ReadBC`; "Serialization Formats" in R Internals),
versions 2 and 3, in its three encodings: XDR, native binary, ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from git_custody.core.content import Content
from git_custody.formats.verdicts import CODE, MALFORMED, OPAQUE, Member, Said, Scene

ID = "r-object"
WINDOW = 256 * 1024
STRINGS_AT_MOST = 5_000_000
STRINGS_FOR_AN_OBJECT = 6  # what looking at any other object costs
STRINGS_FOR_A_SYMBOL = 10
STRINGS_PER_STEP = 4
ASCII_BYTES_AT_MOST = 64 * 1024 * 1024
ASCII_BYTES_PER_STEP = 96
BYTES_FOR_AN_ESCAPED_TEXT = 256  # what a text with escapes costs beside those of other bytes, and each character
BYTES_FOR_AN_ESCAPED_CHARACTER = 6
WORDS_ONE_BY_ONE = 8
LONGEST_USUAL_WORD = 24
SYMBOLS_KEPT = 16_384
NAME_AT_MOST = 256
PENDING_AT_MOST = 200_000

WORKSPACE = re.compile(rb"RD[ABX][23]\n")
OLD_WORKSPACE = re.compile(rb"RD[ABX]1\n")
BLANK = re.compile(rb"\s*")
WORD = re.compile(rb"\s*(\S{1,255})")
STRING = re.compile(rb"\s*(\d{1,9})\s+(\d{1,9})\s+")  # what stands in front of one that is not empty
# So many characters of a string in ASCII, each as it is or with C's escapes.
CHARACTERS = tuple(
    (4**power, re.compile(rb"(?:[^\\]|\\(?:[0-7]{1,3}|.)){%d}" % 4**power, re.DOTALL)) for power in range(7, -1, -1)
)
ENCODINGS = {b"X\n": "xdr", b"B\n": "native", b"A\n": "ascii"}

# SEXPTYPEs of `Rinternals.h`, and the codes that only streams have, of `serialize.c`.
SYMBOL, PAIRLIST, CLOSURE, ENVIRONMENT, PROMISE, CALL, SPECIAL, BUILTIN, CHARS = range(1, 10)
LOGICALS, INTEGERS, REALS, COMPLEXES, STRINGS, DOTS = 10, 13, 14, 15, 16, 17
LIST, EXPRESSIONS, BYTECODE, EXTERNAL_POINTER, WEAK_REFERENCE, RAW, OBJECT = range(19, 26)
ALTREP, ATTRIBUTED_PAIRLIST, ATTRIBUTED_CALL = 238, 239, 240
REPEATED, REPEATABLE = 243, 244
PERSISTENT, PACKAGE, NAMESPACE = 247, 248, 249
UNBOUND, REFERENCE = 252, 255
CONSTANTS = frozenset((241, 242, 250, 251, 252, 253, 254))
WIDTHS = {LOGICALS: 4, INTEGERS: 4, REALS: 8, COMPLEXES: 16, RAW: 1}
TOKENS = {LOGICALS: 1, INTEGERS: 1, REALS: 1, COMPLEXES: 2, RAW: 1}
PAIRS = frozenset((PAIRLIST, CLOSURE, PROMISE, CALL, DOTS))
EVALUATED = frozenset((SYMBOL, CALL, BYTECODE, PROMISE, REFERENCE))
PAIRS_IN_BYTECODE = frozenset((PAIRLIST, CALL, REPEATABLE, ATTRIBUTED_CALL, ATTRIBUTED_PAIRLIST))

# Where an item stands: where using the loaded object reaches it, as the list or table of an environment's bindings,
# where R itself keeps promises or what is only evaluated on demand, or as the list of what a workspace binds.
VALUE, BINDINGS, QUOTED, WORKSPACE_BINDINGS = range(4)
# What is to be read next.
ITEMS, FORCED, EVALUATES, BOUND, BYTECODE_BODY, BYTECODE_CONSTANTS, BYTECODE_PAIR = range(7)

RUN_BY_R = {".First": "runs when it starts", ".Last": "runs when it quits"}
_CALLED = (
    "( { if for while repeat function return <- <<- = + - * / ^ ! == != < > <= >= & && | || : :: ::: [ [[ $ @ [<- [[<- "
    "$<- %in% c list vector print cat paste paste0 format names length class inherits is.null is.na attr attributes "
    "library require requireNamespace loadNamespace source load readRDS save saveRDS ls rm get exists assign attach "
    "q quit data.frame head tail str invisible lapply sapply vapply Map do.call eval identity message warning stop "
    "print.default print.data.frame print.function print.lm print.factor format.data.frame summary.data.frame "
    "[.data.frame [[.data.frame $.data.frame $<-.data.frame [<-.data.frame dim.data.frame"
)
EVERYBODY_CALLS = frozenset(_CALLED.split())


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Walk the objects of an R file and look for what runs by itself."""
    head = scene.head
    if OLD_WORKSPACE.match(head):
        yield Said(OPAQUE, ID, "an R workspace in the format of R before 1.4, which cannot be looked into here")
        return
    is_workspace = WORKSPACE.match(head) is not None
    start = 5 if is_workspace else int(head.startswith(b"\nA\n"))
    encoding = ENCODINGS.get(head[start : start + 2])
    if encoding is None:
        return
    walker = _walker(scene, start + 2, encoding, is_workspace)
    if walker is None:
        if is_workspace:
            yield Said(MALFORMED, ID, "an R workspace whose header is not valid")
        return
    most = walker.left
    try:
        walker.run()
    except _Found as found:
        yield Said(CODE, ID, found.what, found.calls, found.evidence)
    except _TooMuch:
        yield Said(OPAQUE, ID, "R data with more objects than are looked at")
    except _Broken:
        if getattr(scene.content, "obstacle", None) is None:  # where it could all be unpacked
            yield Said(MALFORMED, ID, f"R data that are not valid from byte {walker.reader.position} on")
    finally:
        scene.budget.steps -= (most - walker.left) // STRINGS_PER_STEP + walker.reader.steps


class _Broken(Exception):
    """R would stop here with an error."""


class _TooMuch(Exception):
    """More than is looked at."""


class _Found(Exception):
    def __init__(self, what: str, calls: str | None, evidence: str) -> None:
        self.what, self.calls, self.evidence = what, calls, evidence


class _Reader:
    """Reads the numbers and strings of the binary encodings, in order.

    `string_cost`: what one of many strings costs, in those of this encoding. `steps`: what it took beside.
    """

    string_cost = 1
    steps = 0

    def __init__(self, content: Content, at: int, order: str = ">") -> None:
        self._content = content
        self._base = at
        self._at = 0
        self._window = content.read_at(at, 4096)
        self._order = "big" if order == ">" else "little"

    @property
    def position(self) -> int:
        """Where in the content it is."""
        return self._base + self._at

    def integer(self) -> int:
        """Read one integer, signed."""
        return int.from_bytes(self.raw(4), self._order, signed=True)  # type: ignore[arg-type]

    def raw(self, length: int) -> bytes:
        """Read that many bytes; not for more than a window."""
        end = self._at + length
        if end > len(self._window):
            self._base += self._at
            self._at, end = 0, length
            self._window = self._content.read_at(self._base, WINDOW)
            if end > len(self._window):
                raise _Broken
        data = self._window[self._at : end]
        self._at = end
        return data

    def skip(self, length: int) -> None:
        """Pass that many bytes over."""
        if self._at + length <= len(self._window):
            self._at += length
            return
        if not self._content.read_at(self.position + length - 1, 1):
            raise _Broken
        self._base += self._at + length
        self._window, self._at = b"", 0

    def vector(self, kind: int, length: int) -> None:
        """Pass the elements of an atomic vector over."""
        self.skip(length * WIDTHS[kind])

    def text(self, length: int) -> str:
        """Read a string, or only its beginning."""
        kept = self.raw(min(length, NAME_AT_MOST))
        self.skip(length - len(kept))
        return kept.decode("utf-8", "replace")

    def strings(self, count: int) -> int:
        """Pass the plainest strings over, as long as they are; how many."""
        passed = 0
        order = self._order
        while passed < count:
            window, at = self._window, self._at
            last = len(window) - 8
            begin = passed
            while at <= last and passed < count:
                low = window[at + 3] if order == "big" else window[at]
                flags = window[at + 2] if order == "big" else window[at + 1]
                if low != CHARS or flags & 0x02:
                    self._at = at
                    return passed
                length = int.from_bytes(window[at + 4 : at + 8], order)  # type: ignore[arg-type]
                if length == 0xFFFFFFFF:
                    length = 0
                elif length > 0x7FFFFFFF:
                    raise _Broken
                at += 8 + length
                passed += 1
            if at <= len(window):
                self._at = at
            else:
                self._at = len(window)
                self.skip(at - len(window))
            if passed == begin and passed < count:
                ahead = self._content.read_at(self.position, WINDOW)
                if len(ahead) < 8:
                    raise _Broken
                self._base, self._window, self._at = self.position, ahead, 0
        return passed


class _AsciiReader(_Reader):
    """Reads the ASCII encoding: words with white space between, strings with C's escapes."""

    string_cost = 6

    def __init__(self, content: Content, at: int) -> None:
        super().__init__(content, at)
        self._left = ASCII_BYTES_AT_MOST
        self._at_end = False

    @property
    def steps(self) -> int:  # type: ignore[override]
        """What reading took."""
        return (ASCII_BYTES_AT_MOST - self._left) // ASCII_BYTES_PER_STEP

    def integer(self) -> int:
        """Read one integer, where R writes NA for the lowest."""
        word = self._word()
        if word == b"NA":
            return -(1 << 31)
        if len(word) > 12 or not re.fullmatch(rb"[+-]?\d+", word):
            raise _Broken
        return int(word)

    def vector(self, kind: int, length: int) -> None:
        """Pass the elements of an atomic vector over."""
        length *= TOKENS[kind]
        while length > WORDS_ONE_BY_ONE:
            self._fill(WINDOW // 2)
            ahead = self._window[self._at : self._at + LONGEST_USUAL_WORD * length]
            if self._at + len(ahead) < len(self._window) or not self._at_end:
                # The last word may go on behind it.
                ahead = ahead[: max(ahead.rfind(b"\n"), ahead.rfind(b" ")) + 1]
            words = ahead.split(None, length)
            if not words:
                raise _Broken
            behind = len(words[length]) if len(words) > length else 0
            self._at += len(ahead) - behind
            length -= min(length, len(words))
        for _ in range(length):
            self._word()

    def text(self, length: int) -> str:
        """Read a string with its escapes."""
        if not length:
            return ""
        self._fill(1)
        self._at = BLANK.match(self._window, self._at).end()  # type: ignore[union-attr]
        self._fill(min(4 * length, WINDOW // 2))
        kept = self._window[self._at : self._at + min(length, NAME_AT_MOST)]
        end = self._at + length
        if end <= len(self._window) and self._window.find(b"\\", self._at, end) < 0:
            self._at = end
            return kept.decode("utf-8", "replace")
        self._pay(BYTES_FOR_AN_ESCAPED_TEXT)
        for count, characters in CHARACTERS:
            while length >= count:
                self._fill(4 * count)
                length -= count
                end = self._at + count
                if end <= len(self._window) and self._window.find(b"\\", self._at, end) < 0:
                    self._at = end
                    continue
                self._pay(BYTES_FOR_AN_ESCAPED_CHARACTER * count)
                found = characters.match(self._window, self._at)
                if found is None:
                    raise _Broken
                self._at = found.end()
        return kept.decode("utf-8", "replace")

    def strings(self, count: int) -> int:
        """Pass the usual strings over, as long as they are; how many."""
        match = STRING.match
        for passed in range(count):
            if len(self._window) - self._at < 1024:
                self._fill(1024)
            window = self._window
            found = match(window, self._at)
            if found is None or int(found[1]) & 0x2FF != CHARS or not (length := int(found[2])):
                return passed
            at = found.end()
            end = at + length
            if end <= len(window) and window.find(b"\\", at, end) < 0:
                self._at = end
            else:
                self._at = at
                self.text(length)
        return count

    def _word(self) -> bytes:
        self._fill(256)
        found = WORD.match(self._window, self._at)
        if found is None:
            raise _Broken
        self._at = found.end()
        return found[1]

    def _fill(self, length: int) -> None:
        """Have that many bytes ahead, if there are so many."""
        if self._at_end or len(self._window) - self._at >= length:
            return
        self._base += self._at
        self._pay(max(self._at, 256))
        self._at = 0
        self._window = self._content.read_at(self._base, WINDOW)
        self._at_end = len(self._window) < WINDOW

    def _pay(self, cost: int) -> None:
        self._left -= cost
        if self._left < 0:
            raise _TooMuch


Task = tuple[int, int, int]  # what, where, how many times
VALUE_NEXT, QUOTED_NEXT, BINDINGS_NEXT = ((ITEMS, where, 1) for where in (VALUE, QUOTED, BINDINGS))


def _walker(scene: Scene, at: int, encoding: str, is_workspace: bool) -> _Walker | None:
    """A walker behind the header of a stream; None where there is none."""
    content = scene.content
    readers: list[_Reader]
    if encoding == "ascii":
        readers = [_AsciiReader(content, at)]
    else:
        readers = [_Reader(content, at, order) for order in (">" if encoding == "xdr" else "<>")]
    for reader in readers:
        try:
            version, writer, least = reader.integer(), reader.integer(), reader.integer()
            # Versions of R are packed as major, minor, patch, a byte each.
            if version not in (2, 3) or not 0x010000 <= writer < 0x800000 or not 0 <= least < 0x800000:
                continue
            if version == 3:
                length = reader.integer()
                if not 0 <= length <= 63:
                    continue
                reader.text(length)
        except (_Broken, _TooMuch):
            continue
        return _Walker(reader, is_workspace, min(STRINGS_AT_MOST, STRINGS_PER_STEP * scene.budget.steps))
    return None


class _Walker:
    def __init__(self, reader: _Reader, is_workspace: bool, most: int) -> None:
        self.reader = reader
        self.left = most
        self.cost = STRINGS_FOR_AN_OBJECT * (4 if isinstance(reader, _AsciiReader) else 1)
        self.references = 0
        self.symbols: dict[int, str] = {}
        self.binding: str | None = None
        self.todo: list[Task] = [(ITEMS, WORKSPACE_BINDINGS if is_workspace else VALUE, 1)]

    def run(self) -> None:
        """Walk to the end; raises what was found, or what stopped it."""
        todo, reader = self.todo, self.reader
        while todo:
            self.left -= self.cost
            if self.left < 0 or len(todo) > PENDING_AT_MOST:
                raise _TooMuch
            what, where, count = todo.pop()
            if what == ITEMS:
                if count > 1:
                    todo.append((ITEMS, where, count - 1))
                self._item(reader.integer(), where)
            elif what == BOUND:
                self._bound(reader.integer())
            elif what == FORCED:
                # The value of a promise: unbound where nobody has asked for it yet.
                flags = reader.integer()
                if flags & 0xFF == UNBOUND:
                    todo.append((EVALUATES, where, 1))
                else:
                    todo.append(QUOTED_NEXT)
                    self._item(flags, where)
            elif what == EVALUATES:
                self._evaluates(reader.integer(), where)
            elif what == BYTECODE_BODY:
                todo += ((BYTECODE_CONSTANTS, QUOTED, -1), QUOTED_NEXT)
            elif what == BYTECODE_CONSTANTS:
                self._constants(count)
            else:
                self._pair_in_bytecode(reader.integer())

    def _item(self, flags: int, where: int) -> None:
        kind = flags & 0xFF
        if kind in CONSTANTS:
            return
        if kind in PAIRS:
            self._pair(kind, flags, where)
        elif kind == REFERENCE:
            if not flags >> 8:
                self.reader.integer()
        elif kind == SYMBOL:
            self._symbol()
        elif kind == ALTREP:
            self.todo += (VALUE_NEXT, VALUE_NEXT, QUOTED_NEXT)
        elif kind in (PERSISTENT, PACKAGE, NAMESPACE):
            self.references += 1
            if self.reader.integer():
                raise _Broken
            self._several(self.reader.integer(), QUOTED)
        elif kind == ENVIRONMENT:
            self.references += 1
            self.reader.integer()
            # Enclosing environment, frame, hash table, attributes; the last stands first here.
            self.todo += (VALUE_NEXT, BINDINGS_NEXT, BINDINGS_NEXT, QUOTED_NEXT)
        else:
            if flags & 0x200:
                self.todo.append(VALUE_NEXT)
            self._attributed(kind, where)

    def _attributed(self, kind: int, where: int) -> None:
        """What is followed by its attributes."""
        self.left -= STRINGS_FOR_AN_OBJECT // 2
        reader = self.reader
        if kind == CHARS:
            length = reader.integer()
            if length > 0:
                reader.text(length)
            elif length < -1:
                raise _Broken
        elif kind in WIDTHS:
            reader.vector(kind, self._length())
        elif kind == STRINGS:
            self._strings(self._length())
        elif kind in (LIST, EXPRESSIONS):
            self._several(self._length(), where if where == BINDINGS else VALUE)
        elif kind == BYTECODE:
            if reader.integer() < 0:
                raise _Broken
            self.todo.append((BYTECODE_BODY, QUOTED, 1))
        elif kind in (SPECIAL, BUILTIN):
            reader.text(self._small())
        elif kind == EXTERNAL_POINTER:
            self.references += 1
            self.todo += (VALUE_NEXT, VALUE_NEXT)
        elif kind == WEAK_REFERENCE:
            self.references += 1
        elif kind != OBJECT:
            raise _Broken

    def _pair(self, kind: int, flags: int, where: int) -> None:
        """A cell of a pairlist, and what is built like one: attributes, tag, CAR, CDR."""
        todo = self.todo
        if kind == PROMISE:
            if where in (VALUE, WORKSPACE_BINDINGS):
                todo.append((FORCED, VALUE, 1))
            else:
                todo += (QUOTED_NEXT, (ITEMS, where, 1))
        elif kind == PAIRLIST and where == WORKSPACE_BINDINGS:
            todo += ((ITEMS, WORKSPACE_BINDINGS, 1), (BOUND, VALUE, 1))
            self.binding = None
        elif kind in (PAIRLIST, DOTS):
            todo += ((ITEMS, where, 1), (ITEMS, QUOTED if where == BINDINGS else where, 1))
        else:
            # R evaluates a promise inside of a call or function as soon as that is printed.
            todo += (VALUE_NEXT, VALUE_NEXT)
        if flags & 0x400:  # a tag, or the environment of a function or promise
            todo.append(QUOTED_NEXT)
        if flags & 0x200:
            todo.append(VALUE_NEXT)

    def _bound(self, flags: int) -> None:
        """The value that a workspace binds to the symbol read last."""
        name = self.binding
        if flags & 0xFF == CLOSURE and name is not None:
            at = f"function '{name}' before byte {self.reader.position}"
            if name in RUN_BY_R:
                raise _Found(f"an R workspace with a function {name}, which R {RUN_BY_R[name]}", name, at)
            if name in EVERYBODY_CALLS:
                raise _Found(f"an R workspace that puts a function in the place of R's own '{name}'", name, at)
        self._item(flags, VALUE)

    def _evaluates(self, flags: int, where: int) -> None:
        """The expression of a promise that nobody has asked for yet."""
        kind, at = flags & 0xFF, self.reader.position - 4
        if kind not in EVALUATED:
            self._item(flags, where)
            return
        name = self._name_of_call(flags)
        shown = f"promise to call '{name}'" if name else "promise"
        what = "R data with a promise, which runs its code as soon as the loaded object is used (CVE-2024-27322)"
        raise _Found(what, name, f"{shown} before byte {max(at, 0)}")

    def _name_of_call(self, flags: int) -> str | None:
        try:
            if flags & 0xFF == CALL:
                if flags & 0x600:
                    return None
                flags = self.reader.integer()
            if flags & 0xFF == SYMBOL:
                return self._symbol()
            if flags & 0xFF == REFERENCE:
                return self.symbols.get(flags >> 8 or self.reader.integer())
        except _Broken:
            pass
        return None

    def _symbol(self) -> str | None:
        self.left -= STRINGS_FOR_A_SYMBOL
        flags = self.reader.integer()
        if flags & 0xFF != CHARS:
            raise _Broken
        length = self.reader.integer()
        if length < -1:
            raise _Broken
        name = self.reader.text(max(0, length))
        self.references += 1
        if len(self.symbols) < SYMBOLS_KEPT:
            self.symbols[self.references] = name
        self.binding = name
        return name

    def _strings(self, count: int) -> None:
        passed = min(self.reader.strings(min(count, self.left // self.reader.string_cost)), count)
        self.left -= passed * self.reader.string_cost
        self._several(count - passed, QUOTED)

    def _several(self, count: int, where: int) -> None:
        if count < 0:
            raise _Broken
        if count:
            self.todo.append((ITEMS, where, count))

    def _small(self) -> int:
        length = self.reader.integer()
        if not 0 <= length < 65_536:
            raise _Broken
        return length

    def _length(self) -> int:
        length = self.reader.integer()
        if length == -1:
            high, low = self.reader.integer(), self.reader.integer() & 0xFFFFFFFF
            if not 0 <= high <= 65_536:
                raise _Broken
            return high << 32 | low
        if length < 0:
            raise _Broken
        return length

    def _constants(self, count: int) -> None:
        """The constants behind bytecode, each with its type in front."""
        if count < 0:
            count = self.reader.integer()
            if count < 0:
                raise _Broken
        if not count:
            return
        if count > 1:
            self.todo.append((BYTECODE_CONSTANTS, QUOTED, count - 1))
        kind = self.reader.integer()
        if kind == BYTECODE:
            self.todo.append((BYTECODE_BODY, QUOTED, 1))
        else:
            self._pair_in_bytecode(kind)

    def _pair_in_bytecode(self, kind: int) -> None:
        reader = self.reader
        if kind == REPEATED:
            reader.integer()
            return
        if kind not in PAIRS_IN_BYTECODE:
            self._item(reader.integer(), QUOTED)
            return
        if kind == REPEATABLE:
            reader.integer()
            kind = reader.integer()
        self.todo += ((BYTECODE_PAIR, QUOTED, 1), (BYTECODE_PAIR, QUOTED, 1), QUOTED_NEXT)
        if kind in (ATTRIBUTED_CALL, ATTRIBUTED_PAIRLIST):
            self.todo.append(QUOTED_NEXT)
