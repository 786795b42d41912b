import os

from setuptools import setup  # type: ignore[import-untyped]

os.system("touch /tmp/setup-py-was-run")  # noqa: S605, S607  (nobody may run this)
setup(name="elder", version="0.3", packages=["elder"])
