"""A build backend that says all it can see of its surroundings."""

import os
from pathlib import Path


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:  # noqa: ARG001  (PEP 517's arguments)
    for name, value in sorted(os.environ.items()):
        print(f"{name}={value}")
    print(f"in HOME: {[path.name for path in Path.home().iterdir()]}")
    (Path(sdist_directory) / "curious-1.2.3.tar.gz").touch()
    return "curious-1.2.3.tar.gz"
