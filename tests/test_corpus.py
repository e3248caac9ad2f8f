"""The corpus: nothing dangerous accepted, nothing ordinary flagged. tests/real adds what libraries write."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from corpus import CARRIER, CODE, KINDS, Sample, carriers, code_carriers, negatives, opaque
from git_custody.core.content import BytesContent
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import SAFE

TRUNCATED = 400


def dangers(sample: Sample) -> set[str]:
    return {verdict.kind for verdict in recognise(BytesContent(sample.data), name=sample.name)} - {SAFE}


def test_it_is_large_enough() -> None:
    made = Counter(sample.kind for sample in carriers())
    assert sum(made.values()) >= 1_500
    assert len(negatives()) >= 1_500
    assert len(made) >= 60
    assert set(made) == {name for name, (label, _, _) in KINDS.items() if label == CARRIER}
    assert {sample.kind for sample in code_carriers()} == {
        name for name, (label, _, _) in KINDS.items() if label == CODE
    }


def test_no_carrier_is_accepted() -> None:
    assert [f"{sample.kind}: {sample.name}" for sample in carriers() if "pickle" not in dangers(sample)] == []


def test_no_code_is_accepted() -> None:
    accepted = [sample for sample in code_carriers() if not dangers(sample) & {"code", "malformed", "pickle"}]
    assert [f"{sample.kind}: {sample.name}" for sample in accepted] == []


def test_what_cannot_be_told_is_said() -> None:
    assert [(sample.name, dangers(sample)) for sample in opaque() if dangers(sample) != {"opaque"}] == []


def test_no_negative_is_flagged() -> None:
    flagged = [(sample.kind, sample.name, dangers(sample)) for sample in negatives()]
    assert [found for found in flagged if found[2]] == []


@pytest.mark.parametrize("make", [carriers, code_carriers])
def test_a_truncated_file_never_raises(make: object) -> None:
    assert callable(make)
    source = random.Random(20261126)
    small = [sample for sample in make() if len(sample.data) < 20_000]
    for sample in source.sample(small, min(TRUNCATED, len(small))):
        length = len(sample.data)
        for cut in sorted({1, 2, 7, length // 3, length // 2, length - 23, length - 9, length - 2, length - 1}):
            dangers(sample._replace(data=sample.data[: max(0, cut)]))
