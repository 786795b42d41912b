"""What a child may use of this machine when it talks to a server that may send without an end."""

from __future__ import annotations

MEMORY_KIBIBYTES = {"git": 2 * 1024 * 1024, "twine": 512 * 1024}
FILE_BLOCKS = 16 * 1024 * 1024 * 2  # of 512 bytes: 16 GiB in one file; the packs of the largest projects


def bounded(program: str, *arguments: str) -> list[str]:
    """The command line of a program that is ended before it fills memory or disk.

    git reads a list of refs, and twine an answer, whole into memory, however long it is: seconds are no
    bound for a server that is near. Python could set such a limit only between fork and exec, where other
    threads' locks are held; sh does it after that.
    """
    # The memory that is written to: git maps its packs into a lot more.
    limits = f"ulimit -d {MEMORY_KIBIBYTES[program]}; ulimit -f {FILE_BLOCKS}"
    return ["sh", "-c", f'{limits}; exec "$0" "$@"', program, *arguments]
