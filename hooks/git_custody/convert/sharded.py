"""Checkpoints in several files with an index, as Hugging Face's libraries write them.

The index is JSON: `weight_map` says for every tensor which file holds it. All files become one safetensors file each,
and the index one of those.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from typing import Any, NamedTuple

from git_custody.convert.conversion import (
    Progress,
    Result,
    accept,
    refuse_without_room,
    stored_as,
    write_tensors,
)
from git_custody.convert.outputs import Draft, Outputs
from git_custody.convert.prepared import LeftOut, Prepared, prepare
from git_custody.convert.record import SUFFIX as RECORD_SUFFIX
from git_custody.convert.record import FileId, part, record, strict_json
from git_custody.convert.refused import Refused
from git_custody.convert.safetensors_file import SUFFIX
from git_custody.convert.source import Digesting, Source
from git_custody.core.findings import CannotJudge

INDEX_SUFFIX = f"{SUFFIX}.index.json"
_INDEX_AT_MOST = 64 * 1024 * 1024
_SHARDS_AT_MOST = 1000
_OLD_STEM, _NEW_STEM = "pytorch_model", "model"


class _Shard(NamedTuple):
    source: Source
    name: str
    prepared: Prepared


def convert_index(
    source: str, destination: str | None, *, optimizer: bool, replace: bool, progress: Progress | None
) -> Result:
    """Convert every file that an index names. Raises `Refused` or `CannotJudge`; then nothing is written at all."""
    folder, index_name = target_of_index(source, destination)
    with ExitStack() as opened:
        index_source = opened.enter_context(Source(source))
        index = _read_index(index_source)
        shards = open_shards(source, index, opened, optimizer=optimizer)
        total = sum(shard.prepared.layout.size for shard in shards)
        refuse_without_room(folder, total)
        outputs = opened.enter_context(Outputs(folder))
        drafts: list[tuple[Draft, str]] = []
        parts = []
        written = 0
        for shard in shards:
            draft = outputs.draft()
            with Digesting(shard.source, shard.prepared.loaded.spans) as digesting:
                write_tensors(draft, shard.prepared, progress, written, total)
                accept(draft, shard.name)
                source_id = FileId(os.path.basename(shard.source.path), shard.source.size, digesting.result())
            shard.source.refuse_if_changed()
            written += draft.size
            drafts.append((draft, shard.name))
            parts.append(part(source_id, FileId(shard.name, draft.size, draft.sha256), shard.prepared))
        new_index = outputs.draft()
        new_index.write(_index_of(index, shards))
        with Digesting(index_source) as digesting:
            index_id = FileId(os.path.basename(source), index_source.size, digesting.result())
        output_id = FileId(index_name, new_index.size, new_index.sha256)
        side = outputs.draft()
        whole = {"source": index_id.as_json(), "output": output_id.as_json(), "shards": parts}
        side.write(record(whole, optimizer=optimizer))
        record_name = record_of_index(index_name)
        # The index comes last: without it, no loader takes the files for a checkpoint.
        is_new = outputs.publish([*drafts, (side, record_name), (new_index, index_name)], replace=replace)
    return Result(
        source=index_id,
        output=os.path.join(folder, index_name),
        record=os.path.join(folder, record_name),
        shards=tuple(os.path.join(folder, shard.name) for shard in shards),
        sha256=output_id.sha256,
        bytes=total,
        tensors=sum(len(shard.prepared.layout.places) for shard in shards),
        left_out=tuple(_summed([left for shard in shards for left in shard.prepared.left_out])),
        tied=tuple(tuple(names) for shard in shards for names in shard.prepared.tied),
        stored_as={name: how for shard in shards for name, how in stored_as(shard.prepared).items()},
        has_rest=any(shard.prepared.has_rest for shard in shards),
        is_new=is_new,
    )


def target_of_index(source: str, destination: str | None) -> tuple[str, str]:
    """The folder of the results, and the name of their index."""
    folder, name = os.path.split(source)
    stem = name.partition(".")[0]
    own = (_NEW_STEM if stem == _OLD_STEM else stem) + INDEX_SUFFIX
    if destination is None:
        return folder, own
    if os.path.isdir(destination) or destination.endswith(os.sep):
        return destination.rstrip(os.sep) or os.sep, own
    folder, own = os.path.split(destination)
    if not own.endswith(INDEX_SUFFIX) or own == INDEX_SUFFIX:
        raise CannotJudge(f"the result of an index has to be a folder, or something{INDEX_SUFFIX}", destination)
    return folder, own


def record_of_index(index_name: str) -> str:
    """The side file's name: that of a model in one file would be the same."""
    return index_name.removesuffix(INDEX_SUFFIX) + SUFFIX + RECORD_SUFFIX


