"""A package with compiled code for tests, and wheels that nobody compiled."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from release_assets_tests.paths import ROOT

SOURCE = ROOT / "tools" / "sandbox" / "compiled_project"


def compiled_source(name: str, version: str) -> dict[str, str]:
    """The files of the compiled sample under another name, as a commit has them."""
    files = {str(file.relative_to(SOURCE)): file.read_text() for file in SOURCE.rglob("*") if file.is_file()}
    pyproject = (
        files["pyproject.toml"].replace('"compiled-sum"', f'"{name}"').replace('"1.0.0"', f'"{version}"')
    )
    return {**files, "pyproject.toml": pyproject}


def wheel(
    folder: Path,
    name: str,
    version: str,
    tag: str,
    *,
    files: Mapping[str, bytes] | None = None,
    spoilt: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a wheel; `spoilt` replaces files after RECORD was written."""
    info = f"{name}-{version}.dist-info"
    content = {
        f"{name}/__init__.py": b"",
        **(files or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
    }
    rows = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in content.items()]
    content[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""]).encode()
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in {**content, **(spoilt or {})}.items():
            archive.writestr(member, data)
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
