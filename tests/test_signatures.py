"""Signatures of datasets: SSH and OpenSSF model signatures, on real repositories with real keys."""

from __future__ import annotations

import json
import os
import random
import shlex
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import ROWS, Repo, documented
from git_custody.core.pages import page
from git_custody.core.signers import keys, read_ssh_signature, verifies
from git_custody.datasets.model_signing import Unfit, difference, verified
from signing import NAMESPACE, ModelSigner, sha256, ssh_key, ssh_sign

OWNERS = "* @example/stewards\n"
SIGNERS = ".custody/allowed_signers"
PATH = "data/rows.csv"
STATEMENT = f"rows sha256:{sha256(ROWS.encode())}\n".encode()


class Keys(NamedTuple):
    ours: Path
    public: str
    theirs: Path


@pytest.fixture
def ssh(tmp_path: Path) -> Keys:
    public = ssh_key(tmp_path / "ours")
    ssh_key(tmp_path / "theirs")
    return Keys(tmp_path / "ours", public, tmp_path / "theirs")


def line(public: str, options: str = f'namespaces="{NAMESPACE}" ', role: str = "dataset") -> str:
    return f"{role},ada@example.org {options}{public}\n"


def base(repo: Repo, signers: str, level: int = 3) -> None:
    repo.commit({
        **documented(PATH), ".custody/policy.yaml": f"version: 1\nlevel: {level}\n", ".github/CODEOWNERS": OWNERS,
        SIGNERS: signers,
    })  # fmt: skip


def said(repo: Repo, *words: str) -> list[tuple[str, str]]:
    """(rule, message) of what is said about signatures"""
    report = repo.check(*words).report
    assert report["errors"] == []
    return [(f["rule"], f["message"]) for f in report["findings"] if f["rule"].endswith("-signature")]


def stage_signature(repo: Repo, signature: bytes, path: str = f"{PATH}.sig") -> list[tuple[str, str]]:
    repo.stage({path: signature})
    return said(repo)


# ---------------------------------------------------------------------- SSH


def test_a_signature_is_asked_for_at_level_3_alone(repo: Repo, ssh: Keys) -> None:
    base(repo, line(ssh.public))
    assert said(repo, "--all") == [("missing-signature", "nobody has signed this dataset")]
    (found,) = (f["found"] for f in repo.check("--all").report["findings"] if f["rule"] == "missing-signature")
    assert ".custody/allowed_signers says whose key may sign" in found
    assert page("integrity") in found
    repo.commit({".custody/policy.yaml": "version: 1\nlevel: 2\n"})
    assert said(repo, "--all") == []


def test_the_documented_commands_make_a_good_signature(repo: Repo, ssh: Keys) -> None:
    base(repo, line(ssh.public))
    printed = repo.custody("card", "show", "--statement", PATH)
    assert printed == (0, STATEMENT.decode(), "")
    assert stage_signature(repo, ssh_sign(ssh.ours, printed.out.encode())) == []
    assert said(repo, "--all") == []
    repo.git("branch", "base", "HEAD")
    repo.commit()
    assert said(repo, "--range", "base...HEAD") == []
    repo.stage(documented(PATH, ROWS + "21,more\n"))
    ((rule, message),) = said(repo)
    assert (rule, message) == ("invalid-signature", "this signature is over another content, or of another dataset")
    repo.stage({PATH: ROWS + "22,even more\n"})
    assert said(repo) == []  # digest-mismatch comes first
    assert repo.custody("card", "show", "--statement", PATH).code == 2


def pasted(repo: Repo, found: dict[str, Any], key: Path, cwd: str = ".") -> None:
    """What a user does with the fix of a finding."""
    for command in found["fix"]:
        words = command.replace("KEY", shlex.quote(str(key)))
        subprocess.run(["sh", "-ec", words], cwd=repo.path / cwd, check=True, capture_output=True)


