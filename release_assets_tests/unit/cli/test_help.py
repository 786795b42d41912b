"""`--help`, `--version`, completion, and the answer to an unknown name."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from release_assets.cli import COMMANDS, commands
from release_assets.process import environment

COMMAND = Path(sys.executable).with_name("release-assets")


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_list_says_what_the_command_says_first(name: str) -> None:
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    assert " ".join((command.help or "").partition("\n\n")[0].split()) == COMMANDS[name]


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_help_has_an_example_the_variables_and_the_exit_statuses(name: str) -> None:
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    text = command.get_help(click.Context(command, info_name=f"release-assets {name}"))
    assert f"release-assets {name}" in text.partition("Examples:")[2]
    assert "RELEASE_ASSETS_DEFS" in text
    assert "Exit status: 0 done, 1 failed, 2 wrong usage or configuration." in text


@pytest.mark.parametrize("name", ["plan", "release", "approve", "status", "rebuild", "rollback"])
def test_options_are_explained_in_whole_sentences(name: str) -> None:
    command = commands.get_command(click.Context(commands), name)
    assert command is not None
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.help[0].isupper(), option.help
            assert option.help.endswith("."), option.help


def test_help_imports_no_command() -> None:
    """Dagster alone takes more than a second."""
    code = "import sys, release_assets.cli; print('dagster' in sys.modules)"
    checked = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert checked.stdout == "False\n"
    started = time.monotonic()
    assert "rollback" in run("--help").stdout
    bare = time.monotonic()
    subprocess.run([sys.executable, "-c", "import dagster"], check=True, timeout=60)
    assert bare - started < time.monotonic() - bare


def test_the_version_is_the_distributions() -> None:
    assert run("--version").stdout == f"release-assets {version('release-assets')}\n"


def test_an_unknown_command_is_answered_with_the_nearest() -> None:
    ended = run("rolback", "v1.0.0")
    assert ended.returncode == 2
    assert "No such command 'rolback'. Did you mean 'rollback'? There are: " in ended.stderr
    assert "plan, release, approve, status" in ended.stderr


def test_an_unknown_option_is_answered_with_the_nearest() -> None:
    ended = run("rollback", "v1.0.0", "--dry-rnu")
    assert ended.returncode == 2
    assert "--dry-run" in ended.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("ro", ["plain,rollback"]), ("re", ["plain,release", "plain,rebuild"]), ("--v", ["plain,--version"])],
)
def test_the_shell_completes_commands_and_options(typed: str, offered: list[str]) -> None:
    ended = run(
        COMP_WORDS=f"release-assets {typed}", COMP_CWORD="1", _RELEASE_ASSETS_COMPLETE="bash_complete"
    )
    assert ended.stdout.splitlines() == offered


def test_without_a_project_it_says_where_they_are_declared(tmp_path: Path) -> None:
    ended = run("plan", "v1.0.0", RELEASE_ASSETS_DEFS=str(tmp_path))
    assert ended.returncode == 2
    assert f"There is no project in {tmp_path}. Set RELEASE_ASSETS_DEFS" in ended.stderr
