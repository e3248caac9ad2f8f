"""The audit log's law: whatever is done to a log is seen in the tree, or against the base."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from git_custody.datasets.audit_entries import (
    MAX_ENTRY_BYTES,
    MAX_REASON,
    OPS,
    Actor,
    Digest,
    Entry,
    EntryError,
    Tool,
    canonical_json,
    digest_from,
    entry_id,
    entry_path,
    parse,
    parse_any_layout,
    render,
    state,
)
from git_custody.datasets.audit_log import (
    ALTERED,
    DIVERGED,
    MISSING,
    Log,
    LogProblem,
    LostEntry,
    State,
    current,
    heads,
    history,
    missing_entries,
    read_log,
    sound_entries,
    state_problems,
)
from git_custody.datasets.audit_plan import RepairStep, complete, merge_entry, next_entry, repair_plan

ADA = Actor("Ada Lövelace", "ada@example.org")
BOB = Actor("Bob", "bob@example.org")
TOOL = Tool("git-custody", "1.0.0")
TIME = "2026-11-22T18:00:00Z"
DATASET = "support-tickets"
PATH = "data/train.csv"

# Files by name, None for what is no regular file; then where the dataset lies, and its digest.
Files = dict[str, "bytes | None"]
Story = tuple[Files, "str | None", "Digest | None"]


def content(number: int) -> Digest:
    return Digest("dirHash" if number % 5 == 4 else "sha256", hashlib.sha256(b"%d" % number).hexdigest())


def name_of(entry: Entry) -> str:
    return f"{entry_id(entry)}.json"


def files_of(*entries: Entry) -> Files:
    return {name_of(entry): render(entry) for entry in entries}


def blobs(files: Files) -> dict[str, str]:
    return {f".custody/audit/{DATASET}/{name}": hashlib.sha1(data or b"").hexdigest() for name, data in files.items()}


def judged(files: Files, path: str | None, digest: Digest | None) -> tuple[LogProblem, ...]:
    log = read_log(DATASET, files)
    return log.problems + state_problems(log, path=path, digest=None if digest is None else digest.mapping())


def rules(problems: tuple[LogProblem, ...]) -> set[str]:
    return {problem.rule for problem in problems}


def make(op: str, after: Digest | None, *parents: Entry, path: str = PATH, **fields: Any) -> Entry:
    before = tuple(sorted({parent.after for parent in parents if parent.after is not None}))
    ids = tuple(sorted(entry_id(parent) for parent in parents))
    entry = Entry(DATASET, op, path, ids, before, after, "broken dates dropped", ADA, TIME, TOOL)
    return entry._replace(**fields)


CREATE = make("create", content(1))
CLEAN = make("clean", content(2), CREATE)
OURS = make("modify", content(3), CLEAN, actor=BOB)
THEIRS = make("append", content(4), CLEAN)
MERGE = make("merge", content(5), OURS, THEIRS)
RENAME = make("rename", content(5), MERGE, path="data/tickets.csv")
STORY = (CREATE, CLEAN, OURS, THEIRS, MERGE, RENAME)


# Entries: one form, one name


def test_an_entry_is_written_as_the_contract_says() -> None:
    assert json.loads(render(CLEAN)) == {
        "custody": "audit-entry/1",
        "dataset": DATASET,
        "op": "clean",
        "path": PATH,
        "parents": [entry_id(CREATE)],
        "before": [{"sha256": content(1).hex}],
        "after": {"sha256": content(2).hex},
        "reason": "broken dates dropped",
        "actor": {"name": "Ada Lövelace", "email": "ada@example.org"},
        "time": TIME,
        "tool": {"name": "git-custody", "version": "1.0.0"},
    }
    text = render(CLEAN).decode()
    assert text.startswith('{\n  "actor": {\n    "email"')
    assert text.endswith("}\n")
    assert "Lövelace" in text
    assert entry_path(DATASET, "ab") == f".custody/audit/{DATASET}/ab.json"


def test_the_id_does_not_change_from_release_to_release() -> None:
    assert entry_id(CREATE) == "a45320a082ef59cf7331ad82a02cdab97c8797bc24808d57cb23b353e874d1b8"


texts = st.text(st.characters(exclude_categories=["Cs"]))
profile = st.recursive(
    st.none() | texts,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=126, min_codepoint=32)), inner, max_size=4)
    ),
    max_leaves=12,
)


def rfc8785(value: Any) -> str:
    """The standard's own steps for strings, lists, objects and null (RFC 8785, 3.2.2.2 and 3.2.3)."""
    if value is None:
        return "null"
    if isinstance(value, str):
        short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
        return '"' + "".join(short.get(ord(c)) or (f"\\u{ord(c):04x}" if c < " " else c) for c in value) + '"'
    if isinstance(value, list):
        return "[" + ",".join(map(rfc8785, value)) + "]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
    return "{" + ",".join(f"{rfc8785(key)}:{rfc8785(value[key])}" for key in keys) + "}"


