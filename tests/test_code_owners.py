"""CODEOWNERS as GitHub and GitLab read it: what their documentation says, and what a slow, plain reading says."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clock import within
from git_custody.core.code_owners import Owners, github_owners, gitlab_owners
from git_custody.core.findings import CannotJudge
from git_custody.core.owner_patterns import github_pattern, gitlab_pattern


def owned(owners: Owners, *paths: str) -> list[bool]:
    return [owners.fault(path) is None for path in paths]


# ---------------------------------------------------------------------- patterns

# pattern → (paths that it owns, paths that it does not), by GitHub's documentation and by gitignore(5) where that
# defers to it. No line of GitLab's is the same: there a name without a slash behind it is that of a file.
GITHUB_PATTERNS = {
    "*": (["a", "a/b", ".x/y"], []),
    "*.csv": (["a.csv", "d/a.csv", "d.csv/inner"], ["a.csv.gz", "acsv"]),
    "/build/logs/": (["build/logs/a", "build/logs/x/y"], ["build/logs", "src/build/logs/a"]),
    "docs/*": (["docs/a.md"], ["docs/b/a.md", "docs", "x/docs/a.md"]),
    "apps/": (["apps/a", "x/apps/a/b"], ["apps", "x/apps", "myapps/a"]),
    "/docs/": (["docs/a/b"], ["x/docs/a"]),
    "**/logs": (["logs", "logs/a", "build/logs", "deep/er/logs/a"], ["mylogs"]),
    "data": (["data", "data/a", "x/data/y"], ["data2/a", "mydata"]),
    "/data": (["data", "data/a/b"], ["x/data"]),
    "data/raw": (["data/raw", "data/raw/a"], ["x/data/raw/a", "data/rawer"]),
    "data/raw/": (["data/raw/a"], ["data/raw", "x/data/raw/a"]),
    "data/**": (["data/a", "data/a/b"], ["data", "x/data/a"]),
    "data/**/raw": (["data/raw", "data/a/raw", "data/a/b/raw/c"], ["data/a/rawer", "x/data/raw"]),
    "data/**/raw/b*": (["data/raw/b", "data/x/raw/bc"], ["data/raw/c", "data/raw"]),
    "data/**/": (["data/a", "data/a/b"], ["data"]),
    "data/*/x": (["data/a/x", "data/a/x/y"], ["data/x", "data/a/b/x"]),
    "/*": (["a"], ["a/b"]),
    "/*/": (["a/b", "a/b/c"], ["a"]),
    "/f*": (["f", "foo/bar"], ["x/foo"]),
    "f?o": (["foo", "x/fao/y"], ["fo", "fooo", "f/o"]),
    r"f\*o": (["f*o"], ["foo"]),
    r"my\ data/": (["my data/a"], ["my/data/a"]),
    "a*b*c": (["abc", "axbxc", "abcbc"], ["ab", "acb"]),
    "**": (["a", "a/b"], []),
    "/.custody/": ([".custody/policy.yaml", ".custody/waivers/a.yaml"], ["x/.custody/a"]),
}


@pytest.mark.parametrize("pattern", GITHUB_PATTERNS)
def test_github_patterns(pattern: str) -> None:
    yes, no = GITHUB_PATTERNS[pattern]
    found = github_pattern(pattern)
    assert found is not None
    assert [path for path in yes if not found.fits(path)] == []
    assert [path for path in no if found.fits(path)] == []


@pytest.mark.parametrize("pattern", ["!/data/", "/data/[ab].csv", r"\#x", "/data/***", "/", ""])
def test_what_is_no_pattern_for_github(pattern: str) -> None:
    assert github_pattern(pattern) is None


# The same for GitLab, in the form in which it brings them: paths start with a slash there.
GITLAB_LINES = {
    "*": (["a", "a/b", ".x/y"], []),
    "*.rb": (["a.rb", "config/database.rb", "app/controllers/users/x.rb"], ["a.rbx", "a.rb/x"]),
    "README.md": (["README.md", "internal/README.md", "app/lib/README.md"], ["README.md/x"]),
    "internal/README.md": (["internal/README.md", "docs/api/internal/README.md"], ["README.md"]),
    "/README.md": (["README.md"], ["docs/README.md"]),
    "/docs/": (["docs/a", "docs/a/b"], ["x/docs/a", "docs"]),
    "lib/": (["lib/a", "ee/lib/a/b"], ["mylib/a"]),
    "/docs": (["docs"], ["docs/a"]),
    "/docs/*": (["docs/a", "docs/.hidden"], ["docs/a/b"]),
    "/docs/**": (["docs/a"], ["docs/a/b"]),
    "/docs/*.md": (["docs/a.md"], ["docs/a/b.md", "docs/a.rst"]),
    "/docs/index.*": (["docs/index.md", "docs/index.xml"], ["docs/index"]),
    "/docs/*spec*": (["docs/qa_specs.rb", "docs/runtime.spec"], ["docs/x/spec"]),
    "/docs/*/README.md": (["docs/api/README.md"], ["docs/README.md", "docs/a/b/README.md"]),
    "/docs/**/index.md": (["docs/index.md", "docs/api/index.md", "docs/api/graphql/index.md"], ["docs/index.mdx"]),
    "foo/*": (["foo/bar", "baz/foo/bar"], ["fufoo/bar", "foo/a/b"]),
    r"path\ with\ spaces/": (["path with spaces/docs.md", "x/path with spaces/a/b"], ["path/a"]),
    r"\#file_with_pound.rb": (["#file_with_pound.rb", "examples/#file_with_pound.rb"], ["file_with_pound.rb"]),
    "/data/[a-c].csv": (["data/a.csv", "data/c.csv"], ["data/d.csv", "data/[a-c].csv"]),
    "/data/[!a-c].csv": (["data/d.csv"], ["data/a.csv"]),
    "/data/[a": ([], ["data/[a", "data/a"]),
    "/data/[]a]": ([], ["data/]a", "data/a]", "data/]"]),
    "/data/[z-a]": (["data/z", "data/a"], ["data/m"]),
    r"/data/\*": (["data/*"], ["data/a"]),
    "/data/?.csv": (["data/a.csv"], ["data/ab.csv", "data/.csv"]),
}


@pytest.mark.parametrize("line", GITLAB_LINES)
def test_gitlab_lines(line: str) -> None:
    yes, no = GITLAB_LINES[line]
    owners = gitlab_owners(f"{line} @owner\n")
    assert [path for path in yes if owners.fault(path)] == []
    assert [path for path in no if owners.fault(path) is None] == []


_NAMES = st.text("ab*?", min_size=1, max_size=4)
_FOLDERS = st.one_of(_NAMES, st.just("**"), st.just("*"))
_PATTERNS = st.builds(
    lambda start, names, end: start + "/".join(names) + end,
    st.sampled_from(["", "/"]), st.lists(_FOLDERS, min_size=1, max_size=5), st.sampled_from(["", "/"]),
)  # fmt: skip
_PATHS = st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=6).map("/".join)


def slowly(names: list[str], path: list[str], deep: bool) -> bool:
    """A pattern's names against a path's, by trying everything."""
    if not names:
        return not path or deep
    if names[0] == "**" and len(names) > 1:
        return slowly(names[1:], path, deep) or (bool(path) and slowly(names, path[1:], deep))
    plain = re.escape(names[0]).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return bool(path) and re.fullmatch(plain, path[0]) is not None and slowly(names[1:], path[1:], deep)


@given(_PATTERNS, _PATHS)
@settings(max_examples=1500, deadline=None)
def test_github_patterns_match_as_a_plain_reading_does(pattern: str, path: str) -> None:
    found = github_pattern(pattern)
    if found is None:
        assert "***" in pattern or pattern == "/"
        return
    names = pattern.strip("/").split("/") if pattern.strip("/") else [""]
    if not pattern.startswith("/") and len(names) == 1:
        names = ["**", *names]
    last = names[-1]
    if pattern.endswith("/") or last == "**":
        expected = slowly([*names, "**", "*"] if last != "**" else [*names, "*"], path.split("/"), False)
    else:
        expected = slowly(names, path.split("/"), last != "*" or names == ["**", "*"])
    assert found.fits(path) is expected


@given(_PATTERNS, _PATHS)
@settings(max_examples=1500, deadline=None)
def test_gitlab_patterns_match_as_a_plain_reading_does(pattern: str, path: str) -> None:
    normal = "/**/*" if pattern == "*" else pattern if pattern.startswith("/") else f"/**/{pattern}"
    normal += "**/*" * normal.endswith("/")
    found = gitlab_pattern(normal)
    assert found is not None
    assert found.fits(path) is slowly(normal[1:].split("/"), path.split("/"), False)


@pytest.mark.parametrize(
    "pattern",
    ["*a" * 2000 + "b", "**/a/" * 700 + "b", "**/*a*a*a*a*/" * 200 + "b", "/" * 3000, "?" * 4000, "*?" * 2000 + "c"],
)
def test_hostile_patterns_take_no_time(pattern: str) -> None:
    paths = ["a" * 4000, "/".join("a" * 2000), "/".join(["a" * 100] * 40)]
    with within(1):
        for found in (github_pattern(pattern), gitlab_pattern("/" + pattern.removeprefix("/"))):
            if found is not None:
                for path in paths:
                    found.fits(path)


# ---------------------------------------------------------------------- whole files


def test_the_last_line_that_fits_decides_and_one_without_owners_frees() -> None:
    owners = github_owners("* @all\n/apps/ @octocat\n/apps/github\n*.js @js # and why\n")
    assert owned(owners, "x", "apps/a", "apps/github/a", "apps/github/a.js") == [True, True, False, True]
    assert "line 3" in str(owners.fault("apps/github/a"))


def test_github_passes_over_lines_that_it_cannot_read() -> None:
    owners = github_owners("/data/ @example/stewards\n!/data/a.csv\n/data/[ab].csv\n# /data/\n\n")
    assert owned(owners, "data/a.csv", "data/b.csv") == [True, True]
    assert owned(github_owners("[Data] @team\n/data/\n"), "data/a.csv") == [False]


@pytest.mark.parametrize(
    ("owner", "good"),
    [("@a-user", True), ("@org/team_1", True), ("docs@example.com", True), ("@emu_corp", True), ("user", False),
     ("@", False), ("@org/", False), ("@org/a/b", False), ("mail@host", False), ("@@maintainer", False),
     ("#@a", False)],
)  # fmt: skip
def test_owners_of_github(owner: str, good: bool) -> None:
    assert owned(github_owners(f"/data/ {owner}\n"), "data/x") == [good]
    assert owned(github_owners(f"/data/ @good {owner}\n"), "data/x") == [good or owner.startswith("#")]


@pytest.mark.parametrize(
    ("owner", "good"),
    [("@a-user", True), ("@group/with-nested/subgroup", True), ("janedoe@gitlab.com", True), ("@@maintainer", True),
     ("@@developers", True), ("@@guest", False), ("user", False), ("@", False)],
)  # fmt: skip
def test_owners_of_gitlab(owner: str, good: bool) -> None:
    assert owned(gitlab_owners(f"/data/ {owner}\n"), "data/x") == [good]
    assert owned(gitlab_owners(f"/data/ @good {owner}\n"), "data/x") == [True]


def test_every_section_of_gitlab_is_judged_by_itself() -> None:
    owners = gitlab_owners("[Code]\n* @coders\n/data/\n\n[Data]\n/data/ @stewards\n")
    assert owned(owners, "x", "data/a") == [True, True]
    assert owned(gitlab_owners("* @all\n/data/\n"), "x", "data/a") == [True, False]


def test_the_owners_of_a_section_stand_for_lines_without() -> None:
    owners = gitlab_owners("[Data][2] @stewards\n/data/\n/raw/ @raw\n[Docs]\n/docs/\n")
    assert owned(owners, "data/a", "raw/a", "docs/a") == [True, True, False]


def test_an_optional_section_asks_nobody_unless_it_is_required_elsewhere() -> None:
    optional = gitlab_owners("^[Data] @stewards\n/data/\n")
    assert owned(optional, "data/a") == [False]
    assert "optional" in str(optional.fault("data/a"))
    assert owned(gitlab_owners("^[Data] @s\n/data/\n[data]\n/x/ @s\n"), "data/a") == [True]


def test_an_exclusion_counts_for_its_section_alone() -> None:
    owners = gitlab_owners("* @all\n!*.rb\n\n[Ruby]\n*.rb @ruby\n!/config/**/*.rb\n")
    assert owned(owners, "a.txt", "app/a.rb", "config/x/routes.rb") == [True, True, False]
    assert owned(gitlab_owners("!/data/a\n/data/ @x\n/data/a @x\n"), "data/a", "data/b") == [False, True]


def test_a_pattern_that_is_written_twice_keeps_its_place() -> None:
    assert owned(gitlab_owners("/data/ @a\n*.csv\n/data/ @c\n"), "data/x.csv") == [False]


def test_a_line_that_starts_with_a_bracket_is_a_heading() -> None:
    assert owned(gitlab_owners("[ab].csv @x\n/data/ @y\n"), "a.csv", "data/a") == [False, True]
    assert owned(gitlab_owners("Before [Data]\n*.md @x\n"), "a.md") == [True]


def test_nothing_is_owned_by_what_is_not_text() -> None:
    assert owned(gitlab_owners("* @a\n\0"), "x") == [False]


_FOLDERS_A = "/".join("a" * 2000) + "/b"
_NAME_A = "a" * 4000 + "b0123456789"


@pytest.mark.parametrize(
    ("read", "line", "path"),
    [
        (github_owners, "**/" + "a/" * 900 + "b/** @a", _FOLDERS_A),
        (gitlab_owners, "?" * 1900 + "{n}*b @a", _NAME_A),
        (gitlab_owners, "!" + "?" * 1900 + "{n}*b", _NAME_A),
    ],
)
def test_matching_that_would_take_minutes_is_refused(read: Callable[[str], Owners], line: str, path: str) -> None:
    owners = read("".join(line.replace("{n}", str(n)) + "\n" for n in range(1500)))
    with within(3), pytest.raises(CannotJudge, match="so long patterns"):
        owned(owners, *[path] * 1000)


@pytest.mark.parametrize("text", ["[" * 200_000, "a@" * 100_000, "x " + "\\ " * 100_000, "[a]" + "[" * 100_000])
def test_hostile_lines_take_no_time(text: str) -> None:
    with within(2):
        for owners in (github_owners(text), gitlab_owners(text)):
            owners.fault("data/a.csv")


def sectioned(number: int, line: str) -> str:
    return "".join(f"[S{n}]\n{line.replace('{n}', str(n))}\n" for n in range(number))


def test_many_sections_take_time_once() -> None:
    paths = [f"data/{n}/rows-{n}.csv" for n in range(300)]
    with within(1):
        owners = gitlab_owners(sectioned(30_000, "/data/{n}/ @s") + "[Last]\n/data/7/*.csv\n")
        assert owned(owners, *paths) == [True] * 300
        owners = gitlab_owners(sectioned(30_000, "/data/x{n}/ @s"))
        assert owned(owners, *paths) == [False] * 300
    with within(4), pytest.raises(CannotJudge, match="so many"):
        owned(gitlab_owners(sectioned(30_000, "/data/{n}*")), *["data/x.csv"] * 300)


def test_many_lines_for_many_files_are_no_reason_to_refuse() -> None:
    text = "".join(f"*.x{n} @x\n/data/{n}/ @s\n/data/raw/**/{n}/*.csv @r\n" for n in range(200))
    with within(3):
        for read in (github_owners, gitlab_owners):
            assert all(owned(read(text), *(f"data/{n % 200}/{n}.csv" for n in range(20_000))))


_LINE = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "!", "/"]),
    st.lists(
        st.sampled_from(["a", "b", "ab", "*", "**", "*b", "a*", "[ab]", "?", "\\a", ""]), min_size=1, max_size=4
    ).map("/".join),
    st.sampled_from(["", " @x"]),
)
_HEADING = st.sampled_from(["[A]", "^[B]", "[a] @y", "[codeowners]", "[CodeOwners] @y", "# nothing"])


@settings(max_examples=300, deadline=None)
@given(st.lists(_LINE | _HEADING, max_size=12), st.sampled_from(["a", "a/b", "b/ab", "ab/b/a", "a/a/b/b"]))
def test_files_are_read_as_a_plain_reading_does(lines: list[str], path: str) -> None:
    plain = [line for line in lines if not line.startswith(("[", "^"))]
    fitting = [line for line in plain if (found := github_pattern(line.split(" ")[0])) and found.fits(path)]
    assert owned(github_owners("\n".join(plain)), path) == [bool(fitting) and fitting[-1].endswith("@x")]
    alone: list[list[str]] = [[]]
    for line in lines:
        if line.startswith(("[", "^")):
            alone.append([])
        alone[-1].append(line)
    names = [part[0].strip("^").partition("]")[0].casefold() for part in alone[1:]]
    if len(set(names)) == len(names) and "[codeowners" not in names:
        each = [owned(gitlab_owners("\n".join(part)), path) == [True] for part in alone]
        assert owned(gitlab_owners("\n".join(lines)), path) == [any(each)]
