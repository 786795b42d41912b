"""The chaos tool itself: kills and faults against a whole stack."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from release_assets_tests.maintainer import NewMaintainer, Stands
from tools.chaos.__main__ import kill
from tools.chaos.judge import leaks
from tools.chaos.kills import VICTIMS
from tools.chaos.matrix import Cell, run_cell

CELLS = [
    Cell("index", "503", passes=True),
    Cell("index", "truncated", passes=True),
    Cell("index", "echo", passes=True),
    Cell("github", "429-retry-after", passes=True),
    Cell("github", "echo", passes=True),
    Cell("registry", "reset", passes=True),
    Cell("registry", "echo", passes=True),
    Cell("registry", "403", passes=False),
    Cell("git", "garbage", passes=True),
]


@pytest.mark.timeout(400)
def test_a_release_whose_worker_tree_and_stack_are_killed_is_whole_in_the_end(
    new: NewMaintainer,
    image_stands: Stands,
    tmp_path: Path,
) -> None:
    releases, looks, wrong = kill(new, image_stands, tmp_path, len(VICTIMS), 3, 1, print)
    assert [victim for release in releases for victim in [k.victim for k in release.kills]] == list(VICTIMS)
    assert [release.wrong for release in releases] == [[]] * len(releases)
    assert wrong == []
    assert looks > 10
    assert leaks((file for file in tmp_path.rglob("*") if file.is_file()), image_stands.secrets) == []


@pytest.mark.timeout(600)  # BuildKit may stand still after a reset, until the push is given up
def test_faults_of_every_destination(
    new: NewMaintainer,
    image_stands: Stands,
) -> None:
    with ThreadPoolExecutor(len(CELLS)) as pool:
        rows = list(pool.map(lambda cell: run_cell(cell, image_stands, new), CELLS))
    assert [row.wrong for row in rows] == [[]] * len(CELLS)
    assert [row.outcome for row in rows] == [
        "converged" if cell.must_converge else "failed clearly, then converged" for cell in CELLS
    ]
