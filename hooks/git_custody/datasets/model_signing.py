"""OpenSSF model signatures (`model.sig`), read and verified without the library that makes them.

A signature is a Sigstore bundle of version 0.3 around a DSSE envelope around an in-toto statement with the predicate
https://model_signing/signature/v1.0 (https://github.com/sigstore/model-transparency, and
https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md). Verified is the envelope's signature, by a key that
is known already. What a certificate authority or a transparency log (Fulcio, Rekor) says in the bundle is not.

The digest of the statement's subject leaves out the names of files, so that a signature of two files would hold for
the same two under each other's names. What counts here is the list of resources: names with digests.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.findings import CannotJudge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    from ..core.signers import Key

# Enough for some 20 000 files.
AT_MOST = 8 * 1024 * 1024
# What the library leaves out unless it is told otherwise (model_signing/hashing.py).
PASSED = (".git", ".gitignore", ".gitattributes", ".github")

_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"


class Unfit(Exception):
    """Why a signature does not hold, in words that follow its name."""


class Signed(NamedTuple):
    """What somebody signed: the name of the file or folder, and the sha256 (hex) of each file by its path from there
    (``.`` for a file that was signed by itself). `passed` are paths that were left out on purpose.
    """

    name: str
    resources: Mapping[str, str]
    passed: frozenset[str]


def verified(raw: bytes, keys: Iterable[Key]) -> Signed:
    """What one of `keys` has signed.

    Raises `Unfit` where none has, or where it cannot be told what was signed, and `CannotJudge` where the library
    `cryptography` is not installed.
    """
    bundle = _object(_parsed(raw), "the bundle", {"mediaType", "verificationMaterial", "dsseEnvelope"})
    if bundle["mediaType"] != _BUNDLE:
        raise Unfit("is no Sigstore bundle of version 0.3, the one that model-signing 1.0 and later write")
    envelope = _object(bundle["dsseEnvelope"], "its envelope", {"payload", "payloadType", "signatures"})
    if envelope["payloadType"] != _PAYLOAD:
        raise Unfit("signs something else than an in-toto statement")
    signatures = envelope["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise Unfit("has to have exactly one signature")
    one = _object(signatures[0], "its signature", {"sig"}, {"keyid"})
    if one.get("keyid", "") != "":
        raise Unfit("names a key by an id, which model-signing leaves empty")
    payload, signature = _bytes(envelope["payload"]), _bytes(one["sig"])
    signed = b"DSSEv1 %d %s %d %s" % (len(_PAYLOAD), _PAYLOAD.encode("ascii"), len(payload), payload)
    key = _signer(signed, signature, keys)
    _same_key(bundle["verificationMaterial"], key)
    return _statement(payload)


def _parsed(raw: bytes) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError
        return found

    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise Unfit("is not well-formed JSON") from None


def _object(value: Any, what: str, needed: set[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    """An object with exactly the fields that are known: what nobody reads could say anything."""
    if not isinstance(value, dict) or not needed <= set(value) or set(value) - needed - set(optional):
        raise Unfit(f"is not what model-signing writes: {what} has to hold {', '.join(sorted(needed))} and no more")
    return value


def _bytes(value: Any) -> bytes:
    import base64
    import binascii

    try:
        raw = base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError):
        raw = None
    if raw is None or base64.b64encode(raw).decode("ascii") != value:
        raise Unfit("holds a text that is not proper base64")
    return raw


# ---------------------------------------------------------------------- keys


def _signer(message: bytes, signature: bytes, keys: Iterable[Key]) -> EllipticCurvePublicKey:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_ssh_public_key
    except ImportError:
        raise CannotJudge(
            "verifying an OpenSSF model signature needs the extra signing: pip install 'git-custody[signing]' "
            "(in a hook's configuration: additional_dependencies: [cryptography])"
        ) from None
    import base64

    by_size = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
    usable = [key for key in keys if key.kind.startswith("ecdsa-sha2-nistp")]
    for key in usable:
        try:
            public = load_ssh_public_key(f"{key.kind} {base64.b64encode(key.blob).decode('ascii')}".encode("ascii"))
            if isinstance(public, ec.EllipticCurvePublicKey):
                public.verify(signature, message, ec.ECDSA(by_size[public.key_size]))
                return public
        except (InvalidSignature, ValueError, KeyError):  # noqa: PERF203
            continue
    if not usable:
        raise Unfit("cannot be by a listed signer: model-signing has keys on NIST curves, and none is listed")
    raise Unfit("is not by a listed key, or was changed since")


def _same_key(material: Any, key: EllipticCurvePublicKey) -> None:
    """Hold what the bundle says of its key against the key that did sign."""
    import hashlib

    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    kinds = {"publicKey", "certificate", "x509CertificateChain"}
    found = _object(material, "its verificationMaterial", set(), {*kinds, "tlogEntries", "timestampVerificationData"})
    if len(kinds & set(found)) != 1:
        raise Unfit("has to say by one key or certificate who signed")
    if "publicKey" in found:
        hint = _object(found["publicKey"], "its publicKey", {"hint"})["hint"]
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        if hint != hashlib.sha256(pem).hexdigest():
            raise Unfit("names another key than the one that signed")
        return
    chain = found.get("x509CertificateChain", {"certificates": [found.get("certificate")]})
    certificates = _object(chain, "its x509CertificateChain", {"certificates"})["certificates"]
    if not isinstance(certificates, list) or not certificates:
        raise Unfit("has no certificate")
    raw = _bytes(_object(certificates[0], "its certificate", {"rawBytes"})["rawBytes"])
    try:
        same = x509.load_der_x509_certificate(raw).public_key() == key
    except (ValueError, UnsupportedAlgorithm):
        same = False
    if not same:
        raise Unfit("has a certificate of another key than the one that signed")


# ---------------------------------------------------------------------- the statement


def _statement(payload: bytes) -> Signed:
    statement = _object(_parsed(payload), "its statement", {"_type", "subject", "predicateType", "predicate"})
    if (statement["_type"], statement["predicateType"]) != (_STATEMENT, _PREDICATE):
        raise Unfit(f"does not state {_PREDICATE}")
    predicate = statement["predicate"]
    how = predicate.get("serialization") if isinstance(predicate, dict) else None
    if not isinstance(how, dict) or (how.get("method"), how.get("hash_type")) != ("files", "sha256"):
        raise Unfit("is over other digests than the sha256 of each file: sign without options for hashing")
    resources = predicate.get("resources")
    found: dict[str, str] = {}
    for resource in resources if isinstance(resources, list) else ():
        entry = _object(resource, "each resource", {"name", "algorithm", "digest"})
        name, digest = entry["name"], entry["digest"]
        if not isinstance(name, str) or not isinstance(digest, str) or entry["algorithm"] != "sha256":
            raise Unfit("lists a resource without a name and a sha256")
        if name in found:
            raise Unfit(f"lists {name} twice")
        found[name] = digest
    subject = statement["subject"]
    if not isinstance(subject, list) or len(subject) != 1 or not isinstance(subject[0], dict):
        raise Unfit("has to have exactly one subject")
    passed = how.get("ignore_paths")
    left_out = frozenset(path for path in passed if path in PASSED) if isinstance(passed, list) else frozenset()
    return Signed(str(subject[0].get("name")), found, left_out)


def difference(signed: Signed, files: Mapping[str, str | None], others: Mapping[str, str | None]) -> str | None:
    """How what was signed differs from what is there, in words that follow the signature's name; None where it is that.

    `files` maps the path of each file of the dataset, from its folder, to the sha256 of its content; `others` is the
    same of files that may be signed along with it, such as its card.
    """
    for name, digest in signed.resources.items():
        here = files.get(name, others.get(name))
        if here is None:
            return f"lists {name}, which is not here"
        if here != digest:
            return f"is over another content of {name}: sha256 {digest[:12]}…, and here it is {here[:12]}…"
    for name in files:
        if name not in signed.resources and name.partition("/")[0] not in signed.passed:
            if name.rpartition("/")[2] not in signed.passed:
                return f"does not cover {name}"
    return None
