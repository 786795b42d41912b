"""The modules that a trial imports, by the names of an installed distribution's files."""

from __future__ import annotations

import pytest

from release_assets.rules.modules import importable_modules


@pytest.mark.parametrize(
    ("files", "modules"),
    [
        (["pkg/__init__.py", "pkg/sub/__init__.py", "pkg/a.py", "pkg-1.dist-info/RECORD"], ["pkg"]),
        (["one.py", "two/__init__.py", "__pycache__/one.cpython-311.pyc"], ["one", "two"]),
        # Namespaces hold no code themselves, so what is right below stands for the package.
        (["google/cloud/thing/__init__.py", "google/cloud/thing/deep/__init__.py"], ["google.cloud.thing"]),
        (["space/a.py", "space/sub/b.py"], ["space.a"]),
        (["fast.cpython-311-x86_64-linux-gnu.so", "libfast.so"], ["fast"]),
        (["core/_native.abi3.so", "core/__init__.py"], ["core"]),
        (["pkg-1.data/purelib/pkg/__init__.py", "pkg-1.data/scripts/tool.py"], ["pkg"]),
        # Packed by mistake, private, or a program.
        (["pkg/__init__.py", "tests/__init__.py", "_helper.py", "setup.py"], ["pkg"]),
        (["_native.so"], ["_native"]),
        (["setup.py", "conftest.py", "../../../bin/tool", "data/table.csv"], []),
        (["foo-stubs/__init__.pyi", "foo-stubs/a.py"], []),
        (["", "a b/__init__.py", "1x.py"], []),
    ],
)
def test_modules_of_a_distribution(files: list[str], modules: list[str]) -> None:
    assert importable_modules(files) == modules
