"""Streams of opcodes at random: what tests feed to real unpicklers, in a child process, and to the walker.

Nothing here is a real attack: what the streams look up is replaced in the process that loads them (see `SETUP`).
"""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

TEXTS = (b"x", b"touch it", b"word", b"os", b"a,b,c", b"Hello there", b"", b"1")
# Module and name of what makes a mark in the child. `own` and `my-own` are modules of the repository; it has no others.
TARGETS = (
    (b"os", b"system"), (b"posix", b"system"), (b"os", b"abort"), (b"commands", b"getoutput"),
    (b"own", b"run"), (b"own", b"Thing"), (b"own.sub", b"run"), (b"my-own", b"run"),
)  # fmt: skip


def is_own(root: str) -> bool:
    """Whether a module of the streams is one of the repository."""
    return root in ("own", "my-own")


def little(number: int, width: int) -> bytes:
    return number.to_bytes(width, "little")


def literal(r: random.Random, plain: bool) -> bytes:
    """Push one value; `plain`: in printable bytes."""
    text = r.choice(TEXTS)
    choices = [b"N", b"V" + text + b"\n", b"V" + text + b"\n", b")", b"]", b"}", b"I1\n", b"S'" + text + b"'\n",
               b"F1.5\n", b"(t", b"(l", b"(d"]  # fmt: skip
    if not plain:
        choices += [
            b"I" + r.choice([b"01", b" 5", b"0x1f", b"1_0", b"-3", b"\0abc", b"5\0zz", b"1 "]) + b"\n",
            b"I" + b" " * r.choice([10] * 50 + [66_000]) + b"1\n",
            b"L" + r.choice([b"1L", b"12", b"0x1L"]) + b"\n",
            b"F" + r.choice([b"nan", b"-inf", b"1e5", b"1.5\0x"]) + b"\n",
            b'S"' + text + b'"\n', b"T" + little(len(text), 4) + text, b"U" + little(len(text), 1) + text,
            b"X" + little(len(text), 4) + text, b"B" + little(len(text), 4) + text,
            b"C" + little(len(text), 1) + text, b"\x8c" + little(len(text), 1) + text,
            b"\x8d" + little(len(text), 8) + text, b"\x8e" + little(len(text) * 5, 8) + text * 5,
            b"\x96" + little(len(text), 8) + text, b"\x8a\x02ab", b"\x8b\2\0\0\0ab", b"\x8a\0",
            b"J" + r.randbytes(4), b"K" + r.randbytes(1), b"M" + r.randbytes(2), b"G" + r.randbytes(8),
            b"\x8f", b"\x88", b"\x89", b"(\x91", b"V" + b"y" * r.choice([7] * 50 + [70_000]) + b"\n",
        ]  # fmt: skip
    return r.choice(choices)


def padding(r: random.Random, plain: bool) -> bytes:
    """Opcodes that leave the stack as it was."""
    value = literal(r, plain)
    key = r.randrange(200)
    choices = [
        value + b"0", value + b"0", value + b"0", b"(" + value + literal(r, plain) + b"1", b"(0", value + b"200",
        b"]" + value + b"a0", b"}Vk\n" + value + b"s0", b"](" + value + b"e0", b"NNb0",
        value + b"p%d\n0g%d\n0" % (key, key),
    ]  # fmt: skip
    if not plain:
        choices += [
            value + b"q\x07h\x0700", value + b"\x940", value + b"r\x07\1\0\0j\x07\1\0\x0000", value + b"\x850",
            value + value + b"\x860", b"(((111", b"\x8f(K\x01K\x02\x900", b"\x80" + bytes([r.randrange(6)]),
            b"\x95" + bytes(8), b"\x96" + little(3, 8) + b"abcK\x01a0", b"N" * r.choice([3] * 40 + [140_000]),
            b"(N(N(N111",
        ]  # fmt: skip
    return r.choice(choices)


def _pushed(r: random.Random, text: bytes) -> bytes:
    return r.choice([
        b"V" + text + b"\n", b"\x8c" + little(len(text), 1) + text, b"X" + little(len(text), 4) + text,
        b"U" + little(len(text), 1) + text, b"S'" + text + b"'\n", b"\x8d" + little(len(text), 8) + text,
        b"V" + b"".join(b"\\u%04x" % byte for byte in text) + b"\n",
        b"S'" + b"".join(b"\\x%02x" % byte for byte in text) + b"'\n",
    ])  # fmt: skip


