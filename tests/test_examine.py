"""What is looked at for each file: its own content, what it stands for, and under which name."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import date, timedelta

import pytest

from builders import npy, saved_model
from conftest import HOOKS, PICKLE, PLAIN_PICKLE, Repo
from git_custody.catalog import load
from git_custody.check_model_format import findings_for
from git_custody.core import waivers
from git_custody.core.cache import JUDGING
from git_custody.core.content import BytesContent
from git_custody.core.policy import FORMATS
from git_custody.core.waivers import Waiver
from git_custody.formats.verdicts import CODE, MALFORMED, Verdict
from git_custody.formats.verdicts import PICKLE as PICKLE_KIND
from git_custody.models.examine import Examined, examine

ARRAY = npy("<f4", (2,), bytes(8))
TREES = b"tree\nversion=v3\nnum_class=1\n"
PACKAGE = HOOKS / "git_custody"
SOON = (date.today() + timedelta(days=90)).isoformat()


def in_dvc(repo: Repo, data: bytes) -> str:
    """Put content in DVC's cache; what a `.dvc` file says of it."""
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    repo.write(f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}", data)
    return digest


def pointer(digest: str, path: str) -> str:
    return f"outs:\n- md5: {digest}\n  path: {path}\n"


def link(repo: Repo, path: str, target: str) -> None:
    (repo.path / path).symlink_to(target)
    repo.git("add", path)


# ---------------------------------------------------------------------- what stands for something else


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx", "m.gguf", "a.npy", "m.t7", "m.pmml", "m.keras"])
def test_links_owe_nothing_to_what_their_names_promise(repo: Repo, name: str) -> None:
    link(repo, name, "../blobs/0123456789abcdef")
    assert repo.check().passes
    repo.write(f"real/{name}", b"../blobs/0123456789abcdef")
    repo.git("add", "real")
    assert repo.check().caught("malformed-model") + repo.check().caught("misleading-model-name") == [f"real/{name}"]


def test_a_link_that_would_run_where_it_is_a_file_counts(repo: Repo) -> None:
    link(repo, "model.safetensors", "cbuiltins\nprint\n(S'x'\ntR.")
    assert repo.check().rules == ["pickle-weights"]


def test_a_file_with_the_bytes_of_a_link_is_judged_for_itself(repo: Repo) -> None:
    link(repo, "model.npy", "elsewhere")
    repo.commit()
    assert repo.check("--all").passes
    (repo.path / "model.npy").unlink()
    repo.stage({"model.npy": "elsewhere"})
    assert repo.check("--all").rules == ["misleading-model-name"]


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx", "m.gguf", "a.npy", "m.t7", "m.keras"])
def test_pointers_of_annex_are_only_said_to_be_absent(repo: Repo, name: str) -> None:
    repo.stage({name: f"/annex/objects/SHA256E-s5--{'a' * 64}.bin\n"})
    assert repo.check().rules == ["content-absent"]


@pytest.mark.parametrize("folder", ["x/annex/objects", "./../.git/annex/objects/aa/bb", "/annex/objects/aa"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n/annex/more\n"])
def test_pointers_of_annex_are_known_however_they_are_written(repo: Repo, folder: str, end: str) -> None:
    key = f"SHA256-s{len(PICKLE)}--{hashlib.sha256(PICKLE).hexdigest()}"
    word = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
    repo.write(f".git/annex/objects/{word[:3]}/{word[3:6]}/{key}/{key}", PICKLE)
    repo.stage({"w.bin": f"{folder}/{key}{end}", "w.dvc": f"{folder}/{key}{end}"})
    assert repo.check().caught() == ["w.bin", "w.dvc"]


@pytest.mark.parametrize(
    "text", ["see /annex/objects/ for more\n", "see /annex/objects/ for the --force\n", "a\n/annex/objects/K--x\n"]
)
def test_texts_about_annex_are_texts(repo: Repo, text: str) -> None:
    repo.stage({"a.txt": text})
    assert repo.check().passes


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("a b.bin", "git lfs pull '--include=data/a b.bin'"), ("a.bin", "git lfs pull --include=data/a.bin"),
        ("a, b.bin", "git lfs pull"), ("[a].bin", "git lfs pull"), ("a ", "git lfs pull"), ("a\nb.bin", "git lfs pull"),
    ],
)  # fmt: skip
def test_what_a_pointer_names_is_fetched_alone_where_git_lfs_can(repo: Repo, name: str, fix: str) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 9\n"
    repo.stage({f"data/{name}": pointer})
    assert [one["fix"] for one in repo.check().report["not_judged"]] == [[fix]]


