"""Small writers of file formats, from their layouts alone: what the corpus is made of. Nothing here is loaded.

The payload of everything that carries one would call `os.system("true")`.
"""

from __future__ import annotations

import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple


class Sample(NamedTuple):
    """A file of the corpus: its name, its bytes, and of which kind it is."""

    name: str
    data: bytes
    kind: str = ""


class Payload:
    """Pickles to a call of `os.system("true")`. Never to be loaded."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, ("true",)


EVIL0 = b"cos\nsystem\n(S'true'\ntR."
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


# ---------------------------------------------------------------------- archives


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    return zip_of(members.items(), method)


def zip_of(members: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip; names may repeat."""
    import warnings

    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, method)
    return buffer.getvalue()


def streamed_zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip as it is written to a pipe: sizes behind the data, none before."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.data += data
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, method)
    return bytes(pipe.data)


def tampered(data: bytes, signature: bytes, at: int, value: bytes) -> bytes:
    """Overwrite a field of every zip record with `signature`."""
    out = bytearray(data)
    position = out.find(signature)
    while position >= 0:
        out[position + at : position + at + len(value)] = value
        position = out.find(signature, position + 4)
    return bytes(out)


def zip64(data: bytes) -> bytes:
    """The same zip with its directory's place in a zip64 end record."""
    end = data.rindex(END)
    entries, size, offset = struct.unpack_from("<HLL", data, end + 10)
    end64 = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    last = struct.pack("<4sHHHHLLH", END, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:end] + end64 + locator + last


def tarred(members: dict[str, bytes], format: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def old_tar(members: dict[str, bytes]) -> bytes:
    """A tar of before POSIX: no magic, only the checksum."""
    data = bytearray(tarred(members))
    for at in range(0, len(data), 512):
        block = data[at : at + 512]
        if block[257:262] == b"ustar":
            block[257:265] = bytes(8)
            block[148:156] = b" " * 8
            block[148:156] = b"%06o\0 " % sum(block)
            data[at : at + 512] = block
    return bytes(data)


SEVEN_ZIP_METHODS = ("copy", "lzma", "lzma2", "deflate", "bzip2")


def seven_zip(members: dict[str, bytes], method: str = "copy", *, packed_header: bool = False) -> bytes:
    """A 7z with one solid folder (7zFormat.txt of the LZMA SDK)."""
    whole = b"".join(members.values())
    stream, coder = _seven_zip_stream(whole, method)
    sizes = b"".join(_number(len(data)) for data in list(members.values())[:-1])
    checks = b"".join(struct.pack("<L", zlib.crc32(data)) for data in members.values())
    names = b"".join((name + "\0").encode("utf-16-le") for name in members)
    streams = (
        b"\x06" + _number(0) + _number(1) + b"\x09" + _number(len(stream)) + b"\0"
        + b"\x07\x0b\x01\0" + b"\x01" + coder + b"\x0c" + _number(len(whole)) + b"\0"
        + b"\x08\x0d" + _number(len(members)) + (b"\x09" + sizes if sizes else b"") + b"\x0a\x01" + checks + b"\0\0"
    )  # fmt: skip
    files = b"\x05" + _number(len(members)) + b"\x11" + _number(len(names) + 1) + b"\0" + names + b"\0"
    header = b"\x01\x04" + streams + files + b"\0"
    body = stream
    if packed_header:
        packed, coder = _seven_zip_stream(header, "lzma")
        body += packed
        header = (
            b"\x17\x06" + _number(len(stream)) + _number(1) + b"\x09" + _number(len(packed)) + b"\0"
            + b"\x07\x0b\x01\0" + b"\x01" + coder + b"\x0c" + _number(len(header))
            + b"\x0a\x01" + struct.pack("<L", zlib.crc32(header)) + b"\0\0"
        )  # fmt: skip
    start = struct.pack("<QQL", len(body), len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\0\x04" + struct.pack("<L", zlib.crc32(start)) + start + body + header


def _number(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else b"\xff" + struct.pack("<Q", value)


def _seven_zip_stream(data: bytes, method: str) -> tuple[bytes, bytes]:
    """The packed stream, and its coder's record: flags and length of the id, id, properties."""
    import bz2

    if method == "copy":
        return data, b"\x01\0"
    if method == "lzma":
        filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 3, "lp": 0, "pb": 2}]
        return lzma.compress(data, lzma.FORMAT_RAW, filters=filters), b"\x23\x03\x01\x01\x05\x5d" + struct.pack(
            "<L", 1 << 16
        )
    if method == "lzma2":
        filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}]
        return lzma.compress(data, lzma.FORMAT_RAW, filters=filters), b"\x21\x21\x01\x08"
    if method == "deflate":
        return raw_deflate(data), b"\x03\x04\x01\x08"
    return bz2.compress(data), b"\x03\x04\x02\x02"


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def lz4_frame(data: bytes) -> bytes:
    from importlib import import_module

    return bytes(import_module("lz4.frame").compress(data))


