"""The fault matrix: each destination, each fault, for a while and for good."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from release_assets.distributions.store import Distribution
from release_assets.process import environment
from release_assets_tests.maintainer import Maintainer, NewMaintainer, Stands
from tools.chaos.git_http import git_server
from tools.chaos.judge import leaks, wrong_with
from tools.chaos.proxy import KINDS, Fault, Proxy, proxy_before
from tools.chaos.release import Outcome

DOCKERFILE = "FROM scratch\nCOPY --from=dist *.whl /dist/\n"
# Others 5: longer than the first retry waits. PyPI's page is stale for minutes when a purge is lost.
PASSING_SECONDS = {("index", "stale"): 150.0, ("github", "stale"): 20.0, ("registry", "stale"): 20.0}
# What the documentation promises: whole by itself after a fault has passed, clear words where it stays.
CONVERGED_SECONDS = 300.0
FAILED_SECONDS = {"index": 1500.0, "github": 900.0, "registry": 1200.0, "git": 600.0}
DESTINATIONS = ("index", "github", "registry", "git")
# No answer of git's is stale in a way that differs from a tag that was not pushed yet, and it gets no
# credentials of ours that it could repeat.
SENSELESS = {("git", "stale"), ("git", "echo")}
# What a retry cannot cure, since nothing tells it from a refusal for good.
REFUSALS = {("registry", "403"), ("git", "403")}


@dataclass(frozen=True)
class Cell:
    """A destination, what it suffers, and whether that passes."""

    destination: str
    kind: str
    passes: bool

    @property
    def must_converge(self) -> bool:
        """By itself, that is; else it must fail with clear words, and converge when it is tried again."""
        return self.passes and (self.destination, self.kind) not in REFUSALS

    @property
    def seconds(self) -> float:
        """Within which the first release must have ended, well or clearly."""
        return CONVERGED_SECONDS if self.must_converge else FAILED_SECONDS[self.destination]


@dataclass(frozen=True)
class Row:
    """The result of a cell."""

    cell: Cell
    outcome: str  # converged, failed clearly, or what is wrong
    seconds: float  # until it was whole, or had failed
    again: float  # seconds of the second materialization; 0 where none was needed
    retries: int
    hits: int
    words: str  # of the failure
    wrong: list[str]


def cells() -> list[Cell]:
    """Every cell that makes sense."""
    return [
        Cell(destination, kind, passes)
        for destination, kind, passes in itertools.product(DESTINATIONS, KINDS, (True, False))
        if (destination, kind) not in SENSELESS
    ]


def run_cell(cell: Cell, stands: Stands, new: NewMaintainer) -> Row:
    """Release one project while its destination suffers, then again where that failed; judge the end."""
    maintainer = new(stands, dockerfile=DOCKERFILE if cell.destination == "registry" else None)
    if cell.destination == "registry":
        maintainer.attributes["image"] |= {"platforms": ["linux/amd64"]}
    maintainer.tag("v1.0.0", "1.0.0")
    maintainer.home.mkdir()
    with ExitStack() as stack:
        attributes, proxy = _through_a_proxy(cell, maintainer, stack)
        fault = proxy.fault = Fault(
            cell.kind,
            _begins(cell.destination),
            PASSING_SECONDS.get((cell.destination, cell.kind), 5.0) if cell.passes else None,
            forbidden="read-only mode" if cell.destination == "index" else "Forbidden",
            headers={"Retry-After": "2"} if cell.destination == "github" else {},
        )
        first = _release(cell, maintainer, attributes, "first")
        words = "\n".join(first.failures.values())
        wrong: list[str] = []
        again = None
        if not first.success:
            if not cell.must_converge:
                wrong += _unclear(cell, words, proxy.port)
            proxy.fault = None
            again = _release(cell, maintainer, attributes, "again")
            if not again.success:
                wrong.append(f"did not converge when the fault was gone: {again.failures}")
        if first.success is not cell.must_converge:
            wrong.append("did not converge by itself" if cell.must_converge else "did not fail")
    if fault.hits == 0:
        wrong.append("the fault never happened")
    if first.seconds > cell.seconds:
        wrong.append(f"late: {first.seconds:.0f} s, {cell.seconds:.0f} s are promised")
    first_built = built_first(maintainer.home / "distributions", maintainer.name, "v1.0.0")
    wrong += wrong_with(maintainer, "1.0.0", first_built)
    wrong += leaks((file for file in maintainer.home.rglob("*") if file.is_file()), stands.secrets)
    outcome = "wrong" if wrong else "converged" if first.success else "failed clearly, then converged"
    again_seconds = again.seconds if again else 0.0
    return Row(cell, outcome, first.seconds, again_seconds, first.retries, fault.hits, words, wrong)


def built_first(store: Path, project: str, tag: str) -> dict[str, str]:
    """Return the name and sha256 of the files that the store keeps."""
    kept = (
        Distribution.model_validate_json(record.read_text())
        for record in (store / project / tag).glob("*.json")
    )
    return {distribution.filename: distribution.sha256 for distribution in kept}


def _begins(destination: str) -> Callable[[str, str], bool]:
    """From which request on: the first of the upload itself, after everything that only looked."""
    posts = itertools.count(1)

    def begins(method: str, path: str) -> bool:
        match destination:
            case "index":  # the first POST only asks whether the token is taken
                return method == "POST" and next(posts) == 2
            case "github":
                # The first only asks whether the token may write.
                return method == "POST" and not path.endswith("/generate-notes")
            case "registry":
                return method in {"PUT", "PATCH"}
        return "git-upload-pack" in path

    return begins


def _through_a_proxy(cell: Cell, maintainer: Maintainer, stack: ExitStack) -> tuple[dict[str, Any], Proxy]:
    """Return the project's attributes with one destination behind a proxy, and the proxy."""
    attributes: dict[str, Any] = json.loads(json.dumps(maintainer.attributes))
    match cell.destination:
        case "index":
            port = urlsplit(attributes["index"]["simple_url"]).port
        case "github":
            port = urlsplit(attributes["github"]["api_url"]).port
        case "registry":
            port = urlsplit(f"//{attributes['image']['repository']}").port
        case _:
            port = stack.enter_context(git_server(maintainer.repository.path.parent))
    assert port is not None
    proxy = stack.enter_context(proxy_before(port, rewrite=cell.destination == "github"))
    match cell.destination:
        case "index":
            for key in ("upload_url", "simple_url"):
                url = attributes["index"][key]
                attributes["index"][key] = url.replace(f":{port}/", f":{proxy.port}/")
        case "github":
            attributes["github"]["api_url"] = f"http://localhost:{proxy.port}"
        case "registry":
            image = attributes["image"]
            image["repository"] = image["repository"].replace(f":{port}/", f":{proxy.port}/")
        case _:
            name = f"{maintainer.repository.path.name}/.git"
            attributes["repository"] = f"http://localhost:{proxy.port}/{name}"
    return attributes, proxy


