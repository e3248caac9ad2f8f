from __future__ import annotations

import collections
import datetime
import gzip
import hashlib
import pickle
from typing import TYPE_CHECKING

import pytest

from conftest import PICKLE, PLAIN_PICKLE, Repo, documented
from corpus import EVIL0, Payload, npy, torch_zip, zipped
from git_custody.core.content import BytesContent
from git_custody.core.findings import Finding, RepoPath
from git_custody.forbid_pickle_weights import PICKLE_WEIGHTS, RULES, findings_for
from git_custody.formats.encodings import WINDOW, WithCrLf
from git_custody.models.examine import Examined, examine

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "ab" * 32


def examined(path: str, data: bytes, sha256: str = DIGEST) -> list[Examined]:
    return list(examine(path, "", BytesContent(data), sha256))


def found(data: bytes, path: str = "models/encoder.bin") -> list[Finding]:
    said = [said for seen in examined(path, data) for said in findings_for(seen)]
    return [finding for finding in said if isinstance(finding, Finding)]


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


def test_a_name_that_is_only_made_up_while_it_is_loaded_is_said_in_words() -> None:
    computed = b"\x80\x04c_codecs\ndecode\n\x8c\x02os\x85R\x8c\x06system\x93\x8c\x04true\x85R."
    (finding,) = found(computed)
    assert finding.message == (
        "these weights are a pickle, and loading it calls something whose name is only known while it is loaded"
    )
    assert finding.found == "STACK_GLOBAL at byte 32"


def test_the_numbers_of_an_array_of_joblib_are_no_names() -> None:
    scaler = b"csklearn.preprocessing._data\nStandardScaler\n)\x81"
    wrapper = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}b"
    for numbers in (b"\x8c\x08spurious\x8c\x04name\x93)R", b"cspurious\nname\n)R", b"N\x8c\x04name)R\x85R\x93)R"):
        for model in (scaler + wrapper + numbers, wrapper + numbers):
            (finding,) = found(b"\x80\x04(" + model + b"cnumpy\ndtype\n)Rl.", "model.joblib")
            assert finding.message.endswith(
                (
                    "loading it calls sklearn.preprocessing._data.StandardScaler",
                    "loading it calls joblib.numpy_pickle.NumpyArrayWrapper",
                )
            )
            assert "spurious" not in str(finding.found)
    (finding,) = found(b"\x80\x04(" + scaler + wrapper + b"cposix\nsystem\n(\x8c\x04truetRl.", "model.joblib")
    assert finding.message.endswith("loading it calls posix.system")


@pytest.mark.parametrize("data", [b"", b"int main() {}\n", npy("<f8", (0,), b"")])
def test_ordinary_files_are_left_alone(data: bytes) -> None:
    assert found(data, "model.pt") == []


def test_the_rule_is_declared_as_it_is_enforced() -> None:
    rule = RULES[0]
    assert rule is PICKLE_WEIGHTS
    assert (rule.name, rule.requirements, rule.level, rule.about_content, rule.waivable) == (
        "pickle-weights", ("2.10",), 1, True, True,
    )  # fmt: skip


def test_an_explanation_changes_words_only() -> None:
    data = pickle.dumps(list(range(200_000)), 4)  # more than the walker reads of what is plainly a pickle
    (seen,) = examined("m", data)
    (plain,) = findings_for(seen)
    (told,) = findings_for(seen, (), lambda pickled: f"f({len(pickled)})")
    assert isinstance(plain, Finding)
    assert isinstance(told, Finding)
    assert told.message == f"these weights are a pickle, and loading it calls f({len(data)})"
    assert told._replace(message=plain.message) == plain
    (seen,) = examined("m", pickle.dumps([1, 2], 4))
    (small,) = findings_for(seen, (), lambda pickled: "never asked")
    assert isinstance(small, Finding)
    assert small.message == "these weights are a pickle"


def test_fickling_says_what_would_be_called_without_calling_it() -> None:
    pytest.importorskip("resource", reason="without limits on a child process (Windows), fickling is not asked")
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
    digest = hashlib.sha256(PLAIN_PICKLE).hexdigest()
    today = datetime.date.today().isoformat()
    waiver = (
        f"version: 1\nrule: pickle-weights\npath: old.bin\ndigest: {{sha256: {digest}}}\n"
        "reason: replaced in March\nowner: ML platform\n"
        f"expires: '{today}'\n"
    )
    repo.commit({".custody/policy.yaml": "version: 1\n", ".custody/waivers/old.yaml": waiver})
    repo.stage({"old.bin": PLAIN_PICKLE})
    assert repo.check().rules == []
    repo.stage({"old.bin": PLAIN_PICKLE + b"."})
    assert repo.check().rules == ["pickle-weights"]
    repo.git("mv", "-f", "old.bin", "new.bin")
    repo.stage({"new.bin": PLAIN_PICKLE})
    assert repo.check().rules == ["pickle-weights"]


