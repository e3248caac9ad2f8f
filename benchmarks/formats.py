"""The recogniser beside other scanners of models: speed, memory, detection, false alarms. Writes formats.md.

    python3 benchmarks/formats.py [--quick] [--place FOLDER] [--only PART …]

Builds the wheel of this checkout and installs it, and each peer from the package index, into environments of
their own. Times are medians of whole processes, in interleaved rounds, as ratios to `python -c pass` of the same
interpreter and to sha256sum of the same bytes; memory is the largest resident size. A peer that takes more than
120 seconds is stopped. Detection is asked of each tool for every file of the corpus that benchmarks/corpus.py
writes; what an answer counts as stands in `PEERS`. With `--place`, environments and inputs are kept there and
used again. It needs Linux or macOS, 8 GB of disk, and about an hour, most of it the peers'.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PARTS = ("speed", "detection")
MB = 10**6
PEER_SECONDS = 120
FILE_SECONDS = 20
FLAGGED = ("pickle", "code", "malformed")
LABELS = ("carrier", "code", "opaque", "negative")

# Runs a command and says what it took. A small process, because the largest resident size of a child is also
# that of whoever started it.
MEASURE = """\
import json, os, signal, sys, time
limit, directory, command = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
os.chdir(directory)
null = os.open(os.devnull, os.O_RDWR)
began = time.perf_counter()
child = os.posix_spawn(command[0], command, os.environ, file_actions=[
    (os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)], setpgroup=0)
signal.signal(signal.SIGALRM, lambda *_: os.killpg(child, signal.SIGKILL))
signal.setitimer(signal.ITIMER_REAL, limit)
_, status, usage = os.wait4(child, 0)
spent = time.perf_counter() - began
print(json.dumps([spent, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status)]))
"""

# Each peer's answer for one file, in its own environment: flagged, clean, or other (an error, skipped, unclaimed).
DRIVER = """\
import io, json, os, signal, sys, contextlib
def too_long(*_): raise TimeoutError
signal.signal(signal.SIGALRM, too_long)
{ask}
answers = os.fdopen(os.dup(1), "w")
silence = os.open(os.devnull, os.O_WRONLY)
os.dup2(silence, 1)
os.dup2(silence, 2)
for line in sys.stdin:
    path = line.rstrip("\\n")
    signal.alarm({seconds})
    try:
        answer = ask(path)
    except BaseException:
        answer = "other"
    signal.alarm(0)
    answers.write(json.dumps([path, answer]) + "\\n")
    answers.flush()
"""


class Peer(NamedTuple):
    """Another scanner: what to install, its command for a path, and how it is asked for one file's verdict."""

    name: str
    install: tuple[str, ...]
    command: tuple[str, ...]
    takes_folders: bool
    ask: str


PEERS = (
    Peer("picklescan", ("picklescan[7z]",), ("picklescan", "-p"), True, """\
from picklescan.scanner import scan_file_path
def ask(path):
    found = scan_file_path(path)
    if found.issues_count:
        return "flagged"
    return "other" if found.scan_err or not found.scanned_files else "clean"
"""),
    Peer("modelscan", ("modelscan[h5py]",), ("modelscan", "-p"), True, """\
from modelscan.modelscan import ModelScan
def ask(path):
    found = ModelScan().scan(path)
    if found["summary"]["total_issues"]:
        return "flagged"
    return "other" if found["errors"] or not found["summary"]["scanned"]["total_scanned"] else "clean"
"""),
    Peer("fickling", ("fickling[archive]", "typing_extensions"), ("fickling", "--check-safety", "-p"), False, """\
import zipfile
from fickling.loader import scan_file, scan_zip_archive
def ask(path):
    zipped = zipfile.is_zipfile(path)
    found = scan_zip_archive(path, graceful=True).values() if zipped else [scan_file(path, graceful=True)]
    if any(not one.is_safe and one.results for one in found):
        return "flagged"
    return "clean" if found and not any(one.errors for one in found) else "other"
"""),
    Peer("modelaudit", ("modelaudit[h5,sevenzip,joblib,dill,safetensors,onnx]",), ("modelaudit", "scan"), True, """\
from modelaudit.core import determine_exit_code, scan_model_directory_or_file
def ask(path):
    code = determine_exit_code(scan_model_directory_or_file(path, cache_enabled=False))
    return {0: "clean", 1: "flagged"}.get(code, "other")
"""),
    Peer("aisbom-cli", ("aisbom-cli",), ("aisbom", "scan", "--output", "bom.json"), True, """\
from aisbom.scanner import DeepScanner
def ask(path):
    found = DeepScanner(path).scan()["artifacts"]
    risks = " ".join(one["risk_level"] for one in found)
    if "CRITICAL" in risks or "MEDIUM" in risks:
        return "flagged"
    return "clean" if "LOW" in risks else "other"
"""),
)  # fmt: skip


