"""Find the GitHub releases that a workflow publishes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from release_assets.init.found import GitHubRelease
from release_assets.init.script import commands, entries
from release_assets.init.workflow import Step, is_resolved, secret_in


def releases(step: Step, place: str) -> Iterator[GitHubRelease]:
    """Yield the releases that a step publishes."""
    token = step.inputs.get("token") or step.env.get("GH_TOKEN") or step.env.get("GITHUB_TOKEN")
    match step.uses:
        case "softprops/action-gh-release":
            yield GitHubRelease(
                place,
                secret_in(token),
                files=_files(entries(step.inputs.get("files", ""))),
                notes="github" if step.inputs.get("generate_release_notes") == "true" else None,
                notes_file=step.inputs.get("body_path"),
            )
        case "ncipollo/release-action":
            yield GitHubRelease(
                place,
                secret_in(token),
                files=_files(entries(step.inputs.get("artifacts", "").replace(",", "\n"))),
                notes="github" if step.inputs.get("generateReleaseNotes") == "true" else None,
                notes_file=step.inputs.get("bodyFile"),
            )
        case "orhun/git-cliff-action":
            yield GitHubRelease(place, None, notes="commits")
        case "actions/create-release":
            yield GitHubRelease(place, secret_in(token), notes_file=step.inputs.get("body_path"))
    for command in commands(step.run):
        if re.search(r"\bgh\s+release\s+create\b", command):
            notes_file = re.search(r"(?:-F|--notes-file)[ =]+(\S+)", command)
            yield GitHubRelease(
                place,
                secret_in(token),
                notes="github" if "--generate-notes" in command else None,
                notes_file=notes_file[1].strip("'\"") if notes_file else None,
            )


def _files(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the files that are attached besides the distributions, which always are."""
    return tuple(
        line
        for line in lines
        if not re.match(r"(\./)?(dist|artifacts|wheelhouse|sdist)(/|$)", line) and is_resolved(line)
    )
