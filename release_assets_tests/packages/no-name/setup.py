"""A package whose name is not in its pyproject.toml."""

from setuptools import setup  # type: ignore[import-untyped]

setup(
    name="No.Name",
    version="1.2.3",
    description="Older than pyproject.toml",
    long_description="Older than pyproject.toml.",
    long_description_content_type="text/plain",
    py_modules=["no_name"],
)
