"""One release by a real Dagster run in a process of its own: `python -m … HOME TAG < attributes`.

Prints what came of it as JSON. RELEASE_ASSETS_STORE says where the next process finds the same bytes; HOME is
new each time, so that it goes on from what it observes, and stays, so that it can be searched for secrets.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import BaseModel

from release_assets.graph import build_release_graph
from release_assets.project import Project
from tools.sandbox.stack import Stack


class Outcome(BaseModel):
    """The result of a run: the words of each node that failed for good, how often one was tried again."""

    success: bool
    failures: dict[str, str]
    retries: int
    seconds: float


def main() -> None:
    """Materialize every node for the tag."""
    home, tag = sys.argv[1:]
    project = Project.model_validate(json.load(sys.stdin))
    assets: list[Any] = list(build_release_graph(project).assets or [])
    started = time.monotonic()
    with Stack.at(Path(home), definitions={}, variables={}).instance() as instance:
        instance.add_dynamic_partitions(f"{project.project}_releases", [tag])
        result = dg.materialize(assets, partition_key=tag, instance=instance, raise_on_error=False)
        failures = {}
        for event in result.all_events:
            if event.event_type_value == "STEP_FAILURE":
                data = event.step_failure_data
                said = data.user_failure_data.description if data.user_failure_data else str(data.error)
                failures[(event.step_key or "").rpartition("__")[2]] = said or ""
    retries = sum(event.event_type_value == "STEP_UP_FOR_RETRY" for event in result.all_events)
    outcome = Outcome(
        success=result.success, failures=failures, retries=retries, seconds=time.monotonic() - started
    )
    print(f"\n{outcome.model_dump_json()}")


if __name__ == "__main__":
    main()
