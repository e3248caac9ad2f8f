"""The names in joblib's pickles: whoever reads them, and whatever the numbers between their opcodes are."""

from __future__ import annotations

import os
import pickle
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import Repo
from corpus import EVIL0
from git_custody.core.content import BytesContent
from git_custody.formats.pickle_names import names_in
from handmade import Made, Name, dtype, dumped, wrapped

WRAPPER = "cjoblib.numpy_pickle\nNumpyArrayWrapper\n"
ARRAY = {"joblib.numpy_pickle.NumpyArrayWrapper", "numpy.ndarray", "numpy.dtype"}
OTHER = Made(Name("sklearn.base", "Model"), state={"a": 1}, new=True)
EVIL_CALL = b"cos\nsystem\n(S'x'\ntR0"


def told(value: Any) -> set[str] | None:
    """The names in a value as joblib dumps it, None where they cannot be told."""
    names = names_in(BytesContent(value if isinstance(value, bytes) else dumped(value)))
    return set(names.names) if names.complete else None


def unaligned(raw: bytes) -> bytes:
    """An array of bytes as joblib wrote it before 1.2, without padding."""
    described = wrapped("u1", (len(raw),), b"", numpy_array_alignment_bytes=None)
    described.raw = None
    return dumped(described)[:-1] + raw + b"."


def objects(inner: bytes, before: Any = None) -> bytes:
    """An array of objects, which is a pickle of its own, behind another value."""
    described = wrapped("O8", (1,), b"")
    described.raw = None
    return dumped((before, described))[:-2].replace(b"(N", b"(N", 1) + inner + b"t."


def test_numbers_are_stepped_over() -> None:
    assert told(wrapped("f8", (2,), bytes(16))) == ARRAY
    value = {"coef": wrapped("f4", (2, 3), bytes(range(24))), "empty": wrapped("i8", (0,), b""), "model": OTHER}
    assert told([value, wrapped("S3", (2,), b"abcdef"), wrapped("U1", (1,), b"a\0\0\0")]) == ARRAY | {
        "sklearn.base.Model"
    }
    assert told(wrapped("u1", (len(EVIL0),), EVIL0)) == ARRAY


def test_numbers_that_other_unpicklers_take_for_opcodes() -> None:
    assert told(unaligned(b"\xff" * 9)) == ARRAY
    assert told(unaligned(EVIL_CALL)) == ARRAY | {"os.system"}
    assert told(unaligned(b"0" + EVIL0)) == ARRAY | {"os.system"}
    assert told(unaligned(b"\x82\x01")) is None


def test_arrays_of_objects() -> None:
    assert told(objects(pickle.dumps(["a", None], 5))) == ARRAY
    assert told(objects(EVIL0)) == ARRAY | {"os.system"}
    assert told(objects(b"\x80\x05\x97.")) is None
    assert told(objects(b"\x80\x05N")) is None


def test_an_inner_pickle_that_says_something_else_with_an_outer_memo() -> None:
    # For joblib, keys 1 and 2 are the inner ones; for others, those of the pickle around it.
    def remembered(key: int, word: str) -> bytes:
        return b"X" + len(word).to_bytes(4, "little") + word.encode() + b"r" + key.to_bytes(4, "little") + b"0"

    inner = b"\x80\x04" + b"\x8c\x07nothing\x940\x8c\x04like\x940h\x01h\x00\x93."
    data = objects(inner)
    at = data.index(b"cjoblib")
    said = told(data[:at] + remembered(0, "system") + remembered(1, "os") + data[at:])
    assert said is not None
    assert "os.system" in said


def built(steps: bytes, code: str = "u1", raw: bytes = bytes(9)) -> bytes:
    """A wrapper that comes to its state by other steps than joblib's."""
    plain = wrapped(code, (len(raw),), raw)
    return dumped(plain).replace(WRAPPER.encode() + b")\x81", steps)


def test_the_wrapper_as_joblib_makes_it() -> None:
    assert told(built(WRAPPER.encode() + b")\x81")) == ARRAY
    assert told(built(WRAPPER.encode() + b"q\x01)\x81q\x02")) == ARRAY
    assert told(built(WRAPPER.encode() + b"r\x01\0\0\0)\x81\x94")) == ARRAY


@pytest.mark.parametrize(
    "steps",
    [
        b")R",
        b"(t\x81",
        b"}\x92",
        b"q\x010ccopyreg\n_reconstructor\n(h\x01cbuiltins\nobject\nNtR",
        b"0(" + WRAPPER.encode() + b"o",
        b")\x81q\x010h\x01",
        b")\x81q\x0102h\x01",
        b")\x8120",
        b")\x81\x85q\x010ccopy\ncopy\nh\x01R",
        b")\x81(2t0",
        b"q\x010Nh\x01\x860h\x01)\x81",
    ],
)
def test_a_wrapper_by_any_other_way_cannot_be_told(steps: bytes) -> None:
    assert told(built(WRAPPER.encode() + steps)) is None


