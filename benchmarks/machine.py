"""The machine: what the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

import psutil

from release_assets import process
from tools.sandbox import system


def describe(docker: Mapping[str, str]) -> dict[str, str]:
    """Return processor, cores, memory, kernel, Python, engine and buildx, as a reader compares them."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "engine": _said(["docker", "version", "--format", "{{.Server.Version}}"], docker),
        "buildx": _said(["docker", "buildx", "version"], docker),
    }


def commit() -> str:
    """Return the commit that is measured, with a `+` where files differ from it; `unknown` outside of git."""
    here = Path(__file__).parent
    try:
        said = process.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
            env=process.environment(),
            timeout=30,
            directory=here,
        )
    except process.CommandFailedError:
        return "unknown"
    return said.strip()


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.machine()


def _said(argv: list[str], docker: Mapping[str, str]) -> str:
    return process.run(argv, env=system.environment(**docker), timeout=30).strip()
