"""`git custody waive` writes exceptions that hold for what they name and no longer; `waivers` lists them."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from collections import OrderedDict
from datetime import date, timedelta

import pytest
import yaml

from commands import POLICY, PROGRAM, Commands, hide
from conftest import PLAIN_PICKLE, Repo, documented
from git_custody.core.metadata import load
from git_custody.core.pages import page

SOON = (date.today() + timedelta(days=90)).isoformat()
WAIVERS = ".custody/waivers"


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    repo.commit({POLICY: "version: 1\n"}, "Policy")
    return Commands(repo, monkeypatch, capfd)


def waive(custody: Commands, rule: str, path: str, *more: str, cwd: str = ".") -> str:
    words = ("waive", rule, path, "--reason", "replaced in spring", "--expires", SOON, *more)
    return custody.ok(*words, cwd=cwd)


def test_a_pickle_is_waived_by_its_digest_until_it_changes(custody: Commands, repo: Repo) -> None:
    repo.stage({"models/old.bin": PLAIN_PICKLE})
    assert repo.check().rules == ["pickle-weights"]
    said = waive(custody, "pickle-weights", "models/old.bin")
    file = f"{WAIVERS}/pickle-weights-models-old-bin.yaml"
    assert said.splitlines() == [
        f"{file} written and staged: pickle-weights is waived for models/old.bin until {SOON}",
        "A range, as CI judges it, takes waivers from its base: merge this one first.",
        f"More: {page('waivers')}",
    ]
    raw = (repo.path / file).read_bytes()
    assert load(raw, "waiver").problems == ()
    written = yaml.safe_load(raw)
    assert written["owner"] == "A. Author"
    assert written["expires"] == SOON
    assert set(written["digest"]) == {"sha256"}
    assert repo.check().code == 0
    assert custody("check", "models").out == "no problems, 1 finding waived (judged: staged changes against HEAD)\n"
    repo.stage({"models/old.bin": PLAIN_PICKLE + b"\0"})
    assert repo.check().rules == ["pickle-weights", "waiver-unused"]


def test_a_policy_that_is_edited_and_not_staged_is_named(custody: Commands, repo: Repo) -> None:
    ordered = pickle.dumps(OrderedDict(a=1), 4)
    repo.commit({POLICY: "version: 1\npickles: {globals: [builtins.set]}\n", "models/old.pkl": ordered})
    words = ("waive", "pickle-weights", "models/old.pkl", "--reason", "replaced in spring", "--expires", SOON)
    assert page("waivers") in custody.fails(2, *words)
    repo.write(POLICY, "version: 1\n")
    assert f"git add {POLICY}" in custody.fails(2, *words)
    repo.git("add", POLICY)
    custody.ok(*words)


def test_a_rule_about_a_path_needs_no_digest(custody: Commands, repo: Repo) -> None:
    repo.stage({"data/rows.csv": "1\n"})
    waive(custody, "missing-data-card", "data/rows.csv")
    written = yaml.safe_load((repo.path / WAIVERS / "missing-data-card-data-rows-csv.yaml").read_text())
    assert "digest" not in written
    assert written["path"] == "data/rows.csv"


def test_a_path_is_taken_from_where_the_user_stands(custody: Commands, repo: Repo) -> None:
    repo.stage({"data/rows.csv": "1\n"})
    waive(custody, "missing-data-card", "rows.csv", cwd="data")
    assert (repo.path / WAIVERS / "missing-data-card-data-rows-csv.yaml").is_file()


def test_a_path_with_signs_of_a_glob_waives_itself_alone(custody: Commands, repo: Repo) -> None:
    repo.stage({"data/a[1]*.csv": "1\n", "data/a1x.csv": "1\n"})
    words = ("--reason", "replaced in spring", "--expires", SOON)
    assert custody("waive", "missing-data-card", "data/a[1]*.csv", *words).code == 0
    assert [found["path"] for found in repo.check().report["findings"] if found["blocks"]] == ["data/a1x.csv"]


def test_names_that_only_signs_tell_apart_get_files_of_their_own(custody: Commands, repo: Repo) -> None:
    repo.stage({"data/a-b.csv": "1\n", "data/a_b.csv": "2\n"})
    for path in ("data/a-b.csv", "data/a_b.csv"):
        assert custody("waive", "missing-data-card", path, "--reason", "later", "--expires", SOON).code == 0
    assert len(list((repo.path / WAIVERS).iterdir())) == 2
    assert repo.check().code == 0


def test_another_content_of_the_same_path_gets_its_own_waiver(custody: Commands, repo: Repo) -> None:
    import pickle

    repo.stage({"m.bin": PLAIN_PICKLE})
    waive(custody, "pickle-weights", "m.bin")
    repo.commit(message="Waive")
    repo.stage({"m.bin": pickle.dumps({"weights": [2.5] * 5}, 3)})
    assert repo.check().rules == ["pickle-weights"]
    waive(custody, "pickle-weights", "m.bin")
    assert len(list((repo.path / WAIVERS).iterdir())) == 2


def test_the_index_counts_not_the_work_tree(custody: Commands, repo: Repo) -> None:
    repo.stage({"m.bin": PLAIN_PICKLE})
    repo.write("m.bin", b"something else")
    waive(custody, "pickle-weights", "m.bin")


def test_a_digest_that_is_given_is_used(custody: Commands, repo: Repo) -> None:
    repo.stage({"m.bin": PLAIN_PICKLE})
    words = ("waive", "pickle-weights", "m.bin", "--reason", "later", "--expires", SOON)
    assert custody(*words, "--digest", "0" * 64).code == 0
    assert repo.check().rules == ["pickle-weights", "waiver-unused"]
    assert "64 digits" in custody.fails(2, *words, "--digest", "abc")


def test_a_waiver_can_be_merged_before_its_content_is_there(custody: Commands, repo: Repo) -> None:
    digest = hashlib.sha256(PLAIN_PICKLE).hexdigest()
    repo.git("checkout", "-q", "-b", "content")
    repo.commit({"m.bin": PLAIN_PICKLE}, "Weights")
    assert repo.check("--range", "main...HEAD").rules == ["pickle-weights"]
    repo.git("checkout", "-q", "main")
    said = waive(custody, "pickle-weights", "m.bin", "--digest", digest)
    assert "As it is staged, pickle-weights finds nothing there" in said
    found = repo.check("--staged")
    assert (found.code, found.warned) == (0, ["policy-weakened", "waiver-unused"])
    repo.commit(message="Waive")
    repo.git("checkout", "-q", "content")
    assert repo.check("--range", "main...HEAD").code == 0


def test_with_a_first_policy_nothing_has_to_be_merged_first(
    repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    repo.stage({POLICY: "version: 1\n", "m.bin": PLAIN_PICKLE})
    assert "merge" not in waive(Commands(repo, monkeypatch, capfd), "pickle-weights", "m.bin")


def test_a_waiver_for_nothing_is_refused(custody: Commands, repo: Repo) -> None:
    repo.stage({"m.bin": PLAIN_PICKLE, "good.bin": b"good"})
    words = ("--reason", "later", "--expires", SOON)
    said = custody.fails(2, "waive", "pickle-weights", "good.bin", *words)
    assert "pickle-weights finds nothing there" in said
    assert "--digest" in said
    said = custody.fails(2, "waive", "missing-data-card", "good.bin", *words)
    assert "missing-data-card finds nothing there" in said
    assert "--digest" not in said
    assert "finds nothing" not in waive(custody, "pickle-weights", "m.bin")


def test_a_waiver_for_content_to_come_is_told_that_it_waives_nothing_yet(custody: Commands, repo: Repo) -> None:
    repo.stage({"m.bin": PLAIN_PICKLE})
    verdict = custody("waive", "pickle-weights", "m.bin", "--reason", "later", "--expires", SOON, "--digest", "0" * 64)
    assert verdict.code == 0
    assert "finds nothing there" in verdict.out


def test_what_cannot_be_judged_may_be_waived(custody: Commands, repo: Repo) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 9\n"
    repo.stage({POLICY: "version: 1\nabsent_content: {changed: allow}\n", "m.bin": pointer})
    assert repo.check().report["not_judged"]
    said = custody("waive", "pickle-weights", "m.bin", "--reason", "later", "--expires", SOON)
    assert said.code == 0, said.err
    assert "finds nothing" not in said.out


def test_what_a_hook_finds_above_the_level_of_the_policy_may_be_waived(custody: Commands, repo: Repo) -> None:
    repo.stage(documented("data/rows.csv"))
    assert repo.check().code == 0
    said = custody("waive", "missing-audit-entry", "data/rows.csv", "--reason", "later", "--expires", SOON)
    assert said.code == 0, said.err


def test_a_rule_about_the_content_of_files_is_not_waived_for_a_folder(custody: Commands, repo: Repo) -> None:
    repo.stage({"models/m.bin": PLAIN_PICKLE})
    words = ("waive", "pickle-weights", "models", "--reason", "later", "--expires", SOON)
    for more in ((), ("--digest", "0" * 64)):
        assert "name the file" in custody.fails(2, *words, *more)


def test_a_folder_that_a_finding_names_can_be_waived(custody: Commands, repo: Repo) -> None:
    digest = "a" * 64
    card = documented("data/set", id="rows")["data/set.datacard.yaml"]
    text = re.sub(r"sha256: [0-9a-f]+", f"dirHash: {digest}", str(card))
    repo.stage({"data/set/a.csv": "1\n", "data/set/datacard.yaml": text})
    assert repo.check().rules == ["digest-mismatch"]
    waive(custody, "digest-mismatch", "data/set")


def test_many_paths_are_waived_at_once_or_none(custody: Commands, repo: Repo) -> None:
    paths = [f"data/{name}.csv" for name in ("a-b", "a_b", "c")]
    repo.stage({**dict.fromkeys(paths, "1\n"), "src/x.py": "x\n"})
    words = ("--reason", "later", "--expires", SOON)
    said = custody.fails(2, "waive", "missing-data-card", *paths, "src/x.py", *words)
    assert "src/x.py: missing-data-card finds nothing there" in said
    assert custody.fails(2, "waive", "missing-data-card", *paths, *words, "--digest", "0" * 64).count("one path") == 1
    said = custody("waive", "missing-data-card", *paths, paths[0], *words).out
    assert said.count("written and staged") == len(repo.git("ls-files", ".custody/waivers").splitlines()) == 3
    assert "missing-data-card" not in repo.check("--all").rules


def test_the_program_is_named_by_its_path_where_the_shell_does_not_know_it(
    custody: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide(monkeypatch, "git-custody")
    said = custody.fails(2, "waive", "waiver-expired", "m.bin", "--reason", "later", "--expires", SOON)
    assert f"({PROGRAM} explain waiver-expired)" in said


def test_the_same_exception_twice_is_refused(custody: Commands, repo: Repo) -> None:
    repo.stage({"data/rows.csv": "1\n"})
    waive(custody, "missing-data-card", "data/rows.csv")
    said = custody.fails(2, "waive", "missing-data-card", "data/rows.csv", "--reason", "again", "--expires", SOON)
    assert "missing-data-card-data-rows-csv.yaml" in said


BAD = [
    (("pickle-wieghts", "m.bin", "later", SOON), 'did you mean "pickle-weights"'),
    (("waiver-expired", "m.bin", "later", SOON), "cannot be waived"),
    (("audit-log-rewritten", "m.bin", "later", SOON), "cannot be waived"),
    (("pickle-weights", "**", "later", SOON), "not one tracked path"),
    (("pickle-weights", "*.bin", "later", SOON), "not one tracked path"),
    (("pickle-weights", ".", "later", SOON), "not one tracked path"),
    (("pickle-weights", "loose.bin", "later", SOON), "not tracked"),
    (("pickle-weights", "../m.bin", "later", SOON), "outside"),
    (("pickle-weights", "m.bin", " ", SOON), "reason is empty"),
    (("pickle-weights", "m.bin", "later", (date.today() - timedelta(days=1)).isoformat()), "in the past"),
    (("pickle-weights", "m.bin", "later", (date.today() + timedelta(days=367)).isoformat()), "366 days"),
    (("pickle-weights", "m.bin", "later", "soon"), "not a day"),
    (("pickle-weights", "m.bin", "later", "20270101"), "not a day"),
]


@pytest.mark.parametrize(("words", "said"), BAD)
def test_bad_requests_write_nothing(words: tuple[str, ...], said: str, custody: Commands, repo: Repo) -> None:
    repo.stage({"m.bin": PLAIN_PICKLE})
    repo.write("loose.bin", PLAIN_PICKLE)
    rule, path, reason, expires = words
    assert said in custody.fails(2, "waive", rule, path, "--reason", reason, "--expires", expires)


@pytest.mark.parametrize("ahead", [0, 366])
def test_today_and_the_last_day_are_allowed(ahead: int, custody: Commands, repo: Repo) -> None:
    repo.stage({"m.bin": PLAIN_PICKLE})
    expires = (date.today() + timedelta(days=ahead)).isoformat()
    custody.ok("waive", "pickle-weights", "m.bin", "--reason", "later", "--expires", expires)


def test_a_reason_is_required(custody: Commands, repo: Repo) -> None:
    repo.stage({"m.bin": PLAIN_PICKLE})
    assert custody("waive", "pickle-weights", "m.bin", "--expires", SOON).code == 2


# ---------------------------------------------------------------------- the list


def waiver(path: str, expires: date) -> str:
    start = f"version: 1\nrule: missing-data-card\npath: {path}\nreason: later\nowner: Ada\n"
    return f'{start}expires: "{expires}"\n'


def test_waivers_are_listed_by_expiry_with_what_is_left_of_them(custody: Commands, repo: Repo) -> None:
    today = date.today()
    repo.stage(
        {
            "data/a.csv": "1\n", "data/b.csv": "1\n",
            f"{WAIVERS}/late.yaml": waiver("data/a.csv", today + timedelta(days=30)),
            f"{WAIVERS}/gone.yaml": waiver("data/b.csv", today - timedelta(days=3)),
            f"{WAIVERS}/idle.yaml": waiver("data/c.csv", today + timedelta(days=1)),
            f"{WAIVERS}/long.yaml": waiver("data/d.csv", today + timedelta(days=1000)),
        }
    )  # fmt: skip
    verdict = custody("waivers", "--format", "json")
    assert verdict.code == 0
    rows = verdict.report["waivers"]
    assert [(row["path"], row["days_left"], row["expired"], row["used"]) for row in rows] == [
        ("data/b.csv", -3, True, True),
        ("data/c.csv", 1, False, False),
        ("data/a.csv", 30, False, True),
        ("data/d.csv", 1000, False, False),
    ]
    text = custody("waivers").out
    assert "expired 3 days ago; its finding is back in 12" in text
    assert "1 day left; unused" in text
    assert "30 days left\n" in text
    assert "1000 days left: more than 366, so that it waives nothing" in text


def test_no_waivers_is_said(custody: Commands) -> None:
    assert custody("waivers").out == "There are no waivers.\n"
    assert json.loads(custody("waivers", "--format", "json").out)["waivers"] == []


def test_an_invalid_waiver_is_named_and_fails(custody: Commands, repo: Repo) -> None:
    repo.stage({f"{WAIVERS}/all.yaml": waiver('"**"', date.today())})
    verdict = custody("waivers")
    assert verdict.code == 1
    assert f"{WAIVERS}/all.yaml:3: not valid, waives nothing" in verdict.out


def test_where_a_missing_card_is_waived_the_log_needs_a_waiver_of_its_own(custody: Commands, repo: Repo) -> None:
    repo.stage({POLICY: 'version: 1\nlevel: 1\nalso: [check-dataset-audit-log]\nedition: "2026-12"\n'})
    repo.commit({"data/a.csv": "a,b\n1,2\n"})
    words = ("missing-data-card", "data/a.csv", "--reason", "replaced in spring", "--expires", SOON)
    out = custody("waive", *words).out
    (line,) = (line for line in out.splitlines() if line.startswith("Without a card"))
    assert f"waive missing-audit-entry --reason 'replaced in spring' --expires {SOON} data/a.csv" in line
    assert repo.check("--all").rules == ["missing-audit-entry"]
    waive(custody, "missing-audit-entry", "data/a.csv")
    assert repo.check("--all").code == 0
