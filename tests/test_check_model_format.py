from __future__ import annotations

import datetime
import json
import struct

import pytest

from conftest import PICKLE, Repo
from corpus import npy
from git_custody.check_model_format import findings_for
from git_custody.core.content import BytesContent
from git_custody.core.policy import FORMATS
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
    assert finding["message"] == "this file is a NumPy array (in formats.allow: npy), and the policy allows safetensors"
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


def test_an_unknown_format_in_the_policy(repo: Repo) -> None:
    repo.stage({".custody/policy.yaml": "version: 1\nformats: {allow: [safetensor]}\n"})
    (finding,) = repo.check().report["findings"]
    assert finding["rule"] == "invalid-policy"
    assert 'did you mean "safetensors"?' in finding["message"]


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
