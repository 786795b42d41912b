"""The needs of a project's releases: git, destinations, platforms, and a scanner."""

from __future__ import annotations

import os
import platform as machine
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import dagster as dg

from release_assets.alerts.delivery import target_problem
from release_assets.destinations import buildx, git, package_index
from release_assets.destinations.registry import parse_repository
from release_assets.errors import ReleaseError
from release_assets.nodes.preflight import Need, needs
from release_assets.process import environment
from release_assets.project import Image, Package, PackageIndex, Project, Scan
from release_assets.readiness.row import Look, Row
from release_assets.rules.tags import Channel, release_versions
from release_assets.rules.wheel_tags import MACHINES, wheel_node_name
from release_assets.secrets import read_secrets
from release_assets.sensors.release_tags import tag_changes

SHOWN_TAGS = 5
# What shows or meets a need that no variable holds the secret of.
COMMANDS = {"signing": "cosign version", "wheels": "pip install 'release-assets[wheels]'"}


def looks(project: Project) -> Iterator[Look]:
    """Yield what the project's releases need: git, destinations, platforms, and the scanner."""
    name = project.project
    remote = shlex.quote(project.repository)
    yield Look(name, "git", "git", lambda: _git(project), command=f"git ls-remote --tags {remote}")
    # Asked by the very functions of a release's preflight, so that the two cannot disagree.
    titles = {
        "index": project.index.title if project.index.is_warehouse else "package index",
        "test_index": project.test_index.title if project.test_index.is_warehouse else "test index",
        project.page.host.lower(): project.page.host,
    }
    pages = {"index": project.index, "test_index": project.test_index}
    asked = {need.what: need for channel in Channel for need in needs(project, channel)}
    for need in asked.values():
        what = titles.get(need.what, need.what)
        yield Look(
            name,
            what,
            need.what,
            _asked(name, what, need, pages.get(need.what)),
            tuple(read_secrets(need.secrets)),
            # A project without test releases needs no token for them.
            "warning" if need.what == "test_index" else "failed",
            f"export {' '.join(need.secrets)}=..." if need.secrets else _shows_more(project, need.what),
        )
    for target in project.alerts.targets_env if project.alerts is not None else ():
        yield _alerts(name, target)
    for platform, context in _wheel_engines(project.package).items():
        yield _wheel_engine(name, platform, context)
    if project.image is not None:
        for platform in project.image.platforms:
            yield _platform(name, project.image, platform)
        if (scan := project.image.scan) is not None:
            yield Look(name, "scanner", "scan", lambda: _scan(name, scan))


def _shows_more(project: Project, what: str) -> str:
    """Return the command that shows more of a need that has no variable."""
    if what in COMMANDS:
        return COMMANDS[what]
    index = project.test_index if what == "test_index" else project.index
    return f"curl --fail-with-body {shlex.quote(package_index.audience_url(index.upload_url))}"


