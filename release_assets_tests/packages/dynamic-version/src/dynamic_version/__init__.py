"""A package with a version, which cannot be imported at build time."""

from . import not_in_this_world  # type: ignore[attr-defined]

__version__ = "1.2.3"
__all__ = ["not_in_this_world"]
