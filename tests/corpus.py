"""Files that carry a pickle or other code, and files that only look like it: built here, never loaded.

The payload would call `os.system("true")`: harmless, and nothing runs it. Every file is written from its
format's layout by `builders.py`, so that neither PyTorch nor NumPy is needed; `benchmarks/corpus.py` adds what
the libraries themselves write. A kind of file is one function here, marked with `@kind`.
"""

from __future__ import annotations

import bz2
import dbm.dumb
import gzip
import json
import lzma
import marshal
import os
import pickle
import random
import sqlite3
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from builders import (
    CENTRAL,
    END,
    EVIL0,
    LEGACY_MAGIC,
    LOCAL,
    SEVEN_ZIP_METHODS,
    Payload,
    Sample,
    gguf,
    java_object,
    keras_zip,
    lambda_layer,
    lz4_frame,
    npy,
    old_tar,
    onnx,
    polyglot_safetensors,
    r_closure,
    r_list,
    r_promise,
    r_workspace,
    rds,
    safetensors,
    saved_model,
    seven_zip,
    streamed_zip,
    tampered,
    tarred,
    torch7_function,
    torch_index,
    torch_legacy,
    torch_members,
    torch_tar,
    torch_zip,
    zip64,
    zip_of,
    zipped,
    zstd_frame,
)
from negatives import TEXTS, negatives

__all__ = [
    "EVIL0",
    "TEXTS",
    "WRAPPINGS",
    "Payload",
    "Sample",
    "carriers",
    "code_carriers",
    "negatives",
    "npy",
    "opaque",
    "tarred",
    "torch_zip",
    "zipped",
]

Named = Iterator[tuple[str, bytes]]
Make = Callable[[], Named]

CARRIER, CODE, OPAQUE = "carrier", "code", "opaque"
# Kind -> label, how its files are made, and the function that makes them.
KINDS: dict[str, tuple[str, str, Make]] = {}


def kind(name: str, how: str, label: str = CARRIER) -> Callable[[Make], Make]:
    """Make the files of a kind with the function below."""

    def register(make: Make) -> Make:
        KINDS[name] = (label, how, make)
        return make

    return register


def samples(label: str) -> list[Sample]:
    """Every file with this label, in a stable order."""
    return [Sample(name, data, named) for named, (of, _, make) in KINDS.items() if of == label for name, data in make()]


def carriers() -> list[Sample]:
    """Every file here is or holds a pickle."""
    return samples(CARRIER)


def code_carriers() -> list[Sample]:
    """Every file here runs code of its own when its usual loader loads it, and is no pickle."""
    return samples(CODE)


def opaque() -> list[Sample]:
    """What is in these files cannot be told without a password or without end."""
    return samples(OPAQUE)


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda data: data,
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zlib": zlib.compress,
    "lz4": lz4_frame,
    "zst": zstd_frame,
    "zip": lambda data: zipped({"x": data}),
    "zip-deflated": lambda data: zipped({"x": data}, zipfile.ZIP_DEFLATED),
    "prefixed-zip": lambda data: b"junk in front\n" + zipped({"x": data}),
    "tar": lambda data: tarred({"x": data}),
    "tar.gz": lambda data: gzip.compress(tarred({"x": data}), mtime=0),
    "zip-in-tar": lambda data: tarred({"in.zip": b"junk" + zipped({"x": data})}),
    "7z": lambda data: seven_zip({"x": data}, "lzma2"),
}
COMPRESSIONS = ("gz", "bz2", "xz", "lzma", "zlib", "lz4", "zst")
PROTOCOLS = range(6)


def evil(protocol: int) -> bytes:
    """A pickle of ordinary data with the payload among it."""
    return pickle.dumps({"w": [1.5] * 5, "x": Payload()}, protocol)


# ---------------------------------------------------------------------- plain pickles

VALUES: tuple[Any, ...] = (
    {"a": [1, 2.5, "x"]}, [1, 2, 3], (1, "b"), {"k": {"n": None}}, [b"bytes", True], OrderedDict(a=1),
    {1, 2}, [Decimal("1.5")], {"long": 10**40}, [["deep"] * 3] * 3, list(range(2_000)), {"ü": "☃"},
)  # fmt: skip
DISGUISES = (
    "model.pkl", "model.txt", "model.safetensors", "model", "a.csv", "a.jpg", "model.gguf", "model.onnx", "model.h5",
    "a.json", "a.npy", "README.md", "weights.bin", "a.parquet", "chat_template.jinja", "model.keras", "lib.so",
)  # fmt: skip


@kind("benign", "pickles of plain data, in every protocol")
def _benign() -> Named:
    for protocol in PROTOCOLS:
        for number, value in enumerate(VALUES):
            yield f"{protocol}-{number}.pkl", pickle.dumps(value, protocol)


@kind("disguised", "a pickle that calls, in every protocol, under names of other formats")
def _disguised() -> Named:
    for protocol in PROTOCOLS:
        for name in DISGUISES:
            yield f"{protocol}/{name}", pickle.dumps(Payload(), protocol)


@kind("inside-data", "ordinary data with a call among it")
def _inside_data() -> Named:
    for protocol in PROTOCOLS:
        yield f"{protocol}.bin", evil(protocol)
        yield f"last-{protocol}.bin", pickle.dumps([*range(3_000), Payload()], protocol)
        yield f"key-{protocol}.bin", pickle.dumps([{(1, "k"): {"v": [Payload()]}}], protocol)


@kind("junk-behind", "a pickle that calls, and bytes behind it that are none")
def _junk_behind() -> Named:
    for protocol in PROTOCOLS:
        for name, junk in (("junk", b"\xff\x00junk" * 20), ("zeros", bytes(5_000)), ("text", b"\n# Title\n")):
            yield f"{protocol}-{name}", evil(protocol) + junk


@kind("bad-opcode", "a call, and then something that no unpickler reads on from")
def _bad_opcode() -> Named:
    for protocol in PROTOCOLS:
        for number, junk in enumerate((b"\xff", b"\0", b"a", b"R", b"h\xff", b"X\xff\xff\xff\x7f")):
            yield f"{protocol}-{number}", evil(protocol)[:-1] + junk


@kind("truncated", "a call, and then the end of the file")
def _truncated() -> Named:
    for protocol in PROTOCOLS:
        data = evil(protocol)
        called = data.rindex(b"R") + 1
        for cut in range(called, min(called + 4, len(data))):
            yield f"{protocol}-{cut}", data[:cut]


@kind("second-stream", "harmless pickles, and one that calls behind them")
def _second_stream() -> Named:
    for protocol in PROTOCOLS:
        yield f"second-{protocol}", pickle.dumps(7, protocol) + evil(protocol)
        yield f"third-{protocol}", pickle.dumps([1], protocol) + pickle.dumps({}, protocol) + evil(protocol)
        yield f"hundredth-{protocol}", pickle.dumps("seven", protocol) * 99 + evil(protocol)
        yield f"own-module-{protocol}", pickle.dumps(1, protocol) + b"cmymodule\nrun\n)R."


