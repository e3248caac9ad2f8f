"""Archives and compressed streams: every reading that a loader could have is looked at, at a bounded cost."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import random
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builders import (
    CENTRAL,
    END,
    EVIL0,
    LOCAL,
    Payload,
    npy,
    streamed_zip,
    tampered,
    tarred,
    torch_members,
    zip_of,
    zipped,
)
from clock import within
from git_custody.core.content import BytesContent
from git_custody.formats import compressed, sevenzip, streams, tars
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import Budget, Member, Said, Scene, Verdict

try:
    from compression import zstd  # type: ignore[import-not-found, unused-ignore]
except ImportError:
    from backports import zstd

QUICK = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
EVIL4 = pickle.dumps(Payload(), 4)
NOISE = random.Random(7).randbytes(200_000)
MIB = 1024 * 1024


def judged(data: bytes, name: str = "") -> tuple[Verdict, ...]:
    return recognise(BytesContent(data), name=name)


def kinds(data: bytes, name: str = "") -> list[tuple[str, str, bool]]:
    return [(verdict.kind, verdict.format, verdict.forced) for verdict in judged(data, name)]


def calls(data: bytes, name: str = "") -> set[str | None]:
    """The members in which a pickle was found."""
    return {verdict.member for verdict in judged(data, name) if verdict.kind == "pickle"}


def members_of(inspect: Callable[[Scene], Iterator[Said | Member]], data: bytes) -> tuple[dict[str, bytes], list[Said]]:
    found: dict[str, bytes] = {}
    said: list[Said] = []
    for item in inspect(Scene(BytesContent(data), data[:4096], "", Budget())):
        if isinstance(item, Member):
            found[item.name or ""] = item.content.read_at(0, 64 * MIB)
        else:
            said.append(item)
    return found, said


# ---------------------------------------------------------------------- compressed streams


def zstd_with(data: bytes, **options: int) -> bytes:
    chosen = {getattr(zstd.CompressionParameter, name): value for name, value in options.items()}
    compressor = zstd.ZstdCompressor(options=chosen)
    written: bytes = compressor.compress(data) + compressor.flush()
    return written


def xz_with(data: bytes, window: int) -> bytes:
    return lzma.compress(data, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": window}])


def lzma_with(data: bytes, window: int) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 0, "dict_size": window}]
    return lzma.compress(data, format=lzma.FORMAT_ALONE, filters=filters)


def skippable(number: int = 0) -> bytes:
    return bytes([0x50 + number]) + b"\x2a\x4d\x18\x05\0\0\0extra"


STREAMS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zlib": zlib.compress,
    "lz4": lambda data: bytes(lz4.frame.compress(data)),
    "zstd": zstd_with,
}


@pytest.mark.parametrize("how", STREAMS)
def test_a_pickle_is_found_in_any_stream(how: str) -> None:
    pack = STREAMS[how]
    verdict = judged(pack(EVIL0))[0]
    assert verdict.what == f"a pickle (protocol 0 or 1), compressed with {how}"
    assert verdict.calls == "os.system"
    assert verdict.pickle_bytes() == EVIL0
    assert calls(pack(pack(EVIL4))) == {None}
    assert calls(pack(tarred({"a": NOISE, "b": EVIL0}))) == {"b"}


@pytest.mark.parametrize("how", STREAMS)
def test_streams_follow_each_other(how: str) -> None:
    pack = STREAMS[how]
    parts = [pack(b""), pack(EVIL0[:9]), pack(EVIL0[9:])]
    assert calls(b"".join(parts)) == {None}
    if how not in ("zstd", "lz4", "zlib"):
        assert calls((bytes(5_000)).join(parts)) == {None}  # padding
    assert calls(pack(EVIL0) + b"junk behind it") == {None}


@pytest.mark.parametrize("how", STREAMS)
@pytest.mark.parametrize("size", [0, 5_000, 300_000])
def test_what_comes_before_damage_counts(how: str, size: int) -> None:
    data = b"\x80\x04B" + struct.pack("<L", size) + (NOISE * 2)[:size] + b"0" + EVIL0
    packed = STREAMS[how](data + NOISE)
    at = len(STREAMS[how](data)) + 1000
    for damage in (packed[:at], packed[:at] + bytes(200) + NOISE[:50_000]):
        if how not in ("bzip2", "xz", "lz4", "zstd"):  # these check or emit block by block
            assert calls(damage) == {None}
        else:
            judged(damage)


def test_a_pickle_in_the_last_chunk_before_damage_is_found() -> None:
    """Fed in large pieces, zlib gives out nothing of the piece in which it fails."""
    data = NOISE[:100_000] + tarred({"evil": EVIL0})
    packed = gzip.compress(tarred({"noise": data, "evil": EVIL0}) + NOISE, 1, mtime=0)
    whole = zlib.decompressobj(31).decompress(packed)
    assert b"evil" in whole
    damaged = packed[:-100_000] + b"\xff" * 100_000
    assert "evil" in calls(damaged)


def test_zstandard_frames_that_are_skipped_or_follow() -> None:
    for data in (
        skippable() + zstd_with(EVIL0),
        skippable(15) + skippable(3) + zstd_with(b"") + zstd_with(EVIL0) + skippable(),
        zstd_with(EVIL0, checksum_flag=1),
        zstd_with(EVIL0, content_size_flag=0),
    ):
        assert calls(data) == {None}
    assert judged(skippable() * 3) == ()


def test_a_dictionary_that_is_elsewhere_is_said() -> None:
    named = b"\x28\xb5\x2f\xfd\x21\x07" + zstd.compress(EVIL0)[5:]
    assert ("opaque", "zstd", False) in kinds(named)


def test_lz4_of_every_block_size_and_its_legacy_form() -> None:
    data = tarred({"noise": NOISE, "evil": EVIL0})
    for size in range(4, 8):
        for linked in (True, False):
            packed = lz4.frame.compress(data, block_size=size, block_linked=linked, content_checksum=True)
            assert calls(packed) == {"evil"}
    assert kinds(b"\x02\x21\x4c\x18" + bytes(40)) == [("opaque", "lz4", False)]


def test_lzip_is_read_where_liblzma_reads_it() -> None:
    raw = lzma.compress(EVIL0, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 3}])
    member = b"LZIP\x01\x10" + raw
    member += struct.pack("<LQQ", zlib.crc32(EVIL0), len(EVIL0), len(member) + 20)
    try:
        readable = lzma.decompress(member) == EVIL0
    except lzma.LZMAError:
        readable = False
    assert calls(member) == ({None} if readable else set())


@pytest.mark.parametrize("codec", [streams.LZ4, streams.ZSTD])
def test_without_its_library_a_stream_is_opaque(codec: streams.Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(window: int) -> streams.Engine:
        raise ImportError

    monkeypatch.setattr(streams, "_is_available", {})
    monkeypatch.setattr(streams, codec.name.upper(), codec._replace(make=missing))
    assert kinds(STREAMS[codec.name](EVIL0)) == [("opaque", codec.name, False)]


@pytest.mark.parametrize("power", [16, 23, 26, 27])
def test_large_windows_are_opened(power: int) -> None:
    assert calls(xz_with(EVIL0, 1 << power)) == {None}
    assert calls(lzma_with(EVIL0, 1 << power)) == {None}
    assert calls(zstd_with(EVIL0, window_log=power)) == {None}


def test_windows_beyond_those_of_ordinary_tools_are_refused() -> None:
    assert kinds(xz_with(EVIL0, 1 << 28)) == [("opaque", "xz", True)]
    assert kinds(zstd_with(EVIL0, window_log=30)) == [("opaque", "zstd", True)]
    # The header of lzma alone is read here, so that no more of the window is made than can be filled.
    assert calls(lzma_with(EVIL0, 1 << 28)) == {None}


def test_a_large_window_is_read_as_far_as_it_stays_small() -> None:
    data = tarred({"a": NOISE * 60, "b": NOISE * 100, "evil": EVIL0})
    assert calls(xz_with(data, 8 * MIB)) == {"evil"}
    for packed in (xz_with(data, 64 * MIB), zstd_with(data, window_log=27), lzma_with(data, 64 * MIB)):
        assert [(kind, forced) for kind, _, forced in kinds(packed)] == [("opaque", False)]


def test_a_later_block_with_a_larger_window_ends_the_look() -> None:
    assert kinds(xz_with(b"text" * 5_000, 1 << 16) + xz_with(EVIL0, 1 << 28))[:1] in (
        [],
        [("opaque", "xz", True)],
    )
    archive = tarred({"a": bytes(9_000), "evil": EVIL0})
    assert kinds(xz_with(archive[:8_000], 1 << 16) + xz_with(archive[8_000:], 1 << 28)) == [("opaque", "xz", True)]


def test_what_is_released_can_be_read_again() -> None:
    data = gzip.compress(tarred({"noise": NOISE * 5, "evil": EVIL0}))
    verdict = judged(data)[0]
    assert verdict.pickle_bytes() == EVIL0
    assert verdict.pickle_bytes(5) == EVIL0[:5]


def test_padding_between_gzip_streams_hides_nothing() -> None:
    first, evil = gzip.compress(b""), gzip.compress(EVIL0)
    assert calls(first + bytes(17_000_000) + evil) == {None}
    (verdict,) = judged(first + bytes(65 * 1024 * 1024) + evil)
    assert (verdict.kind, verdict.forced) == ("opaque", True)
    assert judged(first + bytes(1000)) == judged(first + b"junk") == ()


def test_gzip_headers_of_any_kind() -> None:
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = body.compress(EVIL0) + body.flush()
    end = struct.pack("<LL", zlib.crc32(EVIL0), len(EVIL0))
    for flags, more in (
        (0, b""),
        (1, b""),
        (4, b"\x04\0abcd"),
        (8, b"name\0"),
        (16, b"a comment\0"),
        (2, b"\xde\xad"),
        (31, b"\x02\0xx" + b"name\0" + b"comment\0" + b"\0\0"),
        (8, b"n" * 70_000 + b"\0"),
        (24, b"n" * 17_000_000 + b"\0" + b"c" * 5_000 + b"\0"),
        (0xE0, b""),
    ):
        assert calls(b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + more + raw + end) == {None}


# ---------------------------------------------------------------------- zip


def member(name: bytes, data: bytes, *, method: int = 0, raw: bytes | None = None, **local: int) -> tuple[bytes, bytes]:
    """A local header with its data, and the central record, which lacks its offset. `local` overrides the header."""
    packed = data if raw is None else raw
    values = {"flags": 0, "local_method": method, "packed": len(packed), "unpacked": len(data)} | local
    crc = zlib.crc32(data)
    header = struct.pack(
        "<4sHHHHHLLLHH", LOCAL, 20, values["flags"], values["local_method"], 0, 0, crc, values["packed"],
        values["unpacked"], len(name), 0,
    )  # fmt: skip
    record = struct.pack("<4sHHHHHHLLLHHHHH", CENTRAL, 20, 20, 0, method, 0, 0, crc, len(packed), len(data), len(name),
                         0, 0, 0, 0)  # fmt: skip
    return header + name + packed, record + struct.pack("<L", 0) + b"%L" + name


def zip_from(
    parts: list[tuple[bytes, bytes]], *, listed: Callable[[int], bool] = lambda _: True, gap: bytes = b"",
    comment: bytes = b"", disk: int = 0,
) -> bytes:  # fmt: skip
    out, central, count = b"", b"", 0
    for number, (local, record) in enumerate(parts):
        if listed(number):
            central += record.replace(b"%L", struct.pack("<L", len(out)))
            count += 1
        out += local + gap
    end = struct.pack("<4sHHHHLLH", END, disk, disk, count, count, len(central), len(out), len(comment))
    return out + central + end + comment


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def test_the_small_zip_writer_writes_zips() -> None:
    data = zip_from([member(b"a", b"text"), member(b"b", EVIL0, method=8, raw=deflated(EVIL0))])
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert [archive.read(name) for name in archive.namelist()] == [b"text", EVIL0]
    assert calls(data) == {"b"}


def test_members_that_only_a_streaming_reader_finds_are_looked_at() -> None:
    parts = [member(b"a", b"text"), member(b"evil", EVIL0), member(b"b", b"more", method=8, raw=deflated(b"more"))]
    for data in (
        zip_from(parts, listed=lambda number: number != 1),
        zip_from(parts[::-1], listed=lambda number: number == 0),
        zip_from([*parts, member(b"c", EVIL0, method=8, raw=deflated(EVIL0))], listed=lambda number: number == 0),
    ):
        assert "evil" in calls(data)


def test_descriptors_stand_between_members_that_are_not_listed() -> None:
    for width in ("L", "Q"):
        for mark in (b"PK\x07\x08", b""):
            local, record = member(b"a", b"text", method=8, raw=deflated(b"text"), flags=8, packed=0, unpacked=0)
            descriptor = mark + struct.pack(f"<L{width}{width}", zlib.crc32(b"text"), 6, 4)
            parts = [(local + descriptor, record), member(b"evil", EVIL0)]
            for first in (True, False):
                assert calls(zip_from(parts, listed=lambda number, first=first: first and number == 0)) == {"evil"}  # type: ignore[misc]


def test_readers_disagree_where_a_member_ends() -> None:
    """Java goes by the second size of what is stored, and by the data themselves where they are deflated."""
    evil = member(b"evil", EVIL0)
    text = b"text" * 20
    for first in (
        member(b"a", text, packed=len(text) + 40),
        member(b"a", text, unpacked=len(text) + 40),
        member(b"a", text, method=8, raw=deflated(text), packed=5),
    ):
        assert calls(zip_from([first, evil], listed=lambda number: number == 0)) == {"evil"}
    hidden = evil[0] + b"\0" * 9
    for filling in (text, NOISE[:9_000]):  # known to end at once, and not unpacked to its end
        local, record = member(b"a", filling, method=8, raw=deflated(filling) + hidden, flags=8, packed=0, unpacked=0)
        for descriptor in (b"", struct.pack("<LLL", 0, 0, 0), b"PK\x07\x08" + struct.pack("<LQQ", 0, 0, 0)):
            whole = local.replace(hidden, descriptor + hidden)
            grown = struct.pack("<L", len(deflated(filling)) + len(descriptor + hidden))
            listed = record[:20] + grown + record[24:]
            assert calls(zip_from([(whole, listed), member(b"b", b"more")])) == {"evil"}


def test_where_local_header_and_directory_disagree_both_are_looked_at() -> None:
    packed = deflated(EVIL0)
    data = zip_from([member(b"a", packed, method=0, raw=packed, local_method=8)])
    assert calls(data) == {"a"}
    archive = zipped({"x": EVIL0})
    longer = zip_from([member(b"a", archive[:9], raw=archive[:9], packed=len(archive), unpacked=len(archive))])
    longer = longer[: longer.index(b"a") + 1] + archive + longer[longer.index(b"a") + 10 :]
    assert "a!x" in calls(longer)


def test_two_entries_for_one_header_are_two_readings() -> None:
    local, stored = member(b"a", deflated(EVIL0))
    _, packed = member(b"b", EVIL0, method=8, raw=deflated(EVIL0))
    central = stored.replace(b"%L", bytes(4)) + packed.replace(b"%L", bytes(4))
    data = local + central + struct.pack("<4sHHHHLLH", END, 0, 0, 2, 2, len(central), len(local), 0)
    assert calls(data) == {"b"}


def test_a_name_counts_whichever_record_says_it() -> None:
    """Data that are nothing under one name are what loaders look for under another."""
    template = b"{{ ''.__class__.__mro__[1].__subclasses__() }}"
    name = b"chat_template.jinja"
    plain, by_name = member(b"a", template), member(name, template)
    path = b"up" + struct.pack("<HBL", 5 + len(name), 1, zlib.crc32(b"a")) + name
    extended = plain[1][:30] + struct.pack("<H", len(path)) + plain[1][32:] + path
    again = by_name[1].replace(b"%L", bytes(4))
    for parts in (
        [by_name],
        [(plain[0], plain[1].replace(b"%L", bytes(4)) + again)],  # the directory has the data twice
        [(by_name[0], plain[1])],  # only the local header says it
        [member(name + b"\0.txt", template)],
        [(plain[0], extended)],
    ):
        kinds = [(verdict.kind, verdict.member) for verdict in judged(zip_from(parts))]
        assert kinds == [("code", "chat_template.jinja")]
    assert judged(zip_from([plain])) == ()


def test_members_of_one_name_are_all_looked_at() -> None:
    for first, second in ((b"text", EVIL0), (EVIL0, b"text")):
        data = zip_of([("archive/data.pkl", first), ("archive/data.pkl", second)])
        assert calls(data) == {"archive/data.pkl"}


def test_every_directory_is_read() -> None:
    """`zipfile` goes by the last end record, others by one whose comment fits, or by an offset alone."""
    evil, plain = zipped({"evil": EVIL0}), zipped({"a": b"text"})
    assert calls(evil + plain) == {"evil"}
    assert calls(plain + evil) == {"evil"}
    assert calls(evil + END + bytes(18)) == {"evil"}
    assert calls(evil[:-2] + struct.pack("<H", 200) + plain + END * 9) == {"evil"}
    assert calls(evil + b"\0" * 68_000) == {"evil"}  # miniz looks a block further than the longest comment
    assert calls(b"junk" * 5_000 + evil) == {"evil"}


def test_zip64_lies_do_not_hide_a_member() -> None:
    evil = zipped({"evil": EVIL0})
    end = evil.rindex(END)
    size, offset = struct.unpack_from("<LL", evil, end + 12)
    for real in (True, False):
        end64 = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, offset if real else offset + 7)
        locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
        tail = evil[end:] if not real else struct.pack("<4sHHHHLLH", END, 0, 0, 0xFFFF, 0xFFFF, 9, 9, 0)
        assert calls(evil[:end] + end64 + locator + tail) == {"evil"}


def zip_lzma(data: bytes) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16}]
    properties = b"\x5d" + struct.pack("<L", 1 << 16)
    return b"\x09\x04\x05\0" + properties + lzma.compress(data, lzma.FORMAT_RAW, filters=filters)


METHODS: dict[int, Callable[[bytes], bytes]] = {
    8: deflated, 12: bz2.compress, 14: zip_lzma, 20: zstd_with, 93: zstd_with, 95: lzma.compress,
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_every_method_that_can_be_is_unpacked(method: int) -> None:
    assert calls(zip_from([member(b"a", EVIL0, method=method, raw=METHODS[method](EVIL0))])) == {"a"}


@pytest.mark.parametrize("method", [1, 6, 9, 96, 97, 98, 99])
def test_what_no_method_here_unpacks_is_opaque(method: int) -> None:
    verdicts = judged(zip_from([member(b"a", EVIL0, method=method, raw=NOISE[:90])]))
    assert [(verdict.kind, verdict.member) for verdict in verdicts] == [("opaque", "a")]
    assert ("encrypted" if method == 99 else f"method {method}") in verdicts[0].what


def test_encryption_is_said_whatever_the_bytes_look_like() -> None:
    for data in (NOISE[:200], b"\x03\0", deflated(b"text")):
        for method in (0, 8):
            packed = tampered(zip_from([member(b"a", b"x" * 99, method=method, raw=data)]), CENTRAL, 8, b"\x01\0")
            assert [verdict.what for verdict in judged(packed)] == ["a member that is encrypted"]


def test_a_directory_that_is_encrypted_is_said() -> None:
    whole = zip_from([member(b"a", b"text", raw=NOISE[:60], flags=0x2041), member(b"b", b"x", raw=b"y", flags=0x2041)])
    start = whole.index(CENTRAL)
    hidden = whole[:start] + bytes(byte ^ 0x5A for byte in whole[start : whole.index(END)]) + whole[whole.index(END) :]
    assert {verdict.what for verdict in judged(hidden)} == {"a member that is encrypted"}


def test_a_part_of_a_split_zip_is_opaque() -> None:
    data = zip_from([member(b"a", b"text")], disk=2)
    assert kinds(data[data.index(CENTRAL) :]) == [("opaque", "zip", False)]
    assert kinds(zip_from([member(b"a", b"text")], disk=0xFFFF)) == []


def test_members_over_each_other_end_the_look() -> None:
    inner = zipped({"x": b"text" * 40})
    parts, locals_at, out = 400, [], b""
    for number in range(parts):
        rest = (parts - number - 1) * 31 + len(inner)
        locals_at.append((len(out), rest))
        out += struct.pack("<4sHHHHHLLLHH", LOCAL, 20, 0, 0, 0, 0, 0, rest, rest, 1, 0) + b"a"
    out += inner
    central = b"".join(
        struct.pack("<4sHHHHHHLLLHHHHHLL", CENTRAL, 20, 20, 0, 0, 0, 0, 0, rest, rest, 1, 0, 0, 0, 0, 0, at) + b"a"
        for at, rest in locals_at
    )
    data = out + central + struct.pack("<4sHHHHLLH", END, 0, 0, parts, parts, len(central), len(out), 0)
    with within(2):
        assert any(verdict.kind == "opaque" and verdict.forced for verdict in judged(data))


def test_more_directories_than_any_zip_has_end_the_look() -> None:
    """Each end record is another reading, and each is taken up to a limit."""
    local, record = member(b"a", b"text")
    record = record.replace(b"%L", bytes(4))
    out = local + record * 30
    ends = b"".join(
        struct.pack("<4sHHHHLLH", END, 0, 0, 1, 1, len(record), len(local) + number * len(record), 0)
        for number in range(30)
    )
    assert kinds(out + ends) == [("opaque", "zip", True)]


def test_zips_in_zips_keep_their_directories_to_themselves() -> None:
    small = {f"{number}.zip": zipped({"a": b"text"}) for number in range(300)}
    assert judged(zipped(small)) == ()
    assert calls(zipped(small | {"last.zip": zipped({"evil": EVIL0})})) == {"last.zip!evil"}
    assert calls(zipped({"first.zip": zipped({"evil": EVIL0})} | small)) == {"first.zip!evil"}


def test_properties_that_liblzma_does_not_know_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for settings_ in range(0, 225, 7):
        monkeypatch.setattr(streams, "_is_available", {})  # as in a process whose first file this is
        raw = bytearray(zip_lzma(EVIL0))
        raw[4] = settings_
        judged(zip_from([member(b"a", EVIL0, method=14, raw=bytes(raw))]))
        coder, packed = lzma_coder(EVIL0)
        judged(seven({"a": EVIL0}, [(coder[0], bytes([settings_]) + coder[1][1:])], packed))
        judged(bytes([settings_]) + (1 << 28).to_bytes(4, "little") + b"\xff" * 8 + packed)


def test_streamed_zips_are_read() -> None:
    assert calls(streamed_zip({"a": b"text" * 99, "b": EVIL0})) == {"b"}
    assert calls(streamed_zip({"a": b"text" * 99, "b": EVIL0})[:-60]) == {"b"}  # cut off
    assert calls(streamed_zip({"x/data.pkl": EVIL0, "x/version": b"3"}, zipfile.ZIP_STORED)) == {"x/data.pkl"}


def test_ordinary_zips_say_nothing() -> None:
    samples = {
        "wheel": {"pkg/__init__.py": b"import os\n", "pkg-1.dist-info/METADATA": b"Name: pkg\n", "pkg/_c.so": b"\x7fELF"},
        "jar": {"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\n", "a/B.properties": b"x=1\n", "code/a.py": b"x\n"},
        "docx": {"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w:document/>" * 500},
        "epub": {"mimetype": b"application/epub+zip", "META-INF/container.xml": b"<container/>"},
        "empty": {},
        "folders": {"a/": b"", "a/b/": b""},
        "models": {"model.json": b"{}", "code/inference.py": b"import torch\n", "manifest/MANIFEST.json": b"{}"},
    }  # fmt: skip
    for members in samples.values():
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            assert judged(zipped(members, method)) == ()


def test_accidents_are_no_zips() -> None:
    source = random.Random(3)
    for _ in range(300):
        assert [
            v for v in judged(b"PK\x03\x04" + source.randbytes(source.randrange(1, 6_000))) if v.kind != "safe"
        ] == []
    for text in (b"PK is a name\n", b"PK\x03\x04 in a text\n" * 50, b"see PK\x05\x06 in APPNOTE\n" * 300):
        assert judged(text) == ()


# ---------------------------------------------------------------------- tar


def header(name: bytes, size: bytes | int, kind: bytes = b"0", magic: bytes = b"ustar\x0000", **more: bytes) -> bytes:
    """A tar header; `more` are fields at offsets (`at345=...`)."""
    field = b"%011o\0" % size if isinstance(size, int) else size
    block = bytearray(512)
    for at, value in ((0, name), (100, b"0000644\0"), (124, field), (156, kind), (257, magic)):
        block[at : at + len(value)] = value
    for key, value in more.items():
        at = int(key.removeprefix("at"))
        block[at : at + len(value)] = value
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def pax(kind: bytes = b"x", **records: str) -> bytes:
    text = b""
    for key, value in records.items():
        line = f" {key.replace('__', '.')}={value}\n".encode()
        length = len(line) + len(str(len(line)))
        length += len(str(length)) - len(str(len(line)))
        text += str(length).encode() + line
    return header(b"pax", len(text), kind) + padded(text)


FILLED = padded(EVIL0)


@pytest.mark.parametrize(
    "data",
    [
        header(b"a", len(EVIL0), magic=b"") + FILLED,
        header(b"a", len(EVIL0), b"\0", magic=b"") + FILLED,
        header(b"a", len(EVIL0), magic=b"ustar  \0") + FILLED,
        header(b"a", b"\x80" + len(EVIL0).to_bytes(11, "big")) + FILLED,
        header(b"a", b"%11o " % len(EVIL0)) + FILLED,
        header(b"a", b"0o" + b"%o\0" % len(EVIL0)) + FILLED,
        header(b"a", len(EVIL0), b"7") + FILLED,
        header(b"a", len(EVIL0), b"Z") + FILLED,
        header(b"folder/", 0, b"5") + header(b"a", len(EVIL0)) + FILLED,
        header(b"link", 0, b"2") + header(b"link", 0, b"1") + header(b"a", len(EVIL0)) + FILLED,
        header(b"link", 700, b"1") + bytes([7]) * 1024 + header(b"a", len(EVIL0)) + FILLED,
        header(b"folder/", 700, b"5") + header(b"a", len(EVIL0)) + FILLED,
        pax(size=str(len(EVIL0)), path="long") + header(b"a", 0) + FILLED,
        pax(size="9") + pax(size=str(len(EVIL0))) + header(b"a", 0) + FILLED,
        pax(b"g", comment="x", size=str(len(EVIL0))) + header(b"a", 0) + FILLED,
        pax(b"X", size=str(len(EVIL0))) + header(b"a", 0) + FILLED,
        header(b"././@LongLink", 130, b"L") + padded(b"n" * 130) + header(b"a", len(EVIL0)) + FILLED,
        header(b"a", 3) + padded(b"xyz") + bytes(512 * 400) + header(b"b", len(EVIL0)) + FILLED,
        header(b"a", 3) + padded(b"xyz") + bytes(512 * 3) + header(b"b", len(EVIL0)) + FILLED + b"junk" * 900,
        header(b"a", len(EVIL0)) + EVIL0,
        header(b"a", 1 << 40) + EVIL0,
        header(b"a", b"\xff" * 12) + header(b"b", len(EVIL0)) + FILLED,
        header(b"a", 0) + header(b"b", 0) + header(b"c", len(EVIL0)) + FILLED,
    ],
)  # fmt: skip
def test_tars_of_every_kind_are_read(data: bytes) -> None:
    assert len(calls(data)) == 1
    assert len(calls(data + bytes(1024))) == 1
    assert len(calls(gzip.compress(data))) == 1


def test_a_tar_is_read_on_behind_damage() -> None:
    """As `tar --ignore-zeros` and tarfile's ignore_zeros do."""
    good, evil = header(b"a", 3) + padded(b"xyz"), header(b"b", len(EVIL0)) + FILLED
    for damage in (b"\xff" * 512, NOISE[:5_120], header(b"x", b"nonsense"), bytes(512) + NOISE[:200_192][:512]):
        assert calls(good + damage + evil) == {"b"}
    assert calls(NOISE[:512] + evil) == set()


