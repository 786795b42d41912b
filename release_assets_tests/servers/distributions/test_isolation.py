"""Build code sees this of the machine: its source and its tools, and nothing of ours."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from release_assets.distributions.build import build
from release_assets.distributions.isolation import isolated
from release_assets.errors import PermanentError
from release_assets.process import CommandFailedError, environment, run

pytestmark = pytest.mark.usefixtures("bubblewrap")

SECRET = "a-secret-that-nobody-may-see"


def see(program: str, *, readable: tuple[Path, ...] = (), writable: tuple[Path, ...] = ()) -> str:
    argv = isolated([sys.executable, "-c", program], readable=readable, writable=writable)
    return run(argv, env=environment(), timeout=30)


def test_no_environment_of_another_process_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYPI_TOKEN", SECRET)
    program = (
        "import pathlib\n"
        "for file in pathlib.Path('/proc').glob('[0-9]*/environ'):\n"
        "    print(file.read_bytes())\n"
    )
    assert "PATH=" in see(program)
    assert SECRET not in see(program)
    assert f"/{os.getpid()}/" not in see("import pathlib; print(list(pathlib.Path('/proc').glob('*/comm')))")


@pytest.mark.parametrize("place", ["home", "temporary"])
def test_no_file_of_ours_can_be_read(tmp_path: Path, place: str) -> None:
    folder = Path.home() if place == "home" else tmp_path
    secret = folder / f".release-assets-test-{os.getpid()}"
    secret.write_text(SECRET)
    try:
        with pytest.raises(CommandFailedError, match="FileNotFoundError"):
            see(f"print(open({str(secret)!r}).read())")
    finally:
        secret.unlink()


def test_what_is_readable_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "source").write_text("as it was")
    program = f"open({str(tmp_path / 'source')!r}, 'w').write('changed')"
    with pytest.raises(CommandFailedError, match="Read-only file system"):
        see(program, readable=(tmp_path,))
    assert (tmp_path / "source").read_text() == "as it was"


def test_what_is_writable_is_the_real_folder(tmp_path: Path) -> None:
    see(f"open({str(tmp_path / 'made')!r}, 'w').write('here')", writable=(tmp_path,))
    assert (tmp_path / "made").read_text() == "here"


def test_the_engine_cannot_be_reached() -> None:
    program = (
        "import os; print([p for p in ('/run/docker.sock', '/var/run/docker.sock') if os.path.exists(p)])"
    )
    assert see(program).strip() == "[]"


def test_nothing_can_be_mounted_anew_to_be_written(tmp_path: Path) -> None:
    """Root has every capability in bubblewrap by default: what is shown read-only was writable by that."""
    (tmp_path / "source").write_text("as it was")
    remount = f"mount -o remount,rw,bind {tmp_path}; echo changed > {tmp_path / 'source'}; true"
    program = (
        "import subprocess\n"
        f"for argv in (['sh', '-c', {remount!r}], ['unshare', '-Urm', 'sh', '-c', {remount!r}]):\n"
        "    subprocess.run(argv)\n"
        "print(open('/proc/self/status').read())\n"
    )
    assert "CapEff:\t0000000000000000" in see(program, readable=(tmp_path,))
    assert (tmp_path / "source").read_text() == "as it was"


@pytest.mark.parametrize("variable", ["DAGSTER_HOME", "RELEASE_ASSETS_STORE"])
def test_a_private_folder_below_a_folder_that_is_shown_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """As /opt/dagster/dagster_home is below /opt; what is needed of it is there."""
    for name in ("cache", "storage"):
        (tmp_path / "home" / name).mkdir(parents=True)
        (tmp_path / "home" / name / "file").write_text(SECRET)
    monkeypatch.setenv(variable, str(tmp_path / "home"))
    program = (
        f"import pathlib; print(sorted(p.name for p in pathlib.Path({str(tmp_path)!r}).rglob('*')))\n"
        f"print(open({str(tmp_path / 'home' / 'cache' / 'file')!r}).read())"
    )
    said = see(program, readable=(tmp_path,), writable=(tmp_path / "home" / "cache",))
    assert said.splitlines() == ["['cache', 'file', 'home']", SECRET]


def test_where_isolation_is_required_nothing_is_built_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELEASE_ASSETS_ISOLATION", "required")
    monkeypatch.setattr("release_assets.distributions.isolation.is_available", lambda: False)
    with pytest.raises(PermanentError, match="builds cannot be isolated"):
        build(
            "sdist",
            tmp_path,
            scratch=tmp_path,
            readable=[],
            cache=tmp_path / "cache",
            epoch=0,
            log=print,
            seconds={},
        )
