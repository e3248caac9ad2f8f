"""A pickle machine that executes nothing: it follows every opcode and yields what the pickle describes.

The opcodes are those of CPython's ``Lib/pickletools.py``, protocols 0 to 5. Unlike a real unpickler it is strict:
whatever two unpicklers could read differently (frames that do not fit, names from a registry, buffers from elsewhere)
is refused. Long literals are left in the file, and everything is bounded.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from typing import Protocol

from git_custody.convert.refused import Refused
from git_custody.convert.values import Blob, Call, Dict, Foreign, Global, Items, OldString
from git_custody.core.content import Content, PartContent

OPCODES_AT_MOST = 4_000_000
STACK_AT_MOST = 1_000_000
LITERAL_KEPT = 4096
LITERALS_AT_MOST = 128 * 1024 * 1024
LINE_AT_MOST = 16 * 1024 * 1024
NAME_AT_MOST = 1024
INTEGER_AT_MOST = 512  # bytes; a decimal text of as many digits takes no time either
WINDOW = 64 * 1024

_MODULES_OF_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}


class Builder(Protocol):
    """What decides about names, calls and states: `constructors.Constructors`, and what readers make of it.

    `foreign` is what it did not understand, `loader` the line of Python that would load the file.
    """

    foreign: list[Foreign]
    loader: str

    def look_up(self, found: Global, at: int) -> object:
        """Stand in for a name, looked up at byte `at`."""
        ...

    def call(self, function: object, arguments: tuple[object, ...], at: int) -> object:
        """Stand in for the result of a call."""
        ...

    def new(self, function: object, arguments: tuple[object, ...], at: int) -> object:
        """Stand in for an object that is made without calling its class's constructor."""
        ...

    def build(self, target: object, state: object, at: int) -> bool:
        """Set the state of an object; False where it is not understood."""
        ...

    def behind(self, target: object, end: int) -> tuple[object, int] | None:
        """Take what follows the pickled state of `target` from byte `end` on: the object, and where it ends."""
        ...

    def persistent(self, id: object, at: int) -> object:
        """Stand in for what an id means that is defined outside of the pickle."""
        ...


def unpickle(content: Content, start: int, builder: Builder) -> tuple[object, int]:
    """Follow the pickle at byte `start`: what it describes, and where it ends. Raises `Refused`."""
    machine = _Machine(content, start, builder)
    try:
        value = machine.run()
    except (struct.error, UnicodeError) as error:
        refused = _broken("a value is not valid", machine.opcode_at)
        refused.foreign, refused.loader = tuple(builder.foreign), builder.loader
        raise refused from error
    except Refused as refused:
        refused.foreign, refused.loader = tuple(builder.foreign), builder.loader
        raise
    return value, machine.position


def _broken(why: str, at: int) -> Refused:
    return Refused(f"it is not a valid pickle: {why} (byte {at})")


class _Mark:
    pass


_MARK = _Mark()


