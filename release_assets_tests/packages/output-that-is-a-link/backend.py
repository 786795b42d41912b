"""A build backend that leaves a link to a file that it cannot see itself: ours may."""

from pathlib import Path


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:  # noqa: ARG001  (PEP 517's arguments)
    (Path(sdist_directory) / "sample-1.2.3.tar.gz").symlink_to(Path("target").read_text())
    return "sample-1.2.3.tar.gz"
