"""Real servers on loopback that stand in for PyPI, GitHub and Docker Hub, and a Docker engine with QEMU.

Each file has one stand-in, a context manager that tests also use by itself; `sandbox` starts them all.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import yaml

from tools.sandbox import system
from tools.sandbox.base_image import push_base_image
from tools.sandbox.engine import PLATFORMS, docker_engine, reachable_engine
from tools.sandbox.github import github_server
from tools.sandbox.package_index import Index, package_index_server
from tools.sandbox.registry import IMAGE as REGISTRY_IMAGE
from tools.sandbox.registry import registry_server
from tools.sandbox.sample_project import (
    COMPILED,
    SampleProject,
    make_compiled_project,
    make_sample_project,
)
from tools.sandbox.servers import SandboxError

__all__ = ["Sandbox", "SandboxError", "sandbox"]


@dataclass(frozen=True)
class Sandbox:
    """The addresses of all servers, and the variables that a user would set to release to it."""

    project: SampleProject
    index: Index
    test_index: Index
    github_api_url: str
    github_repository: str
    registry: str  # host:port
    image_repository: str
    environment: dict[str, str]
    build_contexts: dict[str, str]

    @property
    def git(self) -> str:
        """The git remote."""
        return str(self.project.remote)

    @property
    def username(self) -> str:
        """The registry's user."""
        return self.environment["DOCKER_USERNAME"]

    def defs_yaml(self, project: str = "sampleproject") -> str:
        """Return a `defs.yaml` that releases the sample project, under this name, to the sandbox."""
        attributes = {
            "project": project,
            "repository": self.git,
            "package": self._package(),
            "index": {**vars(self.index), "token_env": "PYPI_TOKEN"},
            "test_index": {**vars(self.test_index), "token_env": "TEST_PYPI_TOKEN"},
            "github": {
                "api_url": self.github_api_url,
                "repository": self.github_repository,
                "token_env": "GITHUB_TOKEN",
            },
            "image": {
                "repository": self.image_repository,
                "dockerfile": "Dockerfile",
                "platforms": list(PLATFORMS),
                "build_contexts": self.build_contexts,
                "username_env": "DOCKER_USERNAME",
                "token_env": "DOCKER_TOKEN",
            },
        }
        definition: dict[str, Any] = {"type": "release_assets.ReleaseGraph", "attributes": attributes}
        text: str = yaml.safe_dump(definition, sort_keys=False)
        return text

    def _package(self) -> dict[str, Any]:
        """Return the package block: a compiled package has a wheel for each platform."""
        if self.project.name != COMPILED:
            return {"directory": "."}
        zig: dict[str, Any] = {"platforms": list(PLATFORMS)}
        if self.build_contexts:
            zig["trial_image"] = next(iter(self.build_contexts.values())).removeprefix("docker-image://")
        return {"wheels": [{"zig": zig}]}


@contextlib.contextmanager
def sandbox(state: Path, *, say: Callable[[str], None], compiled: bool = False) -> Iterator[Sandbox]:
    """Start every stand-in, and tear down in reverse order what was started and nothing else.

    `state` keeps what is slow to make and the same every time: programs, base image, build cache. Everything
    that is released is forgotten. `say` is told what happens, in words for a terminal. `compiled` decides
    the package: one with compiled code, or PyPA's sampleproject.
    SIGTERM ends the block like Ctrl-C does. Raises SandboxError when a stand-in cannot be started.
    Enter it in the main thread: our own engine is killed when the thread that started it dies.
    """
    state = state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    with _torn_down_in_peace(say) as stack:
        temporary = tempfile.TemporaryDirectory(prefix="release-assets-", ignore_cleanup_errors=True)
        folder = Path(stack.enter_context(temporary))
        # What starts within seconds starts next to the engine. Each gets a stack of its own before its thread
        # starts, and the threads are waited for before those are closed: an interruption loses no server.
        beside = [stack.enter_context(ExitStack()) for _ in range(2)]
        threads = stack.enter_context(ThreadPoolExecutor())
        indexes_started = threads.submit(beside[0].enter_context, package_index_server(folder))
        github_started = threads.submit(beside[1].enter_context, github_server(folder, state=state))
        project_made = (
            threads.submit(make_compiled_project, folder)
            if compiled
            else threads.submit(make_sample_project, folder, state=state)
        )

        if reachable_engine() is None:
            # All in one go, since asking the mirror what it has takes the most time of each.
            missing = system.missing_packages(system.ENGINE, system.REGISTRY, system.BASE_IMAGE)
            system.install(missing, why="a Docker engine with QEMU, a registry and a base image", say=say)
        engine = stack.enter_context(docker_engine(state, say=say))
        if engine.can_pull(REGISTRY_IMAGE):
            say("Docker Hub can be reached: the registry and the base image come from there")
            registry = stack.enter_context(registry_server(folder, say=say, container_on=engine))
            build_contexts = {}
        else:
            say("Docker Hub cannot be reached: the registry and the base image come from Debian's packages")
            registry = stack.enter_context(registry_server(folder, say=say))
            build_contexts = push_base_image(registry, state=state, say=say)

        indexes, github, project = indexes_started.result(), github_started.result(), project_made.result()
        threads.shutdown()
        environment = {
            "PYPI_TOKEN": indexes.token,
            "TEST_PYPI_TOKEN": indexes.token,
            "GITHUB_TOKEN": github.token,
            "DOCKER_USERNAME": registry.username,
            "DOCKER_TOKEN": registry.token,
            "DOCKER_HOST": engine.host,
        }
        yield Sandbox(
            project=project,
            index=indexes.index,
            test_index=indexes.test_index,
            github_api_url=github.api_url,
            github_repository=github.repository,
            registry=registry.host,
            image_repository=f"{registry.host}/demo/{project.name}",
            environment=environment | _no_proxy_for_loopback(),
            build_contexts=build_contexts,
        )


def _no_proxy_for_loopback() -> dict[str, str]:
    """Return the variables, where there is a proxy, that keep requests to the stand-ins away from it."""
    if not {"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} & set(os.environ):
        return {}
    known = os.environ.get("NO_PROXY") or os.environ.get("no_proxy")
    hosts = ",".join(filter(None, [known, "localhost", "127.0.0.1"]))
    return {"NO_PROXY": hosts, "no_proxy": hosts}


@contextlib.contextmanager
def _torn_down_in_peace(say: Callable[[str], None]) -> Iterator[ExitStack]:
    """Yield a stack that is closed also on SIGTERM, and whose closing no second Ctrl-C cuts short.

    Every step of the closing has a bound of its own, so it ends. In other threads signals are not ours.
    """
    signals = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    previous = {number: signal.getsignal(number) for number in signals}
    if previous.get(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)
    stack = ExitStack()
    try:
        yield stack
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        say("stopping what the sandbox started")
        try:
            stack.close()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _exit(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
