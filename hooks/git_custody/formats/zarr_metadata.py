"""Zarr's descriptions of arrays: those of Python objects may have been pickled, chunk by chunk.

The codec is ``numcodecs/pickles.py``, which a description (``.zarray``, ``zarr.json``, or ``.zmetadata`` for all of
them) names, or one in the texts of kerchunk's references (``fsspec/implementations/reference.py``). The chunks
themselves are compressed in ways that nothing but the description tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from git_custody.formats import bounded_json
from git_custody.formats.verdicts import CODE, OPAQUE, Budget, Said, Scene

CODECS = ("filters", "compressor", "codecs")
DESCRIPTIONS = (".zarray", "zarr.json", ".zmetadata")
PICKLE = ("pickle", "numcodecs.pickle")


def inspect(scene: Scene) -> Iterator[Said]:
    """Look for an array whose chunks are unpickled."""
    if scene.head.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] not in (b"{", b""):
        return
    try:
        found = _unpickled(bounded_json.read(scene.content, scene.budget), scene.budget)
    except bounded_json.TooLong:
        if bounded_json.may_hold(scene.content, b"pickle", scene.budget):
            yield Said(OPAQUE, "zarr", "a description of Zarr arrays that is too long to be looked into", forced=True)
        return
    except bounded_json.Broken:
        return
    if found is not None:
        what = "a Zarr array of Python objects, whose chunks its reader unpickles"
        yield Said(CODE, "zarr", what, "pickle.loads", f"codec {found!r}")


def _unpickled(value: Any, budget: Budget) -> str | None:
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in CODECS:
                    for codec in inner if isinstance(inner, list) else [inner]:
                        names = (codec.get("id"), codec.get("name")) if isinstance(codec, dict) else ()
                        if known := next((name for name in names if name in PICKLE), None):
                            return str(known)
                if isinstance(inner, str) and key.endswith(DESCRIPTIONS):
                    try:
                        inner = bounded_json.parse(inner.encode("utf-8", "replace"), budget=budget)
                    except (bounded_json.Broken, bounded_json.TooLong):
                        continue
                if isinstance(inner, (dict, list)):
                    pending.append(inner)
        elif isinstance(value, list):
            pending += [inner for inner in value if isinstance(inner, (dict, list))]
    return None
