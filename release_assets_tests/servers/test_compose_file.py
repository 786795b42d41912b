"""compose.yaml keeps what its how-to promises, as Docker Compose itself reads it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from release_assets import process
from release_assets_tests.conftest import skipped_where_impossible
from release_assets_tests.paths import ROOT
from tools.sandbox import system

DEPLOYMENT = ROOT / "deploy" / "compose"
HOW_TO = ROOT / "docs" / "how-to" / "deploy-with-compose.md"


@pytest.fixture(scope="module")
def read() -> dict[str, Any]:
    """The file with all profiles, as `docker compose config` shows it."""
    with skipped_where_impossible():
        missing = system.missing_packages(system.COMPOSE)
        system.install(missing, why="the deployment of compose.yaml", say=print)
    compose = system.find_program("docker-compose")
    assert compose is not None
    command = [str(compose), "--profile", "commands", "config", "--format", "json"]
    env = system.environment(DOCKER_GID="999", PYPI_TOKEN="a token")
    found: dict[str, Any] = json.loads(process.run(command, env=env, timeout=60, directory=ROOT))
    return found


def test_only_the_webserver_has_a_port_and_it_is_loopbacks(read: dict[str, Any]) -> None:
    ports = {name: service.get("ports", []) for name, service in read["services"].items()}
    (port,) = ports.pop("webserver")
    assert (port["host_ip"], port["target"]) == ("127.0.0.1", 3000)
    assert not any(ports.values())


def test_runs_share_a_network_with_the_database_only(read: dict[str, Any]) -> None:
    runs = {name for name, service in read["services"].items() if "runs" in service["networks"]}
    assert runs == {"postgres"}


def test_everything_that_is_written_is_in_a_named_volume(read: dict[str, Any]) -> None:
    writable = {
        (mount["type"], mount["source"])
        for service in read["services"].values()
        for mount in service["volumes"]
        if not mount.get("read_only")
    }
    assert writable == {
        ("volume", "home"),
        ("volume", "database"),
        ("bind", "/var/run/docker.sock"),
    }


def test_no_service_has_a_secret_in_its_environment(read: dict[str, Any]) -> None:
    names = {name for service in read["services"].values() for name in service["environment"]}
    assert {name for name in names if re.search("TOKEN|PASS|SECRET|KEY", name)} == {
        "PGPASSFILE",
        "POSTGRES_PASSWORD_FILE",
    }


def test_every_service_that_stays_has_a_health_check(read: dict[str, Any]) -> None:
    without = [
        name for name, service in read["services"].items() if service["healthcheck"].get("disable", False)
    ]
    assert without == ["release-assets"]


def test_services_of_ours_have_no_capabilities(read: dict[str, Any]) -> None:
    for name, service in read["services"].items():
        if name != "postgres":
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges"], name


def test_the_instance_differs_from_one_machines_where_it_must() -> None:
    here = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    there = yaml.safe_load((DEPLOYMENT / "dagster.yaml").read_text())
    differ = {key for key in {*here, *there} if here.get(key) != there.get(key)}
    assert differ == {
        "storage",
        "event_log_storage",
        "schedule_storage",
        "run_launcher",
        "run_monitoring",
    }


def test_the_how_to_names_every_variable_of_the_deployment() -> None:
    names = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text())) - {"COMPOSE_PROJECT_NAME"}
    assert {name for name in names if f"`{name}`" not in HOW_TO.read_text()} == set()
