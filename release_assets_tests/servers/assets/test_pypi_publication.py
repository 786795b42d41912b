"""pypi_publication: the index serves exactly the files that were built, whatever happened before."""

from __future__ import annotations

import json
import time

import dagster as dg
from packaging.utils import canonicalize_name

from release_assets.destinations import package_index
from release_assets.graph import build_release_graph
from release_assets.nodes.metadata import rows_of
from release_assets.project import Project
from release_assets_tests.maintainer import BUILD, Maintainer, Outcome
from release_assets_tests.scripted_server import ScriptedServer, Told
from release_assets_tests.servers.assets.conftest import Released
from tools.sandbox.servers import free_port


def test_the_index_serves_the_very_files_and_the_metadata_shows_them(released: Released) -> None:
    maintainer, outcome = released.maintainer, released.first
    served = {name: file.sha256 for name, file in maintainer.served().items()}
    assert served == {outcome.metadata(kind)["file"]: outcome.metadata(kind)["sha256"] for kind in BUILD[1:]}
    metadata = outcome.metadata("pypi_publication")
    assert metadata["uploaded"] == 2
    assert metadata["install"] == f"pip install {maintainer.name}==1.2.3"
    assert metadata["commit"] == released.commit
    assert {row["file"]: row["sha256"] for row in rows_of(metadata, "files")} == served
    assert {"seconds/upload", "seconds/wait_for_index"} <= set(metadata)


def test_materializing_again_uploads_nothing(released: Released) -> None:
    before = released.maintainer.served()
    again = released.maintainer.materialize(released.tag, "pypi_publication")
    assert again.metadata("pypi_publication")["uploaded"] == 0
    assert "nothing to upload" in again.said
    assert released.maintainer.served() == before


def test_what_is_half_published_is_completed(maintainer: Maintainer) -> None:
    """The wheel arrived, and then the upload was killed."""
    maintainer.tag("v1.2.3", "1.2.3")
    built = maintainer.materialize("v1.2.3", *BUILD)
    (wheel,) = maintainer.home.rglob(built.metadata("wheel")["file"])
    upload_url = maintainer.stands.indexes["index"]["upload_url"]
    token = maintainer.stands.variables["PYPI_TOKEN"]
    package_index.upload(upload_url, token, wheel, token_env="PYPI_TOKEN", log=print)
    outcome = maintainer.materialize("v1.2.3", "pypi_publication")
    assert outcome.metadata("pypi_publication")["uploaded"] == 1
    assert len(maintainer.served()) == 2


def test_a_test_tag_goes_to_the_test_index_alone(maintainer: Maintainer) -> None:
    maintainer.tag("test-v1.2.3", "1.2.3")
    outcome = maintainer.materialize("test-v1.2.3")
    assert outcome.success
    assert outcome.metadata("version")["channel"] == "test"
    assert len(maintainer.served(channel="test_index")) == 2
    assert maintainer.served() == {}
    assert maintainer.github_releases() == {}
    assert outcome.metadata("github_release")["release"] == "none: test releases go to the test index only"


def test_every_missing_variable_is_named_at_once_and_nothing_was_uploaded(
    maintainer: Maintainer,
) -> None:
    maintainer.attributes["image"] = {"repository": "registry.example/tests/never-pushed"}
    maintainer.tag("v1.2.3", "1.2.3")
    variables = ("PYPI_TOKEN", "GITHUB_TOKEN", "DOCKER_USERNAME", "DOCKER_TOKEN")
    maintainer.variables.clear()
    outcome = maintainer.materialize("v1.2.3", *BUILD, "pypi_publication", "github_release")
    assert outcome.materialized == ["version"]
    assert (outcome.failed, outcome.retried) == (["version"], [])
    words = outcome.words("version")
    for variable in variables:
        assert variable in words
    assert "Set them where Dagster's code server and runs can see them, then materialize again." in words
    assert maintainer.served() == {}


def test_a_token_of_github_alone_that_is_missing_stops_the_release_before_the_upload(
    maintainer: Maintainer,
) -> None:
    maintainer.tag("v1.2.3", "1.2.3")
    token = maintainer.variables.pop("GITHUB_TOKEN")
    outcome = maintainer.materialize("v1.2.3")
    assert outcome.failed == ["version"]
    assert "environment variables that are not set: GITHUB_TOKEN\n" in outcome.words("version")
    assert maintainer.served() == {}
    maintainer.variables["GITHUB_TOKEN"] = token
    assert maintainer.materialize("v1.2.3").success


def test_a_wrong_token_is_refused_once_and_its_variable_is_named(
    maintainer: Maintainer,
) -> None:
    maintainer.tag("v1.2.3", "1.2.3")
    maintainer.variables["PYPI_TOKEN"] = "pypi-that-nobody-issued"
    outcome = maintainer.materialize("v1.2.3")
    assert outcome.materialized == ["version"]
    assert (outcome.failed, outcome.retried) == (["version"], [])
    words = outcome.words("version")
    upload_url = maintainer.attributes["index"]["upload_url"]
    assert "v1.2.3 cannot be released, and nothing was uploaded now:\n" in words
    assert f"- POST {upload_url}: 401 Unauthorized." in words
    assert "Check the token in PYPI_TOKEN" in words
    assert maintainer.served() == {}


