"""Figures of releases, computed from what Dagster recorded."""
