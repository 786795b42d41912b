"""A build backend that fails."""


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:  # noqa: ARG001  (PEP 517's arguments)
    raise RuntimeError("the flux capacitor is missing")
