"""A private package index: nginx with TLS, client certificates and passwords in front of devpi."""

from __future__ import annotations

import base64
import contextlib
import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import bcrypt
import requests

from release_assets import process
from tools.sandbox import system
from tools.sandbox.package_index import PackageIndexes
from tools.sandbox.servers import free_port, running_server

PUBLISHER, READER = ("publisher", "publisher-scrt-1"), ("reader", "reader-scrt-2")

CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  log_format seen '$request_uri auth=[$http_authorization] certificate=[$ssl_client_s_dn]';
  access_log off;
  client_body_temp_path {folder}/temp; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/temp;
  uwsgi_temp_path {folder}/temp; scgi_temp_path {folder}/temp;
  ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
  ssl_client_certificate {folder}/ca.pem;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_verify_client on;
    location / {{
      auth_basic private; auth_basic_user_file {folder}/readers;
      location ~ [.]tar[.]gz$ {{ return 302 https://localhost:{elsewhere}$request_uri; }}
      proxy_set_header Authorization ""; proxy_set_header X-Outside-Url https://localhost:{port};
      proxy_pass {devpi};
    }}
    location = {upload} {{
      auth_basic private; auth_basic_user_file {folder}/publishers;
      proxy_set_header Authorization "Basic {login}"; proxy_pass {devpi};
    }}
  }}
  server {{
    listen 127.0.0.1:{elsewhere} ssl;
    ssl_verify_client optional;
    access_log {folder}/elsewhere.log seen;
    location / {{ proxy_set_header Authorization ""; proxy_pass {devpi}; }}
  }}
}}
"""


@dataclass(frozen=True)
class PrivateIndex:
    """The index as defs.yaml has it, and the variables that its users set."""

    upload_url: str
    simple_url: str
    client_certificate: str
    certificates: str  # the authorities that a client trusts
    elsewhere: Path  # the log of another server, which files are redirected to

    @property
    def attributes(self) -> dict[str, str]:
        return {
            "upload_url": self.upload_url,
            "simple_url": self.simple_url,
            "username_env": "PYPI_USERNAME",
            "read_token_env": "PYPI_READ_TOKEN",
            "read_username_env": "PYPI_READ_USERNAME",
            "client_certificate": self.client_certificate,
        }

    @property
    def variables(self) -> dict[str, str]:
        return {
            "PYPI_USERNAME": PUBLISHER[0],
            "PYPI_TOKEN": PUBLISHER[1],
            "PYPI_READ_USERNAME": READER[0],
            "PYPI_READ_TOKEN": READER[1],
            "REQUESTS_CA_BUNDLE": self.certificates,
            "SSL_CERT_FILE": self.certificates,
        }


@contextlib.contextmanager
def private_index(folder: Path, behind: PackageIndexes) -> Iterator[PrivateIndex]:
    """Run nginx in front of devpi's index; it needs the package nginx-light."""
    system.install(system.missing_packages({"nginx": "nginx-light"}), why="a private index", say=print)
    devpi = urlsplit(behind.index.upload_url)
    port, elsewhere = free_port(), free_port()
    _certificates(folder)
    for name, (user, password) in {"publishers": PUBLISHER, "readers": READER}.items():
        # glibc's crypt, which nginx asks, calls the same hash $2y$.
        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$", 1)
        (folder / name).write_text(f"{user}:{hashed}\n")
    (folder / "nginx.conf").write_text(
        CONFIGURATION.format(
            folder=folder,
            port=port,
            elsewhere=elsewhere,
            devpi=f"http://{devpi.netloc}",
            upload=devpi.path,
            login=base64.b64encode(f"__token__:{behind.token}".encode()).decode(),
        )
    )
    url, client = f"https://localhost:{port}", str(folder / "client.pem")

    def is_ready() -> bool:
        try:
            return requests.get(url, cert=client, verify=str(folder / "ca.pem"), timeout=5).status_code == 401
        except requests.RequestException:
            return False

    with running_server(
        "nginx",
        ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")],
        env=system.environment(),
        log=folder / "nginx.log",
        is_ready=is_ready,
    ):
        yield PrivateIndex(
            upload_url=f"{url}{devpi.path}",
            simple_url=f"{url}{urlsplit(behind.index.simple_url).path}",
            client_certificate=client,
            certificates=str(folder / "authorities.pem"),
            elsewhere=folder / "elsewhere.log",
        )


def _certificates(folder: Path) -> None:
    """Make an authority, and certificates of a server and of a client by it."""

    def openssl(*arguments: str) -> None:
        process.run(["openssl", *arguments], env=process.environment(), directory=folder, timeout=30)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    usage = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", *usage)
    for name in ("server", "client"):
        extensions = ("-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", f"{name}.key", "-out", f"{name}.pem")
        openssl("req", "-x509", *new, "-subj", f"/CN={name}", *signed, *extensions)
    client = folder / "client.pem"
    client.write_text(client.read_text() + (folder / "client.key").read_text())
    public = Path(os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().openssl_cafile)
    own = public.read_text() if public.is_file() else ""
    (folder / "authorities.pem").write_text(own + (folder / "ca.pem").read_text())
