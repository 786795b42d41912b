"""Refusals of wheels that zig compiled, with the real tools: no code in it, or a glibc that is too new."""

from __future__ import annotations

import os
from pathlib import Path

import bcrypt
import pytest

from release_assets.distributions.wheels import zig
from release_assets.distributions.wheels.inspection import inspect
from release_assets.errors import PermanentError
from release_assets.project import ZigWheels
from release_assets.rules.wheel_tags import MACHINES
from release_assets_tests.compiled_package import wheel

MACHINE = os.uname().machine
PLATFORM = {machine: platform for platform, machine in MACHINES.items()}[MACHINE]


def test_a_wheel_that_needs_a_newer_glibc_is_refused(tmp_path: Path) -> None:
    module = Path(bcrypt.__file__).with_name("_bcrypt.abi3.so")  # it needs a glibc newer than 2.16
    made = wheel(
        tmp_path, "a", "1.0", f"cp39-abi3-linux_{MACHINE}", files={"a/_bcrypt.abi3.so": module.read_bytes()}
    )
    (old,) = zig._repaired(ZigWheels(glibc="2.16"), PLATFORM, made, _folder(tmp_path, "old"), 0, print)
    with pytest.raises(PermanentError) as caught:
        inspect(old, platform=PLATFORM, scratch=tmp_path, log=print)
    assert f"promises manylinux_2_16_{MACHINE}, but auditwheel finds" in caught.value.problem
    (new,) = zig._repaired(ZigWheels(glibc="2.39"), PLATFORM, made, _folder(tmp_path, "new"), 0, print)
    assert inspect(new, platform=PLATFORM, scratch=tmp_path, log=print)["abi3audit"]


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def test_a_wheel_without_code_cannot_be_repaired(tmp_path: Path) -> None:
    made = wheel(tmp_path, "a", "1.0", f"cp39-abi3-linux_{MACHINE}")
    with pytest.raises(PermanentError, match="auditwheel cannot repair a-"):
        zig._repaired(ZigWheels(), PLATFORM, made, _folder(tmp_path, "none"), 0, print)
