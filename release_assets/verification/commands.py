"""Print the commands with which anybody verifies the same release without release-assets. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from release_assets.destinations.package_index import IndexFile
from release_assets.project import Project
from release_assets.rules.tags import Release


def commands(
    project: Project,
    release: Release,
    files: Mapping[str, IndexFile],
    *,
    image: str | None,
    assets: Sequence[str] = (),
) -> list[str]:
    """Return shell commands: download, compare, check the signature, and build again.

    `image` is the release's image as name@sha256:…, None where there is none. `assets` are the addresses of
    the release's files. Every value is quoted for the shell.
    """
    lines = ["mkdir published rebuilt && cd published"]
    for file in files.values():
        lines.append(f"curl -fsSLO {shlex.quote(file.url.partition('#')[0])}")
        if file.sha256 is not None:
            lines.append(f"echo {shlex.quote(f'{file.sha256}  {file.filename}')} | sha256sum --check")
    package = _below("source", project.package.directory)
    sums = [address for address in assets if address.endswith("/SHA256SUMS")]
    if sums:
        lines.append(f"curl -fsSL {shlex.quote(sums[0])} | sha256sum --check --ignore-missing")
    lines += [
        "cd ..",
        f"git clone {shlex.quote(project.repository)} source",
        f"git -C source checkout --detach {shlex.quote(f'refs/tags/{release.tag}')}",
        f'test "$(git -C source rev-parse HEAD)" = {release.commit}',
        'export SOURCE_DATE_EPOCH="$(git -C source log -1 --format=%ct)"',
        f"(umask 022 && python -m build --sdist --outdir rebuilt {package})",
    ]
    sdist = next((name for name in files if name.endswith(".tar.gz")), None)
    if sdist is not None:
        lines += [
            f"mkdir unpacked && tar -xf {shlex.quote(f'published/{sdist}')} -C unpacked --strip-components=1",
            "(umask 022 && python -m build --wheel --outdir rebuilt unpacked)",
        ]
    lines.append("sha256sum published/* rebuilt/*")
    if image is not None and project.image is not None:
        lines.append(f"docker buildx imagetools inspect {shlex.quote(image)}")
        lines += _signature(project, release.tag, image)
    return lines


def _signature(project: Project, tag: str, image: str) -> list[str]:
    how = project.image.sign if project.image is not None else None
    if how is None:
        return []
    if how.identity is not None and how.issuer is not None:
        return [
            f"cosign verify --certificate-identity {shlex.quote(how.identity.replace('{tag}', tag))} "
            f"--certificate-oidc-issuer {shlex.quote(how.issuer)} {shlex.quote(image)}"
        ]
    if how.public_pem is not None:
        return [
            f"printf %s {shlex.quote(how.public_pem)} > cosign.pub",
            f"cosign verify --key cosign.pub --insecure-ignore-tlog=true {shlex.quote(image)}",
        ]
    return [f"cosign verify --key cosign.pub --insecure-ignore-tlog=true {shlex.quote(image)}"]


def _below(folder: str, directory: str) -> str:
    return shlex.quote(folder if directory in {".", ""} else f"{folder}/{directory}")