class _Machine:
    def __init__(self, content: Content, start: int, builder: Builder) -> None:
        self.content = content
        self.builder = builder
        self.base = start
        self.window = b""
        self.at = 0
        self.start = start
        self.opcode_at = start
        self.protocol = 0
        self.frame_end: int | None = None
        self.kept = 0
        self.stack: list[object] = []
        self.memo: dict[int, object] = {}

    @property
    def position(self) -> int:
        return self.base + self.at

    def run(self) -> object:
        for _ in range(OPCODES_AT_MOST):
            self.opcode_at = self.position
            if self.frame_end is not None and self.opcode_at >= self.frame_end:
                if self.opcode_at > self.frame_end:
                    raise _broken("an opcode reaches beyond its frame", self.opcode_at)
                self.frame_end = None
            opcode = self.take(1)[0]
            if opcode == 0x2E:  # STOP
                return self.stopped()
            handler = _HANDLERS[opcode]
            if handler is None:
                raise _broken(f"0x{opcode:02x} is no opcode", self.opcode_at)
            handler(self)
            if len(self.stack) > STACK_AT_MOST:
                raise _broken(f"more than {STACK_AT_MOST} values wait to be used", self.opcode_at)
        raise Refused(f"it has more than {OPCODES_AT_MOST} opcodes, which no checkpoint of tensors needs")

    def stopped(self) -> object:
        if len(self.stack) != 1 or isinstance(self.stack[0], _Mark):
            raise _broken("it ends with values left over, or with none", self.opcode_at)
        if self.frame_end is not None and self.position != self.frame_end:
            raise _broken("a frame reaches beyond its end", self.opcode_at)
        return self.stack[0]

    # Reading

    def take(self, length: int) -> bytes:
        """Read the next bytes; there have to be that many."""
        if len(self.window) - self.at < length:
            self.base += self.at
            self.at = 0
            self.window = self.content.read_at(self.base, max(WINDOW, length))
            if len(self.window) < length:
                raise _broken("it ends early", self.opcode_at)
        taken = self.window[self.at : self.at + length]
        self.at += length
        return taken

    def seek(self, position: int) -> None:
        self.base, self.at, self.window = position, 0, b""

    def line(self) -> bytes:
        length = 256
        while True:
            ahead = self.content.read_at(self.position, length)
            end = ahead.find(b"\n")
            if end >= 0:
                self.seek(self.position + end + 1)
                self._keep(end)
                return ahead[:end]
            if len(ahead) < length:
                raise _broken("it ends early", self.opcode_at)
            if length >= LINE_AT_MOST:
                raise _broken(f"a line is longer than {LINE_AT_MOST} bytes", self.opcode_at)
            length *= 4

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def literal(self, width: int, *, is_text: bool = False) -> object:
        """A counted literal; a long one stays in the file."""
        length = self.number(width)
        if length <= LITERAL_KEPT:
            data = self.take(length)
            self._keep(length)
            return data.decode("utf-8", "surrogatepass") if is_text else data
        begin = self.position
        if len(self.content.read_at(begin + length - 1, 1)) < 1:
            raise _broken("it ends early", self.opcode_at)
        self.seek(begin + length)
        return Blob(PartContent(self.content, begin, length), is_text)

    def _keep(self, length: int) -> None:
        self.kept += length
        if self.kept > LITERALS_AT_MOST:
            raise Refused(f"it holds more than {LITERALS_AT_MOST} bytes of text, which no checkpoint of tensors needs")

    # Stack

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> object:
        if not self.stack:
            raise _broken("a value is missing", self.opcode_at)
        value = self.stack.pop()
        if isinstance(value, _Mark):
            raise _broken("a value is missing", self.opcode_at)
        return value

    def top(self) -> object:
        value = self.pop()
        self.stack.append(value)
        return value

    def pop_mark(self) -> list[object]:
        stack = self.stack
        for place in range(len(stack) - 1, -1, -1):
            if stack[place] is _MARK:
                items = stack[place + 1 :]
                del stack[place:]
                return items
        raise _broken("a mark is missing", self.opcode_at)

    def pop_or_mark(self) -> None:
        if not self.stack:
            raise _broken("a value is missing", self.opcode_at)
        self.stack.pop()

    def arguments(self) -> tuple[object, ...]:
        value = self.pop()
        if not isinstance(value, tuple):
            raise _broken("the arguments of a call are no tuple", self.opcode_at)
        return value

    # Memo

    def put(self, key: int) -> None:
        self.memo[key] = self.top()

    def get(self, key: int) -> None:
        if key not in self.memo:
            raise _broken("it refers to a value that is not there", self.opcode_at)
        self.stack.append(self.memo[key])

    # Texts, as protocol 0 writes them

    def old_integer(self) -> None:
        text = self.line()
        if text in (b"00", b"01"):
            self.push(text == b"01")
        else:
            self.push(self._decimal(text))

    def old_long(self) -> None:
        text = self.line()
        self.push(self._decimal(text[:-1] if text.endswith(b"L") else text))

    def _decimal(self, text: bytes) -> int:
        digits = text[1:] if text[:1] == b"-" else text
        # Leading zeros make it octal, or no number at all, as the unpickler likes.
        if not digits.isdigit() or len(digits) > 2 * INTEGER_AT_MOST or (digits[:1] == b"0" and len(digits) > 1):
            raise _broken("a number is none", self.opcode_at)
        return int(text)

    def old_float(self) -> None:
        text = self.line()
        if len(text) > 64 or text != text.strip() or b"_" in text:
            raise _broken("a number is none", self.opcode_at)
        try:
            self.push(float(text))
        except ValueError:
            raise _broken("a number is none", self.opcode_at) from None

    def old_string(self) -> None:
        text = self.line()
        if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in (b"'", b'"'):
            raise _broken("a string has no quotes", self.opcode_at)
        try:
            self.push(OldString(codecs.escape_decode(text[1:-1])[0]))
        except ValueError:
            raise _broken("a string has a wrong escape", self.opcode_at) from None

    def old_counted(self, width: int) -> None:
        value = self.literal(width)
        self.push(OldString(value) if isinstance(value, bytes) else value)

    def unicode_line(self) -> None:
        self.push(self.line().decode("raw-unicode-escape"))

    def key(self) -> int:
        text = self.line()
        if not text.isdigit() or len(text) > 10:
            raise _broken("a memo key is no number", self.opcode_at)
        return int(text)

    def long(self, width: int) -> None:
        length = self.number(width)
        if length > INTEGER_AT_MOST:
            raise _broken(f"a number has more than {INTEGER_AT_MOST} bytes", self.opcode_at)
        self.push(int.from_bytes(self.take(length), "little", signed=True))

    # Containers

    def make_dict(self, items: list[object]) -> None:
        made = Dict()
        made.pairs = self._pairs(items)
        self.push(made)

    def _pairs(self, items: list[object]) -> list[tuple[object, object]]:
        if len(items) % 2:
            raise _broken("a key has no value", self.opcode_at)
        return list(zip(items[::2], items[1::2], strict=True))

    def append(self, items: list[object]) -> None:
        target = self.top()
        if isinstance(target, list):
            target += items
        elif isinstance(target, Items) and target.kind == "collections.deque":
            target.items += items
        elif isinstance(target, Call):
            target.parts += items
        else:
            raise _broken("items are appended to what is no list", self.opcode_at)

    def add(self, items: list[object]) -> None:
        target = self.top()
        if isinstance(target, Items) and target.kind == "set":
            target.items += items
        elif isinstance(target, Call):
            target.parts += items
        else:
            raise _broken("items are added to what is no set", self.opcode_at)

    def set_items(self, items: list[object]) -> None:
        target = self.top()
        if isinstance(target, Dict):
            target.pairs += self._pairs(items)
        elif isinstance(target, Call):
            target.parts += items
        else:
            raise _broken("items are set in what is no dict", self.opcode_at)

    def tuple_of(self, count: int) -> None:
        items = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(items)))

    # Names, calls, states

    def global_line(self) -> Global:
        module, name = self.line(), self.line()
        return self._global(module.decode("utf-8"), name.decode("utf-8"))

    def _global(self, module: str, name: str) -> Global:
        if not 0 < len(module) <= NAME_AT_MOST or not 0 < len(name) <= NAME_AT_MOST:
            raise _broken("a name is empty or too long", self.opcode_at)
        if self.protocol < 3:
            module = _MODULES_OF_PYTHON_2.get(module, module)
        return Global(module, name)

    def look_up(self) -> None:
        self.push(self.builder.look_up(self.global_line(), self.opcode_at))

    def stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        if type(name) is not str or type(module) is not str:
            raise _broken("a name is no text", self.opcode_at)
        self.push(self.builder.look_up(self._global(module, name), self.opcode_at))

    def extension(self, width: int) -> None:
        found = Global("copyreg", f"extension {self.number(width)}")
        self.push(self.builder.look_up(found, self.opcode_at))

    def reduce(self) -> None:
        arguments = self.arguments()
        self.push(self.builder.call(self.pop(), arguments, self.opcode_at))

    def new_object(self) -> None:
        arguments = self.arguments()
        self.push(self.builder.new(self.pop(), arguments, self.opcode_at))

    def new_object_with_keywords(self) -> None:
        keywords = self.pop()
        arguments = self.arguments()
        if isinstance(keywords, Dict) and not keywords.pairs:
            self.push(self.builder.new(self.pop(), arguments, self.opcode_at))
        else:
            self.push(self.builder.new(self.pop(), (*arguments, keywords), self.opcode_at))

    def instance(self) -> None:
        found = self.builder.look_up(self.global_line(), self.opcode_at)
        self._instance(found, tuple(self.pop_mark()))

    def instance_of_mark(self) -> None:
        items = self.pop_mark()
        if not items:
            raise _broken("a class is missing", self.opcode_at)
        self._instance(items[0], tuple(items[1:]))

    def _instance(self, found: object, arguments: tuple[object, ...]) -> None:
        make = self.builder.call if arguments else self.builder.new
        self.push(make(found, arguments, self.opcode_at))

    def build(self) -> None:
        state = self.pop()
        target = self.pop()
        if isinstance(target, Call):
            target.parts.append(state)
        elif not self.builder.build(target, state, self.opcode_at):
            raise _broken("a state is set on what has none", self.opcode_at)
        following = self.builder.behind(target, self.position)
        if following is None:
            self.push(target)
            return
        value, end = following
        if self.frame_end is not None and self.position != self.frame_end:
            raise _broken("data lie inside of a frame", self.opcode_at)
        self.frame_end = None
        self.seek(end)
        self.push(value)

    def persistent_line(self) -> None:
        self.push(self.builder.persistent(self.line().decode("ascii"), self.opcode_at))

    def persistent(self) -> None:
        self.push(self.builder.persistent(self.pop(), self.opcode_at))

    # The stream

    def proto(self) -> None:
        version = self.number(1)
        if version > 5 or self.opcode_at != self.start:
            raise _broken("its protocol is unknown, or declared in the middle", self.opcode_at)
        self.protocol = version

    def frame(self) -> None:
        length = self.number(8)
        if self.frame_end is not None:
            raise _broken("a frame begins inside of another one", self.opcode_at)
        self.frame_end = self.position + length

    def out_of_band(self) -> None:
        raise Refused(f"it needs buffers that are not in the file (byte {self.opcode_at})")


