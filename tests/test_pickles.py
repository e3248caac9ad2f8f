from __future__ import annotations

import collections
import contextlib
import datetime
import decimal
import fractions
import importlib.util
import io
import pathlib
import pickle
import random
import signal
import struct
import sys
import tracemalloc
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import EVIL0, LEGACY_MAGIC, Payload, npy, torch_index, torch_legacy, torch_zip, zipped
from clock import within
from git_custody.core.content import BytesContent
from git_custody.formats.explain_pickle import Explanation, call_in, explain
from git_custody.formats.pickle_names import Names, dotted, names_in, renamed
from git_custody.formats.pickles import walk
from git_custody.formats.recognise import recognise
from opcode_streams import Victim, is_own, little, program, stream

QUICK = settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
CALL = b"cos\nsystem\n(S'true'\ntR"


def is_found(data: bytes) -> bool:
    return walk(BytesContent(data)) is not None


def frame(length: int) -> bytes:
    return b"\x95" + little(length, 8)


# ------------------------------------------------------------------ what unpicklers run is found

# Each of these makes some unpickler call or change something, as the comment in front of it says.
RUN = {
    # strtol() skips white space, however much there is
    "number behind a wide margin": b"I" + b" " * 70_000 + b"1\n0" + CALL,
    # a NUL ends a number, also at once
    "number that a NUL ends at once": b"I\0anything\n0" + CALL,
    "key of a thousand digits": b"Np" + b"0" * 2_000 + b"1\n0g1\n0" + CALL,
    "key of more digits than are read": b"Np" + b"0" * 70_000 + b"1\n0g1\n0" + CALL,
    # attribute paths have any length from protocol 4 on
    "long attribute path": b"\x80\x04cos\nsystem" + b".__call__" * 200 + b"\n\x8c\x04true\x85R",
    "long attribute path, to the end": b"\x80\x04cos\nsystem" + b".__call__" * 9_000 + b"\n.",
    # Lib/pickle.py takes a last line without its end, less one byte
    "last line without its end": b"(S'true'\nios\nsystem_",
    # from a file, Modules/_pickle.c drops what is left of a frame that ends inside of an opcode
    "frame that ends inside of a number": b"\x80\x04" + frame(2) + b"M\x01\0\x000" + CALL,
    "frame that ends inside of a length": frame(3) + b"X\2\0" + b"\2\0\0\0ab0" + CALL,
    "frame that ends inside of a text": frame(6) + b"B\2\0\0\0a" + b"ab0" + CALL,
    "frame that ends inside of a line": frame(2) + b"Vx" + b"yy\n0" + CALL,
    "frame that ends inside of a frame's length": frame(3) + b"\x95\5\0" + little(5, 8) + b"NN0N0" + CALL,
    "frame that begins before another's end": frame(12) + b"K\1\x95" + little(40, 8) + b"0" + CALL,
    "frame that goes on behind STOP": frame(5) + b"NN.xx" + CALL,
    # more marks than are kept
    "mark below all that are kept": b"N" + b"(" * 140_000 + b"1" * 139_999 + b"cos\nsystem\nS'x'\no\xff",
    "class below all that is kept": b"(cos\nsystem\n" + b"K\1J\1\1\1\1" * 70_000 + b"o\xff",
    # renamed to subprocess
    "module of Python 2": b"(Vtrue\nicommands\ngetoutput\nand more text\n",
    "module that Python has dropped": b"(Vtrue\nipipes\nquote\nand more text\n",
    "call without arguments": b"(ios\nabort\nand more text\n",
    "call without arguments, of what another platform has": b"(iposix\nabort\nand more text\n",
    "call with a text instead of a tuple": b"cos\nsystem\nVw\nRand more text\n",
    # packages that no list names bring `exec` and `subprocess.call` along under names of their own
    "word for an unlisted package": b"(Vls\nistranger\nrun\nand more text\n",
    "word for an unlisted package, with OBJ": b"(cstranger\nrun\nVls\nothers\n",
    "word for an unlisted package, instead of a tuple": b"cstranger\nrun\nVls\nRest of the text\n",
    "call of an unlisted package without arguments": b"(istranger\nrun\nand more text\n",
    "call of an unlisted package without arguments, with OBJ": b"(cstranger.of\nrun\nothers\n",
    "tuple that an object of an unlisted package takes": b"cstranger\nnames\n(Vls\nta and more text\n",
    "state of what is in an unlisted package": b"cstranger\nenviron\n(VPATH\nV/tmp\ndb some text\n",
    "program for an unlisted package": b"(Vopen('x', 'w')\nisix\nexec_\nand more text\n",
    "program for an unlisted package, with OBJ": b"(csix\nexec_\nVopen('x', 'w')\nothers\n",
    "long program for an unlisted package": b"(V" + b"1" * 200 + b"\nisix\nexec_\nand more text\n",
    "command for an unlisted package": b"(]Vtouch\naVx\naiyours\ncall\nand more text\n",
    "name that a module only makes while it is imported": b"(Ncos\nsystem\n(Vtrue\ntimultiprocessing\nPool\nmore\n",
    # no call, but the module stays changed
    "append to what was imported": b"csys\npath\nV/tmp\na\xff\xff",
    "append in text": b"csys\npath\nV/tmp\nand so on\n",
    "item of what was imported": b"cos\nenviron\nVPATH\nV/tmp\nsome text\n",
    "items of what was imported": b"cos\nenviron\n(VPATH\nV/tmp\nu some text\n",
    "state of what was imported": b"cos\nenviron\n(VPATH\nV/tmp\ndb some text\n",
    "built-in of which something else is made": b"cbuiltins\n__dict__\nV__import__\ncprofile\nrunctx\nscx()\ny\n",
    "items, of which one is missing": b"cbuiltins\n__dict__\n(Vlen\nVx\nVy\nu",
    "word for what has a key of more digits than are read": b"cos\nsystem\np%b5\n0g5\n(Vls\ntR, and more\n"
    % (b"0" * 1001),
    "word for what is taken by a key of more digits than are read": b"cos\nsystem\np5\n0g"
    + b"0" * 1001
    + b"5\n(Vls\ntR, and more\n",
    "name that MEMOIZE has given a number that cannot be told": b"Vx\np%b9\ncos\nsystem\n\x94Vy\n\x94(h\1Vls\no"
    % (b"0" * 1001),
    "item of what has a key of more digits than are read": b"csys\nmodules\np%b5\n0g5\nVx\nVy\nsome text\n"
    % (b"0" * 1001),
    "import that leaves nothing": b"cmymodule\nrun\n0.",
    "call with bytes, of a name in escapes": b"V\\u006fs\nVsystem\n\x93C\x01xRThe end.\n",
    "name of a text that is imported": b"cos\nname\nVsystem\n\x93(Vtrue\ntR\xff",
    "imports as padding": b"cyours\nrun\n" * 260_000 + CALL,
    "extension, with what only Lib/pickle.py takes": b"\x82\x4dC\x01xR\xff\xfe",
    "extension in the protocol of extensions": b"\x80\x02\x82\x4d)R\xff\xfe",
    "extension behind much else": b"N" * 140_000 + b"(\x82\x4do",
    # an unpickler that is used again keeps its memo
    "memo of the stream before": b"cos\nsystem\np0\n.(g0\nVtrue\nothers\n",
    "memo of a stream long before": b"cos\nsystem\np0\n.Vx\n.Vx\n.(g0\nVtrue\nothers\n",
    "stream behind many": b"N." * 400_000 + CALL,
    # an unpickler that is used again keeps its memo
    "stream that begins with what the one before kept": b"\x8c\x02os\x940\x8c\x06system\x940N.h\0h\1\x93X\4\0\0\0true\x85R.",
    "the same in lines": b"Vos\np0\n0Vsystem\np1\n0N.g0\ng1\n\x93Vtrue\n\x85R.",
    "call of what the stream before kept": b"cos\nsystem\np0\n0N.g0\n(Vtrue\ntR.",
    "data that are filled up": b"(lp0\nI1\naI2\na." + bytes(480),
}


