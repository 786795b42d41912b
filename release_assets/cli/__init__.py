"""The command line: `release-assets`. One file for each command."""

from __future__ import annotations

import atexit
import difflib
import errno
import gc
import importlib
import json
import os
import sys
from typing import Any

import click
from click.shell_completion import CompletionItem

from release_assets.cli.options import EXIT_STATUS, epilog
from release_assets.errors import DeclarationError, ReleaseError

# The first sentence of each command's help. The commands are imported when they are called: importing
# Dagster lasts seconds, and `--help` and completion are instant.
COMMANDS = {
    "init": "Look at a clone of a repository and write its defs.yaml.",
    "check": "Try everything that a release will need, with requests that change nothing.",
    "plan": "Show what a release of TAG would do now.",
    "release": "Release TAG: the package index, the GitHub release, the images and the floating tags.",
    "approve": "Approve TAG's release, which was built and waits, and publish it.",
    "status": "Show a release as the world has it, next to what was recorded.",
    "rebuild": "Build the images of TAG's release again, from its newest rebuild tag where it has one.",
    "rollback": "Point the floating tags that point to TAG's release back to the release before it.",
    "verify": "Verify TAG's release from the public places alone.",
    "stats": "Show how the last releases went: success rate, durations, cache hit rate, lead time, retries.",
    "webhook": "Release a tag as soon as GitHub reports its push, and serve figures to Prometheus.",
    "schema": "Print the JSON schema of a project's defs.yaml.",
}

AS_JSON = f"{__name__}.as_json"

COMPLETION = """\b
Completion of commands and options:
  eval "$(_RELEASE_ASSETS_COMPLETE=bash_source release-assets)"    in ~/.bashrc
  eval "$(_RELEASE_ASSETS_COMPLETE=zsh_source release-assets)"     in ~/.zshrc
  _RELEASE_ASSETS_COMPLETE=fish_source release-assets | source     in config.fish"""


class LazyGroup(click.Group):
    """A group whose commands are modules of this package, each with a command of the module's name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the group's arguments, and note whether the answer is to be JSON."""
        ctx.meta[AS_JSON] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. With --json, an error is one line of JSON on standard output, too."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, ReleaseError) as error:
            # A command that has printed why its run failed ends by Exit.
            cause = error.__context__ if isinstance(error, click.exceptions.Exit) else error
            if ctx.meta[AS_JSON] and isinstance(cause, ReleaseError):
                click.echo(json.dumps({"error": cause.problem, "remedy": cause.remedy}))
            elif ctx.meta[AS_JSON] and isinstance(cause, click.ClickException):
                click.echo(json.dumps({"error": cause.format_message()}))
            raise

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command, or return None for a name that is not one."""
        if cmd_name not in COMMANDS:
            return None
        command: Any = getattr(importlib.import_module(f"{__name__}.{cmd_name}"), cmd_name)
        if not isinstance(command, click.Command):
            return None
        command.epilog = command.epilog or epilog(f"release-assets {cmd_name}")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; fail with the nearest name and with all of them where there is none."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            ctx.fail(f"No such command {args[0]!r}. {hint}There are: {', '.join(COMMANDS)}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of commands without importing them, and the options of the group."""
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        items = [CompletionItem(name, help=COMMANDS[name]) for name in names]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"{COMPLETION}\n\n{EXIT_STATUS}",
)
@click.version_option(package_name="release-assets", message="%(prog)s %(version)s")
def commands() -> None:
    """Release Python packages with Dagster.

    Each command has a --help of its own, with an example and the variables that it reads.
    """


def main() -> None:
    """Run the console script. Exit status 0 done, 1 failed, 2 wrong usage or configuration."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a locale without ✓ must not end a release
    # Imports make a million objects that stay: to look for garbage among them takes a quarter of a second,
    # and to free them one by one at the end almost a second.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    try:
        commands(prog_name="release-assets")
    except ReleaseError as error:
        click.echo(f"release-assets: {error.problem}\n{error.remedy}", err=True)
        sys.exit(2 if isinstance(error, DeclarationError) else 1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        # What is left of the output must not be written again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        click.echo("release-assets: standard output cannot be written: no space left on device", err=True)
        sys.exit(1)
