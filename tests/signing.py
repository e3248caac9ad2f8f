"""Makes keys and signatures for tests: with ssh-keygen, and bundles as model-signing 1.1 writes them."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAMESPACE = "git-custody-dataset"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


def ssh_key(path: Path, kind: str = "ed25519") -> str:
    """Make a key pair; the public half, as allowed_signers has it."""
    subprocess.run(("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)), check=True)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def ssh_sign(path: Path, message: bytes, namespace: str = NAMESPACE) -> bytes:
    command = ("ssh-keygen", "-q", "-Y", "sign", "-f", str(path), "-n", namespace)
    return subprocess.run(command, input=message, capture_output=True, check=True).stdout


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class ModelSigner:
    """Signs as model-signing does with `sign key`."""

    def __init__(self, curve: ec.EllipticCurve | None = None) -> None:
        self.key = ec.generate_private_key(curve or ec.SECP256R1())
        self.hash: hashes.HashAlgorithm = {
            256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512(),
        }[self.key.key_size]  # fmt: skip

    @property
    def public(self) -> str:
        """The public key, as allowed_signers has it."""
        encoding, form = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        return self.key.public_key().public_bytes(encoding, form).decode("ascii")

    def hint(self) -> str:
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return sha256(self.key.public_key().public_bytes(encoding, form))

    def statement(self, name: str, files: Mapping[str, bytes], **serialization: Any) -> dict[str, Any]:
        rows = [{"name": path, "algorithm": "sha256", "digest": sha256(files[path])} for path in sorted(files)]
        root = sha256(b"".join(bytes.fromhex(row["digest"]) for row in rows))
        how = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": [], **serialization}
        return {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": name, "digest": {"sha256": root}}],
            "predicateType": "https://model_signing/signature/v1.0",
            "predicate": {"serialization": how, "resources": rows},
        }

    def bundle(self, statement: Mapping[str, Any], payload_type: str = PAYLOAD_TYPE) -> dict[str, Any]:
        payload = json.dumps(statement, indent=2).encode()
        message = b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)
        signature = self.key.sign(message, ec.ECDSA(self.hash))
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": self.hint()}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": payload_type,
                "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
            },
        }

    def sign(self, name: str, files: Mapping[str, bytes]) -> bytes:
        return json.dumps(self.bundle(self.statement(name, files)), separators=(",", ":")).encode()