@pytest.mark.parametrize("name", ["NDArrayWrapper", "ZNDArrayWrapper", "NumpyPickler", "NumpyUnpickler"])
def test_other_classes_of_joblib_cannot_be_told(name: str) -> None:
    assert told(dumped(wrapped("u1", (1,), b"x")).replace(b"NumpyArrayWrapper", name.encode())) is None


def lying(code: str, size: int, flags: int, **described: Any) -> bytes:
    state = (3, "|", described.get("subarray"), described.get("names"), described.get("fields"), size, 1, flags)
    kind = Made(Name("numpy", "dtype"), code, False, True, state=state)
    return dumped(wrapped("u1", (1,), bytes(40), dtype=kind))


F4, OBJECT = dtype("f4"), dtype("O8")


def test_records() -> None:
    fields = {"a": (F4, 0), "b": (dtype("i8"), 4)}
    data = lying("V12", 12, 16, names=("a", "b"), fields=fields)
    assert data.endswith(bytes(28) + b".")
    assert told(data[:-29] + b".") == ARRAY


@pytest.mark.parametrize(
    "data",
    [
        lying("S1", 40, 0),
        lying("V1", 40, 0),
        lying("U1", 40, 8),
        lying("f4", 40, 0),
        lying("O8", -1, 0),
        lying("u1", -1, 63),
        lying("object", -1, 63),
        lying("V12", 40, 16, names=("a",), fields={"a": (F4, 0)}),
        lying("V8", 8, 0, names=("a",), fields={"a": (OBJECT, 0)}),
        lying("V8", 8, 27, names=("a",), fields={"a": (F4, 0)}),
        lying("V8", 8, 0, names=("a",), fields={"a": ("f4", 0)}),
        lying("V8", 8, 0, names=("a",), fields=None),
        lying("V8", 8, 0, subarray=(OBJECT, (1,))),
    ],
)
def test_types_that_lie_about_their_size_cannot_be_told(data: bytes) -> None:
    assert told(data) is None


@pytest.mark.parametrize(
    "others",
    [
        {"shape": (-1,)}, {"shape": (True,)}, {"shape": [1]}, {"shape": (2**70,)}, {"shape": None}, {"order": "K"},
        {"subclass": Name("numpy", "matrix")}, {"dtype": "f4"}, {"dtype": Name("numpy", "float32")},
    ],
    ids=str,
)  # fmt: skip
def test_arrays_that_are_described_in_an_unusual_way_cannot_be_told(others: dict[str, Any]) -> None:
    array = wrapped("u1", (1,), b"x")
    array.state.update(others)
    assert told(array) is None


def test_numbers_within_a_frame_or_beyond_the_end_cannot_be_told() -> None:
    data = dumped(wrapped("u1", (4,), b"abcd"))
    framed = b"\x80\x04\x95" + (len(data) - 2).to_bytes(8, "little") + data[2:]
    assert told(framed) is None
    assert told(data[:-3]) is None
    assert told(data + b"more") is None
    assert told(data + data) is None


@given(st.binary(max_size=40), st.booleans())
def test_whatever_the_numbers_are_no_name_in_front_or_behind_is_lost(numbers: bytes, aligned: bool) -> None:
    array = wrapped("u1", (len(numbers),), numbers) if aligned else None
    data = dumped([Name("a", "b"), array, Name("c", "d")])
    if not aligned:
        data = data.replace(b"N", unaligned(numbers)[2:-1], 1)
    said = told(data)
    assert (said is None and not aligned) or (said is not None and said >= ARRAY | {"a.b", "c.d"})


def test_a_model_of_joblib_may_have_a_waiver(repo: Repo) -> None:
    soon = (date.today() + timedelta(days=90)).isoformat()
    repo.commit({".custody/policy.yaml": "version: 1\npickles:\n  globals: [joblib.**, numpy.**, sklearn.**]\n"})
    words = ("waive", "pickle-weights", "model.joblib", "--reason", "Until skops", "--expires", soon)
    repo.stage({"model.joblib": unaligned(EVIL_CALL)})
    refused = repo.custody(*words)
    assert refused.code == 2
    assert "os.system" in refused.err
    repo.stage({"model.joblib": dumped({"coef": wrapped("f8", (9,), os.urandom(72)), "model": OTHER})})
    assert repo.check().caught("pickle-weights") == ["model.joblib"]
    assert repo.custody(*words).code == 0
    assert repo.check().rules == []
