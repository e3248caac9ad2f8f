"""What a report notes besides its findings: it blocks nothing, and has a name to ask `git custody explain` about."""

from __future__ import annotations

from typing import NamedTuple


class Note(NamedTuple):
    """One thing that may be noted. `says` is what the report says, `why` and `fix` are what `explain` adds."""

    name: str
    says: str
    why: str
    fix: str

    @property
    def line(self) -> str:
        """The note as a report shows it."""
        return f"{self.name}: {self.says}"


FIRST_POLICY = Note(
    "first-policy",
    "the base has no policy, so that of the head was used",
    "A range is judged by the policy of its base, so that no change can relax what it has to pass. The change that "
    "brings the first policy has none there, and is judged by its own.",
    "Nothing, where this change is the one that brings .custody/policy.yaml. Where it is not, the base is older than "
    "the policy: merge the branch that has it, or name another base.",
)
ASKS_MORE = Note(
    "policy-asks-more",
    "git custody check --all shows what the new policy asks of what is there already",
    "Before a commit and in a range only what changes is judged. What a stricter policy asks of data and models that "
    "stay as they are would show with the next edit of each.",
    "`git custody check --all` lists all of it; `git custody adopt` writes down what cannot be mended today.",
)
NOTES = (FIRST_POLICY, ASKS_MORE)
