"""A machine in a cloud, made in a network namespace of its own: a metadata server, and a package index.

Runs a program there twice, as this user and as build code runs, and prints what it printed as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from release_assets.distributions.build_network import build_network
from release_assets.distributions.isolation import isolated
from release_assets.process import environment, run

METADATA, INDEX = "169.254.169.254", "10.9.8.7"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        address = self.connection.getsockname()[0]
        if self.path == "/to-metadata":
            self.send_response(302)
            self.send_header("Location", f"http://{METADATA}/identity")
            body = b""
        else:
            self.send_response(200)
            body = b"an identity" if address == METADATA else f"{self.headers['Host']}{self.path}".encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


def main(program: str) -> None:
    for command in (
        f"addr add {METADATA}/32 dev lo",
        f"addr add {INDEX}/32 dev lo",
        "addr add fd00:ec2::254/128 dev lo",
        "link set lo up",
    ):
        run(["ip", *command.split()], env=environment(), timeout=10)
    for address in (METADATA, INDEX, "127.0.0.1"):
        server = ThreadingHTTPServer((address, 80), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    argv = [sys.executable, "-c", program]
    refused: list[str] = []
    open_to_all = run(argv, env=environment(NO_PROXY="*"), timeout=30)
    with build_network(refused.append, local=()) as network:
        built = run(
            isolated(argv, readable=(), writable=(), network=network),
            env=environment() | network.variables,
            timeout=30,
        )
    print(json.dumps({"open": json.loads(open_to_all), "build": json.loads(built), "refused": refused}))


if __name__ == "__main__":
    main(sys.argv[1])