@given(profile)
def test_the_hashed_form_is_rfc_8785(value: Any) -> None:
    assert canonical_json(value) == rfc8785(value).encode()


@pytest.mark.parametrize("entry", STORY)
def test_a_rendering_reads_back(entry: Entry) -> None:
    assert parse(render(entry)) == entry


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_an_entry_error_or_nothing(data: bytes) -> None:
    with pytest.raises(EntryError):
        parse(data)


@given(st.data())
def test_arbitrary_json_near_an_entry_is_an_entry_error_or_an_entry(data: st.DataObject) -> None:
    value = json.loads(render(CLEAN))
    odd: st.SearchStrategy[Any] = (
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()) | st.just({})
    )
    key = data.draw(st.sampled_from(sorted(value)))
    value[key] = data.draw(odd)
    if data.draw(st.booleans()):
        value[data.draw(st.text())] = data.draw(odd)
    try:
        entry = parse_any_layout(json.dumps(value).encode("utf-8", "surrogatepass"))
    except EntryError:
        return
    assert parse(render(entry)) == entry


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xef\xbb\xbf" + render(CLEAN),
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"1" * 10_000,
        b"NaN",
        render(CLEAN) + b" " * MAX_ENTRY_BYTES,
        render(CLEAN).replace(b"\n", b"\r\n"),
        render(CLEAN).rstrip(),
        render(CLEAN).replace(b'  "op": "clean"', b'  "op": "merge",\n  "op": "clean"'),
        render(CLEAN).replace("ö".encode(), b"\\u00f6"),
        render(CLEAN).replace("ö".encode(), b"\\ud800"),
        render(CLEAN).replace("ö".encode(), "o\N{COMBINING DIAERESIS}".encode()),
        render(CLEAN).replace("ö".encode(), b"\xf6"),
        render(CLEAN).replace(b"audit-entry/1", b"audit-entry/2"),
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(EntryError) as error:
        parse(data)
    assert "\n" not in error.value.message


def edited(entry: Entry, **values: Any) -> bytes:
    value = {**json.loads(render(entry)), **values}
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


HEX = "ab" * 32
BAD_VALUES = [
    (CLEAN, {"dataset": "Support"}),
    (CLEAN, {"dataset": "x"}),
    (CLEAN, {"dataset": "a/b"}),
    (CLEAN, {"op": "edit"}),
    (CLEAN, {"op": ["clean"]}),
    (CLEAN, {"path": ""}),
    (CLEAN, {"path": "/data/train.csv"}),
    (CLEAN, {"path": "data/../train.csv"}),
    (CLEAN, {"path": "data//train.csv"}),
    (CLEAN, {"path": "data/"}),
    (CLEAN, {"path": "a\0b"}),
    (CLEAN, {"path": None}),
    (CLEAN, {"parents": []}),
    (CLEAN, {"parents": [HEX.upper()]}),
    (CLEAN, {"parents": [HEX, HEX]}),
    (CLEAN, {"parents": ["bb" * 32, "aa" * 32]}),
    (CLEAN, {"parents": HEX}),
    (CLEAN, {"before": [{"sha256": "bb" * 32}, {"sha256": "aa" * 32}]}),
    (CLEAN, {"before": [{"sha256": HEX}, {"dirHash": HEX}]}),
    (CLEAN, {"before": [None]}),
    (CLEAN, {"before": []}),
    (CLEAN, {"before": None}),
    (CLEAN, {"after": {"md5": HEX}}),
    (CLEAN, {"after": {"sha256": HEX, "dirHash": HEX}}),
    (CLEAN, {"after": {"sha256": HEX + "\n"}}),
    (CLEAN, {"after": {}}),
    (CLEAN, {"after": None}),
    (CLEAN, {"after": content(1).mapping()}),
    (CLEAN, {"reason": " "}),
    (CLEAN, {"reason": "x" * (MAX_REASON + 1)}),
    (CLEAN, {"reason": "bell \a"}),
    (CLEAN, {"actor": {"name": "Ada"}}),
    (CLEAN, {"actor": {"name": "Ada", "email": "", "role": "x"}}),
    (CLEAN, {"actor": {"name": "Ada\nBob", "email": "a@example.org"}}),
    (CLEAN, {"tool": "git-custody"}),
    (CLEAN, {"time": "2026-11-22T18:00:00+00:00"}),
    (CLEAN, {"time": "2026-11-22 18:00:00Z"}),
    (CLEAN, {"time": "2026-02-29T18:00:00Z"}),
    (CLEAN, {"time": "2026-11-22T24:00:00Z"}),
    (CLEAN, {"time": "2026-11-22T18:00:60Z"}),
    (CLEAN, {"time": "٢٠٢٦-11-22T18:00:00Z"}),
    (CLEAN, {"time": 0}),
    (CLEAN, {"origin": None}),
    (CLEAN, {"origin": HEX}),
    (CLEAN, {"custody": 1}),
    (CLEAN, {"note": "x"}),
    (CREATE, {"before": [content(9).mapping()]}),
    (CREATE, {"after": None}),
    (CREATE, {"op": "adopt", "after": None}),
    (CLEAN, {"op": "merge"}),
    (CLEAN, {"op": "delete"}),
    (CLEAN, {"op": "rename"}),
    (CLEAN, {"op": "move-storage"}),
    (CLEAN, {"op": "restore", "after": None}),
    (CLEAN, {"op": "delete", "before": [], "after": None}),
    (CREATE, {"op": "revert"}),
    (CREATE, {"op": "restore"}),
]