@pytest.mark.parametrize("kind", RUN)
def test_what_an_unpickler_runs_is_found(kind: str) -> None:
    assert is_found(RUN[kind])


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="nothing ends a stream that takes for ever")
def test_streams_that_make_a_mark_are_found(tmp_path: Path) -> None:
    """Random streams, loaded by every unpickler in a child where what they call is harmless."""
    r = random.Random(20261126)
    missed = []
    marks = 0
    with Victim(tmp_path) as victim:
        for _ in range(1_500):
            data = stream(r) if r.random() < 0.9 else program(r)
            loaders = victim.marks(data)
            marks += loaders > 0
            if loaders and walk(BytesContent(data), is_own=is_own) is None:
                missed.append((bin(loaders), data))
    assert missed == []
    assert marks > 700


# ------------------------------------------------------------------ what reads as prose is left alone

PROSE = (
    "(ios\nandroid\nwindows\n", "(int\nfoo\nbar\n", "(imy-module\nrun\nand more\n", "(Vx\nimodule\nrun it\nand more\n",
    "cmodule\nrun,\nVw\nRand more\n", "cmodule\npath\nVx\nand so on\n", "(cmy module\nrun\nVx\nothers\n",
    "cos\nsystem\nand more\n", "cos\nsystem\n.\nand more\n", "csv\nfiles\n.\nmore\n", "class Foo:\n    pass\n",
    "config\nlib\n0.5 is the version\n", "ctypes\nPillow\n0.1\n", "\x95 a bullet\n", "I\nII\nIII\n", "].\n",
    "N.\n\n", "(items)\nare\nhere\n", "(in the field\nand beyond\n", "cats and dogs\nand mice\n(tRNA)\n",
    "cut\nfor\nthe\n", "(istanbul,\nconstantinople\n", "(Vienna\nitaly\nrome)\n", "(Vienna,\nin Austria\nrome\n", "(classes\nbecause it\nwill\nfail\n", "(iso\n(iec\nitu\n",
    "pickle\n", "gopher\n",
)  # fmt: skip


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_left_alone(text: str) -> None:
    assert not is_found(text.encode("latin-1", "replace"))
    assert not is_found((text * 50).encode("latin-1", "replace"))


