"""Before the first thing that cannot be undone: everything that is wrong, at once, and nothing published."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from release_assets.errors import PermanentError, TransientError
from release_assets.nodes.preflight import UnsetError, check_destinations, in_one, needs
from release_assets.nodes.step import Step
from release_assets.rules.tags import Channel
from release_assets_tests.maintainer import BUILD, Maintainer
from release_assets_tests.scripted_server import ScriptedServer, Told
from tools.sandbox.registry import Registry as RealRegistry
from tools.sandbox.servers import free_port

TAG = "v1.2.3"


def step_of(maintainer: Maintainer) -> Step:
    """A node at work on a release that is tagged and no more."""
    maintainer.tag(TAG, "1.2.3")
    return Step(maintainer.project, dg.build_asset_context(partition_key=TAG))


def nowhere() -> str:
    """An image repository of a registry that does not run."""
    return f"127.0.0.1:{free_port()}/tests/sample"


def on(server: ScriptedServer) -> str:
    """An image repository of the scripted server's."""
    return f"{server.url.removeprefix('http://')}/tests/sample"


# Deciding


def test_all_that_is_wrong_is_one_failure_with_each_remedy_once() -> None:
    one = in_one(
        TAG,
        [
            UnsetError(["PYPI_TOKEN"]),
            TransientError("The index is down.", "Wait.", wait=9),
            PermanentError("GitHub answered 403.", "Check the token."),
            PermanentError("The registry answered 401.", "Check the token."),
            UnsetError(["SIGNING_KEY", "PYPI_TOKEN"]),
        ],
    )
    assert isinstance(one, PermanentError)
    assert one.problem.splitlines() == [
        "v1.2.3 cannot be released, and nothing was uploaded now:",
        "- environment variables that are not set: PYPI_TOKEN, SIGNING_KEY",
        "- GitHub answered 403.",
        "- The registry answered 401.",
        "- could not be asked now: The index is down.",
    ]
    assert one.remedy == (
        "Set them where Dagster's code server and runs can see them, then materialize again. "
        "Check the token. Wait."
    )


def test_the_longest_wait_of_several_outages_counts() -> None:
    one = in_one(
        TAG, [TransientError(f"{name} is down.", "Wait.", wait=wait) for name, wait in (("A", 3), ("B", 7))]
    )
    assert isinstance(one, TransientError)
    assert (one.wait, one.remedy) == (7, "Wait.")
    assert one.problem.splitlines()[1:] == ["- A is down.", "- B is down."]


def test_a_test_release_needs_its_own_index_and_no_github(maintainer: Maintainer) -> None:
    maintainer.attributes["image"] = {"repository": "docker.io/owner/name", "sign": {}}
    project = maintainer.project
    assert [need.what for need in needs(project, Channel.STABLE)] == [
        "index", "github", "registry", "signing"
    ]  # fmt: skip
    assert [need.what for need in needs(project, Channel.TEST)] == ["test_index", "registry", "signing"]
    assert [need.what for need in needs(project, Channel.TEST, index=False)] == ["registry", "signing"]


# Asking


def test_all_problems_are_reported_at_once_before_the_upload(maintainer: Maintainer) -> None:
    """A variable that is not set, a token that is refused, an unreachable destination, a key that is none."""
    maintainer.attributes["image"] = {"repository": nowhere(), "sign": {"key_env": "SIGNING_KEY"}}
    maintainer.variables["PYPI_TOKEN"] = "pypi-that-nobody-issued"
    del maintainer.variables["GITHUB_TOKEN"]
    maintainer.tag(TAG, "1.2.3")
    outcome = maintainer.materialize(TAG, *BUILD, "pypi_publication", "github_release")
    assert (outcome.materialized, outcome.failed, outcome.retried) == (["version"], ["version"], [])
    words = outcome.words("version")
    assert "- environment variables that are not set: GITHUB_TOKEN, SIGNING_KEY\n" in words
    assert f"- POST {maintainer.attributes['index']['upload_url']}: 401 Unauthorized." in words
    assert f"- could not be asked now: POST http://{maintainer.project.image.repository[:9]}" in words  # type: ignore[union-attr]
    assert "pypi-that-nobody-issued" not in outcome.said + words
    assert maintainer.served() == {}


def test_destinations_that_are_unwell_are_all_named(maintainer: Maintainer, server: ScriptedServer) -> None:
    maintainer.attributes["index"]["upload_url"] = f"{server.url}/legacy/"
    maintainer.attributes["image"] = {"repository": on(server)}
    server.answers(Told(429, headers={"Retry-After": "3"}), Told(503, headers={"Retry-After": "8"}))
    step = step_of(maintainer)
    with maintainer.environment(), pytest.raises(TransientError) as raised:
        check_destinations(step)
    assert f"- POST {server.url}/legacy/: 429 Too Many Requests." in raised.value.problem
    assert "/tests/sample/blobs/uploads/ answered 503 Service Unavailable" in raised.value.problem
    assert raised.value.wait == 8
    assert raised.value.remedy.count("Nothing is lost") == 1


def test_a_registry_of_this_machine_needs_no_login(maintainer: Maintainer, server: ScriptedServer) -> None:
    maintainer.attributes["image"] = {"repository": on(server)}
    server.answers(Told(202))
    step = step_of(maintainer)
    with maintainer.environment():
        check_destinations(step)
    assert "authorization" not in server.seen[0].headers
    maintainer.variables["DOCKER_USERNAME"] = "half-a-login"
    with maintainer.environment(), pytest.raises(PermanentError, match="not set: DOCKER_TOKEN"):
        check_destinations(step)


