"""Work at the same time: what a node looks up while it waits for something else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def alongside(look: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Call `look` in a thread of its own; `result()` returns what it did, or raises what it raised.

    It must have a bound of its own and change nothing: a step that is terminated does not wait for it, as it
    would for the threads of a ThreadPoolExecutor.
    """
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(look(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future
