"""Datasets stay what they were: their paths have owners, and their signatures hold.

What it does
    Looks at each dataset that a change adds, edits, moves or re-describes (in CI, at all of them): whether
    CODEOWNERS names somebody for its path, for `.custody/` and for itself, as GitHub or GitLab reads it; and
    whether its signatures, SSH or OpenSSF model signatures, are of this content, by somebody who may sign. What
    git only names (Git LFS, DVC, git-annex) has to be written in its one form, to name its content by a hash
    that holds, and to lead nowhere else: docs/elsewhere.md.
    Everything is read from what is staged, or from the commits, never from the work tree.

Why
    LLMSVS 2.4 asks that datasets be secured from unauthorised modification once acquired. A digest in a card
    says what the data was; an owner says who has to agree before both are changed together, and a signature
    who stands for the content, wherever it is kept.

Good
    # .github/CODEOWNERS
    /data/     @example/data-stewards
    /.custody/ @example/data-stewards
    /.github/  @example/data-stewards
    # .custody/allowed_signers
    dataset,ada@example.org namespaces="git-custody-dataset" ssh-ed25519 AAAA…

Bad
    # .github/CODEOWNERS
    *.py @example/developers

How to fix
    Add the line that the message shows, with your owner in it. Sign what `git custody card show --statement
    PATH` prints, or the folder with model-signing: docs/integrity.md has the commands.

Limits
    That content equals its card is `digest-mismatch`, a rule of check-dataset-card at level 1. Whether owners
    are asked is set on the server. Signatures are verified offline, by listed keys: no certificate authority
    and no transparency log is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.case import Hook
from .datasets import elsewhere, protection, signatures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .core.case import Case, Said

RULES = (*protection.RULES, *signatures.RULES, *elsewhere.RULES)


def check(case: Case) -> Iterator[Said]:
    """Hold every dataset in question against what protects it."""
    yield from protection.check(case)
    yield from signatures.check(case)
    yield from elsewhere.check(case)


HOOK = Hook("check-dataset-integrity", "datasets have owners, and their signatures hold", 2, RULES, check)


def main() -> int:
    """The hook's program."""
    from .catalog import main_of

    return main_of(HOOK.id)


if __name__ == "__main__":
    raise SystemExit(main())
