"""`release-assets rollback TAG`: the floating tags go back to what they pointed to before that release."""

from __future__ import annotations

import json

import click
import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from release_assets.assets.rollback import ROLLBACK
from release_assets.cli.runs import declared_project, release_tag, run_docker_job


@click.command()
@click.argument("tag")
@click.option("--project", help="Which project, where there are several.")
@click.option("--reason", default="none given", help="Why; it is recorded with the run.")
@click.option("--json", "as_json", is_flag=True, help="Print what moved as one line of JSON.")
def rollback(tag: str, project: str | None, reason: str, as_json: bool) -> None:
    """Take the floating tags that TAG's release moved back to what they pointed to before it."""
    declared = declared_project(project)
    metadata = run_docker_job(
        declared,
        release_tag(declared, tag),
        ["floating_tags"],
        {ROLLBACK: "true", "release_assets/reason": reason},
    )
    rows = metadata["floating_tags"]["tags"]
    assert isinstance(rows, dg.TableMetadataValue)  # noqa: S101  (a rollback that moved nothing has failed)
    moves = [dict(row.data) for row in rows.records]
    if as_json:
        click.echo(json.dumps({"project": declared.project, "tag": tag, "tags": moves}))
        return
    shown = Table(title=f"{declared.project}: rolled back {tag}", title_justify="left", box=None)
    for column in ("tag", "from", "to", "why"):
        shown.add_column(column, overflow="fold")
    for move in moves:
        shown.add_row(*(escape(str(move[column])) for column in ("tag", "from", "to", "why")))
    Console(highlight=False).print(shown)
