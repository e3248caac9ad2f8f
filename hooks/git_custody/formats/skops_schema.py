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
from git_custody.formats.verdicts import CODE, MALFORMED, OPAQUE, SAFE, Member, Said, Scene

ZIP_START = b"PK\x03\x04"
SCHEMA = "schema.json"
KEYS = ("__class__", "__module__", "__loader__", "content", "protocol")
FINDINGS_AT_MOST = 20

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
        yield from _findings(scene.content)


def _archive(scene: Scene) -> Iterator[Said]:
    schema: Content | None = None
    for member in zips.inspect(scene):
        if isinstance(member, Member) and member.name == SCHEMA:
            schema = member.content
    if schema is None:
        yield Said(MALFORMED, "skops", f"a skops model without its {SCHEMA}")
    elif next(_findings(schema), None) is None:
        yield Said(SAFE, "skops", "a skops model of types that skops trusts")


def _findings(content: Content) -> Iterator[Said]:
    """What is wrong with a schema; nothing for JSON that is none."""
    try:
        schema = bounded_json.read(content, KEYS)
    except bounded_json.TooLong:
        if bounded_json.may_hold(content, b"__loader__"):
            yield Said(OPAQUE, "skops", "a skops model whose schema is too long to be looked into", forced=True)
        return
    except bounded_json.Broken:
        if bounded_json.may_hold(content, b"__loader__"):
            yield Said(MALFORMED, "skops", "a skops model whose schema is not valid JSON, or has a key twice")
        return
    if not isinstance(schema, dict) or "__loader__" not in schema:
        return
    told: set[str] = set()
    for node in _nodes(schema):
        for name in _untrusted(node):
            if name not in told and len(told) < FINDINGS_AT_MOST:
                told.add(name)
                what = f"a skops model that looks up {name[:200]}, which skops does not trust by itself"
                yield Said(CODE, "skops", what, name[:200], f"{str(node['__loader__'])[:100]} in {SCHEMA}")


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    pending = [schema]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if "__loader__" in value:
                yield value
            pending += [inner for inner in value.values() if isinstance(inner, (dict, list))]
        elif isinstance(value, list):
            pending += [inner for inner in value if isinstance(inner, (dict, list))]


def _untrusted(node: dict[str, Any]) -> Iterator[str]:
    """The dotted names in a node that skops does not trust."""
    loader, content = node["__loader__"], node.get("content")
    name = f"{node.get('__module__')}.{node.get('__class__')}"
    if loader == "MethodNode":
        method = content.get("func") if isinstance(content, dict) else ""
        yield f"{name}.{method}"
    elif loader == "FunctionNode":
        if isinstance(content, dict) and "function" in content:  # protocol 0
            name = f"{content.get('module_path')}.{content['function']}"
        if not (name.startswith("scipy.special.") or name in UFUNCS):
            yield name
    elif loader == "OperatorFuncNode" or not (name in TRUSTED or TRUSTED_PATTERN.fullmatch(name)):
        yield name
    if loader == "RandomGeneratorNode":
        yield from (f"numpy.random.{wanted}" for wanted in _generators(content))


def _generators(content: Any) -> Iterator[str]:
    """The bit generators that a random generator names and that NumPy does not have."""
    pending = [content]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            named = value.get("bit_generator")
            text = named.get("content") if isinstance(named, dict) else named
            if isinstance(text, str) and text.strip('"') not in BIT_GENERATORS:
                yield text.strip('"')
            pending += value.values()
        elif isinstance(value, list):
            pending += value
