"""Stands in for python:3.12-slim where Docker Hub is out of reach: Python from Debian's packages."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import urljoin

from release_assets import process
from release_assets._compat.tar import tarfile
from tools.sandbox import system
from tools.sandbox.registry import Registry
from tools.sandbox.servers import SandboxError, loopback_session, wait_until

NAME = "python:3.12-slim"  # as the sample project's Dockerfile says it
ARCHITECTURES = ("amd64", "arm64")
SUITE = "trixie"
PACKAGES = ("base-files", "coreutils", "dash", "python3-minimal", "python3-pip")
MAKING_SECONDS = 600.0

# What no container of ours reads; devices are the engine's to make. Together more than a third of the size.
LEFT_OUT = (
    "dev/", "usr/lib/python3/dist-packages/setuptools/", "usr/share/doc/", "usr/share/info/",
    "usr/share/locale/", "usr/share/man/", "usr/share/perl", "var/cache/", "var/lib/apt/", "var/log/",
)  # fmt: skip
LEFT_OUT_NAMES = frozenset({"EXTERNALLY-MANAGED"})  # pip would refuse to install into Debian's Python
LEFT_OUT_FOLDERS = frozenset({"gconv", "pydoc_data", "perl-base"})

AUTHORITIES = "./usr/share/ca-certificates/"
AUTHORITIES_BUNDLE = "./etc/ssl/certs/ca-certificates.crt"

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def push_base_image(registry: Registry, *, state: Path, say: Callable[[str], None]) -> dict[str, str]:
    """Put the base image into the registry as one tag for both platforms; the build contexts that name it.

    `state` keeps the images' layers, whose making takes most of the time.
    """
    layers = _layers(state, say)
    name, _, tag = NAME.partition(":")
    with _Repository(registry, name) as repository:
        manifests = [
            {**_push_image(repository, architecture, layer), "platform": _platform(architecture)}
            for architecture, layer in layers.items()
        ]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        repository.put_manifest(INDEX, _json(index), tag)
    return {NAME: f"docker-image://{registry.host}/{NAME}"}


def _push_image(repository: _Repository, architecture: str, layer: Path) -> dict[str, object]:
    """Push one platform's image, of one layer; its descriptor."""
    diff_id = layer.with_suffix(".diff_id").read_text()
    config = {
        **_platform(architecture),
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": ["python"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": repository.put_blob(CONFIG, _json(config)),
        "layers": [repository.put_blob(LAYER, layer.read_bytes())],
    }
    return repository.put_manifest(MANIFEST, _json(manifest))


class _Repository(contextlib.AbstractContextManager["_Repository"]):
    """A repository of the registry, to push to."""

    def __init__(self, registry: Registry, name: str) -> None:
        self._url = f"http://{registry.host}/v2/{name}/"
        self._session = loopback_session()
        self._session.auth = (registry.username, registry.token)

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def put_blob(self, media_type: str, content: bytes) -> dict[str, object]:
        descriptor = _descriptor(media_type, content)
        opened = self._session.post(f"{self._url}blobs/uploads/", timeout=30)
        opened.raise_for_status()
        self._session.put(
            urljoin(self._url, opened.headers["Location"]),
            params={"digest": str(descriptor["digest"])},
            data=content,
            headers={"Content-Type": "application/octet-stream"},
            timeout=60,
        ).raise_for_status()
        return descriptor

    def put_manifest(self, media_type: str, content: bytes, tag: str | None = None) -> dict[str, object]:
        descriptor = _descriptor(media_type, content)
        reference = tag or descriptor["digest"]
        self._session.put(
            f"{self._url}manifests/{reference}",
            data=content,
            headers={"Content-Type": media_type},
            timeout=30,
        ).raise_for_status()
        return descriptor


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _platform(architecture: str) -> dict[str, str]:
    return {"architecture": architecture, "os": "linux"}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _layers(state: Path, say: Callable[[str], None]) -> dict[str, Path]:
    """Return the compressed layer of each architecture, beside it a file with the digest of what is in it."""
    # This file is the recipe: when it changes, so does the folder.
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    kept = state / f"base-image-{recipe}"
    if not kept.exists():
        system.install(
            system.missing_packages(system.BASE_IMAGE), why="a base image without Docker Hub", say=say
        )
        say(f"making {NAME} from Debian's packages, for {' and '.join(ARCHITECTURES)}")
        state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=state, ignore_cleanup_errors=True) as temporary:
            made = Path(temporary, "layers")
            made.mkdir()
            _make_layers(Path(temporary), made)
            # In one step, so that what an interruption leaves is never taken for a layer.
            with contextlib.suppress(OSError):
                made.rename(kept)
    return {architecture: kept / f"{architecture}.tar.gz" for architecture in ARCHITECTURES}