@pytest.mark.parametrize(("entry", "values"), BAD_VALUES)
def test_every_field_has_its_bounds(entry: Entry, values: dict[str, Any]) -> None:
    with pytest.raises(EntryError):
        parse_any_layout(edited(entry, **values))


@pytest.mark.parametrize(
    "values",
    [
        {"op": "revert", "origin": HEX},
        {"op": "redact"},
        {"op": "redact", "after": None},
        {"op": "delete", "after": None},
        {"op": "restore", "before": []},
        {"op": "create", "before": []},
        {"op": "adopt", "before": [], "parents": []},
        {"op": "move-storage", "after": content(1).mapping()},
        {"path": "."},
        {"path": "data/o\N{COMBINING DIAERESIS}.csv"},
        {"path": "data/a b\\c\n.csv"},
        {"reason": "two\nlines, \N{GRINNING FACE}"},
    ],
)
def test_what_people_do_is_valid(values: dict[str, Any]) -> None:
    assert render(parse(edited(CLEAN, **values)))


def test_the_schema_agrees() -> None:
    schema = Path(__file__).parent.parent / "schemas" / "audit-entry.schema.json"
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text("utf-8")))
    for entry in (*STORY, make("delete", None, RENAME, path=RENAME.path)):
        assert validator.is_valid(json.loads(render(entry)))
    for op in OPS:
        assert validator.is_valid(json.loads(edited(CLEAN, op=op)))
    per_field: list[dict[str, Any]] = [
        {"dataset": "Support"}, {"dataset": "x"}, {"op": "edit"}, {"path": ""}, {"parents": [HEX.upper()]},
        {"parents": [HEX, HEX]}, {"before": [None]}, {"after": {"md5": HEX}}, {"after": {}}, {"tool": "x"},
        {"after": {"sha256": HEX + "\n"}}, {"actor": {"name": "Ada"}}, {"reason": "x" * (MAX_REASON + 1)},
        {"note": "x"}, {"custody": "audit-entry/2"}, {"time": 0},
    ]  # fmt: skip
    for values in per_field:
        assert not validator.is_valid(json.loads(edited(CLEAN, **values))), values
        with pytest.raises(EntryError):
            parse(edited(CLEAN, **values))


# Logs: what the tree shows


def test_a_good_log_has_no_problems() -> None:
    files = files_of(*STORY)
    assert judged(files, RENAME.path, RENAME.after) == ()
    log = read_log(DATASET, files)
    assert heads(log) == (entry_id(RENAME),)
    assert current(log) == State("data/tickets.csv", content(5))
    order = history(log)
    assert order[:2] == [CREATE, CLEAN]
    assert order[-2:] == [MERGE, RENAME]


def test_no_log_is_right_for_no_dataset_only() -> None:
    assert judged({}, None, None) == ()
    (problem,) = judged({}, PATH, content(1))
    assert problem.rule == MISSING
    assert problem.entry_path is None
    assert current(read_log(DATASET, {})) is None


@pytest.mark.parametrize(
    ("path", "digest", "says"),
    [
        (PATH, content(5), "renamed"),
        (RENAME.path, content(6), "changed"),
        (RENAME.path, Digest("dirHash", content(5).hex), "changed"),
        (None, None, "deleted"),
        ("data/\udce9.csv", content(5), "UTF-8"),
    ],
)
def test_a_dataset_that_the_log_does_not_lead_to(path: str | None, digest: Digest | None, says: str) -> None:
    (problem,) = judged(files_of(*STORY), path, digest)
    assert problem.rule == MISSING
    assert says in problem.message


