from __future__ import annotations

import gzip
import io
import json
import marshal
import os
import pickle
import re
import struct
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from clock import within
from git_custody.core.content import BytesContent
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import CODE, MALFORMED, OPAQUE, PICKLE, SAFE, Verdict

QUICK = settings(deadline=None, max_examples=400, suppress_health_check=list(HealthCheck))


def judged(data: bytes, name: str = "") -> tuple[Verdict, ...]:
    return recognise(BytesContent(data), name=name)


def only(data: bytes, name: str = "") -> Verdict:
    (verdict,) = judged(data, name)
    return verdict


# R: a small writer of its XDR encoding


def i(*numbers: int) -> bytes:
    return b"".join(struct.pack(">i", number) for number in numbers)


NULL, GLOBAL, BASE, UNBOUND = i(254), i(253), i(241), i(252)
ATTRIBUTES, TAG = 0x200, 0x400


def chars(text: str) -> bytes:
    return i(0x40009, len(text)) + text.encode()


def symbol(name: str) -> bytes:
    return i(1) + chars(name)


def strings(*texts: str) -> bytes:
    return i(16, len(texts)) + b"".join(map(chars, texts))


def call(name: str, *arguments: bytes) -> bytes:
    return i(6) + symbol(name) + b"".join(i(2) + argument for argument in arguments) + NULL


def promise(expression: bytes, value: bytes = UNBOUND) -> bytes:
    return i(5 | TAG) + GLOBAL + value + expression


def vector(*items: bytes) -> bytes:
    return i(19, len(items)) + b"".join(items)


def named(**values: bytes) -> bytes:
    return b"".join(i(2 | TAG) + symbol(name) + value for name, value in values.items()) + NULL


def closure(body: bytes, environment: bytes = GLOBAL, formals: bytes = NULL) -> bytes:
    return i(3 | TAG) + environment + formals + body


def environment(frame: bytes, table: bytes = NULL) -> bytes:
    return i(4, 0) + BASE + frame + table + NULL


def rds(item: bytes, version: int = 3) -> bytes:
    encoding = i(5) + b"UTF-8" if version == 3 else b""
    return b"X\n" + i(version, 0x040202, 0x020300) + encoding + item


def workspace(**values: bytes) -> bytes:
    return b"RDX3\n" + rds(named(**values))


RUN = promise(call("system", strings("true")))
NUMBERS = i(14, 3) + struct.pack(">3d", 1, 2, 3)


@pytest.mark.parametrize(
    "data",
    [
        rds(RUN),
        rds(RUN, version=2),
        rds(i(5) + UNBOUND + call("system")),
        gzip.compress(rds(vector(NUMBERS, RUN)), mtime=0),
        rds(vector(vector(RUN))),
        rds(i(14 | ATTRIBUTES, 0) + named(hidden=RUN)),
        rds(i(20, 1) + RUN),
        rds(i(2) + RUN + NULL),
        rds(call("f", RUN)),
        rds(closure(symbol("x"), formals=named(x=RUN))),
        rds(promise(NULL, value=RUN)),
        rds(promise(symbol("x"))),
        rds(environment(named(a=NUMBERS, b=vector(RUN)))),
        rds(i(238) + named(a=NUMBERS) + vector(RUN) + NULL),
        workspace(data=NUMBERS, x=RUN),
        rds(RUN)[:-9],
    ],
)
def test_a_promise_in_an_r_file_runs_when_the_object_is_used(data: bytes) -> None:
    verdict = only(data)
    assert (verdict.kind, verdict.format) == (CODE, "r-object")
    assert "promise" in verdict.what


def test_the_promise_is_said_to_call_its_function() -> None:
    assert only(rds(vector(NUMBERS, RUN))).calls == "system"
    assert "promise to call 'system' before byte" in (only(rds(RUN)).evidence or "")
    again = named(a=call("run"), b=NUMBERS)
    assert only(rds(vector(again, promise(i(6) + i(255 | 2 << 8) + NULL)))).calls == "run"


