"""`.custody/allowed_signers`: the keys of those who may sign for a role, as ssh-keygen(1) reads them.

A line starts with the principals, separated by commas; a role is one of them, written out:
``policy,alice@example.org namespaces="git" ssh-ed25519 AAAA…``
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .findings import CannotJudge

if TYPE_CHECKING:
    from datetime import date

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


class SshSignature(NamedTuple):
    """What an SSH signature says of itself: the public key that made it, as SSH encodes one, and what it is for."""

    key: bytes
    namespace: str


def read_ssh_signature(armoured: bytes) -> SshSignature | None:
    """The SSH signature that a file holds (PROTOCOL.sshsig of OpenSSH); None where it is not one of version 1."""
    found = re.fullmatch(
        rb"\s*-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END SSH SIGNATURE-----\s*", armoured
    )
    raw = _decoded(found[1].replace(b"\r", b"").replace(b"\n", b"")) if found else None
    if raw is None or raw[:10] != b"SSHSIG\0\0\0\1":
        return None
    key, at = _field(raw, 10)
    namespace, _ = _field(raw, at)
    if key is None or namespace is None:
        return None
    return SshSignature(key, namespace.decode("utf-8", "replace"))


def _field(raw: bytes, at: int) -> tuple[bytes | None, int]:
    length = int.from_bytes(raw[at : at + 4], "big")
    end = at + 4 + length
    return (raw[at + 4 : end] if end <= len(raw) else None), end


def _decoded(text: bytes) -> bytes | None:
    import base64
    import binascii

    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw) == text else None  # bits that nobody reads must not differ


class Key(NamedTuple):
    """A public key of allowed_signers: its kind, such as ``ssh-ed25519``, and the key as SSH encodes one."""

    kind: str
    blob: bytes


def keys(data: bytes, namespace: str, today: date) -> list[Key]:
    """The keys of an allowed_signers file that may sign for a namespace on a day.

    What an option leaves open counts as not allowed: patterns of namespaces other than ``*``, and unknown options.
    """
    found = []
    for line in lines(data):
        words = re.findall(rb'(?:"[^"]*"|[^\s"])+', line)
        place = 1 if len(words) > 2 and re.fullmatch(_KIND, words[1]) else 2
        if len(words) < place + 2 or not re.fullmatch(_KIND, words[place]):
            continue
        options = words[1] if place == 2 else b""
        blob = _decoded(words[place + 1])
        if blob is not None and _may(options.decode("utf-8", "replace"), namespace, today):
            found.append(Key(words[place].decode("ascii"), blob))
    return found


_KIND = rb"(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp(?:256|384|521)|sk-[a-z0-9-]+@openssh\.com)"


def _may(options: str, namespace: str, today: date) -> bool:
    day = today.strftime("%Y%m%d")
    if not re.fullmatch(r'(?:[A-Za-z-]+(?:="[^"]*")?(?:,(?!$)|$))*', options):
        return False
    for name, value in re.findall(r'([a-z-]+)(?:="([^"]*)")?(?:,|$)', options.lower()):
        if name == "namespaces":
            if not {"*", namespace} & set(value.split(",")):
                return False
        elif name == "valid-after":
            if not value[:8].isdigit() or day < value[:8]:
                return False
        elif name == "valid-before":
            if not value[:8].isdigit() or day >= value[:8]:
                return False
        else:
            return False
    return True


def verifies(message: bytes, signature: bytes, allowed: bytes, role: str, namespace: str) -> bool:
    """Whether an SSH signature of a message is good, by one of the `allowed` signers of a role, for a namespace.

    Raises `CannotJudge` when there is no ssh-keygen, or it does not answer.
    """
    import os
    import subprocess
    import tempfile

    from .programs import find_program

    program = find_program("ssh-keygen")
    if program is None:
        raise CannotJudge("ssh-keygen was not found on the PATH, and is needed to verify a signature: install OpenSSH")
    with tempfile.TemporaryDirectory(prefix="git-custody-") as scratch:
        for name, data in (("allowed_signers", allowed), ("signature", signature)):
            with open(os.path.join(scratch, name), "wb") as file:
                file.write(data)
        command = (program, "-Y", "verify", "-f", "allowed_signers", "-I", role, "-n", namespace, "-s", "signature")
        try:
            done = subprocess.run(command, cwd=scratch, input=message, capture_output=True, timeout=60, check=False)
        except (OSError, subprocess.TimeoutExpired):
            raise CannotJudge("ssh-keygen did not answer, so that a signature could not be verified") from None
    return done.returncode == 0
