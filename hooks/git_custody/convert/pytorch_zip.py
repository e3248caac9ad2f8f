"""PyTorch's zip checkpoints: an index of tensors that is a pickle, and a record of bytes per storage.

Layout: `_save` and `_load` in ``torch/serialization.py``, ``caffe2/serialize/inline_container.cc``.
"""

from __future__ import annotations

from git_custody.convert.archive import Member
from git_custody.convert.constructors import Constructors, storage_type
from git_custody.convert.loaded import Loaded, Span
from git_custody.convert.refused import Refused
from git_custody.convert.tensors import Storage
from git_custody.convert.unpickle import unpickle
from git_custody.convert.values import OldString
from git_custody.core.content import Content

INDEX = "data.pkl"
_SHORT_RECORD = 64
# Records that say how the file was written, and hold nothing of the model.
_ABOUT_THE_FILE = ("version", "byteorder", ".format_version", ".storage_alignment", ".data/version")
_SERIAL = ".data/serialization_id"
_TORCHSCRIPT = ("constants.pkl", "code/")


def read(content: Content, members: dict[str, Member]) -> Loaded:
    """Read a checkpoint from the members of its zip. Raises `Refused`."""
    folder = _folder(members)
    records = {name[len(folder) :]: member for name, member in members.items()}
    if any(name.startswith(_TORCHSCRIPT) for name in records):
        how = ("model = torch.jit.load({path})", "torch.save(model.state_dict(), {saved})")
        raise Refused("it is a TorchScript program: it holds code beside its tensors", how_to_resave=how)
    _refuse_byte_order(records)
    builder = _ZipConstructors(records)
    index = records[INDEX].content
    root, end = unpickle(index, 0, builder)
    if end != index.size:
        raise Refused(f"something follows its index of tensors ({INDEX}, byte {end})")
    unread = [n for n in records if n not in builder.read and n not in (INDEX, _SERIAL, *_ABOUT_THE_FILE)]
    if unread and not builder.foreign:
        raise Refused(f'the archive holds "{unread[0]}", which does not belong to any tensor')
    spans = tuple(
        Span(member.begin, member.begin + member.content.size, member.crc, member.name)
        for member in members.values()
        if member.is_stored and member.crc  # PyTorch can be told not to compute them, and then writes 0
    )
    unpacked = sum(member.content.size for member in members.values())
    return Loaded("pytorch-zip", "a PyTorch checkpoint", root, builder.foreign, unpacked, builder.loader, spans)


def is_checkpoint(members: dict[str, Member]) -> bool:
    """Whether these are the members of something that PyTorch wrote."""
    return any(name == INDEX or name.endswith(f"/{INDEX}") for name in members)


def _folder(members: dict[str, Member]) -> str:
    folders = {name.partition("/")[0] for name in members}
    folder = next(iter(folders)) + "/"
    if len(folders) != 1 or f"{folder}{INDEX}" not in members:
        raise Refused("its members do not all lie in one folder with its index of tensors, as PyTorch writes them")
    return folder


def _refuse_byte_order(records: dict[str, Member]) -> None:
    record = records.get("byteorder")
    order = b"little" if record is None else record.content.read_at(0, _SHORT_RECORD)
    if order != b"little":
        how = ("checkpoint = torch.load({path})", "torch.save(checkpoint, {saved})  # on a little-endian machine")
        raise Refused("its numbers are not stored with the least significant byte first", how_to_resave=how)


class _ZipConstructors(Constructors):
    def __init__(self, records: dict[str, Member]) -> None:
        super().__init__()
        self.read: dict[str, tuple[Storage, object]] = {}
        self._records = records

    def persistent(self, id: object, at: int) -> object:
        """Find the storage that an id names: ("storage", class, key, device, number of elements)."""
        if not isinstance(id, tuple) or len(id) != 5 or text(id[0]) != "storage":
            raise Refused(f"it refers to something other than a storage (byte {at})")
        found, key, device, count = storage_type(id[1]), text(id[2]), text(id[3]), id[4]
        if found is None or key is None or device is None or type(count) is not int or count < 0:
            raise Refused(f"it refers to a storage in an unusual way (byte {at})")
        name = f"data/{key}"
        if name in self.read:
            storage, described = self.read[name]
            if described != (id[1], count):
                raise Refused(f'it describes the storage "{key}" in two ways (byte {at})')
            return storage
        dtype, size = found
        record = self._records.get(name)
        if record is None or record.content.size != count * size:
            raise Refused(f'the storage "{key}" is missing, or has another size than its index says')
        storage = Storage(dtype, count * size, record.content, device)
        self.read[name] = storage, (id[1], count)
        return storage


def text(value: object) -> str | None:
    """A text, also as Python 2 wrote it."""
    if isinstance(value, OldString) and value.isascii():
        return value.decode("ascii")
    return value if type(value) is str else None
