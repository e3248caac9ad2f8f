"""TensorRT engines: compiled kernels for one GPU, and plugins, which the runtime deserialises and runs.

The format is NVIDIA's own. Engines of TensorRT 8 and later begin with the tag 0x74727466 (kPLAN_FILE_TAG in
`samples/common/sampleEngines.cpp`), older ones with 0x74727470, and a small version number. Ultralytics writes the
length of a JSON text, and that text, in front.
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.formats.verdicts import CODE, Member, Said, Scene

TAGS = (b"ftrt", b"ptrt")
JSON_AT_MOST = 1024 * 1024


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Tell an engine by its tag."""
    start = scene.head[:8]
    if start[4:5] == b"{":
        length = int.from_bytes(start[:4], "little")
        start = scene.content.read_at(4 + length, 8) if length <= JSON_AT_MOST else b""
    if start.startswith(TAGS) and len(start) == 8 and start[6:8] == b"\0\0":
        yield Said(CODE, "tensorrt", "a TensorRT engine, which holds native code for a GPU")
