"""How many ordinary files are called a pickle? Runs the recogniser over a machine's own files.

    python benchmarks/ordinary_files.py [--most 100000] [--slow SECONDS] [DIRECTORY …]

Directories default to this interpreter's prefix and /usr/share. Symlinks and empty files are skipped.
True pickles are named too: whoever runs this judges the list.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "hooks"))

from git_custody.core.content import FileContent
from git_custody.formats.recognise import recognise


def regular_files(directories: list[str]) -> Iterator[str]:
    """Walk the directories in a stable order."""
    for top in directories:
        for folder, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    yield path


def main() -> int:
    """Run it; 1 where the recogniser raised an error."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directories", nargs="*", default=[sys.base_prefix, "/usr/share"])
    parser.add_argument("--most", type=int, default=100_000, help="files to look at")
    parser.add_argument("--slow", type=float, default=1.0, help="name files that take longer, in seconds")
    options = parser.parse_args()

    count = empty = errors = 0
    seconds = 0.0
    kinds: Counter[str] = Counter()
    for path in regular_files(options.directories):
        if count >= options.most:
            break
        try:
            with open(path, "rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                if not size:
                    empty += 1
                    continue
                count += 1
                began = time.perf_counter()
                verdicts = recognise(FileContent(file, size), name=path)
                spent = time.perf_counter() - began
        except PermissionError:
            continue
        except Exception as error:
            errors += 1
            print(f"error    {path!r}: {type(error).__name__}: {error}")
            continue
        seconds += spent
        if spent > options.slow:
            print(f"slow     {spent:.2f} s {path!r} ({size} bytes)")
        for kind in {verdict.kind for verdict in verdicts}:
            kinds[kind] += 1
        for verdict in verdicts:
            if verdict.kind == "pickle":
                told = verdict.calls or verdict.imports or "calls nothing"
                print(f"pickle   {path!r} {verdict.member or ''} {verdict.what}; {told}")
                break
    flagged = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())) or "none"
    print(f"{count} files ({empty} empty ones skipped): flagged {flagged}; {errors} errors; {seconds:.1f} s")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
