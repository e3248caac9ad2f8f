"""`check-policy`: settings are valid, and no change asks for less without being seen."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clock import within
from git_custody.catalog import load, load_all
from git_custody.core.cache import Cache
from git_custody.core.changes import Request
from git_custody.core.git import Git
from git_custody.core.metadata import load as load_document
from git_custody.core.policy import Policy, admits, read_policy
from git_custody.core.policy_change import weakenings
from git_custody.core.report import Report
from git_custody.core.runner import judge
from git_custody.core.runner_config import read_runner_config, stopped
from git_custody.core.signers import for_role

Files = dict[str, "str | bytes | None"]
TODAY = date(2026, 11, 22)
HEX = "a" * 64
POLICY = ".custody/policy.yaml"
CONFIG = ".pre-commit-config.yaml"
HOOKS = load_all()


class Repo:
    """A real repository, in an environment that holds nothing of the tester's own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        kept = ("PATH", "HOME", "SYSTEMROOT", "TMPDIR")
        self.environment = {k: v for k, v in os.environ.items() if k in kept} | {
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.org", "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.org",
        }  # fmt: skip
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        done = subprocess.run(("git", *words), cwd=self.path, env=self.environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode().strip()

    def stage(self, files: Files) -> None:
        for path, content in files.items():
            full = self.path / path
            if content is None:
                self.git("rm", "-q", "-f", "--", path)
                continue
            full.parent.mkdir(parents=True, exist_ok=True)
            full.write_bytes(content.encode() if isinstance(content, str) else content)
            self.git("add", "-f", "--", path)

    def commit(self, files: Files, *words: str) -> str:
        self.stage(files)
        self.git("commit", "-q", "--allow-empty", "-m", "Change", *words)
        return self.git("rev-parse", "HEAD")

    def imports(self, before: Files, after: Files) -> None:
        """Make `before` the commit of main, and `after` one of change on top of it that is staged, too."""
        stream = b""
        for branch, start, files in (("main", "", before), ("change", "from refs/heads/main\n", after)):
            head = f"commit refs/heads/{branch}\ncommitter Ada <ada@example.org> 0 +0000\n"
            stream += f"{head}data 0\n{start}".encode()
            for path, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                stream += f"D {path}\n".encode() if data is None else b"M 100644 inline %s\ndata %d\n%s\n" % (
                    path.encode(), len(data), data,
                )  # fmt: skip
        subprocess.run(
            ("git", "fast-import", "--quiet", "--force"),
            cwd=self.path,
            env=self.environment,
            input=stream,
            check=True,
        )
        self.git("read-tree", "change")

    def judge(
        self, request: Request | None = None, hooks: tuple[str, ...] = ("check-policy",), today: date = TODAY
    ) -> Report:
        chosen = [load(name) for name in hooks]
        with Git(str(self.path), self.environment) as git:
            return judge(git, Cache(None), request or Request(staged=True), HOOKS, chosen, {}, today)

    def range(self, base: str = "main", head: str = "HEAD", dots: str = "...") -> Report:
        return self.judge(Request(range=f"{base}{dots}{head}"))


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo")


class Said(NamedTuple):
    """A finding in short."""

    rule: str
    blocks: bool
    path: str
    message: str


def said(report: Report) -> list[Said]:
    return [Said(f.rule.name, f.blocks, f.path, f.message) for f in report.findings]


def both(repo: Repo, before: Files, after: Files) -> list[Said]:
    """What is said of a change when it is staged: a warning; and, the same, in a range: it blocks."""
    repo.imports(before, after)
    staged = repo.judge()
    assert staged.exit_code == 0
    ranged = repo.range("main", "change")
    assert [s._replace(blocks=True) for s in said(staged)] == [s._replace(blocks=True) for s in said(ranged)]
    assert all(not s.blocks for s in said(staged))
    assert ranged.exit_code == (1 if any(s.blocks for s in said(ranged)) else 0)
    return said(ranged)


def policy(text: str = "") -> str:
    return "version: 1\n" + text


def waiver(
    path: str = "data/a.csv", rule: str = "missing-data-card", expires: str = "2026-12-31", extra: str = ""
) -> str:
    head = f'version: 1\nrule: {rule}\npath: "{path}"\nreason: It is old.\n'
    return f'{head}owner: Ada\nexpires: "{expires}"\n{extra}'


# ---------------------------------------------------------------------- invalid-policy


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        (policy("levle: 2\n"), 'did you mean "level"?', 2),
        (policy("level: 4\n"), "level is 4", 2),
        (policy(f'requires: ">={"9" * 5000}"\n'), "requires", 2),
        (policy('requires: ">=\u00b2"\n'), "requires", 2),
        (policy(f"grace_days: {10**12}\n"), "grace_days", 2),
        (policy('level: "1"\n'), "level", 2),
        ("level: 1\n", "version", None),
        (policy("also: [check-dataset-audit-logs]\n"), 'did you mean "check-dataset-audit-log"?', 2),
        (policy("also:\n  - check-policy\n  - check-model-card\n"), "this version of git-custody has", 4),
        (policy("level: 1\nlevel: 2\n"), "keep one", 3),
        (policy("mode: [\n"), "", None),
        (policy('datasets:\n  exclude: ["ok/**", "!"]\n'), '"!", which is not a gitignore-style glob', 3),
        (policy('models: {include: ["[z-a]"]}\n'), "not a gitignore-style glob", 2),
        ("", "nothing in this file", None),
        ("a: &a [*a]\n", "anchor", 1),
    ],
)
def test_what_is_wrong_with_a_policy_is_said_with_its_line_whatever_is_staged(
    repo: Repo, text: str, words: str, line: int | None
) -> None:
    repo.commit({POLICY: text})
    repo.stage({"a.txt": "unrelated"})
    for report in (repo.judge(), repo.judge(Request(all=True)), repo.range("HEAD", dots="..")):
        assert report.exit_code == 1
        assert {f.rule.name for f in report.findings} == {"invalid-policy"}
        assert any(words in f.message for f in report.findings), report.findings
        if line is not None:
            assert any(f.line == line and words in f.message for f in report.findings)


def test_a_range_judges_the_policy_of_its_head_and_forgives_one_that_is_mended(repo: Repo) -> None:
    repo.commit({POLICY: policy()})
    repo.git("checkout", "-q", "-b", "change")
    repo.commit({POLICY: policy("colour: red\n")})
    assert [s.rule for s in said(repo.range())] == ["invalid-policy"]
    repo.git("branch", "-f", "main")
    repo.commit({POLICY: policy("level: 2\n")})
    assert said(repo.range()) == []


