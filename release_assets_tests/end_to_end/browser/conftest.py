"""One project in Dagster's UI, with the real daemon: the tests build on each other, as a day's work does."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Locator, Page
from playwright.sync_api import TimeoutError as NotShownError

from release_assets_tests.conftest import skipped_where_impossible
from tools.sandbox import Sandbox
from tools.sandbox.engine import PLATFORMS
from tools.sandbox.github import GitHubServer
from tools.sandbox.package_index import PackageIndexes
from tools.sandbox.sample_project import SampleProject, make_sample_project
from tools.sandbox.servers import free_port
from tools.sandbox.stack import Stack
from tools.screenshots import HEIGHT, LARGEST_PICTURE, Pictures, browser_page, install_chromium

PROJECT = "sampleproject"
TAG = "v3.1.0"
RUN_MILLISECONDS = 120_000  # for a run to end, on a busy machine


@dataclass(frozen=True)
class Maintainer:
    """Somebody with a browser at the UI, and a clone of the project."""

    page: Page
    project: SampleProject
    pictures: Pictures

    def opens(self, path: str) -> None:
        """Go to a page of the UI."""
        self.page.goto(path)

    def opens_release(self, node: str, tag: str = TAG) -> None:
        """Go to the page of one node of one release."""
        self.opens(f"/assets/{PROJECT}/{node}?view=partitions&partition={tag}")

    def sees(self, text: str) -> Locator:
        """Wait until the page shows a text, and return its place."""
        found = self.page.get_by_text(text).filter(visible=True).first
        found.wait_for()
        return found

    def sees_success(self) -> None:
        """Wait until the run on the page has succeeded."""
        ended = self.page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).filter(visible=True).first
        ended.wait_for(timeout=RUN_MILLISECONDS)
        assert ended.inner_text() == "Success"

    def reloads_until(self, text: str) -> None:
        """Load the page again until it shows a text: not every page of Dagster's follows what happens."""
        deadline = time.monotonic() + RUN_MILLISECONDS / 1000
        shown = self.page.get_by_text(text).filter(visible=True).first
        while True:
            with contextlib.suppress(NotShownError):
                shown.wait_for(timeout=3000)
                return
            assert time.monotonic() < deadline, f"{self.page.url} never showed {text!r}"
            self.page.reload()

    def clicks(self, button: str) -> None:
        """Click a button by the beginning of its words."""
        self.page.get_by_role("button", name=button).filter(visible=True).first.click()

    def launches(self, job: str, tag: str = TAG) -> None:
        """Launch a job for a release, with the clicks that this takes, and open the run."""
        self.opens(f"/locations/release_assets.definitions/jobs/{PROJECT}_{job}")
        self.clicks("Materialize all")
        self.sees("Select a partition or create one").click()
        self.page.get_by_text(tag, exact=True).filter(visible=True).last.click()
        self.sees("1 partition")
        # A click elsewhere closes the list of partitions, which may cover the button.
        self.sees("to materialize").click(force=True)
        self.page.get_by_role("button", name="Launch").click()
        self.sees("Launched run")
        self.page.get_by_role("link", name="View", exact=True).filter(visible=True).last.click()

    def takes_picture(self, name: str, *, top: int = 0, height: int = HEIGHT) -> None:
        """Take a picture for the documentation. Fail where it is too large to be kept in a repository."""
        assert 10_000 < self.pictures.take(self.page, name, top, height) < LARGEST_PICTURE


@pytest.fixture(scope="module")
def maintainer(
    sandbox: Sandbox,
    package_index: PackageIndexes,
    github: GitHubServer,
    state: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Maintainer]:
    """A maintainer whose project has one tag from before the first look; nothing of it is released."""
    folder = tmp_path_factory.mktemp("browser")
    project = make_sample_project(folder, state=state)
    project.release(TAG.removeprefix("v"))
    project.push_tag(TAG)
    made = requests.post(
        f"{github.api_url}/user/repos",
        headers={"Authorization": f"Bearer {github.token}"},
        json={"name": "sample", "private": True},
        timeout=10,
    )
    made.raise_for_status()
    attributes = {
        "project": PROJECT,
        "repository": str(project.remote),
        "package": {},
        "index": vars(package_index.index),
        "test_index": vars(package_index.test_index),
        "github": {"api_url": github.api_url, "repository": made.json()["full_name"]},
        "image": {
            "repository": f"{sandbox.registry}/browser/{PROJECT}",
            "platforms": list(PLATFORMS),
            "build_contexts": sandbox.build_contexts,
        },
    }
    tokens = {
        "PYPI_TOKEN": package_index.token,
        "TEST_PYPI_TOKEN": package_index.token,
        "GITHUB_TOKEN": github.token,
    }
    stack = Stack.at(
        folder / "home",
        definitions={PROJECT: json.dumps({"type": "release_assets.ReleaseGraph", "attributes": attributes})},
        variables=sandbox.environment | tokens,
    )
    pictures = os.environ.get("RELEASE_ASSETS_SCREENSHOTS")
    with skipped_where_impossible():
        install_chromium(say=print)
    with stack.daemon(), stack.webserver(free_port()) as url, browser_page(url) as page:
        stack.wait_for_first_ticks({f"{PROJECT}_release_tags", f"{PROJECT}_github_releases"})
        yield Maintainer(page, project, Pictures(Path(pictures) if pictures else None))
