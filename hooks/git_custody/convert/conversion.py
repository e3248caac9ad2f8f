"""From a checkpoint to safetensors and a side file: understood whole, written in one pass, checked, then named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import NamedTuple

from git_custody.convert.interruption import interruptible
from git_custody.convert.outputs import Draft, Outputs
from git_custody.convert.prepared import LeftOut, Prepared, prepare
from git_custody.convert.record import SUFFIX as RECORD_SUFFIX
from git_custody.convert.record import FileId, part, record
from git_custody.convert.refused import Refused
from git_custody.convert.safetensors_file import SUFFIX
from git_custody.convert.source import Digesting, Source
from git_custody.core.content import Content
from git_custody.core.findings import CannotJudge

# What Hugging Face's libraries call their weights.
_KNOWN_NAMES = {"pytorch_model.bin": "model.safetensors"}
_INDEX = ".index.json"

Progress = Callable[[int, int], None]


class Result(NamedTuple):
    """What a conversion made.

    `output` is the safetensors file, or the index of several `shards`, `record` the side file. `is_new` is false where
    the very same files were there already. `left_out` are the optimiser states, `tied` groups of names for one
    tensor, and `stored_as` what tensors are that safetensors has no type for, by name.
    """

    source: FileId
    output: str
    record: str
    shards: tuple[str, ...]
    sha256: str
    bytes: int
    tensors: int
    left_out: tuple[LeftOut, ...]
    tied: tuple[tuple[str, ...], ...]
    stored_as: dict[str, str]
    has_rest: bool
    is_new: bool


def convert(
    source: str,
    destination: str | None = None,
    *,
    optimizer: bool = False,
    replace: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Convert the checkpoint at `source` to safetensors at `destination`, with a side file beside it.

    Without `destination` the result lies beside the source. `optimizer` keeps the tensors of optimisers, `replace`
    overwrites plain files; `progress` is called with the bytes written and to be written. Nothing in the source
    is executed. Raises `Refused` for what cannot be converted whole, `CannotJudge` where files cannot be read or
    written; either way nothing is left behind.
    """
    with interruptible():
        if is_index(source):
            from git_custody.convert.sharded import convert_index

            return convert_index(source, destination, optimizer=optimizer, replace=replace, progress=progress)
        target = target_of(source, destination)
        with Source(source) as opened:
            prepared = prepare(opened, source, optimizer=optimizer)
            if os.path.exists(target) and os.path.samefile(source, target):
                raise CannotJudge("the source itself has the name of the result; name another destination", target)
            return _write(opened, target, prepared, optimizer=optimizer, replace=replace, progress=progress)


def _write(
    source: Source, target: str, prepared: Prepared, *, optimizer: bool, replace: bool, progress: Progress | None
) -> Result:
    folder, name = os.path.split(target)
    refuse_without_room(folder, prepared.layout.size)
    with Outputs(folder) as outputs, Digesting(source, prepared.loaded.spans) as digesting:
        draft = outputs.draft()
        write_tensors(draft, prepared, progress, 0, prepared.layout.size)
        accept(draft, name)
        source_id = FileId(os.path.basename(source.path), source.size, digesting.result())
        source.refuse_if_changed()
        output_id = FileId(name, draft.size, draft.sha256)
        side = outputs.draft()
        side.write(record(part(source_id, output_id, prepared), optimizer=optimizer))
        is_new = outputs.publish([(draft, name), (side, name + RECORD_SUFFIX)], replace=replace)
    return Result(
        source=source_id,
        output=target,
        record=target + RECORD_SUFFIX,
        shards=(),
        sha256=output_id.sha256,
        bytes=output_id.bytes,
        tensors=len(prepared.layout.places),
        left_out=tuple(prepared.left_out),
        tied=tuple(map(tuple, prepared.tied)),
        stored_as=stored_as(prepared),
        has_rest=prepared.has_rest,
        is_new=is_new,
    )


def is_index(source: str) -> bool:
    """Whether a path names the index of a checkpoint that is split into several files."""
    return source.endswith(_INDEX)


def target_of(source: str, destination: str | None) -> str:
    """Where the result of one file goes. Raises `CannotJudge` for a name that no loader takes for safetensors."""
    folder, name = os.path.split(source)
    own = _KNOWN_NAMES.get(name) or os.path.splitext(name)[0] + SUFFIX
    target = os.path.join(folder, own) if destination is None else destination
    if destination is not None and (os.path.isdir(destination) or destination.endswith(os.sep)):
        target = os.path.join(destination, own)
    if not target.endswith(SUFFIX) or os.path.basename(target) == SUFFIX:
        raise CannotJudge(f"the result has to be called something{SUFFIX}: loaders go by that", target)
    return target


def refuse_without_room(folder: str, size: int) -> None:
    """Raise `CannotJudge` where the disk has no room for the result."""
    try:
        free = shutil.disk_usage(folder or ".").free
    except OSError:
        return  # what is wrong with the folder is said when it is opened
    if size > free:
        raise CannotJudge(f"the result needs {size} bytes, and the disk has {free}", folder or ".")


def write_tensors(draft: Draft, prepared: Prepared, progress: Progress | None, before: int, total: int) -> None:
    """Write a safetensors file; `before` bytes of `total` have been written to others."""
    for piece in prepared.layout.pieces():
        draft.write(piece)
        if progress is not None:
            progress(before + draft.size, total)
    if draft.size != prepared.layout.size:
        raise Refused("a tensor has another number of bytes than its shape says")


def accept(written: Content, name: str) -> None:
    """Raise `Refused` where our own check would not call the result safe (it may be an archive at its end, too)."""
    from git_custody.formats.recognise import recognise
    from git_custody.formats.verdicts import SAFE

    verdicts = recognise(written, name=name)
    for verdict in verdicts:
        if verdict.kind != SAFE:
            raise Refused(f"the result would not pass as safetensors: it would be {verdict.what}")
    if [verdict.format for verdict in verdicts] != ["safetensors"]:
        raise Refused("the result would not pass as safetensors")


def stored_as(prepared: Prepared) -> dict[str, str]:
    """The tensors that are stored as something else, and how."""
    return {p.name: p.tensor.dtype.note for p in prepared.layout.places if p.tensor.dtype.note}