@pytest.mark.parametrize("name", ["policy.yml", "Policy.yaml", "policies.yaml"])
def test_a_policy_under_another_name_is_not_silence(repo: Repo, name: str) -> None:
    repo.commit({"a.txt": "a"})
    repo.stage({f".custody/{name}": policy("level: 3\n")})
    report = repo.judge()
    assert [(f.rule.name, f.path, f.blocks) for f in report.findings] == [("invalid-policy", f".custody/{name}", True)]
    assert report.findings[0].fix[0][:2] == ("git", "mv")
    repo.commit({POLICY: policy()})
    assert said(repo.judge(Request(all=True))) != []
    assert said(repo.judge()) == []  # it was said when it came
    repo.commit({f".custody/{name}": None})
    assert said(repo.judge(Request(all=True))) == []


def test_a_twin_of_the_policys_folder_is_not_silence(repo: Repo) -> None:
    repo.commit({POLICY: policy(), ".Custody/policy.yaml": policy()})
    assert [s.path for s in said(repo.judge(Request(all=True)))] == [".Custody/policy.yaml"]


def test_other_files_beside_the_policy_are_left_alone(repo: Repo) -> None:
    repo.stage({POLICY: policy("level: 2\n"), ".custody/lifecycle.yaml": "version: 1\n", "docs/policy.yml": "x"})
    assert said(repo.judge()) == []


@pytest.mark.parametrize("kind", ["symlink", "pointer", "gitlink", "folder"])
def test_a_policy_that_is_not_a_plain_file_ends_in_exit_2(repo: Repo, kind: str) -> None:
    repo.commit({POLICY: policy("level: 3\n")})
    repo.git("checkout", "-q", "-b", "change")
    repo.stage({POLICY: None})
    if kind == "pointer":
        repo.stage({POLICY: f"version https://git-lfs.github.com/spec/v1\noid sha256:{HEX}\nsize 12\n"})
    elif kind == "symlink":
        (repo.path / ".custody").mkdir(exist_ok=True)
        os.symlink("/dev/null", repo.path / POLICY)
        repo.git("add", "-f", POLICY)
    else:
        path = POLICY if kind == "gitlink" else ".custody"
        repo.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},{path}")
    message = ""
    for run in (repo.judge, repo.range):
        if run == repo.range:
            repo.git("commit", "-q", "-m", "Change")
        try:
            report = run()
        except Exception as error:
            message = str(error)
        else:
            assert report.exit_code == 2
            message = report.errors[0].message
        assert "plain file" in message


# ---------------------------------------------------------------------- policy-weakened

FULL = """\
version: 1
level: 2
also: [check-dataset-audit-log]
mode: block
edition: "2026-12"
requires: ">=0.9"
grace_days: 7
licenses: {allow: [CC0-1.0, "CC-BY-*"], deny: [GPL-3.0-only], review: ["CC-BY-NC-*"]}
sources: {trusted: [{match: "https://zenodo.org/**", reason: r}]}
absent_content: {changed: block, unchanged: block}
sizes: {plain_blob_max: 10MB, content_scan_max: 200MB}
formats: {allow: [safetensors]}
pickles: {globals: ["numpy.*"]}
"""


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("level: 2", "level: 1", "level is lowered from 2 to 1", 2),
        ("mode: block", "mode: warn", "mode goes from block to warn", 4),
        ("also: [check-dataset-audit-log]", "also: []", "also no longer names check-dataset-audit-log", 3),
        ("also: [check-dataset-audit-log]\n", "", "also no longer names", None),
        ('edition: "2026-12"', 'edition: "2026-11"', "from 2026-12 back to 2026-11", 5),
        ('">=0.9"', '">=0.8"', "requires goes from >=0.9 to >=0.8", 6),
        ('requires: ">=0.9"\n', "", "to any version", None),
        ("grace_days: 7", "grace_days: 8", "grace_days goes from 7 to 8", 7),
        ("[CC0-1.0,", "[CC0-1.0, MIT, Zlib,", "licenses.allow gains MIT, Zlib", 8),
        ('[CC0-1.0, "CC-BY-*"]', "[]", "every licence is allowed", 8),
        ("deny: [GPL-3.0-only]", "deny: []", "licenses.deny no longer names GPL-3.0-only", 8),
        ('review: ["CC-BY-NC-*"]', "review: []", "licenses.review no longer names CC-BY-NC-*", 8),
        (
            "reason: r}",
            'reason: r}, {match: "https://x.org/**", reason: r}',
            "sources.trusted gains https://x.org/**",
            9,
        ),
        (
            '[{match: "https://zenodo.org/**", reason: r}]',
            "[]",
            "sources.trusted is emptied, so that no source is asked about",
            9,
        ),
        ("changed: block, un", "changed: allow, un", "absent_content.changed goes", 10),
        ("unchanged: block", "unchanged: allow", "absent_content.unchanged goes", 10),
        ("plain_blob_max: 10MB", "plain_blob_max: 11MB", "from 10000000 to 11000000 bytes", 11),
        ("content_scan_max: 200MB", "content_scan_max: 20MB", "content_scan_max shrinks", 11),
        ("[safetensors]", "[safetensors, keras]", "formats.allow gains keras", 12),
        ('["numpy.*"]', '["numpy.*", "sklearn.**"]', "pickles.globals gains sklearn.**", 13),
    ],
)
def test_asking_for_less_warns_at_commit_and_blocks_in_a_range(
    repo: Repo, old: str, new: str, message: str, line: int | None
) -> None:
    assert FULL.count(old) == 1
    found = both(repo, {POLICY: FULL}, {POLICY: FULL.replace(old, new)})
    assert [(s.rule, s.path, s.blocks) for s in found] == [("policy-weakened", POLICY, True)], found
    assert message in found[0].message
    assert repo.range("main", "change").findings[0].line == line


def test_the_first_trusted_sources_ask_for_more(repo: Repo) -> None:
    trusted = policy('sources: {trusted: [{match: "https://zenodo.org/**", reason: r}]}\n')
    assert both(repo, {POLICY: policy()}, {POLICY: trusted}) == []


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ("zenodo.org/**", "does not begin with a scheme"),
        ("https://*.zenodo.org/**", "name each host"),
        ("https://zenodo.org", "write https://zenodo.org/**"),
        ("https://user@zenodo.org/**", "names a user"),
        ("https://z\u0435nodo.org/**", "mixes Cyrillic and Latin letters"),
    ],
)
def test_a_source_that_is_no_pattern(repo: Repo, match: str, message: str) -> None:
    text = f'version: 1\nsources:\n  trusted:\n    - {{match: "{match}", reason: an archive}}\n'
    repo.stage({POLICY: text})
    (finding,) = repo.judge().findings
    assert (finding.rule.name, finding.line, finding.blocks) == ("invalid-policy", 4, True)
    assert message in finding.message


def test_a_dated_edition_where_the_newest_was_asked_for_is_less(repo: Repo) -> None:
    found = both(repo, {POLICY: policy()}, {POLICY: policy('edition: "2026-12"\n')})
    assert "from the newest back to 2026-12" in found[0].message


def test_lists_that_are_taken_out_of_a_policy_give_way_to_longer_ones(repo: Repo) -> None:
    found = both(repo, {POLICY: FULL}, {POLICY: FULL[: FULL.index("formats:")]})
    assert sorted(s.message.partition(" gains ")[0] for s in found) == ["formats.allow", "pickles.globals"]


