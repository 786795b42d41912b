"""Write what `dg scaffold defs release_assets.ReleaseGraph NAME` makes: a project to fill in."""

from __future__ import annotations

import re

import dagster as dg

from release_assets.init.template import render

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
                file.write(f"---\n{_yaml(project)}")
        else:
            (request.target_path / "defs.yaml").write_text(_yaml(project), encoding="utf-8")


def _yaml(project: str) -> str:
    """Return a defs.yaml to fill in: the same file that `release-assets init` writes."""
    name = project.replace("_", "-")
    attributes = {
        "project": project,
        "repository": f"https://github.com/me/{name}.git",
        "package": {},
        "image": {"repository": f"docker.io/me/{name}", "platforms": ["linux/amd64", "linux/arm64"]},
    }
    return render(attributes, {("image", "repository"): "remove the block for a package without images"})