@pytest.mark.parametrize(
    "data",
    [
        rds(NUMBERS),
        rds(strings("a", "b", "")),
        rds(i(16, 2) + i(9, -1) + chars("x")),
        rds(vector(NUMBERS, strings("x"), NULL, GLOBAL)),
        rds(call("system", strings("true"))),
        rds(closure(call("system", strings("true")))),
        # The frame of a function, as R keeps it in its formulas and functions
        rds(closure(symbol("x"), environment(named(x=RUN)))),
        rds(closure(symbol("x"), environment(NULL, vector(named(x=RUN), NULL)))),
        rds(environment(named(**{"...": i(17) + RUN + NULL}))),
        rds(promise(call("f"), value=NUMBERS)),
        rds(promise(NUMBERS)),
        rds(i(249, 0, 1) + chars("stats")),
        rds(i(22) + NULL + NULL),
        rds(i(8, 3) + b"sum"),
        rds(i(25 | ATTRIBUTES) + named(cls=strings("A"))),
        rds(i(10, 2) + i(1, 0)),
        rds(i(13, -1, 0, 2) + i(1, 2)),
        rds(i(24, 5) + b"abcde"),
        rds(vector(symbol("a"), i(255 | 1 << 8), i(255, 1))),
        rds(closure(i(21, 1) + i(13, 1, 12) + i(3) + i(6) + NULL + i(1) + symbol("f") + i(254) + NULL
                    + i(244, 0, 2) + NULL + i(14) + NUMBERS + i(254) + NULL + i(243, 0))),
        workspace(a=NUMBERS, f=closure(NUMBERS), summary=closure(NUMBERS)),
        b"RDA3\nA\n2\n262146\n131840\n" + b"14\n3\n1\nNA\n-Inf\n",
        b"A\n3\n262146\n197888\n5\nUTF-8\n16\n3\n262153\n5\na\\040\\n\\\"b\n262153\n0\n\n9\n-1\n",
        b"\nA\n2\n262146\n131840\n254\n",
        b"B\n" + struct.pack("<3i", 2, 0x040202, 0x020300) + struct.pack("<2i2i", 13, 2, 1, 2),
    ],
)  # fmt: skip
def test_data_of_r_are_left_alone(data: bytes) -> None:
    assert judged(data) == ()


@pytest.mark.parametrize("name", [".First", ".Last"])
def test_a_workspace_may_not_bring_what_r_runs_by_itself(name: str) -> None:
    verdict = only(gzip.compress(workspace(**{"a": NUMBERS, name: closure(call("system"))})))
    assert (verdict.kind, verdict.calls) == (CODE, name)


def test_a_workspace_may_not_replace_functions_of_r() -> None:
    assert "in the place of R's own 'print'" in only(workspace(print=closure(NUMBERS))).what
    assert judged(workspace(print=NUMBERS)) == ()
    assert judged(rds(named(print=closure(NUMBERS)))) == ()  # a list, which binds nothing


def test_an_ascii_promise_is_found() -> None:
    data = b"A\n2\n262146\n131840\n19\n2\n14\n2\n1.5\nNA\n5\n252\n6\n1\n262153\n6\nsystem\n254\n"
    assert only(data).calls == "system"
    text = "x " * 50
    escaped = text.replace(" ", "\\040").encode()
    assert only(data.replace(b"14\n2\n1.5\nNA\n", b"16\n1\n262153\n100\n" + escaped + b"\n")).calls == "system"