def test_verdicts_are_remembered_and_still_fit(repo: Repo) -> None:
    repo.commit({"a.txt": "text\n", "b.bin": PICKLE})
    assert [repo.check("--all").rules for _ in range(3)] == [["pickle-weights"]] * 3
    repo.commit({"b.bin": "text\n", "a.txt": PICKLE})
    found = repo.check("--all").report["findings"]
    assert [f["path"] for f in found] == ["a.txt"]


def test_a_verdict_that_was_cut_short_only_costs_time(repo: Repo, tmp_path: Path) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\n", **documented("data/a.csv"), "b.bin": PICKLE})
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert repo.check("--all", env=environment).rules == ["pickle-weights"]
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} >= {"sha256", "policy", "data-card"}
    for path in files:
        path.write_bytes(b"".join(line[:45] + b"\n" for line in path.read_bytes().split(b"\n")))
    assert repo.check("--all", env=environment).caught() == ["b.bin"]


# ---------------------------------------------------------------------- what is stored, and what is checked out


def pointer(version: str = "https://git-lfs.github.com/spec/v1", oid: str = "ab" * 32, size: str = "12") -> str:
    return f"version {version}\noid sha256:{oid}\nsize {size}\n"


@pytest.mark.parametrize(
    "text",
    [
        pointer("https://hawser.github.com/spec/v1"),
        pointer("http://git-media.io/v/2"),
        pointer().rstrip("\n"),
        pointer().replace("\n", "\r\n"),
        "\n" + pointer(),
        pointer() + " " * 2000,
        pointer(size="+12"),
        pointer(oid="AB" * 32),
        f"ext-0-own sha256:{'cd' * 32}\n" + pointer(),
        pointer().replace("\noid", f"\next-0-own sha256:{'cd' * 32}\noid"),
    ],
)
def test_what_only_git_lfs_takes_for_a_pointer_cannot_be_passed(repo: Repo, text: str) -> None:
    repo.commit({".gitattributes": "*.bin filter=lfs -text\n"})
    blob = repo.git("hash-object", "-w", "--stdin", input=text.encode())
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},models/w.bin")
    verdict = repo.check("--staged")
    assert verdict.caught("content-absent") == ["models/w.bin"]
    assert repo.check("--all").report == repo.check("--all").report
    assert [one["path"] for one in verdict.report["not_judged"]] == ["models/w.bin"]


@pytest.mark.parametrize(
    "text",
    ["A pointer looks like this:\n\n" + pointer(), pointer() + "and so on\n", "version 1\nsize 12\n"],
)
def test_texts_about_pointers_are_texts(repo: Repo, text: str) -> None:
    repo.stage({"docs/lfs.txt": text})
    assert repo.check("--staged").passes


def as_text(data: bytes) -> bytes:
    return data.decode("latin-1").encode("utf-8")


@pytest.mark.parametrize("mode", ["--staged", "--all", "--range"])
def test_a_pickle_that_a_checkout_makes_from_a_text(repo: Repo, mode: str) -> None:
    base = repo.commit({".gitattributes": "*.bin working-tree-encoding=ISO-8859-1\n"})
    blob = repo.git("hash-object", "-w", "--stdin", input=as_text(PICKLE))
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},models/w.bin")
    if mode == "--range":
        repo.commit()
    verdict = repo.check(*((mode, f"{base}...HEAD") if mode == "--range" else (mode,)))
    assert verdict.caught() == ["models/w.bin"]
    assert "once a checkout has changed its encoding" in verdict.report["findings"][0]["message"]
    repo.git("checkout-index", "-f", "models/w.bin")
    assert (repo.path / "models/w.bin").read_bytes() == PICKLE


def test_an_attribute_that_makes_a_pickle_of_a_text_from_before(repo: Repo) -> None:
    base = repo.commit({"models/w.bin": as_text(PICKLE)})
    repo.stage({"models/.gitattributes": "*.bin working-tree-encoding=latin1\n"})
    assert repo.check("--staged").caught() == ["models/w.bin"]
    repo.commit()
    assert repo.check("--range", f"{base}...HEAD").caught() == ["models/w.bin"]