@pytest.mark.parametrize(
    ("glob", "name", "admitted"),
    [
        ("numpy.ndarray", "numpy.ndarray", True),
        ("numpy.*", "numpy.ndarray", True),
        ("numpy.*", "numpy.core.multiarray", False),
        ("numpy.*", "numpy", False),
        ("sklearn.**", "sklearn.tree._tree.Tree", True),
        ("sklearn.**", "sklearn", False),
        ("sklearn.**", "sklearnx.tree", False),
        ("torch.float[0-9]*", "torch.float_power", False),
        ("torch.*Storage", "torch.storage._load_from_bytes", False),
        ("collections.OrderedDict", "collections.OrderedDict.fromkeys", False),
    ],
)
def test_globs_of_names_stop_at_dots(glob: str, name: str, admitted: bool) -> None:
    assert admits([glob], name) is admitted


def test_a_removed_policy_is_less(repo: Repo) -> None:
    assert [s.message[:21] for s in both(repo, {POLICY: FULL, "a": "a"}, {POLICY: None})] == ["the policy is removed"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('licenses: {deny: [MIT, "CC-BY-ND"]}', 'licenses.deny holds "CC-BY-ND", which is the id of no SPDX licence; '
         'did you mean "CC-BY-ND-*"?'),
        ("licenses: {deny: [GPL-3]}", 'did you mean "GPL-3.*"?'),
        ("licenses: {allow: [CC-BY]}", 'did you mean "CC-BY-[0-9]*"?'),
        ("licenses: {allow: [ODC-By]}", 'did you mean "ODC-By-1.0"?'),
        ("licenses: {deny: [CC-BY-ND-4.O]}", 'did you mean "CC-BY-ND-4.0"?'),
        ("licenses: {allow: [Foo]}", "a name of your own begins with LicenseRef-"),
        ('licenses: {review: ["LicenceRef-*"]}', 'did you mean "LicenseRef-*"?'),
        ("licenses: {review: [LicenseRef-our_terms]}", "licenses.review[0]"),
        ('licenses: {review: ["CC-BYND-*"]}', 'which no SPDX licence id matches; did you mean "CC-BY-ND-*"?'),
        ("licenses: {allow: [MIT OR Apache-2.0]}", "licenses.allow[0]"),
        ('licenses: {allow: ["GPL-* WITH Classpath"]}', "which no SPDX licence id matches"),
        ("defaults: {license: CC-BY-ND}", '"CC-BY-ND" is not the id of an SPDX licence; did you mean "CC-BY-ND-4.0"?'),
    ],
)  # fmt: skip
def test_a_licence_that_nothing_can_match_is_not_valid(repo: Repo, text: str, message: str) -> None:
    repo.stage({POLICY: policy(f"{text}\n")})
    (found,) = repo.judge().findings
    assert (found.rule.name, found.line, found.blocks) == ("invalid-policy", 2, True)
    assert message in found.message


@pytest.mark.parametrize(
    "text",
    [
        'licenses: {allow: [cc-by-4.0, "CC-BY-NC-*", GPL-3.0, "GPL-2.0+", Apache-2.0+, "*"]}',
        'licenses: {deny: ["LicenseRef-*", LicenseRef-ours, "LicenseRef*", "GPL-2.0-only WITH Classpath-exception-2.0"]}',
        "defaults: {license: LicenseRef-ours}",
        "defaults: {license: MIT OR apache-2.0}",
    ],
)
def test_a_licence_that_something_matches_is_valid(repo: Repo, text: str) -> None:
    repo.stage({POLICY: policy(f"{text}\n")})
    assert said(repo.judge()) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1\n", "# a comment\nversion: 1\n\n"),
        ("level: 2", "level: 3"),
        ("mode: block\n", ""),
        ('edition: "2026-12"\n', ""),
        ('edition: "2026-12"', 'edition: "2027-01"'),
        ('">=0.9"', '">=0.9.0"'),
        ("grace_days: 7", "grace_days: 0"),
        ('[CC0-1.0, "CC-BY-*"]', '["CC-BY-*", cc0-1.0]'),
        ('"CC-BY-*"]', '"CC-BY-*", CC-BY-4.0]'),
        ("deny: [GPL-3.0-only]", 'deny: ["GPL-*"]'),
        ('deny: [GPL-3.0-only], review: ["CC-BY-NC-*"]', 'deny: [GPL-3.0-only, "CC-BY-NC-*"]'),
        ('{match: "https://zenodo.org/**", reason: r}', '{reason: other, match: "https://zenodo.org/**"}'),
        ("plain_blob_max: 10MB", "plain_blob_max: 10000 kB"),
        ("content_scan_max: 200MB", "content_scan_max: 300MB"),
        ("[safetensors]", "[]"),
        ('["numpy.*"]', "[]"),
        (FULL, "\n".join(reversed(FULL.splitlines())) + "\n"),
        ("level: 2\nalso: [check-dataset-audit-log]", "level: 3"),
        ("grace_days: 7\n", "grace_days: 7\ndefaults: {license: MIT}\n"),
    ],
)
def test_what_asks_for_no_less_says_nothing(repo: Repo, old: str, new: str) -> None:
    assert old in FULL
    assert both(repo, {POLICY: FULL}, {POLICY: FULL.replace(old, new)}) == []


def test_a_first_policy_has_nothing_to_weaken(repo: Repo) -> None:
    files: Files = {
        POLICY: policy("mode: warn\n"), ".custody/waivers/a.yaml": waiver(),
        ".custody/allowed_signers": "policy x y\n",
    }  # fmt: skip
    assert both(repo, {"a": "a"}, files) == []
    assert "first-policy" in repo.range("main", "change").notes[0]


def test_tracked_files_that_leave_coverage_are_named(repo: Repo) -> None:
    files: Files = {f"data/raw/{n}.csv": str(n) for n in range(5)}
    files |= {
        POLICY: policy(),
        "models/m.onnx": b"m",
        "data/keep.csv": "k",
        "big.csv": b"x" * 65536,
        "small.csv": "x",
    }
    found = both(
        repo, files,
        {POLICY: policy('datasets: {exclude: ["data/raw/**", "*big.csv", small.csv]}\n'
                        'models: {exclude: ["*.onnx"]}\n')},
    )  # fmt: skip
    assert [s.message for s in found] == [
        "6 tracked files no longer count as a dataset: big.csv, data/raw/0.csv, data/raw/1.csv and 3 more",
        "1 tracked file no longer counts as a model: models/m.onnx",
    ]


def test_coverage_lost_with_an_include_or_to_the_other_class_is_seen(repo: Repo) -> None:
    before: Files = {
        POLICY: policy('datasets: {include: ["tables/**"]}\n'),
        "tables/small.csv": "x",
        "tables/big.csv": b"x" * 70000,
    }
    found = both(repo, {**before, "data/a.csv": "a"}, {POLICY: policy('models: {include: ["data/**"]}\n')})
    assert [s.message for s in found] == ["2 tracked files no longer count as a dataset: data/a.csv, tables/small.csv"]