def lookup(r: random.Random, plain: bool) -> bytes:
    """Push something that can be called."""
    module, name = r.choice(TARGETS)
    line = b"c" + module + b"\n" + name
    if plain:
        return line + b"\n"
    key = r.randrange(200)
    digits = b"0" * r.choice([0, 40, 2_000]) + b"%d" % key
    return r.choice([
        line + b"\n", line + b"\n", b"\x80\x04" + line + b".__call__" * r.choice([1, 300]) + b"\n",
        _pushed(r, module) + _pushed(r, name) + b"\x93", b"cown\nTEXT\n" + _pushed(r, b"run") + b"\x93", b"\x82\x4d", b"\x83\x4d\0", b"\x84\x4d\0\0\0",
        _pushed(r, b"junk") + b"p%d\n" % key + _pushed(r, name) + b"p%d\n00" % key + _pushed(r, module)
        + b"g" + digits + b"\n\x93",
    ])  # fmt: skip


def _arguments(r: random.Random, plain: bool) -> bytes:
    if plain:
        return r.choice([b"(Vtouch it\nt", b"(Vx\nVy\nt", b"(t", b")", b"(S'x'\nt", b"(Nt", b"(I1\nt"])
    value = literal(r, False)
    return r.choice([
        b"(" + value + b"t", value + b"\x85", value + literal(r, False) + b"\x86", b")", b"(t", b"(" + value + b"l",
        b"Vx\n", b"C\1x", b"(Vk\n" + value + b"d", b"(" + value + b"tp99\n0g99\n", value + b"\x85q\x630h\x63",
    ])  # fmt: skip


def action(r: random.Random, plain: bool) -> bytes:
    """Call something, or put something into what was looked up."""
    module, name = r.choice(TARGETS)
    value = literal(r, plain)
    some = b"".join(r.choice([b"Vtouch it\n", value]) for _ in range(r.randrange(1, 3)))
    choices = [
        lookup(r, plain) + _arguments(r, plain) + b"R", lookup(r, plain) + _arguments(r, plain) + b"R",
        b"(" + some + b"i" + module + b"\n" + name + b"\n", b"(i" + module + b"\n" + name + b"\n",
        b"(" + lookup(r, plain) + r.choice([b"", some]) + b"o", b"cown\nBox\n" + value + b"a",
        b"cown\nBox\nVk\n" + value + b"s", b"cown\nBox\n(" + value + b"e", b"cown\nBox\n(Vk\nVv\ndb",
    ]  # fmt: skip
    if not plain:
        choices += [
            b"cown\nThing\n)\x81", b"cown\nThing\n)}\x92", b"cown\nBox\n(" + value + b"\x90",
            b"(Vtouch it\ni" + module + b"\n" + name + b"X",  # the last line of a file
        ]  # fmt: skip
    return r.choice(choices)


_PLAIN_ENDS = (
    b"", b".", b"\n", b" and more text\n", b"\nmore\nlines of text here\n", b".\nmore text", b"0.",
    b"hello world this is prose\n" * 30, b"The end.\n",
)  # fmt: skip
_ENDS = (
    *_PLAIN_ENDS, b"\xff\xfe", bytes(50), b"0N.", b"X\xff\xff\xff\xff", b"T\xff\xff\xff\xff", b"\x8e" + b"\xff" * 8,
    b"junk" * 400, b"\x80\x09", b"\x8a\xff",
)  # fmt: skip
# What is in a frame, and what follows it: the C unpickler drops the rest of the frame when it reads from a file.
_CUT = (
    (b"M\1", b"\0\0"), (b"J\1\1", b"aaaa"), (b"Vx", b"yy\n"), (b"X\2\0", b"\2\0\0\0ab"), (b"B\2\0\0\0a", b"ab"),
    (b"G1", b"12345678"), (b"cos\nsys", b"tem\nxx"), (b"NN.xx", b""), (b"\x80", b"\2"),
    (b"\x95\5\0", little(5, 8) + b"NN0N0"), (b"K\1\x95", bytes(8) + b"0"),
)  # fmt: skip