def test_a_signed_checksum_counts() -> None:
    block = bytearray(header("ü".encode("latin-1") * 30, len(EVIL0)))
    rest = block[:148] + b" " * 8 + block[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in rest)
    block[148:156] = b"%06o\0 " % signed
    assert calls(bytes(block) + FILLED) == {"\udcfc" * 30}
    block[148:156] = b"%06o\0 " % (signed + 1)
    assert calls(bytes(block) + FILLED) == set()


@pytest.mark.parametrize("written", [b"       \0", bytes(8), b"-0000001", b"\xff" * 8, b"\x1c0\0", b"\x1f-1\0"])
def test_a_signed_checksum_of_nothing_or_less_counts(written: bytes) -> None:
    block = bytearray(header(b"a", len(EVIL0)))
    goal = 0 if b"1" not in written and written[0] != 0xFF else -1
    for at in range(345, 512):  # fill up with bytes that count as negative
        signed = 256 + sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:])
        block[at] = 256 - min(128, signed - goal) if signed > goal else 0
    block[148:156] = written.ljust(8, b"\0")
    assert tarfile.open(fileobj=io.BytesIO(bytes(block) + FILLED + bytes(1024))).getnames()  # noqa: SIM115
    assert len(calls(bytes(block) + FILLED)) == 1
    block[511] ^= 1
    assert calls(bytes(block) + FILLED) == set()


