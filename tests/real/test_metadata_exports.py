"""Exports of data cards, held against the standards' own libraries.

`pip install --group metadata` has them; they do not go with the loaders of the group `real`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from random_cards import exports

SAID = "needs the dependency group metadata: pip install --group metadata"
mlcroissant = pytest.importorskip("mlcroissant", reason=SAID)
frictionless = pytest.importorskip("frictionless", reason=SAID)
huggingface_hub = pytest.importorskip("huggingface_hub", reason=SAID)
cyclonedx_validation = pytest.importorskip("cyclonedx.validation.json", reason=SAID)
spdx_python_model = pytest.importorskip("spdx_python_model", reason=SAID)

from git_custody.datasets.exports import croissant, cyclonedx, data_package, huggingface, spdx  # noqa: E402
from git_custody.datasets.exports.exported import Exported  # noqa: E402

few = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def written(folder: Path, exported: Exported) -> Exported:
    """The export of files that are really there: of each the bytes, the size and the digest."""
    files = []
    for number, file in enumerate(exported.files):
        data = f"a,b\n1,{number}\n".encode()
        full = folder / file.path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(data)
        files.append(file._replace(size=len(data), digests={"sha256": hashlib.sha256(data).hexdigest()}))
    return exported._replace(files=tuple(files))


@given(exported=exports())
@few
def test_mlcroissant_finds_no_error(tmp_path_factory: pytest.TempPathFactory, exported: Exported) -> None:
    folder = tmp_path_factory.mktemp("croissant")
    exported = written(folder, exported)
    file = folder / exported.base / "croissant.json"
    file.write_bytes(croissant.render(exported).data)
    dataset = mlcroissant.Dataset(jsonld=os.fspath(file))
    metadata = dataset.metadata
    assert metadata.ctx.is_v1_1()
    assert not metadata.ctx.issues.errors
    assert metadata.name == exported.card["title"]
    assert {one.sha256 for one in metadata.distribution} == {file.digests["sha256"] for file in exported.files}


def test_mlcroissant_takes_a_collection_as_a_file_set(tmp_path: Path) -> None:
    card = {"title": "Many files", "source": {"publisher": "Example Lab"}, "license": "MIT"}
    exported = Exported(card, "data", True, (), "data", "2026-01-02T03:04:05Z")
    many = exported._replace(files=[Exported_file(number) for number in range(1001)])
    file = tmp_path / "croissant.json"
    file.write_bytes(croissant.render(many).data)
    assert not mlcroissant.Dataset(jsonld=os.fspath(file)).metadata.ctx.issues.errors


def Exported_file(number: int) -> Any:  # noqa: N802
    from git_custody.datasets.exports.exported import File

    return File(f"data/{number}.txt", 1, "text/plain", {"sha256": "0" * 64})


@given(exported=exports())
@few
def test_frictionless_finds_no_error(tmp_path_factory: pytest.TempPathFactory, exported: Exported) -> None:
    folder = tmp_path_factory.mktemp("package")
    exported = written(folder, exported)
    file = folder / exported.base / "datapackage.json"
    file.write_bytes(data_package.render(exported).data)
    report = frictionless.validate(os.fspath(file))
    assert report.valid, report.flatten(["type", "message"])


def test_frictionless_compares_the_digest(tmp_path: Path) -> None:
    from git_custody.datasets.exports.exported import File

    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    card = {"id": "rows", "title": "Rows", "source": {"publisher": "Lab"}, "license": "MIT"}
    wrong = Exported(card, "a.csv", False, (File("a.csv", 8, "text/csv", {"sha256": "0" * 64}),), "", "")
    (tmp_path / "datapackage.json").write_bytes(data_package.render(wrong).data)
    report = frictionless.validate(os.fspath(tmp_path / "datapackage.json"))
    assert report.flatten(["type"]) == [["hash-count"]]


@given(exported=exports())
@few
def test_huggingface_hub_reads_the_front_matter(exported: Exported) -> None:
    text = huggingface.render(exported).data.decode()
    read = huggingface_hub.DatasetCard(text).data
    assert read.pretty_name == exported.card["title"]
    assert read.license
    assert read.language == exported.card.get("language")


@given(exported=exports())
@few
def test_cyclonedx_is_strictly_valid(exported: Exported) -> None:
    from cyclonedx.schema import SchemaVersion

    validator = cyclonedx_validation.JsonStrictValidator(SchemaVersion.V1_6)
    error = validator.validate_str(cyclonedx.render(exported).data.decode())
    assert error is None, error


@given(exported=exports())
@few
def test_spdx_fits_the_model(exported: Exported) -> None:
    from spdx_python_model import v3_0_1 as model

    data = spdx.render(exported).data
    objects = model.SHACLObjectSet()
    model.JSONLDDeserializer().read(io.BytesIO(data), objects)
    (package,) = objects.foreach_type("dataset_DatasetPackage")
    assert package.name == exported.card["title"]
    # The references are resolved, and every object has what its class demands.
    assert not objects.missing_ids, objects.missing_ids
    model.JSONLDSerializer().write(objects, io.BytesIO())
    assert len(list(objects.foreach_type("SpdxDocument"))) == 1
    assert json.loads(data)["@context"] == "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