@pytest.mark.parametrize("path", [PATH, "data/more rows; 'all'.csv", "data/d"])
@pytest.mark.skipif(os.name == "nt", reason="the commands are for a POSIX shell")
def test_the_printed_commands_sign(repo: Repo, ssh: Keys, path: str) -> None:
    base(repo, line(ssh.public))
    repo.commit({f"{PATH}.sig": ssh_sign(ssh.ours, STATEMENT)})
    words = (
        "--title",
        "More rows",
        "--source-kind",
        "original",
        "--license",
        "CC-BY-4.0",
        "--publisher",
        "Example Lab",
    )
    if path == PATH:
        repo.git("rm", "-q", f"{PATH}.sig")
    else:
        names = ("data/d/a.txt", "data/d/b.txt") if path == "data/d" else (path,)
        repo.stage(dict.fromkeys(names, "1\n"))
        repo.custody("add", *(["--as-one"] if path == "data/d" else []), *words, path)
    (found,) = (f for f in repo.check().report["findings"] if f["rule"] == "missing-signature")
    pasted(repo, found, ssh.theirs)
    (found,) = (f for f in repo.check().report["findings"] if f["rule"].endswith("-signature"))
    assert found["rule"] == "invalid-signature"
    pasted(repo, found, ssh.ours)
    assert said(repo) == []


def test_taking_a_signature_away_is_seen(repo: Repo, ssh: Keys) -> None:
    base(repo, line(ssh.public))
    repo.commit({f"{PATH}.sig": ssh_sign(ssh.ours, STATEMENT)})
    repo.git("rm", "-q", f"{PATH}.sig")
    assert [rule for rule, _ in said(repo)] == ["missing-signature"]


@pytest.mark.parametrize("how", ["deleted", "moved", "left behind", "openpgp", "edited", "kept"])
def test_taking_away_what_level_2_does_not_ask_for_is_seen(repo: Repo, ssh: Keys, how: str) -> None:
    base(repo, line(ssh.public), level=2)
    start = repo.commit({f"{PATH}.sig": ssh_sign(ssh.ours, STATEMENT)})
    assert said(repo, "--all") == []
    if how in ("moved", "left behind"):
        repo.custody("card", "mv", "--reason", "a better name", PATH, "data/lines.csv")
        repo.git("mv", "-f", "data/lines.csv.sig", f"{PATH}.sig")
    if how == "openpgp":
        repo.stage({f"{PATH}.sig": b"-----BEGIN PGP SIGNATURE-----\n"})
    elif how == "kept":
        repo.git("mv", f"{PATH}.sig", f"{PATH}.sigstore.json")
    elif how != "left behind":
        repo.git("rm", "-q", f"{PATH}.sig")
    if how == "edited":
        repo.stage(documented(PATH, ROWS + "21,more\n"))
    rules = [] if how == "kept" else ["removed-signature"]
    assert [rule for rule, _ in said(repo)] == rules
    repo.commit()
    assert [rule for rule, _ in said(repo, "--range", f"{start}...HEAD")] == rules


def test_data_may_leave_with_their_signature(repo: Repo, ssh: Keys) -> None:
    base(repo, line(ssh.public), level=2)
    repo.commit({f"{PATH}.sig": ssh_sign(ssh.ours, STATEMENT)})
    repo.git("rm", "-q", f"{PATH}.sig", PATH, f"{PATH}.datacard.yaml")
    assert said(repo) == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda k: ssh_sign(k.theirs, STATEMENT), "does not list for dataset"),
        (lambda k: ssh_sign(k.ours, STATEMENT, "git"), 'is for "git"'),
        (lambda k: ssh_sign(k.ours, STATEMENT.replace(b"rows", b"cols")), "another content, or of another dataset"),
        (lambda k: ssh_sign(k.ours, STATEMENT.rstrip()), "another content"),
        (lambda k: b"signed, really\n", "neither an SSH signature nor"),
        (lambda k: b"", "neither an SSH signature nor"),
        (lambda k: b"{}", "is not what model-signing writes"),
        (lambda k: b"{" * 100_000, "not well-formed JSON"),
        (lambda k: b"version https://git-lfs.github.com/spec/v1\n", "neither an SSH"),
    ],
)  # fmt: skip
def test_signatures_that_do_not_hold(repo: Repo, ssh: Keys, make: Callable[[Keys], bytes], words: str) -> None:
    base(repo, line(ssh.public), level=2)
    ((rule, message),) = stage_signature(repo, make(ssh))
    assert rule == "invalid-signature"
    assert words in message


