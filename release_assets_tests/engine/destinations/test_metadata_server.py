"""RUN steps reach a cloud's metadata server, until the machine of the engine refuses it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from release_assets.process import CommandFailedError, environment, run
from release_assets_tests.paths import ROOT
from tools.sandbox import system
from tools.sandbox.engine import Engine
from tools.sandbox.servers import running_server, wait_until

METADATA = "169.254.169.254"
IDENTITY = "an-identity-of-this-machine"
ASK = f"exec 3<>/dev/tcp/{METADATA}/80 && printf 'GET /identity HTTP/1.0\\r\\n\\r\\n' >&3 && "
ASK += "while read -r line <&3; do echo $line; done"


def ip(*arguments: str) -> None:
    run(["ip", *arguments], env=environment(), timeout=20)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[None]:
    """A metadata server one hop away, as in a cloud: in a network namespace of its own."""
    name = f"cloud-{os.getpid()}"
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "identity").write_text(IDENTITY + "\n")
    with contextlib.ExitStack() as stack:
        ip("netns", "add", name)
        stack.callback(ip, "netns", "delete", name)
        ip("link", "add", "ra-cloud", "type", "veth", "peer", "name", "up", "netns", name)
        ip("addr", "add", "10.199.0.1/30", "dev", "ra-cloud")
        ip("link", "set", "ra-cloud", "up")
        for command in ("addr add 10.199.0.2/30 dev up", f"addr add {METADATA}/32 dev lo", "link set lo up"):
            ip("-n", name, *command.split())
        ip("-n", name, "link", "set", "up", "up")
        ip("-n", name, "route", "add", "default", "via", "10.199.0.1")
        ip("route", "add", f"{METADATA}/32", "via", "10.199.0.2")
        serve = [sys.executable, "-m", "http.server", "--bind", METADATA, "--directory", "served", "80"]
        stack.enter_context(
            running_server(
                "metadata",
                ["ip", "netns", "exec", name, "env", f"--chdir={tmp_path}", *serve],
                env=environment(),
                log=tmp_path / "metadata.log",
                is_ready=lambda: wait_until(lambda: True, seconds=1),
            )
        )
        yield


def ask_in_a_dockerfile(engine: Engine, context: Path, attempt: str) -> str:
    """Build an image with a RUN step that requests it; return what the build printed."""
    said: list[str] = []
    buildx = system.find_program("docker-buildx")
    assert buildx is not None
    argv = [buildx, "build", "--builder=default", "--progress=plain", f"--build-arg=ATTEMPT={attempt}"]
    run(
        [*argv, "--output=type=cacheonly", context],
        env=system.environment(DOCKER_HOST=engine.host),
        timeout=120,
        on_line=said.append,
    )
    return "\n".join(said)


def test_a_dockerfile_is_kept_from_it_by_a_rule_of_the_engines_machine(
    engine: Engine, cloud: None, tmp_path: Path
) -> None:
    assert cloud is None
    context = tmp_path / "context"
    bash = Path(shutil.which("bash") or "/bin/bash")
    libraries = run(["ldd", bash], env=environment(), timeout=20).split()
    for file in [bash, *(Path(word) for word in libraries if word.startswith("/"))]:
        there = context / "root" / file.relative_to("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, there)
    (context / "Dockerfile").write_text(
        f'FROM scratch\nCOPY root /\nARG ATTEMPT\nSHELL ["{bash}", "-c"]\nRUN {ASK}\n'
    )
    assert IDENTITY in ask_in_a_dockerfile(engine, context, "open")
    rule = ["-d", METADATA, "-j", "REJECT"]
    page = (ROOT / "docs" / "how-to" / "trusted-publishing.md").read_text()
    assert "iptables -I DOCKER-USER -d 169.254.0.0/16 -j REJECT" in page
    run(["iptables", "-I", "DOCKER-USER", *rule], env=system.environment(), timeout=20)
    try:
        with pytest.raises(CommandFailedError, match="refused"):
            ask_in_a_dockerfile(engine, context, "closed")
    finally:
        run(["iptables", "-D", "DOCKER-USER", *rule], env=system.environment(), timeout=20)