def test_a_real_registry_takes_the_login_and_refuses_a_wrong_one(
    maintainer: Maintainer, registry: RealRegistry
) -> None:
    maintainer.attributes["image"] = {"repository": f"{registry.host}/tests/{maintainer.name}"}
    maintainer.variables |= {"DOCKER_USERNAME": registry.username, "DOCKER_TOKEN": registry.token}
    step = step_of(maintainer)
    with maintainer.environment():
        check_destinations(step)
    maintainer.variables["DOCKER_TOKEN"] = "not-the-password"
    with maintainer.environment(), pytest.raises(PermanentError, match="401 Unauthorized") as raised:
        check_destinations(step)
    assert "Check DOCKER_USERNAME and DOCKER_TOKEN" in raised.value.remedy


def test_an_image_repository_that_is_none_is_told_with_the_rest(maintainer: Maintainer) -> None:
    maintainer.attributes["image"] = {"repository": "Owner/Name:latest"}
    del maintainer.variables["PYPI_TOKEN"]
    step = step_of(maintainer)
    with maintainer.environment(), pytest.raises(PermanentError, match="not set: PYPI_TOKEN") as raised:
        check_destinations(step)
    assert "'Owner/Name:latest' is not an image repository" in raised.value.problem


# Signing


def test_an_unreadable_key_of_cosign_fails_before_any_upload(
    maintainer: Maintainer, server: ScriptedServer, keys: Path
) -> None:
    private = (keys / "cosign.key").read_text()
    maintainer.attributes["image"] = {
        "repository": on(server), "sign": {"key_env": "SIGNING_KEY", "password_env": "SIGNING_PASSWORD"}
    }  # fmt: skip
    server.answers(Told(202))
    maintainer.variables |= {"SIGNING_KEY": private, "SIGNING_PASSWORD": "not-the-password"}
    maintainer.tag(TAG, "1.2.3")
    outcome = maintainer.materialize(TAG, *BUILD, "pypi_publication")
    assert (outcome.materialized, outcome.failed, outcome.retried) == (["version"], ["version"], [])
    words = outcome.words("version")
    assert "- cosign cannot use the key in SIGNING_KEY: " in words
    assert "check its password" in words
    assert "not-the-password" not in words + outcome.said
    assert private.splitlines()[1] not in words + outcome.said
    assert maintainer.served() == {}
    maintainer.variables["SIGNING_PASSWORD"] = "the-password"
    assert maintainer.materialize(TAG, *BUILD, "pypi_publication").success


@pytest.mark.parametrize("sign", [{}, {"key_env": "SIGNING_KEY"}], ids=["keyless", "with a key"])
def test_missing_cosign_fails_before_anything_is_published(
    maintainer: Maintainer,
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sign: dict[str, str],
) -> None:
    maintainer.attributes["image"] = {"repository": on(server), "sign": sign}
    server.answers(Told(202))
    step = step_of(maintainer)
    assert step.release.tag == TAG  # git is asked while it can be found
    monkeypatch.setenv("PATH", str(tmp_path))
    maintainer.variables["SIGNING_KEY"] = "some key"
    with maintainer.environment(), pytest.raises(PermanentError) as raised:
        check_destinations(step)
    assert "- cosign is not installed, and image: sign: in defs.yaml requires it" in raised.value.problem


def test_signing_without_a_key_needs_cosign(
    maintainer: Maintainer,
    server: ScriptedServer,
    keys: Path,  # noqa: ARG001  (it installs cosign)
) -> None:
    maintainer.attributes["image"] = {"repository": on(server), "sign": {}}
    server.answers(Told(202))
    step = step_of(maintainer)
    with maintainer.environment():
        check_destinations(step)


# A release whose files are on the index already


def test_needs_of_the_images_are_checked_before_githubs_release(
    maintainer: Maintainer, server: ScriptedServer
) -> None:
    maintainer.tag(TAG, "1.2.3")
    assert maintainer.materialize(TAG, *BUILD, "pypi_publication").success
    maintainer.attributes["image"] = {"repository": on(server)}
    server.answers(Told(403, b"denied"))
    del maintainer.variables["PYPI_TOKEN"]  # no more is needed of the index
    token = maintainer.variables.pop("GITHUB_TOKEN")
    refused = maintainer.materialize(TAG, "github_release")
    words = refused.words("github_release")
    assert refused.retried == []
    assert "- environment variables that are not set: GITHUB_TOKEN\n" in words
    assert "/tests/sample/blobs/uploads/ answered 403 Forbidden: denied" in words
    assert maintainer.github_releases() == {}

    maintainer.variables["GITHUB_TOKEN"] = token
    assert "answered 403 Forbidden" in maintainer.materialize(TAG, "github_release").words("github_release")
    assert maintainer.github_releases() == {}

    server.answers(Told(503))  # that passes: the files are out, and the release goes on
    outcome = maintainer.materialize(TAG, "github_release")
    assert outcome.success
    assert "Continuing, since the index has the files." in outcome.said
    assert "/tests/sample/blobs/uploads/ answered 503 Service Unavailable" in outcome.said
    assert set(maintainer.github_releases()) == {TAG}

    server.answers(Told(403))  # nothing is left to do, so that nothing is needed
    seen = len(server.seen)
    assert maintainer.materialize(TAG, "github_release").success
    assert len(server.seen) == seen