def test_long_vectors_are_stepped_over() -> None:
    count = 3_000_000
    data = rds(vector(i(14, count) + bytes(8 * count), i(16, count // 100) + chars("text") * (count // 100), RUN))
    with within(2):
        assert only(data).calls == "system"


def test_long_ascii_vectors_are_stepped_over() -> None:
    data = (
        b"A\n2\n262146\n131840\n19\n2\n14\n500000\n" + b"123.25\n" * 500_000 + b"5\n252\n6\n1\n262153\n6\nsystem\n254\n"
    )
    assert only(data).calls == "system"


def test_r_files_that_break_off_are_malformed() -> None:
    for data in (rds(vector(NUMBERS, NUMBERS))[:-4], rds(i(100)), b"RDX2\nX\nexpression system"):
        assert only(data).kind == MALFORMED
    for text in (
        b"X\n",
        b"X\nmodel\n",
        b"A\nlist\n",
        b"B\n2\n3\n",
        b"X\n" + bytes(100),
        b"RDX is a name",
        b"A\n2\n3\n4\n5\n",
    ):
        assert judged(text) == ()


def test_workspaces_of_r_before_1_4_cannot_be_looked_into() -> None:
    assert only(b"RDX1\n" + bytes(50)).kind == OPAQUE


def test_an_r_file_of_too_many_objects_is_not_called_clean() -> None:
    many = rds(vector(*[NULL] * 1_500_000))
    with within(5):
        assert only(many).kind == OPAQUE
    nested = rds(i(19, 2) * 300_000)
    assert only(nested).kind in (OPAQUE, MALFORMED)


# Java


def utf(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def described(name: str) -> bytes:
    return b"\x72" + utf(name) + bytes(8) + b"\x02\0\0\x78\x70"


JAVA = b"\xac\xed\x00\x05"
INTS = b"\x75" + described("[I") + struct.pack(">i2i", 2, 1, 2)
BYTES = b"\x77\x03abc" + b"\x7a" + struct.pack(">i", 300) + bytes(300)


@pytest.mark.parametrize(
    ("data", "calls", "shown"),
    [
        (b"\x73" + described("weka.J48"), "weka.J48.readObject", "an object of the class weka.J48 at byte 4"),
        (BYTES + b"\x73" + described("a.B"), "a.B.readObject", "an object of the class a.B at byte 314"),
        (INTS + b"\x75\x71\x00\x7e\x00\x00" + i(1, 7) + b"\x73" + described("a.B"), "a.B.readObject", "class a.B at"),
        (b"\x74" + utf("text") + b"\x79\x70\x76" + described("a.B"), None, "the class a.B at byte 13"),
        (b"\x75" + described("[La.B;") + i(0), None, "an array of the class [La.B;"),
        (b"\x7e" + described("a.E"), None, "a constant of the class a.E"),
        (b"\x73\x7d" + i(1) + utf("java.lang.Runnable"), "java.lang.Runnable.readObject", "java.lang.Runnable"),
        (b"\x75\x71\x00\x7e\x00\x05" + i(1, 7), None, "an array of the class at byte 4"),
        (b"\x73", None, "an object of the class at byte 4"),
    ],
)
def test_java_objects_name_a_class(data: bytes, calls: str | None, shown: str) -> None:
    verdict = only(JAVA + data)
    assert (verdict.kind, verdict.format, verdict.calls) == (CODE, "java-object", calls)
    assert shown in (verdict.evidence or "")


@pytest.mark.parametrize(
    "data", [b"", BYTES, INTS, b"\x74" + utf("hello"), b"\x7c" + bytes(7) + b"\x02hi", b"\x42\x42"]
)
def test_java_streams_without_classes_are_data(data: bytes) -> None:
    assert judged(JAVA + data) == ()


# Python bytecode


def function(x: int, *rest: str, key: float = 1.5) -> object:
    return [(x, y) for y in rest] + [lambda z: (z, key, x, 2**100, 1j, b"bytes", ..., {"a"})]


def compiled(first: bytes, layout: str) -> bytes:
    """A code object in one of the older layouts, by hand."""
    text, names = b"s" + struct.pack("<i", 4) + b"code", b"(" + struct.pack("<i", 1) + b"N"
    parts = {"i": struct.pack("<i", 1), "b": text, "t": names, "n": b"t" + struct.pack("<i", 5) + b"f.py\0"}
    return first + b"".join(parts[field] for field in layout)


LAYOUTS = {"2.7": "iiiibtttttnnib", "3.7": "iiiiibtttttnnib", "3.9": "iiiiiibtttttnnib", "3.13": "iiiiibtttbnnnibb"}


@pytest.mark.parametrize("version", range(marshal.version + 1))
def test_marshalled_code_is_recognised(version: int) -> None:
    code = marshal.dumps(function.__code__, version)
    verdict = only(code)
    assert (verdict.kind, verdict.format) == (CODE, "marshal")
    assert "test_formats_objects.py" in (verdict.evidence or "")
    assert only(marshal.dumps(("v", [{"f": function.__code__}]), version)).format == "marshal"
    assert judged(code[:-1]) == ()
    assert judged(marshal.dumps(("v", [{"f": 1}], {1, 2.5}, "text", 2**70), version)) == ()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_code_of_other_versions_is_recognised(layout: str) -> None:
    assert only(compiled(b"c", LAYOUTS[layout])).format == "marshal"
    assert only(compiled(b"\xe3", LAYOUTS[layout])).format == "marshal"


@pytest.mark.parametrize("length", [8, 12, 16])
def test_a_pyc_is_recognised_by_its_header_and_code(length: int) -> None:
    code = marshal.dumps(function.__code__)
    verdict = only(b"\xcb\r\r\n"[:2] + b"\r\n" + bytes(length - 4) + code)
    assert (verdict.kind, verdict.format) == (CODE, "pyc")
    assert verdict.evidence == f"code object of 'test_formats_objects.py' at byte {length}"
    assert judged(b"\xcb\r\r\n"[:2] + b"\r\n" + bytes(length - 4) + code, "a/__pycache__/b.cpython-311.pyc") == ()
    assert judged(b"ab\r\n" + bytes(length - 4) + code[:40]) == ()
    assert judged(b"ab\r\n" + bytes(length - 4) + b"code of conduct" * 9) == ()


def test_compiled_code_in_an_archive_is_part_of_a_program() -> None:
    compiled_module = b"\xcb\r\r\n" + bytes(12) + marshal.dumps(function.__code__)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("package/__pycache__/module.cpython-312.pyc", compiled_module)
    assert judged(packed.getvalue()) == ()
    assert only(gzip.compress(compiled_module)).kind == CODE


@pytest.mark.parametrize(
    "text",
    [
        b"const a = 1;\n", b"c", b"class A:\n    pass\n", b"(1, 2)\n", b"[1, 2]\n", b'{"a": 1}\n', b"<html>\n", b")\n",
        b"c\0\0\0\0" * 20, b"c" + bytes(60), b"{NN" * 10, b"[\0\0\0\0", b"(\1\0\0\0N", b")\1c", b"<\1\0\0\0" * 9,
        b"\r\n\r\n" + b"c" * 30, b"ab\r\ncccc" * 9, b"{" + b"\xfb" * 5000, b")\1" * 5000,
    ],
)  # fmt: skip
def test_text_is_no_bytecode(text: bytes) -> None:
    assert judged(text) == ()


# Torch7


def t7_int(number: int) -> bytes:
    return struct.pack("<i", number)


def t7_text(text: bytes) -> bytes:
    return t7_int(len(text)) + text


class Torch7:
    """A writer of the binary form, as File.lua has it."""

    def __init__(self, long: str = "q") -> None:
        self.count = 0
        self.long = long

    def new(self, kind: int) -> bytes:
        self.count += 1
        return t7_int(kind) + t7_int(self.count)

    def table(self, *pairs: bytes) -> bytes:
        return self.new(3) + t7_int(len(pairs) // 2) + b"".join(pairs)

    def object(self, name: bytes, *parts: bytes) -> bytes:
        return self.new(4) + t7_text(b"V 1") + t7_text(name) + b"".join(parts)

    def longs(self, *numbers: int) -> bytes:
        return struct.pack(f"<{len(numbers)}{self.long}", *numbers)

    def tensor(self, kind: bytes = b"Float", width: int = 4) -> bytes:
        head = self.new(4) + t7_text(b"V 1") + t7_text(b"torch." + kind + b"Tensor")
        head += t7_int(2) + self.longs(2, 3) + self.longs(3, 1) + self.longs(1)
        return head + self.object(b"torch." + kind + b"Storage", self.longs(6), bytes(6 * width))

    def function(self, kind: int = 8, dumped: bytes = b"\x1bLua...") -> bytes:
        head = t7_int(kind) if kind == 6 else self.new(kind)
        return head + t7_text(dumped) + self.table()


def t7_string(text: bytes) -> bytes:
    return t7_int(2) + t7_text(text)


NUMBER = t7_int(1) + struct.pack("<d", 1.5)


def module(torch: Torch7, *extra: Callable[[], bytes]) -> bytes:
    """A module with its weights: the numbers of the objects follow their order in the file."""
    head = torch.new(4) + t7_text(b"V 1") + t7_text(b"nn.Linear")
    fields = torch.new(3) + t7_int(3 + len(extra)) + t7_string(b"weight") + torch.tensor()
    fields += t7_string(b"train") + t7_int(5) + t7_int(1) + NUMBER + t7_int(0)
    for number, add in enumerate(extra):
        fields += t7_string(b"extra%d" % number) + add()
    return head + fields


@pytest.mark.parametrize("long", ["q", "i"])
def test_tensors_of_torch7_are_safe(long: str) -> None:
    for data in (module(Torch7(long)), Torch7(long).tensor(b"Double", 8), Torch7(long).tensor(b"CudaHalf", 2)):
        assert [(v.kind, v.format) for v in judged(data)] == [(SAFE, "torch7")]


@pytest.mark.parametrize("kind", [6, 7, 8])
def test_functions_of_torch7_are_code(kind: int) -> None:
    torch = Torch7()
    verdict = only(module(torch, lambda: torch.function(kind)))
    assert (verdict.kind, verdict.format) == (CODE, "torch7")
    assert only(Torch7().function(kind)).kind == CODE
    torch = Torch7()
    assert only(module(torch, lambda: torch.function(kind, b"return os.execute('true')"))).kind == CODE


def test_a_broken_or_strange_torch7_file_is_not_called_safe() -> None:
    assert only(module(Torch7())[:-5]).kind == MALFORMED
    torch = Torch7()
    assert only(module(torch, lambda: torch.object(b"tds.Hash", bytes(range(100, 140))))).kind == OPAQUE


def test_numbers_and_tables_are_torch7s_only_by_name() -> None:
    torch = Torch7()
    data = torch.table(NUMBER, t7_string(b"x"), NUMBER, torch.table())
    assert judged(data) == ()
    assert only(data, "weights.t7").kind == SAFE
    assert only(NUMBER, "x.t7").kind == SAFE
    for other in (
        b"\x03\0\0\0" * 9,
        b"\x04\0\0\0" + bytes(40),
        b"\x08\0\0\0\1\0\0\0" + b"\1\0\0\0x\0\0\0\0",
        b"4\n5\n6\n",
    ):
        assert judged(other) == ()


def test_the_ascii_form_of_torch7_is_read() -> None:
    tensor = b"4\n%d\n3\nV 1\n17\ntorch.FloatTensor\n1\n2\n1\n1\n4\n%d\n3\nV 1\n18\ntorch.FloatStorage\n2\n0.5 -1e-05\n"
    assert only(tensor % (1, 2)).kind == SAFE
    table = b"3\n1\n2\n2\n1\na\n" + tensor % (2, 3) + b"2\n4\nb\nbb\n"
    assert only(table + b"1\n1.5\n").kind == SAFE
    code = only(table + b"8\n4\n5\n\x1bLua!\n0\n")
    assert (code.kind, code.evidence) == (CODE, f"function at byte {len(table)}")
    assert judged(b"4\n1\n3\nabc\n") == judged(b"3\n1\n2\n3\n4\n" * 50) == ()


# PMML

BODY = '<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"><Header/>{}</PMML>'


def applied(name: str) -> str:
    return BODY.format(f'<DerivedField><Apply function="{name}"/></DerivedField>')


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_pmml_is_safe(encoding: str) -> None:
    for text in (applied("+"), '<?xml version="1.0"?>\n' + applied("x-log"), f"<!--{'-x' * 3000}-->" + applied("if")):
        verdicts = judged(text.encode(encoding), "model.pmml")
        assert [(v.kind, v.format) for v in verdicts] == [(SAFE, "pmml")]


def test_a_declaration_in_pmml_is_malformed() -> None:
    declared = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + BODY.format("&e;")
    assert only(declared.encode()).kind == MALFORMED
    assert only(declared.encode(), "m.pmml").kind == MALFORMED
    assert judged(b"<?xml version='1.0'?><!DOCTYPE html><html>PMML is &lt;PMML&gt;</html>") == ()
    assert only((BODY.format("<!-- <!DOCTYPE x> --><![CDATA[<!DOCTYPE y>]]>")).encode()).kind == SAFE
    assert only(BODY.format("")[:-4].encode()).kind == MALFORMED
    assert only(BODY.format("<a>" * 20_000 + "</a>" * 20_000).encode()).kind == MALFORMED
    attributes = " ".join(f"a{number}=''" for number in range(300_000))
    assert only(f"<PMML {attributes}/>".encode(), "m.pmml").kind == MALFORMED


def test_a_java_class_in_pmml_is_code() -> None:
    assert only(applied("com.example.Run").encode()).calls == "com.example.Run"
    assert only(applied("com&#46;example.Run").encode()).calls == "com.example.Run"
    defined = BODY.format('<DefineFunction name="my.f"/><Apply function="my.f"/>')
    assert only(defined.encode()).kind == SAFE
    large = BODY.format("<Node score='1'/>" * 1_000_000 + '<Apply function="a.B"/>').encode()
    with within(4):
        assert only(large).calls == "a.B"


@pytest.mark.parametrize(
    "data", [b"<svg><!-- PMML --></svg>", b"<?xml version='1.0'?><a>PMML</a>", b"<?xml PMML", b"<PMMLX/>"]
)
def test_other_xml_is_left_alone(data: bytes) -> None:
    assert judged(data) == ()


# YAML


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("a: !!python/object/apply:os.system [id]", "os.system"),
        ("- !!python/object/new:os.system [id]", "os.system"),
        ("!!python/object/apply:subprocess.Popen\n- [id]", "subprocess.Popen"),
        ("a: !<tag:yaml.org,2002:python/object/apply:posix.system> [id]", "posix.system"),
        ("%TAG !p! tag:yaml.org,2002:py\n---\na: !p!thon/object/apply:os.system [id]", "os.system"),
        ("a: !!%70ython/object/apply:os.system [id]", "os.system"),
        ("a: !!python/object/apply:builtins.eval ['1']", "builtins.eval"),
        ("a: !!python/object/apply:eval ['1']", "builtins.eval"),
        ("- !!python/object/new:type\n  args: [z, !!python/tuple [], {extend: !!python/name:exec }]", "builtins.exec"),
        ("a: !!python/object/apply:dataclasses._create_fn [a]", "dataclasses._create_fn"),
        ("a: !!python/object/apply:importlib.import_module [a]", "importlib.import_module"),
        ("a: &x !!python/name:os.system\nb: {c: [", "os.system"),
        ("a: !!python/object/apply:uuid._get_command_stdout [id]", "uuid._get_command_stdout"),
        ("- !!python/object/apply:operator.attrgetter [_os.system]\n- !!python/module:random", "operator.attrgetter"),
        ("- !!python/object/apply:typing.get_type_hints [x]", "typing.get_type_hints"),
        ("!!python/object/new:map [!!python/name:pydoc.pipepager , [a], [id]]", "pydoc.pipepager"),
        # What libyaml refuses and the parser in Python takes
        ("%YAML 1.3\n---\na: !!python/object/apply:os.system [id]", "os.system"),
        ("%YAML 1.3\n---\n'a\"b': !!pyth%6fn/object/apply:os.system [id]", "os.system"),
        ("%YAML 1.3\n%TAG !p! tag:yaml.org,2002:pyt\n---\n{it's:!p!hon/name:os.system}", "os.system"),
    ],
)
def test_a_yaml_tag_that_runs_something_is_code(text: str, target: str) -> None:
    for data in (text.encode(), text.encode("utf-16")):
        verdict = only(data, "config/model.yaml")
        assert (verdict.kind, verdict.format, verdict.calls) == (CODE, "yaml-python", target)
    assert re.search(r" (in line|at byte) \d+$", only(text.encode(), "MODEL.YML").evidence or "")
    assert judged(text.encode(), "model.txt") == ()


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("model:\n  _target_: os.system\n  _args_: [id]\n", "os.system"),
        ("a: {b: [{_target_: subprocess.run, args: [id]}]}", "subprocess.run"),
        ("? _target_\n: builtins.eval\n", "builtins.eval"),
        ("_target_: builtins.exec", "builtins.exec"),
        ("x: &a os.popen\n_target_: *a\n", "os.popen"),
        ('"_tar\\x67et_": "os.s\\x79stem"', "os.system"),
        ('? "_tar\\\n  get_"\n: os.system\n', "os.system"),
        ("a: {_target_: pickle.load}\nb: [", "pickle.load"),
        ("_target_: importlib.import_module", "importlib.import_module"),
        ("_target_: operator.methodcaller", "operator.methodcaller"),
        ("_target_: test.support.script_helper.assert_python_ok", "test.support.script_helper.assert_python_ok"),
    ],
)
def test_a_configuration_that_calls_the_standard_library_is_code(text: str, target: str) -> None:
    for data in (text.encode(), text.encode("utf-16")):
        verdict = only(data, "conf/config.yaml")
        assert (verdict.kind, verdict.format, verdict.calls) == (CODE, "hydra", target)
    assert judged(text.encode(), "config.txt") == ()


def test_a_long_configuration_is_not_passed_unread() -> None:
    verdict = only(b"# x\n" * 300_000 + b"_target_: os.system\n", "config.yaml")
    assert (verdict.kind, verdict.format) == ("opaque", "hydra")


@pytest.mark.parametrize(
    "text",
    [
        "optimizer:\n  _target_: torch.optim.Adam\n  lr: 0.1\n", "_target_: src.models.MNISTLitModule",
        "_target_: functools.partial\n_args_: [1]", "_target_: collections.OrderedDict", "_target_: builtins.dict",
        "_target_: ${model.name}", "_target_: pathlib.Path", "_target_: os.path.join", "_target_: os.getenv",
        "_target_: concurrent.futures.ThreadPoolExecutor", "_target_: time.time", "_target_: systems.Popen",
        "# _target_: os.system", "a: '_target_: os.system'", "target: os.system", "_target_: [os.system]",
        "_target_: test.models.test_encoder.Dummy", "_target_: test.supported.Dummy", "_target_: commands.train.Trainer",
        "_target_:", "_target_: null", "a: b\n" * 300_000,
    ],
)  # fmt: skip
def test_a_configuration_that_names_classes_is_left_alone(text: str) -> None:
    assert judged(text.encode(), "config.yaml") == ()


@pytest.mark.parametrize(
    "text",
    [
        "# !!python/object/apply:os.system",
        "a: '!!python/object/apply:os.system [id]'",
        "a: |\n  !!python/object/apply:os.system [id]\n",
        "a: !!python/name:material.extensions.emoji.twemoji",
        "a: !!python/object/apply:pymdownx.slugs.slugify {kwds: {case: lower}}",
        "!!python/object:argparse.Namespace\nlr: 0.1\nlayers: !!python/tuple [1, 2]",
        "!!python/object:mymodule.Config {}",
        "a: !!python/object/apply:collections.OrderedDict [[]]",
        "a: !!python/object/apply:pathlib.PosixPath [a, b]",
        "a: !!python/name:os.path.join",
        "a: !!python/object/apply:os.path.expanduser [~/x]",
        "a: !!python/object/apply:builtins.set [[1]]",
        "a: !!python/name:logging.INFO",
        "a: !!python/object/apply:re._compile [x, 32]\nb: !!python/object/apply:zoneinfo.ZoneInfo._unpickle [UTC, 1]",
        "a: !!python/module:os.path",
        "a: !!python/str text\nb: !!python/long 5",
        "a: !ENV [python/, x]",
        "%TAG ! tag:example.org:\n---\na: !x 1",
    ],
)
def test_ordinary_yaml_is_left_alone(text: str) -> None:
    assert judged(text.encode(), "mkdocs.yml") == ()


def test_large_yaml_is_searched() -> None:
    long = f"a: [{', '.join(['1.5'] * 400_000)}]\n"
    with within(8):
        verdict = only((long + "b: !!python/object/apply:os.system [id]\n").encode(), "a.yaml")
        assert (verdict.calls, verdict.evidence) == (
            "os.system",
            f"!!python/object/apply:os.system at byte {len(long) + 3}",
        )
        assert only((long + "'a\"b': !!pyth%6fn/object/apply:os.system [id]\n").encode(), "a.yaml").calls == "os.system"
        for hidden in ("# b: ", "b: 'a ", 'b: "a '):
            assert judged((long + hidden + "!!python/object/apply:os.system [id]\n").encode(), "a.yaml") == ()
        assert judged((long + "b: !!python/object/apply:my.system [id]\n").encode(), "a.yaml") == ()
        for hostile in ("# python/\n" + "[" * 500_000, "# python/\n" + "- " * 300_000, "# python/\n" + "&a " * 300_000):
            assert judged(hostile.encode(), "a.yaml") == ()


# Texts that are evaluated, JSON of Python objects, and serialised objects of .NET

YOLO = """nc: 80 # classes
activation: {activation}
scales: {{n: [0.33, 0.25, 1024]}}
backbone:
  - [-1, 1, Conv, [64, 3, {argument}]]
  - [-1, 3, C2f, [128, True]]
head:
  - [-1, 1, nn.Upsample, [None, 2, "nearest"]]
  - [[15, 18, 21], 1, Detect, [nc, anchors]]
"""


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('id')", "eval('1')", "[eval][0]('1')", "list(map(eval, ['1']))", "torch.os.system('id')",
        "list(map(torch.os.popen, ['id']))", "[c for c in ().__class__.__base__.__subclasses__()]", "torch.hub.load('a', 'b')",
        "nn.SiLU(exec('1'))", "nn.modules.activation.torch.os.getcwd()",
    ],
)  # fmt: skip
def test_a_text_that_yolo_evaluates_is_code(text: str) -> None:
    quoted = json.dumps(text)
    for data in (
        YOLO.format(activation=quoted, argument=1),
        YOLO.format(activation="nn.SiLU()", argument=quoted),
        YOLO.format(activation=f"&a {quoted}", argument="*a").replace("activation", "x"),
        YOLO.format(activation=quoted, argument=1).replace("backbone", '"back\\x62one"'),
    ):
        for encoded in (data.encode(), data.encode("utf-16")):
            verdict = only(encoded, "models/yolov8x.yaml")
            assert (verdict.kind, verdict.format) == (CODE, "yolo")
        assert judged(data.replace("head", "neck").encode(), "a.yaml") == judged(data.encode(), "a.txt") == ()


