"""The documented handler of structured logs sends each event as JSON to a server outside."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from release_assets.graph import build_release_graph
from release_assets.project import Project
from release_assets_tests.paths import ROOT

PAGE = ROOT / "docs" / "how-to" / "retention.md"


@pytest.mark.filterwarnings("ignore::dagster.BetaWarning")  # the handlers of dagster.yaml are in beta
def test_events_arrive_as_json_with_run_job_and_step(tmp_path: Path) -> None:
    block = re.search(r"^```\n(python_logs:.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert block is not None
    declared = {"project": "sample", "repository": "https://github.com/me/sample.git", "package": {}}
    definitions = build_release_graph(Project.model_validate(declared))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog:
        syslog.bind(("127.0.0.1", 0))
        syslog.settimeout(10)
        text = block[1].replace("514", str(syslog.getsockname()[1]))
        (tmp_path / "dagster.yaml").write_text(f"telemetry: {{enabled: false}}\n{text}")
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            job = definitions.resolve_job_def("sample_cleanup")
            result = job.execute_in_process(instance=instance)
        events: list[dict[str, Any]] = []
        while not any("MB were freed" in event["message"] for event in events):
            datagram = syslog.recv(65536).decode()
            events.append(json.loads(datagram[datagram.index("{") :].rstrip("\0")))
    event = events[-1]
    assert event["levelname"] == "INFO"
    assert event["message"].endswith(" - 0.0 MB were freed")
    assert event["dagster_meta"]["run_id"] == result.run_id
    assert event["dagster_meta"]["job_name"] == "sample_cleanup"
    assert event["dagster_meta"]["step_key"] == "sample_cleanup_op"
