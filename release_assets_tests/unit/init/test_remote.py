"""A clone's remote, and the spelling of the remote's tags."""

from __future__ import annotations

import pytest

from release_assets.init.remote import Remote, read_remote, release_pattern

SSH = "git@github.com:me/pkg.git"
HTTPS = "https://github.com/me/pkg.git"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (HTTPS, Remote(HTTPS, "me/pkg")),
        ("https://github.com/me/pkg", Remote(HTTPS, "me/pkg")),
        ("https://github.com/me/pkg/", Remote(HTTPS, "me/pkg")),
        ("https://ghp_secret@github.com/me/pkg.git", Remote(HTTPS, "me/pkg")),
        ("https://me:secret@github.com/me/pkg.git", Remote(HTTPS, "me/pkg")),
        (SSH, Remote(HTTPS, "me/pkg", alternative=SSH)),
        (
            f"ssh://{SSH.replace(':', '/')}",
            Remote(HTTPS, "me/pkg", alternative="ssh://git@github.com/me/pkg.git"),
        ),
        (
            "ssh://git@ssh.github.com:443/me/pkg.git",
            Remote(HTTPS, "me/pkg", alternative="ssh://git@ssh.github.com:443/me/pkg.git"),
        ),
        ("git://github.com/me/pkg.git", Remote(HTTPS, "me/pkg", alternative="git://github.com/me/pkg.git")),
        (
            "git@github.example.com:team/pkg.git",
            Remote("git@github.example.com:team/pkg.git", "team/pkg", "https://github.example.com/api/v3"),
        ),
        ("https://gitlab.com/me/pkg.git", Remote("https://gitlab.com/me/pkg.git")),
        ("https://gitlab.com/group/sub/pkg.git", Remote("https://gitlab.com/group/sub/pkg.git")),
        ("/srv/git/pkg.git", Remote("/srv/git/pkg.git")),
        ("http://[broken", Remote("http://[broken")),
        ("ssh://me:secret@host/pkg.git", Remote("ssh://me@host/pkg.git")),
    ],
)
def test_what_a_remote_says(url: str, expected: Remote) -> None:
    assert read_remote(url, has_workflows=False) == expected


def test_a_host_with_github_workflows_is_github_enterprise() -> None:
    url = "https://code.example.com/team/pkg.git"
    assert read_remote(url, has_workflows=True).api_url == "https://code.example.com/api/v3"
    assert read_remote("https://gitlab.com/team/pkg.git", has_workflows=True).github is None


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["v1.0.0", "v1.1.0"], "v{version}"),
        (["1.0", "1.1"], "{version}"),
        (["0.1", "0.2", "v1.0", "v1.1"], "v{version}"),  # the spelling changed
        (["v1.0", "v1.1", "nightly-2024.05.01"], "v{version}"),  # one of a kind decides nothing
        (["pkg-1.0"], "pkg-{version}"),
        (["release/1.0.0", "release/1.0.1rc1"], "release/{version}"),
        (["py3.10-v1.2", "py3.10-v1.3"], "py3.10-v{version}"),
        (["test-v9.9", "docker-rebuild-v9.9", "v1.0"], "v{version}"),
        (["v1", "latest", "nightly", "v", "vr0.6.0rc1x"], None),
        ([], None),
    ],
)
def test_how_release_tags_are_written(tags: list[str], expected: str | None) -> None:
    assert release_pattern(tags, ["pkg"], alone=True) == expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["my-pkg-v1.0", "other-v2.0", "v3.0"], "my-pkg-v{version}"),
        (["packages/my_pkg@1.0", "other@2.0"], "packages/my_pkg@{version}"),
        (["my.pkg/v1.0"], "my.pkg/v{version}"),
        (["my-pkg==1.0"], "my-pkg=={version}"),
        (["my-pkg-extra-1.0", "v2.0"], None),
    ],
)
def test_a_package_of_several_owns_the_tags_with_its_name(tags: list[str], expected: str | None) -> None:
    assert release_pattern(tags, ["my-pkg"], alone=False) == expected
