"""Shows git-custody at work: a real repository, real data, a real checkpoint, real commits.

    python3 docs/demo.py

Needs Python 3.10 or newer, git, and pip with a package index. Everything happens in a temporary directory:
an environment with pre-commit and git-custody, and a repository whose hooks are taken from this checkout.
Each command is printed before it runs, with what it really answered. The exit code is 0 only when every
step went as promised: the bad commit is blocked, what the messages say mends it, and then it passes.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ANSWERS = {
    "TITLE": "Iris flower measurements",
    "URL": "https://archive.ics.uci.edu/dataset/53/iris",
    "PUBLISHER": "UCI Machine Learning Repository",
    "SPDX_ID": "CC-BY-4.0",
    "REASON": "the first flower was measured again",
}


class Broken(Exception):
    """A step did not go as promised."""


class Stage:
    """Where the demonstration happens: a temporary directory, an environment for programs, a shell."""

    def __init__(self, folder: str, shell: str) -> None:
        self.shell = shell
        self.place = folder
        self.programs = os.path.join(folder, "environment", "Scripts" if os.name == "nt" else "bin")
        hidden = ("GIT_", "PRE_COMMIT", "PREK", "SKIP")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
        self.environment.update(
            PATH=self.programs + os.pathsep + os.environ["PATH"],
            PRE_COMMIT_HOME=os.path.join(folder, "pre-commit"),
            XDG_CACHE_HOME=os.path.join(folder, "cache"),
            GIT_CONFIG_GLOBAL=os.devnull,
            GIT_CONFIG_NOSYSTEM="1",
            **{f"GIT_{who}_NAME": "A. Maintainer" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "maintainer@example.org" for who in ("AUTHOR", "COMMITTER")},
        )

    def run(self, command: str, *, blocked_by: tuple[str, ...] = (), says: str = "") -> str:
        """Print a command, run it, print what it answers; it has to pass, or to be blocked by these rules."""
        print(f"\n$ {command}", flush=True)
        done = subprocess.run(
            (self.shell, "-c", command), cwd=self.place, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        text = done.stdout.decode("utf-8", "backslashreplace")
        sys.stdout.write(text)
        if blocked_by and not done.returncode:
            raise Broken("this had to be blocked, and passed")
        if not blocked_by and done.returncode:
            raise Broken(f"this had to pass, and ended with exit code {done.returncode}")
        for word in (*(f": {rule}: " for rule in blocked_by), says):
            if word not in text:
                raise Broken(f'"{word.strip(": ")}" was not said')
        return text

    def mend(self, text: str) -> None:
        """Run the commands that a blocked commit named, with the upper-case slots filled in."""
        fixes = fixes_in(text)
        if not fixes:
            raise Broken("no command was named that mends it")
        for fix in fixes:
            self.run(re.sub(r"(?<= )[A-Z][A-Z_]+(?= |$)", lambda slot: shlex.quote(ANSWERS[slot[0]]), fix))


def fixes_in(text: str) -> list[str]:
    """The commands behind the word `fix`, and on the lines below it."""
    fixes: list[str] = []
    within = False
    for line in text.splitlines():
        within = line.startswith("    fix    ") or (within and line.startswith(" " * 11))
        if within and line[11:] not in fixes:
            fixes.append(line[11:])
    return fixes


def tell(text: str) -> None:
    print(f"\n--- {text}", flush=True)


# ---------------------------------------------------------------------- what is needed


def find_shell() -> str:
    """A POSIX shell; Git for Windows brings one."""
    git = shutil.which("git")
    if git is None:
        raise Broken("git was not found: install git 2.34 or newer")
    beside = os.path.join(os.path.dirname(os.path.dirname(git)), "bin", "sh.exe")
    shell = shutil.which("sh") or (beside if os.path.exists(beside) else None)
    if shell is None:
        raise Broken("no POSIX shell was found")
    return shell


def snapshot(folder: str, tag: str) -> None:
    """A repository with the files of this checkout as they are now: what a release of them would be."""
    os.makedirs(folder)
    listed = subprocess.run(
        ("git", "ls-files", "-coz", "--exclude-standard"), cwd=CHECKOUT, capture_output=True, check=True
    )
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if os.path.isfile(os.path.join(CHECKOUT, name)):
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            shutil.copy(os.path.join(CHECKOUT, name), os.path.join(folder, name))
    identity = (
        "-c",
        "user.name=A. Maintainer",
        "-c",
        "user.email=maintainer@example.org",
        "-c",
        "commit.gpgsign=false",
    )
    for words in (
        ("init", "-q"),
        ("add", "-A", "-f"),
        (*identity, "commit", "-q", "--no-verify", "-m", "Snapshot"),
        ("-c", "tag.gpgsign=false", "tag", tag),
    ):
        subprocess.run(("git", *words), cwd=folder, check=True)


def make_environment(stage: Stage, source: str) -> None:
    """A virtual environment with git-custody and pre-commit."""
    folder = os.path.dirname(stage.programs)
    pip = [os.path.join(stage.programs, "python"), "-m", "pip"]
    if subprocess.run((sys.executable, "-m", "venv", folder), capture_output=True, check=False).returncode:
        # Some distributions ship Python without what venv needs to bring pip along.
        subprocess.run((sys.executable, "-m", "venv", "--clear", "--without-pip", folder), check=True)
        pip = [sys.executable, "-m", "pip", "--python", os.path.join(stage.programs, "python")]
    words = [*pip, "install", "-q", "--disable-pip-version-check", source, "pre-commit>=4"]
    subprocess.run(words, check=True)


def version() -> str:
    with open(os.path.join(CHECKOUT, "hooks", "git_custody", "__init__.py"), encoding="utf-8") as file:
        found = re.search(r'^__version__ = "(.+)"', file.read(), re.MULTILINE)
    assert found is not None
    return found[1]


# ---------------------------------------------------------------------- a checkpoint, as torch.save writes it


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _number(number: int) -> bytes:
    return b"J" + struct.pack("<i", number)


def _tensor(key: str, shape: tuple[int, ...]) -> bytes:
    count = 1
    strides: list[int] = []
    for size in reversed(shape):
        strides.insert(0, count)
        count *= size
    storage = b"(" + _text("storage") + _global("torch", "FloatStorage") + _text(key) + _text("cpu") + _number(count)
    return b"".join((
        _global("torch._utils", "_rebuild_tensor_v2"),
        b"(", storage, b"tQ", _number(0),
        b"(", *map(_number, shape), b"t",
        b"(", *map(_number, strides), b"t",
        b"\x89", _global("collections", "OrderedDict"), b")R", b"tR",
    ))  # fmt: skip


def write_checkpoint(path: str) -> None:
    """The state of a small classifier (4 measurements in, 3 species out), in PyTorch's zip format."""
    layers = {"weight": (3, 4), "bias": (3,)}
    items = b"".join(_text(name) + _tensor(str(key), shape) for key, (name, shape) in enumerate(layers.items()))
    state = b"\x80\x02" + _global("collections", "OrderedDict") + b")R(" + items + b"u."
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", state)
        archive.writestr("archive/byteorder", "little")
        for key, shape in enumerate(layers.values()):
            count = shape[0] * (shape[1] if len(shape) == 2 else 1)
            archive.writestr(f"archive/data/{key}", struct.pack(f"<{count}f", *(0.1 * n for n in range(count))))
        archive.writestr("archive/version", "3\n")