def stream(r: random.Random) -> bytes:
    """A stream that mostly acts, and mostly does little else that a pickle does."""
    plain = r.random() < 0.5
    data = b"".join(padding(r, plain) for _ in range(r.choice([0, 0, 0, 1, 1, 2, 3, 8, 40])))
    if not plain and r.random() < 0.1:
        data = r.choice([b"N.", b"I1\n.", b"].", b"\x80\x02N.", b"Vos\np3\n."]) + data
    if r.random() < 0.1:
        data = r.choice([b"N", b"(", b"((", b"]("]) + data
    if not plain and r.random() < 0.25:
        data = b"\x80" + bytes([r.randrange(6)]) + data
    acts = action(r, plain)
    if not plain and r.random() < 0.3:
        if r.random() < 0.5:
            inside, behind = r.choice(_CUT)
            data += b"\x95" + little(len(inside), 8) + inside + behind + r.choice([b"0", b"", b"00"])
        else:
            data += b"\x95" + little(r.choice([len(acts), len(acts) + 1, 2, 3, r.randrange(1, 40)]), 8)
    data += acts + r.choice(_PLAIN_ENDS if plain else _ENDS)
    return _damaged(r, data)


def _damaged(r: random.Random, data: bytes) -> bytes:
    """Change a few bytes, now and then."""
    if r.random() < 0.7 or not 0 < len(data) < 3_000:
        return data
    changed = bytearray(data)
    for _ in range(r.choice([1, 1, 2, 3])):
        at = r.randrange(len(changed) + 1)
        changed[at : at + r.randrange(2)] = r.choice([
            b"", r.randbytes(1), literal(r, False)[:99],
            bytes([r.choice(b"(.012NRabdeghijlopqrstu}\x80\x81\x85\x86\x87\x90\x91\x92\x93\x94\x95\x97\x98]")]),
        ])  # fmt: skip
    return bytes(changed)


def program(r: random.Random) -> bytes:
    """Streams that a stack and a memo carry to their end: names pushed, kept, overwritten, recalled, looked up."""
    data = b""
    for _ in range(r.choice([1] * 8 + [2, 3])):
        if r.random() < 0.6:
            data += b"\x80" + bytes([r.randrange(6)])
        data += _Program(r).write() + b"."
    if r.random() < 0.2:
        at = r.randrange(len(data))
        data = data[:at] + b"\x95" + little(r.randrange(1, len(data) - at + 2), 8) + data[at:]
    return data + r.choice([b"", b"", b"", b"", b"", b"\n", bytes(9), b"junk"])


class _Program:
    """One stream. Of each item it knows whether it is a text, so that most look-ups work."""

    def __init__(self, r: random.Random) -> None:
        self.r = r
        self.out: list[bytes] = []
        self.stack: list[bool] = []
        self.marks: list[int] = []
        self.memo: dict[int, bool] = {}

    def write(self) -> bytes:
        self._literal()
        self._keep()
        for _ in range(self.r.randrange(3, 60)):
            self._step()
        for _ in self.marks:
            self.out.append(b"t")
        return b"".join([*self.out, b"N"])

    def _step(self) -> None:
        r, stack = self.r, self.stack
        above = len(stack) - (self.marks[-1] if self.marks else 0)
        kind = r.randrange(20)
        if above > 1 and (all(stack[-2:]) or r.random() < 0.01) and kind < 8:
            self.out.append(b"\x93")
            stack[-2:] = [False]
        elif kind < 7 or not above:
            self.out.append(_pushed(r, r.choice([b"os", b"system", b"own", b"run", b"own.sub", b"a.b"])))
            stack.append(True)
        elif kind == 7:
            self._literal()
        elif kind < 10:
            self._keep()
        elif kind < 14:
            key = r.choice(list(self.memo))
            self.out.append(r.choice([b"h%c" % key, b"g%d\n" % key, b"j" + little(key, 4)]))
            stack.append(self.memo[key])
        elif kind == 14:
            self.out.append(b"2")
            stack.append(stack[-1])
        elif kind == 15:
            self.out.append(b"(")
            self.marks.append(len(stack))
        elif kind == 16 and self.marks:
            self.out.append(r.choice([b"t", b"l", b"1N"]))
            stack[self.marks.pop() :] = [False]
        elif kind == 17 and above > 1:
            self.out.append(r.choice([b"\x85R", b"\x85\x81"]))
            stack[-2:] = [False]
        else:
            self.out.append(b"0")
            stack.pop()

    def _literal(self) -> None:
        self.out.append(b"N" if self.r.random() < 0.3 else literal(self.r, False))
        self.stack.append(False)

    def _keep(self) -> None:
        key = self.r.choice([*self.memo, len(self.memo)])
        if key == len(self.memo) and self.r.random() < 0.5:
            self.out.append(b"\x94")
        else:
            self.out.append(self.r.choice([b"q%c" % key, b"p%d\n" % key, b"r" + little(key, 4)]))
        self.memo[key] = self.stack[-1]


