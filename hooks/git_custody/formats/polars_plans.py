"""Query plans of Polars: what a plan leaves to Python is pickled in it, and is unpickled as soon as it is used.

``LazyFrame.serialize`` writes them (``crates/polars-plan/src/dsl/serializable_plan.rs``). Functions of columns have a
mark before the pickle (``polars-plan/src/dsl/python_dsl/python_udf.rs``), those of frames and sources the version of
Python (``polars-utils/src/python_function.rs``), as numbers of MessagePack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from git_custody.formats.verdicts import CODE, OPAQUE, Said, Scene

ID = "polars-plan"
# Each begins with a byte or two that are looked for at once: together they would take several times longer.
OF_PYTHON = (
    *map(re.compile, (rb"PLPYFN", rb"PLPYUDF", rb"\xacOpaquePython", rb"\xaaPythonScan")),
    re.compile(rb"\xcc\x80(?<=\x01[\x08-\x40][\0-\x7f]\xcc\x80)[\x02-\x08]\xcc\x95"),
)
BYTES_PER_STEP = 256
SEARCHED_AT_MOST = 256 * 1024 * 1024
WINDOW = 1024 * 1024
OVERLAP = 16


def inspect(scene: Scene) -> Iterator[Said]:
    """Look for a function of Python's."""
    for at in range(0, SEARCHED_AT_MOST, WINDOW):
        window = scene.content.read_at(at, WINDOW + OVERLAP)
        scene.budget.steps -= len(window) // BYTES_PER_STEP
        found = [match.start() for known in OF_PYTHON if (match := known.search(window)) is not None]
        if found:
            what = "a query plan of Polars with a Python function, which its reader unpickles"
            yield Said(CODE, ID, what, "pickle.loads", f"a Python function at byte {at + min(found)}")
            return
        if len(window) < WINDOW + OVERLAP:
            return
    yield Said(OPAQUE, ID, "a query plan of Polars that is too long to be looked into", forced=True)
