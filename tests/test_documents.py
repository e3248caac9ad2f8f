"""What the documents say of versions, settings and rules is what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from git_custody import __version__
from git_custody.catalog import HOOK_IDS, load_all
from git_custody.core.pages import HOME
from git_custody.core.policy import GLOBALS, admits
from git_custody.scaffold import ci_files, runner_entry

ROOT = Path(__file__).parent.parent


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_readme_names_the_current_version() -> None:
    assert re.findall(r"^    rev: (\S+)$", text("README.md"), re.MULTILINE) == [f"v{__version__}"]


def test_installation_in_ci_names_the_current_version() -> None:
    assert set(re.findall(r"git-custody==(\S+)", text("docs/ci.md"))) == {__version__}


def test_ci_page_shows_what_init_writes() -> None:
    page = text("docs/ci.md")
    source = ci_files.release(__version__)
    for written in (ci_files.github_workflow(source), ci_files.gitlab_job(source)):
        assert f"```yaml\n{written}```" in page


def test_readme_shows_the_hooks_that_init_configures() -> None:
    (shown,) = re.findall(r"^```yaml\n(default_install.*?)^```", text("README.md"), re.MULTILINE | re.DOTALL)
    written = runner_entry.new(runner_entry.Entry(HOME, f"v{__version__}"))
    assert yaml.safe_load(shown) == yaml.safe_load(written)


def test_changelog_begins_with_what_is_unreleased_and_the_current_version() -> None:
    found = re.findall(r"^## \[(.+?)\]", text("CHANGELOG.md"), re.MULTILINE)
    assert found[:2] == ["Unreleased", __version__]


def test_readme_has_every_hook_in_its_table() -> None:
    table = text("README.md").partition("<!-- hooks: begin -->")[2].partition("<!-- hooks: end -->")[0]
    assert re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE) == ["custody", *HOOK_IDS]


def test_policy_page_has_every_setting() -> None:
    schema = json.loads(text("schemas/policy.schema.json"))
    settings = set()
    for name, described in schema["properties"].items():
        below = described.get("properties") or (
            {"include": 0, "exclude": 0} if "globs" in described.get("$ref", "") else {}
        )
        settings |= {f"{name}.{key}" for key in below} or {name}
    rows = re.findall(r"^\| (`.+?) \|", text("docs/policy.md"), re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(.+?)`", row)}
    assert documented == settings


def test_waivers_page_names_what_cannot_be_waived() -> None:
    said = text("docs/waivers.md").partition("mended instead:")[2].partition(".\n")[0]
    assert set(re.findall(r"`(.+?)`", said)) == {r.name for hook in load_all() for r in hook.rules if not r.waivable}


def test_the_list_for_models_of_scikit_learn_ends_no_waiver() -> None:
    (shown,) = re.findall(r"^```yaml\n(pickles:\n.*?)^```", text("docs/waivers.md"), re.MULTILINE | re.DOTALL)
    listed = yaml.safe_load(shown)["pickles"]["globals"]
    assert set(GLOBALS) < set(listed)
    assert admits(listed, "sklearn.linear_model._logistic.LogisticRegression")
    for name in ("posix.system", "os.system", "builtins.eval", "builtins.getattr", "sklearn.base:os.system"):
        assert not admits(listed, name)


@pytest.mark.parametrize("name", ["README.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))])
def test_links_lead_to_files(name: str) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text(name)):
        assert ((ROOT / name).parent / link).is_file(), link


def test_readme_has_two_commands_that_are_a_line_each() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", text("README.md"), re.MULTILINE | re.DOTALL)
    assert [block.count("\n") for block in blocks[:2]] == [1, 1]