def test_a_pickle_that_a_checkout_makes_by_its_line_ends(repo: Repo) -> None:
    import pickletools

    tail = b"\x8c\x08builtins\x8c\x05print\x93\x8c\x06loaded\x85R."
    stored = b"\x8c" + bytes([2 * len(tail)]) + b"\n" * len(tail) + tail
    repo.commit({".gitattributes": "*.bin text eol=crlf\n"})
    blob = repo.git("hash-object", "-w", "--stdin", input=stored)
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},models/w.bin")
    for _ in range(2):
        assert repo.check("--all").caught() == ["models/w.bin"]
    verdict = repo.check("--staged")
    assert verdict.caught() == ["models/w.bin"]
    assert "calls builtins.print, once a checkout has changed its line ends" in verdict.report["findings"][0]["message"]
    repo.git("checkout-index", "-f", "models/w.bin")
    written = (repo.path / "models/w.bin").read_bytes()
    assert "REDUCE" in {opcode.name for opcode, _, _ in pickletools.genops(written)}


@pytest.mark.parametrize("length", [1 << 20, 5 << 20])
def test_a_long_pickle_that_a_checkout_makes_by_its_line_ends(repo: Repo, length: int) -> None:
    tail = b"\x8c\x08builtins\x8c\x05print\x93\x8c\x06loaded\x85R."
    filling = b"ab\r\n" * (length // 4)
    stored = b"B" + (len(filling) + 2 * len(tail)).to_bytes(4, "little") + filling + b"\n" * len(tail) + tail
    repo.commit({".gitattributes": "*.bin text eol=crlf\n"})
    blob = repo.git("hash-object", "-w", "--stdin", input=stored)
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},models/w.bin")
    for mode in ("--staged", "--all"):
        assert repo.check(mode).caught() == ["models/w.bin"]


def test_line_ends_are_converted_as_git_does_it() -> None:
    split = b"a" * (WINDOW - 1) + b"\r\n"
    for stored in (b"a\nb\r\n\r\r\n\n\r", b"\n" * 3_000_000, split * 3, b"", b"\r" * WINDOW + b"\n"):
        written = stored.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        content = WithCrLf(BytesContent(stored))
        for at in (0, 1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW + 7, len(written) - 1):
            assert content.read_at(at, 70_000) == written[at : at + 70_000]
        assert content.size == len(written)
        assert content.read_at(0, len(written) + 5) == written


def test_an_encoding_that_is_not_known_cannot_be_passed(repo: Repo) -> None:
    repo.commit({".gitattributes": "*.bin working-tree-encoding=KLINGON-1\n"})
    repo.git("config", "core.autocrlf", "false")
    blob = repo.git("hash-object", "-w", "--stdin", input=b"text\n")
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},w.bin")
    verdict = repo.check("--staged")
    assert verdict.caught("content-absent") == ["w.bin"]
    assert "working-tree-encoding=KLINGON-1" in verdict.report["findings"][0]["message"]


def test_texts_in_other_encodings_are_texts(repo: Repo) -> None:
    repo.commit({".gitattributes": "*.ps1 working-tree-encoding=UTF-16LE-BOM\n*.txt working-tree-encoding=UTF-8\n"})
    repo.stage({"a.ps1": "\ufeffWrite-Host 'Grüße'\n".encode("utf-16-le"), "b.txt": "Grüße\n"})
    assert repo.check("--staged").passes
    assert repo.check("--all").passes


def test_what_only_a_limit_ends_is_not_passed(repo: Repo) -> None:
    packed = PICKLE
    for _ in range(9):
        packed = gzip.compress(packed)
    repo.stage({"deep.bin": packed})
    assert repo.check().rules == ["uninspected-content"]
    repo.stage({"deep.bin": "text\n"})
    assert repo.check().rules == []


def test_what_cannot_be_looked_into_is_said(repo: Repo) -> None:
    rar = b"Rar!\x1a\x07\x01\x00" + bytes(30)
    repo.stage({"notes.rar": rar})
    verdict = repo.check()
    assert verdict.rules == []
    assert [item["path"] for item in verdict.report["not_judged"]] == ["notes.rar"]
    repo.stage({"weights.pt": rar})
    assert repo.check().caught("uninspected-content") == ["weights.pt"]


def test_dataset_that_became_a_pickle_is_unstaged_not_deleted(repo: Repo) -> None:
    repo.commit({**documented("data/rows.csv"), "model.bin": "text\n"})
    repo.stage({"data/rows.csv": PICKLE, "model.bin": PICKLE})
    found = [f for f in repo.check().report["findings"] if f["rule"] == "pickle-weights"]
    assert [f["fix"] for f in found] == [
        ["git restore --staged data/rows.csv"],
        ["git rm --cached -f model.bin"],
    ]


