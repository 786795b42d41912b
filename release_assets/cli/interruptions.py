"""Ctrl-C and what else ends a command, at a moment when it can be handled."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class Interruptions:
    """Ctrl-C, SIGTERM, and SIGHUP of a terminal that is closed: each raises KeyboardInterrupt once it may."""

    def __init__(self) -> None:
        """Use `interruptions` below."""
        self._is_held = False
        self._came = False

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """Take a signal."""
        self._came = True
        if not self._is_held:
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt where a signal came while they were held."""
        if self._came:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold what comes inside the block, for `check` to raise."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False


@contextlib.contextmanager
def interruptions() -> Iterator[Interruptions]:
    """Handle the signals that end a command inside the block."""
    handled = Interruptions()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handled.handle) for number in numbers}
    try:
        yield handled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
