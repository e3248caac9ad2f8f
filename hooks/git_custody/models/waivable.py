"""Whether a pickle may have a waiver: only if the policy allows all names that it looks up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.case import as_pointer
from ..core.findings import Finding
from .examine import examine

if TYPE_CHECKING:
    from ..core.git import Entry, Git
    from ..core.policy import Policy


def refusal(git: Git, path: str, entry: Entry, policy: Policy) -> str:
    """Why no waiver of `pickle-weights` would help the file at `path`; "" where one would, or none is needed."""
    from ..forbid_pickle_weights import findings_for

    for blob in git.blobs([(entry.oid, True)]):
        content = blob.content
        if content is not None and (pointer := as_pointer(content)) is not None:
            content = git.lfs_object(pointer)
        if content is None:
            return ""
        for seen in examine(path, entry.oid, content, blob.sha256, thorough=True):
            for said in findings_for(seen, policy.pickles_globals):
                if isinstance(said, Finding) and said.beyond_waiver:
                    return said.message
    return ""
