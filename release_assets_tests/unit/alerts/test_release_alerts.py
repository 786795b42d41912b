"""release_alerts on runs that Dagster recorded, with real receivers: each alert arrives, and once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pytest

from release_assets.alerts import delivery
from release_assets.alerts.messages import alert_of
from release_assets.alerts.outbox import KEY, read_outbox, write_outbox
from release_assets.figures.observed import Made, ObservedRun
from release_assets.project import Project
from release_assets.readiness.project import looks
from release_assets.sensors import release_alerts as module
from release_assets.sensors.release_alerts import release_alerts
from release_assets_tests.scripted_server import ScriptedServer
from release_assets_tests.scripted_server import Told as Answer
from release_assets_tests.unit.figures.recorded import Recorder, Told, refused
from release_assets_tests.unit.sensors.conftest import instance as instance

# Of a plugin of Apprise.
IGNORED = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
pytestmark = IGNORED

DAY = 86400.0
TOKEN = "a-token-in-the-path"
PUBLISHED: dict[str, Any] = {
    "version": Told(),
    "pypi_publication": Told(
        {
            "package": dg.MetadataValue.url("https://pypi.org/project/sample/1.0.0/"),
            "install": "pip install sample==1.0.0",
            "files": dg.MetadataValue.table(
                [dg.TableRecord({"file": "sample-1.0.0.tar.gz", "sha256": "ab12"})]
            ),
        }
    ),
    "github_release": Told(
        {"release": dg.MetadataValue.url("https://github.com/me/sample/releases/tag/v1.0.0")}
    ),
}


def project_with(*targets: str, **changes: Any) -> Project:
    return Project.model_validate(
        {
            "project": "sample",
            "repository": "https://github.com/me/sample.git",
            "package": {},
            "image": {"repository": "docker.io/me/sample"},
            "alerts": {"targets_env": list(targets)},
            **changes,
        }
    )


@dataclass
class Watched:
    """A project whose runs Dagster records, and the sensor that watches them."""

    instance: dg.DagsterInstance
    project: Project
    recorder: Recorder
    said: str = ""
    plotted: dict[str, Any] = field(default_factory=dict)
    sensor: dg.SensorDefinition = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Start the sensor as a new code server does."""
        self.sensor = release_alerts([self.project])

    def tick(self) -> str:
        """Tick once and return what the tick said."""
        result = self.sensor(dg.build_sensor_context(instance=self.instance))
        assert isinstance(result, dg.SensorResult)
        assert result.skip_reason is not None
        self.said = str(result.skip_reason.skip_message)
        self.plotted = {
            name: value.value
            for event in result.asset_events
            if isinstance(event, dg.AssetMaterialization)
            for name, value in event.metadata.items()
        }
        return self.said


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test does not wait until a failure has settled."""
    monkeypatch.setattr(module, "SETTLED_SECONDS", 0.0)


@pytest.fixture
def watched(
    instance: dg.DagsterInstance, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watched]:
    """A project with one target, looked at once: what comes now is new."""
    server.answers(Answer(200))
    monkeypatch.setenv("ALERTS_HERE", f"json://{server.url.removeprefix('http://')}/{TOKEN}")
    one = Watched(instance, project_with("ALERTS_HERE"), Recorder(instance))
    one.recorder.run("release", "v0.9.0")
    assert one.tick() == "no alerts sent"
    yield one
    assert TOKEN not in one.said
    assert TOKEN not in str(instance.daemon_cursor_storage.get_cursor_values({KEY}))


def arrived(server: ScriptedServer) -> list[dict[str, str]]:
    return [json.loads(seen.body) for seen in server.seen]


def test_a_success_names_links_and_digests(watched: Watched, server: ScriptedServer) -> None:
    watched.recorder.run("release", "v1.0.0", **PUBLISHED)
    assert watched.tick() == "1 alert sent"
    [alert] = arrived(server)
    assert (alert["type"], alert["title"]) == ("success", "sample v1.0.0 is published")
    lines = alert["message"].splitlines()
    assert lines[:4] == [
        "https://pypi.org/project/sample/1.0.0/",
        "pip install sample==1.0.0",
        "sample-1.0.0.tar.gz sha256:ab12",
        "https://github.com/me/sample/releases/tag/v1.0.0",
    ]
    watched.recorder.run(
        "docker",
        "v1.0.0",
        manifest_list=Told({"image": "docker.io/me/sample:1.0.0", "digest": "sha256:cd34"}),
        floating_tags=Told({"moved": "1.0, 1, latest"}),
    )
    watched.tick()
    images = arrived(server)[1]
    assert images["title"] == "sample v1.0.0 has its images"
    assert images["message"].splitlines()[:2] == [
        "docker.io/me/sample:1.0.0@sha256:cd34",
        "floating tags moved: 1.0, 1, latest",
    ]


def test_a_failure_names_the_reason_and_the_next_step(watched: Watched, server: ScriptedServer) -> None:
    failure = refused("the sdist lacks sample/__init__.py", "Add it to the sdist, then tag again.")
    watched.recorder.run("release", "v1.0.0", sdist=Told(failure=failure))
    watched.tick()
    [alert] = arrived(server)
    assert (alert["type"], alert["title"]) == ("failure", "sample v1.0.0: the release run failed")
    assert alert["message"].splitlines()[:2] == [
        "sdist failed: the sdist lacks sample/__init__.py",
        "What to do: Add it to the sdist, then tag again.",
    ]


def test_a_refused_credential_is_named(watched: Watched, server: ScriptedServer) -> None:
    failure = refused("PyPI rejected the token in PYPI_TOKEN (403)", "Create a token, and update PYPI_TOKEN.")
    watched.recorder.run("release", "v1.0.0", pypi_publication=Told(failure=failure))
    watched.tick()
    assert arrived(server)[0]["title"] == "sample v1.0.0: a credential is refused or missing (PYPI_TOKEN)"


def test_a_release_that_is_half_public_says_where(watched: Watched, server: ScriptedServer) -> None:
    broken = Told(failure=refused("GitHub answers 403", "Give GITHUB_TOKEN Contents: write."))
    watched.recorder.run("release", "v1.0.0", **(PUBLISHED | {"github_release": broken}))
    watched.recorder.run(
        "docker", "v0.9.0", image_linux_amd64=Told(failure=refused("no space", "Free some."))
    )
    watched.tick()
    release, docker = arrived(server)
    assert release["title"] == "sample v1.0.0 is half public"
    assert release["message"].startswith("The package index has it, GitHub has no release of it.")
    assert docker["title"] == "sample v0.9.0 is half public"
    assert docker["message"].startswith("The package is public, its images are not.")


def test_a_release_that_waits_for_an_approval_says_so(watched: Watched) -> None:
    waits = ObservedRun("a", "release", "v1.0.0", "success", 0.0, made={"wheel": Made(1.0)})
    alert = alert_of(watched.project, waits, set())
    assert (alert.level, alert.title) == ("warning", "sample v1.0.0 is built and not published yet")
    assert "What to do: `release-assets approve v1.0.0 --project sample`" in alert.body


def test_warnings_of_checks_are_told_with_the_success(watched: Watched, server: ScriptedServer) -> None:
    checks: dict[str, Any] = {
        "build_time": (False, "built in 1200 s, more than 900", {}),
        "cache_hit_rate": (False, "10% of the steps came from the cache", {}),
    }
    watched.recorder.run("docker", "v1.0.0", image_linux_amd64=Told(checks=checks))
    watched.tick()
    [alert] = arrived(server)
    assert (alert["type"], alert["title"]) == ("warning", "sample v1.0.0 has its images, with 2 warnings")
    assert "Warning, image_linux_amd64 build_time: built in 1200 s, more than 900" in alert["message"]
    assert "Warning, image_linux_amd64 cache_hit_rate: 10% of the steps" in alert["message"]


def test_a_killed_run_that_is_launched_again_only_warns(watched: Watched, server: ScriptedServer) -> None:
    watched.recorder.run("release", "v1.0.0", **PUBLISHED)
    watched.recorder.killed("docker", "v1.0.0", **{"dagster/will_retry": "true"})
    watched.recorder.killed("release", "v1.1.0")
    watched.tick()
    _, again, dead = arrived(server)
    assert again["type"] == "warning"
    assert again["title"] == "sample v1.0.0: the docker run was killed and is launched again"
    assert (dead["type"], dead["title"]) == ("failure", "sample v1.1.0: the release run failed")
    assert "the worker process 12 no longer exists" in dead["message"]
    assert "What to do: see the run in Dagster's UI, then `release-assets release v1.1.0" in dead["message"]


def test_a_failure_waits_until_dagster_says_whether_it_retries(
    watched: Watched, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLED_SECONDS", 3600.0)
    watched.recorder.killed("release", "v1.0.0")
    assert watched.tick() == "no alerts sent"
    monkeypatch.setattr(module, "SETTLED_SECONDS", 0.0)
    assert watched.tick() == "1 alert sent"
    assert len(server.seen) == 1


def test_nothing_is_sent_twice(
    watched: Watched, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.recorder.run("release", "v1.0.0")
    watched.recorder.run("docker", "v1.0.0")
    write = write_outbox
    writes = []

    def killed_after_the_first(instance: dg.DagsterInstance, outbox: Any) -> None:
        write(instance, outbox)
        writes.append(outbox)
        if len(writes) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_outbox", killed_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        watched.tick()
    monkeypatch.setattr(module, "write_outbox", write)
    assert len(server.seen) == 1
    watched.restart()
    assert watched.tick() == "1 alert sent"
    assert watched.tick() == "no alerts sent"
    assert [alert["title"] for alert in arrived(server)] == [
        "sample v1.0.0 is published",
        "sample v1.0.0 has its images",
    ]


def test_what_happened_while_the_daemon_was_down_is_told(watched: Watched, server: ScriptedServer) -> None:
    outbox = read_outbox(watched.instance)
    assert outbox.since is not None
    assert outbox.last_tick is not None
    outbox.since -= 7200
    outbox.last_tick -= 7200
    outbox.handled.clear()
    write_outbox(watched.instance, outbox)
    watched.recorder.run("release", "v1.0.0")
    watched.restart()
    watched.tick()
    silence, *releases = arrived(server)
    assert silence["title"] == "Dagster's daemon was silent for 120 min"
    assert "see in the daemon's log why it stopped" in silence["message"]
    assert [one["title"] for one in releases] == ["sample v0.9.0 is published", "sample v1.0.0 is published"]
    assert watched.tick() == "no alerts sent"


def test_a_target_that_is_down_is_retried_and_holds_up_no_other(
    watched: Watched,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    nowhere = f"json://127.0.0.1:9/{TOKEN}"
    monkeypatch.setenv("ALERTS_DOWN", nowhere)
    watched.project = project_with("ALERTS_DOWN", "ALERTS_HERE", "ALERTS_UNSET")
    watched.restart()
    watched.recorder.run("release", "v1.0.0")
    watched.recorder.run("release", "v1.1.0")
    said = watched.tick()
    assert said == "2 alerts sent; 2 alerts for ALERTS_DOWN wait; 2 alerts for ALERTS_UNSET wait"
    assert TOKEN not in caplog.text
    assert watched.tick().startswith("no alerts sent")  # not due yet
    monkeypatch.setenv("ALERTS_DOWN", f"json://{server.url.removeprefix('http://')}/{TOKEN}")
    outbox = read_outbox(watched.instance)
    assert [(one.target, one.tries) for one in outbox.pending if one.tries] == [
        ("ALERTS_DOWN", 1),
        ("ALERTS_UNSET", 1),
    ]
    for one in outbox.pending:
        one.due = 0.0
    write_outbox(watched.instance, outbox)
    assert watched.tick() == "2 alerts sent; 2 alerts for ALERTS_UNSET wait"
    titles = [alert["title"] for alert in arrived(server)]
    assert titles == ["sample v1.0.0 is published", "sample v1.1.0 is published"] * 2


def test_a_target_that_never_answers_is_not_waited_for(
    watched: Watched, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TICK_SECONDS", 1.0)
    quick = watched.project
    with_slow = project_with("ALERTS_SLOW", "ALERTS_HERE")
    monkeypatch.setenv("ALERTS_SLOW", f"json://{server.url.removeprefix('http://')}/slow?rto=3")

    def answer(handler: Any) -> None:
        if "slow" in handler.path:
            server.drip(handler, b"", b"")
            return
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    server.answers(answer)
    watched.project = with_slow
    watched.restart()
    watched.recorder.run("release", "v1.0.0")
    started = time.monotonic()
    assert watched.tick() == "1 alert sent; 1 alert for ALERTS_SLOW wait"
    assert time.monotonic() - started < 2.5
    slow = [seen for seen in server.seen if "slow" in seen.path]
    watched.tick()  # the first send is still waited for: no second one is made
    assert [seen for seen in server.seen if "slow" in seen.path] == slow
    watched.project = quick


def test_check_names_a_target_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTS_GOOD", f"json://localhost/{TOKEN}")
    monkeypatch.setenv("ALERTS_BAD", TOKEN)
    found = [
        row
        for look in looks(project_with("ALERTS_GOOD", "ALERTS_BAD", "ALERTS_UNSET"))
        if look.what == "alerts"
        for row in look.answer()
    ]
    assert [(row.key, row.state) for row in found] == [
        ("ALERTS_GOOD", "ok"),
        ("ALERTS_BAD", "warning"),
        ("ALERTS_UNSET", "warning"),
    ]
    assert "ALERTS_BAD does not hold an Apprise URL" in found[1].words
    assert "ALERTS_UNSET is unset" in found[2].words
    assert TOKEN not in str(found)


def test_the_index_that_is_about_to_close_is_told_once(watched: Watched, server: ScriptedServer) -> None:
    failure = dg.Failure(
        "",
        metadata={"problem": "timed out", "what_to_do": "Retry.", "seconds/upload": 3.0},
        allow_retries=False,
    )
    watched.recorder.run("release", "v1.0.0", pypi_publication=Told(failure=failure))
    watched.tick()
    assert arrived(server)[0]["title"] == "sample v1.0.0 is half public"
    outbox = read_outbox(watched.instance)
    assert list(outbox.uploads) == ["sample v1.0.0"]
    outbox.uploads["sample v1.0.0"] -= 11.5 * DAY
    write_outbox(watched.instance, outbox)
    watched.tick()
    watched.tick()
    [_, alert] = arrived(server)
    assert alert["title"].startswith("sample v1.0.0: PyPI closes the release on ")
    assert "What to do: run `release-assets release v1.0.0 --project sample` before that." in alert["message"]
    watched.recorder.run("release", "v1.0.0", **PUBLISHED)
    watched.tick()
    assert read_outbox(watched.instance).uploads == {}


def test_a_sensor_without_a_successful_tick_is_told_once(watched: Watched, server: ScriptedServer) -> None:
    outbox = read_outbox(watched.instance)
    outbox.awake_since -= 3600
    assert set(outbox.heard) == {"sample_release_tags", "sample_github_releases"}
    outbox.heard["sample_release_tags"] -= 1200
    write_outbox(watched.instance, outbox)
    watched.tick()
    watched.tick()
    [alert] = arrived(server)
    assert alert["title"] == "sample: the sensor sample_release_tags has been silent for 20 min"
    assert "open sample_release_tags under Automation" in alert["message"]


def test_each_run_that_ended_makes_a_point_of_the_plots(watched: Watched) -> None:
    watched.recorder.run("release", "v1.0.0", pypi_publication=Told({"seconds/upload": 9.5}))
    watched.recorder.killed("release", "v1.1.0")
    watched.tick()
    assert watched.plotted["sample/release success rate"] == 0.667
    assert watched.plotted["sample/upload"] == 9.5
    watched.tick()
    assert watched.plotted == {}


def test_only_the_levels_that_are_declared_are_sent(watched: Watched, server: ScriptedServer) -> None:
    alerts = {"targets_env": ["ALERTS_HERE"], "levels": ["warning", "failure"]}
    watched.project = project_with(alerts=alerts)
    watched.restart()
    watched.recorder.run("release", "v1.0.0")
    watched.recorder.killed("release", "v1.1.0")
    watched.tick()
    assert [alert["type"] for alert in arrived(server)] == ["failure"]


def test_dry_runs_rollbacks_and_other_projects_are_not_told(watched: Watched) -> None:
    watched.recorder.run("release", "v1.0.0", nodes=["version", "sdist", "wheel"])
    watched.recorder.run("docker", "v1.0.0", nodes=["floating_tags"])
    Recorder(watched.instance, "other").run("release", "v1.0.0")
    assert watched.tick() == "no alerts sent"


def test_a_secret_in_a_failure_is_not_sent(
    watched: Watched, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYPI_TOKEN", "pypi-the-secret")
    failure = dg.Failure("the index echoed pypi-the-secret", allow_retries=False)
    watched.recorder.run("release", "v1.0.0", sdist=Told(failure=failure))
    watched.tick()
    assert "the index echoed ***" in arrived(server)[0]["message"]
