"""What follows from the rules' own declarations is in step with them, and runners accept it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from git_custody.catalog import HOOK_IDS, load_all
from git_custody.core import assets
from git_custody.core.policy import Policy
from git_custody.datasets.licenses import check_license

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def manifest() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    return loaded


def test_generated_files_are_in_step(generate: ModuleType) -> None:
    for path, text in generate.pages():
        assert path.read_text("utf-8") == text, f"{path.name} is out of step: run python docs/generate.py"


def test_readme_has_the_table_of_hooks() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert [hook for hook in (*HOOK_IDS, "custody") if f"| `{hook}` |" not in text] == []


def test_readme_without_markers_is_left_alone(generate: ModuleType) -> None:
    assert generate.readme("# A\n", load_all()) == "# A\n"
    marked = f"a\n{generate.BEGIN}\nwhat was there\n{generate.END}\nb\n"
    renewed = generate.readme(marked, load_all())
    assert renewed.startswith(f"a\n{generate.BEGIN}\n| hook |")
    assert renewed.endswith(f"|\n{generate.END}\nb\n")
    assert "what was there" not in renewed


def test_pre_commit_accepts_the_manifest() -> None:
    command = (sys.executable, "-m", "pre_commit", "validate-manifest", ".pre-commit-hooks.yaml")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_hook_is_offered_with_the_umbrella_first(manifest: list[dict[str, Any]]) -> None:
    assert [hook["id"] for hook in manifest] == ["custody", *HOOK_IDS]


def test_hooks_run_whatever_changed_and_take_no_names(manifest: list[dict[str, Any]]) -> None:
    for hook in manifest:
        assert (hook["always_run"], hook["pass_filenames"], hook["require_serial"]) == (True, False, True)
        assert hook["stages"] == ["pre-commit", "pre-merge-commit", "pre-push", "manual"]
        assert hook["language"] == "python"


def test_every_entry_is_a_program_of_the_package(manifest: list[dict[str, Any]]) -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    scripts = dict(re.findall(r'^([a-z-]+) = "(git_custody[a-z_.]*):main"$', text, re.MULTILINE))
    for hook in manifest:
        module = scripts[hook["entry"].split()[0]]
        expected = "git_custody.cli" if hook["id"] == "custody" else f"git_custody.{hook['id'].replace('-', '_')}"
        assert module == expected


def test_every_rule_has_a_section_with_its_name_as_anchor() -> None:
    text = (ROOT / "docs" / "rules.md").read_text("utf-8")
    names = [rule.name for hook in load_all() for rule in hook.rules]
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == names
    assert len(set(names)) == len(names)


def fields() -> dict[str, str]:
    """setting → the policy's field for it, by the one name that `read_policy` gives both"""
    special = {
        "sources.trusted": "trusted_sources",
        "absent_content.changed": "absent_changed", "absent_content.unchanged": "absent_unchanged",
        "sizes.plain_blob_max": "plain_blob_max", "sizes.content_scan_max": "content_scan_max",
        "defaults.publisher": "default_publisher", "defaults.license": "default_license",
    }  # fmt: skip
    text = (ROOT / "docs" / "policy.md").read_text("utf-8")
    named = re.findall(r"^\| `([a-z_.]+)` \|", text, re.MULTILINE)
    found = {name: special.get(name, name.replace(".", "_")) for name in named}
    return {n: f.removesuffix("_include").removesuffix("_exclude") for n, f in found.items() if n != "version"}


def test_settings_that_no_rule_goes_by_are_said_to_be_for_later(generate: ModuleType) -> None:
    folder = ROOT / "hooks" / "git_custody"
    # These two read and compare policies, whatever for.
    readers = [path for path in folder.rglob("*.py") if path.name not in ("policy.py", "policy_change.py")]
    code = "\n".join(path.read_text("utf-8") for path in readers)
    unread = {name for name, field in fields().items() if not re.search(rf"\bpolicy\.{field}\b", code)}
    assert set(fields().values()) == {field for field in Policy._fields if field != "exists"}
    assert {name for name in generate.LATER if not name.startswith("licenses.")} == unread
    page = (ROOT / "docs" / "policy.md").read_text("utf-8")
    said = re.findall(r"^\| `([a-z_.]+)` .*no rule of this one uses it", page, re.MULTILINE)
    assert sorted(said) == sorted(generate.LATER)


@pytest.mark.parametrize("licence", ["MIT", "CC-BY-NC-4.0", "GPL-2.0-only OR MIT", "LicenseRef-Ours", "nonsense"])
def test_the_lists_of_licences_for_later_change_no_verdict(licence: str) -> None:
    for deny in ((), ("MIT",), ("*",)):
        verdicts = {
            check_license(licence, allow, deny, review).status in ("ok", "review")
            for allow in ((), ("MIT",), ("CC-*",))
            for review in ((), ("MIT",), ("CC-BY-NC-*",), ("*",))
        }
        assert len(verdicts) == 1


def test_every_rule_stands_under_its_level() -> None:
    text = (ROOT / "docs" / "policy.md").read_text("utf-8")
    for level in (1, 2, 3):
        (line,) = re.findall(rf"^- \*\*{level}:\*\* (.*)$", text, re.MULTILINE)
        assert set(re.findall(r"`([a-z-]+)`", line)) - set(HOOK_IDS) == {
            rule.name for hook in load_all() for rule in hook.rules if rule.level == level
        }


def test_the_literal_lists_stand_in_the_docs() -> None:
    text = (ROOT / "docs" / "assets.md").read_text("utf-8")
    words = assets.DATA_FOLDERS + assets.DATA_SUFFIXES + assets.MODEL_SUFFIXES + assets.PASSED_FOLDERS
    assert [word for word in words if f"`{word}`" not in text] == []
