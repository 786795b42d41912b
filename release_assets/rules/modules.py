"""The modules that an installed distribution brings, by the names of its files. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

EXTENSION = re.compile(r"(abi3t?\.|cp\S+\.|cpython-\S+\.)?so")
# Packed by mistake: what they import is not among the package's requirements.
BY_MISTAKE = {"benchmarks", "docs", "examples", "scripts", "tasks", "test", "tests"}
PROGRAMS = {"__main__", "conftest", "noxfile", "setup"}  # at the top: importing them does something


def importable_modules(files: Iterable[str]) -> list[str]:
    """Return the modules to import: packages and modules at the top, below namespaces where there is no code.

    Private modules, and folders such as `tests`, count only where there is nothing else. Empty for a
    distribution without modules, such as one of type stubs.
    """
    found: set[tuple[str, ...]] = set()
    for name in files:
        parts = PurePosixPath(name).parts
        if len(parts) > 2 and parts[0].endswith(".data") and parts[1] in {"purelib", "platlib"}:
            parts = parts[2:]
        if not parts:
            continue
        *folders, last = parts
        stem, _, suffix = last.partition(".")
        if EXTENSION.fullmatch(suffix):
            # libfoo.so next to it is a library, not an extension module.
            if suffix == "so" and stem.startswith("lib"):
                continue
        elif suffix != "py" or (stem in PROGRAMS and not folders):
            continue
        module = tuple(folders if stem == "__init__" else [*folders, stem])
        if module and all(part.isidentifier() for part in module) and module[0] != "__pycache__":
            found.add(module)
    packages = {module for module in found if not any(module[:end] in found for end in range(1, len(module)))}
    # The modules of a namespace are many; those of its shallowest level stand for all.
    tops = {module[0] for module in packages}
    shallow = {top: min(len(module) for module in packages if module[0] == top) for top in tops}
    chosen = sorted(module for module in packages if len(module) == shallow[module[0]])
    public = [module for module in chosen if not module[0].startswith("_") and module[0] not in BY_MISTAKE]
    return [".".join(module) for module in public or chosen]
