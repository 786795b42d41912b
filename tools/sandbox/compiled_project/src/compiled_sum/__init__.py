"""Add numbers in C."""

from compiled_sum._sum import add  # type: ignore[import-not-found]

__all__ = ["add"]
