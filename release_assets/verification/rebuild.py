"""Build a release's sdist and wheel again from its tag, and compare them with the published ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from release_assets.errors import ReleaseError
from release_assets.nodes.package_build import build_sdist, build_wheel
from release_assets.nodes.step import Step
from release_assets.text import one_line
from release_assets.verification.archives import Difference, Likeness, archive_difference
from release_assets.verification.downloads import Log
from release_assets.verification.finding import Finding, Verdict

REBUILT = "rebuilt here"
VERDICTS = {
    Likeness.IDENTICAL: Verdict.OK,
    Likeness.PACKED_ANOTHER_WAY: Verdict.NOTED,
    Likeness.BACKEND: Verdict.NOTED,
    Likeness.DIFFERENT: Verdict.FAILED,
}


def rebuild_package(step: Step, published: Mapping[str, Path], log: Log) -> Iterator[Finding]:
    """Yield how each published sdist and wheel compares with one that is built here from the tag.

    The wheel is built from the published sdist, as the release's was.
    """
    with step.folder() as first, step.folder() as second:
        log("building the sdist from a clean checkout of the tag")
        try:
            sdist, _ = build_sdist(step, first)
        except ReleaseError as error:
            yield _not_built("the sdist", error)
            return
        yield from _compared(sdist, published)
        theirs = published.get(sdist.name, sdist)
        log(f"building the wheel from {theirs.name}")
        try:
            wheel, _ = build_wheel(step, theirs, second)
        except ReleaseError as error:
            yield _not_built("the wheel", error)
            return
        yield from _compared(wheel, published)
        for name in sorted(set(published) - {sdist.name, wheel.name}):
            words = f"this machine builds {wheel.name}"
            yield Finding(REBUILT, one_line(name), Verdict.UNCHECKED, words)


def _compared(rebuilt: Path, published: Mapping[str, Path]) -> Iterator[Finding]:
    if rebuilt.name not in published:
        yield Finding(REBUILT, rebuilt.name, Verdict.UNCHECKED, "it was built, and there is none to compare")
        return
    try:
        found = archive_difference(published[rebuilt.name], rebuilt)
    except ReleaseError as error:
        yield Finding(REBUILT, rebuilt.name, Verdict.FAILED, error.problem)
        return
    yield rebuilt_finding(rebuilt.name, found)


def rebuilt_finding(name: str, found: Difference) -> Finding:
    """Return what a comparison means: other contents fail, another packing is noted. Pure."""
    words = f"building the tag again makes {found.likeness.value}"
    return Finding(REBUILT, name, VERDICTS[found.likeness], words, found.lines)


def _not_built(what: str, error: ReleaseError) -> Finding:
    return Finding(REBUILT, what, Verdict.UNCHECKED, error.problem, (error.remedy,))
