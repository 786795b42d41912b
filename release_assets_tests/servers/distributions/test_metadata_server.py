"""A cloud's metadata server stands next to the build, and the build code asks it for an identity."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from release_assets.process import environment, run

pytestmark = pytest.mark.usefixtures("bubblewrap")

# Asks in every way that Python has; the last two pass by every proxy.
ATTACK = """
import json, socket, urllib.request
found = {}
for url in (
    "http://10.9.8.7/simple/", "http://169.254.169.254/identity", "http://10.9.8.7/to-metadata",
    "http://2852039166/identity", "http://0xa9fea9fe/identity", "http://[::ffff:169.254.169.254]/identity",
    "http://metadata.google.internal/identity", "http://127.0.0.1/graphql",
):
    try:
        found[url] = urllib.request.urlopen(url, timeout=5).read().decode()
    except Exception as error:
        found[url] = f"failed: {error}"
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for url in ("http://169.254.169.254/identity", "http://10.9.8.7/simple/"):
    try:
        found["direct " + url] = direct.open(url, timeout=5).read().decode()
    except Exception as error:
        found["direct " + url] = f"failed: {error}"
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """Run a program on a machine in a cloud, as this user and as build code."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    machine = str(Path(__file__).with_name("machine_in_a_cloud.py"))
    argv = ["unshare", *user, "--net", sys.executable, machine, ATTACK]
    root = str(Path(__file__).parents[3])
    found = json.loads(run(argv, env=environment(PYTHONPATH=root), timeout=60).splitlines()[-1])
    assert isinstance(found, dict)
    return found


def test_without_isolation_the_identity_is_handed_out(seen: dict[str, Any]) -> None:
    """Else the next test would prove nothing."""
    assert seen["open"]["http://169.254.169.254/identity"] == "an identity"
    assert seen["open"]["http://10.9.8.7/to-metadata"] == "an identity"
    assert seen["open"]["http://2852039166/identity"] == "an identity"


def test_build_code_gets_no_identity_and_no_webserver(seen: dict[str, Any]) -> None:
    reached = {url: words for url, words in seen["build"].items() if not words.startswith("failed:")}
    assert reached == {"http://10.9.8.7/simple/": "10.9.8.7/simple/"}
    assert "403" in seen["build"]["http://169.254.169.254/identity"]
    assert "unreachable" in seen["build"]["direct http://169.254.169.254/identity"]


def test_the_log_says_what_build_code_tried(seen: dict[str, Any]) -> None:
    said = "\n".join(seen["refused"])
    assert (
        "build code may not reach 169.254.169.254:80: "
        "169.254.169.254 is a cloud's metadata server, or next to one" in said
    )
    assert "build code may not reach metadata.google.internal:80: it is a cloud's metadata server" in said
    assert "build code may not reach 127.0.0.1:80: 127.0.0.1 is this machine" in said
