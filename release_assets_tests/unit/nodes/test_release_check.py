"""A check is part of the step that made the thing: what it finds is kept, and what it blocks never starts."""

from __future__ import annotations

from dataclasses import dataclass, field

import dagster as dg
import pytest

from release_assets.nodes.node import Node, Recorded, asset_of
from release_assets.nodes.release_check import Declared, Found
from release_assets.nodes.step import Step
from release_assets.project import Project
from release_assets_tests.maintainer import Outcome

DECLARED = [
    Declared("starts", "It starts.", blocks=True),
    Declared("labels", "It says what it is.", blocks=True),
    Declared("size", "It has not grown.", blocks=False),
]
OK = Found("ok", "as it should be", metadata={"size_bytes": 7})
PARTITIONS = dg.DynamicPartitionsDefinition(name="sample_releases")


@dataclass
class Graph:
    """A node with checks, and one after it."""

    project: Project
    attempts: int = 0
    downstream: list[str] = field(default_factory=list)

    def materialize(self, **found: Found) -> Outcome:
        """Materialize both; the checks find this, and are well where nothing is said."""
        checks = {check.name: found.get(check.name, OK) for check in DECLARED}

        def make(_: Step) -> Recorded:
            self.attempts += 1
            return Recorded(data_version="made", metadata={"size_bytes": 7}, checks=checks)

        def use(step: Step) -> Recorded:
            self.downstream.append(step.context.partition_key)
            return Recorded(data_version="used", metadata={})

        nodes = [
            Node("image", make, "Made.", checks=DECLARED),
            Node("after", use, "Used.", deps=["image"]),
        ]
        assets = [asset_of(node, self.project, PARTITIONS) for node in nodes]
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("sample_releases", ["v1.0.0"])
            result = dg.materialize(assets, partition_key="v1.0.0", instance=instance, raise_on_error=False)
            return Outcome(result.all_events, list(instance.all_logs(result.run_id)))


@pytest.fixture
def graph() -> Graph:
    return Graph(
        Project.model_validate(
            {
                "project": "sample",
                "repository": "https://github.com/owner/sample.git",
                "package": {},
            }
        )
    )


def test_the_log_shows_the_metadata_of_a_success_once(graph: Graph) -> None:
    outcome = graph.materialize()
    assert outcome.metadata("image")["size_bytes"] == 7
    outputs = [event for event in outcome.events if event.event_type is dg.DagsterEventType.STEP_OUTPUT]
    assert outputs
    assert not [event for event in outputs if event.step_output_data.metadata]


def test_checks_are_recorded_with_what_their_step_made(graph: Graph) -> None:
    outcome = graph.materialize(size=Found("warning", "it grew", "Look at it."))
    assert outcome.success
    assert outcome.materialized == ["image", "after"]
    assert outcome.checked == {
        "image/starts": (True, "as it should be"),
        "image/labels": (True, "as it should be"),
        "image/size": (False, "it grew\nLook at it."),
    }
    assert not [event for event in outcome.events if (event.step_key or "").endswith("checks")]
    evaluations = [
        event.asset_check_evaluation_data
        for event in outcome.events
        if event.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    assert {evaluation.partition for evaluation in evaluations} == {"v1.0.0"}
    assert evaluations[0].metadata["size_bytes"].value == 7


def test_a_blocking_check_fails_the_step_in_its_words(graph: Graph) -> None:
    outcome = graph.materialize(
        starts=Found("error", "it does not start", "Correct the Dockerfile."),
        labels=Found("error", "it says nothing", "Correct the Dockerfile."),
    )
    assert not outcome.success
    assert (outcome.failed, outcome.retried, graph.attempts) == (["image"], [], 1)
    assert outcome.words("image") == (
        "check starts: it does not start\ncheck labels: it says nothing\n\n"
        "What to do: Correct the Dockerfile."
    )
    assert "DagsterAssetCheckFailedError" not in outcome.said


def test_a_failure_shows_words_and_no_stack_of_ours(graph: Graph) -> None:
    outcome = graph.materialize(starts=Found("error", "it does not start", "Correct the Dockerfile."))
    (failure,) = (event for event in outcome.events if event.event_type_value == "STEP_FAILURE")
    assert failure.step_failure_data.error is not None
    assert failure.step_failure_data.error.stack == []
    assert "it does not start" in failure.step_failure_data.error.message


def test_a_blocking_check_keeps_what_was_made_and_stops_the_rest(graph: Graph) -> None:
    outcome = graph.materialize(starts=Found("error", "it does not start"))
    assert outcome.materialized == ["image"]
    assert outcome.checked["image/starts"] == (False, "it does not start")
    assert outcome.checked["image/size"] == (True, "as it should be")
    assert graph.downstream == []


def test_neither_a_warning_nor_another_check_blocks(graph: Graph) -> None:
    outcome = graph.materialize(starts=Found("warning", "cannot tell"), size=Found("error", "it grew a lot"))
    assert outcome.success
    assert graph.downstream == ["v1.0.0"]