def test_what_stays_in_the_work_tree_is_said_to_be_staged_again_once(repo: Repo) -> None:
    repo.stage({"a.bin": PICKLE, "b.bin": PICKLE, "c.pt": torch_zip()})
    lines = repo.check(text=True).out.splitlines()
    (then,) = (number for number, line in enumerate(lines) if line.startswith("    then   "))
    assert lines[then - 1] == "    fix    git rm --cached -f a.bin"
    assert ".gitignore" in lines[then]
    repo.git("rm", "-q", "--cached", "-f", "a.bin", "b.bin")
    assert "    then   " not in repo.check(text=True).out


def test_content_that_others_keep_and_that_is_not_here(repo: Repo) -> None:
    repo.stage(
        {
            "models/a.pkl.dvc": "outs:\n- md5: 0123456789abcdef0123456789abcdef\n  size: 3\n  path: a.pkl\n",
            "models/b.bin": "/annex/objects/SHA256E-s3--" + "a" * 64 + ".bin\n",
        }
    )
    (repo.path / "models/c.bin").symlink_to("../.git/annex/objects/Wx/9k/SHA256E-s3--" + "b" * 64)
    repo.git("add", "-A")
    verdict = repo.check()
    assert verdict.caught("content-absent") == ["models/a.pkl.dvc", "models/b.bin", "models/c.bin"]
    fixes = [f["fix"] for f in verdict.report["findings"]]
    assert fixes == [["dvc pull models/a.pkl.dvc"], ["git annex get models/b.bin"], ["git annex get models/c.bin"]]
    repo.stage({".custody/policy.yaml": "version: 1\nabsent_content: {changed: allow}\n"})
    verdict = repo.check()
    assert verdict.caught("content-absent") == []
    assert [item["path"] for item in verdict.report["not_judged"]] == [
        "models/a.pkl.dvc", "models/b.bin", "models/c.bin",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["model.dvc", "model.bin"])
def test_a_name_of_a_keeper_in_a_pickle_excuses_nothing(repo: Repo, name: str) -> None:
    repo.stage({name: pickle.dumps(["../.git/annex/objects/x", "outs:"], 4)})
    assert repo.check().rules == ["pickle-weights"]


def test_attributes_behind_a_megabyte_of_comments_count(repo: Repo) -> None:
    rules = "# nothing to see here\n" * 60_000 + "*.bin working-tree-encoding=ISO-8859-1\n"
    repo.commit({".gitattributes": rules})
    blob = repo.git("hash-object", "-w", "--stdin", input=as_text(PICKLE))
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},models/w.bin")
    assert repo.check().caught() == ["models/w.bin"]


# ---------------------------------------------------------------------- exceptions that stay safe


WAIVER = """\
version: 1
rule: pickle-weights
path: old.bin
digest: {{sha256: {}}}
reason: replaced in March
owner: ML platform
expires: "{}"
"""


def waived(repo: Repo, data: bytes, policy: str = "version: 1\n") -> None:
    text = WAIVER.format(hashlib.sha256(data).hexdigest(), datetime.date.today().isoformat())
    repo.commit({".custody/policy.yaml": policy, ".custody/waivers/old.yaml": text})
    repo.stage({"old.bin": data})


class Ours:
    """An instance pickles to a call of its class."""

    def __init__(self) -> None:
        self.words = ["a", "b"]


def test_no_waiver_admits_a_pickle_that_looks_up_more_than_is_allowed(repo: Repo) -> None:
    waived(repo, PICKLE)
    (finding,) = (f for f in repo.check().report["findings"] if f["rule"] == "pickle-weights")
    assert finding["blocks"]
    assert "; no waiver admits it, because it looks up __builtin__.print" in finding["message"]


def test_the_policy_decides_what_a_waived_pickle_may_look_up(repo: Repo) -> None:
    data = pickle.dumps([Ours()], 4)
    waived(repo, data)
    assert repo.check().rules == ["pickle-weights"]
    waived(repo, data, f'version: 1\npickles: {{globals: ["{Ours.__module__}.*"]}}\n')
    assert repo.check().rules == []
    repo.commit()
    assert repo.check("--all").rules == []
    # It is enforced on every later change, too.
    repo.stage({".custody/policy.yaml": "version: 1\npickles: {globals: []}\n"})
    assert repo.check("--all").rules == ["pickle-weights"]


def test_a_list_that_leaves_out_what_is_usual_is_named(repo: Repo) -> None:
    waived(repo, pickle.dumps(collections.OrderedDict(a=1), 4), "version: 1\npickles: {globals: [torch.Size]}\n")
    (finding,) = (f for f in repo.check().report["findings"] if f["rule"] == "pickle-weights")
    assert finding["message"].endswith("takes the place of the usual one, which has collections.OrderedDict")


