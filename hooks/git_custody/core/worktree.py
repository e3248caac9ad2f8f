"""Files of the work tree, written so that nothing is lost and nothing outside is touched.

A repository can hold a symlink where a folder is expected; whoever writes through it writes wherever its
author chose (CVE-2019-1349 and its kin).
"""

from __future__ import annotations

import contextlib
import os
import stat

from .assets import AUDIT
from .findings import CannotJudge

_LIMIT = 1024 * 1024


def read_file(root: str, path: str) -> bytes | None:
    """The bytes of a small plain file at a path from the root, None when there is nothing.

    Raises `CannotJudge` for what is not a plain file, lies behind a symlink, or is larger than 1 MiB.
    """
    full = _place(root, path)
    try:
        status = os.lstat(full)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode):
        raise CannotJudge("it has to be a plain file, and is not one; nothing was written", path)
    if status.st_size > _LIMIT:
        raise CannotJudge(f"it has {status.st_size} bytes, which is too much for metadata", path)
    try:
        with open(full, "rb") as file:
            return file.read(_LIMIT + 1)
    except OSError as error:
        raise CannotJudge(f"it cannot be read: {error.strerror}", path) from None


def write_file(root: str, path: str, data: bytes) -> None:
    """Put bytes at a path from the root: all of them or none, and never through a symlink.

    Folders that are missing are made. Raises `CannotJudge` when that is not possible.
    """
    full = _place(root, path)
    folder = os.path.dirname(full)
    mode = 0o666
    try:
        os.makedirs(folder, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            status = os.lstat(full)
            if not stat.S_ISREG(status.st_mode):
                raise CannotJudge("something that is not a plain file lies here; it was left alone", path)
            mode = stat.S_IMODE(status.st_mode)
        scratch = os.path.join(folder, f".git-custody-{os.getpid()}.tmp".encode())
        try:
            with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(scratch, full)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(scratch)
    except OSError as error:
        raise CannotJudge(f"it cannot be written: {error.strerror}", path) from None


def remove_file(root: str, path: str) -> None:
    """Remove a plain file, and the folder of an audit log that it leaves empty; nothing if there is none."""
    full = _place(root, path)
    try:
        if not stat.S_ISREG(os.lstat(full).st_mode):
            raise CannotJudge("something that is not a plain file lies here; it was left alone", path)
        os.unlink(full)
        if path.startswith(AUDIT):
            os.rmdir(os.path.dirname(full))
    except FileNotFoundError:
        return
    except OSError as error:
        if os.path.lexists(full):
            raise CannotJudge(f"it cannot be removed: {error.strerror}", path) from None


def make_folder(root: str, path: str) -> None:
    """Make the folder that a path from the root lies in; raises `CannotJudge` when that is not possible."""
    try:
        os.makedirs(os.path.dirname(_place(root, path)), exist_ok=True)
    except OSError as error:
        raise CannotJudge(f"its folder cannot be made: {error.strerror}", path) from None


def rename(root: str, old: str, new: str) -> None:
    """Give a file or folder another name in its folder; raises `CannotJudge` when that is not possible."""
    try:
        os.rename(_place(root, old), _place(root, new))
    except OSError as error:
        raise CannotJudge(f"it cannot be renamed: {error.strerror}", old) from None


def is_file(root: str, path: str) -> bool:
    """Whether a plain file lies at a path from the root, not behind a symlink."""
    try:
        return stat.S_ISREG(os.lstat(_place(root, path)).st_mode)
    except (OSError, CannotJudge):
        return False


def exists(root: str, path: str) -> bool:
    """Whether anything lies at a path from the root; a symlink that leads nowhere does."""
    return os.path.lexists(_join(root, path))


def full_path(root: str, path: str) -> bytes:
    """The path in the file system, as bytes: names need not be text in the locale's encoding."""
    return _join(root, path)


def _join(root: str, path: str) -> bytes:
    return os.path.join(os.fsencode(root), path.encode("utf-8", "surrogateescape"))


def _place(root: str, path: str) -> bytes:
    """The full path, when no folder on the way is a symlink; raises `CannotJudge` when one is."""
    folders = path.split("/")[:-1]
    for depth in range(1, len(folders) + 1):
        above = "/".join(folders[:depth])
        try:
            mode = os.lstat(_join(root, above)).st_mode
        except FileNotFoundError:
            break
        if not stat.S_ISDIR(mode):
            raise CannotJudge("a folder has to be here, and something else is; nothing was written", above)
    return _join(root, path)
