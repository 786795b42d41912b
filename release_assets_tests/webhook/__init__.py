"""The webhook and its metrics."""
