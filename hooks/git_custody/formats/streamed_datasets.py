"""Data sets that are streamed in shards, whose index says that values in them are pickles.

MosaicML's streaming (``streaming/base/format/mds/encodings.py``) unpickles columns whose encoding is ``pkl``, LitData
(``litdata/streaming/serializers.py``) those whose format is ``pickle``; both name them in `index.json` only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from git_custody.formats import bounded_json
from git_custody.formats.verdicts import CODE, OPAQUE, Said, Scene

ID = "streamed-dataset"


def inspect(scene: Scene) -> Iterator[Said]:
    """Look for columns that are unpickled."""
    if scene.head.lstrip(b" \t\r\n")[:1] not in (b"{", b""):
        return
    try:
        whose = _unpickled(bounded_json.read(scene.content, scene.budget))
    except bounded_json.TooLong:
        if any(bounded_json.may_hold(scene.content, word, scene.budget) for word in (b'"pkl"', b'"pickle"')):
            yield Said(OPAQUE, ID, "the index of a data set that is too long to be looked into", forced=True)
        return
    except bounded_json.Broken:
        return
    if whose:
        yield Said(CODE, ID, f"the index of a data set, values of which {whose} unpickles", "pickle.loads")


def _unpickled(index: Any) -> str | None:
    if not isinstance(index, dict):
        return None
    shards = index.get("shards")
    for shard in shards if isinstance(shards, list) else ():
        encodings = shard.get("column_encodings") if isinstance(shard, dict) else None
        if isinstance(encodings, list) and "pkl" in encodings:
            return "streaming"
    config = index.get("config")
    formats = config.get("data_format") if isinstance(config, dict) and "chunks" in index else None
    return "LitData" if isinstance(formats, list) and "pickle" in formats else None