def test_what_git_lfs_may_take_for_a_pointer_is_said_once(repo: Repo) -> None:
    repo.stage({"model.npy": f"version https://hawser.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 5\n"})
    (finding,) = repo.check().report["findings"]
    assert finding["rule"] == "content-absent"


# ---------------------------------------------------------------------- what DVC keeps


def test_the_name_of_an_output_counts(repo: Repo) -> None:
    repo.stage({"a.dvc": pointer(in_dvc(repo, saved_model("PyFunc")), "m/saved_model.pb")})
    (finding,) = repo.check().report["findings"]
    assert (finding["rule"], finding["member"]) == ("code-on-load", "m/saved_model.pb")
    assert "in what DVC keeps for it" in finding["message"]
    repo.stage({"a.dvc": pointer(in_dvc(repo, b"text"), "m/a.npy")})
    assert repo.check().rules == ["misleading-model-name"]


def test_formats_that_are_not_allowed_are_told(repo: Repo) -> None:
    repo.stage({"w.dvc": pointer(in_dvc(repo, TREES), "w.txt")})
    assert repo.check().rules == ["model-format-not-allowed"]
    repo.stage({"w.dvc": pointer(in_dvc(repo, ARRAY), "w.npy")})
    assert repo.check().passes


def test_a_pickle_that_dvc_keeps_is_not_for_git_custody_add(repo: Repo) -> None:
    data = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R."
    repo.stage({"w.pt.dvc": pointer(in_dvc(repo, data), "w.pt")})
    (finding,) = repo.check().report["findings"]
    assert finding["fix"] == ["git rm --cached -f w.pt.dvc"]


def test_what_dvc_says_from_behind_a_pointer_counts(repo: Repo) -> None:
    text = pointer(in_dvc(repo, PICKLE), "w.bin").encode()
    digest = hashlib.sha256(text).hexdigest()
    repo.write(f".git/lfs/objects/{digest[:2]}/{digest[2:4]}/{digest}", text)
    lfs = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(text)}\n"
    repo.stage({"w.bin.dvc": lfs})
    assert repo.check().caught() == ["w.bin.dvc"]


def test_the_same_bytes_under_another_name_hide_no_pointer(repo: Repo) -> None:
    text = pointer(in_dvc(repo, PICKLE), "w.bin")
    repo.stage({"a.txt": text, "w.bin.dvc": text})
    assert repo.check().caught() == ["w.bin.dvc"]
    repo.commit()
    for _ in range(2):  # now from what was remembered
        assert repo.check("--all").caught() == ["w.bin.dvc"]


def test_files_behind_one_that_is_absent_are_looked_at(repo: Repo) -> None:
    rows = [{"md5": "0" * 32, "relpath": "a"}, {"md5": in_dvc(repo, PICKLE), "relpath": "b"}]
    rows.append({"md5": "1" * 32, "relpath": "c"})
    listing = json.dumps(rows).encode()
    digest = hashlib.md5(listing, usedforsecurity=False).hexdigest()
    repo.write(f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}.dir", listing)
    repo.stage({"w.dvc": pointer(f"{digest}.dir", "w")})
    found = repo.check().report["findings"]
    assert [(f["rule"], f.get("member")) for f in found] == [("content-absent", None), ("pickle-weights", "w/b")]


@pytest.mark.parametrize("folder", ["", "p/"])
def test_outputs_that_are_in_git_itself_are_not_absent(repo: Repo, folder: str) -> None:
    data = b'{"accuracy": 0.5}\n'
    outs = f"    outs:\n    - path: metrics.json\n      md5: {hashlib.md5(data, usedforsecurity=False).hexdigest()}\n"
    repo.stage({f"{folder}dvc.lock": f"stages:\n  train:\n{outs}", f"{folder}metrics.json": data})
    assert repo.check().passes
    repo.stage({f"{folder}metrics.json": data + b" "})
    assert repo.check().rules == ["content-absent"]


