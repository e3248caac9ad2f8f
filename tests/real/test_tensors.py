"""safetensors, GGUF, chat templates and gradient boosters against the libraries that write, read and render them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import catboost
import gguf
import lightgbm
import numpy
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import torch
import xgboost
from gguf.constants import GGML_QUANT_SIZES

from chat_templates_corpus import ATTACKS, ORDINARY, RUN, VARIABLES
from git_custody.core.content import BytesContent, FileContent
from git_custody.formats.gguf import BLOCKS
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import Verdict
from test_formats_tensors import GOOD, mutated

TORCH_DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.bool, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn,
    torch.float8_e5m2, torch.float8_e8m0fnu, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz,
]  # fmt: skip


def verdicts(path: Path) -> list[Verdict]:
    with path.open("rb") as file:
        return list(recognise(FileContent(file, path.stat().st_size), name=path.name))


def said(path: Path) -> list[tuple[str, str]]:
    return [(v.kind, v.format) for v in verdicts(path)]


# safetensors


@pytest.mark.parametrize("dtype", TORCH_DTYPES, ids=str)
def test_safetensors_of_torch(dtype: torch.dtype, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    tensors = {f"layer.{i}": torch.zeros(shape).to(dtype) for i, shape in enumerate([(3, 5), (), (0, 4), (1, 1, 7)])}
    tensors |= {"other.weight": torch.ones(4), "naïve": torch.ones(2, dtype=torch.int32)}
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt", "note": 'a "quoted"\n\\ é 😀'})
    assert said(path) == [("safe", "safetensors")]


def test_safetensors_of_numpy(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file({"a": numpy.arange(6, dtype=numpy.float32).reshape(2, 3)}, path)
    assert said(path) == [("safe", "safetensors")]
    safetensors.numpy.save_file({}, path)
    assert said(path) == [("safe", "safetensors")]


def library_reads(path: Path) -> bool:
    try:
        with safetensors.safe_open(path, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118, it is no mapping
                opened.get_tensor(name)
    except safetensors.SafetensorError:
        return False
    except (AttributeError, KeyError, TypeError, RuntimeError):
        return True  # the header was accepted; PyTorch lacks the type
    return True


def test_what_the_library_does_not_open_is_never_safe(tmp_path: Path) -> None:
    random = Random(20)
    path = tmp_path / "model.safetensors"
    samples = [data for data in GOOD.values() if len(data) < 10_000]
    both = {True: 0, False: 0}
    for _ in range(4000):
        data = random.choice(samples)
        end = 8 + int.from_bytes(data[:8], "little")
        header = mutated(data[8:end], random, random.randrange(1, 4))
        path.write_bytes(len(header).to_bytes(8, "little") + header + data[end:])
        safe = "safe" in [kind for kind, _ in said(path)]
        reads = library_reads(path)
        assert reads or not safe, path.read_bytes()
        both[safe] += 1
    assert min(both.values()) > 100


# GGUF


def test_block_sizes_are_those_of_the_gguf_package() -> None:
    theirs = {int(kind): sizes for kind, sizes in GGML_QUANT_SIZES.items()}
    # The package has 40 bytes for Q8_1, which files do not hold, and ggml 36.
    assert theirs.keys() - BLOCKS.keys() <= {9}
    assert all(BLOCKS[kind] == theirs[kind] for kind in BLOCKS.keys() & theirs.keys())


@pytest.mark.parametrize("endian", [gguf.GGUFEndian.LITTLE, gguf.GGUFEndian.BIG])
def test_gguf_of_the_gguf_package(endian: gguf.GGUFEndian, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama", endianess=endian)
    writer.add_name("a model")
    writer.add_context_length(4096)
    writer.add_rope_freq_base(1e6)
    writer.add_token_list([f"tok{i}" for i in range(1000)])
    writer.add_token_scores([0.5] * 1000)
    writer.add_token_types([1] * 1000)
    writer.add_bool("tokenizer.ggml.add_bos_token", True)
    writer.add_array("some.array", [1, 2, 3])
    writer.add_chat_template(
        [{"name": "default", "template": ORDINARY["llama-3"]}, {"name": "rag", "template": ORDINARY["chatml"]}]
    )
    for dtype in (numpy.float32, numpy.float16, numpy.float64, numpy.int8, numpy.int16, numpy.int32, numpy.int64):
        writer.add_tensor(f"t.{dtype.__name__}", numpy.zeros((3, 32), dtype))
    _write(writer)
    assert said(path) == [("safe", "gguf")]


def _write(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.mark.parametrize("kind", sorted(GGML_QUANT_SIZES, key=int), ids=lambda kind: kind.name)
def test_gguf_of_every_type(kind: gguf.GGMLQuantizationType, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    size = GGML_QUANT_SIZES[kind][1]
    for name in ("a", "b"):
        raw = numpy.zeros((3, 2 * size), numpy.uint8)
        writer.add_tensor(name, raw, raw_shape=raw.shape, raw_dtype=kind)
    writer.add_tensor("c", numpy.zeros(5, numpy.float32))
    _write(writer)
    assert said(path) == [("safe", "gguf")]
    data = path.read_bytes()
    for cut in (1, 32, len(data) // 2):
        assert [v.kind for v in recognise(BytesContent(data[:-cut]), name="a.gguf")] in (
            ["malformed"],
            ["safe"] if cut == 1 else [],
        )


def test_gguf_aligned_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_custom_alignment(128)
    for i in range(5):
        writer.add_tensor(f"t{i}", numpy.zeros((2, 33), numpy.float32))
    _write(writer)
    assert said(path) == [("safe", "gguf")]


def test_gguf_in_parts(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "llama", split_max_tensors=2)
    for i in range(5):
        writer.add_tensor(f"t{i}", numpy.zeros((2, 33), numpy.float32))
    _write(writer)
    parts = sorted(tmp_path.glob("*.gguf"))
    assert len(parts) == 3
    assert [said(part) for part in parts] == [[("safe", "gguf")]] * 3


def test_attacks_in_gguf(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_chat_template(
        [{"name": "default", "template": ORDINARY["llama-3"]}, {"name": "rag", "template": ATTACKS["lipsum"]}]
    )
    _write(writer)
    assert said(path) == [("code", "gguf")]


# Chat templates


RENDER = """
import json, sys
from jinja2 import Environment
from jinja2.ext import Extension
from jinja2.sandbox import ImmutableSandboxedEnvironment

