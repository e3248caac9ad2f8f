"""ExecuTorch: programs for PyTorch's runtime on devices, which may hold native code for a delegate.

The layout is `executorch/schema/program.fbs` and bundled_program_schema.fbs; "ET12" and "BP08" stand where FlatBuffers
has its file identifier, and an extended header ("eh00") may follow.
"""

from __future__ import annotations

from collections.abc import Iterator

from git_custody.formats.flatbuffers import Reader
from git_custody.formats.reading import BrokenError, TooMuchError
from git_custody.formats.verdicts import CODE, MALFORMED, Member, Said, Scene

MARKS = (b"ET", b"BP")
PLANS, PLAN_DELEGATES, DELEGATE_ID = 1, 7, 0
DELEGATES_AT_MOST = 1_000  # that are looked at; a few are named


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Tell a program by its identifier and its root table, and name what it delegates to."""
    head, reader = scene.head, Reader(scene.content, scene.budget)
    if head[4:6] not in MARKS or not head[6:8].isdigit() or not reader.holds(int.from_bytes(head[:4], "little"), 4):
        return
    delegates: dict[str, None] = {}
    try:
        root = reader.root()
        if head[4:6] == b"ET":
            for plan in root.tables(PLANS):
                for delegate in plan.tables(PLAN_DELEGATES):
                    if len(delegates) < DELEGATES_AT_MOST:
                        delegates[delegate.text(DELEGATE_ID)[:200]] = None
    except (BrokenError, TooMuchError):
        yield Said(MALFORMED, "executorch", "a damaged file that is meant as a program for ExecuTorch's runtime")
        return
    evidence = f"delegates: {', '.join(sorted(delegates)[:10])}" if delegates else None
    yield Said(CODE, "executorch", "a program for ExecuTorch's runtime", None, evidence)