@pytest.mark.parametrize("globs", ['datasets: {exclude: ["**"]}', 'models: {include: ["data/**"]}'])
def test_cards_do_not_excuse_globs_that_lose_what_has_none_yet(repo: Repo, globs: str) -> None:
    before: Files = {POLICY: policy(), "data/carded.csv": "c", "data/carded.csv.datacard.yaml": "x"}
    found = both(repo, before, {POLICY: policy(globs + "\n")})
    assert [s.message for s in found] == ["1 tracked file no longer counts as a dataset: data/carded.csv"]


@pytest.mark.parametrize(
    "globs",
    [
        'exclude: ["data/none/**"]',  # nothing tracked there
        'exclude: ["data/new.csv"]',  # it comes with the change, and is judged by the base's policy
        'exclude: ["data/carded.csv"]',  # a card decides before any glob
        'include: ["more/**"]',
        'include: ["big.csv"]',
    ],
)
def test_globs_that_lose_nothing_say_nothing(repo: Repo, globs: str) -> None:
    before: Files = {
        POLICY: policy(), "data/carded.csv": "c", "data/carded.csv.datacard.yaml": "x",
        "big.csv": b"x" * 65536,
    }  # fmt: skip
    assert both(repo, before, {POLICY: policy(f"datasets: {{{globs}}}\n"), "data/new.csv": "n"}) == []


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (None, waiver(), "this is a new waiver: it admits missing-data-card on data/a.csv until 2026-12-31"),
        (waiver(), waiver(path="data/*.csv"), "path from data/a.csv to data/*.csv"),
        (waiver(), waiver(rule="hollow-data-card"), "rule from missing-data-card to hollow-data-card"),
        (
            waiver(rule="pickle-weights", extra=f"digest: {{sha256: {HEX}}}\n"),
            waiver(rule="pickle-weights", extra=f"digest: {{sha256: {'b' * 64}}}\n"),
            f"digest from {HEX} to {'b' * 64}",
        ),
        (waiver(), waiver(expires="2027-01-01"), "is prolonged from 2026-12-31 to 2027-01-01"),
    ],
)
def test_a_waiver_that_admits_more_weakens(repo: Repo, before: str | None, after: str, message: str) -> None:
    path = ".custody/waivers/a.yaml"
    start: Files = {
        POLICY: policy(),
        "data/a.csv": "a",
        **({path: before} if before else {}),
    }
    found = [s for s in both(repo, start, {path: after, "data/a.csv": "b"}) if s.rule != "waiver-unused"]
    assert [(s.rule, s.path) for s in found] == [("policy-weakened", path)]
    assert message in found[0].message


def test_a_waiver_is_not_told_to_be_undone_but_how_it_is_accepted(repo: Repo) -> None:
    repo.commit({POLICY: policy("level: 2\n"), "data/a.csv": "a"})
    repo.git("checkout", "-q", "-b", "change")
    repo.stage({".custody/waivers/a.yaml": waiver(), POLICY: policy("level: 1\n")})
    staged = repo.judge(hooks=("check-policy", "check-dataset-card")).findings
    repo.git("commit", "-q", "-m", "Waive")
    for findings in (staged, repo.range().findings):
        policy_finding, new_waiver = (f for f in findings if f.rule.name == "policy-weakened")
        assert new_waiver.fix == ()
        assert new_waiver.message.endswith("signed for policy, or an owner merges it past the check")
        assert policy_finding.fix[0][0] == "git"


def test_a_waiver_that_is_moved_narrowed_shortened_or_reworded_says_nothing(repo: Repo) -> None:
    start: Files = {
        POLICY: policy(), ".custody/waivers/moved.yaml": waiver("data/m.csv"),
        ".custody/waivers/glob.yaml": waiver("data/g*.csv"),
        ".custody/waivers/short.yaml": waiver("data/s.csv"),
    }  # fmt: skip
    change: Files = {
        ".custody/waivers/moved.yaml": None, ".custody/waivers/new-name.yaml": waiver("data/m.csv"),
        ".custody/waivers/glob.yaml": waiver("data/g1.csv").replace("It is old.", "Reworded."),
        ".custody/waivers/short.yaml": waiver("data/s.csv", expires="2026-12-01"),
    }  # fmt: skip
    repo.commit(start)
    repo.git("checkout", "-q", "-b", "change")
    repo.commit(change)
    assert said(repo.range()) == []


def test_more_signers_are_less_and_fewer_are_not(repo: Repo) -> None:
    one, two = "policy ssh-ed25519 AAAA\n", "policy ssh-ed25519 BBBB\n"
    start: Files = {POLICY: policy(), ".custody/allowed_signers": one}
    found = both(repo, start, {".custody/allowed_signers": "# two\n" + two + one})
    assert [(s.rule, s.path) for s in found] == [("policy-weakened", ".custody/allowed_signers")]
    repo.git("checkout", "-q", "-f", "change")
    repo.git("branch", "-f", "main")
    repo.commit({".custody/allowed_signers": two})
    assert said(repo.range()) == []


def test_a_fork_older_than_the_policy_does_not_get_around_it(repo: Repo) -> None:
    fork = repo.commit({"a": "a"})
    repo.commit({POLICY: policy("level: 3\n")})
    repo.git("checkout", "-q", "-b", "change", fork)
    repo.commit({"b": "b"})
    assert said(repo.range()) == []  # it does not speak of the policy: a merge keeps the base's
    repo.commit({POLICY: policy("level: 1\n")})
    assert [(s.message, s.blocks) for s in said(repo.range())] == [("level is lowered from 3 to 1", True)]
    repo.commit({POLICY: policy("level: 3\n")})
    assert said(repo.range()) == []


def test_what_the_base_has_tightened_since_the_fork_is_not_taken_back(repo: Repo) -> None:
    fork = repo.commit({POLICY: policy("level: 1\n"), ".custody/waivers/w.yaml": waiver()})
    repo.commit({POLICY: policy("level: 3\n"), ".custody/waivers/w.yaml": None})
    repo.git("checkout", "-q", "-b", "change", fork)
    repo.commit({"b": "b"})
    assert said(repo.range()) == []  # it does not speak of them
    # A waiver that the base has dropped comes back with a merge once its file has another name.
    repo.commit({POLICY: policy("# moved\nlevel: 1\n"), ".custody/waivers/other.yaml": waiver()})
    found = repo.range().findings
    assert [(f.path, f.blocks) for f in found] == [(POLICY, True), (".custody/waivers/other.yaml", True)]
    assert "rebase" in (found[0].found or "")


def test_weakening_and_taking_it_back_in_one_range_is_nothing(repo: Repo) -> None:
    repo.commit({POLICY: FULL})
    repo.git("checkout", "-q", "-b", "change")
    repo.commit({POLICY: policy()})
    repo.commit({POLICY: FULL})
    assert said(repo.range()) == []


