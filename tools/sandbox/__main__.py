"""`make sandbox`: the stand-ins for PyPI, GitHub and Docker Hub, until Ctrl-C."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path

import click

from tools.sandbox import Sandbox
from tools.sandbox import sandbox as running_sandbox


@click.command()
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".sandbox"),
    show_default=True,
    help="Folder for what may be kept from one time to the next.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as one line of JSON.")
def sandbox(state: Path, as_json: bool) -> None:
    """Start real servers on loopback that stand in for PyPI, GitHub and Docker Hub, until Ctrl-C."""
    state = state.resolve()
    with running_sandbox(state, say=lambda line: click.echo(line, err=True)) as running:
        variables = _write_settings(state, running)
        addresses = {
            "git": str(running.git),
            "index": running.index.simple_url,
            "test_index": running.test_index.simple_url,
            "github": running.github_api_url,
            "registry": running.registry,
            "environment": str(variables),
        }
        if as_json:
            click.echo(json.dumps(addresses))
        else:
            width = max(map(len, addresses))
            for name, address in addresses.items():
                click.echo(f"{name:{width}}  {address}")
            click.echo(
                f"\nIn another terminal:\n  set -a; . {shlex.quote(str(variables))}; set +a; dagster dev"
            )
            click.echo("Ctrl-C ends the sandbox.")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


def _write_settings(state: Path, running: Sandbox) -> Path:
    """Return a defs.yaml for the sample project, and the variables in a file that only the user can read."""
    definitions = state / "defs" / "sampleproject"
    definitions.mkdir(parents=True, exist_ok=True)
    (definitions / "defs.yaml").write_text(running.defs_yaml())
    home = state / "dagster_home"
    home.mkdir(exist_ok=True)
    values = running.environment | {"RELEASE_ASSETS_DEFS": str(state / "defs"), "DAGSTER_HOME": str(home)}
    file = state / "environment"
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()))
    return file


if __name__ == "__main__":
    sandbox()
