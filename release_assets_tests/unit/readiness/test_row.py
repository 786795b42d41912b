"""The command that mends what is missing: none where only waiting helps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from release_assets.errors import PermanentError, ReleaseError, TransientError
from release_assets.readiness.row import Look, Row


@pytest.mark.parametrize(
    ("error", "command", "shown"),
    [
        (PermanentError("403", "Create a token."), "export PYPI_TOKEN=...", "export PYPI_TOKEN=..."),
        (TransientError("unreachable", "Wait."), "export PYPI_TOKEN=...", ""),
        (TransientError("unreachable", "Wait."), "git ls-remote --tags x", "git ls-remote --tags x"),
    ],
)
def test_no_new_token_is_proposed_for_a_server_that_is_down(
    error: ReleaseError, command: str, shown: str
) -> None:
    def rows() -> Iterator[Row]:
        raise error
        yield

    (row,) = Look("sample", "PyPI", "index", rows, command=command).answer()
    assert (row.state, row.command) == ("failed", shown)
