"""How many ordinary files are called dangerous? Runs the recogniser over a machine's own files.

    python benchmarks/ordinary_files.py [--most 100000] [--slow SECONDS] [DIRECTORY …]

Directories default to this interpreter's prefix and /usr. Every regular file with content is opened, each
content once; only `.pyc` and `.pyo` files are passed over: they are compiled Python, which is what "code" means.
What is called a pickle, code, malformed or opaque is listed with its path: libraries ship some true ones, as
test data, so whoever runs this judges the list.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "hooks"))

from git_custody.core.content import FileContent
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import SAFE, Verdict


def regular_files(directories: list[str]) -> Iterator[str]:
    """Walk the directories in a stable order."""
    for top in directories:
        for folder, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                if not name.endswith((".pyc", ".pyo")) and os.path.isfile(path) and not os.path.islink(path):
                    yield path


def digest_of(path: str) -> bytes:
    """What tells one file's content from another's."""
    with open(path, "rb") as file:
        whole = hashlib.blake2b(digest_size=16)
        while piece := file.read(1 << 20):
            whole.update(piece)
        return whole.digest()


def shown(verdict: Verdict) -> str:
    """One verdict in a line."""
    told = verdict.calls or verdict.imports
    parts = (verdict.member, verdict.format, verdict.what, told and f"calls {told}", verdict.evidence)
    return "; ".join(part for part in parts if part)


def main() -> int:
    """Run it; 1 where the recogniser raised an error."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directories", nargs="*", default=[sys.base_prefix, "/usr"])
    parser.add_argument("--most", type=int, default=1_000_000, help="files to look at")
    parser.add_argument("--slow", type=float, default=1.0, help="name files that take longer, in seconds of CPU")
    options = parser.parse_args()

    count = empty = twice = errors = 0
    seconds = 0.0
    flagged: Counter[str] = Counter()
    safe: Counter[str] = Counter()
    seen: set[bytes] = set()
    for path in regular_files(options.directories):
        if count >= options.most:
            break
        try:
            digest = digest_of(path)
            if digest in seen:
                twice += 1
                continue
            seen.add(digest)
            with open(path, "rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                if not size:
                    empty += 1
                    continue
                count += 1
                began = time.process_time()
                verdicts = recognise(FileContent(file, size), name=path)
                spent = time.process_time() - began
                seconds += spent
        except PermissionError:
            continue
        except Exception as error:
            errors += 1
            print(f"error     {path!r}: {type(error).__name__}: {error}", flush=True)
            continue
        if spent > options.slow:
            print(f"slow      {spent:.2f} s {path!r} ({size} bytes)", flush=True)
        safe.update({verdict.format for verdict in verdicts if verdict.kind == SAFE})
        dangerous = {verdict.kind: verdict for verdict in reversed(verdicts) if verdict.kind != SAFE}
        flagged.update(dangerous.keys())
        for kind, verdict in dangerous.items():
            print(f"{kind:9} {path!r} {shown(verdict)}", flush=True)
    told = ", ".join(f"{number} {kind}" for kind, number in sorted(flagged.items())) or "none"
    print(f"{count} files ({empty} empty ones and {twice} copies passed over), {seconds:.1f} s, {errors} errors")
    print(f"flagged: {told}")
    print("called safe: " + (", ".join(f"{number} {known}" for known, number in sorted(safe.items())) or "none"))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
