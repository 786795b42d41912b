"""git's own smart HTTP server for repositories on disk, since a proxy needs something to stand before."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


class _Handler(BaseHTTPRequestHandler):
    root: Path
    authorization: str | None
    lfs_status: int

    def do(self) -> None:
        """Run `git http-backend` for one request, by CGI's rules (RFC 3875)."""
        if self.authorization is not None and self.headers.get("Authorization") != self.authorization:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        path = urlsplit(path).path  # whole for a proxy
        if "/lfs/objects/" in path:
            self.do_lfs(path)
            return
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": self.headers.get("Content-Length", "0"),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        done = subprocess.run(
            ["git", "http-backend"],  # noqa: S607  (on PATH, as for everybody)
            env=env,
            input=body,
            capture_output=True,
            timeout=60,
            check=False,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_lfs(self, path: str) -> None:
        """Respond as a Git LFS server whose objects are those of the repository's own clone."""
        repository, _, oid = path.partition("/info/lfs/objects/")
        stored = self.root / repository.strip("/") / "lfs" / "objects"
        status, kind = 200, "application/vnd.git-lfs+json"
        if oid == "batch":
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            objects: list[dict[str, object]] = []
            for one in asked["objects"]:
                here = f"http://{self.headers['Host']}{path.removesuffix('batch')}{one['oid']}"
                has = (stored / one["oid"][:2] / one["oid"][2:4] / one["oid"]).is_file()
                lacks = {"error": {"code": 404, "message": "Object does not exist"}}
                objects.append({**one, **({"actions": {"download": {"href": here}}} if has else lacks)})
            content = json.dumps({"transfer": "basic", "objects": objects}).encode()
        else:
            content, kind = (stored / oid[:2] / oid[2:4] / oid).read_bytes(), "application/octet-stream"
            status = self.lfs_status
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do  # noqa: N815  (http.server's names)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: the table is the log."""


@contextlib.contextmanager
def git_server(
    root: Path, *, authorization: str | None = None, tls: ssl.SSLContext | None = None, lfs_status: int = 200
) -> Iterator[int]:
    """Serve the repositories below `root` inside the block, on the port of loopback that is yielded.

    `authorization` is a header's value without which it responds 401; `lfs_status` is that of LFS objects.
    """

    class Handler(_Handler):
        pass

    Handler.root, Handler.authorization, Handler.lfs_status = root, authorization, lfs_status
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
