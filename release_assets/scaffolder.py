"""What `dg scaffold defs release_assets.ReleaseGraph NAME` writes: a project to fill in, with comments."""

from __future__ import annotations

import re

import dagster as dg

YAML = """\
# `release-assets schema --markdown` prints every key.
type: {type}
attributes:
  project: {project}
  repository: https://github.com/me/{name}.git  # the git remote; its tags are the releases
  package:
    directory: .  # the folder of pyproject.toml
    #version_file: src/{project}/__about__.py  # where pyproject.toml does not declare the version
  #tags: {{release: "v{{version}}", test: "test-v{{version}}"}}
  #index: {{token_env: PYPI_TOKEN}}  # another index: upload_url and simple_url
  #test_index: {{token_env: TEST_PYPI_TOKEN}}
  #github: {{repository: me/{name}}}  # where `repository` is not on github.com
  image:  # remove the block for a package without images
    repository: docker.io/me/{name}
    platforms: [linux/amd64, linux/arm64]
    #dockerfile: Dockerfile
    #build_args: {{VERSION: "{{version}}"}}
    #username_env: DOCKER_USERNAME
    #token_env: DOCKER_TOKEN
  #owners: [me@example.org]
requirements:
  env: [PYPI_TOKEN, TEST_PYPI_TOKEN, GITHUB_TOKEN, DOCKER_USERNAME, DOCKER_TOKEN]  # see `dg list envs`
"""

PYTHON = """\
import dagster as dg

from release_assets import ReleaseGraph
from release_assets.project import Project


@dg.component_instance
def load(context: dg.ComponentLoadContext) -> ReleaseGraph:
    return ReleaseGraph(
        Project.model_validate(
            {{
                "project": "{project}",
                "repository": "https://github.com/me/{name}.git",
                "package": {{}},
                "image": {{"repository": "docker.io/me/{name}"}},
            }}
        )
    )
"""


class ReleaseGraphScaffolder(dg.Scaffolder):
    """Write a project with the keys that people change, named after its folder."""

    def scaffold(self, request: dg.ScaffoldRequest) -> None:
        """Write defs.yaml or component.py, or append a document to an existing defs.yaml."""
        folder = request.target_path.parent if request.append else request.target_path
        project = re.sub(r"[^a-z0-9_]+", "_", folder.name.lower()).strip("_") or "mypackage"
        names = {"type": request.type_name, "project": project, "name": project.replace("_", "-")}
        if request.scaffold_format == "python":
            (request.target_path / "component.py").write_text(PYTHON.format(**names), encoding="utf-8")
        elif request.append:
            with request.target_path.open("a", encoding="utf-8") as file:
                file.write(f"---\n{YAML.format(**names)}")
        else:
            (request.target_path / "defs.yaml").write_text(YAML.format(**names), encoding="utf-8")
