"""Trusted publishing: exchange the identity of this job or machine for a token of the index.

The identity is an OIDC token that `id` finds: of a GitHub or GitLab job, or of a Google VM. The index's own
`/_/oidc/mint-token` exchanges it for a token that lives 15 minutes and uploads to the projects of a
publisher that is registered there. twine does the same for PyPI and TestPyPI only.

A token of GitHub or GitLab mints once. So a look before the release only asks for the audience, and reads
the claims: it never mints.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import id as ambient
import urllib3.exceptions

from release_assets.destinations import bounds
from release_assets.destinations.http import AGAIN, MEBIBYTE, Answer, exchange, parsed_json
from release_assets.destinations.http.deadline import Line, within
from release_assets.destinations.package_index.answers import CLOSED_REMEDY, for_status
from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.rules import warehouse
from release_assets.text import one_line, without

LIFETIME = 900.0  # seconds that PyPI's tokens live; counted from before the request, where no end is returned
LONGEST_TOKEN = 64 * 1024  # characters
# What people compare with the publisher that they registered, by the issuer's claims.
SHOWN_CLAIMS = (
    "repository", "job_workflow_ref", "project_path", "ci_config_ref_uri", "environment", "ref", "email",
)  # fmt: skip
HOW_TO_IDENTIFY = (
    "Run the release where there is one: in a GitHub job with `permissions: {id-token: write}`, in a GitLab "
    "job with `id_tokens: {PYPI_ID_TOKEN: {aud: pypi}}`, or on a Google VM with a service account. "
    "Elsewhere, remove trusted_publishing from that index in defs.yaml and use an API token."
)


@dataclass(frozen=True)
class Identity:
    """The identity of this job or machine, for one audience: an OIDC token, and what it claims."""

    token: str = field(repr=False)
    claims: Mapping[str, Any]

    @property
    def words(self) -> str:
        """Return its claims as people compare them: the issuer, then those of `SHOWN_CLAIMS`."""
        shown = [f"{name} {self.claims[name]}" for name in SHOWN_CLAIMS if self.claims.get(name)]
        return one_line(f"{self.claims.get('iss', 'an unknown issuer')} ({', '.join(shown) or 'no claims'})")


@dataclass(frozen=True)
class Minted:
    """A token of the index, and when it ends, in seconds since 1970."""

    token: str = field(repr=False)
    expires: float


class MintedTokens:
    """The tokens for one node's uploads: minted when one is needed, renewed before its end."""

    def __init__(self, upload_url: str, project: str, hide: Callable[[str], None]) -> None:
        """`hide` gets every token, of the index and of the identity, before it is used."""
        self._upload_url, self._project, self._hide = upload_url, project, hide
        self._minted: Minted | None = None

    def token(self, seconds: float) -> str:
        """Return a token that lives for `seconds` more, or as long as one can. Raises as `mint` does."""
        needed = min(seconds, LIFETIME / 2)
        if self._minted is None or self._minted.expires - time.time() < needed:
            identity = find_identity(self._upload_url)
            self._hide(identity.token)
            self._minted = mint(self._upload_url, identity, self._project)
            self._hide(self._minted.token)
        return self._minted.token


def check_identity(upload_url: str) -> str:
    """Return in words whose identity this is, after asking the index for its audience: nothing is minted.

    Raises PermanentError where there is no identity or the index has no trusted publishing.
    """
    identity = find_identity(upload_url)
    return f"{warehouse.title(upload_url)} exchanges the identity of {identity.words} for a token"


def find_identity(upload_url: str) -> Identity:
    """Return the identity for the index's audience. Raises PermanentError where there is none."""
    url = audience_url(upload_url)
    answer = exchange("GET", url, seconds=bounds.BOUNDS.page_seconds, limit=MEBIBYTE, headers={})
    audience = _content(answer, ()).get("audience") if answer.status == 200 else None
    if answer.status >= 400 and answer.status not in {404, 405}:
        raise for_status(answer.status, _said(answer, ()), "See the index's words above.")
    if not isinstance(audience, str) or not 0 < len(audience) <= 200:
        raise PermanentError(
            f"{_said(answer, ())} The index has no trusted publishing.",
            "Remove trusted_publishing from that index in defs.yaml, and use an API token.",
        )
    return identity_for(audience, warehouse.title(upload_url))


