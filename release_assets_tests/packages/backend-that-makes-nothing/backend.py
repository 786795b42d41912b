"""A build backend that names a file which it never wrote."""


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:  # noqa: ARG001  (PEP 517's arguments)
    return "nothing-1.2.3.tar.gz"
