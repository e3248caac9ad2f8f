"""Guards against hangs and floods, for tests of hostile input."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

SLOWEST = 10


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail when the block needs far more than what it needs on a quiet machine.

    Ten times the CPU seconds are allowed: a loaded machine, coverage and an old Python together cost five, while what is
    looked for here, work that grows out of bounds, costs hundreds. How fast something is, benchmarks/ say.
    """
    began = time.process_time()
    yield
    took = time.process_time() - began
    assert took < seconds * SLOWEST, f"{took:.1f} s of CPU time where {seconds} s are usual"


@contextmanager
def keeping_below(most: int, what: str = "") -> Iterator[None]:
    """Fail when Python allocates `most` bytes or more at one time within the block, which takes several times as long."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most, f"{what} {peak} bytes".lstrip()
