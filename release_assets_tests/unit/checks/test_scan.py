"""Read what trivy and grype print."""

from __future__ import annotations

import pytest

from release_assets.checks.scan import Finding, findings
from release_assets_tests.paths import SCANNER


def test_a_report_of_trivys() -> None:
    assert findings((SCANNER / "trivy.json").read_text()) == [
        Finding("high", "CVE-2026-0001", "libssl3", "3.0.1", "3.0.2"),
        Finding("low", "CVE-2026-0002", "bash", "5.2", ""),
    ]


def test_a_report_of_grypes() -> None:
    assert findings((SCANNER / "grype.json").read_text()) == [
        Finding("critical", "CVE-2026-0001", "libssl3", "3.0.1", "3.0.2"),
        Finding("negligible", "CVE-2026-0003", "tar", "1.34", ""),
    ]


@pytest.mark.parametrize("report", ['{"SchemaVersion": 2}', '{"matches": []}'], ids=["trivy", "grype"])
def test_a_report_without_findings(report: str) -> None:
    assert findings(report) == []


@pytest.mark.parametrize(
    "report",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "{}",
        '{"matches": [{}]}',
        '{"matches": 5}',
        '{"SchemaVersion": 2, "Results": [5]}',
    ],
)
def test_what_is_no_report_is_no_pass(report: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        findings(report)


def test_a_report_drives_no_terminal_and_has_any_severity() -> None:
    vulnerability = '{"id": "\\u001b[2J", "severity": "Awful"}'
    (finding,) = findings(
        f'{{"matches": [{{"vulnerability": {vulnerability}, "artifact": {{"name": "a"}}}}]}}'
    )
    assert (finding.severity, finding.id) == ("unknown", "")
