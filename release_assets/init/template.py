"""Write a project's attributes as a defs.yaml with comments, for people who have never seen one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from release_assets.text import one_line

HEADER = """\
# What is released, and where it goes. `release-assets check` tries everything that this file names,
# `release-assets schema` prints every key. Variables are named here; their values are never in this file.
type: release_assets.ReleaseGraph

attributes:
"""

BLOCKS = {
    "package": "the Python package in the repository",
    "tags": "which git tags start what",
    "index": "the package index of releases",
    "test_index": "the package index of test releases",
    "github": "the release's page",
    "image": "the container image, one for each platform",
}
# In the order of the file: what a key means, and an example of those that most projects leave out.
KEYS: dict[tuple[str, ...], tuple[str, Any]] = {
    ("project",): ("the prefix of its assets in Dagster", None),
    ("repository",): ("the git remote: its tags are the releases", None),
    ("package", "directory"): ("the directory of pyproject.toml, in a monorepo", "packages/core"),
    ("package", "version_file"): (
        "the file that declares the version, if pyproject.toml does not",
        "VERSION",
    ),
    ("package", "name"): ("the distribution's name, if pyproject.toml does not declare it", "my-package"),
    ("tags", "release"): ("PyPI, GitHub release, images", "v{version}"),
    ("tags", "test"): ("TestPyPI and images under test tags", "test-v{version}"),
    ("tags", "rebuild"): ("the images of a release again", "docker-rebuild-v{version}"),
    ("index", "upload_url"): ("what twine uploads to", "https://pypi.example/legacy/"),
    ("index", "simple_url"): ("what pip reads", "https://pypi.example/simple/"),
    ("index", "token_env"): ("the variable with an API token for this project", "PYPI_TOKEN"),
    ("test_index", "upload_url"): ("", None),
    ("test_index", "simple_url"): ("", None),
    ("test_index", "token_env"): ("the same for TestPyPI, if test tags are used", "TEST_PYPI_TOKEN"),
    ("github", "repository"): ("", "me/mypackage"),
    ("github", "api_url"): ("for GitHub Enterprise", None),
    ("github", "token_env"): ("the variable with a token that has `Contents: write`", "GITHUB_TOKEN"),
    ("github", "title"): ("{tag}, {version} and {name} are replaced", "{name} {version}"),
    ("github", "notes"): ("none, commits, changelog or github: what the text is made of", "changelog"),
    ("github", "assets"): ("files of the repository to attach", ["install.sh"]),
    ("image", "repository"): ("without a tag", "docker.io/me/mypackage"),
    ("image", "dockerfile"): ("", "Dockerfile"),
    ("image", "context"): ("the directory that the build sees", "."),
    ("image", "platforms"): ("", ["linux/amd64", "linux/arm64"]),
    ("image", "builders"): ("a buildx builder or docker context per platform", {"linux/arm64": "arm-host"}),
    ("image", "build_args"): ("", {"VERSION": "{version}"}),
    ("image", "build_contexts"): ("`dist`, the published files, is always there", None),
    ("image", "cache"): ("registry, local or none", "registry"),
    ("image", "version_command"): ("run in each image; prints the version", ["mytool", "--version"]),
    ("image", "provenance"): ("", None),
    ("image", "username_env"): ("the variable with the registry's user name", "DOCKER_USERNAME"),
    ("image", "token_env"): ("the variable with a token that may read and write", "DOCKER_TOKEN"),
    ("owners",): ("the owners of its assets", ["me@example.org"]),
}


def render(attributes: Mapping[str, Any], comments: Mapping[tuple[str, ...], str]) -> str:
    """Return the text of a defs.yaml.

    A key that is not among the attributes is there as a comment with an example, if most people change it.
    A comment says what its key means, or what `comments` have in its place: where the value was seen.
    Raises ValueError for a text that Dagster would read as a template.
    """
    return HEADER + "".join(f"{line}\n" for line in _lines(attributes, comments))


def variables(attributes: Mapping[str, Any]) -> list[str]:
    """Return the names of the variables that a release of these attributes reads."""
    names = {  # with the defaults of what the attributes leave out
        ("index", "token_env"): "PYPI_TOKEN",
        ("test_index", "token_env"): "TEST_PYPI_TOKEN",
        ("github", "token_env"): "GITHUB_TOKEN",
    }
    if "image" in attributes:
        names |= {("image", "username_env"): "DOCKER_USERNAME", ("image", "token_env"): "DOCKER_TOKEN"}
    return [attributes.get(block, {}).get(key, default) for (block, key), default in names.items()]


def _lines(attributes: Mapping[str, Any], comments: Mapping[tuple[str, ...], str]) -> Iterator[str]:
    for name in ("project", "repository"):
        yield _top(name, attributes, comments)
    for block, meaning in BLOCKS.items():
        declared = attributes.get(block)
        if block == "package":
            declared = {"directory": "."} | (declared or {})  # an empty block, and its comments, are not YAML
        yield ""
        if declared is None:
            yield _commented(_line(1, block, None, meaning))
        else:
            yield _line(1, block, None, meaning)
        for key, (words, example) in KEYS.items():
            if key[0] != block or len(key) == 1:
                continue
            if key == ("package", "version_file"):
                example = f"src/{attributes['project']}/__about__.py"
            if declared is not None and key[1] in declared:
                yield _line(2, key[1], declared[key[1]], comments.get(key) or words)
            elif example is not None:
                yield _commented(_line(2, key[1], example, words))
    yield ""
    yield _top("owners", attributes, comments)
    yield ""
    yield "requirements:"
    yield _line(1, "env", variables(attributes), "`dg list envs` shows which of them are unset")


def _top(name: str, attributes: Mapping[str, Any], comments: Mapping[tuple[str, ...], str]) -> str:
    words, example = KEYS[(name,)]
    if name in attributes:
        return _line(1, name, attributes[name], comments.get((name,)) or words)
    return _commented(_line(1, name, example, words))


def _line(level: int, key: str, value: Any, comment: str) -> str:
    text = f"{'  ' * level}{key}:{'' if value is None else ' ' + scalar(value)}"
    shown = one_line(comment, limit=1000)
    return f"{text}  # {shown}" if shown else text


def _commented(line: str) -> str:
    """Return a line as a comment that can be undone by deleting one character."""
    rest = line.lstrip(" ")
    return f"{line[: len(line) - len(rest)]}#{rest}"


def scalar(value: Any) -> str:
    """Return a value as YAML on one line. Raises ValueError for a text with a template in it."""
    for text in _texts(value):
        if any(mark in text for mark in ("{{", "{%", "{#")):
            raise ValueError(f"{text!r} holds a template")
    if isinstance(value, str) and value.startswith("{"):
        return f'"{value}"' if value.isprintable() and not set(value) & set('"\\') else _dumped(value)
    return _dumped(value)


def _dumped(value: Any) -> str:
    text = yaml.safe_dump(
        value,
        default_flow_style=True,
        width=float("inf"),
        allow_unicode=all(text.isprintable() for text in _texts(value)),  # U+0085 would be a line break
        sort_keys=False,
    )
    return text.removesuffix("...\n").strip()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for pair in value.items() for part in pair for text in _texts(part))
    elif isinstance(value, Sequence):
        yield from (text for item in value for text in _texts(item))