def test_a_negative_size_leads_back_a_bounded_number_of_times() -> None:
    """`tarfile` followed it before CVE-2025-8194 was mended: to a header in what had been read over as data."""
    hidden = header(b"evil", len(EVIL0)) + FILLED
    inside = header(b"a", len(hidden) + 512) + bytes([9]) * 512 + hidden
    back = header(b"b", b"\xff" * 10 + (0x10000 - len(hidden) - 512).to_bytes(2, "big"))
    assert "evil" in calls(inside + back)
    assert judged(header(b"a", b"\xff" * 10 + b"\xfe\x00")) == ()


def test_sparse_members_are_read_with_their_holes() -> None:
    """The pickle is only one once the zeros that were left out are back in it."""
    length = 2_000
    start = b"\x80\x04B" + struct.pack("<L", length)
    rest = b"0" + EVIL0
    whole = start + bytes(length) + rest
    pieces = [(0, len(start)), (len(start) + length, len(rest))]
    data = start + rest
    text = ",".join(f"{offset},{size}" for offset, size in pieces)
    octal = b"".join(b"%011o\0%011o\0" % piece for piece in pieces)
    lines = "".join(f"{number}\n" for number in (2, *(value for piece in pieces for value in piece))).encode()
    old = header(b"a", len(data), b"S", at386=octal, at483=b"%011o\0" % len(whole))
    many = b"".join(b"%011o\0%011o\0" % piece for piece in pieces)
    extended = header(b"a", len(data), b"S", at482=b"\1", at483=b"%011o\0" % len(whole)) + many.ljust(512, b"\0")
    forms = {
        "old": old + padded(data),
        "extended": extended + padded(data),
        "0.1": pax(GNU__sparse__size=str(len(whole)), GNU__sparse__map=text) + header(b"a", len(data)) + padded(data),
        "1.0": pax(GNU__sparse__major="1", GNU__sparse__minor="0", GNU__sparse__realsize=str(len(whole)))
        + header(b"a", 512 + len(data)) + padded(lines) + padded(data),
    }  # fmt: skip
    for form, archive in forms.items():
        found, said = members_of(tars.inspect, archive)
        assert (form, found, said) == (form, {"a": whole}, [])
        if form != "extended":  # tarfile drops the map entry whose offset is 0 there
            with tarfile.open(fileobj=io.BytesIO(archive + bytes(1024))) as opened:
                extracted = opened.extractfile(opened.getmembers()[0])
                assert extracted is not None
                assert extracted.read() == whole
        assert calls(archive) == {"a"}


