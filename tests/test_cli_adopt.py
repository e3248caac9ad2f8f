"""`git custody adopt` makes an existing repository pass today, says what is owed, and lets no new debt in."""

from __future__ import annotations

import io
import shlex
import sys
from datetime import date, timedelta

import pytest
import yaml

from builders import torch_zip
from commands import POLICY, Commands
from conftest import PICKLE, PLAIN_PICKLE, ROWS, Repo, documented
from git_custody.core.metadata import load
from git_custody.core.pages import page
from git_custody.core.trees import Entry
from git_custody.scaffold.adoption import group

END = (date.today() + timedelta(days=180)).isoformat()
WAIVERS = ".custody/waivers"
GIVEN = (
    "--title",
    "Rows about tests",
    "--source-kind",
    "original",
    "--publisher",
    "Example Lab",
    "--license",
    "MIT",
)


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    """A repository that nobody has documented."""
    repo.commit(
        {
            "data/raw/1.csv": "a\n1\n", "data/raw/2.csv": "a\n2\n", "data/raw/README.md": "Two tables.\n",
            "data/img/cat/1.jpg": b"\xff1", "data/img/cat/2.jpg": b"\xff2",
            "data/img/dog/1.jpg": b"\xff3", "data/img/dog/2.jpg": b"\xff4",
            "data/prices.csv": ROWS, "data/prepare.py": "print()\n",
            "models/old.pkl": PLAIN_PICKLE, "src/main.py": "print()\n",
        }
    )  # fmt: skip
    return Commands(repo, monkeypatch, capfd)


def waivers(repo: Repo) -> dict[str, dict[str, str]]:
    found = {}
    folder = repo.path / WAIVERS
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        assert load(path.read_bytes(), "waiver").problems == ()
        written = yaml.safe_load(path.read_text())
        found[f"{written['rule']} {written['path']}"] = written
    return found


def adopted(custody: Commands, repo: Repo) -> str:
    out = custody.ok("adopt", "--yes")
    repo.commit(message="Adopt")
    return out


def test_everything_passes_after_it(custody: Commands, repo: Repo) -> None:
    before = repo.git("ls-files").splitlines()
    out = custody.ok("adopt", "--yes")
    assert repo.check("--all").code == 0
    assert (
        repo.git("status", "--porcelain", "-uall").splitlines()
        == repo.git("status", "--porcelain", "-uno").splitlines()
    )
    repo.commit(message="Adopt")
    assert repo.check("--all").code == 0
    assert repo.check("--range", "HEAD~1...HEAD").code == 0
    cards = [path for path in repo.git("ls-files", "data").splitlines() if path not in before]
    assert cards == ["data/img/datacard.yaml", "data/prices.csv.datacard.yaml", "data/raw/datacard.yaml"]
    assert repo.check("--all").report["summary"]["waived"] > 0
    assert f"Owed until {END}:" in out
    assert "git-custody add --title TITLE" in out or "git custody add --title TITLE" in out


def test_debt_of_metadata_is_bound_to_the_path_and_of_content_to_the_digest(custody: Commands, repo: Repo) -> None:
    custody.ok("adopt", "--yes")
    found = waivers(repo)
    assert set(found) == {
        "invalid-data-card data/img/datacard.yaml", "invalid-data-card data/prices.csv.datacard.yaml",
        "invalid-data-card data/raw/datacard.yaml", "pickle-weights models/old.pkl",
    }  # fmt: skip
    for name, written in found.items():
        assert written["reason"] == f"owed since {date.today()}"
        assert (written["owner"], written["expires"]) == ("A. Author", END)
        assert ("digest" in written) is name.startswith("pickle")


def test_cards_hold_what_is_known_and_no_hollow_text(custody: Commands, repo: Repo) -> None:
    repo.commit({POLICY + ".later": ""})
    repo.write(
        POLICY,
        "version: 1\nalso: [check-dataset-audit-log]\ndefaults: {license: CC0-1.0, publisher: Example Lab}\n",
    )
    custody.ok("adopt", "--yes")
    card = yaml.safe_load((repo.path / "data/raw/datacard.yaml").read_text())
    assert set(card) == {"kind", "version", "id", "license", "content"}
    assert (card["id"], card["license"]) == ("raw", "CC0-1.0")
    assert set(card["content"]["digest"]) == {"dirHash"}
    assert repo.git("show", f":{POLICY}").endswith("Example Lab}")


def test_every_dataset_gets_an_entry_that_adopts_it(custody: Commands, repo: Repo) -> None:
    custody.ok("adopt", "--yes")
    assert [custody.ops(name) for name in ("raw", "img", "prices")] == [["adopt"]] * 3


