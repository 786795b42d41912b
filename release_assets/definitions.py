"""The entry point of the code location: the graph of every project that has a defs.yaml."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

import dagster as dg
import yaml
from pydantic import ValidationError

from release_assets.component import REMEDY, InvalidReleaseGraph, ProjectTree, ReleaseGraph, wrong_order
from release_assets.component_file import FILES, component_files, mistakes_in
from release_assets.defaults import FILE as DEFAULTS
from release_assets.errors import DeclarationError
from release_assets.executor import parallel_executor
from release_assets.figures.chart import release_figures
from release_assets.project import Project
from release_assets.rules.token_text import without_tokens
from release_assets.sensors.release_alerts import release_alerts

PACKAGE = "release_assets_defs"  # the folder's name as a Python package, for template_vars_module
ERROR_SECONDS = 300  # between two ticks of the sensor that tells an invalid project


@dataclass
class Folder:
    """A folder that Dagster loads as a whole: one project, as a rule."""

    path: Path
    name: str  # [a-z0-9_]+, unique
    tree: ProjectTree
    projects: list[Project] = field(default_factory=list)
    errors: list[DeclarationError] = field(default_factory=list)
    is_loadable: bool = True  # its definitions can be merged with the others'

    def refuse(self, error: DeclarationError) -> None:
        """Load nothing of the folder, and tell why."""
        self.errors.append(error)
        self.projects.clear()
        self.is_loadable = False

    @property
    def error(self) -> DeclarationError | None:
        """Return everything that is wrong in the folder as one error, or None."""
        if not self.errors:
            return None
        remedies = " ".join(dict.fromkeys(error.remedy for error in self.errors))
        return DeclarationError("\n".join(error.problem for error in self.errors), remedies)


@dg.definitions
def defs() -> dg.Definitions:
    """Return the projects' graphs, side by side.

    A project that is invalid leaves the others alone: in its place stand an asset and a sensor that tell what
    is wrong. Raises DeclarationError where RELEASE_ASSETS_DEFS is not a directory.
    """
    loaded = []
    alerted: list[Project] = []
    for folder in load_folders():
        graphs = dg.Definitions()
        try:
            if folder.is_loadable:
                with _without_dagsters_warnings():
                    graphs = folder.tree.build_defs_at_path(folder.path)
        except Exception as error:
            folder.refuse(_in_our_words(error, folder.path))
        if folder.error is not None:
            logging.getLogger(__name__).error("%s", folder.error)
            graphs = dg.Definitions.merge(graphs, _configuration_error(folder.name, folder.error))
        alerted += [project for project in folder.projects if project.alerts is not None]
        loaded.append(graphs)
    if alerted:
        loaded.append(dg.Definitions(assets=[release_figures()], sensors=[release_alerts(alerted)]))
    # Steps of runs that are launched by hand are processes, too.
    return dg.Definitions.merge(*loaded, dg.Definitions(executor=parallel_executor))


def declarations() -> tuple[dict[str, Project], list[DeclarationError]]:
    """Return the valid projects by name, and what is wrong with the others.

    Raises DeclarationError where RELEASE_ASSETS_DEFS is not a directory.
    """
    folders = load_folders()
    projects = {project.project: project for folder in folders for project in folder.projects}
    return projects, [folder.error for folder in folders if folder.error is not None]


def projects_folder() -> Path:
    """Return the folder that RELEASE_ASSETS_DEFS names, or this package's own, which ships empty.

    Raises DeclarationError where it is not a directory.
    """
    folder = Path(os.environ.get("RELEASE_ASSETS_DEFS") or Path(__file__).with_name("defs")).absolute()
    if not folder.is_dir():
        raise DeclarationError(
            f"RELEASE_ASSETS_DEFS={str(folder)!r} is not a directory",
            "Set it to a directory with one subdirectory per project, each with a defs.yaml.",
        )
    return folder


def load_folders() -> list[Folder]:
    """Return the folders of projects, each with its valid projects and its errors.

    Each is loaded by itself: Dagster's loader stops at the first file that is invalid. Raises
    DeclarationError as `projects_folder` does.
    """
    root = projects_folder()
    for stale in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[stale]  # of another RELEASE_ASSETS_DEFS, or from before a reload
    _package(PACKAGE, root)
    loaded: list[Folder] = []
    declared: dict[str, Path] = {}
    for path in _folders(root):
        name = re.sub(r"[^a-z0-9_]+", "_", "_".join(path.relative_to(root).parts or (root.name,)).lower())
        while name in {folder.name for folder in loaded}:  # My-Package and my.package
            name += "_"
        module = _package(f"{PACKAGE}.{name}", path) if path != root else sys.modules[PACKAGE]
        folder = Folder(path, name, ProjectTree(defs_module=module, project_root=root))
        try:
            _refuse_mistakes(path)
            with _without_dagsters_warnings():
                components = folder.tree.get_all_components(ReleaseGraph)
        except Exception as error:
            folder.refuse(_in_our_words(error, path))
            components = []
        folder.errors += [one.error for one in components if isinstance(one, InvalidReleaseGraph)]
        folder.projects += [one.project for one in components if not isinstance(one, InvalidReleaseGraph)]
        for project in list(folder.projects):
            if project.project in declared:
                folder.refuse(_declared_twice(project.project, declared[project.project], path))
            declared.setdefault(project.project, path)
        loaded.append(folder)
    _put_in_order(loaded)
    return loaded


def _put_in_order(folders: list[Folder]) -> None:
    """Tell each project of the others, and refuse those whose `after` is wrong.

    Where another folder is invalid, its project may be the one that `after` names: that holds releases, and
    is not an error of this project.
    """
    others = {project.project: project for folder in folders for project in folder.projects}
    is_complete = not any(folder.errors for folder in folders)
    for folder in folders:
        for project in list(folder.projects):
            is_known = all(name in others for name in project.after)
            problem = wrong_order(project, others) if is_known or is_complete else None
            if problem is not None:
                folder.refuse(DeclarationError(problem, REMEDY))
        if folder.is_loadable:
            for component in folder.tree.get_all_components(ReleaseGraph):
                component.others = others


def _refuse_mistakes(path: Path) -> None:
    """Raise DeclarationError for what Dagster's loader passes over, or tells without a line."""
    written = [file for folder in (path, *path.rglob("*/")) for file in component_files(folder)]
    if wrong := [mistake for file in written for mistake in mistakes_in(file)]:
        raise DeclarationError(without_tokens("\n".join(wrong)), REMEDY)
    if not written and not any(path.rglob("*.py")):
        others = ", ".join(sorted(file.name for file in path.iterdir() if file.is_file()))
        raise DeclarationError(
            f"{path} has no defs.yaml, only {others}", f"Rename the project's file to {path}/defs.yaml."
        )


