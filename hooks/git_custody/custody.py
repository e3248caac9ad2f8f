"""Everything that the policy's level asks for, in one process and with one read of git.

What it does
    Runs all hooks over the same change set: those rules whose level is at most the policy's, and the hooks
    that the policy lists under `also`. It is the hook to install, and what CI calls with `--range`.

Why
    Each hook that starts Python and asks git costs its share of every commit; one process pays it once.

How to fix
    Each finding names its rule; `git custody explain RULE` says more.
"""

from __future__ import annotations

import sys


def main() -> int:
    """The hook's program."""
    from .cli import main as command

    return command(["check", *sys.argv[1:]])


if __name__ == "__main__":
    raise SystemExit(main())
