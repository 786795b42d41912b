"""Stands in for PyPI and TestPyPI: one devpi-server with two empty indexes."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from release_assets import process
from tools.sandbox.servers import answers, free_port, loopback_session, running_server

USER = "__token__"  # PyPI's word for: the password is an API token


@dataclass(frozen=True)
class Index:
    """A package index: where twine uploads to, and where pip reads from."""

    upload_url: str
    simple_url: str


@dataclass(frozen=True)
class PackageIndexes:
    """The stand-ins for PyPI (`index`) and for TestPyPI (`test_index`), and the token that both accept."""

    index: Index
    test_index: Index
    token: str


@contextlib.contextmanager
def package_index_server(folder: Path) -> Iterator[PackageIndexes]:
    """Two empty indexes that check hashes and let no file be replaced; `folder` holds them and their log.

    Both have one token: twine logs in as `__token__` everywhere, and a user of devpi has one password.
    """
    data = folder / "devpi"
    # The root password goes by a file: everybody on the machine can read a command line.
    configuration = folder / "devpi.yaml"
    root_password, token = secrets.token_urlsafe(32), f"pypi-{secrets.token_urlsafe(32)}"
    configuration.touch(mode=0o600)
    configuration.write_text(f"devpi-server:\n  root-passwd: {root_password}\n")
    # devpi's own libraries warn of each other on every start.
    env = process.environment(PYTHONWARNINGS="ignore")
    initialise = [
        "devpi-init",
        "--configfile",
        f"{configuration}",
        "--serverdir",
        f"{data}",
        "--no-root-pypi",
    ]
    process.run(initialise, env=env, timeout=120)
    configuration.unlink()

    port = free_port()
    url = f"http://localhost:{port}"
    serve = ["devpi-server", "--serverdir", f"{data}", "--offline-mode", "--threads", "8"]
    with running_server(
        "devpi-server",
        [*serve, "--host", "127.0.0.1", "--port", str(port)],
        env=env,
        log=folder / "devpi.log",
        is_ready=lambda: answers(f"{url}/+api"),
    ):
        with loopback_session() as session:
            session.auth = ("root", root_password)
            session.headers["Accept"] = "application/json"
            session.put(f"{url}/{USER}", json={"password": token}, timeout=30).raise_for_status()
            for name in ("pypi", "testpypi"):
                settings = {"type": "stage", "bases": [], "volatile": False, "acl_upload": [USER]}
                session.put(f"{url}/root/{name}", json=settings, timeout=30).raise_for_status()
        yield PackageIndexes(_index(f"{url}/root/pypi/"), _index(f"{url}/root/testpypi/"), token)


def _index(url: str) -> Index:
    return Index(upload_url=url, simple_url=f"{url}+simple/")
