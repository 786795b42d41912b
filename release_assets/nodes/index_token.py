"""The token that uploads to the package index: out of its variable, or minted for this job's identity."""

from __future__ import annotations

from collections.abc import Callable

from release_assets.destinations.package_index import MintedTokens
from release_assets.nodes.step import Step
from release_assets.project import PackageIndex


def index_tokens(step: Step, index: PackageIndex, name: str) -> Callable[[float], str]:
    """Return what yields a token for an upload that takes so many seconds.

    Nothing is minted before the first is asked for; whatever is minted is a secret of the step.
    Raises PermanentError for an unset variable; the returned function raises as `mint` does.
    """
    if index.trusted_publishing:
        return MintedTokens(index.upload_url, name, step.secrets.append).token
    token = step.secret(index.token_env, f"uploading to {index.upload_url}")
    return lambda _: token
