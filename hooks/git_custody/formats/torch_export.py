"""The symbolic sizes in an exported PyTorch graph, which its loader hands to `sympy.sympify`, which evaluates them.

`torch/_export/serde/serialize.py` writes them with `sympy.srepr` (``Mul(Integer(2), Symbol('s77', integer=True))``),
before PyTorch 2.6 with `str` (``2*s77``), and reads them in `_parse_sym_expr`.
"""

from __future__ import annotations

from collections.abc import Iterable

from git_custody.core.content import Content

WINDOW = 1024 * 1024
LONGEST = 65_536
SEARCHED = 64 * 1024 * 1024
# What sizes are made of: the functions of `torch.utils._sympy.functions`, and what SymPy prints of arithmetic.
FUNCTIONS = frozenset(
    (
        b"FloorDiv ModularIndexing Where PythonMod Mod CleanDiv CeilToInt FloorToInt CeilDiv IntTrueDiv "
        b"FloatTrueDiv LShift RShift IsNonOverlappingAndDenseIndicator TruncToFloat TruncToInt RoundToInt "
        b"RoundDecimal ToFloat FloatPow PowByNatural Identity Symbol Dummy Integer Float Rational Add Mul Pow "
        b"Max Min Abs sign floor ceiling sqrt exp log sin cos tan asin acos atan sinh cosh tanh asinh acosh "
        b"atanh Equality Unequality Eq Ne Lt Le Gt Ge StrictLessThan StrictGreaterThan LessThan GreaterThan "
        b"And Or Not Xor ITE Piecewise ExprCondPair Tuple"
    ).split()
)
FAMILIES = (b"OpaqueUnaryFn_", b"BitwiseFn_")


class TooLong(Exception):
    """There is more than can be looked at."""


def odd_expression(graphs: Iterable[Content]) -> str | None:
    """The first size in graphs (JSON) that is more than arithmetic, or None. Raises `TooLong`."""
    import re

    size = re.compile(rb'"expr_str"\s*:\s*"((?:[^"\\]|\\.){0,65536})"?')
    searched = 0
    for graph in graphs:
        at = 0
        while text := graph.read_at(at, WINDOW + LONGEST + 100):
            searched += min(len(text), WINDOW)
            if searched > SEARCHED:
                raise TooLong
            # No writer of JSON escapes ASCII letters.
            text = re.sub(rb"\\u00([2-7][0-9a-fA-F])", lambda found: bytes([int(found[1], 16)]), text)
            for found in size.finditer(text):
                if not _is_arithmetic(found[1]):
                    return found[1][:120].decode("utf-8", "replace")
            at += WINDOW
    return None


def _is_arithmetic(expression: bytes) -> bool:
    import re

    plain = re.sub(rb"'[A-Za-z0-9_.+-]*'", b"0", expression)  # names of symbols, digits of floats
    # A name is taken whole also where nothing is called, lest each of its letters begins a search.
    names = re.findall(rb"([A-Za-z_][A-Za-z0-9_]*|[)\]0])\s*(\(?)", plain)
    return (
        b"__" not in expression
        and re.fullmatch(rb"(?:[A-Za-z0-9_\s+\-*/%()<>=!&|~,^]|(?<=[0-9])\.(?![A-Za-z_])|\.(?=[0-9]))*", plain)
        is not None
        and all(name in FUNCTIONS or name.startswith(FAMILIES) for name, called in names if called)
    )
