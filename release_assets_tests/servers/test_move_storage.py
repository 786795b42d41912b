"""An instance that moves from SQLite to PostgreSQL keeps what it knows, and goes on."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from release_assets import process
from release_assets.errors import ReleaseError
from release_assets.move_storage import move
from release_assets_tests.conftest import skipped_where_impossible
from tools.sandbox import system
from tools.sandbox.servers import free_port, running_server

PARTITIONS = dg.DynamicPartitionsDefinition(name="releases")


@dg.asset(partitions_def=PARTITIONS)
def image(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"previous": f"what {context.partition_key} replaced"})


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """An empty database of a server of its own, run by a user without rights, as PostgreSQL demands."""
    with skipped_where_impossible():
        system.install([] if programs() else ["postgresql"], why="PostgreSQL", say=print)
    (folder, *_) = programs()
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    with contextlib.ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="release-assets-")))
        if user:
            shutil.chown(data, "postgres")
        initdb = [f"{folder}/initdb", "--auth=trust", "--no-sync", "--username=dagster", f"{data}/cluster"]
        process.run([*user, *initdb], env=system.environment(), timeout=60)
        port = free_port()
        command = [f"{folder}/postgres", "-D", f"{data}/cluster", "-p", str(port), "-k", str(data)]
        log = data / "log"
        stack.enter_context(
            running_server(
                "postgres",
                [*user, *command],
                env=system.environment(),
                log=log,
                is_ready=lambda: "ready to accept connections" in log.read_text(),
            )
        )
        yield f"postgresql+psycopg2://dagster@127.0.0.1:{port}/postgres"


def programs() -> list[Path]:
    return [file.parent for file in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))]


def materialize(instance: dg.DagsterInstance, tag: str) -> str:
    instance.add_dynamic_partitions("releases", [tag])
    return dg.materialize([image], partition_key=tag, instance=instance).run_id


def test_runs_records_partitions_and_cursors_move(url: str, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for home in (old, new):
        home.mkdir()
    (old / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (new / "dagster.yaml").write_text(f"storage: {{postgres: {{postgres_url: '{url}'}}}}\n")
    with dg.DagsterInstance.from_config(str(old)) as instance:
        run_ids = [materialize(instance, tag) for tag in ("v1.0.0", "v1.1.0")]
        instance.daemon_cursor_storage.set_cursor_values({"cursor": "42"})
        before = seen(instance, run_ids)
    with dg.DagsterInstance.from_config(str(new)) as instance:
        copied = move(old, url)
        assert copied["runs"] == 2
        assert seen(instance, run_ids) == before
        # What is written from now on has ids of its own.
        run_ids.append(materialize(instance, "v1.2.0"))
        assert instance.get_materialized_partitions(image.key) == {"v1.0.0", "v1.1.0", "v1.2.0"}
        with pytest.raises(ReleaseError, match="holds runs already"):
            move(old, url)
        assert instance.get_runs_count() == 3


def seen(instance: dg.DagsterInstance, run_ids: list[str]) -> object:
    """Return what a maintainer sees of an instance."""
    records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=image.key), limit=10).records
    return (
        [(run.run_id, run.status, run.tags) for run in instance.get_runs()],
        [(record.storage_id, record.partition_key, str(record.asset_materialization)) for record in records],
        [(one.start_time, one.create_timestamp.timestamp()) for one in instance.get_run_records()],
        [sorted(entry.timestamp for entry in instance.all_logs(run_id)) for run_id in run_ids],
        [instance.get_run_step_stats(run_id) for run_id in run_ids],
        instance.get_dynamic_partitions("releases"),
        instance.get_materialized_partitions(image.key),
        instance.get_latest_materialization_event(image.key),
        instance.daemon_cursor_storage.get_cursor_values({"cursor"}),
    )


def test_a_folder_without_an_instance_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"has no history/runs\.db"):
        move(tmp_path, "postgresql+psycopg2://nowhere/database")
