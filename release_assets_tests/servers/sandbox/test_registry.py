"""The stand-in for Docker Hub wants a password, keeps what is pushed, and listens on loopback only."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import pytest
import requests

from tools.sandbox.registry import Registry, registry_server
from tools.sandbox.servers import answers

ANY_ADDRESS = "00000000"  # as /proc/net/tcp writes 0.0.0.0


@pytest.mark.parametrize("auth", [None, ("maintainer", "wrong"), ("somebody", "wrong")])
def test_it_wants_the_password(registry: Registry, auth: tuple[str, str] | None) -> None:
    answer = requests.get(f"http://{registry.host}/v2/", auth=auth, timeout=10)
    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_the_password_opens_it(registry: Registry) -> None:
    auth = (registry.username, registry.token)
    assert requests.get(f"http://{registry.host}/v2/", auth=auth, timeout=10).ok


def test_it_listens_on_loopback_only(registry: Registry) -> None:
    port = f"{int(registry.host.partition(':')[2]):04X}"
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    assert not [address for address in listening if address == f"{ANY_ADDRESS}:{port}"]


def test_a_second_one_has_another_password_and_is_temporary(registry: Registry, tmp_path: Path) -> None:
    with registry_server(tmp_path, say=print) as second:
        auth = (registry.username, registry.token)
        answer = requests.get(f"http://{second.host}/v2/", auth=auth, timeout=10)
        assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert not answers(f"http://{second.host}/v2/")
    assert answers(f"http://{registry.host}/v2/")