def _make_layers(folder: Path, made: Path) -> None:
    mirror = system.debian_mirror()
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    source = f"deb [signed-by={keyring}] {mirror} {SUITE} main"
    with contextlib.ExitStack() as stack:
        children = {}
        for architecture in ARCHITECTURES:
            log = stack.enter_context((folder / f"{architecture}.log").open("wb"))
            # `extract` runs none of the packages' scripts: under QEMU they would take a minute.
            command = [
                "mmdebstrap", "--variant=extract", f"--architectures={architecture}",
                f"--include={','.join(PACKAGES)}", SUITE, f"{folder}/{architecture}.tar", source,
            ]  # fmt: skip
            children[architecture] = stack.enter_context(
                process.started_child(
                    command,
                    env=system.environment(DEBIAN_FRONTEND="noninteractive"),
                    stdout=log.fileno(),
                    stderr=log.fileno(),
                )
            )
        running = children.values()
        wait_until(lambda: all(child.poll() is not None for child in running), seconds=MAKING_SECONDS)
        for architecture, child in children.items():
            if child.returncode != 0:
                said = (folder / f"{architecture}.log").read_text(errors="replace")
                raise SandboxError(
                    f"mmdebstrap could not make the base image for {architecture}:\n{said[-2000:]}",
                    f"The lines above are its own. See whether {mirror} can be reached from here.",
                )
    compiled = _compiled_modules(folder / f"{_native_architecture()}.tar", folder / "root")
    for architecture in ARCHITECTURES:
        _make_layer(folder / f"{architecture}.tar", compiled, made / f"{architecture}.tar.gz")


def _native_architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


def _compiled_modules(native: Path, root: Path) -> dict[str, bytes]:
    """Python's and pip's modules as bytecode, which is the same on every processor, by path in the image.

    Packages' scripts compile them otherwise. Left to pip's first start in QEMU it takes more than a minute.
    """
    with tarfile.open(native) as whole:
        whole.extractall(root, _kept(whole), filter="tar")
    folders = [f"/{folder.relative_to(root)}" for folder in sorted(root.glob("usr/lib/python3*"))]
    # Unchecked: the date of a source file is not what it is compared with.
    options = ["-q", "--invalidation-mode", "unchecked-hash"]
    process.run(
        ["chroot", f"{root}", "/usr/bin/python3", "-m", "compileall", *options, *folders],
        env={"PATH": "/usr/sbin:/usr/bin"},
        timeout=MAKING_SECONDS,
    )
    return {f"./{file.relative_to(root)}": file.read_bytes() for file in sorted(root.glob("usr/**/*.pyc"))}


def _make_layer(root: Path, compiled: dict[str, bytes], layer: Path) -> None:
    """Write `layer` from a root file system: without what nobody reads, with what scripts would make."""
    uncompressed = hashlib.sha256()
    with tempfile.TemporaryFile() as slim:
        with (
            tarfile.open(root) as whole,
            tarfile.open(fileobj=slim, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            authorities = b""
            for member in _kept(whole):
                content = whole.extractfile(member) if member.isreg() else None
                if content and member.name.startswith(AUTHORITIES):
                    authorities += content.read()
                    content.seek(0)
                tar.addfile(member, content)
            # Without the authorities in one file pip does not even start.
            for name, made in (compiled | {AUTHORITIES_BUNDLE: authorities}).items():
                member = tarfile.TarInfo(name)
                member.size = len(made)
                tar.addfile(member, io.BytesIO(made))
            python = tarfile.TarInfo("./usr/bin/python")
            python.type, python.linkname = tarfile.SYMTYPE, "python3"
            tar.addfile(python)
        slim.seek(0)
        with gzip.GzipFile(layer, "wb", compresslevel=1, mtime=0) as packed:
            while chunk := slim.read(1 << 20):
                uncompressed.update(chunk)
                packed.write(chunk)
    layer.with_suffix(".diff_id").write_text(f"sha256:{uncompressed.hexdigest()}")


def _kept(members: Iterable[tarfile.TarInfo]) -> Iterator[tarfile.TarInfo]:
    """Yield the image's members with one date, so that the same packages make the same layer."""
    for member in members:
        path = member.name.removeprefix("./")
        parts = path.split("/")
        if f"{path}/".startswith(LEFT_OUT) or parts[-1] in LEFT_OUT_NAMES or LEFT_OUT_FOLDERS & set(parts):
            continue
        member.mtime = 0
        member.pax_headers = {}
        yield member
