"""Alerts: what became of a release, and what else a person has to see to."""
