"""Real git repositories for these tests: the suite's own conftest, whose name the one beside this file has taken.

What else the suite imports from it finds it from here on.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_PATH = Path(__file__).parent.parent / "conftest.py"
_spec = importlib.util.spec_from_file_location("conftest", _PATH)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
sys.modules["conftest"] = _module
_spec.loader.exec_module(_module)

Repo = _module.Repo
PICKLE = _module.PICKLE
repo = _module.repo
clean_environment = _module.clean_environment
