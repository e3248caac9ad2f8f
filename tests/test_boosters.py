"""Models of gradient boosters, written by hand: told by what they are, and never taken for what they are not."""

from __future__ import annotations

import json
import struct
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clock import within
from corpus import EVIL0
from git_custody.core.content import BytesContent
from git_custody.formats.boosters import inspect
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import Budget, Member, Said, Scene

FUZZ = settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))


def said(data: bytes, name: str = "") -> list[tuple[str, str]]:
    return [(v.kind, v.format) for v in recognise(BytesContent(data), name=name)]


def inspected(data: bytes, name: str = "") -> list[Said | Member]:
    return list(inspect(Scene(BytesContent(data), data[:4096], name, Budget())))


class Floats(list[float]):
    """Written as an array of one type."""


def ubjson(value: Any) -> bytes:
    """As XGBoost writes it: lengths of 8 bytes, arrays with their count, numbers in typed arrays."""
    if isinstance(value, dict):
        return b"{" + b"".join(_text(key) + ubjson(item) for key, item in value.items()) + b"}"
    if isinstance(value, Floats):
        return b"[$d#L" + struct.pack(">q", len(value)) + b"".join(struct.pack(">f", item) for item in value)
    if isinstance(value, list):
        return b"[#L" + struct.pack(">q", len(value)) + b"".join(map(ubjson, value))
    if isinstance(value, str):
        return b"S" + _text(value)
    if value is None or isinstance(value, bool):
        return {None: b"Z", True: b"T", False: b"F"}[value]
    return b"i" + struct.pack(">b", value) if isinstance(value, int) else b"D" + struct.pack(">d", value)


def _text(text: str) -> bytes:
    return b"L" + struct.pack(">q", len(text.encode())) + text.encode()


TREES = [{"base_weights": Floats([0.5, 1.5]), "categories": [], "id": 0, "tree_param": {"num_nodes": "3"}}] * 20
MODEL = {
    "learner": {
        "attributes": {"scikit_learn": '{"_estimator_type": "classifier"}'},
        "feature_names": ["a", "b"],
        "gradient_booster": {"model": {"trees": TREES, "gbtree_model_param": {"num_trees": "20"}}, "name": "gbtree"},
        "learner_model_param": {"base_score": "5E-1", "flag": True, "nothing": None, "size": 1.5},
    },
    "version": [3, 2, 0],
}
UBJ = ubjson(MODEL)
JSON = json.dumps(MODEL, separators=(",", ":")).encode()
BINARY = b"binf" + struct.pack("<fIi", 0.5, 6, 0) + bytes(136 - 12)
BINARY += struct.pack("<Q", 15) + b"binary:logistic" + struct.pack("<Q", 6) + b"gbtree" + bytes(100)
LIGHTGBM = b"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n\nTree=0\nend of trees\n"
CATBOOST = b"CBM1" + struct.pack("<I", 40) + bytes(40)
CATBOOST_JSON = json.dumps({"features_info": {}, "oblivious_trees": [], "scale_and_bias": [1, [0]]}, indent=2).encode()


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (UBJ, "xgboost-ubj"),
        (JSON, "xgboost-json"),
        (json.dumps(MODEL, indent=1).encode() + b"\n", "xgboost-json"),
        (json.dumps({"version": [1, 0, 0], "learner": {}}).encode(), "xgboost-json"),
        (BINARY, "xgboost-binary"),
        (b"bs64\t" + b"QUJD" * 30, "xgboost-binary"),
        (LIGHTGBM, "lightgbm"),
        (LIGHTGBM.replace(b"\n", b"\r\n"), "lightgbm"),
        (CATBOOST, "catboost"),
        (CATBOOST + b"more parts", "catboost"),
        (CATBOOST_JSON, "catboost"),
    ],
)
def test_models_are_told_whatever_their_name(data: bytes, known: str) -> None:
    for name in ("", "model.bin", "model.json"):
        assert said(data, name) == [("safe", known)]


def test_names_that_promise_them() -> None:
    assert said(UBJ, "model.UBJ") == [("safe", "xgboost-ubj")]
    assert said(CATBOOST, "model.cbm") == [("safe", "catboost")]


