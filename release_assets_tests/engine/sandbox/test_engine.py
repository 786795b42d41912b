"""The engine that is reachable is used as it is; one of our own leaves nothing behind, however it ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from release_assets import process
from release_assets_tests.paths import ROOT
from tools.sandbox import engine as engine_module
from tools.sandbox import system
from tools.sandbox.engine import Engine, docker_engine, own_engine, reachable_engine
from tools.sandbox.servers import SandboxError, wait_until


@pytest.fixture
def state_of_its_own(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder for another engine next to the shared one, where one can be started."""
    request.getfixturevalue("engine")
    missing = system.missing_packages(system.ENGINE)
    if os.geteuid() != 0 or missing:
        reason = f"only root can start an engine, with these packages installed: {', '.join(missing)}"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    return tmp_path


def run_folder(host: str) -> Path:
    return Path(host.removeprefix("unix://")).parent


def processes_of(host: str) -> list[str]:
    """The command lines of the engine at this address, its containerd and its containers' shims."""
    commands = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            commands.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [command for command in commands if str(run_folder(host)) in command]


def traces_of(state: Path) -> list[str]:
    """Return an engine's traces in the machine, by its storage: mounts, its bridge and firewall rules."""
    bridge = engine_module.bridge_name((state / "engine").resolve())
    rules = process.run(["iptables-save"], env=system.environment(), timeout=30).splitlines()
    return [
        *(mount for mount in Path("/proc/mounts").read_text().splitlines() if str(state) in mount),
        *(rule for rule in rules if bridge in rule.split()),
        *(path.name for path in Path("/sys/class/net").iterdir() if path.name == bridge),
    ]


def test_the_reachable_engine_is_used_as_it_is(engine: Engine, tmp_path: Path) -> None:
    said: list[str] = []
    with docker_engine(tmp_path, say=said.append) as found:
        assert found == Engine(engine.host, own=False)
    assert said == [f"using the Docker engine at {engine.host}"]
    assert list(tmp_path.iterdir()) == []
    assert reachable_engine() == found


def test_an_engine_that_does_not_answer_is_none(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert reachable_engine() is None
    assert engine.can_pull("localhost:1/no-such-image") is False


def test_an_engine_without_qemu_is_told_how_to_get_it(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "PLATFORMS", ("linux/amd64", "linux/vax"))
    with (
        pytest.raises(SandboxError, match=r"(?s)cannot run linux/vax: QEMU is missing.*tonistiigi/binfmt"),
        docker_engine(tmp_path, say=print),
    ):
        pytest.fail(f"{engine.host} counts as complete")


def test_an_engine_of_our_own_runs_next_to_others_without_traces(state_of_its_own: Path) -> None:
    with own_engine(state_of_its_own) as own:
        assert own.own
        assert any("containerd" in command for command in processes_of(own.host))
        assert traces_of(state_of_its_own)
        with (
            pytest.raises(SandboxError, match="in use by another sandbox"),
            own_engine(state_of_its_own),
        ):
            pytest.fail("two engines share a storage")
    assert processes_of(own.host) == []
    assert traces_of(state_of_its_own) == []
    assert not run_folder(own.host).exists()


def test_an_engine_of_our_own_ends_when_we_are_killed(state_of_its_own: Path) -> None:
    script = (
        "import pathlib, sys, time; from tools.sandbox.engine import own_engine\n"
        "with own_engine(pathlib.Path(sys.argv[1])) as own: print(own.host, flush=True); time.sleep(600)"
    )
    with process.started_child(
        [sys.executable, "-c", script, str(state_of_its_own)],
        env=process.environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        assert child.stdout is not None
        host = child.stdout.readline().decode().strip()
        assert processes_of(host)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert wait_until(lambda: processes_of(host) == [], seconds=10), processes_of(host)
    # The next one takes over the storage, and what else was left.
    with own_engine(state_of_its_own):
        pass
    assert traces_of(state_of_its_own) == []
    shutil.rmtree(run_folder(host))