# ---------------------------------------------------------------------- the demonstration


def demonstrate(folder: str) -> None:
    tag = f"v{version()}"
    stage = Stage(folder, find_shell())
    source = os.path.join(folder, "git-custody")
    tell("Setting up: a virtual environment with git-custody and pre-commit, in a temporary directory.")
    snapshot(source, tag)
    make_environment(stage, source)
    stage.place = os.path.join(folder, "flowers")
    os.makedirs(os.path.join(stage.place, "data"))
    os.makedirs(os.path.join(stage.place, "models"))

    tell("A maintainer puts a repository under custody.")
    stage.run("git init -q -b main")
    with open(os.path.join(stage.place, "README.md"), "w", encoding="utf-8") as file:
        file.write("# Flowers\n")
    stage.run("git add README.md")
    stage.run("git commit -q -m 'Start'")
    # Users say `git custody init`, which names the published hooks; here they come from this checkout.
    stage.run(f"git custody init --hooks-repo {shlex.quote(source)}", says=".custody/policy.yaml")
    stage.run("pre-commit install --install-hooks")
    stage.run("git add -A")
    stage.run("git commit -q -m 'Keep the chain of custody'")

    tell("A developer adds a dataset (Fisher's iris measurements) and a PyTorch checkpoint.")
    shutil.copy(os.path.join(CHECKOUT, "docs", "iris.csv"), os.path.join(stage.place, "data", "iris.csv"))
    write_checkpoint(os.path.join(stage.place, "models", "classifier.pt"))
    stage.run("git add data models")
    said = stage.run("git commit -m 'Add data and model'", blocked_by=("pickle-weights", "missing-data-card"))
    tell("Blocked. The developer does what the messages say.")
    stage.mend(said)
    tell("The weights came back in a format that holds nothing but tensors; nothing was unpickled for it.")
    stage.run("git custody scan models/classifier.safetensors", says="no problems")
    stage.run("git commit -m 'Add data and model'")
    stage.run("cat data/iris.csv.datacard.yaml", says="CC-BY-4.0")

    tell("Later somebody edits the data, and commits it without a word.")
    stage.run("sed -i.old '2s/^5.1,/5.2,/' data/iris.csv && rm data/iris.csv.old")
    said = stage.run("git commit -a -m 'Tidy up'", blocked_by=("missing-audit-entry",))
    tell("Blocked. An edit of a dataset needs a reason.")
    stage.mend(said)
    stage.run("git commit -a -m 'Correct the first flower'")

    tell("What an auditor, and CI, sees.")
    stage.run("git custody audit show data/iris.csv", says=ANSWERS["REASON"])
    stage.run("git custody check --range HEAD~2...HEAD")
    stage.run("pre-commit run --all-files")


def main() -> int:
    if sys.version_info < (3, 10):  # noqa: UP036 — this file may be run by any Python 3
        print("this demonstration needs Python 3.10 or newer")
        return 2
    with tempfile.TemporaryDirectory(prefix="git-custody-demo-", ignore_cleanup_errors=True) as folder:
        try:
            demonstrate(os.path.realpath(folder))
        except Broken as error:
            print(f"\nNot as promised: {error}.")
            return 1
        except subprocess.CalledProcessError as error:
            print(f"\nNot as promised: {shlex.join(error.cmd)} ended with exit code {error.returncode}.")
            return 1
    print("\nAll went as promised: the bad commits were blocked, mended as the messages said, and then passed.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
