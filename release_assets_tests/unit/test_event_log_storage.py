"""Events are where Dagster's default storage has them, and everybody who watches sees them."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` as a type.

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest

from release_assets.event_log_storage import OPEN, PooledEventLogStorage
from tools.sandbox.servers import wait_until

CONFIGURATION = """\
event_log_storage:
  module: release_assets.event_log_storage
  class: PooledEventLogStorage
telemetry: {enabled: false}
"""


@dg.op(out=dg.Out(dg.Nothing))
def say(context: dg.OpExecutionContext) -> None:
    """Write an event."""
    context.log.info("said")


@dg.job
def talk() -> None:
    """Write some events."""
    say()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A DAGSTER_HOME with the storage."""
    (tmp_path / "dagster.yaml").write_text(CONFIGURATION)
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


def words(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Return what a run has said."""
    return [entry.user_message for entry in instance.all_logs(run_id)]


def test_dagsters_default_storage_reads_the_same_events(home: Path, instance: dg.DagsterInstance) -> None:
    run = talk.execute_in_process(instance=instance)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(home)) as default:
        assert not isinstance(default.event_log_storage, PooledEventLogStorage)
        assert words(default, run.run_id) == words(instance, run.run_id)
        again = talk.execute_in_process(instance=default)
    assert "said" in words(instance, again.run_id)


def test_who_watches_a_run_sees_each_event(home: Path, instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(talk)
    instance.report_engine_event("the first, which makes the database", run)
    seen: list[str] = []
    with dg.DagsterInstance.from_config(str(home)) as ui:

        def watch(entry: dg.EventLogEntry, _: str) -> None:
            seen.append(entry.message)

        ui.watch_event_logs(run.run_id, None, watch)
        for word in ("the second", "the third", "the fourth"):
            instance.report_engine_event(word, run)
            assert wait_until(lambda word=word: word in "".join(seen), seconds=10), seen  # type: ignore[misc]
        ui.end_watch_event_logs(run.run_id, watch)


def test_few_databases_stay_open(home: Path, instance: dg.DagsterInstance) -> None:
    runs = [talk.execute_in_process(instance=instance).run_id for _ in range(OPEN + 2)]
    opened = {file.path for file in psutil.Process().open_files()}
    databases = {path for path in opened if path.startswith(f"{home}/history/runs/") and path.endswith(".db")}
    assert 0 < len(databases) <= OPEN
    assert all("said" in words(instance, run) for run in runs)


def test_a_storage_that_was_wiped_starts_again(instance: dg.DagsterInstance) -> None:
    run = talk.execute_in_process(instance=instance)
    instance.wipe()
    assert words(instance, run.run_id) == []
    assert "said" in words(instance, talk.execute_in_process(instance=instance).run_id)
