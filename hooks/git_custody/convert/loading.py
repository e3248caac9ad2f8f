"""What kind of file a source is, told by its bytes, and the reader for it."""

from __future__ import annotations

from git_custody.convert import numpy_files, pickle_files, pytorch_legacy, pytorch_zip
from git_custody.convert.archive import members
from git_custody.convert.compressed_files import unpacked
from git_custody.convert.loaded import Loaded
from git_custody.convert.places import refuse_foreign
from git_custody.convert.refused import Refused
from git_custody.core.content import Content
from git_custody.core.findings import CannotJudge
from git_custody.formats.pickle_opcodes import FIRST_BYTES
from git_custody.formats.pickles import walk

_ZIP = b"PK\x03\x04"
_TAR_BLOCK = 512
_NONE = "it is no checkpoint: neither of PyTorch, NumPy or joblib, nor any pickle"


def load(content: Content, path: str) -> Loaded:
    """Read a file, and understand all of it. Raises `Refused`, or `CannotJudge` where it is none of ours."""
    try:
        loaded = _read(content, path)
    except Refused as refused:
        # What is not understood says more than the damage behind it.
        refuse_foreign(None, refused.foreign, refused.loader)
        raise
    refuse_foreign(loaded.root, loaded.foreign, loaded.loader)
    return loaded


def _read(content: Content, path: str) -> Loaded:
    head = content.read_at(0, _TAR_BLOCK)
    packing = unpacked(content, head)
    if packing is not None:
        how, content = packing
        head = content.read_at(0, _TAR_BLOCK)
        loaded = _read_plain(content, head, path)
        # Checksums inside are those of the unpacked bytes, and the packing has its own.
        loader = "joblib.load({path})" if loaded.loader.startswith("pickle") else loaded.loader
        return loaded._replace(spans=(), title=f"{loaded.title}, compressed with {how}", loader=loader)
    return _read_plain(content, head, path)


def _read_plain(content: Content, head: bytes, path: str) -> Loaded:
    if head[:4] == _ZIP:
        found = members(content)
        if pytorch_zip.is_checkpoint(found):
            return pytorch_zip.read(content, found)
        if numpy_files.is_archive(found):
            return numpy_files.read_archive(content, found)
        raise CannotJudge("it is an archive, but neither a PyTorch checkpoint nor one of NumPy arrays", path)
    if head[:6] == numpy_files.MAGIC:
        return numpy_files.read_array(content)
    if pytorch_legacy.starts_with_magic(content):
        return pytorch_legacy.read(content)
    if _is_tar(head):
        raise Refused(
            "it is a tar archive, as PyTorch wrote them before 0.2, or one of anything else",
            how_to_resave=pytorch_legacy.RESAVE,
        )
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < content.size:
        raise CannotJudge("it looks like safetensors already; there is nothing to convert", path)
    if not head or head[0] not in FIRST_BYTES:
        raise CannotJudge(_NONE, path)
    try:
        return pickle_files.read(content)
    except Refused as refused:
        if not refused.foreign and walk(content) is None:
            raise CannotJudge(_NONE, path) from None
        raise


def _is_tar(head: bytes) -> bool:
    from git_custody.formats.tars import is_header

    return len(head) == _TAR_BLOCK and is_header(head)
