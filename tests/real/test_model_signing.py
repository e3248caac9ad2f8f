"""Signatures that OpenSSF's model-signing makes, verified without it: they hold, and stop to when a byte changes."""

from __future__ import annotations

import datetime
import importlib.util
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

signing = pytest.importorskip(
    "model_signing.signing", reason="pip install 'model-signing>=1.1' pyOpenSSL", exc_type=ImportError
)
hashing = pytest.importorskip("model_signing.hashing", exc_type=ImportError)
verifying = pytest.importorskip("model_signing.verifying", exc_type=ImportError)

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509.oid import NameOID  # noqa: E402

from git_custody.core.signers import keys  # noqa: E402
from git_custody.datasets.model_signing import Unfit, difference, verified  # noqa: E402
from signing import NAMESPACE, ModelSigner, sha256  # noqa: E402

NUMBERS = random.Random(5)
TODAY = datetime.date(2026, 12, 1)


class Signed:
    """A folder with a few files, and what signs it."""

    def __init__(self, folder: Path, curve: ec.EllipticCurve | None = None) -> None:
        self.signer = ModelSigner(curve)
        self.home = folder
        self.data = folder / "rows"
        for name in ("a.csv", "sub/b.csv", "sub/deep/c d.csv", ".gitattributes", "é.csv"):
            path = self.data / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name}\n")
        self.private = folder / "key.pem"
        key = self.signer.key
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        self.private.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
        public = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
        (folder / "key.pub").write_bytes(public)
        self.listed = keys(f"dataset {self.signer.public}\n".encode(), NAMESPACE, TODAY)

    def sign(self, path: Path) -> bytes:
        target = self.home / "made.sig"
        signing.Config().use_elliptic_key_signer(private_key=self.private).sign(path, target)
        return target.read_bytes()

    @property
    def files(self) -> dict[str, str | None]:
        paths = sorted(path for path in self.data.rglob("*") if path.is_file())
        return {path.relative_to(self.data).as_posix(): sha256(path.read_bytes()) for path in paths}

    def fault(self, raw: bytes, files: dict[str, str | None] | None = None) -> str | None:
        try:
            return difference(verified(raw, self.listed), self.files if files is None else files, {})
        except Unfit as unfit:
            return str(unfit)


@pytest.mark.parametrize("curve", [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1])
def test_what_the_library_signs_holds(tmp_path: Path, curve: Callable[[], ec.EllipticCurve]) -> None:
    made = Signed(tmp_path, curve())
    raw = made.sign(made.data)
    assert made.fault(raw) is None
    assert verified(raw, made.listed).name == "rows"
    alone = made.sign(made.data / "a.csv")
    assert made.fault(alone, {".": made.files["a.csv"]}) is None


def test_what_the_tests_make_is_what_the_library_takes(tmp_path: Path) -> None:
    made = Signed(tmp_path)
    files = {name: (made.data / name).read_bytes() for name in made.files}
    (tmp_path / "own.sig").write_bytes(made.signer.sign("rows", files))
    settings = hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False)
    config = verifying.Config().use_elliptic_key_verifier(public_key=tmp_path / "key.pub")
    config.set_hashing_config(settings).verify(made.data, tmp_path / "own.sig")


def test_every_byte_of_a_bundle_counts(tmp_path: Path) -> None:
    made = Signed(tmp_path)
    raw = made.sign(made.data)
    unnoticed = [
        (place, raw[max(0, place - 20) : place + 20], byte)
        for place in range(len(raw))
        for byte in {raw[place] ^ 1, raw[place] ^ 0x20, NUMBERS.randrange(256)} - {raw[place]}
        if made.fault(raw[:place] + bytes([byte]) + raw[place + 1 :]) is None
    ]
    assert unnoticed == []


def test_every_byte_of_the_data_counts(tmp_path: Path) -> None:
    made = Signed(tmp_path)
    raw = made.sign(made.data)
    for name in made.files:
        if name.endswith(".csv"):
            path = made.data / name
            whole = path.read_bytes()
            for place in range(len(whole)):
                path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
                assert "another content" in str(made.fault(raw))
            path.write_bytes(whole)
    assert made.fault(raw) is None


def test_names_count_although_the_root_digest_leaves_them_out(tmp_path: Path) -> None:
    made = Signed(tmp_path)
    raw = made.sign(made.data)
    (made.data / "a.csv").rename(made.data / "a2.csv")
    assert "lists a.csv" in str(made.fault(raw))


def test_a_certificate_counts_by_its_key(tmp_path: Path) -> None:
    made = Signed(tmp_path)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Lab")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    usage = x509.KeyUsage(True, *[False] * 8)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(made.signer.key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=900))
    certificate = builder.add_extension(usage, True).sign(made.signer.key, hashes.SHA256())
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    config = signing.Config().use_certificate_signer(
        private_key=made.private, signing_certificate=tmp_path / "cert.pem", certificate_chain=[tmp_path / "cert.pem"]
    )
    config.sign(made.data, tmp_path / "made.sig")
    raw = (tmp_path / "made.sig").read_bytes()
    assert made.fault(raw) is None
    other = keys(f"dataset {ModelSigner().public}\n".encode(), NAMESPACE, TODAY)
    with pytest.raises(Unfit, match="is not by a listed key"):
        verified(raw, other)


def test_shards_and_other_digests_are_refused(tmp_path: Path) -> None:
    made = Signed(tmp_path)
    for settings in (
        hashing.Config().use_shard_serialization(shard_size=4),
        hashing.Config().use_file_serialization(hashing_algorithm="blake2"),
    ):
        config = signing.Config().use_elliptic_key_signer(private_key=made.private).set_hashing_config(settings)
        config.sign(made.data, tmp_path / "made.sig")
        assert "other digests than the sha256" in str(made.fault((tmp_path / "made.sig").read_bytes()))


def repository(folder: Path) -> Any:
    """A `Repo` of the suite's own conftest, whose name the one beside this file has taken."""
    spec = importlib.util.spec_from_file_location("repositories", Path(__file__).parent.parent / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Repo(folder)


def test_the_commands_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A. Author")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "author@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    repo = repository(tmp_path / "repo")
    made = Signed(tmp_path)
    files = {f"data/rows/{n}.csv": f"id\n{n}\n" for n in range(3)}
    repo.commit({
        ".custody/policy.yaml": "version: 1\nlevel: 3\n", ".github/CODEOWNERS": "* @a\n",
        ".custody/allowed_signers": f'dataset,ada@example.org namespaces="{NAMESPACE}" {made.signer.public}\n', **files,
    })  # fmt: skip
    repo.custody("add", "--as-one", "--title", "Numbered rows", "--source-kind", "original", "--publisher", "Lab",
                 "--license", "CC0-1.0", "--reason", "first", "data/rows")  # fmt: skip

    def wrong() -> list[str]:
        return [f["rule"] for f in repo.check("--all").report["findings"] if f["rule"].endswith("-signature")]

    assert wrong() == ["missing-signature"]
    command = (
        sys.executable, "-m", "model_signing", "sign", "key", "data/rows", "--private_key", str(made.private),
        "--signature", "data/rows/model.sig", "--ignore-paths", "data/rows/datacard.yaml",
    )  # fmt: skip
    subprocess.run(command, cwd=repo.path, check=True, capture_output=True)
    repo.git("add", "data/rows/model.sig")
    assert wrong() == []
