"""Files, assets and tags whose names leave their folder, drive terminals, or never end."""

import json
import socket

from release_assets_tests.hostile_server import Request, reply

NAMES = [
    "../../evil-1.0.tar.gz", "/etc/evil-1.0.tar.gz", "..\\evil-1.0.tar.gz", "evil-1.0.tar.gz\x00.whl",
    "evil-1.0.tar.gz\n", "\x1b[2Jevil-1.0.tar.gz", "\u202eevil-1.0.tar.gz", "-rf-1.0.tar.gz/..", "",
    "x" * 10_000 + "-1.0.tar.gz", "../sample_project-1.0-py3-none-any.whl",
]  # fmt: skip


def answer(request: Request, wire: socket.socket) -> None:
    if request.destination == "github":
        reply(wire, headers={"Content-Type": "application/json"}, body=json.dumps(_github(request)).encode())
        return
    files = [{"filename": name, "url": f"/files/{name}", "hashes": {"sha256": "a" * 64}} for name in NAMES]
    page = {"meta": {"api-version": "1.0"}, "name": "sample-project", "files": files, "tags": NAMES}
    reply(wire, headers={"Content-Type": request.media_type}, body=json.dumps(page).encode())


def _github(request: Request) -> object:
    assets = [
        {
            "id": number, "name": name, "size": 3, "state": f"starter\x1b[2J{name}", "digest": name,
            "browser_download_url": f"https://192.0.2.1/\x1b[2J{name}",
        }
        for number, name in enumerate([*NAMES, "sample_project-1.0-py3-none-any.whl"])
    ]  # fmt: skip
    release = {
        "id": 1, "tag_name": "v1.0", "html_url": "https://192.0.2.1/\x1b[2J<b>", "name": "", "body": "",
        "draft": True,
        "prerelease": False, "assets": assets, "published_at": None,
        "upload_url": f"{request.here}/repos/upload/\x1b[2J",
    }  # fmt: skip
    if request.method == "DELETE":
        return {}
    if request.path.partition("?")[0].endswith("/assets"):
        return assets
    return [release] if request.path.partition("?")[0].endswith("/releases") else release
