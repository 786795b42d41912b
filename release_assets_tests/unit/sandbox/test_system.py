"""Packages are installed where they are missing, by root on Debian; elsewhere the error names them."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from release_assets import process
from tools.sandbox import system
from tools.sandbox.servers import SandboxError


@pytest.fixture
def no_command(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Record the commands that would have been run."""
    commands: list[list[str]] = []

    def run(argv: list[str], **_: object) -> str:
        commands.append(argv)
        return ""

    monkeypatch.setattr(process, "run", run)
    return commands


def test_an_installed_program_is_not_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "some-program"
    needed = {"some-program": "its-package"}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert system.missing_packages(needed) == ["its-package"]
    program.touch(mode=0o755)
    assert system.missing_packages(needed) == []


def test_docker_plugins_are_found_off_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "PLUGIN_FOLDERS", (str(tmp_path),))
    assert system.find_program("docker-nonesuch") is None
    (tmp_path / "docker-nonesuch").touch(mode=0o755)
    assert system.find_program("docker-nonesuch") == tmp_path / "docker-nonesuch"


def test_nothing_missing_is_nothing_said(no_command: list[list[str]]) -> None:
    system.install([], why="anything", say=pytest.fail)
    assert no_command == []


def test_without_root_the_error_is_the_command_to_run(
    no_command: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "_debian_release", lambda: "trixie")
    monkeypatch.setattr(system, "_has_apt", lambda: True)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(
        SandboxError, match=r"(?s)an engine needs runc, tini.*Run as root: apt-get install .*runc tini"
    ):
        system.install(["tini", "runc"], why="an engine", say=pytest.fail)
    assert no_command == []


def test_on_another_system_the_error_says_what_would_do(
    no_command: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "_debian_release", lambda: None)
    with pytest.raises(
        SandboxError, match=r"(?s)an engine needs tini, .*not a Debian.*`docker version` must"
    ):
        system.install(["tini"], why="an engine", say=pytest.fail)
    assert no_command == []


@pytest.mark.parametrize(("release", "package"), [("bookworm", "docker.io/trixie"), ("trixie", "docker.io")])
def test_only_debian_12_takes_its_engine_from_debian_13(
    release: str,
    package: str,
    no_command: list[list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(system, "_debian_release", lambda: release)
    monkeypatch.setattr(system, "_has_apt", lambda: True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(system, "debian_mirror", lambda: "http://mirror.example/debian")
    for name in ("TRIXIE_SOURCE", "TRIXIE_PREFERENCES", "POLICY", "LOCK"):
        monkeypatch.setattr(system, name, tmp_path / name)
    said: list[str] = []

    system.install(["tini", "docker.io"], why="an engine", say=said.append)

    assert said == ["installing with apt, for an engine: docker.io, tini"]
    update, install = no_command
    assert update[-1] == "update"
    assert install[-2:] == [package, "tini"]
    assert "--no-install-recommends" in install
    assert (tmp_path / "TRIXIE_SOURCE").exists() == (release == "bookworm")
    if release == "bookworm":
        assert "URIs: http://mirror.example/debian\n" in (tmp_path / "TRIXIE_SOURCE").read_text()
        assert "Pin-Priority: 100\n" in (tmp_path / "TRIXIE_PREFERENCES").read_text()
    assert not (tmp_path / "POLICY").exists()


def test_packages_are_kept_from_starting_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "POLICY", tmp_path / "policy-rc.d")
    with system._no_services_started():
        assert (tmp_path / "policy-rc.d").read_text() == "#!/bin/sh\nexit 101\n"
        assert os.access(tmp_path / "policy-rc.d", os.X_OK)
        with system._no_services_started():
            pass
        assert (tmp_path / "policy-rc.d").exists()
    assert not (tmp_path / "policy-rc.d").exists()


def test_the_mirror_is_the_one_that_apt_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_debian_release", lambda: "bookworm")
    listed = (
        "http://security.example/debian|bookworm-security|main\n"
        "http://mirror.example/debian/|bookworm|non-free\n"
        "http://mirror.example/debian/|bookworm|main\n"
    )
    monkeypatch.setattr(process, "run", lambda *_, **__: listed)
    assert system.debian_mirror() == "http://mirror.example/debian/"
    monkeypatch.setattr(system, "_debian_release", lambda: "forky")
    with pytest.raises(SandboxError, match="no source for Debian's suite forky"):
        system.debian_mirror()


def test_two_installations_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two test processes install at once; the one that ends first must not let the other's services start."""
    monkeypatch.setattr(system, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(system, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(system, "_debian_release", lambda: "trixie")
    monkeypatch.setattr(system, "_has_apt", lambda: True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    seen: list[tuple[str, bool]] = []

    def run(argv: list[str], **_: object) -> str:
        package = argv[-1]
        seen.append((package, system.POLICY.exists()))
        time.sleep(0.1 if package == "first" else 0.3)
        seen.append((package, system.POLICY.exists()))
        return ""

    monkeypatch.setattr(process, "run", run)
    with ThreadPoolExecutor() as threads:
        for package in ("first", "second"):
            threads.submit(system.install, [package], why="a test", say=lambda _: None)

    installing = [(package, no_services) for package, no_services in seen if package != "update"]
    assert [package for package, _ in installing] in [
        ["first"] * 2 + ["second"] * 2,
        ["second"] * 2 + ["first"] * 2,
    ]
    assert all(no_services for _, no_services in installing)