def test_publication_before_the_build_names_the_node_that_is_missing(maintainer: Maintainer) -> None:
    commit = maintainer.tag("v1.2.3", "1.2.3")
    outcome = maintainer.materialize("v1.2.3", "pypi_publication")
    words = outcome.words("pypi_publication")
    assert f"no sdist of v1.2.3 at commit {commit} has been built" in words
    assert f"Materialize {maintainer.name}/sdist for this partition first." in words


def test_an_index_out_of_reach_is_tried_again_and_then_named(maintainer: Maintainer) -> None:
    maintainer.tag("v1.2.3", "1.2.3")
    assert maintainer.materialize("v1.2.3", *BUILD).success
    nobody = f"http://localhost:{free_port()}/simple/"
    there = maintainer.attributes["index"]["simple_url"]
    maintainer.attributes["index"]["simple_url"] = nobody

    started = time.monotonic()
    outcome = release_without_retries(maintainer, "v1.2.3")
    assert time.monotonic() - started < 10
    assert (outcome.materialized, outcome.failed) == ([], ["version"])
    failure = outcome.failure("version")
    assert failure.metadata["kind"].value == "passing"
    assert f"GET {nobody}{canonicalize_name(maintainer.name)}/ failed: Failed to establish" in str(
        failure.description
    )
    assert "Connection refused" in str(failure.description)
    assert "What to do: Nothing is lost: materialize again when it answers" in str(failure.description)

    maintainer.attributes["index"]["simple_url"] = there
    again = maintainer.materialize("v1.2.3", "pypi_publication", "github_release")
    assert again.metadata("pypi_publication")["uploaded"] == 2


def test_a_release_that_the_index_takes_no_more_files_of_is_refused_before_anything_is_tried(
    maintainer: Maintainer, server: ScriptedServer
) -> None:
    maintainer.tag("v1.2.3", "1.2.3")
    file = f"{maintainer.name}-1.2.3-py3-none-any.whl"
    listed = {
        "filename": file, "url": "/f", "hashes": {}, "size": 1, "upload-time": "2026-01-01T00:00:00Z"
    }  # fmt: skip
    page = {"meta": {"api-version": "1.1"}, "name": maintainer.name, "versions": ["1.2.3"], "files": [listed]}
    kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    server.answers(Told(body=json.dumps(page).encode(), headers=kind))
    maintainer.attributes["index"] |= {
        "upload_url": f"{server.url}/legacy/",
        "simple_url": f"{server.url}/simple/",
        "closes_after_days": 14,
    }
    outcome = maintainer.materialize("v1.2.3")
    assert (outcome.materialized, outcome.failed, outcome.retried) == (["version"], ["version"], [])
    words = outcome.words("version")
    assert "lacks the sdist, and takes no new file of version 1.2.3 since 2026-01-15 00:00 UTC" in words
    assert "push a new tag" in words
    assert {request.method for request in server.seen} == {"GET"}


def test_a_pause_that_the_index_asks_for_is_shown_and_kept(
    maintainer: Maintainer, server: ScriptedServer
) -> None:
    page = f"{maintainer.simple_url}{canonicalize_name(maintainer.name)}/"
    asks = Told(429, headers={"Retry-After": "2"})
    server.answers(asks, Told(302, headers={"Location": page}))
    maintainer.attributes["index"]["simple_url"] = f"{server.url}/simple/"
    maintainer.tag("v1.2.3", "1.2.3")
    outcome = maintainer.materialize("v1.2.3", *BUILD)
    assert outcome.success
    assert (
        "answered 429 Too Many Requests. It asks for 2 s of rest: waiting, then trying again." in outcome.said
    )


def release_job(attributes: str) -> dg.JobDefinition:
    """The job that a tag starts, for a project in JSON."""
    definitions = build_release_graph(Project.model_validate_json(attributes))
    project = json.loads(attributes)["project"]
    return definitions.resolve_job_def(f"{project}_release")


def release_without_retries(maintainer: Maintainer, tag: str) -> Outcome:
    """The release job, whose steps fail the first time: with retries it takes up to a minute and a half."""
    job = dg.build_reconstructable_job(__name__, "release_job", (maintainer.project.model_dump_json(),))
    with maintainer.environment():
        result = dg.execute_job(
            job,
            instance=maintainer.instance,
            tags={"dagster/partition": tag},
            run_config={"execution": {"config": {"retries": {"disabled": {}}}}},
        )
    return Outcome(result.all_events, list(maintainer.instance.all_logs(result.run_id)))


def test_an_index_that_was_unwell_for_a_moment_is_asked_again_by_itself(
    maintainer: Maintainer, server: ScriptedServer
) -> None:
    page = f"{maintainer.simple_url}{canonicalize_name(maintainer.name)}/"
    server.answers(Told(503), Told(302, headers={"Location": page}))
    maintainer.attributes["index"]["simple_url"] = f"{server.url}/simple/"
    maintainer.tag("v1.2.3", "1.2.3")
    outcome = maintainer.materialize("v1.2.3", *BUILD, "pypi_publication")
    assert outcome.success
    assert outcome.retried == ["sdist"]
    assert len(maintainer.served()) == 2
