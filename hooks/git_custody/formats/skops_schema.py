"""skops: a zip whose `schema.json` names the types and functions that loading looks up, constructs and fills.

The layout is that of ``skops/io/_audit.py`` and the nodes beside it. What counts as harmless is what skops trusts
by itself (``skops/io/_trusted_types.py``), and the other classes of scikit-learn: everything else runs code once the
user passes it as `trusted`, which files ask for, and did so unasked in skops before 0.12 (CVE-2024-37065,
CVE-2025-54412, CVE-2025-54413). Arrays are members of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from git_custody.core.content import Content
from git_custody.formats import bounded_json, zips
from git_custody.formats.verdicts import CODE, MALFORMED, OPAQUE, SAFE, Budget, Member, Said, Scene

ZIP_START = b"PK\x03\x04"
SCHEMA = "schema.json"
KEYS = ("__class__", "__module__", "__loader__", "content", "protocol")
FINDINGS_AT_MOST = 20
NAME_AT_MOST = 1_000
STEPS_PER_MEMBER_AGAIN = 32  # beside what it takes to look into it

TYPES = {
    "builtins": """
        NoneType bool bytearray bytes complex dict float frozenset int list map range set slice str tuple type
    """,
    "collections": "Counter OrderedDict defaultdict",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "zoneinfo": "ZoneInfo",
    "numpy": """
        bool bool_ bytes_ clongdouble complex128 complex64 datetime64 dtype float16 float32 float64 int16 int32 int64
        int8 intc intp longdouble longlong ndarray object_ str_ timedelta64 uint16 uint32 uint64 uint8 uintc uintp
        ulonglong void
    """,
}
_UFUNCS = """
    absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_count bitwise_or bitwise_xor
    cbrt ceil conjugate copysign cos cosh deg2rad degrees divide divmod equal exp exp2 expm1 fabs float_power floor
    floor_divide fmax fmin fmod frexp gcd greater greater_equal heaviside hypot invert isfinite isinf isnan isnat lcm
    ldexp left_shift less less_equal log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or
    logical_xor matmul matvec maximum minimum modf multiply negative nextafter not_equal positive power rad2deg radians
    reciprocal remainder right_shift rint sign signbit sin sinh spacing sqrt square subtract tan tanh true_divide trunc
    vecdot vecmat
"""
UFUNCS = frozenset(f"numpy.{name}" for name in _UFUNCS.split())
BIT_GENERATORS = frozenset(("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"))
TRUSTED = frozenset(f"{module}.{name}" for module, names in TYPES.items() for name in names.split())
TRUSTED_PATTERN = re.compile(
    r"numpy\.ma(\.core)?\.MaskedArray"
    r"|numpy\.random\.(mtrand\.RandomState|_generator\.Generator)"
    r"|numpy\.(core\.|_core\.)?(numerictypes|multiarray)\.(dtype|ndarray)"
    r"|scipy\.special\.[\w.]+"
    r"|scipy\.sparse\.(\w+\.)*\w+_(matrix|array)"
    r"|sklearn\.(?!externals\b|datasets\b|utils\b|_build_utils\b)(\w+\.)*_?[A-Z]\w*"
    r"|sklearn\.utils\.(_bunch\.Bunch|_metadata_requests\.\w+|_?deprecation\.\w+|validation\._?[A-Z]\w*)",
    re.ASCII,
)


def inspect(scene: Scene) -> Iterator[Said | Member]:
    """Judge a schema, and what a `.skops` zip consists of."""
    name = scene.name.lower()
    if scene.head[:4] == ZIP_START:
        if name.endswith(".skops"):
            yield from _archive(scene)
    elif name.rpartition("/")[2] == SCHEMA:
        yield from _findings(scene.content, scene.budget)


def _archive(scene: Scene) -> Iterator[Said]:
    schema: Content | None = None
    for member in zips.inspect(scene):
        scene.budget.steps -= STEPS_PER_MEMBER_AGAIN
        if scene.budget.steps < 0:
            return
        if isinstance(member, Member) and member.name == SCHEMA:
            schema = member.content
    if schema is None:
        yield Said(MALFORMED, "skops", f"a skops model without its {SCHEMA}")
    elif next(_findings(schema, scene.budget), None) is None:
        yield Said(SAFE, "skops", "a skops model of types that skops trusts")


def _findings(content: Content, budget: Budget) -> Iterator[Said]:
    """What is wrong with a schema; nothing for JSON that is none."""
    try:
        schema = bounded_json.read(content, budget, KEYS)
    except bounded_json.TooLong:
        if bounded_json.may_hold(content, b"__loader__", budget):
            yield Said(OPAQUE, "skops", "a skops model whose schema is too long to be looked into", forced=True)
        return
    except bounded_json.Broken:
        if bounded_json.may_hold(content, b"__loader__", budget):
            yield Said(MALFORMED, "skops", "a skops model whose schema is not valid JSON, or has a key twice")
        return
    if not isinstance(schema, dict) or "__loader__" not in schema:
        return
    told: set[str] = set()
    for loader, name in _untrusted(schema):
        if name not in told and len(told) < FINDINGS_AT_MOST:
            told.add(name)
            what = f"a skops model that looks up {name[:200]}, which skops does not trust by itself"
            yield Said(CODE, "skops", what, name[:200], f"{loader[:100]} in {SCHEMA}")


def _untrusted(schema: Any) -> Iterator[tuple[str, str]]:
    """The dotted names in a schema that skops does not trust, each behind its loader."""
    pending = [(schema, False)]  # whether it lies in what makes up a random generator
    while pending:
        value, of_generator = pending.pop()
        if isinstance(value, list):
            pending += [(inner, of_generator) for inner in value if isinstance(inner, (dict, list))]
            continue
        if of_generator and (generator := _generator(value)) is not None:
            yield "RandomGeneratorNode", f"numpy.random.{generator}"
        is_generator = False
        if "__loader__" in value:
            loader = _text(value["__loader__"])
            yield from ((loader, name) for name in _of_node(value, loader))
            is_generator = loader == "RandomGeneratorNode"
        for key, inner in value.items():
            if isinstance(inner, (dict, list)):
                pending.append((inner, of_generator or (is_generator and key == "content")))


def _text(value: Any) -> str:
    """A text, or what is no part of any name: whatever else stands there is not written out, however long it is."""
    return value if isinstance(value, str) else "?"


def _of_node(node: dict[str, Any], loader: str) -> Iterator[str]:
    content = node.get("content")
    name = f"{_text(node.get('__module__'))}.{_text(node.get('__class__'))}"
    if loader == "MethodNode":
        yield f"{name}.{_text(content.get('func')) if isinstance(content, dict) else ''}"
    elif loader == "FunctionNode":
        if isinstance(content, dict) and "function" in content:  # protocol 0
            name = f"{_text(content.get('module_path'))}.{_text(content['function'])}"
        if not (name.startswith("scipy.special.") or name in UFUNCS):
            yield name
    elif loader == "OperatorFuncNode" or not _is_trusted(name):
        yield name


def _is_trusted(name: str) -> bool:
    # A pattern takes memory for each part of a name, of which no trusted one has many.
    return name in TRUSTED or (len(name) <= NAME_AT_MOST and TRUSTED_PATTERN.fullmatch(name) is not None)


def _generator(value: dict[str, Any]) -> str | None:
    """The bit generator that a part of a random generator names, if NumPy does not have it."""
    named = value.get("bit_generator")
    text = named.get("content") if isinstance(named, dict) else named
    return text.strip('"') if isinstance(text, str) and text.strip('"') not in BIT_GENERATORS else None
