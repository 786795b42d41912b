"""Two engines: platforms go to their builders, a commit makes one image on both, they share a cache."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from release_assets.destinations import buildx
from release_assets.destinations.registry import parse_repository
from release_assets.errors import PermanentError, TransientError
from release_assets.process import environment, run
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from release_assets_tests.unit.destinations.buildx_records import request as build_request
from tools.sandbox import system
from tools.sandbox.engine import Engine, own_engine

pytestmark = pytest.mark.timeout(300)

# Its files get the time of the build, a link and a deletion too; the content tells where it was made.
DOCKERFILE = """\
FROM python:3.12-slim
COPY README.md /readme
RUN mkdir /made && touch /made/now && ln -s now /made/link && rm -r /usr/share/base-files && echo {mark}
WORKDIR /made/here
"""

# Written well: what changes often comes last.
WELL_WRITTEN = """\
FROM python:3.12-slim
WORKDIR /app
RUN mkdir -p /opt/{mark}/lib && echo "system packages" > /opt/{mark}/lib/one
COPY requirements.txt .
RUN python3 -c "print('dependencies', open('requirements.txt').read())" > /opt/{mark}/lib/two
RUN python3 -m compileall -q /opt/{mark}/lib
COPY src src
"""


@pytest.fixture(scope="module")
def far(engine: Engine, state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Another engine, which the docker context `far` names; `away` names one that does not answer."""
    missing = system.missing_packages(system.ENGINE)
    if os.geteuid() != 0 or missing:
        pytest.skip(f"only root can start a second engine, with these packages: {', '.join(missing)}")
    if not engine.is_here() or not engine.has_containerd_store():
        pytest.skip("a second engine is only like the first where that is here and has containerd's store")
    with contextlib.ExitStack() as stack:
        started = stack.enter_context(own_engine(state / "second-engine"))
        variables = stack.enter_context(pytest.MonkeyPatch.context())
        variables.setenv("DOCKER_CONFIG", str(tmp_path_factory.mktemp("docker-config")))
        for name, host in (("far", started.host), ("away", "unix:///nowhere.sock")):
            create = ["docker", "context", "create", name, "--docker", f"host={host}"]
            run(create, env=environment(DOCKER_CONFIG=os.environ["DOCKER_CONFIG"]), timeout=60)
        yield started


@pytest.fixture
def maintainer(new: NewMaintainer, image_stands: Stands) -> Maintainer:
    """A maintainer of a package whose image was never built before, at v1.0.0."""
    maintainer = new(image_stands, dockerfile="")
    maintainer.attributes["image"]["version_command"] = ["echo", "1.0.0, 1.1.0, 1.1.1, 1.1.2"]
    files = {"Dockerfile": DOCKERFILE.format(mark=maintainer.name), "README.md": maintainer.name}
    maintainer.tag("v1.0.0", "1.0.0", **files)
    return maintainer


def build_records(engine: Engine) -> str:
    """Return what the engine's BuildKit remembers of its builds."""
    return engine.docker("buildx", "du", "--verbose", timeout=60)


def test_each_platform_is_built_by_its_builder_or_dockers_own(
    maintainer: Maintainer, engine: Engine, far: Engine
) -> None:
    maintainer.attributes["image"]["builders"] = {"linux/arm64": "far"}
    outcome = maintainer.materialize("v1.0.0", "image_linux_amd64", "image_linux_arm64")
    assert outcome.success, outcome.said
    here, there = (outcome.metadata(f"image_linux_{name}") for name in ("amd64", "arm64"))
    assert (here["builder"], there["builder"]) == ("docker's builder", "the builder far")
    assert {here["emulated"], there["emulated"]} == {False, True}
    assert maintainer.name in build_records(engine)
    assert maintainer.name in build_records(far)


