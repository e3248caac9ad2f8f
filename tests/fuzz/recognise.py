"""Fuzzes the recogniser, guided by coverage: no exception, no hang, no memory without bound.

    python -m pip install atheris && python tests/fuzz/recognise.py [-max_total_time=SECONDS] [CORPUS_FOLDER]

Starts from the samples of tests/corpus.py and tests/negatives.py; what it finds on the way is kept in CORPUS_FOLDER, if
one is given. An input that raises, takes more than two seconds, or makes the process grow by more than 64 MB ends
the run and is written to a file. Options are libFuzzer's; without -max_total_time it runs until it is stopped.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import atheris

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent / "hooks")]

with atheris.instrument_imports(include=["git_custody"]):
    import importlib
    import pkgutil

    import git_custody.formats
    from git_custody.core.content import BytesContent
    from git_custody.formats.recognise import recognise

    for module in pkgutil.iter_modules(git_custody.formats.__path__):
        importlib.import_module(f"git_custody.formats.{module.name}")

# Names count for some formats; the first byte of an input chooses one.
NAMES = (
    "", "model.pt", "a.safetensors", "a.gguf", "a.onnx", "a.keras", "a.h5", "tokenizer_config.json", "a.jinja", "a.yaml",
    "saved_model.pb", "a.pb", "a.tflite", "a.mlmodel", "a.xml", "a.pmml", "a.ubj", "a.cbm", "a.skops", "schema.json",
    "a.t7", "a.json", "__model__", "a.engine", "a.npz",
)  # fmt: skip
SECONDS = 2.0
GROWTH = 64 * 1024  # KiB


def grown() -> int:
    """The most memory that this process has had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


START = 0


def one(data: bytes) -> None:
    if not data:
        return
    began = time.process_time()
    recognise(BytesContent(data[1:]), name=NAMES[data[0] % len(NAMES)])
    took = time.process_time() - began
    if took > SECONDS:
        raise AssertionError(f"{took:.1f} s for {len(data)} bytes")
    if grown() - START > GROWTH:
        raise AssertionError(f"memory has grown by {(grown() - START) // 1024} MB")


def seeds(folder: str) -> int:
    """Write the samples of the tests as a corpus to start from; the number of them."""
    from corpus import carriers
    from negatives import negatives

    samples = [sample.data for sample in (*carriers(), *negatives()) if len(sample.data) < 16 * 1024]
    for number, data in enumerate(samples):
        for name in (0, number % len(NAMES)):
            Path(folder, f"{number}-{name}").write_bytes(bytes([name]) + data)
    return len(samples)


def main() -> None:
    global START
    options = [word for word in sys.argv[1:] if word.startswith("-")]
    folders = [word for word in sys.argv[1:] if not word.startswith("-")]
    with tempfile.TemporaryDirectory(prefix="git-custody-fuzz-") as folder:
        print(f"{seeds(folder)} samples to start from")
        START = grown()
        # The interpreter, its instrumentation and the corpus come on top of what the recogniser may use.
        settings = ["-timeout=20", "-rss_limit_mb=1024", "-max_len=16384", f"-artifact_prefix={os.getcwd()}/"]
        atheris.Setup([sys.argv[0], *settings, *options, *folders, folder], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
