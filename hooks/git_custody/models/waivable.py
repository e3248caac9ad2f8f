"""Whether a pickle may have a waiver: only if the policy allows all names that it looks up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.case import as_pointer
from ..core.findings import Finding
from .examine import examine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.git import Git
    from ..core.policy import Policy
    from ..core.trees import Entry
    from .examine import Examined


def refusal(git: Git, path: str, entry: Entry, policy: Policy) -> str:
    """Why no waiver of `pickle-weights` would help the file at `path`; "" where one would, or none is needed."""
    from ..forbid_pickle_weights import findings_for

    for seen in _examined(git, path, entry):
        for said in findings_for(seen, policy.pickles_globals):
            if isinstance(said, Finding) and said.beyond_waiver:
                return said.message
    return ""


def _examined(git: Git, path: str, entry: Entry) -> Iterator[Examined]:
    from ..core.stores import kept_in

    for blob in git.blobs([(entry.oid, True)]):
        content = blob.content
        if content is not None and (pointer := as_pointer(content)) is not None:
            content = git.lfs_object(pointer)
        if content is None:
            return
        yield from examine(path, entry.oid, content, blob.sha256, thorough=True)
        for kept in kept_in(path, content) or ():
            for name, behind in git.stores.contents(kept):
                if behind is not None:
                    yield from examine(path, entry.oid, behind, thorough=True, kept=kept._replace(name=name))