@pytest.mark.usefixtures("far")
def test_a_reproducible_image_has_one_digest_on_two_engines(maintainer: Maintainer) -> None:
    image = maintainer.attributes["image"]
    image["cache"] = "registry"

    def built(*, builder: str | None, reproducible: bool) -> dict[str, Any]:
        image["builders"] = {"linux/amd64": builder} if builder else {}
        image["reproducible"] = reproducible
        outcome = maintainer.materialize("v1.0.0", "image_linux_amd64")
        assert outcome.success, outcome.said
        assert outcome.checked["image_linux_amd64/starts"][0]
        return outcome.metadata("image_linux_amd64")

    usual = built(builder=None, reproducible=False)
    assert not usual["timestamps_rewritten"]
    # The other engine gets the cache of the first, whose layers BuildKit would not rewrite.
    built(builder="far", reproducible=False)
    there, again, here = (built(builder=builder, reproducible=True) for builder in ("far", "far", None))
    for one in (there, again, here):
        assert one["timestamps_rewritten"]
        assert one["cache_hit_rate"] == 0.0
    assert there["runnable_digest"] == again["runnable_digest"] == here["runnable_digest"]
    assert usual["runnable_digest"] != here["runnable_digest"]
    # The attestations tell one build from the other.
    assert again["digest"] != here["digest"] == maintainer.digest("1.0.0-amd64")
    assert here["previous_digest"] == again["digest"]


def layers(maintainer: Maintainer, digest: str) -> list[str]:
    """The digests of an image's layers."""
    manifest = maintainer.registry.manifest(digest)
    assert manifest is not None
    return [layer["digest"] for layer in manifest.parsed()["layers"]]


@pytest.mark.usefixtures("far")
def test_an_unreachable_builder_is_named_or_replaced(maintainer: Maintainer) -> None:
    wanted = build_request(platform="linux/arm64", builder="away", emulate_unreachable=False)
    with buildx.docker_environment(parse_repository("owner/name"), None, None) as env:
        with pytest.raises(TransientError) as raised:
            buildx.choose_engine(wanted.builder, env, emulate_unreachable=wanted.emulate_unreachable)
        with pytest.raises(PermanentError, match="the builder awya does not exist"):
            buildx.choose_engine("awya", env, emulate_unreachable=True)
    problem = (
        "the builder away is unreachable: Cannot connect to the Docker daemon at unix:///nowhere.sock. "
        "Is the docker daemon running?"
    )
    assert raised.value.problem == problem
    assert raised.value.remedy.startswith("Start the Docker engine there, or correct")

    maintainer.attributes["image"] |= {"builders": {"linux/arm64": "away"}, "emulate_unreachable": True}
    outcome = maintainer.materialize("v1.0.0", "image_linux_arm64")
    assert outcome.success, outcome.said
    metadata = outcome.metadata("image_linux_arm64")
    assert metadata["builder"] == "docker's builder"
    assert metadata["builder_fallback"] == f"{problem}; docker's own builder does it instead"
    assert metadata["builder_fallback"] in outcome.said


@pytest.mark.usefixtures("far")
@pytest.mark.parametrize("cache", ["registry", "local"])
def test_a_change_of_code_leaves_four_of_five_steps_cached(maintainer: Maintainer, cache: str) -> None:
    image = maintainer.attributes["image"]
    image["cache"] = cache
    dockerfile = WELL_WRITTEN.format(mark=maintainer.name)
    maintainer.tag(
        "v1.1.0", "1.1.0", Dockerfile=dockerfile, **{"requirements.txt": "one==1\n", "src/code.py": "1\n"}
    )
    cold = maintainer.materialize("v1.1.0", "image_linux_amd64").metadata("image_linux_amd64")
    assert cold["cache_hit_rate"] < 0.2  # WORKDIR may have been somewhere else, too
    assert cold["cache"] == cache

    maintainer.tag("v1.1.1", "1.1.1", **{"src/code.py": "2\n"})
    image["builders"] = {"linux/amd64": "far"}
    warm = maintainer.materialize("v1.1.1", "image_linux_amd64").metadata("image_linux_amd64")
    assert warm["cache_hit_rate"] >= 0.8
    rows = [row.data for row in warm["steps"].records]
    assert [row["cached"] for row in rows if " FROM " not in row["step"]] == [True] * 5 + [False]
    assert all(isinstance(row["seconds"], float) for row in rows)
    for stage in ("build", "export", "push", "cache_export"):
        assert isinstance(warm[f"seconds/{stage}"], float)
    assert warm["seconds/cache_export"] > 0

    maintainer.tag("v1.1.2", "1.1.2", **{"src/code.py": "3\n"})
    image["builders"] = {}
    here = maintainer.materialize("v1.1.2", "image_linux_amd64").metadata("image_linux_amd64")
    # Nobody pulls again what lies below the code, whichever engine built it.
    *below, code = layers(maintainer, cold["runnable_digest"])
    for later in (warm, here):
        *same, changed = layers(maintainer, later["runnable_digest"])
        assert same == below
        assert changed != code
