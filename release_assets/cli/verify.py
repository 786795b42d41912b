"""`release-assets verify TAG`: prove a published release from the public places alone."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from typing import Any

import click
import dagster as dg
from rich.markup import escape

from release_assets.cli.options import epilog, json_option, project_option
from release_assets.cli.runs import declared_project, records_instance, refuse_pointer, release_of
from release_assets.cli.terminal import columns, print_lines
from release_assets.project import Project
from release_assets.rules.tags import Release
from release_assets.verification.finding import Finding, Verdict, has_failed
from release_assets.verification.verify import Report, verify_release

MARKS = {
    Verdict.OK: "[green]✓[/]",
    Verdict.NOTED: "[cyan]~[/]",
    Verdict.UNCHECKED: "[yellow]?[/]",
    Verdict.FAILED: "[red]✗[/]",
}


@click.command(
    epilog=epilog(
        "release-assets verify v1.2.3",
        "release-assets verify v1.2.3 --no-rebuild",
        "release-assets verify v1.2.3 --json",
    )
)
@click.argument("tag")
@project_option
@click.option("--no-rebuild", is_flag=True, help="Download and compare only; build nothing.")
@json_option("Print the findings as one line of JSON.")
def verify(tag: str, project: str | None, no_rebuild: bool, as_json: bool) -> None:
    """Verify TAG's release from the public places alone.

    The files of the package index and of the GitHub release and the images are downloaded and compared with
    each other, with SHA256SUMS, and with what was recorded in DAGSTER_HOME, if it is set. Signatures,
    attestations and provenance are checked where there are any. Then the sdist, the wheel and, with
    `reproducible: true`, the images are built again from the tag on this machine, and what differs is shown
    member by member.

    ✓ is as it should be, ~ differs harmlessly (times or order in an archive), ? could not be checked, ✗
    failed. The exit status is 1 where something failed.

    No secret is needed. The last lines are commands with which anybody can do the same without
    release-assets.
    """
    declared = declared_project(project)
    release, remote_tags = release_of(declared, tag)
    refuse_pointer(declared, tag, remote_tags)
    with (
        records_instance() as records,
        tempfile.TemporaryDirectory(prefix="release-assets-verify-") as folder,
        dg.DagsterInstance.ephemeral(tempdir=folder) as fresh,
    ):
        report = verify_release(
            declared,
            release,
            remote_tags,
            records=records,
            fresh=fresh,
            rebuild=not no_rebuild,
            log=lambda line: click.echo(line, err=True),
        )
    if as_json:
        click.echo(json.dumps(_answer(declared, release, report)))
    else:
        print_lines(_lines(declared, release, report))
    if has_failed(report.findings):
        raise click.exceptions.Exit(1)


def _lines(project: Project, release: Release, report: Report) -> list[str]:
    lines = [
        f"{escape(project.project)} {release.version} ({release.channel.value}), tag {escape(release.tag)}",
        f"commit {release.commit}",
    ]
    for section in dict.fromkeys(finding.section for finding in report.findings):
        lines += ["", f"[bold]{section.capitalize()}[/]"]
        lines += _section([finding for finding in report.findings if finding.section == section])
    lines += ["", "[bold]The same by hand[/]", *(f"  {escape(line)}" for line in report.commands)]
    counts = {verdict: sum(finding.verdict is verdict for finding in report.findings) for verdict in Verdict}
    words = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    return [*lines, "", words]


def _section(findings: Sequence[Finding]) -> list[str]:
    heads = columns(
        [[MARKS[finding.verdict], escape(finding.what), escape(finding.words)] for finding in findings], 2
    )
    lines: list[str] = []
    for head, finding in zip(heads, findings, strict=True):
        lines += [head, *(f"      {escape(detail)}" for detail in finding.details)]
    return lines


def _answer(project: Project, release: Release, report: Report) -> dict[str, Any]:
    return {
        "project": project.project,
        "tag": release.tag,
        "version": str(release.version),
        "commit": release.commit,
        "failed": has_failed(report.findings),
        "findings": [
            {
                "section": finding.section,
                "what": finding.what,
                "verdict": finding.verdict.value,
                "words": finding.words,
                "details": list(finding.details),
            }
            for finding in report.findings
        ],
        "commands": report.commands,
    }