@kind("no-op-padding", "operations without effect before the call")
def _no_op_padding() -> Named:
    for prefix in (
        b"N0", b"I1\n0", b"]0", b"(0", b"(1", b"K\x010", b"Vx\n0", b"S'x'\n0", b")0", b"\x880", b"U\x01a0", b"N200",
        b"(N1", b"}0", b"J\0\0\0\x010", b"L1L\n0", b"F1.5\n0", b"G\0\0\0\0\0\0\0\x000", b"M\0\x010", b"(]0t0",
    ):  # fmt: skip
        for times in (1, 50, 5_000):
            yield f"{prefix!r}-{times}", prefix * times + EVIL0
    yield "many", b"N0" * 1_500_000 + EVIL0


@kind("deep-stack", "more pushed than any reader of words would, and then the call")
def _deep_stack() -> Named:
    yield "nones", b"N" * 1_000_000 + EVIL0
    yield "marks", b"(" * 500_000 + EVIL0
    numbers = random.Random(5).randbytes(600_000)
    yield "numbers", b"".join(b"K%c" % number for number in numbers) + EVIL0
    yield "mixed", b"(N" * 100_000 + EVIL0
    yield "lines", b"Vx,y\n" * 100_000 + EVIL0


@kind("long-literals", "a literal of kilobytes to a megabyte before the call")
def _long_literals() -> Named:
    yield "unicode-line", b"V" + b"x" * 1_000_000 + b"\n0" + EVIL0
    yield "integer", b"L" + b"1" * 4_000 + b"L\n0" + EVIL0
    yield "string", b"S'" + b"x" * 100_000 + b"'\n0" + EVIL0
    for size in (4_080, 65_535, 1_000_000):
        yield f"bytes-{size}", b"B" + struct.pack("<L", size) + bytes(size) + b"0" + EVIL0
        yield f"bytes8-{size}", b"\x8e" + struct.pack("<Q", size) + bytes(size) + b"0" + EVIL0
        yield f"unicode-{size}", b"X" + struct.pack("<L", size) + b"u" * size + b"0" + EVIL0
        yield f"unicode8-{size}", b"\x8d" + struct.pack("<Q", size) + b"u" * size + b"0" + EVIL0
        yield f"bytearray8-{size}", b"\x96" + struct.pack("<Q", size) + bytes(size) + b"0" + EVIL0


@kind("odd-numbers", "numbers as only the unpickler reads them")
def _odd_numbers() -> Named:
    for number, line in enumerate(
        (b"I1\0anything\n", b"I 7 \n", b"I01\n", b"F nan\n", b"F1e400\n", b"L1_0L\n", b"I0x1f\n")
    ):
        yield str(number), line + b"0" + EVIL0
    yield "memo-keys", b"Np 1_0\n0g10\0x\n0" + EVIL0


@kind("inst", "INST, which imports and calls in one")
def _inst() -> Named:
    for module, name in (("os", "system"), ("posix", "system"), ("mymodule", "run"), ("builtins", "eval")):
        call = f"(S'true'\ni{module}\n{name}\n".encode()
        for end, rest in (("stop", b"."), ("nothing", b""), ("put", b"p0\n."), ("popped", b"0N."), ("junk", b"\xff")):
            yield f"{module}-{end}", call + rest
    yield "junk", b"(S'x'\nimymodule\nrun\njunk"
    yield "odd-module", b"(S'x'\nimy-module\nrun\n."


@kind("obj", "OBJ, which calls what lies above the mark")
def _obj() -> Named:
    for target in (b"cos\nsystem\n", b"cmymodule\nrun\n", b"\x8c\x02os\x8c\x06system\x93"):
        for number, arguments in enumerate((b"S'true'\n", b"U\x04true", b"X\4\0\0\0true", b"Vtrue\n")):
            yield f"{target[:4]!r}-{number}", b"(" + target + arguments + b"o."


@kind("newobj", "NEWOBJ and NEWOBJ_EX, which call __new__")
def _newobj() -> Named:
    for number, target in enumerate((b"cmymodule\nRunner\n", b"csubprocess\nPopen\n", b"\x8c\x01m\x8c\x01R\x93")):
        for start in (b"", b"\x80\x02", b"\x80\x04"):
            yield f"{number}-{start.hex()}", start + target + b")\x81."
            yield f"ex-{number}-{start.hex()}", start + target + b")}\x92."
            yield f"argument-{number}-{start.hex()}", start + target + b"U\x04true\x85\x81."


@kind("extension-registry", "EXT1 to EXT4: names from the loader's own registry")
def _extension_registry() -> Named:
    for code in (b"\x82\x01", b"\x83\x01\x02", b"\x84\x01\x02\x03\0"):
        for start in (b"", b"\x80\x02", b"\x80\x04"):
            yield f"{code.hex()}-{start.hex()}", start + code + b")R."
            yield f"argument-{code.hex()}-{start.hex()}", start + code + b"U\x04true\x85R."


@kind("build", "BUILD, which calls __setstate__, and what precedes a call without effect")
def _build() -> Named:
    for start in (b"", b"\x80\x02", b"\x80\x04"):
        yield f"state-{start.hex()}", start + b"cmymodule\nThing\n)R}S'a'\nI1\nsb."
        yield f"newobj-{start.hex()}", start + b"cmymodule\nThing\n)\x81}S'a'\nI1\nsb."
        yield f"class-{start.hex()}", start + b"cmymodule\nThing\n}Vsystem\ncos\nsystem\nsb."
    yield "build-nothing", b"K\x01Nb0" + EVIL0
    yield "append-nothing", b"K\x01(e0" + EVIL0
    yield "set-nothing", b"K\x01(u0K\x01(\x900" + EVIL0
    yield "bytearray", b"\x96" + struct.pack("<Q", 2) + b"abK\x01aK\x00K\x02s0" + EVIL0


@kind("imports-only", "an import that runs a module's top level, without a call")
def _imports_only() -> Named:
    yield "stop", b"cmymodule\nrun\n."
    yield "newline", b"cmymodule\nrun\n.\n"
    yield "padded", b"cmymodule\nrun\n." + bytes(50)
    yield "works-on", b"cmymodule\nrun\np0\n0(lp1\nI1\nag0\n0\xff"
    yield "second", b"I1\n.cmymodule\nrun\n)R."
    for start in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        yield f"stop-{start.hex()}", start + b"cmymodule\nrun\n."
        yield f"no-stop-{start.hex()}", start + b"cmymodule\nrun\n"
        yield f"stack-{start.hex()}", start + b"\x8c\x08mymodule\x8c\x03run\x93."


