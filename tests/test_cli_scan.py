"""`git custody scan`: files, folders and standard input, outside of any repository."""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from builders import zipped
from conftest import HOOKS, Payload
from corpus import npy, tarred, torch_zip
from git_custody.core.metadata import load
from git_custody.formats.catalog import FORMATS

ARRAY = npy("<f4", (2,), bytes(8))


def scan(folder: Path, *words: str, input: bytes = b"") -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        (sys.executable, "-m", "git_custody", "scan", *words), cwd=folder, input=input, capture_output=True,
        env={**os.environ, "PYTHONPATH": str(HOOKS), "GIT_CEILING_DIRECTORIES": str(folder)}, check=False,
    )  # fmt: skip
    text = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in text.stderr
    return text


def report(folder: Path, *words: str, input: bytes = b"") -> dict[str, Any]:
    done = scan(folder, "--format", "json", *words, input=input)
    found: dict[str, Any] = json.loads(done.stdout)
    assert not load(done.stdout.encode(), "report").problems
    assert found["exit_code"] == done.returncode
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub" / ".git").mkdir(parents=True)
    (tmp_path / "m.pt").write_bytes(torch_zip())
    (tmp_path / "sub" / "evil.txt").write_bytes(pickle.dumps(Payload(), 2))
    (tmp_path / "sub" / ".git" / "object").write_bytes(pickle.dumps(Payload(), 2))
    (tmp_path / "sub" / "shard.tar").write_bytes(tarred({"a.pkl": pickle.dumps([1], 4)}))
    (tmp_path / "a.npy").write_bytes(ARRAY)
    (tmp_path / "notes.txt").write_text("words\n")
    (tmp_path / "empty").write_bytes(b"")
    return tmp_path


def test_a_folder(folder: Path) -> None:
    found = report(folder, ".")
    assert [(f["path"], f.get("member")) for f in found["findings"]] == [
        ("./m.pt", "archive/data.pkl"),
        ("./sub/evil.txt", None),
        ("./sub/shard.tar", "a.pkl"),
    ]
    assert found["files"] == 6
    assert {(v["path"], v["kind"], v["format"]) for v in found["verdicts"]} == {
        ("./a.npy", "safe", "npy"),
        ("./m.pt", "pickle", "pytorch-zip"),
        ("./sub/evil.txt", "pickle", "pickle"),
        ("./sub/shard.tar", "pickle", "pickle"),
    }


def test_a_folder_is_summed_up_by_format(folder: Path) -> None:
    (folder / "w.bin").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 3\n")
    (folder / "b.onnx").write_bytes(ARRAY)
    (folder / "b.gguf").write_bytes(b"GGUF")
    *_, judged, counts = scan(folder, ".").stdout.splitlines()
    assert judged == "5 problems in 5 files, 1 not judged (judged: 9 files). Nothing was changed."
    assert counts == (
        "9 files: 2 npy, 2 pickle, 1 gguf (malformed), 1 pytorch-zip (pickle), 1 kept elsewhere, 2 ordinary"
    )
    assert scan(folder, ".", ".").stdout.splitlines()[-1] == counts
    (folder / "nothing").mkdir()
    assert scan(folder, "nothing").stdout == "no problems (judged: 0 files)\n0 files\n"
    assert scan(folder, "notes.txt").stdout.splitlines()[-1] == "no problems (judged: 1 file)"


def test_files_that_are_named_get_a_line_each(folder: Path) -> None:
    done = scan(folder, "a.npy", "notes.txt", "empty")
    assert done.stdout == (
        "a.npy: a NumPy array of numbers\nempty: an ordinary file\nnotes.txt: an ordinary file\n"
        "no problems (judged: 3 files)\n"
    )
    assert done.returncode == 0


def test_standard_input(folder: Path) -> None:
    assert scan(folder, "-", input=b"words\n").stdout == "-: an ordinary file\nno problems (judged: 1 file)\n"
    found = report(folder, "-", input=pickle.dumps(Payload(), 4))
    assert [(f["rule"], f["path"]) for f in found["findings"]] == [("pickle-weights", "-")]
    assert "fix" not in found["findings"][0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="limits are set with the resource module of POSIX")
