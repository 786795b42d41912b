"""The credential helper, run as docker runs it: a program, a word, a line on standard input."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from release_assets.destinations.docker_credential import HOST, TOKEN, USERNAME

ENVIRONMENT = {HOST: "registry.example:5000", USERNAME: "maintainer", TOKEN: "s3cret"}


def helper(action: str, asked: str = "", env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit status and standard output; nothing may be on standard error."""
    script = "from release_assets.destinations.docker_credential import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, action],
        input=asked,
        env=ENVIRONMENT if env is None else env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


def test_the_registry_that_it_was_given_gets_the_credentials() -> None:
    status, said = helper("get", "registry.example:5000\n")
    assert status == 0
    assert json.loads(said) == {
        "ServerURL": "registry.example:5000",
        "Username": "maintainer",
        "Secret": "s3cret",
    }


@pytest.mark.parametrize("asked", ["https://index.docker.io/v1/", "registry.example", "", "\n"])
def test_docker_continues_without_login_for_any_other_registry(asked: str) -> None:
    assert helper("get", asked) == (1, "credentials not found in native keychain")


@pytest.mark.parametrize("asked", ["registry.example:5000", ""])
def test_without_credentials_in_the_environment_nobody_gets_any(asked: str) -> None:
    assert helper("get", asked, env={}) == (1, "credentials not found in native keychain")


def test_the_list_shows_users_and_no_secrets() -> None:
    assert helper("list") == (0, '{"registry.example:5000": "maintainer"}')
    assert helper("list", env={}) == (0, "{}")


@pytest.mark.parametrize("action", ["store", "erase", "nonsense"])
def test_nothing_can_be_stored_or_erased(action: str) -> None:
    status, said = helper(action, '{"ServerURL": "registry.example:5000", "Secret": "other"}')
    assert status == 1
    assert said == "release-assets keeps no credentials; it gives those of the environment"


def test_it_starts_without_the_libraries_that_the_rest_needs() -> None:
    script = (
        "import sys; import release_assets.destinations.docker_credential; "
        "print([name for name in ('dagster', 'pydantic', 'requests') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
