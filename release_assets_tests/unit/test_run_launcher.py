"""A run whose worker is gone is noticed; one that lives is left alone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from release_assets.run_launcher import is_alive


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def test_a_worker_that_lives_is_alive(worker: subprocess.Popen[bytes]) -> None:
    assert is_alive(worker.pid, started_before=time.time())


def test_a_killed_worker_is_dead_waited_for_or_not(
    worker: subprocess.Popen[bytes],
) -> None:
    started = time.time()
    worker.kill()
    deadline = time.monotonic() + 10
    while is_alive(worker.pid, started_before=started):  # a zombie until we wait for it
        assert time.monotonic() < deadline
        time.sleep(0.01)
    worker.wait()
    assert not is_alive(worker.pid, started_before=started)


def test_another_process_with_the_same_id_is_not_the_worker(worker: subprocess.Popen[bytes]) -> None:
    assert not is_alive(worker.pid, started_before=time.time() - 3600)
