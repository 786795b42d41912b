"""Hold the declaration of a project: one module for each block of its defs.yaml."""

from release_assets.project.build import Build
from release_assets.project.destination import is_loopback
from release_assets.project.image import Image
from release_assets.project.index import PackageIndex, TestPackageIndex
from release_assets.project.package import Package
from release_assets.project.page import GitHub, GitLab
from release_assets.project.project import Project
from release_assets.project.scan import Scan
from release_assets.project.sign import Sign
from release_assets.project.trial import Trial
from release_assets.project.wheels import AdoptedWheels, CibuildwheelWheels, TriedWheels, ZigWheels

__all__ = [
    "AdoptedWheels",
    "Build",
    "CibuildwheelWheels",
    "GitHub",
    "GitLab",
    "Image",
    "Package",
    "PackageIndex",
    "Project",
    "Scan",
    "Sign",
    "TestPackageIndex",
    "Trial",
    "TriedWheels",
    "ZigWheels",
    "is_loopback",
]
