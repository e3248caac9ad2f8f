from __future__ import annotations

import datetime
import json
import struct

import pytest

from builders import zipped
from conftest import PICKLE, Repo
from corpus import npy
from git_custody.check_model_format import findings_for
from git_custody.core.content import BytesContent
from git_custody.core.policy import FORMATS
from git_custody.formats import catalog
from git_custody.formats.allowed_names import why_not
from git_custody.models.examine import examine

ARRAY = npy("<f4", (2,), bytes(8))


def safetensors(tail: bytes = b"") -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(8) + tail


def rules(path: str, data: bytes, allowed: tuple[str, ...] = FORMATS) -> list[str]:
    seen = examine(path, "", BytesContent(data), allowed=allowed)
    return [finding.rule.name for one in seen for finding in findings_for(one, allowed)]


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("model.safetensors", safetensors()),
        ("model.bin", safetensors()),
        ("a.npy", ARRAY),
        ("a.dat", ARRAY),
        ("model.onnx", b""),
        ("notes.txt", b"GGUF is a format.\n"),
        ("a.bin", bytes(100)),
        ("potentials/README.nemo", b"Adding potentials in NEMO format\n"),
        ("weights.pt", b"Um texto em portugu\xc3\xaas\n"),
    ],
)
def test_good(path: str, data: bytes) -> None:
    assert rules(path, data) == []


@pytest.mark.parametrize(
    ("path", "data", "rule"),
    [
        ("model.safetensors", safetensors(b"PK"), "malformed-model"),
        ("a.npy", b"1,2\n", "misleading-model-name"),
        ("notes.nemo", b"Adding potentials in NEMO format\n", "misleading-model-name"),
        ("a.npy", safetensors(), "misleading-model-name"),
        ("model.bin", PICKLE, "model-format-not-allowed"),
    ],
)
def test_bad(path: str, data: bytes, rule: str) -> None:
    assert rules(path, data) == [rule]


def test_a_format_is_allowed_by_the_policy(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\nformats: {allow: [safetensors]}\n"})
    repo.stage({"a.npy": ARRAY, "model.safetensors": safetensors()})
    verdict = repo.check()
    assert verdict.caught("model-format-not-allowed") == ["a.npy"]
    (finding,) = verdict.report["findings"]
    assert finding["message"] == (
        "this file is a NumPy array (in formats.allow: npy), and the policy allows safetensors; "
        "that list takes the place of the usual one, which has npy"
    )
    repo.stage({".custody/policy.yaml": "version: 1\nformats: {allow: [safetensors, npy]}\n"})
    verdict = repo.check()
    assert (verdict.rules, verdict.warned) == ([], ["policy-weakened"])


def test_what_the_models_globs_exclude_has_any_format(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\nmodels: {exclude: ['tests/**']}\nformats: {allow: []}\n"})
    repo.stage({"tests/a.npy": ARRAY, "b.npy": ARRAY, "tests/w.bin": PICKLE})
    verdict = repo.check()
    assert verdict.caught("model-format-not-allowed") == ["b.npy"]
    assert verdict.caught("pickle-weights") == ["tests/w.bin"]


def test_a_pickle_is_said_once(repo: Repo) -> None:
    repo.stage({"w.bin": PICKLE})
    assert repo.check().rules == ["pickle-weights"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("safetensor", 'did you mean "safetensors"?'),
        ("xgboost", 'did you mean "xgboost-json" or "xgboost-ubj" or "xgboost-binary"?'),
        ("cbm", 'did you mean "catboost"?'),
        ("hdf5", 'did you mean "keras-h5"?'),
        ("model", "there are npz, "),
        ("pytorch", "those are pickles, which no list allows"),
        ("pytorch-zip", "those are pickles, which no list allows"),
        ("pytroch", "those are pickles, which no list allows"),
        ("pt", "(git custody convert)"),
        ("joblib", "(git custody waive)"),
        ("torchscript", "(a TorchScript archive), which this list is not about"),
    ],
)
def test_what_formats_allow_does_not_take_is_told_with_what_is_meant(repo: Repo, name: str, said: str) -> None:
    repo.stage({".custody/policy.yaml": f"version: 1\nformats: {{allow: [{name}]}}\n"})
    (finding,) = repo.check().report["findings"]
    assert finding["rule"] == "invalid-policy"
    assert said in finding["message"]


def test_every_id_of_a_format_is_allowed_or_told_why_not() -> None:
    for known in catalog.FORMATS:
        assert bool(why_not(known.id)) is not known.is_model, known.id
    for name in catalog.PICKLES:
        assert "no list allows" in why_not(name)


def test_a_waiver_admits_a_format_by_digest(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\nformats: {allow: [safetensors]}\n"})
    repo.stage({"a.npy": ARRAY})
    expires = (datetime.date.today() + datetime.timedelta(days=30)).isoformat()
    waived = repo.custody(
        "waive", "model-format-not-allowed", "a.npy", "--reason", "exported soon", "--expires", expires
    )
    assert waived.code == 0, waived.err
    assert repo.check().caught("model-format-not-allowed") == []
    repo.stage({"a.npy": ARRAY + b"\0"})
    assert repo.check().caught("model-format-not-allowed") == ["a.npy"]


def gguf() -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, 0, 0)


def test_what_is_sound_has_the_wrong_name_and_is_not_malformed(repo: Repo) -> None:
    repo.stage({"m.onnx": gguf()})
    (finding,) = repo.check().report["findings"]
    assert finding["rule"] == "misleading-model-name"
    assert finding["message"] == "this file is named like an ONNX model, and is a GGUF model"
    # A name does not excuse what lies behind the tensors.
    assert rules("m.safetensors", safetensors(zipped({"a.npy": ARRAY}))) == ["malformed-model"]
    assert rules("m.gguf", safetensors(b"PK")) == ["malformed-model"]


def test_the_name_that_fits_is_offered_where_it_is_free(repo: Repo) -> None:
    repo.stage({"models/a b.ONNX": safetensors()})
    (finding,) = repo.check().report["findings"]
    assert finding["fix"] == ["git mv 'models/a b.ONNX' 'models/a b.safetensors'"]
    repo.write("models/a b.safetensors", "mine\n")
    (finding,) = repo.check().report["findings"]
    assert finding["fix"] == ["git rm --cached -f 'models/a b.ONNX'"]
    (repo.path / "models" / "a b.safetensors").unlink()
    repo.git("mv", "models/a b.ONNX", "models/a b.safetensors")
    assert repo.check().rules == []


def test_no_name_is_offered_where_none_is_known(repo: Repo) -> None:
    repo.stage({"a.npy": "1,2\n"})
    (finding,) = repo.check().report["findings"]
    assert finding["fix"] == ["git rm --cached -f a.npy"]


def test_no_name_is_offered_for_what_is_only_in_the_index(repo: Repo) -> None:
    repo.stage({"a.onnx": safetensors()})
    (repo.path / "a.onnx").unlink()
    (finding,) = repo.check().report["findings"]
    assert finding["fix"] == ["git rm --cached -f a.onnx"]