@kind("own-module", "calls of modules that no list names")
def _own_module() -> Named:
    for number, (module, name) in enumerate(
        (("mymodule", "run"), ("pkg.sub.module", "run"), ("_private", "x"), ("my-module", "run"), ("Ünïcode", "lauf"),
         ("a", "b"), ("conf", "Class.method"), ("x" * 200, "y" * 200), ("models.train", "main"))
    ):  # fmt: skip
        called = f"c{module}\n{name}\n".encode()
        yield f"{number}-empty", called + b")R."
        yield f"{number}-text", called + b"(S'x'\ntR."
        yield f"{number}-text-no-stop", called + b"(S'x'\ntR"
        yield f"{number}-list", called + b"]S'x'\naR\xff"
    yield "odd-module-junk", b"cmy module\nrun\n(S'x'\ntRjunk"


@kind("names-from-the-stack", "STACK_GLOBAL with operands from lines, lengths and the memo")
def _names_from_the_stack() -> Named:
    end = b"\x93Vtrue\n\x85R."
    yield "short", b"\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."
    yield "lines", b"Vos\nVsystem\n" + end
    yield "memo", b"Vsystem\np5\n0Vos\ng5\n" + end
    yield "memo-overwritten", b"Vx\np5\nVos\np5\n0g5\nVsystem\n" + end
    yield "long-lengths", b"X\2\0\0\0os\x8d\6\0\0\0\0\0\0\0system" + end
    yield "strings", b"U\2osT\6\0\0\0system" + end
    yield "put-binary", b"Vsystem\nq\x050Vos\nh\x05" + end
    yield "put-long", b"Vsystem\nr\x05\0\0\x010Vos\nj\x05\0\0\x01" + end
    yield "memoize", b"\x80\x04Vsystem\n\x940Vos\nh\0" + end
    yield "dup", b"Vos\n2000Vos\nVsystem\n".replace(b"2000", b"20") + end
    yield "between-marks", b"(Vos\nVsystem\n" + end
    for protocol in (b"\x80\x04", b"\x80\x05", b"\x80\x00"):
        yield f"protocol-{protocol.hex()}", protocol + b"Vos\nVsystem\n" + end


@kind("frames", "frames that lie about their length")
def _frames() -> Named:
    for length in (0, 1, 2, 30, 1_000, 1 << 40, (1 << 64) - 1):
        for start in (b"\x80\x04", b"\x80\x05"):
            yield f"{length}-{start.hex()}", start + b"\x95" + struct.pack("<Q", length) + EVIL0
    yield "proto-0", b"\x80\x00" + EVIL0
    yield "two-frames", b"\x80\x04\x95\x02\0\0\0\0\0\0\0N0\x95\x19\0\0\0\0\0\0\0" + EVIL0


# What the advisories of other scanners' bypasses call, and some that no list had: module, name, argument's opcodes.
GADGETS = (
    "builtins.eval", "builtins.exec", "builtins.compile", "builtins.__import__", "builtins.getattr", "builtins.open",
    "os.system", "os.popen", "os.execv", "posix.system", "nt.system", "subprocess.Popen", "subprocess.check_output",
    "runpy._run_code", "runpy.run_path", "importlib.import_module", "importlib.util.spec_from_file_location",
    "marshal.loads", "types.FunctionType", "types.CodeType", "functools.partial", "operator.attrgetter",
    "operator.methodcaller", "pip.main", "pip._internal.cli.main.main", "pdb.run", "bdb.Bdb.run", "timeit.timeit",
    "cProfile.run", "cProfile.runctx", "profile.Profile.runctx", "trace.Trace.run", "trace.Trace.runctx",
    "doctest.debug_script", "ensurepip._run_pip", "code.InteractiveInterpreter.runcode", "pty.spawn",
    "idlelib.pyshell.ModifiedInterpreter.runcode", "idlelib.autocomplete.AutoComplete.fetch_completions",
    "idlelib.calltip.get_entity", "idlelib.debugobj.ObjectTreeItem.SetText", "lib2to3.pgen2.grammar.Grammar.loads",
    "lib2to3.pgen2.pgen.ParserGenerator.make_label", "asyncio.unix_events._UnixSubprocessTransport._start",
    "distutils.file_util.write_file", "shutil.rmtree", "shutil.copyfile", "webbrowser.open", "pydoc.pipepager",
    "pydoc.locate", "uuid._get_command_stdout", "_osx_support._read_output", "_aix_support._read_cmd_output",
    "_pyrepl.pager.pipe_pager", "imaplib.IMAP4_stream", "test.support.script_helper.assert_python_ok", "site.main",
    "ctypes.CDLL", "ctypes.util._findLib_gcc", "socket.create_connection", "ftplib.FTP", "smtplib.SMTP",
    "http.client.HTTPSConnection", "urllib.request.urlopen", "requests.api.get", "linecache.getlines",
    "pkgutil.resolve_name", "zipimport.zipimporter", "zipfile.ZipFile", "logging.config.listen", "sys.settrace",
    "multiprocessing.util.spawnv_passfds", "venv.create", "tempfile._mkstemp_inner", "pathlib.Path.unlink",
    "numpy.f2py.crackfortran.getlincoef", "numpy.f2py.crackfortran.myeval", "numpy.testing._private.utils.runstring",
    "numpy.load", "pandas.read_pickle", "pandas.eval", "joblib.load", "torch.load", "torch.hub.load",
    "torch.jit.unsupported_tensor_ops.execWrapper", "torch.utils.collect_env.run",
    "torch._inductor.codecache.compile_file", "torch.utils.bottleneck.__main__.run_cprofile",
    "torch.utils._config_module.ConfigModule.load_config", "torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression",
    "torch.serialization.load", "sklearn.externals.joblib.load", "cloudpickle.cloudpickle._make_function",
    "dill._dill._create_function", "transformers.utils.import_utils._LazyModule", "tensorflow.io.read_file",
    "keras.models.load_model", "django.core.management.call_command", "celery.app.trace.eval", "nltk.data.load",
    "copyreg.__newobj__", "collections.OrderedDict", "_codecs.encode", "pickle.loads", "_pickle.loads", "dbm.open",
)  # fmt: skip


@kind("listed-and-unlisted-names", "one call of each name that scanners' lists and advisories speak of")
def _names() -> Named:
    for dotted in GADGETS:
        module, _, name = dotted.rpartition(".")
        while module.rpartition(".")[2][:1].isupper():  # a method: the class is part of the name
            module, _, part = module.rpartition(".")
            name = f"{part}.{name}"
        plain = f"c{module}\n{name}\n(S'true'\ntR.".encode()
        yield f"{dotted}-0.pkl", plain
        yield f"{dotted}-2.pkl", b"\x80\x02" + f"c{module}\n{name}\n".encode() + b"U\x04true\x85R."
        texts = b"".join(b"\x8c%c" % len(text) + text.encode() + b"\x94" for text in (module, name))
        yield f"{dotted}-4.pkl", b"\x80\x04" + texts + b"\x93\x94\x8c\x04true\x94\x85\x94R\x94."
        yield f"{dotted}-inst.pkl", f"(S'true'\ni{module}\n{name}\n.".encode()


