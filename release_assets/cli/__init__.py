"""The command line: `release-assets`. One file for each command."""

from __future__ import annotations

import sys

import click

from release_assets.cli.check import check
from release_assets.cli.demo import demo
from release_assets.cli.init import init
from release_assets.cli.rebuild import rebuild
from release_assets.cli.rollback import rollback
from release_assets.cli.sandbox import sandbox
from release_assets.cli.schema import schema
from release_assets.errors import DeclarationError, ReleaseError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Release Python packages with Dagster."""


commands.add_command(check)
commands.add_command(demo)
commands.add_command(init)
commands.add_command(rebuild)
commands.add_command(rollback)
commands.add_command(sandbox)
commands.add_command(schema)


def main() -> None:
    """The console script. Exit status 0 done, 1 failed, 2 wrong usage or configuration."""
    try:
        commands(prog_name="release-assets")
    except ReleaseError as error:
        click.echo(f"release-assets: {error.problem}\n{error.remedy}", err=True)
        sys.exit(2 if isinstance(error, DeclarationError) else 1)
