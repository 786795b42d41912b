"""It reads its version from a module that MANIFEST.in keeps out of the sdist."""

import sys
from pathlib import Path

from setuptools import setup  # type: ignore[import-untyped]

sys.path.insert(0, str(Path(__file__).parent))

from _version import version  # type: ignore[import-not-found]

setup(name="sdist-that-lacks-a-module", version=version, py_modules=[])
