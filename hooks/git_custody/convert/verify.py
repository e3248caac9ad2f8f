"""An earlier conversion, verified again: digests against the record, and every tensor against the source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from git_custody.convert import sharded
from git_custody.convert.conversion import is_index, target_of
from git_custody.convert.interruption import interruptible
from git_custody.convert.prepared import Prepared, prepare
from git_custody.convert.record import SUFFIX as RECORD_SUFFIX
from git_custody.convert.record import read_record, strict_json
from git_custody.convert.refused import Refused
from git_custody.convert.safetensors_file import SUFFIX, Place
from git_custody.convert.source import Digesting, Source
from git_custody.core.findings import CannotJudge
from git_custody.formats.safetensors_header import HEADER_AT_MOST


class Verification(NamedTuple):
    """What was compared. `problems` are sentences, each about a path; `has_source`: the sources were there."""

    output: str
    record: str
    problems: tuple[tuple[str, str], ...]
    has_source: bool
    tensors: int


def verify(source: str, destination: str | None = None) -> Verification:
    """Verify the conversion of `source` (or the one that has the result `source`). Raises `CannotJudge`.

    Where the source is gone, the digest of the result is all that can be compared.
    """
    with interruptible():
        source, output, record_path = _paths(source, destination)
        checking = _Checking(read_record(record_path), os.path.dirname(source), os.path.dirname(output))
        try:
            if is_index(output):
                checking.index(source, output)
            else:
                checking.file(checking.record, source, output)
        except (KeyError, TypeError):
            raise CannotJudge("it is no whole record of a conversion", record_path) from None
        return Verification(output, record_path, tuple(checking.problems), checking.has_source, checking.tensors)


def _paths(source: str, destination: str | None) -> tuple[str, str, str]:
    """The source, the result and the record that a user means by one or two paths."""
    if source.endswith((SUFFIX, sharded.INDEX_SUFFIX)) and destination is None:
        output = source
        record_path = _record_of(output)
        named = read_record(record_path).get("source")
        name = named.get("name") if isinstance(named, dict) else None
        if not isinstance(name, str) or name != os.path.basename(name):
            raise CannotJudge("it is no whole record of a conversion", record_path)
        return os.path.join(os.path.dirname(output), name), output, record_path
    if is_index(source):
        output = os.path.join(*sharded.target_of_index(source, destination))
    else:
        output = target_of(source, destination)
    return source, output, _record_of(output)


def _record_of(output: str) -> str:
    folder, name = os.path.split(output)
    if is_index(output):
        return os.path.join(folder, sharded.record_of_index(name))
    return output + RECORD_SUFFIX


class _Checking:
    def __init__(self, record: dict[str, Any], sources: str, outputs: str) -> None:
        self.record = record
        self.problems: list[tuple[str, str]] = []
        self.has_source = True
        self.tensors = 0
        self._sources = sources
        self._outputs = outputs
        self._optimizer = record.get("optimizer") == "kept"

    def index(self, source: str, output: str) -> None:
        """Compare an index, and every file that it names."""
        with Source(output) as made:
            self._same_digest(made, self.record["output"])
        if os.path.lexists(source):
            with Source(source) as index:
                self._same_digest(index, self.record["source"])
        else:
            self.has_source = False
        for part in self.record["shards"]:
            names = part["source"]["name"], part["output"]["name"]
            if any(name != os.path.basename(name) for name in names):
                raise KeyError
            self.file(part, os.path.join(self._sources, names[0]), os.path.join(self._outputs, names[1]))

    def file(self, part: dict[str, Any], source: str, output: str) -> None:
        """Compare one file with its source."""
        with Source(output) as made:
            self._same_digest(made, part["output"])
            if not os.path.lexists(source):
                self.has_source = False
                return
            with Source(source) as opened:
                if not self._same_digest(opened, part["source"]):
                    return
                try:
                    prepared = prepare(opened, source, optimizer=self._optimizer)
                except Refused as refused:
                    self._say(source, f"it cannot be converted any more: {refused.message}")
                    return
                self._same_tensors(prepared, made)
                if prepared.content != part["content"]:
                    self._say(output, "its record does not hold what the source has besides tensors")

    def _say(self, path: str, problem: str) -> None:
        self.problems.append((path, problem))

    def _same_digest(self, source: Source, recorded: dict[str, Any]) -> bool:
        with Digesting(source) as digesting:
            same: bool = digesting.result() == recorded["sha256"]
        if not same:
            self._say(source.path, "its content is not the one that the record of the conversion names")
        return same

    def _same_tensors(self, prepared: Prepared, made: Source) -> None:
        header_length = int.from_bytes(made.read_at(0, 8), "little")
        header = strict_json(made.read_at(8, header_length)) if header_length <= HEADER_AT_MOST else None
        described = {k: v for k, v in header.items() if k != "__metadata__"} if isinstance(header, dict) else {}
        wanted = {place.name: place for place in prepared.layout.places}
        for name in sorted(wanted.keys() ^ described.keys()):
            self._say(made.path, f'the tensor "{name}" is in one of source and result, and not in the other')
        for name in wanted.keys() & described.keys():
            if not _is_same(wanted[name], described[name], made, 8 + header_length):
                self._say(made.path, f'the tensor "{name}" is not the one in the source')
            self.tensors += 1


def _is_same(place: Place, described: object, made: Source, data_at: int) -> bool:
    """Whether a tensor has the same type, shape and bytes in the result."""
    if not isinstance(described, dict):
        return False
    dtype = place.tensor.dtype
    shape, offsets = described.get("shape"), described.get("data_offsets")
    if described.get("dtype") != dtype.stored or shape != list(dtype.shape(place.tensor.shape)):
        return False
    if not isinstance(offsets, list) or not all(type(offset) is int for offset in offsets) or len(offsets) != 2:
        return False
    if offsets[1] - offsets[0] != place.tensor.length or offsets[0] < 0:
        return False
    return all(piece == made.read_at(data_at + offsets[0] + at, len(piece)) for at, piece in _numbered(place))


def _numbered(place: Place) -> Iterator[tuple[int, bytes]]:
    at = 0
    for piece in place.tensor.pieces():
        yield at, piece
        at += len(piece)
