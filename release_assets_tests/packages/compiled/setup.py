"""A package that setuptools takes for one with compiled code, without a compiler."""

from setuptools import Distribution, setup  # type: ignore[import-untyped]


class Compiled(Distribution):  # type: ignore[misc]
    """What an extension module makes of a package."""

    def has_ext_modules(self) -> bool:
        return True


setup(distclass=Compiled, py_modules=["compiled"])
