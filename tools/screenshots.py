"""A browser for the UI, and the pictures of the documentation that are taken in it.

The browser test takes them on its way, so that they show what is tested: `make screenshots` runs that test
and keeps them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import FloatRect, Page, sync_playwright

from tools.sandbox import system

CHROMIUM = {"chromium": "chromium"}
WIDTH, HEIGHT = 1400, 900
PATIENCE_MILLISECONDS = 20_000  # for a page to show what it has to; runs are waited for longer
LARGEST_PICTURE = 200_000  # bytes: a clone should not grow with every release


@dataclass(frozen=True)
class Pictures:
    """The folder of the pictures, None where they are not kept."""

    folder: Path | None

    def take(self, page: Page, name: str, top: int, height: int) -> int:
        """Take a picture of what the page shows from `top` down, in pixels; return the picture's bytes."""
        page.mouse.move(WIDTH - 1, HEIGHT - 1)  # nothing is hovered over
        part = FloatRect(x=0, y=top, width=WIDTH, height=height)
        picture = page.screenshot(animations="disabled", clip=part)
        if self.folder is not None:
            (self.folder / f"{name}.png").write_bytes(picture)
        return len(picture)


def install_chromium(*, say: Callable[[str], None]) -> None:
    """Install Debian's Chromium where it is missing. Raises SandboxError where that is impossible."""
    system.install(system.missing_packages(CHROMIUM), why="the browser test", say=say)


@contextlib.contextmanager
def browser_page(url: str) -> Iterator[Page]:
    """Yield a page of Chromium; it ends with the block. Paths of its `goto` are below `url`."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=system.find_program("chromium"))
        context = browser.new_context(
            base_url=url,
            viewport={"width": WIDTH, "height": HEIGHT},
            locale="en-US",
            timezone_id="UTC",
        )
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        try:
            yield context.new_page()
        finally:
            browser.close()
