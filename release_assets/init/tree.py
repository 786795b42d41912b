"""Read the files of a repository that nobody has vouched for: bounded, and never outside of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

FILE_LIMIT = 256 * 1024  # bytes; a longer workflow or pyproject.toml is not one
ENTRY_LIMIT = 50_000  # files and directories looked at in one repository
DEPTH = 4  # directories below the top: packages/python/core/pyproject.toml

# Directories that hold what others wrote, or what a build left.
SKIPPED = frozenset({
    "node_modules", "venv", "site-packages", "vendor", "vendored", "_vendor", "third_party", "dist", "build",
    "test", "tests", "testing", "example", "examples", "docs", "doc", "fixtures", "templates", "__pycache__",
})  # fmt: skip


class UnreadableError(Exception):
    """A file exists but is not read: it is too long, not text, not a regular file, or outside."""


class Tree:
    """The files below a directory."""

    def __init__(self, root: Path) -> None:
        """`root` is an existing directory."""
        self.root = root.resolve()

    def read(self, path: str) -> str | None:
        """Return the text of a file, or None where there is none.

        Raises UnreadableError for what is there and is not read.
        """
        content = self.read_bytes(path)
        try:
            return None if content is None else content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise UnreadableError(f"{path} is not UTF-8 text") from None

    def read_bytes(self, path: str) -> bytes | None:
        """Return a file as it is, or None where there is none. Raises UnreadableError as `read` does."""
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or "\0" in path:
            return None
        file = self.root / pure
        try:
            if not file.resolve().is_relative_to(self.root):
                raise UnreadableError(f"{path} is a link to a file outside of the repository")
            if not file.exists():
                return None
            if not file.is_file():  # open() would wait at a pipe, and read a device without end
                raise UnreadableError(f"{path} is not a regular file")
            with file.open("rb") as stream:
                content = stream.read(FILE_LIMIT + 1)
        except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a circle of links
            reason = getattr(error, "strerror", None) or "its path leads nowhere"
            raise UnreadableError(f"{path} cannot be read: {reason}") from None
        if len(content) > FILE_LIMIT:
            raise UnreadableError(f"{path} has more than {FILE_LIMIT} bytes")
        return content

    def is_file(self, path: str) -> bool:
        """Return whether `read` would find a regular file there."""
        try:
            return self.read(path) is not None
        except UnreadableError:
            return (self.root / path).is_file()

    def has(self, glob: str) -> bool:
        """Return whether a glob without `**` matches a file."""
        pure = PurePosixPath(glob)
        if pure.is_absolute() or {"..", "**"} & set(pure.parts) or not glob.isprintable():
            return False
        try:
            return any(path.is_file() for path in self.root.glob(glob))
        except (OSError, ValueError, NotImplementedError):
            return False

    def workflows(self) -> list[str]:
        """Return the paths of the GitHub workflows, sorted; no more than a hundred."""
        folder = self.root / ".github" / "workflows"
        try:
            names = [entry.name for entry in os.scandir(folder) if entry.name.endswith((".yml", ".yaml"))]
        except OSError:
            return []
        return [f".github/workflows/{name}" for name in sorted(names)[:100] if name.isprintable()]

    def named(self, *patterns: str) -> list[str]:
        """Return the paths of regular files whose name matches one of the globs, the shortest paths first."""
        found = [
            path
            for path in self._walk()
            if path.isprintable() and any(PurePosixPath(path).match(glob) for glob in patterns)
        ]
        return sorted(found, key=lambda path: (path.count("/"), path))

    def _walk(self) -> Iterator[str]:
        looked_at = 0
        for folder, folders, files in os.walk(self.root, followlinks=False):
            below = PurePosixPath(Path(folder).relative_to(self.root).as_posix())
            folders[:] = sorted(
                name for name in folders if not name.startswith(".") and name.lower() not in SKIPPED
            )
            if len(below.parts) >= DEPTH:
                folders.clear()
            looked_at += len(folders) + len(files)
            if looked_at > ENTRY_LIMIT:
                return
            for name in sorted(files):
                if Path(folder, name).is_file() and not Path(folder, name).is_symlink():
                    yield (below / name).as_posix()
