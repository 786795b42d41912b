"""Options that several commands have, and what every `--help` ends with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

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
