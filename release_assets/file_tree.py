"""A folder whose files are the same everywhere: modes and times do not tell where and when it was made."""

from __future__ import annotations

import os
import stat
from pathlib import Path

LATEST = 2**32 - 1  # seconds; file systems differ in what comes after 2106


def set_modes_and_time(directory: Path, seconds: int, *, nanoseconds: int = 0) -> None:
    """Give everything in `directory` one time, files the mode 644 or 755, folders 755; links stay links.

    `seconds` are since 1970, with `nanoseconds` below a second added. A file that its owner may execute
    becomes 755.
    """
    time = max(0, min(seconds, LATEST)) * 10**9 + nanoseconds
    folders = [directory]
    while folders:
        folder = folders.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                    continue
                if not entry.is_symlink():
                    mode = stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode)
                    recorded = 0o755 if mode & stat.S_IXUSR else 0o644
                    if mode != recorded:
                        Path(entry.path).chmod(recorded)
                os.utime(entry.path, ns=(time, time), follow_symlinks=False)
        folder.chmod(0o755)
        os.utime(folder, ns=(time, time))
