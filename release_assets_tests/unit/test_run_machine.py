"""A process id is looked up only where it means something; anywhere else a run is taken to go on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace

import dagster as dg
import pytest

from release_assets.run_launcher import WORKER, WatchedRunLauncher
from release_assets.run_machine import INITIAL, Machine, this_machine

GONE = 2**22 + 1  # more than the kernel's highest process id
HERE = this_machine()
CONTAINER = Machine("boot", "pid:[4026532001]", "/var/lib/docker/containers/abc/hostname")
HOST = Machine("boot", INITIAL, "3d1219c7c4c5404aaa1f6d2a48adfda4")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def health(instance: dg.DagsterInstance, machine: Machine) -> tuple[str, str]:
    """Return what run monitoring hears of a run whose worker had a process id that is gone here."""
    tag = json.dumps({"run": "run", "machine": asdict(machine), "pid": GONE, "since": 0.0})
    launcher = WatchedRunLauncher()
    launcher.register_instance(instance)
    found = launcher.check_run_worker_health(dg.DagsterRun(job_name="job", run_id="run", tags={WORKER: tag}))
    return found.status.name, found.msg or ""


def test_a_process_of_this_machine_is_looked_up(instance: dg.DagsterInstance) -> None:
    assert health(instance, HERE) == ("NOT_FOUND", f"its worker process {GONE} no longer exists")


def test_a_container_that_shares_our_host_name_is_not_ours(instance: dg.DagsterInstance) -> None:
    """With the host's network every container has the host's name."""
    other = replace(HERE, processes="pid:[1]", place="/var/lib/docker/containers/other/hostname")
    status, words = health(instance, other)
    assert status == "RUNNING"
    assert "another container" in words


def test_no_process_survives_the_restart_of_its_container(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    restarted = replace(CONTAINER, processes="pid:[4026532009]")
    monkeypatch.setattr("release_assets.run_launcher.this_machine", lambda: restarted)
    status, words = health(instance, CONTAINER)
    assert (status, "restarted" in words) == ("NOT_FOUND", True)


@pytest.mark.parametrize(
    ("before", "now", "restarted"),
    [
        (HOST, replace(HOST, boot="next"), True),
        (HOST, HOST, False),
        (HOST, replace(HOST, processes="pid:[4026532002]"), False),  # `unshare --pid`
        (HOST, replace(HOST, boot="next", place="another machine"), False),
        (replace(HOST, place=""), Machine("next", INITIAL, ""), False),
        (CONTAINER, replace(CONTAINER, boot="next", processes="pid:[4026532009]"), True),
        (CONTAINER, replace(CONTAINER, place="/var/lib/docker/containers/def/hostname"), False),
        (CONTAINER, HOST, False),
    ],
)
def test_a_restart_is_told_from_another_place(before: Machine, now: Machine, restarted: bool) -> None:
    assert before.was_restarted_as(now) is restarted


def test_a_namespace_of_process_ids_is_a_machine_of_its_own() -> None:
    program = "from release_assets.run_machine import this_machine as m; print(m().boot, m().processes)"
    command = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    shown = subprocess.run(
        [*command, sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    ).stdout.split()
    assert shown[0] == HERE.boot
    assert shown[1] != HERE.processes
