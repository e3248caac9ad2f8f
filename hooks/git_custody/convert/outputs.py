"""New files of one folder that appear whole and together, or not at all; never through a link.

Each is written under a name of its own (`.git-custody-convert-….tmp`) and renamed when everything is there. What a
killed process leaves behind has such a name, and may be removed.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType

from git_custody.convert.interruption import uninterrupted
from git_custody.core.findings import CannotJudge

PREFIX = ".git-custody-convert-"
PIECE = 1024 * 1024


class Draft:
    """A file that is being written, digested on the way; readable as content."""

    def __init__(self, fd: int, temporary: str) -> None:
        self.temporary = temporary
        self.size = 0
        self._fd = fd
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._digest.update(data)
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            view = view[written:]
            self.size += written

    def read_at(self, offset: int, length: int) -> bytes:
        """Read as every content is read."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        os.lseek(self._fd, offset, os.SEEK_SET)
        data = os.read(self._fd, length)
        os.lseek(self._fd, 0, os.SEEK_END)
        return data

    @property
    def sha256(self) -> str:
        """The digest of what has been written, in hex."""
        return self._digest.hexdigest()

    def finish(self) -> None:
        """Have it on the disk, and close it."""
        if self._fd >= 0:
            os.fsync(self._fd)
            self.close()

    def close(self) -> None:
        """Close it."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class Outputs:
    """The files that are to appear in `folder`, which has to be there, and no link. Raises `CannotJudge`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._drafts: list[Draft] = []
        self._fd = _open_folder(folder)

    def __enter__(self) -> Outputs:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with uninterrupted(then_stop=False):
            for draft in self._drafts:
                draft.close()
                with suppress(OSError):
                    os.unlink(self._path(draft.temporary), dir_fd=self._fd)
            if self._fd is not None:
                os.close(self._fd)

    def draft(self) -> Draft:
        """Begin a new file."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        with uninterrupted(then_stop=True):
            temporary = f"{PREFIX}{secrets.token_hex(8)}.tmp"
            try:
                fd = os.open(self._path(temporary), flags, 0o666, dir_fd=self._fd)
            except OSError as error:
                raise CannotJudge(f"nothing can be written here: {error.strerror}", self.folder) from None
            draft = Draft(fd, temporary)
            self._drafts.append(draft)
        return draft

    def publish(self, drafts: Sequence[tuple[Draft, str]], *, replace: bool) -> bool:
        """Give the files their names, all of them or none; False where all of them were there already.

        Raises `CannotJudge` where something else has a name, unless `replace` allows to overwrite plain files.
        """
        new = [(draft, name) for draft, name in drafts if not self._is_there(draft, name, replace)]
        for draft, _ in new:
            draft.finish()
        done: list[str] = []
        with uninterrupted(then_stop=False):
            try:
                for draft, name in new:
                    self._rename(draft, name, replace)
                    done.append(name)
            except OSError as error:
                for name in () if replace else done:
                    with suppress(OSError):
                        os.unlink(self._path(name), dir_fd=self._fd)
                raise CannotJudge(f"it cannot be written: {error.strerror}", self._shown(name)) from None
            if self._fd is not None:
                os.fsync(self._fd)
        return bool(new)

    def _is_there(self, draft: Draft, name: str, replace: bool) -> bool:
        """Whether a file of this content has this name."""
        try:
            status = os.stat(self._path(name), dir_fd=self._fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise CannotJudge(f"it cannot be written: {error.strerror}", self._shown(name)) from None
        if not stat.S_ISREG(status.st_mode):
            raise CannotJudge(
                "something that is not a plain file has this name; nothing was written", self._shown(name)
            )
        if status.st_size == draft.size and self._digest_of(name) == draft.sha256:
            return True
        if not replace:
            raise CannotJudge(
                "a file of this name is there and has other content; nothing was written (--force replaces it)",
                self._shown(name),
            )
        return False

    def _digest_of(self, name: str) -> str:
        digest = hashlib.sha256()
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            with open(os.open(self._path(name), flags, dir_fd=self._fd), "rb", buffering=0) as file:
                while piece := file.read(PIECE):
                    digest.update(piece)
        except OSError as error:
            raise CannotJudge(f"it cannot be read: {error.strerror}", self._shown(name)) from None
        return digest.hexdigest()

    def _rename(self, draft: Draft, name: str, replace: bool) -> None:
        source, target = self._path(draft.temporary), self._path(name)
        if replace:
            os.replace(source, target, src_dir_fd=self._fd, dst_dir_fd=self._fd)
            return
        try:
            # A link, unlike a renaming, fails where somebody else has taken the name in the meantime.
            os.link(source, target, src_dir_fd=self._fd, dst_dir_fd=self._fd, follow_symlinks=False)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):  # no links on this file system
            if os.path.lexists(self._shown(name)):
                raise FileExistsError(17, "a file of this name has appeared") from None
            os.rename(source, target, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def _path(self, name: str) -> str:
        return name if self._fd is not None else os.path.join(self.folder, name)

    def _shown(self, name: str) -> str:
        return os.path.join(self.folder, name)


def _open_folder(folder: str) -> int | None:
    """A descriptor of the folder itself, where the system has those; it has to be no link."""
    for above in _folders_named(folder):
        if os.path.islink(above):
            raise CannotJudge("it is a link, and nothing is written through one", above)
    if not os.path.isdir(folder or "."):
        raise CannotJudge("there is no folder of this name to write to", folder)
    if os.open not in os.supports_dir_fd or os.link not in os.supports_dir_fd:
        return None
    try:
        return os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise CannotJudge(f"nothing can be written here: {error.strerror}", folder) from None


def _folders_named(folder: str) -> list[str]:
    """The folders that a user named: all of a relative path, and of one below the current folder; else the last."""
    if os.path.isabs(folder):
        here = os.path.join(os.getcwd(), "")
        if not folder.startswith(here):
            return [folder.rstrip(os.sep)] if folder.strip(os.sep) else []
        folder = folder[len(here) :]
    steps = [step for step in folder.split(os.sep) if step not in ("", os.curdir)]
    return [os.path.join(*steps[: count + 1]) for count in range(len(steps))]