def test_a_map_of_holes_that_makes_no_sense_is_said() -> None:
    data = header(b"a", 600, b"S", at386=b"%011o\0%011o\0%011o\0%011o\0" % (9, 9, 0, 9)) + padded(bytes([1]) * 600)
    assert [verdict.kind for verdict in judged(data)] == ["opaque"]


@QUICK
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=200),
            st.binary(max_size=2_000),
        ),
        max_size=8,
        unique_by=lambda item: item[0],
    ),
    st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_members_are_those_of_tarfile(members: list[tuple[str, bytes]], form: int) -> None:
    try:
        data = tarred(dict(members), form)
    except ValueError:  # a name that this format has no room for
        return
    assert members_of(tars.inspect, data)[0] == {name: content for name, content in members if content}


def test_ten_thousands_of_members_cost_little() -> None:
    shard = b"".join(
        header(b"%06d.%s" % (number, kind), size) + bytes([number % 255 + 1]) * 512 * -(-size // 512)
        for number in range(10_000)
        for kind, size in ((b"jpg", 700), (b"cls", 3))
    )
    shard += header(b"last.pyd", len(EVIL0)) + FILLED
    with within(10):
        assert calls(shard) == {"last.pyd"}


# ---------------------------------------------------------------------- 7z


def coded(value: int) -> bytes:
    return b"\xff" + struct.pack("<Q", value) if value > 127 else bytes([value])


Chain = list[tuple[bytes, bytes]]  # coders in the order of writing: the last one makes the packed stream


def seven(
    members: dict[str, bytes], chain: Chain, packed: bytes | None = None, sizes: list[int] | None = None,
    encode_header: bool = False, empty: tuple[str, ...] = (),
) -> bytes:  # fmt: skip
    """A 7z with one folder, whose data were packed by `chain` into `packed`."""
    whole = b"".join(members.values())
    stream = whole if packed is None else packed

    def folder(chain: Chain, sizes: list[int]) -> bytes:
        coders = b"".join(
            bytes([len(method) | (0x20 if properties else 0)])
            + method
            + (coded(len(properties)) + properties if properties else b"")
            for method, properties in chain
        )
        bound = b"".join(coded(number) + coded(number + 1) for number in range(len(chain) - 1))
        lengths = b"".join(map(coded, sizes))
        return b"\x07\x0b\x01\x00" + coded(len(chain)) + coders + bound + b"\x0c" + lengths + b"\x00"

    names = [*members, *empty]
    text = b"\0" + b"".join(name.encode("utf-16-le") + b"\0\0" for name in names)
    bits = "".join("0" for _ in members) + "".join("1" for _ in empty)
    empties = bytes(int(bits[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(bits), 8)) if empty else b""
    body = b"\x01\x04" + b"\x06\x00\x01\x09" + coded(len(stream)) + b"\x00"
    body += folder(chain, sizes or [len(whole)] * len(chain))
    body += b"\x08\x0d" + coded(len(members))
    if len(members) > 1:
        body += b"\x09" + b"".join(coded(len(data)) for data in list(members.values())[:-1])
    body += b"\x0a\x01" + bytes(4 * len(members)) + b"\x00\x00"
    body += b"\x05" + coded(len(names)) + (b"\x0e" + coded(len(empties)) + empties if empties else b"")
    body += b"\x19\x03\x00\x00\x00" + b"\x11" + coded(len(text)) + text + b"\x00" + b"\x00"
    if encode_header:
        plain = body
        coder, raw = lzma_coder(plain)
        body = b"\x17\x06" + coded(len(stream)) + b"\x01\x09" + coded(len(raw)) + b"\x00"
        body += folder([coder], [len(plain)]) + b"\x00"
        stream += raw
    start = struct.pack("<QQL", len(stream), len(body), zlib.crc32(body))
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<L", zlib.crc32(start)) + start + stream + body


def lzma_coder(data: bytes) -> tuple[tuple[bytes, bytes], bytes]:
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 20, "lc": 3, "lp": 0, "pb": 2}]
    raw = lzma.compress(data, lzma.FORMAT_RAW, filters=filters)
    return (b"\x03\x01\x01", b"\x5d" + struct.pack("<L", 1 << 20)), raw


