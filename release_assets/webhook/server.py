"""The server: deliveries are checked, answered at once, and dealt with one after the other in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from release_assets.alerts.watchdog import Watchdog
from release_assets.errors import ReleaseError
from release_assets.text import one_line
from release_assets.webhook.deliveries import Event, Replays, event_of, is_signed
from release_assets.webhook.metrics import FiguresCollector

LOG = logging.getLogger("release_assets.webhook")
LARGEST_BODY = 1024 * 1024  # bytes; the push of a tag is some kilobytes
BODY_SECONDS = 5.0
WATCH_SECONDS = 30.0
WAITING = 100  # events that wait for the thread
EVENTS = ("push", "create", "release", "ping")

Handler = Callable[[Event], str]


class Webhook:
    """Takes deliveries for projects. `handlers` are the projects' launchers, by repository in lower case."""

    def __init__(
        self,
        secret: str,
        handlers: Mapping[str, Sequence[Handler]],
        figures: FiguresCollector | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self._secret = secret
        self._handlers = handlers
        self._watchdog = watchdog
        self._is_over = threading.Event()
        self._replays = Replays()
        self._events: queue.Queue[Event | None] = queue.Queue(WAITING)
        self._registry = CollectorRegistry()
        self._deliveries = Counter(
            "release_assets_webhook_deliveries",
            "Deliveries to the webhook, by event and answer.",
            ["event", "status"],
            registry=self._registry,
        )
        if figures is not None:
            self._registry.register(figures)

    def app(self) -> Starlette:
        """Return the application, whose thread works for as long as it runs."""
        routes = [
            Route("/github", self._github, methods=["POST"]),
            Route("/metrics", self._metrics),
            Route("/healthz", lambda _: PlainTextResponse("ok\n")),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        worker = threading.Thread(target=self._work, daemon=True)
        worker.start()
        if self._watchdog is not None:
            threading.Thread(target=self._watch, args=(self._watchdog,), daemon=True).start()
        yield
        self._is_over.set()
        with contextlib.suppress(queue.Full):
            self._events.put_nowait(None)
        await asyncio.to_thread(worker.join, 30.0)

    async def _github(self, request: Request) -> Response:
        name = request.headers.get("X-GitHub-Event", "")
        status, words = await self._answer(request, name)
        self._deliveries.labels(name if name in EVENTS else "other", str(status)).inc()
        if status >= 400:
            LOG.warning("a delivery was refused (%d): %s", status, words)
        return PlainTextResponse(f"{words}\n", status_code=status)

    async def _answer(self, request: Request, name: str) -> tuple[int, str]:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(request)
        except (TimeoutError, ClientDisconnect):
            return 408, f"the body did not arrive within {BODY_SECONDS:.0f} s"
        if body is None:
            return 413, f"the body is larger than {LARGEST_BODY} bytes"
        if not is_signed(body, request.headers.get("X-Hub-Signature-256", ""), self._secret):
            return 401, "X-Hub-Signature-256 does not fit the body: is the secret the same on both sides?"
        delivery = request.headers.get("X-GitHub-Delivery", "")
        if not delivery:
            return 400, "X-GitHub-Delivery is missing"
        if name == "ping":
            return 200, "pong"
        try:
            event = event_of(name, body)
        except ValueError as error:
            return 400, f"{error}: set the webhook's content type to application/json"
        if event is None:
            return 200, "ignored: nothing can be due"
        if event.repository.lower() not in self._handlers:
            return 200, "ignored: not the repository of a project"
        if self._replays.is_replay(delivery, body):
            return 200, "ignored: this delivery came before"
        try:
            self._events.put_nowait(event)
        except queue.Full:
            return 503, "too many events wait; the sensors find them"
        return 202, "accepted"

    def _metrics(self, _: Request) -> Response:
        return Response(generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _watch(self, watchdog: Watchdog) -> None:
        while not self._is_over.wait(WATCH_SECONDS):
            try:
                watchdog.look(LOG.warning)
            except Exception as error:  # a database that is busy now: the next look is soon
                LOG.warning("the daemon's heartbeat cannot be read: %s", type(error).__name__)

    def _work(self) -> None:
        while (event := self._events.get()) is not None:
            for handle in self._handlers[event.repository.lower()]:
                try:
                    said = handle(event)
                except ReleaseError as error:
                    said = f"left to the sensor: {error.problem} {error.remedy}"
                except Exception as error:
                    # The sensors go on without this server; one event must not end it.
                    said = f"left to the sensor: {type(error).__name__}: {error}"
                LOG.info("%s %s of %s: %s", event.kind, one_line(event.tag), event.repository, one_line(said))


async def _body(request: Request) -> bytes | None:
    """Return the body, or None where it is too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            return None
    return body
