"""Measure a release against the plain script that it replaces, and what an idle daemon costs.

A tool of the repository: `make bench`, or `python -m benchmarks --help`.
"""
