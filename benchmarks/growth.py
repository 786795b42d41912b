"""Measure what idle projects cost: CPU, memory and disk; and how soon a tag is seen.

    python -m benchmarks.growth --projects 50 --tags 2000 --seconds 120 --push 20

Every project has a git repository with so many tags, and a GitHub repository with so many releases on a small
server that responds to conditional requests with 304. The daemon is a real one, with this repository's
dagster.yaml. The CPU of git's and GitHub's servers is not counted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import psutil

from tools.chaos.git_http import git_server
from tools.sandbox.git_remote import create_remote, git
from tools.sandbox.stack import Stack

PAGE = 100  # releases on a page of GitHub's list
FIRST_TICKS_SECONDS = 600.0
PUSH_SECONDS = 180.0  # for every pushed tag to have its run
FILES = {"pyproject.toml": '[project]\nname = "sample"\nversion = "9.9.9"\n'}


@dataclass
class Growth:
    """A row of the table. CPU is in percent of one core, and holds that of children that have ended."""

    projects: int
    tags: int
    remote: str
    seconds: float = 0.0
    ticks: dict[str, int] = field(default_factory=dict)
    cpu_percent: float = 0.0
    cpu_percent_daemon: float = 0.0
    cpu_percent_new_code: float = 0.0  # of code servers that the daemon started meanwhile, one a minute
    cpu_ms_per_tick: float = 0.0
    rss_mib: dict[str, int] = field(default_factory=dict)
    written_mib_per_hour: float = 0.0  # by write calls, as /proc/PID/io counts them
    home_mib_per_hour: float = 0.0  # what is added to DAGSTER_HOME
    github_requests_per_second: float = 0.0
    cursor_bytes: int = 0  # the longest
    longest_gap_seconds: float = 0.0  # between two looks at one project's tags
    seen_seconds: list[float] = field(default_factory=list)  # from a push to its run's creation
    started_seconds: list[float] = field(default_factory=list)  # from a push to its run's start


class GitHub:
    """Lists the same `releases` published releases for every repository, with an ETag for each page."""

    def __init__(self, releases: int) -> None:
        self.releases = releases
        self.requests: Counter[int] = Counter()  # by status

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Serve on loopback inside the block, at the address that is yielded."""
        github = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                number = int(parse_qs(urlsplit(self.path).query).get("page", ["1"])[0])
                is_known = self.headers.get("If-None-Match") == f'"{number}"'
                body = b"" if is_known else json.dumps(github.page(number)).encode()
                github.requests[304 if is_known else 200] += 1
                self.send_response(304 if is_known else 200)
                self.send_header("ETag", f'"{number}"')
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Write nothing: the requests are counted."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()

    def page(self, number: int) -> list[dict[str, object]]:
        """Return a page of releases as GitHub writes it, the newest first."""
        newest = self.releases - (number - 1) * PAGE
        return [
            {
                "id": release,
                "tag_name": f"v0.0.{release}",
                "draft": False,
                "prerelease": False,
                "published_at": "2026-01-01T00:00:00Z",
                "name": f"v0.0.{release}",
                "body": "",
                "html_url": f"https://github.example/{release}",
                "upload_url": "",
                "target_commitish": "main",
                "assets": [],
            }
            for release in range(newest, max(0, newest - PAGE), -1)
        ]


def make_repositories(folder: Path, projects: int, tags: int) -> list[Path]:
    """Make bare repositories with one commit that has lightweight tags v0.0.1 to v0.0.`tags`."""
    work, first = folder / "work", create_remote(folder / "p0.git")
    git("clone", "--quiet", first, work)
    for name, text in FILES.items():
        (work / name).write_text(text)
    git("add", "--all", directory=work)
    git("commit", "--quiet", "--message", "first", directory=work)
    git("push", "--quiet", "origin", "HEAD:main", directory=work)
    commit = git("rev-parse", "HEAD", directory=work)
    refs = "".join(f"{commit} refs/tags/v0.0.{number}\n" for number in range(1, tags + 1))
    (first / "packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted \n" + refs)
    git("pack-refs", "--all", directory=first)  # sorts
    return [first, *(shutil.copytree(first, folder / f"p{number}.git") for number in range(1, projects))]


