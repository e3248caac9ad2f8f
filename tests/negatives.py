"""Ordinary files, many of which begin like something that they are not. None may be flagged."""

from __future__ import annotations

import base64
import json
import random
import sqlite3
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from builders import (
    Sample,
    field,
    gguf,
    keras_zip,
    npy,
    onnx,
    r_closure,
    r_list,
    r_workspace,
    rds,
    safetensors,
    saved_model,
    seven_zip,
    streamed_zip,
    tarred,
    zipped,
)

Named = Iterator[tuple[str, bytes]]
Make = Callable[[], Named]

# Kind -> how its files are made, and the function that makes them.
KINDS: dict[str, tuple[str, Make]] = {}


def kind(name: str, how: str) -> Callable[[Make], Make]:
    """Make the files of a kind with the function below."""

    def register(make: Make) -> Make:
        KINDS[name] = (how, make)
        return make

    return register


def negatives() -> list[Sample]:
    """No file here is a pickle, or only data of protocol 0 or 1 without a container."""
    return [Sample(name, data, named) for named, (_, make) in KINDS.items() for name, data in make()]


TEXTS = (
    "int main() {\n    return 0;\n}\n", "id,name\n1,a\n2,b\n", "cos\nsin\ntan\n", "cos\nsystem\n",
    "cos\nsystem", "(int\nfoo\nbar\n", "(if x\ny\n)\n", "(ios\nandroid\nwindows\n", "cache\nbuild\n.venv\n",
    "ctypes\nbuild\n.env\n", "class\nobject\n", "N.", "I1\n.", "Nothing to see\n",
    "GIT v1.6 Release Notes\n=====\n", "(a (b c))\n", "", "Name,Value\nNone,1\n", "P001,1\nP002,2\n" * 50,
    "V1\nV2\n" * 50, "]\n", "}\n", "])}", "().\n", "K1\nK2\n",
    "certifi\nidna\nPyYAML\nPillow\nPygments\nPyJWT\nPyMySQL\n", "S'quoted'\nnext\n", "F1.0\nF2.0\n",
    "I1\nI2\nI3\n", "cat\ndog\nVan\nVest\nVase\nVine\nVolt\nVeil\n", "(Perhaps\nit works\n",
    "version https://git-lfs.github.com/spec/v1\n", "import os\n", "code\npage\n.\nmore", "{}\n", "[]\n",
    "x^2 + 1\n" * 9, "BZh is bzip2\n", "PK is a name\n", "ZF0x12 is text here\n",
    "c comment\nc other comment\np cnf 3 2\n1 -3 0\n", "c\nfoo\n.\nw\nq\n", "Jan,1\nFeb,2\n",
    "MIT License\n\nCopyright\n", "\ufeffcos\nsystem\n", "# cos\n", "BM25 is a ranking function\n",
    "GGGGGGGGGGGGGGGGGG", "X-Header: 1\n", "U.S. data\n", "TTTTTTTTTTTTTTTTT\n", "cat\ndog\nVan\nand\nRat\n",
    "(Nice\nword,\nhere\n", "cab\ncabin\ncable\ncactus\n", "(Never\nin\nthe\nfield\n", "cut\nand\nSat\n",
    "class Foo\nend\n", "calls\nfoo\n)\n", "(see\nit)\n", "c1,c2\ncommon,1\n.5,2\n", "Vcc 5V\nPin 3\n",
    "#!/bin/sh\ncd\n", "%PDF-1.7\n", "<html>\n", "GET / HTTP/1.1\n\n", "ld\n", "Mr\n", "Kx\n", "J....",
    "U\x02ab.", "(.", "((((", "cfoo\nbar\nVx\nPy\nVz\n",
    "compares\ncalculate_nome\n(tranter@example.com)\n", "cy\nassumes\nresource_properties\ndirectories.\n",
    "(comparison\ndefault value\nobject\n", "(char*)\nStates\noutside\n", "(inp:\nword\ncount,\nobject\n",
    "cut here,\nfor tRNA\n(tRNA synthetase)\n", "cache\r\nbuild\r\n.venv\r\n",
    "cd ..\nmake\n", "cimport numpy\nimport os\n", "import pickle\npickle.load(f)\n", "cpdef int f():\n    return 1\n",
    "interface Foo {\n}\n", "if x:\n  y\n", "case $1 in\nstart) ;;\nesac\n", "const x = 1\nlet y\n",
    "(defun f (x)\n  (car x))\n", "(module\n  (func $f)\n)\n", "(* OCaml *)\nlet x = 1\n", "(1) first\n(2) second\n",
    "Subject: hello\n\nFrom me.\n", "I am.\nHe is.\n", "Key: value\n", "F\nG\nH\n", "L'eau\nL'air\n", "Shall I?\n.\n",
    "V\n.\n", "G#m\nA7\n", "Ja.\nNein.\n", "R: 1\nR: 2\n", "Tab\tle\n.", "X.\n", "\x80abc\n", "C:\\Windows\n", "B.Sc.\n",
    "c\n\n\n.\n", "i\n\n\n.\n", "(i\n\nfoo\n.", "cbuiltins\n", "cbuiltins\neval", "cbuiltins\neval\n(", "cposix\nnt\nvms\n",
    "cos\nsystem\n# module and function\n", "ios\nsystem\n.\n", "cats.\ndogs.\n", "Python\nNode\n(Ruby\n",
)  # fmt: skip
NAMES = ("txt", "pkl", "pt", "bin", "dat", "csv", "md", "ckpt", "joblib", "pth")


