"""`git custody convert`, as a user types it: in any folder, with a plain answer and the promised exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from builders import zipped
from conftest import HOOKS
from git_custody.cli import main
from handmade import Made, Name, checkpoint, floats, simple, tensor

FOUR = floats(1, 2, 3, 4)
FOREIGN = {"model": {"w": tensor()}, "args": Made(Name("argparse", "Namespace"), state={"lr": 1})}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    assert main(["convert", *words]) == code
    out, err = capsys.readouterr()
    return out + err


def report(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> dict[str, Any]:
    assert main(["convert", "--format", "json", *words]) == code
    out, err = capsys.readouterr()
    assert err == ""
    made: dict[str, Any] = json.loads(out)
    assert made["exit_code"] == code
    return made


def test_it_says_what_it_made_and_what_it_did_not_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("model.pt").write_bytes(simple())
    assert run(capsys, 0, "model.pt").split("\n") == [
        "model.safetensors: 1 tensor, 120 bytes, from model.pt",
        "    record  model.safetensors.json: the digests of both",
        "This removed code, not back doors: what the model was trained to do is the same as before.",
        "",
    ]
    assert "(it was there already, the very same)" in run(capsys, 0, "model.pt")


def test_it_says_what_is_left_out_tied_or_stored_otherwise(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = {
        "model": {"a": tensor(), "b": tensor(), "c": tensor("1", (1,), kind="ComplexDoubleStorage")},
        "optimizer": {"state": {0: {"m": tensor()}}, "param_groups": []},
    }
    Path("model.pt").write_bytes(zipped(checkpoint(value, {"0": FOUR, "1": bytes(16)})))
    said = run(capsys, 0, "model.pt")
    assert "    record  model.safetensors.json: the digests of both\n" in said
    assert "    left    optimizer: 1 tensor, 16 bytes of an optimiser; --optimizer keeps them\n" in said
    assert "    tied    a, b: one tensor, written under each name\n" in said
    assert "    stored  c: complex numbers as a last axis of real and imaginary part\n" in said
    made = report(capsys, 0, "--optimizer", "model.pt", "kept.safetensors")["result"]
    assert (made["tensors"], made["left_out"], made["tied"]) == (4, [], [["a", "b", "optimizer.state.0.m"]])


def test_a_refusal_names_what_where_and_the_way_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("model.pt").write_bytes(zipped(checkpoint(FOREIGN, {"0": FOUR})))
    assert run(capsys, 1, "model.pt").split("\n") == [
        'model.pt: not converted: it needs argparse.Namespace, which is neither a tensor nor plain data (at "args")',
        "    to save what is needed in another way, in Python, if you trust the file:",
        "      import torch",
        '      checkpoint = torch.load("model.pt", weights_only=False)',
        "      torch.save(checkpoint['model'], \"model-tensors.pt\")",
        "    and then:",
        "      git custody convert model-tensors.pt",
        "Nothing was written.",
        "",
    ]
    found = report(capsys, 1, "model.pt")["refused"]
    assert (found["global"], found["place"]) == ("argparse.Namespace", "args")
    assert found["how_to_resave"][1] == 'checkpoint = torch.load("model.pt", weights_only=False)'
    assert os.listdir() == ["model.pt"]


def test_nobody_is_told_to_load_what_attacks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = {"w": tensor(), "x": Made(Name("posix", "system"), "true")}
    Path("model.pt").write_bytes(zipped(checkpoint(value, {"0": FOUR})))
    said = run(capsys, 1, "model.pt")
    assert "posix.system" in said
    assert "do not load it: ask whoever published it for safetensors" in said
    assert "torch.load" not in said


def test_names_from_the_file_forge_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\n::error::x\u202e\x1b[2J"
    value = {name: Made(Name("evil\x1b[2J", "x\u202ey"), 1), "w": tensor()}
    Path("model.pt").write_bytes(zipped(checkpoint(value, {"0": FOUR})))
    assert all(line.isprintable() and not line.startswith("::") for line in run(capsys, 1, "model.pt").split("\n"))
    tied = {"::error::\u202e": tensor(), "w": tensor(), "optim" + name: {"state": [tensor()]}}
    Path("model.pt").write_bytes(zipped(checkpoint(tied, {"0": FOUR})))
    assert all(line.isprintable() and not line.startswith("::") for line in run(capsys, 0, "model.pt").split("\n"))


def test_what_cannot_be_read_or_written_is_exit_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("model.pt").write_bytes(simple())
    Path("text.pt").write_bytes(b"no checkpoint\n")
    Path("words.pt").write_bytes(b"I am one of those texts that begin like a pickle.\n")
    Path("empty.pt").write_bytes(b"")
    Path("zip.pt").write_bytes(zipped({"a.txt": b"words"}))
    Path("done.pt").write_bytes(struct.pack("<Q", 2) + b"{}" + bytes(8))
    Path("model.safetensors").write_bytes(b"mine")
    for words in (
        ["missing.pt"],
        *([f"{name}.pt"] for name in ("text", "words", "empty", "zip", "done")),
        ["model.pt"],
        ["model.pt", "a.bin"],
        ["--check", "model.pt"],
        ["model.safetensors"],
    ):
        said = run(capsys, 2, *words)
        assert said.startswith("git-custody: ")
        assert said.count("\n") == 1
        assert report(capsys, 2, *words)["errors"][0]["message"]
    assert run(capsys, 0, "--force", "model.pt")
    with pytest.raises(SystemExit) as stopped:
        main(["convert"])
    assert stopped.value.code == 2


def test_checking(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("model.pt").write_bytes(simple())
    run(capsys, 0, "model.pt")
    expected = "model.safetensors: its digest is the recorded one, and 1 tensor equals its source\n"
    assert run(capsys, 0, "--check", "model.pt") == expected
    assert run(capsys, 0, "--check", "model.safetensors") == expected
    raw = Path("model.safetensors").read_bytes()
    Path("model.safetensors").write_bytes(raw[:-1] + b"x")
    said = run(capsys, 1, "--check", "model.pt")
    assert 'model.safetensors: the tensor "w" is not the one in the source\n' in said
    found = report(capsys, 1, "--check", "model.pt")["verified"]
    assert [problem["path"] for problem in found["problems"]] == ["model.safetensors"] * 2
    Path("model.safetensors").write_bytes(raw)
    Path("model.pt").unlink()
    assert "the source is not there any more" in run(capsys, 0, "--check", "model.pt")


def program(*words: str, **options: Any) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(HOOKS)}
    command = (sys.executable, "-m", "git_custody", "convert", *words)
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def heeding_signals() -> None:
    """What `nohup` and a shell's `&` ignore, the programs below them would, too."""
    for number in ("SIGINT", "SIGHUP"):
        signal.signal(getattr(signal, number), signal.SIG_DFL)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_stopped_run_leaves_nothing(number: str, tmp_path: Path) -> None:
    size = 256 * 1024 * 1024
    source = tmp_path / "model.npy"
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d,)}" % size
    with source.open("wb") as file:
        file.write(b"\x93NUMPY\x01\0" + (117).to_bytes(2, "little") + header.ljust(116) + b"\n")
        file.truncate(127 + size)
    out = tmp_path / "out"
    out.mkdir()
    process = program(str(source), str(out), preexec_fn=heeding_signals)
    while not os.listdir(out):
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(getattr(signal, number))
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (2, b"git-custody: stopped\n")
    assert os.listdir(out) == []