def _table() -> list[Callable[[_Machine], None] | None]:
    table: list[Callable[[_Machine], None] | None] = [None] * 256
    m = _Machine
    handlers: dict[str, Callable[[_Machine], None]] = {
        "(": lambda self: self.push(_MARK),
        "0": m.pop_or_mark,
        "1": lambda self: self.pop_mark().clear(),
        "2": lambda self: self.push(self.top()),
        "N": lambda self: self.push(None),
        "\x88": lambda self: self.push(True),
        "\x89": lambda self: self.push(False),
        "I": m.old_integer,
        "L": m.old_long,
        "F": m.old_float,
        "J": lambda self: self.push(int.from_bytes(self.take(4), "little", signed=True)),
        "K": lambda self: self.push(self.number(1)),
        "M": lambda self: self.push(self.number(2)),
        "\x8a": lambda self: self.long(1),
        "\x8b": lambda self: self.long(4),
        "G": lambda self: self.push(struct.unpack(">d", self.take(8))[0]),
        "S": m.old_string,
        "T": lambda self: self.old_counted(4),
        "U": lambda self: self.old_counted(1),
        "V": m.unicode_line,
        "X": lambda self: self.push(self.literal(4, is_text=True)),
        "\x8c": lambda self: self.push(self.literal(1, is_text=True)),
        "\x8d": lambda self: self.push(self.literal(8, is_text=True)),
        "B": lambda self: self.push(self.literal(4)),
        "C": lambda self: self.push(self.literal(1)),
        "\x8e": lambda self: self.push(self.literal(8)),
        "\x96": lambda self: self.push(Items("bytearray", [self.literal(8)])),
        "\x97": m.out_of_band,
        "\x98": lambda self: self.push(self.pop()),
        "]": lambda self: self.push([]),
        "l": lambda self: self.push(self.pop_mark()),
        "a": lambda self: self.append([self.pop()]),
        "e": lambda self: self.append(self.pop_mark()),
        ")": lambda self: self.push(()),
        "t": lambda self: self.push(tuple(self.pop_mark())),
        "\x85": lambda self: self.tuple_of(1),
        "\x86": lambda self: self.tuple_of(2),
        "\x87": lambda self: self.tuple_of(3),
        "}": lambda self: self.push(Dict()),
        "d": lambda self: self.make_dict(self.pop_mark()),
        "s": lambda self: self.set_items([self.pop(), self.pop()][::-1]),
        "u": lambda self: self.set_items(self.pop_mark()),
        "\x8f": lambda self: self.push(Items("set", [])),
        "\x90": lambda self: self.add(self.pop_mark()),
        "\x91": lambda self: self.push(Items("frozenset", self.pop_mark())),
        "p": lambda self: self.put(self.key()),
        "q": lambda self: self.put(self.number(1)),
        "r": lambda self: self.put(self.number(4)),
        "\x94": lambda self: self.put(len(self.memo)),
        "g": lambda self: self.get(self.key()),
        "h": lambda self: self.get(self.number(1)),
        "j": lambda self: self.get(self.number(4)),
        "c": m.look_up,
        "\x93": m.stack_global,
        "\x82": lambda self: self.extension(1),
        "\x83": lambda self: self.extension(2),
        "\x84": lambda self: self.extension(4),
        "R": m.reduce,
        "\x81": m.new_object,
        "\x92": m.new_object_with_keywords,
        "i": m.instance,
        "o": m.instance_of_mark,
        "b": m.build,
        "P": m.persistent_line,
        "Q": m.persistent,
        "\x80": m.proto,
        "\x95": m.frame,
    }
    for opcode, handler in handlers.items():
        table[ord(opcode)] = handler
    return table


_HANDLERS = _table()
