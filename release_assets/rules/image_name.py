"""The name of an image repository, by docker's rules. Pure."""

from __future__ import annotations

import re

# The grammar of github.com/distribution/reference.
_HOST = re.compile(r"(?:[A-Za-z0-9]+(?:[.-]+[A-Za-z0-9]+)*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")
_WORD = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_WORD}(?:/{_WORD})*")
EXAMPLE = "Write it in lower case without a tag or digest, such as docker.io/owner/name."


def split_name(reference: str) -> tuple[str, str]:
    """Return the registry's host and the name in it: docker.io and library/ are the defaults.

    Raises ValueError that says what is wrong, and does not repeat the reference.
    """
    first, slash, rest = reference.partition("/")
    # Docker's rule for what is a host: it has a dot, a port or upper case, or it is localhost.
    has_host = slash and (re.search(r"[.:A-Z]", first) or first == "localhost")
    host, name = (first, rest) if has_host else ("docker.io", reference)
    if host in {"index.docker.io", "registry-1.docker.io"}:
        host = "docker.io"
    bare = re.split("[@:]", name)[0]
    if host == "docker.io" and "/" not in name:
        name = f"library/{name}"
    # 255 characters for host and name together is the distribution spec's limit.
    if _NAME.fullmatch(name) and _HOST.fullmatch(host) and len(f"{host}/{name}") <= 255:
        return host, name
    why = ""
    if "://" in reference:
        why = ": it is a URL"
    elif bare and bare not in (name, name.removeprefix("library/")):
        why = ": it names a digest" if "@" in name else ": it names a tag"
    elif name != name.lower():
        why = ": it has upper case in its name"
    raise ValueError(f"is not an image repository{why}")
