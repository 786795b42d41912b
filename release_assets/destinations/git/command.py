"""git as a child process: what it may read of the user's, how long it runs, and what its failures mean.

A local command decides what is built, and reads nobody's configuration: no `core.autocrlf`, no hook, no
template. A remote command needs the user's credentials, proxies, certificates and `url.*.insteadOf`; what it
returns is named by its hash, and the few settings that could still change it are overridden.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from release_assets.destinations import bounds
from release_assets.errors import PermanentError, TransientError
from release_assets.process import CommandFailedError, Limits, environment, run
from release_assets.project import is_loopback
from release_assets.text import printable

UMASK = (
    0o022  # git records only whether a file is executable: 644 and 755, whatever the umask of this process
)
# A remote that trickles is given up long before its deadline: bytes a second, and for how many seconds.
SLOWEST = {"GIT_HTTP_LOW_SPEED_LIMIT": "1000", "GIT_HTTP_LOW_SPEED_TIME": "60"}

# Where the user keeps what a remote requires: configuration, keys, certificates, proxies.
USERS = (
    "GIT_ASKPASS", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_SYSTEM",
    "GIT_HTTP_PROXY_AUTHMETHOD", "GIT_PROXY_COMMAND", "GIT_PROXY_SSL_CAINFO", "GIT_PROXY_SSL_CERT",
    "GIT_PROXY_SSL_KEY", "GIT_SSH",
    "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_CAPATH", "GIT_SSL_CERT", "GIT_SSL_KEY", "SSH_AUTH_SOCK",
    "XDG_CONFIG_HOME", "ALL_PROXY", "all_proxy",
)  # fmt: skip

# What in the user's configuration would change or end a fetch into a mirror.
OVERRIDDEN = {
    "core.hooksPath": os.devnull,  # a reference-transaction hook runs in every fetch
    "core.logAllRefUpdates": "false",  # a reflog holds the user's name, or fails for want of one
    "fetch.fsckObjects": "false",  # old repositories have harmless flaws, and the commit's hash is given
}

# Failures that a retry cannot cure; anything else may be the network.
REFUSALS = re.compile(
    r"authentication failed|could not read (username|password)|permission denied|access denied"
    r"|repository .*not found|does not (appear to be a git repository|exist)|not a git repository"
    r"|returned error: 40[13]|host key verification failed|transport '\w+' not allowed"
    r"|dubious ownership|bad object|unknown revision",
    re.IGNORECASE,
)

# The configuration of the user of Dagster's runs cannot be read: nothing about the remote.
MISCONFIGURED = re.compile(r"fatal: (bad (\w+ )?config|unable to (access|read) '[^']*config')", re.IGNORECASE)

Log = Callable[[str], None]


def run_local(
    *arguments: str | os.PathLike[str],
    remote: str,
    timeout: float | None = None,
    settings: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    log: Log | None = None,
) -> str:
    """Run a git command that stays on this machine, and return its standard output.

    `encoding` is that of the output, and `log` gets each line of it. The command reads no configuration but
    that of the repository it works in and `settings`; `remote` is named in errors. Raises TransientError, or
    PermanentError where a retry cannot help.
    """
    env = environment(
        HOME=os.devnull,  # where git would look for a configuration, attributes and excludes
        GIT_CONFIG_NOSYSTEM="1",
        GIT_ATTR_NOSYSTEM="1",
        GIT_OPTIONAL_LOCKS="0",
        **_configuration(settings or {}),
        **(variables or {}),
    )
    return _run(
        arguments, env, timeout=timeout or bounds.BOUNDS.git_local_seconds, remote=remote, encoding=encoding,
        log=log,
        failure="git failed in the mirror of",
        remedy="Check the free space and the disk of DAGSTER_HOME, then materialize again.",
    )  # fmt: skip


def run_remote(
    *arguments: str | os.PathLike[str],
    remote: str,
    timeout: float,
    origin: str | None = None,
    log: Log | None = None,
    settings: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> str:
    """Run a git command that contacts `remote` with the user's configuration; return its standard output.

    `origin` is the project's remote where `remote` is that of a submodule. `log` gets each line of output.
    Raises TransientError, or PermanentError where a retry cannot help.
    """
    overridden = OVERRIDDEN | _nothing_unencrypted(origin or remote) | dict(settings or {})
    env = _user_environment(overridden) | SLOWEST | dict(variables or {})
    return _run(
        arguments, env, timeout=timeout, remote=remote, log=log,
        limits=Limits(memory=bounds.BOUNDS.git_memory_bytes),
        failure="git cannot reach",
        remedy="Check the network and the remote; the next attempt asks again.",
    )  # fmt: skip


def effective_url(remote: str) -> str:
    """Return the address that git contacts for `remote`, after the user's `url.*.insteadOf`."""
    # A file that is not a repository, so that git does not look for one around the working directory.
    return _run(
        ("--git-dir", os.devnull, "ls-remote", "--get-url", "--", remote), _user_environment({}),
        timeout=bounds.BOUNDS.git_local_seconds, remote=remote,
        failure="git cannot use",
        remedy="Check the user's git configuration (`git config --list --show-origin`).",
    ).strip()  # fmt: skip