@contextlib.contextmanager
def _without_dagsters_warnings() -> Iterator[None]:
    """Hide what Dagster's loader warns of in itself: pydantic's old API, and parts that may change."""
    with warnings.catch_warnings():
        for kind in (DeprecationWarning, dg.BetaWarning, dg.PreviewWarning):
            warnings.simplefilter("ignore", kind)
        yield


def _folders(folder: Path, *, is_top: bool = True) -> Iterator[Path]:
    """Yield the folders that are loaded as a whole: those with a component file or Python of their own.

    A folder with a project in a file of another name is one, too: that is a mistake to be told.
    """
    children = sorted(folder.iterdir())
    has_file = any(
        child.name in FILES or (child.suffix == ".py" and child.stem != "__init__") for child in children
    )
    is_misnamed = not is_top and any(
        child.name != DEFAULTS
        and re.search(r"\.ya?ml", child.name, re.IGNORECASE)
        and b"release_assets.ReleaseGraph" in child.read_bytes()
        for child in children
        if child.is_file()
    )
    if has_file or is_misnamed:
        yield folder
        return
    for child in children:
        if child.is_dir() and child.name != "__pycache__" and not child.name.startswith("."):
            yield from _folders(child, is_top=False)


def _package(name: str, folder: Path) -> ModuleType:
    """Return a package whose modules are the Python files of a folder, as Dagster's loader needs one."""
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules[name] = module_from_spec(spec)
    return sys.modules[name]


def _in_our_words(error: BaseException, path: Path) -> DeclarationError:
    """Return what Dagster ran into, without the file's lines that it quotes: a secret may be among them."""
    while (
        cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    ) is not None:
        error = cause
    match error:
        case DeclarationError():
            return error
        case ValidationError():
            words = "; ".join(
                f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
                for problem in error.errors(include_input=False, include_url=False)
            )
        case yaml.MarkedYAMLError(problem_mark=yaml.Mark() as mark):
            words = f"line {mark.line + 1}: {error.problem}"
        case _:
            words = f"{type(error).__name__}: {error}"
    return DeclarationError(f"{path} cannot be loaded: {words}", REMEDY)


def _declared_twice(project: str, first: Path, second: Path) -> DeclarationError:
    return DeclarationError(
        f"{second} declares the project {project!r}, and {first} does already",
        "Give each project a name of its own, then reload the code location.",
    )


def _configuration_error(name: str, error: DeclarationError) -> dg.Definitions:
    """Return what a maintainer sees where a project cannot be loaded: an asset and a sensor that fails."""
    text = f"{error.problem}\n\nWhat to do: {error.remedy}"

    @dg.sensor(
        name=f"{name}_configuration_error",
        description=text,
        minimum_interval_seconds=ERROR_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def configuration_error() -> None:
        raise dg.Failure(text, allow_retries=False)

    asset = dg.AssetSpec([name, "configuration_error"], group_name=name, description=text, kinds={"yaml"})
    return dg.Definitions(assets=[asset], sensors=[configuration_error])
