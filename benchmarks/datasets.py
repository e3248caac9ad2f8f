"""How does the cost of data cards grow with a repository? Measures a wheel of this checkout and writes datasets.md.

    python3 benchmarks/datasets.py [--datasets 2000] [--files 50] [--rounds 5] [--no-peers]

Two repositories that differ only in size: folders with a card each, of small CSV files. Times are medians of whole
processes, in interleaved rounds; `reuse lint` and `dvc status` run once, on the larger tree. Builds and installs the
wheel, and the peers, into virtual environments of its own, from a package index.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks.run import CHECKOUT, Bench, Job, Sample, interleaved, measure, say

CARD = """\
kind: data-card
version: 1
id: {id}
title: Measurements of station {number}
source: {{kind: original, publisher: Example Weather Service}}
license: CC-BY-4.0
content: {{digest: {{dirHash: {digest}}}, bytes: {size}, media_type: text/csv}}
"""
SMALL = 20
GROWTH = (
    "A commit asks about the folders around what it touches, so that it grows by little more than what git needs to "
    "read its index. Where a dataset is new, or its licence changes, other cards count, too: what they say is "
    "remembered by object, and where they lie by folder."
)


def rows(dataset: int, file: int) -> bytes:
    return b"id,text\n" + b"".join(b"%d-%d-%d,row %d\n" % (dataset, file, n, n * dataset % 97) for n in range(12))


def folder(dataset: int, files: int, edited: bool = False) -> dict[str, bytes]:
    """One dataset with its card; `edited`: the first file has another row."""
    held = {f"part{file:03}.csv": rows(dataset, file) for file in range(files)}
    if edited:
        held["part000.csv"] += b"new,row\n"
    lines = "".join(f"{hashlib.sha256(held[name]).hexdigest()}  {name}\n" for name in sorted(held))
    card = CARD.format(
        id=f"station-{dataset:04}",
        number=dataset,
        digest=hashlib.sha256(lines.encode()).hexdigest(),
        size=sum(map(len, held.values())),
    )
    named = {f"data/station{dataset:04}/{name}": data for name, data in held.items()}
    return {**named, f"data/station{dataset:04}/datacard.yaml": card.encode()}


def tree(bench: Bench, datasets: int, files: int) -> str:
    """A repository of so many datasets, with an edit of one of them staged."""
    every: dict[str, bytes] = {}
    for dataset in range(datasets):
        every.update(folder(dataset, files))
    return bench.repo(f"datasets-{datasets}", every, folder(7, files, edited=True))


def with_another(bench: Bench, root: str, datasets: int, files: int) -> str:
    """An index of its own, in which a new dataset is staged instead."""
    index = f"{root}.index"
    new = folder(datasets, files)
    for path, content in new.items():
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "wb") as file:
            file.write(content)
    for words in (("read-tree", "HEAD"), ("add", "-f", "--", *new)):
        environment = {**bench.environment, "GIT_INDEX_FILE": index}
        subprocess.run(("git", *words), cwd=root, env=environment, check=True)
    return index


def jobs_in(bench: Bench, root: str, name: str, index: str) -> list[Job]:
    custody = (bench.program("git-custody"), "check")
    cold, warm = (os.path.join(bench.place, f"{kind}-{name}") for kind in ("cold", "warm"))

    def forget() -> None:
        shutil.rmtree(cold, ignore_errors=True)

    return [
        Job(f"--all, cold, {name}", (*custody, "--all"), root, env={"XDG_CACHE_HOME": cold}, before=forget),
        Job(f"--all, again, {name}", (*custody, "--all"), root, env={"XDG_CACHE_HOME": warm}),
        Job(f"one edit, cold, {name}", (*custody, "--staged"), root, env={"XDG_CACHE_HOME": cold}, before=forget),
        Job(f"one edit, again, {name}", (*custody, "--staged"), root, env={"XDG_CACHE_HOME": warm}),
        Job(
            f"a new one, cold, {name}",
            (*custody, "--staged"),
            root,
            env={"XDG_CACHE_HOME": cold, "GIT_INDEX_FILE": index},
            before=forget,
        ),
        Job(
            f"a new one, again, {name}",
            (*custody, "--staged"),
            root,
            env={"XDG_CACHE_HOME": warm, "GIT_INDEX_FILE": index},
        ),
        Job(f"git diff --cached, {name}", ("git", "diff", "--cached", "--quiet"), root, 1),
    ]


def peers(bench: Bench, root: str, files: int) -> Mapping[str, Sample]:
    """What reuse and DVC take for the same tree, once."""
    place = os.path.join(bench.place, "peers")
    subprocess.run((sys.executable, "-m", "venv", place), check=True)
    programs = os.path.join(place, "bin")
    say("installing reuse and dvc")
    pip = (
        os.path.join(programs, "python"),
        "-m",
        "pip",
        "-q",
        "--disable-pip-version-check",
        "install",
        "reuse",
        "dvc",
    )
    subprocess.run(pip, check=True)
    dvc, reuse = os.path.join(programs, "dvc"), os.path.join(programs, "reuse")
    copy = os.path.join(bench.place, "dvc-tree")
    shutil.copytree(os.path.join(root, "data"), os.path.join(copy, "data"))
    for words in (("git", "init", "-q"), (dvc, "init", "-q"), (dvc, "add", "-q", "data")):
        subprocess.run(words, cwd=copy, env=bench.environment, check=True)
    return {
        f"reuse lint, {files} files": measure(Job("reuse lint", (reuse, "lint"), root, 1), bench.environment),
        f"dvc status, {files} files": measure(Job("dvc status", (dvc, "status"), copy), bench.environment),
    }


def page(found: Mapping[str, Sample], bare: Sample, about: str) -> str:
    lines = [
        "# Datasets: how the cost grows with a repository", "", about, "", GROWTH, "",
        "| what | wall, s | CPU, s | × `python -c pass`, CPU |", "|---|---|---|---|",
    ]  # fmt: skip
    lines += [f"| {name} | {s.wall:.2f} | {s.cpu:.2f} | {s.cpu / bare.cpu:.1f} |" for name, s in found.items()]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--datasets", type=int, default=2000)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-peers", action="store_true", help="leave reuse and dvc out")
    options = parser.parse_args()
    is_shared = hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5
    with tempfile.TemporaryDirectory(prefix="git-custody-datasets-", ignore_cleanup_errors=True) as place:
        bench = Bench(place, peers=False)
        jobs = [Job("python -c pass", (bench.python, "-c", "pass"), place)]
        for count in (SMALL, options.datasets):
            say(f"writing {count} datasets of {options.files} files")
            root = tree(bench, count, options.files)
            another = with_another(bench, root, count, options.files)
            jobs += jobs_in(bench, root, f"{count} datasets", another)
        say("measuring")
        found = interleaved(jobs, options.rounds, bench.environment)
        if not options.no_peers:
            found.update(peers(bench, root, options.datasets * options.files))
        about = (
            f"By `python3 benchmarks/datasets.py`: {SMALL} and {options.datasets} datasets of {options.files} files; "
            f"{os.cpu_count()} cores, {platform.system()} on {platform.machine()}, Python {platform.python_version()}"
            f"{', shared with other work: ratios are steadier than seconds' if is_shared else ''}."
        )
        text = page(found, found["python -c pass"], about)
    print(text)
    with open(os.path.join(CHECKOUT, "benchmarks", "datasets.md"), "w", encoding="utf-8") as file:
        file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
