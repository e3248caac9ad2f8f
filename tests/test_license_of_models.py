"""Licences of models against those of their training data: at the boundary, in real repositories."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

from clock import within
from conftest import HOOKS, ROWS, Repo, documented
from git_custody.models.cards import Fault, Statement, read_card, read_readme

WEIGHTS = b"\x00\x00"
FOLDER = "models/m/modelcard.yaml"
FILE = "models/m/model.onnx.modelcard.yaml"
README = "models/m/README.md"
CONFLICT, REVIEW = "model-license-conflict", "model-license-not-reviewed"
UNRESOLVED, UNREADABLE = "unresolved-training-data", "unreadable-model-card"
OURS = {CONFLICT, REVIEW, UNRESOLVED, UNREADABLE, "missing-attribution"}
ASKING = "version: 1\nlicenses: {review: ['X-*', 'LicenseRef-*']}\n"
ALLOWING = "version: 1\nlicenses: {allow: [MIT, 'CC-*']}\n"

Files = dict[str, "str | bytes"]


def data(name: str = "songs", license: str = "CC-BY-NC-4.0", url: str = "", extra: str = "") -> Files:
    files = documented(f"data/{name}.csv", ROWS, id=name, title="Songs of tests")
    card = f"data/{name}.csv.datacard.yaml"
    text = str(files[card]).replace("license: CC-BY-4.0", f"license: {license}") + extra
    if url:
        text = text.replace(
            "{kind: original, publisher: Example Lab}",
            f"{{kind: public-download, publisher: Example, url: '{url}', retrieved: '2026-01-02'}}",
        )
    return {**files, card: text}


def model(license: str = "MIT", *ids: str, place: str = FOLDER, extra: str = "") -> Files:
    entries = "".join(f"  - {one if one.startswith('{') else f'{{id: {one}}}'}\n" for one in ids or ("songs",))
    stated = f"license: {license}\n" if license else ""
    card = f"kind: model-card\nversion: 1\n{stated}training:\n  data:\n{entries}{extra}"
    return {place: card, "models/m/notes.txt": "Weights are elsewhere.\n"}


def readme(license: str = "mit", datasets: str = "[songs]", extra: str = "", place: str = README) -> Files:
    said = f"license: {license}\n" if license else ""
    return {place: f"---\n{said}datasets: {datasets}\n{extra}---\n# A model\n", "models/m/model.onnx": WEIGHTS}


def found(repo: Repo, *words: str) -> list[tuple[str, str]]:
    """What our rules say: rule and path. Whether weights of two bytes are a model, others say."""
    report = repo.check(*words).report
    assert report["errors"] == []
    return sorted((f["rule"], f["path"]) for f in report["findings"] if f["rule"] in OURS and f["blocks"])


def everywhere(repo: Repo) -> list[tuple[str, str]]:
    """The same before the commit, over its range, and of everything."""
    before = found(repo)
    base = repo.git("rev-parse", "HEAD")
    repo.commit()
    assert found(repo, "--range", f"{base}...HEAD") == before
    assert found(repo, "--all") == before
    return before


# ---------------------------------------------------------------------- our model cards


@pytest.mark.parametrize("place", [FOLDER, FILE])
@pytest.mark.parametrize(
    ("its", "license", "rules"),
    [
        ("CC-BY-NC-4.0", "MIT", [CONFLICT]),
        ("CC-BY-NC-4.0", "MIT OR CC-BY-NC-4.0", [CONFLICT]),
        ("CC-BY-NC-4.0", "cc-by-nc-4.0", []),
        ("CC-BY-NC-4.0 OR CC-BY-4.0", "MIT", []),
        ("CC-BY-NC-4.0", "LicenseRef-internal", []),
        ("LicenseRef-hf-openrail", "MIT", [CONFLICT]),
        ("LicenseRef-hf-openrail", "LicenseRef-hf-bigscience-openrail-m", []),
        ("CC-BY-SA-4.0", "MIT", []),
        ("CC-BY-ND-4.0", "MIT", []),
        ("C-UDA-1.0", "MIT", []),
        ("CC0-1.0", "", []),
        ("LicenseRef-own", "MIT", []),
    ],
)
def test_models(repo: Repo, its: str, license: str, rules: list[str], place: str) -> None:
    repo.commit(data(license=its))
    repo.stage(model(license, place=place))
    assert everywhere(repo) == [(rule, place) for rule in rules]


@pytest.mark.parametrize(
    ("its", "license", "said"),
    [
        ("CC-BY-SA-4.0", "MIT", "whether a model is derived data is disputed"),
        ("CC-BY-SA-4.0", "CC-BY-SA-4.0", ""),
        ("CC-BY-ND-4.0", "MIT", "whether a model is that is disputed"),
        ("CC-BY-ND-4.0", "CC-BY-ND-4.0", "whether a model is that is disputed"),
        ("CDLA-Sharing-1.0", "MIT", ""),
        ("LicenseRef-own", "MIT", "what LicenseRef-own asks of models is not known"),
        ("CC-BY-NC-4.0", "LicenseRef-internal", "allows no commercial use"),
        ("CC-BY-NC-4.0", "", "the licence of the model is not known"),
        ("CC-BY-4.0", "", ""),
    ],
)
def test_what_is_open_is_for_review_where_the_policy_has_lists(repo: Repo, its: str, license: str, said: str) -> None:
    repo.commit({".custody/policy.yaml": ASKING, **data(license=its), "LICENSES/LicenseRef-own.txt": "Ask.\n"})
    repo.stage(model(license))
    message = next((f["message"] for f in repo.check().report["findings"] if f["rule"] == REVIEW), "")
    assert (said in message) if said else not message
    assert everywhere(repo) == ([(REVIEW, FOLDER)] if said else [])


def test_data_elsewhere(repo: Repo) -> None:
    elsewhere = "{{url: 'https://example.org/x'{}}}"
    repo.stage(model("MIT", elsewhere.format(", license: CC-BY-NC-4.0")))
    assert everywhere(repo) == [(CONFLICT, FOLDER)]
    repo.stage(model("MIT", elsewhere.format("")))
    assert everywhere(repo) == []
    repo.stage({".custody/policy.yaml": ASKING})
    repo.commit()
    assert found(repo, "--all") == [(REVIEW, FOLDER)]


def test_what_the_message_says(repo: Repo) -> None:
    repo.commit({**data(), **data("poems", "CC-BY-4.0")})
    repo.stage(model("MIT", "poems", "songs"))
    (finding,) = repo.check().report["findings"]
    assert finding["message"] == '"songs", which it was trained on: CC-BY-NC-4.0 allows no commercial use, and MIT does'
    assert (finding["line"], finding["found"]) == (7, "license: MIT")


def test_credit_is_asked_for_from_level_two(repo: Repo) -> None:
    repo.commit(data(license="CC-BY-4.0", extra="personal_data: none\n"))
    repo.stage(model())
    assert found(repo) == []
    repo.commit({".custody/policy.yaml": "version: 1\nlevel: 2\n"})
    assert found(repo, "--all") == [("missing-attribution", FOLDER)]
    repo.stage(model("MIT", "songs", "{id: songs, role: evaluate}"))
    (message,) = [f["message"] for f in repo.check().report["findings"] if f["rule"] == "missing-attribution"]
    assert '("songs")' in message
    repo.stage(model(extra="attribution: Songs by Example Lab\n"))
    assert everywhere(repo) == []


def test_free_results_ask_for_no_credit(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": "version: 1\nlevel: 2\n", **data(license="CDLA-Permissive-1.0")})
    repo.stage(model())
    assert found(repo) == []


def test_a_dataset_that_is_nowhere(repo: Repo) -> None:
    repo.commit(data(license="MIT"))
    repo.stage(model("MIT", "song"))
    assert 'did you mean "songs"?' in repo.check(text=True).out.replace('\\"', '"')
    assert everywhere(repo) == [(UNRESOLVED, FOLDER)]


def test_a_dataset_that_goes(repo: Repo) -> None:
    repo.commit({**data(), **model("CC-BY-NC-4.0")})
    repo.git("rm", "-q", "data/songs.csv", "data/songs.csv.datacard.yaml")
    assert everywhere(repo) == [(UNRESOLVED, FOLDER)]


def test_a_conflict_does_not_end_with_the_data(repo: Repo) -> None:
    repo.commit({**data(), **model("CC-BY-NC-4.0")})
    repo.git("rm", "-q", "data/songs.csv", "data/songs.csv.datacard.yaml")
    repo.stage(model("MIT", "{id: songs, license: CC-BY-4.0}"))
    assert (CONFLICT, FOLDER) in found(repo)


def test_a_dataset_that_is_gone_and_logged(repo: Repo) -> None:
    repo.commit({**data(), **model("CC-BY-NC-4.0")})
    repo.custody("audit", "add", "--op", "create", "--reason", "first import", "data/songs.csv")
    repo.commit()
    repo.git("rm", "-q", "data/songs.csv", "data/songs.csv.datacard.yaml")
    (said,) = (f["message"] for f in repo.check().report["findings"] if f["rule"] == UNRESOLVED)
    assert "add license: CC-BY-NC-4.0 to it in training.data" in said
    repo.stage(model("CC-BY-NC-4.0", "{id: songs, license: CC-BY-NC-4.0}"))
    assert everywhere(repo) == []
    repo.stage(model("MIT", "{id: songs, license: CC-BY-NC-4.0}"))
    assert everywhere(repo) == [(CONFLICT, FOLDER)]


# ---------------------------------------------------------------------- the change may be elsewhere


@pytest.mark.parametrize("files", [model(), readme()])
def test_data_that_get_another_licence(repo: Repo, files: Files) -> None:
    repo.commit({**data(license="CC-BY-4.0"), **files, **data("poems")})
    repo.stage(data(license="CC-BY-NC-4.0"))
    assert everywhere(repo) == [(CONFLICT, next(iter(files)))]


def test_other_edits_of_a_data_card_ask_nothing(repo: Repo) -> None:
    repo.commit({**data(), **model()})
    repo.stage(data(extra="description: Songs that were written for tests.\n"))
    assert found(repo) == []


def test_data_that_come_after_their_model(repo: Repo) -> None:
    repo.commit(readme(datasets="[example/songs]"))
    repo.stage(data("tunes", url="https://huggingface.co/datasets/example/songs"))
    assert everywhere(repo) == [(CONFLICT, README)]


def test_a_card_that_gives_way_to_a_readme(repo: Repo) -> None:
    repo.commit({**data(), **readme(), **model("CC-BY-NC-4.0", place=FILE)})
    assert found(repo, "--all") == []
    repo.git("rm", "-q", FILE)
    assert everywhere(repo) == [(CONFLICT, README)]


def test_a_model_that_comes_to_a_readme(repo: Repo) -> None:
    files = readme()
    weights = files.pop("models/m/model.onnx")
    repo.commit({**data(), **files})
    assert found(repo, "--all") == []
    repo.stage({"models/m/onnx/model.onnx": weights})
    assert everywhere(repo) == [(CONFLICT, README)]


def test_a_licence_that_leaves_the_readme(repo: Repo) -> None:
    repo.commit({".custody/policy.yaml": ASKING, **data(), **model(""), **readme("cc-by-nc-4.0")})
    assert found(repo, "--all") == []
    repo.stage({README: "# A model\n"})
    assert everywhere(repo) == [(REVIEW, FOLDER)]


# ---------------------------------------------------------------------- README.md


@pytest.mark.parametrize(
    ("its", "license", "datasets", "extra", "rules"),
    [
        ("CC-BY-NC-4.0", "mit", "[songs]", "", [CONFLICT]),
        ("CC-BY-NC-4.0", "mit", "songs", "", [CONFLICT]),
        ("CC-BY-NC-4.0", "[mit]", "\n- example/songs", "", [CONFLICT]),
        ("CC-BY-NC-4.0", "mit", "[Example/Songs]", "", [CONFLICT]),
        ("CC-BY-NC-4.0", "mit", "['https://huggingface.co/datasets/example/songs']", "", [CONFLICT]),
        ("CC-BY-NC-4.0", "gpl-3.0", "[songs]", "", [CONFLICT]),
        ("CC-BY-NC-4.0", "other", "[songs]", "license_name: apache-2.0\n", [CONFLICT]),
        ("CC-BY-NC-4.0", "other", "[songs]", "license_name: ours\n", []),
        ("CC-BY-NC-4.0", "cc", "[songs]", "", []),
        ("CC-BY-NC-4.0", "cc-by-nc-4.0", "[songs]", "", []),
        ("CC-BY-NC-4.0", "mit", "[other/songs, stanfordnlp/imdb]", "", []),
        ("CC-BY-NC-4.0", "mit", "[songs]", "sdk: gradio\n", []),
        ("CC-BY-SA-4.0", "mit", "[songs]", "", []),
        ("CC-BY-4.0", "mit", "[songs]", "", []),
    ],
)
def test_readmes(repo: Repo, its: str, license: str, datasets: str, extra: str, rules: list[str]) -> None:
    repo.commit(data(license=its, url="https://huggingface.co/datasets/example/songs/resolve/main/songs.csv"))
    repo.stage(readme(license, datasets, extra))
    assert everywhere(repo) == [(rule, README) for rule in rules]


@pytest.mark.parametrize("text", ["---\r\nlicense: mit\r\ndatasets: [songs]\r\n---\r\n", "\n\n---\nlicense: mit\n"
                                  "datasets: [songs]\n---\n", "\ufeff---\nlicense: mit\ndatasets:\n  - songs\n---"])  # fmt: skip
def test_readmes_as_editors_write_them(repo: Repo, text: str) -> None:
    repo.commit({**data(), "models/m/model.onnx": WEIGHTS})
    repo.stage({README: text})
    assert everywhere(repo) == [(CONFLICT, README)]


def test_a_readme_without_a_model_is_none(repo: Repo) -> None:
    repo.commit(data())
    repo.stage({"docs/README.md": readme()[README]})
    assert everywhere(repo) == []


def test_a_readme_above_its_models(repo: Repo) -> None:
    repo.commit(data())
    repo.stage({"README.md": readme()[README], "unet/model.safetensors.dvc": "outs: []\n"})
    assert everywhere(repo) == [(CONFLICT, "README.md")]


@pytest.mark.parametrize(
    ("policy", "rules"),
    [("version: 1\n", []), (ASKING, []), ("version: 1\nlicenses: {deny: [MIT-0]}\n", []), (ALLOWING, [REVIEW])],
)
def test_data_of_the_hub_without_a_card(repo: Repo, policy: str, rules: list[str]) -> None:
    repo.commit({".custody/policy.yaml": policy})
    repo.stage(readme(datasets="[stanfordnlp/imdb, other/songs]"))
    assert everywhere(repo) == [(rule, README) for rule in rules]


@pytest.mark.parametrize("place", [FOLDER, FILE, "models/modelcard.yaml"])
def test_our_card_wins(repo: Repo, place: str) -> None:
    repo.commit({**data(), **data("poems", "CC-BY-4.0")})
    repo.stage({**readme(), **model("MIT", "poems", place=place)})
    assert everywhere(repo) == []


@pytest.mark.parametrize("place", [FOLDER, FILE])
def test_one_fills_in_what_the_other_leaves_out(repo: Repo, place: str) -> None:
    repo.commit(data())
    repo.stage({**readme("mit", "[poems]"), **model("", place=place)})
    assert everywhere(repo) == [(CONFLICT, place)]
    repo.stage({**readme("mit", "[songs]"), place: "kind: model-card\nversion: 1\nlicense: CC-BY-NC-4.0\n"})
    assert everywhere(repo) == []
    repo.stage({**readme("cc-by-nc-4.0", "[songs]"), place: "kind: model-card\nversion: 1\nlicense: MIT\n"})
    assert everywhere(repo) == [(CONFLICT, README)]


def test_a_card_of_another_model_excuses_nothing(repo: Repo) -> None:
    repo.commit(data())
    repo.stage({**readme(), **model("CC-BY-NC-4.0", place=FILE), "models/m/second.onnx": WEIGHTS})
    assert everywhere(repo) == [(CONFLICT, README)]


# ---------------------------------------------------------------------- what cannot be read


LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 7\n"
BOMB = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(50)) + "training: {data: *a}\n"
HEAD = "kind: model-card\nversion: 1\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LFS, "a pointer stands here"),
        (BOMB, "anchors are not read"),
        (f"{HEAD}training: [\n", "closed"),
        ("", "there is nothing in this file"),
        ("- a\n", "a group of fields"),
        ("license: MIT\ntraining: {data: [{id: songs}]}\n", "does not say kind: model-card"),
        ("kind: model-card\nversion: 2\n", "version has to be 1, and is 2"),
        ("kind: model-card\nversion: true\n", "version has to be 1"),
        (f"{HEAD}license: [MIT]\n", "license has to be text, and is a list"),
        (f"{HEAD}license: gpl-3\ntraining: {{data: [{{id: songs}}]}}\n", "gpl-3"),
        (f"{HEAD}training: songs\n", "a group of fields"),
        (f"{HEAD}training: {{data: songs}}\n", "has to be a list"),
        (f"{HEAD}training: {{data: [songs]}}\n", "needs the id of a dataset here"),
        (f"{HEAD}training: {{data: [{{id: 7}}]}}\n", "id in training.data has to be text, and is 7"),
        (f"{HEAD}training: {{data: [{{url: 'https://example.org', license: free}}]}}\n", "free"),
        ("\x00" * 300_000, "more than the 262144 bytes"),
    ],
)
def test_cards_that_cannot_be_read(repo: Repo, text: str, said: str) -> None:
    repo.commit(data())
    repo.stage({FOLDER: text})
    (finding,) = (f for f in repo.check().report["findings"] if f["rule"] == UNREADABLE)
    assert said in finding["message"]
    assert everywhere(repo) == [(UNREADABLE, FOLDER)]


@pytest.mark.parametrize("text", ["model: another tool's\n", "kind: other\ntraining: by hand\n", f"{HEAD}later: [x]\n"])
def test_cards_that_say_nothing_of_data(repo: Repo, text: str) -> None:
    repo.stage({FOLDER: text})
    assert everywhere(repo) == []


@pytest.mark.parametrize("name", ["models/m/modelcard.yml", "models/m/ModelCard.yaml", "models/m/x.onnx.modelcard.yml"])
def test_cards_under_other_names(repo: Repo, name: str) -> None:
    repo.stage({name: model()[FOLDER]})
    assert everywhere(repo) == [(UNREADABLE, name)]


def test_a_card_that_is_a_link(repo: Repo) -> None:
    repo.stage({"models/card.txt": model("CC-BY-NC-4.0")[FOLDER], **data()})
    (repo.path / "models/m").mkdir()
    os.symlink("../card.txt", repo.path / FOLDER)
    repo.git("add", FOLDER)
    assert everywhere(repo) == [(UNREADABLE, FOLDER)]


def test_readmes_that_are_links(repo: Repo) -> None:
    repo.stage({"docs/m.md": readme()[README], "models/m/model.onnx": WEIGHTS, "models/n/model.onnx": WEIGHTS})
    (repo.path / "models/o").mkdir()
    for folder, target in (("m", "../../docs/m.md"), ("n", "../../README.md"), ("o", "/etc/passwd")):
        os.symlink(target, repo.path / f"models/{folder}/README.md")
    repo.git("add", "models")
    assert everywhere(repo) == [(UNREADABLE, README)]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        (LFS, [UNREADABLE]),
        ("---\nlicense: mit\ndatasets: [songs\n---\n", [UNREADABLE]),
        ("---\nlicense: mit\nx: &d [songs]\ndatasets: *d\n---\n", [UNREADABLE]),
        ("---\nx: &l mit\ndatasets: [songs]\nlicense: *l\n---\n", [UNREADABLE]),
        ("---\nx: &x {datasets: [songs], license: mit}\n<<: *x\n---\n", [UNREADABLE]),
        ("---\nlicense: mit\ndatasets: [{name: songs}]\n---\n", [UNREADABLE]),
        ("---\nlicense: mit\ndatasets: " + "[" * 3000 + "\n---\n", [UNREADABLE]),
        ("---\nlicense: mit\ndatasets: [" + "a/b, " * 30_000 + "]\n---\n", []),
        ('---\nlicense: mit\n"data\\x73ets": [songs]\n---\n', [CONFLICT]),
        ("---\nlicense: mit\ndatasets:\nwidget: '*a*'\n---\n", []),
        ("---\nlicense: mit\ndatasets:\nwidget: a\n---\n", []),
        ("---\nlicense: [mit\n---\n", []),
        ("---\nJust a line above.\n", []),
        ("---\n" + "x: y\n" * 300_000 + "datasets: [songs]\n---\n", [UNREADABLE]),
    ],
)
def test_readmes_that_cannot_be_read(repo: Repo, text: str, rules: list[str]) -> None:
    repo.commit({**data(), "models/m/model.onnx": WEIGHTS})
    repo.stage({README: text})
    assert everywhere(repo) == [(rule, README) for rule in rules]


# ---------------------------------------------------------------------- waivers, bounds, cost


def test_a_waiver(repo: Repo) -> None:
    repo.commit({**data(), **model()})
    expires = (datetime.now(timezone.utc) + timedelta(days=30)).date().isoformat()
    done = repo.custody("waive", CONFLICT, FOLDER, "--reason", "The label agreed.", "--expires", expires)
    assert done.code == 0, done.err
    assert found(repo, "--all") == []
    report = repo.check("--all").report
    assert [f["rule"] for f in report["findings"] if f.get("waived_by")] == [CONFLICT]


def test_thousands_of_open_questions_hide_no_conflict(repo: Repo) -> None:
    urls = [f"{{url: 'https://example.org/{number}'}}" for number in range(500)]
    repo.commit({".custody/policy.yaml": ASKING, **data()})
    repo.stage(model("MIT", *urls, "songs"))
    rules = [f["rule"] for f in repo.check().report["findings"]]
    assert (rules.count(REVIEW), rules.count(CONFLICT)) == (20, 1)


def test_any_bytes_can_be_asked() -> None:
    texts = [b"\xff\xfe", b"---\n\xff: [\n---\n", b"---\ndatasets: [" + b"x," * 200_000 + b"]\n---\n",
             b"---\n" + b"a: &a [x]\n" * 20_000 + b"---\n", b"[" * 100_000, b"kind: model-card\nversion: 1\n" + b"a: " * 99_999]  # fmt: skip
    with within(10):
        for raw in texts:
            assert isinstance(read_card(raw), Fault)
            assert read_readme("README.md", raw) is None or isinstance(read_readme("README.md", raw), Fault | Statement)


def test_many_folders_and_readmes_take_no_time(repo: Repo) -> None:
    files: Files = {**data()}
    for number in range(300):
        folder = f"models/{number}/" + "d/" * 40
        files |= {f"{folder}model.onnx": WEIGHTS, f"models/{number}/README.md": readme(datasets="[a/b]")[README]}
    repo.stage(files)
    assert found(repo) == []


def test_a_change_without_cards_reads_nothing_of_models(repo: Repo) -> None:
    def imported() -> set[str]:
        done = subprocess.run(
            (sys.executable, "-X", "importtime", "-m", "git_custody", "check"), cwd=repo.path, capture_output=True,
            env={**os.environ, "PYTHONPATH": str(HOOKS)}, check=False,
        )  # fmt: skip
        return {line.rpartition(b"|")[2].strip().decode() for line in done.stderr.splitlines()}

    repo.commit({**data(), **model(), **readme()})
    repo.stage({"src/main.py": "print()\n", "models/m/notes.txt": "Other notes.\n"})
    assert "git_custody.models.survey" not in imported()
    repo.stage({"README.md": "Another text.\n"})
    assert "git_custody.models.cards" not in imported()
    repo.stage(data(extra="description: Songs that were written for tests.\n"))
    assert "git_custody.models.cards" not in imported()
    repo.stage({README: "A model.\n"})
    assert "git_custody.models.cards" in imported()