def test_a_card_that_is_there_is_kept_and_its_data_adopted(custody: Commands, repo: Repo) -> None:
    files = documented("data/more/known.csv", id="known")
    repo.commit(files)
    custody.ok("adopt", "--yes")
    assert custody.ops("known") == ["adopt"]
    card = "data/more/known.csv.datacard.yaml"
    assert (repo.path / card).read_text() == files[card]
    assert not any(card in name for name in waivers(repo))


NEW_DEBT: dict[str, tuple[dict[str, str | bytes], str]] = {
    "a file in a folder of its own": ({"data/new/1.csv": "1\n"}, "missing-data-card"),
    "a file in a folder that was adopted": ({"data/raw/3.csv": "1\n"}, "missing-audit-entry"),
    "an edit of a file that was adopted": ({"data/prices.csv": ROWS + "1\n"}, "missing-audit-entry"),
    "an edited pickle": ({"models/old.pkl": PLAIN_PICKLE + b"\0"}, "pickle-weights"),
    "the same pickle elsewhere": ({"models/new.pkl": PLAIN_PICKLE}, "pickle-weights"),
    "a hollow title": (
        {"data/raw/datacard.yaml": "kind: data-card\nversion: 1\nid: raw\ntitle: TODO\n"},
        "hollow-data-card",
    ),
}


@pytest.mark.parametrize("case", NEW_DEBT)
def test_new_debt_is_blocked(case: str, custody: Commands, repo: Repo) -> None:
    adopted(custody, repo)
    files, rule = NEW_DEBT[case]
    repo.stage(files)
    assert rule in repo.check().rules
    repo.commit(message="Past the hook")
    verdict = repo.check("--range", "HEAD~1...HEAD")
    assert verdict.code == 1
    assert rule in verdict.rules


def test_without_an_audit_log_an_edit_is_seen_by_its_digest(custody: Commands, repo: Repo) -> None:
    repo.stage({POLICY: "version: 1\n"})
    adopted(custody, repo)
    repo.git("rm", "-rq", ".custody/audit")
    repo.commit(message="No log wanted")
    repo.stage({"data/prices.csv": ROWS + "1\n"})
    assert repo.check().rules == ["digest-mismatch"]


def test_a_dry_run_shows_the_plan_and_touches_nothing(custody: Commands, repo: Repo) -> None:
    before = custody.state(), repo.git("count-objects")
    out = custody.ok("adopt", "--dry-run")
    assert 'data/img/datacard.yaml: dataset "img", 4 files' in out
    assert "3 audit entries" in out
    assert "4 waivers" in out
    assert (custody.state(), repo.git("count-objects")) == before


