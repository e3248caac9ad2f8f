"""What the tests against real libraries share. `pytest tests/real` runs them, with the dependency group `real`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
if str(TESTS) not in sys.path:
    sys.path.append(str(TESTS))

from sandbox import Sandbox  # noqa: E402


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One child for all tests of a process: the libraries are imported once."""
    opened = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield opened
    opened.close()


def pytest_configure(config: pytest.Config) -> None:
    """Let the libraries warn: it is not ours to mend."""
    config.addinivalue_line("filterwarnings", "ignore")
