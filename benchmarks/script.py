"""The script's side: release.sh and image.sh, run as a maintainer runs them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.stand import Place, Stand
from benchmarks.watch import four_tags
from release_assets import process
from tools.sandbox import system

HERE = Path(__file__).parent
RELEASE_SECONDS = 900.0


@dataclass(frozen=True)
class ScriptReleased:
    """Seconds from the tag's push: to the last image tag, and to the script's end."""

    last_tag: float
    whole: float


@dataclass(frozen=True)
class Script:
    """The script, with a folder in which it works."""

    stand: Stand
    work: Path

    def release(self, place: Place, tag: str, push: Callable[[], None]) -> ScriptReleased:
        """Push the tag and release it. Raises CommandFailedError or ReleaseError when that fails."""
        tags = four_tags(tag.removeprefix("v"))
        latest = place.watch.digests(("latest",))["latest"]
        ended = threading.Event()
        with ThreadPoolExecutor() as threads:
            pushed, started = time.time(), time.monotonic()
            push()
            watched = threads.submit(place.watch.wait, tags, unlike=latest, ended=ended)
            try:
                self._run("release.sh", place, tag)
            finally:
                whole = time.monotonic() - started
                ended.set()
            return ScriptReleased(watched.result() - pushed, whole)

    def rebuild(self, place: Place, tag: str) -> float:
        """Build the images of a released tag again; return the seconds."""
        started = time.monotonic()
        self._run("image.sh", place, tag)
        return time.monotonic() - started

    def _run(self, script: str, place: Place, tag: str) -> None:
        work = self.work / place.repository.name
        work.mkdir(parents=True, exist_ok=True)
        sandbox = self.stand.sandbox
        env = process.environment(
            **self.stand.docker,
            WORK=str(work),
            REPOSITORY=str(place.repository.remote),
            UPLOAD_URL=sandbox.index.upload_url,
            TWINE_USERNAME="__token__",
            TWINE_PASSWORD=sandbox.environment["PYPI_TOKEN"],
            GITHUB_API=sandbox.github_api_url,
            GITHUB_REPOSITORY=place.github_repository,
            GITHUB_TOKEN=sandbox.environment["GITHUB_TOKEN"],
            IMAGE=place.image,
            BUILD_CONTEXTS=" ".join(f"{name}={where}" for name, where in place.build_contexts.items()),
        )
        env["PATH"] = f"{env['PATH']}:{system.environment()['PATH']}"
        process.run([HERE / script, tag], env=env, timeout=RELEASE_SECONDS)