@kind("texts", "ordinary texts that begin like opcodes")
def _texts() -> Named:
    for number, text in enumerate(TEXTS):
        yield f"{number}.txt", text.encode()


@kind("texts-named-as-models", "the same under names of pickles and models")
def _texts_named() -> Named:
    for number, text in enumerate(TEXTS):
        yield f"{number}.{NAMES[number % len(NAMES)]}", text.encode()


@kind("texts-crlf", "the same with line ends of Windows")
def _texts_crlf() -> Named:
    for number, text in enumerate(TEXTS):
        if "\n" in text:
            yield f"{number}.txt", text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


@kind("encodings", "texts in UTF-16, UTF-32, with byte order marks, and in old encodings")
def _encodings() -> Named:
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "utf-7", "cp037"):
        for number, text in enumerate(TEXTS[:12]):
            yield f"{encoding}-{number}.txt", (text * 3).encode(encoding)
    for encoding, text in (
        ("cp1252", "Größe;Preis €\n"),
        ("shift_jis", "日本語\n"),
        ("koi8-r", "Привет\n"),
        ("gb18030", "中文\n"),
    ):
        yield f"{encoding}.txt", (text * 40).encode(encoding)


@kind("repeated-bytes", "one byte, over and over")
def _repeated_bytes() -> Named:
    for byte in range(256):
        yield f"{byte:02x}", bytes([byte]) * 5_000
    for byte in b"(N)]}\x88\x8fK2":
        yield f"much-{byte:02x}", bytes([byte]) * 300_000


@kind("random-bytes", "random bytes of each length")
def _random_bytes() -> Named:
    generator = random.Random(20261122)
    for number in range(600):
        yield str(number), generator.randbytes(generator.randrange(1, 4_000))


@kind("random-behind-a-mark", "random bytes behind the first bytes of a format")
def _random_behind_a_mark() -> Named:
    generator = random.Random(7)
    for mark in (
        b"PK\x03\x04",
        b"BZh9",
        b"x\x9c",
        b"ZF0x",
        b"]\0\0\x80\0",
        b"BM",
        b"c",
        b"(",
        b"I",
        b"GGML",
        b"TFL",
        b"RDX",
    ):
        for number in range(10):
            yield f"{mark.hex()}-{number}", mark + generator.randbytes(generator.randrange(20, 2_000))


@kind("raw-numbers", "floats and integers without a header")
def _raw_numbers() -> Named:
    generator = random.Random(20261123)
    for number in range(100):
        yield f"floats-{number}", struct.pack("<500f", *(generator.gauss(0, 1) for _ in range(500)))
    for number in range(40):
        yield (
            f"integers-{number}",
            struct.pack("<300H", *(generator.randrange(1 << (number % 16 + 1)) for _ in range(300))),
        )
    yield "sixteen-bit.raw", struct.pack("<H", 75) * 200_000