@pytest.mark.parametrize(
    "text",
    ["nn.SiLU()", "torch.nn.LeakyReLU(0.1, inplace=True)", "nn.modules.activation.GELU()", "nn.ReLU", "SiLU()", "null",
     "nearest", "1e-3", "hot dog (raw)", "'a (b'", "'(' ", "x.y"],
)  # fmt: skip
def test_an_ordinary_model_of_yolo_is_left_alone(text: str) -> None:
    assert judged(YOLO.format(activation=text, argument=text).encode(), "yolov8.yaml") == ()


RAY = {"_type": "CLOUDPICKLE_FALLBACK", "value": pickle.dumps(os.getcwd).hex()}


def fiddle(module: str, name: str) -> dict[str, object]:
    return {
        "root": {"type": "ref", "key": "a"},
        "objects": {"a": {"type": {"type": "pyref", "module": module, "name": name}}},
    }


def gluonts(name: str, kind: str = "instance") -> dict[str, object]:
    return {"__kind__": kind, "class": name, "args": [["id"]], "kwargs": {}}


def jsonpickled(name: str, key: str = "py/function") -> dict[str, object]:
    return {"a": {"py/reduce": [{key: name}, {"py/tuple": ["id"]}]}}


@pytest.mark.parametrize(
    ("value", "target"),
    [
        (fiddle("subprocess", "getoutput"), "subprocess.getoutput"),
        (gluonts("os.system"), "os.system"),
        (gluonts("my.Model") | {"kwargs": {"x": gluonts("runpy.run_path", "type")}}, "runpy.run_path"),
        (jsonpickled("os.system"), "os.system"),
        (jsonpickled("subprocess.Popen", "py/type"), "subprocess.Popen"),
    ],
)
def test_json_that_has_the_standard_library_called_is_code(value: object, target: str) -> None:
    text = json.dumps(value)
    hidden = re.sub("(pyref|__kind__|py/reduce)", lambda word: "".join(f"\\u{ord(c):04x}" for c in word[0]), text)
    long = f'{{"x": "{"x" * (9 * 1024 * 1024)}", "y": {text}}}'
    for data in (text, "\ufeff" + text, text.replace("/", "\\/"), "\n" * 5_000 + hidden, f"[{text}]", long):
        verdict = only(data.encode(), "context/io.json")
        assert (verdict.kind, verdict.format, verdict.calls) == (CODE, "json-python", target)
    assert only(long.replace(text, hidden).encode(), "a.json").kind in (CODE, OPAQUE)