_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "level": st.sampled_from([1, 2, 3]),
    "mode": st.sampled_from(["block", "warn"]),
    "edition": st.sampled_from(["2026-12", "2027-01", "9999-12"]),
    "grace_days": st.integers(0, 3),
    "also": st.lists(st.sampled_from(["check-dataset-audit-log", "check-policy"]), unique=True).map(tuple),
    "licenses_allow": st.lists(st.sampled_from(["MIT", "CC-*", "CC-BY-4.0", "cc0-1.0"]), unique=True).map(tuple),
    "licenses_deny": st.lists(st.sampled_from(["MIT", "CC-*", "CC-BY-4.0"]), unique=True).map(tuple),
    "absent_changed": st.sampled_from(["block", "allow"]),
    "plain_blob_max": st.integers(1, 3),
    "content_scan_max": st.integers(1, 3),
}
_POLICIES = st.fixed_dictionaries(_FIELDS).map(lambda fields: Policy(**fields))
_LEVELS = {hook.id: hook.level for hook in HOOKS}


@given(_POLICIES, _POLICIES, _POLICIES)
@settings(max_examples=200, deadline=None)
def test_asking_for_no_less_is_an_order(one: Policy, two: Policy, three: Policy) -> None:
    def no_less(before: Policy, after: Policy) -> bool:
        return not list(weakenings(before, after, _LEVELS))

    assert no_less(one, one)
    if no_less(one, two) and no_less(two, three):
        assert no_less(one, three)


# ---------------------------------------------------------------------- hook-disabled

URL = "https://github.com/example/git-custody"
RUFF = "- repo: https://github.com/example/ruff\n  rev: v1\n  hooks: [{id: ruff}]\n"
PLAIN = f"""\
repos:
- repo: {URL}
  rev: v1.0.0
  hooks:
  - id: custody
{RUFF}"""


def with_keys(keys: str) -> str:
    return PLAIN.replace("  - id: custody\n", f"  - id: custody\n    {keys}\n")


# Each list holds the one before ten times.
BOMB = "y0: &y0 {a: 1}\n" + "".join(f"y{n}: &y{n} [{', '.join([f'*y{n - 1}'] * 10)}]\n" for n in range(1, 9))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("repos:\n" + RUFF, "custody is no longer run"),
        (PLAIN.replace("- id: custody", "- id: check-dataset-card"), "custody is no longer run"),
        (with_keys("stages: [manual]"), "custody no longer runs at pre-commit, pre-merge-commit, pre-push"),
        (with_keys("stages: [commit, push]"), "custody no longer runs at pre-merge-commit"),
        (with_keys("always_run: false"), "always_run is off"),
        (with_keys("always_run: no"), "always_run is off"),
        (with_keys("pass_filenames: true"), "pass_filenames is on"),
        (with_keys("entry: 'true'"), "its entry is overridden"),
        (with_keys("language: system"), "its language is overridden"),
        (with_keys("args: [--help]"), "its args is overridden"),
        (with_keys("additional_dependencies: [./other]"), "its additional_dependencies is overridden"),
        (with_keys("env: {GIT_DIR: /tmp/x}"), "its env is overridden"),
        ("default_env: {PATH: ./bin}\n" + PLAIN, "its env is overridden"),
        (with_keys("language_version: ./python"), "language_version is a program's path"),
        ("default_language_version: {python: ./python}\n" + PLAIN, "language_version is a program's path"),
        (PLAIN.replace(URL, "https://example.org/x"), "is now taken from https://example.org/x instead of"),
        (
            PLAIN.replace(f"- repo: {URL}\n  rev: v1.0.0\n", "- repo: local\n")
            .replace("- id: custody", "- {id: custody, name: c, entry: 'true', language: system}"),
            "is now taken from local",
        ),
        ("ci: {skip: [custody]}\n" + PLAIN, "pre-commit.ci is told to skip custody"),
        ("default_install_hook_types: [commit-msg]\n" + PLAIN, "no longer names pre-commit"),
        ("repos: [\n", "cannot be told: it is not valid YAML"),
        ("- repo: x\n", "it has no list of repos"),
        ("a: " + "[" * 5000, "cannot be told"),
        (BOMB + PLAIN, "too many values"),
    ],
)  # fmt: skip
def test_what_stops_our_hook_warns_at_commit_and_blocks_in_a_range(repo: Repo, text: str, message: str) -> None:
    with within(20):
        found = both(repo, {CONFIG: PLAIN}, {CONFIG: text})
        assert [(s.rule, s.path, s.blocks) for s in found] == [("hook-disabled", CONFIG, True)], found
        assert message in found[0].message


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("v1.0.0", "v1.2.0"),
        PLAIN.replace("rev: v1\n", "rev: v2\n").replace("{id: ruff}", "{id: ruff, args: [--fix]}, {id: x}"),
        PLAIN.replace(RUFF, ""),
        "# comment\n" + PLAIN.replace(URL, URL + ".git"),
        "exclude: .\nfiles: ^x\nfail_fast: true\ndefault_stages: [manual]\n" + PLAIN,
        "minimum_pre_commit_version: '9'\ndefault_env: {TZ: UTC}\nci: {skip: [ruff]}\n" + PLAIN,
        "default_install_hook_types: [pre-commit, pre-push]\n" + PLAIN,
        with_keys("verbose: true\n    name: x\n    alias: y\n    log_file: z\n    stages: []"),
        with_keys("args: [--format, json]"),
        with_keys("always_run: true\n    pass_filenames: false\n    language_version: python3.12"),
        with_keys("stages: [pre-commit, pre-merge-commit, pre-push]"),
        PLAIN.replace("- id: custody", "- &c {id: custody}").replace("[{id: ruff}]", "[{<<: *c, id: ruff}]"),
        PLAIN + "- repo: local\n  hooks: [{id: custody, entry: x, language: system, stages: [manual]}]\n",
        PLAIN.replace("- id: custody", "".join(f"- id: {hook.id}\n  " for hook in HOOKS).rstrip() + "\n"),
    ],
)  # fmt: skip
def test_ordinary_edits_of_the_runners_file_say_nothing(repo: Repo, text: str) -> None:
    assert both(repo, {CONFIG: PLAIN}, {CONFIG: text}) == []


@pytest.mark.parametrize("key", ["exclude: .", "files: ^x", "types: [python]", "exclude_types: [csv]"])
def test_a_filter_that_changes_nothing_is_only_remarked(repo: Repo, key: str) -> None:
    repo.commit({CONFIG: PLAIN})
    repo.git("checkout", "-q", "-b", "change")
    repo.commit({CONFIG: with_keys(key)})
    report = repo.range()
    assert report.exit_code == 0
    assert "takes no notice of" in report.findings[0].message
    repo.git("branch", "-f", "main")
    repo.commit({CONFIG: with_keys(key + "\n    always_run: false")})
    assert repo.range().exit_code == 1


