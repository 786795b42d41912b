"""The image on the engine that built it: started without a pull, and no pile of old ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from release_assets.destinations import http
from release_assets.destinations.registry import connection as registry_module
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from tools.sandbox.engine import Engine

pytestmark = pytest.mark.timeout(300)

DOCKERFILE = """\
FROM python:3.12-slim
RUN echo {mark} > /dependencies
COPY README.md /readme
"""


class Calls:
    """Records the calls of some programs: a script before each of them writes down its arguments."""

    def __init__(self, folder: Path, *programs: str) -> None:
        self._log = folder / "calls"
        for program in programs:
            script = folder / program
            script.write_text(
                f'#!/bin/sh\necho {program} "$@" >> {self._log}\nexec {shutil.which(program)} "$@"\n'
            )
            script.chmod(0o755)

    def taken(self) -> list[str]:
        """Return the calls since the last time."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        self._log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Record the calls of docker and git."""
    made = Calls(tmp_path, "docker", "git")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return made


@pytest.fixture
def requests_sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record our requests to the registry, as method and path; docker's own are not among them."""
    sent: list[str] = []

    def counted(method: str, url: str, **others: object) -> object:
        sent.append(f"{method} {url.partition('/v2/')[2].partition('/')[2].partition('/')[2]}")
        return http.exchange(method, url, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(registry_module, "exchange", counted)
    return sent


@pytest.fixture
def maintainer(new: NewMaintainer, image_stands: Stands) -> Maintainer:
    """A maintainer whose image is never like another's."""
    made = new(image_stands, dockerfile="")
    made.attributes["image"] |= {
        "platforms": ["linux/amd64"], "version_command": ["cat", "/readme"], "cache": "registry"
    }  # fmt: skip
    return made


def release(maintainer: Maintainer, version: str) -> None:
    """Tag a version whose code differs, and nothing else."""
    dockerfile = DOCKERFILE.format(mark=maintainer.name)
    maintainer.tag(f"v{version}", version, Dockerfile=dockerfile, **{"README.md": version})


def images(engine: Engine, maintainer: Maintainer) -> list[str]:
    """The project's images on the engine, also those without a tag."""
    listed = engine.docker("image", "ls", "--all", "--format", "{{.Repository}}:{{.Tag}}", timeout=60)
    return sorted(
        line.rpartition("/")[2] for line in listed.split() if maintainer.name in line or "<none>" in line
    )


def test_an_image_node_starts_few_programs_and_pulls_nothing(
    maintainer: Maintainer, calls: Calls, requests_sent: list[str]
) -> None:
    release(maintainer, "1.0.0")
    assert maintainer.materialize("v1.0.0", "image_linux_amd64").success
    release(maintainer, "1.0.1")
    calls.taken()
    requests_sent.clear()
    outcome = maintainer.materialize("v1.0.1", "image_linux_amd64")
    assert outcome.success, outcome.said
    passed, words = outcome.checked["image_linux_amd64/starts"]
    assert passed
    assert words.endswith(":1.0.1-amd64 starts on linux/amd64 and reports 1.0.1")

    started = calls.taken()
    docker = sorted(" ".join(call.split()[1:3]) for call in started if call.startswith("docker "))
    assert docker == [
        "buildx build", "buildx inspect", "buildx version", "image ls", "image rm",
        "info --format", "run --rm",
    ]  # fmt: skip
    assert sum(call.startswith("git ") for call in started) <= 20, started

    # Of every request the first is answered with a challenge.
    asked = [request for request in requests_sent if request.startswith("GET manifests/1.0")]
    # Both tags before the build, the former release's image, and what was pushed; nothing twice.
    assert sorted(set(asked)) == [
        "GET manifests/1.0.0-amd64", "GET manifests/1.0.1", "GET manifests/1.0.1-amd64"
    ]  # fmt: skip
    assert len(requests_sent) <= 14, requests_sent


def test_lists_and_tags_ask_for_each_thing_once(
    maintainer: Maintainer, calls: Calls, requests_sent: list[str]
) -> None:
    release(maintainer, "1.0.0")
    assert maintainer.materialize("v1.0.0", "image_linux_amd64").success
    calls.taken()
    requests_sent.clear()
    assert maintainer.materialize("v1.0.0", "manifest_list").success
    assert [call for call in calls.taken() if call.startswith("docker ")] == []
    manifests = [request for request in requests_sent if request.startswith("GET manifests/")]
    assert len(manifests) <= 6, requests_sent  # the challenge, its tag, the child, the tag again, the image


def test_old_images_go_and_their_build_cache_stays(maintainer: Maintainer, engine: Engine) -> None:
    mine = f"{maintainer.attributes['image']['repository']}:mine"
    for version in ("1.0.0", "1.0.1", "1.0.2"):
        release(maintainer, version)
        outcome = maintainer.materialize(f"v{version}", "image_linux_amd64")
        assert outcome.success, outcome.said
        if version == "1.0.0":
            tagged = f"{maintainer.attributes['image']['repository']}:1.0.0-amd64"
            engine.docker("tag", tagged, mine, timeout=60)
    assert images(engine, maintainer) == [f"{maintainer.name}:1.0.2-amd64", f"{maintainer.name}:mine"]
    rows = [row.data for row in outcome.metadata("image_linux_amd64")["steps"].records]
    assert [row["cached"] for row in rows if " FROM " not in row["step"]] == [True, False]
    passed, words = outcome.checked["image_linux_amd64/cache_hit_rate"]
    assert (passed, words.partition(" ")[0]) == (True, "50%")

    maintainer.repository.tag("docker-rebuild-v1.0.2")
    maintainer.tag("v9", "9", **{"README.md": "1.0.2 again"})
    maintainer.repository.tag("docker-rebuild-v1.0.2-1")
    assert maintainer.materialize("v1.0.2", "image_linux_amd64").success
    assert images(engine, maintainer) == [f"{maintainer.name}:1.0.2-amd64", f"{maintainer.name}:mine"]


def test_an_image_that_is_gone_from_its_engine_is_pulled_once(
    maintainer: Maintainer, calls: Calls, engine: Engine
) -> None:
    maintainer.attributes["image"]["reproducible"] = True  # which the engine does not keep
    release(maintainer, "1.0.0")
    outcome = maintainer.materialize("v1.0.0", "image_linux_amd64")
    assert outcome.success, outcome.said
    assert outcome.checked["image_linux_amd64/starts"][0]
    assert [call for call in calls.taken() if call.startswith("docker pull")] == [
        f"docker pull --platform linux/amd64 {maintainer.attributes['image']['repository']}:1.0.0-amd64"
    ]
    assert images(engine, maintainer) == [f"{maintainer.name}:1.0.0-amd64"]
