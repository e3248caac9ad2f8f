"""What a pickle would call, in fickling's words: for the message only, never for a verdict.

fickling reads a pickle without loading it, but it is slow and breaks on unusual ones, so that it runs in
a child process: isolated (`-I`), in an empty directory, with a clean environment and limits on memory,
processor time and files. Where the platform has no such limits it is not asked.
"""

from __future__ import annotations

import sys

SECONDS = 3
MEMORY = 512 * 1024 * 1024
ANSWER_AT_MOST = 200

_CHILD = f"""
import resource, sys
for limit, value in (
    (resource.RLIMIT_CPU, {SECONDS}), (resource.RLIMIT_AS, {MEMORY}), (resource.RLIMIT_FSIZE, 0),
    (resource.RLIMIT_CORE, 0),
):
    resource.setrlimit(limit, (value, value))
import ast
from fickling.fickle import Pickled
tree = Pickled.load(sys.stdin.buffer.read()).ast
origins = {{}}
calls = []
for node in ast.walk(tree):
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            origins[alias.asname or alias.name] = node.module + "." + alias.name
for node in ast.walk(tree):
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name = origins.get(node.func.id, node.func.id)
        calls.append(name + "(" + ", ".join(ast.unparse(part) for part in node.args) + ")")
usual = ("collections.", "torch.", "numpy.", "joblib.", "copyreg.", "_codecs.")
calls.sort(key=lambda call: call.startswith(usual))
sys.stdout.buffer.write(calls[0][:1000].encode("utf-8", "backslashreplace") if calls else b"")
"""


def call_in(pickle: bytes) -> str | None:
    """Name the most telling call that loading `pickle` would make, as ``os.system('id')``.

    At most 200 characters; `None` where fickling is missing, fails, takes too long or sees no call.
    Nothing is unpickled.
    """
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
                [sys.executable, "-I", "-B", "-X", "utf8", "-c", _CHILD],
                input=pickle,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=empty,
                env={},
                timeout=SECONDS,
                check=False,
            )
    except (OSError, subprocess.SubprocessError):
        return None
    text = answer.stdout.decode("utf-8", "replace").strip()
    if answer.returncode != 0 or not text:
        return None
    return text if len(text) <= ANSWER_AT_MOST else text[: ANSWER_AT_MOST - 1] + "…"
