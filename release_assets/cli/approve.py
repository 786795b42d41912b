"""`release-assets approve TAG`: a named person lets a release that was built and waits be published."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Mapping

import click
from rich.markup import escape

from release_assets.cli.options import SECRETS, ask, epilog, json_option, project_option, verbose_option
from release_assets.cli.release import images_half
from release_assets.cli.runs import dagster_instance, declared_project, refuse_pointer, release_of, runs_of
from release_assets.cli.terminal import columns, print_lines
from release_assets.errors import PermanentError
from release_assets.nodes.image_step import REASON
from release_assets.nodes.step import Step
from release_assets.planning.observed import Approvals, Hidden
from release_assets.planning.world import approvals_of, observe_github, step_of
from release_assets.project import Project
from release_assets.rules.approval import APPROVE, APPROVED_BY
from release_assets.rules.tags import Release


@click.command(
    epilog=epilog('release-assets approve v1.2.3 --reason "tried the wheel"', secrets=SECRETS),
)
@click.argument("tag")
@project_option
@click.option("--by", metavar="NAME", help="Who approves. Unset, it is the name of this machine's user.")
@click.option("--reason", default="none given", help="Say why. It is recorded with the approval.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option("Print what was approved as one line of JSON.")
@verbose_option
def approve(
    tag: str, project: str | None, by: str | None, reason: str, yes: bool, as_json: bool, verbose: bool
) -> None:
    """Approve TAG's release, which was built and waits, and publish it.

    The approval is for the tag at its commit, for the files that were built from it, and for the commit of
    the images. The command shows them and asks. A tag that moves, or files that are built again, need another
    approval. Who approved it and why is recorded with the run that publishes.
    """
    declared = declared_project(project)
    if not declared.needs_approval:
        raise click.UsageError(
            f"{declared.project} requires no approval. Add `publish: {{approval: required}}` to its "
            "defs.yaml."
        )
    release, remote_tags = release_of(declared, tag)
    refuse_pointer(declared, tag, remote_tags)
    person = by or _person()
    with dagster_instance() as instance:
        step = step_of(declared, tag, remote_tags, instance)
        step.mirror.fetch(release.commit)
        approvals = approvals_of(step)
        assert approvals is not None  # noqa: S101  (asked above)
        if approvals.missing is None and approvals.recorded is not None:
            before = approvals.recorded
            if as_json:
                click.echo(json.dumps(_answer(declared, approvals, before.approved_by, before.reason, [])))
            else:
                print_lines([
                    f"{escape(tag)} was approved before, by {escape(before.approved_by)}: "
                    f"{escape(before.reason)}",
                    f"`release-assets release {escape(tag)}` continues where it stopped.",
                ])  # fmt: skip
            return
        job = _job(step, approvals)
    if not as_json:
        print_lines(_lines(declared, release, approvals, person))
    ask(yes)
    run_tags = {APPROVE: approvals.now.code, APPROVED_BY: person, REASON: reason}
    with runs_of(declared, verbose=verbose) as runs:
        views = [runs.run(job, tag, tags=run_tags)]
        if declared.image is not None and job == f"{declared.project}_release":
            views += images_half(runs, release, remote_tags, reason)
    if as_json:
        ids = [view.run_id for view in views]
        click.echo(json.dumps(_answer(declared, approvals, person, reason, ids)))
    else:
        print_lines([f"[green]✓[/] {escape(tag)} is approved by {escape(person)} and published"])


def _person() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return f"uid {os.getuid()}"


def _job(step: Step, approvals: Approvals) -> str:
    """Return the job that publishes what is approved. Raises PermanentError where nothing is built yet."""
    project, tag = step.project, step.release.tag
    is_published = step.is_materialized("github_release") or _is_on_github(project, step.release)
    if not is_published and None in approvals.now.files.values():
        raise PermanentError(
            f"nothing of {tag} at commit {step.release.commit} has been built, so nothing can be approved",
            f"Run `release-assets release {tag}`, or wait for the run that the pushed tag starts.",
        )
    return project.approving_job(published=is_published)


def _is_on_github(project: Project, release: Release) -> bool:
    """Return whether the release was published elsewhere, before this Dagster: only images are left."""
    found = observe_github(project, release)
    return found is not None and not isinstance(found, Hidden) and not found.draft


def _lines(project: Project, release: Release, approvals: Approvals, person: str) -> list[str]:
    now = approvals.now
    rows = [
        ["tag", escape(now.tag)],
        ["commit", now.commit],
        *([["images from", now.images_from]] if project.image is not None else []),
        *([node, f"sha256 {digest}" if digest else "not kept here"] for node, digest in now.files.items()),
        ["code", now.code],
    ]
    head = (
        f"{escape(project.project)} {release.version} waits for an approval: {escape(str(approvals.missing))}"
    )
    return [head, *columns(rows, indent=2), f"You approve as {escape(person)}."]


def _answer(
    project: Project, approvals: Approvals, person: str, reason: str, runs: list[str]
) -> Mapping[str, object]:
    now = approvals.now
    return {
        "project": project.project,
        "tag": now.tag,
        "commit": now.commit,
        "images_from": now.images_from,
        **{f"{node}_sha256": digest for node, digest in now.files.items()},
        "approved_by": person,
        "reason": reason,
        "runs": runs,
    }