def lzma2_coder(data: bytes, *before: dict[str, int]) -> tuple[tuple[bytes, bytes], bytes]:
    filters = [*before, {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    return (b"\x21", bytes([16])), lzma.compress(data, lzma.FORMAT_RAW, filters=filters)


SEVEN_MEMBERS = {
    "text.txt": b"hello\n" * 3_000, "dir/ü☃.bin": NOISE, "evil.pkl": EVIL0, "five": b"\xe8\1\2\3\4",
    "program": b"".join(b"\xe8" + struct.pack("<l", number * 77) + b"\x90\x0f" for number in range(20_000)),
}  # fmt: skip


def seven_samples() -> Iterator[tuple[str, bytes]]:
    whole = b"".join(SEVEN_MEMBERS.values())
    coder, raw = lzma_coder(whole)
    coder2, raw2 = lzma2_coder(whole)
    yield "copy", seven(SEVEN_MEMBERS, [(b"\0", b"")])
    yield "lzma", seven(SEVEN_MEMBERS, [coder], raw)
    yield "lzma2", seven(SEVEN_MEMBERS, [coder2], raw2)
    yield "packed-header", seven(SEVEN_MEMBERS, [coder2], raw2, encode_header=True)
    yield "empty-files", seven(SEVEN_MEMBERS, [coder2], raw2, empty=("nothing", "folder"))
    yield "deflate", seven(SEVEN_MEMBERS, [(b"\x04\x01\x08", b"")], deflated(whole))
    yield "bzip2", seven(SEVEN_MEMBERS, [(b"\x04\x02\x02", b"")], bz2.compress(whole))
    yield "zstd", seven(SEVEN_MEMBERS, [(b"\x04\xf7\x11\x01", b"\1\5\3\0\0")], zstd_with(whole))
    yield "lz4", seven(SEVEN_MEMBERS, [(b"\x04\xf7\x11\x04", b"\1\5\3\0\0")], STREAMS["lz4"](whole))
    for method, known in ((b"\x03\x03\x01\x03", lzma.FILTER_X86), (b"\x07", lzma.FILTER_ARM),
                          (b"\x05", lzma.FILTER_POWERPC), (b"\x03\x03\x08\x05", lzma.FILTER_SPARC)):  # fmt: skip
        _, filtered = lzma2_coder(whole, {"id": known})
        yield f"branches-{method.hex()}", seven(SEVEN_MEMBERS, [(method, b""), coder2], filtered)
        # lzma leaves the last bytes unfiltered behind LZMA1, which does not know its end
        plain = unfiltered(filtered)
        coder1, raw1 = lzma_coder(plain)
        yield f"branches-{method.hex()}-lzma", seven(SEVEN_MEMBERS, [(method, b""), coder1], raw1)
        yield f"branches-{method.hex()}-copy", seven(SEVEN_MEMBERS, [(method, b""), (b"\0", b"")], plain)
    _, delta = lzma2_coder(whole, {"id": lzma.FILTER_DELTA, "dist": 4})
    yield "delta", seven(SEVEN_MEMBERS, [(b"\x03", b"\x03"), coder2], delta)
    twice = deflated(bz2.compress(whole))
    sizes = [len(whole), len(bz2.compress(whole))]
    yield "twice", seven(SEVEN_MEMBERS, [(b"\x04\x02\x02", b""), (b"\x04\x01\x08", b"")], twice, sizes)


def unfiltered(raw: bytes) -> bytes:
    """What a filter made of the data, before LZMA2 packed it."""
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}])
    return unpacker.decompress(raw)


