"""git-cliff in bubblewrap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from release_assets import process
from release_assets.distributions import isolation
from release_assets_tests.repository import Repository
from release_assets_tests.unit.notes.test_cliff import notes
from release_assets_tests.unit.notes.test_cliff import repository as repository  # the fixture


@pytest.mark.usefixtures("bubblewrap")
def test_in_bubblewrap_it_sees_what_it_needs_and_nothing_else(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolated = isolation.isolated
    seen: list[list[str]] = []

    def remember(argv: Sequence[str], **options: Any) -> list[str]:
        seen.append(isolated(argv, **options))
        return seen[-1]

    monkeypatch.setattr(isolation, "isolated", remember)
    assert notes(repository, tmp_path).text.startswith("## Breaking changes")
    (argv,) = seen
    # Something that looks around, in git-cliff's place.
    look = ["sh", "-c", f"ls /etc {repository.path}; tail -n +3 /proc/net/dev | wc -l"]
    said = process.run([*argv[: argv.index("--") + 1], *look], env=process.environment(), timeout=10).split()
    assert "shadow" not in said
    assert "README.md" not in said
    assert said[-1] == "1"  # the loopback device
