"""PyTorch's files before 1.6, and of its storages to this day: five pickles, and the bytes of the storages behind.

Layout: `_legacy_save` and `_legacy_load` in ``torch/serialization.py``.
"""

from __future__ import annotations

from typing import NamedTuple

from git_custody.convert.constructors import Constructors, storage_type
from git_custody.convert.loaded import Loaded
from git_custody.convert.pytorch_zip import text
from git_custody.convert.refused import Refused
from git_custody.convert.tensors import Storage
from git_custody.convert.unpickle import unpickle
from git_custody.convert.values import Dict, Foreign, Global
from git_custody.core.content import Content

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
RESAVE = ("checkpoint = torch.load({path}, weights_only=False)", "torch.save(checkpoint, {saved})")


def starts_with_magic(content: Content) -> bool:
    """Whether the first pickle is PyTorch's magic number, in any protocol that can write it."""
    return MAGIC.to_bytes(10, "little") in content.read_at(0, 32)


def read(content: Content) -> Loaded:
    """Read a checkpoint of the legacy format. Raises `Refused`."""
    root, foreign = _read(content, [], nested=False)
    title = "a PyTorch checkpoint in the legacy format"
    return Loaded("pytorch-legacy", title, root, foreign, content.size, Constructors.loader)


def embedded_storage(content: Content, foreign: list[Foreign]) -> Storage | None:
    """Read a storage that was pickled outside of `torch.save`: a file of its own, kept as bytes."""
    if not starts_with_magic(content):
        return None
    root, _ = _read(content, foreign, nested=True)
    return root if isinstance(root, Storage) else None


def _read(content: Content, foreign: list[Foreign], *, nested: bool) -> tuple[object, list[Foreign]]:
    plain = Constructors()
    magic, at = unpickle(content, 0, plain)
    protocol, at = unpickle(content, at, plain)
    system, at = unpickle(content, at, plain)
    if magic != MAGIC or protocol != PROTOCOL or plain.foreign:
        raise Refused("it begins like a PyTorch checkpoint of the legacy format, and does not go on like one")
    if not isinstance(system, Dict) or ("little_endian", True) not in [(text(k), v) for k, v in system.pairs]:
        raise Refused("its numbers are not stored with the least significant byte first", how_to_resave=RESAVE)
    builder = _LegacyConstructors(foreign, nested)
    root, at = unpickle(content, at, builder)
    keys, at = unpickle(content, at, plain)
    end = builder.place_storages(content, keys, at)
    if end > content.size:
        raise Refused("it ends before the numbers of a tensor")
    if end != content.size:
        raise Refused(f"something follows its last tensor (byte {end})")
    return root, builder.foreign


class _Known(NamedTuple):
    storage: Storage
    described: tuple[object, int]
    element: int


class _View(NamedTuple):
    storage: Storage
    root: Storage
    offset: int


class _LegacyConstructors(Constructors):
    def __init__(self, foreign: list[Foreign], nested: bool) -> None:
        super().__init__()
        self.foreign = foreign
        self._nested = nested
        self._roots: dict[str, _Known] = {}
        self._views: dict[str, tuple[_View, object]] = {}

    def storage_in_bytes(self, content: Content) -> Storage | None:
        """Storages are not nested more than once."""
        return None if self._nested else super().storage_in_bytes(content)

    def persistent(self, id: object, at: int) -> object:
        """Find what an id names: a storage, or the class of a module that was saved with its source code."""
        if isinstance(id, tuple) and len(id) == 4 and text(id[0]) == "module" and isinstance(id[1], Global):
            return id[1]
        if not isinstance(id, tuple) or len(id) != 6 or text(id[0]) != "storage":
            raise Refused(f"it refers to something other than a storage (byte {at})")
        found, key, device, count = storage_type(id[1]), text(id[2]), text(id[3]), id[4]
        if found is None or key is None or device is None or type(count) is not int or count < 0:
            raise Refused(f"it refers to a storage in an unusual way (byte {at})")
        dtype, size = found
        known = self._roots.get(key)
        if known is None:
            known = _Known(Storage(dtype, count * size, None, device), (id[1], count), size)
            self._roots[key] = known
        elif known.described != (id[1], count):
            raise Refused(f'it describes the storage "{key}" in two ways (byte {at})')
        return known.storage if id[5] is None else self._view(known, id[5], at)

    def _view(self, known: _Known, view: object, at: int) -> Storage:
        key = text(view[0]) if isinstance(view, tuple) and len(view) == 3 else None
        if key is None or not isinstance(view, tuple) or not all(type(n) is int and n >= 0 for n in view[1:]):
            raise Refused(f"it refers to a storage in an unusual way (byte {at})")
        offset, size = view[1] * known.element, view[2] * known.element
        described = (known.storage, view[1:])
        if key not in self._views:
            if offset + size > known.storage.size:
                raise Refused(f"a storage is a part of another one that is too small (byte {at})")
            made = Storage(known.storage.dtype, size, None, known.storage.device)
            self._views[key] = _View(made, known.storage, offset), described
        elif self._views[key][1] != described:
            raise Refused(f'it describes the storage "{key}" in two ways (byte {at})')
        return self._views[key][0].storage

    def place_storages(self, content: Content, keys: object, at: int) -> int:
        """Find the bytes of the storages, in the order of `keys`, from byte `at` on; the end of the last one."""
        names = [text(key) for key in keys] if isinstance(keys, list) else []
        if not isinstance(keys, list) or len(set(names)) != len(names) or set(names) != self._roots.keys():
            raise Refused("its list of storages does not name each storage once")
        for name in names:
            known = self._roots[str(name)]
            count = int.from_bytes(content.read_at(at, 8), "little")
            if count * known.element != known.storage.size:
                raise Refused(f'the storage "{name}" has another size than its index says')
            known.storage.content, known.storage.begin = content, at + 8
            at += 8 + known.storage.size
        for view, _ in self._views.values():
            view.storage.content, view.storage.begin = content, view.root.begin + view.offset
        return at
