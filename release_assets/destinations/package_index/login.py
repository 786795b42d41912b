"""The login for a private index: the user who uploads, and the user who reads."""

from __future__ import annotations

from release_assets.destinations.http import Login
from release_assets.errors import PermanentError
from release_assets.project import PackageIndex
from release_assets.secrets import read_secret

USER = "__token__"  # PyPI's word for: the password is an API token


def login_of(index: PackageIndex) -> Login | None:
    """Return the login for reading an index, or None where it is public.

    Where the variable is unset the index is asked without it, and its refusal names the variable.
    """
    if index.read_token_env is None and index.client_certificate is None:
        return None
    return Login(
        url=index.simple_url,
        username=username(index.read_username_env or index.username_env),
        password=read_secret(index.read_token_env) if index.read_token_env is not None else "",
        password_env=index.read_token_env or "",
        certificate=index.client_certificate,
    )


def username(variable: str | None) -> str:
    """Return the user name in a variable, or PyPI's `__token__`. Raises PermanentError where it is unset."""
    if variable is None:
        return USER
    name = read_secret(variable)
    if not name:
        raise PermanentError(
            f"the environment variable {variable} is unset; it holds the user name of the package index",
            f"Set {variable} where Dagster's code server and runs can see it, then materialize again.",
        )
    return name
