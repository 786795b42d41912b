"""Dagster's daemon and webserver on loopback, with a DAGSTER_HOME of their own."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from release_assets.process import environment
from tools.sandbox.servers import SandboxError, answers, log_tail, running_server

# The file that a user puts into DAGSTER_HOME: what the demo and the tests run is what users run.
DAGSTER_YAML = Path(__file__).parents[2] / "dagster.yaml"
FIRST_TICK_SECONDS = 120.0


@dataclass(frozen=True)
class Stack:
    """A DAGSTER_HOME and the environment in which its processes run."""

    home: Path
    env: Mapping[str, str]

    @classmethod
    def at(cls, home: Path, *, definitions: Mapping[str, str], variables: Mapping[str, str]) -> Stack:
        """Return a home with the defs.yaml texts of `definitions`; `variables` join the environment."""
        if not DAGSTER_YAML.is_file():
            raise SandboxError(
                "the demo needs the project's dagster.yaml, which an installed package does not have",
                "Run it from a clone of the repository: `make demo`.",
            )
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(DAGSTER_YAML, home / "dagster.yaml")
        # Else the first look at the UI is a pop-up for Dagster's newsletter.
        (home / ".nux").mkdir(exist_ok=True)
        (home / ".nux" / "nux.yaml").write_text("seen: 1\n")
        for project, text in definitions.items():
            file = home / "defs" / project / "defs.yaml"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        env = environment(**variables, DAGSTER_HOME=str(home), RELEASE_ASSETS_DEFS=str(home / "defs"))
        return cls(home, env)

    @contextlib.contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """Yield the instance that the processes share, to look at."""
        with dg.DagsterInstance.from_config(str(self.home)) as instance:
            yield instance

    @contextlib.contextmanager
    def daemon(self) -> Iterator[None]:
        """Yield the daemon runs inside the block: sensors tick and runs are launched."""
        log = self.home / "daemon.log"
        with running_server(
            "dagster-daemon",
            ["dagster-daemon", "run", "-m", "release_assets.definitions"],
            env=self.env,
            log=log,
            is_ready=lambda: log.exists() and "Instance is configured with" in log.read_text(),
        ):
            yield

    @contextlib.contextmanager
    def webserver(self, port: int) -> Iterator[str]:
        """Yield the UI runs inside the block, at the address that is yielded."""
        url = f"http://127.0.0.1:{port}"
        with running_server(
            "dagster-webserver",
            ["dagster-webserver", "-h", "127.0.0.1", "-p", str(port), "-m", "release_assets.definitions"],
            env=self.env,
            log=self.home / "webserver.log",
            is_ready=lambda: answers(f"{url}/server_info"),
        ):
            yield url

    def wait_for_first_ticks(self, sensors: set[str], seconds: float = FIRST_TICK_SECONDS) -> None:
        """Return when every one of the sensors has looked once: what is pushed from now on is new."""
        deadline = time.monotonic() + seconds
        with self.instance() as instance:
            while waiting := sensors - _sensors_with_cursor(instance):
                if time.monotonic() > deadline:
                    raise SandboxError(
                        f"{', '.join(sorted(waiting))} did not tick within {seconds:.0f} s:\n"
                        + log_tail(self.home / "daemon.log"),
                        "Look at the daemon's log above.",
                    )
                time.sleep(0.5)


def _sensors_with_cursor(instance: dg.DagsterInstance) -> set[str]:
    return {
        state.instigator_name
        for state in instance.all_instigator_state()
        if getattr(state.instigator_data, "cursor", None) is not None
    }
