"""A build backend that leaves a second file in the output folder."""

from pathlib import Path


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:  # noqa: ARG001  (PEP 517's arguments)
    (Path(sdist_directory) / "two-1.2.3.tar.gz").touch()
    (Path(sdist_directory) / "notes.txt").touch()
    return "two-1.2.3.tar.gz"
