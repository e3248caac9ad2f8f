"""Files that carry a pickle, and files that only look like it: built here, never loaded.

The payload would call `os.system("true")`: harmless, and nothing runs it. PyTorch's files are written
opcode by opcode, so that no PyTorch is needed.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import random
import struct
import tarfile
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib import import_module
from typing import Any, NamedTuple


class Sample(NamedTuple):
    name: str
    data: bytes


class Payload:
    """Pickles to a call of `os.system("true")`. Never to be loaded."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, ("true",)


EVIL0 = b"cos\nsystem\n(S'true'\ntR."
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."

WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda data: data,
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zlib": zlib.compress,
    "zip": lambda data: zipped({"x": data}),
    "zip-deflated": lambda data: zipped({"x": data}, zipfile.ZIP_DEFLATED),
    "prefixed-zip": lambda data: b"junk in front\n" + zipped({"x": data}),
    "tar": lambda data: tarred({"x": data}),
    "tar.gz": lambda data: gzip.compress(tarred({"x": data}), mtime=0),
    "zip-in-tar": lambda data: tarred({"in.zip": b"junk" + zipped({"x": data})}),
}


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, method)
    return buffer.getvalue()


def tarred(members: dict[str, bytes], format: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def npy(descr: object, shape: tuple[int, ...], data: bytes, version: int = 1) -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode("latin-1")
    prefix = 10 if version == 1 else 12
    header += b" " * (-(prefix + len(header) + 1) % 64) + b"\n"
    length = struct.pack("<H" if version == 1 else "<L", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


def torch_index(evil: bool = False) -> bytes:
    """`data.pkl` of a state dict with one float tensor, as `torch.save` writes it."""
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\nq\x01((X\x07\x00\x00\x00storageq\x02ctorch\nFloatStorage\nq\x03"
        b"X\x01\x00\x00\x000q\x04X\x03\x00\x00\x00cpuq\x05K\x04tq\x06QK\x00K\x02K\x02\x86q\x07K\x02K\x01\x86q\x08"
        b"\x89ccollections\nOrderedDict\nq\x09)Rq\x0atq\x0bRq\x0c"
    )
    end = b"X\x01\x00\x00\x00b" + b"cposix\nsystem\nX\x04\x00\x00\x00true\x85Rs" if evil else b""
    return b"\x80\x02}q\x00X\x01\x00\x00\x00w" + tensor + b"s" + end + b"."


def torch_zip(evil: bool = False, folder: str = "archive/", method: int = zipfile.ZIP_STORED) -> bytes:
    return zipped(
        {
            f"{folder}data.pkl": torch_index(evil),
            f"{folder}byteorder": b"little",
            f"{folder}data/0": struct.pack("<4f", 1, 2, 3, 4),
            f"{folder}version": b"3\n",
        },
        method,
    )


def torch_legacy(evil: bool = False) -> bytes:
    parts = (
        pickle.dumps(1001, 2),
        pickle.dumps({"little_endian": True}, 2),
        torch_index(evil),
        pickle.dumps(["0"], 2),
    )
    return LEGACY_MAGIC + b"".join(parts) + struct.pack("<Q4f", 4, 1, 2, 3, 4)


def torch_tar() -> bytes:
    members = {"sys_info": pickle.dumps({}, 2), "pickle": torch_index(True), "storages": b"", "tensors": b""}
    data = bytearray(tarred(members))
    for at in range(0, len(data), 512):
        block = data[at : at + 512]
        if block[257:262] == b"ustar":
            # Old tars have no magic; the checksum is all there is.
            block[257:265] = bytes(8)
            block[148:156] = b" " * 8
            block[148:156] = b"%06o\0 " % sum(block)
            data[at : at + 512] = block
    return bytes(data)


def polyglot_safetensors() -> bytes:
    """A file that the safetensors library accepts and whose first bytes are BINUNICODE of 32 bytes."""
    payload = "q\x00" + "cos\nsystem\n(S'true'\ntR."
    entry = '{"__metadata__":{"k":"' + "a" * 4
    head = entry.encode("ascii")
    # header length 0x2058 -> b"X\x20\0\0\0\0\0\0": after X and its length come 3 more NULs, then the JSON.
    text = head + b"b" * (32 - 3 - len(head)) + payload.encode("latin-1") + b'"}}'
    return b"X\x20\0\0\0" + b"\0\0\0" + text.ljust(0x2058, b" ")


def _tampered(data: bytes, signature: bytes, at: int, value: bytes) -> bytes:
    """Overwrite a field of every zip record with `signature`."""
    out = bytearray(data)
    position = out.find(signature)
    while position >= 0:
        out[position + at : position + at + len(value)] = value
        position = out.find(signature, position + 4)
    return bytes(out)


def _zips() -> Iterator[Sample]:
    for evil in (False, True):
        for folder in ("archive/", "", "x/y/"):
            for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
                yield Sample(f"torch-{evil}-{folder}-{method}.pt", torch_zip(evil, folder, method))
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        whole = torch_zip(True, method=method)
        central, local = b"PK\x01\x02", b"PK\x03\x04"
        yield Sample("version-needed.pt", _tampered(whole, central, 6, b"\xff\xff"))
        yield Sample("crc.pt", _tampered(_tampered(whole, central, 16, b"\0" * 4), local, 14, b"\1" * 4))
        for bit in (b"\x01\0", b"\x20\0", b"\x40\0", b"\0\x08"):
            yield Sample(f"local-flag-{bit.hex()}.pt", _tampered(whole, local, 6, bit))
            yield Sample(f"flags-{bit.hex()}.pt", _tampered(_tampered(whole, local, 6, bit), central, 8, bit))
        yield Sample("local-name.pt", _tampered(whole, local, 30, b"Z"))
        yield Sample("central-name.pt", _tampered(whole, central, 46, b"Z"))
        yield Sample("local-sizes-0.pt", _tampered(whole, local, 18, b"\0" * 8))
        yield Sample("local-sizes-2g.pt", _tampered(whole, local, 18, b"\xff\xff\xff\x7f" * 2))
        yield Sample("no-central.pt", whole[: whole.index(central)])
        yield Sample("no-central-no-sizes.pt", _tampered(whole, local, 18, b"\0" * 8)[: whole.index(central)])
        yield Sample("local-method.pt", _tampered(whole, local, 8, b"\x63\0"))
        for label, before in (
            ("png", b"\x89PNG\r\n\x1a\n" + bytes(100)),
            ("text", b"#!/bin/sh\nexit\n"),
            ("long", b"x" * 200_000),
        ):
            yield Sample(f"{label}-before.zip", before + whole)
        yield Sample("tail.pt", whole + b"x" * 5_000)
        yield Sample("long-tail.pt", whole + b"x" * 70_000)
        yield Sample("comment.pt", whole[:-2] + struct.pack("<H", 60_000) + b"c" * 60_000)
        yield Sample("fake-end-in-comment.pt", whole[:-2] + struct.pack("<H", 22) + b"PK\x05\x06" + bytes(18))
        yield Sample("count-0.pt", _tampered(whole, b"PK\x05\x06", 8, b"\0" * 4))
    yield Sample("zip64.pt", _zip64(torch_zip(True)))
    data = EVIL0
    for depth in range(5):
        data = zipped({"in": data})
        yield Sample(f"nested-{depth}.zip", data)
    yield Sample("many.zip", zipped({f"{i}.txt": b"hello" for i in range(2_000)} | {"last": EVIL0}))
    yield Sample("gz-in.zip", zipped({"a.gz": gzip.compress(EVIL0)}))
    yield Sample("pickle-then-zip.bin", EVIL0 + zipped({"a": b"text"}))
    yield Sample("data-then-evil-zip.bin", pickle.dumps([1], 4) + torch_zip(True))
    yield Sample("handler.mar", zipped({"MAR-INF/MANIFEST.json": b"{}", "model.pt": torch_zip(True)}))


def _zip64(data: bytes) -> bytes:
    """The same zip with its directory's place in a zip64 end record."""
    end = data.rindex(b"PK\x05\x06")
    entries, size, offset = struct.unpack_from("<HLL", data, end + 10)
    end64 = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    last = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:end] + end64 + locator + last


def _streams() -> Iterator[Sample]:
    values: tuple[Any, ...] = (
        {"a": [1, 2.5, "x"]}, [1, 2, 3], (1, "b"), {"k": {"n": None}}, [b"bytes", True], OrderedDict(a=1),
        {1, 2}, [Decimal("1.5")], {"long": 10**40}, [["deep"] * 3] * 3, list(range(2_000)), {"ü": "☃"},
    )  # fmt: skip
    for protocol in range(6):
        for number, value in enumerate(values):
            yield Sample(f"benign-{protocol}-{number}.pkl", pickle.dumps(value, protocol))
        for name in ("model.pkl", "model.txt", "model.safetensors", "model", "a.csv", "a.jpg"):
            yield Sample(f"evil-{protocol}-{name}", pickle.dumps(Payload(), protocol))
        evil = pickle.dumps({"w": [1.5] * 5, "x": Payload()}, protocol)
        yield Sample(f"evil-inside-{protocol}", evil)
        yield Sample(f"evil-{protocol}-junk", evil + b"\xff\x00junk" * 20)
        yield Sample(f"evil-{protocol}-bad-opcode", evil[:-1] + b"\xff")
        yield Sample(f"evil-{protocol}-no-stop", evil[:-1])
        yield Sample(f"second-{protocol}", pickle.dumps(7, protocol) + evil)
        yield Sample(f"hundredth-{protocol}", pickle.dumps("seven", protocol) * 99 + evil)
        yield Sample(f"padded-{protocol}", evil + bytes(5_000))
        for name, wrap in WRAPPINGS.items():
            yield Sample(f"evil-{protocol}.{name}", wrap(evil))
            yield Sample(f"evil-{protocol}-twice.{name}.gz", gzip.compress(wrap(evil)))
    for prefix in (
        b"N0",
        b"I1\n0",
        b"]0",
        b"(0",
        b"(1",
        b"K\x010",
        b"Vx\n0",
        b"S'x'\n0",
        b")0",
        b"\x880",
        b"U\x01a0",
        b"N200",
    ):
        for times in (1, 50, 5_000):
            yield Sample(f"no-op-{prefix!r}-{times}", prefix * times + EVIL0)
    yield Sample("no-op-many", b"N0" * 1_500_000 + EVIL0)
    yield Sample("deep", b"N" * 1_000_000 + EVIL0)
    yield Sample("deep-marks", b"(" * 500_000 + EVIL0)
    numbers = random.Random(5).randbytes(600_000)
    yield Sample("deep-numbers", b"".join(b"K%c" % number for number in numbers) + EVIL0)
    yield Sample("deep-mixed", b"(N" * 100_000 + EVIL0)
    yield Sample("long-unicode", b"V" + b"x" * 1_000_000 + b"\n0" + EVIL0)
    yield Sample("long-integer", b"L" + b"1" * 4_000 + b"L\n0" + EVIL0)
    yield Sample("unicode-lines", b"Vx,y\n" * 100_000 + EVIL0)
    yield Sample("number-ends-at-nul", b"I1\0anything\n0" + EVIL0)
    yield Sample("big-literal", b"B" + struct.pack("<L", 1_000_000) + bytes(1_000_000) + b"0" + EVIL0)
    yield Sample("big-literal-8", b"\x8e" + struct.pack("<Q", 200_000) + bytes(200_000) + b"0" + EVIL0)


def _hand_made() -> Iterator[Sample]:
    yield Sample("inst", b"(S'true'\nios\nsystem\n.")
    yield Sample("inst-no-stop", b"(S'true'\nios\nsystem\n")
    yield Sample("inst-own-module", b"(S'true'\nimymodule\nrun\n.")
    yield Sample("obj", b"(cos\nsystem\nS'true'\no.")
    yield Sample("newobj", b"cmymodule\nRunner\n)\x81.")
    yield Sample("newobj-ex", b"cmymodule\nRunner\n)}\x92.")
    yield Sample("own-module", b"cmymodule\nrun\n)R.")
    yield Sample("own-module-no-stop", b"cmymodule\nrun\n(S'x'\ntR")
    yield Sample("odd-module", b"cmy-module\nrun\n)R.")
    yield Sample("only-imports", b"cmymodule\nrun\n.")
    yield Sample("only-imports-newline", b"cmymodule\nrun\n.\n")
    yield Sample("only-imports-padded", b"cmymodule\nrun\n." + bytes(50))
    yield Sample("only-imports-proto2", b"\x80\x02cmymodule\nrun\n.")
    yield Sample("only-imports-broken", b"\x80\x02cmymodule\nrun\n")
    yield Sample("imports-and-works-on", b"cmymodule\nrun\np0\n0(lp1\nI1\nag0\n0\xff")
    yield Sample("stack-global", b"\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.")
    yield Sample("stack-global-unicode-lines", b"Vos\nVsystem\n\x93Vtrue\n\x85R.")
    yield Sample("memo-names", b"Vsystem\np5\n0Vos\ng5\n\x93Vtrue\n\x85R.")
    yield Sample("memo-names-overwritten", b"Vx\np5\nVos\np5\n0g5\nVsystem\n\x93Vtrue\n\x85R.")
    yield Sample("extension", b"\x82\x01)R.")
    yield Sample("build", b"cmymodule\nThing\n)R}S'a'\nI1\nsb.")
    yield Sample("build-nothing", b"K\x01Nb0" + EVIL0)
    yield Sample("append-nothing", b"K\x01(e0" + EVIL0)
    yield Sample("set-nothing", b"K\x01(u0K\x01(\x900" + EVIL0)
    yield Sample("bytearray", b"\x96" + struct.pack("<Q", 2) + b"abK\x01aK\x00K\x02s0" + EVIL0)
    yield Sample("inst-own-module-junk", b"(S'x'\nimymodule\nrun\njunk")
    yield Sample("inst-odd-module", b"(S'x'\nimy-module\nrun\n.")
    yield Sample("odd-module-junk", b"cmy module\nrun\n(S'x'\ntRjunk")
    yield Sample("list-arguments", b"cmymodule\nrun\n]S'x'\naR\xff")
    yield Sample("memo-key-forms", b"Np 1_0\n0g10\0x\n0" + EVIL0)
    yield Sample("stop-then-own-import", b"I1\n.cmymodule\nrun\n)R.")
    yield Sample("proto-0-header", b"\x80\x00" + EVIL0)
    yield Sample("frames-overlap", b"\x80\x04\x95\x02\0\0\0\0\0\0\0" + EVIL0)
    yield Sample("gif", b"GIF89a\x00\x00\x00" + b"0" + EVIL0)
    yield Sample("bmp", b"BM\x02\0\0" + bytes(0x24D) + b"0" + EVIL0)
    yield Sample("csv", b"Vid,name,price\n0Vx,1,2\n0" + EVIL0)
    yield Sample("markdown", b"(Vtitle\n0Vtext\n0" + EVIL0 + b"\n# Title\n")
    yield Sample("polyglot.safetensors", polyglot_safetensors())
    yield Sample("torch-legacy.pt", torch_legacy())
    yield Sample("torch-legacy-evil.pt", torch_legacy(True))
    yield Sample("torch-tar.pt", torch_tar())
    yield Sample("magic-only.pt", LEGACY_MAGIC)
    yield Sample("gzip-members.gz", gzip.compress(b"") + gzip.compress(EVIL0[:9]) + gzip.compress(EVIL0[9:]))
    yield Sample("gzip-junk.gz", gzip.compress(EVIL0) + b"junk")
    yield Sample("gzip-truncated.gz", gzip.compress(EVIL0)[:-9])
    yield Sample("gzip-crc.gz", gzip.compress(EVIL0)[:-8] + bytes(8))
    yield Sample("gzip-broken-behind.gz", gzip.compress(EVIL0 + random.Random(1).randbytes(9_000))[:200] + b"\xff" * 99)
    whole = gzip.compress(EVIL0, mtime=0)
    yield Sample(
        "gzip-header-crc.gz",
        whole[:3] + b"\x1f" + whole[4:10] + b"\x02\0zzname\0comment\0\xde\xad" + whole[10:],
    )
    for version in ("0x15 ", "0x15".ljust(19), "0x15".ljust(20)):
        yield Sample(f"zfile-{len(version)}.pkl", b"ZF" + version.encode().ljust(19) + zlib.compress(EVIL0))
    yield Sample("tar-pax.tar", tarred({"n" * 200: EVIL0}, tarfile.PAX_FORMAT))
    yield Sample("tar-gnu.tar", tarred({"n" * 200: EVIL0}))
    yield Sample("tar-zeros-between.tar", tarred({"a": b"x"}) + tarred({"b": EVIL0}))
    plain = bytearray(tarred({"a": EVIL0}))
    plain[148:156] = b"\x80" + int(plain[148:154], 8).to_bytes(7, "big")
    yield Sample("tar-binary-checksum.tar", bytes(plain))
    folder = bytearray(tarred({"a": b"", "x": EVIL0}))
    folder[:2], folder[124:136], folder[156:157] = b"a/", b"%011o\0" % 1024, b"\0"
    folder[148:156] = b" " * 8
    folder[148:156] = b"%06o\0 " % sum(folder[:512])
    yield Sample("tar-folder-with-size.tar", bytes(folder))
    yield Sample("webdataset.tar", tarred({"0.jpg": b"\xff\xd8\xff", "0.pyd": pickle.dumps([1], 4)}))


def _arrays() -> Iterator[Sample]:
    objects = pickle.dumps([Payload()], 4)
    numbers = npy("<f8", (3,), bytes(24))
    for version in (1, 2, 3):
        for number, descr in enumerate(
            ("|O", "O", "|O8", "object", [("a", "<i4"), ("b", "|O")], [("a", [("b", "<f8"), ("c", "O")])],
             [("a", ("|O", (2,)))], [("a", "|O", (2,))], [(("title", "a"), "O")], "i4,O")
        ):  # fmt: skip
            yield Sample(f"objects-{version}-{number}.npy", npy(descr, (1,), objects, version))
    escaped = npy("|O", (1,), objects).replace(b"'|O'", b"'\\x4f'").replace(b"  \n", b"\n")
    assert b"\\x4f" in escaped
    yield Sample("escaped.npy", escaped)
    yield Sample("second.npy", numbers + npy("|O", (1,), objects))
    yield Sample(
        "second-structured.npy",
        npy([("a", "<i4"), ("b", "S3", (2,))], (2,), bytes(20)) + npy("O", (1,), objects),
    )
    yield Sample("second-odd-dtype.npy", npy("<f8,<i4", (2,), bytes(24)) + npy("O", (1,), objects))
    yield Sample("pickle-behind.npy", numbers + objects)
    yield Sample("objects.npz", zipped({"a.npy": numbers, "b.npy": npy("|O", (1,), objects)}))
    yield Sample("objects-deflated.npz", zipped({"b.npy": npy("|O", (1,), objects)}, zipfile.ZIP_DEFLATED))
    yield Sample("objects.npy.gz", gzip.compress(npy("|O", (1,), objects)))


def _libraries() -> Iterator[Sample]:
    try:
        joblib, numpy = import_module("joblib"), import_module("numpy")
    except ImportError:
        return
    value = {"coef": numpy.arange(3_000.0), "names": ["a", "b"]}
    for compress in (0, 1, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)):
        buffer = io.BytesIO()
        joblib.dump(value, buffer, compress=compress)
        yield Sample(f"joblib-{compress}.joblib", buffer.getvalue())
    buffer = io.BytesIO()
    numpy.save(buffer, numpy.array([{}, None], dtype=object), allow_pickle=True)
    yield Sample("numpy-objects.npy", buffer.getvalue())
    numpy.save(buffer := io.BytesIO(), numpy.arange(5))
    numpy.save(buffer, numpy.array([{}], dtype=object), allow_pickle=True)
    yield Sample("numpy-second.npy", buffer.getvalue())
    numpy.savez(buffer := io.BytesIO(), a=numpy.arange(3), b=numpy.array([[1], "x"], dtype=object))
    yield Sample("numpy.npz", buffer.getvalue())
    for protocol in (0, 2, 4, 5):
        yield Sample(f"numpy-{protocol}.pkl", pickle.dumps(numpy.arange(10.0), protocol))


def carriers() -> list[Sample]:
    """Every file here is or holds a pickle."""
    return [*_streams(), *_hand_made(), *_zips(), *_arrays(), *_libraries()]


TEXTS = (
    "int main() {\n    return 0;\n}\n", "id,name\n1,a\n2,b\n", "cos\nsin\ntan\n", "cos\nsystem\n",
    "cos\nsystem", "(int\nfoo\nbar\n", "(if\nx\ny\n", "(ios\nandroid\nwindows\n", "cache\nbuild\n.venv\n",
    "ctypes\nbuild\n.env\n", "class\nobject\n", "N.", "I1\n.", "Nothing to see\n",
    "GIT v1.6 Release Notes\n=====\n", "(a (b c))\n", "", "Name,Value\nNone,1\n", "P001,1\nP002,2\n" * 50,
    "V1\nV2\n" * 50, "]\n", "}\n", "])}", "().\n", "K1\nK2\n",
    "certifi\nidna\nPyYAML\nPillow\nPygments\nPyJWT\nPyMySQL\n", "S'quoted'\nnext\n", "F1.0\nF2.0\n",
    "I1\nI2\nI3\n", "cat\ndog\nVan\nVest\nVase\nVine\nVolt\nVeil\n", "(Perhaps\nit\nworks\n",
    "version https://git-lfs.github.com/spec/v1\n", "import os\n", "code\npage\n.\nmore", "{}\n", "[]\n",
    "x^2 + 1\n" * 9, "BZh is bzip2\n", "PK is a name\n", "ZF0x12 is text here\n",
    "c comment\nc other comment\np cnf 3 2\n1 -3 0\n", "c\nfoo\n.\nw\nq\n", "Jan,1\nFeb,2\n",
    "MIT License\n\nCopyright\n", "\ufeffcos\nsystem\n", "# cos\n", "BM25 is a ranking function\n",
    "GGGGGGGGGGGGGGGGGG", "X-Header: 1\n", "U.S. data\n", "TTTTTTTTTTTTTTTTT\n", "cat\ndog\nVan\nRat\n",
    "(Nice\nword\nhere\n", "cab\ncabin\ncable\ncactus\n", "(Never\nin\nthe\nfield\n", "cut\nand\nSat\n",
    "class Foo\nend\n", "calls\nfoo\n)\n", "(see\nit)\n", "c1,c2\ncommon,1\n.5,2\n", "Vcc 5V\nPin 3\n",
    "#!/bin/sh\ncd\n", "%PDF-1.7\n", "<html>\n", "GET / HTTP/1.1\n\n", "ld\n", "Mr\n", "Kx\n", "J....",
    "U\x02ab.", "(.", "((((", "cfoo\nbar\nVx\nPy\nVz\n",
    "compares\ncalculate_nome\n(tranter@example.com)\n", "cy\nassumes\nresource_properties\ndirectories.\n",
    "(comparison\ndefault_value\nobject\n", "(char*)\nStates\noutside\n", "(inp\nword\ncount,\nobject\n",
    "cut here,\nfor tRNA\n(tRNA synthetase)\n", "cache\r\nbuild\r\n.venv\r\n",
)  # fmt: skip


def negatives() -> list[Sample]:
    """No file here is a pickle, or only data of protocol 0 or 1 without a container."""
    samples = [Sample(f"text-{number}.txt", text.encode("utf-8")) for number, text in enumerate(TEXTS)]
    samples += [Sample(f"latin-{number}", text.encode("utf-16")) for number, text in enumerate(TEXTS[:9])]
    for byte in range(256):
        samples.append(Sample(f"repeated-{byte:02x}", bytes([byte]) * 5_000))
    samples += [Sample(f"much-{byte:02x}", bytes([byte]) * 300_000) for byte in b"(N)]}\x88\x8fK2"]
    generator = random.Random(20261122)
    for number in range(600):
        samples.append(Sample(f"random-{number}", generator.randbytes(generator.randrange(1, 4_000))))
    for number in range(100):
        values = [generator.gauss(0, 1) for _ in range(500)]
        samples.append(Sample(f"floats-{number}", struct.pack("<500f", *values)))
    samples.append(Sample("sixteen-bit.raw", struct.pack("<H", 75) * 200_000))
    for length in (0x0280, 0x2E93, 0x2E4E, 0x2858, 0x2E5D, 0x0228):
        header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode().ljust(length)
        samples.append(Sample(f"tensors-{length:x}.safetensors", struct.pack("<Q", len(header)) + header + bytes(4)))
    for descr in ("<f8", "|u1", [("Object", "<f8")], [("O", "<i4")], "<U10", "<M8[ns]", ("<f4", (2,))):
        samples.append(Sample(f"{descr}.npy", npy(descr, (0,), b"")))
    numbers = npy("<f8", (3,), bytes(24))
    texts = {f"{number}": text.encode() for number, text in enumerate(TEXTS)}
    samples += [
        Sample("numbers.npy", numbers), Sample("three.npy", numbers * 3),
        Sample("n.npz", zipped({"a.npy": numbers})), Sample("text.tar", tarred(texts)),
        Sample("text.zip", zipped(texts, zipfile.ZIP_DEFLATED)),
        Sample("torch-names.zip", zipped({"archive/data.json": b"{}", "archive/version": b"3\n"})),
        Sample("broken.zip", b"PK\x03\x04" + generator.randbytes(500)),
        Sample("end-only.zip", b"PK\x05\x06" + bytes(18)),
        Sample("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(200)),
        Sample("jpg", b"\xff\xd8\xff\xe0\0\x10JFIF" + generator.randbytes(2_000)),
        Sample("fasta-gap", b"N" * 200_000 + b"ACGTTGCA" * 1_000),
        Sample("large.csv", b"P0001,1.5,x\n" * 30_000), Sample("ids.csv", b"I0001\n" * 30_000),
        Sample("proto-only", b"\x80\x04" + b"\xff\xfe" * 50), Sample("proto-text", b"\x80\x02cab\n"),
        Sample("c-rows.csv", b"case_17,1.5\n" * 200_000), Sample("c-words", b"custard_17\n" * 200_000),
    ]  # fmt: skip
    for name in ("gz", "bz2", "xz", "lzma", "zlib"):
        samples.append(Sample(f"text.{name}", WRAPPINGS[name](TEXTS[0].encode() * 3_000)))
    return samples
