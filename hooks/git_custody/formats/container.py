"""What containers have in common: members to look at, and the limits that keep looking affordable."""

from __future__ import annotations

from typing import NamedTuple

from git_custody.core.content import Content

DEPTH_AT_MOST = 8
UNPACKED_AT_MOST = 256 * 1024 * 1024
TAILS_AT_MOST = 64 * 1024 * 1024
MEMBERS_AT_MOST = 200_000


class Member(NamedTuple):
    """One entry of a container. `obstacle` says, in plain words, why `content` may not be what it holds."""

    name: str
    content: Content
    obstacle: str | None = None


class Budget:
    """What one file may cost: bytes unpacked beyond each stream's beginning, and members looked at."""

    def __init__(self) -> None:
        self.unpacked = UNPACKED_AT_MOST
        self.tails = TAILS_AT_MOST
        self.members = MEMBERS_AT_MOST
