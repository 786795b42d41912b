"""`release-assets rollback TAG`: the floating tags go back to the release before that one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click
import dagster as dg
from packaging.version import Version
from rich.markup import escape

from release_assets.cli.options import (
    SECRETS,
    ask,
    dry_run_option,
    epilog,
    json_option,
    project_option,
    verbose_option,
)
from release_assets.cli.runs import dagster_instance, declared_project, release_of, runs_of
from release_assets.cli.tag_lines import move_lines
from release_assets.cli.terminal import print_lines
from release_assets.destinations.links import manage_page
from release_assets.errors import PermanentError, ReleaseError
from release_assets.nodes.image_step import observing_registry
from release_assets.nodes.metadata import rows_of
from release_assets.nodes.rollback import (
    ROLLBACK,
    ROLLBACK_TO,
    nothing_to_roll_back,
    plan_rollback,
    target_version,
)
from release_assets.planning.world import needs_login, step_of, why_hidden
from release_assets.project import Image, Project
from release_assets.rules.tag_moves import TagMove, as_rows
from release_assets.rules.tags import Release


@click.command(
    epilog=epilog(
        'release-assets rollback v1.2.3 --reason "it does not start"',
        "release-assets rollback v1.2.3 --to v1.2.1 --dry-run",
        secrets=SECRETS,
    )
)
@click.argument("tag")
@project_option
@click.option("--to", "to_tag", metavar="TAG", help="Go to this release instead of the highest one before.")
@click.option("--reason", default="none given", help="Say why. It is recorded with the run.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@dry_run_option("Show what would move, and do nothing.")
@json_option("Print what moved as one line of JSON.")
@verbose_option
def rollback(
    tag: str,
    project: str | None,
    to_tag: str | None,
    reason: str,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    """Point the floating tags that point to TAG's release back to the release before it.

    A floating tag (1.2, 1, latest) goes to the highest release before TAG in its series. Where the image of
    that one is gone, it goes to what it pointed to before. The command shows what moves and asks. The next
    release moves the tags on, and so does `release-assets rebuild TAG`.

    The package index and GitHub keep the release: the command prints the page where you can yank it.
    """
    declared = declared_project(project)
    if declared.image is None:
        raise click.UsageError(f"{declared.project} declares no image, so it has no floating tags.")
    release, remote_tags = release_of(declared, tag)
    to_release = release_of(declared, to_tag)[0] if to_tag is not None else None
    try:
        to = target_version(declared, release, to_release.tag) if to_release is not None else None
    except PermanentError as error:
        raise click.UsageError(f"{error.problem}\n{error.remedy}") from None

    with dagster_instance() as instance:
        places = declared.image.places
        planned = {
            place.repository: _planned(declared, place, release, remote_tags, to, instance)
            for place in places
        }
        known = [moves for moves, _ in planned.values() if moves is not None]
        if len(known) == len(planned) and not any(move.is_needed for moves in known for move in moves):
            raise nothing_to_roll_back(release, known[0])
        if not as_json:
            lines = [f"Rollback of {escape(tag)}:"]
            for repository, (moves, words) in planned.items():
                lines += [escape(repository)] if len(places) > 1 else []
                lines += move_lines(moves, digests=True) if moves is not None else [escape(words)]
            print_lines([*lines, *_what_stays(declared, release, instance)])
    if dry_run:
        if as_json:
            rows = {repository: as_rows(moves or []) for repository, (moves, _) in planned.items()}
            click.echo(json.dumps(_answer(declared, tag, rows, dry_run=True)))
        return
    ask(yes)
    run_tags = {ROLLBACK: "true", "release_assets/reason": reason}
    if to_release is not None:
        run_tags[ROLLBACK_TO] = to_release.tag
    with runs_of(declared, verbose=verbose) as runs:
        nodes = [place.floating_tags_node for place in places]
        view = runs.run(f"{declared.project}_docker", tag, nodes=[*nodes, "summary"], tags=run_tags)
    recorded = {place.repository: view.nodes[place.floating_tags_node].metadata for place in places}
    if as_json:
        rows = {repository: rows_of(metadata, "tags") for repository, metadata in recorded.items()}
        click.echo(json.dumps(_answer(declared, tag, rows, dry_run=False)))
        return
    first, *others = recorded.items()
    lines = [f"Rolled back {escape(tag)}. Moved: {escape(str(first[1]['moved']))}."]
    lines += [f"Moved in {escape(name)}: {escape(str(metadata['moved']))}." for name, metadata in others]
    print_lines(lines)


def _planned(
    project: Project,
    image: Image,
    release: Release,
    remote_tags: Collection[str],
    to: Version | None,
    instance: dg.DagsterInstance,
) -> tuple[list[TagMove] | None, str]:
    """Return what would move; None and the reason where the registry shows it to those who log in only.

    A registry that cannot be asked is an error, unless there are others.
    """
    registry = observing_registry(image)
    try:
        return plan_rollback(registry, project, image, release, remote_tags, instance=instance, to=to), ""
    except ReleaseError as error:
        login = (image.username_env, image.token_env)
        if not needs_login(error, *login) and not image.mirrors:
            raise
        return None, f"What moves is decided by the run: {image.repository} is {why_hidden(error, *login)}."


def _answer(
    project: Project, tag: str, rows: Mapping[str, Sequence[Mapping[str, Any]]], *, dry_run: bool
) -> dict[str, Any]:
    """Return the answer in JSON; `rows` are by repository, which each of several has in addition."""
    tags = [
        {**row, **({"repository": repository} if len(rows) > 1 else {})}
        for repository, found in rows.items()
        for row in found
    ]
    return {"project": project.project, "tag": tag, "dry_run": dry_run, "tags": tags}


def _what_stays(project: Project, release: Release, instance: dg.DagsterInstance) -> list[str]:
    """Return what a rollback cannot undo, with the page where a person can."""
    page = None
    with contextlib.suppress(ReleaseError):
        name = step_of(project, release.tag, {release.tag: release.commit}, instance).declared_name
        simple_url = project.index_for(release.channel).simple_url
        page = manage_page(simple_url, name, str(release.version)) if name is not None else None
    return [
        f"The package index and GitHub keep {release.version}.",
        *([f"PyPI has no API to yank a release. Yank it there: {escape(page)}"] if page is not None else []),
    ]
