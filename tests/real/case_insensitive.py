"""A file system that takes no notice of case, though it keeps it: the one of the temporary folder (macOS, Windows), or
an exFAT image under FUSE, for which Linux needs no module of its own, but root, a loop device and two programs.

Debian: apt-get install exfat-fuse exfatprogs libfuse2.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_HOW = "as root, with /dev/fuse: apt-get install exfat-fuse exfatprogs libfuse2"
_SIZE = 64 * 1024 * 1024


def _is_insensitive(folder: Path) -> bool:
    (folder / "Probe").mkdir()
    return (folder / "pROBE").exists()


@contextlib.contextmanager
def _mounted(image: Path, folder: Path) -> Iterator[str]:
    """Mount an image at a folder: yields "" once it is there, else what is in the way."""
    path = os.environ["PATH"] + os.pathsep + os.pathsep.join(("/usr/sbin", "/sbin"))
    make, mount, loop = (shutil.which(name, path=path) for name in ("mkfs.exfat", "mount.exfat-fuse", "losetup"))
    if make is None or mount is None or loop is None:
        yield "mkfs.exfat, mount.exfat-fuse and losetup are not all here"
        return
    if not os.access("/dev/fuse", os.W_OK):
        yield "/dev/fuse cannot be written"
        return
    with image.open("wb") as file:
        file.truncate(_SIZE)
    subprocess.run((make, image), capture_output=True, check=True)
    attached = subprocess.run((loop, "--find", "--show", image), capture_output=True, text=True, check=False)
    device = attached.stdout.strip()
    if not device:
        yield f"losetup: {attached.stderr.strip()}"
        return
    try:
        done = subprocess.run((mount, device, folder), capture_output=True, text=True, check=False)
        yield "" if done.returncode == 0 else f"mount.exfat-fuse: {done.stderr.strip() or done.returncode}"
        if done.returncode == 0:
            subprocess.run(("umount", folder), check=True)
    finally:
        subprocess.run((loop, "--detach", device), check=True)


@pytest.fixture(scope="session")
def insensitive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which names that differ only by case are one."""
    folder = tmp_path_factory.mktemp("plain")
    if _is_insensitive(folder):
        yield folder
        return
    folder = tmp_path_factory.mktemp("mounted")
    with _mounted(tmp_path_factory.mktemp("image") / "exfat", folder) as obstacle:
        if obstacle:
            # Hardly any machine of a developer has one; `.ci/run` gets the programs, and counts what is left out.
            pytest.skip(f"no case-insensitive file system ({obstacle}); {_HOW}")
        assert _is_insensitive(folder)
        yield folder
