"""A build backend that hunts for secrets finds none, writes nothing outside and leaves nobody behind."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from release_assets.destinations import package_index
from release_assets.process import environment, run
from release_assets_tests.maintainer import BUILD, Maintainer, NewMaintainer, Outcome, Stands
from release_assets_tests.paths import PACKAGES
from release_assets_tests.secret_forms import forms_of
from tools.sandbox.stack import Stack

pytestmark = pytest.mark.usefixtures("bubblewrap")

BACKEND = PACKAGES / "hostile-backend"
SECRET = "pypi-scrtAgEIcHlwaS5vcmcCJDNhYWFhYWFhLWJi"
MARK = "hostile-was-here"

# Stands for Dagster's worker: a process that was started with the secrets in its environment.
WORKER = """
import json, sys
from pathlib import Path
from release_assets.distributions import isolation
from release_assets.distributions.build import build
folder, walls = Path(sys.argv[1]), json.loads(sys.argv[2])
if not walls:
    isolation.is_available = lambda: False
(folder / "scratch").mkdir()
file = build(
    "sdist", folder / "source", scratch=folder / "scratch", readable=[], cache=folder / "uv" / "sample",
    epoch=1767225600, log=lambda line: None, seconds={},
)
print("BUILT", file)
"""


@pytest.mark.parametrize("walls", [True, False], ids=["isolated", "control"])
def test_only_without_isolation_parents_secrets_are_readable(tmp_path: Path, walls: bool) -> None:
    """The control proves that the hunt works: where isolation is switched off, it does find the secret."""
    shutil.copytree(BACKEND, tmp_path / "source")
    (tmp_path / "source" / "only-look").touch()
    said = run(
        [sys.executable, "-c", WORKER, str(tmp_path), json.dumps(walls)],
        env=environment(PYPI_TOKEN=SECRET),
        timeout=120,
    )
    with tarfile.open(said.rpartition("BUILT ")[2].strip()) as archive:
        loot = archive.extractfile("hostile_backend-1.2.3/loot.txt")
        assert loot is not None
        found = loot.read()
    assert b"SOURCE_DATE_EPOCH" in found  # its own environment
    assert (SECRET.encode() in found) is not walls
    left = left_behind()
    for pid in left:
        psutil.Process(pid).kill()
    assert bool(left) is not walls


def left_behind() -> list[int]:
    """The processes of the backend that still live"""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if f"# {MARK}" in line and "time.sleep(120)" in line:
            found.append(process.pid)
    return found


@pytest.fixture(scope="module")
def hunted(
    new: NewMaintainer, package_stands: Stands, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Maintainer, Outcome, Path]]:
    """A release up to the index whose backend hunts, with secrets wherever people keep them."""
    maintainer = new(package_stands)
    home = tmp_path_factory.mktemp("home")
    for name in (".netrc", ".pypirc", ".docker/config.json", ".ssh/id_ed25519", ".config/gh/hosts.yml"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f"password {SECRET}\n")
    files = {file.name: file.read_text() for file in BACKEND.iterdir() if file.is_file()}
    files["pyproject.toml"] = files["pyproject.toml"].replace("hostile-backend", maintainer.name)
    maintainer.repository.commit(files)
    maintainer.repository.tag("v1.2.3")
    stack = Stack.at(maintainer.home, definitions={}, variables={})
    others = maintainer.home / "storage" / "release_assets"
    for name in ("distributions/other/v1/secret", "uv/other/secret", "mirrors/other.git/config"):
        (others / name).parent.mkdir(parents=True, exist_ok=True)
        (others / name).write_text(SECRET)
    with stack.instance() as instance, pytest.MonkeyPatch.context() as patch:
        maintainer.instances.append(instance)
        for variable in ("HOME", "DAGSTER_HOME", "DOCKER_CONFIG", "UNRELATED_SECRET"):
            patch.delenv(variable, raising=False)
        # git's own settings are the machine's: what build code gets is a HOME of its own.
        patch.setenv("HOME", str(home))
        patch.setenv("DAGSTER_HOME", str(maintainer.home))
        patch.setenv("UNRELATED_SECRET", SECRET)
        yield maintainer, maintainer.materialize("v1.2.3", *BUILD, "pypi_publication"), home
    maintainer.instances.clear()


def test_what_is_published_holds_no_secret(hunted: tuple[Maintainer, Outcome, Path], tmp_path: Path) -> None:
    maintainer, outcome, _ = hunted
    assert outcome.success, outcome.said
    secrets = {SECRET, *maintainer.variables.values()}
    for file in maintainer.served().values():
        path = package_index.download(file, tmp_path)
        loot = loot_in(path)
        assert b"SOURCE_DATE_EPOCH" in loot
        assert b"wrote /usr" not in loot
        assert {form for secret in secrets for form in forms_of(secret) if form.encode() in loot} == set()
    assert len(maintainer.served()) == 2


def loot_in(file: Path) -> bytes:
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as wheel:
            return wheel.read("loot.txt")
    with tarfile.open(file) as archive:
        (member,) = (member for member in archive if member.name.endswith("/loot.txt"))
        stream = archive.extractfile(member)
        assert stream is not None
        return stream.read()


def test_nothing_is_written_outside_and_nobody_is_left(hunted: tuple[Maintainer, Outcome, Path]) -> None:
    maintainer, _, home = hunted
    cache = maintainer.home / "storage" / "release_assets" / "uv" / maintainer.name
    marks = [
        path
        for place in (maintainer.home, home, maintainer.repository.path, Path(sys.prefix))
        for path in place.rglob(MARK)
        if cache not in path.parents  # which belongs to this project's build code alone
    ]
    assert marks == []
    assert left_behind() == []


def test_what_it_prints_drives_no_terminal_and_fills_no_event(
    hunted: tuple[Maintainer, Outcome, Path],
) -> None:
    maintainer, outcome, _ = hunted
    printed = [file.read_text() for file in maintainer.home.rglob("*.out")]
    assert any("hostile" in text for text in printed)
    assert not any(set("\x1b\x9b\x07\x08") & set(text) for text in printed)
    assert max(len(record.user_message) for record in outcome.records) < 20_000
    for node in ("sdist", "wheel", "pypi_publication"):
        assert not set("\x1b<") & set(repr(outcome.metadata(node)).replace("<built-in", ""))