def test_a_deleted_dataset_ends_in_null_and_may_come_back() -> None:
    delete = make("delete", None, RENAME, path=RENAME.path)
    files = files_of(*STORY, delete)
    assert judged(files, None, None) == ()
    assert rules(judged(files, RENAME.path, content(5))) == {MISSING}
    for op, after in (("restore", content(5)), ("create", content(7)), ("revert", content(5))):
        again = make(op, after, delete, path="data/again.csv")
        assert judged({**files, **files_of(again)}, "data/again.csv", after) == ()


def test_heads_that_differ_need_a_merge_entry() -> None:
    for digest in (content(3), content(4), content(5)):
        (problem,) = judged(files_of(CREATE, CLEAN, OURS, THEIRS), PATH, digest)
        assert problem.rule == DIVERGED
        assert "clean" not in (problem.found or "")
    gone = make("delete", None, CLEAN)
    assert rules(judged(files_of(CREATE, CLEAN, OURS, gone), None, None)) == {DIVERGED}
    assert rules(judged(files_of(CREATE, CLEAN, OURS, gone), PATH, OURS.after)) == {DIVERGED}
    moved = make("rename", OURS.after, OURS, path="data/a.csv")
    other = make("rename", OURS.after, OURS, path="data/b.csv")
    assert rules(judged(files_of(CREATE, CLEAN, OURS, moved, other), "data/a.csv", OURS.after)) == {DIVERGED}


def test_while_a_parent_is_missing_heads_are_not_compared() -> None:
    files = files_of(CREATE, OURS)
    assert [problem.entry_path for problem in judged(files, PATH, content(1))] == [entry_path(DATASET, entry_id(OURS))]
    assert [problem.entry_path for problem in judged(files, PATH, content(3))] == [entry_path(DATASET, entry_id(OURS))]
    assert [problem.entry_path for problem in judged(files, PATH, content(8))][1:] == [None]


def test_heads_that_agree_do_not() -> None:
    twin = OURS._replace(actor=ADA)
    files = files_of(CREATE, CLEAN, OURS, twin)
    assert judged(files, PATH, OURS.after) == ()
    after = make("modify", content(8), OURS, twin)
    assert judged({**files, **files_of(after)}, PATH, content(8)) == ()
    gone, also = make("delete", None, CLEAN), make("delete", None, CLEAN, actor=BOB)
    assert judged(files_of(CREATE, CLEAN, gone, also), None, None) == ()


@pytest.mark.parametrize(
    "entry",
    [
        make("clean", content(7), CLEAN, before=(content(1),)),
        make("modify", content(7), OURS, THEIRS),
        make("rename", CLEAN.after, CLEAN),
        make("delete", None, CLEAN, path="data/other.csv"),
        make("create", content(7), CLEAN, before=()),
        make("restore", content(1), CLEAN, before=()),
    ],
)
def test_an_entry_that_does_not_follow_from_its_parents(entry: Entry) -> None:
    found = read_log(DATASET, files_of(CREATE, CLEAN, OURS, THEIRS, entry)).problems
    assert [(problem.rule, problem.entry_path) for problem in found] == [
        (ALTERED, entry_path(DATASET, entry_id(entry)))
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("README.md", b"hello"),
        (name_of(CLEAN).upper(), render(CLEAN)),
        (f"sub/{name_of(CLEAN)}", render(CLEAN)),
        (name_of(OURS), None),
        (f"{HEX}.json", render(CLEAN)),
        (name_of(OURS), render(OURS) + b" " * MAX_ENTRY_BYTES),
        ("caf\udce9.json", b""),
        (name_of(CLEAN._replace(dataset="other")), render(CLEAN._replace(dataset="other"))),
        (name_of(OURS), json.dumps(json.loads(render(OURS))).encode()),
    ],
)
def test_nothing_else_may_lie_in_the_log(name: str, data: bytes | None) -> None:
    found = read_log(DATASET, {**files_of(CREATE, CLEAN), name: data}).problems
    assert [(problem.rule, problem.entry_path) for problem in found] == [(ALTERED, f".custody/audit/{DATASET}/{name}")]


def test_a_reformatted_file_is_told_from_an_edited_one() -> None:
    compact = json.dumps(json.loads(render(CLEAN))).encode()
    log = read_log(DATASET, {**files_of(CREATE), name_of(CLEAN): compact})
    assert dict(log.reformatted) == {entry_id(CLEAN): CLEAN}
    assert "reformatted" in log.problems[0].message
    log = read_log(DATASET, {**files_of(CREATE), name_of(CLEAN): compact.replace(b"broken", b"rotten")})
    assert not log.reformatted
    assert "edited" in log.problems[0].message


