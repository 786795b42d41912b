"""A script: build a wheel for another platform, with zig as the compiler. It runs where build code runs.

It imports nothing of this project, since that is not visible there. Only the backend's own processes get the
platform's settings: uv would install the build requirements for that platform otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from build import ProjectBuilder
from build.env import DefaultIsolatedEnv
from pyproject_hooks import default_subprocess_runner

SYSCONFIG = "_sysconfigdata_of_the_target"


def main() -> None:
    """Build the wheel of `source` into `output`."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("source", "output", "scratch", "zig"):
        parser.add_argument(name, type=Path)
    parser.add_argument("machine", help="x86_64 or aarch64")
    parser.add_argument("glibc", help="the oldest glibc that the wheel runs on, such as 2.17")
    given = parser.parse_args()
    settings = target_settings(given.scratch, given.zig, given.machine, given.glibc)

    def run(
        cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        default_subprocess_runner(cmd, cwd, {**(extra_environ or {}), **settings})

    with DefaultIsolatedEnv(installer="uv") as env:
        builder = ProjectBuilder.from_isolated_env(env, given.source, runner=run)
        env.install(builder.build_system_requires)
        env.install(builder.get_requires_for_build("wheel"))
        print("* Building wheel...", flush=True)
        builder.build("wheel", given.output)


def target_settings(scratch: Path, zig: Path, machine: str, glibc: str) -> dict[str, str]:
    """Write the tools of the platform to `scratch`; return the variables that a backend uses them by."""
    tools = scratch / "tools"
    tools.mkdir()
    headers = _headers(scratch, machine)
    # Wrappers: build tools accept a path where they do not accept a command with options.
    flags = f"-target {machine}-linux-gnu.{glibc} -idirafter {shlex.quote(str(headers))}"
    for name, command in {"cc": f"cc {flags}", "c++": f"c++ {flags}", "ar": "ar", "ranlib": "ranlib"}.items():
        tool = tools / name
        tool.write_text(f'#!/bin/sh\nexec {shlex.quote(str(zig))} {command} "$@"\n')
        tool.chmod(0o755)
    compilers = {
        "CC": f"{tools}/cc",
        "CXX": f"{tools}/c++",
        "AR": f"{tools}/ar",
        "RANLIB": f"{tools}/ranlib",
        "LDSHARED": f"{tools}/cc -shared",
        "LDCXXSHARED": f"{tools}/c++ -shared",
    }
    (scratch / f"{SYSCONFIG}.py").write_text(f"build_time_vars = {_variables(machine, compilers)!r}\n")
    return compilers | {
        "_PYTHON_HOST_PLATFORM": f"linux-{machine}",
        "_PYTHON_SYSCONFIGDATA_NAME": SYSCONFIG,
        "PYTHONPATH": str(scratch),
        # zig caches what it compiles of glibc, and HOME is thrown away.
        "ZIG_GLOBAL_CACHE_DIR": os.environ["ZIG_GLOBAL_CACHE_DIR"],
        "ZIG_LOCAL_CACHE_DIR": str(scratch / "zig"),
    }


def _variables(machine: str, compilers: Mapping[str, str]) -> dict[str, object]:
    """Return this interpreter's variables as the same version has them on the platform."""
    own = f"{os.uname().machine}-linux-gnu"
    variables: dict[str, object] = json.loads(json.dumps(sysconfig.get_config_vars(), default=str))
    for name, value in variables.items():
        if isinstance(value, str) and name in {"EXT_SUFFIX", "SOABI", "MULTIARCH", "HOST_GNU_TYPE"}:
            variables[name] = value.replace(own, f"{machine}-linux-gnu")
    # Flags of the interpreter's own build name folders and options of another compiler.
    flags = {
        "CFLAGS": "-O3 -DNDEBUG",
        "OPT": "-O3 -DNDEBUG",
        "CCSHARED": "-fPIC",
        "LDFLAGS": "",
        "CPPFLAGS": "",
    }
    flags |= {"BASECFLAGS": "", "PY_CFLAGS": "-O3 -DNDEBUG", "PY_LDFLAGS": "", "CONFIGURE_CFLAGS": ""}
    return variables | flags | dict(compilers) | {"BLDSHARED": compilers["LDSHARED"], "ARFLAGS": "rcs"}


def _headers(scratch: Path, machine: str) -> Path:
    """Return a folder with the pyconfig.h that Debian's interpreters include by the platform's name.

    Both platforms have the same one: they have the same sizes of types, and the same libc.
    """
    headers = scratch / "headers"
    folder = headers / f"{machine}-linux-gnu" / f"python3.{sys.version_info.minor}"
    folder.mkdir(parents=True)
    named = Path(
        sysconfig.get_path("include").replace("/usr/include", f"/usr/include/{os.uname().machine}-linux-gnu")
    )
    found = [
        path for path in (named / "pyconfig.h", Path(sysconfig.get_config_h_filename())) if path.is_file()
    ]
    if found:
        (folder / "pyconfig.h").write_bytes(found[0].read_bytes())
    return headers


if __name__ == "__main__":
    main()
