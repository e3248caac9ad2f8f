"""How our programs begin and end, and what they print."""

from __future__ import annotations

import gc
import os
import sys

from .findings import CannotJudge


def begin() -> None:
    """Let a short process look for garbage less often: a twentieth of its time goes into finding that there is none."""
    gc.set_threshold(200_000)


def show(text: str) -> None:
    """Print what was already escaped; a terminal that lacks a character shows its escape."""
    if text:
        reconfigure = getattr(sys.stdout, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
        sys.stdout.write(text)
        sys.stdout.flush()


def unexpected(error: Exception) -> CannotJudge:
    """What nobody thought of, as a sentence: the system's own words, or where our code failed."""
    if isinstance(error, OSError):
        return CannotJudge(f"the system said: {error.strerror or error}")
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = f" ({os.path.basename(last.tb_frame.f_code.co_filename)}:{last.tb_lineno})" if last else ""
    return CannotJudge(f"git-custody itself failed{place}, please report it: {type(error).__name__}: {error}")


def leave(code: int) -> int:
    """End the process at once: taking the interpreter apart costs as much as a tenth of a whole run."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