def test_the_umbrella_replaces_the_hooks_that_the_policy_covers(repo: Repo) -> None:
    single = PLAIN.replace("- id: custody", "- id: check-dataset-audit-log\n  - id: check-dataset-card")
    audited = policy("also: [check-dataset-audit-log]\n")
    assert both(repo, {POLICY: audited, CONFIG: single}, {CONFIG: PLAIN}) == []
    repo.git("reset", "-q", "--hard")
    repo.commit({POLICY: policy()})
    repo.git("checkout", "-q", "-b", "other")
    repo.commit({CONFIG: PLAIN})
    assert [s.message for s in said(repo.range())] == ["check-dataset-audit-log is no longer run"]


def test_each_runner_is_judged_by_the_file_that_it_reads(repo: Repo) -> None:
    toml = f'[[repos]]\nrepo = "{URL}"\nrev = "v1"\nhooks = [{{ id = "custody" }}]\n'
    repo.commit({CONFIG: PLAIN})
    repo.git("checkout", "-q", "-b", "change")
    repo.commit({"prek.toml": "repos = []\n"})  # prek prefers it
    assert [(s.path, s.blocks) for s in said(repo.range())] == [("prek.toml", True)]
    assert "prek reads this file instead of .pre-commit-config.yaml" in said(repo.range())[0].message
    repo.commit({"prek.toml": toml})
    assert said(repo.range()) == []
    repo.commit({CONFIG: None})  # a move to prek
    assert said(repo.range()) == []
    repo.git("branch", "-f", "main")
    repo.commit({"prek.toml": toml.replace('"custody" }', '"custody", stages = ["manual"] }')})
    assert "no longer runs at pre-commit" in said(repo.range())[0].message
    repo.commit({"prek.toml": "repos = ["})
    assert "not valid TOML" in said(repo.range())[0].message
    repo.commit({"prek.toml": None})
    assert [(s.rule, s.path) for s in said(repo.range())] == [("hook-disabled", "prek.toml")]
    repo.commit({".pre-commit-config.yml": PLAIN})  # prek reads that as well
    assert said(repo.range()) == []


def test_a_twin_of_the_runners_file_is_seen(repo: Repo) -> None:
    found = both(repo, {CONFIG: PLAIN}, {".Pre-Commit-config.yaml": "repos: []\n"})
    assert [(s.rule, s.path, s.blocks) for s in found] == [("hook-disabled", ".Pre-Commit-config.yaml", True)]


@pytest.mark.parametrize("kind", ["symlink", "removed"])
def test_a_runners_file_that_is_gone_or_a_link_is_seen(repo: Repo, kind: str) -> None:
    repo.commit({CONFIG: PLAIN, "other.yaml": PLAIN})
    repo.git("checkout", "-q", "-b", "change")
    repo.stage({CONFIG: None})
    if kind == "symlink":
        os.symlink("other.yaml", repo.path / CONFIG)
        repo.git("add", CONFIG)
    assert repo.judge().exit_code == 0
    assert [(f.rule.name, f.blocks) for f in repo.judge().findings] == [("hook-disabled", False)]
    repo.commit({})
    assert [(s.rule, s.blocks) for s in said(repo.range())] == [("hook-disabled", True)]


def test_a_branch_older_than_our_hooks_is_told_to_rebase(repo: Repo) -> None:
    others = PLAIN.replace("- id: custody", "- id: other")
    fork = repo.commit({CONFIG: others})
    repo.commit({CONFIG: PLAIN})
    repo.git("checkout", "-q", "-b", "change", fork)
    repo.commit({"b": "b"})
    assert said(repo.range()) == []
    repo.commit({CONFIG: "ci: {skip: [custody]}\n" + others})
    found = repo.range().findings
    assert {(f.path, f.blocks, "rebase" in (f.found or "")) for f in found} == {(CONFIG, True, True)}
    assert "pre-commit.ci is told to skip custody" in {f.message for f in found}
    repo.git("rebase", "-q", "-X", "ours", "main")
    repo.commit({CONFIG: PLAIN.replace("v1\n", "v2\n")})
    assert said(repo.range()) == []


def test_a_runners_file_that_never_ran_our_hooks_is_not_our_business(repo: Repo) -> None:
    assert both(repo, {CONFIG: "repos: []\n"}, {CONFIG: "repos: ["}) == []


@pytest.mark.parametrize("runner", ["pre-commit", "prek"])
def test_real_runners_do_with_these_keys_what_we_say(repo: Repo, tmp_path: Path, runner: str) -> None:
    program = Path(sys.executable).with_name(runner)
    if not program.exists():
        pytest.skip(f"{runner} is not installed")
    source = Repo(tmp_path / "source")
    manifest = "{id: custody, name: c, entry: ./ran, language: script, always_run: true, pass_filenames: false"
    script = source.path / "ran"
    script.write_text('#!/bin/sh\necho "RAN<$*>"\nexit 1\n')
    script.chmod(0o755)
    source.commit(
        {
            ".pre-commit-hooks.yaml": f"- {manifest}, stages: [pre-commit, pre-push, manual]}}\n",
            "ran": script.read_bytes(),
        }
    )
    source.git("tag", "v1.0.0")
    environment = {
        **repo.environment,
        "PRE_COMMIT_HOME": str(tmp_path / "cache"),
        "PREK_HOME": str(tmp_path / "cache"),
    }
    plain = PLAIN.replace(RUFF, "").replace(URL, str(source.path))
    for text in (
        plain,
        "exclude: .\nfiles: ^x\ndefault_stages: [manual]\n" + plain,
        plain + "    exclude: .\n    types: [python]\n",
        plain + "    stages: []\n",
        plain + "    stages: [commit]\n",
        plain.replace("- id: custody", "- &c {id: custody, alias: y}"),
        "x: &x {id: custody}\n" + plain.replace("id: custody\n", "<<: *x\n"),
        plain + "    stages: [manual]\n",
        plain + "    always_run: false\n    files: ^x\n",
        plain + "    pass_filenames: true\n",
        plain + "    args: [--help]\n",
        plain + "    entry: 'true'\n    language: system\n",
        "repos: []\n",
    ):
        repo.stage({CONFIG: text, "a.txt": "a"})
        done = subprocess.run((program, "run"), cwd=repo.path, env=environment, capture_output=True, check=False)
        before, after = ({CONFIG: read_runner_config(CONFIG, data.encode())} for data in (plain, text))
        found = [item for item in stopped(before, after, ["custody"], lambda *_: False) if not item.remark]
        # The manifest above has no pre-merge-commit stage, and git does not call these runners here.
        blocking = [item for item in found if "at pre-merge-commit, pre-push" not in item.message]
        assert (b"RAN<>" in done.stdout) == (not blocking), (text, done.stdout, found)


