"""Archives as the real libraries write them, and tampered ones as the real readers read them. Nothing is unpickled."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import lz4.frame  # type: ignore[import-untyped]
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import py7zr
import pytest
import torch
from backports import zstd

from builders import EVIL0, old_tar, raw_deflate, streamed_zip, tampered, tarred, torch_members, zip64, zip_of
from git_custody.core.content import BytesContent, FileContent
from git_custody.formats import sevenzip
from git_custody.formats.recognise import recognise
from git_custody.formats.tars import is_header
from git_custody.formats.verdicts import Budget, Member, Said, Scene, Verdict

MUTATIONS = 2_000
NOISE = random.Random(5).randbytes(70_000)


def judged(path: Path) -> tuple[Verdict, ...]:
    with path.open("rb") as file:
        return recognise(FileContent(file, path.stat().st_size), name=path.name)


def told(path: Path) -> set[tuple[str, str]]:
    return {(verdict.kind, verdict.format) for verdict in judged(path)}


# ---------------------------------------------------------------------- 7z


CHAINS: dict[str, list[dict[str, Any]]] = {
    "lzma2": [{"id": py7zr.FILTER_LZMA2, "preset": 6}],
    "lzma": [{"id": py7zr.FILTER_LZMA, "preset": 6}],
    "bzip2": [{"id": py7zr.FILTER_BZIP2}],
    "deflate": [{"id": py7zr.FILTER_DEFLATE}],
    "copy": [{"id": py7zr.FILTER_COPY}],
    "zstd": [{"id": py7zr.FILTER_ZSTD}],
}
for _name in ("X86", "ARM", "ARMTHUMB", "POWERPC", "SPARC", "IA64"):
    for _codec in ("lzma2", "lzma", "bzip2", "deflate", "copy", "zstd"):
        if _name != "IA64" or _codec.startswith("lzma"):  # py7zr cannot write the others
            CHAINS[f"{_name}-{_codec}"] = [{"id": getattr(py7zr, f"FILTER_{_name}")}, *CHAINS[_codec]]
for _codec in ("lzma2", "lzma"):
    CHAINS[f"delta-{_codec}"] = [{"id": py7zr.FILTER_DELTA, "dist": 4}, *CHAINS[_codec]]
CHAINS["delta-x86-lzma2"] = [{"id": py7zr.FILTER_DELTA}, {"id": py7zr.FILTER_X86}, *CHAINS["lzma2"]]
OPAQUE_CHAINS: dict[str, list[dict[str, Any]]] = {
    "PPMd": [{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 24}],
    "Brotli": [{"id": py7zr.FILTER_BROTLI, "level": 5}],
    "encrypted": [*CHAINS["lzma2"], {"id": py7zr.FILTER_CRYPTO_AES256_SHA256}],
}


def files() -> dict[str, bytes]:
    return {
        "text.txt": b"hello\n" * 1_000, "dir/ü☃.bin": NOISE, "program": Path(torch.__file__).read_bytes(), "one": b"x",
        "five": b"\xe8\1\2\3\4", "numbers": np.arange(30_000, dtype="<i4").tobytes(), "evil.pkl": EVIL0,
        "large": (b"abc" * 50 + NOISE[:300]) * 3_000,
    }  # fmt: skip


def seven_zip(filters: list[dict[str, Any]], *, encode: bool, password: str | None = None) -> bytes:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w", filters=filters, password=password) as archive:
        archive.set_encoded_header_mode(encode)
        for name, data in files().items():
            archive.writestr(data, name)
    return buffer.getvalue()


def read_7z(data: bytes) -> tuple[dict[str, bytes], list[Said]]:
    found: dict[str, bytes] = {}
    said: list[Said] = []
    for item in sevenzip.inspect(Scene(BytesContent(data), data[:4096], "", Budget())):
        if isinstance(item, Member):
            found[str(item.name)] = item.content.read_at(0, 1 << 26)
        else:
            said.append(item)
    return found, said


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("encode", [True, False])
def test_members_of_7z_are_byte_for_byte_those_that_were_written(chain: str, encode: bool) -> None:
    data = seven_zip(CHAINS[chain], encode=encode)
    found, said = read_7z(data)
    assert said == []
    assert found == files()
    assert [verdict.member for verdict in recognise(BytesContent(data))] == ["evil.pkl"]


@pytest.mark.parametrize("chain", OPAQUE_CHAINS)
def test_7z_that_cannot_be_unpacked_here_is_opaque(chain: str) -> None:
    data = seven_zip(OPAQUE_CHAINS[chain], encode=True, password="x" if chain == "encrypted" else None)
    said = recognise(BytesContent(data))
    assert [verdict.kind for verdict in said] == ["opaque"]
    assert chain in said[0].what


# ---------------------------------------------------------------------- what libraries write


def test_joblib_in_every_compression(tmp_path: Path) -> None:
    value = {"coef": np.arange(3_000.0), "names": ["a", "b"]}
    for number, compress in enumerate(
        (0, 1, 9, "zlib", ("zlib", 3), ("gzip", 1), ("gzip", 9), ("bz2", 1), ("bz2", 9), ("lzma", 0), ("lzma", 9),
         ("xz", 0), ("xz", 9), "lz4", ("lz4", 9))
    ):  # fmt: skip
        path = tmp_path / str(number)
        joblib.dump(value, path, compress=compress)
        assert told(path) == {("pickle", "joblib")}, compress


@pytest.mark.parametrize("suffix", ["zip", "gz", "bz2", "zst", "xz", "tar", "tar.gz", "tar.bz2", "tar.xz"])
def test_pandas_in_every_compression(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": range(20_000), "b": ["text"] * 20_000})
    frame.to_pickle(tmp_path / f"a.pkl.{suffix}")
    frame.to_csv(tmp_path / f"a.csv.{suffix}")
    assert {kind for kind, _ in told(tmp_path / f"a.pkl.{suffix}")} == {"pickle"}
    assert told(tmp_path / f"a.csv.{suffix}") == set()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numpy_archives(save: Callable[..., None], tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save(path, a=np.zeros(10), b=np.arange(5), c=np.array(["x"]))
    assert told(path) == {("safe", "npz")}
    save(path)
    assert told(path) == {("safe", "npz")}
    save(path, a=np.zeros(40_000_000, np.uint8))
    assert told(path) == {("safe", "npz")}
    save(path, a=np.zeros(10), b=np.array([{}], dtype=object))
    assert ("pickle", "numpy-objects") in told(path)


class Small(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.linear(x))


def test_what_torch_writes_beside_checkpoints(tmp_path: Path) -> None:
    model = Small()
    torch.jit.save(torch.jit.script(model), tmp_path / "scripted.pt")
    torch.jit.save(torch.jit.trace(model, torch.randn(2, 4)), tmp_path / "traced.pt")
    torch.jit.script(model)._save_for_lite_interpreter(str(tmp_path / "mobile.ptl"))
    for name in ("scripted.pt", "traced.pt", "mobile.ptl"):
        assert {("code", "torchscript"), ("pickle", "pytorch-zip")} <= told(tmp_path / name)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    assert told(tmp_path / "weights.pt") == {("pickle", "pytorch-zip")}

    batch = torch.export.Dim("batch", min=2, max=64)
    exported = torch.export.export(model, (torch.randn(4, 4),), dynamic_shapes={"x": {0: 2 * batch}})
    torch.export.save(exported, tmp_path / "exported.pt2")
    assert told(tmp_path / "exported.pt2") == {("pickle", "pytorch-zip"), ("safe", "pt2")}  # its sample inputs

    with torch.package.PackageExporter(str(tmp_path / "packaged.pt")) as exporter:
        exporter.save_source_string("foo", "x = 1\n")
        exporter.save_pickle("model", "model.pkl", {"a": 1})
    assert ("code", "torch-package") in told(tmp_path / "packaged.pt")


# ---------------------------------------------------------------------- what readers read of what was tampered with


def torch_reads(data: bytes) -> bool:
    with suppress(Exception):
        reader = torch._C.PyTorchFileReader(io.BytesIO(data))
        for name in reader.get_all_records():
            with suppress(Exception):
                if reader.get_record(name).startswith(EVIL0[:-1]):
                    return True
    return False


def in_small_steps(file: Any) -> bytes:
    read = b""
    with suppress(Exception):
        while len(read) < 100 and (step := file.read(1)):
            read += step
    return read


def zipfile_reads(data: bytes) -> bool:
    with suppress(Exception):
        archive = zipfile.ZipFile(io.BytesIO(data))
        for info in archive.infolist():
            with suppress(Exception), archive.open(info) as file:
                if in_small_steps(file).startswith(EVIL0[:-1]):
                    return True
    return False


def tarfile_reads(data: bytes) -> bool:
    for mode, ignore_zeros in (("r:", False), ("r|", False), ("r:", True)):
        if ignore_zeros and not is_header(data[:512]):
            continue  # it would find a member in any file
        with (
            suppress(Exception),
            tarfile.open(fileobj=io.BytesIO(data), mode=mode, ignore_zeros=ignore_zeros) as archive,
        ):  # type: ignore[call-overload]
            for _ in range(50):
                info = archive.next()
                if info is None:
                    break
                with suppress(Exception):
                    if info.isreg() and archive.extractfile(info).read(100).startswith(EVIL0[:-1]):
                        return True
    return False


def stream_reads(opened: Callable[[Any], Any]) -> Callable[[bytes], bool]:
    def reads(data: bytes) -> bool:
        with suppress(Exception), opened(io.BytesIO(data)) as file:
            return in_small_steps(file).startswith(EVIL0[:-1])
        return False

    return reads


def zips() -> Iterator[bytes]:
    members = {**torch_members(), "archive/data.pkl": EVIL0}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield zip_of(members.items(), method)
    stored = zip_of(members.items())
    yield zip64(stored)
    yield b"junk" * 9 + stored
    yield streamed_zip({"a": b"text" * 99, "b": EVIL0})
    yield zip_of([("a", b"text"), ("a", EVIL0), ("b", NOISE[:5_000])], zipfile.ZIP_DEFLATED)


def compressed() -> Iterator[tuple[bytes, Callable[[bytes], bool]]]:
    data = EVIL0 + b"".join(b"row %d\n" % number for number in range(900))
    yield gzip.compress(data), stream_reads(gzip.open)
    yield bz2.compress(data), stream_reads(bz2.open)
    yield lzma.compress(data), stream_reads(lzma.open)
    yield lzma.compress(data, format=lzma.FORMAT_ALONE), stream_reads(lzma.open)
    yield lz4.frame.compress(data), stream_reads(lambda file: lz4.frame.open(file, "rb"))
    yield zstd.compress(data), stream_reads(zstd.open)


def mutated(source: random.Random, data: bytes) -> bytes:
    """Change a few bytes, mostly in headers."""
    changed = bytearray(data)
    marks = [at for mark in (b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6") for at in positions(data, mark)]
    marks = marks or list(range(0, len(data), 512))
    for _ in range(source.randrange(1, 5)):
        at = source.randrange(len(changed))
        kind = source.randrange(10)
        if kind < 5:
            at = min(source.choice(marks) + source.randrange(60), len(changed) - 1)
            changed[at] = source.choice((0, 1, 2, 8, 12, 14, 93, 95, 255, 0x7F, 0x80, source.randrange(256)))
        elif kind == 5:
            changed[at] = source.randrange(256)
        elif kind == 6:
            del changed[at : at + source.randrange(1, 30)]
        elif kind == 7:
            changed[at:at] = source.randbytes(source.randrange(1, 20))
        elif kind == 8:
            begin, length = source.randrange(len(changed)), source.randrange(1, 120)
            changed[at : at + length] = changed[begin : begin + length]
        else:
            changed += source.choice((b"PK\5\6" + bytes(18), bytes(100), data, b"x" * 40))
        changed = changed or bytearray(b"x")
    return bytes(changed)


def positions(data: bytes, mark: bytes) -> list[int]:
    found, at = [], data.find(mark)
    while at >= 0:
        found.append(at)
        at = data.find(mark, at + 1)
    return found


def with_checksums(data: bytes) -> bytes:
    mended = bytearray(data)
    for at in range(0, len(mended) - 511, 512):
        block = mended[at : at + 512]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            mended[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    return bytes(mended)


def is_refused(data: bytes) -> bool:
    return any(verdict.kind == "pickle" or verdict.forced for verdict in recognise(BytesContent(data)))


def missed(
    seed: int, samples: list[tuple[bytes, list[Callable[[bytes], bool]]]], tars: bool = False
) -> tuple[int, list[bytes]]:
    """How many mutations a reader still hands the pickle out of, and those of them that we accept."""
    source = random.Random(seed)
    read, accepted = 0, []
    for _ in range(MUTATIONS):
        data, readers = source.choice(samples)
        data = mutated(source, data)
        if tars and source.random() < 0.8:
            data = with_checksums(data)
        if any(reader(data) for reader in readers):
            read += 1
            if not is_refused(data):
                accepted.append(data)
    return read, accepted


def test_what_readers_of_zips_hand_out_is_found() -> None:
    read, accepted = missed(1, [(data, [torch_reads, zipfile_reads]) for data in zips()])
    assert accepted == []
    assert read > MUTATIONS // 4


def test_what_tarfile_hands_out_is_found() -> None:
    members = {"a": b"x" * 600, "n" * 180: EVIL0, "c": b"y"}
    samples = [tarred(members, form) for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
    samples += [tarred({"a": b"x" * 600, "b": EVIL0}, tarfile.USTAR_FORMAT), old_tar({"a": b"1", "b": EVIL0})]
    read, accepted = missed(2, [(data, [tarfile_reads]) for data in samples], tars=True)
    assert accepted == []
    assert read > MUTATIONS // 4


def test_what_readers_of_streams_hand_out_is_found() -> None:
    read, accepted = missed(3, [(data, [reader]) for data, reader in compressed()])
    assert accepted == []
    assert read > MUTATIONS // 8


@pytest.mark.parametrize("method", [0, 8])
def test_what_the_traps_of_torchs_reader_hide_is_found(method: int) -> None:
    """`version needed` 255, checksums, local flags, names and sizes: PyTorch's reader hands data.pkl out all the same."""
    whole = zip_of({**torch_members(), "archive/data.pkl": EVIL0}.items(), method)
    central, local = b"PK\1\2", b"PK\3\4"
    for data in (
        tampered(whole, central, 6, b"\xff\xff"),
        tampered(tampered(whole, central, 16, bytes(4)), local, 14, bytes(4)),
        tampered(whole, local, 6, b"\x61\0"),
        tampered(whole, local, 30, b"Z"),
        tampered(whole, local, 18, bytes(8)),
        tampered(whole, local, 18, b"\xff\xff\xff\x7f" * 2),
        tampered(whole, central, 12, bytes(4)),
    ):
        assert torch_reads(data)
        assert is_refused(data)
    raw = raw_deflate(EVIL0)
    lying = struct.pack("<4sHHHHHLLLHH", local, 20, 0, 8, 0, 0, 0, 3, 3, 1, 0) + b"a" + raw
    assert is_refused(lying)