@pytest.mark.parametrize(
    ("name", "data"), list(seven_samples()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_7z_archives_give_out_their_members(name: str, data: bytes) -> None:
    found, said = members_of(sevenzip.inspect, data)
    assert said == []
    assert found == SEVEN_MEMBERS
    assert calls(data) == {"evil.pkl"}


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (b"\x06\xf1\x07\x01", "encrypted"),
        (b"\x03\x04\x01", "packed with PPMd"),
        (b"\x04\x01\x09", "packed with Deflate64"),
        (b"\x0a", "packed with ARM64"),
        (b"\x7f\x01", "packed with method 7f01"),
    ],
)
def test_7z_methods_that_are_not_known_are_opaque(method: bytes, words: str) -> None:
    coder, raw = lzma2_coder(NOISE)
    for chain in ([(method, b"\1\2")], [coder, (method, b"\1\2")], [(method, b"\1\2"), coder]):
        verdicts = judged(seven({"a": NOISE, "b": b""}, chain, raw))
        assert [(verdict.kind, verdict.format) for verdict in verdicts] == [("opaque", "7z")]
        assert words in verdicts[0].what


def test_a_7z_that_is_damaged_is_opaque_in_plain_words() -> None:
    text = b"".join(b"row %d\n" % number for number in range(9_000))
    coder, raw = lzma2_coder(text)
    whole = seven({"a": text[:5_000], "b": text[5_000:]}, [coder], raw, encode_header=True)
    plain = seven({"a": text[:5_000], "b": text[5_000:]}, [coder], raw)
    for data, words in (
        (whole[:-9], "lies behind its end"),
        (whole[:32], "lies behind its end"),
        (whole[:20] + bytes(12), "is empty"),
        (whole[:12] + b"\xff" * 16, "is longer than any"),
        (
            plain[: plain.rindex(b"\x01\x04\x06")] + b"\x09" + plain[plain.rindex(b"\x01\x04\x06") + 1 :],
            "cannot be read",
        ),
        (plain[:40] + bytes(len(raw) - 8) + plain[32 + len(raw) :], "damaged data"),
    ):
        verdicts = judged(data)
        assert [(verdict.kind, verdict.format) for verdict in verdicts] == [("opaque", "7z")], words
        assert words in verdicts[0].what


# ---------------------------------------------------------------------- kinds of archives


def torchscript(folder: str = "m/") -> dict[str, bytes]:
    return {
        f"{folder}data.pkl": b"\x80\x02}.", f"{folder}code/__torch__.py": b"class M(Module):\n  pass\n",
        f"{folder}constants.pkl": b"\x80\x02).", f"{folder}version": b"3\n",
    }  # fmt: skip


def pt2() -> dict[str, bytes]:
    graph = {"expr_str": "2*s0 + FloorDiv(s1, 4)", "hint": None}
    return {
        "m/models/model.json": json.dumps(graph).encode(), "m/archive_format": b"pt2", "m/archive_version": b"0",
        "m/data/weights/weight_0": bytes(8),
    }  # fmt: skip


def nemo(config: str) -> dict[str, bytes]:
    return {"./model_config.yaml": config.encode(), "./model_weights.ckpt": bytes(100)}


MANIFEST = json.dumps({"runtime": "python", "model": {"modelName": "m", "handler": "handler.py:handle"}}).encode()
GOOD_CONFIG = """
nemo_version: 2.0.0
target: nemo.collections.asr.models.EncDecCTCModel
encoder: &encoder
  _target_: nemo.collections.asr.modules.ConformerEncoder
optim: {sched: {_target_: "torch.optim.lr_scheduler.StepLR"}, names: [a, b]}
_target_x: os.system
"""


def said_code(data: bytes, name: str = "") -> list[tuple[str, str | None]]:
    return [(verdict.format, verdict.calls) for verdict in judged(data, name) if verdict.kind == "code"]


def test_archives_of_arrays_are_safe() -> None:
    numbers = npy("<f8", (3,), bytes(24))
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        assert kinds(zipped({"a.npy": numbers, "b.npy": numbers}, method)) == [("safe", "npz", False)]
    assert ("pickle", "numpy-objects", False) in kinds(zipped({"a.npy": numbers, "b.npy": npy("|O", (1,), EVIL4)}))
    assert judged(zipped({"a.npy": numbers, "notes.txt": b"text"})) == ()
    assert judged(zipped({"a.npy": b"no array"})) == ()
    assert judged(tarred({"a.npy": numbers})) == ()
    assert judged(zipped({})) == ()
    assert kinds(zipped({}), "a.npz") == [("safe", "npz", False)]


def test_torchscript_and_packages_are_programs() -> None:
    assert said_code(zipped(torchscript())) == [("torchscript", None)]
    mobile = torchscript()
    mobile["m/bytecode.pkl"] = mobile.pop("m/constants.pkl")
    assert said_code(zipped(mobile)) == [("torchscript", None)]
    assert said_code(zipped(torch_members())) == []
    for name in ("p/foo.py", "p/models/foo.py"):
        package = {"p/.data/extern_modules": b"torch\n", "p/.data/version": b"6\n", name: b"x = 1\n"}
        assert said_code(zipped(package)) == [("torch-package", None)]