def test_every_change_of_one_byte_is_found() -> None:
    for entry in (CREATE, MERGE):
        name, data = name_of(entry), render(entry)
        for place in range(len(data)):
            head, byte, tail = data[:place], data[place], data[place + 1 :]
            changed = [head + bytes([byte ^ mask]) + tail for mask in (1, 0x20, 0x80)]
            changed += [
                head + tail,
                *(head + extra + bytes([byte]) + tail for extra in (b" ", b"0", b"\n", b'"')),
            ]
            for variant in changed:
                if variant != data:
                    found = read_log(DATASET, {name: variant}).problems
                    assert any(problem.rule == ALTERED for problem in found), (place, variant)
        for extra in (b" ", b"\n", b"\0"):
            assert ALTERED in rules(read_log(DATASET, {name: data + extra}).problems)


# Random logs


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """A log grown on up to three branches and merged into one, with the state that it leads to."""
    log = read_log(DATASET, {})
    first = next_entry(
        log, op=None, path=PATH, digest=content(0).mapping(), reason="first", actor=ADA, time=TIME, tool=TOOL
    )
    branches: list[Files] = [files_of(first)]

    def grow(branch: int, op: str | None, path: str | None, digest: Digest | None) -> None:
        log = read_log(DATASET, branches[branch])
        assert log.problems == ()
        minute = draw(st.integers(0, 59))
        try:
            entry = next_entry(
                log,
                op=op,
                path=path,
                digest=None if digest is None else digest.mapping(),
                reason=draw(st.sampled_from(["typo", "größer", "two\nlines"])),
                actor=draw(st.sampled_from([ADA, BOB])),
                time=f"2026-11-22T18:{minute:02}:00Z",
                tool=TOOL,
            )
        except EntryError as error:
            if "nothing to record" in error.message:
                return
            raise
        branches[branch].update(files_of(entry))

    for _ in range(draw(st.integers(0, 7))):
        branch = draw(st.integers(0, len(branches) - 1))
        now = current(read_log(DATASET, branches[branch]))
        assert now is not None
        what = draw(st.sampled_from(["edit", "edit", "edit", "rename", "delete", "fork", "fork", "merge"]))
        if what == "fork" and len(branches) < 3:
            branches.append(dict(branches[branch]))
        elif what == "delete":
            grow(branch, None, now.path, None)
        elif what == "rename":
            grow(
                branch,
                None,
                draw(st.sampled_from([PATH, "data/b.csv", "data/c.csv"])),
                now.digest or content(1),
            )
        elif what == "merge" and len(branches) > 1:
            other = branches.pop(branch)
            branch = draw(st.integers(0, len(branches) - 1))
            branches[branch].update(other)
            if current(read_log(DATASET, branches[branch])) is None:
                grow(branch, None, PATH, content(draw(st.integers(0, 9))))
        elif what == "edit":
            op = draw(st.sampled_from(["append", "clean", "relabel", None])) if now.digest else None
            digest = content(draw(st.integers(0, 9)))
            grow(branch, None if digest == now.digest else op, now.path, digest)
    files: Files = {}
    for grown in branches:
        files.update(grown)
    log = read_log(DATASET, files)
    if current(log) is None:
        branches = [files]
        grow(0, None, PATH, content(draw(st.integers(0, 9))))
    now = current(read_log(DATASET, files))
    assert now is not None
    return files, now.path if now.digest else None, now.digest


@settings(deadline=None, max_examples=150)
@given(stories())
def test_a_log_that_was_grown_by_the_rules_has_no_problems(
    story: Story,
) -> None:
    files, path, digest = story
    assert judged(files, path, digest) == ()
    log = read_log(DATASET, files)
    order = [entry_id(entry) for entry in history(log)]
    assert sorted(order) == sorted(log.entries)
    assert all(order.index(parent) < place for place, name in enumerate(order) for parent in log.entries[name].parents)
    assert sound_entries(log.entries) == dict(log.entries)


@settings(deadline=None, max_examples=150)
@given(stories(), st.data())
def test_tampering_with_bytes_or_names_is_found_in_the_tree(story: Story, data: st.DataObject) -> None:
    files, path, digest = story
    name = data.draw(st.sampled_from(sorted(files)))
    original = files[name] or b""
    place = data.draw(st.integers(0, len(original) - 1))
    byte = data.draw(st.binary(max_size=1))
    cut = data.draw(st.integers(0, 1))
    variant = original[:place] + byte + original[place + cut :]
    assume(variant != original)
    assert ALTERED in rules(judged({**files, name: variant}, path, digest))

    other = data.draw(st.sampled_from([f"{HEX}.json", f"{name[:63]}.json", f"x/{name}", f"{name}.bak", *sorted(files)]))
    assume(other != name)
    assert ALTERED in rules(judged({**files, other: original}, path, digest))


