"""Read and show the URLs in a registry's answers."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from release_assets.text import one_line


def joined(base: str, link: str) -> str:
    """Return a link in an answer as a whole URL; "" where it is none."""
    try:
        return urljoin(base, link) if urlsplit(urljoin(base, link)).hostname else ""
    except ValueError:
        return ""


def origin(url: str) -> tuple[str, str]:
    """Return the scheme, host and port of a URL."""
    return urlsplit(url).scheme, urlsplit(url).netloc


def shown(url: str) -> str:
    """Return a URL for people: without its query."""
    return one_line(url.partition("?")[0])
