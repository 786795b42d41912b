"""A package that setuptools takes for one with compiled code, without a compiler."""

from setuptools import Distribution, setup  # type: ignore[import-untyped]


class Compiled(Distribution):  # type: ignore[misc]
    """Build as setuptools does a package with an extension module."""

    def has_ext_modules(self) -> bool:
        return True


setup(distclass=Compiled, py_modules=["compiled"])