@pytest.mark.parametrize(
    ("data", "name", "known"),
    [
        (b"placeholder", "model.ubj", "xgboost-ubj"),
        (b"\x89PNG\r\n\x1a\n", "model.UBJ", "xgboost-ubj"),
        (UBJ[:-1], "model.ubj", "xgboost-ubj"),
        (UBJ[:300], "model.ubj", "xgboost-ubj"),
        (b"{L" + struct.pack(">q", -1), "model.ubj", "xgboost-ubj"),
        (b"{L" + struct.pack(">q", 1 << 40), "model.ubj", "xgboost-ubj"),
        (b"{i\x01aSL" + struct.pack(">q", 1 << 60) + b"}", "model.ubj", "xgboost-ubj"),
        (b"{i\x01a[$S#i\x01i\x01a}", "model.ubj", "xgboost-ubj"),
        (b"{i\x01a?}", "model.ubj", "xgboost-ubj"),
        (b"{i\x01a" + b"[" * 200, "model.ubj", "xgboost-ubj"),
        (b"placeholder", "model.cbm", "catboost"),
        (CATBOOST[:-1], "model.cbm", "catboost"),
        (CATBOOST[:-1], "", "catboost"),
    ],
)
def test_malformed(data: bytes, name: str, known: str) -> None:
    assert said(data, name) == [("malformed", known)]


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b'{"learner": 1, "version": [1, 2, 3]}',
        b'{"learner": {}}',
        b'{"learner": {"name": "Ann", "age": 7}, "course": "physics"}',
        b'{"version": [1, 2, 3], "other": {}}',
        b'{"version": "1.0", "learner": {"name": "Ann"}}',
        b'{"trees": ["oak", "elm"]}',
        b'{"model_info": {"name": "x"}}',
        b"tree\nversion=1.8.0\nCopyright 1996",
        b"tree\n|-- a\n",
        b"binford tools are more power",
        b"bs64\tis a word",
        b"{L is the inductance}",
        b"{i\x01a",
        UBJ[:-1],
        ubjson({"other": 1}),
    ],
)
def test_what_only_looks_like_one_is_ordinary(data: bytes) -> None:
    for name in ("", "a.json", "a.txt"):
        assert said(data, name) == []


def test_other_ubjson_is_valid() -> None:
    assert said(ubjson({"other": 1}), "a.ubj") == []


def test_a_pickle_by_such_a_name_is_a_pickle() -> None:
    assert said(EVIL0, "model.cbm") == [("pickle", "pickle")]


def test_large_models_are_quick() -> None:
    tree = {name: Floats([0.0] * 31) for name in "abcdefghijklmnopqr"}
    big = ubjson({"learner": {"trees": [tree] * 3000}, "version": [3, 2, 0]})
    with within(1):
        assert inspected(big) == [Said("safe", "xgboost-ubj", "an XGBoost model")]


@pytest.mark.parametrize(
    "repeated", [b"[", b"[]", b"Z", b"{}", b"[$Z#L\x7f\xff\xff\xff\xff\xff\xff\xff", b"[#L\0\0\0\0\0\0\0\0", b"[#i\x01"]
)
def test_hostile_ubjson_is_bounded(repeated: bytes) -> None:
    data = b"{L\0\0\0\0\0\0\0\x07learner[" + repeated * (4_000_000 // len(repeated))
    with within(2):
        assert [item.kind for item in inspected(data, "a.ubj") if isinstance(item, Said)] in (["malformed"], ["safe"])


@FUZZ
@given(
    st.sampled_from([UBJ, JSON, BINARY, LIGHTGBM, CATBOOST, CATBOOST_JSON]),
    st.randoms(use_true_random=False),
    st.integers(1, 8),
)
def test_nothing_raises(data: bytes, random: Random, times: int) -> None:
    changed = bytearray(data)
    for _ in range(times):
        at = random.randrange(len(changed))
        changed[at : at + random.randrange(3)] = random.randbytes(random.randrange(3))
        if not changed:
            changed += b"{"
    for name in ("", "a.ubj", "a.cbm"):
        with within(2):
            assert all(isinstance(item, Said) for item in inspected(bytes(changed), name))


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes_are_read(data: bytes) -> None:
    for prefix in (b"", b"{", b"{L\0\0\0\0\0\0\0\x07learner", b"CBM1", b"binf", b'{"learner":{'):
        for name in ("", "a.ubj", "a.cbm"):
            inspected(prefix + data, name)
