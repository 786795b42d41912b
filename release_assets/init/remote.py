"""Read a repository's remote and its tags: where GitHub's release goes, and how tags are written. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from packaging.version import Version

from release_assets.rules.tags import ParsedTag, TagPatterns, parse_tag

# https://host/owner/name, ssh://user@host:port/owner/name, user@host:owner/name
GITHUB = re.compile(
    r"(?:(?:https?|ssh|git)://(?:[^/@]*@)?|(?:[^/@:]+@)?)(?P<host>[^/:]+)(?::\d+/|[:/])"
    r"(?P<name>[\w.-]+/[\w.-]+?)(?:\.git)?/?",
    re.ASCII,
)


@dataclass(frozen=True)
class Remote:
    """A project's repository: the remote for defs.yaml, and its name on GitHub, if it is there."""

    url: str
    github: str | None = None  # owner/name
    api_url: str | None = None  # None for github.com
    alternative: str | None = None  # the SSH remote of the clone, where `url` is the same over HTTPS


def read_remote(url: str, *, has_workflows: bool) -> Remote:
    """Return what a clone's remote says; credentials in it are left out.

    A GitHub remote over SSH becomes the HTTPS one, which reads a public repository without a key. A host that
    is not github.com is GitHub Enterprise if its name says so, or if the repository has GitHub workflows.
    """
    plain = _without_credentials(url)
    match = GITHUB.fullmatch(plain)
    if match is None or ":" not in plain:
        return Remote(plain)
    host, name = match["host"].lower(), match["name"]
    if host in {"github.com", "www.github.com", "ssh.github.com"}:
        https = f"https://github.com/{name}.git"
        return Remote(https, name, alternative=None if plain.startswith("https://") else plain)
    elsewhere = ("gitlab", "bitbucket", "codeberg", "gitea", "forgejo", "sr.ht", "azure", "localhost", "127.")
    if host.startswith(("github.", "ghe.")) or (
        has_workflows and not any(word in host for word in elsewhere)
    ):
        return Remote(plain, name, f"https://{host}/api/v3")
    return Remote(plain)


def _without_credentials(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if parts.scheme in {"http", "https"} and "@" in parts.netloc:
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if parts.password:
        user = parts.username or ""
        return parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}").geturl()
    return url


def tag_patterns(release: str) -> TagPatterns:
    """Return the patterns of a project whose release tags are written `release`, `{version}` in it."""
    return TagPatterns(release, f"test-{release}", f"docker-rebuild-{release}")


def release_pattern(tags: Iterable[str], names: Sequence[str], *, alone: bool) -> str | None:
    """Return how the remote's release tags are written, such as `v{version}`; None where no tag tells.

    `names` are the package's name and its spellings. A package that is not `alone` in its repository owns
    only the tags that hold its name. The highest version decides, if its prefix has two tags or no prefix
    has: projects change their spelling, and what is newest is what comes next.
    """
    found: dict[str, list[Version]] = {}
    for tag in tags:
        if (split := split_tag(tag)) is not None and not split[0].startswith(("test-", "docker-rebuild-")):
            found.setdefault(split[0], []).append(split[1])
    if not alone:
        found = {prefix: versions for prefix, versions in found.items() if holds(prefix, names)}
    often = {prefix: versions for prefix, versions in found.items() if len(versions) > 1} or found
    if not often:
        return None
    return max(often, key=lambda prefix: max(often[prefix])) + "{version}"


def split_tag(tag: str) -> tuple[str, Version] | None:
    """Return a tag's prefix and version, or None where it holds no version of two numbers and more."""
    starts = (match.start() for match in re.finditer(r"(?<![\d.])\d", tag[:200], flags=re.ASCII))
    for start in starts:
        prefix, text = tag[:start], tag[start:]
        if not re.match(r"\d+!?\d*\.\d", text, flags=re.ASCII) or "{" in prefix or not prefix.isprintable():
            continue
        parsed = parse_tag(text, TagPatterns(release="{version}"))
        if isinstance(parsed, ParsedTag):
            return prefix, parsed.version
    return None


def prefixes(tags: Iterable[str]) -> Counter[str]:
    """Return how many tags are written with each prefix."""
    return Counter(split[0] for tag in tags if (split := split_tag(tag)) is not None)


def holds(prefix: str, names: Sequence[str]) -> bool:
    """Return whether a prefix is the package's name and a separator, such as `core-v` or `packages/core@`."""
    plain = re.sub(r"[-_.]+", "-", prefix.lower())
    ends = re.sub(r"([-/@=]+v?|v)$", "", plain).rpartition("/")[2]
    return ends in {re.sub(r"[-_.]+", "-", name.lower()) for name in names}
