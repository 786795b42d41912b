"""The UI: how long the queries of its pages take with many recorded releases."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks import startup
from benchmarks.figures import Series
from release_assets.errors import ReleaseError
from tools.sandbox.servers import free_port, loopback_session
from tools.sandbox.stack import Stack

PROJECT = "p0"
NODES = (
    "version", "sdist", "wheel", "pypi_publication", "github_release",
    "image_linux_amd64", "image_linux_arm64", "manifest_list", "floating_tags",
)  # fmt: skip
JOBS = ("release", "docker")
RELEASES = (100, 1_000)
TIMES = 5
QUERY_SECONDS = 60.0
METADATA_ENTRIES = 15  # of a node, about as many as an image has

# What the pages ask for that a maintainer opens, in the fields that grow with the releases.
QUERIES = {
    "matrix of releases": """query ($keys: [AssetKeyInput!]!) { assetNodes(assetKeys: $keys) {
        partitionStats { numMaterialized numFailed numPartitions }
        assetPartitionStatuses { ... on DefaultPartitionStatuses {
            materializedPartitions failedPartitions unmaterializedPartitions } } } }""",
    "asset graph": """query ($keys: [AssetKeyInput!]!) { assetsLatestInfo(assetKeys: $keys) {
        latestMaterialization { timestamp runId } inProgressRunIds latestRun { status } } }""",
    "one release of an asset": """query ($keys: [AssetKeyInput!]!, $tag: String!) {
        assetNodes(assetKeys: $keys) { assetMaterializations(partitions: [$tag], limit: 1) {
            timestamp metadataEntries { label } } } }""",
    "plots of an asset": """query ($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset {
        assetMaterializations(limit: 100) { partition timestamp metadataEntries { label } } } } }""",
    "list of runs": """query { runsOrError(limit: 25) { ... on Runs { count results {
        runId status jobName creationTime startTime endTime tags { key value } } } } }""",
}


def measure() -> Iterator[Series]:
    """Record more and more releases, and yield the milliseconds of each query."""
    with tempfile.TemporaryDirectory(prefix="ui-") as folder:
        startup.write_projects(Path(folder) / "defs", 1)
        stack = Stack.at(Path(folder), definitions={}, variables={})
        recorded = 0
        for releases in RELEASES:
            with stack.instance() as instance:
                for number in range(recorded, releases):
                    _record(instance, f"v1.0.{number}")
            recorded = releases
            with stack.webserver(free_port()) as url:
                for page in QUERIES:
                    _ask(url, page)  # the first one loads what all others share
                    times = tuple(_ask(url, page) for _ in range(TIMES))
                    yield Series(row_name(releases), page, "ms", times)


def row_name(releases: int) -> str:
    """Return what the row of so many recorded releases is called."""
    return f"UI, {releases} releases"


def _record(instance: dg.DagsterInstance, tag: str) -> None:
    """Record a release as its two runs do."""
    instance.add_dynamic_partitions(f"{PROJECT}_releases", [tag])
    tags = {"dagster/partition": tag}
    for job in JOBS:
        run = dg.DagsterRun(
            f"{PROJECT}_{job}", run_id=str(uuid.uuid4()), status=dg.DagsterRunStatus.SUCCESS, tags=tags
        )
        instance.add_run(run)
    metadata = {f"figure_{number}": float(number) for number in range(METADATA_ENTRIES)}
    for node in NODES:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(dg.AssetKey([PROJECT, node]), partition=tag, metadata=metadata)
        )


def _ask(url: str, page: str) -> float:
    """Return the milliseconds of a page's query. Raises ReleaseError when it fails."""
    keys = [{"path": [PROJECT, node]} for node in NODES]
    variables: dict[str, Any] = {"keys": keys, "key": keys[0], "tag": "v1.0.50"}
    query = QUERIES[page]
    known = {name: value for name, value in variables.items() if f"${name}:" in query}
    with loopback_session() as session:
        started = time.monotonic()
        answer = session.post(
            f"{url}/graphql", json={"query": query, "variables": known}, timeout=QUERY_SECONDS
        ).json()
        spent = 1000 * (time.monotonic() - started)
    if answer.get("errors"):
        raise ReleaseError(
            f"the query of {page!r} failed: {answer['errors'][0]['message']}",
            "Compare benchmarks/ui.py with the GraphQL schema of the installed Dagster.",
        )
    return spent
