"""The small fixed part of `make chaos`: each kind of kill, and a cell of the matrix for each destination."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from release_assets_tests.scripted_server import ScriptedServer, Told
from release_assets_tests.secret_forms import forms_of
from tools.chaos.judge import leaks
from tools.chaos.matrix import cells
from tools.chaos.proxy import Fault, Proxy, proxy_before


def test_the_matrix_has_every_cell_that_makes_sense() -> None:
    assert len(cells()) == len(set(cells())) == 2 * (4 * 13 - 2)


@pytest.fixture
def proxy(server: ScriptedServer) -> Iterator[Proxy]:
    server.answers(Told(body=b"0123456789", headers={"Location": f"{server.url}/there"}))
    port = int(server.url.rpartition(":")[2])
    with proxy_before(port, rewrite=True) as running:
        yield running


def get(proxy: Proxy, path: str = "/") -> requests.Response:
    return requests.get(f"http://localhost:{proxy.port}{path}", timeout=2)


def test_a_proxy_without_a_fault_only_passes_on(proxy: Proxy) -> None:
    answer = get(proxy)
    assert (answer.status_code, answer.content) == (200, b"0123456789")


def test_a_fault_begins_at_its_request_and_passes(proxy: Proxy) -> None:
    proxy.fault = Fault("503", lambda _, path: path == "/upload", seconds=0.3)
    assert get(proxy).status_code == 200
    assert get(proxy, "/upload").status_code == 503
    assert get(proxy).status_code == 503
    assert proxy.fault.hits == 2
    proxy.fault.seconds = 0.0
    assert get(proxy, "/upload").status_code == 200


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset", requests.ConnectionError),
        ("truncated", requests.exceptions.ChunkedEncodingError),
        ("silence", requests.ReadTimeout),
    ],
)
def test_what_breaks_a_connection(proxy: Proxy, kind: str, error: type[Exception]) -> None:
    proxy.fault = Fault(kind, lambda *_: True)
    with pytest.raises(error):
        get(proxy)


def test_a_stale_answer_is_the_one_before_the_fault(proxy: Proxy, server: ScriptedServer) -> None:
    assert get(proxy).content == b"0123456789"
    server.answers(Told(body=b"new"))
    proxy.fault = Fault("stale", lambda *_: True)
    assert get(proxy).content == b"0123456789"
    assert get(proxy, "/never-asked-before").status_code == 404


def test_a_leak_is_found_in_every_form(tmp_path: Path) -> None:
    for number, form in enumerate(sorted(forms_of("pypi-a secret/of+ours"))):
        (tmp_path / f"{number}").write_text(f"before {form} after")
    (tmp_path / "clean").write_bytes(b"nothing")
    assert len(leaks(tmp_path.iterdir(), ["pypi-a secret/of+ours"])) >= 4
    assert leaks([tmp_path / "clean"], ["pypi-a secret/of+ours"]) == []