def defs_yaml(project: str, remote: str, api_url: str) -> str:
    """Return the defs.yaml of a project that has images."""
    return json.dumps({
        "type": "release_assets.ReleaseGraph",
        "attributes": {
            "project": project,
            "repository": remote,
            "package": {},
            "github": {"api_url": api_url, "repository": f"owner/{project}"},
            "image": {"repository": f"localhost:1/{project}"},
        },
    })  # fmt: skip


class Usage:
    """The use of daemon and code servers so far. Their numbers are those of the last look at each."""

    def __init__(self, daemon: psutil.Process) -> None:
        self.daemon = daemon
        self.cpu: dict[int, float] = {}
        self.written: dict[int, int] = {}
        self.rss: dict[int, float] = {}

    def look(self) -> None:
        """Read the numbers of those that are there. The daemon starts a new code server every minute."""
        self.rss.clear()
        for process in [self.daemon, *self.daemon.children()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used = times.user + times.system
                if process != self.daemon:  # git's processes, which come and go
                    used += times.children_user + times.children_system
                self.cpu[process.pid] = used
                self.written[process.pid] = process.io_counters().write_chars
                self.rss[process.pid] = process.memory_info().rss / 2**20


def size_of(home: Path) -> int:
    """Return the bytes of all files in a folder."""
    total = 0
    for file in home.rglob("*"):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total


def ticks_since(home: Path, since: float) -> list[tuple[str, float, int]]:
    """Return the ticks that began later: sensor, seconds since 1970, bytes of the row."""
    with contextlib.closing(sqlite3.connect(f"file:{home}/schedules/schedules.db?mode=ro", uri=True)) as db:
        rows = db.execute("select tick_body from job_ticks").fetchall()
    bodies = [(json.loads(body), len(body)) for (body,) in rows]
    return [(body["job_name"], body["timestamp"], size) for body, size in bodies if body["timestamp"] > since]


def kind_of(sensor: str) -> str:
    """Return a sensor's name without its project's."""
    return sensor.partition("_")[2] if sensor.startswith("p") else sensor


def measure(row: Growth, folder: Path, *, seconds: float, settle: float, push: int, releases: int) -> None:
    """Fill in the row."""
    remotes = make_repositories(folder / "remotes", row.projects, row.tags)
    github = GitHub(releases)
    with contextlib.ExitStack() as stack:
        api_url = stack.enter_context(github.serving())
        if row.remote == "http":
            port = stack.enter_context(git_server(folder / "remotes"))
            addresses = [f"http://127.0.0.1:{port}/{remote.name}" for remote in remotes]
        else:
            addresses = [str(remote) for remote in remotes]
        definitions = {
            f"p{number}": defs_yaml(f"p{number}", address, api_url)
            for number, address in enumerate(addresses)
        }
        home = folder / "home"
        dagster = Stack.at(home, definitions=definitions, variables={"GITHUB_TOKEN": "token"})
        stack.enter_context(dagster.daemon())
        (daemon,) = [
            child
            for child in psutil.Process().children(recursive=True)
            if "dagster-daemon" in " ".join(child.cmdline()) and "run" in child.cmdline()
        ]
        names = {
            f"p{number}_{kind}"
            for number in range(row.projects)
            for kind in ("release_tags", "github_releases")
        }
        dagster.wait_for_first_ticks(names, FIRST_TICKS_SECONDS)
        time.sleep(settle)

        usage = Usage(daemon)
        usage.look()
        began, size, requests = time.time(), size_of(home), github.requests.total()
        cpu, written = dict(usage.cpu), dict(usage.written)
        most: dict[str, float] = {"daemon": 0.0, "code": 0.0}
        while time.time() < began + seconds:
            time.sleep(0.5)
            usage.look()
            in_daemon = usage.rss.get(daemon.pid, 0.0)
            most["daemon"] = max(most["daemon"], in_daemon)
            most["code"] = max(most["code"], sum(usage.rss.values()) - in_daemon)
        row.seconds = round(time.time() - began, 1)
        spent = {pid: used - cpu.get(pid, 0.0) for pid, used in usage.cpu.items()}
        ticks = ticks_since(home, began)
        row.ticks = dict(Counter(kind_of(sensor) for sensor, _, _ in ticks))
        row.cpu_percent = round(100 * sum(spent.values()) / row.seconds, 1)
        row.cpu_percent_daemon = round(100 * spent[daemon.pid] / row.seconds, 1)
        new = sum(used for pid, used in spent.items() if pid not in cpu)
        row.cpu_percent_new_code = round(100 * new / row.seconds, 1)
        row.cpu_ms_per_tick = round(1000 * sum(spent.values()) / max(1, len(ticks)), 1)
        row.rss_mib = {name: round(size) for name, size in most.items()}
        bytes_written = sum(count - written.get(pid, 0) for pid, count in usage.written.items())
        row.written_mib_per_hour = round(bytes_written / 2**20 * 3600 / row.seconds, 1)
        row.home_mib_per_hour = round((size_of(home) - size) / 2**20 * 3600 / row.seconds, 1)
        row.github_requests_per_second = round((github.requests.total() - requests) / row.seconds, 1)
        row.longest_gap_seconds = longest_gap(ticks, began, began + row.seconds)
        with dagster.instance() as instance:
            row.cursor_bytes = max(
                len(getattr(state.instigator_data, "cursor", None) or "")
                for state in instance.all_instigator_state()
            )
            if push:
                push_tags(row, instance, remotes[:push])


def longest_gap(ticks: list[tuple[str, float, int]], began: float, ended: float) -> float:
    """Return the longest time in which one project's tags were not looked at, in seconds."""
    times: dict[str, list[float]] = {}
    for sensor, at, _ in ticks:
        if kind_of(sensor) == "release_tags":
            times.setdefault(sensor, [began]).append(at)
    gaps = [
        later - earlier
        for looks in times.values()
        for earlier, later in zip(looks, [*looks[1:], ended], strict=True)
    ]
    return round(max(gaps, default=ended - began), 1)


def push_tags(row: Growth, instance: dg.DagsterInstance, remotes: list[Path]) -> None:
    """Push a tag to each of the remotes at once, and wait until every one has a run that has started."""
    pushed = time.time()
    for remote in remotes:
        (remote / "refs" / "tags").mkdir(parents=True, exist_ok=True)
        (remote / "refs" / "tags" / "v9.9.9").write_text(git("rev-parse", "main", directory=remote) + "\n")
    deadline = time.monotonic() + PUSH_SECONDS
    started: dict[str, tuple[float, float]] = {}
    while len(started) < len(remotes) and time.monotonic() < deadline:
        for record in instance.get_run_records(dg.RunsFilter(tags={"dagster/partition": "v9.9.9"})):
            if record.start_time is not None:
                name = record.dagster_run.job_name
                started[name] = (record.create_timestamp.timestamp() - pushed, record.start_time - pushed)
        time.sleep(0.5)
    row.seen_seconds = [round(created, 1) for created, _ in sorted(started.values())]
    row.started_seconds = sorted(round(at, 1) for _, at in started.values())


def main() -> int:
    """Print one row as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--projects", type=int, default=10)
    parser.add_argument("--tags", type=int, default=100)
    parser.add_argument("--releases", type=int, help="on GitHub; as many as tags if not given")
    parser.add_argument("--remote", choices=["path", "http"], default="path")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument(
        "--settle", type=float, default=20, help="seconds between the first ticks and the measurement"
    )
    parser.add_argument("--push", type=int, default=0, help="so many projects get a tag at the end, at once")
    given = parser.parse_args()
    row = Growth(given.projects, given.tags, given.remote)
    with tempfile.TemporaryDirectory(prefix="growth-") as folder:
        measure(
            row,
            Path(folder),
            seconds=given.seconds,
            settle=given.settle,
            push=given.push,
            releases=given.tags if given.releases is None else given.releases,
        )
    print(json.dumps(asdict(row), indent=2))
    if row.started_seconds:
        print(f"median seconds to a run's start: {statistics.median(row.started_seconds)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
