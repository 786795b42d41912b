"""The check of sdist and wheel: what `twine check` warns of. It blocks nothing, since PyPI accepts it."""

from __future__ import annotations

from release_assets.distributions.store import Distribution
from release_assets.nodes.release_check import Declared, Found

TWINE_CHECK = Declared(
    "twine_check", "`twine check` warns of nothing: there is a README, and its content type.", blocks=False
)


def twine_check(kept: Distribution) -> Found:
    """Return the warnings of `twine check` when the file was built."""
    if not kept.warnings:
        return Found("ok", f"twine check accepts {kept.filename}")
    return Found(
        "warning",
        f"twine check accepts {kept.filename} with warnings:\n" + "\n".join(kept.warnings),
        "The index accepts it. Set readme in pyproject.toml to show a description on the project's page.",
    )
