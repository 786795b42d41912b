"""Measure a release by release-assets against a plain script that does the same, on the sandbox."""
