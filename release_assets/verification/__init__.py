"""Verify a release from the public places alone: download, compare, check signatures, build again."""
