"""Find the Python packages of a repository, and where each one declares its name and version. Runs nothing.

Setuptools, hatchling, flit, poetry and pdm are read, and setup.cfg and setup.py as far as they are data.

It is long because each build backend declares its package in a way of its own, each read by a few lines.
"""

from __future__ import annotations

import ast
import configparser
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from release_assets.errors import PermanentError
from release_assets.init.tree import Tree, UnreadableError
from release_assets.rules.version_file import version_in_file

# Backends that compile: what they build is a wheel of this machine's platform.
COMPILING = ("maturin", "scikit_build_core", "mesonpy", "setuptools_rust", "py_build_cmake")
# What takes the version from git's tags, by a word that its configuration holds.
FROM_TAGS = (
    "setuptools_scm", "setuptools-scm", "hatch-vcs", "poetry-dynamic-versioning", "versioningit",
    "versioneer", "dunamai", "uv-dynamic-versioning", "flit-scm", "pbr",
)  # fmt: skip


@dataclass(frozen=True)
class Package:
    """A package of the repository; `version_from` is where its version is declared, in words."""

    directory: str
    name: str
    name_is_declared: bool  # by [project] name, so that defs.yaml need not repeat it
    version: str | None
    version_file: str | None
    version_from: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Version:
    """The source of a version: a value, a file relative to the package's directory, or neither."""

    where: str
    value: str | None = None
    file: str | None = None


def find_packages(tree: Tree) -> tuple[list[Package], list[str]]:
    """Return the packages of a repository, the one at its top first, and what could not be read, in words."""
    packages: list[Package] = []
    problems: list[str] = []
    directories = {
        str(PurePosixPath(path).parent) for path in tree.named("pyproject.toml", "setup.py", "setup.cfg")
    }
    for directory in sorted(directories, key=lambda path: (path != ".", path.count("/"), path)):
        try:
            package = read_package(tree, directory)
        except UnreadableError as error:
            problems.append(str(error))
            continue
        if package is not None:
            packages.append(package)
    return packages, problems


def read_package(tree: Tree, directory: str) -> Package | None:
    """Return the package that a directory declares, or None where there is none to publish.

    Raises UnreadableError for a pyproject.toml that is not TOML.
    """
    pyproject = _toml(tree, _join(directory, "pyproject.toml"))
    setup_cfg = _setup_cfg(tree, _join(directory, "setup.cfg"))
    setup_py = _setup_py(tree, _join(directory, "setup.py"))
    project, tool = _table(pyproject, "project"), _table(pyproject, "tool")
    if _table(tool, "uv").get("package") is False or _is_private(project):
        return None
    declared = _text(project.get("name"))
    name = (
        declared
        or _text(_table(tool, "poetry").get("name"))
        or _text(_table(_table(tool, "flit"), "metadata").get("dist-name"))
        or _text(_table(_table(tool, "flit"), "metadata").get("module"))
        or _text(setup_cfg.get("metadata", {}).get("name"))
        or _text(setup_py.get("name"))
    )
    if name is None:
        return None
    try:
        canonicalize_name(name, validate=True)
    except InvalidName:
        return None
    found = _declared_version(tree, directory, pyproject, setup_cfg, setup_py)
    package = Package(
        directory=directory,
        name=name,
        name_is_declared=declared is not None,
        version=found.value,
        version_file=None,
        version_from=found.where,
        notes=tuple(_notes(pyproject, setup_py)),
    )
    return _with_version_file(tree, package, found) if found.file is not None else package


def _with_version_file(tree: Tree, package: Package, found: _Version) -> Package:
    """Return the package with the version of its file, if that can be read without running it."""
    path = _join(package.directory, found.file or "")
    try:
        content = tree.read_bytes(path)
        version = None if content is None else version_in_file(content, path)
        if version is not None:
            Version(version)
    except (UnreadableError, PermanentError, InvalidVersion):
        version = None
    if version is None:
        words = f"{found.where}: {path} does not hold it as plain text, so the built metadata is checked"
        return replace(package, version_from=words)
    return replace(package, version=version, version_file=path)