def _asked(name: str, what: str, need: Need, index: PackageIndex | None) -> Callable[[], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        words = need.ask()
        if index is not None:  # a release has looked at its page long before
            package_index.observe_index(index, name)
        yield Row(name, what, need.what, "ok", words)

    return rows


def _git(project: Project) -> Iterator[Row]:
    tags = git.observe_tags(project.repository)
    versions = release_versions(tags, project.tags.patterns)
    newest = f", the newest {max(versions)}" if versions else ""
    yield Row(project.project, "git", "git", "ok", f"{project.repository}: {len(versions)} releases{newest}")
    known = _recorded_releases(project)
    if known is None:
        words = f"the first look of the tag sensor will record {len(versions)} releases, and start none"
    else:
        seen = {tag: commit for tag, commit in tags.items() if tag in known}
        new = tag_changes(tags, seen, project.tags.patterns).releases
        more = f" and {len(new) - SHOWN_TAGS} more" if len(new) > SHOWN_TAGS else ""
        words = (
            f"the tag sensor will release {', '.join(new[:SHOWN_TAGS])}{more}"
            if new
            else f"the tag sensor will find nothing new: {len(known)} tags are recorded"
        )
    yield Row(project.project, "new tags", "release_tags", "ok", words)


def _recorded_releases(project: Project) -> frozenset[str] | None:
    """Return the release tags that the tag sensor has recorded, or None before its first look."""
    if not os.environ.get("DAGSTER_HOME"):
        return None
    try:
        with dg.DagsterInstance.get() as instance:
            known = instance.get_dynamic_partitions(f"{project.project}_releases")
    except Exception as error:  # of whatever storage is configured; its words may hold a password
        raise ReleaseError(
            f"Dagster's storage cannot be read ({type(error).__name__})",
            "Check dagster.yaml in DAGSTER_HOME, and that its database answers.",
        ) from None
    return frozenset(known) or None


def _alerts(name: str, target: str) -> Look:
    def rows() -> Iterator[Row]:
        problem = target_problem(target)
        if problem is not None:
            raise ReleaseError(f"no alert can be sent: {problem}", "Nothing else of a release needs it.")
        yield Row(name, "alerts", target, "ok", f"{target} holds an Apprise URL")

    return Look(name, "alerts", target, rows, if_not="warning", command=f"export {target}=...")


def _platform(name: str, image: Image, platform: str) -> Look:
    builder = image.builders.get(platform)
    architecture = platform.split("/")[1]

    def rows() -> Iterator[Row]:
        engine, fallback = _engine(image.repository, builder, image.emulate_unreachable)
        buildx.check_platform(engine, platform)
        how = "with QEMU, which is slower" if buildx.is_emulated(engine, platform) else "natively"
        row = Row(name, platform, platform, "ok", f"{engine.name} runs it {how}")
        if fallback is not None:
            row = replace(row, state="warning", words=f"{row.words}: {fallback}", command="docker buildx ls")
        yield row

    qemu = f"docker run --privileged --rm tonistiigi/binfmt --install {architecture}"
    return Look(name, platform, platform, rows, command="docker buildx ls" if builder else qemu)


def _wheel_engines(package: Package) -> dict[str, str | None]:
    """Return the docker contexts of the platforms whose wheels are built or imported in a container."""
    found: dict[str, str | None] = {}
    for source in package.wheels or ():
        built = source.built
        for platform in built.platforms if built is not None else ():
            if source.cibuildwheel is not None or MACHINES[platform] != machine.machine():
                found[platform] = built.builders.get(platform) if built is not None else None
    return found


def _wheel_engine(name: str, platform: str, context: str | None) -> Look:
    def rows() -> Iterator[Row]:
        engine, _ = _engine("docker.io/library/python", context, False)
        buildx.check_platform(engine, platform)
        how = "with QEMU, which is slower" if buildx.is_emulated(engine, platform) else "natively"
        words = f"{engine.name} runs its wheels {how}"
        yield Row(name, f"wheels for {platform}", wheel_node_name(platform), "ok", words)

    return Look(name, f"wheels for {platform}", wheel_node_name(platform), rows, command="docker context ls")


@cache
def _engine(repository: str, builder: str | None, emulate: bool) -> tuple[buildx.Engine, str | None]:
    with buildx.docker_environment(parse_repository(repository), None, None) as env:
        return buildx.choose_engine(builder, env, emulate_unreachable=emulate)


def _scan(name: str, scan: Scan) -> Iterator[Row]:
    program = scan.command[0]
    if shutil.which(program, path=environment()["PATH"]):
        yield Row(name, "scanner", "scan", "ok", f"{program} is installed")
    else:
        yield Row(
            name, "scanner", "scan", "failed",
            f"{program} is not installed, and image.scan in defs.yaml runs it",
            "Install it where images are checked: without it no floating tag moves.",
            f"command -v {shlex.quote(program)}",
        )  # fmt: skip