def identity_for(audience: str, purpose: str) -> Identity:
    """Return the identity that this job or machine has for an audience.

    Raises PermanentError where there is none, in the words of `id`.
    """
    missing = f"{purpose} needs an identity with the audience {audience!r}, and "
    try:
        token = within(
            bounds.BOUNDS.page_seconds, lambda: ambient.detect_credential(audience), Line()
        )  # id bounds no whole exchange
    except TimeoutError:
        raise TransientError(
            f"{missing}none came within {bounds.BOUNDS.page_seconds:.0f} s.", AGAIN
        ) from None
    except ambient.GitHubOidcPermissionCredentialError:
        raise PermanentError(
            f"{missing}this GitHub job may not request one.",
            "Add `permissions: {id-token: write}` to the job in its workflow.",
        ) from None
    except ambient.AmbientCredentialError as error:
        raise PermanentError(f"{missing}there is none: {one_line(str(error))}", HOW_TO_IDENTIFY) from None
    # What id does not turn into its own errors, of Google's metadata server.
    except (urllib3.exceptions.HTTPError, ValueError, AttributeError) as error:
        raise TransientError(f"{missing}asking for it failed ({type(error).__name__}).", AGAIN) from None
    if token is None:
        raise PermanentError(f"{missing}this machine has none.", HOW_TO_IDENTIFY)
    identity = Identity(token, claims_of(token))
    ends = identity.claims.get("exp")
    if isinstance(ends, int | float) and ends < time.time():
        raise PermanentError(
            f"{missing}that of this job has expired: {identity.words}.",
            "Run the job again, which gets a new one.",
        )
    return identity


def claims_of(token: str) -> dict[str, Any]:
    """Return what an OIDC token claims, unverified: the index verifies it. {} where it cannot be read."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, IndexError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def mint(upload_url: str, identity: Identity, project: str) -> Minted:
    """Exchange the identity for a token of the index.

    Raises PermanentError in the index's words, with the page where a publisher of `project` is registered;
    TransientError where the index failed.
    """
    started = time.time()
    answer = exchange(
        "POST",
        _address(upload_url, "mint-token"),
        seconds=bounds.BOUNDS.page_seconds,
        limit=MEBIBYTE,
        headers={"Content-Type": "application/json"},
        data=json.dumps({"token": identity.token}).encode(),
    )
    secrets = (identity.token,)
    content = _content(answer, secrets)
    if answer.status != 200:
        raise mint_failure(answer.status, _said(answer, secrets), content, identity, upload_url, project)
    token, expires = content.get("token"), content.get("expires")
    # A token with anything else in it could add headers to twine's request.
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
        raise TransientError(f"{_said(answer, secrets)} The answer holds no token.", AGAIN)
    if not 0 < len(token) <= LONGEST_TOKEN:
        raise TransientError(f"{_said(answer, secrets)} Its token has {len(token)} characters.", AGAIN)
    latest = started + LIFETIME
    ends = min(float(expires), latest) if isinstance(expires, int | float) else latest
    return Minted(token, ends)


def mint_failure(
    status: int, said: str, content: Mapping[str, Any], identity: Identity, upload_url: str, project: str
) -> ReleaseError:
    """Return the error that a refused exchange means; `content` is Warehouse's {message, errors}."""
    errors = content.get("errors")
    errors = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    codes = {str(error.get("code")) for error in errors}
    words = "; ".join(
        f"{error.get('code')}: {error.get('description', '')}".rstrip(": ") for error in errors[:5]
    )
    # Before it is cut: half a token would not be recognized.
    words = one_line(without([identity.token], words or str(content.get("message") or "")), 600)
    problem = f"{said} {words}".rstrip() + f" The identity is {identity.words}."
    if "not-enabled" in codes:
        return TransientError(problem, CLOSED_REMEDY)
    if "invalid-reuse-token" in codes:
        return PermanentError(
            problem, "An ID token of this job mints once: run the job again, which gets a new one."
        )
    if status in {400, 401, 403, 422}:
        return PermanentError(problem, _register(upload_url, project))
    return for_status(status, problem, "See the index's words above.")


def _register(upload_url: str, project: str) -> str:
    """Return where a publisher is registered."""
    if not warehouse.is_warehouse(upload_url):
        return f"Register this identity as a publisher of {project} at {warehouse.title(upload_url)}."
    host = "test.pypi.org" if warehouse.title(upload_url) == "TestPyPI" else "pypi.org"
    return (
        f"Register it as a publisher at https://{host}/manage/project/{project}/settings/publishing/ "
        f"(a new project at https://{host}/manage/account/publishing/). Its repository, workflow file and "
        "environment must be those of this job."
    )


def audience_url(upload_url: str) -> str:
    """Return the address at which the index returns the audience that an identity must have."""
    return _address(upload_url, "audience")


def _address(upload_url: str, name: str) -> str:
    """Return the address below the host of the upload URL, as twine and uv derive it."""
    parts = urlsplit(upload_url)
    return f"{parts.scheme}://{parts.netloc}/_/oidc/{name}"


def _content(answer: Answer, secrets: tuple[str, ...]) -> dict[str, Any]:
    """Return the answer's JSON object; {} where it is none and the status says all."""
    try:
        content = parsed_json(answer.body)
    except (ValueError, RecursionError):
        if answer.status == 200:
            raise TransientError(f"{_said(answer, secrets)} The answer is not JSON.", AGAIN) from None
        return {}
    return content if isinstance(content, dict) else {}


def _said(answer: Answer, secrets: tuple[str, ...]) -> str:
    reason = without(secrets, answer.reason)
    return f"{one_line(answer.url)} answered {answer.status} {one_line(reason)}".rstrip() + "."