CALL = b"cos\nsystem\n(Vid\ntR."
PADDED = {
    "marked lines": b"(Va\n" * 200_000 + CALL,
    "copies": b"V\n" + b"2" * 400_000 + CALL,
    "protocols": b"V\n" + b"\x80\x01" * 300_000 + CALL,
    "long integers": b"\x8a\0" * 300_000 + CALL,
    "marks": b"(1" * 300_000 + CALL,
    "streams of lines": b"V\n." * 300_000 + CALL,
    "imports of some package": b"ctqdm\ntqdm\n" * 300_000 + CALL,
    "marked lines behind an import": b"ctqdm\ntqdm\n" + b"(Va\n" * 200_000 + CALL,
    "lines, and few other opcodes": (b"(Va\n" * 200 + b"0") * 1_500 + CALL,
    "what is called lies below": b"cos\nsystem\n" + b"Vx\n" * 50_000 + b"0" * 49_999 + b"\x85R.",
    "what is called lies between": b"Vx,1\n" * 30_000
    + b"cos\nsystem\n"
    + b"Vx,1\n" * 30_000
    + b"0" * 30_000
    + b"(Vtrue\ntR and more text",
    "what is called lies behind a mark": b"Vx,1\n" * 30_000
    + b"(cos\nsystem\nVtrue\n"
    + b"Vx,1\n" * 30_000
    + b"0" * 30_000
    + b"o and more text",
    "what is called lies behind other imports": b"".join(b"cyours\nname%d\n" % number for number in range(90))
    + b"cos\nsystem\n"
    + b"Vx,1\n" * 30_000
    + b"0" * 30_000
    + b"(Vtrue\ntR and more text",
    "what is called lies between other imports": b"Vx,1\n" * 30_000
    + b"cyours\nname\n" * 90
    + b"cos\nsystem\n"
    + b"Vx,1\n" * 30_000
    + b"0" * 30_000
    + b"(Vtrue\ntR and more text",
    "what is called lies in a long table": b"Vx,1\n" * 30_000
    + b"cyours\nname\n" * 900_000
    + b"cos\nsystem\n"
    + b"Vx,1\n" * 30_000
    + b"0" * 30_000
    + b"(Vtrue\ntR and more text",
    "what is called is of a package that no list names": b"cyours\nrun\n("
    + b"Vx,1\n" * 30_000
    + b"1(Vtrue\ntR and more text",
    "what is called by OBJ is of a package that no list names": b"(cyours\nrun\nVls\n("
    + b"Vx,1\n" * 30_000
    + b"1others and more text",
    "what is called with a text is of a package that no list names": b"cyours\nrun\nVls\n("
    + b"Vx,1\n" * 30_000
    + b"1Rest of the text",
    "what is called by OBJ lies between imports": b"Vx,1\n" * 30_000
    + b"(cyours\nrun\nVls\n("
    + b"cmine\nname\n" * 30_000
    + b"1others and more text",
    "what is changed lies below": b"csys\nmodules\n" + b"N" * 50_000 + b"0" * 49_999 + b"Vx\nVy\nsome text",
    "a mark below": b"cos\nsystem\n(Vid\nt(" + b"Va\n" * 50_000 + b"1R.",
}


@pytest.mark.parametrize("kind", PADDED)
def test_padding_hides_no_call(kind: str) -> None:
    walked = walk(BytesContent(PADDED[kind]))
    assert walked is not None
    assert walked.imported is not None