# What a child needs before it loads anything: harmless stand-ins for all that a stream calls.
SETUP = r"""
import copyreg, io, os, pickle, signal, struct, subprocess, sys, types
MEMORY = 1 << 31
SECONDS = 0.3
USED_BY_LIBRARIES = set()
marks = []
def run(*positional, **named):
    marks.append(1)
    return object.__new__(Thing)
class Thing:
    def __new__(cls, *positional, **named):
        return run()
    def __init__(self, *positional):
        pass
    append = extend = add = __setitem__ = __setstate__ = __call__ = run
    def __iter__(self):
        return iter(())
class Meta(type):
    def __setitem__(cls, key, value):
        run()
class Box(metaclass=Meta):
    append = add = __setstate__ = staticmethod(run)
for name in ("own", "my-own", "own.sub", "other"):
    module = sys.modules[name] = types.ModuleType(name)
    module.run, module.Thing, module.Box, module.TEXT = run, Thing, Box, "own"
sys.modules["own"].sub = sys.modules["own.sub"]
os.system = os.abort = subprocess.getoutput = run
if "posix" in sys.modules:
    sys.modules["posix"].system = sys.modules["posix"].abort = run
copyreg.add_extension("own", "run", 77)
REPLACED = {("os", "system"), ("os", "abort"), ("posix", "system"), ("posix", "abort"), ("commands", "getoutput"),
            ("subprocess", "getoutput")}
def watch(event, details):
    if event == "pickle.find_class":
        module, name = details[0], details[1].partition(".")[0]
        allowed = REPLACED | USED_BY_LIBRARIES
        if module not in ("own", "my-own", "own.sub", "other") and (module, name) not in allowed:
            raise RuntimeError("not to be looked up")
    elif event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork"):
        raise RuntimeError("not to be run")
sys.addaudithook(watch)
class Late(BaseException):
    pass
def late(number, frame):
    raise Late
if hasattr(signal, "setitimer"):
    import resource
    try:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (OSError, ValueError):  # macOS
        pass
    signal.signal(signal.SIGALRM, late)
    timer = lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
else:
    timer = lambda seconds: None
"""
# Every unpickler there is.
UNPICKLERS = r"""
def from_file(load, data):
    with open("it", "wb") as file:
        file.write(data)
    with open("it", "rb") as file:
        load(file)
def again(load, data):
    file = io.BytesIO(data)
    for _ in range(20):
        load(file)
def kept(data):
    unpickler = pickle.Unpickler(io.BytesIO(data))
    for _ in range(20):
        unpickler.load()
LOADERS = [
    pickle.loads,
    lambda data: pickle.load(io.BytesIO(data)),
    lambda data: pickle.load(io.BytesIO(data), encoding="latin1"),
    lambda data: from_file(pickle.load, data),
    lambda data: pickle._load(io.BytesIO(data)),
    lambda data: from_file(lambda file: pickle._Unpickler(file, encoding="latin1").load(), data),
    lambda data: again(pickle.load, data),
    lambda data: again(pickle._load, data),
    kept,
]
"""
# Answers each file with one bit for each of LOADERS that made a mark.
ANSWERS = r"""
while len(header := sys.stdin.buffer.read(4)) == 4:
    data = sys.stdin.buffer.read(struct.unpack("<L", header)[0])
    answer = 0
    for number, load in enumerate(LOADERS):
        marks.clear()
        try:
            try:
                timer(SECONDS)
                load(data)
            finally:
                timer(0)
        except BaseException:
            pass
        answer |= bool(marks) << number
    sys.stdout.buffer.write(struct.pack("<L", answer))
    sys.stdout.buffer.flush()
"""


class Victim:
    """A child process that loads what it is given, harmlessly."""

    def __init__(self, folder: Path, program: str = SETUP + UNPICKLERS + ANSWERS, python: str = sys.executable) -> None:
        self._start: Callable[[], subprocess.Popen[bytes]] = lambda: subprocess.Popen(
            [python, "-I", "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
        )
        self._process = self._start()

    def __enter__(self) -> Victim:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def marks(self, data: bytes) -> int:
        """The loaders that made a mark, a bit each; none where the process ended over it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(struct.pack("<L", len(data)) + data)
            self._process.stdin.flush()
            answer = self._process.stdout.read(4)
        except BrokenPipeError:
            answer = b""
        if len(answer) < 4:
            self._process.kill()
            self._process.wait()
            self._process = self._start()
            return 0
        return int.from_bytes(answer, "little")