def _user_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a remote command; no prompt of it can be answered."""
    needed = {name: os.environ[name] for name in USERS if name in os.environ}
    return environment(
        **needed,
        GIT_TERMINAL_PROMPT="0",
        GIT_OPTIONAL_LOCKS="0",
        **_configuration(settings, inherit=True),
    )


def _configuration(settings: Mapping[str, str], *, inherit: bool = False) -> dict[str, str]:
    """Return the variables that configure one command, after those of this process where `inherit`."""
    count = os.environ.get("GIT_CONFIG_COUNT", "") if inherit else ""
    first = int(count) if count.isdecimal() else 0
    pairs = [
        (os.environ.get(f"GIT_CONFIG_KEY_{n}", ""), os.environ.get(f"GIT_CONFIG_VALUE_{n}", ""))
        for n in range(first)
    ]
    pairs += settings.items()
    variables = {"GIT_CONFIG_COUNT": str(len(pairs))}
    for number, (key, value) in enumerate(pairs):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables


def _nothing_unencrypted(remote: str) -> dict[str, str]:
    """Return settings that keep git from http:// and git:// in redirects and submodules.

    A remote that is unencrypted itself, on this machine or allowed by the YAML, must not lead anywhere else.
    The user's `url.*.insteadOf` may lead to a server on this machine, too.
    """
    reached = effective_url(remote)
    scheme = urlsplit(reached if is_loopback(reached) else remote).scheme
    settings = {f"protocol.{other}.allow": "never" for other in ("http", "git") if other != scheme}
    if scheme == "http":
        settings["http.followRedirects"] = "false"
    return settings


def _run(
    arguments: tuple[str | os.PathLike[str], ...],
    env: dict[str, str],
    *,
    remote: str,
    timeout: float,
    failure: str,
    remedy: str,
    log: Log | None = None,
    encoding: str = "utf-8",
    limits: Limits | None = None,
) -> str:
    env["LC_ALL"] = "C.UTF-8"  # the output is matched below, in English
    try:
        return run(
            ["git", *arguments],
            env=env,
            timeout=timeout,
            on_line=log,
            limits=limits,
            umask=UMASK,
            encoding=encoding,
        )
    except CommandFailedError as error:
        # A remote's own words are among them, as long as it likes.
        output = printable("\n".join(line[:500] for line in error.tail[-10:])) or error.reason
        if MISCONFIGURED.search(output):
            raise PermanentError(
                f"git cannot run for {remote}: {output}",
                "Correct the git configuration of the user of Dagster's runs "
                "(`git config --list --show-origin`).",
            ) from None
        if REFUSALS.search(output):
            raise PermanentError(
                f"git cannot use {remote}: {output}",
                "Check the repository's address and that this machine may read it (`git ls-remote`).",
            ) from None
        raise TransientError(f"{failure} {remote}: {error.reason}. {output}", remedy) from None
