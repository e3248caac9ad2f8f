"""A file's name is data: whatever it holds, the file is judged, and the name forges nothing."""

from __future__ import annotations

import base64
import os
import subprocess
import sys

import pytest

from conftest import HOOKS, PICKLE, ROWS, Repo, documented

NAMES = {
    "space": (b"my model.bin", "my model.bin"),
    "trailing-space": (b"model ", "model "),
    "newline": (b"a\nb.bin", "a\\nb.bin"),
    "leading-newline": (b"\n::error::x", "\\n::error::x"),
    "tab": (b"a\tb.bin", "a\\tb.bin"),
    "carriage-return": (b"a\rb.bin", "a\\rb.bin"),
    "escape": (b"\x1b[2Jb.bin", "\\x1b[2Jb.bin"),
    "delete": (b"a\x7fb", "a\\x7fb"),
    "unicode": ("modèle/重み.bin".encode(), "modèle/重み.bin"),
    "decomposed": ("mode\u0300le.bin".encode(), "mode\u0300le.bin"),
    "leading-dash": (b"--maxkb=99999", "--maxkb=99999"),
    "option-of-ours": (b"--all", "--all"),
    "option-of-git": (b"--output=x", "--output=x"),
    "dash": (b"-", "-"),
    "backslash": (b"a\\b.bin", "a\\\\b.bin"),
    "looks-escaped": (b"a\\nb.bin", "a\\\\nb.bin"),
    "quote": (b'it\'s "it".bin', 'it\'s "it".bin'),
    "latin-1": (b"caf\xe9.bin", "caf\\xe9.bin"),
    "half-a-character": (b"\xe9\x87", "\\xe9\\x87"),
    "surrogate": (b"\xed\xa0\x80.bin", "\\xed\\xa0\\x80.bin"),
    "bidi": ("gnp.\u202etxt".encode(), "gnp.\\u{202e}txt"),
    "isolate": ("a\u2066b".encode(), "a\\u{2066}b"),
    "zero-width": ("a\u200bb".encode(), "a\\u{200b}b"),
    "next-line": ("a\u0085b\u2028c".encode(), "a\\u{85}b\\u{2028}c"),
    "github-command": (b"::error::x", "\\x3a:error::x"),
    "github-old-command": (b"##[error]x", "\\x23#[error]x"),
    "github-command-after-spaces": (b"  ::stop-commands::x", "  \\x3a:stop-commands::x"),
    "azure-command-in-a-folder": (b"a/##vso[task.complete]", "a/\\x23#vso[task.complete]"),
    "pathspec-magic": (b":(exclude)*", ":(exclude)*"),
    "glob": (b"*", "*"),
    "attribute-pattern": (b"[attr]x", "[attr]x"),
    "looks-quoted": (b'"quoted"', '"quoted"'),
    "percent": (b"%s%0A.bin", "%s%0A.bin"),
    "git-raw-record": (b":000000 100644 A", ":000000 100644 A"),
    "long": (b"x" * 250, "x" * 250),
}


SHOWN = sorted(shown for _, shown in NAMES.values())


@pytest.fixture
def named(repo: Repo) -> Repo:
    """A repository that stages a pickle under each of the names."""
    for raw, _ in NAMES.values():
        repo.write(raw, PICKLE)
    repo.git("add", "-A")
    return repo


def test_a_pickle_under_any_name(named: Repo) -> None:
    start = named.git("rev-parse", "HEAD")
    staged = named.check()
    assert sorted(staged.caught()) == SHOWN
    in_base64 = {f["path"]: f["path_b64"] for f in staged.report["findings"] if "path_b64" in f}
    assert {shown: base64.b64decode(raw) for shown, raw in in_base64.items()} == {
        shown: raw for raw, shown in NAMES.values() if b"\\x" in raw.decode("utf-8", "backslashreplace").encode()
    }
    named.commit()
    assert sorted(named.check("--all").caught()) == SHOWN
    assert sorted(named.check("--range", f"{start}...HEAD").caught()) == SHOWN


def test_a_name_forges_nothing(named: Repo) -> None:
    lines = named.check(text=True).out.split("\n")
    first = [line for line in lines if ": pickle-weights: " in line]
    assert sorted(line.partition(": pickle-weights: ")[0] for line in first) == SHOWN
    assert lines[-1] == ""
    for line in lines:
        assert line.isprintable()
        assert not line.strip().startswith(("::", "##"))
        assert "##[" not in line
        assert "##vso[" not in line
        assert line.startswith("    ") or line in first or line in lines[-2:]