@kind("polyglots", "files that are an image, a table or a text as well")
def _polyglots() -> Named:
    yield "image.gif", b"GIF89a\x00\x00\x00" + b"0" + EVIL0
    yield "image.bmp", b"BM\x02\0\0" + bytes(0x24D) + b"0" + EVIL0
    yield "table.csv", b"Vid,name,price\n0Vx,1,2\n0" + EVIL0
    yield "page.md", b"(Vtitle\n0Vtext\n0" + EVIL0 + b"\n# Title\n"
    yield "notes.txt", b"S'Notes of the meeting'\n0" + EVIL0 + b"\n\nBudget\n"
    yield "numbers.tsv", b"I2026\n0F1.5\n0" + EVIL0
    for wrapped, data in (
        ("zip", zipped({"a": b"text"})),
        ("png", b"\x89PNG\r\n\x1a\n" + bytes(99)),
        ("pdf", b"%PDF-1.7\n"),
    ):
        yield f"before-{wrapped}.bin", EVIL0 + data


@kind("polyglot-safetensors", "a safetensors that its library accepts, and a pickle all the same")
def _polyglot_safetensors() -> Named:
    for name in ("model.safetensors", "model.bin", "model", "model.txt"):
        yield name, polyglot_safetensors()


# ---------------------------------------------------------------------- compressed


def _compressed(how: str) -> Make:
    def make() -> Named:
        wrap = WRAPPINGS[how]
        for protocol in PROTOCOLS:
            yield f"{protocol}.pkl.{how}", wrap(evil(protocol))
            yield f"benign-{protocol}.{how}", wrap(pickle.dumps({"a": list(range(500))}, protocol))
            yield f"twice-{protocol}.{how}.gz", gzip.compress(wrap(evil(protocol)), mtime=0)
        yield f"large.{how}", wrap(pickle.dumps([os.sep, bytes(300_000), Payload()], 4))
        yield f"named.joblib.{how}.txt", wrap(evil(4))
        yield f"array.npy.{how}", wrap(npy("|O", (1,), evil(4)))
        yield f"in.tar.{how}", wrap(tarred({"a.txt": b"text", "m": evil(4)}))
        yield f"in.zip.{how}", wrap(torch_zip(True))

    return make


for _how in COMPRESSIONS:
    kind(f"compressed-{_how}", f"pickles compressed with {_how}, once or twice, in archives and arrays")(
        _compressed(_how)
    )


@kind("compressed-levels", "every level and strategy of zlib and gzip")
def _compressed_levels() -> Named:
    data = evil(4)
    for level in range(10):
        yield f"{level}.zlib", zlib.compress(data, level)
        yield f"{level}.gz", gzip.compress(data, level, mtime=0)
    for window in range(9, 16):
        packer = zlib.compressobj(9, zlib.DEFLATED, window)
        yield f"window-{window}.zlib", packer.compress(data) + packer.flush()
    for check in (lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_CRC64, lzma.CHECK_SHA256):
        yield f"check-{check}.xz", lzma.compress(data, check=check)
    for level in (1, 9):
        yield f"{level}.bz2", bz2.compress(data, level)


@kind("compressed-damaged", "members, junk, damage and header fields of gzip, and what else decompressors forgive")
def _compressed_damaged() -> Named:
    yield "members.gz", gzip.compress(b"") + gzip.compress(EVIL0[:9]) + gzip.compress(EVIL0[9:])
    yield "junk.gz", gzip.compress(EVIL0) + b"junk"
    yield "truncated.gz", gzip.compress(EVIL0)[:-9]
    yield "crc.gz", gzip.compress(EVIL0)[:-8] + bytes(8)
    yield "broken-behind.gz", gzip.compress(EVIL0 + random.Random(1).randbytes(9_000))[:200] + b"\xff" * 99
    whole = gzip.compress(EVIL0, mtime=0)
    yield "header-crc.gz", whole[:3] + b"\x1f" + whole[4:10] + b"\x02\0zzname\0comment\0\xde\xad" + whole[10:]
    yield "name.gz", whole[:3] + b"\x08" + whole[4:10] + b"model.pkl\0" + whole[10:]
    yield "zeros-between.gz", gzip.compress(b"") + bytes(50) + whole
    yield "streams.bz2", bz2.compress(EVIL0[:9]) + bz2.compress(EVIL0[9:])
    yield "junk.bz2", bz2.compress(EVIL0) + b"junk"
    yield "streams.xz", lzma.compress(EVIL0[:9]) + lzma.compress(EVIL0[9:])
    yield "padding.xz", lzma.compress(b"") + bytes(8) + lzma.compress(EVIL0)
    yield "junk.zlib", zlib.compress(EVIL0) + b"junk"
    yield "truncated.zlib", zlib.compress(EVIL0)[:-4]
    yield "junk.xz", lzma.compress(EVIL0) + b"junk"
    yield "frames.lz4", lz4_frame(b"") + lz4_frame(EVIL0)
    yield "frames.zst", zstd_frame(b"") + zstd_frame(EVIL0)
    yield "skippable.zst", b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstd_frame(EVIL0)
    yield "skippable.lz4", b"\x50\x2a\x4d\x18\x04\0\0\0skip" + lz4_frame(EVIL0)


@kind("zfile", "compressed files of joblib before 0.10")
def _zfile() -> Named:
    for protocol in range(4):
        for version in (b"0x15 ", b"0x15".ljust(19), b"0x15".ljust(20), b"0x150".ljust(19)):
            yield (
                f"{protocol}-{len(version)}-{version[:5]!r}.pkl",
                b"ZF" + version.ljust(19) + zlib.compress(evil(protocol)),
            )


# ---------------------------------------------------------------------- zips

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
FOLDERS = ("archive/", "", "x/y/", "model/", "./", "../")


@kind("torch-zip", "PyTorch's zip, with each method of packing, under any name")
def _torch_zip() -> Named:
    for calls in (False, True):
        for folder in FOLDERS:
            for method in METHODS:
                yield f"{calls}-{folder.replace('/', '_')}-{method}.pt", torch_zip(calls, folder, method)
    for name in DISGUISES:
        yield f"named/{name}", torch_zip(True)


@kind("torch-zip-renamed", "PyTorch's zip with its index under another name")
def _torch_zip_renamed() -> Named:
    for name in ("data.txt", "config.json", "weights", "data.pkl/", "data.PKL", "README.md", "a.npy", "data.pkl\0.txt"):
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            members = {
                f"archive/{name}" if part.endswith(".pkl") else part: data for part, data in torch_members(True).items()
            }
            yield f"{name!r}-{method}.pt".replace("/", "_"), zipped(members, method)


