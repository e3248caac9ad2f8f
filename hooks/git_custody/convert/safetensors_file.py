"""The safetensors file that a conversion writes: which bytes stand where, and its header.

Layout and order are those of the library (``safetensors/src/tensor.rs``): tensors by falling size of their numbers,
then by name, without gaps; the header is padded to 8 bytes with spaces.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from git_custody.convert.refused import Refused
from git_custody.convert.tensors import Tensor
from git_custody.formats.pickle_opcodes import FIRST_BYTES
from git_custody.formats.safetensors_header import HEADER_AT_MOST

SUFFIX = ".safetensors"
_ALIGNMENT = 8


class Place(NamedTuple):
    """A tensor's bytes: from `begin` to before `end`, counted from the end of the header."""

    name: str
    tensor: Tensor
    begin: int
    end: int


class Layout(NamedTuple):
    """A file to be written: the length and text of its header, then the tensors in their order."""

    header: bytes
    places: list[Place]

    @property
    def size(self) -> int:
        """The bytes of the whole file."""
        return len(self.header) + (self.places[-1].end if self.places else 0)

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the file."""
        yield self.header
        for place in self.places:
            yield from place.tensor.pieces()


def lay_out(tensors: Mapping[str, Tensor]) -> Layout:
    """Place the tensors and write the header. Raises `Refused` for a header that no loader would read."""
    places: list[Place] = []
    end = 0
    for name in sorted(tensors, key=lambda name: (-_size_of_number(tensors[name]), name)):
        tensor = tensors[name]
        places.append(Place(name, tensor, end, end + tensor.length))
        end += tensor.length
    described: dict[str, object] = {"__metadata__": _metadata(tensors)}
    for place in places:
        dtype = place.tensor.dtype
        described[place.name] = {
            "dtype": dtype.stored,
            "shape": dtype.shape(place.tensor.shape),
            "data_offsets": [place.begin, place.end],
        }
    text = json.dumps(described, ensure_ascii=False, separators=(",", ":")).encode()
    length = -(-len(text) // _ALIGNMENT) * _ALIGNMENT
    while length % 256 in FIRST_BYTES:  # else the file would begin like a pickle, too
        length += _ALIGNMENT
    if length > HEADER_AT_MOST:
        raise Refused(
            f"it has so many tensors that the header would have {length} bytes, more than our own check reads"
        )
    return Layout(length.to_bytes(8, "little") + text.ljust(length), places)


def _size_of_number(tensor: Tensor) -> int:
    return tensor.dtype.size // tensor.dtype.last_axis


def _metadata(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """What loaders ask for, and which tensors are not stored as what they were."""
    made = {"format": "pt"}
    for name in sorted(tensors):
        dtype = tensors[name].dtype
        if dtype.note:
            made[f"stored_as:{name}"] = f"{dtype.name}: {dtype.note}"
    return made