@pytest.mark.parametrize(("setting", "rule"), [("'../kept'", "pickle-weights"), ("/{}/kept", "content-absent")])
def test_dvcs_cache_is_only_looked_for_on_this_machine(repo: Repo, setting: str, rule: str) -> None:
    digest = hashlib.md5(PICKLE, usedforsecurity=False).hexdigest()
    repo.write(f"kept/files/md5/{digest[:2]}/{digest[2:]}", PICKLE)
    repo.write(".dvc/config", f"[cache]\n    dir = {setting.format(repo.path)}\n")
    repo.stage({"w.dvc": pointer(digest, "w.bin")})
    assert repo.check().rules == [rule]


@pytest.mark.parametrize("target", ["../../pipe", "/dev/tty", "/dev/zero"])
def test_settings_of_dvc_that_are_no_file_hold_nothing_up(repo: Repo, target: str) -> None:
    os.mkfifo(repo.path.parent / "pipe")
    (repo.path / ".dvc").mkdir()
    (repo.path / ".dvc/config").symlink_to(target)
    os.mkfifo(repo.path / ".dvc/config.local")
    repo.stage({"w.dvc": pointer("0" * 32, "w.bin")})
    assert repo.check().rules == ["content-absent"]


def test_absent_outputs_of_a_pipeline_are_fetched_by_its_own_file(repo: Repo) -> None:
    lock = f"stages:\n  train:\n    outs:\n    - path: w\n      md5: {'0' * 32}\n"
    repo.stage({"p/dvc.lock": lock})
    (finding,) = repo.check().report["findings"]
    assert finding["fix"] == ["dvc pull p/dvc.yaml"]


