"""Figures of releases: computed from Dagster's records when asked for, and kept nowhere else."""