@kind("tables", "CSV, TSV and JSON lines whose rows look like opcodes")
def _tables() -> Named:
    for first in (
        "id",
        "c",
        "i",
        "I",
        "V",
        "S",
        "P",
        "(",
        "name",
        "X",
        "U",
        "T",
        "K",
        "F",
        "N",
        ")",
        "]",
        "}",
        "G",
        "L",
    ):
        yield f"{first}.csv", (f"{first},value\n" + "".join(f"{first}{row},{row}.5\n" for row in range(300))).encode()
        yield f"{first}.tsv", "".join(f"{first}\t{row}\n" for row in range(100)).encode()
    yield "rows.jsonl", b"".join(json.dumps({"id": row, "text": "cos\nsystem"}).encode() + b"\n" for row in range(200))
    yield "large.csv", b"P0001,1.5,x\n" * 30_000
    yield "ids.csv", b"I0001\n" * 30_000
    yield "c-rows.csv", b"case_17,1.5\n" * 200_000
    yield "c-words.txt", b"custard_17\n" * 200_000
    yield "sequence.fasta", b"N" * 200_000 + b"ACGTTGCA" * 1_000


SOURCES = {
    "main.c": "#include <stdio.h>\nint main(void) { return system(\"true\"); }\n", "int.c": "int x;\nint y;\n",
    "char.c": "char *p;\nconst int i = 0;\n", "a.py": "import os\nos.system('true')\n", "b.py": "class A:\n    pass\n",
    "a.js": "const f = () => 1\n", "a.rs": "crate::f();\nimpl X {}\n", "a.go": "import \"os\"\n", "a.java": "import java.io.*;\n",
    "a.rb": "class A\n  include B\nend\n", "a.lisp": "(in-package :a)\n", "a.clj": "(ns a.b)\n(defn f [])\n", "a.hs": "import X\n",
    "a.R": "cat('x')\n", "a.sql": "INSERT INTO t VALUES (1);\n", "a.sh": "cd /tmp\nif true; then\n:\nfi\n", "a.pl": "if (1) {}\n",
    "Makefile": "include x.mk\nall:\n\tcc -o a a.c\n", "Dockerfile": "FROM scratch\nCOPY . .\n", "a.ini": "[a]\nb = c\n",
    "a.toml": "[project]\nname = 'x'\n", "a.yaml": "- !include x\n- a: &b c\n", "a.xml": "<?xml version='1.0'?>\n<a/>\n",
    "a.html": "<!DOCTYPE html>\n<p>{{ x }}</p>\n", "a.tex": "\\documentclass{article}\n", "a.bib": "@book{a, title={x}}\n",
    "a.po": "msgid \"\"\nmsgstr \"\"\n", "a.cnf": "c x\np cnf 1 1\n1 0\n", "a.proto": "import \"x.proto\";\n", "a.tcl": "if {1} {}\n",
    "a.pth": "/usr/lib/python3\nimport site\n", "lock.json": "{\"lockfileVersion\": 3}\n", "poetry.lock": "[[package]]\nname = \"a\"\n",
    "go.sum": "github.com/a/b v1.0.0 h1:x=\n", "a.gitignore": "*.pkl\n.venv\n", "CODEOWNERS": "* @a\n", "a.diff": "--- a\n+++ b\n",
    "a.ipynb": json.dumps({"cells": [{"cell_type": "code", "source": ["import pickle\n"]}], "nbformat": 4}),
    "mkdocs.yml": "markdown_extensions:\n  - e:\n      emoji_index: !!python/name:material.extensions.emoji.twemoji\n",
    "tutor.pt": "===  Bem-vindo  ===\n" * 30, "licence.dat": "MIT License\n" * 20, "words.dict": "cat\ncow\ndog\n" * 30,
    "notes.pt": "Notas\n", "requirements.txt": "certifi\nnumpy\ntorch\n", "model.py": "import torch\ntorch.load('x')\n",
    "a.smt2": "(set-logic QF_LIA)\n(check-sat)\n", "a.el": "(require 'x)\n", "a.scm": "(define x 1)\n", "a.wat": "(module)\n",
    "a.kicad": "(kicad_pcb (version 1))\n", "a.dot": "digraph { a -> b }\n", "a.obj": "v 1 2 3\nf 1 2 3\n", "a.srt": "1\n00:00:01,000\n",
    "a.vcf": "BEGIN:VCARD\n", "a.eml": "From: a\nSubject: b\n\nc\n", "a.mbox": "From a\n\nb\n", "a.log": "INFO start\n" * 50,
    "a.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>\n", "a.rtf": "{\\rtf1 a}\n", "a.ps": "%!PS\n", "a.dxf": "0\nSECTION\n",
    "a.pem": "-----BEGIN CERTIFICATE-----\nMIIB\n", "a.b64": base64.b64encode(b"cos\nsystem\n(S'true'\ntR.").decode(),
    "pickle.txt": "0: c    GLOBAL     'os system'\n12: (    MARK\n", "a.dts": "/dts-v1/;\n", "a.m": "classdef A\nend\n",
}  # fmt: skip