def test_what_dvc_keeps_is_waived_by_its_own_digest(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\n"})
    words = ("waive", "pickle-weights", "w.bin.dvc", "--reason", "replaced in spring", "--expires", SOON)
    repo.stage({"w.bin.dvc": pointer(in_dvc(repo, PICKLE), "w.bin")})
    refused = repo.custody(*words)
    assert refused.code == 2
    assert "no waiver admits it" in refused.err
    repo.stage({"w.bin.dvc": pointer(in_dvc(repo, PLAIN_PICKLE), "w.bin")})
    assert repo.custody(*words).code == 0
    assert repo.check().code == 0
    repo.stage({"w.bin.dvc": pointer(in_dvc(repo, PLAIN_PICKLE + b"\0"), "w.bin")})
    assert "pickle-weights" in repo.check().rules


def test_what_dvc_keeps_in_a_folder_is_waived_one_content_at_a_time(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\n"})
    contents = [PLAIN_PICKLE, PLAIN_PICKLE + b"\0"]
    rows = [{"md5": in_dvc(repo, data), "relpath": str(n)} for n, data in enumerate(contents)]
    digest = in_dvc(repo, json.dumps(rows).encode())
    kept = repo.path / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    kept.rename(kept.with_name(kept.name + ".dir"))
    repo.stage({"w.dvc": pointer(f"{digest}.dir", "w")})
    words = ("waive", "pickle-weights", "w.dvc", "--reason", "replaced in spring", "--expires", SOON)
    refused = repo.custody(*words)
    assert refused.code == 2
    for data in contents:
        named = hashlib.sha256(data).hexdigest()
        assert named in refused.err
        assert repo.custody(*words, "--digest", named).code == 0
    assert repo.check().code == 0


@pytest.mark.parametrize("path", ["a.npy", "a.bin"])
def test_what_is_fine_is_not_read_again(repo: Repo, path: str) -> None:
    repo.commit({path: ARRAY, ".custody/policy.yaml": "version: 1\n"})
    assert repo.check("--all").passes
    oid = repo.git("rev-parse", f"HEAD:{path}")
    (repo.path / ".git/objects" / oid[:2] / oid[2:]).unlink()
    assert repo.check("--all").passes
    # Whether it is fine is for the policy to say.
    repo.stage({".custody/policy.yaml": "version: 1\nformats: {allow: [safetensors]}\n"})
    assert [item["path"] for item in repo.check("--all").report["not_judged"]] == [path]


def test_verdicts_are_forgotten_once_the_code_that_reached_them_changes() -> None:
    folders = {"", *(str(code.parent.relative_to(PACKAGE)) for code in PACKAGE.glob("*/*.py"))}
    assert set(JUDGING) == folders - {"cli", "convert", "scaffold"}


def test_the_glob_of_a_waiver_is_made_once_for_all_files() -> None:
    waiver = Waiver("w.yaml", "pickle-weights", "models/**/old*.bin", "0" * 64, "r", "o", date.today())
    waivers._spec.cache_clear()
    assert [waiver.matches(path) for path in ("models/a/old-1.bin", "models/new.bin", "old.bin")] == [
        True,
        False,
        False,
    ]
    assert waivers._spec.cache_info().misses == 1


# ---------------------------------------------------------------------- digests, and hooks that run alone


def test_every_file_that_is_found_fault_with_has_a_digest() -> None:
    for path, data, digested in (
        ("a.npy", ARRAY, False),
        ("a.bin", ARRAY, False),
        ("a.npz", ARRAY, True),
        ("a.npy", b"text", True),
        ("a.bin", TREES, True),
    ):
        (seen,) = examine(path, "", BytesContent(data), allowed=FORMATS)
        assert bool(seen.sha256) is digested, path


def test_what_runs_hides_nothing_that_is_malformed() -> None:
    told = [Verdict(kind, "onnx", kind, "") for kind in (PICKLE_KIND, CODE, MALFORMED)]
    for verdicts in (told, told[::-1]):
        (finding,) = findings_for(Examined("m.onnx", "", "", tuple(verdicts)), FORMATS)
        assert (finding.rule.name, finding.member) == ("malformed-model", MALFORMED)


def test_a_model_that_a_later_commit_takes_away_is_told_as_a_pickle_is(repo: Repo) -> None:
    base = repo.commit()
    repo.commit({"a.npz": ARRAY, "w.bin": PICKLE})
    repo.git("rm", "-q", "a.npz", "w.bin")
    repo.commit()
    found = repo.check("--range", f"{base}...HEAD").report["findings"]
    assert [finding["rule"] for finding in found] == ["misleading-model-name", "pickle-weights"]
    for finding in found:
        assert finding["message"].endswith("; a commit in this range brings it, even if a later one takes it away")
        assert finding["fix"] == [f"git rebase -i {base}"]


def test_a_misleading_name_can_be_waived(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\n"})
    repo.stage({"a.npz": ARRAY})
    assert repo.check().rules == ["misleading-model-name"]
    words = ("waive", "misleading-model-name", "a.npz", "--reason", "renamed in spring", "--expires", SOON)
    assert repo.custody(*words).code == 0
    assert repo.check().code == 0


def test_alone_the_hook_for_formats_does_not_pass_over_absent_content(repo: Repo) -> None:
    from git_custody.core.cache import Cache
    from git_custody.core.changes import Request
    from git_custody.core.git import Git
    from git_custody.core.runner import judge

    repo.stage({"w.dvc": pointer("0" * 32, "w.npy")})
    hooks = [load(name) for name in ("forbid-pickle-weights", "check-model-format")]
    with Git(str(repo.path)) as git:
        report = judge(git, Cache(None), Request(staged=True), hooks, hooks[1:], os.environ)
        assert [(item.path, "not here" in item.reason) for item in report.not_judged] == [("w.dvc", True)]
        both = judge(git, Cache(None), Request(staged=True), hooks, hooks, os.environ)
    assert both.not_judged == report.not_judged


# ---------------------------------------------------------------------- what a checkout makes of a text

# Ends as a text does: taken for a pickle only where its module is at hand.
OWN = b"\x80\x01(imy-tool\nrun\nand then no more"


def test_modules_of_the_repository_count_in_what_a_checkout_makes(repo: Repo) -> None:
    repo.commit({".gitattributes": "*.txt working-tree-encoding=ISO-8859-1\n", "other.py": ""})
    blob = repo.git("hash-object", "-w", "--stdin", input=OWN.decode("latin-1").encode())
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},a.txt")
    assert repo.check().rules == []
    repo.commit({"my-tool.py": "def run(text): ...\n"})
    repo.git("update-index", "--force-remove", "a.txt")
    repo.commit()
    repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},a.txt")
    messages = [finding["message"] for finding in repo.check().report["findings"]]
    assert messages == [
        "these weights are a pickle, and loading it calls my-tool.run, once a checkout has changed its encoding"
    ]