@given(st.binary(max_size=200), st.sampled_from([CONFIG, "prek.toml"]))
@settings(max_examples=200, deadline=None)
def test_reading_a_runners_file_never_raises(data: bytes, path: str) -> None:
    read_runner_config(path, data)
    read_runner_config(path, b"repos:\n- " + data)
    read_runner_config(path, b"repos = [" + data)


# ---------------------------------------------------------------------- waivers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (waiver(path="**"), "a waiver for everything is not possible"),
        (waiver(path="*"), ""),
        (waiver(path="/**/*"), ""),
        (waiver(path="[!x]*"), "would waive the rule everywhere"),
        (waiver(path="**/[a-z]*"), "would waive the rule everywhere"),
        (waiver(path="[z-a]"), "neither a path nor a gitignore-style glob"),
        (waiver(rule="waiver-expired"), "waiver-expired cannot be waived"),
        (waiver(rule="policy-weakened"), "policy-weakened cannot be waived"),
        (waiver(rule="hook-disabled"), "hook-disabled cannot be waived"),
        (waiver(rule="invalid-policy"), "invalid-policy cannot be waived"),
        (waiver(rule="pickle-weights"), "has to name the digest"),
        (waiver(rule="missing-card"), 'there is no rule "missing-card"; did you mean "missing-data-card"?'),
        (waiver(expires="2026-02-30"), "a day that exists"),
        (waiver(expires=str(TODAY + timedelta(days=367))), "more than 366 days ahead"),
        (waiver().replace("owner: Ada\n", ""), "owner"),
        (waiver(extra="colour: red\n"), "colour"),
        ("not a waiver", ""),
    ],
)
def test_a_waiver_that_is_not_valid_waives_nothing_and_blocks(repo: Repo, text: str, words: str) -> None:
    path = ".custody/waivers/w.yaml"
    repo.commit({POLICY: policy()})
    repo.stage({path: text, "data/a.csv": "a"})
    report = repo.judge(hooks=("check-policy", "check-dataset-card"))
    found = [f for f in report.findings if f.rule.name == "invalid-waiver"]
    assert {(f.path, f.blocks) for f in found} == {(path, True)}
    assert any(words in f.message for f in found), found
    assert any(f.rule.name == "missing-data-card" and f.blocks and not f.waived_by for f in report.findings)
    repo.git("checkout", "-q", "-b", "change")
    repo.commit({})
    assert "invalid-waiver" in {s.rule for s in said(repo.range()) if s.blocks}
    repo.commit({path: None})
    assert said(repo.range()) == []


def test_a_waiver_in_another_place_or_spelling_is_not_valid(repo: Repo) -> None:
    repo.stage({".custody/waivers/a.yml": waiver(), ".custody/waivers/sub/a.yaml": waiver()})
    assert {s.path for s in said(repo.judge()) if s.rule == "invalid-waiver"} == {
        ".custody/waivers/a.yml", ".custody/waivers/sub/a.yaml",
    }  # fmt: skip


def test_an_expired_waiver_warns_then_its_finding_is_back(repo: Repo) -> None:
    path = ".custody/waivers/w.yaml"
    repo.commit({POLICY: policy("grace_days: 5\n"), path: waiver(expires="2026-11-20"), "data/a.csv": "a"})
    hooks = ("check-policy", "check-dataset-card")

    def on(day: int) -> list[tuple[str, bool, bool]]:
        found = repo.judge(Request(all=True), hooks, date(2026, 11, day)).findings
        return sorted((f.rule.name, f.blocks, f.waived_by is not None) for f in found)

    assert on(20) == [("missing-data-card", False, True)]
    assert on(21) == on(25) == [("missing-data-card", False, True), ("waiver-expired", False, False)]
    assert on(26) == [("missing-data-card", True, False), ("waiver-expired", False, False)]
    assert (
        "it still holds until 2026-11-25" in repo.judge(Request(all=True), today=date(2026, 11, 21)).findings[0].message
    )


def test_an_expired_waiver_blocks_where_the_change_itself_brings_it(repo: Repo) -> None:
    path = ".custody/waivers/w.yaml"
    repo.commit({POLICY: policy()})
    repo.git("checkout", "-q", "-b", "change")
    repo.stage({path: waiver(expires="2026-11-01"), "data/a.csv": "a"})
    assert ("waiver-expired", True) in {(s.rule, s.blocks) for s in said(repo.judge())}
    repo.commit({})
    assert ("waiver-expired", True) in {(s.rule, s.blocks) for s in said(repo.range())}
    repo.git("branch", "-f", "main")
    repo.commit({"b": "b"})
    assert [(s.rule, s.blocks) for s in said(repo.range())] == [("waiver-expired", False)]


def test_an_unused_waiver_is_said_where_it_can_be_known(repo: Repo) -> None:
    path, hooks = ".custody/waivers/w.yaml", ("check-policy", "check-dataset-card")
    repo.commit({POLICY: policy(), "src/a.py": "a", path: waiver("src/a.py")})

    def unused(request: Request, hooks: tuple[str, ...] = hooks) -> list[bool]:
        return [f.blocks for f in repo.judge(request, hooks).findings if f.rule.name == "waiver-unused"]

    assert unused(Request(all=True)) == [False]
    assert unused(Request(all=True), ("check-policy",)) == []  # the rule did not run
    assert unused(Request(all=True, paths=("src",))) == []
    assert unused(Request(all=True, paths=(".custody",))) == []  # its finding lies outside of what was asked
    repo.stage({"src/a.py": "b"})
    assert unused(Request(staged=True)) == []  # the waiver is not part of the change
    repo.stage({path: waiver("src/a.py") + "# touched\n"})
    assert unused(Request(staged=True)) == [True]
    repo.commit({})
    repo.stage({path: waiver("src/b.py")})
    assert unused(Request(staged=True)) == [False]  # there is no such file: it may have to be there first
    repo.stage({path: waiver("src/*.py")})
    assert unused(Request(staged=True)) == []  # what it names was not judged
    repo.stage({path: waiver("data/new.csv"), "data/new.csv": "n"})
    assert unused(Request(staged=True)) == []
    repo.commit({})
    assert unused(Request(all=True)) == []


def test_a_waiver_of_a_rule_above_the_level_is_not_called_unused(repo: Repo) -> None:
    rules = {rule.name: rule for hook in HOOKS for rule in hook.rules}
    above = next(name for name, rule in rules.items() if rule.level == 3 and rule.waivable)
    extra = f"digest: {{sha256: {HEX}}}\n" if rules[above].about_content else ""
    text = waiver("data/a.csv", above, extra=extra)
    repo.commit({POLICY: policy("level: 1\n"), ".custody/waivers/w.yaml": text})
    hooks = tuple(hook.id for hook in HOOKS)
    assert "waiver-unused" not in {s.rule for s in said(repo.judge(Request(all=True), hooks))}
    repo.commit({POLICY: policy("level: 3\n")})
    assert "waiver-unused" in {s.rule for s in said(repo.judge(Request(all=True), hooks))}


# ---------------------------------------------------------------------- signatures