class Generation(Extension):
    tags = {"generation"}
    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)

template, variables, sandboxed = json.load(sys.stdin)
environment = ImmutableSandboxedEnvironment if sandboxed else Environment
environment = environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols", Generation])
print(environment.from_string(template).render(**variables))
"""


def renders(template: str, folder: Path, *, sandboxed: bool) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", RENDER],
        input=json.dumps([template.replace("RUN", RUN), VARIABLES, sandboxed]),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_run_code_where_templates_are_rendered_without_a_sandbox(name: str, tmp_path: Path) -> None:
    shown = renders(ATTACKS[name], tmp_path, sandboxed=False)
    assert (tmp_path / "ran").exists(), shown.stderr


# Boosters


@pytest.fixture(scope="module")
def data() -> tuple[numpy.ndarray, numpy.ndarray]:
    random = numpy.random.default_rng(0)
    features = random.normal(size=(200, 6))
    return features, (features[:, 0] + features[:, 1] > 0).astype(int)


@pytest.mark.parametrize("booster", ["gbtree", "gblinear", "dart"])
def test_xgboost(booster: str, data: tuple[numpy.ndarray, numpy.ndarray], tmp_path: Path) -> None:
    matrix = xgboost.DMatrix(data[0], label=data[1], feature_names=list("abcdef"))
    model = xgboost.train({"booster": booster, "objective": "binary:logistic"}, matrix, 20)
    model.set_attr(note="best")
    for suffix, known in (("json", "xgboost-json"), ("ubj", "xgboost-ubj")):
        path = tmp_path / f"model.{suffix}"
        model.save_model(path)
        assert said(path) == [("safe", known)]
        path = tmp_path / f"raw_{suffix}"
        path.write_bytes(model.save_raw(suffix))
        assert said(path) == [("safe", known)]


def test_xgboost_with_categories_and_many_outputs(data: tuple[numpy.ndarray, numpy.ndarray], tmp_path: Path) -> None:
    features, labels = data
    for number, (model, target) in enumerate(
        [
            (xgboost.XGBClassifier(n_estimators=300), labels),
            (
                xgboost.XGBRegressor(n_estimators=3, multi_strategy="multi_output_tree"),
                numpy.column_stack([labels, labels]),
            ),
            (xgboost.XGBClassifier(n_estimators=3, feature_types=["c", *"qqqqq"], enable_categorical=True), labels),
        ]
    ):
        model.fit(numpy.column_stack([numpy.arange(200) % 5, features[:, 1:]]), target)
        path = tmp_path / f"{number}.ubj"
        model.save_model(path)
        assert said(path) == [("safe", "xgboost-ubj")]


def test_lightgbm(data: tuple[numpy.ndarray, numpy.ndarray], tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    model = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(data[0], label=data[1]), 5)
    model.save_model(path)
    assert said(path) == [("safe", "lightgbm")]


def test_catboost(data: tuple[numpy.ndarray, numpy.ndarray], tmp_path: Path) -> None:
    model = catboost.CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False)
    model.fit(*data)
    for name, form in (("model.cbm", "cbm"), ("model.json", "json")):
        model.save_model(str(tmp_path / name), format=form)
        assert said(tmp_path / name) == [("safe", "catboost")]
    cut = tmp_path / "cut.cbm"
    cut.write_bytes((tmp_path / "model.cbm").read_bytes()[:500])
    assert said(cut) == [("malformed", "catboost")]