def zstd_frame(data: bytes) -> bytes:
    import sys
    from importlib import import_module

    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return bytes(import_module(name).compress(data))


# ---------------------------------------------------------------------- NumPy and PyTorch


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


def torch_members(evil: bool = False, folder: str = "archive/") -> dict[str, bytes]:
    return {
        f"{folder}data.pkl": torch_index(evil),
        f"{folder}byteorder": b"little",
        f"{folder}data/0": struct.pack("<4f", 1, 2, 3, 4),
        f"{folder}version": b"3\n",
    }


def torch_zip(evil: bool = False, folder: str = "archive/", method: int = zipfile.ZIP_STORED) -> bytes:
    return zipped(torch_members(evil, folder), method)


def torch_legacy(evil: bool = False) -> bytes:
    parts = (
        pickle.dumps(1001, 2),
        pickle.dumps({"little_endian": True}, 2),
        torch_index(evil),
        pickle.dumps(["0"], 2),
    )
    return LEGACY_MAGIC + b"".join(parts) + struct.pack("<Q4f", 4, 1, 2, 3, 4)


def torch_tar() -> bytes:
    # Old tars have no magic; the checksum is all there is.
    return old_tar({"sys_info": pickle.dumps({}, 2), "pickle": torch_index(True), "storages": b"", "tensors": b""})


# ---------------------------------------------------------------------- model formats


def safetensors(tensors: dict[str, Any] | None = None, data: bytes = bytes(4), pad: int = 0) -> bytes:
    described = {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}} if tensors is None else tensors
    header = json.dumps(described).encode().ljust(pad)
    header += b" " * (-len(header) % 8 if not pad else 0)
    return struct.pack("<Q", len(header)) + header + data


def polyglot_safetensors() -> bytes:
    """A file that the safetensors library accepts and whose first bytes are BINUNICODE of 32 bytes."""
    payload = "q\x00" + "cos\nsystem\n(S'true'\ntR."
    entry = '{"__metadata__":{"k":"' + "a" * 4
    head = entry.encode("ascii")
    # header length 0x2058 -> b"X\x20\0\0\0\0\0\0": after X and its length come 3 more NULs, then the JSON.
    text = head + b"b" * (32 - 3 - len(head)) + payload.encode("latin-1") + b'"}}'
    return b"X\x20\0\0\0" + b"\0\0\0" + text.ljust(0x2058, b" ")


def gguf(texts: dict[str, str], version: int = 3, tensors: int = 1) -> bytes:
    """A GGUF with texts as metadata and small float tensors (gguf.md of ggml)."""

    def text(value: str) -> bytes:
        raw = value.encode()
        return struct.pack("<Q", len(raw)) + raw

    pairs = {"general.architecture": "llama", **texts}
    out = b"GGUF" + struct.pack("<LQQ", version, tensors, len(pairs))
    out += b"".join(text(key) + struct.pack("<L", 8) + text(value) for key, value in pairs.items())
    for number in range(tensors):
        out += text(f"blk.{number}.w") + struct.pack("<LQLQ", 1, 8, 0, 32 * number)
    out += bytes(-len(out) % 32)
    return out + struct.pack("<8f", *range(8)) * tensors


