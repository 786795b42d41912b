"""Weave pages into threads."""