@pytest.mark.parametrize("cwd", [".", "a", "sub/folder"])
def test_each_printed_command_works_and_touches_nothing_else(named: Repo, cwd: str) -> None:
    named.stage({"sub/folder/ab.bin": "Beside a\\\\b.bin.\n", "ab.bin": "Likewise.\n"})
    fixes = {f["path"]: f["fix"] for f in named.check(cwd=cwd).report["findings"]}
    assert sorted(fixes) == SHOWN
    for (command,) in fixes.values():
        assert command.startswith("git ")
    script = "\n".join(command for (command,) in fixes.values())
    subprocess.run(("bash", "-e", "-c", script), cwd=named.path / cwd, check=True, capture_output=True)
    assert named.check("--staged").passes
    assert named.git("diff", "--cached", "--name-only").split() == ["ab.bin", "sub/folder/ab.bin"]
    assert all(os.path.exists(os.path.join(os.fsencode(named.path), raw)) for raw, _ in NAMES.values())


def test_ordinary_files_under_any_name(repo: Repo) -> None:
    for raw, _ in NAMES.values():
        repo.write(raw, "Ordinary words.\n")
    repo.git("add", "-A")
    assert repo.check().passes


@pytest.mark.parametrize("folder", [":(exclude)x", ":!x", "*", "-x", "[a]"])
def test_a_folder_that_looks_like_a_pattern(repo: Repo, folder: str) -> None:
    files = documented(f"{folder}/a.csv")
    card = next(content for path, content in files.items() if path.endswith(".yaml"))
    repo.stage({f"{folder}/a.txt": "Ordinary words.\n"})
    assert repo.check().passes
    repo.commit({f"{folder}/datacard.yaml": card})
    repo.stage({f"{folder}/b.txt": "More words.\n"})
    assert repo.check().caught("digest-mismatch") == [folder]


@pytest.mark.parametrize("raw", [b"a b.csv", b"--x.csv", b"caf\xe9.csv", "donn\u00e9es.csv".encode(), b"[a]*.csv"])
def test_a_dataset_under_any_name(repo: Repo, raw: bytes) -> None:
    path = "data/" + os.fsdecode(raw)
    repo.write(path, ROWS)
    repo.git("add", "-A")
    shown = "data/" + raw.decode("utf-8", "backslashreplace")
    assert repo.check().caught("missing-data-card") == [shown]
    for file, content in documented(path).items():
        repo.write(file, content)
    repo.git("add", "-A")
    assert repo.check().passes


@pytest.mark.parametrize("raw", [b"a\nb.csv", b"a\\b.csv"])
def test_the_names_that_no_dataset_may_have(repo: Repo, raw: bytes) -> None:
    for file, content in documented("data/" + os.fsdecode(raw)).items():
        repo.write(file, content)
    repo.git("add", "-A")
    assert repo.check().rules == ["ambiguous-asset-name"]


@pytest.mark.parametrize("second", ["data/Rows.csv", "data/rows.CSV", "DATA/rows.csv"])
def test_a_twin_that_differs_in_case(repo: Repo, second: str) -> None:
    repo.commit(documented("data/rows.csv"))
    repo.stage(documented(second, id="twin"))
    if second.startswith("data/"):
        assert repo.check().rules == ["ambiguous-asset-name"]
    else:
        assert "ambiguous-asset-name" in repo.check().rules


@pytest.mark.parametrize(("locale", "utf8"), [("C", "0"), ("nonsense", "0"), ("C.UTF-8", "0"), ("C", "1")])
def test_the_locale_changes_nothing(repo: Repo, locale: str, utf8: str) -> None:
    for path in ("modèle/w.bin", "data/donn\u00e9es/caf\u00e9.csv"):
        repo.write(path, PICKLE)
    repo.write("data/donn\u00e9es/th\u00e9.csv", ROWS)
    repo.git("add", "-A")
    env = {"LC_ALL": locale, "PYTHONUTF8": utf8, "PYTHONCOERCECLOCALE": "0"}
    verdict = repo.check(env=env)
    assert verdict.caught() == ["data/donn\u00e9es/caf\u00e9.csv", "modèle/w.bin"]
    assert verdict.caught("missing-data-card") == ["data/donn\u00e9es/th\u00e9.csv"]
    assert repo.check("modèle", env=env).caught() == ["modèle/w.bin"]
    assert repo.check(env=env, text=True).code == 1


def test_the_policy_is_found_beside_strange_names(repo: Repo) -> None:
    repo.stage({".custody/policy.yaml": "version: 1\ndatasets: {exclude: ['donn\u00e9es/**']}\n"})
    repo.write("donn\u00e9es/big.csv", "x,y\n" * 20_000)
    repo.write(b"caf\xe9/big.csv", "x,y\n" * 20_000)
    repo.git("add", "-A")
    assert repo.check().caught("missing-data-card") == ["caf\\xe9/big.csv"]


def test_names_in_words_of_the_command_line_are_escaped(repo: Repo) -> None:
    done = subprocess.run(
        (sys.executable, "-m", "git_custody", "check", "--range", "a\n::error::\u202eb\x1b[2J...HEAD"),
        cwd=repo.path, env={**os.environ, "PYTHONPATH": str(HOOKS)}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    said = (done.stdout + done.stderr).decode()
    assert "a\\n::error::\\u{202e}b\\x1b[2J" in said
    assert all(line.isprintable() for line in said.splitlines())
