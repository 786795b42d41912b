"""Tokens are known by their text: those in the place of something else are refused, and never shown. Pure."""

from __future__ import annotations

import re

# What registries and code hosts put in front of their tokens, so that scanners find them.
TOKEN = re.compile(
    r"pypi-AgE[\w-]{8,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|dckr_[po]at_[\w-]{16,}|glpat-[\w-]{16,}"
    r"|xox[abeoprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
# Words of people are shorter, or have no digits among their letters.
_RANDOM = re.compile(r"(?=[\w+=-]*[A-Za-z])(?=[\w+=-]*\d)[\w+=-]{20,}")
_USER = re.compile(r"(?<=://)[^/@\s]*@")


def without_tokens(text: str) -> str:
    """Return `text` with *** for each token."""
    return TOKEN.sub("***", text)


def shown(value: str) -> str:
    """Return a value of a user's file for an error, quoted, without what may be a secret in it."""
    bare = _USER.sub("", value.partition("?")[0] if "://" in value else value)
    return repr(_RANDOM.sub("***", without_tokens(bare)))