def test_exports_are_judged_by_their_code_and_expressions() -> None:
    assert kinds(zipped(pt2())) == [("safe", "pt2", False)]
    for expression in (
        "Mod(Mul(Integer(2), Symbol('s26', positive=True, integer=True)), Integer(3))", "s0", "2*s0 + 1", "Max(1, u0)",
        "OpaqueUnaryFn_sqrt(Symbol('s0', integer=True))", "Float('1.5e-05', precision=53)", "s0**0.5", "s0 <= 4 & s1 > 2",
    ):  # fmt: skip
        assert kinds(zipped(pt2() | {"m/models/model.json": json.dumps({"expr_str": expression}).encode()})) == [
            ("safe", "pt2", False)
        ]
    for suffix in ("so", "cubin"):
        assert said_code(zipped(pt2() | {f"m/data/aotinductor/model/x.{suffix}": b"\x7fELF"})) == [("pt2", None)]
    for expression in (
        "().__class__.__base__", "__import__('os').system('true')", "s0.func", 'eval("1")', "a.b", "x[0]",
        "lambdify(s0, s1)", "Max(1, 2)(s0)", "sympify('s0')", "S('a b')",
    ):  # fmt: skip
        graph = json.dumps({"expr_str": expression})
        escaped = graph.replace("expr_str", "expr\\u005fstr")
        for text in (graph, escaped, '{"a": "' + "x" * 1_500_000 + '"}' + graph):
            assert said_code(zipped(pt2() | {"m/models/model.json": text.encode()})) == [("pt2", "sympy.sympify")]


def test_no_graph_of_an_export_is_passed_over() -> None:
    evil = b'{"expr_str": "a.b"}'
    many = {f"m/models/{number}": b"{}" for number in range(900)}
    assert said_code(zipped({"m/archive_version": b"0", **many, "m/models/last": evil})) == [("pt2", "sympy.sympify")]
    assert said_code(zipped({"version": b"8.0", "serialized_exported_program.json": evil})) == [
        ("pt2", "sympy.sympify")
    ]
    assert kinds(zipped(pt2() | {f"m/models/{number}": b"{}" for number in range(1_100)})) == [("opaque", "pt2", True)]
    long = b'{"a": "' + b"x" * (66 * MIB) + b'"}'
    assert kinds(zipped(pt2() | {"m/models/long.json": long})) == [("opaque", "pt2", True)]
    assert judged(zipped({"app/models/user.py": evil, "app/version": b"1"})) == ()


def test_served_archives_run_their_handler() -> None:
    archive = {"MAR-INF/MANIFEST.json": MANIFEST, "handler.py": b"import os\n", "weights.bin": bytes(9)}
    for data in (zipped(archive), gzip.compress(tarred(archive))):
        assert said_code(data, "m.mar") == [("mar", "handler.py:handle")]
    assert said_code(zipped({"MAR-INF/MANIFEST.json": b"{", "handler.py": b""})) == []
    assert said_code(zipped({"MAR-INF/MANIFEST.json": b"{", "handler.py": b"import os\n"})) == [("mar", None)]
    assert said_code(zipped({"MAR-INF/MANIFEST.json": b"[" * 60_000})) == []
    assert said_code(zipped({"docs/MAR-INF/MANIFEST.json": MANIFEST})) == []


def test_nemo_configurations_name_what_is_called() -> None:
    assert kinds(tarred(nemo(GOOD_CONFIG))) == [("safe", "nemo", False)]
    for line, called in (
        ("_target_: os.system", "os.system"),
        ("a: [{_target_: 'subprocess.Popen'}]", "subprocess.Popen"),
        ('"_targ\\x65t_": builtins.exec', "builtins.exec"),
        ("x: &k _target_\ny:\n  *k : shutil.rmtree", "shutil.rmtree"),
        ("_target_: ${other}", "${other}"),
        ("_target_: torch.hub.load", "torch.hub.load"),
        ("? _target_\n: os.remove", "os.remove"),
        *(
            (f"_target_: {called}", called)
            for called in (
                "pytorch_lightning.LightningModule.load_from_checkpoint",
                "omegaconf.OmegaConf.save",
                "nemo.collections.asr.models.EncDecCTCModel.restore_from",
                "nemo.utils.cast_utils.maybe_exec",
            )
        ),
    ):
        for pack in (tarred, lambda members: gzip.compress(tarred(members))):
            assert said_code(pack(nemo(GOOD_CONFIG + line + "\n")), "m.nemo") == [("nemo", called)]
    assert said_code(tarred(nemo("target: my.models.Model\n")), "m.nemo") == [("nemo", "my.models.Model")]
    twice = {"model_config.yaml": b"_target_: os.system\n", "././/model_config.yaml": GOOD_CONFIG.encode()}
    assert said_code(tarred(twice), "m.nemo") == [("nemo", "os.system")]
    crowd = {"/" * number + "model_config.yaml": GOOD_CONFIG.encode() for number in range(20)}
    assert kinds(tarred(crowd), "m.nemo") == [("opaque", "nemo", True)]
    assert kinds(tarred(nemo("# nemo\n" + "x: y\n" * 200_000))) == [("opaque", "nemo", True)]
    assert judged(tarred({"model_config.yaml": b"_target_: my.own.Thing\n"})) == ()  # some other project's Hydra
    renamed = tarred({"model_config.yaml": b"x:\n  _target_: os.system\n"})
    assert said_code(renamed, "model.jpg") == [("nemo", "os.system")]
    for broken in ("a: [", "a: *nothing", "\x00", "- ]", "? ? ?", "&a [*a, {_target_: nemo.X}]"):
        assert said_code(tarred(nemo(broken)), "m.nemo") == []


def test_nemo_models_stay_in_their_folder() -> None:
    """NeMo unpacks them with `tarfile.extractall`."""
    for name in ("../../evil.py", "/etc/cron.d/evil", "a/../../evil.py"):
        assert kinds(tarred(nemo(GOOD_CONFIG) | {name: b"import os"}), "m.nemo") == [("malformed", "nemo", False)]
    plain = tarred(nemo(GOOD_CONFIG))
    for kind in (b"1", b"2"):
        assert kinds(header(b"a", 0, kind) + plain, "m.nemo") == [("malformed", "nemo", False)]
    assert kinds(header(b"a/", 0, b"5") + plain, "m.nemo") == [("safe", "nemo", False)]
    hidden = {"configs/../model_config.yaml": b"_target_: os.system\n"}
    assert said_code(tarred(hidden), "m.nemo") == said_code(tarred(hidden), "m.jpg") == [("nemo", "os.system")]
    linked = (
        header(b"a", 0, b"2") + header(b"x/../model_config.yaml", 0, b"2") + tarred({"b": b"_target_: os.system\n"})
    )
    assert kinds(linked, "m.nemo") == kinds(linked, "m.jpg") == [("malformed", "nemo", False)]
    assert judged(tarred({"../a.txt": b"text"})) == judged(header(b"a", 0, b"2") + tarred({"b": b"c"})) == ()


def test_a_program_with_a_model_at_its_end_is_a_llamafile() -> None:
    for start in (b"MZqFpD='\n", b"\x7fELF\x02\x01\x01", b"jartsr='\n"):
        data = start.ljust(9_000, b"\0") + zipped({"model.gguf": b"GGUF" + bytes(9), ".args": b"-m\nmodel.gguf\n"})
        assert ("llamafile", None) in said_code(data)
    assert ("llamafile", None) in said_code(b"MZqFpD='\n".ljust(9_000, b"\0"), "a.llamafile")
    assert said_code(b"MZqFpD='\n".ljust(9_000, b"\0")) == []
    assert said_code(b"\x7fELF\x02\x01\x01".ljust(9_000, b"\0") + zipped({"a.txt": b"text"})) == []
    assert said_code(zipped({"model.gguf": b"text"})) == []


# ---------------------------------------------------------------------- bounds


def one_header_many_entries() -> bytes:
    local, record = member(b"a", b"x" * 5_000, method=8, raw=deflated(b"x" * 5_000))
    records = b"".join(record.replace(b"%L", bytes(4)) for _ in range(20_000))
    return local + records + struct.pack("<4sHHHHLLH", END, 0, 0, 0, 0, len(records), len(local), 0)


def flat() -> bytes:
    return gzip.compress(bytes(64 * MIB), 9)


