"""What a pickle would do, in fickling's words: for the reader only, never for a verdict.

fickling reads a pickle without loading it, but it is slow and breaks on unusual ones, so that it runs in
a child process: isolated (`-I`), in an empty directory, with a clean environment and limits on memory,
processor time and files. Where the platform has no such limits it is not asked.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

SECONDS = 3
MEMORY = 512 * 1024 * 1024
PICKLE_AT_MOST = 1024 * 1024
ANSWER_AT_MOST = 200
CALLS_AT_MOST = 20

_CHILD = f"""
import resource, sys
for limit, value in (
    (resource.RLIMIT_CPU, {SECONDS}), (resource.RLIMIT_AS, {MEMORY}), (resource.RLIMIT_FSIZE, 0),
    (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NPROC, 0),
):
    resource.setrlimit(limit, (value, value))
import ast, json
from fickling.fickle import Pickled
pickled = Pickled.load(sys.stdin.buffer.read())
tree = pickled.ast
origins = {{}}
calls = []
for node in ast.walk(tree):
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            origins[alias.asname or alias.name] = node.module + "." + alias.name
for node in ast.walk(tree):
    if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
        name = ast.unparse(node.func)
        name = origins.get(name, name)
        calls.append((name + "(" + ", ".join(ast.unparse(part) for part in node.args) + ")")[:1000])
usual = ("collections.", "torch.", "numpy.", "joblib.", "copyreg.", "_codecs.")
calls.sort(key=lambda call: call.startswith(usual) or ".__setstate__(" in call)
severity = ""
if "severity" in sys.argv:
    from fickling.analysis import check_safety
    severity = check_safety(pickled).severity.name
json.dump([severity, calls[:{CALLS_AT_MOST}]], sys.stdout)
"""


class Explanation(NamedTuple):
    """fickling's verdict, such as ``LIKELY_UNSAFE``, and the calls that loading would make, the unusual ones first."""

    severity: str
    calls: tuple[str, ...]


def call_in(pickle: bytes) -> str | None:
    """Name the most telling call that loading `pickle` would make, as ``os.system('id')``.

    Of a pickle of more than 1 MiB, only the first is looked at. At most 200 characters; `None` where fickling is
    missing, fails, takes too long or sees no call.
    """
    told = _asked(pickle)
    return told.calls[0] if told is not None and told.calls else None


def explain(pickle: bytes) -> Explanation | None:
    """What fickling says of `pickle`; `None` where it is missing, fails or takes too long."""
    return _asked(pickle, "severity")


def _asked(pickle: bytes, *words: str) -> Explanation | None:
    try:
        import resource  # noqa: F401  (it is not there on Windows)
        import subprocess
        import tempfile
    except ImportError:
        return None
    if not sys.executable:
        return None
    try:
        with tempfile.TemporaryDirectory(prefix="git-custody-") as empty:
            answer = subprocess.run(
                [sys.executable, "-I", "-B", "-X", "utf8", "-c", _CHILD, *words],
                input=pickle[:PICKLE_AT_MOST],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=empty,
                env={},
                timeout=2 * SECONDS,
                check=False,
            )
    except (OSError, subprocess.SubprocessError):
        return None
    if answer.returncode != 0:
        return None
    import json

    try:
        severity, calls = json.loads(answer.stdout)
    except (ValueError, TypeError):
        return None
    return Explanation(str(severity), tuple(_short(str(call)) for call in calls))


def _short(call: str) -> str:
    return call if len(call) <= ANSWER_AT_MOST else call[: ANSWER_AT_MOST - 1] + "…"
