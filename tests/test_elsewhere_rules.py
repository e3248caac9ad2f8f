"""What is wrong with pointers, keys and `.dvc` files: their form, their names, and where they lead."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import safetensors
from clock import within
from commands import Commands
from conftest import ROWS, Repo
from git_custody.core import stores
from git_custody.core.content import BytesContent, Content
from git_custody.core.git import Git
from git_custody.core.stores import kept_in
from git_custody.core.trees import Entry
from git_custody.datasets.weak_names import is_plain
from kept_elsewhere import annex_link, annex_pointer, dvc, dvc_folder, extended, key, lfs, md5, sha256, stage_link
from kept_matrix import POLICY, TOLD, everywhere, found

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

OLD = ROWS.encode()
OTHER = OLD.replace(b"row 1\n", b"row 9\n")
RAW = "raw-content-on-lfs-path"
ATTRIBUTES = "*.csv filter=lfs diff=lfs merge=lfs -text\n"


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    repo.commit({".custody/policy.yaml": POLICY})
    return Commands(repo, monkeypatch, capfd)


def documented(custody: Commands, path: str, data: bytes) -> None:
    custody.repo.stage({path: data})
    custody("add", *TOLD, path)


# ---------------------------------------------------------------------- Git LFS


def test_raw_content_on_a_path_of_git_lfs(repo: Repo, custody: Commands) -> None:
    documented(custody, "data/x.csv", OLD)
    assert found(custody) == []
    repo.stage({".gitattributes": ATTRIBUTES})
    assert found(custody) == ["raw-content-on-lfs-path"]
    repo.git("commit", "-q", "-m", "Base")
    assert found(custody, "--all") == ["raw-content-on-lfs-path"]
    documented(custody, "data/y.csv", lfs(repo, OTHER))
    assert found(custody) == []
    repo.stage({".gitattributes": ATTRIBUTES + "data/x.csv !filter !diff !merge\n"})
    assert found(custody, "--all") == []


def test_an_empty_file_is_its_own_pointer(repo: Repo, custody: Commands) -> None:
    repo.stage({".gitattributes": ATTRIBUTES})
    documented(custody, "data/x.csv", b"")
    assert "raw-content-on-lfs-path" not in found(custody)


def test_raw_content_of_a_model_on_a_path_of_git_lfs(repo: Repo, custody: Commands) -> None:
    repo.commit({"models/lfs/.gitattributes": "* filter=lfs diff=lfs merge=lfs -text\n", "models/old.onnx": b"x"})
    path = "models/lfs/raw.safetensors"
    repo.stage(
        {path: safetensors(), "models/lfs/kept.safetensors": lfs(repo, safetensors(data=b"else")), "src/a.c": b"x"}
    )
    said = [finding for finding in custody("check", "--format", "json").report["findings"] if finding["rule"] == RAW]
    assert [(finding["path"], finding["fix"]) for finding in said] == [(path, [f"git add --renormalize {path}"])]
    assert everywhere(custody) == [RAW]
    repo.stage({"README.md": "Nothing of models.\n"})
    assert found(custody) == []
    assert found(custody, "--all") == [RAW]


def test_a_model_card_says_that_a_file_is_a_model(repo: Repo, custody: Commands) -> None:
    repo.commit({".gitattributes": "*.bin filter=lfs\n"})
    repo.stage({"weights/w.bin": b"\0" * 9, "weights/w.bin.modelcard.yaml": "kind: model-card\n"})
    assert found(custody) == [RAW]


def test_attributes_that_do_not_speak_of_git_lfs_are_not_asked_about_each_path(
    repo: Repo, custody: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit({".gitattributes": "* text=auto\n"})
    documented(custody, "data/x.csv", OLD)
    asked: list[tuple[str, ...]] = []
    real = Git.attributes

    def attributes(git: Git, files: Mapping[str, Entry], paths: Sequence[str], names: Sequence[str]) -> object:
        asked.append(tuple(names))
        return real(git, files, paths, names)

    monkeypatch.setattr(Git, "attributes", attributes)
    assert found(custody, "--all") == []
    assert ("filter",) not in asked


def test_attributes_that_change_concern_datasets_that_do_not(repo: Repo, custody: Commands) -> None:
    documented(custody, "data/x.csv", OLD)
    repo.git("commit", "-q", "-m", "Base")
    repo.stage({".gitattributes": ATTRIBUTES})
    assert found(custody) == ["raw-content-on-lfs-path"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("git-lfs.github.com", "hawser.github.com"), ("\n", "\r\n"), ("size ", "size  "), ("\nsize", "\n\nsize")],
)
def test_a_pointer_that_git_lfs_would_not_write(repo: Repo, custody: Commands, old: str, new: str) -> None:
    repo.stage({".gitattributes": ATTRIBUTES})
    documented(custody, "data/x.csv", lfs(repo, OLD).decode().replace(old, new).encode())
    assert found(custody) == ["noncanonical-pointer"]


@pytest.mark.parametrize("behind", [" " * 1100, "\n" * 60_000, " " * 2000 + ROWS])
def test_a_pointer_with_more_behind_it_than_git_lfs_reads(repo: Repo, custody: Commands, behind: str) -> None:
    repo.stage({".gitattributes": ATTRIBUTES})
    documented(custody, "data/x.csv", lfs(repo, OLD) + behind.encode())
    assert found(custody) == found(custody, "--all") == ["noncanonical-pointer"]


def test_words_of_a_pointer_in_a_longer_text_are_data(repo: Repo, custody: Commands) -> None:
    documented(custody, "data/x.csv", lfs(repo, OLD) + b"a,b\n" * 500)
    documented(custody, "data/y.csv", b"name\n" + lfs(repo, OLD) + b" " * 2000)
    assert found(custody) == found(custody, "--all") == []


def test_extensions_of_git_lfs(repo: Repo, custody: Commands) -> None:
    repo.stage({".gitattributes": ATTRIBUTES})
    repo.git("config", "filter.lfs.clean", "cat")
    documented(custody, "data/x.csv", extended(OLD, b"kept", "zip"))
    assert sha256(OLD) in (repo.path / "data/x.csv.datacard.yaml").read_text()
    assert found(custody) == ["content-absent"]
    repo.write("data/x.csv", OLD)  # as git-lfs checks it out
    assert found(custody) == []
    assert found(custody, "--all") == []


# ---------------------------------------------------------------------- git-annex


@pytest.mark.parametrize("name", ["URL--http&c%%example.org%x.csv", "WORM-s2-m17--x.csv", "VURL-s3--x", "XABC-s3--x"])
@pytest.mark.parametrize("locked", [True, False])
def test_keys_that_are_no_identity(repo: Repo, custody: Commands, name: str, locked: bool) -> None:
    if locked:
        stage_link(repo, "data/x.csv", annex_link("data/x.csv", name))
    else:
        repo.stage({"data/x.csv": annex_pointer(repo, name, None)})
    custody("add", *TOLD, "data/x.csv")
    assert found(custody) == ["content-absent", "no-content-identity"]
    (finding,) = [
        f for f in custody("check", "--format", "json").report["findings"] if f["rule"] == "no-content-identity"
    ]
    assert finding["fix"][1] == "git annex migrate --backend=SHA256E data/x.csv"


@pytest.mark.parametrize("backend", ["SHA256E", "MD5E"])
def test_a_key_that_states_no_size(repo: Repo, custody: Commands, backend: str) -> None:
    name = key(OLD, backend).replace(f"-s{len(OLD)}", "")
    repo.stage({"data/x.csv": annex_pointer(repo, name, None)})
    custody("add", *TOLD, "data/x.csv")
    place = repo.path / "data/x.csv.datacard.yaml"
    assert "bytes:" not in place.read_text()
    before = found(custody)
    assert "content-absent" in before
    assert "digest-mismatch" not in before
    stated = place.read_text() + f"  bytes: {len(OLD)}\n"
    repo.stage({"data/x.csv.datacard.yaml": stated})
    assert found(custody) == before
    custody("card", "update", "data/x.csv")
    assert place.read_text() == stated
    other = annex_pointer(repo, key(OTHER, backend).replace(f"-s{len(OTHER)}", ""), None)
    repo.stage({"data/x.csv": other})
    assert "digest-mismatch" in found(custody)
    custody("add", "data/x.csv")
    assert "bytes:" not in place.read_text()
    assert "digest-mismatch" not in found(custody)


def test_sha1_is_weak(repo: Repo, custody: Commands) -> None:
    documented(custody, "data/x.csv", annex_pointer(repo, key(OLD, "SHA1E"), OLD))
    assert found(custody) == ["weak-content-identity"]


def test_weak_names_below_the_card_of_a_folder(repo: Repo, custody: Commands) -> None:
    for name in "abcde":
        repo.stage({f"data/d/{name}.csv": annex_pointer(repo, key(OLD + name.encode(), "MD5E"), OLD + name.encode())})
    custody("add", "--as-one", *TOLD, "data/d")
    assert found(custody) == ["weak-content-identity"]


def test_a_link_that_leads_elsewhere(repo: Repo, custody: Commands) -> None:
    name = key(OLD)
    annex_pointer(repo, name, OLD)
    for target in ("../" + annex_link("data/x.csv", name), annex_link("x.csv", name), "../.git/annex/objects/x"):
        stage_link(repo, "data/x.csv", target)
        verdict = custody("check", "--format", "json")
        (said,) = [f for f in verdict.report["findings"] if f["rule"] == "ambiguous-asset-name"]
        assert said["fix"] == ["git annex fix data/x.csv"]


def test_a_pointer_file_that_git_annex_would_not_write(repo: Repo, custody: Commands) -> None:
    documented(custody, "data/x.csv", annex_pointer(repo, key(OLD), OLD) + b"more\n")
    assert "noncanonical-pointer" in found(custody)


# ---------------------------------------------------------------------- DVC


def card(repo: Repo, name: str = "data/x.csv") -> str:
    return (repo.path / f"{name}.datacard.yaml").read_text()


def test_the_card_records_sha256_and_md5(repo: Repo, custody: Commands) -> None:
    documented(custody, "data/x.csv.dvc", dvc(repo, "data/x.csv", OLD))
    assert f"sha256: {sha256(OLD)}" in card(repo)
    assert f"md5: {md5(OLD)}" in card(repo)
    assert f"bytes: {len(OLD)}" in card(repo)
    assert found(custody) == []


def test_content_in_the_work_tree_counts_once_its_md5_is_right(repo: Repo, custody: Commands) -> None:
    repo.write("data/x.csv", OLD)
    repo.stage({"data/x.csv.dvc": dvc(repo, "data/x.csv", OLD, here=False)})
    custody("add", *TOLD, "data/x.csv.dvc")
    assert f"sha256: {sha256(OLD)}" in card(repo)
    repo.write("data/x.csv", OTHER)
    assert found(custody) == ["content-absent"]


@pytest.mark.parametrize("make", ["link", "pipe", "folder"])
def test_what_lies_in_the_work_tree_and_is_no_file(repo: Repo, custody: Commands, make: str) -> None:
    repo.write("elsewhere.csv", OLD)
    place = repo.path / "data/x.csv"
    place.parent.mkdir()
    if make == "link":
        place.symlink_to("../elsewhere.csv")
    elif make == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    repo.stage({"data/x.csv.dvc": dvc(repo, "data/x.csv", OLD, here=False)})
    with within(5):
        custody("add", *TOLD, "data/x.csv.dvc")
    assert "md5" not in card(repo)


def test_another_content_of_the_same_md5(repo: Repo, custody: Commands) -> None:
    documented(custody, "data/x.csv.dvc", dvc(repo, "data/x.csv", OLD))
    text = card(repo).replace(sha256(OLD), sha256(OTHER))
    repo.stage({"data/x.csv.datacard.yaml": text})
    assert found(custody) == ["digest-mismatch"]  # here only the card is wrong, which looks the same
    assert "the MD5 that its card records" in custody("check").out


def test_content_is_read_again_only_when_its_file_changed(
    repo: Repo, custody: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    documented(custody, "data/x.csv.dvc", dvc(repo, "data/x.csv", OLD))
    documented(custody, "data/d.dvc", dvc_folder(repo, "data/d", {"a.csv": OTHER}))
    repo.git("commit", "-q", "-m", "Base")
    read: list[str] = []
    verified = stores._verified

    def reading(path: str, algorithm: str, digest: str) -> Content | None:
        read.append(path)
        return verified(path, algorithm, digest)

    monkeypatch.setattr(stores, "_verified", reading)
    assert found(custody, "--all") == []
    read.clear()
    assert found(custody, "--all") == []
    assert [path for path in read if not path.endswith(".dir")] == []
    place = repo.path / f".dvc/cache/files/md5/{md5(OLD)[:2]}/{md5(OLD)[2:]}"
    place.write_bytes(OTHER)
    verdict = custody("check", "--format", "json", "--all")
    assert [item["path"] for item in verdict.report["not_judged"]] == ["data/x.csv.dvc"]


def test_a_card_from_before_is_of_the_dvc_file(repo: Repo, custody: Commands) -> None:
    pointer = dvc(repo, "data/x.csv", OLD)
    documented(custody, "data/x.csv.dvc", pointer)
    lines = [line for line in card(repo).splitlines(keepends=True) if "md5" not in line]
    before = (
        "".join(lines).replace(sha256(OLD), sha256(pointer)).replace(f"bytes: {len(OLD)}", f"bytes: {len(pointer)}")
    )
    repo.stage({"data/x.csv.datacard.yaml": before})
    assert found(custody) == ["weak-content-identity"]
    assert custody("card", "update", "data/x.csv.dvc").code in (0, 1)
    assert f"md5: {md5(OLD)}" in card(repo)
    assert found(custody) == []


def test_level_1_asks_for_none_of_it(repo: Repo, custody: Commands) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\nabsent_content: {changed: allow}\n"})
    documented(custody, "data/x.csv.dvc", dvc(repo, "data/x.csv", OLD, here=False))
    documented(custody, "data/y.csv", annex_pointer(repo, "URL--http&c%%x", None))
    assert custody("check", "--format", "json").rules == []


@pytest.mark.parametrize(
    "path",
    [".", "..", "../data", "sub/..", "x.csv.dvc", "../../out.csv", "/etc/out.csv", "C:/out.csv", "a\\\\b.csv", "s3://bucket/x", "../link/x.csv", "../.git/hooks/pre-push"],
)  # fmt: skip
def test_paths_that_lead_away(repo: Repo, custody: Commands, path: str) -> None:
    stage_link(repo, "link", "/tmp")
    text = dvc(repo, "data/x.csv", OLD).decode().replace("path: x.csv", f'path: "{path}"')
    documented(custody, "data/x.csv.dvc", text.encode())
    assert found(custody) == ["pointer-leads-outside"]


def test_a_working_directory_that_leads_away(repo: Repo, custody: Commands) -> None:
    documented(custody, "data/x.csv.dvc", dvc(repo, "data/x.csv", OLD) + b"wdir: ../..\n")
    assert found(custody) == ["pointer-leads-outside"]
    documented(custody, "data/x.csv.dvc", dvc(repo, "data/x.csv", OLD) + b"wdir: deeper/..\n")
    assert found(custody) == []


@pytest.mark.parametrize("path", ["other.csv", "./x.csv", "../x.csv", "../dat", "x.csv.d"])
def test_an_output_need_not_be_called_as_its_dvc_file(repo: Repo, custody: Commands, path: str) -> None:
    text = dvc(repo, "data/x.csv", OLD).decode().replace("path: x.csv", f"path: {path}")
    documented(custody, "data/x.csv.dvc", text.encode())
    assert found(custody) == []


def test_outputs_of_pipelines(repo: Repo, custody: Commands) -> None:
    lock = f"schema: '2.0'\nstages:\n  s:\n    cmd: x\n    outs:\n    - {{path: PATH, hash: md5, md5: {md5(OLD)}, size: 1}}\n"
    repo.commit({"dvc.lock": lock.replace("PATH", "../out.csv")})
    assert found(custody, "--all") == ["pointer-leads-outside"]
    repo.stage({"dvc.lock": lock.replace("PATH", "data/out.csv")})
    assert found(custody) == ["content-absent"]
    repo.stage({"dvc.lock": "stages: {}\n", "models/params.dvc": "deps: []\n"})
    assert found(custody) == []


@pytest.mark.parametrize("words", [(), ("--all",)])
def test_what_dvc_wrote_is_read_once_for_all_hooks(
    repo: Repo, custody: Commands, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    outs = "".join(f"    - {{path: data/{n}.csv, md5: {n:032x}, size: 1}}\n" for n in range(20))
    repo.stage({"dvc.lock": f"schema: '2.0'\nstages:\n  s:\n    cmd: x\n    outs:\n{outs}"})
    documented(custody, "data/x.csv.dvc", dvc(repo, "data/x.csv", OLD))
    read: list[str] = []

    def reading(path: str, content: Content) -> tuple[stores.Kept, ...] | None:
        read.append(path)
        return kept_in(path, content)

    monkeypatch.setattr(stores, "kept_in", reading)
    found(custody, *words)
    assert sorted(read) == ["data/x.csv.dvc", "dvc.lock"]


@pytest.mark.parametrize("text", ["outs: []\n", "outs: [", "outs:\n- path: x.csv\n", "outs:\n- {etag: a, path: x}\n"])
def test_dvc_files_without_an_identity(repo: Repo, custody: Commands, text: str) -> None:
    documented(custody, "data/x.csv.dvc", text.encode())
    assert "no-content-identity" in found(custody)


@pytest.mark.parametrize("name", ["../a.csv", "/a.csv", "a\nb", "a\\b", "c:a", "", "a//b"])
def test_names_in_the_list_of_a_folder_that_lead_away(repo: Repo, custody: Commands, name: str) -> None:
    assert not is_plain(name)
    documented(custody, "data/d.dvc", dvc_folder(repo, "data/d", {name: OLD}))
    assert "md5" not in card(repo, "data/d")


def test_names_that_differ_by_case(repo: Repo, custody: Commands) -> None:
    repo.git("config", "core.ignorecase", "false")
    documented(custody, "data/x.csv.dvc", dvc(repo, "data/x.csv", OLD))
    repo.git("commit", "-q", "-m", "Base")
    repo.git("mv", "data/x.csv.dvc", "data/X.csv.dvc")
    assert found(custody) == ["missing-data-card", "orphan-data-card"]
    repo.git("mv", "data/x.csv.datacard.yaml", "data/X.csv.datacard.yaml")
    assert found(custody) == []
    documented(custody, "data/x.csv.dvc", dvc(repo, "data/x.csv", OTHER))
    assert found(custody) == ["ambiguous-asset-name"]


# ---------------------------------------------------------------------- any bytes

POINTERS = [
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 3\n",
    b"/annex/objects/" + key(OLD).encode() + b"\n",
    b"outs:\n- md5: " + b"a" * 32 + b"\n  size: 3\n  path: x.csv\n",
    b"outs:\n- md5: " + b"a" * 32 + b".dir\n  nfiles: 3\n  path: x\nwdir: ..\n",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A pointer with a few bytes exchanged, taken out or put in."""
    data = bytearray(draw(st.sampled_from(POINTERS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 5))] = draw(st.binary(max_size=6))
    return bytes(data)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated(), st.sampled_from(["data/x.csv", "data/x.csv.dvc"]), st.booleans())
def test_any_bytes_end_in_findings_or_in_2(repo: Repo, custody: Commands, data: bytes, path: str, link: bool) -> None:
    if link and data and b"\0" not in data:
        stage_link(repo, path, os.fsdecode(data))
    else:
        (repo.path / path).unlink(missing_ok=True)
        repo.stage({path: data})
    with within(5):
        for words in (("add", *TOLD, path), ("check", "--format", "json")):
            verdict = custody(*words)
            assert verdict.code in (0, 1, 2)
            assert "itself failed" not in verdict.out + verdict.err
    repo.git("rm", "-q", "--cached", "-r", "--ignore-unmatch", "data")


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_any_dvc_file_is_read_or_not(data: bytes) -> None:
    for one in kept_in("data/x.csv.dvc", BytesContent(data)) or ():
        assert isinstance(one.key, str)
        assert one.size >= -1
