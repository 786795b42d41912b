"""A GitLab on loopback: the parts of its API that releases need, kept in memory. Stands in at HTTP only."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "glpat-of-the-stand-in"


@dataclass
class GitLab:
    """The content of its one project, and the failures that come next."""

    url: str = ""
    project: str = "group/sub/sample"
    archived: bool = False
    role: int = 40
    releases: dict[str, dict[str, Any]] = field(default_factory=dict)
    packages: dict[str, int] = field(default_factory=dict)  # version → id
    files: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    fails: list[int] = field(default_factory=list)  # statuses of the next writes, before anything is done
    loses: int = 0  # answers to the next writes, after they are done

    def names(self) -> list[str]:
        """The names of the files, in the order that they came."""
        return [str(file["file_name"]) for file in self.files]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gitlab: GitLab

    def do_GET(self) -> None:
        self._handle(None)

    def do_DELETE(self) -> None:
        self._handle(None)

    def do_POST(self) -> None:
        self._handle(self.rfile.read(int(self.headers.get("content-length", 0))))

    do_PUT = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass

    def _handle(self, body: bytes | None) -> None:
        lab, parts = self.gitlab, urlsplit(self.path)
        here = f"/api/v4/projects/{lab.project.replace('/', '%2F')}"
        lab.asked.append(f"{self.command} {parts.path.removeprefix(here) or '/'}")
        is_write = self.command != "GET"
        if is_write and lab.fails:
            self._answer(lab.fails.pop(0), {"message": "it fails"})
            return
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            # As GitLab: a wrong token is refused, and without one a private project is not there.
            status = 401 if "authorization" in self.headers else 404
            self._answer(status, {"message": f"{status} {self.headers.get('authorization')}"})
            return
        if not parts.path.startswith(here):
            self._answer(404, {"message": "404 Project Not Found"})
            return
        status, answer = self._route(parts.path.removeprefix(here), parse_qs(parts.query), body)
        if is_write and lab.loses:
            lab.loses -= 1
            self.close_connection = True
            return
        self._answer(status, answer)

    def _route(self, path: str, query: dict[str, list[str]], body: bytes | None) -> tuple[int, Any]:
        lab = self.gitlab
        match self.command, [unquote(part) for part in path.strip("/").split("/")]:
            case "GET", [""]:
                access = {"project_access": {"access_level": lab.role}, "group_access": None}
                return 200, {"archived": lab.archived, "permissions": access}
            case "GET", ["releases"]:
                return 200, list(reversed(lab.releases.values()))
            case "GET", ["releases", tag]:
                found = lab.releases.get(tag)
                return (200, found) if found else (404, {"message": "404 Not Found"})
            case "POST", ["releases"]:
                return self._release(json.loads(body or b""))
            case "POST", ["releases", tag, "assets", "links"]:
                links = lab.releases[tag]["assets"]["links"]
                links.append({"id": len(links) + 1, **json.loads(body or b"")})
                return 201, links[-1]
            case "GET", ["packages"]:
                version = query["package_version"][0]
                known = lab.packages.get(version)
                return 200, [{"id": known, "name": "releases", "version": version}] if known else []
            case "GET", ["packages", number, "package_files"]:
                return 200, [file for file in lab.files if str(file["package"]) == number]
            case "DELETE", ["packages", _, "package_files", number]:
                lab.files = [file for file in lab.files if str(file["id"]) != number]
                return 204, None
            case "PUT", ["packages", "generic", "releases", version, name]:
                package = lab.packages.setdefault(version, len(lab.packages) + 1)
                self.put(package, name, body or b"")
                return 201, {"message": "201 Created"}
        return 404, {"error": f"no route for {self.command} {path}"}

    def put(self, package: int, name: str, content: bytes) -> None:
        sha256 = hashlib.sha256(content).hexdigest()
        self.gitlab.files.append(
            {
                "id": len(self.gitlab.asked) + 1000,
                "package": package,
                "file_name": name,
                "size": len(content),
                "file_sha256": sha256,
            }
        )

    def _release(self, wanted: dict[str, Any]) -> tuple[int, Any]:
        lab, tag = self.gitlab, wanted["tag_name"]
        if tag in lab.releases:
            return 409, {"message": "Release already exists"}
        page = f"{lab.url}/{lab.project}/-/releases/{tag}"
        links = [
            {"id": number, "direct_asset_url": f"{page}/downloads{link['direct_asset_path']}", **link}
            for number, link in enumerate(wanted.get("assets", {}).get("links", []), start=1)
        ]
        lab.releases[tag] = {
            "tag_name": tag,
            "name": wanted["name"],
            "description": wanted["description"],
            "released_at": "2026-11-25T00:00:00.000Z",
            "upcoming_release": False,
            "commit": {"id": wanted.get("ref")},
            "assets": {"links": links},
            "_links": {"self": page},
        }
        return 201, lab.releases[tag]

    def _answer(self, status: int, content: Any) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        etag = f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'
        if status == 200 and self.headers.get("if-none-match") == etag:
            status, body = 304, b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def gitlab_server() -> Iterator[GitLab]:
    """Yield a GitLab that answers on loopback for as long as the block lasts."""
    lab = GitLab()
    handler = type("Handler", (_Handler,), {"gitlab": lab})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    lab.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield lab
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
