"""Notes from commits, by git-cliff on real repositories, hostile ones among them."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from release_assets.destinations.git import Mirror, observe_tags
from release_assets.distributions import isolation
from release_assets.errors import PermanentError
from release_assets.notes import cliff
from release_assets.notes.source import Notes, release_notes
from release_assets.project import Project
from release_assets.rules.tags import ParsedTag, Release, channel_of, parse_tag
from release_assets_tests.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with v1.0.0 and its moving tag, and four commits since then."""
    made = Repository(tmp_path / "repository")
    made.commit({}, "feat: the first thing")
    made.tag("v1.0.0", annotated=True)
    made.commit({"a.py": "1"}, "feat(api)!: drop the old call")
    made.tag("v1.1.0rc1")
    made.commit({"packages/core/b.py": "1"}, "fix: a crash (#12)\n\nCloses #11\n")
    made.commit({"c.py": "1"}, "chore: tidy up")
    made.commit({"d.py": "1"}, "not a conventional commit")
    made.tag("v1.1.0", annotated=True)
    made.tag("v1")
    return made


@pytest.fixture
def unisolated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run git-cliff without bubblewrap: its own switches have to do."""
    monkeypatch.setattr(isolation, "is_available", lambda: False)


def notes(repository: Repository, tmp_path: Path, tag: str = "v1.1.0", **changed: object) -> Notes:
    """The notes of a release of the repository."""
    project = Project.model_validate(
        {
            "project": "sample",
            "repository": repository.remote,
            "package": {},
            "github": {"repository": "me/sample", "notes": "commits"},
        }
        | changed
    )
    tags = observe_tags(repository.remote)
    parsed = parse_tag(tag, project.tags.patterns)
    assert isinstance(parsed, ParsedTag)
    release = Release(tag, parsed.version, tags[tag], channel_of(parsed.kind, parsed.version))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    mirror = Mirror(repository.remote, tmp_path / "mirrors")
    found = release_notes(project, release, mirror, tags, scratch)
    assert found is not None
    return found


def test_they_tell_what_changed_since_the_stable_release_before(
    repository: Repository, tmp_path: Path
) -> None:
    assert notes(repository, tmp_path) == Notes(
        "## Breaking changes\n\n- **api:** Drop the old call\n\n"
        "## Added\n\n- **api:** Drop the old call\n\n"
        "## Fixed\n\n- A crash (#12)",
        more="https://github.com/me/sample/compare/v1.0.0...v1.1.0",
    )


def test_a_candidate_tells_what_changed_since_the_release_below(
    repository: Repository, tmp_path: Path
) -> None:
    found = notes(repository, tmp_path, "v1.1.0rc1")
    assert "A crash" not in found.text
    assert found.more == "https://github.com/me/sample/compare/v1.0.0...v1.1.0rc1"


def test_the_first_release_tells_all(repository: Repository, tmp_path: Path) -> None:
    found = notes(repository, tmp_path, "v1.0.0")
    assert found.text == "## Added\n\n- The first thing"
    assert found.more == "https://github.com/me/sample/commits/v1.0.0"


def test_a_package_of_a_monorepo_tells_its_own_directory(repository: Repository, tmp_path: Path) -> None:
    found = notes(repository, tmp_path, package={"directory": "packages/core"})
    assert found.text == "## Fixed\n\n- A crash (#12)"


CONFIGURATION = """
[changelog]
header = "# All changes"
body = '''
## [{{ version | trim_start_matches(pat="v") }}] - {{ timestamp | date(format="%Y") }}
{% for commit in commits %}
* {{ commit.message }}{% endfor %}
'''
[git]
conventional_commits = false
filter_unconventional = false
skip_tags = "rc"
"""


def test_the_repositorys_cliff_toml_counts_without_its_heading(
    repository: Repository, tmp_path: Path
) -> None:
    repository.commit({"cliff.toml": CONFIGURATION}, "last")
    repository.tag("v1.2.0")
    assert notes(repository, tmp_path, "v1.2.0").text == "* last"


def test_nothing_of_note_is_an_empty_text(repository: Repository, tmp_path: Path) -> None:
    repository.commit({}, "nothing conventional")
    repository.tag("v1.1.1")
    assert notes(repository, tmp_path, "v1.1.1").text == ""


def test_a_cliff_toml_that_is_wrong_is_told_in_its_own_words(repository: Repository, tmp_path: Path) -> None:
    repository.commit({"cliff.toml": "[changelog]\nbody = '{% for %}'\n"}, "last")
    repository.tag("v1.2.0")
    with pytest.raises(PermanentError) as refused:
        notes(repository, tmp_path, "v1.2.0")
    assert "git-cliff cannot write the notes of v1.2.0: failed with exit status 1" in refused.value.problem
    assert "emplate" in refused.value.problem
    assert "github: notes:" in refused.value.remedy


@pytest.mark.usefixtures("unisolated")
def test_its_commands_are_not_run(repository: Repository, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    command = f"replace_command = 'sh -c \"touch {ran}; cat\"'"
    repository.commit(
        {
            "cliff.toml": CONFIGURATION.replace(
                "[git]", f"postprocessors = [{{pattern = '.*', {command}}}]\n[git]"
            )
            + f"commit_preprocessors = [{{pattern = '.*', {command}}}]\n"
        },
        "last",
    )
    repository.tag("v1.2.0")
    notes(repository, tmp_path, "v1.2.0")
    assert not ran.exists()


@pytest.mark.usefixtures("unisolated")
def test_it_sees_no_secret(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYPI_TOKEN", "pypi-s3cr3t")
    monkeypatch.setenv("GITHUB_TOKEN", "ghp-s3cr3t")
    body = (
        "{{ get_env(name='PYPI_TOKEN', default='none') }} {{ get_env(name='GITHUB_TOKEN', default='none') }}"
    )
    repository.commit({"cliff.toml": f'[changelog]\nbody = "{body}"\n'}, "feat: last")
    repository.tag("v1.2.0")
    assert notes(repository, tmp_path, "v1.2.0").text == "none none"


@pytest.mark.usefixtures("unisolated")
def test_it_asks_no_server(repository: Repository, tmp_path: Path) -> None:
    """A configuration may name a GitHub of its own, which would learn what is released, and be waited for."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        remote = (
            "[remote.github]\nowner = 'o'\nrepo = 'r'\ntoken = 't'\n"
            f"api_url = 'http://127.0.0.1:{server.getsockname()[1]}'\n"
        )
        repository.commit({"cliff.toml": f"{CONFIGURATION}\n{remote}"}, "last")
        repository.tag("v1.2.0")
        assert notes(repository, tmp_path, "v1.2.0").text == "* last"
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.usefixtures("unisolated")
def test_a_template_without_end_is_ended(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cliff, "SECONDS", 2.0)
    loop = (
        "{% for a in range(end=99999999) %}{% for b in range(end=99999999) %}{{ a }}{% endfor %}{% endfor %}"
    )
    repository.commit({"cliff.toml": f'[changelog]\nbody = "{loop}"\n'}, "feat: last")
    repository.tag("v1.2.0")
    started = time.monotonic()
    with pytest.raises(PermanentError, match="git-cliff cannot write the notes"):
        notes(repository, tmp_path, "v1.2.0")
    assert time.monotonic() - started < 20