def test_where_nobody_can_be_asked_the_option_is_named(custody: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert "before any commit" in custody.fails(2, "adopt")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "written"), [("y\n", True), ("n\n", False), ("", False)])
def test_on_a_terminal_it_asks(
    answer: str, written: bool, custody: Commands, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert custody("adopt").code == 0
    assert (repo.path / POLICY).exists() is written


def test_a_file_in_the_way_stops_it_before_anything_is_written(custody: Commands, repo: Repo) -> None:
    repo.write("data/raw/datacard.yaml", "mine: true\n")
    assert "data/raw/datacard.yaml" in custody.fails(2, "adopt", "--yes")
    assert (repo.path / "data/raw/datacard.yaml").read_text() == "mine: true\n"


def test_what_no_waiver_can_admit_is_left_to_be_mended(custody: Commands, repo: Repo) -> None:
    repo.commit({b"data/caf\xe9.csv": "1\n"} if sys.platform == "linux" else {"x": ""})  # type: ignore[dict-item]
    if sys.platform == "linux":
        verdict = custody("adopt", "--yes")
        assert verdict.code == 1
        assert "1 problem that no waiver admits, to be mended before the commit:" in verdict.out
        assert "data/caf\\xe9.csv: missing-data-card" in verdict.out
        assert "mended by hand" in verdict.out
        assert "files written and staged." in verdict.out
        assert "Nothing was changed" not in verdict.out


def test_the_plan_tells_what_cannot_be_owed_and_what_to_do_with_it(custody: Commands, repo: Repo) -> None:
    repo.commit({"models/calls.bin": PICKLE, "models/torch.pt": torch_zip(evil=True)})
    out = custody.ok("adopt", "--dry-run")
    assert "4 waivers" in out
    assert out.partition("4 waivers")[2].splitlines()[1:-1] == [
        f"    2 pickles that no waiver admits ({page('waivers')}), to be mended before the commit:",
        "        models/calls.bin: pickle-weights",
        "            git rm --cached -f models/calls.bin",
        "        models/torch.pt: pickle-weights",
        "            git rm --cached -f models/torch.pt",
        "        then   name it in .gitignore, so that git add does not stage it again",
    ]
    for path in ("models/calls.bin", "models/torch.pt"):
        repo.git("rm", "--cached", "-f", path)
    assert "no waiver admits" not in custody.ok("adopt", "--yes")


def test_odd_names_and_links_are_adopted(custody: Commands, repo: Repo) -> None:
    repo.write("data/b[1].csv", "1\n")
    repo.write("data/zwei wörter.csv", "2\n")
    repo.write("data/-x.csv", "3\n")
    (repo.path / "data/link.csv").symlink_to("prices.csv")
    (repo.path / "data/gone.csv").symlink_to("nowhere.csv")
    repo.git("add", "-A")
    custody.ok("adopt", "--yes")
    assert repo.check("--all").code == 0


def test_filters_do_not_touch_what_is_staged(custody: Commands, repo: Repo) -> None:
    repo.commit({".gitattributes": "*.json text eol=crlf\n*.yaml text eol=crlf\n"})
    custody.ok("adopt", "--yes")
    assert repo.check("--all").code == 0


def test_records_are_staged_where_they_would_be_ignored(custody: Commands, repo: Repo) -> None:
    repo.commit({".gitignore": "*.yaml\n*.json\n"})
    custody.ok("adopt", "--yes")
    assert repo.check("--all").code == 0


def test_nothing_to_adopt_is_a_policy_and_no_more(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    custody = Commands(repo, monkeypatch, capfd)
    custody.ok("adopt", "--yes")
    assert repo.git("diff", "--cached", "--name-only") == POLICY
    assert "There is nothing to adopt." in custody.ok("adopt", "--yes")


# ---------------------------------------------------------------------- again


def test_run_again_it_adds_no_debt(custody: Commands, repo: Repo) -> None:
    adopted(custody, repo)
    repo.stage({"data/new/1.csv": "1\n"})
    before = custody.state()
    verdict = custody("adopt", "--yes")
    assert verdict.code == 1
    assert custody.state() == before
    assert "HEAD has a policy, so no new debt is taken on." in verdict.out
    assert "data/new/1.csv: missing-data-card" in verdict.out


def test_run_again_it_removes_what_is_paid_and_nothing_else(custody: Commands, repo: Repo) -> None:
    adopted(custody, repo)
    owed = set(waivers(repo))
    repo.git("rm", "-q", "models/old.pkl")
    custody("add", *GIVEN, "data/raw")
    mine = "version: 1\nrule: missing-data-card\npath: data/none.csv\nreason: mine\nowner: Ada\n"
    repo.commit({f"{WAIVERS}/mine.yaml": f'{mine}expires: "{END}"\n'}, "Pay")
    out = custody.ok("adopt", "--yes")
    assert "1 waiver removed" in out
    left = owed - {"pickle-weights models/old.pkl", "invalid-data-card data/raw/datacard.yaml"}
    assert set(waivers(repo)) == left | {"missing-data-card data/none.csv"}
    assert "invalid-data-card is owed until" in out
    assert repo.check("--all").code == 0


def test_a_dry_run_removes_nothing(custody: Commands, repo: Repo) -> None:
    adopted(custody, repo)
    repo.git("rm", "-q", "models/old.pkl")
    before = custody.state()
    assert "paid, to be removed" in custody.ok("adopt", "--dry-run")
    assert custody.state() == before


def test_a_card_that_is_paid_takes_its_waiver_along(custody: Commands, repo: Repo) -> None:
    adopted(custody, repo)
    (file,) = (line for line in repo.git("ls-files", WAIVERS).splitlines() if "data-raw" in line)
    half = custody.ok("card", "update", "--title", "Rows about tests", "data/raw")
    assert "(card updated)" in half
    assert "removed" not in half
    out = custody.ok("add", *GIVEN, "data/raw")
    assert f"removed  {file} (what it was for is paid)" in out.splitlines()
    assert f"D\t{file}" in repo.git("diff", "--cached", "--name-status", "--no-renames").splitlines()
    assert not (repo.path / file).exists()
    assert len(waivers(repo)) == 3
    assert repo.check("--all").code == 0
    repo.commit(message="Pay")
    assert repo.check("--range", "HEAD~1...HEAD").code == 0


def test_what_somebody_waived_by_hand_is_not_removed(custody: Commands, repo: Repo) -> None:
    adopted(custody, repo)
    (file,) = (line for line in repo.git("ls-files", WAIVERS).splitlines() if "data-raw" in line)
    repo.commit({file: (repo.path / file).read_text().replace("owed since", "agreed on")})
    assert "removed" not in custody("add", *GIVEN, "data/raw").out
    assert (repo.path / file).exists()


@pytest.mark.parametrize("first", [True, False])
def test_a_policy_that_was_committed_too_early_can_be_taken_back(
    first: bool, empty_repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    custody = Commands(empty_repo, monkeypatch, capfd)
    if not first:
        empty_repo.commit({"a.txt": "a\n"}, "Start")
    custody("init")
    empty_repo.write("data/rows.csv", "1\n")
    empty_repo.git("add", "-A")
    empty_repo.commit(message="Too early")
    verdict = custody("adopt", "--yes")
    assert verdict.code == 1
    (undo,) = (line.split() for line in verdict.out.splitlines() if line.startswith("    git ") and "adopt" not in line)
    assert (undo[1] == "update-ref") is first
    empty_repo.git(*undo[1:])
    custody.ok("adopt", "--yes")
    empty_repo.commit(message="Adopt")
    empty_repo.stage({"data/new.csv": "1\n"})
    assert "To adopt what is there" not in custody("adopt", "--yes").out


def test_a_policy_that_was_pushed_is_not_taken_back(custody: Commands, repo: Repo) -> None:
    repo.commit({POLICY: "version: 1\n"}, "Policy")
    assert "git reset --soft HEAD~1" in custody("adopt").out
    repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
    repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    out = custody("adopt").out
    assert "What blocks now" in out
    assert "git reset" not in out
    waive = shlex.split(next(line for line in out.splitlines() if " waive missing-data-card " in line))
    waive[waive.index("REASON")], waive[waive.index("YYYY-MM-DD")] = "described in spring", END
    assert custody(*waive[waive.index("waive") :]).code == 0
    assert out.count(" waive missing-data-card ") == 1
    assert len(waivers(repo)) == 7


def test_a_policy_that_only_this_repository_has_is_taken_back_in_a_commit_of_its_own(
    custody: Commands, repo: Repo
) -> None:
    repo.commit({POLICY: "version: 1\n"}, "Policy")
    repo.commit({"src/other.py": "print()\n"})
    said = custody("adopt").out.splitlines()
    at = next(number for number, line in enumerate(said) if line.startswith("The policy is only here"))
    remove, commit, again = (shlex.split(line) for line in said[at + 1 :])
    repo.git(*remove[1:])
    assert repo.check().code == 0
    repo.git(*commit[1:])
    custody.ok(again[-1], "--yes")
    repo.commit(message="Adopt")
    assert repo.check("--all").code == 0
    root = repo.git("rev-list", "--max-parents=0", "HEAD")
    assert repo.check("--range", f"{root}...HEAD").code == 0


def test_the_default_branch_is_a_base_too(custody: Commands, repo: Repo) -> None:
    adopted(custody, repo)
    repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
    repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    repo.git("checkout", "-q", "-b", "old", "HEAD~1")
    before = custody.state()
    verdict = custody("adopt", "--yes")
    assert "The default branch has a policy" in verdict.out
    assert custody.state() == before


# ---------------------------------------------------------------------- grouping


def cards(undocumented: list[str], *others: str) -> list[str]:
    entries = {path: Entry(0o100644, "0" * 40) for path in (*undocumented, *others)}
    found = group(undocumented, entries)
    assert sorted(path for one in found for path in one.files) == sorted(undocumented)
    return [one.card for one in found]


@pytest.mark.parametrize(
    ("undocumented", "others", "expected"),
    [
        ("data/a.csv data/b.csv data/s/c.csv", "", "data/"),
        ("data/a.csv data/b.txt", "", "data/a.csv. data/b.txt."),
        ("data/a.csv data/s/c.csv", "", "data/a.csv. data/s/c.csv."),
        ("data/a.csv data/b.csv", "data/x.py", "data/a.csv. data/b.csv."),
        ("data/a.csv data/b.csv", "data/m.pkl", "data/a.csv. data/b.csv."),
        ("data/a.csv data/b.csv", "data/README.md data/.gitkeep", "data/"),
        ("data/s/a.csv data/s/b.csv", "data/s/t/c.datacard.yaml", "data/s/a.csv. data/s/b.csv."),
        ("data/a/1.csv data/a/2.csv data/b/1.csv data/b/2.csv", "", "data/a/ data/b/"),
        ("data/i/a/1.jpg data/i/a/2.jpg data/i/b/1.jpg data/i/b/2.jpg", "", "data/i/"),
        ("data/i/a/1.jpg data/i/a/2.jpg data/i/b/1.csv data/i/b/2.csv", "", "data/i/a/ data/i/b/"),
        ("big.csv more.csv", "", "big.csv. more.csv."),
        ("data/x.csv.dvc", "", "data/x.csv."),
        ("", "src/a.py", ""),
    ],
)
def test_few_cards_and_none_over_what_is_not_data(undocumented: str, others: str, expected: str) -> None:
    assert cards(undocumented.split(), *others.split()) == [f"{start}datacard.yaml" for start in expected.split()]


def test_a_folder_with_a_link_is_no_one_dataset() -> None:
    entries = {
        f"data/{name}.csv": Entry(mode, "0") for name, mode in zip("abc", (0o100644, 0o100644, 0o120000), strict=True)
    }
    assert all(not found.is_folder for found in group(sorted(entries), entries))


def months(folder: str = "data/nlp") -> dict[str, str | bytes]:
    return {f"{folder}/{year}/{month:02}/records.csv": f"a\n{year}\n{month}\n" for year in (2024, 2025)
            for month in range(1, 13)}  # fmt: skip


def test_many_cards_are_told_up_front_with_the_way_to_one(custody: Commands, repo: Repo) -> None:
    repo.commit(months())
    lines = custody.ok("adopt", "--dry-run").splitlines()
    assert lines[2].startswith("    27 cards. A folder that is one dataset gets one card instead")
    assert lines[3].endswith(" add --as-one data/nlp    (instead of 24)")
    assert not lines[4].strip().startswith("git")
    words = shlex.split(lines[3].partition("    (")[0])
    custody("add", *GIVEN, *words[words.index("--as-one") :])
    out = custody.ok("adopt", "--yes")
    assert "instead" not in out
    assert "data/nlp" not in out
    assert (repo.path / "data/nlp/datacard.yaml").exists()


DESCRIBED = {
    "README.md": "---\npretty_name: Records\ntask_categories: [text-classification]\n---\n# Records\n",
    "datapackage.json": '{"name": "records", "resources": []}\n',
    "croissant.json": '{"@context": {}, "@type": "sc:Dataset", "name": "records"}\n',
}


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_folder_that_metadata_describe_is_one_dataset(name: str, custody: Commands, repo: Repo) -> None:
    repo.commit({**months(), f"data/nlp/{name}": DESCRIBED[name]})
    out = custody.ok("adopt", "--yes")
    assert "    data/nlp/datacard.yaml: dataset" in out
    assert "instead" not in out
    cards = repo.git("diff", "--cached", "--name-only", "--", "data/nlp").splitlines()
    assert cards == ["data/nlp/datacard.yaml"]
    assert repo.check("--all").code == 0


@pytest.mark.parametrize(
    "text", ["# Records\n", "---\nlayout: page\n---\n", "---\nlibrary_name: x\n---\n", "---\n[\n---\n"]
)
def test_any_other_readme_describes_no_dataset(text: str, custody: Commands, repo: Repo) -> None:
    repo.commit({**months(), "data/nlp/README.md": text})
    assert "add --as-one data/nlp" in custody.ok("adopt", "--dry-run")


def test_described_folders_are_no_part_of_another(custody: Commands, repo: Repo) -> None:
    for name in ("aa", "bb"):
        repo.commit({**months(f"data/all/{name}"), f"data/all/{name}/datapackage.json": DESCRIBED["datapackage.json"]})
    repo.commit({"data/all/README.md": DESCRIBED["README.md"], "data/all/1.csv": "1\n", "data/all/2.csv": "2\n"})
    out = custody.ok("adopt", "--dry-run")
    assert "    data/all/aa/datacard.yaml: dataset" in out
    assert "    data/all/bb/datacard.yaml: dataset" in out
    assert "    data/all/datacard.yaml" not in out


def test_a_described_folder_with_code_keeps_a_card_for_each_file(custody: Commands, repo: Repo) -> None:
    repo.commit({**months(), "data/nlp/datapackage.json": DESCRIBED["datapackage.json"], "data/nlp/load.py": "1\n"})
    assert "data/nlp/datacard.yaml" not in custody.ok("adopt", "--dry-run")


def test_a_very_deep_folder_is_no_trouble() -> None:
    deep = "data/" + "a/" * 1900
    assert cards([deep + "1.csv", deep + "2.csv"]) == [deep + "datacard.yaml"]
