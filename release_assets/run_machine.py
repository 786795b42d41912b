"""Recognize where a process id means something: this kernel's start and this namespace of process ids.

A host name does not tell: containers with the host's network share it, and a restart keeps it.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
PROCESSES = Path("/proc/self/ns/pid")
MOUNTS = Path("/proc/self/mountinfo")
MACHINE = Path("/etc/machine-id")
INITIAL = "pid:[4026531836]"  # the namespace of a machine's own processes: PROC_PID_INIT_INO of the kernel
# What an engine mounts over /etc/hostname lies in a folder named after the container.
CONTAINER = re.compile(r"^(?:\S+ ){3}(?P<source>\S+) /etc/hostname ", re.MULTILINE)


@dataclass(frozen=True)
class Machine:
    """A set of processes that see each other, as a run's tag keeps it."""

    boot: str  # of the kernel; the host name where there is no Linux
    processes: str  # the namespace
    place: str  # what a restart keeps: a container's folder on its host, or a machine's own id; "" if unknown

    def was_restarted_as(self, other: Machine) -> bool:
        """Return True where the other one is this one after a restart, which no process survives."""
        if not self.place or self.place != other.place or self == other:
            return False
        # A machine's own id is the same in each of its namespaces, and those exist at the same time.
        return self.place.startswith("/") or self.processes == other.processes == INITIAL


@cache
def this_machine() -> Machine:
    """Return where this process is."""
    if not BOOT.exists():
        return Machine(socket.gethostname(), "", "")
    container = CONTAINER.search(MOUNTS.read_text())
    identity = MACHINE.read_text().strip() if MACHINE.is_file() else ""
    place = container["source"] if container else identity
    return Machine(BOOT.read_text().strip(), str(PROCESSES.readlink()), place)