@pytest.mark.parametrize(
    "signers",
    ["", "# nobody\n", 'policy {o} {k}\n', "*,!eve dataset {k}\n", "dataset,!dataset {k}\n", "dataset cert-authority {k}\n",
     'dataset namespaces="git" {k}\n', 'dataset valid-before="20200101" {k}\n', 'dataset valid-after="29990101" {k}\n',
     'dataset namespaces="git-*" {k}\n', "dataset no-touch-required,unknown {k}\n"],
)  # fmt: skip
def test_who_is_not_listed_may_not_sign(repo: Repo, ssh: Keys, signers: str) -> None:
    base(repo, signers.replace("{k}", ssh.public).replace("{o} ", ""), level=2)
    ((rule, message),) = stage_signature(repo, ssh_sign(ssh.ours, STATEMENT))
    assert rule == "invalid-signature"
    assert "is by " in message


@pytest.mark.parametrize("options", ["", 'namespaces="git,git-custody-dataset" ', 'valid-after="20200101" '])
def test_options_that_leave_a_key_in_force(repo: Repo, ssh: Keys, options: str) -> None:
    base(repo, line(ssh.public, options), level=2)
    assert stage_signature(repo, ssh_sign(ssh.ours, STATEMENT)) == []


def test_a_range_takes_its_signers_from_the_base(repo: Repo, ssh: Keys) -> None:
    base(repo, "", level=2)
    repo.git("branch", "base")
    repo.commit({SIGNERS: line(ssh.public), f"{PATH}.sig": ssh_sign(ssh.ours, STATEMENT)})
    assert said(repo, "--all") == []
    ((rule, message),) = said(repo, "--range", "base...HEAD")
    assert rule == "invalid-signature"
    assert "lists for dataset in this range, but not at its base" in message
    assert "merge that line in a change of its own first" in message
    assert not any("fix" in f for f in repo.check("--range", "base...HEAD").report["findings"] if f["rule"] == rule)
    repo.stage({f"{PATH}.sig": ssh_sign(ssh.theirs, STATEMENT)})
    repo.commit()
    ((rule, message),) = said(repo, "--range", "base...HEAD")
    assert "lists no key for dataset" in message


def test_a_folder_is_signed_by_its_digest(repo: Repo, ssh: Keys) -> None:
    base(repo, line(ssh.public))
    repo.commit({f"{PATH}.sig": ssh_sign(ssh.ours, STATEMENT)})
    repo.stage({f"data/big/{n}.csv": ROWS for n in range(3)})
    repo.custody("add", "--as-one", "--title", "Big rows", "--source-kind", "original", "--publisher", "Lab",
                 "--license", "CC0-1.0", "--reason", "the first rows", "data/big")  # fmt: skip
    statement = repo.custody("card", "show", "--statement", "data/big").out
    assert statement.split(":")[0].endswith(" dirHash")
    assert [rule for rule, _ in said(repo)] == ["missing-signature"]
    assert stage_signature(repo, ssh_sign(ssh.ours, statement.encode()), "data/big/model.sig") == []
    repo.git("mv", "data/big/1.csv", "data/big/one.csv")
    repo.custody("add", "--reason", "a better name", "data/big")
    assert [rule for rule, _ in said(repo)] == ["invalid-signature"]


