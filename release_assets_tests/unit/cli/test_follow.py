"""A run as its events tell it, and as a terminal, a pipe and a narrow window show it."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` as a type.
import io
import time
from collections.abc import Iterator

import dagster as dg
import pytest
from rich.console import Console

from release_assets.cli import terminal
from release_assets.cli.run_view import Node, Reason, RunView, State
from release_assets.cli.runs import RunFailedError
from release_assets.cli.terminal import LiveDisplay, PlainDisplay, columns, duration, node_lines

DIGEST = f"sha256:{'a' * 64}"


@dg.asset(key=["x", "version"])
def version(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    context.log.warning("an old runner\x1b[31m")
    print("pushing layers 12.3 of 60.0 MB, 5 s")
    return dg.MaterializeResult(metadata={"digest": DIGEST})


@dg.asset(
    key=["x", "sdist"],
    deps=[version],
    retry_policy=dg.RetryPolicy(max_retries=1, delay=0),
    check_specs=[dg.AssetCheckSpec("size", asset=["x", "sdist"])],
)
def sdist(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster's
    if context.retry_number == 0:
        raise dg.Failure("the index hung up\n\nWhat to do: wait", allow_retries=True)
    found = dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.WARN, description="it grew", check_name="size"
    )
    return dg.MaterializeResult(check_results=[found])


@dg.asset(key=["x", "wheel"], deps=[sdist])
def wheel() -> None:
    raise dg.Failure(
        "two sides differ",
        metadata={"problem": "ours is a, theirs is b", "what_to_do": "release a new version"},
        allow_retries=False,
    )


@dg.asset(key=["x", "pypi_publication"], deps=[wheel])
def pypi_publication() -> None: ...


@pytest.fixture(scope="module")
def entries() -> Iterator[list[dg.EventLogEntry]]:
    """The events of a run whose third node fails."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [version, sdist, wheel, pypi_publication], instance=instance, raise_on_error=False
        )
        yield list(instance.all_logs(result.run_id))


@pytest.fixture
def view(entries: list[dg.EventLogEntry]) -> RunView:
    found = RunView("a-run")
    for entry in entries:
        found.apply(entry)
    found.status = dg.DagsterRunStatus.FAILURE
    return found


def test_each_node_has_its_state_and_its_seconds(view: RunView) -> None:
    assert {name: node.state for name, node in view.nodes.items()} == {
        "version": State.DONE,
        "sdist": State.DONE,
        "wheel": State.FAILED,
        "pypi_publication": State.WAITING,
    }
    assert view.nodes["sdist"].retries == 1
    assert view.nodes["version"].metadata == {"digest": DIGEST}
    assert all(node.seconds(time.time()) < 30 for node in view.nodes.values())
    assert view.nodes["pypi_publication"].started is None


def test_warnings_are_kept_without_what_drives_a_terminal(view: RunView) -> None:
    assert view.warnings == ["version: an old runner", "sdist: size: it grew"]


def test_the_reason_is_the_failed_nodes_own(view: RunView) -> None:
    assert view.failures == {"wheel": Reason("ours is a, theirs is b", "release a new version")}
    error = RunFailedError(view)
    assert (error.problem, error.remedy) == ("wheel failed: ours is a, theirs is b", "release a new version")


def test_a_run_that_failed_without_a_node_says_why() -> None:
    view = RunView("a-run", status=dg.DagsterRunStatus.FAILURE)
    assert "run a-run failed: it ended as FAILURE" in RunFailedError(view).problem


def test_output_tells_how_much_is_transferred() -> None:
    view = RunView("a-run", nodes={"version": Node("version", State.RUNNING)})
    view.take_output(["x__version"], "exporting\n\npushing layers 12.3 of 60.0 MB, 5 s\n")
    assert vars(view.nodes["version"])["amount"] == (12.3, 60.0, "MB")
    view.take_output(["x__version"], "done\n")
    shown = view.nodes["version"]
    assert shown.line == "done"
    assert shown.amount is None
    # A process that works on two nodes does not say which of them wrote it.
    view.nodes["sdist"] = Node("sdist", State.RUNNING)
    view.take_output(["x__version", "x__sdist"], "whose\n")
    assert view.nodes["version"].line == "done"


def drawn(monkeypatch: pytest.MonkeyPatch, view: RunView, *, width: int) -> str:
    """Return what a terminal of this width shows of a run at work."""
    output = io.StringIO()
    monkeypatch.setattr(
        terminal,
        "console",
        lambda **_: Console(file=output, force_terminal=True, width=width, color_system=None),
    )
    display = LiveDisplay()
    with display:
        display.update(view)
        display._live.refresh()
    return output.getvalue()


@pytest.mark.parametrize("width", [48, 60, 120])
def test_a_live_line_per_node_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    now = time.time()
    nodes = {
        "version": Node("version", State.DONE, now - 3, now - 1),
        "sdist": Node("sdist", State.RUNNING, now - 1, line="building " + "a/long/path" * 20),
        "image_linux_arm64": Node("image_linux_arm64", State.RUNNING, now, amount=(12.3, 60.0, "MB")),
    }
    shown = drawn(monkeypatch, RunView("a-run", nodes), width=width)
    lines = [line for line in shown.replace("\r", "\n").split("\n") if "version" in line or "sdist" in line]
    assert any("✓" in line and "2.0 s" in line for line in lines)
    assert "image_linux_arm64" in shown
    assert "12.3 of 60 MB" in shown
    assert ("━" in shown) is (width >= 80)


def test_on_a_pipe_a_line_says_that_a_node_begins_and_ends(
    capsys: pytest.CaptureFixture[str], entries: list[dg.EventLogEntry]
) -> None:
    view, display = RunView("a-run"), PlainDisplay(verbose=False)
    for entry in entries:
        view.apply(entry)
        display.update(view)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "▸ version", "✓ version", "▸ sdist", "↻ sdist", "✓ sdist", "▸ wheel", "✗ wheel",
    ]  # fmt: skip
    assert "↻ sdist  retry 1: the index hung up" in lines


def test_verbose_prints_every_event(
    capsys: pytest.CaptureFixture[str], entries: list[dg.EventLogEntry]
) -> None:
    display = PlainDisplay(verbose=True)
    for entry in entries:
        display.event(entry)
    printed = capsys.readouterr().err
    assert "STEP_START x__version" in printed
    assert "WARNING x__version an old runner" in printed
    assert "\x1b" not in printed


def test_a_run_that_has_ended_names_what_never_ran(view: RunView) -> None:
    lines = node_lines(view, time.time())
    assert lines[-1].endswith("pypi_publication  [dim]not run[/]")
    assert any("1 retries" in line for line in lines)


def test_columns_are_aligned_and_never_folded() -> None:
    rows = [["[bold]a[/]", "b"], ["longer", DIGEST * 3], ["x", ""]]
    assert columns(rows, indent=2) == ["  [bold]a[/]       b", f"  longer  {DIGEST * 3}", "  x"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.04, "0.0 s"),
        (4, "4 s"),
        (59.94, "59.9 s"),
        (60, "1 min 00 s"),
        (185.2, "3 min 05 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