@pytest.mark.skipif(os.name == "nt", reason="terminals of POSIX")
def test_progress_is_shown_on_a_terminal_alone(tmp_path: Path) -> None:
    import pty

    size = 80 * 1024 * 1024
    source = tmp_path / "model.npy"
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d,)}" % size
    with source.open("wb") as file:
        file.write(b"\x93NUMPY\x01\0" + (117).to_bytes(2, "little") + header.ljust(116) + b"\n")
        file.truncate(127 + size)
    assert program(str(source), str(tmp_path / "a.safetensors")).communicate(timeout=60)[1] == b""
    controller, terminal = pty.openpty()
    command = (sys.executable, "-m", "git_custody", "convert", str(source), str(tmp_path / "b.safetensors"))
    environment = {**os.environ, "PYTHONPATH": str(HOOKS)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=terminal)
    process.communicate(timeout=60)
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: nobody writes to it any more
        while chunk := os.read(controller, 4096):  # a read has a part of what was written
            shown += chunk
    os.close(controller)
    assert b"model.npy: 100 %" in shown
    assert shown.endswith(b"\r\x1b[K")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": [1, 2.5, "x"], "b": {"c": None, "$d": True}}, {"a": [1, 2.5, "x"], "b": {"c": None, "$d": True}}),
        ([OrderedDict(a=(1, 2**70))], [{"a": [1, 2**70]}]),
        ({0: "cat", 1: {None: "dog"}}, {"0": "cat", "1": {"null": "dog"}}),
    ],
)
def test_plain_values_are_pointed_to_json(
    folder: Path, capsys: pytest.CaptureFixture[str], value: object, written: object
) -> None:
    name = "{saved} {json}.pkl"
    Path(name).write_bytes(pickle.dumps(value))
    found = report(capsys, 1, name)["refused"]
    assert found["message"] == "there is no tensor in it, only plain values, which JSON can hold"
    subprocess.run((sys.executable, "-c", "\n".join(found["how_to_resave"])), check=True)
    assert json.loads(Path("{saved} {json}.json").read_text()) == written
    said = run(capsys, 1, name)
    assert "git custody convert" not in said


@pytest.mark.parametrize("value", [{"a": {1}}, {(1, 2): "a"}, [b"x"], [float("nan")]])
def test_other_values_without_tensors_have_no_place_in_json(
    folder: Path, capsys: pytest.CaptureFixture[str], value: object
) -> None:
    Path("a.pkl").write_bytes(pickle.dumps(value, 4))
    assert run(capsys, 1, "a.pkl") == (
        "a.pkl: not converted: there is no tensor in it; other data belongs in JSON, CSV or Parquet\n"
        "Nothing was written.\n"
    )


def test_plain_values_that_pytorch_or_joblib_wrote_are_loaded_by_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.pt").write_bytes(zipped(checkpoint({"epoch": 1}, {})))
    load = 'json.dump(torch.load("a.pt", weights_only=True), open("a.json", "x"))'
    assert report(capsys, 1, "a.pt")["refused"]["how_to_resave"] == ["import json, torch", load]
    Path("a.joblib").write_bytes(zlib.compress(pickle.dumps({"epoch": 1})))
    load = 'json.dump(joblib.load("a.joblib"), open("a.json", "x"))'
    assert report(capsys, 1, "a.joblib")["refused"]["how_to_resave"] == ["import json, joblib", load]
