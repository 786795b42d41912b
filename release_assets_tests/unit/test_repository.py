"""The files around the code: examples that load, a whole wheel, checks that are the same everywhere."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from release_assets.definitions import declarations
from release_assets.process import environment, run
from release_assets_tests.paths import ROOT


def test_the_examples_are_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELEASE_ASSETS_DEFS", str(ROOT / "examples"))
    monkeypatch.setenv("RELEASE_ASSETS_REMOTE", "https://github.com/owner/release-assets.git")
    monkeypatch.setenv("RELEASE_ASSETS_GITHUB", "owner/release-assets")
    monkeypatch.setenv("RELEASE_ASSETS_IMAGE", "ghcr.io/owner/release-assets")
    projects, errors = declarations()
    assert errors == []
    assert {"crawl4ai", "release_assets"} <= set(projects)
    assert projects["release_assets"].github.notes == "changelog"


def test_the_changelog_has_what_the_next_release_of_this_needs() -> None:
    """Its own releases take their text from there: a stable one fails without a section of its version."""
    assert re.search(r"^## \[Unreleased\]$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_wheel_holds_license_types_and_data(tmp_path: Path) -> None:
    run(
        [sys.executable, "-m", "build", "--wheel", "--installer", "uv", "--outdir", tmp_path, ROOT],
        env=environment(HOME=str(tmp_path)),
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "release_assets/py.typed",
        "release_assets/notes/cliff.toml",
        "release_assets/notes/page.md",
    ):
        assert name in names
    assert any(re.fullmatch(r"release_assets-[\d.]+\.dist-info/licenses/LICENSE", name) for name in names)
    assert not any(name.startswith(("release_assets_tests", "tools", "benchmarks")) for name in names)


def test_ci_and_pre_commit_run_what_a_maintainer_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["jobs"]["test"]["steps"][-1] == {"run": ".ci/run"}
    assert workflow["permissions"] == {"contents": "read"}
    makefile = (ROOT / "Makefile").read_text()
    checks = makefile.partition("\ncheck: ")[2].partition("\n\n")[0]
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert len(repository["hooks"]) == checks.count("$(BIN)/")
    for hook in repository["hooks"]:
        program = " ".join(hook["entry"].removeprefix(".venv/bin/").split()[:2]).removesuffix(
            " --force-exclude"
        )
        assert program in checks, program