@pytest.mark.parametrize(
    "value",
    [
        *(fiddle("builtins", "tuple"), fiddle("torch.optim", "Adam"), fiddle("pathlib", "PosixPath")),
        *(fiddle("signal", "Signals"), fiddle("inspect", "_empty"), fiddle("functools", "partial")),
        *(
            gluonts("gluonts.model.SeasonalNaivePredictor"),
            gluonts("pathlib.PurePosixPath"),
            gluonts("numpy.dtype", "type"),
        ),
        *(jsonpickled("collections.OrderedDict", "py/type"), jsonpickled("datetime.datetime", "py/type")),
        *({"py/type": "os.system"}, {"class": "os.system"}, {"module": "os", "name": "system", "type": "pyref_"}),
        *({"_type": "CLOUDPICKLE_FALLBACK", "value": "text"}, {"_type": "other", "value": RAY["value"]}),
    ],
)
def test_json_of_other_objects_is_left_alone(value: object) -> None:
    text = json.dumps(value)
    assert judged(text.encode(), "a.json") == judged(text[:-1].encode(), "a.json") == ()
    if "CLOUDPICKLE" not in text:
        assert judged(f'{{"x": "{"x" * (9 * 1024 * 1024)}", "y": {text}}}'.encode(), "a.json") == ()


