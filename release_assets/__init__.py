"""A Dagster code location that releases Python packages.

`ReleaseGraph` is what a `defs.yaml` names. It is loaded on demand: importing Dagster lasts most of a
second, which the credential helper of every image push would otherwise wait for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from release_assets.component import ReleaseGraph

__all__ = ["ReleaseGraph"]


def __getattr__(name: str) -> Any:
    if name == "ReleaseGraph":
        from release_assets.component import ReleaseGraph

        return ReleaseGraph
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    # Dagster finds components by listing the module.
    return sorted([*globals(), *__all__])
