"""The platforms of a builder are read, and those that need QEMU."""

from __future__ import annotations

import pytest

from release_assets.destinations.buildx import (
    check_platform,
    inspected_platforms,
    is_emulated,
    native_platforms,
)
from release_assets.errors import PermanentError
from release_assets_tests.unit.destinations.buildx_records import an_engine

INSPECTED = """\
Name:          arm-host
Driver:        docker-container

Nodes:
Name:                  arm-host0
Platforms:             linux/arm64*, linux/arm/v7
Name:                  arm-host1
Platforms:             linux/amd64, linux/amd64/v2
"""


def test_the_platforms_of_all_nodes_are_read() -> None:
    assert inspected_platforms(INSPECTED) == {"linux/arm64", "linux/arm/v7", "linux/amd64", "linux/amd64/v2"}


def test_each_nodes_first_platform_is_its_own() -> None:
    assert native_platforms(INSPECTED) == {"linux/arm64", "linux/amd64"}


@pytest.mark.parametrize(
    ("machine", "platform", "emulated"),
    [
        ("linux/amd64", "linux/amd64", False),
        ("linux/amd64", "linux/amd64/v3", False),
        ("linux/amd64", "linux/386", False),
        ("linux/amd64", "linux/arm64", True),
        ("linux/arm64", "linux/arm64/v8", False),
        ("linux/arm64", "linux/arm/v7", False),
        ("linux/arm64", "linux/amd64", True),
    ],
)
def test_a_platform_of_another_processor_is_emulated(machine: str, platform: str, emulated: bool) -> None:
    assert is_emulated(an_engine(machine), platform) is emulated


def test_a_builder_that_does_not_say_what_it_is_emulates_nothing_that_we_know_of() -> None:
    assert not is_emulated(an_engine(), "linux/arm64")


@pytest.mark.parametrize(
    "platform", ["linux/arm64", "linux/arm64/v8", "linux/arm", "linux/arm/v7", "linux/amd64"]
)
def test_a_platform_that_is_listed_can_be_run(platform: str) -> None:
    check_platform(an_engine(*inspected_platforms(INSPECTED)), platform)


def test_no_qemu_is_installed_for_another_operating_system() -> None:
    with pytest.raises(PermanentError) as raised:
        check_platform(an_engine("linux/amd64", "linux/arm64"), "windows/amd64")
    assert raised.value.remedy.startswith("Name a machine with windows in image: builders:")


def test_a_platform_that_cannot_be_run_tells_how_to_install_qemu() -> None:
    with pytest.raises(PermanentError) as raised:
        check_platform(an_engine("linux/amd64", "linux/amd64/v2"), "linux/arm64")
    assert raised.value.problem == "docker's builder cannot run linux/arm64, only linux/amd64, linux/amd64/v2"
    for way in ("tonistiigi/binfmt --install all", "qemu-user-static and binfmt-support", "builders:"):
        assert way in raised.value.remedy