@kind("torch-script", "TorchScript archives and .pt2 packages with their pickles")
def _torch_script() -> Named:
    code = {"m/code/__torch__.py": b"class M(Module):\n  pass\n", "m/constants.pkl": b"\x80\x02)."}
    yield "script.pt", zipped({**torch_members(True, "m/"), **code})
    yield "constants.pt", zipped({**torch_members(False, "m/"), **code, "m/constants.pkl": EVIL0})
    yield (
        "model.pt2",
        zipped({"m/archive_format": b"pt2", "m/version": b"0", "m/data/weights/model.pt": torch_zip(True)}),
    )
    yield "extra.pt2", zipped({"m/archive_format": b"pt2", "m/data/sample_inputs/model.pt": torch_zip(True, "x/")})
    yield "package.pt", zipped({"p/.data/version": b"6", "p/model/model.pkl": EVIL0, "p/.data/extern_modules": b""})
    yield "lite.ptl", zipped({**torch_members(True, "m/"), "m/bytecode.pkl": b"\x80\x02K\x07."})


def _each_zip() -> Iterator[tuple[str, bytes]]:
    yield "torch-stored", torch_zip(True)
    yield "torch-deflated", torch_zip(True, method=zipfile.ZIP_DEFLATED)
    yield "numpy", zipped({"a.npy": npy("|O", (1,), evil(4))})
    yield "one", zipped({"model/weights": evil(2)}, zipfile.ZIP_DEFLATED)


def _both(data: bytes, local: int, central: int, value: bytes) -> bytes:
    return tampered(tampered(data, LOCAL, local, value), CENTRAL, central, value)


@kind("zip-version", "versions needed and made by that no reader knows")
def _zip_version() -> Named:
    for name, data in _each_zip():
        yield f"needed-{name}.pt", tampered(data, CENTRAL, 6, b"\xff\xff")
        yield f"needed-255-{name}.pt", _both(data, 4, 6, b"\xff\0")
        yield f"made-{name}.pt", tampered(data, CENTRAL, 4, b"\xff\xff")


@kind("zip-checksum", "checksums that are wrong or absent")
def _zip_checksum() -> Named:
    for name, data in _each_zip():
        yield f"central-{name}.pt", tampered(data, CENTRAL, 16, b"\0" * 4)
        yield f"local-{name}.pt", tampered(data, LOCAL, 14, b"\1" * 4)
        yield f"both-{name}.pt", _both(data, 14, 16, b"\xff" * 4)


@kind("zip-flags", "flags of encryption, patching, strong encryption and UTF-8 that do not hold")
def _zip_flags() -> Named:
    for name, data in _each_zip():
        for bit in (b"\x01\0", b"\x08\0", b"\x20\0", b"\x40\0", b"\0\x08", b"\0\x20", b"\xff\xf7"):
            yield f"local-{bit.hex()}-{name}.pt", tampered(data, LOCAL, 6, bit)
            yield f"central-{bit.hex()}-{name}.pt", tampered(data, CENTRAL, 8, bit)
            yield f"both-{bit.hex()}-{name}.pt", _both(data, 6, 8, bit)


@kind("zip-names", "names that differ between directory and member, or are odd")
def _zip_names() -> Named:
    for name, data in _each_zip():
        yield f"local-{name}.pt", tampered(data, LOCAL, 30, b"Z")
        yield f"central-{name}.pt", tampered(data, CENTRAL, 46, b"Z")
        yield f"nul-{name}.pt", _both(data, 31, 47, b"\0")
        yield f"not-utf8-{name}.pt", _both(data, 30, 46, b"\xff\xfe")
        yield f"slash-{name}.pt", _both(data, 30, 46, b"/")


@kind("zip-sizes", "sizes that are wrong in one place")
def _zip_sizes() -> Named:
    for name, data in _each_zip():
        yield f"local-0-{name}.pt", tampered(data, LOCAL, 18, b"\0" * 8)
        yield f"local-2g-{name}.pt", tampered(data, LOCAL, 18, b"\xff\xff\xff\x7f" * 2)
        yield f"unpacked-{name}.pt", tampered(data, CENTRAL, 24, b"\xff\xff\xff\x7f")
        yield f"local-max-{name}.pt", tampered(data, LOCAL, 18, b"\xff" * 8)


@kind("zip-fields", "dates, disks, attributes and counts that make no sense")
def _zip_fields() -> Named:
    for name, data in _each_zip():
        yield f"date-{name}.pt", _both(data, 10, 12, b"\0" * 4)
        yield f"date-max-{name}.pt", _both(data, 10, 12, b"\xff" * 4)
        yield f"disk-{name}.pt", tampered(data, CENTRAL, 34, b"\x07\0")
        yield f"attributes-{name}.pt", tampered(data, CENTRAL, 36, b"\xff" * 6)
        yield f"count-{name}.pt", tampered(data, END, 8, b"\0" * 4)
        yield f"count-max-{name}.pt", tampered(data, END, 8, b"\xfe\xff" * 2)
        yield f"end-disk-{name}.pt", tampered(data, END, 4, b"\1\0\1\0")


@kind("zip-method", "methods that are unknown, or said to be another, in one place")
def _zip_method() -> Named:
    for name, data in _each_zip():
        yield f"local-99-{name}.pt", tampered(data, LOCAL, 8, b"\x63\0")
        if "stored" in name or name == "numpy":
            yield f"central-99-{name}.pt", tampered(data, CENTRAL, 10, b"\x63\0")
            yield f"both-99-{name}.pt", _both(data, 8, 10, b"\x63\0")
            yield f"called-deflated-{name}.pt", _both(data, 8, 10, b"\x08\0")


@kind("zip-before", "bytes before the zip")
def _zip_before() -> Named:
    for name, data in _each_zip():
        for label, before in (
            ("png", b"\x89PNG\r\n\x1a\n" + bytes(100)), ("script", b"#!/bin/sh\nexit\n"), ("long", b"x" * 200_000),
            ("nul", b"\0"), ("elf", b"\x7fELF\x02\x01\x01" + bytes(57)), ("exe", b"MZ" + bytes(62)),
        ):  # fmt: skip
            yield f"{label}-{name}.zip", before + data


@kind("zip-behind", "bytes behind the zip, in its comment or after it")
def _zip_behind() -> Named:
    for name, data in _each_zip():
        yield f"tail-{name}.pt", data + b"x" * 5_000
        yield f"long-tail-{name}.pt", data + b"x" * 70_000
        yield f"comment-{name}.pt", data[:-2] + struct.pack("<H", 60_000) + b"c" * 60_000
        yield f"comment-lies-{name}.pt", data[:-2] + b"\xff\xff"
        yield f"fake-end-{name}.pt", data[:-2] + struct.pack("<H", 22) + END + bytes(18)
        yield f"zip-behind-{name}.pt", data + zipped({"a.txt": b"text"})
        yield f"zip-before-{name}.pt", zipped({"a.txt": b"text"}) + data


