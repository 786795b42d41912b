"""`make bench`: release the same packages with release-assets and with the plain script, by turns.

Exit status 0 where every bound holds, 1 where one is missed.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import requests
import yaml
from rich.console import Console

from benchmarks import ours, report
from benchmarks.figures import Row, series, tool_seconds
from benchmarks.sample import Sample, Size, make_sample
from benchmarks.script import Plain
from release_assets.sandbox import Sandbox, sandbox
from release_assets.sandbox.stack import Stack

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
MEASURED = Path(__file__).parents[1] / "docs" / "performance.json"
ROWS = ("small", "middling-first", "middling", "large", "rebuild")
PACKAGE_TOOLS = {
    "sdist": ("environment", "build", "check"),
    "wheel": ("environment", "build", "check"),
    "pypi_publication": ("upload", "wait_for_index"),
    "github_release": ("create", "upload", "publish", "draft", "assets"),
}
IMAGE_TOOLS = {
    f"image_linux_{architecture}": ("build", "export", "push", "cache_export", "starts")
    for architecture in ("amd64", "arm64")
}


class Bench:
    """Both sides on one sandbox: for each size a project that the daemon watches, and the script's."""

    def __init__(self, running: Sandbox, folder: Path, sizes: set[Size], console: Console) -> None:
        self.running, self.folder, self.console = running, folder, console
        self.ours = {size: make_sample(folder, f"bench-{size}-ours", size) for size in sizes}
        self.script = {size: make_sample(folder, f"bench-{size}-script", size) for size in sizes}
        definitions = {sample.module: self._defs_yaml(sample) for sample in self.ours.values()}
        self.stack = Stack.at(folder / "home", definitions=definitions, variables=running.environment)
        for sample in (*self.ours.values(), *self.script.values()):
            _create_repository(running, sample.name)

    def release(self, sample: Sample, *, salt: str | None = None) -> ours.Released:
        """Release the next version with release-assets."""
        released = ours.release(self.stack, sample, sample.prepare(salt=salt))
        self._say(f"{sample.name} 1.0.{sample.releases}: {released.seconds:.1f} s")
        return released

    def release_plainly(self, sample: Sample, *, salt: str | None = None) -> float:
        """Release the next version with the plain script; return the seconds."""
        seconds = self.plain(sample).release(sample, sample.prepare(salt=salt))
        self._say(f"{sample.name} 1.0.{sample.releases}: {seconds:.1f} s")
        return seconds

    def plain(self, sample: Sample) -> Plain:
        """Return the script's surroundings for a package."""
        contexts = [f"{name}={where}" for name, where in self.running.build_contexts.items()]
        variables = self.running.environment | {
            "UPLOAD_URL": self.running.index.upload_url,
            "SIMPLE_URL": self.running.index.simple_url,
            "GITHUB_API_URL": self.running.github_api_url,
            "GITHUB_REPOSITORY": self._repository(sample),
            "BASE_CONTEXT": next(iter(contexts), ""),
        }
        return Plain(variables, self._image(sample))

    def _say(self, line: str) -> None:
        self.console.print(f"[dim]{time.strftime('%H:%M:%S')}[/]  {line}", soft_wrap=True)

    def _repository(self, sample: Sample) -> str:
        return f"{self.running.github_repository.partition('/')[0]}/{sample.name}"

    def _image(self, sample: Sample) -> str:
        return f"{self.running.registry}/bench/{sample.name}"

    def _defs_yaml(self, sample: Sample) -> str:
        definition = yaml.safe_load(self.running.defs_yaml(sample.module))
        attributes = definition["attributes"]
        attributes["repository"] = str(sample.remote)
        attributes["github"]["repository"] = self._repository(sample)
        attributes["image"]["repository"] = self._image(sample)
        text: str = yaml.safe_dump(definition, sort_keys=False)
        return text


def _create_repository(running: Sandbox, name: str) -> None:
    answer = requests.post(
        f"{running.github_api_url}/user/repos",
        json={"name": name, "private": True},
        headers={"Authorization": f"Bearer {running.environment['GITHUB_TOKEN']}"},
        timeout=30,
    )
    answer.raise_for_status()


