"""Metadata of nodes: without secrets, with the seconds of each stage, and links to where things are."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import dagster as dg

from release_assets.destinations.links import package_home, registry_page, source_url
from release_assets.destinations.registry import parse_repository
from release_assets.errors import PermanentError
from release_assets.project import Project
from release_assets.text import redact, size_text

DIGEST = re.compile(r"(sha256:)?([0-9a-f]{64})")
SHORT = 12  # characters of a digest, as docker shows them
WHOLE = "/whole"  # ends the name of what has the whole values of a table


def clean_metadata(metadata: Mapping[str, Any], secrets: Sequence[str]) -> dict[str, Any]:
    """Return metadata without the secrets: a server that knows a token can put it into a URL or a text."""
    return {name: _clean(value, secrets) for name, value in metadata.items()}


def _clean(value: Any, secrets: Sequence[str]) -> Any:
    match value:
        case str():
            return redact(value, secrets)
        case dg.TextMetadataValue(text=text):
            return dg.MetadataValue.text(redact(text or "", secrets))
        case dg.UrlMetadataValue(url=url):
            return dg.MetadataValue.url(redact(url or "", secrets))
        case dg.MarkdownMetadataValue(md_str=text):
            return dg.MetadataValue.md(redact(text or "", secrets))
        case dg.TableMetadataValue(records=records):
            return table({name: _clean(cell, secrets) for name, cell in row.data.items()} for row in records)
    return value


def shown(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata as people read it: links first, then words, numbers, tables, and digests last.

    A size has its words next to the number that is plotted. A table fits on a page: digests in it are
    shortened, sizes are in words, addresses left out. Its whole rows stay, to copy and to read back.
    """
    entries: dict[str, Any] = {}
    for name, value in metadata.items():
        if name == "size_bytes":
            entries["size"] = size_text(value)
        if not isinstance(value, dg.TableMetadataValue):
            entries[name] = value
            continue
        rows = [dict(row.data) for row in value.records]
        short = [_short_row(row) for row in rows]
        entries[name] = table(short)
        if short != rows:
            entries[f"{name}{WHOLE}"] = dg.MetadataValue.json(rows)
    return dict(sorted(entries.items(), key=lambda entry: _rank(entry[1])))


def rows_of(metadata: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the whole rows of a table in recorded metadata; none where it has no such table."""
    whole = metadata.get(f"{name}{WHOLE}")
    whole = getattr(whole, "data", whole)
    if isinstance(whole, list):
        return [dict(row) for row in whole]
    return [dict(row.data) for row in getattr(metadata.get(name), "records", ())]


def _short_row(row: Mapping[str, Any]) -> dict[str, Any]:
    short: dict[str, Any] = {}
    for name, value in row.items():
        if name == "size_bytes":
            short["size"] = size_text(value)
        elif name != "url":
            digest = DIGEST.fullmatch(value) if isinstance(value, str) else None
            short[name] = f"{digest[1] or ''}{digest[2][:SHORT]}…" if digest else value
    return short


def _rank(value: Any) -> int:
    text = getattr(value, "value", value)
    if isinstance(value, dg.UrlMetadataValue | dg.DagsterRunMetadataValue | dg.MarkdownMetadataValue):
        return 0
    if isinstance(value, dg.TableMetadataValue):
        return 3
    if isinstance(value, dg.JsonMetadataValue) or (isinstance(text, str) and DIGEST.fullmatch(text)):
        return 4
    return 2 if isinstance(text, int | float) and not isinstance(text, bool) else 1


def timings(seconds: Mapping[str, float], total: float | None) -> dict[str, dg.MetadataValue]:
    """Return the seconds of each stage and, where the node has ended, of all of it."""
    values: dict[str, dg.MetadataValue] = {
        f"seconds/{stage}": dg.MetadataValue.float(round(spent, 3)) for stage, spent in seconds.items()
    }
    if total is not None:
        values["seconds/total"] = dg.MetadataValue.float(round(total, 3))
    return values


def table(rows: Iterable[Mapping[str, str | int | float | bool]]) -> dg.MetadataValue:
    """Return rows as a table in the UI; there must be at least one."""
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])


def described(does: str, *, needs: Iterable[str], again: str) -> str:
    """Return a node's description: what it does, what it needs, what a repetition does; whole sentences."""
    needed = list(needs)
    paragraphs = [does, "Needs " + ", ".join(needed) + "." if needed else "", f"Safe to run again: {again}"]
    return "\n\n".join(filter(None, paragraphs))


def definition_metadata(
    project: Project, source: str | None, work: Callable[..., Any]
) -> dict[str, dg.MetadataValue]:
    """Return the links of a node: the repository, the published package and image, and the sources.

    `source` is a file in the project's repository, `work` the node's own function. A package has a link where
    the YAML names it: pyproject.toml is read by the runs only.
    """
    repository = source_url(project)
    links = {"repository": repository}
    if repository is not None and source is not None:
        links["source"] = f"{repository}/blob/HEAD/{source}"
    if project.package.name is not None:
        links["package"] = package_home(project.index.simple_url, project.package.name)
    if project.image is not None:
        with contextlib.suppress(PermanentError):  # a name that is none is refused by the preflight
            image = parse_repository(project.image.repository)
            links["registry"] = registry_page(image.host, image.name, project.page.repository)
    function = work.func if isinstance(work, partial) else work
    code = function.__code__
    with warnings.catch_warnings():
        # Without a reference the UI has no link to the code of a node.
        warnings.simplefilter("ignore", dg.BetaWarning)
        reference = dg.CodeReferencesMetadataValue(
            code_references=[
                dg.LocalFileCodeReference(
                    file_path=code.co_filename,
                    line_number=code.co_firstlineno,
                    label=PurePosixPath(code.co_filename).name,
                )
            ]
        )
    return {
        **{name: dg.MetadataValue.url(url) for name, url in links.items() if url is not None},
        "dagster/code_references": reference,
    }


def package_file(project: Project, name: str) -> str:
    """Return the path of a file of the package in its repository, as its web page has it."""
    return PurePosixPath(project.package.directory, name).as_posix()