@settings(deadline=None, max_examples=200)
@given(stories(), st.data())
def test_a_removed_entry_is_found(story: Story, data: st.DataObject) -> None:
    files, path, digest = story
    log = read_log(DATASET, files)
    name = data.draw(st.sampled_from(sorted(log.entries)))
    left = {file: text for file, text in files.items() if file != f"{name}.json"}
    found = judged(left, path, digest)

    others = read_log(DATASET, left)
    ends = {state(others.entries[head]) for head in heads(others)} or {("", None)}
    # The tree alone cannot show a removed tip when what is left ends in the very same state.
    hidden = name in heads(log) and ends == {(path or "", digest)}
    assert bool(found) is not hidden
    assert missing_entries(blobs(files), blobs(left)) == (LostEntry(entry_path(DATASET, name), "removed"),)


FORGED: dict[str, Any] = {
    "reason": "nothing to see",
    "actor": Actor("Mallory", "m@example.org"),
    "time": "2020-01-01T00:00:00Z",
    "tool": Tool("other", "9"),
    "path": "data/elsewhere.csv",
    "after": content(99),
    "before": (content(98),),
    "parents": ("cd" * 32,),
    "origin": "ef" * 32,
    "op": "relabel",
}


@settings(deadline=None, max_examples=300)
@given(stories(), st.data())
def test_a_reforged_entry_is_found(story: Story, data: st.DataObject) -> None:
    files, path, digest = story
    log = read_log(DATASET, files)
    name = data.draw(st.sampled_from(sorted(log.entries)))
    field = data.draw(st.sampled_from(sorted(FORGED)))
    old = log.entries[name]
    new = old._replace(**{field: FORGED[field]})
    if data.draw(st.booleans()) and field == "after":
        new = new._replace(after=None)
    assume(new != old)
    forged = {file: text for file, text in files.items() if file != f"{name}.json"} | files_of(new)
    found = judged(forged, path, digest)
    if name not in heads(log):
        assert MISSING in rules(found) or ALTERED in rules(found)
    elif field in ("after", "before", "parents") or (field == "path" and old.after is not None):
        assert found
    # Else a tip changed in what no link repeats (also the path of a deletion): only the base shows it.
    assert LostEntry(entry_path(DATASET, name), "removed") in missing_entries(blobs(files), blobs(forged))


@settings(deadline=None, max_examples=150)
@given(stories(), st.data())
def test_a_log_cut_back_together_with_the_data_is_found_against_the_base(story: Story, data: st.DataObject) -> None:
    files, _, _ = story
    log = read_log(DATASET, files)
    kept = data.draw(st.sampled_from(sorted(log.entries)))
    ancestors, todo = set(), [kept]
    while todo:
        name = todo.pop()
        ancestors.add(f"{name}.json")
        todo.extend(log.entries[name].parents)
    assume(len(ancestors) < len(files))
    back = {name: files[name] for name in ancestors}
    then = log.entries[kept]
    assert judged(back, then.path if then.after else None, then.after) == ()
    lost = missing_entries(blobs(files), blobs(back))
    assert len(lost) == len(files) - len(back)


def test_published_entries_stay() -> None:
    base = blobs(files_of(*STORY))
    path = entry_path(DATASET, entry_id(CLEAN))
    assert missing_entries(base, {**base, "x": "y"}) == ()
    assert missing_entries(base, {**base, path: "0" * 40}) == (LostEntry(path, "changed"),)
    assert missing_entries({f".custody/audit/{DATASET}/README.md": "x", "data/a.csv": "y"}, {}) == ()
    broken = (LogProblem(ALTERED, path, "", None),)
    assert missing_entries(base, {**base, path: "0" * 40}, broken) == ()


# What to write next


def following(log: Log, path: str | None, digest: Digest | None, op: str | None = None, **more: Any) -> Entry:
    mapping = None if digest is None else digest.mapping()
    return next_entry(log, op=op, path=path, digest=mapping, reason="why", actor=ADA, time=TIME, tool=TOOL, **more)


@pytest.mark.parametrize(
    ("entries", "path", "digest", "op"),
    [
        ((), PATH, content(1), "create"),
        ((CREATE,), PATH, content(2), "modify"),
        ((CREATE,), "data/b.csv", content(2), "modify"),
        ((CREATE,), "data/b.csv", content(1), "rename"),
        ((CREATE,), PATH, None, "delete"),
        ((CREATE,), None, None, "delete"),
        ((CREATE, make("delete", None, CREATE)), PATH, content(1), "restore"),
        ((CREATE, make("delete", None, CREATE)), "data/b.csv", content(1), "restore"),
        ((CREATE, make("delete", None, CREATE)), PATH, content(2), "create"),
        ((CREATE, CLEAN, OURS, THEIRS), PATH, content(5), "merge"),
        ((CREATE, CLEAN, OURS, THEIRS), PATH, content(3), "merge"),
        ((CREATE, CLEAN, OURS, THEIRS), None, None, "delete"),
    ],
)
def test_the_op_is_inferred(entries: tuple[Entry, ...], path: str | None, digest: Digest | None, op: str) -> None:
    files = files_of(*entries)
    entry = following(read_log(DATASET, files), path, digest)
    assert entry.op == op
    assert judged({**files, **files_of(entry)}, path if digest else None, digest) == ()