@pytest.mark.parametrize(
    "text",
    [
        b"cat\n" * 300_000 + b"dog\n" * 1_000, b"cat\nbat\n" * 100_000 + b"dog\n", b"(cons 1 2)\n" * 100_000,
        b"".join(b"c%d,1,2\n" % row for row in range(300_000)), b"".join(b"V%d,1\n" % row for row in range(300_000)),
        b"cat\n" * 30_000 + b"other\n" * 10_000, b"cat\n" * 30_000 + b"Rat\n" * 10_000,
    ],
    ids=["labels", "labels in turn", "lists", "table of c", "table of V", "labels like OBJ", "labels like REDUCE"],
)  # fmt: skip
def test_tables_are_left_alone(text: bytes) -> None:
    with within(2):
        assert walk(BytesContent(text)) is None


@pytest.mark.parametrize("length", [1 << 30, 1 << 62, (1 << 64) - 1])
def test_a_frame_of_what_is_not_there_proves_nothing(length: int) -> None:
    for inside in (b"\x8e" + b"\xff" * 8, b"\x95" + b"\xfe" * 8, b"X\xff\xff\xff\xff", b"Vx", b"N.", b"M\1"):
        assert not is_found(frame(length) + inside + b"\0" * 90)


# ------------------------------------------------------------------ modules of the repository

OWN = {
    "call of a module whose name is none": b"cmy-own\nrun\n(Vx\ntR and more text\n",
    "call by INST of a module whose name is none": b"(Vx\nimy-own\nrun\nand more text\n",
    "call by OBJ of a module whose name is none": b"(cmy-own\nrun\nVx\nothers\n",
    "import that ends, before more text": b"cown\nrun\n.\nmore text follows here\n",
    "import of a module whose name is none": b"cmy-own\nrun\n.",
    "append": b"cown\nnames\nVx\nand so on\n",
    "call with an import instead of a tuple": b"cown\nrun\ncown\nnames\nRight\n",
    "submodule": b"cown.sub.more\nrun\n.\nand more text\n",
}


@pytest.mark.parametrize("kind", OWN)
def test_modules_of_the_repository_can_be_imported(kind: str) -> None:
    asked: list[str] = []

    def owns(root: str) -> bool:
        asked.append(root)
        return root in ("own", "my-own")

    assert walk(BytesContent(OWN[kind])) is None
    assert walk(BytesContent(OWN[kind]), is_own=lambda root: False) is None
    assert walk(BytesContent(OWN[kind]), is_own=owns) is not None
    assert asked in (["own"], ["my-own"])
    content = BytesContent(zipped({"in": OWN[kind]}))
    assert [verdict.kind for verdict in recognise(content, is_own=owns)] == ["pickle"]
    assert recognise(content) == ()


@pytest.mark.parametrize("data", [EVIL0, b"plain text\n", b"import os\n", torch_zip(), pickle.dumps(Payload(), 2)])
def test_nobody_is_asked_for_modules_where_nothing_hangs_on_them(data: bytes) -> None:
    asked: list[str] = []

    def owns(root: str) -> bool:
        asked.append(root)
        return True

    recognise(BytesContent(data), is_own=owns)
    assert asked == []


def test_an_import_of_the_repository_that_goes_on_as_text_is_text() -> None:
    assert walk(BytesContent(b"cown\nrun\nand more text\n"), is_own=is_own) is None


# ------------------------------------------------------------------ names


def told(data: bytes) -> Names:
    return names_in(BytesContent(data))


def all_in(data: bytes) -> set[str] | None:
    """The names in `data`, where they can be told."""
    names = told(data)
    return set(names.names) if names.complete else None


class Recorder:
    """What the names stand for here: it can be called and filled, and does nothing."""

    def __new__(cls, *_: object, **__: object) -> Recorder:
        return object.__new__(cls)

    def _nothing(self, *_: object, **__: object) -> Any:
        return self

    __call__ = append = extend = add = __setitem__ = __setstate__ = _nothing

    def __iter__(self) -> Any:
        return iter(())


def looked_up_by_unpicklers(data: bytes, chance: random.Random | None = None) -> set[tuple[str, str]]:
    """Modules and names that any way to load `data` asks for."""
    asked = set()

    def find_class(self: object, module: str, name: str) -> Any:
        asked.add((module, name))
        choices = [Recorder, Recorder, Recorder(), "os"]
        return chance.choice(choices) if chance else Recorder

    members = {"find_class": find_class, "persistent_load": lambda self, pid: "os" if chance else Recorder()}
    readers: list[Any] = [type("C", (pickle.Unpickler,), members), type("P", (pickle._Unpickler,), members)]
    for reader in readers:
        file = io.BytesIO(data)
        kept = reader(io.BytesIO(data))
        for load in (reader(io.BytesIO(data), encoding="latin1").load, lambda: reader(file).load(), kept.load):  # noqa: B023
            try:
                for _ in range(9):
                    load()
            except Exception:  # noqa: PERF203
                pass
    return asked