def test_content_is_not_needed(repo: Repo, ssh: Keys) -> None:
    base(repo, line(ssh.public))
    digest = sha256(b"far away")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize 8\n"
    card = documented("data/far.csv", id="far", title="Far away")["data/far.csv.datacard.yaml"]
    own = str(card).replace(sha256(ROWS.encode()), digest)
    repo.stage({"data/far.csv": pointer, "data/far.csv.datacard.yaml": own})
    good = ssh_sign(ssh.ours, f"far sha256:{digest}\n".encode())
    assert stage_signature(repo, good, "data/far.csv.sig") == []


def test_an_openpgp_signature_is_not_judged_and_not_enough_at_level_3(repo: Repo, ssh: Keys) -> None:
    base(repo, line(ssh.public), level=2)
    repo.stage({f"{PATH}.sig": "-----BEGIN PGP SIGNATURE-----\n"})
    report = repo.check().report
    assert [item["path"] for item in report["not_judged"]] == [f"{PATH}.sig"]
    repo.stage({".custody/policy.yaml": "version: 1\nlevel: 3\n"})
    assert [rule for rule, _ in said(repo)] == ["missing-signature"]


def test_without_ssh_keygen_nothing_passes(repo: Repo, ssh: Keys, tmp_path: Path) -> None:
    base(repo, line(ssh.public), level=2)
    repo.stage({f"{PATH}.sig": ssh_sign(ssh.ours, STATEMENT)})
    (tmp_path / "bin").mkdir()
    where = subprocess.run(("git", "--exec-path"), capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "bin" / "git").symlink_to(Path(where) / "git")
    verdict = repo.check(env={"PATH": str(tmp_path / "bin")})
    assert "ssh-keygen was not found" in verdict.refusal


def test_a_card_takes_its_signature_along(repo: Repo, ssh: Keys) -> None:
    base(repo, line(ssh.public))
    repo.commit({f"{PATH}.sig": ssh_sign(ssh.ours, STATEMENT)})
    moved = repo.custody("card", "mv", "--reason", "a better name", PATH, "data/lines.csv")
    assert f"moved    {PATH}.sig to data/lines.csv.sig" in moved.out
    assert said(repo) == []
    assert (repo.path / "data/lines.csv.sig").is_file()


def test_add_takes_the_signature_of_moved_data_along(repo: Repo, ssh: Keys) -> None:
    base(repo, line(ssh.public))
    repo.commit({f"{PATH}.sig": ssh_sign(ssh.ours, STATEMENT)})
    repo.git("mv", PATH, "data/lines.csv")
    repo.custody("add", "--reason", "a better name", "data/lines.csv")
    assert repo.git("ls-files", "data").split() == [f"data/lines.csv{end}" for end in ("", ".datacard.yaml", ".sig")]
    assert said(repo) == []


def test_add_takes_the_signature_of_data_away_with_them(repo: Repo, ssh: Keys) -> None:
    base(repo, line(ssh.public))
    repo.commit({f"{PATH}.sig": ssh_sign(ssh.ours, STATEMENT)})
    repo.git("rm", "-q", PATH)
    repo.custody("add", "--reason", "no longer needed", PATH)
    assert repo.git("ls-files", "data") == ""
    assert said(repo) == []


def test_an_ssh_signature_whose_bytes_change_does_not_hold(ssh: Keys) -> None:
    raw = ssh_sign(ssh.ours, STATEMENT)
    allowed = line(ssh.public).encode()
    assert verifies(STATEMENT, raw, allowed, "dataset", NAMESPACE)
    start, end = raw.index(b"\n") + 1, raw.rindex(b"\n-----END")
    for place in random.Random(7).sample([n for n in range(start, end) if raw[n : n + 1] not in b"\n="], 40):
        byte = b"B" if raw[place : place + 1] == b"A" else b"A"
        changed = raw[:place] + byte + raw[place + 1 :]
        found = read_ssh_signature(changed)
        assert found is None or not verifies(STATEMENT, changed, allowed, "dataset", NAMESPACE)
    assert not verifies(STATEMENT + b"\n", raw, allowed, "dataset", NAMESPACE)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_bytes_make_the_readers_fail(data: bytes) -> None:
    assert read_ssh_signature(data) is None
    keys(b"dataset " + data, NAMESPACE, date(2026, 12, 1))
    with pytest.raises(Unfit):
        verified(data, [])