def test_what_cannot_be_recorded_is_said() -> None:
    log = read_log(DATASET, files_of(CREATE))
    with pytest.raises(EntryError, match="nothing to record"):
        following(log, PATH, content(1))
    with pytest.raises(EntryError, match="nothing to record"):
        following(read_log(DATASET, {}), None, None)
    with pytest.raises(EntryError, match="rename"):
        following(log, PATH, content(1), "rename")
    with pytest.raises(EntryError, match="keeps the content"):
        following(log, PATH, content(2), "move-storage")
    with pytest.raises(EntryError, match="takes a merge"):
        following(read_log(DATASET, files_of(CREATE, CLEAN, OURS, THEIRS)), PATH, content(5), "clean")
    with pytest.raises(EntryError, match="repaired first"):
        following(read_log(DATASET, files_of(CLEAN)), PATH, content(5))
    with pytest.raises(EntryError, match="UTF-8"):
        following(log, "data/\udce9.csv", content(2))
    with pytest.raises(EntryError, match="nothing to merge"):
        merge_entry(log, path=PATH, digest=content(2).mapping(), reason="r", actor=ADA, time=TIME, tool=TOOL)
    with pytest.raises(EntryError):
        digest_from({"md5": "x"})


def test_texts_are_brought_into_normal_form() -> None:
    entry = next_entry(
        read_log(DATASET, {}),
        op="adopt",
        path=PATH,
        digest=content(1).mapping(),
        reason=" gro\N{COMBINING DIAERESIS}ßer\n",
        actor=ADA,
        time=TIME,
        tool=TOOL,
    )
    assert entry.reason == "größer"
    assert entry.op == "adopt"


# Repair


def applied(files: Files, steps: list[RepairStep]) -> Files:
    after = dict(files)
    folder = f".custody/audit/{DATASET}/"
    for step in steps:
        if step.action == "remove":
            assert step.path is not None
            del after[step.path[len(folder) :]]
        elif step.action == "restore":
            assert step.path is not None
            after[step.path[len(folder) :]] = step.data
        else:
            assert step.draft is not None
            after.update(files_of(complete(step.draft, reason="why", actor=ADA, time=TIME, tool=TOOL)))
    assert [step.action for step in steps] == sorted(step.action for step in steps)
    return after


def repaired(here: Files, base: Files, path: str | None, digest: Digest | None) -> tuple[list[RepairStep], Files]:
    lost = {name: data for name, data in base.items() if here.get(name) != data and data is not None}
    mapping = None if digest is None else digest.mapping()
    log = read_log(DATASET, here)
    steps = repair_plan(log, read_log(DATASET, base), lost, path=path, digest=mapping)
    # What the base still shows need not be handed in.
    assert repair_plan(log, read_log(DATASET, base), {}, path=path, digest=mapping) == steps
    after = applied(here, steps)
    assert judged(after, path, digest) == ()
    base_problems = read_log(DATASET, base).problems
    assert missing_entries(blobs(base), blobs(after), base_problems) == ()
    return steps, after


def written(steps: list[RepairStep]) -> tuple[str, str | None] | None:
    draft = steps[-1].draft if steps else None
    return None if draft is None else (draft.op, draft.origin)


def test_repair_after_a_revert() -> None:
    base = files_of(CREATE, CLEAN, OURS)
    steps, _ = repaired(files_of(CREATE, CLEAN), base, PATH, CLEAN.after)
    assert written(steps) == ("revert", entry_id(OURS))
    assert [step.action for step in steps] == ["restore", "write"]
    # The commit in the middle was reverted: its child's entry is still here.
    steps, _ = repaired(files_of(CREATE, OURS), base, PATH, content(9))
    assert written(steps) == ("revert", entry_id(CLEAN))
    # The very first one: the dataset is gone.
    steps, _ = repaired({}, files_of(CREATE), None, None)
    assert written(steps) == ("revert", entry_id(CREATE))
    # A deletion.
    gone = make("delete", None, CREATE)
    steps, _ = repaired(files_of(CREATE), files_of(CREATE, gone), PATH, CREATE.after)
    assert written(steps) == ("revert", entry_id(gone))
    # A rename.
    steps, _ = repaired(files_of(*STORY[:-1]), files_of(*STORY), PATH, content(5))
    assert written(steps) == ("revert", entry_id(RENAME))