def test_standard_input_for_which_there_is_no_room_is_not_passed(folder: Path) -> None:
    # What is there of it is a tar file of a text, and what there is no room for is a pickle.
    data = tarred({"a.txt": bytes(1_000_000), "b.pkl": pickle.dumps(Payload(), 2)})
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1_001_000, 1_001_000));"
        "from git_custody.cli import main; sys.exit(main(['scan', '--format', 'json', '-']))"
    )
    done = subprocess.run(
        (sys.executable, "-c", code), cwd=folder, input=data, capture_output=True, check=False,
        env={**os.environ, "PYTHONPATH": str(HOOKS)},
    )  # fmt: skip
    (error,) = json.loads(done.stdout)["errors"]
    assert (done.returncode, error["message"]) == (2, "it cannot be read: File too large")


def test_commands_are_for_where_the_user_stands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_PREFIX", "elsewhere/")
    (finding,) = report(folder, "m.pt")["findings"]
    assert finding["fix"][0].endswith("convert m.pt")


def test_the_way_out_of_a_checkpoint(folder: Path) -> None:
    (finding,) = report(folder, "m.pt")["findings"]
    assert finding["fix"][0].endswith("convert m.pt")


def test_what_cannot_be_read_is_an_error_and_the_rest_is_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    found = report(folder, "nothing", "pipe", "m.pt")
    assert [(e["path"], e["message"]) for e in found["errors"]] == [
        ("nothing", "it cannot be read: No such file or directory"),
        ("pipe", "it cannot be read: it is not a plain file"),
    ]
    assert found["exit_code"] == 2
    assert [f["path"] for f in found["findings"]] == ["m.pt"]


