"""A source that is understood, named and laid out: all that is left is to write it."""

from __future__ import annotations

from typing import NamedTuple

from git_custody.convert.describe import Found, Json, describe, is_plain
from git_custody.convert.loaded import Loaded
from git_custody.convert.loading import load
from git_custody.convert.naming import name_all
from git_custody.convert.refused import Refused
from git_custody.convert.safetensors_file import Layout, lay_out
from git_custody.core.content import Content

# Expanded and tied tensors are written once for each name. More than this many times the source is a trap.
EXPANDED_AT_MOST = 64
EXPANDED_ANYWAY = 256 * 1024 * 1024


class Prepared(NamedTuple):
    """What is to be written.

    `content` is everything that is not a tensor, as JSON; `tied` groups the names of tensors that are one tensor,
    `shared` those that are parts of one; `left_out` tells of each part that is not written how many tensors and
    bytes it has. `has_rest`: there is something besides the tensors.
    """

    loaded: Loaded
    layout: Layout
    content: Json
    tied: list[list[str]]
    shared: list[list[str]]
    left_out: list[LeftOut]
    has_rest: bool


class LeftOut(NamedTuple):
    """Tensors below one key that are not written."""

    place: str
    tensors: int
    bytes: int


def prepare(content: Content, path: str, *, optimizer: bool) -> Prepared:
    """Read a file and lay out what becomes of it. Raises `Refused` or `CannotJudge`; writes nothing."""
    loaded = load(content, path)
    described = describe(loaded.root)
    if not described.tensors:
        raise _without_tensors(loaded, described.content)
    named = name_all(described.tensors, optimizer=optimizer)
    if not named.tensors:
        raise Refused("all tensors in it are the state of an optimiser, which is left out; --optimizer keeps it")
    layout = lay_out({name: found.tensor for name, found in named.tensors.items()})
    if layout.size > EXPANDED_AT_MOST * loaded.unpacked + EXPANDED_ANYWAY:
        raise Refused(
            f"its {loaded.unpacked} bytes would become {layout.size}: it names the same numbers over and over"
        )
    for name, found in named.tensors.items():
        found.entry["name"] = name
        if found.tensor.dtype.note:
            found.entry["dtype"] = found.tensor.dtype.name
            found.entry["stored_as"] = found.tensor.dtype.note
    for found in named.left_out:
        found.entry.update(left_out=True, dtype=found.tensor.dtype.name, shape=list(found.tensor.shape))
    tied, shared = _groups(named.tensors)
    left_out = _left_out(named.left_out)
    return Prepared(loaded, layout, described.content, tied, shared, left_out, described.others > 0)


def _without_tensors(loaded: Loaded, content: Json) -> Refused:
    if not is_plain(content):
        return Refused("there is no tensor in it; other data belongs in JSON, CSV or Parquet")
    module = loaded.loader.partition(".")[0]
    load = loaded.loader.replace("weights_only=False", "weights_only=True")
    lines = f"import json, {module}", f'json.dump({load}, open({{json}}, "x"))'
    return Refused("there is no tensor in it, only plain values, which JSON can hold", how_to_resave=lines)


def _groups(tensors: dict[str, Found]) -> tuple[list[list[str]], list[list[str]]]:
    """The names of tensors that are one and the same view, and of those that only lie in one storage."""
    storages: dict[object, dict[object, list[str]]] = {}
    for name, found in tensors.items():
        tensor = found.tensor
        if tensor.length:
            views = storages.setdefault((id(tensor.storage.content), tensor.storage.begin), {})
            view = (tensor.dtype, tensor.offset, tensor.shape, tensor.strides)
            views.setdefault(view, []).append(name)
    tied = [names for views in storages.values() for names in views.values() if len(names) > 1]
    shared = [[name for names in views.values() for name in names] for views in storages.values() if len(views) > 1]
    return tied, shared


def _left_out(found: list[Found]) -> list[LeftOut]:
    places: dict[str, tuple[int, int]] = {}
    for tensor in found:
        place = str(tensor.path[0])
        count, length = places.get(place, (0, 0))
        places[place] = count + 1, length + tensor.tensor.length
    return [LeftOut(place, *totals) for place, totals in places.items()]
