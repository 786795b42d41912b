"""Stands in for GitHub: `emulate`, a server that knows releases, their assets and who may see what."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from release_assets import process
from tools.sandbox.npm import installed_modules
from tools.sandbox.servers import answers, free_port, running_server

NPM_PACKAGE = Path(__file__).with_name("emulate")  # package.json and its lock, with the hash of every file
OWNER = "maintainer"


@dataclass(frozen=True)
class GitHubServer:
    """An API at `api_url` with one empty private `repository` (owner/name), which only `token` sees."""

    api_url: str
    repository: str
    token: str


@contextlib.contextmanager
def github_server(
    folder: Path, *, state: Path, name: str = "sampleproject", apps: Sequence[Mapping[str, object]] = ()
) -> Iterator[GitHubServer]:
    """Yield a server with one repository called `name`; `folder` holds its log, `state` keeps its program.

    `apps` are GitHub Apps as emulate's seed has them: their tokens have permissions, which others lack.
    """
    modules = installed_modules(NPM_PACKAGE, state)
    token = f"ghp_{secrets.token_urlsafe(32)}"
    seed = folder / "github.json"  # YAML is what it reads, and JSON is YAML
    seed.touch(mode=0o600)
    seed.write_text(
        json.dumps({
            "tokens": {token: {"login": OWNER, "scopes": ["repo", "user"]}},
            "github": {
                # An unknown token counts as the first user's. So the first one may do nothing.
                "users": [{"login": "nobody"}, {"login": OWNER}],
                "repos": [{"owner": OWNER, "name": name, "private": True}],
                "apps": list(apps),
            },
        })
    )  # fmt: skip
    port = free_port()
    # This name and no other: URLs in its answers say localhost, and PyGithub wants the host that it asked.
    url = f"http://localhost:{port}"
    serve = ["node", f"{modules}/emulate/dist/index.js", "start", "--service", "github"]
    with running_server(
        "emulate",
        [*serve, "--host", "127.0.0.1", "--port", str(port), "--seed", f"{seed}"],
        env=process.environment(),
        log=folder / "github.log",
        is_ready=lambda: answers(f"{url}/rate_limit"),
    ):
        yield GitHubServer(url, f"{OWNER}/{name}", token)
