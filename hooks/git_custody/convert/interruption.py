"""Signals that end a conversion do so as an exception, so that nothing is left behind; not while files are named."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = ("SIGTERM", "SIGHUP", "SIGINT")
_Handler = Callable[[int, "FrameType | None"], None]


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the signals that end a process into `KeyboardInterrupt`. Does nothing outside of the main thread."""
    with _handling(_stop):
        yield


@contextmanager
def uninterrupted(*, then_stop: bool) -> Iterator[None]:
    """Let a short step finish, whatever signal arrives; `then_stop` ends the conversion right behind it."""
    came: list[int] = []
    with _handling(lambda number, frame: came.append(number)):
        yield
    if came and then_stop:
        raise KeyboardInterrupt


@contextmanager
def _handling(handler: _Handler) -> Iterator[None]:
    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in _ENDING:
            number = getattr(signal, name, None)
            # What is ignored from outside (nohup) stays ignored.
            if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
