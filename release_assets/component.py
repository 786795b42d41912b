"""ReleaseGraph: what a `defs.yaml` declares, as a Dagster component."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError
from pydantic_core import ErrorDetails

from release_assets.component_file import component_files, mistakes_in
from release_assets.defaults import find_defaults, is_default, merged, read_defaults
from release_assets.errors import DeclarationError
from release_assets.graph import build_release_graph
from release_assets.project import Project
from release_assets.rules.order import cycle
from release_assets.rules.token_text import TOKEN, without_tokens
from release_assets.scaffolder import ReleaseGraphScaffolder
from release_assets.schema import attributes_schema

REQUIRED = "is required"
REMEDY = "Correct the file, then reload the code location."
VARIABLE = re.compile(r"\benv(?:\.(\w+)|\(\s*['\"](\w+)['\"]\s*\))")
TOKEN_IS_NO_NAME = "holds a token; the YAML never holds the secret itself, only the name of a variable"
QUOTE = "expected text; put it in quotes"


class Attributes(BaseModel):
    """The attributes of a ReleaseGraph as they are written: templates are not resolved yet.

    Dagster validates with this model and shows the values that it rejects. So it accepts everything, and
    `ReleaseGraph.load` validates: a token in the place of a variable's name must not get into a log.
    """

    model_config = ConfigDict(extra="allow")
    _own: dict[str, Any] | None = PrivateAttr(default=None)  # of defs.yaml, where there is a defaults.yaml
    _defaults_file: Path | None = PrivateAttr(default=None)

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """Return the schema that editors, `dg check yaml` and the documentation in the UI use."""
        return attributes_schema()


class ProjectTree(dg.ComponentTree):
    """Dagster's loader for a folder of projects, where an invalid project must not stop the others."""


@dg.scaffold_with(ReleaseGraphScaffolder)
class ReleaseGraph(dg.Component, dg.Resolvable):
    """Release one Python package: package index, GitHub release, images for several platforms.

    A project's file:

        ```yaml
        type: release_assets.ReleaseGraph
        attributes:
          project: mypackage
          repository: https://github.com/me/mypackage.git
          package: {}
          image:
            repository: docker.io/me/mypackage
        ```
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.others: Mapping[str, Project] | None = None  # set by the loader of a folder of projects

    @classmethod
    def model(cls) -> type[BaseModel]:
        """Return the model of `attributes`."""
        return Attributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> ReleaseGraph:
        """Return the component for a file's attributes, with its templates resolved.

        Raises DeclarationError that names the file, and the line and the key of each mistake.
        """
        try:
            # The loader of a folder of projects looks at the files itself, before Dagster does.
            written = [] if isinstance(context.component_tree, ProjectTree) else component_files(context.path)
            if wrong := [mistake for file in written for mistake in mistakes_in(file)]:
                raise DeclarationError(without_tokens("\n".join(wrong)), REMEDY)
            own = (attributes.model_extra if attributes is not None else None) or {}
            return super().load(_with_defaults(own, context), context)
        except DeclarationError as error:
            if not isinstance(context.component_tree, ProjectTree):
                raise
            return InvalidReleaseGraph(error)

    @classmethod
    def resolve_from_model(cls, context: dg.ResolutionContext, model: BaseModel) -> ReleaseGraph:
        """Return the component for `attributes`. Raises DeclarationError."""
        mistakes = list[Mistake]()
        # For a defaults.yaml: `token_env: "{{ project }}_token"`.
        context = context.with_scope(project=(model.model_extra or {}).get("project"))
        attributes = {
            key: _resolved(value, context.at_path(key), mistakes)
            for key, value in (model.model_extra or {}).items()
        }
        project = None if mistakes else _validated(attributes, mistakes)
        told = {path for path, _ in mistakes}
        mistakes += [
            (path, TOKEN_IS_NO_NAME)
            for path in _tokens(attributes)
            if not any(path[: len(there)] == there for there in told)
        ]
        project = None if mistakes else project
        if project is None:
            # Not inside an `except`: Dagster shows the whole chain, and what pydantic says has values in it.
            raise _declaration_error(mistakes, context, model)
        return cls(project)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the project's assets, jobs and sensors. Raises DeclarationError for a wrong `after`."""
        others = self.others
        if others is None and self.project.after:
            found = context.component_tree.get_all_components(ReleaseGraph)
            others = {one.project.project: one.project for one in found}
            if (problem := wrong_order(self.project, others)) is not None:
                raise DeclarationError(problem, REMEDY)
        return build_release_graph(self.project, others)


class InvalidReleaseGraph(ReleaseGraph):
    """A project whose declaration is invalid, in a folder where that must not stop the others."""

    def __init__(self, error: DeclarationError) -> None:
        self.error = error

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """Return nothing: the folder's loader tells the error."""
        return dg.Definitions()