VALUES = st.one_of(
    st.integers(), st.floats(), st.text(), st.binary(), st.dates(), st.decimals(), st.fractions(), st.uuids(),
    st.timedeltas(), st.complex_numbers(), st.builds(pathlib.PurePosixPath), st.builds(collections.OrderedDict),
    st.builds(collections.Counter, st.text()), st.just(print), st.just(dict), st.just(datetime.timezone.utc),
    st.just(collections.ChainMap.new_child), st.just(LookupError("x")), st.builds(bytearray, st.binary()),
)  # fmt: skip
TREES = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner) | st.frozensets(st.integers())
    ),
    max_leaves=30,
)


@QUICK
@given(TREES, st.integers(0, 5))
def test_the_names_of_pickles_are_those_that_loading_asks_for(value: object, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    names = told(data)
    asked = looked_up_by_unpicklers(data)
    assert names.obstacle is None
    assert names.names >= {dotted(module, name) for module, name in asked}
    assert names.names <= {told for pair in asked for told in (dotted(*pair), renamed(*pair))}
    if protocol > 2:
        assert names.names == {dotted(module, name) for module, name in asked}


def test_no_stream_asks_for_more_names_than_are_told() -> None:
    r = random.Random(20261127)
    complete = 0
    for _ in range(6_000):
        data = program(r)
        names = told(data)
        if names.complete:
            asked = looked_up_by_unpicklers(data, r)
            complete += bool(asked)
            assert {dotted(module, name) for module, name in asked} <= names.names, data
    assert complete > 150


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


LONG = "a" * 300 + "." + "b" * 600
PLAIN = {
    "nothing": (pickle.dumps([1, 2.5, "x"], 4), set()),
    "GLOBAL": (b"\x80\x03cos\nsystem\n.", {"os.system"}),
    "INST": (b"\x80\x03(ios\nsystem\n.", {"os.system"}),
    "STACK_GLOBAL": (b"\x80\x04" + short("os") + short("system") + b"\x93.", {"os.system"}),
    "attribute path": (b"\x80\x04" + short("builtins") + short("eval.__call__") + b"\x93.", {"builtins:eval.__call__"}),
    "long": (b"\x80\x04X" + little(len(LONG), 4) + LONG.encode() + short("c") + b"\x93.", {f"{LONG}.c"}),
    "by UNICODE and STRING": (b"\x80\x04Vos\nS'system'\n\x93.", {"os.system"}),
    "by BINSTRING": (b"\x80\x04U\x02osT\x06\0\0\0system\x93.", {"os.system"}),
    "kept by PUT": (b"\x80\x04Vos\np7\n0g7\nVsystem\n\x93.", {"os.system"}),
    "kept by BINPUT": (b"\x80\x04Vos\nq\x070h\x07Vsystem\n\x93.", {"os.system"}),
    "kept by LONG_BINPUT": (b"\x80\x04Vos\nr\x07\0\0\x010j\x07\0\0\x01Vsystem\n\x93.", {"os.system"}),
    "kept by MEMOIZE": (b"\x80\x04N\x94Vos\n\x9400h\x01Vsystem\n\x93.", {"os.system"}),
    "MEMOIZE behind PUT": (b"\x80\x04Nq\x07Vos\n\x9400h\x01Vsystem\n\x93.", {"os.system"}),
    "overwritten": (b"\x80\x04Vos\nq\x010Vnt\nq\x010h\x01Vsystem\n\x93.", {"nt.system"}),
    "overwritten by MEMOIZE": (b"\x80\x04Vos\nq\x010Vnt\n\x940h\x01Vsystem\n\x93.", {"nt.system"}),
    "doubled": (b"\x80\x04Vos\n2\x93.", {"os.os"}),
    "doubled below": (b"\x80\x04Vos\nVx\n20" + b"0" + b"Vsystem\n\x93.", {"os.system"}),
    "behind a mark": (b"\x80\x04Vos\n(VxyzNt0Vsystem\n\x93.".replace(b"VxyzN", b"Vxyz\nN"), {"os.system"}),
    "renamed": (b"\x80\x02ccommands\ngetoutput\n.", {"commands.getoutput", "subprocess.getoutput"}),
    "renamed name": (b"c__builtin__\nxrange\n.", {"__builtin__.xrange", "builtins.range"}),
    "not renamed": (b"\x80\x03ccommands\ngetoutput\n.", {"commands.getoutput"}),
    "last protocol counts": (b"\x80\x04\x80\x02ccommands\nx\n.", {"commands.x", "subprocess.x"}),
    "frame": (b"\x80\x04" + frame(8) + b"ca\nb\n)R.", {"a.b"}),
    "padded": (b"\x80\x03ca\nb\n.\n\0\0\0", {"a.b"}),
    "ids": (torch_index(), {"collections.OrderedDict", "torch.FloatStorage", "torch._utils._rebuild_tensor_v2"}),
}  # fmt: skip


@pytest.mark.parametrize("kind", PLAIN)
def test_names(kind: str) -> None:
    data, names = PLAIN[kind]
    assert all_in(data) == names


UNTOLD = {
    "no end": b"\x80\x03cos\nsystem\n",
    "cut": b"\x80\x03cos\nsyst",
    "cut literal": b"\x80\x04X\xff\0\0\0abc",
    "no opcode": b"\x80\x03cos\nsystem\n\xff",
    "bytes behind": b"\x80\x03cos\nsystem\n.\x01",
    "half a stream behind": b"\x80\x03cos\nsystem\n.N0",
    "computed": b"\x80\x04Vos\nVa\nVb\n\x86" + b"ca\nb\nq\0" + b"0h\0)RVx\n\x93.",
    "by a call": b"\x80\x04cstr\nx\n)R" + short("system") + b"\x93.",
    "by a constant": b"\x80\x04cos\nname\n" + short("system") + b"\x93.",
    "by an id": b"\x80\x04Pos\n" + short("system") + b"\x93.",
    "call of an id": b"\x80\x04Pos\n)R.",
    "object of an id": b"\x80\x04(Pos\no.",
    "extension": b"\x80\x04\x82\x4d.",
    "extension with four bytes": b"\x80\x04\x84\x4d\0\0\0.",
    "buffer from elsewhere": b"\x80\x05\x97.",
    "escapes": b"\x80\x04V\\u006fs\n" + short("system") + b"\x93.",
    "escapes in STRING": b"\x80\x04S'\\x6fs'\n" + short("system") + b"\x93.",
    "not ASCII in a string whose encoding is the loader's": b"\x80\x04U\x01\xe4" + short("system") + b"\x93.",
    "name beyond any length": b"\x80\x04X" + little(2_000, 4) + b"a" * 2_000 + short("system") + b"\x93.",
    "line beyond any length": b"\x80\x04c" + b"a" * 2_000 + b"\nb\n.",
    "not UTF-8": b"\x80\x04c\xff\nb\n.",
    "bytes as a name": b"\x80\x04C\x02os" + short("system") + b"\x93.",
    "unknown key": b"\x80\x04h\0Vsystem\n\x93.",
    "underscore in a key": b"\x80\x04Vos\np1_0\ng10\nVsystem\n\x93.",
    "missing operand": b"\x80\x04R.",
    "missing mark": b"\x80\x04tN.",
    "operand below the mark": b"\x80\x04Vos\n(Vsystem\n\x93.",
    "frame inside of an opcode": b"\x80\x04" + frame(2) + b"M\1\0N.",
    "frame inside of a line": b"\x80\x04" + frame(2) + b"VxyN\n.",
    "frame in a frame": b"\x80\x04" + frame(20) + b"N0" + frame(2) + b"N.",
    "frame behind the end": b"\x80\x04" + frame(4) + b"NN..",
    "frame of what is not there": b"\x80\x04" + frame(90) + b"N.",
    "new protocol": b"\x80\x06N.",
    "another stream": b"\x80\x03ca\nb\n.\x80\x03cc\nd\n.",
    "arrays of joblib": b"\x80\x04cjoblib.numpy_pickle\nNumpyArrayWrapper\n)R.",
    "arrays of joblib, by another way": b"\x80\x04cvendored.joblib\nNumpyArrayWrapper\n)R.",
}  # fmt: skip


@pytest.mark.parametrize("kind", UNTOLD)
def test_names_that_cannot_be_told(kind: str) -> None:
    assert not told(UNTOLD[kind]).complete
    assert all(names is None for names in names_of(UNTOLD[kind]))


def test_names_are_told_as_far_as_they_can_be() -> None:
    assert told(b"\x80\x03ca\nb\n.\x80\x03cc\nd\n.").names == {"a.b", "c.d"}
    assert told(b"\x80\x03ca\nb\ncc\nd\n\xff").names == {"a.b", "c.d"}


def test_numbers_behind_a_legacy_checkpoint_are_no_obstacle() -> None:
    names = {"collections.OrderedDict", "torch.FloatStorage", "torch._utils._rebuild_tensor_v2"}
    assert all_in(torch_legacy()) == names
    assert "posix.system" in told(torch_legacy(evil=True)).names
    streams = torch_legacy()[:-24]
    assert all_in(streams + b"Nothing") == names
    assert not told(streams + b"cos\nsystem\n").complete
    assert told(streams + EVIL0).names >= {"os.system"}
    assert not told(LEGACY_MAGIC + pickle.dumps(1, 2) * 3 + b"\x01numbers").complete


def test_much_data_keeps_its_names() -> None:
    for value in ([float(number) for number in range(90_000)], ["word"] * 90_000, [str(n) for n in range(30_000)]):
        for protocol in range(6):
            data = pickle.dumps([value, decimal.Decimal(1), fractions.Fraction(1, 2)], protocol)
            assert told(data).names >= {"decimal.Decimal", "fractions.Fraction"}
            assert told(data).complete
    tuple_of_many = pickle.dumps((tuple(range(300_000)), uuid.UUID(int=1)), 4)
    assert "uuid.UUID" in told(tuple_of_many).names
    assert told(tuple_of_many).complete


def test_literals_and_names_that_span_windows() -> None:
    for size in range(65_500, 65_540):
        data = b"\x80\x04B" + little(size, 4) + bytes(size) + b"0" + short("os") + short("system") + b"\x93."
        assert all_in(data) == {"os.system"}
        data = b"\x80\x04" + b"N0" * (size // 2) + b"\x8e" + little(9, 8) + bytes(9) + b"0cos\nsystem\n."
        assert all_in(data) == {"os.system"}


def test_what_was_dropped_is_not_guessed() -> None:
    many = b"\x80\x04Vos\n" + b"N" * 300_000
    assert not told(many + b"(" + b"0" * 300_001 + b"Vsystem\n\x93.").complete
    keys = b"".join(b"Nr" + little(number, 4) + b"0" for number in range(70_000))
    assert not told(b"\x80\x04" + keys + b"Vos\nr\xff\xff\xff\x7f0j\xff\xff\xff\x7fVsystem\n\x93.").complete
    assert not told(b"\x80\x04" + keys + b"Vos\n\x94Vsystem\n\x93.").complete
    assert all_in(b"\x80\x04" + b"N\x940" * 70_000 + b"Vos\n\x94Vsystem\n\x94\x93\x94.") == {"os.system"}
    kept_id = b"\x80\x04Px\n" + b"N" * 300_000
    assert not told(kept_id + b"0" * 300_000 + b")R.").complete


FLOODS = {
    "no-ops": b"N0" * 200_000, "pushes": b"N" * 900_000, "marks": b"(" * 200_000, "marked": b"(N" * 200_000,
    "texts": b"\x8c\x01x" * 300_000, "memo": b"N\x94" * 200_000, "lines": b"Vword\n" * 150_000,
    "literals": b"\x8c\xff" * 300_000, "lookups": b"ca\nb\n" * 150_000, "streams": b"N." * 60_000,
    "names": b"".join(b"\x8c\x64%0100d\x94" % number for number in range(80_000)),
    "long names": b"".join(b"X\0\4\0\0%01024d\x94" % number for number in range(5_000)),
    "many lookups": b"".join(b"ca\nb%d\n" % number for number in range(100_000)),
}  # fmt: skip


@pytest.mark.parametrize("kind", FLOODS)
def test_reading_names_is_bounded(kind: str) -> None:
    content = BytesContent(b"\x80\x04" + FLOODS[kind])
    tracemalloc.start()
    assert not names_in(content).complete
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * 1024 * 1024
    few = names_in(content, most=1_000)
    assert not few.complete
    assert few.opcodes < 30_000


@QUICK
@given(st.binary(max_size=300))
def test_reading_names_never_raises(data: bytes) -> None:
    told(data)
    told(b"\x80\x04" + data)
    told(torch_legacy() + data)


# ------------------------------------------------------------------ names of all pickles of a file


def names_of(data: bytes) -> list[set[str] | None]:
    found = recognise(BytesContent(data), thorough=True)
    return [None if verdict.names is None else set(verdict.names) for verdict in found if verdict.kind == "pickle"]


def test_all_pickles_of_a_file_tell_their_names() -> None:
    torch = {"collections.OrderedDict", "torch.FloatStorage", "torch._utils._rebuild_tensor_v2"}
    assert names_of(torch_zip()) == [torch]
    assert names_of(torch_zip(evil=True)) == [torch | {"posix.system"}]
    many = {f"{number}.pkl": b"\x80\x03ca\nb%d\n." % number for number in range(60)}
    assert names_of(zipped(many)) == [{f"a.b{number}"} for number in range(60)]
    assert [verdict.names for verdict in recognise(BytesContent(zipped(many)))] == [None] * 20
    assert names_of(npy("|O", (1,), b"\x80\x03ca\nb\n.")) == [{"a.b"}]


def test_a_file_that_is_two_things_tells_the_names_of_both() -> None:
    inside = zipped({"x": EVIL0})
    both = b"\x80\x04B" + struct.pack("<L", len(inside)) + inside + b"0ca\nb\n."
    # A zip ends with its comment, which may be the rest of a pickle.
    both = both.replace(inside, inside[:-2] + struct.pack("<H", 6))
    assert names_of(both) == [{"a.b"}, {"os.system"}]


def test_a_file_of_more_pickles_than_are_read_has_no_names() -> None:
    found = names_of(zipped({f"{number}": b"\x80\x03N." for number in range(1_001)}))
    assert all(names is None for names in found)
    assert len(found) == 1_000


def test_what_cannot_be_looked_into_is_said_beside_pickles() -> None:
    data = bytearray(zipped({"a": pickle.dumps([1], 4), "b": b"\x17\x94" * 40}))
    second = data.rindex(b"PK\x01\x02")
    data[second + 10] = 97
    kinds = [verdict.kind for verdict in recognise(BytesContent(bytes(data)), thorough=True)]
    assert kinds == ["pickle", "opaque"]


def test_what_may_not_be_what_it_looks_like_is_said_beside_its_pickle() -> None:
    data = bytearray(zipped({"a": pickle.dumps([1], 4)}))
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.rindex(mark) + at] |= 1  # encrypted
    kinds = [verdict.kind for verdict in recognise(BytesContent(bytes(data)), thorough=True)]
    assert kinds == ["pickle", "opaque"]
    assert [verdict.kind for verdict in recognise(BytesContent(bytes(data)))] == ["pickle"]


def test_what_is_encrypted_is_said_beside_what_it_looks_like() -> None:
    data = bytearray(zipped({"a": pickle.dumps([1], 4)}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    kinds = [verdict.kind for verdict in recognise(BytesContent(bytes(data)), thorough=True)]
    assert kinds == ["pickle", "opaque"]


def test_a_database_of_which_a_sample_is_read_has_no_names(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "store.db"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("create table cache (value blob)")
        database.execute("insert into cache values (?)", (pickle.dumps(decimal.Decimal(1), 4),))
    assert names_of(path.read_bytes()) == [None]
    assert names_of(zipped({"store.db": path.read_bytes(), "a": b"\x80\x03ca\nb\n."})) == [None, None]


def test_importing_the_recogniser_imports_little() -> None:
    import subprocess

    code = (
        "import sys; sys.path.insert(0, 'hooks'); import git_custody.formats.recognise\n"
        "print(*sorted(name for name in sys.modules if name.startswith('git_custody.formats.')))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    needed = ("catalog", "paths", "pickle_opcodes", "recognise", "verdicts")
    assert done.stdout.split() == [f"git_custody.formats.{name}" for name in needed]


# ------------------------------------------------------------------ fickling's words


needs_limits = pytest.mark.skipif(
    importlib.util.find_spec("resource") is None, reason="without limits on a child process, fickling is not asked"
)


@needs_limits
def test_fickling_tells_how_severe_it_is_and_every_call() -> None:
    told = explain(b"\x80\x02cos\nsystem\nX\4\0\0\0true\x85R0ccollections\nOrderedDict\n)R}b.")
    assert told is not None
    assert told.severity.endswith("OVERTLY_MALICIOUS")
    assert told.calls[0] == "os.system('true')"
    assert {call.partition("(")[0].rpartition(".")[2] for call in told.calls} == {
        "system", "OrderedDict", "__setstate__",
    }  # fmt: skip
    plain = explain(pickle.dumps([1, 2], 2))
    assert plain == Explanation("LIKELY_SAFE", ())


@needs_limits
def test_the_child_imports_nothing_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fickling", "ast", "json", "resource", "sitecustomize", "usercustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'marker')!r}, 'w').close(); raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "fickling.py"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert call_in(pickle.dumps(Payload(), 2)) is not None
    assert not (tmp_path / "marker").exists()


@needs_limits
def test_fickling_is_given_no_more_than_a_mebibyte(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []

    def run(command: object, *, input: bytes, **_: object) -> None:
        given.append(len(input))
        raise OSError

    monkeypatch.setattr("subprocess.run", run)
    assert explain(bytes(5 * 1024 * 1024)) is None
    assert given == [1024 * 1024]


def test_fickling_is_not_asked_where_there_is_no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    for missing in (None, ""):
        monkeypatch.setattr(sys, "executable", missing)
        assert explain(pickle.dumps(Payload(), 2)) is None


def test_fickling_is_not_asked_where_there_are_no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert explain(pickle.dumps(Payload(), 2)) is None


@needs_limits
@pytest.mark.parametrize(
    "data", [b"", b"text", b"\x80\x02" + b"(" * 100_000, b"\x80\x02" + b"]" * 1_000_000, EVIL0[:9]]
)
def test_what_fickling_cannot_read_is_silence(data: bytes) -> None:
    with within(20):
        assert explain(data) is None
