"""How fast are the hooks? Measures a wheel of this checkout and writes benchmarks/results.md.

    python3 benchmarks/run.py [--rounds 15] [--quick] [--no-peers]

Everything is measured in one run, in interleaved rounds, so that whatever else the machine does falls on all
alike. Numbers are medians; CPU time is that of the process and its children. What counts are the ratios: to
`python -c pass` of the same environment, and to plain git and sha256sum on the same bytes.

Builds and installs the wheel, and the peers, into a virtual environment of its own, from a package index.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pickle
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEERS = ("pre-commit-hooks", "check-jsonschema", "reuse")
RUNNERS = ("pre-commit", "prek")
MB = 10**6
CARD = """\
kind: data-card
version: 1
id: {id}
title: Numbered rows for measurements
source: {{kind: original, publisher: Example Lab}}
license: CC-BY-4.0
content: {{digest: {{sha256: {sha256}}}, bytes: {size}}}
"""


class Job(NamedTuple):
    """One thing to measure: a command in a folder. `before` puts things in place, untimed, in every round."""

    name: str
    command: Sequence[str]
    cwd: str
    code: int = 0
    env: Mapping[str, str] = {}
    input: bytes = b""
    before: Callable[[], None] | None = None


class Sample(NamedTuple):
    """Seconds on the clock, and seconds of CPU."""

    wall: float
    cpu: float


class Bar(NamedTuple):
    """A promise: `job` takes at most `factor` times `yardstick` (plus `extra` seconds)."""

    what: str
    job: str
    yardstick: str
    factor: float
    extra: float = 0.0


# ---------------------------------------------------------------------- running


def measure(job: Job, environment: Mapping[str, str]) -> Sample:
    """Run a job once. Only POSIX tells the CPU time of one child; elsewhere it is 0."""
    if job.before is not None:
        job.before()
    env = {**environment, **job.env}
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out:
        source.write(job.input)
        source.seek(0)
        began = time.perf_counter()
        child = subprocess.Popen(job.command, cwd=job.cwd, env=env, stdin=source, stdout=out, stderr=out)
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.perf_counter() - began
            child.returncode = os.waitstatus_to_exitcode(status)
            sample = Sample(wall, usage.ru_utime + usage.ru_stime)
        else:
            child.wait()
            sample = Sample(time.perf_counter() - began, 0.0)
        if child.returncode != job.code:
            out.seek(0)
            said = out.read().decode(errors="replace")[:2000]
            sys.exit(f"{job.name}: exit code {child.returncode} instead of {job.code}:\n{said}")
    return sample


def interleaved(jobs: Sequence[Job], rounds: int, environment: Mapping[str, str]) -> dict[str, Sample]:
    """Every job once per round, in another order each time; the medians."""
    samples: dict[str, list[Sample]] = {job.name: [] for job in jobs}
    order = list(jobs)
    shuffled = random.Random(1)
    for number in range(rounds + 1):
        shuffled.shuffle(order)
        for job in order:
            sample = measure(job, environment)
            if number:  # the first round only warms up
                samples[job.name].append(sample)
    return {
        name: Sample(statistics.median(s.wall for s in found), statistics.median(s.cpu for s in found))
        for name, found in samples.items()
    }


# ---------------------------------------------------------------------- what is measured


class Bench:
    """An environment with the wheel and the peers, and repositories to measure in."""

    def __init__(self, place: str, *, peers: bool) -> None:
        self.place = place
        self.folder = os.path.join(place, "environment")
        self.bin = os.path.join(self.folder, "Scripts" if os.name == "nt" else "bin")
        self.python = os.path.join(self.bin, "python")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "PRE_COMMIT", "PREK"))}
        for name in ("CI", "PYTHONPATH", "GITHUB_ACTIONS"):
            self.environment.pop(name, None)
        self.environment.update(
            PATH=self.bin + os.pathsep + os.environ["PATH"],
            GIT_CONFIG_GLOBAL=os.devnull,
            GIT_CONFIG_NOSYSTEM="1",
            GIT_AUTHOR_NAME="A", GIT_AUTHOR_EMAIL="a@example.org",
            GIT_COMMITTER_NAME="A", GIT_COMMITTER_EMAIL="a@example.org",
            XDG_CACHE_HOME=os.path.join(place, "cache"),
            PRE_COMMIT_HOME=os.path.join(place, "pre-commit"),
            PREK_HOME=os.path.join(place, "prek"),
        )  # fmt: skip
        say("building the wheel and installing it" + (" and its peers" if peers else ""))
        subprocess.run((sys.executable, "-m", "venv", self.folder), check=True)
        pip = (self.python, "-m", "pip", "-q", "--disable-pip-version-check")
        subprocess.run((*pip, "wheel", "--no-deps", "-w", os.path.join(place, "wheel"), CHECKOUT), check=True)
        (wheel,) = os.listdir(os.path.join(place, "wheel"))
        subprocess.run((*pip, "install", os.path.join(place, "wheel", wheel)), check=True)
        self.installed = folder_size(self.folder)
        if peers:
            subprocess.run((*pip, "install", *PEERS, *RUNNERS), check=True)

    def program(self, name: str) -> str:
        return os.path.join(self.bin, name + (".exe" if os.name == "nt" else ""))

    def git(self, repo: str, *words: str, input: bytes | None = None) -> str:
        done = subprocess.run(
            ("git", *words), cwd=repo, env=self.environment, input=input, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def repo(self, name: str, committed: Mapping[str, bytes], staged: Mapping[str, bytes]) -> str:
        """A repository with one commit, and a change that is staged. The staged objects are loose."""
        root = os.path.join(self.place, name)
        os.makedirs(root)
        self.git(root, "init", "-q", "-b", "main")
        for files, commit in ((committed, True), (staged, False)):
            for path, content in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "wb") as file:
                    file.write(content)
            self.git(root, "-c", "core.looseCompression=1", "add", "-A", "-f")
            if commit:
                self.git(root, "commit", "-q", "--no-verify", "--allow-empty", "-m", "Start")
        return root


def dataset(path: str, rows: bytes, id: str) -> dict[str, bytes]:
    card = CARD.format(id=id, sha256=hashlib.sha256(rows).hexdigest(), size=len(rows))
    return {path: rows, f"{path}.datacard.yaml": card.encode()}


def table(count: int) -> bytes:
    return b"id,text\n" + b"".join(b"%d,row %d\n" % (number, number) for number in range(count))


def ordinary(count: int, seed: int = 1) -> dict[str, bytes]:
    """Small text and binary files, all different."""
    source = random.Random(seed)
    files = {}
    for number in range(count):
        body = source.randbytes(source.randrange(200, 6000))
        text = number % 4 != 0
        files[f"src/{number % 97}/file{number}.{'txt' if text else 'bin'}"] = body.hex().encode() if text else body
    return files


def staged_hook(**more: str) -> dict[str, str]:
    """What git and a runner have in the environment of a hook."""
    return {"GIT_INDEX_FILE": ".git/index", "PRE_COMMIT": "1", **more}


def small_jobs(bench: Bench) -> tuple[list[Job], list[Bar]]:
    """Start-up: one small file staged, or nothing that matters."""
    policy = {".custody/policy.yaml": b"version: 1\nlevel: 1\nalso: [check-dataset-audit-log]\n"}
    base = {**policy, "README.md": b"A project.\n", **dataset("data/old.csv", table(10), "old-rows")}
    plain = bench.repo("plain", base, {"notes.txt": b"Nothing to see here.\n" * 20})
    empty = bench.repo("empty", base, {})
    unruled = bench.repo("unruled", {"README.md": b"A project.\n"}, {"notes.txt": b"Nothing to see here.\n" * 20})
    called = b"cposix\nsystem\n(S'true'\ntR."
    bad = bench.repo("pickled", {"README.md": b"A project.\n"}, {"encoder.bin": called})
    held = bench.repo("held", {"README.md": b"A project.\n"}, {"encoder.bin": pickle.dumps({"w": [1.0] * 50}, 4)})
    card = bench.repo("card", {"README.md": b"A project.\n"}, dataset("data/rows.csv", table(200), "new-rows"))
    cold, warm = os.path.join(bench.place, "cold"), os.path.join(bench.place, "warm")

    def forget() -> None:
        shutil.rmtree(cold, ignore_errors=True)

    pickles = (bench.program("custody-forbid-pickle-weights"),)
    custody = (bench.program("git-custody"), "check")
    env = staged_hook()
    jobs = [
        Job("bare", (bench.python, "-c", "pass"), plain),
        Job("forbid-pickle-weights, an ordinary file", pickles, unruled, env=env),
        Job("forbid-pickle-weights, a pickle that calls", pickles, bad, 1, env),
        Job("forbid-pickle-weights, a pickle of plain data", pickles, held, 1, env),
        Job("custody, nothing staged", custody, empty, env=env),
        Job("custody, an ordinary file", custody, plain, env=env),
        Job("custody, a card, cold", custody, card, env={**env, "XDG_CACHE_HOME": cold}, before=forget),
        Job("custody, a card, cached", custody, card, env={**env, "XDG_CACHE_HOME": warm}),
        Job("check-dataset-card, a card, cold", (bench.program("custody-check-dataset-card"),), card,
            env={**env, "XDG_CACHE_HOME": cold}, before=forget),
    ]  # fmt: skip
    bars = [
        Bar("`forbid-pickle-weights`, one small file", "forbid-pickle-weights, an ordinary file", "bare", 4),
        Bar(
            "`forbid-pickle-weights`, one pickle that calls",
            "forbid-pickle-weights, a pickle that calls",
            "bare",
            4,
        ),
        Bar(
            "`forbid-pickle-weights`, one pickle of plain data",
            "forbid-pickle-weights, a pickle of plain data",
            "bare",
            4,
        ),
        Bar("`custody`, nothing staged", "custody, nothing staged", "bare", 5),
        Bar("`custody`, nothing relevant staged", "custody, an ordinary file", "bare", 5),
        Bar("`custody`, one card, cold", "custody, a card, cold", "bare", 14),
        Bar("`custody`, one card, cached verdict", "custody, a card, cached", "bare", 6),
    ]
    if os.path.exists(bench.program("check-jsonschema")):
        schema = os.path.join(CHECKOUT, "schemas", "data-card.schema.json")
        licensed = {"src/a.py": b"# SPDX-FileCopyrightText: A\n# SPDX-License-Identifier: MIT\n"}
        large, holds, licences = map(bench.program, ("check-added-large-files", "check-jsonschema", "reuse"))
        document = "data/rows.csv.datacard.yaml"
        reuse = bench.repo("reuse", licensed, {"src/b.py": licensed["src/a.py"]})
        jobs += [
            Job("peer: check-added-large-files, an ordinary file", (large, "notes.txt"), unruled),
            Job("peer: check-jsonschema, a card", (holds, "--schemafile", schema, document), card),
            Job("peer: reuse lint-file, an ordinary file", (licences, "lint-file", "src/b.py"), reuse, 1),
        ]
    return jobs, bars


def large_jobs(bench: Bench, size: int) -> tuple[list[Job], list[Bar]]:
    """One large file staged: ordinary bytes, and the zip that PyTorch writes."""
    blob = random.Random(2).randbytes(size)
    root = bench.repo("large", {"README.md": b"A project.\n"}, {"video.bin": blob})
    oid = bench.git(root, "rev-parse", ":video.bin")
    data = bench.repo("large-data", {"README.md": b"A project.\n"}, dataset("data/rows.bin", blob, "large-rows"))
    env = staged_hook(XDG_CACHE_HOME=os.path.join(bench.place, "large-cache"))

    def forget() -> None:
        shutil.rmtree(os.path.join(bench.place, "large-cache"), ignore_errors=True)

    custody = (bench.program("git-custody"), "check")
    jobs = [
        Job("git cat-file blob, a large file", ("git", "cat-file", "blob", oid), root),
        Job("sha256sum, a large file", hash_command(bench, "video.bin"), root),
        Job(
            "forbid-pickle-weights, a large file",
            (bench.program("custody-forbid-pickle-weights"),),
            root,
            env=env,
        ),
        Job("custody, a large file", custody, root, env=env),
        Job("custody, a large dataset, cold", custody, data, env=env, before=forget),
    ]
    bars = [
        Bar(
            f"`{hook}`, {size // MB} MB staged",
            f"{hook}, a large file",
            "git cat-file blob, a large file",
            1.3,
        )
        for hook in ("forbid-pickle-weights", "custody")
    ]
    if os.path.exists(bench.program("check-added-large-files")):
        peer = (bench.program("check-added-large-files"), "--maxkb", "999999", "video.bin")
        jobs.append(Job("peer: check-added-large-files, a large file", peer, root))
    return jobs, bars


def hash_command(bench: Bench, path: str) -> tuple[str, ...]:
    if shutil.which("sha256sum"):
        return ("sha256sum", path)
    return (
        bench.python,
        "-c",
        "import hashlib,sys; hashlib.file_digest(open(sys.argv[1],'rb'),'sha256')",
        path,
    )


def many_jobs(bench: Bench, count: int) -> tuple[list[Job], list[Bar]]:
    """Many loose files staged at once, and a repository in which nothing has changed since."""
    files = ordinary(count)
    root = bench.repo("many", {"README.md": b"A project.\n"}, files)
    oids = "".join(line.split()[1] + "\n" for line in bench.git(root, "ls-files", "-s").splitlines()).encode()
    plumbing = ("git", "cat-file", "--batch")
    env = staged_hook()
    whole = {"PRE_COMMIT": "1", "XDG_CACHE_HOME": os.path.join(bench.place, "whole-cache")}
    custody = (bench.program("git-custody"), "check")
    name = f"{count} ordinary files"
    jobs = [
        Job(f"git cat-file --batch, {name}", plumbing, root, input=oids),
        Job(f"forbid-pickle-weights, {name}", (bench.program("custody-forbid-pickle-weights"),), root, env=env),
        Job(f"custody, {name}", custody, root, env=env),
        Job(f"custody, whole index of {count} again", custody, root, env=whole),
    ]
    bars = [
        Bar(f"`{hook}`, {name}", f"{hook}, {name}", f"git cat-file --batch, {name}", 1.3, 0.3)
        for hook in ("forbid-pickle-weights", "custody")
    ]
    if os.path.exists(bench.program("check-added-large-files")):
        # A runner passes names in batches; this is the largest that fits a command line everywhere.
        names = list(files)[:1000]
        jobs.append(
            Job(
                "peer: check-added-large-files, 1000 of them",
                (bench.program("check-added-large-files"), *names),
                root,
            )
        )
    return jobs, bars


def runner_jobs(bench: Bench) -> tuple[list[Job], list[Bar]]:
    """Under a runner: what `custody` adds to a hook that does nothing."""
    jobs = []
    hooks = {"noop": f"{bench.python} -c pass", "custody": f"{bench.program('git-custody')} check"}
    for hook, entry in hooks.items():
        config = (
            f"repos:\n- repo: local\n  hooks:\n  - {{id: {hook}, name: {hook}, entry: '{entry}', "
            "language: system, always_run: true, pass_filenames: false}\n"
        )
        root = bench.repo(f"runner-{hook}", {".pre-commit-config.yaml": config.encode()}, {"notes.txt": b"x\n"})
        jobs += [
            Job(
                f"{runner} run, {hook}",
                (bench.program(runner), "run"),
                root,
                env={"GIT_INDEX_FILE": ".git/index"},
            )
            for runner in RUNNERS
            if os.path.exists(bench.program(runner))
        ]
    return jobs, []


# ---------------------------------------------------------------------- memory and size


def folder_size(folder: str) -> int:
    return sum(os.path.getsize(os.path.join(place, name)) for place, _, names in os.walk(folder) for name in names)


def own_memory(bench: Bench, size: int) -> dict[str, int]:
    """The largest resident size of our own process, in bytes, for the inputs that ask most of it.

    Linux tells it of one process alone while it runs; what `wait4` gives afterwards includes its children
    and whoever forked it.
    """
    if not os.path.exists("/proc/self/status"):
        return {}
    found = {}
    inputs = {
        "large": f"{size // MB} MB file",
        "large-data": f"{size // MB} MB dataset",
        "many": "many files",
    }
    for name, said in {**inputs, "card": "one card, cold"}.items():
        cache = os.path.join(bench.place, "memory-cache")
        child = subprocess.Popen(
            (bench.program("git-custody"), "check"),
            cwd=os.path.join(bench.place, name),
            env={**bench.environment, **staged_hook(XDG_CACHE_HOME=cache)},
            stdout=subprocess.DEVNULL,
        )
        found[said] = 0
        while child.poll() is None:
            found[said] = max(found[said], resident(child.pid))
            time.sleep(0.001)
    return found


def resident(process: int) -> int:
    """The largest resident size that a process has had so far, in bytes; 0 once it is gone."""
    try:
        with open(f"/proc/{process}/status", encoding="ascii", errors="replace") as file:
            lines = [line.split() for line in file if line.startswith("VmHWM")]
    except OSError:
        return 0
    return 1024 * int(lines[0][1]) if lines else 0


# ---------------------------------------------------------------------- the page


def page(
    medians: Mapping[str, Sample], bars: Sequence[Bar], memory: Mapping[str, int], installed: int, rounds: int
) -> str:
    bare = medians["bare"]
    git = subprocess.run(("git", "--version"), capture_output=True, text=True, check=True).stdout.split()[2]
    machine = f"{platform.system()} on {platform.machine()}, Python {platform.python_version()}, git {git}"
    lines = [
        "# Measurements",
        "",
        f"By `python3 benchmarks/run.py`: {rounds} interleaved rounds, medians; {os.cpu_count()} cores",
        f"shared with other work; {machine}. Ratios are steadier than milliseconds.",
        "",
        "## Bars",
        "",
        "| what | bar | CPU | wall | held |",
        "|---|---|---|---|---|",
    ]
    for bar in bars:
        ours, yard = medians[bar.job], medians[bar.yardstick]
        cpu = (ours.cpu - bar.extra) / yard.cpu if yard.cpu else 0.0
        wall = (ours.wall - bar.extra) / yard.wall
        extra = f" + {bar.extra:.1f} s" if bar.extra else ""
        unit = "bare" if bar.yardstick == "bare" else "`" + bar.yardstick.partition(",")[0] + "`"
        held = "yes" if max(cpu, wall) <= bar.factor else ("on the clock" if wall <= bar.factor else "**no**")
        lines.append(f"| {bar.what} | ≤ {bar.factor:g} × {unit}{extra} | {cpu:.2f} | {wall:.2f} | {held} |")
    for what, peak in memory.items():
        held = "yes" if peak <= 60 * MB else "**no**"
        lines.append(f"| memory of our own process, {what} | ≤ 60 MB | | {peak / MB:.0f} MB | {held} |")
    fresh = "yes" if installed <= 60 * MB else "**no**"
    lines.append(f"| an environment with it, pip included | ≤ 60 MB | | {installed / MB:.0f} MB | {fresh} |")
    lines += [
        "",
        "## Everything that was measured",
        "",
        "| what | CPU ms | wall ms | × bare, CPU | × bare, wall |",
        "|---|---|---|---|---|",
    ]
    for name, sample in medians.items():
        times = f"{1000 * sample.cpu:.0f} | {1000 * sample.wall:.0f}"
        of_cpu = f"{sample.cpu / bare.cpu:.1f}" if bare.cpu else ""
        lines.append(f"| {name} | {times} | {of_cpu} | {sample.wall / bare.wall:.1f} |")
    return "\n".join(lines) + "\n"


def readme_table(medians: Mapping[str, Sample]) -> str:
    """The few numbers that the README shows."""
    shown = {
        "custody, an ordinary file": "`custody`, nothing relevant staged",
        "forbid-pickle-weights, an ordinary file": "`forbid-pickle-weights`, one small file",
        "custody, a card, cold": "`custody`, one dataset with its card",
        "custody, a card, cached": "the same, seen before",
        "peer: check-added-large-files, an ordinary file": "peer: check-added-large-files",
        "peer: check-jsonschema, a card": "peer: check-jsonschema on the same card",
        "peer: reuse lint-file, an ordinary file": "peer: reuse lint-file",
    }
    bare = medians["bare"]
    lines = ["| one commit | × bare, CPU | × bare, wall |", "|---|---|---|"]
    for name, said in shown.items():
        if name in medians:
            found = medians[name]
            lines.append(f"| {said} | {found.cpu / (bare.cpu or 1):.1f} | {found.wall / bare.wall:.1f} |")
    return "\n".join(lines) + "\n"


def say(text: str) -> None:
    print(f"# {text}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="few rounds, small inputs; nothing is written")
    parser.add_argument("--no-peers", action="store_true", help="do not install and measure other tools")
    options = parser.parse_args()
    rounds, size, count = (3, 20 * MB, 500) if options.quick else (options.rounds, 200 * MB, 10_000)
    medians: dict[str, Sample] = {}
    bars: list[Bar] = []
    with tempfile.TemporaryDirectory(prefix="git-custody-bench-", ignore_cleanup_errors=True) as place:
        bench = Bench(os.path.realpath(place), peers=not options.no_peers)
        groups: list[tuple[str, int, tuple[list[Job], list[Bar]]]] = [
            ("small", rounds, small_jobs(bench)),
            ("under a runner", max(3, rounds // 2), runner_jobs(bench)),
            ("a large file", max(3, rounds // 3), large_jobs(bench, size)),
            ("many files", max(3, rounds // 3), many_jobs(bench, count)),
        ]
        for name, times, (jobs, promised) in groups:
            say(f"{name}: {len(jobs)} jobs, {times} rounds")
            if jobs:
                medians.update(interleaved(jobs, times, bench.environment))
            bars += promised
        memory = own_memory(bench, size)
        text = page(medians, bars, memory, bench.installed, rounds)
    print(text)
    if not options.quick:
        with open(os.path.join(CHECKOUT, "benchmarks", "results.md"), "w", encoding="utf-8") as file:
            file.write(text)
        readme = os.path.join(CHECKOUT, "README.md")
        with open(readme, encoding="utf-8") as file:
            before, begin, rest = file.read().partition("<!-- speed: begin -->\n")
        _, end, after = rest.partition("<!-- speed: end -->")
        if begin and end:
            with open(readme, "w", encoding="utf-8") as file:
                file.write(before + begin + readme_table(medians) + end + after)
    return 1 if "**no**" in text else 0


if __name__ == "__main__":
    sys.exit(main())