class Key(NamedTuple):
    """An SSH key: the file of its secret half, and the public half as allowed_signers has it."""

    path: Path
    public: str

    @property
    def words(self) -> tuple[str, ...]:
        """What makes `git commit` sign with it."""
        return ("-S" + str(self.path),)


@pytest.fixture
def keys(tmp_path: Path, repo: Repo) -> tuple[Key, Key]:
    made = []
    for name in ("one", "two"):
        path = tmp_path / name
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)), check=True)
        made.append(Key(path, " ".join(path.with_suffix(".pub").read_text().split()[:2])))
    repo.git("config", "gpg.format", "ssh")
    return made[0], made[1]


def blocked(report: Report) -> bool:
    assert report.findings
    return report.exit_code == 1


def test_a_weakening_signed_by_a_signer_for_policy_only_warns(repo: Repo, keys: tuple[Key, Key]) -> None:
    ours, theirs = keys
    signers = f'policy,ada@example.org namespaces="git" {ours.public}\ndata,eve@example.org {theirs.public}\n'
    start = repo.commit({POLICY: FULL, ".custody/allowed_signers": signers, "a": "a"})

    def weaken(*words: str, text: str | None = policy()) -> Report:
        repo.git("checkout", "-q", "-B", "change", start)
        repo.commit({"b": "unrelated, and never signed"})
        repo.commit({POLICY: text}, *words)
        return repo.range()

    assert blocked(weaken())
    assert blocked(weaken(*theirs.words))  # signs for another role
    report = weaken(*ours.words)
    assert not blocked(report)
    assert report.findings[0].found == "every commit that changes it is signed for policy"
    repo.commit({POLICY: policy("mode: warn\n")})  # nobody signed this one
    assert blocked(repo.range())
    assert not blocked(weaken(*ours.words, text=None))


def test_signers_count_as_the_base_lists_them(repo: Repo, keys: tuple[Key, Key]) -> None:
    ours, theirs = keys
    repo.commit({POLICY: FULL, ".custody/allowed_signers": f"policy {ours.public}\n"})
    repo.git("checkout", "-q", "-b", "change")
    repo.commit({".custody/allowed_signers": f"policy {theirs.public}\n"}, *theirs.words)
    repo.commit({POLICY: policy()}, *theirs.words)
    assert {s.path for s in said(repo.range()) if s.blocks} == {POLICY, ".custody/allowed_signers"}


def test_the_steps_of_the_waivers_page_lead_to_a_waiver_that_a_range_accepts(repo: Repo, keys: tuple[Key, Key]) -> None:
    ours, theirs = keys
    signers = ".custody/allowed_signers"
    line = f'policy,ada@example.org namespaces="git" {ours.public}\n'
    hooks = ("check-policy", "check-dataset-card")

    def blocks(base: str = "main") -> set[str]:
        report = repo.judge(Request(range=f"{base}...HEAD"), hooks)
        return {s.rule for s in said(report) if s.blocks}

    repo.commit({"a": "a"})
    repo.git("checkout", "-q", "-b", "setup")
    repo.commit({POLICY: policy(), signers: line})  # the first key, with the first policy
    assert blocks() == set()
    repo.git("branch", "-f", "main")
    repo.commit({signers: line + f"policy,eve@example.org {theirs.public}\n"})
    assert blocks() == {"policy-weakened"}  # the second needs the first
    repo.git("checkout", "-q", "-b", "content", "main")
    repo.commit({"data/a.csv": "a"})
    assert blocks() == {"missing-data-card"}
    repo.git("checkout", "-q", "-b", "waive", "main")
    repo.stage({".custody/waivers/w.yaml": waiver()})
    assert not any(s.blocks for s in said(repo.judge(hooks=hooks)))
    repo.commit({}, *theirs.words)
    assert blocks() == {"policy-weakened"}
    repo.git("commit", "-q", "--amend", "-m", "Waive", *ours.words)
    assert blocks() == set()
    repo.git("branch", "-f", "main")
    repo.git("checkout", "-q", "content")
    assert blocks() == set()  # without a rebase


def test_a_merge_needs_no_signature_unless_it_decides_something(repo: Repo, keys: tuple[Key, Key]) -> None:
    ours, _ = keys
    old = repo.commit({POLICY: policy(), "a": "a"})
    base = repo.commit({POLICY: FULL, ".custody/allowed_signers": f"policy {ours.public}\n"})
    repo.git("checkout", "-q", "-b", "change")
    repo.commit({POLICY: FULL.replace("level: 2", "level: 1")}, *ours.words)
    repo.git("checkout", "-q", "main")
    repo.commit({"c": "c"})
    repo.git("branch", "tip")
    repo.git("merge", "-q", "--no-ff", "-m", "Merge", "change")
    assert not blocked(repo.range("tip", "main"))
    # A merge that takes the policy of a branch older than the base's decides, and nobody signed that.
    repo.git("checkout", "-q", "-B", "stale", old)
    repo.commit({"d": "d"})
    repo.git("checkout", "-q", "-B", "evil", base)
    repo.git("merge", "-q", "--no-commit", "--no-ff", "stale")
    repo.git("checkout", "stale", "--", POLICY)
    repo.git("commit", "-q", "-m", "Merge")
    assert blocked(repo.range(base, "evil"))


def test_only_lines_that_name_the_role_count() -> None:
    text = (
        b"# policy ssh-ed25519 A\npolicy,a@x ssh-ed25519 B\n* ssh-ed25519 C\npolicy-x ssh-ed25519 D\n"
        b"policy cert-authority ssh-ed25519 E\npolicy,!a@x ssh-ed25519 F\n"
        b'a@x,policy namespaces="git" ssh-ed25519 G\r\n'
    )
    assert [line.split()[-1] for line in for_role(text, "policy").splitlines()] == [b"B", b"G"]
    assert for_role(b"", "policy") == b""


# ---------------------------------------------------------------------- the whole


def test_an_ordinary_commit_reads_no_more_than_the_settings(repo: Repo) -> None:
    repo.commit({POLICY: FULL, CONFIG: PLAIN, ".custody/waivers/w.yaml": waiver()})
    repo.stage({"a.py": "a"})
    asked: list[str] = []
    with Git(str(repo.path), repo.environment) as git:
        ask = git.ask

        def count(*words: str, **rest: object) -> subprocess.CompletedProcess[bytes]:
            asked.append(words[0])
            return ask(*words, **rest)  # type: ignore[arg-type]

        git.ask = count  # type: ignore[method-assign]
        report = judge(git, Cache(None), Request(staged=True), HOOKS, [load("check-policy")], {}, TODAY)
    assert said(report) == []
    assert asked.count("diff-index") == 1  # the staged change; the settings are read from the folders of HEAD
    assert "diff-tree" not in asked


def test_a_policy_in_full_is_read_as_written() -> None:
    document = load_document(FULL.encode(), "policy")
    assert document.problems == ()
    assert read_policy(document).licenses_allow == ("CC0-1.0", "CC-BY-*")
