"""Loads of data in code: which are found, which are left alone, and which cards document them."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clock import within
from conftest import ROWS, Repo, documented
from git_custody.datasets.catalogues import covers, names_of, names_of_load
from git_custody.datasets.data_loads import LARGEST, Load, loads

LEVEL_3 = {".custody/policy.yaml": "version: 1\nlevel: 3\n"}


def found(code: str) -> list[tuple[str, str]]:
    return [(load.kind, load.name) for load in loads(code.encode(), is_notebook=False)]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('from datasets import load_dataset\nd = load_dataset("org/name", split="train")', ("hub", "org/name")),
        ('import datasets\ndatasets.load_dataset(path="squad")', ("hub", "squad")),
        ('import datasets as ds\nds.load_dataset("csv", data_files="data/x.csv")', ("path", "data/x.csv")),
        ('import datasets as ds\nds.load_dataset("csv", data_files={"train": ["data/x.csv"]})', ("path", "data/x.csv")),
        (
            'from huggingface_hub import hf_hub_download as get\nget("org/name", "x.csv", repo_type="dataset")',
            ("hub", "org/name"),
        ),
        (
            'import huggingface_hub as hub\nhub.snapshot_download(repo_id="org/name", repo_type="dataset")',
            ("hub", "org/name"),
        ),
        ('import datasets\ndatasets.load_from_disk("data/x")', ("path", "data/x")),
        ('import datasets\ndatasets.Dataset.from_csv("data/x.csv")', ("path", "data/x.csv")),
        ('import pandas as pd\npd.read_csv("https://e.org/x.csv")', ("path", "https://e.org/x.csv")),
        ("import pandas\npandas.read_parquet(path='x.parquet')", ("path", "x.parquet")),
        ("from pandas import read_json as rj, read_csv\nread_csv('x.csv')", ("path", "x.csv")),
        ("import polars as pl\npl.scan_parquet('x.parquet')", ("path", "x.parquet")),
        ("import dask.dataframe as dd\ndd.read_csv('x.csv')", ("path", "x.csv")),
        ("import pyarrow.parquet as pq\npq.read_table('x.parquet')", ("path", "x.parquet")),
        ("import pyarrow.parquet\npyarrow.parquet.read_table('x.parquet')", ("path", "x.parquet")),
        ("import numpy as np\nnp.load('x.npy')", ("path", "x.npy")),
        ("open('data/x.csv')", ("path", "data/x.csv")),
        ("with open('data/x.csv', mode='rb') as f:\n  pass", ("path", "data/x.csv")),
        ("import tensorflow_datasets as tfds\ntfds.load('mnist:3.*.*')", ("tfds", "mnist:3.*.*")),
        ("import kagglehub\nkagglehub.dataset_download('o/n')", ("kaggle", "o/n")),
        ("from sklearn.datasets import fetch_openml\nfetch_openml(data_id=61)", ("openml", "61")),
        ("from sklearn.datasets import fetch_openml\nfetch_openml('iris', version=1)", ("openml", "iris")),
        ("from urllib.request import urlretrieve\nurlretrieve('https://e.org/x.csv', 'x')", ("path", "https://e.org/x.csv")),
        ("import dvc.api\ndvc.api.read('data/x.csv')", ("path", "data/x.csv")),
        ("import pandas as pd\nasync def f():\n  for x in y:\n    (await g)[pd.read_csv('x.csv')]", ("path", "x.csv")),
        ("# coding: latin-1\nimport pandas as pd\npd.read_csv('x.csv')  # ok", ("path", "x.csv")),
        ("\ufeffimport pandas as pd\npd.read_csv('x.csv')", ("path", "x.csv")),
        ("import pandas as pd\nx = '\\d'\npd.read_csv('x.csv')", ("path", "x.csv")),
    ],
)  # fmt: skip
def test_a_load(code: str, expected: tuple[str, str]) -> None:
    assert found(code) == [expected]


@pytest.mark.parametrize(
    "code",
    [
        'load_dataset("org/name")',  # from nowhere
        'def load_dataset(name): ...\nload_dataset("org/name")',
        'from datasets import load_dataset\ndef load_dataset(name): ...\nload_dataset("org/name")',
        'from .datasets import load_dataset\nload_dataset("org/name")',
        'from ours import load_dataset\nload_dataset("org/name")',
        'from datasets import load_dataset\nload_dataset(NAME)',
        'from datasets import load_dataset\nload_dataset(f"org/{name}")',
        'from datasets import load_dataset\nload_dataset("org/" + name)',
        'from datasets import load_dataset\nload_dataset(*["org/name"])',
        'from datasets import load_dataset\nload_dataset("csv", data_files=files)',
        'from datasets import load_dataset\nload_dataset("not an id")',
        'from huggingface_hub import hf_hub_download\nhf_hub_download("org/name", "x.bin")',
        'from huggingface_hub import hf_hub_download\nhf_hub_download("org/name", "x.bin", repo_type=KIND)',
        'from huggingface_hub import snapshot_download\nsnapshot_download("org/name", repo_type="model")',
        'from torchvision import datasets\ndatasets.MNIST("data")',
        'from torchvision import datasets\ndatasets.load_dataset("org/name")',
        "import pandas as pd\npd = other\npd.read_csv('x.csv')",
        "import pandas as pd\ndef f(pd): return pd.read_csv('x.csv')",
        "import pandas as pd\npd.read_csv(path)\npd.read_csv(StringIO('a,b'))\npd.read_csv(b'x.csv')",
        "import pandas as pd\npd.DataFrame().to_csv('x.csv')",
        "import pandas as pd\nself.pd.read_csv('x.csv')",
        "import pandas as pd\n# pd.read_csv('x.csv')\n'''pd.read_csv('x.csv')'''",
        "from gzip import open\nopen('x.csv')",
        "open('x.csv', 'w')", "open('x.csv', mode='a')", "open('x.csv', 'r+')", "open('x.csv', mode)",
        "import dvc.api\ndvc.api.open('x.csv', repo='https://e.org/r')",
        "import pandas as pd\nprint 'Python 2'\npd.read_csv('x.csv')",
        "import pandas as pd\npd.read_csv('x.csv'",
        "import pandas as pd\npd.read_csv('{{ cookiecutter.name }}.csv')\n{% if x %}",
        "import pandas as pd\n\0pd.read_csv('x.csv')",
        "",
    ],
)  # fmt: skip
def test_code_that_is_left_alone(code: str) -> None:
    assert found(code) == []


def notebook(*cells: str | list[str], format: int = 4) -> bytes:
    if format == 3:
        inside = [{"cell_type": "code", "input": cell} for cell in cells]
        return json.dumps({"nbformat": 3, "worksheets": [{"cells": inside}]}).encode()
    return json.dumps({"nbformat": 4, "cells": [{"cell_type": "code", "source": cell} for cell in cells]}).encode()


@pytest.mark.parametrize("format", [3, 4])
def test_a_notebook(format: int) -> None:
    raw = notebook(
        ["%matplotlib inline\n", "!pip install pandas\n", "import pandas as pd"],
        "this is broken (",
        "%%bash\npython -c \"pd.read_csv('shell.csv')\"",
        "%%time\npd.read_csv?\ndf = pd.read_csv('x.csv')",
        "pd.read_csv('x.csv')",
        format=format,
    )
    assert loads(raw, is_notebook=True) == (Load("path", "x.csv", "pandas.read_csv", 3, 4),)


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{", b'{"cells": 1}', b'{"cells": [1, {"cell_type": "code", "source": [1]}]}', b"[" * 100_000]
)
def test_what_is_no_notebook(raw: bytes) -> None:
    assert loads(raw + b"pd.read_csv(", is_notebook=True) == ()
    assert loads(raw, is_notebook=True) == ()


HEAD = "import pandas as pd\npd.read_csv('x.csv')\n"


@pytest.mark.parametrize(
    "part",
    ["a{}", "({})", "[{}]", "-{}", "not {}", "lambda: {}", "x if {} else y", "f({})", "{{0: {}}}", "(a\n+ {})"],
)
def test_code_nested_beyond_measure_costs_little(part: str) -> None:
    before, _, after = part.replace("{{", "\1").replace("}}", "\2").partition("{}")
    depth = 400_000 // len(part)
    with within(20):
        loads(
            (HEAD + (before * depth + "1" + after * depth).replace("\1", "{").replace("\2", "}")).encode(),
            is_notebook=False,
        )


@pytest.mark.parametrize(
    "tail", [".b", "[0]", "()", "+a", "@a", "\\\n+a", ".\nb", " . b", '+"a"', "#\n.b", "**a", "<<a"]
)
def test_a_chain_that_no_parser_should_see(tail: str) -> None:
    code = f"{HEAD}(a{tail * (900_000 // len(tail))})\n"
    with within(20):
        assert found(code) == []


def test_a_table_of_numbers_is_no_chain() -> None:
    rows = ",\n".join("[-1.5, .25, 1e-5, 3, (4, 5.), 'a(b', \"c[\"]" for _ in range(5000))
    assert found(f"{HEAD}x = [{rows}]\n") == [("path", "x.csv")]


def test_long_files_are_not_read() -> None:
    assert found(HEAD + "#" * LARGEST) == []


@given(st.text(alphabet="pd.read_csv('x')\"\\\n#([]){}= \tfrimport ", max_size=200))
def test_no_text_breaks_the_search(text: str) -> None:
    found(HEAD + text)
    loads(notebook(HEAD + text), is_notebook=True)
    loads(text.encode(), is_notebook=True)


# ---------------------------------------------------------------------- names of one dataset


@pytest.mark.parametrize(
    ("kind", "name", "address"),
    [
        ("hub", "org/name", "https://huggingface.co/datasets/org/name"),
        ("hub", "Org/Name", "https://huggingface.co/datasets/org/name/resolve/main/x.parquet"),
        ("hub", "org/name", "hf://datasets/org/name@main/x.parquet"),
        ("hub", "org/name", "pkg:huggingface/org/name@abc"),
        ("hub", "squad", "https://huggingface.co/datasets/rajpurkar/squad"),
        ("hub", "rajpurkar/squad", "https://huggingface.co/datasets/squad"),
        ("kaggle", "o/n/versions/3", "https://www.kaggle.com/datasets/o/n"),
        ("openml", "61", "https://www.openml.org/d/61"),
        ("openml", "61", "https://www.openml.org/search?type=data&sort=runs&id=61&status=active"),
        ("tfds", "mnist/x:3.*.*", "https://www.tensorflow.org/datasets/catalog/mnist"),
        ("path", "https://e.org/a/x.csv?raw=1", "https://e.org/a"),
        ("path", "https://e.org/x.csv", "https://E.org:443/x.csv#y"),
        ("path", "https://raw.githubusercontent.com/o/n/main/x.csv", "https://github.com/o/n"),
        ("path", "https://raw.githubusercontent.com/o/n/main/x.csv", "https://github.com/o/n.git"),
        ("path", "https://zenodo.org/records/1/files/x.csv", "doi:10.5281/zenodo.1"),
        ("path", "https://zenodo.org/api/records/1/files/x.csv/content", "https://zenodo.org/record/1"),
        ("path", "hf://datasets/org/name/x.csv", "https://huggingface.co/datasets/org/name"),
    ],
)
def test_one_dataset_under_several_names(kind: str, name: str, address: str) -> None:
    assert covers(names_of(address), names_of_load(kind, name))


@pytest.mark.parametrize(
    ("kind", "name", "address"),
    [
        ("hub", "org/name", "https://huggingface.co/datasets/org/other"),
        ("hub", "org/name", "https://huggingface.co/org/name"),
        ("hub", "org/name", "https://huggingface.co.evil.example/datasets/org/name"),
        ("hub", "a/name", "https://huggingface.co/datasets/b/name"),
        ("path", "https://e.org/a/x.csv", "https://e.org/a/y.csv"),
        ("path", "https://e.org/ab/x.csv", "https://e.org/a"),
        ("path", "https://zenodo.org/records/12", "doi:10.5281/zenodo.1"),
        ("path", "https://raw.githubusercontent.com/o/m/main/x.csv", "https://github.com/o/n"),
    ],
)
def test_other_datasets(kind: str, name: str, address: str) -> None:
    assert not covers(names_of(address), names_of_load(kind, name))


# ---------------------------------------------------------------------- the rule

LOAD = 'from datasets import load_dataset\n\nd = load_dataset("org/name")\n'


@pytest.fixture
def strict(repo: Repo) -> Repo:
    repo.commit(LEVEL_3)
    return repo


def undocumented(repo: Repo, *words: str) -> list[tuple[str, str]]:
    report = repo.check(*words).report
    assert report["errors"] == []
    return [(f["path"], f["message"]) for f in report["findings"] if f["rule"] == "undocumented-data-load"]


def test_a_load_without_a_card(strict: Repo) -> None:
    strict.stage({"src/train.py": LOAD})
    (finding,) = strict.check().report["findings"]
    assert finding["rule"] == "undocumented-data-load"
    assert finding["message"] == 'datasets.load_dataset loads "org/name", and no data card speaks of it'
    assert (finding["path"], finding["line"], finding["blocks"]) == ("src/train.py", 3, True)
    assert "--source-url https://huggingface.co/datasets/org/name " in finding["fix"][0]
    assert finding["fix"][0].endswith(" DATA_OR_POINTER")
    strict.commit()
    base = strict.git("rev-parse", "HEAD~1")
    assert len(undocumented(strict, "--range", f"{base}...HEAD")) == len(undocumented(strict, "--all")) == 1


def test_a_load_in_a_notebook_names_its_cell(strict: Repo) -> None:
    strict.stage({"a.ipynb": notebook("x = 1", LOAD)})
    (finding,) = strict.check().report["findings"]
    assert (finding["member"], "line" in finding) == ("cell 2, line 3", False)


def test_below_level_3_nothing_is_read(repo: Repo) -> None:
    repo.stage({"src/train.py": LOAD})
    assert repo.check().passes
    repo.stage({".custody/policy.yaml": "version: 1\nlevel: 2\n"})
    assert undocumented(repo) == undocumented(repo, "--all") == []


def test_only_what_the_change_adds_is_reported(strict: Repo) -> None:
    strict.commit({"src/train.py": LOAD})
    strict.stage({"src/train.py": LOAD + "x = 1\n"})
    assert undocumented(strict) == []
    strict.stage({"src/train.py": LOAD + 'load_dataset("org/other")\n'})
    assert [message for _, message in undocumented(strict)] == [
        'datasets.load_dataset loads "org/other", and no data card speaks of it'
    ]
    strict.git("mv", "src/train.py", "src/fit.py")
    assert len(undocumented(strict, "--all")) == 2
    # What was moved is not new; what was not committed is.
    assert [message.split('"')[1] for _, message in undocumented(strict)] == ["org/other"]


@pytest.mark.parametrize(
    "source",
    [
        '{kind: public-download, url: "https://huggingface.co/datasets/org/name", retrieved: "2026-01-01", publisher: L}',
        '{kind: public-download, url: "hf://datasets/Org/Name/x.csv", retrieved: "2026-01-01", publisher: L}',
        '{kind: derived, publisher: L}\nderived_from: [{url: "https://huggingface.co/datasets/org/name", relation: subset}]',
    ],
)
def test_a_card_that_names_it(strict: Repo, source: str) -> None:
    files = documented("data/rows.csv")
    card = str(files["data/rows.csv.datacard.yaml"]).replace("{kind: original, publisher: Example Lab}", source)
    strict.stage({**files, "data/rows.csv.datacard.yaml": card, "src/train.py": LOAD})
    assert undocumented(strict) == undocumented(strict, "--all") == []


def test_what_pins_data_that_are_fetched_can_have_the_card(strict: Repo) -> None:
    """The recipe of docs/sources.md."""
    strict.write("data/imdb/revision.txt", "e6281661ce1c48d982bc483cf8a173c1bbeb5d31\n")
    strict.stage({"src/train.py": LOAD})
    words = ("--title", "Film reviews, fetched at this revision", "--publisher", "Lab", "--license", "CC0-1.0")
    address = ("--source-url", "https://huggingface.co/datasets/org/name", "--reason", "the revision to begin with")
    assert strict.custody("add", "--as-one", *words, *address, "data/imdb").code in (0, 1)
    assert undocumented(strict) == undocumented(strict, "--all") == []


def test_a_card_with_that_id_will_do(strict: Repo) -> None:
    strict.stage({**documented("data/rows.csv", id="org-name"), "src/train.py": LOAD})
    assert undocumented(strict) == []


def test_paths_in_the_repository(strict: Repo) -> None:
    code = "import pandas as pd\n" + "".join(
        f"pd.read_csv('{path}')\n"
        for path in (
            "data/known.csv",
            "../data/known.csv",
            "data/new.csv",
            "x.csv",
            "nowhere.csv",
            "/etc/x.csv",
            "~/y.csv",
        )
    )
    strict.commit({**documented("data/known.csv"), "data/new.csv": ROWS})
    strict.stage({"src/train.py": code, "src/x.csv": "small\n"})
    assert undocumented(strict) == [
        ("src/train.py", "pandas.read_csv loads the file data/new.csv, and no data card speaks of it")
    ]
    # Said better where the file itself is judged.
    assert undocumented(strict, "--all") == []
    assert "missing-data-card" in strict.check("--all").rules


@pytest.mark.parametrize(
    "path",
    [
        "tests/x.py",
        "src/test_x.py",
        "src/x_test.py",
        "conftest.py",
        "docs/x.py",
        "examples/x.py",
        ".ci/x.py",
        "vendor/x.py",
        "x.txt",
    ],
)
def test_folders_that_are_left_alone(strict: Repo, path: str) -> None:
    strict.stage({path: LOAD})
    assert undocumented(strict) == undocumented(strict, "--all") == []


def test_a_package_of_the_repository_takes_the_library_s_place(strict: Repo) -> None:
    strict.stage({"datasets/__init__.py": "", "train.py": LOAD})
    assert undocumented(strict) == []


@pytest.mark.parametrize("name", ["data/imdb", "corpora/imdb", "corpora"])
def test_what_may_be_a_folder_is_left_alone(strict: Repo, name: str) -> None:
    strict.stage({"train.py": LOAD.replace("org/name", name), "corpora/README.md": "x\n"})
    assert undocumented(strict) == []


@pytest.mark.parametrize(
    ("call", "reported"),
    [
        ("pd.read_csv('https://example.org/x.csv')", True),
        ("pd.read_parquet('s3://bucket/x.parquet')", True),
        ("pd.read_csv('memory://x.csv')", False),
        ("pd.read_csv('file:///x.csv')", False),
        ("pd.read_csv('https://user@example.org/x.csv')", False),
        ("urlretrieve('https://example.org/tool.pl', 'x')", False),
        ("urlretrieve('https://example.org/x.csv.gz', 'x')", True),
        ("open('https://example.org/x.csv')", False),
    ],
)
def test_addresses(strict: Repo, call: str, reported: bool) -> None:
    strict.stage({"train.py": f"import pandas as pd\nfrom urllib.request import urlretrieve\n{call}\n"})
    assert bool(undocumented(strict)) == reported


def test_a_waiver_admits_a_load(strict: Repo) -> None:
    expires = (date.today() + timedelta(days=60)).isoformat()
    waiver = f'version: 1\nrule: undocumented-data-load\npath: train.py\nreason: an experiment\nowner: Ada\nexpires: "{expires}"\n'
    strict.stage({"train.py": LOAD, ".custody/waivers/load.yaml": waiver})
    assert undocumented(strict)
    assert "undocumented-data-load" not in strict.check().rules