@kind("zip-directory", "a zip64 end, or no directory at all")
def _zip_directory() -> Named:
    for name, data in _each_zip():
        yield f"zip64-{name}.pt", zip64(data)
        yield f"zip64-behind-{name}.pt", b"junk" + zip64(data)
        yield f"no-central-{name}.pt", data[: data.index(CENTRAL)]
        yield f"no-end-{name}.pt", data[: data.index(END)]
        unsized = tampered(tampered(data, LOCAL, 18, b"\0" * 8), LOCAL, 6, b"\x08\0")  # sizes are said to follow
        yield f"no-sizes-{name}.pt", unsized[: data.index(CENTRAL)]


@kind("zip-duplicates", "two members of one name, one of them harmless")
def _zip_duplicates() -> Named:
    good, bad = torch_members(False), torch_members(True)
    for method in METHODS:
        yield f"first-{method}.pt", zip_of([*bad.items(), ("archive/data.pkl", torch_index())], method)
        yield f"last-{method}.pt", zip_of([*good.items(), ("archive/data.pkl", torch_index(True))], method)
        yield f"case-{method}.pt", zip_of([*good.items(), ("archive/DATA.PKL", torch_index(True))], method)
        yield (
            f"npz-{method}.npz",
            zip_of([("a.npy", npy("<f8", (1,), bytes(8))), ("a.npy", npy("O", (1,), EVIL0))], method),
        )


@kind("zip-streamed", "zips written to a pipe, with sizes behind the data")
def _zip_streamed() -> Named:
    for method in METHODS:
        whole = streamed_zip(torch_members(True), method)
        yield f"torch-{method}.pt", whole
        yield f"other-{method}.zip", streamed_zip({"a.txt": b"text", "b": evil(4)}, method)
        yield f"no-central-{method}.zip", streamed_zip({"b": evil(4)}, method)[: whole.index(CENTRAL)]


@kind("zip-nested", "archives in archives")
def _zip_nested() -> Named:
    for label, wrap in WRAPPINGS.items():
        data = EVIL0
        for depth in range(3):
            data = zipped({"in": wrap(data)})
            yield f"{label}-{depth}.zip", data
    yield "many.zip", zipped({f"{i}.txt": b"hello" for i in range(2_000)} | {"last": EVIL0})
    yield (
        "deflated-many.zip",
        zipped({f"{i}.txt": b"hello\n" * 99 for i in range(500)} | {"z": EVIL0}, zipfile.ZIP_DEFLATED),
    )


@kind("pickle-and-zip", "a pickle, and a zip behind it")
def _pickle_and_zip() -> Named:
    for protocol in PROTOCOLS:
        yield f"evil-{protocol}.bin", evil(protocol) + zipped({"a": b"text"})
        yield f"benign-{protocol}.bin", pickle.dumps([1], protocol) + torch_zip(True)


@kind("model-archives", ".mar, .nemo, .keras and wheels with a checkpoint inside")
def _model_archives() -> Named:
    manifest = json.dumps({"model": {"serializedFile": "model.pt", "modelName": "m"}}).encode()
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for name in ("model.pt", "weights.bin", "extra/vocabulary"):
            yield (
                f"{name.replace('/', '_')}-{method}.mar",
                zipped({"MAR-INF/MANIFEST.json": manifest, name: torch_zip(True)}, method),
            )
        yield f"wheel-{method}.whl", zipped({"m/__init__.py": b"", "m/weights.bin": evil(4)}, method)
        yield (
            f"office-{method}.docx",
            zipped({"[Content_Types].xml": b"<Types/>", "word/media/image1.png": evil(2)}, method),
        )
    for wrap in ("tar", "tar.gz"):
        packed = tarred({"./model_config.yaml": b"target: a.B\n", "./model_weights.ckpt": torch_zip(True)})
        yield f"model-{wrap}.nemo", packed if wrap == "tar" else gzip.compress(packed, mtime=0)
    for asset in ("assets/vocabulary", "assets/a/b.npy", "model.weights.h5"):
        yield f"{asset.replace('/', '_')}.keras", keras_zip([], **{asset: evil(4)})


# ---------------------------------------------------------------------- tars and 7z


@kind("tar", "pickles in tars of each flavour")
def _tar() -> Named:
    for name, flavour in (("pax", tarfile.PAX_FORMAT), ("gnu", tarfile.GNU_FORMAT), ("ustar", tarfile.USTAR_FORMAT)):
        for protocol in PROTOCOLS:
            yield f"{name}-{protocol}.tar", tarred({"a.txt": b"text", "m.bin": evil(protocol)}, flavour)
        yield f"{name}-long-name.tar", tarred({"n" * 90 + "/" + "m" * 60: EVIL0}, flavour)
    for protocol in PROTOCOLS:
        yield f"old-{protocol}.tar", old_tar({"m": evil(protocol)})
    yield "unicode.tar", tarred({"mödel/☃": EVIL0}, tarfile.PAX_FORMAT)


@kind("tar-odd", "what tar readers forgive")
def _tar_odd() -> Named:
    yield "zeros-between.tar", tarred({"a": b"x"}) + tarred({"b": EVIL0})
    plain = bytearray(tarred({"a": EVIL0}))
    plain[148:156] = b"\x80" + int(plain[148:154], 8).to_bytes(7, "big")
    yield "binary-checksum.tar", bytes(plain)
    folder = bytearray(tarred({"a": b"", "x": EVIL0}))
    folder[:2], folder[124:136], folder[156:157] = b"a/", b"%011o\0" % 1024, b"\0"
    folder[148:156] = b" " * 8
    folder[148:156] = b"%06o\0 " % sum(folder[:512])
    yield "folder-with-size.tar", bytes(folder)
    for kind_of in (b"7", b"A", b"Z"):
        odd = bytearray(tarred({"a": EVIL0}))
        odd[156:157] = kind_of
        odd[148:156] = b" " * 8
        odd[148:156] = b"%06o\0 " % sum(odd[:512])
        yield f"type-{kind_of.decode()}.tar", bytes(odd)
    yield "no-end.tar", tarred({"a": EVIL0})[:1024]
    yield "truncated.tar", tarred({"a": EVIL0 + bytes(2_000)})[: 512 + len(EVIL0)]
    yield "in-tar.tar", tarred({"in.tar": tarred({"in.tar": tarred({"x": EVIL0})})})


@kind("webdataset", "shards whose members the loader unpickles")
def _webdataset() -> Named:
    for suffix in ("pyd", "pickle", "pkl", "pth", "npy", "npz", "cls"):
        data = npy("|O", (1,), evil(4)) if suffix == "npy" else evil(4)
        data = zipped({"a.npy": npy("|O", (1,), evil(4))}) if suffix == "npz" else data
        data = torch_zip(True) if suffix == "pth" else data
        yield f"{suffix}.tar", tarred({"0001.jpg": b"\xff\xd8\xff", f"0001.{suffix}": data})
        yield f"{suffix}.tar.gz", gzip.compress(tarred({"0001.jpg": b"\xff\xd8\xff", f"0001.{suffix}": data}), mtime=0)


