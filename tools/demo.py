"""`make demo`: one tag makes one whole release, on real servers, watched in the terminal.

It is one long script: what it releases, shows and checks is read from top to bottom.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from release_assets.destinations.buildx import docker_environment
from release_assets.destinations.registry import parse_repository
from release_assets.errors import ReleaseError
from release_assets.nodes.metadata import rows_of
from release_assets.process import CommandFailedError, environment, run
from tools.sandbox import Sandbox, sandbox
from tools.sandbox.sample_project import COMPILED
from tools.sandbox.servers import free_port
from tools.sandbox.stack import Stack

PLATFORMS = ["linux/amd64", "linux/arm64"]
RELEASE_SECONDS = 480.0
RUN_SECONDS = 120.0
UNPROTECTED = (
    "The UI has no login, and a page in your browser can launch a run: it accepts mutations by GET and does "
    "not check their origin. So it listens on loopback only. What to put before it is in "
    "docs/how-to/protect-the-ui.md."
)


@dataclass(frozen=True)
class Package:
    """A package that the demo releases: its project, name and version, and the nodes of its wheels."""

    project: str
    name: str
    version: str
    wheels: tuple[str, ...]

    @property
    def tag(self) -> str:
        """Return the tag of the release."""
        return f"v{self.version}"

    @property
    def nodes(self) -> list[str]:
        """Return the nodes of the release, in their order."""
        return [
            "version", "sdist", *self.wheels, "pypi_publication", "github_release",
            "image_linux_amd64", "image_linux_arm64", "manifest_list", "floating_tags", "summary",
        ]  # fmt: skip


PACKAGES = {
    "sampleproject": Package("sampleproject", "sampleproject", "4.0.0", ("wheel",)),
    "compiled": Package("compiled_sum", COMPILED, "1.0.0", ("wheel_linux_amd64", "wheel_linux_arm64")),
}


@dataclass(frozen=True)
class Checked:
    """One look from a consumer's side: what was done, what came of it, and whether that is right."""

    what: str
    answer: str
    is_right: bool


@click.command()
@click.option("--once", is_flag=True, help="End by itself: exit status 0 only if everything was published.")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="Folder for what is kept from one demo to the next: engine, base image, downloads.",
)
@click.option(
    "--port", type=int, default=3000, show_default=True, help="Where the UI listens, if it is free."
)
@click.option(
    "--package",
    "name",
    type=click.Choice(list(PACKAGES)),
    default="sampleproject",
    show_default=True,
    help="The package to release: one of pure Python, or one with compiled code.",
)
def demo(once: bool, state: Path, port: int, name: str) -> None:
    """Release a real package on this machine: push a tag, and watch the sensors do the rest."""
    # Not in a terminal (a log, a pipe) nothing is folded: addresses stay whole.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    started = time.monotonic()
    package = PACKAGES[name]

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:6.1f} s[/]  {escape(line)}", soft_wrap=True)

    with (
        sandbox(state.resolve(), say=say, compiled=name == "compiled") as running,
        TemporaryDirectory(prefix="release-assets-demo-") as home,
    ):
        stack = Stack.at(
            Path(home),
            definitions={package.project: running.defs_yaml(package.project)},
            variables=running.environment,
        )
        with stack.daemon(), stack.webserver(_free(port)) as ui:
            say(f"Dagster is at {ui}")
            stack.wait_for_first_ticks(
                {f"{package.project}_release_tags", f"{package.project}_github_releases"}
            )
            running.project.push_tag(package.tag)
            say(f"pushed the tag {package.tag}; from here on only the sensors act")
            with stack.instance() as instance:
                _watch(package, instance, say, console)
                metadata = {node: _metadata(package, instance, node) for node in package.nodes}
            console.print(_published(package, metadata, ui))
            say("looking at it as its users do")
            checks = _check(package, running, metadata)
            for check in checks:
                mark = "[green]✓[/]" if check.is_right else "[red]✗[/]"
                console.print(f"{mark} {escape(check.what)}: {escape(check.answer)}", soft_wrap=True)
            say("done" if all(check.is_right for check in checks) else "not everything is right")
            if not once:
                console.print(f"\nThe UI stays up at {ui}; Ctrl-C ends it and everything that was started.")
                console.print(UNPROTECTED, soft_wrap=True)
                _wait_for_interrupt()
    if not all(check.is_right for check in checks):
        sys.exit(1)


def _free(port: int) -> int:
    with socket.socket() as listener:
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return free_port()
    return port


def _watch(
    package: Package, instance: dg.DagsterInstance, say: Callable[[str], None], console: Console
) -> None:
    """Tell each node's end as it comes, until all have one. Raises ReleaseError when a run failed."""
    deadline = time.monotonic() + RELEASE_SECONDS
    pushed = time.time()
    open_nodes = list(package.nodes)
    with console.status("waiting for the sensor") if console.is_terminal else nullcontext() as status:
        while open_nodes:
            runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": package.tag}))
            steps = [step for run in runs for step in instance.get_run_step_stats(run.run_id)]
            for step in sorted(steps, key=lambda step: step.end_time or 0):
                node = step.step_key.removeprefix(f"{package.project}__")
                if node not in open_nodes or step.end_time is None or step.start_time is None:
                    continue
                if step.status is not None and step.status.value == "SUCCESS":
                    open_nodes.remove(node)
                    seconds = step.end_time - step.start_time
                    say(f"✓ {node:20} {seconds:6.1f} s   (at {step.end_time - pushed:5.1f} s after the push)")
            failed = [run for run in runs if run.status is dg.DagsterRunStatus.FAILURE]
            if failed:
                raise ReleaseError(
                    f"run {failed[0].run_id} failed: {_why(instance, failed[0].run_id)}",
                    "The step's log in the UI shows the rest; materialize again to go on from there.",
                )
            if time.monotonic() > deadline:
                raise ReleaseError(
                    f"not released within {RELEASE_SECONDS:.0f} s; still open: {', '.join(open_nodes)}",
                    "Look at the runs in the UI.",
                )
            if status is not None:
                status.update(_at_work(package, steps))
            time.sleep(0.5)


