"""Inspection of a platform wheel: its tags, RECORD, libraries and stable ABI must be true."""

from __future__ import annotations

import json
from pathlib import Path

from release_assets.distributions.archives import UNREADABLE
from release_assets.distributions.last_words import last_words
from release_assets.distributions.wheels.tools import Log, isolated_run
from release_assets.errors import PermanentError
from release_assets.process import CommandFailedError
from release_assets.rules.wheel_tags import (
    allowed_by_auditwheel,
    has_stable_abi,
    linux_platform,
    tags_of,
    undeclared_tags,
)

SECONDS = 600.0


def inspect(file: Path, *, platform: str | None, scratch: Path, log: Log) -> dict[str, str]:
    """Return what is true of a wheel, each with its tool: `tags`, `record`, `auditwheel`, `abi3audit`.

    `platform` is the Linux platform that it must be for; None accepts any. Raises PermanentError with both
    sides where something is wrong.
    """
    if platform is not None and linux_platform(file.name) != platform:
        raise PermanentError(
            f"{file.name} is not a wheel for {platform}: its tags are {_shown(file)}",
            "Make the build write the platform's tags, or correct `platforms` in the project's defs.yaml.",
        )
    found = {"tags": _shown(file), "record": _check_record(file)}
    if linux_platform(file.name) is not None:
        found["auditwheel"] = _auditwheel(file, scratch, log)
    if has_stable_abi(file.name):
        found["abi3audit"] = _abi3audit(file, scratch, log)
    return found


def _check_record(file: Path) -> str:
    """Return how many files RECORD has, all with its hashes; WHEEL has the tags of the file name."""
    from installer.exceptions import InvalidWheelSource  # of the extra `wheels`
    from installer.sources import WheelFile
    from installer.utils import parse_metadata_file

    try:
        with WheelFile.open(file) as wheel:
            wheel.validate_record()
            declared = parse_metadata_file(wheel.read_dist_info("WHEEL")).get_all("Tag") or []
            members = len(wheel.read_dist_info("RECORD").splitlines())
    except (*UNREADABLE, InvalidWheelSource, WheelFile.validation_error, ValueError, KeyError) as error:
        issues = getattr(error, "issues", None) or [error]
        raise PermanentError(
            f"{file.name} does not agree with its RECORD: {'; '.join(map(str, issues[:5]))}"[:2000],
            "Build the wheel again; whatever changed it after its build has to write RECORD again.",
        ) from None
    missing = undeclared_tags(file.name, [str(tag) for tag in declared])
    if missing:
        raise PermanentError(
            f"{file.name} has the tags {', '.join(missing)} in its name, but not in its WHEEL file",
            "Rename wheels with `wheel tags`, which writes both.",
        )
    return f"{members} entries agree"


def _auditwheel(file: Path, scratch: Path, log: Log) -> str:
    """Return the oldest platform that auditwheel finds the wheel consistent with."""
    try:
        said = isolated_run(
            ["auditwheel", "show", "--json", file],
            scratch=scratch,
            readable=[file],
            timeout=SECONDS,
            log=log,
        )
        overall = str(json.loads(said)["overall_tag"])
    except CommandFailedError as error:
        raise PermanentError(
            f"auditwheel cannot inspect {file.name}: it {error.reason}:\n{last_words(error.tail)}",
            "A wheel for a platform holds a compiled extension module; build it again, or use `pure: {}`.",
        ) from None
    except (ValueError, KeyError, TypeError):
        raise PermanentError(
            f"auditwheel show --json printed no overall_tag for {file.name}: {said[:500]!r}",
            "Install the version of auditwheel that release-assets is locked to.",
        ) from None
    wrong = [
        tag
        for tag in sorted({tag.platform for tag in tags_of(file.name)})
        if not allowed_by_auditwheel(tag, overall)
    ]
    if wrong:
        raise PermanentError(
            f"{file.name} promises {', '.join(wrong)}, but auditwheel finds it consistent with {overall}",
            "Raise `glibc` of zig in the project's defs.yaml, link older libraries, or run `auditwheel "
            "repair` after the build, in an image that is as old as the tag.",
        )
    return overall


def _abi3audit(file: Path, scratch: Path, log: Log) -> str:
    """Return that abi3audit accepts the wheel's stable ABI."""
    try:
        isolated_run(
            ["abi3audit", "--strict", "--report", file],
            scratch=scratch,
            readable=[file],
            timeout=SECONDS,
            log=log,
            variables={"XDG_CACHE_HOME": str(scratch / "cache")},
        )
    except CommandFailedError as error:
        raise PermanentError(
            f"abi3audit rejects {file.name}: it {error.reason}:\n{last_words(error.tail)}",
            "Define Py_LIMITED_API as the version in the tag, or build a wheel for each version of Python.",
        ) from None
    return "the stable ABI is kept"


def _shown(file: Path) -> str:
    return ", ".join(sorted(map(str, tags_of(file.name)))) or "none"