def test_settings_of_ray_tune_are_pickles() -> None:
    inner = json.dumps({"trainable_name": "f", "config": RAY})
    for value in (RAY, {"runner_data": {"x": RAY}}, {"trial_data": [[inner, "{}"]]}):
        verdict = only(json.dumps(value).encode(), "experiment_state-2026-01-01.json")
        assert (verdict.kind, verdict.format) == (PICKLE, "json-python")


DOTNET = b"\0\1\0\0\0\xff\xff\xff\xff\1\0\0\0\0\0\0\0"


def test_objects_of_dotnet_name_a_class() -> None:
    library = b"Accord.MachineLearning, Version=3.8.0.0"
    for record, shown in (
        (
            b"\x0c\2\0\0\0" + bytes([len(library)]) + library,
            "library Accord.MachineLearning, Version=3.8.0.0 at byte 17",
        ),
        (b"\4\1\0\0\0\x0fSystem.Delegate\3\0\0\0", "class System.Delegate at byte 17"),
        (b"\x10\1\0\0\0\2\0\0\0", "an array of objects at byte 17"),
        (b"\7\1\0\0\0\0\1\0\0\0\2\0\0\0\4", "an array of objects at byte 17"),
    ):
        verdict = only(DOTNET + record)
        assert (verdict.kind, verdict.format, verdict.evidence) == (CODE, "dotnet-object", shown)
    for record in (
        b"\6\1\0\0\0\5hello\x0b", b"\x0f\1\0\0\0\2\0\0\0\6" + bytes(16), b"", b"\7\1\0\0\0\2\2\0\0\0" + bytes(8) + b"\0",
        b"\4\1\0\0\0\4\0\1\2\3", b"\7\1\0\0\0\3\xff\xff\xff\xff", b"\x10\2\0\0\0\2\0\0\0",
    ):  # fmt: skip
        assert judged(DOTNET + record) == ()


