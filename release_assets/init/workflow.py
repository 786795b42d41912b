"""A GitHub workflow as data: its triggers, and its jobs' steps with the expressions resolved that can be.

The file is a stranger's. Every scalar is read as text, aliases and nesting are bounded, nothing is run. Pure.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from release_assets.text import one_line

NODE_LIMIT = 20_000  # values in a workflow, each alias counted with all that it stands for
COMBINATIONS = 64  # of a job's matrix that are looked at
STEPS = 1_000  # of a workflow, those of each combination counted
TEXT_LIMIT = 20_000  # characters of a value in which expressions are resolved
VALUE_LIMIT = 1_000  # characters that stand in the place of an expression: values name each other

EXPRESSION = re.compile(r"\$\{\{([^{}]{0,500})\}\}")
SECRET = re.compile(r"\$\{\{\s*(?:secrets\.([A-Za-z_]\w*)|secrets\[\s*['\"]([A-Za-z_]\w*)['\"]\s*\])\s*\}\}")
ASSIGNMENT = re.compile(r"""^[ \t]*(?:export )?([A-Za-z_]\w*)=["']?([\w./:@-]+)["']?[ \t]*$""", re.MULTILINE)
TAG_CONDITION = re.compile(r"startsWith\(\s*github\.(?:event\.)?ref\s*,\s*'refs/tags/([^']*)'\s*\)")


class WorkflowError(Exception):
    """A file is not a workflow, with the reason."""


@dataclass(frozen=True)
class Step:
    """A step of a job for one combination of its matrix; `path` is where people find it."""

    job: str
    name: str
    uses: str  # the action without its version, "" for a script
    run: str
    inputs: Mapping[str, str]
    env: Mapping[str, str]
    condition: str
    directory: str

    @property
    def place(self) -> str:
        """Return the job and the step, as a person would name them."""
        return f"job {self.job}, step {self.name!r}"


@dataclass(frozen=True)
class Workflow:
    """A workflow: what starts it, and what it does."""

    file: str  # its name, without the folder
    tags: tuple[str, ...] = ()  # globs of tags whose push starts it, and those that its conditions name
    events: frozenset[str] = frozenset()
    branches: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    calls: tuple[str, ...] = ()  # workflows of other repositories that its jobs are
    trusted_jobs: frozenset[str] = frozenset()  # those with `id-token: write`

    def place(self, step: Step) -> str:
        """Return where a person finds a step."""
        return f"{self.file}: {step.place}"


def read_workflow(path: str, text: str, known: Mapping[str, str]) -> Workflow:
    """Return the workflow that a file holds.

    `known` are expressions and their values, such as `github.repository`. Raises WorkflowError.
    """
    content = _load(text)
    if not isinstance(content, dict) or not isinstance(content.get("jobs"), dict):
        raise WorkflowError("it has no jobs")
    on = content.get("on", {})
    events = {on: {}} if isinstance(on, str) else dict.fromkeys(_texts(on)) if isinstance(on, list) else on
    events = events if isinstance(events, dict) else {}
    push = _mapping(events.get("push"))
    inputs = {
        f"inputs.{name}": _mapping(declared).get("default")
        for event in ("workflow_call", "workflow_dispatch")
        for name, declared in _mapping(_mapping(events.get(event)).get("inputs")).items()
    }
    values = dict(known) | {name: value for name, value in inputs.items() if isinstance(value, str)}
    outer = _resolved(_strings(content.get("env")), values)
    tags = _texts(push.get("tags"))
    steps: list[Step] = []
    calls: list[str] = []
    trusted: set[str] = set()
    for job_name, job in itertools.islice(content["jobs"].items(), 200):
        job = _mapping(job)
        if isinstance(job.get("uses"), str):
            if not job["uses"].startswith("./"):  # a local one is among the files
                calls.append(job["uses"])
            continue
        permissions = {**_strings(content.get("permissions")), **_strings(job.get("permissions"))}
        if permissions.get("id-token") == "write":
            trusted.add(job_name)
        for combination in _combinations(_mapping(_mapping(job.get("strategy")).get("matrix"))):
            here = values | {f"env.{name}": value for name, value in outer.items()} | combination
            env = outer | _resolved(_strings(job.get("env")), here)
            here |= {f"env.{name}": value for name, value in env.items()}
            directory = _mapping(_mapping(job.get("defaults")).get("run")).get("working-directory", "")
            for number, entry in enumerate(_list(job.get("steps"))[:500], 1):
                step = _step(job_name, number, _mapping(entry), env, here, str(directory))
                if len(steps) < STEPS and step not in steps:
                    steps.append(step)
        if "push" in events and not tags:
            conditions = [job.get("if"), *(_mapping(entry).get("if") for entry in _list(job.get("steps")))]
            tags = [f"{prefix}*" for text in conditions for prefix in TAG_CONDITION.findall(str(text))]
    return Workflow(
        file=PurePosixPath(path).name,
        tags=tuple(dict.fromkeys(tags)),
        events=frozenset(map(str, events)),
        branches=tuple(_texts(push.get("branches"))),
        steps=tuple(steps),
        calls=tuple(calls),
        trusted_jobs=frozenset(trusted),
    )


def resolve(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with the expressions replaced that `values` holds; the others stay."""

    def value(match: re.Match[str]) -> str:
        for alternative in match[1].split("||"):
            name = alternative.strip()
            if name in values:
                return values[name][:VALUE_LIMIT]
            if quoted := re.fullmatch(r"'([^']*)'", name):
                return quoted[1]
            if not name.startswith(("inputs.", "github.event.inputs.", "vars.")):
                break  # else unset when a tag is pushed, and the next one counts
        return match[0]

    return EXPRESSION.sub(value, text[:TEXT_LIMIT])


def secret_in(text: str | None) -> str | None:
    """Return the name of the secret that a value is made of, None where it is not a secret."""
    match = SECRET.search(text or "")
    return (match[1] or match[2]) if match else None


def is_resolved(text: str) -> bool:
    """Return whether a value is plain: no expression, no variable of a shell, no template is left in it."""
    return not re.search(r"\$[{A-Za-z_(]|\{[{%#]", text) and text.isprintable()


def _step(
    job: str,
    number: int,
    entry: Mapping[str, Any],
    env: Mapping[str, str],
    here: Mapping[str, str],
    directory: str,
) -> Step:
    uses = str(entry.get("uses") or "") if not isinstance(entry.get("uses"), (dict, list)) else ""
    run = entry.get("run") if isinstance(entry.get("run"), str) else ""
    own = _resolved(_strings(entry.get("env")), here)
    values = {**here, **{f"env.{name}": value for name, value in own.items()}}
    script = resolve(run or "", values)
    first = next((line.strip() for line in (run or "").splitlines() if line.strip()), "")
    name = entry.get("name") if isinstance(entry.get("name"), str) else ""
    return Step(
        job=one_line(job, limit=59),
        name=one_line(name or uses or first or str(number), limit=59),
        uses=uses.partition("@")[0].lower(),
        run=_with_variables(script, {**env, **own}),
        inputs=_resolved(_strings(entry.get("with")), values),
        env={**env, **own},
        condition=str(entry.get("if") or ""),
        directory=str(entry.get("working-directory") or directory),
    )


def _with_variables(script: str, given: Mapping[str, str]) -> str:
    """Return a script with the variables replaced that its environment holds, or it sets to plain text."""
    env = dict(ASSIGNMENT.findall(script)) | dict(given)

    def value(match: re.Match[str]) -> str:
        found = env.get(match[1] or match[2])
        return match[0] if found is None else found[:VALUE_LIMIT]

    return re.sub(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))", value, script)


def _combinations(matrix: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the values of a matrix as expressions: `matrix.platform` → linux/amd64."""
    axes = {name: _list(values) for name, values in matrix.items() if name not in {"include", "exclude"}}
    axes = {name: values for name, values in axes.items() if values}
    products = itertools.islice(itertools.product(*axes.values()), COMBINATIONS)
    plain = [dict(zip(axes, product, strict=True)) for product in products] if axes else []
    included = [_mapping(entry) for entry in _list(matrix.get("include"))[:COMBINATIONS]]
    # GitHub adds an entry to every combination that it contradicts nothing of, and makes one of it otherwise.
    for entry in included:
        fits = [one for one in plain if all(one.get(name) == entry[name] for name in entry if name in axes)]
        if axes and fits:
            for one in fits:
                one.update(entry)
        else:
            plain.append(dict(entry))
    for one in (plain or [{}])[:COMBINATIONS]:
        yield dict(_flat("matrix", one))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}", inner)
    elif isinstance(value, str):
        yield prefix, value


def _load(text: str) -> Any:
    """Return what YAML holds as dictionaries, lists and texts. Raises WorkflowError."""
    budget = itertools.count(1)

    def plain(node: yaml.Node) -> Any:
        if next(budget) > NODE_LIMIT:
            raise WorkflowError(f"it holds more than {NODE_LIMIT} values")
        if isinstance(node, yaml.MappingNode):
            return {key.value: plain(value) for key, value in node.value if isinstance(key, yaml.ScalarNode)}
        if isinstance(node, yaml.SequenceNode):
            return [plain(item) for item in node.value]
        # Plain `null`, `~` and nothing are not values; everything else is text, `3.10` and `on` too.
        is_null = node.tag == "tag:yaml.org,2002:null"
        return None if is_null else str(node.value)

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return None if root is None else plain(root)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise WorkflowError(f"it is not YAML (line {mark.line + 1})" if mark else "it is not YAML") from None
    except (RecursionError, ValueError):  # aliases in a circle, or nested beyond any workflow
        raise WorkflowError("its values are nested too deeply") from None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [item for item in _list(value) if isinstance(item, str)]


def _strings(value: Any) -> dict[str, str]:
    """Return the entries of a mapping whose values are texts; lists of texts are joined by line breaks."""
    joined = {
        name: "\n".join(_texts(inner)) if isinstance(inner, list) else inner
        for name, inner in _mapping(value).items()
    }
    return {name: inner for name, inner in joined.items() if isinstance(inner, str)}


def _resolved(values: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Return values with their expressions resolved, also those that name each other."""
    here = dict(known)
    for _ in range(2):
        here |= {f"env.{name}": resolve(value, here) for name, value in values.items()}
    return {name: resolve(value, here) for name, value in values.items()}
