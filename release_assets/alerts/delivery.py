"""Send alerts through Apprise: a thread for each target, so that one that is down holds up no other."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from release_assets.alerts.outbox import Delivery, Outbox
from release_assets.secrets import read_secret

if TYPE_CHECKING:
    import apprise

THREADS = 8
TICK_SECONDS = 20.0  # for sending in one tick, which Dagster ends after 60
SEND_SECONDS = 30


class Sender:
    """Sends what is due. A send that outlives its tick is waited for by the next one."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS)
        self._running: dict[str, tuple[Delivery, Future[str | None]]] = {}

    def send(
        self,
        outbox: Outbox,
        *,
        targets: Collection[str],
        save: Callable[[], None],
        log: Callable[[str], None],
    ) -> int:
        """Send what is due to these targets, calling `save` after each; return how many were sent.

        A failure is logged with its remedy, and put off.
        """
        ends = time.monotonic() + TICK_SECONDS
        sent = 0
        while True:
            for target in set(targets) - self._running.keys():
                if (delivery := outbox.next_for(target, time.time())) is not None:
                    self._running[target] = delivery, self._threads.submit(_send, delivery)
            futures = {future for _, future in self._running.values()}
            left = ends - time.monotonic()
            if not futures or left <= 0:
                return sent
            done, _ = wait(futures, timeout=left, return_when=FIRST_COMPLETED)
            for target, (delivery, future) in list(self._running.items()):
                if future not in done:
                    continue
                del self._running[target]
                problem = future.result()
                if problem is None:
                    outbox.sent(delivery)
                    sent += 1
                else:
                    seconds = outbox.failed(delivery, time.time())
                    log(f"{problem}; the next try is in {seconds:.0f} s")
                save()


def target_problem(variable: str) -> str | None:
    """Return why the variable holds no target, without anything of its value, or None where it does."""
    target = _target(variable)
    return target if isinstance(target, str) else None


def _target(variable: str) -> apprise.Apprise | str:
    """Return the target that a variable holds, or why there is none."""
    url = read_secret(variable)
    if not url:
        return f"{variable} is unset. Set it to an Apprise URL where Dagster's code server can see it"
    try:
        import apprise  # with the extra `alerts`; a quarter of a second
    except ModuleNotFoundError:
        return "Apprise is not installed. Install it: pip install 'release-assets[alerts]'"
    # It logs URLs and answers, where the secrets are.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    target = apprise.Apprise()
    try:
        is_known = target.add(url)
    except Exception as error:  # a plugin's own mistake: its words may hold the URL
        return f"the URL in {variable} cannot be read: {type(error).__name__}"
    if not is_known:
        return f"{variable} does not hold an Apprise URL, such as slack://… or mailto://…"
    return target


def _send(delivery: Delivery) -> str | None:
    """Send an alert and return None, or why it was not sent, without anything of the target's URL."""
    target = _target(delivery.target)
    if isinstance(target, str):
        return target
    try:
        is_sent = target.notify(
            body=delivery.body,
            title=delivery.title,
            notify_type=delivery.level,
            body_format="text",
            timeout=SEND_SECONDS,
        )
    except Exception as error:  # as above
        return f"the target of {delivery.target} failed: {type(error).__name__}"
    if is_sent:
        return None
    return (
        f"the target of {delivery.target} rejects alerts or is unreachable. "
        f'Try it with: apprise --body test "${delivery.target}"'
    )
