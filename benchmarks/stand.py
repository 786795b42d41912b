"""Everything that both sides release to: the sandbox, with a project for each sample and side."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.samples import SAMPLES, Repository, make_repository, write_requirements
from benchmarks.watch import Watch
from release_assets import process
from tools.sandbox import Sandbox, system
from tools.sandbox.servers import loopback_session

Side = Literal["ours", "script"]
SIDES: tuple[Side, Side] = ("ours", "script")
PLATFORMS = "linux/amd64,linux/arm64"
PUSH_SECONDS = 300.0


@dataclass(frozen=True)
class Place:
    """A project of one side: its source, and where it is released to."""

    repository: Repository
    image: str
    github_repository: str
    build_contexts: Mapping[str, str]
    watch: Watch


@dataclass(frozen=True)
class Stand:
    """The sandbox, and every project in it by kind and side."""

    sandbox: Sandbox
    places: Mapping[tuple[str, Side], Place]
    docker: Mapping[str, str]  # the environment of somebody who has run `docker login`

    @classmethod
    def at(cls, folder: Path, sandbox: Sandbox, kinds: Iterable[str]) -> Stand:
        """Make the projects of these kinds in `folder`, and on the sandbox's servers."""
        docker = _logged_in(folder, sandbox)
        places: dict[tuple[str, Side], Place] = {}
        for kind in kinds:
            for side in SIDES:
                contexts = dict(sandbox.build_contexts)
                if SAMPLES[kind].has_requirements:
                    contexts["wheels"] = _push_requirements(sandbox, docker, side)
                name = f"{kind}_{side}"
                places[kind, side] = Place(
                    repository=make_repository(folder, SAMPLES[kind], name),
                    image=f"{sandbox.registry}/bench/{name}",
                    github_repository=_make_github_repository(sandbox, name),
                    build_contexts=contexts,
                    watch=Watch(
                        f"http://{sandbox.registry}/v2/bench/{name}",
                        sandbox.username,
                        sandbox.environment["DOCKER_TOKEN"],
                    ),
                )
        return cls(sandbox, places, docker)

    def github(self, method: str, path: str) -> Any:
        """Return an answer of GitHub's API."""
        return _github(self.sandbox, method, path, {})


def _github(sandbox: Sandbox, method: str, path: str, body: Mapping[str, Any]) -> Any:
    with loopback_session() as session:
        session.headers["Authorization"] = f"Bearer {sandbox.environment['GITHUB_TOKEN']}"
        answer = session.request(method, f"{sandbox.github_api_url}{path}", json=body or None, timeout=30)
        answer.raise_for_status()
        return answer.json()


def _make_github_repository(sandbox: Sandbox, name: str) -> str:
    made = _github(sandbox, "POST", "/user/repos", {"name": name, "private": True})
    return str(made["full_name"])


def _logged_in(folder: Path, sandbox: Sandbox) -> Mapping[str, str]:
    """Return docker's environment with a configuration as `docker login` leaves it where no helper is."""
    configuration = folder / "docker"
    configuration.mkdir()
    login = f"{sandbox.username}:{sandbox.environment['DOCKER_TOKEN']}"
    plugin = system.find_program("docker-buildx")
    file = configuration / "config.json"
    file.touch(mode=0o600)
    file.write_text(
        json.dumps({
            "auths": {sandbox.registry: {"auth": base64.b64encode(login.encode()).decode()}},
            "cliPluginsExtraDirs": [str(plugin.parent)] if plugin else [],
        })
    )  # fmt: skip
    return {"DOCKER_HOST": sandbox.environment["DOCKER_HOST"], "DOCKER_CONFIG": str(configuration)}


def _push_requirements(sandbox: Sandbox, docker: Mapping[str, str], side: Side) -> str:
    """Push an image that holds the wheels of the requirements; return it as a build context."""
    image = f"{sandbox.registry}/bench/wheels_{side}"
    with tempfile.TemporaryDirectory() as folder:
        write_requirements(Path(folder), seed=side)
        Path(folder, "Dockerfile").write_text("FROM scratch\nCOPY *.whl /\n")
        process.run(
            ["docker", "buildx", "build", "--push", "--platform", PLATFORMS, "--tag", image, folder],
            env=system.environment(**docker),
            timeout=PUSH_SECONDS,
        )
    return f"docker-image://{image}"