def wrong_order(project: Project, others: Mapping[str, Project]) -> str | None:
    """Return what is wrong with a project's `after` among all projects, or None."""
    for name in project.after:
        if name not in others:
            near = difflib.get_close_matches(name, others, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(others))}"
            return f"{project.project}: after: no project is named {name!r}; {hint}"
        if others[name].repository != project.repository:
            return (
                f"{project.project}: after: {name} is in {others[name].repository}, and {project.project} in "
                f"{project.repository}; only projects of one repository have an order"
            )
    loop = cycle({name: other.after for name, other in others.items()}, project.project)
    return f"{project.project}: after: a cycle: {' → '.join(loop)}" if loop is not None else None


def _with_defaults(own: dict[str, Any], context: dg.ComponentLoadContext) -> Attributes:
    """Return a project's attributes above those of the nearest defaults.yaml. Raises DeclarationError."""
    file = find_defaults(context.path, context.component_tree.project_root)
    if file is None:
        return Attributes(**own)
    attributes = Attributes(**merged(read_defaults(file), own))
    attributes._own, attributes._defaults_file = own, file
    return attributes


Mistake = tuple[tuple[str | int, ...], str]  # the path of a key below `attributes`, and what is wrong with it


def _resolved(value: Any, context: dg.ResolutionContext, mistakes: list[Mistake]) -> Any:
    """Return a value with its templates resolved; adds what cannot be resolved to `mistakes`.

    Only text with a template is given to Dagster, which reads every text as a Python literal: "3.10" would be
    the number 3.1.
    """
    match value:
        case dict():
            return {key: _resolved(item, context.at_path(key), mistakes) for key, item in value.items()}
        case list():
            return [_resolved(item, context.at_path(place), mistakes) for place, item in enumerate(value)]
        case str() if "{{" in value or "{%" in value:
            return _rendered(value, context, mistakes)
    return value


def _tokens(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the places that hold a token: most of the declaration is shown in the UI."""
    match value:
        case dict():
            for key, item in value.items():
                yield from _tokens(item, (*path, key))
        case list():
            for place, item in enumerate(value):
                yield from _tokens(item, (*path, place))
        case str() if TOKEN.search(value):
            yield path


def _rendered(template: str, context: dg.ResolutionContext, mistakes: list[Mistake]) -> Any:
    path = tuple(context.path[1:])  # without `attributes`
    named = {one or other for one, other in VARIABLE.findall(template)}
    unset = sorted(name for name in named if name not in os.environ and "default" not in template)
    if unset:
        mistakes.append((path, f"the environment variable {', '.join(unset)} is unset"))
        return None
    try:
        value = context.resolve_value(template)
        if not isinstance(value, list | dict | None):
            # With a NUL at its end nothing is a Python literal: text stays text, and pydantic makes numbers.
            value = str(context.resolve_value(f"{template}\0")).removesuffix("\0")
    except Exception:  # whatever a template runs into; Dagster's words quote the file around it
        known = ", ".join(sorted(context.scope))
        mistakes.append((path, f"the template cannot be resolved; the names in its scope are {known}"))
        return None
    return value


def _validated(attributes: dict[str, Any], mistakes: list[Mistake]) -> Project | None:
    try:
        return Project.model_validate(attributes)
    except ValidationError as error:
        mistakes += _mistakes(error)
    return None


def _mistakes(error: ValidationError) -> Iterator[Mistake]:
    for problem in error.errors(include_url=False):
        yield problem["loc"], _in_words(problem)


def _in_words(problem: ErrorDetails) -> str:
    """Return what is wrong with a value. Only its type is told, since it may be a secret."""
    match problem["type"], problem["input"]:
        case "missing", _:
            return REQUIRED
        case "string_type", bool():
            return f"{QUOTE}, or YAML reads it as true or false"
        case "string_type", int() | float():
            return f"{QUOTE}, or YAML reads it as a number"
        case "string_type", _:
            return "expected text"
        case "list_type", _:
            return "expected a list, such as [one, other]"
        case "dict_type" | "model_type", None:
            return "expected a mapping; write {} for an empty one"
        case "dict_type" | "model_type", _:
            return "expected a mapping"
        case "string_pattern_mismatch", _ if problem["loc"] == ("project",):
            return "expected lower-case letters, digits and _, such as my_package"
    return problem["msg"].removeprefix("Value error, ")


def _declaration_error(
    mistakes: list[Mistake], context: dg.ResolutionContext, model: BaseModel
) -> DeclarationError:
    tree = context.source_position_tree
    own, file = (model._own, model._defaults_file) if isinstance(model, Attributes) else (None, None)
    lines = []
    for path, message in mistakes:
        key = ".".join(map(str, path)) or "attributes"
        if own is not None and is_default(path, own) and message != REQUIRED:
            lines.append(f"  {file}: {key}: {message}")
            continue
        if tree is None:
            lines.append(f"  {key}: {message}")
            continue
        position, _ = tree.lookup_closest_and_path([*context.path, *path], None)
        lines.append(f"  {position}: {key}: {message}")
    # A key may be a token, too.
    return DeclarationError(without_tokens("invalid project:\n" + "\n".join(lines)), REMEDY)