def release_rows(bench: Bench, size: Size, pairs: int, *, first: bool = False) -> Iterator[Row]:
    """Yield the rows of one size. `first`: every dependency layer is new each time; else only the code is."""
    mine, theirs = bench.ours[size], bench.script[size]
    if not first:  # caches are warm: the release that is measured is never the first one
        bench.release(mine)
        bench.release_plainly(theirs)
    released: list[ours.Released] = []
    plain: list[float] = []
    for pair in range(pairs):
        salts = [f"{name} {pair}" if first else None for name in (mine.name, theirs.name)]
        # By turns, so that a machine that slows down counts on both sides.
        if pair % 2:
            plain.append(bench.release_plainly(theirs, salt=salts[1]))
            released.append(bench.release(mine, salt=salts[0]))
        else:
            released.append(bench.release(mine, salt=salts[0]))
            plain.append(bench.release_plainly(theirs, salt=salts[1]))
    name = f"{size}, first build" if first else f"{size}, code-only change"
    yield Row(
        f"{name}: tag push to last tag", series([one.seconds for one in released]), series(plain), 1.3, 1.0
    )
    own = series([one.package.seconds + one.images.seconds for one in released])
    yield Row(f"{name}: the two runs' own seconds", own, series(plain), 1.0, 0.8)
    added = {
        "package": [
            one.package.seconds - tool_seconds(one.package.metadata, PACKAGE_TOOLS, parallel="image_")
            for one in released
        ],
        "images": [
            one.images.seconds - tool_seconds(one.images.metadata, IMAGE_TOOLS, parallel="image_")
            for one in released
        ],
    }
    for half, seconds in added.items():
        yield Row(f"{name}: added to the tools' seconds, {half}", series(seconds), None, 5.0, 3.0)
    yield Row(
        f"{name}: tag push to run start", series([one.package.started - one.pushed for one in released])
    )
    yield Row(
        f"{name}: release published to images' run start",
        series([one.images.started - one.published for one in released]),
    )
    if size == "middling" and not first:
        for platform, must in (("amd64", 1.5), ("arm64", 4.0)):
            node = f"image_linux_{platform}"
            checks = [float(one.images.metadata[node]["seconds/starts"]) for one in released]
            yield Row(f"checks of the image, {platform}", series(checks), None, must)


def rebuild_row(bench: Bench, pairs: int) -> Iterator[Row]:
    """Yield the row of an unchanged rebuild against buildx alone."""
    mine, theirs = bench.ours["small"], bench.script["small"]
    mine_built, plain = [], []
    for _ in range(pairs):
        # A release may be rebuilt once under one rebuild tag: each pair has a release of its own.
        bench.release(mine)
        bench.release_plainly(theirs)
        mine_built.append(ours.rebuild(bench.stack, mine, f"v1.0.{mine.releases}").seconds)
        plain.append(bench.plain(theirs).build(theirs, f"v1.0.{theirs.releases}"))
    yield Row("unchanged rebuild against buildx", series(mine_built), series(plain), 8.0, 5.0, margin=True)


@click.command()
@click.option("--pairs", default=5, show_default=True, help="How many releases of each side a row has.")
@click.option("--rows", default=",".join(ROWS), show_default=True, help="Which rows, with commas between.")
@click.option("--json", "measured", type=click.Path(path_type=Path), default=MEASURED, show_default=True)
@click.option("--document", type=click.Path(path_type=Path), default=DOCUMENT, help="Where the table goes.")
@click.option(
    "--state", type=click.Path(path_type=Path), default=Path(".demo/bench"), show_default=True,
    help="Folder for what the sandbox keeps: engine, base image, downloads.",
)  # fmt: skip
def main(pairs: int, rows: str, measured: Path, document: Path, state: Path) -> None:
    """Release the same packages with release-assets and with a plain script, by turns, on the sandbox."""
    wanted = [row.strip() for row in rows.split(",")]
    if strangers := set(wanted) - set(ROWS):
        raise click.UsageError(f"unknown rows: {', '.join(sorted(strangers))}; there are {', '.join(ROWS)}")
    # On a pipe nothing is folded.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    sizes: set[Size] = {
        size for size in ("small", "middling", "large")
        if any(row.startswith(size) or (row == "rebuild" and size == "small") for row in wanted)
    }  # fmt: skip
    found: list[Row] = []
    with ExitStack() as stack:
        running = stack.enter_context(
            sandbox(state.resolve(), say=lambda line: console.print(line, style="dim"))
        )
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="release-assets-bench-")))
        bench = Bench(running, folder, sizes, console)
        stack.enter_context(bench.stack.daemon())
        sensors = {
            f"{sample.module}_{sensor}"
            for sample in bench.ours.values()
            for sensor in ("release_tags", "github_releases")
        }
        bench.stack.wait_for_first_ticks(sensors)
        for row in wanted:
            match row:
                case "small" | "middling" | "large":
                    found += release_rows(bench, row, pairs)
                case "middling-first":
                    found += release_rows(bench, "middling", pairs, first=True)
                case "rebuild":
                    found += rebuild_row(bench, pairs)
    values = [row.as_json() for row in found]
    console.print(report.table(values))
    report.write_json(measured, values, command=f"make bench {shlex.join(sys.argv[1:])}".strip())
    if document.exists():
        report.update_document(document, measured)
    if not all(row.holds for row in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
