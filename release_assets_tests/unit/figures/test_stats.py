"""`release-assets stats` on records that Dagster made."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from release_assets.cli import commands
from release_assets.figures.compute import figures
from release_assets.figures.records import RunReader
from release_assets_tests.unit.figures.recorded import Recorder, Told, refused

DEFS = """\
type: release_assets.ReleaseGraph
attributes:
  project: sample
  repository: https://github.com/example/sample.git
  package: {{}}
  image: {{repository: docker.io/example/sample}}
{more}
"""


@pytest.fixture
def defs(tmp_path: Path) -> Path:
    """A folder with the project whose runs are recorded."""
    file = tmp_path / "defs" / "sample" / "defs.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(DEFS.format(more=""))
    return tmp_path / "defs"


def stats(defs: Path, home: Path, *options: str) -> Result:
    """Run the command in this process: it only reads."""
    env = {"DAGSTER_HOME": str(home), "RELEASE_ASSETS_DEFS": str(defs), "NO_COLOR": "1"}
    return CliRunner().invoke(commands, ["stats", *options], env=env)


def values(answer: dict[str, Any]) -> dict[str, Any]:
    return {" ".join([one["name"], *one["labels"].values()]): one for one in answer["figures"]}


def test_stats_of_two_releases(instance: dg.DagsterInstance, home: Path, defs: Path) -> None:
    sample = Recorder(instance)
    upload = {"seconds/upload": 9.5}
    sample.killed("release", "v1.0.0", **{"dagster/will_retry": "true"})
    sample.run("release", "v1.0.0", pypi_publication=Told(upload, retries=2))
    sample.run("docker", "v1.0.0", image_linux_amd64=Told(checks={"cache_hit_rate": (True, "", {})}))
    sample.run("release", "v1.1.0", github_release=Told(failure=refused("403", "Create a token.")))
    cached = (True, "60%", {"cache_hit_rate": 0.6})
    sample.run("docker", "v1.1.0", image_linux_amd64=Told(checks={"cache_hit_rate": cached}))
    sample.run("docker", "v1.0.0", nodes=["floating_tags"])  # a rollback
    sample.run("release", "v1.1.0", nodes=["version", "sdist", "wheel"])  # a dry run

    ended = stats(defs, home, "--json")
    assert ended.exit_code == 0, ended.output
    [answer] = json.loads(ended.stdout)["projects"]
    assert answer["releases"] == ["v1.1.0", "v1.0.0"]
    assert answer["runs"] == 5
    found = values(answer)
    assert found["success_ratio release"]["value"] == pytest.approx(1 / 3)
    assert found["success_ratio release"]["met"] is False
    assert found["success_ratio docker"]["value"] == 1.0
    assert found["upload_duration_seconds"]["value"] == 9.5
    assert found["cache_hit_ratio"]["value"] == 0.6
    assert found["retries index"]["value"] == 2
    assert found["run_duration_seconds docker cold"]["samples"] == 1
    assert found["run_duration_seconds docker warm"]["samples"] == 1
    assert found["recovery_time_seconds"]["samples"] == 1

    table = stats(defs, home, "--project", "sample").stdout.splitlines()
    assert table[0] == "sample: 2 releases, v1.1.0 back to v1.0.0, in 5 runs"
    [rate] = [line.split() for line in table if line.startswith("release success rate")]
    assert rate == ["release", "success", "rate", "33.3%", "-", "✗", "≥", "99%", "3"]
    assert json.loads(stats(defs, home, "--json", "--last", "1").stdout)["projects"][0]["runs"] == 2


def test_a_project_without_runs_says_so(home: Path, defs: Path) -> None:
    assert stats(defs, home).stdout == "sample: no release was tried here yet.\n"
    ended = stats(defs, home, "--project", "sampel")
    assert ended.exit_code == 2
    assert "There is no project 'sampel'. Did you mean 'sample'?" in ended.stderr


def test_a_thousand_releases_cost_no_more_than_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    with dg.DagsterInstance.ephemeral() as instance:
        sample = Recorder(instance)
        for number in range(1000):
            tags = {"dagster/partition": f"v1.{number}.0"}
            run_id = str(uuid.UUID(int=number))
            instance.add_run(
                dg.DagsterRun("sample_docker", run_id, tags=tags, status=dg.DagsterRunStatus.SUCCESS)
            )
        sample.run("release", "v2.0.0")
        ask = instance.get_records_for_run

        def counted(run_id: str, **more: Any) -> object:
            read.append(run_id)
            return ask(run_id, **more)

        monkeypatch.setattr(instance, "get_records_for_run", counted)
        reader = RunReader(instance)
        started = time.monotonic()
        runs = reader.last_runs("sample", 20)
        figures(runs, time.time())
        assert time.monotonic() - started < 3.0
        assert len({run.tag for run in runs}) == len(read) == 20
        assert reader.last_runs("sample", 20) == runs
        assert len(read) == 20  # a run that has ended is not read again