def test_pipes_and_links_to_folders_are_passed_over(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(".")
    (folder / "round").symlink_to("round")
    (folder / "gone").symlink_to("nothing")
    (folder / "piped").symlink_to("pipe")
    assert report(folder, ".")["files"] == 6


def test_links_to_files_are_read_as_loaders_read_them(folder: Path) -> None:
    snapshot = folder / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (folder / "blob").write_bytes(b"{{ ''.__class__.__mro__[1].__subclasses__() }}")
    (snapshot / "w.bin").symlink_to("../../m.pt")
    (snapshot / "chat_template.jinja").symlink_to("../../blob")
    found = report(folder, "snapshots")
    assert found["files"] == 2
    assert [(f["rule"], f["path"]) for f in found["findings"]] == [
        ("code-on-load", "snapshots/1/chat_template.jinja"),
        ("pickle-weights", "snapshots/1/w.bin"),
    ]


def test_what_is_opaque_is_a_finding_whatever_its_name(folder: Path) -> None:
    (folder / "notes.rar").write_bytes(b"Rar!\x1a\x07\x01\x00" + bytes(40))
    (finding,) = report(folder, "notes.rar")["findings"]
    assert finding["rule"] == "uninspected-content"


def test_names_cannot_forge_output(folder: Path) -> None:
    name = b"a\n::error::\xff\xe2\x80\xae.pkl"
    with open(os.path.join(os.fsencode(folder), name), "wb") as file:
        file.write(pickle.dumps(Payload(), 4))
    done = scan(folder, "--", os.fsdecode(name))
    assert len(done.stdout.splitlines()) == 5
    assert "\\n::error::\\xff\\u{202e}.pkl: pickle-weights" in done.stdout
    (finding,) = report(folder, "--", os.fsdecode(name))["findings"]
    assert finding["path_b64"]


def test_why(folder: Path) -> None:
    pytest.importorskip("resource", reason="without limits on a child process (Windows), fickling is not asked")
    found = report(folder, "--why", "sub/evil.txt")
    (verdict,) = found["verdicts"]
    assert verdict["why"]["severity"]
    assert verdict["why"]["would_call"] == ["__builtin__.print('loaded')"]


def test_why_stands_with_the_finding_that_it_explains(folder: Path) -> None:
    pytest.importorskip("resource", reason="without limits on a child process (Windows), fickling is not asked")
    (folder / "two.tar").write_bytes(tarred({"a.pkl": pickle.dumps([1], 4), "b.pkl": pickle.dumps(Payload(), 2)}))
    (folder / "cut.pkl").write_bytes(pickle.dumps(Payload(), 2)[:-1])
    told = scan(folder, "--why", "cut.pkl", "two.tar", "a.npy").stdout.splitlines()
    assert [line for line in told[:-1] if not line.startswith(("    why", "    more"))] == [
        "a.npy: a NumPy array of numbers",
        "cut.pkl: pickle-weights: these weights are a pickle, and loading it calls __builtin__.print",
        "    found  GLOBAL '__builtin__ print' at byte 2",
        "    also   fickling has no answer: it failed, took too long, or cannot be run here",
        "    names  it looks up __builtin__.print, builtins.print",
        "two.tar: pickle-weights: these weights are a pickle, and loading it calls __builtin__.print",
        "    in     b.pkl",
        "    found  GLOBAL '__builtin__ print' at byte 2",
        "    also   fickling says LIKELY_OVERTLY_MALICIOUS",
        "    calls  __builtin__.print('loaded')",
        "    also   fickling says LIKELY_SAFE of a.pkl, and sees no call",
    ]
    assert "fickling" not in scan(folder, "two.tar").stdout


def test_where_fickling_fails_the_names_are_told_all_the_same(folder: Path) -> None:
    pytest.importorskip("resource", reason="without limits on a child process (Windows), fickling is not asked")
    (folder / "cut.pkl").write_bytes(pickle.dumps(Payload(), 2)[:-1])
    (verdict,) = report(folder, "--why", "cut.pkl")["verdicts"]
    assert verdict["why"] == {"looks_up": ["__builtin__.print", "builtins.print"]}


def test_usage() -> None:
    assert scan(Path.cwd()).returncode == 2


def test_what_only_points_to_content_is_not_judged(folder: Path) -> None:
    (folder / "w.bin").write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 3\n")
    (folder / "w.dvc").write_text("outs:\n- md5: 0123456789abcdef0123456789abcdef\n  path: w.bin\n")
    found = report(folder, "w.bin", "w.dvc", "notes.txt")
    assert [(one["path"], one["reason"]) for one in found["not_judged"]] == [
        ("w.bin", "it is a Git LFS pointer, and its content is elsewhere"),
        ("w.dvc", "its content is kept by DVC, elsewhere"),
    ]
    assert "w.bin: not judged: it is a Git LFS pointer" in scan(folder, "w.bin").stdout


@pytest.mark.parametrize(
    "text",
    [
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 30000000\n",
        f"version https://git-lfs.github.com/spec/v1\r\noid sha256:{'a' * 64}\r\nsize 30000000\r\n",
        f"version https://git-lfs.github.com/spec/v1\next-0-x sha256:{'b' * 64}\noid sha256:{'a' * 64}\nsize 30\n",
        f"/annex/objects/SHA256E-s30000000--{'a' * 64}.safetensors\n",
    ],
)
def test_what_a_pointer_is_named_like_is_no_finding(folder: Path, text: str) -> None:
    names = sorted({f"w{suffix}" for known in FORMATS for suffix in known.suffixes})
    (folder / "lfs").mkdir()
    for name in names:
        (folder / "lfs" / name).write_text(text, newline="")
    found = report(folder, "lfs")
    assert (found["exit_code"], found["findings"]) == (0, [])
    assert [one["path"] for one in found["not_judged"]] == [f"lfs/{name}" for name in names]
    said = scan(folder, "lfs").stdout.splitlines()
    assert said[0].startswith(f"{len(names)} files not judged: it")


def test_what_would_run_is_found_in_what_looks_like_a_pointer(folder: Path) -> None:
    pointer = b"/annex/objects/SHA256-s1--" + b"a" * 64 + b"\n"
    (folder / "w.safetensors").write_bytes(pointer + zipped({"a.pkl": pickle.dumps(Payload(), 2)}))
    found = report(folder, "w.safetensors")
    assert [one["rule"] for one in found["findings"]] == ["pickle-weights"]
    assert found["not_judged"] == []


@pytest.mark.skipif(os.name == "nt", reason="needs symlinks")
def test_a_link_of_git_annex_whose_content_is_elsewhere_is_not_judged(folder: Path) -> None:
    key = f"SHA256E-s30--{'a' * 64}.safetensors"
    (folder / "annex").mkdir()
    (folder / "annex" / "w.safetensors").symlink_to(f"../.git/annex/objects/Xx/9k/{key}/{key}")
    (folder / "annex" / "gone.csv").symlink_to("nowhere.csv")
    for words in ("annex",), ("annex/w.safetensors",):
        found = report(folder, *words)
        assert [(one["path"], one["reason"]) for one in found["not_judged"]] == [
            ("annex/w.safetensors", "its content is kept by git-annex, elsewhere")
        ]
    assert scan(folder, "annex/gone.csv").returncode == 2


def test_a_member_may_be_called_by_half_a_letter(tmp_path: Path) -> None:
    setting = b'{":serialized:": "' + base64.b64encode(pickle.dumps(Payload())) + b'"}'
    (tmp_path / "a.zip").write_bytes(zipped({"data": b'{"\\ud800": ' + setting + b"}"}))
    (found,) = report(tmp_path, "a.zip")["findings"]
    assert found["member"] == "data!\\u{d800}"