def _release(cell: Cell, maintainer: Maintainer, attributes: dict[str, Any], attempt: str) -> Outcome:
    """Return a release in a process of its own; its last line says what came of it."""
    home, patience = maintainer.home / attempt, 2 * cell.seconds
    store = str(maintainer.home / "distributions")
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "tools.chaos.release", str(home), "v1.0.0"],
            env=environment(**maintainer.variables, DAGSTER_HOME=str(home), RELEASE_ASSETS_STORE=store),
            input=json.dumps(attributes),
            capture_output=True,
            text=True,
            timeout=patience,
            check=True,
        )
    except subprocess.TimeoutExpired:
        return Outcome(success=False, failures={"process": "hangs"}, retries=0, seconds=patience)
    except subprocess.CalledProcessError as error:
        return Outcome(success=False, failures={"process": error.stderr[-2000:]}, retries=0, seconds=0)
    return Outcome.model_validate_json(ended.stdout.strip().rpartition("\n")[2])


def _unclear(cell: Cell, words: str, port: int) -> Iterator[str]:
    """Yield what the words of a failure lack: where, which status, what to do."""
    if f":{port}" not in words:
        yield f"the words do not name the destination: {words}"
    status = "500" if cell.kind == "echo" else cell.kind.partition("-")[0]
    if status.isdigit() and status not in words:
        yield f"the words do not name the status {status}: {words}"
    if "What to do: " not in words or "release-assets itself failed" in words:
        yield f"the words do not say what to do: {words}"
