"""ZODB's FileStorage (Data.fs), in which each object is two pickles: ZODB unpickles what it is asked for.

The layout is that of ``ZODB/FileStorage/format.py``: a mark, then transactions, whose length stands before and behind.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from git_custody.core.content import PartContent
from git_custody.formats.verdicts import Member, Scene

UNPICKLED = ("zodb", "an object in a ZODB database, which is a pickle")
TRANSACTION = struct.Struct(">8sQ1sHHH")  # id, length, status, lengths of user, description and extension
RECORD = struct.Struct(">8s8sQQHQ")  # object, transaction, places of both before, length of a version, length of data
STEPS_OF_EACH = 3


def inspect(scene: Scene) -> Iterator[Member]:
    """Hand out the objects of every transaction that is complete."""
    content = scene.content
    at = 4
    while len(header := content.read_at(at, TRANSACTION.size)) == TRANSACTION.size:
        scene.budget.steps -= STEPS_OF_EACH
        if scene.budget.steps < 0:
            return
        _, length, status, *texts = TRANSACTION.unpack(header)
        end = at + length
        begin = at + TRANSACTION.size + sum(texts)
        if status not in b" pu" or begin > end or content.read_at(end, 8) != header[8:16]:
            return
        if texts[2]:
            yield Member("transaction", PartContent(content, begin - texts[2], texts[2]), unpickled=UNPICKLED)
        while begin + RECORD.size <= end and scene.budget.steps >= 0:
            scene.budget.steps -= STEPS_OF_EACH
            name, _, _, _, version, size = RECORD.unpack(content.read_at(begin, RECORD.size))
            begin += RECORD.size + (8 + version if version else 0)
            if size:
                pickled = PartContent(content, begin, size)
                yield Member(f"object {int.from_bytes(name, 'big')}", pickled, unpickled=UNPICKLED)
            begin += size or 8  # else a reference to an earlier record
        at = end + 8