@kind("sources", "programs, settings and documents")
def _sources() -> Named:
    for name, text in SOURCES.items():
        yield name, text.encode()
        yield f"long/{name}", (text * 300).encode()


@kind("templates", "ordinary Jinja templates and prompts")
def _templates() -> Named:
    for number, template in enumerate(CHAT_TEMPLATES):
        yield f"{number}/chat_template.jinja", template.encode()
        yield f"{number}/tokenizer_config.json", json.dumps({"chat_template": template, "eos_token": "</s>"}).encode()
        yield f"{number}/chat_template.json", json.dumps({"chat_template": template}).encode()
        yield f"{number}.gguf", gguf({"tokenizer.chat_template": template, "general.name": "m"})
        yield f"{number}/page.html.j2", ("{% extends 'base.html' %}" + template).encode()


CHAT_TEMPLATES = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}",
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content | trim }} [/INST]{% endif %}{% endfor %}",
    "{%- if tools %}{{ tools | tojson(indent=4) }}{%- endif %}{%- for m in messages %}{{ m['content'].strip() }}{% endfor %}",
    "{% set ns = namespace(found=false) %}{% for m in messages %}{% set ns.found = true %}{{ m.content.split('</think>')[-1] }}{% endfor %}",
    "{% macro render(m) %}{{ m.content }}{% endmacro %}{% for m in messages %}{{ render(m) }}{% endfor %}",
    "{% if messages[0]['role'] != 'system' %}{{ raise_exception('no') }}{% endif %}{{ strftime_now('%d %b %Y') }}",
    "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join('\n') }}",
    "{% for k, v in tool.parameters.properties.items() %}{{ k }}: {{ v.type }}{% if not loop.last %}, {% endif %}{% endfor %}",
)


@kind("safetensors", "safetensors, also with header lengths that are opcodes")
def _safetensors() -> Named:
    for length in (0x0280, 0x2E93, 0x2E4E, 0x2858, 0x2E5D, 0x0228, 0x2858, 0x1058, 0x0063, 0x0128, 0x0188):
        yield f"{length:x}.safetensors", safetensors(pad=length)
    for kind_of, size in (
        ("F64", 8),
        ("F32", 4),
        ("F16", 2),
        ("BF16", 2),
        ("I64", 8),
        ("I8", 1),
        ("U8", 1),
        ("BOOL", 1),
    ):
        entry = {"dtype": kind_of, "shape": [3, 2], "data_offsets": [0, 6 * size]}
        yield f"{kind_of}.safetensors", safetensors({"__metadata__": {"format": "pt"}, "w": entry}, bytes(6 * size))
    many = {f"layer.{n}.w": {"dtype": "F32", "shape": [2], "data_offsets": [8 * n, 8 * n + 8]} for n in range(200)}
    yield "many.safetensors", safetensors(many, bytes(1_600))
    empty = {"w": {"dtype": "F32", "shape": [0, 5], "data_offsets": [0, 0]}}
    yield "empty.safetensors", safetensors(empty, b"")
    yield "none.safetensors", safetensors({}, b"")


