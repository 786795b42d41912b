"""The keys of an image that decide where it goes and what it needs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from release_assets.graph import build_release_graph
from release_assets.project import Image, Project

GHCR = {"repository": "ghcr.io/me/x", "username_env": "GHCR_USERNAME", "token_env": "GHCR_TOKEN"}


def image(**changed: Any) -> Image:
    return Image.model_validate({"repository": "docker.io/me/x", **changed})


def project(**changed: Any) -> Project:
    declared = {"repository": "docker.io/me/x", "platforms": ["linux/amd64"], **changed}
    return Project.model_validate(
        {
            "project": "x",
            "repository": "https://github.com/me/x.git",
            "package": {},
            "image": declared,
        }
    )


def nodes(declared: Project) -> set[str]:
    return {
        key.path[-1]
        for asset in build_release_graph(declared).assets or ()
        for key in getattr(asset, "keys", ())
    }


def test_one_repository_has_the_assets_that_it_always_had() -> None:
    of_images = {node for node in nodes(project()) if node.startswith(("image", "manifest", "floating"))}
    assert of_images == {"image_linux_amd64", "manifest_list", "floating_tags"}


def test_a_mirror_has_assets_of_its_own() -> None:
    more = nodes(project(mirrors=[GHCR])) - nodes(project())
    assert more == {"manifest_list_ghcr_io", "floating_tags_ghcr_io"}
    named = project(mirrors=[{**GHCR, "name": "ghcr"}])
    assert nodes(named) - nodes(project()) == {"manifest_list_ghcr", "floating_tags_ghcr"}


def test_a_place_has_the_login_of_its_repository() -> None:
    own, mirror = image(mirrors=[GHCR], target="runtime").places
    assert (own.repository, own.token_env) == ("docker.io/me/x", "DOCKER_TOKEN")
    assert (mirror.repository, mirror.username_env, mirror.token_env) == tuple(GHCR.values())
    assert mirror.target == "runtime"


def test_tokens_of_mirrors_and_build_secrets_are_secret() -> None:
    declared = project(mirrors=[GHCR], secrets={"pip_token": "PRIVATE_TOKEN"})
    assert {"DOCKER_TOKEN", "GHCR_TOKEN", "PRIVATE_TOKEN"} <= set(declared.secret_variables)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mirrors": [{"repository": "ghcr.io/me/x"}]}, "username_env"),
        ({"mirrors": [GHCR, GHCR]}, "ghcr.io/me/x is named twice"),
        ({"mirrors": [GHCR, {**GHCR, "repository": "ghcr.io/me/y"}]}, "two mirrors are named 'ghcr_io'"),
        ({"mirrors": [{**GHCR, "repository": "me/y"}]}, "docker.io has two logins, DOCKER_USERNAME and"),
        ({"mirrors": [{**GHCR, "token": "x"}]}, "unknown key 'token'; did you mean 'token_env'?"),
        ({"cache_ref": "ghcr.io/me/cache"}, "lacks {platform}: 2 platforms would overwrite"),
        ({"cache_ref": "ghcr.io/me/cache:{arch}-{platform}"}, "another placeholder than {platform}"),
        ({"cache_ref": "ghcr.io/me/c:{platform}", "cache": "local"}, "and cache is local"),
        ({"cache_ref": "ghcr.io/me/c:{platform},mode=max"}, "cache_ref"),
        ({"secrets": {"a,src=/etc/shadow": "X"}}, "secrets names the id 'a,src=/etc/shadow'"),
        ({"secrets": {"pip": "not a variable"}}, "must be the name of an environment variable"),
        ({"floating_tags": ["patch"]}, "floating_tags"),
        ({"target": "--privileged"}, "target"),
    ],
)
def test_a_mistake_is_named(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(words)):
        image(**changed)
