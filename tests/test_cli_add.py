"""`git custody add`: what it stages, writes, asks and refuses."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from builders import torch_index, torch_zip, zipped
from commands import LOGGED, POLICY, PROGRAM, TOLD, Commands, logged
from conftest import HOOKS, PICKLE, PLAIN_PICKLE, ROWS, Repo, documented
from git_custody.core.metadata import load

DATA = "data/tickets.csv"
CARD = f"{DATA}.datacard.yaml"


@pytest.fixture
def custody(repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Commands:
    return Commands(repo, monkeypatch, capfd)


def sha256(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def started(repo: Repo, custody: Commands) -> None:
    """One dataset, logged and committed."""
    logged(repo)
    repo.write(DATA, ROWS)
    custody.ok("add", *TOLD, DATA)
    repo.commit(message="Data")


# ---------------------------------------------------------------------- new datasets


def test_a_new_dataset_gets_a_card_and_is_staged(repo: Repo, custody: Commands) -> None:
    repo.write(DATA, ROWS)
    said = custody.ok(
        "add", "--title", "Support tickets", "--source-url", "https://zenodo.org/records/1", "--retrieved",
        "2026-11-02", "--publisher", "CERN", "--license", "CC-BY-4.0", DATA,
    )  # fmt: skip
    assert custody.card(CARD) == {
        "kind": "data-card", "version": 1, "id": "tickets", "title": "Support tickets",
        "license": "CC-BY-4.0",
        "source": {
            "kind": "public-download", "url": "https://zenodo.org/records/1", "retrieved": "2026-11-02",
            "publisher": "CERN",
        },
        "content": {"digest": {"sha256": sha256(ROWS)}, "bytes": len(ROWS), "media_type": "text/csv"},
    }  # fmt: skip
    assert repo.git("diff", "--cached", "--name-only").split() == [DATA, CARD]
    assert CARD in said
    assert repo.git("status", "--porcelain", "--untracked-files=all").splitlines() == [
        f"A  {DATA}",
        f"A  {CARD}",
    ]


def test_today_is_the_day_of_a_download_unless_said_otherwise(repo: Repo, custody: Commands) -> None:
    from datetime import date

    repo.write(DATA, ROWS)
    custody.ok(
        "add",
        "--title",
        "Tickets of 2025",
        "--source-url",
        "https://e.org/x",
        "--publisher",
        "E",
        "--license",
        "MIT",
        DATA,
    )
    assert custody.card(CARD)["source"]["retrieved"] == date.today().isoformat()


def test_without_a_terminal_the_missing_answers_are_named_in_one_sentence(repo: Repo, custody: Commands) -> None:
    repo.write(DATA, ROWS)
    said = custody.fails(2, "add", DATA, "--publisher", "O'Neil & Co")
    assert "--title TITLE, --source-url URL (or --source-kind original), --license SPDX_ID" in said
    assert "add --title TITLE --source-url URL --publisher 'O'\"'\"'Neil & Co' --license SPDX_ID data/" in said


def test_the_policy_answers_what_it_has_defaults_for(repo: Repo, custody: Commands) -> None:
    repo.commit({POLICY: "version: 1\ndefaults: {publisher: The Lab, license: CC0-1.0}\n"})
    repo.write(DATA, ROWS)
    custody.ok("add", "--title", "Tickets of 2025", "--source-kind", "original", DATA)
    card = custody.card(CARD)
    assert (card["source"]["publisher"], card["license"]) == ("The Lab", "CC0-1.0")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--title", "TODO", "placeholder"),
        ("--title", "tickets.csv", "file name"),
        ("--license", "Apache 2", "Apache-2.0"),
        ("--source-url", "zenodo", "whole address"),
        ("--retrieved", "2026-02-30", "a day that exists"),
        ("--retrieved", "2999-01-01", "future"),
        ("--reason", "REASON", "placeholder"),
        ("--id", "Not An Id", "2 to 40"),
        ("--publisher", "  ", "is empty"),
    ],
)
def test_an_answer_that_cannot_be_right_is_refused(
    repo: Repo, custody: Commands, option: str, value: str, said: str
) -> None:
    repo.write(DATA, ROWS)
    answers = dict(zip(TOLD[::2], TOLD[1::2], strict=True)) | {option: value}
    assert said in custody.fails(2, "add", *(word for pair in answers.items() for word in pair), DATA)


def test_a_title_that_repeats_the_file_name_is_refused(repo: Repo, custody: Commands) -> None:
    repo.write(DATA, ROWS)
    assert "file name" in custody.fails(2, "add", *TOLD[2:], "--title", "tickets", DATA)


def test_values_are_quoted_so_that_they_read_back(repo: Repo, custody: Commands) -> None:
    repo.write(DATA, ROWS)
    title = "No: \"quotes\" # and 'more' – é 日本 \U0001f600"
    custody.ok("add", *TOLD[2:], "--title", title, DATA)
    assert custody.card(CARD)["title"] == title


def test_ids_do_not_collide(repo: Repo, custody: Commands) -> None:
    for path in ("data/a/train.csv", "data/b/train.csv", "datasets/b/train.csv"):
        repo.write(path, ROWS + path)
        custody.ok("add", *TOLD, path)
    ids = {
        custody.card(f"{p}.datacard.yaml")["id"]
        for p in ("data/a/train.csv", "data/b/train.csv", "datasets/b/train.csv")
    }
    assert ids == {"train", "b-train", "train-2"}
    repo.write("data/c.csv", ROWS)
    assert "another dataset" in custody.fails(2, "add", *TOLD, "--id", "train", "data/c.csv")


def test_the_first_commit(empty_repo: Repo, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    custody = Commands(empty_repo, monkeypatch, capfd)
    empty_repo.write(POLICY, LOGGED)
    empty_repo.write(DATA, ROWS)
    custody.ok("add", POLICY)
    custody.ok("add", *TOLD, DATA)
    assert custody.ops("tickets") == ["create"]
    empty_repo.commit()
    assert custody("check", "--all").code == 0


def test_on_a_detached_head(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.git("checkout", "-q", "--detach")
    repo.write(DATA, ROWS + "x,y\n")
    custody.ok("add", "--reason", "one more row", DATA)
    assert custody.ops("tickets") == ["create", "modify"]


@pytest.mark.parametrize(
    "name",
    ["with space.csv", "-dash.csv", "ünï 日本.csv", "tab\there.csv", "*.csv", ":(glob)x.csv", "'q\".csv"],
)
def test_odd_names(repo: Repo, custody: Commands, name: str) -> None:
    logged(repo)
    repo.write(f"data/{name}", ROWS)
    repo.write("data/other.csv", ROWS + "1,2\n")
    custody.ok("add", *TOLD, "--id", "odd", "--", name, cwd="data")
    assert custody.card(f"data/{name}.datacard.yaml")["id"] == "odd"
    assert "other" not in repo.git("diff", "--cached", "--name-only")
    assert custody.entries("odd")[0]["path"] == f"data/{name}"


@pytest.mark.parametrize("name", ["new\nline.csv", "back\\slash.csv"])
def test_names_that_a_digest_cannot_hold_are_refused(repo: Repo, custody: Commands, name: str) -> None:
    repo.write(f"data/{name}", ROWS)
    assert "rename it first" in custody.fails(2, "add", *TOLD, f"data/{name}")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_utf8_is_refused_with_a_sentence(repo: Repo, custody: Commands) -> None:
    repo.write(b"data/caf\xe9.csv", ROWS)
    said = custody.fails(2, "add", *TOLD, os.fsdecode(b"data/caf\xe9.csv"))
    assert "caf\\xe9.csv: its name is not UTF-8" in said
    repo.write(b"src/caf\xe9.txt", "text\n")
    custody.ok("add", os.fsdecode(b"src/caf\xe9.txt"))
    assert "caf" in repo.git("diff", "--cached", "--name-only")


def test_the_digest_is_that_of_what_git_stores(repo: Repo, custody: Commands) -> None:
    repo.commit({".gitattributes": "*.csv text eol=crlf\n"})
    repo.write(DATA, ROWS.replace("\n", "\r\n"))
    custody.ok("add", *TOLD, DATA)
    assert custody.card(CARD)["content"] == {
        "digest": {"sha256": sha256(ROWS)}, "bytes": len(ROWS), "media_type": "text/csv",
    }  # fmt: skip
    repo.commit()
    assert repo.git("status", "--porcelain") == ""


def test_partially_staged_data_are_staged_whole_as_git_add_does(repo: Repo, custody: Commands) -> None:
    repo.stage({DATA: ROWS})
    repo.write(DATA, ROWS + "later\n")
    custody.ok("add", *TOLD, DATA)
    assert custody.card(CARD)["content"]["digest"] == {"sha256": sha256(ROWS + "later\n")}


# ---------------------------------------------------------------------- what is no dataset


def test_other_files_are_staged_as_git_add_does(repo: Repo, custody: Commands) -> None:
    repo.write("src/a.py", "print()\n")
    repo.write("src/b.py", "print()\n")
    assert "src/a.py" in custody.ok("add", "src")
    assert repo.git("diff", "--cached", "--name-only").split() == ["src/a.py", "src/b.py"]
    assert "nothing to do" in custody.ok("add", "src")
    (repo.path / "src/a.py").unlink()
    custody.ok("add", "src/a.py")
    assert repo.git("ls-files", "src") == "src/b.py"


def test_a_file_that_is_described_becomes_a_dataset_wherever_it_lies(repo: Repo, custody: Commands) -> None:
    repo.write("notes/words.txt", "one\ntwo\n")
    custody.ok("add", *TOLD, "notes/words.txt")
    assert custody.card("notes/words.txt.datacard.yaml")["id"] == "words"


def test_an_ignored_file_is_refused_with_gits_own_reason(repo: Repo, custody: Commands) -> None:
    repo.commit({".gitignore": "data/*.csv\n"})
    repo.write(DATA, ROWS)
    said = custody.fails(2, "add", *TOLD, DATA)
    assert "ignored by one of your .gitignore files" in said
    assert DATA in said


def test_a_card_is_staged_even_where_cards_are_ignored(repo: Repo, custody: Commands) -> None:
    repo.commit({".gitignore": "*.yaml\n.custody/\n", POLICY: LOGGED})
    repo.write(DATA, ROWS)
    custody.ok("add", *TOLD, DATA)
    assert CARD in repo.git("ls-files")


@pytest.mark.parametrize("path", ["nowhere.csv", "../outside.csv", "/etc/hostname"])
def test_a_path_that_is_not_there_is_refused(repo: Repo, custody: Commands, path: str) -> None:
    custody.fails(2, "add", path)


def test_outside_of_a_repository(tmp_path: Path, repo: Repo, custody: Commands) -> None:
    (tmp_path / "plain").mkdir()
    assert "not a git repository" in custody.fails(2, "add", "x", cwd="../plain")


def test_a_filter_never_touches_an_entry(repo: Repo, custody: Commands) -> None:
    repo.git("config", "filter.shout.clean", "tr a-z A-Z")
    repo.commit({POLICY: LOGGED, ".gitattributes": "*.json filter=shout\n"})
    repo.write(DATA, ROWS)
    custody.ok("add", *TOLD, DATA)
    assert custody.ops("tickets") == ["create"]


# ---------------------------------------------------------------------- edits and the log


def test_an_edit_needs_a_reason_where_the_log_is_on(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write(DATA, ROWS + "x,y\n")
    assert "--reason REASON; run: " in custody.fails(2, "add", DATA)
    custody.ok("add", "--reason", "one more row", DATA)
    created, modified = custody.entries("tickets")
    assert (created["op"], created["reason"], created["before"]) == ("create", "first recorded", [])
    assert modified["before"] == [{"sha256": sha256(ROWS)}]
    assert modified["after"] == {"sha256": sha256(ROWS + "x,y\n")}
    assert modified["parents"] == [created["id"]]
    assert modified["actor"] == {"name": "A. Author", "email": "author@example.org"}
    repo.commit()
    assert custody("check", "--range", "HEAD~2...HEAD").code == 0
    assert "nothing to do" in custody.ok("add", DATA)


def test_no_log_where_nobody_asks_for_one(repo: Repo, custody: Commands) -> None:
    repo.write(DATA, ROWS)
    custody.ok("add", *TOLD, DATA)
    repo.commit()
    repo.write(DATA, ROWS + "x,y\n")
    custody.ok("add", DATA)
    assert not (repo.path / ".custody").exists()
    repo.commit()
    repo.write(DATA, ROWS)
    custody.ok("add", "--reason", "the last row was wrong", DATA)
    assert custody.ops("tickets") == ["adopt", "modify"]
    repo.commit()
    repo.write(DATA, ROWS + "z\n")
    assert "--reason REASON" in custody.fails(2, "add", DATA)


def test_a_reason_from_a_file(repo: Repo, custody: Commands, tmp_path: Path) -> None:
    started(repo, custody)
    repo.write(DATA, ROWS + "x,y\n")
    (tmp_path / "why").write_text("rows of December\nadded\n")
    custody.ok("add", "--reason-from", str(tmp_path / "why"), DATA)
    assert custody.entries("tickets")[-1]["reason"] == "rows of December\nadded"
    assert "cannot be read" in custody.fails(2, "add", "--reason-from", str(tmp_path / "none"), DATA)


@pytest.mark.parametrize("raw", [b"rows of December\r\nadded\r\n", b"\xef\xbb\xbfrows of December\nadded"])
def test_a_reason_from_a_file_of_another_system(repo: Repo, custody: Commands, tmp_path: Path, raw: bytes) -> None:
    started(repo, custody)
    repo.write(DATA, ROWS + "x,y\n")
    (tmp_path / "why").write_bytes(raw)
    custody.ok("add", "--reason-from", str(tmp_path / "why"), DATA)
    assert custody.entries("tickets")[-1]["reason"] == "rows of December\nadded"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "--reason is empty"),
        (b"TODO\n", "--reason is the placeholder"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"added the rows of today " * 200_000, "is too long"),
        ("added the rows of today \u00e9".encode() * 200, "longer than 4000 characters"),
    ],
    ids=["empty", "placeholder", "utf-16", "huge", "long"],
)
def test_a_reason_from_a_file_is_held_to_the_same_rules(
    repo: Repo, custody: Commands, tmp_path: Path, raw: bytes, said: str
) -> None:
    started(repo, custody)
    repo.write(DATA, ROWS + "x,y\n")
    (tmp_path / "why").write_bytes(raw)
    assert said in custody.fails(2, "add", "--reason-from", str(tmp_path / "why"), DATA)
    assert len(custody.entries("tickets")) == 1


def test_an_entry_that_is_only_staged_is_replaced(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write(DATA, ROWS + "x\n")
    custody.ok("add", "--reason", "one more row", DATA)
    repo.write(DATA, ROWS + "x\ny\n")
    custody.ok("add", DATA)
    assert [entry["reason"] for entry in custody.entries("tickets")] == ["first recorded", "one more row"]
    custody.ok("add", "--reason", "two more rows", DATA)
    assert [entry["reason"] for entry in custody.entries("tickets")] == ["first recorded", "two more rows"]
    repo.write(DATA, ROWS)
    custody.ok("add", DATA)
    assert custody.ops("tickets") == ["create"]
    assert repo.git("status", "--porcelain") == ""


def test_an_entry_that_was_committed_is_never_replaced(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write(DATA, ROWS + "x\n")
    custody.ok("add", "--reason", "one more row", DATA)
    repo.commit()
    repo.write(DATA, ROWS + "x\ny\n")
    custody.ok("add", "--reason", "and another", DATA)
    assert custody.ops("tickets") == ["create", "modify", "modify"]


def test_a_late_log_adopts_what_head_has(repo: Repo, custody: Commands) -> None:
    repo.write(DATA, ROWS)
    custody.ok("add", *TOLD, DATA)
    repo.commit()
    logged(repo)
    custody.ok("add", DATA)
    assert custody.ops("tickets") == ["adopt"]
    repo.git("reset", "-q", "--hard")
    repo.git("clean", "-qfd")
    repo.write(DATA, ROWS + "x\n")
    assert "--reason REASON" in custody.fails(2, "add", DATA)
    custody.ok("add", "--reason", "one more row", DATA)
    assert [entry["after"]["sha256"] for entry in custody.entries("tickets")] == [
        sha256(ROWS),
        sha256(ROWS + "x\n"),
    ]
    assert custody.ops("tickets") == ["adopt", "modify"]


def test_data_without_a_card_in_head_need_no_reason(repo: Repo, custody: Commands) -> None:
    logged(repo)
    repo.commit({DATA: ROWS})
    repo.write(DATA, ROWS + "x\n")
    custody.ok("add", *TOLD, DATA)
    assert custody.ops("tickets") == ["adopt"]
    repo.write(DATA, ROWS + "x\ny\n")
    custody.ok("add", DATA)
    assert custody.ops("tickets") == ["adopt"]
    custody.ok("add", "--reason", "two more rows", DATA)
    assert custody.ops("tickets") == ["adopt", "modify"]


def test_the_reason_for_an_edit_is_not_one_for_a_deletion(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write(DATA, ROWS + "x\n")
    custody.ok("add", "--reason", "one more row", DATA)
    (repo.path / DATA).unlink()
    assert "--reason REASON" in custody.fails(2, "add", DATA)
    custody.ok("add", "--reason", "consent was withdrawn", DATA)
    assert custody.ops("tickets") == ["create", "delete"]


def test_a_rename_takes_card_and_log_along(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.git("mv", DATA, "data/renamed.csv")
    assert custody("check", "--staged").code == 1
    custody.ok("add", "data/renamed.csv")
    assert custody.ops("tickets") == ["create", "rename"]
    assert custody.card("data/renamed.csv.datacard.yaml")["id"] == "tickets"
    assert not (repo.path / CARD).exists()
    repo.commit()
    assert custody("check", "--range", "HEAD~2...HEAD").code == 0


def test_a_rename_with_the_printed_options_keeps_the_id(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.git("mv", DATA, "data/renamed.csv")
    custody.ok("add", *TOLD, "--title", "Tickets, renamed", "data/renamed.csv")
    card = custody.card("data/renamed.csv.datacard.yaml")
    assert (card["id"], card["title"]) == ("tickets", "Tickets, renamed")


def test_a_rename_whose_old_card_was_removed_first_keeps_the_id(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.git("mv", DATA, "data/renamed.csv")
    repo.git("rm", "-q", "--cached", "-f", CARD)
    custody.ok("add", *TOLD, "data/renamed.csv")
    assert custody.ops("tickets") == ["create", "rename"]


def test_a_card_that_was_moved_along(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.git("mv", DATA, "data/renamed.csv")
    repo.git("mv", CARD, "data/renamed.csv.datacard.yaml")
    custody.ok("add", DATA)  # the old name does as well
    assert custody.entries("tickets")[-1]["path"] == "data/renamed.csv"


def test_a_deleted_dataset(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    (repo.path / DATA).unlink()
    assert "--reason REASON" in custody.fails(2, "add", DATA)
    custody.ok("add", "--reason", "consent was withdrawn", DATA)
    assert custody.ops("tickets") == ["create", "delete"]
    assert repo.git("ls-files", "data") == ""
    assert not (repo.path / CARD).exists()
    repo.commit()
    assert custody("check", "--all").code == 0
    repo.write(DATA, ROWS)
    custody.ok("add", *TOLD, "--reason", "consent was given again", DATA)
    assert custody.ops("tickets") == ["create", "delete", "restore"]


@pytest.mark.parametrize("removed", [[DATA], [DATA, CARD]])
def test_a_deletion_that_is_staged_already(repo: Repo, custody: Commands, removed: list[str]) -> None:
    started(repo, custody)
    repo.git("rm", "-q", *removed)
    custody.ok("add", "--reason", "consent was withdrawn", DATA)
    assert custody.ops("tickets") == ["create", "delete"]


def test_a_card_that_was_never_committed_is_not_lost_with_its_data(repo: Repo, custody: Commands) -> None:
    logged(repo)
    repo.write(DATA, ROWS)
    custody.ok("add", *TOLD, DATA)
    (repo.path / DATA).unlink()
    custody.ok("add", DATA)
    assert repo.git("diff", "--cached", "--name-only") == ""
    assert "title: Support tickets of 2025" in (repo.path / CARD).read_text()
    repo.write(DATA, ROWS)
    custody.ok("add", DATA)
    assert custody.ops("tickets") == ["create"]


def test_without_an_identity_nothing_is_written(repo: Repo, custody: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    logged(repo)
    repo.write(DATA, ROWS)
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    assert "who you are" in custody.fails(2, "add", *TOLD, DATA)


def test_edits_of_a_removed_card_are_not_lost(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    (repo.path / DATA).unlink()
    edited = (repo.path / CARD).read_text() + "# my notes\n"
    repo.write(CARD, edited)
    custody.ok("add", "--reason", "consent was withdrawn", DATA)
    assert (repo.path / CARD).read_text() == edited
    assert CARD not in repo.git("ls-files")


# ---------------------------------------------------------------------- cards of the user's own


def test_what_the_user_wrote_on_a_card_stays(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    text = (repo.path / CARD).read_text()
    edited = (
        "# Ours.\r\n"
        + text.replace("\n", "\r\n").replace("bytes:", "# the size\r\n  bytes:")
        + "notes: 'kept'  # really\r\n"
    )
    repo.write(CARD, edited)
    repo.write(DATA, ROWS + "x\n")
    custody.ok("add", "--reason", "one more row", DATA)
    wanted = edited.replace(sha256(ROWS), sha256(ROWS + "x\n")).replace(
        f"bytes: {len(ROWS)}", f"bytes: {len(ROWS) + 2}"
    )
    assert (repo.path / CARD).read_bytes().decode() == wanted
    assert custody.card(CARD)["notes"] == "kept"


def test_a_card_by_hand_is_taken_up(repo: Repo, custody: Commands) -> None:
    repo.write(DATA, ROWS)
    repo.write(
        CARD,
        "kind: data-card\nversion: 1\nid: mine\ntitle: By hand\nlicense: MIT\n"
        "source: {kind: original, publisher: Me}\n",
    )
    custody.ok("add", DATA)
    assert custody.card(CARD)["id"] == "mine"


def test_a_card_that_cannot_be_read_stops_everything(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write(CARD, "title: [\n")
    repo.write(DATA, ROWS + "x\n")
    assert f"{CARD}:" in custody.fails(2, "add", "--reason", "one more row", DATA)


def test_given_fields_are_set_on_a_card_that_exists(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    custody.ok("add", "--license", "CC0-1.0", "--source-url", "https://e.org/x", DATA)
    card = custody.card(CARD)
    assert card["license"] == "CC0-1.0"
    assert card["source"]["kind"] == "public-download"
    assert "--id" in custody.fails(2, "add", "--id", "another", DATA)


# ---------------------------------------------------------------------- folders


def test_a_folder_with_several_files_is_one_dataset_only_when_said(repo: Repo, custody: Commands) -> None:
    logged(repo)
    for number in range(3):
        repo.write(f"data/images/{number}.jpg", b"\xff\xd8" + bytes([number]))
    assert "--as-one" in custody.fails(2, "add", *TOLD, "data/images")
    custody.ok("add", *TOLD, "--as-one", "data/images")
    assert "dirHash" in custody.card("data/images/datacard.yaml")["content"]["digest"]
    assert custody.entries("images")[0]["path"] == "data/images"
    repo.commit()
    repo.write("data/images/new.jpg", b"\xff\xd8new")
    custody.ok("add", "--reason", "one more picture", "data/images/new.jpg")
    assert custody.ops("images") == ["create", "modify"]
    (repo.path / "data/images/1.jpg").unlink()
    custody.ok("add", "--reason", "a new picture for an old one", "data/images")
    assert custody.ops("images") == ["create", "modify"]


def test_a_folder_brings_every_dataset_below_it_up_to_date(repo: Repo, custody: Commands) -> None:
    logged(repo)
    for name in ("a", "b"):
        repo.write(f"data/{name}.csv", ROWS + name)
        custody.ok("add", *TOLD, f"data/{name}.csv")
    repo.commit()
    repo.write("data/a.csv", ROWS + "aa")
    repo.write("data/b.csv", ROWS + "bb")
    custody.ok("add", "--reason", "both were cut off", ".")
    assert custody.ops("data-a") == custody.ops("data-b") == ["create", "modify"]


def test_what_is_said_of_a_new_file_leaves_other_cards_alone(repo: Repo, custody: Commands) -> None:
    repo.write("data/a/old.csv", ROWS)
    custody.ok("add", *TOLD, "data/a/old.csv")
    repo.commit()
    repo.write("data/a/new.csv", ROWS + "new")
    custody.ok("add", *TOLD, "--title", "Something new", "--license", "CC0-1.0", "data/a")
    assert custody.card("data/a/old.csv.datacard.yaml")["license"] == "MIT"
    assert custody.card("data/a/new.csv.datacard.yaml")["license"] == "CC0-1.0"


def test_a_file_in_a_described_folder_can_have_a_card_of_its_own(repo: Repo, custody: Commands) -> None:
    for name in ("a", "b"):
        repo.write(f"data/set/{name}.csv", ROWS + name)
    custody.ok("add", *TOLD, "--as-one", "data/set")
    repo.commit()
    custody.ok("add", *TOLD, "--title", "One file of it", "data/set/a.csv")
    assert custody.card("data/set/a.csv.datacard.yaml")["title"] == "One file of it"
    assert custody.card("data/set/datacard.yaml")["title"] == TOLD[1]


def test_one_title_cannot_speak_of_two_datasets(repo: Repo, custody: Commands) -> None:
    repo.write("data/a.csv", ROWS)
    repo.write("data/b.csv", ROWS + "b")
    assert "one --title" in custody.fails(2, "add", *TOLD, "data/a.csv", "data/b.csv")


def test_from_a_subdirectory(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write(DATA, ROWS + "x\n")
    assert "add --reason REASON tickets.csv" in custody.fails(2, "add", "tickets.csv", cwd="data")
    custody.ok("add", "--reason", "one more row", "../data/tickets.csv", cwd="data")


# ---------------------------------------------------------------------- symlinks


def test_nothing_is_written_through_a_symlink(repo: Repo, custody: Commands, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    logged(repo)
    (repo.path / ".custody/audit").symlink_to(outside)
    repo.write(DATA, ROWS)
    assert "a folder has to be here" in custody.fails(2, "add", *TOLD, DATA)
    assert list(outside.iterdir()) == []


def test_a_card_that_is_a_symlink_is_refused(repo: Repo, custody: Commands, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("x")
    repo.write(DATA, ROWS)
    (repo.path / CARD).symlink_to(tmp_path / "elsewhere")
    repo.git("add", CARD)
    assert "plain file" in custody.fails(2, "add", DATA)
    assert (tmp_path / "elsewhere").read_text() == "x"


def test_a_link_in_the_place_of_data_is_still_owed(repo: Repo, custody: Commands) -> None:
    repo.write("data/real.csv", ROWS)
    (repo.path / "data/link.csv").symlink_to("real.csv")
    verdict = custody("add", *TOLD, "data/link.csv")
    assert verdict.code == 1
    assert "ambiguous-asset-name" in verdict.out


# ---------------------------------------------------------------------- pickles


GGML = b"lmgg" + bytes(60)
GGUF = b"GGUF" + struct.pack("<IQQ", 3, 0, 0)


def test_a_pickle_is_not_added(repo: Repo, custody: Commands) -> None:
    repo.write("models/encoder.bin", PICKLE)
    said = custody.fails(1, "add", "models/encoder.bin")
    assert "it is not converted: it needs " in said
    assert "echo /models/encoder.bin >> .gitignore" in said
    assert repo.git("diff", "--cached", "--name-only") == ""
    repo.git("add", "models")
    assert "git rm --cached -f encoder.bin" in custody.fails(1, "add", "encoder.bin", cwd="models")


def test_the_rest_of_a_folder_with_a_pickle_is_added(repo: Repo, custody: Commands) -> None:
    repo.write("models/encoder.bin", PICKLE)
    repo.write("models/README.md", "What this is.\n")
    custody.fails(1, "add", "models")
    assert repo.git("diff", "--cached", "--name-only") == "models/README.md"


def test_a_pickle_with_a_waiver_is_added(repo: Repo, custody: Commands) -> None:
    waiver = (
        f"version: 1\nrule: pickle-weights\npath: models/encoder.bin\ndigest: {{sha256: {sha256(PLAIN_PICKLE)}}}\n"
        "reason: The vendor ships nothing else\nowner: The Lab\n"
        f"expires: '{date.today() + timedelta(days=90)}'\n"
    )
    repo.commit({".custody/waivers/old.yaml": waiver})
    repo.write("models/encoder.bin", PLAIN_PICKLE)
    custody.ok("add", "models/encoder.bin")
    assert repo.git("diff", "--cached", "--name-only") == "models/encoder.bin"


def test_a_checkpoint_is_converted_and_takes_the_place_of_the_pickle(repo: Repo, custody: Commands) -> None:
    repo.stage({"models/m.pt": torch_zip()})
    said = custody.ok("add", "models/m.pt")
    assert "converted models/m.pt to models/m.safetensors: 1 tensor, " in said
    staged = repo.git("diff", "--cached", "--name-only").split()
    assert staged == [".gitignore", "models/m.safetensors", "models/m.safetensors.json"]
    assert (repo.path / "models/m.pt").read_bytes() == torch_zip()
    assert repo.git("status", "--porcelain", "models/m.pt") == ""
    assert (repo.path / ".gitignore").read_text() == "/models/m.pt\n"
    repo.commit()
    # Again, there is nothing to do but to say so.
    assert "converted" in custody.ok("add", "models/m.pt")
    assert repo.git("diff", "--cached", "--name-only") == ""


def test_a_checkpoint_in_a_data_folder_needs_no_card(repo: Repo, custody: Commands) -> None:
    repo.write("data/m.pt", torch_zip())
    custody.ok("add", "data")
    assert "data/m.safetensors.json" in repo.git("diff", "--cached", "--name-only").split()


def test_a_result_is_staged_even_where_such_files_are_ignored(repo: Repo, custody: Commands) -> None:
    repo.commit({".gitignore": "*.safetensors*\n"})
    repo.write("m.pt", torch_zip())
    assert custody.ok("add", "m.pt").startswith("converted m.pt to m.safetensors")
    assert set(repo.git("diff", "--cached", "--name-only").split()) >= {"m.safetensors", "m.safetensors.json"}


def test_a_name_of_several_lines_makes_no_patterns(repo: Repo, custody: Commands) -> None:
    repo.commit({".gitignore": "*.key\n"})
    repo.write("m\n!secret.key\n.pt", torch_zip())
    custody.ok("add", ".")
    assert (repo.path / ".gitignore").read_text() == "*.key\n"
    repo.write("e\n!secret.key\n.pt", PICKLE)
    done = custody("add", ".")
    assert (done.code, "keep it out of git" in done.out) == (1, False)


def test_a_checkpoint_that_is_tracked_leaves_git(repo: Repo, custody: Commands) -> None:
    repo.commit({"m.pt": torch_zip()})
    custody.ok("add", "m.pt")
    assert repo.git("diff", "--cached", "--name-status", "m.pt") == "D\tm.pt"


def test_an_ignore_file_with_other_changes_is_not_staged(repo: Repo, custody: Commands) -> None:
    repo.commit({".gitignore": "*.tmp\n"})
    repo.write(".gitignore", "*.tmp\n*.mine")
    repo.write("m.pt", torch_zip())
    assert "other changes" in custody.ok("add", "m.pt")
    assert (repo.path / ".gitignore").read_text() == "*.tmp\n*.mine\n/m.pt\n"
    assert repo.git("diff", "--cached", "--name-only").split() == ["m.safetensors", "m.safetensors.json"]


def test_a_checkpoint_that_calls_something_else_is_refused_and_nothing_is_left(repo: Repo, custody: Commands) -> None:
    repo.write("m.pt", torch_zip(evil=True))
    said = custody.fails(1, "add", "m.pt")
    assert "it is not converted: it needs posix.system" in said
    assert repo.git("status", "--porcelain", "-uall") == "?? m.pt"


def checkpoint(*values: float, name: bytes = b"w") -> bytes:
    """A checkpoint like `torch_zip`, of other numbers or under another name."""
    index = torch_index().replace(b"X\x01\x00\x00\x00w", b"X\x01\x00\x00\x00" + name)
    return zipped(
        {
            "archive/data.pkl": index,
            "archive/byteorder": b"little",
            "archive/data/0": struct.pack("<4f", *(values or (1, 2, 3, 4))),
            "archive/version": b"3\n",
        }
    )


def test_several_checkpoints_at_once_are_ignored_together(repo: Repo, custody: Commands) -> None:
    repo.write("a.pt", torch_zip())
    repo.write("b.pt", torch_zip())
    custody.ok("add", "a.pt", "b.pt")
    assert (repo.path / ".gitignore").read_text() == "/a.pt\n/b.pt\n"
    assert repo.git("status", "--porcelain", ".gitignore") == "A  .gitignore"


def test_a_model_that_was_trained_again_replaces_its_own_result(repo: Repo, custody: Commands) -> None:
    repo.write("m.pt", torch_zip())
    custody.ok("add", "m.pt")
    repo.commit()
    before = (repo.path / "m.safetensors").read_bytes()
    repo.write("m.pt", checkpoint(4, 3, 2, 1))
    custody.ok("add", "m.pt")
    assert (repo.path / "m.safetensors").read_bytes() != before
    assert repo.git("diff", "--cached", "--name-only").split() == ["m.safetensors", "m.safetensors.json"]
    repo.write("m.ckpt", torch_zip())
    assert "it is not converted: " in custody.fails(1, "add", "m.ckpt")


def test_a_checkpoint_in_several_files_is_converted_by_its_index(repo: Repo, custody: Commands) -> None:
    shards = [f"hf/pytorch_model-0000{number}-of-00002.bin" for number in (1, 2)]
    names = {"w": shards[0][3:], "v": shards[1][3:]}
    index = json.dumps({"metadata": {"total_size": 32}, "weight_map": names})
    files = {shards[0]: checkpoint(), shards[1]: checkpoint(name=b"v")}
    repo.stage({**files, "hf/pytorch_model.bin.index.json": index})
    custody.ok("add", "hf")
    assert repo.git("ls-files", "hf").split() == [
        "hf/model-00001-of-00002.safetensors",
        "hf/model-00002-of-00002.safetensors",
        "hf/model.safetensors.index.json",
        "hf/model.safetensors.json",
    ]


LARGE = "version: 1\nsizes: {plain_blob_max: 50B}\n"


def test_a_large_result_in_git_itself_is_told_with_the_way_to_lfs(repo: Repo, custody: Commands) -> None:
    repo.commit({POLICY: LARGE})
    repo.write("models/m.pt", torch_zip())
    said = custody.ok("add", "models/m.pt")
    assert "\nlarge    models/m.safetensors (120 bytes), models/m.safetensors.json (" in said
    assert "\n           git lfs track models/m.safetensors models/m.safetensors.json\n" in said
    assert "\n           git add .gitattributes models/m.safetensors models/m.safetensors.json\n" in said
    repo.write("models/x/a[1].pt", torch_zip())
    said = custody.ok("add", "a[1].pt", cwd="models/x")
    names = "'models/x/a[1].safetensors' 'models/x/a[1].safetensors.json'"
    assert f"git -C ../../ lfs track --filename {names}\n" in said
    assert f"git --literal-pathspecs -C ../../ add .gitattributes {names}\n" in said


def test_what_a_filter_keeps_out_of_git_is_not_large(repo: Repo, custody: Commands) -> None:
    repo.git("config", "filter.lfs.clean", "echo pointer")
    repo.commit({POLICY: LARGE, ".gitattributes": "*.safetensors* filter=lfs\n"})
    repo.write("m.pt", torch_zip())
    said = custody("add", "m.pt").out
    assert said.startswith("converted m.pt")
    assert "large" not in said


def test_what_is_no_pickle_is_not_called_one(repo: Repo, custody: Commands) -> None:
    repo.write("tokenizer_config.json", json.dumps({"chat_template": "{{ ''.__class__.__mro__ }}"}))
    said = custody.fails(1, "add", "tokenizer_config.json")
    assert "explain code-on-load" in said
    assert "pickle" not in said


def test_a_model_that_would_be_blocked_is_not_staged(repo: Repo, custody: Commands) -> None:
    repo.write("m.ggml", GGML)
    repo.write("bad.safetensors", "no tensors\n")
    repo.write("README.md", "What this is.\n")
    said = custody.fails(1, "add", ".")
    assert repo.git("diff", "--cached", "--name-only") == "README.md"
    assert (
        "bad.safetensors: not added: this file is named .safetensors and is not one\n    Write the file again" in said
    )
    assert "m.ggml: not added: this file is a model in a GGML format from before GGUF (in formats.allow: ggml)" in said
    assert "explain model-format-not-allowed" in said
    assert "echo /m.ggml >> .gitignore" in said


def test_a_model_with_a_misleading_name_is_added_under_its_own(repo: Repo, custody: Commands) -> None:
    repo.write("sub/m.onnx", GGUF)
    said = custody.fails(1, "add", "m.onnx", cwd="sub")
    assert "      mv m.onnx m.gguf\n      git custody add m.gguf\n" in said.replace(PROGRAM, "git custody")
    assert repo.git("diff", "--cached", "--name-only") == ""
    repo.git("add", "sub")
    assert "      git mv sub/m.onnx sub/m.gguf\n" in custody.fails(1, "add", "sub")
    repo.git("mv", "sub/m.onnx", "sub/m.gguf")
    custody.ok("add", "sub/m.gguf")


@pytest.mark.parametrize(
    "policy", ["mode: warn\n", "models: {exclude: ['*.ggml']}\n", "formats: {allow: [ggml]}\n", "edition: '2026-11'\n"]
)
def test_a_model_that_the_policy_lets_pass_is_staged(repo: Repo, custody: Commands, policy: str) -> None:
    repo.commit({POLICY: f"version: 1\n{policy}"})
    repo.write("m.ggml", GGML)
    custody.ok("add", "m.ggml")
    assert repo.git("diff", "--cached", "--name-only") == "m.ggml"


def test_a_model_with_a_waiver_and_one_that_is_there_are_left_to_the_check(repo: Repo, custody: Commands) -> None:
    repo.commit({"old.ggml": GGML})
    custody.ok("add", "old.ggml")
    repo.stage({"m.ggml": GGML + b"1"})
    day = (date.today() + timedelta(days=30)).isoformat()
    custody.ok("waive", "model-format-not-allowed", "m.ggml", "--reason", "exported in spring", "--expires", day)
    repo.commit(None)
    repo.git("rm", "-q", "--cached", "m.ggml")
    custody.ok("add", "m.ggml")
    assert repo.git("ls-files", "m.ggml") == "m.ggml"


def test_another_result_in_the_way_is_left_alone(repo: Repo, custody: Commands) -> None:
    repo.write("m.pt", torch_zip())
    repo.write("m.safetensors", "mine\n")
    assert "it is not converted: " in custody.fails(1, "add", "m.pt")
    assert (repo.path / "m.safetensors").read_text() == "mine\n"


# ---------------------------------------------------------------------- merges


def two_branches(repo: Repo, custody: Commands) -> None:
    """Branches main and other, which both edited the dataset."""
    started(repo, custody)
    rows = ROWS.splitlines(keepends=True)
    repo.git("checkout", "-q", "-b", "other")
    repo.write(DATA, "".join(["first\n", *rows]))
    custody.ok("add", "--reason", "a first row", DATA)
    repo.commit()
    repo.git("checkout", "-q", "main")
    repo.write(DATA, "".join([*rows, "last\n"]))
    custody.ok("add", "--reason", "a last row", DATA)
    repo.commit()


@pytest.mark.parametrize("style", ["merge", "diff3"])
@pytest.mark.parametrize(
    "words", [("add", DATA), ("audit", "merge"), ("audit", "merge", DATA), ("audit", "merge", "tickets")]
)
def test_two_edits_of_one_dataset_take_one_command(
    repo: Repo, custody: Commands, style: str, words: tuple[str, ...]
) -> None:
    two_branches(repo, custody)
    repo.git("-c", f"merge.conflictStyle={style}", "merge", "-q", "other", check=False)
    assert "<<<<<<<" in (repo.path / CARD).read_text()
    verb = (
        [*words[:1], "--reason", "both rows belong", *words[1:]]
        if words[0] == "add"
        else [*words[:2], "--reason", "both rows belong", *words[2:]]
    )
    custody.ok(*verb)
    assert custody.ops("tickets")[-1] == "merge"
    assert len(custody.entries("tickets")[-1]["parents"]) == 2
    repo.git("commit", "-q", "--no-verify", "-m", "Merge")
    assert custody("check", "--range", "HEAD~1...HEAD").code == 0
    assert custody("check", "--all").code == 0


def test_edits_that_conflict_in_the_data_are_resolved_by_a_person_first(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    for branch, row in (("other", "theirs\n"), ("main", "ours\n")):
        repo.git("checkout", "-q", "-B", branch, "main")
        repo.write(DATA, ROWS + row)
        custody.ok("add", "--reason", "a last row", DATA)
        repo.commit()
        repo.git("checkout", "-q", "main")
        if branch == "other":
            repo.git("branch", "-f", "keep", "main")
    repo.git("merge", "-q", "other", check=False)
    assert "merge conflict is not resolved" in custody.fails(2, "card", "update", CARD)
    assert "merge conflict" in custody.fails(2, "audit", "merge", "--reason", "theirs was wrong")
    repo.write(DATA, ROWS + "ours\n")
    custody.ok("add", "--reason", "theirs was wrong", DATA)
    assert custody.ops("tickets").count("merge") == 1


def test_a_conflict_in_what_people_write_is_left_to_them(repo: Repo, custody: Commands) -> None:
    two_branches(repo, custody)
    for branch, title in (("other", "Theirs are tickets"), ("main", "Ours are tickets")):
        repo.git("checkout", "-q", branch)
        custody.ok("card", "update", "--title", title, DATA)
        repo.commit()
    repo.git("merge", "-q", "other", check=False)
    said = custody.fails(2, "add", "--reason", "both rows belong", DATA)
    assert f"{CARD}:4: the merge conflict" in said


def test_another_unmerged_file_does_not_stand_in_the_way(repo: Repo, custody: Commands) -> None:
    two_branches(repo, custody)
    for branch in ("other", "main"):
        repo.git("checkout", "-q", branch)
        repo.commit({"README.md": f"On {branch}.\n"})
    repo.git("merge", "-q", "other", check=False)
    verdict = custody("add", "--reason", "both rows belong", DATA)
    assert verdict.code == 0
    assert "README.md" in verdict.out
    repo.write("README.md", "Both.\n")
    repo.git("add", "README.md")
    assert custody("check", "--staged").code == 0


# ---------------------------------------------------------------------- processes and terminals


def test_as_a_process(repo: Repo) -> None:
    repo.write(DATA, ROWS)
    verdict = repo.custody("add", *TOLD, "tickets.csv", cwd="data")
    assert (verdict.code, verdict.err) == (0, "")
    assert repo.check("--staged").code == 0


def test_a_locked_index_loses_nothing(repo: Repo, custody: Commands) -> None:
    repo.write(DATA, ROWS)
    repo.write(".git/index.lock", "")
    said = custody.fails(2, "add", *TOLD, DATA)
    assert "index.lock" in said
    assert "nothing was changed" in said


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_loses_nothing(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.git("mv", DATA, "data/renamed.csv")
    before = (repo.path / CARD).read_bytes()
    (repo.path / "data").chmod(0o555)
    try:
        verdict = custody("add", "data/renamed.csv")
    finally:
        (repo.path / "data").chmod(0o755)
    assert verdict.code == 2
    assert "cannot be written" in verdict.err
    assert (repo.path / CARD).read_bytes() == before


def answered(repo: Repo, answers: Sequence[str], *words: str) -> bytes:
    """What `git custody` says on a terminal to somebody who answers; it has to succeed."""
    import pty
    import subprocess

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        (sys.executable, "-m", "git_custody", *words), cwd=repo.path, stdin=theirs, stdout=theirs,
        stderr=theirs, env={**os.environ, "PYTHONPATH": str(HOOKS)}, close_fds=True,
    )  # fmt: skip
    os.close(theirs)
    said = b""
    try:
        for answer in answers:
            while not said.endswith(b": "):
                said += os.read(ours, 1024)
            os.write(ours, answer.encode() + b"\n")
            said += b"|"
        while chunk := os.read(ours, 1024):
            said += chunk
    except OSError:
        pass  # how Linux says that the other side is closed
    os.close(ours)
    assert process.wait(timeout=30) == 0, said
    return said


@pytest.mark.skipif(sys.platform != "linux", reason="needs a pseudo-terminal")
def test_on_a_terminal_what_is_missing_is_asked_for(repo: Repo) -> None:
    repo.commit({POLICY: LOGGED + "defaults: {publisher: The Lab}\n"})
    repo.write(DATA, ROWS)
    said = answered(repo, ["TODO", "Support tickets of 2025", "original", "", "Apache 2", "Apache-2.0"], "add", DATA)
    assert b"placeholder" in said
    assert b"publisher" in said or b"published" in said
    assert b'did you mean "Apache-2.0"' in said
    card = (repo.path / CARD).read_text()
    assert "publisher: The Lab" in card
    assert "license: Apache-2.0" in card
    assert repo.check("--staged").code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    ("kind", "more", "url"),
    [("licensed-third-party", [], None), ("scraped", ["nowhere", "https://example.org/a"], "https://example.org/a")],
)
def test_on_a_terminal_every_kind_of_source_is_taken(repo: Repo, kind: str, more: list[str], url: str | None) -> None:
    repo.write(DATA, ROWS)
    said = answered(repo, ["Support tickets of 2025", kind, *more, "The Lab", "MIT"], "add", DATA)
    assert b"licensed-third-party, other-third-party" in said
    source = load((repo.path / CARD).read_bytes(), "data-card").data["source"]
    assert (source["kind"], source.get("url")) == (kind, url)
    assert ("retrieved" in source) is (url is not None)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a pseudo-terminal")
def test_on_a_terminal_what_a_card_lacks_is_asked_for_and_can_stay_open(repo: Repo) -> None:
    repo.commit({DATA: ROWS})
    assert repo.custody("adopt", "--yes").code == 0
    said = answered(repo, ["Support tickets of 2025", "internal", "", "MIT"], "add", DATA)
    assert b"or nothing to leave it open" in said
    assert b"still lacks source.publisher" in said
    card = (repo.path / CARD).read_text()
    assert card.startswith("# Owed: source. ")
    assert "license: MIT" in card
    assert "kind: internal" in card


@pytest.mark.skipif(sys.platform != "linux", reason="needs a pseudo-terminal")
def test_leaving_the_questions_leaves_everything_as_it_was(repo: Repo) -> None:
    import pty
    import subprocess

    repo.write(DATA, ROWS)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        (sys.executable, "-m", "git_custody", "add", DATA), cwd=repo.path, stdin=theirs, stdout=theirs,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(HOOKS)},
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, b"\x04")
    _, err = process.communicate(timeout=30)
    os.close(ours)
    assert process.returncode == 2
    assert b"nothing was changed" in err
    assert repo.git("status", "--porcelain") == "?? data/"


# ---------------------------------------------------------------------- what the commands that are offered do


def fixes(repo: Repo) -> dict[str, list[str]]:
    """The commands that are offered, by path."""
    return {finding["path"]: finding.get("fix", []) for finding in repo.check().report["findings"]}


def test_several_new_files_of_a_folder_are_mended_by_one_command(repo: Repo, custody: Commands) -> None:
    logged(repo)
    paths = ["data/set/a.csv", "data/set/b.csv", "data/set/more/c.csv"]
    repo.stage({path: ROWS + path for path in paths} | {"data/set/README.md": "About\n"})
    found = fixes(repo)
    assert list(found) == paths
    (line,) = {line for lines in found.values() for line in lines}
    words = line.split(" add ")[1].split()
    assert words == ["--as-one", "--title", "TITLE", "--source-url", "URL", "--publisher", "PUBLISHER", "--license",
                     "SPDX_ID", "data/set"]  # fmt: skip
    typed = {"TITLE": "Rows of a set", "URL": "https://e.org/x", "PUBLISHER": "CERN", "SPDX_ID": "MIT"}
    custody.ok("add", *(typed.get(word, word) for word in words))
    assert repo.check("--all").rules == []


@pytest.mark.parametrize(
    "files",
    [
        {"data/a.csv": ROWS, "data/sub/b.csv": ROWS},
        {**documented("data/set/old.csv"), "data/set/a.csv": ROWS, "data/set/b.csv": ROWS},
        {"data/set/a.csv": ROWS, "data/set/b.csv": ROWS, "data/set/c\\d.csv": ROWS},
        {"a.csv": ROWS * 400, "b.csv": ROWS * 400},
    ],
)
def test_a_folder_that_holds_other_things_is_not_offered_as_one(repo: Repo, files: dict[str, str | bytes]) -> None:
    repo.stage(files)
    found = fixes(repo)
    assert len(found) >= 2
    assert not any("--as-one" in line for lines in found.values() for line in lines)


def test_as_one_over_a_folder_where_some_files_have_cards(repo: Repo, custody: Commands) -> None:
    repo.commit(documented("data/set/old.csv"))
    repo.stage({"data/set/a.csv": ROWS, "data/set/b.csv": ROWS})
    custody.ok("add", "--as-one", *TOLD, "data/set")
    assert custody.card("data/set/old.csv.datacard.yaml")["id"] == "rows"
    assert repo.check("--all").rules == []


@pytest.mark.parametrize("name", ["data/a\nb.csv", "data/a\\b.csv"])
def test_nothing_is_offered_for_a_name_that_add_refuses(repo: Repo, name: str) -> None:
    logged(repo)
    repo.stage({name: ROWS})
    report = repo.check().report
    assert [finding["rule"] for finding in report["findings"]] == ["ambiguous-asset-name"]
    assert "mv" in report["findings"][0]["fix"][0]


def test_a_policy_that_is_not_staged_is_mentioned(repo: Repo, custody: Commands) -> None:
    repo.write(POLICY, "version: 1\ndefaults: {publisher: The Lab, license: MIT}\n")
    repo.write(DATA, ROWS)
    asked = custody("add", DATA, "--title", "Tickets of 2025", "--source-kind", "original", cwd=".")
    assert asked.code == 2
    assert asked.out.count("\n") == 1
    assert f"not staged, so it does not count yet; first: git add {POLICY}" in asked.out
    repo.git("add", POLICY)
    assert "not staged" not in custody.ok("add", DATA, "--title", "Tickets of 2025", "--source-kind", "original")


def test_the_reason_of_an_entry_that_waits_can_be_told_better(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    repo.write(DATA, ROWS + "x\n")
    custody.ok("add", "--reason", "rows were wrong", DATA)
    custody.ok("add", "--reason", "row x was missing", DATA)
    assert [entry["reason"] for entry in custody.entries("tickets")] == ["first recorded", "row x was missing"]
    repo.commit()
    before = custody.state()
    out = custody.ok("add", "--reason", "better still", DATA)
    assert "the reason was not used for data/tickets.csv" in out
    assert "committed" in out
    assert custody.state() == before
    repo.write("data/new.csv", ROWS)
    custody.ok("add", *TOLD, "data/new.csv")
    custody.ok("add", "--reason", "asked for by the team", "data/new.csv")
    assert [entry["reason"] for entry in custody.entries("new")] == ["asked for by the team"]


def test_add_says_what_is_owed_and_waived(repo: Repo, custody: Commands) -> None:
    repo.commit({DATA: ROWS})
    custody.ok("adopt", "--yes")
    repo.commit()
    assert (repo.path / CARD).read_text().startswith("# Owed: ")
    out = custody.ok("add", DATA)
    assert out.startswith("nothing to do\nstill owed, but waived:\n")
    assert f"{CARD}: invalid-data-card, until " in out
    assert '"title" is missing' in out
    out = custody.ok("add", *TOLD, DATA)
    assert "owed" not in out
    assert not (repo.path / CARD).read_text().startswith("#")


def test_only_the_comment_that_adopt_writes_is_removed(repo: Repo, custody: Commands) -> None:
    files = documented(DATA)
    first = "# Owed: title, source, license. Write them here, or `git custody add`.\n"
    for line in (first.replace("title", "the title"), first):
        repo.stage({DATA: ROWS, CARD: line + str(files[CARD])})
        custody.ok("add", DATA)
        kept = (repo.path / CARD).read_text().startswith("# Owed")
        assert kept == (line != first)


@pytest.mark.parametrize("verb", ["merge", "cherry-pick", "rebase"])
@pytest.mark.parametrize("way", ["add", "card update"])
def test_a_conflict_in_a_card_alone_is_resolved_by_the_command_that_is_named(
    repo: Repo, custody: Commands, verb: str, way: str
) -> None:
    rows = ROWS.splitlines(keepends=True)
    repo.write(DATA, ROWS)
    custody.ok("add", *TOLD, DATA)
    repo.commit()
    repo.git("checkout", "-q", "-b", "other")
    repo.write(DATA, "".join([rows[0], "99,first\n", *rows[1:]]))
    custody.ok("add", DATA)
    repo.commit()
    repo.git("checkout", "-q", "main")
    repo.write(DATA, ROWS + "100,last\n")
    custody.ok("add", DATA)
    repo.commit()
    repo.git(verb, "other", check=False)
    assert repo.git("diff", "--name-only", "--diff-filter=U") == CARD
    said = repo.check(text=True)
    assert said.code == 2
    assert said.out.splitlines()[0] == f"{CARD}: cannot judge: this card has an unresolved merge conflict"
    assert said.out.splitlines()[1].endswith(f"card update {CARD}")
    custody.ok(*way.split(), CARD)
    assert repo.git("diff", "--name-only", "--diff-filter=U") == ""
    assert custody.card(CARD)["content"]["digest"] == {"sha256": sha256((repo.path / DATA).read_bytes())}


def test_content_that_is_absent_is_said_once(repo: Repo) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'ab' * 32}\nsize 12\n"
    repo.stage({"models/w.bin": pointer})
    out = repo.check(text=True).out
    assert "content-absent" in out
    assert "not judged" not in out
    assert repo.check().report["not_judged"][0]["path"] == "models/w.bin"


def test_a_reason_that_many_datasets_do_not_need_is_told_in_one_line(repo: Repo, custody: Commands) -> None:
    started(repo, custody)
    for name in ("data/second.csv", "data/third.csv"):
        repo.write(name, ROWS + name)
        custody.ok("add", *TOLD, name)
    repo.commit(message="More data")
    repo.write("data/third.csv", ROWS + "another")
    out = custody.ok("add", "--reason", "Third row mended", ".")
    (line,) = (line for line in out.splitlines() if "reason was not used" in line)
    assert "for 2 datasets" in line


@pytest.mark.parametrize("named", ["data/interim/rows.csv", "data/interim"])
def test_data_that_are_tracked_in_an_ignored_folder(repo: Repo, custody: Commands, named: str) -> None:
    repo.commit({".custody/policy.yaml": LOGGED, ".gitignore": "/data/interim\n"})
    repo.write("data/interim/rows.csv", ROWS)
    assert "ignored" in custody.fails(2, "add", *TOLD, "data/interim/rows.csv")
    repo.git("add", "-f", "data/interim/rows.csv")
    custody.ok("add", *TOLD, "data/interim/rows.csv")
    repo.commit()
    repo.write("data/interim/rows.csv", ROWS + "99,more\n")
    repo.write("data/interim/scratch.csv", ROWS)
    custody.ok("add", "--reason", "one row more", named)
    assert repo.git("ls-files", "data").split() == ["data/interim/rows.csv", "data/interim/rows.csv.datacard.yaml"]
    assert repo.git("diff", "--name-only") == ""


def test_a_card_that_owes_answers_moves_with_its_data(repo: Repo, custody: Commands) -> None:
    repo.commit({DATA: ROWS})
    repo.stage({POLICY: LOGGED})
    custody.ok("adopt", "--yes")
    repo.commit()
    repo.git("mv", DATA, "data/elsewhere.csv")
    assert "card moved here" in custody("add", "--reason", "a better name", "data/elsewhere.csv").out
    custody.ok("add", *TOLD, "data/elsewhere.csv")
    assert not (repo.path / CARD).exists()