@kind("models", "models of plain data: GGUF, ONNX, Keras, SavedModel, TFLite, JSON")
def _models() -> Named:
    for version in (2, 3):
        for tensors in (0, 1, 5):
            yield f"{version}-{tensors}.gguf", gguf({"general.name": "m"}, version, tensors)
    for op in ("Relu", "Identity", "Abs", "Neg", "Sigmoid", "Softmax"):
        yield f"{op}.onnx", onnx(op)
    yield "ml.onnx", onnx("Scaler", "ai.onnx.ml")
    yield "external.onnx", onnx(external="weights.bin")
    yield "dense.keras", keras_zip([])
    for op in ("Identity", "MatMul", "Relu"):
        yield f"{op}/saved_model.pb", saved_model(op)
    yield (
        "booster.json",
        json.dumps({"learner": {"gradient_booster": {"name": "gbtree"}}, "version": [3, 2, 0]}).encode(),
    )
    yield "config.json", json.dumps({"architectures": ["BertModel"], "model_type": "bert"}).encode()
    yield "ir.xml", b'<?xml version="1.0"?>\n<net name="m" version="11"><layers/></net>\n'


@kind("arrays", "NumPy arrays of numbers and words")
def _arrays() -> Named:
    numbers = npy("<f8", (3,), bytes(24))
    for version in (1, 2, 3):
        for descr in (
            "<f8",
            "|u1",
            [("Object", "<f8")],
            [("O", "<i4")],
            "<U10",
            "<M8[ns]",
            ("<f4", (2,)),
            "|b1",
            "<c16",
            "|V8",
        ):
            yield f"{version}-{descr}.npy".replace("/", "_"), npy(descr, (0,), b"", version)
        yield f"{version}.npy", npy("<i4", (5, 2), bytes(40), version)
    yield "three.npy", numbers * 3
    for fields in (3, 5_000):
        descr = [(f"field_{number}", "<f8") for number in range(fields)] + [("T", "<f4")]
        yield f"temperature-{fields}.npy", npy(descr, (1,), bytes(8 * fields + 4), 2)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        yield (
            f"{method}.npz",
            zipped({"a.npy": numbers, "b.npy": npy("<U3", (2,), "abcdef".encode("utf-32-le"))}, method),
        )