# Whatever the bytes

TORCH = Torch7()
SAMPLES = [
    ("", rds(vector(NUMBERS, strings("a", "b"), RUN))),
    ("", workspace(a=NUMBERS, b=closure(call("f"), environment(named(x=RUN))))),
    ("", b"A\n2\n262146\n131840\n19\n2\n14\n2\n1.5\nNA\n5\n252\n6\n1\n262153\n6\nsystem\n254\n"),
    ("", JAVA + BYTES + INTS + b"\x73" + described("a.B")),
    ("", marshal.dumps(function.__code__)),
    ("a.pyc", b"\xa7\r\r\n" + bytes(12) + marshal.dumps(function.__code__)),
    ("a.t7", module(TORCH, lambda: TORCH.function(8))),
    ("a.t7", b"3\n1\n1\n2\n1\na\n4\n2\n3\nV 1\n18\ntorch.FloatStorage\n2\n0.5 -1e-05\n"),
    ("a.pmml", applied("com.example.Run").encode()),
    ("a.yaml", b"a: !!python/object/apply:os.system [id]\n"),
    ("a.yaml", YOLO.format(activation="eval('1')", argument="&a 'f(x)'").encode()),
    ("a.json", json.dumps([RAY, fiddle("os", "system"), gluonts("os.system"), jsonpickled("os.system")]).encode()),
    ("", DOTNET + b"\x0c\2\0\0\0\x06Accord\5\1\0\0\0\1A"),
]


@QUICK
@given(
    sample=st.sampled_from(SAMPLES),
    changes=st.lists(st.tuples(st.integers(0, 5000), st.binary(max_size=8)), max_size=6),
    cut=st.integers(0, 5000),
)
@example(SAMPLES[0], [(40, b"\x7f\xff\xff\xff")], 5000)
def test_no_bytes_raise_or_take_long(sample: tuple[str, bytes], changes: list[tuple[int, bytes]], cut: int) -> None:
    name, data = sample
    for at, new in changes:
        at %= len(data) + 1
        data = data[:at] + new + data[at + len(new) :]
    with within(2):
        judged(data[: cut or None], name)


@QUICK
@given(
    start=st.sampled_from([data[:length] for _, data in SAMPLES for length in (4, 12, 24)]),
    rest=st.binary(max_size=400),
)
def test_nothing_that_begins_alike_raises(start: bytes, rest: bytes) -> None:
    judged(start + rest, "a.yaml")
    judged(start + rest, "a.t7")
