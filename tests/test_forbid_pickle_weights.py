from __future__ import annotations

import hashlib
import pickle

import pytest

from conftest import PICKLE, Repo
from corpus import EVIL0, Payload, npy, torch_zip
from git_custody.core.content import BytesContent
from git_custody.core.findings import Finding, RepoPath
from git_custody.forbid_pickle_weights import PICKLE_WEIGHTS, RULES, findings_for

DIGEST = "ab" * 32


def found(data: bytes, path: str = "models/encoder.bin") -> list[Finding]:
    return list(findings_for(path, BytesContent(data), DIGEST))


def test_the_finding_says_what_where_and_how_to_go_on() -> None:
    (finding,) = found(b"\x80\x02]q\x00X\x04\x00\x00\x00abcdK\x07K\x08K\x090000cposix\nsystem\nX\x01\0\0\0i\x85R.")
    assert finding.rule is PICKLE_WEIGHTS
    assert finding.path == "models/encoder.bin"
    assert finding.message == "these weights are a pickle, and loading it calls posix.system"
    assert finding.found == "GLOBAL 'posix system' at byte 24"
    assert finding.fix == (("git", "rm", "--cached", "-f", RepoPath("models/encoder.bin")),)
    assert finding.digest == DIGEST
    assert finding.member is None


def test_a_checkpoint_names_its_member() -> None:
    (finding,) = found(torch_zip(evil=True))
    assert finding.member == "archive/data.pkl"
    assert finding.message == (
        "these weights are a PyTorch checkpoint, whose index of tensors is a pickle, and loading it calls posix.system"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"cmymodule\nrun\n.", "these weights are a pickle, and loading it imports mymodule.run"),
        (b"\x80\x04].", "these weights are a pickle"),
        (
            npy("|O", (1,), EVIL0),
            "this file is a NumPy array of Python objects, which is a pickle, and loading it calls os.system",
        ),
    ],
)
def test_the_message_claims_no_more_than_was_seen(data: bytes, message: str) -> None:
    (finding,) = found(data)
    assert finding.message == message


@pytest.mark.parametrize("data", [b"", b"int main() {}\n", b"\x28\xb5\x2f\xfd" + bytes(30), npy("<f8", (0,), b"")])
def test_ordinary_and_opaque_files_are_left_alone(data: bytes) -> None:
    assert found(data, "model.pt") == []


def test_the_rule_is_declared_as_it_is_enforced() -> None:
    rule = RULES[0]
    assert rule is PICKLE_WEIGHTS
    assert (rule.name, rule.requirements, rule.level, rule.about_content, rule.waivable) == (
        "pickle-weights", ("2.10",), 1, True, True,
    )  # fmt: skip


def test_an_explanation_changes_words_only() -> None:
    data = pickle.dumps(list(range(200_000)), 4)  # more than the walker reads of what is plainly a pickle
    (plain,) = findings_for("m", BytesContent(data), None)
    (told,) = findings_for("m", BytesContent(data), None, lambda pickled: f"f({len(pickled)})")
    assert told.message == f"these weights are a pickle, and loading it calls f({len(data)})"
    assert told._replace(message=plain.message) == plain
    assert not list(findings_for("m", BytesContent(b"text"), None, lambda pickled: "never"))
    (small,) = findings_for("m", BytesContent(pickle.dumps([1, 2], 4)), None, lambda pickled: "never asked")
    assert small.message == "these weights are a pickle"


def test_fickling_says_what_would_be_called_without_calling_it() -> None:
    pytest.importorskip("fickling")
    pytest.importorskip("resource")
    from git_custody.formats.explain_pickle import call_in

    answer = call_in(pickle.dumps(Payload(), 2))
    assert answer is not None
    assert answer.endswith("system('true')")


def test_fickling_failing_is_silence() -> None:
    from git_custody.formats.explain_pickle import call_in

    assert call_in(b"not a pickle") is None
    assert call_in(b"F1.5\n.") is None
    assert call_in(b"") is None


def test_a_pickle_stored_as_a_symlink_is_checked_out_as_a_file_elsewhere(repo: Repo) -> None:
    blob = repo.git("hash-object", "-w", "--stdin", input=PICKLE)
    repo.git("update-index", "--add", "--cacheinfo", f"120000,{blob},models/link.bin")
    assert repo.check().rules == ["pickle-weights"]


def test_waiver_admits_one_digest(repo: Repo) -> None:
    digest = hashlib.sha256(PICKLE).hexdigest()
    waiver = (
        f"version: 1\nrule: pickle-weights\npath: old.bin\ndigest: {{sha256: {digest}}}\n"
        "reason: replaced in March\nowner: ML platform\nexpires: '2999-01-01'\n"
    )
    repo.commit({".custody/policy.yaml": "version: 1\n", ".custody/waivers/old.yaml": waiver})
    repo.stage({"old.bin": PICKLE})
    assert repo.check().rules == []
    repo.stage({"old.bin": PICKLE + b"."})
    assert repo.check().rules == ["pickle-weights"]
    repo.git("mv", "-f", "old.bin", "new.bin")
    repo.stage({"new.bin": PICKLE})
    assert repo.check().rules == ["pickle-weights"]


def test_verdicts_are_remembered_and_still_fit(repo: Repo) -> None:
    repo.commit({"a.txt": "text\n", "b.bin": PICKLE})
    assert [repo.check("--all").rules for _ in range(3)] == [["pickle-weights"]] * 3
    repo.commit({"b.bin": "text\n", "a.txt": PICKLE})
    found = repo.check("--all").report["findings"]
    assert [f["path"] for f in found] == ["a.txt"]