def _declared_version(
    tree: Tree,
    directory: str,
    pyproject: Mapping[str, Any],
    setup_cfg: Mapping[str, Mapping[str, str]],
    setup_py: Mapping[str, Any],
) -> _Version:
    project, tool = _table(pyproject, "project"), _table(pyproject, "tool")
    if str(_table(pyproject, "build-system").get("build-backend", "")).startswith("maturin"):
        tool = {"maturin": {}, **tool}  # its table is optional
    if (version := _text(project.get("version"))) is not None:
        return _Version("[project] version", value=version)
    requires = " ".join(map(str, _list(_table(pyproject, "build-system").get("requires")))).lower()
    if name := next((name for name in FROM_TAGS if name in requires or name in tool), None):
        return _Version(f"git tags, by {name}")
    for read in (_by_hatch, _by_pdm, _by_poetry, _by_maturin):
        if (found := read(tool)) is not None:
            return found
    setuptools = _table(tool, "setuptools")
    dynamic = _table(_table(setuptools, "dynamic"), "version")
    where = _list(_table(_table(_table(setuptools, "packages"), "find"), "where"), of=str)
    roots = [*where, *_texts(_table(setuptools, "package-dir").get("")), ".", "src"]
    metadata = setup_cfg.get("metadata", {})
    if (attribute := _text(dynamic.get("attr"))) is not None:
        file = _module_of(tree, directory, attribute, roots)
        return _Version(f"[tool.setuptools.dynamic] version attr {attribute}", file=file)
    if files := _texts(dynamic.get("file")):
        return _Version(f"[tool.setuptools.dynamic] version file {files[0]}", file=files[0])
    if (declared := _text(metadata.get("version"))) is not None:
        return _in_setup_cfg(tree, directory, declared, setup_cfg)
    if (version := _text(setup_py.get("version"))) is not None:
        return _Version("setup.py", value=version)
    if (module := _flit_module(pyproject)) is not None:
        for path in (
            f"{module}/__init__.py",
            f"src/{module}/__init__.py",
            f"{module}.py",
            f"src/{module}.py",
        ):
            if tree.is_file(_join(directory, path)):
                return _Version(f"flit's module {module}", file=path)
    return _Version("the built metadata: the version is dynamic")


def _by_hatch(tool: Mapping[str, Any]) -> _Version | None:
    version = _table(_table(tool, "hatch"), "version")
    if version.get("source") in {None, "regex", "code"} and (path := _text(version.get("path"))) is not None:
        return _Version("[tool.hatch.version] path", file=path)
    if (source := _text(version.get("source"))) is not None:
        return _Version(f"[tool.hatch.version] source {source}")
    return None


def _by_pdm(tool: Mapping[str, Any]) -> _Version | None:
    version = _table(_table(tool, "pdm"), "version")
    if version.get("source") == "file" and (path := _text(version.get("path"))) is not None:
        return _Version("[tool.pdm.version] path", file=path)
    if (source := _text(version.get("source"))) is not None:
        return _Version(f"[tool.pdm.version] source {source}")
    return None


def _by_poetry(tool: Mapping[str, Any]) -> _Version | None:
    version = _text(_table(tool, "poetry").get("version"))
    return None if version is None else _Version("[tool.poetry] version", value=version)


def _by_maturin(tool: Mapping[str, Any]) -> _Version | None:
    maturin = tool.get("maturin")
    if not isinstance(maturin, dict):
        return None
    file = _text(maturin.get("manifest-path")) or "Cargo.toml"
    return _Version(f"maturin's {file}", file=file)


