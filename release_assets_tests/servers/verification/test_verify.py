"""`release-assets verify` against the stand-ins, as somebody with an empty DAGSTER_HOME and no secret."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from release_assets_tests.maintainer import RELEASE_HALF, NewMaintainer, Stands
from release_assets_tests.terminal import Terminal, open_terminal

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def released(
    new: NewMaintainer, package_stands: Stands, tmp_path_factory: pytest.TempPathFactory
) -> Terminal:
    """A stranger's terminal, and a release that somebody else made."""
    maintainer = new(package_stands)
    maintainer.tag("v1.0.0", "1.0.0")
    outcome = maintainer.materialize("v1.0.0", *RELEASE_HALF)
    assert outcome.success, outcome.said
    return open_terminal(maintainer, tmp_path_factory.mktemp("stranger"))


def verify(terminal: Terminal, *arguments: str) -> tuple[int, dict[str, Any]]:
    unset = {"PYPI_TOKEN": "", "TEST_PYPI_TOKEN": "", "DAGSTER_HOME": ""}
    done = terminal.run("verify", "v1.0.0", "--json", *arguments, **unset)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_strangers_machine_builds_the_same_bytes(released: Terminal) -> None:
    status, answer = verify(released)
    name = released.maintainer.name
    rebuilt = {found["what"]: found for found in answer["findings"] if found["section"] == "rebuilt here"}
    assert {what: found["verdict"] for what, found in rebuilt.items()} == {
        f"{name}-1.0.0.tar.gz": "ok",
        f"{name}-1.0.0-py3-none-any.whl": "ok",
    }
    files = {found["what"]: found["verdict"] for found in answer["findings"] if found["section"] == "files"}
    assert files[f"{name}-1.0.0.tar.gz"] == "ok"
    assert (status, answer["failed"]) == (0, False)
    assert any(line.startswith("git clone ") for line in answer["commands"])


def test_the_printed_commands_make_the_same_bytes(released: Terminal, tmp_path: Path) -> None:
    _, answer = verify(released, "--no-rebuild")
    script = "\n".join(["set -e", *answer["commands"]])
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=tmp_path, env=released.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    sums = [line.split()[0] for line in done.stdout.splitlines() if "/" in line and len(line.split()) == 2]
    assert len(sums) == 4
    assert len(set(sums)) == 2  # each published file, and the same again


def test_a_tag_that_was_moved_builds_something_else(released: Terminal) -> None:
    maintainer = released.maintainer
    maintainer.commit("1.0.0", **{f"{maintainer.name}.py": '"""Another."""\n'})
    maintainer.repository.git("tag", "--force", "v1.0.0")
    status, answer = verify(released)
    failed = {found["what"]: found for found in answer["findings"] if found["verdict"] == "failed"}
    assert status == 1
    assert failed.keys() == {f"{maintainer.name}-1.0.0.tar.gz"}
    details = "\n".join(failed[f"{maintainer.name}-1.0.0.tar.gz"]["details"])
    assert f"contents of {maintainer.name}-1.0.0/{maintainer.name}.py: line 1 is" in details


def test_verify_of_a_tag_that_is_not_there_names_the_nearest(released: Terminal) -> None:
    done = released.run("verify", "v1.0.1")
    assert done.returncode == 2
    assert "The nearest: v1.0.0" in done.stderr