def _read_index(source: Source) -> dict[str, Any]:
    index = strict_json(source.read_at(0, source.size)) if source.size <= _INDEX_AT_MOST else None
    shards = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(index, dict) or not isinstance(shards, dict) or not shards:
        raise CannotJudge(
            "it is no index of a checkpoint: its weight_map is missing, or a key stands twice", source.path
        )
    if not all(isinstance(name, str) for name in shards.values()):
        raise CannotJudge("it is no index of a checkpoint: its weight_map does not name files", source.path)
    names = dict.fromkeys(shards.values())
    if len(names) > _SHARDS_AT_MOST:
        raise Refused(f"its index names {len(names)} files, more than {_SHARDS_AT_MOST}")
    for name in names:
        if not name or name != os.path.basename(name) or name.startswith(".") or set(name) & set("/\\:\0"):
            raise Refused(f'its index names "{name}", which is not the plain name of a file beside it')
    return index


def open_shards(source: str, index: dict[str, Any], opened: ExitStack, *, optimizer: bool) -> list[_Shard]:
    """Open and understand every file that an index names; together they hold what it says."""
    weight_map: dict[str, str] = index["weight_map"]
    names = list(dict.fromkeys(weight_map.values()))
    new_names = [_new_name(name) for name in names]
    if len({name.casefold() for name in new_names}) != len(new_names):
        raise Refused("the files that its index names would have the same names as safetensors")
    shards = []
    for name, new_name in zip(names, new_names, strict=True):
        path = os.path.join(os.path.dirname(source), name)
        shard = opened.enter_context(Source(path))
        try:
            prepared = prepare(shard, path, optimizer=optimizer)
        except Refused as refused:
            refused.message = f"{name}: {refused.message}"
            raise
        held = {place.name for place in prepared.layout.places}
        told = {tensor for tensor, file in weight_map.items() if file == name}
        if held != told:
            odd = min(held ^ told)
            raise Refused(f'its index and {name} do not agree on whether the tensor "{odd}" is in there')
        shards.append(_Shard(shard, new_name, prepared))
    return shards


def _new_name(name: str) -> str:
    stem, dot, rest = os.path.splitext(name)[0].partition(_OLD_STEM)
    return (_NEW_STEM + rest if dot and not stem else os.path.splitext(name)[0]) + SUFFIX


def _index_of(index: dict[str, Any], shards: list[_Shard]) -> bytes:
    """The index of the results; what the old one says besides stays."""
    weight_map = {place.name: shard.name for shard in shards for place in shard.prepared.layout.places}
    size = sum(place.end - place.begin for shard in shards for place in shard.prepared.layout.places)
    metadata = index.get("metadata")
    made = {
        **index,
        "metadata": {**(metadata if isinstance(metadata, dict) else {}), "total_size": size},
        "weight_map": dict(sorted(weight_map.items())),
    }
    return json.dumps(made, indent=2).encode("ascii") + b"\n"


def _summed(found: list[LeftOut]) -> list[LeftOut]:
    places: dict[str, LeftOut] = {}
    for left in found:
        known = places.get(left.place, LeftOut(left.place, 0, 0))
        places[left.place] = LeftOut(left.place, known.tensors + left.tensors, known.bytes + left.bytes)
    return list(places.values())