@kind("7z", "pickles in 7z archives")
def _seven_zip() -> Named:
    for method in SEVEN_ZIP_METHODS:
        for packed in (False, True):
            for name in ("m.7z", "m.pt", "m.txt"):
                members = {"a.txt": b"text\n" * 50, "m.bin": evil(4)}
                yield f"{method}-{packed}-{name}", seven_zip(members, method, packed_header=packed)
        yield f"{method}-torch.7z", seven_zip({"model.pt": torch_zip(True)}, method)


@kind("torch-legacy", "PyTorch's legacy format, and the tar before it")
def _torch_legacy() -> Named:
    yield "state.pt", torch_legacy()
    for name in DISGUISES:
        yield f"evil/{name}", torch_legacy(True)
    yield "magic-only.pt", LEGACY_MAGIC
    yield "sixth.pt", torch_legacy() + evil(2)
    yield "tar.pt", torch_tar()
    yield "tar-cut.pt", torch_tar()[:2048]


# ---------------------------------------------------------------------- arrays and databases


@kind("npy-objects", "NumPy arrays of objects, in each version of the format")
def _npy_objects() -> Named:
    for version in (1, 2, 3):
        for number, descr in enumerate(
            ("|O", "O", "|O8", "object", ">O", "<O8", "=O", "object_", "O8", "T", "<T", "i4,T")
        ):
            yield f"{version}-{number}.npy", npy(descr, (1,), pickle.dumps([Payload()], 4), version)
        for protocol in PROTOCOLS:
            yield f"{version}-protocol-{protocol}.npy", npy("|O", (1,), pickle.dumps([Payload()], protocol), version)
    for name in DISGUISES:
        yield f"named/{name}", npy("|O", (1,), evil(3))


@kind("npy-structured", "objects in one field of structured arrays")
def _npy_structured() -> Named:
    objects = pickle.dumps([Payload()], 4)
    for version in (1, 2, 3):
        for number, descr in enumerate(
            ([("a", "<i4"), ("b", "|O")], [("a", [("b", "<f8"), ("c", "O")])], [("a", ("|O", (2,)))],
             [("a", "|O", (2,))], [(("title", "a"), "O")], "i4,O", {"names": ["a"], "formats": ["O"]})
        ):  # fmt: skip
            yield f"{version}-{number}.npy", npy(descr, (1,), objects, version)


@kind("npy-odd", "headers that are escaped, large, or followed by more")
def _npy_odd() -> Named:
    objects, numbers = pickle.dumps([Payload()], 4), npy("<f8", (3,), bytes(24))
    escaped = npy("|O", (1,), objects).replace(b"'|O'", b"'\\x4f'").replace(b"  \n", b"\n")
    assert b"\\x4f" in escaped
    yield "escaped.npy", escaped
    yield "second.npy", numbers + npy("|O", (1,), objects)
    structured = npy([("a", "<i4"), ("b", "S3", (2,))], (2,), bytes(20))
    yield "second-structured.npy", structured + npy("O", (1,), objects)
    yield "second-odd-dtype.npy", npy("<f8,<i4", (2,), bytes(24)) + npy("O", (1,), objects)
    yield "behind.npy", numbers + objects
    for code, size in (("p", 8), ("<N", 8), ("f4, f8", 12), ("bool", 1), ("float32", 4), ("c", 1)):
        yield f"behind-{code}.npy", npy(code, (2,), bytes(2 * size)) + objects
    for fields in (300, 1_000, 5_000):
        descr = [(f"field_{number}", "<f8") for number in range(fields)] + [("last", "|O")]
        yield f"fields-{fields}.npy", npy(descr, (1,), objects, 2)
    yield "unicode.npy", npy([("ä", "|O")], (1,), objects, 3)
    yield "gz.npy.gz", gzip.compress(npy("|O", (1,), objects))


@kind("npz-objects", "archives of arrays, one of objects")
def _npz_objects() -> Named:
    numbers = npy("<f8", (3,), bytes(24))
    for method in METHODS:
        for protocol in PROTOCOLS:
            members = {"a.npy": numbers, "b.npy": npy("|O", (1,), evil(protocol))}
            yield f"{method}-{protocol}.npz", zipped(members, method)
        yield f"{method}-no-suffix.npz", zipped({"a": npy("|O", (1,), EVIL0)}, method)
        yield f"{method}-pickle.npz", zipped({"a.npy": evil(4)}, method)


