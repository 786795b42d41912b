"""A server that does not start says so, with the end of its log, and leaves nothing behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from release_assets.process import environment
from tools.sandbox.servers import SandboxError, answers, free_port, running_server, wait_until


def test_a_server_runs_inside_the_block_only(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    serve = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    log = tmp_path / "log"
    with running_server(
        "http.server", serve, env=environment(), log=log, is_ready=lambda: answers(url)
    ) as child:
        assert answers(url)
    assert child.returncode is not None
    assert not answers(url)


def test_a_server_that_ends_early_shows_why(tmp_path: Path) -> None:
    script = "print('port 5 is taken', flush=True); raise SystemExit(3)"
    with pytest.raises(SandboxError, match=r"(?s)devpi ended with status 3 .*port 5 is taken"):
        start(script, tmp_path / "log", seconds=20)


def test_a_server_that_never_answers_is_given_up_and_ended(tmp_path: Path) -> None:
    script = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(600)"
    log = tmp_path / "log"
    with pytest.raises(SandboxError, match=r"(?s)devpi was not ready after 1 s.*pid \d+"):
        start(script, log, seconds=1)
    assert not is_running(int(log.read_text().split()[1]))


def test_an_empty_log_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="its log is empty"):
        start("raise SystemExit(1)", tmp_path / "log", seconds=20)


def test_waiting_ends() -> None:
    assert wait_until(lambda: True, seconds=0)
    assert not wait_until(lambda: False, seconds=0.1)


def start(script: str, log: Path, *, seconds: float) -> None:
    with running_server(
        "devpi",
        [sys.executable, "-c", script],
        env=environment(),
        log=log,
        is_ready=lambda: False,
        seconds=seconds,
    ):
        pytest.fail("it counts as ready")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
