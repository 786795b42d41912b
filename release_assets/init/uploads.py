"""Find the uploads to package indexes among the steps of a workflow. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from release_assets.init.found import Upload
from release_assets.init.script import commands
from release_assets.init.workflow import Step, is_resolved, secret_in

PYPI = "https://upload.pypi.org/legacy/"
TEST_PYPI = "https://test.pypi.org/legacy/"

# A command that uploads, and the variables that its token is in.
COMMANDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\btwine\s+upload\b", ("TWINE_PASSWORD",)),
    (r"\buv\s+publish\b", ("UV_PUBLISH_TOKEN", "UV_PUBLISH_PASSWORD")),
    (r"\bpoetry\s+publish\b", ("POETRY_PYPI_TOKEN_PYPI", "POETRY_HTTP_BASIC_PYPI_PASSWORD")),
    (r"\bhatch\s+publish\b", ("HATCH_INDEX_AUTH",)),
    (r"\bpdm\s+publish\b", ("PDM_PUBLISH_PASSWORD",)),
    (r"\bflit\s+publish\b", ("FLIT_PASSWORD",)),
    (r"\bmaturin\s+(?:publish|upload)\b", ("MATURIN_PYPI_TOKEN", "MATURIN_PASSWORD")),
    (r"\bsetup\.py\s+.*\bupload\b", ("TWINE_PASSWORD",)),
)  # fmt: skip
URL_VARIABLES = (
    "TWINE_REPOSITORY_URL",
    "UV_PUBLISH_URL",
    "FLIT_INDEX_URL",
    "PDM_PUBLISH_REPO",
    "HATCH_INDEX_REPO",
)


def uploads(step: Step, place: str, trusted: bool) -> Iterator[Upload]:
    """Yield the uploads of a step; `trusted` says whether its job has an identity that PyPI may trust."""
    if step.uses == "pypa/gh-action-pypi-publish":
        url = step.inputs.get("repository-url") or step.inputs.get("repository_url") or PYPI
        secret = secret_in(step.inputs.get("password"))
        yield Upload(place, url if is_resolved(url) else None, secret, trusted=secret is None and trusted)
    elif step.uses == "jrubics/poetry-publish":
        url = step.inputs.get("repository_url") or PYPI
        yield Upload(place, url if is_resolved(url) else None, secret_in(step.inputs.get("pypi_token")))
    for pattern, variables in COMMANDS:
        for command in (line for line in commands(step.run) if re.search(pattern, line)):
            named = [step.env.get(name, "") for name in variables]
            given = [*named, *re.findall(r"(?:--password|--token|-p|-t)[ =]+(\S.*)", command), step.run]
            secret = next((secret for text in given if (secret := secret_in(text)) is not None), None)
            yield Upload(place, _index_url(command, step.env), secret, trusted=secret is None and trusted)


def _index_url(command: str, env: Mapping[str, str]) -> str | None:
    """Return where a command uploads to, None where something else than the workflow decides."""
    option = re.search(r"--(?:repository-url|publish-url)[ =]+(\S+)", command)
    named = re.search(r"(?:--repository|--index|--repo|-r)[ =]+(\S+)", command)
    name = named[1].strip("'\"") if named else env.get("TWINE_REPOSITORY", "")
    url = (
        option[1].strip("'\"") if option else next((env[key] for key in URL_VARIABLES if env.get(key)), None)
    )
    for text in (url, name):
        if text and "test" in text.lower() and "pypi" in text.lower():
            return TEST_PYPI
    if url is not None:
        return url if is_resolved(url) and url.startswith(("http://", "https://")) else None
    if name in {"test", "main"}:  # hatch's names
        return TEST_PYPI if name == "test" else PYPI
    return PYPI if name in {"", "pypi"} else None