@pytest.mark.parametrize("mode", ["--staged", "--all"])
def test_a_waiver_holds_for_what_a_checkout_makes_of_a_pickle(repo: Repo, mode: str) -> None:
    evil = b"cbuiltins\nprint\n(tR."
    stored = b"\x80\x04\x8c" + bytes([2 * len(evil)]) + b"\n" * len(evil) + evil + b"."
    assert pickle.loads(stored) == "\n" * len(evil) + evil.decode()
    waived(repo, stored)
    verdict = repo.check(mode)
    assert verdict.rules == ["pickle-weights"]
    messages = [f["message"] for f in verdict.report["findings"] if f["blocks"]]
    assert "its line ends" in messages[0]
    assert "no waiver admits it" in messages[0]


@pytest.mark.parametrize(
    ("attributes", "rules"),
    [
        ("", []),
        ("* text=auto eol=crlf", []),
        ("*.bin binary", []),
        ("*.bin text", ["pickle-weights"]),
        ("*.bin eol=crlf", ["pickle-weights"]),
        ("*.bin crlf", ["pickle-weights"]),
    ],
)
@pytest.mark.parametrize("mode", ["--staged", "--all"])
def test_a_waiver_of_a_binary_file_counts_on_its_line_ends_only_where_they_stay(
    repo: Repo, mode: str, attributes: str, rules: list[str]
) -> None:
    repo.git("config", "core.safecrlf", "false")
    repo.commit({".gitattributes": attributes + "\n"})
    stored = pickle.dumps({"sizes": [collections.OrderedDict(), 10, 2570, 0, "\n\n"]}, 4)
    blob = repo.git("hash-object", "-w", "--stdin", input=stored)
    waived(repo, stored)
    repo.git("update-index", "--cacheinfo", f"100644,{blob},old.bin")
    assert [rule for rule in repo.check(mode).rules if rule == "pickle-weights"] == rules


def test_a_waiver_of_a_text_admits_no_other_pickle_that_a_checkout_makes_of_it(repo: Repo) -> None:
    repo.commit({".gitattributes": "*.bin working-tree-encoding=ISO-8859-1\n"})
    for made, rules in ((PICKLE, ["pickle-weights"]), (pickle.dumps([1], 4), [])):
        text = made.decode("latin-1").encode()
        waiver = WAIVER.format(hashlib.sha256(text).hexdigest(), datetime.date.today().isoformat())
        repo.commit({".custody/policy.yaml": "version: 1\n", ".custody/waivers/old.yaml": waiver})
        blob = repo.git("hash-object", "-w", "--stdin", input=text)
        repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},old.bin")
        assert repo.check("--all").rules == rules


def test_names_behind_many_others_count(repo: Repo) -> None:
    data = pickle.dumps([list(range(100_000)), b"x" * 100_000, datetime.date(2026, 1, 1), Ours()], 4)
    waived(repo, data)
    assert repo.check().rules == ["pickle-weights"]


def test_names_in_a_second_pickle_of_the_file_count(repo: Repo) -> None:
    waived(repo, torch_zip() + b"")
    assert repo.check().rules == []
    waived(repo, zipped({"a.pkl": pickle.dumps([1], 4), "b.pkl": pickle.dumps(Ours(), 4)}))
    assert repo.check().rules == ["pickle-weights"]


def test_what_cannot_be_looked_into_beside_a_pickle_counts(repo: Repo) -> None:
    data = bytearray(zipped({"a.pkl": PLAIN_PICKLE, "b.bin": b"\x17\x94" * 40}))
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.rindex(mark) + at] |= 1  # encrypted
    waived(repo, bytes(data))
    (finding,) = (f for f in repo.check().report["findings"] if f["rule"] == "pickle-weights")
    assert finding["message"].endswith("; no waiver admits it, because not all of it can be looked into")


def test_a_glob_of_a_package_does_not_stand_for_what_its_modules_have_imported(repo: Repo) -> None:
    plain = b"\x80\x04\x8c\x08ourstuff\x8c\x05Model\x93)\x81."
    policy = 'version: 1\npickles: {globals: ["ourstuff.**"]}\n'
    waived(repo, plain, policy)
    assert repo.check().rules == []
    waived(repo, plain.replace(b"\x05Model", b"\x09os.system"), policy)
    (finding,) = (f for f in repo.check().report["findings"] if f["rule"] == "pickle-weights")
    assert "because it looks up ourstuff:os.system, which" in finding["message"]
