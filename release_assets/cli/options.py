"""Options that several commands have, and what every `--help` ends with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

EXIT_STATUS = "Exit status: 0 done, 1 failed, 2 wrong usage or configuration."
VARIABLES = {
    "RELEASE_ASSETS_DEFS": "the directory with one subdirectory per project",
    "DAGSTER_HOME": "where Dagster keeps its records",
    "RELEASE_ASSETS_STORE": "where distributions are kept; unset, below DAGSTER_HOME",
}
SECRETS = "and the secrets that defs.yaml names (PYPI_TOKEN, GITHUB_TOKEN, DOCKER_TOKEN, ...)"


def epilog(*examples: str, variables: Sequence[str] = tuple(VARIABLES), secrets: str = "") -> str:
    """Return the end of a command's help: examples, the variables that it reads, and its exit statuses."""
    width = max(map(len, variables), default=0)
    named = [f"  {name:{width}}  {VARIABLES[name]}" for name in variables]
    parts = [
        "\b\nExamples:\n" + "\n".join(f"  {example}" for example in examples),
        "\b\nVariables:\n" + "\n".join([*named, *([f"  {secrets}"] if secrets else [])]),
        EXIT_STATUS,
    ]
    return "\n\n".join(parts)


project_option = click.option(
    "--project", metavar="NAME", help="The project. Needed only where there are several."
)
verbose_option = click.option(
    "-v", "--verbose", is_flag=True, help="Print every event of Dagster's log to standard error."
)


def json_option(help_text: str) -> Callable[[F], F]:
    """Return the option --json with the help text of its command."""
    return click.option("--json", "as_json", is_flag=True, help=help_text)


def dry_run_option(help_text: str) -> Callable[[F], F]:
    """Return the option --dry-run with the help text of its command."""
    return click.option("--dry-run", is_flag=True, help=help_text)


def ask(yes: bool) -> None:
    """Go on only where a person agrees, or has agreed with --yes.

    Raises UsageError where there is nobody to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked: standard input is not a terminal. Add --yes.")
    click.confirm("Do it?", abort=True, err=True)
