"""Choose the project's one image among those that workflows push; say what of the others is lost. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from release_assets.init.found import ImageBuild, Login
from release_assets.init.workflow import EXPRESSION, is_resolved, secret_in

# Expressions that are the version; `python_version` and the like are not.
IS_VERSION = re.compile(
    r"(?:^|\.)(?:(?:app|full|get|image|new|package|pkg|release|tag)[_-]?)?(?:version|semver|pep440)$",
    re.IGNORECASE,
)
IS_TAG = frozenset({"github.ref_name", "github.event.release.tag_name"})
ALIASES = {"aarch64": "arm64", "x86_64": "amd64", "x86-64": "amd64", "arm64/v8": "arm64", "armhf": "arm/v7"}


@dataclass(frozen=True)
class Image:
    """An image as defs.yaml declares it; `repository` is None where only an expression says it."""

    place: str
    repository: str | None
    suggestion: str
    dockerfile: str
    context: str
    platforms: tuple[str, ...]
    platforms_from: str
    build_args: Mapping[str, str]
    build_contexts: Mapping[str, str]
    provenance: bool | None
    login: str = ""
    username: str | None = None  # the variable's name, as that of the secret
    secret: str | None = None
    left: tuple[str, ...] = field(default=())


def choose_image(
    builds: Sequence[ImageBuild], logins: Sequence[Login], *, owner: str, name: str, release_tag: str
) -> Image | None:
    """Return the image to declare, or None where no workflow pushes one.

    The first whose repository is known and named after the package, else the first that is known, else the
    first. Builds of the same repository, one for each platform, are one image.
    """
    if not builds:
        return None
    named = [
        build for build in builds if any(one.rpartition("/")[2] == name.lower() for one in _known(build))
    ]
    chosen = next(iter(named or [build for build in builds if _known(build)] or builds))
    known = _known(chosen)
    repository = known[0] if known else None
    same = [build for build in builds if build.repositories == chosen.repositories]
    left = [
        f"{build.place}: {', '.join(_known(build) or build.repositories) or 'its image'} is not built: "
        "a project has one image"
        for build in builds
        if build not in same and repository not in _known(build)
    ]
    left += (f"{chosen.place}: {one} is not pushed to: an image has one repository" for one in known[1:])
    context = _path(chosen.context, left, chosen.place) or "."
    dockerfile = (
        _path(chosen.dockerfile, left, chosen.place) or PurePosixPath(context, "Dockerfile").as_posix()
    )
    platforms, unknown = _platforms([one for build in same for one in build.platforms])
    left += (f"{chosen.place}: {one} is not a platform such as linux/amd64" for one in unknown)
    username, secret, login, lost = _login(repository, logins)
    return Image(
        place=chosen.place,
        repository=repository,
        suggestion=f"docker.io/{owner}/{name}".lower() if owner else "",
        dockerfile=dockerfile,
        context=context,
        platforms=platforms or ("linux/amd64",),
        platforms_from=chosen.place if platforms else f"{chosen.place} builds for its runner only",
        build_args=_build_args(chosen, release_tag, left),
        build_contexts=_build_contexts(chosen, left),
        provenance=chosen.provenance,
        login=login,
        username=username,
        secret=secret,
        left=(*left, *lost),
    )


def _known(build: ImageBuild) -> list[str]:
    """Return the repositories that a build names without any expression."""
    return [full_name(one) for one in build.repositories if is_resolved(one)]


def version_arguments(dockerfile: str, version: str | None) -> dict[str, str]:
    """Return the build arguments whose default is the package's version: a release sets them."""
    argument = re.compile(r"^ARG\s+([A-Za-z_]\w*)=[\"']?([^\s\"']+)", re.MULTILINE | re.IGNORECASE)
    return {
        name: "{version}" for name, default in argument.findall(dockerfile) if version and default == version
    }


def full_name(repository: str) -> str:
    """Return an image repository with its registry, as docker reads it: owner/name is on Docker Hub."""
    first, slash, _ = repository.partition("/")
    if slash and (re.search(r"[.:]", first) or first == "localhost"):
        return repository.lower()
    return f"docker.io/{repository if slash else f'library/{repository}'}".lower()


def _path(text: str | None, left: list[str], place: str) -> str | None:
    """Return a path below the repository's top, or None where there is none that stays inside."""
    if text is None:
        return None
    path = re.sub(r"^\{\{\s*defaultContext\s*\}\}:?", "./", text)
    pure = PurePosixPath(re.sub(r"^(\$GITHUB_WORKSPACE|\$\{\{\s*github\.workspace\s*\}\})/?", "./", path))
    if not is_resolved(str(pure)) or pure.is_absolute() or ".." in pure.parts or "://" in text:
        left.append(f"{place}: the path {text} is not one below the repository's top")
        return None
    return pure.as_posix()


def _platforms(texts: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return platforms as defs.yaml writes them, and what is not one."""
    found: list[str] = []
    unknown: list[str] = []
    for text in texts:
        system, slash, rest = text.lower().partition("/")
        system, rest = (system, rest) if slash else ("linux", system)
        platform = f"{system}/{ALIASES.get(rest, rest)}"
        if re.fullmatch(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?", platform):
            found.append(platform)
        else:
            unknown.append(text)
    return tuple(dict.fromkeys(found)), unknown


def _build_args(build: ImageBuild, release_tag: str, left: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in build.build_args.items():
        text = EXPRESSION.sub(lambda match: _version(match[1].strip(), release_tag) or match[0], value)
        if secret_in(value) is not None:
            left.append(
                f"{build.place}: build argument {name} holds a secret: anybody can read it in the image"
            )
        elif "{" in text.replace("{version}", "") or not is_resolved(text):
            left.append(f"{build.place}: build argument {name}={value} is not known before the workflow runs")
        else:
            found[name] = text
    return found


def _version(expression: str, release_tag: str) -> str | None:
    """Return what an expression is at a release: the version or the tag, or None for anything else."""
    if expression in IS_TAG:
        return release_tag
    return "{version}" if IS_VERSION.search(expression) else None


def _build_contexts(build: ImageBuild, left: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in build.build_contexts.items():
        if name == "dist" or not is_resolved(value):
            left.append(f"{build.place}: the build context {name}={value} is not taken over")
        else:
            found[name] = value
    return found


def _login(repository: str | None, logins: Sequence[Login]) -> tuple[str | None, str | None, str, list[str]]:
    """Return the variables for user name and token, where they were seen, and what cannot be used."""
    registry = (repository or "docker.io/").partition("/")[0]
    for login in logins:
        if _host(login.registry) != registry:
            continue
        lost: list[str] = []
        secret = login.secret
        if secret == "GITHUB_TOKEN":
            lost.append(
                f"{login.place}: a workflow's GITHUB_TOKEN ends with it. Create a classic token with "
                f"`write:packages` for {registry} and set DOCKER_TOKEN"
            )
            secret = None
        username = secret_in(login.username) or _variable(login.username)
        if username is None and login.username and is_resolved(login.username):
            lost.append(f"{login.place}: set DOCKER_USERNAME to {login.username}")
        return username, secret, login.place, lost
    return None, None, "", []


def _host(registry: str) -> str:
    host = registry.removeprefix("https://").partition("/")[0].lower()
    return "docker.io" if host in {"index.docker.io", "registry-1.docker.io", "hub.docker.com"} else host


def _variable(text: str) -> str | None:
    match = re.fullmatch(r"\$\{\{\s*(?:vars|env)\.([A-Za-z_]\w*)\s*\}\}", text)
    return match[1] if match else None