def _in_setup_cfg(
    tree: Tree, directory: str, declared: str, setup_cfg: Mapping[str, Mapping[str, str]]
) -> _Version:
    how, colon, what = (part.strip() for part in declared.partition(":"))
    if not colon:
        return _Version("setup.cfg: [metadata] version", value=declared)
    if how == "file":
        return _Version(f"setup.cfg: version file {what}", file=what.split(",")[0].strip())
    options = setup_cfg.get("options", {})
    package_dir = [
        line.split("=")[-1].strip() for line in options.get("package_dir", "").splitlines() if "=" in line
    ]
    where = _texts(setup_cfg.get("options.packages.find", {}).get("where"))
    file = _module_of(tree, directory, what, [*where, *package_dir, ".", "src"])
    return _Version(f"setup.cfg: version attr {what}", file=file)


def _module_of(tree: Tree, directory: str, attribute: str, roots: list[str]) -> str | None:
    """Return the file that assigns an attribute such as `package.about.__version__`, if it is there."""
    module, _, name = attribute.rpartition(".")
    if name not in {"__version__", "version", "VERSION"} or not module:
        return None
    path = module.replace(".", "/")
    for root in roots:
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            found = PurePosixPath(root, candidate).as_posix()
            if tree.is_file(_join(directory, found)):
                return found
    return None


def _flit_module(pyproject: Mapping[str, Any]) -> str | None:
    if "flit" not in str(_table(pyproject, "build-system").get("build-backend", "")):
        return None
    flit = _table(_table(pyproject, "tool"), "flit")
    name = _text(_table(flit, "module").get("name")) or _text(_table(flit, "metadata").get("module"))
    declared = _text(_table(pyproject, "project").get("name"))
    return name or (declared.replace("-", "_") if declared else None)


def _notes(pyproject: Mapping[str, Any], setup_py: Mapping[str, Any]) -> Iterator[str]:
    backend = str(_table(pyproject, "build-system").get("build-backend", ""))
    requires = " ".join(map(str, _list(_table(pyproject, "build-system").get("requires")))).lower()
    compiler = next((name for name in COMPILING if backend.startswith(name)), None)
    if compiler is None and ("cython" in requires or "cffi" in requires or "ext_modules" in setup_py):
        compiler = "setuptools with extension modules"
    if compiler is not None:
        yield (
            f"the package is compiled ({compiler}): declare where its wheels come from in "
            "`package: wheels:`, or PyPI rejects the one that is built for this machine"
        )


def _is_private(project: Mapping[str, Any]) -> bool:
    return any(str(line).startswith("Private ::") for line in _list(project.get("classifiers")))


# Reading, without trusting any type


def _join(directory: str, path: str) -> str:
    return PurePosixPath(directory, path).as_posix()


def _toml(tree: Tree, path: str) -> Mapping[str, Any]:
    text = tree.read(path)
    if text is None:
        return {}
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also an integer of thousands of digits
        raise UnreadableError(f"{path} is not TOML: {str(error)[:200]}") from None


def _setup_cfg(tree: Tree, path: str) -> dict[str, dict[str, str]]:
    try:
        text = tree.read(path)
    except UnreadableError:
        return {}
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text or "")
    except configparser.Error:
        return {}
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _setup_py(tree: Tree, path: str) -> dict[str, Any]:
    """Return the arguments of `setup(…)` that are plain texts; those that are not are there as None."""
    try:
        module = ast.parse(tree.read(path) or "")
    except (UnreadableError, SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    for node in ast.walk(module):
        match node:
            case ast.Call(func=ast.Name(id="setup") | ast.Attribute(attr="setup"), keywords=keywords):
                return {
                    word.arg: word.value.value if isinstance(word.value, ast.Constant) else None
                    for word in keywords
                    if word.arg is not None
                }
    return {}


def _table(block: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = block.get(key)
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) and value.strip().isprintable() else None


def _list(value: object, of: type = object) -> list[Any]:
    return [item for item in value if isinstance(item, of)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    """Return a text, or a list's texts, as a list."""
    return [text for item in (value if isinstance(value, list) else [value]) if (text := _text(item))]
