"""scan: a scanner of the user's looks at the images before any floating tag moves to them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from release_assets.destinations.registry import Registry
from release_assets.errors import PermanentError, TransientError
from release_assets.nodes.image_step import docker_environment
from release_assets.nodes.metadata import table
from release_assets.nodes.release_check import Found
from release_assets.nodes.step import Step
from release_assets.process import CommandFailedError, CommandTimedOutError, run
from release_assets.project import Image, Scan
from release_assets.text import one_line

SCAN_SECONDS = 1800.0  # the first scan downloads the scanner's database
SHOWN = 50  # findings in the table, the worst first
SEVERITIES = ("unknown", "negligible", "low", "medium", "high", "critical")


@dataclass(frozen=True)
class Finding:
    """A known weakness of a package in an image."""

    severity: str  # of SEVERITIES
    id: str
    package: str
    version: str
    fixed_in: str


def findings(output: str) -> list[Finding]:
    """Return what trivy or grype prints as JSON. Raises ValueError where it is neither's."""
    report = json.loads(output)
    if not isinstance(report, dict):
        raise ValueError("it is not a JSON object")
    try:
        if "SchemaVersion" in report:  # trivy leaves out Results where there are none
            return [
                Finding(
                    _severity(found["Severity"]),
                    one_line(found["VulnerabilityID"]),
                    one_line(found["PkgName"]),
                    one_line(found.get("InstalledVersion", "")),
                    one_line(found.get("FixedVersion", "")),
                )
                for result in report.get("Results") or []
                for found in result.get("Vulnerabilities") or []
            ]
        return [
            Finding(
                _severity(found["vulnerability"]["severity"]),
                one_line(found["vulnerability"]["id"]),
                one_line(found["artifact"]["name"]),
                one_line(found["artifact"].get("version", "")),
                one_line(", ".join(found["vulnerability"].get("fix", {}).get("versions") or [])),
            )
            for found in report["matches"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is neither trivy's nor grype's ({error!r})") from None


def _severity(text: str) -> str:
    return text.lower() if text.lower() in SEVERITIES else "unknown"


def scanned(step: Step, image: Image, scan: Scan, registry: Registry, images: Mapping[str, str]) -> Found:
    """Return the result of the check `scan` for the images by platform → digest.

    Raises PermanentError where the scanner is missing or prints something else: that does not pass.
    """
    found: dict[str, list[Finding]] = {}
    with docker_environment(step, image) as env:
        for platform, digest in images.items():
            reference = registry.repository.reference(digest)
            command = [part.replace("{image}", reference) for part in scan.command]
            step.say(f"{command[0]} looks at {reference} ({platform})")
            try:
                output = run(command, env=env, timeout=SCAN_SECONDS, secrets=step.secrets)
            except CommandTimedOutError as error:
                raise TransientError(
                    f"{command[0]} {error.reason} over {reference}", "Run it by hand to see what it does."
                ) from None
            except CommandFailedError as error:
                raise PermanentError(
                    f"{command[0]} could not look at {reference}: {error.reason}\n" + "\n".join(error.tail),
                    "Run it by hand with the same arguments; findings are to be printed, not its status.",
                ) from None
            try:
                found[platform] = findings(output)
            except (ValueError, RecursionError) as error:
                raise PermanentError(
                    f"what {command[0]} printed over {reference} cannot be read: {one_line(str(error))}",
                    "Let it print trivy's or grype's JSON to standard output, and nothing else.",
                ) from None
    return _judged(scan, found)


def _judged(scan: Scan, found: Mapping[str, list[Finding]]) -> Found:
    """Error at the severity that blocks and above, a warning below it."""
    rows = sorted(
        ((platform, finding) for platform, listed in found.items() for finding in listed),
        key=lambda row: (-SEVERITIES.index(row[1].severity), row[1].package, row[1].id),
    )
    counts = Counter(finding.severity for _, finding in rows)
    metadata: dict[str, Any] = {f"findings/{severity}": counts[severity] for severity in SEVERITIES}
    if rows:
        metadata["worst"] = table(
            {"platform": platform, **vars(finding)} for platform, finding in rows[:SHOWN]
        )
    said = ", ".join(
        f"{counts[severity]} {severity}" for severity in reversed(SEVERITIES) if counts[severity]
    )
    where = f"{scan.command[0]} found {said or 'nothing'}"
    blocking = SEVERITIES[SEVERITIES.index(scan.blocks_at) :] if scan.blocks_at else ()
    if any(counts[severity] for severity in blocking):
        return Found(
            "error",
            f"{where}: no floating tag moves",
            "Build again on fixed packages (a rebuild with --pull), or raise blocks_at in defs.yaml, and "
            "materialize again.",
            metadata,
        )
    return Found("warning" if rows else "ok", where, metadata=metadata)
