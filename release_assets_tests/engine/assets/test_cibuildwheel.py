"""cibuildwheel builds in a container of an image that stands in for manylinux, and sees nothing of ours."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import bcrypt
import pytest

from release_assets.destinations.buildx import docker_environment
from release_assets.destinations.registry import parse_repository
from release_assets.nodes.metadata import rows_of
from release_assets.process import environment, run
from release_assets_tests.maintainer import NewMaintainer, Stands
from tools.sandbox import Sandbox

MACHINE = os.uname().machine
PLATFORM = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[MACHINE]
IMAGE = "release-assets-tests/manylinux:1"

# What cibuildwheel expects of an image: bash, tar, which, interpreters below /opt/python, `build`.
DOCKERFILE = """\
FROM python:3.12-slim
COPY tools /
COPY site /site
ENV PYTHONPATH=/site LD_LIBRARY_PATH=/usr/local/lib
RUN mkdir -p /opt/python/cp39-cp39/bin /opt/python/cp313-cp313/bin \
 && for name in cp39-cp39 cp313-cp313; do \
      ln -s /usr/bin/python3 /opt/python/$name/bin/python; ln -s /usr/bin/pip3 /opt/python/$name/bin/pip; done
"""

# Both commands ask what the container sees: no file of this machine, and no token.
PYPROJECT = """\
[build-system]
requires = ["setuptools==80.9.0"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "1.2.3"
description = "A sample."
readme = "README.md"

[tool.setuptools]
packages = ["carried"]
package-data = {{carried = ["*.so"]}}

[tool.distutils.bdist_wheel]
py-limited-api = "cp39"

[tool.cibuildwheel]
build-frontend = {{name = "build", args = ["--no-isolation"]}}
before-all = "test ! -e /host && test -z \\"$PYPI_TOKEN$DOCKER_TOKEN\\" && echo the container is empty"
audit-command = "touch {witness}"
test-environment = "STOLEN=$(touch {witness})"
container-engine = {{name = "docker", create-args = ["--volume", "/:/host"]}}
repair-wheel-command = [
  "python -m wheel tags --remove --platform-tag {tag} {{wheel}}",
  "mv $(dirname {{wheel}})/*.whl {{dest_dir}}",
]
"""

SETUP = """\
from setuptools import Distribution, setup


class Compiled(Distribution):
    def has_ext_modules(self):
        return True


setup(distclass=Compiled)
"""


def copied_tools(folder: Path) -> None:
    """Copy bash, tar and which with their libraries: the image that stands in has none of them."""
    for name in ("bash", "tar", "which"):
        program = Path(str(shutil.which(name))).resolve()
        # /bin is a link to it.
        (folder / "usr" / "bin").mkdir(parents=True, exist_ok=True)
        shutil.copy(program, folder / "usr" / "bin" / name)
        listed = run(["ldd", program], env=environment(), timeout=30) if name != "which" else ""
        for library in re.findall(r"=> (/\S+)", listed):
            if not re.search(r"/(libc|ld-linux\S*)\.so", library):
                target = folder / "usr" / "local" / "lib" / Path(library).name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(Path(library).resolve(), target)


def build_image(sandbox: Sandbox, folder: Path) -> None:
    """Build the image that stands in for manylinux on the sandbox's engine."""
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    copied_tools(folder / "tools")
    install: list[str | Path] = [
        "uv",
        "pip",
        "install",
        "--quiet",
        "--no-config",
        "--target",
        folder / "site",
    ]
    run([*install, "build", "setuptools==80.9.0", "wheel"], env=environment(), timeout=120)
    contexts = [f"--build-context={name}={where}" for name, where in sandbox.build_contexts.items()]
    login = sandbox.environment["DOCKER_USERNAME"], sandbox.environment["DOCKER_TOKEN"]
    with docker_environment(parse_repository(sandbox.image_repository), *login) as env:
        build: list[str | Path] = ["docker", "buildx", "build", "--load", "--tag", IMAGE, *contexts, folder]
        run(build, env=env, timeout=240, secrets=login[1:])


@pytest.mark.usefixtures("bubblewrap")
def test_cibuildwheel_builds_in_a_container_that_sees_nothing(
    new: NewMaintainer, image_stands: Stands, tmp_path: Path
) -> None:
    assert image_stands.sandbox is not None
    build_image(image_stands.sandbox, tmp_path / "image")
    source = {"platforms": [PLATFORM], "identifiers": ["cp313-manylinux_*"], "images": {"manylinux": IMAGE}}
    maintainer = new(image_stands, package={"wheels": [{"cibuildwheel": source}]})
    witness = tmp_path / "witness"
    module = maintainer.repository.path / "carried" / "_bcrypt.abi3.so"
    module.parent.mkdir()
    shutil.copy(Path(bcrypt.__file__).with_name(module.name), module)
    pyproject = PYPROJECT.format(name=maintainer.name, witness=witness, tag=f"manylinux_2_34_{MACHINE}")
    files = {"pyproject.toml": pyproject, "setup.py": SETUP, "carried/__init__.py": ""}
    maintainer.repository.commit(files | {"MANIFEST.in": "include carried/*.so\n"})
    maintainer.repository.tag("v1.2.3", annotated=True)
    outcome = maintainer.materialize("v1.2.3", "version", "sdist", f"wheel_{PLATFORM.replace('/', '_')}")
    assert outcome.success, outcome.said
    (wheel,) = rows_of(outcome.metadata(f"wheel_{PLATFORM.replace('/', '_')}"), "files")
    assert wheel["file"] == f"{maintainer.name}-1.2.3-cp39-abi3-manylinux_2_34_{MACHINE}.whl"
    assert str(wheel["import"]).startswith("imported carried carried._bcrypt on Python 3.")
    assert not witness.exists()
    left = run(["docker", "ps", "--all", "--format", "{{.Names}}"], env=dict(os.environ), timeout=60)
    assert "cibuildwheel-" not in left
