"""`release-assets schema`: what a defs.yaml may hold, for editors and for people."""

from __future__ import annotations

import json

import click

from release_assets.schema import file_schema, reference


@click.command()
@click.option("--markdown", is_flag=True, help="Print a table of all keys, for people.")
def schema(markdown: bool) -> None:
    """Print the JSON schema of a project's defs.yaml.

    An editor that uses the YAML language server completes and checks the file when its first line is
    `# yaml-language-server: $schema=PATH`, with the path of the printed schema:

    \b
        release-assets schema > defs.schema.json
    """
    click.echo(reference() if markdown else json.dumps(file_schema(), indent=2), nl=not markdown)
