"""`.custody/allowed_signers`: the keys of those who may sign for a role, as ssh-keygen(1) reads them.

A line starts with the principals, separated by commas; a role is one of them, written out:
``policy,alice@example.org namespaces="git" ssh-ed25519 AAAA…``
"""

from __future__ import annotations

SIGNERS = ".custody/allowed_signers"


def lines(data: bytes) -> list[bytes]:
    """The lines that name somebody, without comments and surrounding space."""
    found = (line.strip() for line in data.split(b"\n"))
    return [line for line in found if line and not line.startswith(b"#")]


def for_role(data: bytes, role: str) -> bytes:
    """The lines for one role, as a file of their own; empty when there are none.

    Patterns (``*``) and negations do not stand for a role; an authority that can name anybody is left out.
    """
    name = role.encode("ascii")
    chosen = []
    for line in lines(data):
        words = line.split(None, 1)
        principals = words[0].strip(b'"').split(b",")
        options = words[1].lower() if len(words) == 2 else b""
        if name in principals and not any(p.startswith(b"!") for p in principals) and b"cert-authority" not in options:
            chosen.append(line + b"\n")
    return b"".join(chosen)
