"""The stand-ins as fixtures, started once for all tests that ask for them: real servers, no mocks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from release_assets.distributions.isolation import is_available
from release_assets.process import environment, run
from release_assets_tests.image_builds import Builds, image_builds
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from release_assets_tests.paths import ROOT, TESTS
from tools.sandbox import Sandbox, SandboxError, system
from tools.sandbox import sandbox as running_sandbox
from tools.sandbox.engine import Engine, docker_engine
from tools.sandbox.github import GitHubServer, github_server
from tools.sandbox.package_index import PackageIndexes, package_index_server
from tools.sandbox.registry import Registry, registry_server

pytest_plugins = ["release_assets_tests.scripted_server", "release_assets_tests.terminal"]

# Machines are busy: how long an example takes says nothing about the code.
hypothesis.settings.register_profile("without_deadline", deadline=None)
hypothesis.settings.load_profile("without_deadline")

# Kept between test runs: the GitHub stand-in's program, the base image, the engine's build cache. Not the
# demo's folder, so that a demo can run at the same time. For two test runs at the same time, name another.
KEPT = ROOT / ".demo" / "tests"
STATE = Path(os.environ.get("RELEASE_ASSETS_TEST_STATE", KEPT)).resolve()


ROOMS = ("unit", "servers", "engine", "end_to_end")
# The fixtures that a room does not have: each starts a server or a daemon, or installs a package.
ENGINE = {"engine", "sandbox", "own_sandbox"}
SERVERS = {"package_index", "github", "registry", "git_lfs", "bubblewrap", "keys"}
FORBIDDEN = {"unit": ENGINE | SERVERS, "servers": ENGINE}


@pytest.hookimpl(tryfirst=True)  # before pytest selects by markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test by its room, and refuse one that needs more than its room has."""
    for item in items:
        room = item.path.relative_to(TESTS).parts[0]
        if room not in ROOMS:
            raise pytest.UsageError(f"{item.nodeid} is in none of the folders {', '.join(ROOMS)}")
        item.add_marker(room)
        needs = FORBIDDEN.get(room, set()).intersection(getattr(item, "fixturenames", ()))
        if needs:
            raise pytest.UsageError(f"{item.nodeid} is in {room}/ and needs {', '.join(sorted(needs))}")


@contextlib.contextmanager
def skipped_where_impossible() -> Iterator[None]:
    """Skip with the reason where a stand-in cannot be started; in CI, where all is tested, it fails."""
    try:
        yield
    except SandboxError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def state() -> Path:
    """The folder that stand-ins keep between test runs."""
    return STATE


@pytest.fixture(scope="session")
def package_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageIndexes]:
    """devpi with two indexes. They are shared: release something that no other test does."""
    with package_index_server(tmp_path_factory.mktemp("package_index")) as running:
        yield running


@pytest.fixture(scope="session")
def github(tmp_path_factory: pytest.TempPathFactory, state: Path) -> Iterator[GitHubServer]:
    """emulate with one private repository. It is shared: use a tag that no other test does."""
    with github_server(tmp_path_factory.mktemp("github"), state=state) as running:
        yield running


@pytest.fixture(scope="session")
def engine(state: Path) -> Iterator[Engine]:
    """A Docker engine with QEMU; DOCKER_HOST names it for as long as the tests run."""
    with contextlib.ExitStack() as stack:
        with skipped_where_impossible():
            running = stack.enter_context(docker_engine(state, say=print))
        variables = stack.enter_context(pytest.MonkeyPatch.context())
        variables.setenv("DOCKER_HOST", running.host)
        yield running


@pytest.fixture(scope="session")
def builds(engine: Engine, state: Path) -> Iterator[Builds]:
    """Builds images on the engine."""
    with contextlib.ExitStack() as stack:
        with skipped_where_impossible():
            running = stack.enter_context(image_builds(engine, state))
        yield running


@pytest.fixture(scope="session")
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with a password. It is shared: use a repository that no other test does."""
    here = os.geteuid() == 0 or not system.missing_packages(system.REGISTRY)
    with contextlib.ExitStack() as stack:
        with skipped_where_impossible():
            running = stack.enter_context(
                registry_server(
                    tmp_path_factory.mktemp("registry"),
                    container_on=None if here else request.getfixturevalue("engine"),
                    say=print,
                )
            )
        yield running


@pytest.fixture(scope="session")
def sandbox(request: pytest.FixtureRequest, state: Path) -> Iterator[Sandbox]:
    """Everything together, on the engine of the other tests, with servers of its own."""
    request.getfixturevalue("engine")
    with contextlib.ExitStack() as stack:
        with skipped_where_impossible():
            running = stack.enter_context(running_sandbox(state, say=print))
        yield running


@pytest.fixture(scope="module")
def own_sandbox(engine: Engine, state: Path) -> Iterator[Sandbox]:
    """Everything together for one module, which releases the sample project's versions in it."""
    assert engine
    with contextlib.ExitStack() as stack:
        with skipped_where_impossible():
            running = stack.enter_context(running_sandbox(state, say=print))
        yield running


@pytest.fixture(scope="session")
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewMaintainer]:
    """Makes a maintainer of a new project."""
    factory = NewMaintainer(tmp_path_factory.mktemp("projects"))
    yield factory
    for maintainer in factory.made:
        for instance in maintainer.instances:
            instance.dispose()


@pytest.fixture(scope="session")
def package_stands(package_index: PackageIndexes, github: GitHubServer) -> Stands:
    """The stand-ins of the release half, which need no engine."""
    return Stands(
        indexes={"index": vars(package_index.index), "test_index": vars(package_index.test_index)},
        github_api_url=github.api_url,
        github_token=github.token,
        variables={
            "PYPI_TOKEN": package_index.token,
            "TEST_PYPI_TOKEN": package_index.token,
            "GITHUB_TOKEN": github.token,
        },
    )


@pytest.fixture
def maintainer(new: NewMaintainer, package_stands: Stands) -> Maintainer:
    """The maintainer of a new project without images."""
    return new(package_stands)


@pytest.fixture(scope="session")
def image_stands(sandbox: Sandbox) -> Stands:
    """All stand-ins."""
    return Stands.of(sandbox)


@pytest.fixture(scope="session")
def bubblewrap() -> None:
    """Isolation of builds, installed where it is missing."""
    with skipped_where_impossible():
        system.install(system.missing_packages({"bwrap": "bubblewrap"}), why="isolated builds", say=print)
        is_available.cache_clear()
        if not is_available():
            raise SandboxError(
                "bubblewrap is installed but may not make namespaces here", "Allow user namespaces."
            )


@pytest.fixture(scope="session")
def git_lfs() -> None:
    """git-lfs, installed where it is missing."""
    with skipped_where_impossible():
        system.install(system.missing_packages({"git-lfs": "git-lfs"}), why="Git LFS", say=print)


@pytest.fixture
def without_git_lfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has everything but git-lfs."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).glob("*"):
            link = programs / program.name
            if program.name != "git-lfs" and not link.is_symlink():
                link.symlink_to(program)
    monkeypatch.setenv("PATH", str(programs))


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key pair of cosign's, which is installed where it is missing."""
    with skipped_where_impossible():
        system.install(system.missing_packages(system.COSIGN), why="signed images", say=print)
    folder = tmp_path_factory.mktemp("keys")
    run(
        ["cosign", "generate-key-pair"],
        env=environment(COSIGN_PASSWORD="the-password"),
        timeout=60,
        directory=folder,
    )
    return folder