def field(number: int, value: bytes | str | int) -> bytes:
    """One protobuf field: a varint, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def onnx(op: str = "Relu", domain: str = "", external: str | None = None) -> bytes:
    """An ONNX model with one node (onnx.proto): ir_version 1, producer 2, graph 7, opset_import 8."""
    node = field(1, "x") + field(2, "y") + field(3, "n") + field(4, op) + (field(7, domain) if domain else b"")
    dimension = field(1, field(1, 1))
    shape = field(2, field(1, field(1, 1) + field(2, dimension)))
    graph = field(1, node) + field(2, "g")
    if external is not None:
        entry = field(1, "location") + field(2, external)
        graph += field(5, field(1, 4) + field(2, 1) + field(8, "w") + field(13, entry) + field(14, 1))
    graph += field(11, field(1, "x") + shape) + field(12, field(1, "y") + shape)
    opsets = field(8, field(1, "") + field(2, 17)) + (field(8, field(1, domain) + field(2, 1)) if domain else b"")
    return field(1, 8) + field(2, "maker") + field(7, graph) + opsets


def saved_model(op: str) -> bytes:
    """A TensorFlow SavedModel (saved_model.proto, meta_graph.proto, graph.proto) with a constant and `op`."""
    nodes = field(1, field(1, "c") + field(2, "Const")) + field(1, field(1, "n") + field(2, op) + field(3, "c"))
    meta = field(1, field(4, "serve")) + field(2, nodes + field(4, field(1, 1087)))
    return field(1, 1) + field(2, meta)


def lambda_layer() -> dict[str, Any]:
    code = "4wEAAAAAAAAAAAAAAAEAAAACAAAAQwAAAHMEAAAAfABTACkBTqkAqQHaAXhyAgAAAA==\n"
    return {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"name": "f", "function": {"class_name": "__lambda__", "config": {"code": code, "defaults": None}}},
    }


def keras_zip(layers: list[dict[str, Any]], **more: bytes) -> bytes:
    dense = {"module": "keras.layers", "class_name": "Dense", "config": {"name": "d", "units": 1, "activation": "relu"}}
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "sequential", "layers": [dense, *layers]},
        "registered_name": None,
    }
    members = {
        "metadata.json": json.dumps({"keras_version": "3.15.1", "date_saved": "2026-01-01@00:00:00"}).encode(),
        "config.json": json.dumps(config).encode(),
        "model.weights.h5": b"\x89HDF\r\n\x1a\n" + bytes(96),
        **more,
    }
    return zipped(members)


def java_object(name: str = "org.example.Gadget") -> bytes:
    """A Java serialisation stream with one object (Java Object Serialization Specification 6.4)."""
    raw = name.encode()
    return b"\xac\xed\0\x05sr" + struct.pack(">H", len(raw)) + raw + bytes(8) + b"\x02\0\0xp"


def _r_flag(kind: int, more: int = 0) -> bytes:
    return struct.pack(">L", kind | more)


def _r_symbol(name: str) -> bytes:
    return _r_flag(1) + _r_flag(9, 0x40000) + struct.pack(">L", len(name)) + name.encode()


def _r_call() -> bytes:
    text = _r_flag(16) + struct.pack(">L", 1) + _r_flag(9, 0x40000) + struct.pack(">L", 4) + b"true"
    return _r_flag(6) + _r_symbol("system") + _r_flag(2) + text + _r_flag(254)


def r_closure() -> bytes:
    """R's serialised `function() system("true")` (R Internals, 1.8: a closure is environment, arguments, body)."""
    return _r_flag(3, 0x400) + _r_flag(253) + _r_flag(254) + _r_call()


def r_promise() -> bytes:
    """R's serialised promise of `system("true")`: environment, no value yet, expression."""
    return _r_flag(5, 0x400) + _r_flag(253) + _r_flag(252) + _r_call()


def r_list(*items: bytes) -> bytes:
    return _r_flag(19) + struct.pack(">L", len(items)) + b"".join(items)


def rds(item: bytes) -> bytes:
    """An object as `saveRDS(compress = FALSE)` writes it, version 2."""
    return b"X\n" + struct.pack(">LLL", 2, 0x40003, 0x20300) + item


def r_workspace(**items: bytes) -> bytes:
    """Objects as `save(compress = FALSE, version = 2)` writes them: a list of pairs behind a mark."""
    pairs = b"".join(_r_flag(2, 0x400) + _r_symbol(name.replace("_", ".")) + item for name, item in items.items())
    return b"RDX2\n" + rds(pairs + _r_flag(254))


def torch7_function() -> bytes:
    """Torch7's binary serialisation of a table with a Lua function (File.lua of torch7)."""

    def number(value: int) -> bytes:
        return struct.pack("<i", value)

    code = b"\x1bLJ\x01" + bytes(40)
    key = number(2) + number(4) + b"hook"
    function = number(8) + number(2) + number(len(code)) + code + number(3) + number(3) + number(0)
    return number(3) + number(1) + number(1) + key + function
