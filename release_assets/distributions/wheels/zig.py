"""manylinux wheels without any image: compiled by zig for each platform, repaired by auditwheel."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import time
from pathlib import Path

from release_assets.distributions.last_words import last_words
from release_assets.distributions.wheels.tools import (
    Log,
    check_installed,
    isolated_run,
    wheels_in,
)
from release_assets.errors import PermanentError, TransientError
from release_assets.process import CommandFailedError
from release_assets.project import ZigWheels
from release_assets.rules.wheel_tags import MACHINES, tags_of

# Run by path, in a process of its own: what it imports is of no use to anybody here.
SCRIPT = Path(__file__).with_name("cross_build.py")
BUILD_SECONDS = 3600.0
REPAIR_SECONDS = 600.0
NETWORK = ("error sending request", "timed out", "dns error", "Connection reset")
HEADERS = "Install the headers of Python (python3-dev), or name versions in `pythons`, which uv fetches."


def build_wheels(
    source: ZigWheels,
    platform: str,
    tree: Path,
    *,
    scratch: Path,
    cache: Path,
    epoch: int,
    log: Log,
    seconds: dict[str, float],
) -> list[Path]:
    """Return the wheels of the unpacked sdist `tree` for a platform, one for each version of Python.

    `scratch` is an empty folder of the build; `cache` is uv's and zig's; `epoch` becomes SOURCE_DATE_EPOCH.
    Adds the seconds of the stages `zig` and `repair`. Raises PermanentError with the end of the output.
    """
    check_installed("zig")
    cache.mkdir(parents=True, exist_ok=True)
    found: list[Path] = []
    for python in source.pythons or (None,):
        # The build code never sees the folder of the repair: it could leave links there.
        folder, repair = (scratch / f"{python or 'own'}-{what}" for what in ("build", "repair"))
        folder.mkdir()
        repair.mkdir()
        started = time.monotonic()
        built = _compiled(source, platform, tree, python, folder, cache, epoch, log)
        seconds["zig"] = seconds.get("zig", 0.0) + time.monotonic() - started
        started = time.monotonic()
        repaired = _repaired(source, platform, built, repair, epoch, log)
        # A stable ABI wheel that an earlier version of Python has made serves this one as well.
        found += [wheel for wheel in repaired if wheel.name not in {one.name for one in found}]
        seconds["repair"] = seconds.get("repair", 0.0) + time.monotonic() - started
    return found


def _compiled(
    source: ZigWheels,
    platform: str,
    tree: Path,
    python: str | None,
    folder: Path,
    cache: Path,
    epoch: int,
    log: Log,
) -> Path:
    script, output, work = SCRIPT, folder / "output", folder / "work"
    output.mkdir()
    work.mkdir()
    # The version of `build` is ours, so that requirements.lock says what ran.
    requirement = f"build[uv]=={importlib.metadata.version('build')}"
    interpreter = (
        [sys.executable]
        if python is None
        else ["uv", "run", "--no-project", "--no-config", "--python", python, "--with", requirement, "python"]
    )
    argv: list[str | Path] = [
        *interpreter, script, tree, output, work, _zig(), MACHINES[platform], source.glibc
    ]  # fmt: skip
    try:
        isolated_run(
            argv,
            scratch=folder,
            readable=[script, _zig().parent],
            writable=[tree, cache],
            network=True,
            timeout=BUILD_SECONDS,
            log=log,
            variables={
                "UV_CACHE_DIR": str(cache),
                "UV_PYTHON_INSTALL_DIR": str(cache / "pythons"),
                "ZIG_GLOBAL_CACHE_DIR": str(cache / "zig"),
                "SOURCE_DATE_EPOCH": str(epoch),
            },
        )
    except CommandFailedError as error:
        said = last_words(error.tail)
        passing = any(words in said for words in NETWORK)
        raise (TransientError if passing else PermanentError)(
            f"building the wheel for {platform} with zig {error.reason}:\n{said}",
            HEADERS
            if "Python.h" in said
            else "Correct the build, or build this package with cibuildwheel: zig compiles C and C++ for "
            "backends that use CC and CXX, such as setuptools.",
        ) from None
    (wheel, *others) = wheels_in(output, "the build backend")
    if others:
        raise PermanentError(
            f"the build backend made {len(others) + 1} wheels instead of one",
            "Make the backend leave one file in its output folder.",
        )
    if {tag.platform for tag in tags_of(wheel.name)} != {f"linux_{MACHINES[platform]}"}:
        raise PermanentError(
            f"the build backend made {wheel.name} for {platform}: it has no compiled code",
            "Use `pure: {}` in place of zig for a package of pure Python, or make the backend compile here.",
        )
    return wheel


def _repaired(
    source: ZigWheels, platform: str, wheel: Path, folder: Path, epoch: int, log: Log
) -> list[Path]:
    """Return the wheel with the libraries that it needs inside, under the tags that are right for it."""
    tag = f"manylinux_{source.glibc.replace('.', '_')}_{MACHINES[platform]}"
    # A wheel says for which libc it is, as not every extension refers to one.
    tagged = folder / "tagged"
    tagged.mkdir()
    named = tagged / wheel.name
    named.write_bytes(wheel.read_bytes())
    try:
        isolated_run(
            [sys.executable, "-m", "wheel", "tags", "--remove", "--platform-tag", tag, named],
            scratch=folder,
            timeout=REPAIR_SECONDS,
            log=log,
            variables={"SOURCE_DATE_EPOCH": str(epoch)},
        )
        (named,) = wheels_in(tagged, "wheel tags")
        isolated_run(
            ["auditwheel", "repair", "--plat", "auto", "--wheel-dir", folder / "repaired", named],
            scratch=folder,
            timeout=REPAIR_SECONDS,
            log=log,
            variables={"SOURCE_DATE_EPOCH": str(epoch)},
        )
    except CommandFailedError as error:
        raise PermanentError(
            f"auditwheel cannot repair {wheel.name}: it {error.reason}:\n{last_words(error.tail)}",
            "Link libraries statically, or build this package with cibuildwheel.",
        ) from None
    # A wheel that needs a newer glibc keeps the tag that it was given: the inspection refuses it.
    return wheels_in(folder / "repaired", "auditwheel")


def _zig() -> Path:
    spec = importlib.util.find_spec("ziglang")
    assert spec is not None  # noqa: S101  (see check_installed)
    assert spec.origin is not None  # noqa: S101
    return Path(spec.origin).with_name("zig")