@kind("archives", "zips, tars and 7z of ordinary files, compressed texts, office files, wheels and jars")
def _archives() -> Named:
    from corpus import WRAPPINGS

    texts = {f"{number}.txt": text.encode() for number, text in enumerate(TEXTS)}
    for label, wrap in WRAPPINGS.items():
        for number, text in enumerate(TEXTS[:10]):
            yield f"{number}.{label}", wrap(text.encode() * 30 or b"-")
        yield f"large.{label}", wrap(TEXTS[0].encode() * 30_000)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield f"texts-{method}.zip", zipped(texts, method)
        yield f"streamed-{method}.zip", streamed_zip(texts, method)
    yield "texts.tar", tarred(texts)
    yield "texts.7z", seven_zip({name: data for name, data in texts.items() if data}, "lzma")
    yield (
        "a.whl",
        zipped({"a/__init__.py": b"import os\n", "a-1.dist-info/RECORD": b"a/__init__.py,,\n"}, zipfile.ZIP_DEFLATED),
    )
    yield (
        "a.jar",
        zipped(
            {"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0\n", "A.class": b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(40)}
        ),
    )
    yield (
        "a.docx",
        zipped({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w:document/>"}, zipfile.ZIP_DEFLATED),
    )
    yield "a.epub", zipped({"mimetype": b"application/epub+zip", "a.xhtml": b"<html/>"})
    yield "torch-names.zip", zipped({"archive/data.json": b"{}", "archive/version": b"3\n"})
    yield "broken.zip", b"PK\x03\x04" + random.Random(2).randbytes(500)
    yield "end-only.zip", b"PK\x05\x06" + bytes(18)


def _chunk(kind_of: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind_of + data + struct.pack(">L", zlib.crc32(kind_of + data))


@kind("media", "images, sounds and fonts")
def _media() -> Named:
    generator = random.Random(9)
    for width in (1, 16, 80, 256, 2000):
        header = struct.pack(">LLBBBBB", width, 4, 8, 2, 0, 0, 0)
        rows = zlib.compress(b"".join(b"\0" + generator.randbytes(3 * width) for _ in range(4)))
        png = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
        yield f"{width}.png", png
        yield f"{width}-text.png", png[:-12] + _chunk(b"tEXt", b"Comment\0cos\nsystem\n") + png[-12:]
        pixels = generator.randbytes(3 * width * 4)
        yield (
            f"{width}.bmp",
            b"BM"
            + struct.pack(
                "<LHHLLllHHLLllLL", 54 + len(pixels), 0, 0, 54, 40, width, 4, 1, 24, 0, len(pixels), 0, 0, 0, 0
            )
            + pixels,
        )
        yield (
            f"{width}.gif",
            b"GIF89a"
            + struct.pack("<HHBBB", width, 4, 0xF0, 0, 0)
            + generator.randbytes(6)
            + b"\x2c"
            + bytes(9)
            + generator.randbytes(200)
            + b";",
        )
        yield (
            f"{width}.wav",
            b"RIFF"
            + struct.pack("<L", 36 + 4 * width)
            + b"WAVEfmt "
            + struct.pack("<LHHLLHH4sL", 16, 1, 1, 8000, 16000, 2, 16, b"data", 4 * width)
            + generator.randbytes(4 * width),
        )
        yield f"{width}.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0" + generator.randbytes(width * 10) + b"\xff\xd9"
        yield f"{width}.ppm", b"P6\n%d 4\n255\n" % width + pixels
    yield "a.ttf", b"\0\x01\0\0" + struct.pack(">HHHH", 9, 128, 3, 16) + generator.randbytes(900)
    yield "a.woff2", b"wOF2" + generator.randbytes(900)
    yield "a.mp3", b"ID3\x03\0\0\0\0\0\x0a" + bytes(10) + generator.randbytes(2_000)
    yield "a.flac", b"fLaC" + generator.randbytes(2_000)
    yield "a.mp4", b"\0\0\0\x18ftypmp42" + generator.randbytes(2_000)
    yield "a.ico", b"\0\0\x01\0\x01\0" + generator.randbytes(300)
    yield "a.tif", b"II*\0" + generator.randbytes(300)
    yield (
        "a.pdf",
        b"%PDF-1.7\n" + b"1 0 obj << /Type /Catalog >> endobj\n" * 40 + generator.randbytes(900) + b"\n%%EOF\n",
    )
    yield "a.mo", struct.pack("<LLLLLLL", 0x950412DE, 0, 1, 28, 36, 0, 44) + bytes(16) + b"cos\0system\0"


@kind("data-files", "old and new files of data: MATLAB, SPSS, FITS, netCDF, Parquet, Arrow, SQLite, R without code")
def _data_files() -> Named:
    generator = random.Random(11)
    yield (
        "a.mat",
        b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\x01IM" + struct.pack("<LL", 14, 56) + bytes(56),
    )
    yield "v4.mat", struct.pack("<LLLLL", 0, 2, 2, 0, 2) + b"a\0" + bytes(32)
    yield "a.sav", b"$FL2@(#) SPSS DATA FILE".ljust(64) + struct.pack("<LL", 2, 3) + bytes(100)
    yield "idl.sav", b"SR\0\x04" + struct.pack(">LL", 10, 500) + bytes(480)
    yield "a.dta", b"<stata_dta><header><release>118</release>" + bytes(100)
    yield (
        "a.fits",
        b"".join(
            card.ljust(80) for card in (b"SIMPLE  =                    T", b"BITPIX  =                    8", b"END")
        ).ljust(2880),
    )
    yield "a.nc", b"CDF\x01" + bytes(28) + generator.randbytes(200)
    yield "a.parquet", b"PAR1" + generator.randbytes(500) + struct.pack("<L", 100) + b"PAR1"
    yield "a.arrow", b"ARROW1\0\0" + generator.randbytes(500) + b"ARROW1"
    yield "a.orc", b"ORC" + generator.randbytes(500)
    yield "a.avro", b"Obj\x01" + generator.randbytes(500)
    yield "a.tfrecord", struct.pack("<QL", 5, 1) + b"hello" + bytes(4)
    yield "a.elf", b"\x7fELF\x02\x01\x01" + generator.randbytes(900)
    yield "a.class", b"\xca\xfe\xba\xbe\0\0\0\x34" + generator.randbytes(300)
    yield "a.wasm", b"\0asm\x01\0\0\0" + generator.randbytes(300)
    yield "a.pcap", b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + generator.randbytes(300)
    yield "a.mnist", struct.pack(">LLLL", 2051, 10, 28, 28) + generator.randbytes(7840)
    yield "labels.mnist", struct.pack(">LL", 2049, 1000) + generator.randbytes(1000)
    yield "cifar.bin", generator.randbytes(3073 * 5)
    yield "vectors.bin", b"2 3\ncat " + struct.pack("<3f", 1, 2, 3) + b"\ndog " + struct.pack("<3f", 1, 2, 3) + b"\n"
    yield (
        "words.rds",
        b"X\n" + struct.pack(">LLLLL", 2, 0x40003, 0x20300, 16, 1) + struct.pack(">LL", 0x40009, 3) + b"abc",
    )
    yield "lists.rds", b"X\n" + struct.pack(">LLLLL", 2, 0x40003, 0x20300, 19, 1) + struct.pack(">LLd", 14, 1, 1.5)
    yield "function.rds", rds(r_list(r_closure()))
    yield "function.RData", r_workspace(fit=r_closure())
    for oid in ("0" * 64, "c" * 64, "a1" * 32):
        yield f"{oid[:4]}.pkl", f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 12\n".encode()
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in (("empty", 0), ("one", 1), ("many", 2_000)):
            path = f"{folder}/{name}"
            connection = sqlite3.connect(path)
            connection.execute("CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT, icon BLOB, score REAL)")
            connection.executemany(
                "INSERT INTO moz_places VALUES (?, ?, ?, ?)",
                ((row, f"https://example.org/{row}", generator.randbytes(40), row / 3) for row in range(rows)),
            )
            connection.commit()
            connection.close()
            yield f"{name}.sqlite", Path(path).read_bytes()


@kind("protobufs", "messages of no model")
def _protobufs() -> Named:
    generator = random.Random(13)
    for number in range(60):
        message = b"".join(
            field(
                generator.randrange(1, 16),
                generator.choice((generator.randbytes(9), "text", generator.randrange(1 << 30))),
            )
            for _ in range(generator.randrange(1, 30))
        )
        yield f"{number}.pb", message


@kind("documents", "JSON of each shape, also named like settings of models")
def _documents() -> Named:
    shapes: tuple[Any, ...] = (
        {},
        [],
        [1, 2],
        {"a": None},
        {"c": "os.system"},
        "text",
        1.5,
        {"template": "{{ x }}"},
        {"class_name": "Lambda"},
    )
    for number, shape in enumerate(shapes):
        for name in (
            "a.json",
            "config.json",
            "tokenizer_config.json",
            "model.json",
            "package.json",
            "generation_config.json",
        ):
            yield f"{number}/{name}", json.dumps(shape).encode()


@kind("starts-of-opcodes", "a protocol's first bytes, and nothing that follows them")
def _starts() -> Named:
    yield "proto-only", b"\x80\x04" + b"\xff\xfe" * 50
    yield "proto-text", b"\x80\x02cab\n"
    for protocol in range(2, 6):
        yield f"proto-{protocol}", bytes((0x80, protocol))
        yield f"frame-{protocol}", bytes((0x80, protocol)) + b"\x95\x10\0\0\0\0\0\0\0"
        yield f"noise-{protocol}", bytes((0x80, protocol)) + b"\xfd\xfe" + random.Random(protocol).randbytes(200)
    for number in range(30):
        yield f"euro-{number}", b"\x80 " + random.Random(number).randbytes(60)