def test_repair_after_a_cherry_pick_of_a_later_commit() -> None:
    main = make("append", content(7), CREATE)
    here = files_of(CREATE, main, OURS)
    steps, after = repaired(here, files_of(CREATE, main), PATH, content(8))
    assert written(steps) == ("cherry-pick", entry_id(OURS))
    assert [step.action for step in steps] == ["remove", "write"]
    # The whole branch is merged later: two heads, one merge entry.
    both = {**after, **files_of(CLEAN, OURS)}
    assert rules(judged(both, PATH, content(9))) == {DIVERGED}
    steps, _ = repaired(both, after, PATH, content(9))
    assert written(steps) == ("merge", None)
    # Onto a branch that never had the dataset.
    steps, _ = repaired(files_of(OURS), {}, PATH, content(3))
    assert written(steps) == ("create", entry_id(OURS))
    # Two in a row: the second stands for both.
    last = make("clean", content(6), OURS)
    steps, _ = repaired(files_of(CREATE, OURS, last), files_of(CREATE), PATH, content(6))
    assert written(steps) == ("cherry-pick", entry_id(last))


def test_repair_after_a_rebase() -> None:
    main = make("append", content(7), CREATE)
    steps, _ = repaired(files_of(CREATE, main, CLEAN, OURS), files_of(CREATE, main), PATH, content(8))
    assert written(steps) == ("merge", None)


def test_repair_of_altered_files() -> None:
    base = files_of(CREATE, CLEAN)
    edit = {**base, name_of(CLEAN): (base[name_of(CLEAN)] or b"").replace(b"broken", b"rotten")}
    steps, after = repaired(edit, base, PATH, CLEAN.after)
    assert [step.action for step in steps] == ["restore"]
    assert after == base
    # Reformatted and unpublished: the content is known, so that nothing is lost.
    compact = json.dumps(json.loads(render(OURS))).encode()
    steps, after = repaired({**base, name_of(OURS): compact}, base, PATH, OURS.after)
    assert after == files_of(CREATE, CLEAN, OURS)
    # Edited and unpublished: what it said is not known any more.
    steps, after = repaired({**base, name_of(OURS): compact[:-9], "notes.txt": b"x"}, base, PATH, OURS.after)
    assert [step.action for step in steps] == ["remove", "remove", "write"]
    assert written(steps) == ("modify", None)


def test_repair_of_a_good_log_is_nothing() -> None:
    files = files_of(*STORY)
    assert repaired(files, files, RENAME.path, RENAME.after)[0] == []
    assert repaired({}, {}, None, None)[0] == []


def test_repair_from_files_that_no_base_shows() -> None:
    lost = {name_of(entry): render(entry) for entry in (CLEAN, OURS)}
    steps = repair_plan(read_log(DATASET, files_of(CREATE)), None, lost, path=PATH, digest=content(1).mapping())
    assert [step.data for step in steps[:2]] == [render(CLEAN), render(OURS)]
    assert written(steps) == ("revert", entry_id(OURS))


def test_repair_does_not_bring_back_what_is_not_an_entry() -> None:
    log = read_log(DATASET, files_of(CREATE))
    lost = {"x.json": b"x", f"{HEX}.json": render(CLEAN), name_of(CLEAN): render(CLEAN) + b" "}
    assert repair_plan(log, None, lost, path=PATH, digest=content(1).mapping()) == []


@settings(deadline=None, max_examples=300)
@given(stories(), st.data())
def test_a_repaired_log_has_no_problems(story: Story, data: st.DataObject) -> None:
    files, path, digest = story
    names = sorted(files)
    log = read_log(DATASET, files)
    # The base is any published past of this log: closed under parents.
    published = data.draw(st.lists(st.sampled_from(names), max_size=3))
    base: Files = {}
    todo = [name[:64] for name in published]
    while todo:
        name = todo.pop()
        base[f"{name}.json"] = files[f"{name}.json"]
        todo.extend(log.entries[name].parents)
    # Here, some entries are gone, some torn, some reformatted; the data may be anything.
    here: Files = {}
    for name in names:
        original = files[name] or b""
        fate = data.draw(st.sampled_from(["kept", "kept", "kept", "gone", "torn", "reformatted", "link"]))
        if fate != "gone":
            compact = json.dumps(json.loads(original)).encode()
            here[name] = {"torn": original[:-9], "reformatted": compact, "link": None}.get(fate, original)
    if data.draw(st.booleans()):
        here["sub/x.json"] = b"{}"
    if data.draw(st.booleans()):
        digest = data.draw(st.sampled_from([None, content(0), content(50)]))
    path = None if digest is None else path or PATH
    _, after = repaired(here, base, path, digest)
    mapping = None if digest is None else digest.mapping()
    assert repair_plan(read_log(DATASET, after), read_log(DATASET, base), {}, path=path, digest=mapping) == []