BOMBS: dict[str, Callable[[], bytes]] = {
    "many": lambda: zipped({str(number): flat() for number in range(8)} | {f"{number}": flat() for number in "abc"}),
    "deep": lambda: zipped({str(a): zipped({str(b): gzip.compress(flat()) for b in range(2)}) for a in range(2)}),
    "no-output": lambda: b"\x1f\x8b\x08\0\0\0\0\0\0\3" + b"\0\0\0\xff\xff" * 400_000,
    "no-members": lambda: gzip.compress(b"", mtime=0) * 60_000,
    "ends": lambda: b"PK\x03\x04" + (END + bytes(18)) * 3_000,
    "stored": lambda: zipped({"a": zipped({"b": zipped({"c": NOISE * 3})})}) * 3,
    "one-header": one_header_many_entries,
    "headers": lambda: (header(b"a", 0) + header(b"b", b"\xff" * 12)) * 3_000,
}


@pytest.mark.parametrize("how", [how for how in STREAMS if how != "lzma"])
def test_zeros_cost_little(how: str) -> None:
    zeros = bytes(64 * MIB)
    plain, archive = STREAMS[how](zeros), STREAMS[how](tarred({"zeros": zeros, "evil": EVIL0}))
    with within(4):
        assert judged(plain) == ()
        assert [(kind, forced) for kind, _, forced in kinds(archive)] == [("opaque", True)]


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_cost_little(name: str) -> None:
    data = BOMBS[name]()
    with within(4):
        judged(data)


def test_arrays_of_one_number_are_no_bombs() -> None:
    """A mask of zeros packs as well as a bomb does."""
    zeros = npy("<f8", (4 * MIB,), bytes(32 * MIB))
    assert kinds(zipped({"mask.npy": zeros}, zipfile.ZIP_DEFLATED)) == [("safe", "npz", False)]
    assert [verdict.kind for verdict in judged(gzip.compress(zeros))] in ([], ["safe"])


@pytest.mark.parametrize(
    ("announced", "expected"),
    [(1 << 30, [("safe", "npz", False)]), ((1 << 30) + 9, [("opaque", "zip", False)]), (0, [("opaque", "zip", False)])],
)
def test_a_long_array_is_not_unpacked_to_its_end(announced: int, expected: list[tuple[str, str, bool]]) -> None:
    """SciPy's matrices for linear programs: a gigabyte of nearly nothing but zeros, in a megabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = npy("<f8", (1 << 27,), b"")
    first = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    raw = first + zeros * 1024 + packer.flush()
    size = (len(start) + announced).to_bytes(4, "little") if announced else bytes(4)
    data = zip_from([member(b"a.npy", b"", method=8, raw=raw)])
    data = tampered(tampered(data, LOCAL, 22, size), CENTRAL, 24, size)
    with within(4):
        assert kinds(data)[: len(expected)] == expected


def test_nesting_ends() -> None:
    for pack in (gzip.compress, lambda data: zipped({"in": data}), lambda data: tarred({"in": data})):
        data = EVIL0
        for depth in range(12):
            data = pack(data)
            assert [(verdict.kind, verdict.forced) for verdict in judged(data)] == [
                ("pickle", False) if depth < 8 else ("opaque", True)
            ]


SAMPLES = [
    zipped(torch_members(evil=True)),
    zipped({"a": NOISE[:3_000], "b": EVIL0}, zipfile.ZIP_DEFLATED),
    zipped({"a": EVIL0}, zipfile.ZIP_LZMA),
    streamed_zip({"a": b"text" * 99, "b": EVIL0}),
    zip_from([member(b"a", EVIL0, method=93, raw=zstd_with(EVIL0))]),
    tarred({"a": b"text", "n" * 150: EVIL0}, tarfile.PAX_FORMAT),
    pax(GNU__sparse__size="600", GNU__sparse__map="0,9,500,9") + header(b"a", 18) + padded(EVIL0),
    seven({"a": b"text" * 50, "b": EVIL0}, [lzma2_coder(b"")[0]], lzma2_coder(b"text" * 50 + EVIL0)[1]),
    seven({"a": EVIL0}, [lzma_coder(EVIL0)[0]], lzma_coder(EVIL0)[1], encode_header=True),
    seven({"a": EVIL0}, [(b"\x03", b"\x03"), lzma2_coder(b"")[0]],
          lzma2_coder(EVIL0, {"id": lzma.FILTER_DELTA, "dist": 4})[1]),
    zipped(pt2() | {"MAR-INF/MANIFEST.json": MANIFEST}),
    tarred(nemo(GOOD_CONFIG)),
    *(pack(tarred({"a": NOISE[:900], "b": EVIL0})) for pack in STREAMS.values()),
    gzip.compress(EVIL0) * 3, skippable() + zstd_with(EVIL0),
]  # fmt: skip
CHANGE = st.tuples(st.integers(0, 1 << 20), st.binary(min_size=1, max_size=8), st.booleans())


def changed(data: bytes, changes: list[tuple[int, bytes, bool]]) -> bytes:
    damaged = bytearray(data)
    for at, value, inserts in changes:
        place = at % (len(damaged) + 1)
        damaged[place : place if inserts else place + len(value)] = value
    return bytes(damaged)


@settings(QUICK, max_examples=600)
@given(st.sampled_from(SAMPLES), st.lists(CHANGE, min_size=1, max_size=10))
@example(SAMPLES[0], [(26, b"\xff\xff\xff\xff", False)])
def test_mutated_containers_never_raise(data: bytes, changes: list[tuple[int, bytes, bool]]) -> None:
    with within(2):
        judged(changed(data, changes), "m.nemo")


@QUICK
@given(st.sampled_from([sample[:64] for sample in SAMPLES]), st.binary(max_size=600))
def test_what_only_begins_like_a_container_never_raises(start: bytes, rest: bytes) -> None:
    for length in (4, 8, 20, 40):
        judged(start[:length] + rest)


MEASURED = """
import os, sys
sys.path[:0] = [{hooks!r}]
from git_custody.core.content import FileContent
from git_custody.formats.recognise import recognise
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        recognise(FileContent(file, os.path.getsize(path)))
try:
    with open("/proc/self/status") as status:  # getrusage also counts what the parent had before exec
        print(next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")))
except FileNotFoundError:
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no resource module")
def test_memory_stays_small(tmp_path: Path) -> None:
    """What a hostile file makes the decompressors hold, at the worst: windows of 64 MiB, nested, and read far."""
    noise = NOISE * 140
    data = tarred({"noise": noise, "evil": EVIL0})
    packed = xz_with(data, 64 * MIB)
    samples = [packed, zstd_with(data, window_log=27, compression_level=1), lzma_with(data, 64 * MIB)]
    nested = data
    for _ in range(3):
        nested = xz_with(tarred({"noise": noise[: 4 * MIB], "in": nested}), 64 * MIB)
    samples += [nested, zipped({str(number): packed for number in range(5)})]
    coder, raw = (b"\x21", bytes([28])), lzma2_coder(data)[1]
    samples.append(seven({"a": noise, "evil": EVIL0}, [coder], raw))
    many = b"".join(
        struct.pack("<4sHHHHHHLLLHHHHHLL", CENTRAL, 20, 20, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, at % 900) + b"a"
        for at in range(200_000)
    )
    local = member(b"a", b"x")[0]
    samples.append(local + many + struct.pack("<4sHHHHLLH", END, 0, 0, 0, 0, len(many), len(local), 0))
    paths = []
    for number, sample in enumerate(samples):
        (tmp_path / str(number)).write_bytes(sample)
        paths.append(str(tmp_path / str(number)))
    hooks = str(Path(compressed.__file__).parents[2])
    command = [sys.executable, "-c", MEASURED.format(hooks=hooks), *paths]
    peak = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert peak < 64 * MIB
