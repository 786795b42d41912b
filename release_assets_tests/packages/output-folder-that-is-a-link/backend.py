"""A build backend that puts a link to a folder of others in the place of its output folder."""

from pathlib import Path


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:  # noqa: ARG001  (PEP 517's arguments)
    Path(sdist_directory).rmdir()
    Path(sdist_directory).symlink_to(Path("target").read_text())
    return "sample-1.2.3.tar.gz"
