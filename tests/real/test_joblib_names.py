"""The names that joblib's files are said to look up, against those that joblib and pickle do look up."""

from __future__ import annotations

import io
import pickle
import random
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
import pytest
import yaml
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler  # type: ignore[import-untyped]
from sklearn.compose import ColumnTransformer  # type: ignore[import-untyped]
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor, RandomForestClassifier  # type: ignore[import-untyped]
from sklearn.feature_extraction.text import TfidfVectorizer  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.model_selection import GridSearchCV  # type: ignore[import-untyped]
from sklearn.neighbors import KNeighborsClassifier  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # type: ignore[import-untyped]

from git_custody.core.content import BytesContent
from git_custody.core.policy import admits
from git_custody.formats.pickle_names import dotted, names_in
from git_custody.formats.recognise import recognise

RANDOM = np.random.default_rng(7)
X = RANDOM.random((120, 4))
Y = RANDOM.integers(0, 3, 120)
NAMED = pd.DataFrame(X, columns=list("abcd"))
WORDS = np.array(["x", "y", "z"], dtype=object)[Y]
TRUSTED = (
    "numpy",
    "sklearn",
    "joblib",
    "copyreg",
    "collections",
    "scipy",
    "builtins",
    "_codecs",
    "__builtin__",
    "copy_reg",
)

MADE: dict[str, Any] = {
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
    "named columns and classes": make_pipeline(StandardScaler(), LogisticRegression()).fit(NAMED, WORDS),
    "forest": RandomForestClassifier(20, random_state=1).fit(X, Y),
    "boosted": GradientBoostingRegressor(n_estimators=8).fit(X, Y),
    "words": TfidfVectorizer().fit(["one two three", "three four"]),
    "encoder": OneHotEncoder().fit(WORDS.reshape(-1, 1)),
    "neighbours": KNeighborsClassifier().fit(X, Y),
    "records": np.zeros(5, dtype=[("a", "f4"), ("b", "i8", (2,))]),
    "records of objects": np.array([(1, "x")], dtype=[("a", "i4"), ("b", "O")]),
    "dates": NAMED.assign(t=pd.date_range("2026-01-01", periods=120)).t.to_numpy(),
    "texts": np.array(["ab", "c"]),
    "empty": np.zeros((0, 3)),
    "scalars": [np.float64(1), np.bool_(1)],
    "column by column": np.asfortranarray(X),
    "big end first": X.astype(">f8"),
}


def looked_up(unpickler: type[Any], *arguments: Any, **named: Any) -> set[str]:
    """What an unpickler looks up, until it is done or gives up; strangers are not let in."""
    names: set[str] = set()

    class Unpickler(unpickler):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            names.add(dotted(module, name))
            if module.partition(".")[0] not in TRUSTED or name in ("eval", "exec", "getattr", "__import__", "open"):
                raise pickle.UnpicklingError("a stranger")
            return super().find_class(module, name)

    try:
        Unpickler(*arguments, **named).load()
    except Exception:
        if unpickler is NumpyUnpickler:
            raise
    return names


def by_joblib(data: bytes) -> set[str]:
    return looked_up(NumpyUnpickler, "", io.BytesIO(data), ensure_native_byte_order=False)


def by_others(data: bytes) -> set[str]:
    return looked_up(pickle._Unpickler, io.BytesIO(data)) | looked_up(pickle.Unpickler, io.BytesIO(data))  # type: ignore[attr-defined]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("what", MADE)
def test_all_names_are_told(what: str, protocol: int, tmp_path: Path) -> None:
    joblib.dump(MADE[what], tmp_path / "m.joblib", protocol=protocol)
    data = (tmp_path / "m.joblib").read_bytes()
    told = names_in(BytesContent(data))
    assert told.complete, told.obstacle
    assert by_joblib(data) <= told.names
    assert by_others(data) <= told.names


def test_numbers_that_are_opcodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(5)
    parts = [
        b"cos\nsystem\n", b"\x8c\x02os\x8c\x06system\x93", b"(", b")", b"R", b"\x94", b"h\0", b"h\x04", b"h\x0b", b"\x93", b"N",
        b"0", b".", b"\x80\x04", b"K\1", b"u", b"b", b"t", b"}", b"]", b"\x85", b"\x81", b"\xff", b"g1\n", b"2",
    ]  # fmt: skip
    complete = 0
    for _ in range(3_000):
        numbers = b"".join(source.choices(parts, k=source.randrange(1, 12)))
        value = [
            np.frombuffer(numbers, "u1"),
            source.choice(list(MADE.values())[-6:]),
            np.array([None, "os", "system"]),
        ]
        source.shuffle(value)
        with monkeypatch.context() as patch:
            is_old = source.random() < 0.7  # as joblib wrote it before 1.2: the numbers follow at once
            if is_old:
                patch.setattr(NumpyArrayWrapper, "safe_get_numpy_array_alignment_bytes", lambda its: None)
            joblib.dump(value, tmp_path / "m.joblib", protocol=4)
        data = (tmp_path / "m.joblib").read_bytes()
        if is_old:
            data = data.replace(b"numpy_array_alignment_bytes", b"numpy_array_alignment_bytez")
        told = names_in(BytesContent(data))
        if told.complete:
            complete += 1
            assert by_joblib(data) <= told.names, data
            assert by_others(data) <= told.names, data
    assert complete > 500


def test_the_list_in_the_documents_admits_usual_models(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent.parent / "docs/waivers.md").read_text("utf-8")
    listed = yaml.safe_load("pickles:" + page.partition("```yaml\npickles:")[2].partition("```")[0])["pickles"][
        "globals"
    ]
    columns = ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("o", OneHotEncoder(), slice(2, 4))])
    models = {
        "logistic": LogisticRegression().fit(X, Y),
        "boosted": GradientBoostingClassifier(n_estimators=3, subsample=0.5).fit(X, Y),
        "columns": make_pipeline(columns, LogisticRegression(max_iter=500)).fit(NAMED, WORDS),
        "forest": RandomForestClassifier(3).fit(X, Y),
        "words": make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["one two", "two three"], [0, 1]),
        "search": GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}).fit(X, Y),
    }
    for name, model in models.items():
        joblib.dump(model, tmp_path / f"{name}.joblib")
        joblib.dump(model, tmp_path / f"{name}.z", compress=3)
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(model))
    for path in sorted(tmp_path.iterdir()):
        (found,) = recognise(BytesContent(path.read_bytes()), name=path.name, thorough=True)
        assert found.names, path
        assert [one for one in found.names if not admits(listed, one)] == [], path
