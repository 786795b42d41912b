"""tarfile with the filters of PEP 706, without which archives leave their folder: 3.11.2 has none."""

import sys

if sys.version_info >= (3, 12):
    import tarfile
else:
    from backports import tarfile  # type: ignore[import-untyped]

__all__ = ["tarfile"]