# ---------------------------------------------------------------------- OpenSSF model signatures

FILES = {"a.csv": b"a,b\n1,2\n", "sub/b.csv": b"x\n"}


def listed(*signers: ModelSigner) -> bytes:
    return "".join(line(signer.public) for signer in signers).encode()


def hold(raw: bytes, signers: bytes, files: dict[str, bytes] = FILES) -> str | None:
    """What is wrong with a bundle, None where it holds for the files."""
    try:
        signed = verified(raw, keys(signers, NAMESPACE, date(2026, 12, 1)))
    except Unfit as fault:
        return str(fault)
    return difference(signed, {name: sha256(data) for name, data in files.items()}, {"card": sha256(b"card")})


@pytest.mark.parametrize("curve", ["SECP256R1", "SECP384R1", "SECP521R1"])
def test_bundles_of_every_curve_hold(curve: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    signer, other = ModelSigner(getattr(ec, curve)()), ModelSigner()
    raw = signer.sign("data", FILES)
    assert hold(raw, listed(other, signer)) is None
    assert "is not by a listed key" in str(hold(raw, listed(other)))
    assert "none is listed" in str(hold(raw, b""))
    assert hold(signer.sign("data", {**FILES, "card": b"card"}), listed(signer)) is None


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.csv": b"a,b\n1,3\n", "sub/b.csv": b"x\n"}, "another content of a.csv"),
        ({"a.csv": FILES["a.csv"]}, "lists sub/b.csv, which is not here"),
        ({**FILES, "c.csv": b""}, "does not cover c.csv"),
        ({"b.csv": FILES["a.csv"], "sub/b.csv": b"x\n"}, "lists a.csv, which is not here"),
        ({"a.csv": FILES["sub/b.csv"], "sub/b.csv": FILES["a.csv"]}, "another content of a.csv"),
        ({**FILES, ".gitattributes": b""}, "does not cover .gitattributes"),
    ],
)
def test_names_and_digests_have_to_be_those_that_were_signed(files: dict[str, bytes], words: str) -> None:
    signer = ModelSigner()
    assert words in str(hold(signer.sign("data", FILES), listed(signer), files))


def test_what_the_library_leaves_out_may_be_left_out_and_nothing_else() -> None:
    signer = ModelSigner()
    statement = signer.statement("data", FILES, ignore_paths=[".gitattributes", ".github", "secret.csv"])
    raw = json.dumps(signer.bundle(statement)).encode()
    assert hold(raw, listed(signer), {**FILES, ".gitattributes": b"", "sub/.gitattributes": b""}) is None
    assert "does not cover secret.csv" in str(hold(raw, listed(signer), {**FILES, "secret.csv": b""}))


def changed(bundle: dict[str, Any], **parts: Any) -> bytes:
    return json.dumps({**bundle, **parts}).encode()


