"""Chat templates: attacks are code wherever they stand, ordinary templates are nothing, and nothing is rendered."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat_templates_corpus import ATTACKS, LEAKS, ORDINARY
from clock import keeping_below, within
from corpus import zipped
from git_custody.core.content import BytesContent
from git_custody.formats.chat_templates import JSON_AT_MOST, TEXT_AT_MOST, Judge, inspect, is_template_name
from git_custody.formats.jinja_tree import judged
from git_custody.formats.recognise import recognise
from git_custody.formats.verdicts import Budget, Member, Said, Scene, Verdict

FUZZ = settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
BAD = ATTACKS | LEAKS
ATTACK = ATTACKS["lipsum"]


def verdicts(data: bytes | str, name: str = "") -> list[Verdict]:
    return list(recognise(BytesContent(data.encode() if isinstance(data, str) else data), name=name))


def said(data: bytes | str, name: str = "") -> list[tuple[str, str]]:
    return [(v.kind, v.format) for v in verdicts(data, name)]


CODE = [("code", "chat-template")]


# The tree


@pytest.mark.parametrize("name", BAD)
def test_attacks_are_code(name: str) -> None:
    found = Judge(Budget())(BAD[name])
    assert found is not None
    assert found.kind == "code"
    assert found.evidence


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_templates_are_nothing(name: str) -> None:
    assert judged(ORDINARY[name]) is None


def test_there_are_enough_of_both() -> None:
    assert len(BAD) >= 100
    assert len(ORDINARY) >= 55


@pytest.mark.parametrize(
    ("name", "says", "evidence", "calls"),
    [
        ("lipsum", "reaches for internals of Python", "line 1: '__globals__'", None),
        ("generator-made", "reaches for internals of Python", "line 1: 'gi_frame'", None),
        ("items-reversed", "looks into what Jinja gives it by a name that it assembles", "line 1: 'lipsum'", None),
        ("sort-key", "looks up names that it assembles, and calls what it finds", "line 1", None),
        ("attr-token", "looks up attributes by names that it assembles", "line 1", None),
        ("include", "pulls in other templates", "line 1", None),
        ("os-popen", "calls what templates are not given", "line 1: 'os.popen'", "os.popen"),
    ],
)
def test_what_is_said(name: str, says: str, evidence: str, calls: str | None) -> None:
    found = judged(BAD[name])
    assert found is not None
    assert (found.says, found.calls) == (says, calls)
    assert (found.evidence or "").startswith(evidence)


def test_the_line_is_told() -> None:
    found = judged("{{ a }}\n\n{{ x.__class__ }}")
    assert found is not None
    assert found.evidence == "line 3: '__class__'"


# Each of these is half of what an attack needs, and is no attack.
HALVES = {
    "assembled lookup": "{% set k = 'a' ~ b %}{{ x[k] }}{{ x['a' ~ b].strip() }}",
    "call of an item": "{{ [f, g][i]() }}{{ handlers['a'](1) }}",
    "call of a strange method": "{{ message.render() }}",
    "role by lower": "{{ names[message.role|lower] }}{{ names[message['role'].lower()] }}{{ f.render() }}",
    "counted": "{% set i = 0 %}{% for m in messages %}{% set i = i + 1 %}{{ messages[i - 1] }}{% endfor %}{{ f.render() }}",
    "counted in a namespace": "{% set ns = namespace(text='a', i=0) %}{% set ns.i = ns.i + 1 %}{{ messages[ns.i - 1] }}{{ f.render() }}",
    "arguments of macros": "{% macro m(k) %}{{ x[k] }}{% endmacro %}{{ m('a') }}{{ m(loop_index + 1) }}{{ f.render() }}",
    "choice": "{{ names['a' if x else 'b'] }}{{ names[role or 'user'] }}{{ names[role|default('user')] }}{{ f.render() }}",
}


@pytest.mark.parametrize("name", HALVES)
def test_half_an_attack_is_none(name: str) -> None:
    assert judged(HALVES[name]) is None


WAYS_TO_A_NAME = (
    lambda name: f"'{name}'",
    lambda name: "'" + "".join(f"\\x{ord(c):02x}" for c in name) + "'",
    lambda name: "'" + "".join(f"\\u{ord(c):04x}" for c in name) + "'",
    lambda name: f"'{name[:3]}' ~ '{name[3:]}'",
    lambda name: f"'{name[:3]}' + '{name[3:]}'",
    lambda name: f"['{name[:3]}', '{name[3:]}']|join",
    lambda name: f"''.join(['{name[:3]}', '{name[3:]}'])",
    lambda name: f"'%s%s' % ('{name[:3]}', '{name[3:]}')",
    lambda name: f"'{{}}{{}}'.format('{name[:3]}', '{name[3:]}')",
    lambda name: f"'{name[::-1]}'|reverse",
    lambda name: f"'{name[::-1]}'[::-1]",
    lambda name: f"'{name.upper()}'|lower",
    lambda name: f"'{name.upper()}'.lower()",
    lambda name: f"'{name.replace('_', '.')}'|replace('.', '_')",
    lambda name: f"dict({name}=1)|first",
    lambda name: f"dict({name}=1).keys()|list|last",
    lambda name: f"('%c' % 95)*2 ~ '{name.strip('_')}' ~ ('%c' % 95)*2",
    lambda name: f"(('_'*2, '{name.strip('_')}', '_'*2)|join)|string|trim",
)
PATHS = (
    ("lipsum", ["__globals__", "os", "popen"]),
    ("cycler", ["__init__", "__globals__", "os", "popen"]),
    ("m", ["__init__", "__globals__", "__builtins__", "eval"]),
    ("''", ["__class__", "__mro__", "__getitem__", "x"]),
    ("messages", ["__class__", "__base__", "__subclasses__"]),
)


@FUZZ
@given(st.sampled_from(PATHS), st.data())
def test_the_same_path_by_any_spelling_is_code(path: tuple[str, list[str]], data: st.DataObject) -> None:
    expression, names = path
    before = "{% macro m() %}{% endmacro %}{% set ns = namespace() %}"
    for number, name in enumerate(names):
        dunder = name.startswith("__")
        spelled = data.draw(st.sampled_from(WAYS_TO_A_NAME))(name) if dunder else f"'{name}'"
        if data.draw(st.booleans()):
            variable = data.draw(st.sampled_from([f"v{number}", f"ns.v{number}"]))
            before += f"{{% set {variable} = {spelled} %}}"
            spelled = variable
        way = data.draw(
            st.sampled_from(["item", "attr", "dot"] if not (dunder and "'" not in spelled) else ["item", "attr"])
        )
        if way == "item":
            expression = f"{expression}[{spelled}]"
        elif way == "attr":
            expression = f"({expression}|attr({spelled}))"
        else:
            expression = f"{expression}.{name}"
        if data.draw(st.booleans()):
            before += f"{{% set e{number} = {expression} %}}"
            expression = f"e{number}"
    found = judged(f"{before}{{{{ {expression}('x') }}}}")
    assert found is not None, before + expression
    assert found.kind == "code"


# Where templates stand


def configuration(template: object, **more: object) -> str:
    return json.dumps({"add_bos_token": True, "chat_template": template, "model_max_length": 1e30, **more}, indent=2)


SHAPES = (
    configuration,
    lambda template: configuration(
        [{"name": "default", "template": "{{ a }}"}, {"name": "tool_use", "template": template}]
    ),
    lambda template: configuration({"default": "{{ a }}", "rag": template}),
    lambda template: "\n \t" + configuration(template),
    lambda template: json.dumps({"tokenizer": {"chat_template": template}}),
    lambda template: "\ufeff" + configuration(template),
)


@pytest.mark.parametrize("shape", range(len(SHAPES)))
@pytest.mark.parametrize(
    "name", ["tokenizer_config.json", "chat_template.json", "processor_config.json", "any.json", "noname"]
)
def test_templates_in_json_are_judged(shape: int, name: str) -> None:
    assert said(SHAPES[shape](ATTACK), name) == CODE
    assert said(SHAPES[shape](ORDINARY["llama-3-tools"]), name) == []


@pytest.mark.parametrize("attack", BAD)
def test_every_attack_is_found_in_json_and_by_name(attack: str) -> None:
    found = said(configuration(BAD[attack]), "tokenizer_config.json")
    assert found == CODE
    assert said(BAD[attack], "chat_template.jinja") == CODE


@pytest.mark.parametrize("ordinary", ORDINARY)
def test_no_ordinary_template_is_found_in_json_or_by_name(ordinary: str) -> None:
    assert said(configuration(ORDINARY[ordinary]), "tokenizer_config.json") == []
    assert said(ORDINARY[ordinary], "chat_template.jinja") == []


@pytest.mark.parametrize(
    "key",
    [
        r"chat_template",
        r"\u0063hat_template",
        r"chat\u005ftemplate",
        r"chat\u005Ftemplat\u0065",
        "".join(f"\\u{ord(c):04x}" for c in "chat_template"),
        "".join(f"\\u{ord(c):04X}" for c in "chat_template"),
    ],
)
@pytest.mark.parametrize("between", [":", " :\n\t ", " " * 5000 + ":" + "\n" * 5000])
def test_the_key_is_found_however_it_is_written(key: str, between: str) -> None:
    data = '{"a": "\\u0063", "' + key + '"' + between + json.dumps(ATTACK) + "}"
    assert json.loads(data)["chat_template"] == ATTACK
    assert said(data, "tokenizer_config.json") == CODE


def test_the_last_of_two_keys_is_judged_too() -> None:
    data = '{"chat_template": "{{ a }}", "chat_template": ' + json.dumps(ATTACK) + "}"
    assert json.loads(data)["chat_template"] == ATTACK
    assert said(data) == CODE


@pytest.mark.parametrize("before", range(1024 * 1024 - 40, 1024 * 1024 + 4, 3))
def test_the_key_is_found_across_windows(before: int) -> None:
    content = BytesContent(b'{"a":"' + b"x" * before + b'","chat_template":' + json.dumps(ATTACK).encode() + b"}")
    found = list(inspect(Scene(content, content.read_at(0, 4096), "a.json", Budget())))
    assert [item.kind for item in found if isinstance(item, Said)] == ["code"]


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({"text": 'the key "chat_template" holds ' + ATTACK}),
        json.dumps({"text": json.dumps({"chat_template": ATTACK})}),
        json.dumps({"chattemplate": ATTACK, "template": ATTACK}),
        json.dumps({"chat_template": "no template at all, __class__"}),
        json.dumps({"chat_template": None, "a": ATTACK}),
        json.dumps(["chat_template", ATTACK]),
        '{"chat_template"',
        '{"chat_template": ',
        '{"chat_template": "' + ATTACK,
        '{"chat_template" = "' + ATTACK + '"}',
        '{"chat_template": ' + "[" * 3000,
        "{% if x %}" + ATTACK,
        "{ 'chat_template': '" + "x" * 100 + "'}",
        configuration("{% if %}"),
    ],
)
def test_what_is_no_template_in_json_is_ordinary(data: str) -> None:
    kinds = [v.kind for v in verdicts(data, "any.json")]
    assert kinds == []


def test_what_is_too_much_is_only_opaque_where_loaders_look() -> None:
    much = configuration([{"name": str(i), "template": f"{{{{ a{i} }}}}"} for i in range(100)])
    long = configuration("{{ a }}" + "x" * TEXT_AT_MOST)
    deep = configuration("{{ " + "(" * 5000 + ")" * 5000 + " }}")
    huge = '{"a": "' + "x" * JSON_AT_MOST + '", "chat_template": ' + json.dumps(ATTACK) + "}"
    value = '{"chat_template": ["' + "x" * (1024 * 1024) + '"]}'
    for data in (much, long, deep, huge, value):
        found = verdicts(data, "model/tokenizer_config.json")
        assert [(v.kind, v.format, v.forced) for v in found] == [("opaque", "chat-template", True)]
        assert said(data, "records.json") == []


@pytest.mark.parametrize(
    "name",
    [
        "chat_template.jinja",
        "m/additional_chat_templates/tool_use.jinja",
        "chat_template_rag.jinja2",
        "tool_chat_template_x.j2",
        "M\\Additional_Chat_Templates\\A.JINJA",
    ],
)
def test_files_that_are_templates_by_name(name: str) -> None:
    assert is_template_name(name.lower().replace("\\", "/"))
    assert said(ATTACK, name) == CODE
    assert said("{% if %}", name) == [("malformed", "chat-template")]
    assert said(ORDINARY["chatml"], name) == []
    assert [(v.kind, v.forced) for v in verdicts("x" * (TEXT_AT_MOST + 1), name)] == [("opaque", True)]


@pytest.mark.parametrize(
    "name",
    [
        "templates/base.jinja",
        "page.html.j2",
        "views/error.jinja2",
        "site.jinja",
        "index.html",
        "a.j2",
        "chat/templates/chat.j2",
    ],
)
def test_templates_of_the_web_are_ordinary(name: str) -> None:
    for text in (
        "{{ error.__class__.__name__ }}",
        "{% extends 'base.html' %}{% include 'x' %}",
        "{% if %}",
        "{{ c.__mro__ }}",
    ):
        assert said(text, name) == []


@pytest.mark.parametrize("name", ["prompt.jinja", "a.jinja2", "a.j2", "a.template"])
def test_any_jinja_template_that_runs_code_is_code(name: str) -> None:
    assert said(ATTACK, name) == CODE
    assert said("{{ ''.__class__.__mro__[1].__subclasses__() }}", name) == CODE
    assert said("{# __globals__ #}{% if %}", name) == []
    assert said("Never write {% raw %}{{ x.__globals__ }}{% endraw %}", name) == []


@pytest.mark.parametrize(
    "key", ["custom_chat_template", "chat_template_tool_use", "chat-chat_template-2", "chat_templates"]
)
def test_keys_that_have_the_name_in_them(key: str) -> None:
    assert said(json.dumps({"chat_template": "{{ a }}", key: ATTACK}), "tokenizer_config.json") == CODE


YAMLS = (
    "chat_template: '" + ATTACK.replace("'", "''") + "'\nother: 1\n",
    "a:\n  b:\n  - chat_template: '" + ATTACK.replace("'", "''").replace(" ", "\n     ", 1) + "'\n",
    "chat_template: " + json.dumps(ATTACK) + "\n",
    'chat_template: "\\\n  ' + ATTACKS["items-hex"].replace("\\", "\\\\") + '"\n',
    "instruction_template: |-\n  {% for m in messages %}\n\n  " + ATTACK + "\n  {% endfor %}\nother: 1\n",
    "x: 1\nchat_template: >\n    " + ATTACK + "\n",
    "{a: b, chat_template: " + json.dumps(ATTACK) + "}\n",
    "x: &a " + json.dumps(ATTACK) + "\nchat_template: *a\n",
    "x: &a [" + json.dumps(ATTACK) + "]\nchat_template: {b: *a}\n",
    "? chat_template\n: " + json.dumps(ATTACK) + "\n",
    '"chat\\x5ftemplate": ' + json.dumps(ATTACK) + "\n",
    "chat_template: " + json.dumps(ATTACK).replace("_", "\\u005F") + "\n",
    "chat_template: a\n" * 100 + "chat_template: " + json.dumps(ATTACK) + "\n",
    '"chat_template_jinja": ' + ATTACK.replace("{{", "a {{") + "\n",
)


@pytest.mark.parametrize("text", YAMLS)
def test_templates_in_yaml_are_judged(text: str) -> None:
    assert said(text, "config.yaml") == CODE
    assert said(text, "config.YML") == CODE
    harmless = text.replace("__", "").replace("\\\\x5f", "").replace("\\u005F", "")
    assert said(harmless, "config.yaml") == []


@pytest.mark.parametrize(
    "text",
    [
        "chat_template: chatml\n",
        "a: '{{ x.__globals__ }}'\n",
        "- chat_template:\n- b: '{{ x.__class__ }}'\n",
        "chat_template: '{% if %}'",
        "chat_template: '",
        'chat_template: "\\',
        "my_template:",
    ],
)
def test_other_yaml_is_ordinary(text: str) -> None:
    assert said(text, "config.yaml") == []


def test_templates_in_archives_are_judged() -> None:
    data = zipped(
        {"model/tokenizer_config.json": configuration(ATTACK).encode(), "chat_template.jinja": ATTACK.encode()}
    )
    assert [(v.kind, v.member) for v in verdicts(data, "model.zip")] == [
        ("code", "model/tokenizer_config.json"),
        ("code", "chat_template.jinja"),
    ]


def test_other_encodings_and_bad_ones_do_not_raise() -> None:
    assert said(b"\xff\xfe\x00", "chat_template.jinja") == []
    assert said(b'{"chat_template": "\xff\xfe{{ x.__class__ }}"}') == CODE


# Bounds

SIZE = TEXT_AT_MOST - 40
HOSTILE = {
    "outputs": "{{a}}" * (SIZE // 5),
    "sums": "{{" + "a+" * (SIZE // 2) + "a}}",
    "concatenations": "{{" + "a~" * (SIZE // 2) + "a}}",
    "parentheses": "{{" + "(" * SIZE,
    "attributes": "{{a" + ".a" * (SIZE // 2) + "}}",
    "items": "{{x[a+1]}}" * (SIZE // 10),
    "one-item": "{{x[" + "a+" * (SIZE // 2) + "a]}}",
    "filters": "{{a" + "|b" * (SIZE // 2) + "}}",
    "calls": "{{m(m(m(m(a))))}}" * (SIZE // 17),
    "macros": "{% macro m(a) %}{% endmacro %}" * 10 + "{{m(a)}}" * (SIZE // 9),
    "chain-of-sets": "".join(f"{{% set a{i}=a{i + 1} %}}" for i in range(3500)) + "{{x[a1]}}{% set a3500='a'~b %}",
    "counting": "{% set n.i=n.i+1 %}{{x[n.i]}}" * (SIZE // 40) + "{{f.q()}}{% set _=l.append(a~'b') %}",
    "namespaces": "".join(f"{{% set m{i}.k=a~'b' %}}{{{{z[n.j]}}}}" for i in range(2400)) + "{% set n.j=1 %}{{f.q()}}",
    "namespaces-by-other-names": "".join(f"{{% set m{i}.k=n{i + 1}.k %}}" for i in range(3000)) + "{{f.q()}}",
    "long-set": "{% set x=" + "a+" * (SIZE // 2) + "a %}",
    "ifs": "{% if a %}" * (SIZE // 10),
    "nots": "{{" + "not " * (SIZE // 4) + "1}}",
    "digits": "{{" + "1" * SIZE + "}}",
    "quotes": "{{" + "'" * SIZE,
    "backslashes": "{{'" + "\\" * SIZE,
    "unknown-tags": "".join(f"{{% t{i} %}}" for i in range(SIZE // 12)),
    "raw": "{% raw %}" * (SIZE // 9),
    "spaces": "{{" + " " * SIZE,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_templates_are_bounded(name: str) -> None:
    assert len(HOSTILE[name]) <= TEXT_AT_MOST
    with within(2):
        found = judged(HOSTILE[name])
    assert found is None or found.kind in ("malformed", "opaque")


def test_a_hostile_template_needs_little_memory() -> None:
    with keeping_below(12_000_000):
        judged(HOSTILE["sums"][: SIZE // 4] + "a}}")


def test_many_keys_are_bounded() -> None:
    data = '{"chat_template":"{{ a }}",' * 200_000
    with within(2):
        assert said(data, "a.json") == []


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b'{"a":"\\u0061",' + (b'"' + b"c" * 64) * 100_000, "a.json"),
        (b'{"a":"\\u0061",' + b'"chat_templat' * 500_000, "a.json"),
        (b'{"a":"\\u0061",' + b"\\u0063" * 1_000_000, "a.json"),
        (b"chat_template:\n" * 70_000, "a.yaml"),
        (b"chat_template: '" + b"''" * 500_000, "a.yaml"),
        (b'chat_template: "' + b"\\n" * 500_000, "a.yaml"),
        (b"_template" + b"-" * 1_000_000, "a.yaml"),
        (b"a_template: [" + b"a," * 500_000 + b"]", "a.yaml"),
        (b"a: ['{{x}}', &a 1]\nchat_template: [" + b"*a," * 300_000 + b"]", "a.yaml"),
        (b"_template" + b"- " * 500_000, "a.yaml"),
        (b"_template" + b"a" * 1_000_000, "a.yaml"),
        (b"_template\n" + b" " * 1_000_000, "a.yaml"),
        (b"__globals__" + b"{" * 80_000, "a.j2"),
    ],
)
def test_hostile_files_are_bounded(data: bytes, name: str) -> None:
    with within(2):
        for item in inspect(Scene(BytesContent(data), data[:4096], name, Budget())):
            assert isinstance(item, Said)
            assert item.kind == "opaque"


@FUZZ
@given(st.sampled_from([*BAD.values(), *ORDINARY.values()]), st.randoms(use_true_random=False), st.integers(1, 6))
def test_no_template_raises(template: str, random: Random, times: int) -> None:
    pieces = [
        "{{",
        "}}",
        "{%",
        "%}",
        "(",
        ")",
        "[",
        "]",
        "|",
        "~",
        "'",
        '"',
        "\\x5f",
        "set",
        "for",
        "macro",
        " ",
        "1_0",
        "__class__",
        "é",
    ]
    for _ in range(times):
        at = random.randrange(len(template) + 1)
        template = random.choice(
            [
                template[:at] + random.choice(pieces) + template[at:],
                template[:at] + template[at + 3 :],
                template[at:] + template[:at],
            ]
        )
    with within(2):
        found = judged(template)
    assert found is None or found.kind in ("code", "malformed", "opaque")
    for name in ("tokenizer_config.json", "chat_template.jinja"):
        data = (configuration(template) if name.endswith("json") else template).encode("utf-8", "surrogatepass")
        for item in inspect(Scene(BytesContent(data), data[:4096], name, Budget())):
            assert isinstance(item, (Said, Member))


@FUZZ
@given(st.binary(max_size=200))
def test_any_bytes_are_read(data: bytes) -> None:
    for prefix in (b"", b"{", b'{"chat_template":', b'{"chat_template":"{{', b"{{"):
        for name in ("tokenizer_config.json", "chat_template.jinja", "a.yaml", "a.j2", ""):
            list(inspect(Scene(BytesContent(prefix + data), (prefix + data)[:4096], name, Budget())))