def shelf(values: dict[bytes, bytes]) -> bytes:
    """The `.dat` of a shelf as `dbm.dumb` writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "shelf")
        with dbm.dumb.open(path, "n") as database:
            for key, value in values.items():
                database[key] = value
        return Path(path + ".dat").read_bytes()


@kind("shelve", "shelves, whose values are pickles")
def _shelve() -> Named:
    for protocol in PROTOCOLS:
        yield f"shelf-{protocol}.dat", shelf({b"k": pickle.dumps([1, 2], protocol), b"x": evil(protocol)})
        yield f"one-{protocol}.dat", shelf({b"x": evil(protocol)})


def sqlite(*statements: tuple[str, tuple[Any, ...]]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "db")
        connection = sqlite3.connect(path)
        for statement, values in statements:
            connection.execute(statement, values)
        connection.commit()
        connection.close()
        return Path(path).read_bytes()


@kind("sqlite-shelve", "shelves of Python 3.13, which are SQLite, and other tables of pickles")
def _sqlite_shelve() -> Named:
    for protocol in PROTOCOLS:
        create = ("CREATE TABLE Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)", ())
        row = ("INSERT INTO Dict VALUES (?, ?)", (b"x", evil(protocol)))
        yield f"shelf-{protocol}.db", sqlite(create, row)
        many = tuple(
            ("INSERT INTO Dict VALUES (?, ?)", (b"%d" % number, pickle.dumps(number, 2))) for number in range(300)
        )
        yield f"many-{protocol}.db", sqlite(create, *many, row)
        cache = ("CREATE TABLE Cache (rowid INTEGER PRIMARY KEY, key BLOB, raw INTEGER, value BLOB)", ())
        yield f"cache-{protocol}.db", sqlite(cache, ("INSERT INTO Cache VALUES (1, 'k', 1, ?)", (evil(protocol),)))
        long = pickle.dumps(["x" * 30_000, Payload()], protocol)
        yield f"long-{protocol}.db", sqlite(create, ("INSERT INTO Dict VALUES (?, ?)", (b"x", long)))


@kind("skops", "skops archives that hold an object array")
def _skops() -> Named:
    schema = {
        "__class__": "ndarray",
        "__module__": "numpy",
        "__loader__": "NdArrayNode",
        "type": "numpy",
        "file": "1.npy",
    }
    for protocol in PROTOCOLS:
        yield (
            f"{protocol}.skops",
            zipped({"schema.json": json.dumps(schema).encode(), "1.npy": npy("|O", (1,), evil(protocol))}),
        )


# ---------------------------------------------------------------------- code that is no pickle


@kind("keras-lambda", "Keras models with a Lambda layer, which holds Python bytecode", CODE)
def _keras_lambda() -> Named:
    for name in ("model.keras", "model.zip", "model.bin", "model"):
        yield name, keras_zip([lambda_layer()])
    nested = {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": [lambda_layer()]}}
    yield "nested.keras", keras_zip([nested])
    wrapped = {
        "module": "keras.layers",
        "class_name": "TimeDistributed",
        "config": {"name": "t", "layer": lambda_layer()},
    }
    yield "wrapped.keras", keras_zip([wrapped])


@kind("keras-modules", "Keras models that import modules of the file's choice (CVE-2025-1550)", CODE)
def _keras_modules() -> Named:
    for module, name in (
        ("builtins", "exec"),
        ("os", "system"),
        ("subprocess", "Popen"),
        ("heapq", "nsmallest"),
        ("mine", "Layer"),
    ):
        yield f"{module}.keras", keras_zip([{"module": module, "class_name": name, "config": {"name": "x"}}])
    wrapper = {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {"name": "t", "module": "gASV"}}
    yield "torch-wrapper.keras", keras_zip([wrapper])


@kind("saved-model", "TensorFlow graphs with operations that run code or reach files", CODE)
def _saved_model() -> Named:
    for op in ("PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile"):
        yield f"{op}/saved_model.pb", saved_model(op)


@kind("onnx-custom", "ONNX models with operators that are Python", CODE)
def _onnx_custom() -> Named:
    for op, domain in (("PyOp", "ai.onnx.contrib"), ("PythonOp", "com.microsoft")):
        yield f"{op}.onnx", onnx(op, domain)


SSTI = (
    "{{ cycler.__init__.__globals__.os.popen('true').read() }}",
    "{{ self.__init__.__globals__.__builtins__.__import__('os').system('true') }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{{ ''['__cla' ~ 'ss__'] }}",
    "{{ (messages|attr('__class__')).__mro__ }}",
    "{{ lipsum['__globals__']['os'].popen('true') }}",
    "{{ request['application']['__globals__'] }}",
    "{{ namespace.__init__.__globals__ }}",
)


@kind("chat-template-gguf", "GGUF models whose chat template reaches for Python", CODE)
def _chat_template_gguf() -> Named:
    for number, template in enumerate(SSTI):
        yield f"{number}.gguf", gguf({"tokenizer.chat_template": template})
        yield f"{number}-tool.gguf", gguf({"tokenizer.chat_template.tool_use": "ok " + template})


@kind("chat-template-json", "tokenizer settings whose chat template reaches for Python", CODE)
def _chat_template_json() -> Named:
    for number, template in enumerate(SSTI):
        yield f"{number}/tokenizer_config.json", json.dumps({"chat_template": template}).encode()
        named = [{"name": "default", "template": "{{ messages }}"}, {"name": "x", "template": template}]
        yield f"{number}-list/tokenizer_config.json", json.dumps({"chat_template": named}).encode()
        yield f"{number}/chat_template.jinja", template.encode()
        yield f"{number}/chat_template.json", json.dumps({"chat_template": template}).encode()


@kind("java", "Java serialisation streams, which call the constructors and hooks of what they name", CODE)
def _java() -> Named:
    for name in (
        "org.example.Gadget",
        "java.util.PriorityQueue",
        "org.apache.commons.collections.functors.InvokerTransformer",
    ):
        yield f"{name}.ser", java_object(name)
        yield f"{name}.bin", java_object(name)


@kind("r-data", "R objects with a promise, and workspaces with what R runs by itself", CODE)
def _r_data() -> Named:
    objects = {
        "promise.rds": rds(r_promise()),
        "inside.rds": rds(r_list(r_closure(), r_promise())),
        "promise.RData": r_workspace(x=r_promise()),
        "first.RData": r_workspace(_First=r_closure()),
        "print.RData": r_workspace(x=r_list(), print=r_closure()),
    }
    for name, data in objects.items():
        yield f"plain/{name}", data
        yield f"gz/{name}", gzip.compress(data, mtime=0)
        yield f"bz2/{name}", bz2.compress(data)
        yield f"xz/{name}", lzma.compress(data)


@kind("python-code", "compiled Python", CODE)
def _python_code() -> Named:
    from importlib.util import MAGIC_NUMBER

    code = compile("import os\nos.system('true')\n", "m.py", "exec")
    yield "m.pyc", MAGIC_NUMBER + bytes(12) + marshal.dumps(code)
    yield "m.bin", MAGIC_NUMBER + bytes(12) + marshal.dumps(code)
    yield "m.marshal", marshal.dumps(code)


@kind("torch7", "Torch7 files with a Lua function", CODE)
def _torch7() -> Named:
    for name in ("model.t7", "model.net", "model.bin"):
        yield name, torch7_function()


@kind("llamafile", "a program and a model in one file", CODE)
def _llamafile() -> Named:
    program = b"MZqFpD='\n\n" + bytes(54) + b"\x7fELF\x02\x01\x01" + bytes(200) + b"llamafile llama.cpp"
    yield "model.llamafile", program + zipped({"model.gguf": gguf({}), ".args": b"-m\nmodel.gguf\n"})
    elf = b"\x7fELF\x02\x01\x01" + bytes(57) + b"llamafile"
    yield "elf.llamafile", elf + zipped({"model.gguf": gguf({}), ".args": b"-m\nmodel.gguf\n"})


@kind("mar-handler", "TorchServe archives with a handler in Python", CODE)
def _mar_handler() -> Named:
    manifest = {
        "model": {"handler": "handler.py", "modelName": "m", "serializedFile": "m.safetensors"},
        "runtime": "python",
    }
    members = {
        "MAR-INF/MANIFEST.json": json.dumps(manifest).encode(),
        "handler.py": b"import os\n",
        "m.safetensors": safetensors(),
    }
    yield "m.mar", zipped(members)
    yield "deflated.mar", zipped(members, zipfile.ZIP_DEFLATED)
    yield "m.tar.gz", gzip.compress(tarred(members), mtime=0)


# ---------------------------------------------------------------------- what cannot be told


@kind("encrypted", "members that need a password", OPAQUE)
def _encrypted() -> Named:
    noise = random.Random(3).randbytes(200)
    encrypted = bytearray(_both(zipped({"a": noise}), 6, 8, b"\x01\0"))
    yield "a.zip", bytes(encrypted)
    yield "aes.zip", _both(_both(zipped({"a": noise}), 6, 8, b"\x01\0"), 8, 10, b"\x63\0")


@kind("too-deep", "packed more often than anybody looks", OPAQUE)
def _too_deep() -> Named:
    for label in ("zip", "gz", "tar", "xz"):
        data = EVIL0
        for _ in range(12):
            data = WRAPPINGS[label](data)
        yield f"{label}.bin", data