def test_bundles_that_say_something_else() -> None:
    signer = ModelSigner()
    statement = signer.statement("data", FILES)
    bundle = signer.bundle(statement)
    envelope = bundle["dsseEnvelope"]
    twice = {**statement["predicate"], "resources": statement["predicate"]["resources"] * 2}
    shards = signer.statement("data", FILES, method="shards", shard_size=10)
    wrong = [
        (changed(bundle, mediaType="application/vnd.dev.sigstore.bundle.v0.2+json"), "no Sigstore bundle"),
        (changed(bundle, more=1), "and no more"),
        (changed(bundle, dsseEnvelope={**envelope, "signatures": envelope["signatures"] * 2}), "exactly one signature"),
        (changed(bundle, dsseEnvelope={**envelope, "payload": envelope["payload"] + "="}), "proper base64"),
        (changed(bundle, verificationMaterial={"publicKey": {"hint": "0" * 64}, "tlogEntries": []}), "another key"),
        (changed(bundle, verificationMaterial={"tlogEntries": []}), "one key or certificate"),
        (changed(bundle, verificationMaterial={"certificate": {"rawBytes": "AAAA"}}), "a certificate of another key"),
        (changed(signer.bundle(statement, "text/plain")), "something else than an in-toto statement"),
        (changed(signer.bundle({**statement, "predicateType": "https://slsa.dev/provenance/v1"})), "does not state"),
        (changed(signer.bundle({**statement, "predicate": twice})), "lists a.csv twice"),
        (changed(signer.bundle(shards)), "other digests than the sha256"),
        (b'{"mediaType":1,"mediaType":2}', "not well-formed"),
    ]
    for raw, words in wrong:
        assert words in str(hold(raw, listed(signer))), raw[:200]


def test_every_single_byte_that_changes_is_found() -> None:
    signer = ModelSigner()
    raw = signer.sign("data", FILES)
    assert hold(raw, listed(signer)) is None
    unnoticed = [
        (place, byte)
        for place in range(len(raw))
        for byte in (raw[place] ^ 1, raw[place] ^ 4, raw[place] ^ 0x20, 0x20, 0x0A)
        if byte != raw[place] and hold(raw[:place] + bytes([byte]) + raw[place + 1 :], listed(signer)) is None
    ]
    assert unnoticed == []


def test_a_model_signature_of_a_folder_and_of_a_file(repo: Repo, ssh: Keys) -> None:
    signer = ModelSigner()
    base(repo, line(ssh.public) + line(signer.public))
    alone = {".": ROWS.encode()}
    assert stage_signature(repo, signer.sign("rows.csv", alone), f"{PATH}.sigstore.json") == []
    ((_, message),) = stage_signature(repo, signer.sign("other.csv", alone), f"{PATH}.sigstore.json")
    assert message == "this signature is of other.csv, and this is rows.csv"
    repo.commit({f"{PATH}.sigstore.json": signer.sign("rows.csv", alone)})
    repo.stage({f"data/big/{n}.csv": ROWS for n in range(3)})
    repo.custody("add", "--as-one", "--title", "Big rows", "--source-kind", "original", "--publisher", "Lab",
                 "--license", "CC0-1.0", "--reason", "the first rows", "data/big")  # fmt: skip
    files = {f"{n}.csv": ROWS.encode() for n in range(3)}
    assert stage_signature(repo, signer.sign("big", files), "data/big/model.sig") == []
    card = (repo.path / "data/big/datacard.yaml").read_bytes()
    assert stage_signature(repo, signer.sign("big", {**files, "datacard.yaml": card}), "data/big/model.sig") == []
    assert said(repo, "--all") == []
    ((rule, message),) = stage_signature(repo, signer.sign("big", {"0.csv": ROWS.encode()}), "data/big/model.sig")
    assert (rule, message) == ("invalid-signature", "this signature does not cover 1.csv")
    (found,) = (f for f in repo.check().report["findings"] if f["rule"] == rule)
    assert found["fix"] == [
        "model_signing sign key data/big --private_key KEY --signature data/big/model.sig "
        "--ignore-paths data/big/datacard.yaml",
        "git add data/big/model.sig",
    ]


def test_without_cryptography_nothing_passes(repo: Repo, tmp_path: Path) -> None:
    signer = ModelSigner()
    base(repo, line(signer.public), level=2)
    repo.stage({f"{PATH}.sig": signer.sign("rows.csv", {".": ROWS.encode()})})
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "sitecustomize.py").write_text("import sys\nsys.modules['cryptography'] = None\n")
    hooks = Path(__file__).parent.parent / "hooks"
    verdict = repo.check(env={"PYTHONPATH": f"{hooks}:{tmp_path / 'without'}"})
    assert "git-custody[signing]" in verdict.refusal
