"""Graphs of operators as the real libraries write them, and what those libraries make of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from git_custody.core.content import BytesContent
from git_custody.formats import tensorflow_graph
from git_custody.formats.recognise import recognise
from git_custody.formats.tensorflow_operations import KNOWN
from git_custody.formats.verdicts import Budget

LIBRARIES = {
    "onnx": 8, "tensorflow": 19, "tf_keras": 4, "coremltools": 6, "openvino": 6, "paddle": 4, "executorch": 1,
}  # fmt: skip
# Files that loaders find by their whole name.
NAMED = ("saved_model.pb", "keras_metadata.pb")


def said(data: bytes, name: str) -> set[tuple[str, str]]:
    return {(verdict.kind, verdict.format) for verdict in recognise(BytesContent(data), name=name)}


@pytest.mark.parametrize("library", LIBRARIES)
def test_models_are_told(library: str, tmp_path: Path) -> None:
    script = Path(__file__).parent / "graph_samples.py"
    made = subprocess.run([sys.executable, script, library, tmp_path], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[-2_000:]
    samples = sorted(path for path in tmp_path.iterdir() if "+" in path.name and path.is_file())
    judged = 0
    for path in samples:
        kind, known, name = path.name.split("+", 2)
        if path.suffix in (".bin", ".pdiparams"):
            continue
        name = next((name for name in NAMED if path.name.endswith(name)), name)
        assert said(path.read_bytes(), name) == ({(kind, known)} if kind != "none" else set()), path.name
        judged += 1
    assert judged == LIBRARIES[library]


def test_all_operations_of_tensorflow_are_known() -> None:
    """A newer TensorFlow may have some that nobody has looked at yet: they count as custom ones until then."""
    code = "import tensorflow as tf; print(tf.__version__, *(name for name in dir(tf.raw_ops) if name[0].isupper()))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    version, *listed = run.stdout.split()
    assert len(listed) > 1_000
    unknown = set(listed) - KNOWN - set(tensorflow_graph.DANGEROUS)
    assert not unknown or tuple(map(int, version.split(".")[:2])) > (2, 21)


def test_all_models_of_onnx_are_fine() -> None:
    """Those that onnx's own test suite brings along."""
    import onnx

    paths = sorted((Path(onnx.__file__).parent / "backend" / "test" / "data").rglob("*.onnx"))
    assert len(paths) > 100
    for path in paths:
        assert said(path.read_bytes(), path.name) == {("safe", "onnx")}, path


def test_protobuf_is_read_as_its_own_parser_does() -> None:
    """Random damage to a message: both take it, or neither."""
    import random

    from google.protobuf import empty_pb2
    from google.protobuf.message import DecodeError

    from git_custody.formats.protobuf import Reader
    from git_custody.formats.reading import BrokenError

    chance = random.Random(3)
    whole = b"\x08\x96\x01\x12\x03abc\x1d1234\x2112345678\x2b\x08\x01\x2c\x0a\x06\x0a\x04\x08\x01\x10\x02" * 2
    taken = {True: 0, False: 0}
    for _ in range(20_000):
        data = bytearray(whole[: chance.randrange(1, len(whole))])
        for _ in range(chance.randrange(3)):
            data[chance.randrange(len(data))] = chance.choice((chance.randrange(256), 0x80, 0xFF, 0, 0x0B, 0x0C))
        try:
            empty_pb2.Empty().ParseFromString(bytes(data))
            theirs = True
        except DecodeError:
            theirs = False
        try:
            list(Reader(BytesContent(bytes(data)), Budget()).fields())
            ours = True
        except BrokenError:
            ours = False
        assert ours == theirs, bytes(data)
        taken[ours] += 1
    assert min(taken.values()) > 1_000
