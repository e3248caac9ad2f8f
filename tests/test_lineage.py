"""Which data a dataset was made of: parents found or missed, cycles, depth, and versions that nobody knows."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clock import within
from conftest import ROWS, Repo, documented
from git_custody.datasets.lineage import Parent, cycles, stated_in

LEVEL_2 = {".custody/policy.yaml": "version: 1\nlevel: 2\n"}


def derived(name: str, *parents: str, extra: str = "") -> dict[str, str | bytes]:
    """A dataset whose card names parents, each a group of fields as YAML."""
    files = documented(f"data/{name}.csv", id=name)
    card = f"data/{name}.csv.datacard.yaml"
    listed = "".join(f"- {{relation: clean, {parent}}}\n" for parent in parents)
    files[card] = f"{files[card]!s}derived_from:\n{listed}{extra}" if parents else f"{files[card]!s}{extra}"
    return files


def test_a_parent_here_or_elsewhere(repo: Repo) -> None:
    repo.stage({**derived("raw"), **derived("clean", "id: raw", 'url: "https://example.org/data"')})
    assert repo.check().passes
    assert repo.check("--all").passes


@pytest.mark.parametrize(
    ("parent", "said"),
    [
        ("id: raww", 'no card here has that id; did you mean "raw"?'),
        ("id: elsewhere-entirely", "no card here has that id"),
        ("version: '1'", "neither the id"),
    ],
)
def test_a_parent_that_cannot_be_found(repo: Repo, parent: str, said: str) -> None:
    repo.commit(derived("raw"))
    repo.stage(derived("clean", parent))
    verdict = repo.check()
    assert verdict.caught("unresolved-parent") == ["data/clean.csv.datacard.yaml"]
    assert said in verdict.out.replace('\\"', '"')


def test_an_unknown_id_with_an_address(repo: Repo) -> None:
    repo.stage(derived("clean", 'id: gone, url: "https://example.org/data"'))
    assert repo.check().passes


def test_a_parent_that_is_taken_away(repo: Repo) -> None:
    repo.commit({**derived("raw"), **derived("clean", "id: raw"), **derived("other")})
    repo.git("rm", "-q", "data/raw.csv", "data/raw.csv.datacard.yaml")
    assert repo.check().caught("unresolved-parent") == ["data/clean.csv.datacard.yaml"]


def test_a_parent_that_gets_another_id(repo: Repo) -> None:
    repo.commit({**derived("raw"), **derived("clean", "id: raw")})
    card = repo.path / "data/raw.csv.datacard.yaml"
    repo.stage({"data/raw.csv.datacard.yaml": card.read_text().replace("id: raw", "id: raw-2")})
    assert repo.check().caught("unresolved-parent") == ["data/clean.csv.datacard.yaml"]


def test_a_parent_that_moves(repo: Repo) -> None:
    repo.commit({**derived("raw"), **derived("clean", "id: raw")})
    repo.custody("card", "mv", "data/raw.csv", "data/moved.csv")
    repo.git("mv", "-k", "data/raw.csv", "data/moved.csv", check=False)
    assert "unresolved-parent" not in repo.check().rules


def test_a_deleted_parent_with_an_audit_log(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\nlevel: 3\n"})
    repo.write("data/raw.csv", ROWS)
    words = ("--id", "raw", "--title", "Raw rows", "--source-kind", "original", "--license", "CC-BY-4.0")
    repo.custody("add", *words, "--publisher", "Example Lab", "--reason", "first import", "data/raw.csv")
    repo.commit()
    repo.git("rm", "-q", "data/raw.csv")
    repo.custody("add", "--reason", "no longer wanted", "data/raw.csv")
    repo.commit()
    assert not (repo.path / "data/raw.csv.datacard.yaml").exists()
    repo.stage(derived("clean", "id: raw"))
    verdict = repo.check()
    assert verdict.caught("unresolved-parent") == ["data/clean.csv.datacard.yaml"]
    assert 'its parent \\"raw\\" was deleted, and nothing states its licence any more' in verdict.out
    repo.stage(derived("clean", "id: raw, license: CC-BY-4.0"))
    assert "unresolved-parent" not in repo.check().rules
    assert "unresolved-parent" not in repo.check("--all").rules


@pytest.mark.parametrize("text", ["", "{}", "raw was here once"])
def test_any_file_is_no_audit_log(repo: Repo, text: str) -> None:
    repo.stage({f".custody/audit/raw/{'0' * 64}.json": text, **derived("clean", "id: raw, license: CC-BY-4.0")})
    assert repo.check().caught("unresolved-parent") == ["data/clean.csv.datacard.yaml"]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_cycle_is_one_finding(repo: Repo, length: int) -> None:
    for number in range(length):
        repo.stage(derived(f"d{number}", f"id: d{(number + 1) % length}"))
    repo.stage(derived("child", "id: d0"))
    assert repo.check().caught("circular-lineage") == ["data/d0.csv.datacard.yaml"]
    assert repo.check("--all").caught("circular-lineage") == ["data/d0.csv.datacard.yaml"]


def test_a_cycle_that_a_change_closes(repo: Repo) -> None:
    repo.commit({**derived("a", "id: b"), **derived("b", "id: c"), **derived("c"), **derived("d", "id: a")})
    repo.stage(derived("c", "id: a"))
    verdict = repo.check()
    assert verdict.caught("circular-lineage") == ["data/c.csv.datacard.yaml"]
    assert "by way of" in verdict.out


def test_a_known_version_of_the_parent(repo: Repo) -> None:
    digest = hashlib.sha256(ROWS.encode()).hexdigest()
    repo.commit({**LEVEL_2, **derived("raw", extra="personal_data: none\n")})
    repo.stage(derived("clean", f'id: raw, digest: {{sha256: "{digest}"}}', extra="personal_data: none\n"))
    assert repo.check().warned == []
    repo.stage(derived("clean", f'id: raw, digest: {{sha256: "{"0" * 64}"}}', extra="personal_data: none\n"))
    assert repo.check().warned == ["unknown-parent-version"]
    repo.stage({".custody/policy.yaml": "version: 1\nlevel: 1\n"})
    assert "unknown-parent-version" not in repo.check().warned


def test_a_lineage_10_000_deep(repo: Repo) -> None:
    rows = {"data/rows.csv": ROWS}
    for number in range(10_000):
        card = str(derived(f"d{number}", f"id: d{number + 1}")[f"data/d{number}.csv.datacard.yaml"])
        rows[f"data/d{number}.csv"], rows[f"data/d{number}.csv.datacard.yaml"] = ROWS, card
    rows["data/d10000.csv"], rows["data/d10000.csv.datacard.yaml"] = map(str, derived("d10000", "id: d0").values())
    del rows["data/rows.csv"]
    fed = b"".join(
        b"M 100644 inline %b\ndata %d\n%b\n" % (path.encode(), len(text.encode()), text.encode())
        for path, text in rows.items()
    )
    head = b"commit refs/heads/deep\ncommitter A <a@example.org> 0 +0000\ndata 4\ndeep\n"
    repo.git("fast-import", "--quiet", input=head + fed)
    repo.git("checkout", "-q", "deep")
    repo.stage(derived("d5", "id: d6", extra="description: The sixth step of ten thousand.\n"))
    with within(20):
        assert repo.check().caught("circular-lineage") == ["data/d5.csv.datacard.yaml"]


def parent(card: str | None) -> Parent:
    return Parent(0, "clean", card, None, None, None, card)


@given(st.dictionaries(st.integers(0, 8), st.lists(st.integers(0, 8), max_size=4), max_size=9))
def test_cycles_are_what_reaches_itself(edges: dict[int, list[int]]) -> None:
    lineage = {str(card): tuple(parent(str(made_of)) for made_of in found) for card, found in edges.items()}

    def reached(start: int) -> set[int]:
        seen: set[int] = set()
        todo = [start]
        while todo:
            for one in edges.get(todo.pop(), ()):
                if one in edges and one not in seen:
                    seen.add(one)
                    todo.append(one)
        return seen

    looping = {card for card in edges if card in reached(card)}
    found = cycles(lineage)
    assert {int(card) for group in found for card in group} == looping
    for group in found:
        assert all(int(b) in reached(int(a)) for a in group for b in group)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner) | (
    st.dictionaries(st.sampled_from(["license", "derived_from", "content", "digest", "id"]), inner)
)))  # fmt: skip
def test_any_card_can_be_asked(data: object) -> None:
    stated_in(data)
