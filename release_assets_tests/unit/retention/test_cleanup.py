"""The cleanup removes what is beyond the limits, and nothing that a release needs to be resumed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from packaging.version import Version
from upath import UPath

from release_assets.distributions.store import DistributionStore
from release_assets.graph import build_release_graph
from release_assets.project import Project
from release_assets.retention.rules import removable

COMMIT = "c" * 40
LONG_AGO = time.time() - 200 * 86400
NODES = ("sdist", "wheel", "pypi_publication", "github_release")


def test_only_old_complete_releases_are_removable() -> None:
    stored = [(f"v1.{minor}", Version(f"1.{minor}")) for minor in (10, 9, 8, 7)]
    complete = {"v1.10", "v1.9", "v1.7"}
    assert removable(stored, complete, 1) == ["v1.7", "v1.9"]
    assert removable(stored, complete, 5) == []
    assert removable(stored, complete, 0) == ["v1.7", "v1.9", "v1.10"]
    assert removable(stored, set(), 0) == []


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as ephemeral:
        yield ephemeral


def project(**retention: Any) -> Project:
    return Project.model_validate(
        {
            "project": "sample",
            "repository": "https://github.com/me/sample.git",
            "package": {},
            "retention": retention,
        }
    )


def clean(instance: dg.DagsterInstance, **retention: Any) -> None:
    job = build_release_graph(project(**retention)).resolve_job_def("sample_cleanup")
    assert job.execute_in_process(instance=instance).success


def stored(instance: dg.DagsterInstance, tag: str, *nodes: str) -> DistributionStore:
    """Keep a release's files and record some of its nodes."""
    folder = Path(instance.storage_directory()) / "release_assets" / "distributions"
    store = DistributionStore(UPath(folder), "sample", tag)
    file = folder.parent / "sample.whl"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"bytes")
    store.put("wheel", file, commit=COMMIT, name="sample")
    for node in nodes:
        instance.report_runless_asset_event(dg.AssetMaterialization(["sample", node], partition=tag))
    return store


def test_files_of_old_complete_releases_go_and_of_others_stay(instance: dg.DagsterInstance) -> None:
    old, half, busy, newest = (
        stored(instance, "v1.0", *NODES),
        stored(instance, "v1.1", *NODES[:3]),
        stored(instance, "v1.2", *NODES),
        stored(instance, "v1.3", *NODES),
    )
    job = build_release_graph(project()).resolve_job_def("sample_release")
    run = instance.create_run_for_job(
        job, tags={"dagster/partition": "v1.2"}, status=dg.DagsterRunStatus.STARTED
    )
    clean(instance, distributions=1)
    assert [bool(store.find("wheel")) for store in (old, half, busy, newest)] == [False, True, True, True]
    instance.report_run_canceled(run)
    clean(instance, distributions=None)
    assert busy.find("wheel") is not None
    clean(instance, distributions=1)
    assert [bool(store.find("wheel")) for store in (half, busy, newest)] == [True, False, True]


def test_caches_logs_and_mirrors_are_bounded(instance: dg.DagsterInstance) -> None:
    storage = Path(instance.storage_directory())
    ours = storage / "release_assets"
    job = build_release_graph(project()).resolve_job_def("sample_release")
    other = build_release_graph(Project.model_validate({**project().model_dump(mode="json"), "project": "x"}))
    runs = {
        "old": instance.create_run_for_job(job, status=dg.DagsterRunStatus.SUCCESS).run_id,
        "new": instance.create_run_for_job(job, status=dg.DagsterRunStatus.SUCCESS).run_id,
        "of another": instance.create_run_for_job(
            other.resolve_job_def("x_release"), status=dg.DagsterRunStatus.SUCCESS
        ).run_id,
    }
    for name, run_id in runs.items():
        (storage / run_id / "compute_logs").mkdir(parents=True)
        if name != "new":
            os.utime(storage / run_id, (LONG_AGO, LONG_AGO))
    for name in ("unused", "used"):
        mirror = ours / "mirrors" / f"{name}.git"
        mirror.mkdir(parents=True)
        (mirror / "HEAD").write_text("ref: refs/heads/main\n")
    os.utime(ours / "mirrors" / "unused.git" / "HEAD", (LONG_AGO, LONG_AGO))
    cache = ours / "uv" / "sample"
    cache.mkdir(parents=True)
    (cache / "wheel").write_bytes(b"x" * 2000)

    clean(instance, build_cache="3 kB")
    assert (cache / "wheel").exists()
    assert {name for name, run_id in runs.items() if (storage / run_id).exists()} == {"new", "of another"}
    assert sorted(path.name for path in (ours / "mirrors").glob("*.git")) == ["used.git"]
    clean(instance, build_cache="1 kB")
    assert not (cache / "wheel").exists()
    # Runs of releases are their records.
    assert {run.run_id for run in instance.get_runs(dg.RunsFilter(job_name="sample_release"))} == {
        runs["old"],
        runs["new"],
    }


def test_nothing_that_a_run_uses_is_removed(instance: dg.DagsterInstance) -> None:
    ours = Path(instance.storage_directory()) / "release_assets"
    mirror, cache = ours / "mirrors" / "unused.git", ours / "uv" / "sample"
    for folder in (mirror, cache):
        folder.mkdir(parents=True)
        (folder / "HEAD").write_bytes(b"x" * 2000)
        os.utime(folder / "HEAD", (LONG_AGO, LONG_AGO))
    job = build_release_graph(project()).resolve_job_def("sample_release")
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    clean(instance, build_cache="1 kB")
    assert (mirror / "HEAD").exists()
    assert (cache / "HEAD").exists()
