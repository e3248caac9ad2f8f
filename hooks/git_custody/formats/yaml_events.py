"""What a YAML document consists of, event by event, as libyaml's parser reads it; nothing is ever constructed.

What several inspectors look for in one file is parsed once for each, so that a file pays for every event.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from git_custody.formats.verdicts import Budget

STEPS_PER_EVENT = 3


class BreaksOffError(Exception):
    """The document is not valid from there on, or the file may take no more steps."""


def events(data: bytes, budget: Budget) -> Iterator[Any]:
    """The events of a document, in Python where there is no libyaml. Raises `BreaksOffError`."""
    import yaml

    if budget.steps < 0:
        raise BreaksOffError
    try:
        for event in yaml.parse(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            budget.steps -= STEPS_PER_EVENT
            if budget.steps < 0:
                raise BreaksOffError
            yield event
    except (yaml.YAMLError, ValueError, RecursionError):
        raise BreaksOffError from None