class Sample(NamedTuple):
    """Seconds on the clock, seconds of CPU, the largest resident size in bytes, and the exit code."""

    wall: float
    cpu: float
    memory: int
    code: int


class Job(NamedTuple):
    """One command to measure on one input. `rounds`: how often, at most."""

    tool: str
    input: str
    command: tuple[str, ...]
    directory: str
    rounds: int


def say(text: str) -> None:
    print(f"# {text}", file=sys.stderr, flush=True)


# ---------------------------------------------------------------------- environments


class Bench:
    """Environments and inputs in a folder."""

    def __init__(self, place: str, *, quick: bool) -> None:
        self.place = place
        self.quick = quick
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "PRE_COMMIT", "PYTHON", "VIRTUAL_ENV"))
        }
        self.environment = {
            **kept,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": self.folder("home"),
            "XDG_CACHE_HOME": self.folder("cache"),
            # Peers that would call home.
            "PROMPTFOO_DISABLE_TELEMETRY": "1", "AISBOM_OFFLINE": "1", "DO_NOT_TRACK": "1", "NO_COLOR": "1",
        }  # fmt: skip
        self.versions: dict[str, str] = {}
        self.python = os.path.join(self._installed("git-custody", (self._wheel(),), fresh=True), "bin", "python")
        self.peers = [peer for peer in PEERS if self._peer_is_there(peer)]

    def folder(self, name: str) -> str:
        path = os.path.join(self.place, name)
        os.makedirs(path, exist_ok=True)
        return path

    def program(self, environment: str, name: str) -> str:
        return os.path.join(self.place, "environments", environment, "bin", name)

    def _wheel(self) -> str:
        folder = self.folder("wheel")
        shutil.rmtree(folder)
        pip = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "wheel", "--no-deps", "-w", folder)
        subprocess.run((*pip, CHECKOUT), check=True, capture_output=True)
        (name,) = os.listdir(folder)
        return os.path.join(folder, name)

    def _installed(self, name: str, what: Sequence[str], *, fresh: bool = False) -> str:
        """An environment with `what` in it, made where it is not there."""
        folder = os.path.join(self.place, "environments", name)
        python = os.path.join(folder, "bin", "python")
        if not os.path.exists(python):
            say(f"installing {name}")
            subprocess.run((sys.executable, "-m", "venv", folder), check=True)
        elif not fresh:
            what = ()
        if what:
            pip = (python, "-m", "pip", "-q", "--disable-pip-version-check", "install", "--upgrade")
            again = ("--force-reinstall", "--no-deps", what[0]) if fresh else ()
            subprocess.run((*pip, *what), check=True, capture_output=True)
            if again:
                subprocess.run((*pip, *again), check=True, capture_output=True)
        asked = f"from importlib.metadata import version; print(version({name!r}))"
        self.versions[name] = subprocess.run(
            (python, "-c", asked), check=True, capture_output=True, text=True
        ).stdout.strip()
        return folder

    def with_real_libraries(self) -> str:
        """The Python of an environment that has the libraries whose files the corpus is of."""
        folder = os.path.join(self.place, "environments", "corpus")
        python = os.path.join(folder, "bin", "python")
        if not os.path.exists(python):
            say("installing what writes the corpus")
            subprocess.run((sys.executable, "-m", "venv", folder), check=True)
            pip = (python, "-m", "pip", "-q", "--disable-pip-version-check", "install")
            try:
                for what in (("pip>=25.1",), (CHECKOUT, "--group", os.path.join(CHECKOUT, "pyproject.toml:real"))):
                    subprocess.run((*pip, *what), check=True, capture_output=True)
            except subprocess.CalledProcessError:
                shutil.rmtree(folder)  # half of it would be taken for the whole the next time
                raise
        return python

    def _peer_is_there(self, peer: Peer) -> bool:
        try:
            self._installed(peer.name, peer.install)
        except subprocess.CalledProcessError as error:
            say(f"{peer.name} does not install: {(error.stderr or b'')[-300:]!r}")
            return False
        return True

    def git(self, repo: str, *words: str) -> str:
        author = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = subprocess.run(
            ("git", *words), cwd=repo, env={**self.environment, **author}, capture_output=True, check=True, text=True
        )
        return done.stdout.strip()


