"""Kills and faults: `make chaos`."""
