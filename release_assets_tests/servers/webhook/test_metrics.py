"""/metrics, the rules and the dashboard, with a real Prometheus."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster import DagsterInstance

from release_assets.webhook.metrics import FiguresCollector
from release_assets.webhook.server import Webhook
from release_assets_tests.conftest import skipped_where_impossible
from release_assets_tests.paths import ROOT
from release_assets_tests.unit.figures.conftest import home as home  # the fixtures, for these tests too
from release_assets_tests.unit.figures.conftest import instance as instance
from release_assets_tests.unit.figures.recorded import Recorder, Told
from release_assets_tests.unit.webhook.conftest import Client, served
from release_assets_tests.unit.webhook.test_deliveries import PUSH, SECRET, headers
from tools.sandbox import system
from tools.sandbox.servers import answers, free_port, loopback_session, running_server

DEPLOY = ROOT / "deploy"
# What Grafana puts in the place of its variables.
VARIABLES = {"$project": ".*", "$__rate_interval": "1m"}


@pytest.fixture(scope="module", autouse=True)
def prometheus_is_installed() -> None:
    with skipped_where_impossible():
        system.install(system.missing_packages(system.PROMETHEUS), why="Prometheus", say=print)


@pytest.fixture
def metrics(instance: DagsterInstance) -> Iterator[Client]:
    """The webhook's server, with the figures of a project that has everything recorded."""
    sample = Recorder(instance)
    sample.killed("release", "v1.0.0")
    sample.run(
        "release",
        "v1.0.0",
        version=Told({"committed": dg.MetadataValue.timestamp(time.time() - 600)}),
        pypi_publication=Told({"seconds/upload": 9.5}, retries=1),
    )
    base = [dg.TableRecord({"image": "python:3.12", "digest": "sha256:a"})]
    for tag, found in (("v1.0.0", {}), ("v1.1.0", {"cache_hit_rate": 0.75})):
        told = Told(
            {"base_images": dg.MetadataValue.table(base)}, checks={"cache_hit_rate": (True, "", found)}
        )
        sample.run("docker", tag, image_linux_amd64=told)
    instance.add_daemon_heartbeat(_heartbeat())
    webhook = Webhook(SECRET, {"me/sample": [lambda _: ""]}, FiguresCollector(instance, ["sample"]))
    with served(webhook.app()) as client:
        body = json.dumps(PUSH).encode()
        client.post("/github", content=body, headers=headers(body))
        yield client


def _heartbeat() -> Any:
    from dagster._daemon.types import DaemonHeartbeat

    return DaemonHeartbeat(timestamp=time.time(), daemon_type="SENSOR", daemon_id=None, errors=[])


def test_the_metrics_follow_the_conventions(metrics: Client) -> None:
    text = metrics.get("/metrics").text
    promtool = str(system.find_program("promtool"))
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(line.startswith("release_assets_") for line in samples)
    assert not re.search(r"v1\.\d", text), "a version is a label without end"
    assert 'release_assets_runs_total{half="release",project="sample",state="failure"} 1.0' in samples
    assert 'release_assets_runs_total{half="docker",project="sample",state="success"} 2.0' in samples
    assert 'release_assets_success_ratio{half="release",project="sample"} 0.5' in samples
    assert 'release_assets_upload_duration_seconds{project="sample"} 9.5' in samples
    assert 'release_assets_retries{destination="index",project="sample"} 1.0' in samples
    assert 'release_assets_cache_hit_ratio{project="sample"} 0.75' in samples


def test_a_silent_daemon_fires_the_rule() -> None:
    rules = DEPLOY / "prometheus"
    promtool = str(system.find_program("promtool"))
    checked = subprocess.run(
        [promtool, "test", "rules", "rules_test.yml"],
        cwd=rules,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_prometheus_answers_every_query_of_the_dashboard(metrics: Client, tmp_path: Path) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    config["rule_files"] = [str(DEPLOY / "prometheus" / "rules.yml")]
    [scrape] = config["scrape_configs"]
    scrape |= {
        "scrape_interval": "1s",
        "static_configs": [{"targets": [metrics.url.removeprefix("http://")]}],
    }
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    dashboard = json.loads((DEPLOY / "grafana" / "release-assets.json").read_text())
    expressions = {
        panel["title"]: target["expr"] for panel in dashboard["panels"] for target in panel["targets"]
    }
    assert len(expressions) == len(dashboard["panels"]) > 10
    url = f"http://127.0.0.1:{free_port()}"
    with (
        running_server(
            "prometheus",
            [
                *("prometheus", f"--config.file={file}", f"--storage.tsdb.path={tmp_path / 'data'}"),
                f"--web.listen-address={url.removeprefix('http://')}",
            ],
            env=system.environment(),
            log=tmp_path / "prometheus.log",
            is_ready=lambda: answers(f"{url}/-/ready"),
        ),
        loopback_session() as session,
    ):

        def ask(expression: str) -> Any:
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            return session.get(f"{url}/api/v1/query", params={"query": expression}, timeout=10).json()

        deadline = time.monotonic() + 30
        while not ask("count_over_time(release_assets_runs_total[1m]) > 1")["data"]["result"]:
            assert time.monotonic() < deadline
            time.sleep(0.3)
        for title, expression in expressions.items():
            answer = ask(expression)
            assert answer["status"] == "success", (title, answer)
            assert answer["data"]["result"], title
        groups = session.get(f"{url}/api/v1/rules", timeout=10).json()["data"]["groups"]
        assert [rule["health"] for group in groups for rule in group["rules"]] != []
        assert all(rule["health"] != "err" for group in groups for rule in group["rules"])