# ---------------------------------------------------------------------- inputs


def torch_files(folder: str, size: int) -> dict[str, str]:
    """A checkpoint of one tensor as PyTorch lays it out, as a zip and in the legacy format; paths by name."""
    import pickle
    import struct
    import zipfile

    sys.path.insert(0, os.path.join(CHECKOUT, "tests"))
    from builders import LEGACY_MAGIC, torch_index

    floats = size // 4
    index = torch_index().replace(
        b"K\x04tq\x06QK\x00K\x02K\x02\x86q\x07", b"J%stq\x06QK\x00J%s\x85q\x07" % ((struct.pack("<l", floats),) * 2)
    )
    block = random.Random(4).randbytes(MB)
    paths = {"zip": os.path.join(folder, "checkpoint.pt"), "legacy": os.path.join(folder, "legacy.pt")}
    if not os.path.exists(paths["legacy"]):
        with zipfile.ZipFile(paths["zip"], "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("archive/data.pkl", index)
            with archive.open("archive/data/0", "w", force_zip64=True) as storage:
                for _ in range(size // MB):
                    storage.write(block)
            archive.writestr("archive/version", b"3\n")
        with open(paths["legacy"], "wb") as file:
            head = (1001, {"little_endian": True, "protocol_version": 1001})
            file.write(LEGACY_MAGIC + b"".join(pickle.dumps(part, 2) for part in head) + index + pickle.dumps(["0"], 2))
            file.write(struct.pack("<Q", floats))
            for _ in range(size // MB):
                file.write(block)
    return paths


def float_list(path: str, count: int) -> None:
    """A pickle of a list of floats in protocol 2: one opcode for each."""
    import struct

    if os.path.exists(path):
        return
    source = random.Random(5)
    block = b"".join(struct.pack(">cd", b"G", source.random()) for _ in range(10_000))
    with open(path, "wb") as file:
        file.write(b"\x80\x02]q\x00(")
        for _ in range(count // 10_000):
            file.write(block)
        file.write(b"e.")


def ordinary_files(folder: str, count: int) -> None:
    """Small texts, programs and binary files, all different."""
    source = random.Random(6)
    words = (
        "import os\n",
        "int main() {\n",
        "id,name\n",
        "cos sin tan\n",
        "The text goes on.\n",
        "    return x\n",
        "class A:\n",
    )
    for number in range(count):
        suffix = ("txt", "py", "c", "csv", "bin", "md", "json", "dat")[number % 8]
        path = os.path.join(folder, f"{number % 97}", f"file{number}.{suffix}")
        if os.path.exists(path):
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        size = source.randrange(200, 6_000)
        text = "".join(source.choice(words) for _ in range(size // 12)).encode()
        with open(path, "wb") as file:
            file.write(source.randbytes(size) if suffix in ("bin", "dat") else b"%d\n" % number + text)


TOUCHED = ", touched since"  # so that git does not vouch for the work tree, and its object is read


def staged(bench: Bench, name: str, source: str) -> tuple[str, str]:
    """A repository in which a file is staged, and the file's object id."""
    root = os.path.join(bench.place, "repositories", name)
    target = os.path.join(root, os.path.basename(source))
    if not os.path.exists(target):
        os.makedirs(root)
        bench.git(root, "init", "-q", "-b", "main")
        bench.git(root, "commit", "-q", "--allow-empty", "-m", "Start")
        shutil.copyfile(source, target)
        bench.git(root, "add", "-f", os.path.basename(source))
        if name.endswith(TOUCHED):
            os.utime(target, (0, 0))
    return root, bench.git(root, "rev-parse", f":{os.path.basename(source)}")


# ---------------------------------------------------------------------- speed


def measured(bench: Bench, job: Job, limit: float, environment: Mapping[str, str]) -> Sample:
    command = (bench.python, "-I", "-S", "-c", MEASURE, str(limit), job.directory, *job.command)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    wall, cpu, memory, code = json.loads(done.stdout)
    return Sample(wall, cpu, memory * (1 if sys.platform == "darwin" else 1024), code)


def speed_jobs(bench: Bench) -> list[Job]:
    size, floats, count = (20 * MB, 2 * MB, 500) if bench.quick else (1_000 * MB, 20 * MB, 10_000)
    inputs = bench.folder(f"inputs-{size // MB}")
    small = os.path.join(inputs, "small.csv")
    with open(small, "w", encoding="utf-8") as file:
        file.write("name,value\n" + "".join(f"row {number},{number / 7:.4f}\n" for number in range(45)))
    torch = torch_files(inputs, size)
    numbers = os.path.join(inputs, "numbers.pkl")
    float_list(numbers, floats)
    many = bench.folder(f"many-{count}")
    ordinary_files(many, count)
    paths = {
        "one small file": small,
        "PyTorch zip, 1 GB": torch["zip"],
        "PyTorch legacy, 1 GB": torch["legacy"],
        "pickle of 20 M floats, 180 MB": numbers,
        "10 000 ordinary files": many,
    }
    ours = bench.program("git-custody", "git-custody")
    work = bench.folder("work")
    jobs = [Job("python -c pass", "", (bench.python, "-c", "pass"), work, 9)]
    sha256sum = shutil.which("sha256sum") or "/usr/bin/shasum"
    xargs, find, shell = (shutil.which(name) or name for name in ("xargs", "find", "sh"))
    for name, path in paths.items():
        folder = os.path.isdir(path)
        large = not folder and path != small
        hashed = (
            (shell, "-c", f'"{find}" "$1" -type f -print0 | "{xargs}" -0 "{sha256sum}"', "sh", path)
            if folder
            else (sha256sum, path)
        )
        jobs.append(Job("sha256sum", name, hashed, work, 3 if large else 9))
        jobs.append(Job("git custody scan", name, (ours, "scan", path), work, 9))
        for peer in bench.peers:
            if peer.takes_folders or not folder:
                program = bench.program(peer.name, peer.command[0])
                jobs.append(Job(peer.name, name, (program, *peer.command[1:], path), work, 1 if large or folder else 5))
    hook = bench.program("git-custody", "custody-forbid-pickle-weights")
    git = shutil.which("git") or "git"
    blob = os.path.join(inputs, "video.bin")
    if not os.path.exists(blob):
        source = random.Random(8)
        with open(blob, "wb") as file:
            for _ in range(size // MB):
                file.write(source.randbytes(MB))
    for what, path in (("staged blob, 1 GB", blob), ("staged PyTorch zip, 1 GB", torch["zip"])):
        for then in ("", TOUCHED):
            root, oid = staged(bench, f"{os.path.basename(path)}-{size // MB}{then}", path)
            jobs.append(Job("git cat-file blob", what + then, (git, "cat-file", "blob", oid), root, 5))
            jobs.append(Job("forbid-pickle-weights", what + then, (hook,), root, 5))
    return jobs


def speed(bench: Bench) -> dict[tuple[str, str], Sample]:
    """Medians by tool and input. A tool that ran out of time has a negative exit code."""
    jobs = speed_jobs(bench)
    taken: dict[Job, list[Sample]] = {job: [] for job in jobs}
    order = list(jobs)
    shuffled = random.Random(1)
    most = 2 if bench.quick else max(job.rounds for job in jobs)
    in_hook = {**bench.environment, "GIT_INDEX_FILE": ".git/index", "PRE_COMMIT": "1"}
    for turn in range(most + 1):
        say(f"speed, round {turn} of {most}")
        shuffled.shuffle(order)
        for job in order:
            if turn > job.rounds or (turn and job.rounds == 1):
                continue
            environment = in_hook if job.tool == "forbid-pickle-weights" else bench.environment
            found = measured(bench, job, PEER_SECONDS, environment)
            if turn or job.rounds == 1:  # the first round only warms up
                taken[job].append(found)
    medians = {(job.tool, job.input): _median(samples) for job, samples in taken.items()}
    for job in jobs:
        if job.tool == "forbid-pickle-weights" and (own := own_memory(job, in_hook)):
            medians[job.tool, job.input] = medians[job.tool, job.input]._replace(memory=own)
    return medians


def own_memory(job: Job, environment: Mapping[str, str]) -> int:
    """The largest resident size of a process alone, in bytes, which only Linux tells; 0 elsewhere.

    What `wait4` gives includes its children: git maps a whole pack.
    """
    child = subprocess.Popen(job.command, cwd=job.directory, env=environment, stdout=subprocess.DEVNULL)
    most = 0
    while child.poll() is None:
        try:
            with open(f"/proc/{child.pid}/status", encoding="ascii", errors="replace") as file:
                most = max([most, *(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))])
        except OSError:
            pass
        time.sleep(0.001)
    return most


def _median(samples: Sequence[Sample]) -> Sample:
    return Sample(
        statistics.median(sample.wall for sample in samples),
        statistics.median(sample.cpu for sample in samples),
        max(sample.memory for sample in samples),
        samples[-1].code,
    )


# ---------------------------------------------------------------------- detection

Answers = Mapping[str, str]


def detection(bench: Bench) -> tuple[dict[str, dict[str, Counter[str]]], list[str], dict[str, dict[str, int]]]:
    """Answers by tool and label; the kinds that could not be made; files and kinds by label."""
    folder = os.path.join(bench.place, "corpus")
    shutil.rmtree(folder, ignore_errors=True)
    say("writing the corpus")
    program = os.path.join(CHECKOUT, "benchmarks", "corpus.py")
    done = subprocess.run((bench.with_real_libraries(), program, folder), check=True, capture_output=True, text=True)
    left_out = [
        line.removeprefix("left out ").partition(":")[0]
        for line in done.stdout.splitlines()
        if line.startswith("left out")
    ]
    with open(os.path.join(folder, "manifest.tsv"), encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    if bench.quick:
        rows = random.Random(2).sample(rows, 200)
    labels = {os.path.join(folder, path): label for path, label, _, _ in rows}
    made = {
        label: {
            "files": sum(row[1] == label for row in rows),
            "kinds": len({row[2] for row in rows if row[1] == label}),
        }
        for label in LABELS
    }
    counted: dict[str, dict[str, Counter[str]]] = {}
    askers: list[tuple[str, Callable[[], Answers]]] = [("git custody scan", lambda: asked_of_us(bench, folder))]
    askers += [(peer.name, lambda peer=peer: asked_of(bench, peer, list(labels))) for peer in bench.peers]  # type: ignore[misc]
    for name, ask in askers:
        say(f"detection by {name}")
        answers = ask()
        counts: dict[str, Counter[str]] = {label: Counter() for label in LABELS}
        for path, label in labels.items():
            counts[label][answers.get(path, "other")] += 1
        counted[name] = counts
    return counted, left_out, made


def asked_of_us(bench: Bench, folder: str) -> Answers:
    """What `git custody scan` says of all files, in one process."""
    command = (bench.program("git-custody", "git-custody"), "scan", "--format", "json", folder)
    done = subprocess.run(command, env=bench.environment, capture_output=True, text=True, check=False)
    said = json.loads(done.stdout)
    answers = {os.path.join(place, name): "clean" for place, _, names in os.walk(folder) for name in names}
    answers |= {error["path"]: "other" for error in said["errors"]}
    answers |= {verdict["path"]: "other" for verdict in said["verdicts"] if verdict["kind"] == "opaque"}
    answers |= {finding["path"]: "flagged" for finding in said["findings"]}
    answers |= {
        verdict["path"]: "flagged" for verdict in said["verdicts"] if verdict["kind"] in ("pickle", "code", "malformed")
    }
    return answers


def asked_of(bench: Bench, peer: Peer, paths: Sequence[str]) -> Answers:
    """What a peer says of each file, in one process; a new one where a file ends it."""
    answers: dict[str, str] = {}
    driver = DRIVER.format(ask=peer.ask, seconds=FILE_SECONDS)
    left = list(paths)
    while left:
        child = subprocess.run(
            (bench.program(peer.name, "python"), "-W", "ignore", "-c", driver),
            input="\n".join(left) + "\n",
            cwd=bench.folder("work"),
            env=bench.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        told = dict(json.loads(line) for line in child.stdout.splitlines())
        answers |= told
        left = left[len(told) :]
        if left:
            answers[left.pop(0)] = "other"  # it did not live to tell
    return answers


# ---------------------------------------------------------------------- the page


def speed_table(found: Mapping[tuple[str, str], Sample]) -> list[str]:
    bare = found["python -c pass", ""]
    lines = [
        "| input | tool | × `python -c pass`, wall | CPU | × `sha256sum`, wall | peak MB | exit |",
        "|---|---|---|---|---|---|---|",
    ]
    for (tool, name), sample in found.items():
        if not name:
            continue
        if name.startswith("staged"):
            blob = found["git cat-file blob", name]
            lines.append(
                f"| {name} | {tool} | {sample.wall / bare.wall:.1f} | {sample.cpu / bare.cpu:.1f} "
                f"| ({sample.wall / blob.wall:.2f} × `git cat-file blob`) | {sample.memory / MB:.0f} | {sample.code} |"
            )
            continue
        hashed = found["sha256sum", name]
        if sample.code < 0:
            lines.append(f"| {name} | {tool} | stopped after {PEER_SECONDS} s | | | {sample.memory / MB:.0f} | |")
            continue
        ratio = sample.wall / hashed.wall
        of_hash = "" if tool == "sha256sum" else f"{ratio:.2f}" if ratio < 100 else f"{ratio:.0f}"
        lines.append(
            f"| {name} | {tool} | {sample.wall / bare.wall:.1f} | {sample.cpu / bare.cpu:.1f} | {of_hash} "
            f"| {sample.memory / MB:.0f} | {sample.code} |"
        )
    return lines


def bars(found: Mapping[tuple[str, str], Sample]) -> list[str]:
    """What was promised, and whether it holds."""
    bare = found["python -c pass", ""]
    lines = ["| what | bar | measured | held |", "|---|---|---|---|"]

    def line(what: str, bar: str, value: float, most: float, unit: str = "×") -> None:
        lines.append(f"| {what} | {bar} | {value:.2f} {unit} | {'yes' if value <= most else '**no**'} |")

    for (tool, name), sample in found.items():
        if tool == "git custody scan":
            if name == "10 000 ordinary files":
                line(f"scan, {name}", "≤ 1.5 × `sha256sum`", sample.wall / found["sha256sum", name].wall, 1.5)
            else:
                line(f"scan, {name}", "≤ 4 × bare", sample.wall / bare.wall, 4)
            line(f"scan, {name}: memory", "≤ 40 MB", sample.memory / MB, 40, "MB")
        elif tool == "forbid-pickle-weights" and not name.endswith(TOUCHED):
            line(
                f"hook, {name}", "≤ 1.3 × `git cat-file blob`", sample.wall / found["git cat-file blob", name].wall, 1.3
            )
            line(f"hook, {name}: memory", "≤ 40 MB", sample.memory / MB, 40, "MB")
    return lines


def detection_table(
    counted: Mapping[str, Mapping[str, Counter[str]]], made: Mapping[str, Mapping[str, int]]
) -> list[str]:
    heads = [f"{label}, {made[label]['files']} files in {made[label]['kinds']} kinds" for label in LABELS]
    lines = ["| tool | " + " | ".join(heads) + " |", "|---|" + "---|" * len(LABELS)]
    for tool, counts in counted.items():
        cells = (" / ".join(str(counts[label][answer]) for answer in ("flagged", "clean", "other")) for label in LABELS)
        lines.append(f"| {tool} | " + " | ".join(cells) + " |")
    return lines


def page(bench: Bench, parts: Mapping[str, list[str]]) -> str:
    git = subprocess.run(("git", "--version"), capture_output=True, text=True, check=True).stdout.split()[2]
    versions = ", ".join(f"{name} {version}" for name, version in bench.versions.items())
    lines = [
        "# Model formats: this project beside other scanners",
        "",
        f"By `python3 benchmarks/formats.py`, in one run: {os.cpu_count()} cores shared with other work,",
        f"{platform.system()} on {platform.machine()}, Python {platform.python_version()}, git {git}.",
        f"{versions}.",
        "",
    ]
    for title, text in parts.items():
        lines += [f"## {title}", "", *text, ""]
    return "\n".join(lines)


def _speed(bench: Bench) -> dict[str, list[str]]:
    found = speed(bench)
    said = "Medians of whole processes; a peer runs once on each large input. `exit` is the code it ends with."
    return {"Bars": bars(found), "Speed and memory": [said, "", *speed_table(found)]}


def _detection(bench: Bench) -> dict[str, list[str]]:
    counted, left_out, made = detection(bench)
    return {
        "Detection and false alarms": [
            "Flagged / clean / other, for the files that `benchmarks/corpus.py` writes: carriers are or hold a",
            "pickle, code runs code of its own when it is loaded, opaque cannot be told, negatives are ordinary.",
            f"Other is an error, more than {FILE_SECONDS} s, a file passed over, or one not looked into.",
            *([f"Kinds that could not be made here: {', '.join(left_out)}."] if left_out else []),
            "",
            *detection_table(counted, made),
        ]
    }


def main() -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small inputs, few files; nothing is written")
    parser.add_argument("--place", help="keep environments and inputs in this folder, and use them again")
    parser.add_argument(
        "--only", nargs="*", choices=PARTS, default=PARTS, help="what to measure; all is written only for all"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="git-custody-formats-", ignore_cleanup_errors=True) as temporary:
        place = os.path.realpath(options.place or temporary)
        os.makedirs(place, exist_ok=True)
        bench = Bench(place, quick=options.quick)
        parts: dict[str, list[str]] = {}
        # Last, when the machine has rested from the making of files.
        for part in (name for name in ("detection", "speed") if name in options.only):
            parts |= _detection(bench) if part == "detection" else _speed(bench)
        text = page(bench, parts)
    print(text)
    if not options.quick and set(options.only) == set(PARTS):
        with open(os.path.join(CHECKOUT, "benchmarks", "formats.md"), "w", encoding="utf-8") as file:
            file.write(text)
    return 1 if "**no**" in text else 0


if __name__ == "__main__":
    sys.exit(main())
