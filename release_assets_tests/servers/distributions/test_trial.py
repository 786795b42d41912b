"""Trials of real wheels and sdists, installed by uv where build code runs."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from release_assets.distributions.trial import requirements, try_distribution
from release_assets.distributions.trial_environment import Trying
from release_assets.errors import PermanentError
from release_assets.project import Trial

pytestmark = pytest.mark.usefixtures("bubblewrap")

METADATA = "Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
BACKEND = """\
import pathlib, zipfile
def build_wheel(directory, settings=None, metadata=None):
    assert (settings or {}).get("flavor") == "plain", settings
    name = "sample-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(directory, name), "w") as made:
        made.writestr("sample.py", "")
        for part in ("METADATA", "WHEEL", "RECORD"):
            made.writestr(f"sample-1.0.dist-info/{part}", pathlib.Path(part).read_text())
    return name
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def wheel(folder: Path, *, metadata: str = METADATA, **modules: str) -> Path:
    path = folder / "sample-1.0-py3-none-any.whl"
    files = {f"{name}.py": text for name, text in modules.items()}
    files |= {
        "sample-1.0.dist-info/METADATA": metadata,
        "sample-1.0.dist-info/WHEEL": WHEEL,
        "sample-1.0.dist-info/entry_points.txt": "[console_scripts]\nsample = sample:main\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        rows = "".join(f"{name},,\n" for name in [*files, "sample-1.0.dist-info/RECORD"])
        archive.writestr("sample-1.0.dist-info/RECORD", rows)
    return path


def sdist(folder: Path) -> Path:
    source = folder / "sample-1.0"
    source.mkdir()
    files = {"PKG-INFO": METADATA, "pyproject.toml": PYPROJECT, "backend.py": BACKEND, "METADATA": METADATA}
    files |= {"WHEEL": WHEEL, "RECORD": "sample.py,,\nsample-1.0.dist-info/RECORD,,\n"}
    for name, text in files.items():
        (source / name).write_text(text)
    path = folder / "sample-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(source, source.name)
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def trying(file: Path, cache: Path, said: list[str] | None = None, **keys: Any) -> Trying:
    return Trying(
        trial=Trial.model_validate(keys),
        name="sample",
        version="1.0",
        file=file,
        index=None,
        cache=cache,
        log=(said if said is not None else []).append,
        config_settings={"flavor": "plain"},
    )


def refused(file: Path, cache: Path, **keys: Any) -> PermanentError:
    with pytest.raises(PermanentError) as caught:
        try_distribution(trying(file, cache, **keys))
    return caught.value


def test_a_wheel_is_installed_and_imported(tmp_path: Path, cache: Path) -> None:
    words = try_distribution(trying(wheel(tmp_path, sample=""), cache))
    assert words.startswith("sample-1.0-py3-none-any.whl was installed in ")
    assert words.endswith(" s, and sample imported")
    assert list(cache.glob("trial-*")) == []


def test_an_sdist_is_built_with_its_settings_and_imported(tmp_path: Path, cache: Path) -> None:
    assert try_distribution(trying(sdist(tmp_path), cache)).endswith("sample imported")


def test_a_module_that_is_missing_is_the_reason(tmp_path: Path, cache: Path) -> None:
    error = refused(wheel(tmp_path, sample="import no_such_module\n"), cache)
    assert error.problem == (
        "sample-1.0-py3-none-any.whl was installed, but cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_module'"
    )
    assert error.remedy.startswith("Add what is missing to the package or to its requirements.")
    assert "`imports: []`" in error.remedy
    assert error.remedy.endswith("Nothing has been published.")


def test_a_package_for_a_gpu_has_three_ways_out(tmp_path: Path, cache: Path) -> None:
    file = wheel(tmp_path, sample="raise OSError('no GPU')\n", sample_cpu="")
    assert "OSError: no GPU" in refused(file, cache).problem
    assert try_distribution(trying(file, cache, imports=["sample_cpu"])).endswith("sample_cpu imported")
    assert try_distribution(trying(file, cache, imports=[])).endswith("no module was imported")


def test_a_command_runs_in_the_place_of_imports(tmp_path: Path, cache: Path) -> None:
    file = wheel(tmp_path, sample="import sys\ndef main(): sys.exit(sys.argv[1:] != ['--version'])\n")
    words = try_distribution(trying(file, cache, command=["sample", "--version"]))
    assert words.endswith("and `sample --version` ended with status 0")
    error = refused(file, cache, command=["sample", "--no"])
    assert error.problem.endswith("`sample --no` failed: failed with exit status 1")
    error = refused(file, cache, command=["no-such-command"])
    assert "`no-such-command` failed: " in error.problem
    assert error.problem.endswith("No such file or directory")


def test_a_requirement_that_nobody_has_is_named(tmp_path: Path, cache: Path) -> None:
    metadata = METADATA + "Requires-Dist: release-assets-has-no-such-package\n"
    error = refused(wheel(tmp_path, metadata=metadata, sample=""), cache)
    assert "cannot be installed into a fresh environment" in error.problem
    assert "release-assets-has-no-such-package" in error.problem
    assert "trial: {distributions: []}" in error.remedy


def test_code_in_a_trial_sees_no_secret_and_no_network(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYPI_TOKEN", "pypi-scrt")
    (tmp_path / "ours").write_text("ours")
    program = f"""\
import os, pathlib, socket
assert "PYPI_TOKEN" not in os.environ
assert not pathlib.Path({str(tmp_path / "ours")!r}).exists()
assert b"pypi-scrt" not in b"".join(p.read_bytes() for p in pathlib.Path("/proc").glob("[0-9]*/environ"))
try:
    socket.create_connection(("127.0.0.1", 9), 1)
except OSError as error:
    assert error.errno in (101, 111), error
try:
    socket.getaddrinfo("pypi.org", 443)
except OSError:
    pass
else:
    raise SystemExit("there is a network")
"""
    assert try_distribution(trying(wheel(tmp_path, sample=program), cache)).endswith("sample imported")


def test_requirements_of_the_extras_are_found(tmp_path: Path) -> None:
    metadata = METADATA + (
        "Provides-Extra: cli\nRequires-Dist: one>1\nRequires-Dist: two; extra == 'cli'\n"
        "Requires-Dist: three; python_version < '3'\nRequires-Dist: four; extra == 'web'\n"
    )
    file = wheel(tmp_path, metadata=metadata)
    assert requirements(file, ["cli"]) == ["one>1", "two", 'three; python_version < "3"']
