"""Paths on disk that several tests share: the repository, and folders of data."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
PACKAGES = TESTS / "packages"  # projects whose files are hard to build, or hostile
SCANNER = TESTS / "scanner"  # a scanner of images, and reports of real ones
