"""A child without network that loads files with the real loaders, and says what ran."""

from __future__ import annotations

import functools
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

SECONDS_PER_ANSWER = 120


class Outcome(NamedTuple):
    """What one loader did with one file: whether the payload in it ran, and what it said."""

    path: str
    loader: str
    ran: bool
    said: str


@functools.cache
def without_network() -> tuple[str, ...]:
    """The words that take the network away from a command: none where the machine has no such program."""
    unshare = shutil.which("unshare")
    for words in ((unshare, "-n"), (unshare, "-rn")):
        if unshare and subprocess.run((*words, "true"), capture_output=True, check=False).returncode == 0:
            return tuple(word for word in words if word)
    return ()


class Sandbox:
    """A child in an empty folder, with a clean environment, that loads files with the loaders of `loaders.py`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.child: subprocess.Popen[str] | None = None
        self.crashes = 0

    def _start(self) -> subprocess.Popen[str]:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "OPENBLAS_CORETYPE", "LANG") if name in os.environ}
        quiet = {
            "OMP_NUM_THREADS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
            "KERAS_BACKEND": "tensorflow",
        }
        return subprocess.Popen(
            (*without_network(), sys.executable, "-I", "-W", "ignore", str(Path(__file__).parent / "loaders.py")),
            cwd=home,
            env={**kept, **quiet, "HOME": str(home), "TMPDIR": str(home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def load(self, path: Path, loaders: Sequence[str]) -> Iterator[Outcome]:
        """Load one file with each loader; a crash of the child is an outcome too."""
        for loader in loaders:
            self.child = self.child or self._start()
            assert self.child.stdin is not None
            assert self.child.stdout is not None
            self.child.stdin.write(json.dumps({"path": str(path), "loaders": [loader]}) + "\n")
            self.child.stdin.flush()
            answered = select.select([self.child.stdout], [], [], SECONDS_PER_ANSWER)[0]
            line = self.child.stdout.readline() if answered else ""
            if line:
                yield Outcome(**json.loads(line))
            else:
                self.close()
                self.crashes += 1
                yield Outcome(str(path), loader, False, "the child crashed" if answered else "no answer in time")

    def ran(self, path: Path, loaders: Sequence[str]) -> list[str]:
        """The loaders that ran the payload of a file."""
        return [outcome.loader for outcome in self.load(path, loaders) if outcome.ran]

    def close(self) -> None:
        """End the child, if it still runs."""
        if self.child is not None:
            self.child.kill()
            self.child.communicate()
            self.child = None