def _at_work(package: Package, steps: list[Any]) -> str:
    now = time.time()
    running = [
        f"{step.step_key.removeprefix(f'{package.project}__')} {now - step.start_time:.0f} s"
        for step in steps
        if step.start_time is not None and step.end_time is None
    ]
    return ", ".join(running) or "waiting for a sensor"


def _why(instance: dg.DagsterInstance, run_id: str) -> str:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    events = (record.event_log_entry.dagster_event for record in records)
    return "; ".join(
        str(event.step_failure_data.error_display_string) for event in events if event is not None
    )


def _metadata(package: Package, instance: dg.DagsterInstance, node: str) -> dict[str, Any]:
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey([package.project, node]), asset_partitions=[package.tag]),
        limit=1,
    ).records
    materialization = records[0].asset_materialization
    assert materialization is not None  # noqa: S101  (a record of a materialization has one)
    return {name: value.value for name, value in materialization.metadata.items()}


def _published(package: Package, metadata: dict[str, dict[str, Any]], ui: str) -> Table:
    """Return what was published: each thing with its address, and its digest below."""
    shown = Table(
        title=f"\n{package.name} {package.version} is released",
        title_justify="left",
        box=None,
        show_header=False,
    )
    shown.add_column(style="bold")
    shown.add_column(overflow="fold")

    def add(what: str, where: str, digest: str) -> None:
        shown.add_row(what, "\n".join(escape(line) for line in (where, digest) if line))

    for row in rows_of(metadata["pypi_publication"], "files"):
        add(str(row["file"]), str(row["url"]), f"sha256:{row['sha256']}")
    add("GitHub release", str(metadata["github_release"]["release"]), "")
    for platform in PLATFORMS:
        image = metadata[f"image_{platform.replace('/', '_')}"]
        add(f"image {platform}", image["image"], image["digest"])
    add("manifest list", metadata["manifest_list"]["image"], metadata["manifest_list"]["digest"])
    for row in rows_of(metadata["floating_tags"], "tags"):
        add(f"floating tag {row['tag']}", "", str(row["to"]))
    add(
        "the release on one page",
        f"{ui}/assets/{package.project}/summary?view=partitions&partition={package.tag}",
        "",
    )
    add("its graph", f"{ui}/asset-groups", "")
    return shown


def _check(package: Package, running: Sandbox, metadata: dict[str, dict[str, Any]]) -> list[Checked]:
    """Install from the index and run the manifest list on each platform, all at the same time."""
    wheels = {platform: _wheel(package, metadata, platform) for platform in PLATFORMS}
    image = metadata["manifest_list"]["image"]
    looks: list[Callable[[], Checked]] = [
        lambda: _installed(package, running),
        *(
            lambda platform=platform: _ran(package, running, image, platform, wheels[platform])
            for platform in PLATFORMS
        ),
    ]
    checked: list[Checked] = []
    threads = [threading.Thread(target=lambda look=look: checked.append(look())) for look in looks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(checked, key=lambda check: check.what, reverse=True)


def _wheel(package: Package, metadata: dict[str, dict[str, Any]], platform: str) -> str:
    """Return the sha256 of the wheel that an image of the platform holds."""
    if package.wheels == ("wheel",):
        return str(metadata["wheel"]["sha256"])
    (row,) = rows_of(metadata[f"wheel_{platform.replace('/', '_')}"], "files")
    return str(row["sha256"])


def _installed(package: Package, running: Sandbox) -> Checked:
    what = f"pip install {package.name}=={package.version} from the index"
    program = f"import importlib.metadata as m; print(m.version({package.name!r}))"
    with TemporaryDirectory() as folder:
        python = Path(folder, "bin", "python")
        env = environment(PIP_CONFIG_FILE="/dev/null", PIP_DISABLE_PIP_VERSION_CHECK="1")
        try:
            run([sys.executable, "-m", "venv", folder], env=env, timeout=RUN_SECONDS)
            run(
                [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-cache-dir",
                 "--index-url", running.index.simple_url, f"{package.name}=={package.version}"],
                env=env, timeout=RUN_SECONDS,
            )  # fmt: skip
            answer = run([python, "-c", program], env=env, timeout=RUN_SECONDS).strip()
        except CommandFailedError as error:
            return Checked(what, str(error), is_right=False)
    return Checked(what, answer, is_right=answer == package.version)


def _ran(package: Package, running: Sandbox, image: str, platform: str, wheel: str) -> Checked:
    """Return the sample's image prints its name, version, machine and the sha256 of the wheel inside."""
    what = f"docker run --platform {platform} {image}"
    credentials = running.environment["DOCKER_USERNAME"], running.environment["DOCKER_TOKEN"]
    with docker_environment(parse_repository(running.image_repository), *credentials) as env:
        try:
            answer = run(
                ["docker", "run", "--rm", "--platform", platform, image],
                env={**env, "DOCKER_HOST": running.environment["DOCKER_HOST"]},
                timeout=RUN_SECONDS,
                secrets=credentials[1:],
            ).strip()
        except CommandFailedError as error:
            return Checked(what, str(error), is_right=False)
    _, version, _, sha256 = (answer.split() + 4 * [""])[:4]
    return Checked(what, answer, is_right=version == package.version and sha256 == wheel)


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    asked = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: asked.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_for_interrupt() -> None:
    with _interruptible() as asked:
        asked.wait()


if __name__ == "__main__":
    demo()
